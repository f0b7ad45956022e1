/* SQLite out of memory, at every allocation in turn: batches are refused or done, never half. */
#include "fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

#include "ledger_rig.h"

static sqlite3_mem_methods real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long countdown; /* to the allocation that fails; 0: none */
static long failed;

static bool fails(void)
{
    pthread_mutex_lock(&lock);
    bool now = countdown > 0 && --countdown == 0;
    failed += now;
    pthread_mutex_unlock(&lock);
    return now;
}

static void fail_after(long allocations)
{
    pthread_mutex_lock(&lock);
    countdown = allocations;
    failed = 0;
    pthread_mutex_unlock(&lock);
}

static void *on_malloc(int size)
{
    return fails() ? NULL : real.xMalloc(size);
}

static void *on_realloc(void *p, int size)
{
    return fails() ? NULL : real.xRealloc(p, size);
}

static int set_up(void **state)
{
    (void)state;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
        return -1;
    sqlite3_mem_methods failing = real;
    failing.xMalloc = on_malloc;
    failing.xRealloc = on_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) == SQLITE_OK ? 0 : -1;
}

static void commit_until_done(struct rig *rig, int number)
{
    enum ledger_outcome outcome;
    int tries = 0;
    do {
        char id[32];
        assert_true(rig_wait_available(rig, true));
        for (int i = 0; i < 120; i++) { /* more than a page */
            snprintf(id, sizeof id, "order-%d-%d", number, i);
            int64_t r = rig_reserve(rig, 1, 1, id);
            if (i % 4 == 0)
                rig_step(rig, MOVE_CONFIRM, r, 1, 1);
        }
        rig_reserve_lines(rig, (struct line[]){{1, 1}, {2, 1}}, 2, "both");
        outcome = rig_commit(rig);
        if (outcome == LEDGER_UNKNOWN) {
            outcome = rig_outcome(rig, 1);
            rig_settle(rig);
        }
        assert_true(++tries < 10);
    } while (outcome != LEDGER_COMMITTED);
}

static void every_allocation_while_committing_may_fail(void **state)
{
    (void)state;
    long fired = 1;
    for (long first = 1; fired > 0; first += 1 + first / 10) {
        struct rig rig = {.factory = &rig_sqlite, .vfs = "unix"};
        rig_open_as_set(&rig);
        rig_create(&rig, 100000);
        rig_create(&rig, 100000);
        assert_int_equal(rig_commit(&rig), LEDGER_COMMITTED);
        fail_after(first);
        for (int number = 0; number < 3; number++)
            commit_until_done(&rig, number);
        fired = failed;
        fail_after(0);
        rig_check_stock(&rig);
        rig_reopen(&rig);
        rig_check_loaded(&rig);
        rig_close(&rig);
    }
}

static void every_allocation_while_opening_may_fail(void **state)
{
    (void)state;
    struct rig rig = {.factory = &rig_sqlite, .vfs = "unix"};
    struct error e;
    rig_open_as_set(&rig);
    rig_create(&rig, 100000);
    rig_create(&rig, 100000);
    commit_until_done(&rig, 0);
    rig_stop(&rig);
    int rc = -1;
    for (long first = 1; failed > 0 || rc; first += 1 + first / 10) {
        fail_after(first);
        rc = rig_try_open(&rig, &e);
        long fired = failed;
        fail_after(0);
        if (rc == 0) {
            rig_check_loaded(&rig);
            rig_stop(&rig);
        }
        failed = fired;
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_while_committing_may_fail),
        cmocka_unit_test(every_allocation_while_opening_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
