/* sha256.c - SHA-256 comes from libmd; HMAC and base64url are short. */
#include "base/sha256.h"

#include <sha2.h>
#include <string.h>

enum { BLOCK_BYTES = 64 };

void sha256(const void *data, size_t size, uint8_t out[SHA256_BYTES])
{
    SHA2_CTX c;
    SHA256Init(&c);
    SHA256Update(&c, data, size);
    SHA256Final(out, &c);
}

static void half(const uint8_t key[BLOCK_BYTES], uint8_t pad, const void *data, size_t size,
                 uint8_t out[SHA256_BYTES])
{
    uint8_t padded[BLOCK_BYTES];
    SHA2_CTX c;
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        padded[i] = key[i] ^ pad;
    SHA256Init(&c);
    SHA256Update(&c, padded, sizeof padded);
    SHA256Update(&c, data, size);
    SHA256Final(out, &c);
}

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t out[SHA256_BYTES])
{
    uint8_t block[BLOCK_BYTES] = {0}, inner[SHA256_BYTES];
    if (key_size > BLOCK_BYTES)
        sha256(key, key_size, block);
    else
        memcpy(block, key, key_size);
    half(block, 0x36, data, size, inner);
    half(block, 0x5c, inner, sizeof inner, out);
}

bool bytes_equal_secretly(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;
    for (size_t i = 0; i < size; i++)
        differ = (uint8_t)(differ | (x[i] ^ y[i]));
    return differ == 0;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const void *data, size_t size, char *out)
{
    const uint8_t *p = data;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | p[i];
        for (held += 8; held >= 6; held -= 6)
            out[len++] = digits[bits >> (held - 6) & 63];
    }
    if (held)
        out[len++] = digits[bits << (6 - held) & 63];
    out[len] = 0;
    return len;
}

long base64url_decode(struct str text, void *out, size_t max)
{
    uint8_t *p = out;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t size = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        const char *at = text.p[i] ? strchr(digits, text.p[i]) : NULL;
        if (!at)
            return -1;
        bits = bits << 6 | (uint32_t)(at - digits);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (size == max)
            return -1;
        p[size++] = (uint8_t)(bits >> held);
    }
    bool whole = held < 6 && (bits & ((1u << held) - 1)) == 0;
    return whole ? (long)size : -1;
}
