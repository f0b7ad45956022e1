/* run_figures.c - from samples of the server and the workers to the stages of the report.
 *
 * The server is asked once a second, on its /metrics; a stage's figures are those between the last
 * samples at its two ends. A server without /metrics leaves them negative: not told.
 */
#include <inttypes.h>
#include <sys/resource.h>

#include "loadgen/run.h"

#define SAMPLE_MIN_NS UINT64_C(500000000)

static struct server_usage usage_between(const struct sample *a, const struct sample *b)
{
    struct server_usage u = {-1, b->stats.memory_bytes, b->stats.threads};
    if (a->stats.cpu_s >= 0 && b->stats.cpu_s >= a->stats.cpu_s && b->at_ns > a->at_ns)
        u.cpu_share = (b->stats.cpu_s - a->stats.cpu_s) / ((double)(b->at_ns - a->at_ns) / 1e9);
    return u;
}

static uint64_t resets(const struct run *r)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->options.threads; i++)
        n += atomic_load_explicit(&load_worker_counts(r->workers[i])->resets, memory_order_relaxed);
    return n;
}

void run_close_stage(struct run *r)
{
    const struct sample *now = &r->last;
    struct report_stage *s = &r->report->stages[r->stage];
    double memory = s->server.memory_bytes;
    s->server = usage_between(&r->stage_begin, now);
    if (memory > s->server.memory_bytes)
        s->server.memory_bytes = memory;
    s->connections = run_connected(r);
    if (r->in_flight_samples > 0 && s->connections > 0)
        s->streams_per_connection = r->in_flight_sum / r->in_flight_samples / s->connections;
    uint64_t total = resets(r);
    s->resets = total - r->resets_before;
    r->resets_before = total;
    r->in_flight_sum = r->in_flight_samples = 0;
    r->stage_begin = *now;
}

void run_sample_server(struct run *r, uint64_t now_ns)
{
    struct sample now = {.at_ns = now_ns};
    if (now_ns < r->last.at_ns + SAMPLE_MIN_NS)
        return; /* too short a time to tell processor time by */
    target_stats_read(r->stats, &now.stats);
    if (now.stats.cpu_s < 0)
        return; /* it does not tell, or not now */
    struct report *out = r->report;
    if (r->second > 0 && r->second - 1 < out->point_count)
        out->points[r->second - 1].server = usage_between(&r->last, &now);
    if (now.stats.memory_bytes > out->stages[r->stage].server.memory_bytes)
        out->stages[r->stage].server.memory_bytes = now.stats.memory_bytes;
    r->last = now;
}

void run_sample_workers(struct run *r)
{
    double in_flight = 0;
    for (uint32_t i = 0; i < r->options.threads; i++)
        in_flight += atomic_load_explicit(&load_worker_counts(r->workers[i])->in_flight,
                                          memory_order_relaxed);
    r->in_flight_sum += in_flight;
    r->in_flight_samples++;
}

void run_begin_figures(struct run *r)
{
    r->last.at_ns = r->start_ns;
    target_stats_read(r->stats, &r->last.stats);
    r->stage_begin = r->last;
    r->resets_before = resets(r);
}

const char *run_fault(const struct run *r)
{
    const char *fault = NULL;
    for (uint32_t i = 0; i < r->options.threads && !fault; i++)
        fault = traffic_fault(r->traffics[i]);
    return fault;
}

/* Since the start: the plan's end, or when it was stopped, or (a number of calls in a closed loop)
 * when the last one was answered. */
static uint64_t ran_ns(const struct run *r, bool whole)
{
    uint64_t at_ns = r->traffic.stop_ns;
    if (whole && !r->options.closed)
        return r->plan.duration_ns;
    if (whole && r->options.calls) {
        at_ns = 0;
        for (uint32_t i = 0; i < r->options.threads; i++) {
            const struct worker_counts *c = load_worker_counts(r->workers[i]);
            uint64_t last_ns = atomic_load_explicit(&c->last_answer_ns, memory_order_relaxed);
            at_ns = last_ns > at_ns ? last_ns : at_ns;
        }
    }
    if (at_ns <= r->start_ns)
        return 0;
    at_ns -= r->start_ns;
    return at_ns < r->plan.duration_ns ? at_ns : r->plan.duration_ns;
}

void run_describe_end(struct run *r, enum report_end end)
{
    struct report *out = r->report;
    const char *fault = run_fault(r);
    bool broke = end == END_COMPLETE && out->end_text[0];
    bool whole = end == END_COMPLETE && !broke && !fault;
    uint64_t ns = ran_ns(r, whole);
    out->end = end;
    out->ended_at_s = (double)ns / 1e9;
    if (fault)
        snprintf(out->end_text, sizeof out->end_text, "the load generator stopped: %s", fault);
    else if (end == END_SERVER_GONE)
        snprintf(out->end_text, sizeof out->end_text, "the server has been gone since %.1f s: %s",
                 r->alone_since_ns > r->start_ns ? (double)(r->alone_since_ns - r->start_ns) / 1e9
                                                 : 0,
                 run_connect_error(r));
    else if (end == END_INTERRUPTED)
        snprintf(out->end_text, sizeof out->end_text, "interrupted after %.1f s", out->ended_at_s);
    size_t begun = out->stage_count; /* the others are not told of */
    if (broke)
        begun = r->stage + 1;
    else if (!whole)
        begun = plan_stage_at(&r->plan, ns) + 1;
    if (begun < out->stage_count)
        out->stage_count = (uint32_t)begun;
}

/* What the load generator itself had to do with the figures. */
static void describe_generator(struct run *r)
{
    struct report *out = r->report;
    struct rusage used;
    uint64_t lost = 0;
    for (uint32_t i = 0; i < r->options.threads; i++)
        lost += atomic_load_explicit(&load_worker_counts(r->workers[i])->connections_lost,
                                     memory_order_relaxed);
    if (out->machine_count == sizeof out->machine / sizeof out->machine[0] ||
        out->ended_at_s <= 0 || getrusage(RUSAGE_SELF, &used))
        return;
    double s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    struct report_entry *e = &out->machine[out->machine_count++];
    snprintf(e->name, sizeof e->name, "load generator");
    snprintf(e->value, sizeof e->value, "%.0f %% of a core, %" PRIu64 " connections were lost",
             100 * s / out->ended_at_s, lost);
}

void run_fill_report(struct run *r)
{
    struct report *out = r->report;
    for (uint32_t i = 0; i < out->stage_count; i++) {
        struct report_stage *s = &out->stages[i];
        for (uint32_t w = 0; w < r->options.threads; w++)
            s->offered += traffic_offered_in_stage(r->traffics[w], i);
        if (s->begin_s + s->duration_s > out->ended_at_s)
            s->duration_s = out->ended_at_s > s->begin_s ? out->ended_at_s - s->begin_s : 0;
        s->latency = latency_of(&s->histogram);
    }
    for (uint32_t i = 0; i < out->point_count; i++)
        for (uint32_t w = 0; w < r->options.threads; w++)
            out->points[i].offered_per_s += (double)traffic_offered_in_second(r->traffics[w], i);
    for (uint32_t i = 0; i < out->stage_count; i++) /* the whole is what is told of */
        histogram_add(&out->histogram, &out->stages[i].histogram);
    for (size_t i = out->stage_count; i < r->plan.stage_count; i++)
        histogram_close(&out->stages[i].histogram);
    out->latency = latency_of(&out->histogram);
    describe_generator(r);
}
