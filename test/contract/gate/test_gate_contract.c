/* What every adapter of gate.h must do. An adapter joins by one line in `adapters`. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "gate/gate_local.h"

enum { SEED = 42, NOW_MS = 1000 };

static int make_local(struct gate **out)
{
    struct gate_local_config config = {
        .hash_seed = SEED, .lots_max = 100000, .order_filter_bytes = 1 << 20};
    return gate_local_create(out, &config, NULL);
}

struct adapter {
    const char *name;
    int (*make)(struct gate **out);
};

static const struct adapter adapters[] = {
    {"local", make_local},
};

static const struct adapter *adapter; /* the one under test */

/* ---- fixture: a gate with lot 1 ("a") of 10 units and lot 2 ("b") of none ---- */

static int setup(void **state)
{
    struct gate *g;
    if (adapter->make(&g))
        return -1;
    g->ops->lot_added(g, 1, STR("a"), 10);
    g->ops->lot_added(g, 2, STR("b"), 0);
    g->ops->orders_complete(g, true);
    g->ops->next_deadline(g, INT64_MAX);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    gate_destroy(*state);
    return 0;
}

static void count_answers(void *context, struct gate_ask *asks, size_t n)
{
    (void)asks;
    *(size_t *)context += n;
}

static void admit_many(struct gate *g, struct gate_ask *asks, size_t n, int64_t now_ms)
{
    size_t answered = 0;
    g->ops->admit(g, asks, n, now_ms, count_answers, &answered);
    assert_int_equal(answered, n);
}

static struct gate_ask ask_lines(struct gate *g, struct gate_line *lines, uint16_t n,
                                 uint64_t order)
{
    struct gate_ask ask = {.lines = lines, .line_count = n, .order_hash = order};
    admit_many(g, &ask, 1, NOW_MS);
    return ask;
}

/* A hash with all its bits in use, from a small number. */
static uint64_t order(uint64_t number)
{
    return hash64((struct str){(const char *)&number, sizeof number}, SEED);
}

static enum gate_verdict ask_for(struct gate *g, const char *lot, int64_t quantity,
                                 uint64_t order_hash)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = quantity};
    return ask_lines(g, &line, 1, order_hash).verdict;
}

static int64_t units_left(struct gate *g, const char *lot)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = QUANTITY_MAX};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true};
    admit_many(g, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    return ask.available;
}

/* ---- one ask at a time ---- */

static void units_are_taken_until_there_are_none(void **state)
{
    struct gate *g = *state;
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(ask_for(g, "a", 1, order(i)), GATE_PASS);
    assert_int_equal(ask_for(g, "a", 1, order(10)), GATE_SOLD_OUT);
}

static void a_passed_ask_names_the_lots_number(void **state)
{
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    assert_int_equal(ask_lines(*state, &line, 1, order(1)).verdict, GATE_PASS);
    assert_int_equal(line.lot_id, 1);
}

static void a_refusal_says_which_line_and_how_many_there_are(void **state)
{
    struct gate_line line = {.lot = STR("a"), .quantity = 11};
    struct gate_ask ask = ask_lines(*state, &line, 1, order(1));
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_int_equal(ask.failed_line, 0);
    assert_int_equal(ask.available, 10);
}

static void a_refused_ask_takes_nothing(void **state)
{
    assert_int_equal(ask_for(*state, "a", 11, order(1)), GATE_SOLD_OUT);
    assert_int_equal(ask_for(*state, "a", 10, order(2)), GATE_PASS);
}

static void the_retry_of_the_order_that_took_the_last_unit_is_a_replay(void **state)
{
    assert_int_equal(ask_for(*state, "a", 10, order(1)), GATE_PASS);
    assert_int_equal(ask_for(*state, "a", 10, order(1)), GATE_REPLAY);
    assert_int_equal(ask_for(*state, "a", 10, order(2)), GATE_SOLD_OUT);
}

static void a_replay_takes_nothing_even_if_there_are_units(void **state)
{
    assert_int_equal(ask_for(*state, "a", 1, order(1)), GATE_PASS);
    assert_int_equal(ask_for(*state, "a", 1, order(1)), GATE_REPLAY);
    assert_int_equal(units_left(*state, "a"), 9);
}

static void an_order_told_by_the_engine_is_a_replay(void **state)
{
    struct gate *g = *state;
    g->ops->order_seen(g, order(7));
    assert_int_equal(ask_for(g, "b", 1, order(7)), GATE_REPLAY);
    assert_int_equal(ask_for(g, "a", 1, order(7)), GATE_REPLAY);
}

static void an_order_that_went_blind_is_a_replay_the_next_time(void **state)
{
    assert_int_equal(ask_for(*state, "nobody knows", 1, order(1)), GATE_BLIND);
    assert_int_equal(ask_for(*state, "b", 1, order(1)), GATE_REPLAY);
}

