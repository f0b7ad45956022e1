/* service_bench - what the service costs an order: gRPC Reserve from the handed-over exchange to
 * the answered one, with a real gate and an engine that says yes at once. Exchange, connection and
 * engine cost nothing here.
 *
 *   service_bench [orders] [in flight]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally.pb-c.h>

#include "base/clock.h"
#include "gate/gate_local.h"
#include "service/service.h"
#include "wire/codec.h"

enum { IN_FLIGHT_MAX = 4096, EXCHANGE_BYTES = 1024 };

struct slot {
    struct exchange x;
    char buffer[EXCHANGE_BYTES];
};

static struct command *submitted[IN_FLIGHT_MAX];
static size_t submitted_count;
static uint64_t answered;
static struct lot_dims dims = {.key = {"cola#00000000", 13}};
static struct lot_dims none = {.key = {"none#00000000", 13}};

static void respond(struct exchange *x, const struct response *r)
{
    (void)x;
    answered += r->body.len > 5 || r->trailers_only;
}

static void submit(void *context, struct command *c)
{
    (void)context;
    submitted[submitted_count++] = c;
}

static enum readiness ready(void *context, struct str *why)
{
    (void)context;
    (void)why;
    return READY_YES;
}

static int64_t now_ms(void *context)
{
    (void)context;
    return INT64_C(1795000000000);
}

static const struct lot_dims *lot_dims(void *context, lot_id id)
{
    (void)context;
    return id == 1 ? &dims : NULL;
}

static void complete_all(struct service *s)
{
    for (size_t i = 0; i < submitted_count; i++) {
        struct command *c = submitted[i];
        c->code = 0;
        c->reserve.reservation_id = INT64_C(910000000000000) + (int64_t)answered;
        c->reserve.state = HOLD_PENDING;
        c->reserve.expires_ms = INT64_C(1795000900000);
        c->reserve.lines[0] = (struct line){1, 1};
        c->reserve.line_count = 1;
        service_complete(s, c);
    }
    submitted_count = 0;
}

static void run(struct service *s, struct slot *slots, size_t in_flight, struct str body,
                uint64_t orders, const char *name)
{
    static const struct exchange_ops ops = {.respond = respond};
    uint64_t done = 0, handled_ns = 0, completed_ns = 0;
    answered = 0;
    while (done < orders) {
        uint64_t start = clock_monotonic_ns();
        for (size_t i = 0; i < in_flight; i++) {
            struct exchange *x = &slots[i].x;
            arena_reset(&x->arena);
            x->ops = &ops;
            x->protocol = PROTOCOL_HTTP2;
            x->method = HTTP_POST;
            x->path = STR("/tally.v1.Inventory/Reserve");
            x->headers[HEADER_content_type] = STR("application/grpc");
            x->body = body;
            x->received_ns = start;
            service_handle(s, x);
        }
        service_flush(s);
        uint64_t middle = clock_monotonic_ns();
        complete_all(s);
        handled_ns += middle - start;
        completed_ns += clock_monotonic_ns() - middle;
        done += in_flight;
    }
    printf("%-28s %6.1f ns in, %6.1f ns out, %6.1f ns an order (%llu answered)\n", name,
           (double)handled_ns / (double)done, (double)completed_ns / (double)done,
           (double)(handled_ns + completed_ns) / (double)done, (unsigned long long)answered);
}

static void admitted(void *context, struct gate_ask *first)
{
    struct service *const *s = context;
    service_admitted(*s, first);
}

static struct str request(struct arena *a, const char *order_id, const char *lot)
{
    Tally__V1__WantedLine line = TALLY__V1__WANTED_LINE__INIT, *lines[] = {&line};
    Tally__V1__ReserveRequest m = TALLY__V1__RESERVE_REQUEST__INIT;
    struct str framed = {0};
    line.lot = (char *)lot;
    line.quantity = 1;
    m.order_id = (char *)order_id;
    m.user_id = (char *)"user-12345";
    m.lines = lines;
    m.n_lines = 1;
    if (grpc_encode(&m.base, a, &framed))
        abort();
    return framed;
}

int main(int argc, char **argv)
{
    uint64_t orders = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    size_t in_flight = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    struct service_settings settings = {.request_timeout_ms = 800,
                                        .reply_timeout_ms = 5000,
                                        .hold_max_ms = 3600000,
                                        .inflight_max = IN_FLIGHT_MAX,
                                        .stock_timeout_ms = 800,
                                        .retry_after_s = 1};
    struct gate_local_config config = {
        .hash_seed = 7, .lots_max = 16, .order_filter_bytes = 1 << 20};
    struct service_host host = {.submit = submit,
                                .readiness = ready,
                                .now_ms = now_ms,
                                .lot_dims = lot_dims,
                                .settings = &settings,
                                .hash_seed = 7};
    struct arena a;
    struct error e;
    if (in_flight > IN_FLIGHT_MAX)
        in_flight = IN_FLIGHT_MAX;
    struct slot *slots = calloc(in_flight, sizeof *slots);
    host.metrics = metrics_create();
    struct service *s = NULL;
    struct gate *gate = NULL;
    const struct gate_worker worker = {.context = &s, .answered = admitted};
    if (!slots || gate_local_create(&gate, &config, &e) ||
        gate->ops->attach(gate, &worker, &host.gate, &e) || service_create(&s, &host, &e))
        return 1;
    const struct gate_stock lots[] = {{.lot_id = 1, .dims = &dims, .available = INT64_C(1) << 37},
                                      {.lot_id = 2, .dims = &none}};
    if (gate->ops->lot_known(gate, &lots[0]) || gate->ops->lot_known(gate, &lots[1]))
        return 1;
    gate->ops->orders_complete(gate, true);
    gate->ops->next_deadline(gate, INT64_MAX);
    for (size_t i = 0; i < in_flight; i++)
        arena_init(&slots[i].x.arena, slots[i].buffer, EXCHANGE_BYTES, 1 << 16);
    arena_init(&a, NULL, 0, 1 << 16);
    run(s, slots, in_flight, request(&a, "", "cola#00000000"), orders, "no order_id");
    run(s, slots, in_flight, request(&a, "order-0123456789abcdef", "cola#00000000"), orders,
        "with order_id");
    run(s, slots, in_flight, request(&a, "", "none#00000000"), orders, "sold out");
    arena_close(&a);
    service_destroy(s);
    gate_destroy(gate);
    metrics_destroy_all();
    free(slots);
    return 0;
}
