/* metrics_page.h - what /metrics says: the metrics of obs/metrics.h, the statistics of the engine
 * and the ledger, and what the server knows of itself. */
#ifndef TALLY_SERVER_METRICS_PAGE_H
#define TALLY_SERVER_METRICS_PAGE_H

#include "bus/bus.h"
#include "bus/webhook.h"
#include "cache/cache.h"
#include "ledger/ledger.h"
#include "obs/metrics.h"
#include "server/bus_parts.h"
#include "server/gate_parts.h"
#include "server/state.h"
#include "server/worker.h"
#include "waiting/waiting.h"

/* id, name, kind, label ("" for none), help */
#define PAGE_METRICS(X)                                                                            \
    X(BUILD, "tally_build_info", GAUGE, "version", "1, with the version as label")                 \
    X(LEDGER_UP, "tally_ledger_up", GAUGE, "", "1 while the ledger takes writes")                  \
    X(CLOCK_GAP, "tally_clock_gap_seconds", GAUGE, "", "the wall clock less ledger time")          \
    X(CLOCK_DOUBTED, "tally_clock_doubted", GAUGE, "",                                             \
      "1 while the wall clock is too far from the ledger to be believed")                          \
    X(FIGURES_AGE, "tally_engine_figures_age_seconds", GAUGE, "",                                  \
      "how old the engine's figures here are: 0 if it was asked for them, more if it did not "     \
      "answer in time")                                                                            \
    X(CONNECTIONS, "tally_connections", GAUGE, "worker", "open connections")                       \
    X(INFLIGHT, "tally_worker_commands", GAUGE, "worker",                                          \
      "requests that wait for the engine's answer")                                                \
    X(WAITING, "tally_worker_queue", GAUGE, "worker", "requests that wait for a place at work")    \
    X(STREAMS, "tally_streams", GAUGE, "worker", "streams that watch stock or health")             \
    X(REQUEST_MEMORY, "tally_request_memory_bytes", GAUGE, "worker",                               \
      "memory that requests and answers have, or are sure to need")                                \
    X(WAITING_ROOMS, "tally_waiting_rooms", GAUGE, "", "sales with a waiting room that was used")  \
    X(WAITING_USERS, "tally_waiting_users", GAUGE, "", "users in them")                            \
    X(WAITING_MEMORY, "tally_waiting_memory_bytes", GAUGE, "", "memory that they take")            \
    X(LOT_AVAILABLE, "tally_lot_available", GAUGE, "lot",                                          \
      "available units of the lots with most moves")                                               \
    X(LOT_RESERVED, "tally_lot_reserved", GAUGE, "lot",                                            \
      "units of the lots with most moves that PENDING holds have")                                 \
    X(LOT_CONFIRMED, "tally_lot_confirmed", GAUGE, "lot",                                          \
      "units of the lots with most moves that CONFIRMED reservations have")                        \
    X(LOT_ON_HAND, "tally_lot_on_hand", GAUGE, "lot", "units of the lots with most moves")         \
    X(RESIDENT, "process_resident_memory_bytes", GAUGE, "", "memory in use")                       \
    X(CPU, "process_cpu_seconds_total", COUNTER, "", "processor time used")                        \
    X(OPEN_FDS, "process_open_fds", GAUGE, "", "open file descriptors")                            \
    X(MAX_FDS, "process_max_fds", GAUGE, "", "file descriptors that may be open")                  \
    X(THREADS, "process_threads", GAUGE, "", "threads")                                            \
    X(START_TIME, "process_start_time_seconds", GAUGE, "", "when the process started, Unix time")

struct metrics_page {
    struct ledger *ledger;
    struct bus *bus;               /* may be NULL */
    struct cache *cache;           /* so may this one */
    const struct gate_parts *gate; /* may be NULL */
    struct webhook *webhook;       /* NULL: there is none */
    const struct bus_parts *bus_parts;
    struct state *state;
    struct waiting_rooms *waiting; /* or NULL */
    struct worker **workers;
    unsigned worker_count;
    int64_t started_ms; /* Unix time */
};

/* Malloc'ed text, or NULL when memory is short. Any thread. `page` is a struct metrics_page. */
char *metrics_page_render(void *page, enum metrics_format format, const struct figures *figures,
                          size_t *size);

#endif
