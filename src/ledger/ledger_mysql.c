/* ledger_mysql.c - the shared ledger, put together.
 *
 * Happy path: create connects, prepares the tables and leases a lane; recover has nothing to do, as
 * nothing is resident; start begins the threads, stop ends them and gives the lane back.
 * Failure modes: create leaves nothing open; start that fails half-way stops what it started.
 */
#include "ledger/ledger_mysql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/mysql_internal.h"

static struct ledger_mysql *self(struct ledger *port)
{
    return (struct ledger_mysql *)port;
}

static int on_recover(struct ledger *port, const struct ledger_loader *loader, struct error *e)
{
    (void)port;
    (void)loader;
    (void)e;
    return 0;
}

static int on_start(struct ledger *port, const struct ledger_events *events, struct error *e)
{
    struct ledger_mysql *l = self(port);
    assert(!l->started && events->loaded);
    l->events = *events;
    l->started = true;
    int rc = mydb_worker_start(l, e);
    if (rc == 0)
        rc = mydb_reader_start(l, e);
    if (rc)
        port->ops->stop(port);
    return rc;
}

static void post(struct mailbox *box, struct mail *mail, struct wake *wake)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, mail);
    mailbox_push(box, &chain);
    wake_up(wake);
}

static void on_submit(struct ledger *port, struct batch *b)
{
    assert(b->move_count > 0);
    post(&self(port)->worker.batches, &b->mail, &self(port)->worker.wake);
}

static void on_load(struct ledger *port, struct load *load)
{
    post(&self(port)->worker.loads, &load->mail, &self(port)->worker.wake);
}

static void on_release(struct ledger *port, struct load *load)
{
    (void)load; /* there is one at a time */
    atomic_store(&self(port)->worker.release, true);
    wake_up(&self(port)->worker.wake);
}

static void on_ask(struct ledger *port, struct question *q)
{
    post(&self(port)->reader.box, &q->mail, &self(port)->reader.wake);
}

static uint64_t on_hash_seed(const struct ledger *port)
{
    return ((const struct ledger_mysql *)port)->seed;
}

static void on_stats(struct ledger *port, struct ledger_stats *out)
{
    struct ledger_mysql *l = self(port);
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&l->counters.name, memory_order_relaxed);
    LEDGER_STATS(X)
#undef X
}

static void on_stop(struct ledger *port)
{
    struct ledger_mysql *l = self(port);
    if (!l->started)
        return;
    mydb_reader_stop(&l->reader);
    mydb_worker_stop(&l->worker);
    pthread_mutex_lock(&l->log.lock);
    mydb_close(&l->log.db);
    pthread_mutex_unlock(&l->log.lock);
    pthread_mutex_lock(&l->names.lock);
    mydb_close(&l->names.db);
    pthread_mutex_unlock(&l->names.lock);
    l->started = false;
}

static void on_destroy(struct ledger *port)
{
    struct ledger_mysql *l = self(port);
    if (!l)
        return;
    on_stop(port);
    if (l->worker.db.mysql) /* it was never started */
        mydb_lane_return(l, &l->worker.db);
    mydb_close(&l->worker.db);
    mydb_close(&l->log.db);
    mydb_load_close(&l->worker);
    mydb_write_close(&l->worker.write);
    mydb_text_close(&l->worker.text);
    record_builder_close(&l->worker.builder);
    mydb_text_close(&l->reader.text);
    record_builder_close(&l->reader.builder);
    mydb_text_close(&l->log.text);
    mydb_close(&l->names.db);
    mydb_text_close(&l->names.text);
    mydb_known_close(&l->names.known);
    pthread_mutex_destroy(&l->names.lock);
    mydb_known_close(&l->known);
    pthread_mutex_destroy(&l->log.lock);
    free(l->texts);
    free(l);
}

static const struct ledger_ops mysql_ops = {
    .recover = on_recover,
    .start = on_start,
    .submit = on_submit,
    .ask = on_ask,
    .load = on_load,
    .release = on_release,
    .hash_seed = on_hash_seed,
    .read_log = mydb_read_log,
    .log_end = mydb_log_end,
    .log_start = mydb_log_start,
    .cursor_get = mydb_cursor_get,
    .cursor_set = mydb_cursor_set,
    .lot_dims = mydb_lot_dims,
    .stats = on_stats,
    .stop = on_stop,
    .destroy = on_destroy,
};

/* ---- create ---- */

static const char *keep(char **at, const char *text)
{
    size_t size = strlen(text ? text : "") + 1;
    char *copy = *at;
    memcpy(copy, text ? text : "", size);
    *at += size;
    return copy;
}

static bool copy_config(struct ledger_mysql *l, const struct ledger_mysql_config *c)
{
    size_t size = strlen(c->user) + strlen(c->password) + strlen(c->database) +
                  strlen(c->tls_ca ? c->tls_ca : "") + 4;
    for (unsigned i = 0; i < c->host_count; i++)
        size += strlen(c->hosts[i].host) + 1;
    char *at = l->texts = malloc(size);
    if (!at)
        return false;
    l->config = *c;
    l->config.hosts = l->hosts;
    l->config.user = keep(&at, c->user);
    l->config.password = keep(&at, c->password);
    l->config.database = keep(&at, c->database);
    l->config.tls_ca = keep(&at, c->tls_ca);
    for (unsigned i = 0; i < c->host_count; i++)
        l->hosts[i] = (struct ledger_mysql_host){keep(&at, c->hosts[i].host), c->hosts[i].port};
    return true;
}

/* Where moves end that are in the ledger: time goes on from there. */
static int read_newest(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    int64_t newest;
    int rc = mydb_number(db, "SELECT max(last_seq) FROM lane", 0, &newest, e);
    atomic_store(&l->counters.last_seq, newest);
    return rc;
}

int ledger_mysql_create(struct ledger **out, const struct ledger_mysql_config *config,
                        struct error *e)
{
    struct ledger_mysql *l = NULL;
    *out = NULL;
    assert(config->host_count >= 1 && config->host_count <= LEDGER_MYSQL_HOSTS_MAX);
    if (posix_memalign((void **)&l, 64, sizeof *l))
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the ledger");
    memset(l, 0, sizeof *l);
    l->port = (struct ledger){.ops = &mysql_ops, .traits = {.shared = true, .batches_max = 1}};
    l->worker.ledger = l->reader.ledger = l;
    pthread_mutex_init(&l->log.lock, NULL);
    pthread_mutex_init(&l->names.lock, NULL);
    if (!copy_config(l, config)) {
        on_destroy(&l->port);
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the ledger");
    }
    struct mydb *db = &l->worker.db;
    int rc = mydb_open(db, &l->config, e);
    if (rc == 0)
        rc = mydb_prepare(l, db, e);
    if (rc == 0)
        rc = read_newest(l, db, e);
    if (rc) {
        on_destroy(&l->port);
        return rc;
    }
    *out = &l->port;
    return 0;
}

uint16_t ledger_mysql_lane(const struct ledger *port)
{
    return ((const struct ledger_mysql *)port)->lane;
}
