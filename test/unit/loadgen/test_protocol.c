/* What both protocols do alike: each test runs over gRPC and over HTTP/1.1, against a fake server
 * that was not made by the same hand. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "fixture_fake.h"

static struct client client;
static struct fake fake;

static const struct fake_kind *begin(void **state, uint32_t streams)
{
    const struct fake_kind *kind = *state;
    client_open(&client, kind->protocol, streams);
    kind->open(&fake);
    return kind;
}

static void end(const struct fake_kind *kind)
{
    kind->close(&fake);
    client_close(&client);
}

static const struct call reserve_42 = {.kind = CALL_RESERVE, .quantity = 2, .order = 42};
static const struct reply held_42 = {.reservation_id = "481923847561928374",
                                     .order_id = "0123456789ab-00000000002a",
                                     .status = "PENDING",
                                     .expires_at = "2026-11-22T10:15:00.000Z",
                                     .lots = {"cola#008a47f9"},
                                     .quantities = {2},
                                     .lines = 1};

/* One call, one reply; the answer. */
static struct answer ask(const struct fake_kind *kind, struct call *call, const struct reply *reply)
{
    unsigned seen = fake.count;
    client_submit(&client, call);
    kind->read(&fake, &client);
    assert_int_equal(fake.count, seen + 1);
    kind->answer(&fake, &fake.seen[seen], reply);
    assert_int_equal(fake_deliver(&fake, &client, 0), 0);
    return *client_answer(&client, call);
}

/* ---- requests ---- */

static const struct seen *sent(const struct fake_kind *kind, struct call *call)
{
    client_submit(&client, call);
    kind->read(&fake, &client);
    assert_int_equal(fake.seen[fake.count - 1].kind, call->kind);
    return &fake.seen[fake.count - 1];
}

static void a_reserve_carries_order_user_lot_quantity_and_hold(void **state)
{
    struct call call = {
        .kind = CALL_RESERVE, .lot = 2, .quantity = 4294967295, .order = 42, .hold_ms = 86400000};
    char user[USER_ID_SIZE] = {0};
    const struct fake_kind *kind = begin(state, 1);
    const struct seen *seen = sent(kind, &call);
    user_id_write(user, 42);
    assert_string_equal(seen->order_id, "0123456789ab-00000000002a");
    assert_string_equal(seen->user_id, user);
    assert_string_equal(seen->lot, client.target.lots[2]);
    assert_int_equal(seen->quantity, 4294967295);
    assert_int_equal(seen->hold_ms, 86400000);
    end(kind);
}

static void no_hold_means_that_the_field_is_not_sent(void **state)
{
    struct call call = reserve_42;
    const struct fake_kind *kind = begin(state, 1);
    assert_int_equal(sent(kind, &call)->hold_ms, 0);
    end(kind);
}

static void a_batch_carries_each_order(void **state)
{
    enum { ORDERS = 8190 };
    struct call call = {
        .kind = CALL_RESERVE_BATCH, .quantity = 3, .order = 1000, .batch = ORDERS, .hold_ms = 5};
    const struct fake_kind *kind = begin(state, 1);
    const struct seen *seen = sent(kind, &call);
    assert_int_equal(seen->orders, ORDERS);
    assert_true(seen->uniform);
    assert_int_equal(seen->quantity, 3);
    assert_int_equal(seen->hold_ms, 5);
    assert_string_equal(seen->order_id, "0123456789ab-0000000003e8");
    assert_string_equal(seen->last_order_id, "0123456789ab-0000000023e5");
    end(kind);
}

static void moves_and_look_ups_carry_their_keys(void **state)
{
    struct call calls[] = {{.kind = CALL_CONFIRM, .reservation_id = UINT64_MAX},
                           {.kind = CALL_REFUND, .reservation_id = 7},
                           {.kind = CALL_GET_LOT, .lot = 2},
                           {.kind = CALL_GET_ORDER, .order = 42}};
    const struct fake_kind *kind = begin(state, 4);
    assert_string_equal(sent(kind, &calls[0])->reservation_id, "18446744073709551615");
    assert_string_equal(sent(kind, &calls[1])->reservation_id, "7");
    assert_string_equal(sent(kind, &calls[2])->lot, client.target.lots[2]);
    assert_string_equal(sent(kind, &calls[3])->order_id, "0123456789ab-00000000002a");
    end(kind);
}

