/* What happens after "buy": shipping, returns, changes, late payments, by order_id; lists; what a
 * lot is sold on. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
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

static void answer_move(struct fixture *f, enum hold_state state, enum refund_reason reason)
{
    struct command *c = fixture_command(f);
    memcpy(c->move.order_id, "o-1", 3);
    c->move.order_id_len = 3;
    c->move.reservation_id = 7;
    c->move.state = state;
    c->move.state_reason = reason;
    c->move.lines[0] = (struct line){1, 3};
    c->move.line_count = 1;
    fixture_answer(f, c, 0);
}

static void a_shipment_says_what_has_left(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/ship",
             "{\"shipment_id\":\"s-1\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":2}]}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->move.reservation_id, 7);
    assert_true(str_equal(c->move.id, STR("s-1")));
    assert_int_equal(c->move.want_count, 1);
    assert_int_equal(c->move.wants[0].quantity, 2);
    c->move.after[0].shipped = 2;
    answer_move(f, HOLD_CONFIRMED, REASON_NONE);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"quantity\":3,\"shipped\":2}"));
    x = http(f, "POST", "/v1/reservations/7/ship", "");
    assert_int_equal(fixture_command(f)->move.want_count, 0);
    answer_move(f, HOLD_CONFIRMED, REASON_NONE);
    assert_true(answer_says(x, "\"quantity\":3}"));
}

static void what_is_backordered_has_a_day(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/confirm", "");
    f->lots[0].terms.expected_on = 20818;
    fixture_command(f)->move.after[0] = (struct line_after){.returned = 1, .backordered = 2};
    answer_move(f, HOLD_CONFIRMED, REASON_NONE);
    assert_true(answer_says(x, "\"returned\":1,\"backordered\":2,\"expected_on\":\"2026-12-31\"}"));
}

static void a_reservation_of_a_sale_names_it_and_its_group(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/extend", "{\"hold_ms\":5}");
    fixture_command(f)->move.sale = 1;
    fixture_command(f)->move.group_id = 12;
    answer_move(f, HOLD_PENDING, REASON_NONE);
    assert_true(answer_says(x, "\"sale_id\":\"spring\",\"group_id\":\"12\"}"));
}

static void a_move_names_its_reservation_or_its_order(void **state)
{
    struct fixture *f = *state;
    static const char *const verbs[] = {"confirm", "refund", "ship"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/orders/a%%2Fb/%s", verbs[i]);
        struct fake_exchange *x = http(f, "POST", target, "");
        struct command *c = fixture_command(f);
        assert_int_equal(c->move.reservation_id, 0);
        assert_true(str_equal(c->move.by_order_id, STR("a/b")));
        assert_true(c->move.order_hash != 0);
        answer_move(f, HOLD_CONFIRMED, REASON_NONE);
        assert_true(answer_says(x, "\"reservation_id\":\"7\",\"order_id\":\"o-1\""));
        x = http(f, "POST", target, "{\"reservation_id\":\"7\"}");
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, "order_id: must be empty if a reservation_id is given"));
    }
    Tally__V1__ExtendRequest m = TALLY__V1__EXTEND_REQUEST__INIT;
    m.order_id = (char *)"o-1";
    m.hold_ms = 1;
    grpc(f, "Extend", &m.base);
    assert_true(str_equal(fixture_command(f)->move.by_order_id, STR("o-1")));
    answer_move(f, HOLD_PENDING, REASON_NONE);
}

static void a_return_in_part_may_not_be_sold_again(void **state)
{
    struct fixture *f = *state;
    http(f, "POST", "/v1/reservations/7/refund",
         "{\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":1}],\"return_id\":\"r-1\","
         "\"restock\":false}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->move.want_count, 1);
    assert_true(str_equal(c->move.id, STR("r-1")));
    assert_true(c->move.no_restock);
    answer_move(f, HOLD_CONFIRMED, REASON_NONE);
    static const char *const bodies[] = {"{\"restock\":true}", "{\"restock\":null}", ""};
    for (size_t i = 0; i < 3; i++) {
        http(f, "POST", "/v1/reservations/7/refund", bodies[i]);
        assert_false(fixture_command(f)->move.no_restock);
        answer_move(f, HOLD_REFUNDED, REASON_RETURNED);
    }
    Tally__V1__RefundRequest m = TALLY__V1__REFUND_REQUEST__INIT;
    m.order_id = (char *)"o-1";
    m.restock_is_case = TALLY__V1__REFUND_REQUEST__RESTOCK_IS_RESTOCK;
    m.restock = 0;
    grpc(f, "Refund", &m.base);
    assert_true(fixture_command(f)->move.no_restock);
    answer_move(f, HOLD_REFUNDED, REASON_RETURNED);
}

static void a_fence_takes_an_order_id(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/orders/o-9/refund", "{\"fence\":true}");
    assert_true(fixture_command(f)->move.fence);
    answer_move(f, HOLD_REFUNDED, REASON_CANCELLED);
    assert_int_equal(x->status, 200);
    x = http(f, "POST", "/v1/reservations/7/refund", "{\"fence\":true}");
    assert_true(answer_says(x, "fence: takes an order_id"));
    x = http(f, "POST", "/v1/orders/o-9/refund",
             "{\"fence\":true,\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":1}]}");
    assert_true(answer_says(x, "fence: is of a whole order"));
}

static void a_late_payment_may_find_nothing_left(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/orders/o-1/confirm", "{\"reclaim\":true}");
    struct command *c = fixture_command(f);
    assert_true(c->move.reclaim);
    c->move.available = 2;
    fixture_answer(f, c, TLY_ESOLD_OUT);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"code\":\"SOLD_OUT\",\"available\":2"));
}

static void a_hold_is_changed_by_lot_or_by_sku(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/lines",
             "{\"change_id\":\"c-1\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":2},"
             "{\"sku\":\"cola\",\"flavor\":\"lime\",\"size\":\"0.33 L can\",\"quantity\":4}]}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_CHANGE);
    assert_int_equal(c->move.want_count, 2);
    assert_true(str_equal(c->move.wants[1].size, STR("330ml_can")));
    assert_true(str_equal(c->move.id, STR("c-1")));
    answer_move(f, HOLD_PENDING, REASON_NONE);
    assert_int_equal(x->status, 200);
    x = http(f, "POST", "/v1/reservations/7/lines", "{}");
    assert_true(answer_says(x, "lines: must be 1 to 64 lines, is 0"));
    x = http(f, "POST", "/v1/reservations/7/lines", "{\"lines\":[{\"quantity\":1}]}");
    assert_true(answer_says(x, "lines[0]: must name a lot or a sku"));
}

static void a_change_that_finds_too_few_names_the_line(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/7/lines",
             "{\"lines\":[{\"sku\":\"water\",\"quantity\":1},{\"sku\":\"cola\",\"quantity\":4}]}");
    struct command *c = fixture_command(f);
    c->move.failed_want = 1;
    c->move.available = 3;
    c->move.wants[1].trouble = WANT_SHORT;
    c->move.wants[1].available = 3;
    fixture_answer(f, c, TLY_ESOLD_OUT);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "lines[1]: 4 of cola asked for, 3 available"));
    assert_true(answer_says(x, "\"available\":3"));
}

static void an_id_that_was_used_for_other_content_shows_how_it_stands(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target, *body, *says;
    } rows[] = {
        {"/v1/reservations/7/ship", "{\"shipment_id\":\"a\"}", "this shipment_id was used"},
        {"/v1/reservations/7/lines",
         "{\"change_id\":\"a\",\"lines\":[{\"sku\":\"cola\",\"quantity\":1}]}",
         "this change_id was used"},
        {"/v1/reservations/7/refund", "{\"return_id\":\"a\"}", "the return_id was used"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_exchange *x = http(f, "POST", rows[i].target, rows[i].body);
        struct command *c = fixture_command(f);
        c->move.state = HOLD_CONFIRMED;
        c->move.lines[0] = (struct line){1, 3};
        c->move.line_count = 1;
        fixture_answer(f, c, TLY_EORDER_MISMATCH);
        assert_int_equal(x->status, 422);
        assert_true(answer_says(x, rows[i].says));
        assert_true(answer_says(x, "\"reservation_status\":\"CONFIRMED\""));
        assert_true(answer_says(x, "\"quantity\":3}]"));
    }
}

static void an_empty_id_of_a_move_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/7/ship", "{\"shipment_id\":\"\"}");
    assert_true(answer_says(x, "shipment_id: must be 1 to 64 bytes, is 0"));
    x = http(f, "POST", "/v1/reservations/7/refund", "{\"return_id\":\"\"}");
    assert_true(answer_says(x, "return_id: must be 1 to 64 bytes, is 0"));
}

static void several_reservations_are_confirmed_by_one_payment(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations/confirm",
                                   "{\"reservation_ids\":[\"7\",\"8\"],\"payment_id\":\"p-1\"}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_CONFIRM_ALL);
    assert_int_equal(c->confirm_all.count, 2);
    assert_int_equal(c->confirm_all.reservation_ids[1], 8);
    assert_true(str_equal(c->confirm_all.payment_id, STR("p-1")));
    c->confirm_all.replayed = true;
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "{\"replayed\":true}"));
    assert_string_equal(answer_header(x, "idempotent-replayed"), "true");
    x = http(f, "POST", "/v1/reservations/confirm", "{\"reservation_ids\":[\"7\",\"8\"]}");
    c = fixture_command(f);
    c->confirm_all.failed = 1;
    fixture_answer(f, c, TLY_EINVALID_TRANSITION);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"field\":\"reservation_ids[1]\",\"reservation_id\":\"8\""));
}

static void a_list_to_be_confirmed_has_no_id_twice(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[][2] = {
        {"{\"reservation_ids\":[\"7\",\"8\",\"7\"]}", "reservation_ids: has 7 twice"},
        {"{\"reservation_ids\":[\"7\",\"x\"]}", "reservation_ids[1]: must be"},
        {"{}", "reservation_ids: must be 1 to 1000 numbers, is 0"}};
    for (size_t i = 0; i < 3; i++) {
        struct fake_exchange *x = http(f, "POST", "/v1/reservations/confirm", rows[i][0]);
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, rows[i][1]));
    }
}

static struct reservation_record *listed(int64_t id)
{
    struct {
        struct reservation_record record;
        struct line lines[1];
        struct line_after after[1];
    } *r = calloc(1, sizeof *r);
    r->record = (struct reservation_record){.reservation_id = id,
                                            .state = HOLD_CONFIRMED,
                                            .created_ms = INT64_C(1795000000000),
                                            .order_id = STR("o-1"),
                                            .user_id = STR("ann"),
                                            .sale = 1,
                                            .line_count = 1,
                                            .lines = r->lines,
                                            .after = r->after};
    r->lines[0] = (struct line){1, 4};
    r->after[0].shipped = 1;
    return &r->record;
}

static void reservations_are_listed_newest_first(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET",
                                   "/v1/reservations?user_id=ann&lot=cola%2300000000&"
                                   "status=CONFIRMED&sale_id=spring&page_size=2&page_token=99",
                                   "");
    struct command *c = fixture_command(f);
    struct reservation_list *list = &c->list_reservations.list;
    assert_true(str_equal(list->user_id, STR("ann")));
    assert_true(str_equal(c->list_reservations.lot_key, STR("cola#00000000")));
    assert_true(str_equal(c->list_reservations.sale_id, STR("spring")));
    assert_int_equal(list->state, HOLD_CONFIRMED);
    assert_int_equal(list->page_size, 2);
    assert_int_equal(list->before, 99);
    list->records = calloc(2, sizeof *list->records);
    list->records[0] = listed(98);
    list->records[1] = listed(97);
    list->count = 2;
    list->next = 97;
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "{\"reservations\":[{\"reservation_id\":\"98\""));
    assert_true(answer_says(x, "\"quantity\":4,\"shipped\":1}"));
    assert_true(answer_says(x, "\"sale_id\":\"spring\"}"));
    assert_true(answer_says(x, "\"next_page_token\":\"97\"}"));
    http(f, "GET", "/v1/reservations", "");
    c = fixture_command(f);
    assert_int_equal(c->list_reservations.list.page_size, 100);
    assert_true(c->list_reservations.list.before == INT64_MAX);
    assert_int_equal(c->list_reservations.list.state, 0);
    fixture_answer(f, c, 0);
}

static void a_list_by_what_does_not_exist_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[][2] = {
        {"status=OPEN", "status: must be PENDING, CONFIRMED or REFUNDED"},
        {"lot=cola", "lot: must be a lot key"},
        {"page_size=1001", "page_size: must be 1 to 1000"},
        {"page_token=x", "page_token: must be"}};
    for (size_t i = 0; i < 4; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/reservations?%s", rows[i][0]);
        struct fake_exchange *x = http(f, "GET", target, "");
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, rows[i][1]));
    }
}

static void a_lot_is_created_on_terms(void **state)
{
    struct fixture *f = *state;
    http(f, "POST", "/v1/lots",
         "{\"sku\":\"cola\",\"flavor\":\"lime\",\"size\":\"330ml_can\","
         "\"batch\":\"BATCH-20260101-A\",\"expires_on\":\"2026-12-31\",\"per_user_limit\":2,"
         "\"backorder_limit\":50,\"expected_on\":\"2026-12-01\"}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->create.terms.expires_on, 20818);
    assert_int_equal(c->create.terms.expected_on, 20788);
    assert_int_equal(c->create.terms.per_user_limit, 2);
    assert_int_equal(c->create.terms.backorder_limit, 50);
    assert_false(c->create.terms.withdrawn);
    fixture_answer(f, c, TLY_EALREADY_EXISTS);
}

static void what_is_given_of_a_lot_is_changed(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "PATCH", "/v1/lots/cola%2300000000", "{\"withdrawn\":true,\"expires_on\":\"\"}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_UPDATE_LOT);
    assert_true(c->update_lot.sets_withdrawn && c->update_lot.sets_expires_on);
    assert_false(c->update_lot.sets_per_user_limit || c->update_lot.sets_backorder_limit ||
                 c->update_lot.sets_expected_on);
    assert_true(c->update_lot.terms.withdrawn);
    assert_int_equal(c->update_lot.terms.expires_on, LOT_NEVER_EXPIRES);
    c->update_lot.lot = f->lots[0];
    c->update_lot.lot.terms = (struct lot_terms){.expires_on = LOT_NEVER_EXPIRES,
                                                 .expected_on = 20818,
                                                 .per_user_limit = 3,
                                                 .backorder_limit = 9,
                                                 .withdrawn = true};
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"expires_on\":\"\""));
    assert_true(answer_says(x, "\"withdrawn\":true,\"per_user_limit\":3,\"backorder_limit\":9,"
                               "\"expected_on\":\"2026-12-31\""));
    Tally__V1__UpdateLotRequest m = TALLY__V1__UPDATE_LOT_REQUEST__INIT;
    m.lot = (char *)"cola#00000000";
    m.per_user_limit_is_case = TALLY__V1__UPDATE_LOT_REQUEST__PER_USER_LIMIT_IS_PER_USER_LIMIT;
    m.per_user_limit = 0;
    grpc(f, "UpdateLot", &m.base);
    assert_true(fixture_command(f)->update_lot.sets_per_user_limit);
    assert_false(fixture_command(f)->update_lot.sets_withdrawn);
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
}

static void a_lot_is_not_changed_to_nonsense(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[][2] = {
        {"{}", "nothing is given to be changed"},
        {"{\"per_user_limit\":-1}", "per_user_limit: must be 0 to"},
        {"{\"backorder_limit\":-1}", "backorder_limit: must be 0 to"},
        {"{\"expected_on\":\"soon\"}", "expected_on: must be"},
        {"{\"expires_on\":\"2026-02-30\"}", "expires_on: must be a real date"},
        {"{\"withdrawn\":1}", "withdrawn: must be true or false"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_exchange *x = http(f, "PATCH", "/v1/lots/cola%2300000000", rows[i][0]);
        assert_int_equal(x->status, 400);
        if (!answer_says(x, rows[i][1]))
            fail_msg("expected \"%s\" in %.*s", rows[i][1], STR_ARG(x->body));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shipment_says_what_has_left),
        TEST(what_is_backordered_has_a_day),
        TEST(a_reservation_of_a_sale_names_it_and_its_group),
        TEST(a_move_names_its_reservation_or_its_order),
        TEST(a_return_in_part_may_not_be_sold_again),
        TEST(a_fence_takes_an_order_id),
        TEST(a_late_payment_may_find_nothing_left),
        TEST(a_hold_is_changed_by_lot_or_by_sku),
        TEST(a_change_that_finds_too_few_names_the_line),
        TEST(an_id_that_was_used_for_other_content_shows_how_it_stands),
        TEST(an_empty_id_of_a_move_is_refused),
        TEST(several_reservations_are_confirmed_by_one_payment),
        TEST(a_list_to_be_confirmed_has_no_id_twice),
        TEST(reservations_are_listed_newest_first),
        TEST(a_list_by_what_does_not_exist_is_refused),
        TEST(a_lot_is_created_on_terms),
        TEST(what_is_given_of_a_lot_is_changed),
        TEST(a_lot_is_not_changed_to_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
