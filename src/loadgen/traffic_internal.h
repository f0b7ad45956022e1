/* traffic_internal.h - one worker's traffic, as the files that make it share it: traffic.c the
 * plan, the figures and single orders, team_play.c groups. All of it belongs to the worker's
 * thread. */
#ifndef TALLY_LOADGEN_TRAFFIC_INTERNAL_H
#define TALLY_LOADGEN_TRAFFIC_INTERNAL_H

#include "loadgen/step_queue.h"
#include "loadgen/traffic.h"

enum { RECENT = 256 };

struct traffic {
    struct traffic_run *run;
    struct order_book *book;
    uint32_t connections;
    struct schedule schedule;
    uint64_t arrival_ns; /* of the next new call, since the start; UINT64_MAX: there is none */
    size_t arrival_stage;
    uint64_t arrivals; /* so far */
    /* What orders bring: now, after the time to think, when their group's window ends. */
    struct step_queue at_once, later, at_end;
    uint64_t outstanding;
    uint64_t *sold_out_ns; /* per lot, when this worker first heard of it; 0: not yet */
    uint64_t *last;        /* per lot: 1 + the last order that this worker got for it; 0: none */
    uint64_t recent[RECENT];
    uint64_t recent_count;
    /* Of groups: openers who came too early, members who are still to come. */
    struct step_queue openers, joiners;
    /* figures */
    struct interval *open;
    uint32_t second;
    uint32_t stage_then;
    uint64_t roll_ns; /* since the start: when the open intervals are to be handed over */
    uint64_t *offered_in_stage;
    atomic_ullong *offered_in_second;
    uint32_t seconds;
    atomic_bool done;
    const char *_Atomic fault;
};

uint64_t traffic_start_ns(const struct traffic *t);
/* Memory ran short is a fault. */
void traffic_push(struct traffic *t, struct step_queue *q, uint64_t order, enum role role,
                  uint64_t due_ns);
/* At once, if it is a retry, or if there is no time to think. */
void traffic_follow(struct traffic *t, uint64_t order, enum role role, uint64_t due_ns);
/* The answer says that nothing was done, and the same may be done later. */
bool traffic_not_done(enum answer_code code);
/* A Reserve was answered that had been acknowledged before. */
void traffic_retry_answered(struct traffic *t, const struct call *call, const struct answer *a);

#endif
