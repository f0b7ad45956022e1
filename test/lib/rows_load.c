#include "rows_load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct line *lines_of(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

/* ---- whose a row is ---- */

static size_t find_begin(const struct rows_load *l, size_t row)
{
    const struct move *m = &l->rows[row];
    if (move_begins(m))
        return row;
    for (size_t i = row; m->reservation_id && i-- > 0;)
        if (move_begins(&l->rows[i]) && l->rows[i].seq == m->reservation_id)
            return i;
    return SIZE_MAX;
}

static void note_begins(struct rows_load *l)
{
    if (l->begin_room < l->row_count) {
        l->begin_room = 2 * l->row_count;
        l->begins = realloc(l->begins, l->begin_room * sizeof *l->begins);
        if (!l->begins)
            abort();
    }
    for (; l->begin_count < l->row_count; l->begin_count++)
        l->begins[l->begin_count] = find_begin(l, l->begin_count);
}

/* Its RESERVE; NULL: it is of no reservation. */
static const struct move *begin_of(const struct rows_load *l, size_t row)
{
    return l->begins[row] == SIZE_MAX ? NULL : &l->rows[l->begins[row]];
}

/* ---- lots ---- */

static const int effects[][3] = {
#define X(name, number, on_hand, reserved, confirmed) [number] = {on_hand, reserved, confirmed},
    MOVE_KINDS(X)
#undef X
};

static void count_lot(const struct rows_load *l, struct loaded_lot *lot)
{
    struct stock *s = &lot->stock;
    for (size_t i = 0; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        for (uint16_t j = 0; j < m->line_count; j++) {
            const struct line *line = &lines_of(m)[j];
            if (line->lot != lot->id)
                continue;
            s->on_hand += effects[m->kind][0] * line->quantity;
            s->reserved += effects[m->kind][1] * line->quantity;
            s->confirmed += effects[m->kind][2] * line->quantity;
            s->version++;
            if ((m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS) && m->terms)
                lot->terms = *m->terms;
        }
    }
}

static void add_lot(struct rows_load *l, lot_id id)
{
    struct load *load = l->load;
    for (uint32_t i = 0; i < load->lot_count; i++)
        if (l->lots[i].id == id)
            return;
    for (size_t i = 0; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        if (m->kind != MOVE_CREATE || m->line.lot != id)
            continue;
        assert(load->lot_count < ROWS_LOTS_MAX);
        struct loaded_lot *lot = &l->lots[load->lot_count++];
        *lot = (struct loaded_lot){
            .id = id, .dims = *m->dims, .terms = lot_terms_plain(m->dims), .created_ms = m->at_ms};
        count_lot(l, lot);
    }
}

static void add_lots(struct rows_load *l, const struct load_key *k)
{
    uint32_t left = k->kind == LOAD_LOTS ? k->limit : UINT32_MAX;
    for (size_t i = 0; i < l->row_count && left; i++) {
        const struct move *m = &l->rows[i];
        if (m->kind != MOVE_CREATE)
            continue;
        bool named = k->kind == LOAD_LOT ? str_equal(m->dims->key, k->text)
                                         : str_empty(k->text) || str_equal(m->dims->sku, k->text);
        if (!named || (k->kind == LOAD_LOTS && m->line.lot <= k->number))
            continue;
        add_lot(l, m->line.lot);
        left--;
    }
}

/* ---- sales ---- */

static void count_in_sale(struct loaded_sale *s, const struct move *m)
{
    switch (m->kind) {
    case MOVE_RESERVE:
    case MOVE_CHANGE:
        s->units_pending += m->line.quantity;
        s->orders_made += m->kind == MOVE_RESERVE;
        break;
    case MOVE_CONFIRM:
        s->units_pending -= m->line.quantity;
        s->units_confirmed += m->line.quantity;
        break;
    case MOVE_RELEASE:
    case MOVE_REFUND:
        s->units_pending -= m->line.quantity;
        s->orders_back += m->kind == MOVE_REFUND;
        break;
    case MOVE_RECLAIM:
        s->units_confirmed += m->line.quantity;
        break;
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        s->units_confirmed -= m->line.quantity;
        break;
    default:
        break;
    }
}

static void count_sale(const struct rows_load *l, struct loaded_sale *s)
{
    const sale_number number = s->terms.number;
    for (size_t i = 0; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        const struct move *begin = begin_of(l, i);
        if (begin && begin->sale == number)
            count_in_sale(s, m);
        if (m->kind < MOVE_GROUP_OPEN || m->sale != number)
            continue;
        s->groups_open += m->kind == MOVE_GROUP_OPEN;
        s->groups_open -= m->kind != MOVE_GROUP_OPEN;
        s->groups_succeeded += m->kind == MOVE_GROUP_SUCCEED;
        s->groups_failed += m->kind == MOVE_GROUP_FAIL;
    }
}

