/* Sales: their window, what they sell, their share, how they change. */
#include "fixture.h"

#include <string.h>

#include "shop.h"

static const char key[] = "cola#00000001";

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, key, 10);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *sale_of_lot(struct shop *s, const char *sale_id)
{
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, sale_id);
    shop_sale_lot(a, 1);
    return a;
}

static void send_and_commit(struct shop *s, struct ask *a)
{
    shop_send(s, a);
    shop_commit(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
}

static struct ask *update(struct shop *s, const char *sale_id, uint32_t sets)
{
    struct ask *a = shop_sale(s, COMMAND_UPDATE_SALE, sale_id);
    a->sale.sets = sets;
    return a;
}

static struct ask *close_sale(struct shop *s, const char *sale_id)
{
    struct ask *a = shop_sale(s, COMMAND_CLOSE_SALE, sale_id);
    a->sale.reason = STR("enough");
    shop_send(s, a);
    return a;
}

static void a_sale_is_one_row_and_is_answered_after_the_commit(void **state)
{
    struct shop *s = *state;
    struct ask *a = sale_of_lot(s, "flash");
    a->sale.terms.total_limit = 5;
    shop_send(s, a);
    assert_false(a->answered);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    const struct move *row = shop_last_row(s);
    assert_int_equal(row->kind, MOVE_SALE);
    assert_int_equal(row->sale, 1);
    assert_int_equal(row->sale_terms->total_limit, 5);
    assert_true(str_equal(row->sale_terms->sale_id, STR("flash")));
    const struct sale_view *v = &a->sale.sale;
    assert_int_equal(v->terms.number, 1);
    assert_true(str_equal(v->terms.title, STR("a sale")));
    assert_int_equal(v->terms.items[0].lot, 1);
    assert_int_equal(v->units_left, 5);
    assert_int_equal(v->now_ms, s->now_ms);
    assert_int_equal(v->created_ms, s->now_ms);
}

static void the_first_and_the_last_millisecond_of_a_sale_are_exact(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.starts_ms = s->now_ms + 1000;
    sale->sale.terms.ends_ms = s->now_ms + 3000;
    send_and_commit(s, sale);
    shop_advance(s, 999);
    struct ask *early = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    assert_true(early->answered);
    assert_int_equal(early->c.code, TLY_ESALE_NOT_OPEN);
    assert_int_equal(early->extra.starts_in_ms, 1);
    shop_advance(s, 1);
    struct ask *first = shop_reserve_in(s, "flash", "o-2", "u", key, 1);
    shop_advance(s, 1999);
    struct ask *last = shop_reserve_in(s, "flash", "o-3", "u", key, 1);
    shop_advance(s, 1);
    struct ask *late = shop_reserve_in(s, "flash", "o-4", "u", key, 1);
    shop_commit(s);
    assert_int_equal(first->c.code, 0);
    assert_int_equal(last->c.code, 0);
    assert_int_equal(late->c.code, TLY_ESALE_CLOSED);
    assert_int_equal(shop_available(s, 1), 8);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 2);
}

static void an_order_s_row_names_its_sale(void **state)
{
    struct shop *s = *state;
    send_and_commit(s, sale_of_lot(s, "other"));
    send_and_commit(s, sale_of_lot(s, "flash"));
    shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    shop_commit(s);
    assert_int_equal(shop_last_row(s)->sale, 2);
    shop_reserve(s, "o-2", key, 1);
    shop_commit(s);
    assert_int_equal(shop_last_row(s)->sale, 0);
}

static void an_order_in_a_sale_that_is_not_there_is_refused(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    assert_int_equal(a->c.reserve.trouble, ORDER_NO_SALE);
    assert_int_equal(shop_available(s, 1), 10);
}

static void refusals_give_back_what_the_gate_took(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.starts_ms = s->now_ms + 1000;
    send_and_commit(s, sale);
    struct ask *a = shop_order_in(s, "flash", "o-1", "u");
    shop_want_lot(a, key, 2);
    a->wants[0].gate_taken = true;
    a->wants[0].lot_hint = 1;
    s->gate[1] -= 2;
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ESALE_NOT_OPEN);
    assert_int_equal(s->gate[1], 10);
}

