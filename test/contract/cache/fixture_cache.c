#include "fixture_cache.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cache/cache_local.h"
#include "cache/cache_redis.h"
#include "redis_server.h"

static void removed(void *context, int code)
{
    _Atomic int *done = context;
    atomic_store(done, code ? -1 : 1);
}

struct adapter {
    const char *name;
    struct cache *(*make)(void);
};

static struct cache *local(struct cache *next, uint32_t hot_reads)
{
    const struct cache_local_config config = {.hash_seed = SEED,
                                              .bytes_max = 64 << 20,
                                              .keep_ms = 30000,
                                              .absent_ms = 5000,
                                              .stale_ms = 1000,
                                              .tombstone_ms = 30000,
                                              .lease_ms = 1000,
                                              .wait_ms = 250,
                                              .stale_wait_ms = 20,
                                              .hot_reads = hot_reads,
                                              .hot_max = 1000,
                                              .next = next};
    struct cache *c = NULL;
    assert_int_equal(cache_local_create(&c, &config, NULL), 0);
    return c;
}

static struct cache *make_local(void)
{
    return local(NULL, 0);
}

static struct cache *make_in_front(void)
{
    return local(local(NULL, 0), 5000);
}

static struct cache *make_in_front_hot(void)
{
    return local(local(NULL, 0), 0);
}

/* ---- Redis: a server for all tests, emptied for each ---- */

static struct redis_server server;

static bool delete_is_done(struct cache *c)
{
    _Atomic int done = 0;
    cache_delete(c, STR("other#00000000"), 1, removed, &done);
    AWAIT(atomic_load(&done) != 0);
    return atomic_load(&done) == 1;
}

static struct cache *make_redis(void)
{
    struct cache *c = NULL;
    if (!server.pid)
        redis_server_start(&server, NULL);
    redis_server_do(&server, "FLUSHALL");
    struct redis_address address = {.host = "127.0.0.1", .port = server.port};
    const struct cache_redis_config config = {
        .redis = {.addresses = &address, .address_count = 1, .command_ms = 20000, .slow_ms = 20000},
        .keep_ms = 600000,
        .absent_ms = 600000,
        .stale_ms = 600000,
        .tombstone_ms = 600000,
        .lease_ms = 600000,
        .wait_ms = 250,
        .stale_wait_ms = 20};
    assert_int_equal(cache_redis_create(&c, &config, NULL), 0);
    AWAIT(delete_is_done(c));
    return c;
}

static struct cache *make_in_front_of_redis(void)
{
    return local(make_redis(), 5000);
}

static struct cache *make_in_front_of_redis_hot(void)
{
    return local(make_redis(), 0);
}

static const struct adapter adapters[] = {
    {"local", make_local},
    {"local in front of another, nothing hot", make_in_front},
    {"local in front of another, all hot", make_in_front_hot},
    {"redis", make_redis},
    {"local in front of redis, nothing hot", make_in_front_of_redis},
    {"local in front of redis, all hot", make_in_front_of_redis_hot},
};

static const struct adapter *adapter; /* the one under test */

int run_adapters(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    redis_server_needed();
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        adapter = &adapters[i];
        failed += _cmocka_run_group_tests(adapter->name, tests, count, NULL, NULL);
    }
    if (server.pid)
        redis_server_remove(&server);
    return failed;
}

struct cache *make_cache(void)
{
    return adapter->make();
}

static void answered(void *context, struct cache_ask *ask)
{
    struct reader *r = context;
    struct read *read = ask->context;
    assert_ptr_equal(&read->ask, ask);
    assert_int_equal(read->answers, 0);
    read->answers++;
    r->answers++;
}

static void wake(void *context)
{
    (void)context; /* these tests look at every turn */
}

/* What can be done without anybody's help. */
static void go_on(struct reader *r)
{
    r->session->ops->turn(r->session, NOW_MS);
    uv_run(&r->loop, UV_RUN_NOWAIT);
    r->session->ops->tick(r->session, NOW_MS);
}

static int64_t waits_of(struct cache *c)
{
    struct cache_stats stats;
    c->ops->stats(c, &stats);
    return stats.waits_total;
}

