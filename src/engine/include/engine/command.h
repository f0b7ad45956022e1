/* command.h - what the engine is asked, and what it answers, in one struct.
 *
 * A command belongs to whoever made it (an I/O worker). From engine_command() until it comes back
 * through engine_replies() the engine owns it and everything it points to, and the ledger may read
 * it; nobody else touches it. The engine allocates nothing for it: results are written into it and
 * into the arrays that it points to.
 */
#ifndef TALLY_ENGINE_COMMAND_H
#define TALLY_ENGINE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "ledger/ledger.h"
#include "model/model.h"

enum command_kind {
    COMMAND_CREATE_LOT,
    COMMAND_GET_LOT,
    COMMAND_LIST_LOTS,
    COMMAND_LOT_CHANGES, /* lots changed since a change number, for watchers */
    COMMAND_ADJUST,
    COMMAND_SET_STOCK, /* of many lots, all or none */
    COMMAND_RESERVE,
    COMMAND_RESERVE_BATCH,
    COMMAND_CONFIRM,
    COMMAND_REFUND,
    COMMAND_EXTEND,
    COMMAND_SHIP,
    COMMAND_CHANGE, /* a PENDING hold's lines */
    COMMAND_CONFIRM_ALL,
    COMMAND_UPDATE_LOT,
    COMMAND_CREATE_SALE,
    COMMAND_UPDATE_SALE,
    COMMAND_CLOSE_SALE,
    COMMAND_GET_SALE,
    COMMAND_LIST_SALES,
    COMMAND_OPEN_GROUP, /* alone, or with its opener's order */
    COMMAND_GET_GROUP,
    COMMAND_COMPLETE_GROUP,
    COMMAND_LIST_RESERVATIONS,
    COMMAND_GET_RESERVATION, /* by reservation_id, or by order_id if that is 0 */
    COMMAND_STATS,
    COMMAND_KINDS
};

/* Why a line of an order cannot be served. */
enum want_trouble {
    WANT_SERVED,        /* nothing is wrong with it */
    WANT_SHORT,         /* fewer units are available */
    WANT_EXPIRED,       /* all that is left of it has expired */
    WANT_NO_LOT,        /* there is no such lot */
    WANT_NO_SKU,        /* there is no such sku */
    WANT_NO_MATCH,      /* the sku has no lot of those dimensions */
    WANT_NO_FLAVOR,     /* the sku does not have the flavor */
    WANT_TOO_MANY_LOTS, /* it takes more lots than an answer can list */
    WANT_WITHDRAWN,     /* the lot is withdrawn from sale */
};

/* What a count of units means. */
/* Of SET_AVAILABLE, 0 is what a lot has that owes units: it stays as it is. */
enum set_mode { SET_ON_HAND, SET_AVAILABLE };
enum set_action { SET_PASSED, SET_SAME, SET_CREATE, SET_RAISE, SET_LOWER };
enum set_fault {
    SET_FINE,
    SET_COLLIDES,     /* the key is that of another lot */
    SET_OTHER_EXPIRY, /* the lot has another expires_on */
    SET_HELD,         /* more units are held than there would be */
    SET_TOO_MANY,     /* more than QUANTITY_MAX units */
    SET_NO_QUANTITY,  /* a new lot needs one */
    SET_LOTS_MAX,     /* there are as many lots as there may be */
};

/* A lot and what its stock shall be. */
struct set_item {
    struct lot_dims dims; /* asked */
    int64_t quantity;
    bool counts; /* a quantity is given; else the stock stays as it is */
    bool dated;  /* expires_on is given */
    /* answered */
    uint8_t action; /* enum set_action */
    uint8_t fault;  /* enum set_fault */
    int64_t delta;  /* of on_hand */
    int64_t held;
    lot_id lot;
};

