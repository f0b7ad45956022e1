/* What is peculiar to gRPC: resets, GOAWAY, limits of streams, answers that break the rules of a
 * unary call, details, and the memory of sessions. */
#include "fixture.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_fake_grpc.h"
#include "loadgen/grpc_memory.h"

static struct client client;
static struct fake fake;
static const struct call reserve_42 = {.kind = CALL_RESERVE, .quantity = 2, .order = 42};
static const struct reply held_42 = {.reservation_id = "481923847561928374",
                                     .order_id = "0123456789ab-00000000002a",
                                     .status = "PENDING",
                                     .expires_at = "2026-11-22T10:15:00.000Z",
                                     .lots = {"cola#008a47f9"},
                                     .quantities = {2},
                                     .lines = 1};
static const struct fake_fields good = {{":status", "content-type"}, {"200", "application/grpc"}};
static const struct fake_fields ok = {{"grpc-status"}, {"0"}};

static int set_up(void **state)
{
    (void)state;
    client_open(&client, &protocol_grpc, 8);
    fake_grpc.open(&fake);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_grpc.close(&fake);
    client_close(&client);
    return 0;
}

static void begin(struct call *calls, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        calls[i] = reserve_42;
        client_submit(&client, &calls[i]);
    }
    fake_grpc.read(&fake, &client);
    assert_int_equal(fake.count, count);
}

static void deliver(void)
{
    assert_int_equal(fake_deliver(&fake, &client, 0), 0);
}

/* Both sides say what they have to say. */
static void settle(void)
{
    fake_grpc_flush(&fake);
    deliver();
    fake_grpc.read(&fake, &client);
}

static void reset(int32_t stream, uint32_t code)
{
    assert_int_equal(
        nghttp2_submit_rst_stream(fake_grpc_session(&fake), NGHTTP2_FLAG_NONE, stream, code), 0);
}

/* ---- streams ---- */

static void a_reset_stream_is_answered_and_counted(void **state)
{
    struct call calls[3];
    (void)state;
    begin(calls, 3);
    reset(fake.seen[0].stream, NGHTTP2_INTERNAL_ERROR);
    reset(fake.seen[1].stream, NGHTTP2_REFUSED_STREAM);
    settle();
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_RESET);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_RESET);
    assert_int_equal(client.answer_count, 2);
    assert_int_equal(protocol_grpc.counts(client.session).resets, 2);
    assert_false(protocol_grpc.counts(client.session).goaway);
    assert_int_equal(protocol_grpc.room(client.session), 7);
}

static void a_reset_in_the_middle_of_a_message_is_a_reset(void **state)
{
    struct call call;
    uint8_t body[1024];
    (void)state;
    begin(&call, 1);
    size_t size = fake_grpc_body(&fake.seen[0], &held_42, body);
    fake_grpc_raw(&fake, fake.seen[0].stream, &good, body, size / 2, &fake_no_end);
    deliver();
    reset(fake.seen[0].stream, NGHTTP2_INTERNAL_ERROR);
    settle();
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_RESET);
}

static void an_answer_before_a_reset_without_error_counts(void **state)
{
    struct call call;
    (void)state;
    begin(&call, 1);
    fake_grpc.answer(&fake, &fake.seen[0], &held_42);
    reset(fake.seen[0].stream, NGHTTP2_NO_ERROR);
    settle();
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_OK);
}

/* ---- GOAWAY ---- */

static void go_away(int32_t last)
{
    assert_int_equal(nghttp2_submit_goaway(fake_grpc_session(&fake), NGHTTP2_FLAG_NONE, last,
                                           NGHTTP2_NO_ERROR, NULL, 0),
                     0);
    settle();
}

static void after_goaway_calls_under_way_are_answered_and_no_more_taken(void **state)
{
    struct call calls[2], more = reserve_42;
    (void)state;
    begin(calls, 2);
    go_away(fake.seen[1].stream);
    assert_true(protocol_grpc.counts(client.session).goaway);
    assert_int_equal(client.answer_count, 0);
    assert_int_equal(protocol_grpc.room(client.session), 0);
    assert_int_equal(protocol_grpc.submit(client.session, &more), TLY_ECLOSED);
    fake_grpc.answer(&fake, &fake.seen[0], &held_42);
    fake_grpc.answer(&fake, &fake.seen[1], &held_42);
    deliver();
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_OK);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_OK);
}

