/* report_charts.h - the charts of a report's page. */
#ifndef TALLY_LOADGEN_REPORT_CHARTS_H
#define TALLY_LOADGEN_REPORT_CHARTS_H

#include <stdio.h>

#include "loadgen/report.h"

/* Those for which there are figures. TLY_ENO_MEMORY. */
int report_charts_write(const struct report *r, FILE *to, struct error *e) MUST_CHECK;

#endif
