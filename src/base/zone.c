/* zone.c - happy path: the file of a zone is read, and its transitions kept; a time is found among
 * them by halving, and after the last of them by the rule that the file ends with.
 *
 * Failure: a name that is no file's, or a file that breaks the format: refused when it is opened.
 *
 * Format: RFC 9636 (TZif versions 2 to 4); the rule at the end is POSIX.1's TZ, with its extension
 * to hours from -167 to 167.
 */
#include "base/zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"

enum {
    ZONE_NAME_MAX = 64,
    ZONE_FILE_MAX = 65536,
    HEADER_BYTES = 44,
    DAY_S = 86400,
    HOUR_S = 3600,
    OFFSET_MAX = 26 * HOUR_S, /* and no further from UTC is any zone (RFC 9636, 3.2) */
};

/* When summer time begins or ends. */
struct rule_date {
    char
        form; /* 'M': month, week, day of week. 'J': day 1 to 365, no leap day. 'D': day 0 to 365 */
    int month;
    int week;
    int day;
    int32_t seconds; /* of local time */
};

/* For all times after the last transition. */
struct rule {
    bool summer; /* false: standard time all the year */
    int32_t offset;
    int32_t summer_offset;
    struct rule_date begins;
    struct rule_date ends;
};

struct zone {
    uint32_t count;
    int64_t *times;   /* of transitions, ascending */
    int32_t *offsets; /* from each of them on */
    int32_t before;   /* the offset before the first */
    struct rule rule;
};

/* ---- the rule ---- */

