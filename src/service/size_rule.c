/* size_rule.c - sizes as people write them, in the one form that lots are keyed by. The grammar
 * stands in rules.h.
 *
 * Happy path: number, unit, package, each read once from left to right. Anything that does not fit
 * is refused with the form that would.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "service/rules.h"

struct unit {
    const char *name;
    const char *base;
    int64_t factor; /* base units in one */
};

static const struct unit units[] = {
    {"ml", "ml", 1}, {"cl", "ml", 10},  {"dl", "ml", 100}, {"l", "ml", 1000}, {"hl", "ml", 100000},
    {"g", "g", 1},   {"kg", "g", 1000}, {"pcs", "pcs", 1}, {"pc", "pcs", 1},
};

enum { FRACTION_DIGITS_MAX = 6, FRACTION_ONE = 1000000 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

/* The number in millionths; false if there is none, or it has too many digits. */
static bool read_number(struct str s, uint32_t *at, int64_t *millionths)
{
    int64_t n = 0, one = FRACTION_ONE;
    uint32_t start = *at;
    while (*at < s.len && is_digit(s.p[*at])) {
        n = n * 10 + (s.p[(*at)++] - '0');
        if (n > SIZE_NUMBER_MAX)
            return false;
    }
    if (*at == start)
        return false;
    n *= FRACTION_ONE;
    if (*at < s.len && (s.p[*at] == '.' || s.p[*at] == ',')) {
        start = ++*at;
        while (*at < s.len && is_digit(s.p[*at])) {
            one /= 10;
            n += (s.p[(*at)++] - '0') * one;
            if (*at - start > FRACTION_DIGITS_MAX)
                return false;
        }
        if (*at == start)
            return false;
    }
    *millionths = n;
    return true;
}

static const struct unit *read_unit(struct str s, uint32_t *at)
{
    char word[4];
    uint32_t len = 0;
    while (*at < s.len && is_letter(s.p[*at]) && len < sizeof word - 1)
        word[len++] = lower(s.p[(*at)++]);
    word[len] = 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (str_equal(str_of(units[i].name), str_of(word)))
            return &units[i];
    }
    return NULL;
}

/* A letter, then letters and digits, to the end. */
static bool is_package(struct str s)
{
    if (s.len == 0 || !is_letter(s.p[0]))
        return false;
    for (uint32_t i = 1; i < s.len; i++) {
        if (!is_letter(s.p[i]) && !is_digit(s.p[i]))
            return false;
    }
    return true;
}

static int refuse(struct str size, const char *field, struct error *e)
{
    return rule_broken(e, field,
                       "must be a number, a unit (ml, cl, dl, l, hl, g, kg, pcs) and a package, "
                       "such as 330ml_can or 0.5 l bottle, is \"%.*s\"",
                       (int)(size.len < SIZE_MAX_BYTES ? size.len : SIZE_MAX_BYTES), size.p);
}

int rule_size(struct str size, const char *field, char out[SIZE_MAX_BYTES + 1], struct error *e)
{
    uint32_t at = 0, separators = 0;
    int64_t millionths;
    char text[64];
    if (size.len > SIZE_MAX_BYTES)
        return rule_broken(e, field, "must be at most %d bytes, is %u", SIZE_MAX_BYTES, size.len);
    if (!read_number(size, &at, &millionths))
        return refuse(size, field, e);
    while (at < size.len && size.p[at] == ' ')
        at++;
    const struct unit *unit = read_unit(size, &at);
    if (!unit)
        return refuse(size, field, e);
    while (at < size.len && (size.p[at] == ' ' || size.p[at] == '_' || size.p[at] == '-')) {
        at++;
        separators++;
    }
    struct str package = {size.p + at, size.len - at};
    if (separators == 0 || !is_package(package))
        return refuse(size, field, e);
    int64_t number = millionths * unit->factor;
    if (number % FRACTION_ONE != 0 || number == 0 || number / FRACTION_ONE > SIZE_NUMBER_MAX)
        return rule_broken(e, field, "must be 1 to %d whole %s, is \"%.*s\"", SIZE_NUMBER_MAX,
                           unit->base, STR_ARG(size));
    int len = snprintf(text, sizeof text, "%" PRId64 "%s_%.*s", number / FRACTION_ONE, unit->base,
                       STR_ARG(package));
    if (len > SIZE_MAX_BYTES)
        return rule_broken(e, field, "must be at most %d bytes when normalised, is %s",
                           SIZE_MAX_BYTES, text);
    for (int i = 0; i <= len; i++)
        out[i] = lower(text[i]);
    return 0;
}