static void what_goaway_leaves_out_is_closed(void **state)
{
    struct call calls[3];
    (void)state;
    begin(calls, 3);
    go_away(fake.seen[0].stream);
    assert_int_equal(client.answer_count, 2);
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_CLOSED);
    assert_int_equal(client_answer(&client, &calls[2])->code, ANSWER_CLOSED);
    assert_int_equal(protocol_grpc.counts(client.session).resets, 0);
    fake_grpc.answer(&fake, &fake.seen[0], &held_42);
    deliver();
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_OK);
}

static void goaway_answers_what_was_not_sent_yet(void **state)
{
    struct call calls[2], late[3] = {reserve_42, reserve_42, reserve_42};
    (void)state;
    begin(calls, 2);
    assert_int_equal(nghttp2_submit_goaway(fake_grpc_session(&fake), NGHTTP2_FLAG_NONE,
                                           fake.seen[1].stream, NGHTTP2_NO_ERROR, NULL, 0),
                     0);
    fake_grpc_flush(&fake);
    for (int i = 0; i < 3; i++)
        client_submit(&client, &late[i]);
    deliver();
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_answer(&client, &late[i])->code, ANSWER_CLOSED);
    fake_grpc.read(&fake, &client);
    assert_int_equal(fake.count, 2);
    client_fail(&client, ANSWER_TIMED_OUT);
    assert_int_equal(client.answer_count, 5);
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_TIMED_OUT);
}

/* ---- limits ---- */

static void the_peers_limit_of_streams_is_kept(void **state)
{
    static const nghttp2_settings_entry three[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3}};
    struct call calls[2], third = reserve_42, fourth = reserve_42;
    (void)state;
    begin(calls, 2);
    assert_int_equal(protocol_grpc.room(client.session), 6);
    assert_int_equal(nghttp2_submit_settings(fake_grpc_session(&fake), NGHTTP2_FLAG_NONE, three, 1),
                     0);
    settle();
    assert_int_equal(protocol_grpc.room(client.session), 1);
    client_submit(&client, &third);
    assert_int_equal(protocol_grpc.room(client.session), 0);
    assert_int_equal(protocol_grpc.submit(client.session, &fourth), TLY_EFULL);
    fake_grpc.answer(&fake, &fake.seen[0], &held_42);
    deliver();
    assert_int_equal(protocol_grpc.room(client.session), 1);
}

static void nothing_is_pushed(void **state)
{
    static const uint8_t wanted[] = {0, NGHTTP2_SETTINGS_ENABLE_PUSH, 0, 0, 0, 0};
    (void)state;
    client_flush(&client, 0);
    assert_non_null(memmem(client.sent, client.sent_size, wanted, sizeof wanted));
}

/* ---- answers that break the rules ---- */

static enum answer_code answer_of(enum call_kind kind, const struct fake_fields *headers,
                                  const void *body, size_t size, const struct fake_fields *trailers)
{
    struct call call = {.kind = kind, .quantity = 2, .order = 42};
    client.answer_count = 0;
    fake.count = 0;
    client_submit(&client, &call);
    fake_grpc.read(&fake, &client);
    assert_int_equal(fake.count, 1);
    fake_grpc_raw(&fake, fake.seen[0].stream, headers, body, size, trailers);
    deliver();
    fake_grpc.read(&fake, &client);
    settle();
    return client_answer(&client, &call)->code;
}

static enum answer_code answer_to(const struct fake_fields *headers, const void *body, size_t size,
                                  const struct fake_fields *trailers)
{
    return answer_of(CALL_RESERVE, headers, body, size, trailers);
}

static enum answer_code answer_with_body(const void *body, size_t size)
{
    return answer_to(&good, body, size, &ok);
}

static void one_whole_message_is_wanted(void **state)
{
    struct seen seen = {.kind = CALL_RESERVE};
    uint8_t body[1024];
    size_t size = fake_grpc_body(&seen, &held_42, body);
    (void)state;
    assert_int_equal(answer_with_body(body, size), ANSWER_OK);
    assert_int_equal(answer_with_body(body, size - 1), ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(body, 4), ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(NULL, 0), ANSWER_MALFORMED);
    memcpy(body + size, body, size);
    assert_int_equal(answer_with_body(body, 2 * size), ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(body, size + 1), ANSWER_MALFORMED);
    body[0] = 1; /* compressed */
    assert_int_equal(answer_with_body(body, size), ANSWER_MALFORMED);
}

