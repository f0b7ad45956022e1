/* The virtual table `batch`: eponymous, read-only, full scans only.
 *
 * Texts are handed to SQLite without a copy: the statement that reads them ends before the batch
 * is given back. Failure modes: SQLITE_NOMEM when a cursor cannot be allocated.
 */
#include "ledger/batch_table.h"

#include "ledger/db.h"
#include "ledger/move_rows.h"

struct batch_table {
    sqlite3_vtab base;
    const struct batch_source *source;
};

struct batch_cursor {
    sqlite3_vtab_cursor base;
    const struct move *at;
    const struct move *end;
};

static int on_connect(sqlite3 *db, void *source, int argc, const char *const *argv,
                      sqlite3_vtab **out, char **message)
{
    (void)argc, (void)argv, (void)message;
    struct batch_table *table = sqlite3_malloc(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    *table = (struct batch_table){.source = source};
    int rc = sqlite3_declare_vtab(db, "CREATE TABLE batch(" MOVE_COLUMNS ")");
    if (rc == SQLITE_OK)
        *out = &table->base;
    else
        sqlite3_free(table);
    return rc;
}

static int on_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1000;
    info->estimatedRows = 1000;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct batch_cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor = (struct batch_cursor){0};
    *out = &cursor->base;
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                     sqlite3_value **argv)
{
    (void)plan, (void)plan_text, (void)argc, (void)argv;
    struct batch_cursor *cursor = (struct batch_cursor *)base;
    const struct batch_source *source = ((struct batch_table *)base->pVtab)->source;
    cursor->at = source->moves;
    cursor->end = source->moves + source->count;
    return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base)
{
    ((struct batch_cursor *)base)->at++;
    return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *base)
{
    const struct batch_cursor *cursor = (struct batch_cursor *)base;
    return cursor->at == cursor->end;
}

static void put_NUMBER(sqlite3_context *context, int64_t value)
{
    sqlite3_result_int64(context, value);
}

/* A column that gets no result is NULL. */
static void put_SOME_NUMBER(sqlite3_context *context, int64_t value)
{
    if (value)
        sqlite3_result_int64(context, value);
}

static void put_SOME_TEXT(sqlite3_context *context, struct str s)
{
    if (s.len)
        sqlite3_result_text(context, s.p, (int)s.len, SQLITE_STATIC);
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const struct move *m = ((struct batch_cursor *)base)->at;
    switch (column) {
#define X(name, type, put, value)                                                                  \
    case COLUMN_##name:                                                                            \
        put_##put(context, value);                                                                 \
        break;
        MOVE_COLUMN_LIST(X, X)
#undef X
    }
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = ((struct batch_cursor *)base)->at->seq;
    return SQLITE_OK;
}

static const sqlite3_module batch_module = {
    .iVersion = 1,
    .xConnect = on_connect,
    .xBestIndex = on_best_index,
    .xDisconnect = on_disconnect,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_eof,
    .xColumn = on_column,
    .xRowid = on_rowid,
};

int batch_table_register(sqlite3 *db, struct batch_source *source, struct error *e)
{
    if (sqlite3_create_module(db, "batch", &batch_module, source) != SQLITE_OK)
        return db_fail(db, "register the table batch", e);
    return 0;
}
