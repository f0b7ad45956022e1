/* Two engines over one ledger. */
#include <stdlib.h>

#include "fixture_shared.h"

static void any_node_serves_any_order(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 4);
    assert_int_equal(order->c.code, 0);
    struct ask *retry = reserve(b, "o-1", 4);
    assert_true(retry->c.reserve.replayed);
    assert_int_equal(retry->c.reserve.reservation_id, order->c.reserve.reservation_id);
    assert_int_equal(reserve(b, "o-1", 5)->c.code, TLY_EORDER_MISMATCH);
    struct ask *confirm = shop_confirm(b, order->c.reserve.reservation_id);
    settle();
    assert_int_equal(confirm->c.code, 0);
    struct ask *again = shop_confirm(a, order->c.reserve.reservation_id);
    settle();
    assert_true(again->c.move.replayed);
    struct ask *refund = shop_refund(a, order->c.reserve.reservation_id, REASON_NONE);
    settle();
    assert_int_equal(refund->c.code, 0);
    assert_truth(1, 10, 0, 0);
    assert_int_equal(reserve(b, "o-1", 4)->c.reserve.state, HOLD_REFUNDED);
}

static void two_nodes_do_not_sell_a_unit_twice(void **state)
{
    (void)state;
    char ids[12][4];
    int accepted = 0;
    for (int i = 0; i < 12; i++) {
        ids[i][0] = (char)('a' + i);
        ids[i][1] = 0;
        accepted += reserve(i % 2 ? a : b, ids[i], 1)->c.code == 0;
    }
    assert_int_equal(accepted, 10);
    assert_truth(1, 10, 10, 0);
}

static void what_gathers_is_loaded_once_and_committed_in_one_batch(void **state)
{
    (void)state;
    uint32_t loads = a->loads;
    struct ask *first = shop_reserve(a, "o-1", KEY, 4);
    struct ask *second = shop_reserve(a, "o-2", KEY, 7);
    struct ask *retry = shop_reserve(a, "o-1", KEY, 4);
    assert_false(first->answered);
    assert_true(shop_load(a));
    assert_int_equal(second->c.code, TLY_ESOLD_OUT);
    assert_false(first->answered || retry->answered);
    assert_true(shop_write(a));
    assert_int_equal(first->c.code, 0);
    assert_true(retry->c.reserve.replayed);
    assert_int_equal(a->loads, loads + 1);
    assert_false(shop_load(a));
}

static void a_load_that_writes_nothing_is_released(void **state)
{
    (void)state;
    shop_reserve(a, "o-1", KEY, 11);
    assert_true(shop_load(a));
    assert_ptr_equal(a->locked, a);
    assert_null(engine_seal(a->engine));
    assert_false(shop_load(a));
    assert_null(a->locked);
    assert_int_equal(reserve(b, "o-2", 10)->c.code, 0);
}

static void who_waits_for_locks_in_vain_is_told_so(void **state)
{
    (void)state;
    shop_reserve(a, "o-1", KEY, 1);
    shop_load(a);
    struct ask *ask = shop_reserve(b, "o-2", KEY, 1);
    shop_load(b);
    assert_int_equal(ask->c.code, TLY_EOVERLOADED);
    assert_truth(1, 10, 0, 0);
    settle();
    assert_truth(1, 10, 1, 0);
}

