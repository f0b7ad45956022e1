/* loadgen.c - one run, from the lots to the audit.
 *
 * Happy path: prepare (limits, address, lots, plan), connect, run, drain, audit, report. All
 * figures come through the collector; this thread only waits, samples the server's /metrics once a
 * second and shows progress four times a second.
 *
 * Failure modes: what fails before the first call ends loadgen_run() with an error and no report. A
 * server that is gone for GONE_MS ends the run early; the report says when and why, and the audit
 * says whether the server could still be asked. An interrupt ends the run early and is audited.
 */
#include "loadgen/loadgen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "loadgen/run.h"

enum {
    TURN_MS = 250,
    START_AFTER_MS = 600,       /* more than two ticks of a worker, so that all hear of it */
    CONNECT_STALLED_MS = 10000, /* no further connection for so long: give up */
    GONE_MS = 10000,
    SETTLED_MS = 600, /* two ticks: by then every worker has handed over a second that is past */
    AUDIT_WAIT_MS = 30000,
    CONNECTS_MAX = 512,
};

/* ---- what is shown ---- */

uint32_t run_connected(const struct run *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; r->workers && i < r->options.threads; i++)
        if (r->workers[i])
            n += atomic_load_explicit(&load_worker_counts(r->workers[i])->connected,
                                      memory_order_relaxed);
    return n;
}

static void show(struct run *r, struct load_progress *p)
{
    p->connections = run_connected(r);
    if (r->watcher && r->watcher->show)
        r->watcher->show(r->watcher->owner, p);
}

void run_show_step(struct run *r, const char *step, uint64_t done, uint64_t of)
{
    struct load_progress p = {.step = step, .done = done, .of = of};
    show(r, &p);
}

bool run_interrupted(const struct run *r)
{
    return r->watcher && r->watcher->interrupted && r->watcher->interrupted(r->watcher->owner);
}

static bool hurried(const struct run *r)
{
    return r->watcher && r->watcher->hurried && r->watcher->hurried(r->watcher->owner);
}

static void sleep_turn(void)
{
    nanosleep(&(struct timespec){.tv_nsec = TURN_MS * 1000000L}, NULL);
}

/* ---- workers ---- */

static struct worker_options worker_options_of(const struct run *r, uint32_t connections)
{
    return (struct worker_options){
        .protocol = r->options.http ? &protocol_http1 : &protocol_grpc,
        .target = &r->target,
        .address = r->address,
        .address_size = r->address_size,
        .connections = connections,
        .sources = r->sources,
        .timeout_ms = r->options.timeout_ms,
        .connects_max = CONNECTS_MAX,
        .phased = r->plan.phased,
    };
}

static int start_workers(struct run *r)
{
    const struct load_options *o = &r->options;
    r->books = calloc(o->threads, sizeof *r->books);
    r->traffics = calloc(o->threads, sizeof(struct traffic *));
    r->workers = calloc(o->threads, sizeof(struct worker *));
    if (!r->books || !r->traffics || !r->workers)
        return error_set(r->error, TLY_ENO_MEMORY, "", "no memory for the workers");
    uint32_t first = 0;
    for (uint32_t i = 0; i < o->threads; i++) {
        uint32_t share = thread_share(o->connections, i, o->threads);
        struct worker_options w = worker_options_of(r, share);
        w.first = first;
        first += share;
        order_book_init(&r->books[i], i);
        int failed = traffic_create(&r->traffics[i], &r->traffic, &r->books[i], share, r->error);
        if (failed)
            return failed;
        struct call_source source = traffic_source(r->traffics[i]);
        failed = load_worker_create(&r->workers[i], &w, &source, r->error);
        if (!failed)
            failed = load_worker_start(r->workers[i], r->error);
        if (failed)
            return failed;
    }
    return 0;
}

const char *run_connect_error(const struct run *r)
{
    for (uint32_t i = 0; i < r->options.threads; i++) {
        int code = atomic_load(&load_worker_counts(r->workers[i])->connect_error);
        if (code)
            return strerror(code);
    }
    return "the server closes them at once";
}

