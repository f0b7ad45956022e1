/* session.h - what net/ knows of a protocol: bytes in, bytes out.
 *
 * net/ reads the socket and calls feed(); whenever something may have to be sent it calls pull()
 * until that returns 0. A session does no I/O and keeps no time. Its exchanges may outlive it (see
 * exchange.h): close() marks them gone and lets go. The handler is called only from feed().
 */
#ifndef TALLY_WIRE_SESSION_H
#define TALLY_WIRE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "wire/exchange.h"
#include "wire/pool.h"

struct session;

/* Shared by all sessions of one I/O worker. */
struct session_host {
    const struct wire_limits *limits;
    const struct exchange_handler *handler;
    struct wire_pool *pool;
    /* net/ sets it: the session has something to send now (an answer came outside feed()). */
    void (*want_write)(void *connection);
    uint64_t now_ns;        /* net/ sets it once per turn of the loop */
    const struct str *date; /* HTTP Date value, refreshed by net/ once a second */
    /* the sessions' own, zero at first */
    size_t body_bytes;  /* of requests in memory */
    uint32_t exchanges; /* in memory */
};

struct session_ops {
    /* Takes bytes. 0, or TLY_ECLOSED: the client broke the protocol; send what pull() still gives,
     * then close. With `*taken` less than size the rest is for later: for the successor, if there
     * is one now (h2c upgrade), else to be fed again once congested() is false. */
    int (*feed)(struct session *s, const uint8_t *data, size_t size, size_t *taken);
    /* The next bytes to send: at most `size` into `out`. Fewer than half of `size`: there are no
     * more now. */
    size_t (*pull)(struct session *s, uint8_t *out, size_t size);
    /* True when nothing is under way: no request half read, none unanswered, nothing to send. */
    bool (*idle)(const struct session *s);
    /* When the oldest request began that the client owes us the rest of, as host->now_ns; 0: there
     * is none. net/ runs a timer meanwhile. */
    uint64_t (*receiving_since)(const struct session *s);
    /* True while answers wait in the session, be it that the client's flow control holds them. */
    bool (*unsent)(const struct session *s);
    /* True when answers pile up beyond the limit: net/ stops reading until it is false. */
    bool (*congested)(const struct session *s);
    /* True when the session is over once everything pulled is sent. */
    bool (*finished)(const struct session *s);
    /* Nothing has happened for a while: gives back memory that an idle session does not need. May
     * be NULL. */
    void (*rest)(struct session *s);
    /* No new requests (GOAWAY, Connection: close); those under way are finished. */
    void (*drain)(struct session *s);
    void (*close)(struct session *s); /* the socket is gone; frees the session */
};

struct session {
    const struct session_ops *ops;
    void *connection;          /* net/'s, handed to want_write */
    struct session *successor; /* set by an h2c upgrade: net/ goes on with it, closing this one */
};

/* NULL when memory is short. */
struct session *http1_session_create(struct session_host *host, void *connection);
struct session *http2_session_create(struct session_host *host, void *connection);
/* After "Upgrade: h2c": settings is the decoded HTTP2-Settings header; the request that asked for
 * it becomes stream 1, once the session is fed for the first time. `request` is only read. NULL
 * also if the settings are not valid. */
struct session *http2_session_upgrade(struct session_host *host, void *connection,
                                      struct str settings, const struct exchange *request);

enum sniff { SNIFF_MORE, SNIFF_HTTP1, SNIFF_HTTP2 };
/* Tells the protocol from a connection's first bytes. SNIFF_MORE only below 24 bytes. */
enum sniff session_sniff(const uint8_t *data, size_t size);

#endif
