/* Sales, groups, and orders in them. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define NOW_MS     INT64_C(1795000000000) /* of the fixture; 2026-11-18T11:06:40Z */
#define ORDER                                                                                      \
    "{\"order_id\":\"o-1\",\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\","             \
    "\"quantity\":2}]"

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

static const struct sale_item items[] = {{.lot = 1}, {.sku = STR("water")}};

static struct sale_view a_sale(void)
{
    return (struct sale_view){.terms = {.number = 1,
                                        .sale_id = STR("spring"),
                                        .title = STR("Spring"),
                                        .starts_ms = NOW_MS + 10000,
                                        .ends_ms = NOW_MS + 70000,
                                        .per_user_limit = 2,
                                        .group_window_ms = 60000,
                                        .group_size = 3,
                                        .queue = QUEUE_DRAWN,
                                        .item_count = 2,
                                        .items = items},
                              .now_ms = NOW_MS,
                              .created_ms = NOW_MS - 1000,
                              .whole = true,
                              .units_pending = 1,
                              .units_confirmed = 2,
                              .units_left = 7,
                              .groups_open = 4,
                              .groups_succeeded = 5,
                              .groups_failed = 6};
}

static void answer_sale(struct fixture *f, struct sale_view view)
{
    struct command *c = fixture_command(f);
    c->sale->sale = view;
    fixture_answer(f, c, 0);
}

static void a_sale_is_made_of_what_is_given(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/sales",
             "{\"sale_id\":\"spring sale\",\"title\":\"Spring\",\"lots\":[\"cola#00000000\"],"
             "\"skus\":[\"water\"],\"starts_at\":\"2026-11-18T11:06:50.000Z\","
             "\"ends_at\":\"2026-11-18T11:07:50Z\",\"per_user_limit\":2,\"per_order_limit\":1,"
             "\"total_limit\":50,\"hold_ms\":60000,\"payment_extend_ms_max\":30000,"
             "\"group\":{\"size\":3,\"window_ms\":60000},\"queue\":{\"mode\":\"DRAWN\"}}");
    struct command *c = fixture_command(f);
    const struct sale_terms *t = &c->sale->terms;
    assert_int_equal(c->kind, COMMAND_CREATE_SALE);
    assert_true(str_equal(t->sale_id, STR("spring sale")));
    assert_true(str_equal(t->title, STR("Spring")));
    assert_int_equal(t->item_count, 2);
    assert_true(str_equal(t->items[0].sku, STR("cola#00000000")));
    assert_true(str_equal(t->items[1].sku, STR("water")));
    assert_true(t->starts_ms == NOW_MS + 10000 && t->ends_ms == NOW_MS + 70000);
    assert_int_equal(t->per_user_limit, 2);
    assert_int_equal(t->per_order_limit, 1);
    assert_int_equal(t->total_limit, 50);
    assert_int_equal(t->hold_ms, 60000);
    assert_int_equal(t->payment_extend_ms_max, 30000);
    assert_int_equal(t->group_size, 3);
    assert_int_equal(t->group_window_ms, 60000);
    assert_int_equal(t->queue, QUEUE_DRAWN);
    answer_sale(f, a_sale());
    assert_int_equal(x->status, 201);
    assert_string_equal(answer_header(x, "location"), "/v1/sales/spring%20sale");
    assert_true(answer_says(x, "\"skus\":[\"water\"]"));
    assert_true(answer_says(x, f->dims[0].key.p));
}

