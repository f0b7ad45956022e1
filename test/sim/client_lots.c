/* What a shop does with its lots: sells them on other terms, and takes what a stock file says. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "request.h"

enum { DAY_MS = 86400000 };

static bool chance(struct world *w, uint32_t per_mille)
{
    return rng_chance(&w->rng, per_mille);
}

/* Some lots bound their users from the start, some sell what is to come. */
void client_init_lots(struct world *w)
{
    for (uint32_t i = 0; w->lots_per_mille && i < w->lot_count; i++) {
        struct sim_lot *lot = &w->lots[i];
        if (chance(w, 300)) {
            lot->sets |= AUDIT_PER_USER;
            lot->terms.per_user_limit = rng_between(&w->rng, 2, 8);
        }
        if (chance(w, 400)) {
            lot->sets |= AUDIT_BACKORDER;
            lot->terms.backorder_limit = rng_between(&w->rng, 1, 6);
        }
    }
}

void client_put_terms(struct request *q, const struct sim_lot *lot)
{
    q->asks[0].sets = lot->sets;
    q->asks[0].lot_terms = lot->terms;
    q->command.create.has_terms = lot->sets != 0;
    q->command.create.terms = lot_terms_plain(&lot->dims);
    q->command.create.terms.per_user_limit = lot->terms.per_user_limit;
    q->command.create.terms.backorder_limit = lot->terms.backorder_limit;
}

void client_update_lot(struct world *w, const struct sim_lot *lot, uint8_t sets,
                       const struct lot_terms *terms)
{
    struct request *q = client_request(w, COMMAND_UPDATE_LOT, AUDIT_UPDATE_LOT);
    q->command.update_lot.key = q->asks[0].lot = lot->dims.key;
    q->command.update_lot.terms = q->asks[0].lot_terms = *terms;
    q->asks[0].sets = sets;
    q->command.update_lot.sets_expires_on = sets & AUDIT_EXPIRES;
    q->command.update_lot.sets_expected_on = sets & AUDIT_EXPECTED;
    q->command.update_lot.sets_per_user_limit = sets & AUDIT_PER_USER;
    q->command.update_lot.sets_backorder_limit = sets & AUDIT_BACKORDER;
    q->command.update_lot.sets_withdrawn = sets & AUDIT_WITHDRAWN;
    world_trace(w, "#%u update %s: %x, day %d, %lld a user, %lld to come%s", q->asks[0].number,
                lot->key, sets, terms->expires_on, (long long)terms->per_user_limit,
                (long long)terms->backorder_limit, terms->withdrawn ? ", withdrawn" : "");
    client_send(w, q);
}

/* A limit of users is given to such lots only that have had one from the start: then it counts all
 * that they ever bought. */
static void update(struct world *w)
{
    const struct sim_lot *lot = client_any_lot(w);
    struct lot_terms t = {.withdrawn = chance(w, 300)};
    uint8_t sets = (uint8_t)rng_between(&w->rng, 1, 2 * AUDIT_WITHDRAWN - 1);
    if (!(lot->sets & AUDIT_PER_USER))
        sets &= (uint8_t)~AUDIT_PER_USER;
    if (chance(w, 500))
        sets &= (uint8_t)~AUDIT_EXPIRES;
    int32_t today = (int32_t)(w->now_ms / DAY_MS);
    t.expires_on = chance(w, 500) ? LOT_NEVER_EXPIRES : today - 1 + (int32_t)rng_below(&w->rng, 4);
    t.expected_on = today + (int32_t)rng_below(&w->rng, 9);
    t.per_user_limit = rng_between(&w->rng, 2, 8);
    t.backorder_limit = chance(w, 300) ? 0 : rng_between(&w->rng, 1, 6);
    client_update_lot(w, lot, sets ? sets : AUDIT_EXPECTED, &t);
}

/* ---- stock files ---- */

void client_set_stock(struct world *w, const struct sim_set *set)
{
    static const uint8_t modes[] = {SET_ON_HAND, SET_AVAILABLE};
    struct request *q = client_request(w, COMMAND_SET_STOCK, AUDIT_SET);
    struct audit_ask *ask = &q->asks[0];
    q->command.deadline_ns = 0;
    ask->may_be_late = false;
    ask->item_count = set->count;
    ask->mode = set->mode;
    ask->existing_only = set->existing_only;
    q->command.set.items = q->set_items;
    q->command.set.count = set->count;
    q->command.set.mode = modes[set->mode];
    q->command.set.existing_only = set->existing_only;
    q->command.set.reason = STR(AUDIT_SET_REASON);
    world_trace(w, "#%u stock file, mode %d%s", ask->number, (int)set->mode,
                set->existing_only ? ", existing only" : "");
    for (uint32_t i = 0; i < set->count; i++) {
        const struct sim_set_row *row = &set->rows[i];
        q->set_items[i] = (struct set_item){.dims = row->lot->dims,
                                            .quantity = row->quantity,
                                            .counts = row->counts,
                                            .dated = row->dated};
        if (row->dated)
            q->set_items[i].dims.expires_on = row->expires_on;
        ask->items[i] = (struct audit_set_item){.key = row->lot->dims.key,
                                                .quantity = row->quantity,
                                                .expires_on = row->expires_on,
                                                .counts = row->counts,
                                                .dated = row->dated};
        world_trace(w, "    %s %lld%s", row->lot->key, (long long)row->quantity,
                    row->counts ? "" : ", not given");
    }
    client_send(w, q);
}

/* Lots with terms of their own are not made by a file: it knows of none. */
static void set_stock(struct world *w)
{
    struct sim_set set = {.mode = (enum audit_mode)rng_below(&w->rng, 2),
                          .existing_only = chance(w, 600)};
    uint32_t count = rng_between(&w->rng, 1, AUDIT_SET_MAX);
    for (int tries = 0; tries < 8 && set.count < count; tries++) {
        const struct sim_lot *lot = client_any_lot(w);
        bool there = lot->sets && !set.existing_only;
        for (uint32_t i = 0; i < set.count; i++)
            there = there || set.rows[i].lot == lot;
        if (there)
            continue;
        struct sim_set_row *row = &set.rows[set.count++];
        *row = (struct sim_set_row){.lot = lot, .counts = chance(w, 850), .dated = chance(w, 100)};
        row->quantity = rng_below(&w->rng, 16);
        row->expires_on = lot->dims.expires_on;
    }
    if (set.count)
        client_set_stock(w, &set);
}

void client_act_lots(struct world *w)
{
    if (chance(w, 600))
        update(w);
    else
        set_stock(w);
}
