/* The embedded gate.
 *
 * Happy path of an ask of one line: the lot's number is found by its key, the order_id is marked as
 * seen, and the units are taken with one compare-and-swap on the lot's word: PASS.
 * Otherwise: fewer units than asked for and nothing that could change the answer: SOLD_OUT. An
 * order_id that may have been seen: REPLAY. A lot that is not known, several lines, a hold about to
 * expire: BLIND. Every order that is not SOLD_OUT is marked, because the engine will see it.
 * Failure modes: memory short for a new lot: the lot stays unknown, which is BLIND.
 *
 * Threads: admit from any; everything else from the engine's only. README.md has the argument.
 */
#include "gate/gate_local.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "gate/order_filter.h"

enum {
    CHUNK_LOTS = 4096,
    VERSION_BITS = 24,
    TABLE_SLOTS_MIN = 64,
};

#define LOT_AMBIGUOUS UINT32_MAX /* in the table: two keys share this hash */

/* A lot's word: units (signed, 40 bits) above, version (24 bits, wraps) below. */
struct counter {
    _Atomic uint64_t word;
};

struct slot {
    _Atomic uint64_t key_hash;
    _Atomic uint32_t lot_id; /* 0: free; written last */
};

/* Open addressing, linear probing; one writer, readers without a lock. Replaced as a whole when it
 * is half full; a reader may still be in an old one, so those live as long as the gate. */
struct table {
    struct table *older;
    size_t slot_mask;
    size_t used;
    struct slot slots[];
};

struct gate_local {
    struct gate gate;
    uint64_t hash_seed;
    uint32_t lots_max;
    struct order_filter orders;
    _Atomic(struct table *) table;
    _Alignas(64) _Atomic int64_t next_deadline_ms;
    _Atomic bool orders_complete;
    _Alignas(64) _Atomic(struct counter *) chunks[];
};

static struct gate_local *self(struct gate *g)
{
    return (struct gate_local *)g;
}

/* ---- the word ---- */

static int64_t word_units(uint64_t word)
{
    return (int64_t)word >> VERSION_BITS;
}

static uint64_t word_next(uint64_t word, int64_t units)
{
    const uint64_t version_mask = (UINT64_C(1) << VERSION_BITS) - 1;
    assert(units >= -(INT64_C(1) << 38) && units < INT64_C(1) << 38);
    return (uint64_t)units << VERSION_BITS | ((word + 1) & version_mask);
}

/* ---- lots ---- */

static struct counter *counter_of(struct gate_local *g, uint32_t lot_id)
{
    if (lot_id == 0 || lot_id > g->lots_max)
        return NULL;
    uint32_t i = lot_id - 1;
    struct counter *chunk = atomic_load_explicit(&g->chunks[i / CHUNK_LOTS], memory_order_acquire);
    return chunk ? &chunk[i % CHUNK_LOTS] : NULL;
}

static struct table *table_create(size_t slot_count)
{
    struct table *t = calloc(1, sizeof *t + slot_count * sizeof t->slots[0]);
    if (t)
        t->slot_mask = slot_count - 1;
    return t;
}

/* The engine's thread. The lot_id is published last, so a reader that sees it sees the hash and
 * the lot's counter. */
static void table_put(struct table *t, uint64_t key_hash, uint32_t lot_id)
{
    size_t i = key_hash & t->slot_mask;
    for (;; i = (i + 1) & t->slot_mask) {
        struct slot *s = &t->slots[i];
        uint32_t there = atomic_load_explicit(&s->lot_id, memory_order_relaxed);
        if (there && atomic_load_explicit(&s->key_hash, memory_order_relaxed) == key_hash) {
            atomic_store_explicit(&s->lot_id, LOT_AMBIGUOUS, memory_order_release);
            return;
        }
        if (there)
            continue;
        atomic_store_explicit(&s->key_hash, key_hash, memory_order_relaxed);
        atomic_store_explicit(&s->lot_id, lot_id, memory_order_release);
        t->used++;
        return;
    }
}

/* Any thread. 0 if the lot is not known for certain. */
static uint32_t table_find(struct gate_local *g, struct str key)
{
    if (str_empty(key))
        return 0;
    uint64_t key_hash = hash64(key, g->hash_seed);
    struct table *t = atomic_load_explicit(&g->table, memory_order_acquire);
    for (size_t i = key_hash & t->slot_mask;; i = (i + 1) & t->slot_mask) {
        struct slot *s = &t->slots[i];
        uint32_t lot_id = atomic_load_explicit(&s->lot_id, memory_order_acquire);
        if (lot_id == 0)
            return 0;
        if (atomic_load_explicit(&s->key_hash, memory_order_relaxed) == key_hash)
            return lot_id == LOT_AMBIGUOUS ? 0 : lot_id;
    }
}

