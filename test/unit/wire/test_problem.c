/* application/problem+json and JSON answers. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/codec.h"

static char memory[8192];
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory, 1 << 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

static void assert_text(struct str text, const char *want)
{
    char *copy = arena_copy(&arena, text.p, text.len);
    assert_string_equal(copy, want);
}

static void sold_out_says_how_many_are_available(void **state)
{
    (void)state;
    struct response r = {
        .trailers_only = true, .trailer_count = 2, .header_count = 1, .length_unsaid = true};
    struct failure f = {.code = TLY_ESOLD_OUT,
                        .text = STR("0 units are available, 1 was asked for"),
                        .lot = STR("cola#0a1b2c3d"),
                        .instance = STR("req-7")};
    problem_response(&r, &arena, &f);
    assert_int_equal(r.status, 409);
    assert_text(r.content_type, "application/problem+json");
    assert_int_equal(r.header_count, 0);
    assert_int_equal(r.trailer_count, 0);
    assert_false(r.trailers_only);
    assert_false(r.length_unsaid);
    assert_text(r.body, "{\"type\":\"https://tallystick.dev/problems/sold_out\","
                        "\"title\":\"fewer units are available than were asked for\","
                        "\"status\":409,\"detail\":\"0 units are available, 1 was asked for\","
                        "\"code\":\"SOLD_OUT\",\"lot\":\"cola#0a1b2c3d\",\"available\":0,"
                        "\"instance\":\"req-7\"}");
}

static void an_invalid_argument_names_its_field_in_escaped_text(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {.code = TLY_EINVALID_ARGUMENT,
                        .text = STR("size: \"a\\b\" is not a size"),
                        .field = STR("size")};
    problem_response(&r, &arena, &f);
    assert_int_equal(r.status, 400);
    assert_text(r.body, "{\"type\":\"https://tallystick.dev/problems/invalid_argument\","
                        "\"title\":\"the request breaks a rule\",\"status\":400,"
                        "\"detail\":\"size: \\\"a\\\\b\\\" is not a size\","
                        "\"code\":\"INVALID_ARGUMENT\",\"field\":\"size\"}");
}

static void an_invalid_transition_says_from_and_to(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {
        .code = TLY_EINVALID_TRANSITION, .from = STR("REFUNDED"), .to = STR("CONFIRMED")};
    problem_response(&r, &arena, &f);
    assert_int_equal(r.status, 409);
    assert_text(
        r.body,
        "{\"type\":\"https://tallystick.dev/problems/invalid_transition\","
        "\"title\":\"the reservation cannot make this move from its state\","
        "\"status\":409,\"detail\":\"the reservation cannot make this move from its state\","
        "\"code\":\"INVALID_TRANSITION\",\"from\":\"REFUNDED\",\"to\":\"CONFIRMED\"}");
}

static void a_passing_refusal_says_when_to_come_again_in_body_and_header(void **state)
{
    (void)state;
    struct response r = {0};
    struct failure f = {.code = TLY_EOVERLOADED, .retry_after_s = 12};
    problem_response(&r, &arena, &f);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.header_count, 1);
    assert_text(r.headers[0].name, "retry-after");
    assert_text(r.headers[0].value, "12");
    char *body = arena_copy(&arena, r.body.p, r.body.len);
    assert_non_null(strstr(body, ",\"retry_after_s\":12}"));
}

static void every_error_has_its_status_and_type(void **state)
{
    (void)state;
    static const struct {
        int code;
        int status;
    } rows[] = {
#define X(name, number, http, grpc, retry, text) {(number), (http)},
        TLY_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct response r = {0};
        struct failure f = {.code = rows[i].code};
        char want[32];
        problem_response(&r, &arena, &f);
        assert_int_equal(r.status, rows[i].status);
        char *body = arena_copy(&arena, r.body.p, r.body.len);
        snprintf(want, sizeof want, "\"status\":%d,", rows[i].status);
        assert_non_null(strstr(body, want));
        snprintf(want, sizeof want, "\"code\":\"%s\"", error_name(rows[i].code));
        assert_non_null(strstr(body, want));
        arena_reset(&arena);
    }
}

static void without_memory_the_status_is_still_sent(void **state)
{
    (void)state;
    struct arena none;
    struct response r = {0};
    struct failure f = {.code = TLY_EOVERLOADED, .retry_after_s = 1};
    arena_init(&none, NULL, 0, 0);
    problem_response(&r, &none, &f);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.body.len, 0);
}

static void an_answer_in_json_says_so(void **state)
{
    (void)state;
    struct response r = {
        .trailers_only = true, .trailer_count = 1, .header_count = 2, .length_unsaid = true};
    json_response(&r, 201, STR("{}"));
    assert_int_equal(r.status, 201);
    assert_text(r.content_type, "application/json");
    assert_text(r.body, "{}");
    assert_int_equal(r.header_count, 0);
    assert_int_equal(r.trailer_count, 0);
    assert_false(r.trailers_only);
    assert_false(r.length_unsaid);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sold_out_says_how_many_are_available),
        TEST(an_invalid_argument_names_its_field_in_escaped_text),
        TEST(an_invalid_transition_says_from_and_to),
        TEST(a_passing_refusal_says_when_to_come_again_in_body_and_header),
        TEST(every_error_has_its_status_and_type),
        TEST(without_memory_the_status_is_still_sent),
        TEST(an_answer_in_json_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
