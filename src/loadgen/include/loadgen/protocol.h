/* protocol.h - a port: calls to bytes, bytes to answers, for one connection. Two adapters: gRPC
 * over HTTP/2 (nghttp2) and JSON over HTTP/1.1. A session knows no socket and no clock.
 *
 * A session belongs to the thread that opened it, or to another once that one has ended. Nothing
 * here shares code with the server, except for the contract in api/.
 */
#ifndef TALLY_LOADGEN_PROTOCOL_H
#define TALLY_LOADGEN_PROTOCOL_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "loadgen/call.h"

/* What all sessions of a run share; read only, outlives them. */
struct protocol_target {
    char authority[256]; /* HOST:PORT, for :authority and Host */
    char run[RUN_ID_SIZE];
    char sale[SALE_ID_SIZE]; /* that calls are about; "": none */
    const char (*lots)[LOT_KEY_SIZE];
    uint32_t lot_count;
    uint32_t streams;    /* calls at once on a connection; HTTP/1.1 pipelines them */
    uint32_t timeout_ms; /* grpc-timeout, X-Request-Timeout-Ms */
};

/* The answer to a call, exactly once for each one that was submitted, in any order, from inside
 * protocol_input() or protocol_fail(); never from protocol_submit(). `call` is the pointer that was
 * submitted and is the owner's again; the callback may submit others, and do nothing else to the
 * session. */
typedef void protocol_answered_fn(void *owner, struct call *call, const struct answer *answer);

struct protocol_session;

struct protocol_counts {
    uint64_t resets; /* RST_STREAM received */
    bool goaway;     /* no further call may be submitted; those under way will be answered */
};

struct protocol {
    const char *name; /* "grpc", "http" */
    /* TLY_ENO_MEMORY. */
    int (*open)(struct protocol_session **out, const struct protocol_target *target,
                protocol_answered_fn *answered, void *owner);
    /* Forgets all calls without a callback. NULL is fine. */
    void (*close)(struct protocol_session *s);
    /* Queues a call; `call` stays where it is until it is answered. 0; TLY_EFULL: all streams are
     * in use; TLY_ECLOSED: the peer takes no more on this connection; TLY_ENO_MEMORY. */
    int (*submit)(struct protocol_session *s, struct call *call);
    /* Copies up to `size` bytes that are to be sent to `out`; 0: nothing at present; negative: the
     * session is broken. */
    ssize_t (*output)(struct protocol_session *s, uint8_t *out, size_t size);
    /* Bytes from the peer. TLY_ECORRUPT: not the protocol; TLY_ENO_MEMORY; TLY_ECLOSED: after
     * fail(). The owner then calls fail(). What it makes the session say comes out of output(). */
    int (*input)(struct protocol_session *s, const uint8_t *bytes, size_t size);
    /* The connection is gone: every call under way is answered with `code`. */
    void (*fail)(struct protocol_session *s, enum answer_code code);
    /* How many more calls it would take now. */
    uint32_t (*room)(const struct protocol_session *s);
    struct protocol_counts (*counts)(const struct protocol_session *s);
};

extern const struct protocol protocol_grpc;
extern const struct protocol protocol_http1;

#endif
