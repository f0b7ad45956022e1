/* webhook_sign.c - see webhook_sign.h. HMAC and base64 are libcrypto's. Failure: a secret that is
 * none is named by its place; the secret itself is never shown. */
#include "bus/webhook_sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "whsec_";

static int wrong(int number, struct error *e)
{
    return error_set(e, TLY_EINVALID_ARGUMENT, "webhook_secret",
                     "webhook_secret: secret %d must be whsec_ and the base64 of 1 to %d bytes",
                     number, WEBHOOK_KEY_MAX);
}

/* EVP_DecodeBlock() counts the padding as bytes. */
static int parse_one(struct webhook_keys *k, struct str text, struct error *e)
{
    enum { HEAD = sizeof prefix - 1, BASE64_MAX = (WEBHOOK_KEY_MAX + 2) / 3 * 4 };
    int number = k->count + 1;
    if (k->count == WEBHOOK_KEYS_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "webhook_secret",
                         "webhook_secret: at most %d secrets at a time", WEBHOOK_KEYS_MAX);
    if (text.len <= HEAD || memcmp(text.p, prefix, HEAD) != 0)
        return wrong(number, e);
    const unsigned char *base64 = (const unsigned char *)text.p + HEAD;
    int length = (int)text.len - HEAD, padding = 0;
    while (padding < 2 && padding < length && base64[length - 1 - padding] == '=')
        padding++;
    if (length > BASE64_MAX)
        return wrong(number, e);
    int size = EVP_DecodeBlock(k->at[k->count].bytes, base64, length) - padding;
    if (size < 1 || size > WEBHOOK_KEY_MAX)
        return wrong(number, e);
    k->at[k->count++].size = size;
    return 0;
}

int webhook_keys_parse(struct webhook_keys *k, const char *secrets, struct error *e)
{
    static const char between[] = " ,\t\r\n";
    const char *at = secrets;
    int code = 0;
    memset(k, 0, sizeof *k);
    while (code == 0 && *(at += strspn(at, between))) {
        size_t length = strcspn(at, between);
        code = parse_one(k, (struct str){at, (uint32_t)length}, e);
        at += length;
    }
    return code == 0 && k->count == 0 ? wrong(1, e) : code;
}

int webhook_sign(const struct webhook_keys *k, const char *id, int64_t unix_s, struct str body,
                 char out[WEBHOOK_SIGNATURES_MAX])
{
    enum { HEAD_MAX = 64 };
    unsigned char digest[EVP_MAX_MD_SIZE], base64[EVP_MAX_MD_SIZE * 2];
    unsigned digest_size;
    char *signed_text = malloc(HEAD_MAX + body.len);
    if (!signed_text)
        return TLY_ENO_MEMORY;
    int head = snprintf(signed_text, HEAD_MAX, "%s.%lld.", id, (long long)unix_s);
    memcpy(signed_text + head, body.p, body.len);
    size_t length = 0;
    int code = 0;
    for (int i = 0; code == 0 && i < k->count; i++) {
        if (!HMAC(EVP_sha256(), k->at[i].bytes, k->at[i].size, (unsigned char *)signed_text,
                  (size_t)head + body.len, digest, &digest_size))
            code = TLY_ENO_MEMORY;
        EVP_EncodeBlock(base64, digest, (int)digest_size);
        length += (size_t)snprintf(out + length, WEBHOOK_SIGNATURES_MAX - length, "%sv1,%s",
                                   i ? " " : "", (char *)base64);
    }
    free(signed_text);
    return code;
}
