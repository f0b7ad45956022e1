#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_statistics.h"
#include "loadgen/model.h"

#define S  UINT64_C(1000000000) /* in ns */
#define MS UINT64_C(1000000)

/* What a schedule gives, to its end. */
struct due {
    uint64_t *ns;
    size_t *stages;
    size_t count;
};

static struct due due_of(const struct plan *p, enum arrivals arrivals, uint64_t seed,
                         uint32_t thread, uint32_t threads)
{
    struct due d = {0};
    struct schedule s;
    size_t room = 0, stage = 0;
    schedule_init(&s, p, arrivals, seed, thread, threads);
    for (;;) {
        uint64_t ns = schedule_next(&s, &stage);
        if (ns == UINT64_MAX)
            break;
        if (d.count == room) {
            room = room ? 2 * room : 1024;
            d.ns = realloc(d.ns, room * sizeof *d.ns);
            d.stages = realloc(d.stages, room * sizeof *d.stages);
            assert_non_null(d.ns);
            assert_non_null(d.stages);
        }
        d.ns[d.count] = ns;
        d.stages[d.count++] = stage;
    }
    assert_int_equal(stage, p->stage_count);
    assert_true(schedule_next(&s, &stage) == UINT64_MAX); /* and so it stays */
    return d;
}

static void due_free(struct due *d)
{
    free(d->ns);
    free(d->stages);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* All threads' together, in order. `stages` is left out. */
static struct due due_of_all(const struct plan *p, enum arrivals arrivals, uint64_t seed,
                             uint32_t threads)
{
    struct due all = {0};
    for (uint32_t t = 0; t < threads; t++) {
        struct due d = due_of(p, arrivals, seed, t, threads);
        all.ns = realloc(all.ns, (all.count + d.count + 1) * sizeof *all.ns);
        assert_non_null(all.ns);
        for (size_t i = 0; i < d.count; i++)
            all.ns[all.count + i] = d.ns[i];
        all.count += d.count;
        due_free(&d);
    }
    qsort(all.ns, all.count, sizeof *all.ns, compare);
    return all;
}

/* A plan of straight lines: duration in ms, rates at both ends. */
struct line {
    uint64_t ms;
    double begin, end;
};

enum { LINES_MAX = STAGES_MAX };

static struct stage stage_room[LINES_MAX];

static struct plan plan_of_lines(const struct line *lines, size_t count)
{
    struct plan p = {.stages = stage_room};
    assert_true(count <= LINES_MAX);
    for (size_t i = 0; i < count; i++) {
        stage_room[i] = (struct stage){.begin_ns = p.duration_ns,
                                       .duration_ns = lines[i].ms * MS,
                                       .rate_begin = lines[i].begin,
                                       .rate_end = lines[i].end,
                                       .burst = 1};
        p.duration_ns += stage_room[i].duration_ns;
    }
    p.stage_count = count;
    return p;
}

static struct plan plan_of_model(enum model m)
{
    struct model_options o = {
        .model = m,
        .rate = 1000,
        .duration_ns = 100 * S + 7,
        .from = 100,
        .to = 1250,
        .step = 200,
        .every_ns = 10 * S,
        .period_ns = 700 * MS,
        .connections = 500,
        .burst = 7,
    };
    struct plan p;
    assert_int_equal(plan_init(&p, &o, NULL), 0);
    return p;
}

static double integral(const struct stage *s)
{
    return (s->rate_begin + s->rate_end) / 2 * (double)s->duration_ns / 1e9;
}

/* Every model's stages, alone and by three threads: `slack` says how far a stage's count may be
 * from the integral of its rate. */
static void assert_counts(enum arrivals arrivals, double (*slack)(const struct stage *, uint32_t))
{
    for (int m = 0; m < MODEL_COUNT; m++) {
        struct plan p = plan_of_model((enum model)m);
        for (uint32_t threads = 1; threads <= 3; threads += 2) {
            double *counts = calloc(p.stage_count, sizeof *counts);
            assert_non_null(counts);
            for (uint32_t t = 0; t < threads; t++) {
                struct due d = due_of(&p, arrivals, 1, t, threads);
                for (size_t i = 0; i < d.count; i++)
                    counts[d.stages[i]]++;
                due_free(&d);
            }
            for (size_t i = 0; i < p.stage_count; i++)
                assert_true(fabs(counts[i] - integral(&p.stages[i])) <=
                            slack(&p.stages[i], threads));
            free(counts);
        }
        plan_close(&p);
    }
}

static double a_group(const struct stage *s, uint32_t threads)
{
    (void)threads;
    return s->burst;
}

static double five_deviations(const struct stage *s, uint32_t threads)
{
    (void)threads;
    return 5 * sqrt(integral(s) * s->burst);
}

static void uniform_arrivals_in_a_stage_are_its_integral(void **state)
{
    (void)state;
    assert_counts(ARRIVALS_UNIFORM, a_group);
}

static void poisson_arrivals_in_a_stage_are_its_integral_within_chance(void **state)
{
    (void)state;
    assert_counts(ARRIVALS_POISSON, five_deviations);
}

static void arrivals_are_in_order_and_in_their_stage(void **state)
{
    (void)state;
    for (int m = 0; m < MODEL_COUNT; m++) {
        struct plan p = plan_of_model((enum model)m);
        for (int arrivals = ARRIVALS_POISSON; arrivals <= ARRIVALS_UNIFORM; arrivals++) {
            struct due d = due_of(&p, (enum arrivals)arrivals, 1, 1, 2);
            assert_true(d.count > 100);
            for (size_t i = 0; i < d.count; i++) {
                assert_true(i == 0 || d.ns[i] >= d.ns[i - 1]);
                assert_int_equal(d.stages[i], plan_stage_at(&p, d.ns[i]));
            }
            due_free(&d);
        }
        plan_close(&p);
    }
}

static void uniform_arrivals_are_a_gap_apart_and_threads_take_turns(void **state)
{
    (void)state;
    static const struct line line[] = {{10000, 1000, 1000}};
    struct plan p = plan_of_lines(line, 1);
    for (uint32_t threads = 1; threads <= 8; threads++) {
        struct due all = due_of_all(&p, ARRIVALS_UNIFORM, 1, threads);
        assert_int_equal(all.count, 10000);
        for (size_t i = 0; i < all.count; i++)
            assert_in_range(all.ns[i] + 1, i * MS, i * MS + 2); /* within a ns */
        due_free(&all);
    }
}

/* The gaps between due times, in ns. */
static double *gaps_of(const struct due *d)
{
    double *gaps = malloc(d->count * sizeof *gaps);
    assert_non_null(gaps);
    for (size_t i = 0; i < d->count; i++)
        gaps[i] = (double)(d->ns[i] - (i > 0 ? d->ns[i - 1] : 0));
    return gaps;
}

static void assert_poisson(const struct due *d, double rate)
{
    double mean_ns = 1e9 / rate, *gaps = gaps_of(d);
    assert_true(ks_statistic(gaps, d->count, exponential_distribution, &mean_ns) < KS_LIMIT);
    free(gaps);
}

static void poisson_gaps_are_exponential(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 2000, 2000}};
    struct plan p = plan_of_lines(line, 1);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct due d = due_of(&p, ARRIVALS_POISSON, seed, 0, 1);
        assert_poisson(&d, 2000);
        due_free(&d);
    }
}

