#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bloom.h"
#include "base/hash.h"

static void hash64_is_xxh3(void **state)
{
    (void)state;
    /* xxhsum's own check values: XXH3 of nothing, seed 0. */
    assert_true(hash64((struct str){NULL, 0}, 0) == UINT64_C(0x2D06800538D394C2));
    assert_true(hash64(STR(""), 0) == UINT64_C(0x2D06800538D394C2));
}

static void another_seed_gives_another_hash(void **state)
{
    (void)state;
    assert_true(hash64(STR("order-1"), 1) == hash64(STR("order-1"), 1));
    assert_true(hash64(STR("order-1"), 1) != hash64(STR("order-1"), 2));
    assert_true(hash64(STR("order-1"), 1) != hash64(STR("order-2"), 1));
}

static void assert_md5(const char *text, const char *expected)
{
    char out[33];
    md5_hex(text, strlen(text), out);
    assert_string_equal(out, expected);
}

/* RFC 1321, appendix A.5. */
static void md5_of_the_rfcs_test_suite(void **state)
{
    (void)state;
    assert_md5("", "d41d8cd98f00b204e9800998ecf8427e");
    assert_md5("a", "0cc175b9c0f1b6a831c399e269772661");
    assert_md5("abc", "900150983cd24fb0d6963f7d28e17f72");
    assert_md5("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
    assert_md5("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b");
    assert_md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890",
               "57edf4a22be3c955ac49da2e2107b67a");
}

static void random_bytes_fill_all_and_differ(void **state)
{
    (void)state;
    unsigned char a[1000] = {0}, b[1000] = {0};
    assert_int_equal(random_bytes(a, sizeof a), 0);
    assert_int_equal(random_bytes(b, sizeof b), 0);
    assert_int_not_equal(memcmp(a, b, sizeof a), 0);
    size_t zero = 0;
    for (size_t i = 0; i < sizeof a; i++)
        zero += a[i] == 0;
    assert_in_range(zero, 0, 40);
}

static void a_uuid_has_version_variant_and_time(void **state)
{
    (void)state;
    struct uuid_state u;
    char text[37];
    assert_int_equal(uuid_init(&u), 0);
    uuid_v7(&u, 0x17F22E279B0, text); /* RFC 9562, appendix A.6 */
    assert_int_equal(strlen(text), 36);
    assert_memory_equal(text, "017f22e2-79b0-7", 15);
    assert_int_equal(text[18], '-');
    assert_int_equal(text[23], '-');
    assert_non_null(strchr("89ab", text[19]));
}

static void a_uuid_is_the_digits_of_its_numbers(void **state)
{
    (void)state;
    /* The generator gives 0x0123456789abcdef first, of which the counter's start comes. */
    struct uuid_state u = {.s = {UINT64_C(0x0123456789abcdef), 0}};
    uint64_t a = u.s[0], b = a;
    uint64_t second = ((a << 24 | a >> 40) ^ b ^ b << 16) + (b << 37 | b >> 27);
    char text[37], want[37];
    uuid_v7(&u, 0x0fedcba98765, text);
    uint64_t low = UINT64_C(1) << 63 | second >> 2;
    snprintf(want, sizeof want, "0fedcba9-8765-7%03x-%04x-%012llx", 0x01234567 & 0x7ffu,
             (unsigned)(low >> 48), (unsigned long long)(low & UINT64_C(0xffffffffffff)));
    assert_string_equal(text, want);
}

static void uuids_grow_strictly_even_when_the_clock_goes_back(void **state)
{
    (void)state;
    struct uuid_state u;
    char last[37] = "", text[37];
    assert_int_equal(uuid_init(&u), 0);
    for (int i = 0; i < 20000; i++) { /* more than a millisecond's counter has */
        uuid_v7(&u, 1000000 - i / 100, text);
        assert_true(strcmp(last, text) < 0);
        memcpy(last, text, sizeof text);
    }
}

static uint64_t key(uint64_t number)
{
    return hash64((struct str){(const char *)&number, sizeof number}, 3);
}

enum { KEYS = 100000, STRANGERS = 400000 };

static uint64_t false_positives(unsigned bits_per_key)
{
    struct bloom *b = bloom_create(KEYS, bits_per_key);
    uint64_t wrong = 0;
    assert_non_null(b);
    for (uint64_t i = 0; i < KEYS; i++)
        bloom_add(b, key(i));
    for (uint64_t i = 0; i < KEYS; i++) {
        bloom_prefetch(b, key(i));
        assert_true(bloom_maybe(b, key(i)));
    }
    for (uint64_t i = KEYS; i < KEYS + STRANGERS; i++)
        wrong += bloom_maybe(b, key(i));
    free(b);
    return wrong;
}

static void the_bloom_filter_never_denies_and_seldom_errs(void **state)
{
    (void)state;
    assert_in_range(false_positives(12), STRANGERS / 2000, STRANGERS * 7 / 1000);
    assert_in_range(false_positives(16), 1, STRANGERS * 2 / 1000);
}

static void an_empty_bloom_filter_knows_nobody(void **state)
{
    (void)state;
    struct bloom *b = bloom_create(0, 12);
    assert_non_null(b);
    assert_int_equal((uintptr_t)b->words % 32, 0);
    assert_int_equal(bloom_bytes(b), sizeof *b + BLOOM_BLOCK_BYTES);
    assert_false(bloom_maybe(b, 0));
    assert_false(bloom_maybe(b, UINT64_MAX));
    bloom_add(b, UINT64_MAX);
    assert_true(bloom_maybe(b, UINT64_MAX));
    free(b);
}

static void a_bloom_filter_of_absurd_size_is_refused(void **state)
{
    (void)state;
    assert_null(bloom_create(UINT64_MAX, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash64_is_xxh3),
        cmocka_unit_test(another_seed_gives_another_hash),
        cmocka_unit_test(md5_of_the_rfcs_test_suite),
        cmocka_unit_test(random_bytes_fill_all_and_differ),
        cmocka_unit_test(a_uuid_has_version_variant_and_time),
        cmocka_unit_test(a_uuid_is_the_digits_of_its_numbers),
        cmocka_unit_test(uuids_grow_strictly_even_when_the_clock_goes_back),
        cmocka_unit_test(the_bloom_filter_never_denies_and_seldom_errs),
        cmocka_unit_test(an_empty_bloom_filter_knows_nobody),
        cmocka_unit_test(a_bloom_filter_of_absurd_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
