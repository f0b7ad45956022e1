/* A tour through the shop when nothing fails any more. Each request is answered before the next is
 * made, so for each there is one right answer, and the auditor knows it; what the tour adds is that
 * each kind of answer comes at all.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "request.h"

enum { DAY_MS = 86400000 };

/* ---- goods and orders of its own ---- */

static struct sim_lot *tour_lot(struct world *w, const char *size, int32_t expires_on,
                                int64_t quantity, int64_t per_user, int64_t to_come)
{
    struct sim_lot *lot = &w->lots[w->lot_count];
    snprintf(lot->key, sizeof lot->key, "tea#%08x", w->lot_count);
    snprintf(lot->batch, sizeof lot->batch, "BATCH-20260101-%c", (char)('A' + w->lot_count));
    lot->dims = (struct lot_dims){.key = str_of(lot->key),
                                  .sku = STR("tea"),
                                  .flavor = STR("lime"),
                                  .size = str_of(size),
                                  .batch = str_of(lot->batch),
                                  .expires_on = expires_on};
    lot->quantity = quantity;
    if (per_user || to_come) {
        lot->sets = AUDIT_PER_USER | AUDIT_BACKORDER;
        lot->terms = (struct lot_terms){.per_user_limit = per_user, .backorder_limit = to_come};
    }
    w->lot_count++;
    client_create_lot(w, lot);
    world_settle(w);
    return lot;
}

static struct sim_order *new_order(struct world *w, const struct sim_lot *lot, int64_t quantity,
                                   int64_t hold_ms)
{
    struct sim_order *o = client_new_order(w);
    o->hold_ms = hold_ms;
    o->server_made = true; /* or the gate could not refuse it once order_ids lie on disk */
    o->want_count = 1;
    o->wants[0] = (struct want){.lot = lot->dims.key, .quantity = quantity};
    return o;
}

static struct sim_order *order_lot(struct world *w, const struct sim_lot *lot, int64_t quantity,
                                   int64_t hold_ms)
{
    struct sim_order *o = new_order(w, lot, quantity, hold_ms);
    client_reserve(w, o, false, false);
    world_settle(w);
    return o;
}

static struct sim_order *order_sku(struct world *w, struct str sku, int64_t quantity)
{
    struct sim_order *o = client_new_order(w);
    o->hold_ms = 1000;
    o->want_count = 1;
    o->wants[0] = (struct want){.sku = sku, .quantity = quantity};
    client_reserve(w, o, false, false);
    world_settle(w);
    return o;
}

static void retry(struct world *w, struct sim_order *o)
{
    client_reserve(w, o, true, false);
    world_settle(w);
}

static void confirm(struct world *w, const struct sim_order *o)
{
    client_confirm(w, o->reservation_id, NULL, 0);
    world_settle(w);
}

static void refund(struct world *w, const struct sim_order *o)
{
    client_refund(w, o->reservation_id, REASON_NONE);
    world_settle(w);
}

static void extend(struct world *w, const struct sim_order *o, int64_t hold_ms)
{
    client_extend(w, o->reservation_id, hold_ms);
    world_settle(w);
}

static void adjust(struct world *w, const struct sim_lot *lot, int64_t delta, const char *id)
{
    client_adjust(w, lot, delta, id);
    world_settle(w);
}

static int64_t sellable(const struct world *w, const struct sim_lot *lot)
{
    for (lot_id id = 1; id <= auditor_lot_count(w->auditor); id++)
        if (str_equal(auditor_lot_key(w->auditor, id), lot->dims.key))
            return auditor_sellable(w->auditor, id);
    return 0;
}

/* ---- stations ---- */

/* An order of two lots is paid in part and brought back. */
static void part_and_return(struct world *w, const struct sim_lot *early)
{
    struct sim_order *o = order_sku(w, STR("tea"), 5);
    retry(w, o);
    client_reserve(w, o, true, true);
    world_settle(w);
    client_confirm(w, o->reservation_id, early, 2);
    world_settle(w);
    client_confirm(w, o->reservation_id, early, 2);
    world_settle(w);
    retry(w, o);
    refund(w, o);
    refund(w, o);
    confirm(w, o);
    retry(w, o);
}

static void order_two_lots(struct world *w, const struct sim_lot *x, const struct sim_lot *y)
{
    struct sim_order *o = client_new_order(w);
    o->hold_ms = 1000;
    o->want_count = 2;
    o->wants[0] = (struct want){.lot = x->dims.key, .quantity = 1};
    o->wants[1] = (struct want){.lot = y->dims.key, .quantity = 2};
    client_reserve(w, o, false, false);
    world_settle(w);
    retry(w, o);
    refund(w, o);
}

/* A hold is extended to the last millisecond that it may have, and not by one more. */
static void extend_and_cancel(struct world *w, const struct sim_lot *lot)
{
    struct sim_order *o = order_lot(w, lot, 2, 1000);
    int64_t latest_ms = w->now_ms + w->config.hold_total_max_ms;
    world_wait(w, w->now_ms + 300);
    extend(w, o, 400);
    extend(w, o, latest_ms - w->now_ms + 1);
    extend(w, o, latest_ms - w->now_ms);
    extend(w, o, w->config.hold_max_ms + 1);
    world_wait(w, w->now_ms + 1500);
    refund(w, o);
    extend(w, o, 100);
    order_lot(w, lot, 1, w->config.hold_max_ms + 1);
    refund(w, order_lot(w, lot, 1, w->config.hold_max_ms));
}

