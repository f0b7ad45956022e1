/* The rules of values, each at both of its edges. */
#include "fixture.h"

#include "service/lot_key.h"
#include "service/rules.h"

#define TEXT_64 "0123456789012345678901234567890123456789012345678901234567890123"

static void size_is(const char *in, const char *want)
{
    char out[SIZE_MAX_BYTES + 1];
    struct error e;
    int code = rule_size(str_of(in), "size", out, &e);
    if (!want) {
        assert_int_equal(code, TLY_EINVALID_ARGUMENT);
        assert_string_equal(e.field, "size");
        return;
    }
    assert_int_equal(code, 0);
    assert_string_equal(out, want);
}

static void sizes_are_normalised(void **state)
{
    (void)state;
    size_is("330ml_can", "330ml_can");
    size_is("0.33 L can", "330ml_can");
    size_is("0,33l-Can", "330ml_can");
    size_is("33 cl  can", "330ml_can");
    size_is("1,5L bottle", "1500ml_bottle");
    size_is("5dl glass", "500ml_glass");
    size_is("0.5 hl keg", "50000ml_keg");
    size_is("1.25 kg bag", "1250g_bag");
    size_is("6 pcs box", "6pcs_box");
    size_is("1pc glass", "1pcs_glass");
    size_is("0.0001 hl can", "10ml_can");
}

static void sizes_that_do_not_fit_the_grammar_are_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"",
                                 "can",
                                 "330",
                                 "330ml",
                                 "330ml_",
                                 "ml_can",
                                 "330xl_can",
                                 "330mlcan",
                                 "-5ml_can",
                                 "0ml_can",
                                 "0.5ml_can",
                                 "1..5l can",
                                 "1.l can",
                                 ".5l can",
                                 "330ml_can!",
                                 "330ml_c n",
                                 "0.3333l can",
                                 "99999999ml_can",
                                 "330ml 1can",
                                 "1e3ml_can",
                                 "330ml_k\xC3\xA4se",
                                 "330 ml_abcdefghijklmnopqrstuvwxyzabcdef"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        size_is(wrong[i], NULL);
}

static void a_normalised_size_stays_what_it_is(void **state)
{
    char once[SIZE_MAX_BYTES + 1], twice[SIZE_MAX_BYTES + 1];
    (void)state;
    assert_int_equal(rule_size(STR("1,75 L Bottle2"), "size", once, NULL), 0);
    assert_int_equal(rule_size(str_of(once), "size", twice, NULL), 0);
    assert_string_equal(once, twice);
}

static void batches_have_a_real_date(void **state)
{
    struct error e;
    (void)state;
    assert_int_equal(rule_batch(STR("BATCH-20261122-A"), "batch", &e), 0);
    assert_int_equal(rule_batch(STR("BATCH-20240229-Z"), "batch", &e), 0);
    const char *const wrong[] = {"BATCH-20260229-A", "BATCH-20261301-A", "BATCH-20261100-A",
                                 "BATCH-20261132-A", "BATCH-20261122-a", "BATCH-20261122-",
                                 "batch-20261122-A", "BATCH-2026112-AA", "BATCH-20261122-AB",
                                 "BATCH-19691231-A", "BATCH-2026-1122A", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rule_batch(str_of(wrong[i]), "batch", &e), TLY_EINVALID_ARGUMENT);
}

static void dates_are_days_since_1970(void **state)
{
    int32_t days = -1;
    struct error e;
    char text[DATE_SIZE];
    (void)state;
    assert_int_equal(rule_date(STR("1970-01-01"), "expires_on", &days, &e), 0);
    assert_int_equal(days, 0);
    assert_int_equal(rule_date(STR("2000-02-29"), "expires_on", &days, &e), 0);
    assert_int_equal(days, 11016);
    assert_int_equal(rule_date(STR("9999-12-31"), "expires_on", &days, &e), 0);
    assert_int_equal(days, 2932896);
    const char *const wrong[] = {"2026-02-30", "2026-2-3",   "26-02-03", "2026/02/03",
                                 "2100-02-29", "1969-12-31", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rule_date(str_of(wrong[i]), "d", &days, &e), TLY_EINVALID_ARGUMENT);
    for (int32_t day = 0; day < 60000; day++) {
        int32_t back;
        date_format(day, text);
        assert_int_equal(rule_date(str_of(text), "d", &back, NULL), 0);
        assert_int_equal(back, day);
    }
}

