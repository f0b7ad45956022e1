/* What stands beside the rows and knows more than they do: verify must find that something is
 * missing, and nothing where nothing is. */
#include "fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/verify.h"
#include "ledger/ledger_sqlite.h"
#include "ledger/mark.h"
#include "ledger/run_file.h"
#include "ledger_rig.h"

enum { ORDERS = 40 };

struct scene {
    struct rig rig;
    struct verify_config config;
    struct verify_report report;
};

static const char *path_in(const struct rig *rig, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", rig->dir, name);
    return path;
}

/* Reserved and confirmed at once, so that no hold is overdue however late it is. */
static void live(struct rig *rig, const char *name)
{
    char id[32];
    for (int i = 0; i < ORDERS; i++) {
        snprintf(id, sizeof id, "%s-%d", name, i);
        int64_t reservation = rig_reserve(rig, 1, 1, id);
        rig_step(rig, MOVE_CONFIRM, reservation, 1, 1);
        if (i % 8 == 7)
            assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    }
}

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->rig = (struct rig){.factory = &rig_sqlite,
                          .vfs = "unix",
                          .oldest_pending = INT64_MAX,
                          .wal_bytes_max = 1 << 30};
    rig_open_as_set(&s->rig);
    rig_create(&s->rig, 10000);
    live(&s->rig, "first");
    s->config = (struct verify_config){.data = s->rig.dir,
                                       .now_ms = s->rig.now_ms + 1000,
                                       .order_retention_ms = 1000000,
                                       .findings_max = 100,
                                       .sort_entries = 1000};
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    rig_close(&s->rig);
    verify_report_close(&s->report);
    free(s);
    return 0;
}

