/* mysql_statements.c - a batch as statements.
 *
 * Multi-row INSERTs: moves, their lines, holds that are PENDING now; one DELETE
 * of those that are not any more. Stock comes last, so that a hot row is locked
 * as short as can be: rows of all lots to which the batch adds the same number
 * of lines go into one statement, whose ON DUPLICATE KEY UPDATE is the check of
 * the version: on another version it writes NULL into a column that takes none,
 * which the database refuses (MYDB_MISMATCH). So one round trip carries the
 * whole batch with its COMMIT.
 */
#include <stdlib.h>
#include <string.h>

#include "ledger/lot_rows.h"
#include "ledger/mysql_write.h"

static void comma(struct mydb_text *t)
{
    mydb_put(t, ",");
}

static void put_number(struct mydb_text *t, int64_t value)
{
    comma(t);
    mydb_put_number(t, value);
}

static void put_some_number(struct mydb_text *t, int64_t value)
{
    comma(t);
    mydb_put_some_number(t, value);
}

static void put_some_string(struct mydb_text *t, struct str s)
{
    comma(t);
    mydb_put_some_string(t, s);
}

static void put_string(struct mydb_text *t, struct str s)
{
    comma(t);
    mydb_put_string(t, s);
}

/* "(" before the first row, ",(" before others. */
static void row(struct mydb_text *t, bool *first)
{
    mydb_put(t, *first ? "(" : ",(");
    *first = false;
}

/* ---- moves ---- */

static bool all_are_plain_orders(const struct mydb_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        if (m->kind != MOVE_RESERVE || m->sale || m->group_id || m->line_count != 1)
            return false;
    }
    return true;
}

static void put_order(struct mydb_text *t, const struct move *m)
{
    mydb_put_number(t, m->seq);
    put_number(t, m->kind);
    put_number(t, m->line.lot);
    put_number(t, m->line.quantity);
    put_number(t, m->at_ms);
    put_some_number(t, m->deadline_ms);
    put_some_string(t, m->order_id);
    put_some_string(t, m->user_id);
    put_some_number(t, (int64_t)m->fingerprint);
}

static void put_move(struct mydb_text *t, const struct move *m)
{
    mydb_put_number(t, m->seq);
    put_number(t, m->kind);
    put_some_number(t, m->line_count == 1 ? m->line.lot : 0);
    put_number(t, m->line.quantity);
    put_number(t, m->at_ms);
    put_some_number(t, m->deadline_ms);
    put_some_string(t, m->order_id);
    put_some_string(t, m->user_id);
    put_some_number(t, move_begins(m) ? 0 : m->reservation_id);
    put_some_number(t, m->reason);
    put_some_string(t, m->detail);
    put_some_string(t, m->note);
    put_some_number(t, (int64_t)m->fingerprint);
    put_some_number(t, m->sale);
    put_some_number(t, m->group_id);
}

static void put_moves(struct mydb_batch *b)
{
    bool plain = all_are_plain_orders(b), first = true;
    mydb_put(b->text, plain
                          ? "INSERT INTO "
                            "move(seq,kind,lot_id,quantity,at_ms,deadline_ms,order_id,user_id,"
                            "fingerprint) VALUES "
                          : "INSERT INTO "
                            "move(seq,kind,lot_id,quantity,at_ms,deadline_ms,order_id,user_id,"
                            "reservation_id,reason,detail,note,fingerprint,sale,group_id) VALUES ");
    for (uint32_t i = 0; i < b->count; i++) {
        row(b->text, &first);
        if (plain)
            put_order(b->text, &b->moves[i]);
        else
            put_move(b->text, &b->moves[i]);
        mydb_put(b->text, ")");
    }
    mydb_end(b->text);
}

static void put_lines(struct mydb_batch *b)
{
    bool first = true;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        for (uint32_t j = 0; m->line_count > 1 && j < m->line_count; j++) {
            if (first)
                mydb_put(b->text, "INSERT INTO move_line(seq,lot_id,quantity) VALUES ");
            row(b->text, &first);
            mydb_putf(b->text, "%d,%d,%d)", m->seq, (int64_t)m->lines[j].lot, m->lines[j].quantity);
        }
    }
    if (!first)
        mydb_end(b->text);
}

static void put_adjustments(struct mydb_batch *b)
{
    bool first = true;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        if (m->kind != MOVE_ADJUST || !m->detail.len)
            continue;
        if (first)
            mydb_put(b->text, "INSERT INTO adjustment(adjustment_id,seq) VALUES ");
        row(b->text, &first);
        mydb_putf(b->text, "%s,%d)", &m->detail, m->seq);
    }
    if (!first)
        mydb_end(b->text);
}

/* ---- holds that are PENDING ---- */

