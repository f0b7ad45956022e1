/* HTTP/1.1 connections at their limits: memory that is not there, requests that do not arrive. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "session_driver.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

enum { BIG = 1 << 20, MS = 1000000 };

static int setup(void **state)
{
    static struct driver d;
    driver_open(&d, PROTOCOL_HTTP1);
    d.keep = true;
    d.host.receive_ns = 1000 * (uint64_t)MS;
    *state = &d;
    return 0;
}

static int teardown(void **state)
{
    driver_close(*state);
    return 0;
}

/* Returns how much was taken. */
static size_t say(struct driver *d, const char *text)
{
    size_t taken;
    int rv = d->session->ops->feed(d->session, (const uint8_t *)text, strlen(text), &taken);
    d->broken = rv != 0;
    return taken;
}

static void answer_all(struct driver *d)
{
    for (size_t i = 0; i < d->kept_count; i++)
        driver_answer(d, d->kept[i]);
    d->kept_count = 0;
    driver_pull(d);
}

/* As much of the budget as a request of this class does not get any more. */
static size_t fill(struct driver *d, enum budget_class class)
{
    size_t bytes = budget_height(class, d->budget.max) - d->budget.used;
    budget_force(&d->budget, bytes);
    return bytes;
}

static void a_connection_that_does_not_read_is_not_read_from(void **state)
{
    struct driver *d = *state;
    d->need.bytes = BIG;
    d->limits.memory_max = 4 * BIG;
    size_t one = strlen(GET("/1"));
    size_t taken = say(d, GET("/1") GET("/2") GET("/3") GET("/4") GET("/5") GET("/6"));
    assert_int_equal(d->handled, 3); /* the next one would be beyond, with what each has itself */
    assert_int_equal(taken, 4 * one);
    assert_true(d->session->waiting);
    assert_true(d->session->ops->congested(d->session));
    assert_true(d->session->charged <= 4 * BIG);
    assert_false(d->session->ops->resume(d->session));
    answer_all(d);
    assert_true(d->session->ops->resume(d->session));
    assert_int_equal(d->handled, 4);
    assert_false(d->session->ops->congested(d->session));
    assert_true(strstr(d->log, "/4"));
    answer_all(d);
}

static void a_request_alone_may_need_more_than_a_connection_has(void **state)
{
    struct driver *d = *state;
    d->need.bytes = 8 * BIG;
    d->limits.memory_max = 4 * BIG;
    say(d, GET("/1"));
    assert_int_equal(d->handled, 1);
    answer_all(d);
}

static void what_an_answer_did_not_need_comes_back(void **state)
{
    struct driver *d = *state;
    d->need.bytes = BIG;
    say(d, GET("/1"));
    assert_int_equal(d->budget.used, BIG);
    for (size_t i = 0; i < d->kept_count; i++)
        driver_answer(d, d->kept[i]);
    d->kept_count = 0;
    assert_true(d->budget.used < 4096);
    driver_pull(d);
    assert_int_equal(d->budget.used, 0);
}

static void a_request_that_the_worker_has_no_memory_for_waits_for_it(void **state)
{
    struct driver *d = *state;
    size_t filled = fill(d, BUDGET_SMALL);
    say(d, GET("/1") GET("/2"));
    assert_int_equal(d->handled, 0);
    assert_ptr_equal(d->host.line, d->session);
    session_line_run(&d->host);
    assert_int_equal(d->handled, 0);
    budget_give(&d->budget, BUDGET_SMALL, filled);
    session_line_run(&d->host);
    assert_int_equal(d->handled, 1);
    assert_null(d->host.line);
    assert_false(d->session->waiting);
    answer_all(d);
}

static void a_request_that_waited_in_vain_is_refused_and_the_connection_goes_on(void **state)
{
    struct driver *d = *state;
    size_t filled = fill(d, BUDGET_SMALL);
    say(d, GET("/1"));
    d->host.now_ns += 799 * (uint64_t)MS;
    session_line_run(&d->host);
    driver_pull(d);
    assert_int_equal(d->out_len, 0);
    d->host.now_ns += 2 * (uint64_t)MS;
    session_line_run(&d->host);
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 503 "));
    assert_non_null(strstr(driver_out(d), "OVERLOADED"));
    assert_int_equal(d->host.shed, 1);
    budget_give(&d->budget, BUDGET_SMALL, filled);
    say(d, GET("/2"));
    assert_int_equal(d->handled, 1);
    answer_all(d);
}

static void what_is_vital_is_answered_when_memory_is_short(void **state)
{
    struct driver *d = *state;
    size_t filled = fill(d, BUDGET_BEGIN);
    say(d, GET("/vital"));
    assert_int_equal(d->handled, 1);
    assert_true(d->budget.vital_used >= d->need.bytes);
    answer_all(d);
    assert_int_equal(d->budget.vital_used, 0);
    budget_give(&d->budget, BUDGET_BEGIN, filled);
}

static void a_client_that_leaves_gives_up_its_place_in_the_line(void **state)
{
    struct driver *d = *state;
    size_t filled = fill(d, BUDGET_SMALL);
    say(d, GET("/1"));
    driver_hang_up(d);
    assert_null(d->host.line);
    budget_give(&d->budget, BUDGET_SMALL, filled);
    session_line_run(&d->host);
    assert_int_equal(d->handled, 0);
}

