/* A PENDING hold gets other lines. */
#include "fixture.h"

#include <string.h>

#include "shop_internal.h"

#define COLA "cola#00000001"
#define LIME "lime#00000002"
#define MINT "mint#00000003"

static int64_t id; /* a PENDING hold of 4 cola and 2 lime, of 10 each; 10 mint are there too */

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, COLA, 10);
    shop_lot(s, LIME, 10);
    shop_lot(s, MINT, 10);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, COLA, 4);
    shop_want_lot(a, LIME, 2);
    shop_send(s, a);
    shop_commit(s);
    id = a->c.reserve.reservation_id;
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *send_change(struct shop *s, const char *change_id, int64_t cola, int64_t lime,
                               int64_t mint)
{
    struct ask *a = shop_move(s, COMMAND_CHANGE, id);
    a->c.move.id = str_of(change_id);
    if (cola)
        shop_move_want(a, COLA, cola);
    if (lime)
        shop_move_want(a, LIME, lime);
    if (mint)
        shop_move_want(a, MINT, mint);
    shop_send(s, a);
    return a;
}

static struct ask *change(struct shop *s, const char *change_id, int64_t cola, int64_t lime,
                          int64_t mint)
{
    struct ask *a = send_change(s, change_id, cola, lime, mint);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static void assert_done(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.move.replayed);
}

static void assert_replayed(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_true(a->c.move.replayed);
}

static void assert_reserved(struct shop *s, int64_t cola, int64_t lime, int64_t mint)
{
    const int64_t reserved[] = {cola, lime, mint};
    for (lot_id lot = 1; lot <= 3; lot++) {
        assert_int_equal(shop_stock(s, lot).reserved, reserved[lot - 1]);
        assert_int_equal(s->gate[lot], shop_available(s, lot));
    }
}

static void the_hold_gets_the_lines_that_are_named_instead(void **state)
{
    struct shop *s = *state;
    shop_advance(s, 1000);
    int64_t deadline_ms = SHOP_START_MS + s->config.hold_default_ms;
    struct ask *a = send_change(s, "c-1", 1, 0, 5);
    assert_false(a->answered);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(a->c.move.state, HOLD_PENDING);
    assert_int_equal(a->c.move.expires_ms, deadline_ms);
    assert_int_equal(a->c.move.line_count, 2);
    assert_int_equal(a->lines[0].lot, 1);
    assert_int_equal(a->lines[0].quantity, 1);
    assert_int_equal(a->lines[1].lot, 3);
    assert_int_equal(a->lines[1].quantity, 5);
    assert_reserved(s, 1, 0, 5);
}

static void its_move_has_the_differences(void **state)
{
    struct shop *s = *state;
    change(s, "c-1", 6, 0, 3);
    const struct move *m = shop_last_row(s);
    const int64_t by[] = {2, -2, 3};
    assert_int_equal(m->kind, MOVE_CHANGE);
    assert_int_equal(m->line_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(m->lines[i].quantity, by[i]);
    assert_int_equal(m->line.quantity, 3);
    assert_true(str_equal(m->detail, STR("c-1")));
}

static void a_change_to_one_line_and_back_to_many(void **state)
{
    struct shop *s = *state;
    assert_done(change(s, "", 0, 0, 7));
    assert_reserved(s, 0, 0, 7);
    assert_done(change(s, "", 1, 2, 3));
    assert_reserved(s, 1, 2, 3);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_reserved(s, 0, 0, 0);
}

static void what_it_holds_counts_as_available_to_it(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-2", COLA, 6);
    shop_commit(s);
    assert_int_equal(shop_available(s, 1), 0);
    assert_done(change(s, "", 3, 0, 0));
    assert_int_equal(shop_available(s, 1), 1);
    assert_done(change(s, "", 4, 0, 0));
    struct ask *more = change(s, "", 5, 0, 0);
    assert_int_equal(more->c.code, TLY_ESOLD_OUT);
    assert_int_equal(more->c.move.available, 4);
    assert_int_equal(more->c.move.failed_want, 0);
}

static void a_change_that_fails_takes_nothing_away(void **state)
{
    struct shop *s = *state;
    struct ask *a = change(s, "c-1", 1, 0, 11);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a->c.move.failed_want, 1);
    assert_int_equal(a->c.move.line_count, 2);
    assert_int_equal(a->lines[0].quantity, 4);
    assert_reserved(s, 4, 2, 0);
    assert_int_equal(shop_rows(s, MOVE_CHANGE), 0);
    assert_done(change(s, "c-1", 1, 0, 10));
}

static void lines_by_sku_are_allocated_as_for_an_order(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_move(s, COMMAND_CHANGE, id);
    a->wants[0] = (struct want){.sku = STR("mint"), .quantity = 2};
    a->c.move.want_count = 1;
    shop_send(s, a);
    shop_commit(s);
    assert_done(a);
    assert_reserved(s, 0, 0, 2);
}

