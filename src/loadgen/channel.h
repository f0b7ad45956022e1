/* channel.h - one of a worker's connections: a socket with its session, and what is left to send.
 *
 * A channel outlives its sockets: when one is lost, another is opened in its place. Nothing here
 * waits, and nothing here knows the other channels. One thread.
 */
#ifndef TALLY_LOADGEN_CHANNEL_H
#define TALLY_LOADGEN_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loadgen/call_slots.h"
#include "loadgen/protocol.h"

enum channel_state {
    CHANNEL_DOWN,
    CHANNEL_OPENING,
    CHANNEL_UP,
    CHANNEL_ENDING, /* its socket cannot be written any more; what has arrived is being read */
};

struct channel {
    struct protocol_session *session; /* while the socket is connected */
    uint8_t *leftover;                /* what the socket had no space for; usually NULL */
    uint32_t leftover_size, leftover_sent;
    int fd;
    uint32_t room;  /* how many more calls go on it; 0 unless UP and without a leftover */
    uint32_t calls; /* on their way, abandoned ones included */
    uint32_t next;  /* in the list of those that are to be opened, or that pause before it */
    struct call_slot *waiting_first, *waiting_last; /* calls that may go nowhere else */
    uint64_t heard_ns;                              /* when it was opened, or last heard of */
    uint64_t resets;                                /* of its session, as far as counted */
    uint16_t pause_ms;                              /* the last one; 0: none was needed */
    uint8_t state;                                  /* enum channel_state */
    bool in_ring, in_flush;
};

/* A buffer for all channels of a worker. */
struct channel_buffer {
    uint8_t *bytes;
    size_t size;
};

/* Begins to connect; `source` is 0 or an IPv4 address (host order) to come from. 0, or an errno;
 * then there is no socket. Whether it worked, channel_connected() tells when the socket can be
 * written. */
int channel_connect(struct channel *c, const struct sockaddr_storage *address, socklen_t size,
                    uint32_t source);
/* 0, or the errno it failed with. */
int channel_connected(struct channel *c);
/* Sends the leftover, then what the session has. 0, also if the socket is full; else an errno
 * (EPROTO: the session is broken). Adds to *sent. */
int channel_send(struct channel *c, const struct protocol *p, struct channel_buffer out,
                 uint64_t *sent);
/* Closes session and socket, without a word to the calls. */
void channel_close(struct channel *c, const struct protocol *p);

#endif
