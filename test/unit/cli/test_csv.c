#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "cli/csv.h"

struct reader {
    char text[512];
    struct csv csv;
    struct csv_row row;
    struct error e;
};

static void begin_size(struct reader *r, const char *text, size_t size)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->text, text, size);
    csv_begin(&r->csv, r->text, size);
}

static void begin(struct reader *r, const char *text)
{
    begin_size(r, text, strlen(text));
}

/* The next row's fields joined with '|'; "END" or "BAD". */
static const char *next(struct reader *r)
{
    static char joined[512];
    enum csv_result result = csv_next(&r->csv, &r->row, &r->e);
    if (result != CSV_ROW)
        return result == CSV_END ? "END" : "BAD";
    joined[0] = '\0';
    for (uint32_t i = 0; i < r->row.count; i++) {
        size_t len = strlen(joined);
        snprintf(joined + len, sizeof(joined) - len, "%s%.*s", i ? "|" : "",
                 STR_ARG(r->row.fields[i]));
    }
    return joined;
}

static void expect_bad(const char *text, const char *rule)
{
    struct reader r;
    begin(&r, text);
    assert_string_equal(next(&r), "BAD");
    assert_non_null(strstr(r.e.text, rule));
}

static void rows_end_with_lf_or_crlf_or_the_file(void **state)
{
    (void)state;
    struct reader r;
    begin(&r, "a,b\nc,d\r\ne,f");
    assert_string_equal(next(&r), "a|b");
    assert_string_equal(next(&r), "c|d");
    assert_string_equal(next(&r), "e|f");
    assert_int_equal(r.row.line, 3);
    assert_string_equal(next(&r), "END");
    assert_string_equal(next(&r), "END");
}

static void a_byte_order_mark_and_empty_lines_are_passed_over(void **state)
{
    (void)state;
    struct reader r;
    begin(&r, "\xef\xbb\xbf\r\n\na,b\n\n\nc,d\n\n");
    assert_string_equal(next(&r), "a|b");
    assert_int_equal(r.row.line, 3);
    assert_string_equal(next(&r), "c|d");
    assert_int_equal(r.row.line, 6);
    assert_string_equal(next(&r), "END");
}

static void empty_fields_are_fields(void **state)
{
    (void)state;
    struct reader r;
    begin(&r, ",,\n,\"\"");
    assert_string_equal(next(&r), "||");
    assert_int_equal(r.row.count, 3);
    assert_string_equal(next(&r), "|");
    assert_int_equal(r.row.count, 2);
    assert_string_equal(next(&r), "END");
}

static void a_comma_at_the_end_of_the_file_begins_a_field(void **state)
{
    (void)state;
    struct reader r;
    begin(&r, "a,");
    assert_string_equal(next(&r), "a|");
    assert_string_equal(next(&r), "END");
}

static void quoted_fields_hold_commas_quotes_and_line_ends(void **state)
{
    (void)state;
    struct reader r;
    begin(&r, "\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\r\nnext");
    assert_string_equal(next(&r), "a,b|say \"hi\"|two\r\nlines");
    assert_int_equal(r.row.line, 1);
    assert_string_equal(next(&r), "next");
    assert_int_equal(r.row.line, 3);
}

static void broken_quoting_is_refused(void **state)
{
    (void)state;
    expect_bad("a\"b", "quote inside");
    expect_bad("\"a\"b", "after a closing quote");
    expect_bad("\"abc\n", "never closed");
    expect_bad("\"", "never closed");
}

static void a_bare_carriage_return_is_refused(void **state)
{
    (void)state;
    expect_bad("a\rb\n", "carriage return");
}

static void a_zero_byte_is_refused(void **state)
{
    (void)state;
    struct reader r;
    begin_size(&r, "a\0b\nc", 5);
    assert_string_equal(next(&r), "BAD");
    assert_string_equal(next(&r), "c");
}

static void reading_goes_on_behind_a_bad_line(void **state)
{
    (void)state;
    struct reader r;
    begin(&r, "a,b\"c,d\ne,f\n");
    assert_string_equal(next(&r), "BAD");
    assert_int_equal(r.row.line, 1);
    assert_int_equal(r.row.count, 1);
    assert_string_equal(next(&r), "e|f");
    assert_int_equal(r.row.line, 2);
}

static void more_than_64_fields_are_refused(void **state)
{
    (void)state;
    struct reader r;
    char text[128];
    memset(text, ',', sizeof(text));
    begin_size(&r, text, CSV_FIELDS_MAX - 1);
    csv_next(&r.csv, &r.row, &r.e);
    assert_int_equal(r.row.count, CSV_FIELDS_MAX);
    begin_size(&r, text, CSV_FIELDS_MAX);
    assert_string_equal(next(&r), "BAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_end_with_lf_or_crlf_or_the_file),
        cmocka_unit_test(a_byte_order_mark_and_empty_lines_are_passed_over),
        cmocka_unit_test(empty_fields_are_fields),
        cmocka_unit_test(a_comma_at_the_end_of_the_file_begins_a_field),
        cmocka_unit_test(quoted_fields_hold_commas_quotes_and_line_ends),
        cmocka_unit_test(broken_quoting_is_refused),
        cmocka_unit_test(a_bare_carriage_return_is_refused),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(reading_goes_on_behind_a_bad_line),
        cmocka_unit_test(more_than_64_fields_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
