/* stock.c - the only place where a lot's counters change. I1 is asserted at every change:
 * on_hand = available + reserved + confirmed, the last two and on_hand >= 0, available >= minus the
 * highest backorder_limit that the lot ever had. (Over a shared ledger others may write what does
 * not add up; then moves are refused that would make it worse.)
 *
 * Every change of what a lot sells goes to the gate as a difference, and every unit that the gate
 * took for an ask goes back to it when the ask is decided, whichever way: so its count is always
 * the units that the lot sells minus what undecided asks took. Nothing here can fail.
 */
#include <assert.h>

#include "engine/engine_internal.h"

static int64_t backorder_most(const struct engine *e, const struct lot *lot)
{
    return lot->extra ? lots_extra(&e->lots, lot->extra)->terms.backorder_most : 0;
}

static bool sound(const struct stock *s, int64_t most)
{
    return s->on_hand >= 0 && s->reserved >= 0 && s->confirmed >= 0 &&
           stock_available(s) >= -most && s->on_hand <= QUANTITY_MAX;
}

bool stock_is_sound(const struct engine *e, lot_id id, const struct stock *stock)
{
    return sound(stock, backorder_most(e, lots_at(&e->lots, id)));
}

static struct stock after(const struct stock *s, enum move_kind kind, int64_t units)
{
    const struct move_effect *effect = &move_effects[kind];
    return (struct stock){
        .on_hand = s->on_hand + effect->on_hand * units,
        .reserved = s->reserved + effect->reserved * units,
        .confirmed = s->confirmed + effect->confirmed * units,
        .version = s->version,
    };
}

/* Somebody may have written a stock that does not add up: no move makes that worse. */
static bool no_worse(const struct stock *before, const struct stock *then, int64_t most)
{
    return then->on_hand >= 0 && then->reserved >= 0 && then->confirmed >= 0 &&
           (stock_available(then) >= -most || stock_available(then) >= stock_available(before)) &&
           then->on_hand <= QUANTITY_MAX;
}

bool stock_allows(const struct engine *e, enum move_kind kind, lot_id id, int64_t quantity)
{
    const struct stock *before = &lots_at(&e->lots, id)->stock;
    struct stock then = after(before, kind, quantity);
    if (!e->config.shared)
        return stock_is_sound(e, id, &then);
    return no_worse(before, &then, backorder_most(e, lots_at(&e->lots, id)));
}

int64_t stock_sellable(const struct engine *e, lot_id id)
{
    const struct lot *lot = lots_at(&e->lots, id);
    int64_t available = stock_available(&lot->stock);
    if (!lot->extra)
        return available;
    if (lot_is_withdrawn(e, lot))
        return 0;
    int64_t units = available + lot_backorder_limit(e, lot);
    if (units > QUANTITY_MAX)
        return QUANTITY_MAX; /* no line has more */
    return units > 0 ? units : 0;
}

int64_t stock_for_gate(const struct engine *e, const struct lot *lot)
{
    int64_t available = stock_available(&lot->stock) + lot->due_units;
    if (lot_is_withdrawn(e, lot))
        return 0;
    int64_t units = available + lot_backorder_limit(e, lot);
    return units > 0 ? units : 0;
}

static void put(struct engine *e, lot_id id, const struct stock *stock)
{
    struct lot *lot = lots_at(&e->lots, id);
    assert(e->config.shared || stock_is_sound(e, id, stock));
    e->stats.units_on_hand += stock->on_hand - lot->stock.on_hand;
    e->stats.units_reserved += stock->reserved - lot->stock.reserved;
    e->stats.units_confirmed += stock->confirmed - lot->stock.confirmed;
    int64_t before = stock_for_gate(e, lot);
    lot->stock = *stock;
    stock_gate_add(e, id, stock_for_gate(e, lot) - before);
}

void stock_apply(struct engine *e, enum move_kind kind, lot_id id, int64_t quantity, int sign)
{
    struct stock then = after(&lots_at(&e->lots, id)->stock, kind, sign * quantity);
    then.version += sign;
    put(e, id, &then);
}

static void lend(struct engine *e, const struct hold *h, int sign)
{
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    for (uint8_t i = 0; i < h->line_count; i++)
        lots_at(&e->lots, lines[i].lot)->stock.reserved -= sign * lines[i].quantity;
}

void stock_lend(struct engine *e, const struct hold *h)
{
    lend(e, h, +1);
}

void stock_take_back(struct engine *e, const struct hold *h)
{
    lend(e, h, -1);
}

void stock_set(struct engine *e, lot_id id, const struct stock *stock)
{
    put(e, id, stock);
}

void stock_gate_add(struct engine *e, lot_id id, int64_t units)
{
    struct lot *lot = lots_at(&e->lots, id);
    if (!units || !lot->created || e->loading)
        return;
    lot->gate_units += units;
    if (lot->gate_listed)
        return;
    lot->gate_listed = true;
    lot->gate_next = e->gate_first;
    e->gate_first = id;
}

void stock_settle_gate(struct engine *e, struct want *wants, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        struct want *w = &wants[i];
        if (!w->gate_taken)
            continue;
        w->gate_taken = false;
        if (lots_has(&e->lots, w->lot_hint))
            stock_gate_add(e, w->lot_hint, w->quantity);
    }
}

size_t engine_gate_deltas(struct engine *e, struct gate_delta *out, size_t max)
{
    size_t count = 0;
    while (e->gate_first && count < max) {
        lot_id id = e->gate_first;
        struct lot *lot = lots_at(&e->lots, id);
        e->gate_first = lot->gate_next;
        lot->gate_listed = false;
        if (lot->gate_units && id <= e->gate_lots)
            out[count++] = (struct gate_delta){.lot = id, .units = lot->gate_units};
        lot->gate_units = 0;
    }
    if (!e->gate_first)
        e->gate_lots = e->created;
    return count;
}

static void change_unlink(struct engine *e, struct lot *lot)
{
    if (lot->change_previous)
        lots_at(&e->lots, lot->change_previous)->change_next = lot->change_next;
    else
        e->change_oldest = lot->change_next;
    if (lot->change_next)
        lots_at(&e->lots, lot->change_next)->change_previous = lot->change_previous;
    else
        e->change_newest = lot->change_previous;
}

void stock_changed(struct engine *e, lot_id id)
{
    struct lot *lot = lots_at(&e->lots, id);
    if (e->change_newest != id) {
        if (lot->change)
            change_unlink(e, lot);
        lot->change_previous = e->change_newest;
        lot->change_next = 0;
        if (e->change_newest)
            lots_at(&e->lots, e->change_newest)->change_next = id;
        else
            e->change_oldest = id;
        e->change_newest = id;
    }
    lot->change = ++e->change;
}
