/* What clients do: order, order again, pay, cancel, extend, look, supply, and all of it again. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "request.h"

enum { DAY_MS = 86400000, HOLD_MIN_MS = 5, HOLD_MAX_MS = 1500, SIM_ORDERS_KEPT = 300 };

static const char *const skus[] = {"cola", "beer"};
static const char *const flavors[] = {"lime", "plain"};
static const char *const sizes[] = {"330ml_can", "500ml_bottle"};

/* ---- the world's goods ---- */

static void add_lot(struct world *w, uint32_t sku, uint32_t flavor, char batch, int64_t today)
{
    static const int32_t expiry[] = {-1, 0, 0, 1, 2, LOT_NEVER_EXPIRES};
    struct sim_lot *lot = &w->lots[w->lot_count];
    snprintf(lot->key, sizeof lot->key, "%s#%08x", skus[sku], w->lot_count);
    snprintf(lot->batch, sizeof lot->batch, "BATCH-20260101-%c", batch);
    int32_t days = expiry[rng_below(&w->rng, 6)];
    lot->dims = (struct lot_dims){
        .key = str_of(lot->key),
        .sku = str_of(skus[sku]),
        .flavor = str_of(flavors[flavor]),
        .size = str_of(sizes[rng_below(&w->rng, 2)]),
        .batch = str_of(lot->batch),
        .expires_on = days == LOT_NEVER_EXPIRES ? days : (int32_t)today + days,
    };
    lot->quantity = rng_chance(&w->rng, 150) ? 0 : rng_between(&w->rng, 1, 14);
    w->lot_count++;
}

void clients_init(struct world *w)
{
    uint32_t flavor_count = rng_between(&w->rng, 1, 2);
    uint32_t batch_count = rng_between(&w->rng, 1, 3);
    w->sku_count = rng_between(&w->rng, 1, 2);
    for (uint32_t sku = 0; sku < w->sku_count; sku++)
        for (uint32_t flavor = 0; flavor < flavor_count; flavor++)
            for (uint32_t batch = 0; batch < batch_count; batch++)
                add_lot(w, sku, flavor, (char)('A' + batch), w->now_ms / DAY_MS);
}

struct sim_lot *client_any_lot(struct world *w)
{
    return &w->lots[rng_below(&w->rng, w->lot_count)];
}

/* ---- requests ---- */

struct request *client_request(struct world *w, enum command_kind command, enum audit_kind kind)
{
    struct request *q = calloc(1, sizeof *q);
    if (!q)
        abort();
    q->command.kind = (uint8_t)command;
    q->command.text = q->text;
    q->command.text_size = sizeof q->text;
    q->command_out = true;
    q->ask_count = 1;
    q->asks[0].kind = kind;
    q->node = rng_below(&w->rng, w->node_count);
    while (!w->nodes[q->node].running)
        q->node = (q->node + 1) % w->node_count;
    for (size_t i = 0; i < SIM_BATCH_MAX; i++) {
        q->asks[i].context = q;
        q->asks[i].node = q->node;
    }
    if (w->class >= WORLD_STORM && !w->calm && rng_chance(&w->rng, 100))
        q->command.deadline_ns = (uint64_t)(w->now_ms + rng_below(&w->rng, 20)) * 1000000 + 1;
    q->asks[0].may_be_late = q->command.deadline_ns != 0;
    q->asks[0].number = ++w->request_count;
    return q;
}

/* It is on its way: the auditor knows of it from here on. */
static void leave(struct world *w, struct request *q)
{
    q->next = w->requests;
    w->requests = q;
    q->asks_out = q->ask_count;
    for (uint32_t i = 0; i < q->ask_count; i++)
        auditor_sent(w->auditor, &q->asks[i], w->now_ms);
}

void client_send(struct world *w, struct request *q)
{
    leave(w, q);
    process_send(&w->nodes[q->node].process, &q->command);
}

/* ---- the gate ---- */

