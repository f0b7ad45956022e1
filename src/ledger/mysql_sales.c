/* mysql_sales.c - what a load says of sales and groups.
 *
 * Whoever writes about a sale, a group, or what a user holds at all (load.user_holds), has the row
 * `sales` of meta locked: one at a time, whichever sale it is, in whichever order they are named.
 * Orders outside sales never wait for it. The row's value is the newest seq that was written so.
 *
 * Happy path: under that lock the sales are read, with what their orders come to, and the groups;
 * an OPEN group's members are wanted as reservations, which is a reason to begin again with more.
 */
#include <stdlib.h>
#include <string.h>

#include "ledger/mysql_load.h"

static bool is_sale_key(uint8_t kind)
{
    return kind == LOAD_SALE || kind == LOAD_SALE_LOTS || kind == LOAD_SALES;
}

bool mydb_is_strict(const struct load *load)
{
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        if (is_sale_key(k->kind) || k->kind == LOAD_GROUP || (k->takes && load->user_holds))
            return true;
    }
    return false;
}

/* ---- groups ---- */

static int note_groups(struct mydb_loading *g, struct error *e)
{
    bool room = true;
    for (uint32_t i = 0; i < g->load->key_count && room; i++)
        if (g->load->keys[i].kind == LOAD_GROUP)
            room = mydb_numbers_add(&g->groups, g->load->keys[i].number);
    for (uint32_t i = 0; i < g->record_count && room; i++)
        if (g->records[i]->group_id)
            room = mydb_numbers_add(&g->groups, g->records[i]->group_id);
    mydb_numbers_sort(&g->groups);
    return room ? 0 : mydb_load_no_memory(e);
}

void mydb_group_row(MYSQL_ROW row, struct group_record *g)
{
    int64_t kind = mydb_int(row[0]);
    if (kind == MOVE_GROUP_OPEN) {
        g->sale = (sale_number)mydb_int(row[1]);
        g->status = GROUP_IS_OPEN;
        g->size = (uint16_t)mydb_int(row[2]);
        g->opened_ms = mydb_int(row[3]);
        g->ends_ms = mydb_int(row[4]);
    } else {
        g->status = kind == MOVE_GROUP_SUCCEED ? GROUP_SUCCEEDED : GROUP_FAILED;
        g->paid = (uint16_t)mydb_int(row[2]);
        g->ended_ms = mydb_int(row[3]);
    }
}

/* Rows by group and seq: kind, sale, quantity, at_ms, deadline_ms, group_id. */
static int take_groups(struct mydb_loading *g, MYSQL_RES *set, struct error *e)
{
    MYSQL_ROW row;
    uint32_t count = g->groups.count;
    struct group_record *groups = realloc(g->group_rows, (count + 1) * sizeof *groups);
    if (!groups)
        return mydb_load_no_memory(e);
    g->group_rows = groups;
    g->group_count = 0;
    while ((row = mysql_fetch_row(set))) {
        int64_t id = mydb_int(row[5]);
        if (!g->group_count || groups[g->group_count - 1].group_id != id) {
            if (g->group_count == count)
                break;
            groups[g->group_count++] = (struct group_record){.group_id = id};
        }
        mydb_group_row(row, &groups[g->group_count - 1]);
        if (!mydb_numbers_add(&g->sales, groups[g->group_count - 1].sale))
            return mydb_load_no_memory(e);
    }
    return 0;
}

/* Members of OPEN groups whose histories were not read. */
static int take_members(struct mydb_loading *g, MYSQL_RES *set, struct error *e)
{
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(set))) {
        int64_t id = mydb_int(row[0]);
        if (mydb_numbers_has(&g->read, id))
            continue;
        if (!mydb_numbers_add(&g->members, id))
            return mydb_load_no_memory(e);
        g->again = true;
    }
    return 0;
}

static int read_groups(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    int rc = note_groups(g, e);
    g->group_count = 0;
    if (rc || !g->groups.count)
        return rc;
    mydb_text_clear(t);
    mydb_put(t, "SELECT kind, sale, quantity, at_ms, deadline_ms, group_id FROM move"
                " WHERE kind BETWEEN 18 AND 20 AND group_id IN ");
    mydb_put_numbers(t, g->groups.at, g->groups.count);
    mydb_put(t, " ORDER BY group_id, seq");
    mydb_end(t);
    mydb_put(t, "SELECT m.seq FROM open_group AS o JOIN move AS m ON m.group_id = o.group_id"
                " WHERE m.kind = 3 AND o.group_id IN ");
    mydb_put_numbers(t, g->groups.at, g->groups.count);
    mydb_end(t);
    rc = mydb_ask(&w->db, t, a, e);
    if (rc == 0)
        rc = take_groups(g, a->sets[0], e);
    if (rc == 0)
        rc = take_members(g, a->sets[1], e);
    mydb_answer_free(a);
    return rc;
}

/* ---- sales ---- */