static bool read_number(const char **p, int most, int *out)
{
    int n = 0;
    if (**p < '0' || **p > '9')
        return false;
    while (**p >= '0' && **p <= '9') {
        n = n * 10 + (*(*p)++ - '0');
        if (n > most)
            return false;
    }
    *out = n;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(const char **p, int hours_max, int32_t *out)
{
    int sign = 1, hours, minutes = 0, seconds = 0;
    if (**p == '+' || **p == '-')
        sign = *(*p)++ == '-' ? -1 : 1;
    if (!read_number(p, hours_max, &hours))
        return false;
    if (**p == ':' && (++*p, !read_number(p, 59, &minutes)))
        return false;
    if (**p == ':' && (++*p, !read_number(p, 59, &seconds)))
        return false;
    *out = sign * (hours * HOUR_S + minutes * 60 + seconds);
    return true;
}

static bool skip_name(const char **p)
{
    const char *start = *p;
    if (**p == '<') {
        while (**p && **p != '>')
            ++*p;
        return *(*p)++ == '>';
    }
    while ((**p >= 'A' && **p <= 'Z') || (**p >= 'a' && **p <= 'z'))
        ++*p;
    return *p - start >= 3;
}

static bool read_date(const char **p, struct rule_date *d)
{
    *d = (struct rule_date){.form = 'D', .seconds = 2 * HOUR_S};
    if (*(*p)++ != ',')
        return false;
    if (**p == 'M' || **p == 'J')
        d->form = *(*p)++;
    bool good;
    if (d->form == 'M')
        good = read_number(p, 12, &d->month) && d->month && *(*p)++ == '.' &&
               read_number(p, 5, &d->week) && d->week && *(*p)++ == '.' &&
               read_number(p, 6, &d->day);
    else
        good = read_number(p, 365, &d->day) && (d->form == 'D' || d->day);
    if (good && **p == '/')
        good = (++*p, read_time(p, 167, &d->seconds));
    return good;
}

/* POSIX counts seconds west, this file east. */
static bool read_rule(const char *p, struct rule *r)
{
    *r = (struct rule){0};
    if (!skip_name(&p) || !read_time(&p, 24, &r->offset))
        return false;
    r->offset = -r->offset;
    if (!*p)
        return true;
    r->summer = true;
    r->summer_offset = r->offset + HOUR_S;
    if (!skip_name(&p))
        return false;
    if (*p != ',') {
        if (!read_time(&p, 24, &r->summer_offset))
            return false;
        r->summer_offset = -r->summer_offset;
    }
    return read_date(&p, &r->begins) && read_date(&p, &r->ends) && !*p;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The first day of a year, counted from 1970. */
static int64_t days_before(int64_t year)
{
    int64_t y = year - 1;
    return 365 * y + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + day / 366;
    while (days_before(year + 1) <= day)
        year++;
    while (days_before(year) > day)
        year--;
    return year;
}

/* Local seconds since 1970 at which the date is in that year. */
static int64_t date_seconds(const struct rule_date *d, int64_t year)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = is_leap(year);
    int64_t day = days_before(year);
    if (d->form == 'J') {
        day += d->day - 1 + (leap && d->day > 59);
    } else if (d->form == 'D') {
        day += d->day;
    } else {
        for (int m = 1; m < d->month; m++)
            day += lengths[m - 1] + (m == 2 && leap);
        int length = lengths[d->month - 1] + (d->month == 2 && leap);
        int first = (int)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
        int in_month = (d->day - first + 7) % 7 + 7 * (d->week - 1);
        while (in_month >= length)
            in_month -= 7;
        day += in_month;
    }
    return day * DAY_S + d->seconds;
}

static int32_t rule_offset(const struct rule *r, int64_t seconds)
{
    if (!r->summer)
        return r->offset;
    int64_t local = seconds + r->offset;
    int64_t day = local / DAY_S - (local % DAY_S < 0);
    int64_t year = year_of(day);
    int64_t begins = date_seconds(&r->begins, year) - r->offset;
    int64_t ends = date_seconds(&r->ends, year) - r->summer_offset;
    bool summer =
        begins < ends ? seconds >= begins && seconds < ends : seconds >= begins || seconds < ends;
    return summer ? r->summer_offset : r->offset;
}

/* ---- the file ---- */

static int64_t read_big(const uint8_t *p, unsigned bytes)
{
    uint64_t n = p[0] & 0x80 ? ~UINT64_C(0) : 0;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

struct header {
    size_t isut, isstd, leaps, times, types, chars;
};

static bool read_header(const uint8_t *p, size_t left, struct header *h)
{
    if (left < HEADER_BYTES || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    size_t *fields[] = {&h->isut, &h->isstd, &h->leaps, &h->times, &h->types, &h->chars};
    for (unsigned i = 0; i < 6; i++) {
        *fields[i] = (size_t)read_big(p + 20 + 4 * i, 4);
        if (*fields[i] > ZONE_FILE_MAX)
            return false;
    }
    return true;
}

static size_t block_bytes(const struct header *h, size_t time_bytes)
{
    return h->times * (time_bytes + 1) + h->types * 6 + h->chars + h->leaps * (time_bytes + 4) +
           h->isstd + h->isut;
}

static bool read_transitions(struct zone *z, const uint8_t *p, const struct header *h)
{
    const uint8_t *kinds = p + h->times * 8;
    const uint8_t *types = kinds + h->times;
    z->times = calloc(h->times + 1, sizeof *z->times);
    z->offsets = calloc(h->times + 1, sizeof *z->offsets);
    if (!z->times || !z->offsets || h->types == 0)
        return false;
    for (size_t i = 0; i < h->types; i++) {
        int64_t offset = read_big(types + i * 6, 4);
        if (offset <= -OFFSET_MAX || offset >= OFFSET_MAX)
            return false;
    }
    z->before = (int32_t)read_big(types, 4);
    for (size_t i = 0; i < h->times; i++) {
        z->times[i] = read_big(p + 8 * i, 8);
        if (kinds[i] >= h->types || (i && z->times[i] <= z->times[i - 1]))
            return false;
        z->offsets[i] = (int32_t)read_big(types + (size_t)kinds[i] * 6, 4);
    }
    z->count = (uint32_t)h->times;
    return true;
}

static bool read_zone(struct zone *z, const uint8_t *p, size_t len)
{
    struct header h;
    if (!read_header(p, len, &h))
        return false;
    size_t skip = HEADER_BYTES + block_bytes(&h, 4);
    if (skip > len || !read_header(p + skip, len - skip, &h))
        return false;
    skip += HEADER_BYTES;
    size_t block = block_bytes(&h, 8);
    if (block > len - skip || !read_transitions(z, p + skip, &h))
        return false;
    const char *foot = (const char *)p + skip + block;
    size_t left = len - skip - block;
    const char *end = left > 1 ? memchr(foot + 1, '\n', left - 1) : NULL;
    char text[128];
    if (!end || foot[0] != '\n' || (size_t)(end - foot) >= sizeof text)
        return false;
    memcpy(text, foot + 1, (size_t)(end - foot) - 1);
    text[end - foot - 1] = 0;
    if (strlen(text) != (size_t)(end - foot) - 1)
        return false;
    if (text[0])
        return read_rule(text, &z->rule);
    z->rule.offset = z->count ? z->offsets[z->count - 1] : z->before;
    return true;
}

static bool name_is_plain(const char *name)
{
    size_t len = strlen(name);
    bool good = len > 0 && len <= ZONE_NAME_MAX && name[0] != '/' && !strstr(name, "..");
    for (size_t i = 0; good && i < len; i++)
        good = (name[i] >= '0' && name[i] <= '9') ||
               ((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z') || strchr("/_+-", name[i]);
    return good;
}

int zone_parse(struct zone **out, const void *bytes, size_t len)
{
    struct zone *z = calloc(1, sizeof *z);
    *out = NULL;
    if (z && read_zone(z, bytes, len)) {
        *out = z;
        return 0;
    }
    zone_close(z);
    return z ? TLY_EINVALID_ARGUMENT : TLY_ENO_MEMORY;
}

int zone_open(struct zone **out, const char *name, const char *key, struct error *e)
{
    char path[sizeof ZONE_FOLDER + ZONE_NAME_MAX];
    *out = NULL;
    if (strcmp(name, "UTC") == 0)
        return 0;
    FILE *f = NULL;
    if (name_is_plain(name)) {
        snprintf(path, sizeof path, ZONE_FOLDER "%s", name);
        f = fopen(path, "rb");
    }
    if (!f)
        return error_set(e, TLY_EINVALID_ARGUMENT, key,
                         "%s: there is no time zone '%.64s' in the tz database (" ZONE_FOLDER
                         "); it is a name like Asia/Shanghai",
                         key, name);
    uint8_t *bytes = malloc(ZONE_FILE_MAX);
    size_t len = bytes ? fread(bytes, 1, ZONE_FILE_MAX, f) : 0;
    fclose(f);
    int code = bytes ? zone_parse(out, bytes, len) : TLY_ENO_MEMORY;
    free(bytes);
    if (code)
        return error_set(e, code, key, "%s: " ZONE_FOLDER "%.64s is no time zone", key, name);
    return 0;
}

void zone_close(struct zone *z)
{
    if (!z)
        return;
    free(z->times);
    free(z->offsets);
    free(z);
}

/* ---- looking ---- */

int32_t zone_offset(const struct zone *z, int64_t seconds)
{
    if (!z)
        return 0;
    if (!z->count || seconds >= z->times[z->count - 1])
        return rule_offset(&z->rule, seconds);
    uint32_t low = 0, high = z->count; /* the first transition that is later */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (z->times[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? z->offsets[low - 1] : z->before;
}

static int64_t floor_by(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

/* Offsets change on full minutes at the finest. */
int32_t zone_day(const struct zone *z, int64_t now_ms, int64_t *until_ms)
{
    int64_t seconds = floor_by(now_ms, 1000);
    int64_t minute = floor_by(seconds, 60);
    if (until_ms)
        *until_ms = (minute + 1) * 60 * 1000;
    return (int32_t)floor_by(seconds + zone_offset(z, seconds), DAY_S);
}
