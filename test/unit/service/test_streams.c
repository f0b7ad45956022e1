/* Watch, health, reflection: answers that go on. */
#include "fixture_service.h"

#include <health.pb-c.h>
#include <reflection.pb-c.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define V1         "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define HEALTH     "/grpc.health.v1.Health/Watch"
#define V1ALPHA    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

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

/* Answers a question for changes with the lots first..last. */
static void changed(struct fixture *f, lot_id first, lot_id last, uint64_t upto)
{
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_LOT_CHANGES);
    c->changes.count = last - first + 1;
    memcpy(c->changes.lots, &f->lots[first - 1], c->changes.count * sizeof f->lots[0]);
    c->changes.upto = upto;
    fixture_answer(f, c, 0);
}

static void nothing_changed(struct fixture *f)
{
    struct command *c = fixture_command(f);
    c->changes.count = 0;
    c->changes.upto = c->changes.since;
    fixture_answer(f, c, 0);
}

static size_t count_of(const struct fake_exchange *x, const char *text)
{
    size_t n = 0;
    for (const char *p = x->streamed; p && (p = strstr(p, text)); p++)
        n++;
    return n;
}

/* The message number i of a gRPC stream; NULL behind the last. */
static void *streamed_message(struct fake_exchange *x, size_t i,
                              const ProtobufCMessageDescriptor *type)
{
    const uint8_t *p = (const uint8_t *)x->streamed;
    size_t left = x->streamed_size;
    ProtobufCMessage *m;
    struct error e;
    while (left >= 5) {
        uint32_t size = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
        assert_true(size <= left - 5);
        if (i-- == 0) {
            assert_int_equal(
                proto_decode(type, (struct str){(const char *)p + 5, size}, &x->x.arena, &m, &e),
                0);
            return m;
        }
        p += 5 + size;
        left -= 5 + size;
    }
    return NULL;
}

static void a_watcher_gets_all_lots_and_then_what_changes(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/watch", "");
    assert_int_equal(x->status, 200);
    assert_true(str_equal(x->content_type, STR("text/event-stream")));
    assert_int_equal(service_streams(f->service), 1);
    fixture_tick(f, 20);
    assert_int_equal(fixture_command(f)->changes.since, 0);
    changed(f, 1, 4, 40);
    const char *head = "event: lots\nid: abc-40\ndata: {\"lots\":[{";
    assert_int_equal(strncmp(x->streamed, head, strlen(head)), 0);
    assert_int_equal(strcmp(x->streamed + x->streamed_size - 3, "}\n\n"), 0);
    assert_int_equal(count_of(x, "\"available\":85"), 4);
    fixture_tick(f, 20);
    assert_int_equal(f->command_count, 0); /* the interval is not over */
    fixture_tick(f, 250);
    assert_int_equal(fixture_command(f)->changes.since, 40);
    nothing_changed(f);
    assert_int_equal(count_of(x, "event:"), 1);
    fixture_tick(f, 260);
    changed(f, 2, 2, 41);
    assert_int_equal(count_of(x, "event:"), 2);
    service_end_streams(f->service);
    assert_int_equal(x->ends, 1);
    assert_int_equal(service_streams(f->service), 0);
}

static void one_question_serves_all_watchers(void **state)
{
    struct fixture *f = *state;
    Tally__V1__WatchRequest all = TALLY__V1__WATCH_REQUEST__INIT, some = all;
    some.sku = (char *)"water";
    struct fake_exchange *a = http(f, "GET", "/v1/watch", "");
    struct fake_exchange *b = http(f, "GET", "/v1/watch?sku=water", "");
    struct fake_exchange *c = grpc(f, "Watch", &all.base), *d = grpc(f, "Watch", &some.base);
    fixture_tick(f, 20);
    changed(f, 1, 4, 9);
    assert_int_equal(f->submitted, 1);
    assert_int_equal(count_of(a, "\"sku\":"), 4);
    assert_int_equal(count_of(b, "\"sku\":"), 1);
    assert_int_equal(count_of(b, "\"sku\":\"water\""), 1);
    Tally__V1__WatchResponse *m = streamed_message(c, 0, &tally__v1__watch_response__descriptor);
    assert_int_equal(m->n_lots, 4);
    m = streamed_message(d, 0, &tally__v1__watch_response__descriptor);
    assert_int_equal(m->n_lots, 1);
    assert_string_equal(m->lots[0]->sku, "water");
    fixture_tick(f, 260);
    changed(f, 1, 1, 10);
    assert_int_equal(f->submitted, 2);
    assert_int_equal(count_of(b, "event:"), 1); /* nothing that it wants */
    service_end_streams(f->service);
    assert_string_equal(answer_trailer(c, "grpc-status"), "14");
}

