/* The embedded ledger, put together.
 *
 * Happy path: create opens the file, recover streams it, start begins the threads, stop ends them:
 * first the store, the reader and the lists, then the writer, whose connection is the last to
 * close. Failure modes: create leaves nothing open; start that fails half-way stops what it
 * started.
 */
#include "ledger/ledger_sqlite.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"

static struct ledger_sqlite *self(struct ledger *port)
{
    return (struct ledger_sqlite *)port;
}

static int on_start(struct ledger *port, const struct ledger_events *events, struct error *e)
{
    struct ledger_sqlite *l = self(port);
    assert(l->recovered && !l->started);
    l->events = *events;
    int rc = mark_start(&l->mark, &l->guard.mark, e); /* before the writer, who tells it more */
    if (rc == 0)
        rc = writer_start(&l->writer, e);
    if (rc == 0)
        rc = reader_start(&l->reader, l, e);
    if (rc == 0)
        rc = lists_start(&l->lists, l, e);
    if (rc == 0)
        rc = order_store_start(&l->orders, &l->events, e);
    l->started = true;
    if (rc)
        port->ops->stop(port);
    return rc;
}

static void on_submit(struct ledger *port, struct batch *b)
{
    writer_submit(&self(port)->writer, b);
}

static void on_ask(struct ledger *port, struct question *r)
{
    if (r->kind == QUESTION_LIST)
        lists_ask(&self(port)->lists, r);
    else
        reader_ask(&self(port)->reader, r);
}

static void on_store_segment(struct ledger *port, struct order_segment *s)
{
    order_store_put(&self(port)->orders, s);
}

static uint64_t on_hash_seed(const struct ledger *port)
{
    return ((const struct ledger_sqlite *)port)->seed;
}

/* Moves are committed in order of seq by the one connection there is. */
static int64_t on_log_end(struct ledger *port)
{
    return atomic_load(&self(port)->counters.last_seq);
}

static int on_cursor_set(struct ledger *port, const char *reader, int64_t seq, struct error *e)
{
    return writer_cursor_set(&self(port)->writer, reader, seq, e);
}

static void on_stats(struct ledger *port, struct ledger_stats *out)
{
    struct ledger_sqlite *l = self(port);
    struct stat st;
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&l->counters.name, memory_order_relaxed);
    LEDGER_STATS(X)
#undef X
    out->db_bytes = stat(l->db_path, &st) == 0 ? (int64_t)st.st_size : 0;
    out->order_run_bytes = atomic_load(&l->orders.bytes);
}

static void on_stop(struct ledger *port)
{
    struct ledger_sqlite *l = self(port);
    if (!l->started)
        return;
    order_store_stop(&l->orders);
    reader_stop(&l->reader);
    lists_stop(&l->lists);
    pthread_mutex_lock(&l->log.lock);
    db_close(l->log.db);
    l->log.db = NULL;
    pthread_mutex_unlock(&l->log.lock);
    writer_stop(&l->writer);
    mark_stop(&l->mark);
    l->started = false;
}

static void on_destroy(struct ledger *port)
{
    struct ledger_sqlite *l = self(port);
    if (!l)
        return;
    on_stop(port);
    writer_close(&l->writer);
    order_store_close(&l->orders);
    mark_close(&l->mark);
    pthread_mutex_destroy(&l->log.lock);
    free(l->dir);
    free(l->db_path);
    free(l);
}

static const struct ledger_ops sqlite_ops = {
    .recover = ledger_recover,
    .start = on_start,
    .submit = on_submit,
    .ask = on_ask,
    .hash_seed = on_hash_seed,
    .log_end = on_log_end,
    .log_start = ledger_log_start,
    .store_segment = on_store_segment,
    .read_log = ledger_read_log,
    .cursor_get = ledger_cursor_get,
    .cursor_set = on_cursor_set,
    .stats = on_stats,
    .stop = on_stop,
    .destroy = on_destroy,
};

/* The loss that the operator accepted becomes a row before anything else is written. */
static int note_loss(struct ledger_sqlite *l, struct error *e)
{
    const struct loss *loss = &l->guard.loss;
    struct timespec now;
    if (!loss->is)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO accepted_loss VALUES"
                                " (%lld, %lld, nullif(%lld, 0), nullif(%lld, 0), %Q)",
                                loss->newest_seq, (int64_t)now.tv_sec * 1000, loss->upto_seq,
                                loss->moves, loss->why);
    int rc = sql ? db_exec(l->writer.db, sql, e)
                 : error_set(e, TLY_ENO_MEMORY, "ledger", "no memory to note the loss");
    sqlite3_free(sql);
    return rc;
}

static void tell_restored(const struct ledger_sqlite *l)
{
    char text[96], at[RFC3339_SIZE];
    if (l->guard.restored_at_ms == 0 || !l->config.tell)
        return;
    rfc3339_format(l->guard.restored_at_ms, at);
    snprintf(text, sizeof text, "this is the backup of %s; what came after it is not there", at);
    l->config.tell(l->config.tell_context, "ledger.restored", text);
}

/* Everything that is asked before the writer may write. */
static int open_files(struct ledger_sqlite *l, struct error *e)
{
    int rc = mark_init(&l->mark, l->dir, &l->counters.mark_errors_total, e);
    if (rc == 0)
        rc = guard_check(&l->guard, &l->config, e);
    if (rc == 0)
        rc = writer_open(&l->writer, l, e);
    if (rc == 0)
        rc = note_loss(l, e);
    if (rc == 0)
        tell_restored(l);
    l->guard.mark.ledger = mark_ledger_of(l->seed);
    return rc;
}

int ledger_sqlite_create(struct ledger **out, const struct ledger_sqlite_config *config,
                         struct error *e)
{
    struct ledger_sqlite *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the ledger");
    l->port = (struct ledger){.ops = &sqlite_ops, .traits = {.shared = false, .batches_max = 1}};
    l->config = *config;
    l->dir = strdup(config->dir);
    l->config.dir = l->dir;
    size_t size = strlen(config->dir) + sizeof "/ledger.db";
    l->db_path = malloc(size);
    pthread_mutex_init(&l->log.lock, NULL);
    if (!l->dir || !l->db_path) {
        pthread_mutex_destroy(&l->log.lock);
        free(l->dir);
        free(l->db_path);
        free(l);
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the ledger");
    }
    snprintf(l->db_path, size, "%s/ledger.db", config->dir);
    int rc = open_files(l, e);
    int store_rc =
        order_store_init(&l->orders, l->dir, l->db_path, config->vfs, l->seed,
                         config->order_retention_ms, &l->counters.last_seq, rc ? NULL : e);
    if (rc || store_rc) {
        on_destroy(&l->port);
        return rc ? rc : store_rc;
    }
    *out = &l->port;
    return 0;
}
