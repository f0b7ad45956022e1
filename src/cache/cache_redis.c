/* cache_redis.c - the tier that all nodes share.
 *
 * Happy path of a read: one call of the script `look`, which answers with the value, or takes the
 * lease for this node. Who is told that another node has it looks again at every tick, until the
 * value is there or the wait is over. Answers are gathered and handed out in turn().
 *
 * Deletes come from threads without a loop: they are posted to a thread of their own, at most
 * DELETES_MAX at a time.
 *
 * Failure: whatever Redis does not do well is BLIND, and counted. A fill or the end of a lease that
 * does not reach it leaves a lease that ends by itself. A delete that does not is told to who asked
 * for it.
 */
#include "cache/cache_redis.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cache/redis_scripts.h"
#include "redis/redis_thread.h"

enum { DELETES_MAX = 65536, KEY_BYTES = LOT_KEY_MAX + 16, NUMBER_BYTES = 24, TOKEN_BYTES = 40 };

struct remote {
    struct cache cache; /* first */
    struct cache_redis_config config;
    struct redis_address *addresses;
    char *user, *password;
    struct redis_thread *deleter;
    struct deletion *sent; /* the deleter's: not answered yet */
    uint64_t node;         /* random: leases of different processes differ */
    _Atomic uint64_t leases;
    _Atomic uint32_t deletes_under_way;
    _Atomic int64_t hits, misses, fills, fills_ignored, waits, stale, blind, errors;
};

struct session;
struct deletion;

/* A look under way, or between two of one that waits. */
struct look {
    struct look *next;          /* of the session's: free ones, or those answered */
    struct look *newer, *older; /* all that are not over */
    struct session *session;
    struct cache_ask *ask;
    int64_t since_ms;
    bool under_way, inspects, has_old, waited;
};

struct session {
    struct cache_session base; /* first */
    struct remote *remote;
    struct cache_worker worker;
    struct redis *redis;
    struct look *free, *newest, *oldest;
    struct look *answered, *last_answered;
    int64_t now_ms;
};

static const struct cache_ops ops;

static void count(_Atomic int64_t *figure)
{
    atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
}

static struct str key_text(struct str lot, char out[KEY_BYTES])
{
    int size = snprintf(out, KEY_BYTES, "tally:lot:{%.*s}", STR_ARG(lot));
    return (struct str){out, (uint32_t)size};
}

static struct str number_text(int64_t n, char out[NUMBER_BYTES])
{
    int size = snprintf(out, NUMBER_BYTES, "%" PRId64, n);
    return (struct str){out, (uint32_t)size};
}

static struct str token_text(const struct remote *r, uint64_t lease, char out[TOKEN_BYTES])
{
    int size = snprintf(out, TOKEN_BYTES, "%016" PRIx64 "-%" PRIx64, r->node, lease);
    return (struct str){out, (uint32_t)size};
}

static int64_t number_of(const struct redis_value *v)
{
    if (v->kind == REDIS_NUMBER)
        return v->number;
    return v->kind == REDIS_TEXT ? strtoll(v->text.p, NULL, 10) : 0;
}

/* ---- looks ---- */

static struct look *look_get(struct session *s)
{
    struct look *l = s->free;
    if (l)
        s->free = l->next;
    else if (!(l = malloc(sizeof *l)))
        return NULL;
    *l = (struct look){.session = s, .older = s->newest};
    *(s->newest ? &s->newest->newer : &s->oldest) = l;
    s->newest = l;
    return l;
}

static void look_put(struct look *l)
{
    struct session *s = l->session;
    *(l->older ? &l->older->newer : &s->oldest) = l->newer;
    *(l->newer ? &l->newer->older : &s->newest) = l->older;
    l->next = s->free;
    s->free = l;
}

/* For the next turn. */
static void answer(struct look *l, enum cache_verdict verdict)
{
    struct session *s = l->session;
    l->ask->verdict = (uint8_t)verdict;
    l->waited = false;
    l->next = NULL;
    if (s->last_answered)
        s->last_answered->next = l;
    else
        s->answered = l;
    bool first = !s->last_answered;
    s->last_answered = l;
    if (first && s->worker.wake)
        s->worker.wake(s->worker.context);
}

static void answer_blind(struct look *l)
{
    if (!l->inspects)
        count(&l->session->remote->blind);
    answer(l, CACHE_BLIND);
}

/* False: it is none of ours. */
static bool take_value(struct look *l, const struct redis_value *line,
                       const struct redis_value *read_ms)
{
    struct cache_ask *ask = l->ask;
    if (line->kind != REDIS_TEXT || (line->text.len && !cached_lot_parse(line->text, &ask->lot)))
        return false;
    int64_t age_ms = l->session->now_ms - number_of(read_ms);
    ask->age_ms = age_ms > 0 ? age_ms : 0;
    ask->source = SOURCE_REDIS;
    ask->verdict = line->text.len ? CACHE_FOUND : CACHE_ABSENT;
    return true;
}

