/* Limits of users, units that are to come, stock files and lists, by two engines over one ledger.
 */
#include <stdlib.h>

#include "fixture_shared.h"

static struct ask *run(struct shop *s, struct ask *ask)
{
    shop_send(s, ask);
    shop_settle(s);
    assert_true(ask->answered);
    return ask;
}

static void limit_users(int64_t units)
{
    struct ask *ask = shop_update_lot(a, KEY);
    ask->c.update_lot.sets_per_user_limit = true;
    ask->c.update_lot.terms.per_user_limit = units;
    assert_int_equal(run(a, ask)->c.code, 0);
}

static void sell_what_is_to_come(int64_t units)
{
    struct ask *ask = shop_update_lot(a, KEY);
    ask->c.update_lot.sets_backorder_limit = true;
    ask->c.update_lot.terms.backorder_limit = units;
    assert_int_equal(run(a, ask)->c.code, 0);
}

static void a_user_has_one_limit_of_a_lot_on_all_nodes(void **state)
{
    (void)state;
    limit_users(3);
    struct ask *first = reserve(b, "o-1", 2);
    assert_int_equal(first->c.code, 0);
    struct ask *over = reserve(a, "o-2", 2);
    assert_int_equal(over->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(over->c.reserve.limit, 3);
    assert_int_equal(over->c.reserve.trouble, ORDER_USER_LOT);
    shop_confirm(a, first->c.reserve.reservation_id);
    settle();
    assert_int_equal(reserve(a, "o-3", 2)->c.code, TLY_ELIMIT_EXCEEDED); /* paid ones count */
    shop_refund(b, first->c.reserve.reservation_id, REASON_NONE);
    settle();
    assert_int_equal(reserve(a, "o-4", 3)->c.code, 0);
}

static void what_was_held_before_a_limit_counts_in_the_same_turn(void **state)
{
    (void)state;
    reserve(b, "o-1", 2);
    struct ask *update = shop_update_lot(a, KEY);
    update->c.update_lot.sets_per_user_limit = true;
    update->c.update_lot.terms.per_user_limit = 3;
    shop_send(a, update);
    struct ask *order = shop_reserve(a, "o-2", KEY, 2);
    shop_settle(a);
    assert_int_equal(update->c.code, 0);
    assert_int_equal(order->c.code, TLY_ELIMIT_EXCEEDED);
}

static struct engine_config two_holds(void)
{
    struct engine_config config = shop_config();
    config.user_holds_max = 2;
    return config;
}

static int open_shops_with_two_holds(void **state)
{
    (void)state;
    struct engine_config config = two_holds();
    a = shop_open_shared(&config);
    b = shop_join(a);
    shop_lot(a, KEY, 10);
    shop_lot(a, LIME, 10);
    shop_settle(b);
    return 0;
}

static void holds_of_a_user_are_bounded_over_all_nodes_and_lots(void **state)
{
    (void)state;
    struct ask *first = reserve(a, "o-1", 1);
    struct ask *second = shop_reserve(b, "o-2", LIME, 1);
    shop_settle(b);
    assert_int_equal(second->c.code, 0);
    struct ask *over = reserve(a, "o-3", 1);
    assert_int_equal(over->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(over->c.reserve.trouble, ORDER_USER_HOLDS);
    shop_confirm(b, first->c.reserve.reservation_id);
    settle();
    assert_int_equal(reserve(b, "o-4", 1)->c.code, 0);
    assert_int_equal(reserve(a, "o-5", 1)->c.code, TLY_ELIMIT_EXCEEDED);
    shop_advance(a, 24 * 3600 * 1000);
    assert_int_equal(reserve(a, "o-6", 1)->c.code, 0); /* the others have expired */
}

static void who_waits_for_units_is_known_on_any_node(void **state)
{
    (void)state;
    sell_what_is_to_come(5);
    struct ask *first = reserve(a, "o-1", 8);
    struct ask *second = reserve(b, "o-2", 4);
    struct ask *third = reserve(a, "o-3", 3);
    assert_int_equal(third->c.code, 0);
    assert_int_equal(reserve(b, "o-4", 1)->c.code, TLY_ESOLD_OUT);
    struct ask *seen = shop_get(a, second->c.reserve.reservation_id, NULL);
    settle();
    assert_int_equal(seen->c.get.record->after[0].backordered, 2);
    seen = shop_get(b, third->c.reserve.reservation_id, NULL);
    settle();
    assert_int_equal(seen->c.get.record->after[0].backordered, 3);
    shop_refund(b, first->c.reserve.reservation_id, REASON_NONE);
    settle();
    seen = shop_get(a, third->c.reserve.reservation_id, NULL);
    settle();
    assert_int_equal(seen->c.get.record->after[0].backordered, 0);
}

static void units_that_have_not_come_are_not_shipped_by_any_node(void **state)
{
    (void)state;
    sell_what_is_to_come(5);
    reserve(a, "o-1", 9);
    struct ask *order = reserve(b, "o-2", 3);
    shop_confirm(a, order->c.reserve.reservation_id);
    settle();
    struct ask *ship = run(b, shop_move(b, COMMAND_SHIP, order->c.reserve.reservation_id));
    assert_int_not_equal(ship->c.code, 0);
    shop_adjust(a, KEY, 2, NULL);
    settle();
    assert_int_equal(run(b, shop_move(b, COMMAND_SHIP, order->c.reserve.reservation_id))->c.code,
                     0);
    assert_truth(1, 9, 9, 0);
}

static struct set_item item(const char *key, const char *sku, int64_t quantity)
{
    return (struct set_item){.dims = {.key = str_of(key),
                                      .sku = str_of(sku),
                                      .flavor = STR("cola"),
                                      .size = STR("330ml_can"),
                                      .batch = STR("BATCH-20260101-A"),
                                      .expires_on = LOT_NEVER_EXPIRES},
                             .quantity = quantity,
                             .counts = true};
}

static void a_stock_file_is_one_commit_of_lots_that_any_node_made(void **state)
{
    (void)state;
    struct set_item items[] = {item(KEY, "cola", 12), item(LIME, "lime", 7)};
    struct ask *ask = shop_ask(b, COMMAND_SET_STOCK);
    ask->c.set.items = items;
    ask->c.set.count = 2;
    assert_int_equal(run(b, ask)->c.code, 0);
    assert_truth(1, 12, 0, 0);
    assert_truth(2, 7, 0, 0);
    assert_int_equal(items[1].lot, 2);
    struct ask *order = shop_reserve(a, "o-1", LIME, 7);
    shop_settle(a);
    assert_int_equal(order->c.code, 0);
    items[0].quantity = 11;
    items[1].quantity = 6;
    struct ask *again = shop_ask(b, COMMAND_SET_STOCK);
    again->c.set.items = items;
    again->c.set.count = 2;
    assert_int_equal(run(b, again)->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(items[1].fault, SET_HELD);
    assert_truth(1, 12, 0, 0);
}

/* The ledger's page: that reservation. */
static void answer_list(struct shop *s, const char *order_id)
{
    struct question *q = engine_next_question(s->engine);
    assert_non_null(q);
    assert_int_equal(q->kind, QUESTION_LIST);
    struct ask *seen = shop_get(a, 0, order_id);
    shop_settle(a);
    q->list->records = malloc(sizeof *q->list->records);
    q->list->records[0] = seen->c.get.record;
    seen->c.get.record = NULL;
    q->list->count = 1;
    q->code = 0;
    engine_answered(s->engine, q);
}

static void what_is_listed_is_known_when_the_answer_leaves(void **state)
{
    (void)state;
    shop_lot(a, LIME, 5);
    struct ask *order = shop_reserve(a, "o-1", LIME, 2);
    shop_settle(a);
    assert_int_equal(order->c.code, 0);
    struct ask *list = shop_ask(b, COMMAND_LIST_RESERVATIONS);
    list->c.list_reservations.list.before = INT64_MAX;
    list->c.list_reservations.list.page_size = 10;
    list->c.list_reservations.lot_key = STR(LIME);
    shop_send(b, list);
    assert_true(shop_load(b));
    assert_int_equal(list->c.list_reservations.list.lot, 2);
    answer_list(b, "o-1");
    shop_settle(b);
    assert_true(list->answered);
    assert_int_equal(list->c.list_reservations.list.count, 1);
    assert_non_null(engine_lot_dims(b->engine, 2));
    free(list->c.list_reservations.list.records[0]);
    free(list->c.list_reservations.list.records);
}

static void a_list_tells_of_lots_that_were_not_known(void **state)
{
    (void)state;
    shop_lot(a, LIME, 5);
    shop_reserve(a, "o-1", LIME, 2);
    shop_settle(a);
    struct ask *list = shop_ask(b, COMMAND_LIST_RESERVATIONS);
    list->c.list_reservations.list.before = INT64_MAX;
    list->c.list_reservations.list.page_size = 10;
    list->c.list_reservations.list.user_id = STR("user-1");
    shop_send(b, list);
    shop_load(b);
    answer_list(b, "o-1");
    assert_null(engine_lot_dims(b->engine, 2));
    shop_collect(b);
    assert_false(list->answered);
    shop_settle(b);
    assert_true(list->answered);
    assert_int_equal(list->c.code, 0);
    assert_non_null(engine_lot_dims(b->engine, 2));
    free(list->c.list_reservations.list.records[0]);
    free(list->c.list_reservations.list.records);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_shops, close_shops)
    const struct CMUnitTest tests[] = {
        T(a_user_has_one_limit_of_a_lot_on_all_nodes),
        T(what_was_held_before_a_limit_counts_in_the_same_turn),
        cmocka_unit_test_setup_teardown(holds_of_a_user_are_bounded_over_all_nodes_and_lots,
                                        open_shops_with_two_holds, close_shops),
        T(who_waits_for_units_is_known_on_any_node),
        T(units_that_have_not_come_are_not_shipped_by_any_node),
        T(a_stock_file_is_one_commit_of_lots_that_any_node_made),
        T(what_is_listed_is_known_when_the_answer_leaves),
        T(a_list_tells_of_lots_that_were_not_known),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
