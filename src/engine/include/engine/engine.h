/* engine.h - the core: a state machine that decides who gets which units.
 *
 * No I/O, no threads, no clock: commands, ledger outcomes and readings of the time go in; batches
 * of moves for the ledger, replies, and requests to read the ledger come out. All calls come from
 * one thread. After warm-up nothing is allocated, except when a pool grows to a new maximum.
 *
 * One turn:
 *     engine_advance(now)          holds that are due have ended from now on, in all that is shown;
 *                                  their REFUNDs come before anything newer (I5)
 *     engine_command(c) ...        decide; the decision joins the open batch
 *     batch = engine_seal()        at most batches_max are with the ledger, in order
 *     engine_sealed()              what found no room in it goes into the next one
 *     ... ledger commits ...
 *     engine_outcome(batch, ...)   replies of that batch become due, or everything since is undone
 *     engine_replies()             hand them back
 *
 * Decisions are made on the state as if all earlier decisions will be committed. A reply never
 * leaves before the batch that it depends on (I3). If that batch is rejected, all decisions since
 * are undone, newest first. A look-up whose answer rests on undecided moves waits for them.
 *
 * Resident: lots, PENDING holds with their timers, the recent part of the order index, filters of
 * its older part. Anything else is asked of the ledger (engine_next_question()), while other
 * commands go on; commands for the same reservation queue behind the read.
 */
#ifndef TALLY_ENGINE_ENGINE_H
#define TALLY_ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/command.h"
#include "ledger/ledger.h"
#include "model/model.h"

struct engine;
struct zone;

struct engine_config {
    uint16_t node;      /* 0..NODE_MAX: stands in every sequence number */
    uint64_t hash_seed; /* the data folder's */
    bool shared;        /* the ledger's traits say so: others write to it */
    uint32_t lots_max;
    uint32_t holds_max;       /* PENDING, or paid in an OPEN group; beyond it OVERLOADED */
    uint32_t batch_moves_max; /* moves in one ledger batch; one command may go over it */
    uint32_t batches_max;     /* batches with the ledger at once, as its traits say; 0: one */
    uint32_t waiting_max;     /* commands waiting for an outcome or a read; beyond it OVERLOADED */
    uint32_t questions_max;   /* ledger reads under way; beyond it OVERLOADED */
    uint32_t stale_tries_max; /* K: decisions of one command after LEDGER_STALE */
    int64_t hold_default_ms;
    int64_t hold_max_ms;       /* of one hold_ms */
    int64_t hold_total_max_ms; /* from reserving to the last deadline that EXTEND may set */
    int64_t refund_window_ms;  /* 72 h */
    uint32_t user_holds_max;   /* PENDING holds of one user; 0: any number */
    int64_t order_retention_ms;
    const struct zone *expiry_zone; /* base/zone.h: what zone a lot's last day is of; NULL: UTC */
    uint32_t order_memory_max;      /* order_ids in the index's memory part */
    /* Of these 0 is as many as there may be. */
    uint32_t sales_max;        /* that were ever made; beyond it LIMIT_EXCEEDED */
    uint32_t groups_max;       /* OPEN; beyond it OVERLOADED */
    uint32_t user_entries_max; /* reservations that count towards limits of users, in sales and of
                                * lots; beyond it OVERLOADED */
    uint32_t backorders_max;   /* places in the lines of lots that sell what is to come; beyond it
                                * OVERLOADED */
};

int engine_create(struct engine **out, const struct engine_config *config,
                  struct error *e) MUST_CHECK;
void engine_destroy(struct engine *e); /* NULL is fine. Commands inside are dropped, not answered */

/* ---- recovery: before the first command, in this order ---- */

/* A lot with the stock of the last snapshot, and its terms (NULL: plain) of then or later. Ids come
 * as 1, 2, 3, ...; those of a shared ledger in any order, with gaps. */
int engine_load_lot(struct engine *e, lot_id id, const struct lot_dims *dims,
                    const struct lot_terms *terms, const struct stock *snapshot,
                    struct error *err) MUST_CHECK;
/* A sale as it stands now, in order of number, after all lots; those of a shared ledger may be left
 * out. created_seq: of its first SALE. */
int engine_load_sale(struct engine *e, const struct sale_terms *terms, int64_t created_seq,
                     struct error *err) MUST_CHECK;
