/* Ledgers of schema 3 made by hand - after buying, terms of lots, sales, groups - sound ones and
 * ones with one mistake each: verify must find exactly it. */
#include "fixture_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* A move; what is 0 or NULL is left out. */
struct row {
    int kind;
    int64_t quantity;
    int64_t of; /* the reservation */
    int reason;
    int sale;
    int64_t group;
    const char *user;
    const char *note;
    int64_t deadline_ms;
};

static int64_t put(struct bench *b, struct row r)
{
    b->seq++;
    char *sql = sqlite3_mprintf(
        "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id,"
        " reservation_id, reason, sale, group_id, note) VALUES (%lld, %d, iif(%d, 1, NULL), %lld,"
        " %lld, nullif(%lld, 0), iif(%d, 'order-%lld', NULL), %Q, nullif(%lld, 0), nullif(%d, 0),"
        " nullif(%d, 0), nullif(%lld, 0), %Q)",
        b->seq, r.kind, r.kind < FENCE || r.kind == LOT_TERMS, r.quantity, b->at_ms, r.deadline_ms,
        r.kind == RESERVE || r.kind == FENCE, b->seq, r.user, r.of, r.reason, r.sale, r.group,
        r.note);
    char *message = NULL;
    if (sqlite3_exec(b->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_free(sql);
    return b->seq;
}

static int64_t reserve_in(struct bench *b, int sale, int64_t group, const char *user, int64_t units)
{
    return put(b, (struct row){.kind = RESERVE,
                               .quantity = units,
                               .sale = sale,
                               .group = group,
                               .user = user,
                               .deadline_ms = b->at_ms + HOUR_MS});
}

static int64_t reserve(struct bench *b, int64_t units)
{
    return reserve_in(b, 0, 0, "ann", units);
}

static void move(struct bench *b, int kind, int64_t of, int64_t units, int reason)
{
    put(b, (struct row){.kind = kind, .quantity = units, .of = of, .reason = reason});
}

static int64_t confirmed(struct bench *b, int64_t units)
{
    int64_t id = reserve(b, units);
    move(b, CONFIRM, id, units, 0);
    return id;
}

/* Sale 1 sells lot 1 for an hour from T0 on: at most 2 units an order, 3 a user, 6 in all. */
static void add_sale(struct bench *b)
{
    put(b, (struct row){.kind = SALE, .sale = 1});
    run_sql(
        b,
        "INSERT INTO sale VALUES (1, 'flash', '', %lld, %lld, NULL, 3, 2, 6, 0, 0, 2, 60000, NULL,"
        " %lld); INSERT INTO sale_item VALUES (1, 0, 1, NULL)",
        (long long)T0, (long long)(T0 + HOUR_MS), (long long)b->seq);
}

static int64_t open_group(struct bench *b)
{
    put(b, (struct row){
               .kind = GROUP_OPEN, .quantity = 2, .sale = 1, .deadline_ms = b->at_ms + 60000});
    run_sql(b, "UPDATE move SET group_id = seq WHERE seq = %lld", (long long)b->seq);
    return b->seq;
}

static void end_group(struct bench *b, int kind, int64_t group, const char *note)
{
    put(b, (struct row){.kind = kind, .sale = 1, .group = group, .note = note});
}

static int setup(void **state)
{
    struct bench *b = bench_open(3);
    char digest[33];
    b->config.order_retention_ms = 24 * HOUR_MS;
    md5_hex("lime|330ml_can|BATCH-20260101-A", 31, digest);
    run_sql(b,
            "INSERT INTO lot(lot_id, lot_key, sku, flavor, size, batch, created_at_ms)"
            " VALUES(1, 'COLA#%.8s', 'COLA', 'lime', '330ml_can', 'BATCH-20260101-A', %lld)",
            digest, (long long)T0);
    put(b, (struct row){.kind = CREATE, .quantity = 10});
    *state = b;
    return 0;
}

/* Only the named check has a fault; -1: none has. A word of the sentence. */
static void expect(struct bench *b, int check, const char *word)
{
    bool expected[VERIFY_CHECK_COUNT] = {false};
    bool said = check < 0;
    if (check >= 0)
        expected[check] = true;
    b->config.now_ms = b->at_ms + 1;
    run_verify(b);
    for (uint32_t f = 0; f < b->report.finding_count; f++) {
        const struct finding *found = &b->report.findings[f];
        said = said || (!found->note && strstr(found->text, word));
    }
    expect_checks(b, expected);
    assert_true(said);
}

#define SOUND -1, ""

/* A move that is not legal, and so units that no reservation has. */
static void expect_illegal(struct bench *b)
{
    struct error e = {0};
    assert_int_equal(verify_run(&b->config, &b->report, &e), 0);
    assert_int_equal(b->report.faults[VERIFY_HISTORY], 1);
    assert_int_equal(b->report.faults[VERIFY_OWNED], 1);
    assert_int_equal(b->report.fault_count, 2);
}

/* ---- after buying ---- */

static void every_life_after_buying_is_clean(void **state)
{
    struct bench *b = *state;
    int64_t id = confirmed(b, 6);
    move(b, SHIP, id, 2, 0);
    move(b, SHIP, id, 1, 0);
    move(b, RETURN, id, 1, 0);
    move(b, WRITE_OFF, id, 1, 0);
    move(b, RESTOCK, id, 1, 0);
    move(b, DISCARD, id, 1, 0);
    move(b, SHIP, id, 1, 0);
    move(b, RESTOCK, id, 2, RETURNED);
    int64_t changed = reserve(b, 2);
    move(b, CHANGE, changed, 3, 0);
    move(b, CHANGE, changed, -4, 0);
    move(b, CHANGE, changed, 0, 0);
    move(b, CONFIRM, changed, 1, 0);
    int64_t late = reserve(b, 2);
    put(b, (struct row){.kind = FENCE, .reason = CANCELLED});
    b->at_ms += HOUR_MS;
    move(b, REFUND, late, 2, EXPIRED);
    move(b, RECLAIM, late, 2, 0);
    expect(b, SOUND);
    assert_int_equal(b->report.confirmed, 2);
    assert_int_equal(b->report.refunded, 2);
}

static void more_shipped_than_confirmed_is_found(void **state)
{
    struct bench *b = *state;
    int64_t id = confirmed(b, 3);
    confirmed(b, 3);
    move(b, SHIP, id, 2, 0);
    move(b, SHIP, id, 2, 0);
    expect_illegal(b);
    assert_non_null(strstr(b->report.findings[0].text, "SHIP of 2 units of a lot of which 1"));
}

static void a_unit_that_comes_back_twice_is_found(void **state)
{
    struct bench *b = *state;
    int64_t id = confirmed(b, 3);
    move(b, SHIP, id, 2, 0);
    move(b, RESTOCK, id, 1, 0);
    move(b, DISCARD, id, 2, 0);
    expect(b, VERIFY_HISTORY, "DISCARD of 2");
}

static void the_last_unit_back_without_a_reason_is_found(void **state)
{
    struct bench *b = *state;
    move(b, RETURN, confirmed(b, 3), 3, 0);
    expect(b, VERIFY_HISTORY, "has no reason");
}

static void a_partial_return_with_a_reason_is_found(void **state)
{
    struct bench *b = *state;
    move(b, RETURN, confirmed(b, 3), 2, RETURNED);
    expect(b, VERIFY_HISTORY, "units are left");
}

static void shipping_what_is_pending_is_found(void **state)
{
    struct bench *b = *state;
    confirmed(b, 2);
    move(b, SHIP, reserve(b, 2), 2, 0);
    expect_illegal(b);
}

static void a_change_after_the_deadline_is_found(void **state)
{
    struct bench *b = *state;
    int64_t id = reserve(b, 2);
    b->at_ms += HOUR_MS + 1;
    move(b, CHANGE, id, 1, 0);
    expect(b, VERIFY_DEADLINE, "CHANGE comes 1 ms");
}

static void a_reclaim_of_what_was_cancelled_is_found(void **state)
{
    struct bench *b = *state;
    int64_t id = reserve(b, 2);
    move(b, REFUND, id, 2, CANCELLED);
    move(b, RECLAIM, id, 2, 0);
    expect_illegal(b);
}

static void units_on_backorder_are_clean_down_to_the_limit_of_the_time(void **state)
{
    struct bench *b = *state;
    run_sql(b, "UPDATE lot SET backorder_limit_most = 3");
    put(b, (struct row){.kind = LOT_TERMS, .quantity = 3});
    reserve(b, 10);
    reserve(b, 3);
    put(b, (struct row){.kind = LOT_TERMS, .quantity = 1});
    put(b, (struct row){.kind = ADJUST, .quantity = 1});
    expect(b, SOUND);
    reserve(b, 1);
    expect(b, VERIFY_STOCK, "available -3");
}

static void units_on_backorder_before_there_was_a_limit_are_found(void **state)
{
    struct bench *b = *state;
    run_sql(b, "UPDATE lot SET backorder_limit_most = 3");
    reserve(b, 11);
    put(b, (struct row){.kind = LOT_TERMS, .quantity = 3});
    expect(b, VERIFY_STOCK, "available -1");
}

/* ---- lots' limits per user ---- */

static void limit_lot(struct bench *b, int units)
{
    run_sql(b, "UPDATE lot SET per_user_limit = %d", units);
    put(b, (struct row){.kind = LOT_TERMS});
}

static void users_within_a_lots_limit_are_clean(void **state)
{
    struct bench *b = *state;
    reserve(b, 2); /* before there was one */
    limit_lot(b, 2);
    int64_t id = confirmed(b, 2);
    move(b, RETURN, id, 1, 0);
    int64_t changed = reserve(b, 1);
    move(b, REFUND, changed, 1, CANCELLED);
    reserve(b, 1);
    b->at_ms += b->config.order_retention_ms + 1;
    b->seq += (b->config.order_retention_ms + 1) << 22;
    reserve_in(b, 0, 0, "bob", 2);
    expect(b, SOUND);
}

static void what_is_older_than_the_window_does_not_count(void **state)
{
    struct bench *b = *state;
    limit_lot(b, 2);
    confirmed(b, 2);
    b->at_ms += b->config.order_retention_ms - 1;
    b->seq += (b->config.order_retention_ms - 1) << 22;
    int64_t early = b->seq;
    b->at_ms += 2;
    b->seq += INT64_C(2) << 22;
    reserve(b, 2);
    expect(b, SOUND);
    run_sql(b, "UPDATE move SET at_ms = at_ms - 2, seq = %lld WHERE seq = %lld", (long long)early,
            (long long)b->seq);
    expect(b, VERIFY_LIMIT, "user ann has 4 units");
}

static void a_user_over_a_lots_limit_for_a_moment_is_found(void **state)
{
    struct bench *b = *state;
    limit_lot(b, 2);
    int64_t id = reserve(b, 1);
    move(b, CHANGE, id, 2, 0);
    move(b, REFUND, id, 3, CANCELLED);
    expect(b, VERIFY_LIMIT, "user ann has 3 units of lot COLA#");
}

static void units_of_a_sale_do_not_count_towards_a_lots_limit(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    limit_lot(b, 2);
    reserve_in(b, 1, 0, "ann", 2);
    reserve(b, 2);
    expect(b, SOUND);
}

/* ---- sales ---- */

static void a_sale_that_kept_all_is_clean(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t id = reserve_in(b, 1, 0, "ann", 2);
    reserve_in(b, 1, 0, "ann", 1);
    move(b, REFUND, id, 2, CANCELLED);
    reserve_in(b, 1, 0, "ann", 2);
    reserve_in(b, 1, 0, "bob", 2);
    reserve_in(b, 1, 0, "cat", 1);
    expect(b, SOUND);
}

static void a_user_over_the_limit_for_a_moment_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t id = reserve_in(b, 1, 0, "ann", 2);
    reserve_in(b, 1, 0, "ann", 2);
    move(b, REFUND, id, 2, CANCELLED);
    expect(b, VERIFY_SALE, "user ann has 4 units");
}

static void a_limit_that_was_changed_later_is_noted_and_no_fault(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    reserve_in(b, 1, 0, "ann", 2);
    put(b, (struct row){.kind = SALE, .sale = 1});
    run_sql(b, "UPDATE sale SET per_user_limit = 1");
    expect(b, SOUND);
    assert_int_equal(b->report.notes[VERIFY_SALE], 1);
}

static void a_sale_that_was_only_closed_was_not_changed(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    reserve_in(b, 1, 0, "ann", 3);
    b->at_ms++;
    put(b, (struct row){.kind = SALE, .sale = 1, .note = "changed our mind"});
    run_sql(b, "UPDATE sale SET closed_at_ms = %lld", (long long)b->at_ms);
    expect(b, VERIFY_SALE, "an order of 3 units");
}

static void an_order_over_the_limit_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    reserve_in(b, 1, 0, "ann", 3);
    expect(b, VERIFY_SALE, "an order of 3 units");
}

