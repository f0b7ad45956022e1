/* db.h - the few SQLite calls that every part of the ledger makes, with failures as struct error.
 *
 * Connections are opened without SQLite's own mutex: one thread at a time uses one.
 */
#ifndef TALLY_LEDGER_DB_H
#define TALLY_LEDGER_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { DB_BUSY_WAIT_MS = 2000 }; /* for another process that holds a lock */

enum db_role {
    DB_WRITER, /* creates the file; WAL, synchronous=FULL; checkpoints only when told to */
    DB_READER, /* read-only */
    DB_COPY,   /* a file of its own, written once: a backup, the archive */
};

/* On failure *out is NULL. */
int db_open(sqlite3 **out, const char *path, const char *vfs, enum db_role role,
            struct error *e) MUST_CHECK;
void db_close(sqlite3 *db); /* NULL is fine. All statements must be finalized */

int db_exec(sqlite3 *db, const char *sql, struct error *e) MUST_CHECK;
int db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct error *e) MUST_CHECK;
/* Runs a statement that returns no rows, and resets it. */
int db_run(sqlite3 *db, sqlite3_stmt *statement, const char *doing, struct error *e) MUST_CHECK;
/* The first column of the first row; TLY_ENOT_FOUND if there is none or it is NULL. */
int db_get_int(sqlite3 *db, const char *sql, int64_t *value, struct error *e) MUST_CHECK;
/* Writes the log over itself and syncs it: after a failed sync the frames that recovery sees may be
 * nowhere but in memory, and all that is committed behind them would be lost with them. */
int db_rewrite_log(sqlite3 *db, struct error *e) MUST_CHECK;
/* What SQLite's last failure on `db` means here. */
int db_fail(sqlite3 *db, const char *doing, struct error *e);

#endif
