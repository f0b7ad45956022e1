#include "planted_load.h"

#include <stdlib.h>

enum { LACKS_PER_MILLE = 500 };

static bool is_named(const struct load *load, const struct reservation_record *r)
{
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        if ((k->kind == LOAD_RESERVATION && k->number == r->reservation_id) ||
            (k->kind == LOAD_ORDER && str_equal(k->text, r->order_id)))
            return true;
    }
    return false;
}

static void leave_member_out(struct load *load, struct rows_load *l)
{
    for (uint32_t i = 0; i < load->record_count; i++) {
        struct reservation_record *r = l->records[i];
        if (!r->group_id || r->state == HOLD_REFUNDED || is_named(load, r))
            continue;
        free(r);
        l->records[i] = l->records[--load->record_count];
        return;
    }
}

/* PENDING holds of users that the process has not seen before. */
static void forget_new_holds(struct load *load, struct rows_load *l, size_t known)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < load->unit_count; i++) {
        bool seen = l->units[i].sale || l->units[i].lot;
        for (size_t j = 0; j < known && !seen; j++)
            seen = l->rows[j].seq == l->units[i].reservation_id;
        if (seen)
            l->units[kept++] = l->units[i];
    }
    load->unit_count = kept;
}

void planted_load(enum plant plant, struct rng *rng, struct rows_load *l, size_t known)
{
    struct load *load = l->load;
    if (plant == PLANT_NO_SEQ_FLOOR)
        load->seq_floor = 0;
    if (plant < PLANT_SALE_UNLOCKED || !rng_chance(rng, LACKS_PER_MILLE))
        return;
    if (plant == PLANT_SALE_UNLOCKED)
        rows_load_recount_sales(l, known); /* who does not lock may read what was */
    if (plant == PLANT_USER_UNLOCKED)
        forget_new_holds(load, l, known);
    if (plant == PLANT_MEMBER_LEFT_OUT)
        leave_member_out(load, l);
    if (plant == PLANT_UNITS_LEFT_OUT)
        load->unit_count = 0;
    if (plant == PLANT_PLACES_LEFT_OUT)
        load->place_count = 0;
    for (uint32_t i = 0; plant == PLANT_COUNTS_LEFT_OUT && i < load->sale_count; i++)
        l->sales[i].units_pending = l->sales[i].units_confirmed = 0;
    for (uint32_t i = 0; plant == PLANT_TERMS_LEFT_OUT && i < load->lot_count; i++)
        l->lots[i].terms = lot_terms_plain(&l->lots[i].dims);
}