static void a_retry_is_answered_before_the_sale_is_looked_at(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.per_user_limit = 1;
    sale->sale.terms.ends_ms = s->now_ms + 10;
    send_and_commit(s, sale);
    struct ask *first = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    struct ask *again = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    shop_commit(s);
    assert_true(again->c.reserve.replayed);
    shop_advance(s, 10);
    struct ask *late = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    assert_int_equal(late->c.code, 0);
    assert_true(late->c.reserve.replayed);
    assert_int_equal(late->c.reserve.reservation_id, first->c.reserve.reservation_id);
}

static void the_sale_is_content_of_an_order(void **state)
{
    struct shop *s = *state;
    send_and_commit(s, sale_of_lot(s, "flash"));
    send_and_commit(s, sale_of_lot(s, "other"));
    shop_reserve_in(s, "flash", "o-1", "user-1", key, 1);
    shop_commit(s);
    assert_int_equal(shop_reserve_in(s, "other", "o-1", "user-1", key, 1)->c.code,
                     TLY_EORDER_MISMATCH);
    assert_int_equal(shop_reserve(s, "o-1", key, 1)->c.code, TLY_EORDER_MISMATCH);
}

static void a_lot_outside_the_sale_is_refused_and_named(void **state)
{
    struct shop *s = *state;
    shop_lot(s, "lime#00000002", 10);
    send_and_commit(s, sale_of_lot(s, "flash"));
    struct ask *a = shop_order_in(s, "flash", "o-1", "u");
    shop_want_lot(a, key, 1);
    shop_want_lot(a, "lime#00000002", 1);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(a->c.reserve.trouble, ORDER_NOT_IN_SALE);
    assert_int_equal(a->c.reserve.failed_want, 1);
    struct ask *by_sku = shop_order_in(s, "flash", "o-2", "u");
    shop_want_sku(by_sku, "lime", "", "", "", 1);
    shop_send(s, by_sku);
    assert_int_equal(by_sku->c.reserve.trouble, ORDER_NOT_IN_SALE);
    assert_int_equal(shop_available(s, 1) + shop_available(s, 2), 20);
}

static void an_order_by_sku_gets_lots_of_the_sale_only(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "cola#00000002", "cola", "can", "B", 21000, 5); /* would be sold first */
    send_and_commit(s, sale_of_lot(s, "flash"));
    struct ask *a = shop_order_in(s, "flash", "o-1", "u");
    shop_want_sku(a, "cola", "", "", "", 6);
    shop_send(s, a);
    struct ask *more = shop_order_in(s, "flash", "o-2", "u");
    shop_want_sku(more, "cola", "", "", "", 5);
    shop_send(s, more);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.reserve.line_count, 1);
    assert_int_equal(a->c.reserve.lines[0].lot, 1);
    assert_int_equal(more->c.code, TLY_ESOLD_OUT);
    assert_int_equal(more->c.reserve.available, 4);
}

static void a_sale_of_a_sku_sells_lots_that_come_later(void **state)
{
    struct shop *s = *state;
    struct ask *sale = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_sku(sale, "cola");
    shop_sale_lot(sale, 1);
    send_and_commit(s, sale);
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.units_left, 10);
    shop_lot(s, "cola#00000002", 7);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", "cola#00000002", 2);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    struct ask *get = shop_get_sale(s, "flash");
    assert_int_equal(get->sale.sale.units_left, 15);
    assert_true(str_equal(get->sale.sale.terms.items[0].sku, STR("cola")));
}

