/* Ledgers made by hand, sound ones and ones with one mistake each: verify must find exactly it. */
#include "fixture_verify.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"

#define WEEK_MS (7 * 24 * HOUR_MS)

static int setup(void **state)
{
    *state = bench_open(1);
    return 0;
}

/* ---- rows ---- */

static int64_t add(struct bench *b, int kind, const char *lot_id, int64_t quantity,
                   int64_t reservation_id, int reason)
{
    char reservation[32] = "NULL", order[64] = "NULL", deadline[32] = "NULL", why[16] = "NULL";
    b->seq++;
    if (reservation_id)
        snprintf(reservation, sizeof(reservation), "%lld", (long long)reservation_id);
    if (kind == RESERVE)
        snprintf(order, sizeof(order), "'order-%lld'", (long long)b->seq);
    if (kind == RESERVE || kind == EXTEND)
        snprintf(deadline, sizeof(deadline), "%lld", (long long)(b->at_ms + HOUR_MS));
    if (reason)
        snprintf(why, sizeof(why), "%d", reason);
    run_sql(b,
            "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id, "
            "reservation_id, reason) VALUES(%lld, %d, %s, %lld, %lld, %s, %s, %s, %s, %s)",
            (long long)b->seq, kind, lot_id, (long long)quantity, (long long)b->at_ms, deadline,
            order, kind == RESERVE ? "'ann'" : "NULL", reservation, why);
    return b->seq;
}

static void add_line(struct bench *b, int64_t seq, int lot_id, int quantity)
{
    run_sql(b, "INSERT INTO move_line VALUES(%lld, %d, %d)", (long long)seq, lot_id, quantity);
}

static void add_lot(struct bench *b, int lot_id, int quantity)
{
    char text[64], digest[33], id[16];
    snprintf(text, sizeof(text), "lime|330ml_can|BATCH-202601%02d-A", lot_id);
    md5_hex(text, strlen(text), digest);
    run_sql(b,
            "INSERT INTO lot(lot_id, lot_key, sku, flavor, size, batch, expires_on, created_at_ms)"
            " VALUES(%d, 'COLA#%.8s', 'COLA', 'lime', '330ml_can', "
            "'BATCH-202601%02d-A', NULL, %lld)",
            lot_id, digest, lot_id, (long long)b->at_ms);
    snprintf(id, sizeof(id), "%d", lot_id);
    add(b, CREATE, id, quantity, 0, 0);
}

static int64_t reserve(struct bench *b, int64_t quantity)
{
    return add(b, RESERVE, "1", quantity, 0, 0);
}

/* ---- judging ---- */

/* Each of the named checks has a fault, all others none. The list ends with -1. */
static void expect_faults(struct bench *b, ...)
{
    bool expected[VERIFY_CHECK_COUNT] = {false};
    va_list args;
    va_start(args, b);
    for (int check = va_arg(args, int); check >= 0; check = va_arg(args, int))
        expected[check] = true;
    va_end(args);
    run_verify(b);
    expect_checks(b, expected);
}

static void expect_clean(struct bench *b)
{
    expect_faults(b, -1);
    assert_int_equal(b->report.fault_count, 0);
}

/* ---- sound ledgers ---- */

static void an_empty_ledger_is_clean(void **state)
{
    expect_clean(*state);
}

static void every_legal_history_is_clean(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 100);
    add(b, ADJUST, "1", -10, 0, 0);
    reserve(b, 1);
    int64_t confirmed = reserve(b, 2);
    add(b, EXTEND, "1", 2, confirmed, 0);
    add(b, CONFIRM, "1", 2, confirmed, 0);
    int64_t partly = reserve(b, 5);
    add(b, CONFIRM, "1", 3, partly, 0);
    add(b, RELEASE, "1", 2, partly, 0);
    int64_t returned = reserve(b, 4);
    add(b, CONFIRM, "1", 4, returned, 0);
    add(b, RETURN, "1", 4, returned, RETURNED);
    int64_t cancelled = reserve(b, 6);
    add(b, REFUND, "1", 6, cancelled, CANCELLED);
    int64_t expired = reserve(b, 7);
    b->at_ms += HOUR_MS;
    add(b, REFUND, "1", 7, expired, EXPIRED);
    expect_clean(b);
    assert_int_equal(b->report.pending, 1);
    assert_int_equal(b->report.confirmed, 2);
    assert_int_equal(b->report.refunded, 3);
    assert_int_equal(b->report.moves, 16);
}

