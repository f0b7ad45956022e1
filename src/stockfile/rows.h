/* rows.h - what the files about rows share. */
#ifndef TALLY_STOCKFILE_ROWS_H
#define TALLY_STOCKFILE_ROWS_H

#include <jansson.h>

#include "stockfile/csv.h"
#include "stockfile/stock_file.h"

enum { COLUMN_SHOWN_MAX = 3 * STOCK_COLUMN_MAX };

struct stock_file {
    const struct stock_file_config *config;
    struct stock_mapping none; /* where the config has no mapping */
    const struct stock_mapping *mapping;
    struct text_reader *text;
    struct csv *csv;
    int fields;                    /* how many of them there are in such a file */
    uint32_t width;                /* of the header */
    uint32_t columns;              /* without empty ones at its end */
    int places[STOCK_FIELD_COUNT]; /* number of the field's column, or -1 */
    bool used[CSV_FIELDS_MAX];     /* the column is a field, */
    bool named[CSV_FIELDS_MAX];    /* or has at least a name */
    bool header_bad;
    uint32_t faults; /* of this row */
    char shown[STOCK_FIELD_COUNT][COLUMN_SHOWN_MAX];
    json_t *json; /* of this row's line */
    struct csv_row row;
};

void stock_fault(struct stock_file *f, uint32_t line, const char *column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

bool stock_field_needed(const struct stock_file *f, int field);
/* Checks what is given, tells each fault, normalises, and makes the lot's key where it can. */
void stock_row_check(struct stock_file *f, enum stock_rules rules, struct stock_row *row);
/* A line of JSON as a row, not checked yet. False: it is no object. */
bool stock_row_of_json(struct stock_file *f, struct str line, struct stock_row *row);

#endif
