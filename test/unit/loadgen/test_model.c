#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/model.h"

#define S   UINT64_C(1000000000) /* in ns */
#define MS  UINT64_C(1000000)
#define DAY (86400 * S)

static struct model_options options_of(enum model m)
{
    return (struct model_options){
        .model = m,
        .rate = 1000,
        .duration_ns = 100 * S,
        .from = 100,
        .to = 12800,
        .step = 100,
        .every_ns = 30 * S,
        .period_ns = 5 * S,
        .connections = 200,
        .burst = 10,
    };
}

static struct plan plan_of(const struct model_options *o)
{
    struct plan p;
    struct error e = {0};
    int rc = plan_init(&p, o, &e);
    if (rc)
        print_error("%s: %s\n", e.field, e.text);
    assert_int_equal(rc, 0);
    return p;
}

static void assert_near(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-9 * fabs(expected));
}

static void assert_stage(const struct stage *s, const char *name, uint64_t begin_ns,
                         uint64_t duration_ns, double rate_begin, double rate_end)
{
    assert_string_equal(s->name, name);
    assert_int_equal(s->begin_ns, begin_ns);
    assert_int_equal(s->duration_ns, duration_ns);
    assert_near(s->rate_begin, rate_begin);
    assert_near(s->rate_end, rate_end);
}

static void every_model_is_found_by_its_name_and_has_texts(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        enum model m = MODEL_COUNT;
        assert_true(model_parse(model_name((enum model)i), &m));
        assert_int_equal(m, i);
        assert_true(strlen(model_help(m)) > 10);
        const char *text = model_text(m);
        assert_true(strlen(text) > 10);
        while (*text) { /* lines of at most 80 columns, each ended */
            const char *end = strchr(text, '\n');
            assert_non_null(end);
            assert_in_range(end - text, 1, 80);
            text = end + 1;
        }
    }
}

static void an_unknown_model_is_not_found(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "stead", "steadyy", "Steady", "flash_sale"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        enum model m = MODEL_HEARTBEAT;
        assert_false(model_parse(wrong[i], &m));
        assert_int_equal(m, MODEL_HEARTBEAT);
    }
}

static void stages_follow_one_another_and_fill_the_duration(void **state)
{
    (void)state;
    static const uint64_t durations[] = {MS, 7 * MS + 13, 100 * S, DAY + 1, 30 * DAY};
    for (int m = 0; m < MODEL_COUNT; m++) {
        for (size_t d = 0; d < sizeof durations / sizeof durations[0]; d++) {
            struct model_options o = options_of((enum model)m);
            o.duration_ns = durations[d];
            struct plan p = plan_of(&o);
            uint64_t passed = 0;
            for (size_t i = 0; i < p.stage_count; i++) {
                const struct stage *s = &p.stages[i];
                assert_true(s->name[0] != 0);
                assert_int_equal(s->begin_ns, passed);
                assert_true(s->duration_ns > 0);
                assert_true(s->rate_begin >= 0 && s->rate_end >= 0);
                assert_true(s->look_share >= 0 && s->look_share <= 1);
                assert_true(s->burst >= 1);
                passed += s->duration_ns;
            }
            assert_int_equal(p.duration_ns, passed);
            assert_int_equal(passed, m == MODEL_STAIRCASE ? 128 * 30 * S : durations[d]);
            plan_close(&p);
        }
    }
}

static void steady_is_one_stage_of_one_rate(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_STEADY);
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, 1);
    assert_stage(&p.stages[0], "steady", 0, 100 * S, 1000, 1000);
    assert_true(p.stages[0].look_share == 0);
    assert_int_equal(p.stages[0].burst, 1);
    assert_false(p.sessions);
    assert_false(p.phased);
    plan_close(&p);
}

static void the_classic_staircase_has_128_steps(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_STAIRCASE);
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, 128);
    for (size_t i = 0; i < 128; i++) {
        char name[STAGE_NAME_SIZE];
        snprintf(name, sizeof name, "%zu/s", 100 * (i + 1));
        double rate = 100 * (double)(i + 1);
        assert_stage(&p.stages[i], name, i * 30 * S, 30 * S, rate, rate);
    }
    plan_close(&p);
}

