/* Reserve: what is refused before the engine, what the engine is handed, how its answer looks. */
#include "fixture_service.h"

#include <stdio.h>
#include <string.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
static uint64_t allocations;
void *__libc_malloc(size_t size);
void *malloc(size_t size);
void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
#endif

#define TEXT_64       "0123456789012345678901234567890123456789012345678901234567890123"
#define LINE          "{\"lot\":\"cola#00000000\",\"quantity\":2}"
#define ORDER(fields) "{\"user_id\":\"ann\",\"lines\":[" LINE "]" fields "}"

static int open_fixture(void **state)
{
    *state = fixture_open();
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static struct fake_exchange *reserve(struct fixture *f, const char *body)
{
    return http(f, "POST", "/v1/reservations", body);
}

static void an_http_order_is_answered_201_with_its_location(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = reserve(f, ORDER(",\"order_id\":\"o-1\",\"hold_ms\":60000"));
    struct command *c = fixture_command(f);
    assert_int_equal(x->answers, 0);
    assert_int_equal(c->kind, COMMAND_RESERVE);
    assert_true(str_equal(c->reserve.order_id, STR("o-1")));
    assert_true(str_equal(c->reserve.user_id, STR("ann")));
    assert_int_equal(c->reserve.hold_ms, 60000);
    assert_int_equal(c->reserve.want_count, 1);
    assert_int_equal(c->reserve.wants[0].quantity, 2);
    assert_int_equal(c->reserve.wants[0].lot_hint, 1);
    assert_true(c->reserve.wants[0].gate_taken);
    assert_int_equal(service_inflight(f->service), 1);
    fixture_reserved(f, 77);
    assert_int_equal(x->status, 201);
    assert_string_equal(answer_header(x, "location"), "/v1/reservations/77");
    assert_null(answer_header(x, "idempotent-replayed"));
    assert_true(answer_says(x, "\"reservation_id\":\"77\",\"order_id\":\"o-1\","
                               "\"status\":\"PENDING\",\"expires_at\":\"2026-11-18"));
    char key[100];
    snprintf(key, sizeof key, "\"lines\":[{\"lot\":\"%.*s\",\"quantity\":2}]",
             STR_ARG(f->dims[0].key));
    assert_true(answer_says(x, key));
    assert_int_equal(service_inflight(f->service), 0);
}

static void a_grpc_order_is_answered_with_the_same(void **state)
{
    struct fixture *f = *state;
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    struct fake_exchange *x = grpc(f, "Reserve", &m.base);
    fixture_reserved(f, 78);
    assert_int_equal(x->status, 200);
    Tally__V1__ReserveResponse *r = answer_message(x, &tally__v1__reserve_response__descriptor);
    assert_string_equal(r->reservation_id, "78");
    assert_string_equal(r->order_id, "order-1");
    assert_string_equal(r->status, "PENDING");
    assert_int_equal(r->n_lines, 1);
    assert_int_equal(r->lines[0]->quantity, 2);
    assert_false(r->replayed);
}

static void a_replay_is_answered_200_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = reserve(f, ORDER(",\"order_id\":\"o-1\""));
    fixture_command(f)->reserve.replayed = true;
    fixture_reserved(f, 77);
    assert_int_equal(x->status, 200);
    assert_string_equal(answer_header(x, "idempotent-replayed"), "true");
    assert_true(answer_says(x, "\"replayed\":true"));
}

static void a_missing_order_id_is_made(void **state)
{
    struct fixture *f = *state;
    reserve(f, ORDER(""));
    reserve(f, ORDER(""));
    struct str first = f->commands[0]->reserve.order_id, second = f->commands[1]->reserve.order_id;
    assert_int_equal(first.len, 36);
    assert_int_equal(first.p[14], '7');
    assert_false(str_equal(first, second));
    fixture_reserved(f, 1);
    fixture_reserved(f, 2);
}

