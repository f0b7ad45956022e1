/* metrics_page.c - renders /metrics. */
#include "server/metrics_page.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gate/gate_redis.h"
#include "server/documents.h"

enum page_metric {
#define X(id, name, kind, label, help) PAGE_##id,
    PAGE_METRICS(X)
#undef X
};

struct page_row {
    const char *name, *type, *label, *help;
};

#define TYPE_COUNTER "counter"
#define TYPE_GAUGE   "gauge"

static const struct page_row rows[] = {
#define X(id, name, kind, label, help) {name, TYPE_##kind, label, help},
    PAGE_METRICS(X)
#undef X
};

static void family(struct metrics_text *t, enum page_metric metric)
{
    metrics_text_family(t, rows[metric].name, rows[metric].type, rows[metric].help);
}

static void sample(struct metrics_text *t, enum page_metric metric, int64_t value)
{
    metrics_text_add(t, "%s %" PRId64 "\n", rows[metric].name, value);
}

static void labelled(struct metrics_text *t, enum page_metric metric, struct str label,
                     int64_t value)
{
    metrics_text_add(t, "%s{%s=\"%.*s\"} %" PRId64 "\n", rows[metric].name, rows[metric].label,
                     STR_ARG(label), value);
}

static void single(struct metrics_text *t, enum page_metric metric, int64_t value)
{
    family(t, metric);
    sample(t, metric, value);
}

/* A statistic of a part. One that ends in _us_total counts microseconds: shown in seconds. */
static void statistic(struct metrics_text *t, const char *part, const char *name, const char *type,
                      const char *help, int64_t value)
{
    static const char microseconds[] = "_us_total";
    char full[96];
    int size = (int)strlen(name), end = (int)sizeof microseconds - 1;
    if (size > end && strcmp(name + size - end, microseconds) == 0) {
        snprintf(full, sizeof full, "tally_%s_%.*s_seconds_total", part, size - end, name);
        metrics_text_family(t, full, type, help);
        metrics_text_add(t, "%s %" PRId64 ".%06" PRId64 "\n", full, value / 1000000,
                         value % 1000000);
        return;
    }
    snprintf(full, sizeof full, "tally_%s_%s", part, name);
    metrics_text_family(t, full, type, help);
    metrics_text_add(t, "%s %" PRId64 "\n", full, value);
}

static void render_engine(struct metrics_text *t, const struct figures *figures)
{
    const struct engine_stats *stats = &figures->stats;
#define X(name, kind, help) statistic(t, "engine", #name, TYPE_##kind, help, stats->name);
    ENGINE_STATS(X)
#undef X
    family(t, PAGE_FIGURES_AGE);
    metrics_text_add(t, "%s %" PRIu64 ".%03" PRIu64 "\n", rows[PAGE_FIGURES_AGE].name,
                     figures->age_ns / 1000000000, figures->age_ns / 1000000 % 1000);
}

static void render_ledger(struct metrics_text *t, const struct metrics_page *page)
{
    struct ledger_stats stats = {0};
    page->ledger->ops->stats(page->ledger, &stats);
#define X(name, kind, help) statistic(t, "ledger", #name, TYPE_##kind, help, stats.name);
    LEDGER_STATS(X)
#undef X
    single(t, PAGE_LEDGER_UP, atomic_load(&page->state->ledger_up));
    single(t, PAGE_CLOCK_GAP, atomic_load(&page->state->clock_gap_ms) / 1000);
    single(t, PAGE_CLOCK_DOUBTED, atomic_load(&page->state->clock_doubted));
}

static void render_gate(struct metrics_text *t, const struct metrics_page *page)
{
    struct gate_redis_stats stats;
    if (!page->gate || page->gate->kind != GATE_KIND_REDIS)
        return;
    gate_redis_stats(page->gate->gate, &stats);
#define X(name, kind, help) statistic(t, "gate_redis", #name, TYPE_##kind, help, stats.name);
    GATE_REDIS_STATS(X)
#undef X
}

