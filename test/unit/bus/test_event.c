/* A move as an event. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <tally.pb-c.h>

#include "bus/event.h"
#include "wire/codec.h"

static const struct lot_dims tea = {.key = {"tea#1234abcd", 12}};
static const struct lot_dims milk = {.key = {"milk#00000001", 13}};

static const struct lot_dims *dims_of(void *context, lot_id id)
{
    (void)context;
    return id == 1 ? &tea : id == 2 ? &milk : NULL;
}

static const struct event_namer namer = {.source = {"/shop", 5}, .lot_dims = dims_of};

static const char *json(const struct move *m, struct arena *a)
{
    struct writer w;
    struct str out;
    writer_init(&w, a, 256);
    event_put_json(&w, m, &namer);
    writer_byte(&w, 0);
    assert_int_equal(writer_result(&w, &out), 0);
    return out.p;
}

static Tally__V1__EventsResponse *message(const struct move *m, struct arena *a)
{
    struct writer w;
    struct str out, bytes;
    struct error e;
    ProtobufCMessage *event;
    writer_init(&w, a, 256);
    assert_int_equal(event_put_grpc(&w, m, &namer, a), 0);
    assert_int_equal(writer_result(&w, &out), 0);
    assert_int_equal(grpc_unframe(out, 1 << 20, &bytes, &e), 0);
    assert_int_equal(proto_decode(&tally__v1__events_response__descriptor, bytes, a, &event, &e),
                     0);
    return (Tally__V1__EventsResponse *)event;
}

static struct move reserve(void)
{
    return (struct move){.seq = 77,
                         .reservation_id = 77,
                         .at_ms = 1764000000123,
                         .deadline_ms = 1764000900123,
                         .kind = MOVE_RESERVE,
                         .line_count = 1,
                         .line = {1, 3},
                         .order_id = STR("o-\"1\""),
                         .user_id = STR("u1")};
}

static void a_reservation_is_a_cloudevent(void **state)
{
    struct arena a;
    struct move m = reserve();
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    assert_string_equal(
        json(&m, &a),
        "{\"specversion\":\"1.0\",\"id\":\"77\",\"source\":\"/shop\","
        "\"type\":\"tally.reservation.reserved\",\"subject\":\"reservations/77\","
        "\"time\":\"2025-11-24T16:00:00.123Z\",\"datacontenttype\":\"application/json\","
        "\"data\":{\"seq\":\"77\",\"kind\":\"RESERVE\",\"reservation_id\":\"77\","
        "\"order_id\":\"o-\\\"1\\\"\",\"user_id\":\"u1\",\"deadline\":\"2025-11-24T16:15:00.123Z\","
        "\"lines\":[{\"lot\":\"tea#1234abcd\",\"quantity\":3}]}}");
    arena_close(&a);
}

static void every_kind_of_move_is_an_event_with_a_type_of_its_own(void **state)
{
    static const uint8_t kinds[] = {
#define X(name, number, on_hand, reserved, confirmed) MOVE_##name,
        MOVE_KINDS(X)
#undef X
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds; i++) {
        const char *type = event_type((enum move_kind)kinds[i]);
        assert_true(strlen(type) < EVENT_TYPE_MAX);
        assert_string_not_equal(type, "tally.move");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(type, event_type((enum move_kind)kinds[j]));
    }
}

static void the_detail_of_a_move_is_told_by_its_own_name(void **state)
{
    struct arena a;
    struct move m = reserve();
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    m.seq = 78;
    m.deadline_ms = 0;
    m.kind = MOVE_CONFIRM;
    m.detail = STR("pay-1");
    assert_non_null(strstr(json(&m, &a), "\"payment_id\":\"pay-1\""));
    assert_null(strstr(json(&m, &a), "deadline"));
    m.kind = MOVE_ADJUST;
    assert_non_null(strstr(json(&m, &a), "\"adjustment_id\":\"pay-1\""));
    assert_null(strstr(json(&m, &a), "payment_id"));
    arena_close(&a);
}

static void a_refund_says_why(void **state)
{
    struct arena a;
    struct move m = reserve();
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    m.kind = MOVE_REFUND;
    m.reason = REASON_EXPIRED;
    assert_non_null(strstr(json(&m, &a), "\"reason\":\"EXPIRED\""));
    arena_close(&a);
}

static void a_move_of_a_lot_names_the_lot(void **state)
{
    struct arena a;
    struct move m = {.seq = 9,
                     .at_ms = 1,
                     .kind = MOVE_ADJUST,
                     .line_count = 1,
                     .line = {2, -4},
                     .note = STR("broken")};
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    const char *text = json(&m, &a);
    assert_non_null(strstr(text, "\"subject\":\"lots/milk#00000001\""));
    assert_non_null(strstr(text, "\"lot\":\"milk#00000001\",\"reason\":\"broken\""));
    assert_non_null(strstr(text, "\"lines\":[{\"lot\":\"milk#00000001\",\"quantity\":-4}]"));
    arena_close(&a);
}

static void a_move_of_several_lines_has_them_all(void **state)
{
    struct arena a;
    struct line lines[2] = {{1, 3}, {2, 4}};
    struct move m = reserve();
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    m.line_count = 2;
    m.lines = lines;
    m.line = (struct line){0, 7};
    assert_non_null(strstr(json(&m, &a), "\"lines\":[{\"lot\":\"tea#1234abcd\",\"quantity\":3},"
                                         "{\"lot\":\"milk#00000001\",\"quantity\":4}]"));
    arena_close(&a);
}

static void an_event_of_a_sale_names_sale_and_group(void **state)
{
    struct arena a;
    struct sale_terms sale = {.number = 4, .sale_id = STR("summer")};
    struct move m = reserve();
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    m.sale = 4;
    m.group_id = 50;
    m.sale_terms = &sale;
    assert_non_null(strstr(json(&m, &a), "\"sale_id\":\"summer\",\"group_id\":\"50\""));
    m = (struct move){.seq = 90, .at_ms = 1, .kind = MOVE_SALE, .sale = 4, .sale_terms = &sale};
    const char *text = json(&m, &a);
    assert_non_null(strstr(text, "\"subject\":\"sales/summer\""));
    assert_non_null(strstr(text, "\"lines\":[]"));
    m.kind = MOVE_GROUP_FAIL;
    m.group_id = 50;
    assert_non_null(strstr(json(&m, &a), "\"subject\":\"groups/50\""));
    arena_close(&a);
}

static void the_json_and_the_grpc_form_say_the_same(void **state)
{
    struct arena a;
    struct move m = reserve();
    struct error e;
    ProtobufCMessage *decoded;
    struct str one, other;
    (void)state;
    arena_init(&a, NULL, 0, 1 << 20);
    m.kind = MOVE_CONFIRM;
    m.detail = STR("p");
    assert_int_equal(json_decode(&tally__v1__events_response__descriptor, str_of(json(&m, &a)), &a,
                                 &decoded, &e),
                     0);
    assert_int_equal(json_encode(decoded, &a, &one), 0);
    assert_int_equal(json_encode(&message(&m, &a)->base, &a, &other), 0);
    assert_true(str_equal(one, other));
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reservation_is_a_cloudevent),
        cmocka_unit_test(every_kind_of_move_is_an_event_with_a_type_of_its_own),
        cmocka_unit_test(the_detail_of_a_move_is_told_by_its_own_name),
        cmocka_unit_test(a_refund_says_why),
        cmocka_unit_test(a_move_of_a_lot_names_the_lot),
        cmocka_unit_test(a_move_of_several_lines_has_them_all),
        cmocka_unit_test(an_event_of_a_sale_names_sale_and_group),
        cmocka_unit_test(the_json_and_the_grpc_form_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