static void a_ledger_that_is_away_is_told(void **state)
{
    (void)state;
    a->ledger_silent = true;
    struct ask *order = shop_reserve(a, "o-1", KEY, 1);
    struct ask *lot = shop_get_lot(a, KEY);
    settle();
    assert_int_equal(order->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(lot->c.code, TLY_EUNAVAILABLE);
    engine_set_available(a->engine, false);
    struct ask *refused = shop_reserve(a, "o-2", KEY, 1);
    assert_false(shop_load(a));
    assert_int_equal(refused->c.code, TLY_EUNAVAILABLE);
}

/* ---- rows that are only assumed ---- */

static void an_order_that_was_decided_on_old_rows_is_decided_again_under_locks(void **state)
{
    (void)state;
    b->assumes = true;
    assert_int_equal(reserve(a, "o-1", 10)->c.code, 0);
    struct ask *late = shop_reserve(b, "o-2", KEY, 1);
    assert_true(shop_load(b));
    assert_true(shop_write(b)); /* STALE */
    assert_false(late->answered);
    assert_int_equal(b->stale_loads, 0);
    settle();
    assert_int_equal(late->c.code, TLY_ESOLD_OUT);
    assert_int_equal(b->stale_loads, 1);
    assert_truth(1, 10, 10, 0);
}

static void an_order_on_rows_that_were_right_costs_one_load(void **state)
{
    (void)state;
    b->assumes = true;
    uint32_t loads = b->loads;
    assert_int_equal(reserve(b, "o-1", 10)->c.code, 0);
    assert_int_equal(b->loads, loads + 1);
    assert_int_equal(b->stale_loads, 0);
}

static void nobody_is_refused_by_rows_that_are_only_assumed(void **state)
{
    (void)state;
    struct ask *all = reserve(b, "o-1", 10);
    b->assumes = true;
    shop_refund(a, all->c.reserve.reservation_id, REASON_NONE);
    settle();
    struct ask *order = reserve(b, "o-2", 10); /* b knows only that all is sold */
    assert_int_equal(order->c.code, 0);
    assert_int_equal(b->stale_loads, 1);
}

static void a_retry_that_only_the_other_node_knows_is_no_second_order(void **state)
{
    (void)state;
    b->assumes = true;
    struct ask *order = reserve(a, "o-1", 3);
    struct ask *retry = reserve(b, "o-1", 3);
    assert_int_equal(retry->c.code, 0);
    assert_true(retry->c.reserve.replayed);
    assert_int_equal(retry->c.reserve.reservation_id, order->c.reserve.reservation_id);
    assert_truth(1, 10, 3, 0);
}

static void many_orders_in_one_command_assume_nothing(void **state)
{
    (void)state;
    b->assumes = true;
    reserve(a, "o-1", 10);
    struct reserve_command orders[1];
    struct ask *model = shop_order(b, "o-2");
    shop_want_lot(model, KEY, 1);
    orders[0] = model->c.reserve;
    struct ask *batch = shop_ask(b, COMMAND_RESERVE_BATCH);
    batch->c.batch.orders = orders;
    batch->c.batch.count = 1;
    shop_send(b, batch);
    shop_settle(b);
    assert_true(batch->answered);
    assert_int_equal(orders[0].code, TLY_ESOLD_OUT);
    assert_int_equal(b->stale_loads, 1);
}

/* One of them is right about what it assumes, the other one is not. */
static void of_many_orders_none_is_refused_by_assumed_rows(void **state)
{
    (void)state;
    shop_lot(a, LIME, 5);
    struct ask *all = reserve(b, "o-1", 10);
    shop_refund(a, all->c.reserve.reservation_id, REASON_NONE);
    settle();
    b->assumes = true; /* it knows only that all of KEY is sold */
    struct reserve_command orders[2];
    const char *ids[] = {"o-2", "o-3"}, *lots[] = {LIME, KEY};
    struct ask *batch = shop_ask(b, COMMAND_RESERVE_BATCH);
    for (int i = 0; i < 2; i++) {
        struct ask *model = shop_order(b, ids[i]);
        shop_want_lot(model, lots[i], 1);
        orders[i] = model->c.reserve;
        orders[i].order_hash = (uint64_t)i + 1;
    }
    batch->c.batch.orders = orders;
    batch->c.batch.count = 2;
    shop_send(b, batch);
    shop_settle(b);
    assert_int_equal(orders[0].code, 0);
    assert_int_equal(orders[1].code, 0);
}

static void after_a_stale_batch_nothing_is_assumed_by_any_load(void **state)
{
    (void)state;
    reserve(b, "o-1", 4);
    b->assumes = true;
    shop_advance(a, a->config.hold_default_ms);
    shop_settle(a); /* gives it back, and b doesn't know */
    shop_advance(b, b->config.hold_default_ms);
    uint32_t loads = b->loads;
    shop_settle(b);
    assert_int_equal(b->loads, loads + 2);
    assert_int_equal(b->stale_loads, 1);
    assert_int_equal(shop_rows(a, MOVE_REFUND), 1);
}

static void a_load_may_bring_more_orders_than_the_index_is_made_for(void **state)
{
    (void)state;
    struct engine_config config = shop_config();
    config.order_memory_max = 4;
    struct shop *t = shop_open_shared(&config);
    shop_lot(t, KEY, 10);
    const char *ids[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    for (int i = 0; i < 8; i++)
        assert_int_equal(reserve(t, ids[i], 1)->c.code, 0);
    shop_advance(t, t->config.hold_default_ms);
    assert_int_equal(reserve(t, "all", 10)->c.code, 0);
    assert_int_equal(shop_rows(t, MOVE_REFUND), 8);
    shop_close(t);
}

static void nothing_of_a_load_stays_in_memory(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 1);
    reserve(b, "o-1", 1);
    shop_confirm(b, order->c.reserve.reservation_id);
    settle();
    assert_int_equal(shop_stats(b).orders_in_memory, 0);
    assert_int_equal(shop_stats(b).holds_pending, 0);
    assert_int_equal(engine_next_deadline(b->engine), b->now_ms + 1000);
}

/* Somebody writes past all locks, each time. */
static void who_is_stale_for_the_k_th_time_is_told_overloaded(void **state)
{
    (void)state;
    struct ask *order = shop_reserve(b, "o-1", KEY, 1);
    for (uint32_t i = 0; i < b->config.stale_tries_max; i++) {
        assert_false(order->answered);
        assert_true(shop_load(b));
        a->locked = NULL;
        shop_adjust(a, KEY, 1, "");
        shop_settle(a);
        assert_true(shop_write(b));
    }
    assert_true(order->answered);
    assert_int_equal(order->c.code, TLY_EOVERLOADED);
    assert_truth(1, 13, 0, 0);
}

/* ---- deadlines ---- */

static void holds_of_a_node_that_died_are_given_back_by_another(void **state)
{
    (void)state;
    reserve(a, "o-1", 4);
    assert_int_equal(engine_next_deadline(b->engine), b->now_ms + 1000);
    shop_advance(b, b->config.hold_default_ms);
    assert_true(engine_next_deadline(b->engine) <= b->now_ms);
    shop_settle(b);
    assert_truth(1, 10, 0, 0);
    assert_true(engine_next_deadline(b->engine) > b->now_ms);
}

static void due_holds_are_given_back_before_anything_newer_is_decided(void **state)
{
    (void)state;
    reserve(a, "o-1", 10);
    shop_advance(b, b->config.hold_default_ms);
    assert_int_equal(reserve(b, "o-2", 10)->c.code, 0);
    assert_truth(1, 10, 10, 0);
}

static void a_node_looks_for_due_holds_at_their_deadline(void **state)
{
    (void)state;
    struct ask *order = shop_reserve(a, "o-1", KEY, 1);
    order->c.reserve.hold_ms = 300;
    shop_settle(a);
    struct ask *short_one = shop_order(a, "o-2");
    short_one->c.reserve.hold_ms = 300;
    shop_want_lot(short_one, KEY, 1);
    shop_send(a, short_one);
    shop_settle(a);
    assert_int_equal(engine_next_deadline(a->engine), a->now_ms + 300);
    shop_advance(a, 300);
    assert_true(shop_load(a));
    assert_true(shop_write(a));
    assert_int_equal(shop_last_row(a)->kind, MOVE_REFUND);
}

static void more_due_holds_than_one_batch_bears_go_in_several(void **state)
{
    (void)state;
    struct engine_config config = shop_config();
    config.batch_moves_max = 2;
    struct shop *t = shop_open_shared(&config);
    shop_lot(t, KEY, 10);
    const char *ids[] = {"1", "2", "3", "4", "5", "6", "7"};
    for (int i = 0; i < 7; i++)
        reserve(t, ids[i], 1);
    shop_advance(t, t->config.hold_default_ms);
    struct ask *all = shop_reserve(t, "all", KEY, 10);
    shop_settle(t);
    assert_true(all->answered);
    shop_settle(t);
    assert_int_equal(shop_rows(t, MOVE_REFUND), 7);
    shop_close(t);
}

static void a_due_hold_cannot_be_confirmed_by_anybody(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 10);
    shop_advance(b, b->config.hold_default_ms);
    struct ask *confirm = shop_confirm(b, order->c.reserve.reservation_id);
    shop_settle(b);
    assert_int_equal(confirm->c.code, TLY_EINVALID_TRANSITION);
    assert_truth(1, 10, 0, 0);
}