static void the_first_poisson_arrival_is_a_gap_after_the_start(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 1000, 1000}};
    struct plan p = plan_of_lines(line, 1);
    double firsts[2000], mean_ns = 4e6;
    for (uint32_t t = 0; t < 4; t++) {
        for (uint64_t seed = 0; seed < 2000; seed++) {
            struct schedule s;
            size_t stage;
            schedule_init(&s, &p, ARRIVALS_POISSON, seed, t, 4);
            firsts[seed] = (double)schedule_next(&s, &stage);
        }
        assert_true(ks_statistic(firsts, 2000, exponential_distribution, &mean_ns) < KS_LIMIT);
    }
}

static void poisson_gaps_follow_one_another_by_chance(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 2000, 2000}};
    struct plan p = plan_of_lines(line, 1);
    struct due d = due_of(&p, ARRIVALS_POISSON, 1, 0, 1);
    double *gaps = gaps_of(&d), product = 0, mean_ns = 1e9 / 2000;
    for (size_t i = 1; i < d.count; i++)
        product += (gaps[i] / mean_ns - 1) * (gaps[i - 1] / mean_ns - 1);
    assert_true(fabs(product) < 5 * sqrt((double)d.count));
    free(gaps);
    due_free(&d);
}

static void the_threads_poisson_arrivals_add_up_to_the_plans(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 2000, 2000}};
    struct plan p = plan_of_lines(line, 1);
    struct due all = due_of_all(&p, ARRIVALS_POISSON, 1, 4);
    assert_true(fabs((double)all.count - 200000) < 5 * sqrt(200000));
    assert_poisson(&all, 2000);
    /* The counts of 10 ms vary as much as their mean. */
    double windows[10000] = {0}, square = 0, mean = (double)all.count / 10000;
    for (size_t i = 0; i < all.count; i++)
        windows[all.ns[i] / (10 * MS)]++;
    for (size_t i = 0; i < 10000; i++)
        square += (windows[i] - mean) * (windows[i] - mean);
    assert_true(fabs(square / 10000 / mean - 1) < 5 * sqrt(2.0 / 10000));
    due_free(&all);
}

