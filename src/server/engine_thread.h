/* engine_thread.h - the thread that drives the engine.
 *
 * What other threads hand to it, and it to them:
 *
 *     mailbox        pushed by          taken by        holds
 *     commands       workers            engine thread   struct command
 *     outcomes       a ledger's thread  engine thread   struct batch
 *     reads          a ledger's thread  engine thread   struct question
 *     segments       a ledger's thread  engine thread   struct order_segment, with its run
 *     runs           a ledger's thread  engine thread   struct order_run: merged from others
 *     port.replies   engine thread      its worker      struct command
 *
 * Workers push through engine_thread_send(), the ledger's threads through the callbacks; both wake
 * the thread once a batch. The mailboxes are bounded by what pushes: workers by inflight_max, the
 * ledger by what the engine asked of it.
 */
#ifndef TALLY_SERVER_ENGINE_THREAD_H
#define TALLY_SERVER_ENGINE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/wake.h"
#include "engine/engine.h"
#include "gate/gate.h"
#include "ledger/ledger.h"
#include "obs/metrics.h"
#include "server/state.h"

/* Where a worker's replies go. */
struct reply_port {
    struct mailbox replies;
    void (*wake)(void *context); /* after a push to an empty mailbox; any thread */
    void *context;
    struct mail_chain chain; /* the engine thread's: replies of this turn */
};

enum { WORKERS_MAX = 64 };

struct engine_thread {
    struct mailbox commands;
    _Atomic uint32_t command_count; /* pushed since the last take: a hint */
    struct mailbox outcomes;
    struct mailbox reads;
    struct mailbox segments;
    struct mailbox runs;
    struct wake wake;

    /* set before the thread starts */
    struct engine *engine;
    struct ledger *ledger;
    struct gate *gate;
    struct metrics *metrics;
    struct state *state;
    struct ledger_clock clock;
    struct reply_port *ports[WORKERS_MAX]; /* by command.worker */
    unsigned port_count;
    bool orders_complete; /* the gate was told of every order_id of the window */

    /* the thread's own */
    struct mail *pending; /* commands taken and not decided yet */
    struct batch *submitted;
    uint64_t submitted_ns;
    uint32_t lots_told; /* to the gate */
    uint32_t ledger_changes_seen;
    int64_t deadline_told_ms;
    bool busy;     /* this turn found something to do */
    bool stopping; /* the order to stop was seen */

    _Atomic bool quiet;             /* asleep until a commit is done; commands need not wake it */
    _Atomic uint32_t unknowns_seen; /* outcomes UNKNOWN that the engine was told */
    _Atomic uint64_t turns;         /* the watchdog's: grows while the thread lives */
    _Atomic bool stop;
    _Atomic bool stopped;
    pthread_t thread;
};

/* For ledger->ops->start; context is the struct engine_thread. */
void engine_thread_events(struct engine_thread *t, struct ledger_events *out);
/* Tells the gate of all lots after recovery. On the thread that recovered. */
void engine_thread_fill_gate(struct engine_thread *t);

/* Hands over a chain of `count` commands; any thread. Leaves the chain empty. */
void engine_thread_send(struct engine_thread *t, struct mail_chain *commands, uint32_t count);

int engine_thread_start(struct engine_thread *t, struct error *e) MUST_CHECK;
/* No commands come any more: what was decided is handed to the ledger, then the thread ends.
 * stopped tells when; engine_thread_join() waits for it. */
void engine_thread_stop(struct engine_thread *t);
void engine_thread_join(struct engine_thread *t);

#endif
