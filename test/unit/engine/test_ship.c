/* Units of a CONFIRMED reservation leave, and come back. */
#include "fixture.h"

#include <string.h>

#include "shop_internal.h"

#define COLA "cola#00000001"
#define LIME "lime#00000002"

enum { HOUR_MS = 3600000 };

static int64_t id; /* a CONFIRMED reservation of 6 cola and 3 lime, of 10 each */

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, COLA, 10);
    shop_lot(s, LIME, 10);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, COLA, 6);
    shop_want_lot(a, LIME, 3);
    shop_send(s, a);
    shop_commit(s);
    id = a->c.reserve.reservation_id;
    shop_confirm(s, id);
    shop_commit(s);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

/* Of what is given: quantities of 0 are not. */
static struct ask *send_part(struct shop *s, enum command_kind kind, const char *name, int64_t cola,
                             int64_t lime)
{
    struct ask *a = shop_move(s, kind, id);
    a->c.move.id = str_of(name);
    if (cola)
        shop_move_want(a, COLA, cola);
    if (lime)
        shop_move_want(a, LIME, lime);
    shop_send(s, a);
    return a;
}

static struct ask *ship(struct shop *s, const char *shipment_id, int64_t cola, int64_t lime)
{
    struct ask *a = send_part(s, COMMAND_SHIP, shipment_id, cola, lime);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static struct ask *give_back(struct shop *s, const char *return_id, int64_t cola, int64_t lime)
{
    struct ask *a = send_part(s, COMMAND_REFUND, return_id, cola, lime);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static struct ask *write_off(struct shop *s, const char *return_id, int64_t cola, int64_t lime)
{
    struct ask *a = shop_move(s, COMMAND_REFUND, id);
    a->c.move.id = str_of(return_id);
    a->c.move.no_restock = true;
    if (cola)
        shop_move_want(a, COLA, cola);
    if (lime)
        shop_move_want(a, LIME, lime);
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static void assert_done(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.move.replayed);
}

static void assert_replayed(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_true(a->c.move.replayed);
}

static void assert_stock(struct shop *s, lot_id lot, int64_t on_hand, int64_t confirmed)
{
    struct stock stock = shop_stock(s, lot);
    assert_int_equal(stock.on_hand, on_hand);
    assert_int_equal(stock.reserved, 0);
    assert_int_equal(stock.confirmed, confirmed);
    assert_int_equal(s->gate[lot], on_hand - confirmed);
}

static void assert_after(const struct ask *a, uint16_t line, int64_t shipped, int64_t returned)
{
    assert_true(line < a->c.move.line_count);
    assert_int_equal(a->after[line].shipped, shipped);
    assert_int_equal(a->after[line].returned, returned);
}

static void shipping_takes_the_units_out_of_on_hand_and_confirmed(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_part(s, COMMAND_SHIP, "s-1", 0, 0);
    assert_false(a->answered);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(a->c.move.state, HOLD_CONFIRMED);
    assert_after(a, 0, 6, 0);
    assert_after(a, 1, 3, 0);
    assert_int_equal(a->lines[0].quantity, 6);
    assert_stock(s, 1, 4, 0);
    assert_stock(s, 2, 7, 0);
    assert_true(str_equal(shop_last_row(s)->detail, STR("s-1")));
}

static void shipping_goes_in_parts_and_what_is_left_goes_last(void **state)
{
    struct shop *s = *state;
    assert_done(ship(s, "s-1", 2, 0));
    assert_stock(s, 1, 8, 4);
    assert_done(ship(s, "s-2", 1, 3));
    struct ask *a = ship(s, "s-3", 0, 0);
    assert_done(a);
    assert_int_equal(shop_last_row(s)->line_count, 1);
    assert_int_equal(shop_last_row(s)->line.quantity, 3);
    assert_after(a, 0, 6, 0);
    assert_stock(s, 1, 4, 0);
}

static void a_shipment_counts_once(void **state)
{
    struct shop *s = *state;
    assert_done(ship(s, "s-1", 2, 1));
    struct ask *again = ship(s, "s-1", 2, 1);
    assert_replayed(again);
    assert_after(again, 0, 2, 0);
    struct ask *turned = shop_move(s, COMMAND_SHIP, id); /* the same lines, put otherwise */
    turned->c.move.id = STR("s-1");
    shop_move_want(turned, LIME, 1);
    shop_move_want(turned, COLA, 1);
    shop_move_want(turned, COLA, 1);
    shop_send(s, turned);
    shop_commit(s);
    assert_replayed(turned);
    assert_int_equal(shop_rows(s, MOVE_SHIP), 1);
}

static void a_shipment_of_that_name_with_other_lines_is_another_one(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 2, 1);
    const int64_t others[][2] = {{1, 1}, {2, 0}, {0, 0}, {2, 2}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(ship(s, "s-1", others[i][0], others[i][1])->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(shop_rows(s, MOVE_SHIP), 1);
    assert_stock(s, 1, 8, 4);
}

static void two_shipments_of_one_turn_are_done_one_after_the_other(void **state)
{
    struct shop *s = *state;
    struct ask *one = send_part(s, COMMAND_SHIP, "s-1", 4, 0);
    struct ask *two = send_part(s, COMMAND_SHIP, "s-2", 4, 0); /* 2 are left for it */
    struct ask *same = send_part(s, COMMAND_SHIP, "s-1", 4, 0);
    struct ask *rest = send_part(s, COMMAND_SHIP, "s-3", 2, 0);
    shop_commit(s);
    assert_done(one);
    assert_int_equal(two->c.code, TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(two->text, "1 to 2 units"));
    assert_replayed(same);
    assert_done(rest);
    assert_stock(s, 1, 4, 0);
}

static void a_confirm_may_be_shipped_in_the_same_turn(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 2);
    shop_confirm(s, o->c.reserve.reservation_id);
    struct ask *a = shop_move(s, COMMAND_SHIP, o->c.reserve.reservation_id);
    shop_send(s, a);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 3);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_done(a);
    assert_after(a, 0, 2, 0);
}

static void shipping_all_again_without_a_name_is_a_replay(void **state)
{
    struct shop *s = *state;
    assert_done(ship(s, "", 0, 0));
    assert_replayed(ship(s, "", 0, 0));
    struct ask *named = ship(s, "s-2", 0, 0);
    assert_int_equal(named->c.code, TLY_EINVALID_TRANSITION);
    assert_after(named, 0, 6, 0);
    assert_int_equal(shop_rows(s, MOVE_SHIP), 1);
}

static void a_lot_named_twice_is_shipped_with_the_sum(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_move(s, COMMAND_SHIP, id);
    shop_move_want(a, COLA, 4);
    shop_move_want(a, COLA, 1);
    shop_send(s, a);
    shop_commit(s);
    assert_done(a);
    assert_after(a, 0, 5, 0);
    assert_stock(s, 1, 5, 1);
}

static void only_a_confirmed_reservation_is_shipped(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 2);
    struct ask *a = shop_move(s, COMMAND_SHIP, o->c.reserve.reservation_id);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.move.state, HOLD_PENDING);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(ship(s, "s-1", 0, 0)->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(shop_rows(s, MOVE_SHIP), 0);
}

