/* shared_install.c - what a load brought, in the engine's own tables for as long as it holds: lots
 * with their terms, sales with what they count, OPEN groups, reservations, what users have, who
 * waits for units. Then it is forgotten, so that memory does not grow with what other nodes do.
 *
 * Lots and sales stay in their tables, which other threads read, but count only for the load that
 * they came with (lot.load, sale.load).
 *
 * Failure: no memory, or a row that does not go with the others. Then nothing is decided on it.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

/* ---- lots ---- */

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Room for `count` numbers; false: no memory. */
static bool grow(uint32_t **numbers, uint32_t *room, uint32_t count)
{
    if (count <= *room)
        return true;
    uint32_t *grown = realloc(*numbers, count * sizeof *grown);
    if (!grown)
        return false;
    *numbers = grown;
    *room = count;
    return true;
}

static bool install_terms(struct engine *e, lot_id id, const struct lot_terms *terms)
{
    const struct lot_terms have = lots_terms(&e->lots, lots_at(&e->lots, id));
    if (!lot_terms_equal(terms, &have)) {
        if (!lots_make_terms(&e->lots, id))
            return false;
        engine_put_terms(e, id, terms);
    }
    return !terms->per_user_limit || lot_users_begin(e, id) == 0;
}

static bool install_lots(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    if (!grow(&s->lots, &s->lot_room, load->lot_count + load->key_count))
        return false;
    for (uint32_t i = 0; i < load->lot_count; i++) {
        const struct loaded_lot *from = &load->lots[i];
        if (!lots_has(&e->lots, from->id) && !lots_put(&e->lots, from->id, &from->dims))
            return false;
        struct lot *lot = lots_at(&e->lots, from->id);
        bool news = !lot->created || lot->stock.version != from->stock.version;
        if (lot->load == s->serial)
            continue;
        lot->load = s->serial;
        lot->created = true;
        s->lots[s->lot_count++] = from->id;
        if (!install_terms(e, from->id, &from->terms))
            return false;
        stock_set(e, from->id, &from->stock);
        if (news)
            stock_changed(e, from->id);
    }
    e->created = e->lots.count;
    if (s->lot_count)
        qsort(s->lots, s->lot_count, sizeof *s->lots, by_number);
    return true;
}

static bool lots_are_loaded(const struct engine *e, const struct line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!lot_is_loaded(e, lines[i].lot))
            return false;
    }
    return true;
}

static bool install_places(struct engine *e, const struct load *load)
{
    for (uint32_t i = 0; i < load->place_count; i++) {
        const struct loaded_place *p = &load->places[i];
        if (!lot_is_loaded(e, p->lot) ||
            !backorder_put(e, p->lot, p->seq, p->reservation_id, p->units))
            return false;
    }
    return true;
}

/* ---- sales ---- */

static void count_sale(struct engine *e, struct sale *s, const struct loaded_sale *from)
{
    s->units_pending = from->units_pending;
    s->units_confirmed = from->units_confirmed;
    s->units_due = 0;
    s->orders_made = from->orders_made;
    s->orders_back = from->orders_back;
    s->groups_open = from->groups_open;
    s->groups_succeeded = from->groups_succeeded;
    s->groups_failed = from->groups_failed;
    s->touched = s->terms_touched = 0;
    s->live = !sale_is_over(e, s);
    s->whole = true;
    s->load = e->sales.load;
    s->users.all = &e->user_entries;
}

static bool install_sale(struct engine *e, const struct loaded_sale *from)
{
    struct sale *s = sales_at(&e->sales, from->terms.number);
    struct sale_version *version = sale_version_loaded(&e->lots, &from->terms);
    if (!version)
        return false;
    const struct sale_terms *t = &version->terms;
    bool news = !s;
    if (!s) {
        s = sales_put(&e->sales, version, from->created_seq);
        if (!s) {
            sale_version_free(version);
            return false;
        }
    } else {
        const struct sale_terms *had = &s->version->terms;
        news = had->starts_ms != t->starts_ms || had->ends_ms != t->ends_ms ||
               had->closed_ms != t->closed_ms;
        sale_version_free(s->version);
        s->version = version;
    }
    if (news)
        sales_tell(&e->sales, s);
    count_sale(e, s, from);
    e->shared.sales[e->shared.sale_count++] = t->number;
    return true;
}

static bool install_sales(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    if (!grow(&s->sales, &s->sale_room, load->sale_count + load->key_count))
        return false;
    for (uint32_t i = 0; i < load->sale_count; i++) {
        const struct sale *had = sales_at(&e->sales, load->sales[i].terms.number);
        bool twice = had && had->load == e->sales.load;
        if (!twice && !install_sale(e, &load->sales[i]))
            return false;
    }
    return true;
}

static bool sale_is_loaded(const struct engine *e, sale_number number)
{
    const struct sale *s = sales_at(&e->sales, number);
    return s && s->load == e->sales.load;
}

