/* What a request is said to need before it is taken, against what it takes. */
#include "fixture_service.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/service_internal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS_MEMORY = 0 };
#else
enum { COUNTS_MEMORY = 1 };
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

static size_t peak;

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* At the answer the call still has all its memory, and the exchange has all of its. */
static void measure(struct exchange *exchange, const struct response *r)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    peak = allocated();
    x->answers++;
    x->x.answered = true;
    x->status = r->status;
    x->body = r->body;
    x->ends++;
}

static const struct exchange_ops measuring = {.respond = measure};

static int open_fixture(void **state)
{
    struct fixture *f = fixture_open();
    *state = f;
    fixture_answer(f, (http(f, "GET", "/v1/lots", ""), fixture_command(f)), TLY_EOVERLOADED);
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

/* Asks, handles, and returns the bytes that were said to be needed. */
static size_t begin(struct fixture *f, struct fake_exchange *x, size_t *before)
{
    struct exchange_need need = {0};
    x->x.ops = &measuring;
    x->x.arena.bytes_max = SIZE_MAX / 2;
    service_need(f->service, &x->x, &need);
    assert_false(need.vital);
    *before = allocated();
    fixture_handle(f, x);
    return need.bytes;
}

static void assert_enough(size_t need, size_t before, const char *what)
{
    size_t taken = peak - before + sizeof(struct call);
    print_message("%s: said %zu, taken %zu\n", what, need, taken);
    if (!COUNTS_MEMORY)
        return;
    assert_true(taken <= need);
    assert_true(taken * 7 > need); /* ... and not far beyond: what is not needed is refused */
}

static struct lot_dims *long_dims(void)
{
    static struct lot_dims dims;
    static char sku[SKU_MAX + 1], free_text[DIMENSION_MAX + 1], key[LOT_KEY_MAX + 1];
    memset(sku, 'S', SKU_MAX);
    memset(free_text, '"', DIMENSION_MAX); /* twice as long in JSON */
    snprintf(key, sizeof key, "%s#01234567", sku);
    dims = (struct lot_dims){.sku = str_of(sku),
                             .flavor = str_of(free_text),
                             .size = str_of(free_text),
                             .batch = str_of(free_text),
                             .key = str_of(key),
                             .expires_on = 20818};
    return &dims;
}

static void list(struct fixture *f, struct fake_exchange *x, uint32_t count, const char *what)
{
    size_t before;
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    assert_int_equal(c->list.page_size, count);
    for (uint32_t i = 0; i < count; i++)
        c->list.lots[i] = (struct lot_view){.id = i + 1,
                                            .dims = long_dims(),
                                            .stock = {INT32_MAX, INT32_MAX, INT32_MAX, INT64_MAX}};
    c->list.count = count;
    c->list.next = count;
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, what);
}

static void a_page_of_lots_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    Tally__V1__ListLotsRequest m = TALLY__V1__LIST_LOTS_REQUEST__INIT;
    list(f, http_new(f, "GET", "/v1/lots?page_size=1000", ""), 1000, "1,000 lots as JSON");
    list(f, http_new(f, "GET", "/v1/lots", ""), 100, "100 lots as JSON");
    m.page_size = 1000;
    list(f, grpc_new(f, "ListLots", &m.base), 1000, "1,000 lots over gRPC");
}

