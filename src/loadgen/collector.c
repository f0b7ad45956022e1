/* collector.c - intervals to stages and seconds.
 *
 * An interval is added to the stage its calls were due in (codes, latency), to the stage that was
 * running (answered) and to its second. Seconds stay open, with a histogram each, until no worker
 * can hand over more of them; then their quantiles are written and the histogram is used again. If
 * memory runs short an interval is counted as lost, and the report's end text says so.
 */
#include "loadgen/collector.h"

#include <stdlib.h>
#include <string.h>

enum { SECONDS_OPEN = 8 }; /* workers hand over within two */

struct collector_second {
    bool used;
    uint32_t second;
    struct histogram latency;
};

void collector_init(struct collector *c, struct report *report)
{
    *c = (struct collector){.report = report};
    pthread_mutex_init(&c->lock, NULL);
    c->open = calloc(SECONDS_OPEN, sizeof *c->open);
}

static void free_list(struct interval *list)
{
    while (list) {
        struct interval *next = list->next;
        histogram_close(&list->latency);
        histogram_close(&list->accepted);
        free(list);
        list = next;
    }
}

void collector_close(struct collector *c)
{
    for (int i = 0; c->open && i < SECONDS_OPEN; i++)
        histogram_close(&c->open[i].latency);
    free(c->open);
    free_list(c->handed);
    free_list(c->spare);
    pthread_mutex_destroy(&c->lock);
}

struct interval *collector_spare(struct collector *c)
{
    pthread_mutex_lock(&c->lock);
    struct interval *i = c->spare;
    if (i)
        c->spare = i->next;
    pthread_mutex_unlock(&c->lock);
    if (!i) {
        i = calloc(1, sizeof *i);
        if (i) {
            histogram_init(&i->latency);
            histogram_init(&i->accepted);
        }
        return i;
    }
    histogram_reset(&i->latency);
    histogram_reset(&i->accepted);
    memset(i->codes, 0, sizeof i->codes);
    i->next = NULL;
    return i;
}

void collector_hand(struct collector *c, struct interval *list)
{
    if (!list)
        return;
    struct interval *last = list;
    while (last->next)
        last = last->next;
    pthread_mutex_lock(&c->lock);
    last->next = c->handed;
    c->handed = list;
    pthread_mutex_unlock(&c->lock);
}

/* The chart's point of a second; NULL if memory ran short. */
static struct report_point *point_of(struct collector *c, uint32_t second)
{
    struct report *r = c->report;
    if (second >= c->point_capacity) {
        uint32_t capacity = c->point_capacity ? c->point_capacity : 64;
        while (capacity <= second)
            capacity *= 2;
        struct report_point *points = realloc(r->points, capacity * sizeof *points);
        if (!points)
            return NULL;
        r->points = points;
        c->point_capacity = capacity;
    }
    for (; r->point_count <= second; r->point_count++)
        r->points[r->point_count] = (struct report_point){
            .at_s = r->point_count,
            .server = {.cpu_share = -1, .memory_bytes = -1, .threads = -1},
        };
    return &r->points[second];
}

static void finish_second(struct collector *c, struct collector_second *s)
{
    struct report_point *p = point_of(c, s->second);
    if (p && s->latency.count) {
        p->p50_ms = (double)histogram_quantile_ns(&s->latency, 0.5) / 1e6;
        p->p99_ms = (double)histogram_quantile_ns(&s->latency, 0.99) / 1e6;
        p->max_ms = (double)s->latency.max_ns / 1e6;
    }
    histogram_reset(&s->latency);
    s->used = false;
}

static struct collector_second *second_of(struct collector *c, uint32_t second)
{
    struct collector_second *s = &c->open[second % SECONDS_OPEN];
    if (s->used && s->second != second)
        finish_second(c, s);
    if (!s->used) {
        s->used = true;
        s->second = second;
    }
    return s;
}

static void add(struct collector *c, const struct interval *i)
{
    struct report_stage *due = &c->report->stages[i->stage];
    struct report_stage *then =
        i->stage_then < c->report->stage_count ? &c->report->stages[i->stage_then] : NULL;
    struct report_point *p = point_of(c, i->second);
    for (int code = 0; code < ANSWER_CODE_COUNT; code++) {
        uint64_t n = i->codes[code];
        due->codes[code] += n;
        bool came = answer_came((enum answer_code)code);
        if (then && came)
            then->answered += n;
        if (!p || n == 0)
            continue;
        enum answer_group group = answer_group((enum answer_code)code);
        p->achieved_per_s += came ? (double)n : 0;
        *(group == ANSWER_GROUP_OK        ? &p->accepted_per_s
          : group == ANSWER_GROUP_REFUSED ? &p->refused_per_s
                                          : &p->errors_per_s) += (double)n;
    }
    if (p)
        p->stage = then ? i->stage_then : c->report->stage_count - 1;
    histogram_add(&due->histogram, &i->latency);
    histogram_add(&c->report->accepted, &i->accepted);
    if (c->open)
        histogram_add(&second_of(c, i->second)->latency, &i->latency);
}

void collector_take(struct collector *c, uint32_t second)
{
    pthread_mutex_lock(&c->lock);
    struct interval *list = c->handed;
    c->handed = NULL;
    pthread_mutex_unlock(&c->lock);
    struct interval *last = NULL;
    for (struct interval *i = list; i; i = i->next) {
        add(c, i);
        last = i;
    }
    for (int i = 0; c->open && i < SECONDS_OPEN; i++)
        if (c->open[i].used && c->open[i].second < second)
            finish_second(c, &c->open[i]);
    if (!last)
        return;
    pthread_mutex_lock(&c->lock);
    last->next = c->spare;
    c->spare = list;
    pthread_mutex_unlock(&c->lock);
}
