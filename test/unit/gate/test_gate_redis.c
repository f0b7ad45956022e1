/* What is particular to the gate in Redis: what it keeps there, and what it says when Redis is
 * empty, behind, slow or gone. What every gate must do is in test/contract/gate. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/hash.h"
#include "base/limits.h"
#include "gate/gate_redis.h"
#include "redis/redis.h"
#include "redis_server.h"

enum { SEED = 9, NOW_MS = 1000, NEVER_MS = 24 * 3600 * 1000 };

static struct redis_server server;

/* A node: its gate, and one worker. */
struct node {
    uv_loop_t loop;
    struct gate *gate;
    struct gate_session *session;
    int answered;
};

static struct node me;

static void answered(void *context, struct gate_ask *first)
{
    struct node *n = context;
    for (; first; first = first->next)
        n->answered++;
}

static void node_open(struct node *n, struct gate_redis_config config)
{
    const struct redis_address address = {"127.0.0.1", server.port};
    memset(n, 0, sizeof *n);
    config.addresses = &address;
    config.address_count = 1;
    config.hash_seed = SEED;
    config.order_filter_bytes = 1 << 16;
    config.fresh_ms = config.fresh_ms ? config.fresh_ms : NEVER_MS;
    config.open_limit_ms = config.open_limit_ms ? config.open_limit_ms : NEVER_MS;
    uv_loop_init(&n->loop);
    const struct gate_worker worker = {&n->loop, n, answered};
    assert_int_equal(gate_redis_create(&n->gate, &config, NULL), 0);
    assert_int_equal(n->gate->ops->attach(n->gate, &worker, &n->session, NULL), 0);
}

static void node_close(struct node *n)
{
    gate_detach(n->session);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&n->loop), 0);
    gate_destroy(n->gate);
}

static void node_up(struct node *n)
{
    while (!gate_redis_is_up(n->session))
        uv_run(&n->loop, UV_RUN_ONCE);
}

static uint64_t order(uint64_t number)
{
    return hash64((struct str){(const char *)&number, sizeof number}, SEED);
}

static enum gate_verdict ask_line(struct node *n, struct gate_line line, uint64_t order_hash,
                                  bool order_new)
{
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order_hash, .order_new = order_new};
    int before = n->answered;
    gate_ask(n->session, &ask);
    gate_flush(n->session, NOW_MS);
    while (n->answered == before)
        uv_run(&n->loop, UV_RUN_ONCE);
    return ask.verdict;
}

static enum gate_verdict ask_lot(struct node *n, int64_t quantity, uint64_t number)
{
    return ask_line(n, (struct gate_line){.lot = STR("COLA#00000001"), .quantity = quantity},
                    order(number), false);
}

static enum gate_verdict ask_goods(struct node *n, const char *flavor, int64_t quantity,
                                   uint64_t number)
{
    const struct goods goods = {.sku = STR("COLA"), .flavor = str_of(flavor)};
    return ask_line(n, (struct gate_line){.goods = &goods, .quantity = quantity}, order(number),
                    false);
}

static const struct lot_dims cola = {.key = STR("COLA#00000001"),
                                     .sku = STR("COLA"),
                                     .flavor = STR("cherry"),
                                     .size = STR("330ml_can")};
static const struct lot_dims lime = {.key = STR("COLA#00000002"),
                                     .sku = STR("COLA"),
                                     .flavor = STR("lime"),
                                     .size = STR("330ml_can")};

static void tell_stock(struct node *n, struct gate_stock stock)
{
    stock.lot_id = stock.lot_id ? stock.lot_id : 1;
    stock.dims = stock.dims ? stock.dims : &cola;
    n->gate->ops->committed(n->gate, NULL, 0, &stock, 1);
    AWAIT(gate_redis_is_told(n->gate));
}

static void tell_order(struct node *n, uint64_t number, enum gate_outcome outcome)
{
    const struct gate_line line = {.lot = cola.key, .quantity = 1};
    const struct gate_settlement s = {
        .order_hash = order(number), .outcome = outcome, .lines = &line, .line_count = 1};
    n->gate->ops->committed(n->gate, &s, 1, NULL, 0);
    AWAIT(gate_redis_is_told(n->gate));
}

