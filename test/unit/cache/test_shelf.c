/* One part of the lots that a process keeps: times, bounds, leases, tombstones. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "cache/shelf.h"

#define KEY "cola#008a47f9"

struct rig {
    struct shelf shelf;
    struct shelf_terms terms;
    struct shelf_figures figures;
    int64_t now_ms;
};

static void open_rig(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->terms = (struct shelf_terms){.bytes_max = 1 << 20,
                                    .keep_ms = 30000,
                                    .absent_ms = 5000,
                                    .stale_ms = 1000,
                                    .tombstone_ms = 20000,
                                    .lease_ms = 1000};
    r->now_ms = 1000000;
    assert_int_equal(shelf_init(&r->shelf, &r->terms, &r->figures), 0);
}

static void close_rig(struct rig *r)
{
    shelf_close(&r->shelf);
    assert_int_equal(r->figures.bytes, 0);
    assert_int_equal(r->figures.lots, 0);
    assert_int_equal(r->figures.tombstones, 0);
}

static struct cache_ask ask_of(const char *key)
{
    return (struct cache_ask){.key = str_of(key), .hash = hash64(str_of(key), 1)};
}

static enum shelf_state look(struct rig *r, struct cache_ask *ask, const char *key)
{
    *ask = ask_of(key);
    return shelf_look(&r->shelf, ask, r->now_ms);
}

static enum shelf_fill settle(struct rig *r, struct cache_ask *ask, int64_t version, bool keep,
                              struct cache_ask **waited)
{
    const struct lot_dims dims = {.key = ask->key, .sku = STR("cola")};
    const struct lot_terms terms = lot_terms_plain(&dims);
    const struct stock stock = {.version = version, .on_hand = version};
    struct cached_lot lot;
    cached_lot_make(&lot, 1, &dims, &terms, &stock);
    const struct cache_reading reading = {
        .lot = version ? &lot : NULL, .source = SOURCE_PRIMARY, .read_ms = r->now_ms};
    return shelf_settle(&r->shelf, ask, &reading, keep, r->now_ms, waited);
}

static void keep(struct rig *r, const char *key, int64_t version)
{
    struct cache_ask ask, *waited;
    assert_int_equal(look(r, &ask, key), SHELF_LEASE);
    assert_int_equal(settle(r, &ask, version, true, &waited), SHELF_KEPT);
    assert_null(waited);
}

static void forget(struct rig *r, const char *key, int64_t version)
{
    shelf_delete(&r->shelf, str_of(key), hash64(str_of(key), 1), version, r->now_ms);
}

static void a_value_is_kept_for_its_time_and_not_longer(void **state)
{
    struct rig r;
    struct cache_ask ask;
    (void)state;
    open_rig(&r);
    keep(&r, KEY, 1);
    r.now_ms += 29999;
    assert_int_equal(look(&r, &ask, KEY), SHELF_HIT);
    assert_int_equal(ask.age_ms, 29999);
    r.now_ms++;
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    close_rig(&r);
}

static void that_a_lot_is_absent_is_kept_for_a_shorter_time(void **state)
{
    struct rig r;
    struct cache_ask ask;
    (void)state;
    open_rig(&r);
    keep(&r, KEY, 0);
    r.now_ms += 4999;
    assert_int_equal(look(&r, &ask, KEY), SHELF_HIT);
    assert_int_equal(ask.verdict, CACHE_ABSENT);
    r.now_ms++;
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    close_rig(&r);
}

static void an_older_reading_never_replaces_a_newer_one(void **state)
{
    struct rig r;
    struct cache_ask slow, fast, *waited;
    (void)state;
    open_rig(&r);
    assert_int_equal(look(&r, &slow, KEY), SHELF_LEASE);
    r.now_ms += 1000; /* the lease is lost */
    keep(&r, KEY, 5);
    assert_int_equal(settle(&r, &slow, 4, true, &waited), SHELF_SUPERSEDED);
    assert_int_equal(slow.lot.stock.version, 5);
    assert_int_equal(look(&r, &fast, KEY), SHELF_HIT);
    assert_int_equal(fast.lot.stock.version, 5);
    close_rig(&r);
}

static void a_tombstone_refuses_older_readings_for_its_time(void **state)
{
    struct rig r;
    struct cache_ask ask, *waited;
    (void)state;
    open_rig(&r);
    forget(&r, KEY, 9);
    r.now_ms += 19999;
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    assert_int_equal(ask.least_version, 9);
    assert_int_equal(settle(&r, &ask, 8, true, &waited), SHELF_TOO_OLD);
    r.now_ms++;
    assert_int_equal(settle(&r, &ask, 8, true, &waited), SHELF_KEPT);
    close_rig(&r);
}

