#include "fixture.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/histogram.h"
#include "loadgen/random.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SHORTAGES 1
#else
#define SHORTAGES 0 /* the sanitizers stand in front of malloc themselves */
#endif

#if SHORTAGES
static bool memory_is_short;

extern void *__libc_calloc(size_t count, size_t size);

void *calloc(size_t count, size_t size)
{
    return memory_is_short ? NULL : __libc_calloc(count, size);
}
#endif

enum { VALUES = 1000000, STEPS_ALL = HISTOGRAM_OCTAVES * HISTOGRAM_STEPS };

#define LAST_NS ((UINT64_C(1) << 42) - 1) /* the greatest that has a step of its own */

typedef uint64_t draw_fn(struct random *r);

static uint64_t uniform(struct random *r)
{
    return 1 + random_next(r) % 50000000;
}

static uint64_t exponential(struct random *r)
{
    return 1 + (uint64_t)(-2e6 * log(1 - random_unit(r)));
}

static uint64_t heavy_tail(struct random *r)
{
    return (uint64_t)(1e3 / pow(1 - random_unit(r), 1 / 1.1));
}

static uint64_t constant(struct random *r)
{
    (void)r;
    return 1234567;
}

static uint64_t bimodal(struct random *r)
{
    double unit = random_unit(r);
    return random_next(r) % 100 < 97 ? 150000 + (uint64_t)(20000 * unit)
                                     : 40000000 + (uint64_t)(9e6 * unit);
}

static draw_fn *const data_sets[] = {uniform, exponential, heavy_tail, constant, bimodal};

enum { DATA_SETS = sizeof data_sets / sizeof data_sets[0] };

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t *draw(draw_fn *from, struct histogram *h)
{
    uint64_t *values = malloc(VALUES * sizeof *values);
    assert_non_null(values);
    struct random r;
    random_seed(&r, 1, 0);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = from(&r);
        histogram_record(h, values[i]);
    }
    return values;
}

/* The step's width is at most a 1,024th of the value. */
static void assert_near_above(uint64_t told, uint64_t exact)
{
    assert_true(told >= exact);
    assert_true(told - exact <= exact / 1024);
}

static void quantiles_are_those_of_the_sorted_values(void **state)
{
    (void)state;
    static const uint64_t parts[] = {/* of 100,000 */
                                     1,     10,    100,   1000,  10000, 25000, 50000, 75000,
                                     90000, 95000, 99000, 99900, 99990, 99999, 100000};
    for (size_t d = 0; d < DATA_SETS; d++) {
        struct histogram h;
        histogram_init(&h);
        uint64_t *values = draw(data_sets[d], &h);
        double sum = 0;
        qsort(values, VALUES, sizeof *values, compare);
        for (size_t i = 0; i < VALUES; i++)
            sum += (double)values[i];
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            uint64_t rank = (parts[i] * VALUES + 99999) / 100000;
            assert_near_above(histogram_quantile_ns(&h, (double)parts[i] / 100000),
                              values[rank - 1]);
        }
        assert_int_equal(histogram_quantile_ns(&h, 1), values[VALUES - 1]);
        assert_int_equal(h.max_ns, values[VALUES - 1]);
        assert_int_equal(h.min_ns, values[0]);
        assert_int_equal(h.count, VALUES);
        assert_true(fabs(histogram_mean_ns(&h) / (sum / VALUES) - 1) < 1e-12);
        free(values);
        histogram_close(&h);
    }
}

static void every_hundredth_and_thousandth_is_told_exactly(void **state)
{
    (void)state;
    for (uint64_t all = 10; all <= 1000; all *= 10) {
        struct histogram h;
        histogram_init(&h);
        for (uint64_t i = 1; i <= all; i++)
            histogram_record(&h, i);
        for (uint64_t i = 1; i <= all; i++) { /* 0.07 x 100 is 7.000000000000001 */
            double share = (double)i / (double)all;
            assert_int_equal(histogram_quantile_ns(&h, share), i);
            if (i < all)
                assert_int_equal(histogram_quantile_ns(&h, nextafter(share, 1)), i + 1);
        }
        histogram_close(&h);
    }
}

static void quantiles_never_fall(void **state)
{
    (void)state;
    for (size_t d = 0; d < DATA_SETS; d++) {
        struct histogram h;
        histogram_init(&h);
        free(draw(data_sets[d], &h));
        uint64_t last = 0;
        for (int i = 0; i <= 1000; i++) {
            uint64_t told = histogram_quantile_ns(&h, i / 1000.0);
            assert_true(told >= last);
            last = told;
        }
        assert_int_equal(last, h.max_ns);
        histogram_close(&h);
    }
}