static void a_sale_without_a_name_is_given_one_and_begins_at_once(void **state)
{
    struct fixture *f = *state;
    http(f, "POST", "/v1/sales", "{\"skus\":[\"cola\"],\"ends_at\":\"2026-11-18T11:07:50.000Z\"}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->sale->terms.sale_id.len, 36);
    assert_true(c->sale->terms.starts_ms == NOW_MS);
    assert_int_equal(c->sale->terms.group_size, 0);
    assert_int_equal(c->sale->terms.queue, QUEUE_NONE);
    fixture_answer(f, c, TLY_EALREADY_EXISTS);
}

static void a_sale_that_breaks_a_rule_is_refused(void **state)
{
    struct fixture *f = *state;
#define ENDS "\"ends_at\":\"2026-11-18T11:07:50.000Z\""
    static const char *const rows[][2] = {
        {"{" ENDS "}", "lots: must be 1 to 256 lots and skus together, is 0"},
        {"{\"skus\":[\"cola\"]}", "ends_at: must be a time such as"},
        {"{\"skus\":[\"cola\"],\"ends_at\":\"2026-11-18T11:06:40.000Z\"}",
         "ends_at: must be later than starts_at"},
        {"{\"skus\":[\"cola\",\"cola\"]," ENDS "}", "skus[1]: is given twice"},
        {"{\"lots\":[\"cola\"]," ENDS "}", "lots[0]: must be a lot key"},
        {"{\"skus\":[\"cola#00000000\"]," ENDS "}", "skus[0]: must be"},
        {"{\"skus\":[\"cola\"],\"per_user_limit\":-1," ENDS "}", "per_user_limit: must be 0"},
        {"{\"skus\":[\"cola\"],\"hold_ms\":3600001," ENDS "}", "hold_ms: must be 0 to 3600000"},
        {"{\"skus\":[\"cola\"],\"group\":{\"size\":1,\"window_ms\":5}," ENDS "}",
         "group.size: must be 2 to 1000, is 1"},
        {"{\"skus\":[\"cola\"],\"queue\":{}," ENDS "}", "queue.mode: must be FIRST_COME or DRAWN"},
        {"{\"skus\":[\"cola\"],\"group\":{}," ENDS "}", "group.size: must be 2 to 1000, is 0"},
        {"{\"skus\":[\"cola\"],\"group\":{\"size\":3}," ENDS "}", "group.window_ms: must be 1 to"},
        {"{\"skus\":[\"cola\"],\"queue\":{\"mode\":\"LIFO\"}," ENDS "}",
         "queue.mode: must be FIRST_COME or DRAWN"},
        {"{\"sale_id\":\"\",\"skus\":[\"cola\"]," ENDS "}", "sale_id: must be 1 to 64 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_exchange *x = http(f, "POST", "/v1/sales", rows[i][0]);
        assert_int_equal(x->status, 400);
        if (!answer_says(x, rows[i][1]))
            fail_msg("expected \"%s\" in %.*s", rows[i][1], STR_ARG(x->body));
    }
    assert_int_equal(f->submitted, 0);
}

static void a_sale_of_a_lot_that_is_not_there_names_it(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/sales",
             "{\"lots\":[\"cola#00000000\"],\"skus\":[\"cola\",\"beer\"]," ENDS "}");
    fixture_command(f)->sale->failed_item = 2;
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    assert_int_equal(x->status, 404);
    assert_true(answer_says(x, "\"field\":\"skus[1]\""));
}

/* It was over when the process began. */
static void figures_that_are_not_whole_are_not_told(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/sales/spring", "");
    struct sale_view view = a_sale();
    view.whole = false;
    answer_sale(f, view);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"group\":{\"size\":3"));
    assert_false(answer_says(x, "\"units\""));
    assert_false(answer_says(x, "\"groups\""));
}

static void a_sale_says_how_long_it_has(void **state)
{
    struct fixture *f = *state;
    struct sale_view view = a_sale();
    struct fake_exchange *x = http(f, "GET", "/v1/sales/spring", "");
    answer_sale(f, view);
    assert_true(answer_says(x, "\"group\":{\"size\":3,\"window_ms\":60000}"));
    assert_true(answer_says(x, "\"queue\":{\"mode\":\"DRAWN\"}"));
    assert_true(answer_says(x, "\"status\":\"SCHEDULED\","
                               "\"server_time\":\"2026-11-18T11:06:40.000Z\","
                               "\"starts_in_ms\":10000,\"remaining_ms\":70000"));
    assert_true(answer_says(x, "\"units\":{\"pending\":1,\"confirmed\":2,\"left\":7},"
                               "\"groups\":{\"open\":4,\"succeeded\":5,\"failed\":6}}"));
    view.now_ms = view.terms.starts_ms;
    x = http(f, "GET", "/v1/sales/spring", "");
    answer_sale(f, view);
    assert_true(answer_says(x, "\"status\":\"OPEN\""));
    assert_true(answer_says(x, "\"starts_in_ms\":0,\"remaining_ms\":60000"));
    view.now_ms = view.terms.ends_ms;
    x = http(f, "GET", "/v1/sales/spring", "");
    answer_sale(f, view);
    assert_true(answer_says(x, "\"status\":\"ENDED\""));
    assert_true(answer_says(x, "\"remaining_ms\":0"));
    view.now_ms = NOW_MS;
    view.terms.closed_ms = NOW_MS;
    x = http(f, "GET", "/v1/sales/spring", "");
    answer_sale(f, view);
    assert_true(answer_says(x, "\"status\":\"CLOSED\""));
    assert_true(answer_says(x, "\"starts_in_ms\":0,\"remaining_ms\":0"));
    assert_true(answer_says(x, "\"closed_at\":\"2026-11-18T11:06:40.000Z\""));
}

