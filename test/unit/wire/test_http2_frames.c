/* The rules about streams that are checked before nghttp2 reads a frame. */
#include "fixture.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "wire/http2_frames.h"

struct frame {
    uint8_t type, flags;
    uint32_t id;
    uint32_t size;       /* of the payload */
    uint32_t dependency; /* its first four bytes */
};

static size_t put_frame(uint8_t *out, const struct frame *f)
{
    const uint8_t bytes[] = {(uint8_t)(f->size >> 16),
                             (uint8_t)(f->size >> 8),
                             (uint8_t)f->size,
                             f->type,
                             f->flags,
                             (uint8_t)(f->id >> 24),
                             (uint8_t)(f->id >> 16),
                             (uint8_t)(f->id >> 8),
                             (uint8_t)f->id};
    memcpy(out, bytes, sizeof(bytes));
    memset(out + sizeof(bytes), 0, f->size);
    if (f->size >= 4) {
        out[9] = (uint8_t)(f->dependency >> 24);
        out[10] = (uint8_t)(f->dependency >> 16);
        out[11] = (uint8_t)(f->dependency >> 8);
        out[12] = (uint8_t)f->dependency;
    }
    return sizeof(bytes) + f->size;
}

/* What the last of the frames is answered with, the same however the bytes are cut. */
static uint32_t verdict(const struct frame *frames, size_t count)
{
    uint8_t bytes[4096];
    size_t size = 24, last = 0; /* behind the preface */
    uint32_t reason = 0;
    memset(bytes, 'P', size);
    for (size_t i = 0; i < count; i++) {
        last = size;
        size += put_frame(bytes + size, &frames[i]);
    }
    for (size_t step = 1; step <= size; step += step < 20 ? 1 : 97) {
        struct http2_frames f;
        size_t at = 0;
        http2_frames_init(&f, 24);
        reason = 0;
        while (at < size && !reason) {
            size_t n = size - at < step ? size - at : step;
            size_t sound = http2_frames_check(&f, bytes + at, n, &reason);
            assert_true(reason ? sound < n : sound == n);
            at += sound;
        }
        if (reason) /* all before the frame was let through, and not the whole of its head */
            assert_true(at > last && at < last + HTTP2_FRAME_KEPT);
    }
    return reason;
}

#define VERDICT(...)                                                                               \
    verdict((const struct frame[]){__VA_ARGS__},                                                   \
            sizeof((const struct frame[]){__VA_ARGS__}) / sizeof(struct frame))
#define HEADERS(id_)                                                                               \
    {                                                                                              \
        .type = NGHTTP2_HEADERS, .flags = NGHTTP2_FLAG_END_HEADERS, .id = (id_), .size = 3         \
    }
#define CALL(id_)                                                                                  \
    {                                                                                              \
        .type = NGHTTP2_HEADERS, .flags = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,      \
        .id = (id_), .size = 3                                                                     \
    }
#define DATA(id_)                                                                                  \
    {                                                                                              \
        .type = NGHTTP2_DATA, .id = (id_), .size = 7                                               \
    }
#define LAST(id_)                                                                                  \
    {                                                                                              \
        .type = NGHTTP2_DATA, .flags = NGHTTP2_FLAG_END_STREAM, .id = (id_)                        \
    }
#define RESET(id_)                                                                                 \
    {                                                                                              \
        .type = NGHTTP2_RST_STREAM, .id = (id_), .size = 4                                         \
    }
#define PRIORITY(id_, on)                                                                          \
    {                                                                                              \
        .type = NGHTTP2_PRIORITY, .id = (id_), .size = 5, .dependency = (on)                       \
    }

static void requests_with_bodies_and_trailers_pass(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(HEADERS(1), DATA(1), CALL(3), DATA(1), CALL(1), CALL(5)), 0);
    assert_int_equal(VERDICT(HEADERS(1), RESET(1), RESET(1), CALL(3)), 0);
    assert_int_equal(VERDICT(CALL(1), PRIORITY(1, 3), PRIORITY(9, 0)), 0);
}

static void nothing_follows_the_end_of_a_request(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(CALL(1), DATA(1)), NGHTTP2_STREAM_CLOSED);
    assert_int_equal(VERDICT(CALL(1), HEADERS(1)), NGHTTP2_STREAM_CLOSED);
    assert_int_equal(VERDICT(HEADERS(1), LAST(1), CALL(3), DATA(1)), NGHTTP2_STREAM_CLOSED);
}

static void nothing_follows_a_reset(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(HEADERS(1), RESET(1), DATA(1)), NGHTTP2_STREAM_CLOSED);
    assert_int_equal(VERDICT(HEADERS(1), RESET(1), HEADERS(1)), NGHTTP2_STREAM_CLOSED);
}

static void a_number_that_was_left_out_is_not_used_later(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(CALL(5), CALL(3)), NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(VERDICT(CALL(1), CALL(509), CALL(3)), NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(VERDICT(CALL(5), DATA(3)), NGHTTP2_STREAM_CLOSED);
    assert_int_equal(VERDICT(CALL(1), CALL(100001), CALL(99999)), NGHTTP2_PROTOCOL_ERROR);
}

static void of_streams_long_gone_nothing_is_said(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(CALL(1), CALL(513), DATA(1)), 0);
    assert_int_equal(VERDICT(CALL(1), CALL(511), DATA(1)), NGHTTP2_STREAM_CLOSED);
    assert_int_equal(VERDICT(HEADERS(1), CALL(100001), DATA(1)), 0);
    assert_int_equal(VERDICT(HEADERS(513), DATA(513), LAST(513), CALL(515)), 0);
}

static void a_priority_frame_names_a_stream_and_another(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(PRIORITY(0, 1)), NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(VERDICT(CALL(1), PRIORITY(3, 3)), NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(VERDICT(PRIORITY(3, 0x80000003)), NGHTTP2_PROTOCOL_ERROR);
}

static void a_short_priority_frame_is_left_to_nghttp2(void **state)
{
    (void)state;
    assert_int_equal(VERDICT({.type = NGHTTP2_PRIORITY, .id = 3, .size = 3}, CALL(1)), 0);
}

static void the_request_of_an_upgrade_has_ended(void **state)
{
    (void)state;
    struct http2_frames f;
    uint32_t reason;
    uint8_t bytes[64];
    size_t size = put_frame(bytes, &(struct frame)DATA(1));
    http2_frames_init(&f, 0);
    http2_frames_ended(&f, 1);
    assert_int_equal(http2_frames_check(&f, bytes, size, &reason), HTTP2_FRAME_HEAD - 1);
    assert_int_equal(reason, NGHTTP2_STREAM_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_with_bodies_and_trailers_pass),
        cmocka_unit_test(nothing_follows_the_end_of_a_request),
        cmocka_unit_test(nothing_follows_a_reset),
        cmocka_unit_test(a_number_that_was_left_out_is_not_used_later),
        cmocka_unit_test(of_streams_long_gone_nothing_is_said),
        cmocka_unit_test(a_priority_frame_names_a_stream_and_another),
        cmocka_unit_test(a_short_priority_frame_is_left_to_nghttp2),
        cmocka_unit_test(the_request_of_an_upgrade_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
