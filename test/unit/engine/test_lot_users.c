/* How many units of a lot a user may have outside sales. */
#include "engine/engine_internal.h" /* before cmocka, whose macros are names here */

#include "fixture.h"

#include <stdio.h>

#include "shop.h"

#define COLA "cola#00000001"

static struct ask *set_limit(struct shop *s, int64_t limit)
{
    struct ask *a = shop_update_lot(s, COLA);
    a->c.update_lot.sets_per_user_limit = true;
    a->c.update_lot.terms.per_user_limit = limit;
    shop_send(s, a);
    return a;
}

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, COLA, 1000);
    set_limit(s, 3);
    shop_commit(s);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static struct ask *order(struct shop *s, const char *order_id, const char *user, int64_t units)
{
    struct ask *a = shop_order(s, order_id);
    a->c.reserve.user_id = str_of(user);
    a->c.reserve.extra = &a->extra;
    shop_want_lot(a, COLA, units);
    shop_send(s, a);
    return a;
}

static int64_t bought(struct shop *s, const char *order_id, const char *user, int64_t units)
{
    struct ask *a = order(s, order_id, user, units);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
    return a->c.reserve.reservation_id;
}

static void refused(struct shop *s, const char *user, int64_t units, int64_t taken)
{
    static unsigned n;
    char id[32];
    snprintf(id, sizeof id, "no-%u", ++n);
    struct ask *a = order(s, id, user, units);
    shop_commit(s);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(a->c.reserve.trouble, ORDER_USER_LOT);
    assert_int_equal(a->c.reserve.limit, 3);
    assert_int_equal(a->extra.taken, taken);
}

static void a_user_gets_no_more_than_the_limit(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 2);
    struct ask *a = order(s, "o-2", "ann", 2);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(a->extra.taken, 2);
    assert_int_equal(a->extra.order_count, 1);
    assert_int_equal(a->extra.orders[0].reservation_id, first);
    assert_int_equal(a->c.reserve.line_count, 0);
    bought(s, "o-3", "ann", 1);
    refused(s, "ann", 1, 3);
    bought(s, "o-4", "bob", 3);
    assert_int_equal(shop_available(s, 1), 994);
}

static void an_order_by_sku_counts_as_well(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_order(s, "o-1");
    a->c.reserve.user_id = STR("ann");
    shop_want_sku(a, "cola", "", "", "", 4);
    shop_send(s, a);
    assert_int_equal(a->c.code, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(a->c.reserve.failed_want, 0);
}

static void a_change_to_more_than_the_limit_is_refused(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 2);
    for (int units = 4; units >= 3; units--) {
        struct ask *a = shop_ask(s, COMMAND_CHANGE);
        a->c.move.reservation_id = first;
        a->wants[0] = (struct want){.lot = STR(COLA), .quantity = units};
        a->c.move.wants = a->wants;
        a->c.move.want_count = 1;
        shop_send(s, a);
        shop_commit(s);
        assert_int_equal(a->c.code, units == 4 ? TLY_ELIMIT_EXCEEDED : 0);
    }
    refused(s, "ann", 1, 3);
}

/* What it was refused by was undone: it is decided anew. */
static void a_change_that_was_refused_by_what_is_undone_is_done(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 1);
    order(s, "o-2", "ann", 2);
    assert_true(shop_seal(s));
    struct ask *a = shop_ask(s, COMMAND_CHANGE);
    a->c.move.reservation_id = first;
    a->wants[0] = (struct want){.lot = STR(COLA), .quantity = 3};
    a->c.move.wants = a->wants;
    a->c.move.want_count = 1;
    shop_send(s, a);
    assert_false(a->answered);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(a->c.code, 0);
}

static void an_order_without_a_user_is_refused(void **state)
{
    struct shop *s = *state;
    assert_int_equal(order(s, "o-1", "", 1)->c.code, TLY_EINVALID_ARGUMENT);
}

static void what_is_given_back_may_be_had_again(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 2), second = bought(s, "o-2", "ann", 1);
    shop_confirm(s, second);
    shop_commit(s);
    shop_refund(s, first, REASON_NONE);
    shop_commit(s);
    refused(s, "ann", 3, 1);
    shop_refund(s, second, REASON_NONE);
    shop_commit(s);
    bought(s, "o-3", "ann", 3);
    shop_advance(s, s->config.hold_default_ms + 1);
    shop_commit(s);
    bought(s, "o-4", "ann", 3);
}

static void what_a_confirm_leaves_over_does_not_count(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 3);
    shop_confirm_part(s, first, COLA, 1);
    shop_commit(s);
    refused(s, "ann", 3, 1);
    bought(s, "o-2", "ann", 2);
}

static void the_limit_is_kept_across_a_restart(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 2);
    shop_confirm(s, first);
    shop_commit(s);
    shop_reopen(s);
    refused(s, "ann", 2, 2);
    shop_refund(s, first, REASON_NONE);
    shop_commit(s);
    shop_reopen(s);
    bought(s, "o-2", "ann", 3);
}