static void sales_are_listed_a_page_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/sales?page_size=2&page_token=4", "");
    struct command *c = fixture_command(f);
    assert_int_equal(c->list_sales.page_size, 2);
    assert_int_equal(c->list_sales.after, 4);
    c->list_sales.sales[0] = a_sale();
    c->list_sales.count = 1;
    c->list_sales.next = 5;
    fixture_answer(f, c, 0);
    assert_true(answer_says(x, "{\"sales\":[{\"sale_id\":\"spring\""));
    assert_true(answer_says(x, "\"next_page_token\":\"5\"}"));
    x = http(f, "GET", "/v1/sales?page_size=101", "");
    assert_true(answer_says(x, "page_size: must be 1 to 100"));
}

static void what_is_given_of_a_sale_is_changed(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "PATCH", "/v1/sales/spring",
             "{\"ends_at\":\"2026-11-18T12:00:00Z\",\"per_user_limit\":0,\"queue\":{}}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_UPDATE_SALE);
    assert_int_equal(c->sale->sets, SALE_ENDS | SALE_PER_USER | SALE_QUEUE);
    assert_true(str_equal(c->sale->terms.sale_id, STR("spring")));
    assert_int_equal(c->sale->terms.queue, QUEUE_NONE);
    answer_sale(f, a_sale());
    assert_int_equal(x->status, 200);
    Tally__V1__UpdateSaleRequest m = TALLY__V1__UPDATE_SALE_REQUEST__INIT;
    m.sale_id = (char *)"spring";
    m.title_is_case = TALLY__V1__UPDATE_SALE_REQUEST__TITLE_IS_TITLE;
    m.title = (char *)"";
    m.total_limit_is_case = TALLY__V1__UPDATE_SALE_REQUEST__TOTAL_LIMIT_IS_TOTAL_LIMIT;
    m.total_limit = 5;
    grpc(f, "UpdateSale", &m.base);
    assert_int_equal(fixture_command(f)->sale->sets, SALE_TITLE | SALE_TOTAL);
    assert_int_equal(fixture_command(f)->sale->terms.total_limit, 5);
    answer_sale(f, a_sale());
    http(f, "PATCH", "/v1/sales/spring",
         "{\"skus\":[\"cola\"],\"group\":{\"size\":2,\"window_ms\":9},\"hold_ms\":5,"
         "\"payment_extend_ms_max\":6,\"per_order_limit\":7,"
         "\"starts_at\":\"2026-11-18T11:06:50Z\"}");
    c = fixture_command(f);
    assert_int_equal(c->sale->sets, SALE_ITEMS | SALE_GROUP | SALE_HOLD | SALE_EXTEND |
                                        SALE_PER_ORDER | SALE_STARTS);
    assert_int_equal(c->sale->terms.hold_ms, 5);
    assert_int_equal(c->sale->terms.payment_extend_ms_max, 6);
    assert_int_equal(c->sale->terms.per_order_limit, 7);
    answer_sale(f, a_sale());
    x = http(f, "PATCH", "/v1/sales/spring", "{}");
    assert_true(answer_says(x, "nothing is given to be changed"));
}

static void a_sale_is_closed_for_a_reason(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/sales/spring/close", "{\"reason\":\"a fault\"}");
    struct command *c = fixture_command(f);
    assert_true(str_equal(c->sale->reason, STR("a fault")));
    c->sale->replayed = true;
    answer_sale(f, a_sale());
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"sale_id\":\"spring\",\"title\":\"Spring\""));
    assert_true(answer_says(x, "\"replayed\":true}"));
    assert_string_equal(answer_header(x, "idempotent-replayed"), "true");
}

static void same_fields(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    assert_true(a->n_fields <= b->n_fields);
    for (unsigned i = 0; i < a->n_fields; i++) {
        assert_string_equal(a->fields[i].name, b->fields[i].name);
        assert_int_equal(a->fields[i].id, b->fields[i].id);
        assert_int_equal(a->fields[i].type, b->fields[i].type);
        assert_int_equal(a->fields[i].offset, b->fields[i].offset);
    }
}