static void the_idempotency_key_stands_for_the_order_id(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", ORDER(""));
    fake_header(x, HEADER_idempotency_key, "key-9");
    fixture_handle(f, x);
    assert_true(str_equal(fixture_command(f)->reserve.order_id, STR("key-9")));
    fixture_reserved(f, 1);
    x = http_new(f, "POST", "/v1/reservations", ORDER(",\"order_id\":\"key-9\""));
    fake_header(x, HEADER_idempotency_key, "key-9");
    fixture_handle(f, x);
    fixture_reserved(f, 1);
    x = http_new(f, "POST", "/v1/reservations", ORDER(",\"order_id\":\"other\""));
    fake_header(x, HEADER_idempotency_key, "key-9");
    fixture_handle(f, x);
    assert_int_equal(x->status, 400);
    x = http_new(f, "POST", "/v1/reservations", ORDER(""));
    fake_header(x, HEADER_idempotency_key, TEXT_64 "5");
    fixture_handle(f, x);
    assert_int_equal(x->status, 400);
}

struct rule {
    const char *body;
    const char *says;
};

static void orders_that_break_a_rule_are_refused_with_field_and_rule(void **state)
{
    struct fixture *f = *state;
    const struct rule rules[] = {
        {"{\"lines\":[" LINE "]}", "user_id: must be 1 to 64 bytes, is 0"},
        {"{\"user_id\":\"" TEXT_64 "5\",\"lines\":[" LINE "]}",
         "user_id: must be 1 to 64 bytes, is 65"},
        {ORDER(",\"order_id\":\"" TEXT_64 "5\""), "order_id: must be 1 to 64 bytes, is 65"},
        {ORDER(",\"order_id\":\"a\\u0001\""), "order_id: must have no control characters"},
        {"{\"user_id\":\"ann\"}", "lines: must be 1 to 64 lines, is 0"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":0}]}",
         "lines[0].quantity: must be 1 to 2147483647, is 0"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":-1}]}",
         "lines[0].quantity: must be 1 to 2147483647, is -1"},
        {"{\"user_id\":\"ann\",\"lines\":[" LINE
         ",{\"lot\":\"cola#00000000\",\"quantity\":2147483648}]}",
         "lines[1].quantity: must be 1 to 2147483647, is 2147483648"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola\",\"quantity\":1}]}",
         "lines[0].lot: must be a lot key"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"quantity\":1}]}",
         "lines[0]: must name a lot or a sku"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\",\"sku\":\"cola\","
         "\"quantity\":1}]}",
         "lines[0]: names a lot and a sku"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"sku\":\"cola\",\"flavor\":\"Lime\",\"quantity\":1}]}",
         "lines[0].flavor: must be a lower-case word"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"sku\":\"cola\",\"batch\":\"BATCH-20260230-A\","
         "\"quantity\":1}]}",
         "lines[0].batch: must have a real date"},
        {"{\"user_id\":\"ann\",\"lines\":[{\"sku\":\"cola\",\"size\":\"big\",\"quantity\":1}]}",
         "lines[0].size: must be a number, a unit"},
        {ORDER(",\"hold_ms\":-1"), "hold_ms: must be 0 (the default) to 3600000, is -1"},
        {ORDER(",\"hold_ms\":3600001"), "hold_ms: must be 0 (the default) to 3600000"},
        {ORDER(",\"colour\":1"), "colour"},
        {"[]", "INVALID_ARGUMENT"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct fake_exchange *x = reserve(f, rules[i].body);
        assert_int_equal(x->status, 400);
        assert_true(str_equal(x->content_type, STR("application/problem+json")));
        if (!answer_says(x, rules[i].says))
            fail_msg("expected \"%s\" in %.*s", rules[i].says, STR_ARG(x->body));
    }
    assert_int_equal(f->submitted, 0);
    assert_int_equal(f->gate.asks, 0);
    assert_int_equal(service_inflight(f->service), 0);
}

static void more_than_64_lines_are_refused(void **state)
{
    struct fixture *f = *state;
    Tally__V1__WantedLine line, *lines[65];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    for (size_t i = 0; i < 65; i++)
        lines[i] = &line;
    m.n_lines = 65;
    struct fake_exchange *x = grpc(f, "Reserve", &m.base);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
    m.n_lines = 64;
    grpc(f, "Reserve", &m.base);
    assert_int_equal(fixture_command(f)->reserve.want_count, 64);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
}

static void a_line_by_sku_is_normalised_and_has_room_for_any_allocation(void **state)
{
    struct fixture *f = *state;
    f->gate.verdict = GATE_BLIND;
    reserve(f, "{\"user_id\":\"ann\",\"lines\":[{\"sku\":\"cola\",\"flavor\":\"lime\","
               "\"size\":\"0,33 L Can\",\"quantity\":3}]}");
    struct reserve_command *order = &fixture_command(f)->reserve;
    assert_true(str_equal(order->wants[0].size, STR("330ml_can")));
    assert_true(str_equal(order->wants[0].flavor, STR("lime")));
    assert_false(order->wants[0].gate_taken);
    assert_int_equal(order->line_max, ORDER_LINES_MAX);
    fixture_reserved(f, 5);
}

static uint64_t fingerprint_of(struct fixture *f, const char *body)
{
    struct fake_exchange *x = reserve(f, body);
    if (x->answers)
        fail_msg("refused: %.*s", STR_ARG(x->body));
    uint64_t n = fixture_command(f)->reserve.fingerprint;
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    return n;
}

#define A(q)            "{\"lot\":\"cola#0000000a\",\"quantity\":" #q "}"
#define B(q)            "{\"lot\":\"cola#0000000b\",\"quantity\":" #q "}"
#define OF(user, lines) "{\"user_id\":\"" user "\",\"lines\":[" lines "]}"

static void equal_orders_have_equal_fingerprints(void **state)
{
    struct fixture *f = *state;
    uint64_t n = fingerprint_of(f, OF("ann", A(3) "," B(1)));
    assert_true(n == fingerprint_of(f, OF("ann", B(1) "," A(3))));
    assert_true(n == fingerprint_of(f, OF("ann", A(1) "," B(1) "," A(2))));
    assert_true(n == fingerprint_of(
                         f, "{\"hold_ms\":5,\"user_id\":\"ann\",\"lines\":[" A(3) "," B(1) "]}"));
    assert_true(n != fingerprint_of(f, OF("bob", A(3) "," B(1))));
    assert_true(n != fingerprint_of(f, OF("ann", A(1) "," B(3))));
    assert_true(n != fingerprint_of(f, OF("ann", A(3))));
    assert_true(n != fingerprint_of(f, OF("ann", A(4) "," B(1))));
    uint64_t sku =
        fingerprint_of(f, OF("ann", "{\"sku\":\"cola\",\"size\":\"0.33l can\",\"quantity\":1}"));
    assert_true(
        sku ==
        fingerprint_of(f, OF("ann", "{\"sku\":\"cola\",\"size\":\"330ml_can\",\"quantity\":1}")));
    assert_true(
        sku !=
        fingerprint_of(f, OF("ann", "{\"sku\":\"cola\",\"size\":\"500ml_can\",\"quantity\":1}")));
    assert_true(sku != fingerprint_of(f, OF("ann", "{\"sku\":\"cola\",\"flavor\":\"lime\","
                                                   "\"quantity\":1}")));
    assert_true(sku !=
                fingerprint_of(f, OF("ann", "{\"sku\":\"cola\",\"size\":\"330ml_can\","
                                            "\"batch\":\"BATCH-20260101-A\",\"quantity\":1}")));
}

static void an_order_is_held_for_the_longest_time_and_no_longer(void **state)
{
    struct fixture *f = *state;
    char body[256];
    for (int over = 0; over < 2; over++) {
        snprintf(body, sizeof body, "{\"hold_ms\":%lld,\"user_id\":\"ann\",\"lines\":[" A(1) "]}",
                 (long long)f->settings.hold_max_ms + over);
        struct fake_exchange *x = reserve(f, body);
        assert_int_equal(x->status, over ? 400 : 0);
        if (!over)
            fixture_reserved(f, 1);
    }
    snprintf(body, sizeof body, "{\"hold_ms\":%lld}", (long long)f->settings.hold_max_ms);
    http(f, "POST", "/v1/reservations/7/extend", body);
    assert_int_equal(fixture_command(f)->move.hold_ms, f->settings.hold_max_ms);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
}

static void the_gate_is_told_which_order_ids_were_made_here(void **state)
{
    struct fixture *f = *state;
    for (int given = 0; given < 2; given++) {
        f->gate.later = true;
        reserve(f, given ? "{\"order_id\":\"o\",\"user_id\":\"ann\",\"lines\":[" A(1) "]}"
                         : OF("ann", A(1)));
        fixture_tick(f, 0);
        assert_non_null(f->gate.kept);
        assert_true(f->gate.kept->order_new == !given);
        fake_gate_answer(f, GATE_PASS);
        fixture_reserved(f, 1);
    }
}

static void what_expires_at_the_gate_comes_too_late_for_the_engine(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    struct fake_exchange *x = reserve(f, OF("ann", A(1)));
    fixture_tick(f, 5100);
    assert_int_equal(x->status, 503);
    fake_gate_answer(f, GATE_PASS);
    assert_int_equal(fixture_command(f)->deadline_ns, 1);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
}

static void sold_out_at_the_gate_is_answered_at_once_with_what_is_available(void **state)
{
    struct fixture *f = *state;
    f->gate.verdict = GATE_SOLD_OUT;
    f->gate.available = 1;
    struct fake_exchange *x = reserve(f, ORDER(",\"order_id\":\"o\""));
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"code\":\"SOLD_OUT\""));
    assert_true(answer_says(x, "\"available\":1"));
    assert_true(answer_says(x, "\"lot\":\"cola#00000000\""));
    assert_true(answer_says(x, "lines[0]: 2 of cola#00000000 asked for, 1 available"));
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    x = grpc(f, "Reserve", &m.base);
    assert_string_equal(answer_trailer(x, "grpc-status"), "9");
    assert_non_null(answer_trailer(x, "grpc-status-details-bin"));
    assert_int_equal(f->submitted, 0);
    assert_int_equal(service_inflight(f->service), 0);
}

