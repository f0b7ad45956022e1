/* What must hold of a gate that never knows anything. It stands apart, since all that the other
 * adapters must do begins with knowing a lot. */
#include "fixture_gate.h"

#include "gate/gate_blind.h"

static int make(struct gate **out)
{
    return gate_blind_create(out, NULL);
}

static const struct adapter blind = {.name = "blind", .make = make};

static enum gate_verdict ask(struct rig *r, const char *lot, int64_t quantity, uint64_t order_hash,
                             bool order_new)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = quantity, .is_short = true};
    struct gate_ask asked = {
        .lines = &line, .line_count = 1, .order_hash = order_hash, .order_new = order_new};
    asker_ask(&r->me, &asked, 1, NOW_MS);
    assert_false(line.is_short);
    assert_int_equal(line.lot_id, 0);
    return asked.verdict;
}

static void every_ask_is_blind_whatever_there_is(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask(r, "a", 1, order(1), false), GATE_BLIND);
    assert_int_equal(ask(r, "a", 11, order(2), false), GATE_BLIND);
    assert_int_equal(ask(r, "b", 1, order(3), true), GATE_BLIND);
    assert_int_equal(ask(r, "nobody knows", 1, order(4), false), GATE_BLIND);
}

static void a_retry_is_blind_too(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask(r, "a", 10, order(1), false), GATE_BLIND);
    assert_int_equal(ask(r, "a", 10, order(1), false), GATE_BLIND);
}

static void what_it_is_told_changes_nothing(void **state)
{
    struct rig *r = *state;
    const struct gate_sale sale = {1, STR("flash"), NOW_MS + 1, NOW_MS + 2};
    assert_int_equal(r->g->ops->sale_known(r->g, &sale), 0);
    r->g->ops->order_seen(r->g, order(1));
    r->g->ops->orders_complete(r->g, false);
    r->g->ops->next_deadline(r->g, 0);
    change(r, 1, -10);
    accepted(r, order(2), 1, 0);
    assert_int_equal(ask(r, "a", 1, order(1), false), GATE_BLIND);
}

static void an_ask_is_answered_by_the_flush_and_not_before(void **state)
{
    struct rig *r = *state;
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    struct gate_ask asked = {.lines = &line, .line_count = 1, .context = &r->me};
    gate_ask(r->me.session, &asked);
    assert_int_equal(r->me.answered, 0);
    gate_flush(r->me.session, NOW_MS);
    assert_int_equal(r->me.answered, 1);
}

static void leaving_answers_what_is_open(void **state)
{
    struct rig *r = *state;
    struct asker other;
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    struct gate_ask asked = {.lines = &line, .line_count = 1, .verdict = GATE_PASS};
    asker_open(&other, r->g);
    asked.context = &other;
    gate_ask(other.session, &asked);
    asker_close(&other);
    assert_int_equal(other.answered, 1);
    assert_int_equal(asked.verdict, GATE_BLIND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_ask_is_blind_whatever_there_is),
        TEST(a_retry_is_blind_too),
        TEST(what_it_is_told_changes_nothing),
        TEST(an_ask_is_answered_by_the_flush_and_not_before),
        TEST(leaving_answers_what_is_open),
    };
    return RUN_ADAPTER(&blind, tests);
}
