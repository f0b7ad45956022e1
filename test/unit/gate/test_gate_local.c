/* What is particular to the embedded gate; what every gate must do is in test/contract/gate. */
#include "fixture.h"

#include <stdio.h>

#include "base/hash.h"
#include "gate/gate_local.h"
#include "gate/order_filter.h"

static struct gate *make(uint32_t lots_max)
{
    struct gate_local_config config = {
        .hash_seed = 7, .lots_max = lots_max, .order_filter_bytes = 1 << 20};
    struct gate *g = NULL;
    assert_int_equal(gate_local_create(&g, &config, NULL), 0);
    return g;
}

static void ignore(void *context, struct gate_ask *first)
{
    (void)context;
    (void)first;
}

static int add_lot(struct gate *g, lot_id lot, struct str key, int64_t available)
{
    static struct lot_dims dims[1001]; /* the gate keeps no pointer */
    dims[lot] = (struct lot_dims){.key = key};
    const struct gate_stock stock = {
        .lot_id = lot, .dims = &dims[lot], .available = available, .version = 1};
    return g->ops->lot_known(g, &stock);
}

static void decide(struct gate *g, lot_id lot, int64_t units)
{
    const struct gate_delta delta = {lot, units};
    g->ops->decided(g, &delta, 1);
}

static struct gate_ask ask_lines(struct gate *g, struct gate_line *lines, uint16_t n)
{
    const struct gate_worker worker = {.answered = ignore};
    struct gate_ask ask = {.lines = lines, .line_count = n, .order_new = true};
    struct gate_session *s = NULL;
    assert_int_equal(g->ops->attach(g, &worker, &s, NULL), 0);
    gate_ask(s, &ask);
    gate_flush(s, 0);
    gate_detach(s);
    return ask;
}

static uint64_t order(uint64_t number)
{
    return hash64((struct str){(const char *)&number, sizeof number}, 1);
}

static enum gate_verdict ask_for(struct gate *g, struct str lot, int64_t quantity)
{
    struct gate_line line = {.lot = lot, .quantity = quantity};
    return ask_lines(g, &line, 1).verdict;
}

static void two_lots_with_the_same_hash_make_both_blind(void **state)
{
    (void)state;
    struct gate *g = make(10);
    assert_int_equal(add_lot(g, 1, STR("same"), 0), 0);
    assert_int_equal(ask_for(g, STR("same"), 1), GATE_SOLD_OUT);
    assert_int_equal(add_lot(g, 2, STR("same"), 5), 0);
    assert_int_equal(ask_for(g, STR("same"), 1), GATE_BLIND);
    gate_destroy(g);
}

static void an_ambiguous_lot_stays_so_when_the_table_grows(void **state)
{
    (void)state;
    struct gate *g = make(1000);
    char keys[1000][16];
    assert_int_equal(add_lot(g, 1, STR("same"), 0), 0);
    assert_int_equal(add_lot(g, 2, STR("same"), 5), 0);
    for (uint32_t i = 3; i < 1000; i++) {
        int len = snprintf(keys[i], sizeof keys[i], "lot%u", i);
        assert_int_equal(add_lot(g, i, (struct str){keys[i], (uint32_t)len}, 0), 0);
    }
    assert_int_equal(ask_for(g, STR("same"), 1), GATE_BLIND);
    gate_destroy(g);
}

static void a_lot_beyond_the_bound_is_blind_and_its_units_are_ignored(void **state)
{
    (void)state;
    struct gate *g = make(1);
    assert_int_equal(add_lot(g, 1, STR("a"), 1), 0);
    assert_int_equal(add_lot(g, 2, STR("b"), 1), TLY_ENO_MEMORY);
    decide(g, 2, 5);
    decide(g, 4097, 5);
    assert_int_equal(ask_for(g, STR("b"), 1), GATE_BLIND);
    gate_destroy(g);
}

