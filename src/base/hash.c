/* Hashing, random bits and UUIDs.
 *
 * Failure modes: random_bytes (and so uuid_init) returns TLY_EIO when the system has no random
 * source; nothing else here can fail.
 */
#include "base/hash.h"

#include <errno.h>
#include <md5.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/error.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#define XXH_INLINE_ALL
#include <xxhash.h>
#pragma GCC diagnostic pop

static const char hex_digits[] = "0123456789abcdef";

uint64_t hash64(struct str text, uint64_t seed)
{
    return XXH3_64bits_withSeed(text.p ? text.p : "", text.len, seed);
}

int random_bytes(void *out, size_t size)
{
    char *p = out;
    while (size > 0) {
        ssize_t got = getrandom(p, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return TLY_EIO;
        p += got;
        size -= (size_t)got;
    }
    return 0;
}

void md5_hex(const void *data, size_t len, char out[33])
{
    unsigned char digest[MD5_DIGEST_LENGTH];
    MD5_CTX context;
    MD5Init(&context);
    MD5Update(&context, data, len);
    MD5Final(digest, &context);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = hex_digits[digest[i] >> 4];
        out[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    out[32] = 0;
}

int uuid_init(struct uuid_state *u)
{
    *u = (struct uuid_state){0};
    do {
        int rc = random_bytes(u->s, sizeof u->s);
        if (rc)
            return rc;
    } while (u->s[0] == 0 && u->s[1] == 0); /* the one state that the generator never leaves */
    return 0;
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* xoroshiro128+ (Blackman, Vigna 2018). */
static uint64_t next_random(struct uuid_state *u)
{
    uint64_t a = u->s[0], b = u->s[1];
    uint64_t result = a + b;
    b ^= a;
    u->s[0] = rotate_left(a, 24) ^ b ^ b << 16;
    u->s[1] = rotate_left(b, 37);
    return result;
}

enum { COUNTER_MAX = 0xfff, COUNTER_START_MAX = 0x7ff };

/* RFC 9562 section 6.2, method 1: 12 bits of counter, started at random in its lower half for each
 * millisecond, so that ids of one generator grow strictly. Used up, it borrows the next one. */
static void count_on(struct uuid_state *u, uint64_t ms, uint64_t random)
{
    if (ms > u->last_ms) {
        u->last_ms = ms;
        u->counter = (uint32_t)(random & COUNTER_START_MAX);
    } else if (u->counter < COUNTER_MAX) {
        u->counter++;
    } else {
        u->last_ms++;
        u->counter = 0;
    }
}

/* Eight hexadecimal digits at once: each nibble is spread to a byte, and becomes its digit there.
 */
static void put_hex(uint32_t number, char out[8])
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t n = number;
    n = (n | n << 16) & 0x0000ffff0000ffffu;
    n = (n | n << 8) & 0x00ff00ff00ff00ffu;
    n = (n | n << 4) & 0x0f0f0f0f0f0f0f0fu;
    uint64_t letters = (n + ones * 6) >> 4 & ones;
    n = __builtin_bswap64(n + ones * '0' + letters * ('a' - '0' - 10));
    memcpy(out, &n, 8);
}

void uuid_v7(struct uuid_state *u, int64_t unix_ms, char out[37])
{
    count_on(u, unix_ms > 0 ? (uint64_t)unix_ms : 0, next_random(u) >> 32);
    uint64_t high = u->last_ms << 16 | UINT64_C(0x7000) | u->counter;
    uint64_t low = UINT64_C(1) << 63 | next_random(u) >> 2;
    char digits[32];
    put_hex((uint32_t)(high >> 32), digits);
    put_hex((uint32_t)high, digits + 8);
    put_hex((uint32_t)(low >> 32), digits + 16);
    put_hex((uint32_t)low, digits + 24);
    memcpy(out, digits, 8);
    memcpy(out + 9, digits + 8, 4);
    memcpy(out + 14, digits + 12, 4);
    memcpy(out + 19, digits + 16, 4);
    memcpy(out + 24, digits + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[36] = 0;
}
