/* recovery.c - builds the engine's state from the ledger: lots with the stock of the last snapshot,
 * runs of the order index, then moves in order.
 *
 * Happy path: a RESERVE becomes a PENDING hold with its timer and its entry in the index; a later
 * move of it ends it again. A row that contradicts what came before is TLY_ECORRUPT: a server must
 * not go on from there.
 */
#include <assert.h>

#include "base/hash.h"
#include "engine/engine_internal.h"
#include "engine/lines.h"

static bool load_terms(struct engine *e, lot_id id, const struct lot_terms *terms)
{
    const struct lot_terms plain = lot_terms_plain(&lots_at(&e->lots, id)->dims);
    struct lot_terms all = *terms;
    if (all.backorder_most < all.backorder_limit)
        all.backorder_most = all.backorder_limit;
    if (lot_terms_equal(&all, &plain))
        return true;
    if (!lots_make_terms(&e->lots, id))
        return false;
    lots_set_terms(&e->lots, id, &all);
    return !all.per_user_limit || lot_users_begin(e, id) == 0;
}

int engine_load_lot(struct engine *e, lot_id id, const struct lot_dims *dims,
                    const struct lot_terms *terms, const struct stock *snapshot, struct error *err)
{
    assert(e->loading);
    if (id != e->lots.count + 1 && !(e->config.shared && id && !lots_has(&e->lots, id)))
        return error_set(err, TLY_ECORRUPT, "lot", "lot %u comes after lot %u", id, e->lots.count);
    if (lots_find(&e->lots, dims->key))
        return error_set(err, TLY_ECORRUPT, "lot", "lot key %.*s is there twice",
                         STR_ARG(dims->key));
    if (id > e->config.lots_max)
        return error_set(err, TLY_ELIMIT_EXCEEDED, "lots_max",
                         "lots_max: the ledger has more than %u lots; raise it",
                         e->config.lots_max);
    if (!lots_put(&e->lots, id, dims) || (terms && !load_terms(e, id, terms)))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the lots");
    if (!stock_is_sound(e, id, snapshot))
        return error_set(err, TLY_ECORRUPT, "stock", "the stock of lot %.*s does not add up",
                         STR_ARG(dims->key));
    stock_set(e, id, snapshot);
    return 0;
}

int engine_load_sale(struct engine *e, const struct sale_terms *terms, int64_t created_seq,
                     struct error *err)
{
    assert(e->loading);
    uint32_t failed;
    bool follows =
        e->config.shared ? terms->number > e->sales.count : terms->number == e->sales.count + 1;
    if (!follows)
        return error_set(err, TLY_ECORRUPT, "sale", "sale %u comes after sale %u", terms->number,
                         e->sales.count);
    if (sales_find(&e->sales, terms->sale_id))
        return error_set(err, TLY_ECORRUPT, "sale", "sale_id %.*s is there twice",
                         STR_ARG(terms->sale_id));
    if (terms->number > e->config.sales_max)
        return error_set(err, TLY_ELIMIT_EXCEEDED, "sales_max",
                         "sales_max: the ledger has more than %u sales; raise it",
                         e->config.sales_max);
    struct sale_version *version = sale_version_make(&e->lots, terms, &failed);
    if (!version && failed < terms->item_count)
        return error_set(err, TLY_ECORRUPT, "sale", "sale %.*s sells a lot that is not there",
                         STR_ARG(terms->sale_id));
    struct sale *s = NULL;
    if (version)
        s = e->config.shared ? sales_put(&e->sales, version, created_seq)
                             : sales_add(&e->sales, version, created_seq);
    if (!s) {
        sale_version_free(version);
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the sales");
    }
    s->users.all = &e->user_entries;
    if (e->config.shared)
        sales_tell(&e->sales, s);
    return 0;
}

static int corrupt(struct error *err, const struct move *m, const char *what)
{
    return error_set(err, TLY_ECORRUPT, "move", "move %lld (%s): %s", (long long)m->seq,
                     move_kind_name((enum move_kind)m->kind), what);
}

