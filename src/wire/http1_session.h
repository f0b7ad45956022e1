/* http1_session.h - what the files of the HTTP/1.1 session share. */
#ifndef TALLY_WIRE_HTTP1_SESSION_H
#define TALLY_WIRE_HTTP1_SESSION_H

#include "wire/charge.h"
#include "wire/http1_parser.h"
#include "wire/http_common.h"
#include "wire/session.h"

enum {
    HTTP1_PIPELINE_MAX = 64,    /* requests of a connection under way */
    HTTP1_EXCHANGE_SIZE = 2040, /* bytes, with the first part of the arena */
};

/* In the session's queue from the first byte of its request to the last of its answer. */
struct http1_exchange {
    struct exchange x;
    struct http1_session *session; /* NULL once the client is gone */
    struct session_host *host;
    struct http1_exchange *next;
    size_t body_room;
    bool complete; /* the request has arrived and was handed over */
    bool owed;     /* handed to the handler, and not answered to the end */
    bool close;    /* the connection ends with this answer */
    bool chunked;  /* the answer is */
    uint8_t minor; /* HTTP/1.minor */
    bool wants_continue;
    struct str head, body; /* still to be sent */
    struct send_queue stream;
    char memory[];
};

struct http1_session {
    struct session s;
    struct session_host *host;
    struct http1_parser parser;
    struct http1_exchange *first, *last; /* in order of arrival */
    struct http1_exchange *receiving;    /* the last, while its request is not complete */
    struct http1_exchange *parked;       /* the last, complete, while it waits for memory */
    uint32_t count;
    size_t unsent_bytes; /* of answers in the queue */
    size_t line_charged; /* bytes, of the parser's half line */
    uint64_t receiving_since_ns;
    struct str settings; /* HTTP2-Settings of the request being received */
    struct str interim;  /* 101, still to be sent */
    bool closing;        /* nothing more is read */
    bool ended;          /* nothing more is sent */
    bool draining;
};

extern const struct exchange_ops http1_exchange_ops;

/* An exchange that is owed and not in the queue's care any more, or an answered one, goes. */
void http1_exchange_free(struct http1_exchange *h);
/* Moves bytes of the oldest answers to `out`. */
size_t http1_answers_take(struct http1_session *s, uint8_t *out, size_t size);

#endif
