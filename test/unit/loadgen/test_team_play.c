/* A sale of groups as the load generator plays it, driven with a clock and answers of the test. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "loadgen/teams.h"
#include "loadgen/traffic.h"

enum {
    MS = 1000000,
    CALLS_MAX = 4000,
    SIZE = 3,
    WINDOW_MS = 1000,
    THINK_MS = 50,
    FIRST_GROUP = 700
};

#define START_NS UINT64_C(1000)
#define OPENS_NS (2500 * UINT64_C(1000000)) /* a quarter of ten seconds */

static struct rig {
    struct plan plan;
    struct order_mix mix;
    struct lot_tally tally;
    struct report report;
    struct collector collector;
    struct traffic_run run;
    struct order_book book;
    struct traffic *traffic;
    struct call_source source;
    struct call calls[CALLS_MAX]; /* all that it gave, in order */
    size_t count;
    uint64_t now_ns;
} rig;

/* Orders only, a hundred a second; all teams are of that kind: 1 pays, 2 changes, 0 another. */
static void rig_open(int pays)
{
    memset(&rig, 0, sizeof rig);
    struct model_options model = {
        .model = MODEL_GROUP_BUY, .rate = 100, .duration_ns = 10000 * UINT64_C(1000000)};
    assert_int_equal(plan_init(&rig.plan, &model, NULL), 0);
    assert_int_equal(rig.plan.opens_ns, OPENS_NS);
    report_init(&rig.report);
    rig.report.stages = calloc(rig.plan.stage_count, sizeof *rig.report.stages);
    rig.report.stage_count = (uint32_t)rig.plan.stage_count;
    for (uint32_t i = 0; i < rig.report.stage_count; i++)
        histogram_init(&rig.report.stages[i].histogram);
    rig.mix = (struct order_mix){.seed = 5,
                                 .pay = pays == 1,
                                 .cancel = pays == 2,
                                 .quantity_max = 1,
                                 .hold_ms = 3600 * 1000,
                                 .teams = {.size = SIZE, .user_limit = 1, .window_ms = WINDOW_MS}};
    assert_int_equal(choice_init(&rig.mix.choice, CHOICE_ONE, 1, 0, NULL), 0);
    collector_init(&rig.collector, &rig.report);
    rig.run = (struct traffic_run){.plan = &rig.plan,
                                   .mix = &rig.mix,
                                   .tallies = &rig.tally,
                                   .collector = &rig.collector,
                                   .threads = 1,
                                   .arrivals = ARRIVALS_UNIFORM,
                                   .batch = 1,
                                   .think_ns = THINK_MS * (uint64_t)MS,
                                   .look = 0,
                                   .opens_first_ns = START_NS + OPENS_NS - MS,
                                   .opens_last_ns = START_NS + OPENS_NS + MS,
                                   .start_ns = START_NS};
    order_book_init(&rig.book, 0);
    assert_int_equal(traffic_create(&rig.traffic, &rig.run, &rig.book, 1, NULL), 0);
    rig.source = traffic_source(rig.traffic);
    rig.now_ns = START_NS;
}

static void rig_close(void)
{
    traffic_destroy(rig.traffic);
    order_book_close(&rig.book);
    collector_close(&rig.collector);
    report_close(&rig.report);
    choice_close(&rig.mix.choice);
    plan_close(&rig.plan);
}

/* The next call that is due until then, which the clock goes on to; NULL: there is none. */
static struct call *next_until(uint64_t at_ns)
{
    uint64_t due_ns = rig.source.due_ns(rig.source.owner, rig.now_ns);
    if (due_ns > at_ns)
        return NULL;
    if (due_ns > rig.now_ns)
        rig.now_ns = due_ns;
    assert_true(rig.count < CALLS_MAX);
    struct call *c = &rig.calls[rig.count];
    if (!rig.source.next(rig.source.owner, rig.now_ns, c))
        return NULL;
    c->sent_ns = rig.now_ns;
    rig.count++;
    return c;
}

static struct call *next(void)
{
    struct call *c = next_until(UINT64_MAX - 1);
    assert_non_null(c);
    return c;
}

static struct order_entry *entry_of(const struct call *c)
{
    return order_book_at(&rig.book, c->order);
}