static void a_share_that_is_exceeded_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    const char *const users[] = {"ann", "bob", "cat", "dan"};
    for (int i = 0; i < 4; i++)
        reserve_in(b, 1, 0, users[i], 2);
    expect(b, VERIFY_SALE, "has 8 units of a share of 6");
}

static void an_order_before_the_beginning_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    run_sql(b, "UPDATE sale SET starts_at_ms = starts_at_ms + 5");
    reserve_in(b, 1, 0, "ann", 1);
    expect(b, VERIFY_SALE, "reserved 5 ms before");
}

static void an_order_at_the_end_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    b->at_ms = T0 + HOUR_MS;
    reserve_in(b, 1, 0, "ann", 1);
    expect(b, VERIFY_SALE, "ended");
}

static void a_lot_that_is_not_in_the_sale_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    run_sql(b, "UPDATE sale_item SET lot_id = NULL, sku = 'TEA'");
    reserve_in(b, 1, 0, "ann", 1);
    expect(b, VERIFY_SALE, "does not sell this lot");
}

static void a_sale_that_is_not_there_is_found(void **state)
{
    struct bench *b = *state;
    reserve_in(b, 7, 0, "ann", 1);
    expect(b, VERIFY_SALE, "sale number 7");
}

/* ---- groups ---- */

