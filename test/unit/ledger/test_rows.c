/* Dates in rows, and the table of stocks. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "ledger/db.h"
#include "ledger/lot_rows.h"
#include "ledger/move_rows.h"
#include "ledger/schema.h"
#include "ledger/stock_table.h"

static void dates_survive_the_way_to_text_and_back(void **state)
{
    (void)state;
    char text[DATE_SIZE];
    int32_t days;
    lot_date_format(0, text);
    assert_string_equal(text, "1970-01-01");
    lot_date_format(20779, text);
    assert_string_equal(text, "2026-11-22");
    lot_date_format(11016, text);
    assert_string_equal(text, "2000-02-29");
    for (int32_t d = 0; d < 60000; d++) {
        lot_date_format(d, text);
        assert_int_equal(lot_date_parse(str_of(text), &days), 0);
        assert_int_equal(days, d);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "2026-11-2",  "2026-11-222", "2026/11/22",
                                      "2026-13-01", "2026-00-01", "2026-02-30",  "2026-01-00",
                                      "20x6-01-01", "+026-01-01"};
    int32_t days;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lot_date_parse(str_of(bad[i]), &days), TLY_EINVALID_ARGUMENT);
}

static struct move one(enum move_kind kind, lot_id lot, int64_t quantity)
{
    return (struct move){.kind = (uint8_t)kind, .line_count = 1, .line = {lot, quantity}};
}

static void undo_takes_back_exactly_what_was_applied(void **state)
{
    (void)state;
    struct stock_table t = {0};
    struct error e;
    struct move first[] = {one(MOVE_CREATE, 1, 10), one(MOVE_RESERVE, 1, 4)};
    struct line lines[] = {{1, 1}, {2, 2}};
    struct move second[] = {one(MOVE_CREATE, 2, 5),
                            {.kind = MOVE_RESERVE, .line_count = 2, .lines = lines, .line = {0, 3}},
                            one(MOVE_CONFIRM, 1, 4),
                            one(MOVE_ADJUST, 2, 7)};
    assert_int_equal(stock_table_apply(&t, first, 2, &e), 0);
    stock_table_clean(&t);
    struct stock before = t.stocks[0];
    assert_int_equal(stock_table_apply(&t, second, 4, &e), 0);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.dirty_count, 2);
    assert_int_equal(t.stocks[1].on_hand, 12);
    stock_table_undo(&t, second, 4);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.dirty_count, 1);
    assert_memory_equal(&t.stocks[0], &before, sizeof before);
    stock_table_close(&t);
}

static void a_move_that_contradicts_the_stock_applies_nothing(void **state)
{
    (void)state;
    struct stock_table t = {0};
    struct error e;
    struct move create[] = {one(MOVE_CREATE, 1, 10)};
    assert_int_equal(stock_table_apply(&t, create, 1, &e), 0);
    struct stock before = t.stocks[0];
    struct move bad[][2] = {
        {one(MOVE_RESERVE, 1, 6), one(MOVE_RESERVE, 1, 5)},
        {one(MOVE_RESERVE, 1, 6), one(MOVE_RESERVE, 2, 1)},
        {one(MOVE_RESERVE, 1, 6), one(MOVE_CONFIRM, 1, 7)},
        {one(MOVE_RESERVE, 1, 6), one(MOVE_ADJUST, 1, -5)},
        {one(MOVE_CREATE, 2, 1), one(MOVE_RETURN, 2, 1)},
        {one(MOVE_CREATE, 2, 1), one(MOVE_CREATE, 4, 1)},
        {one(MOVE_CREATE, 2, 1), one(MOVE_CREATE, 3, -1)},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(stock_table_apply(&t, bad[i], 2, &e), TLY_ECORRUPT);
        assert_int_equal(t.count, 1);
        assert_memory_equal(&t.stocks[0], &before, sizeof before);
    }
    stock_table_close(&t);
}

/* Nothing but what an engine can have written may reach one. */
static void a_row_that_no_engine_wrote_is_corrupt(void **state)
{
    (void)state;
    static const char *const refunds[] = {"3", "6", "16", "256", "-1"};
    struct move_reader reader;
    struct move m;
    struct error e;
    sqlite3 *db;
    uint64_t seed;
    assert_int_equal(db_open(&db, ":memory:", NULL, DB_COPY, &e), 0);
    assert_int_equal(schema_apply(db, &seed, &e), 0);
    assert_int_equal(move_reader_init(&reader, db, seed, &e), 0);
    for (size_t i = 0; i < sizeof refunds / sizeof refunds[0]; i++) {
        char sql[128];
        sqlite3_stmt *row;
        snprintf(sql, sizeof sql, "SELECT 2, 6, 1, 1, 1, NULL, NULL, NULL, 1, %s, NULL, NULL",
                 refunds[i]);
        assert_int_equal(db_prepare(db, &row, sql, &e), 0);
        assert_int_equal(sqlite3_step(row), SQLITE_ROW);
        assert_int_equal(move_reader_fill(&reader, row, &m, &e), i ? TLY_ECORRUPT : 0);
        sqlite3_finalize(row);
    }
    move_reader_close(&reader);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_survive_the_way_to_text_and_back),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(undo_takes_back_exactly_what_was_applied),
        cmocka_unit_test(a_row_that_no_engine_wrote_is_corrupt),
        cmocka_unit_test(a_move_that_contradicts_the_stock_applies_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
