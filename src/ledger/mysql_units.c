/* mysql_units.c - what a load says of users and of who waits: the units that users have in sales
 * and of lots with limits, by their reservations, and who holds the units that a lot does not have.
 * The locks of the load stand for it: of a lot, or the row `sales` (mysql_sales.c). */
#include <stdlib.h>
#include <string.h>

#include "ledger/mysql_load.h"

enum { PLACES_STEP = 200 };

/* ---- users ---- */

static bool add_user(struct mydb_loading *g, struct str user)
{
    for (uint32_t i = 0; i < g->user_count; i++)
        if (str_equal(g->users[i], user))
            return true;
    if (!user.len)
        return true;
    if (g->user_count == g->user_room) {
        uint32_t room = g->user_room ? g->user_room * 2 : 64;
        struct str *users = realloc(g->users, room * sizeof *users);
        if (!users)
            return false;
        g->users = users;
        g->user_room = room;
    }
    g->users[g->user_count++] = user;
    return true;
}

static bool is_named(const struct load_key *k, const struct reservation_record *r)
{
    return k->kind == LOAD_ORDER ? str_equal(k->text, r->order_id)
                                 : k->kind == LOAD_RESERVATION && k->number == r->reservation_id;
}

static bool note_users(struct mydb_loading *g)
{
    g->user_count = 0;
    for (uint32_t i = 0; i < g->load->key_count; i++) {
        const struct load_key *k = &g->load->keys[i];
        if (!k->takes)
            continue;
        if (!add_user(g, k->user_id))
            return false;
        for (uint32_t j = 0; j < g->record_count; j++)
            if (is_named(k, g->records[j]) && !add_user(g, g->records[j]->user_id))
                return false;
    }
    return true;
}

/* ---- units ---- */

static bool lot_counts(const struct mydb_loading *g, lot_id id)
{
    for (uint32_t i = 0; i < g->row_count; i++)
        if (g->rows[i].id == id)
            return g->rows[i].terms.per_user_limit > 0;
    return false;
}

static bool sale_counts(const struct mydb_loading *g, sale_number number)
{
    for (uint32_t i = 0; i < g->sale_count; i++)
        if (g->sale_rows[i].terms.number == number)
            return true;
    return false;
}

static bool add_unit(struct mydb_loading *g, struct loaded_units u)
{
    if (!u.units)
        return true;
    if (g->unit_count == g->unit_room) {
        uint32_t room = g->unit_room ? g->unit_room * 2 : 64;
        struct loaded_units *units = realloc(g->units, room * sizeof *units);
        if (!units)
            return false;
        g->units = units;
        g->unit_room = room;
    }
    g->units[g->unit_count++] = u;
    return true;
}

/* The record is kept, as the user's name is in it. */
static bool keep(struct mydb_loading *g, struct reservation_record *r)
{
    if (g->holding_count == g->holding_room) {
        uint32_t room = g->holding_room ? g->holding_room * 2 : 64;
        struct reservation_record **more = realloc(g->holdings, room * sizeof *more);
        if (!more)
            return false;
        g->holdings = more;
        g->holding_room = room;
    }
    g->holdings[g->holding_count++] = r;
    return true;
}

static int take_holding(void *context, struct reservation_record *r)
{
    struct mydb_loading *g = context;
    const struct load *load = g->load;
    struct loaded_units u = {.user_id = r->user_id, .reservation_id = r->reservation_id};
    bool pending = r->state == HOLD_PENDING;
    bool counts = pending || r->reservation_id >= load->counted_from;
    int64_t all = 0;
    if (!keep(g, r)) {
        free(r);
        return TLY_EOVERLOADED;
    }
    if (r->state == HOLD_REFUNDED)
        return 0;
    u.units = load->user_holds && pending && r->deadline_ms > load->now_ms;
    bool room = add_unit(g, u);
    for (uint32_t i = 0; i < r->line_count && room; i++) {
        int64_t units = r->lines[i].quantity - r->after[i].returned;
        all += units;
        u.lot = r->lines[i].lot;
        u.units = !r->sale && counts && lot_counts(g, u.lot) ? units : 0;
        room = add_unit(g, u);
    }
    u.lot = 0;
    u.sale = r->sale;
    u.units = r->sale && sale_counts(g, r->sale) ? all : 0;
    return room && add_unit(g, u) ? 0 : TLY_EOVERLOADED;
}

