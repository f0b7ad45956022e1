/* bench_live.h - the line that a person sees while a load runs, on a terminal's stderr only. */
#ifndef TALLY_CLI_BENCH_LIVE_H
#define TALLY_CLI_BENCH_LIVE_H

#include <stdbool.h>

#include "loadgen/loadgen.h"

struct bench_live {
    bool shown;
    bool drawn;
};

void bench_live_begin(struct bench_live *l);
void bench_live_show(struct bench_live *l, const struct load_progress *p);
void bench_live_end(struct bench_live *l);

#endif
