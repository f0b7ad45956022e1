/* engine_internal.h - what the files of the engine share; nobody else includes it.
 *
 * A command goes this way:
 *   engine.c          engine_command(): too late? too many? batch full?
 *   kinds.c           one row per kind of command: all that differs between them. By kind:
 *   decide_reserve.c  duplicate? (search.c, content.c)  allocate.c  a hold, its moves (batch.c)
 *   decide_batch.c    the same for many orders, decided at once when all look-ups are done
 *   decide_move.c     all that is done with a reservation: finds it (by_order.c), its record; then
 *                     decide_confirm.c, decide_return.c (refund), decide_ship.c, decide_change.c
 *   decide_confirm_all.c  many at once
 *   decide_lot.c      create, adjust
 *   decide_sale.c     sales: create, update, close, look up
 *   sale_order.c      what being in a sale means for an order
 *   decide_group.c    groups: open, complete, look up
 *   group_step.c      places in groups, how they succeed and fail
 *   decide_terms.c    a lot's new terms
 *   look_up.c         everything that changes nothing
 *   questions.c       the questions to the ledger, and who waits for their answers
 *   unknown.c         what look-ups are told while a batch's outcome is not known
 *   batch.c           the open batch and those with the ledger
 *   outcome.c         what an outcome does: replies, or undo
 *   due.c             holds that have come to their deadline
 *   shared.c          gathers, loads, decides, where others write to the ledger too
 *   shared_keys.c     what the commands touch
 *   shared_install.c  what a load brought, and its end
 *   lot_terms.c       what a lot is sold on
 *   lot_users.c       how many units users have of it
 *   backorder.c       who waits for units that are to come
 *   stock.c           the only place where stock changes
 */
#ifndef TALLY_ENGINE_ENGINE_INTERNAL_H
#define TALLY_ENGINE_ENGINE_INTERNAL_H

#include "engine/command_list.h"
#include "engine/engine.h"
#include "engine/group_step.h"
#include "engine/groups.h"
#include "engine/hold_moves.h"
#include "engine/holds.h"
#include "engine/lot_users.h"
#include "engine/lots.h"
#include "engine/order_index.h"
#include "engine/sale_order.h"
#include "engine/sales.h"
#include "engine/shared.h"
#include "engine/slab.h"
#include "engine/timers.h"
#include "engine/user_units.h"

/* What undoing a move needs beside the move. */
struct undo {
    struct hold *hold;
    union {
        struct line *old_lines; /* CHANGE, a partial CONFIRM: the hold's before; see old_line */
        struct sale_version *old_version; /* SALE; NULL: it made the sale */
    };
    union {
        struct line old_line;
        struct sale *sale;   /* SALE */
        struct group *group; /* GROUP_... */
    };
    int64_t old_deadline_ms;
    union {
        uint64_t key_hash;                 /* ADJUST: of its adjustment_id; 0 if it has none */
        const struct lot_terms *old_terms; /* LOT_TERMS */
    };
    uint8_t old_line_count;
    bool lines_changed;
    bool was_written; /* the hold */
    bool first_touch; /* of this hold in this batch: its other moves come later */
};

/* By timer_next, oldest first. */
struct hold_list {
    struct hold *first;
    struct hold *last;
    uint64_t count;
};

struct text_pool {
    char **chunks;
    uint32_t chunk_count;
    uint32_t current;
    uint32_t used; /* bytes of the current one */
};

struct engine_batch {
    struct batch batch; /* what the ledger sees */
    struct move *moves;
    struct undo *undos;
    uint32_t count;
    uint32_t room;
    uint8_t bit;  /* its own: stands in `touched` of lots and holds */
    bool unknown; /* its outcome is */
    bool expires; /* it lets go of holds that were due */
    bool dead;    /* undone; the ledger has not told yet that it let go of it */
    struct text_pool text;
    struct sale_version *undone; /* that its moves pointed to, and the ledger may look at */
    struct command_list due;     /* answered when it is committed */
    struct command_list again;   /* looked at again when its outcome is known */
};

struct waiter {
    struct waiter *next;
    struct command *command;
    uint32_t order; /* which one of a RESERVE_BATCH */
};

struct question_slot {
    struct question read; /* first: a read is its slot */
    struct question_slot *next_in_bucket;
    struct question_slot *next_to_ask;
    struct waiter *first;
    struct waiter *last;
    uint32_t stored; /* segments_stored when the question was put */
    uint64_t asked;  /* committed_number then */
    bool busy;
};

