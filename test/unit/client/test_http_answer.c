#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/http_answer.h"

static char text[1024];
static struct http_answer answer;
static size_t used;

static enum http_answer_result parse(const char *bytes)
{
    snprintf(text, sizeof(text), "%s", bytes);
    return http_answer_parse(text, strlen(text), &answer, &used);
}

static void assert_body(const char *body)
{
    assert_int_equal(answer.body.len, strlen(body));
    assert_memory_equal(answer.body.p, body, strlen(body));
}

static void an_answer_ends_where_its_content_length_says(void **state)
{
    (void)state;
    const char *first = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
                        "content-length: 5\r\n\r\n{\"a\"}";
    char both[512];
    snprintf(both, sizeof(both), "%sHTTP/1.1 200 OK\r\n", first);
    assert_int_equal(parse(both), HTTP_ANSWER_COMPLETE);
    assert_int_equal(answer.status, 201);
    assert_int_equal(used, strlen(first));
    assert_true(answer.keep_alive);
    assert_body("{\"a\"}");
    assert_int_equal(answer.content_type.len, strlen("application/json"));
}

static void an_answer_that_is_cut_short_anywhere_is_not_complete(void **state)
{
    (void)state;
    const char *whole[] = {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char cut[256];
        for (size_t len = 0; len < strlen(whole[i]); len++) {
            memcpy(cut, whole[i], len);
            /* a block of its own, so that a read behind it is seen */
            char *exact = malloc(len + 1);
            memcpy(exact, cut, len);
            assert_int_equal(http_answer_parse(exact, len, &answer, &used), HTTP_ANSWER_MORE);
            free(exact);
        }
        assert_int_equal(parse(whole[i]), HTTP_ANSWER_COMPLETE);
        assert_body("abc");
        assert_int_equal(used, strlen(whole[i]));
    }
}

static void chunks_are_put_together(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "4\r\nabcd\r\nA\r\n0123456789\r\n0\r\n\r\n"),
                     HTTP_ANSWER_COMPLETE);
    assert_body("abcd0123456789");
}

static void a_continue_before_the_answer_is_passed_over(void **state)
{
    (void)state;
    assert_int_equal(
        parse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
        HTTP_ANSWER_COMPLETE);
    assert_int_equal(answer.status, 200);
    assert_body("x");
}

static void connection_close_and_retry_after_are_told(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 503 x\r\nConnection: close\r\nRetry-After: 7\r\n"
                           "Content-Length: 0\r\n\r\n"),
                     HTTP_ANSWER_COMPLETE);
    assert_false(answer.keep_alive);
    assert_int_equal(answer.retry_after_s, 7);
    assert_body("");
}

static void what_is_no_http_is_broken(void **state)
{
    (void)state;
    assert_int_equal(parse("SSH-2.0-OpenSSH_9.2\r\n\r\n"), HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 abc\r\n\r\n"), HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), HTTP_ANSWER_BROKEN);
}

static void an_end_that_is_not_told_or_told_twice_is_broken(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 200 OK\r\n\r\nabc"), HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
                     HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                           "Transfer-Encoding: chunked\r\n\r\nabc"),
                     HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc"), HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
                     HTTP_ANSWER_BROKEN);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
                     HTTP_ANSWER_BROKEN);
}

static void a_chunk_without_an_end_or_a_size_is_broken(void **state)
{
    (void)state;
    const char *head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const char *bodies[] = {"3\r\nabcXX0\r\n\r\n", "zz\r\n", "\r\n", "ffffffffffffffffff\r\n"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char whole[256];
        snprintf(whole, sizeof(whole), "%s%s", head, bodies[i]);
        assert_int_equal(parse(whole), HTTP_ANSWER_BROKEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_where_its_content_length_says),
        cmocka_unit_test(an_answer_that_is_cut_short_anywhere_is_not_complete),
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(a_continue_before_the_answer_is_passed_over),
        cmocka_unit_test(connection_close_and_retry_after_are_told),
        cmocka_unit_test(what_is_no_http_is_broken),
        cmocka_unit_test(an_end_that_is_not_told_or_told_twice_is_broken),
        cmocka_unit_test(a_chunk_without_an_end_or_a_size_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
