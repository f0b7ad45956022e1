#include "fixture.h"

#include <string.h>

#include "loadgen/audit_internal.h"

enum { ID = 77, UNITS = 3 };

/* An order that was acknowledged, and an answer that shows it as it should be. */
struct scene {
    struct order_case order;
    struct answer answer;
    struct order_verdict verdict;
};

static struct scene scene_of(enum order_fate fate, enum order_step step, enum hold_status shown)
{
    return (struct scene){
        .order = {.entry = {.reservation_id = step >= ORDER_HELD ? ID : 0, .step = (uint8_t)step},
                  .plan = {.lot = 0, .quantity = UNITS, .hold_ms = 1000, .fate = fate},
                  .expiry_is_awaited = true},
        .answer = {.code = ANSWER_OK,
                   .reservation_id = ID,
                   .status = shown,
                   .quantity = UNITS,
                   .lines = 1,
                   .lot_matches = true,
                   .reserve_moves = 1},
    };
}

static void judge(struct scene *s)
{
    audit_judge_order(&s->order, &s->answer, &s->verdict);
}

static void assert_right(struct scene *s)
{
    judge(s);
    assert_false(s->verdict.again || s->verdict.lost || s->verdict.duplicated);
    assert_int_equal(s->verdict.undersold, 0);
    assert_string_equal(s->verdict.text, "");
    enum hold_status shown = s->answer.status;
    assert_int_equal(s->verdict.pending, shown == HOLD_PENDING ? UNITS : 0);
    assert_int_equal(s->verdict.confirmed, shown == HOLD_CONFIRMED ? UNITS : 0);
}

static void assert_lost(struct scene *s)
{
    judge(s);
    assert_true(s->verdict.lost && !s->verdict.duplicated && !s->verdict.undersold);
    assert_true(s->verdict.text[0]);
}

static void assert_undersold(struct scene *s)
{
    judge(s);
    assert_int_equal(s->verdict.undersold, UNITS);
    assert_true(!s->verdict.lost && !s->verdict.duplicated && s->verdict.text[0]);
}

static void an_order_in_the_state_that_was_acknowledged_is_right(void **state)
{
    (void)state;
    struct scene all[] = {
        scene_of(FATE_KEEP, ORDER_HELD, HOLD_PENDING),
        scene_of(FATE_PAY, ORDER_HELD, HOLD_PENDING),
        scene_of(FATE_CANCEL, ORDER_HELD, HOLD_PENDING),
        scene_of(FATE_PAY, ORDER_CONFIRMED, HOLD_CONFIRMED),
        scene_of(FATE_RETURN, ORDER_CONFIRMED, HOLD_CONFIRMED),
        scene_of(FATE_CANCEL, ORDER_REFUNDED, HOLD_REFUNDED),
        scene_of(FATE_RETURN, ORDER_REFUNDED, HOLD_REFUNDED),
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        assert_right(&all[i]);
}

static void an_order_that_is_not_there_is_lost_if_it_was_acknowledged(void **state)
{
    (void)state;
    for (int step = ORDER_SENT; step <= ORDER_REFUNDED; step++) {
        struct scene s = scene_of(FATE_KEEP, (enum order_step)step, HOLD_NONE);
        s.answer = (struct answer){.code = ANSWER_NOT_FOUND};
        judge(&s);
        assert_int_equal(s.verdict.lost, step >= ORDER_HELD);
        assert_int_equal(s.verdict.pending + s.verdict.confirmed, 0);
    }
}

static void what_the_run_noticed_itself_is_not_counted_again(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_NONE);
    s.order.entry.denied = true;
    s.answer = (struct answer){.code = ANSWER_NOT_FOUND};
    judge(&s);
    assert_false(s.verdict.lost);
    s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_PENDING);
    s.order.entry.twice = true;
    s.answer.reservation_id = ID + 1;
    judge(&s);
    assert_true(!s.verdict.duplicated && s.verdict.spare == 0);
}

static void another_reservation_or_a_second_reserve_is_a_duplicate(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_PENDING);
    s.answer.reservation_id = ID + 1;
    judge(&s);
    assert_true(s.verdict.duplicated && !s.verdict.lost && s.verdict.spare == UNITS);
    s = scene_of(FATE_PAY, ORDER_CONFIRMED, HOLD_CONFIRMED);
    s.answer.reserve_moves = 2;
    judge(&s);
    assert_true(s.verdict.duplicated && !s.verdict.lost && s.verdict.spare == UNITS);
    s.answer.reserve_moves = 0;
    assert_lost(&s);
}

static void other_units_than_were_ordered_are_a_loss(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_PENDING);
    s.answer.quantity = UNITS - 1;
    assert_lost(&s);
    assert_int_equal(s.verdict.pending, UNITS - 1);
    s.answer.quantity = UNITS;
    s.answer.lines = 2;
    assert_lost(&s);
    s.answer.lines = 1;
    s.answer.lot_matches = false;
    assert_lost(&s);
}