/* The last units go to one order, and its retry is not told that they are gone. */
static void sell_out(struct world *w, const struct sim_lot *lot)
{
    struct sim_order *o = order_lot(w, lot, sellable(w, lot), 1000);
    order_lot(w, lot, 1, 1000);
    order_sku(w, STR("tea"), 1000);
    retry(w, o);
    adjust(w, lot, -1, NULL);
    confirm(w, o);
    retry(w, o);
    world_wait(w, w->now_ms + w->config.refund_window_ms);
    refund(w, o);
    o = order_lot(w, lot, 1, 1000);
    confirm(w, o);
    world_wait(w, w->now_ms + w->config.refund_window_ms + 1);
    refund(w, o);
}

/* At its very deadline a hold is over, and its units are for sale. */
static void expire(struct world *w, const struct sim_lot *lot)
{
    struct sim_order *o = order_lot(w, lot, 3, 50);
    world_wait(w, w->now_ms + 49);
    extend(w, o, 20);
    w->now_ms += 20;
    confirm(w, o);
    retry(w, o);
    o = order_lot(w, lot, 4, 10);
    w->now_ms += 10;
    /* It has been let go of, that is not committed yet, and the gate is asked just then. */
    node_turn(w, 0, 0);
    struct sim_order *next = new_order(w, lot, 4, 1000);
    client_reserve(w, next, false, false);
    for (uint32_t node = 0; node < w->node_count; node++)
        process_gate(&w->nodes[node].process);
    world_settle(w);
    refund(w, next);
    client_look_up(w, o, 0);
    world_settle(w);
}

static void adjust_stock(struct world *w, const struct sim_lot *lot)
{
    const char *id = client_new_adjustment(w);
    adjust(w, lot, 3, id);
    adjust(w, lot, 3, id);
    adjust(w, lot, 4, id);
    adjust(w, lot, -2, NULL);
    adjust(w, lot, -1000, NULL);
}

static void look_around(struct world *w, const struct sim_lot *lot)
{
    static const struct sim_lot nowhere = {.dims.key = {"tea#ffffffff", 12}};
    static const struct sim_order nobody = {.order_id = "nobody"};
    struct lot_dims filter = {.sku = STR("tea"), .size = lot->dims.size};
    client_get_lot(w, lot);
    world_settle(w);
    client_get_lot(w, &nowhere);
    world_settle(w);
    client_list(w, &filter, 0, SIM_LOTS_MAX);
    world_settle(w);
    filter.sku = (struct str){0};
    w->last.next = 0;
    do {
        client_list(w, &filter, w->last.next, 1);
        world_settle(w);
    } while (w->last.next && !world_broken(w));
    client_look_up(w, &w->orders[w->order_count - 1], 0);
    world_settle(w);
    client_look_up(w, NULL, w->orders[w->order_count - 1].reservation_id);
    world_settle(w);
    client_look_up(w, &nobody, 0);
    world_settle(w);
    client_watch(w);
    world_settle(w);
}

void tour(struct world *w)
{
    for (uint32_t i = 0; i < w->lot_count; i++) { /* what a storm kept from being created */
        client_create_lot(w, &w->lots[i]);
        world_settle(w);
    }
    struct sim_lot *late = tour_lot(w, "330ml_can", LOT_NEVER_EXPIRES, 6, 0, 0);
    struct sim_lot *early = tour_lot(w, "500ml_bottle", (int32_t)(w->now_ms / DAY_MS) + 3, 4, 0, 0);
    client_create_lot(w, late);
    world_settle(w);
    struct sim_lot *many = tour_lot(w, "1l_bottle", LOT_NEVER_EXPIRES, 30, 0, 0);
    struct sim_lot *few = tour_lot(w, "2l_bottle", LOT_NEVER_EXPIRES, 2, 4, 3);
    tour_lot(w, "330ml_can", LOT_NEVER_EXPIRES, 1, 0, 0); /* there is no room for it */
    w->lot_count--;
    order_two_lots(w, late, early);
    part_and_return(w, early);
    extend_and_cancel(w, late);
    sell_out(w, late);
    expire(w, early);
    adjust_stock(w, late);
    look_around(w, early);
    tour_sales(w, many);
    tour_of_lots(w, few, many);
    tour_after(w, many, late);
    world_wait(w, w->now_ms + w->config.hold_total_max_ms + 1);
    auditor_drained(w->auditor);
}

/* ---- everything that is free ---- */

void tour_buy_all(struct world *w)
{
    for (uint32_t i = 0; i < w->lot_count && !world_broken(w); i++) {
        const struct sim_lot *lot = &w->lots[i];
        int64_t units = sellable(w, lot);
        if (units == 0)
            continue; /* or nothing of it is sold */
        const struct sim_order *all = order_lot(w, lot, units, 1000);
        if (w->last.code)
            continue; /* its date is past */
        order_lot(w, lot, 1, 1000);
        refund(w, all);
    }
}

/* ---- days later ---- */

void tour_of_retries(struct world *w)
{
    uint32_t count = w->order_count;
    for (int part = 0; part < 4 && !world_broken(w); part++) {
        world_wait(w, w->now_ms + w->config.order_retention_ms / 2 - DAY_MS / 4);
        for (uint32_t i = 0; i < count && !world_broken(w); i += 1 + count / 30)
            retry(w, &w->orders[i]);
        if (part == 1)
            world_restart(w);
    }
    world_wait(w, w->now_ms + w->config.hold_total_max_ms + 1);
}
