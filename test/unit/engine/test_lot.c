#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "shop.h"

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

static void a_lot_is_created_with_its_first_units(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_create(s, "cola#00000001", "cola", "330ml_can", "BATCH-20260101-A",
                                LOT_NEVER_EXPIRES, 7);
    assert_false(a->answered);
    assert_int_equal(engine_lot_count(s->engine), 0);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.create.lot.id, 1);
    assert_int_equal(a->c.create.lot.stock.on_hand, 7);
    assert_int_equal(a->c.create.lot.stock.version, 1);
    assert_true(str_equal(a->c.create.lot.dims->sku, STR("cola")));
    assert_int_equal(engine_lot_count(s->engine), 1);
    assert_int_equal(s->gate[1], 7);
    assert_int_equal(shop_last_row(s)->kind, MOVE_CREATE);
    assert_int_equal(shop_last_row(s)->line.quantity, 7);
}

static void a_lot_may_be_announced_without_units(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 0);
    assert_int_equal(shop_reserve(s, "o-1", "cola#00000001", 1)->c.code, TLY_ESOLD_OUT);
    shop_adjust(s, "cola#00000001", 3, "");
    shop_commit(s);
    struct ask *a = shop_reserve(s, "o-1", "cola#00000001", 1);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_stock(s, 1).version, 3);
}

static void a_lot_that_exists_is_shown_and_a_collision_is_told_apart(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "cola#00000001", "cola", "can", "A", LOT_NEVER_EXPIRES, 7);
    struct ask *a = shop_create(s, "cola#00000001", "cola", "can", "A", LOT_NEVER_EXPIRES, 9);
    assert_int_equal(a->c.code, TLY_EALREADY_EXISTS);
    assert_int_equal(a->c.create.lot.stock.on_hand, 7);
    assert_null(strstr(a->text, "collide"));
    struct ask *b = shop_create(s, "cola#00000001", "lime", "jar", "B", LOT_NEVER_EXPIRES, 9);
    assert_int_equal(b->c.code, TLY_EALREADY_EXISTS);
    assert_non_null(strstr(b->text, "collide"));
    assert_non_null(strstr(b->text, "cola|can|A"));
    assert_non_null(strstr(b->text, "lime|jar|B"));
}

static void more_lots_than_the_limit_are_refused(void **state)
{
    struct engine_config config = shop_config();
    config.lots_max = 1;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    shop_lot(s, "cola#00000001", 1);
    struct ask *a = shop_create(s, "cola#00000002", "c", "s", "b", LOT_NEVER_EXPIRES, 1);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
}

static void stock_may_not_fall_below_what_is_held(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 10);
    struct ask *r = shop_reserve(s, "o-1", "cola#00000001", 4);
    shop_reserve(s, "o-2", "cola#00000001", 3);
    shop_confirm(s, r->c.reserve.reservation_id);
    shop_commit(s);
    struct ask *a = shop_adjust(s, "cola#00000001", -4, "");
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_non_null(strstr(a->text, "3 units"));
    struct ask *b = shop_adjust(s, "cola#00000001", -3, "");
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_int_equal(b->c.adjust.lot.stock.on_hand, 7);
    assert_int_equal(shop_available(s, 1), 0);
    assert_int_equal(s->gate[1], 0);
    assert_int_equal(shop_adjust(s, "cola#00000001", 0, "")->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(shop_adjust(s, "nothing", 1, "")->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_adjust(s, "cola#00000001", QUANTITY_MAX, "")->c.code,
                     TLY_ELIMIT_EXCEEDED);
}

static void an_adjustment_holds_for_the_version_that_it_was_made_for(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 10);
    int64_t version = shop_get_lot(s, "cola#00000001")->c.get_lot.lot.stock.version;
    const struct {
        int64_t expected;
        int code;
    } cases[] = {{version + 1, TLY_EVERSION_MISMATCH},
                 {version, 0},
                 {version, TLY_EVERSION_MISMATCH},
                 {version + 1, 0},
                 {0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ask *a = shop_ask(s, COMMAND_ADJUST);
        a->c.adjust.key = STR("cola#00000001");
        a->c.adjust.delta = 1;
        a->c.adjust.expected_version = cases[i].expected;
        shop_send(s, a);
        shop_commit(s);
        assert_int_equal(a->c.code, cases[i].code);
    }
    assert_int_equal(shop_stock(s, 1).on_hand, 13);
    struct ask *held = shop_reserve(s, "o-1", "cola#00000001", 1);
    shop_commit(s);
    assert_int_equal(held->c.code, 0);
    assert_int_equal(shop_get_lot(s, "cola#00000001")->c.get_lot.lot.stock.version, version + 4);
}

