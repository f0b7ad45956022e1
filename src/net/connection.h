/* connection.h - one accepted socket, and what the files of net/ share.
 *
 * Happy path: bytes read -> transport -> session; the connection joins the dirty list; at the end
 * of the turn connection_flush() pulls what there is to send and writes it at once. What the
 * socket does not take is copied, and reading stops until it has left.
 * Failure: an error of the socket closes the connection, which tells its exchanges that the client
 * is gone. Memory goes back from libuv's close callback only. Beyond connections_max a few
 * connections are let in for health and metrics alone (`over`), and told 503 or GOAWAY otherwise.
 *
 * Memory: what the socket did not take, and what the session did not take, is charged to the
 * worker's budget; it cannot be refused, so it is bounded by what is read and pulled at once.
 *
 * Deadlines: each connection is in one of the lists, each list ordered by the time at which the
 * connection is to be looked at. Looking is lazy: a connection that turns out to be in time is put
 * back. So a request costs no list operation.
 */
#ifndef TALLY_NET_CONNECTION_H
#define TALLY_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "net/net.h"
#include "net/transport.h"
#include "wire/session.h"

enum {
    READ_BUFFER_BYTES = 128 * 1024,  /* one a worker */
    HTTP1_READ_BYTES = 16 * 1024,    /* at once: what is not taken of it is kept */
    WRITE_BUFFER_BYTES = 128 * 1024, /* one a worker */
    ACCEPTS_MAX = 64,                /* in one turn */
    RESUME_ROUNDS_MAX = 8,           /* in one turn */
    TIGHT_WRITE_BYTES = 16 * 1024,   /* at once, while memory is tight: what is not taken is kept */
    OVER_MAX = 16,    /* connections beyond the limit, for health and metrics alone */
    DIRTY_MAX = 8,    /* flushed while others are still to be read: clients go on meanwhile */
    REST_MS = 1000,   /* idle for so long: memory that is not needed goes back */
    LINGER_MS = 1000, /* for the client to see the last answer, and to close */
    LINGER_BYTES_MAX = 1024 * 1024, /* read and dropped meanwhile */
    SNIFF_BYTES = 24,
};

enum check_list {
    CHECK_REST,
    CHECK_IDLE,
    CHECK_AGE,
    CHECK_RECEIVE,
    CHECK_SEND,
    CHECK_DRAIN,
    CHECK_LINGER,
    CHECK_LISTS
};

/* Bytes that the socket did not take. */
struct unsent {
    uv_write_t request;
    size_t size;
    uint8_t data[];
};

/* Bytes that the session did not take. */
struct unfed {
    size_t size, taken;
    uint8_t data[];
};

struct connection {
    uv_tcp_t tcp; /* first: the handle is the connection */
    struct net *net;
    const struct transport_ops *transport;
    struct session *session;            /* NULL until the protocol is known */
    struct connection *next, *previous; /* in a check list */
    struct connection *dirty_next;
    struct unsent *unsent; /* with libuv */
    struct unfed *unfed;
    uint64_t check_ns;
    uint64_t born_ns;
    uint64_t active_ns;   /* bytes came, or were sent */
    uint64_t progress_ns; /* bytes were sent, or began to wait */
    size_t linger_bytes;
    uint8_t list; /* enum check_list */
    uint8_t sniffed_size;
    bool is_http2;
    bool dirty;
    bool reading;
    bool stalled; /* there is something to send that the socket does not take */
    bool over;    /* beyond connections_max */
    bool aged;    /* was told to drain */
    bool said_goodbye;
    bool rested; /* since the last activity */
    bool eof;
    bool broken; /* the client broke the protocol: close after what there is to send */
    bool lingering;
    bool closing;
    uint8_t sniffed[SNIFF_BYTES];
};

struct check_queue {
    struct connection *first, *last;
    uint64_t limit_ns;
};

struct net {
    struct net_config config;
    struct session_host host;
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t again; /* keeps the loop from sleeping while a connection is to be fed again */
    uint32_t handles_open;
    uint32_t connections;
    uint64_t refused;         /* at connections_max */
    uint32_t over;            /* of the connections: beyond it */
    uint64_t shed, timed_out; /* of the host's, as counted so far */
    uint16_t port;
    bool listening, accept_waits, fresh, draining, closing;
    uint32_t accepted; /* in this turn */
    struct connection *dirty;
    uint32_t dirty_count;
    struct check_queue queues[CHECK_LISTS];
    uint64_t soonest_ns; /* the shortest limit: who is looked at before it need not move */
    struct str date;
    int64_t date_s;
    char date_text[32];
    void (*closed)(void *context);
    void *closed_context;
    uint8_t *read_buffer, *write_buffer;
};

/* net.c */
void net_touch(struct net *n); /* takes the time, once a turn */
void net_handle_closed(struct net *n);
/* Flushes what is dirty; true if a session took input that it had not taken before. */
bool net_flush(struct net *n);
void net_count(struct net *n, enum metric_counter counter, uint64_t count);

/* connection.c */
int connection_accept(struct net *n);
void connection_dirty(struct connection *c);
void connection_flush(struct connection *c);
/* Feeds what the session did not take before; true if it took some. */
bool connection_feed_again(struct connection *c);
void connection_drain(struct connection *c);
void connection_close(struct connection *c);
/* Ends an idle connection: GOAWAY first, where the protocol has it. */
void connection_goodbye(struct connection *c);
/* The same at once, before it is closed: as far as the socket takes it. */
void connection_last_words(struct connection *c);
/* For the transport: plain bytes from the client, and for it. */
void connection_input(struct connection *c, const uint8_t *data, size_t size);
size_t connection_output(struct connection *c, uint8_t *out, size_t size);

/* deadline.c */
void deadline_add(struct connection *c);    /* a new connection */
void deadline_remove(struct connection *c); /* it closes */
void deadline_update(struct connection *c); /* its state may have changed */
void deadline_check(struct net *n);         /* closes what is too slow */

#endif
