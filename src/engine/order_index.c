/* order_index.c - see order_index.h.
 *
 * A segment is up to 1,024 shards, chosen by the hash's upper bits; each is a table with linear
 * probing that grows by half when it is four fifths full. Shards grow one at a time, so a segment
 * never has more than one table twice, an entry costs 20 to 30 bytes at every moment, and the
 * longest pause is one shard's copy. The tables of a segment that was stored are used again by the
 * next one, each cleared when it is first touched: after one round nothing is allocated.
 *
 * Failure: memory short, or the store behind (a full segment while another waits): the entry is not
 * added.
 */
#include "engine/order_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS_MAX = 1024, SHARD_ENTRIES_MIN = 16, SHARD_ENTRIES_GOAL = 1024 };

struct shard {
    struct order_entry *entries;
    uint32_t room;
    uint32_t count;
    uint32_t round; /* of the segment when the table was last cleared */
};

struct segment {
    struct order_segment base;
    struct segment *next; /* frozen: younger */
    uint32_t round;
    bool handed_out;
    size_t bytes;
    uint32_t shard_count;
    struct shard shards[];
};

struct order_index {
    struct segment *active;
    struct segment *frozen; /* oldest first */
    struct segment *spare;  /* tables to use again */
    struct order_run *runs;
    size_t segment_entries_max;
    uint32_t shard_count;
    bool loading;
};

void order_run_free(struct order_run *run)
{
    if (!run)
        return;
    if (run->release) {
        run->release(run);
        return;
    }
    free(run->filter);
    free(run);
}

static void segment_free(struct segment *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->shard_count; i++)
        free(s->shards[i].entries);
    free(s);
}

static struct segment *segment_create(struct order_index *ix)
{
    struct segment *s = ix->spare;
    if (s) {
        ix->spare = NULL;
    } else {
        size_t bytes = sizeof *s + ix->shard_count * sizeof s->shards[0];
        s = calloc(1, bytes);
        if (!s)
            return NULL;
        s->shard_count = ix->shard_count;
        s->bytes = bytes;
    }
    s->base = (struct order_segment){.impl = s};
    s->next = NULL;
    s->handed_out = false;
    s->round++;
    return s;
}

