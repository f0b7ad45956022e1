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
#include <stdint.h>

#include "base/mailbox.h"
#include "model/model.h"

enum command_kind {
    COMMAND_CREATE_LOT,
    COMMAND_GET_LOT,
    COMMAND_LIST_LOTS,
    COMMAND_LOT_CHANGES, /* lots changed since a change number, for watchers */
    COMMAND_ADJUST,
    COMMAND_RESERVE,
    COMMAND_RESERVE_BATCH,
    COMMAND_CONFIRM,
    COMMAND_REFUND,
    COMMAND_EXTEND,
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
};

/* Why an order is refused that is not its lines' fault. */
enum order_trouble { ORDER_WELL, ORDER_HOLDS_MAX };

/* One line as it was asked for: a lot by key, or a sku with some or all of its dimensions. Empty
 * strings are "not given". `sku` given and batch empty: first-expired-first-out over batches. */
struct want {
    struct str lot; /* lot key, or empty */
    struct str sku;
    struct str flavor;
    struct str size;
    struct str batch;
    int64_t quantity; /* 1..QUANTITY_MAX, checked by the caller */
    lot_id lot_hint;  /* the gate's guess at the number of `lot`; 0 if none. The engine checks it */
    bool gate_taken;  /* the gate took `quantity` units of lot_hint for this line */
    /* answered, of every line, where the order is refused for its lines */
    uint8_t trouble;    /* enum want_trouble */
    int64_t available;  /* WANT_SHORT: units of what it names, without the expired */
    int64_t for_others; /* WANT_SHORT: those of them that the order's other lines take */
    int64_t expired;    /* WANT_SHORT, WANT_EXPIRED: units that have expired */
};

/* A lot and its stock, as answers show it. The strings of `dims` live as long as the engine. */
struct lot_view {
    lot_id id;
    const struct lot_dims *dims;
    struct stock stock;
};

/* The engine's notes while it finds out whether an order_id was used before. */
struct order_search {
    struct reservation_record *record; /* what a read found; the engine frees it */
    int64_t ruled_out[2];              /* reservations that turned out to be of other order_ids */
    uint8_t ruled_out_count;
    bool disk_asked; /* the part of the index on disk doesn't know it */
    uint32_t stored; /* segments that were on disk when it was asked; see engine_internal.h */
};

struct reserve_command {
    /* asked */
    struct str order_id; /* never empty: the caller makes one if the client did not */
    struct str user_id;
    uint64_t order_hash;  /* hash64(order_id, seed) */
    uint64_t fingerprint; /* hash64 of the order's content without order_id: equal for equal orders.
                             It is stored: it must not change with the program's version */
    struct want *wants;
    uint16_t want_count;
    int64_t hold_ms; /* 0: the default */
    /* answered; with ORDER_MISMATCH it is the stored order, its lines if there is room for all */
    int code; /* in a batch: this order's own outcome */
    bool replayed;
    bool other_user; /* ORDER_MISMATCH: the stored order is another user's */
    int64_t reservation_id;
    int64_t at_ms; /* when it was reserved */
    int64_t expires_ms;
    enum hold_state state;
    enum refund_reason reason;
    struct line *lines; /* asked: room for line_max lines. answered: the allocation; if the failed
                         * line's trouble is WANT_NO_FLAVOR, a lot of each flavor that there is */
    uint16_t line_max;  /* at least want_count; ORDER_LINES_MAX if a want names no lot */
    uint16_t line_count;
    int64_t available;    /* SOLD_OUT: how many could be had of the first line that failed */
    uint16_t failed_want; /* the line in trouble that gave the code */
    uint8_t trouble;      /* enum order_trouble */
    int64_t limit;        /* ORDER_HOLDS_MAX: how many there may be */
    /* the engine's */
    struct order_search search;
    uint64_t rests_on; /* number of the batch that the outcome rests on; 0: none */
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
            struct lot_dims dims; /* asked; the engine copies it */
            int64_t quantity;
            struct lot_view lot; /* answered; also with ALREADY_EXISTS: the lot that is there */
        } create;
        struct {
            struct str key;
            struct lot_view lot;
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
        struct reserve_command reserve;
        struct {
            struct reserve_command *orders; /* each with its own outcome in `code` */
            uint32_t count;                 /* at most ORDER_BATCH_MAX */
            uint32_t undecided;             /* the engine's: reads under way */
            uint32_t next;                  /* the engine's: first order not looked up yet */
            bool asked;                     /* the engine's: this pass had to ask the ledger */
        } batch;
        struct {
            int64_t reservation_id;
            /* asked */
            struct str payment_id;    /* CONFIRM */
            const struct want *wants; /* CONFIRM: fewer units than held; by lot key only */
            uint16_t want_count;
            uint8_t reason;  /* REFUND: REASON_NONE for the state's own */
            int64_t hold_ms; /* EXTEND */
            /* answered, also with INVALID_TRANSITION (state is what it is in) and ORDER_MISMATCH
             * (all of it is what is stored) */
            char order_id[ORDER_ID_MAX];
            uint8_t order_id_len;
            enum hold_state state;
            enum refund_reason state_reason;
            char payment_id_stored[PAYMENT_ID_MAX]; /* of the confirm that was; or none */
            uint8_t payment_id_stored_len;
            int64_t expires_ms;
            bool replayed;        /* the move had happened already */
            uint16_t failed_want; /* INVALID_ARGUMENT with wants: the one that is wrong */
            struct line *lines;   /* asked: room for line_max. answered: as held now */
            uint16_t line_max;
            uint16_t line_count;
        } move;
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