static void orders_of_several_lots_are_clean(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add_lot(b, 2, 10);
    int64_t id = add(b, RESERVE, "NULL", 7, 0, 0);
    add_line(b, id, 1, 3);
    add_line(b, id, 2, 4);
    add_line(b, add(b, CONFIRM, "NULL", 5, id, 0), 1, 3);
    add_line(b, b->seq, 2, 2);
    add(b, RELEASE, "2", 2, id, 0);
    add_line(b, add(b, RETURN, "NULL", 5, id, RETURNED), 1, 3);
    add_line(b, b->seq, 2, 2);
    write_snapshot(b);
    expect_clean(b);
}

static void a_snapshot_in_the_middle_of_the_log_is_clean(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 3);
    write_snapshot(b);
    add(b, CONFIRM, "1", 3, id, 0);
    add_lot(b, 2, 5);
    expect_clean(b);
}

static void removed_reservations_are_accounted_for(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 3);
    add(b, CONFIRM, "1", 3, id, 0);
    write_snapshot(b);
    run_sql(b, "DELETE FROM move WHERE seq = %lld OR reservation_id = %lld", (long long)id,
            (long long)id);
    run_sql(b, "INSERT INTO archived VALUES(1, 0, 0, 3, 2)");
    run_sql(b, "INSERT INTO meta VALUES('archived_seq', '%lld')", (long long)id);
    reserve(b, 7);
    expect_clean(b);
}

static void a_removed_reservation_that_was_not_summed_up_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 3);
    add(b, CONFIRM, "1", 3, id, 0);
    write_snapshot(b);
    run_sql(b, "DELETE FROM move WHERE seq = %lld OR reservation_id = %lld", (long long)id,
            (long long)id);
    reserve(b, 7);
    expect_faults(b, VERIFY_STORED, -1);
}

static void a_transaction_under_way_is_not_seen(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    run_sql(b, "BEGIN IMMEDIATE");
    reserve(b, 11);
    expect_clean(b);
    run_sql(b, "COMMIT");
    expect_faults(b, VERIFY_STOCK, -1);
}

/* ---- I1 ---- */

static void an_oversold_lot_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 6);
    int64_t second = reserve(b, 5);
    expect_faults(b, VERIFY_STOCK, -1);
    assert_int_equal(b->report.findings[0].seq, second);
    assert_int_equal(b->report.findings[0].lot_id, 1);
}

static void a_lot_oversold_for_a_moment_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 11);
    add(b, ADJUST, "1", 5, 0, 0);
    write_snapshot(b);
    expect_faults(b, VERIFY_STOCK, -1);
}

static void writing_off_reserved_units_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 8);
    add(b, ADJUST, "1", -3, 0, 0);
    expect_faults(b, VERIFY_STOCK, -1);
}

static void a_wrong_snapshot_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 3);
    write_snapshot(b);
    run_sql(b, "UPDATE stock_snapshot SET reserved = 2");
    expect_faults(b, VERIFY_STORED, -1);
}

static void a_wrong_version_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    write_snapshot(b);
    run_sql(b, "UPDATE stock_snapshot SET version = version + 1");
    expect_faults(b, VERIFY_STORED, -1);
}

static void a_changed_table_of_kinds_is_found(void **state)
{
    struct bench *b = *state;
    run_sql(b, "UPDATE move_kind SET reserved = 0 WHERE kind = 6");
    expect_faults(b, VERIFY_STORED, -1);
}

static void a_lot_under_another_key_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    run_sql(b, "UPDATE lot SET flavor = 'lemon'");
    expect_faults(b, VERIFY_LOT, -1);
}

static void a_lot_without_a_beginning_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 0);
    run_sql(b, "DELETE FROM move");
    expect_faults(b, VERIFY_LOT, -1);
}

static void a_lot_created_twice_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, CREATE, "1", 10, 0, 0);
    expect_faults(b, VERIFY_LOT, -1);
}

/* ---- I2 ---- */

static void a_refund_without_a_reserve_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, REFUND, "1", 1, 12345, CANCELLED);
    expect_faults(b, VERIFY_HISTORY, VERIFY_STOCK, VERIFY_OWNED, -1);
}

