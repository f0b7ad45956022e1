#include "planted_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool goes_together(const struct move *x, const struct move *y)
{
    return x->kind == MOVE_CONFIRM && y->kind == MOVE_CONFIRM && str_equal(x->detail, y->detail) &&
           x->detail.len > 4 && memcmp(x->detail.p, "all-", 4) == 0;
}

static bool has_failed_group(const struct batch *b)
{
    for (uint32_t i = 0; i < b->move_count; i++)
        if (b->moves[i].kind == MOVE_GROUP_FAIL)
            return true;
    return false;
}

/* Given back with its group, and the last in the batch that is. */
static bool is_torn_off(const struct batch *b, uint32_t i, enum plant plant)
{
    const struct move *m = &b->moves[i];
    if (m->reason != REASON_GROUP_FAILED || m->kind < MOVE_REFUND || m->kind > MOVE_RETURN ||
        !has_failed_group(b))
        return false;
    if (plant == PLANT_GROUP_TORN_PAID)
        return m->kind == MOVE_RETURN;
    return plant == PLANT_GROUP_TORN && i + 1 == b->move_count;
}

static bool of_file(const struct move *m)
{
    return m->kind == MOVE_ADJUST && str_equal(m->note, STR("stock file"));
}

static bool is_last_of_file(const struct batch *b, uint32_t i)
{
    return i > 0 && of_file(&b->moves[i]) && of_file(&b->moves[i - 1]) &&
           (i + 1 == b->move_count || !of_file(&b->moves[i + 1]));
}

void planted_sale(enum plant plant, struct sale_terms *t, int by)
{
    if (plant == PLANT_USER_OVER && t->per_user_limit)
        t->per_user_limit += by;
    if (plant == PLANT_SHARE_OVER && t->total_limit)
        t->total_limit += by;
    if (plant == PLANT_GROUP_OVER && t->group_size)
        t->group_size = (uint16_t)(t->group_size + by);
}

void planted_terms(enum plant plant, struct lot_terms *t, int by)
{
    if (plant == PLANT_LOT_USER_OVER && t->per_user_limit)
        t->per_user_limit += by;
    if (plant != PLANT_BACKORDER_OVER)
        return;
    t->backorder_limit += t->backorder_limit ? by : 0;
    t->backorder_most += t->backorder_most ? by : 0;
}

/* What the engine was told wrongly stands in the ledger as it should be. */
static void put_right(enum plant plant, struct move *m)
{
    static struct sale_terms terms[64];
    static struct lot_terms lot_terms[64];
    static size_t next;
    if (m->kind == MOVE_SALE) {
        struct sale_terms *t = &terms[next++ % 64];
        *t = *m->sale_terms;
        planted_sale(plant, t, -1);
        m->sale_terms = t;
    } else if ((m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS) && m->terms) {
        struct lot_terms *t = &lot_terms[next++ % 64];
        *t = *m->terms;
        planted_terms(plant, t, -1);
        m->terms = t;
        if (m->kind == MOVE_LOT_TERMS)
            m->line.quantity = t->backorder_limit;
    } else if (m->kind == MOVE_GROUP_OPEN && plant == PLANT_GROUP_OVER) {
        m->line.quantity--;
    }
}

size_t planted_rows(enum plant plant, const struct batch *b, struct move *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < b->move_count; i++) {
        const struct move *m = &b->moves[i];
        if (plant == PLANT_HALF_OF_ALL && i > 0 && goes_together(m - 1, m))
            continue;
        if (plant == PLANT_SET_HALF && is_last_of_file(b, i))
            continue;
        if (is_torn_off(b, i, plant))
            continue;
        out[count] = *m;
        put_right(plant, &out[count++]);
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
