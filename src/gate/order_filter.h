/* order_filter.h - which order_ids the engine may have seen: a Bloom filter that many threads mark
 * and look at without a lock.
 *
 * A key is six bits of one 64-bit word, so marking is one atomic OR and says exactly who came
 * first. Nothing is ever removed: a filter that fills up answers "maybe" more and more often (about
 * 1 % at 12 bits an order_id, 9 % at 6), never "no" wrongly.
 */
#ifndef TALLY_GATE_ORDER_FILTER_H
#define TALLY_GATE_ORDER_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct order_filter {
    _Atomic(uint64_t) *words;
    uint64_t word_mask; /* number of words - 1 */
};

/* `bytes` is a power of two, at least 8. Memory is touched as the filter fills. 0,
 * TLY_EINVALID_ARGUMENT or TLY_ENO_MEMORY. */
int order_filter_init(struct order_filter *f, size_t bytes, struct error *e) MUST_CHECK;
void order_filter_close(struct order_filter *f);

static inline _Atomic(uint64_t) *order_filter_word(const struct order_filter *f, uint64_t hash)
{
    return &f->words[hash >> 36 & f->word_mask];
}

/* Six bits chosen by the lower 36 bits of the hash; those above choose the word. */
static inline uint64_t order_filter_bits(uint64_t hash)
{
    uint64_t bits = 0;
    for (int i = 0; i < 6; i++)
        bits |= UINT64_C(1) << (hash >> (6 * i) & 63);
    return bits;
}

static inline void order_filter_prefetch(const struct order_filter *f, uint64_t hash)
{
    __builtin_prefetch((const void *)order_filter_word(f, hash), 1);
}

/* True if it may have been marked before. Orders nothing by itself: see README.md. */
static inline bool order_filter_maybe(const struct order_filter *f, uint64_t hash)
{
    uint64_t bits = order_filter_bits(hash);
    return (atomic_load_explicit(order_filter_word(f, hash), memory_order_relaxed) & bits) == bits;
}

/* Marks, and says whether it may have been marked before. Of callers that mark the same hash at
 * once, one at most is told false. */
static inline bool order_filter_mark(struct order_filter *f, uint64_t hash)
{
    uint64_t bits = order_filter_bits(hash);
    if (order_filter_maybe(f, hash))
        return true;
    uint64_t before =
        atomic_fetch_or_explicit(order_filter_word(f, hash), bits, memory_order_relaxed);
    return (before & bits) == bits;
}

#endif
