/* net.h - sockets. One struct net per I/O worker: a libuv loop with its own SO_REUSEPORT listener
 * and its connections. Bytes go to a wire session, answers come back from it; nothing here knows
 * HTTP.
 *
 *   accept -> transport (plain; a TLS transport fits the same seam) -> sniff -> session
 *
 * Reading is stopped while a session is congested. Timers: a request of which the rest does not
 * come, and an answer that is not read, end with their stream (HTTP/2) or their connection; an idle
 * or old connection is told first.
 * Written bytes leave once a turn of the loop, after everything that arrived was handled; when many
 * connections are ready the first ones need not wait for the last. The process ignores SIGPIPE.
 */
#ifndef TALLY_NET_NET_H
#define TALLY_NET_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/budget.h"
#include "base/error.h"
#include "obs/metrics.h"
#include "wire/exchange.h"

struct net;

struct net_config {
    const char *host;
    uint16_t port; /* 0: any; net_port() tells */
    int backlog;
    uint32_t connections_max;   /* of this worker */
    int64_t receive_timeout_ms; /* for a whole request once it has begun */
    int64_t send_timeout_ms;    /* without progress while there is something to send */
    int64_t idle_timeout_ms;
    int64_t age_max_ms;    /* then a connection is drained; 0: never */
    struct budget *budget; /* the worker's, for what strangers make it keep; NULL: no limit */
    struct wire_limits limits;
    struct exchange_handler handler;
    struct metrics *metrics;
    /* Called once or twice per turn of the loop, after input was handled and before
     * output is sent. */
    void (*after_turn)(void *context);
    void *context;
};

int net_create(struct net **out, uv_loop_t *loop, const struct net_config *config,
               struct error *e) MUST_CHECK;
uint16_t net_port(const struct net *n);
uint64_t net_now_ns(const struct net *n);      /* monotonic, as of this turn */
uint32_t net_connections(const struct net *n); /* without those beyond connections_max */
uint64_t net_refused(const struct net *n);     /* connections beyond connections_max */
/* What refusals that pass say from now on. */
void net_retry_after(struct net *n, uint32_t seconds);
/* Stops accepting; sessions get no new requests; idle connections are closed. */
void net_drain(struct net *n);
/* Closes everything; `closed` is called from the loop when the last handle is gone. */
void net_close(struct net *n, void (*closed)(void *context), void *context);
void net_destroy(struct net *n); /* after closed */

#endif