static void groups_that_succeed_and_fail_are_clean(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t good = open_group(b);
    int64_t a = reserve_in(b, 1, good, "ann", 1), c = reserve_in(b, 1, good, "cat", 1);
    move(b, CONFIRM, a, 1, 0);
    move(b, REFUND, c, 1, CANCELLED);
    int64_t d = reserve_in(b, 1, good, "dan", 1);
    move(b, CONFIRM, d, 1, 0);
    end_group(b, GROUP_SUCCEED, good, NULL);
    int64_t bad = open_group(b);
    int64_t e = reserve_in(b, 1, bad, "eve", 1), f = reserve_in(b, 1, bad, "fay", 1);
    move(b, CONFIRM, e, 1, 0);
    b->at_ms += 60000;
    end_group(b, GROUP_FAIL, bad, NULL);
    move(b, RETURN, e, 1, GROUP_FAILED);
    move(b, REFUND, f, 1, GROUP_FAILED);
    expect(b, SOUND);
}

/* No server ran when the window ended, nor at the deadline an hour later. */
static void a_group_that_fails_at_a_late_start_is_clean(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    int64_t id = reserve_in(b, 1, group, "ann", 1);
    b->at_ms += 2 * HOUR_MS;
    end_group(b, GROUP_FAIL, group, NULL);
    move(b, REFUND, id, 1, GROUP_FAILED);
    expect(b, SOUND);
    assert_int_equal(b->report.late_max_ms, HOUR_MS);
}

