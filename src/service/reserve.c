/* reserve.c - Reserve, the hot path: checked, admitted by the gate, decided by the engine.
 *
 * Refused here: what breaks a rule, and what the gate knows to be sold out. Anything that the gate
 * is not sure of goes to the engine, a possible replay before all (I4).
 */
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"

static void answer(struct service *s, struct call *c)
{
    const struct reserve_command *order = &c->command.reserve;
    struct arena *a = &c->origin.exchange->arena;
    if (c->command.code) {
        struct failure f = order_failure(s, order, c->command.text, a);
        reply_failure(s, &c->origin, &f);
        return;
    }
    Tally__V1__ReserveResponse m = TALLY__V1__RESERVE_RESPONSE__INIT;
    if (show_order(s, &m, order, a)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    struct header headers[2];
    size_t count = 0;
    if (!c->origin.grpc) {
        enum { LOCATION_BYTES = 48 };
        char *location = arena_alloc(a, LOCATION_BYTES);
        if (!location) {
            reply_unsaid(s, &c->origin);
            return;
        }
        int len = snprintf(location, LOCATION_BYTES, "/v1/reservations/%s", m.reservation_id);
        headers[count++] = (struct header){STR("location"), {location, (uint32_t)len}};
    }
    if (order->replayed)
        headers[count++] = (struct header){STR("idempotent-replayed"), STR("true")};
    reply_message_with(s, &c->origin, order->replayed ? 200 : 201, &m.base, headers, count);
}

static void finish(struct service *s, struct call *c)
{
    c->command.reserve.code = c->command.code;
    if (!orders_look_up(s, c, &c->command.reserve, 1, answer))
        answer(s, c);
}

/* The gate's answer. */
static void admitted(struct service *s, struct call *c)
{
    enum gate_verdict verdict = c->ask.verdict;
    order_admitted(s, &c->command.reserve, &c->ask);
    if (verdict != GATE_SOLD_OUT && (c->origin.exchange || verdict == GATE_PASS)) {
        call_submit(s, c);
        return;
    }
    if (c->origin.exchange) {
        struct failure f = order_failure(s, &c->command.reserve, "", &c->origin.exchange->arena);
        reply_failure(s, &c->origin, &f);
    }
    call_refused_at_gate(s, c);
}

/* The header stands for the field. */
static int take_idempotency_key(struct call *c, Tally__V1__ReserveRequest *m, struct error *e)
{
    char *key = NULL;
    int code = c->origin.grpc ? 0 : request_idempotency_key(c->origin.exchange, &c->arena, &key, e);
    if (code || !key)
        return code;
    if (is_given(m->order_id) && strcmp(m->order_id, key) != 0)
        return rule_broken(e, "order_id",
                           "must be what the header Idempotency-Key says, if both are given");
    m->order_id = key;
    return 0;
}

int reserve_start(struct service *s, struct call *c, struct error *e)
{
    Tally__V1__ReserveRequest *m = (Tally__V1__ReserveRequest *)c->request;
    struct reserve_command *order = &c->command.reserve;
    struct order_flags flags;
    int code = take_idempotency_key(c, m, e);
    if (!code)
        code = order_prepare(c, m, order, &flags, e);
    if (code)
        return code;
    if (order_ask(c, order, flags, &c->ask))
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    c->command.kind = COMMAND_RESERVE;
    c->finish = finish;
    c->origin.order_id = order->order_id;
    c->origin.lot = order->wants[0].lot;
    call_ask_gate(s, c, &c->ask, 1, admitted);
    return 0;
}