/* `by_sku`: each order has room for as many lines as there may be. */
static void batch(struct fixture *f, bool json, bool by_sku, size_t line_count, const char *what)
{
    Tally__V1__ReserveBatchRequest m = TALLY__V1__RESERVE_BATCH_REQUEST__INIT;
    Tally__V1__ReserveRequest order, *orders[ORDER_BATCH_MAX];
    Tally__V1__WantedLine line, *lines[ORDER_LINES_MAX];
    struct fake_exchange *x;
    size_t count = ORDER_BATCH_MAX / line_count;
    order = reserve_request(&line, lines);
    order.n_lines = line_count;
    order.user_id = (char *)"a";
    /* JSON writes what is empty, and an empty order_id is refused. */
    order.order_id = (char *)(json ? "01a227d5-ec67-725e-8595-eefe89765e14" : "");
    if (by_sku) {
        line.lot = (char *)"";
        line.sku = (char *)"c";
    }
    for (size_t i = 0; i < line_count; i++)
        lines[i] = &line;
    for (size_t i = 0; i < count; i++)
        orders[i] = &order;
    m.orders = orders;
    m.n_orders = count;
    x = grpc_new(f, "ReserveBatch", NULL);
    x->x.arena.bytes_max = SIZE_MAX / 2;
    if (json) {
        struct fake_exchange *other = http_new(f, "POST", "/v1/reservations/batch", "{}");
        other->x.arena.bytes_max = SIZE_MAX / 2;
        assert_int_equal(json_encode(&m.base, &other->x.arena, &other->x.body), 0);
        x = other;
    } else {
        assert_int_equal(grpc_encode(&m.base, &x->x.arena, &x->x.body), 0);
    }
    size_t before;
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    assert_int_equal(c->batch.count, count);
    for (uint32_t i = 0; i < c->batch.count; i++) {
        struct reserve_command *o = &c->batch.orders[i];
        o->reservation_id = INT64_MAX;
        o->state = HOLD_PENDING;
        o->expires_ms = INT64_C(1795000900000);
        o->line_count = (uint16_t)line_count;
        for (size_t j = 0; j < line_count; j++)
            o->lines[j] = (struct line){1, 2};
    }
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, what);
}

static void a_batch_of_orders_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    batch(f, false, false, 1, "8,190 orders by lot over gRPC");
    batch(f, false, true, 1, "8,190 orders by sku over gRPC");
    batch(f, true, false, 1, "8,190 orders by lot as JSON");
    batch(f, true, true, 1, "8,190 orders by sku as JSON");
    batch(f, false, true, ORDER_LINES_MAX, "127 orders of 64 lines over gRPC");
    batch(f, true, true, ORDER_LINES_MAX, "127 orders of 64 lines as JSON");
}

static void an_order_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    size_t before;
    struct fake_exchange *x =
        http_new(f, "POST", "/v1/reservations",
                 "{\"user_id\":\"ann\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":2}]}");
    size_t need = begin(f, x, &before);
    fixture_reserved(f, 1);
    assert_int_equal(x->status, 201);
    assert_enough(need, before, "an order");
    Tally__V1__WantedLine line, *lines[ORDER_LINES_MAX];
    Tally__V1__ReserveRequest m = reserve_request(&line, lines);
    for (size_t i = 0; i < ORDER_LINES_MAX; i++)
        lines[i] = &line;
    m.n_lines = ORDER_LINES_MAX;
    line.lot = (char *)"";
    line.sku = (char *)"c";
    x = grpc_new(f, "Reserve", &m.base);
    need = begin(f, x, &before);
    fixture_reserved(f, 2);
    assert_enough(need, before, "an order of 64 lines");
}

/* Of a lot with the longest key. */
static void fill_lines(struct fixture *f, size_t count, struct line *lines,
                       struct line_after *after)
{
    f->dims[0] = *long_dims();
    for (size_t i = 0; i < count; i++) {
        lines[i] = (struct line){.lot = 1, .quantity = QUANTITY_MAX};
        if (after)
            after[i] = (struct line_after){QUANTITY_MAX, QUANTITY_MAX, QUANTITY_MAX};
    }
}

/* How many lines it has is not in the request. */
enum { USUAL_LINES = 4 };

static void move(struct fixture *f, const char *verb, const char *body)
{
    char target[64];
    size_t before;
    snprintf(target, sizeof target, "/v1/reservations/7/%s", verb);
    struct fake_exchange *x = http_new(f, "POST", target, body);
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    memset(c->move.order_id, 'o', ORDER_ID_MAX);
    c->move.order_id_len = ORDER_ID_MAX;
    c->move.state = HOLD_CONFIRMED;
    c->move.line_count = USUAL_LINES;
    fill_lines(f, USUAL_LINES, c->move.lines, c->move.after);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, verb);
}

