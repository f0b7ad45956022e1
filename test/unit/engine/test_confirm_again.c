/* A confirm that comes again: is it the same one? */
#include "fixture.h"

#include "shop_internal.h"

#define COLA "cola#00000001"
#define LIME "lime#00000002"

static int64_t id; /* a reservation of 2 cola and 3 lime */

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, COLA, 10);
    shop_lot(s, LIME, 10);
    struct ask *a = shop_order(s, "o-1");
    shop_want_lot(a, COLA, 2);
    shop_want_lot(a, LIME, 3);
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

/* Of what is given: an empty payment_id and quantities of 0 are not. */
static struct ask *send_confirm(struct shop *s, const char *payment_id, int64_t cola, int64_t lime)
{
    struct ask *a = shop_ask(s, COMMAND_CONFIRM);
    a->c.move.reservation_id = id;
    a->c.move.lines = a->lines;
    a->c.move.line_max = ORDER_LINES_MAX;
    a->c.move.payment_id = str_of(payment_id);
    a->c.move.wants = a->wants;
    if (cola)
        a->wants[a->c.move.want_count++] = (struct want){.lot = STR(COLA), .quantity = cola};
    if (lime)
        a->wants[a->c.move.want_count++] = (struct want){.lot = STR(LIME), .quantity = lime};
    shop_send(s, a);
    return a;
}

static struct ask *confirm(struct shop *s, const char *payment_id, int64_t cola, int64_t lime)
{
    struct ask *a = send_confirm(s, payment_id, cola, lime);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static void assert_replayed(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_true(a->c.move.replayed);
}

static void assert_mismatch(const struct ask *a, const char *stored)
{
    assert_int_equal(a->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(a->c.move.state, HOLD_CONFIRMED);
    const struct str payment_id = {a->c.move.payment_id_stored, a->c.move.payment_id_stored_len};
    assert_true(str_equal(payment_id, str_of(stored)));
    assert_int_equal(a->c.move.order_id_len, 3);
}

static void the_same_confirm_is_a_replay_and_shows_what_is_stored(void **state)
{
    struct shop *s = *state;
    confirm(s, "p-1", 0, 0);
    struct ask *again = confirm(s, "p-1", 0, 0);
    assert_replayed(again);
    assert_int_equal(again->c.move.payment_id_stored_len, 3);
    assert_replayed(confirm(s, "", 0, 0));
    assert_replayed(confirm(s, "p-1", 2, 3)); /* all of it, by name */
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), 1);
}

static void another_payment_is_told_which_one_it_was(void **state)
{
    struct shop *s = *state;
    confirm(s, "p-1", 0, 0);
    assert_mismatch(confirm(s, "p-2", 0, 0), "p-1");
    shop_reopen(s);
    assert_mismatch(confirm(s, "p-2", 0, 0), "p-1");
}

static void a_payment_where_there_was_none_is_another_one(void **state)
{
    struct shop *s = *state;
    confirm(s, "", 0, 0);
    assert_mismatch(confirm(s, "p-2", 0, 0), "");
}

static void other_lines_are_told_which_ones_they_were(void **state)
{
    struct shop *s = *state;
    confirm(s, "p-1", 1, 3);
    assert_replayed(confirm(s, "p-1", 1, 3));
    const int64_t others[][2] = {{2, 3}, {1, 2}, {1, 0}, {0, 3}, {0, 0}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct ask *a = confirm(s, "p-1", others[i][0], others[i][1]);
        assert_mismatch(a, "p-1");
        assert_int_equal(a->c.move.line_count, 2);
        assert_int_equal(a->lines[0].quantity, 1);
        assert_int_equal(a->lines[1].quantity, 3);
    }
}

static void a_lot_named_twice_counts_with_the_sum(void **state)
{
    struct shop *s = *state;
    confirm(s, "p-1", 2, 1);
    struct ask *a = shop_ask(s, COMMAND_CONFIRM);
    a->c.move.reservation_id = id;
    a->c.move.wants = a->wants;
    a->wants[0] = (struct want){.lot = STR(COLA), .quantity = 1};
    a->wants[1] = (struct want){.lot = STR(LIME), .quantity = 1};
    a->wants[2] = (struct want){.lot = STR(COLA), .quantity = 1};
    a->c.move.want_count = 3;
    shop_send(s, a);
    shop_commit(s);
    assert_replayed(a);
}

static void a_confirm_on_the_heels_of_another_waits_for_its_row(void **state)
{
    struct shop *s = *state;
    struct ask *first = send_confirm(s, "p-1", 1, 0);
    struct ask *same = send_confirm(s, "p-1", 1, 0);
    struct ask *other = send_confirm(s, "p-2", 1, 0);
    assert_false(first->answered || same->answered || other->answered);
    shop_commit(s);
    assert_int_equal(first->c.code, 0);
    assert_false(first->c.move.replayed);
    assert_replayed(same);
    assert_mismatch(other, "p-1");
}

