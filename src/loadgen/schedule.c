/* Due times from a plan.
 *
 * Happy path: a group of arrivals (one, or a burst) is due each time that the integral of the
 * thread's rate has grown by a gap: 1 for uniform arrivals, exponentially distributed with mean 1
 * for Poisson ones, which makes them a Poisson process of just that rate (time change: Erhan
 * Cinlar, "Introduction to Stochastic Processes", 1975, section 4.7). The integral of a straight
 * line is a parabola, so the time is the root of a quadratic. A gap that ends beyond a stage goes
 * on in the next one.
 *
 * Failure modes: none.
 */
#include "loadgen/model.h"

#include <math.h>

/* A uniform arrival that is due at a stage's very end belongs to the next one, however the rate was
 * rounded. In arrivals. */
#define ROUNDING 1e-9

static void stage_enter(struct schedule *s)
{
    if (s->stage >= s->plan->stage_count)
        return;
    const struct stage *t = &s->plan->stages[s->stage];
    double ns = (double)t->duration_ns, share = s->share / t->burst;
    s->rate = t->rate_begin * share / 1e9;
    s->slope = ns > 0 ? (t->rate_end - t->rate_begin) * share / 1e9 / ns : 0;
    s->groups = (t->rate_begin + t->rate_end) / 2 * (ns / 1e9) * share;
}

/* After how many ns the stage's integral is `groups`: the root of slope/2 x^2 + rate x = groups,
 * written so that nothing cancels out. `groups` is below s->groups, so a rate is above 0. */
static double time_at(const struct schedule *s, double groups)
{
    if (s->slope == 0)
        return groups / s->rate;
    double square = s->rate * s->rate + 2 * s->slope * groups;
    double sum = s->rate + (square > 0 ? sqrt(square) : 0);
    return sum > 0 ? 2 * groups / sum : 0;
}

static double gap(struct schedule *s)
{
    return s->poisson ? -log(1 - random_unit(&s->random)) : 1;
}

uint32_t thread_share(uint32_t whole, uint32_t thread, uint32_t threads)
{
    return whole / threads + (thread < whole % threads);
}

void schedule_init(struct schedule *s, const struct plan *p, enum arrivals arrivals, uint64_t seed,
                   uint32_t thread, uint32_t threads)
{
    *s = (struct schedule){.plan = p};
    s->poisson = arrivals == ARRIVALS_POISSON && !p->phased;
    s->share = p->phased ? thread_share(p->connections, thread, threads) / (double)p->connections
                         : 1.0 / threads;
    random_seed(&s->random, seed, thread);
    s->next = s->poisson ? gap(s) : (double)thread / threads;
    stage_enter(s);
}

uint64_t schedule_next(struct schedule *s, size_t *stage)
{
    if (s->in_burst > 0) {
        s->in_burst--;
        *stage = s->stage;
        return s->due_ns;
    }
    while (s->stage < s->plan->stage_count && s->next >= s->groups - ROUNDING) {
        s->next = fmax(s->next - s->groups, 0);
        s->stage++;
        stage_enter(s);
    }
    *stage = s->stage;
    if (s->stage >= s->plan->stage_count)
        return UINT64_MAX;
    const struct stage *t = &s->plan->stages[s->stage];
    double after_ns = time_at(s, s->next), last_ns = (double)t->duration_ns - 1;
    uint64_t due_ns = t->begin_ns + (uint64_t)(after_ns < last_ns ? after_ns : last_ns);
    if (due_ns > s->due_ns)
        s->due_ns = due_ns;
    s->in_burst = t->burst - 1;
    s->next += gap(s);
    return s->due_ns;
}
