/* Holds that have come to their deadline: given back at once, in the rows as fast as batches go. */
#include "fixture.h"

#include <stdio.h>

#include "base/hash.h"
#include "shop.h"

enum { HOLDS = 40 };
static const char key[] = "cola#00000001";

/* One move to a batch, and HOLDS units on hold, all of them due at the same time. */
static int open_shop(void **state)
{
    struct engine_config config = shop_config();
    config.batch_moves_max = 1;
    struct shop *s = shop_open(&config);
    shop_lot(s, key, HOLDS);
    static char ids[HOLDS][16];
    for (int i = 0; i < HOLDS; i++) {
        snprintf(ids[i], sizeof ids[i], "o-%d", i);
        shop_reserve(s, ids[i], key, 1);
    }
    shop_commit(s);
    assert_int_equal(shop_available(s, 1), 0);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static void all_become_due(struct shop *s)
{
    shop_advance(s, s->config.hold_default_ms);
}

static int64_t reservation_of(struct shop *s, uint32_t number)
{
    return s->rows[1 + number].seq; /* the first row is the lot's */
}

static void assert_given_back(struct shop *s)
{
    struct ask *lot = shop_get_lot(s, key);
    assert_true(lot->answered);
    assert_int_equal(lot->c.get_lot.lot.stock.reserved, 0);
    assert_int_equal(s->gate[1], HOLDS);
    assert_int_equal(shop_stats(s).units_reserved, 0);
    assert_int_equal(shop_stats(s).holds_pending, 0);
}

static void however_many_are_due_all_are_seen_as_given_back_at_once(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 1);
    shop_outcome(s, LEDGER_COMMITTED);
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(shop_rows(s, MOVE_REFUND), 2);
    struct lot_view view = {0};
    assert_true(engine_lot(s->engine, 1, &view));
    assert_int_equal(view.stock.reserved, 0);
    assert_int_equal(s->gate[1], HOLDS);
    assert_int_equal(shop_stats(s).units_reserved, 0);
    assert_int_equal(shop_stats(s).holds_pending, 0);
    assert_int_equal(shop_stats(s).holds_overdue, HOLDS - 3); /* one is in the open batch */
    assert_int_equal(engine_next_deadline(s->engine), INT64_MAX);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS);
    assert_given_back(s);
}

static void
who_goes_by_commits_is_told_of_the_next_deadline_when_all_due_holds_are_committed(void **state)
{
    struct shop *s = *state;
    int64_t first_ms = engine_next_deadline(s->engine);
    assert_int_equal(engine_settled_deadline(s->engine), first_ms);
    all_become_due(s);
    assert_int_equal(engine_next_deadline(s->engine), INT64_MAX);
    for (int i = 0; i < HOLDS; i++) {
        assert_int_equal(engine_settled_deadline(s->engine), 0);
        shop_seal(s);
        assert_int_equal(engine_settled_deadline(s->engine), 0);
        shop_outcome(s, LEDGER_COMMITTED);
    }
    assert_int_equal(engine_settled_deadline(s->engine), INT64_MAX);
}

static void look_ups_of_lots_show_it_without_waiting_for_the_rows(void **state)
{
    struct shop *s = *state;
    s->ledger_silent = true;
    engine_set_available(s->engine, false);
    all_become_due(s);
    assert_given_back(s);
    struct lot_view lots[2];
    struct ask *list = shop_ask(s, COMMAND_LIST_LOTS);
    list->c.list.lots = lots;
    list->c.list.page_size = 2;
    shop_send(s, list);
    assert_true(list->answered);
    assert_int_equal(lots[0].stock.reserved, 0);
}

