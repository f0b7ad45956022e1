/* session_driver.h - a session without a socket: bytes in, bytes out, requests written down.
 *
 * The handler either answers each request at once with what it asked ("POST /path?query body"), or
 * keeps it for the test to answer.
 */
#ifndef TALLY_TEST_SESSION_DRIVER_H
#define TALLY_TEST_SESSION_DRIVER_H

#include "wire/session.h"

enum { DRIVER_KEPT_MAX = 2048, DRIVER_TEXT_MAX = 1 << 20 };

struct driver {
    struct session_host host;
    struct wire_limits limits;
    struct exchange_handler handler;
    struct budget budget;
    struct exchange_need need; /* of each request; one to /vital is vital */
    struct str date;
    struct session *session;
    bool keep;         /* the handler keeps requests */
    bool wants_stream; /* the handler wants HTTP/2 requests to /stream as streams */
    void (*on_data)(struct exchange *x, const void *data, size_t size, bool end);
    bool broken; /* feed() said so */
    struct exchange *kept[DRIVER_KEPT_MAX];
    size_t kept_count;
    size_t handled; /* requests so far */
    size_t gone;    /* on_gone calls */
    size_t wanted;  /* want_write calls */
    char *log;      /* one line for each request */
    size_t log_len;
    uint8_t *out; /* what was pulled */
    size_t out_len;
};

/* protocol: PROTOCOL_HTTP1 or PROTOCOL_HTTP2. Limits are small enough to be reached in a test. */
void driver_open(struct driver *d, enum protocol protocol);
/* Answers what was kept, frees everything, and checks that the pool got every block back, and the
 * budget every byte. */
void driver_close(struct driver *d);
/* Closes the session alone, as net/ does when the socket is gone. */
void driver_hang_up(struct driver *d);

/* Feeds in pieces of `step` bytes (0: all at once), pulling after each, and again what the session
 * did not take. */
void driver_feed(struct driver *d, const void *data, size_t size, size_t step);
void driver_pull(struct driver *d);
/* The answer that the handler gives at once, for a kept request. */
void driver_answer(struct driver *d, struct exchange *x);
/* What was pulled so far, zero-ended. */
const char *driver_out(struct driver *d);

#endif
