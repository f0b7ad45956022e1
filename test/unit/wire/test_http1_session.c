/* HTTP/1.1 connections: order, answers, streams, upgrade, clients that go away. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "session_driver.h"

#define HOST "Host: a\r\n"

static int setup(void **state)
{
    static struct driver d;
    driver_open(&d, PROTOCOL_HTTP1);
    *state = &d;
    return 0;
}

static int teardown(void **state)
{
    driver_close(*state);
    return 0;
}

static void say(struct driver *d, const char *text)
{
    driver_feed(d, text, strlen(text), 0);
}

static void an_answer_has_date_type_and_length(void **state)
{
    struct driver *d = *state;
    say(d, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    assert_string_equal(driver_out(d), "HTTP/1.1 200 OK\r\n"
                                       "date: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
                                       "content-type: text/plain\r\n"
                                       "content-length: 10\r\n\r\n"
                                       "POST /x hi");
    assert_true(d->session->ops->idle(d->session));
    assert_false(d->session->ops->finished(d->session));
}

static void pipelined_answers_leave_in_the_order_of_the_requests(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    say(d, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\nGET /3 HTTP/1.1\r\n" HOST
           "\r\n");
    assert_int_equal(d->kept_count, 3);
    driver_answer(d, d->kept[2]);
    driver_answer(d, d->kept[1]);
    driver_pull(d);
    assert_int_equal(d->out_len, 0);
    assert_int_equal(d->wanted, 0);
    driver_answer(d, d->kept[0]);
    assert_int_equal(d->wanted, 1);
    driver_pull(d);
    d->kept_count = 0;
    const char *first = strstr(driver_out(d), "GET /1");
    const char *second = strstr(driver_out(d), "GET /2");
    const char *third = strstr(driver_out(d), "GET /3");
    assert_true(first && second && third && first < second && second < third);
}

static void pipelining_is_bounded_and_goes_on_when_answers_have_left(void **state)
{
    struct driver *d = *state;
    char text[100 * 40];
    size_t len = 0;
    size_t taken = 0;
    d->keep = true;
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "GET /%02d HTTP/1.1\r\n" HOST "\r\n", i);
    assert_int_equal(d->session->ops->feed(d->session, (uint8_t *)text, len, &taken), 0);
    assert_int_equal(d->kept_count, 64);
    assert_int_equal(taken, len / 100 * 64);
    assert_true(d->session->ops->congested(d->session));
    for (size_t i = 0; i < 64; i++)
        driver_answer(d, d->kept[i]);
    d->kept_count = 0;
    driver_pull(d);
    assert_false(d->session->ops->congested(d->session));
    driver_feed(d, text + taken, len - taken, 0);
    assert_int_equal(d->handled, 100);
}

static void a_hundred_requests_in_one_read_are_all_answered(void **state)
{
    struct driver *d = *state;
    char text[100 * 40];
    size_t len = 0;
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "GET /%02d HTTP/1.1\r\n" HOST "\r\n", i);
    driver_feed(d, text, len, 0);
    assert_int_equal(d->handled, 100);
    assert_non_null(strstr(driver_out(d), "GET /99"));
}

static void the_client_is_told_to_continue(void **state)
{
    struct driver *d = *state;
    say(d, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(driver_out(d), "HTTP/1.1 100 Continue\r\n\r\n");
    say(d, "hi");
    assert_non_null(strstr(driver_out(d), "POST / hi"));
}

static void the_word_to_continue_waits_for_earlier_answers(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    say(d, "GET /1 HTTP/1.1\r\n" HOST "\r\n"
           "POST /2 HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(d->out_len, 0);
    driver_answer(d, d->kept[0]);
    d->kept_count = 0;
    driver_pull(d);
    const char *answer = strstr(driver_out(d), "GET /1");
    const char *interim = strstr(driver_out(d), "100 Continue");
    assert_true(answer && interim && answer < interim);
}

static void a_refused_body_is_not_asked_for(void **state)
{
    struct driver *d = *state;
    say(d, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n");
    assert_null(strstr(driver_out(d), "100 Continue"));
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 413 Content Too Large\r\n"));
    assert_non_null(strstr(driver_out(d), "\"code\":\"PAYLOAD_TOO_LARGE\""));
}

static void a_refusal_of_the_wire_says_what_every_refusal_says(void **state)
{
    struct driver *d = *state;
    say(d, "POST / HTTP/1.1\r\n" HOST "X-Request-Id: r-1\r\nTraceparent: "
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nExpect: tea\r\n\r\n");
    const char *out = driver_out(d);
    assert_non_null(strstr(out, "HTTP/1.1 417 Expectation Failed\r\n"));
    assert_non_null(strstr(out, "\r\nx-request-id: r-1\r\n"));
    assert_non_null(strstr(out, "\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert_non_null(
        strstr(out, "{\"type\":\"https://tallystick.dev/problems/expectation_failed\","));
    assert_non_null(strstr(out, "\"status\":417,"));
    assert_non_null(strstr(out, "\"code\":\"EXPECTATION_FAILED\""));
    assert_non_null(strstr(out, "\"instance\":\"r-1\""));
}

/* Every status line has a code of its own whose status in the table of errors it is. */
static void the_code_of_a_refusal_tells_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"GET / HTTP/3.0\r\n\r\n", "505"},
        {"CONNECT a:1 HTTP/1.1\r\n\r\n", "501"},
        {"GET / HTTP/1.1\r\nExpect: x\r\n\r\n", "417"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9999\r\n\r\n", "413"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct driver d;
        char line[32], member[32];
        driver_open(&d, PROTOCOL_HTTP1);
        say(&d, rows[i].request);
        snprintf(line, sizeof(line), "HTTP/1.1 %s ", rows[i].status);
        snprintf(member, sizeof(member), "\"status\":%s,", rows[i].status);
        assert_memory_equal(driver_out(&d), line, strlen(line));
        assert_non_null(strstr(driver_out(&d), member));
        driver_close(&d);
    }
}