static void answer(const struct call *c, enum answer_code code)
{
    struct answer a = {.code = code,
                       .reservation_id = 1000 + c->order,
                       .group_id = FIRST_GROUP + team_number(&rig.mix, c->order)};
    rig.source.answered(rig.source.owner, c, &a, rig.now_ns);
}

/* The first call that is what the test wants; those before are answered well. */
static struct call *wait_for(bool (*is)(const struct call *))
{
    for (;;) {
        struct call *c = next();
        if (is(c))
            return c;
        answer(c, ANSWER_OK);
    }
}

static uint32_t place_of(const struct call *c)
{
    return team_place(&rig.mix, c->order);
}

static bool is_order(const struct call *c)
{
    return c->kind == CALL_RESERVE || c->kind == CALL_OPEN_GROUP;
}

static bool is_open(const struct call *c)
{
    return c->kind == CALL_OPEN_GROUP;
}

static bool is_join(const struct call *c)
{
    return c->kind == CALL_RESERVE && place_of(c) < SIZE;
}

static bool is_spare(const struct call *c)
{
    return c->kind == CALL_RESERVE && place_of(c) == SIZE;
}

static bool is_again(const struct call *c)
{
    return c->kind == CALL_RESERVE && place_of(c) == SIZE + 1;
}

static bool is_confirm(const struct call *c)
{
    return c->kind == CALL_CONFIRM;
}

static bool is_refund(const struct call *c)
{
    return c->kind == CALL_REFUND;
}

static void go_to_opening(void)
{
    rig.now_ns = START_NS + OPENS_NS + 2 * MS;
    struct call *c;
    while (rig.source.due_ns(rig.source.owner, rig.now_ns) < START_NS + OPENS_NS) {
        c = next(); /* was due in the countdown */
        answer(c, ANSWER_NOT_SENT);
    }
}

/* ---- who comes ---- */

static void who_comes_too_early_is_refused_and_comes_first_after_the_opening(void **state)
{
    (void)state;
    rig_open(1);
    uint64_t early[400];
    size_t count = 0;
    struct call *c;
    while ((c = next_until(START_NS + OPENS_NS - 10 * MS))) {
        assert_int_equal(c->kind, CALL_OPEN_GROUP);
        early[count++] = c->order;
        answer(c, ANSWER_SALE_NOT_OPEN);
        assert_int_equal(entry_of(c)->step, ORDER_REFUSED);
        assert_false(entry_of(c)->shut);
    }
    assert_true(count > 10);
    rig.now_ns = START_NS + OPENS_NS + 5 * MS;
    size_t again = 0;
    while (again < count) {
        c = next();
        if (c->kind != CALL_OPEN_GROUP || c->order > early[count - 1]) {
            answer(c, ANSWER_OK);
            continue;
        }
        assert_int_equal(c->order, early[again++]);
        assert_int_equal(entry_of(c)->step, ORDER_SENT);
        answer(c, ANSWER_OK);
        assert_int_equal(entry_of(c)->step, ORDER_HELD);
    }
    rig_close();
}

static void members_join_the_group_that_was_opened_before_another_is(void **state)
{
    (void)state;
    rig_open(1);
    go_to_opening();
    struct call *open = wait_for(is_order);
    assert_int_equal(open->kind, CALL_OPEN_GROUP);
    assert_int_equal(open->buyer, open->order);
    answer(open, ANSWER_OK);
    const struct team *team = &rig.book.teams[team_number(&rig.mix, open->order)];
    assert_int_equal(team->group_id, FIRST_GROUP + team_number(&rig.mix, open->order));
    for (uint32_t i = 1; i < SIZE; i++) {
        struct call *join = wait_for(is_join);
        assert_int_equal(join->order, open->order + i);
        assert_int_equal(join->group_id, team->group_id);
        assert_true(join->in_sale);
        assert_int_equal(join->buyer, join->order);
        answer(join, ANSWER_OK);
    }
    assert_int_equal(team->members, SIZE);
    assert_int_equal(wait_for(is_order)->kind, CALL_OPEN_GROUP);
    rig_close();
}