static int connect_all(struct run *r)
{
    uint32_t wanted = r->options.connections, before = 0;
    uint64_t progress_ns = clock_monotonic_ns();
    for (;;) {
        uint32_t up = run_connected(r);
        if (up >= wanted)
            return 0;
        if (up > before)
            progress_ns = clock_monotonic_ns();
        before = up;
        if (run_interrupted(r))
            return error_set(r->error, TLY_ECLOSED, "", "interrupted while connecting");
        if (clock_monotonic_ns() - progress_ns > (uint64_t)CONNECT_STALLED_MS * 1000000u)
            return error_set(r->error, TLY_EUNAVAILABLE, "connections",
                             "%u of %u connections could be opened: %s (the server's limits are "
                             "connections_max and its open files)",
                             up, wanted, run_connect_error(r));
        run_show_step(r, "connecting", up, wanted);
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000L}, NULL);
    }
}

/* ---- the run ---- */

static void show_running(struct run *r, double at_s)
{
    const struct report *out = r->report;
    struct load_progress p = {
        .step = "running",
        .stage = out->stages[r->stage].name,
        .stage_number = r->stage + 1,
        .stage_count = out->stage_count,
        .at_s = at_s,
        .duration_s = (double)r->plan.duration_ns / 1e9,
    };
    if ((double)r->plan.opens_ns / 1e9 > at_s)
        p.opens_in_s = (double)r->plan.opens_ns / 1e9 - at_s;
    if (at_s >= 2) {
        static const struct report_point silent = {0};
        uint32_t second = (uint32_t)at_s - 2; /* the last one that all have handed over */
        const struct report_point *point =
            second < out->point_count ? &out->points[second] : &silent;
        for (uint32_t i = 0; i < r->options.threads; i++)
            p.offered_per_s += (double)traffic_offered_in_second(r->traffics[i], second);
        p.achieved_per_s = point->achieved_per_s;
        p.refused_per_s = point->refused_per_s;
        p.errors_per_s = point->errors_per_s;
        uint32_t i = second < out->point_count ? second + 1 : out->point_count;
        while (i-- > 0 && p.p99_ms <= 0)
            p.p99_ms = out->points[i].p99_ms; /* quantiles are final a little later */
    }
    show(r, &p);
}

/* True if there has been no connection for GONE_MS. */
static bool server_is_gone(struct run *r, uint64_t now_ns)
{
    if (run_connected(r) > 0) {
        r->alone_since_ns = 0;
        return false;
    }
    if (!r->alone_since_ns)
        r->alone_since_ns = now_ns;
    return now_ns - r->alone_since_ns > (uint64_t)GONE_MS * 1000000u;
}

static bool all_done(const struct run *r)
{
    for (uint32_t i = 0; i < r->options.threads; i++)
        if (!traffic_done(r->traffics[i]))
            return false;
    return true;
}

/* Whether the stage that is over got less than STAGE_KEPT_UP of its calls answered while it lasted,
 * chance aside (4 sigma of Poisson arrivals), or more went wrong than STAGE_ERRORS_MAX. What was
 * due is taken from the plan: a server that lags leaves calls that are not even sent. */
static bool stage_broke(struct run *r)
{
    const struct stage *plan = &r->plan.stages[r->stage];
    const struct report_stage *s = &r->report->stages[r->stage];
    double seconds = (double)plan->duration_ns / 1e9;
    double due = (plan->rate_begin + plan->rate_end) / 2 * seconds;
    if ((double)s->answered >= STAGE_KEPT_UP * due - 4 * sqrt(due) &&
        (double)stage_not_served(s) <= STAGE_ERRORS_MAX * due)
        return false;
    snprintf(r->report->end_text, sizeof r->report->end_text,
             "stopped after the stage %s, which was not kept up with: %.0f/s were answered, %.0f/s "
             "went wrong",
             s->name, (double)s->answered / seconds, (double)stage_not_served(s) / seconds);
    return true;
}

/* The next stage has begun. False: the run is to end. */
static bool next_stage(struct run *r, uint32_t stage)
{
    collector_take(&r->collector, 0);
    if (r->options.until_broken && stage_broke(r))
        return false; /* its figures are closed with the run's */
    run_close_stage(r);
    r->stage = stage;
    return true;
}

