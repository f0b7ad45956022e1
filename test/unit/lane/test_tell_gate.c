/* What a gate that goes by the truth is told: each commit's lots, and each order's outcome. */
#include "fixture_lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { TOLD_MAX = 16 };

static struct told {
    struct gate gate; /* first */
    struct gate_settlement orders[TOLD_MAX];
    size_t order_count;
    struct gate_stock stocks[TOLD_MAX];
    size_t stock_count;
    uint64_t seen;          /* the newest order_id that did not come through it */
    size_t answered_before; /* commands that had left when the newest order was told */
    struct gate_sale sale;
    unsigned sales;
    lot_id known;
    int64_t known_version, known_available;
    struct rig *rig;
} told;

static int lot_known(struct gate *g, const struct gate_stock *lot)
{
    (void)g;
    told.known = lot->lot_id;
    told.known_version = lot->version;
    told.known_available = lot->available;
    return 0;
}

static void committed(struct gate *g, const struct gate_settlement *orders, size_t n,
                      const struct gate_stock *lots, size_t m)
{
    (void)g;
    assert_true(n + m > 0);
    for (size_t i = 0; i < n; i++)
        told.orders[told.order_count++] = orders[i];
    for (size_t i = 0; i < m; i++)
        told.stocks[told.stock_count++] = lots[i];
    told.answered_before = told.rig->answered_count;
}

static int sale_known(struct gate *g, const struct gate_sale *sale)
{
    (void)g;
    told.sale = *sale;
    told.sales++;
    return 0;
}

static void order_seen(struct gate *g, uint64_t order_hash)
{
    (void)g;
    told.seen = order_hash;
}

static void orders_complete(struct gate *g, bool complete)
{
    (void)g, (void)complete;
}

static void next_deadline(struct gate *g, int64_t deadline_ms)
{
    (void)g, (void)deadline_ms;
}

static void destroy(struct gate *g)
{
    (void)g;
}

static const struct gate_ops ops = {.lot_known = lot_known,
                                    .sale_known = sale_known,
                                    .committed = committed,
                                    .order_seen = order_seen,
                                    .orders_complete = orders_complete,
                                    .next_deadline = next_deadline,
                                    .destroy = destroy};

static int begin_with(void **state, bool shared)
{
    struct rig *r = rig_create(shared);
    struct lane_recovery recovery = {.hash_seed = RIG_SEED};
    gate_destroy(r->lane->gate);
    told = (struct told){.gate.ops = &ops, .rig = r};
    r->lane->gate = &told.gate;
    *state = r;
    assert_int_equal(lane_recover(r->lane, &recovery, NULL), 0);
    lane_open(r->lane, r->now_ms);
    return 0;
}

static int begin(void **state)
{
    return begin_with(state, false);
}

/* The first load looks for due holds; nothing is. */
static int begin_shared(void **state)
{
    begin_with(state, true);
    struct rig *r = *state;
    rig_turn(r);
    rig_loaded(r, 0);
    rig_turn(r);
    told.stock_count = 0;
    return 0;
}

static void decide(struct rig *r, struct rig_order *o, const char *id, int64_t quantity)
{
    rig_send(r, rig_order(o, id, quantity));
    rig_turn(r);
}

static void end_batch(struct rig *r, enum ledger_outcome outcome)
{
    rig_outcome(r, outcome);
    rig_turn(r);
}

static void assert_told(size_t i, const char *order_id, enum gate_outcome outcome)
{
    assert_true(i < told.order_count);
    assert_true(str_equal(told.orders[i].order_id, str_of(order_id)));
    assert_int_equal(told.orders[i].order_hash, hash64(str_of(order_id), RIG_SEED));
    assert_int_equal(told.orders[i].outcome, outcome);
}

static void a_lot_is_told_with_its_version_at_start(void **state)
{
    (void)state;
    assert_int_equal(told.known, 1);
    assert_int_equal(told.known_version, 1);
}

static void a_sale_is_told_as_it_was_committed(void **state)
{
    struct rig *r = *state;
    struct sale_copy copy;
    struct sale_item item = {.lot = 1};
    struct sale_command sale = {.terms = {.sale_id = STR("flash"),
                                          .starts_ms = RIG_NOW_MS + 5,
                                          .ends_ms = RIG_NOW_MS + 10,
                                          .item_count = 1,
                                          .items = &item},
                                .copy = &copy};
    struct command c = {.kind = COMMAND_CREATE_SALE, .sale = &sale};
    rig_send(r, &c);
    rig_turn(r);
    assert_int_equal(told.sales, 0);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(c.code, 0);
    assert_int_equal(told.sales, 1);
    assert_int_equal(told.sale.number, 1);
    assert_true(str_equal(told.sale.sale_id, STR("flash")));
    assert_int_equal(told.sale.opens_ms, RIG_NOW_MS + 5);
    assert_int_equal(told.sale.closes_ms, RIG_NOW_MS + 10);
    c = (struct command){.kind = COMMAND_CLOSE_SALE, .sale = &sale};
    rig_send(r, &c);
    rig_turn(r);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.sales, 2);
    assert_int_equal(told.sale.closes_ms, r->now_ms);
}