/* The worker asks it about the i-th order. */
static void ask_gate(struct world *w, struct request *q, uint32_t i, bool order_new)
{
    struct reserve_command *r = &q->orders[i];
    struct gate_ask *ask = &q->gate_asks[i];
    for (uint16_t j = 0; j < r->want_count; j++) {
        const struct want *v = &r->wants[j];
        q->gate_lines[i][j] = (struct gate_line){
            .lot = v->lot, .goods = str_empty(v->lot) ? &v->goods : NULL, .quantity = v->quantity};
    }
    *ask = (struct gate_ask){.lines = q->gate_lines[i],
                             .line_count = r->want_count,
                             .order_new = order_new,
                             .order_id = r->order_id,
                             .user_id = r->user_id,
                             .sale_id = r->extra ? r->extra->sale_id : (struct str){0},
                             .order_hash = r->order_hash,
                             .context = q};
    q->gate_waits++;
    process_ask(&w->nodes[q->node].process, ask, w->now_ms);
}

/* All that were asked about are answered. */
static void go_on(struct world *w, struct request *q)
{
    bool single = q->command.kind == COMMAND_RESERVE;
    if (single && q->gate_asks[0].verdict == GATE_SOLD_OUT) {
        request_refused_by_gate(w, q);
        return;
    }
    if (single)
        q->command.reserve = q->orders[0];
    process_send(&w->nodes[q->node].process, &q->command);
}

void request_admitted(struct world *w, struct gate_ask *ask)
{
    struct request *q = ask->context;
    struct reserve_command *r = &q->orders[ask - q->gate_asks];
    for (uint16_t i = 0; i < r->want_count; i++) {
        r->wants[i].lot_hint = ask->lines[i].lot_id;
        r->wants[i].gate_taken = ask->verdict == GATE_PASS;
    }
    if (--q->gate_waits == 0 && q->with_gate)
        go_on(w, q);
}

/* ---- orders ---- */

static void want_lot(struct world *w, struct want *want, const struct sim_lot *lot)
{
    *want = (struct want){.lot = lot->dims.key, .quantity = rng_between(&w->rng, 1, 4)};
}

static void want_sku(struct world *w, struct want *want, uint32_t sku)
{
    *want = (struct want){.sku = str_of(skus[sku]), .quantity = rng_between(&w->rng, 1, 8)};
    if (rng_chance(&w->rng, 600))
        want->flavor = str_of(flavors[0]);
    if (rng_chance(&w->rng, 200))
        want->size = str_of(sizes[rng_below(&w->rng, 2)]);
}

struct sim_order *client_new_order(struct world *w)
{
    assert(w->order_count < SIM_ORDERS_MAX);
    struct sim_order *o = &w->orders[w->order_count++];
    snprintf(o->order_id, sizeof o->order_id, "order-%u", w->order_count);
    if (w->calm)
        snprintf(o->user_id, sizeof o->user_id, "guest-%u", w->order_count);
    else
        snprintf(o->user_id, sizeof o->user_id, "user-%u", rng_below(&w->rng, 5));
    return o;
}

struct sim_order *client_any_order(struct world *w)
{
    struct sim_order *o = client_new_order(w);
    o->server_made = rng_chance(&w->rng, 300);
    o->hold_ms = rng_chance(&w->rng, 200) ? 0 : rng_between(&w->rng, HOLD_MIN_MS, HOLD_MAX_MS);
    o->want_count = 1;
    uint32_t kind = rng_below(&w->rng, 100);
    if (kind < 60) {
        want_lot(w, &o->wants[0], client_any_lot(w));
    } else if (kind < 75) {
        o->want_count = rng_between(&w->rng, 2, SIM_WANTS_MAX);
        for (uint32_t i = 0; i < o->want_count; i++)
            want_lot(w, &o->wants[i], client_any_lot(w));
    } else {
        want_sku(w, &o->wants[0], rng_below(&w->rng, w->sku_count));
        if (kind >= 95)
            want_lot(w, &o->wants[o->want_count++], client_any_lot(w));
        else if (kind >= 90)
            want_sku(w, &o->wants[o->want_count++], rng_below(&w->rng, w->sku_count));
    }
    return o;
}

static void trace_wants(struct world *w, const struct request *q, uint32_t i)
{
    for (uint16_t j = 0; j < q->orders[i].want_count; j++) {
        const struct want *v = &q->wants[i][j];
        world_trace(w, "    %lld of %.*s%.*s %.*s %.*s", (long long)v->quantity, STR_ARG(v->lot),
                    STR_ARG(v->sku), STR_ARG(v->flavor), STR_ARG(v->size));
    }
}

