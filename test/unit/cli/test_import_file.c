#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "cli/import.h"

#define HEADER "sku,flavor,size,batch,expires_on,quantity\n"

struct reading {
    struct import im;
    struct error e;
    char text[2048];
};

static int setup(void **state)
{
    static struct reading r;
    memset(&r, 0, sizeof(r));
    import_init(&r.im);
    *state = &r;
    return 0;
}

static int teardown(void **state)
{
    struct reading *r = *state;
    import_close(&r->im);
    return 0;
}

static int read_text(struct reading *r, const char *text)
{
    snprintf(r->text, sizeof(r->text), "%s", text);
    return import_read(&r->im, r->text, strlen(r->text), &r->e);
}

/* The file is `row` below a good header: its only problem is in that column and says `rule`. */
static void expect_problem(struct reading *r, const char *row, const char *column, const char *rule)
{
    char text[512];
    snprintf(text, sizeof(text), HEADER "%s\n", row);
    assert_int_equal(read_text(r, text), 0);
    assert_int_equal(r->im.bad_count, 1);
    assert_string_equal(r->im.problems[0].column, column);
    assert_int_equal(r->im.problems[0].line, 2);
    if (!strstr(r->im.problems[0].text, rule))
        fail_msg("'%s' does not say '%s'", r->im.problems[0].text, rule);
}

static void a_good_row_is_normalised_and_gets_its_key(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,lime,0.33 L can,BATCH-20261001-A,2027-09-30,24\n"),
                     0);
    assert_int_equal(r->im.bad_count, 0);
    assert_int_equal(r->im.row_count, 1);
    assert_string_equal(r->im.rows[0].fields[IMPORT_size], "330ml_can");
    assert_int_equal(r->im.rows[0].quantity, 24);
    /* echo -n 'lime|330ml_can|BATCH-20261001-A' | md5sum */
    assert_string_equal(r->im.rows[0].key, "COLA#01c74cf6");
    assert_ptr_equal(import_find(&r->im, r->im.rows[0].key), &r->im.rows[0]);
}

static void columns_may_come_in_any_order_and_without_expiry(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "quantity,batch,size,flavor,sku\n"
                                  "7,BATCH-20261001-A,330ml_can,lime,COLA\n"),
                     0);
    assert_int_equal(r->im.bad_count, 0);
    assert_int_equal(r->im.rows[0].quantity, 7);
    assert_string_equal(r->im.rows[0].fields[IMPORT_expires_on], "");
    assert_string_equal(r->im.rows[0].fields[IMPORT_sku], "COLA");
}

static void an_unknown_column_is_refused_with_the_nearest_name(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavour,size,batch,quantity\n"), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(r->e.text, "did you mean flavor"));
}

static void a_missing_column_is_refused(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavor,size,quantity\n"), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(r->e.text, "'batch' is missing"));
}

static void a_column_that_is_there_twice_is_refused(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,sku,flavor,size,batch,quantity\n"), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(r->e.text, "twice"));
}

static void an_empty_file_is_refused(void **state)
{
    assert_int_equal(read_text(*state, ""), TLY_EINVALID_ARGUMENT);
}

static void a_bad_sku_is_told(void **state)
{
    expect_problem(*state, "CO LA,lime,330ml_can,BATCH-20261001-A,,1", "sku", "CO LA");
}

static void a_bad_flavor_is_told(void **state)
{
    expect_problem(*state, "COLA,Lime,330ml_can,BATCH-20261001-A,,1", "flavor", "Lime");
}

static void a_bad_size_is_told(void **state)
{
    expect_problem(*state, "COLA,lime,330,BATCH-20261001-A,,1", "size", "330");
}

static void a_batch_without_a_real_date_is_told(void **state)
{
    expect_problem(*state, "COLA,lime,330ml_can,BATCH-20260230-A,,1", "batch", "BATCH-20260230-A");
}

static void an_expiry_that_is_no_date_is_told(void **state)
{
    expect_problem(*state, "COLA,lime,330ml_can,BATCH-20261001-A,2027-02-30,1", "expires_on",
                   "2027-02-30");
}

static void a_negative_quantity_is_told(void **state)
{
    expect_problem(*state, "COLA,lime,330ml_can,BATCH-20261001-A,,-1", "quantity", "'-1'");
}

static void a_quantity_over_the_limit_is_told(void **state)
{
    expect_problem(*state, "COLA,lime,330ml_can,BATCH-20261001-A,,2147483648", "quantity",
                   "2147483647");
}

static void a_quantity_that_is_no_number_is_told(void **state)
{
    expect_problem(*state, "COLA,lime,330ml_can,BATCH-20261001-A,,12 cans", "quantity", "12 cans");
}

static void an_empty_field_is_told(void **state)
{
    expect_problem(*state, "COLA,,330ml_can,BATCH-20261001-A,,1", "flavor", "is empty");
}

static void a_row_with_too_few_fields_is_told(void **state)
{
    expect_problem(*state, "COLA,lime", "", "has 2 fields, the header has 6");
}

static void a_row_that_is_no_csv_is_told(void **state)
{
    expect_problem(*state, "COLA,li\"me,330ml_can,BATCH-20261001-A,,1", "", "in field 2");
}

