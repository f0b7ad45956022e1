/* Sales that have ended: payments that come late, figures after a restart; and what a sale sells.
 */
#include "fixture.h"

#include <stdio.h>

#include "shop.h"

enum { HOUR_MS = 3600000, SHARE = 4, LIMIT = 3 };
static const char key[] = "cola#00000001";

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, key, 10);
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(a, 1);
    a->sale.terms.total_limit = SHARE;
    a->sale.terms.per_user_limit = LIMIT;
    shop_send(s, a);
    shop_commit(s);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static int64_t bought(struct shop *s, const char *order_id, const char *user, int64_t units)
{
    struct ask *a = shop_reserve_in(s, "flash", order_id, user, key, units);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.reserve.reservation_id;
}

static void a_change_is_not_refused_by_a_close_that_is_undone(void **state)
{
    struct shop *s = *state;
    int64_t id = bought(s, "o-1", "ann", 1);
    shop_send(s, shop_sale(s, COMMAND_CLOSE_SALE, "flash"));
    struct ask *a = shop_move(s, COMMAND_CHANGE, id);
    shop_move_want(a, key, 2);
    shop_send(s, a);
    assert_false(a->answered);
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_stock(s, 1).reserved, 2);
}

/* An order of the sale's last minute, whose hold expires after its end. */
static int64_t unpaid(struct shop *s, const char *user, int64_t units)
{
    shop_advance(s, HOUR_MS - s->config.hold_default_ms / 2);
    return bought(s, "late", user, units);
}

static void end_sale(struct shop *s)
{
    shop_advance(s, s->config.hold_default_ms);
    shop_commit(s);
}

static struct ask *pay_late(struct shop *s, int64_t id)
{
    struct ask *a = shop_move(s, COMMAND_CONFIRM, id);
    a->c.move.reclaim = true;
    shop_send(s, a);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static void a_payment_after_the_sale_takes_units_that_are_free(void **state)
{
    struct shop *s = *state;
    int64_t id = unpaid(s, "u", 2);
    end_sale(s);
    assert_int_equal(shop_reserve_in(s, "flash", "o-9", "v", key, 1)->c.code, TLY_ESALE_CLOSED);
    struct ask *a = pay_late(s, id);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.move.state, HOLD_CONFIRMED);
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.units_confirmed, 2);
}

static void it_gets_nothing_of_a_share_that_is_used_up(void **state)
{
    struct shop *s = *state;
    int64_t id = unpaid(s, "u", 2);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    id = bought(s, "o-1", "u", 3);
    shop_advance(s, 1);
    shop_confirm(s, bought(s, "o-2", "v", 1));
    shop_commit(s);
    end_sale(s);
    assert_int_equal(pay_late(s, id)->c.code, 0); /* 3 and 1 are the share */
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.units_confirmed, 1);
}

static void a_share_that_others_have_is_sold_out_for_it(void **state, bool restart)
{
    struct shop *s = *state;
    struct ask *early = shop_order_in(s, "flash", "early", "u");
    early->c.reserve.hold_ms = 1000;
    shop_want_lot(early, key, 2);
    shop_send(s, early);
    shop_commit(s);
    shop_advance(s, 1000);
    shop_confirm(s, bought(s, "o-1", "v", 3));
    shop_commit(s);
    shop_advance(s, HOUR_MS);
    shop_commit(s);
    if (restart)
        shop_reopen(s);
    struct ask *a = pay_late(s, early->c.reserve.reservation_id);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(shop_available(s, 1), 7);
}

static void the_share_counts_after_the_end(void **state)
{
    a_share_that_others_have_is_sold_out_for_it(state, false);
}

static void the_share_counts_after_the_end_and_a_restart(void **state)
{
    a_share_that_others_have_is_sold_out_for_it(state, true);
}

static void the_limit_of_a_user_counts_after_the_end(void **state)
{
    struct shop *s = *state;
    struct ask *early = shop_order_in(s, "flash", "early", "u");
    early->c.reserve.hold_ms = 1000;
    shop_want_lot(early, key, 2);
    shop_send(s, early);
    shop_commit(s);
    shop_advance(s, 1000);
    shop_confirm(s, bought(s, "o-1", "u", 2));
    shop_commit(s);
    shop_advance(s, HOUR_MS);
    shop_commit(s);
    shop_reopen(s);
    assert_int_equal(pay_late(s, early->c.reserve.reservation_id)->c.code, TLY_ELIMIT_EXCEEDED);
}

/* As a ledger has it that needs none of its moves. */
static void reopen_without_moves(struct shop *s)
{
    struct error e = {0};
    const struct move *sale = NULL;
    struct stock stock = shop_stock(s, 1);
    engine_destroy(s->engine);
    assert_int_equal(engine_create(&s->engine, &s->config, &e), 0);
    assert_int_equal(engine_load_lot(s->engine, 1, s->rows[0].dims, NULL, &stock, &e), 0);
    for (uint32_t i = 0; i < s->row_count && !sale; i++)
        sale = s->rows[i].kind == MOVE_SALE ? &s->rows[i] : NULL;
    assert_non_null(sale);
    assert_int_equal(engine_load_sale(s->engine, sale->sale_terms, sale->seq, &e), 0);
    engine_load_seq(s->engine, s->rows[s->row_count - 1].seq);
    engine_recovered(s->engine, s->now_ms);
    engine_advance(s->engine, s->now_ms, 1);
}

/* Its moves are needed as long as a payment may come; the figures of one that was over before are
 * not whole, and say so. */
