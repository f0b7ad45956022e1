/* A data folder that an older program left: it starts, is read, sells on, and retains into the
 * archive that it had. */
#include "fixture.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger_1_sql.h"
#include "ledger_rig.h"

#define DAY_MS   INT64_C(86400000)
#define START_MS INT64_C(1790000000000)

static void run_sql(const struct rig *rig, const char *file, const char *sql)
{
    char path[512], *message = NULL;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/%s", rig->dir, file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static int64_t ask(const struct rig *rig, const char *file, const char *sql)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *query;
    snprintf(path, sizeof path, "%s/%s", rig->dir, file);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return value;
}

/* A lot of 100 and one confirmed order of 3 by an order_id of that time; one of 2 was archived. */
static int64_t make_old(struct rig *rig)
{
    char sql[1024];
    int64_t first = seq_first_of_ms(START_MS);
    rig_new_folder(rig->dir);
    run_sql(rig, "ledger.db", "PRAGMA journal_mode=WAL");
    run_sql(rig, "ledger.db", ledger_1_sql);
    run_sql(rig, "archive.db", archive_1_sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO meta VALUES ('schema_version', '1'), ('hash_seed', '0123456789abcdef'),"
             "  ('created_at', '2026-09-21T13:33:20Z'), ('archived_seq', '%" PRId64 "');"
             "INSERT INTO lot VALUES (1, 'cola#00000001', 'cola', 'lime', '330ml_can',"
             "  'BATCH-20261122-A', NULL, %" PRId64 ");"
             "INSERT INTO archived VALUES (1, 0, 0, 2, 2);"
             "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id,"
             "                 user_id, reservation_id, detail) VALUES"
             " (%" PRId64 ", 1, 1, 100, %" PRId64 ", NULL, NULL, NULL, NULL, NULL),"
             " (%" PRId64 ", 3, 1, 3, %" PRId64 ", %" PRId64 ", 'old', 'ann', NULL, NULL),"
             " (%" PRId64 ", 4, 1, 3, %" PRId64 ", NULL, NULL, NULL, %" PRId64 ", 'paid');"
             "INSERT INTO stock_snapshot VALUES (1, 100, 0, 5, 5);"
             "UPDATE snapshot SET seq = %" PRId64 ", oldest_pending = %" PRId64 "",
             first + 2, START_MS, first, START_MS, first + 3, START_MS, START_MS + 900000,
             first + 4, START_MS, first + 3, first + 4, first + 5);
    run_sql(rig, "ledger.db", sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO move VALUES"
             " (%" PRId64 ", 3, 1, 2, 1, 2, 'older', 'bob', NULL, NULL, NULL, NULL),"
             " (%" PRId64 ", 4, 1, 2, 1, NULL, NULL, NULL, %" PRId64 ", NULL, 'paid', NULL)",
             first + 1, first + 2, first + 1);
    run_sql(rig, "archive.db", sql);
    return first + 3;
}

static void open_old(struct rig *rig, int64_t *old)
{
    *rig = (struct rig){.factory = &rig_sqlite,
                        .vfs = "unix",
                        .retention_ms = DAY_MS,
                        .archive_after_ms = DAY_MS,
                        .archive_keep = true,
                        .oldest_pending = INT64_MAX};
    *old = make_old(rig);
    rig_open_as_set(rig);
}

static void a_ledger_of_version_1_starts_and_is_read(void **state)
{
    struct rig rig;
    int64_t old;
    struct reservation_record *r = NULL;
    (void)state;
    open_old(&rig, &old);
    assert_int_equal(rig.loaded_lots.count, 1);
    assert_int_equal(rig.loaded_stock[0].confirmed, 5);
    assert_int_equal(rig_read_reservation(&rig, old, &r), 0);
    assert_int_equal(r->state, HOLD_CONFIRMED);
    assert_int_equal(r->fingerprint, 0); /* it was not kept then */
    free(r);
    rig_reserve(&rig, 1, 1, "new");
    rig.open.at[0].move.fingerprint = 77;
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig_reopen(&rig);
    assert_int_equal(rig.loaded.at[rig.loaded.count - 1].move.fingerprint, 77);
    rig_close(&rig);
}

static void an_archive_of_version_1_takes_what_leaves_now(void **state)
{
    struct rig rig;
    struct ledger_stats stats = {0};
    int64_t old;
    (void)state;
    open_old(&rig, &old);
    rig.now_ms += 3 * DAY_MS;
    rig_reserve(&rig, 1, 1, "later");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    for (int i = 0; i < PATIENCE_MS / 10 && stats.archived_total == 0; i++) {
        pause_ms(10);
        rig.ledger->ops->stats(rig.ledger, &stats);
    }
    assert_int_equal(stats.archived_total, 1);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move"), 2);
    assert_int_equal(ask(&rig, "archive.db", "SELECT count(*) FROM move"), 4);
    assert_int_equal(
        ask(&rig, "archive.db", "SELECT count(*) FROM move WHERE order_id IN ('old', 'older')"), 2);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT confirmed FROM archived"), 5);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_of_version_1_starts_and_is_read),
        cmocka_unit_test(an_archive_of_version_1_takes_what_leaves_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
