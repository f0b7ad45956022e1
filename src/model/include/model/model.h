/* model.h - the domain's words as types: lots, moves, reservations. Used by the engine, by the
 * ledger port, and by whoever talks to them. Times are ledger time (Unix milliseconds).
 */
#ifndef TALLY_MODEL_MODEL_H
#define TALLY_MODEL_MODEL_H

#include <stdint.h>

#include "base/limits.h"
#include "base/str.h"

/* What a row of the log of moves does, per unit of its quantity, to its lot's three counters.
 * The numbers are stored; never renumber. name, number, on_hand, reserved, confirmed */
#define MOVE_KINDS(X)                                                                              \
    X(CREATE, 1, +1, 0, 0)   /* a lot and its first units */                                       \
    X(ADJUST, 2, +1, 0, 0)   /* units supplied or written off; quantity may be negative */         \
    X(RESERVE, 3, 0, +1, 0)  /* an order's hold begins: PENDING */                                 \
    X(CONFIRM, 4, 0, -1, +1) /* PENDING to CONFIRMED */                                            \
    X(RELEASE, 5, 0, -1, 0)  /* the units that a CONFIRM of fewer left over; follows it at once */ \
    X(REFUND, 6, 0, -1, 0)   /* PENDING to REFUNDED */                                             \
    X(RETURN, 7, 0, 0, -1)   /* CONFIRMED to REFUNDED */                                           \
    X(EXTEND, 8, 0, 0, 0)    /* a PENDING hold's new deadline */

enum move_kind {
#define X(name, number, on_hand, reserved, confirmed) MOVE_##name = (number),
    MOVE_KINDS(X)
#undef X
};

enum hold_state { HOLD_PENDING = 1, HOLD_CONFIRMED = 2, HOLD_REFUNDED = 3 };

/* Why a reservation is REFUNDED. The numbers are stored. */
#define REFUND_REASONS(X)                                                                          \
    X(NONE, 0) X(EXPIRED, 1) X(CANCELLED, 2) X(RETURNED, 3) X(GROUP_FAILED, 4) X(UNSETTLED, 5)

enum refund_reason {
#define X(name, number) REASON_##name = (number),
    REFUND_REASONS(X)
#undef X
};

const char *move_kind_name(enum move_kind kind);           /* "RESERVE"; "?" for others */
const char *hold_state_name(enum hold_state state);        /* "PENDING" */
const char *refund_reason_name(enum refund_reason reason); /* "EXPIRED"; "" for NONE */
/* The reason of that name (not NONE), or -1. */
int refund_reason_parse(struct str name);

/* A lot's dimensions: immutable. `key` is sku#hhhhhhhh. expires_on is a date as days since
 * 1970-01-01, the last day on which the lot may be sold (UTC), or LOT_NEVER_EXPIRES. */
#define LOT_NEVER_EXPIRES INT32_MAX
struct lot_dims {
    struct str key;
    struct str sku;
    struct str flavor;
    struct str size;
    struct str batch;
    int32_t expires_on;
};

/* available = on_hand - reserved - confirmed; all four >= 0 at every instant (I1). */
struct stock {
    int64_t on_hand;
    int64_t reserved;
    int64_t confirmed;
    int64_t version; /* number of moves that touched the lot */
};

/* Lots are numbered from 1 in order of creation, without gaps; 0 means "no lot". */
typedef uint32_t lot_id;

struct line {
    lot_id lot;
    int64_t quantity;
};

/* What a decision changes of a lot's available units; may be negative. */
struct gate_delta {
    lot_id lot;
    int64_t units;
};

/* One row of the log. Sequence numbers grow strictly; a reservation's id is the seq of its RESERVE.
 *
 * seq = milliseconds since 2020-01-01T00:00Z (41 bits) | node (10 bits) | counter (12 bits).
 * When a millisecond's 4,096 numbers are used up, the next millisecond's are taken ahead of time.
 *
 * A move of one line has line_count 1 and its lot and quantity in `line`; one of several lines has
 * `lines` (ascending lot, no lot twice), line.lot 0 and line.quantity their sum. EXTEND carries the
 * reservation's lines too, so that it can be shown; it moves no units. */
struct move {
    int64_t seq;
    int64_t reservation_id; /* RESERVE: equal to seq. CREATE, ADJUST: 0 */
    int64_t at_ms;
    int64_t deadline_ms; /* RESERVE, EXTEND; else 0 */
    uint8_t kind;
    uint8_t reason; /* REFUND, RETURN */
    uint16_t line_count;
    struct line line;
    const struct line *lines;    /* line_count > 1 */
    struct str order_id;         /* RESERVE only */
    struct str user_id;          /* RESERVE only */
    struct str detail;           /* CONFIRM: payment_id. ADJUST: adjustment_id, or "" */
    struct str note;             /* ADJUST: reason */
    const struct lot_dims *dims; /* CREATE only */
    uint64_t order_hash;  /* RESERVE: hash64(order_id, data folder's seed); not stored by all */
    uint64_t fingerprint; /* RESERVE: of the order's content, under that seed; 0 in old rows */
};

/* The strings and lines that a move points to live until its batch's outcome was delivered. */

enum {
    SEQ_COUNTER_BITS = 12,
    SEQ_NODE_BITS = 10,
    NODE_MAX = (1 << SEQ_NODE_BITS) - 1,
};
#define SEQ_EPOCH_MS INT64_C(1577836800000) /* 2020-01-01T00:00:00Z */

static inline int64_t seq_first_of_ms(int64_t unix_ms)
{
    return (unix_ms - SEQ_EPOCH_MS) * (INT64_C(1) << (SEQ_COUNTER_BITS + SEQ_NODE_BITS));
}

static inline int64_t seq_ms(int64_t seq)
{
    return (seq >> (SEQ_COUNTER_BITS + SEQ_NODE_BITS)) + SEQ_EPOCH_MS;
}

/* The hash under which the order index knows an adjustment_id: not that of an order_id of the same
 * text. At most ADJUSTMENT_ID_MAX bytes. */
uint64_t adjustment_hash(struct str adjustment_id, uint64_t seed);

/* What the ledger knows of one reservation: all that a look-up shows. One malloc'ed block with its
 * strings and arrays inside; the receiver frees it with free(). */
struct reservation_move {
    int64_t seq;
    int64_t at_ms;
    int64_t deadline_ms;
    int64_t quantity;
    uint8_t kind;
    uint8_t reason;
    struct str detail;
};

struct reservation_record {
    int64_t reservation_id;
    enum hold_state state;
    enum refund_reason reason;
    int64_t created_ms;
    int64_t deadline_ms;  /* the newest */
    int64_t confirmed_ms; /* 0 if it never was */
    struct str order_id;
    struct str user_id;
    struct str payment_id;
    uint64_t fingerprint; /* as in its RESERVE */
    uint32_t line_count;
    uint32_t move_count;
    struct line *lines;          /* as held now: after a partial confirm, what was confirmed */
    struct line *reserved_lines; /* as reserved at first; line_count_reserved of them */
    uint32_t line_count_reserved;
    struct reservation_move *moves; /* oldest first */
};

#endif