static void render_bus(struct metrics_text *t, const struct metrics_page *page)
{
    struct bus_stats stats = {0};
    if (page->bus)
        page->bus->ops->stats(page->bus, &stats);
#define X(name, kind, help) statistic(t, "events", #name, TYPE_##kind, help, stats.name);
    BUS_STATS(X)
#undef X
    struct webhook_stats webhook;
    if (!page->webhook)
        return;
    webhook_stats(page->webhook, &webhook);
#define X(name, kind, help) statistic(t, "webhook", #name, TYPE_##kind, help, webhook.name);
    WEBHOOK_STATS(X)
#undef X
}

static void render_kafka(struct metrics_text *t, const struct bus_parts *p)
{
    if (p->events) {
        struct kafka_events_stats stats;
        kafka_events_stats(p->events, &stats);
#define X(name, kind, help) statistic(t, "kafka", #name, TYPE_##kind, help, stats.name);
        KAFKA_EVENTS_STATS(X)
#undef X
    }
    if (p->invalidations) {
        struct invalidations_stats stats;
        p->invalidations->ops->stats(p->invalidations, &stats);
#define X(name, kind, help) statistic(t, "invalidations", #name, TYPE_##kind, help, stats.name);
        INVALIDATIONS_STATS(X)
#undef X
    }
}

static void render_again(struct metrics_text *t, const struct bus_parts *p)
{
    if (p->again) {
        struct again_stats stats;
        again_stats(p->again, &stats);
#define X(name, kind, help) statistic(t, "delete_again", #name, TYPE_##kind, help, stats.name);
        AGAIN_STATS(X)
#undef X
    }
    if (p->line) {
        struct delay_stats stats;
        p->line->ops->stats(p->line, &stats);
#define X(name, kind, help) statistic(t, "delay", #name, TYPE_##kind, help, stats.name);
        DELAY_STATS(X)
#undef X
    }
}

/* All workers' together. */
static void render_meter(struct metrics_text *t, const struct metrics_page *page)
{
    struct meter_stats all = {0}, one;
    for (unsigned i = 0; i < page->worker_count; i++) {
        struct meter *meter = worker_meter(page->workers[i]);
        if (!meter)
            continue;
        meter_figures(meter, &one);
        all.samples_total += one.samples_total;
        all.found_total += one.found_total;
        all.lots += one.lots;
        all.oldest_ms = one.oldest_ms > all.oldest_ms ? one.oldest_ms : all.oldest_ms;
        if (one.lasted_longest_ms > all.lasted_longest_ms)
            all.lasted_longest_ms = one.lasted_longest_ms;
    }
#define X(name, kind, help) statistic(t, "inconsistency", #name, TYPE_##kind, help, all.name);
    METER_STATS(X)
#undef X
}

static void render_cache(struct metrics_text *t, const struct metrics_page *page)
{
    struct cache_stats stats = {0};
    if (!page->cache)
        return;
    page->cache->ops->stats(page->cache, &stats);
#define X(name, kind, help) statistic(t, "cache", #name, TYPE_##kind, help, stats.name);
    CACHE_STATS(X)
#undef X
    render_meter(t, page);
}

static void render_workers(struct metrics_text *t, const struct metrics_page *page)
{
    struct worker_gauges gauges[WORKERS_MAX];
    for (unsigned i = 0; i < page->worker_count; i++)
        worker_gauges(page->workers[i], &gauges[i]);
    for (enum page_metric metric = PAGE_CONNECTIONS; metric <= PAGE_REQUEST_MEMORY; metric++) {
        family(t, metric);
        for (unsigned i = 0; i < page->worker_count; i++) {
            char label[16];
            snprintf(label, sizeof label, "%u", i);
            int64_t value = metric == PAGE_CONNECTIONS ? gauges[i].connections
                            : metric == PAGE_INFLIGHT  ? gauges[i].inflight
                            : metric == PAGE_WAITING   ? gauges[i].waiting
                            : metric == PAGE_STREAMS   ? gauges[i].streams
                                                       : (int64_t)gauges[i].memory_bytes;
            labelled(t, metric, str_of(label), value);
        }
    }
}

