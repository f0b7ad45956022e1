/* Rows of a stock file: columns to fields, and all faults of a file in one reading. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stockfile/stock_file.h"

#define HEADER "sku,flavor,size,batch,expires_on,quantity\n"

struct reading {
    struct stock_mapping mapping;
    struct stock_file_config config;
    enum stock_rules rules;
    char rows[4096];   /* "line:key=quantity expires_on;" of each good one */
    char faults[8192]; /* "line:column:text\n" of each */
    bool header_bad;
    struct error e;
};

static void put(char *to, size_t size, const char *format, ...)
{
    size_t len = strlen(to);
    va_list args;
    va_start(args, format);
    vsnprintf(to + len, size - len, format, args);
    va_end(args);
}

static void on_fault(void *context, uint32_t line, const char *column, const char *text)
{
    struct reading *r = context;
    assert_true(text_is_utf8(str_of(text)) && text_is_utf8(str_of(column)));
    put(r->faults, sizeof(r->faults), "%u:%s:%s\n", line, column, text);
}

static int setup(void **state)
{
    struct reading *r = calloc(1, sizeof(*r));
    r->config = (struct stock_file_config){
        .mapping = &r->mapping, .dimensions_needed = true, .fault = on_fault, .context = r};
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int read_size(struct reading *r, const char *text, size_t size)
{
    struct str str = {text, (uint32_t)size};
    struct stock_input input = stock_input_text(&str);
    struct stock_file *f;
    struct stock_row *row = malloc(sizeof(*row));
    enum stock_result result;
    r->rows[0] = r->faults[0] = 0;
    int code = stock_file_open(&f, &input, &r->config, &r->e);
    while (!code && (result = stock_file_next(f, r->rules, row)) != STOCK_END) {
        if (result != STOCK_ROW)
            continue;
        struct str date = row->fields[STOCK_expires_on];
        put(r->rows, sizeof(r->rows), "%u:%s=%d%s%.*s;", row->line, row->key, (int)row->quantity,
            date.len ? " " : "", STR_ARG(date));
    }
    if (!code) {
        r->header_bad = stock_file_header_bad(f);
        stock_file_close(f);
    }
    free(row);
    return code;
}

static int read_text(struct reading *r, const char *text)
{
    return read_size(r, text, strlen(text));
}

static void expect_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not say '%s'", text, part);
}

static void map(struct reading *r, const char *text)
{
    assert_int_equal(stock_mapping_add(&r->mapping, str_of(text), false, &r->e), 0);
}

static void set(struct reading *r, const char *text)
{
    assert_int_equal(stock_mapping_set(&r->mapping, text, &r->e), 0);
}

/* echo -n 'lime|330ml_can|BATCH-20261001-A' | md5sum */
#define COLA "COLA#01c74cf6"

/* ---- columns ---- */

static void case_and_blanks_of_the_header_are_forgiven(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, " SKU ,Flavor,SIZE,batch,Expires On,QUANTITY\n"
                                  "COLA,lime,0.33 L can,BATCH-20261001-A,2027-09-30,24\n"),
                     0);
    assert_string_equal(r->rows, "2:" COLA "=24 2027-09-30;");
    assert_string_equal(r->faults, "");
}

static void columns_are_mapped_to_fields(void **state)
{
    struct reading *r = *state;
    map(r, "Artikel Nr=sku");
    map(r, "Bestand=quantity");
    map(r, "note=-");
    set(r, "batch=BATCH-20261001-A");
    assert_int_equal(read_text(r, "ARTIKEL_NR;flavor;size;Bestand;Note\n"
                                  "COLA;lime;330ml_can;7;anything\n"),
                     0);
    assert_string_equal(r->rows, "2:" COLA "=7;");
}

static void a_mapped_column_comes_before_one_of_the_field_s_name(void **state)
{
    struct reading *r = *state;
    map(r, "new=quantity");
    assert_int_equal(read_text(r, "sku,flavor,size,batch,quantity,new\n"
                                  "COLA,lime,330ml_can,BATCH-20261001-A,1,2\n"),
                     0);
    assert_string_equal(r->rows, "2:" COLA "=2;");
}