static void a_refusal_that_passes_says_when(void **state)
{
    struct driver *d = *state;
    d->session->over = true;
    d->limits.retry_after_s = 7;
    say(d, "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhello world");
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 503 "));
    assert_non_null(strstr(driver_out(d), "\r\nretry-after: 7\r\n"));
    assert_non_null(strstr(driver_out(d), "\"retry_after_s\":7"));
}

static void the_answer_to_head_has_no_body(void **state)
{
    struct driver *d = *state;
    say(d, "HEAD /x HTTP/1.1\r\n" HOST "\r\nGET /y HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(driver_out(d), "content-length: 8\r\n\r\nHTTP/1.1 200 OK"));
}

static void the_head_of_a_stream_has_no_length(void **state)
{
    struct driver *d = *state;
    const struct response r = {.status = 200, .content_type = STR("a/b"), .length_unsaid = true};
    d->keep = true;
    say(d, "HEAD /x HTTP/1.1\r\n" HOST "\r\nGET /y HTTP/1.1\r\n" HOST "\r\n");
    exchange_respond(d->kept[0], &r);
    driver_answer(d, d->kept[1]);
    d->kept_count = 0;
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "content-type: a/b\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

static void http_1_0_ends_with_the_answer(void **state)
{
    struct driver *d = *state;
    say(d, "GET / HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(driver_out(d), "connection: close\r\n"));
    assert_true(d->session->ops->finished(d->session));
}

static void a_refusal_comes_behind_the_answers_under_way(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    say(d, "GET /1 HTTP/1.1\r\n" HOST "\r\nBAD\r\n\r\n");
    assert_true(d->broken);
    assert_int_equal(d->out_len, 0);
    assert_false(d->session->ops->finished(d->session));
    driver_answer(d, d->kept[0]);
    d->kept_count = 0;
    driver_pull(d);
    const char *answer = strstr(driver_out(d), "GET /1");
    const char *refusal = strstr(driver_out(d), "HTTP/1.1 400");
    assert_true(answer && refusal && answer < refusal);
    assert_true(d->session->ops->finished(d->session));
}

static void headers_of_an_answer_cannot_be_split(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    say(d, "GET / HTTP/1.1\r\n" HOST "\r\n");
    struct response r = {.status = 404, .header_count = 2};
    r.headers[0] = (struct header){STR("x-bad"), STR("a\r\nset-cookie: b")};
    r.headers[1] = (struct header){STR("x-good"), STR("c")};
    exchange_respond(d->kept[0], &r);
    d->kept_count = 0;
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 404 Not Found\r\n"));
    assert_null(strstr(driver_out(d), "set-cookie"));
    assert_non_null(strstr(driver_out(d), "x-good: c\r\n"));
}

static struct exchange *open_stream(struct driver *d, const char *request)
{
    d->keep = true;
    say(d, request);
    struct exchange *x = d->kept[--d->kept_count];
    struct response r = {.status = 200, .content_type = STR("text/event-stream")};
    x->ops->stream_open(x, &r);
    return x;
}

static void a_stream_is_sent_in_chunks(void **state)
{
    struct driver *d = *state;
    struct exchange *x = open_stream(d, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(x->ops->stream_write(x, "hello", 5), 0);
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    assert_false(d->session->ops->idle(d->session));
    x->ops->stream_end(x, NULL, 0);
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "5\r\nhello\r\n0\r\n\r\n"));
    assert_true(d->session->ops->idle(d->session));
}

static void a_stream_to_http_1_0_is_plain_and_ends_the_connection(void **state)
{
    struct driver *d = *state;
    struct exchange *x = open_stream(d, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(x->ops->stream_write(x, "hello", 5), 0);
    x->ops->stream_end(x, NULL, 0);
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "connection: close\r\n\r\nhello"));
    assert_null(strstr(driver_out(d), "chunked"));
    assert_true(d->session->ops->finished(d->session));
}

static void a_stream_that_is_not_read_is_full_and_goes_on_later(void **state)
{
    struct driver *d = *state;
    struct exchange *x = open_stream(d, "GET / HTTP/1.1\r\n" HOST "\r\n");
    char data[1000] = {0};
    int writes = 0;
    while (x->ops->stream_write(x, data, sizeof(data)) == 0)
        writes++;
    assert_int_equal(writes, 4);
    assert_int_equal(x->ops->stream_write(x, data, sizeof(data)), TLY_EFULL);
    driver_pull(d);
    assert_int_equal(x->ops->stream_write(x, data, sizeof(data)), 0);
    x->ops->stream_end(x, NULL, 0);
}

static void a_client_that_goes_away_is_reported_once_and_the_answer_dropped(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    say(d, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\nPOST /3 HTTP/1.1\r\n" HOST
           "Content-Length: 9\r\n\r\nhal");
    struct response r = {.status = 200};
    d->kept[1]->ops->stream_open(d->kept[1], &r);
    assert_int_equal(d->kept[1]->ops->stream_write(d->kept[1], "x", 1), 0);
    driver_hang_up(d);
    assert_int_equal(d->gone, 2);
    assert_true(d->kept[0]->gone && d->kept[1]->gone);
    assert_int_equal(d->kept[1]->ops->stream_write(d->kept[1], "x", 1), TLY_ECLOSED);
}

static void what_is_half_received_has_a_beginning(void **state)
{
    struct driver *d = *state;
    assert_int_equal(d->session->ops->receiving_since(d->session), 0);
    d->host.now_ns = 5000;
    say(d, "GET / HT");
    d->host.now_ns = 6000;
    say(d, "TP/1.1\r\nHost");
    assert_int_equal(d->session->ops->receiving_since(d->session), 5000);
    say(d, ": a\r\n\r\n");
    assert_int_equal(d->session->ops->receiving_since(d->session), 0);
    say(d, "\r\n");
    assert_int_equal(d->session->ops->receiving_since(d->session), 0);
}

static void draining_ends_an_idle_connection_and_lets_an_answer_out(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    say(d, "GET / HTTP/1.1\r\n" HOST "\r\n");
    d->session->ops->drain(d->session);
    assert_false(d->session->ops->finished(d->session));
    driver_answer(d, d->kept[0]);
    d->kept_count = 0;
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "connection: close\r\n"));
    assert_true(d->session->ops->finished(d->session));
}

