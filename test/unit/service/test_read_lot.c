/* GetLot through a cache: where the answer came from, one look-up for many, what a commit does. */
#include "fixture_service.h"

#include <stdio.h>
#include <string.h>

/* Lots 1 and 3 of the fixture: a key's '#' is percent-encoded in a path. */
static const char *path_of(struct fixture *f, lot_id id, const char *more)
{
    static char path[128];
    struct str key = f->dims[id - 1].key;
    uint32_t sku = (uint32_t)((const char *)memchr(key.p, '#', key.len) - key.p);
    snprintf(path, sizeof path, "/v1/lots/%.*s%%23%.*s%s", (int)sku, key.p,
             (int)(key.len - sku - 1), key.p + sku + 1, more);
    return path;
}

static struct fake_exchange *get(struct fixture *f, lot_id id)
{
    return http(f, "GET", path_of(f, id, ""), "");
}

static void say(struct fixture *f, lot_id id)
{
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_GET_LOT);
    c->get_lot.lot = f->lots[id - 1];
    fixture_answer(f, c, 0);
}

static void assert_from(const struct fake_exchange *x, const char *source, const char *age)
{
    assert_int_equal(x->answers, 1);
    assert_int_equal(x->status, 200);
    assert_string_equal(answer_header(x, "x-tally-source"), source);
    assert_string_equal(answer_header(x, "age"), age);
}

static void without_a_cache_the_engine_answers_and_the_answer_says_so(void **state)
{
    struct fixture *f = fixture_open();
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fake_exchange *x = get(f, 1);
        say(f, 1);
        assert_from(x, "memory", "0");
    }
    assert_int_equal(f->submitted, 2);
    fixture_close(f);
}

static void a_lot_that_was_read_is_answered_without_the_engine_and_with_its_age(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    struct fake_exchange *first = get(f, 1);
    say(f, 1);
    assert_from(first, "memory", "0");
    fixture_cache_turn(f, 2500);
    struct fake_exchange *second = get(f, 1);
    assert_from(second, "local", "2");
    assert_int_equal(f->submitted, 1);
    assert_true(second->body.len == first->body.len);
    assert_memory_equal(second->body.p, first->body.p, first->body.len);
    fixture_close(f);
}

static void grpc_says_the_same_in_its_metadata(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    Tally__V1__GetLotRequest m = TALLY__V1__GET_LOT_REQUEST__INIT;
    char key[LOT_KEY_MAX + 1];
    (void)state;
    snprintf(key, sizeof key, "%.*s", STR_ARG(f->dims[0].key));
    m.lot = key;
    struct fake_exchange *x = grpc(f, "GetLot", &m.base);
    say(f, 1);
    x = grpc(f, "GetLot", &m.base);
    Tally__V1__Lot *lot = answer_message(x, &tally__v1__lot__descriptor);
    assert_string_equal(lot->lot, key);
    assert_int_equal(lot->available, 85);
    assert_string_equal(answer_header(x, "x-tally-source"), "local");
    assert_string_equal(answer_header(x, "age"), "0");
    fixture_close(f);
}

static void strong_consistency_asks_past_the_cache(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    get(f, 1);
    say(f, 1);
    struct fake_exchange *x = http(f, "GET", path_of(f, 1, "?consistency=strong"), "");
    assert_int_equal(x->answers, 0);
    assert_true(fixture_command(f)->get_lot.strong);
    say(f, 1);
    assert_from(x, "memory", "0");
    fixture_close(f);
}

static void any_other_consistency_is_refused(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    struct fake_exchange *x = http(f, "GET", path_of(f, 1, "?consistency=weak"), "");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "\"consistency\""));
    fixture_close(f);
}

