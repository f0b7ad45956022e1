/* fixture_redis.h - a client on a loop of its own, and what it was answered last. */
#ifndef TALLY_TEST_FIXTURE_REDIS_H
#define TALLY_TEST_FIXTURE_REDIS_H

#include "fixture.h"

#include <uv.h>

#include "redis/redis.h"
#include "redis_server.h"

struct answer {
    int count;
    enum redis_outcome outcome;
    enum redis_kind kind;
    int64_t number;
    char text[256];
};

struct user {
    uv_loop_t loop;
    struct redis *redis;
    struct answer last;
};

/* 0 in `config`: the usual. */
void user_open(struct user *u, const struct redis_server *servers, uint32_t count,
               struct redis_config config);
void user_close(struct user *u);
/* Runs the loop until it is so; a minute at most. */
#define RUN_UNTIL(u, so)                                                                           \
    do {                                                                                           \
        uint64_t end_ms = uv_hrtime() / 1000000 + 60000;                                           \
        while (!(so)) {                                                                            \
            assert_true(uv_hrtime() / 1000000 < end_ms);                                           \
            user_turn(u);                                                                          \
        }                                                                                          \
    } while (0)
void user_turn(struct user *u);
/* A command of words between single spaces. What redis_call() says; if 0, it is flushed. */
int user_send(struct user *u, const char *key, const char *command);
int user_send_script(struct user *u, uint32_t script, const char *key, const char *argument);
/* Sends it, again and again if it is refused, and waits for the answer. */
const struct answer *user_do(struct user *u, const char *key, const char *command);

#endif