static int setup(void **state)
{
    (void)state;
    redis_server_do(&server, "FLUSHALL");
    node_open(&me, (struct gate_redis_config){0});
    node_up(&me);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    node_close(&me);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- what is kept ---- */

static void a_lots_entry_is_a_hash_with_available_and_version(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 7, .version = 3});
    assert_string_equal(redis_server_do(&server, "HGET tally:gate:{COLA#00000001} available"), "7");
    assert_string_equal(redis_server_do(&server, "HGET tally:gate:{COLA#00000001} version"), "3");
    tell_stock(&me, (struct gate_stock){.available = 9, .version = 2});
    assert_string_equal(redis_server_do(&server, "HGET tally:gate:{COLA#00000001} available"), "7");
}

static void what_one_node_passed_is_taken_for_the_other_and_its_retry_is_a_replay(void **state)
{
    struct node other;
    (void)state;
    node_open(&other, (struct gate_redis_config){0});
    node_up(&other);
    tell_stock(&me, (struct gate_stock){.available = 1, .version = 1});
    assert_int_equal(ask_lot(&me, 1, 1), GATE_PASS);
    assert_int_equal(ask_lot(&other, 1, 1), GATE_REPLAY);
    assert_int_equal(ask_lot(&other, 1, 2), GATE_SOLD_OUT);
    node_close(&other);
}

static void an_order_that_was_accepted_without_an_ask_is_a_replay_everywhere(void **state)
{
    struct node other;
    (void)state;
    node_open(&other, (struct gate_redis_config){0});
    node_up(&other);
    tell_order(&me, 1, GATE_ACCEPTED);
    tell_order(&me, 2, GATE_REFUSED);
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 2});
    assert_int_equal(ask_lot(&other, 1, 1), GATE_REPLAY);
    assert_int_equal(ask_lot(&other, 1, 2), GATE_SOLD_OUT);
    node_close(&other);
}

/* ---- what is not known for certain ---- */

static void an_empty_redis_is_blind_not_sold_out(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1});
    assert_int_equal(ask_lot(&me, 1, 1), GATE_SOLD_OUT);
    redis_server_do(&server, "FLUSHALL");
    assert_int_equal(ask_lot(&me, 1, 2), GATE_BLIND);
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1, .orders_after = 1});
    const struct gate_line line = {.lot = cola.key, .quantity = 1};
    assert_int_equal(ask_line(&me, line, order(3), true), GATE_SOLD_OUT);
    assert_int_equal(ask_lot(&me, 1, 4), GATE_REPLAY); /* who bought before is forgotten */
}

static void orders_of_versions_that_were_not_told_may_be_replays(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 5, .version = 2});
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 4, .orders_after = 3});
    assert_int_equal(ask_lot(&me, 1, 1), GATE_REPLAY);
    tell_stock(&me, (struct gate_stock){.available = 1, .version = 3, .orders_after = 2});
    assert_int_equal(ask_lot(&me, 1, 2), GATE_SOLD_OUT);
}

static void a_set_of_orders_that_was_lost_is_noticed(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1});
    redis_server_do(&server, "DEL tally:seen:{COLA#00000001}");
    assert_int_equal(ask_lot(&me, 1, 1), GATE_REPLAY);
}

static void a_refusal_that_rests_on_old_news_lets_one_ask_through(void **state)
{
    struct node probing;
    (void)state;
    node_open(&probing, (struct gate_redis_config){.fresh_ms = 3600 * 1000});
    node_up(&probing);
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1});
    assert_int_equal(ask_lot(&probing, 1, 1), GATE_SOLD_OUT);
    redis_server_do(&server, "HSET tally:gate:{COLA#00000001} told 1");
    assert_int_equal(ask_lot(&probing, 1, 2), GATE_BLIND);
    assert_int_equal(ask_lot(&probing, 1, 3), GATE_SOLD_OUT);
    redis_server_do(&server, "HDEL tally:gate:{COLA#00000001} probe");
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1, .orders_after = 1});
    assert_int_equal(ask_lot(&probing, 1, 4), GATE_SOLD_OUT); /* it is news again */
    node_close(&probing);
}

