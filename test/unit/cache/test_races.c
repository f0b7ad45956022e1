/* Fills, deletes and commits in any order, from a seed: readers that are slow, replicas that lag,
 * deletes that come late, twice or out of order. An auditor holds each answer against what the
 * cache had been told before it was asked; caches with planted mistakes show that it would notice.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "cache/cache_local.h"
#include "fixture_planted.h"

#define KEY "cola#008a47f9"

enum {
    STEPS = 4000,
    READERS = 12,
    MESSAGES = 64,
    LEASE_MS = 400,
    LAG_MAX = 6, /* versions that a replica may be behind */
    SEEDS = 60,
};

struct read {
    struct cache_ask ask; /* first */
    bool open;            /* asked, and not over */
    bool answered;
    int64_t told;     /* deletes that the cache had heard when it was asked */
    int64_t read_at;  /* version that the authority said; 0: not asked yet */
    int64_t begun_ms; /* the lease */
};

struct world {
    struct cache *c;
    struct cache_session *session;
    uint64_t rng;
    int64_t now_ms;
    int64_t version;            /* of the ledger */
    int64_t told;               /* highest version of a delete that the cache has heard */
    int64_t messages[MESSAGES]; /* second deletes on their way; 0: none */
    struct read reads[READERS];
    const char *wrong; /* what the auditor found first */
};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->rng >> 33) % below;
}

static void wrong(struct world *w, const char *what)
{
    if (!w->wrong)
        w->wrong = what;
}

/* ---- the auditor ---- */

static void judge_answer(struct world *w, struct read *r)
{
    if (r->ask.verdict == CACHE_FOUND && !r->ask.stale && r->ask.lot.stock.version < r->told)
        wrong(w, "shown what a delete had made old");
    if (r->ask.verdict == CACHE_FOUND && r->ask.lot.stock.version > w->version)
        wrong(w, "shown what never was");
}

static void judge_lease(struct world *w, const struct read *mine)
{
    for (int i = 0; i < READERS; i++) {
        const struct read *r = &w->reads[i];
        if (r != mine && r->open && r->answered && r->ask.verdict == CACHE_FILL &&
            w->now_ms - r->begun_ms < LEASE_MS)
            wrong(w, "two fill at a time");
    }
}

/* ---- what happens ---- */

static void take_answer(struct world *w, struct read *r)
{
    r->answered = true;
    judge_answer(w, r);
    if (r->ask.verdict == CACHE_FILL) {
        judge_lease(w, r);
        r->begun_ms = w->now_ms;
        r->read_at = 0;
    } else {
        r->open = false;
    }
}

static void answered(void *context, struct cache_ask *ask)
{
    take_answer(context, (struct read *)ask);
}

static void begin_read(struct world *w, struct read *r)
{
    *r = (struct read){.ask = {.key = STR(KEY)}, .open = true, .told = w->told};
    if (w->session->ops->ask(w->session, &r->ask, w->now_ms))
        take_answer(w, r);
}

/* First the authority is asked, a step later, or many, it is told to the cache. */
static void go_on(struct world *w, struct read *r)
{
    if (r->read_at == 0) {
        int64_t lag = draw(w, 3) ? draw(w, LAG_MAX) : 0;
        r->read_at = w->version > lag ? w->version - lag : 1;
        return;
    }
    if (draw(w, 20) == 0) {
        w->session->ops->give_up(w->session, &r->ask, w->now_ms);
        r->open = false;
        return;
    }
    const struct lot_dims dims = {.key = STR(KEY)};
    const struct lot_terms terms = lot_terms_plain(&dims);
    const struct stock stock = {.version = r->read_at};
    struct cached_lot lot;
    cached_lot_make(&lot, 1, &dims, &terms, &stock);
    const struct cache_reading reading = {
        .lot = &lot, .source = SOURCE_REPLICA, .read_ms = w->now_ms};
    if (!w->session->ops->fill(w->session, &r->ask, &reading, w->now_ms)) {
        if (r->read_at >= r->ask.least_version)
            wrong(w, "refused what was new enough");
        r->read_at = w->version;                /* the primary */
        if (w->now_ms - r->begun_ms < LEASE_MS) /* else it was lost before */
            r->begun_ms = w->now_ms;
        return;
    }
    r->open = false;
}

static void commit(struct world *w)
{
    int64_t *message = &w->messages[draw(w, MESSAGES)];
    w->version++;
    cache_delete(w->c, STR(KEY), w->version, NULL, NULL);
    w->told = w->version;
    *message = w->version;
}

static void deliver(struct world *w)
{
    int64_t *message = &w->messages[draw(w, MESSAGES)];
    if (*message)
        cache_delete(w->c, STR(KEY), *message, NULL, NULL);
    if (draw(w, 2))
        *message = 0; /* else it comes once more */
}

