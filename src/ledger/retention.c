/* Retention: finished reservations that are old enough leave the log, a step at a time.
 *
 * Happy path: from where the last step ended, take reservations in order of seq as long as each is
 * finished (REFUNDED, or CONFIRMED and nothing happened since), old, in the snapshot, and read by
 * every reader of the log. Their rows are copied to archive.db and made durable there; then one
 * transaction removes them, adds what they had done to `archived`, and notes how far it came.
 *
 * So do the rows of groups, in the same order: a group is over when its window is, and there are as
 * many of them as there are orders. Lots, adjustments, terms and sales stay: they are few, and say
 * what is true now.
 * Failure modes: a crash between the two leaves rows in both files, and the next step copies them
 * onto themselves. A failure of archive.db only postpones; one of the ledger's own commit takes the
 * connection down.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"
#include "ledger/move_rows.h"

enum { MARGIN_PART = 8, MARGIN_MAX_MS = 60000 };

struct step {
    struct writer *w;
    int64_t cutoff_ms; /* moves younger than this stay */
    int64_t seq_max;   /* so do moves above this */
    int64_t upto;      /* the last reservation, or group, that goes */
    uint32_t count;
    uint32_t reservations; /* of them */
    bool full;             /* there may be more */
};

static const char archive_schema[] =
    "CREATE TABLE IF NOT EXISTS archive.move(" MOVE_COLUMN_TYPES ");"
    "CREATE TABLE IF NOT EXISTS archive.move_line(seq INTEGER, lot_id INTEGER, quantity INTEGER,"
    " PRIMARY KEY (seq, lot_id)) WITHOUT ROWID";

static const char archive_copy[] =
    "BEGIN;"
    "INSERT OR REPLACE INTO archive.move(" MOVE_COLUMNS ") SELECT " MOVE_COLUMNS
    " FROM temp.leaving CROSS JOIN main.move USING (seq);"
    "INSERT OR REPLACE INTO archive.move_line SELECT l.* FROM temp.leaving"
    " CROSS JOIN main.move_line AS l USING (seq);"
    "COMMIT";

static const char remove_rows[] =
    "INSERT INTO archived SELECT lot_id, sum(on_hand), sum(reserved), sum(confirmed), count(*)"
    " FROM (SELECT m.lot_id, m.quantity * k.on_hand AS on_hand, m.quantity * k.reserved AS "
    "reserved,"
    "              m.quantity * k.confirmed AS confirmed"
    "         FROM temp.leaving CROSS JOIN move AS m USING (seq)"
    "         CROSS JOIN move_kind AS k ON k.kind = m.kind WHERE m.lot_id IS NOT NULL"
    "       UNION ALL"
    "       SELECT l.lot_id, l.quantity * k.on_hand, l.quantity * k.reserved,"
    "              l.quantity * k.confirmed"
    "         FROM temp.leaving CROSS JOIN move_line AS l USING (seq)"
    "         CROSS JOIN move AS m ON m.seq = l.seq CROSS JOIN move_kind AS k ON k.kind = m.kind)"
    " WHERE true GROUP BY lot_id"
    " ON CONFLICT (lot_id) DO UPDATE SET on_hand = on_hand + excluded.on_hand,"
    "   reserved = reserved + excluded.reserved, confirmed = confirmed + excluded.confirmed,"
    "   moves = moves + excluded.moves;"
    "DELETE FROM move_line WHERE seq IN (SELECT seq FROM temp.leaving);"
    "DELETE FROM move WHERE seq IN (SELECT seq FROM temp.leaving)";

static int note(sqlite3_stmt *insert, int64_t seq, sqlite3 *db, struct error *e)
{
    sqlite3_bind_int64(insert, 1, seq);
    return db_run(db, insert, "note a move that leaves", e);
}

/* What begins or ends something, in order of seq. */
struct candidate {
    int64_t seq;
    int kind;
    int64_t until_ms; /* GROUP_OPEN: its group may go on until then; others: when it was */
};

