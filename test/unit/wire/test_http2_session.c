/* HTTP/2 connections, with nghttp2's client at the other end, in memory. */
#include "fixture.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session_driver.h"
#include "wire/codec.h"

enum { STREAMS_MAX = 512 };

struct answer {
    int status;
    char headers[2048]; /* "name: value\n", trailers behind the others */
    char body[8192];
    size_t body_len;
    bool closed;
    uint32_t error_code;
    size_t frames; /* HEADERS and DATA */
};

struct pair {
    struct driver d;
    nghttp2_session *client;
    struct answer answers[STREAMS_MAX]; /* by stream id / 2, reused */
    const char *upload;                 /* what a request's body is read from */
    size_t upload_len;
    bool upload_waits; /* the end of the body is held back */
    bool goaway;
    uint32_t goaway_code;
};

static struct answer *answer_of(struct pair *p, int32_t id)
{
    return &p->answers[id / 2 % STREAMS_MAX];
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *user)
{
    (void)ng, (void)flags;
    struct answer *a = answer_of(user, frame->hd.stream_id);
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        a->status = atoi((const char *)value);
    size_t used = strlen(a->headers);
    snprintf(a->headers + used, sizeof(a->headers) - used, "%.*s: %.*s\n", (int)name_len, name,
             (int)len, value);
    return 0;
}

static int on_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                    void *user)
{
    (void)ng, (void)flags;
    struct answer *a = answer_of(user, id);
    if (a->body_len + len <= sizeof(a->body))
        memcpy(a->body + a->body_len, data, len);
    a->body_len += len;
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *user)
{
    (void)ng;
    struct answer *a = answer_of(user, id);
    a->closed = true;
    a->error_code = error_code;
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct pair *p = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        p->goaway = true;
        p->goaway_code = frame->goaway.error_code;
    }
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        answer_of(p, frame->hd.stream_id)->frames++;
    return 0;
}

static void open_client(struct pair *p, uint32_t window)
{
    nghttp2_session_callbacks *c;
    nghttp2_option *option;
    assert_int_equal(nghttp2_session_callbacks_new(&c), 0);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, window != 65535);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    assert_int_equal(nghttp2_session_client_new2(&p->client, c, p, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(c);
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    assert_int_equal(nghttp2_submit_settings(p->client, 0, &entry, 1), 0);
}

/* Bytes go to and fro until neither side has any. */
static void exchange_bytes(struct pair *p)
{
    bool moved;
    do {
        const uint8_t *data;
        ssize_t n;
        moved = false;
        p->d.out_len = 0;
        while (!p->d.broken && (n = nghttp2_session_mem_send(p->client, &data)) > 0) {
            driver_feed(&p->d, data, (size_t)n, 0);
            moved = true;
        }
        if (p->d.session)
            driver_pull(&p->d);
        if (p->d.out_len) {
            moved = true;
            assert_true(nghttp2_session_mem_recv(p->client, p->d.out, p->d.out_len) >= 0);
        }
    } while (moved);
}

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    driver_open(&p->d, PROTOCOL_HTTP2);
    open_client(p, 65535);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    nghttp2_session_del(p->client);
    driver_close(&p->d);
    free(p);
    return 0;
}

static ssize_t read_upload(nghttp2_session *ng, int32_t id, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)ng, (void)id, (void)source;
    struct pair *p = user;
    size_t n = p->upload_len < size ? p->upload_len : size;
    if (n)
        memcpy(out, p->upload, n);
    p->upload += n;
    p->upload_len -= n;
    if (n == 0 && p->upload_waits)
        return NGHTTP2_ERR_DEFERRED;
    if (p->upload_len == 0 && !p->upload_waits)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

#define NV(name, value)                                                                            \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value),  \
            NGHTTP2_NV_FLAG_NONE                                                                   \
    }

static int32_t ask(struct pair *p, const char *method, const char *path, const char *name,
                   const char *value, const char *body)
{
    nghttp2_nv nv[] = {NV(":method", method), NV(":scheme", "http"), NV(":authority", "a"),
                       NV(":path", path), NV(name ? name : "x-y", name ? value : "z")};
    nghttp2_data_provider provider = {.read_callback = read_upload};
    if (body) {
        p->upload = body;
        p->upload_len = strlen(body);
    }
    return nghttp2_submit_request(p->client, NULL, nv, 5, body ? &provider : NULL, NULL);
}