static void all_who_miss_at_once_cost_one_look_up(void **state)
{
    enum { READERS = 30 }; /* as many as the fixture lets in */
    struct fixture *f = fixture_open_with_cache(false);
    struct fake_exchange *x[READERS];
    (void)state;
    for (int i = 0; i < READERS; i++)
        x[i] = get(f, 1);
    assert_int_equal(f->submitted, 1);
    say(f, 1);
    fixture_cache_turn(f, 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(x[i]->status, 200);
    assert_int_equal(f->submitted, 1);
    assert_int_equal(service_inflight(f->service), 0);
    fixture_close(f);
}

static void after_a_commit_the_next_reader_asks_the_authority_itself(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    get(f, 1);
    say(f, 1);
    f->lots[0].stock.version++;
    cache_delete(f->cache, f->dims[0].key, f->lots[0].stock.version, NULL, NULL);
    struct fake_exchange *x = get(f, 1);
    assert_true(fixture_command(f)->get_lot.strong);
    say(f, 1);
    assert_from(x, "memory", "0");
    assert_from(get(f, 1), "local", "0");
    fixture_close(f);
}

/* It was asked for before the commit, and is answered after it. */
static void an_answer_that_a_commit_overtook_is_asked_for_once_more(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    struct fake_exchange *x = get(f, 1);
    cache_delete(f->cache, f->dims[0].key, f->lots[0].stock.version + 1, NULL, NULL);
    say(f, 1);
    assert_int_equal(x->answers, 0);
    assert_true(fixture_command(f)->get_lot.strong);
    f->lots[0].stock.version++;
    f->lots[0].stock.reserved++;
    say(f, 1);
    assert_from(x, "memory", "0");
    assert_true(answer_says(x, "\"version\":8"));
    fixture_close(f);
}

/* An operator has set the version back: the authority's own word stands, and is not kept. */
static void what_the_authority_says_twice_is_shown(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    cache_delete(f->cache, f->dims[0].key, 100, NULL, NULL);
    struct fake_exchange *x = get(f, 1);
    say(f, 1);
    assert_int_equal(x->answers, 0);
    say(f, 1);
    assert_from(x, "memory", "0");
    assert_int_equal(service_inflight(f->service), 0);
    get(f, 1);
    assert_int_equal(f->command_count, 1);
    fixture_close(f);
}

static void that_there_is_no_such_lot_is_answered_without_the_engine_the_next_time(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    struct fake_exchange *x = get(f, 1);
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    assert_int_equal(x->status, 404);
    x = get(f, 1);
    assert_int_equal(x->status, 404);
    assert_true(answer_says(x, "there is no lot cola#"));
    assert_int_equal(f->submitted, 1);
    fixture_close(f);
}

static void an_engine_that_refuses_hands_the_look_up_to_the_next_reader(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    struct fake_exchange *first = get(f, 1), *second = get(f, 1);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
    assert_int_equal(first->status, 503);
    assert_int_equal(second->answers, 0);
    fixture_cache_turn(f, 0);
    say(f, 1);
    assert_from(second, "memory", "0");
    fixture_close(f);
}

static void who_left_pays_his_fill_all_the_same(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    struct fake_exchange *first = get(f, 1), *second = get(f, 1);
    fixture_tick(f, 6000); /* both have waited too long */
    assert_int_equal(first->status, 503);
    assert_int_equal(second->status, 503);
    say(f, 1);
    fixture_cache_turn(f, 0);
    assert_int_equal(service_inflight(f->service), 0);
    assert_from(get(f, 1), "local", "0");
    fixture_close(f);
}

static void who_waits_for_another_ones_look_up_too_long_asks_himself(void **state)
{
    struct fixture *f = fixture_open_with_cache(false);
    (void)state;
    get(f, 1);
    struct fake_exchange *second = get(f, 1);
    assert_int_equal(f->command_count, 1);
    fixture_cache_turn(f, 250);
    assert_int_equal(f->command_count, 2);
    say(f, 1);
    say(f, 1);
    assert_from(second, "memory", "0");
    fixture_close(f);
}

static void over_a_shared_ledger_the_answer_comes_from_the_primary_or_a_replica(void **state)
{
    struct fixture *f = fixture_open();
    (void)state;
    service_destroy(f->service);
    f->host.lots_shared = true;
    assert_int_equal(service_create(&f->service, &f->host, NULL), 0);
    struct fake_exchange *x = get(f, 1);
    say(f, 1);
    assert_from(x, "primary", "0");
    x = get(f, 1);
    fixture_command(f)->get_lot.replica = true;
    say(f, 1);
    assert_from(x, "replica", "0");
    fixture_close(f);
}

static void leaving_the_cache_answers_who_waits(void **state)
{
    struct fixture *f = fixture_open_with_cache(true);
    (void)state;
    get(f, 1);
    struct fake_exchange *second = get(f, 1);
    service_leave_cache(f->service);
    assert_int_equal(second->status, 503);
    fixture_close(f);
}

/* ---- the filter of lot keys ---- */

/* All lots up to `count` are listed. */
static void list(struct fixture *f, uint32_t count)
{
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_LIST_LOTS);
    uint32_t from = c->list.after;
    for (uint32_t i = from; i < count; i++)
        c->list.lots[i - from] = f->lots[i];
    c->list.count = count > from ? count - from : 0;
    c->list.next = 0;
    fixture_answer(f, c, 0);
}

