/* What is done after buying: units leave and come back, a hold is changed, a late payment is taken
 * all the same, a cancel comes before its order, several orders are paid for at once. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "request.h"

static struct sim_order *recent_order(struct world *w)
{
    if (w->order_count == 0)
        return NULL;
    uint32_t recent = w->order_count < 20 || rng_chance(&w->rng, 100) ? w->order_count : 20;
    return &w->orders[w->order_count - 1 - rng_below(&w->rng, recent)];
}

/* By its order_id, which the customer knows in any case, or by what the server calls it. */
static void by_order(struct request *q, const struct sim_order *o)
{
    q->command.move.reservation_id = q->asks[0].reservation_id = 0;
    q->command.move.by_order_id = q->asks[0].by_order = str_of(o->order_id);
    q->command.move.order_hash = hash64(str_of(o->order_id), SIM_HASH_SEED);
}

static struct request *move_of(struct world *w, enum command_kind command, enum audit_kind kind,
                               const struct sim_order *o)
{
    struct request *q = client_move(w, command, kind, o->reservation_id);
    if (!o->reservation_id || rng_chance(&w->rng, 250))
        by_order(q, o);
    world_trace(w, "    of %s", o->order_id);
    return q;
}

/* ---- calls that may have an id ---- */

static void random_parts(struct world *w, const struct sim_order *o, struct sim_call *call,
                         uint32_t most)
{
    call->part_count = (uint8_t)rng_between(&w->rng, 1, SIM_PARTS_MAX - 1);
    for (uint32_t i = 0; i < call->part_count; i++) {
        call->parts[i].lot = (uint8_t)rng_below(&w->rng, w->lot_count);
        for (uint32_t j = 0; j < w->lot_count && i < o->want_count; j++)
            if (str_equal(w->lots[j].dims.key, o->wants[i].lot))
                call->parts[i].lot = (uint8_t)j;
        call->parts[i].quantity = (uint8_t)rng_between(&w->rng, 1, most);
    }
}

static void random_call(struct world *w, const struct sim_order *o, enum sim_call_kind kind,
                        struct sim_call *call)
{
    *call = (struct sim_call){0};
    if (kind == SIM_CHANGE || rng_chance(&w->rng, 600))
        random_parts(w, o, call, kind == SIM_CHANGE ? 5 : 2);
    if (kind == SIM_RETURN) {
        call->no_restock = rng_chance(&w->rng, 300);
        call->reason = rng_chance(&w->rng, 200) ? REASON_UNSETTLED : REASON_NONE;
    }
}

struct sim_call *client_call(struct sim_order *o, enum sim_call_kind kind, const char *id)
{
    struct sim_call *call = o->calls[kind];
    while (call->id[0] && strcmp(call->id, id) != 0)
        call++;
    assert(call < o->calls[kind] + SIM_CALLS_MAX);
    snprintf(call->id, sizeof call->id, "%s", id);
    return call;
}

static struct sim_call *call_of(struct world *w, struct sim_order *o, enum sim_call_kind kind,
                                struct sim_call *unnamed)
{
    static const char *const ids[SIM_CALLS_MAX] = {"a", "b"};
    if (rng_chance(&w->rng, 400)) {
        random_call(w, o, kind, unnamed);
        return unnamed;
    }
    uint32_t n = rng_below(&w->rng, SIM_CALLS_MAX);
    struct sim_call *call = &o->calls[kind][n];
    if (!call->id[0]) {
        random_call(w, o, kind, call);
        snprintf(call->id, sizeof call->id, "%s", ids[n]);
    }
    return call;
}

void client_make_call(struct world *w, struct sim_order *o, enum sim_call_kind kind,
                      struct sim_call *call, bool changed)
{
    static const enum command_kind commands[] = {COMMAND_SHIP, COMMAND_REFUND, COMMAND_CHANGE};
    static const enum audit_kind asks[] = {AUDIT_SHIP, AUDIT_REFUND, AUDIT_CHANGE};
    struct request *q = move_of(w, commands[kind], asks[kind], o);
    struct audit_ask *ask = &q->asks[0];
    for (uint32_t i = 0; i < call->part_count; i++)
        client_want_part(q, &w->lots[call->parts[i].lot], call->parts[i].quantity);
    if (changed && call->part_count) {
        q->wants[0][0].quantity++;
        ask->wants[0].quantity++;
    } else if (changed) {
        client_want_part(q, &w->lots[0], 1);
    }
    q->command.move.reason = call->reason;
    q->command.move.no_restock = ask->no_restock = call->no_restock;
    ask->reason = (enum refund_reason)call->reason;
    if (call->id[0]) {
        q->command.move.id = ask->call_id = str_of(call->id);
        q->call = changed ? NULL : call;
    }
    for (uint32_t i = 0; i < ask->want_count; i++)
        world_trace(w, "    %lld of %.*s", (long long)ask->wants[i].quantity,
                    STR_ARG(ask->wants[i].lot));
    world_trace(w, "    id \"%s\"%s", call->id, changed ? ", changed" : "");
    client_send(w, q);
}