static void a_hold_may_expire_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_REFUNDED);
    s.answer.expired = true;
    assert_lost(&s);
    s.order.may_have_expired = true;
    assert_right(&s);
    s = scene_of(FATE_EXPIRE, ORDER_HELD, HOLD_REFUNDED);
    s.answer.expired = true;
    assert_lost(&s);
    s.order.may_have_expired = true;
    assert_right(&s);
}

static void a_hold_that_is_to_expire_is_waited_for_and_then_counted(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_EXPIRE, ORDER_HELD, HOLD_PENDING);
    judge(&s);
    assert_true(s.verdict.again);
    s.order.must_have_expired = true;
    assert_undersold(&s);
    assert_int_equal(s.verdict.pending, UNITS);
    s.order.must_have_expired = s.order.expiry_is_awaited = false;
    assert_right(&s);
    s = scene_of(FATE_EXPIRE, ORDER_SENT, HOLD_PENDING);
    judge(&s);
    assert_true(s.verdict.again);
}

static void a_step_that_nobody_asked_for_is_told(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_CONFIRMED);
    assert_undersold(&s);
    s = scene_of(FATE_CANCEL, ORDER_HELD, HOLD_CONFIRMED);
    s.order.entry.in_doubt = true;
    assert_undersold(&s);
    s = scene_of(FATE_KEEP, ORDER_HELD, HOLD_REFUNDED);
    assert_lost(&s);
    s = scene_of(FATE_PAY, ORDER_HELD, HOLD_REFUNDED);
    s.order.entry.in_doubt = true;
    assert_lost(&s);
}

static void a_payment_that_was_acknowledged_is_kept(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_PAY, ORDER_CONFIRMED, HOLD_PENDING);
    assert_lost(&s);
    s = scene_of(FATE_PAY, ORDER_CONFIRMED, HOLD_REFUNDED);
    assert_lost(&s);
    s.answer.expired = s.order.may_have_expired = true;
    assert_lost(&s);
    s = scene_of(FATE_RETURN, ORDER_CONFIRMED, HOLD_REFUNDED);
    assert_lost(&s);
}

static void a_cancellation_that_was_acknowledged_holds_nothing(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_CANCEL, ORDER_REFUNDED, HOLD_PENDING);
    assert_undersold(&s);
    s = scene_of(FATE_RETURN, ORDER_REFUNDED, HOLD_CONFIRMED);
    assert_undersold(&s);
}

static void a_refused_order_holds_nothing(void **state)
{
    (void)state;
    struct scene s = scene_of(FATE_KEEP, ORDER_REFUSED, HOLD_PENDING);
    assert_undersold(&s);
    s = scene_of(FATE_KEEP, ORDER_REFUSED, HOLD_CONFIRMED);
    assert_undersold(&s);
    s = scene_of(FATE_KEEP, ORDER_REFUSED, HOLD_REFUNDED);
    assert_right(&s);
    s = scene_of(FATE_KEEP, ORDER_REFUSED, HOLD_NONE);
    s.answer = (struct answer){.code = ANSWER_NOT_FOUND};
    assert_right(&s);
}

static void in_doubt_both_outcomes_are_right(void **state)
{
    (void)state;
    struct scene all[] = {
        scene_of(FATE_KEEP, ORDER_SENT, HOLD_PENDING),
        scene_of(FATE_KEEP, ORDER_SENT, HOLD_REFUNDED),
        scene_of(FATE_PAY, ORDER_HELD, HOLD_PENDING),
        scene_of(FATE_PAY, ORDER_HELD, HOLD_CONFIRMED),
        scene_of(FATE_RETURN, ORDER_HELD, HOLD_CONFIRMED),
        scene_of(FATE_CANCEL, ORDER_HELD, HOLD_PENDING),
        scene_of(FATE_CANCEL, ORDER_HELD, HOLD_REFUNDED),
        scene_of(FATE_RETURN, ORDER_CONFIRMED, HOLD_CONFIRMED),
        scene_of(FATE_RETURN, ORDER_CONFIRMED, HOLD_REFUNDED),
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        all[i].order.entry.in_doubt = true;
        assert_true(order_in_doubt(&all[i].order.entry));
        assert_right(&all[i]);
    }
    struct order_entry unused = {.in_doubt = true};
    assert_false(order_in_doubt(&unused));
}

/* ---- lots ---- */

static struct lot_verdict verdict;

/* A lot of 100 that was empty of orders before the run. */
static struct lot_account account_of(int64_t reserved, int64_t confirmed)
{
    return (struct lot_account){
        .pending = reserved,
        .confirmed = confirmed,
        .end = {.on_hand = 100,
                .reserved = reserved,
                .confirmed = confirmed,
                .available = 100 - reserved - confirmed},
        .read = true,
    };
}

static void assert_lot(const struct lot_account *account, int64_t peak, int64_t oversold,
                       int64_t undersold)
{
    const struct lot_stock begin = {.on_hand = 100, .available = 100};
    audit_judge_lot(&begin, account, peak, true, &verdict);
    assert_int_equal(verdict.oversold, oversold);
    assert_int_equal(verdict.undersold, undersold);
    assert_int_equal(verdict.over_text[0] != '\0', oversold > 0);
    assert_int_equal(verdict.under_text[0] != '\0', undersold > 0);
}

