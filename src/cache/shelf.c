/* shelf.c - entries by key, least recently read first out.
 *
 * Happy path: a read finds a value and moves its entry to the front. A miss makes an entry with a
 * lease; the fill puts the value in, and takes the entry out again if it knows nothing then.
 *
 * Failure: no memory or no room: the reader is sent to the authority (NO_ROOM), the value is not
 * kept. Only a tombstone may not be lost: without room for it the shelf takes no fills until it
 * would have ended.
 */
#include "cache/shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 64 };

struct shelf_entry {
    struct shelf_entry *chain; /* in its slot */
    struct shelf_entry *newer, *older;
    struct cached_lot *lot; /* NULL: absent, if it has a value */
    struct cache_ask *waiting, *last_waiting;
    uint64_t hash;
    int64_t read_ms;    /* of the value: when the authority was asked */
    int64_t checked_ms; /* when it was last found right */
    int64_t until_ms;
    int64_t least_version;
    int64_t tombstone_until_ms;
    uint64_t lease; /* 0: none */
    int64_t lease_until_ms;
    bool has_value;
    bool stale;
    bool spoiled; /* what the present lease brings may be older than a delete */
    uint8_t key_len;
    char key[];
};

static void count(_Atomic int64_t *figure, int64_t n)
{
    atomic_fetch_add_explicit(figure, n, memory_order_relaxed);
}

int shelf_init(struct shelf *s, const struct shelf_terms *terms, struct shelf_figures *figures)
{
    *s = (struct shelf){.terms = terms, .figures = figures, .slot_count = SLOTS_FIRST};
    s->slots = calloc(s->slot_count, sizeof(struct shelf_entry *));
    return s->slots ? 0 : TLY_ENO_MEMORY;
}

/* ---- entries ---- */

static struct str key_of(const struct shelf_entry *e)
{
    return (struct str){e->key, e->key_len};
}

static struct shelf_entry **place_of(const struct shelf *s, struct str key, uint64_t hash)
{
    struct shelf_entry **place = &s->slots[hash & (s->slot_count - 1)];
    while (*place && ((*place)->hash != hash || !str_equal(key_of(*place), key)))
        place = &(*place)->chain;
    return place;
}

static size_t bytes_of(const struct shelf_entry *e)
{
    size_t value = e->lot ? cached_lot_size(e->lot) : 0;
    return sizeof *e + e->key_len + value + sizeof(struct shelf_entry *);
}

static void weigh(struct shelf *s, int64_t bytes)
{
    s->bytes = (size_t)((int64_t)s->bytes + bytes);
    count(&s->figures->bytes, bytes);
}

static void unlist(struct shelf *s, struct shelf_entry *e)
{
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
}

static void list_newest(struct shelf *s, struct shelf_entry *e)
{
    e->newer = NULL;
    e->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = e;
    s->newest = e;
}

static void drop_value(struct shelf *s, struct shelf_entry *e)
{
    if (!e->has_value)
        return;
    if (e->lot) {
        weigh(s, -(int64_t)cached_lot_size(e->lot));
        free(e->lot);
    }
    e->lot = NULL;
    e->has_value = e->stale = false;
    count(&s->figures->lots, -1);
}

static void drop_tombstone(struct shelf *s, struct shelf_entry *e)
{
    if (!e->tombstone_until_ms)
        return;
    e->tombstone_until_ms = e->least_version = 0;
    count(&s->figures->tombstones, -1);
}

/* What has ended by now is forgotten. A lease that has ended is told apart from none: its fill is
 * not welcome any more. */
static void refresh(struct shelf *s, struct shelf_entry *e, int64_t now_ms)
{
    if (e->has_value && now_ms >= e->until_ms)
        drop_value(s, e);
    if (e->tombstone_until_ms && now_ms >= e->tombstone_until_ms)
        drop_tombstone(s, e);
    if (e->lease && now_ms >= e->lease_until_ms) {
        e->lease = 0;
        e->spoiled = false;
        count(&s->figures->leases_lost_total, 1);
    }
}

static bool knows_nothing(const struct shelf_entry *e)
{
    return !e->has_value && !e->tombstone_until_ms && !e->lease && !e->waiting;
}

