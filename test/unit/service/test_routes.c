/* Every way in, and what is not one. */
#include "fixture_service.h"

#include <stdio.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

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

static void every_path_leads_to_its_command(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *method, *target, *body;
        enum command_kind kind;
    } ways[] = {
        {"POST", "/v1/lots",
         "{\"sku\":\"cola\",\"flavor\":\"lime\",\"size\":\"330ml_can\","
         "\"batch\":\"BATCH-20260101-A\"}",
         COMMAND_CREATE_LOT},
        {"GET", "/v1/lots", "", COMMAND_LIST_LOTS},
        {"GET", "/v1/lots/cola%2300000000", "", COMMAND_GET_LOT},
        {"HEAD", "/v1/lots/cola%2300000000", "", COMMAND_GET_LOT},
        {"POST", "/v1/lots/cola%2300000000/adjust", "{\"delta\":-1}", COMMAND_ADJUST},
        {"POST", "/v1/reservations/batch",
         "{\"orders\":[{\"user_id\":\"a\",\"lines\":[{\"lot\":"
         "\"cola#00000000\",\"quantity\":1}]}]}",
         COMMAND_RESERVE_BATCH},
        {"POST", "/v1/reservations/7/confirm", "", COMMAND_CONFIRM},
        {"POST", "/v1/reservations/7/refund", "{}", COMMAND_REFUND},
        {"POST", "/v1/reservations/7/extend", "{\"hold_ms\":1}", COMMAND_EXTEND},
        {"GET", "/v1/reservations/7", "", COMMAND_GET_RESERVATION},
        {"GET", "/v1/orders/a%2Fb", "", COMMAND_GET_RESERVATION},
        {"PATCH", "/v1/lots/cola%2300000000", "{\"withdrawn\":true}", COMMAND_UPDATE_LOT},
        {"POST", "/v1/reservations/7/ship", "", COMMAND_SHIP},
        {"POST", "/v1/reservations/7/lines", "{\"lines\":[{\"sku\":\"cola\",\"quantity\":1}]}",
         COMMAND_CHANGE},
        {"POST", "/v1/orders/a/confirm", "", COMMAND_CONFIRM},
        {"POST", "/v1/orders/a/refund", "", COMMAND_REFUND},
        {"POST", "/v1/orders/a/extend", "{\"hold_ms\":1}", COMMAND_EXTEND},
        {"POST", "/v1/orders/a/ship", "", COMMAND_SHIP},
        {"POST", "/v1/orders/a/lines", "{\"lines\":[{\"sku\":\"cola\",\"quantity\":1}]}",
         COMMAND_CHANGE},
        {"POST", "/v1/reservations/confirm", "{\"reservation_ids\":[\"7\"]}", COMMAND_CONFIRM_ALL},
        {"GET", "/v1/reservations?user_id=ann", "", COMMAND_LIST_RESERVATIONS},
        {"POST", "/v1/sales", "{\"skus\":[\"cola\"],\"ends_at\":\"2030-01-01T00:00:00Z\"}",
         COMMAND_CREATE_SALE},
        {"GET", "/v1/sales", "", COMMAND_LIST_SALES},
        {"GET", "/v1/sales/spring", "", COMMAND_GET_SALE},
        {"PATCH", "/v1/sales/spring", "{\"title\":\"\"}", COMMAND_UPDATE_SALE},
        {"POST", "/v1/sales/spring/close", "", COMMAND_CLOSE_SALE},
        {"GET", "/v1/sales/spring/watch", "", COMMAND_GET_SALE},
        {"POST", "/v1/sales/spring/groups", "", COMMAND_OPEN_GROUP},
        {"GET", "/v1/groups/7", "", COMMAND_GET_GROUP},
        {"POST", "/v1/groups/7/complete", "", COMMAND_COMPLETE_GROUP},
        {"GET", "/metrics", "", COMMAND_STATS},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct fake_exchange *x = http(f, ways[i].method, ways[i].target, ways[i].body);
        if (x->answers)
            fail_msg("%s: %.*s", ways[i].target, STR_ARG(x->body));
        struct command *c = fixture_command(f);
        assert_int_equal(c->kind, ways[i].kind);
        if (i == 10)
            assert_true(str_equal(c->get.order_id, STR("a/b")));
        fixture_answer(f, c, TLY_ENOT_FOUND);
        assert_int_equal(x->status, ways[i].kind == COMMAND_STATS ? 200 : 404);
    }
}

