/* A report on the terminal, and two of them side by side. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_report.h"
#include "loadgen/figures.h"

static char *printed(const struct report *r)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    struct error e = {0};
    assert_int_equal(report_print(r, to, &e), 0);
    fclose(to);
    return text;
}

static char *compared(const struct report *a, const struct report *b)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    struct error e = {0};
    assert_int_equal(report_print_comparison(a, b, to, &e), 0);
    fclose(to);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' in:\n%s", part, text);
}

static void numbers_have_the_digits_that_matter(void **state)
{
    (void)state;
    assert_string_equal(figure_count(0).text, "0");
    assert_string_equal(figure_count(999).text, "999");
    assert_string_equal(figure_count(1234567).text, "1,234,567");
    assert_string_equal(figure_ms(0).text, "0");
    assert_string_equal(figure_ms(0.0384).text, "0.038");
    assert_string_equal(figure_ms(0.9996).text, "1.00");
    assert_string_equal(figure_ms(3.996).text, "4.00");
    assert_string_equal(figure_ms(9.996).text, "10.0");
    assert_string_equal(figure_ms(99.96).text, "100");
    assert_string_equal(figure_ms(12345.6).text, "12,346");
    assert_string_equal(figure_rate(99.94).text, "99.9");
    assert_string_equal(figure_rate(12800.4).text, "12,800");
    assert_string_equal(figure_mib(-1).text, "-");
    assert_string_equal(figure_percent(1.5).text, "150");
    assert_string_equal(figure_duration(0.25).text, "0.25 s");
    assert_string_equal(figure_duration(90).text, "1 min 30 s");
    assert_string_equal(figure_duration(3840).text, "1 h 4 min");
    assert_string_equal(figure_ratio(1, 0).text, "");
    assert_string_equal(figure_ratio(3, 2).text, "1.50x");
}

static void what_was_accepted_is_told_apart_where_some_was_not(void **state)
{
    (void)state;
    struct report r;
    fixture_flash_sale(&r);
    char *text = printed(&r);
    assert_has_not(text, "Accepted calls");
    free(text);
    histogram_record(&r.accepted, 2000000);
    histogram_record(&r.accepted, 8000000);
    text = printed(&r);
    assert_has(text, "\nAccepted calls: p50 2.00, p99 8.00, max 8.00 ms\n");
    free(text);
    report_close(&r);
}

static void text_from_elsewhere_cannot_move_the_cursor(void **state)
{
    (void)state;
    assert_string_equal(figure_text("a\033[2Jb\xc2\x9b").text, "a?[2Jb??");
    struct report r;
    fixture_broken(&r);
    snprintf(r.stages[0].name, sizeof(r.stages[0].name), "\033]0;x\a");
    snprintf(r.audit.findings[0], FINDING_SIZE, "lot \033[31m");
    snprintf(r.end_text, sizeof(r.end_text), "gone\r\033[A");
    char *text = printed(&r);
    for (const char *p = text; *p; p++)
        assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
    free(text);
    report_close(&r);
}

static void a_line_for_every_stage_and_one_for_all(void **state)
{
    (void)state;
    struct report r;
    fixture_flash_sale(&r);
    char *text = printed(&r);
    for (uint32_t i = 0; i < r.stage_count; i++)
        assert_has(text, r.stages[i].name);
    assert_has(text, "\nall ");
    assert_has(text, "Nothing wrong");
    assert_has_not(text, "Errors");
    assert_has_not(text, " errors "); /* the columns in which nothing happened */
    assert_has_not(text, " resets");
    free(text);
    report_close(&r);
}

static void columns_are_aligned(void **state)
{
    (void)state;
    struct report r;
    fixture_staircase(&r);
    char *text = printed(&r);
    char *line = strstr(text, "stage ");
    assert_non_null(line);
    size_t width = strcspn(line, "\n");
    uint32_t lines = 0;
    for (; *line && *line != '\n'; line += strcspn(line, "\n") + 1, lines++)
        assert_int_equal(strcspn(line, "\n"), width);
    assert_int_equal(lines, 128 + 1 + 4); /* a head for every 40 */
    free(text);
    report_close(&r);
}

