/* Lines are compared by what they say. */
#include "engine/lines.h"

#include <string.h>

#include "fixture.h"

static void what_lies_between_the_members_does_not_count(void **state)
{
    (void)state;
    struct line a, b;
    memset(&a, 0xff, sizeof a);
    memset(&b, 0, sizeof b);
    a.lot = b.lot = 1;
    a.quantity = b.quantity = 2;
    assert_true(lines_equal(&a, 1, &b, 1));
}

static void other_lots_units_or_counts_are_other_lines(void **state)
{
    (void)state;
    const struct line a[] = {{1, 2}, {2, 3}};
    const struct line lot[] = {{1, 2}, {3, 3}};
    const struct line units[] = {{1, 2}, {2, 4}};
    assert_true(lines_equal(a, 2, a, 2));
    assert_false(lines_equal(a, 2, a, 1));
    assert_false(lines_equal(a, 2, lot, 2));
    assert_false(lines_equal(a, 2, units, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_between_the_members_does_not_count),
        cmocka_unit_test(other_lots_units_or_counts_are_other_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
