/* sha256.h - SHA-256 (FIPS 180-4), HMAC with it (RFC 2104), and base64url (RFC 4648, 5) of what
 * they make. */
#ifndef TALLY_BASE_SHA256_H
#define TALLY_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { SHA256_BYTES = 32 };

void sha256(const void *data, size_t size, uint8_t out[SHA256_BYTES]);
void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t out[SHA256_BYTES]);
/* Takes as long whatever differs. */
bool bytes_equal_secretly(const void *a, const void *b, size_t size);

/* Characters without padding, and a zero; returns how many. Room for base64url_size(size). */
static inline size_t base64url_size(size_t size)
{
    return (size * 4 + 2) / 3 + 1;
}
size_t base64url_encode(const void *data, size_t size, char *out);
/* Bytes; -1: it is not what encode makes, or longer than `max`. */
long base64url_decode(struct str text, void *out, size_t max);

#endif
