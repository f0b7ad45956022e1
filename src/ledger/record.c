/* Records of reservations.
 *
 * Happy path: the row that begins it (RESERVE, FENCE), then every row with its reservation_id in
 * order of seq, built into a record (record_build.h). Failure modes: no row is TLY_ENOT_FOUND; a
 * row that contradicts the table's rules TLY_ECORRUPT.
 */
#include "ledger/record.h"

#include "ledger/db.h"

int record_reader_init(struct record_reader *r, sqlite3 *db, uint64_t seed, struct error *e)
{
    *r = (struct record_reader){0};
    int rc = move_reader_init(&r->rows, db, seed, e);
    if (rc == 0)
        rc = db_prepare(db, &r->reserve, "SELECT " MOVE_COLUMNS " FROM move WHERE seq = ?", e);
    if (rc == 0)
        rc = db_prepare(db, &r->others,
                        "SELECT " MOVE_COLUMNS " FROM move WHERE reservation_id = ? ORDER BY seq",
                        e);
    if (rc)
        record_reader_close(r);
    return rc;
}

void record_reader_close(struct record_reader *r)
{
    sqlite3_finalize(r->reserve);
    sqlite3_finalize(r->others);
    move_reader_close(&r->rows);
    record_builder_close(&r->builder);
    *r = (struct record_reader){0};
}

/* The rows after the RESERVE; packs while the RESERVE's row, and so its texts, is still there. */
static int read_others(struct record_reader *r, int64_t reservation_id, struct error *e)
{
    struct move m;
    int step, rc = 0;
    sqlite3_bind_int64(r->others, 1, reservation_id);
    while (rc == 0 && (step = sqlite3_step(r->others)) == SQLITE_ROW) {
        rc = move_reader_fill(&r->rows, r->others, &m, e);
        if (rc == 0)
            rc = record_add(&r->builder, &m, e);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(r->rows.db, "read a reservation's moves", e);
    sqlite3_reset(r->others);
    return rc;
}

static int read_row(struct record_reader *r, const struct str *order_id,
                    struct reservation_record **out, struct error *e)
{
    struct move m;
    int rc = move_reader_fill(&r->rows, r->reserve, &m, e);
    if (rc)
        return rc;
    if (!move_begins(&m) || (order_id && !str_equal(m.order_id, *order_id)))
        return TLY_ENOT_FOUND;
    rc = record_begin(&r->builder, &m, e);
    if (rc == 0)
        rc = read_others(r, m.seq, e);
    if (rc)
        return rc;
    *out = record_pack(&r->builder);
    return *out ? 0 : error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a reservation");
}

int record_read(struct record_reader *r, int64_t reservation_id, const struct str *order_id,
                struct reservation_record **out, struct error *e)
{
    int rc;
    sqlite3_bind_int64(r->reserve, 1, reservation_id);
    int step = sqlite3_step(r->reserve);
    if (step == SQLITE_ROW)
        rc = read_row(r, order_id, out, e);
    else
        rc = step == SQLITE_DONE ? TLY_ENOT_FOUND : db_fail(r->rows.db, "read a reservation", e);
    sqlite3_reset(r->reserve);
    return rc;
}