static void every_step_begins_where_the_one_before_it_ends(void **state)
{
    (void)state;
    static uint64_t begins[STEPS_ALL + 1];
    struct histogram h;
    histogram_init(&h);
    for (size_t i = 0; i < STEPS_ALL; i++) {
        uint64_t width =
            begins[i] < 2048 ? 1 : UINT64_C(1) << (63 - __builtin_clzll(begins[i]) - 10);
        begins[i + 1] = begins[i] + width;
        histogram_record(&h, begins[i]);
        histogram_record(&h, begins[i + 1] - 1);
    }
    assert_int_equal(begins[STEPS_ALL], LAST_NS + 1);
    uint32_t cursor = 0;
    for (size_t i = 0; i < STEPS_ALL; i++) {
        uint64_t upper_ns, count;
        assert_true(histogram_next(&h, &cursor, &upper_ns, &count));
        assert_int_equal(upper_ns, begins[i + 1] - 1);
        assert_int_equal(count, 2);
    }
    uint64_t unused;
    assert_false(histogram_next(&h, &cursor, &unused, &unused));
    histogram_close(&h);
}

static void at_every_power_of_two_a_new_step_begins(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 42; bit++) {
        uint64_t value = UINT64_C(1) << bit, width = bit <= 10 ? 1 : value / 1024;
        struct histogram h;
        histogram_init(&h);
        histogram_record(&h, value - 1);
        histogram_record(&h, value);
        histogram_record(&h, value + width - 1);
        histogram_record(&h, value + width);
        assert_int_equal(histogram_quantile_ns(&h, 0.25), value - 1);
        assert_int_equal(histogram_quantile_ns(&h, 0.5), value + width - 1);
        assert_int_equal(histogram_quantile_ns(&h, 0.75), value + width - 1);
        assert_int_equal(histogram_quantile_ns(&h, 1), value + width);
        histogram_close(&h);
    }
}

static void what_is_longer_than_the_last_step_counts_in_it(void **state)
{
    (void)state;
    struct histogram h;
    uint32_t cursor = 0;
    uint64_t upper_ns = 0, count = 0;
    histogram_init(&h);
    histogram_record(&h, LAST_NS + 1);
    histogram_record(&h, UINT64_MAX - 1);
    histogram_record(&h, LAST_NS);
    assert_true(histogram_next(&h, &cursor, &upper_ns, &count));
    assert_int_equal(upper_ns, UINT64_MAX - 1);
    assert_int_equal(count, 3);
    assert_int_equal(histogram_quantile_ns(&h, 0.01), UINT64_MAX - 1);
    assert_int_equal(h.min_ns, LAST_NS);
    histogram_close(&h);
}

static void an_empty_histogram_has_nothing_to_tell(void **state)
{
    (void)state;
    struct histogram h;
    uint32_t cursor = 0;
    uint64_t upper_ns = 77, count = 77;
    histogram_init(&h);
    assert_int_equal(histogram_quantile_ns(&h, 0.5), 0);
    assert_true(histogram_mean_ns(&h) == 0);
    assert_false(histogram_next(&h, &cursor, &upper_ns, &count));
    assert_int_equal(count, 77);
    histogram_close(&h);
}

static void a_single_value_is_every_quantile(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    histogram_record(&h, 123456789);
    assert_int_equal(histogram_quantile_ns(&h, 0), 123456789);
    assert_int_equal(histogram_quantile_ns(&h, 0.5), 123456789);
    assert_int_equal(histogram_quantile_ns(&h, 1), 123456789);
    assert_int_equal(h.min_ns, 123456789);
    histogram_close(&h);
}

static void the_steps_hold_all_that_was_counted(void **state)
{
    (void)state;
    for (size_t d = 0; d < DATA_SETS; d++) {
        struct histogram h;
        histogram_init(&h);
        free(draw(data_sets[d], &h));
        uint32_t cursor = 0;
        uint64_t upper_ns = 0, count = 0, sum = 0, last_ns = 0;
        while (histogram_next(&h, &cursor, &upper_ns, &count)) {
            assert_true(count > 0);
            assert_true(sum == 0 || upper_ns > last_ns);
            last_ns = upper_ns;
            sum += count;
        }
        assert_int_equal(sum, h.count);
        assert_int_equal(last_ns, h.max_ns);
        histogram_close(&h);
    }
}

static void assert_same(const struct histogram *a, const struct histogram *b)
{
    uint32_t at_a = 0, at_b = 0;
    uint64_t upper_a = 0, upper_b = 0, count_a = 0, count_b = 0;
    while (histogram_next(a, &at_a, &upper_a, &count_a)) {
        assert_true(histogram_next(b, &at_b, &upper_b, &count_b));
        assert_int_equal(upper_a, upper_b);
        assert_int_equal(count_a, count_b);
    }
    assert_false(histogram_next(b, &at_b, &upper_b, &count_b));
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->min_ns, b->min_ns);
    assert_int_equal(a->max_ns, b->max_ns);
    assert_int_equal(a->lost, b->lost);
    assert_true(fabs(a->sum_ns - b->sum_ns) <= 1e-12 * b->sum_ns);
}

