/* worker.h - an I/O worker: a libuv loop with its sockets, its service, and its mail to the engine.
 *
 * One turn of the loop: input is read and handled (commands collect in a chain); answers of the
 * engine are taken and completed; the chain goes to the engine with one wake-up; output is sent.
 *
 * Life: worker_create() on the main thread (the port is bound then), worker_start(), then
 * worker_drain() and worker_end() from the main thread, worker_join(), worker_destroy(). The
 * commands that are with the engine at the end belong to the worker: the engine is destroyed before
 * the worker is.
 */
#ifndef TALLY_SERVER_WORKER_H
#define TALLY_SERVER_WORKER_H

#include "base/budget.h"
#include "server/engine_thread.h"
#include "server/settings.h"
#include "server/state.h"

struct worker;

/* What a worker shows of itself, as of the end of its last turn. Any thread. */
struct worker_gauges {
    uint32_t connections;
    uint32_t inflight; /* commands with the engine */
    uint32_t waiting;  /* requests behind them */
    uint32_t streams;
    uint64_t memory_bytes; /* of requests and answers */
};

struct worker_config {
    const struct settings *settings; /* copied */
    unsigned index;
    unsigned count;          /* of workers, which share */
    int64_t connections_max; /* of all together; not the settings', which may be too many */
    const char *host;
    uint16_t port; /* 0: any */
    uint64_t change_epoch;
    uint64_t hash_seed;
    const struct zone *expiry_zone;
    struct budget_pot *pot; /* memory that all workers share */
    struct engine_thread *engine_thread;
    struct waiting_rooms *waiting;
    struct state *state;
    /* Renders /metrics; on the worker's thread. */
    char *(*metrics_text)(void *context, enum metrics_format format, const struct figures *figures,
                          size_t *size);
    void *metrics_context;
    const struct service_imports *imports;
};

int worker_create(struct worker **out, const struct worker_config *config,
                  struct error *e) MUST_CHECK;
uint16_t worker_port(const struct worker *w);
struct reply_port *worker_reply_port(struct worker *w);
/* NULL: there is none. Its figures: any thread. */
struct meter *worker_meter(const struct worker *w);
int worker_start(struct worker *w, struct error *e) MUST_CHECK;

/* From the main thread, while the worker runs. */
void worker_gauges(struct worker *w, struct worker_gauges *out); /* any thread */
void worker_reload(struct worker *w, const struct settings *settings);
/* No new connections or requests; streams end; idle connections are closed. */
void worker_drain(struct worker *w);
/* True when everything that was asked is answered and the last connection is closed. */
bool worker_drained(struct worker *w);
/* Closes what is left and ends the thread. */
void worker_end(struct worker *w);
void worker_join(struct worker *w);
void worker_destroy(struct worker *w); /* NULL is fine; also one that was not started */

#endif