int order_index_create(struct order_index **out, size_t memory_max, struct error *e)
{
    struct order_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the order index");
    ix->segment_entries_max = memory_max < 4 ? 2 : memory_max / 2;
    ix->shard_count = 1;
    while (ix->shard_count < SHARDS_MAX &&
           ix->shard_count * (size_t)SHARD_ENTRIES_GOAL < ix->segment_entries_max)
        ix->shard_count *= 2;
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

/* Which shard, and where in it: from different bits of the hash. Multiply-shift reaches any number
 * of slots without a division. */
static inline uint32_t shard_of(const struct segment *s, uint64_t hash)
{
    return (uint32_t)(hash >> 54) & (s->shard_count - 1);
}

static inline uint32_t slot_of(uint64_t hash, uint32_t room)
{
    return (uint32_t)(((hash & UINT32_MAX) * room) >> 32);
}

static void shard_put(struct order_entry *entries, uint32_t room, struct order_entry entry)
{
    uint32_t i = slot_of(entry.hash, room);
    while (entries[i].reservation_id)
        i = i + 1 == room ? 0 : i + 1;
    entries[i] = entry;
}

static bool shard_grow(struct segment *s, struct shard *shard)
{
    uint32_t room = shard->room ? shard->room + shard->room / 2 : SHARD_ENTRIES_MIN;
    struct order_entry *entries = calloc(room, sizeof *entries);
    if (!entries)
        return false;
    for (uint32_t i = 0; i < shard->room; i++) {
        if (shard->entries[i].reservation_id)
            shard_put(entries, room, shard->entries[i]);
    }
    free(shard->entries);
    s->bytes += (size_t)(room - shard->room) * sizeof *entries;
    shard->entries = entries;
    shard->room = room;
    return true;
}

static void shard_freshen(const struct segment *s, struct shard *shard)
{
    if (shard->round == s->round)
        return;
    shard->round = s->round;
    shard->count = 0;
    if (shard->room)
        memset(shard->entries, 0, shard->room * sizeof shard->entries[0]);
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
    struct shard *shard = &s->shards[shard_of(s, hash)];
    shard_freshen(s, shard);
    if ((uint64_t)(shard->count + 1) * 5 > (uint64_t)shard->room * 4 && !shard_grow(s, shard))
        return TLY_ENO_MEMORY;
    shard_put(shard->entries, shard->room, (struct order_entry){hash, reservation_id});
    shard->count++;
    if (s->base.count++ == 0)
        s->base.seq_min = reservation_id;
    s->base.seq_max = reservation_id;
    return 0;
}

/* Closes the gap at i: entries behind it that may move up do. */
static void shard_close_gap(struct shard *shard, uint32_t i)
{
    struct order_entry *entries = shard->entries;
    uint32_t room = shard->room;
    uint32_t j = i;
    for (;;) {
        j = j + 1 == room ? 0 : j + 1;
        if (!entries[j].reservation_id)
            break;
        uint32_t home = slot_of(entries[j].hash, room);
        bool stays = i < j ? home > i && home <= j : home > i || home <= j;
        if (stays)
            continue;
        entries[i] = entries[j];
        i = j;
    }
    entries[i] = (struct order_entry){0};
}

static bool segment_remove(struct segment *s, uint64_t hash, int64_t reservation_id)
{
    struct shard *shard = &s->shards[shard_of(s, hash)];
    if (shard->round != s->round || shard->count == 0)
        return false;
    uint32_t i = slot_of(hash, shard->room);
    for (; shard->entries[i].reservation_id; i = i + 1 == shard->room ? 0 : i + 1) {
        if (shard->entries[i].reservation_id != reservation_id || shard->entries[i].hash != hash)
            continue;
        shard_close_gap(shard, i);
        shard->count--;
        s->base.count--;
        return true;
    }
    return false;
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

/* The cursor is one more than the number of segments gone through, and the slots gone through. */
static int64_t segment_find(const struct segment *s, uint64_t hash, uint32_t *probe)
{
    const struct shard *shard = &s->shards[shard_of(s, hash)];
    if (shard->round != s->round || shard->count == 0)
        return 0;
    uint32_t room = shard->room;
    uint32_t i = slot_of(hash, room) + *probe;
    if (i >= room)
        i -= room;
    for (; shard->entries[i].reservation_id; i = i + 1 == room ? 0 : i + 1) {
        ++*probe;
        if (shard->entries[i].hash == hash)
            return shard->entries[i].reservation_id;
    }
    return 0;
}

int64_t order_index_find(const struct order_index *ix, uint64_t hash, size_t *cursor)
{
    uint32_t segment = (uint32_t)(*cursor >> 32);
    uint32_t probe = (uint32_t)*cursor;
    const struct segment *s = ix->active;
    for (uint32_t i = 0; s; i++) {
        if (i == segment) {
            int64_t found = segment_find(s, hash, &probe);
            *cursor = (size_t)segment << 32 | probe;
            if (found)
                return found;
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
    const struct shard *shard = &ix->active->shards[shard_of(ix->active, hash)];
    if (shard->room)
        __builtin_prefetch(&shard->entries[slot_of(hash, shard->room)], 1);
    for (const struct segment *s = ix->frozen; s; s = s->next) {
        shard = &s->shards[shard_of(s, hash)];
        if (shard->room)
            __builtin_prefetch(&shard->entries[slot_of(hash, shard->room)]);
    }
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

void order_segment_copy(const struct order_segment *segment, struct order_entry *out)
{
    const struct segment *s = segment->impl;
    for (uint32_t i = 0; i < s->shard_count; i++) {
        const struct shard *shard = &s->shards[i];
        if (shard->round != s->round)
            continue;
        for (uint32_t j = 0; j < shard->room; j++) {
            if (shard->entries[j].reservation_id)
                *out++ = shard->entries[j];
        }
    }
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

size_t order_index_bytes(const struct order_index *ix)
{
    size_t bytes = sizeof *ix + ix->active->bytes + (ix->spare ? ix->spare->bytes : 0);
    for (const struct segment *s = ix->frozen; s; s = s->next)
        bytes += s->bytes;
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
