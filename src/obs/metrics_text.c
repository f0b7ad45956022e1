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
#include <strings.h>

#include "obs/metrics.h"

enum { TEXT_FIRST_BYTES = 16384 };

static struct str cut(struct str *rest, char separator)
{
    const char *at = rest->len ? memchr(rest->p, separator, rest->len) : NULL;
    struct str head = *rest;
    if (at)
        head.len = (uint32_t)(at - rest->p);
    uint32_t step = at ? head.len + 1 : head.len;
    *rest = (struct str){rest->p + step, rest->len - step};
    while (head.len && strchr(" \t", head.p[0]))
        head = (struct str){head.p + 1, head.len - 1};
    while (head.len && strchr(" \t", head.p[head.len - 1]))
        head.len--;
    return head;
}

static bool is_text(struct str text, const char *other)
{
    return text.len == strlen(other) && strncasecmp(text.p, other, text.len) == 0;
}

/* "0", "0.5", "1.000" in thousandths; what is none of these counts as 1000, as if it were not
 * there. */
static int quality_of(struct str text)
{
    int quality = 0, place = 100;
    if (text.len == 0 || text.len > 5 || text.p[0] != '0' || (text.len > 1 && text.p[1] != '.'))
        return 1000;
    for (uint32_t i = 2; i < text.len; i++, place /= 10) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 1000;
        quality += (text.p[i] - '0') * place;
    }
    return quality;
}

/* How much a media type is wanted by its own name, in thousandths; 0: not (RFC 9110, 12.4.2). */
static int accept_quality(struct str accept, const char *type)
{
    int best = 0;
    while (accept.len) {
        struct str range = cut(&accept, ',');
        int quality = 1000;
        if (!is_text(cut(&range, ';'), type))
            continue;
        while (range.len) {
            struct str value = cut(&range, ';');
            if (is_text(cut(&value, '='), "q"))
                quality = quality_of(cut(&value, ';'));
        }
        best = quality > best ? quality : best;
    }
    return best;
}

enum metrics_format metrics_format_of(struct str accept)
{
    int wanted = accept_quality(accept, "application/openmetrics-text");
    return wanted && wanted >= accept_quality(accept, "text/plain") ? METRICS_OPENMETRICS
                                                                    : METRICS_PROMETHEUS;
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
