/* What is peculiar to HTTP/1.1: how requests look, where answers end, what ends the connection, and
 * the memory of sessions. */
#include "fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_fake_http1.h"

static struct client client;
static const struct call reserve_42 = {.kind = CALL_RESERVE, .quantity = 2, .order = 42};
static const struct call get_lot = {.kind = CALL_GET_LOT};

static int set_up(void **state)
{
    (void)state;
    client_open(&client, &protocol_http1, 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    return 0;
}

static int feed(const char *text)
{
    return client_feed(&client, (const uint8_t *)text, strlen(text), 0);
}

static void begin(struct call *call, struct call kind)
{
    *call = kind;
    client_submit(&client, call);
    client_flush(&client, 0);
}

#define LOT_BODY "{\"lot\":\"cola#008a47f9\",\"on_hand\":5,\"available\":5}" /* 49 bytes */
#define LOT      "HTTP/1.1 200 OK\r\ncontent-length: 49\r\n\r\n" LOT_BODY
#define HELD_BODY                                                                                  \
    "{\"reservation_id\":\"9\",\"order_id\":\"0123456789ab-00000000002a\",\"status\":\"PENDING\"," \
    "\"lines\":[{\"lot\":\"cola#008a47f9\",\"quantity\":2}]}"

/* To one GetLot on a session of its own. */
static enum answer_code answer_to_lot(const char *text, size_t size, size_t piece)
{
    static struct client one;
    struct call call = get_lot;
    enum answer_code code = ANSWER_CODE_COUNT;
    client_open(&one, &protocol_http1, 1);
    client_submit(&one, &call);
    client_flush(&one, 0);
    int rv = client_feed(&one, (const uint8_t *)text, size, piece);
    assert_true(rv == 0 || rv == TLY_ECORRUPT);
    if (rv == 0 && one.answer_count > 0)
        code = client_answer(&one, &call)->code;
    if (rv == 0 && one.answer_count == 0)
        code = ANSWER_CLOSED; /* waits for more */
    client_close(&one);
    return code;
}

enum { BROKEN = ANSWER_CODE_COUNT, WAITS = ANSWER_CLOSED };

static enum answer_code answer_text_to_lot(const char *text)
{
    enum answer_code whole = answer_to_lot(text, strlen(text), 0);
    assert_int_equal(answer_to_lot(text, strlen(text), 1), whole);
    return whole;
}

/* ---- requests ---- */

static void requests_look_as_the_contract_says(void **state)
{
    static const char reserve[] =
        "POST /v1/reservations HTTP/1.1\r\nHost: server.example:7070\r\n"
        "X-Request-Timeout-Ms: 2500\r\nContent-Type: application/json\r\nContent-Length: "
        "111\r\n\r\n"
        "{\"order_id\":\"0123456789ab-00000000002a\",\"user_id\":\"buyer-";
    static const char lot[] =
        "GET /v1/lots/cola%23008a47f9 HTTP/1.1\r\nHost: server.example:7070\r\n"
        "X-Request-Timeout-Ms: 2500\r\n\r\n";
    static const char refund[] =
        "POST /v1/reservations/77/refund HTTP/1.1\r\nHost: server.example:7070\r\n"
        "X-Request-Timeout-Ms: 2500\r\nContent-Length: 0\r\n\r\n";
    struct call calls[3];
    (void)state;
    begin(&calls[0], reserve_42);
    assert_memory_equal(client.sent, reserve, sizeof reserve - 1);
    client.sent_size = 0;
    begin(&calls[1], get_lot);
    assert_int_equal(client.sent_size, sizeof lot - 1);
    assert_memory_equal(client.sent, lot, sizeof lot - 1);
    client.sent_size = 0;
    begin(&calls[2], (struct call){.kind = CALL_REFUND, .reservation_id = 77});
    assert_int_equal(client.sent_size, sizeof refund - 1);
    assert_memory_equal(client.sent, refund, sizeof refund - 1);
}

/* ---- where an answer ends ---- */

static void heads_are_read_whatever_their_case_and_spaces(void **state)
{
    (void)state;
    assert_int_equal(answer_text_to_lot(LOT), ANSWER_OK);
    assert_int_equal(answer_text_to_lot("HTTP/1.1 200\r\nContent-LENGTH:49\r\n\r\n" LOT_BODY),
                     ANSWER_OK);
    assert_int_equal(answer_text_to_lot("HTTP/1.1 200 \r\nX: a:b\r\ncontent-length: \t49 \t\r\n"
                                        "content-length: 49\r\nEmpty:\r\n\r\n" LOT_BODY),
                     ANSWER_OK);
}

static void what_cannot_be_followed_is_corrupt(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\n\r\n",                                             /* no end */
        "HTTP/1.1 200 OK\r\ncontent-length: 49\r\ncontent-length: 47\r\n\r\n", /* two */
        "HTTP/1.1 200 OK\r\ncontent-length: 49\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : 1\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: folded\r\n line\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: bare\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: bare\rreturn\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 49\r\n\r\n",
        "HTTP/2.0 200 OK\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 2000 OK\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 020 OK\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 20 OK\r\ncontent-length: 49\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 49\r\n\r\n",
        "\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(answer_to_lot(texts[i], strlen(texts[i]), 0), BROKEN);
        assert_int_equal(answer_to_lot(texts[i], strlen(texts[i]), 1), BROKEN);
    }
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HALF_1  "{\"lot\":\"cola#008a47f9\","    /* 23 bytes */
#define HALF_2  "\"on_hand\":5,\"available\":5}" /* 26 bytes */

static void chunks_are_put_together(void **state)
{
    (void)state;
    assert_int_equal(answer_text_to_lot(CHUNKED "31\r\n" LOT_BODY "\r\n0\r\n\r\n"), ANSWER_OK);
    assert_int_equal(
        answer_text_to_lot(CHUNKED "17\r\n" HALF_1 "\r\n1a\r\n" HALF_2 "\r\n0\r\n\r\n"), ANSWER_OK);
    assert_int_equal(answer_text_to_lot(CHUNKED "00017;name=\"value\"\r\n" HALF_1
                                                "\r\n1A \t\r\n" HALF_2
                                                "\r\n000;x\r\nTrailer: 1\r\nOther: 2\r\n\r\n"),
                     ANSWER_OK);
    assert_int_equal(answer_text_to_lot(CHUNKED "0\r\n\r\n"), ANSWER_MALFORMED);
    assert_int_equal(answer_text_to_lot(CHUNKED "17\r\n" HALF_1 "\r\n1a\r\n" HALF_2 "\r\n0\r\n"),
                     WAITS);
}

static void chunks_that_are_none_are_corrupt(void **state)
{
    static const char *const texts[] = {CHUNKED "\r\n",         CHUNKED "x\r\n",
                                        CHUNKED "-1\r\n",       CHUNKED "2\nab",
                                        CHUNKED "2\rab",        CHUNKED "2\r\nabc\r\n",
                                        CHUNKED "2\r\nab\n0",   CHUNKED ";x\r\n",
                                        CHUNKED "7fffffff\r\n", CHUNKED "ffffffffffffffffffff\r\n",
                                        CHUNKED "0\r\nx\n\r\n", CHUNKED "0\r\nx\ry\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(answer_text_to_lot(texts[i]), BROKEN);
}

static void an_interim_response_is_passed_over(void **state)
{
    (void)state;
    assert_int_equal(answer_text_to_lot("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
                                        "HTTP/1.1 100 Continue\r\n\r\n" LOT),
                     ANSWER_OK);
}

static void a_response_without_a_body_is_malformed_or_refused_by_its_status(void **state)
{
    (void)state;
    assert_int_equal(answer_text_to_lot("HTTP/1.1 204 No Content\r\n\r\n"), ANSWER_MALFORMED);
    assert_int_equal(answer_text_to_lot("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
                     ANSWER_MALFORMED);
    assert_int_equal(answer_text_to_lot("HTTP/1.1 304 Not Modified\r\n\r\n"), ANSWER_OTHER);
    assert_int_equal(answer_text_to_lot("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
                     ANSWER_NOT_FOUND);
}

/* ---- bounds ---- */

static void a_head_beyond_the_bound_is_corrupt(void **state)
{
    enum { SIZE = 20000, BOUND = 16384 };
    static char text[SIZE + 1];
    static const size_t pieces[] = {0, 1000, 1};
    (void)state;
    int begun = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nx: ");
    memset(text + begun, 'x', SIZE - (size_t)begun);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answer_to_lot(text, BOUND - 1, pieces[i]), WAITS);
        assert_int_equal(answer_to_lot(text, SIZE, pieces[i]), BROKEN);
    }
    memcpy(text + SIZE - 4, "\r\n\r\n", 4);
    assert_int_equal(answer_to_lot(text, SIZE, 0), BROKEN);
}

static void a_body_beyond_the_bound_is_corrupt_before_it_comes(void **state)
{
    (void)state;
    assert_int_equal(answer_text_to_lot("HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n"),
                     BROKEN);
    assert_int_equal(answer_text_to_lot("HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n"),
                     WAITS);
    assert_int_equal(answer_text_to_lot(CHUNKED "100001\r\n"), BROKEN);
    assert_int_equal(answer_text_to_lot(CHUNKED "1\r\n{\r\n100000\r\n"), BROKEN);
    assert_int_equal(answer_text_to_lot(CHUNKED "1\r\n{\r\nfffff\r\n"), WAITS);
}

static void trailers_beyond_the_bound_are_corrupt(void **state)
{
    enum { LINES = 5000, BEGIN = sizeof CHUNKED "0\r\n" - 1 };
    static char text[BEGIN + LINES * 6 + 1] = CHUNKED "0\r\n";
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        memcpy(text + BEGIN + 6 * i, "a: b\r\n", 6);
    assert_int_equal(answer_to_lot(text, 16000, 0), WAITS);
    assert_int_equal(answer_text_to_lot(text), BROKEN);
}

/* ---- refusals ---- */

static enum answer_code refused(enum call_kind kind, const char *status, const char *body)
{
    char text[512];
    struct call call;
    client.answer_count = 0;
    begin(&call, (struct call){.kind = kind, .quantity = 1, .reservation_id = 7, .batch = 2});
    snprintf(text, sizeof text, "HTTP/1.1 %s Refused\r\ncontent-length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    assert_int_equal(feed(text), 0);
    return client_answer(&client, &call)->code;
}

static void without_a_problem_the_status_decides(void **state)
{
    static const char *const bodies[] = {"",
                                         "<html>nginx</html>",
                                         "{}",
                                         "{\"code\":7}",
                                         "{\"code\":null}",
                                         "[\"SOLD_OUT\"]",
                                         "{\"title\":\"x"};
    static const struct {
        const char *status;
        enum answer_code code;
    } expected[] = {{"400", ANSWER_INVALID_ARGUMENT},
                    {"404", ANSWER_NOT_FOUND},
                    {"409", ANSWER_SOLD_OUT},
                    {"422", ANSWER_ORDER_MISMATCH},
                    {"429", ANSWER_LIMIT_EXCEEDED},
                    {"504", ANSWER_OUTCOME_UNKNOWN},
                    {"503", ANSWER_OTHER},
                    {"502", ANSWER_OTHER},
                    {"301", ANSWER_OTHER}};
    (void)state;
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
            assert_int_equal(refused(CALL_RESERVE, expected[i].status, bodies[b]),
                             expected[i].code);
    assert_int_equal(refused(CALL_REFUND, "409", ""), ANSWER_INVALID_TRANSITION);
}

static void the_code_is_found_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(refused(CALL_RESERVE, "409", "{\"code\":\"ALREADY_EXISTS\"}"),
                     ANSWER_ALREADY_EXISTS);
    assert_int_equal(refused(CALL_RESERVE, "409",
                             " { \"a\" : { \"code\" : \"NOT_FOUND\" , \"b\" : [ 1.5e-3 , true ] } "
                             ", \"code\" : \"LIMIT_EXCEEDED\" }"),
                     ANSWER_LIMIT_EXCEEDED);
    assert_int_equal(refused(CALL_RESERVE, "409", "{\"c\\u006fde\":\"SOLD\\u005fOUT\"}"),
                     ANSWER_SOLD_OUT);
}

/* ---- bodies ---- */

static enum answer_code held_with(const char *body)
{
    char text[1024];
    struct call call;
    client.answer_count = 0;
    begin(&call, reserve_42);
    snprintf(text, sizeof text, "HTTP/1.1 201 Created\r\ncontent-length: %zu\r\n\r\n%s",
             strlen(body), body);
    assert_int_equal(feed(text), 0);
    return client_answer(&client, &call)->code;
}

static void a_body_that_is_cut_anywhere_is_malformed(void **state)
{
    char body[] = HELD_BODY;
    (void)state;
    assert_int_equal(held_with(body), ANSWER_OK);
    for (size_t n = sizeof body - 2; n > 0; n--) {
        body[n] = 0;
        assert_int_equal(held_with(body), ANSWER_MALFORMED);
    }
}

static void more_than_the_body_is_malformed(void **state)
{
    (void)state;
    assert_int_equal(held_with(HELD_BODY " \r\n"), ANSWER_OK);
    assert_int_equal(held_with(HELD_BODY "}"), ANSWER_MALFORMED);
    assert_int_equal(held_with(HELD_BODY HELD_BODY), ANSWER_MALFORMED);
}

static void unknown_members_of_any_kind_are_skipped(void **state)
{
    (void)state;
    assert_int_equal(
        held_with("{\"new\":{\"a\":[[],{},\"\\\"]}\",null,-0.5E+7]},\"x\":false,\"reservation_id\":"
                  "\"9\",\"order_id\":\"0123456789ab-00000000002a\",\"status\":\"PENDING\","
                  "\"lines\":[{\"sku\":\"cola\",\"lot\":\"cola#008a47f9\",\"quantity\":2}]}"),
        ANSWER_OK);
}

static enum answer_code batch_with(const char *body)
{
    char text[1024];
    struct call call;
    client.answer_count = 0;
    begin(&call, (struct call){.kind = CALL_RESERVE_BATCH, .quantity = 2, .order = 42, .batch = 1});
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(body),
             body);
    assert_int_equal(feed(text), 0);
    return client_answer(&client, &call)->code;
}

#define OUTCOME(order) "{\"order_id\":\"" order "\",\"code\":\"OK\",\"reservation\":" HELD_BODY "}"
#define ORDER_42       "0123456789ab-00000000002a"

static void the_outcomes_of_a_batch_are_its_whole_body(void **state)
{
    (void)state;
    assert_int_equal(batch_with("{\"a\":1,\"outcomes\":[" OUTCOME(ORDER_42) "]}"), ANSWER_OK);
    assert_int_equal(batch_with("{\"outcomes\":[" OUTCOME(ORDER_42) "]"), ANSWER_MALFORMED);
    assert_int_equal(batch_with("{\"outcomes\":[" OUTCOME(ORDER_42) "]}]"), ANSWER_MALFORMED);
    assert_int_equal(batch_with("[" OUTCOME(ORDER_42) "]"), ANSWER_MALFORMED);
}

static void an_outcome_with_the_reservation_of_another_order_is_malformed(void **state)
{
    static const char body[] =
        "{\"outcomes\":[{\"order_id\":\"" ORDER_42 "\",\"code\":\"OK\",\"reservation\":"
        "{\"reservation_id\":\"9\",\"order_id\":\"0123456789ab-00000000002b\",\"status\":"
        "\"PENDING\",\"lines\":[{\"lot\":\"cola#008a47f9\",\"quantity\":2}]}}]}";
    (void)state;
    assert_int_equal(batch_with(body), ANSWER_MALFORMED);
}

static void members_of_other_types_are_malformed(void **state)
{
    static const char *const heads[] = {"\"reservation_id\":9",
                                        "\"order_id\":[]",
                                        "\"status\":true",
                                        "\"lines\":{}",
                                        "\"replayed\":\"true\"",
                                        "\"lines\":[{\"quantity\":\"2\"}]",
                                        "\"lines\":[{\"quantity\":2.0}]",
                                        "\"lines\":[7]"};
    char body[512];
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        snprintf(body, sizeof body, "{%s,%s", heads[i], &HELD_BODY[1]);
        assert_int_equal(held_with(body), ANSWER_MALFORMED);
    }
}