static void every_call_says_how_long_it_waits(void **state)
{
    const struct fake_kind *kind = begin(state, CALL_KIND_COUNT);
    struct call calls[CALL_KIND_COUNT];
    for (unsigned i = 0; i < CALL_KIND_COUNT; i++) {
        calls[i] = (struct call){.kind = (enum call_kind)i, .quantity = 1, .batch = 2};
        assert_string_equal(sent(kind, &calls[i])->timeout, kind == &fake_grpc ? "2500m" : "2500");
    }
    end(kind);
}

static void output_in_any_pieces_is_the_same(void **state)
{
    static const size_t pieces[] = {1, 2, 7, 100, 1023, 1024, 1025, 20000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct call calls[] = {reserve_42,
                               {.kind = CALL_RESERVE_BATCH, .quantity = 1, .batch = 300},
                               {.kind = CALL_GET_LOT, .lot = 2},
                               reserve_42};
        const struct fake_kind *kind = begin(state, 4);
        for (int n = 0; n < 4; n++)
            client_submit(&client, &calls[n]);
        client_flush(&client, pieces[i]);
        kind->read(&fake, &client);
        assert_int_equal(fake.count, 4);
        for (unsigned n = 0; n < 4; n++) {
            bool is_batch = fake.seen[n].kind == CALL_RESERVE_BATCH;
            assert_true(!is_batch || (fake.seen[n].orders == 300 && fake.seen[n].uniform));
        }
        end(kind);
    }
}

/* ---- good answers ---- */

static void a_held_order_is_ok(void **state)
{
    const struct fake_kind *kind = begin(state, 1);
    struct call call = reserve_42;
    struct answer a = ask(kind, &call, &held_42);
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.reservation_id, 481923847561928374);
    assert_int_equal(a.status, HOLD_PENDING);
    assert_int_equal(a.quantity, 2);
    assert_int_equal(a.lines, 1);
    assert_true(a.lot_matches);
    assert_false(a.replayed);
    assert_false(a.expired);
    end(kind);
}

static void a_repeated_order_is_ok_and_replayed_in_any_state(void **state)
{
    static const char *const states[] = {"PENDING", "CONFIRMED", "REFUNDED"};
    const struct fake_kind *kind = begin(state, 1);
    for (int i = 0; i < 3; i++) {
        struct call call = reserve_42;
        struct reply reply = held_42;
        reply.status = states[i];
        reply.reason = i == 2 ? "EXPIRED" : "";
        reply.replayed = true;
        struct answer a = ask(kind, &call, &reply);
        client.answer_count = 0;
        assert_int_equal(a.code, ANSWER_OK);
        assert_int_equal(a.status, HOLD_PENDING + i);
        assert_int_equal(a.expired, i == 2);
        assert_true(a.replayed);
    }
    end(kind);
}

static void lines_are_summed_and_the_first_lot_compared(void **state)
{
    const struct fake_kind *kind = begin(state, 1);
    struct call call = reserve_42;
    struct reply reply = held_42;
    reply.lines = 2;
    reply.lots[0] = "lemonade#11111111";
    reply.lots[1] = "cola#008a47f9";
    reply.quantities[0] = 5;
    reply.quantities[1] = 7;
    struct answer a = ask(kind, &call, &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.quantity, 12);
    assert_int_equal(a.lines, 2);
    assert_false(a.lot_matches);
    end(kind);
}

