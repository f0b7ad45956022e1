/* What is in memory besides holds and lots has a bound (I7): at it the refusal names the setting,
 * and it passes when there is room again. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "shop.h"

#define COLA "cola#00000001"
#define LIME "lime#00000002"

static int open_shop(void **state)
{
    struct engine_config config = shop_config();
    config.sales_max = 2;
    config.groups_max = 2;
    config.user_entries_max = 3;
    config.backorders_max = 2;
    config.holds_max = 6;
    struct shop *s = shop_open(&config);
    shop_lot(s, COLA, 100);
    shop_lot(s, LIME, 100);
    shop_commit(s);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *create_sale(struct shop *s, const char *sale_id)
{
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, sale_id);
    shop_sale_lot(a, 1);
    a->sale.terms.group_size = 2;
    a->sale.terms.group_window_ms = 30000;
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static struct ask *in_sale(struct shop *s, const char *order_id, const char *user)
{
    struct ask *a = shop_reserve_in(s, "team", order_id, user, COLA, 1);
    shop_commit(s);
    return a;
}

static void refused(const struct ask *a, int code, const char *setting)
{
    assert_int_equal(a->c.code, code);
    assert_int_equal(strncmp(a->text, setting, strlen(setting)), 0);
}

static void sales_are_bounded(void **state)
{
    struct shop *s = *state;
    assert_int_equal(create_sale(s, "team")->c.code, 0);
    assert_int_equal(create_sale(s, "second")->c.code, 0);
    refused(create_sale(s, "third"), TLY_ELIMIT_EXCEEDED, "sales_max: there are 2 sales");
    assert_int_equal(shop_stats(s).sales, 2);
}

static void a_start_with_more_sales_than_the_bound_is_refused_by_its_name(void **state)
{
    struct shop *s = *state;
    struct engine_config config = shop_config();
    struct engine *e;
    struct error error = {0};
    struct sale_item item = {.lot = 1};
    struct sale_terms terms = {.number = 1, .item_count = 1, .items = &item, .ends_ms = 1};
    config.sales_max = 1;
    assert_int_equal(engine_create(&e, &config, &error), 0);
    assert_int_equal(engine_load_lot(e, 1, s->rows[0].dims, NULL, &(struct stock){0}, &error), 0);
    terms.sale_id = STR("team");
    assert_int_equal(engine_load_sale(e, &terms, 1, &error), 0);
    terms.sale_id = STR("second");
    terms.number = 2;
    assert_int_equal(engine_load_sale(e, &terms, 2, &error), TLY_ELIMIT_EXCEEDED);
    assert_string_equal(error.field, "sales_max");
    engine_destroy(e);
}

static void open_groups_are_bounded_and_one_that_ends_makes_room(void **state)
{
    struct shop *s = *state;
    create_sale(s, "team");
    struct ask *first = shop_open_group(s, "team", NULL);
    shop_open_group(s, "team", NULL);
    shop_commit(s);
    struct ask *third = shop_open_group(s, "team", NULL);
    shop_commit(s);
    refused(third, TLY_EOVERLOADED, "groups_max: 2 groups are OPEN");
    shop_complete_group(s, first->c.group.group.group_id);
    shop_commit(s);
    third = shop_open_group(s, "team", NULL);
    shop_commit(s);
    assert_int_equal(third->c.code, 0);
}

static void what_counts_for_users_in_sales_is_bounded_and_comes_back(void **state)
{
    struct shop *s = *state;
    create_sale(s, "team");
    struct ask *first = in_sale(s, "o-1", "ann");
    in_sale(s, "o-2", "ann");
    in_sale(s, "o-3", "bob");
    assert_int_equal(shop_stats(s).user_entries, 3);
    struct ask *fourth = in_sale(s, "o-4", "cat");
    assert_int_equal(fourth->c.code, TLY_EOVERLOADED);
    assert_int_equal(fourth->c.reserve.trouble, ORDER_USER_ENTRIES);
    assert_int_equal(fourth->c.reserve.limit, 3);
    assert_int_equal(shop_available(s, 1), 97);
    shop_refund(s, first->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(in_sale(s, "o-5", "cat")->c.code, 0);
    assert_int_equal(shop_stats(s).user_entries, 3);
}

static void a_sale_that_is_over_forgets_what_counted(void **state)
{
    struct shop *s = *state;
    const struct engine_config config = shop_config();
    create_sale(s, "team");
    shop_confirm(s, in_sale(s, "o-1", "ann")->c.reserve.reservation_id);
    shop_confirm(s, in_sale(s, "o-2", "bob")->c.reserve.reservation_id);
    shop_commit(s);
    shop_send(s, shop_sale(s, COMMAND_CLOSE_SALE, "team"));
    shop_commit(s);
    shop_advance(s, 120000);
    assert_int_equal(shop_stats(s).user_entries, 2); /* a late payment would count */
    shop_advance(s, config.hold_total_max_ms + config.refund_window_ms);
    assert_int_equal(shop_stats(s).user_entries, 0);
}

