#include "fixture.h"

#include <stdio.h>
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

static void assert_stock(struct shop *s, int64_t on_hand, int64_t reserved, int64_t confirmed)
{
    struct stock stock = shop_stock(s, 1);
    assert_int_equal(stock.on_hand, on_hand);
    assert_int_equal(stock.reserved, reserved);
    assert_int_equal(stock.confirmed, confirmed);
    assert_int_equal(s->gate[1], on_hand - reserved - confirmed);
}

static void one_batch_at_a_time_is_with_the_ledger(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 1);
    struct batch *b = engine_seal(s->engine);
    assert_non_null(b);
    shop_reserve(s, "o-2", key, 1);
    assert_null(engine_seal(s->engine));
    b->outcome = LEDGER_COMMITTED;
    engine_outcome(s->engine, b);
    struct batch *next = engine_seal(s->engine);
    assert_non_null(next);
    assert_int_equal(next->number, 3); /* the lot's was the first */
    next->outcome = LEDGER_COMMITTED;
    engine_outcome(s->engine, next);
}

static void a_rejected_batch_undoes_all_that_was_decided_since(void **state)
{
    struct shop *s = *state;
    struct ask *pending = shop_reserve(s, "o-0", key, 4);
    shop_commit(s);
    int64_t id = pending->c.reserve.reservation_id;
    struct ask *a = shop_reserve(s, "o-1", key, 1);
    struct ask *b = shop_confirm_part(s, id, key, 3);
    shop_seal(s);
    struct ask *c = shop_reserve(s, "o-2", key, 2);
    struct ask *d = shop_refund(s, id, REASON_NONE);
    struct ask *f = shop_reserve(s, "o-1", key, 1);
    struct ask *g = shop_adjust(s, key, 5, "adj-1");
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(a->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(b->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(c->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(d->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(f->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(g->c.code, TLY_EUNAVAILABLE);
    assert_stock(s, 10, 4, 0);
    assert_int_equal(shop_stock(s, 1).version, 2);
    assert_int_equal(shop_stats(s).holds_pending, 1);
    /* Until the ledger is back, writes are refused; afterwards the same order_id is new. */
    assert_int_equal(shop_reserve(s, "o-1", key, 1)->c.code, TLY_EUNAVAILABLE);
    engine_set_available(s->engine, true);
    struct ask *h = shop_reserve(s, "o-1", key, 1);
    struct ask *i = shop_confirm(s, id);
    struct ask *j = shop_adjust(s, key, 5, "adj-1");
    shop_commit(s);
    assert_int_equal(h->c.code, 0);
    assert_false(h->c.reserve.replayed);
    assert_int_equal(i->c.code, 0);
    assert_int_equal(i->lines[0].quantity, 4);
    assert_int_equal(j->c.code, 0);
    assert_stock(s, 15, 1, 4);
}

static void a_rejected_creation_leaves_no_lot_and_its_number_is_used_again(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_create(s, "lime#00000002", "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    struct ask *r = shop_reserve(s, "o-1", "lime#00000002", 1);
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(a->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(r->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_get_lot(s, "lime#00000002")->c.code, TLY_ENOT_FOUND);
    assert_int_equal(engine_lot_count(s->engine), 1);
    engine_set_available(s->engine, true);
    assert_int_equal(shop_lot(s, "mint#00000003", 5), 2);
    assert_int_equal(shop_lot(s, "lime#00000002", 6), 3);
    assert_int_equal(shop_available(s, 3), 6);
}

static void an_undone_expiry_happens_again_when_the_ledger_is_back(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 4);
    shop_commit(s);
    shop_advance(s, s->config.hold_default_ms);
    assert_true(shop_seal(s));
    shop_outcome(s, LEDGER_REJECTED);
    assert_stock(s, 10, 0, 0); /* it has ended all the same */
    assert_int_equal(shop_stats(s).holds_overdue, 1);
    shop_advance(s, 5);
    assert_false(shop_seal(s)); /* not while it is down */
    engine_set_available(s->engine, true);
    shop_commit(s);
    assert_stock(s, 10, 0, 0);
    assert_int_equal(shop_stats(s).holds_overdue, 0);
}

static void an_undone_extension_gives_the_old_deadline_back(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 4);
    shop_commit(s);
    shop_extend(s, a->c.reserve.reservation_id, 3600000);
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_int_equal(engine_next_deadline(s->engine), a->c.reserve.expires_ms);
    shop_advance(s, s->config.hold_default_ms);
    shop_commit(s);
    assert_stock(s, 10, 0, 0);
}

static void a_return_that_is_undone_can_be_made_again(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 4);
    shop_confirm(s, a->c.reserve.reservation_id);
    shop_commit(s);
    shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_answer_reads(s);
    shop_seal(s);
    assert_stock(s, 10, 0, 0);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_stock(s, 10, 0, 4);
    struct ask *b = shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_false(b->c.move.replayed);
    assert_stock(s, 10, 0, 0);
}

static void reserved_confirmed_and_returned_in_one_batch_commits_and_undoes(void **state)
{
    struct shop *s = *state;
    for (int round = 0; round < 2; round++) {
        struct ask *a = shop_reserve(s, "o-1", key, 4);
        int64_t id = a->c.reserve.reservation_id;
        shop_confirm(s, id);
        shop_refund(s, id, REASON_NONE);
        assert_stock(s, 10, 0, 0);
        shop_seal(s);
        assert_int_equal(s->flight->move_count, 3);
        shop_outcome(s, round ? LEDGER_COMMITTED : LEDGER_REJECTED);
        engine_set_available(s->engine, true);
        assert_stock(s, 10, 0, 0);
        assert_int_equal(a->c.code, round ? 0 : TLY_EUNAVAILABLE);
    }
    assert_int_equal(shop_rows(s, MOVE_RETURN), 1);
}

static void a_look_up_of_a_touched_lot_waits_and_is_made_anew_after_undo(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 4);
    struct ask *a = shop_get_lot(s, key);
    assert_false(a->answered);
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.get_lot.lot.stock.reserved, 0);
    engine_set_available(s->engine, true);
    shop_reserve(s, "o-2", key, 4);
    struct ask *b = shop_get_lot(s, key);
    shop_commit(s);
    assert_int_equal(b->c.get_lot.lot.stock.reserved, 4);
    assert_true(shop_get_lot(s, key)->answered); /* nothing undecided: at once */
}

static void an_unknown_outcome_is_told_at_once_and_resolved_later(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 4);
    shop_seal(s);
    struct ask *b = shop_reserve(s, "o-2", key, 1);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(b->c.code, TLY_EUNAVAILABLE);
    assert_stock(s, 10, 4, 0);
    /* It is not assumed to have failed, nor to have worked. */
    assert_int_equal(shop_reserve(s, "o-1", key, 4)->c.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(shop_reserve(s, "o-3", key, 1)->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_get(s, 0, "o-1")->c.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(shop_confirm(s, a->c.reserve.reservation_id)->c.code, TLY_EOUTCOME_UNKNOWN);
    engine_set_available(s->engine, true); /* writes wait for the second outcome all the same */
    assert_int_equal(shop_reserve(s, "o-3", key, 1)->c.code, TLY_EUNAVAILABLE);
    shop_outcome(s, LEDGER_COMMITTED);
    struct ask *c = shop_reserve(s, "o-1", key, 4);
    assert_int_equal(c->c.code, 0);
    assert_true(c->c.reserve.replayed);
    struct ask *d = shop_reserve(s, "o-3", key, 1);
    shop_commit(s);
    assert_int_equal(d->c.code, 0);
    assert_stock(s, 10, 5, 0);
}

static void lots_are_shown_without_a_batch_of_unknown_outcome(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 4);
    shop_commit(s);
    struct ask *r = shop_reserve(s, "o-2", key, 3);
    shop_confirm(s, r->c.reserve.reservation_id);
    shop_create(s, "lime#00000002", "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    struct ask *waiting = shop_get_lot(s, key);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    struct ask *a = shop_get_lot(s, key);
    struct ask *asks[] = {waiting, a};
    for (int i = 0; i < 2; i++) {
        assert_true(asks[i]->answered);
        assert_int_equal(asks[i]->c.code, 0);
        assert_int_equal(asks[i]->c.get_lot.lot.stock.reserved, 4);
        assert_int_equal(asks[i]->c.get_lot.lot.stock.confirmed, 0);
        assert_int_equal(asks[i]->c.get_lot.lot.stock.version, 2);
    }
    assert_int_equal(shop_get_lot(s, "lime#00000002")->c.code, TLY_EOUTCOME_UNKNOWN);
    struct lot_view lots[4];
    struct ask *l = shop_ask(s, COMMAND_LIST_LOTS);
    l->c.list.lots = lots;
    l->c.list.page_size = 4;
    shop_send(s, l);
    assert_true(l->answered);
    assert_int_equal(l->c.list.count, 1);
    assert_int_equal(lots[0].stock.reserved, 4);
    shop_outcome(s, LEDGER_COMMITTED);
    struct ask *b = shop_get_lot(s, key);
    assert_int_equal(b->c.get_lot.lot.stock.confirmed, 3);
    assert_int_equal(shop_get_lot(s, "lime#00000002")->c.code, 0);
}

/* The retry waits for the later batch, which is undone; what it was about is not known. */
static void a_retry_of_an_unknown_order_is_never_told_that_it_was_not_done(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 4);
    shop_seal(s);
    struct ask *extension = shop_extend(s, a->c.reserve.reservation_id, 3600000);
    struct ask *retry = shop_reserve(s, "o-1", key, 4);
    assert_false(extension->answered || retry->answered);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(extension->c.code, TLY_EUNAVAILABLE); /* it certainly was not */
    assert_int_equal(retry->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_stock(s, 10, 4, 0);
}

static void a_retry_of_a_committed_order_gets_it_though_a_later_move_was_rejected(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 4);
    shop_commit(s);
    int64_t deadline_ms = a->c.reserve.expires_ms;
    struct ask *extension = shop_extend(s, a->c.reserve.reservation_id, 3600000);
    struct ask *retry = shop_reserve(s, "o-1", key, 4);
    shop_seal(s);
    assert_false(retry->answered);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(extension->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(retry->c.code, 0);
    assert_true(retry->c.reserve.replayed);
    assert_int_equal(retry->c.reserve.expires_ms, deadline_ms);
}

static void an_unknown_batch_that_failed_after_all_is_undone_silently(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 4);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_stock(s, 10, 0, 0);
    struct ask *a = shop_reserve(s, "o-1", key, 4);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_false(a->c.reserve.replayed);
}

static void a_batch_does_not_point_into_its_commands(void **state)
{
    struct shop *s = *state;
    char order_id[] = "order-1", user_id[] = "u-1";
    struct ask *a = shop_order(s, order_id);
    a->c.reserve.user_id = str_of(user_id);
    shop_want_lot(a, key, 1);
    shop_send(s, a);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_true(a->answered);
    memset(order_id, 'x', sizeof order_id - 1);
    memset(user_id, 'x', sizeof user_id - 1);
    assert_true(str_equal(s->flight->moves[0].order_id, STR("order-1")));
    assert_true(str_equal(s->flight->moves[0].user_id, STR("u-1")));
    shop_outcome(s, LEDGER_COMMITTED);
}

static void commands_beyond_a_full_batch_wait_their_turn_in_order(void **state)
{
    struct engine_config config = shop_config();
    config.batch_moves_max = 2;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    shop_lot(s, key, 3);
    struct ask *a[5];
    const char *ids[] = {"o-0", "o-1", "o-2", "o-3", "o-4"};
    for (int i = 0; i < 5; i++)
        a[i] = shop_reserve(s, ids[i], key, 1);
    assert_true(shop_seal(s));
    assert_int_equal(s->flight->move_count, 2);
    shop_commit(s);
    for (int i = 0; i < 3; i++)
        assert_int_equal(a[i]->c.code, 0);
    assert_int_equal(a[3]->c.code, TLY_ESOLD_OUT);
    assert_int_equal(a[4]->c.code, TLY_ESOLD_OUT);
}

static void more_waiting_commands_than_the_limit_are_refused(void **state)
{
    struct engine_config config = shop_config();
    config.waiting_max = 2;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    shop_lot(s, key, 10);
    shop_reserve(s, "o-1", key, 1);
    shop_reserve(s, "o-2", key, 1);
    struct ask *a = shop_reserve(s, "o-3", key, 1);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    shop_commit(s);
    struct ask *b = shop_reserve(s, "o-3", key, 1);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
}

static void more_reads_than_the_limit_are_refused(void **state)
{
    struct engine_config config = shop_config();
    config.questions_max = 2;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    struct ask *a = shop_confirm(s, 1), *b = shop_confirm(s, 2), *c = shop_confirm(s, 3);
    assert_int_equal(c->c.code, TLY_EOVERLOADED);
    shop_answer_reads(s);
    assert_int_equal(a->c.code, TLY_ENOT_FOUND);
    assert_int_equal(b->c.code, TLY_ENOT_FOUND);
}

static void sequence_numbers_grow_even_when_the_clock_steps_back(void **state)
{
    struct shop *s = *state;
    int64_t last = 0;
    for (int i = 0; i < 5000; i++) { /* more than a millisecond has numbers */
        char id[16];
        snprintf(id, sizeof id, "o-%d", i);
        shop_adjust(s, key, 1, id);
    }
    shop_seal(s);
    for (uint32_t i = 0; i < s->flight->move_count; i++) {
        assert_true(s->flight->moves[i].seq > last);
        last = s->flight->moves[i].seq;
    }
    shop_outcome(s, LEDGER_COMMITTED);
    engine_advance(s->engine, s->now_ms - 100000, 1);
    shop_adjust(s, key, 1, "back");
    shop_seal(s);
    assert_true(s->flight->moves[0].seq > last);
    assert_true(s->flight->moves[0].at_ms >= s->now_ms);
    shop_outcome(s, LEDGER_COMMITTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(one_batch_at_a_time_is_with_the_ledger),
        T(a_rejected_batch_undoes_all_that_was_decided_since),
        T(a_rejected_creation_leaves_no_lot_and_its_number_is_used_again),
        T(an_undone_expiry_happens_again_when_the_ledger_is_back),
        T(an_undone_extension_gives_the_old_deadline_back),
        T(a_return_that_is_undone_can_be_made_again),
        T(reserved_confirmed_and_returned_in_one_batch_commits_and_undoes),
        T(a_look_up_of_a_touched_lot_waits_and_is_made_anew_after_undo),
        T(an_unknown_outcome_is_told_at_once_and_resolved_later),
        T(lots_are_shown_without_a_batch_of_unknown_outcome),
        T(a_retry_of_an_unknown_order_is_never_told_that_it_was_not_done),
        T(a_retry_of_a_committed_order_gets_it_though_a_later_move_was_rejected),
        T(an_unknown_batch_that_failed_after_all_is_undone_silently),
        T(a_batch_does_not_point_into_its_commands),
        T(commands_beyond_a_full_batch_wait_their_turn_in_order),
        T(more_waiting_commands_than_the_limit_are_refused),
        T(more_reads_than_the_limit_are_refused),
        T(sequence_numbers_grow_even_when_the_clock_steps_back),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