static void a_confirm_of_another_move_is_an_orphan(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 1);
    add(b, CONFIRM, "1", 1, b->seq - 1, 0);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
}

static void units_given_back_twice_are_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 5);
    int64_t id = reserve(b, 2);
    add(b, REFUND, "1", 2, id, CANCELLED);
    add(b, REFUND, "1", 2, id, CANCELLED);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
    assert_int_equal(b->report.findings[0].seq, b->seq);
    assert_int_equal(b->report.findings[0].reservation_id, id);
}

static void units_not_all_given_back_are_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 5);
    add(b, REFUND, "1", 4, id, CANCELLED);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
}

static void a_confirm_of_more_than_is_held_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 5);
    int64_t id = reserve(b, 2);
    add(b, CONFIRM, "1", 3, id, 0);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
}

static void units_left_over_and_kept_are_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 5);
    add(b, CONFIRM, "1", 3, id, 0);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
}

static void a_release_without_a_partial_confirm_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 5);
    add(b, RELEASE, "1", 5, id, 0);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
}

static void a_confirm_of_a_refunded_reservation_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 5);
    int64_t id = reserve(b, 5);
    add(b, REFUND, "1", 5, id, CANCELLED);
    add(b, CONFIRM, "1", 5, id, 0);
    expect_faults(b, VERIFY_HISTORY, VERIFY_OWNED, -1);
}

static void an_extend_of_a_confirmed_reservation_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 5);
    add(b, CONFIRM, "1", 5, id, 0);
    add(b, EXTEND, "1", 5, id, 0);
    expect_faults(b, VERIFY_HISTORY, -1);
}

static void a_refund_without_a_reason_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 5);
    add(b, REFUND, "1", 5, id, 0);
    expect_faults(b, VERIFY_HISTORY, -1);
}

static void lines_that_do_not_add_up_are_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add_lot(b, 2, 10);
    int64_t id = add(b, RESERVE, "NULL", 8, 0, 0);
    add_line(b, id, 1, 3);
    add_line(b, id, 2, 4);
    expect_faults(b, VERIFY_LINES, -1);
}

static void a_move_without_its_lines_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, RESERVE, "NULL", 8, 0, 0);
    expect_faults(b, VERIFY_LINES, -1);
}

static void a_line_without_its_move_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add_line(b, 17, 1, 3);
    add_line(b, b->seq + 17, 1, 3);
    run_verify(b);
    assert_int_equal(b->report.faults[VERIFY_LINES], 2);
}

static void a_move_of_a_lot_that_does_not_exist_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, RESERVE, "7", 1, 0, 0);
    expect_faults(b, VERIFY_LINES, -1);
}

static void a_reserve_of_no_units_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 0);
    expect_faults(b, VERIFY_LINES, -1);
}

/* ---- I4 ---- */

static void an_order_reserved_twice_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 1);
    reserve(b, 1);
    run_sql(b, "UPDATE move SET order_id = 'same' WHERE kind = 3");
    expect_faults(b, VERIFY_ORDER, -1);
    assert_int_equal(b->report.findings[0].reservation_id, b->seq);
}

static void an_order_id_may_come_again_after_the_retention_window(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, CONFIRM, "1", 1, reserve(b, 1), 0);
    b->at_ms += WEEK_MS;
    add(b, CONFIRM, "1", 1, reserve(b, 1), 0);
    run_sql(b, "UPDATE move SET order_id = 'same' WHERE kind = 3");
    expect_clean(b);
    assert_int_equal(b->report.notes[VERIFY_ORDER], 1);
    b->config.order_retention_ms = WEEK_MS + 1;
    expect_faults(b, VERIFY_ORDER, -1);
}

static void an_adjustment_applied_twice_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, ADJUST, "1", 5, 0, 0);
    add(b, ADJUST, "1", 5, 0, 0);
    run_sql(b, "UPDATE move SET detail = 'delivery-17' WHERE kind = 2");
    expect_faults(b, VERIFY_ADJUSTMENT, -1);
}

/* ---- I5 ---- */

static void a_confirm_after_the_deadline_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 1);
    b->at_ms += HOUR_MS + 1;
    add(b, CONFIRM, "1", 1, id, 0);
    expect_faults(b, VERIFY_DEADLINE, -1);
}

