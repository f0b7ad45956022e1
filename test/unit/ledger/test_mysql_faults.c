/* needs: mariadb */
/* The shared ledger where its database, or the way to it, fails; and where two nodes meet. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_rig_mysql.h"
#include "servers.h"

/* Two rigs on one database: what two nodes are. `b` is opened by the tests that want it. */
struct nodes {
    struct rig a, b;
    bool two;
};

static int set_up(void **state)
{
    struct nodes *n = calloc(1, sizeof *n);
    assert_non_null(n);
    rig_open(&n->a, &rig_mysql);
    rig_create(&n->a, 10);
    rig_create(&n->a, 10);
    assert_int_equal(rig_commit(&n->a), LEDGER_COMMITTED);
    *state = n;
    return 0;
}

static int set_up_patient(void **state)
{
    rig_mysql_lock_wait_s = PATIENCE_MS / 1000;
    int rc = set_up(state);
    rig_mysql_lock_wait_s = 1;
    return rc;
}

static struct rig *second(struct nodes *n)
{
    n->b.factory = &rig_mysql;
    memcpy(n->b.dir, n->a.dir, sizeof n->b.dir);
    n->b.now_ms = n->a.now_ms;
    rig_open_as_set(&n->b);
    n->two = true;
    return &n->b;
}

static int tear_down(void **state)
{
    struct nodes *n = *state;
    if (n->two)
        rig_stop(&n->b);
    rig_close(&n->a);
    if (n->two) {
        tcp_cut_stop(n->b.extra);
        n->b.extra = NULL;
        n->b.dir[0] = 0; /* the database was a's */
        free(n->b.open.at);
        free(n->b.told.at);
        free(n->b.loaded.at);
        free(n->b.loaded_lots.at);
        free(n->b.flat);
    }
    free(n);
    return 0;
}

static int64_t number_of(struct rig *rig, const char *sql)
{
    MYSQL *m = rig_mysql_connect(rig);
    int64_t number = rig_mysql_number(m, sql);
    mysql_close(m);
    return number;
}

/* Every unit is somewhere, and the rows of stock are what the moves say. */
static void all_units_are_accounted(struct rig *rig, int64_t reserved)
{
    assert_int_equal(number_of(rig, "SELECT sum(reserved) FROM stock"), reserved);
    assert_int_equal(number_of(rig, "SELECT ifnull(sum(m.quantity * k.reserved), 0) FROM move AS m"
                                    " JOIN move_kind AS k ON k.kind = m.kind"),
                     reserved);
    assert_int_equal(number_of(rig, "SELECT count(*) FROM pending AS p WHERE NOT EXISTS (SELECT 1"
                                    " FROM reservation AS r WHERE r.reservation_id ="
                                    " p.reservation_id AND r.status = 'PENDING')"),
                     0);
}

/* A load of lot 1, and of an order that is new, as the engine asks for a Reserve. */
static void ask_for_lot(struct rig *rig, uint32_t attempt)
{
    rig->load_key = (struct load_key){.kind = LOAD_LOT, .text = STR("cola#00000001")};
    rig->load = (struct load){.keys = &rig->load_key,
                              .key_count = 1,
                              .writes = true,
                              .attempt = attempt,
                              .due_max = 10,
                              .now_ms = rig->now_ms};
    rig->ledger->ops->load(rig->ledger, &rig->load);
}

static int load_lot(struct rig *rig, uint32_t attempt)
{
    int before = rig_load_count(rig);
    ask_for_lot(rig, attempt);
    AWAIT(rig_load_count(rig) > before);
    rig->load_held = rig->load.code == 0;
    if (rig->load_held && rig->load.seq_floor > rig->seq)
        rig->seq = rig->load.seq_floor;
    return rig->load.code;
}

static enum ledger_outcome reserve(struct rig *rig, const char *order_id, uint32_t attempt)
{
    assert_int_equal(load_lot(rig, attempt), 0);
    rig_reserve(rig, 1, 1, order_id);
    return rig_commit(rig);
}

static void kill_connections_of(struct rig *rig)
{
    MYSQL *m = rig_mysql_connect(rig);
    char sql[64];
    int64_t id;
    while ((id = rig_mysql_number(m, "SELECT id FROM information_schema.processlist WHERE db ="
                                     " DATABASE() AND id <> CONNECTION_ID() LIMIT 1"))) {
        snprintf(sql, sizeof sql, "KILL CONNECTION %lld", (long long)id);
        mysql_query(m, sql); /* it may be gone by now */
        pause_ms(1);
    }
    mysql_close(m);
}

/* ---- lost connections ---- */