static void an_accepted_order_is_told_with_its_commit_before_its_answer_leaves(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    decide(r, &o, "a", 2);
    assert_int_equal(told.order_count + told.stock_count, 0);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.order_count, 1);
    assert_told(0, "a", GATE_ACCEPTED);
    assert_int_equal(told.answered_before, 0);
    assert_int_equal(told.stock_count, 1);
    assert_int_equal(told.stocks[0].lot_id, 1);
    assert_int_equal(told.stocks[0].available, RIG_UNITS - 2);
    assert_int_equal(told.stocks[0].version, 2);
    assert_int_equal(r->answered_count, 1);
}

static void a_commits_lots_are_told_without_what_was_decided_since(void **state)
{
    struct rig *r = *state;
    struct rig_order first, second;
    decide(r, &first, "a", 1);
    decide(r, &second, "b", 3);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.stock_count, 1);
    assert_int_equal(told.stocks[0].available, RIG_UNITS - 1);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.stock_count, 2);
    assert_int_equal(told.stocks[1].available, RIG_UNITS - 4);
    assert_int_equal(told.stocks[1].version, 3);
}

static void a_lot_that_a_batch_names_often_is_told_once(void **state)
{
    struct rig *r = *state;
    struct rig_order orders[3];
    for (int i = 0; i < 3; i++)
        rig_send(r, rig_order(&orders[i], i == 0 ? "a" : i == 1 ? "b" : "c", 1));
    rig_turn(r);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.order_count, 3);
    assert_int_equal(told.stock_count, 1);
    assert_int_equal(told.stocks[0].available, RIG_UNITS - 3);
}

static void a_refused_order_is_told_at_once(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    decide(r, &o, "a", RIG_UNITS + 1);
    assert_int_equal(told.order_count, 1);
    assert_told(0, "a", GATE_REFUSED);
    assert_int_equal(told.orders[0].line_count, 1);
    assert_int_equal(told.stock_count, 0);
}

static void an_order_whose_commit_failed_is_told_and_its_lots_are_not(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    decide(r, &o, "a", 2);
    end_batch(r, LEDGER_REJECTED);
    assert_int_equal(told.order_count, 1);
    assert_told(0, "a", GATE_FAILED);
    assert_int_equal(told.stock_count, 0);
}

static void an_unknown_outcome_is_told_as_that_and_its_lots_when_it_is_known(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    decide(r, &o, "a", 2);
    r->pause_turns = true;
    end_batch(r, LEDGER_UNKNOWN);
    assert_int_equal(told.order_count, 1);
    assert_told(0, "a", GATE_UNKNOWN);
    assert_int_equal(told.stock_count, 0);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.stock_count, 1);
    assert_int_equal(told.stocks[0].available, RIG_UNITS - 2);
}

static void each_order_of_a_batch_is_told(void **state)
{
    struct rig *r = *state;
    struct rig_order orders[2];
    struct reserve_command both[2];
    struct command batch = {
        .kind = COMMAND_RESERVE_BATCH, .text = orders[0].text, .text_size = sizeof orders[0].text};
    rig_order(&orders[0], "a", RIG_UNITS);
    rig_order(&orders[1], "b", 1);
    both[0] = orders[0].command.reserve;
    both[1] = orders[1].command.reserve;
    batch.batch.orders = both;
    batch.batch.count = 2;
    rig_send(r, &batch);
    rig_turn(r);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.order_count, 2);
    assert_told(0, "a", GATE_ACCEPTED);
    assert_told(1, "b", GATE_REFUSED);
}

static void what_is_no_order_settles_nothing(void **state)
{
    struct rig *r = *state;
    char text[64];
    struct command adjust = {.kind = COMMAND_ADJUST, .text = text, .text_size = sizeof text};
    adjust.adjust.key = STR(RIG_LOT);
    adjust.adjust.delta = 4;
    rig_send(r, &adjust);
    rig_turn(r);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.order_count, 0);
    assert_int_equal(told.stock_count, 1);
    assert_int_equal(told.stocks[0].available, RIG_UNITS + 4);
}

/* Simulator, seed 3075. */
static void a_new_lot_is_told_as_its_commit_left_it_without_what_was_decided_since(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    char text[64];
    struct command create = {
        .kind = COMMAND_CREATE_LOT, .text = text, .text_size = sizeof text, .create.quantity = 9};
    create.create.dims = (struct lot_dims){.key = STR("LIME#00000001"),
                                           .sku = STR("LIME"),
                                           .flavor = STR("lime"),
                                           .size = STR("330ml_can"),
                                           .batch = STR("B"),
                                           .expires_on = LOT_NEVER_EXPIRES};
    rig_send(r, &create);
    rig_turn(r);
    rig_order(&o, "a", 4);
    o.want.lot = create.create.dims.key;
    rig_send(r, &o.command);
    rig_turn(r);
    assert_int_equal(told.known, 1);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.known, 2);
    assert_int_equal(told.known_available, 9);
    assert_int_equal(told.known_version, 1);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.stocks[told.stock_count - 1].available, 5);
}