static void replayed_is_told_by_the_header_or_the_body(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nIdempotent-Replayed: true\r\ncontent-length: 49\r\n\r\n" LOT_BODY,
        "HTTP/1.1 200 OK\r\nIdempotent-Replayed: false\r\ncontent-length: 49\r\n\r\n" LOT_BODY,
        LOT};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct call call;
        client.answer_count = 0;
        begin(&call, get_lot);
        assert_int_equal(feed(texts[i]), 0);
        assert_int_equal(client_answer(&client, &call)->replayed, i == 0);
    }
}

/* ---- the connection ---- */

static void after_connection_close_nothing_more_is_sent_or_awaited(void **state)
{
    struct call calls[3], more = get_lot;
    (void)state;
    for (int i = 0; i < 2; i++)
        begin(&calls[i], get_lot);
    calls[2] = get_lot;
    client_submit(&client, &calls[2]); /* not sent yet */
    client.sent_size = 0;
    assert_int_equal(
        feed("HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 49\r\n\r\n" LOT_BODY LOT),
        0);
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_OK);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_CLOSED);
    assert_int_equal(client_answer(&client, &calls[2])->code, ANSWER_CLOSED);
    assert_true(protocol_http1.counts(client.session).goaway);
    assert_int_equal(protocol_http1.room(client.session), 0);
    assert_int_equal(protocol_http1.submit(client.session, &more), TLY_ECLOSED);
    client_flush(&client, 0);
    assert_int_equal(client.sent_size, 0);
    client_fail(&client, ANSWER_CLOSED);
    assert_int_equal(client.answer_count, 3);
}

