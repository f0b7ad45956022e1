/* The file as a whole: schema and its versions, backup, checkpoints, snapshots of many lots. */
#include "fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/ledger_sqlite.h"
#include "ledger/schema.h"
#include "ledger_rig.h"

static void run_sql(const char *dir, const char *sql)
{
    char path[512];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/ledger.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t ask(const char *dir, const char *sql)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *query;
    snprintf(path, sizeof path, "%s/ledger.db", dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return value;
}

static void open_rig(struct rig *rig)
{
    *rig = (struct rig){.factory = &rig_sqlite, .vfs = "unix"};
    rig_open_as_set(rig);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct rig rig;
    struct error e = {0};
    (void)state;
    open_rig(&rig);
    rig_stop(&rig);
    run_sql(rig.dir, "UPDATE meta SET value = '99' WHERE key = 'schema_version'");
    assert_int_equal(rig_try_open(&rig, &e), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(e.text, "version 99"));
    assert_int_equal(ask(rig.dir, "SELECT value FROM meta WHERE key = 'schema_version'"), 99);
    rig_close(&rig);
}

static void a_file_that_is_no_ledger_is_refused(void **state)
{
    struct rig rig;
    struct error e = {0};
    char path[512];
    (void)state;
    open_rig(&rig);
    rig_stop(&rig);
    snprintf(path, sizeof path, "%s/ledger.db", rig.dir);
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", file);
    fclose(file);
    assert_int_equal(rig_try_open(&rig, &e), TLY_ECORRUPT);
    rig_close(&rig);
}

static void the_effect_table_in_sql_is_that_of_the_engine(void **state)
{
    struct rig rig;
    char sql[256];
    (void)state;
    open_rig(&rig);
#define X(name, number, on_hand_, reserved_, confirmed_)                                           \
    snprintf(sql, sizeof sql,                                                                      \
             "SELECT count(*) FROM move_kind WHERE kind = %d AND name = '%s' AND on_hand = %d"     \
             " AND reserved = %d AND confirmed = %d",                                              \
             number, #name, on_hand_, reserved_, confirmed_);                                      \
    assert_int_equal(ask(rig.dir, sql), 1);
    MOVE_KINDS(X)
#undef X
#define X(name, number)                                                                            \
    snprintf(sql, sizeof sql,                                                                      \
             "SELECT count(*) FROM refund_reason WHERE reason = %d AND name = '%s'", number,       \
             #name);                                                                               \
    assert_int_equal(ask(rig.dir, sql), (number) ? 1 : 0);
    REFUND_REASONS(X)
#undef X
    rig_close(&rig);
}

static void the_view_reservation_says_what_the_moves_say(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig);
    rig_create(&rig, 100);
    int64_t a = rig_reserve(&rig, 1, 5, "a");
    int64_t b = rig_reserve(&rig, 1, 6, "b");
    int64_t c = rig_reserve(&rig, 1, 7, "c");
    rig_step(&rig, MOVE_EXTEND, a, 1, 5);
    rig_step(&rig, MOVE_CONFIRM, b, 1, 2);
    rig_step(&rig, MOVE_RELEASE, b, 1, 4);
    rig_step(&rig, MOVE_REFUND, c, 1, 7);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    assert_int_equal(ask(rig.dir, "SELECT count(*) FROM reservation"), 3);
    assert_int_equal(ask(rig.dir, "SELECT count(*) FROM reservation WHERE order_id = 'a'"
                                  " AND status = 'PENDING' AND quantity = 5"
                                  " AND deadline_ms > created_at_ms + 900000"),
                     1);
    assert_int_equal(ask(rig.dir, "SELECT count(*) FROM reservation WHERE order_id = 'b'"
                                  " AND status = 'CONFIRMED' AND quantity = 2"
                                  " AND payment_id = 'payment-7' AND confirmed_at_ms > 0"),
                     1);
    assert_int_equal(ask(rig.dir, "SELECT count(*) FROM reservation WHERE order_id = 'c'"
                                  " AND status = 'REFUNDED' AND reason = 'EXPIRED'"),
                     1);
    rig_close(&rig);
}

/* ---- backup ---- */

static void on_progress(void *context, int64_t done, int64_t total)
{
    int64_t *last = context;
    assert_true(done >= 0 && done <= total);
    *last = total;
}

struct run_load {
    struct rig *rig;
    _Atomic bool stop;
};

static void *keep_committing(void *context)
{
    struct run_load *load = context;
    char id[32];
    for (int n = 0; !load->stop; n++) {
        for (int i = 0; i < 50; i++) {
            snprintf(id, sizeof id, "during-%d-%d", n, i);
            rig_reserve(load->rig, 1, 1, id);
        }
        if (rig_commit(load->rig) != LEDGER_COMMITTED)
            break;
    }
    return NULL;
}

static void a_backup_under_load_is_one_moment_of_the_ledger(void **state)
{
    struct rig rig;
    struct error e = {0};
    char to[512];
    int64_t pages = 0;
    pthread_t thread;
    (void)state;
    open_rig(&rig);
    rig_create(&rig, 100000000);
    for (int i = 0; i < 20000; i++) {
        char id[32];
        snprintf(id, sizeof id, "before-%d", i);
        rig_reserve(&rig, 1, 1, id);
    }
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    struct run_load load = {.rig = &rig};
    assert_int_equal(pthread_create(&thread, NULL, keep_committing, &load), 0);
    snprintf(to, sizeof to, "%s/copy", rig.dir);
    int rc = ledger_sqlite_backup(rig.dir, to, on_progress, &pages, &e);
    load.stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(rc, 0);
    assert_true(pages > 100);
    assert_int_equal(ask(to, "SELECT count(*) FROM pragma_integrity_check WHERE"
                             " integrity_check = 'ok'"),
                     1);
    int64_t moves = ask(to, "SELECT count(*) FROM move");
    assert_true(moves >= 20001 && moves <= (int64_t)rig.told.count);
    assert_int_equal((moves - 20001) % 50, 0);
    assert_int_equal(ask(to, "SELECT reserved FROM stock"), moves - 1);
    struct rig copy = {.factory = &rig_sqlite, .vfs = "unix"};
    snprintf(copy.dir, sizeof copy.dir, "%.250s", to);
    rig_open_as_set(&copy);
    assert_int_equal(copy.seed, rig.seed);
    rig_close(&copy);
    rig_close(&rig);
}

static void a_backup_overwrites_nothing(void **state)
{
    struct rig rig;
    struct error e = {0};
    char to[512];
    (void)state;
    open_rig(&rig);
    snprintf(to, sizeof to, "%s/copy", rig.dir);
    assert_int_equal(mkdir(to, 0700), 0);
    assert_int_equal(ledger_sqlite_backup(rig.dir, to, NULL, NULL, &e), TLY_EALREADY_EXISTS);
    assert_int_equal(ledger_sqlite_backup(to, "/tmp/no/where", NULL, NULL, &e), TLY_ENOT_FOUND);
    rig_close(&rig);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *dir, const char *name, const char *wanted)
{
    char path[600], text[64] = "";
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    assert_true((file != NULL) == (wanted != NULL));
    if (!file)
        return;
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, wanted);
}

static void a_backup_has_what_else_cannot_be_made_again(void **state)
{
    struct rig rig;
    struct error e = {0};
    char path[600], to[512];
    sqlite3 *webhook;
    (void)state;
    open_rig(&rig);
    snprintf(path, sizeof path, "%s/waiting", rig.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file(path, "key", "secret");
    put_file(path, "room-1", "places");
    put_file(path, "key.new", "half");
    snprintf(path, sizeof path, "%s/webhook.db", rig.dir);
    assert_int_equal(sqlite3_open(path, &webhook), SQLITE_OK);
    assert_int_equal(sqlite3_exec(webhook, "CREATE TABLE failed(id)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(webhook);
    /* A backup before this one was killed. */
    snprintf(to, sizeof to, "%s/copy", rig.dir);
    snprintf(path, sizeof path, "%s.partial", to);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s.partial/waiting", to);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file(path, "room-2", "old");
    assert_int_equal(ledger_sqlite_backup(rig.dir, to, NULL, NULL, &e), 0);
    assert_file(to, "waiting/key", "secret");
    assert_file(to, "waiting/room-1", "places");
    assert_file(to, "waiting/key.new", NULL);
    assert_file(to, "waiting/room-2", NULL);
    snprintf(path, sizeof path, "%s/webhook.db", to);
    assert_int_equal(sqlite3_open(path, &webhook), SQLITE_OK);
    assert_int_equal(sqlite3_exec(webhook, "SELECT id FROM failed", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(webhook);
    rig_close(&rig);
}

static bool folder_has(const char *dir, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void a_failed_backup_leaves_nothing_and_the_next_one_works(void **state)
{
    struct rig rig;
    struct error e = {0};
    char to[512], archive[512];
    (void)state;
    open_rig(&rig);
    rig_create(&rig, 9);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    snprintf(to, sizeof to, "%s/copy", rig.dir);
    snprintf(archive, sizeof archive, "%s/archive.db", rig.dir);
    FILE *file = fopen(archive, "w");
    fputs("this is no database, and long enough to be looked at as one ..........................."
          "..................................................................................",
          file);
    fclose(file);
    assert_int_equal(ledger_sqlite_backup(rig.dir, to, NULL, NULL, &e), TLY_ECORRUPT);
    assert_true(e.text[0] != 0);
    assert_false(folder_has(rig.dir, "copy"));
    assert_false(folder_has(rig.dir, "copy.partial"));
    unlink(archive);
    assert_int_equal(ledger_sqlite_backup(rig.dir, to, NULL, NULL, &e), 0);
    assert_true(folder_has(to, "ledger.db") && folder_has(to, "mark"));
    rig_close(&rig);
}

static void a_backup_that_was_killed_is_not_in_the_next_ones_way(void **state)
{
    struct rig rig;
    struct error e = {0};
    char to[512], path[600];
    static const char *const left[] = {"ledger.db", "ledger.db-journal", "mark"};
    (void)state;
    open_rig(&rig);
    snprintf(to, sizeof to, "%s/copy/", rig.dir);
    snprintf(path, sizeof path, "%s/copy.partial", rig.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        snprintf(path, sizeof path, "%s/copy.partial/%s", rig.dir, left[i]);
        fclose(fopen(path, "w"));
    }
    assert_int_equal(ledger_sqlite_backup(rig.dir, to, NULL, NULL, &e), 0);
    assert_true(folder_has(to, "ledger.db"));
    assert_false(folder_has(rig.dir, "copy.partial"));
    rig_close(&rig);
}

/* ---- upkeep ---- */

static void many_changed_lots_wait_for_a_snapshot_and_the_view_is_right(void **state)
{
    enum { LOTS = 300 };
    struct rig rig = {
        .factory = &rig_sqlite, .vfs = "unix", .dirty_lots_max = 10, .snapshot_moves = 100000};
    (void)state;
    rig_open_as_set(&rig);
    for (int i = 0; i < LOTS; i++)
        rig_create(&rig, 100 + i);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    assert_int_equal(ask(rig.dir, "SELECT seq FROM snapshot"), 0);
    rig_check_stock(&rig);
    AWAIT(ask(rig.dir, "SELECT seq FROM snapshot") != 0);
    assert_int_equal(ask(rig.dir, "SELECT seq FROM snapshot"), rig.told.at[LOTS - 1].move.seq);
    assert_int_equal(ask(rig.dir, "SELECT count(*) FROM stock_snapshot"), LOTS);
    rig_check_stock(&rig);
    rig_close(&rig);
}

static void a_snapshot_comes_at_the_latest_after_so_many_moves(void **state)
{
    struct rig rig = {
        .factory = &rig_sqlite, .vfs = "unix", .dirty_lots_max = 1, .snapshot_moves = 50};
    (void)state;
    rig_open_as_set(&rig);
    for (int i = 0; i < 20; i++)
        rig_create(&rig, 1);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    for (int i = 0; i < 30; i++)
        rig_adjust(&rig, 1 + (lot_id)(i % 20), 1, "", "");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    assert_int_equal(ask(rig.dir, "SELECT seq FROM snapshot"), rig.seq);
    rig_close(&rig);
}

static void the_log_of_sqlite_does_not_grow_without_bound(void **state)
{
    struct rig rig = {.factory = &rig_sqlite, .vfs = "unix", .wal_bytes_max = 100000};
    struct stat st;
    struct ledger_stats stats;
    char path[512];
    (void)state;
    rig_open_as_set(&rig);
    rig_create(&rig, 10000000);
    for (int n = 0; n < 60; n++) {
        for (int i = 0; i < 200; i++) {
            char id[32];
            snprintf(id, sizeof id, "order-%d-%d", n, i);
            rig_reserve(&rig, 1, 1, id);
        }
        assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    }
    rig.ledger->ops->stats(rig.ledger, &stats);
    assert_true(stats.checkpoints_total > 3);
    snprintf(path, sizeof path, "%s/ledger.db-wal", rig.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 300000);
    rig_stop(&rig);
    assert_int_equal(stat(path, &st), -1);
    rig_close(&rig);
}

static void a_batch_that_contradicts_the_stock_is_rejected(void **state)
{
    struct rig rig;
    (void)state;
    open_rig(&rig);
    rig_create(&rig, 2);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig_reserve(&rig, 1, 1, "one");
    rig_reserve(&rig, 1, 2, "two too many");
    assert_int_equal(rig_commit(&rig), LEDGER_REJECTED);
    assert_true(rig_wait_available(&rig, true));
    rig_check_stock(&rig);
    rig_reserve(&rig, 1, 2, "just right");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig_check_stock(&rig);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_schema_is_refused_and_left_alone),
        cmocka_unit_test(a_file_that_is_no_ledger_is_refused),
        cmocka_unit_test(the_effect_table_in_sql_is_that_of_the_engine),
        cmocka_unit_test(the_view_reservation_says_what_the_moves_say),
        cmocka_unit_test(a_backup_under_load_is_one_moment_of_the_ledger),
        cmocka_unit_test(a_backup_overwrites_nothing),
        cmocka_unit_test(a_backup_has_what_else_cannot_be_made_again),
        cmocka_unit_test(a_failed_backup_leaves_nothing_and_the_next_one_works),
        cmocka_unit_test(a_backup_that_was_killed_is_not_in_the_next_ones_way),
        cmocka_unit_test(many_changed_lots_wait_for_a_snapshot_and_the_view_is_right),
        cmocka_unit_test(a_snapshot_comes_at_the_latest_after_so_many_moves),
        cmocka_unit_test(the_log_of_sqlite_does_not_grow_without_bound),
        cmocka_unit_test(a_batch_that_contradicts_the_stock_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
