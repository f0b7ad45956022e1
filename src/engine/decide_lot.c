/* decide_lot.c - a new lot, and units supplied or written off.
 *
 * A key that exists is ALREADY_EXISTS with the lot that is there; if that has other dimensions, the
 * eight digits collide, and the text says so. An adjustment_id is applied once: it stands in the
 * order index under a hash of its own, and whether a candidate is the same adjustment is the
 * ledger's to tell, once its commit is decided.
 */
#include <string.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

static void already_there(struct engine *e, struct command *c, lot_id id)
{
    const struct lot *lot = lots_at(&e->lots, id);
    const struct lot_dims *have = &lot->dims;
    const struct lot_dims *want = &c->create.dims;
    c->create.lot = engine_view(e, id);
    c->code = TLY_EALREADY_EXISTS;
    if (lot_dims_equal(have, want))
        engine_say(c, c->code, "lot %.*s exists", STR_ARG(have->key));
    else
        engine_say(c, c->code,
                   "lot key %.*s is taken: the digits of %.*s|%.*s|%.*s and %.*s|%.*s|%.*s collide",
                   STR_ARG(have->key), STR_ARG(have->flavor), STR_ARG(have->size),
                   STR_ARG(have->batch), STR_ARG(want->flavor), STR_ARG(want->size),
                   STR_ARG(want->batch));
    batch_attach(e, c, lot->touched);
}

lot_id engine_next_lot(const struct engine *e)
{
    return (e->config.shared ? e->shared.lots_highest : e->lots.count) + 1;
}

/* Its terms, if they are not plain. */
static bool new_lot_terms(struct engine *e, const struct command *c, lot_id id,
                          const struct lot_terms **kept)
{
    struct lot_terms terms = c->create.terms;
    const struct lot_terms plain = lot_terms_plain(&c->create.dims);
    terms.expires_on = c->create.dims.expires_on;
    terms.backorder_most = terms.backorder_limit;
    terms.withdrawn = false;
    *kept = NULL;
    if (!c->create.has_terms || lot_terms_equal(&terms, &plain))
        return true;
    if (!lots_make_terms(&e->lots, id))
        return false;
    if (terms.per_user_limit && lot_users_begin(e, id))
        return false;
    lots_set_terms(&e->lots, id, &terms);
    *kept = batch_keep_terms(e, &terms);
    return true;
}

static void create(struct engine *e, struct command *c)
{
    lot_id id = engine_next_lot(e);
    const struct lot_terms *terms;
    struct lot *lot = batch_make_room(e, 2, 1) ? lots_put(&e->lots, id, &c->create.dims) : NULL;
    if (lot && !new_lot_terms(e, c, id, &terms)) {
        lot_users_end(e, id);
        lots_drop(&e->lots, id);
        lot = NULL;
    }
    if (!lot) {
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    shared_made_lot(e, id);
    struct line line = {.lot = id, .quantity = c->create.quantity};
    struct move *m = batch_add(e, MOVE_CREATE, NULL, &line, 1, NULL);
    m->dims = &lot->dims;
    m->terms = terms;
    if (terms) { /* the log says the limits of every instant */
        const struct lot_terms plain = lot_terms_plain(&lot->dims);
        terms_move(e, id, &plain, terms);
    }
    c->create.lot = engine_view(e, id);
    batch_attach(e, c, lot->touched);
}

void decide_create(struct engine *e, struct command *c)
{
    const struct lot_dims *dims = &c->create.dims;
    c->create.lot = (struct lot_view){0};
    lot_id id = engine_find_lot(e, dims->key);
    if (id) {
        already_there(e, c, id);
        return;
    }
    if (str_empty(dims->key) || dims->key.len > LOT_KEY_MAX || str_empty(dims->sku) ||
        dims->sku.len > SKU_MAX || dims->flavor.len > DIMENSION_MAX ||
        dims->size.len > DIMENSION_MAX || dims->batch.len > DIMENSION_MAX) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "the lot's dimensions break a rule");
    } else if (c->create.quantity < 0 || c->create.quantity > QUANTITY_MAX) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "quantity is 0 to %d", QUANTITY_MAX);
    } else if (c->create.has_terms && !terms_are_valid(c, &c->create.terms)) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, NULL);
    } else if (!engine_takes_writes(e)) {
        engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
    } else if (engine_next_lot(e) > e->config.lots_max) {
        engine_refuse(e, c, TLY_ELIMIT_EXCEEDED,
                      "lots_max: there are %u lots, the most there may be", e->config.lots_max);
    } else {
        create(e, c);
    }
}