static void a_change_counts_once(void **state)
{
    struct shop *s = *state;
    assert_done(change(s, "c-1", 1, 0, 5));
    assert_done(change(s, "c-2", 2, 0, 0));
    struct ask *again = change(s, "c-1", 1, 0, 5);
    assert_replayed(again); /* shown as it stands now */
    assert_int_equal(again->c.move.line_count, 1);
    assert_int_equal(again->lines[0].quantity, 2);
    assert_int_equal(change(s, "c-1", 1, 0, 4)->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(shop_rows(s, MOVE_CHANGE), 2);
    shop_reopen(s);
    assert_replayed(change(s, "c-2", 2, 0, 0));
    assert_reserved(s, 2, 0, 0);
}

static void the_same_change_of_one_turn_is_one(void **state)
{
    struct shop *s = *state;
    struct ask *one = send_change(s, "c-1", 1, 0, 5);
    struct ask *two = send_change(s, "c-1", 1, 0, 5);
    struct ask *other = send_change(s, "c-1", 1, 0, 6);
    shop_commit(s);
    assert_done(one);
    assert_replayed(two);
    assert_int_equal(other->c.code, TLY_EORDER_MISMATCH);
    assert_reserved(s, 1, 0, 5);
}

static void a_change_to_what_is_held_is_remembered_by_its_name_alone(void **state)
{
    struct shop *s = *state;
    assert_replayed(change(s, "", 4, 2, 0));
    assert_int_equal(shop_rows(s, MOVE_CHANGE), 0);
    assert_done(change(s, "c-1", 4, 2, 0));
    assert_int_equal(shop_last_row(s)->line_count, 1);
    assert_int_equal(shop_last_row(s)->line.quantity, 0);
    assert_done(change(s, "c-2", 1, 0, 0));
    assert_replayed(change(s, "c-1", 4, 2, 0));
    shop_reopen(s);
    assert_reserved(s, 1, 0, 0);
}

static void a_change_is_known_by_its_name_when_the_hold_is_not_pending_any_more(void **state)
{
    struct shop *s = *state;
    change(s, "c-1", 1, 0, 5);
    shop_confirm(s, id);
    shop_commit(s);
    struct ask *again = change(s, "c-1", 1, 0, 5);
    assert_replayed(again);
    assert_int_equal(again->c.move.state, HOLD_CONFIRMED);
    struct ask *more = change(s, "c-2", 2, 0, 0);
    assert_int_equal(more->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(more->c.move.state, HOLD_CONFIRMED);
}

static void a_retry_of_the_order_is_answered_with_what_it_holds_now(void **state)
{
    struct shop *s = *state;
    change(s, "c-1", 1, 0, 5);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct ask *a = shop_order(s, "o-1");
        shop_want_lot(a, COLA, 4);
        shop_want_lot(a, LIME, 2);
        shop_send(s, a);
        shop_commit(s);
        assert_true(a->c.reserve.replayed);
        assert_int_equal(a->c.reserve.line_count, 2);
        assert_int_equal(a->lines[1].lot, 3);
        shop_reopen(s);
    }
}

static void what_was_changed_is_confirmed_in_part_by_its_new_lines(void **state)
{
    struct shop *s = *state;
    change(s, "c-1", 1, 0, 5);
    struct ask *a = shop_confirm_part(s, id, MINT, 3);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_reserved(s, 0, 0, 0);
    assert_int_equal(shop_stock(s, 3).confirmed, 3);
    assert_int_equal(shop_stock(s, 1).confirmed, 0);
}

static void a_change_that_was_undone_leaves_the_lines_as_they_were(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_change(s, "c-1", 0, 0, 5);
    struct ask *then = send_change(s, "", 1, 0, 0);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_int_equal(then->c.code, TLY_EOVERLOADED);
    assert_reserved(s, 4, 2, 0);
    struct ask *get = change(s, "", 4, 2, 0);
    assert_replayed(get);
    struct ask *again = send_change(s, "c-1", 0, 0, 5);
    shop_seal(s); /* it never was changed: nothing is asked */
    shop_outcome(s, LEDGER_COMMITTED);
    assert_done(again);
}

static void a_change_after_one_that_was_undone_goes_by_its_record(void **state)
{
    struct shop *s = *state;
    change(s, "c-1", 0, 0, 5);
    send_change(s, "", 0, 0, 6);
    shop_seal(s);
    shop_reject(s);
    assert_replayed(change(s, "c-1", 0, 0, 5));
    assert_done(change(s, "c-2", 0, 0, 7));
}

/* Due with its new lines, undone with its old ones. */
static void a_hold_that_is_due_while_its_change_is_undone_gives_back_the_old_lines(void **state)
{
    struct shop *s = *state;
    send_change(s, "c-1", 0, 0, 5);
    shop_seal(s);
    engine_set_available(s->engine, false);
    shop_advance(s, s->config.hold_default_ms);
    assert_int_equal(shop_available(s, 3), 10);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(shop_available(s, 1), 10);
    assert_int_equal(shop_available(s, 3), 10);
    assert_int_equal(s->gate[1], 10);
    assert_int_equal(s->gate[3], 10);
    engine_set_available(s->engine, true);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), 1);
    assert_reserved(s, 0, 0, 0);
}

