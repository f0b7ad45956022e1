/* report_charts.c - which charts a page shows: rate and latency over time, the distribution of
 * latencies, latency against rate for a staircase, the server's processor time and memory. A chart
 * without a figure is left out. Fails when memory runs short. */
#include "loadgen/report_charts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/chart.h"

enum { QUANTILE_POINTS = 240 };

struct series {
    size_t count;
    double *x, *y[CHART_SERIES_MAX];
};

static int series_init(struct series *s, size_t count, struct error *e)
{
    double *room = calloc(count ? count * (1 + CHART_SERIES_MAX) : 1, sizeof(double));
    if (!room) {
        error_set(e, TLY_ENO_MEMORY, "", "the charts are not drawn: out of memory");
        return TLY_ENO_MEMORY;
    }
    *s = (struct series){.count = count, .x = room};
    for (size_t k = 0; k < CHART_SERIES_MAX; k++)
        s->y[k] = room + (k + 1) * count;
    return 0;
}

static void series_close(struct series *s)
{
    free(s->x);
}

/* "1:04:12, opening" */
static struct figure point_label(const void *owner, size_t i)
{
    const struct report *r = owner;
    const struct report_point *p = &r->points[i];
    unsigned long at = (unsigned long)(p->at_s > 0 ? p->at_s : 0);
    const char *stage = p->stage < r->stage_count ? r->stages[p->stage].name : "";
    struct figure f;
    snprintf(f.text, sizeof(f.text), "%lu:%02lu %.*s", at / 60, at % 60, STAGE_NAME_SIZE, stage);
    return f;
}

static double told(double value, double scale)
{
    return value >= 0 ? value * scale : NAN;
}

struct over_time {
    const struct report *r;
    struct series s;
    struct chart chart; /* what all charts over time have in common */
    struct chart_band bands[CHART_BANDS_MAX];
};

static int over_time_init(struct over_time *o, const struct report *r, struct error *e)
{
    *o = (struct over_time){.r = r};
    int status = series_init(&o->s, r->point_count, e);
    if (status)
        return status;
    double end = r->ended_at_s;
    for (size_t i = 0; i < r->point_count; i++) {
        o->s.x[i] = r->points[i].at_s + 0.5; /* the middle of its second */
        end = o->s.x[i] > end ? o->s.x[i] : end;
    }
    for (size_t i = 0; i < r->stage_count && r->stage_count <= CHART_BANDS_MAX; i++) {
        const struct report_stage *s = &r->stages[i];
        double over = s->begin_s + s->duration_s;
        o->bands[i] = (struct chart_band){s->begin_s < end ? s->begin_s : end,
                                          over < end ? over : end, s->name};
        o->chart.band_count++;
    }
    o->chart.x = o->s.x;
    o->chart.count = o->s.count;
    o->chart.x_max = end;
    o->chart.x_unit = UNIT_SECONDS;
    o->chart.label = point_label;
    o->chart.owner = r;
    return 0;
}

static void rate_over_time(struct over_time *o, FILE *to)
{
    struct chart c = o->chart;
    c.bands = o->bands;
    c.title = "Rate";
    c.about = "Calls a second: due, answered, refused (no stock, a limit), failed";
    c.wide = true;
    c.y_unit = UNIT_RATE;
    bool refused = false, errors = false;
    for (size_t i = 0; i < c.count; i++) {
        const struct report_point *p = &o->r->points[i];
        o->s.y[0][i] = p->offered_per_s;
        o->s.y[1][i] = p->achieved_per_s;
        o->s.y[2][i] = p->refused_per_s;
        o->s.y[3][i] = p->errors_per_s;
        refused |= p->refused_per_s > 0;
        errors |= p->errors_per_s > 0;
    }
    c.series[c.series_count++] = (struct chart_series){"achieved", "achieved", o->s.y[1], true};
    c.series[c.series_count++] = (struct chart_series){"offered", "offered", o->s.y[0], false};
    if (refused)
        c.series[c.series_count++] = (struct chart_series){"refused", "refused", o->s.y[2], false};
    if (errors)
        c.series[c.series_count++] = (struct chart_series){"errors", "errors", o->s.y[3], false};
    chart_write(&c, to);
}

static void latency_over_time(struct over_time *o, FILE *to)
{
    struct chart c = o->chart;
    c.bands = o->bands;
    c.title = "Latency";
    c.about = "From when a call was due until it was answered, each second, logarithmic";
    c.wide = true;
    c.y_unit = UNIT_MS;
    c.y_log = true;
    for (size_t i = 0; i < c.count; i++) {
        o->s.y[0][i] = o->r->points[i].max_ms;
        o->s.y[1][i] = o->r->points[i].p99_ms;
        o->s.y[2][i] = o->r->points[i].p50_ms;
    }
    c.series_count = 3;
    c.series[0] = (struct chart_series){"max", "max", o->s.y[0], false};
    c.series[1] = (struct chart_series){"p99", "p99", o->s.y[1], false};
    c.series[2] = (struct chart_series){"p50", "p50", o->s.y[2], false};
    chart_write(&c, to);
}

