/* delay_rabbit.h - the delay line that RabbitMQ keeps: a queue whose messages all live equally
 * long, behind which an exchange for dead letters hands them to the queue of who put them in.
 *
 *     PREFIX.wait.150ms (exchange, fanout) ──► PREFIX.wait.150ms (queue, x-message-ttl 150)
 *         ──dead letters──► PREFIX.due (exchange, direct, by NAME) ──► PREFIX.due.NAME (queue)
 *
 * Messages with a longer delay have a queue of their own, twice, four times... as long: in a queue
 * of mixed delays the first one would hold up all behind it. What is declared is declared at each
 * connect, and again when a message comes back because its queue is gone.
 *
 * Publishing and consuming have a connection each: a broker that is short of memory reads nothing
 * more from who publishes, and so would not hear what else that connection says.
 */
#ifndef TALLY_BUS_DELAY_RABBIT_H
#define TALLY_BUS_DELAY_RABBIT_H

#include "bus/delay.h"

struct delay_rabbit_config {
    const char *host; /* texts are copied */
    uint16_t port;
    const char *user, *password, *vhost;
    const char *prefix;    /* of all names */
    const char *name;      /* this node's: other nodes have other ones */
    bool quorum;           /* quorum queues: the broker is a cluster */
    int64_t delay_ms;      /* the shortest delay */
    uint32_t messages_max; /* that wait to be sent; as many again may wait to be confirmed */
    delay_out_fn *out;
    /* The connection was made or lost, with a sentence; on the line's thread. May be NULL. */
    void (*tell)(void *context, bool connected, const char *text);
    void *context;
};

int delay_rabbit_create(struct delay **out, const struct delay_rabbit_config *config,
                        struct error *e) MUST_CHECK;

#endif
