/* gate_local.h - the embedded gate: one atomic word a lot, one shared filter of order_ids. See
 * README.md beside it for why its memory order is enough. */
#ifndef TALLY_GATE_GATE_LOCAL_H
#define TALLY_GATE_GATE_LOCAL_H

#include "gate/gate.h"

struct gate_local_config {
    uint64_t hash_seed;
    uint32_t lots_max;
    size_t order_filter_bytes; /* power of two; memory is touched as it fills */
};

int gate_local_create(struct gate **out, const struct gate_local_config *config,
                      struct error *e) MUST_CHECK;

#endif
