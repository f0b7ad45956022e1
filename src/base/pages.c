/* pages.c - see pages.h. Happy path: a mapping that is larger by one large page, cut to its aligned
 * part, with the advice to use large pages. A system that does not take the advice goes on with
 * small ones.
 */
#include "base/pages.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *large_pages_alloc(size_t bytes)
{
    assert(bytes > 0 && bytes % LARGE_PAGE_BYTES == 0);
    size_t mapped = bytes + LARGE_PAGE_BYTES;
    char *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t before = (LARGE_PAGE_BYTES - (uintptr_t)start % LARGE_PAGE_BYTES) % LARGE_PAGE_BYTES;
    if (before)
        munmap(start, before);
    munmap(start + before + bytes, LARGE_PAGE_BYTES - before);
    (void)madvise(start + before, bytes, MADV_HUGEPAGE);
    return start + before;
}

void large_pages_free(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes);
}

static size_t rounded(size_t bytes)
{
    return (bytes + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
}

void *pool_chunk_alloc(size_t pool_bytes, size_t bytes, size_t *got)
{
    assert(bytes < LARGE_PAGE_BYTES);
    bool large = pool_bytes >= LARGE_POOL_BYTES;
    *got = large ? rounded(bytes) : bytes;
    return large ? large_pages_alloc(*got) : malloc(bytes);
}

void pool_chunk_free(void *p, size_t got)
{
    if (got >= LARGE_PAGE_BYTES)
        large_pages_free(p, got);
    else
        free(p);
}
