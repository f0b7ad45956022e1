/* allocate.c - which lots an order's units come from: all of its wants, or none.
 *
 * A want that names a lot takes from it. A want that names a sku, with some of its dimensions or
 * none, takes first expired first out from the lots that match, over as many as it needs, and never
 * from one that has expired by ledger time in UTC (an expired lot that is named counts as sold
 * out). Wants are served most specific first - named lots, then by the number of dimensions given -
 * so that a general one does not take what only a specific one can. What the order itself has taken
 * from a lot is not available to its next want, so lines of one lot are summed.
 *
 * Refusals: NOT_FOUND (lot, sku), INVALID_ARGUMENT (a flavor that the sku doesn't have), SOLD_OUT,
 * LIMIT_EXCEEDED (more lots than an answer can list).
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"

enum { DAY_MS = 86400000, FLAVOR_LIST_BYTES = 160 };

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

static bool expired(const struct engine *e, const struct lot *lot)
{
    return lot->dims.expires_on != LOT_NEVER_EXPIRES && lot->dims.expires_on < e->now_ms / DAY_MS;
}

static int short_of(struct command *c, struct reserve_command *r, const struct want *w,
                    int64_t available)
{
    r->available = available;
    struct str what = str_empty(w->lot) ? w->sku : w->lot;
    return engine_say(c, TLY_ESOLD_OUT, "%lld of %.*s asked for, %lld available",
                      (long long)w->quantity, STR_ARG(what), (long long)available);
}

static int too_many_lines(struct command *c)
{
    return engine_say(c, TLY_ELIMIT_EXCEEDED, "the order takes more than %d lots", ORDER_LINES_MAX);
}

static lot_id named_lot(const struct engine *e, const struct want *w)
{
    lot_id hint = w->lot_hint;
    if (hint > 0 && hint <= e->lots.count && str_equal(lots_at(&e->lots, hint)->dims.key, w->lot))
        return hint;
    return lots_find(&e->lots, w->lot);
}

static int take_named(const struct engine *e, struct command *c, struct reserve_command *r,
                      const struct want *w)
{
    lot_id id = named_lot(e, w);
    if (!id)
        return engine_say(c, TLY_ENOT_FOUND, "there is no lot %.*s", STR_ARG(w->lot));
    const struct lot *lot = lots_at(&e->lots, id);
    if (!lot_matches(lot, w->flavor, w->size, w->batch) ||
        !(str_empty(w->sku) || str_equal(w->sku, lot->dims.sku)))
        return engine_say(c, TLY_EINVALID_ARGUMENT, "lot %.*s has other dimensions than asked for",
                          STR_ARG(w->lot));
    if (expired(e, lot)) {
        r->available = 0;
        return engine_say(c, TLY_ESOLD_OUT, "lot %.*s has expired", STR_ARG(w->lot));
    }
    int64_t available = stock_available(&lot->stock);
    if (available - taken_from(r, id) < w->quantity)
        return short_of(c, r, w, available);
    return add_line(r, id, w->quantity) ? 0 : too_many_lines(c);
}

/* "cola, lemon": each flavor once. */
static void list_flavors(const struct engine *e, const struct sku *sku, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (lot_id id = sku->oldest; id; id = lots_at(&e->lots, id)->sku_next_new) {
        struct str flavor = lots_at(&e->lots, id)->dims.flavor;
        bool listed = false;
        for (lot_id other = sku->oldest; other != id && !listed;
             other = lots_at(&e->lots, other)->sku_next_new)
            listed = str_equal(lots_at(&e->lots, other)->dims.flavor, flavor);
        if (listed)
            continue;
        if (used + flavor.len + 6 > size) {
            memcpy(out + used, "...", 4);
            return;
        }
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", STR_ARG(flavor));
    }
}

static int no_such_lot(const struct engine *e, struct command *c, const struct want *w,
                       const struct sku *sku)
{
    bool flavor_known = str_empty(w->flavor);
    for (lot_id id = sku->first; id && !flavor_known; id = lots_at(&e->lots, id)->sku_next)
        flavor_known = str_equal(lots_at(&e->lots, id)->dims.flavor, w->flavor);
    if (flavor_known)
        return engine_say(c, TLY_ENOT_FOUND, "sku %.*s has no lot of that flavor, size and batch",
                          STR_ARG(w->sku));
    char flavors[FLAVOR_LIST_BYTES] = "";
    if (c)
        list_flavors(e, sku, flavors, sizeof flavors);
    return engine_say(c, TLY_EINVALID_ARGUMENT, "sku %.*s has no flavor %.*s; it has: %s",
                      STR_ARG(w->sku), STR_ARG(w->flavor), flavors);
}

static int take_first_expired(const struct engine *e, struct command *c, struct reserve_command *r,
                              const struct want *w)
{
    const struct sku *sku = str_empty(w->sku) ? NULL : lots_sku(&e->lots, w->sku);
    if (!sku)
        return engine_say(c, TLY_ENOT_FOUND, "there is no sku %.*s", STR_ARG(w->sku));
    int64_t need = w->quantity;
    int64_t available = 0;
    bool matched = false;
    for (lot_id id = sku->first; id && need; id = lots_at(&e->lots, id)->sku_next) {
        const struct lot *lot = lots_at(&e->lots, id);
        if (!lot_matches(lot, w->flavor, w->size, w->batch))
            continue;
        matched = true;
        if (expired(e, lot))
            continue;
        int64_t free_units = stock_available(&lot->stock);
        available += free_units;
        free_units -= taken_from(r, id);
        int64_t take = free_units < need ? free_units : need;
        if (take > 0 && !add_line(r, id, take))
            return too_many_lines(c);
        need -= take > 0 ? take : 0;
    }
    if (!matched)
        return no_such_lot(e, c, w, sku);
    return need ? short_of(c, r, w, available) : 0;
}

static int take(const struct engine *e, struct command *c, struct reserve_command *r,
                uint16_t number)
{
    const struct want *w = &r->wants[number];
    int code;
    if (w->quantity < 1 || w->quantity > QUANTITY_MAX)
        code = engine_say(c, TLY_EINVALID_ARGUMENT, "quantity is 1 to %d", QUANTITY_MAX);
    else
        code = str_empty(w->lot) ? take_first_expired(e, c, r, w) : take_named(e, c, r, w);
    if (code)
        r->failed_want = number;
    return code;
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

int allocate_order(const struct engine *e, struct command *c, struct reserve_command *r)
{
    r->line_count = 0;
    if (r->want_count == 1) {
        int code = take(e, c, r, 0);
        sort_lines(r->lines, r->line_count);
        return code;
    }
    if (r->want_count == 0 || r->want_count > ORDER_LINES_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "an order has 1 to %d lines", ORDER_LINES_MAX);
    uint16_t order[ORDER_LINES_MAX];
    want_order(r->wants, r->want_count, order);
    for (uint16_t i = 0; i < r->want_count; i++) {
        int code = take(e, c, r, order[i]);
        if (code)
            return code;
    }
    sort_lines(r->lines, r->line_count);
    return 0;
}