static void a_filter_size_that_is_no_power_of_two_is_refused(void **state)
{
    (void)state;
    struct gate_local_config config = {.lots_max = 1, .order_filter_bytes = 1000};
    struct gate *g = NULL;
    struct error e = {0};
    assert_int_equal(gate_local_create(&g, &config, &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, "order_filter_bytes");
    assert_null(g);
}

static void the_version_may_wrap_without_touching_the_units(void **state)
{
    (void)state;
    struct gate *g = make(1);
    assert_int_equal(add_lot(g, 1, STR("a"), 3), 0);
    for (uint32_t i = 0; i < 1U << 24; i++)
        decide(g, 1, i & 1 ? 1 : -1);
    assert_int_equal(ask_for(g, STR("a"), 4), GATE_SOLD_OUT);
    assert_int_equal(ask_for(g, STR("a"), 3), GATE_PASS);
    gate_destroy(g);
}

static void several_lines_take_nothing(void **state)
{
    (void)state;
    struct gate *g = make(1);
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 2}, {.lot = STR("a"), .quantity = 3}};
    assert_int_equal(add_lot(g, 1, STR("a"), 5), 0);
    assert_int_equal(ask_lines(g, lines, 2).verdict, GATE_BLIND);
    assert_int_equal(ask_for(g, STR("a"), 5), GATE_PASS);
    gate_destroy(g);
}

static void the_count_may_go_below_zero_and_come_back(void **state)
{
    (void)state;
    struct gate *g = make(1);
    assert_int_equal(add_lot(g, 1, STR("a"), 10), 0);
    decide(g, 1, -15);
    assert_int_equal(ask_for(g, STR("a"), 1), GATE_SOLD_OUT);
    decide(g, 1, 7);
    assert_int_equal(ask_for(g, STR("a"), 3), GATE_SOLD_OUT);
    assert_int_equal(ask_for(g, STR("a"), 2), GATE_PASS);
    gate_destroy(g);
}

static void the_filter_never_forgets(void **state)
{
    (void)state;
    struct order_filter f;
    assert_int_equal(order_filter_init(&f, 1 << 16, NULL), 0);
    for (uint64_t i = 0; i < 40000; i++)
        order_filter_mark(&f, order(i));
    for (uint64_t i = 0; i < 40000; i++)
        assert_true(order_filter_maybe(&f, order(i)));
    order_filter_close(&f);
}

/* False "maybe" for 100,000 strangers, in hundredths of a percent. */
static uint64_t false_maybes(uint64_t marked, size_t bytes)
{
    struct order_filter f;
    uint64_t wrong = 0;
    assert_int_equal(order_filter_init(&f, bytes, NULL), 0);
    for (uint64_t i = 0; i < marked; i++)
        order_filter_mark(&f, order(i));
    for (uint64_t i = 0; i < 100000; i++)
        wrong += order_filter_maybe(&f, order(marked + i));
    order_filter_close(&f);
    return wrong / 10;
}

static void strangers_are_rarely_taken_for_known(void **state)
{
    (void)state;
    uint64_t at_12_bits = false_maybes((1 << 23) / 12, 1 << 20);
    uint64_t at_6_bits = false_maybes((1 << 23) / 6, 1 << 20);
    print_message("false maybes: %.2f %% at 12 bits an order_id, %.2f %% at 6\n",
                  (double)at_12_bits / 100, (double)at_6_bits / 100);
    assert_in_range(at_12_bits, 0, 250);
    assert_in_range(at_6_bits, 0, 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_lots_with_the_same_hash_make_both_blind),
        cmocka_unit_test(an_ambiguous_lot_stays_so_when_the_table_grows),
        cmocka_unit_test(a_lot_beyond_the_bound_is_blind_and_its_units_are_ignored),
        cmocka_unit_test(a_filter_size_that_is_no_power_of_two_is_refused),
        cmocka_unit_test(the_version_may_wrap_without_touching_the_units),
        cmocka_unit_test(several_lines_take_nothing),
        cmocka_unit_test(the_count_may_go_below_zero_and_come_back),
        cmocka_unit_test(the_filter_never_forgets),
        cmocka_unit_test(strangers_are_rarely_taken_for_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
