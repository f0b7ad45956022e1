/* Lots, batches of orders, and what happens to a reservation later. */
#include "fixture_service.h"
#include "service/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define LOT_FIELDS                                                                                 \
    "\"sku\":\"cola\",\"flavor\":\"lime\",\"size\":\"0.33l can\",\"batch\":\"BATCH-20260101-A\""

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

static void a_lot_is_created_under_its_key(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/lots",
                                   "{" LOT_FIELDS ",\"quantity\":5,\"expires_on\":\"2026-12-31\"}");
    struct command *c = fixture_command(f);
    assert_true(str_equal(c->create.dims.key, f->dims[0].key));
    assert_true(str_equal(c->create.dims.size, STR("330ml_can")));
    assert_int_equal(c->create.dims.expires_on, 20818);
    assert_int_equal(c->create.quantity, 5);
    c->create.lot = f->lots[1];
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 201);
    assert_string_equal(answer_header(x, "location"), "/v1/lots/cola%2323d75096");
    assert_true(answer_says(x, "\"expires_on\":\"2026-12-31\",\"on_hand\":100,\"reserved\":10,"
                               "\"confirmed\":5,\"available\":85,\"version\":7"));
    http(f, "POST", "/v1/lots", "{" LOT_FIELDS "}");
    assert_int_equal(fixture_command(f)->create.dims.expires_on, LOT_NEVER_EXPIRES);
    assert_int_equal(fixture_command(f)->create.quantity, 0);
    fixture_answer(f, fixture_command(f), TLY_EALREADY_EXISTS);
}

static void a_lot_that_is_only_validated_is_not_created(void **state)
{
    struct fixture *f = *state;
    f->settings.flavors = STR("lime,cherry");
    struct fake_exchange *x =
        http(f, "POST", "/v1/lots", "{" LOT_FIELDS ",\"quantity\":5,\"validate_only\":true}");
    assert_int_equal(f->submitted, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"size\":\"330ml_can\""));
    assert_true(answer_says(x, "\"on_hand\":5"));
    f->settings.flavors = STR("cherry");
    x = http(f, "POST", "/v1/lots", "{" LOT_FIELDS ",\"validate_only\":true}");
    assert_int_equal(f->submitted, 0);
    assert_int_equal(x->status, 400);
}

static void free_dimensions_are_taken_as_they_are_without_the_spaces_around_them(void **state)
{
    struct fixture *f = *state;
    f->settings.dimensions = DIMENSIONS_FREE;
    f->settings.flavors = STR("cherry"); /* of drinks */
    http(f, "POST", "/v1/lots",
         "{\"sku\":\"SHOE\",\"flavor\":\" Dark Blue\",\"size\":\"42 \xC2\xBD \","
         "\"batch\":\"spring 27\"}");
    struct command *c = fixture_command(f);
    assert_true(str_equal(c->create.dims.flavor, STR("Dark Blue")));
    assert_true(str_equal(c->create.dims.size, STR("42 \xC2\xBD")));
    assert_true(str_equal(c->create.dims.batch, STR("spring 27")));
    assert_int_equal(c->create.dims.key.len, 13);
    fixture_answer(f, c, TLY_EALREADY_EXISTS);
    http(f, "GET", "/v1/lots?sku=SHOE&flavor=Dark%20Blue%20&size=42", "");
    assert_true(str_equal(fixture_command(f)->list.flavor, STR("Dark Blue")));
    assert_true(str_equal(fixture_command(f)->list.size, STR("42")));
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    f->gate.verdict = GATE_BLIND;
    http(f, "POST", "/v1/reservations",
         "{\"user_id\":\"ann\",\"lines\":[{\"sku\":\"SHOE\",\"size\":\" 42\",\"batch\":\"any "
         "\",\"quantity\":1}]}");
    assert_true(str_equal(fixture_command(f)->reserve.wants[0].size, STR("42")));
    assert_true(str_equal(fixture_command(f)->reserve.wants[0].batch, STR("any")));
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    struct fake_exchange *x = http(f, "POST", "/v1/lots",
                                   "{\"sku\":\"SHOE\",\"flavor\":\"a|b\",\"size\":\"42\","
                                   "\"batch\":\"s\"}");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "flavor: must have no '|'"));
}

