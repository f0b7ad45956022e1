/* The stock of many lots in one command: all or none, in one batch. */
#include "fixture.h"

#include <string.h>

#include "shop.h"

enum { ITEMS = 4 };

struct asked {
    struct ask *a;
    struct set_item items[ITEMS];
};

static struct asked asked;

static int open_shop(void **state)
{
    *state = shop_open(NULL);
    shop_lot(*state, "cola#00000001", 10);
    shop_lot(*state, "lime#00000002", 10);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct set_item item(const char *key, int64_t quantity)
{
    return (struct set_item){.dims = {.key = str_of(key),
                                      .sku = {key, (uint32_t)(strchr(key, '#') - key)},
                                      .flavor = STR("cola"),
                                      .size = STR("330ml_can"),
                                      .batch = STR("BATCH-20260101-A"),
                                      .expires_on = LOT_NEVER_EXPIRES},
                             .quantity = quantity,
                             .counts = true};
}

/* Up to three items; the caller may change the command before it is sent. */
static struct command *begin(struct shop *s, struct set_item a, struct set_item b, uint32_t count)
{
    asked.a = shop_ask(s, COMMAND_SET_STOCK);
    asked.items[0] = a;
    asked.items[1] = b;
    asked.a->c.set.items = asked.items;
    asked.a->c.set.count = count;
    asked.a->c.set.reason = STR("import");
    return &asked.a->c;
}

static int send(struct shop *s)
{
    shop_send(s, asked.a);
    shop_commit(s);
    assert_true(asked.a->answered);
    return asked.a->c.code;
}

static void lots_are_made_raised_and_lowered_in_one_batch(void **state)
{
    struct shop *s = *state;
    struct command *c = begin(s, item("cola#00000001", 4), item("lime#00000002", 30), 4);
    asked.items[2] = item("mate#00000003", 7);
    asked.items[3] = item("mint#00000004", 0);
    shop_send(s, asked.a);
    assert_false(asked.a->answered);
    shop_commit(s);
    assert_int_equal(c->code, 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 4);
    assert_int_equal(shop_stock(s, 2).on_hand, 30);
    assert_int_equal(shop_stock(s, 3).on_hand, 7);
    assert_int_equal(asked.items[0].action, SET_LOWER);
    assert_int_equal(asked.items[0].delta, -6);
    assert_int_equal(asked.items[1].action, SET_RAISE);
    assert_int_equal(asked.items[2].action, SET_CREATE);
    assert_int_equal(engine_lot_count(s->engine), 4);
    assert_int_equal(shop_rows(s, MOVE_ADJUST), 2);
    assert_int_equal(shop_rows(s, MOVE_CREATE), 4);
    assert_int_equal(s->gate[1], 4);
}

static void one_fault_keeps_all_of_it_out(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", "lime#00000002", 5);
    shop_commit(s);
    begin(s, item("mate#00000003", 1), item("lime#00000002", 4), 2);
    assert_int_equal(send(s), TLY_EINVALID_ARGUMENT);
    assert_int_equal(asked.a->c.set.faults, 1);
    assert_int_equal(asked.items[1].fault, SET_HELD);
    assert_int_equal(asked.items[1].held, 5);
    assert_int_equal(engine_lot_count(s->engine), 2);
    assert_int_equal(shop_stock(s, 2).on_hand, 10);
}

static void each_fault_has_its_name(void **state)
{
    struct shop *s = *state;
    begin(s, item("cola#00000001", 1), item("mate#00000003", 1), 3);
    asked.items[0].dims.flavor = STR("lemon");
    asked.items[1].counts = false;
    asked.items[2] = item("lime#00000002", 1);
    asked.items[2].dated = true;
    asked.items[2].dims.expires_on = 20000;
    assert_int_equal(send(s), TLY_EINVALID_ARGUMENT);
    assert_int_equal(asked.items[0].fault, SET_COLLIDES);
    assert_int_equal(asked.items[1].fault, SET_NO_QUANTITY);
    assert_int_equal(asked.items[2].fault, SET_OTHER_EXPIRY);
    begin(s, item("mate#00000003", -1), item("soda#00000004", QUANTITY_MAX + INT64_C(1)), 2);
    assert_int_equal(send(s), TLY_EINVALID_ARGUMENT);
    assert_int_equal(asked.items[0].fault, SET_NO_QUANTITY);
    assert_int_equal(asked.items[1].fault, SET_TOO_MANY);
    begin(s, item("cola#00000001", QUANTITY_MAX + INT64_C(1)), item("cola#00000001", 0), 1);
    assert_int_equal(send(s), TLY_EINVALID_ARGUMENT);
    assert_int_equal(asked.items[0].fault, SET_TOO_MANY);
}

static void more_lots_than_the_limit_are_a_fault(void **state)
{
    struct engine_config config = shop_config();
    config.lots_max = 3;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    begin(s, item("mate#00000003", 1), item("mint#00000004", 1), 2)->set.creates_before = 2;
    assert_int_equal(send(s), TLY_EINVALID_ARGUMENT);
    assert_int_equal(asked.items[0].fault, SET_FINE);
    assert_int_equal(asked.items[1].fault, SET_LOTS_MAX);
}

static void a_check_changes_nothing(void **state)
{
    struct shop *s = *state;
    begin(s, item("cola#00000001", 4), item("mate#00000003", 1), 2)->set.check_only = true;
    assert_int_equal(send(s), 0);
    assert_int_equal(asked.items[0].action, SET_LOWER);
    assert_int_equal(asked.items[1].action, SET_CREATE);
    assert_int_equal(shop_stock(s, 1).on_hand, 10);
    assert_int_equal(engine_lot_count(s->engine), 2);
}

static void what_is_as_it_shall_be_is_no_move(void **state)
{
    struct shop *s = *state;
    uint32_t before = shop_rows(s, MOVE_ADJUST);
    begin(s, item("cola#00000001", 10), item("lime#00000002", 99), 2);
    asked.items[1].counts = false;
    assert_int_equal(send(s), 0);
    assert_int_equal(asked.items[0].action, SET_SAME);
    assert_int_equal(asked.items[1].action, SET_SAME);
    assert_int_equal(shop_rows(s, MOVE_ADJUST), before);
}

static void a_count_may_mean_what_can_be_sold(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", "cola#00000001", 4);
    shop_commit(s);
    begin(s, item("cola#00000001", 10), item("lime#00000002", 0), 1)->set.mode = SET_AVAILABLE;
    assert_int_equal(send(s), 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 14);
}

static void a_count_below_what_is_owed_is_taken_if_it_is_higher_than_before(void **state)
{
    struct shop *s = *state;
    struct ask *terms = shop_update_lot(s, "cola#00000001");
    terms->c.update_lot.sets_backorder_limit = true;
    terms->c.update_lot.terms.backorder_limit = 20;
    shop_send(s, terms);
    shop_reserve(s, "o-1", "cola#00000001", 15);
    shop_commit(s);
    begin(s, item("cola#00000001", 12), item("cola#00000001", 0), 1)->set.mode = SET_ON_HAND;
    assert_int_equal(send(s), 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 12);
    begin(s, item("cola#00000001", 11), item("cola#00000001", 0), 1)->set.mode = SET_ON_HAND;
    assert_int_equal(send(s), TLY_EINVALID_ARGUMENT);
    assert_int_equal(asked.items[0].fault, SET_HELD);
}

static void a_lot_that_owes_units_has_none_to_sell(void **state)
{
    struct shop *s = *state;
    struct ask *terms = shop_update_lot(s, "cola#00000001");
    terms->c.update_lot.sets_backorder_limit = true;
    terms->c.update_lot.terms.backorder_limit = 20;
    shop_send(s, terms);
    shop_reserve(s, "o-1", "cola#00000001", 15);
    shop_commit(s);
    begin(s, item("cola#00000001", 0), item("cola#00000001", 0), 1)->set.mode = SET_AVAILABLE;
    assert_int_equal(send(s), 0);
    assert_int_equal(asked.items[0].action, SET_SAME);
    assert_int_equal(shop_stock(s, 1).on_hand, 10);
    begin(s, item("cola#00000001", 2), item("cola#00000001", 0), 1)->set.mode = SET_AVAILABLE;
    assert_int_equal(send(s), 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 17);
}

static void a_day_that_was_put_right_is_the_lots_day(void **state)
{
    struct shop *s = *state;
    struct ask *terms = shop_update_lot(s, "cola#00000001");
    terms->c.update_lot.sets_expires_on = true;
    terms->c.update_lot.terms.expires_on = 30000;
    shop_send(s, terms);
    begin(s, item("cola#00000001", 12), item("cola#00000001", 0), 1);
    asked.items[0].dated = true;
    asked.items[0].dims.expires_on = 30000;
    assert_int_equal(send(s), 0);
}

static void existing_lots_only(void **state)
{
    struct shop *s = *state;
    begin(s, item("cola#00000001", 4), item("mate#00000003", 1), 2)->set.existing_only = true;
    assert_int_equal(send(s), 0);
    assert_int_equal(asked.items[1].action, SET_PASSED);
    assert_int_equal(engine_lot_count(s->engine), 2);
}

static void a_batch_that_fails_takes_all_of_it_back(void **state)
{
    struct shop *s = *state;
    begin(s, item("cola#00000001", 4), item("mate#00000003", 1), 2);
    shop_send(s, asked.a);
    assert_non_null(shop_seal(s));
    shop_reject(s);
    assert_true(asked.a->answered);
    assert_true(asked.a->c.code != 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 10);
    assert_int_equal(engine_lot_count(s->engine), 2);
    begin(s, item("cola#00000001", 4), item("mate#00000003", 1), 2);
    assert_int_equal(send(s), 0);
    assert_int_equal(shop_stock(s, 3).on_hand, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(lots_are_made_raised_and_lowered_in_one_batch),
        T(one_fault_keeps_all_of_it_out),
        T(each_fault_has_its_name),
        T(more_lots_than_the_limit_are_a_fault),
        T(a_check_changes_nothing),
        T(what_is_as_it_shall_be_is_no_move),
        T(a_count_may_mean_what_can_be_sold),
        T(a_count_below_what_is_owed_is_taken_if_it_is_higher_than_before),
        T(a_lot_that_owes_units_has_none_to_sell),
        T(a_day_that_was_put_right_is_the_lots_day),
        T(existing_lots_only),
        T(a_batch_that_fails_takes_all_of_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