static void a_long_list_comes_in_pages_without_waiting(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/watch", "");
    fixture_tick(f, 20);
    struct command *c = fixture_command(f);
    uint32_t page = c->changes.page_size;
    for (uint32_t i = 0; i < page; i++)
        c->changes.lots[i] = f->lots[i % FAKE_LOTS];
    c->changes.count = page;
    c->changes.upto = page;
    fixture_answer(f, c, 0);
    assert_int_equal(fixture_command(f)->changes.since, page);
    changed(f, 1, 1, page + 1);
    assert_int_equal(count_of(x, "event:"), 2);
    assert_int_equal(f->command_count, 0);
    service_end_streams(f->service);
}

static void a_client_that_does_not_read_gets_the_newest_later(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *slow = http(f, "GET", "/v1/watch", "");
    struct fake_exchange *quick = http(f, "GET", "/v1/watch", "");
    fixture_tick(f, 20);
    changed(f, 1, 4, 10);
    slow->write_result = TLY_EFULL;
    fixture_tick(f, 260);
    changed(f, 1, 1, 11);
    assert_int_equal(count_of(quick, "event:"), 2);
    /* Now they stand at different places: a question each, the slower one's first. */
    fixture_tick(f, 260);
    assert_int_equal(fixture_command(f)->changes.since, 10);
    changed(f, 1, 2, 12);
    assert_int_equal(fixture_command(f)->changes.since, 11);
    changed(f, 2, 2, 12);
    assert_int_equal(f->command_count, 0);
    slow->write_result = 0;
    fixture_tick(f, 260);
    assert_int_equal(fixture_command(f)->changes.since, 10);
    changed(f, 1, 2, 12);
    nothing_changed(f);
    assert_int_equal(count_of(slow, "event:"), 2);
    fixture_tick(f, 260);
    nothing_changed(f);
    assert_int_equal(f->command_count, 0); /* side by side again */
    service_end_streams(f->service);
}

static void last_event_id_resumes_in_the_same_process_only(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *id;
        uint64_t since;
    } ids[] = {{"abc-17", 17}, {"abd-17", 0}, {"abc-", 0}, {"abc-1x", 0}, {"17", 0}, {"abc--1", 0}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct fake_exchange *x = http_new(f, "GET", "/v1/watch", "");
        fake_header(x, HEADER_last_event_id, ids[i].id);
        fixture_handle(f, x);
        fixture_tick(f, 300);
        assert_int_equal(fixture_command(f)->changes.since, ids[i].since);
        nothing_changed(f);
        service_end_streams(f->service);
    }
}

static void change_numbers_that_went_back_begin_anew(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http_new(f, "GET", "/v1/watch", "");
    fake_header(x, HEADER_last_event_id, "abc-17");
    fixture_handle(f, x);
    fixture_tick(f, 300);
    struct command *c = fixture_command(f);
    c->changes.upto = 5;
    fixture_answer(f, c, 0);
    fixture_tick(f, 300);
    assert_int_equal(fixture_command(f)->changes.since, 0);
    nothing_changed(f);
    service_end_streams(f->service);
}

static void a_quiet_stream_has_a_heartbeat(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/watch", "");
    fixture_tick(f, 14900);
    nothing_changed(f);
    assert_int_equal(x->streamed_size, 0);
    fixture_tick(f, 200);
    assert_string_equal(x->streamed, ":\n\n");
    fixture_tick(f, 100);
    assert_string_equal(x->streamed, ":\n\n");
    service_end_streams(f->service);
    nothing_changed(f);
}

