/* Sales to rows and back.
 *
 * Happy path: a SALE move carries the whole sale, so its row and its items are written anew each
 * time; a start reads every sale once.
 * Failure modes: a sale_id that another number has, or a row that SQLite cannot write, fails the
 * batch; what no SALE can have written is TLY_ECORRUPT.
 */
#include "ledger/sale_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/db.h"

static void bind_text(sqlite3_stmt *statement, int index, struct str s)
{
    sqlite3_bind_text(statement, index, s.p ? s.p : "", (int)s.len, SQLITE_STATIC);
}

/* 0 and "" become NULL. */
static void bind_some_number(sqlite3_stmt *statement, int index, int64_t value)
{
    if (value)
        sqlite3_bind_int64(statement, index, value);
    else
        sqlite3_bind_null(statement, index);
}

static void bind_some_text(sqlite3_stmt *statement, int index, struct str s)
{
    if (s.len)
        sqlite3_bind_text(statement, index, s.p, (int)s.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, index);
}

static void bind_sale(sqlite3_stmt *put, const struct sale_terms *t, int64_t seq)
{
    sqlite3_bind_int64(put, 1, t->number);
    bind_text(put, 2, t->sale_id);
    bind_text(put, 3, t->title);
    sqlite3_bind_int64(put, 4, t->starts_ms);
    sqlite3_bind_int64(put, 5, t->ends_ms);
    bind_some_number(put, 6, t->closed_ms);
    sqlite3_bind_int64(put, 7, t->per_user_limit);
    sqlite3_bind_int64(put, 8, t->per_order_limit);
    sqlite3_bind_int64(put, 9, t->total_limit);
    sqlite3_bind_int64(put, 10, t->hold_ms);
    sqlite3_bind_int64(put, 11, t->payment_extend_ms_max);
    sqlite3_bind_int(put, 12, t->group_size);
    sqlite3_bind_int64(put, 13, t->group_window_ms);
    bind_some_text(put, 14, str_of(queue_mode_name((enum queue_mode)t->queue)));
    sqlite3_bind_int64(put, 15, seq);
}

int sale_rows_put(sqlite3 *db, const struct sale_statements *statements, const struct move *m,
                  struct error *e)
{
    const struct sale_terms *t = m->sale_terms;
    bind_sale(statements->put, t, m->seq);
    int rc = db_run(db, statements->put, "write a sale", e);
    if (rc)
        return rc;
    sqlite3_bind_int64(statements->clear_items, 1, t->number);
    rc = db_run(db, statements->clear_items, "write a sale", e);
    for (int i = 0; rc == 0 && i < t->item_count; i++) {
        sqlite3_bind_int64(statements->insert_item, 1, t->number);
        sqlite3_bind_int(statements->insert_item, 2, i);
        bind_some_number(statements->insert_item, 3, t->items[i].lot);
        bind_some_text(statements->insert_item, 4, t->items[i].sku);
        rc = db_run(db, statements->insert_item, "write what a sale sells", e);
    }
    return rc;
}

/* ---- back ---- */

struct sale_reader {
    sqlite3 *db;
    sqlite3_stmt *sales;
    sqlite3_stmt *items;
    struct sale_terms terms;
    struct sale_item item[SALE_ITEMS_MAX];
    char text[SALE_ID_MAX + SALE_TITLE_MAX + SALE_ITEMS_MAX * SKU_MAX];
    char *text_end;
};

static int corrupt(const struct sale_reader *r, const char *what, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "sale", "sale %" PRIu32 ": %s", r->terms.number, what);
}

static bool take_text(struct sale_reader *r, sqlite3_stmt *row, int column, uint32_t max,
                      struct str *out)
{
    const void *p = sqlite3_column_text(row, column);
    uint32_t len = (uint32_t)sqlite3_column_bytes(row, column);
    if (len > max || (len && !p))
        return false;
    if (len)
        memcpy(r->text_end, p, len);
    *out = (struct str){r->text_end, len};
    r->text_end += len;
    return true;
}

