/* cache_local.c - shelves in shards, sessions of workers, and the way to the tier behind.
 *
 * Happy path of a read: the shard's lock, the shelf has it, copied, unlocked: answered from inside
 * ask(). A miss without a tier behind goes back to the caller with the lease. With one, the
 * caller's ask is kept and another one goes there (struct lower); what comes back settles the
 * shelf's lease, with the value if it is right, or passes FILL on to the caller, who then owes
 * both.
 *
 * Those who wait hang at their shelf's entry, under the shard's lock, whoever's they are. Who
 * settles puts them into their sessions' mailboxes, still under it; a session also looks through
 * its own waits at every tick for those that have waited too long. An ask is at its entry or in a
 * mailbox, never both: `waiting` is written under the shard's lock.
 *
 * Failure: no memory for anything here: the caller is sent to the authority (BLIND).
 */
#include "cache/cache_local.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cache/heat.h"
#include "cache/shelf.h"

enum { SHARDS = 64, HEAT_SETS = 8 };

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct shelf shelf;
    struct heat heat; /* only with a tier behind */
};

struct local {
    struct cache cache; /* first */
    struct cache_local_config config;
    struct shelf_terms terms;
    struct shelf_figures figures;
    _Atomic int64_t now_ms; /* as the sessions last said */
    _Atomic int64_t hits, remote_hits, misses, waits, stale, blind, deletes;
    struct shard shards[SHARDS];
};

struct session;

/* What is asked of the tier behind, for the ask of a caller. */
struct lower {
    struct cache_ask ask; /* first */
    struct session *session;
    struct cache_ask *upper;
    struct lower *next_free, *next_made;
    bool hot, inspects;
};

struct session {
    struct cache_session base; /* first */
    struct local *local;
    struct cache_worker worker;
    struct cache_session *behind;
    struct mailbox answers; /* of asks, by any thread */
    struct cache_ask *oldest_wait, *newest_wait;
    struct lower *free, *made;
    int64_t now_ms;
    bool detaching;
};

static const struct cache_ops ops;
static void give_up(struct cache_session *base, struct cache_ask *ask, int64_t now_ms);

static void count(_Atomic int64_t *figure)
{
    atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
}

static struct shard *shard_of(struct local *l, uint64_t hash)
{
    return &l->shards[hash >> 58];
}

static int64_t now_of(struct local *l)
{
    return atomic_load_explicit(&l->now_ms, memory_order_relaxed);
}

