/* call_slots.h - where a worker's calls are while they wait or are on their way.
 *
 * Slots come from chunks that never move, because a protocol session keeps pointers to the calls;
 * memory is given back at the end only. A slot is in at most one list at a time. One thread.
 */
#ifndef TALLY_LOADGEN_CALL_SLOTS_H
#define TALLY_LOADGEN_CALL_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loadgen/call.h"

struct call_slot {
    struct call call; /* the first member: a session knows only this */
    struct call_slot *next, *previous;
    struct call_slot *behind; /* the next one that waits for the same channel */
    uint64_t check_ns;        /* abandoned: when its channel is looked at again */
    uint32_t channel;
    bool abandoned; /* its source was told TIMED_OUT; what the session answers is dropped */
};

struct slot_list {
    struct call_slot *first, *last;
};

struct call_slots {
    struct call_slot *free;
    struct slot_chunk *chunks;
};

/* A struct of zeros is an empty pool. NULL: memory ran short. */
struct call_slot *call_slots_take(struct call_slots *p);
void call_slots_give(struct call_slots *p, struct call_slot *s);
void call_slots_close(struct call_slots *p);

static inline struct call_slot *slot_of(struct call *call)
{
    return (struct call_slot *)(void *)call;
}

static inline void slot_list_append(struct slot_list *l, struct call_slot *s)
{
    s->next = NULL;
    s->previous = l->last;
    if (l->last)
        l->last->next = s;
    else
        l->first = s;
    l->last = s;
}

static inline void slot_list_remove(struct slot_list *l, struct call_slot *s)
{
    if (s->previous)
        s->previous->next = s->next;
    else
        l->first = s->next;
    if (s->next)
        s->next->previous = s->previous;
    else
        l->last = s->previous;
}

#endif