static void the_share_of_a_sale_bounds_it_and_comes_back(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.total_limit = 4;
    send_and_commit(s, sale);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 3);
    struct ask *b = shop_reserve_in(s, "flash", "o-2", "v", key, 2);
    shop_commit(s);
    assert_int_equal(b->c.code, TLY_ESOLD_OUT);
    assert_int_equal(b->c.reserve.trouble, ORDER_SALE_SHARE);
    assert_int_equal(b->c.reserve.available, 1);
    assert_int_equal(b->c.reserve.limit, 4);
    shop_confirm_part(s, a->c.reserve.reservation_id, key, 2);
    shop_commit(s);
    struct ask *c = shop_reserve_in(s, "flash", "o-3", "v", key, 2);
    shop_commit(s);
    assert_int_equal(c->c.code, 0);
    struct sale_view v = shop_get_sale(s, "flash")->sale.sale;
    assert_int_equal(v.units_pending, 2);
    assert_int_equal(v.units_confirmed, 2);
    assert_int_equal(v.units_left, 0);
    assert_int_equal(v.orders_made, 2);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.units_left, 2);
    shop_advance(s, 60000);
    shop_commit(s);
    v = shop_get_sale(s, "flash")->sale.sale;
    assert_int_equal(v.units_left, 4);
    assert_int_equal(v.orders_back, 1);
}

static void units_of_a_due_hold_are_shown_as_left(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.total_limit = 4;
    send_and_commit(s, sale);
    shop_reserve_in(s, "flash", "o-1", "u", key, 3);
    shop_commit(s);
    engine_set_available(s->engine, false);
    shop_advance(s, 60000);
    struct ask *get = shop_get_sale(s, "flash");
    assert_true(get->answered);
    assert_int_equal(get->sale.sale.units_pending, 0);
    assert_int_equal(get->sale.sale.units_left, 4);
}

static void an_order_is_held_as_long_as_the_sale_says_at_most(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.hold_ms = 90000;
    send_and_commit(s, sale);
    struct ask *a = shop_order_in(s, "flash", "o-1", "u");
    struct ask *b = shop_order_in(s, "flash", "o-2", "u");
    struct ask *c = shop_order_in(s, "flash", "o-3", "u");
    shop_want_lot(a, key, 1);
    shop_want_lot(b, key, 1);
    shop_want_lot(c, key, 1);
    b->c.reserve.hold_ms = 30000;
    c->c.reserve.hold_ms = 120000;
    shop_send(s, a);
    shop_send(s, b);
    shop_send(s, c);
    shop_commit(s);
    assert_int_equal(a->c.reserve.expires_ms, s->now_ms + 90000);
    assert_int_equal(b->c.reserve.expires_ms, s->now_ms + 30000);
    assert_int_equal(c->c.reserve.expires_ms, s->now_ms + 90000);
}

static void a_payment_is_extended_as_far_as_the_sale_allows(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.payment_extend_ms_max = 10000;
    send_and_commit(s, sale);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    shop_commit(s);
    int64_t id = a->c.reserve.reservation_id;
    assert_int_equal(shop_extend(s, id, 70001)->c.code, TLY_ELIMIT_EXCEEDED);
    shop_extend(s, id, 65000);
    shop_commit(s);
    shop_reopen(s);
    struct ask *far = shop_extend(s, id, 70001);
    assert_int_equal(far->c.code, TLY_ELIMIT_EXCEEDED);
    struct ask *near = shop_extend(s, id, 70000);
    shop_commit(s);
    assert_int_equal(near->c.code, 0);
}

static void who_was_not_admitted_by_the_waiting_room_is_refused(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.queue = QUEUE_FIRST_COME;
    send_and_commit(s, sale);
    struct ask *without = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    assert_int_equal(without->c.code, TLY_ENOT_ADMITTED);
    assert_non_null(strstr(without->c.text, "without a ticket"));
    struct ask *early = shop_order_in(s, "flash", "o-1", "u");
    shop_want_lot(early, key, 1);
    early->extra.why_not = "it is not its ticket's turn yet";
    shop_send(s, early);
    assert_int_equal(early->c.code, TLY_ENOT_ADMITTED);
    assert_non_null(strstr(early->c.text, "turn yet"));
    struct ask *a = shop_order_in(s, "flash", "o-1", "u");
    shop_want_lot(a, key, 1);
    a->extra.admitted = true;
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    struct ask *again = shop_reserve_in(s, "flash", "o-1", "u", key, 1); /* a retry (I4) */
    assert_int_equal(again->c.code, 0);
    assert_true(again->c.reserve.replayed);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 1);
}