static void a_threads_poisson_arrivals_have_its_share_of_the_rate(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 2000, 2000}};
    struct plan p = plan_of_lines(line, 1);
    for (uint32_t t = 0; t < 4; t++) {
        struct due d = due_of(&p, ARRIVALS_POISSON, 1, t, 4);
        assert_poisson(&d, 500);
        due_free(&d);
    }
}

/* Of a stage's arrivals, the share until `ns`. */
static double ramp_distribution(double ns, const void *owner)
{
    const struct stage *s = owner;
    double x = ns / (double)s->duration_ns;
    return (s->rate_begin * x + (s->rate_end - s->rate_begin) * x * x / 2) /
           ((s->rate_begin + s->rate_end) / 2);
}

static const struct line ramps[] = {{20000, 0, 5000},
                                    {20000, 5000, 0},
                                    {20000, 1000, 5000},
                                    {20000, 5000, 1000},
                                    {20000, 2500, 2501}};

enum { RAMPS = sizeof ramps / sizeof ramps[0] };

/* Sorted, since the start of the stage. */
static double *times_of_stage(const struct plan *p, const struct due *d, size_t stage,
                              size_t *count)
{
    double *times = malloc((d->count + 1) * sizeof *times);
    assert_non_null(times);
    *count = 0;
    for (size_t i = 0; i < d->count; i++)
        if (d->stages[i] == stage)
            times[(*count)++] = (double)(d->ns[i] - p->stages[stage].begin_ns);
    return times;
}

static void poisson_arrivals_follow_a_ramp(void **state)
{
    (void)state;
    struct plan p = plan_of_lines(ramps, RAMPS);
    struct due d = due_of(&p, ARRIVALS_POISSON, 1, 0, 1);
    for (size_t i = 0; i < RAMPS; i++) {
        size_t count;
        double *times = times_of_stage(&p, &d, i, &count);
        assert_true(count > 10000);
        assert_true(ks_statistic(times, count, ramp_distribution, &p.stages[i]) < KS_LIMIT);
        free(times);
    }
    due_free(&d);
}

static void uniform_arrivals_follow_a_ramp_to_the_nanosecond(void **state)
{
    (void)state;
    for (size_t i = 0; i < RAMPS; i++) {
        struct plan p = plan_of_lines(&ramps[i], 1);
        double all = integral(&p.stages[0]);
        struct due d = due_of(&p, ARRIVALS_UNIFORM, 1, 0, 1);
        assert_int_equal(d.count, (size_t)all);
        for (size_t k = 0; k < d.count; k++) {
            double ns = (double)d.ns[k], expected = (double)k;
            assert_true(ramp_distribution(ns, &p.stages[0]) * all <= expected + 1e-6);
            assert_true(ramp_distribution(ns + 1, &p.stages[0]) * all >= expected - 1e-6);
        }
        due_free(&d);
    }
}