/* The first spins are without a pause: what is near answers at once. */
#define GO_ON_UNTIL(r, condition)                                                                  \
    do {                                                                                           \
        int left_ms = PATIENCE_MS, spins = 100;                                                    \
        while (!(condition) && left_ms > 0) {                                                      \
            go_on(r);                                                                              \
            if (spins-- < 0) {                                                                     \
                pause_ms(1);                                                                       \
                left_ms--;                                                                         \
            }                                                                                      \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

/* Reads another lot. Calls of one worker are done in their order: when this returns, those before
 * it are. */
static enum cache_verdict read_another(struct reader *r)
{
    static _Atomic int number;
    struct read other;
    char key[32];
    snprintf(key, sizeof key, "other-%d#00000000", atomic_fetch_add(&number, 1));
    enum cache_verdict verdict = read_lot(r, &other, key);
    if (verdict == CACHE_FILL)
        r->session->ops->give_up(r->session, &other.ask, NOW_MS);
    return verdict;
}

/* The tier behind may have to be connected to. */
static bool is_there(struct reader *r)
{
    struct cache_stats before, after;
    r->cache->ops->stats(r->cache, &before);
    go_on(r);
    read_another(r);
    r->cache->ops->stats(r->cache, &after);
    return after.blind_total == before.blind_total;
}

void reader_open(struct reader *r, struct cache *c)
{
    const struct cache_worker worker = {
        .loop = &r->loop, .context = r, .answered = answered, .wake = wake};
    *r = (struct reader){.cache = c};
    uv_loop_init(&r->loop);
    assert_int_equal(c->ops->attach(c, &worker, &r->session, NULL), 0);
    r->session->ops->tick(r->session, NOW_MS);
    for (int left_ms = PATIENCE_MS; !is_there(r); left_ms--) {
        assert_true(left_ms > 0);
        pause_ms(1);
    }
}

void reader_close(struct reader *r)
{
    cache_detach(r->session);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
}

bool read_begin(struct reader *r, struct read *out, const char *key)
{
    int64_t before = waits_of(r->cache);
    *out = (struct read){.ask = {.key = str_of(key), .context = out}};
    if (r->session->ops->ask(r->session, &out->ask, NOW_MS))
        out->answers++;
    GO_ON_UNTIL(r, out->answers > 0 || waits_of(r->cache) > before);
    return out->answers > 0;
}

void read_end(struct reader *r, struct read *read)
{
    GO_ON_UNTIL(r, read->answers > 0);
    assert_int_equal(read->answers, 1);
}

enum cache_verdict read_lot(struct reader *r, struct read *out, const char *key)
{
    *out = (struct read){.ask = {.key = str_of(key), .context = out}};
    if (r->session->ops->ask(r->session, &out->ask, NOW_MS))
        out->answers++;
    read_end(r, out);
    return (enum cache_verdict)out->ask.verdict;
}

void give_up(struct reader *r, struct read *read)
{
    r->session->ops->give_up(r->session, &read->ask, NOW_MS);
    read_another(r);
}

struct cached_lot lot_at(const char *key, int64_t version, int64_t on_hand)
{
    const struct lot_dims dims = {.key = str_of(key),
                                  .expires_on = LOT_NEVER_EXPIRES,
                                  .sku = STR("cola"),
                                  .flavor = STR("cherry"),
                                  .size = STR("330ml_can"),
                                  .batch = STR("BATCH-20261101-A")};
    const struct lot_terms terms = lot_terms_plain(&dims);
    const struct stock stock = {.on_hand = on_hand, .version = version};
    struct cached_lot lot;
    memset(&lot, 0, sizeof lot);
    cached_lot_make(&lot, 1, &dims, &terms, &stock);
    return lot;
}

bool fill_with(struct reader *r, struct read *read, int64_t version, int64_t on_hand)
{
    struct cached_lot lot = lot_at(KEY, version, on_hand);
    const struct cache_reading reading = {
        .lot = version ? &lot : NULL, .source = SOURCE_PRIMARY, .read_ms = NOW_MS};
    if (!r->session->ops->fill(r->session, &read->ask, &reading, NOW_MS))
        return false;
    read_another(r);
    return true;
}

void remove_lot(struct cache *c, const char *key, int64_t version)
{
    _Atomic int done = 0;
    cache_delete(c, str_of(key), version, removed, &done);
    AWAIT(atomic_load(&done) == 1);
}
