/* create_lot.c - CreateLot: a lot with its first units, or with none (announced, not yet here). */
#include <string.h>

#include "service/lot_key.h"
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        finish_lot_created(s, c, &c->command.create.lot);
}

static int check_terms(const Tally__V1__CreateLotRequest *m, struct lot_terms *terms,
                       struct error *e)
{
    int code = rule_quantity(m->per_user_limit, 0, "per_user_limit", e);
    if (!code)
        code = rule_quantity(m->backorder_limit, 0, "backorder_limit", e);
    terms->expected_on = LOT_NEVER_EXPIRES;
    if (!code && m->expected_on[0])
        code = rule_date(str_of(m->expected_on), "expected_on", &terms->expected_on, e);
    terms->per_user_limit = m->per_user_limit;
    terms->backorder_limit = m->backorder_limit;
    return code;
}

static int check(struct service *s, const Tally__V1__CreateLotRequest *m, struct lot_dims *dims,
                 char size[SIZE_MAX_BYTES + 1], struct error *e)
{
    enum dimension_rules rules = (enum dimension_rules)s->host.settings->dimensions;
    int code = rule_sku(str_of(m->sku), "sku", e);
    if (!code)
        code = rule_dimension_flavor(rules, str_of(m->flavor), &dims->flavor, e);
    if (!code && rules == DIMENSIONS_DRINKS)
        code = rule_flavor_allowed(dims->flavor, s->host.settings->flavors, "flavor", e);
    if (!code)
        code = rule_dimension_size(rules, str_of(m->size), &dims->size, size, e);
    if (!code)
        code = rule_dimension_batch(rules, str_of(m->batch), &dims->batch, e);
    if (!code)
        code = rule_quantity(m->quantity, 0, "quantity", e);
    dims->expires_on = LOT_NEVER_EXPIRES;
    if (!code && m->expires_on[0])
        code = rule_date(str_of(m->expires_on), "expires_on", &dims->expires_on, e);
    return code;
}

int create_lot_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__CreateLotRequest *m = (const Tally__V1__CreateLotRequest *)c->request;
    struct lot_dims *dims = &c->command.create.dims;
    char size[SIZE_MAX_BYTES + 1], key[LOT_KEY_MAX + 1];
    struct lot_terms *terms = &c->command.create.terms;
    int code = check(s, m, dims, size, e);
    if (!code)
        code = check_terms(m, terms, e);
    if (code)
        return code;
    terms->expires_on = dims->expires_on;
    c->command.create.has_terms = true;
    dims->sku = str_of(m->sku);
    dims->size.p = arena_copy(&c->arena, dims->size.p, dims->size.len);
    if (!dims->size.p)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    dims->key.len = (uint32_t)lot_key_make(dims->sku, dims->flavor, dims->size, dims->batch, key);
    dims->key.p = arena_copy(&c->arena, key, dims->key.len);
    if (!dims->key.p)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    if (m->validate_only) {
        struct lot_view asked = {.dims = dims, .terms = *terms, .stock.on_hand = m->quantity};
        finish_lot(s, c, 200, &asked);
        call_put(s, c);
        return 0;
    }
    c->command.kind = COMMAND_CREATE_LOT;
    c->command.create.quantity = m->quantity;
    c->origin.lot = dims->key;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
