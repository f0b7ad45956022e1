#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

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

static void a_restart_changes_nothing(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 1);
    struct ask *b = shop_reserve(s, "o-2", key, 3);
    struct ask *c = shop_reserve(s, "o-3", key, 2);
    shop_commit(s);
    shop_confirm_part(s, b->c.reserve.reservation_id, key, 2);
    shop_refund(s, c->c.reserve.reservation_id, REASON_NONE);
    shop_extend(s, a->c.reserve.reservation_id, 120000);
    shop_adjust(s, key, 5, "adj-1");
    shop_commit(s);
    struct stock before = shop_stock(s, 1);
    int64_t deadline = engine_next_deadline(s->engine);
    shop_reopen(s);
    struct stock after = shop_stock(s, 1);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(engine_next_deadline(s->engine), deadline);
    assert_int_equal(shop_stats(s).holds_pending, 1);
    assert_int_equal(engine_lot_count(s->engine), 1);
    shop_advance(s, 120000);
    shop_commit(s);
    assert_int_equal(shop_stock(s, 1).reserved, 0);
    assert_int_equal(shop_last_row(s)->reason, REASON_EXPIRED);
}

static void a_retry_across_a_restart_is_compared_with_the_ledger(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 10);
    shop_commit(s);
    shop_reopen(s);
    struct ask *b = shop_reserve(s, "o-1", key, 10);
    struct ask *c = shop_reserve(s, "o-1", key, 9);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_true(b->c.reserve.replayed);
    assert_int_equal(b->c.reserve.reservation_id, a->c.reserve.reservation_id);
    assert_int_equal(b->c.reserve.state, HOLD_PENDING);
    assert_int_equal(c->c.code, TLY_EORDER_MISMATCH);
    /* Now its fingerprint is known, and nothing more is read. */
    assert_true(shop_reserve(s, "o-1", key, 10)->answered);
}

static void content_by_sku_is_compared_by_what_it_covers(void **state)
{
    struct shop *s = *state;
    shop_lot_dims(s, "soda#00000001", "cola", "can", "A", LOT_NEVER_EXPIRES, 3);
    shop_lot_dims(s, "soda#00000002", "lime", "can", "B", LOT_NEVER_EXPIRES, 9);
    struct ask *a = shop_order(s, "o-1");
    shop_want_sku(a, "soda", "", "", "", 5);
    shop_want_sku(a, "soda", "lime", "", "", 2);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    shop_reopen(s);
    struct ask *same = shop_order(s, "o-1");
    shop_want_sku(same, "soda", "", "", "", 5);
    shop_want_sku(same, "soda", "lime", "", "", 2);
    shop_send(s, same);
    struct ask *other = shop_order(s, "o-1");
    shop_want_sku(other, "soda", "cola", "", "", 5);
    shop_want_sku(other, "soda", "lime", "", "", 2);
    shop_send(s, other);
    struct ask *user = shop_order(s, "o-1");
    user->c.reserve.user_id = STR("user-2");
    shop_want_sku(user, "soda", "", "", "", 5);
    shop_want_sku(user, "soda", "lime", "", "", 2);
    shop_send(s, user);
    shop_commit(s);
    assert_true(same->c.reserve.replayed);
    assert_int_equal(other->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(user->c.code, TLY_EORDER_MISMATCH);
}

static void sequence_numbers_go_on_after_those_in_the_ledger(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 1);
    shop_commit(s);
    int64_t last = shop_last_row(s)->seq;
    s->now_ms -= 5000; /* the clock is behind the ledger */
    shop_reopen(s);
    shop_reserve(s, "o-2", key, 1);
    shop_commit(s);
    assert_true(shop_last_row(s)->seq > last);
}

static void overdue_holds_end_with_the_first_reading_of_the_clock(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-1", key, 4);
    shop_commit(s);
    s->now_ms += 3600000;
    shop_reopen(s);
    shop_commit(s);
    assert_int_equal(shop_available(s, 1), 10);
    assert_int_equal(shop_last_row(s)->kind, MOVE_REFUND);
}

static void an_adjustment_is_applied_once_across_a_restart(void **state)
{
    struct shop *s = *state;
    shop_adjust(s, key, 5, "adj-1");
    shop_commit(s);
    shop_reopen(s);
    struct ask *a = shop_adjust(s, key, 5, "adj-1");
    struct ask *b = shop_adjust(s, key, 6, "adj-1");
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.adjust.lot.stock.on_hand, 15);
    assert_int_equal(b->c.code, TLY_EORDER_MISMATCH);
    assert_int_equal(shop_stock(s, 1).on_hand, 15);
}

