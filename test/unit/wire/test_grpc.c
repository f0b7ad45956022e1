/* The gRPC frame, the timeout header, and refusals as a gRPC client sees them. */
#include "fixture.h"

#include <google_rpc.pb-c.h>
#include <string.h>

#include "wire/codec.h"

static char memory[16384];
static struct arena arena;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory, 1 << 16);
    error = (struct error){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

#define BYTES(literal) ((struct str){(literal), sizeof(literal) - 1})

static void a_frame_gives_its_message(void **state)
{
    (void)state;
    struct str message;
    assert_int_equal(grpc_unframe(BYTES("\0\0\0\0\3abc"), 3, &message, &error), 0);
    assert_int_equal(message.len, 3);
    assert_memory_equal(message.p, "abc", 3);
    assert_int_equal(grpc_unframe(BYTES("\0\0\0\0\0"), 0, &message, &error), 0);
    assert_int_equal(message.len, 0);
}

static void a_bad_frame_is_refused_with_its_own_code(void **state)
{
    (void)state;
    static const struct {
        struct str body;
        int code;
        const char *saying;
    } rows[] = {
        {{NULL, 0}, TLY_EINVALID_ARGUMENT, "one gRPC message"},
        {{"\0\0\0\0", 4}, TLY_EINVALID_ARGUMENT, "one gRPC message"},
        {{"\1\0\0\0\0", 5}, TLY_EUNIMPLEMENTED, "compressed"},
        {{"\2\0\0\0\0", 5}, TLY_EINVALID_ARGUMENT, "must be 0 or 1"},
        {{"\0\0\0\0\5abc", 8}, TLY_EINVALID_ARGUMENT, "cut short: 5 bytes were announced, 3 came"},
        {{"\0\0\0\0\1abc", 8}, TLY_EINVALID_ARGUMENT, "2 bytes follow"},
        {{"\0\0\0\1\1", 5}, TLY_EPAYLOAD_TOO_LARGE, "257 bytes, at most 256"},
        {{"\0\x80\0\0\0", 5}, TLY_EPAYLOAD_TOO_LARGE, "2147483648 bytes"},
        {{"\0\xff\xff\xff\xff", 5}, TLY_EPAYLOAD_TOO_LARGE, "4294967295 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str message = {0};
        assert_int_equal(grpc_unframe(rows[i].body, 256, &message, &error), rows[i].code);
        assert_null(message.p);
        if (!strstr(error.text, rows[i].saying))
            fail_msg("\"%s\" does not say \"%s\"", error.text, rows[i].saying);
    }
}

static void timeouts_are_read_in_all_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {{"100m", 100000000},
                {"5S", 5000000000},
                {"1H", 3600000000000},
                {"2M", 120000000000},
                {"7u", 7000},
                {"99999999n", 99999999},
                {"0S", 0},
                {"00000001S", 1000000000},
                {"99999999S", 99999999000000000},
                {"99999999H", INT64_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = -1;
        assert_int_equal(grpc_timeout_parse(str_of(rows[i].text), &ns), 0);
        assert_true(ns == rows[i].ns);
    }
}

static void malformed_timeouts_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",    "S",   "5",          "5s",   "-5S", "+5S", "5 S",
                                       "5.S", " 5S", "100000000S", "0x5S", "5SS", "5h"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = -1;
        assert_int_equal(grpc_timeout_parse(str_of(rows[i]), &ns), TLY_EINVALID_ARGUMENT);
        assert_true(ns == -1);
    }
    int64_t ns = -1;
    assert_int_equal(grpc_timeout_parse(BYTES("5\0"), &ns), TLY_EINVALID_ARGUMENT);
}

static struct str trailer(const struct response *r, const char *name)
{
    for (size_t i = 0; i < r->trailer_count; i++)
        if (str_equal(r->trailers[i].name, str_of(name)))
            return r->trailers[i].value;
    return (struct str){0};
}

