/* process.h - one life of the server in the simulation: engine and gate, driven as the server's
 * engine thread drives them, but a turn at a time and without threads. */
#ifndef TALLY_SIM_PROCESS_H
#define TALLY_SIM_PROCESS_H

#include "engine/engine.h"
#include "fake_ledger.h"
#include "gate/gate.h"

enum { SIM_HASH_SEED = 77, PROCESS_QUEUE_MAX = 512 };

struct process {
    struct engine *engine;
    struct gate *gate;
    struct gate_session *session;
    struct fake_ledger *ledger;
    struct rng *rng;
    enum plant plant;
    lot_id lots_told;
    int64_t deadline_told_ms;
    struct command *queue[PROCESS_QUEUE_MAX]; /* sent, not yet with the engine */
    size_t queue_count;
    struct fake_ledger_news news[4]; /* finished by the ledger, not yet with the engine */
    size_t news_count;
};

/* Recovers from the ledger. */
int process_start(struct process *p, struct fake_ledger *ledger, const struct engine_config *config,
                  struct rng *rng, enum plant plant, int64_t now_ms, struct error *e) MUST_CHECK;
void process_stop(struct process *p);

/* The worker's part: false if the gate refuses; then *available units are there. */
bool process_admit(struct process *p, struct reserve_command *r, bool order_new, int64_t now_ms,
                   int64_t *available);
void process_send(struct process *p, struct command *c);
/* Lets the ledger work a little; what it finished waits for the next turn. */
void process_ledger(struct process *p);

struct process_turn {
    struct command *replies; /* by link */
    bool unknown;            /* the engine heard of an unknown outcome */
    bool resolved;           /* an unknown outcome became known */
};
/* Takes at most `commands` of what was sent. */
void process_turn(struct process *p, int64_t now_ms, size_t commands, struct process_turn *out);
/* Nothing is under way anywhere. */
bool process_idle(const struct process *p);
/* What the gate counts of a lot, or -1 if it does not say. */
int64_t process_gate_units(struct process *p, lot_id lot, struct str key, int64_t now_ms);

#endif