static void a_client_that_leaves_stays_charged_until_its_request_is_answered(void **state)
{
    struct driver *d = *state;
    d->need.bytes = BIG;
    say(d, GET("/1"));
    driver_hang_up(d);
    assert_int_equal(d->budget.used, BIG);
    driver_answer(d, d->kept[0]);
    d->kept_count = 0;
    assert_int_equal(d->budget.used, 0);
}

static void a_body_that_there_is_no_memory_for_is_refused(void **state)
{
    struct driver *d = *state;
    size_t filled = fill(d, BUDGET_BODY);
    char piece[4000];
    memset(piece, 'x', sizeof(piece) - 1);
    piece[sizeof(piece) - 1] = 0;
    say(d, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n");
    say(d, piece);
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 503 "));
    assert_int_equal(d->handled, 0);
    budget_give(&d->budget, BUDGET_BODY, filled);
}

static void headers_that_there_is_no_memory_for_are_refused(void **state)
{
    struct driver *d = *state;
    size_t filled = fill(d, BUDGET_SMALL);
    char text[2300];
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    static const char *const names[] = {"traceparent", "tracestate", "user-agent", "accept"};
    for (int i = 0; i < 4; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s: %0450d\r\n", names[i], 0);
    say(d, text);
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 503 "));
    budget_give(&d->budget, BUDGET_SMALL, filled);
}

static void half_a_line_is_charged(void **state)
{
    struct driver *d = *state;
    char text[201];
    memset(text, 'G', 200);
    text[200] = 0;
    say(d, "GET /");
    say(d, text);
    assert_true(d->budget.used >= 205);
    say(d, " HTTP/1.1\r\nHost: a\r\n\r\n");
    answer_all(d);
}

static void a_stream_is_full_when_there_is_no_memory_and_goes_on_later(void **state)
{
    struct driver *d = *state;
    struct response r = {.status = 200, .content_type = STR("text/event-stream")};
    say(d, GET("/1"));
    struct exchange *x = d->kept[0];
    x->ops->stream_open(x, &r);
    size_t filled = fill(d, BUDGET_BODY);
    assert_int_equal(x->ops->stream_write(x, "event", 5), TLY_EFULL);
    budget_give(&d->budget, BUDGET_BODY, filled);
    assert_int_equal(x->ops->stream_write(x, "event", 5), 0);
    assert_true(d->budget.used >= 5);
    driver_pull(d);
    assert_int_equal(d->budget.used, 0);
}

static void a_request_that_does_not_arrive_in_time_is_answered_408(void **state)
{
    struct driver *d = *state;
    uint64_t at;
    say(d, GET("/1") "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhal");
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_RECEIVE);
    assert_int_equal(at, 1000 + 1000 * (uint64_t)MS);
    d->host.now_ns = at - 1;
    d->session->ops->expire(d->session);
    assert_int_equal(d->host.timed_out, 0);
    d->host.now_ns = at;
    d->session->ops->expire(d->session);
    assert_int_equal(d->host.timed_out, 1);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_NONE);
    answer_all(d);
    const char *first = strstr(driver_out(d), "GET /1");
    const char *second = strstr(driver_out(d), "HTTP/1.1 408 ");
    assert_true(first && second && first < second);
    assert_non_null(strstr(second, "connection: close\r\n"));
    assert_non_null(strstr(second, "REQUEST_TIMEOUT"));
    assert_true(d->session->ops->finished(d->session));
}

static void a_connection_over_the_limit_is_told_503_and_ends(void **state)
{
    struct driver *d = *state;
    d->session->over = true;
    say(d, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    driver_pull(d);
    assert_int_equal(d->handled, 0);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 503 "));
    assert_non_null(strstr(driver_out(d), "connection: close\r\n"));
    assert_true(d->session->ops->finished(d->session));
}

static void a_connection_over_the_limit_may_ask_what_is_vital_once(void **state)
{
    struct driver *d = *state;
    d->session->over = true;
    say(d, GET("/vital") GET("/vital"));
    assert_int_equal(d->handled, 1);
    answer_all(d);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 200 "));
    assert_true(d->session->ops->finished(d->session));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_that_does_not_read_is_not_read_from),
        T(a_request_alone_may_need_more_than_a_connection_has),
        T(what_an_answer_did_not_need_comes_back),
        T(a_request_that_the_worker_has_no_memory_for_waits_for_it),
        T(a_request_that_waited_in_vain_is_refused_and_the_connection_goes_on),
        T(what_is_vital_is_answered_when_memory_is_short),
        T(a_client_that_leaves_gives_up_its_place_in_the_line),
        T(a_client_that_leaves_stays_charged_until_its_request_is_answered),
        T(a_body_that_there_is_no_memory_for_is_refused),
        T(headers_that_there_is_no_memory_for_are_refused),
        T(half_a_line_is_charged),
        T(a_stream_is_full_when_there_is_no_memory_and_goes_on_later),
        T(a_request_that_does_not_arrive_in_time_is_answered_408),
        T(a_connection_over_the_limit_is_told_503_and_ends),
        T(a_connection_over_the_limit_may_ask_what_is_vital_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
