/* planted_gate.h - a gate that loses some of what it is told of units that come free. */
#ifndef TALLY_SIM_PLANTED_GATE_H
#define TALLY_SIM_PLANTED_GATE_H

#include "gate/gate.h"
#include "rng.h"

/* Owns the gate that it stands before. */
struct gate *planted_gate_create(struct gate *behind, struct rng *rng);

#endif
