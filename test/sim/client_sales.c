/* Sales and groups: orders in them, who opens and who joins, what the shop does with them. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

static struct sim_sale *new_sale(struct world *w)
{
    struct sim_sale *s = &w->sales[w->sale_count++];
    snprintf(s->sale_id, sizeof s->sale_id, "sale-%u", w->sale_count);
    s->terms.sale_id = str_of(s->sale_id);
    return s;
}

static int64_t maybe(struct world *w, uint32_t low, uint32_t high)
{
    return rng_chance(&w->rng, 600) ? rng_between(&w->rng, low, high) : 0;
}

void client_init_sales(struct world *w)
{
    uint32_t count = w->sale_per_mille ? rng_between(&w->rng, 1, SIM_SALES_MAX - 2) : 0;
    while (w->sale_count < count) {
        struct audit_sale_terms *t = &new_sale(w)->terms;
        t->item_count = rng_between(&w->rng, 1, AUDIT_ITEMS_MAX);
        for (uint32_t i = 0; i < t->item_count; i++) {
            const struct sim_lot *lot = &w->lots[(i * 5 + w->sale_count) % w->lot_count];
            t->items[i].lot = lot->dims.key;
            if (i == 1 || rng_chance(&w->rng, 500))
                t->items[i] = (struct audit_want){.sku = lot->dims.sku};
        }
        if (t->item_count == 2 && str_equal(t->items[0].sku, t->items[1].sku))
            t->item_count = 1;
        t->starts_ms = w->now_ms + (rng_chance(&w->rng, 300) ? rng_below(&w->rng, 400) : 0);
        t->ends_ms = t->starts_ms + rng_between(&w->rng, 200, 8000);
        t->per_user = maybe(w, 2, 8);
        t->per_order = maybe(w, 2, 5);
        t->total = maybe(w, 4, 20);
        t->hold_ms = maybe(w, 50, 2000);
        t->extend_ms = maybe(w, 100, 2000);
        if (rng_chance(&w->rng, 750)) {
            t->group_size = rng_between(&w->rng, 2, 3);
            t->window_ms = rng_between(&w->rng, 20, 1500);
        }
    }
}

void client_create_sale(struct world *w, const struct sim_sale *s)
{
    struct request *q = client_request(w, COMMAND_CREATE_SALE, AUDIT_CREATE_SALE);
    const struct audit_sale_terms *t = &s->terms;
    q->copy = malloc(sizeof *q->copy);
    if (!q->copy)
        abort();
    for (uint32_t i = 0; i < t->item_count; i++)
        q->items[i].sku = str_empty(t->items[i].lot) ? t->items[i].sku : t->items[i].lot;
    q->sale = (struct sale_command){.copy = q->copy,
                                    .terms = {.sale_id = t->sale_id,
                                              .title = STR("a sale"),
                                              .starts_ms = t->starts_ms,
                                              .ends_ms = t->ends_ms,
                                              .per_user_limit = t->per_user,
                                              .per_order_limit = t->per_order,
                                              .total_limit = t->total,
                                              .hold_ms = t->hold_ms,
                                              .payment_extend_ms_max = t->extend_ms,
                                              .group_window_ms = t->window_ms,
                                              .group_size = (uint16_t)t->group_size,
                                              .item_count = (uint16_t)t->item_count,
                                              .items = q->items}};
    q->command.sale = &q->sale;
    q->asks[0].terms = t;
    world_trace(w, "#%u make %s: user %lld, order %lld, all %lld, groups of %u in %lld ms",
                q->asks[0].number, s->sale_id, (long long)t->per_user, (long long)t->per_order,
                (long long)t->total, t->group_size, (long long)t->window_ms);
    client_send(w, q);
}

void client_close_sale(struct world *w, const struct sim_sale *s)
{
    struct request *q = client_request(w, COMMAND_CLOSE_SALE, AUDIT_CLOSE_SALE);
    q->copy = malloc(sizeof *q->copy);
    if (!q->copy)
        abort();
    q->sale = (struct sale_command){.copy = q->copy, .terms.sale_id = s->terms.sale_id};
    q->command.sale = &q->sale;
    q->asks[0].sale = s->terms.sale_id;
    world_trace(w, "#%u close %s", q->asks[0].number, s->sale_id);
    client_send(w, q);
}

void client_group(struct world *w, enum command_kind command, int64_t group_id)
{
    bool completes = command == COMMAND_COMPLETE_GROUP;
    struct request *q =
        client_request(w, command, completes ? AUDIT_COMPLETE_GROUP : AUDIT_GET_GROUP);
    q->command.group.group_id = q->asks[0].group_id = group_id;
    if (completes)
        q->command.group.reason = STR("enough of them");
    world_trace(w, "#%u %s %lld", q->asks[0].number, audit_kind_name(q->asks[0].kind),
                (long long)group_id);
    client_send(w, q);
}

void client_open_group(struct world *w, struct sim_order *o, bool retry, bool changed)
{
    struct request *q = client_request(w, COMMAND_OPEN_GROUP, AUDIT_RESERVE);
    client_put_order(w, q, 0, o, changed, retry);
    q->asks[0].opens = true;
    q->command.group.sale_id = q->asks[0].sale;
    q->command.group.order = &q->orders[0];
    world_trace(w, "#%u open a group in %s with %s%s", q->asks[0].number, o->sale->sale_id,
                o->order_id, retry ? " again" : "");
    client_send(w, q);
}

static int64_t any_group(struct world *w)
{
    if (!w->group_count || rng_chance(&w->rng, 20))
        return 12345; /* there is none */
    uint32_t recent = w->group_count < 4 || rng_chance(&w->rng, 100) ? w->group_count : 4;
    return w->groups[w->group_count - 1 - rng_below(&w->rng, recent)];
}