static void an_older_delete_does_not_lower_the_tombstone(void **state)
{
    struct rig r;
    struct cache_ask ask;
    (void)state;
    open_rig(&r);
    forget(&r, KEY, 9);
    forget(&r, KEY, 3);
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    assert_int_equal(ask.least_version, 9);
    assert_null(shelf_give_up(&r.shelf, &ask, r.now_ms));
    close_rig(&r);
}

static void after_a_refused_reading_the_lease_goes_on(void **state)
{
    struct rig r;
    struct cache_ask ask, other, *waited;
    (void)state;
    open_rig(&r);
    forget(&r, KEY, 9);
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    assert_int_equal(settle(&r, &ask, 8, true, &waited), SHELF_TOO_OLD);
    r.now_ms += 999;
    assert_int_equal(look(&r, &other, KEY), SHELF_WAIT);
    assert_int_equal(settle(&r, &ask, 9, true, &waited), SHELF_KEPT);
    assert_ptr_equal(waited, &other);
    close_rig(&r);
}

static void a_lease_that_is_not_used_in_time_passes_to_the_next_who_asks(void **state)
{
    struct rig r;
    struct cache_ask slow, next, *waited;
    (void)state;
    open_rig(&r);
    assert_int_equal(look(&r, &slow, KEY), SHELF_LEASE);
    r.now_ms += 999;
    assert_int_equal(look(&r, &next, KEY), SHELF_WAIT);
    r.now_ms++;
    assert_int_equal(shelf_leave(&r.shelf, &next, r.now_ms), SHELF_LEASE);
    assert_int_equal(r.figures.leases_lost_total, 1);
    assert_int_equal(settle(&r, &slow, 2, true, &waited), SHELF_NOT_KEPT);
    assert_int_equal(settle(&r, &next, 2, true, &waited), SHELF_KEPT);
    close_rig(&r);
}

static void who_waits_too_long_gets_what_was_there_before_the_delete(void **state)
{
    struct rig r;
    struct cache_ask filler, ask;
    (void)state;
    open_rig(&r);
    keep(&r, KEY, 5);
    forget(&r, KEY, 6);
    assert_int_equal(look(&r, &filler, KEY), SHELF_LEASE);
    assert_int_equal(look(&r, &ask, KEY), SHELF_WAIT);
    assert_true(ask.stale);
    r.now_ms += 20;
    assert_int_equal(shelf_leave(&r.shelf, &ask, r.now_ms), SHELF_HIT);
    assert_true(ask.stale);
    assert_int_equal(ask.lot.stock.version, 5);
    assert_null(shelf_give_up(&r.shelf, &filler, r.now_ms));
    close_rig(&r);
}

static void what_a_delete_made_old_is_shown_for_no_longer_than_stale_ms(void **state)
{
    struct rig r;
    struct cache_ask filler, ask;
    (void)state;
    open_rig(&r);
    keep(&r, KEY, 5);
    forget(&r, KEY, 6);
    r.now_ms += 500;
    assert_int_equal(look(&r, &filler, KEY), SHELF_LEASE);
    r.now_ms += 500;
    assert_int_equal(look(&r, &ask, KEY), SHELF_WAIT);
    assert_int_equal(shelf_leave(&r.shelf, &ask, r.now_ms), SHELF_NO_ROOM);
    assert_int_equal(ask.least_version, 6);
    assert_null(shelf_give_up(&r.shelf, &filler, r.now_ms));
    close_rig(&r);
}

static void a_value_is_checked_by_one_reader_while_the_others_have_it(void **state)
{
    struct rig r;
    struct cache_ask checker, other, *waited;
    (void)state;
    open_rig(&r);
    r.terms.recheck_ms = 500;
    keep(&r, KEY, 5);
    r.now_ms += 499;
    assert_int_equal(look(&r, &other, KEY), SHELF_HIT);
    r.now_ms++;
    assert_int_equal(look(&r, &checker, KEY), SHELF_LEASE);
    assert_int_equal(look(&r, &other, KEY), SHELF_HIT);
    assert_int_equal(settle(&r, &checker, 5, true, &waited), SHELF_KEPT);
    r.now_ms += 499;
    assert_int_equal(look(&r, &other, KEY), SHELF_HIT);
    close_rig(&r);
}

static void a_reading_that_is_not_wanted_is_told_and_forgotten(void **state)
{
    struct rig r;
    struct cache_ask ask, other, *waited;
    (void)state;
    open_rig(&r);
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    assert_int_equal(look(&r, &other, KEY), SHELF_WAIT);
    assert_int_equal(settle(&r, &ask, 5, false, &waited), SHELF_NOT_KEPT);
    assert_ptr_equal(waited, &other);
    assert_int_equal(other.verdict, CACHE_FOUND);
    assert_int_equal(r.shelf.count, 0);
    close_rig(&r);
}

