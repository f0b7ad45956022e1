/* known_lots.c - the filter under a lock: it is asked only where a tier of the cache has missed.
 * Failure: no memory at the start; afterwards nothing here fails. */
#include "cache/known_lots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/bloom.h"
#include "base/hash.h"

/* 8 bits set in blocks of 256: 0.008 % false positives when it is full, measured by a test. */
enum { BITS_PER_LOT = 28 };

struct known_lots {
    pthread_mutex_t lock;
    struct bloom *filter;
    uint64_t hash_seed;
    lot_id upto;
    _Atomic bool complete;
    _Atomic bool claimed;
};

int known_lots_create(struct known_lots **out, uint32_t lots_max, uint64_t hash_seed,
                      struct error *e)
{
    struct known_lots *k = calloc(1, sizeof *k);
    if (k)
        k->filter = bloom_create(lots_max, BITS_PER_LOT);
    if (!k || !k->filter) {
        free(k);
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for the filter of lots");
    }
    pthread_mutex_init(&k->lock, NULL);
    k->hash_seed = hash_seed;
    *out = k;
    return 0;
}

void known_lots_destroy(struct known_lots *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    free(k->filter);
    free(k);
}

void known_lots_add(struct known_lots *k, struct str key)
{
    uint64_t hash = hash64(key, k->hash_seed);
    pthread_mutex_lock(&k->lock);
    bloom_add(k->filter, hash);
    pthread_mutex_unlock(&k->lock);
}

void known_lots_reached(struct known_lots *k, lot_id upto)
{
    pthread_mutex_lock(&k->lock);
    if (upto > k->upto)
        k->upto = upto;
    pthread_mutex_unlock(&k->lock);
}

lot_id known_lots_upto(struct known_lots *k)
{
    pthread_mutex_lock(&k->lock);
    lot_id upto = k->upto;
    pthread_mutex_unlock(&k->lock);
    return upto;
}

void known_lots_complete(struct known_lots *k)
{
    atomic_store_explicit(&k->complete, true, memory_order_release);
}

bool known_lots_are_complete(struct known_lots *k)
{
    return atomic_load_explicit(&k->complete, memory_order_acquire);
}

bool known_lots_claim(struct known_lots *k)
{
    return !atomic_exchange(&k->claimed, true);
}

void known_lots_unclaim(struct known_lots *k)
{
    atomic_store(&k->claimed, false);
}

bool known_lots_maybe(struct known_lots *k, struct str key)
{
    uint64_t hash = hash64(key, k->hash_seed);
    pthread_mutex_lock(&k->lock);
    bool maybe = bloom_maybe(k->filter, hash);
    pthread_mutex_unlock(&k->lock);
    return maybe;
}
