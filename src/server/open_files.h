/* open_files.h - how many connections the limit on open files (RLIMIT_NOFILE) leaves room for.
 *
 * The ledger opens files while it runs: readers, the runs of the order index, the archive. So do
 * waiting rooms, imports and the webhook, each up to its own bound. If connections could take every
 * descriptor, a crowd of idle clients would stop the sale. So some are kept, and connections beyond
 * the rest are refused like those beyond connections_max.
 */
#ifndef TALLY_SERVER_OPEN_FILES_H
#define TALLY_SERVER_OPEN_FILES_H

#include <stdint.h>

#include "bus/webhook.h"
#include "intake/stock_import.h"
#include "waiting/waiting.h"

enum {
    OPEN_FILES_LEDGER = 128, /* the ledger's, and the process's own */
    OPEN_FILES_KEPT = OPEN_FILES_LEDGER + WAITING_ROOMS_MAX + IMPORTS_MAX + WEBHOOK_PARALLEL_MAX,
    OPEN_FILES_PER_WORKER = 8, /* of the event loop, with its listener */
};

/* Raises the limit as far as it may without privileges, and returns it. */
int64_t open_files_raise(void);
/* Of `wanted` connections those that a limit of `files` has room for: at least one. */
int64_t open_files_connections(int64_t files, unsigned workers, int64_t wanted);
/* The limit that has room for as many connections. */
int64_t open_files_needed(int64_t connections, unsigned workers);

#endif
