/* Memory that is reserved before it is taken. */
#include "fixture.h"

#include "base/budget.h"

enum { MIB = 1 << 20 };

static void each_class_fills_the_budget_up_to_its_own_height(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 16 * MIB, NULL);
    assert_true(budget_take(&b, BUDGET_BULK, 8 * MIB));
    assert_false(budget_take(&b, BUDGET_BULK, 1));
    assert_true(budget_take(&b, BUDGET_BODY, 4 * MIB));
    assert_false(budget_take(&b, BUDGET_BODY, 1));
    assert_true(budget_take(&b, BUDGET_SMALL, 4 * MIB));
    assert_false(budget_take(&b, BUDGET_SMALL, 1));
    assert_true(budget_take(&b, BUDGET_BEGIN, MIB));
    assert_false(budget_take(&b, BUDGET_BEGIN, 1));
    assert_int_equal(b.used, 17 * MIB);
    budget_give(&b, BUDGET_BULK, 17 * MIB);
    assert_int_equal(b.used, 0);
    assert_true(b.freed);
}

static void the_reserve_is_there_when_all_else_is_taken_and_is_bounded_too(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 16 * MIB, NULL);
    budget_force(&b, 40 * MIB);
    assert_false(budget_take(&b, BUDGET_BEGIN, 1));
    assert_true(budget_take(&b, BUDGET_VITAL, MIB));
    assert_false(budget_take(&b, BUDGET_VITAL, 1));
    budget_give(&b, BUDGET_VITAL, MIB);
    assert_int_equal(b.used, 40 * MIB);
    assert_true(budget_take(&b, BUDGET_VITAL, 1));
}

static void workers_share_what_the_process_has(void **state)
{
    (void)state;
    struct budget_pot pot = {.max = 16 * MIB};
    struct budget one, two;
    budget_init(&one, 16 * MIB, &pot);
    budget_init(&two, 16 * MIB, &pot);
    assert_true(budget_take(&one, BUDGET_SMALL, 12 * MIB));
    assert_false(budget_take(&two, BUDGET_SMALL, 5 * MIB));
    assert_int_equal(two.used, 0);
    assert_true(budget_take(&two, BUDGET_SMALL, 4 * MIB));
    assert_false(budget_take(&two, BUDGET_BULK, 1)); /* the process has no half left */
    budget_give(&one, BUDGET_SMALL, 12 * MIB);
    assert_true(pot.used <= 6 * MIB);
    assert_true(budget_take(&two, BUDGET_SMALL, 8 * MIB));
    assert_false(budget_take(&one, BUDGET_SMALL, 12 * MIB)); /* what was given back is gone */
}

static void what_was_forced_comes_back_to_the_pot(void **state)
{
    (void)state;
    struct budget_pot pot = {.max = 16 * MIB};
    struct budget b;
    budget_init(&b, 16 * MIB, &pot);
    budget_force(&b, 20 * MIB);
    assert_int_equal(pot.used, 20 * MIB);
    assert_true(budget_tight(&b));
    budget_give(&b, BUDGET_BODY, 20 * MIB);
    assert_int_equal(b.used, 0);
    assert_true(pot.used <= 3 * MIB);
    assert_false(budget_tight(&b));
}

static void sizes_near_the_end_of_numbers_are_refused(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 16 * MIB, NULL);
    assert_true(budget_take(&b, BUDGET_SMALL, MIB));
    assert_false(budget_take(&b, BUDGET_SMALL, SIZE_MAX));
    assert_false(budget_take(&b, BUDGET_SMALL, SIZE_MAX - MIB));
    assert_int_equal(b.used, MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_fills_the_budget_up_to_its_own_height),
        cmocka_unit_test(the_reserve_is_there_when_all_else_is_taken_and_is_bounded_too),
        cmocka_unit_test(workers_share_what_the_process_has),
        cmocka_unit_test(what_was_forced_comes_back_to_the_pot),
        cmocka_unit_test(sizes_near_the_end_of_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