static void a_request_is_answered(void **state)
{
    struct pair *p = *state;
    int32_t id = ask(p, "POST", "/a?b", "content-type", "text/plain", "hello");
    exchange_bytes(p);
    struct answer *a = answer_of(p, id);
    assert_string_equal(p->d.log, "POST /a?b [text/plain] hello\n");
    assert_int_equal(a->status, 200);
    assert_true(a->closed);
    assert_int_equal(a->error_code, 0);
    assert_memory_equal(a->body, "POST /a hello", 13);
    assert_non_null(strstr(a->headers, "content-type: text/plain\n"));
    assert_non_null(strstr(a->headers, "content-length: 13\n"));
    assert_non_null(strstr(a->headers, "date: Sun, 22 Nov 2026 10:00:00 GMT\n"));
    assert_true(p->d.session->ops->idle(p->d.session));
}

static void input_may_come_byte_by_byte(void **state)
{
    struct pair *p = *state;
    const uint8_t *data;
    ssize_t n;
    int32_t id = ask(p, "POST", "/a", NULL, NULL, "hello");
    while ((n = nghttp2_session_mem_send(p->client, &data)) > 0)
        driver_feed(&p->d, data, (size_t)n, 1);
    assert_true(nghttp2_session_mem_recv(p->client, p->d.out, p->d.out_len) >= 0);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 200);
}

static void output_may_leave_byte_by_byte(void **state)
{
    struct pair *p = *state;
    uint8_t byte;
    const uint8_t *data;
    ssize_t n;
    size_t taken;
    int32_t id = ask(p, "GET", "/a", NULL, NULL, NULL);
    while ((n = nghttp2_session_mem_send(p->client, &data)) > 0)
        assert_int_equal(p->d.session->ops->feed(p->d.session, data, (size_t)n, &taken), 0);
    while (p->d.session->ops->pull(p->d.session, &byte, 1))
        assert_int_equal(nghttp2_session_mem_recv(p->client, &byte, 1), 1);
    assert_int_equal(answer_of(p, id)->status, 200);
    assert_true(answer_of(p, id)->closed);
}

static void grpc_answers_end_in_trailers(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    int32_t id = ask(p, "POST", "/s/m", "content-type", "application/grpc", "x");
    exchange_bytes(p);
    struct response r = {.status = 200,
                         .content_type = STR("application/grpc"),
                         .body = STR("message"),
                         .trailer_count = 1};
    r.trailers[0] = (struct header){STR("grpc-status"), STR("0")};
    exchange_respond(p->d.kept[--p->d.kept_count], &r);
    exchange_bytes(p);
    struct answer *a = answer_of(p, id);
    assert_string_equal(a->headers,
                        ":status: 200\ncontent-type: application/grpc\ngrpc-status: 0\n");
    assert_int_equal(a->frames, 3);
    assert_memory_equal(a->body, "message", 7);
    assert_true(a->closed && a->error_code == 0);
}

static void trailers_only_is_one_frame(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    int32_t id = ask(p, "POST", "/s/m", "content-type", "application/grpc", "x");
    exchange_bytes(p);
    struct response r = {.status = 200,
                         .content_type = STR("application/grpc"),
                         .trailer_count = 2,
                         .trailers_only = true};
    r.trailers[0] = (struct header){STR("grpc-status"), STR("9")};
    r.trailers[1] = (struct header){STR("grpc-message"), STR("sold out")};
    exchange_respond(p->d.kept[--p->d.kept_count], &r);
    exchange_bytes(p);
    struct answer *a = answer_of(p, id);
    assert_non_null(strstr(a->headers, "grpc-status: 9\ngrpc-message: sold out\n"));
    assert_int_equal(a->frames, 1);
    assert_true(a->closed && a->error_code == 0);
}