static void remove_entry(struct shelf *s, struct shelf_entry *e)
{
    struct shelf_entry **place = place_of(s, key_of(e), e->hash);
    assert(*place == e);
    drop_value(s, e);
    drop_tombstone(s, e);
    *place = e->chain;
    unlist(s, e);
    weigh(s, -(int64_t)bytes_of(e));
    s->count--;
    free(e);
}

static void remove_if_empty(struct shelf *s, struct shelf_entry *e)
{
    if (knows_nothing(e))
        remove_entry(s, e);
}

void shelf_close(struct shelf *s)
{
    struct shelf_entry *e;
    while ((e = s->newest)) {
        assert(!e->waiting);
        remove_entry(s, e);
        assert(s->newest != e);
    }
    free(s->slots);
    s->slots = NULL;
}

/* ---- room ---- */

/* Looks at the entries that were read longest ago; those that cannot leave are put in front. */
static bool make_room(struct shelf *s, size_t bytes, const struct shelf_entry *but, int64_t now_ms)
{
    enum { LOOKS_MAX = 64 };
    for (int looks = 0; s->bytes + bytes > s->terms->bytes_max; looks++) {
        struct shelf_entry *e = s->oldest;
        if (!e || looks == LOOKS_MAX)
            return false;
        refresh(s, e, now_ms);
        bool had_value = e->has_value;
        if (e != but && !e->tombstone_until_ms && !e->lease && !e->waiting) {
            if (had_value)
                count(&s->figures->evicted_total, 1);
            remove_entry(s, e);
            assert(s->oldest != e);
            continue;
        }
        if (e != but && had_value) {
            count(&s->figures->evicted_total, 1);
            drop_value(s, e);
        }
        unlist(s, e);
        list_newest(s, e);
    }
    return true;
}

static void grow(struct shelf *s)
{
    uint32_t wanted = s->slot_count * 2;
    struct shelf_entry **slots = calloc(wanted, sizeof *slots);
    if (!slots)
        return; /* chains get longer */
    for (uint32_t i = 0; i < s->slot_count; i++) {
        struct shelf_entry *next;
        for (struct shelf_entry *e = s->slots[i]; e; e = next) {
            struct shelf_entry **slot = &slots[e->hash & (wanted - 1)];
            next = e->chain;
            e->chain = *slot;
            *slot = e;
        }
    }
    free(s->slots);
    s->slots = slots;
    s->slot_count = wanted;
}

/* The entry of the key; a new one if there is none. NULL: no room. */
static struct shelf_entry *entry_for(struct shelf *s, struct str key, uint64_t hash, int64_t now_ms)
{
    struct shelf_entry **place = place_of(s, key, hash);
    assert(key.len <= LOT_KEY_MAX);
    if (*place) {
        refresh(s, *place, now_ms);
        return *place;
    }
    if (!make_room(s, sizeof(struct shelf_entry) + key.len + sizeof *place, NULL, now_ms))
        return NULL;
    struct shelf_entry *e = calloc(1, sizeof *e + key.len);
    if (!e)
        return NULL;
    if (s->count >= s->slot_count)
        grow(s);
    e->hash = hash;
    e->key_len = (uint8_t)key.len;
    memcpy(e->key, key.p, key.len);
    struct shelf_entry **slot = &s->slots[hash & (s->slot_count - 1)];
    e->chain = *slot;
    *slot = e;
    list_newest(s, e);
    s->count++;
    weigh(s, (int64_t)bytes_of(e));
    return e;
}

/* ---- reading ---- */

static void answer(struct cache_ask *ask, const struct shelf_entry *e, int64_t now_ms)
{
    ask->verdict = e->lot ? CACHE_FOUND : CACHE_ABSENT;
    ask->source = SOURCE_LOCAL;
    ask->stale = e->stale;
    ask->age_ms = now_ms > e->read_ms ? now_ms - e->read_ms : 0;
    if (e->lot)
        memcpy(&ask->lot, e->lot, cached_lot_size(e->lot));
}

static void lease(struct shelf *s, struct shelf_entry *e, struct cache_ask *ask, int64_t now_ms)
{
    e->lease = ++s->leases;
    e->lease_until_ms = now_ms + s->terms->lease_ms;
    e->spoiled = false;
    ask->lease = e->lease;
    ask->least_version = e->least_version;
    ask->verdict = CACHE_FILL;
}

