/* allocate.c - which lots an order's units come from: all of its wants, or none.
 *
 * A want that names a lot takes from it. A want that names a sku, with some of its dimensions or
 * none, takes first expired first out from the lots that match, over as many as it needs, and never
 * from one that has expired by ledger time (an expired lot that is named counts as sold out, and so
 * does a withdrawn one). Units of lots that may be sold before they are there (backorder_limit) are
 * taken when all that is there is gone. Wants are served most specific first - named lots, then by
 * the number of dimensions given - so that a general one does not take what only a specific one
 * can. What the order itself has taken from a lot is not available to its next want, so lines of
 * one lot are summed.
 *
 * Refusals: NOT_FOUND (lot, sku), INVALID_ARGUMENT (a flavor that the sku doesn't have), SOLD_OUT,
 * LIMIT_EXCEEDED (more lots than an answer can list). Every line is looked at, and what is wrong
 * with it stands in its want; the one that was served first gives the code. In words it is put by
 * who asked.
 */
#include <string.h>

#include "engine/engine_internal.h"

static unsigned specificity(const struct want *w)
{
    if (!str_empty(w->lot))
        return 4;
    return (unsigned)!str_empty(w->flavor) + !str_empty(w->size) + !str_empty(w->batch);
}

void want_order(const struct want *wants, uint16_t count, uint16_t *order)
{
    uint16_t n = 0;
    for (unsigned level = 5; level-- > 0;) {
        for (uint16_t i = 0; i < count; i++) {
            if (specificity(&wants[i]) == level)
                order[n++] = i;
        }
    }
}

static int64_t taken_from(const struct reserve_command *r, lot_id id)
{
    for (uint16_t i = 0; i < r->line_count; i++) {
        if (r->lines[i].lot == id)
            return r->lines[i].quantity;
    }
    return 0;
}

static bool add_line(struct reserve_command *r, lot_id id, int64_t quantity)
{
    for (uint16_t i = 0; i < r->line_count; i++) {
        if (r->lines[i].lot == id) {
            r->lines[i].quantity += quantity;
            return true;
        }
    }
    if (r->line_count >= r->line_max || r->line_count >= ORDER_LINES_MAX)
        return false;
    r->lines[r->line_count++] = (struct line){.lot = id, .quantity = quantity};
    return true;
}

static int trouble_code(enum want_trouble trouble)
{
    switch (trouble) {
    case WANT_SHORT:
    case WANT_EXPIRED:
    case WANT_WITHDRAWN:
        return TLY_ESOLD_OUT;
    case WANT_NO_FLAVOR:
        return TLY_EINVALID_ARGUMENT;
    case WANT_TOO_MANY_LOTS:
        return TLY_ELIMIT_EXCEEDED;
    case WANT_SERVED:
        return 0;
    default:
        return TLY_ENOT_FOUND;
    }
}

lot_id want_named_lot(const struct engine *e, const struct want *w)
{
    lot_id hint = w->lot_hint;
    if (hint > 0 && hint <= e->lots.count && str_equal(lots_at(&e->lots, hint)->dims.key, w->lot))
        return hint;
    return lots_find(&e->lots, w->lot);
}

static enum want_trouble take_named(const struct engine *e, struct reserve_command *r,
                                    struct want *w)
{
    lot_id id = want_named_lot(e, w);
    if (!id)
        return WANT_NO_LOT;
    const struct lot *lot = lots_at(&e->lots, id);
    if (!lot_matches(lot, w->flavor, w->size, w->batch) ||
        !(str_empty(w->sku) || str_equal(w->sku, lot->dims.sku)))
        return WANT_NO_MATCH;
    int64_t available = stock_sellable(e, id);
    if (lot_is_withdrawn(e, lot))
        return WANT_WITHDRAWN;
    if (lot_has_expired(e, lot)) {
        int64_t left = stock_available(&lot->stock);
        w->expired = left > 0 ? left : 0;
        return WANT_EXPIRED;
    }
    int64_t taken = taken_from(r, id);
    if (available - taken < w->quantity) {
        w->available = available;
        w->for_others = taken;
        return WANT_SHORT;
    }
    return add_line(r, id, w->quantity) ? WANT_SERVED : WANT_TOO_MANY_LOTS;
}

static enum want_trouble no_such_lot(const struct engine *e, const struct want *w,
                                     const struct sku *sku)
{
    bool flavor_known = str_empty(w->flavor);
    for (lot_id id = sku->first; id && !flavor_known; id = lots_at(&e->lots, id)->sku_next)
        flavor_known = str_equal(lots_at(&e->lots, id)->dims.flavor, w->flavor);
    return flavor_known ? WANT_NO_MATCH : WANT_NO_FLAVOR;
}

/* Takes from a lot up to `most` units in all; false: the order has too many lots. */
static bool take_up_to(struct reserve_command *r, lot_id id, int64_t most, int64_t *need)
{
    int64_t free_units = most - taken_from(r, id);
    int64_t take = free_units < *need ? free_units : *need;
    if (take <= 0)
        return true;
    *need -= take;
    return add_line(r, id, take);
}

