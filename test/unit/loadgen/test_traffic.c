/* The life of orders as the load generator plays them, driven with a clock and answers of the test.
 */
#include "loadgen/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { START_NS = 1000, MS = 1000000, CALLS_MAX = 20000, LOTS_MAX = 1000 };

struct rig {
    struct plan plan;
    struct order_mix mix;
    struct lot_tally tallies[LOTS_MAX];
    struct report report;
    struct collector collector;
    struct traffic_run run;
    struct order_book book;
    struct traffic *traffic;
    struct call_source source;
    struct call calls[CALLS_MAX]; /* all that it gave, in order */
    size_t count;
    uint64_t now_ns;
};

static struct rig *rig_open_with_lots(double rate, uint64_t duration_ms,
                                      const struct order_mix *mix, uint32_t lots)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    struct model_options model = {
        .model = MODEL_STEADY, .rate = rate, .duration_ns = duration_ms * MS, .connections = 1};
    assert_int_equal(plan_init(&r->plan, &model, NULL), 0);
    report_init(&r->report);
    r->report.stages = calloc(1, sizeof *r->report.stages);
    r->report.stage_count = 1;
    histogram_init(&r->report.stages[0].histogram);
    r->mix = *mix;
    if (!r->mix.quantity_max)
        r->mix.quantity_max = 1;
    if (!r->mix.hold_ms)
        r->mix.hold_ms = 3600 * 1000;
    assert_true(lots <= LOTS_MAX);
    assert_int_equal(
        choice_init(&r->mix.choice, lots == 1 ? CHOICE_ONE : CHOICE_UNIFORM, lots, 0, NULL), 0);
    collector_init(&r->collector, &r->report);
    r->run = (struct traffic_run){
        .plan = &r->plan,
        .mix = &r->mix,
        .tallies = r->tallies,
        .collector = &r->collector,
        .threads = 1,
        .arrivals = ARRIVALS_UNIFORM,
        .batch = 1,
        .look = -1,
        .start_ns = START_NS,
    };
    order_book_init(&r->book, 0);
    assert_int_equal(traffic_create(&r->traffic, &r->run, &r->book, 1, NULL), 0);
    r->source = traffic_source(r->traffic);
    r->now_ns = START_NS;
    return r;
}

static struct rig *rig_open(double rate, uint64_t duration_ms, const struct order_mix *mix)
{
    return rig_open_with_lots(rate, duration_ms, mix, 1);
}

static void rig_close(struct rig *r)
{
    traffic_destroy(r->traffic);
    order_book_close(&r->book);
    collector_close(&r->collector);
    report_close(&r->report);
    choice_close(&r->mix.choice);
    plan_close(&r->plan);
    free(r);
}

/* All calls due by now; returns how many. */
static size_t rig_take(struct rig *r)
{
    size_t before = r->count;
    while (r->source.due_ns(r->source.owner, r->now_ns) <= r->now_ns) {
        assert_true(r->count < CALLS_MAX);
        struct call *c = &r->calls[r->count];
        if (!r->source.next(r->source.owner, r->now_ns, c))
            break;
        c->sent_ns = r->now_ns;
        r->count++;
    }
    return r->count - before;
}

static void rig_wait(struct rig *r, uint64_t ms)
{
    r->now_ns += ms * MS;
}

static void rig_answer(struct rig *r, size_t call, enum answer_code code, uint64_t reservation_id)
{
    struct answer a = {.code = code, .reservation_id = reservation_id};
    r->source.answered(r->source.owner, &r->calls[call], &a, r->now_ns);
}

static struct order_entry *entry_of(struct rig *r, size_t call)
{
    return order_book_at(&r->book, r->calls[call].order);
}

static size_t count_kind(const struct rig *r, size_t from, enum call_kind kind)
{
    size_t n = 0;
    for (size_t i = from; i < r->count; i++)
        n += r->calls[i].kind == kind;
    return n;
}