static void http_1_0_closes_unless_it_says_otherwise(void **state)
{
    struct call calls[2];
    (void)state;
    begin(&calls[0], get_lot);
    assert_int_equal(
        feed("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 49\r\n\r\n" LOT_BODY),
        0);
    assert_false(protocol_http1.counts(client.session).goaway);
    begin(&calls[1], get_lot);
    assert_int_equal(feed("HTTP/1.0 200 OK\r\ncontent-length: 49\r\n\r\n" LOT_BODY), 0);
    assert_true(protocol_http1.counts(client.session).goaway);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_OK);
}

static void an_answer_that_nobody_asked_for_is_corrupt(void **state)
{
    struct call call = get_lot;
    (void)state;
    assert_int_equal(feed(LOT), TLY_ECORRUPT);
    client_submit(&client, &call); /* but not a byte of it is sent */
    assert_int_equal(feed(LOT), TLY_ECORRUPT);
    client_flush(&client, 0);
    assert_int_equal(feed(LOT LOT), TLY_ECORRUPT);
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_OK);
}

static void an_answer_to_half_a_request_counts_and_ends_the_connection(void **state)
{
    struct call calls[2] = {{.kind = CALL_RESERVE_BATCH, .quantity = 1, .batch = 100}, get_lot};
    uint8_t some[2000];
    (void)state;
    client_submit(&client, &calls[0]);
    client_submit(&client, &calls[1]);
    assert_int_equal(protocol_http1.output(client.session, some, sizeof some), sizeof some);
    assert_int_equal(feed("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"), 0);
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_OTHER);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_CLOSED);
    memset(calls, 0xFF, sizeof calls); /* they are their owner's again */
    assert_int_equal(protocol_http1.output(client.session, some, sizeof some), 0);
    assert_true(protocol_http1.counts(client.session).goaway);
}

