/* What is done after buying, by two engines over one ledger. */
#include "fixture_shared.h"

static struct ask *run(struct shop *s, struct ask *ask)
{
    shop_send(s, ask);
    shop_settle(s);
    assert_true(ask->answered);
    return ask;
}

static int64_t bought(const char *order_id, int64_t quantity)
{
    struct ask *order = reserve(a, order_id, quantity);
    shop_confirm(a, order->c.reserve.reservation_id);
    shop_settle(a);
    return order->c.reserve.reservation_id;
}

static struct ask *ship(struct shop *s, int64_t id, const char *shipment_id, int64_t quantity)
{
    struct ask *ask = shop_move(s, COMMAND_SHIP, id);
    ask->c.move.id = str_of(shipment_id);
    shop_move_want(ask, KEY, quantity);
    return run(s, ask);
}

static void any_node_ships_and_takes_back(void **state)
{
    (void)state;
    int64_t id = bought("o-1", 6);
    assert_int_equal(ship(b, id, "s-1", 4)->c.code, 0);
    assert_truth(1, 6, 0, 2);
    assert_true(ship(a, id, "s-1", 4)->c.move.replayed);
    assert_int_equal(ship(a, id, "s-1", 3)->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(ship(a, id, "s-2", 3)->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *back = shop_move(a, COMMAND_REFUND, id);
    back->c.move.id = STR("r-1");
    shop_move_want(back, KEY, 3);
    assert_int_equal(run(a, back)->c.code, 0);
    assert_int_equal(back->after[0].shipped, 4);
    assert_int_equal(back->after[0].returned, 3);
    assert_truth(1, 7, 0, 0);
    struct ask *rest = run(b, shop_move(b, COMMAND_REFUND, id));
    assert_int_equal(rest->c.move.state, HOLD_REFUNDED);
    assert_truth(1, 10, 0, 0);
}

static void two_shipments_that_gather_are_done_one_after_the_other(void **state)
{
    (void)state;
    int64_t id = bought("o-1", 6);
    struct ask *one = shop_move(a, COMMAND_SHIP, id);
    struct ask *two = shop_move(a, COMMAND_SHIP, id);
    shop_move_want(one, KEY, 4);
    shop_move_want(two, KEY, 4);
    shop_send(a, one);
    run(a, two);
    assert_int_equal(one->c.code, 0);
    assert_int_equal(two->c.code, TLY_EINVALID_ARGUMENT);
    assert_truth(1, 6, 0, 2);
}

static void any_node_changes_a_hold(void **state)
{
    (void)state;
    shop_lot(a, LIME, 10);
    shop_settle(b);
    struct ask *order = reserve(a, "o-1", 6);
    struct ask *change = shop_move_by_order(b, COMMAND_CHANGE, "o-1");
    change->c.move.id = STR("c-1");
    shop_move_want(change, KEY, 2);
    shop_move_want(change, LIME, 3);
    assert_int_equal(run(b, change)->c.code, 0);
    assert_int_equal(change->c.move.reservation_id, order->c.reserve.reservation_id);
    assert_truth(1, 10, 2, 0);
    assert_truth(2, 10, 3, 0);
    struct ask *again = shop_move(a, COMMAND_CHANGE, order->c.reserve.reservation_id);
    again->c.move.id = STR("c-1");
    shop_move_want(again, KEY, 2);
    shop_move_want(again, LIME, 3);
    assert_true(run(a, again)->c.move.replayed);
    struct ask *more = shop_move(a, COMMAND_CHANGE, order->c.reserve.reservation_id);
    shop_move_want(more, LIME, 11);
    assert_int_equal(run(a, more)->c.code, TLY_ESOLD_OUT);
    assert_truth(2, 10, 3, 0);
}

static void a_fence_of_one_node_holds_at_the_other(void **state)
{
    (void)state;
    struct ask *fence = shop_move_by_order(a, COMMAND_REFUND, "o-1");
    fence->c.move.fence = true;
    assert_int_equal(run(a, fence)->c.code, 0);
    struct ask *order = reserve(b, "o-1", 4);
    assert_true(order->c.reserve.replayed);
    assert_int_equal(order->c.reserve.state, HOLD_REFUNDED);
    assert_truth(1, 10, 0, 0);
    struct ask *again = shop_move_by_order(b, COMMAND_REFUND, "o-1");
    again->c.move.fence = true;
    assert_true(run(b, again)->c.move.replayed);
    struct ask *other = run(b, shop_move_by_order(b, COMMAND_CONFIRM, "o-2"));
    assert_int_equal(other->c.code, TLY_ENOT_FOUND);
}

static void a_fence_and_its_order_at_the_same_time_are_one_after_the_other(void **state)
{
    (void)state;
    b->assumes = true;
    shop_reserve(b, "o-1", KEY, 4);
    shop_load(b); /* on rows from before the fence */
    struct ask *fence = shop_move_by_order(a, COMMAND_REFUND, "o-1");
    fence->c.move.fence = true;
    assert_int_equal(run(a, fence)->c.code, 0);
    settle();
    assert_int_equal(shop_rows(a, MOVE_RESERVE), 0);
    assert_truth(1, 10, 0, 0);
}

static void any_node_takes_an_expired_hold_again(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 6);
    shop_advance(b, b->config.hold_default_ms);
    struct ask *confirm = shop_move(b, COMMAND_CONFIRM, order->c.reserve.reservation_id);
    confirm->c.move.reclaim = true;
    assert_int_equal(run(b, confirm)->c.code, 0);
    assert_int_equal(confirm->c.move.state, HOLD_CONFIRMED);
    assert_int_equal(shop_rows(a, MOVE_REFUND), 1);
    assert_int_equal(shop_rows(a, MOVE_RECLAIM), 1);
    assert_truth(1, 10, 0, 6);
}

static void any_node_confirms_all_or_none(void **state)
{
    (void)state;
    struct reservation_record *records[2];
    int64_t ids[2] = {reserve(a, "o-1", 2)->c.reserve.reservation_id,
                      reserve(b, "o-2", 3)->c.reserve.reservation_id};
    for (int i = 0; i < 2; i++) {
        struct shop *s = i ? a : b;
        struct ask *all = shop_ask(s, COMMAND_CONFIRM_ALL);
        all->c.confirm_all.reservation_ids = ids;
        all->c.confirm_all.count = 2;
        all->c.confirm_all.payment_id = STR("p-1");
        all->c.confirm_all.records = records;
        assert_int_equal(run(s, all)->c.code, 0);
        assert_int_equal(all->c.confirm_all.replayed, i);
    }
    assert_truth(1, 10, 0, 5);
    ids[1] = reserve(b, "o-3", 1)->c.reserve.reservation_id;
    shop_refund(b, ids[0], REASON_NONE);
    shop_settle(b);
    struct ask *none = shop_ask(a, COMMAND_CONFIRM_ALL);
    none->c.confirm_all.reservation_ids = ids;
    none->c.confirm_all.count = 2;
    none->c.confirm_all.records = records;
    assert_int_equal(run(a, none)->c.code, TLY_EINVALID_TRANSITION);
    assert_truth(1, 10, 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shops, close_shops)
        T(any_node_ships_and_takes_back),
        T(two_shipments_that_gather_are_done_one_after_the_other),
        T(any_node_changes_a_hold),
        T(a_fence_of_one_node_holds_at_the_other),
        T(a_fence_and_its_order_at_the_same_time_are_one_after_the_other),
        T(any_node_takes_an_expired_hold_again),
        T(any_node_confirms_all_or_none),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