static void a_restart_knows_all_of_a_sale_until_it_is_over(void **state)
{
    struct shop *s = *state;
    int64_t created = s->rows[s->row_count - 1].seq;
    int64_t id = unpaid(s, "u", 2);
    end_sale(s);
    shop_advance(s, s->config.hold_total_max_ms + s->config.refund_window_ms - HOUR_MS);
    shop_reserve(s, "o-2", key, 1);
    shop_commit(s);
    assert_int_equal(s->oldest_pending, created);
    shop_advance(s, 2 * HOUR_MS);
    shop_reserve(s, "o-3", key, 1);
    shop_commit(s);
    assert_true(s->oldest_pending > id);
    assert_true(shop_get_sale(s, "flash")->sale.sale.whole);
    shop_reopen(s);
    assert_true(shop_get_sale(s, "flash")->sale.sale.whole); /* all rows were read */
    reopen_without_moves(s);
    assert_false(shop_get_sale(s, "flash")->sale.sale.whole);
    assert_int_equal(pay_late(s, id)->c.code, TLY_EINVALID_TRANSITION);
}

static void a_sale_that_is_not_known_whole_takes_no_late_payment(void **state)
{
    struct shop *s = *state;
    int64_t id = unpaid(s, "u", 2);
    end_sale(s);
    reopen_without_moves(s);
    assert_int_equal(pay_late(s, id)->c.code, TLY_ESALE_CLOSED);
}

/* ---- what it sells ---- */

static void a_sku_that_is_named_twice_has_its_units_once(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "all");
    shop_sale_sku(a, "cola");
    shop_sale_sku(a, "cola");
    shop_sale_lot(a, 1);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_get_sale(s, "all")->sale.sale.units_left, 10);
}

static void a_flavor_that_is_not_in_the_sale_is_told_from_one_that_is_nowhere(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "cola#00000002", "lime", "330ml_can", "BATCH-20260101-A", LOT_NEVER_EXPIRES,
                  5);
    static const struct {
        const char *flavor;
        int code;
    } wants[] = {{"cola", 0}, {"lime", TLY_EINVALID_ARGUMENT}, {"", 0}};
    for (unsigned i = 0; i < 3; i++) {
        char order_id[16];
        snprintf(order_id, sizeof order_id, "o-%u", i);
        struct ask *a = shop_order_in(s, "flash", order_id, order_id);
        shop_want_sku(a, "cola", wants[i].flavor, "", "", 1);
        shop_send(s, a);
        shop_commit(s);
        assert_int_equal(a->c.code, wants[i].code);
        assert_int_equal(a->c.reserve.trouble, wants[i].code ? ORDER_NOT_IN_SALE : ORDER_WELL);
    }
    struct ask *nowhere = shop_order_in(s, "flash", "o-9", "u");
    shop_want_sku(nowhere, "cola", "plum", "", "", 1);
    shop_send(s, nowhere);
    assert_int_equal(nowhere->c.reserve.trouble, ORDER_WELL);
    assert_int_equal(nowhere->wants[0].trouble, WANT_NO_FLAVOR);
}

/* ---- other settings than those that it was made under ---- */

static void a_sale_can_be_closed_under_a_smaller_hold_max(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "slow");
    shop_sale_lot(a, 1);
    a->sale.terms.hold_ms = HOUR_MS;
    shop_send(s, a);
    shop_commit(s);
    s->config.hold_max_ms = HOUR_MS / 2;
    shop_reopen(s);
    struct ask *change = shop_sale(s, COMMAND_UPDATE_SALE, "slow");
    change->sale.sets = SALE_TITLE;
    shop_send(s, change);
    shop_commit(s);
    assert_int_equal(change->c.code, 0);
    change = shop_sale(s, COMMAND_UPDATE_SALE, "slow");
    change->sale.sets = SALE_HOLD;
    change->sale.terms.hold_ms = HOUR_MS;
    shop_send(s, change);
    assert_int_equal(change->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *close = shop_sale(s, COMMAND_CLOSE_SALE, "slow");
    shop_send(s, close);
    shop_commit(s);
    assert_int_equal(close->c.code, 0);
}

/* news-of-an-undone-sale */
static void a_sale_that_is_undone_with_its_close_is_told_to_nobody(void **state)
{
    struct shop *s = *state;
    struct sale_window window;
    while (engine_next_sale(s->engine, &window)) {
    }
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "second");
    shop_sale_lot(a, 1);
    shop_send(s, a);
    shop_send(s, shop_sale(s, COMMAND_CLOSE_SALE, "second"));
    shop_seal(s);
    shop_reject(s);
    assert_false(engine_next_sale(s->engine, &window));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_sale_that_is_undone_with_its_close_is_told_to_nobody),
        T(a_change_is_not_refused_by_a_close_that_is_undone),
        T(a_payment_after_the_sale_takes_units_that_are_free),
        T(it_gets_nothing_of_a_share_that_is_used_up),
        T(the_share_counts_after_the_end),
        T(the_share_counts_after_the_end_and_a_restart),
        T(the_limit_of_a_user_counts_after_the_end),
        T(a_restart_knows_all_of_a_sale_until_it_is_over),
        T(a_sale_that_is_not_known_whole_takes_no_late_payment),
        T(a_sku_that_is_named_twice_has_its_units_once),
        T(a_flavor_that_is_not_in_the_sale_is_told_from_one_that_is_nowhere),
        T(a_sale_can_be_closed_under_a_smaller_hold_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
