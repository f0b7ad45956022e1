/* The expected slots are what a Redis 7.0 says to CLUSTER KEYSLOT. */
#include "fixture.h"

#include "redis/slots.h"

static void the_crc_is_that_of_the_specification(void **state)
{
    (void)state;
    assert_int_equal(slot_crc16(STR("123456789")), 0x31c3);
}

static void a_key_has_the_slot_that_redis_gives_it(void **state)
{
    (void)state;
    assert_int_equal(slot_of_key(STR("foo")), 12182);
    assert_int_equal(slot_of_key(STR("somekey")), 11058);
    assert_int_equal(slot_of_key(STR("")), 0);
}

static void keys_with_the_same_tag_share_a_slot(void **state)
{
    (void)state;
    assert_int_equal(slot_of_key(STR("foo{hash_tag}")), 2515);
    assert_int_equal(slot_of_key(STR("bar{hash_tag}")), 2515);
    assert_int_equal(slot_of_key(STR("{hash_tag}")), slot_of_key(STR("hash_tag")));
}

static void only_the_first_tag_counts_and_an_empty_one_does_not(void **state)
{
    (void)state;
    assert_int_equal(slot_of_key(STR("a{b}c{d}")), slot_of_key(STR("b")));
    assert_int_equal(slot_of_key(STR("a{}{b}")), slot_crc16(STR("a{}{b}")) % REDIS_SLOTS);
    assert_int_equal(slot_of_key(STR("a{b")), slot_crc16(STR("a{b")) % REDIS_SLOTS);
    assert_int_equal(slot_of_key(STR("a{{b}}")), slot_of_key(STR("{b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_crc_is_that_of_the_specification),
        cmocka_unit_test(a_key_has_the_slot_that_redis_gives_it),
        cmocka_unit_test(keys_with_the_same_tag_share_a_slot),
        cmocka_unit_test(only_the_first_tag_counts_and_an_empty_one_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
