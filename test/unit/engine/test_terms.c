#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/zone.h"
#include "shop.h"

#define COLA   "cola#00000001"
#define DAY_MS INT64_C(86400000)
#define TODAY  ((int32_t)(SHOP_START_MS / DAY_MS))

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

static struct ask *withdraw(struct shop *s, const char *lot, bool withdrawn)
{
    struct ask *a = shop_update_lot(s, lot);
    a->c.update_lot.sets_withdrawn = true;
    a->c.update_lot.terms.withdrawn = withdrawn;
    shop_send(s, a);
    return a;
}

static struct ask *expire_on(struct shop *s, const char *lot, int32_t day)
{
    struct ask *a = shop_update_lot(s, lot);
    a->c.update_lot.sets_expires_on = true;
    a->c.update_lot.terms.expires_on = day;
    shop_send(s, a);
    return a;
}

static struct ask *limit_backorders(struct shop *s, const char *lot, int64_t limit)
{
    struct ask *a = shop_update_lot(s, lot);
    a->c.update_lot.sets_backorder_limit = true;
    a->c.update_lot.terms.backorder_limit = limit;
    shop_send(s, a);
    return a;
}

static struct ask *order_by_sku(struct shop *s, const char *order_id, int64_t quantity)
{
    struct ask *a = shop_order(s, order_id);
    shop_want_sku(a, "cola", "", "", "", quantity);
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static void assert_gate_counts(struct shop *s, lot_id id)
{
    shop_collect(s);
    assert_int_equal(s->gate[id], shop_sellable(s, id));
}

static void a_lot_gets_other_terms(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    struct ask *a = shop_update_lot(s, COLA);
    a->c.update_lot.sets_expires_on = a->c.update_lot.sets_expected_on = true;
    a->c.update_lot.sets_per_user_limit = a->c.update_lot.sets_backorder_limit = true;
    a->c.update_lot.terms = (struct lot_terms){
        .expires_on = 30000, .expected_on = 29000, .per_user_limit = 3, .backorder_limit = 8};
    shop_send(s, a);
    assert_false(a->answered);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_true(a->c.update_lot.changed);
    const struct lot_terms *t = &shop_get_lot(s, COLA)->c.get_lot.lot.terms;
    assert_int_equal(t->expires_on, 30000);
    assert_int_equal(t->expected_on, 29000);
    assert_int_equal(t->per_user_limit, 3);
    assert_int_equal(t->backorder_limit, 8);
    assert_int_equal(t->backorder_most, 8);
    assert_false(t->withdrawn);
    assert_int_equal(shop_last_row(s)->kind, MOVE_LOT_TERMS);
    assert_int_equal(shop_last_row(s)->line.lot, 1);
    assert_int_equal(shop_last_row(s)->line.quantity, 8);
    assert_int_equal(shop_last_row(s)->terms->expires_on, 30000);
}

static void only_what_is_set_changes(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    limit_backorders(s, COLA, 8);
    expire_on(s, COLA, 30000);
    withdraw(s, COLA, true);
    limit_backorders(s, COLA, 2);
    shop_commit(s);
    const struct lot_terms *t = &shop_get_lot(s, COLA)->c.get_lot.lot.terms;
    assert_int_equal(t->expires_on, 30000);
    assert_int_equal(t->backorder_limit, 2);
    assert_int_equal(t->backorder_most, 8);
    assert_true(t->withdrawn);
}

static void the_terms_that_a_lot_has_change_nothing(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    struct ask *a = withdraw(s, COLA, false);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.update_lot.changed);
    assert_int_equal(shop_rows(s, MOVE_LOT_TERMS), 0);
}

static void other_terms_are_a_new_version_that_watchers_see(void **state)
{
    struct shop *s = *state;
    struct lot_view seen[4];
    shop_lot(s, COLA, 5);
    struct ask *before = shop_ask(s, COMMAND_LOT_CHANGES);
    before->c.changes.lots = seen;
    before->c.changes.page_size = 4;
    shop_send(s, before);
    withdraw(s, COLA, true);
    shop_commit(s);
    struct ask *after = shop_ask(s, COMMAND_LOT_CHANGES);
    after->c.changes.lots = seen;
    after->c.changes.page_size = 4;
    after->c.changes.since = before->c.changes.upto;
    shop_send(s, after);
    assert_int_equal(after->c.changes.count, 1);
    assert_int_equal(seen[0].stock.version, 2);
    assert_true(seen[0].terms.withdrawn);
}