/* Retention removed the row that opened it, and the member's, who did something last week, is left.
 */
static void a_group_that_was_removed_before_its_member_is_not_missed(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    move(b, CONFIRM, reserve_in(b, 1, group, "ann", 1), 1, 0);
    end_group(b, GROUP_SUCCEED, group, "completed");
    run_sql(b, "DELETE FROM move WHERE seq = %lld", (long long)group);
    expect(b, VERIFY_GROUP, "which is not there");
    write_snapshot(b);
    run_sql(b, "INSERT OR REPLACE INTO meta VALUES ('archived_seq', '%lld')", (long long)group);
    expect(b, SOUND);
}

static void a_failed_group_with_a_member_that_paid_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    move(b, CONFIRM, reserve_in(b, 1, group, "ann", 1), 1, 0);
    b->at_ms += 60000;
    end_group(b, GROUP_FAIL, group, NULL);
    expect(b, VERIFY_GROUP, "a member of it is not refunded");
}

static void a_group_that_succeeds_without_enough_payments_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    move(b, CONFIRM, reserve_in(b, 1, group, "ann", 1), 1, 0);
    reserve_in(b, 1, group, "bob", 1);
    end_group(b, GROUP_SUCCEED, group, NULL);
    expect(b, VERIFY_GROUP, "succeeded with 1 members");
}

static void a_group_that_the_shop_completes_is_clean(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    move(b, CONFIRM, reserve_in(b, 1, group, "ann", 1), 1, 0);
    end_group(b, GROUP_SUCCEED, group, "topped up");
    expect(b, SOUND);
}

