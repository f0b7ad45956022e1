/* Calls about a sale and its groups: each test runs over gRPC and over HTTP/1.1. */
#include "fixture.h"

#include <string.h>

#include "fixture_fake.h"

static struct client client;
static struct fake fake;

static const struct fake_kind *begin(void **state)
{
    const struct fake_kind *kind = *state;
    client_open(&client, kind->protocol, 8);
    kind->open(&fake);
    return kind;
}

static void end(const struct fake_kind *kind)
{
    kind->close(&fake);
    client_close(&client);
}

static const struct seen *sent(const struct fake_kind *kind, struct call *call)
{
    client_submit(&client, call);
    kind->read(&fake, &client);
    assert_int_equal(fake.seen[fake.count - 1].kind, call->kind);
    return &fake.seen[fake.count - 1];
}

static struct answer ask(const struct fake_kind *kind, struct call *call, const struct reply *reply)
{
    kind->answer(&fake, sent(kind, call), reply);
    assert_int_equal(fake_deliver(&fake, &client, 0), 0);
    return *client_answer(&client, call);
}

static const struct call join = {.kind = CALL_RESERVE,
                                 .in_sale = true,
                                 .group_id = 914945935778250752,
                                 .quantity = 2,
                                 .order = 42,
                                 .buyer = 7,
                                 .hold_ms = 5000};

static const struct reply joined = {.reservation_id = "481923847561928374",
                                    .order_id = "0123456789ab-00000000002a",
                                    .status = "PENDING",
                                    .lots = {"cola#008a47f9"},
                                    .quantities = {2},
                                    .lines = 1,
                                    .sale_id = "bench-0123456789ab",
                                    .group_id = "914945935778250752",
                                    .group_status = "OPEN",
                                    .places = 3,
                                    .places_left = 2,
                                    .paid = 1,
                                    .remaining_ms = 512000};

static const struct reply sale = {.sale_id = "bench-0123456789ab",
                                  .status = "SCHEDULED",
                                  .starts_in_ms = 1500,
                                  .units = {3, 12, 85},
                                  .groups = {4, 1, 2}};

static void an_order_in_a_sale_names_it_its_group_and_its_buyer(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call call = join;
    const struct seen *seen = sent(kind, &call);
    assert_string_equal(seen->sale_id, "bench-0123456789ab");
    assert_string_equal(seen->group_id, "914945935778250752");
    assert_string_equal(seen->user_id, "b0000000007");
    assert_string_equal(seen->order_id, "0123456789ab-00000000002a");
    assert_int_equal(seen->quantity, 2);
    assert_int_equal(seen->hold_ms, 5000);
    end(kind);
}

static void an_order_in_no_group_names_none_and_one_outside_names_no_sale(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call alone = join, outside = join;
    alone.group_id = 0;
    outside.in_sale = false;
    assert_string_equal(sent(kind, &alone)->sale_id, "bench-0123456789ab");
    assert_string_equal(sent(kind, &outside)->sale_id, "");
    assert_string_equal(fake.seen[0].group_id, "");
    assert_string_equal(fake.seen[1].group_id, "");
    end(kind);
}

static void a_group_is_opened_with_the_openers_order(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call call = join;
    call.kind = CALL_OPEN_GROUP;
    call.group_id = 0;
    call.lot = 2; /* as long as they may be */
    const struct seen *seen = sent(kind, &call);
    assert_string_equal(seen->sale_id, "bench-0123456789ab");
    assert_string_equal(seen->order_id, "0123456789ab-00000000002a");
    assert_string_equal(seen->user_id, "b0000000007");
    assert_string_equal(seen->lot, client.target.lots[2]);
    assert_int_equal(seen->quantity, 2);
    assert_int_equal(seen->hold_ms, 5000);
    end(kind);
}

static void look_ups_carry_the_group_and_the_sale(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call group = {.kind = CALL_GET_GROUP, .group_id = UINT64_MAX};
    struct call of_sale = {.kind = CALL_GET_SALE};
    assert_string_equal(sent(kind, &group)->group_id, "18446744073709551615");
    assert_string_equal(sent(kind, &of_sale)->sale_id, "bench-0123456789ab");
    end(kind);
}

static void an_opened_group_tells_of_itself_and_of_the_order(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call call = join;
    call.kind = CALL_OPEN_GROUP;
    struct answer a = ask(kind, &call, &joined);
    assert_int_equal(a.code, ANSWER_OK);
    assert_int_equal(a.reservation_id, 481923847561928374);
    assert_int_equal(a.status, HOLD_PENDING);
    assert_int_equal(a.quantity, 2);
    assert_true(a.lot_matches);
    assert_true(a.in_sale);
    assert_int_equal(a.group_id, 914945935778250752);
    assert_int_equal(a.group, GROUP_OPEN);
    assert_int_equal(a.places, 3);
    assert_int_equal(a.places_left, 2);
    assert_int_equal(a.paid, 1);
    assert_int_equal(a.remaining_ms, 512000);
    assert_false(a.replayed);
    end(kind);
}

