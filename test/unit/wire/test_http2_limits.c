/* HTTP/2 connections at their limits: memory, streams that stop, and how a connection ends. The
 * client's frames are written by hand, since a well-behaved client would not send them. */
#include "fixture.h"

#include <string.h>

#include "session_driver.h"

enum { DATA, HEADERS, RST = 3, SETTINGS, PING = 6, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { NO_ERROR, SETTINGS_TIMEOUT = 4, REFUSED_STREAM = 7, CANCEL = 8 };
enum { BIG = 1 << 20, MS = 1000000, LIMIT_MS = 1000 };

static void put(struct driver *d, unsigned kind, unsigned flags, uint32_t stream,
                const void *payload, size_t size)
{
    uint8_t frame[9 + 4096] = {(uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,
                               (uint8_t)kind,           (uint8_t)flags,         0,
                               (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    assert_true(size <= 4096);
    if (size)
        memcpy(frame + 9, payload, size);
    driver_feed(d, frame, 9 + size, 0);
}

static size_t literal(uint8_t *to, const char *name, const char *value)
{
    size_t a = strlen(name), b = strlen(value);
    to[0] = 0;
    to[1] = (uint8_t)a;
    memcpy(to + 2, name, a);
    to[2 + a] = (uint8_t)b;
    memcpy(to + 3 + a, value, b);
    return 3 + a + b;
}

static void ask(struct driver *d, uint32_t stream, const char *path, bool whole)
{
    uint8_t head[512];
    size_t n = literal(head, ":method", "POST");
    n += literal(head + n, ":scheme", "http");
    n += literal(head + n, ":authority", "a");
    n += literal(head + n, ":path", path);
    put(d, HEADERS, END_HEADERS | (whole ? END_STREAM : 0), stream, head, n);
}

struct seen {
    uint8_t kind, flags;
    uint32_t stream, size;
    const uint8_t *payload;
};

/* The n-th frame of this kind on this stream; false if there is none. */
static bool sent(struct driver *d, unsigned kind, uint32_t stream, unsigned n, struct seen *out)
{
    const uint8_t *p = d->out, *end = d->out + d->out_len;
    while (p < end) {
        *out = (struct seen){p[3], p[4],
                             (uint32_t)(p[5] & 0x7f) << 24 | (uint32_t)p[6] << 16 |
                                 (uint32_t)p[7] << 8 | p[8],
                             (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2], p + 9};
        p += 9 + out->size;
        if (out->kind == kind && out->stream == stream && n-- == 0)
            return true;
    }
    return false;
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The reset's code, -1: it was not reset. */
static int reset_code(struct driver *d, uint32_t stream)
{
    struct seen seen;
    return sent(d, RST, stream, 0, &seen) ? (int)number(seen.payload) : -1;
}

static bool answered(struct driver *d, uint32_t stream)
{
    struct seen seen;
    return sent(d, HEADERS, stream, 0, &seen);
}

static void preface(struct driver *d, uint32_t window)
{
    uint8_t setting[6] = {0,
                          4,
                          (uint8_t)(window >> 24),
                          (uint8_t)(window >> 16),
                          (uint8_t)(window >> 8),
                          (uint8_t)window};
    driver_feed(d, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 0);
    put(d, SETTINGS, 0, 0, setting, sizeof setting);
    put(d, SETTINGS, ACK, 0, NULL, 0);
}

static int setup(void **state)
{
    static struct driver d;
    driver_open(&d, PROTOCOL_HTTP2);
    d.host.receive_ns = d.host.send_ns = LIMIT_MS * (uint64_t)MS;
    *state = &d;
    return 0;
}

static int teardown(void **state)
{
    driver_close(*state);
    return 0;
}

static void pass(struct driver *d, uint64_t ms)
{
    d->host.now_ns += ms * MS;
    d->session->ops->expire(d->session);
    driver_pull(d);
}

static size_t fill(struct driver *d, enum budget_class class)
{
    size_t bytes = budget_height(class, d->budget.max) - d->budget.used;
    budget_force(&d->budget, bytes);
    return bytes;
}

static void answer_all(struct driver *d)
{
    for (size_t i = 0; i < d->kept_count; i++)
        driver_answer(d, d->kept[i]);
    d->kept_count = 0;
    driver_pull(d);
}

/* ---- memory ---- */

static void streams_that_a_connection_has_no_memory_for_are_refused(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    d->need.bytes = BIG;
    d->limits.memory_max = 4 * BIG;
    preface(d, 0);
    for (uint32_t i = 0; i < 8; i++)
        ask(d, 2 * i + 1, "/x", true);
    driver_pull(d);
    assert_int_equal(d->handled, 3);
    assert_true(d->session->charged <= 4 * BIG);
    assert_int_equal(reset_code(d, 5), -1);
    for (uint32_t i = 3; i < 8; i++)
        assert_int_equal(reset_code(d, 2 * i + 1), REFUSED_STREAM);
    assert_int_equal(d->host.shed, 5);
    answer_all(d);
    d->need.bytes = 100;
    ask(d, 17, "/small", true);
    assert_int_equal(d->handled, 4);
    answer_all(d);
}

static void streams_that_the_worker_has_no_memory_for_are_refused(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    preface(d, 65535);
    size_t filled = fill(d, BUDGET_SMALL);
    ask(d, 1, "/x", true);
    driver_pull(d);
    assert_int_equal(d->handled, 0);
    assert_int_equal(reset_code(d, 1), REFUSED_STREAM);
    filled += fill(d, BUDGET_BEGIN);
    ask(d, 3, "/vital", true);
    assert_int_equal(d->handled, 1);
    ask(d, 5, "/x", true); /* not even its beginning has room */
    driver_pull(d);
    assert_int_equal(reset_code(d, 5), REFUSED_STREAM);
    answer_all(d);
    budget_give(&d->budget, BUDGET_BEGIN, filled);
    ask(d, 7, "/x", true);
    assert_int_equal(d->handled, 2);
    answer_all(d);
}

static void what_is_vital_is_answered_behind_answers_that_are_not_read(void **state)
{
    struct driver *d = *state;
    preface(d, 0);
    d->limits.output_max = 8;
    ask(d, 1, "/0123456789", true);
    ask(d, 3, "/x", true);
    ask(d, 5, "/vital", true);
    driver_pull(d);
    assert_int_equal(d->handled, 2);
    assert_int_equal(reset_code(d, 3), REFUSED_STREAM);
    assert_true(answered(d, 5));
}

static void a_body_that_there_is_no_memory_for_is_refused(void **state)
{
    struct driver *d = *state;
    char body[3000];
    memset(body, 'b', sizeof body);
    preface(d, 65535);
    size_t filled = fill(d, BUDGET_BODY);
    ask(d, 1, "/x", false);
    put(d, DATA, END_STREAM, 1, body, sizeof body);
    driver_pull(d);
    assert_int_equal(d->handled, 0);
    assert_true(answered(d, 1));
    assert_int_equal(d->host.shed, 1);
    budget_give(&d->budget, BUDGET_BODY, filled);
}

static void a_stream_is_full_when_there_is_no_memory(void **state)
{
    struct driver *d = *state;
    struct response r = {.status = 200, .content_type = STR("application/grpc")};
    d->keep = true;
    preface(d, 65535);
    ask(d, 1, "/watch", true);
    struct exchange *x = d->kept[0];
    x->ops->stream_open(x, &r);
    size_t filled = fill(d, BUDGET_BODY);
    assert_int_equal(x->ops->stream_write(x, "event", 5), TLY_EFULL);
    budget_give(&d->budget, BUDGET_BODY, filled);
    assert_int_equal(x->ops->stream_write(x, "event", 5), 0);
    driver_pull(d);
    assert_int_equal(d->budget.used, 0);
}

/* hpack-announced: the decoder makes room for a value as long as it was announced. */
static void a_header_that_is_announced_is_charged(void **state)
{
    struct driver *d = *state;
    static const uint8_t start[] = {0x00, 0x01, 'a', 0x7f, 0x81, 0xc0, 0x03}; /* 57,472 bytes */
    preface(d, 65535);
    size_t before = d->budget.used;
    put(d, HEADERS, 0, 1, start, sizeof start);
    assert_true(d->budget.used - before >= 57472);
    driver_hang_up(d);
    assert_int_equal(d->budget.used, 0);
}

/* ---- streams that stop ---- */

static void a_body_that_stops_ends_its_stream_alone(void **state)
{
    struct driver *d = *state;
    d->keep = true;
    uint64_t at;
    preface(d, 65535);
    ask(d, 1, "/stops", false);
    put(d, DATA, 0, 1, "half", 4);
    d->host.now_ns += MS;
    ask(d, 3, "/goes-on", false);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_RECEIVE);
    assert_int_equal(at, 1000 + LIMIT_MS * (uint64_t)MS);
    pass(d, LIMIT_MS - 1);
    assert_true(answered(d, 1)); /* 408 */
    assert_int_equal(reset_code(d, 1), NO_ERROR);
    assert_false(answered(d, 3));
    assert_int_equal(d->host.timed_out, 1);
    assert_int_equal(d->handled, 0);
    put(d, DATA, END_STREAM, 3, "whole", 5);
    assert_int_equal(d->handled, 1);
    answer_all(d);
    assert_int_equal(reset_code(d, 3), -1);
    assert_true(answered(d, 3));
    assert_true(d->session->ops->idle(d->session));
    assert_false(d->session->ops->finished(d->session));
}

static void a_body_that_stops_where_not_even_the_refusal_is_taken_is_reset(void **state)
{
    struct driver *d = *state;
    preface(d, 0);
    ask(d, 1, "/stops", false);
    pass(d, LIMIT_MS);
    assert_true(answered(d, 1));
    assert_int_equal(reset_code(d, 1), -1);
    pass(d, LIMIT_MS);
    assert_int_equal(reset_code(d, 1), CANCEL);
    assert_true(d->session->ops->idle(d->session));
}

static void a_watch_without_window_is_reset_alone(void **state)
{
    struct driver *d = *state;
    struct response r = {.status = 200, .content_type = STR("application/grpc")};
    d->keep = true;
    uint64_t at;
    preface(d, 0);
    ask(d, 1, "/watch", true);
    ask(d, 3, "/other", true);
    struct exchange *x = d->kept[0], *other = d->kept[1];
    d->kept_count = 0;
    x->ops->stream_open(x, &r);
    other->ops->stream_open(other, &r);
    driver_pull(d);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_NONE);
    assert_int_equal(x->ops->stream_write(x, "event", 5), 0);
    assert_int_equal(other->ops->stream_write(other, "event", 5), 0);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_SEND);
    assert_int_equal(at, d->host.now_ns + LIMIT_MS * (uint64_t)MS);
    pass(d, LIMIT_MS - 1);
    put(d, WINDOW_UPDATE, 0, 3, "\0\0\0\1", 4); /* one byte of the other goes */
    assert_int_equal(reset_code(d, 1), -1);
    pass(d, 1);
    assert_int_equal(reset_code(d, 1), CANCEL);
    assert_true(x->gone);
    assert_int_equal(x->ops->stream_write(x, "event", 5), TLY_ECLOSED);
    x->ops->stream_end(x, NULL, 0);
    assert_int_equal(reset_code(d, 3), -1);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_SEND);
    assert_int_equal(at, d->host.now_ns + (LIMIT_MS - 1) * (uint64_t)MS);
    put(d, WINDOW_UPDATE, 0, 3, "\0\0\1\0", 4);
    driver_pull(d);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_NONE);
    other->ops->stream_end(other, NULL, 0);
    driver_pull(d);
    assert_int_equal(reset_code(d, 3), -1);
    assert_int_equal(d->host.timed_out, 1);
}