static void a_restart_reads_from_the_oldest_order_that_counts(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 2);
    shop_confirm(s, first);
    shop_commit(s);
    shop_adjust(s, COLA, 1, "");
    shop_commit(s);
    assert_int_equal(s->oldest_pending, first);
    shop_advance(s, s->config.order_retention_ms + 1000);
    shop_adjust(s, COLA, 1, "");
    shop_commit(s);
    assert_true(s->oldest_pending > first);
}

static void an_order_counts_as_long_as_order_ids_are_kept(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 3);
    shop_confirm(s, first);
    shop_commit(s);
    shop_advance(s, s->config.order_retention_ms - 1000);
    refused(s, "ann", 1, 3);
    shop_advance(s, 2000);
    bought(s, "o-2", "ann", 3);
    shop_refund(s, first, REASON_NONE);
    shop_commit(s);
    refused(s, "ann", 1, 3);
}

static void a_limit_that_is_set_later_counts_what_is_pending(void **state)
{
    struct shop *s = *state;
    set_limit(s, 0);
    shop_commit(s);
    int64_t first = bought(s, "o-1", "ann", 5);
    set_limit(s, 3);
    shop_commit(s);
    refused(s, "ann", 1, 5);
    shop_refund(s, first, REASON_NONE);
    shop_commit(s);
    bought(s, "o-2", "ann", 3);
    shop_reopen(s);
    refused(s, "ann", 1, 3);
}

static void a_lot_without_a_limit_counts_nobody(void **state)
{
    struct shop *s = *state;
    bought(s, "o-1", "ann", 3);
    set_limit(s, 0);
    bought(s, "o-2", "ann", 30);
    shop_adjust(s, COLA, 1, "");
    shop_commit(s);
    assert_true(s->oldest_pending > 0);
}

static bool counts(const struct shop *s)
{
    const struct engine *e = s->engine;
    return lots_extra(&e->lots, lots_at(&e->lots, 1)->extra)->counts_users;
}

static void a_limit_that_goes_in_the_batch_of_an_order_is_forgotten_too(void **state)
{
    struct shop *s = *state;
    order(s, "o-1", "ann", 1);
    set_limit(s, 0);
    shop_commit(s);
    assert_true(counts(s));
    shop_advance(s, 60000); /* its hold expires */
    shop_commit(s);
    shop_advance(s, 60000);
    assert_false(counts(s));
    /* So is one that was never committed. */
    set_limit(s, 3);
    shop_seal(s);
    shop_reject(s);
    assert_true(counts(s));
    shop_advance(s, 60000);
    assert_false(counts(s));
}

static void an_order_that_is_undone_does_not_count(void **state)
{
    struct shop *s = *state;
    int64_t first = bought(s, "o-1", "ann", 1);
    order(s, "o-2", "ann", 2);
    shop_refund(s, first, REASON_NONE);
    shop_seal(s);
    shop_reject(s);
    refused(s, "ann", 3, 1);
    bought(s, "o-3", "ann", 2);
}

static void a_limit_whose_change_is_undone_is_as_it_was(void **state)
{
    struct shop *s = *state;
    bought(s, "o-1", "ann", 2);
    set_limit(s, 0);
    order(s, "o-2", "ann", 5);
    shop_seal(s);
    shop_reject(s);
    refused(s, "ann", 2, 2);
}

static void orders_in_a_sale_count_in_the_sale_only(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(a, 1);
    shop_send(s, a);
    shop_commit(s);
    assert_int_equal(shop_reserve_in(s, "flash", "o-1", "ann", COLA, 30)->c.code, 0);
    shop_commit(s);
    bought(s, "o-2", "ann", 3);
    shop_reopen(s);
    refused(s, "ann", 1, 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        T(a_user_gets_no_more_than_the_limit),
        T(an_order_by_sku_counts_as_well),
        T(a_change_to_more_than_the_limit_is_refused),
        T(a_change_that_was_refused_by_what_is_undone_is_done),
        T(an_order_without_a_user_is_refused),
        T(what_is_given_back_may_be_had_again),
        T(what_a_confirm_leaves_over_does_not_count),
        T(the_limit_is_kept_across_a_restart),
        T(a_restart_reads_from_the_oldest_order_that_counts),
        T(an_order_counts_as_long_as_order_ids_are_kept),
        T(a_limit_that_is_set_later_counts_what_is_pending),
        T(a_lot_without_a_limit_counts_nobody),
        T(a_limit_that_goes_in_the_batch_of_an_order_is_forgotten_too),
        T(an_order_that_is_undone_does_not_count),
        T(a_limit_whose_change_is_undone_is_as_it_was),
        T(orders_in_a_sale_count_in_the_sale_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
