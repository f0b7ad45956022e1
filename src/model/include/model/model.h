/* model.h - the domain's words as types: lots, moves, reservations. Used by the engine, by the
 * ledger port, and by whoever talks to them. Times are ledger time (Unix milliseconds).
 */
#ifndef TALLY_MODEL_MODEL_H
#define TALLY_MODEL_MODEL_H

#include <stdbool.h>
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
    X(EXTEND, 8, 0, 0, 0)    /* a PENDING hold's new deadline */                                   \
    X(SHIP, 9, -1, 0, -1)    /* CONFIRMED units left the house */                                  \
    X(RESTOCK, 10, +1, 0, 0) /* shipped units came back, and are sold again */                     \
    X(WRITE_OFF, 11, -1, 0, -1) /* CONFIRMED units that never left, and are not sold again */      \
    X(DISCARD, 12, 0, 0, 0)     /* shipped units came back, and are not sold again */              \
    X(CHANGE, 13, 0, +1, 0)    /* a PENDING hold's lines; by differences, which may be negative */ \
    X(RECLAIM, 14, 0, 0, +1)   /* a hold that had expired, taken again and CONFIRMED at once */    \
    X(FENCE, 15, 0, 0, 0)      /* an order_id taken by its cancel: REFUNDED from the start */      \
    X(LOT_TERMS, 16, 0, 0, 0)  /* a lot's new terms */                                             \
    X(SALE, 17, 0, 0, 0)       /* a sale as it stands from now on */                               \
    X(GROUP_OPEN, 18, 0, 0, 0) /* a group of buyers */                                             \
    X(GROUP_SUCCEED, 19, 0, 0, 0) /* its members' orders are final */                              \
    X(GROUP_FAIL, 20, 0, 0, 0)    /* its members' orders are given back, in the same batch */

enum move_kind {
#define X(name, number, on_hand, reserved, confirmed) MOVE_##name = (number),
    MOVE_KINDS(X)
#undef X
};

