/* figures.h - numbers of a report as people read them, and columns of them. */
#ifndef TALLY_LOADGEN_FIGURES_H
#define TALLY_LOADGEN_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { FIGURE_SIZE = 48 };

struct figure {
    char text[FIGURE_SIZE];
};

struct figure figure_count(uint64_t number);      /* "12,800" */
struct figure figure_rate(double per_s);          /* "12,800"; "3.5" below 100 */
struct figure figure_ms(double ms);               /* three significant digits: "0.385", "3,120" */
struct figure figure_percent(double share);       /* 1.5: "150" */
struct figure figure_mib(double bytes);           /* "48.1"; "-" if negative: not told */
struct figure figure_plain(double number);        /* one decimal below 100; "-" if negative */
struct figure figure_ratio(double b, double a);   /* "1.25x"; "" if there is none */
struct figure figure_duration(double seconds);    /* "0.25 s", "30 s", "1 h 4 min" */
struct figure figure_text(const char *text);      /* cut to its size, printable ASCII alone */
void print_printable(const char *text, FILE *to); /* control characters and bytes above 0x7e: ? */

/* Aligned columns; a column that is empty, or has only `absent`, in all rows is left out. */
struct column {
    const char *head;
    bool right;
    const char *absent; /* may be NULL */
};

enum { COLUMNS_MAX = 20 };

struct columns {
    const struct column *columns;
    size_t column_count;
    struct figure *cells;
    size_t cell_count, cell_capacity;
    bool failed; /* memory ran short: the table is not complete */
};

void columns_init(struct columns *t, const struct column *columns, size_t column_count);
void columns_close(struct columns *t);
void columns_add(struct columns *t, struct figure cell); /* left to right, row by row */
size_t columns_rows(const struct columns *t);            /* that are complete */
bool columns_shown(const struct columns *t, size_t column);
/* The heads are repeated after every `repeat` rows; 0: never. */
void columns_print(const struct columns *t, FILE *to, size_t repeat);

#endif
