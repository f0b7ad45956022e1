/* csv.c - a window onto the text that always holds the whole of the row which is read.
 *
 * The end of a row is looked for first (row_end), with the same idea of quotes as the fields have,
 * and more text is taken until it is there; then the fields are cut, quoted ones in place.
 */
#include "stockfile/csv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = CSV_ROW_MAX + 65536 };

struct csv {
    struct text_reader *text;
    char *next, *end; /* in `window`; of what has not been read */
    uint32_t line;    /* of `next` */
    char delimiter;   /* 0: not known yet */
    bool mac;         /* rows end with CR alone */
    bool ended, failed;
    char window[WINDOW_BYTES];
};

struct csv *csv_open(struct text_reader *text, char delimiter)
{
    struct csv *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    c->text = text;
    c->next = c->end = c->window;
    c->line = 1;
    c->delimiter = delimiter;
    c->mac = c->ended = c->failed = false;
    return c;
}

void csv_close(struct csv *c)
{
    free(c);
}

char csv_delimiter(const struct csv *c)
{
    return c->delimiter;
}

/* Takes more text. False: the window is full, or there is no more. */
static bool fill(struct csv *c)
{
    if (c->ended || (size_t)(c->end - c->next) > WINDOW_BYTES - 8)
        return false;
    memmove(c->window, c->next, (size_t)(c->end - c->next));
    c->end -= c->next - c->window;
    c->next = c->window;
    long n = text_reader_read(c->text, c->end, (size_t)(c->window + WINDOW_BYTES - c->end));
    if (n <= 0) {
        c->ended = true;
        c->failed = n < 0;
        return false;
    }
    c->end += n;
    return true;
}

