/* redis_thread.h - a client of Redis with a thread and a loop of its own, for those who must not
 * wait and have no loop: they post what they want, and it is done there. */
#ifndef TALLY_REDIS_REDIS_THREAD_H
#define TALLY_REDIS_REDIS_THREAD_H

#include "base/mailbox.h"
#include "redis/redis.h"

struct redis_thread;

struct redis_thread_config {
    struct redis_config redis; /* its loop is made here */
    const char *name;          /* of the thread, 15 bytes at most */
    void *context;
    /* The thread. What was posted since the last time, oldest first; it is the receiver's. NULL: it
     * is `tick_ms` since the last time, and nothing was. redis_flush() follows by itself. */
    void (*take)(void *context, struct redis *r, struct mail *first);
    uint32_t tick_ms; /* 0: only when something was posted */
};

int redis_thread_create(struct redis_thread **out, const struct redis_thread_config *config,
                        struct error *e) MUST_CHECK;
/* Any thread; never waits. The poster bounds what it posts. */
void redis_thread_post(struct redis_thread *t, struct mail_chain *chain);
struct redis_stats *redis_thread_stats(struct redis_thread *t);
/* Takes what was posted once more, then ends the thread; no answer comes after it returns. NULL is
 * fine. */
void redis_thread_destroy(struct redis_thread *t);

#endif
