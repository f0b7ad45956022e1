/* run_figures.c - from samples of the server and the workers to the stages of the report.
 *
 * The server is asked once a second, on its /metrics; a stage's figures are those between the last
 * samples at its two ends. A server without /metrics leaves them negative: not told.
 */
#include "base/clock.h"
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

void run_describe_end(struct run *r, enum report_end end)
{
    struct report *out = r->report;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t planned_end_ns = r->start_ns + r->plan.duration_ns;
    out->end = end;
    out->ended_at_s =
        (double)((now_ns < planned_end_ns ? now_ns : planned_end_ns) - r->start_ns) / 1e9;
    const char *fault = NULL;
    for (uint32_t i = 0; i < r->options.threads && !fault; i++)
        fault = traffic_fault(r->traffics[i]);
    if (fault)
        snprintf(out->end_text, sizeof out->end_text, "the load generator stopped: %s", fault);
    else if (end == END_SERVER_GONE)
        snprintf(out->end_text, sizeof out->end_text, "the server has been gone since %.1f s: %s",
                 (double)(r->alone_since_ns - r->start_ns) / 1e9, run_connect_error(r));
    else if (end == END_INTERRUPTED)
        snprintf(out->end_text, sizeof out->end_text, "interrupted after %.1f s", out->ended_at_s);
    if (r->stage + 1 < out->stage_count) /* the others were not begun */
        out->stage_count = r->stage + 1;
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
    out->latency = latency_of(&out->histogram);
}
