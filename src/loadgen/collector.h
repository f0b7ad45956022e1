/* collector.h - the figures of a run, from the workers' threads to the report.
 *
 * A worker counts into an interval of its own, one for each stage whose calls it sees answered, and
 * hands all of them over once a second and at the end of a stage: one lock a second, none for each
 * call. The thread that runs the load takes them in, adds them to their stages and to the seconds
 * of the chart.
 */
#ifndef TALLY_LOADGEN_COLLECTOR_H
#define TALLY_LOADGEN_COLLECTOR_H

#include <pthread.h>
#include <stdint.h>

#include "loadgen/report.h"

/* What one worker saw answered in one second (or the part of it that lies in one stage). */
struct interval {
    struct interval *next;
    uint32_t second;     /* of the run, in which the answers came */
    uint32_t stage;      /* in which the calls were due */
    uint32_t stage_then; /* that was running when the answers came; UINT32_MAX: after the last */
    uint64_t codes[ANSWER_CODE_COUNT];
    struct histogram latency;
    struct histogram accepted; /* of calls that were */
};

struct collector_second;

struct collector {
    pthread_mutex_t lock;
    struct interval *handed, *spare; /* under the lock */
    /* The rest belongs to the thread that takes in. */
    struct report *report;
    struct collector_second *open; /* seconds whose quantiles are not final */
    uint32_t point_capacity;
};

/* `report` has its stages; points are added to it. */
void collector_init(struct collector *c, struct report *report);
void collector_close(struct collector *c);

/* Any thread: an empty interval, or NULL. */
struct interval *collector_spare(struct collector *c);
/* Any thread: hands over a list. */
void collector_hand(struct collector *c, struct interval *list);

/* The thread that owns the report: adds what was handed over; seconds before `second` are final. */
void collector_take(struct collector *c, uint32_t second);

#endif