static void a_shipment_names_what_is_held(void **state)
{
    struct shop *s = *state;
    assert_int_equal(ship(s, "s-1", 7, 0)->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *a = shop_move(s, COMMAND_SHIP, id);
    shop_move_want(a, "mint#00000003", 1);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *twice = shop_move(s, COMMAND_SHIP, id);
    shop_move_want(twice, COLA, 4);
    shop_move_want(twice, COLA, 3); /* 2 are left for it */
    shop_send(s, twice);
    shop_commit(s);
    assert_int_equal(twice->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(twice->c.move.failed_want, 1);
    char name[MOVE_ID_MAX + 2] = {0};
    memset(name, 's', MOVE_ID_MAX + 1);
    assert_int_equal(ship(s, name, 1, 0)->c.code, TLY_EINVALID_ARGUMENT);
    assert_stock(s, 1, 10, 6);
}

/* The example of the shelf: 100 supplied, 30 paid and shipped, shelf 70. */
static void after_a_shipment_the_shelf_is_on_hand(void **state)
{
    struct shop *s = *state;
    lot_id lot = shop_lot(s, "mint#00000003", 100);
    struct ask *o = shop_reserve(s, "o-2", "mint#00000003", 30);
    shop_confirm(s, o->c.reserve.reservation_id);
    struct ask *a = shop_move(s, COMMAND_SHIP, o->c.reserve.reservation_id);
    shop_send(s, a);
    shop_reserve(s, "o-3", "mint#00000003", 5);
    shop_commit(s);
    assert_int_equal(shop_stock(s, lot).on_hand, 70);
    assert_int_equal(shop_available(s, lot), 65);
}

static void a_shipment_that_was_undone_did_not_leave(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_part(s, COMMAND_SHIP, "s-1", 2, 0);
    shop_answer_reads(s);
    struct ask *back = send_part(s, COMMAND_REFUND, "r-1", 6, 3);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    shop_commit(s);
    assert_done(back); /* all of them were still there */
    assert_int_equal(back->c.move.state, HOLD_REFUNDED);
    assert_after(back, 0, 0, 6);
    assert_stock(s, 1, 10, 0);
    assert_int_equal(shop_rows(s, MOVE_RESTOCK), 0);
}

static void a_shipment_of_unknown_outcome_is_settled_by_it(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_part(s, COMMAND_SHIP, "s-1", 2, 0);
    shop_answer_reads(s);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    struct ask *again = send_part(s, COMMAND_SHIP, "s-1", 2, 0);
    shop_answer_reads(s);
    assert_int_equal(again->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    engine_set_available(s->engine, true);
    assert_replayed(ship(s, "s-1", 2, 0));
    assert_stock(s, 1, 8, 4);
}

static void units_that_have_not_left_come_back_first(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 4, 0);
    struct ask *a = give_back(s, "r-1", 3, 0);
    assert_done(a);
    assert_int_equal(a->c.move.state, HOLD_CONFIRMED);
    assert_after(a, 0, 4, 3);
    assert_int_equal(shop_rows(s, MOVE_RETURN), 1);
    assert_int_equal(shop_rows(s, MOVE_RESTOCK), 1);
    assert_stock(s, 1, 7, 0); /* 4 left, 1 of them came back */
    assert_int_equal(shop_last_row(s)->reason, REASON_NONE);
}

static void with_the_last_unit_the_reservation_is_refunded(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 4, 0);
    give_back(s, "r-1", 5, 0);
    struct ask *a = give_back(s, "r-2", 0, 0);
    assert_done(a);
    assert_int_equal(a->c.move.state, HOLD_REFUNDED);
    assert_int_equal(a->c.move.state_reason, REASON_RETURNED);
    assert_after(a, 0, 4, 6);
    assert_after(a, 1, 0, 3);
    assert_stock(s, 1, 10, 0);
    assert_stock(s, 2, 10, 0);
    struct ask *again = give_back(s, "", 0, 0);
    assert_replayed(again);
    assert_after(again, 0, 4, 6);
}

static void what_was_given_back_is_not_given_back_again(void **state)
{
    struct shop *s = *state;
    assert_done(give_back(s, "", 0, 0));
    assert_replayed(give_back(s, "", 6, 3)); /* all of it, by name */
    assert_int_equal(give_back(s, "", 1, 0)->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(give_back(s, "r-2", 1, 0)->c.code, TLY_EINVALID_TRANSITION);
    assert_stock(s, 1, 10, 0);
}

static void a_return_counts_once(void **state)
{
    struct shop *s = *state;
    assert_done(give_back(s, "r-1", 2, 0));
    assert_replayed(give_back(s, "r-1", 2, 0));
    assert_int_equal(give_back(s, "r-1", 1, 0)->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(write_off(s, "r-1", 2, 0)->c.code, TLY_EORDER_MISMATCH);
    assert_done(give_back(s, "r-2", 4, 3));
    assert_replayed(give_back(s, "r-1", 2, 0));
    assert_replayed(give_back(s, "r-2", 4, 3));
    assert_int_equal(shop_rows(s, MOVE_RETURN), 2);
    assert_stock(s, 1, 10, 0);
}

static void a_shipment_and_a_return_may_have_one_name(void **state)
{
    struct shop *s = *state;
    assert_done(ship(s, "x-1", 2, 0));
    assert_done(give_back(s, "x-1", 2, 0));
    assert_replayed(ship(s, "x-1", 2, 0));
    assert_done(give_back(s, "x-2", 1, 0));
    assert_done(ship(s, "x-2", 1, 0));
}

static void units_that_are_not_sold_again_are_written_off(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 4, 0);
    struct ask *a = write_off(s, "r-1", 3, 0); /* 2 in the house, 1 of those that left */
    assert_done(a);
    assert_after(a, 0, 4, 3);
    assert_stock(s, 1, 4, 0);
    assert_int_equal(shop_rows(s, MOVE_WRITE_OFF), 1);
    assert_int_equal(shop_rows(s, MOVE_DISCARD), 1);
    assert_int_equal(shop_available(s, 1), 4);
}

static void what_was_sold_again_cannot_be_written_off_afterwards(void **state)
{
    struct shop *s = *state;
    assert_done(give_back(s, "", 0, 0));
    assert_int_equal(write_off(s, "", 0, 0)->c.code, TLY_EORDER_MISMATCH);
    assert_stock(s, 1, 10, 0);
}

static void what_was_written_off_stays_so_when_it_is_asked_again(void **state)
{
    struct shop *s = *state;
    assert_done(write_off(s, "", 0, 0));
    assert_replayed(write_off(s, "", 0, 0));
    assert_stock(s, 1, 4, 0);
}

static void no_more_comes_back_than_went_out(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 6, 0);
    assert_int_equal(give_back(s, "r-1", 7, 0)->c.code, TLY_EINVALID_ARGUMENT);
    assert_done(give_back(s, "r-2", 6, 0));
    struct ask *a = give_back(s, "r-3", 1, 0);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    assert_after(a, 0, 6, 6);
    assert_int_equal(ship(s, "s-2", 1, 0)->c.code, TLY_EINVALID_ARGUMENT);
    assert_stock(s, 1, 10, 0);
}

static void a_return_in_part_keeps_to_the_refund_window(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 0, 0);
    shop_advance(s, s->config.refund_window_ms);
    assert_done(give_back(s, "r-1", 1, 0));
    shop_advance(s, 1);
    struct ask *late = give_back(s, "r-2", 1, 0);
    assert_int_equal(late->c.code, TLY_EINVALID_TRANSITION);
    assert_non_null(strstr(late->text, "more than 72 h ago"));
    assert_replayed(give_back(s, "r-1", 1, 0));
}