/* What the batch of unknown outcome did to a lot. */
struct lot_effect {
    lot_id lot;
    int64_t seq;
    const struct lot_terms *old_terms; /* those before it; NULL: it did not change them */
    struct stock stock;
};

enum { QUESTION_BUCKETS = 256, TOP_LOTS = 64, LOAD_AHEAD = 16 };
enum { FLIGHTS_MAX = LEDGER_BATCHES_MAX };
#define TOUCHED_MASK ((1u << (FLIGHTS_MAX + 1)) - 1)

struct engine {
    struct engine_config config;
    struct lots lots;
    struct holds holds;
    struct timers *timers;
    struct order_index *orders;
    struct sales sales;
    struct groups groups;
    uint64_t user_entries;        /* in the tables of sales and of lots */
    uint64_t paid_in_groups;      /* holds that are in memory because their group is OPEN */
    struct user_units user_holds; /* PENDING holds by user, if that is bounded */
    /* Loading: of each reservation in a sale (as `user`) its user's hash and its sale. */
    struct user_units loading_sales;
    struct user_units loading_users; /* the same, of lots that count: its user's hash */

    int64_t now_ms;
    int64_t day_ends_ms; /* `today` is right until then */
    int32_t today;       /* in the zone that days of sale are of */
    uint64_t monotonic_ns;
    int64_t forgot_ms; /* when old runs were dropped last */
    int64_t seq_ms;    /* the generator of sequence numbers */
    uint32_t seq_counter;
    int64_t last_seq;
    int64_t committed_seq;
    uint64_t committed_number;
    uint64_t batch_number;

    struct engine_batch batches[FLIGHTS_MAX + 1];
    struct engine_batch *open;
    struct engine_batch *flights[FLIGHTS_MAX]; /* with the ledger, oldest first */
    uint32_t flight_count;
    uint8_t unknown;            /* bits of the flights whose outcome is */
    struct lot_effect *effects; /* of those, by lot */
    size_t effect_count;
    bool available;
    bool loading;

    struct hold_list due;    /* their deadline has come, their REFUND is still to be decided */
    struct hold_list parked; /* due, with moves in a batch of unknown outcome */
    uint8_t limit_touched;   /* the batches that a limit refused more units by */
    int64_t units_due;       /* of `due` */
    uint64_t due_left;       /* holds that left `due`, ever */
    bool marking;            /* more are due than one turn takes down */

    struct shared shared;

    uint32_t inside;              /* commands that are not in `replies` yet */
    struct command_list deferred; /* for want of room in the open batch */
    struct command_list awaiting; /* until the due holds that concern them are written */
    uint64_t awaiting_seen;       /* due_left when `awaiting` was last gone through ... */
    bool awaiting_cut;            /* ... and the batch was full before its end */
    struct command_list put_off;  /* look-ups that wait until all due holds are taken down */
    struct command_list replies;

    struct question_slot *slots;
    struct slab waiters;
    struct question_slot *free_slots;
    struct question_slot *ask_first;
    struct question_slot *ask_last;
    struct question_slot *question_buckets[QUESTION_BUCKETS];
    int64_t answering;  /* the reservation of the answer that is being handed out; 0: none */
    bool answer_is_old; /* something was committed since that question was put */
    uint32_t questions_busy;
    /* Segments of the index, ever: an answer about the disk is of one such number. */
    uint32_t segments_stored;

    lot_id backorder_first;    /* lots with a line */
    uint32_t backorder_lots;   /* so many */
    uint32_t backorder_looks;  /* until they are looked at for: */
    int64_t backorder_oldest;  /* no move before it took a place in any */
    uint64_t backorder_places; /* in all lines */

    lot_id limited_lots;   /* lots that count the units of users */
    lot_id limited_sweep;  /* where the next sweep begins */
    int64_t limited_first; /* the oldest reservation that any of them ever counted */

    uint64_t change;
    lot_id change_oldest;
    lot_id change_newest;
    lot_id gate_first; /* lots with gate_units */
    lot_id gate_lots;  /* lots that the gate knows */
    lot_id created;    /* lots whose CREATE is committed */
    lot_id top[TOP_LOTS];
    uint32_t top_count;
    lot_id top_next; /* where the search for busy lots goes on */

