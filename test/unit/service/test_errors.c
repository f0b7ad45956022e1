/* Every refusal says the same over HTTP and over gRPC: code, sentence, members, when to try again;
 * also when there is no memory left to say it with. */
#include "fixture_service.h"

#include <google_rpc.pb-c.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define ORDER                                                                                      \
    "{\"order_id\":\"order-1\",\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\","         \
    "\"quantity\":2}]}"

static int open_fixture(void **state)
{
    *state = fixture_open();
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static const int codes[] = {
#define X(name, number, http, grpc, retry, text) (number),
    TLY_ERRORS(X)
#undef X
#define X(name, number, shown, text) (number),
            TLY_INTERNAL_ERRORS(X)
#undef X
        - 9999,
};

enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

/* A refusal over gRPC, taken apart. */
struct details {
    Google__Rpc__Status *status;
    Google__Rpc__ErrorInfo *info;
    Google__Rpc__BadRequest *bad;
    Google__Rpc__RetryInfo *retry;
};

static size_t base64_decode(const char *text, uint8_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    int kept = 0;
    size_t used = 0;
    for (; *text; text++) {
        const char *found = strchr(digits, *text);
        assert_non_null(found);
        bits = bits << 6 | (unsigned)(found - digits);
        kept += 6;
        if (kept >= 8) {
            kept -= 8;
            out[used++] = (uint8_t)(bits >> kept);
        }
    }
    return used;
}

static struct details details_of(const struct fake_exchange *x)
{
    static uint8_t bytes[4096];
    struct details d = {0};
    const char *text = answer_trailer(x, "grpc-status-details-bin");
    assert_non_null(text);
    d.status = google__rpc__status__unpack(NULL, base64_decode(text, bytes), bytes);
    assert_non_null(d.status);
    for (size_t i = 0; i < d.status->n_details; i++) {
        const Google__Rpc__Any *any = d.status->details[i];
        const char *name = strrchr(any->type_url, '.') + 1;
        size_t size = any->value.len;
        const uint8_t *data = any->value.data;
        if (strcmp(name, "ErrorInfo") == 0)
            d.info = google__rpc__error_info__unpack(NULL, size, data);
        else if (strcmp(name, "BadRequest") == 0)
            d.bad = google__rpc__bad_request__unpack(NULL, size, data);
        else if (strcmp(name, "RetryInfo") == 0)
            d.retry = google__rpc__retry_info__unpack(NULL, size, data);
        else
            fail_msg("an unknown detail %s", any->type_url);
    }
    assert_non_null(d.info);
    return d;
}

static void details_free(struct details *d)
{
    google__rpc__status__free_unpacked(d->status, NULL);
    google__rpc__error_info__free_unpacked(d->info, NULL);
    google__rpc__bad_request__free_unpacked(d->bad, NULL);
    google__rpc__retry_info__free_unpacked(d->retry, NULL);
}

static json_t *problem_of(const struct fake_exchange *x)
{
    assert_true(str_equal(x->content_type, STR("application/problem+json")));
    json_t *problem = json_loadb(x->body.p, x->body.len, 0, NULL);
    assert_non_null(problem);
    return problem;
}

static const char *member(const json_t *problem, const char *name)
{
    return json_string_value(json_object_get(problem, name));
}

/* The members that a problem has besides what every one has. */
static size_t count_own_members(const json_t *problem)
{
    static const char *const common[] = {"type", "title",         "status",  "detail",
                                         "code", "retry_after_s", "instance"};
    size_t count = json_object_size(problem);
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        count -= json_object_get(problem, common[i]) != NULL;
    return count;
}

static void assert_metadata_is_in(const Google__Rpc__ErrorInfo *info, const json_t *problem)
{
    assert_int_equal(info->n_metadata, count_own_members(problem));
    for (size_t i = 0; i < info->n_metadata; i++) {
        const json_t *value = json_object_get(problem, info->metadata[i]->key);
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_non_null(value);
        if (json_is_string(value))
            assert_string_equal(info->metadata[i]->value, json_string_value(value));
        else
            assert_string_equal(info->metadata[i]->value, text);
        free(text);
    }
}

/* Both say the same. */
static void assert_same(const struct fake_exchange *over_http,
                        const struct fake_exchange *over_grpc)
{
    json_t *problem = problem_of(over_http);
    struct details d = details_of(over_grpc);
    const char *code = member(problem, "code");
    char type[128];
    int n = snprintf(type, sizeof type, "https://tallystick.dev/problems/%s", code);
    for (char *p = type + n - strlen(code); *p; p++)
        *p = *p == '_' ? '_' : (char)(*p | 0x20);
    assert_string_equal(member(problem, "type"), type);
    assert_int_equal(json_integer_value(json_object_get(problem, "status")), over_http->status);
    assert_string_equal(d.info->reason, code);
    assert_string_equal(d.info->domain, "tally.v1");
    assert_string_equal(d.status->message, member(problem, "detail"));
    assert_int_equal(d.status->code, atoi(answer_trailer(over_grpc, "grpc-status")));
    assert_metadata_is_in(d.info, problem);
    const char *seconds = answer_header(over_http, "retry-after");
    assert_int_equal(seconds ? atoi(seconds) : 0, d.retry ? d.retry->retry_delay->seconds : 0);
    assert_int_equal(json_integer_value(json_object_get(problem, "retry_after_s")),
                     d.retry ? d.retry->retry_delay->seconds : 0);
    const char *field = member(problem, "field");
    bool bad = field && strcmp(code, "INVALID_ARGUMENT") == 0;
    assert_int_equal(d.bad != NULL, bad);
    if (bad) {
        assert_int_equal(d.bad->n_field_violations, 1);
        assert_string_equal(d.bad->field_violations[0]->field, field);
        assert_string_equal(d.bad->field_violations[0]->description, member(problem, "detail"));
    }
    details_free(&d);
    json_decref(problem);
}

static struct fake_exchange *reserve_over_grpc(struct fixture *f)
{
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    return grpc(f, "Reserve", &m.base);
}

static void every_code_of_the_table_is_told_alike_in_both_protocols(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        int shown = error_public(codes[i]);
        struct fake_exchange *over_http = http(f, "POST", "/v1/reservations", ORDER);
        fixture_answer(f, fixture_command(f), codes[i]);
        struct fake_exchange *over_grpc = reserve_over_grpc(f);
        fixture_answer(f, fixture_command(f), codes[i]);
        assert_int_equal(over_http->status, error_http(shown));
        assert_int_equal(atoi(answer_trailer(over_grpc, "grpc-status")), error_grpc(shown));
        assert_same(over_http, over_grpc);
        json_t *problem = problem_of(over_http);
        assert_string_equal(member(problem, "code"), error_name(shown));
        json_decref(problem);
        assert_int_equal(answer_header(over_http, "retry-after") != NULL,
                         shown == TLY_EOVERLOADED || shown == TLY_EUNAVAILABLE);
    }
}