static void replays_and_unknown_lots_go_to_the_engine(void **state)
{
    struct fixture *f = *state;
    const enum gate_verdict verdicts[] = {GATE_REPLAY, GATE_BLIND};
    for (size_t i = 0; i < 2; i++) {
        f->gate.verdict = verdicts[i];
        reserve(f, ORDER(",\"order_id\":\"o\""));
        assert_false(fixture_command(f)->reserve.wants[0].gate_taken);
        fixture_reserved(f, 1);
    }
}

static void a_gate_that_answers_later_is_waited_for(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    struct fake_exchange *x = reserve(f, ORDER(""));
    assert_int_equal(f->submitted, 0);
    assert_int_equal(service_inflight(f->service), 1);
    fake_gate_answer(f, GATE_PASS);
    assert_int_equal(f->submitted, 1);
    fixture_reserved(f, 9);
    assert_int_equal(x->status, 201);
    x = reserve(f, ORDER(""));
    fake_gate_answer(f, GATE_SOLD_OUT);
    assert_int_equal(x->status, 409);
    assert_int_equal(service_inflight(f->service), 0);
}

static void units_of_a_late_gate_are_given_back_through_the_engine(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    struct fake_exchange *x = reserve(f, ORDER(""));
    fixture_tick(f, 6000);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "OVERLOADED"));
    fake_gate_answer(f, GATE_PASS);
    assert_int_equal(f->submitted, 1);
    assert_true(fixture_command(f)->deadline_ns < f->now_ns);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_int_equal(service_inflight(f->service), 0);
    reserve(f, ORDER(""));
    fixture_tick(f, 6000);
    fake_gate_answer(f, GATE_BLIND);
    assert_int_equal(f->submitted, 1);
    assert_int_equal(service_inflight(f->service), 0);
}

