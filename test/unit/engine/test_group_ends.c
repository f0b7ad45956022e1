/* What is asked of a group and its members when its window has just ended, and by whom it ended. */
#include "engine/engine_internal.h" /* before cmocka, whose macros are names here */

#include "fixture.h"

#include "shop_internal.h"

enum { SIZE = 2, WINDOW_MS = 30000 };
static const char key[] = "cola#00000001";

static struct shop *open_with(const struct engine_config *config)
{
    struct shop *s = shop_open(config);
    shop_lot(s, key, 100);
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "team");
    shop_sale_lot(a, 1);
    a->sale.terms.group_size = SIZE;
    a->sale.terms.group_window_ms = WINDOW_MS;
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return s;
}

static int open_shop(void **state)
{
    *state = open_with(NULL);
    return 0;
}

/* A batch has room for one move. */
static int open_small(void **state)
{
    struct engine_config config = shop_config();
    config.batch_moves_max = 1;
    *state = open_with(&config);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static int64_t open_group(struct shop *s)
{
    struct ask *a = shop_open_group(s, "team", NULL);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.group.group.group_id;
}

static int64_t join(struct shop *s, int64_t group, const char *order_id, const char *user)
{
    struct ask *a = shop_join_group(s, "team", group, order_id, user, key, 2);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.reserve.reservation_id;
}

static void pay(struct shop *s, int64_t id)
{
    struct ask *a = shop_confirm(s, id);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
}

static enum group_status status_of(struct shop *s, int64_t group)
{
    struct ask *a = shop_get_group(s, group);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.group.group.status;
}

/* Its confirm rested on the failure, and is decided again. */
static void a_failure_that_is_undone_comes_again_before_a_payment(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s);
    pay(s, join(s, group, "o-1", "u-1"));
    int64_t second = join(s, group, "o-2", "u-2");
    shop_advance(s, WINDOW_MS);
    struct ask *late = shop_confirm(s, second);
    shop_seal(s);
    assert_int_equal(s->flight->moves[0].kind, MOVE_GROUP_FAIL);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(late->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(late->c.move.state_reason, REASON_GROUP_FAILED);
    assert_int_equal(status_of(s, group), GROUP_FAILED);
    assert_int_equal(shop_rows(s, MOVE_GROUP_SUCCEED), 0);
    assert_int_equal(shop_available(s, 1), 100);
}

/* The batch is full when the window ends: the group waits for the next one, and so does he. */
static void a_member_whose_record_comes_after_the_end_ends_with_his_group(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s);
    int64_t id = join(s, group, "o-1", "u-1");
    struct ask *change = shop_move(s, COMMAND_CHANGE, id);
    shop_move_want(change, key, 3);
    shop_send(s, change);
    shop_commit(s);
    pay(s, id);
    struct ask *back = shop_refund(s, id, REASON_RETURNED); /* asks what became of its units */
    assert_false(back->answered);
    shop_reserve(s, "o-9", key, 1);
    shop_advance(s, WINDOW_MS);
    assert_true(shop_answer_one_read(s));
    shop_commit(s);
    assert_true(back->answered);
    assert_int_equal(back->c.code, TLY_EORDER_MISMATCH); /* it ended in another way */
    assert_int_equal(back->c.move.state_reason, REASON_GROUP_FAILED);
    assert_int_equal(status_of(s, group), GROUP_FAILED);
}

static void while_a_group_waits_for_its_end_the_gate_refuses_nobody(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s);
    join(s, group, "o-1", "u-1");
    assert_int_equal(engine_gate_deadline(s->engine), s->now_ms + WINDOW_MS);
    shop_reserve(s, "o-9", key, 1);
    shop_advance(s, WINDOW_MS);
    assert_int_equal(engine_gate_deadline(s->engine), 0);
    shop_commit(s);
    assert_true(engine_gate_deadline(s->engine) > s->now_ms);
}

static void while_nothing_is_written_its_members_have_ended_in_what_is_shown(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s);
    pay(s, join(s, group, "o-1", "u-1"));
    join(s, group, "o-2", "u-2");
    pay(s, join(s, open_group(s), "o-3", "u-3"));
    engine_set_available(s->engine, false);
    shop_advance(s, WINDOW_MS);
    static const char *const orders[] = {"o-1", "o-2"};
    static const char *const users[] = {"u-1", "u-2"};
    for (int i = 0; i < 2; i++) {
        struct ask *retry = shop_join_group(s, "team", group, orders[i], users[i], key, 2);
        assert_int_equal(retry->c.code, 0);
        assert_int_equal(retry->c.reserve.state, HOLD_REFUNDED);
        assert_int_equal(retry->c.reserve.reason, REASON_GROUP_FAILED);
    }
}

static void nobody_but_the_group_says_that_it_failed(void **state)
{
    struct shop *s = *state;
    int64_t id = join(s, open_group(s), "o-1", "u-1");
    assert_int_equal(shop_refund(s, id, REASON_GROUP_FAILED)->c.code, TLY_EINVALID_ARGUMENT);
    struct ask *other = shop_reserve(s, "o-2", key, 1);
    shop_commit(s);
    struct ask *a = shop_refund(s, other->c.reserve.reservation_id, REASON_GROUP_FAILED);
    shop_commit(s);
    assert_int_equal(a->c.code, 0); /* of a group that is the shop's own */
}

