/* Tickets, which clients bring. The first byte says how the rest is taken. Whatever is a ticket is
 * written again as just that text; what was signed here is read as it was written; and a text that
 * differs from a ticket in one character is none.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "waiting/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NUMBER_AND_USER = 12, MAC_BYTES = 16, SIGNED_MAX = 200 };

static const uint8_t key[SHA256_BYTES] = "a key that is no secret, 32 byte";

static void check_round_trip(struct str text, const struct ticket *t)
{
    char again[TICKET_TEXT_MAX + 1];
    assert(t->sale_id_len >= 1 && t->sale_id_len <= SALE_ID_MAX);
    ticket_write(t, key, again);
    assert(str_equal(text, str_of(again)));
}

static void read_text(const uint8_t *data, size_t size)
{
    struct ticket t;
    struct str text = {(const char *)data, (uint32_t)size};
    if (ticket_parse(text, key, &t) == 0)
        check_round_trip(text, &t);
}

/* Any bytes, as if they had been signed here. */
static void read_signed(const uint8_t *data, size_t size)
{
    uint8_t bytes[SIGNED_MAX + MAC_BYTES], mac[SHA256_BYTES];
    char text[(SIGNED_MAX + MAC_BYTES) * 2];
    if (size > SIGNED_MAX)
        return;
    memcpy(bytes, data, size);
    hmac_sha256(key, SHA256_BYTES, bytes, size, mac);
    memcpy(bytes + size, mac, MAC_BYTES);
    base64url_encode(bytes, size + MAC_BYTES, text);
    read_text((const uint8_t *)text, strlen(text));
}

/* The last two bytes say what is changed of it. */
static void write_and_spoil(const uint8_t *data, size_t size)
{
    struct ticket t = {0}, back;
    char text[TICKET_TEXT_MAX + 1];
    if (size < NUMBER_AND_USER + 3 || size > NUMBER_AND_USER + 2 + SALE_ID_MAX)
        return;
    memcpy(&t.number, data, sizeof t.number);
    memcpy(&t.user, data + sizeof t.number, sizeof t.user);
    t.sale_id_len = (uint8_t)(size - NUMBER_AND_USER - 2);
    memcpy(t.sale_id, data + NUMBER_AND_USER, t.sale_id_len);
    ticket_write(&t, key, text);
    assert(ticket_parse(str_of(text), key, &back) == 0);
    assert(back.number == t.number && back.user == t.user &&
           str_equal(ticket_sale(&back), ticket_sale(&t)));
    char *at = &text[data[size - 2] % strlen(text)];
    if (*at == (char)data[size - 1])
        return;
    struct str spoiled = {text, (uint32_t)strlen(text)};
    *at = (char)data[size - 1];
    assert(ticket_parse(spoiled, key, &back) == TLY_ENOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    switch (data[0] % 3) {
    case 0:
        read_text(data + 1, size - 1);
        break;
    case 1:
        read_signed(data + 1, size - 1);
        break;
    default:
        write_and_spoil(data + 1, size - 1);
        break;
    }
    return 0;
}