static void a_part_of_a_pending_one_is_not_refunded(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-2", COLA, 2);
    shop_commit(s);
    id = o->c.reserve.reservation_id;
    struct ask *part = give_back(s, "r-1", 1, 0);
    assert_int_equal(part->c.code, TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(part->text, "ChangeReservation"));
    assert_int_equal(write_off(s, "", 0, 0)->c.code, TLY_EINVALID_ARGUMENT);
    assert_done(give_back(s, "", 0, 0));
}

static void units_that_come_back_to_a_full_lot_are_refused(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 6, 0);
    shop_adjust(s, COLA, QUANTITY_MAX - 4, "");
    shop_commit(s);
    struct ask *a = give_back(s, "r-1", 1, 0);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_after(a, 0, 6, 0);
}

static void a_return_that_was_undone_did_not_come_back(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 4, 0);
    struct ask *a = send_part(s, COMMAND_REFUND, "r-1", 6, 3); /* RETURN and RESTOCK: all */
    shop_answer_reads(s);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 2);
    assert_int_equal(s->flight->moves[0].reason, REASON_NONE);
    assert_int_equal(s->flight->moves[1].reason, REASON_RETURNED);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_stock(s, 1, 6, 2);
    assert_done(give_back(s, "r-1", 6, 3));
    assert_stock(s, 1, 10, 0);
}

