/* writer.h - the thread with the one connection that writes and checkpoints.
 *
 * A turn: take the batch that has arrived, write it and whatever else waits (cursors, a stock
 * snapshot that is due) in one transaction, tell the outcome, checkpoint if the write-ahead log is
 * long. With nothing to do: snapshot, retention, checkpoint, sleep.
 *
 * States of the connection:
 *
 *     UP ── error before COMMIT ──► DOWN         the batch is REJECTED
 *     UP ── error from COMMIT ────► DOUBT        the batch is UNKNOWN
 *     DOUBT ── reopened, looked, made sure ──► UP    the batch is COMMITTED or REJECTED
 *     DOWN ── reopened, a small transaction is durable ──► UP
 */
#ifndef TALLY_LEDGER_WRITER_H
#define TALLY_LEDGER_WRITER_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/wake.h"
#include "ledger/batch_table.h"
#include "ledger/ledger.h"
#include "ledger/stock_table.h"

struct ledger_sqlite;

enum writer_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_INSERT_MOVES,
    STATEMENT_INSERT_PLAIN_MOVES,
    STATEMENT_INSERT_RESERVES,
    STATEMENT_INSERT_SALE_RESERVES,
    STATEMENT_INSERT_REFUNDS,
    STATEMENT_INSERT_LOT,
    STATEMENT_INSERT_LINE,
    STATEMENT_PUT_LOT_TERMS,
    STATEMENT_PUT_SALE,
    STATEMENT_CLEAR_SALE_ITEMS,
    STATEMENT_INSERT_SALE_ITEM,
    STATEMENT_PUT_STOCK,
    STATEMENT_PUT_SNAPSHOT,
    STATEMENT_PUT_CURSOR,
    STATEMENT_PROBE,
    STATEMENT_HAS_SEQ,
    STATEMENT_COUNT
};

/* A cursor_set that waits, on the stack of its caller. */
struct cursor_request {
    struct cursor_request *next;
    const char *reader;
    int64_t seq;
    int code;
    bool done;
};

struct cursor_queue {
    pthread_mutex_t lock; /* guards all below, and the requests */
    pthread_cond_t answered;
    struct cursor_request *first;
    bool closed;
};

struct writer {
    struct ledger_sqlite *ledger;
    sqlite3 *db; /* NULL while it is down */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct batch_source source;
    struct stock_table stocks;
    int64_t last_at_ms; /* of the newest move, and when that was on the monotonic clock */
    uint64_t last_at_ns;
    int64_t oldest_pending;
    int64_t oldest_pending_before; /* the batch that is being written */
    int64_t snapshot_seq;
    uint64_t moves_since_snapshot;
    int wal_frames;         /* since the log was last started again */
    int wal_frames_checked; /* of them, when a checkpoint was last tried */
    int wal_frames_peak;    /* the size of its file, in frames */
    bool wal_pending;       /* frames that no checkpoint has copied */
    bool down;
    char why[ERROR_TEXT_MAX]; /* it is down */
    uint32_t backoff_ms;
    uint64_t retry_ns;
    uint64_t last_commit_ns;
    uint64_t retention_ns; /* when it looks next */
    struct mailbox box;
    struct mail *taken; /* batches not dealt with yet */
    struct cursor_queue cursors;
    struct wake wake;
    _Atomic bool stopping;
    uint64_t stop_ns; /* when waiting for a doubtful outcome is given up */
    pthread_t thread;
    bool running;
};

/* Opens, creates or migrates the file. Before the thread. */
int writer_open(struct writer *w, struct ledger_sqlite *ledger, struct error *e) MUST_CHECK;
void writer_close(struct writer *w);
int writer_start(struct writer *w, struct error *e) MUST_CHECK;
void writer_stop(struct writer *w);
void writer_submit(struct writer *w, struct batch *b);
/* Waits until it is durable. TLY_EUNAVAILABLE: not known to be. */
int writer_cursor_set(struct writer *w, const char *reader, int64_t seq, struct error *e);

/* ---- between the writer's own files; on its thread ---- */

/* writer_commit.c */
void writer_commit(struct writer *w, struct batch *b);
void writer_commit_cursors(struct writer *w);
int writer_begin(struct writer *w, struct error *e) MUST_CHECK;
/* Commits what is neither batch nor promise to anybody; on failure the connection goes down. */
int writer_end(struct writer *w, struct error *e) MUST_CHECK;
void writer_rollback(struct writer *w);
void writer_cursors_answer(struct writer *w, struct cursor_request *first, int code);
struct cursor_request *writer_cursors_take(struct writer *w);

/* writer_upkeep.c */
int writer_put_snapshot(struct writer *w, int64_t seq, struct error *e) MUST_CHECK;
bool writer_snapshot_due(const struct writer *w);
void writer_snapshot_written(struct writer *w, int64_t seq);
void writer_checkpoint_if_long(struct writer *w);
int64_t writer_upkeep(struct writer *w, uint64_t now_ns); /* microseconds to sleep, -1: no limit */
void writer_last_words(struct writer *w);

/* writer_outage.c */
int writer_connect(struct writer *w, struct error *e) MUST_CHECK;
void writer_disconnect(struct writer *w);
void writer_go_down(struct writer *w, const struct error *why);
void writer_come_up(struct writer *w);
void writer_try_again(struct writer *w);
/* The outcome of a batch whose COMMIT failed; false if the ledger is stopped before it is known. */
bool writer_resolve(struct writer *w, int64_t last_seq, bool *committed);

/* retention.c: removes one step; true if there may be more to remove at once. */
bool writer_retention_step(struct writer *w);

#endif