static void a_value_that_is_set_counts_in_all_rows(void **state)
{
    struct reading *r = *state;
    set(r, "quantity=5");
    assert_int_equal(read_text(r, HEADER "COLA,lime,330ml_can,BATCH-20261001-A,,9\n"), 0);
    assert_string_equal(r->rows, "2:" COLA "=5;");
}

static void all_faults_of_a_header_are_told_and_the_rows_all_the_same(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavour,size,batch,quantity,quantity,colour\n"
                                  "COLA,lime,huge,BATCH-20261001-A,x,1,red\n"),
                     0);
    assert_true(r->header_bad);
    expect_says(r->faults, "1:flavour:there is no column 'flavour'; did you mean flavor\n");
    expect_says(r->faults, "1:quantity:column 'quantity' is there twice\n");
    expect_says(r->faults, "1:colour:there is no column 'colour'");
    expect_says(r->faults, "1:flavor:column 'flavor' is missing\n");
    expect_says(r->faults, "2:size:must be");
    expect_says(r->faults, "2:quantity:must be a whole number from 0 to 2147483647, is 'x'");
}

static void other_columns_are_passed_over_where_that_is_allowed(void **state)
{
    struct reading *r = *state;
    map(r, "*=-");
    assert_true(r->mapping.ignore_others);
    assert_int_equal(read_text(r, "sku,flavor,size,batch,quantity,colour,colour,\n"
                                  "COLA,lime,330ml_can,BATCH-20261001-A,1,red,x,y\n"),
                     0);
    assert_string_equal(r->rows, "2:" COLA "=1;");
}

static void a_mapped_column_that_is_not_there_is_told(void **state)
{
    struct reading *r = *state;
    map(r, "Stock=quantity");
    assert_int_equal(read_text(r, "sku,flavor,size,batch,Stok\n"), 0);
    expect_says(r->faults, "1:Stock:the file has no column 'Stock'; did you mean Stok");
}

static void a_saved_mapping_may_name_columns_that_are_not_there(void **state)
{
    struct reading *r = *state;
    char text[] =
        "\xEF\xBB\xBF# of our shop\r\n\r\nStock=quantity\r\nOption3=-\r\nset size=330ml_can\r\n"
        "set batch=BATCH-20261001-A\n";
    assert_int_equal(stock_mapping_read(&r->mapping, text, &r->e), 0);
    assert_int_equal(read_text(r, "sku,flavor,stock\nCOLA,lime,3\n"), 0);
    assert_string_equal(r->rows, "2:" COLA "=3;");
    char wrong[] = "Stock=quantity\n\nflavor=taste\n";
    memset(&r->mapping, 0, sizeof(r->mapping));
    assert_int_equal(stock_mapping_read(&r->mapping, wrong, &r->e), TLY_EINVALID_ARGUMENT);
    expect_says(r->e.text, "line 3: there is no field 'taste'");
}

static void an_empty_file_has_no_rows(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, ""), TLY_EINVALID_ARGUMENT);
    expect_says(r->faults, "1::the file is empty");
    assert_int_equal(read_text(r, "PK\x03\x04..xl/"), TLY_EINVALID_ARGUMENT);
    expect_says(r->faults, "an Excel workbook");
}

/* ---- rows ---- */

static void empty_rows_and_columns_of_a_spreadsheet_say_nothing(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavor,size,batch,quantity,expires_on,,\n"
                                  "COLA,lime,330ml_can,BATCH-20261001-A,1,,,\n"
                                  ",,,,,,,\n"
                                  "LEMON,lime,330ml_can,BATCH-20261001-A,2\n"
                                  " , ,,\n"),
                     0);
    assert_string_equal(r->faults, "");
    assert_string_equal(r->rows, "2:" COLA "=1;4:LEMON#01c74cf6=2;");
}

