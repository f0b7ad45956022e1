/* The inconsistency meter: what it takes for old, what it follows, what it says. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "cache/meter.h"

static struct meter *open_meter(void)
{
    struct meter *m = NULL;
    assert_int_equal(meter_create(&m, NULL), 0);
    return m;
}

static struct cached_lot lot_at(int64_t version, int64_t on_hand)
{
    const struct lot_dims dims = {.key = STR("cola#00000000")};
    const struct lot_terms terms = lot_terms_plain(&dims);
    const struct stock stock = {.version = version, .on_hand = on_hand};
    struct cached_lot lot;
    cached_lot_make(&lot, 1, &dims, &terms, &stock);
    return lot;
}

static bool compare(struct meter *m, const struct cached_lot *truth, const struct cached_lot *copy,
                    int64_t now_ms, int64_t *lasted_ms)
{
    return meter_compare(m, STR("cola#00000000"), METER_LOCAL, truth, copy, now_ms, now_ms,
                         lasted_ms);
}

static struct meter_stats figures(struct meter *m)
{
    struct meter_stats stats;
    meter_figures(m, &stats);
    return stats;
}

static void a_stale_copy_is_found_and_followed_until_it_agrees(void **state)
{
    struct meter *m = open_meter();
    struct cached_lot now = lot_at(8, 20), old = lot_at(7, 24);
    int64_t lasted_ms = 0;
    (void)state;
    meter_note(m, STR("cola#00000000"));
    assert_false(compare(m, &now, &old, 1000, &lasted_ms));
    assert_int_equal(figures(m).lots, 1);
    assert_int_equal(figures(m).found_total, 1);
    assert_false(str_empty(meter_next(m, 1000000, 1020))); /* at once, again and again */
    assert_false(compare(m, &now, &old, 1020, &lasted_ms));
    assert_int_equal(figures(m).oldest_ms, 20);
    assert_int_equal(figures(m).found_total, 1);
    assert_true(compare(m, &now, &now, 1040, &lasted_ms));
    assert_int_equal(lasted_ms, 40);
    assert_int_equal(figures(m).lots, 0);
    assert_int_equal(figures(m).oldest_ms, 0);
    assert_int_equal(figures(m).lasted_longest_ms, 40);
    assert_int_equal(figures(m).samples_total, 3);
    meter_destroy(m);
}

static void a_copy_that_is_gone_is_inconsistent_no_more(void **state)
{
    struct meter *m = open_meter();
    struct cached_lot now = lot_at(8, 20), old = lot_at(7, 24);
    int64_t lasted_ms = 0;
    (void)state;
    compare(m, &now, &old, 1000, &lasted_ms);
    assert_true(compare(m, &now, NULL, 1100, &lasted_ms));
    assert_int_equal(lasted_ms, 100);
    meter_destroy(m);
}

static void a_copy_as_new_or_newer_is_right(void **state)
{
    struct meter *m = open_meter();
    struct cached_lot now = lot_at(8, 20), newer = lot_at(9, 19);
    int64_t lasted_ms;
    (void)state;
    assert_false(compare(m, &now, &now, 1000, &lasted_ms));
    assert_false(compare(m, &now, &newer, 1000, &lasted_ms));
    assert_false(compare(m, NULL, &newer, 1000, &lasted_ms));
    assert_int_equal(figures(m).found_total, 0);
    meter_destroy(m);
}

static void the_same_version_with_other_contents_is_not_right(void **state)
{
    struct meter *m = open_meter();
    struct cached_lot now = lot_at(8, 20), other = lot_at(8, 21);
    int64_t lasted_ms;
    (void)state;
    compare(m, &now, &other, 1000, &lasted_ms);
    assert_int_equal(figures(m).found_total, 1);
    meter_destroy(m);
}

static void a_copy_that_says_there_is_no_such_lot_is_old_once_there_is_one(void **state)
{
    struct meter *m = open_meter();
    struct cached_lot now = lot_at(1, 20);
    int64_t lasted_ms;
    (void)state;
    compare(m, NULL, &meter_absent, 1000, &lasted_ms);
    assert_int_equal(figures(m).found_total, 0);
    compare(m, &now, &meter_absent, 1000, &lasted_ms);
    assert_int_equal(figures(m).found_total, 1);
    meter_destroy(m);
}

static void lots_that_were_read_are_sampled_in_turn_at_the_interval(void **state)
{
    struct meter *m = open_meter();
    (void)state;
    assert_true(str_empty(meter_next(m, 1000, 1000000)));
    meter_note(m, STR("a"));
    meter_note(m, STR("a"));
    meter_note(m, STR("b"));
    char seen[3] = "";
    for (int i = 0; i < 2; i++) {
        struct str key = meter_next(m, 1000, 1000000 + 1000 * i);
        assert_int_equal(key.len, 1);
        seen[i] = key.p[0];
        assert_true(str_empty(meter_next(m, 1000, 1000999 + 1000 * i)));
    }
    assert_true(strcmp(seen, "ab") == 0 || strcmp(seen, "ba") == 0);
    meter_destroy(m);
}

static void more_than_it_can_follow_is_counted_all_the_same(void **state)
{
    struct meter *m = open_meter();
    struct cached_lot now = lot_at(8, 20), old = lot_at(7, 24);
    int64_t lasted_ms;
    char key[32];
    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "sku-%d#00000000", i);
        meter_compare(m, str_of(key), METER_REDIS, &now, &old, 1000, 1000, &lasted_ms);
    }
    assert_int_equal(figures(m).found_total, 200);
    assert_int_equal(figures(m).lots, 64);
    meter_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_copy_is_found_and_followed_until_it_agrees),
        cmocka_unit_test(a_copy_that_is_gone_is_inconsistent_no_more),
        cmocka_unit_test(a_copy_as_new_or_newer_is_right),
        cmocka_unit_test(the_same_version_with_other_contents_is_not_right),
        cmocka_unit_test(a_copy_that_says_there_is_no_such_lot_is_old_once_there_is_one),
        cmocka_unit_test(lots_that_were_read_are_sampled_in_turn_at_the_interval),
        cmocka_unit_test(more_than_it_can_follow_is_counted_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
