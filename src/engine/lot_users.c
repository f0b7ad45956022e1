/* lot_users.c - happy path: an order's lines are looked up by its user in each lot's table, and
 * counted with its RESERVE.
 *
 * What is older than order_retention_ms is dropped when its user orders again, and by sweeps; of a
 * user with more than USER_ENTRIES_MAX reservations of one lot the rest counts until a restart.
 * Failure: memory is short: the order is refused, or, where a move cannot be refused any more, it
 * is not counted.
 */
#include "engine/lot_users.h"

#include "base/hash.h"
#include "engine/engine_internal.h"

enum { SWEEP_LOTS = 256 };

static struct lot_extra *counting(const struct engine *e, lot_id id)
{
    const struct lot *lot = lots_at(&e->lots, id);
    if (!lot->extra)
        return NULL;
    struct lot_extra *extra = lots_extra(&e->lots, lot->extra);
    return extra->counts_users ? extra : NULL;
}

static uint64_t user_of(const struct engine *e, struct str user_id)
{
    return hash64(user_id, e->config.hash_seed);
}

static int64_t oldest_counted(const struct engine *e)
{
    return seq_first_of_ms(e->now_ms - e->config.order_retention_ms);
}

static bool is_over(const void *context, int64_t reservation_id)
{
    const struct engine *e = context;
    if (reservation_id == 0 || reservation_id >= oldest_counted(e) || e->config.shared)
        return false; /* a load brings what counts */
    const struct hold *h = holds_find(&e->holds, reservation_id);
    return !h || h->state != HOLD_PENDING;
}

static void count(struct engine *e, struct lot_extra *extra, uint64_t user, int64_t reservation_id,
                  int64_t units)
{
    if (units < 0) {
        user_units_take(&extra->users, user, reservation_id, -units);
    } else if (units && user_units_make_room(&extra->users, user)) {
        user_units_add(&extra->users, user, reservation_id, units);
        if (reservation_id < e->limited_first)
            e->limited_first = reservation_id;
    }
}

int lot_users_begin(struct engine *e, lot_id id)
{
    struct lot_extra *extra = lots_extra(&e->lots, lots_at(&e->lots, id)->extra);
    if (extra->counts_users)
        return 0;
    bool is_new = lots_at(&e->lots, id)->stock.version == 0 || e->config.shared;
    extra->users.all = &e->user_entries;
    for (struct hold *h = is_new ? NULL : e->holds.oldest; h; h = h->newer) {
        struct line one;
        const struct line *lines = hold_lines(h, &one);
        for (uint8_t i = 0; i < h->line_count; i++) {
            if (lines[i].lot != id || h->state != HOLD_PENDING || h->in_sale || !h->user_id_len)
                continue;
            uint64_t user = user_of(e, hold_user_id(h));
            bool full = e->user_entries >= e->config.user_entries_max && !e->loading;
            if (full || !user_units_make_room(&extra->users, user)) {
                user_units_close(&extra->users);
                return full ? TLY_EFULL : TLY_ENO_MEMORY;
            }
            count(e, extra, user, h->reservation_id, lines[i].quantity);
        }
    }
    extra->counts_users = true;
    extra->limited_previous = 0;
    extra->limited_next = e->limited_lots;
    if (e->limited_lots)
        counting(e, e->limited_lots)->limited_previous = id;
    e->limited_lots = id;
    return 0;
}

bool lot_users_put(struct engine *e, lot_id id, uint64_t user, int64_t reservation_id,
                   int64_t units)
{
    struct lot_extra *extra = counting(e, id);
    if (!extra)
        return true;
    if (!user_units_make_room(&extra->users, user))
        return false;
    user_units_add(&extra->users, user, reservation_id, units);
    return true;
}

void lot_users_forget(struct engine *e, lot_id id)
{
    struct lot_extra *extra = counting(e, id);
    if (extra)
        user_units_close(&extra->users);
}

int64_t lot_users_counted_from(const struct engine *e)
{
    return oldest_counted(e);
}

void lot_users_end(struct engine *e, lot_id id)
{
    struct lot_extra *extra = counting(e, id);
    if (!extra)
        return;
    user_units_close(&extra->users);
    if (extra->limited_previous)
        counting(e, extra->limited_previous)->limited_next = extra->limited_next;
    else
        e->limited_lots = extra->limited_next;
    if (extra->limited_next)
        counting(e, extra->limited_next)->limited_previous = extra->limited_previous;
    if (e->limited_sweep == id)
        e->limited_sweep = extra->limited_next;
    extra->counts_users = false;
}

void lot_users_moved(struct engine *e, lot_id id, const struct hold *h, enum move_kind kind,
                     int64_t quantity, int sign)
{
    struct lot_extra *extra = counting(e, id);
    if (extra && h && !h->in_sale && h->user_id_len)
        count(e, extra, user_of(e, hold_user_id(h)), h->reservation_id,
              sign * quantity * move_units_of_user(kind));
}

