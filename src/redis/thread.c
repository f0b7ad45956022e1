/* thread.c - see redis_thread.h. Happy path: a post wakes the loop, which hands over all that came.
 * At the end what was posted before is handed over, then the client is closed and the loop runs
 * out. Failure: only at creation. */
#include <pthread.h>
#include <stdlib.h>

#include "redis/client.h"
#include "redis/redis_thread.h"

struct redis_thread {
    uv_loop_t loop;
    uv_async_t posted;
    uv_timer_t tick;
    struct redis_thread_config config;
    struct redis *redis;
    struct mailbox box;
    pthread_t thread;
    _Atomic bool ends;
};

static void take(struct redis_thread *t, bool idle)
{
    struct mail *first = mailbox_take(&t->box);
    if (!first && !idle)
        return;
    t->config.take(t->config.context, t->redis, first);
    redis_flush(t->redis);
}

static void on_posted(uv_async_t *posted)
{
    struct redis_thread *t = posted->data;
    bool ends = atomic_load(&t->ends);
    take(t, false);
    if (!ends)
        return;
    redis_close(t->redis, NULL, NULL);
    uv_close((uv_handle_t *)&t->tick, NULL);
    uv_close((uv_handle_t *)&t->posted, NULL);
}

static void on_tick(uv_timer_t *tick)
{
    take(tick->data, true);
}

static void *run(void *argument)
{
    struct redis_thread *t = argument;
    uv_run(&t->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int start(struct redis_thread *t, struct error *e)
{
    struct redis_config config = t->config.redis;
    config.loop = &t->loop;
    int code = redis_create(&t->redis, &config, e);
    if (code)
        return code;
    uv_timer_init(&t->loop, &t->tick);
    t->tick.data = t->posted.data = t;
    if (t->config.tick_ms)
        uv_timer_start(&t->tick, on_tick, t->config.tick_ms, t->config.tick_ms);
    if (pthread_create(&t->thread, NULL, run, t) == 0) {
        pthread_setname_np(t->thread, t->config.name);
        return 0;
    }
    redis_close(t->redis, NULL, NULL);
    uv_close((uv_handle_t *)&t->tick, NULL);
    return error_set(e, TLY_ENO_MEMORY, "", "cannot start a thread");
}

int redis_thread_create(struct redis_thread **out, const struct redis_thread_config *config,
                        struct error *e)
{
    struct redis_thread *t = aligned_alloc(64, (sizeof *t + 63) & ~(size_t)63);
    if (!t)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a thread for Redis");
    *t = (struct redis_thread){.config = *config};
    if (uv_loop_init(&t->loop) < 0) {
        free(t);
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a loop for Redis");
    }
    int code = uv_async_init(&t->loop, &t->posted, on_posted) < 0
                   ? error_set(e, TLY_ENO_MEMORY, "", "no memory for a loop for Redis")
                   : start(t, e);
    if (code) {
        uv_close((uv_handle_t *)&t->posted, NULL);
        uv_run(&t->loop, UV_RUN_DEFAULT);
        uv_loop_close(&t->loop);
        free(t);
        return code;
    }
    *out = t;
    return 0;
}

void redis_thread_post(struct redis_thread *t, struct mail_chain *chain)
{
    if (mailbox_push(&t->box, chain))
        uv_async_send(&t->posted);
}

struct redis_stats *redis_thread_stats(struct redis_thread *t)
{
    return redis_stats(t->redis);
}

void redis_thread_destroy(struct redis_thread *t)
{
    if (!t)
        return;
    atomic_store(&t->ends, true);
    uv_async_send(&t->posted);
    pthread_join(t->thread, NULL);
    uv_loop_close(&t->loop);
    free(t);
}
