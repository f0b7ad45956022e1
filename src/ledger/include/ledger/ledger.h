/* ledger.h - the authority on stock: an append-only log of moves, and the stock that follows from
 * it.
 *
 * Life: create, recover (once), start, then submit/read until stop, destroy. Callbacks come on the
 * adapter's own threads; what they are handed is done with when they were called. None of the calls
 * from the engine's thread blocks.
 *
 * Outcomes of submit, each delivered through on_outcome:
 *   LEDGER_COMMITTED  all moves of the batch are durable
 *   LEDGER_REJECTED   none of them is, nor will be: not done
 *   LEDGER_STALE      none is: another writer was faster; the true stock comes with it
 *   LEDGER_UNKNOWN    the adapter cannot tell. It keeps trying to find out and delivers the same
 *                     batch again with COMMITTED or REJECTED. Until then it takes no other batch.
 *                     It sets the second outcome any time after the callback of the first has
 *                     returned: that callback returns when the engine was told.
 *                     A ledger that is stopped before it knows gives no second outcome.
 *
 * The memory of a batch and all that its moves point to stays valid from submit until a final
 * outcome was delivered.
 */
#ifndef TALLY_LEDGER_LEDGER_H
#define TALLY_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mailbox.h"
#include "ledger/order_runs.h"
#include "model/model.h"

struct ledger;

enum ledger_outcome {
    LEDGER_COMMITTED, /* durable */
    LEDGER_REJECTED,  /* not done, nothing of it; the ledger is not available now */
    LEDGER_STALE,     /* not done: another writer changed a lot; `reloaded` has the true stock */
    LEDGER_UNKNOWN,   /* may or may not be done; a second outcome will follow for the same batch */
};

struct reload {
    lot_id lot;
    struct stock stock;
};

struct batch {
    struct mail mail;
    const struct move *moves;
    uint32_t move_count;
    uint64_t number;        /* 1, 2, 3, ... */
    int64_t oldest_pending; /* every reservation with a lower id is finished once this commits */
    /* set by the ledger before the outcome is delivered */
    enum ledger_outcome outcome;
    const struct reload *reloaded; /* LEDGER_STALE; lives until engine_outcome returns */
    uint32_t reloaded_count;
};

/* A question to the ledger. The engine owns it; the ledger fills in the answer. */
enum question_kind {
    QUESTION_RESERVATION, /* by reservation_id */
    QUESTION_ORDER,       /* by order_id, in the part of the index that is not in memory */
    QUESTION_ADJUSTMENT,  /* by adjustment_id (in `order_id`, `order_hash`): answered by `move_seq`
                           */
};
struct question {
    struct mail mail;
    uint8_t kind;
    int64_t reservation_id;
    struct str order_id;
    uint64_t order_hash;
    /* answered */
    int code; /* 0, TLY_ENOT_FOUND, or TLY_EUNAVAILABLE (the ledger cannot tell now) */
    struct reservation_record *record; /* malloc'ed; the engine frees it or hands it on */
    int64_t move_seq;
    struct line adjusted; /* QUESTION_ADJUSTMENT: that move's lot and delta; lot 0: not told */
};

/* Recovery streams the ledger to the loader, on the calling thread: lots, order runs, moves in
 * order of seq. A loader that returns an error ends recovery with it. */
struct ledger_loader {
    void *context;
    int (*lot)(void *context, lot_id id, const struct lot_dims *dims, const struct stock *snapshot,
               struct error *e);
    int (*order_run)(void *context, struct order_run *run);
    int (*move)(void *context, const struct move *m, bool in_stock, struct error *e);
    /* At least once a second while it takes longer than that. total is an estimate. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
};

struct ledger_events {
    void *context;
    void (*outcome)(void *context, struct batch *b);
    void (*answered)(void *context, struct question *r);
    void (*segment_stored)(void *context, struct order_segment *s, struct order_run *run);
    /* Writes are possible again after REJECTED or UNKNOWN, or are not; with a sentence why. */
    void (*available)(void *context, bool available, const char *why);
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. Times in microseconds. */
#define LEDGER_STATS(X)                                                                            \
    X(commits_total, COUNTER, "ledger transactions committed")                                     \
    X(commit_errors_total, COUNTER, "ledger transactions that failed")                             \
    X(rows_total, COUNTER, "move rows written")                                                    \
    X(commit_us_total, COUNTER, "time spent in commits, insert to fsync")                          \
    X(checkpoints_total, COUNTER, "checkpoints of the write-ahead log")                            \
    X(wal_bytes, GAUGE, "size of the write-ahead log")                                             \
    X(db_bytes, GAUGE, "size of the ledger file")                                                  \
    X(archived_total, COUNTER, "finished reservations removed by retention")                       \
    X(order_run_bytes, GAUGE, "size of the order index on disk")                                   \
    X(last_seq, GAUGE, "sequence number of the newest committed move")

struct ledger_stats {
#define X(name, kind, help) int64_t name;
    LEDGER_STATS(X)
#undef X
};

/* A reader of the log (events, webhooks, caches) keeps a cursor: the last seq it has dealt with. */
typedef int ledger_move_fn(void *context, const struct move *m);

struct ledger_ops {
    int (*recover)(struct ledger *l, const struct ledger_loader *loader, struct error *e);
    int (*start)(struct ledger *l, const struct ledger_events *events, struct error *e);
    void (*submit)(struct ledger *l, struct batch *b);                /* engine's thread */
    void (*ask)(struct ledger *l, struct question *r);                /* engine's thread */
    void (*store_segment)(struct ledger *l, struct order_segment *s); /* engine's thread */
    /* Any thread. Moves with seq > after, at most max, then returns the number handed to `fn`, or
     * an error. A non-zero return of fn ends it. */
    int (*read_log)(struct ledger *l, int64_t after, uint32_t max, ledger_move_fn *fn,
                    void *context, struct error *e);
    int (*cursor_get)(struct ledger *l, const char *reader, int64_t *seq, struct error *e);
    int (*cursor_set)(struct ledger *l, const char *reader, int64_t seq, struct error *e);
    void (*stats)(struct ledger *l, struct ledger_stats *out); /* any thread */
    /* Finishes what was submitted, writes the stock snapshot, checkpoints. Callbacks end with it.
     */
    void (*stop)(struct ledger *l);
    void (*destroy)(struct ledger *l);
};

struct ledger {
    const struct ledger_ops *ops;
};

#endif