static uint64_t fingerprint_of(const struct reserve_command *r)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%.*s", STR_ARG(r->user_id));
    for (uint16_t i = 0; i < r->want_count; i++) {
        const struct want *v = &r->wants[i];
        len += snprintf(text + len, sizeof text - (size_t)len, ";%.*s,%.*s,%.*s,%.*s,%lld",
                        STR_ARG(v->lot), STR_ARG(v->sku), STR_ARG(v->flavor), STR_ARG(v->size),
                        (long long)v->quantity);
    }
    return hash64((struct str){text, (uint32_t)len}, 5);
}

/* Another order under the same order_id. */
static void change_content(struct world *w, struct reserve_command *r)
{
    struct want *v = &r->wants[0];
    uint32_t how = rng_below(&w->rng, 4);
    if (how == 0) {
        r->user_id = STR("user-other");
    } else if (how == 1 && str_empty(v->lot)) {
        v->lot = client_any_lot(w)->dims.key; /* the same goods perhaps, asked for in another way */
        v->sku = v->flavor = v->size = (struct str){0};
    } else if (how == 2 && r->want_count < SIM_WANTS_MAX) {
        want_lot(w, &r->wants[r->want_count++], client_any_lot(w));
    } else {
        v->quantity++;
    }
}

/* Fills the i-th order of the request. A changed one has the order_id but not the content. */
void client_put_order(struct world *w, struct request *q, uint32_t i, struct sim_order *o,
                      bool changed, bool retry)
{
    struct reserve_command *r = &q->orders[i];
    struct audit_ask *ask = &q->asks[i];
    memcpy(q->wants[i], o->wants, sizeof o->wants);
    *r = (struct reserve_command){.order_id = str_of(o->order_id),
                                  .user_id = str_of(o->user_id),
                                  .order_hash = hash64(str_of(o->order_id), SIM_HASH_SEED),
                                  .wants = q->wants[i],
                                  .want_count = (uint16_t)o->want_count,
                                  .hold_ms = o->hold_ms,
                                  .lines = q->lines[i],
                                  .line_max = ORDER_LINES_MAX};
    if (changed)
        change_content(w, r);
    r->fingerprint = fingerprint_of(r);
    if (retry && w->plant == PLANT_NO_DUPLICATE && rng_chance(&w->rng, 300))
        r->order_hash ^= 1;
    q->of[i] = o;
    ask->kind = AUDIT_RESERVE;
    ask->number = q->asks[0].number;
    ask->order_id = r->order_id;
    ask->user_id = r->user_id;
    ask->hold_ms = o->hold_ms;
    ask->may_be_late = q->asks[0].may_be_late;
    ask->fingerprint = r->fingerprint;
    if (o->sale) /* content, too */
        ask->fingerprint = hash64(str_of(o->sale->sale_id), r->fingerprint + (uint64_t)o->group_id);
    ask->want_count = r->want_count;
    ask->sale = (struct str){0};
    ask->group_id = 0;
    ask->opens = false;
    if (o->sale) {
        r->extra = &q->extra[i];
        q->extra[i] =
            (struct order_extra){.sale_id = str_of(o->sale->sale_id), .group_id = o->group_id};
        ask->sale = str_of(o->sale->sale_id);
        ask->group_id = o->group_id;
    }
    for (uint32_t j = 0; j < ask->want_count; j++) {
        const struct want *v = &q->wants[i][j];
        ask->wants[j] = (struct audit_want){.lot = v->lot,
                                            .sku = v->sku,
                                            .flavor = v->flavor,
                                            .size = v->size,
                                            .quantity = v->quantity};
    }
}

static struct sim_order *pick_order(struct world *w, bool *retry)
{
    *retry = w->order_count > 0 && (w->order_count >= SIM_ORDERS_MAX - SIM_ORDERS_KEPT ||
                                    rng_chance(&w->rng, w->retry_per_mille));
    if (!*retry)
        return client_any_order(w);
    uint32_t recent = w->order_count < 8 || rng_chance(&w->rng, 200) ? w->order_count : 8;
    return &w->orders[w->order_count - 1 - rng_below(&w->rng, recent)];
}

