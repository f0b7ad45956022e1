/* decide_terms.c - what a lot is sold on, changed: its last day of sale (mistyped), whether it is
 * withdrawn, the limits of a user and of orders for what is to come, and when that comes.
 *
 * What is held goes on, whatever the new terms are: holds are confirmed, shipped and refunded as
 * before. Terms that the lot has already change nothing and are answered as if they did. A
 * backorder_limit may be lower than what is owed already: then nothing more is sold until less is.
 */
#include "engine/engine_internal.h"

static bool day_is_valid(int32_t day)
{
    return day >= 0; /* LOT_NEVER_EXPIRES too */
}

bool terms_are_valid(struct command *c, const struct lot_terms *terms)
{
    if (terms->per_user_limit < 0 || terms->per_user_limit > QUANTITY_MAX) {
        engine_say(c, TLY_EINVALID_ARGUMENT, "per_user_limit is 0 to %d", QUANTITY_MAX);
        return false;
    }
    if (terms->backorder_limit < 0 || terms->backorder_limit > QUANTITY_MAX) {
        engine_say(c, TLY_EINVALID_ARGUMENT, "backorder_limit is 0 to %d", QUANTITY_MAX);
        return false;
    }
    if (!day_is_valid(terms->expires_on) || !day_is_valid(terms->expected_on)) {
        engine_say(c, TLY_EINVALID_ARGUMENT, "expires_on and expected_on are days from 1970 on");
        return false;
    }
    return true;
}

static struct lot_terms changed_terms(const struct engine *e, const struct command *c, lot_id id)
{
    struct lot_terms terms = lots_terms(&e->lots, lots_at(&e->lots, id));
    const struct lot_terms *set = &c->update_lot.terms;
    if (c->update_lot.sets_expires_on)
        terms.expires_on = set->expires_on;
    if (c->update_lot.sets_expected_on)
        terms.expected_on = set->expected_on;
    if (c->update_lot.sets_per_user_limit)
        terms.per_user_limit = set->per_user_limit;
    if (c->update_lot.sets_backorder_limit)
        terms.backorder_limit = set->backorder_limit;
    if (c->update_lot.sets_withdrawn)
        terms.withdrawn = set->withdrawn;
    if (terms.backorder_most < terms.backorder_limit)
        terms.backorder_most = terms.backorder_limit;
    return terms;
}

/* Its quantity is the backorder_limit from then on: who reads the log alone knows how far available
 * may fall. */
void terms_move(struct engine *e, lot_id id, const struct lot_terms *old,
                const struct lot_terms *terms)
{
    struct undo *u;
    struct line line = {.lot = id, .quantity = terms->backorder_limit};
    struct move *m = batch_add(e, MOVE_LOT_TERMS, NULL, &line, 1, &u);
    m->terms = batch_keep_terms(e, terms);
    u->old_terms = batch_keep_terms(e, old);
}

static int put_terms(struct engine *e, struct command *c, lot_id id)
{
    const struct lot_terms old = lots_terms(&e->lots, lots_at(&e->lots, id));
    const struct lot_terms terms = changed_terms(e, c, id);
    if (!terms_are_valid(c, &terms))
        return TLY_EINVALID_ARGUMENT;
    if (lot_terms_equal(&old, &terms))
        return 0;
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    bool room = batch_make_room(e, 1, 1) && lots_make_terms(&e->lots, id);
    int code = room && terms.per_user_limit ? lot_users_begin(e, id) : 0;
    if (code == TLY_EFULL)
        return engine_say(c, TLY_EOVERLOADED,
                          "user_entries_max: with those of the lot more than %u reservations would "
                          "count towards limits of users",
                          e->config.user_entries_max);
    if (!room || code)
        return engine_say(c, TLY_EOVERLOADED, "out of memory");
    terms_move(e, id, &old, &terms);
    engine_put_terms(e, id, &terms);
    c->update_lot.changed = true;
    return 0;
}

void decide_terms(struct engine *e, struct command *c)
{
    lot_id id = engine_find_lot(e, c->update_lot.key);
    c->update_lot.lot = (struct lot_view){0};
    c->update_lot.changed = false;
    if (!id) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no lot %.*s", STR_ARG(c->update_lot.key));
        return;
    }
    int code = put_terms(e, c, id);
    c->update_lot.lot = engine_view(e, id);
    if (code)
        engine_refuse(e, c, code, NULL);
    else
        batch_attach(e, c, lots_at(&e->lots, id)->touched);
}
