/* rabbit_link.h - a connection to RabbitMQ with one channel, read without waiting.
 *
 * Opening waits, for RABBIT_CONNECT_MS and RABBIT_HANDSHAKE_MS at most; after that nothing does:
 * what is sent is small, and bounded by who sends it to less than the socket's buffer, so that a
 * broker which has stopped reading (it is short of memory) holds up nobody. Declarations and
 * settlements are sent without asking for an answer; what the broker thinks wrong of them closes
 * the channel, which is told as RABBIT_LOST. One thread.
 */
#ifndef TALLY_BUS_RABBIT_LINK_H
#define TALLY_BUS_RABBIT_LINK_H

#include <amqp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
    RABBIT_CONNECT_MS = 2000,
    RABBIT_HANDSHAKE_MS = 4000,
    RABBIT_HEARTBEAT_S = 10,
    RABBIT_SEND_BUFFER = 1 << 20, /* bytes of the socket */
};

struct rabbit_place {
    const char *host;
    const char *user, *password, *vhost;
    uint16_t port;
};

enum rabbit_news {
    RABBIT_NOTHING,
    RABBIT_CONFIRMED, /* tag, multiple */
    RABBIT_REFUSED,   /* tag, multiple: it could not take it */
    RABBIT_RETURNED,  /* there is no queue for it */
    RABBIT_DELIVERED, /* tag, body */
    RABBIT_LOST,      /* the link is closed: `why` */
};

struct rabbit_event {
    enum rabbit_news news;
    uint64_t tag;
    bool multiple;
    bool cut;        /* of the body there was more than the link takes */
    struct str name; /* the message's id; until the next call */
    struct str body; /* until the next call */
};

struct rabbit_link {
    amqp_connection_state_t connection; /* NULL: closed */
    uint64_t sent;                      /* messages: the last one's tag */
    size_t body_max;
    bool blocked; /* the broker takes no messages now */

    /* a message that is arriving */
    enum rabbit_news arriving; /* DELIVERED, RETURNED, or NOTHING */
    uint64_t tag;
    uint64_t left; /* bytes of its body */
    bool cut;
    char name[128];
    uint32_t name_size;
    char *body;
    size_t size, room;

    char why[ERROR_TEXT_MAX]; /* it was lost */
};

/* What a queue is, besides its name. 0 and NULL: not so. */
struct rabbit_queue {
    bool quorum;
    int64_t ttl_ms;
    int64_t expires_ms; /* without consumers */
    int64_t length_max;
    const char *dead_letters; /* an exchange */
};

/* Of a zeroed or closed link. `confirms`: it publishes. */
int rabbit_link_open(struct rabbit_link *l, const struct rabbit_place *place, bool confirms,
                     size_t body_max, struct error *e) MUST_CHECK;
void rabbit_link_close(struct rabbit_link *l); /* also of one that is lost, or was never open */
int rabbit_link_fd(const struct rabbit_link *l);
/* What has arrived; NOTHING: no more. After LOST the link is to be closed. */
enum rabbit_news rabbit_link_next(struct rabbit_link *l, struct rabbit_event *event);

/* These return 0, or TLY_EIO: the link is lost. */
int rabbit_link_exchange(struct rabbit_link *l, const char *name, const char *type) MUST_CHECK;
int rabbit_link_queue(struct rabbit_link *l, const char *name,
                      const struct rabbit_queue *q) MUST_CHECK;
int rabbit_link_bind(struct rabbit_link *l, const char *queue, const char *exchange,
                     const char *key) MUST_CHECK;
int rabbit_link_consume(struct rabbit_link *l, const char *queue, uint16_t prefetch) MUST_CHECK;
int rabbit_link_publish(struct rabbit_link *l, const char *exchange, const char *key,
                        struct str body, bool persistent) MUST_CHECK;
int rabbit_link_ack(struct rabbit_link *l, uint64_t tag) MUST_CHECK;
int rabbit_link_nack(struct rabbit_link *l, uint64_t tag) MUST_CHECK; /* it comes again */

#endif