/* ---- outcomes ---- */

static void an_unknown_batch_keeps_its_load_until_it_is_known(void **state)
{
    (void)state;
    struct ask *order = shop_reserve(a, "o-1", KEY, 4);
    shop_load(a);
    shop_seal(a);
    struct batch *batch = a->flight;
    batch->outcome = LEDGER_UNKNOWN;
    engine_outcome(a->engine, batch);
    shop_collect(a);
    assert_int_equal(order->c.code, TLY_EOUTCOME_UNKNOWN);
    struct ask *refused = shop_reserve(a, "o-2", KEY, 1);
    struct ask *look = shop_get_lot(a, KEY);
    assert_null(engine_next_load(a->engine));
    assert_null(engine_next_release(a->engine));
    shop_collect(a);
    assert_int_equal(refused->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(look->c.code, TLY_EUNAVAILABLE);
    assert_true(shop_write(a)); /* it was committed */
    engine_set_available(a->engine, true);
    assert_true(reserve(a, "o-1", 4)->c.reserve.replayed);
    assert_truth(1, 10, 4, 0);
}

static void a_deadlocks_victim_is_told_and_the_next_batch_goes_on(void **state)
{
    (void)state;
    struct ask *order = shop_reserve(a, "o-1", KEY, 4);
    shop_load(a);
    shop_seal(a);
    struct batch *batch = a->flight;
    batch->outcome = LEDGER_REJECTED;
    batch->writable = true;
    a->flight = a->flights[0] = NULL;
    a->flight_count = 0;
    engine_outcome(a->engine, batch);
    shop_collect(a);
    shop_end_load(a);
    assert_int_equal(order->c.code, TLY_EOVERLOADED);
    assert_int_equal(reserve(a, "o-1", 4)->c.code, 0);
    assert_truth(1, 10, 4, 0);
}

static void a_row_by_hand(enum move_kind kind, int64_t quantity)
{
    struct move m = {.seq = shop_last_row(a)->seq + 1,
                     .kind = (uint8_t)kind,
                     .reservation_id = 1,
                     .line_count = 1,
                     .line = {.lot = 1, .quantity = quantity}};
    shop_keep_row(a, &m);
}

static void a_stock_that_somebody_wrote_too_low_is_lived_with(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 6);
    a_row_by_hand(MOVE_ADJUST, -8); /* 2 on hand, 6 reserved */
    assert_int_equal(reserve(b, "o-2", 1)->c.code, TLY_ESOLD_OUT);
    struct ask *confirm = shop_confirm(b, order->c.reserve.reservation_id);
    settle();
    assert_int_equal(confirm->c.code, 0);
    assert_truth(1, 2, 0, 6);
}

