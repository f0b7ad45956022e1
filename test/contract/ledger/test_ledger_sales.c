/* needs: mariadb */
/* What every ledger must keep of sales, groups and the terms of lots. Runs against each factory. */
#include "fixture_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sale_item two_items[2] = {{.lot = 2}, {.sku = {"cola", 4}}};
static const struct sale_item one_item[1] = {{.lot = 1}};

static const struct sale_terms flash = {
    .number = 1,
    .sale_id = {"flash-1", 7},
    .title = {"Flash", 5},
    .starts_ms = 1000,
    .ends_ms = 2000,
    .per_user_limit = 2,
    .per_order_limit = 3,
    .total_limit = 50,
    .hold_ms = 60000,
    .payment_extend_ms_max = 30000,
    .group_window_ms = 5000,
    .group_size = 3,
    .queue = QUEUE_DRAWN,
    .item_count = 2,
    .items = two_items,
};

static void check_sale(const struct rig_sale *is, const struct sale_terms *want)
{
    const struct sale_terms *t = &is->terms;
    assert_int_equal(t->number, want->number);
    assert_true(str_equal(t->sale_id, want->sale_id));
    assert_true(str_equal(t->title, want->title));
    assert_int_equal(t->starts_ms, want->starts_ms);
    assert_int_equal(t->ends_ms, want->ends_ms);
    assert_int_equal(t->closed_ms, want->closed_ms);
    assert_int_equal(t->per_user_limit, want->per_user_limit);
    assert_int_equal(t->per_order_limit, want->per_order_limit);
    assert_int_equal(t->total_limit, want->total_limit);
    assert_int_equal(t->hold_ms, want->hold_ms);
    assert_int_equal(t->payment_extend_ms_max, want->payment_extend_ms_max);
    assert_int_equal(t->group_window_ms, want->group_window_ms);
    assert_int_equal(t->group_size, want->group_size);
    assert_int_equal(t->queue, want->queue);
    assert_int_equal(t->item_count, want->item_count);
    for (int i = 0; i < t->item_count; i++) {
        assert_int_equal(t->items[i].lot, want->items[i].lot);
        assert_true(str_equal(t->items[i].sku, want->items[i].sku));
    }
}

static void a_sale_is_recovered_as_it_was_made(void **state)
{
    struct rig *rig = *state;
    int64_t seq = rig_sale(rig, &flash);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    assert_int_equal(rig->loaded_sale_count, 1);
    check_sale(&rig->loaded_sales[0], &flash);
    assert_int_equal(rig->loaded_sales[0].created_seq, seq);
    rig_check_loaded(rig);
}

static void a_sale_stands_as_its_last_move_says_and_keeps_its_first_seq(void **state)
{
    struct rig *rig = *state;
    struct sale_terms later = flash, other = flash;
    int64_t seq = rig_sale(rig, &flash);
    other.number = 2;
    other.sale_id = STR("flash-2");
    other.title = STR("");
    other.queue = QUEUE_NONE;
    rig_sale(rig, &other);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    later.title = STR("Flash, longer");
    later.starts_ms = 1001;
    later.ends_ms = 9000;
    later.closed_ms = 8000;
    later.per_user_limit = 4;
    later.per_order_limit = 5;
    later.total_limit = 60;
    later.hold_ms = 0;
    later.payment_extend_ms_max = 1;
    later.group_window_ms = 2;
    later.group_size = 0;
    later.queue = QUEUE_FIRST_COME;
    later.item_count = 1;
    later.items = one_item;
    rig_sale(rig, &later);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    assert_int_equal(rig->loaded_sale_count, 2);
    check_sale(&rig->loaded_sales[0], &later);
    check_sale(&rig->loaded_sales[1], &other);
    assert_int_equal(rig->loaded_sales[0].created_seq, seq);
}

static void a_sale_of_a_rejected_batch_is_not_there(void **state)
{
    struct rig *rig = *state;
    struct sale_terms same_id = flash;
    rig_sale(rig, &flash);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    same_id.number = 2; /* another sale of the same name */
    rig_reserve(rig, 1, 1, "with-it");
    rig_sale(rig, &same_id);
    rig_commit_refused(rig);
    assert_true(rig_wait_available(rig, true));
    rig_reopen(rig);
    assert_int_equal(rig->loaded_sale_count, 1);
    rig_check_loaded(rig);
}