static void a_watcher_that_leaves_is_ended_at_the_next_tick(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/watch", "");
    fixture_tick(f, 20);
    x->x.gone = true;
    x->x.on_gone(&x->x);
    changed(f, 1, 1, 3);
    assert_int_equal(x->streamed_size, 0);
    fixture_tick(f, 20);
    assert_int_equal(x->ends, 1);
    assert_int_equal(service_streams(f->service), 0);
    fixture_tick(f, 300);
    assert_int_equal(f->command_count, 0);
}

static void beyond_the_bound_of_streams_it_is_refused(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < f->settings.watchers_max; i++)
        http(f, "GET", "/v1/watch", "");
    struct fake_exchange *x = http(f, "GET", "/v1/watch", "");
    assert_int_equal(x->status, 503);
    assert_non_null(answer_header(x, "retry-after"));
    assert_true(answer_says(x, "watchers_max: 8 streams are open"));
    x = grpc(f, V1, NULL);
    assert_string_equal(answer_trailer(x, "grpc-status"), "14");
    x = http(f, "HEAD", "/v1/watch", "");
    assert_int_equal(x->status, 200);
    assert_int_equal(http(f, "GET", "/v1/watch?sku=%23", "")->status, 400);
    service_end_streams(f->service);
}

static int health_of(struct fixture *f, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    m.service = (char *)service;
    struct fake_exchange *x = grpc(f, "/grpc.health.v1.Health/Check", &m.base);
    if (strcmp(answer_trailer(x, "grpc-status"), "5") == 0)
        return -1;
    Grpc__Health__V1__HealthCheckResponse *r =
        answer_message(x, &grpc__health__v1__health_check_response__descriptor);
    return (int)r->status;
}

static void a_stream_ends_when_its_clients_deadline_has_passed(void **state)
{
    struct fixture *f = *state;
    Tally__V1__WatchRequest all = TALLY__V1__WATCH_REQUEST__INIT;
    struct fake_exchange *streams[] = {grpc_new(f, "Watch", &all.base), grpc_new(f, HEALTH, NULL),
                                       grpc_new(f, V1, NULL)};
    struct fake_exchange *endless = grpc(f, "Watch", &all.base);
    struct fake_exchange *events = http_new(f, "GET", "/v1/watch", "");
    assert_int_equal(grpc_encode(&all.base, &streams[1]->x.arena, &streams[1]->x.body), 0);
    for (size_t i = 0; i < 3; i++)
        fake_header(streams[i], HEADER_grpc_timeout, "100m");
    streams[2]->x.streams_in = true; /* its client has not closed its side */
    fake_header(events, HEADER_request_timeout, "100");
    for (size_t i = 0; i < 3; i++)
        fixture_handle(f, streams[i]);
    fixture_handle(f, events);
    fixture_tick(f, 90);
    assert_int_equal(service_streams(f->service), 5);
    fixture_tick(f, 20);
    assert_int_equal(service_streams(f->service), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(streams[i]->ends, 1);
        assert_string_equal(answer_trailer(streams[i], "grpc-status"), "4");
    }
    assert_int_equal(events->ends, 1);
    fixture_tick(f, 3600000);
    assert_int_equal(endless->ends, 0);
    while (f->command_count)
        fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    service_end_streams(f->service);
}

static void a_stream_with_a_limit_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = grpc_new(f, "Watch", NULL);
    Tally__V1__WatchRequest all = TALLY__V1__WATCH_REQUEST__INIT;
    assert_int_equal(grpc_encode(&all.base, &x->x.arena, &x->x.body), 0);
    fake_header(x, HEADER_grpc_timeout, "soon");
    fixture_handle(f, x);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
    assert_int_equal(service_streams(f->service), 0);
}

static void health_says_whether_orders_are_taken(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(health_of(f, ""), 1);
    assert_int_equal(health_of(f, "tally.v1.Inventory"), 1);
    assert_int_equal(health_of(f, "tally.v1.Sales"), 1);
    assert_int_equal(health_of(f, "other"), -1);
    const enum readiness not_ready[] = {READY_STARTING, READY_LEDGER_DOWN, READY_DRAINING};
    for (size_t i = 0; i < 3; i++) {
        f->readiness = not_ready[i];
        assert_int_equal(health_of(f, ""), 2);
    }
}