static void every_grpc_method_leads_to_its_command(void **state)
{
    struct fixture *f = *state;
    Tally__V1__GetLotRequest get = TALLY__V1__GET_LOT_REQUEST__INIT;
    Tally__V1__ListLotsRequest list = TALLY__V1__LIST_LOTS_REQUEST__INIT;
    Tally__V1__AdjustStockRequest adjust = TALLY__V1__ADJUST_STOCK_REQUEST__INIT;
    Tally__V1__CreateLotRequest create = TALLY__V1__CREATE_LOT_REQUEST__INIT;
    Tally__V1__ConfirmRequest confirm = TALLY__V1__CONFIRM_REQUEST__INIT;
    Tally__V1__RefundRequest refund = TALLY__V1__REFUND_REQUEST__INIT;
    Tally__V1__ExtendRequest extend = TALLY__V1__EXTEND_REQUEST__INIT;
    Tally__V1__GetReservationRequest reservation = TALLY__V1__GET_RESERVATION_REQUEST__INIT;
    get.lot = adjust.lot = (char *)"cola#00000000";
    adjust.delta = extend.hold_ms = 1;
    create.sku = (char *)"cola", create.flavor = (char *)"lime";
    create.size = (char *)"330ml_can", create.batch = (char *)"BATCH-20260101-A";
    confirm.reservation_id = refund.reservation_id = extend.reservation_id =
        reservation.reservation_id = (char *)"7";
    const struct {
        const char *method;
        const ProtobufCMessage *m;
        enum command_kind kind;
    } ways[] = {
        {"CreateLot", &create.base, COMMAND_CREATE_LOT},
        {"GetLot", &get.base, COMMAND_GET_LOT},
        {"ListLots", &list.base, COMMAND_LIST_LOTS},
        {"AdjustStock", &adjust.base, COMMAND_ADJUST},
        {"Confirm", &confirm.base, COMMAND_CONFIRM},
        {"Refund", &refund.base, COMMAND_REFUND},
        {"Extend", &extend.base, COMMAND_EXTEND},
        {"GetReservation", &reservation.base, COMMAND_GET_RESERVATION},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct fake_exchange *x = grpc(f, ways[i].method, ways[i].m);
        assert_int_equal(fixture_command(f)->kind, ways[i].kind);
        fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
        assert_string_equal(answer_trailer(x, "grpc-status"), "5");
    }
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    const char *const targets[] = {"/",
                                   "/v1",
                                   "/v1/lots/",
                                   "/v1/lots/a/b",
                                   "/v1/lots//adjust",
                                   "/v2/lots",
                                   "/v1/reservations/7/cancel",
                                   "/v1/reservations/",
                                   "/v1/reservations/7/confirm/",
                                   "/metrics/",
                                   ""};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct fake_exchange *x = http(f, "GET", targets[i], "");
        assert_int_equal(x->status, 404);
        assert_true(answer_says(x, "\"code\":\"NOT_FOUND\""));
    }
    struct fake_exchange *x = grpc(f, "Steal", NULL);
    assert_string_equal(answer_trailer(x, "grpc-status"), "12");
    x = grpc(f, "/other.Service/Method", NULL);
    assert_string_equal(answer_trailer(x, "grpc-status"), "12");
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "DELETE", "/v1/lots", "");
    assert_int_equal(x->status, 405);
    assert_string_equal(answer_header(x, "allow"), "POST, GET, HEAD, OPTIONS");
    x = http(f, "GET", "/v1/reservations/batch", "");
    assert_int_equal(x->status, 405);
    assert_string_equal(answer_header(x, "allow"), "POST, OPTIONS");
    x = http(f, "POST", "/v1/reservations/7", "{}");
    assert_string_equal(answer_header(x, "allow"), "GET, HEAD, OPTIONS");
    x = http(f, "BREW", "/readyz", "");
    assert_int_equal(x->status, 405);
    assert_string_equal(answer_header(x, "allow"), "GET, HEAD, OPTIONS");
    x = grpc_new(f, "Reserve", NULL);
    x->x.method = HTTP_GET;
    fixture_handle(f, x);
    assert_string_equal(answer_header(x, "allow"), "POST");
}