static void errors_are_told_by_code_and_stage(void **state)
{
    (void)state;
    struct report r;
    fixture_broken(&r);
    char *text = printed(&r);
    assert_has(text, "  no answer in time        1,204  in <opening> & co 1,204\n");
    assert_has(text, "  connection closed          412  in gone 412\n");
    assert_has(text, " resets\n");
    assert_has_not(text, "CPU %");
    assert_has(text, "Ended early: the server has not answered since 24.0 s");
    assert_has(text, "Audit: 3 oversold, 0 undersold, 2 lost, 1 duplicated");
    assert_has(text, "  order 0123456789ab-00000000002a: acknowledged");
    assert_has(text, "The audit is not complete: the server does not answer");
    assert_has(text, "3 latencies are missing");
    assert_has_not(text, "Nothing wrong");
    free(text);
    report_close(&r);
}

static void a_run_in_which_nothing_happened_is_printed(void **state)
{
    (void)state;
    struct report r;
    fixture_empty(&r);
    char *text = printed(&r);
    assert_has(text, "The audit is not complete: nothing was sent");
    assert_has_not(text, "nan");
    free(text);
    report_close(&r);
}

static void a_sale_of_groups_tells_how_they_ended_and_what_was_refused(void **state)
{
    (void)state;
    struct report r;
    fixture_group_buy(&r);
    char *text = printed(&r);
    assert_has(text,
               "\nGroups: 2,683 opened, 1,702 succeeded, 981 failed; 2,210 orders refunded with "
               "them\n");
    assert_has(text, "  Refused: 225 before the opening, 1,310 sold out, 530 over a buyer's limit, "
                     "301 group full, 77 group over, 240 too late\n");
    assert_has(text, " duplicated, 0 groups wrong, 0 beyond a limit\n");
    assert_has(text, "Nothing wrong");
    assert_has_not(text, "Errors");
    free(text);
    report_close(&r);
    fixture_flash_sale(&r);
    text = printed(&r);
    assert_has_not(text, "Groups");
    assert_has_not(text, "groups wrong");
    free(text);
    report_close(&r);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct report r;
    fixture_flash_sale(&r);
    FILE *to = fopen("/dev/full", "w");
    assert_non_null(to);
    struct error e = {0};
    assert_int_equal(report_print(&r, to, &e), TLY_EIO);
    assert_has(e.text, "No space left");
    fclose(to);
    report_close(&r);
}

static void any_count_that_is_not_zero_is_wrong(void **state)
{
    (void)state;
    struct report r;
    fixture_flash_sale(&r);
    assert_int_equal(report_verdict(&r), VERDICT_RIGHT);
    r.audit.complete = false;
    assert_int_equal(report_verdict(&r), VERDICT_UNKNOWN);
    int64_t *counts[] = {&r.audit.oversold,   &r.audit.undersold,    &r.audit.lost,
                         &r.audit.duplicated, &r.audit.groups_wrong, &r.audit.limits_broken};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        *counts[i] = 1;
        assert_int_equal(report_verdict(&r), VERDICT_WRONG);
        *counts[i] = 0;
    }
    report_close(&r);
}

static void the_whole_run_is_the_sum_of_its_stages(void **state)
{
    (void)state;
    struct report r;
    struct report_stage all;
    fixture_broken(&r);
    report_total(&r, &all);
    assert_int_equal(all.resets, 17);
    assert_int_equal(all.codes[ANSWER_CLOSED], 412);
    assert_int_equal(stage_refused(&all), stage_refused(&r.stages[0]) +
                                              stage_refused(&r.stages[1]) +
                                              stage_refused(&r.stages[2]));
    assert_true(all.duration_s == 26);
    assert_true(all.server.memory_bytes < 0);
    report_close(&r);
    fixture_flash_sale(&r);
    report_total(&r, &all);
    assert_true(all.server.memory_bytes == r.stages[2].server.memory_bytes);
    assert_true(all.server.cpu_share > r.stages[0].server.cpu_share);
    assert_true(all.server.cpu_share < r.stages[2].server.cpu_share);
    report_close(&r);
}

