/* What a request is said to need before it is taken, against what it takes. */
#include "fixture_service.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        TEST(health_and_metrics_are_vital_and_nothing_else_is),
        TEST(a_call_left_behind_is_charged_until_it_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
