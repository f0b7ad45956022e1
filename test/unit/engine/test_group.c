/* Groups: places, success, failure, the last millisecond. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "shop.h"

enum { SIZE = 3, WINDOW_MS = 30000, HOLD_MS = 60000 };
static const char key[] = "cola#00000001";

static void create_sale(struct shop *s, const char *sale_id, uint16_t size)
{
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, sale_id);
    shop_sale_lot(a, 1);
    a->sale.terms.group_size = size;
    a->sale.terms.group_window_ms = size ? WINDOW_MS : 0;
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
}

static struct shop *open_with(const struct engine_config *config)
{
    struct shop *s = shop_open(config);
    shop_lot(s, key, 100);
    create_sale(s, "team", SIZE);
    return s;
}

static int open_shop(void **state)
{
    *state = open_with(NULL);
    return 0;
}

/* A sale is over as soon as it has ended. */
static int open_strict(void **state)
{
    struct engine_config config = shop_config();
    config.hold_total_max_ms = 1;
    config.refund_window_ms = 0;
    *state = open_with(&config);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *opener(struct shop *s, const char *order_id, const char *user)
{
    struct ask *a = shop_order_in(s, "team", order_id, user);
    shop_want_lot(a, key, 1);
    return a;
}

/* A committed group of one: "o-1" of user "u-1". */
static int64_t open_group(struct shop *s, int64_t *reservation_id)
{
    struct ask *order = opener(s, "o-1", "u-1");
    struct ask *a = shop_open_group(s, "team", order);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    if (reservation_id)
        *reservation_id = order->c.reserve.reservation_id;
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

static struct group_view group_of(struct shop *s, int64_t group)
{
    struct ask *a = shop_get_group(s, group);
    shop_commit(s);
    assert_true(a->answered);
    assert_int_equal(a->c.code, 0);
    return a->c.group.group;
}

static struct reservation_record *record_of(struct shop *s, int64_t id)
{
    struct ask *a = shop_get(s, id, "");
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.get.record;
}

static void assert_reason(struct shop *s, int64_t id, enum refund_reason reason)
{
    const struct reservation_record *r = record_of(s, id);
    assert_int_equal(r->state, HOLD_REFUNDED);
    assert_int_equal(r->reason, reason);
}

static void a_group_opens_alone_and_takes_no_place(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_open_group(s, "team", NULL);
    assert_false(a->answered);
    shop_commit(s);
    const struct move *row = shop_last_row(s);
    assert_int_equal(row->kind, MOVE_GROUP_OPEN);
    assert_int_equal(row->seq, a->c.group.group.group_id);
    assert_int_equal(row->group_id, row->seq);
    assert_int_equal(row->line.quantity, SIZE);
    assert_int_equal(row->line_count, 0);
    assert_int_equal(row->deadline_ms, s->now_ms + WINDOW_MS);
    assert_true(str_equal(row->user_id, STR("opener")));
    struct group_view v = group_of(s, row->seq);
    assert_int_equal(v.status, GROUP_IS_OPEN);
    assert_int_equal(v.places_left, SIZE);
    assert_int_equal(v.paid, 0);
    assert_int_equal(v.ends_ms, s->now_ms + WINDOW_MS);
    assert_true(str_equal(v.sale_id, STR("team")));
    assert_int_equal(shop_get_sale(s, "team")->sale.sale.groups_open, 1);
}

static void the_opener_s_order_is_the_first_in_it_in_one_batch(void **state)
{
    struct shop *s = *state;
    struct ask *order = opener(s, "o-1", "u-1");
    struct ask *a = shop_open_group(s, "team", order);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 2);
    assert_int_equal(s->flight->moves[0].kind, MOVE_GROUP_OPEN);
    assert_int_equal(s->flight->moves[1].kind, MOVE_RESERVE);
    assert_int_equal(s->flight->moves[1].group_id, s->flight->moves[0].seq);
    assert_true(s->flight->moves[1].seq > s->flight->moves[0].seq);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.group.group.places_left, SIZE - 1);
    assert_int_equal(order->c.reserve.state, HOLD_PENDING);
}