static void a_row_of_another_width_is_told(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,lime,330ml_can\n"
                                         "COLA,lime,330ml_can,BATCH-20261001-A,,1,2\n"),
                     0);
    assert_string_equal(r->faults, "2::has 3 fields, the header has 6\n"
                                   "3::has 7 fields, the header has 6\n");
}

static void all_faults_of_a_row_are_told_with_what_is_in_the_cell(void **state)
{
    struct reading *r = *state;
    assert_int_equal(
        read_text(r, HEADER "CO LA,Lime,330\xC2\xA0ml_can,BATCH-20260230-A,30.09.2027,1.5\n"), 0);
    static const char *const expected[] = {"2:sku:must be 1 to 64 of",
                                           "is \"CO LA\"\n2:flavor:",
                                           "is \"Lime\"\n2:size:",
                                           "330\\u00a0ml_can",
                                           "2:batch:must have a real",
                                           "BATCH-20260230-A",
                                           "2:expires_on:must be a date",
                                           "30.09.2027",
                                           "2:quantity:must be a whole number",
                                           "is '1.5'\n"};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        expect_says(r->faults, expected[i]);
}

static void a_cell_that_is_not_utf8_is_told(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,li\xFFme,330ml_can,BATCH-20261001-A,,1\n"), 0);
    assert_string_equal(r->faults, "2:flavor:must be utf-8, is 'li\\xffme'\n");
}

static void a_mapped_fault_names_the_file_s_own_column(void **state)
{
    struct reading *r = *state;
    map(r, "Menge=quantity");
    assert_int_equal(read_text(r, "sku,flavor,size,batch,Menge\n"
                                  "COLA,lime,330ml_can,BATCH-20261001-A,x\n"),
                     0);
    expect_says(r->faults, "2:Menge:must be a whole number");
}

static void a_row_that_is_no_csv_is_told(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,li\"me,330ml_can,BATCH-20261001-A,,1\n"), 0);
    expect_says(r->faults, "2::a quote inside a field that does not begin with one, in field 2");
}

static void what_is_not_in_the_file_is_not_given(void **state)
{
    struct reading *r = *state;
    r->config.dimensions_needed = false;
    assert_int_equal(read_text(r, "sku,quantity\nCOLA,3\n"), 0);
    assert_string_equal(r->rows, "2:=3;");
    assert_string_equal(r->faults, "");
    assert_int_equal(read_text(r, "flavor,quantity\nlime,3\n"), 0);
    expect_says(r->faults, "1:sku:column 'sku' is missing");
}

static void free_dimensions_are_any_printable_text(void **state)
{
    struct reading *r = *state;
    r->rules = STOCK_FREE;
    assert_int_equal(read_text(r, HEADER "SHOE,Dark Blue,42 \xC2\xBD,spring 27,,1\n"
                                         "SHOE,a|b,42,s,,1\n"),
                     0);
    expect_says(r->rows, "2:SHOE#");
    expect_says(r->faults, "3:flavor:must have no '|'");
}

/* ---- cells ---- */

static int64_t quantity_of(const char *text)
{
    int64_t n = -1;
    struct error e;
    return stock_quantity(str_of(text), &n, &e) ? -1 : n;
}

