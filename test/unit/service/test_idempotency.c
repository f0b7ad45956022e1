/* Keys that make retrying safe: order_id, Idempotency-Key, adjustment_id; and what is told of what
 * is stored under them. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name)  cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define LINES       "\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":2}]"
#define ORDER(more) "{\"user_id\":\"ann\"," more LINES "}"
#define ADJUST      "/v1/lots/cola%2300000000/adjust"

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

static struct fake_exchange *with_key(struct fixture *f, const char *key, const char *body)
{
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations", body);
    fake_header(x, HEADER_idempotency_key, key);
    fixture_handle(f, x);
    return x;
}

static void an_empty_order_id_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER("\"order_id\":\"\","));
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "order_id: must be 1 to 64 bytes, is 0"));
    x = http(f, "POST", "/v1/reservations/batch",
             "{\"orders\":[" ORDER("\"order_id\":\"\",") "," ORDER("") "]}");
    assert_int_equal(fixture_command(f)->batch.count, 1);
    fixture_answer(f, fixture_command(f), 0);
    assert_true(answer_says(x, "order_id: must be 1 to 64 bytes, is 0"));
}

static void an_order_id_that_is_null_counts_as_left_out(void **state)
{
    struct fixture *f = *state;
    http(f, "POST", "/v1/reservations", ORDER("\"order_id\":null,"));
    assert_int_equal(fixture_command(f)->reserve.order_id.len, 36);
    fixture_reserved(f, 1);
}

static void an_order_id_that_is_sent_empty_over_grpc_is_refused(void **state)
{
    struct fixture *f = *state;
    /* order_id (1): empty; user_id (2): "ann" */
    static const char message[] = "\0\0\0\0\7\x0a\0\x12\3ann";
    struct fake_exchange *x = grpc_new(f, "Reserve", NULL);
    x->x.body = (struct str){message, sizeof message - 1};
    fixture_handle(f, x);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
    assert_non_null(strstr(answer_trailer(x, "grpc-message"), "order_id: must be 1 to 64 bytes"));
}

static void an_empty_idempotency_key_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const empty[] = {"", "\"\""};
    for (size_t i = 0; i < 2; i++) {
        struct fake_exchange *x = with_key(f, empty[i], ORDER(""));
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, "Idempotency-Key: must not be empty"));
        assert_true(answer_says(x, "\"field\":\"Idempotency-Key\""));
    }
}

static void a_quoted_idempotency_key_is_unquoted(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[][2] = {
        {"\"k-1\"", "k-1"}, {"k-1", "k-1"},     {"\"a \\\"b\\\" \\\\ c\"", "a \"b\" \\ c"},
        {"a\"b", "a\"b"},   {"\"k;1\"", "k;1"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        with_key(f, keys[i][0], ORDER(""));
        assert_true(str_equal(fixture_command(f)->reserve.order_id, str_of(keys[i][1])));
        fixture_reserved(f, 1);
    }
    struct fake_exchange *x = with_key(f, "\"k-1\"", ORDER("\"order_id\":\"k-1\","));
    fixture_reserved(f, 1);
    assert_int_equal(x->status, 201);
}

static void a_key_that_is_quoted_wrongly_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"\"",    "\"k-1",    "\"k\"1",         "\"k\\n\"",
                                        "\"k\\", "\"k\tl\"", "\"gr\xc3\xbcn\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fake_exchange *x = with_key(f, wrong[i], ORDER(""));
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, "Idempotency-Key: begins with a quote"));
    }
}

static void header_and_field_must_agree(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = with_key(f, "k-2", ORDER("\"order_id\":\"k-1\","));
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "order_id: must be what the header Idempotency-Key says"));
    x = with_key(f, "k-2", ORDER("\"order_id\":\"\","));
    assert_int_equal(x->status, 400);
}

static void an_empty_adjustment_id_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", ADJUST, "{\"delta\":1,\"adjustment_id\":\"\"}");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "adjustment_id: must be 1 to 64 bytes, is 0"));
    http(f, "POST", ADJUST, "{\"delta\":1,\"adjustment_id\":null,\"reason\":\"\"}");
    fixture_command(f)->adjust.lot = f->lots[0];
    fixture_answer(f, fixture_command(f), 0);
}