/* Why an order is refused that is not its lines' fault. */
enum order_trouble {
    ORDER_WELL,
    ORDER_HOLDS_MAX,    /* OVERLOADED: all the server's holds */
    ORDER_USER_ENTRIES, /* OVERLOADED: what counts towards limits of users (user_entries_max) */
    ORDER_BACKORDERS,   /* OVERLOADED: orders that wait for units (backorders_max) */
    ORDER_USER_HOLDS,   /* LIMIT_EXCEEDED: PENDING holds of the user (user_holds_max) */
    ORDER_USER_SALE,    /* LIMIT_EXCEEDED: units of the user in the sale */
    ORDER_USER_LOT,     /* LIMIT_EXCEEDED: units of the user of the failed line's lot */
    ORDER_TOO_LARGE,    /* LIMIT_EXCEEDED: the sale's per_order_limit */
    ORDER_SALE_SHARE,   /* SOLD_OUT: the sale's total_limit; `available` is what is left of it */
    ORDER_NOT_IN_SALE,  /* INVALID_ARGUMENT: the failed line's lot is not in the sale */
    ORDER_NO_SALE,      /* NOT_FOUND: there is no such sale */
    ORDER_NO_GROUP,     /* NOT_FOUND: there is no such group in the sale */
    ORDER_IN_GROUP,     /* LIMIT_EXCEEDED: the user has a place in the group already */
};

/* Orders that count towards a limit, at most this many are told. */
enum { LIMIT_ORDERS_MAX = 16 };
struct limit_order {
    int64_t reservation_id;
    char order_id[ORDER_ID_MAX];
    uint8_t order_id_len; /* 0: not known at this moment */
};

/* One line as it was asked for: a lot by key, or a sku with some or all of its dimensions. Empty
 * strings are "not given". `sku` given and batch empty: first-expired-first-out over batches. */
struct want {
    struct str lot;   /* lot key, or empty */
    int64_t quantity; /* 1..QUANTITY_MAX, checked by the caller */
    lot_id lot_hint;  /* the gate's guess at the number of `lot`; 0 if none. The engine checks it */
    bool gate_taken;  /* the gate took `quantity` units of lot_hint for this line */
    uint8_t trouble;  /* answered with the three at the end; enum want_trouble */
    union {
        struct goods goods;
        struct {
            struct str sku;
            struct str flavor;
            struct str size;
            struct str batch;
        };
    };
    /* answered, of every line, where the order is refused for its lines */
    int64_t available;  /* WANT_SHORT: units of what it names, without the expired */
    int64_t for_others; /* WANT_SHORT: those of them that the order's other lines take */
    int64_t expired;    /* WANT_SHORT, WANT_EXPIRED: units that have expired */
};

/* A lot and its stock, as answers show it. The strings of `dims` live as long as the engine. */
struct lot_view {
    lot_id id;
    const struct lot_dims *dims;
    struct lot_terms terms;
    struct stock stock;
};

/* The engine's notes while it finds out whether an order_id was used before. */
struct order_search {
    struct reservation_record *record; /* what a read found; the engine frees it */
    int64_t ruled_out[2];              /* reservations that turned out to be of other order_ids */
    uint8_t ruled_out_count;
    bool group_asked; /* a group that is not in memory, */
    bool group_found; /* and there was one: it is over */
    bool disk_asked;  /* the part of the index on disk doesn't know it */
    uint32_t stored;  /* segments that were on disk when it was asked; see engine_internal.h */
};

/* A group, as answers show it. */
struct group_view {
    int64_t group_id;
    sale_number sale;
    struct str sale_id; /* lives as long as the engine */
    enum group_status status;
    uint16_t size;
    uint16_t places_left;
    uint16_t paid;
    int64_t opened_ms;
    int64_t ends_ms;
    int64_t ended_ms; /* 0: it is OPEN */
};

/* Where a command keeps its own copy of a sale's terms: they may be changed at any time. */
struct sale_copy {
    char texts[SALE_ID_MAX + SALE_TITLE_MAX];
    struct sale_item items[SALE_ITEMS_MAX]; /* skus' texts live as long as the engine */
};

