/* Two engines over one ledger: lots, numbers, look-ups. */
#include "fixture_shared.h"

/* ---- lots and numbers ---- */

static void lots_are_numbered_after_the_ledgers_highest_with_gaps(void **state)
{
    (void)state;
    a->lots_gap = 7;
    struct ask *lime = shop_create(b, LIME, "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    settle();
    assert_int_equal(lime->c.create.lot.id, 9);
    struct ask *again = shop_create(a, LIME, "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    settle();
    assert_int_equal(again->c.code, TLY_EALREADY_EXISTS);
    assert_int_equal(again->c.create.lot.id, 9);
    struct ask *order = shop_reserve(a, "o-1", LIME, 5);
    settle();
    assert_int_equal(order->c.code, 0);
    assert_truth(9, 5, 5, 0);
}

static void two_lots_of_one_batch_get_two_numbers_and_can_be_ordered_from_at_once(void **state)
{
    (void)state;
    a->lots_gap = 3;
    struct ask *one = shop_create(a, LIME, "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    struct ask *two = shop_create(a, "lime#00000003", "lime", "can", "B", LOT_NEVER_EXPIRES, 5);
    struct ask *order = shop_order(a, "o-1");
    shop_want_sku(order, "lime", "", "", "", 8);
    shop_send(a, order);
    settle();
    assert_int_equal(one->c.create.lot.id, 5);
    assert_int_equal(two->c.create.lot.id, 6);
    assert_int_equal(order->c.code, 0);
    assert_int_equal(order->c.reserve.line_count, 2);
}

static void a_lot_whose_creation_was_stale_is_created_with_the_next_number(void **state)
{
    (void)state;
    b->assumes = true;
    shop_reserve(b, "o-1", KEY, 1); /* makes the batch stale */
    struct ask *ours = shop_create(b, "mint#00000003", "mint", "can", "A", LOT_NEVER_EXPIRES, 5);
    shop_load(b);
    struct ask *theirs = shop_create(a, LIME, "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    shop_adjust(a, KEY, 1, "");
    shop_settle(a);
    settle();
    assert_int_equal(theirs->c.create.lot.id, 2);
    assert_int_equal(ours->c.code, 0);
    assert_int_equal(ours->c.create.lot.id, 3);
    struct ask *look = shop_get_lot(b, LIME);
    settle();
    assert_true(str_equal(look->c.get_lot.lot.dims->sku, STR("lime")));
}

static void rows_stand_in_the_order_of_commits_though_a_clock_is_behind(void **state)
{
    (void)state;
    shop_advance(a, 5000);
    reserve(a, "o-1", 1);
    int64_t before = shop_last_row(a)->seq;
    reserve(b, "o-2", 1);
    assert_true(shop_last_row(a)->seq > before);
}

static void an_adjustment_is_applied_once_by_all_nodes(void **state)
{
    (void)state;
    shop_adjust(a, KEY, 5, "adj");
    settle();
    struct ask *again = shop_adjust(b, KEY, 5, "adj");
    struct ask *other = shop_adjust(b, KEY, 6, "adj");
    settle();
    assert_true(again->c.adjust.replayed);
    assert_int_equal(other->c.code, TLY_EORDER_MISMATCH);
    struct ask *twice[] = {shop_adjust(b, KEY, 1, "two"), shop_adjust(b, KEY, 1, "two")};
    settle();
    assert_false(twice[0]->c.adjust.replayed);
    assert_true(twice[1]->c.adjust.replayed);
    assert_truth(1, 16, 0, 0);
}

/* ---- look-ups ---- */

static void look_ups_of_lots_lock_nothing_and_show_what_others_did(void **state)
{
    (void)state;
    reserve(a, "o-1", 4);
    shop_reserve(a, "o-2", KEY, 1);
    shop_load(a); /* holds the locks */
    struct ask *lot = shop_get_lot(b, KEY);
    struct ask *none = shop_get_lot(b, "none#00000000");
    shop_settle(b);
    assert_int_equal(lot->c.get_lot.lot.stock.reserved, 4);
    assert_int_equal(none->c.code, TLY_ENOT_FOUND);
    shop_settle(a);
}

static void a_page_of_lots_goes_on_where_the_last_one_ended(void **state)
{
    (void)state;
    a->lots_gap = 2;
    char keys[5][16] = {"lime#0000000a", "lime#0000000b", "lime#0000000c", "lime#0000000d",
                        "mint#0000000e"};
    for (int i = 0; i < 5; i++)
        shop_lot_dims(a, keys[i], i % 2 ? "sour" : "sweet", "can", "A", LOT_NEVER_EXPIRES, 1);
    struct lot_view views[2];
    uint32_t seen = 0;
    lot_id after = 0;
    do {
        struct ask *page = shop_ask(b, COMMAND_LIST_LOTS);
        page->c.list.lots = views;
        page->c.list.page_size = 2;
        page->c.list.after = after;
        page->c.list.sku = STR("lime");
        shop_send(b, page);
        struct ask *other = shop_get_lot(b, keys[3]); /* comes with the same load */
        shop_get_lot(b, keys[seen ? seen - 1 : 0]);
        shop_settle(b);
        assert_int_equal(other->c.code, 0);
        assert_int_equal(page->c.list.count, 2);
        for (uint32_t i = 0; i < 2; i++)
            assert_true(str_equal(views[i].dims->key, str_of(keys[seen++])));
        after = page->c.list.next;
    } while (after);
    assert_int_equal(seen, 4);
    struct ask *sour = shop_ask(b, COMMAND_LIST_LOTS);
    sour->c.list.lots = views;
    sour->c.list.page_size = 2;
    sour->c.list.flavor = STR("sour");
    shop_send(b, sour);
    shop_settle(b);
    assert_int_equal(sour->c.list.count, 2);
    assert_true(str_equal(views[1].dims->key, str_of(keys[3])));
}

/* b comes to know the second one first. */
static void lots_that_expire_together_are_sold_by_their_number(void **state)
{
    (void)state;
    shop_lot(a, "lime#0000000a", 5);
    shop_lot(a, "lime#0000000b", 5);
    shop_get_lot(b, "lime#0000000b");
    shop_settle(b);
    struct ask *order = shop_order(b, "o-1");
    shop_want_sku(order, "lime", "", "", "", 1);
    shop_send(b, order);
    shop_settle(b);
    assert_int_equal(order->lines[0].lot, 2);
}

static void a_reservation_is_looked_up_by_any_node(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 4);
    struct ask *by_id = shop_get(b, order->c.reserve.reservation_id, "");
    struct ask *by_order = shop_get(b, 0, "o-1");
    struct ask *none = shop_get(b, 0, "o-2");
    settle();
    assert_int_equal(by_id->c.get.record->state, HOLD_PENDING);
    assert_int_equal(by_order->c.get.record->reservation_id, order->c.reserve.reservation_id);
    assert_int_equal(none->c.code, TLY_ENOT_FOUND);
    struct ask *confirm = shop_confirm(b, order->c.reserve.reservation_id + 4096);
    settle();
    assert_int_equal(confirm->c.code, TLY_ENOT_FOUND);
}

static void an_order_without_a_fingerprint_is_compared_with_its_row(void **state)
{
    (void)state;
    struct ask *order = reserve(a, "o-1", 4);
    a->rows[a->row_count - 1].fingerprint = 0;
    assert_true(reserve(b, "o-1", 4)->c.reserve.replayed);
    assert_int_equal(reserve(b, "o-1", 5)->c.code, TLY_EORDER_MISMATCH);
    shop_confirm_part(a, order->c.reserve.reservation_id, KEY, 1);
    settle();
    assert_true(reserve(b, "o-1", 4)->c.reserve.replayed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shops, close_shops)
        T(lots_are_numbered_after_the_ledgers_highest_with_gaps),
        T(two_lots_of_one_batch_get_two_numbers_and_can_be_ordered_from_at_once),
        T(a_lot_whose_creation_was_stale_is_created_with_the_next_number),
        T(rows_stand_in_the_order_of_commits_though_a_clock_is_behind),
        T(an_adjustment_is_applied_once_by_all_nodes),
        T(look_ups_of_lots_lock_nothing_and_show_what_others_did),
        T(a_page_of_lots_goes_on_where_the_last_one_ended),
        T(lots_that_expire_together_are_sold_by_their_number),
        T(a_reservation_is_looked_up_by_any_node),
        T(an_order_without_a_fingerprint_is_compared_with_its_row),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