void client_reserve(struct world *w, struct sim_order *o, bool retry, bool changed)
{
    if (o->opens) {
        client_open_group(w, o, retry, changed);
        return;
    }
    struct request *q = client_request(w, COMMAND_RESERVE, AUDIT_RESERVE);
    client_put_order(w, q, 0, o, changed, retry);
    world_trace(w, "#%u reserve %s%s%s", q->asks[0].number, o->order_id, retry ? " again" : "",
                changed ? ", changed" : "");
    trace_wants(w, q, 0);
    leave(w, q);
    q->with_gate = true;
    ask_gate(w, q, 0, o->server_made && !retry);
}

static void reserve(struct world *w)
{
    bool retry;
    struct sim_order *o = pick_order(w, &retry);
    client_reserve(w, o, retry, retry && rng_chance(&w->rng, 80));
}

static void reserve_batch(struct world *w)
{
    struct request *q = client_request(w, COMMAND_RESERVE_BATCH, AUDIT_RESERVE);
    q->ask_count = rng_between(&w->rng, 1, SIM_BATCH_MAX);
    q->command.batch.orders = q->orders;
    q->command.batch.count = q->ask_count;
    for (uint32_t i = 0; i < q->ask_count; i++) {
        bool retry;
        struct sim_order *o = pick_order(w, &retry);
        client_put_order(w, q, i, o, retry && rng_chance(&w->rng, 80), retry);
        if (rng_chance(&w->rng, 200)) /* takes its units beforehand, or goes all the same */
            ask_gate(w, q, i, o->server_made && !retry);
        world_trace(w, "#%u reserve %s in a batch", q->asks[0].number, o->order_id);
        trace_wants(w, q, i);
    }
    leave(w, q);
    q->with_gate = true;
    if (q->gate_waits == 0)
        go_on(w, q);
}

/* ---- holds ---- */

int64_t client_any_reservation(struct world *w)
{
    for (int tries = 0; tries < 8 && w->order_count > 0; tries++) {
        uint32_t recent = w->order_count < 20 || rng_chance(&w->rng, 200) ? w->order_count : 20;
        struct sim_order *o = &w->orders[w->order_count - 1 - rng_below(&w->rng, recent)];
        if (o->reservation_id)
            return o->reservation_id;
    }
    return 12345; /* there is none */
}

struct request *client_move(struct world *w, enum command_kind command, enum audit_kind kind,
                            int64_t reservation_id)
{
    struct request *q = client_request(w, command, kind);
    q->command.move.after = q->after;
    q->command.move.reservation_id = reservation_id;
    q->command.move.lines = q->lines[0];
    q->command.move.line_max = ORDER_LINES_MAX;
    q->asks[0].reservation_id = q->command.move.reservation_id;
    world_trace(w, "#%u %s %lld", q->asks[0].number, audit_kind_name(kind),
                (long long)q->asks[0].reservation_id);
    return q;
}

void client_want_part(struct request *q, const struct sim_lot *lot, int64_t quantity)
{
    uint32_t n = q->asks[0].want_count++;
    q->wants[0][n] = (struct want){.lot = lot->dims.key, .quantity = quantity};
    q->command.move.wants = q->wants[0];
    q->command.move.want_count = (uint16_t)q->asks[0].want_count;
    q->asks[0].wants[n] = (struct audit_want){.lot = lot->dims.key, .quantity = quantity};
}

void client_confirm(struct world *w, int64_t reservation_id, const struct sim_lot *part,
                    int64_t quantity)
{
    struct request *q = client_move(w, COMMAND_CONFIRM, AUDIT_CONFIRM, reservation_id);
    q->command.move.payment_id = q->asks[0].payment_id = STR("paid");
    if (part)
        client_want_part(q, part, quantity);
    client_send(w, q);
}

