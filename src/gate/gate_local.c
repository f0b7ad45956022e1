/* The embedded gate.
 *
 * Happy path of an ask of one line: the lot's number is found by its key, the order_id is marked as
 * seen, and the units are taken with one compare-and-swap on the lot's word: PASS.
 * Otherwise: fewer units than asked for and nothing that could change the answer: SOLD_OUT. An
 * order_id that may have been seen: REPLAY. A lot that is not known, several lines, a hold about to
 * expire, a sale that is not on: BLIND. Every order that is not SOLD_OUT is marked, because the
 * engine will see it. Failure modes: memory short for a new lot: the lot stays unknown, which is
 * BLIND.
 *
 * A session collects asks and decides them when it is flushed; the filter's memory has come closer
 * meanwhile.
 *
 * Threads: a session on its worker's; everything else on the lane's. README.md has the argument.
 */
#include "gate/gate_local.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "gate/order_filter.h"

enum {
    CHUNK_LOTS = 4096,
    CHUNK_SALES = 4096,
    SALE_CHUNKS = 256, /* sales with higher numbers are not known */
    VERSION_BITS = 24,
    TABLE_SLOTS_MIN = 64,
};

#define AMBIGUOUS UINT32_MAX /* in a table: two keys share this hash */

/* A lot's word: units (signed, 40 bits) above, version (24 bits, wraps) below. */
struct counter {
    _Atomic uint64_t word;
};

/* When a sale is on. Who reads the two while they are changed goes by one old and one new: each was
 * or is right. */
struct window {
    _Atomic int64_t opens_ms;
    _Atomic int64_t closes_ms;
};

struct slot {
    _Atomic uint64_t key_hash;
    _Atomic uint32_t number; /* of a lot or a sale. 0: free; written last */
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
    _Atomic(struct table *) lots;  /* by the hash of their keys */
    _Atomic(struct table *) sales; /* by the hash of their sale_ids */
    _Atomic(struct window *) windows[SALE_CHUNKS];
    _Alignas(64) _Atomic int64_t next_deadline_ms;
    _Atomic bool orders_complete;
    _Alignas(64) _Atomic(struct counter *) chunks[];
};