/* Whatever the newest batch says is needed: a sale that was opened once more needs its orders. */
static void the_orders_of_a_sale_that_goes_on_again_are_recovered(void **state)
{
    struct rig *rig = *state;
    rig->oldest_pending = INT64_MAX;
    rig->retention_ms = 1;
    if (rig->ledger->traits.shared)
        skip(); /* nothing is recovered there */
    int64_t seq = rig_sale(rig, &flash);
    int64_t id = rig_reserve(rig, 1, 1, "early");
    rig->open.at[rig->open.count - 1].move.sale = 1;
    rig_step(rig, MOVE_CONFIRM, id, 1, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig->now_ms += 1000;
    rig_adjust(rig, 1, 1, "later", "");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    assert_true(rig->loaded.count < 2); /* the sale has ended: nobody needs its orders */
    rig->oldest_pending = seq;
    rig_sale(rig, &flash);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    assert_int_equal(rig->loaded.at[0].move.seq, seq);
    assert_int_equal(rig->loaded.at[1].move.sale, 1);
    rig_check_loaded(rig);
}

static void groups_come_back_as_they_were_told(void **state)
{
    struct rig *rig = *state;
    int64_t won = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    int64_t lost = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    rig_group(rig, MOVE_GROUP_SUCCEED, 1, won);
    rig_group(rig, MOVE_GROUP_FAIL, 1, lost);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    rig_check_loaded(rig);
    assert_int_equal(rig->loaded.at[2].move.kind, MOVE_GROUP_OPEN);
    assert_int_equal(rig->loaded.at[2].move.line.quantity, 3);
    assert_true(rig->loaded.at[2].move.deadline_ms > rig->loaded.at[2].move.at_ms);
}

/* Rows of which each kind has columns of its own: many that give back, then orders, in a sale and
 * not, and one that gives back with several lines among them. */
static void a_batch_that_gives_back_much_before_it_sells_is_kept_whole(void **state)
{
    enum { MANY = 20 };
    struct rig *rig = *state;
    int64_t ids[MANY];
    char name[16];
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "first-%u", i);
        ids[i] = rig_reserve(rig, 1 + i % 2, 2, name);
    }
    struct line lines[2] = {{.lot = 1, .quantity = 1}, {.lot = 2, .quantity = 3}};
    int64_t both = rig_reserve_lines(rig, lines, 2, "both");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    for (uint32_t i = 0; i < MANY; i++) {
        rig_step(rig, MOVE_REFUND, ids[i], 1 + i % 2, 2)->move.reason = REASON_EXPIRED;
        if (i == MANY / 2) {
            struct rig_move *m = rig_step(rig, MOVE_REFUND, both, 0, 4);
            m->move.line_count = 2;
            m->move.reason = REASON_EXPIRED;
            memcpy(m->lines, lines, sizeof lines);
        }
    }
    int64_t group = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    rig_reserve(rig, 1, 1, "in-a-sale");
    rig->open.at[rig->open.count - 1].move.sale = 1;
    rig->open.at[rig->open.count - 1].move.group_id = group;
    rig_reserve(rig, 2, 1, "in-none");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reserve(rig, 1, 1, "next");
    rig->open.at[rig->open.count - 1].move.sale = 1;
    rig->open.at[rig->open.count - 1].move.group_id = group;
    rig_reserve(rig, 2, 1, "and-next");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig->oldest_pending = 0;
    rig_reopen(rig);
    rig_check_loaded(rig);
}

static void a_group_is_told_with_its_end(void **state)
{
    struct rig *rig = *state;
    int64_t open = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    int64_t lost = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    rig_group(rig, MOVE_GROUP_FAIL, 1, lost);
    rig->open.at[rig->open.count - 1].move.line.quantity = 2;
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    struct question read = {.kind = QUESTION_GROUP, .reservation_id = open};
    assert_int_equal(rig_read(rig, &read), 0);
    assert_int_equal(read.group.status, GROUP_IS_OPEN);
    assert_int_equal(read.group.group_id, open);
    assert_int_equal(read.group.size, 3);
    assert_int_equal(read.group.sale, 1);
    assert_int_equal(read.group.ended_ms, 0);
    assert_true(read.group.ends_ms > read.group.opened_ms);
    read.reservation_id = lost;
    assert_int_equal(rig_read(rig, &read), 0);
    assert_int_equal(read.group.status, GROUP_FAILED);
    assert_int_equal(read.group.paid, 2);
    assert_true(read.group.ended_ms > 0);
    read.reservation_id = lost + 1;
    assert_int_equal(rig_read(rig, &read), TLY_ENOT_FOUND);
}

