/* auditor.h - the judge of a simulation. It knows what clients asked and heard, and which rows the
 * ledger made durable, keeps a model of its own from the rows alone, and finds where the two, or
 * the rows among themselves, break a promise (I1 to I7 of the design). It shares no code with the
 * engine; of its headers it reads only model.h, for the shape of a row.
 */
#ifndef TALLY_SIM_AUDITOR_H
#define TALLY_SIM_AUDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

enum { AUDIT_WANTS_MAX = 8, AUDIT_LOTS_MAX = 64, AUDIT_ALL_MAX = 4, AUDIT_TEXT_MAX = 400 };

enum audit_kind {
    AUDIT_CREATE,
    AUDIT_ADJUST,
    AUDIT_RESERVE,
    AUDIT_CONFIRM,
    AUDIT_REFUND,
    AUDIT_EXTEND,
    AUDIT_GET_LOT,
    AUDIT_LIST_LOTS,
    AUDIT_CHANGES, /* lots as they were at some time */
    AUDIT_GET_RESERVATION,
    AUDIT_SHIP,
    AUDIT_CHANGE,
    AUDIT_CONFIRM_ALL,
    AUDIT_CREATE_SALE,
    AUDIT_CLOSE_SALE,
    AUDIT_COMPLETE_GROUP,
    AUDIT_GET_GROUP,
    AUDIT_UPDATE_LOT,
    AUDIT_SET, /* the stock of several lots, all or none */
};

/* A line as asked for: a lot, or all lots of a sku (and flavor, and size) that have not expired. */
struct audit_want {
    struct str lot; /* its key; empty: by sku */
    struct str sku;
    struct str flavor; /* may be empty */
    struct str size;   /* may be empty */
    int64_t quantity;
};

enum { AUDIT_ITEMS_MAX = 2 };

/* A sale as it was asked for; 0: no limit. Its texts live as long as the world. */
struct audit_sale_terms {
    struct str sale_id;
    struct audit_want items[AUDIT_ITEMS_MAX]; /* a lot or a sku */
    uint32_t item_count;
    int64_t starts_ms, ends_ms;
    int64_t per_user, per_order, total;
    int64_t hold_ms, extend_ms;
    int64_t window_ms;
    uint32_t group_size; /* 0: no groups */
};

/* Which terms of a lot an ask gives. */
enum audit_sets {
    AUDIT_EXPIRES = 1 << 0,
    AUDIT_EXPECTED = 1 << 1,
    AUDIT_PER_USER = 1 << 2,
    AUDIT_BACKORDER = 1 << 3,
    AUDIT_WITHDRAWN = 1 << 4,
};

/* A row of a stock file, what its quantities mean, and what its ADJUSTs say. */
enum { AUDIT_SET_MAX = 3 };
enum audit_mode { AUDIT_ON_HAND, AUDIT_AVAILABLE };
#define AUDIT_SET_REASON "stock file"
struct audit_set_item {
    struct str key;
    int64_t quantity;
    int32_t expires_on;
    bool counts, dated; /* the two above are given */
};