static bool anything_counts(const struct mydb_loading *g)
{
    bool counts = g->sale_count > 0 || g->load->user_holds;
    for (uint32_t i = 0; i < g->row_count && !counts; i++)
        counts = g->rows[i].terms.per_user_limit > 0;
    return counts && g->user_count > 0;
}

static void put_holdings(struct mydb_worker *w)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    mydb_text_clear(t);
    mydb_put(t, "SELECT m.seq FROM move AS m LEFT JOIN pending AS p ON p.reservation_id = m.seq"
                " WHERE m.kind = 3 AND m.user_id IN (");
    for (uint32_t i = 0; i < g->user_count; i++) {
        mydb_put(t, i ? "," : "");
        mydb_put_string(t, g->users[i]);
    }
    mydb_put(t, ") AND (p.reservation_id IS NOT NULL OR m.sale IN ");
    mydb_put_numbers(t, g->sales.at, 0);
    for (uint32_t i = 0; i < g->sale_count; i++)
        mydb_putf(t, " OR m.sale = %d", (int64_t)g->sale_rows[i].terms.number);
    mydb_putf(t, " OR m.sale IS NULL AND m.seq >= %d)", g->load->counted_from);
    mydb_end(t);
}

static int read_units(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_numbers ids = {0};
    MYSQL_ROW row;
    if (!note_users(g))
        return mydb_load_no_memory(e);
    if (!anything_counts(g))
        return 0;
    put_holdings(w);
    int rc = mydb_ask(&w->db, &w->text, a, e);
    while (rc == 0 && (row = mysql_fetch_row(a->sets[0])))
        if (!mydb_numbers_add(&ids, mydb_int(row[0])))
            rc = mydb_load_no_memory(e);
    mydb_answer_free(a);
    if (rc == 0 && ids.count) {
        mydb_text_clear(&w->text);
        mydb_put_history(&w->text, ids.at, ids.count);
        rc = mydb_ask(&w->db, &w->text, a, e);
        if (rc == 0)
            rc = mydb_read_history(a->sets[0], a->sets[1], w->ledger->seed, &w->builder,
                                   take_holding, g, e);
        mydb_answer_free(a);
    }
    free(ids.at);
    return rc;
}

/* ---- who waits ---- */

static const int8_t effects[][3] = {
#define X(name, number, on_hand, reserved, confirmed) [number] = {on_hand, reserved, confirmed},
    MOVE_KINDS(X)
#undef X
};

static bool add_place(struct mydb_loading *g, struct loaded_place place)
{
    if (g->place_count == g->place_room) {
        uint32_t room = g->place_room ? g->place_room * 2 : 64;
        struct loaded_place *places = realloc(g->places, room * sizeof *places);
        if (!places)
            return false;
        g->places = places;
        g->place_room = room;
    }
    g->places[g->place_count++] = place;
    return true;
}

/* Units that left are those that were taken first; those given back were taken last. */
static void give_back(struct mydb_loading *g, uint32_t first, int64_t units, bool left)
{
    for (uint32_t n = g->place_count - first; units > 0 && n > 0; n--) {
        struct loaded_place *p = &g->places[left ? g->place_count - n : first + n - 1];
        int64_t part = p->units < units ? p->units : units;
        p->units -= part;
        units -= part;
    }
}