static void a_change_of_unknown_outcome_is_settled_by_it(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_change(s, "c-1", 0, 0, 5);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_reserved(s, 4, 2, 0);
    assert_done(change(s, "c-1", 0, 0, 5));
}

static void units_of_due_holds_come_before_a_change(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_order(s, "o-2");
    o->c.reserve.hold_ms = 1000;
    shop_want_lot(o, MINT, 10);
    shop_send(s, o);
    shop_commit(s);
    shop_advance(s, 1000);
    assert_done(change(s, "", 0, 0, 8));
    assert_reserved(s, 0, 0, 8);
}

static void what_has_ended_is_not_changed(void **state)
{
    struct shop *s = *state;
    shop_advance(s, s->config.hold_default_ms);
    struct ask *a = change(s, "c-1", 1, 0, 0);
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.move.state_reason, REASON_EXPIRED);
}

static void a_change_wants_lines(void **state)
{
    struct shop *s = *state;
    assert_int_equal(change(s, "", 0, 0, 0)->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *a = shop_move(s, COMMAND_CHANGE, id);
    shop_move_want(a, "none#00000009", 1);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    assert_reserved(s, 4, 2, 0);
}

static void a_row_from_before_a_change_is_not_gone_by(void **state)
{
    struct shop *s = *state;
    change(s, "c-1", 1, 0, 0);
    struct ask *late = send_change(s, "c-2", 3, 0, 0); /* its hold was changed: it asks */
    struct question *q = engine_next_question(s->engine);
    assert_non_null(q);
    q->record = shop_record(s, id, s->row_count);
    struct ask *first = send_change(s, "", 2, 0, 0);
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_done(first);
    engine_answered(s->engine, q);
    assert_non_null(q = engine_next_question(s->engine));
    q->record = shop_record(s, id, s->row_count);
    engine_answered(s->engine, q);
    shop_collect(s);
    shop_commit(s);
    assert_done(late);
    assert_reserved(s, 3, 0, 0);
}

/* Also a retry, when what it got is sold no more. */
static void a_change_that_gives_back_needs_no_units(void **state)
{
    struct shop *s = *state;
    assert_done(change(s, "", 4, 5, 0));
    struct ask *withdraw = shop_update_lot(s, LIME);
    withdraw->c.update_lot.sets_withdrawn = true;
    withdraw->c.update_lot.terms.withdrawn = true;
    shop_send(s, withdraw);
    shop_commit(s);
    assert_replayed(change(s, "", 4, 5, 0));
    assert_done(change(s, "c-1", 4, 5, 0));
    assert_replayed(change(s, "c-1", 4, 5, 0));
    assert_int_equal(change(s, "", 4, 5, 1)->c.code, TLY_ESOLD_OUT);
    assert_int_equal(change(s, "", 4, 6, 0)->c.code, TLY_ESOLD_OUT);
    assert_done(change(s, "", 4, 2, 0));
    assert_int_equal(shop_stock(s, 1).reserved, 4);
    assert_int_equal(shop_stock(s, 2).reserved, 2);
    assert_done(change(s, "", 0, 1, 0));
    assert_int_equal(shop_stock(s, 1).reserved, 0);
    assert_int_equal(shop_stock(s, 2).reserved, 1);
    assert_int_equal(shop_stock(s, 3).reserved, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(the_hold_gets_the_lines_that_are_named_instead),
        T(its_move_has_the_differences),
        T(a_change_to_one_line_and_back_to_many),
        T(what_it_holds_counts_as_available_to_it),
        T(a_change_that_fails_takes_nothing_away),
        T(lines_by_sku_are_allocated_as_for_an_order),
        T(a_change_counts_once),
        T(the_same_change_of_one_turn_is_one),
        T(a_change_to_what_is_held_is_remembered_by_its_name_alone),
        T(a_change_is_known_by_its_name_when_the_hold_is_not_pending_any_more),
        T(a_retry_of_the_order_is_answered_with_what_it_holds_now),
        T(what_was_changed_is_confirmed_in_part_by_its_new_lines),
        T(a_change_that_was_undone_leaves_the_lines_as_they_were),
        T(a_change_after_one_that_was_undone_goes_by_its_record),
        T(a_hold_that_is_due_while_its_change_is_undone_gives_back_the_old_lines),
        T(a_change_of_unknown_outcome_is_settled_by_it),
        T(units_of_due_holds_come_before_a_change),
        T(what_has_ended_is_not_changed),
        T(a_change_wants_lines),
        T(a_row_from_before_a_change_is_not_gone_by),
        T(a_change_that_gives_back_needs_no_units),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
