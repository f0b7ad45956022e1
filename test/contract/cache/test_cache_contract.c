/* What every adapter of cache.h must do. */
#include "fixture_cache.h"

#include <stdio.h>

struct rig {
    struct cache *c;
    struct reader a, b; /* workers */
};

static struct rig open_rig(void)
{
    struct rig r = {.c = make_cache()};
    return r;
}

static void begin(struct rig *r)
{
    *r = open_rig();
    reader_open(&r->a, r->c);
    reader_open(&r->b, r->c);
}

static void end(struct rig *r)
{
    reader_close(&r->a);
    reader_close(&r->b);
    cache_destroy(r->c);
}

static void put_version(struct rig *r, int64_t version, int64_t on_hand)
{
    struct read read;
    assert_int_equal(read_lot(&r->a, &read, KEY), CACHE_FILL);
    assert_true(fill_with(&r->a, &read, version, on_hand));
}

static void assert_units(struct reader *who, int64_t version, int64_t on_hand)
{
    struct read read;
    assert_int_equal(read_lot(who, &read, KEY), CACHE_FOUND);
    assert_int_equal(read.ask.lot.stock.version, version);
    assert_int_equal(read.ask.lot.stock.on_hand, on_hand);
    assert_false(read.ask.stale);
}

static void what_is_not_there_is_the_askers_to_fill(void **state)
{
    struct rig r;
    struct read read;
    (void)state;
    begin(&r);
    assert_int_equal(read_lot(&r.a, &read, KEY), CACHE_FILL);
    assert_int_equal(read.ask.least_version, 0);
    give_up(&r.a, &read);
    end(&r);
}

static void what_was_filled_is_found_by_all_with_every_field(void **state)
{
    struct rig r;
    struct read read;
    struct lot_dims dims;
    (void)state;
    begin(&r);
    put_version(&r, 7, 24);
    assert_int_equal(read_lot(&r.b, &read, KEY), CACHE_FOUND);
    cached_lot_dims(&read.ask.lot, &dims);
    assert_true(str_equal(dims.key, str_of(KEY)));
    assert_true(str_equal(dims.sku, STR("cola")));
    assert_true(str_equal(dims.flavor, STR("cherry")));
    assert_true(str_equal(dims.size, STR("330ml_can")));
    assert_true(str_equal(dims.batch, STR("BATCH-20261101-A")));
    assert_int_equal(dims.expires_on, LOT_NEVER_EXPIRES);
    assert_int_equal(read.ask.lot.stock.version, 7);
    assert_int_equal(read.ask.lot.stock.on_hand, 24);
    assert_int_equal(read.ask.lot.terms.expected_on, LOT_NEVER_EXPIRES);
    assert_int_equal(read.ask.lot.id, 1);
    end(&r);
}

static void an_answer_says_where_it_came_from_and_how_old_it_is(void **state)
{
    struct rig r;
    struct read read;
    (void)state;
    begin(&r);
    assert_int_equal(read_lot(&r.a, &read, KEY), CACHE_FILL);
    struct cached_lot lot = lot_at(KEY, 1, 5);
    const struct cache_reading reading = {
        .lot = &lot, .source = SOURCE_REPLICA, .read_ms = NOW_MS - 3000};
    assert_true(r.a.session->ops->fill(r.a.session, &read.ask, &reading, NOW_MS));
    assert_int_equal(read.ask.verdict, CACHE_FOUND);
    assert_int_equal(read.ask.source, SOURCE_REPLICA);
    struct read last;
    assert_int_equal(read_lot(&r.a, &last, "last#00000000"), CACHE_FILL); /* behind the fill */
    give_up(&r.a, &last);
    assert_int_equal(read_lot(&r.b, &read, KEY), CACHE_FOUND);
    assert_true(read.ask.source == SOURCE_LOCAL || read.ask.source == SOURCE_REDIS);
    assert_int_equal(read.ask.age_ms, 3000);
    end(&r);
}

static void that_there_is_no_such_lot_is_kept(void **state)
{
    struct rig r;
    struct read read;
    (void)state;
    begin(&r);
    put_version(&r, 0, 0);
    assert_int_equal(read_lot(&r.b, &read, KEY), CACHE_ABSENT);
    end(&r);
}