/* A reservation's moves come together, in order. */
static int take_places(struct mydb_worker *w, lot_id lot, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_moves *r = malloc(sizeof *r);
    struct move m;
    uint32_t first = g->place_count;
    int64_t reservation = 0;
    if (!r)
        return mydb_load_no_memory(e);
    int got = 0, rc = mydb_moves_open(r, a->sets[0], a->sets[1], w->ledger->seed, e);
    while (rc == 0 && (got = mydb_moves_next(r, &m, e)) > 0) {
        const struct line *lines = m.line_count > 1 ? m.lines : &m.line;
        const int8_t *effect = effects[m.kind];
        if (m.reservation_id != reservation)
            first = g->place_count;
        reservation = m.reservation_id;
        for (uint16_t i = 0; i < m.line_count && rc == 0; i++) {
            int64_t held = lines[i].quantity * (effect[1] + effect[2]);
            if (lines[i].lot != lot)
                continue;
            if (held > 0 && !add_place(g, (struct loaded_place){lot, m.seq, reservation, held}))
                rc = mydb_load_no_memory(e);
            else if (held < 0)
                give_back(g, first, -held, effect[0] < 0);
        }
    }
    mydb_moves_close(r);
    free(r);
    return rc ? rc : got;
}

static int by_seq(const void *x, const void *y)
{
    const struct loaded_place *a = x, *b = y;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* Keeps the newest that have as many units as are missing; true if there are so many. */
static bool keep_newest(struct mydb_loading *g, uint32_t first, int64_t missing)
{
    uint32_t kept = first, from = g->place_count;
    if (g->place_count > first)
        qsort(g->places + first, g->place_count - first, sizeof *g->places, by_seq);
    while (from > first && missing > 0)
        missing -= g->places[--from].units;
    for (uint32_t i = from; i < g->place_count; i++)
        if (g->places[i].units)
            g->places[kept++] = g->places[i];
    g->place_count = kept;
    return missing <= 0;
}

static int read_places_of(struct mydb_worker *w, const struct loaded_lot *lot,
                          struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    const struct stock *s = &lot->stock;
    int64_t missing = s->reserved + s->confirmed - s->on_hand, limit = PLACES_STEP;
    uint32_t first = g->place_count;
    for (;; limit *= 4) {
        struct mydb_numbers ids = {0};
        MYSQL_ROW row;
        int64_t found = 0;
        g->place_count = first;
        mydb_text_clear(t);
        mydb_putf(t,
                  "SELECT ifnull(m.reservation_id, m.seq) FROM move AS m LEFT JOIN move_line AS x"
                  " ON x.seq = m.seq AND x.lot_id = %d WHERE m.kind IN (3, 13, 14)"
                  " AND (m.lot_id = %d OR x.lot_id IS NOT NULL) ORDER BY m.seq DESC LIMIT %d",
                  (int64_t)lot->id, (int64_t)lot->id, limit);
        mydb_end(t);
        int rc = mydb_ask(&w->db, t, a, e);
        for (; rc == 0 && (row = mysql_fetch_row(a->sets[0])); found++)
            if (!mydb_numbers_add(&ids, mydb_int(row[0])))
                rc = mydb_load_no_memory(e);
        mydb_answer_free(a);
        mydb_numbers_sort(&ids);
        mydb_text_clear(t);
        mydb_put_history(t, ids.at, ids.count);
        free(ids.at);
        if (rc == 0)
            rc = mydb_ask(&w->db, t, a, e);
        if (rc == 0)
            rc = take_places(w, lot->id, a, e);
        mydb_answer_free(a);
        if (rc || keep_newest(g, first, missing) || found < limit)
            return rc;
    }
}

static int read_places(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    int rc = 0;
    for (uint32_t i = 0; i < g->row_count && rc == 0; i++) {
        const struct stock *s = &g->rows[i].stock;
        if (s->on_hand - s->reserved - s->confirmed < 0)
            rc = read_places_of(w, &g->rows[i], a, e);
    }
    return rc;
}

int mydb_read_units(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    int rc = read_units(w, a, e);
    return rc ? rc : read_places(w, a, e);
}

void mydb_units_free(struct mydb_loading *g)
{
    for (uint32_t i = 0; i < g->holding_count; i++)
        free(g->holdings[i]);
    g->holding_count = g->unit_count = g->place_count = g->user_count = 0;
}