static void a_confirm_and_a_refund_are_ok(void **state)
{
    const struct fake_kind *kind = begin(state, 2);
    struct call calls[] = {{.kind = CALL_CONFIRM, .reservation_id = 481923847561928374},
                           {.kind = CALL_REFUND, .reservation_id = 481923847561928374}};
    struct reply reply = held_42;
    reply.status = "CONFIRMED";
    struct answer a = ask(kind, &calls[0], &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.status, HOLD_CONFIRMED);
    assert_int_equal(a.reservation_id, 481923847561928374);
    assert_int_equal(a.quantity, 2);
    reply.status = "REFUNDED";
    reply.reason = "CANCELLED";
    reply.replayed = true;
    a = ask(kind, &calls[1], &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.status, HOLD_REFUNDED);
    assert_true(a.replayed);
    assert_false(a.expired);
    end(kind);
}

static void a_lot_is_told_as_it_is_even_if_it_cannot_be(void **state)
{
    const struct fake_kind *kind = begin(state, 1);
    struct call call = {.kind = CALL_GET_LOT};
    struct answer a = ask(kind, &call,
                          &(struct reply){.lot = "cola#008a47f9",
                                          .on_hand = 2400,
                                          .reserved = 12,
                                          .confirmed = 2390,
                                          .available = -2,
                                          .version = INT64_MAX});
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.on_hand, 2400);
    assert_int_equal(a.reserved, 12);
    assert_int_equal(a.confirmed, 2390);
    assert_int_equal(a.available, -2);
    assert_int_equal(a.version, INT64_MAX);
    end(kind);
}

static void an_order_is_told_with_its_deadline_and_its_reserve_moves(void **state)
{
    const struct fake_kind *kind = begin(state, 1);
    struct call call = {.kind = CALL_GET_ORDER, .order = 42};
    struct reply reply = held_42;
    reply.status = "REFUNDED";
    reply.reason = "EXPIRED";
    reply.move_count = 4;
    memcpy(reply.moves, (const char *[]){"RESERVE", "EXTEND", "RESERVE", "REFUND"},
           sizeof reply.moves);
    struct answer a = ask(kind, &call, &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.status, HOLD_REFUNDED);
    assert_true(a.expired);
    assert_true(a.lot_matches);
    assert_int_equal(a.reserve_moves, 2);
    assert_int_equal(a.expires_at_ms, 1795342500000);
    end(kind);
}

static void a_batch_tells_what_became_of_each_order(void **state)
{
    const struct fake_kind *kind = begin(state, 1);
    struct call call = {.kind = CALL_RESERVE_BATCH, .quantity = 2, .order = 42, .batch = 3};
    struct reply third = held_42;
    third.order_id = "0123456789ab-00000000002c";
    third.reservation_id = "9";
    third.replayed = true;
    const struct reply outcomes[] = {
        held_42, {.code = "SOLD_OUT", .order_id = "0123456789ab-00000000002b"}, third};
    struct answer a = ask(kind, &call, &(struct reply){.outcomes = outcomes, .outcome_count = 3});
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.outcome_count, 3);
    assert_int_equal(a.outcomes[0].code, ANSWER_OK);
    assert_int_equal(a.outcomes[0].reservation_id, 481923847561928374);
    assert_false(a.outcomes[0].replayed);
    assert_int_equal(a.outcomes[1].code, ANSWER_SOLD_OUT);
    assert_int_equal(a.outcomes[1].reservation_id, 0);
    assert_int_equal(a.outcomes[2].code, ANSWER_OK);
    assert_int_equal(a.outcomes[2].reservation_id, 9);
    assert_true(a.outcomes[2].replayed);
    end(kind);
}

static void a_large_batch_is_answered(void **state)
{
    enum { ORDERS = 1000 };
    static struct reply outcomes[ORDERS];
    static char ids[ORDERS][ORDER_ID_SIZE];
    const struct fake_kind *kind = begin(state, 1);
    struct call call = {.kind = CALL_RESERVE_BATCH, .quantity = 2, .batch = ORDERS};
    for (unsigned i = 0; i < ORDERS; i++) {
        outcomes[i] = held_42;
        order_id_write(ids[i], client.target.run, i);
        outcomes[i].order_id = ids[i];
    }
    struct answer a =
        ask(kind, &call, &(struct reply){.outcomes = outcomes, .outcome_count = ORDERS});
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.outcome_count, ORDERS);
    end(kind);
}