static void call(struct world *w, struct sim_order *o, enum sim_call_kind kind)
{
    struct sim_call unnamed;
    struct sim_call *one = call_of(w, o, kind, &unnamed);
    client_make_call(w, o, kind, one, one->done && one->id[0] && rng_chance(&w->rng, 200));
}

/* ---- late payments, fences ---- */

void client_reclaim(struct world *w, struct sim_order *o)
{
    struct request *q = move_of(w, COMMAND_CONFIRM, AUDIT_CONFIRM, o);
    q->command.move.payment_id = q->asks[0].payment_id =
        rng_chance(&w->rng, 100) ? STR("late") : STR("paid");
    q->command.move.reclaim = q->asks[0].reclaim = true;
    if (!w->calm && rng_chance(&w->rng, 200) && !str_empty(o->wants[0].lot))
        for (uint32_t i = 0; i < w->lot_count; i++)
            if (str_equal(w->lots[i].dims.key, o->wants[0].lot))
                client_want_part(q, &w->lots[i], 1);
    client_send(w, q);
}

void client_fence(struct world *w, struct sim_order *o)
{
    struct request *q = client_move(w, COMMAND_REFUND, AUDIT_REFUND, 0);
    by_order(q, o);
    q->command.move.fence = q->asks[0].fence = true;
    world_trace(w, "    fence of %s", o->order_id);
    client_send(w, q);
}

/* ---- several at once ---- */

struct sim_all *client_new_all(struct world *w)
{
    assert(w->all_count < SIM_ALLS_MAX);
    struct sim_all *all = &w->alls[w->all_count++];
    snprintf(all->payment_id, sizeof all->payment_id, "all-%u", w->all_count);
    return all;
}

static struct sim_all *random_all(struct world *w)
{
    struct sim_all *all = client_new_all(w);
    uint32_t count = rng_between(&w->rng, 1, SIM_ALL_MAX);
    for (int tries = 0; tries < 12 && all->count < count; tries++) {
        int64_t id = client_any_reservation(w);
        bool there = false;
        for (uint32_t i = 0; i < all->count; i++)
            there = there || all->ids[i] == id;
        if (!there && (id > 1000000 || rng_chance(&w->rng, 100)))
            all->ids[all->count++] = id;
    }
    return all;
}

void client_confirm_all(struct world *w, const struct sim_all *all)
{
    struct request *q = client_request(w, COMMAND_CONFIRM_ALL, AUDIT_CONFIRM_ALL);
    q->command.confirm_all.reservation_ids = all->ids;
    q->command.confirm_all.count = q->asks[0].id_count = all->count;
    q->command.confirm_all.payment_id = q->asks[0].payment_id = str_of(all->payment_id);
    q->command.confirm_all.records = q->records;
    memcpy(q->asks[0].ids, all->ids, sizeof all->ids);
    world_trace(w, "#%u %s of %u", q->asks[0].number, all->payment_id, all->count);
    for (uint32_t i = 0; i < all->count; i++)
        world_trace(w, "    %lld", (long long)all->ids[i]);
    client_send(w, q);
}

static void confirm_all(struct world *w)
{
    bool again = w->all_count && (w->all_count >= SIM_ALLS_MAX - 8 || rng_chance(&w->rng, 300));
    const struct sim_all *all = again ? &w->alls[w->all_count - 1] : random_all(w);
    if (all->count)
        client_confirm_all(w, all);
}

/* ---- any of it ---- */

static void fence(struct world *w)
{
    bool fresh = w->order_count < SIM_ORDERS_MAX / 2 && rng_chance(&w->rng, 500);
    struct sim_order *o = fresh ? client_any_order(w) : recent_order(w);
    if (o)
        client_fence(w, o);
}

void client_act_after(struct world *w)
{
    uint32_t what = rng_below(&w->rng, 100);
    struct sim_order *o = recent_order(w);
    if (what < 6)
        fence(w);
    else if (what < 16)
        confirm_all(w);
    else if (!o)
        client_get_lot(w, client_any_lot(w));
    else if (what < 40)
        call(w, o, SIM_SHIP);
    else if (what < 62)
        call(w, o, SIM_RETURN);
    else if (what < 86)
        call(w, o, SIM_CHANGE);
    else
        client_reclaim(w, o);
}
