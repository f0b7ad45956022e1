/* session.h - what net/ knows of a protocol: bytes in, bytes out.
 *
 * net/ reads the socket and calls feed(); whenever something may have to be sent it calls pull()
 * until that returns 0. A session does no I/O and keeps no time. Its exchanges may outlive it (see
 * exchange.h): close() marks them gone and lets go. The handler is called only from feed() and
 * resume().
 *
 * Memory: what an exchange holds is charged to the worker's budget and counted for its connection,
 * and what a request will need is charged before it is handed over. Where there is no room for it a
 * complete HTTP/1.1 request waits, and nothing more is read; an HTTP/2 stream is refused.
 */
#ifndef TALLY_WIRE_SESSION_H
#define TALLY_WIRE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
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
    struct budget *budget;  /* the worker's; NULL: without limit */
    uint64_t receive_ns;    /* for a whole request, once it has begun; 0: without limit */
    uint64_t send_ns;       /* without progress, while there is something to send; likewise */
    /* the sessions' own, zero at first */
    uint32_t exchanges;                 /* in memory */
    uint64_t shed;                      /* requests refused for want of memory */
    uint64_t timed_out;                 /* requests and streams that were too slow */
    struct session *line, *line_newest; /* whose request waits for memory, oldest first */
};

enum session_wait { WAIT_NONE, WAIT_RECEIVE, WAIT_SEND, WAIT_DRAIN };

enum { SESSION_DRAIN_NOTICE_MS = 1000 }; /* for the client to see that streams will be refused */

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
     * is none. */
    uint64_t (*receiving_since)(const struct session *s);
    /* What the session waits for that has a limit, and when that will have passed (`at`, as
     * host->now_ns): a request of which the rest is owed, or an answer that the client's flow
     * control holds. */
    enum session_wait (*due)(const struct session *s, uint64_t *at);
    /* Ends what is due: the stream with RST_STREAM, the HTTP/1.1 request with 408. */
    void (*expire)(struct session *s);
    /* Tries again what waits for memory (`waiting`): true if it goes on. NULL: nothing ever
     * waits. */
    bool (*resume)(struct session *s);
    /* True while answers wait in the session, be it that the client's flow control holds them. */
    bool (*unsent)(const struct session *s);
    /* True when answers pile up beyond the limit: net/ stops reading until it is false. */
    bool (*congested)(const struct session *s);
    /* True when the session is over once everything pulled is sent. */
    bool (*finished)(const struct session *s);
    /* Nothing has happened for a while: gives back memory that an idle session does not need. May
     * be NULL. */
    void (*rest)(struct session *s);
    /* No new requests; those under way are finished. HTTP/2 is told twice: that there will be no
     * more, and then which stream was the last. */
    void (*drain)(struct session *s);
    /* The last words on a connection that is idle: GOAWAY, and then it is finished. */
    void (*goodbye)(struct session *s);
    void (*close)(struct session *s); /* the socket is gone; frees the session */
};

struct session {
    const struct session_ops *ops;
    void *connection;          /* net/'s, handed to want_write */
    struct session *successor; /* set by an h2c upgrade: net/ goes on with it, closing this one */
    size_t charged;            /* bytes, of its exchanges */
    bool over;                 /* net/'s: beyond connections_max, health and metrics alone */
    bool waiting;              /* a complete request waits for memory: see resume() */
    bool in_line;              /* ... of the worker */
    uint64_t waits_until_ns;   /* then it is refused */
    struct session *line_next, *line_previous;
};

/* Lets those try again that wait for memory, if some has come back, and those whose time is up. */
void session_line_run(struct session_host *host);
void session_line_join(struct session_host *host, struct session *s);
void session_line_leave(struct session_host *host, struct session *s);

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