/* All of it, or some units of some lots, one of them perhaps in two lines. */
static void confirm(struct world *w)
{
    struct request *q = client_move(w, COMMAND_CONFIRM, AUDIT_CONFIRM, client_any_reservation(w));
    q->command.move.payment_id = q->asks[0].payment_id = STR("paid");
    if (rng_chance(&w->rng, 300)) {
        const struct sim_lot *lot = client_any_lot(w);
        client_want_part(q, lot, rng_between(&w->rng, 1, 3));
        if (rng_chance(&w->rng, 300))
            client_want_part(q, rng_chance(&w->rng, 500) ? lot : client_any_lot(w),
                             rng_between(&w->rng, 1, 3));
    }
    client_send(w, q);
}

void client_refund(struct world *w, int64_t reservation_id, enum refund_reason reason)
{
    struct request *q = client_move(w, COMMAND_REFUND, AUDIT_REFUND, reservation_id);
    q->command.move.reason = (uint8_t)reason;
    q->asks[0].reason = reason;
    client_send(w, q);
}

void client_extend(struct world *w, int64_t reservation_id, int64_t hold_ms)
{
    struct request *q = client_move(w, COMMAND_EXTEND, AUDIT_EXTEND, reservation_id);
    q->command.move.hold_ms = hold_ms;
    q->asks[0].hold_ms = hold_ms;
    client_send(w, q);
}

/* ---- look-ups ---- */

void client_look_up(struct world *w, const struct sim_order *o, int64_t reservation_id)
{
    struct request *q = client_request(w, COMMAND_GET_RESERVATION, AUDIT_GET_RESERVATION);
    if (o) {
        q->command.get.order_id = str_of(o->order_id);
        q->command.get.order_hash = hash64(str_of(o->order_id), SIM_HASH_SEED);
        q->asks[0].order_id = q->command.get.order_id;
    } else {
        q->command.get.reservation_id = reservation_id;
        q->asks[0].reservation_id = reservation_id;
    }
    world_trace(w, "#%u look up %.*s %lld", q->asks[0].number, STR_ARG(q->asks[0].order_id),
                (long long)q->asks[0].reservation_id);
    client_send(w, q);
}

static void look_up(struct world *w)
{
    bool by_order = w->order_count > 0 && rng_chance(&w->rng, 500);
    client_look_up(w, by_order ? &w->orders[rng_below(&w->rng, w->order_count)] : NULL,
                   by_order ? 0 : client_any_reservation(w));
}

void client_get_lot(struct world *w, const struct sim_lot *lot)
{
    struct request *q = client_request(w, COMMAND_GET_LOT, AUDIT_GET_LOT);
    q->command.get_lot.key = lot->dims.key;
    q->asks[0].lot = q->command.get_lot.key;
    world_trace(w, "#%u look at %.*s", q->asks[0].number, STR_ARG(q->asks[0].lot));
    client_send(w, q);
}

void client_list(struct world *w, const struct lot_dims *filter, lot_id after, uint32_t page_size)
{
    struct request *q = client_request(w, COMMAND_LIST_LOTS, AUDIT_LIST_LOTS);
    q->command.deadline_ns = 0;
    q->command.list.lots = q->views;
    q->command.list.page_size = page_size;
    q->command.list.after = after;
    q->command.list.sku = filter->sku;
    q->command.list.flavor = filter->flavor;
    q->command.list.size = filter->size;
    q->asks[0].wants[0] =
        (struct audit_want){.sku = filter->sku, .flavor = filter->flavor, .size = filter->size};
    q->asks[0].after = after;
    q->asks[0].page_size = page_size;
    world_trace(w, "#%u list lots %.*s %.*s %.*s", q->asks[0].number, STR_ARG(filter->sku),
                STR_ARG(filter->flavor), STR_ARG(filter->size));
    client_send(w, q);
}

void client_look_at_all(struct world *w)
{
    client_list(w, &(struct lot_dims){0}, 0, SIM_LOTS_MAX);
}

static void list(struct world *w)
{
    struct lot_dims filter = client_any_lot(w)->dims;
    if (rng_chance(&w->rng, 400))
        filter.sku = (struct str){0};
    if (rng_chance(&w->rng, 500))
        filter.flavor = (struct str){0};
    if (rng_chance(&w->rng, 500))
        filter.size = (struct str){0};
    client_list(w, &filter, rng_chance(&w->rng, 500) ? rng_below(&w->rng, w->lot_count) : 0,
                rng_between(&w->rng, 1, SIM_LOTS_MAX));
}

