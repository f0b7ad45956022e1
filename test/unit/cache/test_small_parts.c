/* The window of hot lots, the filter of lot keys, a lot as a line of text. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "cache/cached_lot.h"
#include "cache/heat.h"
#include "cache/known_lots.h"

static uint32_t count_many(struct heat *h, uint64_t hash, int64_t now_ms, uint32_t reads)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reads; i++)
        count = heat_count(h, hash, now_ms);
    return count;
}

static void reads_of_the_last_minute_count_and_no_older_ones(void **state)
{
    struct heat h;
    (void)state;
    assert_int_equal(heat_init(&h, 1), 0);
    assert_int_equal(count_many(&h, 7, 100000, 3000), 3000);
    assert_int_equal(count_many(&h, 7, 130000, 2000), 5000);
    assert_int_equal(heat_count(&h, 7, 159999), 5001);
    assert_int_equal(heat_count(&h, 7, 160000), 2002);
    assert_int_equal(heat_count(&h, 7, 190000), 3);
    assert_int_equal(heat_count(&h, 7, 900000), 1);
    heat_close(&h);
}

static void time_that_goes_back_loses_no_reads(void **state)
{
    struct heat h;
    (void)state;
    assert_int_equal(heat_init(&h, 1), 0);
    count_many(&h, 7, 100000, 10);
    assert_int_equal(heat_count(&h, 7, 90000), 11);
    heat_close(&h);
}

static void a_crowd_of_cold_lots_does_not_push_a_hot_one_out(void **state)
{
    struct heat h;
    (void)state;
    assert_int_equal(heat_init(&h, 1), 0);
    count_many(&h, 7, 100000, 100);
    for (uint64_t other = 100; other < 10000; other++)
        heat_count(&h, other, 100500);
    assert_int_equal(heat_count(&h, 7, 101000), 101);
    heat_close(&h);
}

static void known_lots_are_never_denied_and_unknown_ones_almost_always(void **state)
{
    enum { LOTS = 100000, OTHERS = 1000000 };
    struct known_lots *k = NULL;
    char key[64];
    int wrong = 0;
    (void)state;
    assert_int_equal(known_lots_create(&k, LOTS, 99, NULL), 0);
    for (int i = 0; i < LOTS; i++) {
        snprintf(key, sizeof key, "sku-%d#%08x", i, (unsigned)i * 2654435761u);
        known_lots_add(k, str_of(key));
    }
    for (int i = 0; i < LOTS; i++) {
        snprintf(key, sizeof key, "sku-%d#%08x", i, (unsigned)i * 2654435761u);
        assert_true(known_lots_maybe(k, str_of(key)));
    }
    for (int i = 0; i < OTHERS; i++) {
        snprintf(key, sizeof key, "other-%d#%08x", i, (unsigned)i);
        wrong += known_lots_maybe(k, str_of(key));
    }
    print_message("          %d of %d unknown keys were not denied\n", wrong, OTHERS);
    assert_true(wrong <= OTHERS / 10000);
    known_lots_destroy(k);
}

static void known_lots_reach_only_further(void **state)
{
    struct known_lots *k = NULL;
    (void)state;
    assert_int_equal(known_lots_create(&k, 10, 99, NULL), 0);
    assert_int_equal(known_lots_upto(k), 0);
    known_lots_reached(k, 7);
    known_lots_reached(k, 5);
    assert_int_equal(known_lots_upto(k), 7);
    known_lots_destroy(k);
}

static struct cached_lot full_lot(void)
{
    static char longest[DIMENSION_MAX], key[LOT_KEY_MAX];
    struct cached_lot lot;
    memset(longest, 'x', sizeof longest);
    memset(key, 'k', sizeof key);
    key[SKU_MAX] = '#';
    const struct lot_dims dims = {.key = {key, sizeof key},
                                  .expires_on = INT32_MIN,
                                  .flavor = {longest, sizeof longest},
                                  .size = {longest, sizeof longest},
                                  .batch = {longest, sizeof longest}};
    const struct lot_terms terms = {.expires_on = INT32_MIN,
                                    .expected_on = INT32_MIN,
                                    .per_user_limit = INT64_MIN / 100,
                                    .backorder_limit = INT64_MIN / 100,
                                    .backorder_most = INT64_MAX / 100,
                                    .withdrawn = true};
    const struct stock stock = {.on_hand = INT64_MAX / 100,
                                .reserved = INT64_MAX / 100,
                                .confirmed = INT64_MAX / 100,
                                .version = INT64_MAX / 100};
    memset(&lot, 0, sizeof lot);
    cached_lot_make(&lot, UINT32_MAX, &dims, &terms, &stock);
    return lot;
}

static void a_lot_of_the_greatest_size_is_the_same_after_its_line(void **state)
{
    struct cached_lot lot = full_lot(), again;
    char line[CACHED_LINE_MAX];
    (void)state;
    memset(&again, 0, sizeof again);
    size_t size = cached_lot_format(&lot, line);
    assert_true(cached_lot_parse((struct str){line, (uint32_t)size}, &again));
    assert_memory_equal(&again.stock, &lot.stock, sizeof lot.stock);
    assert_int_equal(again.terms.backorder_most, lot.terms.backorder_most);
    assert_int_equal(again.terms.withdrawn, true);
    assert_int_equal(again.id, UINT32_MAX);
    assert_int_equal(cached_lot_size(&again), cached_lot_size(&lot));
    assert_memory_equal(again.text, lot.text, sizeof lot.text);
}

static void a_line_that_is_not_whole_is_no_lot(void **state)
{
    static const char *const lines[] = {
        "",
        "1",
        "2|5|0|0|1|0|0|0|0|0|0|0|1|cola#00000000|a|b|c",   /* another form */
        "1|5|0|0|0|0|0|0|0|0|0|0|1|cola#00000000|a|b|c",   /* version 0 */
        "1|-5|0|0|1|0|0|0|0|0|0|0|1|cola#00000000|a|b|c",  /* units below 0 */
        "1|5|0|0|1|0|0|0|0|0|2|0|1|cola#00000000|a|b|c",   /* withdrawn is no switch */
        "1|5|0|0|1x|0|0|0|0|0|0|0|1|cola#00000000|a|b|c",  /* no number */
        "1|5|0|0|1|0|0|0|0|0|0|0|1||a|b|c",                /* no key */
        "1|5|0|0|1|0|0|0|0|0|0|0|1|cola#00000000|a|b|c|d", /* more than there should be */
        "1|99999999999999999999|0|0|1|0|0|0|0|0|0|0|1|k|a|b|c",
    };
    struct cached_lot lot;
    (void)state;
    assert_true(cached_lot_parse(STR("1|5|0|0|1|0|0|0|0|0|0|0|1|cola#00000000|a|b|c"), &lot));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_false(cached_lot_parse(str_of(lines[i]), &lot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_of_the_last_minute_count_and_no_older_ones),
        cmocka_unit_test(time_that_goes_back_loses_no_reads),
        cmocka_unit_test(a_crowd_of_cold_lots_does_not_push_a_hot_one_out),
        cmocka_unit_test(known_lots_are_never_denied_and_unknown_ones_almost_always),
        cmocka_unit_test(known_lots_reach_only_further),
        cmocka_unit_test(a_lot_of_the_greatest_size_is_the_same_after_its_line),
        cmocka_unit_test(a_line_that_is_not_whole_is_no_lot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
