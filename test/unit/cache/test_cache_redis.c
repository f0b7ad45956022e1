/* What is particular to the cache in Redis: two nodes on one server, times by the server's clock, a
 * server that is emptied, killed or holds what is no lot. What every cache must do is in
 * test/contract/cache. */
#include "fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "cache/cache_redis.h"
#include "redis_server.h"

#define KEY       "cola#008a47f9"
#define REDIS_KEY "tally:lot:{" KEY "}"

static struct redis_server server;

/* A process with one worker. */
struct node {
    uv_loop_t loop;
    struct cache *cache;
    struct cache_session *session;
    int answers;
    int64_t now_ms;
};

static struct cache_redis_config config_of(const struct redis_address *address)
{
    return (struct cache_redis_config){.redis = {.addresses = address,
                                                 .address_count = 1,
                                                 .command_ms = 20000,
                                                 .slow_ms = 20000,
                                                 .open_ms = 20,
                                                 .open_max_ms = 100},
                                       .keep_ms = 600000,
                                       .absent_ms = 600000,
                                       .stale_ms = 600000,
                                       .tombstone_ms = 600000,
                                       .lease_ms = 600000,
                                       .wait_ms = 250,
                                       .stale_wait_ms = 20};
}

static void answered(void *context, struct cache_ask *ask)
{
    struct node *n = context;
    (void)ask;
    n->answers++;
}

static void go_on(struct node *n)
{
    n->session->ops->turn(n->session, n->now_ms);
    uv_run(&n->loop, UV_RUN_NOWAIT);
    n->session->ops->tick(n->session, n->now_ms);
}

/* False: it waits. */
static bool ask(struct node *n, struct cache_ask *a)
{
    struct cache_stats before, now;
    int answers = n->answers;
    n->cache->ops->stats(n->cache, &before);
    *a = (struct cache_ask){.key = STR(KEY)};
    if (n->session->ops->ask(n->session, a, n->now_ms))
        return true;
    for (int left_ms = PATIENCE_MS; left_ms > 0; left_ms--) {
        go_on(n);
        n->cache->ops->stats(n->cache, &now);
        if (n->answers > answers || now.waits_total > before.waits_total)
            break;
        pause_ms(1);
    }
    return n->answers > answers;
}

/* Reads another lot: when that is answered, all that was sent before is done. */
static void settle(struct node *n)
{
    static int number;
    char key[32];
    struct cache_ask a = {0};
    int answers = n->answers;
    snprintf(key, sizeof key, "other-%d#00000000", number++);
    a.key = str_of(key);
    if (n->session->ops->ask(n->session, &a, n->now_ms))
        return;
    for (int left_ms = PATIENCE_MS; n->answers == answers && left_ms > 0; left_ms--) {
        go_on(n);
        pause_ms(1);
    }
    if (a.verdict == CACHE_FILL)
        n->session->ops->give_up(n->session, &a, n->now_ms);
}

static bool is_there(struct node *n)
{
    struct cache_ask a;
    go_on(n);
    bool there = ask(n, &a) && a.verdict == CACHE_FILL;
    if (there)
        n->session->ops->give_up(n->session, &a, n->now_ms);
    settle(n);
    return there;
}

static void open_node_with(struct node *n, const struct cache_redis_config *config)
{
    const struct cache_worker worker = {.loop = &n->loop, .context = n, .answered = answered};
    *n = (struct node){.now_ms = 1000000};
    uv_loop_init(&n->loop);
    assert_int_equal(cache_redis_create(&n->cache, config, NULL), 0);
    assert_int_equal(n->cache->ops->attach(n->cache, &worker, &n->session, NULL), 0);
    AWAIT(is_there(n));
}

static void open_node(struct node *n)
{
    const struct redis_address address = {.host = "127.0.0.1", .port = server.port};
    const struct cache_redis_config config = config_of(&address);
    open_node_with(n, &config);
}

static void close_node(struct node *n)
{
    cache_detach(n->session);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    uv_loop_close(&n->loop);
    cache_destroy(n->cache);
}

static bool fill(struct node *n, struct cache_ask *a, int64_t version)
{
    const struct lot_dims dims = {.key = STR(KEY)};
    const struct lot_terms terms = lot_terms_plain(&dims);
    const struct stock stock = {.version = version, .on_hand = 5};
    struct cached_lot lot;
    cached_lot_make(&lot, 1, &dims, &terms, &stock);
    const struct cache_reading reading = {
        .lot = &lot, .source = SOURCE_PRIMARY, .read_ms = n->now_ms};
    bool taken = n->session->ops->fill(n->session, a, &reading, n->now_ms);
    settle(n);
    return taken;
}

static void removed(void *context, int code)
{
    _Atomic int *done = context;
    atomic_store(done, code ? -1 : 1);
}

static int delete (struct node *n, int64_t version)
{
    _Atomic int done = 0;
    cache_delete(n->cache, STR(KEY), version, removed, &done);
    AWAIT(atomic_load(&done) != 0);
    return atomic_load(&done);
}

static int empty(void **state)
{
    (void)state;
    redis_server_do(&server, "FLUSHALL");
    return 0;
}

static void of_two_nodes_one_fills_and_the_other_waits_for_it(void **state)
{
    struct node a, b;
    struct cache_ask filler, waiter;
    (void)state;
    open_node(&a);
    open_node(&b);
    assert_true(ask(&a, &filler));
    assert_int_equal(filler.verdict, CACHE_FILL);
    assert_false(ask(&b, &waiter));
    assert_true(fill(&a, &filler, 3));
    for (int left_ms = PATIENCE_MS; waiter.verdict != CACHE_FOUND && left_ms > 0; left_ms--) {
        go_on(&b);
        pause_ms(1);
    }
    assert_int_equal(waiter.verdict, CACHE_FOUND);
    assert_int_equal(waiter.source, SOURCE_REDIS);
    assert_int_equal(waiter.lot.stock.version, 3);
    close_node(&a);
    close_node(&b);
}