static int64_t least_quantity(enum move_kind kind)
{
    bool differs = kind == MOVE_ADJUST || kind == MOVE_CHANGE;
    return differs ? -(int64_t)QUANTITY_MAX : kind != MOVE_CREATE && kind != MOVE_LOT_TERMS;
}

static int check_lines(const struct engine *e, const struct move *m, struct error *err)
{
    if (move_has_no_lines(m->kind))
        return m->line_count ? corrupt(err, m, "it has lines") : 0;
    uint16_t most = m->kind == MOVE_CHANGE ? MOVE_LINES_MAX : ORDER_LINES_MAX;
    if (m->line_count < 1 || m->line_count > most)
        return corrupt(err, m, "it has no lines or too many");
    const struct line *lines = move_lines(m);
    for (uint16_t i = 0; i < m->line_count; i++) {
        if (!lots_has(&e->lots, lines[i].lot))
            return corrupt(err, m, "there is no such lot");
        if (i && lines[i].lot <= lines[i - 1].lot)
            return corrupt(err, m, "its lots are not in order");
        if (lines[i].quantity < least_quantity((enum move_kind)m->kind) ||
            lines[i].quantity > QUANTITY_MAX)
            return corrupt(err, m, "its quantity is out of range");
    }
    return 0;
}

static int load_stock(struct engine *e, const struct move *m, struct error *err)
{
    const struct line *lines = move_lines(m);
    for (uint16_t i = 0; i < m->line_count; i++) {
        if (!stock_allows(e, m->kind, lines[i].lot, lines[i].quantity))
            return corrupt(err, m, "a counter of its lot would be negative");
        stock_apply(e, m->kind, lines[i].lot, lines[i].quantity, +1);
    }
    return 0;
}

static bool add_oldest_entry(struct engine *e)
{
    const struct order_entry *entry = &e->loading_entries[e->loading_added % LOAD_AHEAD];
    if (order_index_add(e->orders, entry->hash, entry->reservation_id))
        return false;
    e->loading_added++;
    return true;
}

bool engine_index_complete(struct engine *e)
{
    while (e->loading_added != e->loading_count) {
        if (!add_oldest_entry(e))
            return false;
    }
    return true;
}

static int load_index(struct engine *e, const struct move *m, struct str text, uint64_t hash,
                      struct error *err)
{
    if (order_index_covers(e->orders, m->seq))
        return 0;
    if (move_begins(m) && !hash)
        hash = hash64(text, e->config.hash_seed);
    if (e->loading_count - e->loading_added == LOAD_AHEAD && !add_oldest_entry(e))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the order index");
    order_index_prefetch(e->orders, hash);
    e->loading_entries[e->loading_count++ % LOAD_AHEAD] = (struct order_entry){hash, m->seq};
    return 0;
}

static bool make_user_room(struct engine *e, struct str user_id)
{
    return !e->config.user_holds_max || str_empty(user_id) ||
           user_units_make_room(&e->user_holds, hash64(user_id, e->config.hash_seed));
}

static uint64_t reservation_key(int64_t reservation_id)
{
    return (uint64_t)reservation_id * UINT64_C(0x9E3779B97F4A7C15);
}

/* The sale's units. A move but RESERVE tells neither sale nor user: they are kept from that one,
 * for as long as loading lasts. */
static int load_in_sale(struct engine *e, const struct move *m, struct error *err)
{
    uint64_t key = reservation_key(m->reservation_id);
    struct sale *sale = NULL;
    int64_t user = 0;
    if (m->kind == MOVE_RESERVE && m->sale) {
        sale = sales_at(&e->sales, m->sale);
        if (!str_empty(m->user_id))
            user = (int64_t)hash64(m->user_id, e->config.hash_seed);
        if (!user_units_make_room(&e->loading_sales, key))
            return error_set(err, TLY_ENO_MEMORY, "", "no memory for the sales");
        user_units_add(&e->loading_sales, key, user, m->sale);
    } else if (m->reservation_id && e->loading_sales.count) {
        uint16_t count;
        sale = sales_at(&e->sales,
                        (sale_number)user_units_of(&e->loading_sales, key, &user, 1, &count));
    }
    if (!sale)
        return 0;
    if (user && sale->live && !user_units_make_room(&sale->users, (uint64_t)user))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the users of sales");
    sale_count_of(sale, (uint64_t)user, m->reservation_id, m->kind, m->line.quantity, +1);
    return 0;
}