static void a_message_that_is_cut_anywhere_or_of_other_types_is_malformed(void **state)
{
    struct seen seen = {.kind = CALL_RESERVE};
    uint8_t body[1024], cut[1024];
    size_t size = fake_grpc_body(&seen, &held_42, body);
    (void)state;
    /* From the order_id on, whatever comes is needed, up to the end of the lines. */
    for (size_t n = 5; n < size; n++) {
        memcpy(cut, body, n);
        cut[3] = (uint8_t)((n - 5) >> 8);
        cut[4] = (uint8_t)(n - 5);
        assert_int_equal(answer_with_body(cut, n), ANSWER_MALFORMED);
    }
    static const uint8_t move_by_number[] = {0, 0, 0, 0, 7, 0x5A, 5, 0x0A, 1, '7', 0x10, 9};
    static const uint8_t number_for_text[] = {0, 0, 0, 0, 2, 0x08, 7};
    static const uint8_t group[] = {0, 0, 0, 0, 1, 0x0B};
    static const uint8_t no_field[] = {0, 0, 0, 0, 2, 0x02, 0};
    static const uint8_t endless[] = {0,    0,    0,    0,    11,   0xFF, 0xFF, 0xFF,
                                      0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1};
    assert_int_equal(answer_of(CALL_GET_ORDER, &good, move_by_number, sizeof move_by_number, &ok),
                     ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(number_for_text, sizeof number_for_text), ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(group, sizeof group), ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(no_field, sizeof no_field), ANSWER_MALFORMED);
    assert_int_equal(answer_with_body(endless, sizeof endless), ANSWER_MALFORMED);
}

static void unknown_fields_are_skipped(void **state)
{
    /* 100: varint, 101: fixed64, 102: bytes, 103: fixed32. */
    static const uint8_t unknown[] = {0xA0, 0x06, 0x96, 0x01, 0xA9, 0x06, 1,    2,    3,
                                      4,    5,    6,    7,    8,    0xB2, 0x06, 0x03, 9,
                                      9,    9,    0xBD, 0x06, 1,    2,    3,    4};
    struct seen seen = {.kind = CALL_RESERVE};
    uint8_t body[1024];
    size_t size = fake_grpc_body(&seen, &held_42, body);
    (void)state;
    memcpy(body + size, unknown, sizeof unknown);
    body[4] = (uint8_t)(body[4] + sizeof unknown);
    assert_int_equal(answer_with_body(body, size + sizeof unknown), ANSWER_OK);
}

static void a_message_beyond_the_bound_is_malformed(void **state)
{
    enum { HUGE = 2 << 20 };
    uint8_t *body = calloc(1, HUGE);
    (void)state;
    assert_non_null(body);
    memcpy(body, (uint8_t[]){0, 0x7F, 0, 0, 0}, 5); /* two gibibytes are announced */
    assert_int_equal(answer_with_body(body, HUGE), ANSWER_MALFORMED);
    memcpy(body, (uint8_t[]){0, 0, 0x1F, 0xFF, 0xFB}, 5); /* what comes, an unknown field */
    assert_int_equal(answer_with_body(body, HUGE), ANSWER_MALFORMED);
    free(body);
}

static void a_status_is_needed(void **state)
{
    static const struct fake_fields none = {{"x-other"}, {"1"}};
    static const struct fake_fields words = {{"grpc-status"}, {"fine"}};
    struct seen seen = {.kind = CALL_RESERVE};
    uint8_t body[1024];
    size_t size = fake_grpc_body(&seen, &held_42, body);
    (void)state;
    assert_int_equal(answer_to(&good, body, size, &none), ANSWER_MALFORMED);
    assert_int_equal(answer_to(&good, body, size, NULL), ANSWER_MALFORMED);
    assert_int_equal(answer_to(&good, body, size, &words), ANSWER_MALFORMED);
}

static void another_http_status_without_a_grpc_status_is_another_refusal(void **state)
{
    static const struct fake_fields bad_gateway = {{":status"}, {"502"}};
    (void)state;
    assert_int_equal(answer_to(&bad_gateway, NULL, 0, NULL), ANSWER_OTHER);
    assert_int_equal(answer_to(&bad_gateway, "<html>", 6, NULL), ANSWER_OTHER);
}

