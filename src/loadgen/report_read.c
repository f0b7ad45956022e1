/* report_read.c - a report from its JSON file, without the histograms.
 *
 * The first thing that is missing or has the wrong type is told by its place ("stages[3].p99_ms");
 * members that are not known are passed over, so that a newer file of the same version can be read.
 * Nothing is left to close on failure. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/report_json.h"

struct reader {
    const char *path;
    char place[64]; /* "stages[3]."; "" at the top */
    struct error *e;
    int status; /* of the first failure */
};

static void wrong(struct reader *r, const char *name, const char *what)
{
    if (r->status == 0)
        r->status = error_set(r->e, TLY_EINVALID_ARGUMENT, r->path, "%s: %s%s %s", r->path,
                              r->place, name, what);
}

static json_t *member(struct reader *r, json_t *o, const char *name)
{
    json_t *value = json_object_get(o, name);
    if (!value)
        wrong(r, name, "is missing");
    return value;
}

/* Null reads as `absent`. */
static double number(struct reader *r, json_t *o, const char *name, double absent)
{
    json_t *value = member(r, o, name);
    if (!value || json_is_null(value))
        return absent;
    if (!json_is_number(value))
        wrong(r, name, "is not a number");
    return json_number_value(value);
}

static uint64_t count(struct reader *r, json_t *o, const char *name)
{
    json_t *value = member(r, o, name);
    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        wrong(r, name, "is not a whole number from 0 on");
    return value ? (uint64_t)json_integer_value(value) : 0;
}

static void text(struct reader *r, json_t *o, const char *name, char *out, size_t size)
{
    json_t *value = member(r, o, name);
    if (value && !json_is_string(value))
        wrong(r, name, "is not text");
    const char *given = value ? json_string_value(value) : NULL;
    snprintf(out, size, "%s", given ? given : "");
}

static json_t *container(struct reader *r, json_t *o, const char *name, json_type type)
{
    json_t *value = member(r, o, name);
    if (value && json_typeof(value) != type)
        wrong(r, name, type == JSON_ARRAY ? "is not a list" : "is not an object");
    return value && json_typeof(value) == type ? value : NULL;
}

static struct latency read_latency(struct reader *r, json_t *o)
{
    struct latency l;
#define X(name, member) l.member = number(r, o, name, 0);
    LATENCY_FIELDS(X)
#undef X
    return l;
}

static struct server_usage read_usage(struct reader *r, json_t *o)
{
    struct server_usage u = {-1, -1, -1};
    json_t *server = container(r, o, "server", JSON_OBJECT);
    if (!server)
        return u;
    double percent = number(r, server, "cpu_percent", -1);
    u.cpu_share = percent < 0 ? -1 : percent / 100;
    u.memory_bytes = number(r, server, "memory_bytes", -1);
    u.threads = number(r, server, "threads", -1);
    return u;
}

/* A code that is not known counts as OTHER. */
static void read_codes(struct reader *r, json_t *o, const char *name, struct report_stage *s)
{
    const char *code;
    json_t *value, *list = container(r, o, name, JSON_OBJECT);
    json_object_foreach(list, code, value)
    {
        int c = 0;
        while (c < ANSWER_CODE_COUNT && strcmp(answer_json_name((enum answer_code)c), code) != 0)
            c++;
        s->codes[c < ANSWER_CODE_COUNT ? c : ANSWER_OTHER] += count(r, list, code);
        (void)value;
    }
}

static void read_stage(struct reader *r, json_t *o, struct report_stage *s)
{
    text(r, o, "name", s->name, sizeof(s->name));
    s->begin_s = number(r, o, "begin_s", 0);
    s->duration_s = number(r, o, "duration_s", 0);
    s->offered = count(r, o, "offered");
    s->answered = count(r, o, "answered");
    s->codes[ANSWER_OK] = count(r, o, "accepted");
    read_codes(r, o, "refused_by_code", s);
    read_codes(r, o, "errors_by_code", s);
    s->latency = read_latency(r, o);
    s->server = read_usage(r, o);
    s->connections = (uint32_t)count(r, o, "connections");
    s->streams_per_connection = number(r, o, "streams_per_connection", 0);
    s->resets = count(r, o, "resets");
}

static void read_point(struct reader *r, json_t *o, struct report_point *p)
{
#define X(member) p->member = number(r, o, #member, 0);
    POINT_FIELDS(X)
#undef X
    p->stage = (uint32_t)count(r, o, "stage");
    p->server = read_usage(r, o);
}

/* Zeroed room for the members of a list; NULL for an empty one, and on failure. */
static void *room(struct reader *r, json_t *list, size_t each, uint32_t *size)
{
    size_t wanted = json_array_size(list);
    *size = 0;
    if (wanted == 0 || r->status)
        return NULL;
    void *made = wanted <= UINT32_MAX ? calloc(wanted, each) : NULL;
    if (made)
        *size = (uint32_t)wanted;
    else
        r->status =
            error_set(r->e, TLY_ENO_MEMORY, r->path, "cannot read %s: out of memory", r->path);
    return made;
}

static void at(struct reader *r, const char *list, uint32_t index)
{
    snprintf(r->place, sizeof(r->place), "%s[%" PRIu32 "].", list, index);
}

