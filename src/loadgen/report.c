/* report.c - the life of a report, and the sums that all its forms need. */
#include "loadgen/report.h"

#include <stdlib.h>
#include <string.h>

void report_init(struct report *r)
{
    *r = (struct report){0};
    histogram_init(&r->histogram);
    histogram_init(&r->accepted);
}

void report_close(struct report *r)
{
    for (uint32_t i = 0; r->stages && i < r->stage_count; i++)
        histogram_close(&r->stages[i].histogram);
    free(r->stages);
    free(r->points);
    histogram_close(&r->histogram);
    histogram_close(&r->accepted);
    report_init(r);
}

static double quantile_ms(const struct histogram *h, double share)
{
    return (double)histogram_quantile_ns(h, share) / 1e6;
}

struct latency latency_of(const struct histogram *h)
{
    if (h->count == 0)
        return (struct latency){0};
    return (struct latency){
        .mean = histogram_mean_ns(h) / 1e6,
        .p50 = quantile_ms(h, 0.5),
        .p90 = quantile_ms(h, 0.9),
        .p95 = quantile_ms(h, 0.95),
        .p99 = quantile_ms(h, 0.99),
        .p999 = quantile_ms(h, 0.999),
        .p9999 = quantile_ms(h, 0.9999),
        .max = (double)h->max_ns / 1e6,
    };
}

static uint64_t sum(const struct report_stage *s, enum answer_group group)
{
    uint64_t total = 0;
    for (int c = 0; c < ANSWER_CODE_COUNT; c++) {
        if (answer_group((enum answer_code)c) == group)
            total += s->codes[c];
    }
    return total;
}

uint64_t stage_accepted(const struct report_stage *s)
{
    return sum(s, ANSWER_GROUP_OK);
}

uint64_t stage_refused(const struct report_stage *s)
{
    return sum(s, ANSWER_GROUP_REFUSED);
}

uint64_t stage_errors(const struct report_stage *s)
{
    return sum(s, ANSWER_GROUP_ERROR);
}

double stage_offered_per_s(const struct report_stage *s)
{
    return s->duration_s > 0 ? (double)s->offered / s->duration_s : 0;
}

double stage_achieved_per_s(const struct report_stage *s)
{
    return s->duration_s > 0 ? (double)s->answered / s->duration_s : 0;
}

void report_total(const struct report *r, struct report_stage *out)
{
    *out = (struct report_stage){.name = "all", .latency = r->latency};
    histogram_init(&out->histogram);
    out->server = (struct server_usage){-1, -1, -1};
    double cpu_s = 0, cpu_over_s = 0, streams_s = 0;
    for (uint32_t i = 0; i < r->stage_count; i++) {
        const struct report_stage *s = &r->stages[i];
        out->duration_s += s->duration_s;
        out->offered += s->offered;
        out->answered += s->answered;
        out->resets += s->resets;
        for (int c = 0; c < ANSWER_CODE_COUNT; c++)
            out->codes[c] += s->codes[c];
        if (s->server.cpu_share >= 0) {
            cpu_s += s->server.cpu_share * s->duration_s;
            cpu_over_s += s->duration_s;
        }
        if (s->server.memory_bytes > out->server.memory_bytes)
            out->server.memory_bytes = s->server.memory_bytes;
        if (s->server.threads > out->server.threads)
            out->server.threads = s->server.threads;
        if (s->connections > out->connections)
            out->connections = s->connections;
        streams_s += s->streams_per_connection * s->duration_s;
    }
    if (cpu_over_s > 0)
        out->server.cpu_share = cpu_s / cpu_over_s;
    if (out->duration_s > 0)
        out->streams_per_connection = streams_s / out->duration_s;
}

const char *report_setting(const struct report *r, const char *name)
{
    for (uint32_t i = 0; i < r->setting_count; i++) {
        if (strcmp(r->settings[i].name, name) == 0)
            return r->settings[i].value;
    }
    return NULL;
}

bool report_has_groups(const struct report *r)
{
    const char *model = report_setting(r, "model");
    return (model && strcmp(model, "group-buy") == 0) || r->audit.groups_opened > 0;
}

uint64_t stage_not_served(const struct report_stage *s)
{
    return stage_errors(s) + s->codes[ANSWER_LIMIT_EXCEEDED];
}

uint32_t report_breaking_stage(const struct report *r)
{
    const char *model = report_setting(r, "model");
    if (!model || strcmp(model, "staircase") != 0 || r->stage_count == 0)
        return UINT32_MAX;
    for (uint32_t i = 0; i < r->stage_count; i++) {
        const struct report_stage *s = &r->stages[i];
        if ((double)s->answered < STAGE_KEPT_UP * (double)s->offered ||
            (double)stage_not_served(s) > STAGE_ERRORS_MAX * (double)s->offered)
            return i;
    }
    return r->stage_count;
}

enum report_verdict report_verdict(const struct report *r)
{
    const struct audit_result *a = &r->audit;
    if (a->oversold || a->undersold || a->lost || a->duplicated || a->groups_wrong ||
        a->limits_broken)
        return VERDICT_WRONG;
    return a->complete ? VERDICT_RIGHT : VERDICT_UNKNOWN;
}

const char *report_end_text(enum report_end end)
{
    static const char *const texts[] = {"complete", "interrupted", "server_gone"};
    return texts[end];
}

const char *report_end_reason(const struct report *r)
{
    if (r->end_text[0])
        return r->end_text;
    return r->end == END_INTERRUPTED ? "interrupted" : "the server does not answer";
}