static void parts_added_up_are_the_whole(void **state)
{
    (void)state;
    struct histogram whole, sum, parts[DATA_SETS];
    histogram_init(&whole);
    histogram_init(&sum);
    for (size_t d = 0; d < DATA_SETS; d++) {
        histogram_init(&parts[d]);
        uint64_t *values = draw(data_sets[d], &parts[d]);
        for (size_t i = 0; i < VALUES; i++)
            histogram_record(&whole, values[i]);
        free(values);
    }
    for (size_t d = DATA_SETS; d-- > 0;) {
        histogram_add(&sum, &parts[d]);
        histogram_close(&parts[d]);
    }
    assert_same(&sum, &whole);
    histogram_close(&sum);
    histogram_close(&whole);
}

static void to_add_an_empty_histogram_changes_nothing(void **state)
{
    (void)state;
    struct histogram h, expected, empty;
    histogram_init(&h);
    histogram_init(&expected);
    histogram_init(&empty);
    histogram_record(&h, 5000);
    histogram_record(&expected, 5000);
    histogram_add(&h, &empty);
    assert_same(&h, &expected);
    histogram_record(&empty, 1);
    histogram_reset(&empty);
    histogram_add(&h, &empty);
    assert_same(&h, &expected);
    histogram_close(&h);
    histogram_close(&expected);
    histogram_close(&empty);
}

static void after_a_reset_it_is_as_new_and_keeps_its_memory(void **state)
{
    (void)state;
    struct histogram h, fresh;
    histogram_init(&h);
    histogram_init(&fresh);
    free(draw(heavy_tail, &h));
    struct histogram before = h;
    h.lost = 3;
    histogram_reset(&h);
    assert_same(&h, &fresh);
    assert_int_equal(histogram_quantile_ns(&h, 1), 0);
    assert_memory_equal(h.octaves, before.octaves, sizeof h.octaves);
    histogram_record(&h, 4000);
    histogram_record(&fresh, 4000);
    assert_same(&h, &fresh);
    histogram_close(&h);
    histogram_close(&fresh);
}

static void a_step_after_octaves_without_values_is_found(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 42; bit++) {
        struct histogram h;
        uint32_t cursor = 0;
        uint64_t upper_ns = 0, count = 0;
        histogram_init(&h);
        histogram_record(&h, UINT64_C(1) << bit);
        assert_true(histogram_next(&h, &cursor, &upper_ns, &count));
        assert_int_equal(upper_ns, UINT64_C(1) << bit);
        assert_false(histogram_next(&h, &cursor, &upper_ns, &count));
        histogram_close(&h);
    }
}

static void only_octaves_that_are_needed_take_memory(void **state)
{
    (void)state;
    struct histogram h;
    size_t octaves = 0;
    histogram_init(&h);
    for (uint64_t ns = 100000; ns < 400000; ns += 100) /* parts of three octaves */
        histogram_record(&h, ns);
    for (size_t i = 0; i < HISTOGRAM_OCTAVES; i++)
        octaves += h.octaves[i] != NULL;
    assert_int_equal(octaves, 3);
    histogram_close(&h);
    assert_null(h.octaves[8]);
}

#if SHORTAGES
static void what_finds_no_memory_is_counted_as_lost(void **state)
{
    (void)state;
    struct histogram h, expected, other;
    histogram_init(&h);
    histogram_init(&expected);
    histogram_init(&other);
    histogram_record(&h, 5000);
    histogram_record(&expected, 5000);
    histogram_record(&other, 5000);
    histogram_record(&other, 900000);
    memory_is_short = true;
    histogram_record(&h, 5001); /* its octave is there */
    histogram_record(&h, 70);
    histogram_add(&h, &other);
    memory_is_short = false;
    histogram_record(&expected, 5001);
    expected.lost = 3;
    assert_same(&h, &expected);
    histogram_record(&h, 70);
    assert_int_equal(h.min_ns, 70);
    histogram_add(&other, &h); /* losses are handed on */
    assert_int_equal(other.lost, 3);
    assert_int_equal(other.count, 5);
    histogram_close(&h);
    histogram_close(&expected);
    histogram_close(&other);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
        cmocka_unit_test(every_hundredth_and_thousandth_is_told_exactly),
        cmocka_unit_test(quantiles_never_fall),
        cmocka_unit_test(every_step_begins_where_the_one_before_it_ends),
        cmocka_unit_test(at_every_power_of_two_a_new_step_begins),
        cmocka_unit_test(what_is_longer_than_the_last_step_counts_in_it),
        cmocka_unit_test(an_empty_histogram_has_nothing_to_tell),
        cmocka_unit_test(a_single_value_is_every_quantile),
        cmocka_unit_test(the_steps_hold_all_that_was_counted),
        cmocka_unit_test(parts_added_up_are_the_whole),
        cmocka_unit_test(to_add_an_empty_histogram_changes_nothing),
        cmocka_unit_test(after_a_reset_it_is_as_new_and_keeps_its_memory),
        cmocka_unit_test(a_step_after_octaves_without_values_is_found),
        cmocka_unit_test(only_octaves_that_are_needed_take_memory),
#if SHORTAGES
        cmocka_unit_test(what_finds_no_memory_is_counted_as_lost),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