static void read_lists(struct reader *r, json_t *root, struct report *out)
{
    json_t *stages = container(r, root, "stages", JSON_ARRAY);
    json_t *series = container(r, root, "series", JSON_ARRAY);
    out->stages = room(r, stages, sizeof(*out->stages), &out->stage_count);
    for (uint32_t i = 0; i < out->stage_count && r->status == 0; i++) {
        at(r, "stages", i);
        histogram_init(&out->stages[i].histogram);
        read_stage(r, json_array_get(stages, i), &out->stages[i]);
    }
    out->points = room(r, series, sizeof(*out->points), &out->point_count);
    for (uint32_t i = 0; i < out->point_count && r->status == 0; i++) {
        at(r, "series", i);
        read_point(r, json_array_get(series, i), &out->points[i]);
        if (out->points[i].stage >= out->stage_count)
            wrong(r, "stage", "is not one of the stages");
    }
    r->place[0] = '\0';
}

static uint32_t read_entries(struct reader *r, json_t *root, const char *name,
                             struct report_entry *list, uint32_t size)
{
    uint32_t used = 0;
    const char *key;
    json_t *value, *o = container(r, root, name, JSON_OBJECT);
    snprintf(r->place, sizeof(r->place), "%s.", name);
    json_object_foreach(o, key, value)
    {
        (void)value;
        if (used == size)
            break;
        snprintf(list[used].name, sizeof(list[used].name), "%s", key);
        text(r, o, key, list[used].value, sizeof(list[used].value));
        used++;
    }
    r->place[0] = '\0';
    return used;
}

static void read_audit(struct reader *r, json_t *root, struct audit_result *a)
{
    json_t *o = container(r, root, "audit", JSON_OBJECT);
    if (!o)
        return;
    snprintf(r->place, sizeof(r->place), "audit.");
    json_t *complete = member(r, o, "complete");
    if (complete && !json_is_boolean(complete))
        wrong(r, "complete", "is neither true nor false");
    a->complete = json_is_true(complete);
    text(r, o, "reason", a->reason, sizeof(a->reason));
#define X(member) a->member = (__typeof__(a->member))count(r, o, #member);
    AUDIT_FIELDS(X)
#undef X
#define X(member)                                                                                  \
    if (json_object_get(o, #member))                                                               \
        a->member = (__typeof__(a->member))count(r, o, #member);
    AUDIT_GROUP_FIELDS(X)
#undef X
    json_t *findings = container(r, o, "findings", JSON_ARRAY);
    for (size_t i = 0; i < json_array_size(findings) && i < FINDINGS_MAX; i++) {
        const char *given = json_string_value(json_array_get(findings, i));
        if (!given)
            wrong(r, "findings", "holds something that is not text");
        snprintf(a->findings[a->finding_count++], FINDING_SIZE, "%s", given ? given : "");
    }
    r->place[0] = '\0';
}

static void read_end(struct reader *r, json_t *root, struct report *out)
{
    char end[32];
    text(r, root, "end", end, sizeof(end));
    int found = END_COMPLETE;
    while (found <= END_SERVER_GONE && strcmp(report_end_text((enum report_end)found), end) != 0)
        found++;
    if (found > END_SERVER_GONE)
        wrong(r, "end", "is not \"complete\", \"interrupted\" or \"server_gone\"");
    else
        out->end = (enum report_end)found;
    out->ended_at_s = number(r, root, "ended_at_s", 0);
    text(r, root, "end_text", out->end_text, sizeof(out->end_text));
}

static void read_report(struct reader *r, json_t *root, struct report *out)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    json_t *version = json_object_get(root, "version");
    if (!format || strcmp(format, REPORT_FORMAT) != 0) {
        wrong(r, "format", "is not \"" REPORT_FORMAT "\": not written by tally bench --json");
        return;
    }
    if (json_integer_value(version) != REPORT_FORMAT_VERSION) {
        wrong(r, "version", "is not 1: written by another version of tally");
        return;
    }
    text(r, root, "command", out->command, sizeof(out->command));
    text(r, root, "started_at", out->started_at, sizeof(out->started_at));
    out->setting_count = read_entries(r, root, "settings", out->settings, REPORT_ENTRIES_MAX);
    out->machine_count = read_entries(r, root, "machine", out->machine,
                                      sizeof(out->machine) / sizeof(out->machine[0]));
    read_end(r, root, out);
    json_t *latency = container(r, root, "latency", JSON_OBJECT);
    if (latency) {
        snprintf(r->place, sizeof(r->place), "latency.");
        out->latency = read_latency(r, latency);
        out->histogram.lost = count(r, latency, "unrecorded");
        r->place[0] = '\0';
    }
    read_audit(r, root, &out->audit);
    read_lists(r, root, out);
}

int report_read(struct report *out, const char *path, struct error *e)
{
    FILE *from = fopen(path, "r");
    if (!from)
        return error_set(e, TLY_EIO, path, "cannot read %s: %s", path, strerror(errno));
    json_error_t where;
    json_t *root = json_loadf(from, JSON_REJECT_DUPLICATES, &where);
    fclose(from);
    if (!root)
        return error_set(e, TLY_EINVALID_ARGUMENT, path, "%s is not JSON: line %d: %s", path,
                         where.line, where.text);
    struct reader r = {.path = path, .e = e};
    report_init(out);
    read_report(&r, root, out);
    json_decref(root);
    if (r.status)
        report_close(out);
    return r.status;
}
