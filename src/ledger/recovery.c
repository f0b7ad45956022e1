/* Recovery: the ledger streamed to the loader.
 *
 * Happy path: make durable what the last process may have left in the log only; lots with the
 * stock of the snapshot; sales; order runs; then every move from the earliest that somebody needs:
 * after the snapshot (stock), after the oldest PENDING hold, OPEN group or sale that goes on
 * (oldest_pending), after what the runs cover (order index).
 * Failure modes: a row that contradicts the rest is TLY_ECORRUPT and ends it; so does an error of
 * the loader.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"
#include "ledger/lot_rows.h"
#include "ledger/move_rows.h"
#include "ledger/sale_rows.h"

enum { PROGRESS_ROWS = 1 << 15 };
#define PROGRESS_NS UINT64_C(500000000)

struct recovery {
    struct ledger_sqlite *ledger;
    const struct ledger_loader *loader;
    sqlite3 *db;
    int64_t last_seq;
    int64_t from; /* moves after this one */
    uint64_t done;
    uint64_t told_ns;
};

/* Whatever is visible now is answered as done from now on, so it must be durable first: a killed
 * process may have written a commit to the log without the fsync that it would have waited for, or
 * after one that failed. A full disk may refuse the checkpoint; then the log is enough. */
static int make_durable(struct ledger_sqlite *l, struct error *e)
{
    sqlite3 *db = l->writer.db;
    int64_t rows;
    int rc = db_get_int(db, "SELECT count(*) FROM snapshot", &rows, e); /* opens the log */
    if (rc)
        return rc;
    if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK) {
        l->guard.mark.checkpoint_seq = l->guard.mark.seq;
        return 0;
    }
    return db_rewrite_log(db, e);
}

static int load_lots(struct recovery *r, struct error *e)
{
    struct lot_row lot;
    sqlite3_stmt *rows;
    int step;
    int rc = db_prepare(r->db, &rows,
                        "SELECT " LOT_COLUMNS ", on_hand, reserved, confirmed, version FROM lot"
                        " LEFT JOIN stock_snapshot USING (lot_id) ORDER BY lot_id",
                        e);
    if (rc)
        return rc;
    while (rc == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        rc = lot_row_read(rows, &lot, e);
        struct stock stock = {sqlite3_column_int64(rows, LOT_COLUMN_COUNT),
                              sqlite3_column_int64(rows, LOT_COLUMN_COUNT + 1),
                              sqlite3_column_int64(rows, LOT_COLUMN_COUNT + 2),
                              sqlite3_column_int64(rows, LOT_COLUMN_COUNT + 3)};
        if (rc == 0)
            rc = stock_table_load(&r->ledger->writer.stocks, lot.id, &stock,
                                  lot.terms.backorder_most, e);
        if (rc == 0)
            rc = r->loader->lot(r->loader->context, lot.id, &lot.dims, &lot.terms, &stock, e);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(r->db, "read lots", e);
    sqlite3_finalize(rows);
    return rc;
}

static int load_sale(void *context, const struct sale_terms *terms, int64_t created_seq,
                     struct error *e)
{
    struct recovery *r = context;
    return r->loader->sale ? r->loader->sale(r->loader->context, terms, created_seq, e) : 0;
}

/* Sequence numbers are times, so the share of the span that was read is the share of the work. */
static void tell_progress(struct recovery *r, int64_t seq)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (!r->loader->progress || now_ns - r->told_ns < PROGRESS_NS)
        return;
    r->told_ns = now_ns;
    double share = (double)(seq - r->from) / (double)(r->last_seq - r->from);
    r->loader->progress(r->loader->context, r->done, (uint64_t)((double)r->done / share));
}

static int load_move(struct recovery *r, const struct move *m, struct error *e)
{
    struct writer *w = &r->ledger->writer;
    bool in_stock = m->seq <= w->snapshot_seq;
    if (!in_stock) {
        int rc = stock_table_apply(&w->stocks, m, 1, e);
        if (rc)
            return rc;
        w->moves_since_snapshot++;
        /* Perhaps still PENDING or OPEN; the engine's next batch says it exactly. */
        if ((m->kind == MOVE_RESERVE || m->kind == MOVE_GROUP_OPEN) && m->seq < w->oldest_pending)
            w->oldest_pending = m->seq;
    }
    w->last_at_ms = m->at_ms;
    if ((++r->done & (PROGRESS_ROWS - 1)) == 0)
        tell_progress(r, m->seq);
    return r->loader->move(r->loader->context, m, in_stock, e);
}

