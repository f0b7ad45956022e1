/* http_text.h - what the texts of HTTP headers mean (RFC 9110), and what every answer says back of
 * its request. */
#ifndef TALLY_WIRE_HTTP_TEXT_H
#define TALLY_WIRE_HTTP_TEXT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "wire/exchange.h"

/* True if the text is `lower` in whatever case. */
bool text_equal_fold(struct str text, const char *lower);
/* Without spaces and tabs at its ends. */
struct str text_trim(struct str text);
/* The next element of a list, trimmed; false at its end. */
bool text_next(struct str *list, char separator, struct str *element);

/* "application/grpc" and what begins like it, in whatever case. */
bool media_is_grpc(struct str content_type);
/* "application/grpc" or "application/grpc+proto", with parameters or without. */
bool media_is_grpc_proto(struct str content_type);

/* 1 to REQUEST_ID_MAX visible ASCII characters. */
bool request_id_valid(struct str request_id);
/* The trace id of a W3C traceparent; empty if that is not valid. */
struct str trace_id_of(struct str traceparent);
/* A request id as a URI reference (RFC 3986): itself, where all of its characters may stand there
 * as they are. Empty if it is not valid, or without memory. */
struct str instance_of(struct str request_id, struct arena *a);
/* The request's own X-Request-Id and traceparent, where they are valid. */
void response_identify(struct response *r, const struct exchange *x);

#endif