static void all_answers_about_a_sale_or_a_group_have_the_same_fields(void **state)
{
    (void)state;
    same_fields(&tally__v1__sale__descriptor, &tally__v1__create_sale_response__descriptor);
    same_fields(&tally__v1__sale__descriptor, &tally__v1__get_sale_response__descriptor);
    same_fields(&tally__v1__sale__descriptor, &tally__v1__update_sale_response__descriptor);
    same_fields(&tally__v1__sale__descriptor, &tally__v1__close_sale_response__descriptor);
    same_fields(&tally__v1__sale__descriptor, &tally__v1__watch_sale_response__descriptor);
    same_fields(&tally__v1__get_group_response__descriptor,
                &tally__v1__open_group_response__descriptor);
    same_fields(&tally__v1__get_group_response__descriptor,
                &tally__v1__complete_group_response__descriptor);
    same_fields(&tally__v1__reserve_response__descriptor, &tally__v1__ship_response__descriptor);
    same_fields(&tally__v1__reserve_response__descriptor,
                &tally__v1__change_reservation_response__descriptor);
    same_fields(&tally__v1__lot__descriptor, &tally__v1__update_lot_response__descriptor);
}

/* ---- the countdown ---- */

static void a_watcher_of_a_sale_is_told_at_once_and_every_second(void **state)
{
    struct fixture *f = *state;
    struct sale_view view = a_sale();
    fixture_tick(f, 1);
    struct fake_exchange *x = http(f, "GET", "/v1/sales/spring/watch", "");
    assert_int_equal(x->answers, 0);
    answer_sale(f, view);
    assert_true(str_equal(x->content_type, STR("text/event-stream")));
    assert_non_null(strstr(x->streamed, "event: sale\ndata: {\"sale_id\":\"spring\""));
    assert_non_null(strstr(x->streamed, "\"starts_in_ms\":10000"));
    size_t first = x->streamed_size;
    fixture_tick(f, 250);
    view.now_ms += 250;
    answer_sale(f, view);
    assert_int_equal(x->streamed_size, first);
    for (int i = 0; i < 3; i++) {
        fixture_tick(f, 250);
        view.now_ms += 250;
        answer_sale(f, view);
    }
    assert_true(x->streamed_size > first);
    assert_non_null(strstr(x->streamed, "\"starts_in_ms\":9000"));
    x->x.gone = true;
    fixture_tick(f, 10);
}

static void a_watcher_of_a_sale_is_told_of_changes_and_of_the_opening(void **state)
{
    struct fixture *f = *state;
    struct sale_view view = a_sale();
    view.terms.starts_ms = NOW_MS + 300;
    fixture_tick(f, 1);
    struct fake_exchange *x = http(f, "GET", "/v1/sales/spring/watch", "");
    answer_sale(f, view);
    view.now_ms += 250;
    view.units_left--;
    fixture_tick(f, 250);
    answer_sale(f, view);
    assert_non_null(strstr(x->streamed, "\"left\":6"));
    fixture_tick(f, 40);
    assert_int_equal(f->command_count, 0);
    fixture_tick(f, 11); /* it opens after 50 ms, not after another 250 */
    view.now_ms = view.terms.starts_ms;
    answer_sale(f, view);
    assert_non_null(strstr(x->streamed, "\"status\":\"OPEN\""));
    x->x.gone = true;
    fixture_tick(f, 10);
}

static void watchers_of_one_sale_share_a_look_up(void **state)
{
    struct fixture *f = *state;
    struct sale_view view = a_sale();
    Tally__V1__WatchSaleRequest m = TALLY__V1__WATCH_SALE_REQUEST__INIT;
    m.sale_id = (char *)"spring";
    struct fake_exchange *x = http(f, "GET", "/v1/sales/spring/watch", "");
    answer_sale(f, view);
    struct fake_exchange *y = grpc(f, "WatchSale", &m.base);
    answer_sale(f, view);
    size_t before = y->streamed_size;
    assert_true(before > 0);
    view.units_left = 0;
    fixture_tick(f, 300);
    assert_int_equal(f->command_count, 1);
    answer_sale(f, view);
    assert_non_null(strstr(x->streamed, "\"left\":0"));
    assert_true(y->streamed_size > before);
    x->x.gone = y->x.gone = true;
    fixture_tick(f, 10);
}