static void wait_for(struct shelf_entry *e, struct cache_ask *ask)
{
    ask->next_waiting = NULL;
    if (e->last_waiting)
        e->last_waiting->next_waiting = ask;
    else
        e->waiting = ask;
    e->last_waiting = ask;
}

enum shelf_state shelf_look(struct shelf *s, struct cache_ask *ask, int64_t now_ms)
{
    struct shelf_entry *e = entry_for(s, ask->key, ask->hash, now_ms);
    if (!e)
        return SHELF_NO_ROOM;
    if (e != s->newest) {
        unlist(s, e);
        list_newest(s, e);
    }
    bool good = e->has_value && !e->stale;
    bool recheck = s->terms->recheck_ms && good && now_ms - e->checked_ms >= s->terms->recheck_ms;
    if (good && (!recheck || e->lease)) {
        answer(ask, e, now_ms);
        return SHELF_HIT;
    }
    if (e->lease) {
        ask->stale = e->has_value;
        wait_for(e, ask);
        return SHELF_WAIT;
    }
    lease(s, e, ask, now_ms);
    return SHELF_LEASE;
}

bool shelf_peek(const struct shelf *s, struct cache_ask *ask, int64_t now_ms)
{
    const struct shelf_entry *e = *place_of(s, ask->key, ask->hash);
    if (!e || !e->has_value || e->stale || now_ms >= e->until_ms)
        return false;
    answer(ask, e, now_ms);
    return true;
}

/* ---- filling ---- */

static int64_t version_of(const struct cached_lot *lot)
{
    return lot ? lot->stock.version : 0;
}

/* The value in place of what is there. False: no room. */
static bool put(struct shelf *s, struct shelf_entry *e, const struct cache_reading *r,
                int64_t now_ms)
{
    struct cached_lot *copy = NULL;
    size_t size = r->lot ? cached_lot_size(r->lot) : 0;
    drop_value(s, e);
    if (r->lot) {
        if (!make_room(s, size, e, now_ms) || !(copy = malloc(size)))
            return false;
        memcpy(copy, r->lot, size);
        weigh(s, (int64_t)size);
    }
    e->lot = copy;
    e->has_value = true;
    e->read_ms = r->read_ms;
    e->checked_ms = now_ms;
    e->until_ms = now_ms + (r->lot ? s->terms->keep_ms : s->terms->absent_ms);
    count(&s->figures->lots, 1);
    return true;
}

/* As it was read: for the filler, and for those who waited. */
static void tell(struct cache_ask *ask, const struct cache_reading *r, int64_t now_ms)
{
    ask->verdict = r->lot ? CACHE_FOUND : CACHE_ABSENT;
    ask->source = r->source;
    ask->stale = false;
    ask->age_ms = now_ms > r->read_ms ? now_ms - r->read_ms : 0;
    if (r->lot)
        memcpy(&ask->lot, r->lot, cached_lot_size(r->lot));
}

static struct cache_ask *take_waiting(struct shelf_entry *e)
{
    struct cache_ask *first = e->waiting;
    e->waiting = e->last_waiting = NULL;
    return first;
}

static enum shelf_fill weigh_reading(struct shelf *s, struct shelf_entry *e,
                                     const struct cache_reading *r, bool ours, bool keep,
                                     int64_t now_ms)
{
    int64_t version = version_of(r->lot);
    if (e->tombstone_until_ms && version < e->least_version)
        return SHELF_TOO_OLD;
    if (e->has_value && version < version_of(e->lot))
        return SHELF_SUPERSEDED;
    if (!ours || !keep || e->spoiled || now_ms < s->closed_until_ms)
        return SHELF_NOT_KEPT;
    return put(s, e, r, now_ms) ? SHELF_KEPT : SHELF_NOT_KEPT;
}