/* ---- refusals ---- */

static void every_refusal_is_told_by_its_code(void **state)
{
    static const enum answer_code codes[] = {ANSWER_SOLD_OUT,         ANSWER_LIMIT_EXCEEDED,
                                             ANSWER_INVALID_ARGUMENT, ANSWER_NOT_FOUND,
                                             ANSWER_ALREADY_EXISTS,   ANSWER_INVALID_TRANSITION,
                                             ANSWER_ORDER_MISMATCH,   ANSWER_OVERLOADED,
                                             ANSWER_UNAVAILABLE,      ANSWER_OUTCOME_UNKNOWN};
    const struct fake_kind *kind = begin(state, 1);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct call call = reserve_42;
        struct answer a = ask(kind, &call, &(struct reply){.code = answer_text(codes[i])});
        assert_int_equal(a.code, codes[i]);
        assert_int_equal(a.reservation_id, 0);
        client.answer_count = 0;
    }
    end(kind);
}

static void a_refusal_of_another_name_is_another_refusal(void **state)
{
    static const char *const names[] = {"INTERNAL", "PAYLOAD_TOO_LARGE", "OK"};
    const struct fake_kind *kind = begin(state, 1);
    for (int i = 0; i < 3; i++) {
        struct call call = reserve_42;
        assert_int_equal(ask(kind, &call, &(struct reply){.code = names[i]}).code, ANSWER_OTHER);
        client.answer_count = 0;
    }
    end(kind);
}

/* ---- answers that do not fit ---- */

static void assert_malformed(void **state, struct call call, struct reply reply)
{
    const struct fake_kind *kind = begin(state, 1);
    struct answer a = ask(kind, &call, &reply);
    assert_int_equal(a.code, ANSWER_MALFORMED);
    assert_int_equal(a.reservation_id, 0);
    assert_int_equal(a.quantity, 0);
    assert_null(a.outcomes);
    assert_int_equal(client.protocol->room(client.session), 1);
    end(kind);
}

static void a_reservation_that_is_not_the_calls_is_malformed(void **state)
{
    struct call confirm = {.kind = CALL_CONFIRM, .reservation_id = 481923847561928375};
    struct call look_up = {.kind = CALL_GET_ORDER, .order = 43};
    struct reply reply = held_42;
    reply.order_id = "0123456789ab-00000000002b";
    assert_malformed(state, reserve_42, reply);
    reply.order_id = NULL;
    assert_malformed(state, reserve_42, reply);
    assert_malformed(state, look_up, held_42);
    reply = held_42;
    reply.status = "CONFIRMED";
    assert_malformed(state, confirm, reply);
}

static void a_lot_that_is_not_the_calls_is_malformed(void **state)
{
    assert_malformed(state, (struct call){.kind = CALL_GET_LOT},
                     (struct reply){.lot = "a#00000000", .on_hand = 1});
    assert_malformed(state, (struct call){.kind = CALL_GET_LOT}, (struct reply){.on_hand = 1});
}

static void a_reservation_without_an_id_is_malformed(void **state)
{
    static const char *const ids[] = {
        NULL, "", "0", "-1", "1.0", "007", "12a", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct reply reply = held_42;
        reply.reservation_id = ids[i];
        assert_malformed(state, reserve_42, reply);
    }
}

static void a_state_that_the_call_cannot_lead_to_is_malformed(void **state)
{
    struct call confirm = {.kind = CALL_CONFIRM, .reservation_id = 481923847561928374};
    struct call refund = {.kind = CALL_REFUND, .reservation_id = 481923847561928374};
    struct call look_up = {.kind = CALL_GET_ORDER, .order = 42};
    struct reply reply = held_42;
    assert_malformed(state, confirm, reply);
    assert_malformed(state, refund, reply);
    reply.status = "CONFIRMED";
    assert_malformed(state, reserve_42, reply);
    assert_malformed(state, refund, reply);
    reply.status = "PAID";
    assert_malformed(state, look_up, reply);
}

