/* Units that are sold before they are there: who gets them when they come. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "engine/backorder.h"
#include "shop.h"

#define COLA "cola#00000001"

static int open_shop(void **state)
{
    *state = shop_open(NULL);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static void limit(struct shop *s, int64_t units)
{
    struct ask *a = shop_update_lot(s, COLA);
    a->c.update_lot.sets_backorder_limit = true;
    a->c.update_lot.terms.backorder_limit = units;
    shop_send(s, a);
}

/* A lot with so many units on hand that sells 100 more. */
static void stock(struct shop *s, int64_t units)
{
    shop_lot(s, COLA, units);
    limit(s, 100);
    shop_commit(s);
}

static int64_t order(struct shop *s, const char *order_id, int64_t units)
{
    struct ask *a = shop_reserve(s, order_id, COLA, units);
    assert_int_equal(a->c.reserve.code, 0);
    return a->c.reserve.reservation_id;
}

static int64_t owed(const struct shop *s, int64_t reservation_id)
{
    return backorder_units(s->engine, 1, reservation_id);
}

static void units_that_come_go_to_the_oldest_order(void **state)
{
    struct shop *s = *state;
    stock(s, 2);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 3), third = order(s, "o-3", 2);
    shop_commit(s);
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 3);
    assert_int_equal(owed(s, third), 2);
    shop_adjust(s, COLA, 4, "");
    shop_commit(s);
    assert_int_equal(owed(s, second), 0);
    assert_int_equal(owed(s, third), 1);
    shop_adjust(s, COLA, 1, "");
    shop_commit(s);
    assert_int_equal(owed(s, third), 0);
}

static void an_order_may_have_a_part_of_its_units(void **state)
{
    struct shop *s = *state;
    stock(s, 5);
    int64_t first = order(s, "o-1", 4), second = order(s, "o-2", 3);
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 2);
}

static void units_that_are_given_back_go_to_the_oldest_order(void **state)
{
    struct shop *s = *state;
    stock(s, 3);
    int64_t first = order(s, "o-1", 3), second = order(s, "o-2", 2), third = order(s, "o-3", 2);
    shop_commit(s);
    shop_refund(s, first, REASON_NONE);
    assert_int_equal(owed(s, second), 0);
    assert_int_equal(owed(s, third), 1);
    shop_commit(s);
    assert_int_equal(owed(s, second), 0);
    assert_int_equal(owed(s, third), 1);
}

static void who_waits_longer_is_served_before_who_is_paid(void **state)
{
    struct shop *s = *state;
    stock(s, 0);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 2);
    shop_confirm(s, second);
    shop_commit(s);
    shop_adjust(s, COLA, 2, "");
    shop_commit(s);
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 2);
}

static void units_left_over_by_a_confirm_go_on(void **state)
{
    struct shop *s = *state;
    stock(s, 0);
    int64_t first = order(s, "o-1", 5), second = order(s, "o-2", 2);
    shop_commit(s);
    shop_confirm_part(s, first, COLA, 1);
    shop_adjust(s, COLA, 2, "");
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 1);
    shop_commit(s);
    assert_int_equal(owed(s, second), 1);
}

static void an_answer_says_how_many_are_to_come(void **state)
{
    struct shop *s = *state;
    stock(s, 1);
    struct order_extra extra = {0};
    struct ask *a = shop_order(s, "o-1");
    a->c.reserve.extra = &extra;
    shop_want_lot(a, COLA, 3);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(extra.after[0].backordered, 2);
    struct ask *again = shop_order(s, "o-1");
    struct order_extra second = {0};
    again->c.reserve.extra = &second;
    shop_want_lot(again, COLA, 3);
    shop_send(s, again);
    shop_commit(s);
    assert_true(again->c.reserve.replayed);
    assert_int_equal(second.after[0].backordered, 2);
}

static struct ask *ship(struct shop *s, int64_t reservation_id, int64_t units)
{
    struct ask *a = shop_ask(s, COMMAND_SHIP);
    a->c.move.reservation_id = reservation_id;
    a->wants[0] = (struct want){.lot = STR(COLA), .quantity = units};
    a->c.move.wants = a->wants;
    a->c.move.want_count = units ? 1 : 0;
    a->c.move.lines = a->lines;
    a->c.move.line_max = ORDER_LINES_MAX;
    shop_send(s, a);
    shop_commit(s);
    return a;
}