static void the_same_adjustment_id_is_applied_once(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 10);
    shop_lot(s, "lime#00000002", 10);
    struct ask *a = shop_adjust(s, "cola#00000001", 5, "adj-1");
    struct ask *b = shop_adjust(s, "cola#00000001", 5, "adj-1"); /* while it is undecided */
    shop_commit(s);
    struct ask *c = shop_adjust(s, "cola#00000001", 5, "adj-1");
    struct ask *d = shop_adjust(s, "lime#00000002", 5, "adj-1");
    struct ask *e = shop_adjust(s, "cola#00000001", 5, "adj-2");
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(b->c.code, 0);
    assert_int_equal(c->c.code, 0);
    assert_int_equal(d->c.code, TLY_EORDER_MISMATCH);
    assert_string_equal(d->c.text, "this adjustment_id was used to adjust lot cola#00000001 by 5");
    assert_int_equal(e->c.code, 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 20);
    assert_int_equal(shop_rows(s, MOVE_ADJUST), 2);
}

static void an_adjustment_id_is_not_an_order_id(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 10);
    shop_adjust(s, "cola#00000001", 5, "same");
    struct ask *a = shop_reserve(s, "same", "cola#00000001", 1);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.reserve.replayed);
}

static struct ask *list(struct shop *s, const char *sku, const char *flavor, lot_id after,
                        struct lot_view *lots, uint32_t page_size)
{
    struct ask *a = shop_ask(s, COMMAND_LIST_LOTS);
    a->c.list.sku = str_of(sku);
    a->c.list.flavor = str_of(flavor);
    a->c.list.after = after;
    a->c.list.lots = lots;
    a->c.list.page_size = page_size;
    shop_send(s, a);
    assert_true(a->answered);
    return a;
}

static void lots_are_listed_in_pages_by_filter(void **state)
{
    struct shop *s = *state;
    char key[32];
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "%s#%08d", i % 2 ? "lime" : "cola", i);
        shop_lot_dims(s, key, i < 5 ? "red" : "blue", "can", "A", 30000 - i, 1);
    }
    struct lot_view lots[4];
    struct ask *a = list(s, "", "", 0, lots, 4);
    assert_int_equal(a->c.list.count, 4);
    assert_int_equal(a->c.list.next, 4);
    a = list(s, "", "", 8, lots, 4);
    assert_int_equal(a->c.list.count, 2);
    assert_int_equal(a->c.list.next, 0);
    a = list(s, "lime", "", 0, lots, 4);
    assert_int_equal(a->c.list.count, 4);
    assert_int_equal(lots[0].id, 2);
    a = list(s, "lime", "", a->c.list.next, lots, 4);
    assert_int_equal(a->c.list.count, 1);
    assert_int_equal(lots[0].id, 10);
    a = list(s, "lime", "blue", 0, lots, 4);
    assert_int_equal(a->c.list.count, 3);
    assert_int_equal(list(s, "tea", "", 0, lots, 4)->c.list.count, 0);
}

static struct ask *changes(struct shop *s, uint64_t since, struct lot_view *lots, uint32_t page)
{
    struct ask *a = shop_ask(s, COMMAND_LOT_CHANGES);
    a->c.changes.since = since;
    a->c.changes.lots = lots;
    a->c.changes.page_size = page;
    shop_send(s, a);
    return a;
}

static void a_watcher_sees_every_change_once_newest_state_only(void **state)
{
    struct shop *s = *state;
    struct lot_view lots[3];
    char key[32];
    for (int i = 1; i <= 5; i++) {
        snprintf(key, sizeof key, "cola#%08d", i);
        shop_lot_dims(s, key, "red", "can", "A", LOT_NEVER_EXPIRES, 10);
    }
    struct ask *a = changes(s, 0, lots, 3);
    assert_int_equal(a->c.changes.count, 3);
    a = changes(s, a->c.changes.upto, lots, 3);
    assert_int_equal(a->c.changes.count, 2);
    uint64_t upto = a->c.changes.upto;
    assert_int_equal(changes(s, upto, lots, 3)->c.changes.count, 0);
    shop_reserve(s, "o-1", "cola#00000002", 1);
    assert_int_equal(changes(s, upto, lots, 3)->c.changes.count, 0); /* not committed */
    shop_commit(s);
    shop_reserve(s, "o-2", "cola#00000002", 1);
    shop_commit(s);
    shop_reserve(s, "o-3", "cola#00000004", 1);
    shop_commit(s);
    a = changes(s, upto, lots, 3);
    assert_int_equal(a->c.changes.count, 2);
    assert_int_equal(lots[0].id, 2);
    assert_int_equal(lots[0].stock.reserved, 2);
    assert_int_equal(lots[1].id, 4);
    assert_int_equal(changes(s, a->c.changes.upto, lots, 3)->c.changes.count, 0);
}

