/* figures.c - numbers to text, and text to aligned columns. Nothing here fails but for memory,
 * which leaves a table incomplete and sets `failed`. */
#include "loadgen/figures.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct figure figure_count(uint64_t number)
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    struct figure f = {0};
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            f.text[at++] = ',';
        f.text[at++] = digits[i];
    }
    return f;
}

/* `decimals` below the point, thousands grouped above it. */
static struct figure grouped(double number, int decimals)
{
    struct figure f;
    if (!isfinite(number) || number > 1e18 || number < 0) {
        snprintf(f.text, sizeof(f.text), "-");
        return f;
    }
    double scale = pow(10, decimals);
    double rounded = round(number * scale) / scale;
    f = figure_count((uint64_t)rounded);
    if (decimals > 0) {
        size_t used = strlen(f.text);
        char fraction[FIGURE_SIZE];
        snprintf(fraction, sizeof(fraction), "%.*f", decimals, rounded - floor(rounded));
        snprintf(f.text + used, sizeof(f.text) - used, "%s", fraction + 1);
    }
    return f;
}

struct figure figure_rate(double per_s)
{
    return grouped(per_s, per_s >= 99.95 || per_s == 0 ? 0 : 1);
}

struct figure figure_ms(double ms)
{
    return grouped(ms, ms >= 99.95 || ms == 0 ? 0 : ms >= 9.995 ? 1 : ms >= 0.9995 ? 2 : 3);
}

struct figure figure_plain(double number)
{
    return grouped(number, number >= 99.95 || number == floor(number) ? 0 : 1);
}

struct figure figure_percent(double share)
{
    return grouped(share * 100, 0);
}

struct figure figure_mib(double bytes)
{
    double mib = bytes / (1 << 20);
    return grouped(mib, mib >= 99.95 ? 0 : 1);
}

struct figure figure_ratio(double b, double a)
{
    struct figure f = {0};
    if (a > 0 && b >= 0 && isfinite(b / a))
        snprintf(f.text, sizeof(f.text), b / a < 100 ? "%.2fx" : "%.0fx", b / a);
    return f;
}

struct figure figure_duration(double seconds)
{
    struct figure f;
    if (!(seconds >= 0) || seconds > 1e12)
        seconds = 0;
    if (seconds < 60) {
        snprintf(f.text, sizeof(f.text), "%.3g s", seconds);
    } else {
        uint64_t s = (uint64_t)round(seconds);
        if (s < 3600)
            snprintf(f.text, sizeof(f.text),
                     s % 60 ? "%" PRIu64 " min %" PRIu64 " s" : "%" PRIu64 " min", s / 60, s % 60);
        else
            snprintf(f.text, sizeof(f.text), "%" PRIu64 " h %" PRIu64 " min", s / 3600,
                     s % 3600 / 60);
    }
    return f;
}

static char printable(char c)
{
    return c >= 0x20 && c < 0x7f ? c : '?';
}

struct figure figure_text(const char *text)
{
    struct figure f = {0};
    for (size_t i = 0; i + 1 < sizeof(f.text) && text[i]; i++)
        f.text[i] = printable(text[i]);
    return f;
}

void print_printable(const char *text, FILE *to)
{
    for (; *text; text++)
        fputc(printable(*text), to);
}

void columns_init(struct columns *t, const struct column *columns, size_t column_count)
{
    assert(column_count > 0 && column_count <= COLUMNS_MAX);
    *t = (struct columns){.columns = columns, .column_count = column_count};
}

void columns_close(struct columns *t)
{
    free(t->cells);
    *t = (struct columns){0};
}

void columns_add(struct columns *t, struct figure cell)
{
    if (t->cell_count == t->cell_capacity) {
        size_t capacity = t->cell_capacity ? 2 * t->cell_capacity : 256;
        struct figure *cells = realloc(t->cells, capacity * sizeof(*cells));
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->cell_capacity = capacity;
    }
    t->cells[t->cell_count++] = cell;
}

static size_t column_width(const struct columns *t, size_t column)
{
    const struct column *c = &t->columns[column];
    size_t width = strlen(c->head);
    bool told = false;
    for (size_t i = column; i < t->cell_count; i += t->column_count) {
        const char *text = t->cells[i].text;
        size_t size = strlen(text);
        width = size > width ? size : width;
        told |= size > 0 && !(c->absent && strcmp(c->absent, text) == 0);
    }
    return told ? width : 0;
}

bool columns_shown(const struct columns *t, size_t column)
{
    return column_width(t, column) > 0;
}

static void print_line(const struct columns *t, FILE *to, const size_t *widths, size_t row)
{
    size_t blanks = 0;
    for (size_t c = 0; c < t->column_count; c++) {
        if (widths[c] == 0)
            continue;
        const char *text = t->columns[c].head;
        if (row != SIZE_MAX)
            text = t->cells[row * t->column_count + c].text;
        size_t left = widths[c] - strlen(text);
        if (t->columns[c].right)
            blanks += left;
        if (*text) {
            fprintf(to, "%*s%s", (int)blanks, "", text);
            blanks = 0;
        } else {
            blanks += widths[c] - left;
        }
        blanks += 2 + (t->columns[c].right ? 0 : left);
    }
    fputc('\n', to);
}

size_t columns_rows(const struct columns *t)
{
    assert(t->column_count > 0);
    return t->cell_count / t->column_count;
}

void columns_print(const struct columns *t, FILE *to, size_t repeat)
{
    size_t widths[COLUMNS_MAX];
    for (size_t c = 0; c < t->column_count; c++)
        widths[c] = column_width(t, c);
    size_t rows = columns_rows(t);
    for (size_t r = 0; r < rows; r++) {
        if (r == 0 || (repeat > 0 && r % repeat == 0))
            print_line(t, to, widths, SIZE_MAX);
        print_line(t, to, widths, r);
    }
}
