/* codec.h - messages of api/tally.proto to and from bytes: protobuf and JSON, from one description.
 *
 * protoc-c's message descriptors carry every field's name, type and place in the struct, so JSON
 * needs no table of its own: the JSON field names are the proto's. Results live in the arena.
 *
 * JSON in is strict (RFC 8259, UTF-8 checked, duplicate and unknown fields refused, depth bounded,
 * integers only where the field is an integer: no fractions, exponents that make an integer are
 * refused too, 64-bit range; a null counts as not given). A string that is given, be it empty, is
 * not protobuf_c_empty_string, and a list that is given, be it empty, not NULL. JSON out omits
 * nothing that a reader would look for: strings that are empty and numbers that are zero are
 * written, absent sub-messages not.
 */
#ifndef TALLY_WIRE_CODEC_H
#define TALLY_WIRE_CODEC_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/exchange.h"

enum { JSON_DEPTH_MAX = 16 };

/* TLY_EINVALID_ARGUMENT names the field ("lines[2].quantity") and the rule; TLY_ENO_MEMORY at the
 * arena's bound. An empty text counts as {}. */
int json_decode(const ProtobufCMessageDescriptor *type, struct str text, struct arena *a,
                ProtobufCMessage **out, struct error *e) MUST_CHECK;
int json_encode(const ProtobufCMessage *m, struct arena *a, struct str *out) MUST_CHECK;

/* Truncated or malformed input, or a string that is not UTF-8: TLY_EINVALID_ARGUMENT. Unknown
 * fields are ignored, as protobuf wants. */
int proto_decode(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *a,
                 ProtobufCMessage **out, struct error *e) MUST_CHECK;
/* With the 5 bytes of gRPC framing in front. */
int grpc_encode(const ProtobufCMessage *m, struct arena *a, struct str *out) MUST_CHECK;

/* Takes the one message of a unary call out of its frame. Still compressed: TLY_EUNIMPLEMENTED.
 * More than one, or cut short: TLY_EINVALID_ARGUMENT. Longer than max: TLY_EPAYLOAD_TOO_LARGE. */
int grpc_unframe(struct str body, size_t max, struct str *message, struct error *e) MUST_CHECK;
/* "100m", "5S", ...: at most 8 digits and a unit of HMSmun. */
int grpc_timeout_parse(struct str text, int64_t *timeout_ns) MUST_CHECK;

bool utf8_valid(struct str text);

/* What a refusal says beyond its code; zero or empty: not said. */
struct failure {
    int code; /* TLY_E... */
    struct str text;
    struct str field;
    struct str from, to;  /* INVALID_TRANSITION */
    struct str after;     /* GONE: from where one can go on */
    struct str lot;       /* SOLD_OUT */
    int64_t available;    /* SOLD_OUT */
    int64_t starts_in_ms; /* SALE_NOT_OPEN */
    int64_t limit, taken; /* LIMIT_EXCEEDED; limit 0: not said */
    struct str orders;    /* by which they are taken; JSON */
    /* ORDER_MISMATCH: what is stored under the id */
    struct str reservation_id, order_id, reservation_status, reason, payment_id;
    struct str lines;       /* JSON */
    uint32_t retry_after_s; /* where error_passes() */
    bool late;              /* a look-up whose time was up: over gRPC DEADLINE_EXCEEDED */
    struct str instance;    /* request id, for problem+json */
};

/* application/problem+json (RFC 9457): type "https://tallystick.dev/problems/<code in lower case>",
 * title, status, detail, code, and what the failure says as members of its own. */
void problem_response(struct response *r, struct arena *a, const struct failure *f);
/* gRPC, trailers only: grpc-status, grpc-message, grpc-status-details-bin with google.rpc.Status
 * holding ErrorInfo {reason: code, domain: "tally.v1", metadata: the problem's members}, BadRequest
 * where a field breaks a rule, and RetryInfo. */
void grpc_failure_response(struct response *r, struct arena *a, const struct failure *f);
/* The same as trailers, for ending a stream that has begun. Returns their number. */
size_t grpc_failure_trailers(struct header *trailers, struct arena *a, const struct failure *f);
void grpc_ok_response(struct response *r, struct str framed_message);
void json_response(struct response *r, int status, struct str body);

#endif