struct audit_ask {
    struct audit_ask *next;
    enum audit_kind kind;
    uint32_t number;            /* for the trace */
    uint32_t node;              /* the process that it goes to */
    struct str order_id;        /* RESERVE, GET_RESERVATION by order */
    int64_t reservation_id;     /* moves of a hold and GET_RESERVATION, by id */
    struct str by_order;        /* moves of a hold, by order_id; or empty */
    struct str call_id;         /* SHIP, REFUND, CHANGE: done once under that id; or empty */
    struct str payment_id;      /* CONFIRM, CONFIRM_ALL */
    bool reclaim;               /* CONFIRM: also if it has expired */
    bool no_restock;            /* REFUND: the units are not sold again */
    bool fence;                 /* REFUND by order: the order must not come any more */
    int64_t ids[AUDIT_ALL_MAX]; /* CONFIRM_ALL */
    uint32_t id_count;
    enum refund_reason reason; /* REFUND; NONE: whichever */
    struct str user_id;
    uint64_t fingerprint;                       /* RESERVE: of its content */
    struct str sale;                            /* RESERVE, CLOSE_SALE; or empty */
    int64_t group_id;                           /* RESERVE, COMPLETE_GROUP, GET_GROUP; 0: none */
    bool opens;                                 /* RESERVE: the first in a group of its own */
    const struct audit_sale_terms *terms;       /* CREATE_SALE */
    struct str lot;                             /* CREATE, ADJUST, GET_LOT, UPDATE_LOT */
    struct lot_terms lot_terms;                 /* CREATE, UPDATE_LOT: as far as `sets` says */
    uint8_t sets;                               /* bits of enum audit_sets */
    struct audit_set_item items[AUDIT_SET_MAX]; /* SET */
    uint32_t item_count;
    enum audit_mode mode;
    bool existing_only;
    int64_t quantity;         /* CREATE, ADJUST */
    struct str adjustment_id; /* ADJUST, may be empty */
    int64_t hold_ms;          /* RESERVE, EXTEND; 0: the default */
    struct audit_want
        wants[AUDIT_WANTS_MAX]; /* RESERVE, CHANGE; of fewer units; LIST_LOTS: a filter */
    uint32_t want_count;
    lot_id after;       /* LIST_LOTS: the page begins behind it */
    uint32_t page_size; /* LIST_LOTS */
    bool may_be_late;   /* it has a deadline of its own */
    void *context;      /* the caller's */
    /* the auditor's */
    int64_t sent_ms;
    size_t rows_at_send;
    size_t rows_told; /* of them, the process had heard of so many */
    bool ghost;       /* answered with OUTCOME_UNKNOWN: may still happen */
    bool strict;      /* nothing could go wrong: there is one right answer */
    bool caused;      /* a row */
};

struct audit_lot_view {
    lot_id id;
    struct str key;
    struct lot_terms terms;
    struct stock stock;
};

struct audit_answer {
    int code;
    bool from_gate;
    bool from_share; /* SOLD_OUT: of the sale's share */
    bool from_lot;   /* LIMIT_EXCEEDED: of what a user may have of a lot */
    bool replayed;
    int64_t reservation_id;
    int64_t at_ms;
    int64_t expires_ms;
    enum hold_state state;
    enum refund_reason reason;
    const struct line *lines;
    uint32_t line_count;
    const struct line_after *after;    /* of each line; or NULL */
    int64_t available;                 /* SOLD_OUT */
    const struct audit_lot_view *lots; /* look-ups of lots, CREATE, ADJUST */
    uint32_t lot_count;
    lot_id next; /* LIST_LOTS: what the next page begins behind; 0: it was the last */
    const struct reservation_record *record; /* GET_RESERVATION */
    enum group_status group_status;          /* GET_GROUP, COMPLETE_GROUP */
    uint32_t places_left, paid;
};

struct audit_rules {
    int64_t refund_window_ms;
    int64_t hold_total_max_ms;
    int64_t hold_default_ms;
    int64_t hold_max_ms;
    int64_t retention_ms;
    uint32_t holds_max;
    uint32_t user_holds_max; /* 0: any number */
    uint32_t lots_max;
    uint32_t batches_max; /* with the ledger at once */
    bool shared;          /* two processes write */
    bool trusting;  /* shared: they go by what they knew of lots that they take nothing from */
    bool gate_late; /* the gate hears of units that come free when that is committed */
    bool tight;     /* limits are so small that requests may be turned away */
    bool faults;    /* what is not asked strictly may fail */
};

