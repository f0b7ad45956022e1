#include "fixture.h"

#include <string.h>

#include "shop.h"

enum { DAY_MS = 86400000 };

static int open_shop(void **state)
{
    *state = shop_open(NULL);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static int32_t today(const struct shop *s)
{
    return (int32_t)(s->now_ms / DAY_MS);
}

static void an_order_is_answered_after_its_commit_and_not_before(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 10);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 3);
    assert_false(a->answered);
    assert_true(shop_seal(s));
    shop_collect(s);
    assert_false(a->answered);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.reserve.state, HOLD_PENDING);
    assert_int_equal(a->c.reserve.expires_ms, s->now_ms + s->config.hold_default_ms);
    assert_int_equal(a->c.reserve.line_count, 1);
    assert_int_equal(a->lines[0].lot, lot);
    assert_int_equal(a->lines[0].quantity, 3);
    struct stock stock = shop_stock(s, lot);
    assert_int_equal(stock.on_hand, 10);
    assert_int_equal(stock.reserved, 3);
    assert_int_equal(stock.version, 2);
}

static void the_move_carries_what_the_ledger_needs(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 10);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 3);
    shop_commit(s);
    const struct move *m = shop_last_row(s);
    assert_int_equal(m->kind, MOVE_RESERVE);
    assert_int_equal(m->seq, a->c.reserve.reservation_id);
    assert_int_equal(m->reservation_id, m->seq);
    assert_int_equal(m->at_ms, s->now_ms);
    assert_int_equal(m->deadline_ms, s->now_ms + s->config.hold_default_ms);
    assert_int_equal(m->line.lot, lot);
    assert_int_equal(m->line.quantity, 3);
    assert_true(str_equal(m->order_id, STR("o-1")));
    assert_true(str_equal(m->user_id, STR("user-1")));
    assert_int_equal(m->order_hash, a->c.reserve.order_hash);
    assert_int_equal(seq_ms(m->seq), s->now_ms);
    assert_int_equal(m->seq >> SEQ_COUNTER_BITS & NODE_MAX, s->config.node);
}

static void more_than_is_available_is_sold_out_and_says_how_many_there_are(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 6);
    assert_true(a->answered);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.available, 5);
    assert_int_equal(a->c.reserve.wants[0].trouble, WANT_SHORT);
    assert_int_equal(a->c.reserve.wants[0].available, 5);
    assert_int_equal(shop_available(s, lot), 5);
    assert_false(shop_seal(s));
}

static void the_retry_of_the_order_that_took_the_last_unit_gets_that_order(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 1);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 1);
    shop_commit(s);
    struct ask *b = shop_reserve(s, "o-1", "cola#00000001", 1);
    assert_true(b->answered);
    assert_int_equal(b->c.code, 0);
    assert_true(b->c.reserve.replayed);
    assert_int_equal(b->c.reserve.reservation_id, a->c.reserve.reservation_id);
    assert_int_equal(b->lines[0].quantity, 1);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 1);
}

static void a_retry_of_an_uncommitted_order_waits_for_its_commit(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 5);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 1);
    shop_seal(s);
    struct ask *b = shop_reserve(s, "o-1", "cola#00000001", 1);
    assert_false(b->answered);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(a->answered && b->answered);
    assert_true(b->c.reserve.replayed);
    assert_int_equal(b->c.reserve.reservation_id, a->c.reserve.reservation_id);
}

static void the_same_order_id_with_other_content_is_refused(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    shop_reserve(s, "o-1", "cola#00000001", 1);
    shop_commit(s);
    struct ask *b = shop_reserve(s, "o-1", "cola#00000001", 2);
    assert_true(b->answered);
    assert_int_equal(b->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(shop_available(s, lot), 4);
}

static void a_mismatch_with_an_uncommitted_order_waits_for_it(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 5);
    shop_reserve(s, "o-1", "cola#00000001", 1);
    struct ask *b = shop_reserve(s, "o-1", "cola#00000001", 2);
    assert_false(b->answered);
    shop_commit(s);
    assert_int_equal(b->c.code, TLY_EORDER_MISMATCH);
    shop_reserve(s, "o-2", "cola#00000001", 1);
    struct ask *c = shop_reserve(s, "o-2", "cola#00000001", 2);
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(c->c.code, TLY_EUNAVAILABLE);
}

