/* mysql_load.c - the load step: what a turn's commands touch, locked and read.
 *
 * Happy path: new orders on lots that this node knows, in which no hold is due,
 * are answered at once from what it knew last (assumed); the commit proves it.
 * Anything else: the keys are resolved to lots and reservations, then one round
 * trip locks this lane's row, the row of numbers if a lot is to be made, and
 * the lots in ascending order, and reads what rests on them; a second one reads
 * the histories that turned up, and locks the lots of due holds as far as
 * nobody else has them.
 *
 * What was found may need lots that are not locked (an order that is a retry,
 * and held other lots than it names now): all locks are given back, and taken
 * again with those.
 *
 * Failure modes: a deadlock, or a lock that was waited for in vain: again,
 * LOAD_TRIES times, then TLY_EOVERLOADED. A lost connection is opened once;
 * then TLY_EUNAVAILABLE. Nothing was written.
 */
#include <stdlib.h>
#include <string.h>

#include "ledger/mysql_load.h"

enum { LOAD_TRIES = 3, AGAIN_MAX = 8, DUE_GROUPS_MAX = 4 };

#define LOCKED_STOCK                                                                               \
    "SELECT " MYDB_LOT_COLUMNS " FROM stock AS s FORCE INDEX (PRIMARY) STRAIGHT_JOIN lot AS l"     \
    " ON l.lot_id = s.lot_id WHERE s.lot_id IN "

/* ---- locking and reading ---- */

enum set {
    SET_LANE,
    SET_NUMBERS,
    SET_HIGHEST,
    SET_NEW,
    SET_LOTS,
    SET_ORDERS,
    SET_ADJUSTMENTS,
    SET_DUE,
    SET_NEXT,
    SET_SALES,
    SET_DUE_GROUPS,
    SET_MOVES,
    SET_LINES
};

/* Which sets are to come. */
struct sets {
    uint8_t at[MYDB_SETS_MAX];
    unsigned count;
};

static void expect(struct mydb_worker *w, struct sets *sets, enum set set)
{
    mydb_end(&w->text);
    sets->at[sets->count++] = (uint8_t)set;
}

static void put_numbers_lock(struct mydb_worker *w, struct sets *sets)
{
    mydb_put(&w->text, "SELECT value FROM meta WHERE `key` = 'numbers' FOR UPDATE");
    expect(w, sets, SET_NUMBERS);
    mydb_put(&w->text, "SELECT max(lot_id) FROM lot");
    expect(w, sets, SET_HIGHEST);
    mydb_put(&w->text, MYDB_LOTS_OF " WHERE l.lot_key");
    mydb_put_texts(w, LOAD_LOT, true);
    expect(w, sets, SET_NEW);
}

static void put_due(struct mydb_worker *w, struct sets *sets)
{
    const struct load *load = w->loading.load;
    if (load->due_max) {
        mydb_putf(&w->text,
                  "SELECT p.reservation_id, p.deadline_ms FROM pending AS p WHERE p.deadline_ms <= "
                  "%d ORDER BY p.deadline_ms, p.reservation_id LIMIT %d",
                  load->now_ms, (int64_t)load->due_max + 1);
        expect(w, sets, SET_DUE);
        mydb_putf(&w->text,
                  "SELECT group_id, ends_ms FROM open_group WHERE ends_ms <= %d ORDER BY ends_ms, "
                  "group_id LIMIT %d",
                  load->now_ms, (int64_t)DUE_GROUPS_MAX + 1);
        expect(w, sets, SET_DUE_GROUPS);
    }
    mydb_putf(&w->text, "SELECT min(deadline_ms) FROM pending WHERE deadline_ms > %d",
              load->now_ms);
    expect(w, sets, SET_NEXT);
    mydb_putf(&w->text, "SELECT min(ends_ms) FROM open_group WHERE ends_ms > %d", load->now_ms);
    expect(w, sets, SET_NEXT);
}

