#include "fixture.h"

#include <string.h>

#include "engine/hold_moves.h"
#include "shop.h"

enum { HOUR_MS = 3600000 };
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

/* A committed order of `quantity` units. */
static int64_t hold_of(struct shop *s, const char *order_id, int64_t quantity)
{
    struct ask *a = shop_reserve(s, order_id, key, quantity);
    shop_commit(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    return a->c.reserve.reservation_id;
}

static void assert_stock(struct shop *s, int64_t on_hand, int64_t reserved, int64_t confirmed)
{
    struct stock stock = shop_stock(s, 1);
    assert_int_equal(stock.on_hand, on_hand);
    assert_int_equal(stock.reserved, reserved);
    assert_int_equal(stock.confirmed, confirmed);
    assert_int_equal(s->gate[1], on_hand - reserved - confirmed);
}

static void the_table_allows_what_the_diagram_shows_and_nothing_else(void **state)
{
    (void)state;
    int allowed = 0;
    for (int from = HOLD_NONE; from <= HOLD_REFUNDED; from++) {
        for (int kind = MOVE_KIND_FIRST; kind <= MOVE_KIND_LAST; kind++) {
            allowed += hold_move_end(from, (enum move_kind)kind, false) != HOLD_NONE;
            allowed += hold_move_end(from, (enum move_kind)kind, true) != HOLD_NONE;
        }
    }
    assert_int_equal(allowed, 17);
    assert_int_equal(hold_move_target(HOLD_PENDING, MOVE_CONFIRM), HOLD_CONFIRMED);
    assert_int_equal(hold_move_target(HOLD_PENDING, MOVE_REFUND), HOLD_REFUNDED);
    assert_int_equal(hold_move_target(HOLD_CONFIRMED, MOVE_RETURN), HOLD_REFUNDED);
    assert_int_equal(hold_move_target(HOLD_PENDING, MOVE_EXTEND), HOLD_PENDING);
    assert_int_equal(hold_move_target(HOLD_PENDING, MOVE_CHANGE), HOLD_PENDING);
    assert_int_equal(hold_move_target(HOLD_CONFIRMED, MOVE_SHIP), HOLD_CONFIRMED);
    assert_int_equal(hold_move_end(HOLD_CONFIRMED, MOVE_RESTOCK, false), HOLD_CONFIRMED);
    assert_int_equal(hold_move_end(HOLD_CONFIRMED, MOVE_RESTOCK, true), HOLD_REFUNDED);
    for (int kind = MOVE_KIND_FIRST; kind <= MOVE_KIND_LAST; kind++) {
        int to = kind == MOVE_RECLAIM ? HOLD_CONFIRMED : HOLD_NONE;
        assert_int_equal(hold_move_target(HOLD_REFUNDED, (enum move_kind)kind), to);
    }
}

static void confirming_moves_the_units_and_is_answered_after_the_commit(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    struct ask *a = shop_confirm(s, id);
    assert_false(a->answered);
    shop_commit(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.move.state, HOLD_CONFIRMED);
    assert_int_equal(a->c.move.order_id_len, 3);
    assert_memory_equal(a->c.move.order_id, "o-1", 3);
    assert_int_equal(a->lines[0].quantity, 3);
    assert_stock(s, 10, 0, 3);
    assert_true(str_equal(shop_last_row(s)->detail, STR("payment-1")));
}

static void confirming_twice_is_one_move_with_the_same_answer(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    shop_confirm(s, id);
    struct ask *open = shop_confirm(s, id); /* while the first is undecided */
    assert_false(open->answered);
    shop_commit(s);
    struct ask *later = shop_confirm(s, id); /* when it is the ledger's to know */
    assert_false(later->answered);
    shop_commit(s);
    assert_true(open->c.move.replayed && later->c.move.replayed);
    assert_int_equal(open->c.move.state, HOLD_CONFIRMED);
    assert_int_equal(later->c.code, 0);
    assert_int_equal(later->c.move.state, HOLD_CONFIRMED);
    assert_int_equal(later->lines[0].quantity, 3);
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), 1);
}

