/* metrics.c - shards of counters, and their sum as text.
 *
 * Happy path: a thread adds to its own shard with a relaxed load and a relaxed store; a reader
 * walks the list of shards and sums. Values of one shard may be a moment apart from each other.
 *
 * Failure: short memory when a shard is made (NULL: the caller does not start) or while rendering
 * (metrics_text.failed).
 *
 * The list of shards is process-wide, as the shards are: guarded by a mutex, taken when a shard is
 * made and when all are read, never when something is counted.
 */
#include "obs/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    LABEL_VALUES_MAX = 5,
    CODES_MAX = 64, /* error numbers are -1 to -63 */
    BOUNDS = 17,
    BUCKETS = BOUNDS + 1,
};

/* Upper bounds of the buckets. */
static const uint64_t bounds_ns[BOUNDS] = {
    50000,     100000,     250000,     500000,     1000000,     2500000,
    5000000,   10000000,   25000000,   50000000,   100000000,   250000000,
    500000000, 1000000000, 2500000000, 5000000000, 10000000000,
};
static const char *const bounds_seconds_text[BOUNDS] = {
    "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
    "0.05",  "0.1",    "0.25",    "0.5",    "1.0",   "2.5",    "5.0",   "10.0",
};

typedef _Atomic uint64_t cell;

struct histogram {
    cell buckets[BUCKETS]; /* not cumulative; the last one has no bound */
    cell sum;
};

struct metrics {
    struct metrics *next;
    cell counters[METRIC_COUNTER_COUNT][LABEL_VALUES_MAX];
    cell requests[METRIC_CALL_COUNT][CODES_MAX]; /* by minus the error number; 0 is OK */
    struct histogram durations[METRIC_CALL_COUNT];
    struct histogram histograms[METRIC_HISTOGRAM_COUNT]; /* [REQUEST] is not used: by call */
};

struct counter_row {
    const char *name, *label, *help;
    unsigned values;
};

static const struct counter_row counter_rows[] = {
#define X(id, name, label, values, help) {name, label, help, values},
    METRIC_COUNTERS(X)
#undef X
};

static const char *const call_names[] = {
#define X(name, text) text,
    METRIC_CALLS(X)
#undef X
};

struct histogram_row {
    const char *name, *unit, *help;
};

static const struct histogram_row histogram_rows[] = {
#define X(id, name, unit, help) {name, unit, help},
    METRIC_HISTOGRAMS(X)
#undef X
};

static const char *const label_values[METRIC_COUNTER_COUNT][LABEL_VALUES_MAX] = {
    /* in the order of enum gate_verdict */
    [METRIC_GATE_VERDICTS] = {"pass", "sold_out", "replay", "blind"},
    /* in the order of enum cache_source */
    [METRIC_LOT_READS] = {"memory", "local", "redis", "replica", "primary"},
    [METRIC_REFUSED_EARLY] = {"full", "late", "expired"},
};

static pthread_mutex_t shards_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metrics *shards;

struct metrics *metrics_create(void)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    pthread_mutex_lock(&shards_lock);
    m->next = shards;
    shards = m;
    pthread_mutex_unlock(&shards_lock);
    return m;
}

void metrics_destroy_all(void)
{
    pthread_mutex_lock(&shards_lock);
    while (shards) {
        struct metrics *m = shards;
        shards = m->next;
        free(m);
    }
    pthread_mutex_unlock(&shards_lock);
}

/* One writer: the load and the store need not be one step. */
static void cell_add(cell *c, uint64_t n)
{
    uint64_t value = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, value + n, memory_order_relaxed);
}

