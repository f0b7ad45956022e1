/* Many reservations are confirmed, or none of them. */
#include "fixture.h"

#include <string.h>

#include "shop.h"

#define COLA "cola#00000001"

enum { ORDERS = 3 };
static int64_t ids[ORDERS]; /* PENDING, of 1, 2, 3 cola, of 10 */
static struct reservation_record *records[CONFIRM_ALL_MAX + 1];

static struct shop *open_with(uint32_t questions_max)
{
    const char *const names[] = {"o-1", "o-2", "o-3"};
    struct engine_config config = shop_config();
    config.questions_max = questions_max;
    struct shop *s = shop_open(&config);
    shop_lot(s, COLA, 10);
    for (int i = 0; i < ORDERS; i++) {
        struct ask *a = shop_reserve(s, names[i], COLA, i + 1);
        shop_commit(s);
        ids[i] = a->c.reserve.reservation_id;
    }
    return s;
}

static int open_shop(void **state)
{
    *state = open_with(2); /* fewer than there are orders */
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *send_of(struct shop *s, const int64_t *of, uint32_t count, const char *payment)
{
    struct ask *a = shop_ask(s, COMMAND_CONFIRM_ALL);
    a->c.confirm_all.reservation_ids = of;
    a->c.confirm_all.count = count;
    a->c.confirm_all.payment_id = str_of(payment);
    a->c.confirm_all.records = records;
    shop_send(s, a);
    return a;
}

static struct ask *confirm_all(struct shop *s, const char *payment)
{
    struct ask *a = send_of(s, ids, ORDERS, payment);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static void assert_stock(struct shop *s, int64_t reserved, int64_t confirmed)
{
    struct stock stock = shop_stock(s, 1);
    assert_int_equal(stock.reserved, reserved);
    assert_int_equal(stock.confirmed, confirmed);
}

static void all_are_confirmed_in_one_batch(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_of(s, ids, ORDERS, "p-1");
    shop_seal(s);
    assert_int_equal(s->flight->move_count, ORDERS);
    for (int i = 0; i < ORDERS; i++) {
        assert_int_equal(s->flight->moves[i].kind, MOVE_CONFIRM);
        assert_int_equal(s->flight->moves[i].reservation_id, ids[i]);
        assert_true(str_equal(s->flight->moves[i].detail, STR("p-1")));
    }
    assert_false(a->answered);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.confirm_all.replayed);
    assert_stock(s, 0, 6);
}

static void again_they_are_a_replay(void **state)
{
    struct shop *s = *state;
    struct ask *one = send_of(s, ids, ORDERS, "p-1");
    struct reservation_record *others[ORDERS];
    struct ask *two = shop_ask(s, COMMAND_CONFIRM_ALL);
    two->c.confirm_all.reservation_ids = ids;
    two->c.confirm_all.count = ORDERS;
    two->c.confirm_all.records = others;
    shop_send(s, two);
    shop_commit(s);
    assert_false(one->c.confirm_all.replayed);
    assert_true(two->c.confirm_all.replayed);
    assert_true(confirm_all(s, "p-1")->c.confirm_all.replayed);
    assert_int_equal(confirm_all(s, "p-1")->c.code, 0);
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), ORDERS);
    shop_reopen(s);
    assert_true(confirm_all(s, "p-1")->c.confirm_all.replayed);
}

static void another_payment_is_another_one(void **state)
{
    struct shop *s = *state;
    confirm_all(s, "p-1");
    struct ask *a = confirm_all(s, "p-2");
    assert_int_equal(a->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(a->c.confirm_all.failed, 0);
    assert_false(a->c.confirm_all.replayed);
}

static void those_that_were_confirmed_before_count_as_done(void **state)
{
    struct shop *s = *state;
    shop_confirm(s, ids[1]); /* payment-1 */
    shop_commit(s);
    struct ask *other = confirm_all(s, "p-2");
    assert_int_equal(other->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(other->c.confirm_all.failed, 1);
    assert_stock(s, 4, 2);
    struct ask *a = confirm_all(s, "payment-1");
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.confirm_all.replayed);
    assert_stock(s, 0, 6);
}

static void one_that_was_confirmed_in_this_turn_is_waited_for(void **state)
{
    struct shop *s = *state;
    shop_confirm(s, ids[1]);
    struct ask *a = confirm_all(s, "payment-1");
    assert_int_equal(a->c.code, 0);
    assert_stock(s, 0, 6);
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), ORDERS);
}

static void one_that_has_ended_keeps_all_from_it(void **state)
{
    struct shop *s = *state;
    shop_refund(s, ids[2], REASON_NONE);
    shop_commit(s);
    struct ask *a = confirm_all(s, "p-1");
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.confirm_all.failed, 2);
    assert_non_null(strstr(a->text, "REFUNDED (CANCELLED)"));
    assert_stock(s, 3, 0);
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), 0);
}