static void a_connection_that_was_killed_while_nothing_went_on_is_not_missed(void **state)
{
    struct nodes *n = *state;
    kill_connections_of(&n->a);
    assert_int_equal(reserve(&n->a, "next", 1), LEDGER_COMMITTED);
    all_units_are_accounted(&n->a, 1);
}

static void killed_under_a_load_the_batch_is_not_there(void **state)
{
    struct nodes *n = *state;
    assert_int_equal(load_lot(&n->a, 1), 0);
    rig_reserve(&n->a, 1, 1, "lost");
    kill_connections_of(&n->a);
    assert_int_equal(rig_commit(&n->a), LEDGER_UNKNOWN);
    assert_int_equal(rig_outcome(&n->a, 1), LEDGER_REJECTED);
    rig_settle(&n->a);
    assert_true(rig_wait_available(&n->a, true));
    all_units_are_accounted(&n->a, 0);
    assert_int_equal(reserve(&n->a, "lost", 1), LEDGER_COMMITTED);
}

static void a_commit_that_never_left_is_found_not_to_be_there(void **state)
{
    struct nodes *n = *state;
    assert_int_equal(load_lot(&n->a, 1), 0);
    rig_reserve(&n->a, 1, 1, "never");
    tcp_cut_set(n->a.extra, TCP_CUT_BEFORE, "COMMIT");
    assert_int_equal(rig_commit(&n->a), LEDGER_UNKNOWN);
    tcp_cut_set(n->a.extra, TCP_CUT_NEVER, "");
    assert_int_equal(rig_outcome(&n->a, 1), LEDGER_REJECTED);
    rig_settle(&n->a);
    all_units_are_accounted(&n->a, 0);
}

static void a_commit_whose_answer_was_lost_is_found_to_be_there(void **state)
{
    struct nodes *n = *state;
    assert_int_equal(load_lot(&n->a, 1), 0);
    rig_reserve(&n->a, 1, 1, "answer-lost");
    tcp_cut_set(n->a.extra, TCP_CUT_MUTE, "COMMIT");
    rig_submit(&n->a);
    AWAIT(number_of(&n->a, "SELECT count(*) FROM move WHERE order_id = 'answer-lost'") == 1);
    tcp_cut_now(n->a.extra);
    assert_int_equal(rig_outcome(&n->a, 0), LEDGER_UNKNOWN);
    assert_true(rig_wait_available(&n->a, false));
    tcp_cut_set(n->a.extra, TCP_CUT_NEVER, "");
    assert_int_equal(rig_outcome(&n->a, 1), LEDGER_COMMITTED);
    rig_settle(&n->a);
    assert_true(rig_wait_available(&n->a, true));
    all_units_are_accounted(&n->a, 1);
    assert_int_equal(reserve(&n->a, "next", 0), LEDGER_COMMITTED);
}

/* ---- locks of others ---- */

static void a_lock_that_is_not_given_back_makes_a_load_overloaded(void **state)
{
    struct nodes *n = *state;
    MYSQL *other = rig_mysql_connect(&n->a);
    rig_mysql_do(other, "START TRANSACTION; SELECT * FROM stock WHERE lot_id = 1 FOR UPDATE");
    assert_int_equal(load_lot(&n->a, 1), TLY_EOVERLOADED);
    rig_mysql_do(other, "ROLLBACK");
    mysql_close(other);
    assert_int_equal(reserve(&n->a, "later", 1), LEDGER_COMMITTED);
}

/* The database shows its transactions as they were until nobody has looked for a tenth of a second.
 */
static bool somebody_waits(MYSQL *look)
{
    pause_ms(150);
    return rig_mysql_number(look, "SELECT count(*) FROM information_schema.innodb_trx"
                                  " WHERE trx_state = 'LOCK WAIT'") > 0;
}

static void a_deadlock_with_another_session_is_tried_again(void **state)
{
    struct nodes *n = *state;
    MYSQL *other = rig_mysql_connect(&n->a), *look = rig_mysql_connect(&n->a);
    int before = rig_load_count(&n->a);
    rig_mysql_do(other, "START TRANSACTION; SELECT * FROM stock WHERE lot_id = 2 FOR UPDATE;"
                        "UPDATE stock SET last_seq = last_seq WHERE lot_id = 2");
    n->a.load_key = (struct load_key){.kind = LOAD_LOTS, .limit = 10};
    n->a.load = (struct load){.keys = &n->a.load_key,
                              .key_count = 1,
                              .writes = true,
                              .attempt = 1,
                              .now_ms = n->a.now_ms};
    n->a.ledger->ops->load(n->a.ledger, &n->a.load);
    AWAIT(somebody_waits(look));
    mysql_query(other, "SELECT * FROM stock WHERE lot_id = 1 FOR UPDATE"); /* one of them loses */
    mysql_free_result(mysql_store_result(other));
    mysql_query(other, "ROLLBACK");
    AWAIT(rig_load_count(&n->a) > before);
    assert_int_equal(n->a.load.code, 0);
    n->a.load_held = true;
    rig_release(&n->a);
    mysql_close(other);
    mysql_close(look);
}