static void assert_text(struct str text, const char *want)
{
    assert_int_equal(text.len, strlen(want));
    assert_memory_equal(text.p, want, text.len);
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    assert_non_null(found);
    return (int)(found - digits);
}

static Google__Rpc__Status *details_of(const struct response *r)
{
    static uint8_t bytes[4096];
    struct str text = trailer(r, "grpc-status-details-bin");
    size_t used = 0;
    unsigned bits = 0;
    int kept = 0;
    assert_int_not_equal(text.len % 4, 1);
    for (uint32_t i = 0; i < text.len; i++) {
        bits = bits << 6 | (unsigned)base64_digit(text.p[i]);
        kept += 6;
        if (kept >= 8) {
            kept -= 8;
            bytes[used++] = (uint8_t)(bits >> kept);
        }
    }
    assert_int_equal(bits & ((1u << kept) - 1), 0);
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, used, bytes);
    assert_non_null(status);
    return status;
}

static Google__Rpc__ErrorInfo *error_info_of(const Google__Rpc__Status *status)
{
    const Google__Rpc__Any *any = status->details[0];
    assert_string_equal(any->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
    assert_non_null(info);
    return info;
}

static void a_refusal_is_trailers_only_with_the_status_of_the_table(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *status;
    } rows[] = {{TLY_EINVALID_ARGUMENT, "3"}, {TLY_ESOLD_OUT, "9"},      {TLY_ENOT_FOUND, "5"},
                {TLY_EUNAVAILABLE, "14"},     {TLY_EINTERNAL, "13"},     {TLY_ELIMIT_EXCEEDED, "8"},
                {TLY_EOUTCOME_UNKNOWN, "4"},  {TLY_EUNIMPLEMENTED, "12"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct response r = {.status = 7, .length_unsaid = true};
        struct failure f = {.code = rows[i].code};
        grpc_failure_response(&r, &arena, &f);
        assert_false(r.length_unsaid);
        assert_int_equal(r.status, 200);
        assert_text(r.content_type, "application/grpc");
        assert_true(r.trailers_only);
        assert_int_equal(r.body.len, 0);
        assert_text(trailer(&r, "grpc-status"), rows[i].status);
        assert_text(trailer(&r, "grpc-message"), error_text(rows[i].code));
    }
}

static void sold_out_tells_the_lot_and_how_many_are_available(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {.code = TLY_ESOLD_OUT,
                        .text = STR("2 units are available, 3 were asked for"),
                        .lot = STR("cola#0a1b2c3d"),
                        .field = STR("lines[0].quantity"),
                        .available = 2};
    grpc_failure_response(&r, &arena, &f);
    Google__Rpc__Status *status = details_of(&r);
    assert_int_equal(status->code, 9);
    assert_string_equal(status->message, "2 units are available, 3 were asked for");
    assert_int_equal(status->n_details, 1);
    Google__Rpc__ErrorInfo *info = error_info_of(status);
    assert_string_equal(info->reason, "SOLD_OUT");
    assert_string_equal(info->domain, "tally.v1");
    assert_int_equal(info->n_metadata, 3);
    assert_string_equal(info->metadata[0]->key, "field");
    assert_string_equal(info->metadata[0]->value, "lines[0].quantity");
    assert_string_equal(info->metadata[1]->key, "lot");
    assert_string_equal(info->metadata[1]->value, "cola#0a1b2c3d");
    assert_string_equal(info->metadata[2]->key, "available");
    assert_string_equal(info->metadata[2]->value, "2");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(status, NULL);
}

static void an_invalid_transition_tells_from_and_to(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {
        .code = TLY_EINVALID_TRANSITION, .from = STR("REFUNDED"), .to = STR("CONFIRMED")};
    grpc_failure_response(&r, &arena, &f);
    Google__Rpc__Status *status = details_of(&r);
    Google__Rpc__ErrorInfo *info = error_info_of(status);
    assert_string_equal(info->reason, "INVALID_TRANSITION");
    assert_int_equal(info->n_metadata, 2);
    assert_string_equal(info->metadata[0]->key, "from");
    assert_string_equal(info->metadata[0]->value, "REFUNDED");
    assert_string_equal(info->metadata[1]->key, "to");
    assert_string_equal(info->metadata[1]->value, "CONFIRMED");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(status, NULL);
}

static void overloaded_says_when_to_come_again(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {.code = TLY_EOVERLOADED, .retry_after_s = 300};
    grpc_failure_response(&r, &arena, &f);
    Google__Rpc__Status *status = details_of(&r);
    assert_int_equal(status->n_details, 2);
    const Google__Rpc__Any *any = status->details[1];
    assert_string_equal(any->type_url, "type.googleapis.com/google.rpc.RetryInfo");
    Google__Rpc__RetryInfo *retry =
        google__rpc__retry_info__unpack(NULL, any->value.len, any->value.data);
    assert_non_null(retry);
    assert_int_equal(retry->retry_delay->seconds, 300);
    google__rpc__retry_info__free_unpacked(retry, NULL);
    google__rpc__status__free_unpacked(status, NULL);
}

static void the_message_is_percent_encoded(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {.code = TLY_EINVALID_ARGUMENT,
                        .text = STR("100 % gr\xc3\xbc\xc3\x9f\n~\x7f")};
    grpc_failure_response(&r, &arena, &f);
    assert_text(trailer(&r, "grpc-message"), "100 %25 gr%C3%BC%C3%9F%0A~%7F");
}

static void details_of_every_length_decode(void **state)
{
    (void)state;
    char text[201];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(1 + i * 89 % 127); /* all bytes, so all digits */
    for (uint32_t length = 1; length < sizeof text; length++) {
        struct response r = {0};
        struct failure f = {.code = TLY_ENOT_FOUND, .text = {text, length}, .lot = {text, length}};
        arena_reset(&arena);
        grpc_failure_response(&r, &arena, &f);
        Google__Rpc__Status *status = details_of(&r);
        assert_int_equal(strlen(status->message), length);
        assert_memory_equal(status->message, text, length);
        Google__Rpc__ErrorInfo *info = error_info_of(status);
        assert_int_equal(strlen(info->metadata[0]->value), length);
        google__rpc__error_info__free_unpacked(info, NULL);
        google__rpc__status__free_unpacked(status, NULL);
    }
}

static void without_memory_the_status_is_still_sent(void **state)
{
    (void)state;
    struct arena none;
    struct response r = {0};
    struct failure f = {.code = TLY_ENO_MEMORY, .text = STR("out of memory")};
    arena_init(&none, NULL, 0, 0);
    grpc_failure_response(&r, &none, &f);
    assert_int_equal(r.trailer_count, 1);
    assert_text(trailer(&r, "grpc-status"), "14");
}

static void an_answer_has_status_zero_after_its_message(void **state)
{
    (void)state;
    struct response r = {.trailers_only = true, .header_count = 3};
    grpc_ok_response(&r, STR("framed"));
    assert_int_equal(r.status, 200);
    assert_false(r.trailers_only);
    assert_int_equal(r.header_count, 0);
    assert_text(r.body, "framed");
    assert_int_equal(r.trailer_count, 1);
    assert_text(trailer(&r, "grpc-status"), "0");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_gives_its_message),
        TEST(a_bad_frame_is_refused_with_its_own_code),
        TEST(timeouts_are_read_in_all_units),
        TEST(malformed_timeouts_are_refused),
        TEST(a_refusal_is_trailers_only_with_the_status_of_the_table),
        TEST(sold_out_tells_the_lot_and_how_many_are_available),
        TEST(an_invalid_transition_tells_from_and_to),
        TEST(overloaded_says_when_to_come_again),
        TEST(the_message_is_percent_encoded),
        TEST(details_of_every_length_decode),
        TEST(without_memory_the_status_is_still_sent),
        TEST(an_answer_has_status_zero_after_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
