/* What is done with a reservation that is named by its order_id; and the cancel that is faster than
 * its order. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shop_internal.h"

#define COLA "cola#00000001"

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, COLA, 10);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *send(struct shop *s, enum command_kind kind, const char *order_id)
{
    struct ask *a = shop_move_by_order(s, kind, order_id);
    if (kind == COMMAND_CHANGE)
        shop_move_want(a, COLA, 3);
    a->c.move.hold_ms = kind == COMMAND_EXTEND ? s->config.hold_default_ms * 2 : 0;
    shop_send(s, a);
    return a;
}

static struct ask *move(struct shop *s, enum command_kind kind, const char *order_id)
{
    struct ask *a = send(s, kind, order_id);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static struct ask *send_fence(struct shop *s, const char *order_id)
{
    struct ask *a = shop_move_by_order(s, COMMAND_REFUND, order_id);
    a->c.move.fence = true;
    shop_send(s, a);
    return a;
}

static struct ask *fence(struct shop *s, const char *order_id)
{
    struct ask *a = send_fence(s, order_id);
    shop_commit(s);
    assert_true(a->answered);
    return a;
}

static void assert_done(const struct ask *a)
{
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.move.replayed);
}

static void assert_fenced(const struct ask *order)
{
    assert_true(order->answered);
    assert_int_equal(order->c.code, 0);
    assert_true(order->c.reserve.replayed);
    assert_int_equal(order->c.reserve.state, HOLD_REFUNDED);
    assert_int_equal(order->c.reserve.reason, REASON_CANCELLED);
    assert_int_equal(order->c.reserve.line_count, 0);
}

static void every_call_finds_the_reservation_by_its_order(void **state)
{
    struct shop *s = *state;
    struct ask *o = shop_reserve(s, "o-1", COLA, 4);
    shop_commit(s);
    const enum command_kind kinds[] = {COMMAND_EXTEND, COMMAND_CHANGE, COMMAND_CONFIRM,
                                       COMMAND_SHIP, COMMAND_REFUND};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct ask *a = move(s, kinds[i], "o-1");
        assert_done(a);
        assert_int_equal(a->c.move.reservation_id, o->c.reserve.reservation_id);
        assert_memory_equal(a->c.move.order_id, "o-1", 3);
    }
    assert_int_equal(shop_rows(s, MOVE_RESTOCK), 1);
    assert_int_equal(shop_stock(s, 1).on_hand, 10);
}

static void all_calls_of_one_turn_find_an_order_that_is_not_committed(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", COLA, 4);
    struct ask *change = send(s, COMMAND_CHANGE, "o-1");
    struct ask *confirm = send(s, COMMAND_CONFIRM, "o-1");
    struct ask *ship = send(s, COMMAND_SHIP, "o-1");
    shop_commit(s);
    assert_done(change);
    assert_done(confirm);
    assert_done(ship);
    assert_int_equal(shop_stock(s, 1).on_hand, 7);
}

static void an_order_that_has_ended_is_found_after_a_restart(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", COLA, 4);
    move(s, COMMAND_CONFIRM, "o-1");
    shop_reopen(s);
    struct ask *a = move(s, COMMAND_CONFIRM, "o-1");
    assert_true(a->c.move.replayed);
    assert_done(move(s, COMMAND_SHIP, "o-1"));
    assert_done(move(s, COMMAND_REFUND, "o-1"));
}

static void an_order_that_is_not_there_is_not_found(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", COLA, 4);
    const enum command_kind kinds[] = {COMMAND_EXTEND, COMMAND_CHANGE, COMMAND_CONFIRM,
                                       COMMAND_SHIP, COMMAND_REFUND};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct ask *a = move(s, kinds[i], "o-2");
        assert_int_equal(a->c.code, TLY_ENOT_FOUND);
        assert_string_equal(a->text, "there is no order o-2");
    }
}

static void an_order_of_the_same_hash_is_not_it(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", COLA, 4);
    shop_commit(s);
    struct ask *other = shop_move_by_order(s, COMMAND_CONFIRM, "o-2");
    other->c.move.order_hash = shop_move_by_order(s, COMMAND_CONFIRM, "o-1")->c.move.order_hash;
    shop_send(s, other);
    shop_commit(s);
    assert_int_equal(other->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_stock(s, 1).confirmed, 0);
}

static void what_was_found_by_an_order_that_was_undone_is_not_there(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", COLA, 4);
    shop_seal(s);
    struct ask *a = send(s, COMMAND_CONFIRM, "o-1");
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    assert_int_equal(a->c.move.reservation_id, 0);
}

static void a_fence_takes_the_order_and_the_order_gets_its_outcome(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_fence(s, "o-1");
    assert_false(a->answered);
    shop_commit(s);
    assert_done(a);
    assert_int_equal(a->c.move.state, HOLD_REFUNDED);
    assert_int_equal(a->c.move.state_reason, REASON_CANCELLED);
    assert_int_equal(a->c.move.line_count, 0);
    assert_int_equal(a->c.move.order_id_len, 3);
    assert_memory_equal(a->c.move.order_id, "o-1", 3);
    const struct move *m = shop_last_row(s);
    assert_int_equal(m->kind, MOVE_FENCE);
    assert_int_equal(m->seq, a->c.move.reservation_id);
    assert_int_equal(m->reservation_id, m->seq);
    assert_true(str_equal(m->order_id, STR("o-1")));
    struct ask *o = shop_reserve(s, "o-1", COLA, 4);
    shop_commit(s);
    assert_fenced(o);
    assert_int_equal(o->c.reserve.reservation_id, a->c.move.reservation_id);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 0);
    assert_int_equal(shop_available(s, 1), 10);
}

static void any_order_of_that_name_gets_it(void **state)
{
    struct shop *s = *state;
    fence(s, "o-1");
    for (int64_t quantity = 1; quantity < 30; quantity += 10) { /* also more than there is */
        struct ask *o = shop_reserve(s, "o-1", COLA, quantity);
        shop_commit(s);
        assert_fenced(o);
    }
    s->rows[s->row_count - 1].order_hash = 0; /* not all ledgers keep it */
    shop_reopen(s);
    struct ask *o = shop_reserve(s, "o-1", COLA, 2);
    shop_commit(s);
    assert_fenced(o);
    struct ask *other = shop_reserve(s, "o-2", COLA, 2);
    shop_commit(s);
    assert_false(other->c.reserve.replayed);
}

