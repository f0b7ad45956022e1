/* slab.c - see slab.h. Happy path: a piece that came back, or the next of the newest chunk. A chunk
 * that cannot be had is the caller's to report; nothing changes then.
 */
#include "engine/slab.h"

#include <assert.h>
#include <stdlib.h>

struct slab_chunk {
    struct slab_chunk *next;
    _Alignas(16) char pieces[];
};

void slab_init(struct slab *s, size_t piece_bytes, uint32_t chunk_pieces)
{
    assert(piece_bytes >= sizeof(struct slab_free) && piece_bytes % 8 == 0 && chunk_pieces > 0);
    *s = (struct slab){.piece_bytes = (uint32_t)piece_bytes, .chunk_pieces = chunk_pieces};
}

void slab_close(struct slab *s)
{
    while (s->chunks) {
        struct slab_chunk *next = s->chunks->next;
        free(s->chunks);
        s->chunks = next;
    }
    slab_init(s, s->piece_bytes ? s->piece_bytes : sizeof(struct slab_free), 1);
}

void *slab_take_slow(struct slab *s)
{
    size_t bytes = sizeof(struct slab_chunk) + (size_t)s->piece_bytes * s->chunk_pieces;
    struct slab_chunk *chunk = malloc(bytes);
    if (!chunk)
        return NULL;
    chunk->next = s->chunks;
    s->chunks = chunk;
    s->bytes += bytes;
    s->fresh = chunk->pieces + s->piece_bytes;
    s->fresh_end = chunk->pieces + (size_t)s->chunk_pieces * s->piece_bytes;
    return chunk->pieces;
}