static void terms_that_no_lot_may_have_are_refused(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    assert_int_equal(limit_backorders(s, COLA, -1)->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(limit_backorders(s, COLA, INT64_C(1) << 31)->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(expire_on(s, COLA, -1)->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *a = shop_update_lot(s, COLA);
    a->c.update_lot.sets_per_user_limit = true;
    a->c.update_lot.terms.per_user_limit = -1;
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(withdraw(s, "cola#00000009", true)->c.code, TLY_ENOT_FOUND);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_LOT_TERMS), 0);
}

static void a_new_lot_may_have_terms(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_ask(s, COMMAND_CREATE_LOT);
    a->c.create.dims = (struct lot_dims){.key = STR(COLA), .sku = STR("cola"), .expires_on = 30000};
    a->c.create.has_terms = true;
    a->c.create.terms =
        (struct lot_terms){.expected_on = 29000, .per_user_limit = 2, .backorder_limit = 4};
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.create.lot.terms.backorder_limit, 4);
    assert_int_equal(a->c.create.lot.terms.backorder_most, 4);
    assert_int_equal(a->c.create.lot.terms.expires_on, 30000);
    assert_non_null(shop_last_row(s)->terms);
    /* The log says the limit of every instant. */
    assert_int_equal(shop_rows(s, MOVE_CREATE), 1);
    assert_int_equal(shop_last_row(s)->kind, MOVE_LOT_TERMS);
    assert_int_equal(shop_last_row(s)->line.quantity, 4);
    shop_reopen(s);
    const struct lot_terms *t = &shop_get_lot(s, COLA)->c.get_lot.lot.terms;
    assert_int_equal(t->expected_on, 29000);
    assert_int_equal(t->per_user_limit, 2);
}

static void a_new_lot_that_is_undone_takes_its_terms_along(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_ask(s, COMMAND_CREATE_LOT);
    a->c.create.dims = (struct lot_dims){.key = STR(COLA), .sku = STR("cola"), .expires_on = 30000};
    a->c.create.has_terms = true;
    a->c.create.terms = (struct lot_terms){.backorder_limit = 4};
    shop_send(s, a);
    shop_seal(s);
    shop_reject(s);
    shop_lot(s, COLA, 1);
    assert_int_equal(shop_get_lot(s, COLA)->c.get_lot.lot.terms.backorder_limit, 0);
}

/* ---- withdrawn ---- */

static void a_withdrawn_lot_sells_nothing(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    withdraw(s, COLA, true);
    shop_commit(s);
    struct ask *a = shop_reserve(s, "o-1", COLA, 1);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.available, 0);
    assert_int_equal(a->wants[0].trouble, WANT_WITHDRAWN);
    assert_int_equal(shop_available(s, 1), 5);
}

static void an_order_by_sku_passes_a_withdrawn_lot_by(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, COLA, "cola", "can", "A", 30000, 5);
    shop_lot_dims(s, "cola#00000002", "cola", "can", "B", 30001, 5);
    withdraw(s, COLA, true);
    struct ask *a = order_by_sku(s, "o-1", 5);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->lines[0].lot, 2);
    struct ask *b = order_by_sku(s, "o-2", 1);
    assert_int_equal(b->c.code, TLY_ESOLD_OUT);
    assert_int_equal(b->c.reserve.available, 0);
}

static void a_lot_that_is_no_longer_withdrawn_sells_again(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    withdraw(s, COLA, true);
    shop_commit(s);
    assert_gate_counts(s, 1);
    assert_int_equal(s->gate[1], 0);
    withdraw(s, COLA, false);
    shop_commit(s);
    assert_gate_counts(s, 1);
    assert_int_equal(s->gate[1], 5);
    assert_int_equal(shop_reserve(s, "o-1", COLA, 5)->c.code, 0);
}

