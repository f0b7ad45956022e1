/* A ring that is copied to twice its size when it is full. Nothing here fails but for want of
 * memory. */
#include "loadgen/step_queue.h"

#include <stdlib.h>

enum { QUEUE_MIN = 64 };

void step_queue_close(struct step_queue *q)
{
    free(q->steps);
    *q = (struct step_queue){0};
}

bool step_queue_push(struct step_queue *q, struct step s)
{
    if (q->count == q->capacity) {
        size_t capacity = q->capacity ? 2 * q->capacity : QUEUE_MIN;
        struct step *steps = malloc(capacity * sizeof *steps);
        if (!steps)
            return false;
        for (size_t i = 0; i < q->count; i++)
            steps[i] = q->steps[(q->head + i) & (q->capacity - 1)];
        free(q->steps);
        *q = (struct step_queue){steps, capacity, 0, q->count};
    }
    size_t mask = q->capacity - 1, at = q->head + q->count++;
    for (; at > q->head && q->steps[(at - 1) & mask].due_ns > s.due_ns; at--)
        q->steps[at & mask] = q->steps[(at - 1) & mask];
    q->steps[at & mask] = s;
    return true;
}

struct step *step_queue_head(const struct step_queue *q)
{
    return q->count ? &q->steps[q->head] : NULL;
}

struct step step_queue_pop(struct step_queue *q)
{
    struct step s = q->steps[q->head];
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    return s;
}

uint64_t step_queue_due_ns(const struct step_queue *q)
{
    return q->count ? q->steps[q->head].due_ns : UINT64_MAX;
}
