/* read_lot.c - a lot through the cache.
 *
 *            ┌── found, or absent: answered
 *   ask ─────┼── FILL: the filter of lot keys (lot_filter.c), then the engine; what it says is
 * filled └── BLIND: the engine, and nothing is owed
 *
 * A reading that is older than what the cache has heard of is not shown: the engine is asked once
 * more, for the authority's own word.
 *
 * A call that owes a fill pays it also when its client has left or its time was up. Failure: the
 * engine refuses: the lease is given up, and the client told why.
 */
#include <string.h>

#include "service/service_internal.h"

enum { READINGS_MAX = 2 };

/* In the call's arena. */
struct read {
    struct cache_ask ask; /* first */
    struct call *call;
    int64_t read_ms; /* when the engine was asked */
    uint8_t readings;
};

static int64_t now_ms(const struct service *s)
{
    return s->host.now_ms(s->host.context);
}

/* ---- answers; to nobody, where the client has left ---- */

static void answer_found(struct service *s, struct call *c, const struct cache_ask *ask)
{
    struct lot_dims dims;
    cached_lot_dims(&ask->lot, &dims);
    const struct lot_view lot = {
        .id = ask->lot.id, .dims = &dims, .terms = ask->lot.terms, .stock = ask->lot.stock};
    finish_lot_read(s, c, &lot, (enum cache_source)ask->source, ask->age_ms);
}

static void answer_absent(struct service *s, struct call *c, enum cache_source source)
{
    static const char text[] = "there is no lot ";
    struct str key = c->command.get_lot.key;
    struct failure f = {.code = TLY_ENOT_FOUND};
    char *words = arena_alloc(&c->origin.exchange->arena, sizeof text + key.len);
    if (words) {
        memcpy(words, text, sizeof text - 1);
        memcpy(words + sizeof text - 1, key.p, key.len);
        f.text = (struct str){words, (uint32_t)(sizeof text - 1 + key.len)};
    }
    metrics_add(s->host.metrics, METRIC_LOT_READS, source, 1);
    reply_failure(s, &c->origin, &f);
}

static void answer(struct service *s, struct call *c)
{
    const struct read *r = c->state;
    if (!c->origin.exchange)
        return;
    if (r->ask.verdict == CACHE_FOUND)
        answer_found(s, c, &r->ask);
    else
        answer_absent(s, c, (enum cache_source)r->ask.source);
}

/* ---- the engine's word ---- */

static void submit(struct service *s, struct call *c)
{
    struct read *r = c->state;
    r->read_ms = now_ms(s);
    r->readings++;
    if (r->ask.least_version > 0)
        c->command.get_lot.strong = true;
    c->command.code = 0;
    call_submit(s, c);
}

static void give_up(struct service *s, struct call *c)
{
    struct read *r = c->state;
    if (c->owes && s->host.cache)
        s->host.cache->ops->give_up(s->host.cache, &r->ask, now_ms(s));
    c->owes = false;
}

/* True: it is told to the cache, or there is none to tell; the ask says what to answer. */
static bool fill(struct service *s, struct call *c, const struct cache_reading *reading)
{
    struct read *r = c->state;
    struct cache_session *cache = s->host.cache;
    if (c->owes && cache) {
        if (!cache->ops->fill(cache, &r->ask, reading, now_ms(s)))
            return false;
        c->owes = false;
        return true;
    }
    if (reading->lot && reading->lot->stock.version < r->ask.least_version &&
        r->readings < READINGS_MAX)
        return false;
    c->owes = false;
    r->ask.verdict = reading->lot ? CACHE_FOUND : CACHE_ABSENT;
    r->ask.source = reading->source;
    r->ask.age_ms = 0;
    if (reading->lot)
        memcpy(&r->ask.lot, reading->lot, cached_lot_size(reading->lot));
    return true;
}

static void take_reading(struct service *s, struct call *c, const struct cache_reading *reading)
{
    struct read *r = c->state;
    if (!fill(s, c, reading)) {
        if (r->readings < READINGS_MAX) {
            submit(s, c);
            return;
        }
        /* The commit that the cache has heard of is not in the authority's own word: that stands.
         */
        give_up(s, c);
        r->ask.verdict = CACHE_BLIND;
        (void)fill(s, c, reading);
    }
    answer(s, c);
}

static void finish(struct service *s, struct call *c)
{
    struct read *r = c->state;
    const struct lot_view *lot = &c->command.get_lot.lot;
    struct cached_lot copy;
    struct cache_reading reading = {.source = (uint8_t)lot_source(s, c), .read_ms = r->read_ms};
    if (c->command.code == 0) {
        cached_lot_make(&copy, lot->id, lot->dims, &lot->terms, &lot->stock);
        reading.lot = &copy;
    } else if (c->command.code != TLY_ENOT_FOUND) {
        give_up(s, c);
        if (c->origin.exchange)
            reply_refused(s, c);
        return;
    }
    take_reading(s, c, &reading);
}

/* ---- the cache's word ---- */

void read_lot_unknown(struct service *s, struct call *c)
{
    const struct cache_reading reading = {.source = (uint8_t)lot_source(s, c),
                                          .read_ms = now_ms(s)};
    metrics_add(s->host.metrics, METRIC_LOTS_DENIED, 0, 1);
    take_reading(s, c, &reading);
}

void read_lot_from_engine(struct service *s, struct call *c)
{
    submit(s, c);
}

/* True: the call is over. */
static bool take_verdict(struct service *s, struct call *c)
{
    struct read *r = c->state;
    switch ((enum cache_verdict)r->ask.verdict) {
    case CACHE_FOUND:
    case CACHE_ABSENT:
        answer(s, c);
        return true;
    case CACHE_FILL:
        c->owes = true;
        break;
    default:
        break;
    }
    if (r->ask.least_version == 0 && lot_filter_denies(s, c))
        return false;
    submit(s, c);
    return false;
}

void service_read_answered(struct service *s, struct cache_ask *ask)
{
    if (read_meter_answered(s, ask))
        return;
    struct call *c = ((struct read *)ask)->call;
    call_leave_cache(s, c);
    bool wanted = c->origin.exchange || ask->verdict == CACHE_FILL;
    if (wanted && !s->leaving_cache) {
        if (take_verdict(s, c))
            call_put(s, c);
        return;
    }
    if (c->origin.exchange)
        reply_code(s, &c->origin, TLY_EOVERLOADED);
    call_put(s, c);
}

int read_lot(struct service *s, struct call *c, struct error *e)
{
    struct read *r = arena_alloc(&c->arena, sizeof *r);
    if (!r)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    memset(r, 0, offsetof(struct read, ask.lot));
    r->call = c;
    r->read_ms = 0;
    r->readings = 0;
    r->ask.key = c->command.get_lot.key;
    c->state = r;
    c->finish = finish;
    if (s->host.meter)
        meter_note(s->host.meter, r->ask.key);
    if (!s->host.cache->ops->ask(s->host.cache, &r->ask, now_ms(s)))
        call_wait_for_cache(s, c);
    else if (take_verdict(s, c))
        call_put(s, c);
    return 0;
}