static void answers_may_come_in_any_order(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    int32_t ids[50];
    for (int i = 0; i < 50; i++)
        ids[i] = ask(p, "GET", "/x", NULL, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(p->d.kept_count, 50);
    for (size_t i = 50; i-- > 0;)
        driver_answer(&p->d, p->d.kept[i]);
    p->d.kept_count = 0;
    exchange_bytes(p);
    for (int i = 0; i < 50; i++)
        assert_true(answer_of(p, ids[i])->closed && answer_of(p, ids[i])->status == 200);
}

static void a_body_beyond_the_limit_is_refused_in_either_tongue(void **state)
{
    struct pair *p = *state;
    static char big[6001];
    memset(big, 'x', sizeof(big) - 1);
    int32_t json = ask(p, "POST", "/a", "content-type", "application/json", big);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, json)->status, 413);
    assert_non_null(strstr(answer_of(p, json)->headers, "application/problem+json"));
    int32_t grpc = ask(p, "POST", "/a", "content-type", "application/grpc", big);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, grpc)->status, 200);
    assert_non_null(strstr(answer_of(p, grpc)->headers, "grpc-status: 8\n"));
    assert_int_equal(p->d.handled, 0);
    assert_true(p->d.session->ops->idle(p->d.session));
}

static void a_refusal_of_the_wire_says_what_every_refusal_says(void **state)
{
    struct pair *p = *state;
    static char big[6001];
    memset(big, 'x', sizeof(big) - 1);
    nghttp2_nv nv[] = {
        NV(":method", "POST"),
        NV(":scheme", "http"),
        NV(":authority", "a"),
        NV(":path", "/a"),
        NV("content-type", "Application/GRPC+proto"),
        NV("x-request-id", "r:1"),
        NV("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")};
    nghttp2_data_provider provider = {.read_callback = read_upload};
    p->upload = big;
    p->upload_len = sizeof(big) - 1;
    int32_t id = nghttp2_submit_request(p->client, NULL, nv, 7, &provider, NULL);
    exchange_bytes(p);
    struct arena a;
    struct header trailers[RESPONSE_HEADERS_MAX];
    const struct failure f = {.code = TLY_EPAYLOAD_TOO_LARGE,
                              .text = STR("the body is larger than the limit")};
    arena_init(&a, NULL, 0, 4096);
    size_t count = grpc_failure_trailers(trailers, &a, &f);
    assert_int_equal(count, 3); /* status, message, details */
    for (size_t i = 0; i < count; i++) {
        char line[512];
        snprintf(line, sizeof(line), "%.*s: %.*s\n", STR_ARG(trailers[i].name),
                 STR_ARG(trailers[i].value));
        assert_non_null(strstr(answer_of(p, id)->headers, line));
    }
    arena_close(&a);
    assert_non_null(strstr(answer_of(p, id)->headers, "x-request-id: r:1\n"));
    assert_non_null(strstr(answer_of(p, id)->headers, "traceparent: 00-4bf92f"));
    nv[4] = (nghttp2_nv)NV("content-type", "application/json");
    p->upload = big;
    p->upload_len = sizeof(big) - 1;
    id = nghttp2_submit_request(p->client, NULL, nv, 7, &provider, NULL);
    exchange_bytes(p);
    answer_of(p, id)->body[answer_of(p, id)->body_len] = 0;
    assert_non_null(strstr(answer_of(p, id)->body, "\"instance\":\"r%3A1\""));
    assert_non_null(strstr(answer_of(p, id)->headers, "x-request-id: r:1\n"));
}

static void a_refusal_does_not_wait_for_the_rest_of_the_request(void **state)
{
    struct pair *p = *state;
    static char big[6001];
    memset(big, 'x', sizeof(big) - 1);
    p->upload_waits = true;
    int32_t id = ask(p, "POST", "/a", NULL, NULL, big);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 413);
    assert_true(answer_of(p, id)->closed);
    assert_int_equal(answer_of(p, id)->error_code, NGHTTP2_NO_ERROR);
    assert_true(p->d.session->ops->idle(p->d.session));
}

static void headers_beyond_the_limit_are_refused(void **state)
{
    struct pair *p = *state;
    char value[600];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    int32_t line = ask(p, "GET", "/a", "x-long", value, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, line)->status, 431);

    nghttp2_nv nv[44] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":authority", "a"),
                         NV(":path", "/")};
    for (int i = 4; i < 44; i++)
        nv[i] = (nghttp2_nv)NV("x-many", "v");
    int32_t many = nghttp2_submit_request(p->client, NULL, nv, 44, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, many)->status, 431);

    char path[400];
    memset(path, '/', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    int32_t target = ask(p, "GET", path, NULL, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, target)->status, 414);
    assert_int_equal(p->d.handled, 0);
}