static int load_begin(struct engine *e, const struct move *m, struct error *err)
{
    if (m->reservation_id != m->seq)
        return corrupt(err, m, "its reservation_id is not its seq");
    if (str_empty(m->order_id) || m->order_id.len > ORDER_ID_MAX)
        return corrupt(err, m, "its order_id is empty or too long");
    if (m->user_id.len > USER_ID_MAX)
        return corrupt(err, m, "its user_id is too long");
    return load_index(e, m, m->order_id, m->order_hash, err);
}

static int load_reserve(struct engine *e, const struct move *m, struct error *err)
{
    int code = load_begin(e, m, err);
    if (code)
        return code;
    struct sale *sale = sales_at(&e->sales, m->sale);
    if (m->sale && !sale)
        return corrupt(err, m, "there is no such sale");
    if (!make_user_room(e, m->user_id))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the users");
    struct hold *h =
        holds_add(&e->holds, m->seq, m->order_id, m->user_id, move_lines(m), m->line_count, sale);
    if (!h)
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the holds");
    if (sale)
        sale_note_hold(e, h, m->deadline_ms, m->group_id);
    if (sale && m->group_id && !groups_make_room(&e->groups, hold_sale(h)->user, m->group_id))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the groups");
    h->created_ms = m->at_ms;
    h->deadline_ms = m->deadline_ms;
    h->fingerprint = m->fingerprint;
    h->moves = 1;
    if (!e->holds.oldest)
        timers_start(e->timers, m->at_ms);
    hold_step(e, h, MOVE_RESERVE, REASON_NONE);
    return 0;
}

static int load_group(struct engine *e, const struct move *m, struct error *err)
{
    struct group *g = groups_find(&e->groups, m->group_id);
    if (m->kind != MOVE_GROUP_OPEN) {
        if (!g)
            return 0; /* it began before what was loaded */
        g->status = m->kind == MOVE_GROUP_SUCCEED ? GROUP_SUCCEEDED : GROUP_FAILED;
        group_forget(e, g);
        return 0;
    }
    struct sale *sale = sales_at(&e->sales, m->sale);
    if (!sale || m->group_id != m->seq || g)
        return corrupt(err, m, "it is in no sale, or its group_id is not its seq");
    if (m->line.quantity < 1 || m->line.quantity > GROUP_SIZE_MAX)
        return corrupt(err, m, "its size is out of range");
    if (!groups_add(&e->groups, m->seq, sale, (uint16_t)m->line.quantity, m->at_ms, m->deadline_ms))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the groups");
    sale->groups_open++;
    e->stats.groups_open++;
    return 0;
}

static bool same_lines(const struct hold *h, const struct move *m)
{
    struct line one;
    const struct line *held = hold_lines(h, &one);
    const struct line *lines = move_lines(m);
    if (h->line_count != m->line_count)
        return false;
    for (uint16_t i = 0; i < m->line_count; i++) {
        if (held[i].lot != lines[i].lot || held[i].quantity != lines[i].quantity)
            return false;
    }
    return true;
}

