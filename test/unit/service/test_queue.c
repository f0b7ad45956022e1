/* Requests that find no place at work: they wait, go on in their turn, or are refused early. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define ORDER      "{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":2}]}"

enum { WORK = 2, QUEUE = 20 };

static int open_fixture(void **state)
{
    struct fixture *f = fixture_open();
    f->settings.inflight_max = WORK;
    f->settings.queue_max = QUEUE;
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static struct fake_exchange *order(struct fixture *f)
{
    return http(f, "POST", "/v1/reservations", ORDER);
}

/* Until nothing is at the gate, and nobody could go on. */
static void settle(struct fixture *f)
{
    service_flush(f->service);
    while (f->gate.kept) {
        fake_gate_answer(f, f->gate.verdict);
        service_flush(f->service);
    }
}

static void fill_work(struct fixture *f)
{
    for (int i = 0; i < WORK; i++)
        order(f);
    settle(f);
    assert_int_equal(service_inflight(f->service), WORK);
}

static void answer_all(struct fixture *f)
{
    while (f->command_count) {
        if (f->commands[0]->kind == COMMAND_RESERVE)
            fixture_reserved(f, 1);
        else
            fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
        settle(f);
    }
}

static void who_finds_no_place_waits_and_goes_on_in_his_turn(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x[QUEUE];
    fill_work(f);
    for (int i = 0; i < QUEUE; i++)
        x[i] = order(f);
    assert_int_equal(service_waiting(f->service), QUEUE);
    assert_int_equal(f->command_count, WORK);
    fixture_reserved(f, 1);
    settle(f);
    assert_int_equal(service_waiting(f->service), QUEUE - 1);
    assert_int_equal(f->command_count, WORK);
    for (int i = 0; i < QUEUE; i++) {
        assert_int_equal(x[i]->answers, 0);
        fixture_reserved(f, 1); /* the oldest is two before this one */
        settle(f);
        if (i > 0)
            assert_int_equal(x[i - 1]->status, 201);
    }
    answer_all(f);
    assert_int_equal(x[QUEUE - 1]->status, 201);
    assert_int_equal(service_waiting(f->service), 0);
}

static void who_finds_no_place_in_the_queue_is_refused(void **state)
{
    struct fixture *f = *state;
    fill_work(f);
    for (int i = 0; i < QUEUE; i++)
        order(f);
    int before = f->summaries;
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", "not read at all");
    fake_header(x, HEADER_request_id, "req-7");
    fixture_handle(f, x);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "\"code\":\"OVERLOADED\""));
    assert_true(answer_says(x, "queue_max"));
    assert_string_equal(answer_header(x, "retry-after"), "2");
    assert_string_equal(answer_header(x, "x-request-id"), "req-7");
    assert_int_equal(f->summaries, before); /* a storm is no storm of log lines */
    assert_int_equal(service_refused_early(f->service), 1);
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    x = grpc(f, "Reserve", &m.base);
    assert_string_equal(answer_trailer(x, "grpc-status"), "14");
    assert_non_null(answer_trailer(x, "grpc-status-details-bin"));
    answer_all(f);
}

static void an_early_refusal_says_what_the_setting_says_now(void **state)
{
    struct fixture *f = *state;
    f->settings.queue_max = 0;
    fill_work(f);
    assert_string_equal(answer_header(order(f), "retry-after"), "2");
    f->settings.retry_after_s = 7;
    assert_string_equal(answer_header(order(f), "retry-after"), "7");
    answer_all(f);
}

static void whose_time_is_up_in_the_queue_was_not_done(void **state)
{
    struct fixture *f = *state;
    fill_work(f);
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", ORDER);
    fake_header(x, HEADER_request_timeout, "100");
    fixture_handle(f, x);
    struct fake_exchange *patient = order(f);
    fixture_tick(f, 90);
    assert_int_equal(x->answers, 0);
    fixture_tick(f, 60);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "OVERLOADED"));
    assert_int_equal(patient->answers, 0);
    answer_all(f);
    assert_int_equal(f->submitted, WORK + 1);
    assert_int_equal(patient->status, 201);
}

