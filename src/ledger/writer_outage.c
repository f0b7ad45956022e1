/* When the disk fails: the connection is closed, opened again, and asked what is true.
 *
 * Going down: whatever failed, the connection is closed without a checkpoint. It is opened again
 * after 10 ms, then after twice as long each time, at most a second; it is up when the log was
 * written again (after a failed fsync the system may have forgotten that its pages are dirty) and a
 * small transaction has become durable.
 *
 * Doubt: a COMMIT that failed may have left all frames of its transaction in the write-ahead log,
 * where a later recovery could find them. So the answer "not done" is given only when other frames
 * stand in their place: the small transaction is written at the very position at which the failed
 * one began, and every frame's checksum depends on all before it. The answer "done" is given only
 * when the frames are on the disk for certain, by the same two steps.
 *
 * Failure modes: none of this gives up, except when the ledger is stopped; then the batch's second
 * outcome never comes, and the next start finds out by recovery.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"
#include "ledger/lot_rows.h"
#include "ledger/move_rows.h"
#include "ledger/sale_rows.h"
#include "ledger/schema.h"

enum { BACKOFF_MIN_MS = 10, BACKOFF_MAX_MS = 1000 };

static const char *const texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_INSERT_MOVES] =
        "INSERT INTO move(" MOVE_COLUMNS ") SELECT " MOVE_COLUMNS " FROM batch",
    [STATEMENT_INSERT_PLAIN_MOVES] =
        "INSERT INTO move(" MOVE_PLAIN_COLUMNS ") SELECT " MOVE_PLAIN_COLUMNS " FROM batch",
    [STATEMENT_INSERT_RESERVES] =
        "INSERT INTO move(" MOVE_COLUMNS ") SELECT " MOVE_RESERVE_VALUES " FROM batch",
    [STATEMENT_INSERT_SALE_RESERVES] =
        "INSERT INTO move(" MOVE_COLUMNS ") SELECT " MOVE_SALE_RESERVE_VALUES " FROM batch",
    [STATEMENT_INSERT_REFUNDS] =
        "INSERT INTO move(" MOVE_COLUMNS ") SELECT " MOVE_REFUND_VALUES " FROM batch",
    [STATEMENT_INSERT_LOT] = LOT_INSERT,
    [STATEMENT_INSERT_LINE] = "INSERT INTO move_line VALUES (?, ?, ?)",
    [STATEMENT_PUT_LOT_TERMS] = LOT_PUT_TERMS,
    [STATEMENT_PUT_SALE] = SALE_PUT,
    [STATEMENT_CLEAR_SALE_ITEMS] = SALE_CLEAR_ITEMS,
    [STATEMENT_INSERT_SALE_ITEM] = SALE_INSERT_ITEM,
    [STATEMENT_PUT_STOCK] = "INSERT OR REPLACE INTO stock_snapshot VALUES (?, ?, ?, ?, ?)",
    [STATEMENT_PUT_SNAPSHOT] = "UPDATE snapshot SET seq = ?, oldest_pending = ?",
    [STATEMENT_PUT_CURSOR] = "INSERT OR REPLACE INTO cursor VALUES (?, ?)",
    [STATEMENT_PROBE] = "INSERT OR REPLACE INTO meta VALUES ('probed_at_ms', ?)",
    [STATEMENT_HAS_SEQ] = "SELECT 1 FROM move WHERE seq = ?",
};

static int on_wal_commit(void *context, sqlite3 *db, const char *name, int frames)
{
    struct writer *w = context;
    (void)db;
    if (strcmp(name, "main") == 0) {
        w->wal_frames = frames;
        if (frames > w->wal_frames_peak)
            w->wal_frames_peak = frames;
        w->wal_pending = true;
    }
    return SQLITE_OK;
}

int writer_connect(struct writer *w, struct error *e)
{
    uint64_t seed;
    int rc = db_open(&w->db, w->ledger->db_path, w->ledger->config.vfs, DB_WRITER, e);
    if (rc)
        return rc;
    rc = schema_apply(w->db, &seed, e);
    if (rc == 0)
        rc = batch_table_register(w->db, &w->source, e);
    for (int i = 0; rc == 0 && i < STATEMENT_COUNT; i++)
        rc = db_prepare(w->db, &w->statements[i], texts[i], e);
    if (rc) {
        writer_disconnect(w);
        return rc;
    }
    w->ledger->seed = seed;
    w->wal_frames = w->wal_frames_checked = 0;
    w->wal_pending = true; /* what an earlier connection left */
    sqlite3_wal_hook(w->db, on_wal_commit, w);
    return 0;
}