static void lines_that_cannot_be_are_malformed(void **state)
{
    struct reply reply = held_42;
    reply.lines = 0;
    assert_malformed(state, reserve_42, reply);
    reply.lines = 1;
    reply.quantities[0] = 0;
    assert_malformed(state, reserve_42, reply);
    reply.quantities[0] = -1;
    assert_malformed(state, reserve_42, reply);
    reply.lines = 2;
    reply.quantities[0] = reply.quantities[1] = INT64_MAX;
    assert_malformed(state, reserve_42, reply);
}

static void a_deadline_that_is_no_time_is_malformed(void **state)
{
    struct reply reply = held_42;
    reply.expires_at = "tomorrow";
    assert_malformed(state, (struct call){.kind = CALL_GET_ORDER, .order = 42}, reply);
}

static void a_batch_with_other_outcomes_than_orders_is_malformed(void **state)
{
    struct call call = {.kind = CALL_RESERVE_BATCH, .quantity = 2, .order = 42, .batch = 2};
    struct reply outcomes[3] = {
        held_42, {.code = "SOLD_OUT", .order_id = "0123456789ab-00000000002b"}, held_42};
    assert_malformed(state, call, (struct reply){.outcomes = outcomes, .outcome_count = 1});
    assert_malformed(state, call, (struct reply){.outcomes = outcomes, .outcome_count = 3});
    assert_malformed(state, call, (struct reply){.outcomes = outcomes, .outcome_count = 0});
    outcomes[1].order_id = "0123456789ab-00000000002a";
    assert_malformed(state, call, (struct reply){.outcomes = outcomes, .outcome_count = 2});
    outcomes[1].order_id = "0123456789ab-00000000002b";
    outcomes[1].code = "";
    assert_malformed(state, call, (struct reply){.outcomes = outcomes, .outcome_count = 2});
    outcomes[1].code = "SOLD_OUT";
    outcomes[0].status = "CONFIRMED";
    assert_malformed(state, call, (struct reply){.outcomes = outcomes, .outcome_count = 2});
}

/* ---- how many, and when ---- */

static void no_more_calls_than_streams_are_taken(void **state)
{
    struct call calls[6];
    const struct fake_kind *kind = begin(state, 5);
    assert_int_equal(kind->protocol->room(client.session), 5);
    for (int i = 0; i < 6; i++)
        calls[i] = reserve_42;
    for (int i = 0; i < 5; i++)
        client_submit(&client, &calls[i]);
    assert_int_equal(kind->protocol->room(client.session), 0);
    assert_int_equal(kind->protocol->submit(client.session, &calls[5]), TLY_EFULL);
    kind->read(&fake, &client);
    kind->answer(&fake, &fake.seen[0], &held_42);
    assert_int_equal(fake_deliver(&fake, &client, 0), 0);
    assert_int_equal(kind->protocol->room(client.session), 1);
    client_submit(&client, &calls[5]);
    end(kind);
}

static void an_answer_makes_room_for_the_call_that_its_callback_submits(void **state)
{
    enum { MORE = 50 };
    static struct call calls[MORE];
    struct call first = reserve_42;
    const struct fake_kind *kind = begin(state, 1);
    for (int i = 0; i < MORE; i++)
        calls[i] = reserve_42;
    client.next_calls = calls;
    client.next_count = MORE;
    ask(kind, &first, &held_42);
    for (unsigned i = 0; i < MORE; i++) {
        assert_int_equal(client.next_result, 0);
        kind->read(&fake, &client);
        assert_int_equal(fake.count, i + 2);
        kind->answer(&fake, &fake.seen[i + 1], &held_42);
        assert_int_equal(fake_deliver(&fake, &client, 0), 0);
        assert_int_equal(client_answer(&client, &calls[i])->code, ANSWER_OK);
    }
    assert_int_equal(client.answer_count, MORE + 1);
    end(kind);
}

enum { MANY = 12 };

