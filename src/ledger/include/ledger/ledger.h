/* ledger.h - the authority on stock: an append-only log of moves, and the stock that follows from
 * it.
 *
 * Life: create, recover (once), start, then submit/load/ask until stop, destroy. Callbacks come on
 * the adapter's own threads; what they are handed is done with when they were called. None of the
 * calls from the engine's thread blocks.
 *
 * Outcomes of submit, each delivered through events->outcome:
 *   LEDGER_COMMITTED  all moves of the batch are durable
 *   LEDGER_REJECTED   nothing of it is done, nor will be; batch.writable tells whether writing goes
 *                     on. false: available(false, why) has come or comes
 *   LEDGER_STALE      nothing of it is done: somebody else was faster. Only from a shared ledger.
 *                     No rows come with it: load what the commands touch and decide again
 *   LEDGER_UNKNOWN    the adapter cannot tell. It keeps trying to find out and delivers the same
 *                     batch again with COMMITTED or REJECTED
 *
 * The second outcome is set any time after the callback of UNKNOWN has returned: that callback
 * returns when the engine was told. A ledger that is stopped before it knows gives none.
 *
 * Several batches may be under way, at most traits.batches_max. Every submitted batch gets exactly
 * one final outcome (any but UNKNOWN), in order of submit. A batch that is not COMMITTED takes all
 * after it: whoever submitted them has undone them when it heard the first, and waits only for
 * their memory; the ledger says REJECTED for each, writable as the first one's. Behind an UNKNOWN
 * one they wait until that one is known: if it is not there, REJECTED; if it is, they may be
 * COMMITTED or REJECTED.
 *
 * The memory of a batch and all that its moves point to stays valid from submit until a final
 * outcome was delivered.
 *
 * The load step, only where traits.shared: what the gathered commands touch is asked of the ledger
 * in one go, and holds until the batch's outcome. One load at a time, and only while no batch is
 * under way. It ends with the final outcome of the batch that names it (batch.load), by release(),
 * or by being answered with a code other than 0. The rows are the ledger's memory until it has
 * ended; the keys are the caller's as long. A batch's moves are of lots, sales and groups that its
 * load has, or that it makes; a move of a reservation tells no sale and no user but in its RESERVE:
 * that is in the batch, or the reservation among the load's records.
 */
#ifndef TALLY_LEDGER_LEDGER_H
#define TALLY_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mailbox.h"
#include "ledger/order_runs.h"
#include "model/model.h"

enum { LEDGER_BATCHES_MAX = 2 };

struct ledger;

/* Constant from create on. */
struct ledger_traits {
    bool shared;          /* others write too: what a turn touches must be loaded first. false: what
                             the engine keeps in memory is the truth, and load is never called */
    uint32_t batches_max; /* batches under way at once, 1 .. LEDGER_BATCHES_MAX */
};

enum ledger_outcome {
    LEDGER_COMMITTED, /* durable */
    LEDGER_REJECTED,  /* not done, nothing of it */
    LEDGER_STALE,     /* not done: another writer was faster */
    LEDGER_UNKNOWN,   /* may or may not be done; a second outcome will follow for the same batch */
};

struct batch {
    struct mail mail;
    const struct move *moves;
    uint32_t move_count;
    uint64_t number;        /* 1, 2, 3, ... */
    int64_t oldest_pending; /* once this commits, nothing with a lower seq is needed to rebuild what
                               the engine keeps: it belongs to no PENDING hold, no OPEN group, no
                               sale that is not over, no order that waits for its units */
    struct load *load;      /* shared: the load that it was decided on; else NULL */
    /* set by the ledger before the outcome is delivered */
    enum ledger_outcome outcome;
    bool writable; /* LEDGER_REJECTED: the next batch may be taken at once */
};

/* A group, as the rows of its GROUP_OPEN and of its end say. */
struct group_record {
    int64_t group_id;
    sale_number sale;
    enum group_status status;
    uint16_t size;
    uint16_t paid; /* when it ended; 0 while it is OPEN */
    int64_t opened_ms;
    int64_t ends_ms;
    int64_t ended_ms; /* 0: it is OPEN */
};

/* ---- the load step ---- */

enum load_key_kind {
    LOAD_ORDER,       /* text: order_id, and its hash */
    LOAD_ADJUSTMENT,  /* text: adjustment_id, and its hash */
    LOAD_RESERVATION, /* number */
    LOAD_LOT,         /* text: lot key */
    LOAD_SKU,         /* text: sku; all its lots */
    LOAD_LOTS, /* a page of lots: number is the lot_id after which it begins, text a sku or "" */
    LOAD_SALE, /* text: sale_id; the sale alone, not the lots that it sells */
    LOAD_SALE_LOTS, /* the same, and all lots that it sells */
    LOAD_SALES,     /* a page of sales with all lots that they sell: number is the sale after which
                       it begins, limit how many */
    LOAD_GROUP,     /* number: group_id */
};

