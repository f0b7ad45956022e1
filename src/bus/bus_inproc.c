/* bus_inproc.c - the embedded bus: a thread that reads the log of its own process's ledger.
 *
 * Happy path: a read is taken from the mailbox; a page that is still on the shelf answers it, else
 * one is made from the log and put there. A read at the log's end is parked; `wanted` tells
 * committed() that somebody is, and the next commit wakes the thread, which serves all of them with
 * the same page. Where other nodes write to the ledger, too, it looks again every 50 ms meanwhile.
 *
 * Failure: the log cannot be read now: the read is answered UNAVAILABLE, and its reader comes again
 * when it thinks fit. Retention took what comes next: GONE, with where reading can begin; that is
 * asked after the rows were read, so that a page has no holes.
 */
#include "bus/bus_inproc.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/wake.h"
#include "bus/page.h"

#define START_LOOK_NS UINT64_C(500000000) /* retention takes a step a second */

enum { SHARED_LOOK_US = 50000 }; /* other nodes' commits wake nobody here */

struct inproc {
    struct bus port; /* first */
    struct bus_inproc_config config;
    char source[EVENT_SOURCE_MAX + 1];
    struct wake wake;
    struct mailbox box;
    _Atomic bool wanted; /* somebody waits for the next commit */
    _Atomic bool stopping;
    pthread_t thread;
    bool running;

    /* the thread's */
    struct event_read *parked; /* linked by mail.next */
    uint32_t parked_count;
    int64_t parked_end; /* where the log ended when the first of them was parked */
    struct page_shelf shelf;
    struct page_maker maker;
    int64_t end;             /* of the log, while a page is made */
    int64_t start;           /* of the log, as it was known last, */
    uint64_t start_known_ns; /* and when */

#define X(name, kind, help) _Atomic int64_t name;
    struct {
        BUS_STATS(X)
    } counters;
#undef X
};

static struct inproc *self(struct bus *port)
{
    return (struct inproc *)port;
}

static void count(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void answer(struct event_read *r, int code, struct event_page *page)
{
    struct event_reader *reader = r->reader;
    struct mail_chain chain = {0};
    r->code = code;
    r->page = page;
    mail_chain_add(&chain, &r->mail);
    if (mailbox_push(&reader->answers, &chain))
        reader->wake(reader->context);
}

/* ---- pages ---- */

static int add_move(void *context, const struct move *m)
{
    struct inproc *b = context;
    if (m->seq > b->end)
        return 1; /* not known to be committed yet */
    count(&b->counters.encoded_total, 1);
    return page_add(&b->maker, m);
}

/* Pages whose events retention has taken are not handed out for long. */
static int look_at_start(struct inproc *b, struct error *e)
{
    struct ledger *l = b->config.ledger;
    int64_t start;
    int code = l->ops->log_start(l, &start, e);
    if (code)
        return code;
    if (start != b->start)
        page_shelf_drop_before(&b->shelf, start);
    b->start = start;
    b->start_known_ns = clock_monotonic_ns();
    return 0;
}

static void look_at_start_again(struct inproc *b)
{
    struct error e;
    if (clock_monotonic_ns() - b->start_known_ns < START_LOOK_NS)
        return;
    if (look_at_start(b, &e))
        count(&b->counters.read_errors_total, 1);
}

/* The page that comes after `after`. */
static int make_page(struct inproc *b, int64_t after, uint8_t form, struct event_page **out)
{
    struct ledger *l = b->config.ledger;
    struct error e;
    b->end = l->ops->log_end(l);
    page_begin(&b->maker, form);
    int code = l->ops->read_log(l, after, PAGE_EVENTS, add_move, b, &e);
    if (code >= 0)
        code = look_at_start(b, &e);
    if (code == 0 && after > 0 && after < b->start)
        code = TLY_EGONE;
    int64_t upto = page_full(&b->maker) ? b->maker.marks[b->maker.count - 1].id : b->end;
    struct event_page *page = page_end(&b->maker, after, upto);
    if (code == 0 && !page)
        code = TLY_ENO_MEMORY;
    if (code) {
        event_page_release(page);
        return code;
    }
    count(&b->counters.pages_total, 1);
    if (after >= b->start) /* what retention left of the beginning: nobody goes on from within */
        page_shelf_put(&b->shelf, page);
    atomic_store_explicit(&b->counters.page_bytes, (int64_t)b->shelf.bytes, memory_order_relaxed);
    *out = page;
    return 0;
}

static void park(struct inproc *b, struct event_read *r, int64_t end)
{
    if (!b->parked)
        b->parked_end = end;
    r->mail.next = b->parked ? &b->parked->mail : NULL;
    b->parked = r;
    b->parked_count++;
}

static void serve(struct inproc *b, struct event_read *r)
{
    look_at_start_again(b);
    struct event_page *page = page_shelf_find(&b->shelf, r->form, r->after);
    int64_t end = b->config.ledger->ops->log_end(b->config.ledger);
    int code = 0;
    if (page) {
        count(&b->counters.pages_shared_total, 1);
    } else if (r->after == end) {
        park(b, r, end);
        return;
    } else if (r->after > end || r->after < 0) {
        r->oldest = end;
        code = TLY_EINVALID_ARGUMENT;
    } else {
        code = make_page(b, r->after, r->form, &page);
        r->oldest = b->start;
        if (code && code != TLY_EGONE) {
            count(&b->counters.read_errors_total, 1);
            code = TLY_EUNAVAILABLE;
        }
    }
    answer(r, code, page);
}

/* ---- the thread ---- */

static struct event_read *take_parked(struct inproc *b)
{
    struct event_read *first = b->parked;
    b->parked = NULL;
    b->parked_count = 0;
    return first;
}

static void serve_all(struct inproc *b, struct mail *mail)
{
    while (mail) {
        struct event_read *r = MAIL_OF(mail, struct event_read);
        mail = mail->next;
        serve(b, r);
    }
}

static bool log_has_grown(struct inproc *b)
{
    return b->parked && b->config.ledger->ops->log_end(b->config.ledger) != b->parked_end;
}

static void *run(void *context)
{
    struct inproc *b = context;
    pthread_setname_np(pthread_self(), "tally-events");
    while (!atomic_load(&b->stopping)) {
        if (log_has_grown(b)) {
            struct event_read *parked = take_parked(b);
            serve_all(b, &parked->mail);
        }
        serve_all(b, mailbox_take(&b->box));
        atomic_store_explicit(&b->counters.waiting, b->parked_count, memory_order_relaxed);
        atomic_store_explicit(&b->wanted, b->parked != NULL, memory_order_relaxed);
        wake_prepare(&b->wake);
        if (!mailbox_empty(&b->box) || log_has_grown(b) || atomic_load(&b->stopping))
            wake_cancel(&b->wake);
        else
            wake_wait(&b->wake, b->parked && b->config.ledger->traits.shared ? SHARED_LOOK_US : -1);
    }
    return NULL;
}

/* ---- the port ---- */

static int on_start(struct bus *port, struct error *e)
{
    struct inproc *b = self(port);
    int code = pthread_create(&b->thread, NULL, run, b);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "bus", "cannot start a thread: %s", strerror(code));
    b->running = true;
    return 0;
}