static void answers_are_given_in_the_order_of_the_calls(void **state)
{
    enum { CALLS = 8, ROUNDS = 40 };
    static struct call calls[CALLS];
    (void)state;
    /* Answers come in other numbers than calls go, so that the ring turns. */
    unsigned sent = 0, answered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned room = protocol_http1.room(client.session); room > (unsigned)round % 3;
             room--)
            begin(&calls[sent++ % CALLS], get_lot);
        for (unsigned n = 1 + (unsigned)round % CALLS; n > 0 && answered < sent; n--) {
            client.answer_count = 0;
            assert_int_equal(feed(LOT), 0);
            assert_int_equal(client.answer_count, 1);
            assert_ptr_equal(client.answers[0].call, &calls[answered++ % CALLS]);
            assert_int_equal(client.answers[0].answer.code, ANSWER_OK);
        }
    }
    assert_true(answered > 100);
}

/* ---- memory ---- */

static void an_idle_session_takes_less_than_half_a_kibibyte(void **state)
{
    enum { SESSIONS = 100 };
    static struct client many[SESSIONS];
    struct call call = get_lot;
    (void)state;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < SESSIONS; i++) {
        client_open(&many[i], &protocol_http1, 100);
        client_submit(&many[i], &call);
        client_flush(&many[i], 0);
        assert_int_equal(client_feed(&many[i], (const uint8_t *)LOT, sizeof LOT - 1, 40), 0);
        assert_int_equal(many[i].answer_count, 1);
        free(many[i].sent);
        many[i].sent = NULL;
    }
    size_t each = (mallinfo2().uordblks - before) / SESSIONS;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(each, 64, 511);