static void what_left_and_came_back_is_there_after_a_restart(void **state)
{
    struct shop *s = *state;
    ship(s, "s-1", 4, 1);
    give_back(s, "r-1", 3, 0);
    shop_reopen(s);
    assert_stock(s, 1, 7, 0);
    assert_stock(s, 2, 9, 2);
    assert_replayed(ship(s, "s-1", 4, 1));
    assert_replayed(give_back(s, "r-1", 3, 0));
    struct ask *a = ship(s, "s-2", 0, 0);
    assert_after(a, 0, 4, 3);
    assert_after(a, 1, 3, 0);
}

static void a_row_from_before_a_shipment_is_not_gone_by(void **state)
{
    struct shop *s = *state;
    struct ask *one = send_part(s, COMMAND_SHIP, "s-1", 4, 0);
    struct question *old = engine_next_question(s->engine);
    struct ask *other = shop_adjust(s, LIME, 1, "");
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(other->answered);
    struct ask *two = send_part(s, COMMAND_SHIP, "s-2", 4, 0); /* asks anew */
    struct question *late = engine_next_question(s->engine);
    assert_ptr_not_equal(old, late);
    old->record = shop_record(s, id, s->row_count);
    late->record = shop_record(s, id, s->row_count);
    engine_answered(s->engine, old);
    shop_collect(s);
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_done(one);
    engine_answered(s->engine, late);
    shop_collect(s);
    shop_commit(s);
    assert_int_equal(two->c.code, TLY_EINVALID_ARGUMENT);
    assert_stock(s, 1, 6, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(shipping_takes_the_units_out_of_on_hand_and_confirmed),
        T(shipping_goes_in_parts_and_what_is_left_goes_last),
        T(a_shipment_counts_once),
        T(a_shipment_of_that_name_with_other_lines_is_another_one),
        T(two_shipments_of_one_turn_are_done_one_after_the_other),
        T(a_confirm_may_be_shipped_in_the_same_turn),
        T(shipping_all_again_without_a_name_is_a_replay),
        T(a_lot_named_twice_is_shipped_with_the_sum),
        T(only_a_confirmed_reservation_is_shipped),
        T(a_shipment_names_what_is_held),
        T(after_a_shipment_the_shelf_is_on_hand),
        T(a_shipment_that_was_undone_did_not_leave),
        T(a_shipment_of_unknown_outcome_is_settled_by_it),
        T(units_that_have_not_left_come_back_first),
        T(with_the_last_unit_the_reservation_is_refunded),
        T(what_was_given_back_is_not_given_back_again),
        T(a_return_counts_once),
        T(a_shipment_and_a_return_may_have_one_name),
        T(units_that_are_not_sold_again_are_written_off),
        T(what_was_sold_again_cannot_be_written_off_afterwards),
        T(what_was_written_off_stays_so_when_it_is_asked_again),
        T(no_more_comes_back_than_went_out),
        T(a_return_in_part_keeps_to_the_refund_window),
        T(a_part_of_a_pending_one_is_not_refunded),
        T(units_that_come_back_to_a_full_lot_are_refused),
        T(a_return_that_was_undone_did_not_come_back),
        T(what_left_and_came_back_is_there_after_a_restart),
        T(a_row_from_before_a_shipment_is_not_gone_by),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
