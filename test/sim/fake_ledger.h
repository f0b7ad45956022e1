/* fake_ledger.h - a ledger in memory that fails in every way that ledger.h allows, from a seed.
 *
 * It outlives the process: what it called durable stays. Nothing happens by itself; the world calls
 * fake_ledger_progress when it is the ledger's turn, and hands on what that returns.
 */
#ifndef TALLY_SIM_FAKE_LEDGER_H
#define TALLY_SIM_FAKE_LEDGER_H

#include "engine/engine.h"
#include "plants.h"
#include "rng.h"

struct fake_ledger;

/* How often things go wrong, in a thousand. */
struct fake_ledger_faults {
    uint32_t reject;
    uint32_t unknown;
    uint32_t stale;
    uint32_t read_fails;
    uint32_t store_slow; /* a run is not stored yet */
    uint32_t slow;       /* a step in which nothing is finished although something could be */
};

/* Told of every batch that became durable, at that moment. */
typedef void fake_ledger_durable_fn(void *context, const struct move *rows, size_t count,
                                    int64_t oldest_pending, bool foreign);

struct fake_ledger *fake_ledger_create(struct rng *rng, const struct fake_ledger_faults *faults,
                                       enum plant plant, fake_ledger_durable_fn *durable,
                                       void *context);
void fake_ledger_destroy(struct fake_ledger *l);
void fake_ledger_heal(struct fake_ledger *l); /* no more faults, no more delays */

/* ---- from the engine ---- */
void fake_ledger_submit(struct fake_ledger *l, struct batch *b);
void fake_ledger_ask(struct fake_ledger *l, struct question *r);
void fake_ledger_store(struct fake_ledger *l, struct order_segment *s);
bool fake_ledger_idle(const struct fake_ledger *l);

/* ---- the ledger's turn ---- */
struct fake_ledger_news {
    struct batch *outcome;         /* with its outcome; or NULL */
    bool resolves;                 /* the outcome ends an unknown one */
    struct question *read;         /* answered; or NULL */
    struct order_segment *segment; /* stored as `run`; or NULL */
    struct order_run *run;
    bool available; /* writes are possible again */
};
void fake_ledger_progress(struct fake_ledger *l, struct fake_ledger_news *news);

/* The outcome that was reported reaches the engine: the next one may come. What another writer was
 * faster with becomes durable now, so that nobody can have known of it before. */
void fake_ledger_deliver(struct fake_ledger *l, struct batch *b, int64_t now_ms);

/* The process is gone: what was under way is decided one way or the other and nobody hears. */
void fake_ledger_crash(struct fake_ledger *l);
/* Streams what is durable into a new engine: from the start or from the newest place allowed. */
int fake_ledger_recover(struct fake_ledger *l, struct engine *e, struct error *err);
/* Order_ids that a new gate must know; false if some are only in runs. */
typedef void fake_ledger_order_fn(void *context, uint64_t order_hash);
bool fake_ledger_orders(struct fake_ledger *l, fake_ledger_order_fn *fn, void *context);
int64_t fake_ledger_newest_ms(const struct fake_ledger *l);

#endif
