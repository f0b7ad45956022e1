/* table.h - aligned columns for people, and the other small things that make output readable.
 *
 * Widths are counted in terminal columns, so that UTF-8 text lines up. Text that did not come from
 * here is printed with its control characters replaced: a name cannot move the cursor.
 */
#ifndef TALLY_CLI_TABLE_H
#define TALLY_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16 };

struct table_column {
    const char *head;
    bool right; /* numbers */
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* row by row */
    size_t cell_count, cell_capacity;
    bool failed; /* memory ran short: the table is not complete */
};

void table_init(struct table *t, const struct table_column *columns, size_t column_count);
void table_close(struct table *t);
/* The next cell, left to right, row by row; copied. NULL counts as "". */
void table_text(struct table *t, const char *text);
void table_number(struct table *t, int64_t number);
/* Every line begins with `indent` blanks. A column that is empty in all rows is left out. */
void table_print(const struct table *t, FILE *to, int indent);

/* `text` for a terminal; returns its width in columns. `to` may be NULL: only the width. */
size_t print_safely(const char *text, FILE *to);

enum style { STYLE_BOLD, STYLE_GOOD, STYLE_BAD, STYLE_NOTE, STYLE_DIM };
/* Escape sequences for a terminal without $NO_COLOR; else "". */
const char *style_on(FILE *to, enum style style);
const char *style_off(FILE *to);

#endif