static void a_move_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    move(f, "confirm", "{\"payment_id\":\"p\"}");
    move(f, "refund", "{}");
    move(f, "extend", "{\"hold_ms\":1000}");
    move(f, "ship", "{\"shipment_id\":\"s\"}");
    move(f, "lines", "{\"lines\":[{\"sku\":\"c\",\"quantity\":2}]}");
}

static struct reservation_record *listed(struct fixture *f)
{
    struct reservation_record *r =
        calloc(1, sizeof *r + ORDER_LINES_MAX * (sizeof *r->lines + sizeof *r->after));
    assert_non_null(r);
    r->lines = (struct line *)(r + 1);
    r->after = (struct line_after *)(r->lines + ORDER_LINES_MAX);
    fill_lines(f, ORDER_LINES_MAX, r->lines, r->after);
    r->reservation_id = INT64_MAX;
    r->order_id = r->user_id = r->payment_id = STR("01a227d5-ec67-725e-8595-eefe89765e14");
    r->state = HOLD_CONFIRMED;
    r->line_count = ORDER_LINES_MAX;
    return r;
}

static void a_page_of_reservations_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    size_t before;
    struct fake_exchange *x = http_new(f, "GET", "/v1/reservations?page_size=1000", "");
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    struct reservation_list *list = &c->list_reservations.list;
    list->records = calloc(1000, sizeof *list->records);
    for (list->count = 0; list->count < 1000; list->count++)
        list->records[list->count] = listed(f);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "1,000 reservations of 64 lines as JSON");
}

static struct sale_view large_sale(struct fixture *f)
{
    static struct sale_item items[SALE_ITEMS_MAX];
    static char title[SALE_TITLE_MAX + 1];
    f->dims[0] = *long_dims();
    memset(title, '"', SALE_TITLE_MAX);
    for (size_t i = 0; i < SALE_ITEMS_MAX; i++)
        items[i] = (struct sale_item){.lot = 1};
    return (struct sale_view){.terms = {.number = 1,
                                        .sale_id = STR("spring"),
                                        .title = str_of(title),
                                        .ends_ms = INT64_C(1795000900000),
                                        .group_size = 3,
                                        .queue = QUEUE_DRAWN,
                                        .item_count = SALE_ITEMS_MAX,
                                        .items = items},
                              .now_ms = INT64_C(1795000000000)};
}

static void one_sale(struct fixture *f, const char *method, const char *target, const char *body)
{
    size_t before;
    struct fake_exchange *x = http_new(f, method, target, body);
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    c->sale->sale = large_sale(f);
    fixture_answer(f, c, 0);
    assert_true(x->status == 200 || x->status == 201);
    assert_enough(need, before, target);
}

static void a_sale_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    enum { BODY_BYTES = 32768 };
    char *body = malloc(BODY_BYTES);
    assert_non_null(body);
    size_t len =
        (size_t)snprintf(body, BODY_BYTES, "{\"ends_at\":\"2026-11-18T11:07:50Z\",\"lots\":[");
    for (size_t i = 0; i < SALE_ITEMS_MAX; i++)
        len += (size_t)snprintf(body + len, BODY_BYTES - len, "%s\"%.*s#%08zx\"", i ? "," : "",
                                SKU_MAX, long_dims()->sku.p, i);
    snprintf(body + len, BODY_BYTES - len, "]}");
    one_sale(f, "POST", "/v1/sales", body);
    one_sale(f, "GET", "/v1/sales/spring", "");
    one_sale(f, "PATCH", "/v1/sales/spring", "{\"title\":\"other\"}");
    one_sale(f, "POST", "/v1/sales/spring/close", "{}");
    free(body);
}

static void a_page_of_sales_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    size_t before;
    struct fake_exchange *x = http_new(f, "GET", "/v1/sales", "");
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    for (c->list_sales.count = 0; c->list_sales.count < c->list_sales.page_size;)
        c->list_sales.sales[c->list_sales.count++] = large_sale(f);
    assert_int_equal(c->list_sales.count, 100);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "100 sales of 256 lots as JSON");
}

