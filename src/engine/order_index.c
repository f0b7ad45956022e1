/* order_index.c - see order_index.h.
 *
 * A segment is a table of pairs.h: hash and reservation id. The tables of a segment that was stored
 * are used again by the next one, each part cleared when it is first touched: after one round
 * nothing is allocated.
 *
 * Failure: memory short, or the store behind (a full segment while another waits): the entry is not
 * added.
 */
#include "engine/order_index.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/pairs.h"

struct segment {
    struct order_segment base;
    struct segment *next; /* frozen: younger */
    bool handed_out;
    struct pairs entries;
};

struct order_index {
    struct segment *active;
    struct segment *frozen; /* oldest first */
    struct segment *spare;  /* tables to use again */
    struct order_run *runs;
    size_t segment_entries_max;
    bool loading;
};

static void segment_free(struct segment *s)
{
    if (!s)
        return;
    pairs_close(&s->entries);
    free(s);
}

static void copy_entries(const struct order_segment *segment, struct order_entry *out)
{
    /* An order_entry is a pair by another name. */
    _Static_assert(sizeof *out == sizeof(struct pair), "same size");
    const struct segment *s = segment->impl;
    size_t count = pairs_copy(&s->entries, (struct pair *)out);
    assert(count == segment->count);
}

static struct segment *segment_create(struct order_index *ix)
{
    struct segment *s = ix->spare;
    if (s) {
        ix->spare = NULL;
        pairs_clear(&s->entries);
    } else {
        s = calloc(1, sizeof *s);
        if (!s || pairs_init(&s->entries, ix->segment_entries_max)) {
            free(s);
            return NULL;
        }
    }
    s->base = (struct order_segment){.copy = copy_entries, .impl = s};
    s->next = NULL;
    s->handed_out = false;
    return s;
}

int order_index_create(struct order_index **out, size_t memory_max, struct error *e)
{
    struct order_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the order index");
    ix->segment_entries_max = memory_max < 4 ? 2 : memory_max / 2;
    ix->active = segment_create(ix);
    if (!ix->active) {
        free(ix);
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the order index");
    }
    *out = ix;
    return 0;
}

void order_index_destroy(struct order_index *ix)
{
    if (!ix)
        return;
    segment_free(ix->active);
    segment_free(ix->spare);
    while (ix->frozen) {
        struct segment *next = ix->frozen->next;
        segment_free(ix->frozen);
        ix->frozen = next;
    }
    while (ix->runs) {
        struct order_run *next = ix->runs->link;
        order_run_free(ix->runs);
        ix->runs = next;
    }
    free(ix);
}

static int freeze(struct order_index *ix)
{
    if (ix->frozen && !ix->loading)
        return TLY_EFULL;
    struct segment *fresh = segment_create(ix);
    if (!fresh)
        return TLY_ENO_MEMORY;
    struct segment **end = &ix->frozen;
    while (*end)
        end = &(*end)->next;
    *end = ix->active;
    ix->active = fresh;
    return 0;
}

int order_index_add(struct order_index *ix, uint64_t hash, int64_t reservation_id)
{
    assert(reservation_id > 0);
    if (ix->active->base.count >= ix->segment_entries_max) {
        int code = freeze(ix);
        if (code)
            return code;
    }
    struct segment *s = ix->active;
    if (!pairs_put(&s->entries, hash, (uint64_t)reservation_id))
        return TLY_ENO_MEMORY;
    if (s->base.count++ == 0)
        s->base.seq_min = reservation_id;
    s->base.seq_max = reservation_id;
    return 0;
}

static bool segment_remove(struct segment *s, uint64_t hash, int64_t reservation_id)
{
    if (!pairs_remove(&s->entries, hash, (uint64_t)reservation_id))
        return false;
    s->base.count--;
    return true;
}

void order_index_remove(struct order_index *ix, uint64_t hash, int64_t reservation_id)
{
    if (segment_remove(ix->active, hash, reservation_id))
        return;
    for (struct segment *s = ix->frozen; s; s = s->next) {
        if (!s->handed_out && segment_remove(s, hash, reservation_id))
            return;
    }
}

void order_index_clear(struct order_index *ix)
{
    while (ix->frozen) {
        struct segment *next = ix->frozen->next;
        segment_free(ix->frozen);
        ix->frozen = next;
    }
    pairs_clear(&ix->active->entries);
    ix->active->base.count = 0;
}

