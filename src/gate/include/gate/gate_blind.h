/* gate_blind.h - the gate of a node that shares its ledger and has no gate in common with the other
 * nodes: it cannot know what they sell, so every ask is BLIND, and what it is told is forgotten. */
#ifndef TALLY_GATE_GATE_BLIND_H
#define TALLY_GATE_GATE_BLIND_H

#include "gate/gate.h"

int gate_blind_create(struct gate **out, struct error *e) MUST_CHECK;

#endif