static void fefo_lines_are_in_order_of_lot(void **state)
{
    struct shop *s = *state;
    lot_id late = shop_lot_dims(s, "cola#00000001", "cola", "s", "A", today(s) + 9, 1);
    lot_id soon = shop_lot_dims(s, "cola#00000002", "cola", "s", "B", today(s), 1);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "cola", "", "", "", 2);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.reserve.line_count, 2);
    assert_int_equal(a->lines[0].lot, late);
    assert_int_equal(a->lines[1].lot, soon);
    assert_int_equal(shop_last_row(s)->lines[0].lot, late);
}

static void a_retry_after_the_refund_shows_the_order_as_it_stands_from_the_ledger(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 5);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 2);
    shop_commit(s);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    struct ask *b = shop_reserve(s, "o-1", "cola#00000001", 2);
    assert_false(b->answered);
    struct ask *c = shop_reserve(s, "o-1", "cola#00000001", 3);
    shop_answer_reads(s);
    assert_true(b->answered && c->answered);
    assert_int_equal(b->c.code, 0);
    assert_true(b->c.reserve.replayed);
    assert_int_equal(b->c.reserve.state, HOLD_REFUNDED);
    assert_int_equal(b->c.reserve.reason, REASON_CANCELLED);
    assert_int_equal(b->lines[0].quantity, 2);
    assert_int_equal(c->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(shop_stats(s).reads_total, 1); /* both shared one question */
}

static void lines_of_one_lot_are_summed(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "cola#00000001", 2);
    shop_want_lot(a, "cola#00000001", 3);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.reserve.line_count, 1);
    assert_int_equal(a->lines[0].quantity, 5);
    assert_int_equal(shop_last_row(s)->line_count, 1);
    assert_int_equal(shop_available(s, lot), 0);

    struct ask *b = shop_order(s, "o-2");
    shop_lot(s, "lime#00000002", 5);
    shop_want_lot(b, "lime#00000002", 3);
    shop_want_lot(b, "lime#00000002", 3);
    shop_send(s, b);
    assert_int_equal(b->c.code, TLY_ESOLD_OUT);
    assert_int_equal(b->c.reserve.failed_want, 1);
    assert_int_equal(b->c.reserve.available, 5);
}

static void every_line_that_cannot_be_served_is_told(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 5);
    shop_lot(s, "lime#00000002", 1);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "cola", "", "", "", 1);
    shop_want_lot(a, "lime#00000002", 2);
    shop_want_lot(a, "cola#00000001", 5);
    shop_want_lot(a, "none#00000003", 5);
    shop_send(s, a);
    const struct want *wants = a->c.reserve.wants;
    assert_int_equal(a->c.code, TLY_ESOLD_OUT); /* the first named lot's */
    assert_int_equal(a->c.reserve.failed_want, 1);
    assert_int_equal(wants[0].trouble, WANT_SHORT);
    assert_int_equal(wants[0].available, 5);
    assert_int_equal(wants[0].for_others, 5);
    assert_int_equal(wants[1].trouble, WANT_SHORT);
    assert_int_equal(wants[1].available, 1);
    assert_int_equal(wants[1].for_others, 0);
    assert_int_equal(wants[2].trouble, WANT_SERVED);
    assert_int_equal(wants[3].trouble, WANT_NO_LOT);
    assert_int_equal(a->c.reserve.line_count, 0);
}

static void what_a_short_line_could_have_had_is_left_to_the_others(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "soda#00000001", "cola", "can", "A", LOT_NEVER_EXPIRES, 2);
    shop_lot_dims(s, "soda#00000002", "lime", "can", "A", LOT_NEVER_EXPIRES, 2);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "soda", "cola", "", "", 3);
    shop_want_sku(a, "soda", "", "", "", 4);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.wants[0].trouble, WANT_SHORT);
    assert_int_equal(a->c.reserve.wants[1].trouble, WANT_SERVED);
}

static void units_that_have_expired_are_told_apart(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "soda#00000001", "cola", "can", "A", today(s) - 1, 7);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "soda", "", "", "", 3);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.wants[0].trouble, WANT_EXPIRED);
    assert_int_equal(a->c.reserve.wants[0].expired, 7);
    shop_lot_dims(s, "soda#00000002", "cola", "can", "B", today(s), 2);
    struct ask *b = shop_order(s, "o-2");
    shop_want_sku(b, "soda", "", "", "", 3);
    shop_send(s, b);
    assert_int_equal(b->c.reserve.wants[0].trouble, WANT_SHORT);
    assert_int_equal(b->c.reserve.wants[0].available, 2);
    assert_int_equal(b->c.reserve.wants[0].expired, 7);
}