/* Bytes of the line end at p: 0 if there is none. */
static size_t line_end(const struct csv *c, const char *p)
{
    if (p < c->end && (*p == '\n' || (c->mac && *p == '\r')))
        return 1;
    return p + 1 < c->end && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

/* ---- the whole of a row ---- */

/* Where the row's line end begins, or `end`. `closed` tells whether all its quotes are. */
static char *row_end(const struct csv *c, bool *closed)
{
    bool quoted = false, field_begins = true;
    char *p = c->next;
    for (; p < c->end; p++) {
        if (quoted) {
            if (*p == '"' && p + 1 < c->end && p[1] == '"')
                p++;
            else if (*p == '"')
                quoted = false;
            continue;
        }
        if (*p == '\n' || (*p == '\r' && (c->mac || (p + 1 < c->end && p[1] == '\n'))))
            break;
        quoted = *p == '"' && field_begins;
        field_begins = *p == c->delimiter;
    }
    *closed = !quoted;
    return p;
}

/* Until the row that begins at `next` is in the window, with what follows its last byte. */
static void take_row(struct csv *c)
{
    bool closed;
    size_t looked = 4096;
    for (;;) {
        const char *end = row_end(c, &closed);
        if (closed && c->end - end > 2)
            return;
        if ((size_t)(c->end - c->next) > CSV_ROW_MAX)
            return;
        /* twice as much each time, so that a long row is not looked through again for each block */
        size_t had = (size_t)(c->end - c->next);
        looked = looked < had ? 2 * had : looked;
        do {
            if (!fill(c))
                return;
        } while ((size_t)(c->end - c->next) < looked);
    }
}

/* Reading goes on behind the line on which the bad row begins. */
static enum csv_result bad(struct csv *c, struct error *e, const char *rule)
{
    error_set(e, TLY_EINVALID_ARGUMENT, "", "%s", rule);
    size_t n = 0;
    for (;;) {
        while (c->next < c->end && !(n = line_end(c, c->next)))
            c->next++;
        if (c->next < c->end || !fill(c))
            break;
    }
    if (c->next < c->end) {
        c->next += n;
        c->line++;
    }
    return CSV_BAD;
}

/* ---- fields ---- */

struct cursor {
    char *at;
    uint32_t lines; /* line ends in quoted fields */
};

static const char *plain_field(const struct csv *c, struct cursor *k, struct str *field)
{
    char *p = k->at;
    while (p < c->end && *p != c->delimiter && !line_end(c, p)) {
        if (*p == '"')
            return "a quote inside a field that does not begin with one";
        if (*p == '\r')
            return "a carriage return without a line feed";
        if (*p == '\0')
            return "a zero byte, of which UTF-16 is full";
        p++;
    }
    *field = (struct str){k->at, (uint32_t)(p - k->at)};
    k->at = p;
    return NULL;
}

/* As it stands: nothing is changed before all of the row is known to be good, for a bad one is read
 * again from its second line. */
static const char *quoted_field(const struct csv *c, struct cursor *k, struct str *field)
{
    char *from = k->at + 1, *p = from;
    for (;; p++) {
        if (p >= c->end)
            return c->ended ? "a quote that is never closed"
                            : "a quote that is not closed within 256 KiB";
        if (*p == '\0')
            return "a zero byte, of which UTF-16 is full";
        if (*p == '"' && !(p + 1 < c->end && p[1] == '"'))
            break;
        p += *p == '"';
        k->lines += *p == '\n' || (c->mac && *p == '\r');
    }
    k->at = p + 1;
    if (k->at < c->end && *k->at != c->delimiter && !line_end(c, k->at))
        return "text after a closing quote";
    *field = (struct str){from, (uint32_t)(p - from)};
    return NULL;
}

/* In place: two quotes are one. */
static void unquote(const struct csv *c, struct str *field)
{
    char *from = c->next + (field->p - c->next), *to = from;
    if (from == c->window || from[-1] != '"')
        return;
    for (const char *p = from; p < from + field->len; p++) {
        *to++ = *p;
        p += *p == '"';
    }
    field->len = (uint32_t)(to - from);
}

/* ---- the first row ---- */

static void take_told_delimiter(struct csv *c)
{
    if (c->end - c->next < 5 || memcmp(c->next, "sep=", 4) != 0)
        return;
    char told = c->next[4];
    size_t n = line_end(c, c->next + 5);
    if (isalnum((unsigned char)told) || strchr("\"\r\n", told) || (n == 0 && c->next + 5 < c->end))
        return;
    c->next += 5 + n;
    c->line++;
    if (!c->delimiter)
        c->delimiter = told;
}

static char find_delimiter(const struct csv *c)
{
    static const char candidates[] = {',', ';', '\t', '|'};
    size_t counts[sizeof candidates] = {0};
    bool quoted = false;
    for (const char *p = c->next; p < c->end && (quoted || !line_end(c, p)); p++) {
        const char *found = quoted ? NULL : memchr(candidates, *p, sizeof candidates);
        if (found)
            counts[found - candidates]++;
        quoted ^= *p == '"';
    }
    size_t best = 0;
    for (size_t i = 1; i < sizeof candidates; i++) {
        if (counts[i] > counts[best])
            best = i;
    }
    return candidates[best];
}

static void begin(struct csv *c)
{
    while (c->end - c->next < CSV_ROW_MAX && fill(c)) {
    }
    const char *cr = memchr(c->next, '\r', (size_t)(c->end - c->next));
    const char *lf = memchr(c->next, '\n', (size_t)(c->end - c->next));
    c->mac = cr && !lf;
    size_t n;
    while ((n = line_end(c, c->next)) > 0) {
        c->next += n;
        c->line++;
    }
    take_told_delimiter(c);
    if (!c->delimiter)
        c->delimiter = find_delimiter(c);
}

static void pass_empty_lines(struct csv *c)
{
    for (;;) {
        if (c->end - c->next < 2)
            fill(c);
        size_t end = line_end(c, c->next);
        if (end == 0)
            return;
        c->next += end;
        c->line++;
    }
}

static enum csv_result unreadable(struct csv *c, struct error *e)
{
    c->failed = false;
    c->next = c->end;
    error_set(e, TLY_EIO, "", "the file cannot be read");
    return CSV_BAD;
}

enum csv_result csv_next_line(struct csv *c, struct csv_row *row, struct error *e)
{
    pass_empty_lines(c);
    row->line = c->line;
    row->count = 0;
    char *p = c->next;
    for (;;) {
        while (p < c->end && *p != '\n')
            p++;
        size_t len = (size_t)(p - c->next);
        if (p < c->end || len > CSV_ROW_MAX || !fill(c))
            break;
        p = c->next + len; /* the window has moved */
    }
    p = memchr(c->next, '\n', (size_t)(c->end - c->next));
    p = p ? p : c->end;
    if (c->failed)
        return unreadable(c, e);
    if (c->next == c->end)
        return CSV_END;
    if (p - c->next > CSV_ROW_MAX)
        return bad(c, e, "a line of more than 256 KiB");
    row->count = 1;
    row->fields[0] = (struct str){c->next, (uint32_t)(p - c->next)};
    if (row->fields[0].len > 0 && p[-1] == '\r')
        row->fields[0].len--;
    c->line += p < c->end;
    c->next = p < c->end ? p + 1 : p;
    return CSV_ROW;
}

enum csv_result csv_next(struct csv *c, struct csv_row *row, struct error *e)
{
    if (c->next == c->window && c->end == c->window && !c->ended)
        begin(c);
    pass_empty_lines(c);
    take_row(c);
    row->line = c->line;
    row->count = 0;
    if (c->failed)
        return unreadable(c, e);
    if (c->next == c->end)
        return CSV_END;
    struct cursor k = {c->next, 0};
    for (;;) {
        if (row->count == CSV_FIELDS_MAX)
            return bad(c, e, "more than 512 fields");
        bool quoted = k.at < c->end && *k.at == '"';
        const char *rule = (quoted ? quoted_field : plain_field)(c, &k, &row->fields[row->count]);
        if (rule)
            return bad(c, e, rule);
        if (k.at - c->next > CSV_ROW_MAX)
            return bad(c, e, "a row of more than 256 KiB");
        row->count++;
        if (k.at < c->end && *k.at == c->delimiter) {
            k.at++;
            continue;
        }
        for (uint32_t i = 0; i < row->count; i++)
            unquote(c, &row->fields[i]);
        size_t end = line_end(c, k.at);
        c->next = k.at + end;
        c->line += k.lines + (end > 0);
        return CSV_ROW;
    }
}