static void a_group_with_more_members_than_places_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    reserve_in(b, 1, group, "ann", 1);
    reserve_in(b, 1, group, "bob", 1);
    reserve_in(b, 1, group, "cat", 1);
    expect(b, VERIFY_GROUP, "of 2 places has 3 members");
}

static void a_user_with_two_places_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    reserve_in(b, 1, group, "ann", 1);
    reserve_in(b, 1, group, "ann", 1);
    expect(b, VERIFY_GROUP, "user ann has 2 places");
}

static void joining_a_group_that_is_over_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t group = open_group(b);
    b->at_ms += 60000;
    end_group(b, GROUP_FAIL, group, NULL);
    reserve_in(b, 1, group, "ann", 1);
    struct error e = {0};
    b->config.now_ms = b->at_ms;
    assert_int_equal(verify_run(&b->config, &b->report, &e), 0);
    assert_int_equal(b->report.faults[VERIFY_GROUP], 2); /* and it is not refunded */
}

static void a_group_that_fails_early_or_twice_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    end_group(b, GROUP_FAIL, open_group(b), NULL);
    expect(b, VERIFY_GROUP, "60000 ms before its end");
    b->at_ms += 60000;
    int64_t group = open_group(b);
    b->at_ms += 60000;
    end_group(b, GROUP_FAIL, group, NULL);
    end_group(b, GROUP_FAIL, group, NULL);
    expect(b, VERIFY_GROUP, "ends 2 times");
}

static void a_member_that_is_refunded_alone_for_its_group_is_found(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    int64_t id = reserve_in(b, 1, open_group(b), "ann", 1);
    move(b, REFUND, id, 1, GROUP_FAILED);
    expect(b, VERIFY_GROUP, "did not fail at that moment");
}

static void a_group_past_its_end_is_noted_where_no_server_runs(void **state)
{
    struct bench *b = *state;
    add_sale(b);
    open_group(b);
    b->at_ms += 60001;
    expect(b, SOUND);
    assert_int_equal(b->report.notes[VERIFY_OVERDUE], 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, bench_close)
    const struct CMUnitTest tests[] = {
        CASE(every_life_after_buying_is_clean),
        CASE(more_shipped_than_confirmed_is_found),
        CASE(a_unit_that_comes_back_twice_is_found),
        CASE(the_last_unit_back_without_a_reason_is_found),
        CASE(a_partial_return_with_a_reason_is_found),
        CASE(shipping_what_is_pending_is_found),
        CASE(a_change_after_the_deadline_is_found),
        CASE(a_reclaim_of_what_was_cancelled_is_found),
        CASE(units_on_backorder_are_clean_down_to_the_limit_of_the_time),
        CASE(units_on_backorder_before_there_was_a_limit_are_found),
        CASE(users_within_a_lots_limit_are_clean),
        CASE(what_is_older_than_the_window_does_not_count),
        CASE(a_user_over_a_lots_limit_for_a_moment_is_found),
        CASE(units_of_a_sale_do_not_count_towards_a_lots_limit),
        CASE(a_sale_that_kept_all_is_clean),
        CASE(a_user_over_the_limit_for_a_moment_is_found),
        CASE(a_limit_that_was_changed_later_is_noted_and_no_fault),
        CASE(a_sale_that_was_only_closed_was_not_changed),
        CASE(an_order_over_the_limit_is_found),
        CASE(a_share_that_is_exceeded_is_found),
        CASE(an_order_before_the_beginning_is_found),
        CASE(an_order_at_the_end_is_found),
        CASE(a_lot_that_is_not_in_the_sale_is_found),
        CASE(a_sale_that_is_not_there_is_found),
        CASE(groups_that_succeed_and_fail_are_clean),
        CASE(a_group_that_fails_at_a_late_start_is_clean),
        CASE(a_group_that_was_removed_before_its_member_is_not_missed),
        CASE(a_failed_group_with_a_member_that_paid_is_found),
        CASE(a_group_that_succeeds_without_enough_payments_is_found),
        CASE(a_group_that_the_shop_completes_is_clean),
        CASE(a_group_with_more_members_than_places_is_found),
        CASE(a_user_with_two_places_is_found),
        CASE(joining_a_group_that_is_over_is_found),
        CASE(a_group_that_fails_early_or_twice_is_found),
        CASE(a_member_that_is_refunded_alone_for_its_group_is_found),
        CASE(a_group_past_its_end_is_noted_where_no_server_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