static void put_first(struct mydb_worker *w, struct sets *sets)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    bool writes = g->load->writes;
    mydb_text_clear(t);
    if (writes) {
        mydb_put(t, "START TRANSACTION");
        mydb_end(t);
        mydb_putf(t,
                  "SELECT last_seq, floor_seq FROM lane WHERE lane = %d AND token = %d FOR UPDATE",
                  (int64_t)w->ledger->lane, w->ledger->token);
        expect(w, sets, SET_LANE);
    }
    if (writes && g->strict) {
        mydb_put(t, "SELECT value FROM meta WHERE `key` = 'sales' FOR UPDATE");
        expect(w, sets, SET_SALES);
    }
    if (g->creates)
        put_numbers_lock(w, sets);
    if (g->lots.count) {
        mydb_put(t, LOCKED_STOCK);
        mydb_put_numbers(t, g->lots.at, g->lots.count);
        mydb_put(t, writes ? " ORDER BY s.lot_id FOR UPDATE" : " ORDER BY s.lot_id");
        expect(w, sets, SET_LOTS);
    }
    if (mydb_has_kind(g->load, LOAD_ORDER)) {
        mydb_put(t, "SELECT seq FROM move WHERE order_id");
        mydb_put_texts(w, LOAD_ORDER, false);
        expect(w, sets, SET_ORDERS);
    }
    if (mydb_has_kind(g->load, LOAD_ADJUSTMENT)) {
        mydb_put(t, "SELECT a.adjustment_id, m.seq, m.lot_id, m.quantity FROM adjustment AS a JOIN "
                    "move AS m ON m.seq = a.seq WHERE a.adjustment_id");
        mydb_put_texts(w, LOAD_ADJUSTMENT, false);
        expect(w, sets, SET_ADJUSTMENTS);
    }
    if (writes)
        put_due(w, sets);
}

static int take_lots(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(set))) {
        struct known_lot *lot = mydb_known_row(&w->ledger->known, row, mysql_fetch_lengths(set), e);
        if (!lot)
            return e->code == TLY_ECORRUPT ? TLY_EUNAVAILABLE : mydb_load_no_memory(e);
        if (!mydb_load_take(&w->loading, lot))
            return mydb_load_no_memory(e);
    }
    return 0;
}

static int take_adjustments(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    uint32_t count = (uint32_t)mysql_num_rows(set);
    MYSQL_ROW row;
    if (count > g->adjustment_room) {
        struct loaded_adjustment *more = realloc(g->adjustments, count * sizeof *more);
        if (!more)
            return mydb_load_no_memory(e);
        g->adjustments = more;
        g->adjustment_room = count;
    }
    while ((row = mysql_fetch_row(set)))
        g->adjustments[g->load->adjustment_count++] =
            (struct loaded_adjustment){.adjustment_id = mydb_str(row, mysql_fetch_lengths(set), 0),
                                       .seq = mydb_int(row[1]),
                                       .line = {(lot_id)mydb_int(row[2]), mydb_int(row[3])}};
    return 0;
}

static void sooner(struct load *load, int64_t deadline_ms)
{
    if (deadline_ms < load->next_deadline_ms)
        load->next_deadline_ms = deadline_ms;
}

/* One more than may be taken was asked for: it is only known to be there. */
static int take_due(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(set))) {
        if (g->due.count == g->load->due_max)
            sooner(g->load, mydb_int(row[1]));
        else if (!mydb_numbers_add(&g->due, mydb_int(row[0])))
            return mydb_load_no_memory(e);
    }
    return 0;
}

static int take_due_groups(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    MYSQL_ROW row;
    g->due_groups.count = 0;
    while ((row = mysql_fetch_row(set))) {
        if (g->due_groups.count == DUE_GROUPS_MAX)
            sooner(g->load, mydb_int(row[1]));
        else if (!mydb_numbers_add(&g->due_groups, mydb_int(row[0])) ||
                 !mydb_numbers_add(&g->groups, mydb_int(row[0])))
            return mydb_load_no_memory(e);
    }
    return 0;
}

/* Everything that was written about sales is older than what comes now. */
static int take_sales_lock(struct mydb_worker *w, MYSQL_RES *set)
{
    MYSQL_ROW row = mysql_fetch_row(set);
    int64_t newest = row ? mydb_int(row[0]) : 0;
    w->strict = true;
    if (newest > w->floor_seq)
        w->floor_seq = newest;
    return 0;
}

/* An order that is there: its history is wanted, too. */
static int take_orders(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(set)))
        if (!mydb_numbers_add(&w->loading.reservations, mydb_int(row[0])))
            return mydb_load_no_memory(e);
    mydb_numbers_sort(&w->loading.reservations);
    return 0;
}