static void assert_staircase(double from, double to, double step, size_t count,
                             const char *const *names)
{
    struct model_options o = options_of(MODEL_STAIRCASE);
    o.from = from;
    o.to = to;
    o.step = step;
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(p.stages[i].name, names[i]);
        assert_near(p.stages[i].rate_begin, strtod(names[i], NULL));
        assert_int_equal(p.stages[i].duration_ns, 30 * S);
    }
    assert_true(p.stages[count - 1].rate_end == to);
    plan_close(&p);
}

static void the_last_step_of_a_staircase_may_be_smaller(void **state)
{
    (void)state;
    static const char *const smaller[] = {"100/s", "400/s", "700/s", "1000/s", "1050/s"};
    static const char *const straight[] = {"100/s", "1000000/s"};
    assert_staircase(100, 1050, 300, 5, smaller);
    assert_staircase(100, 1000000, 5000000, 2, straight);
}

static void fractions_of_a_call_make_no_step_too_many(void **state)
{
    (void)state;
    static const char *const tenths[] = {"0.1/s", "0.2/s", "0.3/s", "0.4/s",
                                         "0.5/s", "0.6/s", "0.7/s"};
    assert_staircase(0.1, 0.7, 0.1, 7, tenths); /* 0.6 / 0.1 is below 6 */
    assert_staircase(0.1, 0.4, 0.1, 4, tenths); /* 0.3 / 0.1 is above 3 */
}

static void a_staircase_without_a_rise_is_one_step(void **state)
{
    (void)state;
    static const char *const one[] = {"500/s"};
    assert_staircase(500, 500, 100, 1, one);
}

static void a_flash_sale_goes_through_its_five_stages(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_FLASH_SALE);
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, 5);
    assert_stage(&p.stages[0], "quiet", 0, 15 * S, 20, 20);
    assert_stage(&p.stages[1], "countdown", 15 * S, 20 * S, 50, 400);
    assert_stage(&p.stages[2], "opening", 35 * S, 15 * S, 1000, 1000);
    assert_stage(&p.stages[3], "sell-out", 50 * S, 20 * S, 1000, 500);
    assert_stage(&p.stages[4], "tail", 70 * S, 30 * S, 500, 50);
    static const double looks[] = {1, 1, 0.1, 0.2, 0.5};
    for (size_t i = 0; i < 5; i++)
        assert_near(p.stages[i].look_share, looks[i]);
    plan_close(&p);
}

static void the_text_of_a_flash_sale_tells_what_the_plan_does(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_FLASH_SALE);
    struct plan p = plan_of(&o);
    for (size_t i = 0; i < p.stage_count; i++) {
        const struct stage *s = &p.stages[i];
        char line[128];
        snprintf(line, sizeof line,
                 "  %s: %.0f %% of the time, from %.0f %% to %.0f %% of the rate, "
                 "%.0f %% look-ups\n",
                 s->name, 100.0 * (double)s->duration_ns / (double)p.duration_ns,
                 s->rate_begin / 10, s->rate_end / 10, 100 * s->look_share);
        assert_non_null(strstr(model_text(MODEL_FLASH_SALE), line));
    }
    plan_close(&p);
}

static void a_day_has_a_night_a_bump_at_lunch_and_a_peak_in_the_evening(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_DIURNAL);
    o.duration_ns = DAY;
    struct plan p = plan_of(&o);
    double least = 1e9;
    assert_int_equal(p.stage_count, 24);
    for (size_t i = 0; i < 24; i++) {
        const struct stage *s = &p.stages[i], *next = &p.stages[(i + 1) % 24];
        char name[STAGE_NAME_SIZE], told[40];
        snprintf(name, sizeof name, "%02zu:00", i);
        assert_stage(s, name, i * 3600 * S, 3600 * S, s->rate_begin, next->rate_begin);
        assert_true(s->rate_begin <= 1000);
        least = fmin(least, s->rate_begin);
        snprintf(told, sizeof told, " %s %.0f %%", name, s->rate_begin / 10);
        assert_non_null(strstr(model_text(MODEL_DIURNAL), told));
    }
    assert_near(least, 80);
    assert_near(p.stages[3].rate_begin, 80);
    assert_near(p.stages[20].rate_begin, 1000);
    assert_true(p.stages[12].rate_begin > p.stages[10].rate_begin);
    assert_true(p.stages[12].rate_begin > p.stages[15].rate_begin);
    plan_close(&p);
}