static int load_change(struct engine *e, struct hold *h, const struct move *m, struct error *err)
{
    struct line one, sum[ORDER_LINES_MAX + MOVE_LINES_MAX];
    uint16_t count =
        lines_sum(hold_lines(h, &one), h->line_count, move_lines(m), m->line_count, +1, sum);
    if (count == 0 || count > ORDER_LINES_MAX)
        return corrupt(err, m, "it leaves no lines or too many");
    for (uint16_t i = 0; i < count; i++) {
        if (sum[i].quantity < 0)
            return corrupt(err, m, "it takes away more than the reservation has");
    }
    struct undo was = {0};
    struct line *many = count > 1 ? holds_lines_take(&e->holds, count) : NULL;
    if (count > 1 && !many)
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the holds");
    hold_replace_lines(h, sum, count, many, &was);
    if (was.old_lines)
        holds_lines_give(&e->holds, was.old_lines, was.old_line_count);
    h->written = 1;
    return 0;
}

/* It has expired, and a late payment may give it its place in the group again. */
static bool may_be_reclaimed(const struct engine *e, const struct hold *h)
{
    return h->state == HOLD_REFUNDED && groups_find(&e->groups, hold_group_id(h));
}

static void release_expired(struct engine *e)
{
    struct hold *next;
    for (struct hold *h = e->holds.oldest; h; h = next) {
        next = h->newer;
        if (h->state == HOLD_REFUNDED)
            hold_release(e, h);
    }
}

/* Of a hold that is in memory: the others were finished before what was loaded. */
static int load_hold_move(struct engine *e, const struct move *m, struct error *err)
{
    struct hold *h = holds_find(&e->holds, m->reservation_id);
    if (m->reservation_id <= 0 || m->reservation_id >= m->seq)
        return corrupt(err, m, "it belongs to no earlier reservation");
    if (!h) /* CONFIRMED ones are in memory while their group is OPEN */
        return 0;
    enum refund_reason reason = (enum refund_reason)m->reason;
    if (m->kind == MOVE_REFUND && !reason)
        reason = REASON_CANCELLED;
    if (!hold_move_end((int)h->state, (enum move_kind)m->kind, reason != REASON_NONE))
        return corrupt(err, m, "its reservation is in no state for it");
    h->moves++;
    if (m->kind == MOVE_EXTEND) {
        hold_set_deadline(e, h, m->deadline_ms);
        return 0;
    }
    if (m->kind == MOVE_CHANGE)
        return load_change(e, h, m, err);
    if (m->kind == MOVE_REFUND && !same_lines(h, m))
        return corrupt(err, m, "it gives back other units than were reserved");
    if ((m->kind == MOVE_RECLAIM || (m->kind == MOVE_CONFIRM && hold_has_place(h))) &&
        !holds_set_lines(&e->holds, h, move_lines(m), m->line_count))
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the holds");
    bool confirms = h->state != HOLD_CONFIRMED;
    hold_step(e, h, m->kind, reason);
    if (confirms && h->state == HOLD_CONFIRMED)
        h->confirmed_ms = m->at_ms;
    if (!may_be_reclaimed(e, h))
        hold_release(e, h);
    return 0;
}

static int load_by_kind(struct engine *e, const struct move *m, struct error *err)
{
    switch (m->kind) {
    case MOVE_RESERVE:
        return load_reserve(e, m, err);
    case MOVE_CONFIRM:
    case MOVE_RELEASE:
    case MOVE_REFUND:
    case MOVE_RETURN:
    case MOVE_EXTEND:
    case MOVE_SHIP:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
    case MOVE_CHANGE:
    case MOVE_RECLAIM:
        return load_hold_move(e, m, err);
    case MOVE_FENCE:
        return load_begin(e, m, err);
    case MOVE_GROUP_OPEN:
    case MOVE_GROUP_SUCCEED:
    case MOVE_GROUP_FAIL:
        return load_group(e, m, err);
    case MOVE_CREATE:
    case MOVE_LOT_TERMS: /* a ledger that keeps them with the lot alone told them there */
        if (m->terms && !load_terms(e, m->line.lot, m->terms))
            return error_set(err, TLY_ENO_MEMORY, "", "no memory for the lots");
        return 0;
    case MOVE_ADJUST:
        if (str_empty(m->detail))
            return 0;
        if (m->detail.len > ADJUSTMENT_ID_MAX)
            return corrupt(err, m, "its adjustment_id is too long");
        return load_index(e, m, m->detail, adjustment_hash(m->detail, e->config.hash_seed), err);
    case MOVE_SALE: {
        struct sale *sale = sales_at(&e->sales, m->sale);
        if (sale && sale->created_seq == m->seq)
            sale->whole = true;
        return 0;
    }
    default:
        return 0;
    }
}

