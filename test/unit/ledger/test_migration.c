/* A data folder that an older program left: it starts, is read, sells on, and retains into the
 * archive that it had. */
#include "fixture.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/schema.h"
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

/* ---- version 2 ---- */

#define SEQ(n)   ((long long)(seq_first_of_ms(START_MS) + (n)))
#define UNTIL_MS (START_MS + 900000)

/* Two lots of 100, and an order in each life that version 2 knew. */
static void make_version_2(struct rig *rig)
{
    char sql[4096];
    *rig = (struct rig){.factory = &rig_sqlite, .vfs = "unix"};
    rig_new_folder(rig->dir);
    run_sql(rig, "ledger.db", "PRAGMA journal_mode=WAL");
    run_sql(rig, "ledger.db", ledger_1_sql);
    run_sql(rig, "ledger.db",
            "INSERT INTO meta VALUES ('schema_version', '2'), ('hash_seed', '0123456789abcdef'),"
            " ('created_at', '2026-09-21T13:33:20Z'), ('archived_seq', '0');"
            "INSERT INTO lot VALUES"
            " (1, 'cola#00000001', 'cola', 'lime', '330ml_can', 'BATCH-20261122-A', NULL, 1),"
            " (2, 'cola#00000002', 'cola', 'mint', '330ml_can', 'BATCH-20261122-A',"
            "  '2026-12-24', 1)");
    run_sql(rig, "ledger.db", ledger_schema_2);
    sqlite3_snprintf(
        sizeof sql, sql,
        "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id,"
        "                 reservation_id, reason, detail, fingerprint)"
        " SELECT %lld + column1, column2, column3, column4, %lld + column1, column5, column6,"
        "        column7, %lld + column8, column9, column10, column11 FROM (VALUES"
        " (0, 1, 1, 100, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (1, 1, 2, 100, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (2, 3, 1, 3, %lld, 'kept', 'ann', NULL, NULL, NULL, 11),"
        " (3, 3, 1, 2, %lld, 'expired', 'ann', NULL, NULL, NULL, 12),"
        " (4, 3, NULL, 10, %lld, 'part', 'bob', NULL, NULL, NULL, -13),"
        " (5, 3, 2, 1, %lld, 'returned', 'bob', NULL, NULL, NULL, 14),"
        " (6, 3, 1, 5, %lld, 'pending', 'eve', NULL, NULL, NULL, 15),"
        " (7, 4, 1, 3, NULL, NULL, NULL, 2, NULL, 'pay-1', NULL),"
        " (8, 6, 1, 2, NULL, NULL, NULL, 3, 1, NULL, NULL),"
        " (9, 4, 2, 4, NULL, NULL, NULL, 4, NULL, 'pay-2', NULL),"
        " (10, 5, NULL, 6, NULL, NULL, NULL, 4, NULL, NULL, NULL),"
        " (11, 4, 2, 1, NULL, NULL, NULL, 5, NULL, 'pay-3', NULL),"
        " (12, 7, 2, 1, NULL, NULL, NULL, 5, 3, NULL, NULL),"
        " (13, 8, 1, 5, %lld, NULL, NULL, 6, NULL, NULL, NULL));"
        "INSERT INTO move_line VALUES (%lld, 1, 5), (%lld, 2, 5), (%lld, 1, 5), (%lld, 2, 1)",
        SEQ(0), START_MS, SEQ(0), UNTIL_MS, UNTIL_MS, UNTIL_MS, UNTIL_MS, UNTIL_MS, UNTIL_MS + 1,
        SEQ(4), SEQ(4), SEQ(10), SEQ(10));
    run_sql(rig, "ledger.db", sql);
}

/* What the view says of all, by the columns that it had in version 2. */
static void shown(const struct rig *rig, char out[2048])
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *query;
    snprintf(path, sizeof path, "%s/ledger.db", rig->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db,
            "SELECT group_concat(concat, char(10)) FROM (SELECT order_id || ' ' || reservation_id"
            " || ' ' || user_id || ' ' || status || ' ' || ifnull(reason, '-') || ' ' ||"
            " created_at_ms || ' ' || deadline_ms || ' ' || ifnull(confirmed_at_ms, '-') || ' '"
            " || ifnull(refunded_at_ms, '-') || ' ' || quantity || ' ' || ifnull(payment_id, '-')"
            " AS concat FROM reservation ORDER BY reservation_id)",
            -1, &query, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    snprintf(out, 2048, "%s", (const char *)sqlite3_column_text(query, 0));
    sqlite3_finalize(query);
    sqlite3_close(db);
}

