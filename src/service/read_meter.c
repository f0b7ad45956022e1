/* read_meter.c - drives the inconsistency meter (cache/meter.h) on one worker.
 *
 * Happy path, one sample at a time: the authority, then the process's own copy, then Redis's; each
 * copy is held against what the authority had said before it was looked at, so that a commit in
 * between is never taken for an inconsistency.
 *
 * Failure: whoever does not answer is left out of this sample.
 */
#include <string.h>

#include "service/service_internal.h"

/* In the call's arena. */
struct sample {
    struct cache_ask ask; /* first */
    struct call *call;
    struct cached_lot truth;
    bool exists;
    uint8_t tier; /* enum meter_tier: the one that is looked at */
    int64_t read_ms;
};

static const enum cache_source source_of[METER_TIER_COUNT] = {
    [METER_LOCAL] = SOURCE_LOCAL, [METER_REDIS] = SOURCE_REDIS};

static int64_t now_ms(const struct service *s)
{
    return s->host.now_ms(s->host.context);
}

static void compare(struct service *s, struct sample *sample)
{
    const struct cached_lot *copy = NULL;
    int64_t lasted_ms;
    if (sample->ask.verdict == CACHE_FOUND)
        copy = &sample->ask.lot;
    else if (sample->ask.verdict == CACHE_ABSENT)
        copy = &meter_absent;
    if (meter_compare(s->host.meter, sample->ask.key, (enum meter_tier)sample->tier,
                      sample->exists ? &sample->truth : NULL, copy, sample->read_ms, now_ms(s),
                      &lasted_ms))
        metrics_observe(s->host.metrics, METRIC_HISTOGRAM_INCONSISTENT,
                        (uint64_t)lasted_ms * NS_PER_MS);
}

/* Tier after tier, as long as they answer at once. True: all are done. */
static bool look_on(struct service *s, struct sample *sample)
{
    while (s->host.cache && !s->leaving_cache && sample->tier < METER_TIER_COUNT) {
        struct cache_session *cache = s->host.cache;
        if (!cache->ops->inspect(cache, &sample->ask, source_of[sample->tier], now_ms(s)))
            return false;
        compare(s, sample);
        sample->tier++;
    }
    return true;
}

static void end(struct service *s)
{
    s->sampling = false;
}

bool read_meter_answered(struct service *s, struct cache_ask *ask)
{
    struct call *c = ask->context;
    if (!c)
        return false;
    struct sample *sample = c->state;
    call_leave_cache(s, c);
    compare(s, sample);
    sample->tier++;
    if (look_on(s, sample)) {
        end(s);
        call_put(s, c);
    } else {
        call_wait_for_cache(s, c);
    }
    return true;
}

static void finish(struct service *s, struct call *c)
{
    struct sample *sample = c->state;
    const struct lot_view *lot = &c->command.get_lot.lot;
    sample->exists = c->command.code == 0;
    if (sample->exists)
        cached_lot_make(&sample->truth, lot->id, lot->dims, &lot->terms, &lot->stock);
    bool known = sample->exists || c->command.code == TLY_ENOT_FOUND;
    if (!known || look_on(s, sample))
        end(s);
    else
        call_wait_for_cache(s, c);
}

void read_meter_tick(struct service *s)
{
    int64_t interval_ms = s->host.settings->meter_interval_ms;
    if (!s->host.meter || !s->host.cache || s->sampling || interval_ms == 0)
        return;
    struct str key = meter_next(s->host.meter, interval_ms, now_ms(s));
    struct call *c = str_empty(key) ? NULL : call_get(s);
    if (!c)
        return;
    struct sample *sample = arena_alloc(&c->arena, sizeof *sample);
    char *copy = arena_copy(&c->arena, key.p, key.len);
    if (!sample || !copy) {
        call_put(s, c);
        return;
    }
    memset(sample, 0, sizeof *sample);
    sample->call = c;
    sample->ask.key = (struct str){copy, key.len};
    sample->ask.context = c;
    sample->read_ms = now_ms(s);
    s->sampling = true;
    c->own = true;
    c->state = sample;
    c->finish = finish;
    c->command.kind = COMMAND_GET_LOT;
    c->command.get_lot.key = sample->ask.key;
    c->command.get_lot.strong = true;
    call_submit(s, c);
}
