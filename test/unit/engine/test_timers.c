#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "engine/holds.h"
#include "engine/timers.h"

#define START_MS INT64_C(1790000000123)

static struct timers *started(int64_t now_ms)
{
    struct timers *t = timers_create();
    assert_non_null(t);
    timers_start(t, now_ms);
    return t;
}

static void put(struct timers *t, struct hold *h, int64_t deadline_ms)
{
    *h = (struct hold){.timer_slot = HOLD_NO_TIMER, .deadline_ms = deadline_ms};
    timers_insert(t, h);
}

static void each_is_due_at_its_millisecond_whatever_the_distance(void **state)
{
    (void)state;
    static const int64_t distances[] = {0,
                                        1,
                                        63,
                                        64,
                                        65,
                                        1000,
                                        4095,
                                        4096,
                                        900000,
                                        4194303,
                                        4194304,
                                        4194305,
                                        86400000,
                                        INT64_C(17179869183),
                                        INT64_C(17179869184),
                                        INT64_C(40000000000)};
    for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
        struct timers *t = started(START_MS);
        struct hold h;
        int64_t due = START_MS + distances[i];
        put(t, &h, due);
        assert_int_equal(timers_next(t), due);
        assert_null(distances[i] ? timers_due(t, due - 1) : NULL);
        assert_int_equal(timers_next(t), due);
        assert_ptr_equal(timers_due(t, due), &h);
        assert_int_equal(timers_next(t), INT64_MAX);
        timers_destroy(t);
    }
}

static void what_is_overdue_when_it_comes_is_due_at_once(void **state)
{
    (void)state;
    struct timers *t = started(START_MS);
    struct hold h;
    put(t, &h, START_MS - 5000);
    assert_int_equal(timers_next(t), START_MS - 5000);
    assert_ptr_equal(timers_due(t, START_MS), &h);
    timers_destroy(t);
}

static void an_idle_hour_is_one_step(void **state)
{
    (void)state;
    struct timers *t = started(START_MS);
    struct hold h;
    put(t, &h, START_MS + INT64_C(1000) * 3600000);
    for (int64_t hour = 1; hour < 1000; hour++)
        assert_null(timers_due(t, START_MS + hour * 3600000));
    assert_ptr_equal(timers_due(t, START_MS + INT64_C(1000) * 3600000), &h);
    timers_destroy(t);
}

/* Regression: the later hold's slot of 70 minutes begins before the earlier hold's of 64 ms. */
static void a_coarse_slot_does_not_hide_an_earlier_deadline(void **state)
{
    (void)state;
    const int64_t coarse_ms = 1 << 22;
    int64_t start_ms = START_MS - START_MS % coarse_ms;
    struct timers *t = started(start_ms);
    struct hold late, early;
    put(t, &late, start_ms + coarse_ms + 3000000);
    assert_null(timers_due(t, start_ms + coarse_ms - 1000));
    put(t, &early, start_ms + coarse_ms + 5000);
    assert_int_equal(timers_next(t), start_ms + coarse_ms + 5000);
    assert_ptr_equal(timers_due(t, start_ms + coarse_ms + 5000), &early);
    assert_int_equal(timers_next(t), start_ms + coarse_ms + 3000000);
    timers_destroy(t);
}

/* Regression: a granule at a boundary of 70 minutes was passed over when the coarse slot that
 * starts with it was in use. */
static void a_granule_that_starts_with_a_coarse_slot_is_not_passed_over(void **state)
{
    (void)state;
    const int64_t coarse_ms = 1 << 22;
    int64_t start_ms = START_MS - START_MS % coarse_ms;
    struct timers *t = started(start_ms);
    struct hold late, early;
    put(t, &late, start_ms + coarse_ms + 3000000);
    assert_null(timers_due(t, start_ms + coarse_ms - 1000));
    put(t, &early, start_ms + coarse_ms + 10);
    assert_ptr_equal(timers_due(t, start_ms + coarse_ms + 10), &early);
    assert_ptr_equal(timers_due(t, start_ms + coarse_ms + 3000000), &late);
    timers_destroy(t);
}

static int64_t distance(void)
{
    if (rand() % 100 == 0)
        return -1;
    int bits = rand() % 24;
    return rand() % (1 << bits);
}

/* Against a list: random inserts, cancels and steps over days. */
static void run_random(unsigned seed)
{
    srand(seed);
    enum { COUNT = 500, STEPS = 1000 };
    static struct hold holds[COUNT];
    static bool in[COUNT];
    memset(in, 0, sizeof in);
    struct timers *t = started(START_MS);
    int64_t now_ms = START_MS;
    for (int step = 0; step < STEPS; step++) {
        for (int k = 0; k < 3; k++) {
            int i = rand() % COUNT;
            if (in[i])
                timers_cancel(t, &holds[i]);
            else
                put(t, &holds[i], now_ms + distance());
            in[i] = !in[i];
        }
        now_ms += rand() % 8 ? rand() % 200 : rand() % 3000000;
        int64_t earliest = INT64_MAX;
        uint64_t due = 0;
        for (int i = 0; i < COUNT; i++) {
            if (in[i] && holds[i].deadline_ms < earliest)
                earliest = holds[i].deadline_ms;
            due += in[i] && holds[i].deadline_ms <= now_ms;
        }
        assert_true(timers_next(t) <= earliest);
        struct hold *h;
        while ((h = timers_due(t, now_ms))) {
            assert_true(h->deadline_ms <= now_ms);
            assert_true(in[h - holds]);
            in[h - holds] = false;
            due--;
        }
        assert_int_equal(due, 0);
    }
    timers_destroy(t);
}

static void random_deadlines_come_in_order_and_none_is_lost(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++)
        run_random(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_due_at_its_millisecond_whatever_the_distance),
        cmocka_unit_test(what_is_overdue_when_it_comes_is_due_at_once),
        cmocka_unit_test(an_idle_hour_is_one_step),
        cmocka_unit_test(a_coarse_slot_does_not_hide_an_earlier_deadline),
        cmocka_unit_test(a_granule_that_starts_with_a_coarse_slot_is_not_passed_over),
        cmocka_unit_test(random_deadlines_come_in_order_and_none_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
