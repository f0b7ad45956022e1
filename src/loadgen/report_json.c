/* report_json.c - a report as a JSON file for machines.
 *
 * The values are made by jansson, a stage or a second at a time, and printed one a line, so that a
 * long run needs little memory and two files can be compared by line. Fails with the file's name if
 * it cannot be written, and when memory runs short; then there is no file. */
#include "loadgen/report_json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/report_file.h"

enum { DIGITS = 9, DUMP_FLAGS = JSON_REAL_PRECISION(DIGITS) | JSON_ENCODE_ANY };

const char *answer_json_name(enum answer_code c)
{
    static const char *const names[] = {
#define X(name, group, text) #name,
        ANSWER_CODES(X)
#undef X
    };
    return names[c];
}

/* To the microsecond, or the thousandth of a call. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(round(value * 1000) / 1000) : json_null();
}

/* Text that is not UTF-8 keeps its ASCII. */
static json_t *text(const char *value)
{
    json_t *made = json_string(value);
    if (made)
        return made;
    char *copy = strdup(value);
    for (char *p = copy; p && *p; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
    made = copy ? json_string(copy) : NULL;
    free(copy);
    return made;
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *server_usage(const struct server_usage *u)
{
    json_t *o = json_object();
    json_object_set_new(o, "cpu_percent",
                        u->cpu_share >= 0 ? number(u->cpu_share * 100) : json_null());
    json_object_set_new(o, "memory_bytes",
                        u->memory_bytes >= 0 ? integer((uint64_t)u->memory_bytes) : json_null());
    json_object_set_new(o, "threads",
                        u->threads >= 0 ? integer((uint64_t)u->threads) : json_null());
    return o;
}

static void set_latency(json_t *o, const struct latency *l)
{
#define X(name, member) json_object_set_new(o, name, number(l->member));
    LATENCY_FIELDS(X)
#undef X
}

static json_t *codes(const struct report_stage *s, enum answer_group group)
{
    json_t *o = json_object();
    for (int c = 0; c < ANSWER_CODE_COUNT; c++) {
        if (s->codes[c] > 0 && answer_group((enum answer_code)c) == group)
            json_object_set_new(o, answer_json_name((enum answer_code)c), integer(s->codes[c]));
    }
    return o;
}

static json_t *stage(const struct report_stage *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", text(s->name));
    json_object_set_new(o, "begin_s", number(s->begin_s));
    json_object_set_new(o, "duration_s", number(s->duration_s));
    json_object_set_new(o, "offered", integer(s->offered));
    json_object_set_new(o, "answered", integer(s->answered));
    json_object_set_new(o, "offered_per_s", number(stage_offered_per_s(s)));
    json_object_set_new(o, "achieved_per_s", number(stage_achieved_per_s(s)));
    json_object_set_new(o, "accepted", integer(stage_accepted(s)));
    json_object_set_new(o, "refused", integer(stage_refused(s)));
    json_object_set_new(o, "errors", integer(stage_errors(s)));
    json_object_set_new(o, "refused_by_code", codes(s, ANSWER_GROUP_REFUSED));
    json_object_set_new(o, "errors_by_code", codes(s, ANSWER_GROUP_ERROR));
    set_latency(o, &s->latency);
    json_object_set_new(o, "server", server_usage(&s->server));
    json_object_set_new(o, "connections", integer(s->connections));
    json_object_set_new(o, "streams_per_connection", number(s->streams_per_connection));
    json_object_set_new(o, "resets", integer(s->resets));
    return o;
}

static json_t *point(const struct report_point *p)
{
    json_t *o = json_object();
#define X(member) json_object_set_new(o, #member, number(p->member));
    POINT_FIELDS(X)
#undef X
    if (!(p->max_ms > 0)) {
        json_object_set_new(o, "p50_ms", json_null());
        json_object_set_new(o, "p99_ms", json_null());
        json_object_set_new(o, "max_ms", json_null());
    }
    json_object_set_new(o, "stage", integer(p->stage));
    json_object_set_new(o, "server", server_usage(&p->server));
    return o;
}

static json_t *entries(const struct report_entry *list, uint32_t count)
{
    json_t *o = json_object();
    for (uint32_t i = 0; i < count; i++) {
        /* A name is ours, and plain. */
        json_object_set_new(o, list[i].name, text(list[i].value));
    }
    return o;
}

static json_t *step(uint64_t upper_ns, uint64_t count)
{
    return json_pack("[oo]", json_real((double)upper_ns / 1e6), integer(count));
}

/* Steps of the histogram, merged so that they grow in equal ratios. */
static json_t *distribution(const struct histogram *h)
{
    json_t *list = json_array();
    double low = (double)(h->min_ns > 0 ? h->min_ns : 1), high = (double)h->max_ns;
    double ratio = high > low ? pow(high / low, 1.0 / (DISTRIBUTION_POINTS_MAX - 1)) : 2;
    double bound = low;
    uint32_t cursor = 0;
    uint64_t upper_ns, count, last_ns = 0, merged = 0;
    while (histogram_next(h, &cursor, &upper_ns, &count)) {
        if (merged > 0 && (double)upper_ns > bound) {
            json_array_append_new(list, step(last_ns, merged));
            merged = 0;
        }
        while ((double)upper_ns > bound && bound < high)
            bound *= ratio;
        last_ns = upper_ns < h->max_ns ? upper_ns : h->max_ns;
        merged += count;
    }
    if (merged > 0)
        json_array_append_new(list, step(last_ns, merged));
    return list;
}

static json_t *latency(const struct histogram *h)
{
    struct latency l = latency_of(h);
    json_t *o = json_object();
    json_object_set_new(o, "count", integer(h->count));
    set_latency(o, &l);
    json_object_set_new(o, "unrecorded", integer(h->lost));
    return o;
}

static json_t *audit(const struct audit_result *a)
{
    json_t *o = json_object(), *findings = json_array();
    json_object_set_new(o, "complete", json_boolean(a->complete));
    json_object_set_new(o, "reason", text(a->reason));
#define X(member) json_object_set_new(o, #member, json_integer((json_int_t)a->member));
    AUDIT_FIELDS(X)
    AUDIT_GROUP_FIELDS(X)
#undef X
    for (uint32_t i = 0; i < a->finding_count && i < FINDINGS_MAX; i++)
        json_array_append_new(findings, text(a->findings[i]));
    json_object_set_new(o, "findings", findings);
    return o;
}

struct writer {
    FILE *to;
    bool failed, begun;
};

static void print(struct writer *w, json_t *value)
{
    if (!value || json_dumpf(value, w->to, DUMP_FLAGS) != 0)
        w->failed = true;
    json_decref(value);
}

static void member(struct writer *w, const char *name)
{
    fprintf(w->to, "%s\n  \"%s\": ", w->begun ? "," : "{", name);
    w->begun = true;
}

static void print_member(struct writer *w, const char *name, json_t *value)
{
    member(w, name);
    print(w, value);
}

static void print_report(struct writer *w, const struct report *r)
{
    struct report_stage total;
    report_total(r, &total);
    json_t *all = stage(&total);
    json_object_del(all, "name");
    json_object_del(all, "begin_s");
    print_member(w, "format", text(REPORT_FORMAT));
    print_member(w, "version", integer(REPORT_FORMAT_VERSION));
    print_member(w, "command", text(r->command));
    print_member(w, "started_at", text(r->started_at));
    print_member(w, "settings", entries(r->settings, r->setting_count));
    print_member(w, "machine", entries(r->machine, r->machine_count));
    print_member(w, "end", text(report_end_text(r->end)));
    print_member(w, "ended_at_s", number(r->ended_at_s));
    print_member(w, "end_text", text(r->end_text));
    print_member(w, "audit", audit(&r->audit));
    print_member(w, "total", all);
    print_member(w, "latency", latency(&r->histogram));
    print_member(w, "accepted_latency", latency(&r->accepted));
    print_member(w, "distribution", distribution(&r->histogram));
    member(w, "stages");
    for (uint32_t i = 0; i < r->stage_count; i++) {
        fputs(i == 0 ? "[\n    " : ",\n    ", w->to);
        print(w, stage(&r->stages[i]));
    }
    fputs(r->stage_count == 0 ? "[]" : "\n  ]", w->to);
    member(w, "series");
    for (uint32_t i = 0; i < r->point_count; i++) {
        fputs(i == 0 ? "[\n    " : ",\n    ", w->to);
        print(w, point(&r->points[i]));
    }
    fputs(r->point_count == 0 ? "[]" : "\n  ]", w->to);
    fputs("\n}\n", w->to);
}

int report_write_json(const struct report *r, const char *path, struct error *e)
{
    struct report_file file;
    int status = report_file_open(&file, path, e);
    if (status)
        return status;
    struct writer w = {.to = file.to};
    print_report(&w, r);
    /* A short disk fails here, too: then keep() says so. */
    if (w.failed && !ferror(file.to)) {
        report_file_drop(&file);
        return error_set(e, TLY_ENO_MEMORY, path, "cannot write %s: out of memory", path);
    }
    return report_file_keep(&file, e);
}