static void an_expiry_before_the_deadline_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 1);
    b->at_ms += HOUR_MS - 1;
    add(b, REFUND, "1", 1, id, EXPIRED);
    expect_faults(b, VERIFY_DEADLINE, -1);
}

static void an_extended_hold_lives_until_its_new_deadline(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    int64_t id = reserve(b, 1);
    b->at_ms += HOUR_MS;
    add(b, EXTEND, "1", 1, id, 0);
    b->at_ms += HOUR_MS;
    add(b, CONFIRM, "1", 1, id, 0);
    expect_clean(b);
}

static void an_overdue_hold_of_a_stopped_server_is_a_note(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    reserve(b, 1);
    b->config.now_ms = T0 + HOUR_MS + 60000;
    expect_clean(b);
    assert_int_equal(b->report.notes[VERIFY_OVERDUE], 1);
}

static void an_overdue_hold_of_a_running_server_is_found(void **state)
{
    struct bench *b = *state;
    char path[128];
    add_lot(b, 1, 10);
    reserve(b, 1);
    snprintf(path, sizeof(path), "%s/lock", b->dir);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    b->config.now_ms = T0 + HOUR_MS + 5000;
    expect_clean(b);
    b->config.now_ms = T0 + HOUR_MS + 5001;
    expect_faults(b, VERIFY_OVERDUE, -1);
    close(fd);
}

/* ---- the log, the file ---- */

static void a_move_dated_before_the_one_before_it_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    b->at_ms--;
    reserve(b, 1);
    expect_faults(b, VERIFY_LOG, -1);
}

static void a_clock_that_was_set_right_is_noted_and_no_fault(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    b->at_ms -= 60000;
    reserve(b, 1);
    expect_faults(b, -1);
    assert_int_equal(b->report.notes[VERIFY_LOG], 1);
}

static void a_newest_move_that_this_machines_clock_is_days_behind_is_noted(void **state)
{
    struct bench *b = *state;
    b->at_ms = (int64_t)(time(NULL) + 2 * 86400) * 1000;
    add_lot(b, 1, 10);
    expect_faults(b, -1);
    assert_int_equal(b->report.notes[VERIFY_LOG], 1);
}

static void an_unknown_kind_of_move_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, 99, "1", 1, 0, 0);
    expect_faults(b, VERIFY_LOG, -1);
}

static void a_cursor_ahead_of_the_log_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    run_sql(b, "INSERT INTO cursor VALUES('webhooks', %lld)", (long long)b->seq);
    expect_clean(b);
    run_sql(b, "UPDATE cursor SET seq = seq + 1");
    expect_faults(b, VERIFY_LOG, -1);
}

static void a_snapshot_ahead_of_the_log_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    write_snapshot(b);
    run_sql(b, "UPDATE snapshot SET seq = seq + 1");
    expect_faults(b, VERIFY_LOG, -1);
}

static void a_sale_after_the_last_day_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    run_sql(b, "UPDATE lot SET expires_on = date(%lld, 'unixepoch')", (long long)(T0 / 1000));
    reserve(b, 1);
    expect_clean(b);
    run_sql(b, "UPDATE lot SET expires_on = date(%lld, 'unixepoch')",
            (long long)(T0 / 1000 - 86400));
    expect_faults(b, VERIFY_EXPIRED, -1);
}

static void a_damaged_page_is_found(void **state)
{
    struct bench *b = *state;
    char path[128], garbage[4096];
    add_lot(b, 1, 1000);
    for (int i = 0; i < 500; i++)
        reserve(b, 1);
    run_sql(b, "PRAGMA wal_checkpoint(TRUNCATE)");
    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    int fd = open(path, O_WRONLY);
    memset(garbage, 0x5a, sizeof(garbage));
    off_t end = lseek(fd, 0, SEEK_END);
    assert_int_equal(pwrite(fd, garbage, sizeof(garbage), end - 4096), sizeof(garbage));
    close(fd);
    run_verify(b);
    assert_true(b->report.faults[VERIFY_FILE] > 0);
}

