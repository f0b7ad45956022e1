/* reserve_batch.c - ReserveBatch: independent orders, an outcome each, one commit.
 *
 * Happy path: each order is checked by itself and put before the gate with the others; those that
 * may succeed go to the engine as one command. An order that breaks a rule or is sold out has its
 * outcome here and does not hold up the others. The call as a whole is refused for a wrong number
 * of orders, for want of memory, and when the orders under way reach their bound.
 */
#include <string.h>

#include "service/service_internal.h"

/* One order of the request. It lies among those that came, or where some were refused here, and it
 * was not, among those that were sent. */
struct entry {
    struct reserve_command *order;
    const char *text; /* of an order that breaks a rule */
};

struct orders {
    struct entry *entries;
    struct reserve_command *came;
    struct reserve_command *sent; /* room for all; touched where not all that came are sent */
    uint32_t count;
    struct gate_ask *asks;
    uint32_t *asked; /* the entry of each ask */
    uint32_t ask_count;
};

/* What a problem would say besides. */
static int show_members(Tally__V1__OrderOutcome *out, const struct reserve_command *order,
                        const struct failure *f, struct arena *a)
{
    const struct order_extra *extra = order->extra;
    if (f->code == TLY_ESALE_NOT_OPEN)
        SHOW_OPTIONAL(out, ORDER_OUTCOME, starts_in_ms, STARTS_IN_MS, f->starts_in_ms);
    if (f->code != TLY_ELIMIT_EXCEEDED || !f->limit)
        return 0;
    SHOW_OPTIONAL(out, ORDER_OUTCOME, limit, LIMIT, f->limit);
    SHOW_OPTIONAL(out, ORDER_OUTCOME, taken, TAKEN, f->taken);
    if (!extra || !extra->order_count)
        return 0;
    out->orders = arena_alloc(a, extra->order_count * sizeof *out->orders);
    if (!out->orders)
        return TLY_ENO_MEMORY;
    for (uint16_t i = 0; i < extra->order_count; i++) {
        const struct limit_order *o = &extra->orders[i];
        if (!o->order_id_len)
            continue;
        char *text = show_text((struct str){o->order_id, o->order_id_len}, a);
        if (!text)
            return TLY_ENO_MEMORY;
        out->orders[out->n_orders++] = text;
    }
    return 0;
}

static int show_outcome(const struct service *s, const struct entry *entry, struct arena *a,
                        Tally__V1__OrderOutcome *out)
{
    const struct reserve_command *order = entry->order;
    tally__v1__order_outcome__init(out);
    out->order_id = show_text(order->order_id, a);
    out->code = (char *)(order->code ? error_name(error_public(order->code)) : "OK");
    if (!out->order_id)
        return TLY_ENO_MEMORY;
    if (order->code) {
        struct failure f = order_failure(s, order, entry->text ? entry->text : "", a);
        struct str text = f.text.len ? f.text : str_of(error_text(order->code));
        out->message = show_text(text, a);
        out->available = f.available;
        return out->message ? show_members(out, order, &f, a) : TLY_ENO_MEMORY;
    }
    out->reservation = arena_alloc(a, sizeof *out->reservation);
    if (!out->reservation)
        return TLY_ENO_MEMORY;
    tally__v1__reserve_response__init(out->reservation);
    return show_order(s, out->reservation, order, a);
}

static void answer(struct service *s, struct call *c)
{
    const struct orders *all = c->state;
    struct arena *a = &c->arena;
    Tally__V1__ReserveBatchResponse m = TALLY__V1__RESERVE_BATCH_RESPONSE__INIT;
    Tally__V1__OrderOutcome *outcomes = arena_alloc(a, all->count * sizeof *outcomes);
    m.outcomes = arena_alloc(a, all->count * sizeof(void *));
    if (!outcomes || !m.outcomes) {
        reply_unsaid(s, &c->origin);
        return;
    }
    m.n_outcomes = all->count;
    for (uint32_t i = 0; i < all->count; i++) {
        m.outcomes[i] = &outcomes[i];
        if (show_outcome(s, &all->entries[i], a, &outcomes[i])) {
            reply_unsaid(s, &c->origin);
            return;
        }
    }
    reply_message(s, &c->origin, 200, &m.base);
}