static void a_sale_that_is_not_there_is_not_watched(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/sales/none/watch", "");
    fixture_answer(f, fixture_command(f), TLY_ENOT_FOUND);
    assert_int_equal(x->status, 404);
    assert_int_equal(service_streams(f->service), 0);
}

static void a_look_up_of_the_countdown_that_fails_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/sales/spring/watch", "");
    answer_sale(f, a_sale());
    fixture_tick(f, 300);
    fixture_answer(f, fixture_command(f), TLY_EOVERLOADED);
    fixture_tick(f, 300);
    assert_int_equal(f->command_count, 1);
    answer_sale(f, a_sale());
    x->x.gone = true;
    fixture_tick(f, 10);
}

/* ---- orders in a sale ---- */

static void an_order_names_its_sale_and_its_group(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations", ORDER ",\"sale_id\":\"spring\",\"group_id\":\"12\"}");
    struct command *c = fixture_command(f);
    assert_true(str_equal(c->reserve.extra->sale_id, STR("spring")));
    assert_int_equal(c->reserve.extra->group_id, 12);
    assert_false(c->reserve.extra->admitted);
    c->reserve.extra->after[0].backordered = 1;
    fixture_reserved(f, 5);
    assert_int_equal(x->status, 201);
    assert_true(answer_says(x, "\"quantity\":2,\"backordered\":1}"));
    assert_true(answer_says(x, "\"sale_id\":\"spring\",\"group_id\":\"12\"}"));
}

static void a_group_is_known_by_a_number_of_any_length_and_by_nothing_else(void **state)
{
    static const char *const numbers[] = {"1",         "10000000",           "99999999",
                                          "123456789", "1234567887654321",   "998877665544332211",
                                          "12345678",  "9223372036854775807"};
    static const char *const others[] = {"0",
                                         "01234567",
                                         "1234567/",
                                         "1234567:",
                                         ":2345678",
                                         "-2345678",
                                         "1 345678",
                                         "12345678x",
                                         "x23456789",
                                         "1234567 8",
                                         "123456789012345a",
                                         "00000000",
                                         ("1234\xef"
                                          "678")};
    struct fixture *f = *state;
    char body[256];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(body, sizeof body, ORDER ",\"sale_id\":\"a\",\"group_id\":\"%s\"}", numbers[i]);
        http(f, "POST", "/v1/reservations", body);
        assert_int_equal(fixture_command(f)->reserve.extra->group_id,
                         strtoll(numbers[i], NULL, 10));
        fixture_reserved(f, 5);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        snprintf(body, sizeof body, ORDER ",\"sale_id\":\"a\",\"group_id\":\"%s\"}", others[i]);
        struct fake_exchange *x = http(f, "POST", "/v1/reservations", body);
        assert_int_equal(x->status, 400);
    }
}

static void an_order_in_no_sale_has_nothing_extra(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER "}");
    assert_null(fixture_command(f)->reserve.extra);
    fixture_reserved(f, 5);
    assert_false(answer_says(x, "sale_id"));
    f->lots_tell_more = true;
    http(f, "POST", "/v1/reservations", ORDER "}");
    assert_non_null(fixture_command(f)->reserve.extra);
    fixture_reserved(f, 5);
}

static void an_order_with_a_group_needs_the_sale(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER ",\"group_id\":\"12\"}");
    assert_true(answer_says(x, "group_id: is a group of a sale; give its sale_id"));
    x = http(f, "POST", "/v1/reservations", ORDER ",\"sale_id\":\"a\",\"group_id\":\"x\"}");
    assert_true(answer_says(x, "group_id: must be a group's number"));
}

static struct fake_exchange *refused(struct fixture *f, int code, enum order_trouble trouble)
{
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER ",\"sale_id\":\"spring\"}");
    struct command *c = fixture_command(f);
    c->reserve.trouble = (uint8_t)trouble;
    c->reserve.limit = 3;
    c->reserve.available = 1;
    c->reserve.extra->taken = 2;
    c->reserve.extra->starts_in_ms = 1234;
    if (trouble == ORDER_USER_SALE || trouble == ORDER_IN_GROUP) {
        c->reserve.extra->order_count = 1;
        c->reserve.extra->orders[0] =
            (struct limit_order){.reservation_id = 9, .order_id = "o-0", .order_id_len = 3};
    }
    fixture_answer(f, c, code);
    return x;
}