/* What is there first, in the order of sale, then in the same order what is to come. */
static enum want_trouble take_first_expired(const struct engine *e, struct reserve_command *r,
                                            struct want *w, const struct sale *sale)
{
    const struct sku *sku = str_empty(w->sku) ? NULL : lots_sku(&e->lots, w->sku);
    if (!sku)
        return WANT_NO_SKU;
    int64_t need = w->quantity;
    bool matched = false, more = false;
    for (lot_id id = sku->first; id && need; id = lots_at(&e->lots, id)->sku_next) {
        const struct lot *lot = lots_at(&e->lots, id);
        if (!lot_matches(lot, w->flavor, w->size, w->batch) ||
            (sale && !sale_version_sells(sale->version, id, lot)))
            continue;
        matched = true;
        int64_t there = stock_available(&lot->stock);
        there = there > 0 ? there : 0;
        if (lot_is_withdrawn(e, lot))
            continue;
        if (lot_has_expired(e, lot)) {
            w->expired += there;
            continue;
        }
        w->available += stock_sellable(e, id);
        w->for_others += taken_from(r, id);
        more |= lot_backorder_limit(e, lot) > 0;
        if (!take_up_to(r, id, there, &need))
            return WANT_TOO_MANY_LOTS;
    }
    for (lot_id id = more ? sku->first : 0; id && need; id = lots_at(&e->lots, id)->sku_next) {
        const struct lot *lot = lots_at(&e->lots, id);
        bool sells = !lot_has_expired(e, lot) && lot_backorder_limit(e, lot) > 0 &&
                     !(sale && !sale_version_sells(sale->version, id, lot)) &&
                     lot_matches(lot, w->flavor, w->size, w->batch);
        if (sells && !take_up_to(r, id, stock_sellable(e, id), &need))
            return WANT_TOO_MANY_LOTS;
    }
    if (!matched)
        return no_such_lot(e, w, sku);
    if (need == 0)
        return WANT_SERVED;
    return w->available == 0 && w->expired > 0 ? WANT_EXPIRED : WANT_SHORT;
}

static enum want_trouble take(const struct engine *e, struct reserve_command *r, struct want *w,
                              const struct sale *sale)
{
    w->available = w->for_others = w->expired = 0;
    w->trouble =
        (uint8_t)(str_empty(w->lot) ? take_first_expired(e, r, w, sale) : take_named(e, r, w));
    return (enum want_trouble)w->trouble;
}

/* One lot for each flavor, as many as there is room for. */
static void list_flavors(const struct engine *e, struct str name, struct reserve_command *r)
{
    const struct sku *sku = lots_sku(&e->lots, name);
    for (lot_id id = sku->oldest; id; id = lots_at(&e->lots, id)->sku_next_new) {
        struct str flavor = lots_at(&e->lots, id)->dims.flavor;
        bool listed = false;
        for (uint16_t i = 0; i < r->line_count && !listed; i++)
            listed = str_equal(lots_at(&e->lots, r->lines[i].lot)->dims.flavor, flavor);
        if (!listed && !add_line(r, id, 0))
            return;
    }
}

static int refuse(const struct engine *e, struct reserve_command *r, uint16_t failed)
{
    const struct want *w = &r->wants[failed];
    r->failed_want = failed;
    r->available = w->available;
    r->line_count = 0;
    if (w->trouble == WANT_NO_FLAVOR)
        list_flavors(e, w->sku, r);
    return trouble_code((enum want_trouble)w->trouble);
}

/* By lot, as a move has them. Few: insertion sort. */
static void sort_lines(struct line *lines, uint16_t count)
{
    for (uint16_t i = 1; i < count; i++) {
        struct line line = lines[i];
        uint16_t j = i;
        for (; j > 0 && lines[j - 1].lot > line.lot; j--)
            lines[j] = lines[j - 1];
        lines[j] = line;
    }
}

/* What a line that fails took on its way is given back, so that the others are judged without it.
 * Returns the number of the first that failed, or want_count. */
static uint16_t take_all(const struct engine *e, struct reserve_command *r, const struct sale *sale)
{
    uint16_t order[ORDER_LINES_MAX];
    struct line before[ORDER_LINES_MAX];
    uint16_t failed = r->want_count;
    want_order(r->wants, r->want_count, order);
    for (uint16_t i = 0; i < r->want_count; i++) {
        uint16_t count = r->line_count;
        memcpy(before, r->lines, count * sizeof *before);
        if (take(e, r, &r->wants[order[i]], sale) == WANT_SERVED)
            continue;
        if (failed == r->want_count)
            failed = order[i];
        memcpy(r->lines, before, count * sizeof *before);
        r->line_count = count;
    }
    return failed;
}

int order_check_wants(struct command *c, const struct reserve_command *r)
{
    if (r->want_count == 0 || r->want_count > ORDER_LINES_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "an order has 1 to %d lines", ORDER_LINES_MAX);
    for (uint16_t i = 0; i < r->want_count; i++) {
        if (r->wants[i].quantity < 1 || r->wants[i].quantity > QUANTITY_MAX)
            return engine_say(c, TLY_EINVALID_ARGUMENT, "quantity is 1 to %d", QUANTITY_MAX);
    }
    return 0;
}

int allocate_order(const struct engine *e, struct reserve_command *r, const struct sale *sale)
{
    r->line_count = 0;
    uint16_t failed;
    if (r->want_count == 1)
        failed = take(e, r, &r->wants[0], sale) == WANT_SERVED;
    else
        failed = take_all(e, r, sale);
    if (failed < r->want_count)
        return refuse(e, r, failed);
    sort_lines(r->lines, r->line_count);
    return 0;
}
