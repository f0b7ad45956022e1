#include "fixture.h"

#include "redis/breaker.h"

static struct breaker fresh(void)
{
    const struct breaker_limits limits = {.bad_max = 3, .open_ms = 100, .open_max_ms = 400};
    struct breaker b;
    breaker_init(&b, &limits);
    return b;
}

static void bad(struct breaker *b, int times, uint64_t now_ms)
{
    while (times-- > 0)
        breaker_bad(b, now_ms, 0);
}

static void it_opens_after_so_many_bad_ones(void **state)
{
    struct breaker b = fresh();
    (void)state;
    bad(&b, 2, 1000);
    assert_true(breaker_allows(&b, 1000));
    bad(&b, 1, 1000);
    assert_false(breaker_allows(&b, 1000));
    assert_false(breaker_allows(&b, 1099));
}

static void good_ones_make_up_for_a_few_bad_ones(void **state)
{
    struct breaker b = fresh();
    (void)state;
    for (int i = 0; i < 100; i++) {
        breaker_bad(&b, 1, 0);
        breaker_good(&b);
        breaker_good(&b);
    }
    assert_true(breaker_allows(&b, 1));
}

static void when_its_time_is_over_one_probe_goes_and_the_others_wait(void **state)
{
    struct breaker b = fresh();
    (void)state;
    bad(&b, 3, 1000);
    assert_true(breaker_allows(&b, 1100));
    assert_false(breaker_allows(&b, 1100));
    breaker_good(&b);
    assert_true(breaker_allows(&b, 1100));
    assert_true(breaker_allows(&b, 1100));
}

static void a_bad_probe_opens_it_for_twice_as_long_up_to_the_bound(void **state)
{
    struct breaker b = fresh();
    uint64_t now_ms = 1000, open_ms[] = {200, 400, 400};
    (void)state;
    bad(&b, 3, now_ms);
    now_ms += 100;
    for (int i = 0; i < 3; i++) {
        assert_true(breaker_allows(&b, now_ms));
        bad(&b, 1, now_ms);
        assert_false(breaker_allows(&b, now_ms + open_ms[i] - 1));
        now_ms += open_ms[i];
    }
}

static void a_good_probe_makes_its_pause_short_again(void **state)
{
    struct breaker b = fresh();
    (void)state;
    bad(&b, 3, 0);
    assert_true(breaker_allows(&b, 100));
    bad(&b, 1, 100);
    assert_true(breaker_allows(&b, 300));
    breaker_good(&b);
    bad(&b, 3, 300);
    assert_true(breaker_allows(&b, 400));
}

static void a_probe_that_is_lost_is_replaced(void **state)
{
    struct breaker b = fresh();
    (void)state;
    bad(&b, 3, 0);
    assert_true(breaker_allows(&b, 100));
    assert_false(breaker_allows(&b, 499));
    assert_true(breaker_allows(&b, 500));
}

static void an_answer_from_before_it_opened_does_not_close_it(void **state)
{
    struct breaker b = fresh();
    (void)state;
    breaker_trip(&b, 0, 0);
    breaker_good(&b);
    assert_false(breaker_allows(&b, 50));
}

static void jitter_is_at_most_a_quarter(void **state)
{
    struct breaker b = fresh();
    (void)state;
    breaker_trip(&b, 0, 25);
    assert_false(breaker_allows(&b, 124));
    assert_true(breaker_allows(&b, 125));
    b = fresh();
    breaker_trip(&b, 0, 26);
    assert_true(breaker_allows(&b, 100));
}

static void a_new_connection_lets_the_probe_go_at_once(void **state)
{
    struct breaker b = fresh();
    (void)state;
    breaker_trip(&b, 0, 0);
    breaker_try(&b);
    assert_true(breaker_allows(&b, 1));
    assert_false(breaker_allows(&b, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_so_many_bad_ones),
        cmocka_unit_test(good_ones_make_up_for_a_few_bad_ones),
        cmocka_unit_test(when_its_time_is_over_one_probe_goes_and_the_others_wait),
        cmocka_unit_test(a_bad_probe_opens_it_for_twice_as_long_up_to_the_bound),
        cmocka_unit_test(a_good_probe_makes_its_pause_short_again),
        cmocka_unit_test(a_probe_that_is_lost_is_replaced),
        cmocka_unit_test(an_answer_from_before_it_opened_does_not_close_it),
        cmocka_unit_test(jitter_is_at_most_a_quarter),
        cmocka_unit_test(a_new_connection_lets_the_probe_go_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
