/* Which event may be sent when, and how far the cursor may go. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "bus/webhook_window.h"

static struct webhook_window window;

static int set_up(void **state)
{
    (void)state;
    webhook_window_init(&window, 5);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    webhook_window_close(&window);
    return 0;
}

/* A move of one reservation and one lot; 0: of none. */
static struct delivery *add(int64_t seq, int64_t reservation, lot_id lot)
{
    struct move m = {
        .seq = seq, .reservation_id = reservation, .line_count = lot ? 1 : 0, .line = {lot, 1}};
    return webhook_window_add(&window, &m, strdup("{}"), 2);
}

static struct delivery *next(uint64_t now_ns)
{
    uint64_t due_ns = UINT64_MAX;
    return webhook_window_next(&window, now_ns, &due_ns);
}

static void events_of_one_lot_go_one_by_one(void **state)
{
    (void)state;
    struct delivery *a = add(10, 0, 1), *b = add(11, 0, 1);
    assert_ptr_equal(next(0), a);
    assert_null(next(0));
    webhook_window_done(&window, a);
    assert_ptr_equal(next(0), b);
}

static void events_of_one_reservation_go_one_by_one(void **state)
{
    (void)state;
    struct delivery *a = add(10, 10, 0);
    add(11, 10, 0);
    assert_ptr_equal(next(0), a);
    assert_null(next(0));
}

static void events_of_different_lots_go_at_the_same_time(void **state)
{
    (void)state;
    struct delivery *a = add(10, 0, 1), *b = add(11, 0, 2);
    assert_ptr_equal(next(0), a);
    assert_ptr_equal(next(0), b);
}

/* More of them than there are bits. */
static void no_lot_or_reservation_waits_for_a_stranger(void **state)
{
    enum { LOTS = 100 };
    (void)state;
    for (int i = 1; i <= LOTS; i++)
        add(1000 + i, 1000 + i, (lot_id)i);
    for (int i = 1; i <= LOTS; i++)
        assert_int_equal(next(0)->id, 1000 + i);
}

static void a_move_of_several_lots_waits_for_each_and_holds_up_each(void **state)
{
    struct line lines[2] = {{1, 1}, {2, 1}};
    struct move m = {.seq = 11, .line_count = 2, .lines = lines};
    (void)state;
    struct delivery *a = add(10, 0, 2);
    struct delivery *both = webhook_window_add(&window, &m, strdup("{}"), 2);
    struct delivery *c = add(12, 0, 1);
    assert_ptr_equal(next(0), a);
    assert_null(next(0));
    webhook_window_done(&window, a);
    assert_ptr_equal(next(0), both);
    assert_null(next(0));
    webhook_window_done(&window, both);
    assert_ptr_equal(next(0), c);
}

static void one_that_waits_for_its_next_attempt_holds_up_its_lot_alone(void **state)
{
    uint64_t due_ns = 900;
    (void)state;
    struct delivery *a = add(10, 0, 1);
    add(11, 0, 1);
    struct delivery *other = add(12, 0, 2);
    assert_ptr_equal(next(0), a);
    webhook_window_again(a, 500);
    assert_ptr_equal(next(0), other);
    assert_null(webhook_window_next(&window, 0, &due_ns));
    assert_int_equal(due_ns, 500);
    assert_ptr_equal(next(500), a);
    assert_int_equal(a->attempts, 2);
}

static void the_cursor_stays_before_what_is_not_done(void **state)
{
    (void)state;
    struct delivery *a = add(10, 0, 1), *b = add(11, 0, 2), *c = add(12, 0, 3);
    assert_ptr_equal(next(0), a);
    assert_ptr_equal(next(0), b);
    assert_ptr_equal(next(0), c);
    webhook_window_done(&window, b);
    assert_int_equal(window.cursor, 5);
    webhook_window_done(&window, a);
    assert_int_equal(window.cursor, 11);
    webhook_window_done(&window, c);
    assert_int_equal(window.cursor, 12);
    assert_int_equal(window.count, 0);
}

static void behind_the_last_one_the_cursor_is_where_the_log_was_read_to(void **state)
{
    (void)state;
    struct delivery *a = add(10, 0, 1);
    window.read_upto = 77;
    assert_ptr_equal(next(0), a);
    webhook_window_done(&window, a);
    assert_int_equal(window.cursor, 77);
}

static void the_window_goes_round(void **state)
{
    (void)state;
    for (int64_t seq = 10; seq < 10 + 3 * WEBHOOK_WINDOW; seq++) {
        add(seq, 0, 1);
        struct delivery *d = next(0);
        assert_int_equal(d->id, seq);
        webhook_window_done(&window, d);
    }
    for (int64_t seq = 90000; webhook_window_room(&window); seq++)
        add(seq, 0, 1);
    assert_int_equal(window.count, WEBHOOK_WINDOW);
}

static void pauses_double_up_to_their_bound_and_vary(void **state)
{
    (void)state;
    assert_int_equal(webhook_backoff_ms(100, 10000, 1, 0), 100);
    assert_int_equal(webhook_backoff_ms(100, 10000, 2, 0), 200);
    assert_int_equal(webhook_backoff_ms(100, 10000, 5, 0), 1600);
    assert_int_equal(webhook_backoff_ms(100, 10000, 1000, 0), 10000);
    assert_int_equal(webhook_backoff_ms(100, 10000, 1, 50), 50);
    assert_int_equal(webhook_backoff_ms(100, 10000, 1, 51), 100);
    assert_int_equal(webhook_backoff_ms(1, 1, 3, 7), 1);
}

#define IN_A_WINDOW(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WINDOW(events_of_one_lot_go_one_by_one),
        IN_A_WINDOW(events_of_one_reservation_go_one_by_one),
        IN_A_WINDOW(events_of_different_lots_go_at_the_same_time),
        IN_A_WINDOW(no_lot_or_reservation_waits_for_a_stranger),
        IN_A_WINDOW(a_move_of_several_lots_waits_for_each_and_holds_up_each),
        IN_A_WINDOW(one_that_waits_for_its_next_attempt_holds_up_its_lot_alone),
        IN_A_WINDOW(the_cursor_stays_before_what_is_not_done),
        IN_A_WINDOW(behind_the_last_one_the_cursor_is_where_the_log_was_read_to),
        IN_A_WINDOW(the_window_goes_round),
        IN_A_WINDOW(pauses_double_up_to_their_bound_and_vary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