static void health_watchers_are_told_each_change_once(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *type = &grpc__health__v1__health_check_response__descriptor;
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *r;
    struct fake_exchange *x = grpc(f, "/grpc.health.v1.Health/Watch", &m.base);
    m.service = (char *)"other";
    struct fake_exchange *other = grpc(f, "/grpc.health.v1.Health/Watch", &m.base);
    r = streamed_message(x, 0, type);
    assert_int_equal(r->status, 1);
    r = streamed_message(other, 0, type);
    assert_int_equal(r->status, 3);
    fixture_tick(f, 20);
    fixture_tick(f, 20);
    assert_null(streamed_message(x, 1, type));
    f->readiness = READY_LEDGER_DOWN;
    x->write_result = TLY_EFULL;
    fixture_tick(f, 20);
    x->write_result = 0;
    fixture_tick(f, 20);
    fixture_tick(f, 20);
    r = streamed_message(x, 1, type);
    assert_int_equal(r->status, 2);
    assert_null(streamed_message(x, 2, type));
    assert_null(streamed_message(other, 1, type));
    service_end_streams(f->service);
}

/* Asks on a stream that stays open, handing over the bytes `step` at a time. */
static Grpc__Reflection__V1__ServerReflectionResponse *
reflect(struct fixture *f, Grpc__Reflection__V1__ServerReflectionRequest *q, size_t step)
{
    struct fake_exchange *x = grpc_new(f, V1, NULL);
    struct str bytes;
    assert_true(service_wants_stream(f->service, &x->x));
    x->x.streams_in = true;
    fixture_handle(f, x);
    assert_int_equal(x->answers, 1);
    assert_int_equal(grpc_encode(&q->base, &x->x.arena, &bytes), 0);
    for (uint32_t at = 0; at < bytes.len; at += (uint32_t)step)
        x->x.on_data(&x->x, bytes.p + at, bytes.len - at < step ? bytes.len - at : step, false);
    assert_int_equal(x->ends, 0);
    Grpc__Reflection__V1__ServerReflectionResponse *r =
        streamed_message(x, 0, &grpc__reflection__v1__server_reflection_response__descriptor);
    assert_non_null(r);
    x->x.on_data(&x->x, NULL, 0, true);
    assert_int_equal(x->ends, 1);
    assert_string_equal(answer_trailer(x, "grpc-status"), "0");
    return r;
}

#define ASK(which, value)                                                                          \
    {                                                                                              \
        .base =                                                                                    \
            PROTOBUF_C_MESSAGE_INIT(&grpc__reflection__v1__server_reflection_request__descriptor), \
        .host = (char *)"h", .message_request_case = (which), .value                               \
    }
#define CASE(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name

