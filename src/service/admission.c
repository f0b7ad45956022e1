/* admission.c - queues that take turns, and what is measured of them.
 *
 * Happy path: admission_judge() finds a place, admission_wait() takes it, admission_next() hands
 * out whoever is first in the queue whose turn it is.
 *
 * Measured is only while some come who find no place at work: how many places came free in a
 * window, and for how long a request was at work, as a mean and its spread (Jacobson, 1988). Where
 * nobody waited for a moment, the first is a lower bound.
 *
 * How many are at work is found by trial, for only a trial tells a long queue (fewer at work lose
 * nothing and are answered sooner) from a long way (fewer at work are just fewer): when requests
 * are at work for too long the limit is cut, and set back if the rate fell with it.
 */
#include "service/admission.h"

#include <assert.h>
#include <string.h>

enum {
    WINDOW_NS = 20000000, /* at least, or the time at work */
    STANDSTILL_WINDOWS = 4,
    FULL_PART = 8, /* of those who were served, so many came and found no place: all was full */
    SETTLE_WINDOWS = 2, /* after a change of the limit, before a trial is measured */
    TRIAL_WINDOWS = 3,
    GROWTH_PART = 8, /* of the limit, in a window */
};

#define REST_NS      UINT64_C(2000000000) /* after a trial that cost throughput; then twice as long */
#define REST_MOST_NS UINT64_C(60000000000)
#define RATE_WEIGHT  0.25   /* of the newest window */
#define WORK_WEIGHT  0.0625 /* of the newest request */
#define SPREAD_WEIGH 2.0
#define RATE_KEPT    0.95 /* a cut that keeps so much of the rate stands */
#define RATE_LOST    0.7  /* ... and one that keeps less is given up at once */
#define CUT_LEAST    0.9  /* of the limit, that a cut leaves at most */

void admission_init(struct admission *a)
{
    memset(a, 0, sizeof *a);
}

void admission_limits(struct admission *a, uint32_t work_max, uint32_t queue_max,
                      uint64_t target_ns)
{
    a->work_max = work_max;
    a->queue_max = queue_max;
    a->target_ns = target_ns;
}

/* ---- queues ---- */

static struct admission_lane *lane_of(struct admission *a, uint64_t key)
{
    return &a->lanes[(key ^ key >> 32) % ADMISSION_LANES];
}

static uint16_t number_of(const struct admission *a, const struct admission_lane *lane)
{
    return (uint16_t)(lane - a->lanes);
}

/* At the end of the round: its turn comes when all others have had theirs. */
static void round_join(struct admission *a, struct admission_lane *lane)
{
    uint16_t number = number_of(a, lane);
    lane->credit = 0;
    if (a->lanes_used++ == 0) {
        lane->next = lane->previous = number;
        a->at = number;
        lane->credit = ADMISSION_QUANTUM;
        return;
    }
    struct admission_lane *turn = &a->lanes[a->at];
    lane->next = a->at;
    lane->previous = turn->previous;
    a->lanes[turn->previous].next = number;
    turn->previous = number;
}

static void turn_over(struct admission *a)
{
    a->at = a->lanes[a->at].next;
    a->lanes[a->at].credit += ADMISSION_QUANTUM;
}

static void round_leave(struct admission *a, struct admission_lane *lane)
{
    if (--a->lanes_used && a->at == number_of(a, lane))
        turn_over(a);
    a->lanes[lane->previous].next = lane->next;
    a->lanes[lane->next].previous = lane->previous;
}

void admission_wait(struct admission *a, struct waiter *w, uint64_t key)
{
    struct admission_lane *lane = lane_of(a, key);
    assert(w->cost >= 1 && w->cost <= ADMISSION_COST_MAX);
    w->lane = number_of(a, lane);
    w->next = NULL;
    w->previous = lane->last;
    if (lane->last)
        lane->last->next = w;
    else
        lane->first = w;
    lane->last = w;
    a->waiting++;
    if (lane->count++ == 0)
        round_join(a, lane);
    if (lane->count > a->lanes[a->longest].count)
        a->longest = w->lane;
}

