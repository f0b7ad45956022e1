/* webhook_store.c - see webhook_store.h.
 *
 * A database of its own, so that the ledger's one writer has nothing to do with it. Failure: what
 * SQLite says, as TLY_EIO; nothing of the call is done.
 */
#include "bus/webhook_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(struct webhook_store *s, const char *doing, struct error *e)
{
    return error_set(e, TLY_EIO, "webhook.db", "webhook.db: cannot %s: %s", doing,
                     s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

int webhook_store_open(struct webhook_store *s, const char *dir, struct error *e)
{
    enum { BUSY_MS = 2000 };
    char path[1100];
    snprintf(path, sizeof path, "%s/webhook.db", dir);
    s->db = NULL;
    if (sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return fail(s, "open it", e);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (sqlite3_exec(s->db,
                     "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;"
                     "CREATE TABLE IF NOT EXISTS failed("
                     " id INTEGER PRIMARY KEY, type TEXT NOT NULL, attempts INTEGER NOT NULL,"
                     " status INTEGER NOT NULL, failed_ms INTEGER NOT NULL, why TEXT NOT NULL,"
                     " again INTEGER NOT NULL, body TEXT NOT NULL)",
                     NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, "prepare it", e);
    return 0;
}

void webhook_store_close(struct webhook_store *s)
{
    sqlite3_close(s->db);
    s->db = NULL;
}

static void copy_text(char *to, size_t size, sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    snprintf(to, size, "%s", text ? text : "");
}

int webhook_store_each(struct webhook_store *s,
                       bool (*fn)(void *context, const struct webhook_failure *f), void *context,
                       struct error *e)
{
    sqlite3_stmt *rows;
    if (sqlite3_prepare_v2(s->db,
                           "SELECT id, attempts, status, failed_ms, again, type, why FROM failed"
                           " ORDER BY id",
                           -1, &rows, NULL) != SQLITE_OK)
        return fail(s, "read it", e);
    int step;
    while ((step = sqlite3_step(rows)) == SQLITE_ROW) {
        struct webhook_failure f = {.id = sqlite3_column_int64(rows, 0),
                                    .attempts = (uint32_t)sqlite3_column_int(rows, 1),
                                    .status = sqlite3_column_int(rows, 2),
                                    .failed_ms = sqlite3_column_int64(rows, 3),
                                    .again = sqlite3_column_int(rows, 4) != 0};
        copy_text(f.type, sizeof f.type, rows, 5);
        copy_text(f.why, sizeof f.why, rows, 6);
        if (!fn(context, &f)) {
            step = SQLITE_DONE;
            break;
        }
    }
    sqlite3_finalize(rows);
    return step == SQLITE_DONE ? 0 : fail(s, "read it", e);
}

static int run(struct webhook_store *s, sqlite3_stmt *statement, const char *doing, struct error *e)
{
    int step = sqlite3_step(statement);
    int code = step == SQLITE_DONE ? 0 : fail(s, doing, e);
    sqlite3_finalize(statement);
    return code;
}

int webhook_store_put(struct webhook_store *s, const struct webhook_failure *f, struct str body,
                      struct error *e)
{
    sqlite3_stmt *put;
    if (sqlite3_prepare_v2(s->db,
                           "INSERT INTO failed(id, attempts, status, failed_ms, again, type, why,"
                           " body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ifnull(?8, ''))"
                           " ON CONFLICT (id) DO UPDATE SET attempts = ?2, status = ?3,"
                           " failed_ms = ?4, again = ?5, why = ?7, body = ifnull(?8, body)",
                           -1, &put, NULL) != SQLITE_OK)
        return fail(s, "write to it", e);
    sqlite3_bind_int64(put, 1, f->id);
    sqlite3_bind_int64(put, 2, f->attempts);
    sqlite3_bind_int64(put, 3, f->status);
    sqlite3_bind_int64(put, 4, f->failed_ms);
    sqlite3_bind_int64(put, 5, f->again);
    sqlite3_bind_text(put, 6, f->type, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 7, f->why, -1, SQLITE_STATIC);
    if (body.p)
        sqlite3_bind_text(put, 8, body.p, (int)body.len, SQLITE_STATIC);
    return run(s, put, "write to it", e);
}

static int mark(struct webhook_store *s, const int64_t *ids, size_t count, struct error *e)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(
            s->db, "UPDATE failed SET again = 1 WHERE again = 0 AND (?1 IS NULL OR id = ?1)", -1,
            &statement, NULL) != SQLITE_OK)
        return fail(s, "write to it", e);
    int step = SQLITE_DONE;
    for (size_t i = 0; step == SQLITE_DONE && i < (count ? count : 1); i++) {
        if (count)
            sqlite3_bind_int64(statement, 1, ids[i]);
        step = sqlite3_step(statement);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return step == SQLITE_DONE ? 0 : fail(s, "write to it", e);
}

int webhook_store_mark(struct webhook_store *s, const int64_t *ids, size_t count, struct error *e)
{
    if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, "write to it", e);
    int code = mark(s, ids, count, e);
    if (!code && sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        code = fail(s, "write to it", e);
    if (code)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

int webhook_store_remove(struct webhook_store *s, int64_t id, struct error *e)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(s->db, "DELETE FROM failed WHERE id = ?", -1, &statement, NULL) !=
        SQLITE_OK)
        return fail(s, "write to it", e);
    sqlite3_bind_int64(statement, 1, id);
    return run(s, statement, "write to it", e);
}

int webhook_store_body(struct webhook_store *s, int64_t id, char **body, uint32_t *size,
                       struct error *e)
{
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(s->db, "SELECT body FROM failed WHERE id = ?", -1, &row, NULL) !=
        SQLITE_OK)
        return fail(s, "read it", e);
    sqlite3_bind_int64(row, 1, id);
    int step = sqlite3_step(row), code = 0;
    *body = NULL;
    if (step == SQLITE_ROW) {
        const void *text = sqlite3_column_text(row, 0);
        *size = (uint32_t)sqlite3_column_bytes(row, 0);
        *body = malloc(*size + 1);
        if (*body)
            memcpy(*body, text, *size + 1);
        else
            code = error_set(e, TLY_ENO_MEMORY, "webhook.db", "no memory for an event");
    } else {
        code = step == SQLITE_DONE ? error_set(e, TLY_ENOT_FOUND, "webhook.db", "no such event")
                                   : fail(s, "read it", e);
    }
    sqlite3_finalize(row);
    return code;
}
