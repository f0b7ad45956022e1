/* Retention: what leaves, what stays, and that nothing is lost between the two files. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ledger_rig.h"

enum { DAY_MS = 86400000 };

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

static int64_t archived(struct rig *rig)
{
    struct ledger_stats stats;
    rig->ledger->ops->stats(rig->ledger, &stats);
    return stats.archived_total;
}

static bool archives(struct rig *rig, int64_t count)
{
    for (int i = 0; i < PATIENCE_MS && archived(rig) < count; i++)
        pause_ms(1);
    return archived(rig) == count;
}

static int64_t looks(struct rig *rig)
{
    struct ledger_stats stats;
    rig->ledger->ops->stats(rig->ledger, &stats);
    return stats.retention_looks_total;
}

/* One look may have begun before what it must not take was there; the next one has not. Looks are
 * counted when they begin. */
static void wait_for_looks(struct rig *rig)
{
    int64_t before = looks(rig);
    AWAIT(looks(rig) >= before + 2);
}

static void open_rig(struct rig *rig, bool keep)
{
    *rig = (struct rig){.factory = &rig_sqlite,
                        .vfs = "unix",
                        .retention_ms = DAY_MS,
                        .archive_after_ms = DAY_MS,
                        .archive_keep = keep,
                        .archive_step_rows = 3,
                        .oldest_pending = INT64_MAX};
    rig_open_as_set(rig);
}

/* Two lots; 6 finished orders, one of them over both lots; all long ago. */
static void old_orders(struct rig *rig)
{
    char id[32];
    rig_create(rig, 1000);
    rig_create(rig, 1000);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "old-%d", i);
        int64_t r = rig_reserve(rig, 1, 4, id);
        rig_step(rig, i % 2 ? MOVE_CONFIRM : MOVE_REFUND, r, 1, 4);
    }
    int64_t both = rig_reserve_lines(rig, (struct line[]){{1, 2}, {2, 3}}, 2, "both");
    struct rig_move *confirm = rig_step(rig, MOVE_CONFIRM, both, 0, 5);
    confirm->move.line_count = 2;
    confirm->lines[0] = (struct line){1, 2};
    confirm->lines[1] = (struct line){2, 3};
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
}

/* A new order two days later, so that time has passed. */
static void two_days_later(struct rig *rig)
{
    rig->now_ms += 2 * DAY_MS;
    rig->oldest_pending = rig->seq + 1;
    rig_reserve(rig, 2, 1, "new");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
}

static void finished_old_orders_leave_and_the_stock_stays(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, true);
    old_orders(&rig);
    two_days_later(&rig);
    assert_true(archives(&rig, 6));
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move"), 3);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move_line"), 0);
    assert_int_equal(ask(&rig, "archive.db", "SELECT count(*) FROM move"), 12);
    assert_int_equal(ask(&rig, "archive.db", "SELECT count(*) FROM move_line"), 4);
    rig_check_stock(&rig);
    /* archived + what the moves that are left do = stock */
    for (lot_id lot = 1; lot <= 2; lot++) {
        struct stock now = rig_stock_told(&rig, lot);
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT confirmed FROM archived WHERE lot_id = %u", lot);
        assert_int_equal(ask(&rig, "ledger.db", sql), now.confirmed);
        snprintf(sql, sizeof sql,
                 "SELECT moves + (SELECT count(*) FROM move WHERE lot_id = %u) FROM archived"
                 " WHERE lot_id = %u",
                 lot, lot);
        assert_int_equal(ask(&rig, "ledger.db", sql), now.version);
    }
    rig_reopen(&rig);
    assert_int_equal(rig.loaded_stock[0].version, rig_stock_told(&rig, 1).version);
    rig_close(&rig);
}

