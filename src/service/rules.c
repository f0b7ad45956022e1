/* rules.c - happy path: a look at each byte. A broken rule is told with the rule and the value,
 * which is cut where it is long, so that the sentence fits struct error. */
#include "service/rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 80 }; /* bytes of a wrong value that an error repeats */

int rule_broken(struct error *e, const char *field, const char *format, ...)
{
    va_list args;
    if (!e)
        return TLY_EINVALID_ARGUMENT;
    error_set(e, TLY_EINVALID_ARGUMENT, field, "%s%s", field, *field ? ": " : "");
    size_t len = strlen(e->text);
    va_start(args, format);
    vsnprintf(e->text + len, sizeof e->text - len, format, args);
    va_end(args);
    return e->code;
}

/* The value as an error may repeat it: never cut inside a character. */
static int shown(struct str s)
{
    size_t len = s.len < SHOWN_MAX ? s.len : SHOWN_MAX;
    while (len < s.len && len > 0 && ((uint8_t)s.p[len] & 0xC0) == 0x80)
        len--;
    return (int)len;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
    return is_digit(c) || is_lower((char)(c | 0x20));
}

/* Bytes of eight at a time that may be a control character: below 0x20, 0x7F, or 0xC2, which begins
 * U+0080 to U+009F. */
static uint64_t suspects(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t del = w ^ ones * 0x7F, c2 = w ^ ones * 0xC2;
    return (((w - ones * 0x20) & ~w) | ((del - ones) & ~del) | ((c2 - ones) & ~c2)) & tops;
}

static bool has_control(struct str s)
{
    uint32_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.p + i, sizeof w);
        if (suspects(w))
            break;
    }
    for (; i < s.len; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c < 0x20 || c == 0x7F)
            return true;
        if (c == 0xC2 && i + 1 < s.len && (uint8_t)s.p[i + 1] < 0xA0)
            return true;
    }
    return false;
}

int rule_text(struct str text, size_t max, const char *field, struct error *e)
{
    if (text.len == 0 || text.len > max)
        return rule_broken(e, field, "must be 1 to %zu bytes, is %u", max, text.len);
    if (has_control(text))
        return rule_broken(e, field, "must have no control characters");
    return 0;
}

static bool sku_valid(struct str sku)
{
    if (sku.len == 0 || sku.len > SKU_MAX || !is_alphanumeric(sku.p[0]))
        return false;
    for (uint32_t i = 1; i < sku.len; i++) {
        char c = sku.p[i];
        if (!is_alphanumeric(c) && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

int rule_sku(struct str sku, const char *field, struct error *e)
{
    if (sku_valid(sku))
        return 0;
    return rule_broken(e, field,
                       "must be 1 to %d of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a "
                       "letter or digit, is \"%.*s\"",
                       SKU_MAX, shown(sku), sku.p);
}

int rule_flavor(struct str flavor, const char *field, struct error *e)
{
    bool valid = flavor.len >= 1 && flavor.len <= FLAVOR_MAX && is_lower(flavor.p[0]);
    for (uint32_t i = 1; valid && i < flavor.len; i++) {
        char c = flavor.p[i];
        bool joint = c == '-' || c == '_';
        valid = is_lower(c) || is_digit(c) ||
                (joint && i + 1 < flavor.len && flavor.p[i - 1] != '-' && flavor.p[i - 1] != '_');
    }
    if (valid)
        return 0;
    return rule_broken(e, field,
                       "must be a lower-case word of at most %d letters and digits, such as lime "
                       "or blood-orange, is \"%.*s\"",
                       FLAVOR_MAX, shown(flavor), flavor.p);
}

int rule_flavor_allowed(struct str flavor, struct str allowed, const char *field, struct error *e)
{
    uint32_t start = 0;
    if (str_empty(allowed))
        return 0;
    for (uint32_t i = 0; i <= allowed.len; i++) {
        if (i < allowed.len && allowed.p[i] != ',')
            continue;
        struct str one = {allowed.p + start, i - start};
        while (one.len > 0 && one.p[0] == ' ')
            one = (struct str){one.p + 1, one.len - 1};
        while (one.len > 0 && one.p[one.len - 1] == ' ')
            one.len--;
        if (str_equal(one, flavor))
            return 0;
        start = i + 1;
    }
    return rule_broken(e, field, "must be one of %.*s, is \"%.*s\"", shown(allowed), allowed.p,
                       shown(flavor), flavor.p);
}

/* All of `len` digits as a number, or -1. */
static int digits(const char *p, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(p[i]))
            return -1;
        n = n * 10 + (p[i] - '0');
    }
    return n;
}

static bool date_real(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && leap);
}