static int table_reserve(struct gate_local *g)
{
    struct table *t = atomic_load_explicit(&g->table, memory_order_relaxed);
    if (t->used < (t->slot_mask + 1) / 2)
        return 0;
    struct table *bigger = table_create(2 * (t->slot_mask + 1));
    if (!bigger)
        return TLY_ENO_MEMORY;
    for (size_t i = 0; i <= t->slot_mask; i++) {
        uint32_t lot_id = atomic_load_explicit(&t->slots[i].lot_id, memory_order_relaxed);
        if (lot_id)
            table_put(bigger, atomic_load_explicit(&t->slots[i].key_hash, memory_order_relaxed),
                      lot_id);
    }
    bigger->older = t;
    atomic_store_explicit(&g->table, bigger, memory_order_release);
    return 0;
}

/* ---- admission ---- */

struct situation {
    int64_t now_ms;
    int64_t next_deadline_ms;
    bool orders_complete;
};

/* Read before any counter: whoever sees the new deadline here sees the units that came back at the
 * old one. */
static struct situation situation_read(struct gate_local *g, int64_t now_ms)
{
    return (struct situation){
        .now_ms = now_ms,
        .next_deadline_ms = atomic_load_explicit(&g->next_deadline_ms, memory_order_acquire),
        .orders_complete = atomic_load_explicit(&g->orders_complete, memory_order_acquire),
    };
}

static bool order_is_new(struct gate_local *g, const struct gate_ask *ask,
                         const struct situation *now)
{
    return ask->order_new ||
           (now->orders_complete && !order_filter_maybe(&g->orders, ask->order_hash));
}

enum shortage { ENOUGH, SHORT, MAYBE_SHORT };

/* SHORT: at one instant the lot had fewer units than the line asks for, and the order_id was not
 * known, which the unchanged version proves. *word is the newest reading. */
static enum shortage look(struct gate_local *g, const struct gate_ask *ask, struct counter *c,
                          int64_t quantity, const struct situation *now, uint64_t *word)
{
    *word = atomic_load_explicit(&c->word, memory_order_acquire);
    while (word_units(*word) < quantity) {
        if (now->now_ms >= now->next_deadline_ms || !order_is_new(g, ask, now))
            return MAYBE_SHORT;
        uint64_t before = *word;
        atomic_thread_fence(memory_order_acquire);
        *word = atomic_load_explicit(&c->word, memory_order_acquire);
        if (*word == before)
            return SHORT;
    }
    return ENOUGH;
}

static enum gate_verdict sold_out(struct gate_ask *ask, uint16_t line, uint64_t word)
{
    int64_t units = word_units(word);
    ask->failed_line = line;
    ask->available = units > 0 ? units : 0;
    return GATE_SOLD_OUT;
}

/* The order goes to the engine with nothing taken. */
static enum gate_verdict ask_engine(struct gate_local *g, const struct gate_ask *ask,
                                    const struct situation *now)
{
    bool seen = order_filter_mark(&g->orders, ask->order_hash);
    bool is_new = ask->order_new || (now->orders_complete && !seen);
    return is_new ? GATE_BLIND : GATE_REPLAY;
}

static enum gate_verdict admit_one_line(struct gate_local *g, struct gate_ask *ask,
                                        struct counter *c, const struct situation *now)
{
    int64_t quantity = ask->lines[0].quantity;
    uint64_t word;
    enum shortage shortage = look(g, ask, c, quantity, now, &word);
    if (shortage == SHORT)
        return sold_out(ask, 0, word);
    enum gate_verdict verdict = ask_engine(g, ask, now); /* marks before anything is taken */
    if (shortage == MAYBE_SHORT || verdict == GATE_REPLAY)
        return verdict;
    do {
        if (word_units(word) < quantity) /* this order was new when it was marked */
            return now->now_ms >= now->next_deadline_ms ? GATE_BLIND : sold_out(ask, 0, word);
    } while (!atomic_compare_exchange_weak_explicit(&c->word, &word,
                                                    word_next(word, word_units(word) - quantity),
                                                    memory_order_acq_rel, memory_order_acquire));
    return GATE_PASS;
}

/* Several lines are looked at, never taken: units taken for one line and given back because of
 * another would be hidden from other orders meanwhile. */
static enum gate_verdict admit_lines(struct gate_local *g, struct gate_ask *ask,
                                     const struct situation *now)
{
    for (uint16_t i = 0; i < ask->line_count; i++) {
        struct gate_line *line = &ask->lines[i];
        uint64_t word;
        if (look(g, ask, counter_of(g, line->lot_id), line->quantity, now, &word) == SHORT)
            return sold_out(ask, i, word);
    }
    return ask_engine(g, ask, now);
}

static enum gate_verdict admit_one(struct gate_local *g, struct gate_ask *ask,
                                   const struct situation *now)
{
    bool all_known = ask->line_count > 0;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        ask->lines[i].lot_id = table_find(g, ask->lines[i].lot);
        all_known = all_known && ask->lines[i].lot_id != 0;
    }
    if (!all_known)
        return ask_engine(g, ask, now);
    if (ask->line_count == 1)
        return admit_one_line(g, ask, counter_of(g, ask->lines[0].lot_id), now);
    return admit_lines(g, ask, now);
}