static void a_refused_order_may_be_asked_again(void **state)
{
    struct gate *g = *state;
    assert_int_equal(ask_for(g, "b", 1, order(1)), GATE_SOLD_OUT);
    assert_int_equal(ask_for(g, "b", 1, order(1)), GATE_SOLD_OUT);
    g->ops->add(g, 2, 1);
    assert_int_equal(ask_for(g, "b", 1, order(1)), GATE_PASS);
}

static void while_orders_are_not_complete_only_new_ones_are_refused(void **state)
{
    struct gate *g = *state;
    g->ops->orders_complete(g, false);
    assert_int_equal(ask_for(g, "b", 1, order(1)), GATE_REPLAY);
    assert_int_equal(units_left(g, "b"), 0); /* asks with order_new */
    g->ops->orders_complete(g, true);
    assert_int_equal(ask_for(g, "b", 1, order(2)), GATE_SOLD_OUT);
}

static void an_order_made_by_the_server_passes_while_orders_are_not_complete(void **state)
{
    struct gate *g = *state;
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order(1), .order_new = true};
    g->ops->orders_complete(g, false);
    admit_many(g, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_PASS);
}

static void the_servers_own_order_id_is_known_when_it_is_sent_back(void **state)
{
    struct gate_line line = {.lot = STR("a"), .quantity = 10};
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order(1), .order_new = true};
    admit_many(*state, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_PASS);
    assert_int_equal(ask_for(*state, "a", 10, order(1)), GATE_REPLAY);
}

static void nothing_is_refused_from_the_next_deadline_on(void **state)
{
    struct gate *g = *state;
    g->ops->next_deadline(g, NOW_MS + 1);
    assert_int_equal(ask_for(g, "b", 1, order(1)), GATE_SOLD_OUT);
    g->ops->next_deadline(g, NOW_MS);
    assert_int_equal(ask_for(g, "b", 1, order(2)), GATE_BLIND);
    g->ops->next_deadline(g, INT64_MAX);
    assert_int_equal(ask_for(g, "b", 1, order(3)), GATE_SOLD_OUT);
}

static void a_lot_without_a_key_is_blind(void **state)
{
    struct gate_line line = {.quantity = 1};
    assert_int_equal(ask_lines(*state, &line, 1, order(1)).verdict, GATE_BLIND);
    assert_int_equal(line.lot_id, 0);
}

/* ---- several lines ---- */

static void several_lines_take_nothing(void **state)
{
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 2}, {.lot = STR("a"), .quantity = 3}};
    assert_int_equal(ask_lines(*state, lines, 2, order(1)).verdict, GATE_BLIND);
    assert_int_equal(units_left(*state, "a"), 10);
}

static void several_lines_are_refused_if_one_is_surely_short(void **state)
{
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 2}, {.lot = STR("b"), .quantity = 3}};
    struct gate_ask ask = ask_lines(*state, lines, 2, order(1));
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_int_equal(ask.failed_line, 1);
    assert_int_equal(ask.available, 0);
    assert_int_equal(units_left(*state, "a"), 10);
}

static void several_lines_with_an_unknown_lot_are_blind(void **state)
{
    struct gate_line lines[] = {{.lot = STR("b"), .quantity = 3}, {.lot = STR("x"), .quantity = 2}};
    assert_int_equal(ask_lines(*state, lines, 2, order(1)).verdict, GATE_BLIND);
}

static void the_retry_of_an_order_of_several_lines_is_a_replay(void **state)
{
    struct gate *g = *state;
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 4}, {.lot = STR("a"), .quantity = 6}};
    assert_int_equal(ask_lines(g, lines, 2, order(1)).verdict, GATE_BLIND);
    g->ops->add(g, 1, -10);
    assert_int_equal(ask_lines(g, lines, 2, order(1)).verdict, GATE_REPLAY);
}

/* ---- the engine's side ---- */

static void units_given_back_can_be_taken_again(void **state)
{
    struct gate *g = *state;
    assert_int_equal(ask_for(g, "a", 10, order(1)), GATE_PASS);
    g->ops->add(g, 1, 4);
    assert_int_equal(ask_for(g, "a", 5, order(2)), GATE_SOLD_OUT);
    assert_int_equal(ask_for(g, "a", 4, order(3)), GATE_PASS);
}

static void the_count_may_go_below_zero_and_come_back(void **state)
{
    struct gate *g = *state;
    g->ops->add(g, 1, -15);
    assert_int_equal(units_left(g, "a"), 0);
    g->ops->add(g, 1, 7);
    assert_int_equal(units_left(g, "a"), 2);
}

static void a_reset_sets_the_count(void **state)
{
    struct gate *g = *state;
    g->ops->reset(g, 2, 3);
    assert_int_equal(units_left(g, "b"), 3);
    g->ops->reset(g, 2, 0);
    assert_int_equal(units_left(g, "b"), 0);
}

