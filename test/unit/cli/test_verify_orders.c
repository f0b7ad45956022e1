#include "fixture.h"

#include <stdlib.h>

#include "cli/verify_orders.h"

struct found {
    int count;
    int64_t earlier[8], later[8];
};

static int note(void *context, int64_t earlier, int64_t later, struct error *e)
{
    (void)e;
    struct found *f = context;
    assert_true(f->count < 8);
    f->earlier[f->count] = earlier;
    f->later[f->count++] = later;
    return 0;
}

/* A bijection of 64 bits, so that distinct numbers have distinct hashes. */
static uint64_t scramble(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x7fb5d329728ea185);
    x ^= x >> 27;
    return x * UINT64_C(0x81dadef4bc2dd44d);
}

/* Numbers 1 to n with some again; `entries` fit into memory. */
static void sort_with_repeats(uint32_t entries, struct found *f)
{
    enum { N = 20000 };
    struct order_sort *s = NULL;
    struct error e = {0};
    assert_int_equal(order_sort_create(&s, entries, &e), 0);
    for (int64_t i = 1; i <= N; i++)
        assert_int_equal(order_sort_add(s, scramble((uint64_t)i), i, &e), 0);
    assert_int_equal(order_sort_add(s, scramble(17), N + 1, &e), 0);
    assert_int_equal(order_sort_add(s, scramble(N), N + 2, &e), 0);
    assert_int_equal(order_sort_add(s, scramble(17), N + 3, &e), 0);
    assert_int_equal(order_sort_finish(s, note, f, &e), 0);
    order_sort_destroy(s);
}

static void check_repeats(const struct found *f)
{
    assert_int_equal(f->count, 3);
    int seen = 0;
    for (int i = 0; i < f->count; i++) {
        seen |= f->earlier[i] == 17 && f->later[i] == 20001 ? 1 : 0;
        seen |= f->earlier[i] == 20001 && f->later[i] == 20003 ? 2 : 0;
        seen |= f->earlier[i] == 20000 && f->later[i] == 20002 ? 4 : 0;
    }
    assert_int_equal(seen, 7);
}

static void repeats_are_found_in_memory(void **state)
{
    (void)state;
    struct found f = {0};
    sort_with_repeats(100000, &f);
    check_repeats(&f);
}

static void repeats_are_found_across_runs_on_disk(void **state)
{
    (void)state;
    const uint32_t sizes[] = {997, 20003, 7, 10001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct found f = {0};
        sort_with_repeats(sizes[i], &f);
        check_repeats(&f);
    }
}

static void nothing_has_no_repeats(void **state)
{
    (void)state;
    struct order_sort *s = NULL;
    struct found f = {0};
    struct error e = {0};
    assert_int_equal(order_sort_create(&s, 10, &e), 0);
    assert_int_equal(order_sort_finish(s, note, &f, &e), 0);
    assert_int_equal(f.count, 0);
    order_sort_destroy(s);
}

static void a_temporary_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct order_sort *s = NULL;
    struct error e = {0};
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_int_equal(order_sort_create(&s, 1, &e), 0);
    assert_int_equal(order_sort_add(s, 1, 1, &e), 0);
    assert_int_equal(order_sort_add(s, 2, 2, &e), TLY_EIO);
    order_sort_destroy(s);
    unsetenv("TMPDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_are_found_in_memory),
        cmocka_unit_test(repeats_are_found_across_runs_on_disk),
        cmocka_unit_test(nothing_has_no_repeats),
        cmocka_unit_test(a_temporary_folder_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
