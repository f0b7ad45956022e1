/* arena.h - bump allocation that is reset, not freed.
 *
 * An arena starts on a buffer that its owner provides and grows in chunks from malloc up to a
 * bound. arena_reset() gives back the chunks and starts again at the first buffer. One thread at a
 * time.
 */
#ifndef TALLY_BASE_ARENA_H
#define TALLY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct arena_chunk;

struct arena {
    char *next;
    char *end;
    char *first; /* the owner's buffer */
    size_t first_size;
    struct arena_chunk *chunks;
    size_t chunk_bytes; /* of all chunks */
    size_t bytes_max;   /* bound on chunk_bytes */
    bool at_bound;      /* something was refused for the bound's sake, not for want of memory */
};

void arena_init(struct arena *a, void *buffer, size_t buffer_size, size_t bytes_max);
void arena_reset(struct arena *a); /* everything allocated is gone */
void arena_close(struct arena *a);

void *arena_grow(struct arena *a, size_t size); /* the slow path of arena_alloc */

/* 8-byte aligned, not zeroed. NULL at the bound or when memory is short. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = (size + 7) & ~(size_t)7;
    if (rounded < size)
        return NULL; /* larger than the address space */
    if (rounded <= (size_t)(a->end - a->next)) {
        void *p = a->next;
        a->next += rounded;
        return p;
    }
    return arena_grow(a, rounded);
}

/* Makes the newest allocation, of `size` bytes at `p`, larger or smaller where it stands. False if
 * it is not the newest or there is no room behind it: nothing has changed. */
static inline bool arena_resize(struct arena *a, void *p, size_t size, size_t new_size)
{
    size = (size + 7) & ~(size_t)7;
    new_size = (new_size + 7) & ~(size_t)7;
    if ((char *)p + size != a->next || new_size > (size_t)(a->end - (char *)p))
        return false;
    a->next = (char *)p + new_size;
    return true;
}

void *arena_zalloc(struct arena *a, size_t size);
char *arena_copy(struct arena *a, const char *p, size_t len); /* with a terminating zero */

#endif