static void lots_that_break_a_rule_are_refused(void **state)
{
    struct fixture *f = *state;
    f->settings.flavors = STR("lime,cherry");
    const struct {
        const char *method, *target, *body, *says;
    } rules[] = {
        {"POST", "/v1/lots", "{}", "sku: must be"},
        {"POST", "/v1/lots", "{" LOT_FIELDS ",\"quantity\":-1}",
         "quantity: must be 0 to 2147483647, is -1"},
        {"POST", "/v1/lots", "{" LOT_FIELDS ",\"expires_on\":\"2026-02-30\"}",
         "expires_on: must be a real date"},
        {"POST", "/v1/lots",
         "{\"sku\":\"cola\",\"flavor\":\"kiwi\",\"size\":\"1l "
         "can\",\"batch\":\"BATCH-20260101-A\"}",
         "flavor: must be one of lime,cherry, is \\\"kiwi\\\""},
        {"POST", "/v1/lots", "{\"sku\":\"cola\",\"flavor\":\"lime\",\"size\":\"1l can\"}",
         "batch: must be BATCH-YYYYMMDD-X"},
        {"POST", "/v1/lots/cola%2300000000/adjust", "{\"delta\":0}", "delta: must be"},
        {"POST", "/v1/lots/cola%2300000000/adjust", "{\"delta\":2147483648}", "delta: must be"},
        {"POST", "/v1/lots/cola/adjust", "{\"delta\":1}", "lot: must be a lot key"},
        {"POST", "/v1/lots/cola%2300000000/adjust", "{\"delta\":1,\"reason\":\"a\\nb\"}",
         "reason: must have no control characters"},
        {"GET", "/v1/lots/cola", "", "lot: must be a lot key"},
        {"GET", "/v1/lots?page_size=1001", "", "page_size: must be 1 to 1000"},
        {"GET", "/v1/lots?page_token=abc", "", "page_token: must be"},
        {"GET", "/v1/lots?flavor=A", "", "flavor: must be a lower-case word"},
        {"POST", "/v1/reservations/x/confirm", "",
         "reservation_id: must be a reservation's number"},
        {"POST", "/v1/reservations/0/confirm", "", "reservation_id: must be"},
        {"POST", "/v1/reservations/7/confirm",
         "{\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":0}]}", "lines[0].quantity: must be"},
        {"POST", "/v1/reservations/7/confirm", "{\"lines\":[{\"quantity\":1}]}",
         "lines[0].lot: must be"},
        {"POST", "/v1/reservations/7/refund", "{\"reason\":\"EXPIRED\"}",
         "reason: must be CANCELLED"},
        {"POST", "/v1/reservations/7/refund", "{\"reason\":\"bored\"}",
         "reason: must be CANCELLED"},
        {"POST", "/v1/reservations/7/extend", "{\"hold_ms\":0}", "hold_ms: must be 1 to 3600000"},
        {"POST", "/v1/reservations/7/extend", "{\"hold_ms\":3600001}", "hold_ms: must be 1 to"},
        {"POST", "/v1/reservations/batch", "{}", "orders: must be 1 to 8190 orders, is 0"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct fake_exchange *x = http(f, rules[i].method, rules[i].target, rules[i].body);
        assert_int_equal(x->status, 400);
        if (!answer_says(x, rules[i].says))
            fail_msg("expected \"%s\" in %.*s", rules[i].says, STR_ARG(x->body));
    }
    assert_int_equal(f->submitted, 0);
}

static void lots_are_listed_a_page_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/lots?sku=cola&page_size=2", "");
    struct command *c = fixture_command(f);
    assert_int_equal(c->list.page_size, 2);
    memcpy(c->list.lots, f->lots, 2 * sizeof f->lots[0]);
    c->list.count = 2;
    c->list.next = 2;
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"flavor\":\"cherry\""));
    assert_true(answer_says(x, "\"next_page_token\":\"2\""));
    x = http(f, "GET", "/v1/lots", "");
    assert_int_equal(fixture_command(f)->list.page_size, 100);
    fixture_answer(f, fixture_command(f), 0);
    assert_true(answer_says(x, "{\"lots\":[],\"next_page_token\":\"\"}"));
}