/* What UPDATE_SALE sets. */
enum sale_field {
    SALE_TITLE = 1 << 0,
    SALE_STARTS = 1 << 1,
    SALE_ENDS = 1 << 2,
    SALE_PER_USER = 1 << 3,
    SALE_PER_ORDER = 1 << 4,
    SALE_TOTAL = 1 << 5,
    SALE_HOLD = 1 << 6,
    SALE_EXTEND = 1 << 7,
    SALE_GROUP = 1 << 8, /* size and window */
    SALE_ITEMS = 1 << 9,
    SALE_QUEUE = 1 << 10,
};

/* A sale, as answers show it. */
struct sale_view {
    struct sale_terms terms; /* its texts and items in the command's copy */
    int64_t now_ms;          /* the server's time that the rest was judged by */
    int64_t created_ms;
    bool whole; /* the rest is of all its orders; false: of a sale that was over when the process
                   began, and may lack some */
    int64_t units_pending;   /* of its orders */
    int64_t units_confirmed; /* of its orders, shipped ones too */
    int64_t units_left;      /* of its share and its lots: as many could still be sold */
    int64_t orders_made;     /* ever */
    int64_t orders_back;     /* of them, ended before they were paid */
    uint32_t groups_open;
    uint32_t groups_succeeded;
    uint32_t groups_failed;
};

/* What an order may have besides: it is in a sale, or its refusal tells of other orders. */
struct order_extra {
    /* asked */
    struct str sale_id;  /* or empty */
    int64_t group_id;    /* to join; 0: none */
    bool admitted;       /* by the sale's waiting room */
    const char *why_not; /* ... or why it is not; NULL: it has no ticket */
    /* hash64 with the seed, of sale_id and of the order's user_id; 0: the engine makes it. Who asks
     * has the texts at hand. */
    uint64_t sale_hash;
    uint64_t user_hash;
    /* answered */
    int64_t starts_in_ms; /* SALE_NOT_OPEN */
    int64_t taken;        /* LIMIT_EXCEEDED: how many there are without this order; by these: */
    uint16_t order_count;
    struct limit_order orders[LIMIT_ORDERS_MAX];
    struct line_after after[ORDER_LINES_MAX]; /* of each line; of line_max there need be room */
};

/* So many bytes of it are used by an order with that line_max. */
static inline size_t order_extra_bytes(uint16_t line_max)
{
    return offsetof(struct order_extra, after) + line_max * sizeof(struct line_after);
}

struct reserve_command {
    /* asked */
    struct order_extra *extra; /* NULL: in no sale, and refusals tell of no other orders */
    struct str order_id;       /* never empty: the caller makes one if the client did not */
    struct str user_id;
    uint64_t order_hash;  /* hash64(order_id, seed) */
    uint64_t fingerprint; /* hash64 of the order's content without order_id: equal for equal orders.
                             It is stored: it must not change with the program's version */
    struct want *wants;
    int64_t hold_ms; /* 0: the default */
    uint16_t want_count;
    uint16_t line_max; /* at least want_count; ORDER_LINES_MAX if a want names no lot */
    /* answered; with ORDER_MISMATCH it is the stored order, its lines if there is room for all */
    uint16_t line_count;
    uint16_t failed_want; /* the line in trouble that gave the code */
    struct line *lines;   /* asked: room for line_max lines. answered: the allocation; if the failed
                           * line's trouble is WANT_NO_FLAVOR, a lot of each flavor that there is */
    int64_t reservation_id;
    int64_t at_ms; /* when it was reserved */
    int64_t expires_ms;
    int code; /* in a batch: this order's own outcome */
    bool replayed;
    bool other_user; /* ORDER_MISMATCH: the stored order is another user's */
    uint8_t trouble; /* enum order_trouble */
    enum hold_state state;
    enum refund_reason reason;
    int64_t available; /* SOLD_OUT: how many could be had of the first line that failed */
    int64_t limit;     /* LIMIT_EXCEEDED: how many there may be */
    /* the engine's */
    uint64_t rests_on; /* number of the batch that the outcome rests on; 0: none */
    struct order_search search;
};