static void who_leaves_while_he_waits_is_not_served(void **state)
{
    struct fixture *f = *state;
    fill_work(f);
    struct fake_exchange *x = order(f);
    x->x.gone = true;
    answer_all(f);
    assert_int_equal(f->submitted, WORK);
    assert_int_equal(x->answers, 1);
}

static void a_payment_does_not_wait_behind_a_rush_of_orders(void **state)
{
    struct fixture *f = *state;
    f->settings.queue_max = 100;
    fill_work(f);
    for (int i = 0; i < 60; i++)
        order(f);
    http(f, "POST", "/v1/reservations/7/confirm", "{}");
    int before = 0;
    while (fixture_command(f)->kind != COMMAND_CONFIRM) {
        fixture_reserved(f, 1);
        settle(f);
        before++;
    }
    assert_in_range(before, 1, WORK + 16);
    answer_all(f);
}

static void a_rush_of_orders_leaves_a_place_for_a_payment(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *newest = NULL;
    fill_work(f);
    for (int i = 0; i < QUEUE; i++)
        newest = order(f);
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/confirm", "{}");
    assert_int_equal(x->answers, 0);
    assert_int_equal(newest->status, 503);
    assert_int_equal(service_waiting(f->service), QUEUE);
    answer_all(f);
    assert_int_equal(x->status, 404);
}

static void what_the_gate_refuses_leaves_its_place_at_once(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x[QUEUE];
    fill_work(f);
    for (int i = 0; i < QUEUE; i++)
        x[i] = order(f);
    f->gate.verdict = GATE_SOLD_OUT;
    fixture_reserved(f, 1);
    settle(f);
    for (int i = 0; i < QUEUE; i++)
        assert_int_equal(x[i]->status, 409);
    answer_all(f);
}

static void a_request_for_stock_waits_less_long_than_a_payment(void **state)
{
    struct fixture *f = *state;
    f->settings.stock_timeout_ms = 300;
    order(f);
    settle(f);
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 300 * 1000000);
    fixture_reserved(f, 1);
    http(f, "GET", "/v1/lots", "");
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 300 * 1000000);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
    http(f, "POST", "/v1/sales/autumn/groups",
         "{\"order\":{\"user_id\":\"ann\",\"lines\":[{\"sku\":\"cola\",\"quantity\":1}]}}");
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 300 * 1000000);
    fixture_answer(f, fixture_command(f), TLY_ESALE_CLOSED);
    http(f, "POST", "/v1/reservations/7/confirm", "{}");
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 800 * 1000000);
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    f->settings.request_timeout_ms = 200;
    order(f);
    settle(f);
    assert_int_equal(fixture_command(f)->deadline_ns - f->now_ns, 200 * 1000000);
    fixture_reserved(f, 1);
}

static void health_does_not_wait(void **state)
{
    struct fixture *f = *state;
    fill_work(f);
    order(f);
    assert_int_equal(http(f, "GET", "/readyz", "")->status, 200);
    answer_all(f);
}

static void who_waits_when_the_service_ends_was_not_served(void **state)
{
    struct fixture *f = *state;
    fill_work(f);
    struct fake_exchange *x = order(f);
    service_destroy(f->service);
    f->service = NULL;
    assert_int_equal(x->status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_finds_no_place_waits_and_goes_on_in_his_turn),
        TEST(who_finds_no_place_in_the_queue_is_refused),
        TEST(an_early_refusal_says_what_the_setting_says_now),
        TEST(whose_time_is_up_in_the_queue_was_not_done),
        TEST(who_leaves_while_he_waits_is_not_served),
        TEST(a_payment_does_not_wait_behind_a_rush_of_orders),
        TEST(a_rush_of_orders_leaves_a_place_for_a_payment),
        TEST(what_the_gate_refuses_leaves_its_place_at_once),
        TEST(a_request_for_stock_waits_less_long_than_a_payment),
        TEST(health_does_not_wait),
        TEST(who_waits_when_the_service_ends_was_not_served),
    };
    return RUN_WITH_BOTH_GATES(tests);
}