    struct engine_stats stats;

    /* Loading: entries on their way to the order index, whose places are being fetched. */
    struct order_entry loading_entries[LOAD_AHEAD];
    uint32_t loading_count; /* ever put there */
    uint32_t loading_added; /* of them, how many are in the index */
};

/* ---- engine.c ---- */
void engine_dispatch(struct engine *e, struct command *c);
void engine_reply(struct engine *e, struct command *c);
/* Answers with an error; `format` NULL: no text. */
void engine_refuse(struct engine *e, struct command *c, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Writes c->text if c is not NULL; returns code. */
int engine_say(struct command *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Expires what is due and decides what was put off, as far as the open batch has room. */
void engine_pump(struct engine *e);
int64_t engine_next_seq(struct engine *e);
bool engine_takes_writes(const struct engine *e);
/* True: the open batch is full, or what comes before any newer decision is not decided yet. */
bool engine_is_short(const struct engine *e);
/* True: so it is, or some due hold is not written yet. */
bool engine_must_wait(const struct engine *e);
/* The same for this command: of due holds only those that concern it. */
bool engine_waits(const struct engine *e, const struct command *c);
/* Puts off what writes: it is looked at again when what it waits for may have come. */
void engine_defer(struct engine *e, struct command *c);
/* The same, with its notes. */
void engine_put_off(struct engine *e, struct command *c);
struct lot_view engine_view(const struct engine *e, lot_id id);
lot_id engine_next_lot(const struct engine *e); /* the number of the next one */

/* ---- kinds.c ---- */
/* What a kind of command does where its way forks. NULL: nothing. */
struct command_kind_row {
    const char *name;
    bool writes;     /* waits for room in the open batch, and for the ledger to take writes */
    bool sees_stock; /* a look-up that is answered when all due holds are taken down */
    bool certain;    /* a look-up that is not told UNKNOWN: it is answered from what is certain */
    bool whole;      /* one answer for many: over a shared ledger nothing of it may be assumed */
    bool last;       /* over a shared ledger: what comes after it needs more than this load has */
    bool answers_failure; /* `answered` takes a question that the ledger could not answer too */
    void (*accept)(struct command *c); /* its notes, before it is decided for the first time */
    /* True: it need not wait for what comes before newer decisions. */
    bool (*at_once)(const struct engine *e, const struct command *c);
    /* True: of the holds that are due and not written yet some concern it. NULL: any does. */
    bool (*concerned)(const struct engine *e, const struct command *c);
    void (*prefetch)(const struct engine *e, const struct command *c);
    void (*prefetch_near)(const struct engine *e, const struct command *c);
    void (*decide)(struct engine *e, struct command *c); /* from the start */
    void (*resume)(struct engine *e, struct command *c); /* with its notes (engine_put_off) */
    /* What it touches, as keys of a load; false: no memory. NULL: it needs no load. */
    bool (*keys)(struct engine *e, const struct command *c);
    /* The ledger's answer; `last`: nobody else waits for it, its record may be taken. */
    void (*answered)(struct engine *e, struct command *c, uint32_t order, struct question *q,
                     bool last);
    void (*settle)(struct engine *e, struct command *c); /* the gate's units go back, undecided */
    void (*drop)(struct command *c);                     /* frees its notes */
    /* Its answer is that it changed something itself: undone, that is not done for certain. Any
     * other answer rested on what somebody else did, and is made anew. */
    bool (*did)(const struct engine *e, const struct command *c);
    /* Answers `code` where its outcome rested on what is not committed. NULL: as a whole. */
    void (*fail)(struct engine *e, struct command *c, int code);
};
const struct command_kind_row *kind_of(const struct command *c);

static inline void command_drop(struct command *c)
{
    if (kind_of(c)->drop)
        kind_of(c)->drop(c);
}

static inline void command_fail(struct engine *e, struct command *c, int code)
{
    if (kind_of(c)->fail)
        kind_of(c)->fail(e, c, code);
    else
        engine_refuse(e, c, code, NULL);
}

/* ---- lot_terms.c ---- */
/* In the zone that days of sale are of. */
bool lot_has_expired(const struct engine *e, const struct lot *lot);
bool lot_is_withdrawn(const struct engine *e, const struct lot *lot);
int64_t lot_backorder_limit(const struct engine *e, const struct lot *lot);
/* lots_set_terms, and what the gate has to know of it. */
void engine_put_terms(struct engine *e, lot_id id, const struct lot_terms *terms);

/* ---- batch.c ---- */
enum {
    MOVE_TEXT_MAX =
        ORDER_ID_MAX + USER_ID_MAX + ADJUST_REASON_MAX + 3 * sizeof(struct lot_terms) + 64
};
bool batch_full(const struct engine *e);
/* Room in the open batch for `moves` of `lines` lines each and their texts, and for one move more
 * without either; false: no memory. */
bool batch_make_room(struct engine *e, uint32_t moves, uint32_t lines);
/* From then on batch_make_room cannot fail for `moves` moves, one at a time, of `lines` lines
 * together; false: no memory. */
bool batch_reserve(struct engine *e, uint32_t moves, size_t lines);
/* Appends to the open batch, for which room was made, and applies it to the stock and to the sale
 * of its hold. */
struct move *batch_add(struct engine *e, enum move_kind kind, struct hold *h,
                       const struct line *lines, uint16_t line_count, struct undo **undo);
struct str batch_keep(struct engine *e, struct str text);
const struct lot_terms *batch_keep_terms(struct engine *e, const struct lot_terms *terms);
void batch_clear(struct engine_batch *b);
void batch_close(struct engine_batch *b);
const struct line *move_lines(const struct move *m);
/* Answers c when all that `touched` says is committed; at once if that is nothing. */
void batch_attach(struct engine *e, struct command *c, uint8_t touched);
/* Looks at c again when all that `touched` says has its outcome. */
void batch_attach_again(struct engine *e, struct command *c, uint8_t touched);
/* The number of the newest batch in `touched`; 0 for none. */
uint64_t batch_number_of(const struct engine *e, uint8_t touched);
uint8_t batch_bits_of(const struct engine *e, uint64_t number);
/* The bit of the undecided batch that has the move of that number. */
uint8_t batch_bit_of_seq(const struct engine *e, int64_t seq);
bool batch_is_unknown(const struct engine *e, uint8_t touched);
/* The oldest batch with the ledger is done with there. */
struct engine_batch *batch_land(struct engine *e);

/* ---- stock.c ---- */
/* Applies (sign +1) or takes back (-1) a move's effect on one lot. */
void stock_apply(struct engine *e, enum move_kind kind, lot_id id, int64_t quantity, int sign);
/* False if the effect would make a counter negative or the lot too large. */
bool stock_allows(const struct engine *e, enum move_kind kind, lot_id id, int64_t quantity);
void stock_set(struct engine *e, lot_id id, const struct stock *stock);
/* All four counters may be so. */
bool stock_is_sound(const struct engine *e, lot_id id, const struct stock *stock);
/* Units that an order could have: available and those of the backorder_limit; a withdrawn lot's
 * none. (Whether it has expired is lot_has_expired.) */
int64_t stock_sellable(const struct engine *e, lot_id id);
/* The same, as it is shown: due holds have ended. */
int64_t stock_for_gate(const struct engine *e, const struct lot *lot);
void stock_gate_add(struct engine *e, lot_id id, int64_t units);
void stock_changed(struct engine *e, lot_id id); /* a committed change, for watchers */
void stock_settle_gate(struct engine *e, struct want *wants, uint16_t count);
/* Between the two, what the hold has counts as available; nobody is shown that. */
void stock_lend(struct engine *e, const struct hold *h);
void stock_take_back(struct engine *e, const struct hold *h);

static inline int64_t stock_available(const struct stock *s)
{
    return s->on_hand - s->reserved - s->confirmed;
}

/* ---- hold_step.c ---- */
/* The one place where a hold changes state. */
void hold_step(struct engine *e, struct hold *h, enum move_kind kind, enum refund_reason reason);
void hold_unstep(struct engine *e, struct hold *h, enum hold_state state);
void hold_set_deadline(struct engine *e, struct hold *h, int64_t deadline_ms);
/* From now on the hold is of `lines`, more than one in `many` (holds_lines_take). What it was stays
 * in `u` until the outcome. */
void hold_replace_lines(struct hold *h, const struct line *lines, uint16_t count, struct line *many,
                        struct undo *u);
void hold_restore_lines(struct engine *e, const struct undo *u);
/* Frees it if nothing keeps it in memory. */
void hold_release(struct engine *e, struct hold *h);
struct hold *hold_from_record(struct engine *e, const struct reservation_record *record);
/* The lots can take a move of those lines. */
bool lines_fit(const struct engine *e, enum move_kind kind, const struct line *lines,
               uint16_t count);
/* Its lots can take that move of all its units. Always so where nobody else writes. */
bool hold_fits(const struct engine *e, const struct hold *h, enum move_kind kind);
/* Out of the timers, or of the due ones. */
void hold_disarm(struct engine *e, struct hold *h);
/* And not PENDING any more. */
void hold_unarm(struct engine *e, struct hold *h);
/* Refunds a hold that is due; false: no memory. */
bool hold_expire(struct engine *e, struct hold *h);
bool hold_refund(struct engine *e, struct hold *h, enum refund_reason reason);

static inline bool hold_is_due(const struct engine *e, const struct hold *h)
{
    return h->state == HOLD_PENDING && h->deadline_ms <= e->now_ms;
}

/* ---- due.c ---- */
/* True: an order is judged by what some due hold has: units of a lot, or of a limit. */
bool due_concerns(const struct engine *e, const struct reserve_command *r);
bool due_any(const struct engine *e); /* holds, or groups */
/* What is due has had its share of the open batch. */
bool due_share_is_full(const struct engine *e);
void due_add(struct engine *e, struct hold *h);
void due_remove(struct engine *e, struct hold *h);
void due_park(struct engine *e, struct hold *h); /* if it is due and its outcome is unknown */
void due_unpark(struct engine *e);               /* those whose outcome is known now */
/* Takes down what is due, as much of it as one turn bears. */
void due_take(struct engine *e);
/* Refunds what is taken down, as far as the open batch has room. False: no memory. */
bool due_expire(struct engine *e);

/* A number that may be looked at: it is in the table, and over a shared ledger in the load. */
static inline bool lot_is_loaded(const struct engine *e, lot_id id)
{
    return lots_has(&e->lots, id) &&
           (!e->config.shared || lots_at(&e->lots, id)->load == e->shared.serial);
}

static inline lot_id engine_find_lot(const struct engine *e, struct str key)
{
    lot_id id = lots_find(&e->lots, key);
    return id && lot_is_loaded(e, id) ? id : 0;
}

/* ---- search.c ---- */
enum seen { SEEN_NEW, SEEN_REPLAY, SEEN_MISMATCH, SEEN_ASK, SEEN_NOT_KNOWN };
struct seen_order {
    enum seen verdict;
    struct hold *hold;                       /* REPLAY, MISMATCH: resident */
    const struct reservation_record *record; /* REPLAY: not resident */
    enum question_kind ask;                  /* ASK: what */
    int64_t ask_id;
};
struct seen_order search_order(const struct engine *e, const struct order_search *s,
                               struct str order_id, uint64_t order_hash,
                               const struct reserve_command *content);
void search_reset(struct order_search *s);
/* Takes a read's answer: owns `record` from here. */
void search_answer(struct order_search *s, const struct question *r, struct str order_id,
                   struct reservation_record *record);
struct reservation_record *record_clone(const struct reservation_record *record);
/* It knows of all moves of the hold that were decided. */
bool record_is_current(const struct reservation_record *record, const struct hold *h);

/* ---- content.c ---- */
/* Of the order's content, never 0. */
uint64_t order_fingerprint(const struct reserve_command *r);
bool order_same_content(const struct engine *e, const struct reserve_command *r,
                        const struct reservation_record *record);

/* ---- allocate.c ---- */
/* The lot that a want names; 0: there is none. */
lot_id want_named_lot(const struct engine *e, const struct want *w);
/* Wants in the order in which they are allocated: `order` gets their numbers. */
void want_order(const struct want *wants, uint16_t count, uint16_t *order);
/* Its wants and their quantities are in range. */
int order_check_wants(struct command *c, const struct reserve_command *r);
/* Of checked wants. `sale`: lots of a sku are only taken if they are in it; NULL: any. */
int allocate_order(const struct engine *e, struct reserve_command *r, const struct sale *sale);

/* ---- decide_*.c ---- */
/* RESERVE, and OPEN_GROUP with an order. */
void decide_reserve(struct engine *e, struct command *c);
/* search_order, and a group that is not in memory is to be asked for. */
struct seen_order reserve_look(const struct engine *e, const struct reserve_command *r);
/* Takes the answer to what SEEN_ASK asked; false: no memory for it. */
bool reserve_take_answer(struct engine *e, struct reserve_command *r, struct question *q,
                         bool last);
void decide_batch(struct engine *e, struct command *c);
void decide_batch_answer(struct engine *e, struct command *c, uint32_t order, struct question *q,
                         bool last);
void reserve_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                      bool last);
/* Decides one order: r->code, and what goes with it. */
void reserve_decide(struct engine *e, struct command *c, struct reserve_command *r,
                    const struct seen_order *seen);
void reserve_reset(struct reserve_command *r);
void decide_move(struct engine *e, struct command *c);
void decide_confirm_all(struct engine *e, struct command *c);
void confirm_all_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                          bool last);
void decide_create(struct engine *e, struct command *c);
void decide_terms(struct engine *e, struct command *c);
/* The LOT_TERMS move, for which room was made. */
void terms_move(struct engine *e, lot_id id, const struct lot_terms *old,
                const struct lot_terms *terms);
