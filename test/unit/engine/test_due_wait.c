/* Who waits while holds are due and not written yet: those whom they concern, and nobody else. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "shop.h"

enum { HOLDS = 40, MOVES_MAX = 8, DUE_SHARE = 3, LONG_MS = 600000 };
static const char cola[] = "cola#00000001";
static const char lime[] = "lime#00000002";
static const char other_cola[] = "cola#00000003";

/* HOLDS units of cola are on hold, all the cola there is, and will be due at the same time. */
static int open_shop(void **state)
{
    struct engine_config config = shop_config();
    config.batch_moves_max = MOVES_MAX;
    struct shop *s = shop_open(&config);
    shop_lot(s, cola, HOLDS);
    shop_lot(s, lime, 10);
    static char ids[HOLDS][16];
    for (int i = 0; i < HOLDS; i++) {
        snprintf(ids[i], sizeof ids[i], "o-%d", i);
        shop_reserve(s, ids[i], cola, 1);
    }
    shop_commit(s);
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

static void commit_one(struct shop *s)
{
    assert_true(shop_seal(s));
    shop_outcome(s, LEDGER_COMMITTED);
}

static struct ask *reserve_for(struct shop *s, const char *order_id, const char *lot,
                               int64_t quantity, int64_t hold_ms)
{
    struct ask *a = shop_order(s, order_id);
    shop_want_lot(a, lot, quantity);
    a->c.reserve.hold_ms = hold_ms;
    shop_send(s, a);
    return a;
}

static void an_order_of_another_lot_is_in_the_next_batch(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *a = shop_reserve(s, "lime", lime, 10);
    commit_one(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_rows(s, MOVE_REFUND), DUE_SHARE);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_REFUND), HOLDS);
}

static void due_holds_have_their_share_of_each_batch_however_many_orders_come(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    static char ids[10][24];
    for (int i = 0; i < 10; i++) {
        snprintf(ids[i], sizeof ids[i], "lime-%d", i);
        shop_reserve(s, ids[i], lime, 1);
    }
    for (uint32_t i = 1; i <= 2; i++) {
        commit_one(s);
        assert_int_equal(shop_rows(s, MOVE_REFUND), i * DUE_SHARE);
        assert_int_equal(shop_rows(s, MOVE_RESERVE), HOLDS + i * (MOVES_MAX - DUE_SHARE));
    }
}

static void an_order_waits_for_the_due_holds_of_its_lot_alone(void **state)
{
    struct shop *s = *state;
    struct ask *held = reserve_for(s, "held", lime, 1, s->config.hold_default_ms - 1);
    shop_commit(s);
    assert_int_equal(held->c.code, 0);
    all_become_due(s);
    struct ask *all = shop_reserve(s, "all", lime, 10);
    assert_false(all->answered);
    commit_one(s);
    commit_one(s);
    assert_true(all->answered);
    assert_int_equal(all->c.code, 0);
    assert_true(shop_rows(s, MOVE_REFUND) < HOLDS);
}

static void who_waits_for_the_same_holds_is_served_in_the_order_of_coming(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *all = shop_reserve(s, "all", cola, HOLDS);
    struct ask *one = shop_reserve(s, "one", cola, 1);
    shop_reserve(s, "lime", lime, 1);
    shop_commit(s);
    assert_int_equal(all->c.code, 0);
    assert_int_equal(one->c.code, TLY_ESOLD_OUT);
}

static void an_order_of_a_sku_waits_for_the_due_holds_of_all_its_lots(void **state)
{
    struct shop *s = *state;
    shop_lot(s, other_cola, 10);
    all_become_due(s);
    struct ask *a = shop_order(s, "any-cola");
    shop_want_sku(a, "cola", "", "", "", HOLDS + 10);
    shop_send(s, a);
    assert_false(a->answered);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.reserve.line_count, 2);
}

static void orders_of_a_batch_wait_together(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct reserve_command orders[2];
    struct ask *batch = shop_ask(s, COMMAND_RESERVE_BATCH);
    struct ask *one = shop_order(s, "b-1"), *two = shop_order(s, "b-2");
    shop_want_lot(one, lime, 1);
    shop_want_lot(two, cola, HOLDS);
    orders[0] = one->c.reserve;
    orders[1] = two->c.reserve;
    batch->c.batch.orders = orders;
    batch->c.batch.count = 2;
    shop_send(s, batch);
    commit_one(s);
    assert_false(batch->answered);
    shop_commit(s);
    assert_true(batch->answered);
    assert_int_equal(orders[0].code, 0);
    assert_int_equal(orders[1].code, 0);
}

