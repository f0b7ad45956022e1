/* port.h - whether an address can be listened on. */
#ifndef TALLY_SERVER_PORT_H
#define TALLY_SERVER_PORT_H

#include <stdint.h>

#include "base/error.h"

/* The workers' listeners share their port (SO_REUSEPORT), and would as readily share it with those
 * of another server of the same user, each getting some of the connections. So the port is tried
 * without sharing first. TLY_EBUSY or TLY_EIO, naming the address. Port 0 is always free. */
int port_try(const char *host, uint16_t port, struct error *e) MUST_CHECK;

#endif