struct local_session {
    struct gate_session session;
    struct gate_local *gate;
    struct gate_worker worker;
    struct gate_ask *first; /* asked since the last flush */
    struct gate_ask *last;
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

/* ---- lots and sales ---- */

static struct counter *counter_of(struct gate_local *g, lot_id id)
{
    if (id == 0 || id > g->lots_max)
        return NULL;
    uint32_t i = id - 1;
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

/* The engine's thread. The number is published last, so a reader that sees it sees the hash and
 * the lot's counter, or the sale's window. */
static void table_put(struct table *t, uint64_t key_hash, uint32_t number)
{
    size_t i = key_hash & t->slot_mask;
    for (;; i = (i + 1) & t->slot_mask) {
        struct slot *s = &t->slots[i];
        uint32_t there = atomic_load_explicit(&s->number, memory_order_relaxed);
        if (there && atomic_load_explicit(&s->key_hash, memory_order_relaxed) == key_hash) {
            atomic_store_explicit(&s->number, AMBIGUOUS, memory_order_release);
            return;
        }
        if (there)
            continue;
        atomic_store_explicit(&s->key_hash, key_hash, memory_order_relaxed);
        atomic_store_explicit(&s->number, number, memory_order_release);
        t->used++;
        return;
    }
}

/* Any thread. 0 if it is not known for certain. */
static uint32_t table_find(const struct gate_local *g, _Atomic(struct table *) *table,
                           struct str key)
{
    if (str_empty(key))
        return 0;
    uint64_t key_hash = hash64(key, g->hash_seed);
    struct table *t = atomic_load_explicit(table, memory_order_acquire);
    for (size_t i = key_hash & t->slot_mask;; i = (i + 1) & t->slot_mask) {
        struct slot *s = &t->slots[i];
        uint32_t number = atomic_load_explicit(&s->number, memory_order_acquire);
        if (number == 0)
            return 0;
        if (atomic_load_explicit(&s->key_hash, memory_order_relaxed) == key_hash)
            return number == AMBIGUOUS ? 0 : number;
    }
}

/* Always inline: the compiler drops a call of a function that has no other effect. */
static inline __attribute__((always_inline)) void table_prefetch(struct gate_local *g,
                                                                 struct str key)
{
    struct table *t = atomic_load_explicit(&g->lots, memory_order_acquire);
    __builtin_prefetch(&t->slots[hash64(key, g->hash_seed) & t->slot_mask]);
}

static int table_reserve(_Atomic(struct table *) *table)
{
    struct table *t = atomic_load_explicit(table, memory_order_relaxed);
    if (t->used < (t->slot_mask + 1) / 2)
        return 0;
    struct table *bigger = table_create(2 * (t->slot_mask + 1));
    if (!bigger)
        return TLY_ENO_MEMORY;
    for (size_t i = 0; i <= t->slot_mask; i++) {
        uint32_t number = atomic_load_explicit(&t->slots[i].number, memory_order_relaxed);
        if (number)
            table_put(bigger, atomic_load_explicit(&t->slots[i].key_hash, memory_order_relaxed),
                      number);
    }
    bigger->older = t;
    atomic_store_explicit(table, bigger, memory_order_release);
    return 0;
}

static void table_destroy(struct table *t)
{
    while (t) {
        struct table *older = t->older;
        free(t);
        t = older;
    }
}

/* Any thread. */
static bool sale_is_on(struct gate_local *g, struct str sale_id, int64_t now_ms)
{
    uint32_t number = table_find(g, &g->sales, sale_id);
    if (number == 0)
        return false;
    uint32_t i = number - 1;
    struct window *w =
        &atomic_load_explicit(&g->windows[i / CHUNK_SALES], memory_order_acquire)[i % CHUNK_SALES];
    return now_ms >= atomic_load_explicit(&w->opens_ms, memory_order_relaxed) &&
           now_ms < atomic_load_explicit(&w->closes_ms, memory_order_relaxed);
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

static void mark_short(struct gate_line *line, uint64_t word)
{
    int64_t units = word_units(word);
    line->is_short = true;
    line->available = units > 0 ? units : 0;
}

static enum gate_verdict sold_out_one(struct gate_ask *ask, uint64_t word)
{
    mark_short(&ask->lines[0], word);
    ask->failed_line = 0;
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
        return sold_out_one(ask, word);
    enum gate_verdict verdict = ask_engine(g, ask, now); /* marks before anything is taken */
    if (shortage == MAYBE_SHORT || verdict == GATE_REPLAY)
        return verdict;
    do {
        if (word_units(word) < quantity) /* this order was new when it was marked */
            return now->now_ms >= now->next_deadline_ms ? GATE_BLIND : sold_out_one(ask, word);
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
    bool any_short = false;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        struct gate_line *line = &ask->lines[i];
        uint64_t word;
        if (look(g, ask, counter_of(g, line->lot_id), line->quantity, now, &word) != SHORT)
            continue;
        mark_short(line, word);
        if (!any_short)
            ask->failed_line = i;
        any_short = true;
    }
    return any_short ? GATE_SOLD_OUT : ask_engine(g, ask, now);
}

static enum gate_verdict admit_one(struct gate_local *g, struct gate_ask *ask,
                                   const struct situation *now)
{
    bool all_known = ask->line_count > 0;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        ask->lines[i].is_short = false;
        ask->lines[i].lot_id = table_find(g, &g->lots, ask->lines[i].lot);
        all_known = all_known && ask->lines[i].lot_id != 0;
    }
    bool on = str_empty(ask->sale_id) || sale_is_on(g, ask->sale_id, now->now_ms);
    if (!all_known || !on)
        return ask_engine(g, ask, now);
    if (ask->line_count == 1)
        return admit_one_line(g, ask, counter_of(g, ask->lines[0].lot_id), now);
    return admit_lines(g, ask, now);
}

/* ---- a worker's session ---- */

static int local_attach(struct gate *gate, const struct gate_worker *w, struct gate_session **out,
                        struct error *e)
{
    struct local_session *s = malloc(sizeof *s);
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a session with the gate");
    *s = (struct local_session){.session.ops = gate->ops, .gate = self(gate), .worker = *w};
    *out = &s->session;
    return 0;
}

static void local_ask(struct gate_session *session, struct gate_ask *ask)
{
    struct local_session *s = (struct local_session *)session;
    order_filter_prefetch(&s->gate->orders, ask->order_hash);
    if (ask->line_count)
        table_prefetch(s->gate, ask->lines[0].lot);
    ask->next = NULL;
    if (s->first)
        s->last->next = ask;
    else
        s->first = ask;
    s->last = ask;
}

static struct gate_ask *take_asked(struct local_session *s)
{
    struct gate_ask *first = s->first;
    s->first = NULL;
    return first;
}

static void local_flush(struct gate_session *session, int64_t now_ms)
{
    struct local_session *s = (struct local_session *)session;
    struct gate_ask *first = take_asked(s);
    if (!first)
        return;
    for (struct gate_ask *ask = first; ask; ask = ask->next) {
        struct situation now = situation_read(s->gate, now_ms);
        ask->verdict = (uint8_t)admit_one(s->gate, ask, &now);
    }
    s->worker.answered(s->worker.context, first);
}

static void local_detach(struct gate_session *session)
{
    struct local_session *s = (struct local_session *)session;
    struct gate_ask *first;
    while ((first = take_asked(s))) {
        for (struct gate_ask *ask = first; ask; ask = ask->next) {
            order_filter_mark(&s->gate->orders, ask->order_hash);
            ask->verdict = GATE_BLIND;
        }
        s->worker.answered(s->worker.context, first);
    }
    free(s);
}

/* ---- the engine's side ---- */

/* Always a read-modify-write, never a plain store: it continues the release sequence of every
 * earlier taking, so that who reads the word afterwards sees their marks. */
static void counter_add(struct counter *c, int64_t units)
{
    uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&c->word, &word,
                                                  word_next(word, word_units(word) + units),
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
}

static int local_lot_known(struct gate *gate, const struct gate_stock *lot)
{
    struct gate_local *g = self(gate);
    if (table_find(g, &g->lots, lot->dims->key) == lot->lot_id)
        return 0; /* the count is kept by what was decided since */
    if (lot->lot_id == 0 || lot->lot_id > g->lots_max || table_reserve(&g->lots))
        return TLY_ENO_MEMORY;
    _Atomic(struct counter *) *chunk = &g->chunks[(lot->lot_id - 1) / CHUNK_LOTS];
    if (!atomic_load_explicit(chunk, memory_order_relaxed)) {
        struct counter *fresh = calloc(CHUNK_LOTS, sizeof *fresh);
        if (!fresh)
            return TLY_ENO_MEMORY;
        atomic_store_explicit(chunk, fresh, memory_order_release);
    }
    struct counter *c = counter_of(g, lot->lot_id); /* nobody takes of it yet */
    counter_add(c,
                lot->available - word_units(atomic_load_explicit(&c->word, memory_order_relaxed)));
    table_put(atomic_load_explicit(&g->lots, memory_order_relaxed),
              hash64(lot->dims->key, g->hash_seed), lot->lot_id);
    return 0;
}

static int local_sale_known(struct gate *gate, const struct gate_sale *sale)
{
    struct gate_local *g = self(gate);
    if (sale->number == 0 || sale->number > SALE_CHUNKS * CHUNK_SALES)
        return TLY_ENO_MEMORY;
    uint32_t i = sale->number - 1;
    bool is_new = table_find(g, &g->sales, sale->sale_id) != sale->number;
    if (is_new && table_reserve(&g->sales))
        return TLY_ENO_MEMORY;
    _Atomic(struct window *) *chunk = &g->windows[i / CHUNK_SALES];
    struct window *windows = atomic_load_explicit(chunk, memory_order_relaxed);
    if (!windows) {
        windows = calloc(CHUNK_SALES, sizeof *windows);
        if (!windows)
            return TLY_ENO_MEMORY;
        atomic_store_explicit(chunk, windows, memory_order_release);
    }
    struct window *w = &windows[i % CHUNK_SALES];
    atomic_store_explicit(&w->opens_ms, sale->opens_ms, memory_order_relaxed);
    atomic_store_explicit(&w->closes_ms, sale->closes_ms, memory_order_relaxed);
    if (is_new)
        table_put(atomic_load_explicit(&g->sales, memory_order_relaxed),
                  hash64(sale->sale_id, g->hash_seed), sale->number);
    return 0;
}

static void local_decided(struct gate *gate, const struct gate_delta *lots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct counter *c = counter_of(self(gate), lots[i].lot);
        if (c)
            counter_add(c, lots[i].units);
    }
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
    table_destroy(atomic_load_explicit(&g->lots, memory_order_relaxed));
    table_destroy(atomic_load_explicit(&g->sales, memory_order_relaxed));
    for (uint32_t i = 0; i < SALE_CHUNKS; i++)
        free(atomic_load_explicit(&g->windows[i], memory_order_relaxed));
    for (uint32_t i = 0; i < g->lots_max; i += CHUNK_LOTS)
        free(atomic_load_explicit(&g->chunks[i / CHUNK_LOTS], memory_order_relaxed));
    order_filter_close(&g->orders);
    free(g);
}

static const struct gate_ops local_ops = {
    .attach = local_attach,
    .ask = local_ask,
    .flush = local_flush,
    .detach = local_detach,
    .lot_known = local_lot_known,
    .sale_known = local_sale_known,
    .decided = local_decided,
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
    struct table *lots = table_create(TABLE_SLOTS_MIN);
    struct table *sales = table_create(TABLE_SLOTS_MIN);
    atomic_init(&g->lots, lots);
    atomic_init(&g->sales, sales);
    for (uint32_t i = 0; i < SALE_CHUNKS; i++)
        atomic_init(&g->windows[i], NULL);
    atomic_init(&g->next_deadline_ms, INT64_MAX);
    atomic_init(&g->orders_complete, true);
    int rc = lots && sales ? order_filter_init(&g->orders, config->order_filter_bytes, e)
                           : error_set(e, TLY_ENO_MEMORY, "", "no memory for the gate's tables");
    if (rc) {
        local_destroy(&g->gate);
        return rc;
    }
    *out = &g->gate;
    return 0;
}