static void a_wait_for_another_nodes_fill_ends(void **state)
{
    struct node a, b;
    struct cache_ask filler, waiter;
    (void)state;
    open_node(&a);
    open_node(&b);
    assert_true(ask(&a, &filler));
    assert_false(ask(&b, &waiter));
    b.now_ms += 250;
    int before = b.answers;
    for (int left_ms = PATIENCE_MS; b.answers == before && left_ms > 0; left_ms--) {
        go_on(&b);
        pause_ms(1);
    }
    assert_int_equal(waiter.verdict, CACHE_BLIND);
    close_node(&a);
    close_node(&b);
}

static void who_waits_where_something_old_is_there_gets_that(void **state)
{
    struct node a, b;
    struct cache_ask filler, waiter;
    (void)state;
    open_node(&a);
    open_node(&b);
    assert_true(ask(&a, &filler));
    assert_true(fill(&a, &filler, 3));
    assert_int_equal(delete (&a, 4), 1);
    assert_true(ask(&a, &filler));
    assert_int_equal(filler.verdict, CACHE_FILL);
    assert_int_equal(filler.least_version, 4);
    assert_false(ask(&b, &waiter));
    b.now_ms += 20;
    int before = b.answers;
    for (int left_ms = PATIENCE_MS; b.answers == before && left_ms > 0; left_ms--) {
        go_on(&b);
        pause_ms(1);
    }
    assert_int_equal(waiter.verdict, CACHE_FOUND);
    assert_true(waiter.stale);
    assert_int_equal(waiter.lot.stock.version, 3);
    close_node(&a);
    close_node(&b);
}

/* The fill was read before the other node's commit. */
static void a_fill_that_another_nodes_delete_overtook_is_not_kept(void **state)
{
    struct node a, b;
    struct cache_ask filler, reader;
    (void)state;
    open_node(&a);
    open_node(&b);
    assert_true(ask(&a, &filler));
    assert_int_equal(delete (&b, 4), 1);
    assert_true(fill(&a, &filler, 3));
    assert_true(ask(&b, &reader));
    assert_int_equal(reader.verdict, CACHE_FILL);
    assert_int_equal(reader.least_version, 4);
    close_node(&a);
    close_node(&b);
}

static void values_leases_and_tombstones_end_with_their_time(void **state)
{
    const struct redis_address address = {.host = "127.0.0.1", .port = server.port};
    struct cache_redis_config config = config_of(&address);
    struct node n;
    struct cache_ask a;
    (void)state;
    config.keep_ms = config.lease_ms = config.tombstone_ms = 200;
    open_node_with(&n, &config);
    assert_true(ask(&n, &a));
    assert_true(fill(&n, &a, 3));
    AWAIT(redis_server_number(&server, "EXISTS " REDIS_KEY) == 0);
    assert_int_equal(delete (&n, 9), 1);
    AWAIT(redis_server_number(&server, "EXISTS " REDIS_KEY) == 0);
    assert_true(ask(&n, &a));
    assert_int_equal(a.verdict, CACHE_FILL);
    assert_int_equal(a.least_version, 0);
    AWAIT(redis_server_number(&server, "EXISTS " REDIS_KEY) == 0);
    close_node(&n);
}

static void a_server_that_was_emptied_keeps_nothing_that_was_under_way(void **state)
{
    struct node n;
    struct cache_ask a;
    (void)state;
    open_node(&n);
    assert_true(ask(&n, &a));
    redis_server_do(&server, "FLUSHALL");
    assert_true(fill(&n, &a, 3));
    assert_int_equal(redis_server_number(&server, "EXISTS " REDIS_KEY), 0);
    close_node(&n);
}

static void what_is_no_lot_is_not_shown(void **state)
{
    struct node n;
    struct cache_ask a;
    (void)state;
    open_node(&n);
    assert_true(ask(&n, &a));
    assert_true(fill(&n, &a, 3));
    redis_server_do(&server, "HSET " REDIS_KEY " d 1|2|3");
    assert_true(ask(&n, &a));
    assert_int_equal(a.verdict, CACHE_BLIND);
    close_node(&n);
}

static void without_a_server_all_is_blind_until_it_is_back(void **state)
{
    struct node n;
    struct cache_ask a;
    struct cache_stats stats;
    (void)state;
    open_node(&n);
    redis_server_kill(&server);
    do
        assert_true(ask(&n, &a));
    while (a.verdict != CACHE_BLIND);
    assert_int_equal(delete (&n, 4), -1);
    n.cache->ops->stats(n.cache, &stats);
    assert_true(stats.blind_total > 0);
    assert_true(stats.remote_errors_total > 0);
    redis_server_start_again(&server);
    AWAIT(is_there(&n));
    AWAIT(delete (&n, 4) == 1);
    close_node(&n);
}

#define TEST(f) cmocka_unit_test_setup(f, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_two_nodes_one_fills_and_the_other_waits_for_it),
        TEST(a_wait_for_another_nodes_fill_ends),
        TEST(who_waits_where_something_old_is_there_gets_that),
        TEST(a_fill_that_another_nodes_delete_overtook_is_not_kept),
        TEST(values_leases_and_tombstones_end_with_their_time),
        TEST(a_server_that_was_emptied_keeps_nothing_that_was_under_way),
        TEST(what_is_no_lot_is_not_shown),
        TEST(without_a_server_all_is_blind_until_it_is_back),
    };
    redis_server_needed();
    redis_server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_remove(&server);
    return failed;
}