/* What can come of requests and of holds; name, and how often it must have come by the end. */
#define AUDIT_OUTCOMES(X)                                                                          \
    X(LOT_CREATED, "lot created", 1)                                                               \
    X(LOT_EXISTS, "lot there already", 1)                                                          \
    X(TOO_MANY_LOTS, "one lot too many refused", 1)                                                \
    X(HELD_TOO_LONG, "order for too long a time refused", 1)                                       \
    X(SUPPLIED, "units supplied", 1)                                                               \
    X(WRITTEN_OFF, "units written off", 1)                                                         \
    X(ADJUST_REPLAYED, "adjustment replayed", 1)                                                   \
    X(RESERVED, "order reserved", 5)                                                               \
    X(RESERVED_LINES, "order of several lots reserved", 1)                                         \
    X(REPLAYED, "order replayed", 2)                                                               \
    X(MISMATCH, "other content refused", 1)                                                        \
    X(SOLD_OUT, "sold out, says the engine", 1)                                                    \
    X(SOLD_OUT_AT_GATE, "sold out, says the gate", 1)                                              \
    X(NOT_FOUND, "not found", 1)                                                                   \
    X(CONFIRMED, "hold confirmed", 2)                                                              \
    X(PART_CONFIRMED, "hold confirmed in part", 1)                                                 \
    X(CONFIRM_REPLAYED, "confirm replayed", 1)                                                     \
    X(CANCELLED, "hold cancelled", 1)                                                              \
    X(RETURNED, "units returned", 1)                                                               \
    X(REFUND_REPLAYED, "refund replayed", 1)                                                       \
    X(EXTENDED, "hold extended", 1)                                                                \
    X(EXTEND_REPLAYED, "extension that changes nothing", 1)                                        \
    X(TOO_LONG, "extension beyond the limit refused", 1)                                           \
    X(EXPIRED, "hold expired", 1)                                                                  \
    X(RELEASED, "left-over units released", 1)                                                     \
    X(SHIPPED, "units shipped", 1)                                                                 \
    X(SHIP_REPLAYED, "shipment replayed", 1)                                                       \
    X(RETURNED_PART, "units returned in part", 1)                                                  \
    X(RESTOCKED, "shipped units back, and for sale", 1)                                            \
    X(WRITTEN_OFF_BACK, "returned units written off", 1)                                           \
    X(DISCARDED, "shipped units back, and discarded", 1)                                           \
    X(RETURN_REPLAYED, "return replayed by its id", 1)                                             \
    X(CHANGED, "hold changed", 1)                                                                  \
    X(CHANGE_REPLAYED, "change replayed", 1)                                                       \
    X(CHANGE_SOLD_OUT, "change refused, and nothing lost", 1)                                      \
    X(OTHER_CALL, "other content under a call's id refused", 1)                                    \
    X(RECLAIMED, "expired hold taken again", 1)                                                    \
    X(RECLAIM_SOLD_OUT, "late payment for what is gone refused", 1)                                \
    X(FENCED, "order_id fenced", 1)                                                                \
    X(ALL_CONFIRMED, "several confirmed at once", 1)                                               \
    X(ALL_REFUSED, "none of several confirmed", 1)                                                 \
    X(SALE_MADE, "sale made", 1)                                                                   \
    X(SALE_EXISTS, "sale there already", 1)                                                        \
    X(SALE_ENDED, "sale closed", 1)                                                                \
    X(IN_SALE, "order reserved in a sale", 1)                                                      \
    X(NOT_OPEN, "order before a sale refused", 1)                                                  \
    X(CLOSED, "order after a sale refused", 1)                                                     \
    X(USER_LIMIT, "order over a limit refused", 2)                                                 \
    X(SHARE_GONE, "order beyond a sale's share refused", 1)                                        \
    X(GROUP_OPENED, "group opened", 1)                                                             \
    X(GROUP_JOINED, "group joined", 1)                                                             \
    X(GROUP_WAS_FULL, "joining a full group refused", 1)                                           \
    X(GROUP_WAS_OVER, "joining a finished group refused", 1)                                       \
    X(GROUP_SUCCESS, "group succeeded", 1)                                                         \
    X(GROUP_COMPLETED, "group completed by the shop", 1)                                           \
    X(GROUP_FAILURE, "group failed", 1)                                                            \
    X(GROUP_PAID_BACK, "paid member of a failed group given back", 1)                              \
    X(GROUP_SEEN, "group looked up", 1)                                                            \
    X(LOT_UPDATED, "lot given other terms", 1)                                                     \
    X(LOT_LIMIT, "order over a lot's limit refused", 1)                                            \
    X(BACKORDERED, "units sold that are not there yet", 1)                                         \
    X(OWED, "shipment of what has not come refused", 1)                                            \
    X(STOCK_SET, "stock set by a file", 1)                                                         \
    X(SET_REFUSED, "file with a fault refused", 1)                                                 \
    X(FORBIDDEN, "forbidden move refused", 1)                                                      \
    X(LOT_SEEN, "lot looked up", 1)                                                                \
    X(LOTS_LISTED, "lots listed", 1)                                                               \
    X(CHANGES_SEEN, "changes watched", 1)                                                          \
    X(RESERVATION_SEEN, "reservation looked up", 1)