static void options_are_told_of_a_resource_and_of_the_server(void **state)
{
    struct fixture *f = *state;
    const char *const targets[][2] = {{"*", "GET, HEAD, POST, PATCH, OPTIONS"},
                                      {"/v1/lots", "POST, GET, HEAD, OPTIONS"},
                                      {"/v1/reservations/7/sink", NULL},
                                      {"/readyz", "GET, HEAD, OPTIONS"}};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct fake_exchange *x = http(f, "OPTIONS", targets[i][0], "");
        assert_int_equal(x->status, targets[i][1] ? 200 : 404);
        if (targets[i][1])
            assert_string_equal(answer_header(x, "allow"), targets[i][1]);
    }
    assert_int_equal(http(f, "GET", "*", "")->status, 404);
}

static void the_head_of_a_stream_says_no_length(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "HEAD", "/v1/watch", "");
    assert_int_equal(x->status, 200);
    assert_true(x->length_unsaid);
    assert_int_equal(x->ends, 1);
    assert_false(http(f, "HEAD", "/readyz", "")->length_unsaid);
}

static void a_character_that_need_not_be_encoded_is_the_same_when_it_is(void **state)
{
    struct fixture *f = *state;
    const char *const targets[] = {"/v1/orders/a", "/%761/%6f%72ders/%61",
                                   "/v1/%6F%72%64%65%72%73/a", "/%76%31/orders/a"};
    const char *const others[] = {"/v1%2Forders/a",  "%2Fv1/orders/a", "/v1/orders%2Fa",
                                  "/v1/order%73%/a", "/v1/order%7",    "/v1/order%",
                                  "/v1/order%00/a"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        http(f, "GET", targets[i], "");
        assert_true(str_equal(fixture_command(f)->get.order_id, STR("a")));
        fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(http(f, "GET", others[i], "")->status, 404);
    assert_int_equal(f->command_count, 0);
}

static void only_json_and_protobuf_are_taken(void **state)
{
    struct fixture *f = *state;
    const char *const good[] = {"application/json", "application/json; charset=utf-8",
                                "Application/JSON;charset=\"UTF-8\""};
    const char *const bad[] = {"text/plain", "application/x-www-form-urlencoded",
                               "application/json; charset=latin1", "application/jsonx", ""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct fake_exchange *x = http_new(f, "POST", "/v1/reservations/7/confirm", "{}");
        fake_header(x, HEADER_content_type, good[i]);
        fixture_handle(f, x);
        fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fake_exchange *x = http_new(f, "POST", "/v1/reservations/7/confirm", "{}");
        fake_header(x, HEADER_content_type, bad[i]);
        fixture_handle(f, x);
        assert_int_equal(x->status, 415);
        assert_string_equal(answer_header(x, "accept"), "application/json");
    }
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations/7/confirm", "{}");
    fake_header(x, HEADER_content_encoding, "br");
    fixture_handle(f, x);
    assert_int_equal(x->status, 415);
    assert_string_equal(answer_header(x, "accept-encoding"), "gzip, identity");
}

static void grpc_needs_its_content_type_and_http2(void **state)
{
    struct fixture *f = *state;
    const char *const types[] = {"application/grpc+json", "application/grpc-web",
                                 "application/grpc+protobuf", "application/json"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct fake_exchange *x = grpc_new(f, "Reserve", NULL);
        fake_header(x, HEADER_content_type, types[i]);
        fixture_handle(f, x);
        assert_int_equal(x->status, 415);
        assert_true(str_equal(x->content_type, STR("application/problem+json")));
        assert_string_equal(answer_header(x, "accept"), "application/grpc");
    }
    struct fake_exchange *x = grpc_new(f, "Reserve", NULL);
    x->x.protocol = PROTOCOL_HTTP1;
    fixture_handle(f, x);
    assert_int_equal(x->status, 415);
    x = grpc_new(f, "Reserve", NULL);
    x->x.method = HTTP_GET;
    fixture_handle(f, x);
    assert_int_equal(x->status, 405);
    Tally__V1__GetLotRequest get = TALLY__V1__GET_LOT_REQUEST__INIT;
    get.lot = (char *)"cola#00000000";
    const char *const good[] = {"application/grpc+proto", "Application/gRPC",
                                "APPLICATION/GRPC+PROTO ;a=b", "application/grpc;charset=utf-8"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        x = grpc_new(f, "GetLot", &get.base);
        fake_header(x, HEADER_content_type, good[i]);
        fixture_handle(f, x);
        fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
        assert_string_equal(answer_trailer(x, "grpc-status"), "5");
    }
}

static void broken_grpc_messages_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct str body;
        const char *status;
    } bodies[] = {
        {{"", 0}, "3"},
        {{"\0\0\0\0\2a", 6}, "3"},    /* cut short */
        {{"\0\0\0\0\1\xff", 6}, "3"}, /* no protobuf */
        {{"\1\0\0\0\0", 5}, "12"},    /* compressed */
        {{"\0\x7f\xff\xff\xff"
          "aaaa",
          9},
         "8"},                              /* 2 GiB announced */
        {{"\0\0\0\0\3\x0a\1\xff", 8}, "3"}, /* not UTF-8 */
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct fake_exchange *x = grpc_new(f, "GetLot", NULL);
        x->x.body = bodies[i].body;
        fixture_handle(f, x);
        assert_string_equal(answer_trailer(x, "grpc-status"), bodies[i].status);
        if (strcmp(bodies[i].status, "12") == 0)
            assert_string_equal(answer_header(x, "grpc-accept-encoding"), "identity,gzip");
    }
}

