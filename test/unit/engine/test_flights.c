/* Several batches under way. */
#include "fixture.h"

#include "shop.h"

static const char key[] = "cola#00000001";

static struct shop *shop_of(uint32_t batch_moves_max)
{
    struct engine_config config = shop_config();
    config.batches_max = 2;
    config.batch_moves_max = batch_moves_max;
    struct shop *s = shop_open(&config);
    shop_lot(s, key, 10);
    return s;
}

static int open_shop(void **state)
{
    *state = shop_of(8192);
    return 0;
}

static int open_small(void **state)
{
    *state = shop_of(2);
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

static void assert_stock(struct shop *s, int64_t on_hand, int64_t reserved, int64_t confirmed)
{
    struct stock stock = shop_stock(s, 1);
    assert_int_equal(stock.on_hand, on_hand);
    assert_int_equal(stock.reserved, reserved);
    assert_int_equal(stock.confirmed, confirmed);
    assert_int_equal(s->gate[1], on_hand - reserved - confirmed);
}

/* a is in the first batch, b in the second, c in the open one. */
static void put_three(struct shop *s, struct ask **a, struct ask **b, struct ask **c)
{
    *a = shop_reserve(s, "a", key, 1);
    assert_true(shop_seal(s));
    *b = shop_reserve(s, "b", key, 2);
    assert_true(shop_seal(s));
    assert_int_equal(s->flight_count, 2);
    *c = shop_reserve(s, "c", key, 3);
    assert_null(engine_seal(s->engine));
}

static void two_batches_are_under_way_and_answered_in_order(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    assert_int_equal(s->flights[1]->number, s->flights[0]->number + 1);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(a->answered);
    assert_false(b->answered || c->answered);
    assert_true(shop_seal(s));
    assert_int_equal(s->flight_count, 2);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(b->answered);
    assert_false(c->answered);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(c->answered);
    assert_stock(s, 10, 6, 0);
}

static void what_rests_on_the_first_batch_does_not_wait_for_the_second(void **state)
{
    struct shop *s = *state;
    shop_adjust(s, key, 5, "adj");
    struct ask *first = shop_reserve(s, "a", key, 1);
    shop_seal(s);
    shop_create(s, "lime#00000002", "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    shop_seal(s);
    struct ask *retry = shop_reserve(s, "a", key, 1);
    struct ask *again = shop_adjust(s, key, 5, "adj");
    struct ask *lot = shop_get_lot(s, key);
    struct ask *other = shop_get_lot(s, "lime#00000002");
    assert_false(retry->answered || again->answered || lot->answered || other->answered);
    shop_outcome(s, LEDGER_COMMITTED);
    shop_answer_reads(s);
    assert_true(first->answered && retry->answered && again->answered && lot->answered);
    assert_true(retry->c.reserve.replayed && again->c.adjust.replayed);
    assert_false(other->answered);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(other->c.code, 0);
    assert_stock(s, 15, 1, 0);
}

static void a_rejected_batch_takes_all_after_it(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(a->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(b->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(c->c.code, TLY_EUNAVAILABLE);
    assert_stock(s, 10, 0, 0);
    shop_outcome(s, LEDGER_REJECTED); /* the second one, which is gone already */
    assert_stock(s, 10, 0, 0);
    engine_set_available(s->engine, true);
    struct ask *again = shop_reserve(s, "b", key, 2);
    shop_commit(s);
    assert_int_equal(again->c.code, 0);
    assert_false(again->c.reserve.replayed);
}

/* The ledger may still look at the moves of a batch that went with the one before it. */
static void the_terms_of_an_undone_sale_stay_until_the_ledger_lets_go_of_its_batch(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "a", key, 1);
    shop_seal(s);
    struct ask *made = shop_sale(s, COMMAND_CREATE_SALE, "flash");
    shop_sale_lot(made, 1);
    shop_send(s, made);
    shop_seal(s);
    const struct move *m = &s->flights[1]->moves[0];
    shop_outcome(s, LEDGER_REJECTED);
    assert_int_equal(made->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(m->kind, MOVE_SALE);
    assert_int_equal(m->sale_terms->number, 1);
    assert_true(str_equal(m->sale_terms->sale_id, STR("flash")));
    assert_int_equal(m->sale_terms->items[0].lot, 1);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_int_equal(shop_get_sale(s, "flash")->c.code, TLY_ENOT_FOUND);
}

static void
where_writing_goes_on_only_the_rejected_batch_is_told_and_later_ones_are_decided_again(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_false(b->answered || c->answered);
    assert_stock(s, 10, 5, 0);
    assert_null(engine_seal(s->engine)); /* the ledger still refuses what came behind the first */
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_int_equal(c->c.code, 0);
    assert_false(b->c.reserve.replayed || c->c.reserve.replayed);
    assert_stock(s, 10, 5, 0);
    assert_int_equal(shop_rows(s, MOVE_RESERVE), 2);
}

static void a_writable_rejection_is_told_to_each_kind_of_writer(void **state)
{
    struct shop *s = *state;
    struct ask *held = shop_reserve(s, "held", key, 2);
    struct ask *given = shop_reserve(s, "given", key, 2);
    shop_commit(s);
    struct ask *confirmed = shop_confirm(s, held->c.reserve.reservation_id);
    struct ask *refunded = shop_refund(s, given->c.reserve.reservation_id, REASON_NONE);
    struct ask *adjusted = shop_adjust(s, key, 5, "adj");
    struct ask *created = shop_create(s, "lime#00000002", "lime", "can", "A", LOT_NEVER_EXPIRES, 5);
    struct ask *look = shop_get_lot(s, key);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(confirmed->c.code, TLY_EOVERLOADED);
    assert_int_equal(refunded->c.code, TLY_EOVERLOADED);
    assert_int_equal(adjusted->c.code, TLY_EOVERLOADED);
    assert_int_equal(created->c.code, TLY_EOVERLOADED);
    assert_int_equal(look->c.code, 0);
    assert_int_equal(look->c.get_lot.lot.stock.reserved, 4);
    assert_stock(s, 10, 4, 0);
    struct ask *next = shop_reserve(s, "next", key, 1); /* the ledger is not closed */
    shop_commit(s);
    assert_int_equal(next->c.code, 0);
}

static void a_retry_whose_order_was_undone_becomes_the_order(void **state)
{
    struct shop *s = *state;
    struct ask *a = shop_reserve(s, "a", key, 1);
    struct ask *retry = shop_reserve(s, "a", key, 1);
    shop_seal(s);
    shop_reject(s);
    assert_int_equal(a->c.code, TLY_EOVERLOADED);
    assert_false(retry->answered);
    shop_commit(s);
    assert_int_equal(retry->c.code, 0);
    assert_false(retry->c.reserve.replayed);
    assert_stock(s, 10, 1, 0);
}

static void an_adjustment_whose_commit_failed_is_made_again_at_once(void **state)
{
    struct shop *s = *state;
    shop_adjust(s, key, 5, "adj");
    shop_seal(s);
    shop_reject(s);
    struct ask *again = shop_adjust(s, key, 5, "adj");
    shop_commit(s);
    assert_true(again->answered);
    assert_false(again->c.adjust.replayed);
    assert_stock(s, 15, 0, 0);
}

static void the_second_batch_may_fail_alone(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    shop_outcome(s, LEDGER_COMMITTED);
    shop_reject(s);
    assert_int_equal(a->c.code, 0);
    assert_int_equal(b->c.code, TLY_EOVERLOADED);
    shop_commit(s);
    assert_int_equal(c->c.code, 0);
    assert_stock(s, 10, 4, 0);
}

static void behind_an_unknown_batch_all_is_unknown(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->c.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(b->c.code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(c->c.code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_get_lot(s, key)->c.get_lot.lot.stock.reserved, 0);
    assert_int_equal(shop_reserve(s, "b", key, 2)->c.code, TLY_EOUTCOME_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(shop_get_lot(s, key)->c.get_lot.lot.stock.reserved, 1);
    assert_int_equal(shop_reserve(s, "b", key, 2)->c.code, TLY_EOUTCOME_UNKNOWN);
    engine_set_available(s->engine, true);
    assert_int_equal(shop_reserve(s, "d", key, 1)->c.code, TLY_EUNAVAILABLE);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(shop_get_lot(s, key)->c.get_lot.lot.stock.reserved, 3);
    assert_true(shop_reserve(s, "b", key, 2)->c.reserve.replayed);
    assert_stock(s, 10, 3, 0);
}

static void behind_an_unknown_batch_that_was_done_the_second_may_be_refused(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    shop_outcome(s, LEDGER_UNKNOWN);
    shop_outcome(s, LEDGER_COMMITTED);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    assert_stock(s, 10, 1, 0);
    struct ask *again = shop_reserve(s, "b", key, 2);
    shop_commit(s);
    assert_false(again->c.reserve.replayed);
    assert_stock(s, 10, 3, 0);
}

static void an_unknown_batch_that_is_not_there_takes_the_second_with_it(void **state)
{
    struct shop *s = *state;
    struct ask *a, *b, *c;
    put_three(s, &a, &b, &c);
    shop_outcome(s, LEDGER_UNKNOWN);
    shop_outcome(s, LEDGER_REJECTED);
    assert_stock(s, 10, 0, 0);
    shop_outcome(s, LEDGER_REJECTED);
    engine_set_available(s->engine, true);
    struct ask *again = shop_reserve(s, "b", key, 2);
    shop_commit(s);
    assert_false(again->c.reserve.replayed);
    assert_stock(s, 10, 2, 0);
}

static void what_is_decided_again_does_not_overfill_a_batch(void **state)
{
    struct shop *s = *state;
    struct ask *asks[6];
    const char *ids[] = {"0", "1", "2", "3", "4", "5"};
    for (int i = 0; i < 6; i++) {
        asks[i] = shop_reserve(s, ids[i], key, 1);
        if (i % 2)
            shop_seal(s);
    }
    shop_reject(s);
    shop_reject(s);
    while (shop_seal(s)) {
        assert_true(s->flight->move_count <= 2);
        shop_outcome(s, LEDGER_COMMITTED);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(asks[i]->c.code, i < 2 ? TLY_EOVERLOADED : 0);
    assert_true(asks[2]->c.reserve.reservation_id < asks[5]->c.reserve.reservation_id);
    assert_stock(s, 10, 4, 0);
}

static void units_that_the_gate_took_go_back_once_though_an_order_is_decided_twice(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "a", key, 1);
    shop_seal(s);
    s->gate[1] -= 4;
    struct ask *b = shop_order(s, "b");
    shop_want_lot(b, key, 4);
    b->wants[0].gate_taken = true;
    b->wants[0].lot_hint = 1;
    shop_send(s, b);
    shop_seal(s);
    assert_stock(s, 10, 5, 0);
    shop_reject(s);
    assert_stock(s, 10, 4, 0);
    shop_reject(s);
    shop_commit(s);
    assert_int_equal(b->c.code, 0);
    assert_stock(s, 10, 4, 0);
}

static void a_sealed_batch_can_be_looked_at_before_newer_decisions(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "a", key, 1);
    shop_reserve(s, "b", key, 1);
    struct ask *c = shop_reserve(s, "c", key, 1); /* the batch is full */
    struct batch *b = engine_seal(s->engine);
    assert_non_null(b);
    assert_int_equal(shop_available(s, 1), 8);
    engine_sealed(s->engine);
    assert_int_equal(shop_available(s, 1), 7);
    b->outcome = LEDGER_COMMITTED;
    engine_outcome(s->engine, b);
    shop_commit(s);
    assert_int_equal(c->c.code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(two_batches_are_under_way_and_answered_in_order),
        T(what_rests_on_the_first_batch_does_not_wait_for_the_second),
        T(a_rejected_batch_takes_all_after_it),
        T(the_terms_of_an_undone_sale_stay_until_the_ledger_lets_go_of_its_batch),
        T(where_writing_goes_on_only_the_rejected_batch_is_told_and_later_ones_are_decided_again),
        T(a_writable_rejection_is_told_to_each_kind_of_writer),
        T(a_retry_whose_order_was_undone_becomes_the_order),
        T(units_that_the_gate_took_go_back_once_though_an_order_is_decided_twice),
        T(an_adjustment_whose_commit_failed_is_made_again_at_once),
        T(the_second_batch_may_fail_alone),
        T(behind_an_unknown_batch_all_is_unknown),
        T(behind_an_unknown_batch_that_was_done_the_second_may_be_refused),
        T(an_unknown_batch_that_is_not_there_takes_the_second_with_it),
#undef T
        cmocka_unit_test_setup_teardown(a_sealed_batch_can_be_looked_at_before_newer_decisions,
                                        open_small, close_shop),
        cmocka_unit_test_setup_teardown(what_is_decided_again_does_not_overfill_a_batch, open_small,
                                        close_shop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
