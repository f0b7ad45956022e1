/* verify_mysql_rows.c - copies the tables of a ledger out of MySQL, in one consistent snapshot,
 * into a temporary file of SQLite, which vanishes with its connection.
 *
 * Rows are streamed in the order of their keys, so memory is bounded whatever there is; the file
 * needs as much room as the rows take, in $TMPDIR. Failures: of the connection, of the file; a row
 * that is there twice, which only a table without its key can have, is a finding.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/verify_mysql.h"

enum { CACHE_KIB = 65536, PROGRESS_ROWS = 65536 };

struct table {
    const char *name;    /* as MySQL has to be asked for it */
    const char *columns; /* likewise, and so called here, too */
    const char *order;
    const char *create;
};

static const struct table tables[] = {
    {"meta", "`key`, value", "`key`", "meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"},
    {"lot", "lot_id, lot_key, sku, flavor, size, batch, expires_on, per_user_limit", "lot_id",
     "lot(lot_id INTEGER PRIMARY KEY, lot_key TEXT, sku TEXT, flavor TEXT, size TEXT, batch TEXT,"
     " expires_on TEXT, per_user_limit INTEGER)"},
    {"move_kind", "kind, on_hand, reserved, confirmed", "kind",
     "move_kind(kind INTEGER PRIMARY KEY, on_hand INTEGER, reserved INTEGER, confirmed INTEGER)"},
    {"move",
     "seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id, reservation_id, reason,"
     " detail, note, sale, group_id",
     "seq",
     "move(seq INTEGER PRIMARY KEY, kind INTEGER, lot_id INTEGER, quantity INTEGER, at_ms INTEGER,"
     " deadline_ms INTEGER, order_id TEXT, user_id TEXT, reservation_id INTEGER, reason INTEGER,"
     " detail TEXT, note TEXT, sale INTEGER, group_id INTEGER)"},
    {"move_line", "seq, lot_id, quantity", "seq, lot_id",
     "move_line(seq INTEGER, lot_id INTEGER, quantity INTEGER, PRIMARY KEY (seq, lot_id))"
     " WITHOUT ROWID"},
    {"stock", "lot_id, on_hand, reserved, confirmed, available, version, last_seq", "lot_id",
     "stock(lot_id INTEGER PRIMARY KEY, on_hand INTEGER, reserved INTEGER, confirmed INTEGER,"
     " available INTEGER, version INTEGER, last_seq INTEGER)"},
    {"pending", "reservation_id, deadline_ms", "reservation_id",
     "pending(reservation_id INTEGER PRIMARY KEY, deadline_ms INTEGER)"},
    {"lane", "lane, last_seq, floor_seq", "lane",
     "lane(lane INTEGER PRIMARY KEY, last_seq INTEGER, floor_seq INTEGER)"},
    {"sale",
     "sale, sale_id, starts_at_ms, ends_at_ms, closed_at_ms, per_user_limit, per_order_limit,"
     " total_limit, created_seq",
     "sale",
     "sale(sale INTEGER PRIMARY KEY, sale_id TEXT, starts_at_ms INTEGER, ends_at_ms INTEGER,"
     " closed_at_ms INTEGER, per_user_limit INTEGER, per_order_limit INTEGER, total_limit INTEGER,"
     " created_seq INTEGER)"},
    {"sale_item", "sale, position, lot_id, sku", "sale, position",
     "sale_item(sale INTEGER, position INTEGER, lot_id INTEGER, sku TEXT,"
     " PRIMARY KEY (sale, position)) WITHOUT ROWID"},
    {"`cursor`", "reader, seq", "reader",
     "cursor(reader TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID"},
    {"adjustment", "adjustment_id, seq", "adjustment_id",
     "adjustment(adjustment_id TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID"},
    {"archived", "lot_id, on_hand, reserved, confirmed, moves", "lot_id",
     "archived(lot_id INTEGER PRIMARY KEY, on_hand INTEGER, reserved INTEGER, confirmed INTEGER,"
     " moves INTEGER)"},
};

/* Made when all rows are there. */
static const char *const indexes =
    "CREATE INDEX move_reservation ON move(reservation_id) WHERE reservation_id IS NOT NULL;"
    "CREATE INDEX move_group ON move(group_id) WHERE group_id IS NOT NULL AND kind > 18;";

struct copy {
    struct verify *v;
    const struct table *table;
    sqlite3_stmt *insert;
    bool is_number[16];
    int64_t rows, rows_in_all; /* the latter is MySQL's estimate */
    uint64_t twice;
};

static int file_failed(const struct verify *v, struct error *e)
{
    return error_set(e, TLY_EIO, "", "the temporary copy of the rows cannot be written: %s",
                     sqlite3_errmsg(v->db));
}