static void one_that_is_due_keeps_all_from_it(void **state)
{
    struct shop *s = *state;
    shop_extend(s, ids[0], s->config.hold_default_ms * 2);
    shop_advance(s, s->config.hold_default_ms);
    struct ask *a = confirm_all(s, "p-1");
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.confirm_all.failed, 1);
    assert_non_null(strstr(a->text, "EXPIRED"));
    assert_stock(s, 1, 0);
}

static void one_that_is_not_there_keeps_all_from_it(void **state)
{
    struct shop *s = *state;
    const int64_t some[] = {ids[0], 12345};
    struct ask *a = send_of(s, some, 2, "p-1");
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    assert_int_equal(a->c.confirm_all.failed, 1);
    assert_string_equal(a->text, "there is no reservation 12345");
    assert_stock(s, 6, 0);
}

static void undone_none_of_them_is_confirmed(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_of(s, ids, ORDERS, "p-1");
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_stock(s, 6, 0);
    assert_int_equal(shop_stats(s).holds_pending, ORDERS);
    assert_int_equal(confirm_all(s, "p-1")->c.code, 0);
}

static void of_unknown_outcome_it_is_asked_for_later(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_of(s, ids, ORDERS, "p-1");
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    struct ask *again = send_of(s, ids, ORDERS, "p-1");
    shop_answer_reads(s);
    assert_int_equal(again->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    engine_set_available(s->engine, true);
    assert_true(confirm_all(s, "p-1")->c.confirm_all.replayed);
}

/* Between the answers about two of them the first is refunded: all or none is judged at the end. */
static void what_happens_between_two_reads_counts(void **state)
{
    struct shop *s = *state;
    shop_confirm(s, ids[0]);
    shop_confirm(s, ids[1]);
    shop_commit(s);
    struct ask *a = send_of(s, ids, ORDERS, "payment-1");
    assert_true(shop_answer_one_read(s));
    assert_false(a->answered);
    struct ask *back = shop_refund(s, ids[0], REASON_NONE);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 1);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(back->c.code, 0);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.confirm_all.failed, 0);
    assert_stock(s, 3, 2);
}

static void while_the_ledger_is_silent_nothing_is_confirmed(void **state)
{
    struct shop *s = *state;
    shop_confirm(s, ids[0]);
    shop_commit(s);
    s->ledger_silent = true;
    assert_int_equal(confirm_all(s, "payment-1")->c.code, TLY_EUNAVAILABLE);
    s->ledger_silent = false;
    assert_stock(s, 5, 1);
    assert_int_equal(confirm_all(s, "payment-1")->c.code, 0);
}

static void an_engine_that_ends_drops_it_once_with_all_that_it_waits_for(void **state)
{
    (void)state;
    struct shop *s = open_with(ORDERS);
    for (int i = 0; i < ORDERS; i++)
        shop_confirm(s, ids[i]);
    shop_commit(s);
    send_of(s, ids, ORDERS, "payment-1");
    assert_true(shop_answer_one_read(s));
    shop_close(s); /* two answers are missing, one is there */
}

static void none_and_too_many_are_refused(void **state)
{
    struct shop *s = *state;
    static int64_t many[CONFIRM_ALL_MAX + 1];
    assert_int_equal(send_of(s, ids, 0, "p-1")->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(send_of(s, many, CONFIRM_ALL_MAX + 1, "p-1")->c.code, TLY_EINVALID_ARGUMENT);
    char payment[PAYMENT_ID_MAX + 2] = {0};
    memset(payment, 'p', PAYMENT_ID_MAX + 1);
    assert_int_equal(confirm_all(s, payment)->c.code, TLY_EINVALID_ARGUMENT);
    assert_stock(s, 6, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(all_are_confirmed_in_one_batch),
        T(again_they_are_a_replay),
        T(another_payment_is_another_one),
        T(those_that_were_confirmed_before_count_as_done),
        T(one_that_was_confirmed_in_this_turn_is_waited_for),
        T(one_that_has_ended_keeps_all_from_it),
        T(one_that_is_due_keeps_all_from_it),
        T(one_that_is_not_there_keeps_all_from_it),
        T(undone_none_of_them_is_confirmed),
        T(of_unknown_outcome_it_is_asked_for_later),
        T(what_happens_between_two_reads_counts),
        T(while_the_ledger_is_silent_nothing_is_confirmed),
        cmocka_unit_test(an_engine_that_ends_drops_it_once_with_all_that_it_waits_for),
        T(none_and_too_many_are_refused),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