static bool take_queue(struct sale_reader *r, int column)
{
    const char *p = (const char *)sqlite3_column_text(r->sales, column);
    for (int mode = QUEUE_NONE; mode <= QUEUE_DRAWN; mode++) {
        if (strcmp(p ? p : "", queue_mode_name((enum queue_mode)mode)) == 0) {
            r->terms.queue = (uint8_t)mode;
            return true;
        }
    }
    return false;
}

static int take_sale(struct sale_reader *r, struct error *e)
{
    struct sale_terms *t = &r->terms;
    sqlite3_stmt *row = r->sales;
    int64_t number = sqlite3_column_int64(row, 0), size = sqlite3_column_int64(row, 11);
    *t = (struct sale_terms){.items = r->item};
    r->text_end = r->text;
    if (number < 1 || number > UINT32_MAX)
        return corrupt(r, "there is one whose number is none", e);
    t->number = (sale_number)number;
    if (!take_text(r, row, 1, SALE_ID_MAX, &t->sale_id) ||
        !take_text(r, row, 2, SALE_TITLE_MAX, &t->title))
        return corrupt(r, "a text in it is too long", e);
    t->starts_ms = sqlite3_column_int64(row, 3);
    t->ends_ms = sqlite3_column_int64(row, 4);
    t->closed_ms = sqlite3_column_int64(row, 5);
    t->per_user_limit = sqlite3_column_int64(row, 6);
    t->per_order_limit = sqlite3_column_int64(row, 7);
    t->total_limit = sqlite3_column_int64(row, 8);
    t->hold_ms = sqlite3_column_int64(row, 9);
    t->payment_extend_ms_max = sqlite3_column_int64(row, 10);
    t->group_window_ms = sqlite3_column_int64(row, 12);
    if (size < 0 || size > GROUP_SIZE_MAX)
        return corrupt(r, "its group_size cannot be", e);
    t->group_size = (uint16_t)size;
    return take_queue(r, 13) ? 0 : corrupt(r, "its queue_mode is unknown", e);
}

static int take_items(struct sale_reader *r, struct error *e)
{
    int step, rc = 0;
    sqlite3_bind_int64(r->items, 1, r->terms.number);
    while (rc == 0 && (step = sqlite3_step(r->items)) == SQLITE_ROW) {
        int64_t lot = sqlite3_column_int64(r->items, 0);
        struct sale_item *item = &r->item[r->terms.item_count];
        if (r->terms.item_count == SALE_ITEMS_MAX || lot < 0 || lot > UINT32_MAX)
            rc = corrupt(r, "its items are too many, or one's lot_id is not a lot number", e);
        else if (!take_text(r, r->items, 1, SKU_MAX, &item->sku))
            rc = corrupt(r, "a text in its items is too long", e);
        else
            item->lot = (lot_id)lot;
        r->terms.item_count++;
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(r->db, "read what a sale sells", e);
    sqlite3_reset(r->items);
    return rc;
}

static int read_all(struct sale_reader *r, sale_rows_fn *fn, void *context, struct error *e)
{
    int step;
    while ((step = sqlite3_step(r->sales)) == SQLITE_ROW) {
        int rc = take_sale(r, e);
        if (rc == 0)
            rc = take_items(r, e);
        if (rc == 0)
            rc = fn(context, &r->terms, sqlite3_column_int64(r->sales, 14), e);
        if (rc)
            return rc;
    }
    return step == SQLITE_DONE ? 0 : db_fail(r->db, "read sales", e);
}

int sale_rows_read(sqlite3 *db, sale_rows_fn *fn, void *context, struct error *e)
{
    struct sale_reader *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory to read sales");
    r->db = db;
    int rc = db_prepare(db, &r->sales, "SELECT " SALE_COLUMNS " FROM sale ORDER BY sale", e);
    if (rc == 0)
        rc = db_prepare(db, &r->items,
                        "SELECT lot_id, sku FROM sale_item WHERE sale = ? ORDER BY position", e);
    if (rc == 0)
        rc = read_all(r, fn, context, e);
    sqlite3_finalize(r->sales);
    sqlite3_finalize(r->items);
    free(r);
    return rc;
}
