/* lane.h - an engine with its ledger and its gate, driven a turn at a time.
 *
 * No threads, no clock, no loop: whoever drives a lane says what time it is and when a turn is due.
 * The server does it on a thread (server/engine_thread.c), the simulator from its scheduler.
 *
 *     lane_events()    what the ledger is started with
 *     lane_recover()   replays the ledger into the engine; tells how far time is
 *     lane_open()      from here on commands may come; the gate is told of everything
 *     lane_send()      commands for the next turn; any thread
 *     lane_turn()      one turn
 *
 * What other threads hand to it:
 *
 *     mailbox     pushed by          holds
 *     commands    whoever asks       struct command
 *     outcomes    a ledger's thread  struct batch
 *     loads       a ledger's thread  struct load, answered: a shared ledger only
 *     questions   a ledger's thread  struct question, answered
 *     segments    a ledger's thread  struct order_segment, with its run
 *     runs        a ledger's thread  struct order_run: merged from others
 *
 * They are bounded by what is pushed: commands by who asks, the rest by what the engine asked for.
 */
#ifndef TALLY_LANE_LANE_H
#define TALLY_LANE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mailbox.h"
#include "engine/engine.h"
#include "gate/gate.h"
#include "ledger/ledger.h"

/* What a lane asks of who drives it. Each may be NULL, but for `answered`. */
struct lane_host {
    void *context;
    /* The lane's thread. Answered commands, oldest first, by `link`. */
    void (*answered)(void *context, struct command *first);
    /* Any thread: something has come for the next turn. */
    void (*wake)(void *context);
    /* A ledger's thread: it takes writes, or does not; with a sentence why. */
    void (*available)(void *context, bool available, const char *why);
    /* A ledger's thread, again and again until the engine was told of an UNKNOWN outcome: waits a
     * little. False: nobody drives the lane any more. NULL: the ledger leaves the batch alone until
     * the next turn. */
    bool (*pause)(void *context);
    /* The lane's thread, to measure: before a batch goes to the ledger; before the engine hears of
     * its final outcome; after so many commands were decided in a turn. */
    void (*submitted)(void *context, const struct batch *b);
    void (*settled)(void *context, const struct batch *b);
    void (*decided)(void *context, uint64_t commands);
    /* The lane's thread, after a commit and before the replies leave: its lots as they are now,
     * with their versions. `newest_seq`: of the commit's moves. Memory is the lane's, for the call.
     */
    void (*lots_committed)(void *context, const struct gate_stock *lots, uint32_t count,
                           int64_t newest_seq);
    /* The lane's thread: memory was short, the gate will not know this lot. */
    void (*lot_left_out)(void *context, struct str key);
};

/* The lots that a batch touches, as they are once it is committed. Only where the gate or
 * the host wants it. */
struct lane_note {
    uint64_t batch;
    struct gate_stock *stocks;
    uint32_t count;
    uint32_t room;
    bool committed; /* and not told yet */
};

/* Of a lot: the last batch that noted it, and where. */
struct lane_noted {
    uint64_t batch;
    uint32_t at;
};

enum { LANE_NOTES = 4 }; /* more than batches under way */

/* Zeroed, then the first four set, before anything else. */
struct lane {
    struct engine *engine;
    struct ledger *ledger;
    struct gate *gate;
    struct lane_host host;

    /* ---- the lane's own ---- */
    struct mailbox commands;
    _Atomic uint32_t command_count; /* sent since the last take: a hint */
    struct mailbox outcomes;
    struct mailbox loads;
    struct mailbox questions;
    struct mailbox segments;
    struct mailbox runs;
    _Atomic bool available; /* the ledger's last word */
    _Atomic uint32_t availability_changes;
    _Atomic uint32_t unknowns_told; /* UNKNOWN outcomes that the engine has heard */

    /* of the thread that drives it */
    struct mail *pending; /* commands taken and not decided yet */
    uint32_t under_way;   /* batches with the ledger */
    uint32_t availability_seen;
    uint32_t lots_told; /* to the gate */
    int64_t deadline_told_ms;
    bool orders_complete; /* the gate was told of every order_id of the window */
    bool busy;            /* this turn found something to do */
    struct lane_note notes[LANE_NOTES];
    struct lane_noted *noted; /* by lot */
    uint32_t noted_room;
    struct gate_stock *read_lots; /* of the load that the engine is handed */
    uint32_t read_count, read_room;
};

/* For ledger->ops->start; the context is the lane. */
void lane_events(struct lane *l, struct ledger_events *out);

/* After the last turn. Engine, ledger and gate are who made them's. */
void lane_close(struct lane *l);

/* ---- at start, in this order; no other thread is at the lane ---- */

/* What recovery tells, and what it came to. */
struct lane_recovery {
    uint64_t hash_seed; /* the data folder's */
    void *context;
    void (*progress)(void *context, uint64_t done, uint64_t total); /* or NULL */
    uint64_t moves;                                                 /* out */
    int64_t newest_ms; /* out: ledger time of the newest move; 0: there is none */
};
int lane_recover(struct lane *l, struct lane_recovery *r, struct error *e) MUST_CHECK;
void lane_open(struct lane *l, int64_t now_ms);

/* ---- running ---- */

/* Any thread. Does not wake. Leaves the chain empty. How many commands wait now: a hint. */
static inline uint32_t lane_send(struct lane *l, struct mail_chain *commands, uint32_t count)
{
    mailbox_push(&l->commands, commands);
    return atomic_fetch_add(&l->command_count, count) + count;
}

static inline uint32_t lane_commands_waiting(struct lane *l)
{
    return atomic_load_explicit(&l->command_count, memory_order_relaxed);
}

/* `now_ms` is ledger time. True if there was anything to do. */
bool lane_turn(struct lane *l, int64_t now_ms, uint64_t monotonic_ns);

/* Something waits for the next turn; `ledger_only`: other than commands that nobody has taken. */
bool lane_work_waits(struct lane *l, bool ledger_only);

static inline bool lane_available(struct lane *l)
{
    return atomic_load_explicit(&l->available, memory_order_relaxed);
}

#endif
