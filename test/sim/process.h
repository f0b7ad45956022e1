/* process.h - one life of the server in the simulation: a lane, as the server's engine thread has
 * it, with a gate and a ledger, driven a turn at a time and without threads. */
#ifndef TALLY_SIM_PROCESS_H
#define TALLY_SIM_PROCESS_H

#include "engine/engine.h"
#include "fake_ledger.h"
#include "gate/gate.h"
#include "lane/lane.h"
#include "planted_limit.h"

enum { SIM_HASH_SEED = 77, PROCESS_QUEUE_MAX = 512 };

enum process_gate {
    PROCESS_GATE_LOCAL, /* answers from inside the flush, counts by differences */
    PROCESS_GATE_LATE,  /* answers later and out of order, goes by what commits tell */
};

struct process_config {
    struct ledger *ledger; /* the process's from here on */
    const struct engine_config *engine;
    enum process_gate gate;
    bool gate_away; /* the late one: it answers BLIND, always */
    struct rng *rng;
    enum plant plant;
    void (*admitted)(void *context, struct gate_ask *ask); /* the gate has answered */
    void *context;
};

struct process {
    struct lane lane;
    struct process_config config;
    struct gate_session *session;
    bool stopping;                            /* nobody is interested in answers any more */
    struct command *queue[PROCESS_QUEUE_MAX]; /* sent, not yet with the lane */
    size_t queue_count;
    struct command *replies, *last_reply; /* of this turn, by link */
    int64_t now_ms;                       /* of the newest turn, or of the start */
    struct command planted;               /* what a bug asks for; nobody waits for its answer */
    struct line planted_lines[ORDER_LINES_MAX];
    bool planted_out;
    struct planted_limits limits; /* planted: counted wrongly */
    struct command *refused;      /* planted: by them, by link */
};

/* Recovers from the ledger. */
int process_start(struct process *p, const struct process_config *config, int64_t now_ms,
                  struct error *e) MUST_CHECK;
void process_stop(struct process *p);

/* The worker's part. The answer comes through config->admitted: from inside or later. */
void process_ask(struct process *p, struct gate_ask *ask, int64_t now_ms);
/* An answer reaches the worker, if one was on its way. */
void process_gate(struct process *p);
/* What nobody told the gate: what became of an order whose outcome was unknown. */
void process_settle(struct process *p, uint64_t order_hash);
void process_send(struct process *p, struct command *c);
/* Lets the ledger work a little; what it finished waits for the next turn. */
void process_ledger(struct process *p);

struct process_turn {
    struct command *replies; /* by link */
    struct fake_ledger_heard heard;
};
/* Takes at most `commands` of what was sent. */
void process_turn(struct process *p, int64_t now_ms, size_t commands, struct process_turn *out);
/* Nothing is under way anywhere. */
bool process_idle(const struct process *p);
/* What the gate counts of a lot, or -1 if it does not say. Nothing is under way. */
int64_t process_gate_units(struct process *p, lot_id lot, struct str key, int64_t now_ms);
/* Units that the gate holds for orders that it was not told the end of. */
int64_t process_gate_open_units(struct process *p, lot_id lot);

#endif