static void confirming_fewer_units_gives_the_rest_back_in_the_same_batch(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 5);
    struct ask *a = shop_confirm_part(s, id, key, 2);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 2);
    assert_int_equal(s->flight->moves[0].kind, MOVE_CONFIRM);
    assert_int_equal(s->flight->moves[1].kind, MOVE_RELEASE);
    assert_int_equal(s->flight->moves[1].line.quantity, 3);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->lines[0].quantity, 2);
    assert_stock(s, 10, 0, 2);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_stock(s, 10, 0, 0);
}

static void confirming_fewer_of_several_lots_keeps_only_what_was_confirmed(void **state)
{
    struct shop *s = *state;
    lot_id two = shop_lot(s, "lime#00000002", 10);
    lot_id three = shop_lot(s, "mint#00000003", 10);
    struct ask *o = shop_order(s, "o-1");
    shop_want_lot(o, key, 2);
    shop_want_lot(o, "lime#00000002", 2);
    shop_want_lot(o, "mint#00000003", 2);
    shop_send(s, o);
    shop_commit(s);
    struct ask *a = shop_ask(s, COMMAND_CONFIRM);
    a->c.move.reservation_id = o->c.reserve.reservation_id;
    a->c.move.lines = a->lines;
    a->c.move.line_max = ORDER_LINES_MAX;
    a->c.move.wants = a->wants;
    a->wants[0] = (struct want){.lot = str_of("mint#00000003"), .quantity = 1};
    a->wants[1] = (struct want){.lot = str_of(key), .quantity = 2};
    a->c.move.want_count = 2;
    shop_send(s, a);
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_int_equal(shop_stock(s, three).reserved, 2);
    a->answered = false;
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.move.line_count, 2);
    assert_int_equal(shop_stock(s, 1).confirmed, 2);
    assert_int_equal(shop_stock(s, two).reserved, 0);
    assert_int_equal(shop_stock(s, two).confirmed, 0);
    assert_int_equal(shop_stock(s, three).confirmed, 1);
}

static void confirming_more_than_is_held_is_refused_and_changes_nothing(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    struct ask *a = shop_confirm_part(s, id, key, 4);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *b = shop_confirm_part(s, id, "cola#ffffffff", 1);
    assert_int_equal(b->c.code, TLY_EINVALID_ARGUMENT);
    assert_stock(s, 10, 3, 0);
    assert_false(shop_seal(s));
}

static void cancelling_gives_the_units_back(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    struct ask *a = shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.move.state, HOLD_REFUNDED);
    assert_int_equal(a->c.move.state_reason, REASON_CANCELLED);
    assert_int_equal(shop_last_row(s)->kind, MOVE_REFUND);
    assert_int_equal(shop_last_row(s)->reason, REASON_CANCELLED);
    assert_stock(s, 10, 0, 0);
}

static void returning_a_confirmed_order_reads_it_and_gives_the_units_back(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    shop_confirm(s, id);
    shop_commit(s);
    struct ask *a = shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.move.state_reason, REASON_RETURNED);
    assert_int_equal(shop_last_row(s)->kind, MOVE_RETURN);
    assert_stock(s, 10, 0, 0);
}