int engine_load_move(struct engine *e, const struct move *m, bool in_stock, struct error *err)
{
    assert(e->loading);
    if (m->kind < MOVE_KIND_FIRST || m->kind > MOVE_KIND_LAST)
        return corrupt(err, m, "there is no such kind");
    if (m->reason > REASON_UNSETTLED)
        return corrupt(err, m, "there is no such reason");
    if (m->seq <= e->last_seq)
        return corrupt(err, m, "its number is not higher than the one before");
    int code = check_lines(e, m, err);
    if (!code && !in_stock)
        code = load_stock(e, m, err);
    for (uint16_t i = 0; !code && i < m->line_count; i++)
        backorder_moved(e, move_lines(m)[i].lot, m, move_lines(m)[i].quantity, +1);
    if (!code)
        code = lot_users_load(e, m, err);
    if (!code)
        code = load_by_kind(e, m, err);
    if (!code && e->sales.count)
        code = load_in_sale(e, m, err);
    if (code)
        return code;
    e->last_seq = m->seq;
    if (m->at_ms > e->now_ms)
        e->now_ms = m->at_ms;
    return 0;
}

int engine_load_order_run(struct engine *e, struct order_run *run)
{
    assert(e->loading);
    order_index_load_run(e->orders, run);
    if (run->seq_max > e->committed_seq)
        e->committed_seq = run->seq_max;
    return 0;
}

void engine_load_seq(struct engine *e, int64_t seq)
{
    assert(e->loading);
    if (seq > e->committed_seq)
        e->committed_seq = seq;
}

/* The wheel stands at the time of the first hold: a time before that needs one that
 * starts there. */
static void rewind_timers(struct engine *e, int64_t now_ms)
{
    for (struct hold *h = e->holds.oldest; h; h = h->newer) {
        if (h->state == HOLD_PENDING)
            timers_cancel(e->timers, h);
    }
    timers_start(e->timers, now_ms);
    for (struct hold *h = e->holds.oldest; h; h = h->newer) {
        if (h->state == HOLD_PENDING)
            timers_insert(e->timers, h);
    }
}

void engine_recovered(struct engine *e, int64_t now_ms)
{
    assert(e->loading);
    if (now_ms < e->now_ms)
        rewind_timers(e, now_ms);
    e->now_ms = now_ms;
    if (e->committed_seq > e->last_seq)
        e->last_seq = e->committed_seq;
    e->committed_seq = e->last_seq;
    if (e->last_seq) { /* the next number is higher than all that were read */
        e->seq_ms = seq_ms(e->last_seq);
        e->seq_counter = (1u << SEQ_COUNTER_BITS) - 1;
    }
    for (lot_id id = 1; id <= e->lots.count; id++) {
        if (!lots_has(&e->lots, id))
            continue;
        lots_at(&e->lots, id)->created = true;
        stock_changed(e, id);
    }
    e->created = e->gate_lots = e->lots.count;
    release_expired(e);
    for (struct sale *s = e->sales.oldest; s; s = s->newer) {
        if (!sale_has_ended(s, e->now_ms))
            sales_tell(&e->sales, s);
    }
    user_units_close(&e->loading_sales);
    user_units_close(&e->loading_users);
    backorder_loaded(e);
    engine_index_complete(e);
    order_index_set_loading(e->orders, e->config.shared); /* what a load brings is all there is */
    do
        due_take(e);
    while (e->marking);
    e->shared.look_ms = e->now_ms;
    e->shared.serial = e->sales.load = e->config.shared;
    e->available = true;
    e->loading = false;
}
