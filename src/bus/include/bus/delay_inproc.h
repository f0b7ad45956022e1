/* delay_inproc.h - the embedded delay line: a thread with a clock. What it holds is gone with the
 * process. */
#ifndef TALLY_BUS_DELAY_INPROC_H
#define TALLY_BUS_DELAY_INPROC_H

#include "bus/delay.h"

struct delay_inproc_config {
    uint32_t messages_max; /* in the line, and out and not done */
    delay_out_fn *out;
    void *context;
};

int delay_inproc_create(struct delay **out, const struct delay_inproc_config *config,
                        struct error *e) MUST_CHECK;

#endif
