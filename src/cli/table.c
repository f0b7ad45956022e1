/* table.c - collects cells, then prints them aligned. Out of memory leaves cells empty and sets
 * `failed`; the caller decides whether that matters. */
#include "cli/table.h"

#include <assert.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* One character: its code point (U+FFFD for what is not UTF-8) and its length in bytes. */
static uint32_t next_character(const unsigned char *p, size_t *len)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    *len = 1;
    if (size == 1)
        return p[0];
    if (size == 0 || p[0] > 0xf4)
        return 0xfffd;
    uint32_t c = p[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0xfffd;
    *len = size;
    return c;
}

/* wcwidth() knows the widths only in a UTF-8 locale; -1 for what is not printable. */
static int character_width(uint32_t c)
{
    if (c < 0x7f)
        return c < 0x20 ? -1 : 1;
    static locale_t utf8;
    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!utf8)
        return c < 0xa0 ? -1 : 1;
    locale_t before = uselocale(utf8);
    int width = wcwidth((wchar_t)c);
    uselocale(before);
    return width;
}

size_t print_safely(const char *text, FILE *to)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t columns = 0;
    while (*p) {
        size_t len;
        uint32_t c = next_character(p, &len);
        int width = character_width(c);
        if (width < 0 || c == 0xfffd) {
            columns++;
            if (to)
                fputs("\xef\xbf\xbd", to);
        } else {
            columns += (size_t)width;
            if (to)
                fwrite(p, 1, len, to);
        }
        p += len;
    }
    return columns;
}

void table_init(struct table *t, const struct table_column *columns, size_t column_count)
{
    assert(column_count <= TABLE_COLUMNS_MAX);
    *t = (struct table){.columns = columns, .column_count = column_count};
}

void table_close(struct table *t)
{
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

void table_text(struct table *t, const char *text)
{
    if (t->cell_count == t->cell_capacity) {
        size_t capacity = t->cell_capacity ? 2 * t->cell_capacity : 128;
        char **cells = realloc(t->cells, capacity * sizeof(*cells));
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->cell_capacity = capacity;
    }
    char *copy = strdup(text ? text : "");
    t->failed |= !copy;
    t->cells[t->cell_count++] = copy;
}

void table_number(struct table *t, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    table_text(t, text);
}

static const char *cell(const struct table *t, size_t row, size_t column)
{
    size_t at = row * t->column_count + column;
    return at < t->cell_count && t->cells[at] ? t->cells[at] : "";
}

static void print_row(const struct table *t, FILE *to, int indent, const size_t *widths,
                      const char *const *texts)
{
    size_t pending = (size_t)indent;
    for (size_t c = 0; c < t->column_count; c++) {
        if (widths[c] == 0)
            continue;
        size_t blanks = widths[c] - print_safely(texts[c], NULL);
        if (t->columns[c].right)
            pending += blanks;
        if (*texts[c]) {
            fprintf(to, "%*s", (int)pending, "");
            print_safely(texts[c], to);
            pending = 0;
        }
        pending += 2 + (t->columns[c].right ? 0 : blanks);
    }
}

void table_print(const struct table *t, FILE *to, int indent)
{
    size_t rows = t->cell_count / t->column_count;
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    const char *texts[TABLE_COLUMNS_MAX] = {0};
    for (size_t c = 0; c < t->column_count; c++) {
        for (size_t r = 0; r < rows; r++) {
            size_t width = print_safely(cell(t, r, c), NULL);
            widths[c] = width > widths[c] ? width : widths[c];
        }
        size_t head = strlen(t->columns[c].head);
        if (widths[c] > 0 || rows == 0)
            widths[c] = head > widths[c] ? head : widths[c];
        texts[c] = t->columns[c].head;
    }
    fputs(style_on(to, STYLE_BOLD), to);
    print_row(t, to, indent, widths, texts);
    fprintf(to, "%s\n", style_off(to));
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < t->column_count; c++)
            texts[c] = cell(t, r, c);
        print_row(t, to, indent, widths, texts);
        fputc('\n', to);
    }
}

static bool styled(FILE *to)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return !(no_color && *no_color) && term && strcmp(term, "dumb") != 0 && isatty(fileno(to));
}

const char *style_on(FILE *to, enum style style)
{
    static const char *const codes[] = {[STYLE_BOLD] = "\x1b[1m",
                                        [STYLE_GOOD] = "\x1b[32m",
                                        [STYLE_BAD] = "\x1b[1;31m",
                                        [STYLE_NOTE] = "\x1b[33m",
                                        [STYLE_DIM] = "\x1b[2m"};
    return styled(to) ? codes[style] : "";
}

const char *style_off(FILE *to)
{
    return styled(to) ? "\x1b[0m" : "";
}