static void an_order_too_early_is_told_when_the_sale_opens(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = refused(f, TLY_ESALE_NOT_OPEN, ORDER_WELL);
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "\"detail\":\"the sale opens in 1234 ms\""));
    assert_true(answer_says(x, "\"starts_in_ms\":1234"));
    x = refused(f, TLY_ESALE_CLOSED, ORDER_WELL);
    assert_true(answer_says(x, "\"code\":\"SALE_CLOSED\""));
    assert_false(answer_says(x, "starts_in_ms"));
    x = refused(f, TLY_EGROUP_FULL, ORDER_WELL);
    assert_true(answer_says(x, "\"code\":\"GROUP_FULL\""));
}

static void a_limit_is_told_with_what_is_taken_and_by_whom(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = refused(f, TLY_ELIMIT_EXCEEDED, ORDER_USER_SALE);
    assert_int_equal(x->status, 429);
    assert_null(answer_header(x, "retry-after"));
    assert_true(answer_says(x, "\"limit\":3,\"taken\":2,\"orders\":[\"o-0\"]"));
    assert_true(answer_says(x, "at most 3 units in this sale, 2 taken, by order o-0"));
    static const struct {
        enum order_trouble trouble;
        const char *says;
    } rows[] = {{ORDER_USER_HOLDS, "may hold at most 3 orders at a time, 2 taken"},
                {ORDER_USER_LOT, "of cola#00000000 the user may have at most 3 units, 2 taken"},
                {ORDER_TOO_LARGE, "an order of this sale may have at most 3 units"},
                {ORDER_IN_GROUP, "a place in this group already, by order o-0"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        x = refused(f, TLY_ELIMIT_EXCEEDED, rows[i].trouble);
        if (!answer_says(x, rows[i].says))
            fail_msg("expected \"%s\" in %.*s", rows[i].says, STR_ARG(x->body));
        assert_true(answer_says(x, "\"limit\":3"));
    }
}

static void what_is_not_a_lines_fault_says_what_it_is(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int code;
        enum order_trouble trouble;
        const char *says, *field;
    } rows[] = {
        {TLY_ESOLD_OUT, ORDER_SALE_SHARE, "the sale's share has 1 units left", "sale_id"},
        {TLY_EINVALID_ARGUMENT, ORDER_NOT_IN_SALE, "lines[0]: cola#00000000 is not in sale spring",
         "lines[0]"},
        {TLY_ENOT_FOUND, ORDER_NO_SALE, "there is no sale spring", "sale_id"},
        {TLY_ENOT_FOUND, ORDER_NO_GROUP, "sale spring has no such group", "group_id"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char field[40];
        struct fake_exchange *x = refused(f, rows[i].code, rows[i].trouble);
        snprintf(field, sizeof field, "\"field\":\"%s\"", rows[i].field);
        if (!answer_says(x, rows[i].says) || !answer_says(x, field))
            fail_msg("expected \"%s\" and %s in %.*s", rows[i].says, field, STR_ARG(x->body));
        if (rows[i].code == TLY_ESOLD_OUT)
            assert_true(answer_says(x, "\"available\":1"));
    }
}

static struct reservation_record *record_of(const char *order_id, int64_t shipped)
{
    struct {
        struct reservation_record record;
        struct line lines[1];
        struct line_after after[1];
    } *r = calloc(1, sizeof *r);
    r->record = (struct reservation_record){
        .order_id = str_of(order_id), .line_count = 1, .lines = r->lines, .after = r->after};
    r->lines[0] = (struct line){1, 2};
    r->after[0].shipped = shipped;
    return &r->record;
}

static void orders_that_the_engine_does_not_know_are_looked_up(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER ",\"sale_id\":\"spring\"}");
    struct command *c = fixture_command(f);
    c->reserve.trouble = ORDER_USER_SALE;
    c->reserve.limit = 3;
    c->reserve.extra->taken = 3;
    c->reserve.extra->order_count = 3;
    for (int i = 0; i < 3; i++)
        c->reserve.extra->orders[i] = (struct limit_order){.reservation_id = 40 + i};
    fixture_answer(f, c, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(x->answers, 0);
    for (int i = 0; i < 3; i++) {
        c = fixture_command(f);
        assert_int_equal(c->kind, COMMAND_GET_RESERVATION);
        assert_int_equal(c->get.reservation_id, 40 + i);
        if (i != 1)
            c->get.record = record_of(i ? "second" : "first", 0);
        fixture_answer(f, c, i == 1 ? TLY_EUNAVAILABLE : 0);
    }
    assert_int_equal(x->status, 429);
    assert_true(answer_says(x, "\"orders\":[\"first\",\"second\"]"));
    assert_int_equal(service_inflight(f->service), 0);
}

static void a_repeated_order_that_was_shipped_says_so(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", ORDER "}");
    struct command *c = fixture_command(f);
    c->reserve.replayed = true;
    c->reserve.reservation_id = 5;
    c->reserve.state = HOLD_CONFIRMED;
    c->reserve.line_count = 1;
    c->reserve.lines[0] = (struct line){1, 2};
    fixture_answer(f, c, 0);
    c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_GET_RESERVATION);
    assert_int_equal(c->get.reservation_id, 5);
    c->get.record = record_of("o-1", 2);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"order_id\":\"o-1\",\"status\":\"CONFIRMED\""));
    assert_true(answer_says(x, "\"quantity\":2,\"shipped\":2}"));
    assert_string_equal(answer_header(x, "idempotent-replayed"), "true");
}

