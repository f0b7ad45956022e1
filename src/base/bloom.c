/* Split-block Bloom filter.
 *
 * Happy path: the upper half of the hash picks a block of eight 32-bit words, the lower half, times
 * eight odd constants, one bit in each word. The constants are those of the Parquet specification
 * (https://github.com/apache/parquet-format/blob/master/BloomFilter.md).
 * Failure modes: bloom_create returns NULL when memory is short or the size overflows.
 */
#include "base/bloom.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_WORDS = BLOOM_BLOCK_BYTES / 4, BLOCK_BITS = BLOOM_BLOCK_BYTES * 8 };

static const uint32_t salts[BLOCK_WORDS] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                            0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};

struct bloom *bloom_create(uint64_t keys, unsigned bits_per_key)
{
    assert(bits_per_key > 0);
    if (keys > (UINT64_MAX / 2 - BLOCK_BITS) / bits_per_key)
        return NULL;
    uint64_t blocks = (keys * bits_per_key + BLOCK_BITS - 1) / BLOCK_BITS;
    if (blocks == 0)
        blocks = 1;
    size_t bytes = sizeof(struct bloom) + blocks * BLOOM_BLOCK_BYTES;
    struct bloom *b = aligned_alloc(BLOOM_BLOCK_BYTES, bytes);
    if (!b)
        return NULL;
    memset(b, 0, bytes);
    b->block_count = blocks;
    return b;
}

size_t bloom_bytes(const struct bloom *b)
{
    return sizeof *b + b->block_count * BLOOM_BLOCK_BYTES;
}

static size_t first_word(const struct bloom *b, uint64_t hash)
{
    /* The high half of the 128-bit product: a fair choice without a division. The lower half of
     * the hash hardly weighs in it, so block and bits are independent. */
    return (size_t)(((unsigned __int128)hash * b->block_count) >> 64) * BLOCK_WORDS;
}

static uint32_t bit_of(uint64_t hash, size_t word)
{
    return UINT32_C(1) << (((uint32_t)hash * salts[word]) >> 27);
}

void bloom_add(struct bloom *b, uint64_t hash)
{
    uint32_t *block = b->words + first_word(b, hash);
    for (size_t i = 0; i < BLOCK_WORDS; i++)
        block[i] |= bit_of(hash, i);
}

bool bloom_maybe(const struct bloom *b, uint64_t hash)
{
    const uint32_t *block = b->words + first_word(b, hash);
    uint32_t missing = 0;
    for (size_t i = 0; i < BLOCK_WORDS; i++)
        missing |= ~block[i] & bit_of(hash, i);
    return missing == 0;
}

void bloom_prefetch(const struct bloom *b, uint64_t hash)
{
    __builtin_prefetch(b->words + first_word(b, hash));
}
