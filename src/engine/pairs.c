/* pairs.c - see pairs.h. A shard that cannot grow refuses the pair; nothing changes then. */
#include "engine/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { SHARDS_MAX = 1024, SHARD_PAIRS_MIN = 16, SHARD_PAIRS_GOAL = 1024 };

int pairs_init(struct pairs *t, size_t count_goal)
{
    uint32_t count = 1;
    while (count < SHARDS_MAX && count * (size_t)SHARD_PAIRS_GOAL < count_goal)
        count *= 2;
    *t = (struct pairs){.shard_count = count, .bytes = count * sizeof(struct pair_shard)};
    t->shards = calloc(count, sizeof *t->shards);
    return t->shards ? 0 : TLY_ENO_MEMORY;
}

void pairs_close(struct pairs *t)
{
    for (uint32_t i = 0; t->shards && i < t->shard_count; i++)
        free(t->shards[i].pairs);
    free(t->shards);
    t->shards = NULL;
}

void pairs_clear(struct pairs *t)
{
    t->round++;
}

static inline uint32_t next(uint32_t i, uint32_t room)
{
    return i + 1 == room ? 0 : i + 1;
}

static void put(struct pair *pairs, uint32_t room, struct pair pair)
{
    uint32_t i = pairs_slot(pair.key, room);
    while (pairs[i].value)
        i = next(i, room);
    pairs[i] = pair;
}

static bool grow(struct pairs *t, struct pair_shard *shard)
{
    uint32_t room = shard->room ? shard->room + shard->room / 2 : SHARD_PAIRS_MIN;
    struct pair *pairs = calloc(room, sizeof *pairs);
    if (!pairs)
        return false;
    for (uint32_t i = 0; i < shard->room; i++) {
        if (shard->pairs[i].value)
            put(pairs, room, shard->pairs[i]);
    }
    free(shard->pairs);
    t->bytes += (size_t)(room - shard->room) * sizeof *pairs;
    shard->pairs = pairs;
    shard->room = room;
    return true;
}

static void freshen(const struct pairs *t, struct pair_shard *shard)
{
    shard->round = t->round;
    shard->count = 0;
    if (shard->room)
        memset(shard->pairs, 0, shard->room * sizeof shard->pairs[0]);
}

bool pairs_make_room(struct pairs *t, uint64_t key)
{
    struct pair_shard *shard = pairs_shard(t, key);
    if (shard->round != t->round)
        freshen(t, shard);
    return (uint64_t)(shard->count + 1) * 5 <= (uint64_t)shard->room * 4 || grow(t, shard);
}

bool pairs_put(struct pairs *t, uint64_t key, uint64_t value)
{
    struct pair_shard *shard = pairs_shard(t, key);
    if (!pairs_make_room(t, key))
        return false;
    put(shard->pairs, shard->room, (struct pair){key, value});
    shard->count++;
    return true;
}

/* Closes the gap at i: pairs behind it move up where that brings them no further than home. */
static void close_gap(struct pair_shard *shard, uint32_t i)
{
    struct pair *pairs = shard->pairs;
    uint32_t room = shard->room;
    for (uint32_t j = next(i, room); pairs[j].value; j = next(j, room)) {
        uint32_t home = pairs_slot(pairs[j].key, room);
        bool stays = i < j ? home > i && home <= j : home > i || home <= j;
        if (stays)
            continue;
        pairs[i] = pairs[j];
        i = j;
    }
    pairs[i] = (struct pair){0};
}

bool pairs_remove(struct pairs *t, uint64_t key, uint64_t value)
{
    struct pair_shard *shard = pairs_shard(t, key);
    if (shard->round != t->round || shard->count == 0)
        return false;
    uint32_t i = pairs_slot(key, shard->room);
    for (; shard->pairs[i].value; i = next(i, shard->room)) {
        if (shard->pairs[i].value == value && shard->pairs[i].key == key) {
            close_gap(shard, i);
            shard->count--;
            return true;
        }
    }
    return false;
}

uint64_t pairs_find(const struct pairs *t, uint64_t key, uint32_t *probe)
{
    const struct pair_shard *shard = pairs_shard(t, key);
    if (shard->round != t->round || shard->count == 0)
        return 0;
    uint32_t room = shard->room;
    uint32_t i = pairs_slot(key, room) + *probe;
    if (i >= room)
        i -= room;
    for (; shard->pairs[i].value; i = next(i, room)) {
        ++*probe;
        if (shard->pairs[i].key == key)
            return shard->pairs[i].value;
    }
    return 0;
}

size_t pairs_copy(const struct pairs *t, struct pair *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < t->shard_count; i++) {
        const struct pair_shard *shard = &t->shards[i];
        if (shard->round != t->round)
            continue;
        for (uint32_t j = 0; j < shard->room; j++) {
            if (shard->pairs[j].value)
                out[count++] = shard->pairs[j];
        }
    }
    return count;
}