static void a_group_whose_opener_is_refused_is_not_opened(void **state)
{
    struct shop *s = *state;
    struct ask *order = shop_order_in(s, "team", "o-1", "u-1");
    shop_want_lot(order, key, 101);
    struct ask *a = shop_open_group(s, "team", order);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ESOLD_OUT);
    assert_int_equal(order->c.reserve.code, TLY_ESOLD_OUT);
    struct ask *nobody = opener(s, "o-2", "");
    assert_int_equal(shop_open_group(s, "team", nobody)->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(shop_rows(s, MOVE_GROUP_OPEN), 0);
    assert_int_equal(shop_stats(s).groups_open, 0);
}

static void opening_again_under_the_same_order_id_is_a_replay(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    struct ask *again = shop_open_group(s, "team", opener(s, "o-1", "u-1"));
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
    assert_true(again->c.group.replayed);
    assert_int_equal(again->c.group.group.group_id, group);
    assert_int_equal(shop_rows(s, MOVE_GROUP_OPEN), 1);
    /* Also when it is over and only the ledger knows it. */
    shop_advance(s, WINDOW_MS);
    shop_commit(s);
    again = shop_open_group(s, "team", opener(s, "o-1", "u-1"));
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
    assert_int_equal(again->c.group.group.group_id, group);
    assert_int_equal(again->c.group.group.status, GROUP_FAILED);
}

static void a_sale_without_groups_opens_none(void **state)
{
    struct shop *s = *state;
    create_sale(s, "plain", 0);
    assert_int_equal(shop_open_group(s, "plain", NULL)->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(shop_open_group(s, "nothing", NULL)->c.code, TLY_ENOT_FOUND);
}

static void the_confirm_that_pays_the_last_place_succeeds_in_its_batch(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    int64_t second = join(s, group, "o-2", "u-2");
    int64_t third = join(s, group, "o-3", "u-3");
    pay(s, third);
    pay(s, first);
    assert_int_equal(group_of(s, group).paid, 2);
    struct ask *last = shop_confirm_part(s, second, key, 1);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 3);
    assert_int_equal(s->flight->moves[1].kind, MOVE_RELEASE);
    assert_int_equal(s->flight->moves[2].kind, MOVE_GROUP_SUCCEED);
    assert_int_equal(s->flight->moves[2].line.quantity, SIZE);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(last->c.code, 0);
    struct group_view v = group_of(s, group); /* the ledger tells of it now */
    assert_int_equal(v.status, GROUP_SUCCEEDED);
    assert_int_equal(v.paid, SIZE);
    assert_int_equal(v.places_left, 0);
    assert_int_equal(v.ended_ms, s->now_ms);
    struct sale_view sale = shop_get_sale(s, "team")->sale.sale;
    assert_int_equal(sale.groups_open, 0);
    assert_int_equal(sale.groups_succeeded, 1);
    /* Its members are final: the end of the window changes nothing. */
    shop_advance(s, WINDOW_MS);
    shop_commit(s);
    assert_int_equal(shop_stock(s, 1).confirmed, 4);
    assert_int_equal(shop_rows(s, MOVE_GROUP_FAIL), 0);
}

static void a_group_that_is_not_paid_in_time_fails_as_a_whole(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    int64_t second = join(s, group, "o-2", "u-2");
    pay(s, first);
    shop_advance(s, WINDOW_MS - 1);
    assert_int_equal(engine_next_deadline(s->engine), s->now_ms + 1);
    assert_int_equal(group_of(s, group).status, GROUP_IS_OPEN);
    shop_advance(s, 1);
    /* The units are free at once. */
    struct ask *all = shop_reserve(s, "o-9", key, 100);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 4);
    assert_int_equal(s->flight->moves[0].kind, MOVE_GROUP_FAIL);
    assert_int_equal(s->flight->moves[0].line.quantity, 1);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(s->flight->moves[i].reason, REASON_GROUP_FAILED);
        assert_int_equal(s->flight->moves[i].kind,
                         s->flight->moves[i].reservation_id == first ? MOVE_RETURN : MOVE_REFUND);
    }
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(all->c.code, 0);
    assert_reason(s, first, REASON_GROUP_FAILED);
    assert_reason(s, second, REASON_GROUP_FAILED);
    struct group_view v = group_of(s, group);
    assert_int_equal(v.status, GROUP_FAILED);
    assert_int_equal(v.paid, 1);
    assert_int_equal(shop_get_sale(s, "team")->sale.sale.groups_failed, 1);
    assert_int_equal(s->gate[1], 0);
}

