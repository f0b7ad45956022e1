/* traffic.h - one worker's part of a run: which call comes next, and what its answer means.
 *
 * The call_source of the measured traffic. New calls come from the plan's schedule (open loop) or
 * as fast as they are answered (closed loop); an acknowledged order brings further ones: the same
 * Reserve again, Confirm, Refund. What the server said goes into the order book, times and codes to
 * the collector.
 */
#ifndef TALLY_LOADGEN_TRAFFIC_H
#define TALLY_LOADGEN_TRAFFIC_H

#include <stdatomic.h>

#include "loadgen/audit.h"
#include "loadgen/collector.h"
#include "loadgen/loadgen.h"
#include "loadgen/worker.h"

/* What all workers of a run share. */
struct traffic_run {
    const struct plan *plan;
    const struct order_mix *mix;
    struct lot_tally *tallies;
    struct collector *collector;
    uint32_t threads;
    enum arrivals arrivals;
    bool closed;
    uint64_t calls; /* closed: of all workers together; 0: no limit */
    uint32_t batch;
    uint64_t think_ns;
    double look; /* share of look-ups; negative: the stage's */
    /* Of a sale of groups, monotonic: it opens between these. Set before start_ns. */
    uint64_t opens_first_ns, opens_last_ns;
    atomic_ullong countdowns_wrong; /* look-ups of the sale that told another time */
    atomic_ullong start_ns;         /* monotonic; 0: not yet */
    atomic_bool stop;               /* no new calls */
    uint64_t stop_ns;               /* when that was; of the thread that stops it */
};

struct traffic;

int traffic_create(struct traffic **out, struct traffic_run *run, struct order_book *book,
                   uint32_t connections, struct error *e) MUST_CHECK;
void traffic_destroy(struct traffic *t); /* after its worker has ended */
struct call_source traffic_source(struct traffic *t);
/* Any thread: true when there is no further call and all are answered. */
bool traffic_done(const struct traffic *t);
/* After the end of its worker: calls that were due before the stop, but not even asked for, count
 * as not sent; its last figures go to the collector. */
void traffic_finish(struct traffic *t);
/* After the end: calls that were due in a stage. */
uint64_t traffic_offered_in_stage(const struct traffic *t, uint32_t stage);
/* Any thread: calls that were due in a second of the run. */
uint64_t traffic_offered_in_second(const struct traffic *t, uint32_t second);
/* Any thread: why it stopped early ("memory ran short"), or NULL. */
const char *traffic_fault(const struct traffic *t);

#endif
