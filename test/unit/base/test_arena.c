#include "fixture.h"

#include <string.h>

#include "base/arena.h"

static void small_pieces_come_from_the_owners_buffer(void **state)
{
    (void)state;
    _Alignas(8) char buffer[64];
    struct arena a;
    arena_init(&a, buffer, sizeof buffer, 0);
    char *p = arena_alloc(&a, 60);
    assert_ptr_equal(p, buffer);
    assert_null(arena_alloc(&a, 1));
    arena_close(&a);
}

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    char buffer[100];
    struct arena a;
    arena_init(&a, buffer + 1, sizeof buffer - 1, 1 << 20);
    char *first = arena_alloc(&a, 3);
    char *second = arena_alloc(&a, 3);
    assert_int_equal((uintptr_t)first % 8, 0);
    assert_int_equal((uintptr_t)second % 8, 0);
    assert_true(second >= first + 8);
    arena_close(&a);
}

static void it_grows_up_to_its_bound(void **state)
{
    (void)state;
    struct arena a;
    size_t got = 0;
    arena_init(&a, NULL, 0, 64 << 10);
    char *p;
    for (int i = 0; (p = arena_alloc(&a, 1000)); i++) {
        assert_true(i < 1000);
        memset(p, 0xff, 1000);
        got += 1000;
    }
    assert_in_range(got, 48 << 10, 64 << 10);
    assert_true(a.chunk_bytes <= a.bytes_max);
    arena_close(&a);
}

static void a_piece_larger_than_any_chunk_is_served_or_refused_by_the_bound(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0, 100000);
    char *p = arena_alloc(&a, 90000);
    assert_non_null(p);
    memset(p, 1, 90000);
    assert_null(arena_alloc(&a, 90000));
    assert_null(arena_alloc(&a, SIZE_MAX - 4));
    arena_close(&a);
}

static void reset_gives_everything_back(void **state)
{
    (void)state;
    _Alignas(8) char buffer[64];
    struct arena a;
    arena_init(&a, buffer, sizeof buffer, 8192);
    assert_non_null(arena_alloc(&a, 4000));
    arena_reset(&a);
    assert_int_equal(a.chunk_bytes, 0);
    assert_ptr_equal(arena_alloc(&a, 8), buffer);
    assert_non_null(arena_alloc(&a, 4000));
    arena_close(&a);
}

static void copies_end_with_a_zero(void **state)
{
    (void)state;
    char buffer[64];
    struct arena a;
    arena_init(&a, buffer, sizeof buffer, 0);
    assert_string_equal(arena_copy(&a, "tally", 5), "tally");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    const char *fills_its_words = arena_copy(&a, "reserved", 8);
    assert_string_equal(arena_copy(&a, "next", 4), "next");
    assert_string_equal(fills_its_words, "reserved");
    arena_close(&a);
}

static void zeroed_pieces_are_zero_even_where_others_were_before(void **state)
{
    (void)state;
    _Alignas(8) char buffer[64];
    struct arena a;
    memset(buffer, 0xff, sizeof buffer);
    arena_init(&a, buffer, sizeof buffer, 0);
    char *p = arena_zalloc(&a, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(p[i], 0);
    arena_close(&a);
}

static void the_newest_piece_can_be_resized_where_it_stands(void **state)
{
    (void)state;
    _Alignas(8) char buffer[64];
    struct arena a;
    arena_init(&a, buffer, sizeof buffer, 0);
    char *p = arena_alloc(&a, 8);
    assert_true(arena_resize(&a, p, 8, 40));
    assert_ptr_equal(arena_alloc(&a, 8), buffer + 40);
    assert_false(arena_resize(&a, p, 40, 48)); /* no longer the newest */
    assert_false(arena_resize(&a, buffer + 40, 8, 32));
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pieces_come_from_the_owners_buffer),
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(it_grows_up_to_its_bound),
        cmocka_unit_test(a_piece_larger_than_any_chunk_is_served_or_refused_by_the_bound),
        cmocka_unit_test(reset_gives_everything_back),
        cmocka_unit_test(copies_end_with_a_zero),
        cmocka_unit_test(zeroed_pieces_are_zero_even_where_others_were_before),
        cmocka_unit_test(the_newest_piece_can_be_resized_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