static void a_confirm_at_the_last_millisecond_counts_and_one_at_the_end_does_not(void **state)
{
    struct shop *s = *state;
    int64_t ids[2][SIZE];
    int64_t groups[2];
    static const char *const orders[2][SIZE] = {{"a-1", "a-2", "a-3"}, {"b-1", "b-2", "b-3"}};
    static const char *const users[SIZE] = {"u-1", "u-2", "u-3"};
    for (int g = 0; g < 2; g++) {
        struct ask *a = shop_open_group(s, "team", NULL);
        shop_commit(s);
        groups[g] = a->c.group.group.group_id;
        for (int i = 0; i < SIZE; i++)
            ids[g][i] = join(s, groups[g], orders[g][i], users[i]);
        pay(s, ids[g][0]);
        pay(s, ids[g][1]);
    }
    shop_advance(s, WINDOW_MS - 1);
    struct ask *in_time = shop_confirm(s, ids[0][2]);
    shop_advance(s, 1);
    struct ask *late = shop_confirm(s, ids[1][2]);
    shop_commit(s);
    assert_int_equal(in_time->c.code, 0);
    assert_int_equal(group_of(s, groups[0]).status, GROUP_SUCCEEDED);
    assert_int_equal(late->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(late->c.move.state_reason, REASON_GROUP_FAILED);
    assert_int_equal(group_of(s, groups[1]).status, GROUP_FAILED);
}

/* Holds of 29,999, 30,000 and 30,001 ms against a window of 30,000. */
static void a_hold_that_is_due_before_the_end_expires_and_at_that_millisecond_it_fails(void **state)
{
    struct shop *s = *state;
    struct ask *open = shop_open_group(s, "team", NULL);
    shop_commit(s);
    int64_t group = open->c.group.group.group_id;
    static const char *const orders[SIZE] = {"o-1", "o-2", "o-3"};
    struct ask *asks[SIZE];
    for (int i = 0; i < SIZE; i++) {
        asks[i] = shop_order_in(s, "team", orders[i], orders[i]);
        asks[i]->extra.group_id = group;
        asks[i]->c.reserve.hold_ms = WINDOW_MS - 1 + i;
        shop_want_lot(asks[i], key, 1);
        shop_send(s, asks[i]);
    }
    shop_commit(s);
    shop_advance(s, WINDOW_MS + 1); /* one look at the clock for all of it */
    shop_commit(s);
    assert_reason(s, asks[0]->c.reserve.reservation_id, REASON_EXPIRED);
    assert_reason(s, asks[1]->c.reserve.reservation_id, REASON_GROUP_FAILED);
    assert_reason(s, asks[2]->c.reserve.reservation_id, REASON_GROUP_FAILED);
    assert_int_equal(shop_available(s, 1), 100);
}

static void refusals_of_a_join_are_told_apart(void **state)
{
    struct shop *s = *state;
    create_sale(s, "other", SIZE);
    int64_t group = open_group(s, NULL);
    struct ask *twice = shop_join_group(s, "team", group, "o-2", "u-1", key, 1);
    assert_int_equal(twice->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(twice->c.reserve.trouble, ORDER_IN_GROUP);
    assert_int_equal(twice->extra.order_count, 1);
    assert_memory_equal(twice->extra.orders[0].order_id, "o-1", 3);
    assert_int_equal(shop_join_group(s, "team", group, "o-2", "", key, 1)->c.code,
                     TLY_EINVALID_ARGUMENT);
    struct ask *elsewhere = shop_join_group(s, "other", group, "o-2", "u-2", key, 1);
    assert_int_equal(elsewhere->c.code, TLY_ENOT_FOUND);
    assert_int_equal(elsewhere->c.reserve.trouble, ORDER_NO_GROUP);
    struct ask *nowhere = shop_join_group(s, "team", group + 1, "o-2", "u-2", key, 1);
    shop_commit(s);
    assert_int_equal(nowhere->c.code, TLY_ENOT_FOUND);
    assert_int_equal(nowhere->c.reserve.trouble, ORDER_NO_GROUP);
    join(s, group, "o-2", "u-2");
    join(s, group, "o-3", "u-3");
    assert_int_equal(shop_join_group(s, "team", group, "o-4", "u-4", key, 1)->c.code,
                     TLY_EGROUP_FULL);
    shop_advance(s, WINDOW_MS);
    struct ask *late = shop_join_group(s, "team", group, "o-5", "u-5", key, 1);
    assert_false(late->answered); /* it rests on the failure */
    shop_commit(s);
    assert_int_equal(late->c.code, TLY_EGROUP_CLOSED);
    struct ask *later = shop_join_group(s, "team", group, "o-6", "u-6", key, 1);
    shop_commit(s);
    assert_int_equal(later->c.code, TLY_EGROUP_CLOSED);
    elsewhere = shop_join_group(s, "other", group, "o-7", "u-7", key, 1);
    shop_commit(s);
    assert_int_equal(elsewhere->c.code, TLY_ENOT_FOUND);
    assert_int_equal(shop_available(s, 1), 100);
}

static void the_place_of_an_unpaid_member_falls_free(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    int64_t second = join(s, group, "o-2", "u-2");
    struct ask *third = shop_order_in(s, "team", "o-3", "u-3");
    third->extra.group_id = group;
    third->c.reserve.hold_ms = 1000;
    shop_want_lot(third, key, 1);
    shop_send(s, third);
    shop_commit(s);
    assert_int_equal(group_of(s, group).places_left, 0);
    shop_refund(s, second, REASON_NONE);
    shop_commit(s);
    assert_int_equal(group_of(s, group).places_left, 1);
    shop_advance(s, 1000);
    shop_commit(s);
    assert_int_equal(group_of(s, group).places_left, 2);
    join(s, group, "o-4", "u-2"); /* who left may come back */
    int64_t paid = join(s, group, "o-5", "u-5");
    pay(s, paid);
    shop_refund(s, paid, REASON_NONE);
    shop_commit(s);
    struct group_view v = group_of(s, group);
    assert_int_equal(v.places_left, 1);
    assert_int_equal(v.paid, 0);
}

static void a_group_that_the_shop_completes_succeeds_with_fewer(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    int64_t second = join(s, group, "o-2", "u-2");
    pay(s, first);
    struct ask *a = shop_complete_group(s, group);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->c.group.group.status, GROUP_SUCCEEDED);
    assert_int_equal(shop_last_row(s)->kind, MOVE_GROUP_SUCCEED);
    assert_int_equal(shop_last_row(s)->line.quantity, 1);
    assert_true(str_equal(shop_last_row(s)->note, STR("topped up")));
    struct ask *again = shop_complete_group(s, group);
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
    assert_true(again->c.group.replayed);
    /* Who has not paid has an ordinary hold: it outlives the window, and expires. */
    shop_advance(s, WINDOW_MS);
    shop_commit(s);
    assert_int_equal(shop_stock(s, 1).reserved, 2);
    shop_advance(s, HOLD_MS - WINDOW_MS);
    shop_commit(s);
    assert_reason(s, second, REASON_EXPIRED);
    assert_int_equal(record_of(s, first)->state, HOLD_CONFIRMED);
}

static void a_failed_group_is_not_completed(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    shop_advance(s, WINDOW_MS);
    struct ask *a = shop_complete_group(s, group);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EGROUP_CLOSED);
    struct ask *b = shop_complete_group(s, group);
    shop_commit(s);
    assert_int_equal(b->c.code, TLY_EGROUP_CLOSED);
    assert_int_equal(b->c.group.group.status, GROUP_FAILED);
    struct ask *none = shop_complete_group(s, group + 1);
    shop_commit(s);
    assert_int_equal(none->c.code, TLY_ENOT_FOUND);
}

