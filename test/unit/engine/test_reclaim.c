/* A payment that comes too late takes the units again, if they are free. */
#include "fixture.h"

#include <string.h>

#include "shop_internal.h"

#define COLA "cola#00000001"
#define LIME "lime#00000002"

static int64_t id; /* a hold of 4 cola and 2 lime, of 10 each, that has EXPIRED */

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, COLA, 10);
    shop_lot(s, LIME, 10);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, COLA, 4);
    shop_want_lot(a, LIME, 2);
    shop_send(s, a);
    shop_commit(s);
    id = a->c.reserve.reservation_id;
    shop_advance(s, s->config.hold_default_ms);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), 1);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *begin(struct shop *s, int64_t reservation_id)
{
    struct ask *a = shop_move(s, COMMAND_CONFIRM, reservation_id);
    a->c.move.payment_id = STR("p-1");
    a->c.move.reclaim = true;
    return a;
}

static struct ask *send(struct shop *s, int64_t reservation_id)
{
    struct ask *a = begin(s, reservation_id);
    shop_send(s, a);
    return a;
}

static struct ask *reclaim(struct shop *s)
{
    struct ask *a = send(s, id);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static void assert_stock(struct shop *s, lot_id lot, int64_t reserved, int64_t confirmed)
{
    struct stock stock = shop_stock(s, lot);
    assert_int_equal(stock.on_hand, 10);
    assert_int_equal(stock.reserved, reserved);
    assert_int_equal(stock.confirmed, confirmed);
    assert_int_equal(s->gate[lot], 10 - reserved - confirmed);
}

static void assert_done(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.move.replayed);
    assert_int_equal(a->c.move.state, HOLD_CONFIRMED);
}

static void an_expired_hold_is_taken_again_and_confirmed_in_one_move(void **state)
{
    struct shop *s = *state;
    struct ask *a = send(s, id);
    assert_false(a->answered);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(a->c.move.line_count, 2);
    assert_stock(s, 1, 0, 4);
    assert_stock(s, 2, 0, 2);
    assert_int_equal(shop_last_row(s)->kind, MOVE_RECLAIM);
    assert_true(str_equal(shop_last_row(s)->detail, STR("p-1")));
    assert_int_equal(shop_stats(s).reclaimed_total, 1);
}

static void without_reclaim_it_has_ended(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_confirm(s, id);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_stock(s, 1, 0, 0);
}

static void units_that_were_sold_since_are_sold_out(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-2", LIME, 9);
    shop_commit(s);
    struct ask *a = reclaim(s);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.move.available, 1);
    assert_int_equal(a->c.move.state, HOLD_REFUNDED);
    assert_non_null(strstr(a->text, "1 of lot " LIME));
    assert_stock(s, 1, 0, 0); /* not a part of it either */
    shop_adjust(s, LIME, 1, "");
    shop_commit(s);
    assert_int_equal(reclaim(s)->c.code, 0);
}

static void a_part_of_it_may_be_taken_again(void **state)
{
    struct shop *s = *state;
    struct ask *a = begin(s, id);
    shop_move_want(a, COLA, 3);
    shop_send(s, a);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(a->c.move.line_count, 1);
    assert_int_equal(a->lines[0].quantity, 3);
    assert_int_equal(shop_rows(s, MOVE_RELEASE), 0);
    assert_stock(s, 1, 0, 3);
    assert_stock(s, 2, 0, 0);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_stock(s, 1, 0, 0);
}

static void of_a_pending_one_it_is_a_plain_confirm(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 2);
    struct ask *a = send(s, o->c.reserve.reservation_id);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), 1);
    assert_int_equal(shop_rows(s, MOVE_RECLAIM), 0);
}

static void again_it_is_a_replay_and_another_payment_is_another_one(void **state)
{
    struct shop *s = *state;
    struct ask *one = send(s, id);
    struct ask *two = send(s, id);
    shop_commit(s);
    assert_done(one);
    assert_true(two->c.move.replayed);
    assert_true(reclaim(s)->c.move.replayed);
    struct ask *other = begin(s, id);
    other->c.move.payment_id = STR("p-2");
    shop_send(s, other);
    shop_commit(s);
    assert_int_equal(other->c.code, TLY_EORDER_MISMATCH);
    assert_memory_equal(other->c.move.payment_id_stored, "p-1", 3);
    assert_int_equal(shop_rows(s, MOVE_RECLAIM), 1);
}

