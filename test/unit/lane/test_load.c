/* Turns of a lane over a shared ledger: what is sent gathers until it is loaded. */
#include "fixture_lane.h"

/* The first load looks for due holds; nothing is. */
static int begin(void **state)
{
    rig_begin_shared(state);
    struct rig *r = *state;
    rig_turn(r);
    rig_loaded(r, 0);
    rig_turn(r);
    assert_int_equal(r->releases, 1);
    return 0;
}

static void commands_gather_until_what_they_touch_is_loaded(void **state)
{
    struct rig *r = *state;
    struct rig_order a, b;
    rig_send(r, rig_order(&a, "a", 2));
    rig_turn(r);
    assert_non_null(r->load);
    assert_true(r->load->writes);
    rig_send(r, rig_order(&b, "b", 2)); /* for the next load */
    rig_turn(r);
    assert_int_equal(r->loads, 2);
    assert_int_equal(r->batch_count, 0);
    rig_loaded(r, 0);
    assert_true(lane_work_waits(r->lane, true));
    rig_turn(r);
    assert_int_equal(r->batch_count, 1);
    assert_ptr_equal(r->batches[0]->load, r->load);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(r->answered_count, 1);
    assert_int_equal(a.command.code, 0);
    assert_int_equal(r->loads, 3);
    rig_loaded(r, 2);
    rig_turn(r);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(b.command.code, 0);
}

static void a_load_with_nothing_to_write_is_given_back_in_the_same_turn(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 2));
    rig_turn(r);
    rig_loaded(r, RIG_UNITS);
    rig_turn(r);
    assert_int_equal(o.command.code, TLY_ESOLD_OUT);
    assert_int_equal(r->releases, 2);
    assert_null(r->load);
    assert_int_equal(r->batch_count, 0);
}

static void a_stale_batch_is_loaded_again_and_everything_locked(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 2));
    rig_turn(r);
    rig_loaded(r, 0);
    rig_turn(r);
    rig_outcome(r, LEDGER_STALE);
    rig_turn(r);
    assert_int_equal(r->answered_count, 0);
    assert_int_equal(r->load->attempt, 1);
    rig_loaded(r, RIG_UNITS);
    rig_turn(r);
    assert_int_equal(o.command.code, TLY_ESOLD_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, rig_finish)
        T(commands_gather_until_what_they_touch_is_loaded),
        T(a_load_with_nothing_to_write_is_given_back_in_the_same_turn),
        T(a_stale_batch_is_loaded_again_and_everything_locked),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