static void an_index_that_hides_moves_is_found(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 10);
    add(b, CONFIRM, "1", 1, reserve(b, 1), 0);
    run_sql(b, "DROP INDEX move_reservation");
    run_sql(b, "CREATE INDEX move_reservation ON move(reservation_id) WHERE reservation_id < 5");
    expect_faults(b, VERIFY_FILE, -1);
}

static void a_newer_schema_is_refused(void **state)
{
    struct bench *b = *state;
    struct error e = {0};
    run_sql(b, "UPDATE meta SET value = '99' WHERE key = 'schema_version'");
    assert_int_equal(verify_run(&b->config, &b->report, &e), TLY_EINVALID_ARGUMENT);
}

static void a_folder_without_a_ledger_is_refused(void **state)
{
    struct bench *b = *state;
    struct error e = {0};
    b->config.data = "/tmp";
    assert_int_equal(verify_run(&b->config, &b->report, &e), TLY_EIO);
}

static void all_findings_are_counted_and_the_first_are_kept(void **state)
{
    struct bench *b = *state;
    add_lot(b, 1, 100);
    for (int i = 0; i < 20; i++)
        add(b, EXTEND, "1", 1, 4711, 0);
    b->config.findings_max = 7;
    run_verify(b);
    assert_int_equal(b->report.faults[VERIFY_HISTORY], 20);
    assert_int_equal(b->report.finding_count, 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_empty_ledger_is_clean),
        CASE(every_legal_history_is_clean),
        CASE(orders_of_several_lots_are_clean),
        CASE(a_snapshot_in_the_middle_of_the_log_is_clean),
        CASE(removed_reservations_are_accounted_for),
        CASE(a_removed_reservation_that_was_not_summed_up_is_found),
        CASE(a_transaction_under_way_is_not_seen),
        CASE(an_oversold_lot_is_found),
        CASE(a_lot_oversold_for_a_moment_is_found),
        CASE(writing_off_reserved_units_is_found),
        CASE(a_wrong_snapshot_is_found),
        CASE(a_wrong_version_is_found),
        CASE(a_changed_table_of_kinds_is_found),
        CASE(a_lot_under_another_key_is_found),
        CASE(a_lot_without_a_beginning_is_found),
        CASE(a_lot_created_twice_is_found),
        CASE(a_refund_without_a_reserve_is_found),
        CASE(a_confirm_of_another_move_is_an_orphan),
        CASE(units_given_back_twice_are_found),
        CASE(units_not_all_given_back_are_found),
        CASE(a_confirm_of_more_than_is_held_is_found),
        CASE(units_left_over_and_kept_are_found),
        CASE(a_release_without_a_partial_confirm_is_found),
        CASE(a_confirm_of_a_refunded_reservation_is_found),
        CASE(an_extend_of_a_confirmed_reservation_is_found),
        CASE(a_refund_without_a_reason_is_found),
        CASE(lines_that_do_not_add_up_are_found),
        CASE(a_move_without_its_lines_is_found),
        CASE(a_line_without_its_move_is_found),
        CASE(a_move_of_a_lot_that_does_not_exist_is_found),
        CASE(a_reserve_of_no_units_is_found),
        CASE(an_order_reserved_twice_is_found),
        CASE(an_order_id_may_come_again_after_the_retention_window),
        CASE(an_adjustment_applied_twice_is_found),
        CASE(a_confirm_after_the_deadline_is_found),
        CASE(an_expiry_before_the_deadline_is_found),
        CASE(an_extended_hold_lives_until_its_new_deadline),
        CASE(an_overdue_hold_of_a_stopped_server_is_a_note),
        CASE(an_overdue_hold_of_a_running_server_is_found),
        CASE(a_move_dated_before_the_one_before_it_is_found),
        CASE(a_clock_that_was_set_right_is_noted_and_no_fault),
        CASE(a_newest_move_that_this_machines_clock_is_days_behind_is_noted),
        CASE(an_unknown_kind_of_move_is_found),
        CASE(a_cursor_ahead_of_the_log_is_found),
        CASE(a_snapshot_ahead_of_the_log_is_found),
        CASE(a_sale_after_the_last_day_is_found),
        CASE(a_damaged_page_is_found),
        CASE(an_index_that_hides_moves_is_found),
        CASE(a_newer_schema_is_refused),
        CASE(a_folder_without_a_ledger_is_refused),
        CASE(all_findings_are_counted_and_the_first_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