static void run_sql(const struct rig *rig, const char *format, int64_t number)
{
    char sql[256];
    sqlite3 *db;
    snprintf(sql, sizeof sql, format, number);
    assert_int_equal(sqlite3_open(path_in(rig, "ledger.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void verify(struct scene *s)
{
    struct error e = {0};
    verify_report_close(&s->report);
    if (verify_run(&s->config, &s->report, &e))
        fail_msg("%s: %s", e.field, e.text);
}

static void expect(struct scene *s, uint64_t faults, uint64_t notes, const char *text)
{
    verify(s);
    bool told = !text;
    for (uint32_t i = 0; i < s->report.finding_count; i++) {
        const struct finding *f = &s->report.findings[i];
        if (f->check == VERIFY_DURABLE && text && strstr(f->text, text))
            told = true;
    }
    for (uint32_t i = 0; !told && i < s->report.finding_count; i++)
        print_message("%s\n", s->report.findings[i].text);
    assert_int_equal(s->report.faults[VERIFY_DURABLE], faults);
    assert_int_equal(s->report.notes[VERIFY_DURABLE], notes);
    assert_true(told);
}

static void a_ledger_that_was_stopped_has_all(void **state)
{
    struct scene *s = *state;
    rig_stop(&s->rig);
    expect(s, 0, 0, NULL);
}

static void a_ledger_that_is_in_use_has_all(void **state)
{
    struct scene *s = *state;
    live(&s->rig, "second");
    expect(s, 0, 0, NULL);
}

static void the_newest_moves_are_missed(void **state)
{
    struct scene *s = *state;
    rig_stop(&s->rig);
    run_sql(&s->rig, "DELETE FROM move WHERE seq = %" PRId64, s->rig.seq);
    expect(s, 2, 0, "the mark knows them"); /* and one fewer than it counted */
}

static void moves_before_the_newest_are_missed_by_number(void **state)
{
    struct scene *s = *state;
    rig_stop(&s->rig);
    int64_t seq = s->rig.told.at[s->rig.told.count - 2].move.seq;
    run_sql(&s->rig, "DELETE FROM move WHERE seq = %" PRId64, seq);
    expect(s, 1, 0, "1 are missing");
}

static void a_mark_of_another_ledger_or_a_damaged_one_is_told(void **state)
{
    struct scene *s = *state;
    struct error e;
    struct mark_facts facts;
    rig_stop(&s->rig);
    assert_int_equal(mark_read(s->rig.dir, &facts, NULL), MARK_SOUND);
    facts.ledger++;
    assert_int_equal(mark_create(s->rig.dir, &facts, &e), 0);
    expect(s, 1, 0, "another ledger");
    assert_int_equal(truncate(path_in(&s->rig, "mark"), 100), 0);
    expect(s, 1, 0, "damaged");
    unlink(path_in(&s->rig, "mark"));
    expect(s, 0, 0, NULL);
}

static void an_order_run_that_knows_more_is_told(void **state)
{
    struct scene *s = *state;
    struct error e;
    struct run_writer *w;
    struct run_file *run;
    char dir[512];
    rig_stop(&s->rig);
    snprintf(dir, sizeof dir, "%s/orders", s->rig.dir);
    for (int64_t more = 0; more <= 1; more++) {
        struct run_span span = {0, s->rig.seq - 1, s->rig.seq + more};
        struct order_entry entry = {1, s->rig.seq - 1};
        assert_int_equal(run_writer_begin(&w, dir, s->rig.seed, 1, &span, &e), 0);
        assert_int_equal(run_writer_add(w, &entry, &e), 0);
        assert_int_equal(run_writer_finish(w, &run, &e), 0);
        run_file_release(run);
        expect(s, (uint64_t)more, 0, more ? ".run" : NULL);
    }
}

static void copy(const char *from, const char *to)
{
    char buffer[65536];
    size_t got;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    while ((got = fread(buffer, 1, sizeof buffer, in)) > 0)
        assert_int_equal(fwrite(buffer, 1, got, out), got);
    fclose(in);
    fclose(out);
}

static void a_log_that_is_damaged_in_the_middle_is_told(void **state)
{
    struct scene *s = *state;
    char from[600], dir[256];
    static const char *const names[] = {"ledger.db", "ledger.db-wal"};
    struct rig other = {0};
    struct stat st;
    rig_reopen(&s->rig);
    live(&s->rig, "second");
    rig_new_folder(dir);
    snprintf(other.dir, sizeof other.dir, "%s", dir);
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s", s->rig.dir, names[i]);
        copy(from, path_in(&other, names[i]));
    }
    s->config.data = other.dir;
    expect(s, 0, 0, NULL);
    assert_int_equal(stat(path_in(&other, "ledger.db-wal"), &st), 0);
    int fd = open(path_in(&other, "ledger.db-wal"), O_RDWR);
    char byte;
    off_t middle = st.st_size / 2;
    assert_int_equal(pread(fd, &byte, 1, middle), 1);
    byte ^= 16;
    assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
    close(fd);
    unlink(path_in(&other, "ledger.db-shm"));
    expect(s, 1, 0, "damaged at frame");
    rig_remove_folder(other.dir);
}

static void an_accepted_loss_stays_in_every_report(void **state)
{
    struct scene *s = *state;
    rig_stop(&s->rig);
    run_sql(&s->rig, "INSERT INTO accepted_loss VALUES (%" PRId64 ", 1790000000000, NULL, 3, 'x')",
            s->rig.seq);
    expect(s, 0, 1, "decided on 2026-09-21");
}

static void a_backup_says_what_it_is(void **state)
{
    struct scene *s = *state;
    struct error e;
    char to[512];
    snprintf(to, sizeof to, "%s/copy", s->rig.dir);
    assert_int_equal(ledger_sqlite_backup(s->rig.dir, to, NULL, NULL, &e), 0);
    s->config.data = to;
    expect(s, 0, 1, "this is the backup of 20");
}

#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(a_ledger_that_was_stopped_has_all),
        IN_A_SCENE(a_ledger_that_is_in_use_has_all),
        IN_A_SCENE(the_newest_moves_are_missed),
        IN_A_SCENE(moves_before_the_newest_are_missed_by_number),
        IN_A_SCENE(a_mark_of_another_ledger_or_a_damaged_one_is_told),
        IN_A_SCENE(an_order_run_that_knows_more_is_told),
        IN_A_SCENE(a_log_that_is_damaged_in_the_middle_is_told),
        IN_A_SCENE(an_accepted_loss_stays_in_every_report),
        IN_A_SCENE(a_backup_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