/* False, with a sentence, for terms that no lot may have. */
bool terms_are_valid(struct command *c, const struct lot_terms *terms);
void decide_set_stock(struct engine *e, struct command *c);
void decide_adjust(struct engine *e, struct command *c, const struct question *r);

/* ---- decide_sale.c ---- */
void decide_create_sale(struct engine *e, struct command *c);
void decide_update_sale(struct engine *e, struct command *c);
void decide_close_sale(struct engine *e, struct command *c);
void look_up_sale(struct engine *e, struct command *c);
void look_up_sales(struct engine *e, struct command *c);
/* A SALE move is committed, or undone. */
void sale_committed(struct engine *e, struct undo *u, uint8_t bit);
void sale_undone(struct engine *e, struct undo *u, struct engine_batch *b);
/* The ledger has let go of the batch: what was undone in it is freed. */
void sale_versions_free(struct engine_batch *b);
/* And what is kept for undoing. */
void sale_versions_drop(struct engine_batch *b);
/* No hold of it is PENDING, and none may be taken again any more. */
bool sale_is_over(const struct engine *e, const struct sale *s);
/* Of those that are over nothing is kept but their figures. */
void sales_sweep(struct engine *e);

/* ---- look_up.c ---- */
/* What only the engine knows of it. */
void record_show(const struct engine *e, struct reservation_record *record);
void look_up_lot(struct engine *e, struct command *c);
void look_up_lots(struct engine *e, struct command *c);
void look_up_changes(struct engine *e, struct command *c);
void look_up_reservation(struct engine *e, struct command *c);
void look_up_stats(struct engine *e, struct command *c);
void look_up_list(struct engine *e, struct command *c);
void list_accept(struct command *c);
void list_drop(struct command *c);
void list_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                   bool last);
void look_up_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                      bool last);