static void holds_of_a_withdrawn_lot_go_on(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    struct ask *a = shop_reserve(s, "o-1", COLA, 2);
    struct ask *b = shop_reserve(s, "o-2", COLA, 1);
    withdraw(s, COLA, true);
    shop_commit(s);
    assert_int_equal(shop_confirm(s, a->c.reserve.reservation_id)->c.code, 0);
    assert_int_equal(shop_refund(s, b->c.reserve.reservation_id, REASON_NONE)->c.code, 0);
    shop_commit(s);
    assert_int_equal(shop_stock(s, 1).confirmed, 2);
    assert_int_equal(shop_available(s, 1), 3);
    assert_gate_counts(s, 1);
}

static void a_hold_that_expires_gives_a_withdrawn_lot_nothing_to_sell(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    shop_reserve(s, "o-1", COLA, 2);
    withdraw(s, COLA, true);
    shop_commit(s);
    shop_advance(s, s->config.hold_default_ms + 1);
    assert_gate_counts(s, 1);
    shop_commit(s);
    assert_gate_counts(s, 1);
    assert_int_equal(s->gate[1], 0);
    assert_int_equal(shop_available(s, 1), 5);
}

/* ---- undo, recovery, unknown outcome ---- */

static void terms_that_are_not_committed_are_undone(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, COLA, "cola", "can", "A", 30000, 5);
    shop_lot_dims(s, "cola#00000002", "cola", "can", "B", 30001, 5);
    struct ask *a = expire_on(s, COLA, 30002);
    withdraw(s, "cola#00000002", true);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_gate_counts(s, 2);
    struct ask *b = order_by_sku(s, "o-1", 6);
    assert_int_equal(b->c.reserve.line_count, 2);
    assert_int_equal(b->lines[0].quantity, 5);
    assert_int_equal(shop_get_lot(s, COLA)->c.get_lot.lot.terms.expires_on, 30000);
    assert_int_equal(shop_get_lot(s, COLA)->c.get_lot.lot.stock.version, 2);
}

static void terms_are_found_again_after_a_restart(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, COLA, "cola", "can", "A", 30000, 5);
    shop_lot_dims(s, "cola#00000002", "cola", "can", "B", 30001, 5);
    expire_on(s, COLA, 30002);
    limit_backorders(s, "cola#00000002", 3);
    shop_commit(s);
    shop_reopen(s);
    assert_int_equal(shop_get_lot(s, COLA)->c.get_lot.lot.terms.expires_on, 30002);
    assert_int_equal(shop_get_lot(s, "cola#00000002")->c.get_lot.lot.terms.backorder_limit, 3);
    assert_int_equal(order_by_sku(s, "o-1", 5)->lines[0].lot, 2);
}

static void while_an_outcome_is_unknown_a_lot_is_shown_with_its_old_terms(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    expire_on(s, COLA, 30000);
    withdraw(s, COLA, true);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    struct ask *a = shop_get_lot(s, COLA);
    assert_true(a->answered);
    assert_int_equal(a->c.get_lot.lot.terms.expires_on, LOT_NEVER_EXPIRES);
    assert_false(a->c.get_lot.lot.terms.withdrawn);
    assert_int_equal(a->c.get_lot.lot.stock.version, 1);
    shop_outcome(s, LEDGER_COMMITTED);
    engine_set_available(s->engine, true);
    assert_true(shop_get_lot(s, COLA)->c.get_lot.lot.terms.withdrawn);
}

/* ---- the last day of sale ---- */

static void a_mistyped_day_is_put_right_and_the_order_of_sale_follows(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, COLA, "cola", "can", "A", TODAY - 1, 5);
    shop_lot_dims(s, "cola#00000002", "cola", "can", "B", 30001, 5);
    shop_lot_dims(s, "cola#00000003", "cola", "can", "C", 30003, 5);
    assert_int_equal(shop_reserve(s, "o-1", COLA, 1)->c.code, TLY_ESOLD_OUT);
    expire_on(s, COLA, 30002);
    struct ask *a = order_by_sku(s, "o-2", 11);
    assert_int_equal(a->c.reserve.line_count, 3);
    assert_int_equal(a->lines[0].quantity, 5);
    assert_int_equal(a->lines[1].quantity, 5);
    assert_int_equal(a->lines[2].quantity, 1);
    expire_on(s, "cola#00000003", TODAY - 1);
    assert_int_equal(order_by_sku(s, "o-3", 1)->c.code, TLY_ESOLD_OUT);
}

