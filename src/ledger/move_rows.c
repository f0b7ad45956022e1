/* Rows of the log to moves.
 *
 * Happy path: a RESERVE of one line, which is nearly every row, costs nine column reads. Lines of
 * several lots and the dimensions of a CREATE are looked up.
 * Failure modes: a row that no engine can have written is TLY_ECORRUPT, named by its seq.
 */
#include "ledger/move_rows.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/db.h"

int move_reader_init(struct move_reader *r, sqlite3 *db, uint64_t seed, struct error *e)
{
    *r = (struct move_reader){.db = db, .seed = seed};
    int rc = db_prepare(db, &r->lines,
                        "SELECT lot_id, quantity FROM move_line WHERE seq = ? ORDER BY lot_id", e);
    if (rc == 0)
        rc = db_prepare(db, &r->lot, "SELECT " LOT_COLUMNS " FROM lot WHERE lot_id = ?", e);
    if (rc)
        move_reader_close(r);
    return rc;
}

void move_reader_close(struct move_reader *r)
{
    sqlite3_finalize(r->lines);
    sqlite3_finalize(r->lot);
    *r = (struct move_reader){0};
}

static int corrupt(const struct move *m, const char *what, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "move", "row with seq %" PRId64 ": %s", m->seq, what);
}

static struct str text_of(sqlite3_stmt *row, int column)
{
    struct str s = {(const char *)sqlite3_column_text(row, column), 0};
    if (s.p)
        s.len = (uint32_t)sqlite3_column_bytes(row, column);
    return s;
}

static int fill_lines(struct move_reader *r, struct move *m, struct error *e)
{
    int step, rc = 0;
    int64_t sum = 0;
    m->line_count = 0;
    sqlite3_bind_int64(r->lines, 1, m->seq);
    while ((step = sqlite3_step(r->lines)) == SQLITE_ROW) {
        if (m->line_count == MOVE_LINES_MAX)
            break;
        struct line *line = &r->line_buffer[m->line_count++];
        line->lot = (lot_id)sqlite3_column_int64(r->lines, 0);
        line->quantity = sqlite3_column_int64(r->lines, 1);
        sum += line->quantity;
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = db_fail(r->db, "read move_line", e);
    else if (step == SQLITE_ROW || m->line_count < 2 || sum != m->line.quantity)
        rc = corrupt(m, "its lines in move_line are missing, too many or do not add up", e);
    sqlite3_reset(r->lines);
    m->line.lot = 0;
    m->lines = r->line_buffer;
    return rc;
}

static int fill_lot(struct move_reader *r, struct move *m, struct error *e)
{
    int rc;
    sqlite3_bind_int64(r->lot, 1, m->line.lot);
    int step = sqlite3_step(r->lot);
    if (step == SQLITE_ROW)
        rc = lot_row_read(r->lot, &r->lot_row, e);
    else if (step == SQLITE_DONE)
        rc = corrupt(m, "its lot is not in the table lot", e);
    else
        rc = db_fail(r->db, "read lot", e);
    sqlite3_reset(r->lot);
    if (m->kind == MOVE_CREATE)
        m->dims = &r->lot_row.dims;
    m->terms = &r->lot_row.terms;
    return rc;
}

static void fill_reserve(struct move_reader *r, sqlite3_stmt *row, struct move *m)
{
    m->reservation_id = m->seq;
    m->deadline_ms = sqlite3_column_int64(row, COLUMN_deadline_ms);
    m->fingerprint = (uint64_t)sqlite3_column_int64(row, COLUMN_fingerprint);
    m->order_id = text_of(row, COLUMN_order_id);
    m->user_id = text_of(row, COLUMN_user_id);
    m->order_hash = hash64(m->order_id, r->seed);
    if (m->kind == MOVE_FENCE)
        m->reason = (uint8_t)sqlite3_column_int(row, COLUMN_reason);
}

static bool reason_is_known(sqlite3_stmt *row)
{
    int64_t reason = sqlite3_column_int64(row, COLUMN_reason);
    return reason >= REASON_NONE && reason <= REASON_UNSETTLED;
}

static void fill_other(sqlite3_stmt *row, struct move *m)
{
    m->reservation_id = sqlite3_column_int64(row, COLUMN_reservation_id);
    m->deadline_ms = sqlite3_column_int64(row, COLUMN_deadline_ms);
    m->reason = (uint8_t)sqlite3_column_int(row, COLUMN_reason);
    m->detail = text_of(row, COLUMN_detail);
    m->note = text_of(row, COLUMN_note);
    m->user_id = text_of(row, COLUMN_user_id);
    m->fingerprint = (uint64_t)sqlite3_column_int64(row, COLUMN_fingerprint);
}

int move_reader_fill(struct move_reader *r, sqlite3_stmt *row, struct move *m, struct error *e)
{
    *m = (struct move){.seq = sqlite3_column_int64(row, COLUMN_seq), .line_count = 1};
    int64_t kind = sqlite3_column_int64(row, COLUMN_kind);
    int64_t lot = sqlite3_column_int64(row, COLUMN_lot_id); /* NULL reads as 0 */
    if (kind < MOVE_KIND_FIRST || kind > MOVE_KIND_LAST)
        return corrupt(m, "its kind is unknown", e);
    if (lot < 0 || lot > UINT32_MAX)
        return corrupt(m, "its lot_id is not a lot number", e);
    if (!reason_is_known(row))
        return corrupt(m, "its reason is unknown", e);
    m->kind = (uint8_t)kind;
    m->line = (struct line){(lot_id)lot, sqlite3_column_int64(row, COLUMN_quantity)};
    m->at_ms = sqlite3_column_int64(row, COLUMN_at_ms);
    m->sale = (sale_number)sqlite3_column_int64(row, COLUMN_sale);
    if (m->sale) /* groups are a sale's */
        m->group_id = sqlite3_column_int64(row, COLUMN_group_id);
    if (move_begins(m))
        fill_reserve(r, row, m);
    else
        fill_other(row, m);
    if (m->order_id.len > ORDER_ID_MAX || m->detail.len > PAYMENT_ID_MAX)
        return corrupt(m, "a text in it is too long", e);
    if (move_has_no_lines(m->kind))
        m->line_count = 0;
    else if (lot == 0)
        return fill_lines(r, m, e);
    return kind == MOVE_CREATE || kind == MOVE_LOT_TERMS ? fill_lot(r, m, e) : 0;
}