struct load_key {
    uint8_t kind;
    bool takes; /* LOAD_ORDER, LOAD_RESERVATION: it may take units, so what its user has comes too
                   (loaded_units) */
    struct str text;
    struct str user_id; /* takes: the user; or empty: the user of the reservation that is found */
    uint64_t hash;
    int64_t number;
    uint32_t limit;
};

struct loaded_lot {
    lot_id id;
    struct lot_dims dims;
    struct lot_terms terms;
    struct stock stock;
    int64_t created_ms;
};

struct loaded_adjustment {
    struct str adjustment_id;
    int64_t seq;
    struct line line;
};

/* A sale as it stands, and what its orders' moves come to. Units count from RESERVE to what gives
 * them back: PENDING from RESERVE, CHANGE, less CONFIRM, RELEASE, REFUND; confirmed from CONFIRM,
 * RECLAIM, less RETURN, RESTOCK, WRITE_OFF, DISCARD (SHIP takes none). */
struct loaded_sale {
    struct sale_terms terms; /* items by lot number, or by sku */
    int64_t created_seq;     /* of its first SALE */
    int64_t units_pending;
    int64_t units_confirmed;
    int64_t orders_made; /* RESERVEs */
    int64_t orders_back; /* REFUNDs */
    uint32_t groups_open;
    uint32_t groups_succeeded;
    uint32_t groups_failed;
};

/* Units that a user has by one reservation, never 0:
 *   sale            its units in that sale, counted as in loaded_sale
 *   lot             outside sales, its units of that lot, if it is PENDING or its id is at least
 *                   load.counted_from
 *   neither         1: it is a PENDING hold, not due at load.now_ms; only if load.user_holds
 * A reservation that is among the records of the load may be left out or not: it counts as it
 * stands there. */
struct loaded_units {
    struct str user_id;
    sale_number sale;
    lot_id lot;
    int64_t reservation_id;
    int64_t units;
};

/* Units that a move took and its reservation still has: what an order gave back are those that it
 * took last, what left the house or was written off those that it took first. */
struct loaded_place {
    lot_id lot;
    int64_t seq; /* of the RESERVE, CHANGE or RECLAIM that took them */
    int64_t reservation_id;
    int64_t units; /* at least 1 */
};

/* What comes with what: whatever is loaded brings
 *   a reservation  its lots (reserved and held now), its sale, its group; with `takes`, what its
 *                  user has in its sale, or of its lots, and as PENDING holds
 *   an order's key with `takes`: what its user has in the sales, and of the lots with a
 *                  per_user_limit, that the load has, and as PENDING holds
 *   a group        its sale; if it is OPEN, all its members that are PENDING or CONFIRMED, as
 *                  reservations. `groups` has those that ended too
 *   a lot          if less than 0 of it is available: who waits, as loaded_place: the newest of
 *                  all that hold units of it, until they have as many units as are missing
 *   a sale         nothing (LOAD_SALE_LOTS and LOAD_SALES: its lots)
 * and so on, until nothing new comes.
 *
 * What is locked, if `writes`, until the load ends, in this one order, each kind ascending, so that
 * no two loads wait for each other:
 *   1. order_ids and adjustment_ids that are named, whether they are there or not (by bytes)
 *   2. users of keys with `takes`, only if load.user_holds (by bytes): two of a user's orders that
 *      share no lot and no sale are decided one after the other
 *   3. sales that are loaded (by number): their counts, and with them what users have in them
 *   4. groups that are loaded and OPEN (by id): nobody joins one, pays in it or leaves it, and it
 *      does not end, without its lock; members need none of their own
 *   5. lots that are loaded (by number): their stock and terms, what users have of them, who waits,
 *      and every reservation that has units of them
 *   6. the next lot's number, if a LOAD_LOT key was not found
 *   7. the next sale's number, if a LOAD_SALE or LOAD_SALE_LOTS key was not found
 * What is to be locked follows from rows: they are read, what they name is locked in that order,
 * and they are read again under the locks; if more is named then, from the start.
 * What is due and comes by itself (below) is left out where a lock is not to be had at once.
 *
 * What may be assumed on attempt 0: order_ids that are named are not there, and lots are as this
 * node knew them last, where their terms have neither a per_user_limit nor ever had a
 * backorder_limit. A load that has anything of sales or groups, or `takes` with user_holds, assumes
 * nothing. */
