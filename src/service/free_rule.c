/* free_rule.c - dimensions of shops that sell anything: printable text, compared as it is kept,
 * that is without the spaces around it. What nobody can see is refused: two lots must not look the
 * same.
 */
#include <stdbool.h>
#include <string.h>

#include "service/rules.h"

/* Bytes of the space that the text begins with, or ends with; 0: none. Those of keyboards and
 * spreadsheets: U+0009 to U+000D, U+0020, U+00A0, U+3000 (ideographic), U+FEFF. */
static uint32_t space_at(struct str text, bool end)
{
    static const struct str wide[] = {{"\xC2\xA0", 2}, {"\xE3\x80\x80", 3}, {"\xEF\xBB\xBF", 3}};
    if (text.len == 0)
        return 0;
    char c = text.p[end ? text.len - 1 : 0];
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        uint32_t len = wide[i].len;
        if (text.len >= len && !memcmp(text.p + (end ? text.len - len : 0), wide[i].p, len))
            return len;
    }
    return 0;
}

static struct str trimmed(struct str text)
{
    uint32_t n;
    while ((n = space_at(text, false)))
        text = (struct str){text.p + n, text.len - n};
    while ((n = space_at(text, true)))
        text.len -= n;
    return text;
}

/* U+200B, U+200E, U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF: marks of width and direction.
 * (U+200C and U+200D join letters and pictures, and are part of how those look.) */
static bool has_invisible(struct str text)
{
    for (uint32_t i = 0; i + 2 < text.len; i++) {
        const uint8_t *p = (const uint8_t *)text.p + i;
        if (p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF)
            return true;
        if (p[0] != 0xE2 || p[1] < 0x80 || p[1] > 0x81)
            continue;
        uint8_t last = p[2];
        if (p[1] == 0x81
                ? last >= 0xA0 && last <= 0xAF
                : last == 0x8B || last == 0x8E || last == 0x8F || (last >= 0xA8 && last <= 0xAE))
            return true;
    }
    return false;
}

int rule_free(struct str text, const char *field, struct str *out, struct error *e)
{
    *out = trimmed(text);
    int code = rule_text(*out, DIMENSION_MAX, field, e);
    if (!code && memchr(out->p, '|', out->len))
        return rule_broken(e, field, "must have no '|', is \"%.*s\"", STR_ARG(*out));
    if (!code && has_invisible(*out))
        return rule_broken(e, field, "must have no characters that cannot be seen");
    return code;
}

int rule_dimension_flavor(enum dimension_rules rules, struct str text, struct str *out,
                          struct error *e)
{
    *out = text;
    return rules == DIMENSIONS_FREE ? rule_free(text, "flavor", out, e)
                                    : rule_flavor(text, "flavor", e);
}

int rule_dimension_size(enum dimension_rules rules, struct str text, struct str *out,
                        char room[SIZE_MAX_BYTES + 1], struct error *e)
{
    if (rules == DIMENSIONS_FREE)
        return rule_free(text, "size", out, e);
    int code = rule_size(text, "size", room, e);
    *out = code ? text : str_of(room);
    return code;
}

int rule_dimension_batch(enum dimension_rules rules, struct str text, struct str *out,
                         struct error *e)
{
    *out = text;
    return rules == DIMENSIONS_FREE ? rule_free(text, "batch", out, e)
                                    : rule_batch(text, "batch", e);
}
