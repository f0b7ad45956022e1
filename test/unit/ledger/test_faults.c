/* The embedded ledger over a disk that fails at every call in turn, and loses power.
 *
 * After each fault: what was acknowledged is there, what was rejected is not, the stock is what the
 * moves say, and the ledger works again once the disk does.
 */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fault_vfs.h"
#include "ledger_rig.h"

enum { BATCHES = 8 };

static const struct sale_item items[2] = {{.lot = 1}, {.sku = {"cola", 4}}};

/* A sale that is changed with every batch, and what orders may do after they are paid. */
static void add_sale(struct rig *rig, int number)
{
    struct sale_terms sale = {.number = 1,
                              .sale_id = {"flash-1", 7},
                              .starts_ms = 1000,
                              .ends_ms = 2000 + number,
                              .item_count = (uint16_t)(1 + number % 2),
                              .items = items};
    rig_sale(rig, &sale);
    rig_lot_terms(rig, 1,
                  &(struct lot_terms){.expires_on = LOT_NEVER_EXPIRES,
                                      .expected_on = LOT_NEVER_EXPIRES,
                                      .per_user_limit = number});
    int64_t group = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    int64_t r = rig_reserve(rig, 1, 2, "in-a-group");
    rig->open.at[rig->open.count - 1].move.sale = 1;
    rig->open.at[rig->open.count - 1].move.group_id = group;
    rig_step(rig, MOVE_CHANGE, r, 1, 1);
    rig_step(rig, MOVE_CONFIRM, r, 1, 3);
    rig_group(rig, MOVE_GROUP_SUCCEED, 1, group);
    rig_step(rig, MOVE_SHIP, r, 1, 2);
    rig_fence(rig, "fenced");
}

/* The sale and the terms are those of the last batch that was told. */
static void check_sale(const struct rig *rig)
{
    const struct rig_move *last = NULL;
    int64_t limit = 0;
    for (size_t i = 0; i < rig->told.count; i++) {
        if (rig->told.at[i].move.kind == MOVE_SALE)
            last = &rig->told.at[i];
        else if (rig->told.at[i].move.kind == MOVE_LOT_TERMS)
            limit = rig->told.at[i].terms.per_user_limit;
    }
    assert_int_equal(rig->loaded_sale_count, last ? 1 : 0);
    if (!last)
        return;
    assert_int_equal(rig->loaded_sales[0].terms.ends_ms, last->sale.ends_ms);
    assert_int_equal(rig->loaded_sales[0].terms.item_count, last->sale.item_count);
    assert_int_equal(rig->loaded_terms[0].per_user_limit, limit);
}

/* Adds one batch: a lot now and then, orders, ends of earlier ones. */
static void add_batch(struct rig *rig, int number)
{
    char id[32];
    if (number % 3 == 0)
        rig_create(rig, 1000);
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "order-%d-%d", number, i);
        int64_t r = rig_reserve(rig, 1, 1 + i, id);
        if (i % 3 == 0)
            rig_step(rig, MOVE_CONFIRM, r, 1, 1 + i);
        else if (i % 3 == 1)
            rig_step(rig, MOVE_REFUND, r, 1, 1 + i);
    }
    if (rig->lots > 1)
        rig_reserve_lines(rig, (struct line[]){{1, 1}, {rig->lots, 2}}, 2, "several");
    if (number % 3 == 1)
        add_sale(rig, number);
}

static void open_rig(struct rig *rig)
{
    *rig = (struct rig){.factory = &rig_sqlite, .wal_bytes_max = 20 * 4120};
    fault_vfs_forget();
    rig_open_as_set(rig);
}

/* The mark is written behind the back of the disk that forgets, so what is copied is as new as it
 * can be: if it ever ran ahead of what is durable, the start on the rest would refuse. */
static void copy_mark(const char *from, const char *to)
{
    char path[300], bytes[8192];
    snprintf(path, sizeof path, "%s/mark", from);
    FILE *in = fopen(path, "rb");
    size_t size = in ? fread(bytes, 1, sizeof bytes, in) : 0;
    if (in)
        fclose(in);
    snprintf(path, sizeof path, "%s/mark", to);
    FILE *out = size ? fopen(path, "wb") : NULL;
    if (out) {
        assert_int_equal(fwrite(bytes, 1, size, out), size);
        fclose(out);
    }
}

