/* needs: mariadb */
/* What every ledger must know of a reservation's later life: shipping, returns, changes, reclaims,
 * and of orders that were cancelled before they came. Runs against each factory. */
#include "fixture_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whatever was done: it is recovered as it was told, and the stock is what the moves say. */
static int tear_down(void **state)
{
    struct rig *rig = *state;
    rig_check_stock(rig);
    rig_reopen(rig);
    rig_check_loaded(rig);
    return fixture_close(state);
}

static int64_t reserve_both(struct rig *rig, int64_t first, int64_t second)
{
    struct line lines[2] = {{1, first}, {2, second}};
    return rig_reserve_lines(rig, lines, 2, "order");
}

/* A move of lines of both lots. */
static void step_both(struct rig *rig, enum move_kind kind, int64_t reservation, int64_t first,
                      int64_t second)
{
    struct rig_move *m = rig_step(rig, kind, reservation, 0, first + second);
    m->move.line_count = 2;
    m->lines[0] = (struct line){1, first};
    m->lines[1] = (struct line){2, second};
}

static void with_detail(struct rig *rig, const char *detail, enum refund_reason reason,
                        uint64_t fingerprint)
{
    struct rig_move *m = &rig->open.at[rig->open.count - 1];
    int len = snprintf(m->detail, sizeof m->detail, "%s", detail);
    m->move.detail = (struct str){m->detail, (uint32_t)len};
    m->move.reason = (uint8_t)reason;
    m->move.fingerprint = fingerprint;
}

static struct reservation_record *read_back(struct rig *rig, int64_t id)
{
    struct reservation_record *r = NULL;
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_int_equal(rig_read_reservation(rig, id, &r), 0);
    return r;
}

static void units_that_left_are_counted_on_their_line(void **state)
{
    struct rig *rig = *state;
    int64_t id = reserve_both(rig, 5, 4);
    step_both(rig, MOVE_CONFIRM, id, 5, 4);
    rig_step(rig, MOVE_SHIP, id, 2, 3);
    with_detail(rig, "box-1", REASON_NONE, 11);
    step_both(rig, MOVE_SHIP, id, 2, 1);
    with_detail(rig, "box-2", REASON_NONE, 12);
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->state, HOLD_CONFIRMED);
    assert_int_equal(r->line_count, 2);
    assert_int_equal(r->lines[0].quantity, 5);
    assert_int_equal(r->lines[1].quantity, 4);
    assert_int_equal(r->after[0].shipped, 2);
    assert_int_equal(r->after[1].shipped, 4);
    assert_int_equal(r->after[0].returned, 0);
    assert_int_equal(r->moves[3].kind, MOVE_SHIP);
    assert_int_equal(r->moves[3].fingerprint, 12);
    assert_true(str_equal(r->moves[3].detail, STR("box-2")));
    free(r);
}

static void a_part_that_came_back_leaves_it_confirmed(void **state)
{
    struct rig *rig = *state;
    int64_t id = reserve_both(rig, 5, 4);
    step_both(rig, MOVE_CONFIRM, id, 5, 4);
    rig_step(rig, MOVE_RETURN, id, 1, 5);
    rig_step(rig, MOVE_RETURN, id, 2, 3);
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->state, HOLD_CONFIRMED);
    assert_int_equal(r->reason, REASON_NONE);
    assert_int_equal(r->after[0].returned, 5);
    assert_int_equal(r->after[1].returned, 3);
    free(r);
}

static void it_is_refunded_when_all_units_came_back_for_the_last_reason(void **state)
{
    struct rig *rig = *state;
    int64_t id = reserve_both(rig, 5, 4);
    step_both(rig, MOVE_CONFIRM, id, 5, 4);
    step_both(rig, MOVE_SHIP, id, 2, 2);
    rig_step(rig, MOVE_WRITE_OFF, id, 1, 3);
    with_detail(rig, "back-1", REASON_RETURNED, 21);
    rig_step(rig, MOVE_RESTOCK, id, 1, 2);
    with_detail(rig, "back-2", REASON_RETURNED, 22);
    rig_step(rig, MOVE_DISCARD, id, 2, 2);
    with_detail(rig, "back-3", REASON_RETURNED, 23);
    rig_step(rig, MOVE_RETURN, id, 2, 2);
    with_detail(rig, "back-4", REASON_CANCELLED, 24);
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->state, HOLD_REFUNDED);
    assert_int_equal(r->reason, REASON_CANCELLED);
    assert_int_equal(r->after[0].returned, 5);
    assert_int_equal(r->after[1].returned, 4);
    assert_int_equal(r->after[1].shipped, 2);
    assert_int_equal(r->moves[5].fingerprint, 23);
    free(r);
}

static void each_kind_of_return_counts_towards_all(void **state)
{
    static const enum move_kind kinds[] = {MOVE_RETURN, MOVE_WRITE_OFF, MOVE_RESTOCK, MOVE_DISCARD};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char order[16];
        snprintf(order, sizeof order, "order-%zu", i);
        int64_t id = rig_reserve(rig, 1, 2, order);
        rig_step(rig, MOVE_CONFIRM, id, 1, 2);
        if (kinds[i] == MOVE_RESTOCK || kinds[i] == MOVE_DISCARD)
            rig_step(rig, MOVE_SHIP, id, 1, 2);
        rig_step(rig, kinds[i], id, 1, 2);
        with_detail(rig, "back", REASON_RETURNED, 5);
        struct reservation_record *r = read_back(rig, id);
        assert_int_equal(r->state, HOLD_REFUNDED);
        assert_int_equal(r->reason, REASON_RETURNED);
        free(r);
    }
}

