/* sale_order.c - what being in a sale means for an order.
 *
 * An order is judged by the engine's time when it is decided: first the sale's window, then its
 * waiting room, its lots, and its limits (of an order, of a user, of the sale's share), and only
 * then is stock looked at. No refusal touches stock. Units count from RESERVE to what gives them
 * back: a refund, an expiry, the part that a confirm leaves over, a return. Shipping them changes
 * nothing. A refusal by what is not committed yet is answered with that commit.
 */
#include "engine/sale_order.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

static int rests_on_terms(const struct engine *e, struct reserve_command *r,
                          const struct sale *sale, int code)
{
    r->rests_on = batch_number_of(e, sale->terms_touched);
    return code;
}

int sale_admit(const struct engine *e, struct command *c, struct reserve_command *r,
               struct sale **sale)
{
    const struct order_extra *x = r->extra;
    *sale = NULL;
    if (!x || str_empty(x->sale_id)) {
        if (x && x->group_id)
            return engine_say(c, TLY_EINVALID_ARGUMENT, "a group_id goes with its sale_id");
        return 0;
    }
    struct sale *s = order_sale(e, x);
    if (!s) {
        r->trouble = ORDER_NO_SALE;
        return engine_say(c, TLY_ENOT_FOUND, "there is no sale %.*s", STR_ARG(x->sale_id));
    }
    const struct sale_terms *t = &s->version->terms;
    if (sale_has_ended(s, e->now_ms)) {
        engine_say(c, TLY_ESALE_CLOSED, "sale %.*s is over", STR_ARG(t->sale_id));
        return rests_on_terms(e, r, s, TLY_ESALE_CLOSED);
    }
    if (e->now_ms < t->starts_ms) {
        r->extra->starts_in_ms = t->starts_ms - e->now_ms;
        engine_say(c, TLY_ESALE_NOT_OPEN, "sale %.*s begins in %lld ms", STR_ARG(t->sale_id),
                   (long long)r->extra->starts_in_ms);
        return rests_on_terms(e, r, s, TLY_ESALE_NOT_OPEN);
    }
    if (t->queue != QUEUE_NONE && !x->admitted) {
        engine_say(c, TLY_ENOT_ADMITTED,
                   "sale %.*s has a waiting room, and the order is not admitted: %s",
                   STR_ARG(t->sale_id), x->why_not ? x->why_not : "it comes without a ticket");
        return rests_on_terms(e, r, s, TLY_ENOT_ADMITTED);
    }
    *sale = s;
    return 0;
}

uint64_t order_user(const struct engine *e, const struct reserve_command *r)
{
    struct order_extra *x = r->extra;
    if (x && x->user_hash)
        return x->user_hash;
    uint64_t user = hash64(r->user_id, e->config.hash_seed);
    if (x)
        x->user_hash = user;
    return user;
}

struct sale *order_sale(const struct engine *e, const struct order_extra *x)
{
    return x->sale_hash ? sales_find_hashed(&e->sales, x->sale_id, x->sale_hash)
                        : sales_find(&e->sales, x->sale_id);
}

void sale_prefetch(const struct engine *e, const struct reserve_command *r)
{
    const struct order_extra *x = r->extra;
    __builtin_prefetch(x->sale_id.p);
    __builtin_prefetch(r->user_id.p);
    const struct sale *sale = sales_likely(&e->sales, x->sale_hash);
    if (!sale || !x->user_hash)
        return;
    user_units_prefetch(&sale->users, x->user_hash);
    if (x->group_id)
        groups_prefetch(&e->groups, x->group_id, x->user_hash);
}

int64_t sale_hold_ms(const struct engine *e, const struct sale *sale, int64_t asked)
{
    int64_t most = sale ? sale->version->terms.hold_ms : 0;
    if (!most)
        return asked ? asked : e->config.hold_default_ms;
    return asked && asked < most ? asked : most;
}

