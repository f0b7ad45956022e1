#include "fixture.h"

#include <stdlib.h>

#include "base/hash.h"
#include "engine/user_units.h"

enum { USERS = 500, RESERVATIONS = 40, STEPS = 20000, IDS_MAX = 64 };

static uint64_t user_of(unsigned n)
{
    return hash64((struct str){(const char *)&n, sizeof n}, 7);
}

static int64_t units_of(const struct user_units *t, unsigned user, uint16_t *count)
{
    int64_t ids[IDS_MAX];
    return user_units_of(t, user_of(user), ids, IDS_MAX, count);
}

/* Units come and go as in a plain table. */
static void run_random(unsigned seed)
{
    static int64_t table[USERS][RESERVATIONS];
    struct user_units t = {0};
    int64_t sums[USERS] = {0};
    for (unsigned i = 0; i < USERS; i++) {
        for (unsigned j = 0; j < RESERVATIONS; j++)
            table[i][j] = 0;
    }
    for (int step = 0; step < STEPS; step++) {
        unsigned user = (unsigned)rand_r(&seed) % USERS % (1 + (unsigned)rand_r(&seed) % USERS);
        unsigned r = (unsigned)rand_r(&seed) % RESERVATIONS;
        int64_t units = 1 + rand_r(&seed) % 5;
        int64_t *has = &table[user][r];
        if (*has && rand_r(&seed) % 2)
            units = units > *has ? -*has : -units;
        else
            assert_true(user_units_make_room(&t, user_of(user)));
        user_units_add(&t, user_of(user), (int64_t)(user * RESERVATIONS + r + 1), units);
        *has += units;
        sums[user] += units;
    }
    uint64_t entries = 0;
    for (unsigned i = 0; i < USERS; i++) {
        uint16_t count;
        assert_int_equal(units_of(&t, i, &count), sums[i]);
        assert_true(count < USER_ENTRIES_MAX);
        unsigned live = 0;
        for (unsigned j = 0; j < RESERVATIONS; j++)
            live += table[i][j] > 0;
        assert_true(count <= live);
        if (live < USER_ENTRIES_MAX / 2)
            entries += count;
    }
    assert_true(entries <= t.count);
    user_units_close(&t);
    assert_int_equal(t.bytes, 0);
}

static void units_of_users_are_as_in_a_plain_table(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++)
        run_random(seed);
}

static void a_user_s_reservations_are_told(void **state)
{
    (void)state;
    struct user_units t = {0};
    int64_t ids[IDS_MAX];
    uint16_t count;
    for (int64_t id = 1; id <= 3; id++) {
        assert_true(user_units_make_room(&t, 5));
        user_units_add(&t, 5, id, id);
    }
    assert_int_equal(user_units_of(&t, 5, ids, 2, &count), 6);
    assert_int_equal(count, 2);
    user_units_add(&t, 5, 1, -1);
    assert_int_equal(user_units_of(&t, 5, ids, IDS_MAX, &count), 5);
    assert_int_equal(count, 2);
    assert_int_equal(ids[0] + ids[1], 5);
    user_units_close(&t);
}

static void a_user_with_very_many_orders_has_few_entries(void **state)
{
    (void)state;
    enum { ORDERS = 100000 };
    struct user_units t = {0};
    uint16_t count;
    for (int64_t id = 1; id <= ORDERS; id++) {
        assert_true(user_units_make_room(&t, 5));
        user_units_add(&t, 5, id, 2);
    }
    assert_int_equal(t.count, USER_ENTRIES_MAX);
    int64_t ids[IDS_MAX];
    assert_int_equal(user_units_of(&t, 5, ids, IDS_MAX, &count), 2 * ORDERS);
    for (int64_t id = 1; id <= ORDERS; id++)
        user_units_add(&t, 5, id, -2);
    assert_int_equal(t.count, 0);
    user_units_close(&t);
}

static void ten_million_users_cost_at_most_48_bytes_each(void **state)
{
    (void)state;
    enum { MILLION = 1000000, LEAST = 100000 };
    struct user_units t = {0};
    for (unsigned n = 1; n <= 10 * MILLION; n++) {
        uint64_t user = user_of(n);
        if (!user_units_make_room(&t, user))
            fail();
        user_units_add(&t, user, n, 1);
        if (n >= LEAST && n % 10000 == 0 && t.bytes > (size_t)48 * n)
            fail_msg("%zu bytes for %u users", t.bytes, n);
    }
    assert_int_equal(t.count, 10 * MILLION);
    print_message("%.1f bytes a user\n", (double)t.bytes / (10 * MILLION));
    user_units_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_of_users_are_as_in_a_plain_table),
        cmocka_unit_test(a_user_s_reservations_are_told),
        cmocka_unit_test(a_user_with_very_many_orders_has_few_entries),
        cmocka_unit_test(ten_million_users_cost_at_most_48_bytes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