static int take_lane(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    MYSQL_ROW row = mysql_fetch_row(set);
    if (!row) { /* the lease ran out, and somebody has it, or nobody */
        mydb_worker_rollback(w);
        w->loading.again = true;
        return w->db.mysql ? mydb_lane_renew(w->ledger, &w->db, e) : TLY_EUNAVAILABLE;
    }
    int64_t last = mydb_int(row[0]), lowest = mydb_int(row[1]);
    w->floor_seq = last > lowest ? last : lowest;
    return 0;
}

static int take_number(struct mydb_worker *w, MYSQL_RES *set, enum set kind)
{
    MYSQL_ROW row = mysql_fetch_row(set);
    if (!row || !row[0])
        return 0;
    if (kind == SET_HIGHEST)
        w->loading.load->lots_highest = (lot_id)mydb_int(row[0]);
    else
        sooner(w->loading.load, mydb_int(row[0]));
    return 0;
}

static int take_set(struct mydb_worker *w, MYSQL_RES *set, enum set kind, struct error *e)
{
    switch (kind) {
    case SET_LANE:
        return take_lane(w, set, e);
    case SET_NEW: /* it was made between the look and the lock */
        w->loading.again = mysql_num_rows(set) > 0;
        return 0;
    case SET_LOTS:
        return take_lots(w, set, e);
    case SET_ORDERS:
        return take_orders(w, set, e);
    case SET_ADJUSTMENTS:
        return take_adjustments(w, set, e);
    case SET_DUE:
        return take_due(w, set, e);
    case SET_DUE_GROUPS:
        return take_due_groups(w, set, e);
    case SET_SALES:
        return take_sales_lock(w, set);
    case SET_HIGHEST:
    case SET_NEXT:
        return take_number(w, set, kind);
    default:
        return 0;
    }
}

static int lock_and_read(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct sets sets = {.count = 0};
    put_first(w, &sets);
    w->in_transaction = g->load->writes;
    if (!w->text.statements)
        return 0;
    int rc = mydb_ask(&w->db, &w->text, a, e);
    for (unsigned i = 0; rc == 0 && !g->again && i < a->set_count; i++)
        rc = take_set(w, a->sets[i], (enum set)sets.at[i], e);
    mydb_answer_free(&g->kept);
    g->kept = *a; /* the texts of adjustments are in it */
    a->set_count = 0;
    return rc;
}

/* ---- histories ---- */

/* The lots of holds that are due, as far as nobody else has them. */
static int lock_due_lots(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    MYSQL_ROW row;
    mydb_text_clear(t);
    mydb_put_lots_of(t, &g->due);
    int rc = mydb_ask(&w->db, t, a, e);
    g->due_lots.count = 0;
    while (rc == 0 && (row = mysql_fetch_row(a->sets[0])))
        if (!mydb_numbers_has(&g->lots, mydb_int(row[0])) &&
            !mydb_numbers_add(&g->due_lots, mydb_int(row[0])))
            rc = mydb_load_no_memory(e);
    mydb_answer_free(a);
    if (rc || !g->due_lots.count)
        return rc;
    mydb_numbers_sort(&g->due_lots);
    mydb_text_clear(t);
    mydb_put(t, LOCKED_STOCK);
    mydb_put_numbers(t, g->due_lots.at, g->due_lots.count);
    mydb_put(t, " ORDER BY s.lot_id FOR UPDATE SKIP LOCKED");
    mydb_end(t);
    rc = mydb_ask(&w->db, t, a, e);
    if (rc == 0)
        rc = take_lots(w, a->sets[0], e);
    mydb_answer_free(a);
    for (uint32_t i = 0; rc == 0 && i < g->row_count; i++)
        if (!mydb_numbers_has(&g->lots, g->rows[i].id) &&
            !mydb_numbers_add(&g->lots, g->rows[i].id))
            rc = mydb_load_no_memory(e);
    mydb_numbers_sort(&g->lots);
    return rc;
}

static bool lots_are_there(const struct mydb_loading *g, const struct line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!mydb_numbers_has(&g->lots, lines[i].lot))
            return false;
    return true;
}

static bool note_missing(struct mydb_loading *g, const struct line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!mydb_numbers_add(&g->lots, lines[i].lot))
            return false;
    return true;
}

