#include "fixture.h"

#include "base/hash.h"
#include "shop.h"

enum { ORDERS_MAX = 64 };
static const char key[] = "cola#00000001";

static int open_shop(void **state)
{
    struct shop *s = shop_open(NULL);
    shop_lot(s, key, 10);
    *state = s;
    return 0;
}

static int close_shop(void **state)
{
    shop_close(*state);
    return 0;
}

/* A ReserveBatch of one-line orders under construction. */
struct many {
    struct reserve_command orders[ORDERS_MAX];
    struct want wants[ORDERS_MAX];
    struct line lines[ORDERS_MAX];
    uint32_t count;
};

static struct reserve_command *add(struct many *m, const char *order_id, int64_t quantity)
{
    uint32_t i = m->count++;
    m->wants[i] = (struct want){.lot = str_of(key), .quantity = quantity};
    m->orders[i] = (struct reserve_command){
        .order_id = str_of(order_id),
        .user_id = STR("user-1"),
        .order_hash = hash64(str_of(order_id), (uint64_t)SHOP_SEED),
        .fingerprint = (uint64_t)quantity,
        .wants = &m->wants[i],
        .want_count = 1,
        .lines = &m->lines[i],
        .line_max = 1,
    };
    return &m->orders[i];
}

static struct ask *send(struct shop *s, struct many *m)
{
    struct ask *a = shop_ask(s, COMMAND_RESERVE_BATCH);
    a->c.batch.orders = m->orders;
    a->c.batch.count = m->count;
    shop_send(s, a);
    return a;
}

static void each_order_has_an_outcome_of_its_own_and_all_one_commit(void **state)
{
    struct shop *s = *state;
    struct many m = {0};
    struct reserve_command *a = add(&m, "o-1", 4);
    struct reserve_command *b = add(&m, "o-2", 9);
    struct reserve_command *c = add(&m, "o-1", 4);
    struct reserve_command *d = add(&m, "o-3", 6);
    struct reserve_command *e = add(&m, "o-1", 5);
    struct ask *ask = send(s, &m);
    assert_false(ask->answered);
    shop_seal(s);
    assert_int_equal(s->flight->move_count, 2);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_true(ask->answered);
    assert_int_equal(ask->c.code, 0);
    assert_int_equal(a->code, 0);
    assert_int_equal(b->code, TLY_ESOLD_OUT);
    assert_int_equal(b->available, 6);
    assert_true(c->replayed);
    assert_int_equal(c->reservation_id, a->reservation_id);
    assert_int_equal(d->code, 0);
    assert_int_equal(e->code, TLY_EORDER_MISMATCH);
    assert_int_equal(shop_available(s, 1), 0);
}

static void orders_that_need_the_ledger_are_decided_with_the_others(void **state)
{
    struct shop *s = *state;
    struct many first = {0};
    add(&first, "o-1", 1);
    add(&first, "o-2", 1);
    send(s, &first);
    shop_commit(s);
    shop_refund(s, first.orders[0].reservation_id, REASON_NONE);
    shop_refund(s, first.orders[1].reservation_id, REASON_NONE);
    shop_commit(s);
    struct many m = {0};
    struct reserve_command *a = add(&m, "o-1", 1);
    struct reserve_command *b = add(&m, "o-2", 2);
    struct reserve_command *c = add(&m, "o-3", 10);
    struct ask *ask = send(s, &m);
    assert_false(ask->answered);
    assert_int_equal(shop_available(s, 1), 10); /* nothing is decided before all is known */
    shop_commit(s);
    assert_true(ask->answered);
    assert_true(a->replayed);
    assert_int_equal(a->state, HOLD_REFUNDED);
    assert_int_equal(b->code, TLY_EORDER_MISMATCH);
    assert_int_equal(c->code, 0);
}

static void more_questions_than_may_be_asked_at_once_are_asked_in_turn(void **state)
{
    struct engine_config config = shop_config();
    config.questions_max = 2;
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    shop_lot(s, key, 10);
    static const char *ids[] = {"o-0", "o-1", "o-2", "o-3", "o-4"};
    struct many first = {0}, m = {0};
    for (int i = 0; i < 5; i++) {
        add(&first, ids[i], 1);
        add(&m, ids[i], 1);
    }
    send(s, &first);
    shop_commit(s);
    for (int i = 0; i < 5; i++)
        shop_refund(s, first.orders[i].reservation_id, REASON_NONE);
    shop_commit(s);
    struct ask *ask = send(s, &m);
    shop_answer_reads(s);
    assert_true(ask->answered);
    for (int i = 0; i < 5; i++)
        assert_true(m.orders[i].replayed);
    assert_int_equal(shop_stats(s).reads_total, 5);
}

static void a_rejected_batch_fails_what_it_decided_and_nothing_else(void **state)
{
    struct shop *s = *state;
    shop_reserve(s, "o-0", key, 1);
    shop_commit(s);
    struct many m = {0};
    struct reserve_command *a = add(&m, "o-1", 4);
    struct reserve_command *b = add(&m, "o-2", 99);
    struct reserve_command *c = add(&m, "o-1", 4);
    struct ask *ask = send(s, &m);
    shop_seal(s);
    shop_outcome(s, LEDGER_REJECTED);
    assert_true(ask->answered);
    assert_int_equal(a->code, TLY_EUNAVAILABLE);
    assert_int_equal(b->code, TLY_EUNAVAILABLE); /* the others' units went back */
    assert_int_equal(c->code, TLY_EUNAVAILABLE);
    assert_int_equal(shop_available(s, 1), 9);
}

