#include "fixture_cache.h"

#include <stdatomic.h>
#include <string.h>

#include "cache/cache_local.h"

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

static const struct adapter adapters[] = {
    {"local", make_local},
    {"local in front of another, nothing hot", make_in_front},
    {"local in front of another, all hot", make_in_front_hot},
};

static const struct adapter *adapter; /* the one under test */

int run_adapters(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        adapter = &adapters[i];
        failed += _cmocka_run_group_tests(adapter->name, tests, count, NULL, NULL);
    }
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

void reader_open(struct reader *r, struct cache *c)
{
    const struct cache_worker worker = {.context = r, .answered = answered, .wake = wake};
    *r = (struct reader){.cache = c};
    assert_int_equal(c->ops->attach(c, &worker, &r->session, NULL), 0);
    r->session->ops->tick(r->session, NOW_MS);
}

void reader_close(struct reader *r)
{
    cache_detach(r->session);
}

bool read_begin(struct reader *r, struct read *out, const char *key)
{
    *out = (struct read){.ask = {.key = str_of(key), .context = out}};
    if (r->session->ops->ask(r->session, &out->ask, NOW_MS))
        out->answers++;
    r->session->ops->turn(r->session, NOW_MS);
    return out->answers > 0;
}

void read_end(struct reader *r, struct read *read)
{
    for (int left_ms = PATIENCE_MS; read->answers == 0 && left_ms > 0; left_ms--) {
        r->session->ops->turn(r->session, NOW_MS);
        if (read->answers == 0)
            pause_ms(1);
    }
    assert_int_equal(read->answers, 1);
}

enum cache_verdict read_lot(struct reader *r, struct read *out, const char *key)
{
    read_begin(r, out, key);
    read_end(r, out);
    return (enum cache_verdict)out->ask.verdict;
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
    return r->session->ops->fill(r->session, &read->ask, &reading, NOW_MS);
}

static void removed(void *context, int code)
{
    _Atomic int *done = context;
    atomic_store(done, code ? -1 : 1);
}

void remove_lot(struct cache *c, const char *key, int64_t version)
{
    _Atomic int done = 0;
    cache_delete(c, str_of(key), version, removed, &done);
    AWAIT(atomic_load(&done) == 1);
}