static void a_whole_number_may_have_zeros_behind_its_point(void **state)
{
    (void)state;
    assert_int_equal(quantity_of("120.0000"), 120);
    assert_int_equal(quantity_of("120,00"), 120);
    assert_int_equal(quantity_of("0.000"), 0);
    assert_int_equal(quantity_of("2147483647"), 2147483647);
    static const char *const wrong[] = {"",
                                        "1.5",
                                        "1.",
                                        ".0",
                                        "-1",
                                        "1e3",
                                        "1 000",
                                        "1,5",
                                        "2147483648",
                                        "0x1",
                                        "1.0.0",
                                        "+",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(quantity_of(wrong[i]), -1);
}

static void a_thousand_is_not_taken_for_one(void **state)
{
    (void)state;
    struct error e;
    int64_t n;
    assert_int_equal(stock_quantity(STR("1.000"), &n, &e), TLY_EINVALID_ARGUMENT);
    expect_says(e.text, "may be 1 or 1000");
    assert_int_equal(quantity_of("12,000"), -1);
}

static const char *date_of(const char *text)
{
    static char out[SKU_MAX + 1], shown[SKU_MAX + 1];
    struct str date = stock_date(str_of(text), out);
    snprintf(shown, sizeof(shown), "%.*s", STR_ARG(date));
    return shown;
}

static void a_date_that_begins_with_its_year_may_be_written_otherwise(void **state)
{
    (void)state;
    assert_string_equal(date_of("2027-09-30"), "2027-09-30");
    assert_string_equal(date_of("2027/9/3"), "2027-09-03");
    assert_string_equal(date_of("2027.09.30"), "2027-09-30");
    assert_string_equal(date_of("2027年9月30日"), "2027-09-30");
    assert_string_equal(date_of("2027-09-30 00:00:00"), "2027-09-30");
    assert_string_equal(date_of("2027/9/30 0:00"), "2027-09-30");
    assert_string_equal(date_of("2027-09-30T00:00:00.000Z"), "2027-09-30");
    assert_string_equal(date_of("2027-09-30T00:00:00+01:00"), "2027-09-30");
    assert_string_equal(date_of("2027-09-30 00:00:02"), "2027-09-30 00:00:02");
    assert_string_equal(date_of("2027-09-30 00:00:00 h"), "2027-09-30 00:00:00 h");
    assert_string_equal(date_of("2027-09-30T00:00+1"), "2027-09-30T00:00+1");
    assert_string_equal(date_of("30.09.2027"), "30.09.2027");
    assert_string_equal(date_of("2027-09-30 10:00"), "2027-09-30 10:00");
    assert_string_equal(date_of("2027-09"), "2027-09");
}

/* ---- JSON lines ---- */

static void lines_of_json_are_rows(void **state)
{
    struct reading *r = *state;
    r->config.json_lines = true;
    assert_int_equal(
        read_text(r, "{\"sku\": \"COLA\", \"flavor\": \"lime\", \"size\": \"330ml_can\", "
                     "\"batch\": \"BATCH-20261001-A\", \"quantity\": 24, \"expires_on\": null}\n"
                     "\n[1]\n{\"sku\":\n"
                     "{\"sku\": \"COLA\", \"flavor\": \"Lime\", \"size\": 3, \"taste\": 1}\n"),
        0);
    assert_string_equal(r->rows, "1:" COLA "=24;");
    expect_says(r->faults, "3::must be a JSON object");
    expect_says(r->faults, "4::is no JSON");
    expect_says(r->faults, "5:taste:there is no member 'taste'");
    expect_says(r->faults, "5:batch:is missing");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(case_and_blanks_of_the_header_are_forgiven),
        CASE(columns_are_mapped_to_fields),
        CASE(a_mapped_column_comes_before_one_of_the_field_s_name),
        CASE(a_value_that_is_set_counts_in_all_rows),
        CASE(all_faults_of_a_header_are_told_and_the_rows_all_the_same),
        CASE(other_columns_are_passed_over_where_that_is_allowed),
        CASE(a_mapped_column_that_is_not_there_is_told),
        CASE(a_saved_mapping_may_name_columns_that_are_not_there),
        CASE(an_empty_file_has_no_rows),
        CASE(empty_rows_and_columns_of_a_spreadsheet_say_nothing),
        CASE(a_row_of_another_width_is_told),
        CASE(all_faults_of_a_row_are_told_with_what_is_in_the_cell),
        CASE(a_cell_that_is_not_utf8_is_told),
        CASE(a_mapped_fault_names_the_file_s_own_column),
        CASE(a_row_that_is_no_csv_is_told),
        CASE(what_is_not_in_the_file_is_not_given),
        CASE(free_dimensions_are_any_printable_text),
        CASE(a_whole_number_may_have_zeros_behind_its_point),
        CASE(a_thousand_is_not_taken_for_one),
        CASE(a_date_that_begins_with_its_year_may_be_written_otherwise),
        CASE(lines_of_json_are_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