static void a_change_alters_what_is_held_and_what_was_reserved(void **state)
{
    struct rig *rig = *state;
    rig_create(rig, 100);
    int64_t id = reserve_both(rig, 5, 4);
    struct rig_move *m = rig_step(rig, MOVE_CHANGE, id, 0, 1);
    m->move.line_count = 3;
    m->lines[0] = (struct line){1, -5};
    m->lines[1] = (struct line){2, 0};
    m->lines[2] = (struct line){3, 6};
    with_detail(rig, "change-1", REASON_NONE, 31);
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->state, HOLD_PENDING);
    assert_int_equal(r->line_count, 2);
    assert_int_equal(r->lines[0].lot, 2);
    assert_int_equal(r->lines[0].quantity, 4);
    assert_int_equal(r->lines[1].lot, 3);
    assert_int_equal(r->lines[1].quantity, 6);
    assert_int_equal(r->line_count_reserved, 2);
    assert_memory_equal(&r->reserved_lines[1].quantity, &r->lines[1].quantity, sizeof(int64_t));
    assert_int_equal(r->moves[1].fingerprint, 31);
    free(r);
}

static void a_partial_confirm_keeps_what_was_reserved_after_the_last_change(void **state)
{
    struct rig *rig = *state;
    int64_t id = rig_reserve(rig, 1, 5, "order");
    rig_step(rig, MOVE_CHANGE, id, 1, 3);
    rig_step(rig, MOVE_CHANGE, id, 1, -1);
    rig_step(rig, MOVE_CONFIRM, id, 1, 4);
    rig_step(rig, MOVE_RELEASE, id, 1, 3);
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->reserved_lines[0].quantity, 7);
    assert_int_equal(r->lines[0].quantity, 4);
    free(r);
}

static void what_expired_and_was_taken_again_is_confirmed(void **state)
{
    struct rig *rig = *state;
    int64_t id = rig_reserve(rig, 1, 5, "order");
    rig_step(rig, MOVE_REFUND, id, 1, 5);
    struct rig_move *m = rig_step(rig, MOVE_RECLAIM, id, 1, 5);
    int64_t at_ms = m->move.at_ms;
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->state, HOLD_CONFIRMED);
    assert_int_equal(r->reason, REASON_NONE);
    assert_int_equal(r->confirmed_ms, at_ms);
    assert_int_equal(r->lines[0].quantity, 5);
    assert_true(str_equal(r->payment_id, STR("payment-7")));
    free(r);
}

static void a_fenced_order_is_refunded_from_the_start(void **state)
{
    struct rig *rig = *state;
    int64_t id = rig_fence(rig, "never-came");
    struct reservation_record *r = read_back(rig, id);
    assert_true(r->fence);
    assert_int_equal(r->reservation_id, id);
    assert_int_equal(r->state, HOLD_REFUNDED);
    assert_int_equal(r->reason, REASON_CANCELLED);
    assert_int_equal(r->line_count, 0);
    assert_int_equal(r->line_count_reserved, 0);
    assert_int_equal(r->move_count, 1);
    assert_true(str_equal(r->order_id, STR("never-came")));
    free(r);
}

static void a_reservation_knows_its_sale_and_its_group(void **state)
{
    struct rig *rig = *state;
    int64_t group = rig_group(rig, MOVE_GROUP_OPEN, 7, 0);
    int64_t id = rig_reserve(rig, 1, 1, "order");
    rig->open.at[rig->open.count - 1].move.sale = 7;
    rig->open.at[rig->open.count - 1].move.group_id = group;
    int64_t plain = rig_reserve(rig, 1, 1, "plain");
    rig_group(rig, MOVE_GROUP_FAIL, 7, group);
    struct reservation_record *r = read_back(rig, id);
    assert_int_equal(r->sale, 7);
    assert_int_equal(r->group_id, group);
    assert_false(r->fence);
    free(r);
    assert_int_equal(rig_read_reservation(rig, plain, &r), 0);
    assert_int_equal(r->sale, 0);
    assert_int_equal(r->group_id, 0);
    free(r);
}

#define IN_A_RIG(test) cmocka_unit_test_setup_teardown(test, fixture_two_lots, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(units_that_left_are_counted_on_their_line),
        IN_A_RIG(a_part_that_came_back_leaves_it_confirmed),
        IN_A_RIG(it_is_refunded_when_all_units_came_back_for_the_last_reason),
        IN_A_RIG(each_kind_of_return_counts_towards_all),
        IN_A_RIG(a_change_alters_what_is_held_and_what_was_reserved),
        IN_A_RIG(a_partial_confirm_keeps_what_was_reserved_after_the_last_change),
        IN_A_RIG(what_expired_and_was_taken_again_is_confirmed),
        IN_A_RIG(a_fenced_order_is_refunded_from_the_start),
        IN_A_RIG(a_reservation_knows_its_sale_and_its_group),
    };
    return fixture_run(tests);
}