static void watchers_hear_of_it_at_once_and_the_version_is_the_one_of_the_rows(void **state)
{
    struct shop *s = *state;
    struct lot_view lots[2];
    struct ask *before = shop_ask(s, COMMAND_LOT_CHANGES);
    before->c.changes.lots = lots;
    before->c.changes.page_size = 2;
    shop_send(s, before);
    engine_set_available(s->engine, false);
    all_become_due(s);
    struct ask *after = shop_ask(s, COMMAND_LOT_CHANGES);
    after->c.changes.lots = lots;
    after->c.changes.page_size = 2;
    after->c.changes.since = before->c.changes.upto;
    shop_send(s, after);
    assert_true(after->answered);
    assert_int_equal(after->c.changes.count, 1);
    assert_int_equal(lots[0].stock.reserved, 0);
    int64_t version = lots[0].stock.version;
    engine_set_available(s->engine, true);
    shop_commit(s);
    assert_int_equal(shop_stock(s, 1).version, version);
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS);
}

static void a_due_hold_is_looked_up_as_expired_before_its_row_is_there(void **state)
{
    struct shop *s = *state;
    engine_set_available(s->engine, false);
    all_become_due(s);
    struct ask *get = shop_get(s, reservation_of(s, HOLDS - 1), "");
    shop_answer_reads(s);
    assert_true(get->answered);
    assert_int_equal(get->c.get.record->state, HOLD_REFUNDED);
    assert_int_equal(get->c.get.record->reason, REASON_EXPIRED);
    struct ask *retry = shop_reserve(s, "o-7", key, 1);
    assert_true(retry->answered);
    assert_true(retry->c.reserve.replayed);
    assert_int_equal(retry->c.reserve.state, HOLD_REFUNDED);
    assert_int_equal(retry->c.reserve.reason, REASON_EXPIRED);
}

static void a_hold_that_is_not_due_is_looked_up_as_pending(void **state)
{
    struct shop *s = *state;
    shop_advance(s, s->config.hold_default_ms - 1);
    struct ask *get = shop_get(s, reservation_of(s, 0), "");
    shop_answer_reads(s);
    assert_int_equal(get->c.get.record->state, HOLD_PENDING);
    assert_int_equal(shop_get_lot(s, key)->c.get_lot.lot.stock.reserved, HOLDS);
}

static void nothing_is_granted_of_it_while_the_ledger_is_away(void **state)
{
    struct shop *s = *state;
    engine_set_available(s->engine, false);
    all_become_due(s);
    assert_int_equal(shop_reserve(s, "new", key, 1)->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_adjust(s, key, -1, "")->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_confirm(s, reservation_of(s, 3))->c.code, TLY_EUNAVAILABLE);
    assert_given_back(s);
}

static void newer_orders_wait_for_all_due_holds_and_get_their_units(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *all = shop_reserve(s, "all", key, HOLDS);
    struct ask *more = shop_reserve(s, "more", key, 1);
    assert_false(all->answered || more->answered);
    shop_commit(s);
    assert_int_equal(all->c.code, 0);
    assert_int_equal(more->c.code, TLY_ESOLD_OUT);
    assert_int_equal(shop_last_row(s)->kind, MOVE_RESERVE);
    assert_int_equal(s->gate[1], 0);
}

static void who_moves_a_due_hold_hears_of_its_end_before_all_others_are_written(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *confirm = shop_confirm(s, reservation_of(s, HOLDS / 2));
    struct ask *refund = shop_refund(s, reservation_of(s, HOLDS / 2), REASON_NONE);
    while (!confirm->answered) {
        assert_true(shop_seal(s));
        shop_outcome(s, LEDGER_COMMITTED);
    }
    assert_int_equal(confirm->c.code, TLY_EINVALID_TRANSITION);
    assert_true(refund->answered);
    assert_true(refund->c.move.replayed);
    assert_true(shop_rows(s, MOVE_REFUND) <= 3);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS);
    assert_given_back(s);
}