/* ---- two nodes ---- */

static void what_was_assumed_and_is_not_so_is_stale_and_then_decided_on_the_truth(void **state)
{
    struct nodes *n = *state;
    struct rig *b = second(n);
    assert_int_equal(reserve(&n->a, "a-1", 1), LEDGER_COMMITTED);
    assert_int_equal(load_lot(&n->a, 0), 0);
    assert_true(n->a.load.assumed);
    assert_int_equal(n->a.load.lots[0].stock.reserved, 1);
    assert_int_equal(reserve(b, "b-1", 1), LEDGER_COMMITTED);
    rig_reserve(&n->a, 1, 1, "a-2");
    assert_int_equal(rig_commit(&n->a), LEDGER_STALE);
    all_units_are_accounted(&n->a, 2);
    assert_int_equal(load_lot(&n->a, 1), 0);
    assert_false(n->a.load.assumed);
    assert_int_equal(n->a.load.lots[0].stock.reserved, 2);
    rig_reserve(&n->a, 1, 1, "a-2");
    assert_int_equal(rig_commit(&n->a), LEDGER_COMMITTED);
    all_units_are_accounted(&n->a, 3);
}

static void an_order_id_that_another_node_took_is_stale_and_then_found(void **state)
{
    struct nodes *n = *state;
    struct rig *b = second(n);
    assert_int_equal(reserve(&n->a, "mine", 1), LEDGER_COMMITTED);
    assert_int_equal(reserve(b, "same", 1), LEDGER_COMMITTED);
    assert_int_equal(load_lot(&n->a, 1), 0);
    rig_reserve(&n->a, 1, 1, "same");
    assert_int_equal(rig_commit(&n->a), LEDGER_STALE);
    int before = rig_load_count(&n->a);
    n->a.load_key = (struct load_key){.kind = LOAD_ORDER, .text = STR("same")};
    n->a.load = (struct load){.keys = &n->a.load_key,
                              .key_count = 1,
                              .writes = true,
                              .attempt = 1,
                              .now_ms = n->a.now_ms};
    n->a.ledger->ops->load(n->a.ledger, &n->a.load);
    AWAIT(rig_load_count(&n->a) > before);
    assert_int_equal(n->a.load.code, 0);
    assert_int_equal(n->a.load.record_count, 1);
    assert_true(str_equal(n->a.load.records[0]->order_id, STR("same")));
    assert_int_equal(n->a.load.lot_count, 1); /* the lot that it holds came with it */
    n->a.load_held = true;
    rig_release(&n->a);
    all_units_are_accounted(&n->a, 2);
}

static void two_lanes_sell_one_lot_to_the_last_unit(void **state)
{
    struct nodes *n = *state;
    struct rig *rigs[2] = {&n->a, second(n)};
    char order[24];
    int sold = 0, stale = 0;
    uint32_t attempts[2] = {0, 0};
    for (int i = 0; sold < 10; i++) {
        struct rig *rig = rigs[i % 2];
        snprintf(order, sizeof order, "%d-%d", i % 2, sold);
        enum ledger_outcome outcome = reserve(rig, order, attempts[i % 2]);
        assert_true(outcome == LEDGER_COMMITTED || outcome == LEDGER_STALE);
        attempts[i % 2] = outcome == LEDGER_STALE;
        stale += outcome == LEDGER_STALE;
        sold += outcome == LEDGER_COMMITTED;
        assert_in_range(i, 0, 100);
    }
    assert_in_range(stale, 1, 10); /* each trusts what it knew last, and the other has sold since */
    all_units_are_accounted(&n->a, 10);
    assert_int_equal(number_of(&n->a, "SELECT available FROM stock WHERE lot_id = 1"), 0);
    assert_int_equal(load_lot(&n->a, 1), 0);
    rig_reserve(&n->a, 1, 1, "one-too-many");
    assert_int_equal(rig_commit(&n->a), LEDGER_REJECTED);
    assert_true(n->a.writable);
    all_units_are_accounted(&n->a, 10);
}