static void the_view_says_of_old_orders_what_it_said_before(void **state)
{
    struct rig rig;
    char before[2048], after[2048];
    (void)state;
    make_version_2(&rig);
    shown(&rig, before);
    assert_non_null(strstr(before, "returned"));
    rig_open_as_set(&rig);
    shown(&rig, after);
    assert_string_equal(after, before);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT sum(shipped) FROM reservation"), 0);
    rig_close(&rig);
}

static void old_orders_answer_as_before(void **state)
{
    static const struct {
        int n;
        enum hold_state state;
        enum refund_reason reason;
        int64_t held, reserved, returned;
        uint64_t fingerprint;
    } orders[] = {
        {2, HOLD_CONFIRMED, REASON_NONE, 3, 3, 0, 11},
        {3, HOLD_REFUNDED, REASON_EXPIRED, 2, 2, 0, 12},
        {4, HOLD_CONFIRMED, REASON_NONE, 4, 5, 0, (uint64_t)-13},
        {5, HOLD_REFUNDED, REASON_RETURNED, 1, 1, 1, 14},
        {6, HOLD_PENDING, REASON_NONE, 5, 5, 0, 15},
    };
    struct rig rig;
    struct reservation_record *r = NULL;
    (void)state;
    make_version_2(&rig);
    rig_open_as_set(&rig);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        assert_int_equal(rig_read_reservation(&rig, SEQ(orders[i].n), &r), 0);
        assert_int_equal(r->state, orders[i].state);
        assert_int_equal(r->reason, orders[i].reason);
        assert_int_equal(r->lines[0].quantity, orders[i].held);
        assert_int_equal(r->reserved_lines[0].quantity, orders[i].reserved);
        assert_int_equal(r->after[0].returned, orders[i].returned);
        assert_int_equal(r->after[0].shipped, 0);
        assert_int_equal(r->fingerprint, orders[i].fingerprint);
        assert_int_equal(r->sale, 0);
        assert_int_equal(r->group_id, 0);
        free(r);
    }
    rig_close(&rig);
}

static void a_ledger_of_version_2_starts_with_its_stock_and_goes_on(void **state)
{
    struct rig rig;
    struct reservation_record *r = NULL;
    (void)state;
    make_version_2(&rig);
    rig_open_as_set(&rig);
    assert_int_equal(rig.loaded.count, 14);
    assert_int_equal(rig.loaded_terms[1].expires_on, rig.loaded_lots.at[1].dims.expires_on);
    assert_int_not_equal(rig.loaded_terms[1].expires_on, LOT_NEVER_EXPIRES);
    assert_int_equal(rig.loaded_terms[0].backorder_limit, 0);
    assert_int_equal(rig.loaded_sale_count, 0);
    rig_step(&rig, MOVE_SHIP, SEQ(2), 1, 2);
    rig_step(&rig, MOVE_CHANGE, SEQ(6), 1, 1);
    rig_fence(&rig, "fenced");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    struct stock s = rig_sqlite.stock(&rig, 1);
    assert_int_equal(s.on_hand, 98);
    assert_int_equal(s.reserved, 6);
    assert_int_equal(s.confirmed, 1);
    assert_int_equal(rig_read_reservation(&rig, SEQ(2), &r), 0);
    assert_int_equal(r->after[0].shipped, 2);
    free(r);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_of_version_1_starts_and_is_read),
        cmocka_unit_test(an_archive_of_version_1_takes_what_leaves_now),
        cmocka_unit_test(the_view_says_of_old_orders_what_it_said_before),
        cmocka_unit_test(old_orders_answer_as_before),
        cmocka_unit_test(a_ledger_of_version_2_starts_with_its_stock_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