void admission_remove(struct admission *a, struct waiter *w)
{
    struct admission_lane *lane = &a->lanes[w->lane];
    if (w->previous)
        w->previous->next = w->next;
    else
        lane->first = w->next;
    if (w->next)
        w->next->previous = w->previous;
    else
        lane->last = w->previous;
    a->waiting--;
    if (--lane->count == 0)
        round_leave(a, lane);
    if (a->waiting == 0)
        a->idle = true;
}

struct waiter *admission_next(struct admission *a)
{
    if (a->waiting == 0)
        return NULL;
    while (a->lanes[a->at].credit < a->lanes[a->at].first->cost)
        turn_over(a);
    struct admission_lane *lane = &a->lanes[a->at];
    struct waiter *w = lane->first;
    lane->credit -= w->cost;
    admission_remove(a, w);
    return w;
}

/* ---- measuring ---- */

static void trial_begins(struct admission *a)
{
    struct admission_trial *t = &a->trial;
    uint32_t now = admission_work_limit(a);
    double limit = a->rate * (double)a->target_ns;
    if (limit > now * CUT_LEAST)
        limit = now * CUT_LEAST;
    if (limit < ADMISSION_WORK_MIN)
        return;
    t->limit_before = now;
    t->rate_before = a->rate;
    t->limit = (uint32_t)limit;
    t->windows = 0;
}

static void trial_ends(struct admission *a, double rate, uint64_t now_ns)
{
    struct admission_trial *t = &a->trial;
    t->rest_ns = t->rest_ns ? 2 * t->rest_ns : REST_NS;
    if (rate >= t->rate_before * RATE_KEPT)
        t->rest_ns = 0;
    else
        t->limit = t->limit_before;
    if (t->rest_ns > REST_MOST_NS)
        t->rest_ns = REST_MOST_NS;
    t->rest_until_ns = now_ns + t->rest_ns;
    t->limit_before = 0;
}

static void look_at_limit(struct admission *a, bool full, uint64_t now_ns)
{
    struct admission_trial *t = &a->trial;
    if (!full) {
        t->limit_before = 0;
    } else if (!t->limit_before && a->work_ns > (double)a->target_ns) {
        if (now_ns >= t->rest_until_ns)
            trial_begins(a);
    } else if (!t->limit_before) {
        if (t->limit && a->work_ns < (double)a->target_ns / 2)
            t->limit += t->limit / GROWTH_PART;
        if (t->limit >= a->work_max)
            t->limit = 0;
    } else if (++t->windows <= SETTLE_WINDOWS) {
        t->began_ns = now_ns;
        t->done = 0;
    } else {
        t->done += a->window_done;
        double rate = (double)t->done / (double)(now_ns - t->began_ns);
        if (t->windows >= SETTLE_WINDOWS + TRIAL_WINDOWS || rate < t->rate_before * RATE_LOST)
            trial_ends(a, rate, now_ns);
    }
}

static void window_ends(struct admission *a, uint64_t now_ns)
{
    double rate = (double)a->window_done / (double)(now_ns - a->window_ns);
    bool full = !a->idle || a->wanted >= a->window_done / FULL_PART;
    if (a->rate == 0)
        a->rate = rate;
    else if (full)
        a->rate += (rate - a->rate) * RATE_WEIGHT;
    else if (a->rate < rate)
        a->rate = rate;
    look_at_limit(a, full, now_ns);
    a->busy = a->wanted > 0;
}

static void window_begins(struct admission *a, uint64_t now_ns)
{
    a->wanted = 0;
    a->idle = a->waiting == 0;
    a->window_ns = now_ns;
    a->window_done = 0;
}

static double window_least_ns(const struct admission *a)
{
    return a->work_ns > WINDOW_NS ? a->work_ns : WINDOW_NS;
}

/* Answers come in bursts, with a commit each: a window ends where one begins, so that it holds
 * whole ones. */