/* The cursor: segments gone through, and slots gone through of the next one. */
int64_t order_index_find(const struct order_index *ix, uint64_t hash, size_t *cursor)
{
    uint32_t segment = (uint32_t)(*cursor >> 32);
    uint32_t probe = (uint32_t)*cursor;
    const struct segment *s = ix->active;
    for (uint32_t i = 0; s; i++) {
        if (i == segment) {
            uint64_t found = pairs_find(&s->entries, hash, &probe);
            *cursor = (size_t)segment << 32 | probe;
            if (found)
                return (int64_t)found;
            segment++;
            probe = 0;
        }
        s = i == 0 ? ix->frozen : s->next;
    }
    *cursor = (size_t)segment << 32;
    return 0;
}

bool order_index_on_disk(const struct order_index *ix, uint64_t hash)
{
    for (const struct order_run *run = ix->runs; run; run = run->link) {
        if (!run->filter || bloom_maybe(run->filter, hash))
            return true;
    }
    return false;
}

void order_index_prefetch(const struct order_index *ix, uint64_t hash)
{
    pairs_prefetch(&ix->active->entries, hash);
    for (const struct segment *s = ix->frozen; s; s = s->next)
        pairs_prefetch(&s->entries, hash);
    for (const struct order_run *run = ix->runs; run; run = run->link) {
        if (run->filter)
            bloom_prefetch(run->filter, hash);
    }
}

static struct segment *frozen_waiting(const struct order_index *ix)
{
    struct segment *s = ix->frozen;
    while (s && s->handed_out)
        s = s->next;
    return s;
}

const struct order_segment *order_index_frozen(const struct order_index *ix)
{
    struct segment *s = frozen_waiting(ix);
    return s ? &s->base : NULL;
}

struct order_segment *order_index_next_segment(struct order_index *ix)
{
    struct segment *s = frozen_waiting(ix);
    if (!s)
        return NULL;
    s->handed_out = true;
    return &s->base;
}

static void runs_drop_within(struct order_index *ix, int64_t seq_min, int64_t seq_max)
{
    for (struct order_run **at = &ix->runs; *at;) {
        struct order_run *run = *at;
        if (run->seq_min >= seq_min && run->seq_max <= seq_max) {
            *at = run->link;
            order_run_free(run);
        } else {
            at = &run->link;
        }
    }
}

void order_index_load_run(struct order_index *ix, struct order_run *run)
{
    runs_drop_within(ix, run->seq_min, run->seq_max);
    run->link = ix->runs;
    ix->runs = run;
}

void order_index_install(struct order_index *ix, struct order_segment *s, struct order_run *run)
{
    if (run)
        order_index_load_run(ix, run);
    if (!s)
        return;
    struct segment **at = &ix->frozen;
    while (*at && &(*at)->base != s)
        at = &(*at)->next;
    assert(*at);
    struct segment *stored = *at;
    if (!run) { /* not stored: it is offered again */
        stored->handed_out = false;
        return;
    }
    *at = stored->next;
    if (ix->spare || ix->loading)
        segment_free(stored);
    else
        ix->spare = stored;
}

void order_index_set_loading(struct order_index *ix, bool loading)
{
    ix->loading = loading;
}

bool order_index_covers(const struct order_index *ix, int64_t seq)
{
    for (const struct order_run *run = ix->runs; run; run = run->link) {
        if (seq >= run->seq_min && seq <= run->seq_max)
            return true;
    }
    return false;
}

void order_index_forget(struct order_index *ix, int64_t seq_before)
{
    for (struct order_run **at = &ix->runs; *at;) {
        struct order_run *run = *at;
        if (run->seq_max < seq_before) {
            *at = run->link;
            order_run_free(run);
        } else {
            at = &run->link;
        }
    }
}

size_t order_index_count(const struct order_index *ix)
{
    size_t count = ix->active->base.count;
    for (const struct segment *s = ix->frozen; s; s = s->next)
        count += s->base.count;
    return count;
}

static size_t segment_bytes(const struct segment *s)
{
    return sizeof *s + s->entries.bytes;
}

size_t order_index_bytes(const struct order_index *ix)
{
    size_t bytes =
        sizeof *ix + segment_bytes(ix->active) + (ix->spare ? segment_bytes(ix->spare) : 0);
    for (const struct segment *s = ix->frozen; s; s = s->next)
        bytes += segment_bytes(s);
    for (const struct order_run *run = ix->runs; run; run = run->link)
        bytes += sizeof *run + (run->filter ? bloom_bytes(run->filter) : 0);
    return bytes;
}

size_t order_index_runs(const struct order_index *ix)
{
    size_t count = 0;
    for (const struct order_run *run = ix->runs; run; run = run->link)
        count++;
    return count;
}