static void targets_and_doubled_headers_are_as_strict_as_in_http_1(void **state)
{
    struct pair *p = *state;
    int32_t id = ask(p, "GET", "/a#b", NULL, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 400);
    nghttp2_nv nv[] = {NV(":method", "GET"),       NV(":scheme", "http"),
                       NV(":authority", "a"),      NV(":path", "/"),
                       NV("idempotency-key", "a"), NV("idempotency-key", "b")};
    id = nghttp2_submit_request(p->client, NULL, nv, 6, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 400);
    assert_int_equal(p->d.handled, 0);
}

static int32_t ask_host(struct pair *p, const char *authority, const char *host)
{
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":path", "/"),
                       NV(":authority", authority), NV("host", host)};
    return nghttp2_submit_request(p->client, NULL, nv, host[0] ? 5 : 4, NULL, NULL);
}

static void a_request_names_one_host(void **state)
{
    struct pair *p = *state;
    static const struct {
        const char *authority, *host;
        int status;
    } rows[] = {
        {"a:80", "a:80", 200}, {"Shop.example", "shop.EXAMPLE", 200},
        {"a", "", 200},        {"a", "b", 400},
        {"a", "a:80", 400},    {"u@a", "", 400},
        {"a b", "a b", 400},   {"a", "a,b", 400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int32_t id = ask_host(p, rows[i].authority, rows[i].host);
        exchange_bytes(p);
        struct answer *a = answer_of(p, id);
        if (a->status != rows[i].status && !(rows[i].status == 400 && a->error_code))
            fail_msg("row %zu: %d", i, a->status);
    }
}

static void a_host_header_may_stand_for_the_authority(void **state)
{
    struct pair *p = *state;
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":path", "/"),
                       NV("host", "a:80")};
    int32_t id = nghttp2_submit_request(p->client, NULL, nv, 4, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 200);
}

static void the_client_is_told_to_continue(void **state)
{
    struct pair *p = *state;
    p->upload_waits = true;
    int32_t id = ask(p, "POST", "/a", "expect", "100-Continue", "");
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 100);
    assert_false(answer_of(p, id)->closed);
    p->upload_waits = false;
    p->upload = "hello";
    p->upload_len = 5;
    assert_int_equal(nghttp2_session_resume_data(p->client, id), 0);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 200);
    assert_string_equal(p->d.log, "POST /a? hello\n");
}

static void an_expectation_without_a_body_needs_no_word(void **state)
{
    struct pair *p = *state;
    int32_t id = ask(p, "POST", "/a", "expect", "100-continue", NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 200);
    assert_null(strstr(answer_of(p, id)->headers, ":status: 100"));
}

static void other_expectations_are_refused(void **state)
{
    struct pair *p = *state;
    int32_t id = ask(p, "POST", "/a", "expect", "200-ok", "x");
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 417);
    assert_int_equal(p->d.handled, 0);
}

static void a_body_that_is_announced_too_long_is_not_asked_for(void **state)
{
    struct pair *p = *state;
    static const char *const lengths[] = {"4097", "18446744073709551617",
                                          "00000000000000000004097"};
    for (size_t i = 0; i < 3; i++) {
        nghttp2_nv nv[] = {NV(":method", "POST"),        NV(":scheme", "http"),
                           NV(":authority", "a"),        NV(":path", "/"),
                           NV("expect", "100-continue"), NV("content-length", lengths[i])};
        nghttp2_data_provider provider = {.read_callback = read_upload};
        p->upload_waits = true;
        int32_t id = nghttp2_submit_request(p->client, NULL, nv, 6, &provider, NULL);
        exchange_bytes(p);
        struct answer *a = answer_of(p, id);
        assert_true(i == 1 ? a->closed : a->status == 413); /* nghttp2 takes no number so large */
        assert_null(strstr(a->headers, ":status: 100"));
    }
    assert_int_equal(p->d.handled, 0);
}

static void a_tunnel_is_not_offered(void **state)
{
    struct pair *p = *state;
    nghttp2_nv nv[] = {NV(":method", "CONNECT"), NV(":authority", "a:80")};
    int32_t id = nghttp2_submit_request(p->client, NULL, nv, 2, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 501);
}

