/* The pool that sessions and exchanges live in. */
#include "fixture.h"

#include <string.h>
#include <sys/mman.h>

#include "wire/pool.h"
#include "wire/session.h"

static int setup(void **state)
{
    *state = wire_pool_create();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    assert_int_equal(wire_pool_blocks(*state), 0);
    wire_pool_destroy(*state);
    return 0;
}

static void blocks_of_every_size_are_apart_and_come_back(void **state)
{
    enum { COUNT = 600 };
    static unsigned char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = wire_pool_alloc(*state, i * 9);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 8, 0);
        memset(blocks[i], (int)(i % 251), i * 9);
    }
    assert_int_equal(wire_pool_blocks(*state), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < i * 9; j++)
            assert_int_equal(blocks[i][j], i % 251);
        wire_pool_free(*state, blocks[i]);
    }
}

static void a_warm_pool_takes_nothing_from_the_system(void **state)
{
    void *blocks[100];
    size_t slabs = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            blocks[i] = wire_pool_alloc(*state, 1000);
        if (round == 0)
            slabs = wire_pool_slab_bytes(*state);
        for (int i = 0; i < 100; i++)
            wire_pool_free(*state, blocks[i]);
    }
    assert_int_equal(wire_pool_slab_bytes(*state), slabs);
}

static void a_block_that_grows_keeps_its_content(void **state)
{
    char *p = wire_pool_realloc(*state, NULL, 1);
    p[0] = 'a';
    for (size_t size = 2; size < 20000; size = size * 3 / 2 + 1) {
        p = wire_pool_realloc(*state, p, size);
        assert_non_null(p);
        assert_int_equal(p[0], 'a');
        memset(p, 'a', size);
    }
    wire_pool_free(*state, p);
    wire_pool_free(*state, NULL);
}

static void an_absurd_size_is_refused(void **state)
{
    assert_null(wire_pool_alloc(*state, SIZE_MAX - 4));
    assert_null(wire_pool_alloc(*state, SIZE_MAX / 2 + 1));
}

static void pages_are_zero_when_they_are_given(void **state)
{
    static const char zero[3 * POOL_PAGE_BYTES];
    for (int round = 0; round < 3; round++) {
        char *p = wire_pool_pages_alloc(*state, 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % POOL_PAGE_BYTES, 0);
        assert_memory_equal(p, zero, sizeof(zero));
        memset(p, 1, sizeof(zero));
        if (round == 1) {
            wire_pool_pages_rest(p, 3);
            assert_memory_equal(p, zero, sizeof(zero));
            memset(p, 1, sizeof(zero));
        }
        wire_pool_pages_free(*state, p, 3);
    }
}

static size_t resident_pages(void *block, size_t count)
{
    unsigned char resident[POOL_PAGES_MAX];
    size_t sum = 0;
    assert_int_equal(mincore(block, count * POOL_PAGE_BYTES, resident), 0);
    for (size_t i = 0; i < count; i++)
        sum += resident[i] & 1;
    return sum;
}

/* So a crowd of idle connections that closes needs no more memory than it had. */
static void pages_that_rest_take_no_memory_when_they_come_back(void **state)
{
    enum { COUNT = 100 };
    char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = wire_pool_pages_alloc(*state, 2);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, (size_t)2 * POOL_PAGE_BYTES);
        assert_int_equal(resident_pages(blocks[i], 2), 2);
    }
    for (int i = 0; i < COUNT; i++) {
        wire_pool_pages_rest(blocks[i], 2);
        wire_pool_pages_free(*state, blocks[i], 2);
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(resident_pages(blocks[i], 2), 0);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(wire_pool_pages_alloc(*state, 2), blocks[COUNT - 1 - i]);
    for (int i = 0; i < COUNT; i++)
        wire_pool_pages_free(*state, blocks[i], 2);
}

static void the_protocol_is_told_from_the_first_bytes(void **state)
{
    (void)state;
    const char *preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (size_t i = 1; i < 24; i++)
        assert_int_equal(session_sniff((const uint8_t *)preface, i), SNIFF_MORE);
    assert_int_equal(session_sniff((const uint8_t *)preface, 24), SNIFF_HTTP2);
    assert_int_equal(session_sniff((const uint8_t *)"G", 1), SNIFF_HTTP1);
    assert_int_equal(session_sniff((const uint8_t *)"PRI * HTTP/1", 12), SNIFF_HTTP1);
    assert_int_equal(session_sniff((const uint8_t *)"POST ", 5), SNIFF_HTTP1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(blocks_of_every_size_are_apart_and_come_back),
        T(a_warm_pool_takes_nothing_from_the_system),
        T(a_block_that_grows_keeps_its_content),
        T(an_absurd_size_is_refused),
        T(pages_are_zero_when_they_are_given),
        T(pages_that_rest_take_no_memory_when_they_come_back),
        T(the_protocol_is_told_from_the_first_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
