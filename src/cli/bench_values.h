/* bench_values.h - numbers with units, as `tally bench` takes them. */
#ifndef TALLY_CLI_BENCH_VALUES_H
#define TALLY_CLI_BENCH_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* "30s", "250ms", "1.5m", "2h"; a bare number is seconds. More than 0, at most 7 days. */
bool duration_parse(const char *text, uint64_t *out_ns);
/* "12800", "12.8k", "1.5M", with or without "/s". More than 0, at most 100 million. */
bool rate_parse(const char *text, double *out_per_s);
/* "60%", "60", "0.5": percent, 0 to 100, as a share of 1. */
bool share_parse(const char *text, double *out);

#endif
