/* What every adapter of cache.h must do while many workers read and a lane deletes. */
#include "fixture_cache.h"

#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 3, ROUNDS = 2000, COMMITS = 1000 };

/* The ledger has one lot, at this version; `told`: deletes have gone out up to it. */
struct shop {
    struct cache *c;
    _Atomic int64_t version, told;
    _Atomic int reads;
    _Atomic int torn, old;
};

static void *commit(void *context)
{
    struct shop *s = context;
    for (int64_t v = 2; v <= COMMITS; v++) {
        atomic_store(&s->version, v);
        remove_lot(s->c, KEY, v);
        atomic_store(&s->told, v);
    }
    return NULL;
}

/* on_hand is made of the version, so that a copy that is torn shows. */
static void look(struct shop *s, struct reader *r)
{
    struct read read;
    int64_t told = atomic_load(&s->told);
    while (read_lot(r, &read, KEY) == CACHE_FILL) {
        do {
            int64_t version = atomic_load(&s->version);
            if (fill_with(r, &read, version, version * 3))
                break;
        } while (true);
        if (read.ask.verdict == CACHE_FOUND)
            break;
    }
    if (read.ask.verdict != CACHE_FOUND)
        return;
    atomic_fetch_add(&s->torn, read.ask.lot.stock.on_hand != read.ask.lot.stock.version * 3);
    atomic_fetch_add(&s->old, read.ask.lot.stock.version < told && !read.ask.stale);
    atomic_fetch_add(&s->reads, 1);
}

static void *read_on(void *context)
{
    struct shop *s = context;
    struct reader r;
    reader_open(&r, s->c);
    for (int i = 0; i < ROUNDS; i++)
        look(s, &r);
    reader_close(&r);
    return NULL;
}

static void nobody_is_shown_what_a_delete_has_made_old_before_he_asked(void **state)
{
    struct shop s = {.c = make_cache(), .version = 1, .told = 1};
    pthread_t readers[READERS], lane;
    (void)state;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &s), 0);
    assert_int_equal(pthread_create(&lane, NULL, commit, &s), 0);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    pthread_join(lane, NULL);
    assert_int_equal(s.torn, 0);
    assert_int_equal(s.old, 0);
    assert_int_equal(s.reads, READERS * ROUNDS);
    cache_destroy(s.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_shown_what_a_delete_has_made_old_before_he_asked),
    };
    return RUN_ADAPTERS(tests);
}
