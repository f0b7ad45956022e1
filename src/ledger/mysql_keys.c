/* mysql_keys.c - what a load's keys are: lots by key, by sku and by pages, and
 * the lots of reservations, in one round trip that locks nothing. What is known
 * of a lot's name is known for good; which lots a sku has is asked each time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ledger/mysql_load.h"

/* ---- lists of numbers ---- */

bool mydb_numbers_add(struct mydb_numbers *n, int64_t number)
{
    if (n->count == n->room) {
        uint32_t room = n->room ? n->room * 2 : 64;
        int64_t *at = realloc(n->at, room * sizeof *at);
        if (!at)
            return false;
        n->at = at;
        n->room = room;
    }
    n->at[n->count++] = number;
    return true;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

void mydb_numbers_sort(struct mydb_numbers *n)
{
    uint32_t kept = 0;
    if (n->count)
        qsort(n->at, n->count, sizeof *n->at, by_number);
    for (uint32_t i = 0; i < n->count; i++)
        if (i == 0 || n->at[i] != n->at[kept - 1])
            n->at[kept++] = n->at[i];
    n->count = kept;
}

bool mydb_numbers_has(const struct mydb_numbers *n, int64_t number)
{
    return n->count && bsearch(&number, n->at, n->count, sizeof *n->at, by_number);
}

int mydb_load_no_memory(struct error *e)
{
    return error_set(e, TLY_EOVERLOADED, "ledger", "no memory for a load");
}

/* ---- resolving keys ---- */

/* " IN ('a','b')" of all keys of a kind; the number of them. */
uint32_t mydb_put_texts(struct mydb_worker *w, uint8_t kind, bool unknown_only)
{
    const struct load *load = w->loading.load;
    struct mydb_text *t = &w->text;
    uint32_t count = 0;
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        if (k->kind != kind || (unknown_only && mydb_known_key(&w->ledger->known, k->text)))
            continue;
        mydb_put(t, count++ ? "," : " IN (");
        mydb_put_string(t, k->text);
    }
    mydb_put(t, count ? ")" : " IN (NULL)");
    return count;
}

bool mydb_has_kind(const struct load *load, uint8_t kind)
{
    for (uint32_t i = 0; i < load->key_count; i++)
        if (load->keys[i].kind == kind)
            return true;
    return false;
}

bool mydb_has_unknown_lot(const struct mydb_worker *w)
{
    const struct load *load = w->loading.load;
    for (uint32_t i = 0; i < load->key_count; i++)
        if (load->keys[i].kind == LOAD_LOT &&
            !mydb_known_key(&w->ledger->known, load->keys[i].text))
            return true;
    return false;
}

static void put_pages(struct mydb_worker *w)
{
    const struct load *load = w->loading.load;
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        if (k->kind != LOAD_LOTS)
            continue;
        mydb_putf(&w->text, MYDB_LOTS_OF " WHERE l.lot_id > %d", k->number);
        if (k->text.len)
            mydb_putf(&w->text, " AND l.sku = %s", &k->text);
        mydb_putf(&w->text, " ORDER BY l.lot_id LIMIT %d", (int64_t)k->limit);
        mydb_end(&w->text);
    }
}

/* The lots that reservations hold, or ever held. */
void mydb_put_lots_of(struct mydb_text *t, const struct mydb_numbers *reservations)
{
    static const char *const parts[] = {
        "SELECT m.lot_id FROM move AS m WHERE m.lot_id IS NOT NULL AND m.seq IN ",
        " UNION SELECT m.lot_id FROM move AS m WHERE m.lot_id IS NOT NULL AND m.reservation_id IN ",
        " UNION SELECT x.lot_id FROM move_line AS x WHERE x.seq IN ",
        (" UNION SELECT x.lot_id FROM move AS m JOIN move_line AS x ON x.seq = m.seq WHERE "
         "m.reservation_id IN ")};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        mydb_put(t, parts[i]);
        mydb_put_numbers(t, reservations->at, reservations->count);
    }
    mydb_end(t);
}

static int note_rows(struct mydb_worker *w, MYSQL_RES *set, struct error *e)
{
    MYSQL_ROW row;
    bool lots_only = mysql_num_fields(set) == 1;
    while ((row = mysql_fetch_row(set))) {
        if (!lots_only && !mydb_known_row(&w->ledger->known, row, mysql_fetch_lengths(set), e))
            return e->code == TLY_ECORRUPT ? TLY_EUNAVAILABLE : mydb_load_no_memory(e);
        if (!mydb_numbers_add(&w->loading.lots, mydb_int(row[0])))
            return mydb_load_no_memory(e);
    }
    return 0;
}

static void note_known(struct mydb_worker *w, bool *room)
{
    const struct load *load = w->loading.load;
    for (uint32_t i = 0; i < load->key_count && *room; i++) {
        const struct load_key *k = &load->keys[i];
        const struct known_lot *lot =
            k->kind == LOAD_LOT ? mydb_known_key(&w->ledger->known, k->text) : NULL;
        if (lot)
            *room = mydb_numbers_add(&w->loading.lots, lot->id);
    }
}

static void note_skus_read(struct mydb_worker *w)
{
    const struct load *load = w->loading.load;
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < load->key_count; i++) {
        struct known_sku *sku = load->keys[i].kind == LOAD_SKU
                                    ? mydb_known_sku(&w->ledger->known, load->keys[i].text)
                                    : NULL;
        if (sku)
            sku->read_ns = now_ns;
    }
}

int mydb_resolve(struct mydb_worker *w, struct mydb_answer *a, struct error *e)
{
    struct mydb_loading *g = &w->loading;
    struct mydb_text *t = &w->text;
    mydb_text_clear(t);
    if (mydb_has_unknown_lot(w)) {
        mydb_put(t, MYDB_LOTS_OF " WHERE l.lot_key");
        mydb_put_texts(w, LOAD_LOT, true);
        mydb_end(t);
    }
    if (mydb_has_kind(g->load, LOAD_SKU)) {
        mydb_put(t, MYDB_LOTS_OF " WHERE l.sku");
        mydb_put_texts(w, LOAD_SKU, false);
        mydb_end(t);
    }
    put_pages(w);
    mydb_put_lots_of_sales(w);
    if (g->reservations.count)
        mydb_put_lots_of(t, &g->reservations);
    int rc = t->statements ? mydb_ask(&w->db, t, a, e) : 0;
    for (unsigned i = 0; rc == 0 && i < a->set_count; i++)
        rc = note_rows(w, a->sets[i], e);
    mydb_answer_free(a);
    bool room = true;
    note_known(w, &room);
    if (rc == 0)
        note_skus_read(w);
    g->creates = g->load->writes && mydb_has_unknown_lot(w);
    mydb_numbers_sort(&g->lots);
    return rc ? rc : room ? 0 : mydb_load_no_memory(e);
}
