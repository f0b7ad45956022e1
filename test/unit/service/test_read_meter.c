/* The inconsistency meter at work: it samples what was read, and finds a copy that is older than
 * what the engine says. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void get(struct fixture *f)
{
    char path[128];
    struct str key = f->dims[0].key;
    uint32_t sku = (uint32_t)((const char *)memchr(key.p, '#', key.len) - key.p);
    snprintf(path, sizeof path, "/v1/lots/%.*s%%23%.*s", (int)sku, key.p, (int)(key.len - sku - 1),
             key.p + sku + 1);
    http(f, "GET", path, "");
}

static void say(struct fixture *f)
{
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_GET_LOT);
    c->get_lot.lot = f->lots[0];
    fixture_answer(f, c, 0);
}

/* Lot 1 is in the cache as it is now. */
static struct fixture *open_with_copy(void)
{
    struct fixture *f = fixture_open_with_cache(false);
    f->settings.meter_interval_ms = 1000;
    get(f);
    say(f);
    return f;
}

/* A second later it samples. */
static void sample(struct fixture *f, int64_t after_ms)
{
    f->later_ms += after_ms;
    fixture_tick(f, after_ms);
    assert_int_equal(f->command_count, 1);
    assert_true(fixture_command(f)->get_lot.strong);
    say(f);
}

static struct meter_stats figures(struct fixture *f)
{
    struct meter_stats stats;
    meter_figures(f->meter, &stats);
    return stats;
}

static void a_copy_that_is_right_is_sampled_and_nothing_is_found(void **state)
{
    struct fixture *f = open_with_copy();
    (void)state;
    sample(f, 1000);
    assert_int_equal(figures(f).samples_total, 1);
    assert_int_equal(figures(f).found_total, 0);
    fixture_tick(f, 20);
    assert_int_equal(f->command_count, 0); /* the next one is a second away */
    assert_int_equal(service_inflight(f->service), 0);
    fixture_close(f);
}

/* A commit of which nobody told this process. */
static void a_planted_stale_copy_is_found_and_its_time_is_told(void **state)
{
    struct fixture *f = open_with_copy();
    struct metrics_text text = {0};
    (void)state;
    f->lots[0].stock.version++;
    sample(f, 1000);
    assert_int_equal(figures(f).found_total, 1);
    assert_int_equal(figures(f).lots, 1);
    sample(f, 20); /* followed without waiting for the interval */
    assert_int_equal(figures(f).oldest_ms, 20);
    cache_delete(f->cache, f->dims[0].key, f->lots[0].stock.version, NULL, NULL);
    sample(f, 20);
    assert_int_equal(figures(f).lots, 0);
    assert_int_equal(figures(f).lasted_longest_ms, 40);
    metrics_render(&text);
    assert_non_null(strstr(text.data, "tally_inconsistency_duration_seconds_count 1\n"));
    free(text.data);
    fixture_close(f);
}

static void with_an_interval_of_0_nothing_is_sampled(void **state)
{
    struct fixture *f = open_with_copy();
    (void)state;
    f->settings.meter_interval_ms = 0;
    f->later_ms += 5000;
    fixture_tick(f, 5000);
    assert_int_equal(f->command_count, 0);
    fixture_close(f);
}

static void an_authority_that_does_not_answer_is_left_out(void **state)
{
    struct fixture *f = open_with_copy();
    (void)state;
    f->later_ms += 1000;
    fixture_tick(f, 1000);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
    assert_int_equal(figures(f).samples_total, 0);
    sample(f, 1000);
    assert_int_equal(figures(f).samples_total, 1);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_that_is_right_is_sampled_and_nothing_is_found),
        cmocka_unit_test(a_planted_stale_copy_is_found_and_its_time_is_told),
        cmocka_unit_test(with_an_interval_of_0_nothing_is_sampled),
        cmocka_unit_test(an_authority_that_does_not_answer_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
