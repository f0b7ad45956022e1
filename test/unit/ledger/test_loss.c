/* A data folder from which something that had been durable is missing does not start silently; one
 * that a crash left, does. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ledger/ledger_sqlite.h"
#include "ledger/mark.h"
#include "ledger/run_file.h"
#include "ledger_rig.h"

enum { BATCHES = 12, BATCH_ORDERS = 40 };

/* ---- files ---- */

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    ssize_t got;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(in >= 0 && out >= 0);
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        assert_int_equal(write(out, buffer, (size_t)got), got);
    close(in);
    close(out);
}

/* The files that a killed process leaves; not the shared memory of the log, which is made again. */
static void copy_folder(const char *from, const char *to)
{
    struct dirent *entry;
    char a[768], b[768];
    DIR *d = opendir(from);
    assert_non_null(d);
    while ((entry = readdir(d))) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || (len > 4 && strcmp(entry->d_name + len - 4, "-shm") == 0))
            continue;
        snprintf(a, sizeof a, "%s/%s", from, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", to, entry->d_name);
        if (entry->d_type == DT_DIR) {
            mkdir(b, 0700);
            copy_folder(a, b);
        } else {
            copy_file(a, b);
        }
    }
    closedir(d);
}

static const char *path_in(const struct rig *rig, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", rig->dir, name);
    return path;
}

static off_t size_of(const struct rig *rig, const char *name)
{
    struct stat st;
    return stat(path_in(rig, name), &st) ? 0 : st.st_size;
}

