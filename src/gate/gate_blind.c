/* gate_blind.c - see gate_blind.h. Keeps nothing but what is asked and not flushed yet. */
#include "gate/gate_blind.h"

#include <stdlib.h>

struct blind_session {
    struct gate_session session;
    struct gate_worker worker;
    struct gate_ask *first; /* asked since the last flush */
    struct gate_ask *last;
};

static int blind_attach(struct gate *g, const struct gate_worker *w, struct gate_session **out,
                        struct error *e)
{
    struct blind_session *s = malloc(sizeof *s);
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a session with the gate");
    *s = (struct blind_session){.session.ops = g->ops, .worker = *w};
    *out = &s->session;
    return 0;
}

static void blind_ask(struct gate_session *session, struct gate_ask *ask)
{
    struct blind_session *s = (struct blind_session *)session;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        ask->lines[i].lot_id = 0;
        ask->lines[i].is_short = false;
    }
    ask->verdict = GATE_BLIND;
    ask->next = NULL;
    if (s->first)
        s->last->next = ask;
    else
        s->first = ask;
    s->last = ask;
}

static void blind_flush(struct gate_session *session, int64_t now_ms)
{
    struct blind_session *s = (struct blind_session *)session;
    struct gate_ask *first = s->first;
    (void)now_ms;
    s->first = NULL;
    if (first)
        s->worker.answered(s->worker.context, first);
}

static void blind_detach(struct gate_session *session)
{
    struct blind_session *s = (struct blind_session *)session;
    while (s->first)
        blind_flush(session, 0);
    free(s);
}

static int blind_lot_known(struct gate *g, const struct gate_stock *lot)
{
    (void)g;
    (void)lot;
    return 0;
}

static int blind_sale_known(struct gate *g, const struct gate_sale *sale)
{
    (void)g;
    (void)sale;
    return 0;
}

static void blind_order_seen(struct gate *g, uint64_t order_hash)
{
    (void)g;
    (void)order_hash;
}

static void blind_orders_complete(struct gate *g, bool complete)
{
    (void)g;
    (void)complete;
}

static void blind_next_deadline(struct gate *g, int64_t deadline_ms)
{
    (void)g;
    (void)deadline_ms;
}

static void blind_destroy(struct gate *g)
{
    free(g);
}

static const struct gate_ops blind_ops = {
    .attach = blind_attach,
    .ask = blind_ask,
    .flush = blind_flush,
    .detach = blind_detach,
    .lot_known = blind_lot_known,
    .sale_known = blind_sale_known,
    .order_seen = blind_order_seen,
    .orders_complete = blind_orders_complete,
    .next_deadline = blind_next_deadline,
    .destroy = blind_destroy,
};

int gate_blind_create(struct gate **out, struct error *e)
{
    struct gate *g = malloc(sizeof *g);
    if (!g)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the gate");
    g->ops = &blind_ops;
    *out = g;
    return 0;
}