static void what_was_undone_leaves_the_group_as_it_was(void **state)
{
    struct shop *s = *state;
    int64_t ids[SIZE];
    int64_t group = open_group(s, &ids[0]);
    ids[1] = join(s, group, "o-2", "u-2");
    pay(s, ids[0]);
    pay(s, ids[1]);
    struct ask *third = shop_join_group(s, "team", group, "o-3", "u-3", key, 1);
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(third->c.code, TLY_EOVERLOADED);
    assert_int_equal(group_of(s, group).places_left, 1);
    ids[2] = join(s, group, "o-3", "u-3");
    shop_confirm(s, ids[2]); /* would succeed */
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    struct group_view v = group_of(s, group);
    assert_int_equal(v.status, GROUP_IS_OPEN);
    assert_int_equal(v.paid, 2);
    struct ask *complete = shop_complete_group(s, group);
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(complete->c.code, TLY_EOVERLOADED);
    shop_refund(s, ids[0], REASON_NONE);
    shop_seal(s);
    shop_reject(s);
    shop_commit(s);
    v = group_of(s, group);
    assert_int_equal(v.paid, 2);
    assert_int_equal(v.places_left, 0);
    pay(s, ids[2]);
    assert_int_equal(group_of(s, group).status, GROUP_SUCCEEDED);
    assert_int_equal(shop_get_sale(s, "team")->sale.sale.groups_succeeded, 1);
}