static void a_confirm_whose_forerunner_was_undone_is_the_first(void **state)
{
    struct shop *s = *state;
    struct ask *first = send_confirm(s, "p-1", 0, 0);
    struct ask *other = send_confirm(s, "p-2", 1, 0);
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(first->c.code, TLY_EOVERLOADED);
    assert_int_equal(other->c.code, 0);
    assert_false(other->c.move.replayed);
    assert_int_equal(shop_stock(s, 1).confirmed, 1);
}

static void whatever_was_asked_for_an_expired_hold_has_ended(void **state)
{
    struct shop *s = *state;
    shop_advance(s, s->config.hold_default_ms);
    shop_commit(s);
    struct ask *a = shop_refund(s, id, REASON_CANCELLED);
    shop_commit(s);
    assert_replayed(a);
    assert_int_equal(a->c.move.state_reason, REASON_EXPIRED);
}

/* The next question, as the ledger answers it now; it is delivered later. */
static struct question *read_now(struct shop *s)
{
    struct question *q = engine_next_question(s->engine);
    assert_non_null(q);
    q->record = shop_record(s, id, s->row_count);
    return q;
}

static void deliver(struct shop *s, struct question *q)
{
    engine_answered(s->engine, q);
    shop_collect(s);
}

static void nothing_is_decided_by_a_row_from_before_a_commit(void **state)
{
    struct shop *s = *state;
    struct ask *get = shop_get(s, id, "");
    struct question *old = read_now(s); /* PENDING */
    confirm(s, "p-1", 0, 0);
    struct ask *extension = shop_extend(s, id, 3600000);
    struct ask *again = send_confirm(s, "p-1", 0, 0);
    struct ask *late = shop_get(s, id, "");
    deliver(s, old);
    assert_true(get->answered);
    assert_false(late->answered);
    shop_commit(s);
    assert_int_equal(extension->c.code, TLY_EINVALID_TRANSITION);
    assert_replayed(again);
    assert_int_equal(late->c.get.record->state, HOLD_CONFIRMED);
}

static void two_rows_that_say_confirmed_are_returned_once(void **state)
{
    struct shop *s = *state;
    confirm(s, "p-1", 0, 0);
    struct ask *first = shop_refund(s, id, REASON_NONE);
    struct question *one = read_now(s);
    shop_adjust(s, COLA, 1, "");
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    struct ask *second = shop_refund(s, id, REASON_NONE);
    struct question *two = read_now(s);
    deliver(s, one);
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(first->c.code, 0);
    deliver(s, two);
    shop_commit(s);
    assert_replayed(second);
    assert_int_equal(shop_rows(s, MOVE_RETURN), 1);
    assert_int_equal(shop_stock(s, 1).confirmed, 0);
}

/* Simulator, seed 703: both wait for a row from before the units went back. */
static void all_who_waited_for_an_old_row_find_the_hold_that_has_ended_since(void **state)
{
    struct shop *s = *state;
    confirm(s, "p-1", 0, 0);
    struct ask *first = shop_refund(s, id, REASON_NONE);
    struct ask *second = shop_refund(s, id, REASON_NONE);
    struct question *old = read_now(s);
    shop_adjust(s, COLA, 1, "");
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    struct ask *faster = shop_refund(s, id, REASON_NONE);
    deliver(s, read_now(s));
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(faster->c.code, 0);
    assert_false(faster->c.move.replayed);
    deliver(s, old);
    shop_commit(s);
    assert_replayed(first);
    assert_replayed(second);
    assert_int_equal(shop_rows(s, MOVE_RETURN), 1);
    assert_int_equal(shop_stock(s, 1).confirmed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(the_same_confirm_is_a_replay_and_shows_what_is_stored),
        T(another_payment_is_told_which_one_it_was),
        T(a_payment_where_there_was_none_is_another_one),
        T(other_lines_are_told_which_ones_they_were),
        T(a_lot_named_twice_counts_with_the_sum),
        T(a_confirm_on_the_heels_of_another_waits_for_its_row),
        T(a_confirm_whose_forerunner_was_undone_is_the_first),
        T(nothing_is_decided_by_a_row_from_before_a_commit),
        T(two_rows_that_say_confirmed_are_returned_once),
        T(all_who_waited_for_an_old_row_find_the_hold_that_has_ended_since),
        T(whatever_was_asked_for_an_expired_hold_has_ended),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