static int note_sales(struct mydb_loading *g, struct error *e)
{
    bool room = true;
    for (uint32_t i = 0; i < g->record_count && room; i++)
        if (g->records[i]->sale)
            room = mydb_numbers_add(&g->sales, g->records[i]->sale);
    mydb_numbers_sort(&g->sales);
    return room ? 0 : mydb_load_no_memory(e);
}

/* Which sales: those by number, by name, and pages. */
static void put_which(struct mydb_worker *w)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    mydb_put(t, "(s.sale IN ");
    mydb_put_numbers(t, g->sales.at, g->sales.count);
    for (uint32_t i = 0; i < g->load->key_count; i++) {
        const struct load_key *k = &g->load->keys[i];
        if (k->kind == LOAD_SALE || k->kind == LOAD_SALE_LOTS)
            mydb_putf(t, " OR s.sale_id = %s", &k->text);
        if (k->kind == LOAD_SALES)
            mydb_putf(t,
                      " OR s.sale IN (SELECT p.sale FROM (SELECT sale FROM sale WHERE sale > %d"
                      " ORDER BY sale LIMIT %d) AS p)",
                      k->number, (int64_t)k->limit);
    }
    mydb_put(t, ")");
}

static uint8_t queue_of(const char *name)
{
    for (int mode = QUEUE_NONE; mode <= QUEUE_DRAWN; mode++)
        if (strcmp(name ? name : "", queue_mode_name((enum queue_mode)mode)) == 0)
            return (uint8_t)mode;
    return QUEUE_NONE;
}

static void sale_row(MYSQL_ROW row, const unsigned long *sizes, struct loaded_sale *s)
{
    *s = (struct loaded_sale){.created_seq = mydb_int(row[14])};
    s->terms = (struct sale_terms){.number = (sale_number)mydb_int(row[0]),
                                   .sale_id = mydb_str(row, sizes, 1),
                                   .title = mydb_str(row, sizes, 2),
                                   .starts_ms = mydb_int(row[3]),
                                   .ends_ms = mydb_int(row[4]),
                                   .closed_ms = mydb_int(row[5]),
                                   .per_user_limit = mydb_int(row[6]),
                                   .per_order_limit = mydb_int(row[7]),
                                   .total_limit = mydb_int(row[8]),
                                   .hold_ms = mydb_int(row[9]),
                                   .payment_extend_ms_max = mydb_int(row[10]),
                                   .group_size = (uint16_t)mydb_int(row[11]),
                                   .group_window_ms = mydb_int(row[12]),
                                   .queue = queue_of(row[13])};
}

static struct loaded_sale *find_sale(struct mydb_loading *g, int64_t number)
{
    for (uint32_t i = 0; i < g->sale_count; i++)
        if (g->sale_rows[i].terms.number == number)
            return &g->sale_rows[i];
    return NULL;
}

/* Rows by sale: sale, lot_id, sku. */
static int take_items(struct mydb_loading *g, MYSQL_RES *set, struct error *e)
{
    uint64_t count = mysql_num_rows(set), used = 0;
    MYSQL_ROW row;
    struct sale_item *items = realloc(g->items, (count + 1) * sizeof *items);
    if (!items)
        return mydb_load_no_memory(e);
    g->items = items;
    while ((row = mysql_fetch_row(set))) {
        struct loaded_sale *s = find_sale(g, mydb_int(row[0]));
        if (!s || s->terms.item_count == SALE_ITEMS_MAX)
            continue;
        if (s->terms.item_count == 0)
            s->terms.items = &items[used];
        items[used++] = (struct sale_item){(lot_id)mydb_int(row[1]),
                                           mydb_str(row, mysql_fetch_lengths(set), 2)};
        s->terms.item_count++;
    }
    return 0;
}

static void count_moves(struct loaded_sale *s, int64_t kind, int64_t units, int64_t moves)
{
    switch (kind) {
    case MOVE_RESERVE:
        s->orders_made += moves;
        s->units_pending += units;
        break;
    case MOVE_CHANGE:
        s->units_pending += units;
        break;
    case MOVE_CONFIRM:
        s->units_pending -= units;
        s->units_confirmed += units;
        break;
    case MOVE_REFUND:
        s->orders_back += moves;
        s->units_pending -= units;
        break;
    case MOVE_RELEASE:
        s->units_pending -= units;
        break;
    case MOVE_RECLAIM:
        s->units_confirmed += units;
        break;
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        s->units_confirmed -= units;
        break;
    case MOVE_GROUP_OPEN:
        s->groups_open += (uint32_t)moves;
        break;
    case MOVE_GROUP_SUCCEED:
        s->groups_succeeded += (uint32_t)moves;
        s->groups_open -= (uint32_t)moves;
        break;
    case MOVE_GROUP_FAIL:
        s->groups_failed += (uint32_t)moves;
        s->groups_open -= (uint32_t)moves;
        break;
    default:
        break;
    }
}