static void path_and_query_are_percent_decoded_once(void **state)
{
    struct fixture *f = *state;
    http(f, "GET", "/v1/orders/100%2525+%E2%82%AC", "");
    assert_true(str_equal(fixture_command(f)->get.order_id, STR("100%25+\xE2\x82\xAC")));
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    http(f, "GET", "/v1/lots?size=0.33+l%20can&sku=cola&page_size=5&page_token=9", "");
    struct command *c = fixture_command(f);
    assert_true(str_equal(c->list.size, STR("330ml_can")));
    assert_true(str_equal(c->list.sku, STR("cola")));
    assert_int_equal(c->list.page_size, 5);
    assert_int_equal(c->list.after, 9);
    fixture_answer(f, c, TLY_ENOT_FOUND);
    const char *const bad[] = {"/v1/orders/%",     "/v1/orders/%2",    "/v1/orders/%zz",
                               "/v1/orders/%00",   "/v1/orders/%ff",   "/v1/orders/%0a",
                               "/v1/lots?sku=%ff", "/v1/lots?sk%75=a%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(http(f, "GET", bad[i], "")->status, 400);
}

static void unknown_and_repeated_parameters_are_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/lots?colour=red", "");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(
        x, "colour: is not a parameter here; known: sku,flavor,size,page_size,page_token"));
    x = http(f, "GET", "/v1/lots?sku=a&sku=a", "");
    assert_true(answer_says(x, "sku: is given twice"));
    x = http(f, "GET", "/v1/lots?page_size=ten", "");
    assert_true(answer_says(x, "page_size: must be a whole number"));
    x = http(f, "GET", "/v1/reservations/7?order_id=8", "");
    assert_true(answer_says(x, "known: none"));
    x = http(f, "POST", "/v1/lots?sku=cola", "{}");
    assert_int_equal(x->status, 400);
    x = http(f, "POST", "/v1/reservations/7/confirm", "{\"reservation_id\":\"8\"}");
    assert_true(answer_says(x, "reservation_id: is given twice, and not the same"));
    x = http(f, "GET", "/v1/lots", "{}");
    assert_true(answer_says(x, "a GET request has no body"));
    assert_int_equal(f->submitted, 0);
}

