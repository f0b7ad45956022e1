/* SQLite connections.
 *
 * Happy path: open, set the pragmas of the role, run statements.
 * Failure modes: whatever SQLite reports becomes one of TLY_EIO, TLY_ENO_MEMORY, TLY_ECORRUPT,
 * TLY_EBUSY with SQLite's own sentence; db_open leaves nothing open.
 */
#include "ledger/db.h"

#include <stddef.h>
#include <stdlib.h>

/* The page cache grows to these sizes and no further. */
#define WRITER_PRAGMAS                                                                             \
    "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"                     \
    "PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0; PRAGMA cache_size=-4096;"                    \
    "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF"
#define READER_PRAGMAS                                                                             \
    "PRAGMA query_only=1; PRAGMA mmap_size=0; PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY"
#define COPY_PRAGMAS "PRAGMA mmap_size=0; PRAGMA synchronous=FULL; PRAGMA cache_size=-1024"

static int code_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_NOMEM:
        return TLY_ENO_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TLY_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TLY_EBUSY;
    default:
        return TLY_EIO;
    }
}

int db_fail(sqlite3 *db, const char *doing, struct error *e)
{
    int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    return error_set(e, code_of(code), "ledger", "%s: %s (SQLite %d)", doing,
                     db ? sqlite3_errmsg(db) : "out of memory", code);
}

/* A file system without shared memory keeps the old mode, and says so only here. */
static int check_wal(sqlite3 *db, struct error *e)
{
    int64_t is = 0;
    int rc = db_get_int(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is, e);
    if (rc == 0 && !is)
        rc = error_set(e, TLY_EIO, "ledger.db", "this file system cannot hold a write-ahead log");
    return rc;
}

int db_open(sqlite3 **out, const char *path, const char *vfs, enum db_role role, struct error *e)
{
    static const char *const pragmas[] = {WRITER_PRAGMAS, READER_PRAGMAS, COPY_PRAGMAS};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= role == DB_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    sqlite3 *db = NULL;
    int rc = 0;
    *out = NULL;
    if (sqlite3_open_v2(path, &db, flags, vfs) != SQLITE_OK) {
        rc = db_fail(db, path, e);
    } else {
        /* Only the writer's last act may checkpoint by closing; see writer.c. */
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, role != DB_COPY, NULL);
        sqlite3_busy_timeout(db, DB_BUSY_WAIT_MS);
        rc = db_exec(db, pragmas[role], e);
        if (rc == 0 && role == DB_WRITER)
            rc = check_wal(db, e);
    }
    if (rc) {
        sqlite3_close(db);
        return rc;
    }
    *out = db;
    return 0;
}

void db_close(sqlite3 *db)
{
    sqlite3_close(db);
}

int db_exec(sqlite3 *db, const char *sql, struct error *e)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, "statement", e);
}

int db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct error *e)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, "prepare", e);
}

int db_run(sqlite3 *db, sqlite3_stmt *statement, const char *doing, struct error *e)
{
    int rc = 0;
    if (sqlite3_step(statement) != SQLITE_DONE)
        rc = db_fail(db, doing, e);
    sqlite3_reset(statement);
    return rc;
}

int db_get_int(sqlite3 *db, const char *sql, int64_t *value, struct error *e)
{
    sqlite3_stmt *statement;
    int rc = db_prepare(db, &statement, sql, e);
    if (rc)
        return rc;
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *value = sqlite3_column_int64(statement, 0);
    else if (step == SQLITE_ROW || step == SQLITE_DONE)
        rc = TLY_ENOT_FOUND;
    else
        rc = db_fail(db, "read", e);
    sqlite3_finalize(statement);
    return rc;
}

int db_rewrite_log(sqlite3 *db, struct error *e)
{
    enum { COPY_BYTES = 64 << 10 };
    sqlite3_file *log = NULL;
    sqlite3_int64 size = 0;
    char *buffer = malloc(COPY_BYTES);
    int rc = buffer ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (rc == SQLITE_OK && log && log->pMethods)
        rc = log->pMethods->xFileSize(log, &size);
    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < size; at += COPY_BYTES) {
        int piece = size - at < COPY_BYTES ? (int)(size - at) : COPY_BYTES;
        rc = log->pMethods->xRead(log, buffer, piece, at);
        if (rc == SQLITE_OK)
            rc = log->pMethods->xWrite(log, buffer, piece, at);
    }
    if (rc == SQLITE_OK && size > 0)
        rc = log->pMethods->xSync(log, SQLITE_SYNC_FULL);
    free(buffer);
    return rc == SQLITE_OK
               ? 0
               : error_set(e, TLY_EIO, "ledger", "the log cannot be rewritten (SQLite %d)", rc);
}
