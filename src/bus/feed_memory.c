/* feed_memory.c - a list of documents behind a lock, and an eventfd that counts them. The only
 * failure is want of memory. */
#include "bus/feed_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct document {
    struct document *next;
    char id[FEED_ID_SIZE];
    bool json_lines;
    struct str text;
    char bytes[];
};

struct memory_feed {
    struct feed feed;
    pthread_mutex_t lock;
    struct document *first, *last; /* guarded; the first one may be taken */
    char *rejects;                 /* guarded */
    size_t rejects_len;
    uint32_t finished, useless;
    bool taken;
    int fd;
};

static struct memory_feed *of(struct feed *f)
{
    return (struct memory_feed *)f;
}

static long read_at(const void *context, uint64_t offset, void *to, size_t size)
{
    const struct document *d = context;
    if (offset >= d->text.len)
        return 0;
    size_t n = d->text.len - (size_t)offset < size ? d->text.len - (size_t)offset : size;
    memcpy(to, d->text.p + offset, n);
    return (long)n;
}

static int take(struct feed *f, struct feed_document *out, struct error *e)
{
    struct memory_feed *m = of(f);
    (void)e;
    pthread_mutex_lock(&m->lock);
    const struct document *d = m->first;
    pthread_mutex_unlock(&m->lock);
    if (!d || m->taken)
        return 0;
    m->taken = true;
    *out = (struct feed_document){
        .name = str_of(d->id), .json_lines = d->json_lines, .context = d, .read_at = read_at};
    memcpy(out->id, d->id, sizeof out->id);
    return 1;
}

static int reject(struct feed *f, struct str header, const struct feed_reject *r, struct error *e)
{
    struct memory_feed *m = of(f);
    (void)header;
    pthread_mutex_lock(&m->lock);
    size_t room = r->column.len + r->reason.len + r->message.len + 32;
    char *grown = realloc(m->rejects, m->rejects_len + room);
    if (grown) {
        m->rejects = grown;
        m->rejects_len +=
            (size_t)snprintf(grown + m->rejects_len, room, "%u %.*s: %.*s | %.*s\n", r->line,
                             STR_ARG(r->column), STR_ARG(r->reason), STR_ARG(r->message));
    }
    pthread_mutex_unlock(&m->lock);
    return grown ? 0 : error_set(e, TLY_ENO_MEMORY, "", "out of memory");
}

static int finish(struct feed *f, bool applied, struct error *e)
{
    struct memory_feed *m = of(f);
    (void)e;
    pthread_mutex_lock(&m->lock);
    struct document *d = m->first;
    m->first = d->next;
    if (!m->first)
        m->last = NULL;
    m->finished++;
    m->useless += !applied;
    pthread_mutex_unlock(&m->lock);
    m->taken = false;
    free(d);
    return 0;
}

static void give_back(struct feed *f)
{
    of(f)->taken = false;
}

static int wait_fd(const struct feed *f)
{
    return ((const struct memory_feed *)f)->fd;
}

static void woken(struct feed *f)
{
    eventfd_t count;
    (void)eventfd_read(of(f)->fd, &count);
}

static void destroy(struct feed *f)
{
    struct memory_feed *m = of(f);
    while (m->first) {
        struct document *d = m->first;
        m->first = d->next;
        free(d);
    }
    free(m->rejects);
    close(m->fd);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct feed_ops ops = {.take = take,
                                    .reject = reject,
                                    .finish = finish,
                                    .give_back = give_back,
                                    .wait_fd = wait_fd,
                                    .woken = woken,
                                    .destroy = destroy};

int feed_memory_create(struct feed **out, struct error *e)
{
    struct memory_feed *m = calloc(1, sizeof *m);
    int fd = m ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (fd < 0) {
        free(m);
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    }
    m->feed.ops = &ops;
    m->fd = fd;
    pthread_mutex_init(&m->lock, NULL);
    *out = &m->feed;
    return 0;
}

int feed_memory_put(struct feed *f, const char *id, bool json_lines, struct str text)
{
    struct memory_feed *m = of(f);
    struct document *d = calloc(1, sizeof *d + text.len);
    if (!d)
        return TLY_ENO_MEMORY;
    snprintf(d->id, sizeof d->id, "%s", id);
    d->json_lines = json_lines;
    memcpy(d->bytes, text.p, text.len);
    d->text = (struct str){d->bytes, text.len};
    pthread_mutex_lock(&m->lock);
    if (m->last)
        m->last->next = d;
    else
        m->first = d;
    m->last = d;
    pthread_mutex_unlock(&m->lock);
    (void)eventfd_write(m->fd, 1);
    return 0;
}

const char *feed_memory_rejects(struct feed *f)
{
    struct memory_feed *m = of(f);
    pthread_mutex_lock(&m->lock);
    const char *rejects = m->rejects ? m->rejects : "";
    pthread_mutex_unlock(&m->lock);
    return rejects;
}

uint32_t feed_memory_finished(struct feed *f)
{
    struct memory_feed *m = of(f);
    pthread_mutex_lock(&m->lock);
    uint32_t finished = m->finished;
    pthread_mutex_unlock(&m->lock);
    return finished;
}

uint32_t feed_memory_useless(struct feed *f)
{
    struct memory_feed *m = of(f);
    pthread_mutex_lock(&m->lock);
    uint32_t useless = m->useless;
    pthread_mutex_unlock(&m->lock);
    return useless;
}
