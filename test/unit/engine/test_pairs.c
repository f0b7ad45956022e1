#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "engine/pairs.h"

enum { KEYS = 200, VALUES = 3, STEPS = 20000 };

/* Few bits set, so that homes are crowded and runs wrap round the end of the table. */
static uint64_t key_of(int i)
{
    return (uint64_t)(i % 50) * UINT64_C(0x05000000) | (uint64_t)(i / 50) << 40;
}

static void run_random(unsigned seed)
{
    static bool in[KEYS][VALUES];
    memset(in, 0, sizeof in);
    srand(seed);
    struct pairs t;
    assert_int_equal(pairs_init(&t, 100), 0);
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % KEYS, v = rand() % VALUES;
        if (in[i][v]) {
            assert_true(pairs_remove(&t, key_of(i), (uint64_t)v + 1));
        } else {
            assert_false(pairs_remove(&t, key_of(i), (uint64_t)v + 1));
            assert_true(pairs_put(&t, key_of(i), (uint64_t)v + 1));
        }
        in[i][v] = !in[i][v];
        count += in[i][v] ? 1 : (size_t)-1;
        i = rand() % KEYS;
        uint32_t probe = 0;
        uint64_t found;
        bool seen[VALUES] = {false};
        while ((found = pairs_find(&t, key_of(i), &probe)))
            seen[found - 1] = true;
        assert_memory_equal(seen, in[i], sizeof seen);
    }
    static struct pair all[KEYS * VALUES];
    assert_int_equal(pairs_copy(&t, all), count);
    pairs_clear(&t);
    assert_int_equal(pairs_copy(&t, all), 0);
    uint32_t probe = 0;
    assert_int_equal(pairs_find(&t, all[0].key, &probe), 0);
    pairs_close(&t);
}

static void random_puts_and_removes_are_as_in_a_list(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++)
        run_random(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_puts_and_removes_are_as_in_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
