/* state.h - what every thread of the server may look at, and who changes it.
 *
 *     field             changed by            read by
 *     started           main thread           workers (readiness)
 *     draining          main thread           workers (readiness, refusals)
 *     ledger_up, why    a ledger's thread     workers (readiness, metrics)
 *     turned_ns         engine thread         workers (readiness)
 *     clock_offset_ns   engine thread         workers (ledger time)
 *     clock_gap_ms      engine thread         workers (readiness, metrics)
 *     clock_doubted     engine thread         workers (readiness, metrics), engine thread
 *
 * `why` is guarded by the lock; all else is atomic.
 */
#ifndef TALLY_SERVER_STATE_H
#define TALLY_SERVER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/gate_parts.h"
#include "service/service.h"

enum { STATE_WHY_MAX = 256 };
#define ENGINE_STUCK_NS UINT64_C(5000000000) /* idle, it takes a turn each second */

struct state {
    _Atomic bool started;
    _Atomic bool draining;
    _Atomic bool ledger_up;
    _Atomic uint64_t turned_ns;      /* CLOCK_MONOTONIC of the engine's last turn; 0: none yet */
    _Atomic int64_t clock_offset_ns; /* ledger time less CLOCK_BOOTTIME */
    _Atomic int64_t clock_gap_ms;    /* the wall clock less ledger time */
    _Atomic bool clock_doubted;
    const struct gate_parts *gate; /* set before there are other threads; NULL: none yet */
    pthread_mutex_t lock;
    char why[STATE_WHY_MAX];
};

int state_init(struct state *s, struct error *e) MUST_CHECK;
void state_close(struct state *s);

/* What a person should know goes to `why`: the reason of READY_LEDGER_DOWN; with READY_YES that the
 * wall clock is doubted, or which gate there is if it is not a local one; else it is empty. NULL:
 * nobody asks. */
enum readiness state_readiness(struct state *s, char *why, size_t size);
void state_set_ledger(struct state *s, bool up, const char *why);

/* The engine thread, once a turn. */
void state_publish_turn(struct state *s, uint64_t now_ns);
/* The engine thread publishes its clock; everybody else computes the time from it. */
void state_publish_clock(struct state *s, const struct ledger_clock *clock);
int64_t state_now_ms(struct state *s);

#endif