static void other_threads_see_a_lots_day(void **state)
{
    struct shop *s = *state;
    struct lot_signs signs;
    shop_lot(s, COLA, 5);
    assert_true(engine_lot_signs(s->engine, 1, &signs));
    assert_int_equal(signs.last_day, LOT_NEVER_EXPIRES);
    assert_false(engine_lots_tell_more(s->engine));
    expire_on(s, COLA, 30002);
    withdraw(s, COLA, true);
    assert_true(engine_lot_signs(s->engine, 1, &signs));
    assert_int_equal(signs.last_day, 30002);
    assert_int_equal(signs.expected_on, LOT_NEVER_EXPIRES);
    assert_true(signs.withdrawn);
    assert_true(engine_lots_tell_more(s->engine));
}

/* The shop stands at 2026-09-21T13:33:20Z. */
static void sells_until_midnight_of(struct shop **shop, const char *name, int64_t midnight_ms)
{
    struct engine_config config = shop_config();
    struct zone *zone;
    assert_int_equal(zone_open(&zone, name, "expiry_zone", NULL), 0);
    config.expiry_zone = zone;
    struct shop *s = shop_open(&config);
    shop_close(*shop);
    *shop = s;
    shop_lot_dims(s, COLA, "cola", "can", "A", zone_day(zone, SHOP_START_MS, NULL), 5);
    shop_advance(s, midnight_ms - 1 - s->now_ms);
    assert_int_equal(shop_reserve(s, "o-1", COLA, 1)->c.code, 0);
    shop_advance(s, 1);
    shop_commit(s);
    struct ask *a = shop_reserve(s, "o-2", COLA, 1);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->wants[0].trouble, WANT_EXPIRED);
    shop_close(s);
    *shop = shop_open(NULL);
    zone_close(zone);
}

static void the_last_day_ends_at_midnight_in_the_shops_zone(void **state)
{
    struct shop **s = (struct shop **)state;
    int64_t midnight = SHOP_START_MS / DAY_MS * DAY_MS + DAY_MS;
    sells_until_midnight_of(s, "UTC", midnight);
    sells_until_midnight_of(s, "Pacific/Kiritimati", midnight - 14 * 3600000 + DAY_MS);
    sells_until_midnight_of(s, "America/Los_Angeles", midnight + 7 * 3600000);
    sells_until_midnight_of(s, "Asia/Shanghai", midnight - 8 * 3600000);
}

static void units_that_are_to_come_can_be_sold_up_to_the_limit(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 2);
    limit_backorders(s, COLA, 3);
    shop_commit(s);
    assert_gate_counts(s, 1);
    assert_int_equal(s->gate[1], 5);
    assert_int_equal(shop_reserve(s, "o-1", COLA, 4)->c.code, 0);
    struct ask *a = shop_reserve(s, "o-2", COLA, 2);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.reserve.available, 1);
    assert_int_equal(shop_reserve(s, "o-3", COLA, 1)->c.code, 0);
    shop_commit(s);
    assert_int_equal(shop_available(s, 1), -3);
    assert_gate_counts(s, 1);
    assert_int_equal(s->gate[1], 0);
    shop_reopen(s);
    assert_int_equal(shop_available(s, 1), -3);
}

static void the_row_of_new_terms_says_how_far_available_may_fall(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 5);
    limit_backorders(s, COLA, 7);
    shop_commit(s);
    assert_int_equal(shop_last_row(s)->line.quantity, 7);
    expire_on(s, COLA, TODAY + 9);
    shop_commit(s);
    assert_int_equal(shop_last_row(s)->line.quantity, 7);
    assert_int_equal(shop_available(s, 1), 5);
}

/* A row of more could not be read back. */
static void a_line_has_no_more_units_than_a_lot_may_have(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, QUANTITY_MAX);
    limit_backorders(s, COLA, QUANTITY_MAX);
    shop_commit(s);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, COLA, QUANTITY_MAX);
    shop_want_lot(a, COLA, 1);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    shop_reserve(s, "o-2", COLA, QUANTITY_MAX);
    shop_reserve(s, "o-3", COLA, QUANTITY_MAX);
    shop_commit(s);
    assert_int_equal(shop_available(s, 1), -QUANTITY_MAX);
    shop_reopen(s);
    assert_int_equal(shop_available(s, 1), -QUANTITY_MAX);
}

