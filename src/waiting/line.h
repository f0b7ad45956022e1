/* line.h - who joined a sale's line, in order. Pure: no lock, no file.
 *
 * A user is a 64-bit hash; the n-th to join is number n, for ever. Numbers are found by user
 * through LINE_SHARDS small tables of numbers (open addressing, linear probing), each of which
 * grows by itself, so that no join waits for more than a small one. For a million users: 8 bytes
 * each for the hash, 5 to 11 for the table, 4 for the place once places are drawn.
 */
#ifndef TALLY_WAITING_LINE_H
#define TALLY_WAITING_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_SHARDS = 64, LINE_CHUNK = 8192, LINE_MAX = 1 << 24 };
#define LINE_NOBODY UINT32_MAX

struct line_shard {
    uint32_t *slots; /* number + 1; 0: free */
    uint32_t mask, used;
};

struct waiting_line {
    uint64_t **chunks; /* of LINE_CHUNK users; 0: not known who */
    uint32_t chunk_count, count;
    struct line_shard shards[LINE_SHARDS];
    uint32_t *places; /* by number, once they are drawn; or NULL */
    uint32_t drawn;   /* so many took part */
    size_t bytes;
};

void line_close(struct waiting_line *l);
/* The user's number, or LINE_NOBODY. `user` is not 0. */
uint32_t line_find(const struct waiting_line *l, uint64_t user);
/* As number `at`, which is count or more; those between are not known. 0, TLY_ENO_MEMORY or
 * TLY_EFULL; nothing has changed then. */
int line_add(struct waiting_line *l, uint64_t user, uint32_t at);
/* Draws the places of the first `count`: Fisher-Yates, driven by SplitMix64 from the seed. 0 or
 * TLY_ENO_MEMORY. */
int line_draw(struct waiting_line *l, uint32_t count, const uint8_t seed[32]);
/* From 0. */
uint32_t line_place(const struct waiting_line *l, uint32_t number);

#endif