static void a_rate_of_zero_is_silent(void **state)
{
    (void)state;
    static const struct line lines[] = {{1000, 0, 0}, {1000, 100, 100}, {1000, 0, 0},
                                        {1000, 0, 0}, {1000, 100, 100}, {1000, 0, 0}};
    struct plan p = plan_of_lines(lines, 6);
    for (int arrivals = ARRIVALS_POISSON; arrivals <= ARRIVALS_UNIFORM; arrivals++) {
        struct due d = due_of(&p, (enum arrivals)arrivals, 1, 0, 1);
        size_t counts[6] = {0};
        for (size_t i = 0; i < d.count; i++)
            counts[d.stages[i]]++;
        assert_int_equal(counts[0] + counts[2] + counts[3] + counts[5], 0);
        assert_in_range(counts[1], 50, 150);
        assert_in_range(counts[4], 50, 150);
        due_free(&d);
    }
}

static void a_plan_of_silence_has_no_arrivals(void **state)
{
    (void)state;
    static const struct line lines[] = {{1000, 0, 0}, {1000, 0, 0}};
    for (size_t count = 0; count <= 2; count++) {
        struct plan p = plan_of_lines(lines, count);
        struct due d = due_of(&p, ARRIVALS_UNIFORM, 1, 0, 1);
        assert_int_equal(d.count, 0);
        due_free(&d);
        d = due_of(&p, ARRIVALS_POISSON, 1, 0, 1);
        assert_int_equal(d.count, 0);
        due_free(&d);
    }
}

static void a_gap_longer_than_a_stage_goes_on_in_the_next(void **state)
{
    (void)state;
    static struct line lines[4000];
    for (size_t i = 0; i < 4000; i++) /* a tenth of an arrival in each */
        lines[i] = (struct line){1, 100, 100};
    struct plan p = plan_of_lines(lines, 4000);
    struct due d = due_of(&p, ARRIVALS_UNIFORM, 1, 0, 1);
    assert_int_equal(d.count, 400);
    for (size_t i = 0; i < d.count; i++)
        assert_in_range(d.ns[i] + 1, i * 10 * MS, i * 10 * MS + 2);
    due_free(&d);
    d = due_of_all(&p, ARRIVALS_POISSON, 1, 1);
    assert_poisson(&d, 100);
    due_free(&d);
}

static void a_burst_comes_at_one_instant(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 5000, 5000}};
    enum { BURST = 5 };
    for (int arrivals = ARRIVALS_POISSON; arrivals <= ARRIVALS_UNIFORM; arrivals++) {
        struct plan p = plan_of_lines(line, 1);
        p.stages[0].burst = BURST;
        struct due d = due_of(&p, (enum arrivals)arrivals, 1, 0, 1);
        assert_int_equal(d.count % BURST, 0);
        struct due groups = {.ns = d.ns, .count = d.count / BURST};
        for (size_t i = 0; i < groups.count; i++) {
            for (size_t k = 1; k < BURST; k++)
                assert_int_equal(d.ns[i * BURST + k], d.ns[i * BURST]);
            groups.ns[i] = d.ns[i * BURST];
        }
        if (arrivals == ARRIVALS_POISSON) {
            assert_poisson(&groups, 1000);
        } else {
            assert_int_equal(groups.count, 100000);
            for (size_t i = 0; i < groups.count; i++)
                assert_in_range(groups.ns[i] + 1, i * MS, i * MS + 2);
        }
        due_free(&d);
    }
}

static void the_same_seed_gives_the_same_times(void **state)
{
    (void)state;
    struct plan p = plan_of_model(MODEL_DIURNAL);
    struct due a = due_of(&p, ARRIVALS_POISSON, 42, 1, 3);
    struct due b = due_of(&p, ARRIVALS_POISSON, 42, 1, 3);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.ns, b.ns, a.count * sizeof *a.ns);
    assert_memory_equal(a.stages, b.stages, a.count * sizeof *a.stages);
    due_free(&a);
    due_free(&b);
    plan_close(&p);
}

/* How many times of one are also in the other. */
static size_t common(const struct due *a, const struct due *b)
{
    size_t found = 0;
    for (size_t i = 0, k = 0; i < a->count && k < b->count;) {
        found += a->ns[i] == b->ns[k];
        if (a->ns[i] < b->ns[k])
            i++;
        else
            k++;
    }
    return found;
}