/* CREATE_SALE, UPDATE_SALE, CLOSE_SALE, GET_SALE. */
struct sale_command {
    struct sale_terms terms; /* CREATE: all but number. UPDATE: those in `sets`; sale_id. An item
                                without a lot, whose sku has a '#', is a lot by its key */
    uint32_t sets;           /* UPDATE: bits of enum sale_field */
    struct str reason;       /* CLOSE */
    struct sale_view sale;   /* answered; terms in `copy` */
    struct sale_copy *copy;  /* asked: room for a sale's texts and items */
    bool replayed;           /* CLOSE: it was closed before */
    uint32_t failed_item;    /* the item of which there is no lot */
};

struct command {
    struct mail mail;     /* for whoever hands it on */
    struct command *link; /* the engine's own lists */
    uint8_t kind;
    uint8_t worker; /* who is to get the reply; the engine does not look */
    uint8_t tries;  /* the engine's: how often it was decided */
    bool noted;     /* the engine's: put off with its notes */
    /* Monotonic: refused as OVERLOADED if it reaches the engine later; 0: none. */
    uint64_t deadline_ns;
    uint64_t received_ns; /* for measurement; the engine does not look */
    int code;             /* answered: 0 or TLY_E... */
    char *text; /* asked: room for text_size bytes. answered: a sentence or "" (zero-ended) */
    uint16_t text_size;
    union {
        struct {
            struct lot_dims dims;   /* asked; the engine copies it */
            struct lot_terms terms; /* asked, if has_terms; not withdrawn; expires_on as in dims */
            bool has_terms;         /* false: plain */
            int64_t quantity;
            struct lot_view lot; /* answered; also with ALREADY_EXISTS: the lot that is there */
        } create;
        struct {
            struct str key;
            bool strong;         /* asked: of the authority itself, never of a replica */
            bool replica;        /* answered: a replica said so */
            struct lot_view lot; /* answered */
        } get_lot;
        struct {
            struct str sku, flavor, size; /* filters; empty: any */
            lot_id after;                 /* page token: lots numbered higher */
            struct lot_view *lots;        /* room for page_size */
            uint32_t page_size;
            uint32_t count;
            lot_id next; /* the token for the next page; 0: this was the last */
        } list;
        struct {
            uint64_t since;        /* change number from the previous answer; 0 at first */
            struct lot_view *lots; /* newest change of each lot; room for page_size */
            uint32_t page_size;
            uint32_t count;
            uint64_t upto; /* ask from here next time */
        } changes;
        struct {
            struct str key;
            int64_t delta;
            struct str reason;
            struct str adjustment_id; /* empty, or an idempotency key of its own */
            int64_t expected_version; /* of the lot, or it is VERSION_MISMATCH; 0: any */
            struct lot_view lot;
            bool replayed; /* answered: this adjustment_id was applied before */
        } adjust;
        struct {
            /* asked */
            struct set_item *items; /* of different lots */
            uint32_t count;
            uint32_t creates_before; /* new lots of other commands that are to come, too */
            uint8_t mode;            /* enum set_mode */
            bool check_only;
            bool existing_only; /* no lot is made */
            struct str reason;
            uint32_t faults; /* answered; if there are any, nothing was done: INVALID_ARGUMENT */
        } set;
        struct reserve_command reserve;
        struct {
            struct reserve_command *orders; /* each with its own outcome in `code` */
            uint32_t count;                 /* at most ORDER_BATCH_MAX */
            uint32_t undecided;             /* the engine's: reads under way */
            uint32_t next;                  /* the engine's: first order not looked up yet */
            bool asked;                     /* the engine's: this pass had to ask the ledger */
        } batch;
        struct {
            int64_t reservation_id; /* 0: by order_id */
            /* asked */
            struct str by_order_id;     /* of the reservation; or empty */
            uint64_t order_hash;        /* hash64(by_order_id, seed) */
            struct order_search search; /* the engine's */
            struct str payment_id;      /* CONFIRM */
            struct str id; /* SHIP: shipment_id. REFUND: return_id. CHANGE: change_id. Or empty */
            struct want *wants; /* CONFIRM, SHIP, REFUND: fewer units than there are, by lot key
                                   only. CHANGE: the new lines, as for RESERVE */
            uint16_t want_count;
            uint8_t reason;  /* REFUND: REASON_NONE for the state's own */
            bool reclaim;    /* CONFIRM: an EXPIRED one is taken again */
            bool fence;      /* REFUND by order_id: takes the order_id if it is not there */
            bool no_restock; /* REFUND of a CONFIRMED one: the units are written off */
            int64_t hold_ms; /* EXTEND */
            /* answered, also with INVALID_TRANSITION (state is what it is in) and ORDER_MISMATCH
             * (all of it is what is stored) */
            char order_id[ORDER_ID_MAX];
            uint8_t order_id_len;
            enum hold_state state;
            enum refund_reason state_reason;
            sale_number sale;                       /* the reservation's; 0: none */
            int64_t group_id;                       /* 0: none */
            char payment_id_stored[PAYMENT_ID_MAX]; /* of the confirm that was; or none */
            uint8_t payment_id_stored_len;
            int64_t expires_ms;
            bool replayed;        /* the move had happened already */
            uint16_t failed_want; /* INVALID_ARGUMENT with wants: the one that is wrong */
            struct line *lines;   /* asked: room for line_max. answered: as held now */
            struct line_after
                *after; /* asked: room for line_max, or NULL. answered: of each line */
            uint16_t line_max;
            uint16_t line_count;
            int64_t available; /* SOLD_OUT: how many could be had of the line that failed */
        } move;
        struct {
            const int64_t *reservation_ids; /* asked; no id twice */
            uint32_t count;                 /* at most CONFIRM_ALL_MAX */
            struct str payment_id;
            uint32_t failed; /* answered: the one that gave the code */
            bool replayed;   /* all had been confirmed before */
            /* the engine's */
            struct reservation_record **records; /* room for count: of those not in memory */
            uint32_t asked;
        } confirm_all;
        struct {
            struct str key;
            bool sets_expires_on, sets_withdrawn, sets_per_user_limit, sets_backorder_limit,
                sets_expected_on;
            struct lot_terms terms; /* those that are set */
            struct lot_view lot;
            bool changed; /* answered: false: the lot had all these terms already */
        } update_lot;
        struct sale_command *sale; /* the caller's */
        struct {
            sale_number after;       /* page token: sales numbered higher */
            struct sale_view *sales; /* room for page_size, with a copy each */
            struct sale_copy *copies;
            uint32_t page_size;
            uint32_t count;
            sale_number next; /* 0: this was the last */
        } list_sales;
        struct {
            int64_t group_id;   /* GET, COMPLETE */
            struct str sale_id; /* OPEN */
            struct str user_id; /* OPEN, alone */
            struct str reason;  /* COMPLETE */
            /* OPEN: its opener's order, whose extra names the same sale and no group; or NULL */
            struct reserve_command *order;
            struct group_view group;
            bool replayed;
        } group;
        struct reservation_list_command {
            struct reservation_list list; /* ledger.h; `lot` and `sale` by these: */
            struct str lot_key;
            struct str sale_id;
        } list_reservations;
        struct {
            int64_t reservation_id;
            struct str order_id;
            uint64_t order_hash;
            struct reservation_record *record; /* answered; the receiver frees it */
            struct order_search search;        /* the engine's */
        } get;
        struct {
            struct engine_stats *stats; /* the caller's, filled */
            struct lot_view *top;       /* room for top_max: the lots with most moves */
            uint32_t top_max;
            uint32_t top_count;
        } stats;
    };
};

#endif