static int load_moves(struct recovery *r, struct error *e)
{
    struct move_reader reader;
    struct move m;
    sqlite3_stmt *rows = NULL;
    int step;
    int rc = move_reader_init(&reader, r->db, r->ledger->seed, e);
    if (rc)
        return rc;
    rc =
        db_prepare(r->db, &rows, "SELECT " MOVE_COLUMNS " FROM move WHERE seq > ? ORDER BY seq", e);
    if (rc == 0)
        sqlite3_bind_int64(rows, 1, r->from);
    while (rc == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        rc = move_reader_fill(&reader, rows, &m, e);
        if (rc == 0)
            rc = load_move(r, &m, e);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(r->db, "read moves", e);
    sqlite3_finalize(rows);
    move_reader_close(&reader);
    return rc;
}

static int read_marks(struct recovery *r, struct error *e)
{
    struct writer *w = &r->ledger->writer;
    int rc = db_get_int(r->db, "SELECT seq FROM snapshot", &w->snapshot_seq, e);
    if (rc == 0)
        rc = db_get_int(r->db, "SELECT oldest_pending FROM snapshot", &w->oldest_pending, e);
    if (rc == TLY_ENOT_FOUND)
        return error_set(e, TLY_ECORRUPT, "snapshot", "its row is missing");
    if (rc == 0)
        rc = db_get_int(r->db, "SELECT max(seq) FROM move", &r->last_seq, e);
    if (rc == TLY_ENOT_FOUND) {
        r->last_seq = 0;
        rc = 0;
    }
    /* Retention may have removed the newest rows of all; the snapshot remembers. */
    if (rc == 0 && r->last_seq < w->snapshot_seq)
        r->last_seq = w->snapshot_seq;
    return rc;
}

/* A sale that a SALE since the snapshot made, or opened once more, needs its orders from its
 * beginning on. */
static int reach_sales(struct recovery *r, struct error *e)
{
    struct writer *w = &r->ledger->writer;
    int64_t first;
    int rc = db_get_int(r->db,
                        "SELECT min(created_seq) FROM sale WHERE sale IN (SELECT sale FROM move"
                        " WHERE kind = 17 AND seq > (SELECT seq FROM snapshot))",
                        &first, e);
    if (rc == 0 && first < w->oldest_pending)
        w->oldest_pending = first;
    return rc == TLY_ENOT_FOUND ? 0 : rc;
}

static int load(struct recovery *r, struct error *e)
{
    struct writer *w = &r->ledger->writer;
    int64_t covered, lost = 0;
    int rc = read_marks(r, e);
    if (rc == 0)
        rc = reach_sales(r, e);
    if (rc == 0)
        rc = load_lots(r, e);
    if (rc == 0)
        rc = sale_rows_read(r->db, load_sale, r, e);
    if (rc == 0)
        rc = order_store_load(&r->ledger->orders, r->db, r->loader, r->last_seq, &covered, e);
    if (rc)
        return rc;
    r->from = w->snapshot_seq;
    if (w->oldest_pending - 1 < r->from)
        r->from = w->oldest_pending - 1;
    if (covered < r->from)
        r->from = covered;
    w->last_at_ms = r->last_seq ? seq_ms(r->last_seq) : 0;
    rc = load_moves(r, e);
    if (rc == 0)
        rc = db_get_int(r->db, "SELECT max(missing_to_seq) FROM accepted_loss", &lost, e);
    /* The numbers of moves that were lost are not given out again. */
    atomic_store(&r->ledger->counters.last_seq, r->last_seq > lost ? r->last_seq : lost);
    return rc == TLY_ENOT_FOUND ? 0 : rc;
}

int ledger_recover(struct ledger *port, const struct ledger_loader *loader, struct error *e)
{
    struct ledger_sqlite *l = (struct ledger_sqlite *)port;
    struct recovery r = {
        .ledger = l, .loader = loader, .db = l->writer.db, .told_ns = clock_monotonic_ns()};
    int rc = make_durable(l, e);
    if (rc == 0)
        rc = db_exec(r.db, "BEGIN", e);
    if (rc)
        return rc;
    rc = load(&r, e);
    if (sqlite3_exec(r.db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK && rc == 0)
        rc = db_fail(r.db, "end recovery", e);
    l->recovered = rc == 0;
    return rc;
}
