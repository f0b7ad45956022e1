/* gzip, and the bodies that come in it. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "session_driver.h"
#include "wire/charge.h"
#include "wire/gzip.h"
#include "wire/http_common.h"

enum { PACKED_MAX = 1 << 16 };

struct packed {
    uint8_t bytes[PACKED_MAX];
    uint32_t len;
};

static void pack(struct packed *out, const void *data, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const unsigned char *)(uintptr_t)data;
    z.avail_in = (unsigned)size;
    z.next_out = out->bytes + out->len;
    z.avail_out = PACKED_MAX - out->len;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len = (uint32_t)(z.next_out - out->bytes);
    deflateEnd(&z);
}

static struct str text_of(const struct packed *p)
{
    return (struct str){(const char *)p->bytes, p->len};
}

static int decode(struct str packed, size_t max, struct str *out, struct error *e)
{
    static struct arena a;
    arena_close(&a);
    arena_init(&a, NULL, 0, 64 << 20);
    return gzip_decode(packed, max, &a, out, e);
}

static void what_was_packed_comes_out(void **state)
{
    (void)state;
    static char text[200000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)((i * 2654435761u) >> 24 & 15 ? 'a' + i % 7 : (i >> 3) & 127);
    for (size_t size = 0; size <= sizeof(text); size = size * 3 + 1) {
        struct packed p = {.len = 0};
        struct str out;
        pack(&p, text, size);
        assert_int_equal(decode(text_of(&p), sizeof(text), &out, NULL), 0);
        assert_int_equal(out.len, size);
        if (size)
            assert_memory_equal(out.p, text, size);
    }
}

static void members_are_joined(void **state)
{
    (void)state;
    struct packed p = {.len = 0};
    struct str out;
    pack(&p, "one, ", 5);
    pack(&p, "two", 3);
    assert_int_equal(decode(text_of(&p), 8, &out, NULL), 0);
    assert_true(str_equal(out, STR("one, two")));
}

static void cut_short_or_damaged_content_is_refused(void **state)
{
    (void)state;
    struct packed p = {.len = 0};
    struct str out = {0};
    struct error e;
    pack(&p, "some content", 12);
    for (uint32_t len = 0; len < p.len; len++) {
        assert_int_equal(decode((struct str){(char *)p.bytes, len}, 100, &out, &e),
                         TLY_EINVALID_ARGUMENT);
        assert_non_null(strstr(e.text, "cut short"));
    }
    p.bytes[p.len] = 'x'; /* something behind it */
    assert_int_equal(decode((struct str){(char *)p.bytes, p.len + 1}, 100, &out, &e),
                     TLY_EINVALID_ARGUMENT);
    p.bytes[p.len - 5] ^= 1; /* the checksum */
    assert_int_equal(decode(text_of(&p), 100, &out, &e), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(e.text, "not gzip"));
    assert_int_equal(decode(STR("{\"user_id\":\"u\"}"), 100, &out, &e), TLY_EINVALID_ARGUMENT);
    assert_null(out.p);
}

static void what_is_larger_than_the_limit_is_refused(void **state)
{
    (void)state;
    struct packed p = {.len = 0};
    struct str out;
    static char zeros[1000];
    pack(&p, zeros, sizeof(zeros));
    assert_int_equal(decode(text_of(&p), sizeof(zeros), &out, NULL), 0);
    assert_int_equal(decode(text_of(&p), sizeof(zeros) - 1, &out, NULL), TLY_EPAYLOAD_TOO_LARGE);
}

static void what_grows_beyond_reason_is_refused(void **state)
{
    (void)state;
    struct packed p = {.len = 0};
    struct str out;
    struct error e;
    static char zeros[GZIP_FREE_BYTES + 1];
    pack(&p, zeros, GZIP_FREE_BYTES);
    assert_true(p.len * GZIP_GROWTH_MAX < GZIP_FREE_BYTES);
    assert_int_equal(decode(text_of(&p), 1 << 30, &out, &e), 0);
    p.len = 0;
    pack(&p, zeros, GZIP_FREE_BYTES + 1);
    assert_int_equal(decode(text_of(&p), 1 << 30, &out, &e), TLY_EPAYLOAD_TOO_LARGE);
    assert_non_null(strstr(e.text, "128 times"));
}

