/* http1_parser.h - HTTP/1.1 requests out of bytes, strictly (RFC 9112).
 *
 * http1_parse() gives one piece of the message at a time and is called again until it says
 * HTTP1_MORE. However the input is cut, the pieces are the same, but for the cuts of a body.
 *
 *   LINE, FIELD*, HEAD_END, BODY*, END, and again LINE ...
 *
 * What two readers could understand in two ways is refused (HTTP1_BROKEN, and nothing is parsed
 * any more): see http1_parser.c for the list. Chunked bodies are given decoded; trailers are
 * checked, counted and dropped.
 */
#ifndef TALLY_WIRE_HTTP1_PARSER_H
#define TALLY_WIRE_HTTP1_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/exchange.h"
#include "wire/http_common.h"
#include "wire/pool.h"

enum http1_event {
    HTTP1_MORE,     /* all input is taken */
    HTTP1_LINE,     /* piece: method, target */
    HTTP1_FIELD,    /* piece: header, value; only those that somebody looks at */
    HTTP1_HEAD_END, /* the flags of `message` are final */
    HTTP1_BODY,     /* piece: value */
    HTTP1_END,      /* the message is complete */
    HTTP1_BROKEN,   /* parser->refusal says why; code 0: and nobody is to be told */
};

enum { HTTP1_FIELD_SETTINGS = HEADER_COUNT + 1 }; /* HTTP2-Settings, beside exchange_header */

/* Valid until the next call. */
struct http1_piece {
    struct str method;
    struct str target; /* origin form or "*"; of an absolute form only the path and query, of which
                          the path may be empty */
    int header;
    struct str value;
};

/* What is known of the message under way; after END, of the one that has ended. */
struct http1_message {
    uint8_t minor; /* HTTP/1.minor */
    bool close;    /* Connection: close, or HTTP/1.0 */
    bool chunked;
    bool has_length;
    bool expect_continue;
    bool upgrade_h2c;    /* Upgrade names h2c, */
    bool connection_h2c; /* and Connection names Upgrade and HTTP2-Settings */
    bool host, transfer, expect, upgrade, connection_upgrade, connection_settings;
    uint64_t length; /* Content-Length */
    bool too_long; /* it is over the limit: the next event is BROKEN, unless the limit is lifted */
};

struct http1_parser {
    const struct wire_limits *limits;
    struct wire_pool *pool;
    uint8_t state;
    uint8_t blank_lines; /* before the request line */
    char *line;          /* a line of which the end has not come yet; from the pool */
    size_t line_len, line_room;
    size_t header_bytes;
    size_t header_count;
    bool unbound;        /* the limit is lifted for the message under way */
    uint64_t body_left;  /* of the body, or of the chunk */
    uint64_t body_total; /* of a chunked body so far */
    struct http1_message message;
    struct refusal refusal;
};

void http1_parser_init(struct http1_parser *p, const struct wire_limits *limits,
                       struct wire_pool *pool);
void http1_parser_close(struct http1_parser *p);
/* Takes from *data, which it moves on. */
enum http1_event http1_parse(struct http1_parser *p, const uint8_t **data, const uint8_t *end,
                             struct http1_piece *piece);
/* After HEAD_END: the body may be of any size, for its pieces are not kept. */
void http1_parser_lift_limit(struct http1_parser *p);
/* True between the first byte of a message and its END. */
bool http1_parser_busy(const struct http1_parser *p);

#endif