static void a_heartbeats_rate_is_connections_by_period(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_HEARTBEAT);
    o.rate = 0; /* not used */
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, 1);
    assert_stage(&p.stages[0], "heartbeat", 0, 100 * S, 40, 40);
    assert_near(p.stages[0].look_share, 0.9);
    assert_true(p.phased);
    assert_int_equal(p.connections, 200);
    plan_close(&p);
}

static void signalling_is_bursts_of_sessions(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_SIGNALLING);
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, 1);
    assert_stage(&p.stages[0], "signalling", 0, 100 * S, 1000, 1000);
    assert_int_equal(p.stages[0].burst, 10);
    assert_true(p.stages[0].look_share == 0);
    assert_true(p.sessions);
    plan_close(&p);
}

static void a_group_buy_opens_when_its_countdown_is_over(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_GROUP_BUY);
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, 4);
    assert_stage(&p.stages[0], "countdown", 0, 25 * S, 50, 400);
    assert_stage(&p.stages[1], "opening", 25 * S, 20 * S, 1000, 1000);
    assert_stage(&p.stages[2], "filling", 45 * S, 30 * S, 600, 200);
    assert_stage(&p.stages[3], "closing", 75 * S, 25 * S, 50, 50);
    assert_near(p.stages[0].look_share, 0.9);
    assert_near(p.stages[3].look_share, 1);
    assert_true(p.teams);
    assert_int_equal(p.opens_ns, 25 * S);
    plan_close(&p);
    o = options_of(MODEL_FLASH_SALE);
    p = plan_of(&o);
    assert_false(p.teams);
    plan_close(&p);
}

static void a_time_belongs_to_the_stage_that_begins_there(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_FLASH_SALE);
    struct plan p = plan_of(&o);
    assert_int_equal(plan_stage_at(&p, 0), 0);
    for (size_t i = 0; i < p.stage_count; i++) {
        const struct stage *s = &p.stages[i];
        assert_int_equal(plan_stage_at(&p, s->begin_ns), i);
        assert_int_equal(plan_stage_at(&p, s->begin_ns + s->duration_ns - 1), i);
        assert_int_equal(plan_stage_at(&p, s->begin_ns + s->duration_ns), i + 1);
    }
    assert_int_equal(plan_stage_at(&p, UINT64_MAX), 5);
    plan_close(&p);
    assert_int_equal(plan_stage_at(&p, 0), 0);
}

static void assert_refused(const struct model_options *o, const char *field, const char *part)
{
    struct plan p;
    struct error e = {0};
    assert_int_equal(plan_init(&p, o, &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, field);
    if (!strstr(e.text, part))
        fail_msg("'%s' does not say '%s'", e.text, part);
    assert_null(p.stages);
    assert_int_equal(p.stage_count, 0);
    plan_close(&p);
}

static void a_rate_or_a_duration_out_of_range_is_refused(void **state)
{
    (void)state;
    static const enum model models[] = {MODEL_STEADY, MODEL_FLASH_SALE, MODEL_SIGNALLING,
                                        MODEL_DIURNAL, MODEL_GROUP_BUY};
    static const double rates[] = {0, -1, NAN, INFINITY, RATE_MAX * 1.01};
    static const uint64_t durations[] = {0, MS - 1, 30 * DAY + 1, UINT64_MAX};
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
            struct model_options o = options_of(models[m]);
            o.rate = rates[i];
            assert_refused(&o, "rate", "must be more than 0 and at most 100000000");
        }
        for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
            struct model_options o = options_of(models[m]);
            o.duration_ns = durations[i];
            assert_refused(&o, "duration", "must be at least 0.001 s and at most 30 days");
        }
    }
}