static void all_lines_or_none(void **state)
{
    struct shop *s = *state;
    lot_id one = shop_lot(s, "cola#00000001", 5);
    lot_id two = shop_lot(s, "lime#00000002", 1);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "cola#00000001", 5);
    shop_want_lot(a, "lime#00000002", 2);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.failed_want, 1);
    assert_int_equal(shop_available(s, one), 5);
    assert_int_equal(shop_available(s, two), 1);
}

static void a_move_of_several_lines_is_one_row_with_its_lots_ascending(void **state)
{
    struct shop *s = *state;
    lot_id one = shop_lot(s, "cola#00000001", 5);
    lot_id two = shop_lot(s, "lime#00000002", 5);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "lime#00000002", 2);
    shop_want_lot(a, "cola#00000001", 1);
    shop_send(s, a);
    shop_commit(s);
    const struct move *m = shop_last_row(s);
    assert_int_equal(m->line_count, 2);
    assert_int_equal(m->line.lot, 0);
    assert_int_equal(m->line.quantity, 3);
    assert_int_equal(m->lines[0].lot, one);
    assert_int_equal(m->lines[1].lot, two);
    assert_int_equal(shop_stock(s, one).version, 2);
    assert_int_equal(shop_stock(s, two).version, 2);
}

static void units_of_a_sku_come_first_expired_first_out(void **state)
{
    struct shop *s = *state;
    int32_t d = today(s);
    lot_id never = shop_lot_dims(s, "cola#00000001", "cola", "330ml_can", "BATCH-20260101-A",
                                 LOT_NEVER_EXPIRES, 9);
    lot_id late =
        shop_lot_dims(s, "cola#00000002", "cola", "330ml_can", "BATCH-20260102-A", d + 9, 2);
    lot_id soon = shop_lot_dims(s, "cola#00000003", "cola", "330ml_can", "BATCH-20260103-A", d, 2);
    lot_id gone =
        shop_lot_dims(s, "cola#00000004", "cola", "330ml_can", "BATCH-20260104-A", d - 1, 2);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "cola", "", "", "", 5);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_available(s, soon), 0);
    assert_int_equal(shop_available(s, late), 0);
    assert_int_equal(shop_available(s, never), 8);
    assert_int_equal(shop_available(s, gone), 2);
}

static void lots_that_expire_together_are_taken_by_batch(void **state)
{
    struct shop *s = *state;
    int32_t d = today(s);
    lot_id b = shop_lot_dims(s, "cola#00000001", "cola", "s", "BATCH-20260102-B", d + 1, 1);
    lot_id a = shop_lot_dims(s, "cola#00000002", "cola", "s", "BATCH-20260102-A", d + 1, 1);
    struct ask *o = shop_order(s, "o-1");
    shop_want_sku(o, "cola", "", "", "", 1);
    shop_send(s, o);
    assert_int_equal(shop_available(s, a), 0);
    assert_int_equal(shop_available(s, b), 1);
}

static void a_lot_that_expired_yesterday_is_sold_out_even_when_named(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "cola#00000001", "cola", "s", "BATCH-20260102-B", today(s) - 1, 7);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 1);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.available, 0);
    assert_int_equal(a->c.reserve.wants[0].trouble, WANT_EXPIRED);
    assert_int_equal(a->c.reserve.wants[0].expired, 7);
}

static void dimensions_that_are_given_filter_the_lots(void **state)
{
    struct shop *s = *state;
    lot_id cola = shop_lot_dims(s, "soda#00000001", "cola", "330ml_can", "A", LOT_NEVER_EXPIRES, 5);
    lot_id lime = shop_lot_dims(s, "soda#00000002", "lime", "330ml_can", "A", LOT_NEVER_EXPIRES, 5);
    lot_id big = shop_lot_dims(s, "soda#00000003", "lime", "1l_bottle", "A", LOT_NEVER_EXPIRES, 5);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "soda", "lime", "1l_bottle", "", 2);
    shop_send(s, a);
    assert_int_equal(shop_available(s, big), 3);
    struct ask *b = shop_order(s, "o-2");
    shop_want_sku(b, "soda", "lime", "", "", 9);
    shop_send(s, b);
    assert_int_equal(b->c.code, TLY_ESOLD_OUT);
    assert_int_equal(b->c.reserve.available, 8);
    assert_int_equal(shop_available(s, lime), 5);
    assert_int_equal(shop_available(s, cola), 5);
}