static void a_field_that_breaks_a_rule_is_told_alike(void **state)
{
    struct fixture *f = *state;
    Tally__V1__ExtendRequest m = TALLY__V1__EXTEND_REQUEST__INIT;
    m.reservation_id = (char *)"7";
    struct fake_exchange *over_http = http(f, "POST", "/v1/reservations/7/extend", "{}");
    assert_int_equal(over_http->status, 400);
    assert_same(over_http, grpc(f, "Extend", &m.base));
}

static void a_late_look_up_is_overloaded_with_the_status_of_its_protocol(void **state)
{
    struct fixture *f = *state;
    Tally__V1__GetLotRequest m = TALLY__V1__GET_LOT_REQUEST__INIT;
    m.lot = (char *)"cola#00000000";
    struct fake_exchange *over_http = http(f, "GET", "/v1/lots/cola%2300000000", "");
    struct fake_exchange *over_grpc = grpc(f, "GetLot", &m.base);
    fixture_tick(f, 5100);
    assert_int_equal(over_http->status, 503);
    assert_string_equal(answer_trailer(over_grpc, "grpc-status"), "4");
    assert_same(over_http, over_grpc);
    while (f->command_count)
        fixture_answer(f, fixture_command(f), 0);
}

/* From now on the exchange has no memory for an answer. */
static void use_up(struct fake_exchange *x)
{
    x->x.arena.next = x->x.arena.end;
    x->x.arena.bytes_max = x->x.arena.chunk_bytes;
}

static void without_memory_every_refusal_still_has_its_code(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        struct fake_exchange *over_http = http(f, "POST", "/v1/reservations", ORDER);
        use_up(over_http);
        fixture_answer(f, fixture_command(f), codes[i]);
        struct fake_exchange *over_grpc = reserve_over_grpc(f);
        use_up(over_grpc);
        fixture_answer(f, fixture_command(f), codes[i]);
        assert_int_equal(over_http->status, error_http(codes[i]));
        assert_same(over_http, over_grpc);
    }
}

static void an_answer_that_cannot_be_made_is_unknown_if_something_was_done(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *over_http = http(f, "POST", "/v1/reservations", ORDER);
    use_up(over_http);
    fixture_reserved(f, 1);
    struct fake_exchange *over_grpc = reserve_over_grpc(f);
    use_up(over_grpc);
    fixture_reserved(f, 2);
    assert_int_equal(over_http->status, 504);
    assert_true(answer_says(over_http, "\"code\":\"OUTCOME_UNKNOWN\""));
    assert_same(over_http, over_grpc);
}

static void an_answer_that_cannot_be_made_is_overloaded_if_nothing_was_done(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/lots/cola%2300000000", "");
    use_up(x);
    fixture_command(f)->get_lot.lot = f->lots[0];
    fixture_answer(f, fixture_command(f), 0);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "\"code\":\"OVERLOADED\""));
    assert_string_equal(answer_header(x, "retry-after"), "2");
}

static void a_message_that_needs_more_memory_than_one_may_take_is_too_large(void **state)
{
    struct fixture *f = *state;
    enum { LINES = 900000, EACH = 3 };
    char *body = malloc(LINES * EACH + 64);
    size_t len = (size_t)snprintf(body, 64, "{\"lines\":[");
    for (size_t i = 0; i < LINES; i++, len += EACH)
        memcpy(body + len, i ? ",{}" : "{} ", EACH);
    memcpy(body + len, "]}", 3);
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", body);
    assert_int_equal(x->status, 413);
    assert_null(answer_header(x, "retry-after")); /* sending it again does not help */
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_code_of_the_table_is_told_alike_in_both_protocols),
        TEST(a_field_that_breaks_a_rule_is_told_alike),
        TEST(a_late_look_up_is_overloaded_with_the_status_of_its_protocol),
        TEST(without_memory_every_refusal_still_has_its_code),
        TEST(an_answer_that_cannot_be_made_is_unknown_if_something_was_done),
        TEST(an_answer_that_cannot_be_made_is_overloaded_if_nothing_was_done),
        TEST(a_message_that_needs_more_memory_than_one_may_take_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