static void one_that_ended_otherwise_is_not_taken_again(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 2);
    shop_refund(s, o->c.reserve.reservation_id, REASON_CANCELLED);
    struct ask *cancelled = send(s, o->c.reserve.reservation_id);
    shop_commit(s);
    assert_int_equal(cancelled->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(cancelled->c.move.state_reason, REASON_CANCELLED);
}

/* Whatever reason was given: it was bought, and came back. */
static void one_that_was_bought_and_returned_is_not_taken_again(void **state)
{
    struct shop *s = *state;
    assert_done(reclaim(s));
    shop_refund(s, id, REASON_EXPIRED);
    struct ask *open = send(s, id);
    shop_commit(s);
    assert_int_equal(open->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(reclaim(s)->c.code, TLY_EINVALID_TRANSITION);
    assert_stock(s, 1, 0, 0);
}

static void a_hold_that_is_due_and_not_written_yet_is_taken_again_in_one_batch(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 6);
    shop_commit(s);
    shop_advance(s, s->config.hold_default_ms);
    struct ask *a = send(s, o->c.reserve.reservation_id);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 2);
    assert_int_equal(s->flight->moves[0].kind, MOVE_REFUND);
    assert_int_equal(s->flight->moves[1].kind, MOVE_RECLAIM);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_done(a);
    assert_stock(s, 1, 0, 6);
}

static int64_t hold_for(struct shop *s, const char *order_id, const char *lot, int64_t quantity,
                        int64_t hold_ms)
{
    struct ask *o = shop_order(s, order_id);
    o->c.reserve.hold_ms = hold_ms;
    shop_want_lot(o, lot, quantity);
    shop_send(s, o);
    shop_commit(s);
    return o->c.reserve.reservation_id;
}

/* A batch of one move: one due hold is in it, another one waits when the record comes. */
static void units_of_due_holds_come_first(void **state)
{
    (void)state;
    struct engine_config config = shop_config();
    config.batch_moves_max = 1;
    struct shop *s = shop_open(&config);
    shop_lot(s, COLA, 10);
    shop_lot(s, LIME, 10);
    int64_t expired = hold_for(s, "o-1", COLA, 4, 1000);
    shop_advance(s, 1000);
    shop_commit(s);
    hold_for(s, "o-2", LIME, 1, 1000);
    hold_for(s, "o-3", COLA, 10, 2000);
    struct ask *a = send(s, expired);
    shop_advance(s, 1000);
    shop_advance(s, 1000);
    shop_answer_reads(s);
    assert_false(a->answered);
    shop_commit(s);
    assert_done(a);
    assert_stock(s, 1, 0, 4);
    shop_close(s);
}

static void undone_it_has_expired_and_undone_with_its_expiry_it_is_due(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 6);
    shop_commit(s);
    shop_advance(s, s->config.hold_default_ms);
    struct ask *both = send(s, o->c.reserve.reservation_id);
    struct ask *alone = begin(s, id);
    shop_move_want(alone, COLA, 1);
    shop_send(s, alone);
    shop_answer_reads(s);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 3);
    shop_reject(s);
    assert_int_equal(both->c.code, TLY_EOVERLOADED);
    assert_int_equal(alone->c.code, TLY_EOVERLOADED);
    shop_commit(s);
    assert_stock(s, 1, 0, 0);
    assert_int_equal(shop_rows(s, MOVE_REFUND), 2);
    struct ask *a = reclaim(s);
    assert_done(a);
    assert_int_equal(a->c.move.line_count, 2);
    assert_stock(s, 1, 0, 4);
}