static void nobody_joins_a_group_whose_window_is_over(void **state)
{
    (void)state;
    rig_open(1);
    rig.mix.teams.window_ms = 5; /* an order is due every 10 ms */
    go_to_opening();
    for (int i = 0; i < 50; i++) {
        struct call *c = next();
        assert_false(is_join(c));
        answer(c, ANSWER_OK);
    }
    assert_true(rig.book.team_count > 10);
    rig_close();
}

static void a_member_pays_after_the_time_to_think(void **state)
{
    (void)state;
    rig_open(1);
    go_to_opening();
    struct call *open = wait_for(is_order);
    answer(open, ANSWER_OK);
    uint64_t told_ns = rig.now_ns;
    struct call *confirm = wait_for(is_confirm);
    assert_int_equal(confirm->reservation_id, 1000 + open->order);
    assert_int_equal(confirm->due_ns, told_ns + THINK_MS * MS);
    answer(confirm, ANSWER_OK);
    assert_int_equal(entry_of(confirm)->step, ORDER_CONFIRMED);
    rig_close();
}

static void a_member_who_leaves_makes_room_for_another_who_pays(void **state)
{
    (void)state;
    rig_open(2);
    go_to_opening();
    struct call *refund = wait_for(is_refund);
    answer(refund, ANSWER_OK);
    assert_int_equal(entry_of(refund)->step, ORDER_REFUNDED);
    struct call *spare = wait_for(is_spare);
    assert_int_equal(team_first(&rig.mix, spare->order), team_first(&rig.mix, refund->order));
    assert_int_equal(spare->group_id, rig.book.teams[team_number(&rig.mix, spare->order)].group_id);
    answer(spare, ANSWER_OK);
    struct call *confirm;
    do {
        confirm = wait_for(is_confirm);
        answer(confirm, ANSWER_OK);
    } while (confirm->order != spare->order);
    rig_close();
}

static bool is_last_moment(const struct call *c)
{
    struct team_plan p = team_plan_of(&rig.mix, c->order);
    return is_confirm(c) && p.kind == TEAM_LAST_MOMENT && place_of(c) == p.odd;
}

static void the_last_payment_is_due_when_the_window_ends(void **state)
{
    (void)state;
    rig_open(0);
    go_to_opening();
    struct call *confirm = wait_for(is_last_moment);
    const struct team *team = &rig.book.teams[team_number(&rig.mix, confirm->order)];
    assert_int_equal(confirm->due_ns, team->told_ns + WINDOW_MS * MS);
    rig_close();
}

static void a_team_whose_opener_is_in_doubt_is_left_alone(void **state)
{
    (void)state;
    rig_open(1);
    go_to_opening();
    struct call *open = wait_for(is_order);
    answer(open, ANSWER_TIMED_OUT);
    assert_true(entry_of(open)->in_doubt);
    assert_int_equal(entry_of(open)->step, ORDER_SENT);
    for (int i = 0; i < 100; i++) {
        struct call *c = next();
        assert_true(!is_order(c) || team_first(&rig.mix, c->order) != open->order);
        answer(c, ANSWER_OK);
    }
    rig_close();
}

/* ---- what must be refused ---- */

static void one_more_than_there_are_places_is_beyond_if_it_is_acknowledged(void **state)
{
    (void)state;
    rig_open(1);
    go_to_opening();
    struct call *crowd = wait_for(is_spare);
    assert_int_equal(rig.book.teams[team_number(&rig.mix, crowd->order)].members, SIZE);
    answer(crowd, ANSWER_GROUP_FULL);
    assert_false(entry_of(crowd)->beyond || entry_of(crowd)->shut);
    crowd = wait_for(is_spare);
    answer(crowd, ANSWER_OK);
    assert_true(entry_of(crowd)->beyond);
    rig_close();
}

static void a_second_order_of_a_buyer_is_beyond_while_his_first_one_holds(void **state)
{
    (void)state;
    rig_open(1);
    go_to_opening();
    struct call *again = wait_for(is_again);
    assert_int_equal(again->buyer, team_buyer(&rig.mix, again->order));
    assert_true(again->buyer != again->order);
    assert_int_equal(again->group_id, 0);
    answer(again, ANSWER_LIMIT_EXCEEDED);
    assert_false(entry_of(again)->beyond || entry_of(again)->shut);
    again = wait_for(is_again);
    answer(again, ANSWER_OK);
    assert_true(entry_of(again)->beyond);
    again = wait_for(is_again);
    rig.now_ns += WINDOW_MS * (uint64_t)MS; /* the first one's group may have failed */
    answer(again, ANSWER_OK);
    assert_false(entry_of(again)->beyond);
    rig_close();
}