/* The first look-up of a lot that is not kept has all lots listed. */
static struct fixture *open_with_filter(uint32_t lots)
{
    struct fixture *f = fixture_open_with_cache(true);
    get(f, 1);
    assert_int_equal(f->command_count, 2);
    list(f, lots);
    say(f, 1);
    return f;
}

static void until_all_lots_are_listed_nobody_is_denied_one(void **state)
{
    struct fixture *f = fixture_open_with_cache(true);
    (void)state;
    struct fake_exchange *x = get(f, 3);
    assert_int_equal(f->commands[0]->kind, COMMAND_LIST_LOTS);
    assert_int_equal(f->commands[1]->kind, COMMAND_GET_LOT);
    list(f, 2);
    say(f, 3);
    assert_int_equal(x->status, 200);
    fixture_close(f);
}

static void lots_that_never_were_cost_one_list_of_the_newest_for_all_who_ask(void **state)
{
    struct fixture *f = open_with_filter(2);
    struct fake_exchange *x[8];
    char path[64];
    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "/v1/lots/none%%23%08x", (unsigned)i);
        x[i] = http(f, "GET", path, "");
    }
    assert_int_equal(f->command_count, 1);
    assert_int_equal(fixture_command(f)->list.after, 2);
    list(f, 2); /* the first one's; those who came while it was asked for have the next */
    assert_int_equal(x[0]->status, 404);
    assert_int_equal(x[1]->answers, 0);
    assert_int_equal(f->command_count, 1);
    list(f, 2);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(x[i]->status, 404);
        assert_true(answer_says(x[i], "there is no lot none#"));
    }
    assert_int_equal(f->command_count, 0);
    assert_int_equal(service_inflight(f->service), 0);
    fixture_close(f);
}

/* Another node created it a moment ago. */
static void a_lot_that_is_newer_than_the_filter_is_found(void **state)
{
    struct fixture *f = open_with_filter(2);
    (void)state;
    struct fake_exchange *x = get(f, 3);
    list(f, 3);
    say(f, 3);
    assert_from(x, "memory", "0");
    fixture_close(f);
}

static void where_the_list_is_refused_the_engine_is_asked(void **state)
{
    struct fixture *f = open_with_filter(2);
    (void)state;
    struct fake_exchange *x = get(f, 3);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
    say(f, 3);
    assert_from(x, "memory", "0");
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_cache_the_engine_answers_and_the_answer_says_so),
        cmocka_unit_test(a_lot_that_was_read_is_answered_without_the_engine_and_with_its_age),
        cmocka_unit_test(grpc_says_the_same_in_its_metadata),
        cmocka_unit_test(strong_consistency_asks_past_the_cache),
        cmocka_unit_test(any_other_consistency_is_refused),
        cmocka_unit_test(all_who_miss_at_once_cost_one_look_up),
        cmocka_unit_test(after_a_commit_the_next_reader_asks_the_authority_itself),
        cmocka_unit_test(an_answer_that_a_commit_overtook_is_asked_for_once_more),
        cmocka_unit_test(what_the_authority_says_twice_is_shown),
        cmocka_unit_test(that_there_is_no_such_lot_is_answered_without_the_engine_the_next_time),
        cmocka_unit_test(an_engine_that_refuses_hands_the_look_up_to_the_next_reader),
        cmocka_unit_test(who_left_pays_his_fill_all_the_same),
        cmocka_unit_test(who_waits_for_another_ones_look_up_too_long_asks_himself),
        cmocka_unit_test(over_a_shared_ledger_the_answer_comes_from_the_primary_or_a_replica),
        cmocka_unit_test(leaving_the_cache_answers_who_waits),
        cmocka_unit_test(until_all_lots_are_listed_nobody_is_denied_one),
        cmocka_unit_test(lots_that_never_were_cost_one_list_of_the_newest_for_all_who_ask),
        cmocka_unit_test(a_lot_that_is_newer_than_the_filter_is_found),
        cmocka_unit_test(where_the_list_is_refused_the_engine_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