static void stock_that_is_held_cannot_be_written_off(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/lots/cola%2300000000/adjust",
             "{\"delta\":-90,\"reason\":\"broken\",\"adjustment_id\":\"adj-1\"}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->adjust.delta, -90);
    assert_true(str_equal(c->adjust.adjustment_id, STR("adj-1")));
    assert_true(str_equal(c->adjust.reason, STR("broken")));
    c->adjust.lot = f->lots[0];
    fixture_answer(f, c, TLY_ESOLD_OUT);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"available\":85"));
}

static void answer_move(struct fixture *f, enum hold_state state, enum refund_reason reason)
{
    struct command *c = fixture_command(f);
    memcpy(c->move.order_id, "o-1", 3);
    c->move.order_id_len = 3;
    c->move.state = state;
    c->move.state_reason = reason;
    c->move.expires_ms = INT64_C(1795000900000);
    assert_int_equal(c->move.line_max, ORDER_LINES_MAX);
    c->move.lines[0] = (struct line){1, 3};
    c->move.line_count = 1;
    fixture_answer(f, c, 0);
}

static void a_reservation_is_confirmed_in_part(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/confirm",
             "{\"payment_id\":\"pay-1\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":3}]}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->move.reservation_id, 7);
    assert_true(str_equal(c->move.payment_id, STR("pay-1")));
    assert_int_equal(c->move.want_count, 1);
    assert_int_equal(c->move.wants[0].quantity, 3);
    answer_move(f, HOLD_CONFIRMED, REASON_NONE);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"reservation_id\":\"7\",\"order_id\":\"o-1\","
                               "\"status\":\"CONFIRMED\""));
}

static void a_confirm_of_what_is_not_held_names_the_line(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/confirm",
                                   "{\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":1},"
                                   "{\"lot\":\"cola#00000001\",\"quantity\":1}]}");
    struct command *c = fixture_command(f);
    c->move.failed_want = 1;
    fixture_answer(f, c, TLY_EINVALID_ARGUMENT);
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "\"detail\":\"lines[1]: "));
    assert_true(answer_says(x, "\"field\":\"lines[1]\""));
}

static void a_refund_says_why(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/refund", "{\"reason\":\"GROUP_FAILED\"}");
    assert_int_equal(fixture_command(f)->move.reason, REASON_GROUP_FAILED);
    fixture_command(f)->move.replayed = true;
    answer_move(f, HOLD_REFUNDED, REASON_GROUP_FAILED);
    assert_true(answer_says(x, "\"status\":\"REFUNDED\""));
    assert_true(answer_says(x, "\"reason\":\"GROUP_FAILED\""));
    assert_string_equal(answer_header(x, "idempotent-replayed"), "true");
    Tally__V1__RefundRequest m = TALLY__V1__REFUND_REQUEST__INIT;
    m.reservation_id = (char *)"7";
    x = grpc(f, "Refund", &m.base);
    assert_int_equal(fixture_command(f)->move.reason, REASON_NONE);
    answer_move(f, HOLD_REFUNDED, REASON_CANCELLED);
    Tally__V1__RefundResponse *r = answer_message(x, &tally__v1__refund_response__descriptor);
    assert_string_equal(r->reason, "CANCELLED");
    assert_string_equal(r->lines[0]->lot, f->dims[0].key.p);
}

static void an_extension_is_from_now(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/extend", "{\"hold_ms\":1000}");
    assert_int_equal(fixture_command(f)->move.hold_ms, 1000);
    answer_move(f, HOLD_PENDING, REASON_NONE);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"expires_at\":\"2026-11-18T11:21:40.000Z\""));
}

