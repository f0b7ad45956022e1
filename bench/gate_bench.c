/* gate_bench.c - what the gate in Redis says no to in a second, and passes: one worker, one lot,
 * new order_ids, so many asks a turn and so many turns under way.
 *
 *     gate_bench HOST PORT [seconds]
 *
 * Beside it: redis-benchmark -c 50 evalsha, one script call an order (src/gate/README.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/hash.h"
#include "gate/gate_redis.h"
#include "redis/redis.h"

enum { ASKS_MAX = 512, TURNS = 4, UNITS = 2000000000 };

struct worker {
    struct gate_session *session;
    struct gate_ask asks[TURNS][ASKS_MAX];
    struct gate_line lines[TURNS][ASKS_MAX];
    uint32_t turn_left[TURNS];
    uint32_t asks_a_turn;
    bool turn_ready[TURNS];
    uint64_t orders, verdicts[GATE_VERDICTS];
};

static const struct lot_dims cola = {.key = {"COLA#00000001", 13}};

static void ask_turn(struct worker *w, uint32_t turn)
{
    w->turn_left[turn] = w->asks_a_turn;
    w->turn_ready[turn] = false;
    for (uint32_t i = 0; i < w->asks_a_turn; i++) {
        uint64_t number = ++w->orders;
        w->lines[turn][i] = (struct gate_line){.lot = cola.key, .quantity = 1};
        w->asks[turn][i] = (struct gate_ask){
            .lines = &w->lines[turn][i],
            .line_count = 1,
            .order_hash = hash64((struct str){(const char *)&number, sizeof number}, uv_hrtime()),
            .context = (void *)(uintptr_t)turn};
        gate_ask(w->session, &w->asks[turn][i]);
    }
    gate_flush(w->session, 1000);
}

static void answered(void *context, struct gate_ask *first)
{
    struct worker *w = context;
    struct gate_ask *next;
    for (; first; first = next) {
        uint32_t turn = (uint32_t)(uintptr_t)first->context;
        next = first->next;
        w->verdicts[first->verdict]++;
        if (--w->turn_left[turn] == 0)
            w->turn_ready[turn] = true;
    }
}

static int run(const char *host, uint16_t port, uint32_t asks_a_turn, int64_t units, int seconds)
{
    struct redis_address address = {.port = port};
    snprintf(address.host, sizeof address.host, "%s", host);
    const struct gate_redis_config config = {.addresses = &address,
                                             .address_count = 1,
                                             .order_filter_bytes = 64 << 20,
                                             .order_retention_ms = 1000,
                                             .fresh_ms = 3600 * 1000,
                                             .command_ms = 5000};
    struct worker *w = calloc(1, sizeof *w);
    struct gate *g = NULL;
    uv_loop_t loop;
    uv_loop_init(&loop);
    const struct gate_worker me = {&loop, w, answered};
    const int64_t version = (int64_t)(uv_hrtime() / 1000000); /* newer than any run's before */
    if (!w || gate_redis_create(&g, &config, NULL) || g->ops->attach(g, &me, &w->session, NULL))
        return 1;
    const struct gate_stock stock = {
        .lot_id = 1, .dims = &cola, .available = units, .version = version};
    g->ops->committed(g, NULL, 0, &stock, 1);
    while (!gate_redis_is_up(w->session) || !gate_redis_is_told(g))
        uv_run(&loop, UV_RUN_NOWAIT);
    w->asks_a_turn = asks_a_turn;
    uint64_t begun_ns = uv_hrtime(), end_ns = begun_ns + (uint64_t)seconds * 1000000000;
    while (uv_hrtime() < end_ns) {
        for (uint32_t i = 0; i < TURNS; i++)
            if (w->turn_left[i] == 0 || w->turn_ready[i])
                ask_turn(w, i);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    double took = (double)(uv_hrtime() - begun_ns) / 1e9;
    fprintf(
        stdout,
        "%4u asks a turn, %s: %9.0f/s (sold out %llu, passed %llu, replay %llu, blind %llu)\n",
        asks_a_turn, units ? "units left" : "sold out  ",
        (double)(w->verdicts[GATE_SOLD_OUT] + w->verdicts[GATE_PASS]) / took,
        (unsigned long long)w->verdicts[GATE_SOLD_OUT], (unsigned long long)w->verdicts[GATE_PASS],
        (unsigned long long)w->verdicts[GATE_REPLAY], (unsigned long long)w->verdicts[GATE_BLIND]);
    fflush(stdout);
    gate_detach(w->session);
    uv_run(&loop, UV_RUN_DEFAULT);
    gate_destroy(g);
    free(w);
    return 0;
}

int main(int argc, char **argv)
{
    const uint32_t asks[] = {1, 16, 64, 256, 512};
    if (argc < 3) {
        fprintf(stderr, "gate_bench HOST PORT [seconds]: a Redis with nothing of worth in it\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[2]);
    int seconds = argc > 3 ? atoi(argv[3]) : 3, failed = 0;
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        failed |= run(argv[1], port, asks[i], 0, seconds);
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        failed |= run(argv[1], port, asks[i], UNITS, seconds);
    return failed;
}