/* A move, in order of seq. `in_stock`: the snapshot contains it already. Moves of reservations
 * whose RESERVE was not loaded only count for stock. Fails with TLY_ECORRUPT where the row
 * contradicts what came before it. */
int engine_load_move(struct engine *e, const struct move *m, bool in_stock,
                     struct error *err) MUST_CHECK;
/* order_ids known of a part of the window that is not loaded move by move (order_index.h). */
int engine_load_order_run(struct engine *e, struct order_run *run) MUST_CHECK;
/* A sequence number that was used, whether its move is there or not. */
void engine_load_seq(struct engine *e, int64_t seq);
/* Time goes on from now_ms, be it before the newest move (a wrong clock's, that somebody set
 * right).
 */
void engine_recovered(struct engine *e, int64_t now_ms);

/* ---- running ---- */

void engine_advance(struct engine *e, int64_t now_ms, uint64_t monotonic_ns);
void engine_command(struct engine *e, struct command *c);
/* Brings what engine_command(c) will look at closer; call it some commands ahead. */
void engine_prefetch(const struct engine *e, const struct command *c);
/* The second step, a few commands later: what is found only by what the first brought closer. */
void engine_prefetch_near(const struct engine *e, const struct command *c);
/* The open batch, closed; NULL if it is empty, or as many as may be are with the ledger. Stays the
 * engine's until its final outcome; outcomes come in order. */
struct batch *engine_seal(struct engine *e);
/* After a seal: what was put off because the batch was full is decided into the next one. Apart, so
 * that who wants to look at the lots as they are with that batch can do so in between. */
void engine_sealed(struct engine *e);
void engine_outcome(struct engine *e, struct batch *b);
/* Over a shared ledger commands gather, and are decided when what they touch is loaded:
 *     load = engine_next_load()      ops->load(); NULL: none is to be asked for now
 *     engine_loaded(load)            all that gathered is decided
 *     batch = engine_seal()          as ever; batch->load is that load, which it ends, or
 *     load = engine_next_release()   ops->release(): nothing is to be written
 * All three belong into every turn, in this order. */
struct load *engine_next_load(struct engine *e);
void engine_loaded(struct engine *e, struct load *load);
struct load *engine_next_release(struct engine *e);
void engine_answered(struct engine *e, struct question *r);
/* Takes: a list by `link`, oldest first. */
struct command *engine_replies(struct engine *e);
/* Takes: the next question for the ledger, NULL when there is none. */
struct question *engine_next_question(struct engine *e);
/* While false, commands that write are answered UNAVAILABLE. The engine sets it to false itself on
 * LEDGER_REJECTED and LEDGER_UNKNOWN; the ledger's recovery is reported here. */
void engine_set_available(struct engine *e, bool available);
/* Ledger time of the earliest deadline to come (never later than it; a little earlier if the
 * earliest hold ended before it was due); INT64_MAX if nothing is pending. In the past only while
 * more holds are due than one turn takes down: the next turn should come at once. */
int64_t engine_next_deadline(const struct engine *e);
/* The same for a gate: 0 while the units of a group whose end has come are not given back. */
int64_t engine_gate_deadline(const struct engine *e);
/* The same for who goes by commits: 0 until the REFUNDs of all holds that are due are committed. */
int64_t engine_settled_deadline(const struct engine *e);
/* Full segments of the order index that the store may write out (order_index.h); NULL if none. */
struct order_segment *engine_next_segment(struct engine *e);
void engine_segment_stored(struct engine *e, struct order_segment *s, struct order_run *run);

/* What the gate must add to its count of a lot: take all since the last call, at most `max` at a
 * time. Lots are new to the gate when engine_lot_count() has grown: in one go, with no command or
 * outcome in between, take all deltas and tell the gate of the new lots with their available units
 * of that moment. A new lot's deltas start after that. */
size_t engine_gate_deltas(struct engine *e, struct gate_delta *out, size_t max);
/* A lot by its number, for the gate and for replies; NULL if there is none. Any thread may read the
 * dims afterwards; the stock is a copy of the moment. */
bool engine_lot(const struct engine *e, lot_id id, struct lot_view *out);
uint32_t engine_lot_count(const struct engine *e); /* lots whose creation is committed */
/* A lot's dimensions, or NULL. Any thread, for a number that came to it in an answer: they stood
 * before the answer left, never move, and live as long as the engine. */
