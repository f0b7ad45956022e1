/* gate.h - early admission.
 *
 * A gate knows roughly how many units of a lot are free and refuses, early and cheaply, what cannot
 * succeed. It never grants: only the ledger does. A gate that is wrong on the generous side costs a
 * refusal further in; on the strict side it would cost a sale. So when it is not sure that the
 * answer is no, it does not say no, and units that it takes for an order come back or are used up
 * whatever becomes of the order.
 *
 * One struct gate for the node. Each I/O worker has a session of its own: it asks, flushes once a
 * turn of its loop, and is answered on its own thread, from inside the flush (gate_local) or later,
 * in any order; never from inside the asking.
 *
 * The engine's side is told what becomes of the asks in two ways, and an adapter takes the one that
 * fits it:
 *   - as differences, at once: decided(). The count that such an adapter keeps of a lot is
 *         available(engine) - units taken by asks that the engine has not decided yet.
 *   - as the truth, after commits: committed() closes the orders' open asks and brings the lots'
 *     {available, version}. An older version never overwrites a newer one, so several nodes may
 *     tell the same gate, in any order, and a message that is lost is made up for by the next.
 * Nothing absolute is ever told without its version.
 */
#ifndef TALLY_GATE_GATE_H
#define TALLY_GATE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "model/model.h"

struct uv_loop_s;

enum gate_verdict {
    GATE_PASS,     /* units taken, for this order */
    GATE_SOLD_OUT, /* nothing taken; each line says how many there were */
    GATE_REPLAY,   /* nothing taken; this order_id may have been seen: ask the engine */
    GATE_BLIND,    /* nothing taken; the gate cannot know now: ask the engine */
    GATE_VERDICTS
};

/* A lot by its key, or else goods. */
struct gate_line {
    struct str lot;            /* lot key, or empty */
    const struct goods *goods; /* if `lot` is empty; else NULL */
    int64_t quantity;          /* at least 1; lines of one lot need not be summed */
    lot_id lot_id;     /* out: the engine's number of the lot; 0 if the gate doesn't know it */
    bool is_short;     /* out, SOLD_OUT: fewer than asked for. At least one line is */
    int64_t available; /* out, SOLD_OUT, if is_short: units that the line could have had */
};

/* One order: all lines are taken or none. It and all that it points to is the gate's from ask() to
 * the answer. */
struct gate_ask {
    struct gate_ask *next; /* the gate's; in an answer, the next one answered */
    struct gate_line *lines;
    struct str order_id;
    uint64_t order_hash; /* hash64 of the order_id */
    void *context;       /* the caller's */
    uint16_t line_count;
    uint16_t failed_line; /* out, SOLD_OUT: the first line that is short */
    bool order_new;       /* the server made the order_id: cannot be a replay */
    uint8_t verdict;      /* out; enum gate_verdict */
    struct str user_id;
    struct str sale_id; /* empty: of no sale */
};

/* A worker, to the gate. */
struct gate_worker {
    struct uv_loop_s *loop; /* NULL: none; only for adapters that need no loop */
    void *context;
    /* The worker's thread. Answered asks, by `next`; each exactly once. May ask again. */
    void (*answered)(void *context, struct gate_ask *first);
};

/* What became of an order that was asked about. */
enum gate_outcome {
    GATE_ACCEPTED, /* committed; or this order_id was accepted before */
    GATE_REFUSED,  /* nothing was done */
    GATE_FAILED,   /* it was decided and then undone: its commit failed */
    GATE_UNKNOWN,  /* it is not known whether it is committed; nobody will tell later: ask */
    GATE_OUTCOMES
};

struct gate_settlement {
    uint64_t order_hash;
    struct str order_id;
    enum gate_outcome outcome;
    const struct gate_line *lines; /* as asked */
    uint16_t line_count;
};

/* A lot as the ledger has it at this version. */
struct gate_stock {
    lot_id lot_id;
    const struct lot_dims *dims; /* lives as long as the gate */
    int64_t available;
    int64_t version;
    int64_t orders_after; /* the orders of all moves from this version on to `version` are told in
                             this call or were told before; 0: of all moves there ever were.
                             `version`: of none, this was only read */
    bool all_of_sku;      /* every lot of its sku is told in this call */
};

/* A sale as it was committed. Before opens_ms and from closes_ms on nothing is sold in it. */
struct gate_sale {
    sale_number number;
    struct str sale_id;
    int64_t opens_ms;
    int64_t closes_ms;
};

struct gate;

/* An adapter's session begins with one. */
struct gate_session {
    const struct gate_ops *ops;
};

struct gate_ops {
    /* ---- a worker; its thread, but for attach(), which comes before the thread runs ---- */

    int (*attach)(struct gate *g, const struct gate_worker *w, struct gate_session **out,
                  struct error *e);
    /* Takes it up; no answer from inside. A failure of the backend is the verdict BLIND. */
    void (*ask)(struct gate_session *s, struct gate_ask *ask);
    /* Sends off what was asked since the last flush; answers may come from inside. `now_ms` is
     * ledger time. */
    void (*flush)(struct gate_session *s, int64_t now_ms);
    /* What is not answered yet comes back BLIND first, from inside. NULL is fine. */
    void (*detach)(struct gate_session *s);

    /* ---- the lane's thread ---- */

    /* A lot, with its stock at a version: when it is new, and at start. A gate that keeps its count
     * by decided() takes a lot's units from the first call and ignores others. 0 or TLY_ENO_MEMORY
     * (the lot stays BLIND). */
    int (*lot_known)(struct gate *g, const struct gate_stock *lot);
    /* A sale: when it is new or changed, and at start those that go on. An ask in a sale that the
     * gate does not know, or that is not on, is BLIND: the engine says what is wrong with it. 0 or
     * TLY_ENO_MEMORY (asks in it stay BLIND). */
    int (*sale_known)(struct gate *g, const struct gate_sale *sale);
    /* May be NULL. What decisions changed of known lots, at once: before the commit, and before who
     * asked is answered. */
    void (*decided)(struct gate *g, const struct gate_delta *lots, size_t n);
    /* May be NULL. After every answer of the engine its orders, before the answer leaves, and with
     * them or after them the lots of the commit; lots as they were read of a ledger that others
     * write to. Either count may be 0. Memory is the caller's, for the call. */
    void (*committed)(struct gate *g, const struct gate_settlement *orders, size_t n,
                      const struct gate_stock *lots, size_t m);
    /* An order_id that did not come through ask(): at recovery, and before the engine is handed
     * such an order. (ask remembers all that it does not refuse.) */
    void (*order_seen)(struct gate *g, uint64_t order_hash);
    /* false: there are accepted order_ids that the gate was not told of (the part of the window
     * that is on disk), so none may be called new. */
    void (*orders_complete)(struct gate *g, bool complete);
    /* Deadline of the next hold to expire; from then on until the engine moves it, nothing is
     * refused: stock may be about to come free. Comes after the units that came free at the
     * deadline before. */
    void (*next_deadline)(struct gate *g, int64_t deadline_ms);

    void (*destroy)(struct gate *g); /* no session is left */
};

struct gate {
    const struct gate_ops *ops;
};

static inline void gate_ask(struct gate_session *s, struct gate_ask *ask)
{
    s->ops->ask(s, ask);
}

static inline void gate_flush(struct gate_session *s, int64_t now_ms)
{
    s->ops->flush(s, now_ms);
}

static inline void gate_detach(struct gate_session *s)
{
    if (s)
        s->ops->detach(s);
}

static inline void gate_destroy(struct gate *g)
{
    if (g)
        g->ops->destroy(g);
}

#endif