/* A rig on what a power cut would leave of another one's disk. */
static void check_after_power_cut(const struct rig *rig, unsigned seed)
{
    struct rig_factory sound = rig_sqlite;
    struct rig after = {.factory = &sound, .vfs = "unix"};
    sound.heal = NULL; /* the other rig's disk goes on as planned */
    rig_new_folder(after.dir);
    fault_vfs_power_cut(after.dir, seed);
    copy_mark(rig->dir, after.dir);
    after.told = rig->told;
    rig_open_as_set(&after);
    after.lots = rig->lots;
    rig_check_loaded(&after);
    rig_check_stock(&after);
    check_sale(&after);
    after.told = (struct rig_moves){0};
    rig_close(&after);
}

/* The batches, each tried until it is committed. A second outcome is checked at once, before
 * anything else is written. */
static void run_batches(struct rig *rig)
{
    for (int number = 0; number < BATCHES; number++) {
        enum ledger_outcome outcome;
        int tries = 0;
        do {
            assert_true(rig_wait_available(rig, true));
            add_batch(rig, number);
            outcome = rig_commit(rig);
            if (outcome == LEDGER_UNKNOWN) {
                outcome = rig_outcome(rig, 1);
                rig_settle(rig);
                check_after_power_cut(rig, FAULT_CUT_CLEAN);
                check_after_power_cut(rig, FAULT_CUT_LATE);
            }
            assert_true(++tries < 10);
        } while (outcome != LEDGER_COMMITTED);
    }
}

static int ignore(void *context, const struct move *m)
{
    (void)context, (void)m;
    return 0;
}

/* With a reader, the shared index of the log outlives the writer's connection; without, opening it
 * again recovers the log. */
static void sweep(struct fault_plan plan, bool with_reader)
{
    long fired = 1;
    for (long first = 1; fired > 0; first += 1 + first / 24) {
        struct rig rig;
        open_rig(&rig);
        if (with_reader)
            rig.ledger->ops->read_log(rig.ledger, 0, 1, ignore, NULL, NULL);
        plan.first = first;
        fault_vfs_plan(&plan);
        run_batches(&rig);
        fired = fault_vfs_fired();
        check_after_power_cut(&rig, FAULT_CUT_CLEAN);
        check_after_power_cut(&rig, FAULT_CUT_LATE);
        check_after_power_cut(&rig, 1000 + (unsigned)first);
        rig_check_stock(&rig);
        rig_reopen(&rig);
        rig_check_loaded(&rig);
        rig_close(&rig);
    }
}

static void every_write_may_fail(void **state)
{
    (void)state;
    sweep((struct fault_plan){.calls = FAULT_WRITE, .count = 1, .code = SQLITE_IOERR_WRITE}, false);
}

static void every_write_may_stop_half_way(void **state)
{
    (void)state;
    sweep(
        (struct fault_plan){
            .calls = FAULT_WRITE, .count = 1, .code = SQLITE_IOERR_WRITE, .torn = true},
        false);
}

static void the_disk_may_be_full_at_every_write(void **state)
{
    (void)state;
    sweep((struct fault_plan){.calls = FAULT_WRITE, .count = 3, .code = SQLITE_FULL}, false);
}

static void every_sync_may_fail(void **state)
{
    (void)state;
    sweep((struct fault_plan){.calls = FAULT_SYNC, .count = 1, .code = SQLITE_IOERR_FSYNC}, false);
    sweep((struct fault_plan){.calls = FAULT_SYNC, .count = 2, .code = SQLITE_IOERR_FSYNC}, false);
}

static void every_sync_may_fail_while_somebody_reads(void **state)
{
    (void)state;
    sweep((struct fault_plan){.calls = FAULT_SYNC, .count = 1, .code = SQLITE_IOERR_FSYNC}, true);
    sweep((struct fault_plan){.calls = FAULT_SYNC, .count = 2, .code = SQLITE_IOERR_FSYNC}, true);
}

static void every_read_and_open_may_fail(void **state)
{
    (void)state;
    sweep((struct fault_plan){.calls = FAULT_READ | FAULT_OPEN,
                              .count = 1,
                              .code = SQLITE_IOERR_READ},
          false);
}

/* ---- the power fails while batches are on their way ---- */

static size_t open_moves_found(const struct rig *after, const struct rig *rig)
{
    size_t found = 0;
    for (size_t i = 0; i < after->loaded.count; i++) {
        for (size_t k = 0; k < rig->open.count; k++)
            found += after->loaded.at[i].move.seq == rig->open.at[k].move.seq;
    }
    return found;
}

/* From its n-th call on, the disk does nothing more. The batch that was under way is there as a
 * whole or not at all; all others are as they were told. */