enum { MOVE_KIND_FIRST = MOVE_CREATE, MOVE_KIND_LAST = MOVE_GROUP_FAIL };

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
 * 1970-01-01, the last day on which the lot may be sold (in the zone of the shop's choosing), or
 * LOT_NEVER_EXPIRES: as it was when the lot was read, or created. The lot's terms have the present
 * one. */
#define LOT_NEVER_EXPIRES INT32_MAX
struct lot_dims {
    struct str key;
    int32_t expires_on;
    struct str sku;
    struct str flavor;
    struct str size;
    struct str batch;
};

/* What a lot is sold on; changed by LOT_TERMS. */
struct lot_terms {
    int32_t expires_on;      /* as in lot_dims: the last day of sale */
    int32_t expected_on;     /* the day on which more units come; LOT_NEVER_EXPIRES: not known */
    int64_t per_user_limit;  /* units of one user outside sales; 0: no limit */
    int64_t backorder_limit; /* available may fall to minus this */
    int64_t backorder_most;  /* the highest backorder_limit that it ever had */
    bool withdrawn;          /* sells nothing */
};

static inline struct lot_terms lot_terms_plain(const struct lot_dims *dims)
{
    return (struct lot_terms){.expires_on = dims->expires_on, .expected_on = LOT_NEVER_EXPIRES};
}

/* available = on_hand - reserved - confirmed; the other three are >= 0 at every instant, and
 * available is >= -backorder_limit when units are taken (I1). */
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

/* Units by what they are: a sku, and those of its dimensions that matter; the others are empty. */
struct goods {
    struct str sku;
    struct str flavor;
    struct str size;
    struct str batch;
};

/* What became of a line's units after buying. */
struct line_after {
    int64_t shipped;     /* have left the house, whether they came back or not */
    int64_t returned;    /* were given back after the confirm, shipped or not */
    int64_t backordered; /* are not there yet */
};

/* Sales are numbered from 1 in order of creation, without gaps; 0 means "no sale". */
typedef uint32_t sale_number;

enum queue_mode { QUEUE_NONE, QUEUE_FIRST_COME, QUEUE_DRAWN };

/* What a sale sells: a lot, or (lot 0) all lots of a sku. */
struct sale_item {
    lot_id lot;
    struct str sku;
};

/* A sale as it stands. 0 in a limit means that there is none. */
struct sale_terms {
    sale_number number;
    struct str sale_id;
    struct str title;
    int64_t starts_ms;
    int64_t ends_ms;
    int64_t closed_ms; /* by hand; 0: it was not */
    int64_t per_user_limit;
    int64_t per_order_limit;
    int64_t total_limit;
    int64_t hold_ms;               /* of its orders, at most; 0: the default of all */
    int64_t payment_extend_ms_max; /* how far EXTEND may go beyond an order's first deadline */
    int64_t group_window_ms;
    uint16_t group_size; /* 0: a sale without groups */
    uint8_t queue;       /* enum queue_mode */
    uint16_t item_count;
    const struct sale_item *items;
};

enum group_status { GROUP_IS_OPEN = 1, GROUP_SUCCEEDED = 2, GROUP_FAILED = 3 };
const char *group_status_name(enum group_status status); /* "OPEN" */
const char *queue_mode_name(enum queue_mode mode);       /* "FIRST_COME"; "" for none */

/* What a decision changes of a lot's available units; may be negative. */
struct gate_delta {
    lot_id lot;
    int64_t units;
};

/* A CHANGE may take all lines of an order away and put as many others in their place. */
enum { MOVE_LINES_MAX = 2 * ORDER_LINES_MAX };

/* One row of the log. Sequence numbers grow strictly; a reservation's id is the seq of its RESERVE.
 *
 * seq = milliseconds since 2020-01-01T00:00Z (41 bits) | node (10 bits) | counter (12 bits).
 * When a millisecond's 4,096 numbers are used up, the next millisecond's are taken ahead of time.
 *
 * A move of one line has line_count 1 and its lot and quantity in `line`; one of several lines has
 * `lines` (ascending lot, no lot twice), line.lot 0 and line.quantity their sum. EXTEND carries the
 * reservation's lines too, so that it can be shown; it moves no units. LOT_TERMS has the lot's new
 * backorder_limit as its quantity, and moves none either. FENCE, SALE and GROUP_... have no lines:
 * line_count 0; GROUP_OPEN has the group's size in line.quantity. */
struct move {
    int64_t seq;
    int64_t reservation_id; /* RESERVE, FENCE: equal to seq. Of no reservation: 0 */
    int64_t at_ms;
    int64_t deadline_ms; /* RESERVE, EXTEND; GROUP_OPEN: when it ends; else 0 */
    int64_t group_id;    /* RESERVE: the group it joins; GROUP_...: the seq of its GROUP_OPEN */
    sale_number sale;    /* RESERVE, GROUP_..., SALE; else 0 */
    uint8_t kind;
    uint8_t reason; /* of what makes a reservation REFUNDED */
    uint16_t line_count;
    struct line line;
    const struct line *lines; /* line_count > 1 */
    struct str order_id;      /* RESERVE, FENCE */
    struct str user_id;       /* RESERVE; GROUP_OPEN: who opened it */
    struct str detail; /* CONFIRM, RECLAIM: payment_id. ADJUST: adjustment_id. SHIP: shipment_id.
                          RETURN, RESTOCK, WRITE_OFF, DISCARD: return_id. CHANGE: change_id.
                          Or "" */
    struct str note;   /* ADJUST, GROUP_SUCCEED by an operator, SALE: why */
    const struct lot_dims *dims; /* CREATE only */
    union {
        const struct lot_terms *terms;       /* CREATE, LOT_TERMS */
        const struct sale_terms *sale_terms; /* SALE */
    };
    uint64_t
        order_hash; /* RESERVE, FENCE: hash64(order_id, data folder's seed); not stored by all */
    uint64_t
        fingerprint; /* RESERVE: of the order's content, under that seed; 0 in old rows. With an
                        id in `detail` of SHIP, CHANGE and returns: of that call's content */
};

/* A reservation begins with it. */
static inline bool move_begins(const struct move *m)
{
    return m->kind == MOVE_RESERVE || m->kind == MOVE_FENCE;
}

static inline bool move_has_no_lines(enum move_kind kind)
{
    return kind == MOVE_FENCE || kind >= MOVE_SALE;
}

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
    uint64_t fingerprint; /* of SHIP, CHANGE and returns */
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
    int64_t group_id;     /* 0: none */
    sale_number sale;     /* 0: none */
    bool fence;           /* it began with a FENCE: has no lines */
    uint32_t line_count;
    uint32_t move_count;
    struct line *lines;          /* as held now: after a partial confirm, what was confirmed;
                                    shipped and returned units are still counted */
    struct line_after *after;    /* of each of `lines`: shipped and returned */
    struct line *reserved_lines; /* as last held while PENDING; line_count_reserved of them */
    uint32_t line_count_reserved;
    struct reservation_move *moves; /* oldest first */
};

#endif