static void a_change_of_a_sale_counts_from_its_decision_on(void **state)
{
    struct shop *s = *state;
    send_and_commit(s, sale_of_lot(s, "flash"));
    struct ask *u = update(s, "flash", SALE_STARTS | SALE_TITLE | SALE_PER_ORDER);
    u->sale.terms.starts_ms = s->now_ms + 500;
    u->sale.terms.title = STR("later");
    u->sale.terms.per_order_limit = 2;
    shop_send(s, u);
    struct ask *early = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    assert_false(early->answered); /* it rests on the change */
    shop_commit(s);
    assert_int_equal(u->c.code, 0);
    assert_true(str_equal(u->sale.sale.terms.title, STR("later")));
    assert_int_equal(u->sale.sale.terms.ends_ms, s->now_ms + 3600000);
    assert_int_equal(early->c.code, TLY_ESALE_NOT_OPEN);
    assert_int_equal(early->extra.starts_in_ms, 500);
    shop_advance(s, 500);
    struct ask *large = shop_reserve_in(s, "flash", "o-2", "u", key, 3);
    assert_int_equal(large->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(large->c.reserve.trouble, ORDER_TOO_LARGE);
    assert_int_equal(large->c.reserve.limit, 2);
}

static void a_closed_sale_stays_closed_and_closing_again_is_a_replay(void **state)
{
    struct shop *s = *state;
    send_and_commit(s, sale_of_lot(s, "flash"));
    struct ask *a = close_sale(s, "flash");
    struct ask *order = shop_reserve_in(s, "flash", "o-1", "u", key, 1);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->sale.sale.terms.closed_ms, s->now_ms);
    assert_true(str_equal(shop_last_row(s)->note, STR("enough")));
    assert_int_equal(order->c.code, TLY_ESALE_CLOSED);
    int64_t closed_ms = s->now_ms;
    shop_advance(s, 5);
    struct ask *again = close_sale(s, "flash");
    assert_true(again->answered && again->sale.replayed);
    assert_int_equal(again->sale.sale.terms.closed_ms, closed_ms);
    struct ask *u = update(s, "flash", SALE_TITLE);
    shop_send(s, u);
    assert_int_equal(u->c.code, TLY_ESALE_CLOSED);
    assert_int_equal(shop_rows(s, MOVE_SALE), 2);
}

static void a_lot_of_a_sale_may_be_named_by_its_key(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_sku(a, key);
    send_and_commit(s, a);
    assert_int_equal(a->sale.sale.terms.items[0].lot, 1);
    assert_true(str_equal(engine_sale_id(s->engine, 1), STR("flash")));
    assert_int_equal(engine_sale_id(s->engine, 2).len, 0);
}