static void open_units_that_are_too_old_refuse_nobody_and_end_with_the_next_news(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 5, .version = 1});
    redis_server_do(&server, "HSET tally:gate:{COLA#00000001} O1 5");
    assert_int_equal(ask_lot(&me, 1, 1), GATE_BLIND);
    assert_int_equal(ask_lot(&me, 6, 2), GATE_SOLD_OUT);
    tell_stock(&me, (struct gate_stock){.available = 5, .version = 1, .orders_after = 1});
    assert_int_equal(ask_lot(&me, 5, 3), GATE_PASS);
}

/* ---- goods ---- */

static void tell_both(int64_t cherry, int64_t limes, int64_t version, bool all)
{
    const struct gate_stock stocks[] = {
        {.lot_id = 1, .dims = &cola, .available = cherry, .version = version, .all_of_sku = all},
        {.lot_id = 2, .dims = &lime, .available = limes, .version = version, .all_of_sku = all}};
    me.gate->ops->committed(me.gate, NULL, 0, stocks, 2);
    AWAIT(gate_redis_is_told(me.gate));
}

static void goods_are_refused_if_all_their_lots_together_have_too_few(void **state)
{
    (void)state;
    tell_both(0, 3, 1, true);
    assert_int_equal(ask_goods(&me, "", 4, 1), GATE_SOLD_OUT);
    assert_int_equal(ask_goods(&me, "", 3, 2), GATE_BLIND);
    assert_int_equal(ask_goods(&me, "cherry", 1, 3), GATE_SOLD_OUT);
    assert_int_equal(ask_goods(&me, "lime", 3, 4), GATE_BLIND);
    tell_both(2, 0, 2, false);
    assert_int_equal(ask_goods(&me, "cherry", 2, 5), GATE_BLIND);
    assert_int_equal(ask_goods(&me, "lime", 1, 6), GATE_SOLD_OUT);
    assert_int_equal(ask_goods(&me, "lime", 1, 4), GATE_REPLAY);
}

static void goods_of_which_a_lot_may_not_be_known_are_blind(void **state)
{
    (void)state;
    tell_both(0, 0, 1, false);
    assert_int_equal(ask_goods(&me, "", 1, 1), GATE_BLIND);
    tell_both(0, 0, 1, true);
    assert_int_equal(ask_goods(&me, "", 1, 2), GATE_SOLD_OUT);
}

/* ---- Redis in trouble ---- */

static void a_killed_redis_is_blind_and_one_that_comes_back_knows_again(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1});
    assert_int_equal(ask_lot(&me, 1, 1), GATE_SOLD_OUT);
    redis_server_kill(&server);
    assert_int_equal(ask_lot(&me, 1, 2), GATE_BLIND);
    const struct gate_stock news = {
        .lot_id = 1, .dims = &cola, .available = 0, .version = 2, .orders_after = 1};
    me.gate->ops->committed(me.gate, NULL, 0, &news, 1); /* waits */
    assert_false(gate_redis_is_told(me.gate));
    redis_server_start_again(&server);
    AWAIT(gate_redis_is_told(me.gate));
    assert_string_equal(redis_server_do(&server, "HGET tally:gate:{COLA#00000001} version"), "2");
    node_up(&me);
    const struct gate_line line = {.lot = cola.key, .quantity = 1};
    assert_int_equal(ask_line(&me, line, order(3), true), GATE_SOLD_OUT);
}

static void a_redis_that_stands_still_is_blind_until_it_goes_on(void **state)
{
    struct node hasty;
    struct gate_redis_stats stats;
    (void)state;
    node_open(&hasty, (struct gate_redis_config){.command_ms = 50});
    node_up(&hasty);
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1});
    redis_server_pause(&server);
    assert_int_equal(ask_lot(&hasty, 1, 1), GATE_BLIND);
    assert_int_equal(ask_lot(&hasty, 1, 2), GATE_BLIND); /* at once: the breaker is open */
    gate_redis_stats(hasty.gate, &stats);
    assert_int_equal(stats.blind_total, 2);
    assert_true(stats.breakers_open > 0);
    redis_server_go_on(&server);
    node_up(&hasty);
    assert_int_equal(ask_lot(&hasty, 1, 3), GATE_SOLD_OUT);
    node_close(&hasty);
}