static void deltas_of_a_new_lot_start_after_the_gate_knows_it(void **state)
{
    struct shop *s = *state;
    shop_create(s, "cola#00000001", "red", "can", "A", LOT_NEVER_EXPIRES, 10);
    shop_reserve(s, "o-1", "cola#00000001", 4); /* in the batch that creates it */
    shop_commit(s);
    assert_int_equal(s->gate[1], 6);
    shop_reserve(s, "o-2", "cola#00000001", 1);
    assert_int_equal(s->gate[1], 5);
}

static void statistics_add_up_and_the_busiest_lots_come_first(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "cola#00000001", 10);
    shop_lot(s, "lime#00000002", 20);
    struct ask *r = shop_reserve(s, "o-1", "lime#00000002", 4);
    shop_reserve(s, "o-2", "lime#00000002", 3);
    shop_confirm(s, r->c.reserve.reservation_id);
    shop_commit(s);
    struct engine_stats stats = shop_stats(s);
    assert_int_equal(stats.lots, 2);
    assert_int_equal(stats.units_on_hand, 30);
    assert_int_equal(stats.units_reserved, 3);
    assert_int_equal(stats.units_confirmed, 4);
    assert_int_equal(stats.holds_pending, 1);
    assert_int_equal(stats.reserved_total, 2);
    assert_int_equal(stats.waiting, 0);
    struct lot_view top[1];
    struct ask *a = shop_ask(s, COMMAND_STATS);
    a->c.stats.top = top;
    a->c.stats.top_max = 1;
    shop_send(s, a);
    assert_int_equal(a->c.stats.top_count, 1);
    assert_int_equal(top[0].id, 2);
}

static void a_lot_costs_at_most_256_bytes(void **state)
{
    (void)state;
    struct engine_config config = shop_config();
    config.lots_max = 200000;
    struct shop *s = shop_open(&config);
    struct engine *e = NULL;
    assert_int_equal(engine_create(&e, &config, NULL), 0);
    char key[40], batch[40];
    enum { LOTS = 102400 };
    for (int i = 0; i < LOTS; i++) { /* a sku of 12 characters for every four lots */
        snprintf(key, sizeof key, "sku-%08d#%08x", i / 4, i);
        snprintf(batch, sizeof batch, "BATCH-202601%02d-%c", i % 4 + 1, 'A');
        struct lot_dims dims = {str_of(key),     LOT_NEVER_EXPIRES, {key, 12},
                                STR("cola-red"), STR("330ml_can"),  str_of(batch)};
        assert_int_equal(
            engine_load_lot(e, (lot_id)i + 1, &dims, NULL, &(struct stock){.on_hand = 1}, NULL), 0);
    }
    engine_recovered(e, SHOP_START_MS);
    struct engine_stats stats = {0};
    struct command c = {.kind = COMMAND_STATS, .stats = {.stats = &stats}};
    engine_command(e, &c);
    assert_true(stats.lot_bytes / LOTS <= 256);
    engine_destroy(e);
    shop_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lot_costs_at_most_256_bytes),
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_lot_is_created_with_its_first_units),
        T(a_lot_may_be_announced_without_units),
        T(a_lot_that_exists_is_shown_and_a_collision_is_told_apart),
        T(more_lots_than_the_limit_are_refused),
        T(stock_may_not_fall_below_what_is_held),
        T(an_adjustment_holds_for_the_version_that_it_was_made_for),
        T(the_same_adjustment_id_is_applied_once),
        T(an_adjustment_id_is_not_an_order_id),
        T(lots_are_listed_in_pages_by_filter),
        T(a_watcher_sees_every_change_once_newest_state_only),
        T(deltas_of_a_new_lot_start_after_the_gate_knows_it),
        T(statistics_add_up_and_the_busiest_lots_come_first),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