static void an_order_in_the_turn_of_its_fence_gets_it(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_fence(s, "o-1");
    struct ask *o = shop_reserve(s, "o-1", COLA, 4);
    assert_false(o->answered);
    shop_commit(s);
    assert_done(a);
    assert_fenced(o);
}

static void a_fence_again_is_a_replay(void **state)
{
    struct shop *s = *state;
    struct ask *one = send_fence(s, "o-1");
    struct ask *two = send_fence(s, "o-1");
    shop_commit(s);
    struct ask *three = fence(s, "o-1");
    struct ask *plain = move(s, COMMAND_REFUND, "o-1");
    assert_done(one);
    assert_true(two->c.move.replayed && three->c.move.replayed && plain->c.move.replayed);
    assert_int_equal(shop_rows(s, MOVE_FENCE), 1);
    shop_reopen(s);
    assert_true(fence(s, "o-1")->c.move.replayed);
}

static void a_fence_of_an_order_that_is_there_is_a_refund(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", COLA, 4);
    struct ask *a = fence(s, "o-1");
    assert_done(a);
    assert_int_equal(a->c.move.line_count, 1);
    assert_int_equal(shop_rows(s, MOVE_FENCE), 0);
    assert_int_equal(shop_rows(s, MOVE_REFUND), 1);
    assert_int_equal(shop_available(s, 1), 10);
}

static void nothing_else_is_done_with_a_fence(void **state)
{
    struct shop *s = *state;
    fence(s, "o-1");
    const enum command_kind kinds[] = {COMMAND_EXTEND, COMMAND_CHANGE, COMMAND_CONFIRM,
                                       COMMAND_SHIP};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct ask *a = move(s, kinds[i], "o-1");
        assert_int_equal(a->c.code, TLY_EINVALID_TRANSITION);
        assert_int_equal(a->c.move.state, HOLD_REFUNDED);
    }
    struct ask *late = shop_move_by_order(s, COMMAND_CONFIRM, "o-1");
    late->c.move.reclaim = true;
    shop_send(s, late);
    shop_commit(s);
    assert_int_equal(late->c.code, TLY_EINVALID_TRANSITION);
}

static void a_fence_that_was_undone_lets_the_order_through(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_fence(s, "o-1");
    struct ask *o = shop_reserve(s, "o-1", COLA, 4);
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_int_equal(o->c.code, 0);
    assert_false(o->c.reserve.replayed);
    assert_int_equal(shop_stock(s, 1).reserved, 4);
}

