/* meter.c - a ring of lots that were read, and a short list of copies that are inconsistent.
 *
 * Happy path: a sampled copy is as new as the authority's word. If not, it is listed with the time;
 * when it agrees, or is not there any more, it leaves the list, and the time is told.
 *
 * Failure: the list is full: what is found is counted, and not followed.
 */
#include "cache/meter.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 256, LISTED_MAX = 64 };

struct meter_key {
    char text[LOT_KEY_MAX];
    uint8_t len;
};

struct listed {
    struct meter_key key;
    uint8_t tier;
    int64_t since_ms;
};

struct meter {
    struct meter_key ring[RING]; /* lots that were read, each once */
    uint32_t ring_count, ring_put, ring_take;
    struct listed listed[LISTED_MAX];
    uint32_t listed_count, listed_take;
    int64_t sampled_ms; /* the last one from the ring */
    struct meter_key next;
    _Atomic int64_t samples, found, now, oldest_ms, longest_ms;
};

const struct cached_lot meter_absent;

int meter_create(struct meter **out, struct error *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : error_set(e, TLY_ENO_MEMORY, "", "out of memory for the meter");
}

void meter_destroy(struct meter *m)
{
    free(m);
}

static struct str str_of_key(const struct meter_key *k)
{
    return (struct str){k->text, k->len};
}

static struct meter_key make_key(struct str text)
{
    struct meter_key k = {.len = (uint8_t)(text.len < LOT_KEY_MAX ? text.len : LOT_KEY_MAX)};
    memcpy(k.text, text.p, k.len);
    return k;
}

void meter_note(struct meter *m, struct str key)
{
    uint32_t last = (m->ring_put + RING - 1) % RING;
    if (m->ring_count && str_equal(str_of_key(&m->ring[last]), key))
        return; /* a hot lot would fill it */
    m->ring[m->ring_put] = make_key(key);
    m->ring_put = (m->ring_put + 1) % RING;
    if (m->ring_count < RING)
        m->ring_count++;
}

struct str meter_next(struct meter *m, int64_t interval_ms, int64_t now_ms)
{
    bool due = m->ring_count && now_ms - m->sampled_ms >= interval_ms;
    if (due) {
        m->sampled_ms = now_ms;
        m->ring_take = (m->ring_take + 1) % m->ring_count;
        m->next = m->ring[m->ring_take];
    } else if (m->listed_count) {
        m->listed_take = (m->listed_take + 1) % m->listed_count;
        m->next = m->listed[m->listed_take].key;
    } else {
        return (struct str){0};
    }
    return str_of_key(&m->next);
}

static struct listed *find(struct meter *m, struct str key, enum meter_tier tier)
{
    for (uint32_t i = 0; i < m->listed_count; i++)
        if (m->listed[i].tier == tier && str_equal(str_of_key(&m->listed[i].key), key))
            return &m->listed[i];
    return NULL;
}

/* The oldest, as of now. */
static void show(struct meter *m, int64_t now_ms)
{
    int64_t oldest_ms = 0;
    for (uint32_t i = 0; i < m->listed_count; i++)
        if (now_ms - m->listed[i].since_ms > oldest_ms)
            oldest_ms = now_ms - m->listed[i].since_ms;
    atomic_store_explicit(&m->now, m->listed_count, memory_order_relaxed);
    atomic_store_explicit(&m->oldest_ms, oldest_ms, memory_order_relaxed);
}

/* An equal version with other contents: somebody wrote past the rules. */
static bool is_older(const struct cached_lot *truth, const struct cached_lot *copy)
{
    int64_t now = truth ? truth->stock.version : 0, then = copy->stock.version;
    if (then != now || now == 0)
        return then < now;
    return copy->stock.on_hand != truth->stock.on_hand ||
           copy->stock.reserved != truth->stock.reserved ||
           copy->stock.confirmed != truth->stock.confirmed ||
           copy->terms.withdrawn != truth->terms.withdrawn ||
           copy->terms.expires_on != truth->terms.expires_on;
}

static bool end(struct meter *m, struct listed *l, int64_t now_ms, int64_t *lasted_ms)
{
    *lasted_ms = now_ms - l->since_ms;
    if (*lasted_ms > atomic_load_explicit(&m->longest_ms, memory_order_relaxed))
        atomic_store_explicit(&m->longest_ms, *lasted_ms, memory_order_relaxed);
    *l = m->listed[--m->listed_count];
    return true;
}

bool meter_compare(struct meter *m, struct str key, enum meter_tier tier,
                   const struct cached_lot *truth, const struct cached_lot *copy, int64_t read_ms,
                   int64_t now_ms, int64_t *lasted_ms)
{
    bool older = copy && is_older(truth, copy), ended = false;
    struct listed *l = find(m, key, tier);
    if (copy)
        atomic_fetch_add_explicit(&m->samples, 1, memory_order_relaxed);
    if (older && !l) {
        atomic_fetch_add_explicit(&m->found, 1, memory_order_relaxed);
        if (m->listed_count < LISTED_MAX)
            m->listed[m->listed_count++] =
                (struct listed){.key = make_key(key), .tier = (uint8_t)tier, .since_ms = read_ms};
    } else if (!older && l) {
        ended = end(m, l, now_ms, lasted_ms);
    }
    show(m, now_ms);
    return ended;
}

void meter_figures(struct meter *m, struct meter_stats *out)
{
    *out = (struct meter_stats){
        .samples_total = atomic_load_explicit(&m->samples, memory_order_relaxed),
        .found_total = atomic_load_explicit(&m->found, memory_order_relaxed),
        .lots = atomic_load_explicit(&m->now, memory_order_relaxed),
        .oldest_ms = atomic_load_explicit(&m->oldest_ms, memory_order_relaxed),
        .lasted_longest_ms = atomic_load_explicit(&m->longest_ms, memory_order_relaxed)};
}