static void a_move_that_is_not_allowed_says_from_and_to(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/confirm", "");
    fixture_command(f)->move.state = HOLD_REFUNDED;
    fixture_answer(f, fixture_command(f), TLY_EINVALID_TRANSITION);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"from\":\"REFUNDED\",\"to\":\"CONFIRMED\""));
}

static void a_reservation_is_shown_with_its_history(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/orders/o-1", "");
    struct command *c = fixture_command(f);
    assert_true(str_equal(c->get.order_id, STR("o-1")));
    assert_true(c->get.order_hash != 0);
    struct {
        struct reservation_record record;
        struct line lines[1];
        struct reservation_move moves[2];
    } *r = calloc(1, sizeof *r);
    r->record = (struct reservation_record){.reservation_id = 7,
                                            .state = HOLD_CONFIRMED,
                                            .created_ms = INT64_C(1795000000000),
                                            .deadline_ms = INT64_C(1795000900000),
                                            .confirmed_ms = INT64_C(1795000100000),
                                            .order_id = STR("o-1"),
                                            .user_id = STR("ann"),
                                            .payment_id = STR("pay-1"),
                                            .line_count = 1,
                                            .move_count = 2,
                                            .lines = r->lines,
                                            .moves = r->moves};
    r->lines[0] = (struct line){2, 4};
    r->moves[0] = (struct reservation_move){.seq = 7,
                                            .at_ms = INT64_C(1795000000000),
                                            .deadline_ms = INT64_C(1795000900000),
                                            .quantity = 4,
                                            .kind = MOVE_RESERVE};
    r->moves[1] = (struct reservation_move){.seq = 9,
                                            .at_ms = INT64_C(1795000100000),
                                            .quantity = 4,
                                            .kind = MOVE_CONFIRM,
                                            .detail = STR("pay-1")};
    c->get.record = &r->record;
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"user_id\":\"ann\",\"created_at\":\"2026-11-18T11:06:40.000Z\","
                               "\"confirmed_at\":\"2026-11-18T11:08:20.000Z\","
                               "\"payment_id\":\"pay-1\""));
    assert_true(answer_says(x, "{\"seq\":\"7\",\"kind\":\"RESERVE\""));
    assert_true(answer_says(x, "\"kind\":\"CONFIRM\",\"at\":\"2026-11-18T11:08:20.000Z\","
                               "\"quantity\":4,\"deadline\":\"\",\"reason\":\"\","
                               "\"payment_id\":\"pay-1\""));
}

static void each_order_of_a_batch_has_its_own_outcome(void **state)
{
    struct fixture *f = *state;
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest good = reserve_request(&line, lines), bad = good, late = good;
    Tally__V1__ReserveRequest *orders[] = {&bad, &good, &late};
    Tally__V1__ReserveBatchRequest m = TALLY__V1__RESERVE_BATCH_REQUEST__INIT;
    bad.user_id = (char *)"";
    bad.order_id = (char *)"o-bad";
    late.order_id = (char *)"o-late";
    m.n_orders = 3;
    m.orders = orders;
    struct fake_exchange *x = grpc(f, "ReserveBatch", &m.base);
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_RESERVE_BATCH);
    assert_int_equal(c->batch.count, 2);
    assert_int_equal(f->gate.asks, 2);
    assert_true(str_equal(c->batch.orders[0].order_id, STR("order-1")));
    assert_true(c->batch.orders[0].wants[0].gate_taken);
    c->batch.orders[0].reservation_id = 5;
    c->batch.orders[0].state = HOLD_PENDING;
    c->batch.orders[0].lines[0] = (struct line){1, 2};
    c->batch.orders[0].line_count = 1;
    c->batch.orders[1].code = TLY_ESOLD_OUT;
    c->batch.orders[1].available = c->batch.orders[1].wants[0].available = 1;
    c->batch.orders[1].wants[0].trouble = WANT_SHORT;
    fixture_answer(f, c, 0);
    Tally__V1__ReserveBatchResponse *r =
        answer_message(x, &tally__v1__reserve_batch_response__descriptor);
    assert_int_equal(r->n_outcomes, 3);
    assert_string_equal(r->outcomes[0]->code, "INVALID_ARGUMENT");
    assert_string_equal(r->outcomes[0]->order_id, "o-bad");
    assert_string_equal(r->outcomes[0]->message, "user_id: must be 1 to 64 bytes, is 0");
    assert_string_equal(r->outcomes[1]->code, "OK");
    assert_string_equal(r->outcomes[1]->reservation->reservation_id, "5");
    assert_string_equal(r->outcomes[2]->code, "SOLD_OUT");
    assert_int_equal(r->outcomes[2]->available, 1);
    assert_null(r->outcomes[2]->reservation);
}

