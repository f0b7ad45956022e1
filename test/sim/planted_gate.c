/* Hands everything on but one in ten of the units that come free. */
#include "planted_gate.h"

#include <stdlib.h>

struct planted_gate {
    struct gate gate;
    struct gate *behind;
    struct rng *rng;
};

static struct planted_gate *self(struct gate *g)
{
    return (struct planted_gate *)g;
}

static int planted_attach(struct gate *g, const struct gate_worker *w, struct gate_session **out,
                          struct error *e)
{
    struct gate *behind = self(g)->behind;
    return behind->ops->attach(behind, w, out, e);
}

static int planted_lot_known(struct gate *g, const struct gate_stock *lot)
{
    struct gate *behind = self(g)->behind;
    return behind->ops->lot_known(behind, lot);
}

static void planted_decided(struct gate *g, const struct gate_delta *lots, size_t n)
{
    struct gate *behind = self(g)->behind;
    for (size_t i = 0; i < n; i++)
        if (lots[i].units <= 0 || !rng_chance(self(g)->rng, 100))
            behind->ops->decided(behind, &lots[i], 1);
}

static void planted_order_seen(struct gate *g, uint64_t order_hash)
{
    struct gate *behind = self(g)->behind;
    behind->ops->order_seen(behind, order_hash);
}

static void planted_orders_complete(struct gate *g, bool complete)
{
    struct gate *behind = self(g)->behind;
    behind->ops->orders_complete(behind, complete);
}

static int planted_sale_known(struct gate *g, const struct gate_sale *sale)
{
    struct gate *behind = self(g)->behind;
    return behind->ops->sale_known(behind, sale);
}

static void planted_next_deadline(struct gate *g, int64_t deadline_ms)
{
    struct gate *behind = self(g)->behind;
    behind->ops->next_deadline(behind, deadline_ms);
}

static void planted_destroy(struct gate *g)
{
    gate_destroy(self(g)->behind);
    free(g);
}

struct gate *planted_gate_create(struct gate *behind, struct rng *rng)
{
    static const struct gate_ops ops = {
        .attach = planted_attach,
        .lot_known = planted_lot_known,
        .sale_known = planted_sale_known,
        .decided = planted_decided,
        .order_seen = planted_order_seen,
        .orders_complete = planted_orders_complete,
        .next_deadline = planted_next_deadline,
        .destroy = planted_destroy,
    };
    struct planted_gate *g = malloc(sizeof *g);
    if (!g)
        abort();
    *g = (struct planted_gate){.gate.ops = &ops, .behind = behind, .rng = rng};
    return &g->gate;
}