static void without_an_archive_they_are_gone(void **state)
{
    struct rig rig;
    char path[512];
    (void)state;
    open_rig(&rig, false);
    old_orders(&rig);
    two_days_later(&rig);
    assert_true(archives(&rig, 6));
    snprintf(path, sizeof path, "%s/archive.db", rig.dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move"), 3);
    rig_check_stock(&rig);
    rig_close(&rig);
}

static void a_pending_hold_stays_and_so_do_those_after_it(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, false);
    rig_create(&rig, 1000);
    int64_t first = rig_reserve(&rig, 1, 1, "first");
    rig_step(&rig, MOVE_REFUND, first, 1, 1);
    int64_t pending = rig_reserve(&rig, 1, 1, "pending");
    int64_t later = rig_reserve(&rig, 1, 1, "later");
    rig_step(&rig, MOVE_CONFIRM, later, 1, 1);
    rig.oldest_pending = pending;
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig.now_ms += 2 * DAY_MS;
    rig_reserve(&rig, 1, 1, "new");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    assert_true(archives(&rig, 1));
    wait_for_looks(&rig);
    assert_int_equal(archived(&rig), 1);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move WHERE order_id = 'later'"),
                     1);
    rig_close(&rig);
}

static void what_a_reader_of_the_log_has_not_seen_stays(void **state)
{
    struct rig rig;
    struct error e;
    (void)state;
    open_rig(&rig, false);
    assert_int_equal(rig.ledger->ops->cursor_set(rig.ledger, "slow", 1, &e), 0);
    old_orders(&rig);
    two_days_later(&rig);
    wait_for_looks(&rig);
    assert_int_equal(archived(&rig), 0);
    /* The third order's end is not read yet. */
    int64_t seq = rig.told.at[2 + 2 * 2].move.seq;
    assert_int_equal(rig.ledger->ops->cursor_set(rig.ledger, "slow", seq, &e), 0);
    assert_true(archives(&rig, 2));
    rig_close(&rig);
}

static void the_log_starts_after_the_newest_move_that_was_taken(void **state)
{
    struct rig rig;
    struct error e;
    int64_t seq = -1;
    (void)state;
    open_rig(&rig, false);
    old_orders(&rig);
    int64_t last = rig.told.at[rig.told.count - 1].move.seq;
    two_days_later(&rig);
    assert_true(archives(&rig, 6));
    assert_int_equal(rig.ledger->ops->log_start(rig.ledger, &seq, &e), 0);
    assert_int_equal(seq, last);
    rig_close(&rig);
}

static void a_crash_between_copy_and_removal_counts_nothing_twice(void **state)
{
    struct rig rig;
    char path[512], sql[800];
    sqlite3 *db;
    (void)state;
    open_rig(&rig, true);
    old_orders(&rig);
    rig_stop(&rig);
    /* What such a crash leaves: rows in both files. */
    snprintf(path, sizeof path, "%s/archive.db", rig.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE move(seq INTEGER PRIMARY KEY, kind INTEGER, lot_id INTEGER,"
        " quantity INTEGER, at_ms INTEGER, deadline_ms INTEGER, order_id TEXT, user_id TEXT,"
        " reservation_id INTEGER, reason INTEGER, detail TEXT, note TEXT);"
        "ATTACH '%s/ledger.db' AS l; INSERT INTO move SELECT seq, kind, lot_id, quantity, at_ms,"
        " deadline_ms, order_id, user_id, reservation_id, reason, detail, note FROM l.move"
        " WHERE seq BETWEEN %lld AND %lld",
        rig.dir, (long long)rig.told.at[2].move.seq, (long long)rig.told.at[4].move.seq);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    rig_reopen(&rig);
    two_days_later(&rig);
    assert_true(archives(&rig, 6));
    assert_int_equal(ask(&rig, "archive.db", "SELECT count(*) FROM move"), 12);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT moves FROM archived WHERE lot_id = 1"), 12);
    rig_check_stock(&rig);
    rig_close(&rig);
}

/* The newest moves of all leave, and the start does not miss them. */
static void a_ledger_all_of_whose_orders_left_starts(void **state)
{
    struct rig rig = {.factory = &rig_sqlite,
                      .vfs = "unix",
                      .retention_ms = 1,
                      .archive_after_ms = 1,
                      .archive_keep = true,
                      .oldest_pending = INT64_MAX};
    (void)state;
    rig_open_as_set(&rig);
    old_orders(&rig);
    assert_true(archives(&rig, 6));
    rig_reopen(&rig);
    rig_reopen(&rig);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move"), 2);
    rig_close(&rig);
}

static void younger_orders_stay(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, false);
    old_orders(&rig);
    rig.now_ms += DAY_MS / 2;
    rig_reserve(&rig, 2, 1, "new");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    wait_for_looks(&rig);
    assert_int_equal(archived(&rig), 0);
    rig_close(&rig);
}