/* A question keeps the hold in memory after its undo. */
static void undone_it_may_be_tried_again_at_once(void **state)
{
    struct shop *s = *state;
    struct ask *get = shop_get(s, id, "");
    struct question *old = engine_next_question(s->engine);
    shop_adjust(s, COLA, 1, "");
    shop_adjust(s, COLA, -1, "");
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    struct ask *one = send(s, id);
    shop_answer_reads(s);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(one->c.code, TLY_EOVERLOADED);
    struct ask *two = send(s, id);
    shop_commit(s);
    assert_done(two);
    old->record = shop_record(s, id, s->row_count);
    engine_answered(s->engine, old);
    shop_collect(s);
    assert_true(get->answered);
}

static void of_unknown_outcome_the_stock_is_shown_without_it(void **state)
{
    struct shop *s = *state;
    struct ask *a = send(s, id);
    shop_answer_reads(s);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    struct ask *get = shop_get_lot(s, COLA);
    assert_int_equal(get->c.get_lot.lot.stock.confirmed, 0);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_stock(s, 1, 0, 0);
    assert_done(reclaim(s));
}

static void it_can_be_taken_again_as_long_as_it_could_be_refunded(void **state)
{
    struct shop *s = *state;
    shop_advance(s, s->config.refund_window_ms + 1);
    struct ask *late = reclaim(s);
    assert_int_equal(late->c.code, TLY_EINVALID_TRANSITION);
    assert_non_null(strstr(late->text, "expired more than 72 h ago"));
    s->now_ms -= 1;
    shop_reopen(s);
    assert_done(reclaim(s));
}

static void units_of_a_lot_that_has_expired_are_not_sold(void **state)
{
    struct shop *s = *state;
    enum { DAY_MS = 86400000 };
    shop_lot_dims(s, "mint#00000003", "mint", "330ml_can", "BATCH-20260101-A",
                  (int32_t)(s->now_ms / DAY_MS), 5);
    struct ask *o = shop_reserve(s, "o-2", "mint#00000003", 2);
    shop_commit(s);
    shop_advance(s, DAY_MS);
    shop_commit(s);
    struct ask *a = send(s, o->c.reserve.reservation_id);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(shop_stock(s, 3).confirmed, 0);
}

static void its_units_are_those_of_its_last_change(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 2);
    struct ask *change = shop_move(s, COMMAND_CHANGE, o->c.reserve.reservation_id);
    shop_move_want(change, LIME, 3);
    shop_send(s, change);
    shop_commit(s);
    shop_advance(s, s->config.hold_default_ms);
    shop_commit(s);
    struct ask *a = send(s, o->c.reserve.reservation_id);
    shop_commit(s);
    assert_done(a);
    assert_stock(s, 1, 0, 0);
    assert_stock(s, 2, 0, 3);
}

static void it_is_confirmed_after_a_restart_and_may_be_shipped(void **state)
{
    struct shop *s = *state;
    assert_done(reclaim(s));
    shop_reopen(s);
    assert_stock(s, 1, 0, 4);
    struct ask *a = shop_move(s, COMMAND_SHIP, id);
    shop_send(s, a);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(shop_stock(s, 1).on_hand, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(an_expired_hold_is_taken_again_and_confirmed_in_one_move),
        T(without_reclaim_it_has_ended),
        T(units_that_were_sold_since_are_sold_out),
        T(a_part_of_it_may_be_taken_again),
        T(of_a_pending_one_it_is_a_plain_confirm),
        T(again_it_is_a_replay_and_another_payment_is_another_one),
        T(one_that_ended_otherwise_is_not_taken_again),
        T(one_that_was_bought_and_returned_is_not_taken_again),
        T(a_hold_that_is_due_and_not_written_yet_is_taken_again_in_one_batch),
        T(units_of_due_holds_come_first),
        T(undone_it_has_expired_and_undone_with_its_expiry_it_is_due),
        T(undone_it_may_be_tried_again_at_once),
        T(of_unknown_outcome_the_stock_is_shown_without_it),
        T(it_can_be_taken_again_as_long_as_it_could_be_refunded),
        T(units_of_a_lot_that_has_expired_are_not_sold),
        T(its_units_are_those_of_its_last_change),
        T(it_is_confirmed_after_a_restart_and_may_be_shipped),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