void writer_disconnect(struct writer *w)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(w->statements[i]);
        w->statements[i] = NULL;
    }
    db_close(w->db);
    w->db = NULL;
}

static void back_off(struct writer *w)
{
    w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (w->backoff_ms > BACKOFF_MAX_MS)
        w->backoff_ms = BACKOFF_MAX_MS;
    w->retry_ns = clock_monotonic_ns() + (uint64_t)w->backoff_ms * 1000000;
}

void writer_go_down(struct writer *w, const struct error *why)
{
    writer_disconnect(w);
    if (!w->down) {
        w->down = true;
        w->backoff_ms = 0;
        back_off(w);
        snprintf(w->why, sizeof w->why, "%s", why->text);
    }
    w->ledger->events.available(w->ledger->events.context, false, w->why);
}

void writer_come_up(struct writer *w)
{
    w->down = false;
    w->ledger->events.available(w->ledger->events.context, true, "");
}

static int probe(struct writer *w, struct error *e)
{
    sqlite3_stmt *put = w->statements[STATEMENT_PROBE];
    int rc = db_rewrite_log(w->db, e);
    if (rc == 0)
        rc = writer_begin(w, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(put, 1, (int64_t)(clock_monotonic_ns() / 1000000));
    rc = db_run(w->db, put, "write a probe", e);
    if (rc)
        writer_rollback(w);
    else
        rc = db_run(w->db, w->statements[STATEMENT_COMMIT], "commit a probe", e);
    return rc;
}

/* A full disk may still have room for the database file, and then the log starts over. */
static void make_room(struct writer *w)
{
    if (w->db)
        sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void writer_try_again(struct writer *w)
{
    struct error e;
    int rc = writer_connect(w, &e);
    if (rc == 0)
        rc = probe(w, &e);
    if (rc) {
        snprintf(w->why, sizeof w->why, "%s", e.text);
        make_room(w);
        writer_disconnect(w);
        back_off(w);
        return;
    }
    writer_come_up(w);
}

static int has_seq(struct writer *w, int64_t seq, bool *there, struct error *e)
{
    sqlite3_stmt *query = w->statements[STATEMENT_HAS_SEQ];
    sqlite3_bind_int64(query, 1, seq);
    int step = sqlite3_step(query);
    *there = step == SQLITE_ROW;
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? 0 : db_fail(w->db, "look for a move", e);
    sqlite3_reset(query);
    return rc;
}

static int look(struct writer *w, int64_t last_seq, bool *committed, struct error *e)
{
    int rc = writer_connect(w, e);
    if (rc == 0)
        rc = has_seq(w, last_seq, committed, e);
    return rc ? rc : probe(w, e);
}

bool writer_resolve(struct writer *w, int64_t last_seq, bool *committed)
{
    struct error e;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        bool stopping = atomic_load(&w->stopping);
        if (stopping && now_ns >= w->stop_ns)
            return false;
        if (now_ns >= w->retry_ns) {
            if (look(w, last_seq, committed, &e) == 0)
                return true;
            make_room(w);
            writer_disconnect(w);
            back_off(w);
            continue;
        }
        writer_cursors_answer(w, writer_cursors_take(w), TLY_EUNAVAILABLE);
        wake_prepare(&w->wake);
        if (atomic_load(&w->stopping) == stopping)
            wake_wait(&w->wake, (int64_t)((w->retry_ns - now_ns) / 1000) + 1);
        else
            wake_cancel(&w->wake);
    }
}