static void data_that_brings_nothing_is_cut_off(void **state)
{
    struct driver *d = *state;
    struct seen seen;
    preface(d, 65535);
    ask(d, 1, "/x", false);
    unsigned frames = 0;
    while (!d->broken && frames < 20000) {
        put(d, DATA, 0, 1, NULL, 0);
        frames++;
        if (frames == 5000)
            pass(d, LIMIT_MS); /* the stream is over, and they still come */
    }
    assert_int_equal(frames, 10001);
    driver_pull(d);
    assert_true(sent(d, GOAWAY, 0, 0, &seen));
    assert_int_equal(number(seen.payload + 4), 11); /* ENHANCE_YOUR_CALM */
}

static void an_answer_without_window_is_reset(void **state)
{
    struct driver *d = *state;
    preface(d, 0);
    ask(d, 1, "/x", true);
    driver_pull(d);
    assert_true(answered(d, 1));
    pass(d, LIMIT_MS);
    assert_int_equal(reset_code(d, 1), CANCEL);
    assert_true(d->session->ops->idle(d->session));
    assert_int_equal(d->budget.used, 0);
}

static void a_client_that_never_greets_is_told_why(void **state)
{
    struct driver *d = *state;
    struct seen seen;
    driver_feed(d, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 0);
    pass(d, LIMIT_MS);
    assert_true(sent(d, GOAWAY, 0, 0, &seen));
    assert_int_equal(number(seen.payload + 4), SETTINGS_TIMEOUT);
    assert_true(d->session->ops->finished(d->session));
}

