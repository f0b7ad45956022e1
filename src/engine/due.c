/* due.c - holds that have come to their deadline, and who waits for them and for groups that end.
 *
 * A hold that is due has ended, whatever has been written of it: it leaves the timers for the list
 * of due holds, and from then on its units count as available in all that is shown (engine_view),
 * to watchers, in the statistics and in the gate's count; the lot's version counts its REFUND
 * already. The REFUND moves follow in batches (engine_pump), before anything newer is decided that
 * they concern, so what was shown stays true: an order of a lot waits for the due holds of that
 * lot, and one in a sale for those of the sale, and so for groups that have come to their end
 * (group_step.c). Others get the rest of each batch meanwhile. While
 * the ledger takes no writes the REFUNDs wait here, and nothing is granted.
 *
 * Taking a hold down costs no memory. At most DUE_STEP are taken down in one turn, so that a
 * million of them do not keep the engine from its replies; until all are, look-ups of stock are put
 * off rather than answered with a part of the truth, and engine_next_deadline() is in the past.
 * That is a few turns in a row.
 *
 * A hold that a batch of unknown outcome has moves of is parked: what is shown while that lasts is
 * the stock without that batch (unknown.c).
 */
#include <assert.h>

#include "engine/engine_internal.h"

enum { DUE_STEP = 65536, GROUPS_STEP = 16384 };

static void push(struct hold_list *list, struct hold *h, unsigned slot)
{
    assert(h->timer_slot == HOLD_NO_TIMER);
    h->timer_slot = slot & 0x7ffffu;
    h->timer_next = NULL;
    h->timer_previous = list->last;
    if (list->last)
        list->last->timer_next = h;
    else
        list->first = h;
    list->last = h;
    list->count++;
}

static void unlink_hold(struct hold_list *list, struct hold *h)
{
    if (h->timer_previous)
        h->timer_previous->timer_next = h->timer_next;
    else
        list->first = h->timer_next;
    if (h->timer_next)
        h->timer_next->timer_previous = h->timer_previous;
    else
        list->last = h->timer_previous;
    h->timer_previous = h->timer_next = NULL;
    h->timer_slot = HOLD_NO_TIMER;
    list->count--;
}

bool due_any(const struct engine *e)
{
    return e->due.first || e->groups.due_first;
}

static bool is_waited_for(const struct engine *e, const struct lot *lot)
{
    return lot->due_units || groups_wait_for(&e->groups, lot->group_due);
}

static bool lot_has_due(const struct engine *e, const struct want *w)
{
    if (!str_empty(w->lot)) {
        lot_id id = want_named_lot(e, w);
        return id && is_waited_for(e, lots_at(&e->lots, id));
    }
    const struct sku *sku = lots_sku(&e->lots, w->sku);
    for (lot_id id = sku ? sku->first : 0; id; id = lots_at(&e->lots, id)->sku_next) {
        if (is_waited_for(e, lots_at(&e->lots, id)))
            return true;
    }
    return false;
}

bool due_concerns(const struct engine *e, const struct reserve_command *r)
{
    uint64_t holds = (uint64_t)e->stats.holds_pending + e->paid_in_groups;
    if (e->config.user_holds_max || holds >= e->config.holds_max)
        return true;
    const struct sale *sale = r->extra ? order_sale(e, r->extra) : NULL;
    if (sale && (sale->units_due || groups_wait_for(&e->groups, sale->group_due)))
        return true;
    for (uint16_t i = 0; i < r->want_count; i++) {
        if (lot_has_due(e, &r->wants[i]))
            return true;
    }
    return false;
}

/* The hold's units are shown as available (sign +1), or no more: they are, or it is undone. */
static void show(struct engine *e, const struct hold *h, int sign)
{
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    struct sale *sale = h->in_sale ? hold_sale(h)->sale : NULL;
    for (uint8_t i = 0; i < h->line_count; i++) {
        struct lot *lot = lots_at(&e->lots, lines[i].lot);
        int64_t units = sign * lines[i].quantity;
        int64_t before = stock_for_gate(e, lot);
        lot->due_units = (uint32_t)(lot->due_units + units);
        lot->due_moves = (uint32_t)((int64_t)lot->due_moves + sign);
        e->units_due += units;
        if (sale)
            sale->units_due += units;
        stock_gate_add(e, lines[i].lot, stock_for_gate(e, lot) - before);
        if (sign > 0 && lot->created)
            stock_changed(e, lines[i].lot);
    }
}

void due_add(struct engine *e, struct hold *h)
{
    if (batch_is_unknown(e, h->touched)) {
        push(&e->parked, h, HOLD_PARKED);
    } else {
        push(&e->due, h, HOLD_DUE);
        show(e, h, +1);
    }
}

void due_remove(struct engine *e, struct hold *h)
{
    if (h->timer_slot == HOLD_PARKED) {
        unlink_hold(&e->parked, h);
    } else {
        assert(h->timer_slot == HOLD_DUE);
        unlink_hold(&e->due, h);
        e->due_left++;
        show(e, h, -1);
    }
}

void due_park(struct engine *e, struct hold *h)
{
    if (h->timer_slot != HOLD_DUE)
        return;
    due_remove(e, h);
    due_add(e, h);
}

void due_unpark(struct engine *e)
{
    struct hold *next;
    for (struct hold *h = e->parked.first; h; h = next) {
        next = h->timer_next;
        if (batch_is_unknown(e, h->touched))
            continue;
        due_remove(e, h);
        due_add(e, h);
    }
}

void due_take(struct engine *e)
{
    uint32_t left = DUE_STEP;
    struct hold *h = NULL;
    while (left && (h = timers_due(e->timers, e->now_ms))) {
        due_add(e, h);
        left--;
    }
    e->marking = !group_take_due(e, GROUPS_STEP) || left == 0;
    while (!e->marking && e->put_off.first)
        engine_dispatch(e, list_take(&e->put_off));
}

/* The rest of a batch is for what is decided while they are written, and what is in it waits for so
 * many rows at most. */
bool due_share_is_full(const struct engine *e)
{
    uint32_t share = e->config.batch_moves_max * 3 / 8;
    return !e->config.shared && e->open->count >= (share ? share : 1);
}

/* False: memory is short. What came with a load is let go in one go. */
bool due_expire(struct engine *e)
{
    while (e->due.first && engine_takes_writes(e) && !due_share_is_full(e)) {
        if (!hold_fits(e, e->due.first, MOVE_REFUND))
            hold_disarm(e, e->due.first); /* till somebody has put the stock right */
        else if (!hold_expire(e, e->due.first))
            return false;
    }
    return true;
}