static void a_fence_is_an_order_id_that_was_used(void **state)
{
    struct rig *r = *state;
    struct command c = {.kind = COMMAND_REFUND,
                        .move = {.by_order_id = STR("a"), .order_hash = 77, .fence = true}};
    rig_send(r, &c);
    rig_turn(r);
    assert_int_equal(told.seen, 77);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(c.code, 0);
}

static void an_order_that_opens_a_group_did_not_come_through_the_gate(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_order(&o, "a", 1);
    struct reserve_command order = o.command.reserve;
    struct command c = {.kind = COMMAND_OPEN_GROUP, .group = {.order = &order}};
    order.order_hash = 78;
    rig_send(r, &c);
    rig_turn(r);
    assert_int_equal(told.seen, 78);
    assert_int_equal(c.code, TLY_EINVALID_ARGUMENT); /* in no sale */
}

static void a_commit_says_from_which_version_on_its_orders_are_told(void **state)
{
    struct rig *r = *state;
    struct rig_order first, a, b;
    decide(r, &first, "first", 1); /* the others wait for its commit, and share one */
    decide(r, &a, "a", 1);
    decide(r, &b, "b", 1);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.stock_count, 1);
    assert_int_equal(told.stocks[0].version, 2);
    assert_int_equal(told.stocks[0].orders_after, 1);
    end_batch(r, LEDGER_COMMITTED);
    assert_int_equal(told.stock_count, 2);
    assert_int_equal(told.stocks[1].version, 4);
    assert_int_equal(told.stocks[1].orders_after, 2);
}

static void a_lot_that_was_read_is_told_as_the_ledger_has_it(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 2));
    rig_turn(r);
    rig_loaded(r, 1);
    rig_turn(r);
    assert_int_equal(told.stock_count, 1); /* without the two that were decided since */
    assert_int_equal(told.stocks[0].lot_id, 1);
    assert_int_equal(told.stocks[0].available, RIG_UNITS - 1);
    assert_int_equal(told.stocks[0].version, 1);
    assert_int_equal(told.stocks[0].orders_after, 1);
    assert_false(told.stocks[0].all_of_sku);
    assert_true(str_equal(told.stocks[0].dims->key, STR(RIG_LOT)));
    rig_outcome(r, LEDGER_COMMITTED);
    rig_turn(r);
    assert_int_equal(told.stock_count, 2);
    assert_int_equal(told.stocks[1].available, RIG_UNITS - 3);
    assert_int_equal(told.stocks[1].orders_after, 1);
}

static void what_a_ledger_assumed_is_not_told(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_send(r, rig_order(&o, "a", 2));
    rig_turn(r);
    r->load->assumed = true;
    rig_loaded(r, 1);
    rig_turn(r);
    assert_int_equal(told.stock_count, 0);
}

static void all_lots_of_a_sku_are_told_as_that_if_it_was_asked_for(void **state)
{
    struct rig *r = *state;
    struct rig_order o;
    rig_order(&o, "a", 2);
    o.want.lot = (struct str){"", 0};
    o.want.goods.sku = o.want.sku = STR("COLA");
    rig_send(r, &o.command);
    rig_turn(r);
    rig_loaded(r, 0);
    rig_turn(r);
    assert_int_equal(told.stock_count, 1);
    assert_true(told.stocks[0].all_of_sku);
}

#define RIG_TEST(f)    cmocka_unit_test_setup_teardown(f, begin, rig_finish)
#define SHARED_TEST(f) cmocka_unit_test_setup_teardown(f, begin_shared, rig_finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_lot_is_told_with_its_version_at_start),
        RIG_TEST(a_sale_is_told_as_it_was_committed),
        RIG_TEST(an_accepted_order_is_told_with_its_commit_before_its_answer_leaves),
        RIG_TEST(a_commits_lots_are_told_without_what_was_decided_since),
        RIG_TEST(a_lot_that_a_batch_names_often_is_told_once),
        RIG_TEST(a_refused_order_is_told_at_once),
        RIG_TEST(an_order_whose_commit_failed_is_told_and_its_lots_are_not),
        RIG_TEST(an_unknown_outcome_is_told_as_that_and_its_lots_when_it_is_known),
        RIG_TEST(each_order_of_a_batch_is_told),
        RIG_TEST(a_new_lot_is_told_as_its_commit_left_it_without_what_was_decided_since),
        RIG_TEST(what_is_no_order_settles_nothing),
        RIG_TEST(a_fence_is_an_order_id_that_was_used),
        RIG_TEST(an_order_that_opens_a_group_did_not_come_through_the_gate),
        RIG_TEST(a_commit_says_from_which_version_on_its_orders_are_told),
        SHARED_TEST(a_lot_that_was_read_is_told_as_the_ledger_has_it),
        SHARED_TEST(what_a_ledger_assumed_is_not_told),
        SHARED_TEST(all_lots_of_a_sku_are_told_as_that_if_it_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