static void what_breaks_a_rule_makes_no_sale(void **state)
{
    struct shop *s = *state;
    struct ask *a = sale_of_lot(s, "flash");
    a->sale.terms.ends_ms = a->sale.terms.starts_ms;
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *b = sale_of_lot(s, "flash");
    shop_sale_sku(b, "lime");
    shop_send(s, b);
    assert_int_equal(b->c.code, TLY_ENOT_FOUND);
    assert_int_equal(b->sale.failed_item, 1);
    struct ask *c = sale_of_lot(s, "flash");
    c->sale.terms.group_size = 3;
    shop_send(s, c);
    assert_int_equal(c->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(shop_get_sale(s, "flash")->c.code, TLY_ENOT_FOUND);
    send_and_commit(s, sale_of_lot(s, "flash"));
    struct ask *twice = sale_of_lot(s, "flash");
    shop_send(s, twice);
    assert_int_equal(twice->c.code, TLY_EALREADY_EXISTS);
    assert_int_equal(twice->sale.sale.terms.number, 1);
}

static void sales_come_page_by_page(void **state)
{
    struct shop *s = *state;
    send_and_commit(s, sale_of_lot(s, "one"));
    send_and_commit(s, sale_of_lot(s, "two"));
    send_and_commit(s, sale_of_lot(s, "three"));
    static struct sale_view views[2];
    static struct sale_copy copies[2];
    struct ask *a = shop_ask(s, COMMAND_LIST_SALES);
    a->c.list_sales.sales = views;
    a->c.list_sales.copies = copies;
    a->c.list_sales.page_size = 2;
    shop_send(s, a);
    assert_int_equal(a->c.list_sales.count, 2);
    assert_int_equal(a->c.list_sales.next, 2);
    assert_true(str_equal(views[1].terms.sale_id, STR("two")));
    struct ask *b = shop_ask(s, COMMAND_LIST_SALES);
    b->c.list_sales = a->c.list_sales;
    b->c.list_sales.after = 2;
    shop_send(s, b);
    assert_int_equal(b->c.list_sales.count, 1);
    assert_int_equal(b->c.list_sales.next, 0);
    assert_true(str_equal(views[0].terms.sale_id, STR("three")));
}

static void what_was_done_in_a_rejected_batch_is_undone_with_its_sale(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    shop_send(s, sale);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 3);
    shop_seal(s);
    struct ask *b = shop_reserve_in(s, "flash", "o-2", "u", key, 3); /* rests on it */
    shop_reject(s);
    assert_int_equal(sale->c.code, TLY_EOVERLOADED);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    shop_commit(s);
    assert_int_equal(b->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_available(s, 1), 10);
    send_and_commit(s, sale_of_lot(s, "flash"));
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.terms.number, 1);
}

static void a_rejected_change_leaves_the_sale_as_it_was(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.total_limit = 5;
    send_and_commit(s, sale);
    shop_reserve_in(s, "flash", "o-0", "u", key, 1);
    shop_commit(s);
    struct ask *u = update(s, "flash", SALE_TOTAL);
    u->sale.terms.total_limit = 1;
    shop_send(s, u);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 2);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    close_sale(s, "flash");
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    struct sale_view v = shop_get_sale(s, "flash")->sale.sale;
    assert_int_equal(v.terms.total_limit, 5);
    assert_int_equal(v.terms.closed_ms, 0);
    assert_int_equal(v.units_left, 4);
    struct ask *b = shop_reserve_in(s, "flash", "o-2", "u", key, 4);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
}

static void orders_of_an_unknown_batch_count_when_it_turns_out_so(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.total_limit = 5;
    send_and_commit(s, sale);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 3);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(shop_get_sale(s, "flash")->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    engine_set_available(s->engine, true);
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.units_left, 2);
}

static void a_restart_brings_sales_and_their_figures_back(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.total_limit = 8;
    send_and_commit(s, sale);
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 3);
    struct ask *b = shop_reserve_in(s, "flash", "o-2", "v", key, 2);
    struct ask *c = shop_reserve_in(s, "flash", "o-3", "w", key, 1);
    shop_commit(s);
    shop_confirm_part(s, a->c.reserve.reservation_id, key, 2);
    shop_confirm(s, c->c.reserve.reservation_id);
    shop_refund(s, b->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    shop_refund(s, c->c.reserve.reservation_id, REASON_NONE);
    send_and_commit(s, update(s, "flash", 0));
    struct sale_view before = shop_get_sale(s, "flash")->sale.sale;
    shop_reopen(s);
    struct sale_view after = shop_get_sale(s, "flash")->sale.sale;
    assert_int_equal(after.units_confirmed, 2);
    assert_int_equal(after.units_pending, 0);
    assert_int_equal(after.units_left, before.units_left);
    assert_int_equal(after.orders_made, before.orders_made);
    assert_int_equal(after.orders_back, before.orders_back);
    assert_int_equal(after.created_ms, before.created_ms);
    /* And what is confirmed counts on: its return gives the share back. */
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(shop_get_sale(s, "flash")->sale.sale.units_confirmed, 0);
}

