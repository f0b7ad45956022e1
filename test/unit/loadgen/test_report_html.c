/* A report as a page: what is on it, what is left out, what cannot break it. How it looks and that
 * a browser takes it is test/integration/test_bench_report.py's. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_report.h"
#include "loadgen/chart.h"

static int open_folder(void **state)
{
    (void)state;
    fixture_folder_open();
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    fixture_folder_close();
    return 0;
}

static char *page(const struct report *r)
{
    struct error e = {0};
    if (report_write_html(r, fixture_path("r.html"), &e))
        fail_msg("%s", e.text);
    return fixture_read_file(fixture_path("r.html"));
}

static char *page_of(void (*make)(struct report *))
{
    struct report r;
    make(&r);
    char *text = page(&r);
    report_close(&r);
    return text;
}

static uint32_t times(const char *text, const char *part)
{
    uint32_t count = 0;
    for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
        count++;
    return count;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' on the page", part);
}

static void assert_has_not(const char *text, const char *part)
{
    const char *found = strstr(text, part);
    if (found)
        fail_msg("'%s' on the page: %.80s", part, found);
}

static void a_good_run_is_shown_in_full(void **state)
{
    (void)state;
    char *text = page_of(fixture_flash_sale);
    assert_has(text, "class=\"verdict right\"");
    assert_has(text, "Nothing oversold, undersold, lost or duplicated");
    assert_has(text, "<title>flash-sale against 127.0.0.1:7070</title>");
    assert_has(text, "<tr><td>opening</td><td>9,723</td>");
    assert_has(text, "<tr class=\"all\"><td>all</td>");
    assert_has(text, "--rate 10000 --duration 48s --seed 42");
    assert_has(text, "<dt>connections</dt><dd>1000</dd>");
    assert_int_equal(times(text, "<figure class=\"chart"), 5);
    assert_has_not(text, "id=\"errors\"");
    free(text);
}

static void a_sale_of_groups_shows_how_they_ended(void **state)
{
    (void)state;
    char *text = page_of(fixture_group_buy);
    assert_has(text, "Nothing oversold, undersold, lost or duplicated, no group wrong, no limit");
    assert_has(text, "<dt>groups opened</dt><dd>2,683 ");
    assert_has(text, "<dt>succeeded</dt><dd>1,702 <small>groups");
    assert_has(text, "<dt>failed</dt><dd>981 <small>groups");
    assert_has(text, "<dt>refunded</dt><dd>2,210 <small>orders");
    assert_has(text, "<tr><td>SALE_NOT_OPEN</td><td>225</td><td>countdown 225</td></tr>");
    assert_has(text, "<tr><td>too late</td><td>240</td>");
    assert_has_not(text, "id=\"errors\"");
    free(text);
    text = page_of(fixture_flash_sale);
    assert_has_not(text, "groups opened");
    free(text);
}

static void groups_that_are_wrong_stand_on_top(void **state)
{
    (void)state;
    struct report r;
    struct error e = {0};
    fixture_group_buy(&r);
    r.audit.groups_wrong = 2;
    r.audit.limits_broken = 1;
    assert_int_equal(report_write_html(&r, fixture_path("r.html"), &e), 0);
    char *text = fixture_read_file(fixture_path("r.html"));
    assert_has(text, "<strong>2 groups wrong, 1 unit beyond a limit</strong>");
    free(text);
    report_close(&r);
}

static void a_staircase_shows_latency_against_rate(void **state)
{
    (void)state;
    char *text = page_of(fixture_staircase);
    assert_has(text, "<h2>Latency against rate</h2>");
    assert_has(text, "<dt>keeps up to</dt>");
    assert_int_equal(times(text, "<figure class=\"chart"), 6);
    assert_int_equal(times(text, "<rect class=\"band\""), 0); /* 128 stages would be stripes */
    free(text);
}

static void what_went_wrong_stands_on_top(void **state)
{
    (void)state;
    char *text = page_of(fixture_broken);
    assert_has(text, "class=\"verdict wrong\"");
    assert_has(text, "<strong>3 units oversold, 2 orders lost, 1 order duplicated</strong>");
    assert_has(text, "The audit is not complete: the server does not answer");
    assert_has(text, "<li>order 0123456789ab-00000000002a: acknowledged");
    assert_has(text, "Ended early: the server has not answered since 24.0 s");
    assert_has(text, "<tr><td>no answer in time</td><td>1,204</td>");
    assert_has_not(text, "class=\"verdict right\"");
    assert_has_not(text, "Nothing oversold");
    assert_has_not(text, "Memory of the server"); /* it told nothing */
    free(text);
}

static void text_from_elsewhere_stays_text(void **state)
{
    (void)state;
    struct report r;
    fixture_broken(&r);
    snprintf(r.audit.findings[0], FINDING_SIZE, "<img src=x onerror=alert(1)>{{script}}");
    char *text = page(&r);
    assert_has_not(text, "<img");
    assert_has_not(text, "<b>");
    assert_has_not(text, "<opening>");
    assert_has(text, "&lt;opening&gt; &amp; co");
    assert_has(text, "--lot &#39;&lt;b&gt;&quot;A&amp;B&quot;&lt;/b&gt;#7156464a&#39;");
    assert_has(text, "\\u003copening\\u003e \\u0026 co"); /* inside of a script */
    assert_int_equal(times(text, "<script"), times(text, "</script>"));
    assert_int_equal(times(text, "document.querySelectorAll"), 1); /* a marker in text is text */
    free(text);
    report_close(&r);
}