/* With waiting rooms in a folder of its own. */
static void open_rooms(struct fixture *f, struct waiting_rooms **rooms, char *folder)
{
    struct error e;
    assert_non_null(mkdtemp(folder));
    const struct waiting_config config = {
        .folder = folder, .hash_seed = 7, .users_max = 3, .now_ms = INT64_C(1795000000000)};
    assert_int_equal(waiting_open(rooms, &config, &e), 0);
    service_destroy(f->service);
    f->gate.detached = f->gate.later = false;
    f->host.waiting = *rooms;
    assert_int_equal(service_create(&f->service, &f->host, &e), 0);
}

static void close_rooms(struct fixture *f, struct waiting_rooms *rooms, const char *folder)
{
    char path[400];
    DIR *dir = opendir(folder);
    f->host.waiting = NULL;
    waiting_close(rooms);
    for (struct dirent *entry; (entry = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

static void a_place_in_a_line_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    char folder[] = "/tmp/tally-rooms-XXXXXX", path[250];
    struct waiting_rooms *rooms;
    size_t before;
    open_rooms(f, &rooms, folder);
    /* The room is made with its first place: it is the sale's, not the request's. */
    http(f, "POST", "/v1/sales/spring/queue", "{\"user_id\":\"bob\"}");
    struct command *c = fixture_command(f);
    c->sale->sale = large_sale(f);
    fixture_answer(f, c, 0);
    struct fake_exchange *x =
        http_new(f, "POST", "/v1/sales/spring/queue", "{\"user_id\":\"ann\"}");
    size_t need = begin(f, x, &before);
    c = fixture_command(f);
    c->sale->sale = large_sale(f);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "a place in a line");
    const char *ticket = memmem(x->body.p, x->body.len, "\"ticket\":\"", 10);
    assert_non_null(ticket);
    snprintf(path, sizeof path, "/v1/queue/%.*s", (int)strcspn(ticket + 10, "\""), ticket + 10);
    x = http_new(f, "GET", path, "");
    need = begin(f, x, &before);
    c = fixture_command(f);
    c->sale->sale = large_sale(f);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "a ticket that is looked at");
    close_rooms(f, rooms, folder);
}

static void a_group_takes_no_more_than_was_said(void **state)
{
    static const char *const rows[][3] = {{"POST", "/v1/sales/spring/groups", "{}"},
                                          {"GET", "/v1/groups/7", ""},
                                          {"POST", "/v1/groups/7/complete", "{}"}};
    struct fixture *f = *state;
    const struct group_view group = {.group_id = INT64_MAX,
                                     .sale_id = STR("spring"),
                                     .status = GROUP_IS_OPEN,
                                     .size = 3,
                                     .ends_ms = INT64_C(1795000900000)};
    size_t before;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_exchange *x = http_new(f, rows[i][0], rows[i][1], rows[i][2]);
        size_t need = begin(f, x, &before);
        struct command *c = fixture_command(f);
        c->group.group = group;
        fixture_answer(f, c, 0);
        assert_true(x->status == 200 || x->status == 201);
        assert_enough(need, before, rows[i][1]);
    }
    enum { BODY_BYTES = 16384 };
    char *body = malloc(BODY_BYTES);
    assert_non_null(body);
    size_t len = (size_t)snprintf(body, BODY_BYTES, "{\"order\":{\"user_id\":\"ann\",\"lines\":[");
    for (size_t i = 0; i < ORDER_LINES_MAX; i++)
        len += (size_t)snprintf(body + len, BODY_BYTES - len, "%s{\"lot\":\"%s\",\"quantity\":2}",
                                i ? "," : "", long_dims()->key.p);
    snprintf(body + len, BODY_BYTES - len, "]}}");
    struct fake_exchange *x = http_new(f, "POST", "/v1/sales/spring/groups", body);
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    c->group.group = group;
    c->group.order->line_count = ORDER_LINES_MAX;
    fill_lines(f, ORDER_LINES_MAX, c->group.order->lines, c->group.order->extra->after);
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 201);
    assert_enough(need, before, "a group with its opener's order of 64 lines");
    free(body);
}