static void completed_without_a_word_it_is_told_from_one_that_was_paid(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_ask(s, COMMAND_COMPLETE_GROUP);
    a->c.group.group_id = open_group(s);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(shop_last_row(s)->kind, MOVE_GROUP_SUCCEED);
    assert_true(shop_last_row(s)->note.len > 0);
}

static void an_order_that_is_in_no_group_opens_none_when_it_comes_again(void **state)
{
    struct shop *s = *state;
    shop_reserve_in(s, "team", "o-1", "u-1", key, 1);
    shop_commit(s);
    for (int i = 0; i < 2; i++) {
        struct ask *order = shop_order_in(s, "team", "o-1", "u-1");
        shop_want_lot(order, key, 1);
        struct ask *a = shop_open_group(s, "team", order);
        shop_commit(s);
        assert_int_equal(a->c.code, TLY_EORDER_MISMATCH);
        /* Also when only the ledger knows it. */
        shop_advance(s, s->config.hold_default_ms);
        shop_commit(s);
    }
}

static void an_order_that_was_cancelled_before_it_came_opens_no_group(void **state)
{
    struct shop *s = *state;
    struct ask *fence = shop_move_by_order(s, COMMAND_REFUND, "o-1");
    fence->c.move.fence = true;
    shop_send(s, fence);
    for (int i = 0; i < 2; i++) {
        struct ask *order = shop_order_in(s, "team", "o-1", "u-1");
        shop_want_lot(order, key, 1);
        struct ask *a = shop_open_group(s, "team", order);
        shop_commit(s); /* and once more when only the ledger knows it */
        assert_int_equal(a->c.code, TLY_EGROUP_CLOSED);
        assert_int_equal(order->c.reserve.reason, REASON_CANCELLED);
    }
    assert_int_equal(shop_rows(s, MOVE_GROUP_OPEN), 0);
}

static void a_row_that_a_paid_member_cannot_have_is_corrupt(void **state)
{
    struct shop *s = *state;
    int64_t id = join(s, open_group(s), "o-1", "u-1");
    pay(s, id);
    struct error e = {0};
    engine_destroy(s->engine);
    assert_int_equal(engine_create(&s->engine, &s->config, &e), 0);
    assert_int_equal(engine_load_lot(s->engine, 1, s->rows[0].dims, NULL, &(struct stock){0}, &e),
                     0);
    shop_load_sales(s);
    for (uint32_t i = 0; i < s->row_count; i++)
        assert_int_equal(engine_load_move(s->engine, &s->rows[i], false, &e), 0);
    static const enum move_kind kinds[] = {MOVE_EXTEND, MOVE_CHANGE, MOVE_CONFIRM, MOVE_RECLAIM};
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct move bad = {.seq = shop_last_row(s)->seq + 1,
                                 .kind = (uint8_t)kinds[i],
                                 .reservation_id = id,
                                 .at_ms = s->now_ms,
                                 .deadline_ms = s->now_ms + 1,
                                 .line_count = 1,
                                 .line = {.lot = 1, .quantity = kinds[i] == MOVE_CHANGE ? 0 : 2}};
        assert_int_equal(engine_load_move(s->engine, &bad, true, &e), TLY_ECORRUPT);
    }
    engine_recovered(s->engine, s->now_ms);
    engine_advance(s->engine, s->now_ms, 1);
}

static void a_sale_whose_batch_lost_an_order_still_waits_for_it(void **state)
{
    struct shop *s = *state;
    struct ask *made = shop_sale(s, COMMAND_CREATE_SALE, "new");
    shop_sale_lot(made, 1);
    shop_send(s, made);
    shop_reserve_in(s, "new", "o-1", "u-1", key, 1);
    struct engine *e = s->engine;
    undo_batch(e, e->open, 1);
    assert_false(shop_get_sale(s, "new")->answered);
    struct ask *group = shop_open_group(s, "team", NULL);
    int64_t id = group->c.group.group.group_id;
    shop_join_group(s, "team", id, "o-2", "u-2", key, 1);
    undo_batch(e, e->open, 2);
    assert_false(shop_get_group(s, id)->answered);
    assert_false(shop_get_sale(s, "team")->answered);
    shop_commit(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)     cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, open_small, close_shop)
        T(a_failure_that_is_undone_comes_again_before_a_payment),
        SMALL(a_member_whose_record_comes_after_the_end_ends_with_his_group),
        SMALL(while_a_group_waits_for_its_end_the_gate_refuses_nobody),
        T(while_nothing_is_written_its_members_have_ended_in_what_is_shown),
        T(nobody_but_the_group_says_that_it_failed),
        T(completed_without_a_word_it_is_told_from_one_that_was_paid),
        T(an_order_that_is_in_no_group_opens_none_when_it_comes_again),
        T(an_order_that_was_cancelled_before_it_came_opens_no_group),
        T(a_row_that_a_paid_member_cannot_have_is_corrupt),
        T(a_sale_whose_batch_lost_an_order_still_waits_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