static void local_admit(struct gate *gate, struct gate_ask *asks, size_t n, int64_t now_ms,
                        gate_admit_cb *cb, void *context)
{
    struct gate_local *g = self(gate);
    for (size_t i = 0; i < n; i++)
        order_filter_prefetch(&g->orders, asks[i].order_hash);
    for (size_t i = 0; i < n; i++) {
        struct situation now = situation_read(g, now_ms);
        asks[i].verdict = admit_one(g, &asks[i], &now);
    }
    cb(context, asks, n);
}

static void local_prefetch(struct gate *gate, uint64_t order_hash)
{
    order_filter_prefetch(&self(gate)->orders, order_hash);
}

/* ---- the engine's side ---- */

/* Always a read-modify-write, never a plain store: it continues the release sequence of every
 * earlier taking, so that who reads the word afterwards sees their marks. */
static void counter_set(struct counter *c, int64_t units, bool relative)
{
    uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
    uint64_t next;
    do {
        next = word_next(word, relative ? word_units(word) + units : units);
    } while (!atomic_compare_exchange_weak_explicit(&c->word, &word, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

static int local_lot_added(struct gate *gate, uint32_t lot_id, struct str key, int64_t available)
{
    struct gate_local *g = self(gate);
    if (lot_id == 0 || lot_id > g->lots_max || table_reserve(g))
        return TLY_ENO_MEMORY;
    _Atomic(struct counter *) *chunk = &g->chunks[(lot_id - 1) / CHUNK_LOTS];
    if (!atomic_load_explicit(chunk, memory_order_relaxed)) {
        struct counter *fresh = calloc(CHUNK_LOTS, sizeof *fresh);
        if (!fresh)
            return TLY_ENO_MEMORY;
        atomic_store_explicit(chunk, fresh, memory_order_release);
    }
    counter_set(counter_of(g, lot_id), available, false);
    table_put(atomic_load_explicit(&g->table, memory_order_relaxed), hash64(key, g->hash_seed),
              lot_id);
    return 0;
}

static void local_add(struct gate *gate, uint32_t lot_id, int64_t units)
{
    struct counter *c = counter_of(self(gate), lot_id);
    if (c)
        counter_set(c, units, true);
}

static void local_reset(struct gate *gate, uint32_t lot_id, int64_t available)
{
    struct counter *c = counter_of(self(gate), lot_id);
    if (c)
        counter_set(c, available, false);
}

static void local_order_seen(struct gate *gate, uint64_t order_hash)
{
    order_filter_mark(&self(gate)->orders, order_hash);
}

static void local_orders_complete(struct gate *gate, bool complete)
{
    atomic_store_explicit(&self(gate)->orders_complete, complete, memory_order_release);
}

static void local_next_deadline(struct gate *gate, int64_t deadline_ms)
{
    atomic_store_explicit(&self(gate)->next_deadline_ms, deadline_ms, memory_order_release);
}

static void local_destroy(struct gate *gate)
{
    struct gate_local *g = self(gate);
    struct table *t = atomic_load_explicit(&g->table, memory_order_relaxed);
    while (t) {
        struct table *older = t->older;
        free(t);
        t = older;
    }
    for (uint32_t i = 0; i < g->lots_max; i += CHUNK_LOTS)
        free(atomic_load_explicit(&g->chunks[i / CHUNK_LOTS], memory_order_relaxed));
    order_filter_close(&g->orders);
    free(g);
}

static const struct gate_ops local_ops = {
    .admit = local_admit,
    .prefetch = local_prefetch,
    .lot_added = local_lot_added,
    .add = local_add,
    .reset = local_reset,
    .order_seen = local_order_seen,
    .orders_complete = local_orders_complete,
    .next_deadline = local_next_deadline,
    .destroy = local_destroy,
};

int gate_local_create(struct gate **out, const struct gate_local_config *config, struct error *e)
{
    size_t chunk_count = ((size_t)config->lots_max + CHUNK_LOTS - 1) / CHUNK_LOTS;
    size_t bytes = sizeof(struct gate_local) + chunk_count * sizeof(struct counter *);
    bytes = (bytes + 63) & ~(size_t)63;
    struct gate_local *g = aligned_alloc(64, bytes);
    if (!g)
        return error_set(e, TLY_ENO_MEMORY, "lots_max", "no memory for the gate");
    *g = (struct gate_local){
        .gate.ops = &local_ops, .hash_seed = config->hash_seed, .lots_max = config->lots_max};
    for (size_t i = 0; i < chunk_count; i++)
        atomic_init(&g->chunks[i], NULL);
    struct table *t = table_create(TABLE_SLOTS_MIN);
    atomic_init(&g->table, t);
    atomic_init(&g->next_deadline_ms, INT64_MAX);
    atomic_init(&g->orders_complete, true);
    int rc = t ? order_filter_init(&g->orders, config->order_filter_bytes, e)
               : error_set(e, TLY_ENO_MEMORY, "", "no memory for the gate's table of lots");
    if (rc) {
        local_destroy(&g->gate);
        return rc;
    }
    *out = &g->gate;
    return 0;
}
