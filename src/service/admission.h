/* admission.h - who waits for a place at work, in which order, and who is refused at once. Pure: no
 * clock, no memory of its own beyond the struct, no word of the engine's.
 *
 * At work is what the engine has been handed and has not answered: at most `work_max`, or fewer
 * where so many take too long (see admission_window). While there is room nothing waits, and a
 * request costs one comparison. Behind it at most `queue_max` wait, in LANES queues: a request's
 * key (its sale) chooses one, so two sales rarely share. Within a queue it is first come, first
 * served; the queues take turns by deficit round robin (Shreedhar and Varghese, 1995), QUANTUM of
 * cost a turn, over those of McKenney's stochastic fair queueing (1990): memory is bounded however
 * many sales there are. When all places are taken, a newcomer whose queue has less than its share
 * takes the place of the newest in the longest.
 *
 * A newcomer is refused at once if it would not be answered before its deadline: those ahead of it,
 * at the rate at which places came free lately, and the time that a request is at work.
 */
#ifndef TALLY_SERVICE_ADMISSION_H
#define TALLY_SERVICE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ADMISSION_LANES = 1024,
    ADMISSION_QUANTUM = 16,
    ADMISSION_COST_MAX = 1024,
    ADMISSION_WORK_MIN = 16, /* at work, however long they take */
};

/* Whoever waits; embedded. */
struct waiter {
    struct waiter *next, *previous;
    uint16_t lane;
    uint16_t cost; /* 1 to ADMISSION_COST_MAX: how much of its queue's turn it takes */
};

struct admission_lane {
    struct waiter *first, *last;
    uint32_t count;
    uint32_t credit;
    uint16_t next, previous; /* in the round, while something waits */
};

/* How many may be at work: found by trial. */
struct admission_trial {
    uint32_t limit;        /* 0: as many as the setting allows */
    uint32_t limit_before; /* before the cut that is being tried; 0: none is */
    double rate_before;
    uint64_t rest_until_ns, rest_ns; /* no new trial before */
    uint64_t began_ns, done;
    uint32_t windows;
};

struct admission {
    uint32_t work_max, queue_max; /* the settings */
    uint64_t target_ns;           /* how long a request should be at work at most */
    uint32_t waiting;
    uint32_t lanes_used;
    uint32_t longest; /* a lane that was the longest */
    uint16_t at;      /* the lane whose turn it is */
    /* measured while some come who find no place at work */
    bool busy;
    uint64_t wanted; /* so many came in this window */
    bool idle;       /* nobody waited for a moment of it */
    uint64_t window_ns, window_done;
    double rate; /* places that come free in a nanosecond; 0: not known */
    double work_ns, work_spread_ns;
    struct admission_trial trial;
    struct admission_lane lanes[ADMISSION_LANES];
};

enum admission_verdict {
    ADMISSION_WAIT,
    ADMISSION_FULL, /* no place */
    ADMISSION_LATE, /* it would not be answered before its deadline */
};

void admission_init(struct admission *a);
/* Also while somebody waits. */
void admission_limits(struct admission *a, uint32_t work_max, uint32_t queue_max,
                      uint64_t target_ns);

static inline uint32_t admission_work_limit(const struct admission *a)
{
    return a->trial.limit && a->trial.limit < a->work_max ? a->trial.limit : a->work_max;
}

/* A newcomer may go to work at once. */
static inline bool admission_open(const struct admission *a, uint32_t at_work)
{
    return a->waiting == 0 && at_work < admission_work_limit(a);
}

/* May a request of this key wait? `leaver`: NULL, or who must leave for it, newest of the longest
 * queue and out of it already. */
enum admission_verdict admission_judge(struct admission *a, uint64_t key, uint64_t deadline_ns,
                                       uint64_t now_ns, struct waiter **leaver);
/* It may: `cost` is set. */
void admission_wait(struct admission *a, struct waiter *w, uint64_t key);
/* Whose turn it is; out of the queue. NULL: nobody waits. */
struct waiter *admission_next(struct admission *a);
void admission_remove(struct admission *a, struct waiter *w);

/* It could be answered in time if it went to work now. */
bool admission_in_time(const struct admission *a, uint64_t deadline_ns, uint64_t now_ns);
/* While a->busy: somebody who was at work for `work_ns` is done. */
void admission_done(struct admission *a, uint64_t work_ns, uint64_t now_ns);
/* How long the queue is, in time; 0 if that is not known. */
uint64_t admission_wait_ns(const struct admission *a);

#endif