static void a_user_that_may_not_is_blind(void **state)
{
    struct node stranger;
    (void)state;
    redis_server_do(&server, "ACL SETUSER stranger on >x ~* +@connection +role +cluster");
    node_open(&stranger, (struct gate_redis_config){.user = STR("stranger"), .password = STR("x")});
    node_up(&stranger);
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 1});
    assert_int_equal(ask_lot(&stranger, 1, 1), GATE_BLIND);
    node_close(&stranger);
}

static void scripts_that_were_flushed_are_there_again(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 1, .version = 1});
    redis_server_do(&server, "SCRIPT FLUSH");
    assert_int_equal(ask_lot(&me, 2, 1), GATE_SOLD_OUT);
    redis_server_do(&server, "SCRIPT FLUSH");
    tell_stock(&me, (struct gate_stock){.available = 2, .version = 2});
    assert_int_equal(ask_lot(&me, 2, 2), GATE_PASS);
}

static void one_that_lost_its_newest_writes_is_put_right_by_the_next_news(void **state)
{
    (void)state;
    tell_stock(&me, (struct gate_stock){.available = 4, .version = 1});
    assert_int_equal(ask_lot(&me, 4, 1), GATE_PASS);
    tell_stock(&me, (struct gate_stock){.available = 0, .version = 2, .orders_after = 1});
    redis_server_do(&server, "HSET tally:gate:{COLA#00000001} available 4 version 1 marked 1");
    assert_int_equal(ask_lot(&me, 4, 2), GATE_SOLD_OUT); /* the order's units are open still */
    tell_stock(&me, (struct gate_stock){.available = 2, .version = 3, .orders_after = 2});
    assert_string_equal(redis_server_do(&server, "HGET tally:gate:{COLA#00000001} version"), "3");
    tell_order(&me, 1, GATE_ACCEPTED);
    const struct gate_line line = {.lot = cola.key, .quantity = 2};
    assert_int_equal(ask_line(&me, line, order(3), true), GATE_PASS);
}

static void what_is_told_while_redis_is_away_is_bounded(void **state)
{
    struct gate_redis_stats stats = {0};
    struct gate_stock stock = {.lot_id = 1, .dims = &cola};
    (void)state;
    redis_server_pause(&server);
    for (int i = 0; i < 400000 && !stats.tells_dropped_total; i++) {
        stock.version = 2 * i + 1; /* none follows on the one before */
        stock.orders_after = 2 * i;
        me.gate->ops->committed(me.gate, NULL, 0, &stock, 1);
        if (i % 10000 == 0)
            gate_redis_stats(me.gate, &stats);
    }
    assert_true(stats.tells_dropped_total > 0);
    assert_true(stats.tells_waiting < 300000);
    redis_server_kill(&server);
    redis_server_start_again(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lots_entry_is_a_hash_with_available_and_version),
        TEST(what_one_node_passed_is_taken_for_the_other_and_its_retry_is_a_replay),
        TEST(an_order_that_was_accepted_without_an_ask_is_a_replay_everywhere),
        TEST(an_empty_redis_is_blind_not_sold_out),
        TEST(orders_of_versions_that_were_not_told_may_be_replays),
        TEST(a_set_of_orders_that_was_lost_is_noticed),
        TEST(a_refusal_that_rests_on_old_news_lets_one_ask_through),
        TEST(open_units_that_are_too_old_refuse_nobody_and_end_with_the_next_news),
        TEST(goods_are_refused_if_all_their_lots_together_have_too_few),
        TEST(goods_of_which_a_lot_may_not_be_known_are_blind),
        TEST(a_killed_redis_is_blind_and_one_that_comes_back_knows_again),
        TEST(a_redis_that_stands_still_is_blind_until_it_goes_on),
        TEST(a_user_that_may_not_is_blind),
        TEST(scripts_that_were_flushed_are_there_again),
        TEST(one_that_lost_its_newest_writes_is_put_right_by_the_next_news),
        TEST(what_is_told_while_redis_is_away_is_bounded),
    };
    redis_server_needed();
    redis_server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_remove(&server);
    return failed;
}
