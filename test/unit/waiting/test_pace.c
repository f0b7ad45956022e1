/* How far a line comes, and who is told that there will be none. */
#include "fixture.h"

#include "waiting/pace.h"

enum { START = 1000000, END = 9000000, LINE = 50 };

static struct sale_now sale_of(int64_t available, int64_t held, int64_t orders)
{
    return (struct sale_now){.mode = QUEUE_FIRST_COME,
                             .now_ms = START,
                             .starts_ms = START,
                             .ends_ms = END,
                             .available = available,
                             .held = held,
                             .orders = orders};
}

static void nobody_is_admitted_before_the_opening(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    sale.now_ms = START - 1;
    pace_advance(&p, &sale, LINE);
    assert_int_equal(p.admitted, 0);
    assert_int_equal(pace_status(&p, &sale, 0), TICKET_WAITING);
    sale.now_ms = START;
    pace_advance(&p, &sale, LINE);
    assert_int_equal(pace_status(&p, &sale, 0), TICKET_ADMITTED);
}

static void as_many_are_admitted_as_there_are_units(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    assert_int_equal(pace_status(&p, &sale, 9), TICKET_ADMITTED);
    assert_int_equal(p.admitted, 10);
    /* Four of them have ordered: no more units, no more people. */
    sale = sale_of(6, 4, 4);
    pace_advance(&p, &sale, LINE);
    assert_int_equal(p.admitted, 10);
}

static void behind_the_last_possible_unit_it_is_told_at_once(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    sale.now_ms = START - 1;
    assert_int_equal(pace_status(&p, &sale, 9), TICKET_WAITING);
    assert_int_equal(pace_status(&p, &sale, 10), TICKET_SOLD_OUT);
    sale.now_ms = START;
    pace_advance(&p, &sale, LINE);
    assert_int_equal(pace_status(&p, &sale, 10), TICKET_SOLD_OUT);
}

static void whoever_may_still_get_a_unit_that_is_held_waits(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    sale = sale_of(0, 8, 10); /* ten have ordered, two of them have paid */
    pace_advance(&p, &sale, LINE);
    assert_int_equal(pace_status(&p, &sale, 10), TICKET_WAITING);
    assert_int_equal(pace_status(&p, &sale, 17), TICKET_WAITING);
    assert_int_equal(pace_status(&p, &sale, 18), TICKET_SOLD_OUT);
}

static void a_unit_that_comes_back_admits_the_next(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    sale = sale_of(1, 9, 10);
    sale.given_back = 1;
    pace_advance(&p, &sale, LINE);
    assert_int_equal(p.admitted, 11);
    assert_int_equal(pace_status(&p, &sale, 10), TICKET_ADMITTED);
    assert_int_equal(pace_status(&p, &sale, 11), TICKET_WAITING);
}

static void holds_that_are_expected_back_are_given_out_ahead(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(0, 100, 400);
    pace_init(&p, 400);
    sale.confirmed = 210;
    sale.given_back = 80; /* of 300 that were decided, by the trust in ten more */
    pace_advance(&p, &sale, 1000);
    assert_int_equal(p.admitted, 400 + 100 * 80 / 300);
}

static void when_nothing_is_left_or_held_all_are_told(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    sale = sale_of(0, 0, 10);
    sale.confirmed = 10;
    pace_advance(&p, &sale, LINE);
    assert_int_equal(pace_status(&p, &sale, 10), TICKET_SOLD_OUT);
    assert_int_equal(pace_status(&p, &sale, 0), TICKET_SOLD_OUT);
    assert_int_equal(p.admitted, 10);
}

static void a_sale_that_is_over_is_closed(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 5);
    sale.now_ms = END;
    assert_int_equal(pace_status(&p, &sale, 0), TICKET_CLOSED);
    sale = sale_of(10, 0, 0);
    sale.closed = true;
    assert_int_equal(pace_status(&p, &sale, 0), TICKET_CLOSED);
}

static void whoever_does_not_order_does_not_keep_units_from_others(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    for (int s = 0; s < WAITING_ADMIT_MS / 1000 / 2; s++, sale.now_ms += 1000)
        pace_advance(&p, &sale, LINE);
    assert_int_equal(p.admitted, 10);
    for (int s = 0; s < WAITING_ADMIT_MS / 1000; s++, sale.now_ms += 1000)
        pace_advance(&p, &sale, LINE);
    assert_true(p.admitted >= 20);
}

static void after_a_minute_another_is_admitted_for_each_who_has_not_ordered(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    sale = sale_of(5, 5, 5);
    for (int s = 0; s <= WAITING_ADMIT_MS / 1000 + 1; s++, sale.now_ms += 1000)
        pace_advance(&p, &sale, LINE);
    assert_int_equal(p.admitted, 15);
    assert_int_equal(p.boost, 1);
}

static void a_long_line_of_people_who_went_home_is_passed_quickly(void **state)
{
    (void)state;
    enum { GONE = 100000, MINUTE = 60000 };
    struct pace p;
    struct sale_now sale = sale_of(1, 0, 0);
    pace_init(&p, 0);
    while (p.admitted < GONE && sale.now_ms < START + 30 * MINUTE) {
        pace_advance(&p, &sale, GONE);
        sale.now_ms += 1000;
    }
    assert_int_equal(p.admitted, GONE);
    /* Somebody orders: carefully again. */
    sale.orders = 1;
    pace_init(&p, 10);
    pace_advance(&p, &sale, GONE);
    assert_in_range(p.admitted, 10, 12);
}

static void a_line_that_was_not_looked_at_for_long_goes_on(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    sale.now_ms += INT64_C(5000000);
    pace_advance(&p, &sale, LINE);
    assert_true(p.admitted >= 20);
    assert_true(p.admitted <= LINE);
}

static void admitted_stays_admitted_while_units_are_left(void **state)
{
    (void)state;
    struct pace p;
    struct sale_now sale = sale_of(10, 0, 0);
    pace_init(&p, 0);
    pace_advance(&p, &sale, LINE);
    sale = sale_of(1, 0, 0); /* units were taken out of the lot by hand */
    pace_advance(&p, &sale, LINE);
    assert_int_equal(pace_status(&p, &sale, 9), TICKET_ADMITTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_admitted_before_the_opening),
        cmocka_unit_test(as_many_are_admitted_as_there_are_units),
        cmocka_unit_test(behind_the_last_possible_unit_it_is_told_at_once),
        cmocka_unit_test(whoever_may_still_get_a_unit_that_is_held_waits),
        cmocka_unit_test(a_unit_that_comes_back_admits_the_next),
        cmocka_unit_test(holds_that_are_expected_back_are_given_out_ahead),
        cmocka_unit_test(when_nothing_is_left_or_held_all_are_told),
        cmocka_unit_test(a_sale_that_is_over_is_closed),
        cmocka_unit_test(whoever_does_not_order_does_not_keep_units_from_others),
        cmocka_unit_test(after_a_minute_another_is_admitted_for_each_who_has_not_ordered),
        cmocka_unit_test(a_long_line_of_people_who_went_home_is_passed_quickly),
        cmocka_unit_test(a_line_that_was_not_looked_at_for_long_goes_on),
        cmocka_unit_test(admitted_stays_admitted_while_units_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