static void asks_go_to_the_gate_with_the_flush(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", ORDER(""));
    f->gate.later = true;
    service_handle(f->service, &x->x);
    assert_int_equal(f->gate.asks, 1);
    assert_null(f->gate.kept);
    service_flush(f->service);
    assert_non_null(f->gate.kept);
    fake_gate_answer(f, GATE_SOLD_OUT);
    assert_int_equal(x->status, 409);
}

static void many_asks_of_a_turn_are_flushed_before_it_ends(void **state)
{
    enum { MANY = 64 };
    struct fixture *f = *state;
    f->gate.later = true;
    for (int i = 0; i < MANY && !f->gate.kept; i++)
        service_handle(f->service, &http_new(f, "POST", "/v1/reservations", ORDER(""))->x);
    assert_non_null(f->gate.kept);
    service_flush(f->service);
    fake_gate_answer(f, GATE_SOLD_OUT);
    assert_int_equal(service_inflight(f->service), 0);
}

static void the_ask_names_the_order_the_user_and_the_goods(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    http(f, "POST", "/v1/reservations",
         "{\"order_id\":\"o-7\",\"user_id\":\"ann\",\"lines\":[{\"sku\":\"cola\",\"flavor\":"
         "\"lime\","
         "\"size\":\"330ml_can\",\"batch\":\"BATCH-20260101-A\",\"quantity\":2}]}");
    const struct gate_ask *ask = f->gate.kept;
    assert_true(str_equal(ask->order_id, STR("o-7")));
    assert_true(str_equal(ask->user_id, STR("ann")));
    assert_true(str_equal(ask->lines[0].goods->sku, STR("cola")));
    assert_true(str_equal(ask->lines[0].goods->flavor, STR("lime")));
    assert_true(str_equal(ask->lines[0].goods->size, STR("330ml_can")));
    assert_true(str_equal(ask->lines[0].goods->batch, STR("BATCH-20260101-A")));
    fake_gate_answer(f, GATE_SOLD_OUT);
}

