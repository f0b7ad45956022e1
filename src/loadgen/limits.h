/* limits.h - what the system must allow for a number of connections, found out before the run. */
#ifndef TALLY_LOADGEN_LIMITS_H
#define TALLY_LOADGEN_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

enum { FILES_BESIDE_CONNECTIONS = 64 };

/* Raises this process's limit of open files as far as it may, then checks files, local ports and,
 * with a server on loopback, how many source addresses it takes. TLY_ELIMIT_EXCEEDED says which
 * limit, its value, what is needed, and the command that sets it. *sources: 0 or 1: the system
 * chooses; more: spread over 127.0.0.1 and the following. */
int limits_prepare(uint32_t connections, const struct sockaddr_storage *server, uint32_t *sources,
                   struct error *e) MUST_CHECK;
/* The same from the numbers alone, for tests. */
struct limits {
    uint64_t files; /* RLIMIT_NOFILE, hard */
    uint32_t port_low, port_high;
};
int limits_check(const struct limits *l, uint32_t connections, bool loopback, uint32_t *sources,
                 struct error *e) MUST_CHECK;

#endif