static void step(struct world *w)
{
    struct read *r = &w->reads[draw(w, READERS)];
    uint32_t what = draw(w, 100);
    w->now_ms += draw(w, 30) == 0 ? draw(w, 300) : draw(w, 4);
    if (what < 5)
        commit(w);
    else if (what < 15)
        deliver(w);
    else if (!r->open)
        begin_read(w, r);
    else if (r->answered)
        go_on(w, r);
    w->session->ops->turn(w->session, w->now_ms);
    if (draw(w, 5) == 0)
        w->session->ops->tick(w->session, w->now_ms);
}

/* Nobody commits any more: all asks end, and the next reader is shown the truth. */
static void come_to_rest(struct world *w)
{
    struct read last;
    for (int i = 0; i < READERS; i++)
        for (int n = 0; w->reads[i].open && n < 1000; n++) {
            w->now_ms += 10;
            w->session->ops->tick(w->session, w->now_ms);
            w->session->ops->turn(w->session, w->now_ms);
            if (w->reads[i].open && w->reads[i].answered)
                go_on(w, &w->reads[i]);
        }
    for (int i = 0; i < READERS; i++)
        if (w->reads[i].open)
            wrong(w, "not answered");
    w->now_ms += LEASE_MS;
    begin_read(w, &last);
    if (last.open && last.answered)
        w->session->ops->give_up(w->session, &last.ask, w->now_ms);
    else if (last.ask.verdict == CACHE_FOUND && last.ask.lot.stock.version != w->version)
        wrong(w, "old for ever");
}

static const char *run(struct cache *c, uint64_t seed)
{
    struct world w = {.c = c, .rng = seed, .now_ms = 1000000, .version = 1};
    const struct cache_worker worker = {.context = &w, .answered = answered};
    assert_int_equal(c->ops->attach(c, &worker, &w.session, NULL), 0);
    w.session->ops->tick(w.session, w.now_ms);
    for (int i = 0; i < STEPS && !w.wrong; i++)
        step(&w);
    if (!w.wrong)
        come_to_rest(&w);
    for (int i = 0; i < READERS; i++)
        if (w.reads[i].open && w.reads[i].answered)
            w.session->ops->give_up(w.session, &w.reads[i].ask, w.now_ms);
    cache_detach(w.session);
    cache_destroy(c);
    return w.wrong;
}

static struct cache *local(struct cache *next, uint32_t hot_reads)
{
    const struct cache_local_config config = {.hash_seed = 5,
                                              .bytes_max = 1 << 22,
                                              .keep_ms = 30000,
                                              .absent_ms = 5000,
                                              .recheck_ms = next ? 500 : 0,
                                              .stale_ms = 1000,
                                              .tombstone_ms = 100000000,
                                              .lease_ms = LEASE_MS,
                                              .wait_ms = 250,
                                              .stale_wait_ms = 20,
                                              .hot_reads = hot_reads,
                                              .hot_max = 1000,
                                              .next = next};
    struct cache *c = NULL;
    assert_int_equal(cache_local_create(&c, &config, NULL), 0);
    return c;
}

static void assert_right(struct cache *(*make)(void))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const char *found = run(make(), seed);
        if (found)
            fail_msg("seed %u: %s", (unsigned)seed, found);
    }
}

static struct cache *make_alone(void)
{
    return local(NULL, 0);
}

static struct cache *make_hot(void)
{
    return local(local(NULL, 0), 0);
}

static struct cache *make_planted_with_nothing(void)
{
    return planted_create(PLANT_NOTHING, LEASE_MS);
}

static void no_race_shows_what_a_delete_made_old(void **state)
{
    (void)state;
    assert_right(make_alone);
}

static void nor_does_one_with_a_tier_behind(void **state)
{
    (void)state;
    assert_right(make_hot);
}

static void the_auditor_has_nothing_against_a_cache_that_is_right(void **state)
{
    (void)state;
    assert_right(make_planted_with_nothing);
}

static void the_auditor_finds_every_planted_mistake(void **state)
{
    (void)state;
    for (int plant = PLANT_NOTHING + 1; plant < PLANTS; plant++) {
        const char *found = NULL;
        for (uint64_t seed = 1; seed <= SEEDS && !found; seed++)
            found = run(planted_create((enum plant)plant, LEASE_MS), seed);
        print_message("          plant %d: %s\n", plant, found ? found : "not found");
        assert_non_null(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_race_shows_what_a_delete_made_old),
        cmocka_unit_test(nor_does_one_with_a_tier_behind),
        cmocka_unit_test(the_auditor_has_nothing_against_a_cache_that_is_right),
        cmocka_unit_test(the_auditor_finds_every_planted_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