static void an_adjustment_names_the_version_that_it_is_for(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", ADJUST, "{\"delta\":1,\"expected_version\":7}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->adjust.expected_version, 7);
    fixture_answer(f, c, TLY_EVERSION_MISMATCH);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"code\":\"VERSION_MISMATCH\""));
    x = http(f, "POST", ADJUST, "{\"delta\":1,\"expected_version\":-1}");
    assert_int_equal(x->status, 400);
}

static void a_repeated_adjustment_says_so(void **state)
{
    struct fixture *f = *state;
    for (int replayed = 0; replayed < 2; replayed++) {
        struct fake_exchange *x = http(f, "POST", ADJUST, "{\"delta\":1,\"adjustment_id\":\"a\"}");
        struct command *c = fixture_command(f);
        c->adjust.lot = f->lots[0];
        c->adjust.replayed = replayed;
        fixture_answer(f, c, 0);
        assert_int_equal(x->status, 200);
        assert_true(answer_says(x, replayed ? "\"replayed\":true" : "\"replayed\":false"));
        assert_true((answer_header(x, "idempotent-replayed") != NULL) == replayed);
        assert_true(answer_says(x, "\"on_hand\":100,\"reserved\":10,\"confirmed\":5,"
                                   "\"available\":85,\"version\":7"));
    }
    Tally__V1__AdjustStockRequest m = TALLY__V1__ADJUST_STOCK_REQUEST__INIT;
    m.lot = (char *)"cola#00000000";
    m.delta = 1;
    struct fake_exchange *x = grpc(f, "AdjustStock", &m.base);
    fixture_command(f)->adjust.lot = f->lots[0];
    fixture_command(f)->adjust.replayed = true;
    fixture_answer(f, fixture_command(f), 0);
    Tally__V1__AdjustStockResponse *r =
        answer_message(x, &tally__v1__adjust_stock_response__descriptor);
    assert_true(r->replayed);
    assert_string_equal(r->lot, f->dims[0].key.p);
}

static void confirming_no_lines_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/confirm", "{\"lines\":[]}");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "lines: must be 1 to 64 lines, is 0; left out, all is confirmed"));
    http(f, "POST", "/v1/reservations/7/confirm", "{\"lines\":null}");
    assert_int_equal(fixture_command(f)->move.want_count, 0);
    fixture_answer(f, fixture_command(f), TLY_EUNAVAILABLE);
}

static void stored(struct command *c)
{
    memcpy(c->move.order_id, "o-7", 3);
    c->move.order_id_len = 3;
    c->move.lines[0] = (struct line){1, 2};
    c->move.lines[1] = (struct line){2, 3};
    c->move.line_count = 2;
}

static void a_confirm_with_other_content_is_shown_what_is_stored(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/confirm", "{\"payment_id\":\"p-2\"}");
    struct command *c = fixture_command(f);
    stored(c);
    c->move.state = HOLD_CONFIRMED;
    memcpy(c->move.payment_id_stored, "p-1", 3);
    c->move.payment_id_stored_len = 3;
    fixture_answer(f, c, TLY_EORDER_MISMATCH);
    assert_int_equal(x->status, 422);
    char lines[256];
    snprintf(lines, sizeof lines,
             "\"reservation_id\":\"7\",\"order_id\":\"o-7\",\"reservation_status\":\"CONFIRMED\","
             "\"payment_id\":\"p-1\",\"lines\":[{\"lot\":\"%s\",\"quantity\":2},"
             "{\"lot\":\"%s\",\"quantity\":3}]}",
             f->dims[0].key.p, f->dims[1].key.p);
    assert_true(answer_says(x, lines));
    assert_true(answer_says(x, "was confirmed with another payment_id or other lines"));
}

static void store_under(struct reserve_command *order)
{
    order->code = TLY_EORDER_MISMATCH;
    order->reservation_id = 7;
    order->state = HOLD_REFUNDED;
    order->reason = REASON_EXPIRED;
    order->lines[0] = (struct line){2, 3};
    order->line_count = 1;
}