/* One that has ended is over when nothing can be added to it any more. */
static void recovery_reads_from_the_oldest_sale_that_is_not_over(void **state)
{
    struct shop *s = *state;
    send_and_commit(s, sale_of_lot(s, "one"));
    int64_t one = shop_last_row(s)->seq;
    send_and_commit(s, sale_of_lot(s, "two"));
    int64_t two = shop_last_row(s)->seq;
    shop_reserve(s, "o-1", key, 1);
    shop_seal(s);
    assert_int_equal(s->flight->oldest_pending, one);
    shop_outcome(s, LEDGER_COMMITTED);
    close_sale(s, "one");
    shop_commit(s);
    shop_advance(s, 1000);
    close_sale(s, "two");
    shop_commit(s);
    shop_advance(s, s->config.hold_total_max_ms + s->config.refund_window_ms);
    shop_reserve(s, "o-3", key, 1);
    shop_commit(s);
    assert_int_equal(s->oldest_pending, two);
    shop_advance(s, 1);
    struct ask *a = shop_reserve(s, "o-2", key, 1);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_advance(s, 60000);
    shop_seal(s);
    assert_true(s->flight->oldest_pending > two);
    shop_outcome(s, LEDGER_COMMITTED);
}

static void a_batch_of_orders_is_judged_by_the_sale_too(void **state)
{
    struct shop *s = *state;
    struct ask *sale = sale_of_lot(s, "flash");
    sale->sale.terms.per_user_limit = 2;
    send_and_commit(s, sale);
    struct ask *parts[3];
    static const char *const ids[] = {"o-1", "o-2", "o-3"};
    struct reserve_command orders[3];
    for (int i = 0; i < 3; i++) {
        parts[i] = shop_order_in(s, "flash", ids[i], "u");
        shop_want_lot(parts[i], key, 1);
        parts[i]->c.reserve.order_hash = (uint64_t)i + 1;
        parts[i]->c.reserve.fingerprint = 1;
        orders[i] = parts[i]->c.reserve;
    }
    struct ask *a = shop_ask(s, COMMAND_RESERVE_BATCH);
    a->c.batch.orders = orders;
    a->c.batch.count = 3;
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(orders[0].code, 0);
    assert_int_equal(orders[1].code, 0);
    assert_int_equal(orders[2].code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(parts[2]->extra.order_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_sale_is_one_row_and_is_answered_after_the_commit),
        T(the_first_and_the_last_millisecond_of_a_sale_are_exact),
        T(an_order_s_row_names_its_sale),
        T(an_order_in_a_sale_that_is_not_there_is_refused),
        T(refusals_give_back_what_the_gate_took),
        T(a_retry_is_answered_before_the_sale_is_looked_at),
        T(the_sale_is_content_of_an_order),
        T(a_lot_outside_the_sale_is_refused_and_named),
        T(an_order_by_sku_gets_lots_of_the_sale_only),
        T(a_sale_of_a_sku_sells_lots_that_come_later),
        T(the_share_of_a_sale_bounds_it_and_comes_back),
        T(units_of_a_due_hold_are_shown_as_left),
        T(an_order_is_held_as_long_as_the_sale_says_at_most),
        T(a_payment_is_extended_as_far_as_the_sale_allows),
        T(who_was_not_admitted_by_the_waiting_room_is_refused),
        T(a_change_of_a_sale_counts_from_its_decision_on),
        T(a_closed_sale_stays_closed_and_closing_again_is_a_replay),
        T(what_breaks_a_rule_makes_no_sale),
        T(sales_come_page_by_page),
        T(what_was_done_in_a_rejected_batch_is_undone_with_its_sale),
        T(a_rejected_change_leaves_the_sale_as_it_was),
        T(orders_of_an_unknown_batch_count_when_it_turns_out_so),
        T(a_restart_brings_sales_and_their_figures_back),
        T(recovery_reads_from_the_oldest_sale_that_is_not_over),
        T(a_batch_of_orders_is_judged_by_the_sale_too),
        T(a_lot_of_a_sale_may_be_named_by_its_key),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