static void a_staircase_that_cannot_be_climbed_is_refused(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_STAIRCASE);
    o.from = 0;
    assert_refused(&o, "from", "must be more than 0");
    o = options_of(MODEL_STAIRCASE);
    o.to = NAN;
    assert_refused(&o, "to", "must be more than 0");
    o.to = 99;
    assert_refused(&o, "to", "99 calls a second: must be at least where it starts from, 100");
    o = options_of(MODEL_STAIRCASE);
    o.step = 0;
    assert_refused(&o, "step", "must be more than 0");
    o.step = 1;
    assert_refused(&o, "step", "more than 4096 stages: must be at least 3.10");
    o.step = 1e-300;
    assert_refused(&o, "step", "more than 4096 stages");
    o = options_of(MODEL_STAIRCASE);
    o.every_ns = 0;
    assert_refused(&o, "every", "must be at least 0.001 s");
    o.every_ns = DAY;
    assert_refused(&o, "every",
                   "128 stages of 86400 s are more than 30 days: must be at most 20250 s");
}

static void as_many_stages_as_there_may_be_are_planned(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_STAIRCASE);
    o.from = 1;
    o.to = STAGES_MAX;
    o.step = 1;
    struct plan p = plan_of(&o);
    assert_int_equal(p.stage_count, STAGES_MAX);
    plan_close(&p);
    o.to = STAGES_MAX + 0.5;
    assert_refused(&o, "step", "must be at least 1.00");
}

static void heartbeats_out_of_range_are_refused(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_HEARTBEAT);
    o.period_ns = 0;
    assert_refused(&o, "period", "must be at least 0.001 s");
    o = options_of(MODEL_HEARTBEAT);
    o.duration_ns = 0;
    assert_refused(&o, "duration", "must be at least 0.001 s");
    o = options_of(MODEL_HEARTBEAT);
    o.connections = 0;
    assert_refused(&o, "connections", "must be at least 1");
    o.connections = 200000;
    o.period_ns = MS;
    assert_refused(&o, "period", "must be at least 0.002 s");
}

static void bursts_out_of_range_are_refused(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_SIGNALLING);
    o.burst = 0;
    assert_refused(&o, "burst", "must be 1 to 100000");
    o.burst = BURST_MAX + 1;
    assert_refused(&o, "burst", "must be 1 to 100000");
}

static void a_model_that_there_is_not_is_refused(void **state)
{
    (void)state;
    struct model_options o = options_of(MODEL_COUNT);
    assert_refused(&o, "model", "no such model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_is_found_by_its_name_and_has_texts),
        cmocka_unit_test(an_unknown_model_is_not_found),
        cmocka_unit_test(stages_follow_one_another_and_fill_the_duration),
        cmocka_unit_test(steady_is_one_stage_of_one_rate),
        cmocka_unit_test(the_classic_staircase_has_128_steps),
        cmocka_unit_test(the_last_step_of_a_staircase_may_be_smaller),
        cmocka_unit_test(fractions_of_a_call_make_no_step_too_many),
        cmocka_unit_test(a_staircase_without_a_rise_is_one_step),
        cmocka_unit_test(a_flash_sale_goes_through_its_five_stages),
        cmocka_unit_test(the_text_of_a_flash_sale_tells_what_the_plan_does),
        cmocka_unit_test(a_day_has_a_night_a_bump_at_lunch_and_a_peak_in_the_evening),
        cmocka_unit_test(a_heartbeats_rate_is_connections_by_period),
        cmocka_unit_test(signalling_is_bursts_of_sessions),
        cmocka_unit_test(a_group_buy_opens_when_its_countdown_is_over),
        cmocka_unit_test(a_time_belongs_to_the_stage_that_begins_there),
        cmocka_unit_test(a_rate_or_a_duration_out_of_range_is_refused),
        cmocka_unit_test(a_staircase_that_cannot_be_climbed_is_refused),
        cmocka_unit_test(as_many_stages_as_there_may_be_are_planned),
        cmocka_unit_test(heartbeats_out_of_range_are_refused),
        cmocka_unit_test(bursts_out_of_range_are_refused),
        cmocka_unit_test(a_model_that_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
