/* Runs of the order index: the file, sorting, merging, damage, gaps. */
#include "engine/order_index.h"
#include "fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "ledger/order_store.h"
#include "ledger/run_format.h"
#include "ledger_rig.h"

enum { SEED = 42 };

static uint64_t hash_of(int64_t n)
{
    return hash64((struct str){(const char *)&n, sizeof n}, SEED);
}

static struct order_entry *entries_of(int64_t first, size_t count)
{
    struct order_entry *entries = malloc(count * 2 * sizeof *entries);
    assert_non_null(entries);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct order_entry){hash_of(first + (int64_t)i), first + (int64_t)i};
    order_sort(entries, entries + count, count);
    return entries;
}

static struct run_file *write_run(const char *dir, int64_t after, int64_t first, size_t count)
{
    struct error e;
    struct run_writer *w;
    struct run_file *run;
    struct run_span span = {after, first, first + (int64_t)count - 1};
    struct order_entry *entries = entries_of(first, count);
    assert_int_equal(run_writer_begin(&w, dir, SEED, count, &span, &e), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(run_writer_add(w, &entries[i], &e), 0);
    assert_int_equal(run_writer_finish(w, &run, &e), 0);
    free(entries);
    return run;
}

static bool has(struct run_file *run, int64_t n)
{
    int64_t found[4];
    struct error e;
    int count = run_file_find(run, hash_of(n), found, 4, &e);
    assert_true(count >= 0);
    return count == 1 && found[0] == n;
}

static void sorting_puts_hashes_in_order_and_loses_none(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    struct order_entry *entries = entries_of(1, COUNT);
    int64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_true(i == 0 || entries[i - 1].hash <= entries[i].hash);
        assert_int_equal(entries[i].hash, hash_of(entries[i].reservation_id));
        sum += entries[i].reservation_id;
    }
    assert_int_equal(sum, (int64_t)COUNT * (COUNT + 1) / 2);
    free(entries);
}

static void every_entry_of_a_run_is_found_again(void **state)
{
    static const size_t sizes[] = {1, 254, 255, 256, 510, 511, 40000};
    char dir[256];
    struct error e;
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        char name[RUN_NAME_SIZE];
        rig_new_folder(dir);
        struct run_file *written = write_run(dir, 0, 1000, sizes[k]), *run;
        run_file_name(name, written->port.seq_min, written->port.seq_max);
        assert_int_equal(run_file_open(&run, dir, name, SEED, &e), 0);
        assert_int_equal(run->port.count, sizes[k]);
        assert_int_equal(run->bytes, written->bytes);
        for (size_t i = 0; i < sizes[k]; i++) {
            assert_true(has(written, 1000 + (int64_t)i));
            assert_true(has(run, 1000 + (int64_t)i));
        }
        for (int64_t i = 0; i < 1000; i++)
            assert_false(has(run, i));
        run_file_release(written);
        run_file_release(run);
        rig_remove_folder(dir);
    }
}

static void one_hash_may_stand_for_several_orders_over_a_blocks_end(void **state)
{
    char dir[256];
    struct error e;
    struct run_writer *w;
    struct run_file *run;
    int64_t found[600];
    (void)state;
    rig_new_folder(dir);
    struct run_span span = {0, 1, 600};
    assert_int_equal(run_writer_begin(&w, dir, SEED, 600, &span, &e), 0);
    for (int64_t i = 1; i <= 600; i++)
        assert_int_equal(run_writer_add(w,
                                        &(struct order_entry){i <= 200   ? 5
                                                              : i <= 500 ? 7
                                                                         : 9,
                                                              i},
                                        &e),
                         0);
    assert_int_equal(run_writer_finish(w, &run, &e), 0);
    assert_int_equal(run_file_find(run, 7, found, 600, &e), 300);
    assert_int_equal(found[0], 201);
    assert_int_equal(found[299], 500);
    assert_int_equal(run_file_find(run, 5, found, 600, &e), 200);
    assert_int_equal(run_file_find(run, 9, found, 600, &e), 100);
    assert_int_equal(run_file_find(run, 8, found, 600, &e), 0);
    run_file_release(run);
    rig_remove_folder(dir);
}

/* Flips a bit at every 97th byte; the file must be refused or answer right. */
static void damage_is_noticed(void **state)
{
    char dir[256], name[RUN_NAME_SIZE], path[512];
    struct error e;
    (void)state;
    rig_new_folder(dir);
    struct run_file *run = write_run(dir, 0, 1, 600);
    uint64_t size = run->bytes;
    run_file_name(name, 1, 600);
    run_file_release(run);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (uint64_t at = 0; at < size; at += 97) {
        char byte;
        int fd = open(path, O_RDWR);
        bool header_tail = at >= sizeof(struct run_header) && at < RUN_BLOCK_BYTES;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        int rc = run_file_open(&run, dir, name, SEED, &e);
        if (rc == 0) {
            int failed = 0;
            for (int64_t n = 1; n <= 600; n++) {
                int64_t found[4];
                int count = run_file_find(run, hash_of(n), found, 4, &e);
                assert_true(count == 1 || count == TLY_ECORRUPT);
                failed += count < 0;
            }
            assert_true(failed > 0 || header_tail);
            assert_int_equal(atomic_load(&run->damaged), failed > 0);
            run_file_release(run);
        } else {
            assert_int_equal(rc, TLY_ECORRUPT);
            assert_true(at < RUN_BLOCK_BYTES || at >= RUN_BLOCK_BYTES * 4);
        }
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        close(fd);
    }
    rig_remove_folder(dir);
}