static void order(struct world *w, const struct sim_sale *s)
{
    if (w->order_count >= SIM_ORDERS_MAX / 2)
        return;
    struct sim_order *o = client_new_order(w);
    const struct audit_want *item = &s->terms.items[rng_below(&w->rng, s->terms.item_count)];
    o->sale = s;
    o->hold_ms = rng_chance(&w->rng, 300) ? 0 : rng_between(&w->rng, 5, 1500);
    o->want_count = 1;
    o->wants[0] = (struct want){.lot = item->lot, .quantity = rng_between(&w->rng, 1, 3)};
    o->wants[0].sku = item->sku;
    if (rng_chance(&w->rng, 60)) { /* perhaps it is not sold there */
        o->wants[0].sku = (struct str){0};
        o->wants[0].lot = client_any_lot(w)->dims.key;
    }
    if (s->terms.group_size && rng_chance(&w->rng, 850)) {
        o->opens = w->group_count == 0 || rng_chance(&w->rng, 350);
        o->group_id = o->opens ? 0 : any_group(w);
    }
    client_reserve(w, o, false, false);
}

void client_act_sales(struct world *w)
{
    uint32_t what = rng_below(&w->rng, 100);
    const struct sim_sale *s = &w->sales[rng_below(&w->rng, w->sale_count)];
    if (what < 75)
        order(w, s);
    else if (what < 81)
        client_create_sale(w, s);
    else if (what < 82)
        client_close_sale(w, s);
    else if (what < 87)
        client_group(w, COMMAND_COMPLETE_GROUP, any_group(w));
    else
        client_group(w, COMMAND_GET_GROUP, any_group(w));
}

/* ---- the tour ---- */

static struct sim_order *buy(struct world *w, const struct sim_sale *s, const struct sim_lot *lot,
                             const char *user, int64_t quantity, int64_t group_id, bool opens)
{
    struct sim_order *o = client_new_order(w);
    snprintf(o->user_id, sizeof o->user_id, "%s", user);
    o->sale = s;
    o->hold_ms = 2000;
    o->want_count = 1;
    o->wants[0] = (struct want){.lot = lot->dims.key, .quantity = quantity};
    o->group_id = group_id;
    o->opens = opens;
    client_reserve(w, o, false, false);
    world_settle(w);
    return o;
}

static void pay(struct world *w, const struct sim_order *o)
{
    client_confirm(w, o->reservation_id, NULL, 0);
    world_settle(w);
}

static int64_t newest_group(const struct world *w)
{
    return w->group_count ? w->groups[w->group_count - 1] : 0;
}

static void groups(struct world *w, const struct sim_sale *s, const struct sim_lot *lot)
{
    struct sim_order *x = buy(w, s, lot, "anna", 1, 0, true);
    int64_t id = newest_group(w);
    struct sim_order *y = buy(w, s, lot, "bert", 1, id, false);
    buy(w, s, lot, "carl", 1, id, false); /* it is full */
    pay(w, x);
    pay(w, y);
    buy(w, s, lot, "carl", 1, id, false); /* it is over */
    client_group(w, COMMAND_GET_GROUP, id);
    world_settle(w);
    x = buy(w, s, lot, "carl", 2, 0, true);
    buy(w, s, lot, "dora", 1, newest_group(w), false);
    pay(w, x);
    world_wait(w, w->now_ms + s->terms.window_ms); /* it fails */
    x = buy(w, s, lot, "carl", 2, 0, true);
    id = newest_group(w);
    buy(w, s, lot, "carl", 1, id, false);
    pay(w, x);
    client_group(w, COMMAND_COMPLETE_GROUP, id);
    world_settle(w);
}

void tour_sales(struct world *w, const struct sim_lot *lot)
{
    assert(w->sale_count < SIM_SALES_MAX);
    struct sim_sale *s = new_sale(w);
    s->terms.items[0].lot = lot->dims.key;
    s->terms.item_count = 1;
    s->terms.starts_ms = w->now_ms + 50;
    s->terms.ends_ms = w->now_ms + 60000;
    s->terms.per_user = 4;
    s->terms.per_order = 3;
    s->terms.total = 8;
    s->terms.group_size = 2;
    s->terms.window_ms = 300;
    client_create_sale(w, s);
    world_settle(w);
    client_create_sale(w, s);
    world_settle(w);
    buy(w, s, lot, "anna", 1, 0, false);
    world_wait(w, s->terms.starts_ms);
    groups(w, s, lot);
    buy(w, s, lot, "emil", 4, 0, false);
    struct sim_order *three = buy(w, s, lot, "emil", 3, 0, false);
    pay(w, three);
    buy(w, s, lot, "emil", 2, 0, false);
    buy(w, s, lot, "fred", 2, 0, false);
    client_refund(w, three->reservation_id, REASON_NONE);
    world_settle(w);
    buy(w, s, lot, "emil", 2, 0, false);
    client_close_sale(w, s);
    world_settle(w);
    buy(w, s, lot, "anna", 1, 0, false);
}
