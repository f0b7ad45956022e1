/* run_prepare.c - all that is found out and made before the first connection.
 *
 * The cheap checks come first, so that a mistake in the options or a limit of the machine is told
 * before the server has heard of the run; the lots come last.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "loadgen/limits.h"
#include "loadgen/load_plan.h"
#include "loadgen/machine.h"
#include "loadgen/run.h"

/* Unless it is told, no hold is longer than a day, the default of the server's hold_max_ms. */
enum { HOLD_BEYOND_MS = 3600 * 1000, HOLD_MOST_MS = 24 * 3600 * 1000 };

static void make_run_id(char run_id[RUN_ID_SIZE])
{
    uint64_t bits = (uint64_t)time(NULL);
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
        bits ^= clock_monotonic_ns();
    snprintf(run_id, RUN_ID_SIZE, "%012llx", (unsigned long long)(bits & 0xffffffffffffu));
}

static bool show_lots(void *owner, uint32_t done, uint32_t of)
{
    run_show_step(owner, "preparing the lots", done, of);
    return run_interrupted(owner);
}

static int prepare_lots(struct run *r)
{
    const struct target_progress progress = {show_lots, r};
    const struct load_options *o = &r->options;
    int64_t units = load_units(o, &r->plan);
    run_show_step(r, "preparing the lots", 0, o->lot_count);
    int failed = o->lot_keys
                     ? target_lots_find(&r->lots, o->target, o->lot_keys, o->lot_count, r->error)
                     : target_lots_make(&r->lots, o->target, r->run_id, o->lot_count, units,
                                        &progress, r->error);
    if (failed)
        return failed;
    for (uint32_t i = 1; o->lot_keys && i < o->lot_count; i++) /* some dozens at most */
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(r->lots.keys[i], r->lots.keys[k]) == 0)
                return error_set(r->error, TLY_EINVALID_ARGUMENT, "lot", "%s is named twice",
                                 r->lots.keys[i]);
    r->tallies = calloc(o->lot_count, sizeof *r->tallies);
    if (!r->tallies)
        return error_set(r->error, TLY_ENO_MEMORY, "", "no memory for %u lots", o->lot_count);
    load_describe(r->report, o, &r->plan, units);
    return choice_init(&r->mix.choice, o->choice, o->lot_count, o->zipf_exponent, r->error);
}

static void prepare_mix(struct run *r)
{
    const struct load_options *o = &r->options;
    r->mix.seed = o->seed;
    r->mix.pay = o->pay;
    r->mix.cancel = o->cancel;
    r->mix.expire = o->expire;
    r->mix.retry = o->retry;
    r->mix.sessions = r->plan.sessions;
    r->mix.batch = o->batch;
    r->mix.quantity_max = o->quantity_max;
    r->mix.expire_ms = o->expire_ms;
    uint64_t hold_ms = r->plan.duration_ns / 1000000u + HOLD_BEYOND_MS;
    r->mix.hold_ms = o->hold_ms               ? o->hold_ms
                     : hold_ms < HOLD_MOST_MS ? (uint32_t)hold_ms
                                              : HOLD_MOST_MS;
    if (r->plan.teams)
        r->mix.teams = load_teams(o, &r->plan);
    r->target.lots = (const char(*)[LOT_KEY_SIZE])r->lots.keys;
    r->target.lot_count = r->lots.count;
    r->target.streams = o->streams;
    r->target.timeout_ms = o->timeout_ms;
    snprintf(r->target.authority, sizeof r->target.authority, "%s", o->target);
    memcpy(r->target.run, r->run_id, sizeof r->run_id);
    r->traffic = (struct traffic_run){
        .plan = &r->plan,
        .mix = &r->mix,
        .tallies = r->tallies,
        .collector = &r->collector,
        .threads = o->threads,
        .arrivals = o->model.model == MODEL_HEARTBEAT ? ARRIVALS_UNIFORM : o->arrivals,
        .closed = o->closed,
        .calls = o->calls,
        .batch = o->batch,
        .think_ns = (uint64_t)o->think_ms * 1000000u,
        .look = o->look,
    };
}

static int prepare_report(struct run *r)
{
    struct report *out = r->report;
    out->stages = calloc(r->plan.stage_count, sizeof *out->stages);
    if (!out->stages)
        return error_set(r->error, TLY_ENO_MEMORY, "", "no memory for the stages");
    out->stage_count = (uint32_t)r->plan.stage_count;
    for (uint32_t i = 0; i < out->stage_count; i++) {
        struct report_stage *s = &out->stages[i];
        const struct stage *plan = &r->plan.stages[i];
        memcpy(s->name, plan->name, sizeof s->name);
        s->begin_s = (double)plan->begin_ns / 1e9;
        s->duration_s = (double)plan->duration_ns / 1e9;
        s->server = (struct server_usage){-1, -1, -1};
        histogram_init(&s->histogram);
    }
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out->started_at, sizeof out->started_at, "%Y-%m-%dT%H:%M:%SZ", &utc);
    machine_describe(out);
    return 0;
}

int run_prepare(struct run *r)
{
    make_run_id(r->run_id);
    int failed = load_options_complete(&r->options, r->error);
    if (!failed)
        failed = plan_init(&r->plan, &r->options.model, r->error);
    if (!failed)
        failed = target_resolve(r->options.target, &r->address, &r->address_size, r->error);
    if (!failed)
        failed = limits_prepare(r->options.connections, &r->address, &r->sources, r->error);
    if (!failed)
        failed = target_stats_open(&r->stats, r->options.target, r->error);
    if (!failed)
        failed = prepare_report(r);
    if (!failed)
        failed = prepare_lots(r);
    if (failed)
        return failed;
    prepare_mix(r);
    return run_sale_make(r);
}
