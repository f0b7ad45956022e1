/* bloom.h - split-block Bloom filter (Putze, Sanders, Singler 2007; the layout of Apache Parquet):
 * one 32-byte block a key, eight bits set, so a look-up is one cache line.
 *
 * About 0.4 % false positives at 12 bits a key, 0.1 % at 16. Never a false negative.
 */
#ifndef TALLY_BASE_BLOOM_H
#define TALLY_BASE_BLOOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOOM_BLOCK_BYTES = 32 };

struct bloom {
    uint64_t block_count;
    _Alignas(32) uint32_t words[]; /* 8 a block */
};

/* Room for `keys` at `bits_per_key`; all zero. NULL when memory is short. Free with free(). */
struct bloom *bloom_create(uint64_t keys, unsigned bits_per_key);
size_t bloom_bytes(const struct bloom *b);
void bloom_add(struct bloom *b, uint64_t hash);
bool bloom_maybe(const struct bloom *b, uint64_t hash);
void bloom_prefetch(const struct bloom *b, uint64_t hash);

#endif