static void a_lot_that_counts_what_the_orders_hold_is_right(void **state)
{
    (void)state;
    struct lot_account a = account_of(30, 50);
    assert_lot(&a, 100, 0, 0);
    a = account_of(0, 100);
    assert_lot(&a, 100, 0, 0);
}

static void more_held_than_there_is_is_oversold_however_it_shows(void **state)
{
    (void)state;
    struct lot_account a = account_of(60, 47);
    assert_lot(&a, 0, 7, 0);
    a.end.reserved = 53; /* the counters stop at on_hand */
    a.end.available = 0;
    assert_lot(&a, 0, 7, 0);
    a = account_of(10, 10); /* it was so in between */
    assert_lot(&a, 104, 4, 0);
    a = account_of(60, 47); /* all of these at once are about the same units */
    a.end.reserved = 50;
    a.end.available = 3;
    assert_lot(&a, 105, 10, 0);
}

static void units_that_no_order_holds_are_undersold(void **state)
{
    (void)state;
    struct lot_account a = account_of(30, 50);
    a.pending = 26;
    assert_lot(&a, 0, 0, 4);
    a = account_of(30, 50);
    a.end.available = 15;
    assert_lot(&a, 0, 0, 5);
    a.end.available = 25;
    assert_lot(&a, 0, 5, 0);
}

static void units_of_the_wrong_kind_are_told(void **state)
{
    (void)state;
    struct lot_account a = account_of(30, 50);
    a.end.reserved = 32;
    a.end.confirmed = 48;
    assert_lot(&a, 0, 0, 2);
}

static void a_second_reservation_that_is_counted_as_such_is_no_stranded_unit(void **state)
{
    (void)state;
    struct lot_account a = account_of(30, 50);
    a.pending = 28;
    a.spare = 2;
    assert_lot(&a, 0, 0, 0);
    a.end.reserved = 28; /* and it need not hold anything */
    a.end.available = 22;
    assert_lot(&a, 0, 0, 0);
}

static void holds_that_may_have_expired_may_be_counted_or_not(void **state)
{
    (void)state;
    struct lot_account a = account_of(20, 0);
    a.pending = 15;
    a.perhaps = 10;
    assert_lot(&a, 0, 0, 0);
    const struct lot_stock begin = {
        .on_hand = 100, .reserved = 10, .confirmed = 5, .available = 85};
    a = account_of(8, 5);
    a.pending = 8;
    a.confirmed = 0;
    audit_judge_lot(&begin, &a, 0, true, &verdict); /* the ten from before are gone */
    assert_int_equal(verdict.oversold + verdict.undersold, 0);
    a = account_of(3, 5);
    a.pending = 8;
    a.confirmed = 0;
    audit_judge_lot(&begin, &a, 0, true, &verdict);
    assert_int_equal(verdict.oversold, 5);
    audit_judge_lot(&begin, &a, 0, false, &verdict); /* so may those of the run be */
    assert_int_equal(verdict.oversold + verdict.undersold, 0);
}

static void stock_that_others_adjusted_is_no_finding(void **state)
{
    (void)state;
    struct lot_account a = account_of(30, 50);
    a.end.on_hand = 120;
    a.end.available = 40;
    assert_lot(&a, 115, 0, 0);
    assert_true(verdict.adjusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_in_the_state_that_was_acknowledged_is_right),
        cmocka_unit_test(an_order_that_is_not_there_is_lost_if_it_was_acknowledged),
        cmocka_unit_test(what_the_run_noticed_itself_is_not_counted_again),
        cmocka_unit_test(another_reservation_or_a_second_reserve_is_a_duplicate),
        cmocka_unit_test(other_units_than_were_ordered_are_a_loss),
        cmocka_unit_test(a_hold_may_expire_at_its_deadline_and_not_before),
        cmocka_unit_test(a_hold_that_is_to_expire_is_waited_for_and_then_counted),
        cmocka_unit_test(a_step_that_nobody_asked_for_is_told),
        cmocka_unit_test(a_payment_that_was_acknowledged_is_kept),
        cmocka_unit_test(a_cancellation_that_was_acknowledged_holds_nothing),
        cmocka_unit_test(a_refused_order_holds_nothing),
        cmocka_unit_test(in_doubt_both_outcomes_are_right),
        cmocka_unit_test(a_lot_that_counts_what_the_orders_hold_is_right),
        cmocka_unit_test(more_held_than_there_is_is_oversold_however_it_shows),
        cmocka_unit_test(units_that_no_order_holds_are_undersold),
        cmocka_unit_test(units_of_the_wrong_kind_are_told),
        cmocka_unit_test(a_second_reservation_that_is_counted_as_such_is_no_stranded_unit),
        cmocka_unit_test(holds_that_may_have_expired_may_be_counted_or_not),
        cmocka_unit_test(stock_that_others_adjusted_is_no_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
