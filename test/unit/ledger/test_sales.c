/* Sales, groups and lives of reservations as SQL shows them, and rows that no engine wrote. */
#include "fixture.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_rig.h"

static void run_sql(const struct rig *rig, const char *sql)
{
    char path[512], *message = NULL;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/ledger.db", rig->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

/* The first row, its columns as text with '|' between them. */
static const char *ask(const struct rig *rig, const char *sql)
{
    static char row[512];
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *query;
    size_t used = 0;
    snprintf(path, sizeof path, "%s/ledger.db", rig->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    int step = sqlite3_step(query);
    assert_true(step == SQLITE_ROW || step == SQLITE_DONE);
    row[0] = 0;
    for (int i = 0; step == SQLITE_ROW && i < sqlite3_column_count(query); i++) {
        const char *text = (const char *)sqlite3_column_text(query, i);
        used += (size_t)snprintf(row + used, sizeof row - used, "%s%s", i ? "|" : "",
                                 text ? text : "-");
    }
    sqlite3_finalize(query);
    sqlite3_close(db);
    return row;
}

static const struct sale_item items[2] = {{.lot = 2}, {.sku = {"cola", 4}}};
static const struct sale_terms flash = {.number = 1,
                                        .sale_id = {"flash-1", 7},
                                        .title = {"Flash", 5},
                                        .starts_ms = 1000,
                                        .ends_ms = 2000,
                                        .group_size = 3,
                                        .queue = QUEUE_FIRST_COME,
                                        .item_count = 2,
                                        .items = items};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    *rig = (struct rig){.factory = &rig_sqlite, .vfs = "unix"};
    rig_open_as_set(rig);
    rig_create(rig, 100);
    rig_create(rig, 100);
    rig_sale(rig, &flash);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

#define SHOWN "status, reason, quantity, shipped, returned, payment_id, sale_id"

static void shows(struct rig *rig, const char *order_id, const char *row)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT " SHOWN " FROM reservation WHERE order_id = '%s'", order_id);
    assert_string_equal(ask(rig, sql), row);
}

static void the_view_shows_every_life_of_a_reservation(void **state)
{
    struct rig *rig = *state;
    int64_t r[9];
    static const char *const ids[9] = {"pending", "changed",   "paid",     "part", "expired",
                                       "shipped", "some-back", "all-back", "again"};
    for (int i = 0; i < 9; i++)
        r[i] = rig_reserve(rig, 1, 5, ids[i]);
    rig->open.at[0].move.sale = 1;
    rig_fence(rig, "fenced");
    rig_step(rig, MOVE_CHANGE, r[1], 1, -2);
    for (int i = 2; i < 8; i++) {
        if (i != 3 && i != 4)
            rig_step(rig, MOVE_CONFIRM, r[i], 1, 5);
    }
    rig_step(rig, MOVE_CONFIRM, r[3], 1, 2);
    rig_step(rig, MOVE_RELEASE, r[3], 1, 3);
    rig_step(rig, MOVE_REFUND, r[4], 1, 5);
    rig_step(rig, MOVE_SHIP, r[5], 1, 2);
    rig_step(rig, MOVE_SHIP, r[5], 1, 2);
    rig_step(rig, MOVE_SHIP, r[6], 1, 3);
    rig_step(rig, MOVE_WRITE_OFF, r[6], 1, 1)->move.reason = REASON_RETURNED;
    rig_step(rig, MOVE_DISCARD, r[6], 1, 1)->move.reason = REASON_RETURNED;
    rig_step(rig, MOVE_SHIP, r[7], 1, 2);
    rig_step(rig, MOVE_RETURN, r[7], 1, 3);
    rig_step(rig, MOVE_RESTOCK, r[7], 1, 2)->move.reason = REASON_GROUP_FAILED;
    rig_step(rig, MOVE_REFUND, r[8], 1, 5);
    rig_step(rig, MOVE_RECLAIM, r[8], 1, 5);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    shows(rig, "pending", "PENDING|-|5|0|0|-|flash-1");
    shows(rig, "changed", "PENDING|-|3|0|0|-|-");
    shows(rig, "paid", "CONFIRMED|-|5|0|0|payment-7|-");
    shows(rig, "part", "CONFIRMED|-|2|0|0|payment-7|-");
    shows(rig, "expired", "REFUNDED|EXPIRED|5|0|0|-|-");
    shows(rig, "shipped", "CONFIRMED|-|5|4|0|payment-7|-");
    shows(rig, "some-back", "CONFIRMED|-|5|3|2|payment-7|-");
    shows(rig, "all-back", "REFUNDED|GROUP_FAILED|5|2|5|payment-7|-");
    shows(rig, "again", "CONFIRMED|-|5|0|0|payment-7|-");
    shows(rig, "fenced", "REFUNDED|CANCELLED|0|0|0|-|-");
    assert_string_equal(ask(rig, "SELECT count(*) FROM reservation"), "10");
    rig_check_stock(rig);
}

static void the_view_says_when_each_thing_happened(void **state)
{
    struct rig *rig = *state;
    char row[256];
    int64_t back = rig_reserve(rig, 1, 5, "back");
    int64_t again = rig_reserve(rig, 1, 5, "again");
    int64_t extended = rig_reserve(rig, 1, 5, "extended");
    int64_t confirmed_ms = rig_step(rig, MOVE_CONFIRM, back, 1, 5)->move.at_ms;
    rig_step(rig, MOVE_RETURN, back, 1, 2);
    int64_t back_ms = rig_step(rig, MOVE_RETURN, back, 1, 3)->move.at_ms;
    rig_step(rig, MOVE_REFUND, again, 1, 5);
    int64_t again_ms = rig_step(rig, MOVE_RECLAIM, again, 1, 5)->move.at_ms;
    int64_t until_ms = rig_step(rig, MOVE_EXTEND, extended, 1, 5)->move.deadline_ms;
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    snprintf(row, sizeof row, "%" PRId64 "|%" PRId64, confirmed_ms, back_ms);
    assert_string_equal(ask(rig, "SELECT confirmed_at_ms, refunded_at_ms FROM reservation"
                                 " WHERE order_id = 'back'"),
                        row);
    snprintf(row, sizeof row, "%" PRId64 "|-", again_ms);
    assert_string_equal(ask(rig, "SELECT confirmed_at_ms, refunded_at_ms FROM reservation"
                                 " WHERE order_id = 'again'"),
                        row);
    snprintf(row, sizeof row, "%" PRId64, until_ms);
    assert_string_equal(ask(rig, "SELECT deadline_ms FROM reservation WHERE order_id = 'extended'"),
                        row);
}

static void a_member(struct rig *rig, int64_t group, const char *id, bool pays)
{
    int64_t r = rig_reserve(rig, 1, 1, id);
    rig->open.at[rig->open.count - 1].move.sale = 1;
    rig->open.at[rig->open.count - 1].move.group_id = group;
    if (pays)
        rig_step(rig, MOVE_CONFIRM, r, 1, 1);
}

static void the_view_shows_how_groups_stand(void **state)
{
    struct rig *rig = *state;
    int64_t groups[3];
    char sql[256];
    static const char *const rows[3] = {"flash-1|OPEN|3|1", "flash-1|SUCCEEDED|3|2",
                                        "flash-1|FAILED|3|0"};
    for (int i = 0; i < 3; i++)
        groups[i] = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    a_member(rig, groups[0], "a", true);
    a_member(rig, groups[0], "b", false);
    a_member(rig, groups[1], "c", true);
    a_member(rig, groups[1], "d", true);
    a_member(rig, groups[2], "e", false);
    rig_group(rig, MOVE_GROUP_SUCCEED, 1, groups[1]);
    rig_group(rig, MOVE_GROUP_FAIL, 1, groups[2]);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    for (int i = 0; i < 3; i++) {
        snprintf(sql, sizeof sql,
                 "SELECT sale_id, status, size, paid FROM sale_group WHERE group_id = %" PRId64,
                 groups[i]);
        assert_string_equal(ask(rig, sql), rows[i]);
    }
}

static void a_sale_is_a_row_that_a_person_can_read(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(ask(rig, "SELECT sale_id, title, starts_at_ms, ends_at_ms, closed_at_ms,"
                                 " group_size, queue_mode FROM sale"),
                        "flash-1|Flash|1000|2000|-|3|FIRST_COME");
    assert_string_equal(ask(rig, "SELECT group_concat(position || ':' || ifnull(lot_id, '-') || ':'"
                                 " || ifnull(sku, '-')) FROM sale_item WHERE sale = 1"),
                        "0:2:-,1:-:cola");
}

/* A killed server wrote no snapshot behind the SALE that opened the sale once more. */
static void a_sale_opened_once_more_before_a_crash_has_its_orders_again(void **state)
{
    struct rig *rig = *state;
    char sql[256];
    int64_t first = rig->told.at[2].move.seq;
    rig->retention_ms = 1;
    int64_t id = rig_reserve(rig, 1, 1, "early");
    rig->open.at[0].move.sale = 1;
    rig_step(rig, MOVE_CONFIRM, id, 1, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig->now_ms += 1000;
    int64_t again = rig_sale(rig, &flash);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_stop(rig);
    snprintf(sql, sizeof sql, "UPDATE snapshot SET seq = %" PRId64 ", oldest_pending = %" PRId64,
             again - 1, INT64_MAX);
    run_sql(rig, sql);
    rig_reopen(rig);
    assert_int_equal(rig->loaded.at[0].move.seq, first);
    rig_check_loaded(rig);
}

static void refuses_to_start(struct rig *rig, const char *spoil, const char *says)
{
    struct error e = {0};
    rig_stop(rig);
    run_sql(rig, spoil);
    assert_int_equal(rig_try_open(rig, &e), TLY_ECORRUPT);
    if (!strstr(e.text, says))
        fail_msg("%s", e.text);
}

static void a_sale_that_no_engine_wrote_is_corrupt(void **state)
{
    static const char *const spoils[][2] = {
        {"UPDATE sale SET queue_mode = 'LAST_COME'", "queue_mode"},
        {"UPDATE sale SET group_size = 1001", "group_size"},
        {"UPDATE sale SET title = hex(zeroblob(65))", "too long"},
        {"UPDATE sale SET sale_id = hex(zeroblob(33))", "too long"},
        {"UPDATE sale SET sale = 5000000000", "number"},
        {"UPDATE sale_item SET lot_id = 5000000000", "lot number"},
        {"UPDATE sale_item SET sku = hex(zeroblob(33))", "too long"},
        {"WITH n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 256)"
         " INSERT INTO sale_item SELECT 1, i, 1, NULL FROM n",
         "too many"},
        {"UPDATE lot SET expected_on = 'soon'", "expected_on"},
        {"UPDATE lot SET backorder_limit = -1", "limit"},
        {"UPDATE lot SET per_user_limit = -1", "limit"},
        {"UPDATE lot SET backorder_limit = 5", "limit"},
    };
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        struct rig *rig = *state;
        refuses_to_start(rig, spoils[i][0], spoils[i][1]);
        tear_down(state);
        set_up(state);
    }
}

static void a_reservation_whose_rows_contradict_each_other_is_corrupt(void **state)
{
    static const struct {
        enum move_kind kind;
        lot_id lot;
    } wrong[] = {{MOVE_SHIP, 2}, {MOVE_RETURN, 2}, {MOVE_CHANGE, 2}};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct reservation_record *r = NULL;
        char id[32], sql[256];
        snprintf(id, sizeof id, "order-%zu", i);
        int64_t reservation = rig_reserve(rig, 1, 5, id);
        if (wrong[i].kind != MOVE_CHANGE)
            rig_step(rig, MOVE_CONFIRM, reservation, 1, 5);
        assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
        assert_int_equal(rig_read_reservation(rig, reservation, &r), 0);
        free(r);
        snprintf(sql, sizeof sql,
                 "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, reservation_id)"
                 " VALUES (%" PRId64 ", %d, 2, -1, 1, %" PRId64 ")",
                 ++rig->seq, wrong[i].kind, reservation);
        run_sql(rig, sql);
        assert_int_equal(rig_read_reservation(rig, reservation, &r), TLY_EUNAVAILABLE);
        snprintf(sql, sizeof sql, "DELETE FROM move WHERE seq = %" PRId64, rig->seq);
        run_sql(rig, sql);
    }
}

#define IN_A_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(the_view_shows_every_life_of_a_reservation),
        IN_A_RIG(the_view_says_when_each_thing_happened),
        IN_A_RIG(the_view_shows_how_groups_stand),
        IN_A_RIG(a_sale_is_a_row_that_a_person_can_read),
        IN_A_RIG(a_sale_opened_once_more_before_a_crash_has_its_orders_again),
        IN_A_RIG(a_sale_that_no_engine_wrote_is_corrupt),
        IN_A_RIG(a_reservation_whose_rows_contradict_each_other_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
