/* ticket.c - see ticket.h. Whatever is not exactly what was written here is no ticket. */
#include "waiting/ticket.h"

#include <string.h>

enum {
    VERSION = 1,
    MAC_BYTES = 16,
    HEAD_BYTES = 1 + 4 + 8,
    BODY_MAX = HEAD_BYTES + SALE_ID_MAX,
};

_Static_assert(((BODY_MAX + MAC_BYTES) * 4 + 2) / 3 <= TICKET_TEXT_MAX, "a ticket has room");

static uint8_t *put(uint8_t *p, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *p++ = (uint8_t)(value >> 8 * i);
    return p;
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

void ticket_write(const struct ticket *t, const uint8_t key[SHA256_BYTES],
                  char text[TICKET_TEXT_MAX + 1])
{
    uint8_t bytes[BODY_MAX + MAC_BYTES], mac[SHA256_BYTES];
    uint8_t *p = put(bytes, VERSION, 1);
    p = put(p, t->number, 4);
    p = put(p, t->user, 8);
    memcpy(p, t->sale_id, t->sale_id_len);
    p += t->sale_id_len;
    hmac_sha256(key, SHA256_BYTES, bytes, (size_t)(p - bytes), mac);
    memcpy(p, mac, MAC_BYTES);
    base64url_encode(bytes, (size_t)(p - bytes) + MAC_BYTES, text);
}

int ticket_parse(struct str text, const uint8_t key[SHA256_BYTES], struct ticket *out)
{
    uint8_t bytes[BODY_MAX + MAC_BYTES], mac[SHA256_BYTES];
    long size = base64url_decode(text, bytes, sizeof bytes);
    if (size <= HEAD_BYTES + MAC_BYTES || bytes[0] != VERSION)
        return TLY_ENOT_FOUND;
    size_t body = (size_t)size - MAC_BYTES;
    hmac_sha256(key, SHA256_BYTES, bytes, body, mac);
    if (!bytes_equal_secretly(mac, bytes + body, MAC_BYTES))
        return TLY_ENOT_FOUND;
    *out = (struct ticket){.number = (uint32_t)get(bytes + 1, 4),
                           .user = get(bytes + 5, 8),
                           .sale_id_len = (uint8_t)(body - HEAD_BYTES)};
    memcpy(out->sale_id, bytes + HEAD_BYTES, out->sale_id_len);
    return 0;
}