static void finish(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else if (!orders_look_up(s, c, c->command.batch.orders, c->command.batch.count, answer))
        answer(s, c);
}

static bool passed(const struct orders *all)
{
    for (uint32_t i = 0; i < all->ask_count; i++) {
        if (all->asks[i].verdict == GATE_PASS)
            return true;
    }
    return false;
}

/* Those that may succeed, side by side for the engine: where they are, if that is all of them. */
static void gather(struct call *c, struct orders *all)
{
    uint32_t sent = 0;
    c->command.batch.orders = all->came;
    c->command.batch.count = all->count;
    for (uint32_t i = 0; i < all->count; i++)
        sent += all->entries[i].order->code == 0;
    if (sent == all->count)
        return;
    c->command.batch.orders = all->sent;
    c->command.batch.count = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        struct entry *entry = &all->entries[i];
        if (entry->order->code)
            continue;
        struct reserve_command *to = &all->sent[c->command.batch.count++];
        *to = *entry->order;
        entry->order = to;
    }
}

static void admitted(struct service *s, struct call *c)
{
    struct orders *all = c->state;
    for (uint32_t i = 0; i < all->ask_count; i++)
        order_admitted(s, all->entries[all->asked[i]].order, &all->asks[i]);
    gather(c, all);
    if (c->command.batch.count && (c->origin.exchange || passed(all))) {
        call_submit(s, c);
        return;
    }
    if (c->origin.exchange)
        answer(s, c);
    call_refused_at_gate(s, c);
}

static int no_memory(struct error *e)
{
    return error_set(e, TLY_ENO_MEMORY, "orders", "out of memory");
}

static int prepare(struct call *c, const Tally__V1__ReserveBatchRequest *m, struct orders *all,
                   struct error *e)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct entry *entry = &all->entries[i];
        struct order_flags flags;
        struct error broken;
        entry->order = &all->came[i];
        int code = order_prepare(c, m->orders[i], entry->order, &flags, &broken);
        if (code == TLY_ENO_MEMORY)
            return no_memory(e);
        if (code) {
            entry->order->code = code;
            entry->order->want_count = 0;
            entry->text = arena_copy(&c->arena, broken.text, strlen(broken.text));
            if (!entry->text)
                return no_memory(e);
            continue;
        }
        if (order_ask(c, entry->order, flags, &all->asks[all->ask_count]))
            return no_memory(e);
        all->asked[all->ask_count++] = i;
    }
    return 0;
}

int reserve_batch_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ReserveBatchRequest *m = (const Tally__V1__ReserveBatchRequest *)c->request;
    size_t count = m->n_orders;
    if (count < 1 || count > ORDER_BATCH_MAX)
        return rule_broken(e, "orders", "must be 1 to %d orders, is %zu", ORDER_BATCH_MAX, count);
    if (count > BATCH_ORDERS_INFLIGHT_MAX - s->batch_orders)
        return error_set(e, TLY_EOVERLOADED, "", "too many batches are under way; try again");
    struct orders *all = arena_zalloc(&c->arena, sizeof *all);
    if (!all)
        return no_memory(e);
    all->count = (uint32_t)count;
    all->entries = arena_zalloc(&c->arena, count * sizeof *all->entries);
    all->came = arena_zalloc(&c->arena, count * sizeof *all->came);
    all->sent = arena_alloc(&c->arena, count * sizeof *all->sent);
    all->asks = arena_alloc(&c->arena, count * sizeof *all->asks);
    all->asked = arena_alloc(&c->arena, count * sizeof *all->asked);
    if (!all->entries || !all->came || !all->sent || !all->asks || !all->asked)
        return no_memory(e);
    int code = prepare(c, m, all, e);
    if (code)
        return code;
    c->command.kind = COMMAND_RESERVE_BATCH;
    c->finish = finish;
    c->state = all;
    c->batch_orders = (uint32_t)count;
    s->batch_orders += c->batch_orders;
    call_ask_gate(s, c, all->asks, all->ask_count, admitted);
    return 0;
}