static void a_specific_want_is_served_before_a_general_one(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "soda#00000001", "cola", "can", "A", today(s), 5);
    shop_lot_dims(s, "soda#00000002", "lime", "can", "A", today(s) + 1, 5);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "soda", "", "", "", 5);
    shop_want_sku(a, "soda", "cola", "", "", 5);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.reserve.line_count, 2);
}

static void a_flavor_that_the_sku_lacks_is_refused_with_those_it_has(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "soda#00000001", "cola", "can", "A", LOT_NEVER_EXPIRES, 5);
    shop_lot_dims(s, "soda#00000002", "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    shop_lot_dims(s, "soda#00000003", "lime", "can", "B", LOT_NEVER_EXPIRES, 5);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "soda", "lime", "", "", 1);
    shop_want_sku(a, "soda", "mango", "", "", 1);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(a->c.reserve.failed_want, 1);
    assert_int_equal(a->c.reserve.wants[1].trouble, WANT_NO_FLAVOR);
    assert_int_equal(a->c.reserve.line_count, 2); /* a lot of each flavor */
    assert_int_equal(a->lines[0].lot, 1);
    assert_int_equal(a->lines[1].lot, 2);
}

static void what_does_not_exist_is_not_found(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "soda#00000001", "cola", "can", "A", LOT_NEVER_EXPIRES, 5);
    assert_int_equal(shop_reserve(s, "o-1", "soda#ffffffff", 1)->c.code, TLY_ENOT_FOUND);
    struct ask *a = shop_order(s, "o-2");
    shop_want_sku(a, "tea", "", "", "", 1);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    struct ask *b = shop_order(s, "o-3");
    shop_want_sku(b, "soda", "cola", "barrel", "", 1);
    shop_send(s, b);
    assert_int_equal(b->c.code, TLY_ENOT_FOUND);
}

static void a_hold_longer_than_the_limit_is_refused(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 5);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "cola#00000001", 1);
    a->c.reserve.hold_ms = s->config.hold_max_ms + 1;
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
}

static void a_command_past_its_deadline_has_no_effect(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    shop_advance(s, 10);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "cola#00000001", 1);
    a->c.deadline_ns = 9 * 1000000;
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_int_equal(shop_available(s, lot), 5);
    assert_int_equal(shop_stats(s).late_total, 1);
}

static void a_command_whose_deadline_passes_while_it_waits_for_a_batch_has_no_effect(void **state)
{
    struct engine_config config = shop_config();
    config.batch_moves_max = 1;
    struct shop *s = shop_open(&config);
    *state = (shop_close(*state), s);
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    struct ask *first = shop_reserve(s, "o-1", "cola#00000001", 1);
    struct ask *late = shop_order(s, "o-2"), *patient = shop_order(s, "o-3");
    shop_want_lot(late, "cola#00000001", 1);
    shop_want_lot(patient, "cola#00000001", 1);
    late->c.deadline_ns = 9 * 1000000;
    shop_send(s, late);
    shop_send(s, patient);
    assert_false(late->answered);
    shop_advance(s, 10);
    for (int i = 0; i < 4; i++)
        shop_commit(s);
    assert_int_equal(first->c.code, 0);
    assert_int_equal(late->c.code, TLY_EOVERLOADED);
    assert_int_equal(patient->c.code, 0);
    assert_int_equal(shop_available(s, lot), 3);
    assert_int_equal(shop_stats(s).late_total, 1);
}

static void more_pending_orders_than_the_limit_are_refused(void **state)
{
    struct engine_config config = shop_config();
    config.holds_max = 2;
    struct shop *s = shop_open(&config);
    *state = (shop_close(*state), s);
    shop_lot(s, "cola#00000001", 5);
    shop_reserve(s, "o-1", "cola#00000001", 1);
    struct ask *b = shop_reserve(s, "o-2", "cola#00000001", 1);
    struct ask *third = shop_reserve(s, "o-3", "cola#00000001", 1);
    assert_int_equal(third->c.code, TLY_EOVERLOADED); /* it passes */
    assert_int_equal(third->c.reserve.trouble, ORDER_HOLDS_MAX);
    assert_int_equal(third->c.reserve.limit, 2);
    shop_commit(s);
    shop_refund(s, b->c.reserve.reservation_id, REASON_NONE);
    struct ask *c = shop_reserve(s, "o-4", "cola#00000001", 1);
    shop_commit(s);
    assert_int_equal(c->c.code, 0);
}

