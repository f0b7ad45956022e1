/* Time, room, and clients that leave: every request is answered once, whatever happens. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define ORDER      "{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":2}]}"

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

static struct fake_exchange *reserve_with(struct fixture *f, enum exchange_header header,
                                          const char *value)
{
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", ORDER);
    fake_header(x, header, value);
    fixture_handle(f, x);
    return x;
}

static void the_servers_own_limit_is_the_commands_deadline(void **state)
{
    struct fixture *f = *state;
    http(f, "POST", "/v1/reservations", ORDER);
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 800 * 1000000);
    fixture_reserved(f, 1);
}

static void the_clients_limit_goes_first(void **state)
{
    struct fixture *f = *state;
    reserve_with(f, HEADER_request_timeout, "50");
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 50 * 1000000);
    fixture_reserved(f, 1);
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    struct fake_exchange *x = grpc_new(f, "Reserve", &m.base);
    fake_header(x, HEADER_grpc_timeout, "2S");
    fixture_handle(f, x);
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 2000 * 1000000u);
    fixture_reserved(f, 1);
    reserve_with(f, HEADER_request_timeout, "9223372036854775807");
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 600000 * UINT64_C(1000000));
    fixture_reserved(f, 1);
}

static void a_limit_that_is_no_number_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *const wrong[] = {"0", "-1", "1.5", "ten", "01", "9223372036854775808", "5 "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fake_exchange *x = reserve_with(f, HEADER_request_timeout, wrong[i]);
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, "x-request-timeout-ms: must be a positive whole number"));
    }
    struct fake_exchange *x = grpc_new(f, "Reserve", NULL);
    fake_header(x, HEADER_grpc_timeout, "soon");
    fixture_handle(f, x);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
}

static void a_write_that_is_not_answered_in_time_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER);
    fixture_tick(f, 4900);
    assert_int_equal(x->answers, 0);
    fixture_tick(f, 200);
    assert_int_equal(x->status, 504);
    assert_true(answer_says(x, "OUTCOME_UNKNOWN"));
    assert_int_equal(service_inflight(f->service), 1);
    /* The memory is the engine's until now. */
    assert_true(str_equal(fixture_command(f)->reserve.user_id, STR("ann")));
    fixture_reserved(f, 1);
    assert_int_equal(x->answers, 1);
    assert_int_equal(service_inflight(f->service), 0);
}

static void a_look_up_that_is_not_answered_in_time_was_not_done(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/reservations/7", "");
    fixture_tick(f, 5100);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "OVERLOADED"));
    assert_string_equal(answer_header(x, "retry-after"), "2");
    fixture_command(f)->get.record = malloc(10);
    fixture_answer(f, fixture_command(f), 0);
}

static struct fake_exchange *look_up_over_grpc(struct fixture *f, const char *timeout)
{
    Tally__V1__GetLotRequest m = TALLY__V1__GET_LOT_REQUEST__INIT;
    m.lot = (char *)"cola#00000000";
    struct fake_exchange *x = grpc_new(f, "GetLot", &m.base);
    fake_header(x, HEADER_grpc_timeout, timeout);
    fixture_handle(f, x);
    return x;
}

static void a_look_up_over_grpc_exceeds_its_deadline(void **state)
{
    struct fixture *f = *state;
    /* It had expired when it came to the engine. */
    struct fake_exchange *expired = look_up_over_grpc(f, "1n");
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_string_equal(answer_trailer(expired, "grpc-status"), "4");
    /* It had not: the engine was busy. */
    struct fake_exchange *busy = look_up_over_grpc(f, "1H");
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_string_equal(answer_trailer(busy, "grpc-status"), "14");
    struct fake_exchange *waited = look_up_over_grpc(f, "1S");
    fixture_tick(f, 1100);
    assert_string_equal(answer_trailer(waited, "grpc-status"), "4");
    fixture_answer(f, fixture_command(f), 0);
}

static void a_write_that_came_too_late_for_the_engine_was_not_done(void **state)
{
    struct fixture *f = *state;
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    struct fake_exchange *x = grpc_new(f, "Reserve", &m.base);
    fake_header(x, HEADER_grpc_timeout, "1n");
    fixture_handle(f, x);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_string_equal(answer_trailer(x, "grpc-status"), "14");
    Tally__V1__CreateLotRequest lot = TALLY__V1__CREATE_LOT_REQUEST__INIT;
    lot.sku = (char *)"cola";
    lot.flavor = (char *)"lime";
    lot.size = (char *)"330ml_can";
    lot.batch = (char *)"BATCH-20260101-A";
    x = grpc_new(f, "CreateLot", &lot.base);
    fake_header(x, HEADER_grpc_timeout, "1n");
    fixture_handle(f, x);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_string_equal(answer_trailer(x, "grpc-status"), "14");
}