/* ---- ends ---- */

static void a_drain_says_goaway_twice(void **state)
{
    struct driver *d = *state;
    struct seen seen;
    d->keep = true;
    preface(d, 65535);
    ask(d, 1, "/before", true);
    d->session->ops->drain(d->session);
    driver_pull(d);
    assert_true(sent(d, GOAWAY, 0, 0, &seen));
    assert_int_equal(number(seen.payload), INT32_MAX);
    assert_int_equal(number(seen.payload + 4), NO_ERROR);
    assert_false(sent(d, GOAWAY, 0, 1, &seen));
    ask(d, 3, "/meanwhile", true); /* it had not heard yet */
    assert_int_equal(d->handled, 2);
    assert_true(sent(d, PING, 0, 0, &seen));
    put(d, PING, ACK, 0, seen.payload, 8);
    driver_pull(d);
    assert_true(sent(d, GOAWAY, 0, 1, &seen));
    assert_int_equal(number(seen.payload), 3);
    assert_int_equal(number(seen.payload + 4), NO_ERROR);
    ask(d, 5, "/after", true);
    assert_int_equal(d->handled, 2);
    assert_false(d->session->ops->finished(d->session));
    answer_all(d);
    assert_true(answered(d, 1) && answered(d, 3));
    assert_true(d->session->ops->finished(d->session));
}

