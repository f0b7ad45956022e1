#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_statistics.h"
#include "loadgen/random.h"

enum { DRAWS = 1000000 };

static void numbers_are_those_of_splitmix64(void **state)
{
    (void)state;
    /* The values that implementations of it are checked with, for the state 1234567. */
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
    struct random r = {.state = 1234567};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_true(random_next(&r) == expected[i]);
}

static void a_number_at_a_place_needs_none_before_it(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random r = {.state = seed};
        r.state = random_next(&r);
        for (uint64_t n = 0; n < 100; n++)
            assert_true(random_at(seed, n) == random_next(&r));
    }
}

static void the_same_seed_and_stream_give_the_same_numbers(void **state)
{
    (void)state;
    struct random a, b;
    random_seed(&a, 7, 3);
    random_seed(&b, 7, 3);
    for (int i = 0; i < 1000; i++)
        assert_true(random_next(&a) == random_next(&b));
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void no_two_streams_or_seeds_share_a_number(void **state)
{
    (void)state;
    enum { EACH = 10000, STREAMS = 8, SEEDS = 4, ALL = EACH * STREAMS * SEEDS * 2 };
    uint64_t *all = malloc(ALL * sizeof *all);
    size_t count = 0;
    assert_non_null(all);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (uint64_t stream = 0; stream < STREAMS; stream++) {
            struct random r;
            random_seed(&r, seed, stream);
            for (uint64_t i = 0; i < EACH; i++) {
                all[count++] = random_next(&r);
                all[count++] = random_at(seed, stream * EACH + i);
            }
        }
    }
    qsort(all, count, sizeof *all, compare);
    for (size_t i = 1; i < count; i++)
        assert_true(all[i] != all[i - 1]);
    free(all);
}

static void streams_do_not_go_together(void **state)
{
    (void)state;
    for (uint64_t other = 1; other < 20; other++) {
        struct random a, b;
        double product = 0;
        random_seed(&a, 1, 0);
        random_seed(&b, 1, other);
        for (int i = 0; i < 100000; i++)
            product += (random_unit(&a) - 0.5) * (random_unit(&b) - 0.5);
        /* The standard deviation of a sum of n such products is sqrt(n) / 12. */
        assert_true(fabs(product) < 5 * sqrt(100000) / 12);
    }
}

static void units_are_uniform_and_below_one(void **state)
{
    (void)state;
    double *units = malloc(DRAWS * sizeof *units);
    struct random r;
    assert_non_null(units);
    random_seed(&r, 1, 0);
    for (size_t i = 0; i < DRAWS; i++)
        units[i] = random_unit(&r);
    assert_true(ks_statistic(units, DRAWS, unit_distribution, NULL) < KS_LIMIT);
    assert_true(units[0] >= 0 && units[DRAWS - 1] < 1);
    free(units);
}

static void a_bit_of_the_seed_or_the_place_changes_half_of_the_bits(void **state)
{
    (void)state;
    uint64_t changed[2] = {0};
    for (uint64_t n = 0; n < 1000; n++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t other = UINT64_C(1) << bit, here = random_at(5, n);
            changed[0] += (uint64_t)__builtin_popcountll(here ^ random_at(5, n ^ other));
            changed[1] += (uint64_t)__builtin_popcountll(here ^ random_at(5 ^ other, n));
        }
    }
    for (size_t i = 0; i < 2; i++) /* 64,000 times 32, deviation 4 x sqrt(64,000) = 1,012 */
        assert_in_range(changed[i], 2048000 - 5 * 1012, 2048000 + 5 * 1012);
}

static void one_lot_is_always_the_first(void **state)
{
    (void)state;
    struct choice c;
    assert_int_equal(choice_init(&c, CHOICE_ONE, 50, 0, NULL), 0);
    for (uint64_t n = 0; n < 1000; n++)
        assert_int_equal(choice_pick(&c, random_at(1, n)), 0);
    assert_int_equal(choice_pick(&c, UINT64_MAX), 0);
    choice_close(&c);
}

