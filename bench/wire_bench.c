/* wire_bench.c - what wire/ and net/ cost alone: a server that answers every request with the same
 * message, without looking at it. Prints its port and serves until it is stopped.
 *
 *   wire_bench [PORT]        gRPC to gRPC requests, JSON to all others
 *   h2load -n 1000000 -c 10 -m 100 -t 1 -d message.bin -H 'content-type: application/grpc' \
 *          -H 'te: trailers' http://127.0.0.1:PORT/tally.v1.Inventory/Reserve
 *   wrk -t 1 -c 64 http://127.0.0.1:PORT/
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

static void handle(void *context, struct exchange *x)
{
    (void)context;
    /* As long as a ReserveResponse with one line. */
    static const char message[] = "\0\0\0\0\x60"
                                  "0123456789abcdef0123456789abcdef0123456789abcdef"
                                  "0123456789abcdef0123456789abcdef0123456789abcdef";
    struct response r = {.status = 200};
    if (x->headers[HEADER_content_type].len >= 16) {
        r.content_type = STR("application/grpc");
        r.body = STR(message);
        r.trailers[0] = (struct header){STR("grpc-status"), STR("0")};
        r.trailer_count = 1;
    } else {
        r.content_type = STR("application/json");
        r.body = STR("{\"reservation_id\":\"1\",\"order_id\":\"o\",\"status\":\"PENDING\"}");
    }
    exchange_respond(x, &r);
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    struct net *net;
    struct error e;
    struct net_config config = {
        .host = "127.0.0.1",
        .port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0),
        .backlog = 1024,
        .connections_max = 100000,
        .receive_timeout_ms = 10000,
        .send_timeout_ms = 10000,
        .idle_timeout_ms = 600000,
        .limits = {.header_line_max = 8192,
                   .header_bytes_max = 16384,
                   .header_count_max = 100,
                   .target_max = 4096,
                   .body_max = 4 << 20,
                   .streams_max = 1000,
                   .stream_buffer_max = 256 << 10,
                   .output_max = 4 << 20},
        .handler = {.handle = handle},
    };
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&loop) || net_create(&net, &loop, &config, &e)) {
        fprintf(stderr, "wire_bench: %s\n", e.text);
        return 1;
    }
    printf("%u\n", net_port(net));
    fflush(stdout);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
