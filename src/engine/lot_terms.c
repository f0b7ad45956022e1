/* lot_terms.c - what a lot is sold on, where that is more than its last day.
 *
 * Most lots have plain terms and pay four bytes for it. The others have a lot_extra, which other
 * threads find by the lot's number (engine_lot_signs): it never moves, its number is published when
 * it is filled, and what they read of it is read and written in one piece each.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

bool lots_make_terms(struct lots *ls, lot_id id)
{
    struct lot *lot = lots_at(ls, id);
    if (lot->extra)
        return true;
    uint32_t number = ls->extra_free ? ls->extra_free : ls->extra_count + 1;
    struct lot_extra **chunk = &ls->extra_chunks[(number - 1) / LOT_CHUNK];
    if (!*chunk) {
        *chunk = calloc(LOT_CHUNK, sizeof **chunk);
        if (!*chunk)
            return false;
        ls->bytes += LOT_CHUNK * sizeof **chunk;
    }
    struct lot_extra *extra = lots_extra(ls, number);
    if (number == ls->extra_free)
        ls->extra_free = extra->next_free;
    else
        __atomic_store_n(&ls->extra_count, number, __ATOMIC_RELAXED);
    *extra = (struct lot_extra){.terms = lot_terms_plain(&lot->dims)};
    __atomic_store_n(&lot->extra, number, __ATOMIC_RELEASE);
    return true;
}

bool lot_terms_equal(const struct lot_terms *a, const struct lot_terms *b)
{
    return a->expires_on == b->expires_on && a->expected_on == b->expected_on &&
           a->per_user_limit == b->per_user_limit && a->backorder_limit == b->backorder_limit &&
           a->backorder_most == b->backorder_most && a->withdrawn == b->withdrawn;
}

void lots_set_terms(struct lots *ls, lot_id id, const struct lot_terms *terms)
{
    struct lot *lot = lots_at(ls, id);
    if (!lot->extra) {
        struct lot_terms plain = lot_terms_plain(&lot->dims);
        assert(lot_terms_equal(terms, &plain));
        return;
    }
    struct lot_terms *have = &lots_extra(ls, lot->extra)->terms;
    bool moves = have->expires_on != terms->expires_on;
    if (moves)
        lots_leave_sale(ls, id);
    have->per_user_limit = terms->per_user_limit;
    have->backorder_limit = terms->backorder_limit;
    have->backorder_most = terms->backorder_most;
    __atomic_store_n(&have->expires_on, terms->expires_on, __ATOMIC_RELAXED);
    __atomic_store_n(&have->expected_on, terms->expected_on, __ATOMIC_RELAXED);
    __atomic_store_n(&have->withdrawn, terms->withdrawn, __ATOMIC_RELAXED);
    if (moves)
        lots_join_sale(ls, id);
}

void lots_clear_extra(struct lot_extra *extra)
{
    free(extra->backorders.places);
    user_units_close(&extra->users);
}

void lots_drop_terms(struct lots *ls, lot_id id)
{
    struct lot *lot = lots_at(ls, id);
    if (!lot->extra)
        return;
    struct lot_extra *extra = lots_extra(ls, lot->extra);
    lots_clear_extra(extra);
    *extra = (struct lot_extra){.next_free = ls->extra_free};
    ls->extra_free = lot->extra;
    lot->extra = 0;
}

bool engine_lot_signs(const struct engine *e, lot_id id, struct lot_signs *out)
{
    const struct lot_dims *dims = engine_lot_dims(e, id);
    if (!dims)
        return false;
    *out = (struct lot_signs){.last_day = dims->expires_on, .expected_on = LOT_NEVER_EXPIRES};
    uint32_t number = __atomic_load_n(&lots_at(&e->lots, id)->extra, __ATOMIC_ACQUIRE);
    if (number) {
        const struct lot_terms *terms = &lots_extra(&e->lots, number)->terms;
        out->last_day = __atomic_load_n(&terms->expires_on, __ATOMIC_RELAXED);
        out->expected_on = __atomic_load_n(&terms->expected_on, __ATOMIC_RELAXED);
        out->withdrawn = __atomic_load_n(&terms->withdrawn, __ATOMIC_RELAXED);
    }
    return true;
}

bool engine_lots_tell_more(const struct engine *e)
{
    return __atomic_load_n(&e->lots.extra_count, __ATOMIC_RELAXED) > 0;
}

int64_t engine_gate_units(const struct lot_view *lot)
{
    int64_t units = stock_available(&lot->stock) + lot->terms.backorder_limit;
    return lot->terms.withdrawn || units < 0 ? 0 : units;
}

/* ---- what the engine makes of it ---- */

bool lot_has_expired(const struct engine *e, const struct lot *lot)
{
    int32_t last_day = lots_last_day(&e->lots, lot);
    return last_day != LOT_NEVER_EXPIRES && last_day < e->today;
}

bool lot_is_withdrawn(const struct engine *e, const struct lot *lot)
{
    return lot->extra && lots_extra(&e->lots, lot->extra)->terms.withdrawn;
}

int64_t lot_backorder_limit(const struct engine *e, const struct lot *lot)
{
    return lot->extra ? lots_extra(&e->lots, lot->extra)->terms.backorder_limit : 0;
}

void engine_put_terms(struct engine *e, lot_id id, const struct lot_terms *terms)
{
    struct lot *lot = lots_at(&e->lots, id);
    int64_t before = stock_for_gate(e, lot);
    lots_set_terms(&e->lots, id, terms);
    stock_gate_add(e, id, stock_for_gate(e, lot) - before);
}
