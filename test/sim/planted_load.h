/* planted_load.h - a load that lacks something. */
#ifndef TALLY_SIM_PLANTED_LOAD_H
#define TALLY_SIM_PLANTED_LOAD_H

#include "plants.h"
#include "rng.h"
#include "rows_load.h"

void planted_load(enum plant plant, struct rng *rng, struct rows_load *l);

#endif
