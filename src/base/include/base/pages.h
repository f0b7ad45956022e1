/* pages.h - memory for pools that have grown, in large pages where the system has them.
 *
 * A pool of many small objects is touched all over: with 4 KiB pages nearly every object costs a
 * miss of the TLB, and a fault when it is new. Pools start with small chunks from malloc, so that
 * an idle process stays small, and go on with these.
 */
#ifndef TALLY_BASE_PAGES_H
#define TALLY_BASE_PAGES_H

#include <stddef.h>

enum {
    LARGE_PAGE_BYTES = 2 << 20,
    /* A pool that has less than this goes on with malloc. */
    LARGE_POOL_BYTES = 1 << 20,
};

/* `bytes` is a multiple of LARGE_PAGE_BYTES; the memory is zero. NULL when it is short. */
void *large_pages_alloc(size_t bytes);
void large_pages_free(void *p, size_t bytes); /* NULL is fine */

/* For a chunk of a pool that has `pool_bytes` already and would grow by `bytes`: from malloc, or in
 * large pages if it is time. The size in the end, at least `bytes`, stands in *got. Not zeroed. */
void *pool_chunk_alloc(size_t pool_bytes, size_t bytes, size_t *got);
void pool_chunk_free(void *p, size_t got);

#endif
