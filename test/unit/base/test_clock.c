#include "fixture.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"

#define S   INT64_C(1000000000) /* in ns */
#define DAY (86400 * S)
#define MS  INT64_C(1000000)

static void ledger_time_starts_at_the_wall_clock(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 5 * S, 100 * S);
    assert_int_equal(ledger_clock_follow_ms(&c, 5 * S, 100 * S), 100000);
    assert_int_equal(ledger_clock_follow_ms(&c, 6 * S, 101 * S), 101000);
}

static void ledger_time_never_starts_before_the_newest_move(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 200000, false, 5 * S, 100 * S);
    assert_int_equal(ledger_clock_follow_ms(&c, 5 * S, 100 * S), 200000);
}

static void a_step_forward_is_followed_by_one_percent(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 0, 1000 * S);
    int64_t before = ledger_clock_follow_ms(&c, 1 * S, 1001 * S);
    assert_int_equal(ledger_clock_follow_ms(&c, 101 * S, (1101 + 3600) * S) - before, 101000);
}

static void a_step_back_is_followed_by_one_percent_and_never_goes_back(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 0, 10000 * S);
    int64_t before = ledger_clock_follow_ms(&c, 0, (10000 - 3600) * S);
    assert_int_equal(before, 10000000);
    assert_int_equal(ledger_clock_follow_ms(&c, 100 * S, (10100 - 3600) * S) - before, 99000);
}

static void a_step_is_made_up_for_in_the_end(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 0, 1000 * S);
    int64_t boot = 0;
    for (int i = 0; i < 300; i++) {
        boot += S;
        ledger_clock_follow_ms(&c, boot, 1000 * S + boot + 2 * S);
    }
    assert_int_equal(ledger_clock_follow_ms(&c, boot, 1000 * S + boot + 2 * S),
                     (1000 * S + boot + 2 * S) / MS);
}

static void readings_close_together_are_corrected_too(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 0, 1000 * S);
    int64_t last = 0, boot = 0;
    for (int i = 0; i < 1000000; i++) {
        boot += 20000; /* 20 microseconds */
        int64_t now = ledger_clock_follow_ms(&c, boot, 1000 * S + boot + 3600 * S);
        assert_true(now >= last);
        last = now;
    }
    assert_int_equal(last, 1000000 + 20200); /* 20 s and 1 % */
}

static void a_wall_clock_far_ahead_of_the_newest_move_is_doubted(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 1000 * 1000, false, 5 * S, 1000 * S + DAY);
    assert_false(c.doubted);
    ledger_clock_start(&c, 1000 * 1000, false, 5 * S, 1000 * S + 8 * DAY);
    assert_true(c.doubted);
    assert_int_equal(c.gap_ns, 8 * DAY);
    assert_int_equal(ledger_clock_follow_ms(&c, 5 * S, 1000 * S + 8 * DAY), 1000 * 1000);
    assert_int_equal(ledger_clock_follow_ms(&c, 105 * S, 1100 * S + 8 * DAY), 1100 * 1000);
    assert_true(c.doubted);
}

static void a_wall_clock_far_behind_the_newest_move_is_doubted(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 9 * DAY / MS, false, 5 * S, DAY);
    assert_true(c.doubted);
    assert_int_equal(ledger_clock_follow_ms(&c, 105 * S, DAY + 100 * S), 9 * DAY / MS + 100000);
}

static void a_wall_clock_that_is_set_right_is_followed_again(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 1000 * 1000, false, 0, 1000 * S + 8 * DAY);
    ledger_clock_follow_ms(&c, 100 * S, 1100 * S + 8 * DAY);
    assert_int_equal(ledger_clock_follow_ms(&c, 200 * S, 1300 * S), 1201 * 1000);
    assert_false(c.doubted);
}

static void a_wall_clock_that_steps_far_while_it_runs_is_doubted(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 0, 1000 * S);
    assert_int_equal(ledger_clock_follow_ms(&c, 100 * S, 1100 * S + 2 * DAY), 1100 * 1000);
    assert_true(c.doubted);
}

static void a_trusted_wall_clock_is_taken_either_way(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 1000 * 1000, true, 0, 1000 * S + 8 * DAY);
    assert_int_equal(c.now_ns, 1000 * S + 8 * DAY);
    assert_false(c.doubted);
    ledger_clock_start(&c, 9 * DAY / MS, true, 0, DAY);
    assert_int_equal(c.now_ns, DAY);
    assert_false(c.doubted);
    ledger_clock_start(&c, 9 * DAY / MS, true, 0, 9 * DAY - S);
    assert_int_equal(c.now_ns, 9 * DAY);
}