static void a_comparison_tells_what_was_set_differently(void **state)
{
    (void)state;
    struct report a, b;
    fixture_flash_sale(&a);
    fixture_broken(&b);
    snprintf(b.settings[3].value, sizeof(b.settings[3].value), "500");
    char *text = compared(&a, &b);
    assert_has(text, "  connections           1000 -> 500\n");
    assert_has(text, "  lot                   - -> <b>\"A&B\"</b>#7156464a\n");
    assert_has_not(text, "  seed");
    free(text);
    text = compared(&b, &a);
    assert_has(text, "  lot                   <b>\"A&B\"</b>#7156464a -> -\n");
    free(text);
    text = compared(&a, &a);
    assert_has(text, "Set differently (A -> B)\n  nothing\n");
    free(text);
    report_close(&a);
    report_close(&b);
}

static void assert_line_has(const char *line, const char *part)
{
    const char *found = line ? strstr(line, part) : NULL;
    if (!found || found > strchr(line + 1, '\n'))
        fail_msg("no '%s' in the line: %s", part, line ? line : "(none)");
}

static void stages_are_compared_by_name_and_place(void **state)
{
    (void)state;
    struct report a, b;
    fixture_flash_sale(&a);
    fixture_flash_sale(&b);
    snprintf(a.stages[0].name, sizeof(a.stages[0].name), "tail"); /* two of a name */
    snprintf(b.stages[0].name, sizeof(b.stages[0].name), "tail");
    snprintf(b.stages[1].name, sizeof(b.stages[1].name), "other");
    b.stages[0].answered *= 2;
    b.stages[3].answered *= 4;
    b.audit.lost = 7;
    char *text = compared(&a, &b);
    char *first = strstr(text, "\ntail ");
    assert_non_null(first);
    char *second = strstr(first + 1, "\ntail ");
    assert_non_null(second);
    assert_line_has(first, "2.00x");
    assert_line_has(second, "4.00x");
    assert_null(strstr(second + 1, "\ntail "));
    assert_line_has(strstr(text, "\ncountdown "), "only in A");
    assert_line_has(strstr(text, "\nother "), "only in B");
    assert_has(text, "audit: WRONG (0 oversold, 0 undersold, 7 lost, 0 duplicated)");
    assert_has(text, "audit: nothing wrong");
    free(text);
    report_close(&a);
    report_close(&b);
}

static void a_step_at_which_a_limit_of_the_server_is_reached_is_not_kept_up_with(void **state)
{
    (void)state;
    struct report r;
    fixture_staircase(&r);
    uint32_t breaks = report_breaking_stage(&r);
    assert_in_range(breaks, 6, r.stage_count - 1);
    r.stages[5].codes[ANSWER_LIMIT_EXCEEDED] = r.stages[5].offered / 2;
    assert_int_equal(report_breaking_stage(&r), 5);
    report_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_the_digits_that_matter),
        cmocka_unit_test(what_was_accepted_is_told_apart_where_some_was_not),
        cmocka_unit_test(text_from_elsewhere_cannot_move_the_cursor),
        cmocka_unit_test(a_line_for_every_stage_and_one_for_all),
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(errors_are_told_by_code_and_stage),
        cmocka_unit_test(a_run_in_which_nothing_happened_is_printed),
        cmocka_unit_test(a_sale_of_groups_tells_how_they_ended_and_what_was_refused),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(any_count_that_is_not_zero_is_wrong),
        cmocka_unit_test(the_whole_run_is_the_sum_of_its_stages),
        cmocka_unit_test(a_comparison_tells_what_was_set_differently),
        cmocka_unit_test(stages_are_compared_by_name_and_place),
        cmocka_unit_test(a_step_at_which_a_limit_of_the_server_is_reached_is_not_kept_up_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
