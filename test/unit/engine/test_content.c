#include "fixture.h"

#include "shop.h"

#define CAN    "lime#00000001"
#define BOTTLE "lime#00000002"
#define COLA   "lime#00000003"

enum { DAY_2030 = 22000, DAY_2031 = 22365 };

/* The can is sold last though it is older. */
static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot_dims(s, CAN, "lime", "330ml_can", "A", DAY_2031, 10);
    shop_lot_dims(s, BOTTLE, "lime", "500ml_bottle", "A", DAY_2030, 10);
    shop_lot_dims(s, COLA, "cola", "330ml_can", "A", DAY_2030, 10);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

/* One lime, and one can: both could have come from the can's lot. */
static struct ask *lime_and_can(struct shop *s, const char *order_id)
{
    struct ask *a = shop_order(s, order_id);
    shop_want_sku(a, "lime", "lime", "", "", 1);
    shop_want_sku(a, "lime", "", "330ml_can", "", 1);
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static struct ask *by_lots(struct shop *s, const char *order_id)
{
    struct ask *a = shop_order(s, order_id);
    shop_want_lot(a, COLA, 1);
    shop_want_lot(a, BOTTLE, 1);
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static struct ask *by_another_user(struct shop *s, const char *order_id)
{
    struct ask *a = shop_order(s, order_id);
    a->c.reserve.user_id = STR("user-2");
    shop_want_sku(a, "lime", "lime", "", "", 1);
    shop_want_sku(a, "lime", "", "330ml_can", "", 1);
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static void assert_same(const struct ask *a)
{
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_true(a->c.reserve.replayed);
}

/* The refusal shows the stored order, as a retry would. */
static void assert_other(const struct ask *a, bool other_user, const struct ask *retry)
{
    const struct reserve_command *told = &a->c.reserve, *stored = &retry->c.reserve;
    assert_int_equal(a->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(told->other_user, other_user);
    assert_false(told->replayed);
    assert_int_equal(told->reservation_id, stored->reservation_id);
    assert_int_equal(told->state, stored->state);
    assert_int_equal(told->expires_ms, stored->expires_ms);
    assert_int_equal(told->line_count, stored->line_count);
    assert_memory_equal(told->lines, stored->lines, told->line_count * sizeof *told->lines);
}

/* The same answers, whatever became of the order meanwhile. */
static void assert_one_rule(struct shop *s)
{
    struct ask *retry = lime_and_can(s, "k1");
    assert_same(retry);
    assert_int_not_equal(retry->c.reserve.line_count, 0);
    assert_other(by_lots(s, "k1"), false, retry);
    assert_other(by_another_user(s, "k1"), true, retry);
}

static void a_retry_is_judged_by_one_rule_whenever_it_comes(void **state)
{
    struct shop *s = *state;
    struct ask *a = lime_and_can(s, "k1");
    assert_int_equal(a->c.code, 0);
    assert_one_rule(s);
    shop_reopen(s);
    assert_one_rule(s);
    shop_confirm(s, a->c.reserve.reservation_id);
    shop_commit(s);
    assert_one_rule(s);
    shop_reopen(s);
    assert_one_rule(s);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    assert_one_rule(s);
}

static void a_retry_of_a_partly_confirmed_order_is_that_order(void **state)
{
    struct shop *s = *state;
    struct ask *a = lime_and_can(s, "k1");
    const char *confirmed = a->lines[0].lot == 1 ? CAN : BOTTLE;
    shop_confirm_part(s, a->c.reserve.reservation_id, confirmed, 1);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_RELEASE), 1);
    assert_one_rule(s);
}

static void forget_fingerprints(struct shop *s)
{
    for (uint32_t i = 0; i < s->row_count; i++)
        s->rows[i].fingerprint = 0;
    shop_reopen(s);
}

static void an_order_without_a_fingerprint_is_matched_unit_by_unit(void **state)
{
    struct shop *s = *state;
    struct ask *a = lime_and_can(s, "k1");
    forget_fingerprints(s);
    assert_same(lime_and_can(s, "k1"));
    shop_confirm(s, a->c.reserve.reservation_id);
    shop_commit(s);
    assert_same(lime_and_can(s, "k1"));
}

static void a_match_takes_back_what_a_want_got_that_another_one_needs(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_order(s, "k1");
    shop_want_sku(a, "lime", "lime", "", "", 11); /* the bottles, and a can */
    shop_want_sku(a, "lime", "", "330ml_can", "", 7);
    shop_want_lot(a, CAN, 2);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    forget_fingerprints(s);
    struct ask *again = shop_order(s, "k1");
    shop_want_sku(again, "lime", "lime", "", "", 11);
    shop_want_sku(again, "lime", "", "330ml_can", "", 7);
    shop_want_lot(again, CAN, 2);
    shop_send(s, again);
    shop_commit(s);
    assert_same(again);
}

static void an_order_without_a_fingerprint_is_still_told_from_another_one(void **state)
{
    struct shop *s = *state;
    lime_and_can(s, "k1");
    forget_fingerprints(s);
    assert_int_equal(by_another_user(s, "k1")->c.code, TLY_EORDER_MISMATCH);
    struct ask *more = shop_order(s, "k1");
    shop_want_sku(more, "lime", "lime", "", "", 1);
    shop_want_sku(more, "lime", "", "330ml_can", "", 2);
    shop_send(s, more);
    struct ask *fewer = shop_order(s, "k1");
    shop_want_sku(fewer, "lime", "", "330ml_can", "", 1);
    shop_send(s, fewer);
    struct ask *bottles = shop_order(s, "k1");
    shop_want_sku(bottles, "lime", "", "500ml_bottle", "", 2);
    shop_send(s, bottles);
    shop_commit(s);
    assert_int_equal(more->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(fewer->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(bottles->c.code, TLY_EORDER_MISMATCH);
    assert_same(lime_and_can(s, "k1"));
}

static void another_orders_lines_are_told_if_there_is_room_for_all(void **state)
{
    struct shop *s = *state;
    struct ask *first = lime_and_can(s, "k1");
    for (int i = 0; i < 2; i++) { /* while it is in memory, and from its rows */
        struct ask *narrow = shop_order(s, "k1");
        shop_want_lot(narrow, COLA, 1);
        narrow->c.reserve.line_max = 1;
        shop_send(s, narrow);
        shop_commit(s);
        assert_int_equal(narrow->c.code, TLY_EORDER_MISMATCH);
        assert_int_equal(narrow->c.reserve.line_count, 0);
        shop_refund(s, first->c.reserve.reservation_id, REASON_NONE);
        shop_commit(s);
    }
}

static void the_fingerprint_stands_in_the_row_and_is_never_0(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_order(s, "k1");
    shop_want_lot(a, CAN, 1);
    engine_command(s->engine, &a->c); /* its own fingerprint is 0 */
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_last_row(s)->fingerprint, 1);
    struct ask *b = lime_and_can(s, "k2");
    assert_true(shop_last_row(s)->fingerprint == b->c.reserve.fingerprint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        TEST(a_retry_is_judged_by_one_rule_whenever_it_comes),
        TEST(a_retry_of_a_partly_confirmed_order_is_that_order),
        TEST(an_order_without_a_fingerprint_is_matched_unit_by_unit),
        TEST(a_match_takes_back_what_a_want_got_that_another_one_needs),
        TEST(an_order_without_a_fingerprint_is_still_told_from_another_one),
        TEST(another_orders_lines_are_told_if_there_is_room_for_all),
        TEST(the_fingerprint_stands_in_the_row_and_is_never_0),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
