/* A client with a thread of its own. */
#include "fixture.h"

#include <stdatomic.h>
#include <string.h>

#include "redis/redis_thread.h"
#include "redis_server.h"

static struct redis_server server;

struct note {
    struct mail mail;
    struct redis *redis;
};

struct keeper {
    _Atomic int taken, ticks, answered;
};

static void on_answer(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct keeper *k = context;
    (void)reply;
    atomic_fetch_add(&k->answered, outcome == REDIS_ANSWERED);
}

static void take(void *context, struct redis *r, struct mail *first)
{
    struct keeper *k = context;
    const struct str words[] = {STR("INCR"), STR("n")};
    if (!first)
        atomic_fetch_add(&k->ticks, 1);
    for (; first; first = first->next) {
        atomic_fetch_add(&k->taken, 1);
        if (redis_call(r, words[1], words, 2, on_answer, k))
            continue;
    }
}

static struct redis_thread *make(struct keeper *k, uint32_t tick_ms)
{
    const struct redis_address address = {"127.0.0.1", server.port};
    const struct redis_thread_config config = {
        .redis = {.addresses = &address, .address_count = 1},
        .name = "test",
        .context = k,
        .take = take,
        .tick_ms = tick_ms,
    };
    struct redis_thread *t = NULL;
    assert_int_equal(redis_thread_create(&t, &config, NULL), 0);
    return t;
}

static void post(struct redis_thread *t, struct note *notes, int count)
{
    struct mail_chain chain = {0};
    for (int i = 0; i < count; i++)
        mail_chain_add(&chain, &notes[i].mail);
    redis_thread_post(t, &chain);
}

static void what_is_posted_is_done_and_answered(void **state)
{
    struct keeper k = {0};
    struct note notes[3];
    (void)state;
    struct redis_thread *t = make(&k, 0);
    AWAIT(atomic_load(&redis_thread_stats(t)->nodes_up) == 1);
    post(t, notes, 3);
    AWAIT(atomic_load(&k.answered) == 3);
    assert_int_equal(redis_server_number(&server, "GET n"), 3);
    assert_int_equal(atomic_load(&k.ticks), 0);
    redis_thread_destroy(t);
}

static void it_ticks_if_it_is_asked_to(void **state)
{
    struct keeper k = {0};
    (void)state;
    struct redis_thread *t = make(&k, 1);
    AWAIT(atomic_load(&k.ticks) > 2);
    redis_thread_destroy(t);
}

static void what_was_posted_before_the_end_is_taken(void **state)
{
    struct keeper k = {0};
    struct note notes[5];
    (void)state;
    struct redis_thread *t = make(&k, 0);
    post(t, notes, 5);
    redis_thread_destroy(t);
    assert_int_equal(atomic_load(&k.taken), 5);
    redis_thread_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_posted_is_done_and_answered),
        cmocka_unit_test(it_ticks_if_it_is_asked_to),
        cmocka_unit_test(what_was_posted_before_the_end_is_taken),
    };
    redis_server_needed();
    redis_server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_remove(&server);
    return failed;
}
