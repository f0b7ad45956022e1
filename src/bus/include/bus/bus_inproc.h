/* bus_inproc.h - the embedded bus: it reads the log of its own process's ledger. */
#ifndef TALLY_BUS_BUS_INPROC_H
#define TALLY_BUS_BUS_INPROC_H

#include "bus/bus.h"
#include "ledger/ledger.h"

struct bus_inproc_config {
    struct ledger *ledger;   /* started; outlives the bus's stop() */
    const char *source;      /* CloudEvents' source: which shop's ledger this is; copied */
    uint32_t page_bytes_max; /* memory of pages that are kept for further readers */
    /* The dimensions of a lot that a committed move names; NULL if it is not known. Any thread. */
    const struct lot_dims *(*lot_dims)(void *context, lot_id id);
    void *context;
};

int bus_inproc_create(struct bus **out, const struct bus_inproc_config *config,
                      struct error *e) MUST_CHECK;

#endif
