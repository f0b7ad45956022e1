/* planted_load.h - a load that lacks something. */
#ifndef TALLY_SIM_PLANTED_LOAD_H
#define TALLY_SIM_PLANTED_LOAD_H

#include "plants.h"
#include "rng.h"
#include "rows_load.h"

/* `known`: so many rows the process has seen before. */
void planted_load(enum plant plant, struct rng *rng, struct rows_load *l, size_t known);

#endif