static void a_lower_limit_than_what_is_owed_sells_nothing_more(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 0);
    limit_backorders(s, COLA, 3);
    struct ask *a = shop_reserve(s, "o-1", COLA, 3);
    struct ask *b = limit_backorders(s, COLA, 1);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_gate_counts(s, 1);
    assert_int_equal(shop_reserve(s, "o-2", COLA, 1)->c.code, TLY_ESOLD_OUT);
    shop_adjust(s, COLA, 3, "");
    shop_commit(s);
    assert_gate_counts(s, 1);
    assert_int_equal(s->gate[1], 1);
    assert_int_equal(shop_confirm(s, a->c.reserve.reservation_id)->c.code, 0);
    shop_reopen(s);
    assert_int_equal(shop_reserve(s, "o-3", COLA, 2)->c.code, TLY_ESOLD_OUT);
    assert_int_equal(shop_reserve(s, "o-4", COLA, 1)->c.code, 0);
}

static void units_that_are_owed_cannot_be_written_off(void **state)
{
    struct shop *s = *state;
    shop_lot(s, COLA, 4);
    limit_backorders(s, COLA, 3);
    shop_reserve(s, "o-1", COLA, 3);
    assert_int_equal(shop_adjust(s, COLA, -2, "")->c.code, TLY_ESOLD_OUT);
    shop_reserve(s, "o-2", COLA, 2);
    struct ask *a = shop_adjust(s, COLA, -1, "");
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_string_equal(a->text, "0 units can be written off, the others are held");
    assert_int_equal(shop_adjust(s, COLA, 1, "")->c.code, 0);
}

static void an_order_by_sku_takes_what_is_there_before_what_is_to_come(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, COLA, "cola", "can", "A", 30000, 2);
    shop_lot_dims(s, "cola#00000002", "cola", "can", "B", 30001, 2);
    limit_backorders(s, COLA, 3);
    struct ask *a = order_by_sku(s, "o-1", 3);
    assert_int_equal(a->lines[0].quantity, 2);
    assert_int_equal(a->lines[1].quantity, 1);
    struct ask *b = order_by_sku(s, "o-2", 3);
    assert_int_equal(b->c.reserve.line_count, 2);
    assert_int_equal(b->lines[0].quantity, 2);
    assert_int_equal(b->lines[1].quantity, 1);
    struct ask *c = order_by_sku(s, "o-3", 2);
    assert_int_equal(c->c.code, TLY_ESOLD_OUT);
    assert_int_equal(c->c.reserve.available, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(a_lot_gets_other_terms),
        T(only_what_is_set_changes),
        T(the_terms_that_a_lot_has_change_nothing),
        T(other_terms_are_a_new_version_that_watchers_see),
        T(terms_that_no_lot_may_have_are_refused),
        T(a_new_lot_may_have_terms),
        T(a_new_lot_that_is_undone_takes_its_terms_along),
        T(a_withdrawn_lot_sells_nothing),
        T(an_order_by_sku_passes_a_withdrawn_lot_by),
        T(a_lot_that_is_no_longer_withdrawn_sells_again),
        T(holds_of_a_withdrawn_lot_go_on),
        T(a_hold_that_expires_gives_a_withdrawn_lot_nothing_to_sell),
        T(terms_that_are_not_committed_are_undone),
        T(terms_are_found_again_after_a_restart),
        T(while_an_outcome_is_unknown_a_lot_is_shown_with_its_old_terms),
        T(a_mistyped_day_is_put_right_and_the_order_of_sale_follows),
        T(other_threads_see_a_lots_day),
        T(the_last_day_ends_at_midnight_in_the_shops_zone),
        T(units_that_are_to_come_can_be_sold_up_to_the_limit),
        T(the_row_of_new_terms_says_how_far_available_may_fall),
        T(a_line_has_no_more_units_than_a_lot_may_have),
        T(a_lower_limit_than_what_is_owed_sells_nothing_more),
        T(units_that_are_owed_cannot_be_written_off),
        T(an_order_by_sku_takes_what_is_there_before_what_is_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