static void put_pending(struct mydb_batch *b)
{
    bool first = true, extends = false;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        if (m->kind != MOVE_RESERVE && m->kind != MOVE_EXTEND)
            continue;
        extends = extends || m->kind == MOVE_EXTEND;
        if (first)
            mydb_put(b->text, "INSERT INTO pending(reservation_id,deadline_ms) VALUES ");
        row(b->text, &first);
        mydb_put_number(b->text, m->reservation_id);
        put_number(b->text, m->deadline_ms);
        mydb_put(b->text, ")");
    }
    if (first)
        return;
    if (extends)
        mydb_put(b->text, " ON DUPLICATE KEY UPDATE deadline_ms = VALUES(deadline_ms)");
    mydb_end(b->text);
}

static void put_ended(struct mydb_batch *b)
{
    bool first = true;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        if (m->kind != MOVE_CONFIRM && m->kind != MOVE_REFUND)
            continue;
        mydb_put(b->text, first ? "DELETE FROM pending WHERE reservation_id IN (" : ",");
        first = false;
        mydb_put_number(b->text, m->reservation_id);
    }
    if (first)
        return;
    mydb_put(b->text, ")");
    mydb_end(b->text);
}

/* ---- groups that are OPEN ---- */

static void put_groups(struct mydb_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        if (m->kind == MOVE_GROUP_OPEN)
            mydb_putf(b->text, "INSERT INTO open_group(group_id,ends_ms) VALUES (%d,%d)",
                      m->group_id, m->deadline_ms);
        else if (m->kind == MOVE_GROUP_SUCCEED || m->kind == MOVE_GROUP_FAIL)
            mydb_putf(b->text, "DELETE FROM open_group WHERE group_id = %d", m->group_id);
        else
            continue;
        mydb_end(b->text);
    }
}

/* ---- lots ---- */

static void put_day(struct mydb_text *t, int32_t days)
{
    char text[DATE_SIZE];
    if (days == LOT_NEVER_EXPIRES) {
        mydb_put(t, "NULL");
        return;
    }
    lot_date_format(days, text);
    mydb_put_string(t, str_of(text));
}

static void put_lot(struct mydb_text *t, const struct move *m)
{
    const struct lot_dims *d = m->dims;
    struct lot_terms terms = m->terms ? *m->terms : lot_terms_plain(d);
    mydb_put_number(t, m->line.lot);
    put_string(t, d->key);
    put_string(t, d->sku);
    put_string(t, d->flavor);
    put_string(t, d->size);
    put_string(t, d->batch);
    comma(t);
    put_day(t, terms.expires_on);
    comma(t);
    put_day(t, terms.expected_on);
    put_number(t, terms.per_user_limit);
    put_number(t, terms.backorder_limit);
    put_number(t, terms.backorder_limit);
    put_number(t, terms.withdrawn);
    put_number(t, m->at_ms);
}

static void put_lots(struct mydb_batch *b)
{
    bool first = true;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->moves[i].kind != MOVE_CREATE)
            continue;
        if (first)
            mydb_put(b->text,
                     "INSERT INTO "
                     "lot(lot_id,lot_key,sku,flavor,size,batch,expires_on,expected_on,per_user_"
                     "limit,backorder_limit,backorder_limit_most,withdrawn,created_at_ms) VALUES ");
        row(b->text, &first);
        put_lot(b->text, &b->moves[i]);
        mydb_put(b->text, ")");
    }
    if (!first)
        mydb_end(b->text);
}

static void put_terms(struct mydb_batch *b)
{
    struct mydb_text *t = b->text;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        if (m->kind != MOVE_LOT_TERMS || !m->terms)
            continue;
        mydb_put(t, "UPDATE lot SET expires_on = ");
        put_day(t, m->terms->expires_on);
        mydb_put(t, ", expected_on = ");
        put_day(t, m->terms->expected_on);
        mydb_putf(t,
                  ", per_user_limit = %d, backorder_limit = %d, withdrawn = %d, "
                  "backorder_limit_most = greatest(backorder_limit_most, %d) WHERE lot_id = %d",
                  m->terms->per_user_limit, m->terms->backorder_limit, (int64_t)m->terms->withdrawn,
                  m->terms->backorder_limit, (int64_t)m->line.lot);
        mydb_end(t);
    }
}