static void a_lot_that_stands_twice_is_told_with_both_lines(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,lime,330ml_can,BATCH-20261001-A,,1\n"
                                         "COLA,lime,330ml_can,BATCH-20261001-B,,1\n"
                                         "COLA,lime,33 cl can,BATCH-20261001-A,,2\n"),
                     0);
    assert_int_equal(r->im.bad_count, 1);
    assert_int_equal(r->im.problems[0].line, 4);
    assert_non_null(strstr(r->im.problems[0].text, "in line 2 already"));
}

static void all_bad_rows_are_told_at_once(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,lime,330ml_can,BATCH-20261001-A,,x\n"
                                         "COLA,lime,330ml_can,BATCH-20261001-B,,1\n"
                                         "COLA,lime,huge,BATCH-20261001-C,,2\n"),
                     0);
    assert_int_equal(r->im.bad_count, 2);
    assert_int_equal(r->im.problems[0].line, 2);
    assert_int_equal(r->im.problems[1].line, 4);
}

/* ---- decisions ---- */

static struct import_row *one_row(struct reading *r, int quantity)
{
    char text[256];
    snprintf(text, sizeof(text), HEADER "COLA,lime,330ml_can,BATCH-20261001-A,2027-09-30,%d\n",
             quantity);
    assert_int_equal(read_text(r, text), 0);
    assert_int_equal(r->im.bad_count, 0);
    return &r->im.rows[0];
}

static json_t *lot(const char *batch, const char *expires_on, int on_hand, int reserved,
                   int confirmed)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "flavor", "lime", "size", "330ml_can",
                     "batch", batch, "expires_on", expires_on, "on_hand", on_hand, "reserved",
                     reserved, "confirmed", confirmed);
}

static void decide(struct reading *r, struct import_row *row, json_t *found)
{
    import_decide(&r->im, row, found);
    json_decref(found);
}

static void a_lot_that_the_server_lacks_is_created(void **state)
{
    struct import_row *row = one_row(*state, 10);
    decide(*state, row, NULL);
    assert_int_equal(row->action, IMPORT_CREATE);
}

static void stock_as_it_shall_be_is_unchanged(void **state)
{
    struct import_row *row = one_row(*state, 10);
    decide(*state, row, lot("BATCH-20261001-A", "2027-09-30", 10, 3, 4));
    assert_int_equal(row->action, IMPORT_UNCHANGED);
}

static void on_hand_is_set_whatever_is_held(void **state)
{
    struct import_row *row = one_row(*state, 10);
    decide(*state, row, lot("BATCH-20261001-A", "2027-09-30", 12, 3, 4));
    assert_int_equal(row->action, IMPORT_ADJUST);
    assert_int_equal(row->target, 10);
}

static void available_is_set_on_top_of_what_is_held(void **state)
{
    struct reading *r = *state;
    r->im.mode = IMPORT_AVAILABLE;
    struct import_row *row = one_row(r, 10);
    decide(r, row, lot("BATCH-20261001-A", "2027-09-30", 12, 3, 4));
    assert_int_equal(row->action, IMPORT_ADJUST);
    assert_int_equal(row->target, 17);
}

static void less_on_hand_than_is_held_is_refused(void **state)
{
    struct reading *r = *state;
    struct import_row *row = one_row(r, 6);
    decide(r, row, lot("BATCH-20261001-A", "2027-09-30", 12, 3, 4));
    assert_int_equal(row->action, IMPORT_BAD);
    assert_string_equal(r->im.problems[0].column, "quantity");
}

static void another_expiry_is_refused(void **state)
{
    struct reading *r = *state;
    struct import_row *row = one_row(r, 10);
    decide(r, row, lot("BATCH-20261001-A", "", 10, 0, 0));
    assert_int_equal(row->action, IMPORT_BAD);
    assert_string_equal(r->im.problems[0].column, "expires_on");
}

static void a_lot_of_the_same_key_and_other_dimensions_is_refused(void **state)
{
    struct reading *r = *state;
    struct import_row *row = one_row(r, 10);
    decide(r, row, lot("BATCH-20261001-B", "2027-09-30", 10, 0, 0));
    assert_int_equal(row->action, IMPORT_BAD);
    assert_non_null(strstr(r->im.problems[0].text, "another lot"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_row_is_normalised_and_gets_its_key),
        CASE(columns_may_come_in_any_order_and_without_expiry),
        CASE(an_unknown_column_is_refused_with_the_nearest_name),
        CASE(a_missing_column_is_refused),
        CASE(a_column_that_is_there_twice_is_refused),
        CASE(an_empty_file_is_refused),
        CASE(a_bad_sku_is_told),
        CASE(a_bad_flavor_is_told),
        CASE(a_bad_size_is_told),
        CASE(a_batch_without_a_real_date_is_told),
        CASE(an_expiry_that_is_no_date_is_told),
        CASE(a_negative_quantity_is_told),
        CASE(a_quantity_over_the_limit_is_told),
        CASE(a_quantity_that_is_no_number_is_told),
        CASE(an_empty_field_is_told),
        CASE(a_row_with_too_few_fields_is_told),
        CASE(a_row_that_is_no_csv_is_told),
        CASE(a_lot_that_stands_twice_is_told_with_both_lines),
        CASE(all_bad_rows_are_told_at_once),
        CASE(a_lot_that_the_server_lacks_is_created),
        CASE(stock_as_it_shall_be_is_unchanged),
        CASE(on_hand_is_set_whatever_is_held),
        CASE(available_is_set_on_top_of_what_is_held),
        CASE(less_on_hand_than_is_held_is_refused),
        CASE(another_expiry_is_refused),
        CASE(a_lot_of_the_same_key_and_other_dimensions_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