static void what_is_done_with_another_hold_is_in_the_next_batch(void **state)
{
    struct shop *s = *state;
    struct ask *paid = reserve_for(s, "paid", lime, 1, LONG_MS);
    struct ask *left = reserve_for(s, "left", lime, 1, LONG_MS);
    struct ask *late = reserve_for(s, "late", lime, 1, LONG_MS);
    shop_commit(s);
    all_become_due(s);
    struct ask *confirm = shop_confirm(s, paid->c.reserve.reservation_id);
    struct ask *refund = shop_refund(s, left->c.reserve.reservation_id, REASON_NONE);
    commit_one(s);
    struct ask *extend = shop_extend(s, late->c.reserve.reservation_id, 2 * LONG_MS);
    commit_one(s);
    assert_true(confirm->answered && refund->answered && extend->answered);
    assert_int_equal(confirm->c.code, 0);
    assert_int_equal(refund->c.code, 0);
    assert_int_equal(extend->c.code, 0);
    assert_true(shop_rows(s, MOVE_REFUND) < HOLDS);
}

static void an_order_in_a_sale_waits_for_the_due_holds_of_the_sale(void **state)
{
    struct shop *s = *state;
    struct ask *sale = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(sale, 1);
    shop_sale_lot(sale, 2);
    sale->sale.terms.per_user_limit = 1;
    shop_send(s, sale);
    shop_adjust(s, cola, 1, "one-more");
    shop_commit(s);
    struct ask *first = shop_reserve_in(s, "flash", "f-1", "u", cola, 1);
    shop_commit(s);
    assert_int_equal(first->c.code, 0);
    all_become_due(s);
    struct ask *again = shop_reserve_in(s, "flash", "f-2", "u", lime, 1);
    struct ask *outside = shop_reserve(s, "lime", lime, 1);
    assert_false(again->answered);
    commit_one(s);
    assert_true(outside->answered);
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
}

static void a_group_is_opened_while_holds_of_others_are_due(void **state)
{
    struct shop *s = *state;
    struct ask *sale = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(sale, 2);
    sale->sale.terms.group_size = 2;
    sale->sale.terms.group_window_ms = LONG_MS;
    shop_send(s, sale);
    shop_commit(s);
    all_become_due(s);
    struct ask *alone = shop_open_group(s, "flash", NULL);
    struct ask *order = shop_order_in(s, "flash", "g-1", "u");
    shop_want_lot(order, lime, 1);
    struct ask *with = shop_open_group(s, "flash", order);
    commit_one(s);
    commit_one(s);
    assert_true(alone->answered && with->answered);
    assert_int_equal(alone->c.code, 0);
    assert_int_equal(with->c.code, 0);
    assert_true(shop_rows(s, MOVE_REFUND) < HOLDS);
}

static void who_may_have_one_hold_waits_for_the_own_one_to_be_given_back(void **state)
{
    (void)state;
    struct engine_config config = shop_config();
    config.batch_moves_max = MOVES_MAX;
    config.user_holds_max = 1;
    struct shop *s = shop_open(&config);
    shop_lot(s, cola, 10);
    shop_lot(s, lime, 10);
    static const char *const users[] = {"a", "b", "c", "d", "e", "me"};
    for (int i = 0; i < 6; i++) {
        struct ask *a = shop_order(s, users[i]);
        a->c.reserve.user_id = str_of(users[i]);
        shop_want_lot(a, cola, 1);
        shop_send(s, a);
    }
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 6);
    all_become_due(s);
    struct ask *again = shop_order(s, "again");
    again->c.reserve.user_id = STR("me");
    shop_want_lot(again, lime, 1);
    shop_send(s, again);
    assert_false(again->answered);
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
    shop_close(s);
}

static void who_waits_hears_at_once_that_the_ledger_takes_no_writes(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *a = shop_reserve(s, "all", cola, HOLDS);
    shop_advance(s, 1); /* it is looked at, and still waits */
    assert_false(a->answered);
    engine_set_available(s->engine, false);
    shop_collect(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, TLY_EUNAVAILABLE);
}

static void who_waits_longer_than_its_deadline_is_refused(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *a = shop_order(s, "all");
    shop_want_lot(a, cola, HOLDS);
    a->c.deadline_ns = UINT64_MAX - 1;
    shop_send(s, a);
    assert_false(a->answered);
    engine_advance(s->engine, s->now_ms, UINT64_MAX);
    commit_one(s);
    shop_collect(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
}

static void what_waits_when_the_engine_ends_leaves_nothing_behind(void **state)
{
    struct shop *s = *state;
    all_become_due(s);
    struct ask *a = shop_reserve(s, "all", cola, HOLDS);
    assert_false(a->answered); /* the address sanitizer looks at the rest */
}

/* ---- groups ---- */

enum { GROUPS = 12, WINDOW_MS = 60000 };

static int64_t last_group;

/* Groups of two, each with a member that has a unit of lime and has paid: they end together. */
static int open_groups(void **state)
{
    struct engine_config config = shop_config();
    config.batch_moves_max = MOVES_MAX;
    struct shop *s = shop_open(&config);
    shop_lot(s, cola, HOLDS);
    shop_lot(s, lime, GROUPS + 1);
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "team");
    shop_sale_lot(a, 2);
    a->sale.terms.group_size = 2;
    a->sale.terms.group_window_ms = WINDOW_MS;
    shop_send(s, a);
    a = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(a, 1);
    shop_send(s, a);
    shop_commit(s);
    static char ids[GROUPS][16];
    struct ask *opened[GROUPS], *joined[GROUPS];
    for (int i = 0; i < GROUPS; i++)
        opened[i] = shop_open_group(s, "team", NULL);
    shop_commit(s);
    last_group = opened[GROUPS - 1]->c.group.group.group_id;
    for (int i = 0; i < GROUPS; i++) {
        snprintf(ids[i], sizeof ids[i], "o-%d", i);
        joined[i] =
            shop_join_group(s, "team", opened[i]->c.group.group.group_id, ids[i], ids[i], lime, 1);
    }
    shop_commit(s);
    for (int i = 0; i < GROUPS; i++)
        shop_confirm(s, joined[i]->c.reserve.reservation_id);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_CONFIRM), GROUPS);
    *state = s;
    return 0;
}

