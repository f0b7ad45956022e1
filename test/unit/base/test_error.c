#include "fixture.h"

#include <string.h>

#include "base/error.h"

static void every_code_has_its_own_number_and_a_name(void **state)
{
    (void)state;
    static const int codes[] = {
#define X(name, number, http, grpc, retry, text) TLY_E##name,
        TLY_ERRORS(X)
#undef X
#define X(name, number, shown, text) TLY_E##name,
            TLY_INTERNAL_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_true(codes[i] < 0);
        assert_true(strlen(error_name(codes[i])) > 0);
        assert_true(strlen(error_text(codes[i])) > 0);
        assert_in_range(error_http(codes[i]), 400, 599);
        assert_in_range(error_grpc(codes[i]), 1, 16);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
            assert_string_not_equal(error_name(codes[i]), error_name(codes[j]));
        }
    }
}

static void the_public_contract_stands(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *name;
        int http, grpc;
    } contract[] = {
        {TLY_EINVALID_ARGUMENT, "INVALID_ARGUMENT", 400, 3},
        {TLY_ENOT_FOUND, "NOT_FOUND", 404, 5},
        {TLY_ESOLD_OUT, "SOLD_OUT", 409, 9},
        {TLY_EINVALID_TRANSITION, "INVALID_TRANSITION", 409, 9},
        {TLY_EALREADY_EXISTS, "ALREADY_EXISTS", 409, 6},
        {TLY_EORDER_MISMATCH, "ORDER_MISMATCH", 422, 3},
        {TLY_EVERSION_MISMATCH, "VERSION_MISMATCH", 409, 10},
        {TLY_ELIMIT_EXCEEDED, "LIMIT_EXCEEDED", 429, 8},
        {TLY_ENOT_ADMITTED, "NOT_ADMITTED", 409, 9},
        {TLY_EOVERLOADED, "OVERLOADED", 503, 14},
        {TLY_EUNAVAILABLE, "UNAVAILABLE", 503, 14},
        {TLY_EOUTCOME_UNKNOWN, "OUTCOME_UNKNOWN", 504, 4},
    };
    for (size_t i = 0; i < sizeof contract / sizeof contract[0]; i++) {
        assert_string_equal(error_name(contract[i].code), contract[i].name);
        assert_int_equal(error_http(contract[i].code), contract[i].http);
        assert_int_equal(error_grpc(contract[i].code), contract[i].grpc);
    }
}

static void success_is_200_and_0(void **state)
{
    (void)state;
    assert_int_equal(error_http(0), 200);
    assert_int_equal(error_grpc(0), 0);
}

static void a_code_that_is_not_public_is_shown_as_one_that_is(void **state)
{
    (void)state;
    static const struct {
        int code, shown;
    } rows[] = {
#define X(name, number, http, grpc, retry, text) {TLY_E##name, TLY_E##name},
        TLY_ERRORS(X)
#undef X
#define X(name, number, shown, text) {TLY_E##name, TLY_E##shown},
            TLY_INTERNAL_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(error_public(rows[i].code), rows[i].shown);
        assert_int_equal(error_public(rows[i].shown), rows[i].shown);
        assert_int_equal(error_http(rows[i].code), error_http(rows[i].shown));
        assert_int_equal(error_grpc(rows[i].code), error_grpc(rows[i].shown));
        assert_true(error_passes(rows[i].code) == error_passes(rows[i].shown));
    }
    assert_int_equal(error_public(TLY_ENO_MEMORY), TLY_EOVERLOADED);
    assert_int_equal(error_public(TLY_EIO), TLY_EINTERNAL);
    assert_int_equal(error_public(-9999), TLY_EINTERNAL);
    assert_int_equal(error_public(0), 0);
}

static void only_what_passes_is_worth_sending_again(void **state)
{
    (void)state;
    static const int codes[] = {
#define X(name, number, http, grpc, retry, text) TLY_E##name,
        TLY_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_true(error_passes(codes[i]) ==
                    (codes[i] == TLY_EOVERLOADED || codes[i] == TLY_EUNAVAILABLE));
    assert_false(error_passes(0));
}

static void an_unknown_number_is_an_internal_error(void **state)
{
    (void)state;
    assert_string_equal(error_name(-9999), "INTERNAL");
    assert_int_equal(error_http(12), 500);
}

static void setting_an_error_returns_its_code_and_keeps_its_text(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(error_set(&e, TLY_EFULL, "lots_max", "%d lots are enough", 3), TLY_EFULL);
    assert_int_equal(e.code, TLY_EFULL);
    assert_string_equal(e.field, "lots_max");
    assert_string_equal(e.text, "3 lots are enough");
    assert_int_equal(error_set(NULL, TLY_EIO, NULL, "nobody listens"), TLY_EIO);
}

static void long_texts_are_cut_at_their_room(void **state)
{
    (void)state;
    struct error e;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    (void)error_set(&e, TLY_EIO, text, "%s", text);
    assert_int_equal(strlen(e.field), ERROR_FIELD_MAX - 1);
    assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_number_and_a_name),
        cmocka_unit_test(the_public_contract_stands),
        cmocka_unit_test(success_is_200_and_0),
        cmocka_unit_test(a_code_that_is_not_public_is_shown_as_one_that_is),
        cmocka_unit_test(only_what_passes_is_worth_sending_again),
        cmocka_unit_test(an_unknown_number_is_an_internal_error),
        cmocka_unit_test(setting_an_error_returns_its_code_and_keeps_its_text),
        cmocka_unit_test(long_texts_are_cut_at_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
