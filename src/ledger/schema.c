/* Schema and migrations.
 *
 * Happy path: read meta.schema_version (no table: version 0), run the scripts of the versions
 * above it and set the new version, all in one transaction.
 * Failure modes: any failing statement rolls back and leaves the file as it was; a newer schema is
 * refused before anything is written.
 */
#include "ledger/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "ledger/db.h"

/* Step n brings version n to n + 1. A step once released is never changed. */
static const char *const steps[LEDGER_SCHEMA_VERSION] = {ledger_schema_1, ledger_schema_2,
                                                         ledger_schema_3};

static int version_of(sqlite3 *db, int64_t *version, struct error *e)
{
    int64_t tables = 0;
    *version = 0;
    int rc = db_get_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", &tables, e);
    if (rc || tables == 0)
        return rc;
    rc = db_get_int(db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema_version'",
                    version, e);
    if (rc == TLY_ENOT_FOUND)
        rc = error_set(e, TLY_ECORRUPT, "ledger.db", "meta has no schema_version");
    return rc;
}

static int write_meta(sqlite3 *db, struct error *e)
{
    char sql[512];
    uint64_t seed;
    if (random_bytes(&seed, sizeof seed))
        return error_set(e, TLY_EIO, "ledger.db", "the system has no random source");
    snprintf(sql, sizeof sql,
             "INSERT OR IGNORE INTO meta VALUES ('hash_seed', '%016" PRIx64 "'),"
             "('created_at', strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', 'now')), ('archived_seq', '0');"
             "INSERT OR REPLACE INTO meta VALUES ('schema_version', '%d')",
             seed, LEDGER_SCHEMA_VERSION);
    return db_exec(db, sql, e);
}

static int migrate(sqlite3 *db, int64_t from, struct error *e)
{
    int rc = db_exec(db, "BEGIN IMMEDIATE", e);
    for (int64_t i = from; rc == 0 && i < LEDGER_SCHEMA_VERSION; i++)
        rc = db_exec(db, steps[i], e);
    if (rc == 0)
        rc = write_meta(db, e);
    if (rc == 0)
        rc = db_exec(db, "COMMIT", e);
    if (rc && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

int schema_seed(sqlite3 *db, uint64_t *seed, struct error *e)
{
    sqlite3_stmt *statement;
    int rc = db_prepare(db, &statement, "SELECT value FROM meta WHERE key = 'hash_seed'", e);
    if (rc)
        return rc;
    int step = sqlite3_step(statement);
    const char *text = step == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    char *end = NULL;
    if (text)
        *seed = strtoull(text, &end, 16);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        rc = db_fail(db, "read meta", e);
    else if (!text || end != text + 16 || *end)
        rc = error_set(e, TLY_ECORRUPT, "ledger.db", "meta.hash_seed is missing or malformed");
    sqlite3_finalize(statement);
    return rc;
}

int schema_apply(sqlite3 *db, uint64_t *seed, struct error *e)
{
    int64_t version;
    int rc = version_of(db, &version, e);
    if (rc)
        return rc;
    if (version > LEDGER_SCHEMA_VERSION || version < 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "ledger.db",
                         "its schema is version %" PRId64 ", this program knows versions up to %d; "
                         "use a newer program",
                         version, LEDGER_SCHEMA_VERSION);
    if (version < LEDGER_SCHEMA_VERSION)
        rc = migrate(db, version, e);
    return rc ? rc : schema_seed(db, seed, e);
}