static void an_order_with_other_content_is_shown_what_is_stored(void **state)
{
    struct fixture *f = *state;
    for (int other_user = 0; other_user < 2; other_user++) {
        struct fake_exchange *x =
            http(f, "POST", "/v1/reservations", ORDER("\"order_id\":\"o-7\","));
        struct command *c = fixture_command(f);
        store_under(&c->reserve);
        c->reserve.other_user = other_user;
        fixture_answer(f, c, TLY_EORDER_MISMATCH);
        assert_int_equal(x->status, 422);
        char stored[256];
        snprintf(stored, sizeof stored,
                 "\"reservation_id\":\"7\",\"order_id\":\"o-7\","
                 "\"reservation_status\":\"REFUNDED\",\"reason\":\"EXPIRED\","
                 "\"lines\":[{\"lot\":\"%s\",\"quantity\":3}]}",
                 f->dims[1].key.p);
        assert_true(answer_says(x, stored));
        assert_true(answer_says(x, other_user ? "this order_id is reservation 7's, of another user"
                                              : "reservation 7's, with other lines"));
    }
}

static void an_order_of_a_batch_with_other_content_is_told_in_the_same_words(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/batch",
                                   "{\"orders\":[" ORDER("\"order_id\":\"o-7\",") "]}");
    struct command *c = fixture_command(f);
    store_under(&c->batch.orders[0]);
    fixture_answer(f, c, 0);
    assert_true(answer_says(x, "this order_id is reservation 7's, with other lines"));
}

static void a_refund_with_other_content_is_shown_what_is_stored(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/refund", "{\"reason\":\"UNSETTLED\"}");
    struct command *c = fixture_command(f);
    stored(c);
    c->move.state = HOLD_REFUNDED;
    c->move.state_reason = REASON_CANCELLED;
    fixture_answer(f, c, TLY_EORDER_MISMATCH);
    assert_int_equal(x->status, 422);
    assert_true(answer_says(x, "\"reservation_status\":\"REFUNDED\",\"reason\":\"CANCELLED\""));
    assert_true(answer_says(x, "was refunded for another reason"));
}

static void a_number_beyond_all_reservations_is_looked_for(void **state)
{
    struct fixture *f = *state;
    http(f, "GET", "/v1/reservations/9999999999999999999", "");
    assert_true(fixture_command(f)->get.reservation_id == INT64_MAX);
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    assert_int_equal(http(f, "GET", "/v1/reservations/99999999999999999990", "")->status, 400);
    assert_int_equal(http(f, "GET", "/v1/reservations/999999999999999999x", "")->status, 400);
}

static void a_look_up_names_a_reservation_or_an_order(void **state)
{
    struct fixture *f = *state;
    Tally__V1__GetReservationRequest m = TALLY__V1__GET_RESERVATION_REQUEST__INIT;
    m.reservation_id = (char *)"7";
    m.order_id = (char *)"o-7";
    struct fake_exchange *x = grpc(f, "GetReservation", &m.base);
    assert_string_equal(answer_trailer(x, "grpc-status"), "3");
    assert_int_equal(f->submitted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_order_id_is_refused),
        TEST(an_order_id_that_is_null_counts_as_left_out),
        TEST(an_order_id_that_is_sent_empty_over_grpc_is_refused),
        TEST(an_empty_idempotency_key_is_refused),
        TEST(a_quoted_idempotency_key_is_unquoted),
        TEST(a_key_that_is_quoted_wrongly_is_refused),
        TEST(header_and_field_must_agree),
        TEST(an_empty_adjustment_id_is_refused),
        TEST(an_adjustment_names_the_version_that_it_is_for),
        TEST(a_repeated_adjustment_says_so),
        TEST(confirming_no_lines_is_refused),
        TEST(a_confirm_with_other_content_is_shown_what_is_stored),
        TEST(an_order_with_other_content_is_shown_what_is_stored),
        TEST(an_order_of_a_batch_with_other_content_is_told_in_the_same_words),
        TEST(a_refund_with_other_content_is_shown_what_is_stored),
        TEST(a_look_up_names_a_reservation_or_an_order),
        TEST(a_number_beyond_all_reservations_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