static void a_run_of_another_data_folder_is_refused(void **state)
{
    char dir[256], name[RUN_NAME_SIZE];
    struct error e;
    struct run_file *run;
    (void)state;
    rig_new_folder(dir);
    run_file_release(write_run(dir, 0, 1, 10));
    run_file_name(name, 1, 10);
    assert_int_equal(run_file_open(&run, dir, name, SEED + 1, &e), TLY_ECORRUPT);
    rig_remove_folder(dir);
}

/* ---- the store ---- */

struct told {
    int merged;
    struct order_index *index;
};

static void on_stored(void *context, struct order_segment *s, struct order_run *run)
{
    struct told *told = context;
    assert_null(s);
    told->merged++;
    order_index_install(told->index, NULL, run);
}

static void like_runs_are_merged_and_all_is_still_found(void **state)
{
    char dir[256];
    struct error e;
    struct order_store store;
    struct told told = {0};
    struct ledger_events events = {.context = &told, .segment_stored = on_stored};
    _Atomic int64_t last_seq = 1000000;
    (void)state;
    assert_int_equal(order_index_create(&told.index, 1000, &e), 0);
    rig_new_folder(dir);
    assert_int_equal(order_store_init(&store, dir, "none", NULL, SEED, 0, &last_seq, &e), 0);
    store.events = &events;
    for (int i = 0; i < 64; i++) {
        struct run_file *run = write_run(store.dir, i * 300, i * 300 + 1, 300);
        order_store_replace(&store, store.run_count, 0, run);
        while (order_store_merge(&store, &e) > 0)
            continue;
        assert_true(store.run_count < 12);
    }
    assert_int_equal(store.run_count, 1);
    assert_int_equal(told.merged, 16 + 4 + 1);
    assert_int_equal(order_index_runs(told.index), 1);
    assert_int_equal(store.runs[0]->port.count, 64 * 300);
    for (int64_t n = 1; n <= 64 * 300; n += 7) {
        int64_t found[ORDER_CANDIDATES_MAX];
        assert_int_equal(order_store_find(&store, hash_of(n), found, &e), 1);
        assert_int_equal(found[0], n);
        assert_true(order_index_on_disk(told.index, hash_of(n)));
    }
    order_index_destroy(told.index);
    order_store_close(&store);
    rig_remove_folder(dir);
}

/* ---- at start, with a ledger ---- */

enum { ORDERS = 900 };

static void order_name(char out[32], int number)
{
    snprintf(out, 32, "order-%d", number);
}

/* A ledger with 900 orders and three runs of 300 made of them. */
static void fill(struct rig *rig)
{
    char id[32], dir[512];
    struct error e;
    *rig = (struct rig){.factory = &rig_sqlite, .vfs = "unix", .oldest_pending = INT64_MAX};
    rig_open_as_set(rig);
    rig_create(rig, 10000);
    for (int i = 0; i < ORDERS; i++) {
        order_name(id, i);
        rig_reserve(rig, 1, 1, id);
    }
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_stop(rig);
    snprintf(dir, sizeof dir, "%s/orders", rig->dir);
    int64_t after = 0;
    for (int part = 0; part < 3; part++) {
        struct order_entry *entries = malloc(600 * sizeof *entries);
        for (int i = 0; i < 300; i++) {
            const struct move *m = &rig->told.at[1 + part * 300 + i].move;
            entries[i] = (struct order_entry){m->order_hash, m->seq};
        }
        struct run_span span = {after, entries[0].reservation_id, entries[299].reservation_id};
        after = span.seq_max;
        order_sort(entries, entries + 300, 300);
        struct run_writer *w;
        struct run_file *run;
        assert_int_equal(run_writer_begin(&w, dir, rig->seed, 300, &span, &e), 0);
        for (int i = 0; i < 300; i++)
            assert_int_equal(run_writer_add(w, &entries[i], &e), 0);
        assert_int_equal(run_writer_finish(w, &run, &e), 0);
        run_file_release(run);
        free(entries);
    }
}

static void path_of_run(const struct rig *rig, int part, char out[512])
{
    char name[RUN_NAME_SIZE];
    run_file_name(name, rig->told.at[1 + part * 300].move.seq,
                  rig->told.at[300 + part * 300].move.seq);
    snprintf(out, 512, "%s/orders/%s", rig->dir, name);
}