void rows_load_recount_sales(struct rows_load *l, size_t row_count)
{
    const size_t rows = l->row_count;
    l->row_count = row_count;
    for (uint32_t i = 0; i < l->load->sale_count; i++) {
        struct loaded_sale *s = &l->sales[i];
        *s = (struct loaded_sale){.terms = s->terms, .created_seq = s->created_seq};
        count_sale(l, s);
    }
    l->row_count = rows;
}

static void add_lots_of_sale(struct rows_load *l, const struct sale_terms *t)
{
    for (uint16_t i = 0; i < t->item_count; i++) {
        if (t->items[i].lot)
            add_lot(l, t->items[i].lot);
        else
            add_lots(l, &(struct load_key){.kind = LOAD_SKU, .text = t->items[i].sku});
    }
}

static void add_sale(struct rows_load *l, sale_number number, bool with_lots)
{
    struct load *load = l->load;
    const struct move *first = NULL, *last = NULL;
    struct loaded_sale *s = NULL;
    for (uint32_t i = 0; i < load->sale_count; i++)
        if (l->sales[i].terms.number == number)
            s = &l->sales[i];
    for (size_t i = 0; !s && number && i < l->row_count; i++) {
        if (l->rows[i].kind != MOVE_SALE || l->rows[i].sale != number)
            continue;
        first = first ? first : &l->rows[i];
        last = &l->rows[i];
    }
    if (first) {
        assert(load->sale_count < ROWS_SALES_MAX);
        s = &l->sales[load->sale_count++];
        *s = (struct loaded_sale){.terms = *last->sale_terms, .created_seq = first->seq};
        count_sale(l, s);
    }
    if (s && with_lots)
        add_lots_of_sale(l, &s->terms);
}

static void add_sales(struct rows_load *l, const struct load_key *k)
{
    uint32_t left = k->kind == LOAD_SALES ? k->limit : UINT32_MAX;
    sale_number seen = 0;
    for (size_t i = 0; i < l->row_count && left; i++) {
        const struct move *m = &l->rows[i];
        if (m->kind != MOVE_SALE || m->sale <= seen)
            continue;
        seen = m->sale; /* numbers are given in order */
        bool named = k->kind == LOAD_SALES ? m->sale > k->number
                                           : str_equal(m->sale_terms->sale_id, k->text);
        if (!named)
            continue;
        add_sale(l, m->sale, k->kind != LOAD_SALE);
        left--;
    }
}

/* ---- reservations and groups ---- */

static bool is_user(const struct rows_load *l, struct str user_id)
{
    for (uint32_t i = 0; i < l->user_count; i++)
        if (str_equal(l->users[i], user_id))
            return true;
    return false;
}

static void add_user(struct rows_load *l, struct str user_id)
{
    if (is_user(l, user_id))
        return;
    assert(l->user_count < ROWS_USERS_MAX);
    if (!str_empty(user_id))
        l->users[l->user_count++] = user_id;
}

static bool add_group(struct rows_load *l, int64_t id);

static void add_record(struct rows_load *l, int64_t id, bool takes)
{
    struct load *load = l->load;
    struct reservation_record *record = NULL;
    for (uint32_t i = 0; i < load->record_count; i++)
        if (l->records[i]->reservation_id == id)
            record = l->records[i];
    bool there = record;
    if (!there && id)
        record = l->hooks.record(l->hooks.context, id);
    if (!record)
        return;
    if (takes)
        add_user(l, record->user_id);
    if (there)
        return;
    assert(load->record_count < ROWS_RECORDS_MAX);
    l->records[load->record_count++] = record;
    for (uint32_t i = 0; i < record->line_count_reserved; i++)
        add_lot(l, record->reserved_lines[i].lot);
    for (uint32_t i = 0; i < record->line_count; i++)
        add_lot(l, record->lines[i].lot);
    add_sale(l, record->sale, false);
    add_group(l, record->group_id);
}

