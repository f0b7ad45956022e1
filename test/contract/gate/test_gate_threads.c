/* What every adapter of gate.h must do while many workers ask at once. */
#include "fixture_gate.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, RACERS = 2 };

struct crowd {
    struct rig *r;
    uint32_t rounds; /* of each thread */
    uint32_t threads;
    _Atomic uint32_t arrived;
    _Atomic uint64_t orders;
    _Atomic int64_t passed;
    _Atomic int64_t refused;
    _Atomic uint64_t *passed_orders; /* of all rounds; 0: not yet */
};

static void run_threads(struct crowd *c, void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < c->threads; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, c), 0);
    for (uint32_t i = 0; i < c->threads; i++)
        pthread_join(threads[i], NULL);
}

static enum gate_verdict ask_and_count(struct crowd *c, struct asker *me, const char *lot,
                                       uint64_t order_hash)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = 1};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_hash = order_hash};
    asker_ask(me, &ask, 1, NOW_MS);
    atomic_fetch_add(&c->passed, ask.verdict == GATE_PASS);
    atomic_fetch_add(&c->refused, ask.verdict == GATE_SOLD_OUT);
    return ask.verdict;
}

static void *buy(void *argument)
{
    struct crowd *c = argument;
    struct asker me;
    asker_open(&me, c->r->g);
    for (uint32_t i = 0; i < c->rounds; i++)
        ask_and_count(c, &me, "a", order(atomic_fetch_add(&c->orders, 1)));
    asker_close(&me);
    return NULL;
}

static void threads_together_never_take_more_than_there_is(void **state)
{
    struct crowd c = {.r = *state, .rounds = times(20000), .threads = THREADS};
    change(c.r, 1, c.rounds - 10);
    run_threads(&c, buy);
    assert_int_equal(c.passed, c.rounds - units_left(c.r, "a"));
    /* Only orders that the filter takes for seen may be neither passed nor refused. */
    assert_true(c.passed + c.refused <= THREADS * c.rounds);
    assert_true(c.passed + c.refused >= THREADS * c.rounds * 9 / 10);
}

static void *buy_new(void *argument)
{
    struct crowd *c = argument;
    struct asker me;
    asker_open(&me, c->r->g);
    for (uint32_t i = 0; i < c->rounds; i++) {
        uint64_t order_hash = order(atomic_fetch_add(&c->orders, 1));
        struct gate_line line = {.lot = STR("a"), .quantity = 1};
        struct gate_ask ask = {
            .lines = &line, .line_count = 1, .order_hash = order_hash, .order_new = true};
        asker_ask(&me, &ask, 1, NOW_MS);
        if (ask.verdict == GATE_PASS)
            atomic_store(&c->passed_orders[atomic_fetch_add(&c->passed, 1)], order_hash);
    }
    asker_close(&me);
    atomic_fetch_add(&c->arrived, 1);
    return NULL;
}

/* The lane gives every unit back as it is taken: none is lost and none appears. */
static void *settle(void *argument)
{
    struct crowd *c = argument;
    int64_t settled = 0;
    while (atomic_load(&c->arrived) < c->threads || settled < atomic_load(&c->passed)) {
        uint64_t order_hash =
            settled < atomic_load(&c->passed) ? atomic_load(&c->passed_orders[settled]) : 0;
        if (!order_hash) {
            sched_yield();
            continue;
        }
        come_to_nothing(c->r, order_hash, 1, 1, GATE_REFUSED);
        settled++;
    }
    return NULL;
}

static void units_given_back_while_others_take_are_all_there_in_the_end(void **state)
{
    struct crowd c = {.r = *state, .rounds = times(20000), .threads = THREADS};
    pthread_t lane;
    c.passed_orders = calloc(THREADS * (size_t)c.rounds, sizeof *c.passed_orders);
    assert_int_equal(pthread_create(&lane, NULL, settle, &c), 0);
    run_threads(&c, buy_new);
    pthread_join(lane, NULL);
    free(c.passed_orders);
    assert_true(c.passed > 0);
    assert_int_equal(units_left(c.r, "a"), 10);
}

/* All threads ask for the same order, for the last unit, at the same time; then the next. Whoever
 * loses has lost to its own order. */
static void *race(void *argument)
{
    struct crowd *c = argument;
    struct asker me;
    asker_open(&me, c->r->g);
    for (uint32_t round = 1; round <= c->rounds; round++) {
        int64_t passed_before = 0;
        ask_and_count(c, &me, "b", order(round));
        uint32_t place = atomic_fetch_add(&c->arrived, 1) + 1;
        if (place == round * c->threads) {
            passed_before = (int64_t)atomic_load(&c->passed_orders[0]);
            if (atomic_load(&c->passed) > passed_before)
                come_to_nothing(c->r, order(round), 2, 1, GATE_REFUSED);
            atomic_store(&c->passed_orders[0], (uint64_t)atomic_load(&c->passed));
            atomic_fetch_add(&c->orders, 1);
        }
        while (atomic_load(&c->orders) < round)
            sched_yield();
    }
    asker_close(&me);
    return NULL;
}

static void a_retry_racing_the_order_that_takes_the_last_unit_is_never_refused(void **state)
{
    _Atomic uint64_t passed_before = 0;
    struct crowd c = {
        .r = *state, .rounds = times(3000), .threads = RACERS, .passed_orders = &passed_before};
    change(c.r, 2, 1);
    run_threads(&c, race);
    assert_int_equal(c.refused, 0);
    assert_true(c.passed <= c.rounds);
    assert_true(c.passed >= c.rounds * 9 / 10);
}

static void *add_lots(void *argument)
{
    struct crowd *c = argument;
    char key[16];
    for (lot_id i = 3; i < c->rounds; i++) {
        snprintf(key, sizeof key, "grow%u", i);
        add_lot(c->r, i, key, 1);
        atomic_store(&c->orders, i);
    }
    return NULL;
}

static void *find_newest_lot(void *argument)
{
    struct crowd *c = argument;
    struct asker me;
    uint64_t newest;
    asker_open(&me, c->r->g);
    do {
        newest = atomic_load(&c->orders);
        if (newest < 3)
            continue;
        char key[24];
        int len = snprintf(key, sizeof key, "grow%llu", (unsigned long long)newest);
        struct gate_line line = {.lot = {key, (uint32_t)len}, .quantity = 2};
        struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true};
        asker_ask(&me, &ask, 1, NOW_MS);
        /* Two are asked of a lot of one: anything but SOLD_OUT means that it was not found. */
        atomic_fetch_add(&c->refused, ask.verdict != GATE_SOLD_OUT || line.lot_id != newest);
    } while (newest < c->rounds - 1);
    asker_close(&me);
    return NULL;
}

static void lots_are_found_from_the_moment_they_were_added(void **state)
{
    struct crowd c = {.r = *state, .rounds = times(20000), .threads = 1};
    pthread_t lane;
    assert_int_equal(pthread_create(&lane, NULL, add_lots, &c), 0);
    run_threads(&c, find_newest_lot);
    pthread_join(lane, NULL);
    assert_int_equal(c.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_together_never_take_more_than_there_is),
        TEST(units_given_back_while_others_take_are_all_there_in_the_end),
        TEST(a_retry_racing_the_order_that_takes_the_last_unit_is_never_refused),
        TEST(lots_are_found_from_the_moment_they_were_added),
    };
    return RUN_ADAPTERS(tests);
}