#else
    (void)each;
#endif
    for (int i = 0; i < SESSIONS; i++)
        client_close(&many[i]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_look_as_the_contract_says),
        TEST(heads_are_read_whatever_their_case_and_spaces),
        TEST(what_cannot_be_followed_is_corrupt),
        TEST(chunks_are_put_together),
        TEST(chunks_that_are_none_are_corrupt),
        TEST(an_interim_response_is_passed_over),
        TEST(a_response_without_a_body_is_malformed_or_refused_by_its_status),
        TEST(a_head_beyond_the_bound_is_corrupt),
        TEST(a_body_beyond_the_bound_is_corrupt_before_it_comes),
        TEST(trailers_beyond_the_bound_are_corrupt),
        TEST(without_a_problem_the_status_decides),
        TEST(the_code_is_found_wherever_it_stands),
        TEST(a_body_that_is_cut_anywhere_is_malformed),
        TEST(more_than_the_body_is_malformed),
        TEST(unknown_members_of_any_kind_are_skipped),
        TEST(the_outcomes_of_a_batch_are_its_whole_body),
        TEST(an_outcome_with_the_reservation_of_another_order_is_malformed),
        TEST(members_of_other_types_are_malformed),
        TEST(replayed_is_told_by_the_header_or_the_body),
        TEST(after_connection_close_nothing_more_is_sent_or_awaited),
        TEST(http_1_0_closes_unless_it_says_otherwise),
        TEST(an_answer_that_nobody_asked_for_is_corrupt),
        TEST(an_answer_to_half_a_request_counts_and_ends_the_connection),
        TEST(answers_are_given_in_the_order_of_the_calls),
        TEST(an_idle_session_takes_less_than_half_a_kibibyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