static void reflection_lists_the_services(void **state)
{
    struct fixture *f = *state;
    Grpc__Reflection__V1__ServerReflectionRequest q =
        ASK(CASE(LIST_SERVICES), list_services = (char *)"");
    for (size_t step = 1; step < 12; step += 5) {
        Grpc__Reflection__V1__ServerReflectionResponse *r = reflect(f, &q, step);
        assert_string_equal(r->valid_host, "h");
        assert_int_equal(r->original_request->message_request_case, CASE(LIST_SERVICES));
        assert_non_null(r->list_services_response);
        const char *const wanted[] = {
            "tally.v1.Inventory", "tally.v1.Sales", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"};
        assert_int_equal(r->list_services_response->n_service, 5);
        for (size_t i = 0; i < 5; i++) {
            bool found = false;
            for (size_t j = 0; j < 5; j++)
                found |= strcmp(r->list_services_response->service[j]->name, wanted[i]) == 0;
            assert_true(found);
        }
    }
}

static void reflection_finds_files_by_symbol_and_name(void **state)
{
    struct fixture *f = *state;
    const char *const symbols[] = {"tally.v1.Inventory", "tally.v1.Inventory.Reserve",
                                   "tally.v1.ReserveRequest", "tally.v1.ReserveRequest.user_id",
                                   "grpc.health.v1.HealthCheckResponse.ServingStatus"};
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        Grpc__Reflection__V1__ServerReflectionRequest q =
            ASK(CASE(FILE_CONTAINING_SYMBOL), file_containing_symbol = (char *)symbols[i]);
        Grpc__Reflection__V1__ServerReflectionResponse *r = reflect(f, &q, 1000);
        assert_non_null(r->file_descriptor_response);
        assert_int_equal(r->file_descriptor_response->n_file_descriptor_proto, 1);
        const ProtobufCBinaryData *file = r->file_descriptor_response->file_descriptor_proto;
        const char *name = i < 4 ? "\x0a\x0btally.proto" : "\x0a\x0chealth.proto";
        assert_memory_equal(file->data, name, strlen(name));
    }
    Grpc__Reflection__V1__ServerReflectionRequest q =
        ASK(CASE(FILE_BY_FILENAME), file_by_filename = (char *)"tally.proto");
    assert_non_null(reflect(f, &q, 1000)->file_descriptor_response);
    /* What clients look up to show a refusal's details, and what that file imports. */
    q.message_request_case = CASE(FILE_CONTAINING_SYMBOL);
    q.file_containing_symbol = (char *)"google.rpc.ErrorInfo";
    assert_non_null(reflect(f, &q, 1000)->file_descriptor_response);
    q.message_request_case = CASE(FILE_BY_FILENAME);
    q.file_by_filename = (char *)"google/protobuf/duration.proto";
    assert_non_null(reflect(f, &q, 1000)->file_descriptor_response);
}

static void reflection_says_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    const char *const symbols[] = {
        "tally.v1.Nothing",         "tally.v1",     "",
        "tally.v1.Inventory.Steal", "v1.Inventory", "tally.v1.Inventory."};
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        Grpc__Reflection__V1__ServerReflectionRequest q =
            ASK(CASE(FILE_CONTAINING_SYMBOL), file_containing_symbol = (char *)symbols[i]);
        Grpc__Reflection__V1__ServerReflectionResponse *r = reflect(f, &q, 1000);
        assert_non_null(r->error_response);
        assert_int_equal(r->error_response->error_code, 5);
    }
    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    Grpc__Reflection__V1__ServerReflectionRequest q =
        ASK(CASE(FILE_CONTAINING_EXTENSION), file_containing_extension = &extension);
    assert_int_equal(reflect(f, &q, 1000)->error_response->error_code, 5);
    Grpc__Reflection__V1__ServerReflectionRequest all =
        ASK(CASE(ALL_EXTENSION_NUMBERS_OF_TYPE),
            all_extension_numbers_of_type = (char *)"tally.v1.Lot");
    Grpc__Reflection__V1__ServerReflectionResponse *r = reflect(f, &all, 1000);
    assert_string_equal(r->all_extension_numbers_response->base_type_name, "tally.v1.Lot");
    Grpc__Reflection__V1__ServerReflectionRequest nothing =
        ASK(CASE(_NOT_SET), list_services = NULL);
    assert_int_equal(reflect(f, &nothing, 1000)->error_response->error_code, 3);
}

static void reflection_answers_a_client_that_closed_its_side(void **state)
{
    struct fixture *f = *state;
    Grpc__Reflection__V1__ServerReflectionRequest q =
        ASK(CASE(LIST_SERVICES), list_services = (char *)"");
    struct fake_exchange *x = grpc(f, V1ALPHA, &q.base);
    assert_non_null(
        streamed_message(x, 0, &grpc__reflection__v1__server_reflection_response__descriptor));
    assert_string_equal(answer_trailer(x, "grpc-status"), "0");
}