static void read_group(const struct rows_load *l, int64_t id, struct group_record *g)
{
    for (size_t i = 0; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        if (m->kind < MOVE_GROUP_OPEN || m->group_id != id)
            continue;
        if (m->kind == MOVE_GROUP_OPEN) {
            *g = (struct group_record){.group_id = id,
                                       .sale = m->sale,
                                       .status = GROUP_IS_OPEN,
                                       .size = (uint16_t)m->line.quantity,
                                       .opened_ms = m->at_ms,
                                       .ends_ms = m->deadline_ms};
        } else {
            g->status = m->kind == MOVE_GROUP_FAIL ? GROUP_FAILED : GROUP_SUCCEEDED;
            g->paid = (uint16_t)m->line.quantity;
            g->ended_ms = m->at_ms;
        }
    }
}

/* False: there is none. */
static bool add_group(struct rows_load *l, int64_t id)
{
    struct load *load = l->load;
    struct group_record g = {0};
    for (uint32_t i = 0; i < load->group_count; i++)
        if (l->groups[i].group_id == id)
            return true;
    if (id)
        read_group(l, id, &g);
    if (!g.group_id)
        return false;
    assert(load->group_count < ROWS_GROUPS_MAX);
    l->groups[load->group_count++] = g;
    add_sale(l, g.sale, false);
    for (size_t i = 0; g.status == GROUP_IS_OPEN && i < l->row_count; i++) {
        if (l->rows[i].kind != MOVE_RESERVE || l->rows[i].group_id != id)
            continue;
        struct reservation_record *member = l->hooks.record(l->hooks.context, l->rows[i].seq);
        bool has_place = member->state != HOLD_REFUNDED;
        free(member);
        if (has_place)
            add_record(l, l->rows[i].seq, false);
    }
    return true;
}

/* ---- keys ---- */

/* The newest of that order_id: an earlier one is past retention. */
static int64_t find_order(const struct rows_load *l, struct str order_id)
{
    for (size_t i = l->row_count; i-- > 0;)
        if (move_begins(&l->rows[i]) && str_equal(l->rows[i].order_id, order_id))
            return l->rows[i].seq;
    return 0;
}

static void add_adjustment(struct rows_load *l, struct str id)
{
    for (size_t i = l->row_count; i-- > 0;) {
        const struct move *m = &l->rows[i];
        if (m->kind != MOVE_ADJUST || !str_equal(m->detail, id))
            continue;
        assert(l->load->adjustment_count < ROWS_ADJUSTMENTS_MAX);
        l->adjustments[l->load->adjustment_count++] =
            (struct loaded_adjustment){m->detail, m->seq, m->line};
        return;
    }
}

static void add_key(struct rows_load *l, const struct load_key *k)
{
    switch ((enum load_key_kind)k->kind) {
    case LOAD_ORDER:
        add_record(l, find_order(l, k->text), k->takes);
        break;
    case LOAD_RESERVATION:
        add_record(l, k->number, k->takes);
        break;
    case LOAD_ADJUSTMENT:
        add_adjustment(l, k->text);
        break;
    case LOAD_SALE:
    case LOAD_SALE_LOTS:
    case LOAD_SALES:
        add_sales(l, k);
        break;
    case LOAD_GROUP:
        add_group(l, k->number);
        break;
    default:
        add_lots(l, k);
        break;
    }
    if (k->takes)
        add_user(l, k->user_id);
}

/* ---- what users have ---- */

static void add_unit(struct rows_load *l, const struct loaded_units *u)
{
    assert(l->load->unit_count < ROWS_UNITS_MAX);
    if (u->units)
        l->units[l->load->unit_count++] = *u;
}

static bool sale_is_loaded(const struct rows_load *l, sale_number number)
{
    for (uint32_t i = 0; i < l->load->sale_count; i++)
        if (l->sales[i].terms.number == number)
            return true;
    return false;
}

static bool lot_counts(const struct rows_load *l, lot_id id)
{
    for (uint32_t i = 0; i < l->load->lot_count; i++)
        if (l->lots[i].id == id)
            return l->lots[i].terms.per_user_limit > 0;
    return false;
}

static void add_units_by(struct rows_load *l, struct str user, const struct reservation_record *r)
{
    const struct load *load = l->load;
    struct loaded_units u = {.user_id = user, .reservation_id = r->reservation_id};
    int64_t all = 0;
    if (load->user_holds && r->state == HOLD_PENDING && r->deadline_ms > load->now_ms) {
        u.units = 1;
        add_unit(l, &u);
    }
    for (uint32_t i = 0; i < r->line_count; i++) {
        int64_t units = r->lines[i].quantity - (r->after ? r->after[i].returned : 0);
        bool counts = r->state == HOLD_PENDING || r->reservation_id >= load->counted_from;
        all += units;
        u.lot = r->lines[i].lot;
        u.units = !r->sale && counts && lot_counts(l, u.lot) ? units : 0;
        add_unit(l, &u);
    }
    u.lot = 0;
    u.sale = r->sale;
    u.units = r->sale && sale_is_loaded(l, r->sale) ? all : 0;
    add_unit(l, &u);
}

