/* address.h - how a server is named: HOST:PORT, [ADDRESS]:PORT, http://HOST:PORT. */
#ifndef TALLY_CLIENT_ADDRESS_H
#define TALLY_CLIENT_ADDRESS_H

#include "base/error.h"

enum { ADDRESS_HOST_SIZE = 256, ADDRESS_PORT_SIZE = 8 };

/* "http://[::1]:7070/" into "::1" and "7070". TLY_EINVALID_ARGUMENT; nothing is resolved. */
int address_split(const char *server, char host[ADDRESS_HOST_SIZE], char port[ADDRESS_PORT_SIZE],
                  struct error *e) MUST_CHECK;

#endif
