/* The writer's thread.
 *
 * Happy path: sleep until a batch arrives, commit it, tell, look for the next one.
 * Failure modes: see writer_commit.c and writer_outage.c. The thread itself never ends before
 * writer_stop(), which lets it finish the batches that were submitted.
 */
#include "ledger/writer.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "ledger/ledger_internal.h"

enum { STOP_WAIT_MS = 3000, BATCHES_PER_RETENTION = 64 };

int writer_open(struct writer *w, struct ledger_sqlite *ledger, struct error *e)
{
    *w = (struct writer){.ledger = ledger};
    pthread_mutex_init(&w->cursors.lock, NULL);
    pthread_cond_init(&w->cursors.answered, NULL);
    w->cursors.closed = true;
    return writer_connect(w, e);
}

void writer_close(struct writer *w)
{
    writer_disconnect(w);
    stock_table_close(&w->stocks);
    pthread_mutex_destroy(&w->cursors.lock);
    pthread_cond_destroy(&w->cursors.answered);
}

/* The oldest batch that has arrived. */
static struct batch *take(struct writer *w)
{
    if (!w->taken)
        w->taken = mailbox_take(&w->box);
    struct mail *mail = w->taken;
    if (!mail)
        return NULL;
    w->taken = mail->next;
    return MAIL_OF(mail, struct batch);
}

static bool has_cursors(struct writer *w)
{
    pthread_mutex_lock(&w->cursors.lock);
    bool has = w->cursors.first != NULL;
    pthread_mutex_unlock(&w->cursors.lock);
    return has;
}

static void sleep_until_work(struct writer *w, int64_t sleep_us)
{
    wake_prepare(&w->wake);
    if (mailbox_empty(&w->box) && !has_cursors(w) && !atomic_load(&w->stopping))
        wake_wait(&w->wake, sleep_us);
    else
        wake_cancel(&w->wake);
}

static void *thread_main(void *context)
{
    struct writer *w = context;
    pthread_setname_np(pthread_self(), "tally-ledger");
    uint32_t batches = 0;
    for (;;) {
        bool stopping = atomic_load(&w->stopping); /* before looking: what came earlier is done */
        struct batch *b = take(w);
        if (b) {
            writer_commit(w, b);
            if (!w->down)
                writer_checkpoint_if_long(w);
            if (++batches % BATCHES_PER_RETENTION || w->down ||
                w->ledger->config.archive_after_ms <= 0)
                continue;
            if (clock_monotonic_ns() >= w->retention_ns) {
                writer_retention_step(w);
                w->retention_ns = clock_monotonic_ns() + 100 * 1000000;
            }
            continue;
        }
        writer_commit_cursors(w);
        if (stopping)
            break;
        int64_t sleep_us = writer_upkeep(w, clock_monotonic_ns());
        if (sleep_us != 0)
            sleep_until_work(w, sleep_us);
    }
    writer_last_words(w);
    return NULL;
}

int writer_start(struct writer *w, struct error *e)
{
    w->last_commit_ns = w->last_at_ns = clock_monotonic_ns();
    int rc = pthread_create(&w->thread, NULL, thread_main, w);
    if (rc)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no thread for the writer: %s", strerror(rc));
    w->cursors.closed = false;
    w->running = true;
    return 0;
}

void writer_stop(struct writer *w)
{
    if (!w->running)
        return;
    w->stop_ns = clock_monotonic_ns() + (uint64_t)STOP_WAIT_MS * 1000000;
    pthread_mutex_lock(&w->cursors.lock);
    w->cursors.closed = true;
    pthread_mutex_unlock(&w->cursors.lock);
    atomic_store(&w->stopping, true);
    wake_up(&w->wake);
    pthread_join(w->thread, NULL);
    writer_cursors_answer(w, writer_cursors_take(w), TLY_EUNAVAILABLE);
    w->running = false;
}

void writer_submit(struct writer *w, struct batch *b)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &b->mail);
    mailbox_push(&w->box, &chain);
    wake_up(&w->wake);
}

int writer_cursor_set(struct writer *w, const char *reader, int64_t seq, struct error *e)
{
    struct cursor_request request = {.reader = reader, .seq = seq, .code = TLY_EUNAVAILABLE};
    pthread_mutex_lock(&w->cursors.lock);
    if (!w->cursors.closed) {
        request.next = w->cursors.first;
        w->cursors.first = &request;
        pthread_mutex_unlock(&w->cursors.lock);
        wake_up(&w->wake);
        pthread_mutex_lock(&w->cursors.lock);
        while (!request.done)
            pthread_cond_wait(&w->cursors.answered, &w->cursors.lock);
    }
    pthread_mutex_unlock(&w->cursors.lock);
    return request.code
               ? error_set(e, request.code, "ledger", "the cursor %s was not stored", reader)
               : 0;
}