static void an_order_that_no_ended_group_concerns_is_in_the_next_batch(void **state)
{
    struct shop *s = *state;
    shop_advance(s, WINDOW_MS);
    struct ask *a = shop_reserve(s, "cola", cola, HOLDS - 1);
    struct ask *in = shop_reserve_in(s, "flash", "cola-2", "ann", cola, 1);
    commit_one(s);
    assert_true(a->answered && in->answered);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(in->c.code, 0);
    assert_in_range(shop_rows(s, MOVE_GROUP_FAIL), 1, GROUPS / 2);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_GROUP_FAIL), GROUPS);
    assert_int_equal(shop_rows(s, MOVE_RETURN), GROUPS);
}

static void an_order_of_what_ended_groups_have_is_given_their_units(void **state)
{
    struct shop *s = *state;
    shop_advance(s, WINDOW_MS);
    struct ask *a = shop_reserve(s, "lime", lime, GROUPS + 1);
    struct ask *in = shop_reserve_in(s, "team", "in-team", "ann", lime, 1);
    commit_one(s);
    assert_false(a->answered || in->answered);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(in->c.code, TLY_ESOLD_OUT);
}

static void a_payment_of_a_member_waits_until_its_group_has_ended(void **state)
{
    struct shop *s = *state;
    struct ask *member = shop_join_group(s, "team", last_group, "late", "bob", lime, 1);
    shop_commit(s);
    shop_advance(s, WINDOW_MS);
    struct ask *paid = shop_confirm(s, member->c.reserve.reservation_id);
    shop_commit(s);
    assert_int_equal(member->c.code, 0);
    assert_true(paid->answered);
    assert_int_equal(paid->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(paid->c.move.state, HOLD_REFUNDED);
    assert_int_equal(shop_rows(s, MOVE_GROUP_FAIL), GROUPS);
}

static void groups_whose_failure_is_undone_are_waited_for_again(void **state)
{
    struct shop *s = *state;
    shop_advance(s, WINDOW_MS);
    assert_true(shop_seal(s));
    shop_reject(s);
    struct ask *a = shop_reserve(s, "lime", lime, GROUPS + 1);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_rows(s, MOVE_GROUP_FAIL), GROUPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(an_order_of_another_lot_is_in_the_next_batch),
        T(due_holds_have_their_share_of_each_batch_however_many_orders_come),
        T(an_order_waits_for_the_due_holds_of_its_lot_alone),
        T(who_waits_for_the_same_holds_is_served_in_the_order_of_coming),
        T(an_order_of_a_sku_waits_for_the_due_holds_of_all_its_lots),
        T(orders_of_a_batch_wait_together),
        T(what_is_done_with_another_hold_is_in_the_next_batch),
        T(an_order_in_a_sale_waits_for_the_due_holds_of_the_sale),
        T(a_group_is_opened_while_holds_of_others_are_due),
        T(who_waits_hears_at_once_that_the_ledger_takes_no_writes),
        T(who_waits_longer_than_its_deadline_is_refused),
        T(what_waits_when_the_engine_ends_leaves_nothing_behind),
#undef T
        cmocka_unit_test(who_may_have_one_hold_waits_for_the_own_one_to_be_given_back),
        cmocka_unit_test_setup_teardown(an_order_that_no_ended_group_concerns_is_in_the_next_batch,
                                        open_groups, close_shop),
        cmocka_unit_test_setup_teardown(an_order_of_what_ended_groups_have_is_given_their_units,
                                        open_groups, close_shop),
        cmocka_unit_test_setup_teardown(a_payment_of_a_member_waits_until_its_group_has_ended,
                                        open_groups, close_shop),
        cmocka_unit_test_setup_teardown(groups_whose_failure_is_undone_are_waited_for_again,
                                        open_groups, close_shop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