static void render_waiting(struct metrics_text *t, const struct metrics_page *page)
{
    struct waiting_figures figures = {0};
    if (page->waiting)
        waiting_figures(page->waiting, &figures);
    single(t, PAGE_WAITING_ROOMS, figures.rooms);
    single(t, PAGE_WAITING_USERS, figures.users);
    single(t, PAGE_WAITING_MEMORY, (int64_t)figures.bytes);
}

static void render_lots(struct metrics_text *t, const struct lot_view *top, uint32_t count)
{
    for (enum page_metric metric = PAGE_LOT_AVAILABLE; metric <= PAGE_LOT_ON_HAND; metric++) {
        family(t, metric);
        for (uint32_t i = 0; i < count; i++) {
            const struct stock *s = &top[i].stock;
            int64_t value = metric == PAGE_LOT_AVAILABLE   ? s->on_hand - s->reserved - s->confirmed
                            : metric == PAGE_LOT_RESERVED  ? s->reserved
                            : metric == PAGE_LOT_CONFIRMED ? s->confirmed
                                                           : s->on_hand;
            labelled(t, metric, top[i].dims->key, value);
        }
    }
}

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Entries of a folder, without . and .. */
static int64_t entries_of(const char *path)
{
    int64_t count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count > 2 ? count - 2 : 0;
}

static void render_process(struct metrics_text *t, const struct metrics_page *page)
{
    struct rusage usage = {0};
    struct rlimit files = {0};
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    int64_t cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
                     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    single(t, PAGE_RESIDENT, resident_bytes());
    family(t, PAGE_CPU);
    metrics_text_add(t, "%s %" PRId64 ".%06" PRId64 "\n", rows[PAGE_CPU].name, cpu_us / 1000000,
                     cpu_us % 1000000);
    single(t, PAGE_OPEN_FDS, entries_of("/proc/self/fd") - 1); /* less the folder itself */
    single(t, PAGE_MAX_FDS, (int64_t)files.rlim_cur);
    single(t, PAGE_THREADS, entries_of("/proc/self/task"));
    family(t, PAGE_START_TIME);
    metrics_text_add(t, "%s %" PRId64 ".%03" PRId64 "\n", rows[PAGE_START_TIME].name,
                     page->started_ms / 1000, page->started_ms % 1000);
}

char *metrics_page_render(void *context, enum metrics_format format, const struct figures *figures,
                          size_t *size)
{
    const struct metrics_page *page = context;
    struct metrics_text t = {.format = format};
    family(&t, PAGE_BUILD);
    labelled(&t, PAGE_BUILD, STR(TALLY_VERSION), 1);
    metrics_render(&t);
    render_engine(&t, figures);
    render_ledger(&t, page);
    render_gate(&t, page);
    render_bus(&t, page);
    render_cache(&t, page);
    if (page->bus_parts) {
        render_kafka(&t, page->bus_parts);
        render_again(&t, page->bus_parts);
    }
    render_workers(&t, page);
    render_waiting(&t, page);
    render_lots(&t, figures->top, figures->top_count);
    render_process(&t, page);
    metrics_text_end(&t);
    if (t.failed) {
        free(t.data);
        return NULL;
    }
    *size = t.size;
    return t.data;
}

static void print_row(FILE *out, const char *name, const char *type, const char *label,
                      const char *help)
{
    fprintf(out, "| `%s%s%s%s` | %s | %s |\n", name, label[0] ? "{" : "", label,
            label[0] ? "}" : "", type, help);
}

