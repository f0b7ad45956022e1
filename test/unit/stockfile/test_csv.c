#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stockfile/csv.h"

struct reader {
    struct str text;
    struct stock_input input;
    struct text_reader *bytes;
    struct csv *csv;
    struct csv_row row;
    struct error e;
};

static struct reader *current;

static void end(void)
{
    if (!current)
        return;
    csv_close(current->csv);
    text_reader_close(current->bytes);
    free(current);
    current = NULL;
}

static struct reader *begin_size(const char *text, size_t size, char delimiter)
{
    end();
    struct reader *r = current = calloc(1, sizeof(*r));
    r->text = (struct str){text, (uint32_t)size};
    r->input = stock_input_text(&r->text);
    assert_int_equal(text_reader_open(&r->bytes, &r->input, ENCODING_UTF_8, &r->e), 0);
    r->csv = csv_open(r->bytes, delimiter);
    assert_non_null(r->csv);
    return r;
}

static struct reader *begin(const char *text)
{
    return begin_size(text, strlen(text), 0);
}

/* The next row's fields joined with '|'; "END" or "BAD". */
static const char *next(struct reader *r)
{
    static char joined[512];
    enum csv_result result = csv_next(r->csv, &r->row, &r->e);
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
    struct reader *r = begin(text);
    assert_string_equal(next(r), "BAD");
    if (!strstr(r->e.text, rule))
        fail_msg("'%s' does not say '%s'", r->e.text, rule);
}

static void rows_end_with_lf_or_crlf_or_the_file(void **state)
{
    (void)state;
    struct reader *r = begin("a,b\nc,d\r\ne,f");
    assert_string_equal(next(r), "a|b");
    assert_string_equal(next(r), "c|d");
    assert_string_equal(next(r), "e|f");
    assert_int_equal(r->row.line, 3);
    assert_string_equal(next(r), "END");
    assert_string_equal(next(r), "END");
}

static void a_byte_order_mark_and_empty_lines_are_passed_over(void **state)
{
    (void)state;
    struct reader *r = begin("\xef\xbb\xbf\r\n\na,b\n\n\nc,d\n\n");
    assert_string_equal(next(r), "a|b");
    assert_int_equal(r->row.line, 3);
    assert_string_equal(next(r), "c|d");
    assert_int_equal(r->row.line, 6);
    assert_string_equal(next(r), "END");
}

static void empty_fields_are_fields(void **state)
{
    (void)state;
    struct reader *r = begin(",,\n,\"\"");
    assert_string_equal(next(r), "||");
    assert_int_equal(r->row.count, 3);
    assert_string_equal(next(r), "|");
    assert_int_equal(r->row.count, 2);
    assert_string_equal(next(r), "END");
}

static void a_comma_at_the_end_of_the_file_begins_a_field(void **state)
{
    (void)state;
    struct reader *r = begin("a,");
    assert_string_equal(next(r), "a|");
    assert_string_equal(next(r), "END");
}

static void quoted_fields_hold_commas_quotes_and_line_ends(void **state)
{
    (void)state;
    struct reader *r = begin("\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\r\nnext");
    assert_string_equal(next(r), "a,b|say \"hi\"|two\r\nlines");
    assert_int_equal(r->row.line, 1);
    assert_string_equal(next(r), "next");
    assert_int_equal(r->row.line, 3);
}

static void broken_quoting_is_refused(void **state)
{
    (void)state;
    expect_bad("a\"b", "quote inside");
    expect_bad("\"a\"b", "after a closing quote");
    expect_bad("\"abc\n", "never closed");
    expect_bad("\"", "never closed");
}

static void a_bare_carriage_return_is_refused_where_rows_end_otherwise(void **state)
{
    (void)state;
    expect_bad("a\rb\n", "carriage return");
}

static void rows_of_an_old_mac_end_with_a_carriage_return(void **state)
{
    (void)state;
    struct reader *r = begin("a,b\rc,d\r");
    assert_string_equal(next(r), "a|b");
    assert_string_equal(next(r), "c|d");
    assert_int_equal(r->row.line, 2);
    assert_string_equal(next(r), "END");
}

static void the_delimiter_is_the_one_that_the_first_row_has_most_of(void **state)
{
    (void)state;
    assert_string_equal(next(begin("a;b;c,d\n")), "a|b|c,d");
    assert_int_equal(csv_delimiter(current->csv), ';');
    assert_string_equal(next(begin("a\tb\tc\n")), "a|b|c");
    assert_string_equal(next(begin("\"a;;;;b\",c\n")), "a;;;;b|c");
    assert_string_equal(next(begin("alone\n1,5\n")), "alone");
    assert_string_equal(next(begin_size("a;b;c,d", 7, ',')), "a;b;c|d");
}

static void a_first_line_may_name_the_delimiter(void **state)
{
    (void)state;
    struct reader *r = begin("sep=;\r\na;b,c,d\r\n");
    assert_string_equal(next(r), "a|b,c,d");
    assert_int_equal(r->row.line, 2);
    assert_string_equal(next(begin("sep=\t\na\tb\n")), "a|b");
    assert_string_equal(next(begin("sep=x,b\n")), "sep=x|b");
}