static void take_wait(struct look *l, const struct redis_value *reply)
{
    struct remote *r = l->session->remote;
    l->ask->least_version = number_of(&reply->items[1]);
    l->has_old = reply->count == 4 && take_value(l, &reply->items[2], &reply->items[3]);
    if (l->inspects) {
        answer(l, CACHE_BLIND);
        return;
    }
    if (!l->waited)
        count(&r->waits);
    l->waited = true;
}

static void looked(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct look *l = context;
    struct remote *r = l->session->remote;
    l->under_way = false;
    bool good = outcome == REDIS_ANSWERED && reply->kind == REDIS_LIST && reply->count >= 2;
    int64_t what = good ? number_of(&reply->items[0]) : 0;
    if (what == LOOK_FOUND && reply->count == 3 &&
        take_value(l, &reply->items[1], &reply->items[2])) {
        if (!l->inspects)
            count(&r->hits);
        answer(l, (enum cache_verdict)l->ask->verdict);
    } else if (what == LOOK_LEASE && !l->inspects) {
        l->ask->least_version = number_of(&reply->items[1]);
        count(&r->misses);
        answer(l, CACHE_FILL);
    } else if (what == LOOK_WAIT) {
        take_wait(l, reply);
    } else {
        if (what != LOOK_LEASE)
            count(&r->errors);
        answer_blind(l);
    }
}

/* False: it cannot be sent. */
static bool send_look(struct look *l)
{
    struct session *s = l->session;
    struct remote *r = s->remote;
    char key[KEY_BYTES], token[TOKEN_BYTES], lease[NUMBER_BYTES];
    if (!l->ask->lease)
        l->ask->lease = atomic_fetch_add_explicit(&r->leases, 1, memory_order_relaxed) + 1;
    const struct str keys[] = {key_text(l->ask->key, key)};
    const struct str arguments[] = {token_text(r, l->ask->lease, token),
                                    number_text(l->inspects ? 0 : r->config.lease_ms, lease)};
    l->under_way = redis_call_script(s->redis, SCRIPT_LOOK, keys, 1, arguments, 2, looked, l) == 0;
    return l->under_way;
}

static bool begin(struct session *s, struct cache_ask *ask, bool inspects, int64_t now_ms)
{
    struct look *l = look_get(s);
    s->now_ms = now_ms;
    ask->session = &s->base;
    ask->lease = 0;
    ask->least_version = 0;
    ask->stale = false;
    ask->below = NULL;
    ask->verdict = CACHE_BLIND;
    if (l) {
        l->ask = ask;
        l->since_ms = now_ms;
        l->inspects = inspects;
        if (send_look(l))
            return false;
        look_put(l);
    }
    if (!inspects)
        count(&s->remote->blind);
    return true;
}

static bool ask(struct cache_session *base, struct cache_ask *ask, int64_t now_ms)
{
    return begin((struct session *)base, ask, false, now_ms);
}

static bool inspect(struct cache_session *base, struct cache_ask *ask, enum cache_source tier,
                    int64_t now_ms)
{
    ask->verdict = CACHE_BLIND;
    return tier != SOURCE_REDIS || begin((struct session *)base, ask, true, now_ms);
}

/* ---- fills ---- */

static void filled(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct remote *r = context;
    bool kept = outcome == REDIS_ANSWERED && number_of(reply) == FILL_KEPT;
    count(kept ? &r->fills : &r->fills_ignored);
    if (outcome != REDIS_ANSWERED)
        count(&r->errors);
}

static void given_up(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct remote *r = context;
    (void)reply;
    if (outcome != REDIS_ANSWERED)
        count(&r->errors);
}

static bool fill(struct cache_session *base, struct cache_ask *ask,
                 const struct cache_reading *reading, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    struct remote *r = s->remote;
    char key[KEY_BYTES], token[TOKEN_BYTES], version[NUMBER_BYTES], read[NUMBER_BYTES];
    char keep[NUMBER_BYTES], line[CACHED_LINE_MAX];
    int64_t v = reading->lot ? reading->lot->stock.version : 0;
    if (v < ask->least_version)
        return false;
    const struct str keys[] = {key_text(ask->key, key)};
    const struct str arguments[] = {
        token_text(r, ask->lease, token),
        number_text(v, version),
        {line, reading->lot ? (uint32_t)cached_lot_format(reading->lot, line) : 0},
        number_text(reading->read_ms, read),
        number_text(reading->lot ? r->config.keep_ms : r->config.absent_ms, keep)};
    if (redis_call_script(s->redis, SCRIPT_FILL, keys, 1, arguments, 5, filled, r) != 0)
        count(&r->fills_ignored);
    ask->verdict = reading->lot ? CACHE_FOUND : CACHE_ABSENT;
    ask->source = reading->source;
    ask->age_ms = now_ms > reading->read_ms ? now_ms - reading->read_ms : 0;
    if (reading->lot)
        memcpy(&ask->lot, reading->lot, cached_lot_size(reading->lot));
    return true;
}