static int run(struct verify *v, const char *sql, struct error *e)
{
    return sqlite3_exec(v->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : file_failed(v, e);
}

static int open_file(struct verify *v, struct error *e)
{
    char sql[800];
    if (sqlite3_open_v2("", &v->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return file_failed(v, e);
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -%d; BEGIN",
             CACHE_KIB);
    int code = run(v, sql, e);
    for (size_t i = 0; !code && i < sizeof tables / sizeof tables[0]; i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE %s", tables[i].create);
        code = run(v, sql, e);
    }
    return code;
}

/* ---- one table ---- */

static int prepare(struct copy *c, unsigned columns, struct error *e)
{
    char sql[200];
    int len = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (?", c->table->name);
    for (unsigned i = 1; i < columns; i++)
        len += snprintf(sql + len, sizeof sql - (size_t)len, ", ?");
    snprintf(sql + len, sizeof sql - (size_t)len, ")");
    if (sqlite3_prepare_v2(c->v->db, sql, -1, &c->insert, NULL) != SQLITE_OK)
        return file_failed(c->v, e);
    return 0;
}

static int put(struct copy *c, MYSQL_ROW row, const unsigned long *sizes, unsigned columns,
               struct error *e)
{
    for (unsigned i = 0; i < columns; i++) {
        if (!row[i])
            sqlite3_bind_null(c->insert, (int)i + 1);
        else if (c->is_number[i])
            sqlite3_bind_int64(c->insert, (int)i + 1, strtoll(row[i], NULL, 10));
        else
            sqlite3_bind_text(c->insert, (int)i + 1, row[i], (int)sizes[i], SQLITE_STATIC);
    }
    int step = sqlite3_step(c->insert);
    sqlite3_reset(c->insert);
    c->twice += step == SQLITE_CONSTRAINT;
    return step == SQLITE_DONE || step == SQLITE_CONSTRAINT ? 0 : file_failed(c->v, e);
}

static void tell_progress(struct copy *c)
{
    const struct verify_config *config = c->v->config;
    if (++c->rows % PROGRESS_ROWS == 0 && config->progress)
        config->progress(config->context, c->rows,
                         c->rows_in_all > c->rows ? c->rows_in_all : c->rows);
}

static int stream(struct copy *c, MYSQL *db, MYSQL_RES *rows, struct error *e)
{
    unsigned columns = mysql_num_fields(rows);
    const MYSQL_FIELD *fields = mysql_fetch_fields(rows);
    int code = prepare(c, columns, e);
    for (unsigned i = 0; i < columns; i++)
        c->is_number[i] = IS_NUM(fields[i].type) && fields[i].decimals == 0;
    MYSQL_ROW row;
    while (!code && (row = mysql_fetch_row(rows))) {
        code = put(c, row, mysql_fetch_lengths(rows), columns, e);
        tell_progress(c);
    }
    if (!code && mysql_errno(db))
        code = mysql_failed(db, "read all rows", e);
    sqlite3_finalize(c->insert);
    return code;
}

static int copy_table(struct verify *v, const struct table *table, struct copy *c, struct error *e)
{
    MYSQL *db = v->place;
    char sql[400];
    c->table = table;
    c->twice = 0;
    snprintf(sql, sizeof sql, "SELECT %s FROM %s ORDER BY %s", table->columns, table->name,
             table->order);
    if (mysql_query(db, sql))
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "the table %s is not as a ledger's, or may not be read: %s", table->name,
                         mysql_error(db));
    MYSQL_RES *rows = mysql_use_result(db);
    if (!rows)
        return mysql_failed(db, "read a table", e);
    int code = stream(c, db, rows, e);
    mysql_free_result(rows);
    if (!code && c->twice)
        verify_fault(v, VERIFY_FILE, (struct place){0},
                     "the table %s has %" PRIu64 " rows more than one for their key", table->name,
                     c->twice);
    return code;
}

static void take_estimate(void *context, char **row)
{
    int64_t *rows = context;
    *rows = row[0] ? strtoll(row[0], NULL, 10) : 0;
}

int verify_mysql_rows(struct verify *v, struct error *e)
{
    static const char *const begin[] = {"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                                        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"};
    struct copy c = {.v = v};
    int code = mysql_each(v->place,
                          "SELECT sum(table_rows) FROM information_schema.tables"
                          " WHERE table_schema = DATABASE()",
                          take_estimate, &c.rows_in_all, e);
    if (!code)
        code = open_file(v, e);
    if (v->config->stage)
        v->config->stage(v->config->context, "reading the tables");
    for (size_t i = 0; !code && i < 2; i++) {
        if (mysql_query(v->place, begin[i]))
            code = mysql_failed(v->place, "begin to read", e);
    }
    for (size_t i = 0; !code && i < sizeof tables / sizeof tables[0]; i++)
        code = copy_table(v, &tables[i], &c, e);
    if (!code)
        code = run(v, indexes, e);
    return code ? code : run(v, "COMMIT", e);
}