static void a_quote_that_is_never_closed_costs_its_own_line_only(void **state)
{
    (void)state;
    struct reader *r = begin("a,b\n\"c,d\ne,f\ng,h\n");
    assert_string_equal(next(r), "a|b");
    assert_string_equal(next(r), "BAD");
    assert_int_equal(r->row.line, 2);
    assert_string_equal(next(r), "e|f");
    assert_int_equal(r->row.line, 3);
    assert_string_equal(next(r), "g|h");
}

static void a_bad_row_is_read_again_as_it_was(void **state)
{
    (void)state;
    struct reader *r = begin("\"x\"\"y\nz\",b\"d\nnext\n");
    assert_string_equal(next(r), "BAD");
    assert_int_equal(r->row.line, 1);
    assert_string_equal(next(r), "BAD"); /* z",b"d */
    assert_int_equal(r->row.line, 2);
    assert_string_equal(next(r), "next");
}

static void rows_are_read_across_the_window_and_longer_ones_refused(void **state)
{
    (void)state;
    enum { ROWS = 40000, LONG = CSV_ROW_MAX + 10 };
    size_t size = 0;
    char *text = malloc(ROWS * 24 + LONG + 16);
    for (int i = 0; i < ROWS; i++)
        size += (size_t)snprintf(text + size, 32, "\"row\n%d\",%d\r\n", i, i);
    memset(text + size, 'x', LONG);
    size += LONG;
    size += (size_t)snprintf(text + size, 32, "\nlast\n");
    struct reader *r = begin_size(text, size, ',');
    for (int i = 0; i < ROWS; i++) {
        char expected[40];
        snprintf(expected, sizeof(expected), "row\n%d|%d", i, i);
        assert_string_equal(next(r), expected);
        assert_int_equal(r->row.line, 2 * i + 1);
    }
    assert_string_equal(next(r), "BAD");
    assert_string_equal(next(r), "last");
    assert_string_equal(next(r), "END");
    end();
    free(text);
}

static void lines_of_json_are_handed_out_whole(void **state)
{
    (void)state;
    struct reader *r = begin("{\"a\": \"x,y\"}\r\n\n[1]");
    assert_int_equal(csv_next_line(r->csv, &r->row, &r->e), CSV_ROW);
    assert_int_equal(r->row.fields[0].len, 12);
    assert_int_equal(csv_next_line(r->csv, &r->row, &r->e), CSV_ROW);
    assert_int_equal(r->row.line, 3);
    assert_int_equal(r->row.fields[0].len, 3);
    assert_int_equal(csv_next_line(r->csv, &r->row, &r->e), CSV_END);
}

static void a_zero_byte_is_refused(void **state)
{
    (void)state;
    struct reader *r = begin_size("a\0b\nc", 5, 0);
    assert_string_equal(next(r), "BAD");
    assert_string_equal(next(r), "c");
}

static void reading_goes_on_behind_a_bad_line(void **state)
{
    (void)state;
    struct reader *r = begin("a,b\"c,d\ne,f\n");
    assert_string_equal(next(r), "BAD");
    assert_int_equal(r->row.line, 1);
    assert_int_equal(r->row.count, 1);
    assert_string_equal(next(r), "e|f");
    assert_int_equal(r->row.line, 2);
}

static void more_fields_than_the_limit_are_refused(void **state)
{
    (void)state;
    static char text[CSV_FIELDS_MAX + 8];
    memset(text, ',', sizeof(text));
    struct reader *r = begin_size(text, CSV_FIELDS_MAX - 1, ',');
    assert_int_equal(csv_next(r->csv, &r->row, &r->e), CSV_ROW);
    assert_int_equal(r->row.count, CSV_FIELDS_MAX);
    assert_string_equal(next(begin_size(text, CSV_FIELDS_MAX, ',')), "BAD");
}

static int teardown(void **state)
{
    (void)state;
    end();
    return 0;
}

#define CASE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_end_with_lf_or_crlf_or_the_file),
        CASE(a_byte_order_mark_and_empty_lines_are_passed_over),
        CASE(empty_fields_are_fields),
        CASE(a_comma_at_the_end_of_the_file_begins_a_field),
        CASE(quoted_fields_hold_commas_quotes_and_line_ends),
        CASE(broken_quoting_is_refused),
        CASE(a_bare_carriage_return_is_refused_where_rows_end_otherwise),
        CASE(rows_of_an_old_mac_end_with_a_carriage_return),
        CASE(the_delimiter_is_the_one_that_the_first_row_has_most_of),
        CASE(a_first_line_may_name_the_delimiter),
        CASE(a_quote_that_is_never_closed_costs_its_own_line_only),
        CASE(a_bad_row_is_read_again_as_it_was),
        CASE(rows_are_read_across_the_window_and_longer_ones_refused),
        CASE(lines_of_json_are_handed_out_whole),
        CASE(a_zero_byte_is_refused),
        CASE(reading_goes_on_behind_a_bad_line),
        CASE(more_fields_than_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