static void an_order_that_is_acknowledged_before_the_opening_is_beyond(void **state)
{
    (void)state;
    rig_open(1);
    struct call *c = next();
    answer(c, ANSWER_OK);
    assert_true(entry_of(c)->beyond);
    rig.now_ns = START_NS + OPENS_NS; /* perhaps */
    c = wait_for(is_open);
    answer(c, ANSWER_OK);
    assert_false(entry_of(c)->beyond);
    rig_close();
}

/* ---- what must not be refused ---- */

static bool is_shut_by(enum answer_code code, uint64_t after_ms)
{
    rig_open(1);
    go_to_opening();
    struct call *join = wait_for(is_join);
    rig.now_ns += after_ms * MS;
    answer(join, code);
    bool shut = entry_of(join)->shut;
    assert_int_equal(entry_of(join)->step, ORDER_REFUSED);
    rig_close();
    return shut;
}

static void a_refusal_that_nothing_explains_shuts_a_member_out(void **state)
{
    (void)state;
    assert_true(is_shut_by(ANSWER_GROUP_FULL, 0));
    assert_true(is_shut_by(ANSWER_LIMIT_EXCEEDED, 0));
    assert_true(is_shut_by(ANSWER_SALE_CLOSED, 0));
    assert_true(is_shut_by(ANSWER_SALE_NOT_OPEN, 0));
    assert_true(is_shut_by(ANSWER_GROUP_CLOSED, WINDOW_MS / 2));
    assert_false(is_shut_by(ANSWER_GROUP_CLOSED, WINDOW_MS));
    assert_false(is_shut_by(ANSWER_SOLD_OUT, 0));
    assert_false(is_shut_by(ANSWER_OVERLOADED, 0));
}

static void a_sale_that_is_not_open_when_it_must_be_shuts_an_opener_out(void **state)
{
    (void)state;
    rig_open(1);
    rig.now_ns = START_NS + OPENS_NS; /* perhaps not yet */
    struct call *c = next();
    answer(c, ANSWER_SALE_NOT_OPEN);
    assert_false(entry_of(c)->shut);
    rig.now_ns = START_NS + OPENS_NS + 2 * MS;
    c = next();
    answer(c, ANSWER_SALE_NOT_OPEN);
    assert_true(entry_of(c)->shut);
    rig_close();
}

static void a_payment_that_is_refused_is_denied_in_time_and_too_late_afterwards(void **state)
{
    (void)state;
    rig_open(1);
    go_to_opening();
    struct call *confirm = wait_for(is_confirm);
    answer(confirm, ANSWER_INVALID_TRANSITION);
    assert_true(entry_of(confirm)->denied);
    assert_false(entry_of(confirm)->late);
    confirm = wait_for(is_confirm);
    rig.now_ns += WINDOW_MS * (uint64_t)MS;
    answer(confirm, ANSWER_INVALID_TRANSITION);
    assert_false(entry_of(confirm)->denied);
    assert_true(entry_of(confirm)->late);
    traffic_finish(rig.traffic);
    collector_take(&rig.collector, UINT32_MAX);
    uint64_t late = 0, wrong = 0;
    for (uint32_t i = 0; i < rig.report.stage_count; i++) {
        late += rig.report.stages[i].codes[ANSWER_TOO_LATE];
        wrong += rig.report.stages[i].codes[ANSWER_INVALID_TRANSITION];
    }
    assert_int_equal(late, 1);
    assert_int_equal(wrong, 1);
    rig_close();
}

static void a_payment_for_a_hold_that_may_have_expired_is_too_late(void **state)
{
    (void)state;
    rig_open(1);
    rig.mix.hold_ms = WINDOW_MS / 2;
    go_to_opening();
    struct call *confirm = wait_for(is_confirm);
    rig.now_ns += WINDOW_MS / 2 * (uint64_t)MS;
    answer(confirm, ANSWER_INVALID_TRANSITION);
    assert_false(entry_of(confirm)->denied);
    assert_true(entry_of(confirm)->late);
    rig_close();
}