static void give_up(struct cache_session *base, struct cache_ask *ask, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    char key[KEY_BYTES], token[TOKEN_BYTES];
    const struct str keys[] = {key_text(ask->key, key)};
    const struct str arguments[] = {token_text(s->remote, ask->lease, token)};
    (void)now_ms;
    if (redis_call_script(s->redis, SCRIPT_GIVE_UP, keys, 1, arguments, 1, given_up, s->remote))
        count(&s->remote->errors);
}

/* ---- a session ---- */

static int attach(struct cache *c, const struct cache_worker *w, struct cache_session **out,
                  struct error *e)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for the cache");
    s->base.ops = &ops;
    s->remote = (struct remote *)c;
    s->worker = *w;
    struct redis_config config = s->remote->config.redis;
    config.loop = w->loop;
    int code = redis_create(&s->redis, &config, e);
    if (code) {
        free(s);
        return code;
    }
    *out = &s->base;
    return 0;
}

static void hand_out(struct session *s)
{
    struct look *l;
    while ((l = s->answered)) {
        struct cache_ask *a = l->ask;
        s->answered = l->next;
        if (!s->answered)
            s->last_answered = NULL;
        look_put(l);
        s->worker.answered(s->worker.context, a);
    }
}

static void turn(struct cache_session *base, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    s->now_ms = now_ms;
    hand_out(s);
    redis_flush(s->redis);
}

/* Waited long enough: what is old, or nothing; else it looks once more. */
static void look_again(struct session *s, struct look *l)
{
    const struct cache_redis_config *config = &s->remote->config;
    int64_t longest_ms = l->has_old ? config->stale_wait_ms : config->wait_ms;
    if (s->now_ms - l->since_ms < longest_ms) {
        if (!send_look(l))
            answer_blind(l);
    } else if (l->has_old) {
        l->ask->stale = true;
        count(&s->remote->stale);
        answer(l, (enum cache_verdict)l->ask->verdict);
    } else {
        answer_blind(l);
    }
}

static void tick(struct cache_session *base, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    struct look *newer;
    s->now_ms = now_ms;
    for (struct look *l = s->oldest; l; l = newer) {
        newer = l->newer;
        if (!l->under_way && l->waited)
            look_again(s, l);
    }
    hand_out(s);
    redis_flush(s->redis);
}

static void detach(struct cache_session *base)
{
    struct session *s = (struct session *)base;
    redis_flush(s->redis); /* what was filled and given up */
    redis_close(s->redis, NULL, NULL);
    hand_out(s);
    while (s->oldest) {
        struct cache_ask *a = s->oldest->ask;
        a->verdict = CACHE_BLIND;
        look_put(s->oldest);
        s->worker.answered(s->worker.context, a);
    }
    while (s->free) {
        struct look *next = s->free->next;
        free(s->free);
        s->free = next;
    }
    free(s);
}

/* ---- deletes ---- */

struct deletion {
    struct mail mail;
    struct deletion *next, *previous; /* of those sent */
    struct remote *remote;
    cache_done_fn *done;
    void *context;
    int64_t version;
    uint8_t key_len;
    char key[LOT_KEY_MAX];
};

static void deletion_end(struct deletion *d, int code)
{
    if (code)
        count(&d->remote->errors);
    if (d->done)
        d->done(d->context, code);
    atomic_fetch_sub_explicit(&d->remote->deletes_under_way, 1, memory_order_relaxed);
    free(d);
}

static void unlist(struct deletion *d)
{
    *(d->previous ? &d->previous->next : &d->remote->sent) = d->next;
    if (d->next)
        d->next->previous = d->previous;
}

static void list(struct deletion *d)
{
    d->previous = NULL;
    d->next = d->remote->sent;
    if (d->next)
        d->next->previous = d;
    d->remote->sent = d;
}

static void deleted(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    (void)reply;
    unlist(context);
    deletion_end(context, outcome == REDIS_ANSWERED ? 0 : TLY_EUNAVAILABLE);
}

static void take_deletions(void *context, struct redis *redis, struct mail *first)
{
    struct remote *r = context;
    char key[KEY_BYTES], version[NUMBER_BYTES], tombstone[NUMBER_BYTES], stale[NUMBER_BYTES];
    struct mail *next;
    for (struct mail *mail = first; mail; mail = next) {
        struct deletion *d = MAIL_OF(mail, struct deletion);
        next = mail->next;
        const struct str keys[] = {key_text((struct str){d->key, d->key_len}, key)};
        const struct str arguments[] = {number_text(d->version, version),
                                        number_text(r->config.tombstone_ms, tombstone),
                                        number_text(r->config.stale_ms, stale)};
        list(d);
        if (redis_call_script(redis, SCRIPT_DELETE, keys, 1, arguments, 3, deleted, d)) {
            unlist(d);
            deletion_end(d, TLY_EUNAVAILABLE);
        }
    }
}