/* The ledger's answer comes while refunds are still to be decided. */
static void an_order_that_had_to_ask_waits_for_due_holds_too(void **state)
{
    struct shop *s = *state;
    shop_confirm(s, reservation_of(s, 0));
    shop_commit(s);
    struct ask *retry = shop_reserve(s, "o-0", key, 1); /* its content is the ledger's to tell */
    struct reserve_command orders[1];
    struct ask *batch = shop_ask(s, COMMAND_RESERVE_BATCH);
    struct ask *model = shop_order(s, "all");
    shop_want_lot(model, key, HOLDS - 1);
    orders[0] = model->c.reserve;
    orders[0].order_hash = retry->c.reserve.order_hash; /* so it has to ask as well */
    batch->c.batch.orders = orders;
    batch->c.batch.count = 1;
    shop_send(s, batch);
    all_become_due(s);
    while (shop_answer_one_read(s)) {
    }
    assert_true(retry->answered);
    assert_true(retry->c.reserve.replayed);
    assert_false(batch->answered);
    shop_commit(s);
    assert_true(batch->answered);
    assert_int_equal(orders[0].code, 0);
}

static void an_order_by_itself_that_had_to_ask_waits_for_due_holds_too(void **state)
{
    struct shop *s = *state;
    shop_confirm(s, reservation_of(s, 0));
    shop_commit(s);
    struct ask *a = shop_order(s, "all");
    shop_want_lot(a, key, HOLDS - 1);
    a->c.reserve.order_hash = hash64(STR("o-0"), (uint64_t)SHOP_SEED);
    a->c.reserve.fingerprint = 5;
    engine_command(s->engine, &a->c);
    all_become_due(s);
    shop_answer_reads(s);
    assert_false(a->answered);
    shop_commit(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
}

static void units_to_write_off_are_there_when_due_holds_are(void **state)
{
    struct shop *s = *state;
    shop_adjust(s, key, 1, "known");
    shop_commit(s);
    struct ask *a = shop_ask(s, COMMAND_ADJUST);
    a->c.adjust.key = str_of(key);
    a->c.adjust.delta = -HOLDS;
    a->c.adjust.adjustment_id = STR("off");
    all_become_due(s);
    shop_send(s, a);
    shop_commit(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 1);
}

static void after_a_restart_they_are_given_back_before_anything_is_answered(void **state)
{
    struct shop *s = *state;
    s->now_ms += s->config.hold_default_ms;
    shop_reopen(s); /* the gate is filled before the first turn */
    assert_int_equal(shop_available(s, 1), HOLDS);
    assert_int_equal(s->gate[1], HOLDS);
    assert_int_equal(shop_stats(s).units_reserved, 0);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS);
    assert_given_back(s);
}

static void a_hold_of_an_unknown_batch_that_comes_due_counts_once(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    shop_commit(s);
    for (int commit = 0; commit < 2; commit++) {
        shop_reserve(s, commit ? "committed" : "lost", key, 5);
        shop_seal(s);
        if (commit) /* due before the outcome is unknown, or after */
            all_become_due(s);
        shop_outcome(s, LEDGER_UNKNOWN);
        if (!commit)
            all_become_due(s);
        struct ask *lot = shop_get_lot(s, key);
        assert_int_equal(lot->c.get_lot.lot.stock.reserved, 0);
        assert_int_equal(lot->c.get_lot.lot.stock.on_hand, HOLDS);
        shop_outcome(s, commit ? LEDGER_COMMITTED : LEDGER_REJECTED);
        assert_given_back(s);
        engine_set_available(s->engine, true);
        shop_commit(s);
        assert_given_back(s);
    }
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS + 1);
}

/* Without its REFUND it would be due again. */
static void a_refund_of_unknown_outcome_takes_nothing_back(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    struct ask *lot = shop_get_lot(s, key);
    assert_true(lot->answered);
    assert_int_equal(lot->c.get_lot.lot.stock.reserved, 0);
    int64_t version = lot->c.get_lot.lot.stock.version;
    shop_outcome(s, LEDGER_REJECTED);
    assert_given_back(s);
    assert_int_equal(shop_stock(s, 1).version, version);
}