static int refuse_second(void *context, const void *data, size_t size)
{
    int *calls = context;
    (void)data, (void)size;
    return ++*calls == 2 ? TLY_EOVERLOADED : 0;
}

static void what_the_sink_says_ends_it(void **state)
{
    (void)state;
    struct packed p = {.len = 0};
    static char zeros[GZIP_FREE_BYTES];
    int calls = 0;
    pack(&p, zeros, sizeof(zeros));
    assert_int_equal(gzip_decode_to(text_of(&p), refuse_second, &calls, NULL), TLY_EOVERLOADED);
    assert_int_equal(calls, 2);
}

/* ---- bodies ---- */

static void say_packed(struct driver *d, const char *coding, const struct packed *p)
{
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "POST /a HTTP/1.1\r\nHost: a\r\nContent-Encoding: %s\r\n"
                     "Content-Length: %u\r\n\r\n",
                     coding, p->len);
    driver_feed(d, head, (size_t)n, 0);
    driver_feed(d, p->bytes, p->len, 0);
}

static void a_body_in_gzip_is_handed_over_without_it(void **state)
{
    (void)state;
    static const char *const codings[] = {"gzip", "GZip", "x-gzip"};
    struct driver d;
    driver_open(&d, PROTOCOL_HTTP1);
    for (size_t i = 0; i < 3; i++) {
        struct packed p = {.len = 0};
        d.log_len = 0;
        pack(&p, "hello", 5);
        say_packed(&d, codings[i], &p);
        assert_string_equal(d.log, "POST /a? hello\n");
    }
    driver_close(&d);
}