static void an_answer_waits_for_room(void **state)
{
    struct driver *d = *state;
    uint8_t byte[1];
    size_t taken, n = 0;
    const char *request = "GET / HTTP/1.1\r\n" HOST "\r\n";
    assert_int_equal(
        d->session->ops->feed(d->session, (const uint8_t *)request, strlen(request), &taken), 0);
    assert_true(d->session->ops->unsent(d->session));
    while (d->session->ops->pull(d->session, byte, 1))
        d->out[d->out_len++] = byte[0], n++;
    assert_true(n > 100);
    assert_non_null(strstr(driver_out(d), "\r\n\r\nGET / "));
    assert_false(d->session->ops->unsent(d->session));
}

static void a_large_body_in_small_pieces_arrives_whole(void **state)
{
    struct driver *d = *state;
    static char body[200001];
    d->limits.body_max = 1 << 20;
    memset(body, 'b', sizeof(body) - 1);
    say(d, "POST / HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n");
    driver_feed(d, body, sizeof(body) - 1, 999);
    assert_int_equal(d->handled, 1);
    assert_int_equal(d->log_len, strlen("POST /? \n") + 200000);
}

/* HTTP2-Settings: MAX_CONCURRENT_STREAMS 100, INITIAL_WINDOW_SIZE 65535, as curl sends them. */
#define UPGRADE                                                                                    \
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"                                      \
    "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"

