/* transport.h - the seam between a socket's bytes and a session's: plain here; TLS is another set
 * of the same functions.
 *
 * input() gets what was read and hands the client's bytes to connection_input(); it may close the
 * connection. output() asks connection_output() for bytes and gives those for the socket; less
 * than half of `size` means that there are no more now.
 */
#ifndef TALLY_NET_TRANSPORT_H
#define TALLY_NET_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

struct connection;

struct transport_ops {
    void (*input)(struct connection *c, const uint8_t *data, size_t size);
    size_t (*output)(struct connection *c, uint8_t *out, size_t size);
};

extern const struct transport_ops plain_transport;

#endif