enum shelf_fill shelf_settle(struct shelf *s, struct cache_ask *ask, const struct cache_reading *r,
                             bool keep, int64_t now_ms, struct cache_ask **answered)
{
    struct shelf_entry *e = *place_of(s, ask->key, ask->hash);
    *answered = NULL;
    tell(ask, r, now_ms);
    if (!e) {
        count(&s->figures->fills_ignored_total, 1);
        return SHELF_NOT_KEPT;
    }
    refresh(s, e, now_ms);
    bool ours = e->lease && e->lease == ask->lease;
    enum shelf_fill became = weigh_reading(s, e, r, ours, keep, now_ms);
    count(became == SHELF_KEPT ? &s->figures->fills_total : &s->figures->fills_ignored_total,
          became == SHELF_KEPT || keep);
    if (became == SHELF_TOO_OLD) {
        ask->least_version = e->least_version;
        ask->verdict = CACHE_FILL;
        if (ours)
            e->lease_until_ms = now_ms + s->terms->lease_ms;
        return became;
    }
    if (became == SHELF_SUPERSEDED && !e->stale)
        answer(ask, e, now_ms);
    else if (became == SHELF_NOT_KEPT && ours && !keep)
        drop_value(s, e); /* what was rechecked is not wanted any more */
    if (ours) {
        e->lease = 0;
        e->spoiled = false;
        *answered = take_waiting(e);
    }
    for (struct cache_ask *w = *answered; w; w = w->next_waiting) {
        w->verdict = ask->verdict;
        w->source = ask->source;
        w->stale = ask->stale;
        w->age_ms = ask->age_ms;
        if (ask->verdict == CACHE_FOUND)
            memcpy(&w->lot, &ask->lot, cached_lot_size(&ask->lot));
    }
    remove_if_empty(s, e);
    return became;
}

void shelf_renew(struct shelf *s, const struct cache_ask *ask, int64_t now_ms)
{
    struct shelf_entry *e = *place_of(s, ask->key, ask->hash);
    if (e && ask->lease && e->lease == ask->lease)
        e->lease_until_ms = now_ms + s->terms->lease_ms;
}

struct cache_ask *shelf_give_up(struct shelf *s, struct cache_ask *ask, int64_t now_ms)
{
    struct shelf_entry *e = *place_of(s, ask->key, ask->hash);
    if (!e || e->lease != ask->lease || !ask->lease)
        return NULL;
    e->lease = 0;
    e->spoiled = false;
    struct cache_ask *next = e->waiting;
    if (next) {
        e->waiting = next->next_waiting;
        if (!e->waiting)
            e->last_waiting = NULL;
        lease(s, e, next, now_ms);
    }
    refresh(s, e, now_ms);
    remove_if_empty(s, e);
    return next;
}

enum shelf_state shelf_leave(struct shelf *s, struct cache_ask *ask, int64_t now_ms)
{
    struct shelf_entry *e = *place_of(s, ask->key, ask->hash);
    assert(e && e->waiting);
    struct cache_ask **place = &e->waiting, *before = NULL;
    while (*place != ask) {
        before = *place;
        place = &before->next_waiting;
    }
    *place = ask->next_waiting;
    if (e->last_waiting == ask)
        e->last_waiting = before;
    refresh(s, e, now_ms);
    enum shelf_state state = SHELF_NO_ROOM;
    if (!e->lease) {
        lease(s, e, ask, now_ms);
        state = SHELF_LEASE;
    } else if (e->has_value) {
        answer(ask, e, now_ms);
        state = SHELF_HIT;
    } else {
        ask->least_version = e->least_version;
    }
    remove_if_empty(s, e);
    return state;
}

/* ---- deleting ---- */

static void bury(struct shelf *s, struct shelf_entry *e, int64_t version, int64_t now_ms)
{
    if (!e->tombstone_until_ms)
        count(&s->figures->tombstones, 1);
    if (version > e->least_version)
        e->least_version = version;
    e->tombstone_until_ms = now_ms + s->terms->tombstone_ms;
}

void shelf_delete(struct shelf *s, struct str key, uint64_t hash, int64_t version, int64_t now_ms)
{
    struct shelf_entry *e = entry_for(s, key, hash, now_ms);
    if (!e) {
        s->closed_until_ms = now_ms + s->terms->tombstone_ms;
        return;
    }
    if (version == 0) {
        /* What is there may be wrong under its own version; what is under way as well. */
        drop_value(s, e);
        e->spoiled = e->lease != 0;
        remove_if_empty(s, e);
        return;
    }
    bury(s, e, version, now_ms);
    if (e->has_value && !e->stale && version_of(e->lot) < version) {
        int64_t until_ms = now_ms + s->terms->stale_ms;
        e->stale = true;
        e->until_ms = until_ms < e->until_ms ? until_ms : e->until_ms;
    }
}
