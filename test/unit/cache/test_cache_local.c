/* What is particular to the cache in the process: hot lots in front of another tier, waits, room.
 * What every cache must do is in test/contract/cache. */
#include "fixture.h"

#include <stdio.h>

#include "cache/cache_local.h"

#define KEY "cola#008a47f9"

enum { HOT_READS = 5000 };

struct rig {
    struct cache *front, *behind; /* behind: NULL, or destroyed with the front */
    struct cache_session *session;
    int64_t now_ms;
    int answers;
    int wakes;
};

static struct cache_local_config config_of(struct cache *next)
{
    return (struct cache_local_config){.hash_seed = 3,
                                       .bytes_max = 1 << 24,
                                       .keep_ms = next ? 10000 : 30000,
                                       .absent_ms = 5000,
                                       .recheck_ms = 0,
                                       .stale_ms = 1000,
                                       .tombstone_ms = 30000,
                                       .lease_ms = 1000,
                                       .wait_ms = 250,
                                       .stale_wait_ms = 20,
                                       .hot_reads = HOT_READS,
                                       .hot_max = 2,
                                       .next = next};
}

static void answered(void *context, struct cache_ask *ask)
{
    struct rig *r = context;
    (void)ask;
    r->answers++;
}

static void wake(void *context)
{
    struct rig *r = context;
    r->wakes++;
}

static void attach(struct rig *r)
{
    const struct cache_worker worker = {.context = r, .answered = answered, .wake = wake};
    r->now_ms = 1000000;
    assert_int_equal(r->front->ops->attach(r->front, &worker, &r->session, NULL), 0);
    r->session->ops->tick(r->session, r->now_ms);
}

static void open_alone(struct rig *r)
{
    struct cache_local_config config = config_of(NULL);
    *r = (struct rig){0};
    assert_int_equal(cache_local_create(&r->front, &config, NULL), 0);
    attach(r);
}

static void open_in_front(struct rig *r, int64_t recheck_ms)
{
    struct cache_local_config config = config_of(NULL);
    *r = (struct rig){0};
    assert_int_equal(cache_local_create(&r->behind, &config, NULL), 0);
    config = config_of(r->behind);
    config.recheck_ms = recheck_ms;
    assert_int_equal(cache_local_create(&r->front, &config, NULL), 0);
    attach(r);
}

static void close_rig(struct rig *r)
{
    cache_detach(r->session);
    cache_destroy(r->front);
}

static bool ask(struct rig *r, struct cache_ask *a, const char *key)
{
    *a = (struct cache_ask){.key = str_of(key)};
    return r->session->ops->ask(r->session, a, r->now_ms);
}

static bool fill(struct rig *r, struct cache_ask *a, int64_t version)
{
    const struct lot_dims dims = {.key = a->key};
    const struct lot_terms terms = lot_terms_plain(&dims);
    const struct stock stock = {.version = version, .on_hand = 5};
    struct cached_lot lot;
    cached_lot_make(&lot, 1, &dims, &terms, &stock);
    const struct cache_reading reading = {
        .lot = &lot, .source = SOURCE_PRIMARY, .read_ms = r->now_ms};
    return r->session->ops->fill(r->session, a, &reading, r->now_ms);
}

static void tick(struct rig *r, int64_t ms)
{
    r->now_ms += ms;
    r->session->ops->tick(r->session, r->now_ms);
}

/* Fills if it must; how often it was read, `reads` or until the front has it. */
static int read_until_local(struct rig *r, const char *key, int reads)
{
    struct cache_ask a;
    for (int i = 0; i < reads; i++) {
        assert_true(ask(r, &a, key));
        if (a.verdict == CACHE_FILL)
            assert_true(fill(r, &a, 1));
        int64_t version;
        if (r->front->ops->peek(r->front, str_of(key), &version))
            return i + 1;
    }
    return reads + 1;
}

static void a_lot_is_kept_in_front_once_it_was_read_more_than_5000_times_in_a_minute(void **state)
{
    struct rig r;
    struct cache_ask a;
    (void)state;
    open_in_front(&r, 0);
    assert_int_equal(read_until_local(&r, KEY, 2 * HOT_READS), HOT_READS + 1);
    struct cache_stats before, after;
    r.front->ops->stats(r.front, &before);
    assert_true(ask(&r, &a, KEY));
    assert_int_equal(a.verdict, CACHE_FOUND);
    assert_int_equal(a.source, SOURCE_LOCAL);
    r.front->ops->stats(r.front, &after);
    assert_int_equal(after.local_hits_total, before.local_hits_total + 1);
    close_rig(&r);
}

static void a_hot_lot_is_kept_for_ten_seconds(void **state)
{
    struct rig r;
    int64_t version;
    (void)state;
    open_in_front(&r, 0);
    read_until_local(&r, KEY, 2 * HOT_READS);
    tick(&r, 9999);
    assert_true(r.front->ops->peek(r.front, STR(KEY), &version));
    tick(&r, 1);
    assert_false(r.front->ops->peek(r.front, STR(KEY), &version));
    close_rig(&r);
}

static void no_more_lots_are_kept_in_front_than_hot_max(void **state)
{
    struct rig r;
    struct cache_stats stats;
    (void)state;
    open_in_front(&r, 0);
    assert_int_equal(read_until_local(&r, "a#00000000", 2 * HOT_READS), HOT_READS + 1);
    assert_int_equal(read_until_local(&r, "b#00000000", 2 * HOT_READS), HOT_READS + 1);
    assert_int_equal(read_until_local(&r, "c#00000000", 2 * HOT_READS), 2 * HOT_READS + 1);
    r.front->ops->stats(r.front, &stats);
    assert_int_equal(stats.lots, 2);
    tick(&r, 10000); /* their time is over; who is read first has the places */
    assert_int_equal(read_until_local(&r, "c#00000000", 2), 3);
    struct cache_ask a;
    assert_true(ask(&r, &a, "a#00000000"));
    close_rig(&r);
}