static void an_answer_that_breaks_http_is_malformed(void **state)
{
    static const struct fake_fields length = {{":status", "content-length"}, {"200", "1000"}};
    struct call calls[2];
    (void)state;
    begin(calls, 2);
    /* nghttp2's server does not look: the client's does, and resets the stream. */
    fake_grpc_raw(&fake, fake.seen[0].stream, &length, "abc", 3, NULL);
    deliver();
    settle();
    settle();
    assert_int_equal(client_answer(&client, &calls[0])->code, ANSWER_MALFORMED);
    fake_grpc.answer(&fake, &fake.seen[1], &held_42);
    deliver();
    assert_int_equal(client_answer(&client, &calls[1])->code, ANSWER_OK);
}

static void an_answer_that_waits_for_input_is_not_lost_by_fail(void **state)
{
    static const struct fake_fields length = {{":status", "content-length"}, {"200", "1000"}};
    struct call call;
    (void)state;
    begin(&call, 1);
    fake_grpc_raw(&fake, fake.seen[0].stream, &length, "abc", 3, NULL);
    deliver();
    client_flush(&client, 0);
    assert_int_equal(client.answer_count, 0);
    client_fail(&client, ANSWER_CLOSED);
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_MALFORMED);
    assert_int_equal(client.answer_count, 1);
}

static void a_second_message_in_a_frame_of_its_own_is_malformed(void **state)
{
    enum { FRAME = 16384, HEAD = 2 + 3 }; /* a tag, and a length of three bytes */
    struct seen seen = {.kind = CALL_RESERVE};
    uint8_t body[FRAME + 1024] = {0};
    size_t size = fake_grpc_body(&seen, &held_42, body);
    size_t filling = FRAME - size - HEAD;
    (void)state;
    /* Field 100 fills the first frame. */
    memcpy(body + size,
           (uint8_t[]){0xA2, 0x06, (uint8_t)(filling | 0x80), (uint8_t)(filling >> 7 | 0x80),
                       (uint8_t)(filling >> 14)},
           HEAD);
    body[3] = (FRAME - 5) >> 8;
    body[4] = (FRAME - 5) & 0xFF;
    assert_int_equal(answer_with_body(body, FRAME), ANSWER_OK);
    size = fake_grpc_body(&seen, &held_42, body + FRAME);
    assert_int_equal(answer_with_body(body, FRAME + size), ANSWER_MALFORMED);
}

static void what_follows_a_message_is_not_kept(void **state)
{
    enum { HUGE = 4 << 20, KEPT_MAX = 1 << 17 };
    struct call call;
    uint8_t *body = calloc(1, HUGE);
    (void)state;
    assert_non_null(body);
    body[4] = 100; /* a hundred bytes are announced */
    begin(&call, 1);
    fake_grpc_raw(&fake, fake.seen[0].stream, &good, body, HUGE, &ok);
    size_t before = mallinfo2().uordblks;
    assert_int_equal(client_feed(&client, fake.out, fake.out_size - 100, 50000), 0);
    size_t after = mallinfo2().uordblks;
    assert_int_equal(client.answer_count, 0);
    assert_true(after < before + KEPT_MAX);
    free(body);
}

/* ---- details ---- */

static enum answer_code refused_with(const char *status, const char *details)
{
    struct fake_fields refusal = {{":status", "grpc-status", "grpc-status-details-bin"},
                                  {"200", status, details}};
    if (!details)
        refusal.names[2] = NULL;
    return answer_to(&refusal, NULL, 0, NULL);
}

static void details_may_be_padded(void **state)
{
    static const char *const reasons[] = {"SOLD_OUT", "NOT_FOUND", "OVERLOADED"}; /* any length */
    char details[1024];
    (void)state;
    for (int i = 0; i < 3; i++) {
        for (int padded = 0; padded < 2; padded++) {
            fake_grpc_details(reasons[i], padded, details);
            assert_int_equal(refused_with("13", details),
                             answer_parse(reasons[i], strlen(reasons[i])));
        }
    }
}

