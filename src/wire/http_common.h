/* http_common.h - what HTTP/1.1 and HTTP/2 sessions share: known header names, the memory of an
 * exchange, buffers of streaming answers, refusals that the wire gives by itself. */
#ifndef TALLY_WIRE_HTTP_COMMON_H
#define TALLY_WIRE_HTTP_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/exchange.h"
#include "wire/pool.h"
#include "wire/session.h"

/* Why the wire answers by itself. */
struct refusal {
    int code;         /* TLY_E... */
    const char *text; /* one sentence, static */
};

/* The header's number, or HEADER_COUNT for one that nobody looks at. `name` is in lower case. */
enum exchange_header header_find(const char *name, size_t len);
/* True for a header that may come once only: its meaning would hang on which one is taken. */
bool header_is_single(enum exchange_header header);

enum http_method method_find(const char *text, size_t len);

/* True if no byte of a header value is a control other than tab (RFC 9110, 5.5). */
bool header_value_valid(const char *value, size_t len);
/* Visible ASCII that RFC 3986 lets stand in a target, percent signs included; no fragment. */
bool target_valid(const char *text, size_t len);
/* Lower case of a byte of a token (RFC 9110, 5.6.2), 0 if it may not stand in one. */
extern const uint8_t token_lower[256];
/* host[:port] as it may stand in Host and :authority; not empty. */
bool authority_valid(const char *text, size_t len);

/* A bound for the arena of an exchange: the body, the message decoded from it, the answer. */
size_t exchange_arena_max(const struct wire_limits *limits);
/* Splits a target into path and query, both within it; an empty path is "/" (RFC 9110, 4.2.3). */
void exchange_set_target(struct exchange *x, struct str target);
/* A header that came again: its values become one list (RFC 9110, 5.3). False without memory. */
bool exchange_join_header(struct exchange *x, enum exchange_header header, struct str value);
/* A number that stands for an authority, equal for those that differ in case alone. */
uint64_t authority_number(const char *text, size_t len);
/* Appends to x->body. `expected` is the size of the whole body where it is known, or 0. `room` is
 * kept by the caller, 0 at first. 0; TLY_EPAYLOAD_TOO_LARGE; TLY_EOVERLOADED: no room in the
 * budget; or TLY_ENO_MEMORY. */
int exchange_add_body(struct session_host *host, struct session *s, struct exchange *x,
                      const void *data, size_t size, size_t expected, size_t *room);
/* The refusal for what exchange_add_body() returned. */
struct refusal body_refusal(int code);
/* A complete body that is gzip is replaced by what is in it, by way of exchange_add_body(). 0, or
 * an error and why. */
int exchange_unpack(struct session_host *host, struct session *s, struct exchange *x,
                    struct refusal *refusal) MUST_CHECK;

/* What a streaming answer has still to send: copies, oldest first. All zero is empty. */
struct send_queue {
    struct send_block *first, *last;
    size_t bytes;
};

/* One block of three parts; empty parts are fine. False when memory is short. */
bool send_queue_add(struct send_queue *q, struct wire_pool *pool, struct str before,
                    struct str data, struct str after);
/* Moves up to `size` bytes to `out`. */
size_t send_queue_take(struct send_queue *q, struct wire_pool *pool, uint8_t *out, size_t size);
void send_queue_clear(struct send_queue *q, struct wire_pool *pool);

/* problem+json, or trailers only if the request is gRPC, with what every refusal says;
 * `retry_after_s` where that can help. Without memory some of it is left out, never the code. */
void refusal_response(struct response *r, struct exchange *x, const struct refusal *refusal,
                      uint32_t retry_after_s);

const char *status_text(int status);

#endif