static void add_units(struct rows_load *l)
{
    for (uint32_t k = 0; k < l->user_count; k++) {
        for (size_t i = 0; i < l->row_count; i++) {
            const struct move *m = &l->rows[i];
            if (m->kind != MOVE_RESERVE || !str_equal(m->user_id, l->users[k]))
                continue;
            struct reservation_record *r = l->hooks.record(l->hooks.context, m->seq);
            if (r->state != HOLD_REFUNDED)
                add_units_by(l, m->user_id, r);
            free(r);
        }
    }
}

/* ---- who waits for units ---- */

/* What one reservation has of a lot, move by move, onto the end of `places`. */
static void add_places_of(struct rows_load *l, lot_id lot, size_t begin)
{
    struct load *load = l->load;
    uint32_t first = load->place_count;
    for (size_t i = begin; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        const int *effect = effects[m->kind];
        if (l->begins[i] != begin)
            continue;
        for (uint16_t j = 0; j < m->line_count; j++) {
            int64_t held = lines_of(m)[j].quantity * (effect[1] + effect[2]);
            if (lines_of(m)[j].lot != lot || !held)
                continue;
            assert(load->place_count < ROWS_PLACES_MAX);
            if (held > 0)
                l->places[load->place_count++] =
                    (struct loaded_place){lot, m->seq, l->rows[begin].seq, held};
            for (uint32_t n = load->place_count - first; held < 0 && n > 0; n--) {
                struct loaded_place *p =
                    &l->places[effect[0] < 0 ? load->place_count - n : first + n - 1];
                int64_t part = p->units < -held ? p->units : -held;
                p->units -= part;
                held += part;
            }
        }
    }
}