static void without_details_the_status_decides(void **state)
{
    static const struct {
        const char *status;
        enum answer_code code;
    } expected[] = {
        {"3", ANSWER_INVALID_ARGUMENT}, {"4", ANSWER_OUTCOME_UNKNOWN}, {"5", ANSWER_NOT_FOUND},
        {"6", ANSWER_ALREADY_EXISTS},   {"8", ANSWER_LIMIT_EXCEEDED},  {"9", ANSWER_SOLD_OUT},
        {"13", ANSWER_OTHER},           {"14", ANSWER_OTHER},          {"99", ANSWER_OTHER}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(refused_with(expected[i].status, NULL), expected[i].code);
}

static void a_refused_move_without_details_is_an_invalid_transition(void **state)
{
    static const struct fake_fields refusal = {{":status", "grpc-status"}, {"200", "9"}};
    struct call call = {.kind = CALL_CONFIRM, .reservation_id = 7};
    (void)state;
    client_submit(&client, &call);
    fake_grpc.read(&fake, &client);
    fake_grpc_raw(&fake, fake.seen[0].stream, &refusal, NULL, 0, NULL);
    deliver();
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_INVALID_TRANSITION);
}

static void details_that_say_nothing_are_as_none(void **state)
{
    char *large = malloc(6000);
    (void)state;
    assert_non_null(large);
    memset(large, 'A', 5999);
    large[5999] = 0;
    assert_int_equal(refused_with("9", "CAkS"), ANSWER_SOLD_OUT);
    assert_int_equal(refused_with("9", "!!!!"), ANSWER_SOLD_OUT);
    assert_int_equal(refused_with("9", "A"), ANSWER_SOLD_OUT);
    assert_int_equal(refused_with("9", ""), ANSWER_SOLD_OUT);
    assert_int_equal(refused_with("9", large), ANSWER_SOLD_OUT);
    free(large);
}

/* ---- a request that is still being sent ---- */

static void an_early_answer_counts_and_the_rest_is_not_sent(void **state)
{
    enum { ORDERS = 8190 };
    struct call call = {.kind = CALL_RESERVE_BATCH, .quantity = 1, .batch = ORDERS};
    char details[1024];
    (void)state;
    /* The fake's settings have not been delivered: the client sends 64 KiB and waits. */
    client_submit(&client, &call);
    client_flush(&client, 0);
    assert_true(client.sent_size > 60000 && client.sent_size < 70000);
    nghttp2_session *server = fake_grpc_session(&fake);
    assert_int_equal(nghttp2_session_mem_recv(server, client.sent, client.sent_size),
                     client.sent_size);
    client.sent_size = 0;
    fake_grpc_details("OVERLOADED", false, details);
    struct fake_fields refusal = {{":status", "grpc-status", "grpc-status-details-bin"},
                                  {"200", "14", details}};
    fake_grpc_raw(&fake, 1, &refusal, NULL, 0, NULL);
    deliver();
    assert_int_equal(client_answer(&client, &call)->code, ANSWER_OVERLOADED);
    memset(&call, 0xFF, sizeof call); /* it is its owner's again */
    client_flush(&client, 0);
    assert_true(client.sent_size < 1000);
    assert_int_equal(protocol_grpc.room(client.session), 8);
    fake_grpc.read(&fake, &client);
    struct call next = reserve_42;
    client_submit(&client, &next);
    fake_grpc.read(&fake, &client);
    assert_int_equal(fake.count, 1);
    fake_grpc.answer(&fake, &fake.seen[0], &held_42);
    deliver();
    assert_int_equal(client_answer(&client, &next)->code, ANSWER_OK);
}

static void a_body_is_sent_as_the_window_allows(void **state)
{
    static const nghttp2_settings_entry small[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 3}};
    nghttp2_session *server = fake_grpc_session(&fake);
    struct call call = reserve_42;
    (void)state;
    assert_int_equal(nghttp2_submit_settings(server, NGHTTP2_FLAG_NONE, small, 1), 0);
    settle();
    client_submit(&client, &call);
    for (int i = 0; i < 200 && fake.count == 0; i++) {
        fake_grpc.read(&fake, &client);
        if (fake.count == 0) /* three to seven bytes more */
            assert_int_equal(nghttp2_submit_window_update(server, NGHTTP2_FLAG_NONE, 1, 3 + i % 5),
                             0);
        settle();
    }
    assert_int_equal(fake.count, 1);
    assert_string_equal(fake.seen[0].order_id, "0123456789ab-00000000002a");
    assert_string_equal(fake.seen[0].lot, "cola#008a47f9");
}

/* ---- memory ---- */