static void an_undone_failure_comes_again_and_nothing_is_sold_twice(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    pay(s, first);
    shop_advance(s, WINDOW_MS);
    struct ask *all = shop_reserve(s, "o-9", key, 100);
    shop_seal(s);
    shop_reject(s);
    shop_advance(s, 1);
    shop_commit(s);
    assert_int_equal(all->c.code, TLY_EOVERLOADED);
    assert_int_equal(shop_rows(s, MOVE_GROUP_FAIL), 1);
    assert_reason(s, first, REASON_GROUP_FAILED);
    assert_int_equal(group_of(s, group).status, GROUP_FAILED);
    assert_int_equal(shop_available(s, 1), 100);
}

static void a_retry_of_an_opening_tells_nothing_that_is_not_committed(void **state)
{
    struct shop *s = *state;
    int64_t id;
    int64_t group = open_group(s, &id);
    shop_complete_group(s, group);
    shop_commit(s);
    shop_confirm(s, id);
    struct ask *again = shop_open_group(s, "team", opener(s, "o-1", "u-1"));
    shop_answer_reads(s);
    assert_false(again->answered);
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
    assert_int_equal(again->c.group.order->state, HOLD_CONFIRMED);
    assert_int_equal(again->c.group.group.status, GROUP_SUCCEEDED);
}