static void a_body_that_is_no_gzip_is_refused_and_the_connection_goes_on(void **state)
{
    (void)state;
    struct driver d;
    struct packed p = {.bytes = "hello", .len = 5};
    driver_open(&d, PROTOCOL_HTTP1);
    say_packed(&d, "gzip", &p);
    assert_non_null(strstr(driver_out(&d), "HTTP/1.1 400 "));
    assert_non_null(strstr(driver_out(&d), "not gzip"));
    assert_int_equal(d.handled, 0);
    assert_false(d.broken);
    driver_feed(&d, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n", 29, 0);
    assert_string_equal(d.log, "GET /b? \n");
    driver_close(&d);
}

static void a_body_counts_as_what_comes_out_of_it(void **state)
{
    (void)state;
    struct driver d;
    struct packed p = {.len = 0};
    static char text[5000];
    memset(text, 'x', sizeof(text));
    driver_open(&d, PROTOCOL_HTTP1);
    pack(&p, text, d.limits.body_max);
    say_packed(&d, "gzip", &p);
    assert_int_equal(d.handled, 1);
    p.len = 0;
    pack(&p, text, d.limits.body_max + 1);
    say_packed(&d, "gzip", &p);
    assert_int_equal(d.handled, 1);
    assert_non_null(strstr(driver_out(&d), "HTTP/1.1 413 "));
    driver_close(&d);
}

static void other_codings_are_left_as_they_are(void **state)
{
    (void)state;
    struct driver d;
    struct packed p = {.bytes = "hello", .len = 5};
    driver_open(&d, PROTOCOL_HTTP1);
    say_packed(&d, "br", &p);
    say_packed(&d, "identity", &p);
    say_packed(&d, "gzip, gzip", &p);
    assert_string_equal(d.log, "POST /a? [br] hello\nPOST /a? [identity] hello\n"
                               "POST /a? [gzip, gzip] hello\n");
    driver_close(&d);
}

/* A gRPC request with the body; what unpacking says, and what the body is then. */
static int unpack_grpc(struct driver *d, const char *type, const char *coding, struct str body,
                       struct str *out)
{
    static struct exchange x;
    struct refusal refusal;
    arena_close(&x.arena);
    x = (struct exchange){.protocol = PROTOCOL_HTTP2, .body = body};
    arena_init(&x.arena, NULL, 0, 1 << 20);
    x.headers[HEADER_content_type] = str_of(type);
    x.headers[HEADER_grpc_encoding] = str_of(coding);
    int code = exchange_unpack(&d->host, d->session, &x, &refusal);
    exchange_detach(d->session, &x);
    budget_give(&d->budget, (enum budget_class)x.charged_as, x.charged);
    *out = x.body;
    return code;
}

static void the_message_of_a_grpc_call_is_unpacked(void **state)
{
    (void)state;
    struct driver d;
    struct packed p = {.len = 5};
    struct str out;
    driver_open(&d, PROTOCOL_HTTP2);
    pack(&p, "hello", 5);
    p.bytes[0] = 1;
    p.bytes[4] = (uint8_t)(p.len - 5);
    assert_int_equal(unpack_grpc(&d, "application/grpc", "gzip", text_of(&p), &out), 0);
    assert_true(str_equal(out, STR("\0\0\0\0\5hello")));
    assert_int_equal(unpack_grpc(&d, "Application/GRPC+proto", "gzip", text_of(&p), &out), 0);
    assert_int_equal(out.len, 10);
    static const char *const others[] = {"identity", "deflate", ""};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(unpack_grpc(&d, "application/grpc", others[i], text_of(&p), &out), 0);
        assert_true(str_equal(out, text_of(&p)));
    }
    assert_int_equal(unpack_grpc(&d, "application/json", "gzip", text_of(&p), &out), 0);
    assert_true(str_equal(out, text_of(&p)));
    p.bytes[4]++; /* the frame is longer than what came */
    assert_int_equal(unpack_grpc(&d, "application/grpc", "gzip", text_of(&p), &out), 0);
    assert_true(str_equal(out, text_of(&p)));
    p.bytes[4]--;
    p.bytes[0] = 0;
    assert_int_equal(unpack_grpc(&d, "application/grpc", "gzip", text_of(&p), &out), 0);
    assert_true(str_equal(out, text_of(&p)));
    p.bytes[0] = 1;
    p.bytes[p.len - 5] ^= 0xff;
    assert_int_equal(unpack_grpc(&d, "application/grpc", "gzip", text_of(&p), &out),
                     TLY_EINVALID_ARGUMENT);
    driver_close(&d);
}

static void a_long_message_has_its_length(void **state)
{
    (void)state;
    struct driver d;
    struct packed p = {.len = 5};
    struct str out;
    static char text[3000];
    driver_open(&d, PROTOCOL_HTTP2);
    pack(&p, text, sizeof(text));
    p.bytes[0] = 1;
    p.bytes[4] = (uint8_t)(p.len - 5);
    assert_int_equal(unpack_grpc(&d, "application/grpc", "gzip", text_of(&p), &out), 0);
    assert_int_equal(out.len, 3005);
    assert_memory_equal(out.p, "\0\0\0\x0b\xb8", 5);
    driver_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_out),
        cmocka_unit_test(members_are_joined),
        cmocka_unit_test(cut_short_or_damaged_content_is_refused),
        cmocka_unit_test(what_is_larger_than_the_limit_is_refused),
        cmocka_unit_test(what_grows_beyond_reason_is_refused),
        cmocka_unit_test(what_the_sink_says_ends_it),
        cmocka_unit_test(a_body_in_gzip_is_handed_over_without_it),
        cmocka_unit_test(a_body_that_is_no_gzip_is_refused_and_the_connection_goes_on),
        cmocka_unit_test(a_body_counts_as_what_comes_out_of_it),
        cmocka_unit_test(the_message_of_a_grpc_call_is_unpacked),
        cmocka_unit_test(a_long_message_has_its_length),
        cmocka_unit_test(other_codings_are_left_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
