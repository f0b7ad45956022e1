/* How many units a user may have of a sale, and how many holds at a time. */
#include "fixture.h"

#include <stdio.h>

#include "shop.h"

enum { LIMIT = 3 };
static const char key[] = "cola#00000001";

static struct shop *open_sale(const struct engine_config *config)
{
    struct shop *s = shop_open(config);
    shop_lot(s, key, 5000);
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(a, 1);
    a->sale.terms.per_user_limit = LIMIT;
    shop_send(s, a);
    shop_commit(s);
    return s;
}

static int open_shop(void **state)
{
    *state = open_sale(NULL);
    return 0;
}

static int open_bounded(void **state)
{
    struct engine_config config = shop_config();
    config.user_holds_max = 2;
    *state = open_sale(&config);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static int64_t bought(struct shop *s, const char *order_id, const char *user, int64_t units)
{
    struct ask *a = shop_reserve_in(s, "flash", order_id, user, key, units);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.reserve.reservation_id;
}

static void refused(struct shop *s, const char *order_id, const char *user, int64_t units,
                    int64_t taken)
{
    struct ask *a = shop_reserve_in(s, "flash", order_id, user, key, units);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(a->c.reserve.trouble, ORDER_USER_SALE);
    assert_int_equal(a->c.reserve.limit, LIMIT);
    assert_int_equal(a->extra.taken, taken);
}

static void a_refusal_says_the_limit_what_is_taken_and_by_which_orders(void **state)
{
    struct shop *s = *state;
    int64_t id = bought(s, "o-1", "u", 2);
    int64_t second = bought(s, "o-2", "u", 1);
    struct ask *a = shop_reserve_in(s, "flash", "o-3", "u", key, 1);
    assert_true(a->answered);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(a->c.reserve.limit, LIMIT);
    assert_int_equal(a->extra.taken, 3);
    assert_int_equal(a->extra.order_count, 2);
    int64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(a->extra.orders[i].order_id_len, 3);
        sum += a->extra.orders[i].reservation_id;
    }
    assert_int_equal(sum, id + second);
    assert_int_equal(shop_available(s, 1), 4997);
}

static void confirmed_units_count_and_their_order_is_named(void **state)
{
    struct shop *s = *state;
    int64_t id = bought(s, "o-1", "u", 2);
    shop_confirm(s, id);
    shop_commit(s);
    struct ask *a = shop_reserve_in(s, "flash", "o-2", "u", key, 2);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(a->extra.orders[0].reservation_id, id);
    assert_int_equal(a->extra.orders[0].order_id_len, 0);
}

static void what_is_given_back_may_be_bought_again(void **state)
{
    struct shop *s = *state;
    int64_t id = bought(s, "o-1", "u", 3);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    id = bought(s, "o-2", "u", 3);
    shop_confirm_part(s, id, key, 1);
    shop_commit(s);
    refused(s, "o-3", "u", 3, 1);
    int64_t two = bought(s, "o-4", "u", 2);
    shop_advance(s, 60000); /* o-4 expires */
    shop_commit(s);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    bought(s, "o-5", "u", 3);
    assert_true(two > id);
}

static void users_do_not_count_for_each_other(void **state)
{
    struct shop *s = *state;
    bought(s, "o-1", "u", 3);
    bought(s, "o-2", "v", 3);
    refused(s, "o-3", "v", 1, 3);
}

static void a_sale_with_a_limit_needs_to_know_the_user(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "", key, 1);
    assert_int_equal(a->c.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(shop_available(s, 1), 5000);
}

static void a_thousand_requests_of_one_user_in_one_turn_get_the_limit(void **state)
{
    struct shop *s = *state;
    enum { REQUESTS = 1000 };
    static char ids[REQUESTS][16];
    static struct ask *asks[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(ids[i], sizeof ids[i], "o-%d", i);
        asks[i] = shop_reserve_in(s, "flash", ids[i], "u", key, 1);
    }
    assert_false(asks[REQUESTS - 1]->answered); /* its refusal rests on the first ones */
    shop_commit(s);
    int granted = 0;
    for (int i = 0; i < REQUESTS; i++) {
        assert_true(asks[i]->answered);
        granted += asks[i]->c.code == 0;
        assert_true(asks[i]->c.code == 0 || asks[i]->c.code == TLY_ELIMIT_EXCEEDED);
    }
    assert_int_equal(granted, LIMIT);
    assert_int_equal(shop_available(s, 1), 5000 - LIMIT);
}

static void a_refusal_by_what_was_undone_is_decided_again(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve_in(s, "flash", "o-1", "u", key, 3);
    shop_seal(s);
    struct ask *b = shop_reserve_in(s, "flash", "o-2", "u", key, 3);
    assert_false(b->answered);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_int_equal(b->c.code, 0);
    refused(s, "o-3", "u", 1, 3);
}

static void undone_refunds_and_confirms_count_as_before(void **state)
{
    struct shop *s = *state;
    int64_t id = bought(s, "o-1", "u", 3);
    shop_refund(s, id, REASON_NONE);
    shop_seal(s);
    shop_reject(s);
    refused(s, "o-2", "u", 1, 3);
    shop_confirm_part(s, id, key, 1);
    shop_seal(s);
    shop_reject(s);
    refused(s, "o-3", "u", 1, 3);
    shop_confirm(s, id);
    shop_commit(s);
    shop_refund(s, id, REASON_NONE);
    shop_answer_reads(s);
    shop_seal(s);
    shop_reject(s);
    refused(s, "o-4", "u", 1, 3);
}

