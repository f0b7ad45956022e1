/* pairs.h - a hash table of (key, value) that grows without a long pause.
 *
 * Up to 1,024 shards, chosen by the key's upper bits; each is a table with linear probing that
 * grows by half when it is four fifths full. Shards grow one at a time, so the whole is never there
 * twice, a pair costs 20 to 30 bytes at every moment, and the longest pause is one shard's copy.
 * Keys are hashes already; a key may be there more than once. A value is never 0.
 */
#ifndef TALLY_ENGINE_PAIRS_H
#define TALLY_ENGINE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair {
    uint64_t key;
    uint64_t value; /* 0: empty */
};

struct pair_shard {
    struct pair *pairs;
    uint32_t room;
    uint32_t count;
    uint32_t round; /* of the table when the shard was last cleared */
};

struct pairs {
    struct pair_shard *shards;
    uint32_t shard_count;
    uint32_t round;
    size_t bytes;
};

/* As many shards as suit that many pairs. TLY_ENO_MEMORY. */
int pairs_init(struct pairs *t, size_t count_goal) __attribute__((warn_unused_result));
void pairs_close(struct pairs *t);
/* Forgets all pairs and keeps the memory; each shard is cleared when it is next written to. */
void pairs_clear(struct pairs *t);

/* The next pair of that key can be put; so can one that was removed since there was room for it. */
bool pairs_make_room(struct pairs *t, uint64_t key)
    __attribute__((warn_unused_result)); /* false: no memory */
bool pairs_put(struct pairs *t, uint64_t key, uint64_t value)
    __attribute__((warn_unused_result)); /* false: no memory */
bool pairs_remove(struct pairs *t, uint64_t key, uint64_t value);
/* The values of a key, one after another: start with *probe = 0. Returns 0 when there
 * are no more. */
uint64_t pairs_find(const struct pairs *t, uint64_t key, uint32_t *probe);
/* All pairs, unsorted; returns how many. */
size_t pairs_copy(const struct pairs *t, struct pair *out);

static inline uint32_t pairs_slot(uint64_t key, uint32_t room)
{
    /* Multiply-shift: any number of slots, no division. */
    return (uint32_t)(((key & UINT32_MAX) * room) >> 32);
}

static inline struct pair_shard *pairs_shard(const struct pairs *t, uint64_t key)
{
    return &t->shards[(uint32_t)(key >> 54) & (t->shard_count - 1)];
}

static inline void pairs_prefetch(const struct pairs *t, uint64_t key)
{
    const struct pair_shard *shard = pairs_shard(t, key);
    if (shard->room)
        __builtin_prefetch(&shard->pairs[pairs_slot(key, shard->room)], 1);
}

#endif