static void a_batch_that_the_gate_refuses_whole_needs_no_engine(void **state)
{
    struct fixture *f = *state;
    f->gate.verdict = GATE_SOLD_OUT;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/batch",
             "{\"orders\":[{\"order_id\":\"a\",\"user_id\":\"ann\",\"lines\":[{\"lot\":"
             "\"cola#00000000\",\"quantity\":1}]},{}]}");
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"order_id\":\"a\",\"code\":\"SOLD_OUT\""));
    assert_true(answer_says(x, "\"code\":\"INVALID_ARGUMENT\""));
    assert_int_equal(f->submitted, 0);
    x = http(f, "POST", "/v1/reservations/batch", "{\"orders\":[{}]}");
    assert_int_equal(x->status, 200);
    assert_int_equal(service_inflight(f->service), 0);
}

#define TWO_ORDERS                                                                                 \
    "{\"orders\":[{\"order_id\":\"a\",\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\","  \
    "\"quantity\":1}]},{\"order_id\":\"b\",\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#"        \
    "00000000\","                                                                                  \
    "\"quantity\":1}]}]}"

static void a_batch_waits_for_the_gates_last_answer(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/batch", TWO_ORDERS);
    fake_gate_answer_one(f, GATE_PASS);
    assert_int_equal(f->submitted, 0);
    assert_int_equal(service_inflight(f->service), 1);
    fake_gate_answer_one(f, GATE_SOLD_OUT);
    assert_int_equal(f->submitted, 1);
    struct command *c = fixture_command(f);
    assert_int_equal(c->batch.count, 1);
    assert_true(str_equal(c->batch.orders[0].order_id, STR("b")));
    assert_true(c->batch.orders[0].wants[0].gate_taken);
    c->batch.orders[0].code = TLY_ENOT_FOUND;
    fixture_answer(f, c, 0);
    assert_true(answer_says(x, "\"order_id\":\"a\",\"code\":\"SOLD_OUT\""));
    assert_true(answer_says(x, "\"order_id\":\"b\",\"code\":\"NOT_FOUND\""));
}

static void what_a_late_batch_took_is_given_back_through_the_engine(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/batch", TWO_ORDERS);
    fake_gate_answer_one(f, GATE_PASS);
    fixture_tick(f, 6000);
    assert_int_equal(x->status, 503);
    fake_gate_answer_one(f, GATE_BLIND);
    assert_int_equal(f->submitted, 1);
    assert_true(fixture_command(f)->deadline_ns < f->now_ns);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    assert_int_equal(service_inflight(f->service), 0);
}

static void a_late_batch_that_took_nothing_ends_at_the_gate(void **state)
{
    struct fixture *f = *state;
    f->gate.later = true;
    http(f, "POST", "/v1/reservations/batch", TWO_ORDERS);
    fixture_tick(f, 6000);
    fake_gate_answer(f, GATE_BLIND);
    assert_int_equal(f->submitted, 0);
    assert_int_equal(service_inflight(f->service), 0);
}