static void pages_are_served_whatever_the_ledger_does(void **state)
{
    struct fixture *f = *state;
    const enum readiness states[] = {READY_STARTING, READY_YES, READY_LEDGER_DOWN,
                                     READY_ENGINE_STUCK, READY_DRAINING};
    for (size_t i = 0; i < 5; i++) {
        f->readiness = states[i];
        assert_int_equal(http(f, "GET", "/livez", "")->status, 200);
        struct fake_exchange *x = http(f, "GET", "/readyz", "");
        assert_int_equal(x->status, states[i] == READY_YES ? 200 : 503);
        if (states[i] == READY_LEDGER_DOWN)
            assert_true(answer_says(x, "disk full"));
    }
    struct fake_exchange *x = http(f, "GET", "/openapi.yaml", "");
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "openapi: "));
}

static void metrics_are_rendered_from_the_engines_counters(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http_new(f, "GET", "/metrics", "");
    fake_header(x, HEADER_accept, "application/openmetrics-text; version=1.0.0");
    fixture_handle(f, x);
    struct command *c = fixture_command(f);
    c->stats.stats->reserved_total = 42;
    c->stats.top_count = 2;
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "format 1 reserved 42 top 2 age 0"));
    assert_true(memmem(x->content_type.p, x->content_type.len, "openmetrics", 11) != NULL);
}

static void metrics_are_answered_without_an_engine_that_does_not_answer(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/metrics", "");
    fixture_tick(f, 500);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "format 0 reserved 7 top 4 age 99"));
    x = http(f, "GET", "/metrics", ""); /* it owes an answer already: not asked again */
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "reserved 7"));
    assert_int_equal(f->submitted, 1);
    fixture_command(f)->stats.stats->reserved_total = 42;
    fixture_answer(f, fixture_command(f), 0);
    http(f, "GET", "/metrics", "");
    assert_int_equal(f->submitted, 2);
    fixture_answer(f, fixture_command(f), 0);
}

static void metrics_are_answered_where_the_engine_refuses_to(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/metrics", "");
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "reserved 7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_path_leads_to_its_command),
        TEST(every_grpc_method_leads_to_its_command),
        TEST(what_is_not_there_is_not_found),
        TEST(a_wrong_method_is_told_the_right_ones),
        TEST(options_are_told_of_a_resource_and_of_the_server),
        TEST(the_head_of_a_stream_says_no_length),
        TEST(a_character_that_need_not_be_encoded_is_the_same_when_it_is),
        TEST(only_json_and_protobuf_are_taken),
        TEST(grpc_needs_its_content_type_and_http2),
        TEST(broken_grpc_messages_are_refused),
        TEST(path_and_query_are_percent_decoded_once),
        TEST(unknown_and_repeated_parameters_are_refused),
        TEST(pages_are_served_whatever_the_ledger_does),
        TEST(metrics_are_answered_without_an_engine_that_does_not_answer),
        TEST(metrics_are_answered_where_the_engine_refuses_to),
        TEST(metrics_are_rendered_from_the_engines_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