static void a_lot_can_hold_the_most_units_that_there_may_be(void **state)
{
    struct gate *g = *state;
    g->ops->reset(g, 2, QUANTITY_MAX);
    assert_int_equal(ask_for(g, "b", QUANTITY_MAX, order(1)), GATE_PASS);
    assert_int_equal(units_left(g, "b"), 0);
}

static void a_call_may_bring_many_asks(void **state)
{
    enum { N = 64 };
    struct gate_line lines[N];
    struct gate_ask asks[N];
    size_t passed = 0, sold_out = 0;
    for (uint64_t i = 0; i < N; i++) {
        lines[i] = (struct gate_line){.lot = STR("a"), .quantity = 1};
        asks[i] =
            (struct gate_ask){.lines = &lines[i], .line_count = 1, .order_hash = order(100 + i)};
    }
    admit_many(*state, asks, N, NOW_MS);
    for (size_t i = 0; i < N; i++) {
        passed += asks[i].verdict == GATE_PASS;
        sold_out += asks[i].verdict == GATE_SOLD_OUT;
    }
    assert_int_equal(passed, 10);
    assert_int_equal(sold_out, N - 10);
}

static void every_one_of_many_lots_is_found(void **state)
{
    enum { LOTS = 20000 };
    static char keys[LOTS + 1][16];
    struct gate *g = *state;
    for (uint32_t i = 3; i <= LOTS; i++) {
        int len = snprintf(keys[i], sizeof keys[i], "lot%u", i);
        struct str key = {keys[i], (uint32_t)len};
        assert_int_equal(g->ops->lot_added(g, i, key, i), 0);
    }
    for (uint32_t i = 3; i <= LOTS; i++)
        assert_int_equal(units_left(g, keys[i]), i);
}

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 20000, RACES = 3000, RACERS = 2 };

struct crowd {
    struct gate *g;
    uint32_t threads;
    _Atomic uint32_t arrived;
    _Atomic uint64_t orders;
    _Atomic int64_t passed;
    _Atomic int64_t refused;
};

static void run_threads(struct crowd *c, void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < c->threads; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, c), 0);
    for (uint32_t i = 0; i < c->threads; i++)
        pthread_join(threads[i], NULL);
}

static void ask_and_count(struct crowd *c, const char *lot, uint64_t order_hash)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = 1};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_hash = order_hash};
    size_t answered = 0;
    c->g->ops->admit(c->g, &ask, 1, NOW_MS, count_answers, &answered);
    atomic_fetch_add(&c->passed, ask.verdict == GATE_PASS);
    atomic_fetch_add(&c->refused, ask.verdict == GATE_SOLD_OUT);
}

static void *buy(void *argument)
{
    struct crowd *c = argument;
    for (int i = 0; i < ROUNDS; i++)
        ask_and_count(c, "a", order(atomic_fetch_add(&c->orders, 1)));
    return NULL;
}

static void threads_together_never_take_more_than_there_is(void **state)
{
    struct crowd c = {.g = *state, .threads = THREADS};
    c.g->ops->reset(c.g, 1, ROUNDS);
    run_threads(&c, buy);
    assert_int_equal(c.passed, ROUNDS - units_left(c.g, "a"));
    /* Only orders that the filter takes for seen may be neither passed nor refused. */
    assert_true(c.passed + c.refused <= THREADS * ROUNDS);
    assert_true(c.passed + c.refused >= THREADS * ROUNDS * 9 / 10);
}

static void *buy_new(void *argument)
{
    struct crowd *c = argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct gate_line line = {.lot = STR("a"), .quantity = 1};
        struct gate_ask ask = {.lines = &line,
                               .line_count = 1,
                               .order_hash = order(atomic_fetch_add(&c->orders, 1)),
                               .order_new = true};
        size_t answered = 0;
        c->g->ops->admit(c->g, &ask, 1, NOW_MS, count_answers, &answered);
        atomic_fetch_add(&c->passed, ask.verdict == GATE_PASS);
    }
    atomic_fetch_add(&c->arrived, 1);
    return NULL;
}

/* The engine's thread gives every unit back as it is taken: none is lost and none appears. */
static void *settle(void *argument)
{
    struct crowd *c = argument;
    int64_t settled = 0;
    while (atomic_load(&c->arrived) < c->threads || settled < atomic_load(&c->passed)) {
        int64_t due = atomic_load(&c->passed) - settled;
        if (due > 0)
            c->g->ops->add(c->g, 1, due);
        else
            sched_yield();
        settled += due;
    }
    return NULL;
}

