/* webhook_list.c - the list of events that could not be delivered: in memory for whoever looks, in
 * webhook.db for ever. Also that one is to be sent again: who was told so is not let down by a
 * kill. Failure: of the file; the list is then as it was. */
#include <stdlib.h>
#include <string.h>

#include "bus/webhook_internal.h"

/* Where an id stands, or would. */
static uint32_t place_of(const struct webhook *w, int64_t id)
{
    uint32_t low = 0, high = w->failure_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->failures[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct webhook_failure *find(struct webhook *w, int64_t id)
{
    uint32_t i = place_of(w, id);
    return i < w->failure_count && w->failures[i].id == id ? &w->failures[i] : NULL;
}

static void show_count(struct webhook *w)
{
    atomic_store_explicit(&w->counters.failed, w->failure_count, memory_order_relaxed);
}

static bool load_one(void *context, const struct webhook_failure *f)
{
    struct webhook *w = context;
    if (w->failure_count == w->config.failed_max) {
        /* The bound was lowered: what is beyond it stays in the file for a later start. */
        return false;
    }
    w->failures[w->failure_count++] = *f;
    w->again_count += f->again;
    return true;
}

int webhook_list_load(struct webhook *w, struct error *e)
{
    w->failures = calloc(w->config.failed_max, sizeof w->failures[0]);
    if (!w->failures)
        return error_set(e, TLY_ENO_MEMORY, "webhook", "no memory for the list of what failed");
    int code = webhook_store_open(&w->store, w->config.dir, e);
    if (code == 0)
        code = webhook_store_each(&w->store, load_one, w, e);
    show_count(w);
    return code;
}

bool webhook_list_full(struct webhook *w)
{
    pthread_mutex_lock(&w->lock);
    bool full = w->failure_count == w->config.failed_max;
    pthread_mutex_unlock(&w->lock);
    return full;
}

static void show_added(struct webhook *w, const struct webhook_failure *f)
{
    pthread_mutex_lock(&w->lock);
    uint32_t i = place_of(w, f->id);
    if (i == w->failure_count || w->failures[i].id != f->id) {
        memmove(w->failures + i + 1, w->failures + i,
                (w->failure_count - i) * sizeof w->failures[0]);
        w->failure_count++;
        w->failures[i].again = false;
    }
    w->again_count -= w->failures[i].again;
    w->failures[i] = *f;
    show_count(w);
    pthread_mutex_unlock(&w->lock);
}

int webhook_list_add(struct webhook *w, const struct webhook_failure *f, struct str body,
                     struct error *e)
{
    if (webhook_list_full(w) && !find(w, f->id))
        return error_set(e, TLY_EFULL, "webhook_failed_max",
                         "the list of what failed is full (webhook_failed_max)");
    pthread_mutex_lock(&w->file_lock);
    int code = webhook_store_put(&w->store, f, body, e);
    if (!code)
        show_added(w, f);
    pthread_mutex_unlock(&w->file_lock);
    return code;
}

int webhook_list_body(struct webhook *w, int64_t id, char **body, uint32_t *size, struct error *e)
{
    pthread_mutex_lock(&w->file_lock);
    int code = webhook_store_body(&w->store, id, body, size, e);
    pthread_mutex_unlock(&w->file_lock);
    return code;
}

static void show_settled(struct webhook *w, int64_t id, const struct webhook_failure *failed)
{
    pthread_mutex_lock(&w->lock);
    struct webhook_failure *f = find(w, id);
    if (f) {
        w->again_count -= f->again;
        if (failed) {
            *f = *failed;
        } else {
            uint32_t i = (uint32_t)(f - w->failures);
            w->failure_count--;
            memmove(f, f + 1, (w->failure_count - i) * sizeof *f);
        }
    }
    show_count(w);
    pthread_mutex_unlock(&w->lock);
}

int webhook_list_settle(struct webhook *w, int64_t id, const struct webhook_failure *failed,
                        struct error *e)
{
    pthread_mutex_lock(&w->file_lock);
    int code = failed ? webhook_store_put(&w->store, failed, (struct str){0}, e)
                      : webhook_store_remove(&w->store, id, e);
    if (!code)
        show_settled(w, id, failed);
    pthread_mutex_unlock(&w->file_lock);
    return code;
}

bool webhook_list_next(struct webhook *w, int64_t after, struct webhook_failure *out)
{
    bool found = false;
    pthread_mutex_lock(&w->lock);
    for (uint32_t i = place_of(w, after + 1); w->again_count && !found && i < w->failure_count;
         i++) {
        found = w->failures[i].again;
        if (found)
            *out = w->failures[i];
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

uint32_t webhook_failures(struct webhook *w, int64_t after, struct webhook_failure *out,
                          uint32_t max)
{
    uint32_t count = 0;
    pthread_mutex_lock(&w->lock);
    for (uint32_t i = place_of(w, after + 1); i < w->failure_count && count < max; i++)
        out[count++] = w->failures[i];
    pthread_mutex_unlock(&w->lock);
    return count;
}

static void mark_again(struct webhook *w, struct webhook_failure *f)
{
    w->again_count += !f->again;
    f->again = true;
}

static uint32_t count_of(struct webhook *w, const int64_t *ids, size_t count)
{
    pthread_mutex_lock(&w->lock);
    uint32_t found = count ? 0 : w->failure_count;
    for (size_t i = 0; i < count; i++)
        found += find(w, ids[i]) != NULL;
    pthread_mutex_unlock(&w->lock);
    return found;
}

static void mark_all(struct webhook *w, const int64_t *ids, size_t count)
{
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < count; i++) {
        struct webhook_failure *one = find(w, ids[i]);
        if (one)
            mark_again(w, one);
    }
    for (uint32_t i = 0; !count && i < w->failure_count; i++)
        mark_again(w, &w->failures[i]);
    pthread_mutex_unlock(&w->lock);
}

int webhook_retry(struct webhook *w, const int64_t *ids, size_t count, uint32_t *found,
                  struct error *e)
{
    pthread_mutex_lock(&w->file_lock);
    *found = count_of(w, ids, count);
    int code = *found ? webhook_store_mark(&w->store, ids, count, e) : 0;
    if (!code)
        mark_all(w, ids, count);
    pthread_mutex_unlock(&w->file_lock);
    if (!code && *found)
        poster_wake(&w->poster);
    return code;
}