static void a_ledger_without_moves_doubts_nothing(void **state)
{
    (void)state;
    struct ledger_clock c = {.gap_max_ns = DAY};
    ledger_clock_start(&c, 0, false, 0, 300 * DAY);
    assert_int_equal(c.now_ns, 300 * DAY);
    assert_false(c.doubted);
}

static void the_systems_clocks_are_read(void **state)
{
    (void)state;
    struct ledger_clock c;
    uint64_t before = clock_monotonic_ns();
    ledger_clock_init(&c, 0, 86400000, false);
    int64_t now = ledger_clock_read_ms(&c);
    assert_in_range(now / 1000, time(NULL) - 2, time(NULL) + 2);
    assert_true(clock_monotonic_ns() >= before);
}

static void assert_format(int64_t ms, const char *expected)
{
    char text[RFC3339_SIZE];
    int64_t back = 0;
    assert_int_equal(rfc3339_format(ms, text), 24);
    assert_string_equal(text, expected);
    assert_int_equal(rfc3339_parse(text, 24, &back), 0);
    assert_int_equal(back, ms);
}

static void times_are_written_and_read_back(void **state)
{
    (void)state;
    assert_format(0, "1970-01-01T00:00:00.000Z");
    assert_format(951782400001, "2000-02-29T00:00:00.001Z");
    assert_format(1795341600000, "2026-11-22T10:00:00.000Z");
    assert_format(4107542399999, "2100-02-28T23:59:59.999Z");
    assert_format(4107542400000, "2100-03-01T00:00:00.000Z");
    assert_format(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void every_day_of_four_centuries_is_written_as_the_c_library_does(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 146097; day++) {
        char text[RFC3339_SIZE], expected[40];
        time_t seconds = (time_t)(day * 86400 + 3661);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        rfc3339_format(seconds * 1000, text);
        assert_string_equal(text, expected);
    }
}

static void times_out_of_range_are_clamped(void **state)
{
    (void)state;
    char text[RFC3339_SIZE];
    rfc3339_format(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    rfc3339_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static int64_t parse(const char *text)
{
    int64_t ms = -1;
    assert_int_equal(rfc3339_parse(text, strlen(text), &ms), 0);
    return ms;
}

static void offsets_and_fractions_are_understood(void **state)
{
    (void)state;
    assert_int_equal(parse("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parse("1970-01-01t00:00:00z"), 0);
    assert_int_equal(parse("1970-01-01T01:30:00+01:30"), 0);
    assert_int_equal(parse("1969-12-31T23:00:00-01:00"), 0);
    assert_int_equal(parse("1970-01-01T00:00:00.5Z"), 500);
    assert_int_equal(parse("1970-01-01T00:00:00.123456789Z"), 123);
    assert_int_equal(parse("1969-12-31T23:59:59.999Z"), -1);
    assert_int_equal(parse("2016-12-31T23:59:60Z"), parse("2017-01-01T00:00:00Z"));
}

static void what_is_no_time_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00Z ",
        "+970-01-01T00:00:00Z",
        "1970-1-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ms = 77;
        assert_int_equal(rfc3339_parse(wrong[i], strlen(wrong[i]), &ms), TLY_EINVALID_ARGUMENT);
        assert_int_equal(ms, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ledger_time_starts_at_the_wall_clock),
        cmocka_unit_test(ledger_time_never_starts_before_the_newest_move),
        cmocka_unit_test(a_step_forward_is_followed_by_one_percent),
        cmocka_unit_test(a_step_back_is_followed_by_one_percent_and_never_goes_back),
        cmocka_unit_test(a_step_is_made_up_for_in_the_end),
        cmocka_unit_test(readings_close_together_are_corrected_too),
        cmocka_unit_test(a_wall_clock_far_ahead_of_the_newest_move_is_doubted),
        cmocka_unit_test(a_wall_clock_far_behind_the_newest_move_is_doubted),
        cmocka_unit_test(a_wall_clock_that_is_set_right_is_followed_again),
        cmocka_unit_test(a_wall_clock_that_steps_far_while_it_runs_is_doubted),
        cmocka_unit_test(a_trusted_wall_clock_is_taken_either_way),
        cmocka_unit_test(a_ledger_without_moves_doubts_nothing),
        cmocka_unit_test(the_systems_clocks_are_read),
        cmocka_unit_test(times_are_written_and_read_back),
        cmocka_unit_test(every_day_of_four_centuries_is_written_as_the_c_library_does),
        cmocka_unit_test(times_out_of_range_are_clamped),
        cmocka_unit_test(offsets_and_fractions_are_understood),
        cmocka_unit_test(what_is_no_time_is_refused_and_leaves_the_result_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
