/* fake_shared.h - an adapter of ledger.h for a disk that several processes write to, in memory and
 * with faults from a seed: what a turn touches is loaded first, under locks or on trust, and a
 * batch that others were faster than is STALE.
 *
 * It is driven as fake_ledger.h says.
 */
#ifndef TALLY_SIM_FAKE_SHARED_H
#define TALLY_SIM_FAKE_SHARED_H

#include "fake_ledger.h"

enum { FAKE_LOCKS_MAX = 4096 };

/* What is locked, and by whom. */
struct fake_lock {
    uint8_t
        kind; /* LOAD_LOT, LOAD_SALE, LOAD_GROUP (number); LOAD_ORDER, LOAD_ADJUSTMENT (text);
                 LOAD_RESERVATION: a user (text); LOAD_LOTS: a new lot, LOAD_SALES: a new sale */
    int64_t number;
    struct str text;
    const void *owner;
};

struct fake_locks {
    struct fake_lock locks[FAKE_LOCKS_MAX];
    size_t count;
};

/* `trusting`: first tries are answered from what this process knew last. */
struct ledger *fake_shared_create(const struct fake_ledger_config *config, struct fake_locks *locks,
                                  bool trusting);

#endif
