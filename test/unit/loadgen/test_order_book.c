#include "fixture.h"

#include <math.h>

#include "loadgen/order_book.h"

enum { ORDERS = 200000 };

static struct order_mix mix_of(struct choice choice)
{
    return (struct order_mix){.seed = 7,
                              .choice = choice,
                              .pay = 0.5,
                              .cancel = 0.2,
                              .expire = 0.1,
                              .retry = 0.25,
                              .quantity_max = 4,
                              .hold_ms = 60000,
                              .expire_ms = 500};
}

static const struct choice ten_lots = {.kind = CHOICE_UNIFORM, .count = 10};

/* Five standard deviations: a fixed seed either meets it for ever or never. */
static void assert_share(uint64_t count, uint64_t of, double share)
{
    double deviation = 5 * sqrt((double)of * share * (1 - share));
    assert_true(fabs((double)count - (double)of * share) <= deviation);
}

static void a_plan_follows_from_the_seed_and_the_number_alone(void **state)
{
    (void)state;
    struct order_mix a = mix_of(ten_lots), b = a, other = a;
    other.seed = 8;
    uint32_t same = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t order = order_number(3, 999 - i);
        struct order_plan x = order_plan_of(&a, order), y = order_plan_of(&b, order);
        struct order_plan z = order_plan_of(&other, order);
        assert_true(x.lot == y.lot && x.quantity == y.quantity && x.hold_ms == y.hold_ms &&
                    x.fate == y.fate && x.retry == y.retry);
        same += x.lot == z.lot && x.quantity == z.quantity && x.fate == z.fate;
    }
    assert_true(same < 100);
}

static void fates_retries_lots_and_quantities_come_in_their_shares(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(ten_lots);
    uint64_t fates[5] = {0}, lots[10] = {0}, quantities[6] = {0}, retries = 0, both = 0;
    for (uint64_t i = 0; i < ORDERS; i++) {
        struct order_plan p = order_plan_of(&mix, order_number(1, i));
        fates[p.fate]++;
        lots[p.lot]++;
        assert_in_range(p.quantity, 1, 4);
        quantities[p.quantity]++;
        retries += p.retry;
        both += p.retry && p.fate == FATE_CANCEL && p.lot == 3;
        assert_int_equal(p.hold_ms, p.fate == FATE_EXPIRE ? 500 : 60000);
    }
    assert_share(fates[FATE_PAY], ORDERS, 0.5);
    assert_share(fates[FATE_CANCEL], ORDERS, 0.2);
    assert_share(fates[FATE_EXPIRE], ORDERS, 0.1);
    assert_share(fates[FATE_KEEP], ORDERS, 0.2);
    assert_share(retries, ORDERS, 0.25);
    assert_share(both, ORDERS, 0.25 * 0.2 * 0.1);
    for (uint32_t i = 0; i < 10; i++)
        assert_share(lots[i], ORDERS, 0.1);
    for (uint32_t i = 1; i <= 4; i++)
        assert_share(quantities[i], ORDERS, 0.25);
}

static void orders_of_a_session_are_all_returned(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(ten_lots);
    mix.sessions = true;
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(order_plan_of(&mix, i).fate, FATE_RETURN);
}

static void orders_of_one_batch_ask_for_the_same(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(ten_lots);
    mix.batch = 8;
    uint32_t changes = 0;
    for (uint64_t i = 1; i < 8000; i++) {
        struct order_plan a = order_plan_of(&mix, order_number(2, i - 1));
        struct order_plan b = order_plan_of(&mix, order_number(2, i));
        bool same = a.lot == b.lot && a.quantity == b.quantity && a.hold_ms == b.hold_ms;
        if (i % 8)
            assert_true(same);
        else
            changes += !same;
    }
    assert_true(changes > 900);
}

static void a_book_counts_up_and_its_entries_stay_where_they_are(void **state)
{
    (void)state;
    struct order_book b;
    order_book_init(&b, 5);
    struct order_entry *first = NULL;
    for (uint64_t i = 0; i < 3 * ORDER_CHUNK + 1; i++) {
        uint64_t order;
        assert_true(order_book_add(&b, &order));
        assert_int_equal(order_thread(order), 5);
        assert_int_equal(order_index(order), i);
        struct order_entry *e = order_book_at(&b, order);
        assert_int_equal(e->step, ORDER_UNUSED);
        assert_int_equal(e->reservation_id, 0);
        e->reservation_id = i + 1;
        if (i == 0)
            first = e;
    }
    assert_ptr_equal(order_book_at(&b, order_number(5, 0)), first);
    for (uint64_t i = 0; i < b.count; i++)
        assert_int_equal(order_book_at(&b, order_number(5, i))->reservation_id, i + 1);
    order_book_close(&b);
    assert_int_equal(b.count, 0);
}

static void an_entry_takes_sixteen_bytes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct order_entry), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_follows_from_the_seed_and_the_number_alone),
        cmocka_unit_test(fates_retries_lots_and_quantities_come_in_their_shares),
        cmocka_unit_test(orders_of_a_session_are_all_returned),
        cmocka_unit_test(orders_of_one_batch_ask_for_the_same),
        cmocka_unit_test(a_book_counts_up_and_its_entries_stay_where_they_are),
        cmocka_unit_test(an_entry_takes_sixteen_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