static void a_batch_survives_a_power_cut_whole_or_not_at_all(void **state)
{
    (void)state;
    bool cut = true;
    for (long first = 1; cut; first += 1 + first / 16) {
        struct rig rig;
        open_rig(&rig);
        fault_vfs_plan(&(struct fault_plan){
            .calls = FAULT_ALL_WRITES, .first = first, .count = -1, .code = SQLITE_IOERR});
        enum ledger_outcome outcome = LEDGER_COMMITTED;
        for (int number = 0; number < BATCHES && outcome == LEDGER_COMMITTED; number++) {
            add_batch(&rig, number);
            outcome = rig_commit(&rig);
        }
        cut = fault_vfs_fired() > 0;
        for (unsigned seed = 0; seed < 3; seed++) {
            struct rig after = {.factory = &rig_sqlite, .vfs = "unix"};
            rig_new_folder(after.dir);
            fault_vfs_power_cut(after.dir, seed ? seed * 1000 + (unsigned)first : 0);
            rig_open_as_set(&after);
            size_t found = open_moves_found(&after, &rig);
            assert_true(found == 0 || (outcome == LEDGER_UNKNOWN && found == rig.open.count));
            for (lot_id lot = 1; lot <= after.loaded_lots.count; lot++)
                rig_sqlite.stock(&after, lot);
            assert_true(after.loaded.count <= rig.told.count + found);
            rig_close(&after);
        }
        fault_vfs_plan(&(struct fault_plan){0});
        if (outcome == LEDGER_UNKNOWN) {
            rig_outcome(&rig, 1);
            rig_settle(&rig);
        }
        rig_reopen(&rig);
        rig_check_loaded(&rig);
        rig_close(&rig);
    }
}

/* A commit whose last step failed although everything is in the log: somebody recovers the log, and
 * the batch is there. The outcome must be COMMITTED, and hold through a power cut. */
static void a_doubtful_batch_that_is_there_is_made_durable(void **state)
{
    (void)state;
    struct rig rig;
    char path[512];
    open_rig(&rig);
    rig_create(&rig, 1000);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    add_batch(&rig, 1);
    fault_vfs_plan(&(struct fault_plan){
        .calls = FAULT_SYNC | FAULT_OPEN, .first = 1, .count = -1, .code = SQLITE_IOERR_FSYNC});
    assert_int_equal(rig_commit(&rig), LEDGER_UNKNOWN);
    assert_true(rig_wait_available(&rig, false));
    /* The index of the log is lost, so that whoever opens the file next reads all of the log. */
    snprintf(path, sizeof path, "%s/ledger.db-shm", rig.dir);
    assert_int_equal(remove(path), 0);
    fault_vfs_plan(&(struct fault_plan){0});
    assert_int_equal(rig_outcome(&rig, 1), LEDGER_COMMITTED);
    rig_settle(&rig);
    assert_true(rig_wait_available(&rig, true));
    check_after_power_cut(&rig, FAULT_CUT_CLEAN);
    rig_close(&rig);
}

static void commit_one(struct rig *rig)
{
    do {
        assert_true(rig_wait_available(rig, true));
        rig_adjust(rig, 1, 1, "", "");
    } while (rig_commit(rig) != LEDGER_COMMITTED);
}

/* Frames that a failed sync left in the log look sound to whoever opens it, but may never have
 * reached the disk: what is committed behind them would be lost with them. */
static void fail_syncs_of_upkeep(long failures)
{
    struct rig rig;
    open_rig(&rig);
    rig_create(&rig, 1000);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    /* Idle, the ledger writes a snapshot: its sync fails, and perhaps what is tried after it. */
    fault_vfs_plan(&(struct fault_plan){
        .calls = FAULT_SYNC, .first = 1, .count = failures, .code = SQLITE_IOERR_FSYNC});
    AWAIT(fault_vfs_fired() >= failures);
    assert_int_equal(fault_vfs_fired(), failures);
    commit_one(&rig);
    check_after_power_cut(&rig, FAULT_CUT_CLEAN);
    rig_close(&rig);
}

static void commits_after_failed_syncs_of_upkeep_survive_a_power_cut(void **state)
{
    (void)state;
    for (long failures = 1; failures <= 4; failures++)
        fail_syncs_of_upkeep(failures);
}

