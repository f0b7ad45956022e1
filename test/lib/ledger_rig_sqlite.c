/* ledger_rig_sqlite.c - rigs on the embedded ledger, over a disk that can fail. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>

#include "fault_vfs.h"
#include "ledger/ledger_internal.h"
#include "ledger/ledger_sqlite.h"
#include "ledger_rig.h"

static int create(struct rig *rig, struct ledger **out, struct error *e)
{
    struct ledger_sqlite_config config = {
        .dir = rig->dir,
        .order_retention_ms = rig->retention_ms ? rig->retention_ms : INT64_C(7) * 86400000,
        .archive_after_ms = rig->archive_after_ms,
        .archive_keep = rig->archive_keep,
        .archive_step_rows = rig->archive_step_rows ? rig->archive_step_rows : 100,
        .wal_bytes_max = rig->wal_bytes_max ? rig->wal_bytes_max : 1 << 20,
        .dirty_lots_max = rig->dirty_lots_max ? rig->dirty_lots_max : 64,
        .snapshot_moves = rig->snapshot_moves ? rig->snapshot_moves : 1000,
        .accept_loss = rig->accept_loss ? rig->accept_loss : -1,
        .vfs = rig->vfs ? rig->vfs : FAULT_VFS,
    };
    fault_vfs_install();
    return ledger_sqlite_create(out, &config, e);
}

static struct stock stock(struct rig *rig, lot_id lot)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *query;
    snprintf(path, sizeof path, "%s/ledger.db", rig->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT on_hand, reserved, confirmed, version, available"
                                        " FROM stock WHERE lot_id = ?",
                                        -1, &query, NULL),
                     SQLITE_OK);
    sqlite3_bind_int64(query, 1, lot);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    struct stock s = {sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1),
                      sqlite3_column_int64(query, 2), sqlite3_column_int64(query, 3)};
    assert_int_equal(sqlite3_column_int64(query, 4), s.on_hand - s.reserved - s.confirmed);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return s;
}

/* Somebody else holds the write lock: BEGIN fails. */
static void break_before_commit(struct rig *rig)
{
    char path[512];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/ledger.db", rig->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    rig->extra = db;
}

static void break_at_commit(struct rig *rig)
{
    (void)rig;
    fault_vfs_plan(&(struct fault_plan){
        .calls = FAULT_SYNC, .first = 1, .count = -1, .code = SQLITE_IOERR_FSYNC});
}

static void heal(struct rig *rig)
{
    fault_vfs_plan(&(struct fault_plan){0});
    if (rig->extra)
        sqlite3_db_config(rig->extra, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(rig->extra);
    rig->extra = NULL;
}

/* It falls asleep only after a turn over all that was in its box. */
static void await_segments_seen(struct rig *rig)
{
    struct order_store *store = &((struct ledger_sqlite *)rig->ledger)->orders;
    AWAIT(mailbox_empty(&store->box));
    AWAIT(atomic_load(&store->wake.asleep) == 1);
}

const struct rig_factory rig_sqlite = {
    .name = "sqlite",
    .create = create,
    .stock = stock,
    .break_before_commit = break_before_commit,
    .break_at_commit = break_at_commit,
    .heal = heal,
    .await_segments_seen = await_segments_seen,
};
