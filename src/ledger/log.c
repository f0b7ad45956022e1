/* Reading the log from any thread: read_log, log_start and cursor_get.
 *
 * Happy path: one read-only connection, opened when first needed, used under a mutex.
 * Failure modes: a failure closes the connection; the next call opens it again.
 */
#include "ledger/db.h"
#include "ledger/ledger_internal.h"
#include "ledger/move_rows.h"

static int open_log(struct ledger_sqlite *l, struct error *e)
{
    return l->log.db ? 0 : db_open(&l->log.db, l->db_path, l->config.vfs, DB_READER, e);
}

static void close_log(struct ledger_sqlite *l)
{
    db_close(l->log.db);
    l->log.db = NULL;
}

/* Behind the columns of the move itself: whose reservation it is, and of which sale. */
static const char read_moves[] =
    "SELECT " MOVE_COLUMNS ", (SELECT r.order_id FROM move AS r WHERE r.seq = move.reservation_id)"
    ", (SELECT r.user_id FROM move AS r WHERE r.seq = move.reservation_id)"
    ", (SELECT r.sale FROM move AS r WHERE r.seq = move.reservation_id)"
    ", (SELECT r.group_id FROM move AS r WHERE r.seq = move.reservation_id)"
    ", (SELECT s.sale_id FROM sale AS s WHERE s.sale = ifnull(move.sale,"
    "    (SELECT r.sale FROM move AS r WHERE r.seq = move.reservation_id)))"
    " FROM move WHERE seq > ? ORDER BY seq LIMIT ?";

static struct str text_at(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return (struct str){text, text ? (uint32_t)sqlite3_column_bytes(row, column) : 0};
}

/* What a move of a reservation does not say itself. `sale` is memory for a sale's name. */
static void complete(struct move *m, sqlite3_stmt *rows, struct sale_terms *sale)
{
    enum { ORDER_ID = MOVE_COLUMN_COUNT, USER_ID, SALE, GROUP_ID, SALE_ID };
    if (m->reservation_id && !move_begins(m)) {
        m->order_id = text_at(rows, ORDER_ID);
        m->user_id = text_at(rows, USER_ID);
        m->sale = (sale_number)sqlite3_column_int64(rows, SALE);
        m->group_id = sqlite3_column_int64(rows, GROUP_ID);
    }
    if (m->sale && (m->kind != MOVE_SALE || !m->sale_terms)) {
        *sale = (struct sale_terms){.number = m->sale, .sale_id = text_at(rows, SALE_ID)};
        m->sale_terms = sale;
    }
}

static int hand_out(sqlite3_stmt *rows, struct move_reader *reader, ledger_move_fn *fn,
                    void *context, int *count, struct error *e)
{
    struct move m;
    struct sale_terms sale;
    int step;
    while ((step = sqlite3_step(rows)) == SQLITE_ROW) {
        int rc = move_reader_fill(reader, rows, &m, e);
        if (rc)
            return rc;
        complete(&m, rows, &sale);
        ++*count;
        if (fn(context, &m))
            return 0;
    }
    return step == SQLITE_DONE ? 0 : db_fail(reader->db, "read the log", e);
}

int ledger_read_log(struct ledger *port, int64_t after, uint32_t max, ledger_move_fn *fn,
                    void *context, struct error *e)
{
    struct ledger_sqlite *l = (struct ledger_sqlite *)port;
    struct move_reader reader = {0};
    sqlite3_stmt *rows = NULL;
    int count = 0;
    pthread_mutex_lock(&l->log.lock);
    int rc = open_log(l, e);
    if (rc == 0) {
        rc = move_reader_init(&reader, l->log.db, l->seed, e);
        if (rc == 0)
            rc = db_prepare(l->log.db, &rows, read_moves, e);
        if (rc == 0) {
            sqlite3_bind_int64(rows, 1, after);
            sqlite3_bind_int64(rows, 2, max > INT32_MAX ? INT32_MAX : max);
            rc = hand_out(rows, &reader, fn, context, &count, e);
        }
        sqlite3_finalize(rows);
        move_reader_close(&reader);
        if (rc)
            close_log(l);
    }
    pthread_mutex_unlock(&l->log.lock);
    return rc ? rc : count;
}

int ledger_log_start(struct ledger *port, int64_t *seq, struct error *e)
{
    struct ledger_sqlite *l = (struct ledger_sqlite *)port;
    pthread_mutex_lock(&l->log.lock);
    int rc = open_log(l, e);
    if (rc == 0) {
        rc = db_get_int(l->log.db,
                        "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'archived_newest'",
                        seq, e);
        if (rc)
            close_log(l);
    }
    pthread_mutex_unlock(&l->log.lock);
    return rc;
}

static int get(sqlite3 *db, const char *reader, int64_t *seq, struct error *e)
{
    sqlite3_stmt *query;
    int rc = db_prepare(db, &query, "SELECT seq FROM cursor WHERE reader = ?", e);
    if (rc)
        return rc;
    sqlite3_bind_text(query, 1, reader, -1, SQLITE_STATIC);
    int step = sqlite3_step(query);
    if (step == SQLITE_ROW)
        *seq = sqlite3_column_int64(query, 0);
    else
        rc = step == SQLITE_DONE ? TLY_ENOT_FOUND : db_fail(db, "read a cursor", e);
    sqlite3_finalize(query);
    return rc;
}

int ledger_cursor_get(struct ledger *port, const char *reader, int64_t *seq, struct error *e)
{
    struct ledger_sqlite *l = (struct ledger_sqlite *)port;
    pthread_mutex_lock(&l->log.lock);
    int rc = open_log(l, e);
    if (rc == 0) {
        rc = get(l->log.db, reader, seq, e);
        if (rc && rc != TLY_ENOT_FOUND)
            close_log(l);
    }
    pthread_mutex_unlock(&l->log.lock);
    if (rc == TLY_ENOT_FOUND)
        error_set(e, rc, "ledger", "there is no cursor %s", reader);
    return rc;
}
