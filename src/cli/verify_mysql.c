/* verify_mysql.c - the rows of a ledger in MySQL or MariaDB, as nodes of a cluster share it.
 *
 * Happy path: one connection; its tables, keys and settings are looked at; then all rows are copied
 * into a temporary file in one consistent snapshot (verify_mysql_rows.c), and the database is left
 * alone. The checks are those of a folder. What only these tables have is checked here: the stock
 * that is stored row by row, the table of deadlines, and what each lane says that it has written.
 *
 * Failures: no such server, database or table, no right to read it, a schema that is not known, the
 * connection is lost on the way: told, and nothing is concluded. A table that is damaged is a
 * finding.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify_mysql.h"

int mysql_failed(MYSQL *db, const char *doing, struct error *e)
{
    static const unsigned damage[] = {126, 127, 145, 1034, 1035, 1194, 1195, 1712, 1877};
    unsigned number = mysql_errno(db);
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        if (number == damage[i])
            return error_set(e, TLY_ECORRUPT, "ledger", "%s", mysql_error(db));
    }
    return error_set(e, TLY_EIO, "", "cannot %s: %s (%u)", doing, mysql_error(db), number);
}

int mysql_each(MYSQL *db, const char *sql, mysql_row_fn *fn, void *context, struct error *e)
{
    if (mysql_query(db, sql))
        return mysql_failed(db, "ask the database", e);
    MYSQL_RES *rows = mysql_store_result(db);
    if (!rows)
        return mysql_errno(db) ? mysql_failed(db, "ask the database", e) : 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(rows));)
        fn(context, row);
    mysql_free_result(rows);
    return 0;
}

static void take_number(void *context, char **row)
{
    int64_t *out = context;
    if (row[0])
        *out = strtoll(row[0], NULL, 10);
}

/* The first column of the last row; 0 if there is none. */
static int ask_number(struct verify *v, const char *sql, int64_t *out, struct error *e)
{
    *out = 0;
    return mysql_each(v->place, sql, take_number, out, e);
}

/* ---- open ---- */

static int read_version(struct verify *v, struct error *e)
{
    enum { NO_SUCH_TABLE = 1146 };
    int code = ask_number(v, "SELECT value FROM meta WHERE `key` = 'schema_version'",
                          &v->report->schema_version, e);
    if (code && mysql_errno(v->place) == NO_SUCH_TABLE)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "there is no ledger in this database: it has no table meta");
    if (code)
        return code;
    if (v->report->schema_version != VERIFY_SCHEMA_KNOWN)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "its schema is number %" PRId64 "; this binary knows number %d of MySQL",
                         v->report->schema_version, VERIFY_SCHEMA_KNOWN);
    return 0;
}

static void close_mysql(struct verify *v)
{
    if (v->place)
        mysql_close(v->place);
    v->place = NULL;
}

/* A lane that is leased has a server at work. Time is the database's: it grants the leases. */
static int open_mysql(struct verify *v, struct error *e)
{
    MYSQL *db;
    int64_t leased = 0, now_ms = 0;
    int code = login_to_mysql(&db, v->config->data, &v->config->login, e);
    if (code)
        return code;
    v->place = db;
    /* Galera only: what was acknowledged by any node is seen on this one. */
    if (mysql_query(db, "SET SESSION wsrep_sync_wait = 1"))
        (void)mysql_errno(db);
    code = read_version(v, e);
    if (!code)
        code = ask_number(v, "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)", &now_ms, e);
    if (!code)
        code = ask_number(v,
                          "SELECT count(*) FROM lane WHERE leased_until_ms >"
                          " CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
                          &leased, e);
    if (!code)
        code = ask_number(v,
                          "SELECT sum(data_length + index_length) FROM information_schema.tables"
                          " WHERE table_schema = DATABASE()",
                          &v->report->bytes, e);
    v->now_ms = v->config->now_ms ? v->config->now_ms : now_ms;
    v->report->live = leased > 0;
    return code;
}

/* ---- tables, keys ---- */

#define HERE "table_schema = DATABASE() AND table_name = "

