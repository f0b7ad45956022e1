/* delay_inproc.c - a list of messages by when they come out, and a thread that waits for the first.
 *
 * Happy path: put() appends to the list (messages of one delay come out in its order; a longer
 * delay finds its place from the end); the thread hands out what is due; done() frees it, or puts
 * it back for another delay of AGAIN_MS. Failure: the line is full; memory.
 */
#include "bus/delay_inproc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/wake.h"

enum { AGAIN_MS = 50 };

#define NS_PER_MS UINT64_C(1000000)

struct held {
    struct delay_message message; /* first */
    struct held *before, *after;
    uint64_t due_ns;
};

struct inproc_delay {
    struct delay port; /* first */
    struct wake wake;
    struct delay_inproc_config config;
    pthread_mutex_t lock;
    struct held *first, *last;  /* guarded */
    uint32_t count, out;        /* guarded: in the list, and out and not done */
    struct delay_stats figures; /* guarded */
    bool closed;                /* guarded */
    pthread_t thread;
    bool running;
};

static struct inproc_delay *self(struct delay *d)
{
    return (struct inproc_delay *)d;
}

/* Behind those that are due before it; under the lock. */
static void put_in_place(struct inproc_delay *d, struct held *h)
{
    struct held *before = d->last;
    while (before && before->due_ns > h->due_ns)
        before = before->before;
    h->before = before;
    h->after = before ? before->after : d->first;
    *(h->after ? &h->after->before : &d->last) = h;
    *(before ? &before->after : &d->first) = h;
    d->count++;
}

static int on_put(struct delay *port, struct str text, int64_t delay_ms)
{
    struct inproc_delay *d = self(port);
    int code = 0;
    struct held *h = text.len <= DELAY_TEXT_MAX ? malloc(sizeof *h) : NULL;
    if (h) {
        h->message = (struct delay_message){.line = port, .size = text.len};
        memcpy(h->message.text, text.p, text.len);
        h->message.text[text.len] = 0;
        h->due_ns = clock_monotonic_ns() + (uint64_t)delay_ms * NS_PER_MS;
    }
    pthread_mutex_lock(&d->lock);
    if (d->closed)
        code = TLY_EUNAVAILABLE;
    else if (!h || d->count + d->out >= d->config.messages_max)
        code = TLY_EFULL;
    else
        put_in_place(d, h);
    d->figures.put_total += code == 0;
    d->figures.confirmed_total += code == 0;
    d->figures.refused_total += code != 0;
    pthread_mutex_unlock(&d->lock);
    if (code)
        free(h);
    else
        wake_up(&d->wake);
    return code;
}

static void on_done(struct delay *port, struct delay_message *m, int code)
{
    struct inproc_delay *d = self(port);
    struct held *h = (struct held *)m;
    pthread_mutex_lock(&d->lock);
    d->out--;
    bool again = code != 0 && !d->closed;
    if (again) {
        h->due_ns = clock_monotonic_ns() + AGAIN_MS * NS_PER_MS;
        put_in_place(d, h);
    }
    pthread_mutex_unlock(&d->lock);
    if (again)
        wake_up(&d->wake);
    else
        free(h);
}

/* The next one that is due, or NULL, and until when there is none. */
static struct held *take(struct inproc_delay *d, uint64_t *due_ns)
{
    pthread_mutex_lock(&d->lock);
    struct held *h = d->first;
    *due_ns = h ? h->due_ns : UINT64_MAX;
    if (d->closed || !h || h->due_ns > clock_monotonic_ns()) {
        h = NULL;
    } else {
        d->first = h->after;
        *(h->after ? &h->after->before : &d->last) = NULL;
        d->count--;
        d->out++;
        d->figures.out_total++;
    }
    pthread_mutex_unlock(&d->lock);
    return h;
}

static bool is_closed(struct inproc_delay *d)
{
    pthread_mutex_lock(&d->lock);
    bool closed = d->closed;
    pthread_mutex_unlock(&d->lock);
    return closed;
}

static void *run(void *context)
{
    struct inproc_delay *d = context;
    uint64_t due_ns;
    pthread_setname_np(pthread_self(), "tally-delay");
    while (!is_closed(d)) {
        struct held *h;
        while ((h = take(d, &due_ns)))
            d->config.out(d->config.context, &h->message);
        wake_prepare(&d->wake);
        h = take(d, &due_ns); /* what came before the announcement */
        uint64_t now_ns = clock_monotonic_ns();
        if (h || due_ns <= now_ns || is_closed(d))
            wake_cancel(&d->wake);
        else
            wake_wait(&d->wake,
                      due_ns == UINT64_MAX ? -1 : (int64_t)((due_ns - now_ns) / 1000) + 1);
        if (h)
            d->config.out(d->config.context, &h->message);
    }
    return NULL;
}

static int on_start(struct delay *port, struct error *e)
{
    struct inproc_delay *d = self(port);
    int code = pthread_create(&d->thread, NULL, run, d);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "bus", "cannot start a thread: %s", strerror(code));
    d->running = true;
    return 0;
}

static void on_stats(struct delay *port, struct delay_stats *out)
{
    struct inproc_delay *d = self(port);
    pthread_mutex_lock(&d->lock);
    *out = d->figures;
    out->connected = !d->closed;
    pthread_mutex_unlock(&d->lock);
}

static void on_stop(struct delay *port)
{
    struct inproc_delay *d = self(port);
    pthread_mutex_lock(&d->lock);
    d->closed = true;
    pthread_mutex_unlock(&d->lock);
    wake_up(&d->wake);
    if (d->running)
        pthread_join(d->thread, NULL);
    d->running = false;
}

static void on_destroy(struct delay *port)
{
    if (!port)
        return;
    struct inproc_delay *d = self(port);
    on_stop(port);
    while (d->first) {
        struct held *h = d->first;
        d->first = h->after;
        free(h);
    }
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static const struct delay_ops ops = {.start = on_start,
                                     .put = on_put,
                                     .done = on_done,
                                     .stats = on_stats,
                                     .stop = on_stop,
                                     .destroy = on_destroy};

int delay_inproc_create(struct delay **out, const struct delay_inproc_config *config,
                        struct error *e)
{
    struct inproc_delay *d = NULL;
    *out = NULL;
    if (posix_memalign((void **)&d, 64, sizeof *d) != 0)
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for the delay line");
    memset(d, 0, sizeof *d);
    d->port.ops = &ops;
    d->config = *config;
    pthread_mutex_init(&d->lock, NULL);
    *out = &d->port;
    return 0;
}