static void as_many_calls_are_due_as_the_rate_says(void **state)
{
    (void)state;
    struct rig *r = rig_open(1000, 2000, &(struct order_mix){0});
    rig_wait(r, 1000);
    assert_in_range(rig_take(r), 999, 1001);
    rig_wait(r, 5000);
    rig_take(r);
    assert_in_range(r->count, 1999, 2001);
    for (size_t i = 0; i < r->count; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    assert_int_equal(r->source.due_ns(r->source.owner, r->now_ns), UINT64_MAX);
    assert_true(traffic_done(r->traffic));
    assert_int_equal(traffic_offered_in_stage(r->traffic, 0), r->count);
    rig_close(r);
}

static void latency_counts_from_when_a_call_was_due_not_from_when_it_was_sent(void **state)
{
    (void)state;
    struct rig *r = rig_open(1000, 1000, &(struct order_mix){0});
    rig_wait(r, 1000); /* the worker hears of nothing for a second, then sends all at once */
    rig_take(r);
    for (size_t i = 0; i < r->count; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    traffic_finish(r->traffic);
    collector_take(&r->collector, UINT32_MAX);
    struct latency l = latency_of(&r->report.stages[0].histogram);
    assert_true(l.max > 990 && l.max < 1001);
    assert_true(l.p50 > 490 && l.p50 < 510);
    assert_int_equal(r->report.stages[0].codes[ANSWER_OK], r->count);
    rig_close(r);
}

static void a_call_is_not_given_before_it_is_due(void **state)
{
    (void)state;
    struct rig *r = rig_open(10, 1000, &(struct order_mix){0});
    rig_take(r);
    size_t begin = r->count;
    uint64_t due_ns = r->source.due_ns(r->source.owner, r->now_ns);
    assert_true(due_ns > r->now_ns);
    struct call c;
    assert_false(r->source.next(r->source.owner, due_ns - 1, &c));
    r->now_ns = due_ns;
    rig_take(r);
    assert_int_equal(r->count, begin + 1);
    assert_int_equal(r->calls[begin].due_ns, due_ns);
    rig_close(r);
}

static void a_paid_order_is_confirmed_after_the_time_to_think(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 10000, &(struct order_mix){.pay = 1});
    r->run.think_ns = 30 * (uint64_t)MS;
    rig_wait(r, 950);
    rig_take(r);
    rig_answer(r, 0, ANSWER_OK, 77);
    uint64_t acknowledged_ns = r->now_ns;
    rig_wait(r, 29);
    assert_int_equal(rig_take(r), 0);
    rig_wait(r, 1);
    assert_int_equal(rig_take(r), 1);
    const struct call *c = &r->calls[r->count - 1];
    assert_int_equal(c->kind, CALL_CONFIRM);
    assert_int_equal(c->reservation_id, 77);
    assert_int_equal(c->due_ns, acknowledged_ns + 30 * MS);
    rig_answer(r, r->count - 1, ANSWER_OK, 77);
    assert_int_equal(entry_of(r, 0)->step, ORDER_CONFIRMED);
    rig_close(r);
}

static void a_session_reserves_confirms_and_refunds_in_that_order(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 10000, &(struct order_mix){.sessions = true});
    rig_wait(r, 950);
    rig_take(r);
    static const enum call_kind kinds[] = {CALL_RESERVE, CALL_CONFIRM, CALL_REFUND};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r->calls[i].kind, kinds[i]);
        rig_answer(r, i, ANSWER_OK, 5);
        rig_take(r);
    }
    assert_int_equal(r->count, 3);
    assert_int_equal(entry_of(r, 0)->step, ORDER_REFUNDED);
    assert_int_equal(r->tallies[0].held, 0);
    assert_int_equal(r->tallies[0].held_peak, 1);
    rig_close(r);
}

static void a_retry_that_names_another_reservation_is_noted_as_twice(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 10000, &(struct order_mix){.retry = 1});
    rig_wait(r, 950);
    rig_take(r);
    rig_answer(r, 0, ANSWER_OK, 5);
    rig_take(r);
    assert_int_equal(r->calls[1].kind, CALL_RESERVE);
    assert_int_equal(r->calls[1].order, r->calls[0].order);
    rig_answer(r, 1, ANSWER_OK, 6);
    assert_true(entry_of(r, 0)->twice);
    assert_int_equal(entry_of(r, 0)->reservation_id, 5);
    assert_int_equal(r->tallies[0].held, 1); /* a replay is not held once more */
    rig_close(r);
}

