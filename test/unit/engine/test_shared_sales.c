/* Sales, limits and groups, by two engines over one ledger. */
#include "fixture_shared.h"

static struct ask *run(struct shop *s, struct ask *ask)
{
    shop_send(s, ask);
    shop_settle(s);
    assert_true(ask->answered);
    return ask;
}

static struct ask *heard(struct shop *s, struct ask *ask)
{
    shop_settle(s);
    assert_true(ask->answered);
    return ask;
}

/* Of the lot KEY, made by `a`. */
static struct ask *sale(const char *sale_id)
{
    struct ask *ask = shop_sale(a, COMMAND_CREATE_SALE, sale_id);
    shop_sale_lot(ask, 1);
    return ask;
}

static void group_sale(void)
{
    struct ask *ask = sale("s-1");
    ask->sale.terms.group_size = 2;
    ask->sale.terms.group_window_ms = 1000;
    assert_int_equal(run(a, ask)->c.code, 0);
}

static struct ask *buy(struct shop *s, const char *order_id, const char *user_id, int64_t quantity)
{
    return heard(s, shop_reserve_in(s, "s-1", order_id, user_id, KEY, quantity));
}

static void any_node_serves_a_sale_that_another_made(void **state)
{
    (void)state;
    assert_int_equal(run(a, sale("s-1"))->c.code, 0);
    assert_int_equal(buy(b, "o-1", "u-1", 3)->c.code, 0);
    struct ask *seen = heard(a, shop_get_sale(a, "s-1"));
    assert_int_equal(seen->sale.sale.units_pending, 3);
    assert_int_equal(seen->sale.sale.units_left, 7);
    assert_true(seen->sale.sale.whole);
    assert_int_equal(heard(b, shop_get_sale(b, "s-2"))->c.code, TLY_ENOT_FOUND);
    assert_int_equal(run(b, shop_sale(b, COMMAND_CLOSE_SALE, "s-1"))->c.code, 0);
    assert_int_equal(buy(a, "o-2", "u-1", 1)->c.code, TLY_ESALE_CLOSED);
}

static void sales_of_all_nodes_have_numbers_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(run(a, sale("s-1"))->sale.sale.terms.number, 1);
    heard(b, shop_get_lot(b, KEY));
    struct ask *second = shop_sale(b, COMMAND_CREATE_SALE, "s-2");
    shop_sale_lot(second, 1);
    assert_int_equal(run(b, second)->sale.sale.terms.number, 2);
    struct ask *again = shop_sale(b, COMMAND_CREATE_SALE, "s-1");
    shop_sale_lot(again, 1);
    assert_int_equal(run(b, again)->c.code, TLY_EALREADY_EXISTS);
    assert_true(str_equal(engine_sale_id(b->engine, 1), STR("s-1")));
}

static void a_sale_sells_lots_of_its_sku_that_a_node_has_not_seen_before(void **state)
{
    (void)state;
    shop_lot(a, LIME, 5);
    struct ask *ask = shop_sale(a, COMMAND_CREATE_SALE, "s-1");
    shop_sale_sku(ask, "lime");
    shop_sale_sku(ask, "cola");
    assert_int_equal(run(a, ask)->c.code, 0);
    assert_int_equal(buy(b, "o-1", "u-1", 1)->c.code, 0); /* cola; of lime b knows nothing */
    shop_create(b, "lime#00000003", "", "", "", LOT_NEVER_EXPIRES, 4);
    struct ask *order = shop_reserve_in(b, "s-1", "o-2", "u-1", "lime#00000003", 1);
    assert_int_equal(heard(b, order)->c.code, 0);
}

static void pages_of_sales_leave_none_out(void **state)
{
    (void)state;
    static const char *const ids[] = {"s-1", "s-2", "s-3"};
    struct sale_view views[2];
    static struct sale_copy copies[2];
    for (int i = 0; i < 3; i++)
        run(a, sale(ids[i]));
    struct ask *page = shop_ask(b, COMMAND_LIST_SALES);
    page->c.list_sales.sales = views;
    page->c.list_sales.copies = copies;
    page->c.list_sales.page_size = 2;
    run(b, page);
    assert_int_equal(page->c.list_sales.count, 2);
    assert_int_equal(page->c.list_sales.next, 2);
    page->answered = false;
    page->c.list_sales.after = 2;
    run(b, page);
    assert_int_equal(page->c.list_sales.count, 1);
    assert_int_equal(page->c.list_sales.sales[0].terms.number, 3);
    assert_int_equal(page->c.list_sales.next, 0);
}

