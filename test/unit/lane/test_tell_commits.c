/* What the host hears of commits, for those who keep copies of lots. The gate of these tests is the
 * embedded one, which wants nothing of it. */
#include "fixture_lane.h"

static struct heard {
    struct rig *rig;
    uint32_t calls, lots;
    lot_id lot;
    int64_t version, newest_seq;
    uint32_t answered_before;
    struct str key;
} heard;

static void lots_committed(void *context, const struct gate_stock *lots, uint32_t count,
                           int64_t newest_seq)
{
    (void)context;
    heard.calls++;
    heard.lots += count;
    heard.lot = lots[0].lot_id;
    heard.key = lots[0].dims->key;
    heard.version = lots[0].version;
    heard.newest_seq = newest_seq;
    heard.answered_before = heard.rig->answered_count;
}

static int begin(void **state)
{
    int code = rig_begin(state);
    struct rig *r = *state;
    heard = (struct heard){.rig = r};
    r->lane->host.lots_committed = lots_committed;
    return code;
}

static void order(struct rig *r, struct rig_order *o, const char *id, int64_t quantity)
{
    rig_send(r, rig_order(o, id, quantity));
    rig_turn(r);
}

static void a_commits_lots_are_told_with_their_versions_before_the_replies_leave(void **state)
{
    struct rig *r = *state;
    struct rig_order a, b;
    order(r, &a, "a", 1);
    order(r, &b, "b", 1); /* decided while the first is under way: not in its version */
    assert_int_equal(heard.calls, 0);
    int64_t seq = r->batches[0]->moves[0].seq;
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.lots, 1);
    assert_int_equal(heard.lot, 1);
    assert_true(str_equal(heard.key, STR(RIG_LOT)));
    assert_int_equal(heard.version, 2);
    assert_int_equal(heard.newest_seq, seq);
    assert_int_equal(heard.answered_before, 0);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(heard.version, 3);
}

static void of_a_batch_that_failed_nothing_is_told(void **state)
{
    struct rig *r = *state;
    struct rig_order a;
    order(r, &a, "a", 1);
    rig_outcome(r, LEDGER_REJECTED);
    rig_turn(r);
    assert_int_equal(heard.calls, 0);
}

static void of_an_unknown_outcome_it_is_told_when_it_is_known(void **state)
{
    struct rig *r = *state;
    struct rig_order a;
    order(r, &a, "a", 1);
    r->pause_turns = true;
    rig_outcome(r, LEDGER_UNKNOWN);
    rig_turn(r);
    assert_int_equal(heard.calls, 0);
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(heard.calls, 1);
}

static void what_is_refused_is_no_commit(void **state)
{
    struct rig *r = *state;
    struct rig_order a;
    order(r, &a, "a", RIG_UNITS + 1);
    assert_int_equal(heard.calls, 0);
    assert_int_equal(r->answered_count, 1);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, begin, rig_finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_commits_lots_are_told_with_their_versions_before_the_replies_leave),
        RIG_TEST(of_a_batch_that_failed_nothing_is_told),
        RIG_TEST(of_an_unknown_outcome_it_is_told_when_it_is_known),
        RIG_TEST(what_is_refused_is_no_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
