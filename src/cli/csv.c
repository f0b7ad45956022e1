/* csv.c - one pass, one character at a time. */
#include "cli/csv.h"

#include <string.h>

void csv_begin(struct csv *c, char *text, size_t size)
{
    *c = (struct csv){.next = text, .end = text + size, .line = 1};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        c->next += 3;
}

/* Bytes of the line end at p: 0 if there is none. */
static size_t line_end(const struct csv *c, const char *p)
{
    if (p < c->end && *p == '\n')
        return 1;
    return p + 1 < c->end && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

static enum csv_result bad(struct csv *c, struct error *e, const char *rule)
{
    error_set(e, TLY_EINVALID_ARGUMENT, "", "%s", rule);
    while (c->next < c->end && *c->next != '\n')
        c->next++;
    if (c->next < c->end) {
        c->next++;
        c->line++;
    }
    return CSV_BAD;
}

static enum csv_result plain_field(struct csv *c, struct str *field, struct error *e)
{
    char *p = c->next;
    while (p < c->end && *p != ',' && !line_end(c, p)) {
        if (*p == '"')
            return bad(c, e, "a quote inside a field that does not begin with one");
        if (*p == '\r')
            return bad(c, e, "a carriage return without a line feed");
        if (*p == '\0')
            return bad(c, e, "a zero byte");
        p++;
    }
    *field = (struct str){c->next, (uint32_t)(p - c->next)};
    c->next = p;
    return CSV_ROW;
}

static enum csv_result quoted_field(struct csv *c, struct str *field, struct error *e)
{
    char *from = c->next + 1, *to = from, *start = from;
    uint32_t lines = 0;
    for (;;) {
        if (from == c->end) {
            c->line += lines;
            c->next = c->end;
            return bad(c, e, "a quote that is never closed");
        }
        if (*from == '\0')
            return bad(c, e, "a zero byte");
        if (*from == '"') {
            if (from + 1 == c->end || from[1] != '"')
                break;
            from++;
        }
        lines += *from == '\n';
        *to++ = *from++;
    }
    *field = (struct str){start, (uint32_t)(to - start)};
    c->next = from + 1;
    c->line += lines;
    if (c->next < c->end && *c->next != ',' && !line_end(c, c->next))
        return bad(c, e, "text after a closing quote");
    return CSV_ROW;
}

enum csv_result csv_next(struct csv *c, struct csv_row *row, struct error *e)
{
    size_t end;
    while ((end = line_end(c, c->next)) > 0) {
        c->next += end;
        c->line++;
    }
    row->line = c->line;
    row->count = 0;
    if (c->next == c->end)
        return CSV_END;
    for (;;) {
        if (row->count == CSV_FIELDS_MAX)
            return bad(c, e, "more than 64 fields");
        struct str *field = &row->fields[row->count];
        bool quoted = c->next < c->end && *c->next == '"';
        if ((quoted ? quoted_field : plain_field)(c, field, e) == CSV_BAD)
            return CSV_BAD;
        row->count++;
        if (c->next == c->end)
            return CSV_ROW;
        if (*c->next == ',') {
            c->next++;
            continue;
        }
        c->next += line_end(c, c->next);
        c->line++;
        return CSV_ROW;
    }
}