static void sessions_of_a_thread_can_be_used_in_turn(void **state)
{
    static struct client other;
    static struct fake other_fake;
    struct call batch = {.kind = CALL_RESERVE_BATCH, .quantity = 1, .batch = 500};
    struct call call = reserve_42;
    (void)state;
    client_open(&other, &protocol_grpc, 8);
    fake_grpc.open(&other_fake);
    /* Small pieces of one, and between any two of them all of the other. */
    client_submit(&client, &batch);
    for (;;) {
        uint8_t piece[777];
        ssize_t n = protocol_grpc.output(client.session, piece, sizeof piece);
        assert_true(n >= 0);
        if (n == 0)
            break;
        assert_int_equal(nghttp2_session_mem_recv(fake_grpc_session(&fake), piece, (size_t)n), n);
        client_submit(&other, &call);
        fake_grpc.read(&other_fake, &other);
        fake_grpc.answer(&other_fake, &other_fake.seen[other_fake.count - 1], &held_42);
        assert_int_equal(fake_deliver(&other_fake, &other, 0), 0);
    }
    assert_int_equal(fake.count, 1);
    assert_int_equal(fake.seen[0].orders, 500);
    assert_true(fake.seen[0].uniform);
    assert_int_equal(other.answer_count, other_fake.count);
    fake_grpc.close(&other_fake);
    client_close(&other);
}

static void ten_rounds(unsigned calls_at_once)
{
    static struct call calls[8];
    for (int round = 0; round < 10; round++) {
        fake.count = 0;
        client.answer_count = 0;
        begin(calls, calls_at_once);
        for (unsigned i = 0; i < calls_at_once; i++)
            fake_grpc.answer(&fake, &fake.seen[i],
                             i % 2 ? &held_42 : &(struct reply){.code = "SOLD_OUT"});
        deliver();
        assert_int_equal(client.answer_count, calls_at_once);
    }
}

static void a_call_costs_no_malloc_once_the_thread_is_warm(void **state)
{
    struct grpc_memory *memory = grpc_memory_join();
    (void)state;
    ten_rounds(8);
    size_t before = grpc_memory_mallocs(memory);
    ten_rounds(8);
#if !defined(__SANITIZE_ADDRESS__)
    assert_int_equal(grpc_memory_mallocs(memory), before);
#else
    assert_true(grpc_memory_mallocs(memory) > before);
#endif
    grpc_memory_leave(memory);
}

static void an_idle_session_takes_eleven_kibibytes(void **state)
{
    enum { SESSIONS = 100, BYTES_MAX = 11 * 1024 + 512 };
    static struct client many[SESSIONS];
    (void)state;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < SESSIONS; i++) {
        client_open(&many[i], &protocol_grpc, 100);
        client_flush(&many[i], 0);
        free(many[i].sent);
        many[i].sent = NULL;
    }
    size_t each = (mallinfo2().uordblks - before) / SESSIONS;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(each, 5000, BYTES_MAX);
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
        TEST(a_reset_stream_is_answered_and_counted),
        TEST(a_reset_in_the_middle_of_a_message_is_a_reset),
        TEST(an_answer_before_a_reset_without_error_counts),
        TEST(after_goaway_calls_under_way_are_answered_and_no_more_taken),
        TEST(what_goaway_leaves_out_is_closed),
        TEST(goaway_answers_what_was_not_sent_yet),
        TEST(the_peers_limit_of_streams_is_kept),
        TEST(nothing_is_pushed),
        TEST(one_whole_message_is_wanted),
        TEST(a_message_that_is_cut_anywhere_or_of_other_types_is_malformed),
        TEST(unknown_fields_are_skipped),
        TEST(a_message_beyond_the_bound_is_malformed),
        TEST(a_status_is_needed),
        TEST(another_http_status_without_a_grpc_status_is_another_refusal),
        TEST(an_answer_that_breaks_http_is_malformed),
        TEST(an_answer_that_waits_for_input_is_not_lost_by_fail),
        TEST(a_second_message_in_a_frame_of_its_own_is_malformed),
        TEST(what_follows_a_message_is_not_kept),
        TEST(details_may_be_padded),
        TEST(without_details_the_status_decides),
        TEST(a_refused_move_without_details_is_an_invalid_transition),
        TEST(details_that_say_nothing_are_as_none),
        TEST(an_early_answer_counts_and_the_rest_is_not_sent),
        TEST(a_body_is_sent_as_the_window_allows),
        TEST(sessions_of_a_thread_can_be_used_in_turn),
        TEST(a_call_costs_no_malloc_once_the_thread_is_warm),
        TEST(an_idle_session_takes_eleven_kibibytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