static void remove_lot(struct cache *c, struct str key, int64_t version, cache_done_fn *done,
                       void *context)
{
    struct remote *r = (struct remote *)c;
    struct mail_chain chain = {0};
    assert(key.len <= LOT_KEY_MAX);
    uint32_t before = atomic_fetch_add_explicit(&r->deletes_under_way, 1, memory_order_relaxed);
    struct deletion *d = before < DELETES_MAX ? malloc(sizeof *d) : NULL;
    if (!d) {
        atomic_fetch_sub_explicit(&r->deletes_under_way, 1, memory_order_relaxed);
        count(&r->errors);
        if (done)
            done(context, TLY_EOVERLOADED);
        return;
    }
    *d = (struct deletion){.remote = r,
                           .done = done,
                           .context = context,
                           .version = version,
                           .key_len = (uint8_t)key.len};
    memcpy(d->key, key.p, key.len);
    mail_chain_add(&chain, &d->mail);
    redis_thread_post(r->deleter, &chain);
}

/* Nothing of it is in this process. */
static void forget(struct cache *c, struct str key, int64_t version)
{
    (void)c, (void)key, (void)version;
}

static bool peek(struct cache *c, struct str key, int64_t *version)
{
    (void)c, (void)key, (void)version;
    return false;
}

static int64_t read_count(_Atomic int64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static void stats(struct cache *c, struct cache_stats *out)
{
    struct remote *r = (struct remote *)c;
    *out = (struct cache_stats){.remote_hits_total = read_count(&r->hits),
                                .misses_total = read_count(&r->misses),
                                .fills_total = read_count(&r->fills),
                                .fills_ignored_total = read_count(&r->fills_ignored),
                                .waits_total = read_count(&r->waits),
                                .stale_total = read_count(&r->stale),
                                .blind_total = read_count(&r->blind),
                                .remote_errors_total = read_count(&r->errors)};
}

/* ---- life ---- */

static void destroy(struct cache *c)
{
    struct remote *r = (struct remote *)c;
    redis_thread_destroy(r->deleter);
    while (r->sent) {
        struct deletion *d = r->sent;
        unlist(d);
        assert(r->sent != d);
        deletion_end(d, TLY_ECLOSED);
    }
    free(r->addresses);
    free(r->user);
    free(r->password);
    free(r);
}

static const struct cache_ops ops = {.attach = attach,
                                     .ask = ask,
                                     .inspect = inspect,
                                     .fill = fill,
                                     .give_up = give_up,
                                     .turn = turn,
                                     .tick = tick,
                                     .detach = detach,
                                     .remove = remove_lot,
                                     .forget = forget,
                                     .peek = peek,
                                     .stats = stats,
                                     .destroy = destroy};

/* What the config points to; false: no memory. */
static bool copy_config(struct remote *r, const struct cache_redis_config *config)
{
    struct redis_config *redis = &r->config.redis;
    size_t bytes = config->redis.address_count * sizeof *r->addresses;
    r->config = *config;
    r->addresses = malloc(bytes);
    r->user = strndup(config->redis.user.p ? config->redis.user.p : "", config->redis.user.len);
    r->password = strndup(config->redis.password.p ? config->redis.password.p : "",
                          config->redis.password.len);
    if (!r->addresses || !r->user || !r->password)
        return false;
    memcpy(r->addresses, config->redis.addresses, bytes);
    redis->addresses = r->addresses;
    redis->user.p = r->user;
    redis->password.p = r->password;
    redis->scripts = cache_redis_scripts;
    redis->script_count = SCRIPT_COUNT;
    redis_config_defaults(redis);
    return true;
}

int cache_redis_create(struct cache **out, const struct cache_redis_config *config, struct error *e)
{
    struct remote *r = calloc(1, sizeof *r);
    if (!r || !copy_config(r, config)) {
        if (r)
            destroy(&r->cache);
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for the cache");
    }
    r->cache.ops = &ops;
    const struct redis_thread_config deleter = {
        .redis = r->config.redis, .name = "tally-cache", .context = r, .take = take_deletions};
    int code = random_bytes(&r->node, sizeof r->node);
    if (code == 0)
        code = redis_thread_create(&r->deleter, &deleter, e);
    else
        error_set(e, code, "", "the system gives no random numbers");
    if (code) {
        destroy(&r->cache);
        return code;
    }
    *out = &r->cache;
    return 0;
}