static void a_retry_is_the_same_order_in_the_same_group(void **state)
{
    (void)state;
    rig_open(1);
    rig.mix.retry = 1;
    go_to_opening();
    struct call *open = wait_for(is_order);
    answer(open, ANSWER_OK);
    struct call *retry = next();
    assert_int_equal(retry->kind, CALL_OPEN_GROUP);
    assert_int_equal(retry->order, open->order);
    assert_int_equal(retry->buyer, open->buyer);
    struct answer a = {.code = ANSWER_OK, .reservation_id = 7, .group_id = 9};
    rig.source.answered(rig.source.owner, retry, &a, rig.now_ns);
    assert_true(entry_of(open)->twice);
    assert_int_equal(rig.book.teams[team_number(&rig.mix, open->order)].members, 1);
    rig_close();
}

static void look_ups_are_of_the_sale(void **state)
{
    (void)state;
    rig_open(1);
    rig.run.look = 1;
    for (int i = 0; i < 20; i++) {
        struct call *c = next();
        assert_int_equal(c->kind, CALL_GET_SALE);
        answer(c, ANSWER_OK);
    }
    assert_int_equal(rig.book.team_count, 0);
    rig_close();
}

/* What the countdown tells at a time, in ms from the opening. */
static bool is_wrong(int64_t at_ms, int64_t starts_in_ms, bool open)
{
    rig_open(1);
    rig.run.look = 1;
    rig.now_ns = (uint64_t)((int64_t)(START_NS + OPENS_NS) + at_ms * MS);
    struct call *c = next();
    struct answer a = {.code = ANSWER_OK, .starts_in_ms = starts_in_ms, .sale_open = open};
    rig.source.answered(rig.source.owner, c, &a, rig.now_ns);
    bool wrong = rig.run.countdowns_wrong == 1;
    rig_close();
    return wrong;
}

static void a_countdown_tells_when_the_sale_opens(void **state)
{
    (void)state;
    assert_false(is_wrong(-2000, 2000, false));
    assert_false(is_wrong(-2000, 2001, false));
    assert_false(is_wrong(-2000, 1999, false));
    assert_true(is_wrong(-2000, 2010, false));
    assert_true(is_wrong(-2000, 1990, false));
    assert_true(is_wrong(-2000, 2000, true));
    assert_false(is_wrong(0, 1, false));
    assert_false(is_wrong(0, 0, true));
    assert_false(is_wrong(100, 0, true));
    assert_true(is_wrong(100, 0, false));
    assert_true(is_wrong(100, 5, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_too_early_is_refused_and_comes_first_after_the_opening),
        cmocka_unit_test(members_join_the_group_that_was_opened_before_another_is),
        cmocka_unit_test(nobody_joins_a_group_whose_window_is_over),
        cmocka_unit_test(a_member_pays_after_the_time_to_think),
        cmocka_unit_test(a_member_who_leaves_makes_room_for_another_who_pays),
        cmocka_unit_test(the_last_payment_is_due_when_the_window_ends),
        cmocka_unit_test(a_team_whose_opener_is_in_doubt_is_left_alone),
        cmocka_unit_test(one_more_than_there_are_places_is_beyond_if_it_is_acknowledged),
        cmocka_unit_test(a_second_order_of_a_buyer_is_beyond_while_his_first_one_holds),
        cmocka_unit_test(an_order_that_is_acknowledged_before_the_opening_is_beyond),
        cmocka_unit_test(a_refusal_that_nothing_explains_shuts_a_member_out),
        cmocka_unit_test(a_sale_that_is_not_open_when_it_must_be_shuts_an_opener_out),
        cmocka_unit_test(a_payment_that_is_refused_is_denied_in_time_and_too_late_afterwards),
        cmocka_unit_test(a_payment_for_a_hold_that_may_have_expired_is_too_late),
        cmocka_unit_test(a_retry_is_the_same_order_in_the_same_group),
        cmocka_unit_test(look_ups_are_of_the_sale),
        cmocka_unit_test(a_countdown_tells_when_the_sale_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