static void a_batch_has_at_most_8190_orders(void **state)
{
    struct fixture *f = *state;
    enum { MORE = ORDER_BATCH_MAX + 1 };
    Tally__V1__WantedLine line, *lines[1];
    Tally__V1__ReserveRequest order = reserve_request(&line, lines);
    Tally__V1__ReserveRequest **orders = calloc(MORE, sizeof *orders);
    Tally__V1__ReserveBatchRequest m = TALLY__V1__RESERVE_BATCH_REQUEST__INIT;
    for (size_t i = 0; i < MORE; i++)
        orders[i] = &order;
    m.orders = orders;
    m.n_orders = MORE;
    struct fake_exchange *x = grpc(f, "ReserveBatch", &m.base);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
    m.n_orders = ORDER_BATCH_MAX;
    x = grpc(f, "ReserveBatch", &m.base);
    struct command *c = fixture_command(f);
    assert_int_equal(c->batch.count, ORDER_BATCH_MAX);
    for (uint32_t i = 0; i < c->batch.count; i++) {
        c->batch.orders[i].state = HOLD_PENDING;
        c->batch.orders[i].reservation_id = i + 1;
    }
    fixture_answer(f, c, 0);
    Tally__V1__ReserveBatchResponse *r =
        answer_message(x, &tally__v1__reserve_batch_response__descriptor);
    assert_int_equal(r->n_outcomes, ORDER_BATCH_MAX);
    assert_string_equal(r->outcomes[8189]->reservation->reservation_id, "8190");
    free(orders);
}

static void a_batch_that_is_unknown_is_unknown_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/batch",
             "{\"orders\":[{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\","
             "\"quantity\":1}]}]}");
    fixture_answer(f, fixture_command(f), TLY_EOUTCOME_UNKNOWN);
    assert_int_equal(x->status, 504);
}

/* Every answer about a lot is encoded as Lot, every one about a reservation as ReserveResponse. */
static void begins_with(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    for (unsigned i = 0; i < a->n_fields; i++) {
        assert_string_equal(a->fields[i].name, b->fields[i].name);
        assert_int_equal(a->fields[i].id, b->fields[i].id);
        assert_int_equal(a->fields[i].type, b->fields[i].type);
        assert_int_equal(a->fields[i].label, b->fields[i].label);
        assert_ptr_equal(a->fields[i].descriptor, b->fields[i].descriptor);
    }
}

static void same_fields(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    assert_int_equal(a->n_fields, b->n_fields);
    begins_with(a, b);
}

static void messages_that_stand_for_each_other_have_the_same_fields(void **state)
{
    (void)state;
    same_fields(&tally__v1__lot__descriptor, &tally__v1__create_lot_response__descriptor);
    same_fields(&tally__v1__lot__descriptor, &tally__v1__get_lot_response__descriptor);
    begins_with(&tally__v1__lot__descriptor, &tally__v1__adjust_stock_response__descriptor);
    same_fields(&tally__v1__reserve_response__descriptor, &tally__v1__confirm_response__descriptor);
    same_fields(&tally__v1__reserve_response__descriptor, &tally__v1__refund_response__descriptor);
    same_fields(&tally__v1__reserve_response__descriptor, &tally__v1__extend_response__descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lot_is_created_under_its_key),
        TEST(a_lot_that_is_only_validated_is_not_created),
        TEST(free_dimensions_are_taken_as_they_are_without_the_spaces_around_them),
        TEST(lots_that_break_a_rule_are_refused),
        TEST(lots_are_listed_a_page_at_a_time),
        TEST(stock_that_is_held_cannot_be_written_off),
        TEST(a_reservation_is_confirmed_in_part),
        TEST(a_confirm_of_what_is_not_held_names_the_line),
        TEST(a_refund_says_why),
        TEST(an_extension_is_from_now),
        TEST(a_move_that_is_not_allowed_says_from_and_to),
        TEST(a_reservation_is_shown_with_its_history),
        TEST(each_order_of_a_batch_has_its_own_outcome),
        TEST(a_batch_that_the_gate_refuses_whole_needs_no_engine),
        TEST(a_batch_waits_for_the_gates_last_answer),
        TEST(what_a_late_batch_took_is_given_back_through_the_engine),
        TEST(a_late_batch_that_took_nothing_ends_at_the_gate),
        TEST(a_batch_has_at_most_8190_orders),
        TEST(a_batch_that_is_unknown_is_unknown_as_a_whole),
        TEST(messages_that_stand_for_each_other_have_the_same_fields),
    };
    return RUN_WITH_BOTH_GATES(tests);
}