static void units_that_have_not_come_cannot_be_shipped(void **state)
{
    struct shop *s = *state;
    stock(s, 3);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 3);
    shop_confirm(s, first);
    shop_confirm(s, second);
    shop_commit(s);
    assert_int_equal(ship(s, second, 0)->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(ship(s, second, 2)->c.code, TLY_EINVALID_TRANSITION);
    assert_int_equal(ship(s, second, 1)->c.code, 0);
    assert_int_equal(owed(s, second), 2);
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(ship(s, first, 0)->c.code, 0);
    shop_adjust(s, COLA, 2, "");
    shop_commit(s);
    assert_int_equal(ship(s, second, 0)->c.code, 0);
    assert_int_equal(shop_stock(s, 1).on_hand, 0);
    assert_int_equal(shop_stock(s, 1).confirmed, 0);
}

static void units_that_have_not_come_cannot_be_written_off(void **state)
{
    struct shop *s = *state;
    stock(s, 3);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 3);
    shop_confirm(s, first);
    shop_confirm(s, second);
    shop_commit(s);
    for (int all = 1; all >= 0; all--) {
        struct ask *a = shop_ask(s, COMMAND_REFUND);
        a->c.move.reservation_id = second;
        a->c.move.no_restock = true;
        a->wants[0] = (struct want){.lot = STR(COLA), .quantity = 1};
        a->c.move.wants = a->wants;
        a->c.move.want_count = all ? 0 : 1;
        shop_send(s, a);
        shop_commit(s);
        assert_int_equal(a->c.code, all ? TLY_EINVALID_TRANSITION : 0);
    }
    assert_int_equal(shop_stock(s, 1).on_hand, 2);
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 2);
}

static void a_change_takes_its_units_from_the_end_of_the_line(void **state)
{
    struct shop *s = *state;
    stock(s, 2);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 1);
    shop_commit(s);
    for (int round = 0; round < 2; round++) {
        struct ask *a = shop_ask(s, COMMAND_CHANGE);
        a->c.move.reservation_id = first;
        a->wants[0] = (struct want){.lot = STR(COLA), .quantity = round ? 2 : 4};
        a->c.move.wants = a->wants;
        a->c.move.want_count = 1;
        shop_send(s, a);
        if (round == 0) {
            shop_adjust(s, COLA, 1, "");
            assert_int_equal(owed(s, second), 0);
            assert_int_equal(owed(s, first), 2);
        }
        shop_commit(s);
        assert_int_equal(a->c.code, 0);
        assert_int_equal(owed(s, first), round ? 0 : 2);
        assert_int_equal(owed(s, second), 0);
        shop_reopen(s);
        assert_int_equal(owed(s, first), round ? 0 : 2);
    }
}

/* ---- undo ---- */

static void an_order_that_is_undone_leaves_the_line(void **state)
{
    struct shop *s = *state;
    stock(s, 0);
    int64_t first = order(s, "o-1", 2);
    shop_commit(s);
    shop_refund(s, first, REASON_NONE);
    order(s, "o-2", 3);
    shop_adjust(s, COLA, 4, "");
    assert_int_equal(owed(s, first), 0);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(owed(s, first), 2);
    int64_t third = order(s, "o-3", 1);
    shop_adjust(s, COLA, 2, "");
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, third), 1);
}

static void supply_that_is_undone_takes_nobody_out_of_the_line(void **state)
{
    struct shop *s = *state;
    struct engine_config config = shop_config();
    config.batches_max = 2;
    shop_close(s);
    *state = s = shop_open(&config);
    stock(s, 0);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 2);
    shop_seal(s);
    shop_adjust(s, COLA, 3, "");
    shop_seal(s);
    shop_outcome(s, LEDGER_COMMITTED); /* of the orders; the supply is with the ledger */
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 1);
    shop_reject(s);
    assert_int_equal(owed(s, first), 2);
    assert_int_equal(owed(s, second), 2);
}

/* ---- recovery ---- */

