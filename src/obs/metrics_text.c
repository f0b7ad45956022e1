/* metrics_text.c - growing text in one of two exposition formats.
 *
 * OpenMetrics 1.0.0 names a counter without _total in its metadata, has units, and ends with
 * "# EOF"; the Prometheus format 0.0.4 names it as its samples are named.
 *
 * Failure: short memory sets `failed`; what is added afterwards is dropped.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/metrics.h"

enum { TEXT_FIRST_BYTES = 16384 };

enum metrics_format metrics_format_of(struct str accept)
{
    bool wanted =
        accept.len > 0 && memmem(accept.p, accept.len, "application/openmetrics-text", 28) != NULL;
    return wanted ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

struct str metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS
               ? STR("application/openmetrics-text; version=1.0.0; charset=utf-8")
               : STR("text/plain; version=0.0.4; charset=utf-8");
}

/* Room for `more` bytes and a terminating zero. */
static bool text_reserve(struct metrics_text *t, size_t more)
{
    if (t->failed)
        return false;
    if (t->capacity - t->size > more)
        return true;
    size_t capacity = t->capacity ? t->capacity * 2 : TEXT_FIRST_BYTES;
    while (capacity - t->size <= more)
        capacity *= 2;
    char *data = realloc(t->data, capacity);
    if (!data) {
        t->failed = 1;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void metrics_text_add(struct metrics_text *t, const char *format, ...)
{
    va_list args;
    if (!text_reserve(t, 256))
        return;
    va_start(args, format);
    int size = vsnprintf(t->data + t->size, t->capacity - t->size, format, args);
    va_end(args);
    if (size < 0)
        return;
    if ((size_t)size >= t->capacity - t->size) {
        if (!text_reserve(t, (size_t)size))
            return;
        va_start(args, format);
        vsnprintf(t->data + t->size, t->capacity - t->size, format, args);
        va_end(args);
    }
    t->size += (size_t)size;
}

static bool ends_in(const char *name, int size, const char *end)
{
    int end_size = (int)strlen(end);
    return size > end_size && memcmp(name + size - end_size, end, (size_t)end_size) == 0;
}

void metrics_text_family(struct metrics_text *t, const char *name, const char *type,
                         const char *help)
{
    int size = (int)strlen(name);
    bool open = t->format == METRICS_OPENMETRICS;
    if (open && ends_in(name, size, "_total"))
        size -= (int)strlen("_total");
    metrics_text_add(t, "# HELP %.*s %s\n# TYPE %.*s %s\n", size, name, help, size, name, type);
    static const char *const units[] = {"seconds", "bytes"};
    for (size_t i = 0; open && i < sizeof units / sizeof units[0]; i++) {
        char end[16];
        snprintf(end, sizeof end, "_%s", units[i]);
        if (ends_in(name, size, end))
            metrics_text_add(t, "# UNIT %.*s %s\n", size, name, units[i]);
    }
}

void metrics_text_end(struct metrics_text *t)
{
    if (t->format == METRICS_OPENMETRICS)
        metrics_text_add(t, "# EOF\n");
}
