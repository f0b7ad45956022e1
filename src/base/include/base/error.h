/* error.h - every error there is, in one table: number, public code, HTTP status, gRPC status,
 * text.
 *
 * A function that can fail returns 0 or a negative TLY_E..., and describes the failure in the
 * `struct error` that its caller passed (which may be NULL). On success the struct is left alone.
 */
#ifndef TALLY_BASE_ERROR_H
#define TALLY_BASE_ERROR_H

#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

/* name, number, HTTP, gRPC, text. The first ten are the public contract (DESIGN section 5); the
 * next are refusals of the transport; the last never leave the process as such. */
#define TLY_ERRORS(X)                                                                              \
    X(INVALID_ARGUMENT, -1, 400, 3, "the request breaks a rule")                                   \
    X(NOT_FOUND, -2, 404, 5, "there is no such thing")                                             \
    X(SOLD_OUT, -3, 409, 9, "fewer units are available than were asked for")                       \
    X(INVALID_TRANSITION, -4, 409, 9, "the reservation cannot make this move from its state")      \
    X(ALREADY_EXISTS, -5, 409, 6, "it exists already")                                             \
    X(ORDER_MISMATCH, -6, 422, 3, "this order_id was used for an order with other content")        \
    X(LIMIT_EXCEEDED, -7, 429, 8, "a limit is reached")                                            \
    X(OVERLOADED, -8, 503, 14, "too busy; nothing was done, try again")                            \
    X(UNAVAILABLE, -9, 503, 14, "the ledger is not available; nothing was done, try again")        \
    X(OUTCOME_UNKNOWN, -10, 504, 4, "the outcome is not known yet; ask for it by order_id")        \
    X(METHOD_NOT_ALLOWED, -20, 405, 12, "the resource has no such method")                         \
    X(PAYLOAD_TOO_LARGE, -21, 413, 8, "the message is larger than the limit")                      \
    X(UNSUPPORTED_MEDIA_TYPE, -22, 415, 3, "the content type is not supported")                    \
    X(UNIMPLEMENTED, -23, 501, 12, "not implemented")                                              \
    X(REQUEST_TIMEOUT, -24, 408, 4, "the request did not arrive in time")                          \
    X(HEADERS_TOO_LARGE, -25, 431, 8, "the headers are larger than the limit")                     \
    X(INTERNAL, -26, 500, 13, "an internal error; it is logged")                                   \
    X(IO, -40, 500, 13, "input or output failed")                                                  \
    X(NO_MEMORY, -41, 503, 8, "out of memory")                                                     \
    X(FULL, -42, 503, 8, "a bounded container is full")                                            \
    X(CORRUPT, -43, 500, 15, "stored data is damaged")                                             \
    X(BUSY, -44, 503, 14, "held by another process")                                               \
    X(CLOSED, -45, 503, 14, "the other side is gone")

enum {
#define X(name, number, http, grpc, text) TLY_E##name = (number),
    TLY_ERRORS(X)
#undef X
};

enum { ERROR_FIELD_MAX = 64, ERROR_TEXT_MAX = 256 };

struct error {
    int code;                    /* TLY_E... */
    char field[ERROR_FIELD_MAX]; /* what is wrong: "lines[2].quantity", a setting, a file; or "" */
    char text[ERROR_TEXT_MAX];   /* one sentence for a person: what is wrong, what would be right */
};

/* Fills `e` (if not NULL) and returns `code`, so that `return error_set(...)` reads well. */
int error_set(struct error *e, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

const char *error_name(int code); /* "SOLD_OUT"; "INTERNAL" for a number not in the table */
const char *error_text(int code);
int error_http(int code); /* 200 for 0 */
int error_grpc(int code); /* 0 for 0 */

#endif
