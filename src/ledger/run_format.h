/* run_format.h - the bytes of a run (see run_file.h), shared by its reader and its writer. */
#ifndef TALLY_LEDGER_RUN_FORMAT_H
#define TALLY_LEDGER_RUN_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "ledger/run_file.h"

#define RUN_MAGIC "TALLYRUN"

enum {
    RUN_VERSION = 1,
    RUN_NAME_SIZE = 48, /* two numbers of 19 digits, '-', ".run", zero */
    RUN_HASH_PIECE = 1 << 30,
};
#define RUN_ENTRIES_MAX (UINT64_C(1) << 30)

struct run_header {
    char magic[8];
    uint64_t version;
    uint64_t seed_check; /* tells another data folder's run */
    uint64_t count;
    int64_t after;
    int64_t seq_min;
    int64_t seq_max;
    uint64_t block_count;
    uint64_t filter_blocks;
    uint64_t fences_checksum;
    uint64_t filter_checksum;
    uint64_t checksum; /* of all before it */
};

static inline uint64_t run_checksum(const void *data, size_t size)
{
    const char *p = data;
    uint64_t sum = 0;
    do {
        uint32_t piece = size > RUN_HASH_PIECE ? (uint32_t)RUN_HASH_PIECE : (uint32_t)size;
        sum = hash64((struct str){p, piece}, sum);
        p += piece;
        size -= piece;
    } while (size > 0);
    return sum;
}

static inline uint64_t run_seed_check(uint64_t seed)
{
    return hash64(STR("order run"), seed);
}

static inline uint64_t run_blocks_for(uint64_t count)
{
    return (count + RUN_BLOCK_ENTRIES - 1) / RUN_BLOCK_ENTRIES;
}

static inline uint64_t run_bytes(uint64_t blocks, uint64_t filter_blocks)
{
    return RUN_BLOCK_BYTES * (1 + blocks) + 8 * blocks + BLOOM_BLOCK_BYTES * filter_blocks;
}

void run_file_name(char out[RUN_NAME_SIZE], int64_t seq_min, int64_t seq_max);
struct run_file *run_file_new(int fd); /* owns fd; NULL when memory is short */

#endif
