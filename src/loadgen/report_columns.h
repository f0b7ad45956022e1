/* report_columns.h - the stage table, which the terminal and the page share. */
#ifndef TALLY_LOADGEN_REPORT_COLUMNS_H
#define TALLY_LOADGEN_REPORT_COLUMNS_H

#include "loadgen/figures.h"
#include "loadgen/report.h"

/* A row for every stage, and one for all if there are others than one. Check `failed`. */
void report_columns_fill(struct columns *t, const struct report *r);

#endif
