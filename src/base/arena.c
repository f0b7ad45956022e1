/* arena.c - see arena.h. A chunk is as large as all before it, so a request of any size
 * needs few. */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_MIN = 4096 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

void arena_init(struct arena *a, void *buffer, size_t buffer_size, size_t bytes_max)
{
    uintptr_t start = ((uintptr_t)buffer + 7) & ~(uintptr_t)7;
    size_t skipped = start - (uintptr_t)buffer;
    size_t usable = buffer_size > skipped ? buffer_size - skipped : 0;
    *a = (struct arena){.first = buffer_size ? (char *)start : NULL,
                        .first_size = usable & ~(size_t)7,
                        .bytes_max = bytes_max};
    arena_reset(a);
}

void arena_reset(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        free(chunk);
    }
    a->chunk_bytes = 0;
    a->at_bound = false;
    a->next = a->first;
    a->end = a->first ? a->first + a->first_size : NULL;
}

void arena_close(struct arena *a)
{
    arena_reset(a);
    *a = (struct arena){0};
}

void *arena_grow(struct arena *a, size_t size)
{
    size_t want = size + sizeof(struct arena_chunk);
    size_t chunk_size = a->chunk_bytes > CHUNK_MIN ? a->chunk_bytes : CHUNK_MIN;
    if (want < size || want > a->bytes_max - a->chunk_bytes) {
        a->at_bound = true;
        return NULL;
    }
    if (chunk_size > a->bytes_max - a->chunk_bytes)
        chunk_size = a->bytes_max - a->chunk_bytes;
    if (chunk_size < want)
        chunk_size = want;
    struct arena_chunk *chunk = malloc(chunk_size);
    if (!chunk)
        return NULL;
    chunk->next = a->chunks;
    chunk->size = chunk_size;
    a->chunks = chunk;
    a->chunk_bytes += chunk_size;
    a->next = (char *)(chunk + 1) + size;
    a->end = (char *)chunk + (chunk_size & ~(size_t)7);
    return chunk + 1;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    if (p)
        memset(p, 0, size);
    return p;
}

char *arena_copy(struct arena *a, const char *p, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, p, len);
    copy[len] = 0;
    return copy;
}