static void a_hold_whose_units_somebody_took_is_refused_and_not_given_back_twice(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 6);
    a_row_by_hand(MOVE_RELEASE, 5);
    struct ask *confirm = shop_confirm(b, order->c.reserve.reservation_id);
    struct ask *refund = shop_refund(b, order->c.reserve.reservation_id, REASON_NONE);
    settle();
    assert_int_equal(confirm->c.code, TLY_ECORRUPT);
    assert_int_equal(refund->c.code, TLY_ECORRUPT);
    shop_advance(b, b->config.hold_default_ms);
    struct ask *other = shop_reserve(b, "o-2", KEY, 9);
    shop_load(b);
    shop_write(b);
    assert_int_equal(other->c.code, 0);
    assert_truth(1, 10, 10, 0);
}

static void what_came_too_late_for_its_load_is_refused(void **state)
{
    (void)state;
    struct ask *order = shop_order(a, "o-1");
    shop_want_lot(order, KEY, 1);
    order->c.deadline_ns = 2000000;
    shop_send(a, order);
    shop_advance(a, 10);
    shop_settle(a);
    assert_int_equal(order->c.code, TLY_EOVERLOADED);
    assert_truth(1, 10, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shops, close_shops)
        T(any_node_serves_any_order),
        T(two_nodes_do_not_sell_a_unit_twice),
        T(what_gathers_is_loaded_once_and_committed_in_one_batch),
        T(a_load_that_writes_nothing_is_released),
        T(who_waits_for_locks_in_vain_is_told_so),
        T(a_ledger_that_is_away_is_told),
        T(an_order_that_was_decided_on_old_rows_is_decided_again_under_locks),
        T(an_order_on_rows_that_were_right_costs_one_load),
        T(nobody_is_refused_by_rows_that_are_only_assumed),
        T(a_retry_that_only_the_other_node_knows_is_no_second_order),
        T(many_orders_in_one_command_assume_nothing),
        T(of_many_orders_none_is_refused_by_assumed_rows),
        T(after_a_stale_batch_nothing_is_assumed_by_any_load),
        T(a_load_may_bring_more_orders_than_the_index_is_made_for),
        T(nothing_of_a_load_stays_in_memory),
        T(who_is_stale_for_the_k_th_time_is_told_overloaded),
        T(holds_of_a_node_that_died_are_given_back_by_another),
        T(due_holds_are_given_back_before_anything_newer_is_decided),
        T(a_node_looks_for_due_holds_at_their_deadline),
        T(more_due_holds_than_one_batch_bears_go_in_several),
        T(a_due_hold_cannot_be_confirmed_by_anybody),
        T(an_unknown_batch_keeps_its_load_until_it_is_known),
        T(a_deadlocks_victim_is_told_and_the_next_batch_goes_on),
        T(a_stock_that_somebody_wrote_too_low_is_lived_with),
        T(a_hold_whose_units_somebody_took_is_refused_and_not_given_back_twice),
        T(what_came_too_late_for_its_load_is_refused),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
