/* decide_set.c - the stock of many lots at once, all or none: what a stock file says.
 *
 * First each item is held against its lot; then, if none is at fault, all that changes becomes
 * moves of one batch, which commits as one. An item says what the stock shall be, so that asking
 * twice does no harm. Failures are the items' own faults, and each is told in its item. The lots of
 * a command differ.
 */
#include "engine/engine_internal.h"

static int fault(struct set_item *i, enum set_fault why)
{
    i->fault = (uint8_t)why;
    i->action = SET_PASSED;
    return 1;
}

static int check_new(const struct engine *e, const struct command *c, struct set_item *i,
                     uint32_t creates)
{
    if (c->set.existing_only)
        return 0;
    if (!i->counts || i->quantity < 0)
        return fault(i, SET_NO_QUANTITY);
    if (i->quantity > QUANTITY_MAX)
        return fault(i, SET_TOO_MANY);
    if (engine_next_lot(e) + creates > e->config.lots_max)
        return fault(i, SET_LOTS_MAX);
    i->action = SET_CREATE;
    i->delta = i->quantity;
    return 0;
}

static int check_old(const struct engine *e, const struct command *c, struct set_item *i,
                     const struct lot *lot)
{
    const struct lot_dims *have = &lot->dims;
    const struct stock *s = &lot->stock;
    i->held = s->reserved + s->confirmed;
    if (!str_equal(have->flavor, i->dims.flavor) || !str_equal(have->size, i->dims.size) ||
        !str_equal(have->batch, i->dims.batch))
        return fault(i, SET_COLLIDES);
    if (i->dated && lots_last_day(&e->lots, lot) != i->dims.expires_on)
        return fault(i, SET_OTHER_EXPIRY);
    bool owes = c->set.mode == SET_AVAILABLE && !i->quantity && s->on_hand < i->held;
    int64_t target = !i->counts || owes           ? s->on_hand
                     : c->set.mode == SET_ON_HAND ? i->quantity
                                                  : i->quantity + i->held;
    i->delta = target - s->on_hand;
    if (i->delta > 0 && target > QUANTITY_MAX)
        return fault(i, SET_TOO_MANY);
    if (i->delta < 0 && target < i->held)
        return fault(i, SET_HELD);
    i->action = i->delta == 0 ? SET_SAME : i->delta > 0 ? SET_RAISE : SET_LOWER;
    return 0;
}

static void check(const struct engine *e, struct command *c)
{
    uint32_t creates = c->set.creates_before;
    c->set.faults = 0;
    for (uint32_t k = 0; k < c->set.count; k++) {
        struct set_item *i = &c->set.items[k];
        i->fault = SET_FINE;
        i->action = SET_PASSED;
        i->delta = i->held = 0;
        i->lot = engine_find_lot(e, i->dims.key);
        c->set.faults += (uint32_t)(i->lot ? check_old(e, c, i, lots_at(&e->lots, i->lot))
                                           : check_new(e, c, i, creates));
        creates += i->action == SET_CREATE;
    }
}

/* Lots first: they can be taken back as long as there are no moves of them. */
static bool make_lots(struct engine *e, struct command *c)
{
    const lot_id highest = engine_next_lot(e) - 1;
    uint32_t k = 0;
    for (; k < c->set.count; k++) {
        struct set_item *i = &c->set.items[k];
        if (i->action != SET_CREATE)
            continue;
        i->lot = engine_next_lot(e);
        if (!lots_put(&e->lots, i->lot, &i->dims))
            break;
        shared_made_lot(e, i->lot);
    }
    if (k == c->set.count)
        return true;
    while (k-- > 0) {
        if (c->set.items[k].action == SET_CREATE)
            lots_drop(&e->lots, c->set.items[k].lot);
    }
    e->shared.lots_highest = highest;
    return false;
}

static void apply(struct engine *e, struct command *c)
{
    uint8_t touched = 0;
    struct str reason = batch_keep(e, c->set.reason);
    for (uint32_t k = 0; k < c->set.count; k++) {
        const struct set_item *i = &c->set.items[k];
        if (i->action == SET_SAME || i->action == SET_PASSED) {
            touched |= i->lot ? lots_at(&e->lots, i->lot)->touched : 0;
            continue;
        }
        const struct line line = {.lot = i->lot, .quantity = i->delta};
        bool creates = i->action == SET_CREATE;
        struct move *m = batch_add(e, creates ? MOVE_CREATE : MOVE_ADJUST, NULL, &line, 1, NULL);
        if (creates)
            m->dims = &lots_at(&e->lots, i->lot)->dims;
        else
            m->note = reason;
        touched |= lots_at(&e->lots, i->lot)->touched;
    }
    batch_attach(e, c, touched);
}

void decide_set_stock(struct engine *e, struct command *c)
{
    if (!c->set.check_only && !engine_takes_writes(e)) {
        engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
        return;
    }
    check(e, c);
    if (c->set.faults)
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "%u of them cannot be done", c->set.faults);
    else if (c->set.check_only)
        engine_reply(e, c);
    else if (!batch_make_room(e, c->set.count, 0) || !make_lots(e, c))
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
    else
        apply(e, c);
}
