/* Names of calls and answers, and ids made from an order's number. */
#include "fixture.h"

#include <stdbool.h>
#include <string.h>

#include "loadgen/call.h"

static const char run[RUN_ID_SIZE] = "0123456789ab";

static void an_order_id_is_the_run_and_the_number_in_hex(void **state)
{
    char id[ORDER_ID_SIZE - 1];
    (void)state;
    order_id_write(id, run, 42);
    assert_memory_equal(id, "0123456789ab-00000000002a", sizeof id);
    order_id_write(id, run, 0xFEDCBA987654);
    assert_memory_equal(id, "0123456789ab-fedcba987654", sizeof id);
}

static void nothing_is_written_behind_an_id(void **state)
{
    char order[ORDER_ID_SIZE] = {0}, user[USER_ID_SIZE] = {0};
    (void)state;
    order[ORDER_ID_SIZE - 1] = '#';
    user[USER_ID_SIZE - 1] = '#';
    order_id_write(order, run, UINT64_MAX);
    user_id_write(user, UINT64_MAX);
    assert_int_equal(order[ORDER_ID_SIZE - 1], '#');
    assert_int_equal(user[USER_ID_SIZE - 1], '#');
}

static void a_user_is_one_of_100000_buyers_and_always_the_same_for_an_order(void **state)
{
    enum { ORDERS = 100000, BUYERS = 100000 };
    static bool seen[BUYERS];
    unsigned different = 0;
    (void)state;
    for (uint64_t order = 0; order < ORDERS; order++) {
        char id[USER_ID_SIZE] = {0}, again[USER_ID_SIZE] = {0};
        unsigned buyer = 0;
        user_id_write(id, order);
        user_id_write(again, order);
        assert_string_equal(id, again);
        assert_memory_equal(id, "buyer-", 6);
        for (int i = 6; i < USER_ID_SIZE - 1; i++) {
            assert_in_range(id[i], '0', '9');
            buyer = buyer * 10 + (unsigned)(id[i] - '0');
        }
        different += !seen[buyer];
        seen[buyer] = true;
    }
    /* By chance it would be 63 %. */
    assert_in_range(different, BUYERS / 2, BUYERS);
}

static void every_name_that_a_server_says_is_known_by_itself(void **state)
{
    static const enum answer_code said[] = {
        ANSWER_OK,          ANSWER_SOLD_OUT,           ANSWER_LIMIT_EXCEEDED,
        ANSWER_NOT_FOUND,   ANSWER_INVALID_TRANSITION, ANSWER_INVALID_ARGUMENT,
        ANSWER_OVERLOADED,  ANSWER_ALREADY_EXISTS,     ANSWER_ORDER_MISMATCH,
        ANSWER_UNAVAILABLE, ANSWER_OUTCOME_UNKNOWN,    ANSWER_SALE_NOT_OPEN,
        ANSWER_SALE_CLOSED, ANSWER_GROUP_FULL,         ANSWER_GROUP_CLOSED};
    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        const char *name = answer_text(said[i]);
        assert_int_equal(answer_parse(name, strlen(name)), said[i]);
        assert_int_equal(answer_parse(name, strlen(name) - 1), ANSWER_OTHER);
    }
}

static void another_name_is_another_refusal(void **state)
{
    (void)state;
    assert_int_equal(answer_parse("INTERNAL", 8), ANSWER_OTHER);
    assert_int_equal(answer_parse("", 0), ANSWER_OTHER);
    assert_int_equal(answer_parse("sold_out", 8), ANSWER_OTHER);
    assert_int_equal(answer_parse("stream reset", 12), ANSWER_OTHER);
}

static void every_buyer_of_a_sale_has_a_name_of_his_own(void **state)
{
    char id[USER_ID_SIZE] = {0};
    (void)state;
    id[USER_ID_SIZE - 1] = '#';
    buyer_id_write(id, 0x2A00FFFFFF01);
    assert_memory_equal(id, "b2affffff01#", USER_ID_SIZE);
}

static void an_order_in_a_sale_is_of_its_buyer_and_any_other_of_its_number(void **state)
{
    char id[USER_ID_SIZE] = {0}, other[USER_ID_SIZE] = {0};
    struct call call = {.kind = CALL_RESERVE, .order = 7, .buyer = 9};
    (void)state;
    call_user_write(id, &call, 7);
    user_id_write(other, 7);
    assert_string_equal(id, other);
    buyer_id_write(other, 9);
    call.in_sale = true;
    call_user_write(id, &call, 7);
    assert_string_equal(id, other);
    call = (struct call){.kind = CALL_OPEN_GROUP, .order = 7, .buyer = 9};
    call_user_write(id, &call, 7);
    assert_string_equal(id, other);
}

static void refusals_about_stock_are_no_errors(void **state)
{
    (void)state;
    assert_int_equal(answer_group(ANSWER_OK), ANSWER_GROUP_OK);
    assert_int_equal(answer_group(ANSWER_SOLD_OUT), ANSWER_GROUP_REFUSED);
    assert_int_equal(answer_group(ANSWER_LIMIT_EXCEEDED), ANSWER_GROUP_REFUSED);
    for (int c = ANSWER_SOLD_OUT; c < ANSWER_INVALID_ARGUMENT; c++)
        assert_int_equal(answer_group((enum answer_code)c), ANSWER_GROUP_REFUSED);
    for (int c = ANSWER_INVALID_ARGUMENT; c < ANSWER_CODE_COUNT; c++)
        assert_int_equal(answer_group((enum answer_code)c), ANSWER_GROUP_ERROR);
}

static void only_an_answer_that_says_what_was_done_leaves_no_doubt(void **state)
{
    unsigned in_doubt = 0;
    (void)state;
    for (int c = 0; c < ANSWER_CODE_COUNT; c++)
        in_doubt |= (unsigned)answer_in_doubt((enum answer_code)c) << c;
    assert_int_equal(in_doubt, 1u << ANSWER_OUTCOME_UNKNOWN | 1u << ANSWER_OTHER |
                                   1u << ANSWER_MALFORMED | 1u << ANSWER_RESET |
                                   1u << ANSWER_CLOSED | 1u << ANSWER_TIMED_OUT);
}

static void calls_are_named_as_in_the_contract(void **state)
{
    (void)state;
    assert_string_equal(call_text(CALL_RESERVE), "Reserve");
    assert_string_equal(call_text(CALL_GET_ORDER), "GetReservation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_id_is_the_run_and_the_number_in_hex),
        cmocka_unit_test(nothing_is_written_behind_an_id),
        cmocka_unit_test(a_user_is_one_of_100000_buyers_and_always_the_same_for_an_order),
        cmocka_unit_test(every_name_that_a_server_says_is_known_by_itself),
        cmocka_unit_test(another_name_is_another_refusal),
        cmocka_unit_test(every_buyer_of_a_sale_has_a_name_of_his_own),
        cmocka_unit_test(an_order_in_a_sale_is_of_its_buyer_and_any_other_of_its_number),
        cmocka_unit_test(refusals_about_stock_are_no_errors),
        cmocka_unit_test(only_an_answer_that_says_what_was_done_leaves_no_doubt),
        cmocka_unit_test(calls_are_named_as_in_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
