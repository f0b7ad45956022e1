/* fixture_cache.h - what the suites of cache.h share: every adapter, readers, lots. */
#ifndef TALLY_TEST_FIXTURE_CACHE_H
#define TALLY_TEST_FIXTURE_CACHE_H

#include "fixture.h"

#include <uv.h>

#include "cache/cache.h"

enum { SEED = 11, NOW_MS = 1000000 };

#define KEY "cola#008a47f9"

/* A worker with its session. */
struct reader {
    uv_loop_t loop;
    struct cache_session *session;
    struct cache *cache;
    int answers;
};

/* One ask, as its worker keeps it. `context` of the ask is this. */
struct read {
    struct cache_ask ask; /* first */
    int answers;
};

/* Runs the tests against every adapter. */
int run_adapters(const struct CMUnitTest *tests, size_t count);
#define RUN_ADAPTERS(tests) run_adapters(tests, sizeof(tests) / sizeof *(tests))
#define TEST(name)          cmocka_unit_test(name)

struct cache *make_cache(void); /* of the adapter under test, empty */
void reader_open(struct reader *r, struct cache *c);
void reader_close(struct reader *r);
/* Asks, and lets the adapter do what it can without anybody's help. True: it is answered. */
bool read_begin(struct reader *r, struct read *out, const char *key);
/* Until it is answered. */
void read_end(struct reader *r, struct read *read);
/* Asks and awaits the answer. */
enum cache_verdict read_lot(struct reader *r, struct read *out, const char *key);
/* What the authority says: a lot at this version with `on_hand` units; version 0: none. */
bool fill_with(struct reader *r, struct read *read, int64_t version, int64_t on_hand);
/* Ends the lease without a reading; others may have it when this returns. */
void give_up(struct reader *r, struct read *read);
/* All that a remove() set off has been done. */
void remove_lot(struct cache *c, const char *key, int64_t version);
struct cached_lot lot_at(const char *key, int64_t version, int64_t on_hand);

#endif