static void the_outcomes_of_a_batch_have_what_a_problem_has(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations/batch",
             "{\"orders\":[" ORDER ",\"sale_id\":\"a\"}," ORDER ",\"sale_id\":\"b\"}]}");
    struct command *c = fixture_command(f);
    struct reserve_command *orders = c->batch.orders;
    orders[0].code = TLY_ESALE_NOT_OPEN;
    orders[0].extra->starts_in_ms = 77;
    orders[1].code = TLY_ELIMIT_EXCEEDED;
    orders[1].trouble = ORDER_USER_SALE;
    orders[1].limit = 3;
    orders[1].extra->taken = 2;
    orders[1].extra->order_count = 1;
    orders[1].extra->orders[0] = (struct limit_order){.reservation_id = 9};
    fixture_answer(f, c, 0);
    c = fixture_command(f);
    assert_int_equal(c->get.reservation_id, 9);
    c->get.record = record_of("o-0", 0);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "\"code\":\"SALE_NOT_OPEN\""));
    assert_true(answer_says(x, "\"starts_in_ms\":77"));
    assert_true(answer_says(x, "\"limit\":3,\"taken\":2,\"orders\":[\"o-0\"]"));
}

/* ---- groups ---- */

static struct group_view a_group(void)
{
    return (struct group_view){.group_id = 12,
                               .sale = 1,
                               .sale_id = STR("spring"),
                               .status = GROUP_IS_OPEN,
                               .size = 3,
                               .places_left = 2,
                               .paid = 1,
                               .ends_ms = NOW_MS + 5000};
}

static void a_group_is_opened_alone(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/sales/spring/groups", "{\"user_id\":\"ann\"}");
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_OPEN_GROUP);
    assert_true(str_equal(c->group.sale_id, STR("spring")));
    assert_true(str_equal(c->group.user_id, STR("ann")));
    assert_null(c->group.order);
    c->group.group = a_group();
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 201);
    assert_string_equal(answer_header(x, "location"), "/v1/groups/12");
    assert_true(answer_says(x, "{\"group_id\":\"12\",\"sale_id\":\"spring\",\"status\":\"OPEN\","
                               "\"size\":3,\"places_left\":2,\"paid\":1,"
                               "\"ends_at\":\"2026-11-18T11:06:45.000Z\",\"remaining_ms\":5000,"
                               "\"server_time\":\"2026-11-18T11:06:40.000Z\""));
    assert_false(answer_says(x, "reservation"));
}

static void a_group_is_opened_with_its_openers_order(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "POST", "/v1/sales/spring/groups", "{\"order\":" ORDER "}}");
    struct command *c = fixture_command(f);
    struct reserve_command *order = c->group.order;
    assert_true(str_equal(order->order_id, STR("o-1")));
    assert_true(str_equal(order->extra->sale_id, STR("spring")));
    assert_int_equal(order->extra->group_id, 0);
    c->group.group = a_group();
    order->reservation_id = 5;
    order->state = HOLD_PENDING;
    order->line_count = 1;
    order->lines[0] = (struct line){1, 2};
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 201);
    assert_true(answer_says(x, "\"reservation\":{\"reservation_id\":\"5\",\"order_id\":\"o-1\""));
    assert_true(answer_says(x, "\"sale_id\":\"spring\",\"group_id\":\"12\"}}"));
    x = http(f, "POST", "/v1/sales/spring/groups", "{\"order\":" ORDER "}}");
    c = fixture_command(f);
    c->group.order->code = TLY_ELIMIT_EXCEEDED;
    c->group.order->trouble = ORDER_TOO_LARGE;
    c->group.order->limit = 1;
    fixture_answer(f, c, TLY_ELIMIT_EXCEEDED);
    assert_int_equal(x->status, 429);
    assert_true(answer_says(x, "\"limit\":1"));
}

