/* call.h - calls and answers as the load generator sees them, whatever the protocol. */
#ifndef TALLY_LOADGEN_CALL_H
#define TALLY_LOADGEN_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOT_KEY_SIZE = 96, ORDER_ID_SIZE = 26, USER_ID_SIZE = 12, RUN_ID_SIZE = 13 };

/* name, name for the user */
#define CALL_KINDS(X)                                                                              \
    X(RESERVE, "Reserve")                                                                          \
    X(RESERVE_BATCH, "ReserveBatch")                                                               \
    X(CONFIRM, "Confirm")                                                                          \
    X(REFUND, "Refund")                                                                            \
    X(GET_LOT, "GetLot")                                                                           \
    X(GET_ORDER, "GetReservation")

enum call_kind {
#define X(name, text) CALL_##name,
    CALL_KINDS(X)
#undef X
        CALL_KIND_COUNT
};

/* name, group, name for the user. Groups: OK; REFUSED, which is about stock and as it should be
 * when nothing is left; ERROR, which is not. */
#define ANSWER_CODES(X)                                                                            \
    X(OK, OK, "OK")                                                                                \
    X(SOLD_OUT, REFUSED, "SOLD_OUT")                                                               \
    X(LIMIT_EXCEEDED, REFUSED, "LIMIT_EXCEEDED")                                                   \
    X(INVALID_ARGUMENT, ERROR, "INVALID_ARGUMENT")                                                 \
    X(NOT_FOUND, ERROR, "NOT_FOUND")                                                               \
    X(INVALID_TRANSITION, ERROR, "INVALID_TRANSITION")                                             \
    X(ALREADY_EXISTS, ERROR, "ALREADY_EXISTS")                                                     \
    X(ORDER_MISMATCH, ERROR, "ORDER_MISMATCH")                                                     \
    X(OVERLOADED, ERROR, "OVERLOADED")                                                             \
    X(UNAVAILABLE, ERROR, "UNAVAILABLE")                                                           \
    X(OUTCOME_UNKNOWN, ERROR, "OUTCOME_UNKNOWN")                                                   \
    X(OTHER, ERROR, "other refusal")         /* a code or status that is none of these */          \
    X(MALFORMED, ERROR, "malformed answer")  /* not what the contract says */                      \
    X(RESET, ERROR, "stream reset")          /* HTTP/2 */                                          \
    X(CLOSED, ERROR, "connection closed")    /* while the call was on its way */                   \
    X(TIMED_OUT, ERROR, "no answer in time") /* --timeout-ms after it was sent */                  \
    X(NOT_SENT, ERROR, "not sent in time")   /* --timeout-ms after it was due; never sent */

enum answer_code {
#define X(name, group, text) ANSWER_##name,
    ANSWER_CODES(X)
#undef X
        ANSWER_CODE_COUNT
};

enum answer_group { ANSWER_GROUP_OK, ANSWER_GROUP_REFUSED, ANSWER_GROUP_ERROR };
enum answer_group answer_group(enum answer_code c);
const char *answer_text(enum answer_code c);
const char *call_text(enum call_kind k);
/* By the server's name of it ("SOLD_OUT"); ANSWER_OTHER for one that is not listed. */
enum answer_code answer_parse(const char *name, size_t size);
/* Whether an answer to the call came at all. */
bool answer_came(enum answer_code c);
/* Whether the call may have taken effect although it was not answered well: OUTCOME_UNKNOWN, OTHER,
 * MALFORMED, RESET, CLOSED, TIMED_OUT, ... */
bool answer_in_doubt(enum answer_code c);

enum hold_status { HOLD_NONE, HOLD_PENDING, HOLD_CONFIRMED, HOLD_REFUNDED };

/* One call. `order` is a number from which the order_id and the user_id are made; `tag` is the
 * caller's own. */
struct call {
    enum call_kind kind;
    uint32_t lot;            /* index into the target's lots: RESERVE*, GET_LOT, GET_ORDER */
    uint32_t quantity;       /* RESERVE* */
    uint32_t batch;          /* RESERVE_BATCH: orders `order` to `order` + batch - 1 */
    uint64_t order;          /* RESERVE*, GET_ORDER; the others may leave it 0 */
    uint64_t reservation_id; /* CONFIRM, REFUND */
    uint32_t hold_ms;        /* RESERVE*; 0: the server's default */
    uint32_t stage;          /* in which it was due */
    uint32_t connection;     /* worker_options.phased: where it goes, counted within the worker */
    uint64_t tag;
    uint64_t due_ns, sent_ns; /* monotonic; sent_ns 0: not yet */
};

struct answer {
    enum answer_code code;
    bool replayed;
    /* RESERVE, CONFIRM, REFUND, GET_ORDER, if OK */
    uint64_t reservation_id;
    enum hold_status status;
    int64_t quantity;       /* of all lines together */
    uint32_t lines;         /* how many */
    bool lot_matches;       /* GET_ORDER, RESERVE: the first line's lot is the call's */
    uint32_t reserve_moves; /* GET_ORDER: RESERVE moves in the history */
    int64_t expires_at_ms;  /* GET_ORDER: Unix time; 0 if not told */
    bool expired;           /* REFUNDED for the reason EXPIRED */
    /* GET_LOT, if OK */
    int64_t on_hand, reserved, confirmed, available, version;
    /* RESERVE_BATCH, if OK: one for each order; valid during the callback */
    const struct batch_outcome {
        enum answer_code code;
        bool replayed;
        uint64_t reservation_id;
    } * outcomes;
    uint32_t outcome_count;
};

/* "0123456789ab-00000000002a": the run, then the order's number (48 bits) in hex. `out` is not
 * terminated. */
void order_id_write(char out[ORDER_ID_SIZE - 1], const char run[RUN_ID_SIZE], uint64_t order);
/* "buyer-00042": one of 100,000 buyers. `out` is not terminated. */
void user_id_write(char out[USER_ID_SIZE - 1], uint64_t order);

#endif