/* Calls of each kind with their good answers and refusals; returns what the server wrote. */
static void many_calls(const struct fake_kind *kind, struct call calls[MANY])
{
    const struct reply refused = {.code = "SOLD_OUT"};
    struct reply confirmed = held_42;
    const struct reply lot = {.lot = "cola#008a47f9", .on_hand = 5, .available = 5, .version = 1};
    const struct reply outcomes[] = {held_42,
                                     {.code = "SOLD_OUT", .order_id = "0123456789ab-00000000002b"}};
    const struct reply batch = {.outcomes = outcomes, .outcome_count = 2};
    const struct reply *replies[] = {&held_42, &refused, &confirmed, &lot, &held_42, &batch};
    static const enum call_kind kinds[] = {CALL_RESERVE, CALL_RESERVE,   CALL_CONFIRM,
                                           CALL_GET_LOT, CALL_GET_ORDER, CALL_RESERVE_BATCH};
    confirmed.status = "CONFIRMED";
    for (int i = 0; i < MANY; i++) {
        calls[i] = (struct call){.kind = kinds[i % 6],
                                 .quantity = 2,
                                 .order = 42,
                                 .batch = 2,
                                 .reservation_id = 481923847561928374};
        client_submit(&client, &calls[i]);
    }
    kind->read(&fake, &client);
    assert_int_equal(fake.count, MANY);
    for (int i = 0; i < MANY; i++)
        kind->answer(&fake, &fake.seen[i], replies[i % 6]);
}

static enum answer_code expected(int i)
{
    return i % 6 == 1 ? ANSWER_SOLD_OUT : ANSWER_OK;
}

static void input_in_any_pieces_gives_the_same_answers(void **state)
{
    static const size_t pieces[] = {0, 1, 2, 3, 5, 17, 64, 333, 1000};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        struct call calls[MANY];
        const struct fake_kind *kind = begin(state, MANY);
        many_calls(kind, calls);
        assert_int_equal(fake_deliver(&fake, &client, pieces[p]), 0);
        assert_int_equal(client.answer_count, MANY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(client_answer(&client, &calls[i])->code, expected(i));
        end(kind);
    }
}

static void input_cut_in_two_at_any_byte_gives_the_same_answers(void **state)
{
    size_t size = 1;
    for (size_t cut = 0; cut <= size; cut++) {
        struct call calls[MANY];
        const struct fake_kind *kind = begin(state, MANY);
        many_calls(kind, calls);
        size = fake.out_size;
        assert_int_equal(client_feed(&client, fake.out, cut, 0), 0);
        assert_int_equal(client_feed(&client, fake.out + cut, size - cut, 0), 0);
        assert_int_equal(client.answer_count, MANY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(client_answer(&client, &calls[i])->code, expected(i));
        end(kind);
    }
}

static void whenever_the_connection_breaks_every_call_is_answered_once(void **state)
{
    size_t size = 1;
    for (size_t cut = 0; cut <= size; cut++) {
        struct call calls[MANY];
        const struct fake_kind *kind = begin(state, MANY);
        many_calls(kind, calls);
        size = fake.out_size;
        assert_int_equal(client_feed(&client, fake.out, cut, 0), 0);
        unsigned before = client.answer_count;
        client_fail(&client, ANSWER_CLOSED);
        assert_int_equal(client.answer_count, MANY);
        for (unsigned i = 0; i < MANY; i++) {
            int number = (int)(client.answers[i].call - calls);
            assert_int_equal(client.answers[i].answer.code,
                             i < before ? expected(number) : ANSWER_CLOSED);
            client_answer(&client, &calls[i]); /* once */
        }
        assert_true(cut < size || before == MANY);
        end(kind);
    }
}

static void after_fail_nothing_is_taken_or_sent(void **state)
{
    struct call calls[] = {reserve_42, reserve_42, reserve_42};
    uint8_t byte;
    const struct fake_kind *kind = begin(state, 3);
    client_submit(&client, &calls[0]);
    client_submit(&client, &calls[1]);
    client.next_calls = &calls[2];
    client.next_count = 1;
    client_fail(&client, ANSWER_TIMED_OUT);
    assert_int_equal(client.next_result, TLY_ECLOSED);
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_TIMED_OUT);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_TIMED_OUT);
    assert_int_equal(kind->protocol->room(client.session), 0);
    assert_int_equal(kind->protocol->submit(client.session, &calls[2]), TLY_ECLOSED);
    assert_true(kind->protocol->output(client.session, &byte, 1) < 0);
    client_fail(&client, ANSWER_CLOSED);
    assert_int_equal(client.answer_count, 2);
    end(kind);
}