static void confirming_many_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    enum { BODY_BYTES = 32768 };
    char *body = malloc(BODY_BYTES);
    assert_non_null(body);
    size_t before, len = (size_t)snprintf(body, BODY_BYTES, "{\"reservation_ids\":[");
    for (int i = 0; i < CONFIRM_ALL_MAX; i++)
        len += (size_t)snprintf(body + len, BODY_BYTES - len, "%s\"%lld\"", i ? "," : "",
                                900000000000000000LL + i);
    snprintf(body + len, BODY_BYTES - len, "]}");
    struct fake_exchange *x = http_new(f, "POST", "/v1/reservations/confirm", body);
    size_t need = begin(f, x, &before);
    fixture_answer(f, fixture_command(f), 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "1,000 reservations confirmed");
    free(body);
}

static void a_changed_lot_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    size_t before;
    struct fake_exchange *x =
        http_new(f, "PATCH", "/v1/lots/cola%2300000000", "{\"withdrawn\":true}");
    size_t need = begin(f, x, &before);
    struct command *c = fixture_command(f);
    c->update_lot.lot = (struct lot_view){.id = 1, .dims = long_dims()};
    fixture_answer(f, c, 0);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "a lot whose terms were changed");
}

static void a_page_of_webhook_failures_takes_no_more_than_was_said(void **state)
{
    struct fixture *f = *state;
    size_t before;
    fixture_webhook(f, 1000);
    struct fake_exchange *x = http_new(f, "GET", "/v1/webhook/failures?page_size=200", "");
    size_t need = begin(f, x, &before);
    assert_int_equal(x->status, 200);
    assert_enough(need, before, "200 failures of the webhook");
}

static void health_and_metrics_are_vital_and_nothing_else_is(void **state)
{
    struct fixture *f = *state;
    struct exchange_need need;
    const struct {
        const char *target;
        bool vital;
    } rows[] = {{"/livez", true},         {"/readyz", true},   {"/metrics", true},
                {"/openapi.yaml", false}, {"/v1/lots", false}, {"/none", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        need = (struct exchange_need){0};
        service_need(f->service, &http_new(f, "GET", rows[i].target, "")->x, &need);
        assert_int_equal(need.vital, rows[i].vital);
        assert_true(need.bytes > 0);
    }
    need = (struct exchange_need){0};
    service_need(f->service, &grpc_new(f, "/grpc.health.v1.Health/Check", NULL)->x, &need);
    assert_true(need.vital);
}

static void a_call_left_behind_is_charged_until_it_comes_back(void **state)
{
    struct fixture *f = *state;
    struct budget budget;
    budget_init(&budget, 64 << 20, NULL);
    struct service_host host = f->host;
    struct service *service;
    struct error e;
    host.budget = &budget;
    assert_int_equal(service_create(&service, &host, &e), 0);
    struct fake_exchange *x = http_new(f, "GET", "/v1/lots?page_size=1000", "");
    service_handle(service, &x->x);
    assert_int_equal(budget.used, 0);
    service_tick(service, f->now_ns + UINT64_C(6000000000));
    assert_int_equal(x->answers, 1);
    assert_true(budget.used > 1000 * sizeof(struct lot_view));
    struct command *c = fixture_command(f);
    f->command_count = 0;
    c->code = TLY_EOVERLOADED;
    service_complete(service, c);
    assert_int_equal(budget.used, 0);
    service_destroy(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page_of_lots_takes_no_more_than_was_said),
        TEST(a_batch_of_orders_takes_no_more_than_was_said),
        TEST(an_order_takes_no_more_than_was_said),
        TEST(a_move_takes_no_more_than_was_said),
        TEST(a_page_of_reservations_takes_no_more_than_was_said),
        TEST(a_sale_takes_no_more_than_was_said),
        TEST(a_page_of_sales_takes_no_more_than_was_said),
        TEST(a_place_in_a_line_takes_no_more_than_was_said),
        TEST(a_group_takes_no_more_than_was_said),
        TEST(confirming_many_takes_no_more_than_was_said),
        TEST(a_changed_lot_takes_no_more_than_was_said),
        TEST(a_page_of_webhook_failures_takes_no_more_than_was_said),
        TEST(health_and_metrics_are_vital_and_nothing_else_is),
        TEST(a_call_left_behind_is_charged_until_it_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