static void server_over_time(struct over_time *o, FILE *to)
{
    for (size_t i = 0; i < o->s.count; i++) {
        const struct server_usage *u = &o->r->points[i].server;
        o->s.y[0][i] = told(u->cpu_share, 100);
        o->s.y[1][i] = told(u->memory_bytes, 1.0 / (1 << 20));
    }
    struct chart c = o->chart;
    c.bands = o->bands;
    c.title = "Processor time of the server";
    c.about = "100 % is one core";
    c.y_unit = UNIT_PERCENT;
    c.series_count = 1;
    c.series[0] = (struct chart_series){"processor time", "cpu", o->s.y[0], true};
    chart_write(&c, to);
    c.title = "Memory of the server";
    c.about = "Resident";
    c.y_unit = UNIT_MIB;
    c.series[0] = (struct chart_series){"memory", "memory", o->s.y[1], true};
    chart_write(&c, to);
}

/* Where a share of all calls lies on an axis on which each nine is as wide as the one before. */
static double nines(double share)
{
    return -log10(1 - share);
}

static struct figure share_label(const void *owner, size_t i)
{
    const double *x = owner;
    struct figure f;
    snprintf(f.text, sizeof(f.text), "%.*f %% are faster", x[i] < 1 ? 0 : (int)x[i],
             100 * (1 - pow(10, -x[i])));
    return f;
}

static int distribution(const struct report *r, bool wide, FILE *to, struct error *e)
{
    static const struct {
        double share;
        const char *label;
    } ticks[] = {{0, "0 %"},        {0.5, "50 %"},       {0.9, "90 %"},        {0.99, "99 %"},
                 {0.999, "99.9 %"}, {0.9999, "99.99 %"}, {0.99999, "99.999 %"}};
    if (r->histogram.count < 2)
        return 0;
    struct series s;
    int status = series_init(&s, QUANTILE_POINTS, e);
    if (status)
        return status;
    struct chart c = {
        .title = "Distribution of latency",
        .about = "The share of all calls that were answered at least as fast",
        .wide = wide,
        .x = s.x,
        .count = s.count,
        .x_max = fmin(5, log10((double)r->histogram.count)),
        .y_unit = UNIT_MS,
        .y_log = true,
        .label = share_label,
        .owner = s.x,
        .series = {{"latency", "p99", s.y[0], true}},
        .series_count = 1,
    };
    for (size_t i = 0; i < s.count; i++) {
        s.x[i] = c.x_max * (double)i / (QUANTILE_POINTS - 1);
        s.y[0][i] = (double)histogram_quantile_ns(&r->histogram, 1 - pow(10, -s.x[i])) / 1e6;
    }
    s.y[0][0] = (double)r->histogram.min_ns / 1e6;
    size_t tick_count = sizeof(ticks) / sizeof(ticks[0]);
    for (size_t i = wide ? 0 : 1; i < tick_count - !wide; i++) { /* the ends need room */
        if (nines(ticks[i].share) > c.x_max + 1e-9)
            break;
        c.x_ticks[c.x_tick_count].at = nines(ticks[i].share);
        c.x_ticks[c.x_tick_count++].label = figure_text(ticks[i].label);
    }
    chart_write(&c, to);
    series_close(&s);
    return 0;
}

static struct figure stage_label(const void *owner, size_t i)
{
    const struct report *r = owner;
    return figure_text(r->stages[i].name);
}

static int latency_against_rate(const struct report *r, FILE *to, struct error *e)
{
    struct series s;
    int status = series_init(&s, r->stage_count, e);
    if (status)
        return status;
    struct chart c = {
        .title = "Latency against rate",
        .about = "Each step of the staircase by its offered rate, calls a second",
        .x = s.x,
        .count = s.count,
        .x_unit = UNIT_RATE,
        .y_unit = UNIT_MS,
        .y_log = true,
        .label = stage_label,
        .owner = r,
        .series = {{"p99", "p99", s.y[0], false}, {"mean", "p50", s.y[1], false}},
        .series_count = 2,
    };
    for (size_t i = 0; i < s.count; i++) {
        s.x[i] = stage_offered_per_s(&r->stages[i]);
        s.y[0][i] = r->stages[i].latency.p99;
        s.y[1][i] = r->stages[i].latency.mean;
        c.x_max = s.x[i] > c.x_max ? s.x[i] : c.x_max;
    }
    chart_write(&c, to);
    series_close(&s);
    return 0;
}

int report_charts_write(const struct report *r, FILE *to, struct error *e)
{
    struct over_time o;
    int status = over_time_init(&o, r, e);
    if (status)
        return status;
    rate_over_time(&o, to);
    latency_over_time(&o, to);
    bool staircase = report_breaking_stage(r) != UINT32_MAX;
    status = distribution(r, !staircase, to, e);
    if (status == 0 && staircase)
        status = latency_against_rate(r, to, e);
    if (status == 0)
        server_over_time(&o, to);
    series_close(&o.s);
    return status;
}
