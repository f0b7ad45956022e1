#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "cli/import.h"

#define HEADER "sku,flavor,size,batch,expires_on,quantity\n"

struct reading {
    struct import im;
    struct import_source source;
    struct error e;
    char text[2048];
};

static int setup(void **state)
{
    static struct reading r;
    memset(&r, 0, sizeof(r));
    import_init(&r.im);
    r.im.source = &r.source;
    r.source.file = "test.csv";
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
    struct str str = str_of(r->text);
    struct stock_input input = stock_input_text(&str);
    return import_read(&r->im, &input, &r->e);
}

static void a_good_row_is_normalised_and_gets_its_key(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,lime,0.33 L can,BATCH-20261001-A,2027-09-30,24\n"),
                     0);
    assert_int_equal(r->im.bad_count, 0);
    assert_int_equal(r->im.row_count, 1);
    assert_string_equal(r->im.rows[0].fields[STOCK_size], "330ml_can");
    assert_int_equal(r->im.rows[0].quantity, 24);
    /* echo -n 'lime|330ml_can|BATCH-20261001-A' | md5sum */
    assert_string_equal(r->im.rows[0].key, "COLA#01c74cf6");
    assert_ptr_equal(import_find(&r->im, r->im.rows[0].key), &r->im.rows[0]);
}

static void a_bad_row_is_kept_as_bad_with_all_its_problems(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,Lime,330ml_can,BATCH-20261001-A,,x\n"
                                         "COLA,lime,330ml_can,BATCH-20261001-B,,1\n"
                                         "COLA,li\xFFme,330ml_can,BATCH-20261001-C,,2\n"),
                     0);
    assert_int_equal(r->im.row_count, 3);
    assert_int_equal(r->im.bad_count, 2);
    assert_int_equal(r->im.problem_count, 3);
    assert_string_equal(r->im.problems[0].column, "flavor");
    assert_string_equal(r->im.problems[1].column, "quantity");
    assert_int_equal(r->im.problems[2].line, 4);
    assert_int_equal(r->im.rows[1].action, IMPORT_UNCHANGED);
}

static void a_header_that_is_wrong_is_noted(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavour,size,batch,quantity\n"), 0);
    assert_true(r->im.header_bad);
    assert_non_null(strstr(r->im.problems[0].text, "did you mean flavor"));
}

static void a_file_without_rows_is_noted(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, ""), TLY_EINVALID_ARGUMENT);
    assert_true(r->im.header_bad);
    assert_int_equal(r->im.problem_count, 1);
}

static void all_rows_of_a_lot_that_stands_twice_are_bad(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, HEADER "COLA,lime,330ml_can,BATCH-20261001-A,,1\n"
                                         "COLA,lime,330ml_can,BATCH-20261001-B,,1\n"
                                         "COLA,lime,33 cl can,BATCH-20261001-A,,2\n"
                                         "COLA,lime,330ml_can,BATCH-20261001-A,,x\n"),
                     0);
    assert_int_equal(r->im.bad_count, 3);
    assert_int_equal(r->im.rows[0].action, IMPORT_BAD);
    assert_int_equal(r->im.rows[1].action, IMPORT_UNCHANGED);
    assert_int_equal(r->im.rows[2].action, IMPORT_BAD);
    assert_int_equal(r->im.problems[0].line, 2);
    assert_non_null(strstr(r->im.problems[0].text, "stands in line 4, too, and in others"));
    assert_non_null(strstr(r->im.problems[1].text, "stands in line 2, too"));
}

static void a_row_that_does_not_name_all_dimensions_has_no_key_yet(void **state)
{
    struct reading *r = *state;
    r->source.existing_only = true;
    assert_int_equal(read_text(r, "sku,quantity\nCOLA,3\n"), 0);
    assert_int_equal(r->im.bad_count, 0);
    assert_int_equal(r->im.sku_count, 1);
    assert_null(r->im.rows[0].fields[STOCK_flavor]);
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

static void what_the_file_does_not_say_stays_as_it_is(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavor,size,batch\nCOLA,lime,330ml_can,BATCH-20261001-A\n"),
                     0);
    decide(r, &r->im.rows[0], lot("BATCH-20261001-A", "2027-09-30", 12, 3, 4));
    assert_int_equal(r->im.rows[0].action, IMPORT_UNCHANGED);
}

static void a_new_lot_needs_a_quantity(void **state)
{
    struct reading *r = *state;
    assert_int_equal(read_text(r, "sku,flavor,size,batch\nCOLA,lime,330ml_can,BATCH-20261001-A\n"),
                     0);
    decide(r, &r->im.rows[0], NULL);
    assert_int_equal(r->im.rows[0].action, IMPORT_BAD);
}

static void a_lot_that_the_server_lacks_may_be_passed_over(void **state)
{
    struct reading *r = *state;
    r->source.existing_only = true;
    struct import_row *row = one_row(r, 10);
    decide(r, row, NULL);
    assert_int_equal(row->action, IMPORT_SKIPPED);
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
        CASE(a_bad_row_is_kept_as_bad_with_all_its_problems),
        CASE(a_header_that_is_wrong_is_noted),
        CASE(a_file_without_rows_is_noted),
        CASE(all_rows_of_a_lot_that_stands_twice_are_bad),
        CASE(a_row_that_does_not_name_all_dimensions_has_no_key_yet),
        CASE(what_the_file_does_not_say_stays_as_it_is),
        CASE(a_new_lot_needs_a_quantity),
        CASE(a_lot_that_the_server_lacks_may_be_passed_over),
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