static void an_unknown_outcome_is_each_orders_own(void **state)
{
    struct shop *s = *state;
    struct many m = {0};
    struct reserve_command *a = add(&m, "o-1", 4);
    struct reserve_command *b = add(&m, "o-2", 99);
    send(s, &m);
    shop_seal(s);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_int_equal(a->code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(b->code, TLY_ESOLD_OUT);
    shop_outcome(s, LEDGER_COMMITTED);
    assert_int_equal(shop_available(s, 1), 6);
}

static void a_ledger_that_cannot_tell_fails_only_the_order_that_asked(void **state)
{
    struct shop *s = *state;
    struct ask *old = shop_reserve(s, "o-1", key, 1);
    shop_refund(s, old->c.reserve.reservation_id, REASON_NONE);
    shop_commit(s);
    s->ledger_silent = true;
    struct many m = {0};
    struct reserve_command *a = add(&m, "o-1", 1);
    struct reserve_command *b = add(&m, "o-2", 1);
    a->wants[0].gate_taken = true;
    a->wants[0].lot_hint = 1;
    s->gate[1]--;
    send(s, &m);
    shop_commit(s);
    assert_int_equal(a->code, TLY_EUNAVAILABLE);
    assert_int_equal(b->code, 0);
    assert_int_equal(s->gate[1], shop_available(s, 1));
}

/* Judged by the leak check of the address sanitizer. */
static void an_engine_that_ends_frees_what_its_commands_found(void **state)
{
    struct shop *s = *state;
    struct many first = {0}, m = {0};
    add(&first, "o-1", 1);
    add(&first, "o-2", 1);
    send(s, &first);
    shop_commit(s);
    shop_refund(s, first.orders[0].reservation_id, REASON_NONE);
    shop_refund(s, first.orders[1].reservation_id, REASON_NONE);
    shop_commit(s);
    add(&m, "o-1", 1);
    add(&m, "o-2", 1);
    struct ask *ask = send(s, &m);
    assert_true(shop_answer_one_read(s));
    assert_non_null(m.orders[0].search.record);
    assert_false(ask->answered);
    shop_close(s);
    *state = shop_open(NULL);
}

static void an_order_of_unknown_outcome_is_told_so_beside_a_new_one_that_was_undone(void **state)
{
    struct shop *s = *state;
    struct many first = {0}, second = {0};
    add(&first, "o-1", 4);
    send(s, &first);
    shop_seal(s);
    struct reserve_command *retry = add(&second, "o-1", 4);
    struct reserve_command *fresh = add(&second, "o-2", 1);
    struct ask *ask = send(s, &second);
    assert_false(ask->answered);
    shop_outcome(s, LEDGER_UNKNOWN);
    assert_true(ask->answered);
    assert_int_equal(retry->code, TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(fresh->code, TLY_EUNAVAILABLE);
    shop_outcome(s, LEDGER_COMMITTED);
}

static int noted_frees;

static void note_free(struct order_run *run)
{
    (void)run;
    noted_frees++;
}

/* o-1 was looked for on disk before somebody else reserved it; then it went there. */
static void an_order_that_went_to_disk_since_it_was_looked_for_is_not_made_twice(void **state)
{
    struct engine_config config = shop_config();
    config.order_memory_max = 4; /* segments of two */
    struct shop *s = shop_open(&config);
    shop_close(*state);
    *state = s;
    noted_frees = 0;
    shop_lot(s, key, 10);
    struct order_run all = {.count = 1, .seq_min = 1, .seq_max = 1, .release = note_free};
    struct order_run more = {.count = 2, .seq_min = 2, .release = note_free};
    engine_segment_stored(s->engine, NULL, &all); /* no filter: whatever is new is looked for */
    struct many m = {0};
    struct reserve_command *twin = add(&m, "o-1", 1);
    struct reserve_command *other = add(&m, "o-2", 1);
    struct ask *ask = send(s, &m);
    struct question *first = engine_next_question(s->engine),
                    *second = engine_next_question(s->engine);
    first->code = second->code = TLY_ENOT_FOUND;
    engine_answered(s->engine, first);
    struct many rivals = {0};
    struct reserve_command *rival = add(&rivals, "o-1", 1);
    add(&rivals, "o-3", 1);
    add(&rivals, "o-4", 1); /* the segment is full */
    struct ask *rival_ask = send(s, &rivals);
    shop_commit(s);
    assert_true(rival_ask->answered && !ask->answered);
    struct order_segment *segment = engine_next_segment(s->engine);
    assert_non_null(segment);
    more.seq_max = segment->seq_max;
    engine_segment_stored(s->engine, segment, &more);
    engine_answered(s->engine, second);
    shop_commit(s);
    assert_true(ask->answered);
    assert_true(twin->replayed);
    assert_int_equal(twin->reservation_id, rival->reservation_id);
    assert_int_equal(other->code, 0);
    assert_int_equal(shop_available(s, 1), 6);
    shop_close(s);
    assert_int_equal(noted_frees, 2);
    *state = shop_open(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(each_order_has_an_outcome_of_its_own_and_all_one_commit),
        T(orders_that_need_the_ledger_are_decided_with_the_others),
        T(more_questions_than_may_be_asked_at_once_are_asked_in_turn),
        T(a_rejected_batch_fails_what_it_decided_and_nothing_else),
        T(an_unknown_outcome_is_each_orders_own),
        T(an_order_of_unknown_outcome_is_told_so_beside_a_new_one_that_was_undone),
        T(a_ledger_that_cannot_tell_fails_only_the_order_that_asked),
        T(an_order_that_went_to_disk_since_it_was_looked_for_is_not_made_twice),
        T(an_engine_that_ends_frees_what_its_commands_found),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