/* `name` of a part's statistic as it is shown, see statistic(). */
static void print_statistic(FILE *out, const char *part, const char *name, const char *type,
                            const char *help)
{
    char full[96];
    struct metrics_text t = {.format = METRICS_PROMETHEUS};
    statistic(&t, part, name, type, help, 0);
    const char *last = t.failed ? NULL : strrchr(t.data, ' ');
    while (last && last > t.data && last[-1] != '\n')
        last--;
    snprintf(full, sizeof full, "%.*s", last ? (int)strcspn(last, " ") : 0, last ? last : "");
    print_row(out, full, type, "", help);
    free(t.data);
}

void metrics_page_print_markdown(FILE *out)
{
    static const char head[] = "\n| metric | type | what |\n| --- | --- | --- |\n";
    fprintf(out, "# Metrics\n\nMade by `tally docs metrics` from the declarations in "
                 "`src/obs/metrics.h`, `src/engine/engine.h`,\n`src/ledger/ledger.h`, "
                 "`src/bus/*.h`, `src/cache/cache.h` and "
                 "`src/server/metrics_page.h`; change it there.\n\n"
                 "`/metrics` answers in OpenMetrics 1.0.0 to who accepts "
                 "`application/openmetrics-text`, and in the\nPrometheus text format 0.0.4 to "
                 "everybody else. No label carries a user, an order or a reservation.\n\n"
                 "## Requests and connections\n");
    fputs(head, out);
    print_row(out, METRIC_REQUESTS_NAME, "counter", "call,code", METRIC_REQUESTS_HELP);
#define X(id, name, label, values, help) print_row(out, name, "counter", label, help);
    METRIC_COUNTERS(X)
#undef X
#define X(id, name, unit, help)                                                                    \
    print_row(out, name, "histogram",                                                              \
              METRIC_HISTOGRAM_##id == METRIC_HISTOGRAM_REQUEST ? "call" : "", help);
    METRIC_HISTOGRAMS(X)
#undef X
    fprintf(out, "\n## Server and process\n%s", head);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        print_row(out, rows[i].name, rows[i].type, rows[i].label, rows[i].help);
    fprintf(out, "\n## Engine\n%s", head);
#define X(name, kind, help) print_statistic(out, "engine", #name, TYPE_##kind, help);
    ENGINE_STATS(X)
#undef X
    fprintf(out, "\n## Ledger\n%s", head);
#define X(name, kind, help) print_statistic(out, "ledger", #name, TYPE_##kind, help);
    LEDGER_STATS(X)
#undef X
    fprintf(out, "\n## Gate in Redis\n%s", head);
#define X(name, kind, help) print_statistic(out, "gate_redis", #name, TYPE_##kind, help);
    GATE_REDIS_STATS(X)
#undef X
    fprintf(out, "\n## Cache\n%s", head);
#define X(name, kind, help) print_statistic(out, "cache", #name, TYPE_##kind, help);
    CACHE_STATS(X)
#undef X
#define X(name, kind, help) print_statistic(out, "inconsistency", #name, TYPE_##kind, help);
    METER_STATS(X)
#undef X
    fprintf(out, "\n## Events\n%s", head);
#define X(name, kind, help) print_statistic(out, "events", #name, TYPE_##kind, help);
    BUS_STATS(X)
#undef X
#define X(name, kind, help) print_statistic(out, "webhook", #name, TYPE_##kind, help);
    WEBHOOK_STATS(X)
#undef X
#define X(name, kind, help) print_statistic(out, "kafka", #name, TYPE_##kind, help);
    KAFKA_EVENTS_STATS(X)
#undef X
#define X(name, kind, help) print_statistic(out, "invalidations", #name, TYPE_##kind, help);
    INVALIDATIONS_STATS(X)
#undef X
#define X(name, kind, help) print_statistic(out, "delete_again", #name, TYPE_##kind, help);
    AGAIN_STATS(X)
#undef X
#define X(name, kind, help) print_statistic(out, "delay", #name, TYPE_##kind, help);
    DELAY_STATS(X)
#undef X
}