static void what_is_at_the_gate_goes_on_without_it_when_the_worker_ends(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    struct fake_exchange *at_gate = reserve(f, ORDER(""));
    service_leave_gate(f->service);
    assert_int_equal(f->submitted, 1);
    assert_false(fixture_command(f)->reserve.wants[0].gate_taken);
    fixture_reserved(f, 9);
    assert_int_equal(at_gate->status, 201);
    struct fake_exchange *later = reserve(f, ORDER(""));
    assert_int_equal(f->submitted, 2);
    fixture_reserved(f, 10);
    assert_int_equal(later->status, 201);
}

#ifdef COUNTS_ALLOCATIONS
static void an_order_allocates_nothing_after_warm_up(void **state)
{
    struct fixture *f = *state;
    enum { ORDERS = 100 };
    struct fake_exchange *x[ORDERS];
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    uint64_t before = 0;
    for (size_t i = 0; i < ORDERS; i++)
        x[i] = grpc_new(f, "Reserve", &m.base);
    for (size_t i = 0; i < ORDERS; i++) {
        if (i == 1)
            before = allocations;
        fixture_handle(f, x[i]);
        fixture_reserved(f, (int64_t)i + 1);
    }
    assert_true(before > 0);
    assert_int_equal(allocations - before, 0);
}
#endif

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(an_http_order_is_answered_201_with_its_location),
        TEST(a_grpc_order_is_answered_with_the_same),
        TEST(a_replay_is_answered_200_and_says_so),
        TEST(a_missing_order_id_is_made),
        TEST(the_idempotency_key_stands_for_the_order_id),
        TEST(orders_that_break_a_rule_are_refused_with_field_and_rule),
        TEST(more_than_64_lines_are_refused),
        TEST(a_line_by_sku_is_normalised_and_has_room_for_any_allocation),
        TEST(equal_orders_have_equal_fingerprints),
        TEST(an_order_is_held_for_the_longest_time_and_no_longer),
        TEST(the_gate_is_told_which_order_ids_were_made_here),
        TEST(what_expires_at_the_gate_comes_too_late_for_the_engine),
        TEST(sold_out_at_the_gate_is_answered_at_once_with_what_is_available),
        TEST(replays_and_unknown_lots_go_to_the_engine),
        TEST(a_gate_that_answers_later_is_waited_for),
        TEST(units_of_a_late_gate_are_given_back_through_the_engine),
        TEST(asks_go_to_the_gate_with_the_flush),
        TEST(many_asks_of_a_turn_are_flushed_before_it_ends),
        TEST(the_ask_names_the_order_the_user_and_the_goods),
        TEST(what_is_at_the_gate_goes_on_without_it_when_the_worker_ends),
#ifdef COUNTS_ALLOCATIONS
        TEST(an_order_allocates_nothing_after_warm_up),
#endif
    };
    return RUN_WITH_BOTH_GATES(tests);
}
