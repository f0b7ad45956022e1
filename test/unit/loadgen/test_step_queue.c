/* Steps come out in the order of their times. */
#include "fixture.h"

#include "loadgen/step_queue.h"

static void steps_come_out_as_they_were_pushed_if_their_times_are_in_order(void **state)
{
    (void)state;
    struct step_queue q = {0};
    assert_null(step_queue_head(&q));
    assert_int_equal(step_queue_due_ns(&q), UINT64_MAX);
    uint64_t in = 0, out = 0;
    while (out < 5000) {
        for (int i = 0; i < 3; i++, in++)
            assert_true(step_queue_push(&q, (struct step){in / 7, in, ROLE_JOIN}));
        for (int i = 0; i < 2; i++, out++) {
            assert_int_equal(step_queue_due_ns(&q), out / 7);
            assert_int_equal(step_queue_head(&q)->order, out);
            assert_int_equal(step_queue_pop(&q).order, out);
        }
    }
    assert_int_equal(q.count, in - out);
    step_queue_close(&q);
    assert_int_equal(q.count, 0);
}

static void one_that_is_due_earlier_comes_out_earlier(void **state)
{
    (void)state;
    struct step_queue q = {0};
    uint64_t before = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(step_queue_push(&q, (struct step){i * 7919 % 1000, i, ROLE_CONFIRM}));
        if (i % 100 == 50) {
            before = step_queue_pop(&q).due_ns; /* so that the ring turns */
            assert_true(step_queue_due_ns(&q) >= before);
        }
    }
    before = 0;
    while (q.count > 0) {
        struct step s = step_queue_pop(&q);
        assert_true(s.due_ns >= before);
        assert_int_equal(s.due_ns, s.order * 7919 % 1000);
        before = s.due_ns;
    }
    step_queue_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_come_out_as_they_were_pushed_if_their_times_are_in_order),
        cmocka_unit_test(one_that_is_due_earlier_comes_out_earlier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
