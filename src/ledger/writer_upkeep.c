/* What keeps the file in shape: stock snapshots, checkpoints, retention.
 *
 * A snapshot is all changed lots, and the seq up to which it holds, in one transaction: so stock
 * and snapshot.seq never disagree. It rides on a batch's transaction when the batch is large beside
 * it or when it is due, and is written on its own when the ledger has been idle for 100 ms.
 *
 * A checkpoint copies the log into the database file; when all of it is copied, and nobody reads
 * an older part, the log starts over at its beginning, over blocks that the file system has given
 * out already. It is done between commits, by the connection that commits.
 *
 * Failure modes: a failed snapshot or retention step takes the connection down like a failed
 * batch; a failed checkpoint is tried again when the log has grown by another quarter.
 */
#include <string.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"

enum {
    SNAPSHOT_SHARE = 16, /* with a commit, once there are so many moves a row of the snapshot */
    SNAPSHOT_IDLE_MS = 100,
    CHECKPOINT_IDLE_MS = 1000,
    RETENTION_PAUSE_MS = 1000,
    WAL_HEADER_BYTES = 32,
    WAL_FRAME_BYTES = 4096 + 24,
};

/* ---- snapshots ---- */

bool writer_snapshot_due(const struct writer *w)
{
    const struct ledger_sqlite_config *config = &w->ledger->config;
    if (w->moves_since_snapshot >= config->snapshot_moves)
        return true;
    uint64_t rows = (uint64_t)w->stocks.dirty_count + 1;
    return rows <= config->dirty_lots_max && w->moves_since_snapshot >= rows * SNAPSHOT_SHARE;
}

int writer_put_snapshot(struct writer *w, int64_t seq, struct error *e)
{
    sqlite3_stmt *put = w->statements[STATEMENT_PUT_STOCK];
    sqlite3_stmt *mark = w->statements[STATEMENT_PUT_SNAPSHOT];
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < w->stocks.dirty_count; i++) {
        lot_id lot = w->stocks.dirty[i];
        const struct stock *s = &w->stocks.stocks[lot - 1];
        sqlite3_bind_int64(put, 1, lot);
        sqlite3_bind_int64(put, 2, s->on_hand);
        sqlite3_bind_int64(put, 3, s->reserved);
        sqlite3_bind_int64(put, 4, s->confirmed);
        sqlite3_bind_int64(put, 5, s->version);
        rc = db_run(w->db, put, "write the stock snapshot", e);
    }
    sqlite3_bind_int64(mark, 1, seq);
    sqlite3_bind_int64(mark, 2, w->oldest_pending);
    return rc ? rc : db_run(w->db, mark, "write the snapshot's seq", e);
}

void writer_snapshot_written(struct writer *w, int64_t seq)
{
    stock_table_clean(&w->stocks);
    w->snapshot_seq = seq;
    w->moves_since_snapshot = 0;
}

static void snapshot_alone(struct writer *w)
{
    struct error e;
    int64_t seq = atomic_load(&w->ledger->counters.last_seq);
    int rc = writer_begin(w, &e);
    if (rc == 0) {
        rc = writer_put_snapshot(w, seq, &e);
        if (rc == 0)
            rc = writer_end(w, &e);
        else
            writer_rollback(w);
    }
    if (rc)
        writer_go_down(w, &e);
    else
        writer_snapshot_written(w, seq);
}

/* ---- checkpoints ---- */

static uint64_t wal_bytes(int frames)
{
    return frames > 0 ? WAL_HEADER_BYTES + (uint64_t)frames * WAL_FRAME_BYTES : 0;
}

static void checkpoint(struct writer *w, int mode)
{
    int frames = 0, copied = 0;
    w->wal_frames_checked = w->wal_frames;
    if (sqlite3_wal_checkpoint_v2(w->db, NULL, mode, &frames, &copied) != SQLITE_OK)
        return;
    counter_add(&w->ledger->counters.checkpoints_total, 1);
    w->wal_pending = copied < frames;
    if (!w->wal_pending) {
        w->wal_frames = w->wal_frames_checked = 0;
        mark_checkpointed(&w->ledger->mark, atomic_load(&w->ledger->counters.last_seq));
    }
    counter_set(&w->ledger->counters.wal_bytes, (int64_t)wal_bytes(w->wal_frames));
}

/* A log that had to grow far beyond its limit, because somebody read for long, gives its blocks
 * back. Readers are not waited for: a batch may come. */
static void checkpoint_idle(struct writer *w)
{
    if (wal_bytes(w->wal_frames_peak) <= 2 * w->ledger->config.wal_bytes_max) {
        checkpoint(w, SQLITE_CHECKPOINT_PASSIVE);
        return;
    }
    sqlite3_busy_timeout(w->db, 0);
    checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE);
    sqlite3_busy_timeout(w->db, DB_BUSY_WAIT_MS);
    if (!w->wal_pending)
        w->wal_frames_peak = 0;
}

void writer_checkpoint_if_long(struct writer *w)
{
    uint64_t limit = w->ledger->config.wal_bytes_max;
    uint64_t checked = wal_bytes(w->wal_frames_checked);
    uint64_t now = wal_bytes(w->wal_frames);
    counter_set(&w->ledger->counters.wal_bytes, (int64_t)now);
    if (now > limit && (checked == 0 || now < checked || now - checked > limit / 4))
        checkpoint(w, SQLITE_CHECKPOINT_PASSIVE);
}

/* ---- when there is no batch ---- */

static int64_t until(uint64_t due_ns, uint64_t now_ns)
{
    return due_ns <= now_ns ? 0 : (int64_t)((due_ns - now_ns) / 1000) + 1;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || b < a ? b : a;
}

static int64_t retention(struct writer *w, uint64_t now_ns)
{
    if (w->ledger->config.archive_after_ms <= 0)
        return -1;
    if (now_ns >= w->retention_ns) {
        bool more = writer_retention_step(w);
        w->retention_ns =
            clock_monotonic_ns() + (more ? 0 : (uint64_t)RETENTION_PAUSE_MS * 1000000);
    }
    return until(w->retention_ns, now_ns);
}

int64_t writer_upkeep(struct writer *w, uint64_t now_ns)
{
    if (w->down) {
        if (now_ns >= w->retry_ns)
            writer_try_again(w);
        return w->down ? until(w->retry_ns, now_ns) : 0;
    }
    int64_t sleep_us = -1;
    if (w->moves_since_snapshot > 0 || w->stocks.dirty_count > 0) {
        uint64_t due_ns = w->last_commit_ns + (uint64_t)SNAPSHOT_IDLE_MS * 1000000;
        if (now_ns >= due_ns) {
            snapshot_alone(w);
            return 0;
        }
        sleep_us = until(due_ns, now_ns);
    }
    if (w->wal_pending) {
        uint64_t due_ns = w->last_commit_ns + (uint64_t)CHECKPOINT_IDLE_MS * 1000000;
        if (now_ns >= due_ns) {
            checkpoint_idle(w);
            if (w->wal_pending) /* somebody reads; not again before there is something new */
                w->last_commit_ns = now_ns;
            return 0;
        }
        sleep_us = sooner(sleep_us, until(due_ns, now_ns));
    }
    int64_t retention_us = retention(w, now_ns);
    return retention_us < 0 ? sleep_us : sooner(sleep_us, retention_us);
}

void writer_last_words(struct writer *w)
{
    if (!w->down && (w->moves_since_snapshot > 0 || w->stocks.dirty_count > 0))
        snapshot_alone(w);
    if (w->down)
        return;
    checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE);
    /* The last connection removes the log, now that it is empty. */
    sqlite3_db_config(w->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
}
