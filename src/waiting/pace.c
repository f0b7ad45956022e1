/* pace.c - see pace.h. Time comes in steps of WAITING_ADMIT_MS / PACE_STEPS. */
#include "waiting/pace.h"

#include <string.h>

enum {
    STEP_MS = WAITING_ADMIT_MS / PACE_STEPS,
    TRUST_ORDERS = 10, /* the first few orders that come back say little of the others */
};

void pace_init(struct pace *p, uint32_t admitted)
{
    memset(p, 0, sizeof *p);
    p->admitted = admitted;
    p->boost = 1;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Admitted WAITING_ADMIT_MS ago. */
static uint32_t long_admitted(const struct pace *p)
{
    return p->before[(p->step + 1) % PACE_STEPS];
}

static void one_step(struct pace *p, const struct sale_now *sale)
{
    p->step = (p->step + 1) % PACE_STEPS;
    p->before[p->step] = p->admitted;
    if (sale->orders != p->orders || sale->available <= 0) {
        p->boost = 1;
        p->steps_idle = 0;
    } else if (++p->steps_idle >= PACE_STEPS) {
        p->boost = p->boost < PACE_BOOST_MAX ? 2 * p->boost : PACE_BOOST_MAX;
        p->steps_idle = 0;
    }
    p->orders = sale->orders;
}

static void steps(struct pace *p, const struct sale_now *sale)
{
    if (p->step_ms == 0 || sale->now_ms - p->step_ms > 2 * WAITING_ADMIT_MS)
        p->step_ms = larger(p->step_ms ? sale->now_ms - 2 * WAITING_ADMIT_MS : sale->now_ms, 1);
    for (; sale->now_ms - p->step_ms >= STEP_MS; p->step_ms += STEP_MS)
        one_step(p, sale);
}

static int64_t expected_back(const struct sale_now *sale)
{
    double decided = (double)(sale->confirmed + sale->given_back) + TRUST_ORDERS;
    return (int64_t)((double)larger(sale->held, 0) * (double)sale->given_back / decided);
}

/* Who has ordered, or is not counted on. */
static int64_t done_with(const struct pace *p, const struct sale_now *sale)
{
    return larger(sale->orders, long_admitted(p));
}

void pace_advance(struct pace *p, const struct sale_now *sale, uint32_t count)
{
    if (sale->now_ms < sale->starts_ms)
        return;
    steps(p, sale);
    int64_t more = larger(sale->available, 0) + expected_back(sale);
    int64_t reach = done_with(p, sale) + more * p->boost;
    if (reach > count)
        reach = count;
    if (reach > p->admitted)
        p->admitted = (uint32_t)reach;
}

enum ticket_status pace_status(const struct pace *p, const struct sale_now *sale, uint32_t place)
{
    int64_t possible = larger(sale->available, 0) + larger(sale->held, 0);
    if (sale->closed || sale->now_ms >= sale->ends_ms)
        return TICKET_CLOSED;
    if (possible == 0)
        return TICKET_SOLD_OUT;
    if (place < p->admitted)
        return TICKET_ADMITTED;
    int64_t ordering = larger(p->admitted - done_with(p, sale), 0);
    return ordering + (place - p->admitted) >= possible ? TICKET_SOLD_OUT : TICKET_WAITING;
}