static void a_hot_lot_is_checked_with_the_tier_behind(void **state)
{
    struct rig r;
    struct cache_ask a;
    (void)state;
    open_in_front(&r, 500);
    read_until_local(&r, KEY, 2 * HOT_READS);
    /* Another node's commit, of which nobody told this process. */
    cache_delete(r.behind, STR(KEY), 2, NULL, NULL);
    assert_true(ask(&r, &a, KEY));
    assert_int_equal(a.lot.stock.version, 1);
    tick(&r, 500);
    assert_true(ask(&r, &a, KEY));
    assert_int_equal(a.verdict, CACHE_FILL);
    assert_true(fill(&r, &a, 2));
    assert_true(ask(&r, &a, KEY));
    assert_int_equal(a.lot.stock.version, 2);
    close_rig(&r);
}

/* The tier behind has not heard of the commit yet. */
static void what_comes_from_behind_older_than_a_delete_here_is_not_shown(void **state)
{
    struct rig r;
    struct cache_ask a;
    (void)state;
    open_in_front(&r, 0);
    assert_true(ask(&r, &a, KEY));
    assert_true(fill(&r, &a, 1));
    cache_forget(r.front, STR(KEY), 2);
    assert_true(ask(&r, &a, KEY));
    assert_int_equal(a.verdict, CACHE_FILL);
    assert_int_equal(a.least_version, 2);
    assert_false(fill(&r, &a, 1));
    assert_true(fill(&r, &a, 2));
    close_rig(&r);
}

static void who_waits_is_answered_blind_when_his_time_is_up(void **state)
{
    struct rig r;
    struct cache_ask filler, a;
    (void)state;
    open_alone(&r);
    assert_true(ask(&r, &filler, KEY));
    assert_false(ask(&r, &a, KEY));
    tick(&r, 249);
    assert_int_equal(r.answers, 0);
    tick(&r, 1);
    assert_int_equal(r.answers, 1);
    assert_int_equal(a.verdict, CACHE_BLIND);
    assert_true(fill(&r, &filler, 1));
    r.session->ops->turn(r.session, r.now_ms);
    assert_int_equal(r.answers, 1);
    close_rig(&r);
}

static void who_waits_where_something_old_is_there_gets_that_much_sooner(void **state)
{
    struct rig r;
    struct cache_ask filler, a;
    (void)state;
    open_alone(&r);
    assert_true(ask(&r, &filler, KEY));
    assert_true(fill(&r, &filler, 1));
    cache_delete(r.front, STR(KEY), 2, NULL, NULL);
    assert_true(ask(&r, &filler, KEY));
    assert_int_equal(filler.verdict, CACHE_FILL);
    assert_false(ask(&r, &a, KEY));
    tick(&r, 20);
    assert_int_equal(r.answers, 1);
    assert_int_equal(a.verdict, CACHE_FOUND);
    assert_true(a.stale);
    r.session->ops->give_up(r.session, &filler, r.now_ms);
    close_rig(&r);
}

static void a_worker_is_woken_for_what_another_one_filled(void **state)
{
    struct rig r, other;
    struct cache_ask filler, a;
    (void)state;
    open_alone(&r);
    other = (struct rig){.front = r.front};
    attach(&other);
    assert_true(ask(&other, &filler, KEY));
    assert_false(ask(&r, &a, KEY));
    assert_true(fill(&other, &filler, 1));
    assert_int_equal(r.wakes, 1);
    assert_int_equal(r.answers, 0);
    r.session->ops->turn(r.session, r.now_ms);
    assert_int_equal(r.answers, 1);
    assert_int_equal(a.verdict, CACHE_FOUND);
    cache_detach(other.session);
    close_rig(&r);
}

static void what_is_kept_stays_within_its_bytes(void **state)
{
    struct cache_local_config config = config_of(NULL);
    struct rig r = {0};
    struct cache_stats stats;
    (void)state;
    config.bytes_max = 1 << 20;
    assert_int_equal(cache_local_create(&r.front, &config, NULL), 0);
    attach(&r);
    for (int i = 0; i < 20000; i++) {
        struct cache_ask a;
        char key[32];
        snprintf(key, sizeof key, "sku-%d#00000000", i);
        assert_true(ask(&r, &a, key));
        if (a.verdict == CACHE_FILL)
            assert_true(fill(&r, &a, 1));
    }
    r.front->ops->stats(r.front, &stats);
    assert_true(stats.bytes <= 1 << 20);
    assert_true(stats.bytes > 1 << 19);
    assert_true(stats.evicted_total > 10000);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lot_is_kept_in_front_once_it_was_read_more_than_5000_times_in_a_minute),
        cmocka_unit_test(a_hot_lot_is_kept_for_ten_seconds),
        cmocka_unit_test(no_more_lots_are_kept_in_front_than_hot_max),
        cmocka_unit_test(a_hot_lot_is_checked_with_the_tier_behind),
        cmocka_unit_test(what_comes_from_behind_older_than_a_delete_here_is_not_shown),
        cmocka_unit_test(who_waits_is_answered_blind_when_his_time_is_up),
        cmocka_unit_test(who_waits_where_something_old_is_there_gets_that_much_sooner),
        cmocka_unit_test(a_worker_is_woken_for_what_another_one_filled),
        cmocka_unit_test(what_is_kept_stays_within_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