/* The want that the lot was taken for. */
static uint16_t want_of(const struct engine *e, const struct reserve_command *r, lot_id id)
{
    const struct lot *lot = lots_at(&e->lots, id);
    for (uint16_t i = 0; i < r->want_count; i++) {
        const struct want *w = &r->wants[i];
        if (str_empty(w->lot) ? str_equal(w->sku, lot->dims.sku) : str_equal(w->lot, lot->dims.key))
            return i;
    }
    return 0;
}

static int check(struct engine *e, struct command *c, struct reserve_command *r,
                 const struct line *line)
{
    struct lot_extra *extra = counting(e, line->lot);
    int64_t limit = extra ? extra->terms.per_user_limit : 0;
    int64_t ids[LIMIT_ORDERS_MAX];
    uint16_t id_count;
    if (!limit || line->quantity < 1)
        return 0;
    struct str key = lots_at(&e->lots, line->lot)->dims.key;
    if (str_empty(r->user_id))
        return engine_say(c, TLY_EINVALID_ARGUMENT,
                          "an order of lot %.*s, which has a limit per user, needs a user_id",
                          STR_ARG(key));
    uint64_t user = user_of(e, r->user_id);
    user_units_forget(&extra->users, user, is_over, e);
    int64_t taken = user_units_of(&extra->users, user, ids, LIMIT_ORDERS_MAX, &id_count);
    if (taken + line->quantity > limit) {
        engine_say(c, TLY_ELIMIT_EXCEEDED,
                   "a user may have %lld units of lot %.*s outside sales, and has %lld",
                   (long long)limit, STR_ARG(key), (long long)taken);
        order_over_limit(e, r, ids, id_count, taken, limit, ORDER_USER_LOT);
        /* That the lot has this limit may be undone, too. */
        uint8_t touched = lots_at(&e->lots, line->lot)->touched | batch_bits_of(e, r->rests_on);
        r->rests_on = batch_number_of(e, touched);
        return TLY_ELIMIT_EXCEEDED;
    }
    int code = user_entries_limit(e, c, r, r->line_count);
    if (!code && !user_units_make_room(&extra->users, user))
        code = engine_say(c, TLY_EOVERLOADED, "out of memory");
    return code;
}

int lot_users_limit(struct engine *e, struct command *c, struct reserve_command *r)
{
    for (uint16_t i = 0; e->limited_lots && i < r->line_count; i++) {
        int code = check(e, c, r, &r->lines[i]);
        if (code) {
            r->failed_want = want_of(e, r, r->lines[i].lot);
            r->line_count = 0;
            return code;
        }
    }
    return 0;
}

int lot_users_allow(struct engine *e, struct command *c, const struct hold *h,
                    const struct line *more, uint16_t count)
{
    struct reserve_command r = {.user_id = hold_user_id(h), .line_count = count};
    int code = 0;
    for (uint16_t i = 0; e->limited_lots && !h->in_sale && !code && i < count; i++)
        code = check(e, c, &r, &more[i]);
    e->limit_touched = code ? batch_bits_of(e, r.rests_on) : 0;
    return code;
}

/* A move but RESERVE does not tell its user: that is kept from that one, as long as loading lasts.
 */
int lot_users_load(struct engine *e, const struct move *m, struct error *err)
{
    if (!e->limited_lots || !m->reservation_id || !m->line_count)
        return 0;
    uint64_t key = (uint64_t)m->reservation_id * UINT64_C(0x9E3779B97F4A7C15);
    int64_t user = 0;
    uint16_t known = 0;
    if (m->kind == MOVE_RESERVE && !m->sale && !str_empty(m->user_id)) {
        user = (int64_t)user_of(e, m->user_id);
        if (!user_units_make_room(&e->loading_users, key))
            return error_set(err, TLY_ENO_MEMORY, "", "no memory for the users of lots");
        user_units_add(&e->loading_users, key, user, 1);
    } else {
        const struct hold *h = holds_find(&e->holds, m->reservation_id);
        user_units_of(&e->loading_users, key, &user, 1, &known);
        if (!known && h && !h->in_sale && h->user_id_len) /* of before the limit was set */
            user = (int64_t)user_of(e, hold_user_id(h));
    }
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    for (uint16_t i = 0; user && i < m->line_count; i++) {
        struct lot_extra *extra = counting(e, lines[i].lot);
        if (extra)
            count(e, extra, (uint64_t)user, m->reservation_id,
                  lines[i].quantity * move_units_of_user(m->kind));
    }
    return 0;
}

int64_t lot_users_oldest(const struct engine *e)
{
    if (!e->limited_lots)
        return INT64_MAX;
    int64_t oldest = oldest_counted(e);
    return oldest > e->limited_first ? oldest : e->limited_first;
}

void lot_users_sweep(struct engine *e)
{
    for (int i = 0; e->limited_lots && i < SWEEP_LOTS; i++) {
        if (!e->limited_sweep)
            e->limited_sweep = e->limited_lots;
        lot_id id = e->limited_sweep;
        struct lot_extra *extra = counting(e, id);
        user_units_sweep(&extra->users, &extra->sweep, is_over, e);
        e->limited_sweep = extra->limited_next;
        if (!extra->terms.per_user_limit && !lots_at(&e->lots, id)->touched)
            lot_users_end(e, id);
        if (!e->limited_sweep)
            return;
    }
}