static void open_and_find_all(struct rig *rig, size_t runs)
{
    struct error e;
    char id[32];
    assert_int_equal(order_index_create(&rig->index, 100000, &e), 0);
    rig_reopen(rig);
    assert_int_equal(order_index_runs(rig->index), runs);
    for (int i = 0; i < ORDERS; i += 13) {
        struct reservation_record *r;
        order_name(id, i);
        assert_true(order_index_on_disk(rig->index, hash64(str_of(id), rig->seed)));
        assert_int_equal(rig_read_order(rig, id, &r), 0);
        assert_int_equal(r->reservation_id, rig->told.at[1 + i].move.seq);
        free(r);
    }
    rig_stop(rig);
    order_index_destroy(rig->index);
    rig->index = NULL;
}

static void sound_runs_are_taken_as_they_are(void **state)
{
    struct rig rig;
    (void)state;
    fill(&rig);
    open_and_find_all(&rig, 3);
    assert_int_equal(rig.loaded.count, 0);
    rig_close(&rig);
}

static void a_missing_run_is_made_again_from_the_log(void **state)
{
    char path[512];
    (void)state;
    for (int part = 0; part < 2; part++) {
        struct rig rig;
        fill(&rig);
        path_of_run(&rig, part, path);
        assert_int_equal(unlink(path), 0);
        open_and_find_all(&rig, 3);
        open_and_find_all(&rig, 3);
        rig_close(&rig);
    }
}

static void without_the_newest_run_the_log_is_read_from_there(void **state)
{
    char path[512];
    struct rig rig;
    struct error e;
    (void)state;
    fill(&rig);
    path_of_run(&rig, 2, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(order_index_create(&rig.index, 100000, &e), 0);
    rig_reopen(&rig);
    assert_int_equal(order_index_runs(rig.index), 2);
    assert_int_equal(rig.loaded.count, 300);
    rig_check_loaded(&rig);
    rig_stop(&rig);
    order_index_destroy(rig.index);
    rig_close(&rig);
}

static void a_damaged_run_is_made_again_from_the_log(void **state)
{
    char path[512];
    (void)state;
    for (int part = 0; part < 3; part++) {
        struct rig rig;
        fill(&rig);
        path_of_run(&rig, part, path);
        assert_int_equal(truncate(path, 4000), 0);
        open_and_find_all(&rig, 3);
        rig_close(&rig);
    }
}

static void leftovers_and_runs_of_another_folder_are_removed(void **state)
{
    char path[512], dir[512];
    struct rig rig;
    (void)state;
    fill(&rig);
    snprintf(path, sizeof path, "%s/orders/%019d-%019d.run.tmp", rig.dir, 5, 6);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(dir, sizeof dir, "%s/orders", rig.dir);
    int64_t last = rig.told.at[rig.told.count - 1].move.seq;
    run_file_release(write_run(dir, last, last + 1, 10));
    open_and_find_all(&rig, 3);
    assert_int_equal(access(path, F_OK), -1);
    rig_close(&rig);
}

static void a_block_that_goes_bad_while_running_is_repaired(void **state)
{
    char path[512], id[32];
    char noise[64];
    struct rig rig;
    struct error e;
    struct reservation_record *r;
    (void)state;
    fill(&rig);
    assert_int_equal(order_index_create(&rig.index, 100000, &e), 0);
    rig_reopen(&rig);
    path_of_run(&rig, 1, path);
    int fd = open(path, O_WRONLY);
    memset(noise, 0x5a, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, RUN_BLOCK_BYTES + 100), sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, 2 * RUN_BLOCK_BYTES + 100), sizeof noise);
    close(fd);
    order_name(id, 450);
    assert_int_equal(rig_read_order(&rig, id, &r), TLY_EUNAVAILABLE);
    int rc = TLY_EUNAVAILABLE;
    for (int i = 0; i < PATIENCE_MS / 10 && rc; i++) {
        pause_ms(10);
        rc = rig_read_order(&rig, id, &r);
    }
    assert_int_equal(rc, 0);
    free(r);
    rig_stop(&rig);
    order_index_destroy(rig.index);
    rig.index = NULL;
    open_and_find_all(&rig, 3);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorting_puts_hashes_in_order_and_loses_none),
        cmocka_unit_test(every_entry_of_a_run_is_found_again),
        cmocka_unit_test(one_hash_may_stand_for_several_orders_over_a_blocks_end),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(a_run_of_another_data_folder_is_refused),
        cmocka_unit_test(like_runs_are_merged_and_all_is_still_found),
        cmocka_unit_test(sound_runs_are_taken_as_they_are),
        cmocka_unit_test(a_missing_run_is_made_again_from_the_log),
        cmocka_unit_test(without_the_newest_run_the_log_is_read_from_there),
        cmocka_unit_test(a_damaged_run_is_made_again_from_the_log),
        cmocka_unit_test(leftovers_and_runs_of_another_folder_are_removed),
        cmocka_unit_test(a_block_that_goes_bad_while_running_is_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
