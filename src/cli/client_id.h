/* client_id.h - idempotency keys made on this side, so that a call whose answer was lost can be
 * asked about or repeated. */
#ifndef TALLY_CLI_CLIENT_ID_H
#define TALLY_CLI_CLIENT_ID_H

#include "base/error.h"

enum { CLIENT_ID_SIZE = 37 };

/* A UUIDv7 in text. TLY_EIO, after telling the user, if the system has no random bits. */
int client_id_make(char out[CLIENT_ID_SIZE]) MUST_CHECK;

#endif