static int by_seq(const void *a, const void *b)
{
    const struct loaded_place *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The newest that have as many units as are missing. */
static void add_places(struct rows_load *l, const struct loaded_lot *lot)
{
    struct load *load = l->load;
    const struct stock *s = &lot->stock;
    int64_t missing = s->reserved + s->confirmed - s->on_hand;
    uint32_t first = load->place_count, kept = first;
    if (missing <= 0)
        return;
    for (size_t i = 0; i < l->row_count; i++)
        if (l->rows[i].kind == MOVE_RESERVE)
            add_places_of(l, lot->id, i);
    uint32_t count = load->place_count - first;
    qsort(l->places + first, count, sizeof *l->places, by_seq);
    uint32_t from = load->place_count;
    while (from > first && missing > 0)
        missing -= l->places[--from].units;
    for (uint32_t i = from; i < load->place_count; i++)
        if (l->places[i].units)
            l->places[kept++] = l->places[i];
    load->place_count = kept;
}

/* ---- what is due ---- */

static bool is_loaded(const struct rows_load *l, int64_t reservation_id)
{
    for (uint32_t i = 0; i < l->load->record_count; i++)
        if (l->records[i]->reservation_id == reservation_id)
            return true;
    return false;
}

static bool group_is_loaded(const struct rows_load *l, int64_t group_id)
{
    for (uint32_t i = 0; i < l->load->group_count; i++)
        if (l->groups[i].group_id == group_id)
            return true;
    return false;
}

static void note_next(struct load *load, int64_t at_ms)
{
    if (at_ms < load->next_deadline_ms)
        load->next_deadline_ms = at_ms;
}

static void add_due_groups(struct rows_load *l)
{
    struct load *load = l->load;
    for (size_t i = 0; i < l->row_count; i++) {
        struct group_record g = {0};
        if (l->rows[i].kind != MOVE_GROUP_OPEN || group_is_loaded(l, l->rows[i].seq))
            continue;
        read_group(l, l->rows[i].seq, &g);
        if (g.status != GROUP_IS_OPEN)
            continue;
        bool takes = g.ends_ms <= load->now_ms && load->record_count < load->due_max &&
                     (!l->hooks.takes_group || l->hooks.takes_group(l->hooks.context, g.group_id));
        if (takes)
            add_group(l, g.group_id);
        else
            note_next(load, g.ends_ms);
    }
}

static void add_due_holds(struct rows_load *l)
{
    struct load *load = l->load;
    uint32_t left = load->due_max;
    for (size_t i = 0; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        if (m->kind != MOVE_RESERVE || is_loaded(l, m->seq))
            continue;
        struct reservation_record *r = l->hooks.record(l->hooks.context, m->seq);
        bool due = r->state == HOLD_PENDING && r->deadline_ms <= load->now_ms;
        if (due && left && (!l->hooks.takes_due || l->hooks.takes_due(l->hooks.context, r))) {
            add_record(l, m->seq, false);
            left--;
        } else if (r->state == HOLD_PENDING) {
            note_next(load, r->deadline_ms);
        }
        free(r);
    }
}

/* ---- all of it ---- */

/* Of all that is touched, and the highest numbers. */
static void add_numbers(struct rows_load *l)
{
    struct load *load = l->load;
    for (size_t i = 0; i < l->row_count; i++) {
        const struct move *m = &l->rows[i];
        if (m->kind == MOVE_CREATE && m->line.lot > load->lots_highest)
            load->lots_highest = m->line.lot;
        if (m->kind == MOVE_SALE && m->sale > load->sales_highest)
            load->sales_highest = m->sale;
        const struct move *begin = begin_of(l, i);
        bool touches = sale_is_loaded(l, begin ? begin->sale : m->sale) ||
                       (begin && load->user_holds && is_user(l, begin->user_id));
        for (uint32_t j = 0; j < load->lot_count; j++)
            for (uint16_t k = 0; k < m->line_count; k++)
                touches = touches || lines_of(m)[k].lot == l->lots[j].id;
        if (touches && m->seq > load->seq_floor)
            load->seq_floor = m->seq;
    }
}

void rows_load_answer(struct rows_load *l, const struct move *rows, size_t row_count,
                      struct load *load)
{
    l->rows = rows;
    l->row_count = row_count;
    l->load = load;
    l->user_count = 0;
    note_begins(l);
    load->lot_count = load->record_count = load->adjustment_count = load->sale_count = 0;
    load->group_count = load->unit_count = load->place_count = 0;
    load->lots = l->lots;
    load->records = l->records;
    load->adjustments = l->adjustments;
    load->sales = l->sales;
    load->groups = l->groups;
    load->units = l->units;
    load->places = l->places;
    load->lots_highest = 0;
    load->sales_highest = 0;
    load->seq_floor = 0;
    load->next_deadline_ms = INT64_MAX;
    for (uint32_t i = 0; i < load->key_count; i++)
        if (!l->hooks.takes_key || l->hooks.takes_key(l->hooks.context, &load->keys[i]))
            add_key(l, &load->keys[i]);
    if (load->writes) {
        add_due_groups(l);
        add_due_holds(l);
    }
    add_units(l);
    for (uint32_t i = 0; i < load->lot_count; i++)
        add_places(l, &l->lots[i]);
    add_numbers(l);
}

void rows_load_end(struct rows_load *l)
{
    for (uint32_t i = 0; l->load && i < l->load->record_count; i++)
        free(l->records[i]);
    if (l->load)
        l->load->record_count = 0;
    l->load = NULL;
}

void rows_load_close(struct rows_load *l)
{
    rows_load_end(l);
    free(l->begins);
    l->begins = NULL;
}

bool rows_load_is_strict(const struct load *load)
{
    bool strict = load->sale_count || load->group_count || load->unit_count || load->place_count;
    for (uint32_t i = 0; i < load->lot_count; i++)
        strict = strict || load->lots[i].terms.per_user_limit || load->lots[i].terms.backorder_most;
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        strict = strict || (k->takes && load->user_holds) || k->kind == LOAD_SALE ||
                 k->kind == LOAD_SALE_LOTS || k->kind == LOAD_GROUP;
    }
    return strict;
}

bool rows_load_lacks_lot(const struct load *load)
{
    for (uint32_t i = 0; i < load->key_count; i++) {
        bool found = load->keys[i].kind != LOAD_LOT;
        for (uint32_t j = 0; j < load->lot_count && !found; j++)
            found = str_equal(load->lots[j].dims.key, load->keys[i].text);
        if (!found)
            return true;
    }
    return false;
}

bool rows_load_lacks_sale(const struct load *load)
{
    for (uint32_t i = 0; i < load->key_count; i++) {
        bool found = load->keys[i].kind != LOAD_SALE && load->keys[i].kind != LOAD_SALE_LOTS;
        for (uint32_t j = 0; j < load->sale_count && !found; j++)
            found = str_equal(load->sales[j].terms.sale_id, load->keys[i].text);
        if (!found)
            return true;
    }
    return false;
}
