/* error.h - every error there is, in one table: number, public code, HTTP status, gRPC status,
 * whether retrying helps, text.
 *
 * A function that can fail returns 0 or a negative TLY_E..., and describes the failure in the
 * `struct error` that its caller passed (which may be NULL). On success the struct is left alone.
 */
#ifndef TALLY_BASE_ERROR_H
#define TALLY_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

/* Whether sending the same again can help: only then a refusal carries Retry-After or RetryInfo. A
 * limit that stays, and a rule that is broken, are FINAL; so is an unknown outcome, which is asked
 * for by order_id. */
enum error_retry { ERROR_FINAL, ERROR_PASSES };

/* name, number, HTTP, gRPC, retry, text. The first fourteen are the public contract; the next are
 * refusals of the transport. */
#define TLY_ERRORS(X)                                                                              \
    X(INVALID_ARGUMENT, -1, 400, 3, FINAL, "the request breaks a rule")                            \
    X(NOT_FOUND, -2, 404, 5, FINAL, "there is no such thing")                                      \
    X(SOLD_OUT, -3, 409, 9, FINAL, "fewer units are available than were asked for")                \
    X(INVALID_TRANSITION, -4, 409, 9, FINAL,                                                       \
      "the reservation cannot make this move from its state")                                      \
    X(ALREADY_EXISTS, -5, 409, 6, FINAL, "it exists already")                                      \
    X(ORDER_MISMATCH, -6, 422, 3, FINAL, "this id was used before, with other content")            \
    X(LIMIT_EXCEEDED, -7, 429, 8, FINAL, "a limit is reached that stays")                          \
    X(OVERLOADED, -8, 503, 14, PASSES, "too busy; nothing was done, try again")                    \
    X(UNAVAILABLE, -9, 503, 14, PASSES,                                                            \
      "the ledger is not available; nothing was done, try again")                                  \
    X(OUTCOME_UNKNOWN, -10, 504, 4, FINAL, "the outcome is not known yet; ask for it by order_id") \
    X(VERSION_MISMATCH, -19, 409, 10, FINAL,                                                       \
      "it was changed since the version that the request is for")                                  \
    X(SALE_NOT_OPEN, -11, 409, 9, FINAL, "the sale has not begun")                                 \
    X(SALE_CLOSED, -12, 409, 9, FINAL, "the sale is over")                                         \
    X(GROUP_FULL, -13, 409, 9, FINAL, "the group has no place left")                               \
    X(GROUP_CLOSED, -14, 409, 9, FINAL, "the group is over")                                       \
    X(NOT_ADMITTED, -15, 409, 9, FINAL,                                                            \
      "the sale has a waiting room: come with a ticket that was admitted")                         \
    X(METHOD_NOT_ALLOWED, -20, 405, 12, FINAL, "the resource has no such method")                  \
    X(PAYLOAD_TOO_LARGE, -21, 413, 8, FINAL, "the message is larger than the limit")               \
    X(UNSUPPORTED_MEDIA_TYPE, -22, 415, 3, FINAL, "the content type is not supported")             \
    X(UNIMPLEMENTED, -23, 501, 12, FINAL, "not implemented")                                       \
    X(REQUEST_TIMEOUT, -24, 408, 4, FINAL, "the request did not arrive in time")                   \
    X(HEADERS_TOO_LARGE, -25, 431, 8, FINAL, "the headers are larger than the limit")              \
    X(TARGET_TOO_LONG, -27, 414, 8, FINAL, "the request target is longer than the limit")          \
    X(EXPECTATION_FAILED, -28, 417, 3, FINAL, "what the client expects cannot be met")             \
    X(VERSION_NOT_SUPPORTED, -29, 505, 12, FINAL, "the HTTP version is not supported")             \
    X(GONE, -30, 410, 11, FINAL, "it is not kept any more")                                        \
    X(INTERNAL, -26, 500, 13, FINAL, "an internal error; it is logged")

/* name, number, the public code that it is shown as, text. These never leave the process. */
#define TLY_INTERNAL_ERRORS(X)                                                                     \
    X(IO, -40, INTERNAL, "input or output failed")                                                 \
    X(NO_MEMORY, -41, OVERLOADED, "out of memory")                                                 \
    X(FULL, -42, OVERLOADED, "a bounded container is full")                                        \
    X(CORRUPT, -43, INTERNAL, "stored data is damaged")                                            \
    X(BUSY, -44, OVERLOADED, "held by another process")                                            \
    X(CLOSED, -45, OVERLOADED, "the other side is gone")

enum {
#define X(name, number, http, grpc, retry, text) TLY_E##name = (number),
    TLY_ERRORS(X)
#undef X
#define X(name, number, shown, text) TLY_E##name = (number),
        TLY_INTERNAL_ERRORS(X)
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
/* The code as an answer may carry it: itself if it is public, else what it is shown as; 0 for 0. */
int error_public(int code);
int error_http(int code);    /* of the public code; 200 for 0 */
int error_grpc(int code);    /* of the public code; 0 for 0 */
bool error_passes(int code); /* sending the same again can help */

#endif