static void
a_retry_that_is_sold_out_is_noted_as_denied_and_one_that_is_overloaded_is_not(void **state)
{
    (void)state;
    struct rig *r = rig_open(2, 10000, &(struct order_mix){.retry = 1});
    rig_wait(r, 950);
    assert_int_equal(rig_take(r), 2);
    rig_answer(r, 0, ANSWER_OK, 5);
    rig_answer(r, 1, ANSWER_OK, 6);
    assert_int_equal(rig_take(r), 2);
    rig_answer(r, 2, ANSWER_OVERLOADED, 0);
    rig_answer(r, 3, ANSWER_SOLD_OUT, 0);
    assert_false(entry_of(r, 2)->denied);
    assert_true(entry_of(r, 3)->denied);
    rig_close(r);
}

static void the_orders_that_took_the_last_units_are_retried(void **state)
{
    (void)state;
    /* A share so small that no order is retried for its own sake. */
    struct rig *r = rig_open(10, 10000, &(struct order_mix){.retry = 1e-12});
    rig_wait(r, 950);
    assert_int_equal(rig_take(r), 10);
    for (size_t i = 0; i < 6; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    assert_int_equal(rig_take(r), 0);
    rig_wait(r, 1);
    rig_answer(r, 6, ANSWER_SOLD_OUT, 0);
    assert_int_equal(rig_take(r), 6);
    for (size_t i = 10; i < 16; i++)
        assert_int_equal(r->calls[i].order, r->calls[i - 10].order);
    rig_answer(r, 7, ANSWER_OK, 99); /* was on its way when another was refused */
    assert_int_equal(rig_take(r), 1);
    assert_int_equal(r->calls[16].order, r->calls[7].order);
    rig_wait(r, 1);
    rig_answer(r, 8, ANSWER_SOLD_OUT, 0); /* once is enough */
    assert_int_equal(rig_take(r), 0);
    rig_close(r);
}

static void the_last_unit_of_one_of_many_lots_is_retried_although_it_was_long_ago(void **state)
{
    (void)state;
    struct rig *r = rig_open_with_lots(1000, 10000, &(struct order_mix){.retry = 1e-12}, LOTS_MAX);
    rig_wait(r, 2000);
    rig_take(r);
    size_t first = r->count;
    for (size_t i = 0; i + 1 < first; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    size_t last = 0; /* the newest order of the lot of the oldest one */
    for (size_t i = 0; i + 1 < first; i++)
        if (r->calls[i].lot == r->calls[0].lot)
            last = i;
    r->calls[first - 1].lot = r->calls[0].lot;
    rig_answer(r, first - 1, ANSWER_SOLD_OUT, 0);
    rig_take(r);
    bool found = false;
    for (size_t i = first; i < r->count; i++)
        found |= r->calls[i].order == r->calls[last].order;
    assert_true(found);
    rig_close(r);
}

static void a_hold_that_may_end_within_the_run_is_not_held_for_certain(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 60000, &(struct order_mix){.hold_ms = 90 * 1000});
    rig_wait(r, 950);
    rig_take(r);
    rig_answer(r, 0, ANSWER_OK, 5);
    assert_int_equal(r->tallies[0].held_peak, 0);
    rig_close(r);
}

static void an_answer_that_leaves_the_outcome_open_marks_the_order_in_doubt(void **state)
{
    (void)state;
    struct rig *r = rig_open(5, 10000, &(struct order_mix){.pay = 1});
    static const enum answer_code codes[] = {ANSWER_TIMED_OUT, ANSWER_CLOSED,
                                             ANSWER_OUTCOME_UNKNOWN, ANSWER_OVERLOADED,
                                             ANSWER_NOT_SENT};
    rig_wait(r, 950);
    assert_int_equal(rig_take(r), 5);
    for (size_t i = 0; i < 5; i++)
        rig_answer(r, i, codes[i], 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(entry_of(r, i)->step, ORDER_SENT);
        assert_true(entry_of(r, i)->in_doubt);
    }
    assert_int_equal(entry_of(r, 3)->step, ORDER_REFUSED);
    assert_int_equal(entry_of(r, 4)->step, ORDER_UNUSED);
    assert_int_equal(rig_take(r), 0); /* nothing follows */
    assert_int_equal(r->tallies[0].held, 0);
    rig_close(r);
}

static void a_confirm_in_doubt_keeps_the_step_before_it(void **state)
{
    (void)state;
    struct rig *r = rig_open(2, 10000, &(struct order_mix){.pay = 1});
    rig_wait(r, 950);
    rig_take(r);
    rig_answer(r, 0, ANSWER_OK, 5);
    rig_answer(r, 1, ANSWER_OK, 6);
    rig_take(r);
    rig_answer(r, 2, ANSWER_TIMED_OUT, 0);
    rig_answer(r, 3, ANSWER_NOT_FOUND, 0);
    assert_int_equal(entry_of(r, 0)->step, ORDER_HELD);
    assert_true(entry_of(r, 0)->in_doubt);
    assert_true(entry_of(r, 1)->denied);
    rig_close(r);
}

static void steps_that_are_due_after_the_end_are_left_out(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 2000, &(struct order_mix){.pay = 1});
    r->run.think_ns = 1500 * (uint64_t)MS;
    rig_wait(r, 950);
    rig_take(r);
    rig_answer(r, 0, ANSWER_OK, 5);
    rig_wait(r, 2000); /* beyond the end */
    size_t from = r->count;
    rig_take(r);
    assert_int_equal(count_kind(r, from, CALL_CONFIRM), 0);
    for (size_t i = from; i < r->count; i++)
        rig_answer(r, i, ANSWER_SOLD_OUT, 0);
    r->source.due_ns(r->source.owner, r->now_ns);
    assert_true(traffic_done(r->traffic));
    rig_close(r);
}