struct load {
    struct mail mail;
    /* asked */
    const struct load_key *keys;
    uint32_t key_count;
    bool writes;      /* rows are wanted locked until the load ends; false: look-ups only */
    bool user_holds;  /* PENDING holds of users are counted (user_holds_max) */
    uint32_t attempt; /* how often these commands were decided before: from 1 on nothing may be
                         assumed, all is locked */
    int64_t now_ms;   /* holds due by then come too, those of the lots, sales and users named
                         first, and OPEN groups that have ended by then, as if they were named,
                         locked; what somebody else has locked is left out */
    uint32_t due_max; /* at most so many of them; a group counts with its members. One group comes
                         whole even if it has more */
    int64_t counted_from; /* reservations with lower ids count towards a lot's per_user_limit only
                             while they are PENDING */
    /* answered */
    int code;     /* 0; TLY_EUNAVAILABLE; TLY_EOVERLOADED (waited for locks): the load has ended */
    bool assumed; /* attempt 0 only: the rows were not read or locked now, but are what this node
                     knew last. Nothing that rests on them is refused; it is decided again with
                     attempt 1. false: they are the truth until the load ends */
    const struct loaded_lot *lots; /* every lot that anything loaded touches */
    uint32_t lot_count;
    struct reservation_record **records; /* of orders, reservations, members and due holds */
    uint32_t record_count;
    const struct loaded_adjustment *adjustments;
    uint32_t adjustment_count;
    const struct loaded_sale *sales;
    uint32_t sale_count;
    const struct group_record *groups;
    uint32_t group_count;
    const struct loaded_units *units;
    uint32_t unit_count;
    const struct loaded_place *places; /* lot by lot, each lot's by ascending seq */
    uint32_t place_count;
    lot_id lots_highest;       /* the next lot gets a higher number */
    sale_number sales_highest; /* the next sale gets the next number */
    int64_t seq_floor; /* every seq of the batch must be higher, so that the rows of a lot, of a
                          sale with its groups, and with user_holds of a user, stand in the order
                          of their commits */
    int64_t next_deadline_ms; /* earliest deadline of a PENDING hold, or end of an OPEN group, that
                                 was not loaded; INT64_MAX: none */
};

/* ---- questions: look-ups outside a load ---- */

/* The engine owns it; the ledger fills in the answer. */
enum question_kind {
    QUESTION_RESERVATION, /* by reservation_id */
    QUESTION_ORDER,       /* by order_id, in the part of the index that is not in memory */
    QUESTION_ADJUSTMENT,  /* by adjustment_id, in `order_id`: answered by `move_seq` */
    QUESTION_LIST,        /* a page of reservations, newest first: `list` */
    QUESTION_GROUP,       /* by its id, in `reservation_id`: answered by `group` */
};

/* A page of ListReservations: those that fit all filters. Filters that are empty or 0 take all.
 * What retention removed is not listed. A question is bounded in what it costs: where few of many
 * fit, a page may be short, or empty, and not be the last. */
struct reservation_list {
    struct str user_id;
    lot_id lot;            /* among its lines as held now */
    enum hold_state state; /* as at now_ms: a PENDING one that is due is none any more; REFUNDED it
                              is in a user's list at once, in others when its REFUND is committed */
    sale_number sale;
    int64_t before; /* reservations with lower ids; INT64_MAX: from the newest */
    int64_t now_ms;
    uint32_t page_size; /* at least 1 */
    /* answered: a malloc'ed array and malloc'ed records, newest first; the receiver frees all */
    struct reservation_record **records;
    uint32_t count;
    int64_t next; /* `before` of the next page; 0: this was the last */
};

struct question {
    struct mail mail;
    uint8_t kind;
    int64_t reservation_id;
    struct str order_id;
    uint64_t order_hash;
    /* answered */
    int code; /* 0, TLY_ENOT_FOUND, or TLY_EUNAVAILABLE (the ledger cannot tell now) */
    struct reservation_record *record; /* malloc'ed; the engine frees it or hands it on */
    struct reservation_list *list;     /* QUESTION_LIST: the asker's, filled */
    struct group_record group;         /* QUESTION_GROUP */
    int64_t move_seq;
    struct line adjusted; /* QUESTION_ADJUSTMENT: that move's lot and delta; lot 0: not told */
};

/* ---- start ---- */

/* Recovery streams the ledger to the loader, on the calling thread: lots, sales, order runs, moves
 * in order of seq. A lot's terms are those that it has now, also where a CREATE or LOT_TERMS has
 * them, which may leave them out. A loader that returns an error ends recovery with it. */
