/* How many connections a limit on open files leaves room for. */
#include "fixture.h"

#include <sys/resource.h>

#include "server/open_files.h"

static void a_high_limit_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(open_files_connections(1048576, 1, 20000), 20000);
    assert_int_equal(open_files_connections(INT64_MAX, 64, 1000000), 1000000);
}

static void a_low_limit_leaves_the_ledger_its_files(void **state)
{
    (void)state;
    assert_int_equal(open_files_connections(20000, 1, 20000), 20000 - OPEN_FILES_KEPT - 8);
    assert_int_equal(open_files_connections(20000, 8, 20000), 20000 - OPEN_FILES_KEPT - 64);
}

static void rooms_imports_and_deliveries_have_files_beside_the_ledgers(void **state)
{
    (void)state;
    assert_int_equal(OPEN_FILES_KEPT, 128 + 256 + 16 + 64);
}

static void a_tiny_limit_is_shared_in_halves(void **state)
{
    (void)state;
    assert_int_equal(open_files_connections(256, 1, 20000), 128);
    assert_int_equal(open_files_connections(1, 1, 20000), 1);
    assert_int_equal(open_files_connections(0, 1, 20000), 1);
}

static void what_is_said_to_be_needed_suffices_and_one_less_does_not(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 64; workers += 21)
        for (int64_t wanted = 2; wanted < 3000; wanted++) {
            int64_t needed = open_files_needed(wanted, workers);
            assert_int_equal(open_files_connections(needed, workers, wanted), wanted);
            assert_int_equal(open_files_connections(needed - 1, workers, wanted), wanted - 1);
        }
}

static void the_limit_is_raised_as_far_as_it_may(void **state)
{
    (void)state;
    struct rlimit before, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(open_files_raise(), before.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_high_limit_changes_nothing),
        cmocka_unit_test(a_low_limit_leaves_the_ledger_its_files),
        cmocka_unit_test(rooms_imports_and_deliveries_have_files_beside_the_ledgers),
        cmocka_unit_test(a_tiny_limit_is_shared_in_halves),
        cmocka_unit_test(what_is_said_to_be_needed_suffices_and_one_less_does_not),
        cmocka_unit_test(the_limit_is_raised_as_far_as_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