static int take_record(void *context, struct reservation_record *r)
{
    struct mydb_worker *w = context;
    struct mydb_loading *g = &w->loading;
    bool there = lots_are_there(g, r->lines, r->line_count) &&
                 lots_are_there(g, r->reserved_lines, r->line_count_reserved);
    bool named = mydb_numbers_has(&g->reservations, r->reservation_id);
    bool member = mydb_numbers_has(&g->members, r->reservation_id);
    if (member && !named && r->state == HOLD_REFUNDED) { /* it has no place any more */
        free(r);
        return 0;
    }
    if (!there && !named && !member) {
        sooner(g->load, r->deadline_ms); /* due, and its lots are somebody else's now */
        free(r);
        return 0;
    }
    if (!there) {
        g->again = true;
        bool room = note_missing(g, r->lines, r->line_count) &&
                    note_missing(g, r->reserved_lines, r->line_count_reserved);
        mydb_numbers_sort(&g->lots);
        free(r);
        return room ? 0 : TLY_EOVERLOADED;
    }
    if (g->record_count == g->record_room) {
        uint32_t room = g->record_room ? g->record_room * 2 : 64;
        struct reservation_record **more = realloc(g->records, room * sizeof *more);
        if (!more) {
            free(r);
            return TLY_EOVERLOADED;
        }
        g->records = more;
        g->record_room = room;
    }
    g->records[g->record_count++] = r;
    return 0;
}

static int read_histories(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_numbers all = {0};
    bool room = true;
    if (g->due.count) {
        int rc = lock_due_lots(w, a, e);
        if (rc)
            return rc;
    }
    for (uint32_t i = 0; i < g->reservations.count && room; i++)
        room = mydb_numbers_add(&all, g->reservations.at[i]);
    for (uint32_t i = 0; i < g->members.count && room; i++)
        room = mydb_numbers_add(&all, g->members.at[i]);
    for (uint32_t i = 0; i < g->due.count && room; i++)
        room = mydb_numbers_add(&all, g->due.at[i]);
    mydb_numbers_sort(&all);
    g->read.count = 0;
    for (uint32_t i = 0; i < all.count && room; i++)
        room = mydb_numbers_add(&g->read, all.at[i]);
    int rc = room ? 0 : mydb_load_no_memory(e);
    if (rc == 0 && all.count) {
        mydb_text_clear(&w->text);
        mydb_put_history(&w->text, all.at, all.count);
        rc = mydb_ask(&w->db, &w->text, a, e);
        if (rc == 0)
            rc = mydb_read_history(a->sets[0], a->sets[1], w->ledger->seed, &w->builder,
                                   take_record, w, e);
        mydb_answer_free(a);
    }
    free(all.at);
    return rc;
}

/* ---- the whole ---- */

static void free_records(struct mydb_loading *g)
{
    for (uint32_t i = 0; i < g->record_count; i++)
        free(g->records[i]);
    g->record_count = 0;
}

static int note_reservations(struct mydb_loading *g, struct error *e)
{
    g->reservations.count = 0;
    for (uint32_t i = 0; i < g->load->key_count; i++)
        if (g->load->keys[i].kind == LOAD_RESERVATION &&
            !mydb_numbers_add(&g->reservations, g->load->keys[i].number))
            return mydb_load_no_memory(e);
    mydb_numbers_sort(&g->reservations);
    return 0;
}

static int try_once(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    free_records(g);
    mydb_units_free(g);
    g->again = false;
    g->row_count = g->due.count = g->read.count = 0;
    g->load->adjustment_count = 0;
    g->load->next_deadline_ms = INT64_MAX;
    *a = (struct mydb_answer){0};
    int rc = note_reservations(g, e);
    if (rc == 0)
        rc = mydb_resolve(w, a, e);
    if (rc == 0)
        rc = lock_and_read(w, a, e);
    if (rc == 0 && !g->again && (g->reservations.count || g->members.count || g->due.count))
        rc = read_histories(w, a, e);
    if (rc == 0 && !g->again)
        rc = mydb_read_sales(w, a, e);
    if (rc == 0 && !g->again)
        rc = mydb_read_units(w, a, e);
    mydb_answer_free(a);
    return rc;
}

/* What was locked is the truth, and stays it until somebody else changes the
 * version. */
static void prove(struct mydb_worker *w)
{
    struct mydb_loading *g = &w->loading;
    const struct load *load = g->load;
    for (uint32_t i = 0; load->writes && i < g->row_count; i++) {
        struct known_lot *lot = mydb_known_lot(&w->ledger->known, g->rows[i].id);
        lot->proved = true;
        lot->due_ms = load->next_deadline_ms;
    }
    if (load->writes)
        w->next_deadline_ms = load->next_deadline_ms;
}

