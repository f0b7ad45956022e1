/* ticket.h - a ticket's text: base64url of version, number, user, sale_id, and the first 16 bytes
 * of their HMAC-SHA-256 under the data folder's key. Pure. */
#ifndef TALLY_WAITING_TICKET_H
#define TALLY_WAITING_TICKET_H

#include "base/sha256.h"
#include "waiting/waiting.h"

void ticket_write(const struct ticket *t, const uint8_t key[SHA256_BYTES],
                  char text[TICKET_TEXT_MAX + 1]);
/* 0 or TLY_ENOT_FOUND. */
int ticket_parse(struct str text, const uint8_t key[SHA256_BYTES], struct ticket *out) MUST_CHECK;

#endif
