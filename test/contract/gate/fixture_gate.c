#include "fixture_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "gate/gate_local.h"
#include "late_gate.h"
#include "redis_gates.h"

static int make_local(struct gate **out)
{
    struct gate_local_config config = {
        .hash_seed = SEED, .lots_max = RIG_LOTS, .order_filter_bytes = 1 << 20};
    return gate_local_create(out, &config, NULL);
}

static int make_late(struct gate **out)
{
    *out = late_gate_create(SEED);
    return 0;
}

static void deliver_late(struct asker *a)
{
    late_gate_deliver(a->session, SIZE_MAX);
}

static const struct adapter adapters[] = {
    {.name = "local", .make = make_local},
    {.name = "late", .make = make_late, .deliver = deliver_late},
    REDIS_GATES,
};

static const struct adapter *adapter; /* the one under test */

int run_adapter(const struct adapter *one, const struct CMUnitTest *tests, size_t count)
{
    adapter = one;
    return _cmocka_run_group_tests(adapter->name, tests, count, NULL, NULL);
}

int run_adapters(const struct CMUnitTest *tests, size_t count)
{
    enum { SKIPPED = 77 };
    const char *ci = getenv("CI");
    int failed = 0;
    bool all = true;
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        if (adapters[i].begin && !adapters[i].begin()) {
            printf("skipped: what the adapter \"%s\" needs is not here\n", adapters[i].name);
            all = false;
            continue;
        }
        failed += run_adapter(&adapters[i], tests, count);
        if (adapters[i].end)
            adapters[i].end();
    }
    return failed || all ? failed : ci && strcmp(ci, "true") == 0 ? 1 : SKIPPED;
}

uint32_t times(uint32_t often)
{
    enum { FEWER = 40 };
    return adapter->is_far ? often / FEWER : often;
}

/* ---- a worker ---- */

static void answered(void *context, struct gate_ask *first)
{
    struct asker *a = context;
    struct gate_ask *next;
    for (struct gate_ask *ask = first; ask; ask = next) {
        next = ask->next;
        assert_ptr_equal(ask->context, a);
        ask->context = NULL; /* a second answer is caught */
        a->answered++;
        if (a->on_answer)
            a->on_answer(a, ask);
    }
}

void asker_open(struct asker *a, struct gate *g)
{
    const struct gate_worker worker = {.loop = &a->loop, .context = a, .answered = answered};
    *a = (struct asker){.gate = g};
    assert_int_equal(uv_loop_init(&a->loop), 0);
    assert_int_equal(g->ops->attach(g, &worker, &a->session, NULL), 0);
    while (adapter->is_up && !adapter->is_up(a->session))
        uv_run(&a->loop, UV_RUN_ONCE);
}

void asker_close(struct asker *a)
{
    gate_detach(a->session);
    a->session = NULL;
    uv_run(&a->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&a->loop), 0);
}

void asker_deliver(struct asker *a)
{
    if (adapter->deliver)
        adapter->deliver(a);
}

void asker_ask(struct asker *a, struct gate_ask *asks, size_t n, int64_t now_ms)
{
    size_t before = a->answered;
    for (size_t i = 0; i < n; i++) {
        asks[i].context = a;
        gate_ask(a->session, &asks[i]);
    }
    assert_int_equal(a->answered, before);
    for (int ms = 0; adapter->is_told && !adapter->is_told(a->gate) && ms < PATIENCE_MS; ms++)
        pause_ms(1); /* once is enough: others go on telling */
    gate_flush(a->session, now_ms);
    asker_deliver(a);
    assert_int_equal(a->answered, before + n);
}

/* ---- the lane ---- */

struct gate_stock stock_of(const struct rig *r, lot_id lot)
{
    const struct truth *t = &r->lots[lot];
    return (struct gate_stock){
        .lot_id = lot, .dims = &t->dims, .available = t->available, .version = t->version};
}

void add_lot(struct rig *r, lot_id lot, const char *key, int64_t units)
{
    struct truth *t = &r->lots[lot];
    snprintf(t->key, sizeof t->key, "%s", key);
    t->dims = (struct lot_dims){.key = str_of(t->key)};
    t->available = units;
    t->version = 1;
    const struct gate_stock stock = stock_of(r, lot);
    assert_int_equal(r->g->ops->lot_known(r->g, &stock), 0);
}

/* `units`: what the engine's decision changed beyond what the gate itself had taken. */
static void tell(struct rig *r, lot_id lot, int64_t units, const struct gate_settlement *order)
{
    const struct gate_delta delta = {.lot = lot, .units = units};
    const struct gate_stock stock = stock_of(r, lot);
    if (units && r->g->ops->decided)
        r->g->ops->decided(r->g, &delta, 1);
    if (r->g->ops->committed)
        r->g->ops->committed(r->g, order, order ? 1 : 0, &stock, 1);
}

void change(struct rig *r, lot_id lot, int64_t units)
{
    r->lots[lot].available += units;
    r->lots[lot].version++;
    tell(r, lot, units, NULL);
}

void accepted(struct rig *r, uint64_t order_hash, lot_id lot, int64_t units)
{
    const struct gate_line line = {.lot = r->lots[lot].dims.key, .quantity = units};
    const struct gate_settlement s = {
        .order_hash = order_hash, .outcome = GATE_ACCEPTED, .lines = &line, .line_count = 1};
    r->lots[lot].available -= units;
    r->lots[lot].version++;
    tell(r, lot, 0, &s);
}

void come_to_nothing(struct rig *r, uint64_t order_hash, lot_id lot, int64_t units,
                     enum gate_outcome outcome)
{
    const struct gate_line line = {.lot = r->lots[lot].dims.key, .quantity = units};
    const struct gate_settlement s = {
        .order_hash = order_hash, .outcome = outcome, .lines = &line, .line_count = 1};
    tell(r, lot, outcome == GATE_UNKNOWN ? 0 : units, &s);
}

/* ---- asks ---- */

uint64_t order(uint64_t number)
{
    return hash64((struct str){(const char *)&number, sizeof number}, SEED);
}

struct gate_ask ask_lines(struct rig *r, struct gate_line *lines, uint16_t n, uint64_t order_hash)
{
    struct gate_ask ask = {.lines = lines, .line_count = n, .order_hash = order_hash};
    asker_ask(&r->me, &ask, 1, NOW_MS);
    return ask;
}

enum gate_verdict ask_for(struct rig *r, const char *lot, int64_t quantity, uint64_t order_hash)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = quantity};
    return ask_lines(r, &line, 1, order_hash).verdict;
}

int64_t units_left(struct rig *r, const char *lot)
{
    struct gate_line line = {.lot = str_of(lot), .quantity = QUANTITY_MAX};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true};
    asker_ask(&r->me, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_true(line.is_short);
    return line.available;
}

/* ---- life ---- */

int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->lots = calloc(RIG_LOTS + 1, sizeof *r->lots);
    if (adapter->make(&r->g))
        return -1;
    asker_open(&r->me, r->g);
    add_lot(r, 1, "a", 10);
    add_lot(r, 2, "b", 0);
    r->g->ops->orders_complete(r->g, true);
    r->g->ops->next_deadline(r->g, INT64_MAX);
    *state = r;
    return 0;
}

int teardown(void **state)
{
    struct rig *r = *state;
    asker_close(&r->me);
    gate_destroy(r->g);
    free(r->lots);
    free(r);
    return 0;
}