static void reflection_reads_a_message_in_gzip(void **state)
{
    struct fixture *f = *state;
    Grpc__Reflection__V1__ServerReflectionRequest q =
        ASK(CASE(LIST_SERVICES), list_services = (char *)"");
    struct fake_exchange *x = grpc_new(f, V1, NULL);
    struct str plain;
    unsigned char packed[256] = {1};
    z_stream z = {.next_out = packed + 5, .avail_out = sizeof packed - 5};
    assert_int_equal(grpc_encode(&q.base, &x->x.arena, &plain), 0);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const unsigned char *)(uintptr_t)plain.p + 5;
    z.avail_in = plain.len - 5;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    packed[4] = (unsigned char)z.total_out;
    fake_header(x, HEADER_grpc_encoding, "gzip");
    x->x.streams_in = true;
    fixture_handle(f, x);
    x->x.on_data(&x->x, packed, 5 + z.total_out, false);
    Grpc__Reflection__V1__ServerReflectionResponse *r =
        streamed_message(x, 0, &grpc__reflection__v1__server_reflection_response__descriptor);
    assert_non_null(r);
    assert_int_equal(
        r->message_response_case,
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE);
    packed[5] ^= 1; /* no gzip any more */
    x->x.on_data(&x->x, packed, 5 + z.total_out, false);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
}

static void reflection_ends_a_stream_that_is_broken(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct str bytes;
        const char *status;
    } broken[] = {
        {{"\1\0\0\0\1a", 6}, "12"},       {{"\2\0\0\0\1a", 6}, "3"},    {{"\0\0\1\0\0", 5}, "8"},
        {{"\0\xff\xff\xff\xff", 5}, "8"}, {{"\0\0\0\0\1\xff", 6}, "3"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct fake_exchange *x = grpc_new(f, V1, NULL);
        x->x.streams_in = true;
        fixture_handle(f, x);
        x->x.on_data(&x->x, broken[i].bytes.p, broken[i].bytes.len, false);
        assert_int_equal(x->ends, 1);
        assert_string_equal(answer_trailer(x, "grpc-status"), broken[i].status);
    }
    struct fake_exchange *x = grpc_new(f, V1, NULL);
    x->x.streams_in = true;
    fixture_handle(f, x);
    x->x.on_data(&x->x, "\0\0", 2, true);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
    assert_false(service_wants_stream(f->service, &grpc_new(f, "Reserve", NULL)->x));
    f->exchanges[f->exchange_count - 1]->answers = f->exchanges[f->exchange_count - 1]->ends = 0;
}

static void reflection_does_not_pile_up_answers(void **state)
{
    struct fixture *f = *state;
    Grpc__Reflection__V1__ServerReflectionRequest q =
        ASK(CASE(LIST_SERVICES), list_services = (char *)"");
    struct fake_exchange *x = grpc_new(f, V1, NULL);
    struct str bytes;
    x->x.streams_in = true;
    fixture_handle(f, x);
    assert_int_equal(grpc_encode(&q.base, &x->x.arena, &bytes), 0);
    x->write_result = TLY_EFULL;
    x->x.on_data(&x->x, bytes.p, bytes.len, false);
    assert_string_equal(answer_trailer(x, "grpc-status"), "8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_watcher_gets_all_lots_and_then_what_changes),
        TEST(one_question_serves_all_watchers),
        TEST(a_long_list_comes_in_pages_without_waiting),
        TEST(a_client_that_does_not_read_gets_the_newest_later),
        TEST(last_event_id_resumes_in_the_same_process_only),
        TEST(change_numbers_that_went_back_begin_anew),
        TEST(a_quiet_stream_has_a_heartbeat),
        TEST(a_watcher_that_leaves_is_ended_at_the_next_tick),
        TEST(beyond_the_bound_of_streams_it_is_refused),
        TEST(a_stream_ends_when_its_clients_deadline_has_passed),
        TEST(a_stream_with_a_limit_that_is_none_is_refused),
        TEST(health_says_whether_orders_are_taken),
        TEST(health_watchers_are_told_each_change_once),
        TEST(reflection_lists_the_services),
        TEST(reflection_finds_files_by_symbol_and_name),
        TEST(reflection_says_what_it_does_not_know),
        TEST(reflection_answers_a_client_that_closed_its_side),
        TEST(reflection_reads_a_message_in_gzip),
        TEST(reflection_ends_a_stream_that_is_broken),
        TEST(reflection_does_not_pile_up_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