/* Between the undone end and the next look at the clock. */
static void a_payment_behind_an_undone_failure_is_too_late(void **state)
{
    struct shop *s = *state;
    int64_t ids[SIZE];
    int64_t group = open_group(s, &ids[0]);
    ids[1] = join(s, group, "o-2", "u-2");
    ids[2] = join(s, group, "o-3", "u-3");
    pay(s, ids[0]);
    pay(s, ids[1]);
    shop_advance(s, WINDOW_MS);
    shop_seal(s);
    shop_reject(s);
    struct ask *last = shop_confirm(s, ids[2]);
    struct ask *longer = shop_extend(s, ids[2], 2 * HOLD_MS);
    shop_commit(s);
    assert_int_equal(last->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(longer->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(group_of(s, group).status, GROUP_FAILED);
    for (size_t i = 0; i < SIZE; i++)
        assert_reason(s, ids[i], REASON_GROUP_FAILED);
}

static void a_failure_of_unknown_outcome_is_known_when_the_ledger_is(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    shop_advance(s, WINDOW_MS);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(shop_get_group(s, group)->c.code, TLY_EOUTCOME_UNKNOWN);
    s->flight->writable = true;
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    shop_advance(s, 1);
    shop_commit(s);
    assert_int_equal(shop_rows(s, MOVE_GROUP_FAIL), 1);
    assert_reason(s, first, REASON_GROUP_FAILED);
}

static void groups_wait_for_the_ledger_and_are_shown_as_over_meanwhile(void **state)
{
    struct shop *s = *state;
    int64_t paid;
    int64_t group = open_group(s, &paid);
    int64_t held = join(s, group, "o-2", "u-2");
    pay(s, paid);
    engine_set_available(s->engine, false);
    shop_advance(s, WINDOW_MS);
    struct ask *get = shop_get_group(s, group);
    assert_true(get->answered);
    assert_int_equal(get->c.group.group.status, GROUP_FAILED);
    assert_int_equal(engine_settled_deadline(s->engine), 0);
    assert_true(engine_next_deadline(s->engine) > s->now_ms);
    /* Nor is anything told of its members: not that they are held, and not that they are paid for.
     */
    assert_int_equal(shop_extend(s, held, 1)->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_confirm(s, paid)->c.code, TLY_EUNAVAILABLE);
    engine_set_available(s->engine, true);
    shop_commit(s);
    assert_int_equal(group_of(s, group).status, GROUP_FAILED);
}

static void open_groups_come_back_after_a_restart(void **state)
{
    struct shop *s = *state;
    int64_t ids[SIZE];
    int64_t group = open_group(s, &ids[0]);
    ids[1] = join(s, group, "o-2", "u-2");
    ids[2] = join(s, group, "o-3", "u-3");
    pay(s, ids[0]);
    shop_confirm_part(s, ids[1], key, 1);
    shop_commit(s);
    shop_refund(s, ids[2], REASON_NONE);
    shop_commit(s);
    shop_reopen(s);
    struct group_view v = group_of(s, group);
    assert_int_equal(v.status, GROUP_IS_OPEN);
    assert_int_equal(v.paid, 2);
    assert_int_equal(v.places_left, 1);
    assert_int_equal(shop_join_group(s, "team", group, "o-4", "u-1", key, 1)->c.reserve.trouble,
                     ORDER_IN_GROUP);
    shop_refund(s, ids[0], REASON_NONE);
    shop_commit(s);
    shop_reopen(s);
    assert_int_equal(group_of(s, group).places_left, 2);
    shop_advance(s, WINDOW_MS);
    shop_commit(s);
    assert_int_equal(shop_last_row(s)->kind, MOVE_RETURN);
    assert_int_equal(shop_last_row(s)->line.quantity, 1); /* as much as was confirmed */
    assert_int_equal(shop_available(s, 1), 100);
    shop_reopen(s);
    assert_int_equal(shop_available(s, 1), 100);
    assert_int_equal(group_of(s, group).status, GROUP_FAILED);
    assert_int_equal(shop_get_sale(s, "team")->sale.sale.groups_failed, 1);
    assert_int_equal(shop_stats(s).groups_open, 0);
}

static void a_group_whose_end_came_while_the_server_was_down_fails_at_start(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    pay(s, first);
    s->now_ms += WINDOW_MS;
    shop_reopen(s);
    struct ask *all = shop_reserve(s, "o-9", key, 100);
    shop_commit(s);
    assert_int_equal(all->c.code, 0);
    assert_int_equal(group_of(s, group).status, GROUP_FAILED);
}

static void a_clock_that_was_set_back_keeps_groups_with_paid_members(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    pay(s, first);
    s->now_ms -= 5000;
    shop_reopen(s);
    assert_int_equal(group_of(s, group).paid, 1);
    shop_advance(s, WINDOW_MS + 5000);
    shop_commit(s);
    assert_reason(s, first, REASON_GROUP_FAILED);
}

static void recovery_reads_from_the_oldest_open_group(void **state)
{
    struct shop *s = *state;
    int64_t first;
    int64_t group = open_group(s, &first);
    struct ask *close = shop_sale(s, COMMAND_CLOSE_SALE, "team");
    shop_send(s, close);
    shop_commit(s);
    pay(s, first); /* no hold is PENDING any more */
    shop_advance(s, 2);
    shop_reserve(s, "o-9", key, 1);
    shop_seal(s);
    assert_int_equal(s->flight->oldest_pending, group);
    shop_outcome(s, LEDGER_COMMITTED);
}

static void a_large_group_fails_in_one_batch_however_small_batches_are(void **state)
{
    (void)state;
    enum { LARGE = 200, LINES = 40 };
    struct engine_config config = shop_config();
    config.batch_moves_max = 16;
    struct shop *s = shop_open(&config);
    static char keys[LINES][24];
    for (int i = 0; i < LINES; i++) {
        snprintf(keys[i], sizeof keys[i], "cola#%08x", i + 1);
        shop_lot(s, keys[i], 10000);
    }
    struct ask *sale = shop_sale(s, COMMAND_CREATE_SALE, "team");
    shop_sale_sku(sale, "cola");
    sale->sale.terms.group_size = LARGE;
    sale->sale.terms.group_window_ms = WINDOW_MS;
    shop_send(s, sale);
    struct ask *open = shop_open_group(s, "team", NULL);
    shop_commit(s);
    static char ids[LARGE][16];
    for (int i = 0; i < LARGE - 1; i++) {
        snprintf(ids[i], sizeof ids[i], "o-%d", i);
        struct ask *a = shop_order_in(s, "team", ids[i], ids[i]);
        a->extra.group_id = open->c.group.group.group_id;
        for (int j = 0; j < LINES; j++)
            shop_want_lot(a, keys[j], 1);
        shop_send(s, a);
        shop_commit(s);
        assert_int_equal(a->c.code, 0);
    }
    shop_advance(s, WINDOW_MS);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, LARGE);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(shop_available(s, LINES), 10000);
    shop_close(s);
}

static void joins_of_one_turn_fill_a_group_and_no_more(void **state)
{
    struct shop *s = *state;
    enum { REQUESTS = 100 };
    int64_t group = open_group(s, NULL);
    static char ids[REQUESTS][16];
    static struct ask *asks[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(ids[i], sizeof ids[i], "j-%d", i);
        asks[i] = shop_join_group(s, "team", group, ids[i], ids[i], key, 1);
    }
    assert_false(asks[REQUESTS - 1]->answered);
    shop_seal(s);
    shop_reject(s); /* who was refused for those that are undone is decided again */
    shop_commit(s);
    int granted = 0;
    for (int i = 0; i < REQUESTS; i++)
        granted += asks[i]->c.code == 0;
    assert_int_equal(granted, SIZE - 1);
    assert_int_equal(group_of(s, group).places_left, 0);
}

static struct ask *move(struct shop *s, enum command_kind kind, int64_t id)
{
    struct ask *a = shop_ask(s, kind);
    a->c.move.reservation_id = id;
    a->c.move.lines = a->lines;
    a->c.move.line_max = ORDER_LINES_MAX;
    return a;
}

static void a_member_of_an_open_group_is_not_shipped_and_comes_back_as_a_whole(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    int64_t id = join(s, group, "o-2", "u-2");
    pay(s, id);
    struct ask *ship = move(s, COMMAND_SHIP, id);
    shop_send(s, ship);
    shop_commit(s);
    assert_int_equal(ship->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(ship->c.move.group_id, group);
    assert_int_equal(ship->c.move.sale, 1);
    struct ask *part = move(s, COMMAND_REFUND, id);
    part->c.move.wants = part->wants;
    part->c.move.want_count = 1;
    part->wants[0] = (struct want){.lot = str_of(key), .quantity = 1};
    shop_send(s, part);
    shop_commit(s);
    assert_int_equal(part->c.code, TLY_EINVALID_TRANSITION);
    shop_complete_group(s, group);
    shop_commit(s);
    ship = move(s, COMMAND_SHIP, id);
    shop_send(s, ship);
    shop_commit(s);
    assert_int_equal(ship->c.code, 0);
}

static void a_group_whose_members_are_confirmed_in_one_call_succeeds(void **state)
{
    struct shop *s = *state;
    int64_t ids[SIZE];
    int64_t group = open_group(s, &ids[0]);
    ids[1] = join(s, group, "o-2", "u-2");
    ids[2] = join(s, group, "o-3", "u-3");
    struct reservation_record *records[SIZE] = {NULL};
    struct ask *a = shop_ask(s, COMMAND_CONFIRM_ALL);
    a->c.confirm_all.reservation_ids = ids;
    a->c.confirm_all.records = records;
    a->c.confirm_all.count = SIZE;
    shop_send(s, a);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, SIZE + 1);
    assert_int_equal(s->flight->moves[SIZE].kind, MOVE_GROUP_SUCCEED);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(group_of(s, group).status, GROUP_SUCCEEDED);
}

static struct ask *reclaim(struct shop *s, int64_t id)
{
    struct ask *a = move(s, COMMAND_CONFIRM, id);
    a->c.move.reclaim = true;
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static int64_t expired_member(struct shop *s, int64_t group, const char *order_id)
{
    struct ask *a = shop_order_in(s, "team", order_id, order_id);
    a->extra.group_id = group;
    a->c.reserve.hold_ms = 1000;
    shop_want_lot(a, key, 1);
    shop_send(s, a);
    shop_commit(s);
    shop_advance(s, 1000);
    shop_commit(s);
    return a->c.reserve.reservation_id;
}

static void who_paid_late_is_a_member_after_a_restart_too(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    int64_t late = expired_member(s, group, "o-2");
    int64_t gone = expired_member(s, group, "o-3");
    assert_int_equal(reclaim(s, late)->c.code, 0);
    shop_reopen(s);
    assert_int_equal(group_of(s, group).paid, 1);
    assert_int_equal(group_of(s, group).places_left, 1);
    shop_advance(s, WINDOW_MS);
    shop_commit(s);
    assert_reason(s, late, REASON_GROUP_FAILED);
    assert_reason(s, gone, REASON_EXPIRED);
    assert_int_equal(shop_available(s, 1), 100);
}

static void the_refund_window_begins_with_the_payment_after_a_restart_too(void **state)
{
    (void)state;
    int64_t id;
    struct engine_config config = shop_config();
    config.refund_window_ms = 500;
    struct shop *s = shop_open(&config);
    shop_lot(s, key, 100);
    create_sale(s, "team", SIZE);
    open_group(s, &id);
    shop_advance(s, 1000);
    pay(s, id);
    shop_reopen(s);
    shop_advance(s, 300);
    struct ask *a = shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    shop_close(s);
}

static void an_unpaid_member_of_a_completed_group_is_changed_like_any_hold(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    int64_t id = join(s, group, "o-2", "u-2");
    struct ask *done = shop_ask(s, COMMAND_COMPLETE_GROUP);
    done->c.group.group_id = group;
    shop_send(s, done);
    shop_commit(s);
    assert_int_equal(done->c.code, 0);
    struct ask *a = shop_ask(s, COMMAND_CHANGE);
    a->c.move.reservation_id = id;
    a->c.move.lines = a->lines;
    a->c.move.line_max = ORDER_LINES_MAX;
    a->c.move.wants = a->wants;
    a->wants[a->c.move.want_count++] = (struct want){.lot = str_of(key), .quantity = 3};
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(a->lines[0].quantity, 3);
}

static void a_late_payment_takes_the_place_again_if_it_is_free(void **state)
{
    struct shop *s = *state;
    int64_t group = open_group(s, NULL);
    int64_t late = expired_member(s, group, "o-2");
    assert_int_equal(group_of(s, group).places_left, 2);
    assert_int_equal(reclaim(s, late)->c.code, 0);
    assert_int_equal(group_of(s, group).places_left, 1);
    assert_int_equal(group_of(s, group).paid, 1);
    int64_t later = expired_member(s, group, "o-3");
    join(s, group, "o-4", "u-4");
    assert_int_equal(reclaim(s, later)->c.code, TLY_EGROUP_FULL);
    shop_advance(s, WINDOW_MS);
    shop_commit(s);
    assert_int_equal(reclaim(s, later)->c.code, TLY_EGROUP_CLOSED);
    assert_int_equal(shop_available(s, 1), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_group_opens_alone_and_takes_no_place),
        T(the_opener_s_order_is_the_first_in_it_in_one_batch),
        T(a_group_whose_opener_is_refused_is_not_opened),
        T(opening_again_under_the_same_order_id_is_a_replay),
        T(a_sale_without_groups_opens_none),
        T(the_confirm_that_pays_the_last_place_succeeds_in_its_batch),
        T(a_group_that_is_not_paid_in_time_fails_as_a_whole),
        T(a_confirm_at_the_last_millisecond_counts_and_one_at_the_end_does_not),
        T(a_hold_that_is_due_before_the_end_expires_and_at_that_millisecond_it_fails),
        T(refusals_of_a_join_are_told_apart),
        T(the_place_of_an_unpaid_member_falls_free),
        T(a_group_that_the_shop_completes_succeeds_with_fewer),
        T(a_failed_group_is_not_completed),
        T(what_was_undone_leaves_the_group_as_it_was),
        T(an_undone_failure_comes_again_and_nothing_is_sold_twice),
        T(a_retry_of_an_opening_tells_nothing_that_is_not_committed),
        T(a_payment_behind_an_undone_failure_is_too_late),
        T(a_failure_of_unknown_outcome_is_known_when_the_ledger_is),
        T(groups_wait_for_the_ledger_and_are_shown_as_over_meanwhile),
        T(open_groups_come_back_after_a_restart),
        T(a_group_whose_end_came_while_the_server_was_down_fails_at_start),
        T(a_clock_that_was_set_back_keeps_groups_with_paid_members),
        cmocka_unit_test_setup_teardown(recovery_reads_from_the_oldest_open_group, open_strict,
                                        close_shop),
        T(who_paid_late_is_a_member_after_a_restart_too),
        cmocka_unit_test(the_refund_window_begins_with_the_payment_after_a_restart_too),
        T(an_unpaid_member_of_a_completed_group_is_changed_like_any_hold),
        T(joins_of_one_turn_fill_a_group_and_no_more),
        T(a_member_of_an_open_group_is_not_shipped_and_comes_back_as_a_whole),
        T(a_group_whose_members_are_confirmed_in_one_call_succeeds),
        T(a_late_payment_takes_the_place_again_if_it_is_free),
#undef T
        cmocka_unit_test(a_large_group_fails_in_one_batch_however_small_batches_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
