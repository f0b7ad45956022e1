/* The index of lists as a file: lost, damaged, behind, of another ledger; and what retention does.
 */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/list_index.h"
#include "ledger_rig.h"

enum { DAY_MS = 86400000 };

#define LISTED(...)                                                                                \
    rig_listed(rig, &(struct reservation_list){.before = INT64_MAX, .page_size = 100, __VA_ARGS__})

/* ---- beside a ledger ---- */

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    *rig = (struct rig){.factory = &rig_sqlite, .vfs = "unix", .archive_step_rows = 100};
    rig_open_as_set(rig);
    rig_create(rig, 100);
    rig_reserve(rig, 1, 1, "a");
    rig_reserve(rig, 1, 1, "b");
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

static void path_of(const struct rig *rig, char out[512], const char *name)
{
    snprintf(out, 512, "%s/%s", rig->dir, name);
}

static bool has_index(const struct rig *rig)
{
    char path[512];
    path_of(rig, path, "lists.db");
    return access(path, F_OK) == 0;
}

static int64_t ask(const struct rig *rig, const char *sql)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *query;
    path_of(rig, path, "lists.db");
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return value;
}

static void run_sql(const struct rig *rig, const char *name, const char *sql)
{
    char path[512], *message = NULL;
    sqlite3 *db;
    path_of(rig, path, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void no_index_is_made_before_a_list_needs_one(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.lot = 0), "b a");
    assert_false(has_index(rig));
    assert_string_equal(LISTED(.lot = 1), "b a");
    assert_true(has_index(rig));
}

static void an_index_that_was_deleted_is_made_again(void **state)
{
    struct rig *rig = *state;
    char path[512];
    assert_string_equal(LISTED(.lot = 1), "b a");
    rig_stop(rig);
    path_of(rig, path, "lists.db");
    list_index_remove(path);
    assert_false(has_index(rig));
    rig_reopen(rig);
    assert_string_equal(LISTED(.lot = 1), "b a");
    assert_true(has_index(rig));
}

static void what_is_no_index_is_made_anew(void **state)
{
    struct rig *rig = *state;
    char path[512];
    path_of(rig, path, "lists.db");
    rig_stop(rig);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 5000; i++)
        fputs("not a database ", f);
    fclose(f);
    rig_reopen(rig);
    assert_string_equal(LISTED(.lot = 1), "b a");
}

static void an_index_of_another_format_or_ledger_is_made_anew(void **state)
{
    static const char *const spoils[] = {
        "PRAGMA user_version = 2",
        "UPDATE indexed SET seed = seed + 1",
        "UPDATE segment SET number = 3; INSERT INTO segment VALUES (1, 1, 1)",
    };
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        assert_string_equal(LISTED(.lot = 1), "b a");
        rig_stop(rig);
        run_sql(rig, "lists.db", "DELETE FROM entry");
        run_sql(rig, "lists.db", spoils[i]);
        rig_reopen(rig);
        assert_string_equal(LISTED(.lot = 1), "b a");
    }
}

/* Somebody put an older ledger.db back. */
static void an_index_that_knows_moves_that_are_not_there_is_made_anew(void **state)
{
    struct rig *rig = *state;
    char sql[128];
    assert_string_equal(LISTED(.lot = 1), "b a");
    rig_stop(rig);
    snprintf(sql, sizeof sql, "DELETE FROM entry; UPDATE indexed SET seq = %lld",
             (long long)rig->seq + 1000);
    run_sql(rig, "lists.db", sql);
    rig_reopen(rig);
    assert_string_equal(LISTED(.lot = 1), "b a");
}

static void an_index_follows_while_nothing_is_committed(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.lot = 1), "b a");
    rig_reserve(rig, 1, 1, "c");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    AWAIT(ask(rig, "SELECT seq FROM indexed") == rig->seq);
    rig_reopen(rig);
    rig_reserve(rig, 1, 1, "d");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    AWAIT(ask(rig, "SELECT seq FROM indexed") == rig->seq);
    assert_int_equal(ask(rig, "SELECT count(*) FROM entry WHERE kind = 2 AND key = 1"), 4);
}

static void what_retention_took_is_not_listed(void **state)
{
    struct rig *rig = *state;
    struct ledger_stats stats = {0};
    rig_stop(rig);
    rig->retention_ms = rig->archive_after_ms = DAY_MS;
    rig->oldest_pending = INT64_MAX;
    rig_reopen(rig);
    int64_t a = rig->told.at[1].move.seq;
    rig_step(rig, MOVE_CONFIRM, a, 1, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "a");
    rig->now_ms += 3 * (int64_t)DAY_MS;
    rig_adjust(rig, 1, 1, "later", "");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    AWAIT((rig->ledger->ops->stats(rig->ledger, &stats), stats.archived_total) == 1);
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "");
    assert_string_equal(LISTED(.lot = 1), "b");
    assert_string_equal(LISTED(.lot = 0), "b");
}

/* ---- the index alone ---- */

static struct list_entry entry(const struct list_index *x, enum list_kind kind, int64_t key,
                               int64_t id)
{
    struct list_entry made = {.kind = (uint8_t)kind, .key = key, .reservation_id = id};
    assert_true(list_index_find(x, id, &made.segment));
    return made;
}

/* Fills two segments and begins a third: ids 10, 20, 30, ...; each is in lot 1, every third in lot
 * 3 too. */