/* What the want names by its sku is in the sale, as far as it is anywhere. */
static bool goods_in_sale(const struct engine *e, const struct sale_version *v,
                          const struct want *w)
{
    const struct sku *sku = lots_sku(&e->lots, w->sku);
    if (!sku || !sku->oldest || sale_version_has_sku_of(v, lots_at(&e->lots, sku->oldest)))
        return true;
    uint32_t number = lots_at(&e->lots, sku->oldest)->sku;
    for (uint16_t i = 0; i < v->lot_count; i++) {
        const struct lot *lot = lots_at(&e->lots, v->lots[i]);
        if (lot->sku == number && lot_matches(lot, w->flavor, w->size, w->batch))
            return true;
    }
    for (lot_id id = sku->oldest; id; id = lots_at(&e->lots, id)->sku_next_new) {
        if (lot_matches(lots_at(&e->lots, id), w->flavor, w->size, w->batch))
            return false;
    }
    return true;
}

/* True: something of what the want names is in the sale, or is nowhere. */
static bool want_in_sale(const struct engine *e, const struct sale_version *v, const struct want *w)
{
    if (!str_empty(w->lot)) {
        lot_id id = want_named_lot(e, w);
        return !id || sale_version_sells(v, id, lots_at(&e->lots, id));
    }
    return goods_in_sale(e, v, w);
}

/* Who counts towards the limit, as far as it is known here: the others' order_ids stand in the
 * ledger. */
int order_over_limit(const struct engine *e, struct reserve_command *r, const int64_t *ids,
                     uint16_t count, int64_t taken, int64_t limit, enum order_trouble trouble)
{
    uint8_t touched = 0;
    r->trouble = (uint8_t)trouble;
    r->limit = limit;
    for (uint16_t i = 0; i < count; i++) {
        const struct hold *h = holds_find(&e->holds, ids[i]);
        touched |= h ? h->touched : 0;
        if (!r->extra)
            continue;
        struct limit_order *o = &r->extra->orders[r->extra->order_count++];
        o->reservation_id = ids[i];
        o->order_id_len = h ? h->order_id_len : 0;
        if (h)
            memcpy(o->order_id, h->text, h->order_id_len);
    }
    if (r->extra)
        r->extra->taken = taken;
    r->rests_on = batch_number_of(e, touched);
    return TLY_ELIMIT_EXCEEDED;
}

int user_entries_limit(const struct engine *e, struct command *c, struct reserve_command *r,
                       uint16_t more)
{
    uint32_t limit = e->config.user_entries_max;
    if (e->user_entries + more <= limit)
        return 0;
    r->trouble = ORDER_USER_ENTRIES;
    r->limit = limit;
    return engine_say(c, TLY_EOVERLOADED,
                      "user_entries_max: %u reservations count towards limits of users, the most "
                      "that may; try again",
                      limit);
}

static int user_limit(struct engine *e, struct command *c, struct reserve_command *r,
                      struct sale *sale, int64_t units)
{
    int64_t limit = sale->version->terms.per_user_limit;
    int64_t ids[LIMIT_ORDERS_MAX];
    uint16_t count;
    if (str_empty(r->user_id))
        return limit ? engine_say(c, TLY_EINVALID_ARGUMENT,
                                  "an order in a sale with a limit per user needs a user_id")
                     : 0;
    uint64_t user = order_user(e, r);
    if (limit) {
        int64_t taken = user_units_of(&sale->users, user, ids, LIMIT_ORDERS_MAX, &count);
        if (taken + units > limit) {
            engine_say(c, TLY_ELIMIT_EXCEEDED,
                       "a user may have %lld units of sale %.*s, and has "
                       "%lld",
                       (long long)limit, STR_ARG(sale->version->terms.sale_id), (long long)taken);
            return order_over_limit(e, r, ids, count, taken, limit, ORDER_USER_SALE);
        }
    }
    int code = user_entries_limit(e, c, r, 1);
    if (!code && !user_units_make_room(&sale->users, user))
        code = engine_say(c, TLY_EOVERLOADED, "out of memory");
    return code;
}

static int share_limit(struct command *c, struct reserve_command *r, const struct sale *sale,
                       int64_t units)
{
    int64_t limit = sale->version->terms.total_limit;
    int64_t left = limit - sale->units_pending - sale->units_confirmed;
    if (!limit || units <= left)
        return 0;
    r->trouble = ORDER_SALE_SHARE;
    r->limit = limit;
    r->available = left > 0 ? left : 0;
    return engine_say(c, TLY_ESOLD_OUT, "%lld of the %lld units of sale %.*s are left",
                      (long long)r->available, (long long)limit,
                      STR_ARG(sale->version->terms.sale_id));
}