static void fill_in(struct mydb_worker *w, struct load *load)
{
    struct mydb_loading *g = &w->loading;
    load->lots = g->rows;
    load->lot_count = g->row_count;
    load->records = g->records;
    load->record_count = g->record_count;
    load->adjustments = g->adjustments;
    load->sales = g->sale_rows;
    load->sale_count = g->sale_count;
    load->groups = g->group_rows;
    load->group_count = g->group_count;
    load->units = g->units;
    load->unit_count = g->unit_count;
    load->places = g->places;
    load->place_count = g->place_count;
    load->seq_floor = w->floor_seq;
    for (uint32_t i = 0; i < g->row_count; i++) {
        const struct known_lot *lot = mydb_known_lot(&w->ledger->known, g->rows[i].id);
        if (lot->last_seq > load->seq_floor)
            load->seq_floor = lot->last_seq;
    }
}

static void begin_anew(struct mydb_loading *g)
{
    g->lots.count = g->members.count = g->groups.count = g->sales.count = 0;
    g->strict = mydb_is_strict(g->load);
}

static int read_truth(struct mydb_worker *w, struct error *e)
{
    struct mydb_answer a = {0};
    int tries = 0, agains = 0;
    bool reopened = false;
    begin_anew(&w->loading);
    while (tries < LOAD_TRIES && agains < AGAIN_MAX) {
        int rc = mydb_worker_connect(w, e);
        if (rc)
            return rc;
        rc = try_once(w, &a, e);
        if (rc == 0 && !w->loading.again)
            return 0;
        mydb_worker_rollback(w);
        bool lost = a.trouble == MYDB_LOST;
        if (rc == TLY_EOVERLOADED || (rc && a.trouble != MYDB_LOCKED && !lost) ||
            (rc && lost && reopened))
            return rc;
        reopened = reopened || (rc && lost);
        tries += rc != 0;
        agains += rc == 0;
    }
    return TLY_EOVERLOADED;
}

void mydb_load(struct mydb_worker *w, struct load *load)
{
    struct error e = {0};
    w->loading.load = load;
    w->loading.row_count = w->loading.due.count = 0;
    w->loading.sale_count = w->loading.group_count = 0;
    load->code = 0;
    load->assumed = false;
    load->lots_highest = 0;
    load->sales_highest = 0;
    load->lot_count = load->record_count = load->adjustment_count = 0;
    load->next_deadline_ms = INT64_MAX;
    if (!mydb_trust(w, load)) {
        load->code = read_truth(w, &e);
        if (load->code == 0)
            prove(w);
    }
    if (load->code == 0)
        fill_in(w, load);
    else
        mydb_load_end(w);
    w->answered = load->code == 0;
    if (load->code && load->code != TLY_EOVERLOADED) {
        load->code = TLY_EUNAVAILABLE;
        if (load->writes)
            mydb_worker_go_down(w, &e);
    }
    w->ledger->events.loaded(w->ledger->events.context, load);
}

void mydb_load_end(struct mydb_worker *w)
{
    struct mydb_loading *g = &w->loading;
    if (w->in_transaction)
        mydb_worker_rollback(w);
    for (uint32_t i = 0; g->due.count && i < g->row_count; i++) { /* they may still be due */
        struct known_lot *lot = mydb_known_lot(&w->ledger->known, g->rows[i].id);
        lot->proved = false;
    }
    free_records(g);
    mydb_units_free(g);
    mydb_answer_free(&g->kept);
    mydb_answer_free(&g->kept_sales);
    g->row_count = g->due.count = g->sale_count = g->group_count = 0;
    g->load = NULL;
    w->answered = false;
}

void mydb_load_close(struct mydb_worker *w)
{
    struct mydb_loading *g = &w->loading;
    mydb_load_end(w);
    free(g->lots.at);
    free(g->reservations.at);
    free(g->due.at);
    free(g->due_lots.at);
    free(g->rows);
    free(g->records);
    free(g->adjustments);
    free(g->read.at);
    free(g->members.at);
    free(g->due_groups.at);
    free(g->groups.at);
    free(g->sales.at);
    free(g->group_rows);
    free(g->sale_rows);
    free(g->items);
    free(g->users);
    free(g->units);
    free(g->places);
    free(g->holdings);
}