void client_watch(struct world *w)
{
    if (w->watching || w->class == WORLD_SHARED)
        return;
    struct request *q = client_request(w, COMMAND_LOT_CHANGES, AUDIT_CHANGES);
    q->command.deadline_ns = 0;
    q->command.changes.since = w->watched_upto;
    q->command.changes.lots = q->views;
    q->command.changes.page_size = rng_between(&w->rng, 1, SIM_LOTS_MAX);
    w->watching = true;
    world_trace(w, "#%u lot changes", q->asks[0].number);
    client_send(w, q);
}

/* ---- stock ---- */

void client_create_lot(struct world *w, const struct sim_lot *lot)
{
    struct request *q = client_request(w, COMMAND_CREATE_LOT, AUDIT_CREATE);
    q->command.deadline_ns = 0;
    q->command.create.dims = lot->dims;
    q->command.create.quantity = lot->quantity;
    q->asks[0].lot = lot->dims.key;
    q->asks[0].quantity = lot->quantity;
    client_put_terms(q, lot);
    world_trace(w, "#%u create %s of %lld", q->asks[0].number, lot->key, (long long)lot->quantity);
    client_send(w, q);
}

void client_adjust(struct world *w, const struct sim_lot *lot, int64_t delta, const char *id)
{
    struct request *q = client_request(w, COMMAND_ADJUST, AUDIT_ADJUST);
    q->command.adjust.key = lot->dims.key;
    q->command.adjust.delta = delta;
    q->command.adjust.reason = STR("counted");
    if (id)
        q->command.adjust.adjustment_id = str_of(id);
    q->asks[0].lot = q->command.adjust.key;
    q->asks[0].quantity = q->command.adjust.delta;
    q->asks[0].adjustment_id = q->command.adjust.adjustment_id;
    world_trace(w, "#%u adjust %.*s by %lld %s", q->asks[0].number, STR_ARG(q->asks[0].lot),
                (long long)delta, id ? id : "");
    client_send(w, q);
}

const char *client_new_adjustment(struct world *w)
{
    assert(w->adjustment_count < SIM_ADJUSTMENTS_MAX);
    char *id = w->adjustments[w->adjustment_count++];
    snprintf(id, SIM_ID_MAX, "adjustment-%u", w->adjustment_count);
    return id;
}

static void adjust(struct world *w)
{
    int64_t delta = (int64_t)rng_below(&w->rng, 8) - 4;
    const char *id = NULL;
    if (rng_chance(&w->rng, 500)) {
        bool fresh = w->adjustment_count == 0 ||
                     (w->adjustment_count < SIM_ADJUSTMENTS_MAX / 2 && rng_chance(&w->rng, 700));
        id = fresh ? client_new_adjustment(w) : w->adjustments[w->adjustment_count - 1];
    }
    client_adjust(w, client_any_lot(w), delta ? delta : 5, id);
}

void client_act(struct world *w)
{
    uint32_t what = rng_below(&w->rng, 100);
    if (rng_chance(&w->rng, w->sale_per_mille))
        client_act_sales(w);
    else if (rng_chance(&w->rng, w->lots_per_mille))
        client_act_lots(w);
    else if (rng_chance(&w->rng, w->after_per_mille))
        client_act_after(w);
    else if (w->adjusts_often && rng_chance(&w->rng, 300))
        adjust(w);
    else if (what < 45)
        reserve(w);
    else if (what < 50)
        reserve_batch(w);
    else if (what < 62)
        confirm(w);
    else if (what < 74)
        client_refund(w, client_any_reservation(w),
                      rng_chance(&w->rng, 300) ? REASON_GROUP_FAILED : REASON_NONE);
    else if (what < 80)
        client_extend(w, client_any_reservation(w), rng_between(&w->rng, HOLD_MIN_MS, HOLD_MAX_MS));
    else if (what < 86)
        look_up(w);
    else if (what < 91)
        client_get_lot(w, client_any_lot(w));
    else if (what < 93)
        list(w);
    else if (what < 94)
        client_watch(w);
    else if (what < 97)
        adjust(w);
    else
        client_create_lot(w, client_any_lot(w));
}