/* The batch is not there, and the probe that makes sure of it is not durable at the first try. */
static void commits_after_a_doubtful_batch_and_a_failed_probe_survive_a_power_cut(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig);
    rig_create(&rig, 1000);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    add_batch(&rig, 1);
    fault_vfs_plan(&(struct fault_plan){.calls = FAULT_WRITE,
                                        .first = 2,
                                        .count = 1,
                                        .code = SQLITE_IOERR_WRITE,
                                        .wal_only = true});
    rig_submit(&rig);
    assert_int_equal(rig_outcome(&rig, 0), LEDGER_UNKNOWN);
    fault_vfs_plan(&(struct fault_plan){
        .calls = FAULT_SYNC, .first = 1, .count = 1, .code = SQLITE_IOERR_FSYNC});
    assert_int_equal(rig_outcome(&rig, 1), LEDGER_REJECTED);
    rig_settle(&rig);
    assert_int_equal(fault_vfs_fired(), 1);
    commit_one(&rig);
    check_after_power_cut(&rig, FAULT_CUT_CLEAN);
    rig_close(&rig);
}

/* A start writes a snapshot of its own before any batch tells it which holds are PENDING. */
static void a_pending_hold_is_loaded_also_at_the_second_start_after_a_crash(void **state)
{
    (void)state;
    struct rig rig, after = {.factory = &rig_sqlite, .vfs = "unix", .retention_ms = 1};
    open_rig(&rig);
    rig.oldest_pending = INT64_MAX;
    for (int i = 0; i < 40; i++)
        rig_create(&rig, 1000); /* enough for a snapshot that knows of no hold */
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig_reopen(&rig);
    rig.oldest_pending = rig_reserve(&rig, 1, 1, "pending");
    rig.now_ms += 1000; /* so that the order index has no need of it */
    rig_adjust(&rig, 1, 1, "", "");
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    rig_new_folder(after.dir);
    fault_vfs_power_cut(after.dir, FAULT_CUT_CLEAN);
    rig_open_as_set(&after);
    rig_reopen(&after);
    bool loaded = false;
    for (size_t i = 0; i < after.loaded.count; i++)
        loaded = loaded || after.loaded.at[i].move.seq == rig.oldest_pending;
    assert_true(loaded);
    rig_close(&after);
    rig_close(&rig);
}

static void stopping_while_the_outcome_is_unknown_does_not_hang(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig);
    rig_create(&rig, 1000);
    assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
    add_batch(&rig, 1);
    fault_vfs_plan(&(struct fault_plan){
        .calls = FAULT_SYNC, .first = 1, .count = -1, .code = SQLITE_IOERR_FSYNC});
    assert_int_equal(rig_commit(&rig), LEDGER_UNKNOWN);
    rig_stop(&rig);
    assert_int_equal(rig.outcome_count, 1);
    rig_close(&rig);
}

static void a_ledger_on_a_dead_disk_is_not_opened(void **state)
{
    (void)state;
    struct rig rig = {.factory = &rig_sqlite};
    struct error e = {0};
    fault_vfs_install();
    fault_vfs_forget();
    rig_new_folder(rig.dir);
    for (long first = 1;; first++) {
        fault_vfs_plan(&(struct fault_plan){
            .calls = FAULT_ALL_WRITES, .first = first, .count = -1, .code = SQLITE_IOERR_WRITE});
        pthread_mutex_init(&rig.lock, NULL);
        pthread_cond_init(&rig.changed, NULL);
        int rc = rig_try_open(&rig, &e);
        if (rc == 0 && fault_vfs_fired() == 0)
            break;
        if (rc == 0)
            rig_stop(&rig);
        else
            assert_true(e.text[0]);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_may_fail),
        cmocka_unit_test(every_write_may_stop_half_way),
        cmocka_unit_test(the_disk_may_be_full_at_every_write),
        cmocka_unit_test(every_sync_may_fail),
        cmocka_unit_test(every_sync_may_fail_while_somebody_reads),
        cmocka_unit_test(every_read_and_open_may_fail),
        cmocka_unit_test(a_batch_survives_a_power_cut_whole_or_not_at_all),
        cmocka_unit_test(a_doubtful_batch_that_is_there_is_made_durable),
        cmocka_unit_test(commits_after_failed_syncs_of_upkeep_survive_a_power_cut),
        cmocka_unit_test(commits_after_a_doubtful_batch_and_a_failed_probe_survive_a_power_cut),
        cmocka_unit_test(a_pending_hold_is_loaded_also_at_the_second_start_after_a_crash),
        cmocka_unit_test(stopping_while_the_outcome_is_unknown_does_not_hang),
        cmocka_unit_test(a_ledger_on_a_dead_disk_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
