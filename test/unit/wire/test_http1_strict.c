/* What the HTTP/1.1 parser takes and what it refuses, each at once and byte by byte. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "session_driver.h"

#define HOST "Host: a\r\n"

struct row {
    const char *name;
    const char *input;
    const char *status; /* of the first answer */
};

/* clang-format off */
static const struct row refused[] = {
    {"both lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {"both lengths, other order", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", "400"},
    {"equal lengths twice", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400"},
    {"length list", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\na", "400"},
    {"signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na", "400"},
    {"negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\na", "400"},
    {"hexadecimal length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\na", "400"},
    {"empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", "400"},
    {"overflowing length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\na", "413"},
    {"length that is long and no number", "POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999999x\r\n\r\n", "400"},
    {"length beyond the limit", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4097\r\n\r\n", "413"},
    {"unknown transfer coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "501"},
    {"list of transfer codings", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
    {"chunked twice", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {"chunked with a tail", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunkedx\r\n\r\n", "501"},
    {"chunked with a vertical tab", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n", "400"},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {"bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n", "400"},
    {"bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400"},
    {"bare LF as the empty line", "GET / HTTP/1.1\r\n" HOST "\n", "400"},
    {"bare CR in a value", "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", "400"},
    {"two CR", "GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", "400"},
    {"folded line", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "400"},
    {"folded first line", "GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", "400"},
    {"space before the colon", "GET / HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\n", "400"},
    {"tab before the colon", "GET / HTTP/1.1\r\n" HOST "X\t: 1\r\n\r\n", "400"},
    {"empty name", "GET / HTTP/1.1\r\n" HOST ": 1\r\n\r\n", "400"},
    {"no colon", "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", "400"},
    {"name that is no token", "GET / HTTP/1.1\r\n" HOST "X(y): 1\r\n\r\n", "400"},
    {"name beyond ASCII", "GET / HTTP/1.1\r\n" HOST "X\xc3\xa4: 1\r\n\r\n", "400"},
    {"control in a value", "GET / HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n", "400"},
    {"control in a long value", "GET / HTTP/1.1\r\n" HOST "X: 0123456789abcdef\x1f" "0123456789\r\n\r\n", "400"},
    {"delete in a value", "GET / HTTP/1.1\r\n" HOST "X: 0123\x7f" "4567\r\n\r\n", "400"},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
    {"no host in HTTP/1.2", "GET / HTTP/1.2\r\n\r\n", "400"},
    {"two hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
    {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
    {"host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
    {"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
    {"host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
    {"host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", "400"},
    {"fragment", "GET /#a HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"backslash", "GET /a\\b HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"target beyond ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"tunnel", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", "501"},
    {"authority form", "GET a:80 HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"absolute form with a user", "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"asterisk with GET", "GET * HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"other scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"no target", "GET HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"space at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n", "400"},
    {"tab for a space", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"method that is no token", "G{T / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"long method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"HTTP/0.9", "GET /\r\n", "400"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", "505"},
    {"HTTP/0.9 by its number", "GET / HTTP/0.9\r\n" HOST "\r\n", "505"},
    {"version of three digits", "GET / HTTP/1.10\r\n" HOST "\r\n", "400"},
    {"lower-case version", "GET / http/1.1\r\n" HOST "\r\n", "400"},
    {"two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"TLS hello", "\x16\x03\x01\x02", "400"},
    {"half a preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "505"},
    {"other expectation", "POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", "417"},
    {"expectation twice", "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "417"},
    {"single header twice", "POST / HTTP/1.1\r\n" HOST "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", "400"},
    {"nothing for the last chunk", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n", "400"},
    {"chunk size with a tail", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1x\r\na\r\n0\r\n\r\n", "400"},
    {"chunk extension without a size", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n;a=b\r\na\r\n0\r\n\r\n", "400"},
    {"control in a chunk extension", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;a=\x01\r\na\r\n0\r\n\r\n", "400"},
    {"bare CR in a chunk extension", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;a\rb\r\na\r\n0\r\n\r\n", "400"},
    {"bare LF behind a chunk extension", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;a\na\r\n0\r\n\r\n", "400"},
    {"chunk size with a prefix", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", "400"},
    {"chunk size with a sign", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", "400"},
    {"chunk size with a space", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", "400"},
    {"empty chunk size", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n", "400"},
    {"chunk size that overflows", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n", "400"},
    {"huge chunk", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na\r\n", "413"},
    {"chunk longer than its size", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "400"},
    {"chunk that ends in a bare LF", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n", "400"},
    {"bad trailer", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX y: 1\r\n\r\n", "400"},
};

static const struct row taken[] = {
    {"path", "GET /a/b%20c?d=e&f HTTP/1.1\r\n" HOST "\r\n", "GET /a/b%20c?d=e&f \n"},
    {"one empty line in front", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET /? \n"},
    {"absolute form", "GET http://b:80/c?d HTTP/1.1\r\n" HOST "\r\n", "GET /c?d \n"},
    {"absolute form without a path", "GET HTTPS://b HTTP/1.1\r\n" HOST "\r\n", "GET /? \n"},
    {"absolute form with a query alone", "GET http://b?d HTTP/1.1\r\n" HOST "\r\n", "GET /?d \n"},
    {"asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *? \n"},
    {"asterisk as a proxy sends it", "OPTIONS http://b:80 HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *? \n"},
    {"options of a path as a proxy asks for them", "OPTIONS http://b/ HTTP/1.1\r\n" HOST "\r\n", "OPTIONS /? \n"},
    {"HTTP/1.2", "GET /a HTTP/1.2\r\n" HOST "\r\nGET /b HTTP/1.9\r\n" HOST "\r\n", "GET /a? \nGET /b? \n"},
    {"unknown method", "BREW /pot HTTP/1.1\r\n" HOST "\r\n", "BREW /pot? \n"},
    {"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:7070\r\n\r\n", "GET /? \n"},
    {"HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n", "GET /? \n"},
    {"names in any case", "GET / HTTP/1.1\r\nhOST: a\r\nACCEPT:b\r\n\r\n", "GET /? [b] \n"},
    {"space around a value", "GET / HTTP/1.1\r\n" HOST "Accept: \t b c\t \r\n\r\n", "GET /? [b c] \n"},
    {"empty value", "GET / HTTP/1.1\r\n" HOST "Accept:\r\n\r\n", "GET /? [] \n"},
    {"value beyond ASCII", "GET / HTTP/1.1\r\n" HOST "Accept: \xc3\xa4\r\n\r\n", "GET /? [\xc3\xa4] \n"},
    {"a list header twice", "GET / HTTP/1.1\r\n" HOST "Accept: a\r\nAccept:\r\nAccept: b\r\n\r\n", "GET /? [a, , b] \n"},
    {"length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0005\r\n\r\nhello", "POST /? hello\n"},
    {"length with many zeros", "POST / HTTP/1.1\r\n" HOST "Content-Length: 000000000000000000000000005\r\n\r\nhello", "POST /? hello\n"},
    {"no body", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "POST /? \n"},
    {"chunks", "POST / HTTP/1.1\r\n" HOST "transfer-encoding: Chunked\r\n\r\n1\r\nh\r\n04\r\nello\r\n0\r\n\r\n", "POST /? hello\n"},
    {"chunk extensions", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nh\r\n4 ; c ;d=\"e;f\"\r\nello\r\n0;g\r\n\r\n", "POST /? hello\n"},
    {"trailers are dropped", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n000\r\nAccept: x\r\nContent-Length: 9\r\n\r\n", "POST /? 0123456789\n"},
    {"two requests", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\n" HOST "\r\n", "POST /a? x\nGET /b? \n"},
    {"nothing after Connection: close", "GET /a HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "GET /a? \n"},
    {"nothing after HTTP/1.0", "GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "GET /a? \n"},
};
/* clang-format on */

static void check_refused(const struct row *row, size_t step)
{
    struct driver d;
    char expected[32];
    driver_open(&d, PROTOCOL_HTTP1);
    driver_feed(&d, row->input, strlen(row->input), step);
    snprintf(expected, sizeof(expected), "HTTP/1.1 %s ", row->status);
    if (d.handled || strncmp(driver_out(&d), expected, strlen(expected)) != 0 || !d.broken)
        fail_msg("%s (step %zu): expected %s, got %s", row->name, step, expected, driver_out(&d));
    assert_non_null(strstr(driver_out(&d), "content-type: application/problem+json\r\n"));
    assert_non_null(strstr(driver_out(&d), "connection: close\r\n"));
    assert_true(d.session->ops->finished(d.session));
    driver_close(&d);
}

static void what_two_readers_could_understand_in_two_ways_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        check_refused(&refused[i], 0);
        check_refused(&refused[i], 1);
        check_refused(&refused[i], 7);
    }
}

static void what_is_no_http_at_all_is_not_answered(void **state)
{
    (void)state;
    static const char input[] = "INVALID CONNECTION PREFACE\r\n\r\n";
    for (size_t step = 0; step < 3; step++) {
        struct driver d;
        driver_open(&d, PROTOCOL_HTTP1);
        driver_feed(&d, input, sizeof(input) - 1, step);
        assert_true(d.broken);
        assert_string_equal(driver_out(&d), "");
        assert_true(d.session->ops->finished(d.session));
        driver_close(&d);
    }
}

static void check_taken(const struct row *row, size_t step)
{
    struct driver d;
    driver_open(&d, PROTOCOL_HTTP1);
    driver_feed(&d, row->input, strlen(row->input), step);
    if (strcmp(d.log, row->status) != 0 || d.broken)
        fail_msg("%s (step %zu): expected %s, got %s and %s", row->name, step, row->status, d.log,
                 driver_out(&d));
    driver_close(&d);
}

static void what_is_well_formed_is_taken_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        for (size_t step = 0; step < 12; step++)
            check_taken(&taken[i], step);
}

/* A request whose line, header line, headers or number of headers is as long as asked for. */
static size_t request_of(char *out, size_t size, size_t target, size_t value, size_t count)
{
    size_t n = (size_t)snprintf(out, size, "GET /%.*s HTTP/1.1\r\n" HOST, (int)target,
                                "0123456789012345678901234567890123456789012345678901234567890123"
                                "0123456789012345678901234567890123456789012345678901234567890123"
                                "0123456789012345678901234567890123456789012345678901234567890123"
                                "0123456789012345678901234567890123456789012345678901234567890123");
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(out + n, size - n, "X: ");
        memset(out + n, 'v', value);
        n += value;
        n += (size_t)snprintf(out + n, size - n, "\r\n");
    }
    return n + (size_t)snprintf(out + n, size - n, "\r\n");
}

static void limits_are_kept_to_the_byte(void **state)
{
    (void)state;
    static const struct {
        size_t target, value, count;
        const char *status;
    } rows[] = {
        {255, 1, 0, "200"}, {256, 1, 0, "414"}, {0, 509, 1, "200"}, {0, 510, 1, "431"},
        {0, 1, 19, "200"},  {0, 1, 20, "431"},  {0, 500, 4, "200"}, {0, 506, 4, "431"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 0; step < 3; step++) {
            struct driver d;
            char request[8192];
            char expected[32];
            driver_open(&d, PROTOCOL_HTTP1);
            size_t n =
                request_of(request, sizeof(request), rows[i].target, rows[i].value, rows[i].count);
            driver_feed(&d, request, n, step);
            snprintf(expected, sizeof(expected), "HTTP/1.1 %s ", rows[i].status);
            if (strncmp(driver_out(&d), expected, strlen(expected)) != 0)
                fail_msg("row %zu, step %zu: %s", i, step, driver_out(&d));
            driver_close(&d);
        }
    }
}

static void a_line_without_end_is_refused_at_the_limit(void **state)
{
    (void)state;
    struct driver d;
    driver_open(&d, PROTOCOL_HTTP1);
    size_t fed = 0;
    while (!d.broken && fed < 100000) {
        driver_feed(&d, "a", 1, 1);
        fed++;
    }
    assert_true(fed < 400);
    assert_non_null(strstr(driver_out(&d), "HTTP/1.1 414 "));
    driver_close(&d);
}

static void a_chunked_body_is_bounded_as_a_whole(void **state)
{
    (void)state;
    struct driver d;
    driver_open(&d, PROTOCOL_HTTP1);
    const char *head = "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    driver_feed(&d, head, strlen(head), 0);
    size_t chunks = 0;
    while (!d.broken && chunks < 10000) {
        driver_feed(&d, "4\r\nabcd\r\n", 9, 0);
        chunks++;
    }
    assert_int_equal(chunks, 4096 / 4 + 1);
    assert_non_null(strstr(driver_out(&d), "HTTP/1.1 413 "));
    driver_close(&d);
}

static void chunk_extensions_are_bounded_as_headers_are(void **state)
{
    (void)state;
    struct driver d;
    static const char head[] = "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    char chunk[410];
    driver_open(&d, PROTOCOL_HTTP1);
    driver_feed(&d, head, sizeof(head) - 1, 0);
    memset(chunk, 'e', sizeof(chunk));
    memcpy(chunk, "1;", 2);
    memcpy(chunk + 402, "\r\na\r\n", 5);
    for (int i = 0; i < 5; i++)
        driver_feed(&d, chunk, 407, 0);
    assert_false(d.broken);
    driver_feed(&d, chunk, 407, 0);
    assert_true(d.broken);
    assert_memory_equal(driver_out(&d), "HTTP/1.1 431 ", 13);
    driver_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_readers_could_understand_in_two_ways_is_refused),
        cmocka_unit_test(chunk_extensions_are_bounded_as_headers_are),
        cmocka_unit_test(what_is_no_http_at_all_is_not_answered),
        cmocka_unit_test(what_is_well_formed_is_taken_however_it_is_cut),
        cmocka_unit_test(limits_are_kept_to_the_byte),
        cmocka_unit_test(a_line_without_end_is_refused_at_the_limit),
        cmocka_unit_test(a_chunked_body_is_bounded_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