static void other_seeds_and_threads_give_other_times(void **state)
{
    (void)state;
    static const struct line line[] = {{100000, 1000, 1000}};
    struct plan p = plan_of_lines(line, 1);
    struct due a = due_of(&p, ARRIVALS_POISSON, 1, 0, 4);
    struct due seed = due_of(&p, ARRIVALS_POISSON, 2, 0, 4);
    struct due thread = due_of(&p, ARRIVALS_POISSON, 1, 1, 4);
    assert_int_equal(common(&a, &a), a.count);
    assert_true(common(&a, &seed) < 5);
    assert_true(common(&a, &thread) < 5);
    due_free(&a);
    due_free(&seed);
    due_free(&thread);
}

static void connections_are_shared_out_with_none_left(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads < 20; threads++) {
        uint32_t sum = 0;
        for (uint32_t t = 0; t < threads; t++) {
            uint32_t share = thread_share(103, t, threads);
            assert_in_range(share, 103 / threads, 103 / threads + 1);
            sum += share;
        }
        assert_int_equal(sum, 103);
    }
}

static void a_heartbeat_comes_once_a_period_on_every_connection(void **state)
{
    (void)state;
    struct model_options o = {
        .model = MODEL_HEARTBEAT, .duration_ns = 30 * S, .period_ns = 300 * MS, .connections = 10};
    struct plan p;
    assert_int_equal(plan_init(&p, &o, NULL), 0);
    for (uint32_t threads = 1; threads <= 11; threads++) {
        for (uint32_t t = 0; t < threads; t++) {
            struct due d = due_of(&p, ARRIVALS_POISSON, 1, t, threads); /* uniform all the same */
            uint32_t own = thread_share(10, t, threads);
            assert_int_equal(d.count, own * 100);
            for (size_t i = own; i < d.count; i++) {
                uint64_t apart_ns = d.ns[i] - d.ns[i - own];
                assert_in_range(apart_ns, 300 * MS - 1, 300 * MS + 1);
            }
            due_free(&d);
        }
    }
    plan_close(&p);
}

static void a_month_is_as_exact_as_a_minute(void **state)
{
    (void)state;
    static const struct line line[] = {{UINT64_C(30) * 86400 * 1000, 0.5, 0}};
    struct plan p = plan_of_lines(line, 1);
    struct due d = due_of(&p, ARRIVALS_UNIFORM, 1, 0, 1);
    assert_int_equal(d.count, 648000);
    for (size_t i = 0; i < d.count; i++) {
        double expected = (double)i, ns = (double)d.ns[i];
        assert_true(i == 0 || d.ns[i] > d.ns[i - 1]);
        assert_true(fabs(ramp_distribution(ns, &p.stages[0]) * 648000 - expected) < 1e-6);
    }
    due_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_arrivals_in_a_stage_are_its_integral),
        cmocka_unit_test(poisson_arrivals_in_a_stage_are_its_integral_within_chance),
        cmocka_unit_test(arrivals_are_in_order_and_in_their_stage),
        cmocka_unit_test(uniform_arrivals_are_a_gap_apart_and_threads_take_turns),
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(the_first_poisson_arrival_is_a_gap_after_the_start),
        cmocka_unit_test(poisson_gaps_follow_one_another_by_chance),
        cmocka_unit_test(the_threads_poisson_arrivals_add_up_to_the_plans),
        cmocka_unit_test(a_threads_poisson_arrivals_have_its_share_of_the_rate),
        cmocka_unit_test(poisson_arrivals_follow_a_ramp),
        cmocka_unit_test(uniform_arrivals_follow_a_ramp_to_the_nanosecond),
        cmocka_unit_test(a_rate_of_zero_is_silent),
        cmocka_unit_test(a_plan_of_silence_has_no_arrivals),
        cmocka_unit_test(a_gap_longer_than_a_stage_goes_on_in_the_next),
        cmocka_unit_test(a_burst_comes_at_one_instant),
        cmocka_unit_test(the_same_seed_gives_the_same_times),
        cmocka_unit_test(other_seeds_and_threads_give_other_times),
        cmocka_unit_test(connections_are_shared_out_with_none_left),
        cmocka_unit_test(a_heartbeat_comes_once_a_period_on_every_connection),
        cmocka_unit_test(a_month_is_as_exact_as_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