static void what_counts_survives_a_restart_and_a_rejected_batch(void **state)
{
    struct shop *s = *state;
    create_sale(s, "team");
    in_sale(s, "o-1", "ann");
    shop_reserve_in(s, "team", "o-2", "bob", COLA, 1);
    assert_int_equal(shop_stats(s).user_entries, 2);
    assert_true(shop_seal(s));
    shop_reject(s);
    assert_int_equal(shop_stats(s).user_entries, 1);
    shop_reopen(s);
    assert_int_equal(shop_stats(s).user_entries, 1);
}

static struct ask *limit_lot(struct shop *s, const char *lot)
{
    struct ask *a = shop_update_lot(s, lot);
    a->c.update_lot.sets_per_user_limit = true;
    a->c.update_lot.terms.per_user_limit = 50;
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static struct ask *of_user(struct shop *s, const char *order_id, const char *user, const char *lot)
{
    struct ask *a = shop_order(s, order_id);
    a->c.reserve.user_id = str_of(user);
    a->c.reserve.extra = &a->extra;
    shop_want_lot(a, lot, 1);
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static void what_counts_for_users_of_lots_is_bounded_too(void **state)
{
    struct shop *s = *state;
    limit_lot(s, COLA);
    of_user(s, "o-1", "ann", COLA);
    of_user(s, "o-2", "bob", COLA);
    of_user(s, "o-3", "cat", COLA);
    struct ask *fourth = of_user(s, "o-4", "dan", COLA);
    assert_int_equal(fourth->c.code, TLY_EOVERLOADED);
    assert_int_equal(fourth->c.reserve.trouble, ORDER_USER_ENTRIES);
    assert_int_equal(of_user(s, "o-5", "dan", LIME)->c.code, 0); /* it has no limit */
}

static void a_limit_that_would_count_too_much_is_not_set(void **state)
{
    struct shop *s = *state;
    of_user(s, "o-1", "ann", LIME);
    of_user(s, "o-2", "bob", LIME);
    limit_lot(s, COLA);
    of_user(s, "o-3", "ann", COLA);
    of_user(s, "o-4", "bob", COLA);
    refused(limit_lot(s, LIME), TLY_EOVERLOADED, "user_entries_max: ");
    assert_int_equal(shop_stats(s).user_entries, 2);
    assert_int_equal(of_user(s, "o-5", "cat", LIME)->c.code, 0);
}

static void sell_ahead(struct shop *s, const char *lot)
{
    struct ask *more = shop_update_lot(s, lot);
    more->c.update_lot.sets_backorder_limit = true;
    more->c.update_lot.terms.backorder_limit = 100;
    shop_send(s, more);
}

static void orders_that_wait_for_units_are_bounded(void **state)
{
    struct shop *s = *state;
    sell_ahead(s, COLA);
    sell_ahead(s, LIME);
    shop_reserve(s, "o-1", COLA, 100); /* has its units */
    struct ask *first = shop_reserve(s, "o-2", COLA, 5);
    shop_reserve(s, "o-3", COLA, 5);
    shop_commit(s);
    assert_int_equal(shop_stats(s).backorders, 2);
    struct ask *third = shop_reserve(s, "o-4", COLA, 1);
    shop_commit(s);
    assert_int_equal(third->c.code, TLY_EOVERLOADED);
    assert_int_equal(third->c.reserve.trouble, ORDER_BACKORDERS);
    assert_int_equal(third->c.reserve.limit, 2);
    assert_int_equal(shop_stock(s, 1).reserved, 110);
    assert_int_equal(shop_reserve(s, "o-6", LIME, 1)->c.reserve.code, 0); /* waits for nothing */
    shop_adjust(s, COLA, 5, "");
    shop_commit(s);
    assert_int_equal(shop_stats(s).backorders, 1); /* the first has its units */
    third = shop_reserve(s, "o-5", COLA, 1);
    shop_commit(s);
    assert_int_equal(third->c.code, 0);
    shop_confirm(s, first->c.reserve.reservation_id);
    shop_commit(s);
    shop_reopen(s);
    assert_int_equal(shop_stats(s).backorders, 2);
}

static void an_undone_order_gives_its_place_in_the_line_back(void **state)
{
    struct shop *s = *state;
    sell_ahead(s, COLA);
    shop_commit(s);
    shop_reserve(s, "o-1", COLA, 101);
    assert_int_equal(shop_stats(s).backorders, 1);
    assert_true(shop_seal(s));
    shop_reject(s);
    assert_int_equal(shop_stats(s).backorders, 0);
}

static void paid_places_of_open_groups_count_as_holds(void **state)
{
    struct shop *s = *state;
    int64_t groups[2], orders[2];
    const char *const users[] = {"ann", "bob"}, *const ids[] = {"o-1", "o-2"};
    create_sale(s, "team");
    for (int i = 0; i < 2; i++) {
        struct ask *order = shop_order_in(s, "team", ids[i], users[i]);
        shop_want_lot(order, COLA, 1);
        struct ask *a = shop_open_group(s, "team", order);
        shop_commit(s);
        groups[i] = a->c.group.group.group_id;
        orders[i] = order->c.reserve.reservation_id;
        shop_confirm(s, orders[i]);
        shop_commit(s);
    }
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "p-%d", i);
        assert_int_equal(shop_reserve(s, id, LIME, 1)->c.reserve.code, 0);
    }
    shop_commit(s);
    struct ask *over = shop_reserve(s, "p-4", LIME, 1);
    shop_commit(s);
    assert_int_equal(over->c.reserve.trouble, ORDER_HOLDS_MAX);
    shop_complete_group(s, groups[0]); /* its member is as any other from then on */
    shop_commit(s);
    assert_int_equal(shop_reserve(s, "p-5", LIME, 1)->c.reserve.code, 0);
    shop_commit(s);
    shop_reopen(s);
    over = shop_reserve(s, "p-6", LIME, 1);
    shop_commit(s);
    assert_int_equal(over->c.reserve.trouble, ORDER_HOLDS_MAX);
    shop_refund(s, orders[1], REASON_NONE); /* leaves its group */
    shop_commit(s);
    assert_int_equal(shop_reserve(s, "p-7", LIME, 1)->c.reserve.code, 0);
}

static void no_more_sales_can_be_asked_for_than_the_engine_numbers(void **state)
{
    struct engine_config config = shop_config();
    struct engine *e;
    struct error error = {0};
    (void)state;
    config.sales_max = (1 << 20) + 1;
    assert_int_equal(engine_create(&e, &config, &error), TLY_EINVALID_ARGUMENT);
    assert_string_equal(error.field, "sales_max");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(sales_are_bounded),
        T(a_start_with_more_sales_than_the_bound_is_refused_by_its_name),
        T(open_groups_are_bounded_and_one_that_ends_makes_room),
        T(what_counts_for_users_in_sales_is_bounded_and_comes_back),
        T(a_sale_that_is_over_forgets_what_counted),
        T(what_counts_survives_a_restart_and_a_rejected_batch),
        T(what_counts_for_users_of_lots_is_bounded_too),
        T(a_limit_that_would_count_too_much_is_not_set),
        T(orders_that_wait_for_units_are_bounded),
        T(an_undone_order_gives_its_place_in_the_line_back),
        T(paid_places_of_open_groups_count_as_holds),
        T(no_more_sales_can_be_asked_for_than_the_engine_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