/* A delete of no known version: what is under way was read before. */
static void a_reading_that_a_delete_of_no_known_version_overtook_is_not_kept(void **state)
{
    struct rig r;
    struct cache_ask ask, *waited;
    (void)state;
    open_rig(&r);
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    forget(&r, KEY, 0);
    assert_int_equal(settle(&r, &ask, 5, true, &waited), SHELF_NOT_KEPT);
    keep(&r, KEY, 5);
    close_rig(&r);
}

static void full_it_lets_go_of_what_was_read_longest_ago(void **state)
{
    struct rig r;
    struct cache_ask ask;
    char key[32];
    (void)state;
    open_rig(&r);
    r.terms.bytes_max = 16384;
    keep(&r, KEY, 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "sku-%d#00000000", i);
        keep(&r, key, 1);
        assert_true(r.shelf.bytes <= r.terms.bytes_max);
        assert_int_equal(look(&r, &ask, KEY), SHELF_HIT);
    }
    assert_int_equal(look(&r, &ask, "sku-999#00000000"), SHELF_HIT);
    assert_int_equal(look(&r, &ask, "sku-1#00000000"), SHELF_LEASE);
    assert_null(shelf_give_up(&r.shelf, &ask, r.now_ms));
    assert_true(r.figures.evicted_total > 900);
    close_rig(&r);
}

static void full_of_leases_it_sends_readers_to_the_authority(void **state)
{
    struct rig r;
    static struct cache_ask asks[1000];
    char keys[1000][32];
    int leases = 0, turned_away = 0;
    (void)state;
    open_rig(&r);
    r.terms.bytes_max = 16384;
    for (int i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof keys[i], "sku-%d#00000000", i);
        enum shelf_state state_of = look(&r, &asks[i], keys[i]);
        leases += state_of == SHELF_LEASE;
        turned_away += state_of == SHELF_NO_ROOM;
    }
    assert_int_equal(leases + turned_away, 1000);
    assert_true(leases > 20);
    assert_true(turned_away > 500);
    assert_true(r.shelf.bytes <= r.terms.bytes_max);
    close_rig(&r);
}

/* Rather nothing is kept than something that a forgotten delete had made old. */
static void full_of_tombstones_it_takes_no_fills_until_they_would_have_ended(void **state)
{
    struct rig r;
    struct cache_ask ask, *waited;
    char key[32];
    (void)state;
    open_rig(&r);
    r.terms.bytes_max = 16384;
    assert_int_equal(look(&r, &ask, KEY), SHELF_LEASE);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "sku-%d#00000000", i);
        forget(&r, key, 2);
    }
    assert_true(r.shelf.bytes <= r.terms.bytes_max);
    r.terms.bytes_max = 1 << 20; /* it is not for want of room */
    assert_int_equal(settle(&r, &ask, 1, true, &waited), SHELF_NOT_KEPT);
    assert_int_equal(ask.verdict, CACHE_FOUND);
    r.now_ms += 20000;
    keep(&r, KEY, 1);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_kept_for_its_time_and_not_longer),
        cmocka_unit_test(that_a_lot_is_absent_is_kept_for_a_shorter_time),
        cmocka_unit_test(an_older_reading_never_replaces_a_newer_one),
        cmocka_unit_test(a_tombstone_refuses_older_readings_for_its_time),
        cmocka_unit_test(an_older_delete_does_not_lower_the_tombstone),
        cmocka_unit_test(after_a_refused_reading_the_lease_goes_on),
        cmocka_unit_test(a_lease_that_is_not_used_in_time_passes_to_the_next_who_asks),
        cmocka_unit_test(who_waits_too_long_gets_what_was_there_before_the_delete),
        cmocka_unit_test(what_a_delete_made_old_is_shown_for_no_longer_than_stale_ms),
        cmocka_unit_test(a_value_is_checked_by_one_reader_while_the_others_have_it),
        cmocka_unit_test(a_reading_that_is_not_wanted_is_told_and_forgotten),
        cmocka_unit_test(a_reading_that_a_delete_of_no_known_version_overtook_is_not_kept),
        cmocka_unit_test(full_it_lets_go_of_what_was_read_longest_ago),
        cmocka_unit_test(full_of_leases_it_sends_readers_to_the_authority),
        cmocka_unit_test(full_of_tombstones_it_takes_no_fills_until_they_would_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