static void a_refund_with_another_reason_is_told_what_the_first_one_was(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    shop_refund(s, id, REASON_GROUP_FAILED);
    struct ask *a = shop_refund(s, id, REASON_UNSETTLED);
    shop_commit(s);
    struct ask *b = shop_refund(s, id, REASON_CANCELLED);
    struct ask *same = shop_refund(s, id, REASON_GROUP_FAILED);
    struct ask *any = shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(b->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(a->c.move.state_reason, REASON_GROUP_FAILED);
    assert_int_equal(b->c.move.state_reason, REASON_GROUP_FAILED);
    assert_true(same->c.move.replayed && any->c.move.replayed);
    assert_stock(s, 10, 0, 0);
}

static void refund_after_72_hours_is_refused(void **state)
{
    struct shop *s = *state;
    int64_t one = hold_of(s, "o-1", 1);
    int64_t two = hold_of(s, "o-2", 1);
    shop_confirm(s, one);
    shop_confirm(s, two);
    shop_commit(s);
    shop_advance(s, INT64_C(72) * HOUR_MS);
    struct ask *a = shop_refund(s, one, REASON_NONE);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    shop_advance(s, 1);
    struct ask *b = shop_refund(s, two, REASON_NONE);
    shop_commit(s);
    assert_int_equal(b->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(b->c.move.state, HOLD_CONFIRMED);
    assert_string_equal(b->text, "the reservation was confirmed more than 72 h ago "
                                 "(refund_window_ms) and cannot be refunded any more");
    assert_stock(s, 10, 0, 1);
}

static void confirming_what_was_refunded_is_an_invalid_transition_that_says_so(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    shop_refund(s, id, REASON_NONE);
    struct ask *a = shop_confirm(s, id);
    assert_false(a->answered); /* it rests on a refund that is not committed */
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.move.state, HOLD_REFUNDED);
    assert_non_null(strstr(a->text, "REFUNDED (CANCELLED)"));
    struct ask *b = shop_extend(s, id, 1000);
    shop_commit(s);
    assert_int_equal(b->c.code, TLY_EINVALID_TRANSITION);
    assert_stock(s, 10, 0, 0);
}

static void a_hold_ends_at_its_deadline_to_the_millisecond(void **state)
{
    struct shop *s = *state;
    hold_of(s, "o-1", 3);
    assert_int_equal(engine_next_deadline(s->engine), s->now_ms + s->config.hold_default_ms);
    shop_advance(s, s->config.hold_default_ms - 1);
    assert_false(shop_seal(s));
    shop_advance(s, 1);
    assert_true(shop_seal(s));
    shop_commit(s);
    assert_int_equal(shop_last_row(s)->kind, MOVE_REFUND);
    assert_int_equal(shop_last_row(s)->reason, REASON_EXPIRED);
    assert_stock(s, 10, 0, 0);
    assert_int_equal(shop_stats(s).expired_total, 1);
    assert_int_equal(engine_next_deadline(s->engine), INT64_MAX);
}

static void freed_units_are_sellable_at_the_instant_that_the_hold_ends(void **state)
{
    struct shop *s = *state;
    hold_of(s, "o-1", 10);
    assert_int_equal(shop_reserve(s, "o-2", key, 1)->c.code, TLY_ESOLD_OUT);
    shop_advance(s, s->config.hold_default_ms);
    struct ask *a = shop_reserve(s, "o-3", key, 10);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_stock(s, 10, 10, 0);
}

static void confirming_at_the_deadline_comes_too_late(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    shop_advance(s, s->config.hold_default_ms);
    struct ask *a = shop_confirm(s, id);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(a->c.move.state_reason, REASON_EXPIRED);
    assert_stock(s, 10, 0, 0);
}

static void extending_moves_the_deadline_and_never_back(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    int64_t first_ms = s->now_ms + s->config.hold_default_ms;
    struct ask *a = shop_extend(s, id, 1000);
    assert_true(a->answered);
    assert_true(a->c.move.replayed);
    assert_int_equal(a->c.move.expires_ms, first_ms);
    struct ask *b = shop_extend(s, id, HOUR_MS);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_int_equal(b->c.move.expires_ms, s->now_ms + HOUR_MS);
    assert_int_equal(shop_last_row(s)->kind, MOVE_EXTEND);
    assert_int_equal(shop_last_row(s)->deadline_ms, s->now_ms + HOUR_MS);
    assert_int_equal(shop_last_row(s)->line.quantity, 3);
    shop_advance(s, HOUR_MS - 1);
    assert_false(shop_seal(s));
    shop_advance(s, 1);
    assert_true(shop_seal(s));
}

static void extending_is_bounded_for_each_call_and_in_all(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    assert_int_equal(shop_extend(s, id, s->config.hold_max_ms + 1)->c.code, TLY_EINVALID_ARGUMENT);
    shop_extend(s, id, HOUR_MS);
    shop_commit(s);
    shop_advance(s, HOUR_MS - 1);
    shop_extend(s, id, HOUR_MS);
    shop_commit(s);
    shop_advance(s, 10);
    struct ask *a = shop_extend(s, id, HOUR_MS);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_stock(s, 10, 3, 0);
}

static void what_was_never_reserved_is_not_found(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_confirm(s, 12345);
    struct ask *b = shop_refund(s, 12345, REASON_NONE);
    assert_false(a->answered || b->answered);
    shop_answer_reads(s);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    assert_int_equal(b->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_stats(s).reads_total, 1);
}

static void commands_behind_one_read_are_decided_in_their_order(void **state)
{
    struct shop *s = *state;
    int64_t id = hold_of(s, "o-1", 3);
    shop_confirm(s, id);
    shop_commit(s);
    struct ask *a = shop_refund(s, id, REASON_NONE);
    struct ask *b = shop_refund(s, id, REASON_UNSETTLED);
    struct ask *c = shop_confirm(s, id);
    struct ask *g = shop_get(s, id, "");
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.move.replayed);
    assert_int_equal(b->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(c->c.code, TLY_EINVALID_TRANSITION);
    assert_true(g->answered);
    assert_int_equal(g->c.get.record->state, HOLD_REFUNDED);
    assert_int_equal(shop_rows(s, MOVE_RETURN), 1);
    assert_stock(s, 10, 0, 0);
}

static void a_ledger_that_cannot_tell_is_unavailable_not_missing(void **state)
{
    struct shop *s = *state;
    s->ledger_silent = true;
    struct ask *a = shop_confirm(s, 12345);
    struct ask *b = shop_get(s, 12345, "");
    shop_answer_reads(s);
    assert_int_equal(a->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(b->c.code, TLY_EUNAVAILABLE);
}

static void the_oldest_pending_order_is_told_with_each_batch(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 1);
    struct ask *b = shop_reserve(s, "o-2", key, 1);
    shop_seal(s);
    assert_int_equal(s->flight->oldest_pending, a->c.reserve.reservation_id);
    shop_outcome(s, LEDGER_COMMITTED);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_seal(s);
    assert_int_equal(s->flight->oldest_pending, b->c.reserve.reservation_id);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    shop_refund(s, b->c.reserve.reservation_id, REASON_NONE);
    shop_seal(s);
    assert_int_equal(s->flight->oldest_pending, a->c.reserve.reservation_id);
    shop_outcome(s, LEDGER_COMMITTED);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_seal(s);
    assert_true(s->flight->oldest_pending > s->flight->moves[0].seq);
    shop_outcome(s, LEDGER_COMMITTED);
}

/* Segments of two, and nobody stores the full one. */
static void an_order_that_finds_no_place_in_the_index_leaves_nothing_behind(void **state)
{
    enum { TRIES = 3000 };
    struct engine_config config = shop_config();
    config.order_memory_max = 4;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    shop_lot(s, key, 10);
    const char *ids[] = {"1", "2", "3", "4"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(shop_reserve(s, ids[i], key, 1)->c.code, 0);
    int64_t bytes = shop_stats(s).hold_bytes;
    struct ask *a = shop_order(s, "5");
    shop_want_lot(a, key, 1);
    for (int i = 0; i < TRIES; i++) {
        a->answered = false;
        shop_send(s, a);
        assert_int_equal(a->c.code, TLY_EOVERLOADED);
    }
    assert_true(shop_stats(s).hold_bytes - bytes < TRIES * (int64_t)sizeof(int64_t) * 5);
    shop_commit(s);
    assert_stock(s, 10, 4, 0);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_allows_what_the_diagram_shows_and_nothing_else),
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(confirming_moves_the_units_and_is_answered_after_the_commit),
        T(confirming_twice_is_one_move_with_the_same_answer),
        T(confirming_fewer_units_gives_the_rest_back_in_the_same_batch),
        T(confirming_fewer_of_several_lots_keeps_only_what_was_confirmed),
        T(confirming_more_than_is_held_is_refused_and_changes_nothing),
        T(cancelling_gives_the_units_back),
        T(returning_a_confirmed_order_reads_it_and_gives_the_units_back),
        T(a_refund_with_another_reason_is_told_what_the_first_one_was),
        T(refund_after_72_hours_is_refused),
        T(confirming_what_was_refunded_is_an_invalid_transition_that_says_so),
        T(a_hold_ends_at_its_deadline_to_the_millisecond),
        T(freed_units_are_sellable_at_the_instant_that_the_hold_ends),
        T(confirming_at_the_deadline_comes_too_late),
        T(extending_moves_the_deadline_and_never_back),
        T(extending_is_bounded_for_each_call_and_in_all),
        T(what_was_never_reserved_is_not_found),
        T(commands_behind_one_read_are_decided_in_their_order),
        T(a_ledger_that_cannot_tell_is_unavailable_not_missing),
        T(the_oldest_pending_order_is_told_with_each_batch),
        T(an_order_that_finds_no_place_in_the_index_leaves_nothing_behind),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