static enum report_end run_plan(struct run *r)
{
    atomic_store(&r->traffic.start_ns, r->start_ns);
    run_begin_figures(r);
    while (!all_done(r)) {
        sleep_turn();
        uint64_t now_ns = clock_monotonic_ns();
        if (run_interrupted(r))
            return END_INTERRUPTED;
        if (server_is_gone(r, now_ns))
            return END_SERVER_GONE;
        if (run_fault(r))
            return END_INTERRUPTED;
        if (now_ns < r->start_ns)
            continue;
        uint64_t at_ns = now_ns - r->start_ns;
        uint32_t second = (uint32_t)(at_ns / 1000000000u);
        collector_take(&r->collector, second > 2 ? second - 2 : 0);
        run_sample_workers(r);
        if (second > r->second) {
            r->second = second;
            run_sample_server(r, now_ns);
        }
        /* A stage that is to be judged is closed only when all of it has been handed over. */
        uint64_t behind_ns = r->options.until_broken ? SETTLED_MS * UINT64_C(1000000) : 0;
        size_t stage = plan_stage_at(&r->plan, at_ns > behind_ns ? at_ns - behind_ns : 0);
        if (stage < r->plan.stage_count && stage != r->stage && !next_stage(r, (uint32_t)stage))
            return END_COMPLETE;
        show_running(r, (double)at_ns / 1e9);
    }
    return END_COMPLETE;
}

/* Ends the workers; what was on its way is answered or timed out, or in a hurry left in doubt. */
static void finish_workers(struct run *r)
{
    r->traffic.stop_ns = clock_monotonic_ns();
    atomic_store(&r->traffic.stop, true);
    for (uint32_t i = 0; i < r->options.threads; i++)
        if (r->workers[i])
            load_worker_finish(r->workers[i]);
    for (uint32_t i = 0; i < r->options.threads; i++) {
        while (r->workers[i] && !load_worker_ended(r->workers[i])) {
            if (hurried(r))
                load_worker_abandon(r->workers[i]);
            nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000L}, NULL);
        }
        if (r->workers[i])
            load_worker_join(r->workers[i]);
    }
}

static bool show_audit(void *owner, const char *step, uint64_t done, uint64_t of)
{
    struct run *r = owner;
    run_show_step(r, step, done, of);
    return hurried(r);
}

static void audit(struct run *r)
{
    if (!r->options.audit || hurried(r)) {
        snprintf(r->report->audit.reason, sizeof r->report->audit.reason, "it was left out");
        return;
    }
    struct audit_input in = {
        .books = r->books,
        .book_count = r->options.threads,
        .mix = &r->mix,
        .lots = &r->lots,
        .tallies = r->tallies,
        .worker = worker_options_of(r, 1),
        .began_ns = r->start_ns,
        .countdowns_wrong = r->traffic.countdowns_wrong,
        .look_ups_max = r->options.look_ups_max,
        .seed = r->options.seed,
        .wait_ms = AUDIT_WAIT_MS,
        .progress = show_audit,
        .owner = r,
    };
    in.worker.phased = false;
    audit_run(&in, &r->report->audit);
}

static void destroy_workers(struct run *r)
{
    for (uint32_t i = 0; r->workers && i < r->options.threads; i++) {
        load_worker_destroy(r->workers[i]);
        r->workers[i] = NULL;
    }
}

static void run_close(struct run *r)
{
    destroy_workers(r);
    for (uint32_t i = 0; r->traffics && i < r->options.threads; i++)
        traffic_destroy(r->traffics[i]);
    for (uint32_t i = 0; r->books && i < r->options.threads; i++)
        order_book_close(&r->books[i]);
    free(r->workers);
    free(r->traffics);
    free(r->books);
    free(r->tallies);
    collector_close(&r->collector);
    target_stats_close(r->stats);
    target_lots_close(&r->lots);
    choice_close(&r->mix.choice);
    plan_close(&r->plan);
}

int loadgen_run(const struct load_options *o, const struct load_watcher *w, struct report *out,
                struct error *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the run");
    *r = (struct run){.options = *o, .watcher = w, .report = out, .error = e};
    collector_init(&r->collector, out);
    int failed = run_prepare(r);
    if (!failed)
        failed = start_workers(r);
    if (!failed)
        failed = connect_all(r);
    if (!failed)
        failed = run_sale_open(r, START_AFTER_MS);
    if (failed) {
        if (r->workers)
            finish_workers(r);
        goto close;
    }
    enum report_end end = run_plan(r);
    finish_workers(r);
    run_describe_end(r, end); /* now that the workers' last figures are published */
    run_sample_server(r, clock_monotonic_ns());
    run_close_stage(r);
    for (uint32_t i = 0; i < r->options.threads; i++)
        traffic_finish(r->traffics[i]);
    collector_take(&r->collector, UINT32_MAX);
    run_fill_report(r);
    destroy_workers(r);
    audit(r);
close:
    run_close(r);
    free(r);
    return failed;
}
