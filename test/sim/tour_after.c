/* The tour's second part: what comes after buying, each kind of answer once. */
#include "request.h"

static struct sim_order *order(struct world *w, const struct sim_lot *lot, int64_t quantity,
                               int64_t hold_ms)
{
    struct sim_order *o = client_new_order(w);
    o->hold_ms = hold_ms;
    o->server_made = true;
    o->want_count = 1;
    o->wants[0] = (struct want){.lot = lot->dims.key, .quantity = quantity};
    client_reserve(w, o, false, false);
    world_settle(w);
    return o;
}

static struct sim_order *bought(struct world *w, const struct sim_lot *lot, int64_t quantity)
{
    struct sim_order *o = order(w, lot, quantity, 1000);
    client_confirm(w, o->reservation_id, NULL, 0);
    world_settle(w);
    return o;
}

static struct sim_call *named(struct world *w, struct sim_order *o, enum sim_call_kind kind,
                              const char *id, const struct sim_lot *lot, uint8_t quantity)
{
    struct sim_call *call = client_call(o, kind, id);
    call->part_count = lot ? 1 : 0;
    if (lot) {
        call->parts[0].lot = (uint8_t)(lot - w->lots);
        call->parts[0].quantity = quantity;
    }
    return call;
}

static void make(struct world *w, struct sim_order *o, enum sim_call_kind kind,
                 struct sim_call *call, bool changed)
{
    client_make_call(w, o, kind, call, changed);
    world_settle(w);
}

static void all_of(struct world *w, struct sim_order *o, enum sim_call_kind kind, bool no_restock)
{
    struct sim_call all = {.no_restock = no_restock};
    make(w, o, kind, &all, false);
}

/* Five are bought: two leave, one comes back before it left, the rest leaves, and comes back. */
static void ship_and_return(struct world *w, const struct sim_lot *lot)
{
    struct sim_order *o = bought(w, lot, 5);
    struct sim_call *two = named(w, o, SIM_SHIP, "a", lot, 2);
    make(w, o, SIM_SHIP, two, false);
    make(w, o, SIM_SHIP, two, false);
    make(w, o, SIM_SHIP, two, true);
    struct sim_call *one = named(w, o, SIM_RETURN, "a", lot, 1);
    make(w, o, SIM_RETURN, one, false);
    make(w, o, SIM_RETURN, one, false);
    make(w, o, SIM_RETURN, one, true);
    all_of(w, o, SIM_SHIP, false);
    all_of(w, o, SIM_SHIP, false);
    struct sim_call *rest = named(w, o, SIM_RETURN, "b", lot, 4);
    make(w, o, SIM_RETURN, rest, false);
    all_of(w, o, SIM_SHIP, false);
    o = bought(w, lot, 3);
    make(w, o, SIM_SHIP, named(w, o, SIM_SHIP, "a", lot, 1), false);
    all_of(w, o, SIM_RETURN, true);
}

/* It gets more, fewer, others, and all that is asked for or nothing. */
static void change(struct world *w, const struct sim_lot *lot, const struct sim_lot *other)
{
    struct sim_order *o = order(w, lot, 2, 1000);
    struct sim_call more = {.part_count = 1, .parts = {{(uint8_t)(lot - w->lots), 3}}};
    make(w, o, SIM_CHANGE, &more, false);
    make(w, o, SIM_CHANGE, &more, false);
    more.parts[0].quantity = 250;
    make(w, o, SIM_CHANGE, &more, false);
    struct sim_call *others = named(w, o, SIM_CHANGE, "a", other, 1);
    make(w, o, SIM_CHANGE, others, false);
    make(w, o, SIM_CHANGE, others, false);
    client_look_up(w, o, 0);
    world_settle(w);
    client_refund(w, o->reservation_id, REASON_NONE);
    world_settle(w);
    make(w, o, SIM_CHANGE, others, false);
    make(w, o, SIM_CHANGE, &more, false);
}

/* Its units are free still; and the next time somebody else has bought them. */
static void pay_late(struct world *w, const struct sim_lot *lot)
{
    struct sim_order *o = order(w, lot, 2, 10);
    world_wait(w, w->now_ms + 20);
    client_confirm(w, o->reservation_id, NULL, 0);
    world_settle(w);
    client_reclaim(w, o);
    world_settle(w);
    all_of(w, o, SIM_RETURN, false);
    client_reclaim(w, o);
    world_settle(w);
    o = order(w, lot, 2, 10);
    world_wait(w, w->now_ms + 20);
    client_adjust(w, lot, -1, NULL);
    world_settle(w);
    struct sim_order *all = order(w, lot, 16, 1000);
    for (int64_t units = 16; units; units /= 2) /* as many as there are */
        all = order(w, lot, units, 1000);
    client_reclaim(w, o);
    world_settle(w);
    client_refund(w, all->reservation_id, REASON_NONE);
    world_settle(w);
}

static void fence(struct world *w, const struct sim_lot *lot)
{
    struct sim_order *o = client_new_order(w);
    o->want_count = 1;
    o->hold_ms = 1000;
    o->wants[0] = (struct want){.lot = lot->dims.key, .quantity = 1};
    client_fence(w, o);
    world_settle(w);
    client_fence(w, o);
    world_settle(w);
    client_reserve(w, o, true, false);
    world_settle(w);
    client_reclaim(w, o);
    world_settle(w);
}

static void all_or_none(struct world *w, const struct sim_lot *lot, const struct sim_lot *other)
{
    struct sim_all *all = client_new_all(w);
    all->ids[all->count++] = order(w, lot, 1, 1000)->reservation_id;
    all->ids[all->count++] = order(w, other, 1, 1000)->reservation_id;
    client_confirm_all(w, all);
    world_settle(w);
    client_confirm_all(w, all);
    world_settle(w);
    struct sim_all *none = client_new_all(w);
    none->ids[none->count++] = order(w, lot, 1, 1000)->reservation_id;
    none->ids[none->count++] = all->ids[0];
    client_confirm_all(w, none);
    world_settle(w);
}

void tour_after(struct world *w, const struct sim_lot *lot, const struct sim_lot *other)
{
    ship_and_return(w, lot);
    change(w, lot, other);
    fence(w, lot);
    all_or_none(w, lot, other);
    pay_late(w, lot);
}