void admission_done(struct admission *a, uint64_t work_ns, uint64_t now_ns)
{
    double away_ns = (double)work_ns - a->work_ns;
    if (a->work_ns == 0) {
        a->work_ns = (double)work_ns;
        a->work_spread_ns = a->work_ns / 2;
    } else {
        a->work_ns += away_ns * WORK_WEIGHT;
        a->work_spread_ns += ((away_ns < 0 ? -away_ns : away_ns) - a->work_spread_ns) * WORK_WEIGHT;
    }
    if ((double)(now_ns - a->window_ns) >= window_least_ns(a)) {
        window_ends(a, now_ns);
        window_begins(a, now_ns);
    }
    a->window_done++;
}

/* Somebody came who found no place at work. */
static void note_want(struct admission *a, uint64_t now_ns)
{
    if (!a->busy) {
        window_begins(a, now_ns);
        a->busy = true;
        a->trial.limit_before = 0;
    } else if ((double)(now_ns - a->window_ns) > STANDSTILL_WINDOWS * window_least_ns(a)) {
        window_ends(a, now_ns);
        window_begins(a, now_ns);
        a->busy = true;
    }
    a->wanted++;
}

/* ---- newcomers ---- */

static uint32_t find_longest(struct admission *a)
{
    uint16_t number = a->at;
    uint32_t longest = number;
    for (uint32_t i = 0; i < a->lanes_used; i++) {
        if (a->lanes[number].count > a->lanes[longest].count)
            longest = number;
        number = a->lanes[number].next;
    }
    return longest;
}

/* All places are taken: the newest in the longest queue leaves for one whose queue is shorter than
 * all are on average. */
static struct waiter *find_leaver(struct admission *a, const struct admission_lane *lane)
{
    uint32_t lanes = a->lanes_used + (lane->count == 0);
    uint32_t share = lanes ? a->waiting / lanes : 0;
    if (a->waiting == 0 || lane->count >= share)
        return NULL;
    if (a->lanes[a->longest].count <= share)
        a->longest = find_longest(a);
    struct admission_lane *longest = &a->lanes[a->longest];
    if (longest == lane || longest->count <= lane->count + 1)
        return NULL;
    struct waiter *w = longest->last;
    admission_remove(a, w);
    return w;
}

/* Of those who wait, how many will be served before a newcomer in this queue. */
static uint32_t ahead_of(const struct admission *a, const struct admission_lane *lane)
{
    uint64_t turns = lane->count / ADMISSION_QUANTUM + 1;
    uint64_t others = a->lanes_used - (lane->count > 0);
    uint64_t ahead = lane->count + turns * ADMISSION_QUANTUM * others;
    return ahead < a->waiting ? (uint32_t)ahead : a->waiting;
}

static bool in_time(const struct admission *a, uint32_t ahead, uint64_t deadline_ns,
                    uint64_t now_ns)
{
    if (deadline_ns <= now_ns)
        return false;
    double needed_ns = a->work_ns + SPREAD_WEIGH * a->work_spread_ns;
    if (ahead && a->rate > 0)
        needed_ns += ahead / a->rate;
    return needed_ns <= (double)(deadline_ns - now_ns);
}

bool admission_in_time(const struct admission *a, uint64_t deadline_ns, uint64_t now_ns)
{
    return in_time(a, 0, deadline_ns, now_ns);
}

enum admission_verdict admission_judge(struct admission *a, uint64_t key, uint64_t deadline_ns,
                                       uint64_t now_ns, struct waiter **leaver)
{
    const struct admission_lane *lane = lane_of(a, key);
    *leaver = NULL;
    note_want(a, now_ns);
    if (!in_time(a, ahead_of(a, lane), deadline_ns, now_ns))
        return ADMISSION_LATE;
    if (a->waiting < a->queue_max)
        return ADMISSION_WAIT;
    *leaver = find_leaver(a, lane);
    return *leaver ? ADMISSION_WAIT : ADMISSION_FULL;
}

uint64_t admission_wait_ns(const struct admission *a)
{
    return a->rate > 0 ? (uint64_t)(a->waiting / a->rate + a->work_ns) : 0;
}
