/* fake_ledger.h - an adapter of ledger.h in memory that fails in every way that the port allows,
 * from a seed.
 *
 * It is one process's connection to a disk (fake_disk.h) that outlives it. Nothing happens by
 * itself: the world calls fake_ledger_progress when it is the ledger's turn, and what is finished
 * by then goes out through the port's events.
 */
#ifndef TALLY_SIM_FAKE_LEDGER_H
#define TALLY_SIM_FAKE_LEDGER_H

#include "fake_disk.h"
#include "plants.h"
#include "rng.h"

/* How often things go wrong, in a thousand. */
struct fake_ledger_faults {
    uint32_t reject;
    uint32_t writable; /* of those rejected, how many leave the ledger open */
    uint32_t unknown;
    uint32_t read_fails;
    uint32_t store_slow; /* a run is not stored yet */
    uint32_t slow;       /* a step in which nothing is finished although something could be */
};

/* Told of every batch that became durable, at that moment. */
typedef void fake_ledger_durable_fn(void *context, const struct move *rows, size_t count,
                                    int64_t oldest_pending);

struct fake_ledger_config {
    struct fake_disk *disk;
    struct rng *rng;
    const struct fake_ledger_faults *faults; /* the world's, who may heal them */
    enum plant plant;
    uint32_t batches_max;
    fake_ledger_durable_fn *durable;
    void *context;
};

struct fake_ledger_heard {
    bool unknown;  /* that an outcome is unknown */
    bool resolved; /* that an unknown outcome is known */
};

/* The port's calls, and the world's. A fake's `ops` point to the first member. */
struct fake_ledger_ops {
    struct ledger_ops port;
    void (*progress)(struct ledger *l);
    struct fake_ledger_heard (*heard)(struct ledger *l);
    bool (*idle)(const struct ledger *l);
};

/* For ledger.h: ops->destroy() is the end of the process, with whatever is under way decided one
 * way or the other. */
struct ledger *fake_ledger_create(const struct fake_ledger_config *config);

static inline const struct fake_ledger_ops *fake_ledger_ops_of(const struct ledger *l)
{
    return (const struct fake_ledger_ops *)l->ops;
}

/* Lets it finish one thing, or none. */
static inline void fake_ledger_progress(struct ledger *l)
{
    fake_ledger_ops_of(l)->progress(l);
}

/* The process has taken a turn, and so heard all that came before; what there was of note. */
static inline struct fake_ledger_heard fake_ledger_heard(struct ledger *l)
{
    return fake_ledger_ops_of(l)->heard(l);
}

/* Nothing is under way. */
static inline bool fake_ledger_idle(const struct ledger *l)
{
    return fake_ledger_ops_of(l)->idle(l);
}

#endif