static void limits_are_remembered_across_restarts(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "u", 1);
    int64_t second = bought(s, "o-2", "u", 1);
    bought(s, "o-3", "v", 2);
    shop_confirm(s, first);
    shop_commit(s);
    shop_reopen(s);
    refused(s, "o-4", "u", 2, 2);
    refused(s, "o-5", "v", 2, 2);
    shop_refund(s, first, REASON_NONE); /* of a row that names neither user nor sale */
    shop_refund(s, second, REASON_NONE);
    shop_commit(s);
    shop_reopen(s);
    bought(s, "o-6", "u", 3);
}

static void a_limit_that_is_set_later_counts_what_was_bought_before(void **state)
{
    struct shop *s = *state;
    struct ask *none = shop_sale(s, COMMAND_UPDATE_SALE, "flash");
    none->sale.sets = SALE_PER_USER;
    shop_send(s, none);
    bought(s, "o-1", "u", 7);
    struct ask *some = shop_sale(s, COMMAND_UPDATE_SALE, "flash");
    some->sale.sets = SALE_PER_USER;
    some->sale.terms.per_user_limit = LIMIT;
    shop_send(s, some);
    shop_commit(s);
    refused(s, "o-2", "u", 1, 7);
}

static void the_users_of_an_ended_sale_are_forgotten(void **state)
{
    struct shop *s = *state;
    int64_t id = bought(s, "o-1", "u", 3);
    shop_confirm(s, id);
    shop_commit(s);
    shop_advance(s, 3600000);
    shop_commit(s);
    shop_refund(s, id, REASON_NONE);
    shop_commit(s);
    struct ask *get = shop_get_sale(s, "flash");
    assert_int_equal(get->sale.sale.units_confirmed, 0);
}

static void a_user_holds_so_many_at_a_time_and_no_more(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "o-1", key, 1);
    struct ask *b = shop_reserve_in(s, "flash", "o-2", "user-1", key, 1);
    shop_commit(s);
    struct ask *c = shop_order(s, "o-3");
    shop_want_lot(c, key, 1);
    c->c.reserve.extra = &c->extra;
    shop_send(s, c);
    assert_int_equal(c->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(c->c.reserve.trouble, ORDER_USER_HOLDS);
    assert_int_equal(c->c.reserve.limit, 2);
    assert_int_equal(c->extra.taken, 2);
    assert_int_equal(c->extra.order_count, 2);
    shop_reopen(s);
    assert_int_equal(shop_reserve(s, "o-4", key, 1)->c.code, TLY_ELIMIT_EXCEEDED);
    shop_confirm(s, a->c.reserve.reservation_id);
    struct ask *d = shop_reserve(s, "o-5", key, 1);
    shop_commit(s);
    assert_int_equal(d->c.code, 0);
    assert_int_equal(shop_reserve(s, "o-6", key, 1)->c.code, TLY_ELIMIT_EXCEEDED);
    shop_refund(s, b->c.reserve.reservation_id, REASON_NONE);
    shop_seal(s);
    shop_reject(s); /* the hold is back, and with it the limit */
    struct ask *e = shop_reserve(s, "o-7", key, 1);
    shop_commit(s);
    assert_int_equal(e->c.code, TLY_ELIMIT_EXCEEDED);
    shop_advance(s, 60000);
    struct ask *f = shop_reserve(s, "o-8", key, 1);
    shop_commit(s);
    assert_int_equal(f->c.code, 0);
}

static void who_gives_no_user_is_not_bounded(void **state)
{
    struct shop *s = *state;
    static const char *const ids[] = {"o-1", "o-2", "o-3"};
    for (int i = 0; i < 3; i++) {
        struct ask *a = shop_order(s, ids[i]);
        a->c.reserve.user_id = STR("");
        shop_want_lot(a, key, 1);
        shop_send(s, a);
        shop_commit(s);
        assert_int_equal(a->c.code, 0);
    }
}

/* It rested on the sale, which is none. */
static void a_refusal_by_a_limit_of_a_sale_that_is_undone_is_made_anew(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "undone");
    shop_sale_lot(a, 1);
    a->sale.terms.per_order_limit = 1;
    shop_send(s, a);
    assert_true(shop_seal(s));
    struct ask *order = shop_reserve_in(s, "undone", "o-undone", "ann", key, 2);
    assert_false(order->answered);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(order->c.code, TLY_ENOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_refusal_by_a_limit_of_a_sale_that_is_undone_is_made_anew),
        T(a_refusal_says_the_limit_what_is_taken_and_by_which_orders),
        T(confirmed_units_count_and_their_order_is_named),
        T(what_is_given_back_may_be_bought_again),
        T(users_do_not_count_for_each_other),
        T(a_sale_with_a_limit_needs_to_know_the_user),
        T(a_thousand_requests_of_one_user_in_one_turn_get_the_limit),
        T(a_refusal_by_what_was_undone_is_decided_again),
        T(undone_refunds_and_confirms_count_as_before),
        T(limits_are_remembered_across_restarts),
        T(a_limit_that_is_set_later_counts_what_was_bought_before),
        T(the_users_of_an_ended_sale_are_forgotten),
#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, open_bounded, close_shop)
        T(a_user_holds_so_many_at_a_time_and_no_more),
        T(who_gives_no_user_is_not_bounded),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
