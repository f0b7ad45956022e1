/* order_runs.h - how the order index of an engine reaches a ledger's disk: segments that the index
 * froze go there, runs that were made of them come back. An optional part of the port (ledger.h).
 */
#ifndef TALLY_LEDGER_ORDER_RUNS_H
#define TALLY_LEDGER_ORDER_RUNS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bloom.h"
#include "base/mailbox.h"

struct order_entry {
    uint64_t hash;
    int64_t reservation_id; /* 0: no entry */
};

/* A frozen segment, read by the store. */
struct order_segment {
    struct mail mail;
    struct order_segment *link;
    size_t count;
    int64_t seq_min, seq_max; /* of the reservation ids inside */
    struct order_run *stored; /* on its way back to the engine: the run made of it */
    /* Copies the segment's entries, unsorted, into `out` (room for count). */
    void (*copy)(const struct order_segment *s, struct order_entry *out);
    void *impl;
};

/* A run on disk as the index sees it: made by the store, owned by the index once installed. When
 * the store merges runs it hands over the new one with `replaces` naming the span it covers: all
 * installed runs within [seq_min, seq_max] are dropped. */
struct order_run {
    struct mail mail;
    struct order_run *link;
    uint64_t count;
    int64_t seq_min, seq_max;
    struct bloom *filter;                   /* heap; NULL: every look-up asks the disk */
    void (*release)(struct order_run *run); /* NULL: run and filter are plain heap blocks */
};

/* Gives the run back: through `release` if it is set, else with free(). NULL is fine. */
static inline void order_run_free(struct order_run *run)
{
    if (!run)
        return;
    if (run->release) {
        run->release(run);
    } else {
        free(run->filter);
        free(run);
    }
}

#endif