static void a_list_header_given_twice_is_one_list(void **state)
{
    struct pair *p = *state;
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":authority", "a"),
                       NV(":path", "/"),     NV("accept", "b"),     NV("accept", "c")};
    (void)nghttp2_submit_request(p->client, NULL, nv, 6, NULL, NULL);
    exchange_bytes(p);
    assert_string_equal(p->d.log, "GET /? [b, c] \n");
}

static void a_reset_stream_is_gone_and_its_answer_dropped(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    int32_t id = ask(p, "GET", "/x", NULL, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(nghttp2_submit_rst_stream(p->client, 0, id, NGHTTP2_CANCEL), 0);
    exchange_bytes(p);
    assert_int_equal(p->d.gone, 1);
    assert_true(p->d.kept[0]->gone);
    driver_answer(&p->d, p->d.kept[0]);
    p->d.kept_count = 0;
    assert_true(p->d.session->ops->idle(p->d.session));
}

static void an_answer_already_given_may_be_reset(void **state)
{
    struct pair *p = *state;
    const uint8_t *data;
    ssize_t n;
    size_t taken;
    p->d.keep = true;
    int32_t id = ask(p, "GET", "/x", NULL, NULL, NULL);
    exchange_bytes(p);
    driver_answer(&p->d, p->d.kept[0]);
    p->d.kept_count = 0;
    /* The reset arrives before the answer has been pulled. */
    assert_int_equal(nghttp2_submit_rst_stream(p->client, 0, id, NGHTTP2_CANCEL), 0);
    while ((n = nghttp2_session_mem_send(p->client, &data)) > 0)
        assert_int_equal(p->d.session->ops->feed(p->d.session, data, (size_t)n, &taken), 0);
    exchange_bytes(p);
    assert_true(p->d.session->ops->idle(p->d.session));
    assert_int_equal(p->d.gone, 0);
}

static void a_lost_connection_reports_every_open_request(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    for (int i = 0; i < 5; i++)
        ask(p, "GET", "/x", NULL, NULL, NULL);
    p->upload_waits = true;
    ask(p, "POST", "/half", NULL, NULL, "abc");
    exchange_bytes(p);
    assert_int_equal(p->d.kept_count, 5);
    driver_hang_up(&p->d);
    assert_int_equal(p->d.gone, 5);
}

static void rapid_resets_end_the_connection(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    for (int i = 0; i < 20000 && !p->goaway; i++) {
        nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":authority", "a"),
                           NV(":path", "/")};
        int32_t id = nghttp2_submit_request(p->client, NULL, nv, 4, NULL, NULL);
        const uint8_t *data;
        ssize_t n;
        if (id < 0)
            break;
        p->d.out_len = 0;
        while ((n = nghttp2_session_mem_send(p->client, &data)) > 0)
            driver_feed(&p->d, data, (size_t)n, 0);
        if (p->d.kept_count) {
            (void)nghttp2_submit_rst_stream(p->client, 0, id, NGHTTP2_CANCEL);
            while ((n = nghttp2_session_mem_send(p->client, &data)) > 0)
                driver_feed(&p->d, data, (size_t)n, 0);
            driver_answer(&p->d, p->d.kept[--p->d.kept_count]);
        }
        p->goaway |= p->d.session->ops->finished(p->d.session) || p->d.broken;
    }
    assert_true(p->goaway);
    assert_in_range(p->d.gone, 4000, 7000);
}

static void a_flood_of_pings_ends_the_connection(void **state)
{
    struct pair *p = *state;
    exchange_bytes(p);
    size_t taken;
    static const uint8_t ping[17] = {0, 0, 8, NGHTTP2_PING};
    int rv = 0;
    int pings = 0;
    for (; pings < 100000 && rv == 0; pings++)
        rv = p->d.session->ops->feed(p->d.session, ping, sizeof(ping), &taken);
    assert_int_equal(rv, TLY_ECLOSED);
    assert_true(pings < 2000);
    driver_pull(&p->d);
    assert_true(p->d.session->ops->finished(p->d.session));
}

