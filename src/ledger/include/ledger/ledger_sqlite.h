/* ledger_sqlite.h - the embedded ledger: DIR/ledger.db, DIR/orders/ (runs of the order index),
 * DIR/mark (how far it had come).
 *
 * Threads of its own: the writer (the one connection that writes and checkpoints), the reader
 * (look-ups), the store (order runs). SQLite WAL, synchronous=FULL. See schema.sql and README.md
 * beside it.
 */
#ifndef TALLY_LEDGER_LEDGER_SQLITE_H
#define TALLY_LEDGER_LEDGER_SQLITE_H

#include "ledger/ledger.h"

struct ledger_sqlite_config {
    const char *dir;            /* exists; made and locked by the caller */
    int64_t order_retention_ms; /* order runs older than this are dropped */
    int64_t archive_after_ms;   /* finished reservations older than this are removed; 0: never */
    bool archive_keep;          /* true: moved to DIR/archive.db; false: deleted */
    uint32_t archive_step_rows; /* reservations removed in one transaction */
    uint64_t wal_bytes_max;     /* checkpoint when the log is larger */
    uint32_t dirty_lots_max;    /* up to so many changed lots, a snapshot is written with a commit
                                   as soon as it is cheap beside it; beyond, when it is due */
    uint32_t snapshot_moves;    /* a snapshot at the latest after so many moves */
    /* A start finds moves missing (docs/operations.md): go on without them if the newest move that
     * is left is this one. -1: never. */
    int64_t accept_loss;
    /* Something about the data folder that a person should know; may be NULL. During create. */
    void (*tell)(void *context, const char *event, const char *text);
    void *tell_context;
    const char *vfs; /* name of a registered SQLite VFS; NULL: the default */
};

/* Opens or creates, migrates; refuses a newer schema than this binary's. TLY_ECORRUPT if moves that
 * had been durable are missing: the text says which, and what accept_loss goes on without them. */
int ledger_sqlite_create(struct ledger **out, const struct ledger_sqlite_config *config,
                         struct error *e) MUST_CHECK;

/* A consistent copy of the ledger under DIR while a server may be running, made through a read-only
 * connection. progress(context, pages done, pages total) comes often. `to` must not exist; it does
 * only if 0 is returned, with a mark inside that says how far the copy goes. */
int ledger_sqlite_backup(const char *dir, const char *to,
                         void (*progress)(void *context, int64_t done, int64_t total),
                         void *context, struct error *e) MUST_CHECK;

#endif