/* From where on a restart would read, as the batch of yet another lot says. */
static int64_t oldest_needed(struct shop *s)
{
    static unsigned n;
    char key[32];
    snprintf(key, sizeof key, "tea#%08x", ++n);
    shop_lot(s, key, 0);
    return s->oldest_pending;
}

static void the_line_is_found_again_after_a_restart(void **state)
{
    struct shop *s = *state;
    stock(s, 2);
    int64_t first = order(s, "o-1", 2), second = order(s, "o-2", 3), third = order(s, "o-3", 2);
    shop_confirm(s, first);
    shop_confirm(s, second);
    shop_confirm(s, third);
    limit(s, 0);
    shop_commit(s);
    assert_int_equal(oldest_needed(s), second);
    shop_reopen(s);
    assert_int_equal(owed(s, first), 0);
    assert_int_equal(owed(s, second), 3);
    assert_int_equal(owed(s, third), 2);
    assert_int_equal(oldest_needed(s), second);
    shop_adjust(s, COLA, 3, "");
    shop_commit(s);
    assert_int_equal(owed(s, third), 2);
    shop_reopen(s);
    assert_int_equal(owed(s, second), 0);
    assert_int_equal(owed(s, third), 2);
}

/* ---- against a list of orders ---- */

enum { ORDERS = 4000 };

struct model {
    int64_t id[ORDERS];
    int64_t units[ORDERS];
    uint32_t count;
    int64_t on_hand;
};

static uint32_t random_below(uint32_t n)
{
    static uint64_t state = 20260921;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(state >> 33) % n;
}

static void assert_same(const struct shop *s, const struct model *m)
{
    int64_t before = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        int64_t short_of = before + m->units[i] - m->on_hand;
        int64_t expected = short_of < 0 ? 0 : short_of < m->units[i] ? short_of : m->units[i];
        if (m->units[i])
            assert_int_equal(owed(s, m->id[i]), expected);
        before += m->units[i];
    }
}

static void do_something(struct shop *s, struct model *m)
{
    char id[32];
    uint32_t what = random_below(10);
    uint32_t which = m->count ? m->count - 1 - random_below(m->count < 40 ? m->count : 40) : 0;
    if (what < 5 || !m->count) {
        static uint32_t n;
        int64_t units = 1 + random_below(6);
        snprintf(id, sizeof id, "m-%u", n++);
        struct ask *a = shop_reserve(s, id, COLA, units);
        if (a->c.reserve.code)
            return;
        m->id[m->count] = a->c.reserve.reservation_id;
        m->units[m->count++] = units;
    } else if (what < 8) {
        if (m->units[which])
            shop_refund(s, m->id[which], REASON_NONE);
        m->units[which] = 0;
    } else {
        int64_t units = 1 + random_below(12);
        shop_adjust(s, COLA, units, "");
        m->on_hand += units;
    }
}

static void the_line_is_as_a_list_of_all_orders_says(void **state)
{
    static struct model now, committed;
    struct shop *s = *state;
    memset(&now, 0, sizeof now);
    stock(s, 0);
    committed = now;
    for (int round = 0; round < 700; round++) {
        for (uint32_t i = random_below(6); i-- > 0;)
            do_something(s, &now);
        assert_same(s, &now);
        if (random_below(4)) {
            shop_commit(s);
            committed = now;
        } else if (shop_seal(s)) {
            shop_reject(s);
            now = committed;
        }
        assert_same(s, &now);
        if (random_below(100) == 0) {
            shop_reopen(s);
            assert_same(s, &now);
        }
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(units_that_come_go_to_the_oldest_order),
        T(an_order_may_have_a_part_of_its_units),
        T(units_that_are_given_back_go_to_the_oldest_order),
        T(who_waits_longer_is_served_before_who_is_paid),
        T(units_left_over_by_a_confirm_go_on),
        T(an_answer_says_how_many_are_to_come),
        T(units_that_have_not_come_cannot_be_shipped),
        T(units_that_have_not_come_cannot_be_written_off),
        T(a_change_takes_its_units_from_the_end_of_the_line),
        T(an_order_that_is_undone_leaves_the_line),
        T(supply_that_is_undone_takes_nobody_out_of_the_line),
        T(the_line_is_found_again_after_a_restart),
        T(the_line_is_as_a_list_of_all_orders_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