static void tell_time(struct local *l, int64_t now_ms)
{
    int64_t before = now_of(l);
    while (before < now_ms &&
           !atomic_compare_exchange_weak_explicit(&l->now_ms, &before, now_ms, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* ---- waits of a session; its thread ---- */

static void list_wait(struct session *s, struct cache_ask *ask)
{
    ask->newer = NULL;
    ask->older = s->newest_wait;
    *(s->newest_wait ? &s->newest_wait->newer : &s->oldest_wait) = ask;
    s->newest_wait = ask;
}

static void unlist_wait(struct session *s, struct cache_ask *ask)
{
    *(ask->older ? &ask->older->newer : &s->oldest_wait) = ask->newer;
    *(ask->newer ? &ask->newer->older : &s->newest_wait) = ask->older;
}

/* To the sessions whose they are, under the shard's lock: a session that leaves takes every lock
 * once more, and so outlives what is done here. They are at no entry any more. */
static void post(struct cache_ask *first)
{
    struct cache_ask *next;
    for (struct cache_ask *ask = first; ask; ask = next) {
        struct session *s = (struct session *)ask->session;
        struct mail_chain chain = {0};
        next = ask->next_waiting;
        ask->waiting = false;
        mail_chain_add(&chain, &ask->mail);
        if (mailbox_push(&s->answers, &chain) && s->worker.wake)
            s->worker.wake(s->worker.context);
    }
}

/* ---- the tier behind ---- */

static struct lower *lower_get(struct session *s)
{
    struct lower *l = s->free;
    if (l) {
        s->free = l->next_free;
    } else if ((l = calloc(1, sizeof *l))) {
        l->next_made = s->made;
        s->made = l;
    }
    return l;
}

static void lower_put(struct session *s, struct lower *l)
{
    l->next_free = s->free;
    s->free = l;
}

/* Ends the ask's lease with a reading. False: it is too old. */
static bool settle(struct session *s, struct cache_ask *ask, const struct cache_reading *r,
                   bool keep, int64_t now_ms)
{
    struct shard *shard = shard_of(s->local, ask->hash);
    struct cache_ask *answered;
    pthread_mutex_lock(&shard->lock);
    enum shelf_fill became = shelf_settle(&shard->shelf, ask, r, keep, now_ms, &answered);
    post(answered);
    pthread_mutex_unlock(&shard->lock);
    return became != SHELF_TOO_OLD;
}

static void renew(struct local *l, const struct cache_ask *ask, int64_t now_ms)
{
    struct shard *shard = shard_of(l, ask->hash);
    pthread_mutex_lock(&shard->lock);
    shelf_renew(&shard->shelf, ask, now_ms);
    pthread_mutex_unlock(&shard->lock);
}

static void hand_on_lease(struct session *s, struct cache_ask *ask, int64_t now_ms)
{
    struct shard *shard = shard_of(s->local, ask->hash);
    pthread_mutex_lock(&shard->lock);
    struct cache_ask *next = shelf_give_up(&shard->shelf, ask, now_ms);
    if (next)
        next->next_waiting = NULL;
    post(next);
    pthread_mutex_unlock(&shard->lock);
}

static bool room_for_hot(const struct local *l)
{
    return atomic_load_explicit(&l->figures.lots, memory_order_relaxed) < l->config.hot_max;
}

/* What the tier behind said. The upper ask is answered. */
static void take_lower(struct session *s, struct lower *low, int64_t now_ms)
{
    struct cache_ask *ask = low->upper, *below = &low->ask;
    bool known = below->verdict == CACHE_FOUND || below->verdict == CACHE_ABSENT;
    if (below->least_version > ask->least_version && !known)
        ask->least_version = below->least_version;
    if (known) {
        struct cache_reading r = {.lot = below->verdict == CACHE_FOUND ? &below->lot : NULL,
                                  .source = below->source,
                                  .read_ms = now_ms - below->age_ms};
        bool stale = below->stale;
        bool keep = low->hot && !stale && room_for_hot(s->local);
        lower_put(s, low);
        if (settle(s, ask, &r, keep, now_ms)) {
            ask->stale |= stale;
            count(stale ? &s->local->stale : &s->local->remote_hits);
            return;
        }
    } else if (below->verdict == CACHE_FILL) {
        ask->below = low;
    } else {
        lower_put(s, low);
    }
    /* Old, or not known there: the authority is asked, and the lease here goes on. */
    renew(s->local, ask, now_ms);
    ask->verdict = CACHE_FILL;
    count(&s->local->misses);
}

static bool ask_behind(struct session *s, struct cache_ask *ask, bool hot, int64_t now_ms)
{
    struct lower *low = lower_get(s);
    if (!low) {
        count(&s->local->misses);
        return true; /* to the authority; the lease here goes on */
    }
    low->session = s;
    low->upper = ask;
    low->hot = hot;
    low->inspects = false;
    low->ask = (struct cache_ask){.key = ask->key, .context = low};
    if (!s->behind->ops->ask(s->behind, &low->ask, now_ms))
        return false;
    take_lower(s, low, now_ms);
    return true;
}

static void take_inspected(struct session *s, struct lower *low)
{
    struct cache_ask *ask = low->upper;
    ask->verdict = low->ask.verdict;
    ask->source = low->ask.source;
    ask->age_ms = low->ask.age_ms;
    if (ask->verdict == CACHE_FOUND)
        memcpy(&ask->lot, &low->ask.lot, cached_lot_size(&low->ask.lot));
    lower_put(s, low);
}

static void answered_behind(void *context, struct cache_ask *below)
{
    struct session *s = context;
    struct lower *low = below->context;
    struct cache_ask *ask = low->upper;
    if (low->inspects) {
        take_inspected(s, low);
        s->worker.answered(s->worker.context, ask);
        return;
    }
    take_lower(s, low, s->now_ms);
    if (s->detaching && ask->verdict == CACHE_FILL) {
        give_up(&s->base, ask, s->now_ms);
        ask->verdict = CACHE_BLIND;
    }
    s->worker.answered(s->worker.context, ask);
}

static void wake_for_behind(void *context)
{
    struct session *s = context;
    if (s->worker.wake)
        s->worker.wake(s->worker.context);
}

/* ---- a session ---- */

static int attach(struct cache *c, const struct cache_worker *w, struct cache_session **out,
                  struct error *e)
{
    struct local *l = (struct local *)c;
    struct session *s = NULL;
    if (posix_memalign((void **)&s, 64, sizeof *s) != 0)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for the cache");
    memset(s, 0, sizeof *s);
    s->base.ops = &ops;
    s->local = l;
    s->worker = *w;
    if (l->config.next) {
        const struct cache_worker me = {
            .loop = w->loop, .context = s, .answered = answered_behind, .wake = wake_for_behind};
        int code = l->config.next->ops->attach(l->config.next, &me, &s->behind, e);
        if (code) {
            free(s);
            return code;
        }
    }
    *out = &s->base;
    return 0;
}

static bool ask(struct cache_session *base, struct cache_ask *ask, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    struct local *l = s->local;
    s->now_ms = now_ms;
    ask->hash = hash64(ask->key, l->config.hash_seed);
    ask->session = base;
    ask->below = NULL;
    ask->lease = 0;
    ask->least_version = 0;
    ask->stale = false;
    struct shard *shard = shard_of(l, ask->hash);
    bool hot = true;
    pthread_mutex_lock(&shard->lock);
    if (l->config.next)
        hot = heat_count(&shard->heat, ask->hash, now_ms) > l->config.hot_reads;
    enum shelf_state state = shelf_look(&shard->shelf, ask, now_ms);
    ask->waiting = state == SHELF_WAIT;
    pthread_mutex_unlock(&shard->lock);
    switch (state) {
    case SHELF_HIT:
        count(&l->hits);
        return true;
    case SHELF_LEASE:
        if (s->behind)
            return ask_behind(s, ask, hot, now_ms);
        count(&l->misses);
        return true;
    case SHELF_WAIT:
        ask->waits_since_ms = now_ms;
        list_wait(s, ask);
        count(&l->waits);
        return false;
    case SHELF_NO_ROOM:
        break;
    }
    ask->verdict = CACHE_BLIND;
    count(&l->blind);
    return true;
}

static bool look_here(struct local *l, struct cache_ask *ask, int64_t now_ms)
{
    ask->hash = hash64(ask->key, l->config.hash_seed);
    struct shard *shard = shard_of(l, ask->hash);
    pthread_mutex_lock(&shard->lock);
    bool there = shelf_peek(&shard->shelf, ask, now_ms);
    pthread_mutex_unlock(&shard->lock);
    return there;
}

static bool inspect(struct cache_session *base, struct cache_ask *ask, enum cache_source tier,
                    int64_t now_ms)
{
    struct session *s = (struct session *)base;
    ask->verdict = CACHE_BLIND;
    if (tier == SOURCE_LOCAL) {
        look_here(s->local, ask, now_ms);
        return true;
    }
    if (!s->behind)
        return true;
    struct lower *low = lower_get(s);
    if (!low)
        return true;
    low->upper = ask;
    low->inspects = true;
    low->ask = (struct cache_ask){.key = ask->key, .context = low};
    if (!s->behind->ops->inspect(s->behind, &low->ask, tier, now_ms))
        return false;
    take_inspected(s, low);
    return true;
}

static bool fill(struct cache_session *base, struct cache_ask *ask, const struct cache_reading *r,
                 int64_t now_ms)
{
    struct session *s = (struct session *)base;
    struct lower *low = ask->below;
    /* What came from the authority is kept by the tier behind, if there is one: it weighs it
     * against what other nodes know. */
    if (low && !s->behind->ops->fill(s->behind, &low->ask, r, now_ms)) {
        if (low->ask.least_version > ask->least_version)
            ask->least_version = low->ask.least_version;
        renew(s->local, ask, now_ms);
        return false;
    }
    if (low)
        lower_put(s, low);
    ask->below = NULL;
    return settle(s, ask, r, !s->behind, now_ms);
}

static void give_up(struct cache_session *base, struct cache_ask *ask, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    struct lower *low = ask->below;
    ask->below = NULL;
    if (low) {
        s->behind->ops->give_up(s->behind, &low->ask, now_ms);
        lower_put(s, low);
    }
    hand_on_lease(s, ask, now_ms);
}

/* Waited too long: what is there, or the lease that was lost, or nothing. True: it is answered. */
static bool leave(struct session *s, struct cache_ask *ask, int64_t now_ms)
{
    struct local *l = s->local;
    struct shard *shard = shard_of(l, ask->hash);
    int64_t waited_ms = now_ms - ask->waits_since_ms;
    pthread_mutex_lock(&shard->lock);
    bool leaves =
        ask->waiting && waited_ms >= (ask->stale ? l->config.stale_wait_ms : l->config.wait_ms);
    enum shelf_state state = leaves ? shelf_leave(&shard->shelf, ask, now_ms) : SHELF_WAIT;
    ask->waiting = ask->waiting && !leaves;
    pthread_mutex_unlock(&shard->lock);
    if (!leaves)
        return false;
    unlist_wait(s, ask);
    if (state == SHELF_LEASE) {
        if (s->behind)
            return ask_behind(s, ask, false, now_ms);
        count(&l->misses);
    } else if (state == SHELF_HIT) {
        count(ask->stale ? &l->stale : &l->hits);
    } else {
        ask->verdict = CACHE_BLIND;
        count(&l->blind);
    }
    return true;
}

static void turn(struct cache_session *base, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    s->now_ms = now_ms;
    struct mail *mail = mailbox_take(&s->answers);
    while (mail) {
        struct cache_ask *ask = MAIL_OF(mail, struct cache_ask);
        mail = mail->next;
        unlist_wait(s, ask);
        s->worker.answered(s->worker.context, ask);
    }
    if (s->behind)
        s->behind->ops->turn(s->behind, now_ms);
}

static void tick(struct cache_session *base, int64_t now_ms)
{
    struct session *s = (struct session *)base;
    struct cache_ask *newer;
    s->now_ms = now_ms;
    tell_time(s->local, now_ms);
    for (struct cache_ask *ask = s->oldest_wait; ask; ask = newer) {
        newer = ask->newer;
        if (leave(s, ask, now_ms))
            s->worker.answered(s->worker.context, ask);
    }
    if (s->behind)
        s->behind->ops->tick(s->behind, now_ms);
}

static void detach(struct cache_session *base)
{
    struct session *s = (struct session *)base;
    s->detaching = true;
    while (s->oldest_wait) {
        struct cache_ask *ask = s->oldest_wait;
        struct shard *shard = shard_of(s->local, ask->hash);
        pthread_mutex_lock(&shard->lock);
        enum shelf_state state =
            ask->waiting ? shelf_leave(&shard->shelf, ask, s->now_ms) : SHELF_NO_ROOM;
        ask->waiting = false;
        pthread_mutex_unlock(&shard->lock);
        unlist_wait(s, ask);
        if (state == SHELF_LEASE)
            hand_on_lease(s, ask, s->now_ms);
        ask->verdict = CACHE_BLIND;
        s->worker.answered(s->worker.context, ask);
    }
    cache_detach(s->behind);
    for (size_t i = 0; i < SHARDS; i++) { /* see post() */
        pthread_mutex_lock(&s->local->shards[i].lock);
        pthread_mutex_unlock(&s->local->shards[i].lock);
    }
    while (s->made) {
        struct lower *next = s->made->next_made;
        free(s->made);
        s->made = next;
    }
    free(s);
}

/* ---- any thread ---- */

static void forget(struct cache *c, struct str key, int64_t version)
{
    struct local *l = (struct local *)c;
    uint64_t hash = hash64(key, l->config.hash_seed);
    struct shard *shard = shard_of(l, hash);
    pthread_mutex_lock(&shard->lock);
    shelf_delete(&shard->shelf, key, hash, version, now_of(l));
    pthread_mutex_unlock(&shard->lock);
}

static void remove_lot(struct cache *c, struct str key, int64_t version, cache_done_fn *done,
                       void *context)
{
    struct local *l = (struct local *)c;
    count(&l->deletes);
    forget(c, key, version);
    cache_delete(l->config.next, key, version, done, context);
}

static bool peek(struct cache *c, struct str key, int64_t *version)
{
    struct local *l = (struct local *)c;
    struct cache_ask ask = {.key = key};
    if (!look_here(l, &ask, now_of(l)))
        return false;
    *version = ask.verdict == CACHE_FOUND ? ask.lot.stock.version : 0;
    return true;
}

static int64_t read_count(_Atomic int64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static void stats(struct cache *c, struct cache_stats *out)
{
    struct local *l = (struct local *)c;
    struct shelf_figures *f = &l->figures;
    struct cache_stats behind = {0};
    if (l->config.next)
        l->config.next->ops->stats(l->config.next, &behind);
    *out = (struct cache_stats){
        .local_hits_total = read_count(&l->hits),
        .remote_hits_total = read_count(&l->remote_hits),
        .misses_total = read_count(&l->misses),
        .fills_total = read_count(&f->fills_total) + behind.fills_total,
        .fills_ignored_total = read_count(&f->fills_ignored_total) + behind.fills_ignored_total,
        .waits_total = read_count(&l->waits) + behind.waits_total,
        .stale_total = read_count(&l->stale),
        .blind_total = read_count(&l->blind) + behind.blind_total,
        .leases_lost_total = read_count(&f->leases_lost_total) + behind.leases_lost_total,
        .deletes_total = read_count(&l->deletes),
        .evicted_total = read_count(&f->evicted_total),
        .lots = read_count(&f->lots),
        .tombstones = read_count(&f->tombstones),
        .bytes = read_count(&f->bytes),
        .remote_errors_total = behind.remote_errors_total};
}

/* ---- life ---- */

static void destroy(struct cache *c)
{
    struct local *l = (struct local *)c;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &l->shards[i];
        if (!shard->shelf.slots)
            continue;
        shelf_close(&shard->shelf);
        heat_close(&shard->heat);
        pthread_mutex_destroy(&shard->lock);
    }
    cache_destroy(l->config.next);
    free(l);
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

int cache_local_create(struct cache **out, const struct cache_local_config *config, struct error *e)
{
    struct local *l = NULL;
    if (posix_memalign((void **)&l, 64, sizeof *l) != 0)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for the cache");
    memset(l, 0, sizeof *l);
    l->cache.ops = &ops;
    l->config = *config;
    l->terms = (struct shelf_terms){.bytes_max = config->bytes_max / SHARDS,
                                    .keep_ms = config->keep_ms,
                                    .absent_ms = config->absent_ms,
                                    .recheck_ms = config->recheck_ms,
                                    .stale_ms = config->stale_ms,
                                    .tombstone_ms = config->tombstone_ms,
                                    .lease_ms = config->lease_ms};
    int code = 0;
    for (size_t i = 0; code == 0 && i < SHARDS; i++) {
        struct shard *shard = &l->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        code = shelf_init(&shard->shelf, &l->terms, &l->figures);
        if (code == 0 && config->next)
            code = heat_init(&shard->heat, HEAT_SETS);
    }
    if (code) {
        l->config.next = NULL; /* stays the caller's */
        destroy(&l->cache);
        return error_set(e, code, "", "out of memory for the cache");
    }
    *out = &l->cache;
    return 0;
}
