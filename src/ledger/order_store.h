/* order_store.h - the runs of the order index on disk: kept, searched, merged, dropped, rebuilt.
 *
 * One thread of its own writes: it sorts a segment that the engine has frozen, writes it as a run,
 * merges small runs into larger ones and removes those that are past retention. Look-ups come from
 * the reader's thread. The mutex guards the list only and is held for a copy of it.
 *
 * A run is written when every reservation in it is committed, so the runs never claim more than
 * the log of moves holds.
 */
#ifndef TALLY_LEDGER_ORDER_STORE_H
#define TALLY_LEDGER_ORDER_STORE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/wake.h"
#include "ledger/ledger.h"
#include "ledger/run_file.h"

enum {
    RUNS_MAX = 256,      /* beyond it no segment is taken before a merge */
    RUNS_GOAL = 24,      /* more than this are merged whatever their sizes */
    RUN_MERGE_WIDTH = 4, /* runs of like size that are merged into one */
    REBUILD_ENTRIES_MAX = 2 << 20,
};

struct order_store {
    char *dir;     /* DIR/orders */
    char *db_path; /* for rebuilding a damaged run */
    const char *vfs;
    uint64_t seed;
    int64_t retention_ms;
    const _Atomic int64_t *last_seq; /* newest committed move */
    pthread_mutex_t lock;            /* guards runs, run_count */
    struct run_file *runs[RUNS_MAX]; /* ascending by seq, spans disjoint */
    uint32_t run_count;
    _Atomic int64_t bytes;
    const struct ledger_events *events;
    struct mailbox box;
    struct order_segment *waiting, *waiting_last;
    struct wake wake;
    _Atomic bool stopping;
    bool running;
    pthread_t thread;
};

int order_store_init(struct order_store *s, const char *dir, const char *db_path, const char *vfs,
                     uint64_t seed, int64_t retention_ms, const _Atomic int64_t *last_seq,
                     struct error *e) MUST_CHECK;
void order_store_close(struct order_store *s);

/* At start, before the thread: reads the folder, drops what is damaged, past retention or beyond
 * the log, fills gaps from the log of moves (through `db`), and hands each run over. *covered is
 * the seq up to which the runs hold every order_id of the window. */
int order_store_load(struct order_store *s, sqlite3 *db, const struct ledger_loader *loader,
                     int64_t last_seq, int64_t *covered, struct error *e) MUST_CHECK;

int order_store_start(struct order_store *s, const struct ledger_events *events,
                      struct error *e) MUST_CHECK;
void order_store_stop(struct order_store *s);
void order_store_put(struct order_store *s, struct order_segment *segment); /* engine's thread */

/* Reservations that may have this order_id's hash, newest run first: their number, or an error if
 * a run could not be read. At most ORDER_CANDIDATES_MAX. */
enum { ORDER_CANDIDATES_MAX = 16 };
int order_store_find(struct order_store *s, uint64_t hash, int64_t out[ORDER_CANDIDATES_MAX],
                     struct error *e);

/* ---- between the store's own files ---- */

/* Swaps runs[first .. first + count) for `run` (which may be NULL). The store's thread. */
void order_store_replace(struct order_store *s, uint32_t first, uint32_t count,
                         struct run_file *run);
/* Sorts by hash; `spare` has room for count. */
void order_sort(struct order_entry *entries, struct order_entry *spare, size_t count);
int order_write_run(struct order_store *s, struct order_entry *sorted, size_t count,
                    const struct run_span *span, struct run_file **out, struct error *e) MUST_CHECK;
/* One merge if the runs call for it: 1 if there was one, 0 if not, or an error. */
int order_store_merge(struct order_store *s, struct error *e);
/* Writes runs for the moves with after < seq <= upto into `out`, at most `max` of them; returns
 * their number or an error. Spans without an order_id need no run. */
int order_rebuild(struct order_store *s, sqlite3 *db, int64_t after, int64_t upto,
                  struct run_file **out, int max, struct error *e);

#endif