static void a_fence_of_unknown_outcome_is_settled_by_it(void **state)
{
    struct shop *s = *state;
    struct ask *a = send_fence(s, "o-1");
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    struct ask *o = shop_reserve(s, "o-1", COLA, 4);
    assert_int_equal(o->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    engine_set_available(s->engine, true);
    o = shop_reserve(s, "o-1", COLA, 4);
    shop_commit(s);
    assert_fenced(o);
}

static void a_fence_takes_no_lines_and_no_long_name(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_move_by_order(s, COMMAND_REFUND, "o-1");
    a->c.move.fence = true;
    shop_move_want(a, COLA, 1);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    char name[ORDER_ID_MAX + 2] = {0};
    memset(name, 'o', ORDER_ID_MAX + 1);
    assert_int_equal(fence(s, name)->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(shop_rows(s, MOVE_FENCE), 0);
}

static void while_the_ledger_is_away_nothing_is_fenced(void **state)
{
    struct shop *s = *state;
    engine_set_available(s->engine, false);
    assert_int_equal(fence(s, "o-1")->c.code, TLY_EUNAVAILABLE);
    engine_set_available(s->engine, true);
    struct ask *o = shop_reserve(s, "o-1", COLA, 4);
    shop_commit(s);
    assert_false(o->c.reserve.replayed);
}

/* "o-1", PENDING, whose order_id is not in the part of the index that is in memory. */
static struct shop *open_with_order_on_disk(void **state, int64_t *id)
{
    struct engine_config config = shop_config();
    config.order_memory_max = 200;
    shop_close(*state);
    struct shop *s = shop_open(&config);
    *state = s;
    shop_lot(s, COLA, 1000);
    *id = shop_reserve(s, "o-1", COLA, 3)->c.reserve.reservation_id;
    for (int i = 0; i < 101; i++) {
        char order_id[24];
        snprintf(order_id, sizeof order_id, "other-%d", i);
        shop_reserve(s, order_id, COLA, 1);
    }
    shop_commit(s);
    struct order_segment *segment = engine_next_segment(s->engine);
    assert_non_null(segment);
    struct order_run *run = calloc(1, sizeof *run); /* no filter: each look-up asks */
    run->seq_min = segment->seq_min;
    run->seq_max = segment->seq_max;
    run->count = segment->count;
    engine_segment_stored(s->engine, segment, run);
    return s;
}

/* The ledger's reader is slow: what it has read is older than a refund that is committed when its
 * answer comes. */
static void what_was_read_by_order_before_a_commit_is_read_again(void **state)
{
    int64_t id;
    struct shop *s = open_with_order_on_disk(state, &id);
    struct ask *by_order = send(s, COMMAND_REFUND, "o-1");
    struct question *q = engine_next_question(s->engine);
    assert_int_equal(q->kind, QUESTION_ORDER);
    q->record = shop_record(s, id, s->row_count);
    q->code = 0;
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    engine_answered(s->engine, q);
    shop_collect(s);
    shop_commit(s);
    assert_int_equal(by_order->c.code, 0);
    assert_true(by_order->c.move.replayed);
    assert_int_equal(shop_rows(s, MOVE_REFUND), 1);
    assert_int_equal(shop_available(s, 1), 1000 - 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(every_call_finds_the_reservation_by_its_order),
        T(all_calls_of_one_turn_find_an_order_that_is_not_committed),
        T(an_order_that_has_ended_is_found_after_a_restart),
        T(an_order_that_is_not_there_is_not_found),
        T(an_order_of_the_same_hash_is_not_it),
        T(what_was_found_by_an_order_that_was_undone_is_not_there),
        T(a_fence_takes_the_order_and_the_order_gets_its_outcome),
        T(any_order_of_that_name_gets_it),
        T(an_order_in_the_turn_of_its_fence_gets_it),
        T(a_fence_again_is_a_replay),
        T(a_fence_of_an_order_that_is_there_is_a_refund),
        T(nothing_else_is_done_with_a_fence),
        T(a_fence_that_was_undone_lets_the_order_through),
        T(a_fence_of_unknown_outcome_is_settled_by_it),
        T(a_fence_takes_no_lines_and_no_long_name),
        T(while_the_ledger_is_away_nothing_is_fenced),
        T(what_was_read_by_order_before_a_commit_is_read_again),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