static void units_given_back_while_others_take_are_all_there_in_the_end(void **state)
{
    struct crowd c = {.g = *state, .threads = THREADS};
    pthread_t engine;
    assert_int_equal(pthread_create(&engine, NULL, settle, &c), 0);
    run_threads(&c, buy_new);
    pthread_join(engine, NULL);
    assert_true(c.passed > 0);
    assert_int_equal(units_left(c.g, "a"), 10);
}

/* All threads ask for the same order, for the last unit, at the same time; then the next. Whoever
 * loses has lost to its own order. */
static void *race(void *argument)
{
    struct crowd *c = argument;
    for (uint32_t round = 1; round <= RACES; round++) {
        ask_and_count(c, "b", order(round));
        uint32_t place = atomic_fetch_add(&c->arrived, 1) + 1;
        if (place == round * c->threads) {
            c->g->ops->reset(c->g, 2, 1);
            atomic_fetch_add(&c->orders, 1);
        }
        while (atomic_load(&c->orders) < round)
            sched_yield();
    }
    return NULL;
}

static void a_retry_racing_the_order_that_takes_the_last_unit_is_never_refused(void **state)
{
    struct crowd c = {.g = *state, .threads = RACERS};
    c.g->ops->reset(c.g, 2, 1);
    run_threads(&c, race);
    assert_int_equal(c.refused, 0);
    assert_true(c.passed <= RACES);
    assert_true(c.passed >= RACES * 9 / 10);
}

static void *add_lots(void *argument)
{
    static char keys[ROUNDS + 3][16];
    struct crowd *c = argument;
    for (uint32_t i = 3; i < ROUNDS; i++) {
        int len = snprintf(keys[i], sizeof keys[i], "grow%u", i);
        c->g->ops->lot_added(c->g, i, (struct str){keys[i], (uint32_t)len}, 1);
        atomic_store(&c->orders, i);
    }
    return NULL;
}

static void *find_newest_lot(void *argument)
{
    struct crowd *c = argument;
    uint64_t newest;
    do {
        newest = atomic_load(&c->orders);
        if (newest < 3)
            continue;
        char key[24];
        int len = snprintf(key, sizeof key, "grow%llu", (unsigned long long)newest);
        struct gate_line line = {.lot = {key, (uint32_t)len}, .quantity = 2};
        struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true};
        size_t answered = 0;
        c->g->ops->admit(c->g, &ask, 1, NOW_MS, count_answers, &answered);
        /* Two are asked of a lot of one: anything but SOLD_OUT means that it was not found. */
        atomic_fetch_add(&c->refused, ask.verdict != GATE_SOLD_OUT || line.lot_id != newest);
    } while (newest < ROUNDS - 1);
    return NULL;
}

static void lots_are_found_from_the_moment_they_were_added(void **state)
{
    struct crowd c = {.g = *state, .threads = 1};
    pthread_t engine;
    assert_int_equal(pthread_create(&engine, NULL, add_lots, &c), 0);
    run_threads(&c, find_newest_lot);
    pthread_join(engine, NULL);
    assert_int_equal(c.refused, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(units_are_taken_until_there_are_none),
        TEST(a_passed_ask_names_the_lots_number),
        TEST(a_refusal_says_which_line_and_how_many_there_are),
        TEST(a_refused_ask_takes_nothing),
        TEST(the_retry_of_the_order_that_took_the_last_unit_is_a_replay),
        TEST(a_replay_takes_nothing_even_if_there_are_units),
        TEST(an_order_told_by_the_engine_is_a_replay),
        TEST(an_order_that_went_blind_is_a_replay_the_next_time),
        TEST(a_refused_order_may_be_asked_again),
        TEST(while_orders_are_not_complete_only_new_ones_are_refused),
        TEST(an_order_made_by_the_server_passes_while_orders_are_not_complete),
        TEST(the_servers_own_order_id_is_known_when_it_is_sent_back),
        TEST(nothing_is_refused_from_the_next_deadline_on),
        TEST(a_lot_without_a_key_is_blind),
        TEST(several_lines_take_nothing),
        TEST(several_lines_are_refused_if_one_is_surely_short),
        TEST(several_lines_with_an_unknown_lot_are_blind),
        TEST(the_retry_of_an_order_of_several_lines_is_a_replay),
        TEST(units_given_back_can_be_taken_again),
        TEST(the_count_may_go_below_zero_and_come_back),
        TEST(a_reset_sets_the_count),
        TEST(a_lot_can_hold_the_most_units_that_there_may_be),
        TEST(a_call_may_bring_many_asks),
        TEST(every_one_of_many_lots_is_found),
        TEST(threads_together_never_take_more_than_there_is),
        TEST(units_given_back_while_others_take_are_all_there_in_the_end),
        TEST(a_retry_racing_the_order_that_takes_the_last_unit_is_never_refused),
        TEST(lots_are_found_from_the_moment_they_were_added),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        adapter = &adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
