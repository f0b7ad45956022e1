/* hash.h - keyed 64-bit hashing (XXH3). The seed is random per data folder, so that nobody outside
 * can choose keys that collide. */
#ifndef TALLY_BASE_HASH_H
#define TALLY_BASE_HASH_H

#include <stdint.h>

#include "base/str.h"

uint64_t hash64(struct str text, uint64_t seed);
/* Random bits from the system: 0, or TLY_EIO. */
int random_bytes(void *out, size_t size);
/* The 32 lower-case hex digits of MD5 (RFC 1321) and a zero. For lot keys only, never
 * for secrecy. */
void md5_hex(const void *data, size_t len, char out[33]);
/* UUIDv7 (RFC 9562) in text, 36 characters and a zero. `state` is the caller's own generator. */
struct uuid_state {
    uint64_t s[2]; /* xoroshiro128+ state, seeded by random_bytes */
    uint64_t last_ms;
    uint32_t counter;
};
int uuid_init(struct uuid_state *u);
void uuid_v7(struct uuid_state *u, int64_t unix_ms, char out[37]);

#endif