static void a_group_that_is_opened_again_is_replayed_in_any_state(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call call = join;
    struct reply reply = joined;
    call.kind = CALL_OPEN_GROUP;
    reply.replayed = true;
    reply.status = "REFUNDED";
    reply.reason = "GROUP_FAILED";
    reply.group_status = "FAILED";
    struct answer a = ask(kind, &call, &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_true(a.replayed);
    assert_int_equal(a.group, GROUP_FAILED);
    assert_true(a.group_failed);
    assert_false(a.expired);
    end(kind);
}

static void an_order_tells_its_sale_and_group_and_why_it_was_refunded(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call calls[] = {{.kind = CALL_GET_ORDER, .order = 42},
                           {.kind = CALL_GET_ORDER, .order = 42},
                           {.kind = CALL_GET_ORDER, .order = 42}};
    struct reply reply = joined;
    reply.status = "REFUNDED";
    reply.reason = "GROUP_FAILED";
    reply.move_count = 1;
    reply.moves[0] = "RESERVE";
    struct answer a = ask(kind, &calls[0], &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_true(a.in_sale);
    assert_true(a.group_failed);
    assert_int_equal(a.group_id, 914945935778250752);
    reply.sale_id = "another";
    reply.reason = "EXPIRED";
    a = ask(kind, &calls[1], &reply);
    assert_false(a.in_sale);
    assert_false(a.group_failed);
    reply.sale_id = reply.group_id = NULL;
    a = ask(kind, &calls[2], &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_false(a.in_sale);
    assert_int_equal(a.group_id, 0);
    end(kind);
}

static void a_group_is_told_as_it_is(void **state)
{
    static const char *const states[] = {"OPEN", "SUCCEEDED", "FAILED"};
    const struct fake_kind *kind = begin(state);
    struct call calls[3];
    for (int i = 0; i < 3; i++) {
        struct reply reply = joined;
        reply.group_status = states[i];
        calls[i] = (struct call){.kind = CALL_GET_GROUP, .group_id = 914945935778250752};
        struct answer a = ask(kind, &calls[i], &reply);
        assert_int_equal(a.code, ANSWER_OK);
        assert_int_equal(a.group, GROUP_OPEN + i);
        assert_int_equal(a.places, 3);
        assert_int_equal(a.paid, 1);
    }
    end(kind);
}

static void a_group_that_is_not_the_calls_or_in_no_state_is_malformed(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call calls[] = {{.kind = CALL_GET_GROUP, .group_id = 5},
                           {.kind = CALL_GET_GROUP, .group_id = 914945935778250752},
                           join};
    struct reply reply = joined;
    assert_int_equal(ask(kind, &calls[0], &reply).code, ANSWER_MALFORMED);
    reply.group_status = "HALF";
    assert_int_equal(ask(kind, &calls[1], &reply).code, ANSWER_MALFORMED);
    reply = joined;
    reply.order_id = "0123456789ab-00000000002b";
    calls[2].kind = CALL_OPEN_GROUP;
    assert_int_equal(ask(kind, &calls[2], &reply).code, ANSWER_MALFORMED);
    end(kind);
}

static void a_sale_tells_its_countdown_its_units_and_its_groups(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call calls[] = {{.kind = CALL_GET_SALE}, {.kind = CALL_GET_SALE}};
    struct reply reply = sale;
    struct answer a = ask(kind, &calls[0], &reply);
    assert_int_equal(a.code, ANSWER_OK);
    assert_false(a.sale_open);
    assert_int_equal(a.starts_in_ms, 1500);
    assert_int_equal(a.units_pending, 3);
    assert_int_equal(a.units_confirmed, 12);
    assert_int_equal(a.units_left, 85);
    assert_int_equal(a.groups_open, 4);
    assert_int_equal(a.groups_succeeded, 1);
    assert_int_equal(a.groups_failed, 2);
    reply.status = "OPEN";
    reply.starts_in_ms = 0;
    a = ask(kind, &calls[1], &reply);
    assert_true(a.sale_open);
    assert_int_equal(a.starts_in_ms, 0);
    end(kind);
}

static void another_sale_is_malformed(void **state)
{
    const struct fake_kind *kind = begin(state);
    struct call call = {.kind = CALL_GET_SALE};
    struct reply reply = sale;
    reply.sale_id = "bench-0123456789ac";
    assert_int_equal(ask(kind, &call, &reply).code, ANSWER_MALFORMED);
    end(kind);
}

static void refusals_of_a_sale_are_told_by_their_codes(void **state)
{
    static const enum answer_code codes[] = {ANSWER_SALE_NOT_OPEN, ANSWER_SALE_CLOSED,
                                             ANSWER_GROUP_FULL, ANSWER_GROUP_CLOSED,
                                             ANSWER_LIMIT_EXCEEDED};
    const struct fake_kind *kind = begin(state);
    struct call calls[5];
    for (int i = 0; i < 5; i++) {
        struct reply reply = {.code = answer_text(codes[i])};
        calls[i] = join;
        assert_int_equal(ask(kind, &calls[i], &reply).code, codes[i]);
    }
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
        BOTH(an_order_in_a_sale_names_it_its_group_and_its_buyer),
        BOTH(an_order_in_no_group_names_none_and_one_outside_names_no_sale),
        BOTH(a_group_is_opened_with_the_openers_order),
        BOTH(look_ups_carry_the_group_and_the_sale),
        BOTH(an_opened_group_tells_of_itself_and_of_the_order),
        BOTH(a_group_that_is_opened_again_is_replayed_in_any_state),
        BOTH(an_order_tells_its_sale_and_group_and_why_it_was_refunded),
        BOTH(a_group_is_told_as_it_is),
        BOTH(a_group_that_is_not_the_calls_or_in_no_state_is_malformed),
        BOTH(a_sale_tells_its_countdown_its_units_and_its_groups),
        BOTH(another_sale_is_malformed),
        BOTH(refusals_of_a_sale_are_told_by_their_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
