/* call_slots.c - a free list over chunks; it fails only if memory runs short. */
#include "loadgen/call_slots.h"

#include <stdlib.h>

enum { CHUNK_SLOTS = 128 };

struct slot_chunk {
    struct slot_chunk *next;
    struct call_slot slots[CHUNK_SLOTS];
};

struct call_slot *call_slots_take(struct call_slots *p)
{
    if (!p->free) {
        struct slot_chunk *chunk = malloc(sizeof *chunk);
        if (!chunk)
            return NULL;
        chunk->next = p->chunks;
        p->chunks = chunk;
        for (size_t i = CHUNK_SLOTS; i-- > 0;)
            call_slots_give(p, &chunk->slots[i]);
    }
    struct call_slot *s = p->free;
    p->free = s->next;
    s->behind = NULL;
    s->abandoned = false;
    return s;
}

void call_slots_give(struct call_slots *p, struct call_slot *s)
{
    s->next = p->free;
    p->free = s;
}

void call_slots_close(struct call_slots *p)
{
    while (p->chunks) {
        struct slot_chunk *next = p->chunks->next;
        free(p->chunks);
        p->chunks = next;
    }
    p->free = NULL;
}
