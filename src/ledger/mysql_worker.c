/* mysql_worker.c - the thread that loads and commits, on one connection.
 *
 * Happy path: a load, and its batch or its release; between them the lane's
 * lease is renewed now and then, and what promises rest on is looked at again.
 * Failure modes: whatever says that nothing can be written now tells it once;
 * from then on the thread tries every RETRY_MS whether it can be, and tells
 * that, too.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "ledger/mysql_internal.h"

enum { RETRY_MS = 200, IDLE_US = 1000000 };

int mydb_worker_connect(struct mydb_worker *w, struct error *e)
{
    return w->db.mysql ? 0 : mydb_open(&w->db, &w->ledger->config, e);
}

void mydb_worker_rollback(struct mydb_worker *w)
{
    w->in_transaction = w->strict = false;
    if (w->db.mysql && mydb_do(&w->db, "ROLLBACK", NULL))
        mydb_close(&w->db); /* closing ends the transaction */
}

/* ---- whether writing is possible ---- */

void mydb_worker_go_down(struct mydb_worker *w, const struct error *why)
{
    bool before = w->down;
    w->down = true;
    w->retry_ns = clock_monotonic_ns() + RETRY_MS * UINT64_C(1000000);
    if (!before)
        w->ledger->events.available(w->ledger->events.context, false,
                                    why->text[0] ? why->text : "the database takes no writes");
}

/* Renewing the lease is a write. */
static int probe(struct mydb_worker *w, struct error *e)
{
    int rc = mydb_worker_connect(w, e);
    if (rc == 0)
        rc = mydb_lane_renew(w->ledger, &w->db, e);
    return rc ? rc : mydb_check(w->ledger, &w->db, e);
}

void mydb_worker_try_up(struct mydb_worker *w)
{
    struct error e = {0};
    w->retry_ns = clock_monotonic_ns() + RETRY_MS * UINT64_C(1000000);
    if (w->answered || probe(w, &e))
        return;
    w->down = false;
    w->ledger->events.available(w->ledger->events.context, true, "");
}

static void measure(struct mydb_worker *w)
{
    int64_t bytes;
    if (mydb_number(&w->db,
                    "SELECT CAST(sum(data_length + index_length) AS SIGNED) FROM "
                    "information_schema.tables WHERE table_schema = DATABASE()",
                    0, &bytes, NULL) == 0)
        atomic_store(&w->ledger->counters.db_bytes, bytes);
}

static void renew(struct mydb_worker *w)
{
    struct error e = {0};
    w->renew_ns = clock_monotonic_ns() + LEASE_RENEW_MS * UINT64_C(1000000);
    if (probe(w, &e))
        mydb_worker_go_down(w, &e);
    else
        measure(w);
}

/* ---- the thread ---- */

static bool work(struct mydb_worker *w)
{
    if (atomic_exchange(&w->release, false)) {
        mydb_load_end(w);
        return true;
    }
    struct mail *mail = mailbox_take(&w->batches);
    if (mail) {
        assert(!mail->next); /* batches_max is 1 */
        mydb_commit(w, MAIL_OF(mail, struct batch));
        return true;
    }
    mail = mailbox_take(&w->loads);
    if (!mail)
        return false;
    assert(!mail->next);
    mydb_load(w, MAIL_OF(mail, struct load));
    return true;
}

static int64_t time_to_sleep_us(const struct mydb_worker *w)
{
    return w->down ? RETRY_MS * 1000 : IDLE_US;
}

static void look_after(struct mydb_worker *w)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (w->down && now_ns >= w->retry_ns)
        mydb_worker_try_up(w);
    else if (!w->down && !w->answered && now_ns >= w->renew_ns)
        renew(w);
}

static void *worker_main(void *context)
{
    struct mydb_worker *w = context;
    mysql_thread_init();
    for (;;) {
        bool stopping = atomic_load(&w->stopping);
        look_after(w);
        if (work(w))
            continue;
        if (stopping)
            break;
        wake_prepare(&w->wake);
        if (mailbox_empty(&w->batches) && mailbox_empty(&w->loads) && !atomic_load(&w->release) &&
            !atomic_load(&w->stopping))
            wake_wait(&w->wake, time_to_sleep_us(w));
        else
            wake_cancel(&w->wake);
    }
    mydb_load_end(w);
    if (w->db.mysql)
        mydb_lane_return(w->ledger, &w->db);
    mydb_close(&w->db);
    mysql_thread_end();
    return NULL;
}

int mydb_worker_start(struct ledger_mysql *l, struct error *e)
{
    struct mydb_worker *w = &l->worker;
    w->ledger = l;
    w->next_deadline_ms = 0; /* nothing is known of deadlines yet */
    measure(w);
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    if (rc)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no thread for writes: %s", strerror(rc));
    w->running = true;
    return 0;
}

void mydb_worker_stop(struct mydb_worker *w)
{
    if (!w->running)
        return;
    atomic_store(&w->stopping, true);
    wake_up(&w->wake);
    pthread_join(w->thread, NULL);
    w->running = false;
}
