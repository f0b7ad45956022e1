/* run_sale.c - the sale of a group-buy run: made with the lots, opened when all are connected.
 *
 * The run starts so that the stage after the countdown begins when the sale opens, by the server's
 * clock. It ends long after the run, so that the audit can still buy in it.
 */
#include "base/clock.h"
#include "loadgen/run.h"
#include "loadgen/target_sale.h"

enum { AUDIT_MS = 3600 * 1000 };

#define MS_NS UINT64_C(1000000)

int run_sale_make(struct run *r)
{
    if (!r->plan.teams)
        return 0;
    return target_sale_make(r->target.sale, r->options.target, r->run_id, &r->lots, &r->mix.teams,
                            r->mix.hold_ms, r->error);
}

int run_sale_open(struct run *r, uint64_t start_after_ms)
{
    uint64_t countdown_ms = r->plan.opens_ns / MS_NS;
    struct sale_opening opening;
    if (!r->plan.teams) {
        r->start_ns = clock_monotonic_ns() + start_after_ms * MS_NS;
        return 0;
    }
    int failed = target_sale_open(r->target.sale, r->options.target, start_after_ms + countdown_ms,
                                  r->plan.duration_ns / MS_NS + AUDIT_MS, &opening, r->error);
    if (failed)
        return failed;
    r->traffic.opens_first_ns = opening.first_ns;
    r->traffic.opens_last_ns = opening.last_ns;
    uint64_t opens_ns = opening.first_ns + (opening.last_ns - opening.first_ns) / 2;
    r->start_ns = opens_ns - r->plan.opens_ns;
    return 0;
}