int rule_batch(struct str batch, const char *field, struct error *e)
{
    bool form = batch.len == BATCH_MAX_BYTES && memcmp(batch.p, "BATCH-", 6) == 0 &&
                digits(batch.p + 6, 8) >= 0 && batch.p[14] == '-' && batch.p[15] >= 'A' &&
                batch.p[15] <= 'Z';
    if (!form)
        return rule_broken(e, field, "must be BATCH-YYYYMMDD-X with X from A to Z, is \"%.*s\"",
                           shown(batch), batch.p);
    if (!date_real(digits(batch.p + 6, 4), digits(batch.p + 10, 2), digits(batch.p + 12, 2)))
        return rule_broken(e, field, "must have a real date from 1970 on, is \"%.*s\"",
                           shown(batch), batch.p);
    return 0;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March here, so that a
 * leap day is the last of its year. */
static int32_t days_of(int year, int month, int day)
{
    int y = month > 2 ? year : year - 1;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

int rule_date(struct str date, const char *field, int32_t *days, struct error *e)
{
    int year, month, day;
    if (date.len != DATE_SIZE - 1 || date.p[4] != '-' || date.p[7] != '-')
        return rule_broken(e, field, "must be a date YYYY-MM-DD, is \"%.*s\"", shown(date), date.p);
    year = digits(date.p, 4);
    month = digits(date.p + 5, 2);
    day = digits(date.p + 8, 2);
    if (!date_real(year, month, day))
        return rule_broken(e, field, "must be a real date YYYY-MM-DD from 1970 on, is \"%.*s\"",
                           shown(date), date.p);
    *days = days_of(year, month, day);
    return 0;
}

void date_format(int32_t days, char out[DATE_SIZE])
{
    int32_t shifted = days + 719468;
    int32_t era = shifted / 146097;
    int32_t day_of_era = shifted - era * 146097;
    int32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t month_from_march = (5 * day_of_year + 2) / 153;
    int32_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int32_t year = year_of_era + era * 400 + (month <= 2);
    char text[40];
    snprintf(text, sizeof text, "%04" PRId32 "-%02" PRId32 "-%02" PRId32, year, month, day);
    memcpy(out, text, DATE_SIZE - 1);
    out[DATE_SIZE - 1] = 0;
}

int rule_lot_key(struct str key, const char *field, struct error *e)
{
    bool valid = key.len > 9 && key.len <= LOT_KEY_MAX && key.p[key.len - 9] == '#' &&
                 sku_valid((struct str){key.p, key.len - 9});
    for (uint32_t i = valid ? key.len - 8 : key.len; valid && i < key.len; i++)
        valid = is_digit(key.p[i]) || (key.p[i] >= 'a' && key.p[i] <= 'f');
    if (valid)
        return 0;
    return rule_broken(e, field,
                       "must be a lot key sku#hhhhhhhh with 8 lower-case hex digits, is \"%.*s\"",
                       shown(key), key.p);
}

int rule_quantity(int64_t quantity, int64_t min, const char *field, struct error *e)
{
    if (quantity >= min && quantity <= QUANTITY_MAX)
        return 0;
    return rule_broken(e, field, "must be %" PRId64 " to %d, is %" PRId64, min, QUANTITY_MAX,
                       quantity);
}