static void a_user_has_one_limit_on_all_nodes(void **state)
{
    (void)state;
    struct ask *ask = sale("s-1");
    ask->sale.terms.per_user_limit = 3;
    run(a, ask);
    struct ask *first = buy(a, "o-1", "u-1", 2);
    assert_int_equal(buy(b, "o-2", "u-1", 1)->c.code, 0);
    struct ask *over = buy(a, "o-3", "u-1", 1);
    assert_int_equal(over->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(over->extra.taken, 3);
    assert_int_equal(over->extra.order_count, 2);
    assert_int_equal(buy(b, "o-4", "u-2", 3)->c.code, 0);
    heard(b, shop_refund(b, first->c.reserve.reservation_id, REASON_NONE));
    assert_int_equal(buy(a, "o-5", "u-1", 2)->c.code, 0);
}

static void a_share_is_of_all_nodes(void **state)
{
    (void)state;
    struct ask *ask = sale("s-1");
    ask->sale.terms.total_limit = 4;
    run(a, ask);
    assert_int_equal(buy(a, "o-1", "u-1", 3)->c.code, 0);
    struct ask *over = buy(b, "o-2", "u-2", 2);
    assert_int_equal(over->c.code, TLY_ESOLD_OUT);
    assert_int_equal(over->c.reserve.available, 1);
    shop_advance(a, 2000 * 1000);
    shop_advance(b, 2000 * 1000);
    assert_int_equal(buy(b, "o-3", "u-2", 4)->c.code, 0); /* the first one has expired */
}

static void a_change_counts_what_its_user_has_elsewhere(void **state)
{
    (void)state;
    struct ask *ask = sale("s-1");
    ask->sale.terms.per_user_limit = 3;
    run(a, ask);
    int64_t id = buy(a, "o-1", "u-1", 1)->c.reserve.reservation_id;
    buy(a, "o-2", "u-1", 1);
    struct ask *change = shop_move(b, COMMAND_CHANGE, id);
    shop_move_want(change, KEY, 3);
    assert_int_equal(run(b, change)->c.code, TLY_ELIMIT_EXCEEDED);
    change = shop_move(b, COMMAND_CHANGE, id);
    shop_move_want(change, KEY, 2);
    assert_int_equal(run(b, change)->c.code, 0);
}

static void a_group_is_opened_joined_and_paid_on_any_node(void **state)
{
    (void)state;
    group_sale();
    struct ask *order = shop_order_in(a, "s-1", "o-1", "u-1");
    shop_want_lot(order, KEY, 1);
    struct ask *opened = heard(a, shop_open_group(a, "s-1", order));
    assert_int_equal(opened->c.code, 0);
    int64_t group = opened->c.group.group.group_id;
    assert_int_equal(heard(b, shop_join_group(b, "s-1", group, "o-2", "u-1", KEY, 1))->c.code,
                     TLY_ELIMIT_EXCEEDED);
    struct ask *joined = heard(b, shop_join_group(b, "s-1", group, "o-3", "u-2", KEY, 1));
    assert_int_equal(joined->c.code, 0);
    assert_int_equal(heard(a, shop_join_group(a, "s-1", group, "o-4", "u-3", KEY, 1))->c.code,
                     TLY_EGROUP_FULL);
    heard(a, shop_confirm(a, joined->c.reserve.reservation_id));
    struct ask *seen = heard(b, shop_get_group(b, group));
    assert_int_equal(seen->c.group.group.status, GROUP_IS_OPEN);
    assert_int_equal(seen->c.group.group.paid, 1);
    heard(b, shop_confirm(b, order->c.reserve.reservation_id));
    seen = heard(a, shop_get_group(a, group));
    assert_int_equal(seen->c.group.group.status, GROUP_SUCCEEDED);
    assert_int_equal(shop_rows(a, MOVE_GROUP_SUCCEED), 1);
    assert_int_equal(heard(a, shop_join_group(a, "s-1", group, "o-5", "u-4", KEY, 1))->c.code,
                     TLY_EGROUP_CLOSED);
    assert_int_equal(heard(a, shop_join_group(a, "s-1", 77, "o-6", "u-4", KEY, 1))->c.code,
                     TLY_ENOT_FOUND);
    assert_true(heard(b, shop_complete_group(b, group))->c.group.replayed);
    assert_int_equal(heard(b, shop_get_group(b, 77))->c.code, TLY_ENOT_FOUND);
}

static void a_group_fails_once_on_whichever_node_comes_first(void **state)
{
    (void)state;
    group_sale();
    int64_t group = heard(a, shop_open_group(a, "s-1", NULL))->c.group.group.group_id;
    struct ask *paid = heard(b, shop_join_group(b, "s-1", group, "o-1", "u-1", KEY, 2));
    heard(a, shop_confirm(a, paid->c.reserve.reservation_id));
    heard(a, shop_join_group(a, "s-1", group, "o-2", "u-2", KEY, 3));
    assert_truth(1, 10, 3, 2);
    shop_advance(b, 1000);
    shop_advance(a, 1000);
    shop_settle(b); /* nobody asks: it looks by itself */
    assert_truth(1, 10, 0, 0);
    shop_settle(a);
    assert_int_equal(shop_rows(a, MOVE_GROUP_FAIL), 1);
    struct ask *seen = heard(a, shop_get_group(a, group));
    assert_int_equal(seen->c.group.group.status, GROUP_FAILED);
    assert_int_equal(seen->c.group.group.paid, 1);
    struct ask *order = heard(a, shop_get(a, paid->c.reserve.reservation_id, NULL));
    assert_int_equal(order->c.get.record->reason, REASON_GROUP_FAILED);
}

static void the_last_millisecond_of_a_group_is_decided_once(void **state)
{
    (void)state;
    group_sale();
    int64_t group = heard(a, shop_open_group(a, "s-1", NULL))->c.group.group.group_id;
    struct ask *first = heard(a, shop_join_group(a, "s-1", group, "o-1", "u-1", KEY, 1));
    struct ask *second = heard(b, shop_join_group(b, "s-1", group, "o-2", "u-2", KEY, 1));
    heard(a, shop_confirm(a, first->c.reserve.reservation_id));
    shop_advance(b, 999);
    shop_advance(a, 1000); /* its clock is ahead, but it comes later */
    assert_int_equal(heard(b, shop_confirm(b, second->c.reserve.reservation_id))->c.code, 0);
    struct ask *late = heard(a, shop_refund(a, second->c.reserve.reservation_id, REASON_NONE));
    assert_int_equal(late->c.move.state, HOLD_REFUNDED);
    assert_int_equal(shop_rows(a, MOVE_GROUP_SUCCEED), 1);
    assert_int_equal(shop_rows(a, MOVE_GROUP_FAIL), 0);
}

static void a_payment_at_the_end_of_a_group_comes_too_late_anywhere(void **state)
{
    (void)state;
    group_sale();
    int64_t group = heard(a, shop_open_group(a, "s-1", NULL))->c.group.group.group_id;
    struct ask *order = heard(a, shop_join_group(a, "s-1", group, "o-1", "u-1", KEY, 1));
    shop_advance(b, 1000);
    struct ask *late = heard(b, shop_confirm(b, order->c.reserve.reservation_id));
    assert_int_equal(late->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(late->c.move.state_reason, REASON_GROUP_FAILED);
}

static void looking_at_a_group_that_is_over_writes_nothing(void **state)
{
    (void)state;
    group_sale();
    int64_t group = heard(a, shop_open_group(a, "s-1", NULL))->c.group.group.group_id;
    shop_advance(a, 1000);
    shop_get_group(a, group);
    while (shop_load(a) && !shop_rows(a, MOVE_GROUP_FAIL)) {
        bool locked = a->locked == a;
        assert_true(shop_write(a) == locked);
    }
    shop_settle(a);
    assert_int_equal(shop_rows(a, MOVE_GROUP_FAIL), 1);
}

static void what_came_with_a_load_is_forgotten(void **state)
{
    (void)state;
    group_sale();
    int64_t group = heard(a, shop_open_group(a, "s-1", NULL))->c.group.group.group_id;
    heard(a, shop_join_group(a, "s-1", group, "o-1", "u-1", KEY, 1));
    heard(b, shop_join_group(b, "s-1", group, "o-2", "u-2", KEY, 1));
    settle();
    struct engine_stats stats = shop_stats(b);
    assert_int_equal(stats.user_entries, 0);
    assert_int_equal(stats.groups_open, 0);
    assert_int_equal(stats.holds_pending, 0);
}

static void all_of_a_group_are_confirmed_at_once(void **state)
{
    (void)state;
    group_sale();
    int64_t group = heard(a, shop_open_group(a, "s-1", NULL))->c.group.group.group_id;
    int64_t ids[2];
    struct reservation_record *records[2];
    ids[0] =
        heard(a, shop_join_group(a, "s-1", group, "o-1", "u-1", KEY, 1))->c.reserve.reservation_id;
    ids[1] =
        heard(b, shop_join_group(b, "s-1", group, "o-2", "u-2", KEY, 1))->c.reserve.reservation_id;
    struct ask *all = shop_ask(b, COMMAND_CONFIRM_ALL);
    all->c.confirm_all.reservation_ids = ids;
    all->c.confirm_all.count = 2;
    all->c.confirm_all.records = records;
    assert_int_equal(run(b, all)->c.code, 0);
    assert_int_equal(shop_rows(a, MOVE_GROUP_SUCCEED), 1);
    assert_truth(1, 10, 0, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_shops, close_shops)
    const struct CMUnitTest tests[] = {
        T(any_node_serves_a_sale_that_another_made),
        T(sales_of_all_nodes_have_numbers_of_their_own),
        T(a_sale_sells_lots_of_its_sku_that_a_node_has_not_seen_before),
        T(pages_of_sales_leave_none_out),
        T(a_user_has_one_limit_on_all_nodes),
        T(a_share_is_of_all_nodes),
        T(a_change_counts_what_its_user_has_elsewhere),
        T(a_group_is_opened_joined_and_paid_on_any_node),
        T(a_group_fails_once_on_whichever_node_comes_first),
        T(the_last_millisecond_of_a_group_is_decided_once),
        T(a_payment_at_the_end_of_a_group_comes_too_late_anywhere),
        T(looking_at_a_group_that_is_over_writes_nothing),
        T(what_came_with_a_load_is_forgotten),
        T(all_of_a_group_are_confirmed_at_once),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