static void ids_are_1_to_64_bytes_without_control_characters(void **state)
{
    struct error e;
    (void)state;
    assert_int_equal(rule_text(STR(TEXT_64), 64, "order_id", &e), 0);
    assert_int_equal(rule_text(STR("caf\xC3\xA9 \xE2\x82\xAC \xC2\xA0"), 64, "order_id", &e), 0);
    assert_int_equal(rule_text(STR(TEXT_64 "5"), 64, "order_id", &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.text, "order_id: must be 1 to 64 bytes, is 65");
    assert_int_equal(rule_text(STR(""), 64, "order_id", &e), TLY_EINVALID_ARGUMENT);
    const char *const controls[] = {"\n", "\x1f", "\x7f", "\xC2\x80", "\xC2\x9f", "\t"};
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        for (size_t at = 0; at < 20; at++) {
            char text[32] = "abcdefghijklmnopqrstuvwx";
            memcpy(text + at, controls[i], strlen(controls[i]));
            assert_int_equal(rule_text(str_of(text), 64, "order_id", &e), TLY_EINVALID_ARGUMENT);
        }
    }
}

static void skus_and_lot_keys_have_their_form(void **state)
{
    struct error e;
    (void)state;
    assert_int_equal(rule_sku(STR("LEMONADE-CLASSIC_1.5"), "sku", &e), 0);
    assert_int_equal(rule_sku(STR("9"), "sku", &e), 0);
    const char *const skus[] = {"", "-a", "a b", "a#b", "\xC3\xA9", TEXT_64 "5"};
    for (size_t i = 0; i < sizeof skus / sizeof skus[0]; i++)
        assert_int_equal(rule_sku(str_of(skus[i]), "sku", &e), TLY_EINVALID_ARGUMENT);
    assert_int_equal(rule_lot_key(STR("cola#0123abcf"), "lot", &e), 0);
    assert_int_equal(rule_lot_key(STR(TEXT_64 "#0123abcf"), "lot", &e), 0);
    const char *const keys[] = {"",
                                "cola",
                                "cola#",
                                "#0123abcf",
                                "cola#0123ABCF",
                                "cola#0123abc",
                                "cola#0123abcg",
                                "co#la#0123abcf",
                                "cola#0123abcff"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(rule_lot_key(str_of(keys[i]), "lot", &e), TLY_EINVALID_ARGUMENT);
}

static void flavors_are_lower_case_words(void **state)
{
    struct error e;
    (void)state;
    assert_int_equal(rule_flavor(STR("blood-orange_2"), "flavor", &e), 0);
    const char *const wrong[] = {"",      "Lime", "2lime",
                                 "lime-", "a--b", "a_-b",
                                 "a b",   "-a",   "abcdefghijklmnopqrstuvwxyzabcdefg"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rule_flavor(str_of(wrong[i]), "flavor", &e), TLY_EINVALID_ARGUMENT);
    assert_int_equal(rule_flavor_allowed(STR("lime"), STR(""), "flavor", &e), 0);
    assert_int_equal(rule_flavor_allowed(STR("lime"), STR("cherry, lime"), "flavor", &e), 0);
    assert_int_equal(rule_flavor_allowed(STR("lim"), STR("cherry,lime"), "flavor", &e),
                     TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.text, "flavor: must be one of cherry,lime, is \"lim\"");
}

static void quantities_are_bounded(void **state)
{
    struct error e;
    (void)state;
    assert_int_equal(rule_quantity(1, 1, "quantity", &e), 0);
    assert_int_equal(rule_quantity(INT32_MAX, 1, "quantity", &e), 0);
    assert_int_equal(rule_quantity(0, 0, "quantity", &e), 0);
    assert_int_equal(rule_quantity(0, 1, "lines[0].quantity", &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.text, "lines[0].quantity: must be 1 to 2147483647, is 0");
    assert_string_equal(e.field, "lines[0].quantity");
    assert_int_equal(rule_quantity(INT64_C(2147483648), 1, "q", &e), TLY_EINVALID_ARGUMENT);
    assert_int_equal(rule_quantity(INT64_MIN, 0, "q", &e), TLY_EINVALID_ARGUMENT);
}

static void a_lot_key_is_the_sku_and_8_digits_of_md5(void **state)
{
    char key[LOT_KEY_MAX + 1];
    (void)state;
    /* printf 'lime|330ml_can|BATCH-20261122-A' | md5sum */
    size_t len =
        lot_key_make(STR("cola"), STR("lime"), STR("330ml_can"), STR("BATCH-20261122-A"), key);
    assert_string_equal(key, "cola#31c660f9");
    assert_int_equal(len, strlen(key));
    assert_int_equal(rule_lot_key(str_of(key), "lot", NULL), 0);
}

static void a_long_wrong_value_is_cut_between_characters(void **state)
{
    struct error e;
    char text[400];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    assert_int_equal(rule_sku((struct str){text, sizeof text - 1}, "sku", &e),
                     TLY_EINVALID_ARGUMENT);
    assert_true(strlen(e.text) < ERROR_TEXT_MAX);
    assert_string_equal(e.text + strlen(e.text) - 3, "\xC3\xA9\"");
}

static struct str free_text(const char *in)
{
    struct str out = {0};
    struct error e;
    return rule_free(str_of(in), "size", &out, &e) ? (struct str){0} : out;
}

static void free_dimensions_are_compared_without_the_spaces_around_them(void **state)
{
    (void)state;
    static const char *const same[] = {"42 \xC2\xBD", "  42 \xC2\xBD ", "\t42 \xC2\xBD\r\n",
                                       "\xE3\x80\x80"
                                       "42 \xC2\xBD\xC2\xA0",
                                       "\xEF\xBB\xBF"
                                       "42 \xC2\xBD"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_true(str_equal(free_text(same[i]), STR("42 \xC2\xBD")));
    assert_true(str_equal(free_text("a  b"), STR("a  b")));
    assert_true(str_equal(free_text("\xE6\xB7\xB1\xE8\x93\x9D"), STR("\xE6\xB7\xB1\xE8\x93\x9D")));
}

static void free_dimensions_are_1_to_64_bytes_that_can_be_seen(void **state)
{
    (void)state;
    char longest[80];
    memset(longest, 'x', sizeof longest);
    longest[64] = 0;
    assert_int_equal(free_text(longest).len, 64);
    longest[64] = 'x';
    longest[65] = 0;
    static const char *const wrong[] = {"",
                                        "  ",
                                        "\xE3\x80\x80",
                                        "a|b",
                                        "|",
                                        "a\tb",
                                        "a\x7F",
                                        "a\xC2\x85z",
                                        "a\xE2\x80\x8B",
                                        "\xE2\x80\xAEtxt",
                                        "a\xEF\xBB\xBFz",
                                        "a\xE2\x81\xA0z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(free_text(wrong[i]).len, 0);
    assert_int_equal(free_text(longest).len, 0);
    assert_int_equal(free_text("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB").len, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_normalised),
        cmocka_unit_test(free_dimensions_are_compared_without_the_spaces_around_them),
        cmocka_unit_test(free_dimensions_are_1_to_64_bytes_that_can_be_seen),
        cmocka_unit_test(sizes_that_do_not_fit_the_grammar_are_refused),
        cmocka_unit_test(a_normalised_size_stays_what_it_is),
        cmocka_unit_test(batches_have_a_real_date),
        cmocka_unit_test(dates_are_days_since_1970),
        cmocka_unit_test(ids_are_1_to_64_bytes_without_control_characters),
        cmocka_unit_test(skus_and_lot_keys_have_their_form),
        cmocka_unit_test(flavors_are_lower_case_words),
        cmocka_unit_test(quantities_are_bounded),
        cmocka_unit_test(a_lot_key_is_the_sku_and_8_digits_of_md5),
        cmocka_unit_test(a_long_wrong_value_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
