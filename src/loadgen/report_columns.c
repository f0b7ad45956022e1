/* report_columns.c - which figures of a stage are shown, in which order. Memory that runs short
 * leaves the table incomplete and sets its `failed`. */
#include "loadgen/report_columns.h"

static const struct column stage_columns[] = {
    {"stage", false, NULL},   {"offered/s", true, NULL}, {"achieved/s", true, NULL},
    {"accepted", true, NULL}, {"refused", true, "0"},    {"errors", true, "0"},
    {"p50", true, NULL},      {"p95", true, NULL},       {"p99", true, NULL},
    {"p99.9", true, NULL},    {"max", true, NULL},       {"CPU %", true, "-"},
    {"MiB", true, "-"},       {"threads", true, "-"},    {"streams", true, NULL},
    {"resets", true, "0"},
};

static void add_stage(struct columns *t, const struct report_stage *s)
{
    columns_add(t, figure_text(s->name));
    columns_add(t, figure_rate(stage_offered_per_s(s)));
    columns_add(t, figure_rate(stage_achieved_per_s(s)));
    columns_add(t, figure_count(stage_accepted(s)));
    columns_add(t, figure_count(stage_refused(s)));
    columns_add(t, figure_count(stage_errors(s)));
    columns_add(t, figure_ms(s->latency.p50));
    columns_add(t, figure_ms(s->latency.p95));
    columns_add(t, figure_ms(s->latency.p99));
    columns_add(t, figure_ms(s->latency.p999));
    columns_add(t, figure_ms(s->latency.max));
    columns_add(t, figure_percent(s->server.cpu_share));
    columns_add(t, figure_mib(s->server.memory_bytes));
    columns_add(t, figure_plain(s->server.threads));
    columns_add(t, figure_ms(s->streams_per_connection));
    columns_add(t, figure_count(s->resets));
}

void report_columns_fill(struct columns *t, const struct report *r)
{
    struct report_stage total;
    columns_init(t, stage_columns, sizeof(stage_columns) / sizeof(stage_columns[0]));
    for (uint32_t i = 0; i < r->stage_count; i++)
        add_stage(t, &r->stages[i]);
    if (r->stage_count != 1) {
        report_total(r, &total);
        add_stage(t, &total);
    }
}