/* A refund that was decided at the last moment at which it was allowed is not in the log yet. */
static void what_can_still_be_refunded_does_not_leave_while_the_refund_is_on_its_way(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, true);
    rig_create(&rig, 1000);
    int64_t bought = rig_reserve(&rig, 1, 4, "bought");
    int64_t confirmed_ms = rig_step(&rig, MOVE_CONFIRM, bought, 1, 4)->move.at_ms;
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig.oldest_pending = rig.seq + 1;
    rig.now_ms = confirmed_ms + DAY_MS - 1;
    rig_reserve(&rig, 1, 1, "new");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    wait_for_looks(&rig);
    assert_int_equal(archived(&rig), 0);
    rig_step(&rig, MOVE_RETURN, bought, 1, 4);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig_check_stock(&rig);
    rig_close(&rig);
}

/* One order in each later life; each of two lots' counters must come out right. */
static void every_kind_of_move_leaves_and_the_stock_stays(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, true);
    rig_create(&rig, 1000);
    rig_create(&rig, 1000);
    int64_t shipped = rig_reserve(&rig, 1, 9, "shipped");
    int64_t changed = rig_reserve(&rig, 1, 9, "changed");
    int64_t again = rig_reserve(&rig, 1, 9, "again");
    rig_fence(&rig, "fenced");
    rig_step(&rig, MOVE_CONFIRM, shipped, 1, 9);
    rig_step(&rig, MOVE_SHIP, shipped, 1, 5);
    rig_step(&rig, MOVE_RESTOCK, shipped, 1, 2)->move.reason = REASON_RETURNED;
    rig_step(&rig, MOVE_DISCARD, shipped, 1, 1)->move.reason = REASON_RETURNED;
    rig_step(&rig, MOVE_WRITE_OFF, shipped, 1, 1)->move.reason = REASON_RETURNED;
    struct rig_move *change = rig_step(&rig, MOVE_CHANGE, changed, 0, -4);
    change->move.line_count = 2;
    change->lines[0] = (struct line){1, -9};
    change->lines[1] = (struct line){2, 5};
    rig_step(&rig, MOVE_CONFIRM, changed, 2, 5);
    rig_step(&rig, MOVE_REFUND, again, 1, 9);
    rig_step(&rig, MOVE_RECLAIM, again, 1, 9);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    two_days_later(&rig);
    assert_true(archives(&rig, 4));
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move"), 3);
    assert_int_equal(ask(&rig, "archive.db", "SELECT count(*) FROM move WHERE kind = 15"), 1);
    rig_check_stock(&rig);
    for (lot_id lot = 1; lot <= 2; lot++) {
        struct stock now = rig_stock_told(&rig, lot);
        char sql[400];
        snprintf(sql, sizeof sql,
                 "SELECT on_hand * 1000000 + (reserved + %d) * 1000 + confirmed FROM archived"
                 " WHERE lot_id = %u",
                 lot == 2, lot);
        assert_int_equal(ask(&rig, "ledger.db", sql),
                         (now.on_hand - 1000) * 1000000 + now.reserved * 1000 + now.confirmed);
        snprintf(sql, sizeof sql,
                 "SELECT moves + (SELECT count(*) FROM move WHERE lot_id = %u) FROM archived"
                 " WHERE lot_id = %u",
                 lot, lot);
        assert_int_equal(ask(&rig, "ledger.db", sql), now.version);
    }
    rig_close(&rig);
}

