/* gate_parts.h - the gate that the settings ask for. */
#ifndef TALLY_SERVER_GATE_PARTS_H
#define TALLY_SERVER_GATE_PARTS_H

#include "gate/gate.h"
#include "server/settings.h"

enum gate_kind {
    GATE_KIND_LOCAL, /* gate = local */
    GATE_KIND_BLIND, /* the same, over a ledger that others write to */
    GATE_KIND_REDIS
};

struct gate_parts {
    struct gate *gate;
    enum gate_kind kind;
};

/* `shared`: others write to the ledger. */
int gate_parts_create(struct gate_parts *out, const struct settings *s, uint64_t hash_seed,
                      bool shared, struct error *e) MUST_CHECK;
/* For /readyz: what gate this is and whether it can be asked; "" for a local one. Any thread. */
void gate_parts_describe(const struct gate_parts *p, char *out, size_t size);
/* The setting alone: can it be understood? */
int gate_parts_check(const struct settings *s, struct error *e) MUST_CHECK;

#endif