const struct lot_dims *engine_lot_dims(const struct engine *e, lot_id id);
/* What a gate must know of sales: takes the next one that was committed since, or goes on at start;
 * false: none. To be told before answers of that turn leave. */
struct sale_window {
    sale_number sale;
    struct str sale_id; /* lives as long as the engine */
    int64_t starts_ms;
    int64_t ends_ms; /* or when it was closed */
};
bool engine_next_sale(struct engine *e, struct sale_window *out);
/* A sale's sale_id, or {0}. Any thread, as before. */
struct str engine_sale_id(const struct engine *e, sale_number number);

/* What answers say of a lot besides its dimensions. Any thread, as engine_lot_dims(), of a moment
 * ago: decisions go by the engine's own. */
struct lot_signs {
    int32_t last_day;
    int32_t expected_on;
    bool withdrawn;
};
bool engine_lot_signs(const struct engine *e, lot_id id, struct lot_signs *out);
/* Some lot has, or had, terms that are not plain. Any thread. */
bool engine_lots_tell_more(const struct engine *e);
/* What the gate is told of a lot: the units that it sells. */
int64_t engine_gate_units(const struct lot_view *lot);

/* Counters since start, and gauges. Declared once: name, kind (counter or gauge), help. */
#define ENGINE_STATS(X)                                                                            \
    X(reserved_total, COUNTER, "orders accepted")                                                  \
    X(replayed_total, COUNTER, "orders answered with an earlier outcome")                          \
    X(sold_out_total, COUNTER, "orders refused for want of stock")                                 \
    X(confirmed_total, COUNTER, "holds confirmed")                                                 \
    X(refunded_total, COUNTER, "holds given back on request")                                      \
    X(returned_in_part_total, COUNTER, "returns after which units were left")                      \
    X(shipped_total, COUNTER, "shipments")                                                         \
    X(changed_total, COUNTER, "holds that got other lines")                                        \
    X(reclaimed_total, COUNTER, "expired holds taken again and confirmed")                         \
    X(expired_total, COUNTER, "holds given back at their deadline")                                \
    X(undone_total, COUNTER, "moves undone because their commit failed")                           \
    X(reads_total, COUNTER, "questions asked of the ledger")                                       \
    X(groups_succeeded_total, COUNTER, "groups that succeeded")                                    \
    X(groups_failed_total, COUNTER, "groups that failed")                                          \
    X(late_total, COUNTER, "commands refused because they reached the engine too late")            \
    X(lots, GAUGE, "lots")                                                                         \
    X(holds_pending, GAUGE, "PENDING holds")                                                       \
    X(sales, GAUGE, "sales that were ever made")                                                   \
    X(groups_open, GAUGE, "OPEN groups")                                                           \
    X(user_entries, GAUGE,                                                                         \
      "reservations that count towards limits of users, in sales and of lots")                     \
    X(backorders, GAUGE, "places of orders that wait for units to come")                           \
    X(holds_overdue, GAUGE, "PENDING holds past their deadline")                                   \
    X(units_on_hand, GAUGE, "units on hand in all lots")                                           \
    X(units_reserved, GAUGE, "units held by PENDING holds")                                        \
    X(units_confirmed, GAUGE, "units held by CONFIRMED reservations")                              \
    X(waiting, GAUGE, "commands waiting for an outcome or a read")                                 \
    X(batch_open_moves, GAUGE, "moves in the open batch")                                          \
    X(orders_in_memory, GAUGE, "order_ids in the memory part of the index")                        \
    X(order_index_bytes, GAUGE, "memory of the order index")                                       \
    X(order_runs, GAUGE, "runs of the order index on disk")                                        \
    X(lot_bytes, GAUGE, "memory of lots")                                                          \
    X(hold_bytes, GAUGE, "memory of holds and timers")

struct engine_stats {
#define X(name, kind, help) int64_t name;
    ENGINE_STATS(X)
#undef X
};

/* The same that COMMAND_STATS answers, for whoever drives the engine: the statistics, and the lots
 * with most moves, at most `top_max`; returns how many. */
uint32_t engine_figures(struct engine *e, struct engine_stats *stats, struct lot_view *top,
                        uint32_t top_max);

#endif
