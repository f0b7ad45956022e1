/* What decoding and encoding cost, in nanoseconds an operation: ours beside protobuf-c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tally.pb-c.h>
#include <time.h>

#include "base/arena.h"
#include "wire/codec.h"

static char memory[65536];
static struct arena arena;
static struct str proto_request;
static struct str json_request;
static Tally__V1__ReserveResponse response = TALLY__V1__RESERVE_RESPONSE__INIT;
static uint64_t sink;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *from_arena(void *a, size_t size)
{
    return arena_alloc(a, size);
}

static void to_arena(void *a, void *p)
{
    (void)a;
    (void)p;
}

static void decode_ours(void)
{
    ProtobufCMessage *m = NULL;
    if (proto_decode(&tally__v1__reserve_request__descriptor, proto_request, &arena, &m, NULL))
        abort();
    sink += (uintptr_t)m;
}

static void decode_protobuf_c(void)
{
    ProtobufCAllocator allocator = {from_arena, to_arena, &arena};
    sink +=
        (uintptr_t)protobuf_c_message_unpack(&tally__v1__reserve_request__descriptor, &allocator,
                                             proto_request.len, (const uint8_t *)proto_request.p);
}

static void decode_json(void)
{
    ProtobufCMessage *m = NULL;
    if (json_decode(&tally__v1__reserve_request__descriptor, json_request, &arena, &m, NULL))
        abort();
    sink += (uintptr_t)m;
}

static void encode_ours(void)
{
    struct str out;
    if (grpc_encode(&response.base, &arena, &out))
        abort();
    sink += out.len;
}

static void encode_protobuf_c(void)
{
    size_t size = protobuf_c_message_get_packed_size(&response.base);
    uint8_t *out = arena_alloc(&arena, size + 5);
    sink += protobuf_c_message_pack(&response.base, out + 5);
}

static void encode_json(void)
{
    struct str out;
    if (json_encode(&response.base, &arena, &out))
        abort();
    sink += out.len;
}

static const struct failure sold_out = {.code = TLY_ESOLD_OUT,
                                        .text = {"0 units are available, 1 was asked for", 38},
                                        .field = {"lines[0].quantity", 17},
                                        .lot = {"sku-cola#0a1b2c3d", 17}};

static void refuse_grpc(void)
{
    struct response r;
    grpc_failure_response(&r, &arena, &sold_out);
    sink += r.trailer_count;
}

static void refuse_http(void)
{
    struct response r;
    problem_response(&r, &arena, &sold_out);
    sink += r.body.len;
}

static void measure(const char *what, void (*run)(void))
{
    enum { ROUNDS = 7, TIMES = 200000 };
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = now_ns();
        for (int i = 0; i < TIMES; i++) {
            arena_reset(&arena);
            run();
        }
        uint64_t took = now_ns() - began;
        best = took < best ? took : best;
    }
    printf("%-44s %7.1f ns\n", what, (double)best / TIMES);
}

int main(void)
{
    static char packed[512];
    Tally__V1__ReserveRequest request = TALLY__V1__RESERVE_REQUEST__INIT;
    Tally__V1__WantedLine wanted = TALLY__V1__WANTED_LINE__INIT;
    Tally__V1__WantedLine *wants[] = {&wanted};
    Tally__V1__Line line = TALLY__V1__LINE__INIT;
    Tally__V1__Line *lines[] = {&line};
    static const char json[] =
        "{\"order_id\":\"0197a4c2-7b1e-7c3d-9f00-1122aabbccdd\",\"user_id\":\"user-482910\","
        "\"lines\":[{\"lot\":\"cola#0a1b2c3d\",\"quantity\":1}]}";

    arena_init(&arena, memory, sizeof memory, 0);
    request.order_id = response.order_id = "0197a4c2-7b1e-7c3d-9f00-1122aabbccdd";
    request.user_id = "user-482910";
    wanted.lot = line.lot = "cola#0a1b2c3d";
    wanted.quantity = line.quantity = 1;
    request.n_lines = response.n_lines = 1;
    request.lines = wants;
    response.lines = lines;
    response.reservation_id = "481923847561928374";
    response.status = "PENDING";
    response.expires_at = "2026-11-22T10:15:00.000Z";
    size_t size = protobuf_c_message_pack(&request.base, (uint8_t *)packed);
    proto_request = (struct str){packed, (uint32_t)size};
    json_request = STR(json);

    measure("protobuf ReserveRequest in", decode_ours);
    measure("  the same, protobuf-c (no UTF-8 check)", decode_protobuf_c);
    measure("JSON ReserveRequest in", decode_json);
    measure("gRPC ReserveResponse out", encode_ours);
    measure("  the same, protobuf-c (two passes)", encode_protobuf_c);
    measure("JSON ReserveResponse out", encode_json);
    measure("gRPC SOLD_OUT with details out", refuse_grpc);
    measure("problem+json SOLD_OUT out", refuse_http);
    return sink == 0;
}