static void a_flood_of_continuations_ends_the_connection(void **state)
{
    struct pair *p = *state;
    exchange_bytes(p);
    size_t taken;
    static const uint8_t headers[9] = {0, 0, 0, NGHTTP2_HEADERS, 0, 0, 0, 0, 1};
    static const uint8_t more[9] = {0, 0, 0, NGHTTP2_CONTINUATION, 0, 0, 0, 0, 1};
    int rv = p->d.session->ops->feed(p->d.session, headers, sizeof(headers), &taken);
    int frames = 0;
    for (; frames < 1000 && rv == 0; frames++)
        rv = p->d.session->ops->feed(p->d.session, more, sizeof(more), &taken);
    assert_int_equal(rv, TLY_ECLOSED);
    assert_true(frames < 20);
}

static void broken_frames_are_answered_with_goaway(void **state)
{
    struct pair *p = *state;
    exchange_bytes(p);
    static const uint8_t junk[] = {0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 2, 3};
    size_t taken;
    assert_int_equal(p->d.session->ops->feed(p->d.session, junk, sizeof(junk), &taken), 0);
    exchange_bytes(p);
    assert_true(p->goaway);
    assert_true(p->d.session->ops->finished(p->d.session));
}

static void beyond_the_output_limit_new_streams_are_refused(void **state)
{
    struct pair *p = *state;
    nghttp2_session_del(p->client);
    open_client(p, 0); /* no window: answers stay */
    p->d.keep = true;
    static char body[3000];
    memset(body, 'b', sizeof(body));
    int refused = 0;
    for (int i = 0; i < 60; i++) {
        int32_t id = ask(p, "GET", "/x", NULL, NULL, NULL);
        exchange_bytes(p);
        struct response r = {.status = 200, .body = {body, sizeof(body)}};
        if (p->d.kept_count)
            exchange_respond(p->d.kept[--p->d.kept_count], &r);
        else
            refused += answer_of(p, id)->error_code == NGHTTP2_REFUSED_STREAM;
    }
    assert_int_equal(refused, 60 - (1 << 16) / 3000 - 1);
    assert_true(p->d.session->ops->unsent(p->d.session));
    assert_false(p->d.session->ops->congested(p->d.session));
}

static struct exchange *open_stream(struct pair *p, int32_t *id)
{
    p->d.keep = true;
    *id = ask(p, "GET", "/watch", NULL, NULL, NULL);
    exchange_bytes(p);
    struct exchange *x = p->d.kept[--p->d.kept_count];
    struct response r = {.status = 200, .content_type = STR("application/grpc")};
    x->ops->stream_open(x, &r);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, *id)->status, 200);
    return x;
}

static void a_stream_is_sent_as_it_is_written(void **state)
{
    struct pair *p = *state;
    int32_t id;
    struct exchange *x = open_stream(p, &id);
    assert_int_equal(x->ops->stream_write(x, "one", 3), 0);
    exchange_bytes(p);
    assert_memory_equal(answer_of(p, id)->body, "one", 3);
    assert_int_equal(x->ops->stream_write(x, "two", 3), 0);
    char status[] = "0";
    struct header trailer = {STR("grpc-status"), {status, 1}};
    x->ops->stream_end(x, &trailer, 1);
    status[0] = '!'; /* the trailers were copied */
    exchange_bytes(p);
    struct answer *a = answer_of(p, id);
    assert_memory_equal(a->body, "onetwo", 6);
    assert_non_null(strstr(a->headers, "grpc-status: 0\n"));
    assert_true(a->closed && a->error_code == 0);
}

static void a_stream_without_window_is_full_and_goes_on_later(void **state)
{
    struct pair *p = *state;
    int32_t id;
    nghttp2_session_del(p->client);
    open_client(p, 0);
    struct exchange *x = open_stream(p, &id);
    char data[1000] = {0};
    int writes = 0;
    while (x->ops->stream_write(x, data, sizeof(data)) == 0)
        writes++;
    assert_int_equal(writes, 4);
    exchange_bytes(p);
    assert_int_equal(x->ops->stream_write(x, data, sizeof(data)), TLY_EFULL);
    assert_true(p->d.session->ops->unsent(p->d.session));
    assert_int_equal(nghttp2_submit_window_update(p->client, 0, id, 100000), 0);
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->body_len, 4000);
    assert_int_equal(x->ops->stream_write(x, data, sizeof(data)), 0);
    x->ops->stream_end(x, NULL, 0);
    exchange_bytes(p);
    assert_true(answer_of(p, id)->closed);
}