static void the_clients_own_limit_ends_its_wait(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = reserve_with(f, HEADER_request_timeout, "30");
    fixture_tick(f, 40);
    assert_int_equal(x->status, 504);
    fixture_reserved(f, 1);
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    x = grpc_new(f, "Reserve", &m.base);
    fake_header(x, HEADER_grpc_timeout, "10000S");
    fixture_handle(f, x);
    fixture_tick(f, 10000);
    assert_int_equal(x->answers, 0);
    fixture_tick(f, 590100);
    assert_string_equal(answer_trailer(x, "grpc-status"), "4");
    fixture_reserved(f, 1);
}

static void many_limits_end_each_at_its_time(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x[30];
    char text[30][8];
    uint64_t start = f->now_ns;
    for (size_t i = 0; i < 30; i++) {
        snprintf(text[i], sizeof text[i], "%zu", (i * 7919) % 9000 + 1);
        x[i] = reserve_with(f, HEADER_request_timeout, text[i]);
    }
    while (f->now_ns - start < UINT64_C(9100) * 1000000) {
        fixture_tick(f, 20);
        for (size_t i = 0; i < 30; i++) {
            uint64_t due_ns = (uint64_t)atoi(text[i]) * 1000000;
            assert_int_equal(x[i]->answers, f->now_ns - start >= due_ns ? 1 : 0);
        }
    }
    while (f->command_count)
        fixture_reserved(f, 1);
}

static void a_client_that_left_is_answered_into_the_void(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER);
    x->x.gone = true;
    if (x->x.on_gone)
        x->x.on_gone(&x->x);
    fixture_reserved(f, 1);
    assert_int_equal(x->answers, 1);
}

static void beyond_the_bound_of_commands_it_is_overloaded(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < f->settings.inflight_max; i++)
        http(f, "POST", "/v1/reservations", ORDER);
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER);
    assert_int_equal(x->status, 503);
    assert_string_equal(answer_header(x, "retry-after"), "2");
    assert_true(answer_says(x, "OVERLOADED"));
    while (f->command_count)
        fixture_reserved(f, 1);
    http(f, "POST", "/v1/reservations", ORDER);
    fixture_reserved(f, 1);
}

static void batches_that_are_answered_leave_room_for_others(void **state)
{
    struct fixture *f = *state;
    enum { EACH = 3, ROUNDS = 20 }; /* far more orders than may be under way at a time */
    char *body = malloc(ORDER_BATCH_MAX * EACH + 64);
    size_t len = (size_t)snprintf(body, 64, "{\"orders\":[");
    for (size_t i = 0; i < ORDER_BATCH_MAX; i++, len += EACH)
        memcpy(body + len, i ? ",{}" : "{} ", EACH);
    memcpy(body + len, "]}", 3);
    for (int i = 0; i < ROUNDS; i++) {
        struct fake_exchange *x = http(f, "POST", "/v1/reservations/batch", body);
        assert_int_equal(x->status, 200);
    }
    free(body);
}

static void a_server_that_stops_finishes_what_it_has_and_takes_nothing_new(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *under_way = http(f, "POST", "/v1/reservations", ORDER);
    f->readiness = READY_DRAINING;
    struct fake_exchange *late = http(f, "POST", "/v1/reservations", ORDER);
    assert_int_equal(late->status, 503);
    assert_true(answer_says(late, "OVERLOADED"));
    assert_non_null(answer_header(late, "retry-after"));
    fixture_reserved(f, 1);
    assert_int_equal(under_way->status, 201);
    f->readiness = READY_STARTING;
    late = http(f, "GET", "/v1/lots", "");
    assert_int_equal(late->status, 503);
    assert_true(answer_says(late, "UNAVAILABLE"));
}

static void with_the_ledger_down_the_engine_is_still_asked(void **state)
{
    struct fixture *f = *state;
    f->readiness = READY_LEDGER_DOWN;
    struct fake_exchange *x = http(f, "GET", "/v1/lots/cola%2300000000", "");
    fixture_command(f)->get_lot.lot = f->lots[0];
    fixture_answer(f, fixture_command(f), 0);
    assert_int_equal(x->status, 200);
    x = http(f, "POST", "/v1/reservations", ORDER);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
    assert_int_equal(x->status, 503);
    assert_string_equal(answer_header(x, "retry-after"), "2");
}