static void a_session_that_is_closed_forgets_its_calls(void **state)
{
    struct call calls[MANY];
    const struct fake_kind *kind = begin(state, MANY);
    many_calls(kind, calls);
    assert_int_equal(client_feed(&client, fake.out, fake.out_size / 2, 0), 0);
    unsigned before = client.answer_count;
    end(kind);
    assert_int_equal(client.answer_count, before);
    kind->protocol->close(NULL);
}

static void bytes_that_are_not_the_protocol_are_corrupt(void **state)
{
    static const char text[] = "SSH-2.0-OpenSSH_9.2\r\n\r\nHello, who is there?\r\n";
    struct call call = reserve_42;
    uint8_t out[4096];
    const struct fake_kind *kind = begin(state, 1);
    client_submit(&client, &call);
    client_flush(&client, 0);
    int rv = client_feed(&client, (const uint8_t *)text, sizeof text - 1, 0);
    /* HTTP/2 may say good-bye first. */
    ssize_t n = rv;
    while (n >= 0 && (n = kind->protocol->output(client.session, out, sizeof out)) > 0)
        ;
    assert_int_equal(n, TLY_ECORRUPT);
    client_fail(&client, ANSWER_CLOSED);
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_CLOSED);
    end(kind);
}

#define OVER(kind, name, test)                                                                     \
    {                                                                                              \
        name " " #test, test, NULL, NULL, (void *)(uintptr_t)&kind                                 \
    }
#define BOTH(test) OVER(fake_grpc, "grpc:", test), OVER(fake_http1, "http:", test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_reserve_carries_order_user_lot_quantity_and_hold),
        BOTH(no_hold_means_that_the_field_is_not_sent),
        BOTH(a_batch_carries_each_order),
        BOTH(moves_and_look_ups_carry_their_keys),
        BOTH(every_call_says_how_long_it_waits),
        BOTH(output_in_any_pieces_is_the_same),
        BOTH(a_held_order_is_ok),
        BOTH(a_repeated_order_is_ok_and_replayed_in_any_state),
        BOTH(lines_are_summed_and_the_first_lot_compared),
        BOTH(a_confirm_and_a_refund_are_ok),
        BOTH(a_lot_is_told_as_it_is_even_if_it_cannot_be),
        BOTH(an_order_is_told_with_its_deadline_and_its_reserve_moves),
        BOTH(a_batch_tells_what_became_of_each_order),
        BOTH(a_large_batch_is_answered),
        BOTH(every_refusal_is_told_by_its_code),
        BOTH(a_refusal_of_another_name_is_another_refusal),
        BOTH(a_reservation_that_is_not_the_calls_is_malformed),
        BOTH(a_lot_that_is_not_the_calls_is_malformed),
        BOTH(a_reservation_without_an_id_is_malformed),
        BOTH(a_state_that_the_call_cannot_lead_to_is_malformed),
        BOTH(lines_that_cannot_be_are_malformed),
        BOTH(a_deadline_that_is_no_time_is_malformed),
        BOTH(a_batch_with_other_outcomes_than_orders_is_malformed),
        BOTH(no_more_calls_than_streams_are_taken),
        BOTH(an_answer_makes_room_for_the_call_that_its_callback_submits),
        BOTH(input_in_any_pieces_gives_the_same_answers),
        BOTH(input_cut_in_two_at_any_byte_gives_the_same_answers),
        BOTH(whenever_the_connection_breaks_every_call_is_answered_once),
        BOTH(after_fail_nothing_is_taken_or_sent),
        BOTH(a_session_that_is_closed_forgets_its_calls),
        BOTH(bytes_that_are_not_the_protocol_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