enum audit_outcome {
#define X(name, text, least) AUDIT_OUTCOME_##name,
    AUDIT_OUTCOMES(X)
#undef X
        AUDIT_OUTCOME_COUNT
};

struct auditor;

struct auditor *auditor_create(const struct audit_rules *rules);
void auditor_destroy(struct auditor *a);

/* The first broken promise, as a sentence; NULL while all are kept. */
const char *auditor_finding(const struct auditor *a);

/* A client asks; the ask stays the caller's until it was answered, and as a ghost until
 * auditor_resolved or auditor_crashed gives it back through `freed`. */
void auditor_sent(struct auditor *a, struct audit_ask *ask, int64_t now_ms);
/* True: the auditor keeps the ask as a ghost. */
bool auditor_answered(struct auditor *a, struct audit_ask *ask, const struct audit_answer *answer,
                      int64_t now_ms);
typedef void audit_freed_fn(void *context, struct audit_ask *ask);
/* The process has heard of all that is durable. */
void auditor_told(struct auditor *a);
/* A batch's outcome is unknown, and the process has heard so. */
void auditor_unknown(struct auditor *a, uint32_t node);
/* The unknown outcome is known and the process has heard of it: ghosts are gone. */
void auditor_resolved(struct auditor *a, uint32_t node, audit_freed_fn *freed, void *context);
/* The process is gone, and with it every ask that was not answered. */
void auditor_crashed(struct auditor *a, uint32_t node, audit_freed_fn *freed, void *context);

/* Rows became durable, all at once. `oldest_pending`: what the engine says of holds, see struct
 * batch. */
void auditor_committed(struct auditor *a, const struct move *rows, size_t count,
                       int64_t oldest_pending, int64_t now_ms);

/* From now on, or not: nothing fails, so each request that is sent has one right answer. */
void auditor_strict(struct auditor *a, bool strict);
/* Nothing is under way. */
void auditor_still(struct auditor *a);
/* Nothing is under way: what the gate thinks is available (0 if it is less). */
void auditor_quiet(struct auditor *a, lot_id lot, int64_t gate_units);
/* Nothing is under way: what the server counts. */
struct audit_gauges {
    int64_t lots, holds_pending, units_on_hand, units_reserved, units_confirmed;
};
void auditor_gauges(struct auditor *a, const struct audit_gauges *seen);
/* A watcher has heard of all changes: this is the last that it heard of a lot. */
void auditor_watched(struct auditor *a, lot_id lot, const struct stock *last);
/* From now on nothing fails and every deadline is kept to the millisecond. */
void auditor_calm(struct auditor *a, int64_t now_ms);
/* All holds must have ended. */
void auditor_drained(struct auditor *a);
/* The end: each outcome must have come as often as it has to. */
void auditor_ends(struct auditor *a);
uint32_t auditor_outcomes(const struct auditor *a, enum audit_outcome outcome);

const char *audit_kind_name(enum audit_kind kind);
size_t auditor_ask_count(const struct auditor *a); /* not ghosts */
lot_id auditor_lot_count(const struct auditor *a);
struct str auditor_lot_key(const struct auditor *a, lot_id lot);
/* Units that can be sold of it. */
int64_t auditor_sellable(const struct auditor *a, lot_id lot);

#endif