static void a_drain_goes_on_when_the_client_does_not_answer(void **state)
{
    struct driver *d = *state;
    struct seen seen;
    uint64_t at;
    preface(d, 65535);
    d->session->ops->drain(d->session);
    assert_int_equal(d->session->ops->due(d->session, &at), WAIT_DRAIN);
    assert_int_equal(at, d->host.now_ns + SESSION_DRAIN_NOTICE_MS * (uint64_t)MS);
    pass(d, SESSION_DRAIN_NOTICE_MS - 1);
    assert_false(d->session->ops->finished(d->session));
    pass(d, 1);
    assert_true(sent(d, GOAWAY, 0, 1, &seen));
    assert_int_equal(number(seen.payload), 0);
    assert_true(d->session->ops->finished(d->session));
}

static void an_idle_connection_is_told_before_it_ends(void **state)
{
    struct driver *d = *state;
    struct seen seen;
    preface(d, 65535);
    ask(d, 1, "/x", true);
    driver_pull(d);
    d->session->ops->goodbye(d->session);
    driver_pull(d);
    assert_true(sent(d, GOAWAY, 0, 0, &seen));
    assert_int_equal(number(seen.payload), 1);
    assert_int_equal(number(seen.payload + 4), NO_ERROR);
    assert_true(d->session->ops->finished(d->session));
}

static void a_connection_over_the_limit_is_refused_but_for_what_is_vital(void **state)
{
    struct driver *d = *state;
    struct seen seen;
    d->keep = true;
    d->session->over = true;
    preface(d, 65535);
    ask(d, 1, "/vital", true);
    assert_int_equal(d->handled, 1);
    answer_all(d);
    assert_true(answered(d, 1));
    ask(d, 3, "/x", false);
    driver_pull(d);
    assert_int_equal(d->handled, 1);
    assert_true(sent(d, GOAWAY, 0, 0, &seen));
    assert_int_equal(number(seen.payload), 1); /* so the other one may be tried elsewhere */
    assert_int_equal(number(seen.payload + 4), NO_ERROR);
    assert_true(d->session->ops->finished(d->session));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(streams_that_a_connection_has_no_memory_for_are_refused),
        T(streams_that_the_worker_has_no_memory_for_are_refused),
        T(what_is_vital_is_answered_behind_answers_that_are_not_read),
        T(a_body_that_there_is_no_memory_for_is_refused),
        T(a_stream_is_full_when_there_is_no_memory),
        T(a_header_that_is_announced_is_charged),
        T(a_body_that_stops_ends_its_stream_alone),
        T(a_body_that_stops_where_not_even_the_refusal_is_taken_is_reset),
        T(a_watch_without_window_is_reset_alone),
        T(data_that_brings_nothing_is_cut_off),
        T(an_answer_without_window_is_reset),
        T(a_client_that_never_greets_is_told_why),
        T(a_drain_says_goaway_twice),
        T(a_drain_goes_on_when_the_client_does_not_answer),
        T(an_idle_connection_is_told_before_it_ends),
        T(a_connection_over_the_limit_is_refused_but_for_what_is_vital),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