static int64_t fill(struct list_index *x, int per_write)
{
    struct error e;
    int64_t id = 0;
    struct list_entry *entries = calloc((size_t)per_write * 2, sizeof *entries);
    assert_non_null(entries);
    while (x->segment_count < 3) {
        size_t count = 0;
        for (int i = 0; i < per_write; i++) {
            uint32_t segment;
            id += 10;
            assert_int_equal(list_index_add(x, id, &segment, &e), 0);
            entries[count++] = entry(x, LIST_LOT, 1, id);
            if (id % 30 == 0)
                entries[count++] = entry(x, LIST_LOT, 3, id);
        }
        assert_int_equal(list_index_write(x, entries, count, id, &e), 0);
    }
    free(entries);
    return id;
}

static int64_t below(struct list_index *x, int64_t id, lot_id a, lot_id b)
{
    struct error e;
    int64_t looks = 1000;
    struct list_key keys[2] = {{LIST_LOT, a}, {LIST_LOT, b}};
    assert_int_equal(list_index_find_below(x, keys, b ? 2 : 1, &id, &looks, &e), 0);
    return id;
}

static void segments_are_searched_dropped_and_found_again(void **state)
{
    struct list_index x;
    struct error e;
    char dir[256], path[512];
    (void)state;
    rig_new_folder(dir);
    snprintf(path, sizeof path, "%s/lists.db", dir);
    assert_int_equal(list_index_open(&x, path, NULL, 7, &e), 0);
    int64_t last = fill(&x, 1 << 14);
    int64_t second = x.segments[1].first, third = x.segments[2].first;
    assert_int_equal(below(&x, INT64_MAX, 1, 0), last);
    assert_int_equal(below(&x, third - 1, 1, 0), third - 10);
    assert_int_equal(below(&x, second + 4, 1, 3), (second + 4) / 30 * 30);
    assert_int_equal(below(&x, 29, 1, 3), 0);
    assert_int_equal(list_index_drop(&x, second - 2, &e), 0); /* one is still needed */
    assert_int_equal(x.segment_count, 3);
    assert_int_equal(below(&x, second - 1, 1, 0), second - 10);
    assert_int_equal(list_index_drop(&x, second - 1, &e), 0);
    assert_int_equal(x.segment_count, 2);
    assert_int_equal(below(&x, second - 1, 1, 0), 0);
    list_index_close(&x);
    assert_int_equal(list_index_open(&x, path, NULL, 7, &e), 0);
    assert_int_equal(x.cursor, last);
    assert_int_equal(x.segment_count, 2);
    assert_int_equal(x.segments[1].first, third);
    assert_int_equal(below(&x, INT64_MAX, 1, 0), last);
    assert_int_equal(below(&x, third - 1, 1, 0), third - 10);
    list_index_close(&x);
    rig_remove_folder(dir);
}

static void an_entry_that_is_gone_in_the_batch_that_made_it_never_was(void **state)
{
    struct list_index x;
    struct error e;
    uint32_t segment;
    (void)state;
    assert_int_equal(list_index_open(&x, ":memory:", NULL, 7, &e), 0);
    for (int64_t id = 1; id <= 3; id++)
        assert_int_equal(list_index_add(&x, id, &segment, &e), 0);
    struct list_entry first[] = {entry(&x, LIST_LOT, 1, 1), entry(&x, LIST_LOT, 1, 2),
                                 entry(&x, LIST_LOT, 1, 2), entry(&x, LIST_LOT, 1, 3)};
    first[2].gone = true;
    assert_int_equal(list_index_write(&x, first, 4, 3, &e), 0);
    assert_int_equal(below(&x, 9, 1, 0), 3);
    assert_int_equal(below(&x, 2, 1, 0), 1);
    struct list_entry second[] = {entry(&x, LIST_LOT, 1, 3), entry(&x, LIST_LOT, 1, 1)};
    second[0].gone = true; /* the other one is there already */
    assert_int_equal(list_index_write(&x, second, 2, 4, &e), 0);
    assert_int_equal(below(&x, 9, 1, 0), 1);
    list_index_close(&x);
}

static void a_search_ends_when_it_has_cost_enough_and_says_where(void **state)
{
    struct list_index x;
    struct error e;
    uint32_t segment;
    struct list_entry entries[100];
    (void)state;
    assert_int_equal(list_index_open(&x, ":memory:", NULL, 7, &e), 0);
    for (int64_t id = 1; id <= 100; id++) {
        assert_int_equal(list_index_add(&x, id, &segment, &e), 0);
        entries[id - 1] = entry(&x, LIST_LOT, id % 2 ? 1 : 2, id);
    }
    assert_int_equal(list_index_write(&x, entries, 100, 100, &e), 0);
    struct list_key keys[2] = {{LIST_LOT, 1}, {LIST_LOT, 2}};
    int64_t id = 1000, looks = 11;
    assert_int_equal(list_index_find_below(&x, keys, 2, &id, &looks, &e), TLY_EOVERLOADED);
    assert_in_range(id, 85, 95);
    looks = 1000;
    assert_int_equal(list_index_find_below(&x, keys, 2, &id, &looks, &e), 0);
    assert_int_equal(id, 0);
    list_index_close(&x);
}

#define IN_A_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(no_index_is_made_before_a_list_needs_one),
        IN_A_RIG(an_index_that_was_deleted_is_made_again),
        IN_A_RIG(what_is_no_index_is_made_anew),
        IN_A_RIG(an_index_of_another_format_or_ledger_is_made_anew),
        IN_A_RIG(an_index_that_knows_moves_that_are_not_there_is_made_anew),
        IN_A_RIG(an_index_follows_while_nothing_is_committed),
        IN_A_RIG(what_retention_took_is_not_listed),
        cmocka_unit_test(segments_are_searched_dropped_and_found_again),
        cmocka_unit_test(an_entry_that_is_gone_in_the_batch_that_made_it_never_was),
        cmocka_unit_test(a_search_ends_when_it_has_cost_enough_and_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