static void an_openers_order_is_in_the_groups_sale_and_in_no_other_group(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[][2] = {
        {"{\"order\":" ORDER ",\"group_id\":\"7\"}}", "order.group_id: must be left out"},
        {"{\"order\":" ORDER ",\"sale_id\":\"b\"}}", "order.sale_id: must be the group's sale"},
        {"{\"user_id\":\"bob\",\"order\":" ORDER "}}", "user_id: must be left out if"},
        {"{\"order\":{\"user_id\":\"ann\"}}", "lines: must be 1 to 64 lines"}};
    for (size_t i = 0; i < 4; i++) {
        struct fake_exchange *x = http(f, "POST", "/v1/sales/spring/groups", rows[i][0]);
        assert_int_equal(x->status, 400);
        if (!answer_says(x, rows[i][1]))
            fail_msg("expected \"%s\" in %.*s", rows[i][1], STR_ARG(x->body));
    }
}

static void a_group_is_shown_and_completed(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/groups/12", "");
    struct command *c = fixture_command(f);
    assert_int_equal(c->group.group_id, 12);
    c->group.group = a_group();
    c->group.group.status = GROUP_FAILED;
    fixture_answer(f, c, 0);
    assert_true(answer_says(x, "\"status\":\"FAILED\""));
    assert_true(answer_says(x, "\"remaining_ms\":0"));
    assert_false(answer_says(x, "replayed"));
    x = http(f, "POST", "/v1/groups/12/complete", "{\"reason\":\"two are enough\"}");
    c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_COMPLETE_GROUP);
    assert_true(str_equal(c->group.reason, STR("two are enough")));
    c->group.group = a_group();
    c->group.group.status = GROUP_SUCCEEDED;
    fixture_answer(f, c, 0);
    assert_true(answer_says(x, "\"status\":\"SUCCEEDED\""));
    assert_true(answer_says(x, "\"replayed\":false}"));
    x = http(f, "GET", "/v1/groups/0", "");
    assert_true(answer_says(x, "group_id: must be a group's number"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sale_is_made_of_what_is_given),
        TEST(a_sale_without_a_name_is_given_one_and_begins_at_once),
        TEST(a_sale_that_breaks_a_rule_is_refused),
        TEST(a_sale_of_a_lot_that_is_not_there_names_it),
        TEST(a_sale_says_how_long_it_has),
        TEST(figures_that_are_not_whole_are_not_told),
        TEST(sales_are_listed_a_page_at_a_time),
        TEST(what_is_given_of_a_sale_is_changed),
        TEST(a_sale_is_closed_for_a_reason),
        TEST(all_answers_about_a_sale_or_a_group_have_the_same_fields),
        TEST(a_watcher_of_a_sale_is_told_at_once_and_every_second),
        TEST(a_watcher_of_a_sale_is_told_of_changes_and_of_the_opening),
        TEST(watchers_of_one_sale_share_a_look_up),
        TEST(a_sale_that_is_not_there_is_not_watched),
        TEST(a_look_up_of_the_countdown_that_fails_is_made_again),
        TEST(an_order_names_its_sale_and_its_group),
        TEST(a_group_is_known_by_a_number_of_any_length_and_by_nothing_else),
        TEST(an_order_in_no_sale_has_nothing_extra),
        TEST(an_order_with_a_group_needs_the_sale),
        TEST(an_order_too_early_is_told_when_the_sale_opens),
        TEST(a_limit_is_told_with_what_is_taken_and_by_whom),
        TEST(what_is_not_a_lines_fault_says_what_it_is),
        TEST(orders_that_the_engine_does_not_know_are_looked_up),
        TEST(a_repeated_order_that_was_shipped_says_so),
        TEST(the_outcomes_of_a_batch_have_what_a_problem_has),
        TEST(a_group_is_opened_alone),
        TEST(a_group_is_opened_with_its_openers_order),
        TEST(an_openers_order_is_in_the_groups_sale_and_in_no_other_group),
        TEST(a_group_is_shown_and_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
