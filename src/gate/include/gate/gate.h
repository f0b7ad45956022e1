/* gate.h - early admission.
 *
 * A gate knows roughly how many units of a lot are free and refuses, early and cheaply, what cannot
 * succeed. It never grants: only the ledger does. A gate that is wrong on the generous side costs a
 * refusal further in; on the strict side it would cost a sale. So every unit that it takes is given
 * back or used up through gate_add(), exactly once, whatever happened to the order, and when it is
 * not sure that the answer is no, it does not say no.
 *
 * The count that a gate keeps of a lot is
 *     available(engine) - units taken by asks that the engine has not decided yet.
 * Who decides (the engine's thread) calls gate_add() with the difference that its decisions made.
 */
#ifndef TALLY_GATE_GATE_H
#define TALLY_GATE_GATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum gate_verdict {
    GATE_PASS,     /* units taken; the engine owes one settlement */
    GATE_SOLD_OUT, /* nothing taken; `available` says how many there were */
    GATE_REPLAY,   /* nothing taken; this order_id may have been seen: ask the engine */
    GATE_BLIND,    /* nothing taken; the gate cannot know now: ask the engine */
    GATE_VERDICTS
};

struct gate_line {
    struct str lot;   /* lot key; empty: not known to the caller, which makes the ask BLIND */
    int64_t quantity; /* at least 1; lines of one lot need not be summed */
    uint32_t lot_id;  /* out: the engine's number of the lot; 0 if the gate doesn't know it */
};

/* One order: all lines are taken or none. */
struct gate_ask {
    struct gate_line *lines;
    uint16_t line_count;
    uint64_t order_hash;       /* hash64 of the order_id */
    bool order_new;            /* the server made the order_id: cannot be a replay */
    enum gate_verdict verdict; /* out */
    uint16_t failed_line;      /* out, SOLD_OUT */
    int64_t available;         /* out, SOLD_OUT: units of the failed line's lot */
    void *context;             /* the caller's */
};

struct gate;

/* The answer to gate_admit: comes once for each call, on the caller's thread; from inside the call
 * if the adapter answers at once (gate_local), later otherwise. */
typedef void gate_admit_cb(void *context, struct gate_ask *asks, size_t n);

struct gate_ops {
    /* Any thread. `asks` belongs to the caller and must outlive the callback. A failure of the
     * backend is not an error but the verdict GATE_BLIND. `now_ms` is ledger time. */
    void (*admit)(struct gate *g, struct gate_ask *asks, size_t n, int64_t now_ms,
                  gate_admit_cb *cb, void *context);
    /* Any thread. A hint that an order of this hash will be asked about soon; may be NULL. */
    void (*prefetch)(struct gate *g, uint64_t order_hash);
    /* The engine's thread. A new lot, with its available units; lots come as 1, 2, 3, ... `key`
     * outlives the gate. 0 or TLY_ENO_MEMORY (the lot stays BLIND). */
    int (*lot_added)(struct gate *g, uint32_t lot_id, struct str key, int64_t available);
    /* The engine's thread. Adds to the lot's count; negative takes without asking. */
    void (*add)(struct gate *g, uint32_t lot_id, int64_t units);
    /* The engine's thread. Sets the count, forgetting units that undecided asks have taken: for use
     * before the first ask. */
    void (*reset)(struct gate *g, uint32_t lot_id, int64_t available);
    /* The engine's thread. An order_id that did not come through admit: at recovery, and before the
     * engine is handed such an order. (admit remembers all that it does not refuse.) */
    void (*order_seen)(struct gate *g, uint64_t order_hash);
    /* The engine's thread. false: there are accepted order_ids that the gate was not told of (the
     * part of the window that is on disk), so none may be called new. */
    void (*orders_complete)(struct gate *g, bool complete);
    /* The engine's thread. Deadline of the next hold to expire; from then on until the engine moves
     * it, nothing is refused: stock may be about to come free. To be called after add() for what
     * came free at the deadline before. */
    void (*next_deadline)(struct gate *g, int64_t deadline_ms);
    void (*destroy)(struct gate *g);
};

struct gate {
    const struct gate_ops *ops;
};

static inline void gate_destroy(struct gate *g)
{
    if (g)
        g->ops->destroy(g);
}

#endif