static void nothing_is_fetched_and_no_marker_is_left(void **state)
{
    (void)state;
    static void (*const make[])(struct report *) = {
        fixture_flash_sale, fixture_staircase, fixture_group_buy, fixture_broken, fixture_empty};
    for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
        char *text = page_of(make[i]);
        static const char *const never[] = {"{{",     "}}",    "http:",
                                            "https:", "//cdn", "@import",
                                            "url(",   " src=", "<link rel=\"stylesheet"};
        for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++)
            assert_has_not(text, never[k]);
        assert_has(text, "default-src 'none'");
        free(text);
    }
}

static void a_run_in_which_nothing_happened_has_a_page(void **state)
{
    (void)state;
    char *text = page_of(fixture_empty);
    assert_has(text, "class=\"verdict unknown\"");
    assert_has(text, "nothing was sent");
    assert_int_equal(times(text, "<figure"), 0);
    assert_has_not(text, ">nan");
    free(text);
}

/* The chart of `count` points of which one is high and one is low. */
static char *chart_of(size_t count, size_t high, size_t low)
{
    double *x = calloc(2 * count, sizeof(*x)), *y = x + count;
    for (size_t i = 0; i < count; i++) {
        x[i] = (double)i;
        y[i] = i == high ? 1000 : i == low ? 0 : 500;
    }
    struct chart c = {
        .title = "t",
        .about = "a",
        .x = x,
        .count = count,
        .x_max = (double)count,
        .x_unit = UNIT_SECONDS,
        .series = {{"s", "s", y, false}},
        .series_count = 1,
    };
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_true(chart_write(&c, to));
    fclose(to);
    free(x);
    return text;
}

static void long_series_are_thinned_and_keep_their_extremes(void **state)
{
    (void)state;
    for (size_t count = 500; count < 200000; count = count * 7 / 2) {
        char *text = chart_of(count, count / 3, count / 2 + 1);
        const char *path = strstr(text, "class=\"line s\" d=\"");
        assert_non_null(path);
        size_t size = strcspn(path + 20, "\"");
        char *d = strndup(path + 20, size);
        assert_in_range(times(d, "L"), 1, CHART_POINTS_MAX);
        assert_int_equal(times(d, " 0.0"), 1); /* the top */
        assert_int_equal(times(d, " 400.0"), 1);
        assert_int_equal(times(text, "\"1,000/s\""), 1); /* what the pointer is told */
        assert_true(strlen(text) < 40000);
        free(d);
        free(text);
    }
}

static void seconds_without_a_figure_are_a_gap(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2, 3, 4, 5}, y[] = {1, 2, NAN, 0, 3, INFINITY};
    struct chart c = {
        .title = "t",
        .about = "a",
        .x = x,
        .count = 6,
        .x_max = 5,
        .y_log = true,
        .y_unit = UNIT_MS,
        .series = {{"s", "s", y, true}},
        .series_count = 1,
    };
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_true(chart_write(&c, to));
    fclose(to);
    const char *path = strstr(text, "class=\"line s\" d=\"") + 18;
    char *d = strndup(path, strcspn(path, "\""));
    assert_int_equal(times(d, "M"), 2);
    assert_int_equal(times(d, "L"), 1);
    assert_has(text, "\"-\"");
    assert_has_not(text, "nan");
    assert_has_not(text, "inf");
    free(d);
    free(text);

    /* Nothing at all: no chart. */
    c.count = 0;
    assert_false(chart_write(&c, stdout));
    const double none[] = {NAN, NAN, 0, NAN, NAN, NAN};
    c.count = 6;
    c.series[0].y = none;
    assert_false(chart_write(&c, stdout));
}

static void a_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct report r;
    struct error e = {0};
    fixture_flash_sale(&r);
    assert_int_equal(report_write_html(&r, fixture_path("no/r.html"), &e), TLY_EIO);
    assert_has(e.text, "no/r.html: No such file");
    assert_int_equal(report_write_html(&r, "/dev/full", &e), TLY_EIO);
    assert_has(e.text, "/dev/full: No space left");
    report_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_is_shown_in_full),
        cmocka_unit_test(a_sale_of_groups_shows_how_they_ended),
        cmocka_unit_test(groups_that_are_wrong_stand_on_top),
        cmocka_unit_test(a_staircase_shows_latency_against_rate),
        cmocka_unit_test(what_went_wrong_stands_on_top),
        cmocka_unit_test(text_from_elsewhere_stays_text),
        cmocka_unit_test(nothing_is_fetched_and_no_marker_is_left),
        cmocka_unit_test(a_run_in_which_nothing_happened_has_a_page),
        cmocka_unit_test(long_series_are_thinned_and_keep_their_extremes),
        cmocka_unit_test(seconds_without_a_figure_are_a_gap),
        cmocka_unit_test(a_file_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