static void holds_that_are_due_come_to_whoever_looks_first(void **state)
{
    struct nodes *n = *state;
    assert_int_equal(reserve(&n->a, "due", 1), LEDGER_COMMITTED);
    struct rig *b = second(n);
    b->now_ms = n->a.now_ms + 900000;
    int before = rig_load_count(b);
    b->load = (struct load){.writes = true, .due_max = 10, .now_ms = b->now_ms};
    b->ledger->ops->load(b->ledger, &b->load);
    AWAIT(rig_load_count(b) > before);
    assert_int_equal(b->load.code, 0);
    assert_int_equal(b->load.record_count, 1);
    assert_true(str_equal(b->load.records[0]->order_id, STR("due")));
    assert_int_equal(b->load.lot_count, 1);
    /* and not to another one meanwhile: it knows that there is something, and goes on */
    n->a.now_ms = b->now_ms;
    before = rig_load_count(&n->a);
    n->a.load = (struct load){.writes = true, .due_max = 10, .now_ms = n->a.now_ms};
    n->a.ledger->ops->load(n->a.ledger, &n->a.load);
    AWAIT(rig_load_count(&n->a) > before);
    assert_int_equal(n->a.load.code, 0);
    assert_int_equal(n->a.load.record_count, 0);
    assert_true(n->a.load.next_deadline_ms <= n->a.now_ms);
    n->a.load_held = b->load_held = true;
    rig_release(&n->a);
    rig_release(b);
}

static void readers_of_the_log_wait_for_no_lane_that_is_idle(void **state)
{
    struct nodes *n = *state;
    struct rig *b = second(n);
    for (int i = 0; i < 3; i++) {
        char order[16];
        snprintf(order, sizeof order, "b-%d", i);
        assert_int_equal(reserve(b, order, 1), LEDGER_COMMITTED);
    }
    assert_int_equal(n->a.ledger->ops->log_end(n->a.ledger), b->seq);
    /* What is written after that is above it, whoever writes. */
    assert_int_equal(reserve(&n->a, "a", 1), LEDGER_COMMITTED);
    assert_true(n->a.seq > b->seq);
}

static void a_batch_that_was_numbered_below_what_readers_have_read_is_stale(void **state)
{
    struct nodes *n = *state;
    struct rig *b = second(n);
    assert_int_equal(reserve(&n->a, "a-1", 1), LEDGER_COMMITTED);
    assert_int_equal(load_lot(&n->a, 0), 0);
    assert_true(n->a.load.assumed); /* so its lane's row is not locked */
    rig_reserve(&n->a, 1, 1, "a-2");
    rig_create(b, 1);
    assert_int_equal(rig_commit(b), LEDGER_COMMITTED);
    b->seq += 1000000000;
    rig_create(b, 1);
    assert_int_equal(rig_commit(b), LEDGER_COMMITTED);
    assert_int_equal(b->ledger->ops->log_end(b->ledger), b->seq);
    assert_int_equal(rig_commit(&n->a), LEDGER_STALE);
    assert_int_equal(load_lot(&n->a, 1), 0);
    assert_true(n->a.load.seq_floor >= b->seq);
}

/* ---- what is refused at the start ---- */

static void commits_that_a_power_cut_undoes_are_refused(void **state)
{
    (void)state;
    struct rig rig = {.factory = &rig_mysql};
    struct error e = {0};
    server_url("TALLY_TEST_MYSQL_ADMIN");
    rig_new_folder(rig.dir);
    rig_mysql_strict = true;
    MYSQL *admin = rig_mysql_admin();
    rig_mysql_do(admin, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    int rc = rig_try_open(&rig, &e);
    rig_mysql_do(admin, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    rig_mysql_strict = false;
    mysql_close(admin);
    assert_int_equal(rc, TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(e.text, "innodb_flush_log_at_trx_commit = 2"));
    rig.factory->forget(&rig);
    rig_remove_folder(rig.dir);
}

#define WITH_LOTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOTS(a_connection_that_was_killed_while_nothing_went_on_is_not_missed),
        WITH_LOTS(killed_under_a_load_the_batch_is_not_there),
        WITH_LOTS(a_commit_that_never_left_is_found_not_to_be_there),
        WITH_LOTS(a_commit_whose_answer_was_lost_is_found_to_be_there),
        WITH_LOTS(a_lock_that_is_not_given_back_makes_a_load_overloaded),
        cmocka_unit_test_setup_teardown(a_deadlock_with_another_session_is_tried_again,
                                        set_up_patient, tear_down),
        WITH_LOTS(what_was_assumed_and_is_not_so_is_stale_and_then_decided_on_the_truth),
        WITH_LOTS(an_order_id_that_another_node_took_is_stale_and_then_found),
        WITH_LOTS(two_lanes_sell_one_lot_to_the_last_unit),
        WITH_LOTS(holds_that_are_due_come_to_whoever_looks_first),
        WITH_LOTS(readers_of_the_log_wait_for_no_lane_that_is_idle),
        WITH_LOTS(a_batch_that_was_numbered_below_what_readers_have_read_is_stale),
        cmocka_unit_test(commits_that_a_power_cut_undoes_are_refused),
    };
    server_url("TALLY_TEST_MYSQL");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
