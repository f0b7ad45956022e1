/* One turn of a lane after another. */
#include "fixture_lane.h"

static void no_answer_leaves_before_its_commit(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 1));
    assert_true(rig_turn(r));
    assert_int_equal(r->batch_count, 1);
    assert_int_equal(r->answered_count, 0);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(r->answered_count, 1);
    assert_int_equal(o.command.code, 0);
}

static void a_turn_with_nothing_to_do_says_so(void **state)
{
    struct rig *r = *state;
    assert_false(rig_turn(r));
    assert_false(lane_work_waits(r->lane, false));
}

static void what_was_sent_waits_for_a_turn_and_what_the_ledger_sent_too(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 1));
    assert_true(lane_work_waits(r->lane, false));
    assert_false(lane_work_waits(r->lane, true));
    rig_turn(r);
    assert_false(lane_work_waits(r->lane, false));
    rig_outcome(r, LEDGER_COMMITTED);
    assert_true(lane_work_waits(r->lane, true));
}

static void the_ledger_goes_on_with_what_is_decided_before_anything_new(void **state)
{
    struct rig *r = *state;
    struct rig_order orders[3];
    rig_send(r, rig_order(&orders[0], "a", 1));
    rig_turn(r);
    rig_send(r, rig_order(&orders[1], "b", 1));
    rig_turn(r);
    assert_int_equal(r->batch_count, 1);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_send(r, rig_order(&orders[2], "c", 1));
    rig_turn(r);
    assert_int_equal(r->batch_count, 1);
    assert_int_equal(r->batches[0]->move_count, 1);
}

static void an_unknown_outcome_is_with_the_engine_before_the_ledger_goes_on(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 1));
    rig_turn(r);
    r->pause_turns = true;
    rig_outcome(r, LEDGER_UNKNOWN);
    assert_int_equal(r->pauses, 3);
    assert_int_equal(r->answered_count, 1);
    assert_int_equal(o.command.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(r->settled, 0);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(r->settled, 1);
}

static void an_unknown_outcome_waits_for_nobody_who_has_left(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 1));
    rig_turn(r);
    r->nobody_drives = true;
    rig_outcome(r, LEDGER_UNKNOWN);
    assert_int_equal(r->pauses, 1);
    rig_turn(r);
}

static void a_known_outcome_waits_for_nobody(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 1));
    rig_turn(r);
    rig_outcome(r, LEDGER_COMMITTED);
    assert_int_equal(r->pauses, 0);
    assert_int_equal(r->wakes, 1);
}

/* The rejection was there first: it must not close what has opened since. */
static void a_rejection_that_came_before_the_ledger_was_back_does_not_close_it(void **state)
{
    struct rig *r = *state;
    struct rig_order first, second;
    rig_send(r, rig_order(&first, "a", 1));
    rig_turn(r);
    rig_outcome(r, LEDGER_REJECTED);
    r->events.available(r->events.context, true, NULL);
    rig_turn(r);
    assert_int_equal(first.command.code, TLY_EUNAVAILABLE);
    rig_send(r, rig_order(&second, "b", 1));
    rig_turn(r);
    assert_int_equal(r->batch_count, 1);
}

static void a_ledger_that_is_not_available_takes_no_writes(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    r->events.available(r->events.context, false, "disk full");
    assert_false(lane_available(r->lane));
    rig_send(r, rig_order(&o, "a", 1));
    rig_turn(r);
    assert_int_equal(o.command.code, TLY_EUNAVAILABLE);
}

static void the_gate_knows_of_taken_units_before_the_commit(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", RIG_UNITS));
    rig_turn(r);
    assert_int_equal(rig_ask_gate(r, "b", 1), GATE_SOLD_OUT);
}

static void the_gate_knows_of_units_that_came_back_with_the_turn_of_the_rejection(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", RIG_UNITS));
    rig_turn(r);
    rig_outcome(r, LEDGER_REJECTED);
    rig_turn(r);
    assert_int_equal(rig_ask_gate(r, "b", RIG_UNITS), GATE_PASS);
}

static void the_gate_refuses_nothing_between_a_deadline_and_the_turn_that_sees_it(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", RIG_UNITS));
    o.command.reserve.hold_ms = 50;
    rig_turn(r);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(rig_ask_gate(r, "b", 1), GATE_SOLD_OUT);
    r->now_ms += 50;
    assert_int_equal(rig_ask_gate(r, "c", 1), GATE_BLIND);
    rig_turn(r);
    assert_int_equal(rig_ask_gate(r, "d", 1), GATE_PASS);
}

static void the_gate_knows_the_orders_of_a_batch(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_order(&o, "a", RIG_UNITS);
    struct command batch = {.kind = COMMAND_RESERVE_BATCH, .text = o.text, .text_size = 256};
    batch.batch.orders = &o.command.reserve;
    batch.batch.count = 1;
    rig_send(r, &batch);
    rig_turn(r);
    assert_int_equal(rig_ask_gate(r, "a", RIG_UNITS), GATE_REPLAY);
    assert_int_equal(rig_ask_gate(r, "b", 1), GATE_SOLD_OUT);
}

/* It never came to a decision about any of its orders. */
static void a_batch_that_is_refused_as_a_whole_gives_each_orders_units_back(void **state)
{
    struct rig *r = *state;
    struct rig_order orders[3];
    struct reserve_command all[3];
    const char *const ids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        rig_order(&orders[i], ids[i], 1);
        rig_pass_gate(r, &orders[i]);
        all[i] = orders[i].command.reserve;
    }
    assert_int_equal(rig_ask_gate(r, "d", RIG_UNITS - 2), GATE_SOLD_OUT);
    struct command batch = {
        .kind = COMMAND_RESERVE_BATCH, .text = orders[0].text, .text_size = sizeof orders[0].text};
    batch.batch.orders = all;
    batch.batch.count = 3;
    batch.deadline_ns = 1; /* it has passed */
    rig_send(r, &batch);
    rig_turn(r);
    assert_int_equal(batch.code, TLY_EOVERLOADED);
    assert_int_equal(rig_ask_gate(r, "e", RIG_UNITS), GATE_PASS);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_begin, rig_finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(no_answer_leaves_before_its_commit),
        RIG_TEST(a_turn_with_nothing_to_do_says_so),
        RIG_TEST(what_was_sent_waits_for_a_turn_and_what_the_ledger_sent_too),
        RIG_TEST(the_ledger_goes_on_with_what_is_decided_before_anything_new),
        RIG_TEST(an_unknown_outcome_is_with_the_engine_before_the_ledger_goes_on),
        RIG_TEST(an_unknown_outcome_waits_for_nobody_who_has_left),
        RIG_TEST(a_known_outcome_waits_for_nobody),
        RIG_TEST(a_rejection_that_came_before_the_ledger_was_back_does_not_close_it),
        RIG_TEST(a_ledger_that_is_not_available_takes_no_writes),
        RIG_TEST(the_gate_knows_of_taken_units_before_the_commit),
        RIG_TEST(the_gate_knows_of_units_that_came_back_with_the_turn_of_the_rejection),
        RIG_TEST(the_gate_refuses_nothing_between_a_deadline_and_the_turn_that_sees_it),
        RIG_TEST(the_gate_knows_the_orders_of_a_batch),
        RIG_TEST(a_batch_that_is_refused_as_a_whole_gives_each_orders_units_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