/* Loads a lot of 10 units and then `m`. */
static int load(const struct move *first, const struct move *second)
{
    struct engine_config config = shop_config();
    struct engine *e = NULL;
    assert_int_equal(engine_create(&e, &config, NULL), 0);
    struct lot_dims dims = {
        STR("cola#00000001"), LOT_NEVER_EXPIRES, STR("cola"), STR("c"), STR("s"), STR("b")};
    struct stock stock = {.on_hand = 10, .version = 1};
    assert_int_equal(engine_load_lot(e, 1, &dims, NULL, &stock, NULL), 0);
    struct error error = {0};
    int code = engine_load_move(e, first, false, &error);
    if (!code && second)
        code = engine_load_move(e, second, false, &error);
    engine_destroy(e);
    return code;
}

static struct move reserve_row(int64_t seq, int64_t quantity)
{
    return (struct move){.seq = seq,
                         .reservation_id = seq,
                         .at_ms = SHOP_START_MS,
                         .deadline_ms = SHOP_START_MS + 1000,
                         .kind = MOVE_RESERVE,
                         .line_count = 1,
                         .line = {1, quantity},
                         .order_id = STR("o-1"),
                         .user_id = STR("u")};
}

static void a_row_that_contradicts_what_came_before_is_corrupt(void **state)
{
    (void)state;
    struct move good = reserve_row(100, 4);
    assert_int_equal(load(&good, NULL), 0);
    struct move too_many = reserve_row(100, 11);
    assert_int_equal(load(&too_many, NULL), TLY_ECORRUPT);
    struct move no_lot = good;
    no_lot.line.lot = 2;
    assert_int_equal(load(&no_lot, NULL), TLY_ECORRUPT);
    struct move no_kind = good;
    no_kind.kind = 99;
    assert_int_equal(load(&no_kind, NULL), TLY_ECORRUPT);
    struct move same_seq = reserve_row(100, 1);
    assert_int_equal(load(&good, &same_seq), TLY_ECORRUPT);
    struct move other_units = {.seq = 101,
                               .reservation_id = 100,
                               .kind = MOVE_REFUND,
                               .line_count = 1,
                               .line = {1, 3},
                               .reason = REASON_CANCELLED};
    assert_int_equal(load(&good, &other_units), TLY_ECORRUPT);
    struct move no_reason = other_units;
    no_reason.line.quantity = 4;
    no_reason.reason = 16;
    assert_int_equal(load(&good, &no_reason), TLY_ECORRUPT);
    other_units.line.quantity = 4;
    assert_int_equal(load(&good, &other_units), 0);
}

static void orders_on_disk_are_found_through_a_run(void **state)
{
    struct engine_config config = shop_config();
    config.order_memory_max = 200;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    shop_lot(s, key, 1000);
    char id[16];
    for (int i = 0; i < 99; i++) {
        snprintf(id, sizeof id, "o-%d", i);
        struct ask *a = shop_reserve(s, id, key, 1);
        shop_commit(s);
        shop_refund(s, a->c.reserve.reservation_id, REASON_NONE);
        shop_commit(s);
    }
    shop_reserve(s, "last of the segment", key, 1);
    shop_reserve(s, "first of the next", key, 1);
    assert_null(engine_next_segment(s->engine)); /* undo may still change it */
    shop_commit(s);
    struct order_segment *segment = engine_next_segment(s->engine);
    assert_non_null(segment);
    struct order_run *run = calloc(1, sizeof *run);
    run->seq_min = segment->seq_min;
    run->seq_max = segment->seq_max;
    run->count = segment->count;
    engine_segment_stored(s->engine, segment, run); /* no filter: each look-up asks */
    struct ask *old = shop_reserve(s, "o-7", key, 1);
    struct ask *older = shop_get(s, 0, "o-8");
    struct ask *fresh = shop_reserve(s, "new", key, 1);
    struct ask *again = shop_reserve(s, "new", key, 1);
    struct ask *nobody = shop_get(s, 0, "nobody");
    assert_false(old->answered || fresh->answered || again->answered);
    shop_commit(s);
    assert_true(old->c.reserve.replayed);
    assert_int_equal(old->c.reserve.state, HOLD_REFUNDED);
    assert_non_null(older->c.get.record);
    assert_int_equal(fresh->c.code, 0);
    assert_false(fresh->c.reserve.replayed);
    assert_true(again->c.reserve.replayed);
    assert_int_equal(nobody->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_stats(s).orders_in_memory, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_contradicts_what_came_before_is_corrupt),
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_restart_changes_nothing),
        T(a_retry_across_a_restart_is_compared_with_the_ledger),
        T(content_by_sku_is_compared_by_what_it_covers),
        T(sequence_numbers_go_on_after_those_in_the_ledger),
        T(overdue_holds_end_with_the_first_reading_of_the_clock),
        T(an_adjustment_is_applied_once_across_a_restart),
        T(orders_on_disk_are_found_through_a_run),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