/* The deviation of DRAWS choices from shares that fall with the exponent. */
static double deviation(enum choice_kind kind, uint32_t count, double exponent)
{
    struct choice c;
    double exact = kind == CHOICE_ZIPF ? exponent : 0;
    assert_int_equal(choice_init(&c, kind, count, exponent, NULL), 0);
    uint64_t *counts = calloc(count, sizeof *counts);
    double *expected = calloc(count, sizeof *expected);
    assert_non_null(counts);
    assert_non_null(expected);
    for (uint64_t n = 0; n < DRAWS; n++) {
        uint32_t lot = choice_pick(&c, random_at(1, n));
        assert_true(lot < count);
        counts[lot]++;
    }
    double sum = 0;
    for (uint32_t i = count; i > 0; i--) /* the small ones first, for precision */
        sum += pow(i, -exact);
    for (uint32_t i = 0; i < count; i++)
        expected[i] = DRAWS * pow(i + 1.0, -exact) / sum;
    double result = chi_square_deviation(counts, expected, count);
    free(counts);
    free(expected);
    choice_close(&c);
    return result;
}

static void uniform_lots_are_chosen_alike(void **state)
{
    (void)state;
    static const uint32_t counts[] = {2, 3, 7, 1000, 65537, 1000000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        assert_true(fabs(deviation(CHOICE_UNIFORM, counts[i], 0)) < CHI_LIMIT);
}

static void zipf_lots_are_chosen_by_their_shares(void **state)
{
    (void)state;
    static const uint32_t counts[] = {2, 3, 10, 1000, 1000000};
    static const double exponents[] = {0, 0.5, 0.99, 1.2, 2};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (size_t k = 0; k < sizeof exponents / sizeof exponents[0]; k++)
            assert_true(fabs(deviation(CHOICE_ZIPF, counts[i], exponents[k])) < CHI_LIMIT);
    }
}

static void the_least_and_the_greatest_draw_choose_the_first_and_the_last_lot(void **state)
{
    (void)state;
    static const enum choice_kind kinds[] = {CHOICE_UNIFORM, CHOICE_ZIPF};
    static const uint32_t counts[] = {1, 2, 3, 4, 1000, CHOICE_MAX};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            struct choice c;
            assert_int_equal(choice_init(&c, kinds[k], counts[i], 0.99, NULL), 0);
            assert_int_equal(choice_pick(&c, 0), 0);
            assert_int_equal(choice_pick(&c, UINT64_MAX), counts[i] - 1);
            choice_close(&c);
        }
    }
}

static void half_of_the_draws_choose_the_first_of_two_equal_lots(void **state)
{
    (void)state;
    static const enum choice_kind kinds[] = {CHOICE_UNIFORM, CHOICE_ZIPF};
    for (size_t k = 0; k < 2; k++) {
        struct choice c;
        assert_int_equal(choice_init(&c, kinds[k], 2, 0, NULL), 0);
        assert_int_equal(choice_pick(&c, (UINT64_C(1) << 63) - 1), 0);
        assert_int_equal(choice_pick(&c, UINT64_C(1) << 63), 1);
        choice_close(&c);
    }
}

static void a_choice_out_of_range_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        double exponent;
        const char *field;
    } wrong[] = {
        {0, 0.99, "lots"},          {CHOICE_MAX + 1, 0.99, "lots"}, {10, -0.1, "zipf-exponent"},
        {10, NAN, "zipf-exponent"}, {10, 10.1, "zipf-exponent"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct choice c;
        struct error e = {0};
        assert_int_equal(choice_init(&c, CHOICE_ZIPF, wrong[i].count, wrong[i].exponent, &e),
                         TLY_EINVALID_ARGUMENT);
        assert_string_equal(e.field, wrong[i].field);
        assert_non_null(strstr(e.text, "must be"));
        choice_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_splitmix64),
        cmocka_unit_test(a_number_at_a_place_needs_none_before_it),
        cmocka_unit_test(the_same_seed_and_stream_give_the_same_numbers),
        cmocka_unit_test(no_two_streams_or_seeds_share_a_number),
        cmocka_unit_test(streams_do_not_go_together),
        cmocka_unit_test(units_are_uniform_and_below_one),
        cmocka_unit_test(a_bit_of_the_seed_or_the_place_changes_half_of_the_bits),
        cmocka_unit_test(one_lot_is_always_the_first),
        cmocka_unit_test(uniform_lots_are_chosen_alike),
        cmocka_unit_test(zipf_lots_are_chosen_by_their_shares),
        cmocka_unit_test(the_least_and_the_greatest_draw_choose_the_first_and_the_last_lot),
        cmocka_unit_test(half_of_the_draws_choose_the_first_of_two_equal_lots),
        cmocka_unit_test(a_choice_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