static void request_id_and_traceparent_come_back_and_go_to_the_log(void **state)
{
    struct fixture *f = *state;
    const char *trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", "{}");
    fake_header(x, HEADER_request_id, "req-7");
    fake_header(x, HEADER_traceparent, trace);
    fixture_handle(f, x);
    assert_string_equal(answer_header(x, "x-request-id"), "req-7");
    assert_string_equal(answer_header(x, "traceparent"), trace);
    assert_true(answer_says(x, "\"instance\":\"req-7\""));
    assert_int_equal(f->summaries, 1);
    assert_int_equal(f->summary.call, CALL_RESERVE);
    assert_int_equal(f->summary.code, TLY_EINVALID_ARGUMENT);
    assert_true(str_equal(f->summary.trace_id, STR("4bf92f3577b34da6a3ce929d0e0e4736")));
    assert_string_equal(f->summary_text, "user_id: must be 1 to 64 bytes, is 0");
}

static void a_traceparent_of_a_later_version_may_say_more(void **state)
{
    struct fixture *f = *state;
    const char *trace = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    struct fake_exchange *x = http_new(f, "GET", "/livez", "");
    fake_header(x, HEADER_traceparent, trace);
    fixture_handle(f, x);
    assert_string_equal(answer_header(x, "traceparent"), trace);
}

static void the_instance_of_a_problem_is_a_uri_reference(void **state)
{
    struct fixture *f = *state;
    const char *const ids[][2] = {{"a.b-c_d~e=f@g+h", "a.b-c_d~e=f@g+h"},
                                  {"urn:a/b?c#d", "urn%3Aa%2Fb%3Fc%23d"},
                                  {"<100%>\"", "%3C100%25%3E%22"}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char expected[64];
        struct fake_exchange *x = http_new(f, "GET", "/nowhere", "");
        fake_header(x, HEADER_request_id, ids[i][0]);
        fixture_handle(f, x);
        snprintf(expected, sizeof expected, "\"instance\":\"%s\"", ids[i][1]);
        assert_true(answer_says(x, expected));
        assert_string_equal(answer_header(x, "x-request-id"), ids[i][0]);
    }
}

static void ids_that_are_not_valid_are_not_returned(void **state)
{
    struct fixture *f = *state;
    const char *const traces[] = {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                                  "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                  "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                  "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                  "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                                  "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
                                  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
                                  "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
    for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
        struct fake_exchange *x = http_new(f, "GET", "/livez", "");
        fake_header(x, HEADER_traceparent, traces[i]);
        fake_header(x, HEADER_request_id, "has space");
        fixture_handle(f, x);
        assert_null(answer_header(x, "traceparent"));
        assert_null(answer_header(x, "x-request-id"));
    }
}

static void successes_are_told_to_the_log_only_where_it_is_wanted(void **state)
{
    struct fixture *f = *state;
    http(f, "POST", "/v1/reservations", ORDER);
    fixture_reserved(f, 1);
    f->gate.verdict = GATE_SOLD_OUT;
    http(f, "POST", "/v1/reservations", ORDER);
    assert_int_equal(f->summaries, 0);
    f->settings.log_requests = true;
    http(f, "POST", "/v1/reservations", ORDER);
    assert_int_equal(f->summary.code, TLY_ESOLD_OUT);
    assert_int_equal(strlen(f->summary_order_id), 36);
    f->gate.verdict = GATE_PASS;
    http(f, "POST", "/v1/reservations", ORDER);
    fixture_reserved(f, 1);
    assert_int_equal(f->summary.code, 0);
    assert_int_equal(f->summaries, 2);
}

static void a_service_that_ends_answers_what_it_has(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER);
    service_destroy(f->service);
    f->service = NULL;
    assert_int_equal(x->status, 504);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_servers_own_limit_is_the_commands_deadline),
        TEST(the_clients_limit_goes_first),
        TEST(a_limit_that_is_no_number_is_refused),
        TEST(a_write_that_is_not_answered_in_time_is_unknown),
        TEST(a_look_up_that_is_not_answered_in_time_was_not_done),
        TEST(a_look_up_over_grpc_exceeds_its_deadline),
        TEST(a_write_that_came_too_late_for_the_engine_was_not_done),
        TEST(the_clients_own_limit_ends_its_wait),
        TEST(many_limits_end_each_at_its_time),
        TEST(a_client_that_left_is_answered_into_the_void),
        TEST(beyond_the_bound_of_commands_it_is_overloaded),
        TEST(batches_that_are_answered_leave_room_for_others),
        TEST(a_server_that_stops_finishes_what_it_has_and_takes_nothing_new),
        TEST(with_the_ledger_down_the_engine_is_still_asked),
        TEST(a_traceparent_of_a_later_version_may_say_more),
        TEST(the_instance_of_a_problem_is_a_uri_reference),
        TEST(request_id_and_traceparent_come_back_and_go_to_the_log),
        TEST(ids_that_are_not_valid_are_not_returned),
        TEST(successes_are_told_to_the_log_only_where_it_is_wanted),
        TEST(a_service_that_ends_answers_what_it_has),
    };
    return RUN_WITH_BOTH_GATES(tests);
}