/* Adds a reservation's moves, or sets *stays. */
static int consider(const struct step *s, sqlite3_stmt *moves, sqlite3_stmt *insert,
                    const struct candidate *begin, bool *stays, struct error *e)
{
    bool finished = begin->kind == MOVE_FENCE;
    int step, rc = 0;
    *stays = begin->until_ms > s->cutoff_ms;
    sqlite3_bind_int64(moves, 1, begin->seq);
    while ((step = sqlite3_step(moves)) == SQLITE_ROW) {
        int kind = sqlite3_column_int(moves, 1);
        finished = finished || kind == MOVE_CONFIRM || kind == MOVE_REFUND || kind == MOVE_RETURN;
        if (sqlite3_column_int64(moves, 0) > s->seq_max ||
            sqlite3_column_int64(moves, 2) > s->cutoff_ms)
            *stays = true;
    }
    if (step != SQLITE_DONE)
        rc = db_fail(s->w->db, "read a reservation's moves", e);
    *stays = *stays || !finished;
    sqlite3_reset(moves);
    step = SQLITE_DONE;
    while (rc == 0 && !*stays && (step = sqlite3_step(moves)) == SQLITE_ROW)
        rc = note(insert, sqlite3_column_int64(moves, 0), s->w->db, e);
    if (rc == 0 && step != SQLITE_DONE) /* a part of its moves must never leave alone */
        rc = db_fail(s->w->db, "read a reservation's moves", e);
    sqlite3_reset(moves);
    if (rc == 0 && !*stays)
        rc = note(insert, begin->seq, s->w->db, e);
    return rc;
}

static int consider_group(const struct step *s, sqlite3_stmt *insert, const struct candidate *group,
                          bool *stays, struct error *e)
{
    *stays = group->until_ms > s->cutoff_ms;
    return *stays ? 0 : note(insert, group->seq, s->w->db, e);
}

/* Fills temp.leaving. */
static int choose(struct step *s, struct error *e)
{
    sqlite3 *db = s->w->db;
    uint32_t max = s->w->ledger->config.archive_step_rows;
    sqlite3_stmt *begins = NULL, *moves = NULL, *insert = NULL;
    bool stays = false;
    int step = SQLITE_DONE;
    int rc = db_prepare(db, &begins,
                        "SELECT seq, kind, CASE kind WHEN 18 THEN deadline_ms ELSE at_ms END"
                        " FROM move WHERE kind IN (3, 15, 18, 19, 20) AND seq <= ? AND seq >"
                        " (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'archived_seq')"
                        " ORDER BY seq LIMIT ?",
                        e);
    if (rc == 0)
        rc = db_prepare(db, &moves,
                        "SELECT seq, kind, at_ms FROM move WHERE reservation_id = ? ORDER BY seq",
                        e);
    if (rc == 0)
        rc = db_prepare(db, &insert, "INSERT INTO temp.leaving VALUES (?)", e);
    sqlite3_bind_int64(begins, 1, s->seq_max);
    sqlite3_bind_int64(begins, 2, max);
    while (rc == 0 && !stays && (step = sqlite3_step(begins)) == SQLITE_ROW) {
        struct candidate c = {sqlite3_column_int64(begins, 0), sqlite3_column_int(begins, 1),
                              sqlite3_column_int64(begins, 2)};
        bool reservation = c.kind == MOVE_RESERVE || c.kind == MOVE_FENCE;
        rc = reservation ? consider(s, moves, insert, &c, &stays, e)
                         : consider_group(s, insert, &c, &stays, e);
        if (rc == 0 && !stays) {
            s->upto = c.seq;
            s->count++;
            s->reservations += reservation;
        }
    }
    if (rc == 0 && step != SQLITE_DONE && step != SQLITE_ROW)
        rc = db_fail(db, "read reservations", e);
    s->full = s->count == max;
    sqlite3_finalize(begins);
    sqlite3_finalize(moves);
    sqlite3_finalize(insert);
    return rc;
}

/* An archive that an older program began lacks the columns that came later. */
static int complete_archive(sqlite3 *db, struct error *e)
{
#define X(name, type, put, value) {#name, type},
    static const struct {
        const char *name, *type;
    } columns[] = {MOVE_COLUMN_LIST(X, X)};
#undef X
    int rc = db_exec(db, archive_schema, e);
    for (size_t i = 0; rc == 0 && i < sizeof columns / sizeof columns[0]; i++) {
        char sql[160];
        int64_t there = 0;
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM pragma_table_info('move', 'archive') WHERE name = '%s'",
                 columns[i].name);
        rc = db_get_int(db, sql, &there, e);
        if (rc || there)
            continue;
        snprintf(sql, sizeof sql, "ALTER TABLE archive.move ADD COLUMN %s %s", columns[i].name,
                 columns[i].type);
        rc = db_exec(db, sql, e);
    }
    return rc;
}

