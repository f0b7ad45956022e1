/* The two clocks, and RFC 3339 in and out.
 *
 * Happy path: each reading adds the time since the last one by CLOCK_BOOTTIME (which counts through
 * suspend and takes no steps), corrected towards the wall clock by at most 1 % of it, or not at all
 * while the wall clock is doubted.
 * Failure modes: rfc3339_parse returns TLY_EINVALID_ARGUMENT and leaves its result alone.
 */
#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

enum { SLEW_DIVISOR = 100, DAY_S = 86400 };

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    return (uint64_t)read_ns(CLOCK_MONOTONIC);
}

static void look_at_wall_clock(struct ledger_clock *c, int64_t wall_ns)
{
    c->gap_ns = wall_ns - c->now_ns;
    c->doubted = c->gap_ns > c->gap_max_ns || c->gap_ns < -c->gap_max_ns;
}

void ledger_clock_start(struct ledger_clock *c, int64_t newest_ms, bool trusted, int64_t boot_ns,
                        int64_t wall_ns)
{
    c->boot_ns = boot_ns;
    c->now_ns = newest_ms ? newest_ms * NS_PER_MS : wall_ns;
    look_at_wall_clock(c, wall_ns);
    if (c->doubted ? trusted : wall_ns > c->now_ns) {
        c->now_ns = wall_ns;
        look_at_wall_clock(c, wall_ns);
    }
}

int64_t ledger_clock_follow_ms(struct ledger_clock *c, int64_t boot_ns, int64_t wall_ns)
{
    int64_t elapsed = boot_ns - c->boot_ns;
    if (elapsed > 0) {
        int64_t bound = elapsed / SLEW_DIVISOR;
        c->now_ns += elapsed;
        c->boot_ns = boot_ns;
        look_at_wall_clock(c, wall_ns);
        int64_t ahead = c->doubted ? 0 : c->gap_ns;
        if (ahead > bound)
            ahead = bound;
        if (ahead < -bound)
            ahead = -bound;
        c->now_ns += ahead;
    }
    return c->now_ns / NS_PER_MS;
}

void ledger_clock_init(struct ledger_clock *c, int64_t newest_ms, int64_t gap_max_ms, bool trusted)
{
    *c = (struct ledger_clock){.gap_max_ns = gap_max_ms * NS_PER_MS};
    ledger_clock_start(c, newest_ms, trusted, read_ns(CLOCK_BOOTTIME), read_ns(CLOCK_REALTIME));
}

int64_t ledger_clock_read_ms(struct ledger_clock *c)
{
    return ledger_clock_follow_ms(c, read_ns(CLOCK_BOOTTIME), read_ns(CLOCK_REALTIME));
}

/* Days since 1970-01-01 of a date in the Gregorian calendar, and back (Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms"): years are counted from March, so that the leap
 * day is the last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint32_t shifted = (uint32_t)(days + 719468); /* not negative here */
    uint32_t era = shifted / 146097;
    uint32_t day_of_era = shifted % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

static void put_digits(char *p, unsigned value, unsigned digits)
{
    while (digits-- > 0) {
        p[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t rfc3339_format(int64_t unix_ms, char out[RFC3339_SIZE])
{
    const int64_t newest_ms = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */
    if (unix_ms < 0)
        unix_ms = 0;
    if (unix_ms > newest_ms)
        unix_ms = newest_ms;
    unsigned year, month, day;
    date_of(unix_ms / (DAY_S * 1000), &year, &month, &day);
    unsigned ms_of_day = (unsigned)(unix_ms % (DAY_S * 1000));
    put_digits(out, year, 4);
    out[4] = '-';
    put_digits(out + 5, month, 2);
    out[7] = '-';
    put_digits(out + 8, day, 2);
    out[10] = 'T';
    put_digits(out + 11, ms_of_day / 3600000, 2);
    out[13] = ':';
    put_digits(out + 14, ms_of_day / 60000 % 60, 2);
    out[16] = ':';
    put_digits(out + 17, ms_of_day / 1000 % 60, 2);
    out[19] = '.';
    put_digits(out + 20, ms_of_day % 1000, 3);
    out[23] = 'Z';
    out[24] = 0;
    return RFC3339_SIZE - 1;
}

/* A cursor over the text; `bad` stays set once something did not fit. */
struct scan {
    const char *p;
    const char *end;
    bool bad;
};

static unsigned scan_number(struct scan *s, unsigned digits, unsigned min, unsigned max)
{
    unsigned value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (s->p == s->end || *s->p < '0' || *s->p > '9') {
            s->bad = true;
            return min;
        }
        value = value * 10 + (unsigned)(*s->p++ - '0');
    }
    if (value < min || value > max) {
        s->bad = true;
        return min;
    }
    return value;
}

static char scan_one_of(struct scan *s, const char *allowed)
{
    if (s->p < s->end) {
        for (const char *a = allowed; *a; a++) {
            if (*s->p == *a) {
                s->p++;
                return *a;
            }
        }
    }
    s->bad = true;
    return 0;
}

static unsigned scan_fraction_ms(struct scan *s)
{
    unsigned ms = 0, digits = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, digits++) {
        if (digits < 3)
            ms = ms * 10 + (unsigned)(*s->p - '0');
    }
    if (digits < 1 || digits > 9)
        s->bad = true;
    for (; digits < 3; digits++)
        ms *= 10;
    return ms;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* 'Z' or +hh:mm; in seconds east of Greenwich. */
static int64_t scan_offset_s(struct scan *s)
{
    char sign = scan_one_of(s, "Zz+-");
    if (sign != '+' && sign != '-')
        return 0;
    int64_t offset_s = 3600 * (int64_t)scan_number(s, 2, 0, 23);
    scan_one_of(s, ":");
    offset_s += 60 * (int64_t)scan_number(s, 2, 0, 59);
    return sign == '-' ? -offset_s : offset_s;
}

int rfc3339_parse(const char *text, size_t len, int64_t *unix_ms)
{
    struct scan s = {.p = text, .end = text + len};
    unsigned year = scan_number(&s, 4, 0, 9999);
    scan_one_of(&s, "-");
    unsigned month = scan_number(&s, 2, 1, 12);
    scan_one_of(&s, "-");
    unsigned day = scan_number(&s, 2, 1, 31);
    if (s.bad || day > days_in_month(year, month))
        return TLY_EINVALID_ARGUMENT;
    scan_one_of(&s, "Tt");
    unsigned hour = scan_number(&s, 2, 0, 23);
    scan_one_of(&s, ":");
    unsigned minute = scan_number(&s, 2, 0, 59);
    scan_one_of(&s, ":");
    unsigned second = scan_number(&s, 2, 0, 60); /* a leap second counts as the next one */
    unsigned fraction_ms = 0;
    if (s.p < s.end && *s.p == '.') {
        s.p++;
        fraction_ms = scan_fraction_ms(&s);
    }
    int64_t offset_s = scan_offset_s(&s);
    if (s.bad || s.p != s.end)
        return TLY_EINVALID_ARGUMENT;
    int64_t seconds = days_of(year, month, day) * DAY_S + 3600 * (int64_t)hour +
                      60 * (int64_t)minute + second - offset_s;
    *unix_ms = seconds * 1000 + fraction_ms;
    return 0;
}