static void a_stop_ends_it_once_all_are_answered(void **state)
{
    (void)state;
    struct rig *r = rig_open(10, 60000, &(struct order_mix){.pay = 1});
    rig_wait(r, 950);
    rig_take(r);
    r->run.stop = true;
    assert_int_equal(r->source.due_ns(r->source.owner, r->now_ns), UINT64_MAX);
    assert_false(traffic_done(r->traffic));
    for (size_t i = 0; i < r->count; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    assert_int_equal(r->source.due_ns(r->source.owner, r->now_ns), UINT64_MAX);
    assert_true(traffic_done(r->traffic));
    rig_close(r);
}

static void calls_that_were_due_at_the_stop_but_never_asked_for_count_as_not_sent(void **state)
{
    (void)state;
    struct rig *r = rig_open(10, 60000, &(struct order_mix){0});
    rig_wait(r, 950);
    assert_int_equal(rig_take(r), 10);
    for (size_t i = 0; i < r->count; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    rig_wait(r, 1000); /* ten more were due */
    r->run.stop = true;
    r->run.stop_ns = r->now_ns;
    traffic_finish(r->traffic);
    collector_take(&r->collector, UINT32_MAX);
    assert_int_equal(traffic_offered_in_stage(r->traffic, 0), 20);
    assert_int_equal(r->report.stages[0].codes[ANSWER_NOT_SENT], 10);
    assert_int_equal(r->report.stages[0].answered, 10);
    rig_close(r);
}

static void a_closed_loop_gives_calls_until_their_number_is_reached(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 10000, &(struct order_mix){0});
    r->run.closed = true;
    r->run.calls = 50;
    rig_wait(r, 1);
    assert_int_equal(rig_take(r), 50);
    assert_int_equal(r->calls[49].due_ns, r->now_ns);
    rig_close(r);
}

static void each_order_of_a_batch_is_counted_and_kept(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 10000, &(struct order_mix){.batch = 4});
    r->run.batch = 4;
    rig_wait(r, 950);
    rig_take(r);
    assert_int_equal(r->calls[0].kind, CALL_RESERVE_BATCH);
    assert_int_equal(r->book.count, 4);
    struct batch_outcome outcomes[4] = {{.code = ANSWER_OK, .reservation_id = 1},
                                        {.code = ANSWER_OK, .reservation_id = 2},
                                        {.code = ANSWER_SOLD_OUT},
                                        {.code = ANSWER_SOLD_OUT}};
    struct answer a = {.code = ANSWER_OK, .outcomes = outcomes, .outcome_count = 4};
    r->source.answered(r->source.owner, &r->calls[0], &a, r->now_ns);
    traffic_finish(r->traffic);
    collector_take(&r->collector, UINT32_MAX);
    assert_int_equal(r->report.stages[0].codes[ANSWER_OK], 2);
    assert_int_equal(r->report.stages[0].codes[ANSWER_SOLD_OUT], 2);
    assert_int_equal(order_book_at(&r->book, 1)->reservation_id, 2);
    assert_int_equal(order_book_at(&r->book, 2)->step, ORDER_REFUSED);
    rig_close(r);
}