static void an_upgrade_becomes_stream_one(void **state)
{
    struct driver *d = *state;
    d->limits.h2c_upgrade = true;
    say(d, "GET /up HTTP/1.1\r\n" HOST UPGRADE "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_memory_equal(d->out, "HTTP/1.1 101 Switching Protocols\r\n", 34);
    assert_string_equal(d->log, "GET /up? \n");
    assert_false(d->broken);
}

static void an_upgrade_that_is_not_allowed_is_ignored(void **state)
{
    struct driver *d = *state;
    assert_false(d->limits.h2c_upgrade);
    say(d, "GET /up HTTP/1.1\r\n" HOST UPGRADE "\r\nGET /next HTTP/1.1\r\n" HOST "\r\n");
    assert_memory_equal(d->out, "HTTP/1.1 200 OK\r\n", 17);
    assert_null(d->session->successor);
    assert_string_equal(d->log, "GET /up? \nGET /next? \n");
}

static void an_upgrade_with_bad_settings_is_ignored(void **state)
{
    struct driver *d = *state;
    d->limits.h2c_upgrade = true;
    say(d, "GET /up HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
           "HTTP2-Settings: !!!!\r\n\r\n");
    assert_memory_equal(d->out, "HTTP/1.1 200 OK\r\n", 17);
}

static void an_upgrade_of_a_request_with_a_body_is_ignored(void **state)
{
    struct driver *d = *state;
    d->limits.h2c_upgrade = true;
    say(d, "POST /up HTTP/1.1\r\n" HOST UPGRADE "Content-Length: 1\r\n\r\nx");
    assert_memory_equal(d->out, "HTTP/1.1 200 OK\r\n", 17);
}

static size_t streamed;
static bool stream_ended;

static void take_stream(struct exchange *x, const void *data, size_t size, bool end)
{
    struct driver *d = x->service;
    (void)data;
    streamed += size;
    stream_ended |= end;
    if (end && !x->answered)
        driver_answer(d, x);
}

static void begin_stream(struct driver *d)
{
    streamed = 0;
    stream_ended = false;
    d->keep = d->wants_stream = true;
    d->on_data = take_stream;
}

static void a_body_that_streams_in_may_be_larger_than_the_limit(void **state)
{
    struct driver *d = *state;
    char text[4096];
    size_t size = d->limits.body_max * 3;
    begin_stream(d);
    snprintf(text, sizeof(text), "POST /stream HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             size);
    say(d, text);
    assert_int_equal(d->handled, 1);
    memset(text, 'x', sizeof(text));
    for (size_t left = size; left > 0;) {
        size_t n = left < sizeof(text) ? left : sizeof(text);
        driver_feed(d, text, n, 0);
        left -= n;
    }
    assert_int_equal(streamed, size);
    assert_true(stream_ended);
    d->kept_count = 0;
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "HTTP/1.1 200 OK"));
    d->keep = false;
    say(d, "GET /next HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(driver_out(d), "GET /next"));
}

static void a_body_that_streams_in_may_come_in_chunks(void **state)
{
    struct driver *d = *state;
    begin_stream(d);
    say(d, "POST /stream HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\n2\r\nde\r\n");
    assert_int_equal(streamed, 5);
    assert_false(stream_ended);
    say(d, "0\r\n\r\n");
    assert_true(stream_ended);
    d->kept_count = 0;
}

static void a_stream_that_is_answered_early_ends_the_connection(void **state)
{
    struct driver *d = *state;
    begin_stream(d);
    say(d, "POST /stream HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    driver_answer(d, d->kept[0]);
    d->kept_count = 0;
    driver_pull(d);
    assert_non_null(strstr(driver_out(d), "connection: close"));
    assert_true(d->session->ops->finished(d->session));
    say(d, "defgh");
    assert_int_equal(streamed, 3);
}

static void a_stream_that_breaks_off_is_a_client_that_is_gone(void **state)
{
    struct driver *d = *state;
    begin_stream(d);
    say(d, "POST /stream HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\nnonsense\r\n");
    assert_int_equal(d->gone, 1);
    assert_false(stream_ended);
    driver_answer(d, d->kept[0]);
    d->kept_count = 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_answer_has_date_type_and_length),
        T(pipelined_answers_leave_in_the_order_of_the_requests),
        T(pipelining_is_bounded_and_goes_on_when_answers_have_left),
        T(a_hundred_requests_in_one_read_are_all_answered),
        T(the_client_is_told_to_continue),
        T(the_word_to_continue_waits_for_earlier_answers),
        T(a_refused_body_is_not_asked_for),
        T(a_refusal_of_the_wire_says_what_every_refusal_says),
        T(the_code_of_a_refusal_tells_its_status),
        T(a_refusal_that_passes_says_when),
        T(the_answer_to_head_has_no_body),
        T(the_head_of_a_stream_has_no_length),
        T(http_1_0_ends_with_the_answer),
        T(a_refusal_comes_behind_the_answers_under_way),
        T(headers_of_an_answer_cannot_be_split),
        T(a_stream_is_sent_in_chunks),
        T(a_stream_to_http_1_0_is_plain_and_ends_the_connection),
        T(a_stream_that_is_not_read_is_full_and_goes_on_later),
        T(a_client_that_goes_away_is_reported_once_and_the_answer_dropped),
        T(what_is_half_received_has_a_beginning),
        T(draining_ends_an_idle_connection_and_lets_an_answer_out),
        T(an_answer_waits_for_room),
        T(a_large_body_in_small_pieces_arrives_whole),
        T(a_body_that_streams_in_may_be_larger_than_the_limit),
        T(a_body_that_streams_in_may_come_in_chunks),
        T(a_stream_that_is_answered_early_ends_the_connection),
        T(a_stream_that_breaks_off_is_a_client_that_is_gone),
        T(an_upgrade_becomes_stream_one),
        T(an_upgrade_that_is_not_allowed_is_ignored),
        T(an_upgrade_with_bad_settings_is_ignored),
        T(an_upgrade_of_a_request_with_a_body_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