struct ledger_loader {
    void *context;
    int (*lot)(void *context, lot_id id, const struct lot_dims *dims, const struct lot_terms *terms,
               const struct stock *snapshot, struct error *e);
    /* As it stands now; in order of number. created_seq: of its first SALE move. May be NULL. */
    int (*sale)(void *context, const struct sale_terms *terms, int64_t created_seq,
                struct error *e);
    int (*order_run)(void *context, struct order_run *run);
    int (*move)(void *context, const struct move *m, bool in_stock, struct error *e);
    /* At least once a second while it takes longer than that. total is an estimate. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
};

struct ledger_events {
    void *context;
    void (*outcome)(void *context, struct batch *b);
    void (*loaded)(void *context, struct load *load); /* may be NULL if the ledger is not shared */
    void (*answered)(void *context, struct question *r);
    /* Only from a ledger with store_segment. */
    void (*segment_stored)(void *context, struct order_segment *s, struct order_run *run);
    /* Writes are possible again after REJECTED or UNKNOWN, or are not; with a sentence why. */
    void (*available)(void *context, bool available, const char *why);
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. Times in microseconds. */
#define LEDGER_STATS(X)                                                                            \
    X(commits_total, COUNTER, "ledger transactions committed")                                     \
    X(commit_errors_total, COUNTER, "ledger transactions that failed")                             \
    X(rows_total, COUNTER, "move rows written")                                                    \
    X(commit_us_total, COUNTER, "time spent in commits, insert to fsync")                          \
    X(checkpoints_total, COUNTER, "checkpoints of the write-ahead log")                            \
    X(wal_bytes, GAUGE, "size of the write-ahead log")                                             \
    X(db_bytes, GAUGE, "size of the ledger file")                                                  \
    X(archived_total, COUNTER, "finished reservations removed by retention")                       \
    X(retention_looks_total, COUNTER, "times that retention looked for reservations to remove")    \
    X(order_run_bytes, GAUGE, "size of the order index on disk")                                   \
    X(mark_errors_total, COUNTER, "writes of the file mark that failed")                           \
    X(last_seq, GAUGE, "sequence number of the newest committed move")

struct ledger_stats {
#define X(name, kind, help) int64_t name;
    LEDGER_STATS(X)
#undef X
};

/* A reader of the log (events, webhooks, caches) keeps a cursor: the last seq it has dealt with. */
typedef int ledger_move_fn(void *context, const struct move *m);

struct ledger_ops {
    int (*recover)(struct ledger *l, const struct ledger_loader *loader, struct error *e);
    int (*start)(struct ledger *l, const struct ledger_events *events, struct error *e);
    void (*submit)(struct ledger *l, struct batch *b); /* engine's thread */
    void (*ask)(struct ledger *l, struct question *r); /* engine's thread */
    void (*load)(struct ledger *l, struct load *load); /* engine's thread; NULL: not shared */
    /* Engine's thread. Nothing is to be written: the load ends here, its locks are given back. */
    void (*release)(struct ledger *l, struct load *load); /* NULL: not shared */
    /* Engine's thread. NULL: the ledger finds order_ids by itself, and keeps no segments. */
    void (*store_segment)(struct ledger *l, struct order_segment *s);
    /* The seed under which this data's order_ids are hashed (base/hash.h). Any thread. */
    uint64_t (*hash_seed)(const struct ledger *l);
    /* Any thread. Moves with seq > after, at most max, then returns the number handed to `fn`, or
     * an error. A non-zero return of fn ends it. A move of a reservation has the order_id,
     * user_id, sale and group_id of its RESERVE, whatever its kind; one of a sale has sale_terms,
     * of which number and sale_id are there in any case. */
    int (*read_log)(struct ledger *l, int64_t after, uint32_t max, ledger_move_fn *fn,
                    void *context, struct error *e);
    /* Any thread. Nothing at or below this seq can still appear in the log: a reader that has read
     * up to it may move its cursor there, and must not go beyond. */
    int64_t (*log_end)(struct ledger *l);
    /* Any thread. Every move after *seq that ever was is still in the log; at or before it some are
     * not kept any more. 0: all are. To be asked after a read_log, so that what retention took
     * meanwhile is seen. */
    int (*log_start)(struct ledger *l, int64_t *seq, struct error *e);
    int (*cursor_get)(struct ledger *l, const char *reader, int64_t *seq, struct error *e);
    /* Any thread; waits until it is durable. Retention removes nothing that lies after a cursor; a
     * seq below 0 forgets the reader. */
    int (*cursor_set)(struct ledger *l, const char *reader, int64_t seq, struct error *e);
    /* Any thread. A lot's dimensions, which live as long as the ledger; NULL: there is no such lot,
     * or it cannot be told now. NULL as an op: whoever recovered the ledger knows them all. */
    const struct lot_dims *(*lot_dims)(struct ledger *l, lot_id id);
    void (*stats)(struct ledger *l, struct ledger_stats *out); /* any thread; NULL: has none */
    /* Finishes what was submitted, writes the stock snapshot, checkpoints. Callbacks
     * end with it. */
    void (*stop)(struct ledger *l);
    void (*destroy)(struct ledger *l);
};

struct ledger {
    const struct ledger_ops *ops;
    struct ledger_traits traits;
};

#endif