static int take_sales(struct mydb_loading *g, MYSQL_RES *set, struct error *e)
{
    uint64_t count = mysql_num_rows(set);
    MYSQL_ROW row;
    struct loaded_sale *sales = realloc(g->sale_rows, (count + 1) * sizeof *sales);
    if (!sales)
        return mydb_load_no_memory(e);
    g->sale_rows = sales;
    g->sale_count = 0;
    while ((row = mysql_fetch_row(set)))
        sale_row(row, mysql_fetch_lengths(set), &sales[g->sale_count++]);
    return 0;
}

static void put_sales(struct mydb_worker *w)
{
    struct mydb_text *t = &w->text;
    mydb_text_clear(t);
    mydb_put(t, "SELECT s.sale, s.sale_id, s.title, s.starts_at_ms, s.ends_at_ms, s.closed_at_ms,"
                " s.per_user_limit, s.per_order_limit, s.total_limit, s.hold_ms,"
                " s.payment_extend_ms_max, s.group_size, s.group_window_ms, s.queue_mode,"
                " s.created_seq FROM sale AS s WHERE ");
    put_which(w);
    mydb_put(t, " ORDER BY s.sale");
    mydb_end(t);
    mydb_put(t, "SELECT s.sale, i.lot_id, i.sku FROM sale AS s JOIN sale_item AS i"
                " ON i.sale = s.sale WHERE ");
    put_which(w);
    mydb_put(t, " ORDER BY s.sale, i.position");
    mydb_end(t);
    mydb_put(t, "SELECT m.sale, m.kind, sum(m.quantity), count(*) FROM sale AS s JOIN move AS m"
                " ON m.sale = s.sale WHERE ");
    put_which(w);
    mydb_put(t,
             " GROUP BY m.sale, m.kind UNION ALL SELECT r.sale, m.kind, sum(m.quantity), count(*)"
             " FROM sale AS s JOIN move AS r ON r.sale = s.sale AND r.kind = 3"
             " JOIN move AS m ON m.reservation_id = r.seq WHERE ");
    put_which(w);
    mydb_put(t, " GROUP BY r.sale, m.kind");
    mydb_end(t);
    mydb_put(t, "SELECT max(sale) FROM sale");
    mydb_end(t);
}

static int read_sales(struct mydb_worker *w, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_answer *a = &g->kept_sales; /* the sales' texts are in it */
    MYSQL_ROW row;
    int rc = note_sales(g, e);
    if (rc)
        return rc;
    mydb_answer_free(a);
    put_sales(w);
    rc = mydb_ask(&w->db, &w->text, a, e);
    if (rc == 0)
        rc = take_sales(g, a->sets[0], e);
    if (rc == 0)
        rc = take_items(g, a->sets[1], e);
    while (rc == 0 && (row = mysql_fetch_row(a->sets[2]))) {
        struct loaded_sale *s = find_sale(g, mydb_int(row[0]));
        if (s)
            count_moves(s, mydb_int(row[1]), mydb_int(row[2]), mydb_int(row[3]));
    }
    if (rc == 0 && (row = mysql_fetch_row(a->sets[3])))
        g->load->sales_highest = (sale_number)mydb_int(row[0]);
    return rc;
}

/* ---- the whole ---- */

static bool wants_sales(const struct mydb_loading *g)
{
    for (uint32_t i = 0; i < g->record_count; i++)
        if (g->records[i]->sale)
            return true;
    return g->sales.count || g->groups.count || mydb_is_strict(g->load);
}

/* The lots of LOAD_SALE_LOTS and LOAD_SALES. */
void mydb_put_lots_of_sales(struct mydb_worker *w)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    for (uint32_t i = 0; i < g->load->key_count; i++) {
        const struct load_key *k = &g->load->keys[i];
        if (k->kind != LOAD_SALE_LOTS && k->kind != LOAD_SALES)
            continue;
        for (int sku = 0; sku < 2; sku++) {
            mydb_put(t, sku ? " UNION SELECT l.lot_id FROM sale AS s JOIN sale_item AS i"
                              " ON i.sale = s.sale JOIN lot AS l ON l.sku = i.sku WHERE "
                            : "SELECT i.lot_id FROM sale AS s JOIN sale_item AS i"
                              " ON i.sale = s.sale WHERE i.lot_id IS NOT NULL AND ");
            if (k->kind == LOAD_SALES)
                mydb_putf(t,
                          "s.sale IN (SELECT p.sale FROM (SELECT sale FROM sale WHERE sale > %d"
                          " ORDER BY sale LIMIT %d) AS p)",
                          k->number, (int64_t)k->limit);
            else
                mydb_putf(t, "s.sale_id = %s", &k->text);
        }
        mydb_end(t);
    }
}

int mydb_read_sales(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    g->sale_count = g->group_count = 0;
    if (!wants_sales(g))
        return 0;
    if (g->load->writes && !g->strict) { /* what was found is of a sale: the lock comes first */
        g->strict = g->again = true;
        return 0;
    }
    int rc = read_groups(w, a, e);
    if (rc == 0 && !g->again)
        rc = read_sales(w, e);
    return rc;
}