static void a_young_fence_stays_and_keeps_its_order_id_taken(void **state)
{
    struct rig rig;
    struct reservation_record *r = NULL;
    (void)state;
    open_rig(&rig, false);
    old_orders(&rig);
    rig.now_ms += 2 * DAY_MS;
    rig.oldest_pending = INT64_MAX;
    int64_t fence = rig_fence(&rig, "fenced");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    assert_true(archives(&rig, 6));
    wait_for_looks(&rig);
    assert_int_equal(rig_read_reservation(&rig, fence, &r), 0);
    free(r);
    rig_close(&rig);
}

static void groups_that_are_over_leave_with_their_orders(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, true);
    rig_create(&rig, 1000);
    rig_create(&rig, 1000);
    int64_t group = rig_group(&rig, MOVE_GROUP_OPEN, 1, 0);
    int64_t member = rig_reserve(&rig, 1, 1, "member");
    rig.open.at[rig.open.count - 1].move.group_id = group;
    rig_step(&rig, MOVE_CONFIRM, member, 1, 1);
    rig_group(&rig, MOVE_GROUP_SUCCEED, 1, group);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    two_days_later(&rig);
    assert_true(archives(&rig, 1));
    wait_for_looks(&rig);
    assert_int_equal(archived(&rig), 1); /* a group is no reservation */
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move"), 3);
    assert_int_equal(ask(&rig, "archive.db", "SELECT count(*) FROM move WHERE kind IN (18, 19)"),
                     2);
    rig_close(&rig);
}

static void a_group_whose_window_was_open_lately_stays(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, false);
    rig_create(&rig, 1000);
    rig_create(&rig, 1000);
    rig_group(&rig, MOVE_GROUP_OPEN, 1, 0);
    rig.open.at[rig.open.count - 1].move.deadline_ms += 2 * DAY_MS;
    int64_t later = rig_reserve(&rig, 1, 1, "later");
    rig_step(&rig, MOVE_CONFIRM, later, 1, 1);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    two_days_later(&rig);
    wait_for_looks(&rig);
    assert_int_equal(archived(&rig), 0);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move WHERE kind = 18"), 1);
    rig_close(&rig);
}

static const struct sale_item items[1] = {{.lot = 1}};
static const struct sale_terms sale = {.number = 1,
                                       .sale_id = {"flash-1", 7},
                                       .title = {"", 0},
                                       .starts_ms = 1000,
                                       .ends_ms = 2000,
                                       .item_count = 1,
                                       .items = items};

static void sales_and_terms_stay(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig, false);
    old_orders(&rig);
    rig_sale(&rig, &sale);
    rig_lot_terms(&rig, 1, &(struct lot_terms){.expires_on = 1, .expected_on = 1});
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    two_days_later(&rig);
    assert_true(archives(&rig, 6));
    wait_for_looks(&rig);
    assert_int_equal(ask(&rig, "ledger.db", "SELECT count(*) FROM move WHERE kind IN (16, 17)"), 2);
    rig_reopen(&rig);
    assert_int_equal(rig.loaded_sale_count, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finished_old_orders_leave_and_the_stock_stays),
        cmocka_unit_test(what_can_still_be_refunded_does_not_leave_while_the_refund_is_on_its_way),
        cmocka_unit_test(without_an_archive_they_are_gone),
        cmocka_unit_test(a_pending_hold_stays_and_so_do_those_after_it),
        cmocka_unit_test(what_a_reader_of_the_log_has_not_seen_stays),
        cmocka_unit_test(the_log_starts_after_the_newest_move_that_was_taken),
        cmocka_unit_test(a_crash_between_copy_and_removal_counts_nothing_twice),
        cmocka_unit_test(younger_orders_stay),
        cmocka_unit_test(a_ledger_all_of_whose_orders_left_starts),
        cmocka_unit_test(every_kind_of_move_leaves_and_the_stock_stays),
        cmocka_unit_test(a_young_fence_stays_and_keeps_its_order_id_taken),
        cmocka_unit_test(groups_that_are_over_leave_with_their_orders),
        cmocka_unit_test(a_group_whose_window_was_open_lately_stays),
        cmocka_unit_test(sales_and_terms_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