/* ---- unknown.c ---- */
void unknown_note(struct engine *e);
void unknown_forget(struct engine *e);
/* False for a lot that a batch of unknown outcome creates. */
bool unknown_shows(const struct engine *e, lot_id id);
/* The lot as look-ups are told; returns the bits of the batches that the answer has to wait for. */
uint8_t unknown_view(const struct engine *e, lot_id id, struct lot_view *out);

/* ---- questions.c ---- */
int questions_init(struct engine *e);
void questions_close(struct engine *e);
/* Asks, or queues behind the same question. False: too many questions, or no memory. */
bool question_ask(struct engine *e, struct command *c, uint32_t order, enum question_kind kind,
                  int64_t reservation_id, struct str text, uint64_t hash);
/* Somebody waits for what the ledger says of it. */
bool question_about(const struct engine *e, int64_t reservation_id);
/* The record, for one who waited to keep; NULL if there is none, or no memory. */
struct reservation_record *question_share(struct question *q, bool last);
/* Drops the index entry of a candidate that the ledger does not have any more. */
void question_archived(struct engine *e, const struct question *q, uint64_t order_hash);

/* ---- recovery.c ---- */
/* Adds what is left of the loading entries. While memory is too short for that, no order can be
 * called new, so no writes are taken. */
bool engine_index_complete(struct engine *e);

/* ---- outcome.c ---- */
/* All its moves from number `from` on, newest first. */
void undo_batch(struct engine *e, struct engine_batch *b, uint32_t from);

#endif