/* ---- groups ---- */

static bool install_groups(struct engine *e, const struct load *load)
{
    for (uint32_t i = 0; i < load->group_count; i++) {
        const struct group_record *g = &load->groups[i];
        if (!sale_is_loaded(e, g->sale))
            return false;
        if (g->status != GROUP_IS_OPEN || groups_find(&e->groups, g->group_id))
            continue;
        if (!groups_add(&e->groups, g->group_id, sales_at(&e->sales, g->sale), g->size,
                        g->opened_ms, g->ends_ms))
            return false;
        e->stats.groups_open++;
    }
    return true;
}

/* It has a place in its group, if that is OPEN. */
static bool join_group(struct engine *e, struct hold *h)
{
    if (!h->in_sale || !hold_sale(h)->group_id || h->state == HOLD_REFUNDED)
        return true;
    struct group *g = groups_find(&e->groups, hold_sale(h)->group_id);
    if (!g)
        return true;
    if (!groups_make_room(&e->groups, hold_sale(h)->user, g->group_id))
        return false;
    groups_join(&e->groups, g, h);
    g->members++;
    g->paid = (uint16_t)(g->paid + (h->state == HOLD_CONFIRMED));
    e->paid_in_groups += h->state == HOLD_CONFIRMED;
    return g->members <= g->size;
}

/* ---- reservations ---- */

/* Units of a line that its user has. */
static int64_t units_kept(const struct reservation_record *record, uint32_t i)
{
    if (record->state == HOLD_REFUNDED)
        return 0;
    return record->lines[i].quantity - (record->after ? record->after[i].returned : 0);
}

/* In its sale. */
static bool count_in_sale(const struct hold *h, const struct reservation_record *record)
{
    const struct hold_sale *hs = hold_sale(h);
    int64_t units = 0;
    for (uint32_t i = 0; i < record->line_count; i++)
        units += units_kept(record, i);
    if (!hs->user || !hs->sale->live)
        return true;
    if (!user_units_make_room(&hs->sale->users, hs->user))
        return false;
    user_units_add(&hs->sale->users, hs->user, h->reservation_id, units);
    return true;
}

/* Of its lots, outside sales. */
static bool count_of_lots(struct engine *e, const struct hold *h,
                          const struct reservation_record *record, uint64_t user)
{
    bool counts = h->state == HOLD_PENDING || h->reservation_id >= lot_users_counted_from(e);
    for (uint32_t i = 0; counts && i < record->line_count; i++) {
        int64_t units = units_kept(record, i);
        if (units && !lot_users_put(e, record->lines[i].lot, user, h->reservation_id, units))
            return false;
    }
    return true;
}

static bool count_users(struct engine *e, const struct hold *h,
                        const struct reservation_record *record)
{
    if (h->in_sale)
        return count_in_sale(h, record);
    if (!h->user_id_len || !e->limited_lots)
        return true;
    return count_of_lots(e, h, record, hash64(hold_user_id(h), e->config.hash_seed));
}

/* For the count of the user's PENDING holds, which begins as the hold is made. */
static bool make_user_room(struct engine *e, const struct reservation_record *record)
{
    if (!e->config.user_holds_max || str_empty(record->user_id))
        return true;
    uint64_t user = hash64(record->user_id, e->config.hash_seed);
    return user_units_make_room(&e->user_holds, user);
}

static bool install_record(struct engine *e, const struct reservation_record *record)
{
    uint64_t hash = hash64(record->order_id, e->config.hash_seed);
    if ((record->sale && !sale_is_loaded(e, record->sale)) ||
        !lots_are_loaded(e, record->lines, record->line_count) ||
        !lots_are_loaded(e, record->reserved_lines, record->line_count_reserved) ||
        !make_user_room(e, record))
        return false;
    struct hold *h = hold_from_record(e, record);
    return h && order_index_add(e->orders, hash, record->reservation_id) == 0 &&
           count_users(e, h, record) && join_group(e, h);
}

static int by_reservation(const void *a, const void *b)
{
    const struct reservation_record *const *x = a, *const *y = b;
    int64_t one = (*x)->reservation_id, other = (*y)->reservation_id;
    return one < other ? -1 : one > other;
}

static bool sort_records(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    if (load->record_count > s->record_room) {
        const struct reservation_record **grown =
            realloc(s->records, load->record_count * sizeof *grown);
        if (!grown)
            return false;
        s->records = grown;
        s->record_room = load->record_count;
    }
    for (uint32_t i = 0; i < load->record_count; i++)
        s->records[i] = load->records[i];
    if (load->record_count)
        qsort(s->records, load->record_count, sizeof(void *), by_reservation);
    s->record_count = load->record_count;
    return true;
}

