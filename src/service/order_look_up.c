/* order_look_up.c - what the engine does not know at once of an order's outcome, asked of the
 * ledger before the order is answered: the order_ids of those that took up a limit, and, where a
 * repeated order has been confirmed since, what was shipped of it and what came back.
 *
 * Happy path: nearly every outcome is whole, and nothing is asked. Otherwise the call goes on as a
 * look-up, one after the other, with its own command kept aside. What cannot be had in time, or is
 * beyond LOOK_UPS_MAX, is left out of the answer: the outcome stands without it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "service/service_internal.h"

enum { LOOK_UPS_MAX = 64 };

struct look_up {
    struct command kept;
    void *state;
    void (*then)(struct service *s, struct call *c);
    struct reserve_command *orders;
    uint32_t count;
    uint32_t order; /* where the search goes on */
    uint16_t at;    /* ... in its list */
    uint16_t asked;
};

/* A repeated order that was answered without its lines' whereabouts, though they may have changed.
 */
static bool lacks_after(const struct reserve_command *order)
{
    return !order->code && order->replayed && !order->extra && order->state != HOLD_PENDING;
}

/* The next reservation to be looked up, from order and at on; 0: there is none. */
static int64_t next_wanted(const struct reserve_command *orders, uint32_t count, uint32_t *order,
                           uint16_t *at)
{
    for (; *order < count; (*order)++, *at = 0) {
        const struct reserve_command *o = &orders[*order];
        if (lacks_after(o) && *at == 0)
            return o->reservation_id;
        if (o->code != TLY_ELIMIT_EXCEEDED || !o->extra)
            continue;
        for (; *at < o->extra->order_count; (*at)++) {
            if (!o->extra->orders[*at].order_id_len)
                return o->extra->orders[*at].reservation_id;
        }
    }
    return 0;
}

static void take_after(struct call *c, struct reserve_command *order,
                       const struct reservation_record *record)
{
    struct order_extra *extra = arena_zalloc(&c->arena, order_extra_bytes(order->line_max));
    if (!extra || !record->after)
        return;
    for (uint16_t i = 0; i < order->line_count; i++) {
        for (uint32_t j = 0; j < record->line_count; j++) {
            if (record->lines[j].lot == order->lines[i].lot)
                extra->after[i] = record->after[j];
        }
    }
    order->extra = extra;
}

static void take(struct call *c, struct look_up *l, const struct reservation_record *record)
{
    struct reserve_command *order = &l->orders[l->order];
    if (lacks_after(order)) {
        take_after(c, order, record);
        return;
    }
    assert(order->extra);
    struct limit_order *told = &order->extra->orders[l->at];
    if (record->order_id.len > sizeof told->order_id)
        return;
    memcpy(told->order_id, record->order_id.p, record->order_id.len);
    told->order_id_len = (uint8_t)record->order_id.len;
}

static bool ask_next(struct service *s, struct call *c, struct look_up *l);

static void looked_up(struct service *s, struct call *c)
{
    struct look_up *l = c->state;
    if (!c->command.code && c->command.get.record)
        take(c, l, c->command.get.record);
    free(c->command.get.record);
    c->command.get.record = NULL;
    l->at++;
    if (ask_next(s, c, l))
        return;
    c->command = l->kept;
    c->state = l->state;
    l->then(s, c);
}

static bool ask_next(struct service *s, struct call *c, struct look_up *l)
{
    int64_t wanted = next_wanted(l->orders, l->count, &l->order, &l->at);
    if (!wanted || l->asked == LOOK_UPS_MAX)
        return false;
    l->asked++;
    memset(&c->command.get, 0, sizeof c->command.get);
    c->command.kind = COMMAND_GET_RESERVATION;
    c->command.code = 0;
    c->command.text_size = 0; /* the sentence that is there stays */
    c->command.get.reservation_id = wanted;
    call_submit(s, c);
    return true;
}

bool orders_look_up(struct service *s, struct call *c, struct reserve_command *orders,
                    uint32_t count, void (*then)(struct service *s, struct call *c))
{
    uint32_t order = 0;
    uint16_t at = 0;
    if (!next_wanted(orders, count, &order, &at))
        return false;
    struct look_up *l = arena_zalloc(&c->arena, sizeof *l);
    if (!l)
        return false;
    l->kept = c->command;
    l->state = c->state;
    l->then = then;
    l->orders = orders == &c->command.reserve ? &l->kept.reserve : orders;
    l->count = count;
    c->state = l;
    c->finish = looked_up;
    return ask_next(s, c, l);
}
