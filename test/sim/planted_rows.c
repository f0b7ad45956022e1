#include "planted_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool goes_together(const struct move *x, const struct move *y)
{
    return x->kind == MOVE_CONFIRM && y->kind == MOVE_CONFIRM && str_equal(x->detail, y->detail) &&
           x->detail.len > 4 && memcmp(x->detail.p, "all-", 4) == 0;
}

size_t planted_rows(enum plant plant, const struct batch *b, struct move *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < b->move_count; i++) {
        const struct move *m = &b->moves[i];
        if (plant == PLANT_HALF_OF_ALL && i > 0 && goes_together(m - 1, m))
            continue;
        out[count++] = *m;
    }
    return count;
}

static void forget_details(struct reservation_record *r, uint8_t kind)
{
    for (uint32_t i = 0; i < r->move_count; i++)
        if (r->moves[i].kind == kind)
            r->moves[i].detail.len = 0;
}

void planted_answer(enum plant plant, struct question *q)
{
    struct reservation_record *r = q->record;
    if (!r)
        return;
    if (plant == PLANT_SHIP_TWICE)
        forget_details(r, MOVE_SHIP);
    for (uint32_t i = 0; i < r->line_count && plant == PLANT_RETURN_TWICE; i++)
        r->after[i].returned = 0;
    if (plant == PLANT_RECLAIM_OF_RECORD && r->reason == REASON_CANCELLED && !r->fence)
        r->reason = REASON_EXPIRED;
    if (plant == PLANT_FENCE_LOST && r->fence) {
        free(r);
        q->record = NULL;
        q->code = TLY_ENOT_FOUND;
    }
}