/* Finds out whether the adjustment_id was used. True if c waits for that. */
static bool adjustment_waits(struct engine *e, struct command *c, uint64_t hash,
                             const struct question *answer)
{
    bool seen = order_index_on_disk(e->orders, hash);
    size_t cursor = 0;
    int64_t seq;
    while ((seq = order_index_find(e->orders, hash, &cursor))) {
        seen = true;
        if (seq <= e->committed_seq)
            continue;
        batch_attach_again(e, c, batch_bit_of_seq(e, seq));
        return true;
    }
    if (!seen || answer)
        return false;
    if (!question_ask(e, c, 0, QUESTION_ADJUSTMENT, 0, c->adjust.adjustment_id, hash))
        engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
    return true;
}

static void adjustment_replayed(struct engine *e, struct command *c, lot_id id,
                                const struct question *answer)
{
    const struct line *then = &answer->adjusted;
    if (then->lot && (then->lot != id || then->quantity != c->adjust.delta)) {
        const struct str key =
            lots_has(&e->lots, then->lot) ? lots_at(&e->lots, then->lot)->dims.key : STR("another");
        engine_refuse(e, c, TLY_EORDER_MISMATCH,
                      "this adjustment_id was used to adjust lot %.*s by %lld", STR_ARG(key),
                      (long long)then->quantity);
        return;
    }
    c->adjust.lot = engine_view(e, id);
    c->adjust.replayed = true;
    batch_attach(e, c, lots_at(&e->lots, id)->touched);
}

static int check_adjustment(const struct engine *e, struct command *c, lot_id id)
{
    const struct stock *s = &lots_at(&e->lots, id)->stock;
    int64_t delta = c->adjust.delta;
    if (delta == 0 || delta > QUANTITY_MAX || delta < -(int64_t)QUANTITY_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "delta is -%d to %d and not 0", QUANTITY_MAX,
                          QUANTITY_MAX);
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    int64_t version = engine_view(e, id).stock.version;
    if (c->adjust.expected_version && c->adjust.expected_version != version)
        return engine_say(c, TLY_EVERSION_MISMATCH,
                          "expected_version: the lot is at version %lld, not %lld",
                          (long long)version, (long long)c->adjust.expected_version);
    if (c->adjust.reason.len > ADJUST_REASON_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "reason has at most %d bytes",
                          ADJUST_REASON_MAX);
    int64_t left = stock_available(s) > 0 ? stock_available(s) : 0;
    if (delta < 0 && left + delta < 0)
        return engine_say(c, TLY_ESOLD_OUT, "%lld units can be written off, the others are held",
                          (long long)left);
    if (s->on_hand + delta > QUANTITY_MAX)
        return engine_say(c, TLY_ELIMIT_EXCEEDED, "a lot has at most %d units", QUANTITY_MAX);
    return 0;
}

static int adjust(struct engine *e, struct command *c, lot_id id, uint64_t hash)
{
    int code = check_adjustment(e, c, id);
    if (code)
        return code;
    if (!batch_make_room(e, 1, 1))
        return engine_say(c, TLY_EOVERLOADED, "out of memory");
    struct undo *u;
    struct line line = {.lot = id, .quantity = c->adjust.delta};
    /* The index takes the number that the move is going to have. */
    int64_t seq = engine_next_seq(e);
    if (hash && order_index_add(e->orders, hash, seq))
        return engine_say(c, TLY_EOVERLOADED, "the order index is behind");
    struct move *m = batch_add(e, MOVE_ADJUST, NULL, &line, 1, &u);
    m->seq = seq;
    u->key_hash = hash;
    m->detail = batch_keep(e, c->adjust.adjustment_id);
    m->note = batch_keep(e, c->adjust.reason);
    return 0;
}

void decide_adjust(struct engine *e, struct command *c, const struct question *answer)
{
    lot_id id = engine_find_lot(e, c->adjust.key);
    uint64_t hash = 0;
    c->adjust.lot = (struct lot_view){0};
    c->adjust.replayed = false;
    if (!id) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no lot %.*s", STR_ARG(c->adjust.key));
        return;
    }
    if (c->adjust.adjustment_id.len > ADJUSTMENT_ID_MAX) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "adjustment_id has at most %d bytes",
                      ADJUSTMENT_ID_MAX);
        return;
    }
    if (!str_empty(c->adjust.adjustment_id)) {
        hash = adjustment_hash(c->adjust.adjustment_id, e->config.hash_seed);
        struct question loaded;
        if (e->config.shared) {
            shared_adjustment(e, c->adjust.adjustment_id, &loaded);
            answer = &loaded;
        }
        if (adjustment_waits(e, c, hash, answer))
            return;
        if (answer && answer->code == 0) {
            adjustment_replayed(e, c, id, answer);
            return;
        }
    }
    int code = adjust(e, c, id, hash);
    if (code == TLY_ESOLD_OUT && engine_must_wait(e)) {
        engine_defer(e, c); /* units of due holds are to come */
        return;
    }
    c->adjust.lot = engine_view(e, id);
    if (code)
        engine_refuse(e, c, code, NULL);
    else
        batch_attach(e, c, lots_at(&e->lots, id)->touched);
}