static void flip(const struct rig *rig, const char *name, off_t at)
{
    char byte;
    int fd = open(path_in(rig, name), O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void run_sql(const struct rig *rig, const char *sql)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path_in(rig, "ledger.db"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static int64_t ask(const struct rig *rig, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *query;
    assert_int_equal(sqlite3_open(path_in(rig, "ledger.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return value;
}

/* ---- a ledger that lived, and what a kill left of it ---- */

struct scene {
    struct rig live;   /* goes on, and moves its log into ledger.db when it is idle */
    char at_kill[256]; /* a copy of a moment at which the mark knew all */
    struct rig killed; /* on a copy of that, of each test's own */
    char early[256];   /* a copy from before most of it */
    char backups[256]; /* empty at first */
};

static void wait_for_mark(const struct rig *rig)
{
    struct mark_facts facts = {0};
    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        if (mark_read(rig->dir, &facts, NULL) == MARK_SOUND && facts.seq == rig->seq)
            return;
        pause_ms(5);
    }
    fail_msg("the mark does not follow");
}

static void live(struct rig *rig, int from, int to)
{
    char id[32];
    for (int batch = from; batch < to; batch++) {
        for (int i = 0; i < BATCH_ORDERS; i++) {
            snprintf(id, sizeof id, "order-%d-%d", batch, i);
            rig_reserve(rig, 1, 1, id);
        }
        assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    }
}

/* Once for all tests, which change nothing of it. */
static int live_once(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->live = (struct rig){.factory = &rig_sqlite, .vfs = "unix", .wal_bytes_max = 1 << 30};
    rig_open_as_set(&s->live);
    rig_create(&s->live, 100000);
    live(&s->live, 0, 2);
    rig_reopen(&s->live); /* all of it is in ledger.db */
    rig_new_folder(s->early);
    copy_folder(s->live.dir, s->early);
    live(&s->live, 2, 4);
    rig_reopen(&s->live);
    live(&s->live, 4, BATCHES); /* all of it is in the log */
    wait_for_mark(&s->live);
    rig_new_folder(s->at_kill);
    copy_folder(s->live.dir, s->at_kill);
    *state = s;
    return 0;
}

static int end_it(void **state)
{
    struct scene *s = *state;
    rig_close(&s->live);
    rig_remove_folder(s->early);
    rig_remove_folder(s->at_kill);
    free(s);
    return 0;
}

static int kill_it(void **state)
{
    struct scene *s = *state;
    s->killed = (struct rig){.factory = &rig_sqlite, .vfs = "unix", .seq = s->live.seq};
    rig_new_folder(s->killed.dir);
    copy_folder(s->at_kill, s->killed.dir);
    rig_new_folder(s->backups);
    pthread_mutex_init(&s->killed.lock, NULL);
    pthread_cond_init(&s->killed.changed, NULL);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    rig_close(&s->killed);
    rig_remove_folder(s->backups);
    return 0;
}

static void starts(struct rig *rig)
{
    struct error e = {0};
    int rc = rig_try_open(rig, &e);
    if (rc)
        print_error("%s: %s\n", e.field, e.text);
    assert_int_equal(rc, 0);
}

/* Refused, twice, with the number to accept; nothing that is left is touched. Returns it. */
static int64_t refused(struct rig *rig)
{
    struct error e = {0};
    off_t wal = size_of(rig, "ledger.db-wal"), db = size_of(rig, "ledger.db");
    assert_int_equal(rig_try_open(rig, &e), TLY_ECORRUPT);
    assert_int_equal(rig_try_open(rig, &e), TLY_ECORRUPT);
    assert_int_equal(size_of(rig, "ledger.db-wal"), wal);
    assert_int_equal(size_of(rig, "ledger.db"), db);
    const char *at = strstr(e.text, "--accept-loss ");
    assert_non_null(at);
    assert_non_null(strstr(e.text, "Restore a backup"));
    return strtoll(at + strlen("--accept-loss "), NULL, 10);
}

static void a_killed_ledger_starts_with_all_it_had(void **state)
{
    struct scene *s = *state;
    starts(&s->killed);
    assert_int_equal(s->killed.loaded.at[s->killed.loaded.count - 1].move.seq, s->live.seq);
}

static void a_flipped_bit_in_the_middle_of_the_log_is_damage(void **state)
{
    struct scene *s = *state;
    off_t size = size_of(&s->killed, "ledger.db-wal");
    flip(&s->killed, "ledger.db-wal", size / 2);
    int64_t left = refused(&s->killed);
    assert_true(left > 0 && left < s->live.seq);
}

/* The log itself tells, in whichever part of a frame the bit is. */
static void a_flipped_bit_is_found_without_a_mark(void **state)
{
    struct scene *s = *state;
    unlink(path_in(&s->killed, "mark"));
    off_t frame = 4096 + 24, size = size_of(&s->killed, "ledger.db-wal");
    off_t middle = 32 + size / frame / 2 * frame;
    const off_t places[] = {1, 6, 10, 18, 24, 4000};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        flip(&s->killed, "ledger.db-wal", middle + places[i]);
        refused(&s->killed);
        flip(&s->killed, "ledger.db-wal", middle + places[i]);
    }
    starts(&s->killed);
}

static void a_log_whose_end_was_torn_is_none(void **state)
{
    struct scene *s = *state;
    unlink(path_in(&s->killed, "mark"));
    off_t size = size_of(&s->killed, "ledger.db-wal");
    flip(&s->killed, "ledger.db-wal", size - 100); /* in the newest transaction */
    starts(&s->killed);
}

/* Frame `number` ends a transaction. */
static bool is_commit(const struct rig *rig, off_t number)
{
    unsigned char pages[4] = {0};
    int fd = open(path_in(rig, "ledger.db-wal"), O_RDONLY);
    assert_int_equal(pread(fd, pages, 4, 32 + number * (4096 + 24) + 4), 4);
    close(fd);
    return pages[0] || pages[1] || pages[2] || pages[3];
}

/* A power cut may keep the later pages of the transaction that was being written, and lose an
 * earlier one. */
static void a_hole_in_the_newest_transaction_is_a_torn_end(void **state)
{
    struct scene *s = *state;
    unlink(path_in(&s->killed, "mark"));
    off_t last = (size_of(&s->killed, "ledger.db-wal") - 32) / (4096 + 24) - 1;
    assert_true(is_commit(&s->killed, last));
    off_t first = last;
    while (!is_commit(&s->killed, first - 1))
        first--;
    assert_true(last > first);
    flip(&s->killed, "ledger.db-wal", 32 + first * (4096 + 24) + 24 + 100);
    starts(&s->killed);
}

static void a_log_that_was_cut_is_missing_moves(void **state)
{
    struct scene *s = *state;
    off_t size = size_of(&s->killed, "ledger.db-wal");
    assert_int_equal(truncate(path_in(&s->killed, "ledger.db-wal"), size / 2), 0);
    refused(&s->killed);
}

static void a_log_that_was_deleted_is_missing_moves(void **state)
{
    struct scene *s = *state;
    assert_int_equal(unlink(path_in(&s->killed, "ledger.db-wal")), 0);
    assert_int_equal(refused(&s->killed), s->live.told.at[4 * BATCH_ORDERS].move.seq);
}

static void the_head_of_a_log_that_was_damaged_is_missed(void **state)
{
    struct scene *s = *state;
    flip(&s->killed, "ledger.db-wal", 17);
    refused(&s->killed);
}

static void a_ledger_that_is_missing_is_not_made_anew(void **state)
{
    struct scene *s = *state;
    assert_int_equal(unlink(path_in(&s->killed, "ledger.db")), 0);
    assert_int_equal(refused(&s->killed), 0);
    close(open(path_in(&s->killed, "ledger.db"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(refused(&s->killed), 0);
    unlink(path_in(&s->killed, "mark")); /* its log is still there */
    assert_int_equal(refused(&s->killed), 0);
}

static void a_folder_that_was_emptied_but_for_the_mark_is_not_a_new_one(void **state)
{
    struct scene *s = *state;
    unlink(path_in(&s->killed, "ledger.db"));
    unlink(path_in(&s->killed, "ledger.db-wal"));
    assert_int_equal(refused(&s->killed), 0);
}

static void an_older_copy_is_found_out_beside_the_log_and_without_it(void **state)
{
    struct scene *s = *state;
    char early[512];
    struct error e;
    snprintf(early, sizeof early, "%s/ledger.db", s->early);
    copy_file(early, path_in(&s->killed, "ledger.db"));
    refused(&s->killed);
    struct mark_facts facts; /* also where no number of moves tells */
    assert_int_equal(mark_read(s->killed.dir, &facts, NULL), MARK_SOUND);
    facts.base_seq = facts.seq;
    facts.moves = 0;
    assert_int_equal(mark_create(s->killed.dir, &facts, &e), 0);
    refused(&s->killed);
    unlink(path_in(&s->killed, "ledger.db-wal"));
    assert_int_equal(refused(&s->killed), s->live.told.at[2 * BATCH_ORDERS].move.seq);
}

static void another_ledger_in_its_place_is_found_out(void **state)
{
    struct scene *s = *state;
    struct rig other = {.factory = &rig_sqlite, .vfs = "unix", .now_ms = INT64_C(1890000000000)};
    char path[512];
    rig_open_as_set(&other);
    rig_create(&other, 5);
    assert_int_equal(rig_commit(&other), LEDGER_COMMITTED);
    rig_stop(&other);
    snprintf(path, sizeof path, "%s/ledger.db", other.dir);
    copy_file(path, path_in(&s->killed, "ledger.db"));
    unlink(path_in(&s->killed, "ledger.db-wal"));
    refused(&s->killed);
    rig_close(&other);
}

/* ---- moves deleted by hand ---- */

static void stopped_in_order(struct scene *s)
{
    starts(&s->killed);
    rig_stop(&s->killed);
}

static void delete_moves(const struct rig *rig, int64_t from, int64_t upto)
{
    char sql[128];
    snprintf(sql, sizeof sql, "DELETE FROM move WHERE seq BETWEEN %" PRId64 " AND %" PRId64, from,
             upto);
    run_sql(rig, sql);
}

static void the_newest_moves_deleted_by_hand_are_missed(void **state)
{
    struct scene *s = *state;
    const struct rig_move *last = &s->live.told.at[s->live.told.count - 1];
    stopped_in_order(s);
    delete_moves(&s->killed, last[-6].move.seq, last->move.seq);
    assert_int_equal(refused(&s->killed), last[-7].move.seq);
    unlink(path_in(&s->killed, "mark")); /* the stock snapshot knows them too */
    assert_int_equal(refused(&s->killed), last[-7].move.seq);
}

/* Also where it has counted none, because it began a new count with its newest move. */
static void the_marks_newest_move_alone_is_enough(void **state)
{
    struct scene *s = *state;
    struct error e;
    struct mark_facts facts;
    stopped_in_order(s);
    assert_int_equal(mark_read(s->killed.dir, &facts, NULL), MARK_SOUND);
    facts.seq++;
    facts.base_seq = facts.seq;
    facts.moves = 0;
    assert_int_equal(mark_create(s->killed.dir, &facts, &e), 0);
    assert_int_equal(refused(&s->killed), s->live.seq);
}

static void moves_deleted_before_the_newest_are_missed(void **state)
{
    struct scene *s = *state;
    struct error e = {0};
    const struct rig_move *last = &s->live.told.at[s->live.told.count - 1];
    stopped_in_order(s);
    delete_moves(&s->killed, last[-6].move.seq, last[-2].move.seq);
    assert_int_equal(refused(&s->killed), s->live.seq);
    assert_int_equal(rig_try_open(&s->killed, &e), TLY_ECORRUPT);
    assert_non_null(strstr(e.text, "5 or more"));
}

/* ---- order runs ---- */

static void add_run(const struct rig *rig, int64_t seq_max)
{
    struct error e;
    struct run_writer *w;
    struct run_file *run;
    char dir[512];
    snprintf(dir, sizeof dir, "%s/orders", rig->dir);
    struct run_span span = {0, seq_max - 1, seq_max};
    struct order_entry entries[] = {{1, seq_max - 1}, {2, seq_max}};
    assert_int_equal(run_writer_begin(&w, dir, rig->seed, 2, &span, &e), 0);
    assert_int_equal(run_writer_add(w, &entries[0], &e), 0);
    assert_int_equal(run_writer_add(w, &entries[1], &e), 0);
    assert_int_equal(run_writer_finish(w, &run, &e), 0);
    run_file_release(run);
}

static void an_order_run_beyond_the_ledgers_end_is_proof(void **state)
{
    struct scene *s = *state;
    stopped_in_order(s);
    add_run(&s->killed, s->live.seq + 5);
    assert_int_equal(refused(&s->killed), s->live.seq);
    s->killed.accept_loss = s->live.seq;
    starts(&s->killed);
    rig_stop(&s->killed);
    s->killed.accept_loss = 0;
    starts(&s->killed); /* the run is gone */
}

static void order_runs_without_a_ledger_are_proof(void **state)
{
    struct scene *s = *state;
    stopped_in_order(s);
    add_run(&s->killed, s->live.seq);
    unlink(path_in(&s->killed, "ledger.db"));
    unlink(path_in(&s->killed, "ledger.db-wal"));
    unlink(path_in(&s->killed, "mark"));
    assert_int_equal(refused(&s->killed), 0);
}

/* ---- accepting ---- */

static void a_loss_that_is_accepted_is_a_row_and_is_asked_for_once(void **state)
{
    struct scene *s = *state;
    off_t size = size_of(&s->killed, "ledger.db-wal");
    flip(&s->killed, "ledger.db-wal", size / 2);
    int64_t left = refused(&s->killed);
    s->killed.accept_loss = left + 1;
    assert_int_equal(refused(&s->killed), left);
    s->killed.accept_loss = left;
    starts(&s->killed);
    rig_reserve(&s->killed, 1, 1, "after the loss");
    assert_true(s->killed.seq > s->live.seq);
    assert_int_equal(rig_commit(&s->killed), LEDGER_COMMITTED);
    rig_stop(&s->killed);
    assert_int_equal(ask(&s->killed, "SELECT newest_seq FROM accepted_loss"), left);
    assert_int_equal(ask(&s->killed, "SELECT missing_to_seq FROM accepted_loss"), s->live.seq);
    s->killed.accept_loss = 0;
    starts(&s->killed);
}

/* They may have been told to somebody. */
static void the_numbers_of_lost_moves_are_not_given_out_again(void **state)
{
    struct scene *s = *state;
    struct ledger_stats stats;
    unlink(path_in(&s->killed, "ledger.db-wal"));
    s->killed.accept_loss = refused(&s->killed);
    for (int i = 0; i < 2; i++) {
        starts(&s->killed);
        s->killed.ledger->ops->stats(s->killed.ledger, &stats);
        assert_int_equal(stats.last_seq, s->live.seq);
        rig_stop(&s->killed);
        s->killed.accept_loss = 0;
    }
}

/* ---- the mark itself ---- */

static void one_torn_slot_of_the_mark_changes_nothing(void **state)
{
    struct scene *s = *state;
    for (int slot = 0; slot < 2; slot++) {
        flip(&s->killed, "mark", slot * 4096 + 40);
        starts(&s->killed);
        rig_stop(&s->killed); /* which writes it anew */
    }
}

static void a_mark_that_cannot_be_read_is_told(void **state)
{
    struct scene *s = *state;
    flip(&s->killed, "mark", 40);
    flip(&s->killed, "mark", 4096 + 40);
    assert_int_equal(refused(&s->killed), s->live.seq);
}

static void a_ledger_without_a_mark_gets_one(void **state)
{
    struct scene *s = *state;
    struct mark_facts facts = {0};
    unlink(path_in(&s->killed, "mark"));
    stopped_in_order(s);
    assert_int_equal(mark_read(s->killed.dir, &facts, NULL), MARK_SOUND);
    assert_int_equal(facts.seq, s->live.seq);
    assert_int_equal(facts.checkpoint_seq, s->live.seq);
}

/* Whatever it rests from: its last write is the stop's. */
static void after_a_stop_the_mark_knows_every_move(void **state)
{
    struct scene *s = *state;
    struct mark_facts facts;
    starts(&s->killed);
    live(&s->killed, 20, 22);
    rig_stop(&s->killed);
    assert_int_equal(mark_read(s->killed.dir, &facts, NULL), MARK_SOUND);
    assert_int_equal(facts.seq, s->killed.seq);
    assert_int_equal(facts.checkpoint_seq, s->killed.seq);
}

static void a_mark_that_cannot_be_written_stops_nobody(void **state)
{
    struct scene *s = *state;
    struct ledger_stats stats = {0};
    unlink(path_in(&s->killed, "mark"));
    starts(&s->killed);
    rig_stop(&s->killed);
    unlink(path_in(&s->killed, "mark"));
    assert_int_equal(symlink("/nowhere/at/all", path_in(&s->killed, "mark")), 0);
    starts(&s->killed);
    live(&s->killed, 20, 22);
    for (int i = 0; i < PATIENCE_MS / 5 && stats.mark_errors_total == 0; i++) {
        pause_ms(5);
        s->killed.ledger->ops->stats(s->killed.ledger, &stats);
    }
    assert_true(stats.mark_errors_total > 0);
}

/* ---- backups ---- */

static void note_event(void *context, const char *event, const char *text)
{
    assert_non_null(text);
    snprintf(context, 64, "%s", event);
}

static void a_backup_starts_elsewhere_and_says_what_it_is(void **state)
{
    struct scene *s = *state;
    struct error e = {0};
    char to[300], event[64] = "";
    struct mark_facts facts;
    struct ledger *l;
    snprintf(to, sizeof to, "%s/copy", s->backups);
    assert_int_equal(ledger_sqlite_backup(s->live.dir, to, NULL, NULL, &e), 0);
    assert_int_equal(mark_read(to, &facts, NULL), MARK_SOUND);
    assert_int_equal(facts.seq, s->live.seq);
    assert_int_equal(facts.moves, s->live.told.count);
    assert_true(facts.backup_at_ms > 0);
    struct ledger_sqlite_config config = {.dir = to,
                                          .order_retention_ms = 1000000,
                                          .accept_loss = -1,
                                          .tell = note_event,
                                          .tell_context = event};
    assert_int_equal(ledger_sqlite_create(&l, &config, &e), 0);
    assert_string_equal(event, "ledger.restored");
    l->ops->destroy(l);
}

static void an_older_backup_put_back_over_the_folder_asks_first(void **state)
{
    struct scene *s = *state;
    struct error e = {0};
    char to[300], path[320];
    snprintf(to, sizeof to, "%s/copy", s->backups);
    assert_int_equal(ledger_sqlite_backup(s->early, to, NULL, NULL, &e), 0);
    unlink(path_in(&s->killed, "ledger.db-wal"));
    snprintf(path, sizeof path, "%s/ledger.db", to);
    copy_file(path, path_in(&s->killed, "ledger.db"));
    s->killed.accept_loss = refused(&s->killed);
    starts(&s->killed);
}

#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, kill_it, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(a_killed_ledger_starts_with_all_it_had),
        IN_A_SCENE(a_flipped_bit_in_the_middle_of_the_log_is_damage),
        IN_A_SCENE(a_flipped_bit_is_found_without_a_mark),
        IN_A_SCENE(a_log_whose_end_was_torn_is_none),
        IN_A_SCENE(a_hole_in_the_newest_transaction_is_a_torn_end),
        IN_A_SCENE(a_log_that_was_cut_is_missing_moves),
        IN_A_SCENE(a_log_that_was_deleted_is_missing_moves),
        IN_A_SCENE(the_head_of_a_log_that_was_damaged_is_missed),
        IN_A_SCENE(a_ledger_that_is_missing_is_not_made_anew),
        IN_A_SCENE(a_folder_that_was_emptied_but_for_the_mark_is_not_a_new_one),
        IN_A_SCENE(an_older_copy_is_found_out_beside_the_log_and_without_it),
        IN_A_SCENE(another_ledger_in_its_place_is_found_out),
        IN_A_SCENE(the_newest_moves_deleted_by_hand_are_missed),
        IN_A_SCENE(the_marks_newest_move_alone_is_enough),
        IN_A_SCENE(moves_deleted_before_the_newest_are_missed),
        IN_A_SCENE(an_order_run_beyond_the_ledgers_end_is_proof),
        IN_A_SCENE(order_runs_without_a_ledger_are_proof),
        IN_A_SCENE(a_loss_that_is_accepted_is_a_row_and_is_asked_for_once),
        IN_A_SCENE(the_numbers_of_lost_moves_are_not_given_out_again),
        IN_A_SCENE(one_torn_slot_of_the_mark_changes_nothing),
        IN_A_SCENE(a_mark_that_cannot_be_read_is_told),
        IN_A_SCENE(a_ledger_without_a_mark_gets_one),
        IN_A_SCENE(after_a_stop_the_mark_knows_every_move),
        IN_A_SCENE(a_mark_that_cannot_be_written_stops_nobody),
        IN_A_SCENE(a_backup_starts_elsewhere_and_says_what_it_is),
        IN_A_SCENE(an_older_backup_put_back_over_the_folder_asks_first),
    };
    return cmocka_run_group_tests(tests, live_once, end_it);
}