static void on_read(struct bus *port, struct event_reader *reader, struct event_read *r)
{
    struct inproc *b = self(port);
    struct mail_chain chain = {0};
    r->reader = reader;
    r->page = NULL;
    mail_chain_add(&chain, &r->mail);
    mailbox_push(&b->box, &chain);
    wake_up(&b->wake);
}

/* The fence, with the one in wake_prepare(): either this sees that somebody waits, or the thread,
 * before it sleeps, that the log has grown. */
static void on_committed(struct bus *port)
{
    struct inproc *b = self(port);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&b->wanted, memory_order_relaxed))
        wake_up(&b->wake);
}

static int64_t on_newest(struct bus *port)
{
    struct ledger *l = self(port)->config.ledger;
    return l->ops->log_end(l);
}

static void on_stats(struct bus *port, struct bus_stats *out)
{
    struct inproc *b = self(port);
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&b->counters.name, memory_order_relaxed);
    BUS_STATS(X)
#undef X
}

static void close_all(struct mail *mail)
{
    while (mail) {
        struct event_read *r = MAIL_OF(mail, struct event_read);
        mail = mail->next;
        answer(r, TLY_ECLOSED, NULL);
    }
}

static void on_stop(struct bus *port)
{
    struct inproc *b = self(port);
    if (!b->running)
        return;
    atomic_store(&b->stopping, true);
    wake_up(&b->wake);
    pthread_join(b->thread, NULL);
    b->running = false;
    struct event_read *parked = take_parked(b);
    close_all(parked ? &parked->mail : NULL);
    close_all(mailbox_take(&b->box));
    page_shelf_clear(&b->shelf);
}

static void on_destroy(struct bus *port)
{
    if (!port)
        return;
    on_stop(port);
    free(port);
}

static const struct bus_ops ops = {
    .start = on_start,
    .read = on_read,
    .committed = on_committed,
    .newest = on_newest,
    .stats = on_stats,
    .stop = on_stop,
    .destroy = on_destroy,
};

int bus_inproc_create(struct bus **out, const struct bus_inproc_config *config, struct error *e)
{
    struct inproc *b = NULL;
    *out = NULL;
    if (posix_memalign((void **)&b, 64, sizeof *b) != 0)
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for the bus");
    memset(b, 0, sizeof *b);
    b->port.ops = &ops;
    b->config = *config;
    size_t length = strnlen(config->source, EVENT_SOURCE_MAX);
    memcpy(b->source, config->source, length);
    b->maker.namer = (struct event_namer){.source = {b->source, (uint32_t)length},
                                          .lot_dims = config->lot_dims,
                                          .context = config->context};
    b->shelf.bytes_max = config->page_bytes_max;
    *out = &b->port;
    return 0;
}