/* ---- requests that the handler takes as a stream ---- */

static char heard[256];

static void on_data(struct exchange *x, const void *data, size_t size, bool end)
{
    (void)x;
    size_t used = strlen(heard);
    snprintf(heard + used, sizeof(heard) - used, "%.*s%s", (int)size, (const char *)data,
             end ? "." : ",");
}

static void a_request_may_be_taken_as_a_stream(void **state)
{
    struct pair *p = *state;
    heard[0] = 0;
    p->d.keep = p->d.wants_stream = p->upload_waits = true;
    p->d.on_data = on_data;
    int32_t id = ask(p, "POST", "/stream", NULL, NULL, "first");
    exchange_bytes(p);
    struct exchange *x = p->d.kept[--p->d.kept_count];
    struct response r = {.status = 200, .content_type = STR("application/grpc")};
    x->ops->stream_open(x, &r);
    exchange_bytes(p);
    assert_string_equal(heard, "first,");
    assert_int_equal(p->d.session->ops->receiving_since(p->d.session), 0);
    assert_int_equal(x->ops->stream_write(x, "answer", 6), 0);
    exchange_bytes(p);
    assert_memory_equal(answer_of(p, id)->body, "answer", 6);
    p->upload = "last";
    p->upload_len = 4;
    p->upload_waits = false;
    assert_int_equal(nghttp2_session_resume_data(p->client, id), 0);
    exchange_bytes(p);
    assert_true(strcmp(heard, "first,last,.") == 0 || strcmp(heard, "first,last.") == 0);
    x->ops->stream_end(x, NULL, 0);
    exchange_bytes(p);
    assert_true(answer_of(p, id)->closed);
    assert_true(p->d.session->ops->idle(p->d.session));
}

static void a_stream_that_the_server_ends_first_is_over(void **state)
{
    struct pair *p = *state;
    heard[0] = 0;
    p->d.keep = p->d.wants_stream = p->upload_waits = true;
    p->d.on_data = on_data;
    int32_t id = ask(p, "POST", "/stream", NULL, NULL, "first");
    exchange_bytes(p);
    struct exchange *x = p->d.kept[--p->d.kept_count];
    struct response r = {.status = 200, .content_type = STR("application/grpc")};
    x->ops->stream_open(x, &r);
    struct header trailer = {STR("grpc-status"), STR("0")};
    x->ops->stream_end(x, &trailer, 1);
    exchange_bytes(p);
    assert_non_null(strstr(answer_of(p, id)->headers, "grpc-status: 0\n"));
    assert_true(answer_of(p, id)->closed);
    assert_int_equal(answer_of(p, id)->error_code, NGHTTP2_NO_ERROR);
    assert_true(p->d.session->ops->idle(p->d.session));
}

static void an_unfinished_request_has_a_beginning(void **state)
{
    struct pair *p = *state;
    assert_int_equal(p->d.session->ops->receiving_since(p->d.session), 1000);
    exchange_bytes(p);
    assert_int_equal(p->d.session->ops->receiving_since(p->d.session), 0);
    p->d.host.now_ns = 7000;
    p->upload_waits = true;
    int32_t id = ask(p, "POST", "/x", NULL, NULL, "abc");
    exchange_bytes(p);
    p->d.host.now_ns = 9000;
    assert_int_equal(p->d.session->ops->receiving_since(p->d.session), 7000);
    p->upload_waits = false;
    assert_int_equal(nghttp2_session_resume_data(p->client, id), 0);
    exchange_bytes(p);
    assert_int_equal(p->d.session->ops->receiving_since(p->d.session), 0);
}

static void draining_says_goaway_and_finishes_what_is_under_way(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    int32_t id = ask(p, "GET", "/x", NULL, NULL, NULL);
    exchange_bytes(p);
    p->d.session->ops->drain(p->d.session);
    exchange_bytes(p);
    assert_true(p->goaway);
    assert_int_equal(p->goaway_code, NGHTTP2_NO_ERROR);
    assert_false(p->d.session->ops->finished(p->d.session));
    driver_answer(&p->d, p->d.kept[0]);
    p->d.kept_count = 0;
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 200);
    assert_true(p->d.session->ops->finished(p->d.session));
}