static void a_lot_that_is_created_is_absent_no_more(void **state)
{
    struct rig r;
    struct read read;
    (void)state;
    begin(&r);
    put_version(&r, 0, 0);
    remove_lot(r.c, KEY, 1);
    assert_int_equal(read_lot(&r.b, &read, KEY), CACHE_FILL);
    assert_true(fill_with(&r.b, &read, 1, 10));
    assert_units(&r.a, 1, 10);
    end(&r);
}

static void a_delete_takes_away_what_is_older(void **state)
{
    struct rig r;
    (void)state;
    begin(&r);
    put_version(&r, 7, 24);
    remove_lot(r.c, KEY, 8);
    put_version(&r, 8, 23);
    assert_units(&r.b, 8, 23);
    end(&r);
}

static void a_delete_leaves_what_is_as_new(void **state)
{
    struct rig r;
    (void)state;
    begin(&r);
    put_version(&r, 8, 23);
    remove_lot(r.c, KEY, 8);
    remove_lot(r.c, KEY, 7);
    assert_units(&r.b, 8, 23);
    end(&r);
}

static void a_delete_of_no_known_version_takes_away_whatever_is_there(void **state)
{
    struct rig r;
    (void)state;
    begin(&r);
    put_version(&r, 8, 23);
    remove_lot(r.c, KEY, 0);
    put_version(&r, 8, 22);
    assert_units(&r.b, 8, 22);
    end(&r);
}

static void a_reading_older_than_a_delete_is_refused_and_the_version_wanted_is_told(void **state)
{
    struct rig r;
    struct read read;
    (void)state;
    begin(&r);
    remove_lot(r.c, KEY, 9);
    assert_int_equal(read_lot(&r.a, &read, KEY), CACHE_FILL);
    assert_int_equal(read.ask.least_version, 9);
    assert_false(fill_with(&r.a, &read, 8, 24));
    assert_int_equal(read.ask.verdict, CACHE_FILL);
    assert_int_equal(read.ask.least_version, 9);
    assert_true(fill_with(&r.a, &read, 9, 23));
    assert_units(&r.b, 9, 23);
    end(&r);
}

/* A replica that lags says what was true before the commit. */
static void a_fill_that_was_overtaken_by_a_delete_is_not_kept(void **state)
{
    struct rig r;
    struct read slow, read;
    (void)state;
    begin(&r);
    assert_int_equal(read_lot(&r.a, &slow, KEY), CACHE_FILL);
    remove_lot(r.c, KEY, 9);
    if (fill_with(&r.a, &slow, 8, 24)) { /* a tier that answers later cannot refuse it at once */
        assert_int_equal(read_lot(&r.b, &read, KEY), CACHE_FILL);
        give_up(&r.b, &read);
    } else {
        assert_int_equal(slow.ask.least_version, 9);
        give_up(&r.a, &slow);
    }
    put_version(&r, 9, 23);
    assert_units(&r.b, 9, 23);
    end(&r);
}

static void one_reader_fills_and_the_others_get_what_it_read(void **state)
{
    enum { OTHERS = 100 };
    static struct read others[OTHERS];
    struct rig r;
    struct read first;
    (void)state;
    begin(&r);
    assert_int_equal(read_lot(&r.a, &first, KEY), CACHE_FILL);
    for (int i = 0; i < OTHERS; i++)
        assert_false(read_begin(i % 2 ? &r.a : &r.b, &others[i], KEY));
    assert_true(fill_with(&r.a, &first, 4, 12));
    for (int i = 0; i < OTHERS; i++) {
        read_end(i % 2 ? &r.a : &r.b, &others[i]);
        assert_int_equal(others[i].ask.verdict, CACHE_FOUND);
        assert_int_equal(others[i].ask.lot.stock.on_hand, 12);
    }
    end(&r);
}

static void who_gives_up_hands_the_fill_to_one_who_waits(void **state)
{
    struct rig r;
    struct read first, second, third;
    (void)state;
    begin(&r);
    assert_int_equal(read_lot(&r.a, &first, KEY), CACHE_FILL);
    assert_false(read_begin(&r.b, &second, KEY));
    assert_false(read_begin(&r.b, &third, KEY));
    give_up(&r.a, &first);
    read_end(&r.b, &second);
    assert_int_equal(second.ask.verdict, CACHE_FILL);
    assert_int_equal(third.answers, 0);
    assert_true(fill_with(&r.b, &second, 3, 9));
    read_end(&r.b, &third);
    assert_int_equal(third.ask.verdict, CACHE_FOUND);
    end(&r);
}

