#include "fixture.h"

#include <stdlib.h>

#include "engine/order_index.h"

static struct order_index *make(size_t memory_max)
{
    struct order_index *ix = NULL;
    assert_int_equal(order_index_create(&ix, memory_max, NULL), 0);
    return ix;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ x >> 27) * UINT64_C(0x81dadef4bc2dd44d);
    return x ^ x >> 33;
}

static int64_t find_one(const struct order_index *ix, uint64_t hash)
{
    size_t cursor = 0;
    return order_index_find(ix, hash, &cursor);
}

static void what_was_added_is_found_and_nothing_else(void **state)
{
    (void)state;
    struct order_index *ix = make(400000);
    for (uint64_t i = 1; i <= 100000; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    for (uint64_t i = 1; i <= 100000; i++)
        assert_int_equal(find_one(ix, mix(i)), i);
    for (uint64_t i = 100001; i <= 200000; i++)
        assert_int_equal(find_one(ix, mix(i)), 0);
    assert_int_equal(order_index_count(ix), 100000);
    order_index_destroy(ix);
}

static void an_entry_costs_at_most_40_bytes_at_every_moment(void **state)
{
    (void)state;
    struct order_index *ix = make(4000000);
    for (uint64_t i = 1; i <= 1000000; i++) {
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
        if (i >= 100000 && i % 1000 == 0)
            assert_true(order_index_bytes(ix) <= i * 40);
    }
    order_index_destroy(ix);
}

static void entries_of_one_hash_are_all_candidates(void **state)
{
    (void)state;
    struct order_index *ix = make(1000);
    uint64_t hash = mix(7);
    for (int64_t id = 1; id <= 3; id++)
        assert_int_equal(order_index_add(ix, hash, id), 0);
    order_index_remove(ix, hash, 2);
    size_t cursor = 0;
    int64_t sum = 0, found;
    int count = 0;
    while ((found = order_index_find(ix, hash, &cursor))) {
        sum += found;
        count++;
    }
    assert_int_equal(count, 2);
    assert_int_equal(sum, 4);
    order_index_destroy(ix);
}

static void removing_leaves_the_others_findable(void **state)
{
    (void)state;
    struct order_index *ix = make(20000);
    for (uint64_t i = 1; i <= 9000; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    for (uint64_t i = 9000; i >= 1; i--) {
        if (i % 3)
            order_index_remove(ix, mix(i), (int64_t)i);
    }
    for (uint64_t i = 1; i <= 9000; i++)
        assert_int_equal(find_one(ix, mix(i)), i % 3 ? 0 : i);
    assert_int_equal(order_index_count(ix), 3000);
    order_index_destroy(ix);
}

static void a_full_segment_is_frozen_searched_and_handed_out_once(void **state)
{
    (void)state;
    struct order_index *ix = make(200);
    assert_null(order_index_next_segment(ix));
    for (uint64_t i = 1; i <= 101; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    struct order_segment *s = order_index_next_segment(ix);
    assert_non_null(s);
    assert_int_equal(s->count, 100);
    assert_int_equal(s->seq_min, 1);
    assert_int_equal(s->seq_max, 100);
    assert_null(order_index_next_segment(ix));
    assert_int_equal(find_one(ix, mix(50)), 50);
    struct order_entry entries[100];
    s->copy(s, entries);
    int64_t sum = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(entries[i].hash, mix((uint64_t)entries[i].reservation_id));
        sum += entries[i].reservation_id;
    }
    assert_int_equal(sum, 5050);
    order_index_destroy(ix);
}

static void both_segments_full_is_an_error_and_not_a_loss(void **state)
{
    (void)state;
    struct order_index *ix = make(200);
    for (uint64_t i = 1; i <= 200; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    assert_int_equal(order_index_add(ix, mix(201), 201), TLY_EFULL);
    for (uint64_t i = 1; i <= 200; i++)
        assert_int_equal(find_one(ix, mix(i)), i);
    order_index_set_loading(ix, true); /* while loading the store does not run yet */
    assert_int_equal(order_index_add(ix, mix(201), 201), 0);
    order_index_destroy(ix);
}

static struct order_run *run_of(int64_t seq_min, int64_t seq_max, const struct order_entry *entries)
{
    struct order_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->seq_min = seq_min;
    run->seq_max = seq_max;
    run->count = (uint64_t)(seq_max - seq_min + 1);
    run->filter = bloom_create(run->count, 16);
    assert_non_null(run->filter);
    for (uint64_t i = 0; entries && i < run->count; i++)
        bloom_add(run->filter, entries[i].hash);
    return run;
}

static void a_stored_segment_is_known_by_its_run(void **state)
{
    (void)state;
    struct order_index *ix = make(200);
    for (uint64_t i = 1; i <= 101; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    struct order_segment *s = order_index_next_segment(ix);
    struct order_entry entries[100];
    s->copy(s, entries);
    order_index_install(ix, s, run_of(1, 100, entries));
    assert_int_equal(order_index_runs(ix), 1);
    assert_int_equal(order_index_count(ix), 1);
    int maybe = 0;
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(find_one(ix, mix(i)), 0);
        assert_true(order_index_on_disk(ix, mix(i)));
        maybe += order_index_on_disk(ix, mix(i + 1000));
    }
    assert_true(maybe < 10);
    assert_true(order_index_covers(ix, 100));
    assert_false(order_index_covers(ix, 101));
    /* The next one uses the memory again, and what was in it is gone. */
    for (uint64_t i = 102; i <= 201; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    assert_int_equal(find_one(ix, mix(50)), 0);
    assert_int_equal(find_one(ix, mix(201)), 201);
    order_index_destroy(ix);
}

static void a_merged_run_takes_the_place_of_those_it_spans(void **state)
{
    (void)state;
    struct order_index *ix = make(200);
    order_index_load_run(ix, run_of(1, 10, NULL));
    order_index_load_run(ix, run_of(11, 20, NULL));
    order_index_load_run(ix, run_of(21, 30, NULL));
    order_index_install(ix, NULL, run_of(1, 20, NULL));
    assert_int_equal(order_index_runs(ix), 2);
    order_index_forget(ix, 21);
    assert_int_equal(order_index_runs(ix), 1);
    assert_true(order_index_covers(ix, 25));
    order_index_destroy(ix);
}

static void a_segment_that_was_not_stored_is_offered_again(void **state)
{
    (void)state;
    struct order_index *ix = make(200);
    for (uint64_t i = 1; i <= 101; i++)
        assert_int_equal(order_index_add(ix, mix(i), (int64_t)i), 0);
    struct order_segment *s = order_index_next_segment(ix);
    order_index_install(ix, s, NULL);
    assert_ptr_equal(order_index_next_segment(ix), s);
    order_index_destroy(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_and_nothing_else),
        cmocka_unit_test(an_entry_costs_at_most_40_bytes_at_every_moment),
        cmocka_unit_test(entries_of_one_hash_are_all_candidates),
        cmocka_unit_test(removing_leaves_the_others_findable),
        cmocka_unit_test(a_full_segment_is_frozen_searched_and_handed_out_once),
        cmocka_unit_test(both_segments_full_is_an_error_and_not_a_loss),
        cmocka_unit_test(a_stored_segment_is_known_by_its_run),
        cmocka_unit_test(a_merged_run_takes_the_place_of_those_it_spans),
        cmocka_unit_test(a_segment_that_was_not_stored_is_offered_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
