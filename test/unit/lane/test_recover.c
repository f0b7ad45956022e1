/* What a lane makes of what the ledger streams. */
#include "fixture_lane.h"

#include "base/hash.h"

static struct move reserve_move(const char *order_id, int64_t at_ms, uint64_t order_hash)
{
    int64_t seq = seq_first_of_ms(at_ms);
    return (struct move){.seq = seq,
                         .reservation_id = seq,
                         .at_ms = at_ms,
                         .deadline_ms = at_ms + 60000,
                         .kind = MOVE_RESERVE,
                         .line_count = 1,
                         .line = {1, RIG_UNITS},
                         .order_id = str_of(order_id),
                         .user_id = STR("u"),
                         .order_hash = order_hash};
}

static void open_lane(struct rig *r, struct lane_recovery *recovery)
{
    recovery->hash_seed = RIG_SEED;
    assert_int_equal(lane_recover(r->lane, recovery, NULL), 0);
    lane_open(r->lane, r->now_ms);
}

static void the_retry_of_a_recovered_order_is_known_whether_its_hash_is_stored_or_not(void **state)
{
    struct rig *r = *state;
    struct lane_recovery recovery = {0};
    struct move moves[2] = {
        reserve_move("a", r->now_ms - 2, hash64(STR("a"), RIG_SEED)),
        reserve_move("b", r->now_ms - 1, 0),
    };
    moves[0].line.quantity = 1;
    moves[1].line.quantity = RIG_UNITS - 1;
    r->moves = moves;
    r->move_count = 2;
    open_lane(r, &recovery);
    assert_int_equal(recovery.moves, 2);
    assert_int_equal(rig_ask_gate(r, "a", 1), GATE_REPLAY);
    assert_int_equal(rig_ask_gate(r, "b", 1), GATE_REPLAY);
    assert_int_equal(rig_ask_gate(r, "c", 1), GATE_SOLD_OUT);
}

/* Otherwise the retry of an order in the run would be sold out instead of answered (I4). */
static void with_orders_in_a_run_no_order_is_called_new(void **state)
{
    struct rig *r = *state;
    struct lane_recovery recovery = {0};
    struct move move = reserve_move("a", r->now_ms - 1, 0);
    r->moves = &move;
    r->move_count = 1;
    r->has_run = true;
    open_lane(r, &recovery);
    assert_int_equal(rig_ask_gate(r, "c", 1), GATE_REPLAY);
}

static void time_starts_at_the_newest_move(void **state)
{
    struct rig *r = *state;
    struct lane_recovery recovery = {0};
    struct move move = reserve_move("a", r->now_ms + 3600000, 0);
    r->moves = &move;
    r->move_count = 1;
    open_lane(r, &recovery);
    assert_int_equal(recovery.newest_ms, r->now_ms + 3600000);
}

static void time_starts_after_the_last_number_though_its_move_is_archived(void **state)
{
    struct rig *r = *state;
    struct lane_recovery recovery = {0};
    r->last_seq = seq_first_of_ms(r->now_ms + 3600000) | 7;
    open_lane(r, &recovery);
    assert_int_equal(recovery.newest_ms, r->now_ms + 3600001);
}

static int create(void **state)
{
    *state = rig_create(false);
    return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, create, rig_finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_retry_of_a_recovered_order_is_known_whether_its_hash_is_stored_or_not),
        RIG_TEST(with_orders_in_a_run_no_order_is_called_new),
        RIG_TEST(time_starts_at_the_newest_move),
        RIG_TEST(time_starts_after_the_last_number_though_its_move_is_archived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
