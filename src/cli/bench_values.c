/* bench_values.c - a decimal number, then a unit from a table; anything else is refused. */
#include "cli/bench_values.h"

#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

/* Digits with at most one point: no sign, no exponent, no "inf", no "nan". */
static bool take_number(const char **text, double *out)
{
    size_t size = strspn(*text, "0123456789");
    if ((*text)[size] == '.')
        size += 1 + strspn(*text + size + 1, "0123456789");
    if (size == 0 || strcspn(*text, "0123456789") >= size)
        return false;
    *out = strtod(*text, NULL);
    *text += size;
    return true;
}

static bool parse(const char *text, const struct unit *units, double *out)
{
    double number;
    if (!take_number(&text, &number))
        return false;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(u->name, text) == 0) {
            *out = number * u->factor;
            return true;
        }
    }
    return false;
}

bool duration_parse(const char *text, uint64_t *out_ns)
{
    static const struct unit units[] = {{"", 1e9},   {"s", 1e9},    {"ms", 1e6},   {"us", 1e3},
                                        {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {NULL, 0}};
    double ns;
    if (!parse(text, units, &ns) || ns < 1 || ns > 7 * 24 * 3600e9)
        return false;
    *out_ns = (uint64_t)ns;
    return true;
}

bool rate_parse(const char *text, double *out_per_s)
{
    static const struct unit units[] = {{"", 1},    {"/s", 1},    {"k", 1e3}, {"k/s", 1e3},
                                        {"M", 1e6}, {"M/s", 1e6}, {NULL, 0}};
    double rate;
    if (!parse(text, units, &rate) || rate <= 0 || rate > 1e8)
        return false;
    *out_per_s = rate;
    return true;
}

bool share_parse(const char *text, double *out)
{
    static const struct unit units[] = {{"", 0.01}, {"%", 0.01}, {" %", 0.01}, {NULL, 0}};
    double share;
    if (!parse(text, units, &share) || share > 1)
        return false;
    *out = share;
    return true;
}
