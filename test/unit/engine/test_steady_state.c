/* Counts calls of malloc by standing in front of it; the sanitizers do so themselves, and then
 * there is nothing to count. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/engine.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTING 1
#else
#define COUNTING 0
#endif

static unsigned long allocations;

#if COUNTING
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    allocations++;
    return __libc_realloc(p, size);
}
#endif

enum { BATCH = 64, SEGMENT = 1000 };

struct order {
    struct command c;
    struct want wants[2];
    struct line lines[2];
    char id[24];
};

struct bench {
    struct engine *engine;
    int64_t now_ms;
    unsigned long counted; /* inside the engine */
    uint64_t next_id;
    struct order orders[BATCH];
};

static void commit(struct bench *b)
{
    unsigned long before = allocations;
    struct batch *batch;
    while ((batch = engine_seal(b->engine))) {
        batch->outcome = LEDGER_COMMITTED;
        engine_outcome(b->engine, batch);
    }
    engine_replies(b->engine);
    struct gate_delta deltas[8];
    while (engine_gate_deltas(b->engine, deltas, 8) == 8) {
    }
    b->counted += allocations - before;
}

/* The store: its runs are no memory of the engine's. */
static void store(struct bench *b)
{
    struct order_segment *s = engine_next_segment(b->engine);
    if (!s)
        return;
    struct order_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->count = s->count;
    run->seq_min = 1; /* each takes the place of the one before */
    run->seq_max = s->seq_max;
    run->filter = bloom_create(64, 8);
    engine_segment_stored(b->engine, s, run);
}

static void send(struct bench *b, struct command *c)
{
    unsigned long before = allocations;
    engine_command(b->engine, c);
    b->counted += allocations - before;
}

static void reserve(struct bench *b, struct order *o)
{
    memset(o, 0, sizeof *o);
    snprintf(o->id, sizeof o->id, "order-%llu", (unsigned long long)b->next_id++);
    o->wants[0] = (struct want){.lot = STR("cola#00000001"), .quantity = 1};
    o->wants[1] = (struct want){.lot = STR("lime#00000002"), .quantity = 1};
    o->c.kind = COMMAND_RESERVE;
    o->c.reserve.order_id = str_of(o->id);
    o->c.reserve.user_id = STR("user");
    o->c.reserve.order_hash = hash64(str_of(o->id), 1);
    o->c.reserve.fingerprint = 1;
    o->c.reserve.wants = o->wants;
    o->c.reserve.want_count = b->next_id % 2 ? 1 : 2;
    o->c.reserve.lines = o->lines;
    o->c.reserve.line_max = 2;
    send(b, &o->c);
}

static void move(struct bench *b, struct order *o, enum command_kind kind)
{
    int64_t id = o->c.reserve.reservation_id;
    memset(&o->c, 0, sizeof o->c);
    o->c.kind = (uint8_t)kind;
    o->c.move.reservation_id = id;
    o->c.move.payment_id = STR("payment");
    o->c.move.hold_ms = 2000;
    o->c.move.lines = o->lines;
    o->c.move.line_max = 2;
    send(b, &o->c);
}

/* Reserves a batch: a quarter each is confirmed, refunded, extended, left; the last two expire. */
static void cycle(struct bench *b)
{
    for (int i = 0; i < BATCH; i++)
        reserve(b, &b->orders[i]);
    commit(b);
    for (int i = 0; i < BATCH; i++) {
        assert_int_equal(b->orders[i].c.code, 0);
        if (i % 4 < 3)
            move(b, &b->orders[i],
                 i % 4 == 0   ? COMMAND_CONFIRM
                 : i % 4 == 1 ? COMMAND_REFUND
                              : COMMAND_EXTEND);
    }
    commit(b);
    b->now_ms += 2500;
    unsigned long before = allocations;
    engine_advance(b->engine, b->now_ms, 1);
    b->counted += allocations - before;
    commit(b);
    store(b);
}

static void after_warm_up_100000_orders_allocate_nothing(void **state)
{
    (void)state;
    static struct bench b = {.now_ms = 1790000000000};
    struct engine_config config = {
        .hash_seed = 1,
        .lots_max = 10,
        .holds_max = 1000,
        .batch_moves_max = 100,
        .waiting_max = 1000,
        .questions_max = 8,
        .stale_tries_max = 3,
        .hold_default_ms = 1000,
        .hold_max_ms = 10000,
        .hold_total_max_ms = 10000,
        .order_retention_ms = 86400000,
        .order_memory_max = 2 * SEGMENT,
    };
    assert_int_equal(engine_create(&b.engine, &config, NULL), 0);
    struct lot_dims one = {
        STR("cola#00000001"), LOT_NEVER_EXPIRES, STR("cola"), STR("c"), STR("s"), STR("b")};
    struct lot_dims two = {
        STR("lime#00000002"), LOT_NEVER_EXPIRES, STR("lime"), STR("l"), STR("s"), STR("b")};
    struct stock stock = {.on_hand = 1000000};
    assert_int_equal(engine_load_lot(b.engine, 1, &one, NULL, &stock, NULL), 0);
    assert_int_equal(engine_load_lot(b.engine, 2, &two, NULL, &stock, NULL), 0);
    engine_recovered(b.engine, b.now_ms);
    for (int i = 0; i < 10 * SEGMENT / BATCH; i++)
        cycle(&b);
    assert_true(!COUNTING || b.counted > 0); /* the counter counts */
    b.counted = 0;
    for (int i = 0; i < 100000 / BATCH; i++)
        cycle(&b);
    assert_int_equal(b.counted, 0);
    engine_destroy(b.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_warm_up_100000_orders_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
