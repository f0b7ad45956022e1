/* recover.h - brings engine and gate to where the ledger left off, before the threads start. */
#ifndef TALLY_SERVER_RECOVER_H
#define TALLY_SERVER_RECOVER_H

#include "server/engine_thread.h"

/* Opens t's lane and starts t's clock, not before the newest time in the ledger. Logs its progress
 * when it takes more than a second. */
int recover(struct engine_thread *t, uint64_t hash_seed, struct error *e) MUST_CHECK;

#endif
