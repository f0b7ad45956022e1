/* webhook_sign.h - signatures as Standard Webhooks has them: "v1," and the base64 of an
 * HMAC-SHA-256 over id, time and body. */
#ifndef TALLY_BUS_WEBHOOK_SIGN_H
#define TALLY_BUS_WEBHOOK_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
    WEBHOOK_KEYS_MAX = 4,
    WEBHOOK_KEY_SHORT = 24, /* bytes: with fewer a key may be guessed */
    WEBHOOK_KEY_MAX = 96,
    WEBHOOK_SIGNATURE_MAX = 48,
    WEBHOOK_SIGNATURES_MAX = WEBHOOK_KEYS_MAX * WEBHOOK_SIGNATURE_MAX,
};

struct webhook_keys {
    struct {
        unsigned char bytes[WEBHOOK_KEY_MAX + 2];
        int size;
    } at[WEBHOOK_KEYS_MAX];
    int count;
};

int webhook_keys_parse(struct webhook_keys *k, const char *secrets, struct error *e) MUST_CHECK;
/* One signature for each key, separated by spaces. 0 or TLY_ENO_MEMORY. */
int webhook_sign(const struct webhook_keys *k, const char *id, int64_t unix_s, struct str body,
                 char out[WEBHOOK_SIGNATURES_MAX]) MUST_CHECK;

#endif