static void holds_that_may_expire_do_not_count_as_held_for_certain(void **state)
{
    (void)state;
    struct rig *r = rig_open(1, 10000, &(struct order_mix){.expire = 1});
    rig_wait(r, 950);
    rig_take(r);
    rig_answer(r, 0, ANSWER_OK, 5);
    assert_int_equal(r->tallies[0].held_peak, 0);
    rig_close(r);
}

static void answers_count_in_the_second_they_came_in(void **state)
{
    (void)state;
    struct rig *r = rig_open(10, 3000, &(struct order_mix){0});
    rig_wait(r, 900);
    size_t first = rig_take(r);
    rig_wait(r, 1200); /* 2.1 s */
    for (size_t i = 0; i < first; i++)
        rig_answer(r, i, ANSWER_OK, i + 1);
    traffic_finish(r->traffic);
    collector_take(&r->collector, UINT32_MAX);
    assert_int_equal(r->report.point_count, 3);
    assert_true(r->report.points[2].achieved_per_s == (double)first);
    assert_true(r->report.points[0].achieved_per_s == 0);
    assert_int_equal(traffic_offered_in_second(r->traffic, 0), first);
    assert_true(r->report.points[2].p50_ms > 1000);
    rig_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_calls_are_due_as_the_rate_says),
        cmocka_unit_test(latency_counts_from_when_a_call_was_due_not_from_when_it_was_sent),
        cmocka_unit_test(a_call_is_not_given_before_it_is_due),
        cmocka_unit_test(a_paid_order_is_confirmed_after_the_time_to_think),
        cmocka_unit_test(a_session_reserves_confirms_and_refunds_in_that_order),
        cmocka_unit_test(a_retry_that_names_another_reservation_is_noted_as_twice),
        cmocka_unit_test(
            a_retry_that_is_sold_out_is_noted_as_denied_and_one_that_is_overloaded_is_not),
        cmocka_unit_test(the_orders_that_took_the_last_units_are_retried),
        cmocka_unit_test(the_last_unit_of_one_of_many_lots_is_retried_although_it_was_long_ago),
        cmocka_unit_test(a_hold_that_may_end_within_the_run_is_not_held_for_certain),
        cmocka_unit_test(an_answer_that_leaves_the_outcome_open_marks_the_order_in_doubt),
        cmocka_unit_test(a_confirm_in_doubt_keeps_the_step_before_it),
        cmocka_unit_test(steps_that_are_due_after_the_end_are_left_out),
        cmocka_unit_test(a_stop_ends_it_once_all_are_answered),
        cmocka_unit_test(calls_that_were_due_at_the_stop_but_never_asked_for_count_as_not_sent),
        cmocka_unit_test(a_closed_loop_gives_calls_until_their_number_is_reached),
        cmocka_unit_test(each_order_of_a_batch_is_counted_and_kept),
        cmocka_unit_test(holds_that_may_expire_do_not_count_as_held_for_certain),
        cmocka_unit_test(answers_count_in_the_second_they_came_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