static void a_lot_is_recovered_with_the_terms_of_now(void **state)
{
    struct rig *rig = *state;
    const struct lot_terms terms = {.expires_on = 20850,
                                    .expected_on = 20860,
                                    .per_user_limit = 5,
                                    .backorder_limit = 7,
                                    .withdrawn = true};
    rig_lot_terms(rig, 1, &terms);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    const struct lot_terms *is = &rig->loaded_terms[0];
    assert_int_equal(is->expires_on, 20850);
    assert_int_equal(is->expected_on, 20860);
    assert_int_equal(is->per_user_limit, 5);
    assert_int_equal(is->backorder_limit, 7);
    assert_true(is->withdrawn);
    assert_int_equal(rig->loaded_lots.at[0].dims.expires_on, 20850);
    is = &rig->loaded_terms[1]; /* it was created without any */
    assert_int_equal(is->expires_on, LOT_NEVER_EXPIRES);
    assert_int_equal(is->expected_on, LOT_NEVER_EXPIRES);
    assert_int_equal(is->per_user_limit, 0);
    assert_int_equal(is->backorder_limit, 0);
    assert_false(is->withdrawn);
    rig_check_loaded(rig);
}

static void a_lot_may_be_created_with_terms(void **state)
{
    struct rig *rig = *state;
    rig_create(rig, 0);
    struct rig_move *m = &rig->open.at[0];
    m->terms = (struct lot_terms){.expires_on = LOT_NEVER_EXPIRES,
                                  .expected_on = 20900,
                                  .per_user_limit = 1,
                                  .backorder_limit = 3};
    m->dims.expires_on = LOT_NEVER_EXPIRES;
    m->move.terms = &m->terms;
    int64_t id = rig_reserve(rig, 3, 3, "preorder");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_CONFIRM, id, 3, 3);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    assert_int_equal(rig->loaded_terms[2].expected_on, 20900);
    assert_int_equal(rig->loaded_terms[2].per_user_limit, 1);
    assert_int_equal(rig->loaded_terms[2].backorder_limit, 3);
    rig_check_loaded(rig);
}

static void units_that_are_not_there_are_held_up_to_the_limit_and_no_further(void **state)
{
    struct rig *rig = *state;
    const struct lot_terms ten = {
        .expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES, .backorder_limit = 10};
    rig_lot_terms(rig, 1, &ten);
    rig_reserve(rig, 1, 110, "all-and-ten-more");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_check_stock(rig);
    rig_reserve(rig, 1, 1, "one-too-many");
    assert_int_equal(rig_commit(rig), LEDGER_REJECTED);
    assert_true(rig_wait_available(rig, true));
}

/* What was sold under a higher limit stays sold, also for a start that reads those moves again. */
static void a_limit_that_was_lowered_is_no_contradiction(void **state)
{
    struct rig *rig = *state;
    struct lot_terms terms = {
        .expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES, .backorder_limit = 10};
    rig->snapshot_moves = 1000000;
    rig_lot_terms(rig, 1, &terms);
    rig_reserve(rig, 1, 110, "all-and-ten-more");
    terms.backorder_limit = 0;
    rig_lot_terms(rig, 1, &terms);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_adjust(rig, 1, 4, "some-came", "");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_reopen(rig);
    assert_int_equal(rig->loaded_terms[0].backorder_limit, 0);
    rig_check_loaded(rig);
}

static void units_that_never_came_cannot_be_shipped(void **state)
{
    struct rig *rig = *state;
    const struct lot_terms ten = {
        .expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES, .backorder_limit = 10};
    rig_lot_terms(rig, 1, &ten);
    int64_t id = rig_reserve(rig, 1, 110, "all-and-ten-more");
    rig_step(rig, MOVE_CONFIRM, id, 1, 110);
    rig_step(rig, MOVE_SHIP, id, 1, 100);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_SHIP, id, 1, 1);
    assert_int_equal(rig_commit(rig), LEDGER_REJECTED);
    assert_true(rig_wait_available(rig, true));
}

#define IN_A_RIG(test) cmocka_unit_test_setup_teardown(test, fixture_two_lots, fixture_check)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(a_sale_is_recovered_as_it_was_made),
        IN_A_RIG(a_sale_stands_as_its_last_move_says_and_keeps_its_first_seq),
        IN_A_RIG(a_sale_of_a_rejected_batch_is_not_there),
        IN_A_RIG(the_orders_of_a_sale_that_goes_on_again_are_recovered),
        IN_A_RIG(groups_come_back_as_they_were_told),
        IN_A_RIG(a_batch_that_gives_back_much_before_it_sells_is_kept_whole),
        IN_A_RIG(a_group_is_told_with_its_end),
        IN_A_RIG(a_lot_is_recovered_with_the_terms_of_now),
        IN_A_RIG(a_lot_may_be_created_with_terms),
        IN_A_RIG(units_that_are_not_there_are_held_up_to_the_limit_and_no_further),
        IN_A_RIG(a_limit_that_was_lowered_is_no_contradiction),
        IN_A_RIG(units_that_never_came_cannot_be_shipped),
    };
    return fixture_run(tests);
}
