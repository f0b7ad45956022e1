/* engine_thread.h - the thread that drives the lane: its clock, its sleep, its measurements, and
 * the way of its replies to the workers. What a turn does is in lane/.
 *
 * Workers push commands through engine_thread_send(), the ledger's threads their news through
 * lane_events(); both wake the thread once a batch. Replies go to each worker's reply_port.
 * inflight_max bounds what workers push.
 */
#ifndef TALLY_SERVER_ENGINE_THREAD_H
#define TALLY_SERVER_ENGINE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/wake.h"
#include "bus/bus.h"
#include "bus/webhook.h"
#include "cache/cache.h"
#include "cache/known_lots.h"
#include "lane/lane.h"
#include "obs/metrics.h"
#include "server/bus_parts.h"
#include "server/figures.h"
#include "server/state.h"

/* Where a worker's replies go. */
struct reply_port {
    struct mailbox replies;
    void (*wake)(void *context); /* after a push to an empty mailbox; any thread */
    void *context;
    struct mail_chain chain; /* the engine thread's: replies of this turn */
};

enum { WORKERS_MAX = 64, PORTS_MAX = WORKERS_MAX + 1 };

struct engine_thread {
    /* set before the thread starts */
    struct lane lane; /* its engine, ledger and gate; its host is engine_thread_init()'s */
    struct wake wake;
    struct metrics *metrics;
    struct state *state;
    struct bus *bus;               /* hears of each commit; may be NULL */
    struct webhook *webhook;       /* so does this one */
    struct bus_parts bus_parts;    /* and these */
    struct cache *cache;           /* hears of its lots; may be NULL */
    struct known_lots *known_lots; /* the workers'; may be NULL */
    struct ledger_clock clock;
    struct reply_port *ports[PORTS_MAX]; /* by command.worker: the workers, the intake */
    unsigned port_count;

    /* the thread's own */
    struct figures_board figures; /* workers read them */
    uint64_t submitted_ns;        /* the newest batch */
    bool stopping;                /* the order to stop was seen */

    _Atomic bool quiet;     /* asleep until a commit is done; commands need not wake it */
    _Atomic uint64_t turns; /* the watchdog's: grows while the thread lives */
    _Atomic bool stop;
    _Atomic bool stopped;
    pthread_t thread;
};

/* Of a zeroed thread: makes it its lane's host. */
void engine_thread_init(struct engine_thread *t);

/* Hands over a chain of `count` commands; any thread. Leaves the chain empty. */
void engine_thread_send(struct engine_thread *t, struct mail_chain *commands, uint32_t count);

int engine_thread_start(struct engine_thread *t, struct error *e) MUST_CHECK;
/* No commands come any more: what was decided is handed to the ledger, then the thread ends.
 * stopped tells when; engine_thread_join() waits for it. */
void engine_thread_stop(struct engine_thread *t);
void engine_thread_join(struct engine_thread *t);

#endif