static void lots_do_not_get_in_each_others_way(void **state)
{
    struct rig r;
    struct read read;
    char key[32];
    (void)state;
    begin(&r);
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "sku-%d#%08x", i, (unsigned)i);
        assert_int_equal(read_lot(&r.a, &read, key), CACHE_FILL);
        struct cached_lot lot = lot_at(key, i + 1, i);
        const struct cache_reading reading = {
            .lot = &lot, .source = SOURCE_PRIMARY, .read_ms = NOW_MS};
        assert_true(r.a.session->ops->fill(r.a.session, &read.ask, &reading, NOW_MS));
    }
    assert_int_equal(read_lot(&r.a, &read, "last#00000000"), CACHE_FILL); /* behind all fills */
    give_up(&r.a, &read);
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "sku-%d#%08x", i, (unsigned)i);
        assert_int_equal(read_lot(&r.b, &read, key), CACHE_FOUND);
        assert_int_equal(read.ask.lot.stock.version, i + 1);
    }
    end(&r);
}

static void a_look_for_comparison_takes_no_lease_and_counts_as_no_read(void **state)
{
    struct rig r;
    struct cache_stats before, after;
    (void)state;
    begin(&r);
    put_version(&r, 7, 24);
    r.c->ops->stats(r.c, &before);
    int found = 0;
    for (int tier = SOURCE_LOCAL; tier <= SOURCE_REDIS; tier++) {
        struct read read = {.ask = {.key = STR(KEY)}};
        read.ask.context = &read;
        if (r.a.session->ops->inspect(r.a.session, &read.ask, (enum cache_source)tier, NOW_MS))
            read.answers++;
        read_end(&r.a, &read);
        assert_true(read.ask.verdict == CACHE_FOUND || read.ask.verdict == CACHE_BLIND);
        found += read.ask.verdict == CACHE_FOUND && read.ask.lot.stock.version == 7;
        read = (struct read){.ask = {.key = STR("none#00000000"), .context = &read}};
        if (r.a.session->ops->inspect(r.a.session, &read.ask, (enum cache_source)tier, NOW_MS))
            read.answers++;
        read_end(&r.a, &read);
        assert_int_equal(read.ask.verdict, CACHE_BLIND);
    }
    (void)found;
    r.c->ops->stats(r.c, &after);
    assert_int_equal(after.local_hits_total + after.remote_hits_total + after.misses_total,
                     before.local_hits_total + before.remote_hits_total + before.misses_total);
    struct read read;
    assert_int_equal(read_lot(&r.b, &read, "none#00000000"), CACHE_FILL);
    give_up(&r.b, &read);
    end(&r);
}

static void leaving_answers_what_is_open_blind(void **state)
{
    struct rig r;
    struct read first, second;
    (void)state;
    begin(&r);
    assert_int_equal(read_lot(&r.a, &first, KEY), CACHE_FILL);
    assert_false(read_begin(&r.b, &second, KEY));
    reader_close(&r.b);
    assert_int_equal(second.answers, 1);
    assert_int_equal(second.ask.verdict, CACHE_BLIND);
    assert_true(fill_with(&r.a, &first, 2, 2));
    reader_close(&r.a);
    cache_destroy(r.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_there_is_the_askers_to_fill),
        TEST(what_was_filled_is_found_by_all_with_every_field),
        TEST(an_answer_says_where_it_came_from_and_how_old_it_is),
        TEST(that_there_is_no_such_lot_is_kept),
        TEST(a_lot_that_is_created_is_absent_no_more),
        TEST(a_delete_takes_away_what_is_older),
        TEST(a_delete_leaves_what_is_as_new),
        TEST(a_delete_of_no_known_version_takes_away_whatever_is_there),
        TEST(a_reading_older_than_a_delete_is_refused_and_the_version_wanted_is_told),
        TEST(a_fill_that_was_overtaken_by_a_delete_is_not_kept),
        TEST(one_reader_fills_and_the_others_get_what_it_read),
        TEST(who_gives_up_hands_the_fill_to_one_who_waits),
        TEST(lots_do_not_get_in_each_others_way),
        TEST(a_look_for_comparison_takes_no_lease_and_counts_as_no_read),
        TEST(leaving_answers_what_is_open_blind),
    };
    return RUN_ADAPTERS(tests);
}