static void the_gate_is_given_back_what_it_took_exactly_once(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    lot_id other = shop_lot(s, "lime#00000002", 5);
    /* Accepted: the gate took 2 already. */
    s->gate[lot] -= 2;
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "cola#00000001", 2);
    a->wants[0].gate_taken = true;
    a->wants[0].lot_hint = lot;
    shop_send(s, a);
    assert_int_equal(s->gate[lot], 3);
    /* A retry that took 2 again gives them back. */
    s->gate[lot] -= 2;
    struct ask *b = shop_order(s, "o-1");
    shop_want_lot(b, "cola#00000001", 2);
    b->wants[0].gate_taken = true;
    b->wants[0].lot_hint = lot;
    shop_send(s, b);
    assert_int_equal(s->gate[lot], 3);
    /* A hint that names another lot than the key does. */
    s->gate[other] -= 1;
    struct ask *c = shop_order(s, "o-2");
    shop_want_lot(c, "cola#00000001", 1);
    c->wants[0].gate_taken = true;
    c->wants[0].lot_hint = other;
    shop_send(s, c);
    assert_int_equal(s->gate[other], 5);
    assert_int_equal(s->gate[lot], 2);
    /* Refused, and not taken. */
    shop_reserve(s, "o-3", "cola#00000001", 3);
    assert_int_equal(s->gate[lot], shop_available(s, lot));
    /* Undone and not decided again. */
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(s->gate[lot], 5);
    assert_int_equal(s->gate[other], 5);
}

static void a_late_command_gives_back_to_the_gate(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "cola#00000001", 5);
    shop_advance(s, 10);
    s->gate[lot] -= 2;
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, "cola#00000001", 2);
    a->wants[0].gate_taken = true;
    a->wants[0].lot_hint = lot;
    a->c.deadline_ns = 1;
    shop_send(s, a);
    assert_int_equal(s->gate[lot], 5);
}

/* The index keeps what is past retention until it is asked for again. */
static void an_order_id_may_be_used_again_and_again_when_the_ledger_has_archived_it(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 10);
    uint32_t kept = s->row_count;
    for (int i = 0; i < 6; i++) {
        struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 1);
        shop_commit(s);
        assert_int_equal(a->c.code, 0);
        assert_false(a->c.reserve.replayed);
        shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
        shop_commit(s);
        s->row_count = kept; /* retention */
    }
    struct ask *get = shop_get(s, 0, "o-1");
    shop_commit(s);
    assert_int_equal(get->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_stats(s).orders_in_memory, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(an_order_is_answered_after_its_commit_and_not_before),
        T(an_order_id_may_be_used_again_and_again_when_the_ledger_has_archived_it),
        T(the_move_carries_what_the_ledger_needs),
        T(more_than_is_available_is_sold_out_and_says_how_many_there_are),
        T(the_retry_of_the_order_that_took_the_last_unit_gets_that_order),
        T(a_retry_of_an_uncommitted_order_waits_for_its_commit),
        T(the_same_order_id_with_other_content_is_refused),
        T(a_mismatch_with_an_uncommitted_order_waits_for_it),
        T(fefo_lines_are_in_order_of_lot),
        T(a_retry_after_the_refund_shows_the_order_as_it_stands_from_the_ledger),
        T(lines_of_one_lot_are_summed),
        T(every_line_that_cannot_be_served_is_told),
        T(what_a_short_line_could_have_had_is_left_to_the_others),
        T(units_that_have_expired_are_told_apart),
        T(all_lines_or_none),
        T(a_move_of_several_lines_is_one_row_with_its_lots_ascending),
        T(units_of_a_sku_come_first_expired_first_out),
        T(lots_that_expire_together_are_taken_by_batch),
        T(a_lot_that_expired_yesterday_is_sold_out_even_when_named),
        T(dimensions_that_are_given_filter_the_lots),
        T(a_specific_want_is_served_before_a_general_one),
        T(a_flavor_that_the_sku_lacks_is_refused_with_those_it_has),
        T(what_does_not_exist_is_not_found),
        T(a_hold_longer_than_the_limit_is_refused),
        T(a_command_past_its_deadline_has_no_effect),
        T(a_command_whose_deadline_passes_while_it_waits_for_a_batch_has_no_effect),
        T(more_pending_orders_than_the_limit_are_refused),
        T(the_gate_is_given_back_what_it_took_exactly_once),
        T(a_late_command_gives_back_to_the_gate),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