static void too_many_streams_are_refused(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    exchange_bytes(p);
    for (int i = 0; i < 150; i++)
        ask(p, "GET", "/x", NULL, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(p->d.kept_count, 100);
}

static void a_small_call_needs_no_malloc_of_its_own(void **state)
{
    struct pair *p = *state;
    ask(p, "POST", "/a", "content-type", "text/plain", "hello");
    exchange_bytes(p);
    size_t before = wire_pool_slab_bytes(p->d.host.pool);
    for (int i = 0; i < 100; i++) {
        ask(p, "POST", "/a", "content-type", "text/plain", "hello");
        exchange_bytes(p);
    }
    assert_int_equal(wire_pool_slab_bytes(p->d.host.pool), before);
    assert_int_equal(p->d.handled, 101);
}

static void requests_of_a_worker_are_bounded(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    p->d.limits.exchanges_max = 2;
    ask(p, "GET", "/1", NULL, NULL, NULL);
    ask(p, "GET", "/2", NULL, NULL, NULL);
    int32_t id = ask(p, "GET", "/3", NULL, NULL, NULL);
    exchange_bytes(p);
    assert_int_equal(p->d.handled, 2);
    assert_int_equal(answer_of(p, id)->error_code, NGHTTP2_REFUSED_STREAM);
}

static void a_session_that_has_rested_goes_on(void **state)
{
    struct pair *p = *state;
    exchange_bytes(p);
    for (int i = 0; i < 3; i++) {
        p->d.session->ops->rest(p->d.session);
        int32_t id = ask(p, "POST", "/a", "content-type", "text/plain", "hello");
        exchange_bytes(p);
        assert_int_equal(answer_of(p, id)->status, 200);
        assert_memory_equal(answer_of(p, id)->body, "POST /a hello", 13);
    }
}

static void a_session_with_an_open_stream_does_not_rest(void **state)
{
    struct pair *p = *state;
    p->d.keep = true;
    int32_t id = ask(p, "GET", "/x", NULL, NULL, NULL);
    exchange_bytes(p);
    p->d.session->ops->rest(p->d.session);
    driver_answer(&p->d, p->d.kept[0]);
    p->d.kept_count = 0;
    exchange_bytes(p);
    assert_int_equal(answer_of(p, id)->status, 200);
    assert_true(p->d.session->ops->idle(p->d.session));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_request_is_answered),
        T(input_may_come_byte_by_byte),
        T(output_may_leave_byte_by_byte),
        T(grpc_answers_end_in_trailers),
        T(trailers_only_is_one_frame),
        T(answers_may_come_in_any_order),
        T(a_body_beyond_the_limit_is_refused_in_either_tongue),
        T(a_refusal_does_not_wait_for_the_rest_of_the_request),
        T(a_refusal_of_the_wire_says_what_every_refusal_says),
        T(headers_beyond_the_limit_are_refused),
        T(targets_and_doubled_headers_are_as_strict_as_in_http_1),
        T(a_request_names_one_host),
        T(a_host_header_may_stand_for_the_authority),
        T(the_client_is_told_to_continue),
        T(an_expectation_without_a_body_needs_no_word),
        T(other_expectations_are_refused),
        T(a_body_that_is_announced_too_long_is_not_asked_for),
        T(a_tunnel_is_not_offered),
        T(a_list_header_given_twice_is_one_list),
        T(a_reset_stream_is_gone_and_its_answer_dropped),
        T(an_answer_already_given_may_be_reset),
        T(a_lost_connection_reports_every_open_request),
        T(rapid_resets_end_the_connection),
        T(a_flood_of_pings_ends_the_connection),
        T(a_flood_of_continuations_ends_the_connection),
        T(broken_frames_are_answered_with_goaway),
        T(beyond_the_output_limit_new_streams_are_refused),
        T(a_stream_is_sent_as_it_is_written),
        T(a_stream_without_window_is_full_and_goes_on_later),
        T(a_request_may_be_taken_as_a_stream),
        T(a_stream_that_the_server_ends_first_is_over),
        T(an_unfinished_request_has_a_beginning),
        T(draining_says_goaway_and_finishes_what_is_under_way),
        T(too_many_streams_are_refused),
        T(requests_of_a_worker_are_bounded),
        T(a_session_that_has_rested_goes_on),
        T(a_session_with_an_open_stream_does_not_rest),
        T(a_small_call_needs_no_malloc_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