/* What must be there for the ledger to stay right: the sentence if it is not. Each counts. */
static const struct {
    const char *sql, *says;
} needed[] = {
#define UNIQUE(table, column, says)                                                                \
    {                                                                                              \
        "SELECT count(*) FROM (SELECT index_name FROM information_schema.statistics WHERE " HERE   \
        "'" table                                                                                  \
        "' AND non_unique = 0 GROUP BY index_name HAVING group_concat(column_name ORDER BY"        \
        " seq_in_index) = '" column "' AND max(sub_part) IS NULL) AS i",                           \
            says                                                                                   \
    }
    UNIQUE("move", "seq", "the table move has no primary key on seq"),
    UNIQUE("move", "order_id",
           "the table move has no unique key on order_id: nothing keeps one from being used twice"),
    UNIQUE("move_line", "seq,lot_id", "the table move_line has no key on seq and lot_id"),
    UNIQUE("lot", "lot_id", "the table lot has no primary key on lot_id"),
    UNIQUE("lot", "lot_key", "the table lot has no unique key on lot_key"),
    UNIQUE("stock", "lot_id", "the table stock has no primary key on lot_id"),
    UNIQUE("pending", "reservation_id", "the table pending has no key on reservation_id"),
    UNIQUE("adjustment", "adjustment_id", "the table adjustment has no key on adjustment_id"),
    UNIQUE("lane", "lane", "the table lane has no primary key on lane"),
    UNIQUE("sale", "sale_id", "the table sale has no unique key on sale_id"),
#undef UNIQUE
    {"SELECT count(*) FROM information_schema.table_constraints WHERE " HERE "'stock'"
     " AND constraint_type = 'CHECK'",
     "the table stock has no CHECK: nothing keeps a lot from being oversold by hand"},
    {"SELECT count(*) FROM information_schema.columns WHERE " HERE "'move' AND column_name ="
     " 'order_id' AND (collation_name IS NULL OR collation_name LIKE '%\\_bin')",
     "order_ids are not compared byte by byte"},
};

static void tell_table(void *context, char **row)
{
    verify_fault(context, VERIFY_FILE, (struct place){0},
                 "the table %s is of the engine %s, which"
                 " keeps no transactions",
                 row[0], row[1] ? row[1] : "(none)");
}

/* Table, Op, Msg_type, Msg_text */
static void tell_check(void *context, char **row)
{
    const char *type = row[2] ? row[2] : "", *text = row[3] ? row[3] : "";
    if (strcmp(type, "error") == 0 || strcmp(type, "warning") == 0 ||
        (strcmp(type, "status") == 0 && strcmp(text, "OK") != 0))
        verify_fault(context, VERIFY_FILE, (struct place){0}, "the table %s: %s", row[0], text);
}

static int check_tables(struct verify *v, struct error *e)
{
    int code = mysql_each(v->place,
                          "SELECT table_name, engine FROM information_schema.tables"
                          " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
                          "   AND table_name IN (" MYSQL_TABLE_NAMES ") AND engine <> 'InnoDB'",
                          tell_table, v, e);
    for (size_t i = 0; !code && i < sizeof needed / sizeof needed[0]; i++) {
        int64_t there = 0;
        code = ask_number(v, needed[i].sql, &there, e);
        if (!code && !there)
            verify_fault(v, VERIFY_FILE, (struct place){0}, "%s", needed[i].says);
    }
    if (!code)
        code = mysql_each(v->place, "CHECK TABLE " MYSQL_TABLES, tell_check, v, e);
    return code;
}

/* ---- what had been durable ---- */

