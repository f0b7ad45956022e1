/* recover.h - brings engine and gate to where the ledger left off, before the threads start. */
#ifndef TALLY_SERVER_RECOVER_H
#define TALLY_SERVER_RECOVER_H

#include "server/engine_thread.h"

/* What is believed of the wall clock (base/clock.h). */
struct recover_clock {
    int64_t gap_max_ms;
    bool trusted;
};

/* Opens t's lane and starts t's clock where the ledger's time left off. Logs its progress when it
 * takes more than a second, and a wall clock that is far from the newest move. */
int recover(struct engine_thread *t, uint64_t hash_seed, const struct recover_clock *clock,
            struct error *e) MUST_CHECK;

#endif
