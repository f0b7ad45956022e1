/* slab.h - pools of equal pieces of memory: chunks that are kept, a list of pieces that came back.
 * slab_take is NULL when memory is short.
 */
#ifndef TALLY_ENGINE_SLAB_H
#define TALLY_ENGINE_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab_chunk;

struct slab_free {
    struct slab_free *next;
};

struct slab {
    struct slab_free *free; /* came back */
    char *fresh;            /* never taken: the rest of the newest chunk */
    char *fresh_end;
    struct slab_chunk *chunks;
    uint32_t piece_bytes;
    uint32_t chunk_pieces;
    size_t bytes; /* of all chunks */
};

void slab_init(struct slab *s, size_t piece_bytes, uint32_t chunk_pieces);
void slab_close(struct slab *s); /* every piece is gone */
void *slab_take_slow(struct slab *s);

static inline void *slab_take(struct slab *s)
{
    struct slab_free *piece = s->free;
    if (piece) {
        s->free = piece->next;
        __builtin_prefetch(s->free, 1); /* the next one to be taken */
        return piece;
    }
    char *p = s->fresh;
    if (p == s->fresh_end)
        return slab_take_slow(s);
    s->fresh = p + s->piece_bytes;
    __builtin_prefetch(s->fresh, 1);
    return p;
}

static inline void slab_give(struct slab *s, void *piece)
{
    struct slab_free *f = piece;
    f->next = s->free;
    s->free = f;
}

#endif