static int keep_copy(struct step *s, struct error *e)
{
    struct ledger_sqlite *l = s->w->ledger;
    char *sql = sqlite3_mprintf("ATTACH '%q/archive.db' AS archive", l->dir);
    int rc = sql ? db_exec(s->w->db, sql, e)
                 : error_set(e, TLY_ENO_MEMORY, "archive.db", "no memory to attach it");
    sqlite3_free(sql);
    if (rc)
        return rc;
    rc = complete_archive(s->w->db, e);
    if (rc == 0)
        rc = db_exec(s->w->db, archive_copy, e);
    if (!sqlite3_get_autocommit(s->w->db))
        sqlite3_exec(s->w->db, "ROLLBACK", NULL, NULL, NULL);
    if (sqlite3_exec(s->w->db, "DETACH archive", NULL, NULL, NULL) != SQLITE_OK && rc == 0)
        rc = db_fail(s->w->db, "detach archive.db", e);
    return rc;
}

static int remove_all(struct step *s, struct error *e)
{
    char mark[320];
    snprintf(mark, sizeof mark,
             "UPDATE meta SET value = '%" PRId64 "' WHERE key = 'archived_seq';"
             "UPDATE meta SET value = max(CAST(value AS INTEGER),"
             " (SELECT max(seq) FROM temp.leaving)) WHERE key = 'archived_newest'",
             s->upto);
    int rc = writer_begin(s->w, e);
    if (rc)
        return rc;
    rc = db_exec(s->w->db, remove_rows, e);
    if (rc == 0)
        rc = db_exec(s->w->db, mark, e);
    if (rc) {
        writer_rollback(s->w);
        return rc;
    }
    rc = writer_end(s->w, e);
    if (rc)
        writer_go_down(s->w, e);
    return rc;
}

/* A bit more than the longer of the two: a refund that was decided while it was allowed may still
 * be on its way here, and must find what it returns. */
static int64_t age_of_leaving_ms(const struct ledger_sqlite_config *config)
{
    int64_t age_ms = config->archive_after_ms > config->order_retention_ms
                         ? config->archive_after_ms
                         : config->order_retention_ms;
    int64_t part_ms = age_ms / MARGIN_PART;
    return age_ms + (part_ms < MARGIN_MAX_MS ? part_ms : MARGIN_MAX_MS);
}

static int limits(struct step *s, struct error *e)
{
    struct writer *w = s->w;
    int64_t cursor;
    int64_t idle_ms = (int64_t)((clock_monotonic_ns() - w->last_at_ns) / 1000000);
    s->cutoff_ms = w->last_at_ms + idle_ms - age_of_leaving_ms(&w->ledger->config);
    s->seq_max = w->snapshot_seq;
    if (w->oldest_pending - 1 < s->seq_max)
        s->seq_max = w->oldest_pending - 1;
    int rc = db_get_int(w->db, "SELECT min(seq) FROM cursor", &cursor, e);
    if (rc == 0 && cursor < s->seq_max)
        s->seq_max = cursor;
    return rc == TLY_ENOT_FOUND ? 0 : rc;
}

bool writer_retention_step(struct writer *w)
{
    struct error e;
    struct step s = {.w = w};
    int rc = limits(&s, &e);
    counter_add(&w->ledger->counters.retention_looks_total, 1);
    if (rc || s.cutoff_ms <= SEQ_EPOCH_MS)
        return false;
    rc = db_exec(w->db,
                 "CREATE TEMP TABLE IF NOT EXISTS leaving(seq INTEGER PRIMARY KEY);"
                 "DELETE FROM temp.leaving",
                 &e);
    if (rc == 0)
        rc = choose(&s, &e);
    if (rc == 0 && s.count > 0 && w->ledger->config.archive_keep)
        rc = keep_copy(&s, &e);
    if (rc == 0 && s.count > 0)
        rc = remove_all(&s, &e);
    if (rc || s.count == 0)
        return false;
    counter_add(&w->ledger->counters.archived_total, s.reservations);
    return s.full;
}