static void a_due_hold_whose_order_is_undone_leaves_nothing_behind(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    shop_commit(s);
    int64_t version = shop_stock(s, 1).version;
    shop_reserve(s, "lost", key, 5);
    shop_seal(s);
    engine_set_available(s->engine, false);
    all_become_due(s);
    assert_int_equal(shop_stats(s).holds_overdue, 1);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(shop_stats(s).holds_overdue, 0);
    assert_int_equal(shop_stock(s, 1).version, version);
    engine_set_available(s->engine, true);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS);
    assert_given_back(s);
}

/* ---- more than one turn takes down ---- */

enum { MANY = 70000 };

static struct engine *with_many(void)
{
    struct engine_config config = shop_config();
    struct engine *e = NULL;
    struct error err = {0};
    assert_int_equal(engine_create(&e, &config, &err), 0);
    const struct lot_dims dims = {
        .key = STR("cola#00000001"), .sku = STR("cola"), .expires_on = LOT_NEVER_EXPIRES};
    assert_int_equal(engine_load_lot(e, 1, &dims, NULL, &(struct stock){.on_hand = MANY}, &err), 0);
    for (int i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        int64_t seq = seq_first_of_ms(SHOP_START_MS) + 1 + i;
        struct move m = {.seq = seq,
                         .reservation_id = seq,
                         .kind = MOVE_RESERVE,
                         .at_ms = SHOP_START_MS,
                         .deadline_ms = SHOP_START_MS + 1000,
                         .line_count = 1,
                         .line = {.lot = 1, .quantity = 1},
                         .order_id = str_of(id)};
        assert_int_equal(engine_load_move(e, &m, false, &err), 0);
    }
    engine_recovered(e, SHOP_START_MS + 500);
    return e;
}

static void what_one_turn_does_not_take_down_no_look_up_sees_the_half_of(void **state)
{
    (void)state;
    struct engine *e = with_many();
    int64_t now_ms = SHOP_START_MS + 1000;
    engine_set_available(e, false);
    engine_advance(e, now_ms, 1);
    assert_true(engine_next_deadline(e) <= now_ms);
    struct command look = {.kind = COMMAND_GET_LOT};
    look.get_lot.key = STR("cola#00000001");
    engine_command(e, &look);
    assert_null(engine_replies(e));
    engine_advance(e, now_ms, 2);
    assert_ptr_equal(engine_replies(e), &look);
    assert_int_equal(look.get_lot.lot.stock.reserved, 0);
    assert_int_equal(engine_next_deadline(e), INT64_MAX);
    engine_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(however_many_are_due_all_are_seen_as_given_back_at_once),
        T(who_goes_by_commits_is_told_of_the_next_deadline_when_all_due_holds_are_committed),
        T(look_ups_of_lots_show_it_without_waiting_for_the_rows),
        T(watchers_hear_of_it_at_once_and_the_version_is_the_one_of_the_rows),
        T(a_due_hold_is_looked_up_as_expired_before_its_row_is_there),
        T(a_hold_that_is_not_due_is_looked_up_as_pending),
        T(nothing_is_granted_of_it_while_the_ledger_is_away),
        T(newer_orders_wait_for_all_due_holds_and_get_their_units),
        T(who_moves_a_due_hold_hears_of_its_end_before_all_others_are_written),
        T(an_order_that_had_to_ask_waits_for_due_holds_too),
        T(an_order_by_itself_that_had_to_ask_waits_for_due_holds_too),
        T(units_to_write_off_are_there_when_due_holds_are),
        T(after_a_restart_they_are_given_back_before_anything_is_answered),
        T(a_hold_of_an_unknown_batch_that_comes_due_counts_once),
        T(a_refund_of_unknown_outcome_takes_nothing_back),
        T(a_due_hold_whose_order_is_undone_leaves_nothing_behind),
#undef T
        cmocka_unit_test(what_one_turn_does_not_take_down_no_look_up_sees_the_half_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
