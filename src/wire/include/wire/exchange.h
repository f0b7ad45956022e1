/* exchange.h - one request and its answer, whatever the protocol it came by.
 *
 * Life: a connection (wire/http1, wire/http2) makes an exchange when a request is complete and
 * hands it to the service (exchange_handler). The service answers exactly once, now or later, on
 * the same thread: exchange_respond(), or exchange_stream_open() + writes + exchange_stream_end().
 * The exchange's memory, with its arena, lives until it was answered (stream: ended) and sent, or
 * the client is gone; but never less long than the service holds it: between the handler's call and
 * its answer the client may go away, then `gone` is true, on_gone (if set) is called once, and the
 * service still answers (or ends) it exactly once; the answer is dropped. What the service puts
 * into a response must live in the exchange's arena or for ever. The service does not touch an
 * exchange after its answer (stream: its end).
 *
 * A call whose client streams (server reflection, an import) is handed over when its headers are
 * complete, if handler->wants_stream says so: handle() sets on_data, the body is empty and comes
 * through on_data as it arrives, the last time with `end`. What on_data was handed counts as read;
 * the service bounds what it keeps. on_data may answer or end the exchange; it is not called after
 * that, nor once the client is gone.
 *
 * One I/O worker's thread; never from two.
 */
#ifndef TALLY_WIRE_EXCHANGE_H
#define TALLY_WIRE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum protocol { PROTOCOL_HTTP1, PROTOCOL_HTTP2 };

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER,
};

/* The request headers that anybody here looks at; others are checked, counted and forgotten. */
#define EXCHANGE_HEADERS(X)                                                                        \
    X(content_type, "content-type")                                                                \
    X(accept, "accept")                                                                            \
    X(te, "te")                                                                                    \
    X(grpc_timeout, "grpc-timeout")                                                                \
    X(grpc_encoding, "grpc-encoding")                                                              \
    X(request_timeout, "x-request-timeout-ms")                                                     \
    X(idempotency_key, "idempotency-key")                                                          \
    X(request_id, "x-request-id")                                                                  \
    X(traceparent, "traceparent")                                                                  \
    X(tracestate, "tracestate")                                                                    \
    X(last_event_id, "last-event-id")                                                              \
    X(content_encoding, "content-encoding")                                                        \
    X(user_agent, "user-agent")

enum exchange_header {
#define X(name, text) HEADER_##name,
    EXCHANGE_HEADERS(X)
#undef X
        HEADER_COUNT
};

struct header {
    struct str name; /* lower case */
    struct str value;
};

enum { RESPONSE_HEADERS_MAX = 8 };

struct response {
    int status; /* HTTP */
    struct str content_type;
    struct header headers[RESPONSE_HEADERS_MAX];
    size_t header_count;
    bool length_unsaid; /* the body is left out and its length is not known (a HEAD of a stream) */
    struct str body;    /* HTTP/1.1 and HTTP/2 DATA; may be empty */
    struct header trailers[RESPONSE_HEADERS_MAX]; /* HTTP/2 only (gRPC) */
    size_t trailer_count;
    bool trailers_only; /* gRPC: no DATA; the trailers go with the first HEADERS frame */
};

struct exchange;

struct exchange_ops {
    void (*respond)(struct exchange *x, const struct response *r);
    void (*stream_open)(struct exchange *x,
                        const struct response *head); /* body is not looked at */
    /* Copies; 0, or TLY_EFULL: the client does not read, nothing was taken, come again later; or
     * TLY_ECLOSED. */
    int (*stream_write)(struct exchange *x, const void *data, size_t size);
    void (*stream_end)(struct exchange *x, const struct header *trailers, size_t trailer_count);
};

struct exchange {
    const struct exchange_ops *ops;
    /* request: strings live as long as the exchange */
    uint8_t protocol;
    uint8_t method;
    struct str method_text;
    struct str path;  /* as sent, before '?', percent-encoding kept; "/" if it was empty */
    struct str query; /* after '?', or empty */
    struct str headers[HEADER_COUNT];
    struct str body; /* may lie in a buffer that is gone after the handler's return only if the
                        service answered by then; else valid as long as the exchange */
    /* state */
    bool streams_in;                     /* handed over before its body, which comes by on_data */
    bool gone;                           /* the client is not there any more */
    bool answered;                       /* respond or stream_open was called */
    void (*on_gone)(struct exchange *x); /* the service's, may be NULL */
    /* The service's, set by handle() of an exchange that streams in; NULL for all others. */
    void (*on_data)(struct exchange *x, const void *data, size_t size, bool end);
    void *service; /* the service's state for this exchange, in the arena */
    struct arena arena;
    uint64_t received_ns; /* monotonic, as of the loop's turn */
    /* The connection's: what the exchange is charged for, in bytes. */
    size_t charged;
    uint16_t base;      /* of them for itself; 0: it is its connection's only one */
    uint8_t charged_as; /* enum budget_class */
};

/* What a request will need from here to its answer, told before it is handed over. */
struct exchange_need {
    size_t bytes;
    int64_t wait_ms; /* how long it may wait for so much memory; HTTP/1.1 only */
    bool vital;      /* health and metrics: answered when nothing else is */
};

struct exchange_handler {
    void *context;
    void (*handle)(void *context, struct exchange *x);
    /* Asked at the end of a request's headers, before the body: true hands the exchange
     * over at once. NULL: never. */
    bool (*wants_stream)(void *context, const struct exchange *x);
    /* Asked when a request is complete, and perhaps again later. NULL: EXCHANGE_NEED_BYTES. */
    void (*need)(void *context, const struct exchange *x, struct exchange_need *need);
};

enum { EXCHANGE_NEED_BYTES = 8192 };

static inline void exchange_respond(struct exchange *x, const struct response *r)
{
    x->ops->respond(x, r);
}

/* Limits of what a connection takes in. Each has a setting. */
struct wire_limits {
    size_t header_line_max;  /* bytes of one header line */
    size_t header_bytes_max; /* of all headers of a request */
    size_t header_count_max;
    bool h2c_upgrade;         /* an HTTP/1.1 request may turn its connection into HTTP/2 */
    uint32_t retry_after_s;   /* in refusals that pass; may change while running */
    size_t target_max;        /* bytes of the request target */
    size_t body_max;          /* bytes */
    uint32_t streams_max;     /* concurrent HTTP/2 streams of a connection */
    size_t stream_buffer_max; /* unsent bytes of a streaming answer */
    size_t output_max;        /* unsent bytes of a connection: beyond it nothing more is read */
    size_t memory_max;        /* bytes of a connection's requests and answers; 0: no limit */
    uint32_t exchanges_max;   /* requests of a worker, half received or under way; 0: 262,144 */
};

#endif