static int check_settings(struct verify *v, struct error *e)
{
    int64_t flush = 1, binlog = 1;
    int code = ask_number(v, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit", &flush, e);
    if (!code)
        code = ask_number(v, "SELECT IF(@@GLOBAL.log_bin, @@GLOBAL.sync_binlog, 1)", &binlog, e);
    if (!code && flush != 1)
        verify_note(v, VERIFY_DURABLE, (struct place){0},
                    "innodb_flush_log_at_trx_commit is %" PRId64
                    ": what is committed may be lost with the power",
                    flush);
    if (!code && binlog != 1)
        verify_note(v, VERIFY_DURABLE, (struct place){0},
                    "sync_binlog is %" PRId64 ": the binary log may lose what was committed",
                    binlog);
    return code;
}

static int fetch(struct verify *v, struct error *e)
{
    int code = check_settings(v, e);
    if (!code)
        code = verify_mysql_rows(v, e);
    close_mysql(v);
    return code;
}

/* A lane's row is written in the transaction of its batch: both are there, or neither. */
static const struct verify_rule durable = {
    VERIFY_DURABLE, "SELECT l.last_seq, NULL, NULL, 0,"
                    "       printf('lane %d wrote moves up to this one, which is missing', l.lane)"
                    "  FROM lane AS l WHERE l.last_seq > 0 AND NOT EXISTS (SELECT 1 FROM move "
                    "WHERE seq = l.last_seq)"
                    "   AND l.last_seq > ifnull((SELECT CAST(value AS INTEGER) FROM meta"
                    "                             WHERE key = 'archived_newest'), 0)"};

static int check_durable(struct verify *v, struct error *e)
{
    return verify_apply(v, &durable, 1, e);
}

/* ---- what only these tables have ---- */

static const struct verify_rule rules[] = {
    {VERIFY_STORED, "SELECT NULL, NULL, l.lot_id, 0, 'it has no row in the table stock'"
                    "  FROM lot AS l LEFT JOIN stock AS s USING (lot_id) WHERE s.lot_id IS NULL"},
    {VERIFY_STORED, "SELECT NULL, NULL, s.lot_id, 0, 'the table stock has a lot that is none'"
                    "  FROM stock AS s LEFT JOIN lot AS l USING (lot_id) WHERE l.lot_id IS NULL"},
    {VERIFY_STORED,
     "SELECT NULL, NULL, lot_id, 0, printf('the table stock says available = %d, and %d of the"
     " others', available, on_hand - reserved - confirmed)"
     "  FROM stock WHERE available <> on_hand - reserved - confirmed"},
    {VERIFY_LOG,
     "SELECT t.newest, NULL, s.lot_id, 0, printf('the table stock says last_seq = %d; the next move"
     " of the lot may get a number before this one', s.last_seq)"
     "  FROM stock AS s JOIN (SELECT lot_id, max(seq) AS newest FROM"
     "        (SELECT lot_id, seq FROM move WHERE lot_id IS NOT NULL"
     "         UNION ALL SELECT lot_id, seq FROM move_line) GROUP BY lot_id) AS t USING (lot_id)"
     " WHERE s.last_seq < t.newest"},
    {VERIFY_ADJUSTMENT,
     "SELECT m.seq, NULL, m.lot_id, 0, printf('the table adjustment does not know adjustment_id %s:"
     " it may be applied again', m.detail)"
     "  FROM move AS m LEFT JOIN adjustment AS a ON a.adjustment_id = m.detail AND a.seq = m.seq"
     " WHERE m.kind = 2 AND m.detail IS NOT NULL AND a.seq IS NULL"},
/* The holds that are PENDING, with the deadline of their newest EXTEND. */
#define HELD                                                                                       \
    "WITH held AS (SELECT r.seq, ifnull((SELECT x.deadline_ms FROM move AS x"                      \
    "                WHERE x.reservation_id = r.seq AND x.kind = 8 ORDER BY x.seq DESC LIMIT 1),"  \
    "                r.deadline_ms) AS deadline_ms"                                                \
    "  FROM move AS r WHERE r.kind = 3 AND NOT EXISTS (SELECT 1 FROM move AS m"                    \
    "     WHERE m.reservation_id = r.seq AND m.kind IN (4, 6, 7, 10, 11, 12, 14))) "
    {VERIFY_OVERDUE, HELD
     "SELECT h.seq, h.seq, NULL, 0, 'it is PENDING and not in the table pending: nothing ends it'"
     "  FROM held AS h LEFT JOIN pending AS p ON p.reservation_id = h.seq"
     " WHERE p.reservation_id IS NULL"},
    {VERIFY_DEADLINE,
     HELD "SELECT h.seq, h.seq, NULL, 0, printf('the table pending ends it %d ms %s its deadline',"
          "       abs(p.deadline_ms - h.deadline_ms), iif(p.deadline_ms < h.deadline_ms, 'before',"
          "                                               'after'))"
          "  FROM held AS h JOIN pending AS p ON p.reservation_id = h.seq"
          " WHERE p.deadline_ms <> h.deadline_ms"},
    {VERIFY_OVERDUE, HELD
     "SELECT NULL, p.reservation_id, NULL, 0, 'the table pending has it, and it is not PENDING'"
     "  FROM pending AS p LEFT JOIN held AS h ON h.seq = p.reservation_id WHERE h.seq IS NULL"},
    {VERIFY_LOG,
     "SELECT m.newest, NULL, NULL, 0, iif(l.lane IS NULL, printf('it is of lane %d, which is not in"
     " the table lane', m.lane), printf('lane %d says last_seq = %d: readers of the log may stop"
     " before this one, or pass it', m.lane, l.last_seq))"
     "  FROM (SELECT seq >> 12 & 1023 AS lane, max(seq) AS newest FROM move GROUP BY 1) AS m"
     "  LEFT JOIN lane AS l USING (lane) WHERE l.lane IS NULL OR l.last_seq < m.newest"},
};

const struct verify_source verify_mysql = {
    .open = open_mysql,
    .check_whole = check_tables,
    .fetch = fetch,
    .check_durable = check_durable,
    .close = close_mysql,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .check_whole_says = "checking the tables",
    .stock = "the table stock",
    .has_lanes = true,
};
