/* Merging runs: four neighbours of like size become one, so that n segments make about
 * 3 log4(n) runs and an entry is written again log4(n) times.
 *
 * Happy path: all blocks are read in order of hash and written again; the new run replaces the
 * old ones in the list, then their files are removed, then the index is told.
 * Failure modes: a damaged block stops the merge and has its run rebuilt first; a failed write
 * leaves the old runs in place. A crash between rename and removal leaves runs inside the span of
 * another one, which loading removes.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "ledger/order_store.h"
#include "ledger/run_format.h"

struct source {
    struct run_file *run;
    struct run_block block;
    uint64_t next_block;
    uint64_t at;
};

enum { SIZE_RATIO_MAX = 3 };

static uint64_t count_at(const struct order_store *s, uint32_t i)
{
    return s->runs[i]->port.count;
}

static uint64_t sum_of(const struct order_store *s, uint32_t first)
{
    uint64_t sum = 0;
    for (uint32_t i = first; i < first + RUN_MERGE_WIDTH; i++)
        sum += count_at(s, i);
    return sum;
}

static bool alike(const struct order_store *s, uint32_t first)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (uint32_t i = first; i < first + RUN_MERGE_WIDTH; i++) {
        uint64_t count = count_at(s, i);
        low = count < low ? count : low;
        high = count > high ? count : high;
    }
    return high / SIZE_RATIO_MAX <= low;
}

/* The first of the runs to merge, or -1. Newest first: they are the smallest. */
static int64_t choose(const struct order_store *s)
{
    if (s->run_count < RUN_MERGE_WIDTH)
        return -1;
    int64_t best = -1;
    uint64_t best_sum = RUN_ENTRIES_MAX;
    for (uint32_t i = s->run_count - RUN_MERGE_WIDTH + 1; i-- > 0;) {
        uint64_t sum = sum_of(s, i);
        if (alike(s, i) && sum <= RUN_ENTRIES_MAX)
            return i;
        if (s->run_count > RUNS_GOAL && sum < best_sum) {
            best = i;
            best_sum = sum;
        }
    }
    return best;
}

static int fill(struct source *source, struct error *e)
{
    if (source->next_block == source->run->block_count) {
        source->run = NULL;
        return 0;
    }
    source->at = 0;
    return run_file_read_block(source->run, source->next_block++, &source->block, e);
}

static int copy_all(struct source *sources, struct run_writer *w, const _Atomic bool *stopping,
                    struct error *e)
{
    int rc = 0;
    uint64_t copied = 0;
    for (uint32_t i = 0; rc == 0 && i < RUN_MERGE_WIDTH; i++)
        rc = fill(&sources[i], e);
    while (rc == 0) {
        struct source *least = NULL;
        for (uint32_t i = 0; i < RUN_MERGE_WIDTH; i++) {
            struct source *c = &sources[i];
            if (c->run &&
                (!least || c->block.entries[c->at].hash < least->block.entries[least->at].hash))
                least = c;
        }
        if (!least)
            return 0;
        rc = run_writer_add(w, &least->block.entries[least->at++], e);
        if (rc == 0 && least->at == least->block.count)
            rc = fill(least, e);
        if ((++copied & 0xffff) == 0 && atomic_load(stopping))
            return error_set(e, TLY_ECLOSED, "order run", "the ledger is being closed");
    }
    return rc;
}

static int merge(struct order_store *s, uint32_t first, struct run_file **out, struct error *e)
{
    struct run_writer *w;
    struct source *sources = calloc(RUN_MERGE_WIDTH, sizeof *sources);
    if (!sources)
        return error_set(e, TLY_ENO_MEMORY, "order run", "no memory for a merge");
    for (uint32_t i = 0; i < RUN_MERGE_WIDTH; i++)
        sources[i].run = s->runs[first + i];
    struct run_span span = {s->runs[first]->after, s->runs[first]->port.seq_min,
                            s->runs[first + RUN_MERGE_WIDTH - 1]->port.seq_max};
    int rc = run_writer_begin(&w, s->dir, s->seed, sum_of(s, first), &span, e);
    if (rc == 0) {
        rc = copy_all(sources, w, &s->stopping, e);
        if (rc)
            run_writer_abandon(w);
        else
            rc = run_writer_finish(w, out, e);
    }
    free(sources);
    return rc;
}

int order_store_merge(struct order_store *s, struct error *e)
{
    int64_t first = choose(s);
    if (first < 0)
        return 0;
    struct run_file *run = NULL;
    int rc = merge(s, (uint32_t)first, &run, e);
    if (rc)
        return rc;
    run_file_hold(run); /* for the index */
    order_store_replace(s, (uint32_t)first, RUN_MERGE_WIDTH, run);
    s->events->segment_stored(s->events->context, NULL, &run->port);
    return 1;
}
