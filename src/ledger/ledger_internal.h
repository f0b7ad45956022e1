/* ledger_internal.h - what the files of the embedded ledger share.
 *
 * Who touches what: `writer` and all in it is the writer thread's (before start: the caller's);
 * `reader` and `lists` their threads'; `log` is used under its mutex by any thread; `orders` guards
 * itself, `mark` too; counters and last_seq are atomics that the writer stores and anybody loads.
 */
#ifndef TALLY_LEDGER_LEDGER_INTERNAL_H
#define TALLY_LEDGER_LEDGER_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ledger/guard.h"
#include "ledger/ledger_sqlite.h"
#include "ledger/lists.h"
#include "ledger/mark.h"
#include "ledger/order_store.h"
#include "ledger/reader.h"
#include "ledger/writer.h"

struct ledger_counters {
#define X(name, kind, help) _Atomic int64_t name;
    LEDGER_STATS(X)
#undef X
};

/* A connection for read_log and cursor_get, opened when first needed. */
struct log_connection {
    pthread_mutex_t lock;
    sqlite3 *db;
};

struct ledger_sqlite {
    struct ledger port; /* first */
    struct ledger_sqlite_config config;
    char *dir;
    char *db_path;
    uint64_t seed;
    struct ledger_events events;
    struct writer writer;
    struct reader reader;
    struct lists lists;
    struct order_store orders;
    struct log_connection log;
    struct guard guard;
    struct mark mark;
    struct ledger_counters counters;
    bool recovered;
    bool started;
};

static inline void counter_add(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void counter_set(_Atomic int64_t *counter, int64_t n)
{
    atomic_store_explicit(counter, n, memory_order_relaxed);
}

int ledger_recover(struct ledger *port, const struct ledger_loader *loader, struct error *e);

/* log.c */
int ledger_read_log(struct ledger *port, int64_t after, uint32_t max, ledger_move_fn *fn,
                    void *context, struct error *e);
int ledger_log_start(struct ledger *port, int64_t *seq, struct error *e);
int ledger_cursor_get(struct ledger *port, const char *reader, int64_t *seq, struct error *e);

#endif