static int order_limit(struct command *c, struct reserve_command *r, const struct sale *sale,
                       int64_t units)
{
    int64_t limit = sale->version->terms.per_order_limit;
    if (!limit || units <= limit)
        return 0;
    r->trouble = ORDER_TOO_LARGE;
    r->limit = limit;
    return engine_say(c, TLY_ELIMIT_EXCEEDED, "an order may have %lld units of sale %.*s",
                      (long long)limit, STR_ARG(sale->version->terms.sale_id));
}

int sale_limits(struct engine *e, struct command *c, struct reserve_command *r, struct sale *sale)
{
    int64_t units = 0;
    for (uint16_t i = 0; i < r->want_count; i++) {
        units += r->wants[i].quantity;
        if (want_in_sale(e, sale->version, &r->wants[i]))
            continue;
        r->trouble = ORDER_NOT_IN_SALE;
        r->failed_want = i;
        const struct want *w = &r->wants[i];
        engine_say(c, TLY_EINVALID_ARGUMENT, "%.*s is not in sale %.*s",
                   STR_ARG(str_empty(w->lot) ? w->sku : w->lot),
                   STR_ARG(sale->version->terms.sale_id));
        return rests_on_terms(e, r, sale, TLY_EINVALID_ARGUMENT);
    }
    int code = order_limit(c, r, sale, units);
    if (!code)
        code = user_limit(e, c, r, sale, units);
    if (code == TLY_ELIMIT_EXCEEDED) /* the limit itself may be undone, too */
        r->rests_on = batch_number_of(e, sale->terms_touched | batch_bits_of(e, r->rests_on));
    return code ? code : share_limit(c, r, sale, units);
}

struct group *sale_open_group(struct engine *e, struct command *c, struct sale *sale, int *code)
{
    const struct sale_terms *t = &sale->version->terms;
    *code = 0;
    if (!t->group_size)
        *code =
            engine_say(c, TLY_EINVALID_ARGUMENT, "sale %.*s has no groups", STR_ARG(t->sale_id));
    else if (e->stats.groups_open >= (int64_t)e->config.groups_max)
        *code = engine_say(c, TLY_EOVERLOADED,
                           "groups_max: %u groups are OPEN, the most there may be; try again",
                           e->config.groups_max);
    if (*code)
        return NULL;
    struct group *g = groups_add(&e->groups, engine_next_seq(e), sale, t->group_size, e->now_ms,
                                 e->now_ms + t->group_window_ms);
    if (!g)
        *code = engine_say(c, TLY_EOVERLOADED, "out of memory");
    return g;
}

int user_holds_limit(struct engine *e, struct command *c, struct reserve_command *r)
{
    int64_t limit = e->config.user_holds_max;
    int64_t ids[LIMIT_ORDERS_MAX];
    uint16_t count;
    if (!limit || str_empty(r->user_id))
        return 0;
    uint64_t user = hash64(r->user_id, e->config.hash_seed);
    int64_t taken = user_units_of(&e->user_holds, user, ids, LIMIT_ORDERS_MAX, &count);
    if (taken >= limit) {
        engine_say(c, TLY_ELIMIT_EXCEEDED, "user_holds_max: a user may have %lld PENDING holds",
                   (long long)limit);
        return order_over_limit(e, r, ids, count, taken, limit, ORDER_USER_HOLDS);
    }
    if (!user_units_make_room(&e->user_holds, user))
        return engine_say(c, TLY_EOVERLOADED, "out of memory");
    return 0;
}