const struct reservation_record *shared_record(const struct engine *e, int64_t reservation_id)
{
    const struct shared *s = &e->shared;
    const struct reservation_record wanted = {.reservation_id = reservation_id}, *key = &wanted;
    if (!s->deciding || !s->record_count)
        return NULL;
    const struct reservation_record **found =
        bsearch(&key, s->records, s->record_count, sizeof(void *), by_reservation);
    return found ? *found : NULL;
}

/* Without one of them nothing can be decided. */
static bool install_records(struct engine *e, const struct load *load)
{
    if (!sort_records(e, load))
        return false;
    for (uint32_t i = 0; i < load->record_count; i++) {
        const struct reservation_record *record = load->records[i];
        if (!holds_find(&e->holds, record->reservation_id) && !install_record(e, record))
            return false;
    }
    return true;
}

/* ---- what users have by other reservations ---- */

static bool install_units(struct engine *e, const struct load *load)
{
    for (uint32_t i = 0; i < load->unit_count; i++) {
        const struct loaded_units *u = &load->units[i];
        uint64_t user = hash64(u->user_id, e->config.hash_seed);
        if (holds_find(&e->holds, u->reservation_id))
            continue; /* it was counted with its record */
        if (u->lot) {
            if (!lot_is_loaded(e, u->lot) ||
                !lot_users_put(e, u->lot, user, u->reservation_id, u->units))
                return false;
            continue;
        }
        struct user_units *table = &e->user_holds;
        if (u->sale) {
            if (!sale_is_loaded(e, u->sale))
                return false;
            table = &sales_at(&e->sales, u->sale)->users;
        }
        if (!user_units_make_room(table, user))
            return false;
        user_units_add(table, user, u->reservation_id, u->units);
    }
    return true;
}

/* ---- what is made while it holds ---- */

/* For each there is room: it has a key of its own. */
void shared_made_lot(struct engine *e, lot_id id)
{
    struct shared *s = &e->shared;
    if (!e->config.shared)
        return;
    assert(s->lot_count < s->lot_room);
    lots_at(&e->lots, id)->load = s->serial;
    s->lots[s->lot_count++] = id;
    s->lots_highest = id;
}

void shared_made_sale(struct engine *e, sale_number number)
{
    struct shared *s = &e->shared;
    if (!e->config.shared)
        return;
    assert(s->sale_count < s->sale_room);
    s->sales[s->sale_count++] = number;
    s->sales_highest = number;
}

/* ---- all of it ---- */

static void install_numbers(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    s->lots_highest = load->lots_highest;
    s->sales_highest = load->sales_highest;
    if (load->seq_floor > e->last_seq) {
        e->last_seq = load->seq_floor;
        if (seq_ms(load->seq_floor) >= e->seq_ms) { /* the next number is of the next millisecond */
            e->seq_ms = seq_ms(load->seq_floor);
            e->seq_counter = (1u << SEQ_COUNTER_BITS) - 1;
        }
    }
}

bool shared_install(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    s->serial++;
    e->sales.load = s->serial;
    s->lot_count = s->sale_count = s->record_count = 0;
    install_numbers(e, load);
    return install_lots(e, load) && install_places(e, load) && install_sales(e, load) &&
           install_groups(e, load) && install_records(e, load) && install_units(e, load);
}

static void look_then(struct engine *e, int64_t at_ms)
{
    if (at_ms < e->shared.look_ms)
        e->shared.look_ms = at_ms;
}

static void forget_holds(struct engine *e)
{
    struct hold *h;
    while ((h = e->holds.oldest)) {
        if (h->state == HOLD_PENDING) {
            look_then(e, h->deadline_ms);
            hold_disarm(e, h);
            e->stats.holds_pending--;
        }
        if (hold_has_place(h))
            groups_leave(&e->groups, h);
        h->touched = 0;
        holds_unlist(&e->holds, h);
        holds_remove(&e->holds, h);
    }
    assert(e->holds.count == 0 && !e->due.first && !e->parked.first);
    order_index_clear(e->orders);
    user_units_close(&e->user_holds);
}

static void forget_groups(struct engine *e)
{
    struct group *g;
    while ((g = e->groups.oldest)) {
        if (g->status == GROUP_IS_OPEN)
            look_then(e, g->ends_ms);
        groups_remove(&e->groups, g);
    }
    e->paid_in_groups = 0;
    e->stats.groups_open = 0;
}

void shared_forget(struct engine *e)
{
    struct shared *s = &e->shared;
    forget_holds(e);
    forget_groups(e);
    for (uint32_t i = 0; i < s->sale_count; i++) {
        struct sale *sale = sales_at(&e->sales, s->sales[i]); /* it may be undone */
        if (sale)
            user_units_close(&sale->users);
    }
    for (uint32_t i = 0; i < s->lot_count; i++) {
        lot_users_forget(e, s->lots[i]);
        backorder_forget(e, s->lots[i]);
    }
    s->lot_count = s->sale_count = s->record_count = 0;
    s->serial++;
    e->sales.load = s->serial;
}