static uint64_t cell_read(cell *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

void metrics_add(struct metrics *m, enum metric_counter counter, unsigned label_value, uint64_t n)
{
    assert(counter < METRIC_COUNTER_COUNT && label_value < counter_rows[counter].values);
    cell_add(&m->counters[counter][label_value], n);
}

static unsigned bit_width(uint64_t value)
{
    return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

/* The first bound that is not below `ns`. Bounds at least double, so at most two of them have the
 * same number of bits, and the loop takes at most two steps. */
static unsigned bucket_of_ns(uint64_t ns)
{
    /* By number of bits, from 16 on: the first bound not below the least number of so many. */
    static const uint8_t first[] = {0, 1,  2,  3,  4,  5,  5,  6,  7, 8,
                                    9, 10, 11, 12, 13, 14, 14, 15, 16};
    unsigned bits = bit_width(ns);
    if (bits < 16)
        return 0;
    unsigned i = bits - 16 < sizeof first ? first[bits - 16] : BOUNDS;
    while (i < BOUNDS && bounds_ns[i] < ns)
        i++;
    return i;
}

/* Bounds 1, 2, 4, ... 65,536. */
static unsigned bucket_of_number(uint64_t value)
{
    unsigned i = value <= 1 ? 0 : bit_width(value - 1);
    return i < BOUNDS ? i : BOUNDS;
}

static void histogram_add(struct histogram *h, unsigned bucket, uint64_t value)
{
    cell_add(&h->buckets[bucket], 1);
    cell_add(&h->sum, value);
}

void metrics_observe(struct metrics *m, enum metric_histogram histogram, uint64_t value)
{
    assert(histogram < METRIC_HISTOGRAM_COUNT && histogram != METRIC_HISTOGRAM_REQUEST);
    unsigned bucket =
        histogram_rows[histogram].unit[0] ? bucket_of_ns(value) : bucket_of_number(value);
    histogram_add(&m->histograms[histogram], bucket, value);
}

void metrics_request(struct metrics *m, enum metric_call call, int code, uint64_t duration_ns)
{
    assert(call < METRIC_CALL_COUNT);
    unsigned index = code <= 0 && code > -CODES_MAX ? (unsigned)-code : (unsigned)-TLY_EINTERNAL;
    cell_add(&m->requests[call][index], 1);
    histogram_add(&m->durations[call], bucket_of_ns(duration_ns), duration_ns);
}

static void render_counter(struct metrics_text *t, unsigned counter)
{
    const struct counter_row *row = &counter_rows[counter];
    metrics_text_family(t, row->name, "counter", row->help);
    for (unsigned value = 0; value < row->values; value++) {
        uint64_t sum = 0;
        for (struct metrics *m = shards; m; m = m->next)
            sum += cell_read(&m->counters[counter][value]);
        if (row->label[0])
            metrics_text_add(t, "%s{%s=\"%s\"} %" PRIu64 "\n", row->name, row->label,
                             label_values[counter][value], sum);
        else
            metrics_text_add(t, "%s %" PRIu64 "\n", row->name, sum);
    }
}

static void render_requests(struct metrics_text *t)
{
    metrics_text_family(t, METRIC_REQUESTS_NAME, "counter", METRIC_REQUESTS_HELP);
    for (unsigned call = 0; call < METRIC_CALL_COUNT; call++) {
        for (int code = 0; code < CODES_MAX; code++) {
            uint64_t sum = 0;
            for (struct metrics *m = shards; m; m = m->next)
                sum += cell_read(&m->requests[call][code]);
            if (sum)
                metrics_text_add(t, "%s{call=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                                 METRIC_REQUESTS_NAME, call_names[call],
                                 code ? error_name(-code) : "OK", sum);
        }
    }
}

/* `label` is `call="Reserve",` or "". Nothing was observed and there is a label: no lines. */
static void render_histogram(struct metrics_text *t, const struct histogram_row *row,
                             const char *label, size_t place)
{
    uint64_t buckets[BUCKETS] = {0}, count = 0, sum = 0;
    for (struct metrics *m = shards; m; m = m->next) {
        struct histogram *h = (struct histogram *)((char *)m + place);
        for (unsigned i = 0; i < BUCKETS; i++)
            buckets[i] += cell_read(&h->buckets[i]);
        sum += cell_read(&h->sum);
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        count += buckets[i];
    if (count == 0 && label[0])
        return;
    uint64_t cumulative = 0;
    bool seconds = row->unit[0] != 0;
    for (unsigned i = 0; i < BOUNDS; i++) {
        cumulative += buckets[i];
        if (seconds)
            metrics_text_add(t, "%s_bucket{%sle=\"%s\"} %" PRIu64 "\n", row->name, label,
                             bounds_seconds_text[i], cumulative);
        else
            metrics_text_add(t, "%s_bucket{%sle=\"%" PRIu64 ".0\"} %" PRIu64 "\n", row->name, label,
                             UINT64_C(1) << i, cumulative);
    }
    metrics_text_add(t, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", row->name, label, count);
    int label_size = label[0] ? (int)strlen(label) - 1 : 0; /* without the comma */
    const char *open = label[0] ? "{" : "", *close = label[0] ? "}" : "";
    metrics_text_add(t, "%s_count%s%.*s%s %" PRIu64 "\n", row->name, open, label_size, label, close,
                     count);
    if (seconds)
        metrics_text_add(t, "%s_sum%s%.*s%s %" PRIu64 ".%09" PRIu64 "\n", row->name, open,
                         label_size, label, close, sum / 1000000000, sum % 1000000000);
    else
        metrics_text_add(t, "%s_sum%s%.*s%s %" PRIu64 "\n", row->name, open, label_size, label,
                         close, sum);
}

void metrics_render(struct metrics_text *t)
{
    pthread_mutex_lock(&shards_lock);
    for (unsigned i = 0; i < METRIC_COUNTER_COUNT; i++)
        render_counter(t, i);
    render_requests(t);
    for (unsigned i = 0; i < METRIC_HISTOGRAM_COUNT; i++) {
        const struct histogram_row *row = &histogram_rows[i];
        metrics_text_family(t, row->name, "histogram", row->help);
        if (i != METRIC_HISTOGRAM_REQUEST) {
            render_histogram(t, row, "", offsetof(struct metrics, histograms[i]));
            continue;
        }
        for (unsigned call = 0; call < METRIC_CALL_COUNT; call++) {
            char label[48];
            snprintf(label, sizeof label, "call=\"%s\",", call_names[call]);
            render_histogram(t, row, label, offsetof(struct metrics, durations[call]));
        }
    }
    pthread_mutex_unlock(&shards_lock);
}
