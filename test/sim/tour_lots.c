/* The tour's third part: lots that bound their users, that sell what is to come, that are
 * withdrawn, and stock files.
 */
#include <stdio.h>

#include "request.h"

enum { DAY_MS = 86400000 };

static struct sim_order *order(struct world *w, const struct sim_lot *lot, const char *user,
                               int64_t quantity)
{
    struct sim_order *o = client_new_order(w);
    snprintf(o->user_id, sizeof o->user_id, "%s", user);
    o->hold_ms = 1000;
    o->server_made = true;
    o->want_count = 1;
    o->wants[0] = (struct want){.lot = lot->dims.key, .quantity = quantity};
    client_reserve(w, o, false, false);
    world_settle(w);
    return o;
}

static void pay(struct world *w, const struct sim_order *o)
{
    client_confirm(w, o->reservation_id, NULL, 0);
    world_settle(w);
}

static void give_back(struct world *w, const struct sim_order *o)
{
    client_refund(w, o->reservation_id, REASON_NONE);
    world_settle(w);
}

static void ship(struct world *w, struct sim_order *o, const struct sim_lot *lot, uint8_t quantity)
{
    struct sim_call part = {.part_count = quantity ? 1 : 0,
                            .parts = {{(uint8_t)(lot - w->lots), quantity}}};
    client_make_call(w, o, SIM_SHIP, &part, false);
    world_settle(w);
}

static void supply(struct world *w, const struct sim_lot *lot, int64_t quantity)
{
    client_adjust(w, lot, quantity, NULL);
    world_settle(w);
}

static void update(struct world *w, const struct sim_lot *lot, uint8_t sets, struct lot_terms terms)
{
    client_update_lot(w, lot, sets, &terms);
    world_settle(w);
}

static void look(struct world *w, const struct sim_lot *lot)
{
    client_get_lot(w, lot);
    world_settle(w);
}

/* Two are there and three are to come; a user may have four. What comes is the older orders'. */
static void sell_what_is_to_come(struct world *w, const struct sim_lot *few)
{
    struct sim_order *first = order(w, few, "gina", 3);
    order(w, few, "gina", 2);
    struct sim_order *second = order(w, few, "hans", 2);
    order(w, few, "ines", 1);
    pay(w, first);
    pay(w, second);
    ship(w, first, few, 0);
    ship(w, first, few, 2);
    ship(w, second, few, 1);
    supply(w, few, 2);
    ship(w, second, few, 0);
    ship(w, second, few, 1);
    ship(w, first, few, 0);
    world_restart(w);
    ship(w, second, few, 1);
    supply(w, few, -1);
    supply(w, few, 1);
    ship(w, second, few, 0);
    order(w, few, "gina", 2);
    give_back(w, first);
    give_back(w, order(w, few, "gina", 4));
}

static void other_terms(struct world *w, const struct sim_lot *few)
{
    int32_t today = (int32_t)(w->now_ms / DAY_MS);
    update(w, few, AUDIT_WITHDRAWN, (struct lot_terms){.withdrawn = true});
    update(w, few, AUDIT_WITHDRAWN, (struct lot_terms){.withdrawn = true});
    order(w, few, "jana", 1);
    world_restart(w);
    order(w, few, "jana", 1);
    update(w, few, AUDIT_WITHDRAWN, (struct lot_terms){.withdrawn = false});
    give_back(w, order(w, few, "jana", 1));
    update(w, few, AUDIT_EXPIRES, (struct lot_terms){.expires_on = today - 1});
    order(w, few, "jana", 1);
    update(w, few, AUDIT_EXPIRES | AUDIT_PER_USER,
           (struct lot_terms){.expires_on = LOT_NEVER_EXPIRES, .per_user_limit = 1});
    struct sim_order *one = order(w, few, "jana", 1);
    order(w, few, "jana", 1);
    look(w, few);
    give_back(w, one);
}

static struct sim_set_row row(const struct sim_lot *lot, int64_t quantity)
{
    return (struct sim_set_row){.lot = lot, .quantity = quantity, .counts = true};
}

/* What a file says is so, of all its lots or of none. */
static void stock_file(struct world *w, const struct sim_lot *few, const struct sim_lot *many)
{
    struct sim_set set = {.count = 2, .rows = {row(few, 6), row(many, 33)}};
    client_set_stock(w, &set);
    world_settle(w);
    client_set_stock(w, &set);
    world_settle(w);
    struct sim_order *o = order(w, many, "karl", 3);
    set.rows[0].quantity = 7;
    set.rows[1].quantity = 2; /* three are held */
    client_set_stock(w, &set);
    world_settle(w);
    set.mode = AUDIT_AVAILABLE;
    client_set_stock(w, &set);
    world_settle(w);
    give_back(w, o);
    set.rows[1].quantity = 20;
    client_set_stock(w, &set);
    world_settle(w);
    look(w, many);
}

/* As many at a time as there may be, and then no more until one has ended. */
static void bounded_holds(struct world *w, const struct sim_lot *many)
{
    struct sim_order *last = NULL;
    for (int64_t i = 0; i <= w->config.user_holds_max; i++)
        last = order(w, many, "lina", 1);
    pay(w, &w->orders[w->order_count - 2]);
    last = order(w, many, "lina", 1);
    give_back(w, last);
}

void tour_of_lots(struct world *w, const struct sim_lot *few, const struct sim_lot *many)
{
    sell_what_is_to_come(w, few);
    other_terms(w, few);
    stock_file(w, few, many);
    if (w->config.user_holds_max)
        bounded_holds(w, many);
    world_wait(w, w->now_ms + 1000); /* all holds have ended */
}
