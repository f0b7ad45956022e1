/* call.h - calls and answers as the load generator sees them, whatever the protocol. */
#ifndef TALLY_LOADGEN_CALL_H
#define TALLY_LOADGEN_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOT_KEY_SIZE = 96,
    ORDER_ID_SIZE = 26,
    USER_ID_SIZE = 12,
    RUN_ID_SIZE = 13,
    SALE_ID_SIZE = 19
};

/* name, name for the user */
#define CALL_KINDS(X)                                                                              \
    X(RESERVE, "Reserve")                                                                          \
    X(RESERVE_BATCH, "ReserveBatch")                                                               \
    X(CONFIRM, "Confirm")                                                                          \
    X(REFUND, "Refund")                                                                            \
    X(GET_LOT, "GetLot")                                                                           \
    X(GET_ORDER, "GetReservation")                                                                 \
    X(OPEN_GROUP, "OpenGroup") /* with the opener's order */                                       \
    X(GET_GROUP, "GetGroup")                                                                       \
    X(GET_SALE, "GetSale")

enum call_kind {
#define X(name, text) CALL_##name,
    CALL_KINDS(X)
#undef X
        CALL_KIND_COUNT
};

/* name, group, name for the user. Groups: OK; REFUSED, which is about stock, a limit or a sale's
 * time, and as it should be when nothing is left; ERROR, which is not. */
#define ANSWER_CODES(X)                                                                            \
    X(OK, OK, "OK")                                                                                \
    X(SOLD_OUT, REFUSED, "SOLD_OUT")                                                               \
    X(LIMIT_EXCEEDED, REFUSED, "LIMIT_EXCEEDED")                                                   \
    X(SALE_NOT_OPEN, REFUSED, "SALE_NOT_OPEN")                                                     \
    X(SALE_CLOSED, REFUSED, "SALE_CLOSED")                                                         \
    X(GROUP_FULL, REFUSED, "GROUP_FULL")                                                           \
    X(GROUP_CLOSED, REFUSED, "GROUP_CLOSED")                                                       \
    X(TOO_LATE, REFUSED, "too late") /* INVALID_TRANSITION, the group's window being over */       \
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
enum group_status { GROUP_NONE, GROUP_OPEN, GROUP_SUCCEEDED, GROUP_FAILED };

/* One call. `order` is a number from which the order_id and the user_id are made; `tag` is the
 * caller's own. The sale is the target's. */
struct call {
    enum call_kind kind;
    bool in_sale;            /* RESERVE: in the sale; OPEN_GROUP is in any case */
    uint32_t lot;            /* index into the target's lots: orders, GET_LOT, GET_ORDER */
    uint32_t quantity;       /* of an order: RESERVE*, OPEN_GROUP */
    uint32_t batch;          /* RESERVE_BATCH: orders `order` to `order` + batch - 1 */
    uint64_t order;          /* of orders, and GET_ORDER; the others may leave it 0 */
    uint64_t buyer;          /* of orders in the sale: buyer_id_write() */
    uint64_t group_id;       /* RESERVE in the sale: to join, 0: none; GET_GROUP */
    uint64_t reservation_id; /* CONFIRM, REFUND */
    uint32_t hold_ms;        /* of an order; 0: the server's default */
    uint32_t stage;          /* in which it was due */
    uint32_t connection;     /* worker_options.phased: where it goes, counted within the worker */
    uint64_t tag;
    uint64_t due_ns, sent_ns; /* monotonic; sent_ns 0: not yet */
};

struct answer {
    enum answer_code code;
    bool replayed;
    /* RESERVE, CONFIRM, REFUND, GET_ORDER, OPEN_GROUP, if OK */
    uint64_t reservation_id;
    enum hold_status status;
    int64_t quantity;       /* of all lines together */
    uint32_t lines;         /* how many */
    bool lot_matches;       /* GET_ORDER, orders: the first line's lot is the call's */
    uint32_t reserve_moves; /* GET_ORDER: RESERVE moves in the history */
    int64_t expires_at_ms;  /* GET_ORDER: Unix time; 0 if not told */
    bool expired;           /* REFUNDED for the reason EXPIRED */
    bool group_failed;      /* ... GROUP_FAILED */
    bool in_sale;           /* GET_ORDER, orders: it is in the target's sale */
    uint64_t group_id;      /* ... in this group, 0: in none; GET_GROUP: that group */
    /* OPEN_GROUP, GET_GROUP, if OK */
    enum group_status group;
    int64_t places, places_left, paid, remaining_ms;
    /* GET_SALE, if OK */
    bool sale_open;
    int64_t starts_in_ms, units_pending, units_confirmed, units_left;
    int64_t groups_open, groups_succeeded, groups_failed;
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
/* "b002a0000ff": a buyer in a sale, one for each number: thread and 32 bits of the index in hex.
 * `out` is not terminated. */
void buyer_id_write(char out[USER_ID_SIZE - 1], uint64_t buyer);
/* Who places an order: by its number, or in a sale the call's buyer. */
void call_user_write(char out[USER_ID_SIZE - 1], const struct call *call, uint64_t order);
/* Whether the call places an order in the target's sale. */
bool call_is_in_sale(const struct call *call);

#endif