static int by_moves(const void *a, const void *b)
{
    const struct touched_lot *x = a, *y = b;
    bool new_x = x->create != NULL, new_y = y->create != NULL;
    if (new_x != new_y)
        return new_x - new_y;
    if (x->moves != y->moves && !new_x)
        return x->moves < y->moves ? -1 : 1;
    return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static bool same_statement(const struct touched_lot *x, const struct touched_lot *y)
{
    return (x->create != NULL) == (y->create != NULL) && (x->create || x->moves == y->moves);
}

static void end_stock(struct mydb_text *t, const struct touched_lot *l)
{
    if (!l->create)
        mydb_putf(t,
                  " ON DUPLICATE KEY UPDATE version = IF(version = VALUES(version) - %d, "
                  "VALUES(version), NULL), on_hand = VALUES(on_hand), reserved = VALUES(reserved), "
                  "confirmed = VALUES(confirmed), last_seq = VALUES(last_seq), "
                  "backorder_limit_most = VALUES(backorder_limit_most)",
                  (int64_t)l->moves);
    mydb_end(t);
}

/* The order of `lots` changes, and with it what `slots` says; nobody asks that
 * any more. */
static void put_stock(struct mydb_batch *b)
{
    struct touched_lot *lots = b->write->lots;
    uint32_t count = b->write->count;
    bool first = true;
    if (count > 1)
        qsort(lots, count, sizeof *lots, by_moves);
    for (uint32_t i = 0; i < count; i++) {
        const struct touched_lot *l = &lots[i];
        if (first)
            mydb_put(b->text, "INSERT INTO "
                              "stock(lot_id,on_hand,reserved,confirmed,version,last_seq,backorder_"
                              "limit_most) VALUES ");
        row(b->text, &first);
        mydb_putf(b->text, "%d,%d,%d,%d,%d,%d,%d)", (int64_t)l->lot, l->stock.on_hand,
                  l->stock.reserved, l->stock.confirmed, l->stock.version, l->last_seq, l->most);
        if (i + 1 == count || !same_statement(l, l + 1)) {
            end_stock(b->text, l);
            first = true;
        }
    }
}

/* ---- sales ---- */

static void put_items(struct mydb_text *t, const struct sale_terms *s)
{
    bool first = true;
    mydb_putf(t, "DELETE FROM sale_item WHERE sale = %d", (int64_t)s->number);
    mydb_end(t);
    for (int i = 0; i < s->item_count; i++) {
        if (first)
            mydb_put(t, "INSERT INTO sale_item(sale,position,lot_id,sku) VALUES ");
        row(t, &first);
        mydb_put_number(t, s->number);
        put_number(t, i);
        put_some_number(t, s->items[i].lot);
        put_some_string(t, s->items[i].sku);
        mydb_put(t, ")");
    }
    if (!first)
        mydb_end(t);
}

/* Another sale's name would make its row this one's: then, too, NULL is
 * written. */
static void put_sale(struct mydb_text *t, const struct move *m)
{
    const struct sale_terms *s = m->sale_terms;
    mydb_put(t, "INSERT INTO "
                "sale(sale,sale_id,title,starts_at_ms,ends_at_ms,closed_at_ms,per_user_limit,per_"
                "order_limit,total_limit,hold_ms,payment_extend_ms_max,group_size,group_window_ms,"
                "queue_mode,created_seq) VALUES (");
    mydb_put_number(t, s->number);
    put_string(t, s->sale_id);
    put_string(t, s->title);
    put_number(t, s->starts_ms);
    put_number(t, s->ends_ms);
    put_some_number(t, s->closed_ms);
    put_number(t, s->per_user_limit);
    put_number(t, s->per_order_limit);
    put_number(t, s->total_limit);
    put_number(t, s->hold_ms);
    put_number(t, s->payment_extend_ms_max);
    put_number(t, s->group_size);
    put_number(t, s->group_window_ms);
    put_some_string(t, str_of(queue_mode_name((enum queue_mode)s->queue)));
    put_number(t, m->seq);
    mydb_put(t, ") ON DUPLICATE KEY UPDATE sale_id = IF(sale = VALUES(sale), VALUES(sale_id), "
                "NULL), title = VALUES(title), starts_at_ms = VALUES(starts_at_ms), ends_at_ms = "
                "VALUES(ends_at_ms), closed_at_ms = VALUES(closed_at_ms), per_user_limit = "
                "VALUES(per_user_limit), per_order_limit = VALUES(per_order_limit), total_limit = "
                "VALUES(total_limit), hold_ms = VALUES(hold_ms), payment_extend_ms_max = "
                "VALUES(payment_extend_ms_max), group_size = VALUES(group_size), group_window_ms = "
                "VALUES(group_window_ms), queue_mode = VALUES(queue_mode)");
    mydb_end(t);
    put_items(t, s);
}

void mydb_put_batch(struct mydb_batch *b)
{
    put_lots(b);
    put_terms(b);
    for (uint32_t i = 0; i < b->count; i++)
        if (b->moves[i].kind == MOVE_SALE && b->moves[i].sale_terms)
            put_sale(b->text, &b->moves[i]);
    put_moves(b);
    put_lines(b);
    put_adjustments(b);
    put_pending(b);
    put_ended(b);
    put_groups(b);
    put_stock(b);
}