int sale_allows_more(struct engine *e, struct command *c, const struct hold *h,
                     const struct line *lines, uint16_t line_count, int64_t units)
{
    if (!h->in_sale)
        return 0;
    const struct hold_sale *hs = hold_sale(h);
    struct sale *sale = hs->sale;
    const struct sale_terms *t = &sale->version->terms;
    int64_t order_units = 0;
    bool taken_again = h->state == HOLD_REFUNDED;
    /* Who pays late made the order in time: it may be taken again as long as its sale counts. */
    if (sale_has_ended(sale, e->now_ms) && !(taken_again && sale->live && sale->whole))
        return engine_say(c, TLY_ESALE_CLOSED, "sale %.*s is over", STR_ARG(t->sale_id));
    for (uint16_t i = 0; i < line_count; i++) {
        order_units += lines[i].quantity;
        if (!sale_version_sells(sale->version, lines[i].lot, lots_at(&e->lots, lines[i].lot)))
            return engine_say(c, TLY_EINVALID_ARGUMENT, "lot %.*s is not in sale %.*s",
                              STR_ARG(lots_at(&e->lots, lines[i].lot)->dims.key),
                              STR_ARG(t->sale_id));
    }
    struct reserve_command r = {.user_id = hold_user_id(h)};
    int code = units > 0 ? order_limit(c, &r, sale, order_units) : 0;
    if (!code && units > 0)
        code = user_limit(e, c, &r, sale, units);
    e->limit_touched = code ? batch_bits_of(e, r.rests_on) : 0;
    if (!code && units > 0)
        code = share_limit(c, &r, sale, units);
    if (!code && hs->group_id && taken_again) { /* it takes its place again */
        struct order_extra extra = {.group_id = hs->group_id};
        r.extra = &extra;
        r.search.group_found = true; /* it was in it */
        code = group_admit(e, c, &r, sale);
    }
    return code;
}

int64_t sale_latest_deadline(const struct hold *h)
{
    if (!h->in_sale)
        return INT64_MAX;
    const struct hold_sale *hs = hold_sale(h);
    int64_t most = hs->sale->version->terms.payment_extend_ms_max;
    return most ? hs->first_deadline_ms + most : INT64_MAX;
}

void sale_note_order(const struct engine *e, struct hold *h, const struct reserve_command *r)
{
    struct hold_sale *hs = hold_sale(h);
    hs->user = h->user_id_len ? order_user(e, r) : 0;
    hs->first_deadline_ms = h->deadline_ms;
    hs->group_id = r->extra->group_id;
}

void sale_note_hold(struct engine *e, struct hold *h, int64_t first_deadline_ms, int64_t group_id)
{
    struct hold_sale *hs = hold_sale(h);
    hs->user = h->user_id_len ? hash64(hold_user_id(h), e->config.hash_seed) : 0;
    hs->first_deadline_ms = first_deadline_ms;
    hs->group_id = group_id;
}

/* What a unit of a move changes of the sale's units. */
static const struct {
    int8_t pending;
    int8_t confirmed;
} effects[MOVE_KIND_LAST + 1] = {
    [MOVE_RESERVE] = {+1, 0}, [MOVE_CONFIRM] = {-1, +1}, [MOVE_RELEASE] = {-1, 0},
    [MOVE_REFUND] = {-1, 0},  [MOVE_CHANGE] = {+1, 0},   [MOVE_RECLAIM] = {0, +1},
    [MOVE_RETURN] = {0, -1},  [MOVE_RESTOCK] = {0, -1},  [MOVE_WRITE_OFF] = {0, -1},
    [MOVE_DISCARD] = {0, -1},
};

int move_units_of_user(enum move_kind kind)
{
    return effects[kind].pending + effects[kind].confirmed;
}

void sale_count_of(struct sale *sale, uint64_t user, int64_t reservation_id, enum move_kind kind,
                   int64_t quantity, int sign)
{
    int64_t units = sign * quantity;
    sale->units_pending += effects[kind].pending * units;
    sale->units_confirmed += effects[kind].confirmed * units;
    sale->orders_made += kind == MOVE_RESERVE ? sign : 0;
    sale->orders_back += kind == MOVE_REFUND ? sign : 0;
    if (user && sale->live)
        user_units_add(&sale->users, user, reservation_id, move_units_of_user(kind) * units);
}

void sale_count(const struct hold *h, enum move_kind kind, int64_t quantity, int sign)
{
    const struct hold_sale *hs = hold_sale(h);
    sale_count_of(hs->sale, hs->user, h->reservation_id, kind, quantity, sign);
}
