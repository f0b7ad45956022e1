/* The order of things in a turn is the server's: the ledger's news, the time, commands, the batch,
 * reads, the gate, replies. Most bugs are planted here, where two parts meet. */
#include "process.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "gate/gate_local.h"

enum { DELTAS_MAX = 16 };

/* ---- the gate ---- */

static void tell_gate(struct process *p)
{
    struct gate_delta deltas[DELTAS_MAX];
    size_t count;
    while ((count = engine_gate_deltas(p->engine, deltas, DELTAS_MAX)) > 0) {
        for (size_t i = 0; i < count; i++) {
            bool lost =
                p->plant == PLANT_LOST_GIVE_BACK && deltas[i].units > 0 && rng_chance(p->rng, 100);
            if (deltas[i].lot <= p->lots_told && !lost)
                p->gate->ops->decided(p->gate, &deltas[i], 1);
        }
    }
    while (p->lots_told < engine_lot_count(p->engine)) {
        struct lot_view lot;
        bool there = engine_lot(p->engine, ++p->lots_told, &lot);
        assert(there);
        const struct gate_stock stock = {.lot_id = p->lots_told,
                                         .dims = lot.dims,
                                         .available = lot.stock.on_hand - lot.stock.reserved -
                                                      lot.stock.confirmed,
                                         .version = lot.stock.version};
        int rc = p->gate->ops->lot_known(p->gate, &stock);
        assert(rc == 0);
    }
    int64_t deadline_ms = engine_next_deadline(p->engine);
    if (deadline_ms != p->deadline_told_ms)
        p->gate->ops->next_deadline(p->gate, deadline_ms);
    p->deadline_told_ms = deadline_ms;
}

static void ignore_answer(void *context, struct gate_ask *first)
{
    (void)context;
    (void)first;
}

static void ask_gate(struct process *p, struct gate_ask *ask, int64_t now_ms)
{
    gate_ask(p->session, ask);
    gate_flush(p->session, now_ms);
}

bool process_admit(struct process *p, struct reserve_command *r, bool order_new, int64_t now_ms,
                   int64_t *available)
{
    struct gate_line lines[ORDER_LINES_MAX];
    for (uint16_t i = 0; i < r->want_count; i++)
        lines[i] = (struct gate_line){.lot = r->wants[i].lot, .quantity = r->wants[i].quantity};
    struct gate_ask ask = {.lines = lines,
                           .line_count = r->want_count,
                           .order_hash = r->order_hash,
                           .order_new = order_new || p->plant == PLANT_STOCK_FIRST};
    ask_gate(p, &ask, now_ms);
    for (uint16_t i = 0; i < r->want_count; i++) {
        r->wants[i].lot_hint = lines[i].lot_id;
        r->wants[i].gate_taken = ask.verdict == GATE_PASS;
    }
    *available = ask.verdict == GATE_SOLD_OUT ? lines[ask.failed_line].available : 0;
    return ask.verdict != GATE_SOLD_OUT;
}

int64_t process_gate_units(struct process *p, lot_id lot, struct str key, int64_t now_ms)
{
    struct gate_line line = {.lot = key, .quantity = QUANTITY_MAX};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true};
    ask_gate(p, &ask, now_ms);
    return ask.verdict == GATE_SOLD_OUT && line.lot_id == lot ? line.available : -1;
}

/* ---- life ---- */

static void mark_order(void *context, uint64_t order_hash)
{
    struct process *p = context;
    p->gate->ops->order_seen(p->gate, order_hash);
}

int process_start(struct process *p, struct fake_ledger *ledger, const struct engine_config *config,
                  struct rng *rng, enum plant plant, int64_t now_ms, struct error *e)
{
    struct gate_local_config gate_config = {
        .hash_seed = SIM_HASH_SEED, .lots_max = config->lots_max, .order_filter_bytes = 1 << 12};
    const struct gate_worker worker = {.answered = ignore_answer};
    *p = (struct process){.ledger = ledger, .rng = rng, .plant = plant};
    int rc = engine_create(&p->engine, config, e);
    if (rc == 0)
        rc = fake_ledger_recover(ledger, p->engine, e);
    if (rc == 0)
        rc = gate_local_create(&p->gate, &gate_config, e);
    if (rc == 0)
        rc = p->gate->ops->attach(p->gate, &worker, &p->session, e);
    if (rc)
        return rc;
    engine_recovered(p->engine, now_ms);
    engine_set_available(p->engine, true);
    p->deadline_told_ms = INT64_MIN;
    tell_gate(p);
    bool complete = fake_ledger_orders(ledger, mark_order, p);
    p->gate->ops->orders_complete(p->gate, complete);
    return 0;
}

void process_stop(struct process *p)
{
    for (size_t i = 0; i < p->news_count; i++) {
        if (p->news[i].read)
            free(p->news[i].read->record);
        order_run_free(p->news[i].run);
    }
    engine_destroy(p->engine);
    gate_detach(p->session);
    gate_destroy(p->gate);
    p->engine = NULL;
    p->gate = NULL;
}

void process_send(struct process *p, struct command *c)
{
    assert(p->queue_count < PROCESS_QUEUE_MAX);
    p->queue[p->queue_count++] = c;
}

void process_ledger(struct process *p)
{
    if (p->news_count == sizeof p->news / sizeof p->news[0])
        return;
    struct fake_ledger_news *news = &p->news[p->news_count++];
    fake_ledger_progress(p->ledger, news);
    if (!news->outcome && !news->read && !news->segment && !news->available)
        p->news_count--;
}

/* ---- one turn ---- */

static void take_news(struct process *p, int64_t now_ms, struct process_turn *out)
{
    for (size_t i = 0; i < p->news_count; i++) {
        struct fake_ledger_news *n = &p->news[i];
        if (n->outcome) {
            fake_ledger_deliver(p->ledger, n->outcome, now_ms);
            out->unknown = out->unknown || n->outcome->outcome == LEDGER_UNKNOWN;
            engine_outcome(p->engine, n->outcome);
        }
        if (n->read)
            engine_answered(p->engine, n->read);
        if (n->segment)
            engine_segment_stored(p->engine, n->segment, n->run);
        if (n->available)
            engine_set_available(p->engine, true);
        out->resolved = out->resolved || n->resolves;
    }
    p->news_count = 0;
}

static void tell_gate_of_orders(struct process *p, const struct command *c)
{
    if (c->kind != COMMAND_RESERVE_BATCH)
        return;
    for (uint32_t i = 0; i < c->batch.count; i++)
        p->gate->ops->order_seen(p->gate, c->batch.orders[i].order_hash);
}

static void take_commands(struct process *p, size_t most)
{
    size_t count = p->queue_count < most ? p->queue_count : most;
    for (size_t i = 0; i < count; i++) {
        engine_prefetch(p->engine, p->queue[i]);
        tell_gate_of_orders(p, p->queue[i]);
        engine_command(p->engine, p->queue[i]);
    }
    p->queue_count -= count;
    memmove(p->queue, p->queue + count, p->queue_count * sizeof p->queue[0]);
}

static void ask_ledger(struct process *p)
{
    struct batch *b = engine_seal(p->engine);
    if (b)
        fake_ledger_submit(p->ledger, b);
    struct question *r;
    while ((r = engine_next_question(p->engine)))
        fake_ledger_ask(p->ledger, r);
    struct order_segment *s;
    while ((s = engine_next_segment(p->engine)))
        fake_ledger_store(p->ledger, s);
}

static void advance(struct process *p, int64_t now_ms)
{
    int64_t due_ms = engine_next_deadline(p->engine);
    if (p->plant == PLANT_NO_EXPIRY && due_ms <= now_ms && rng_chance(p->rng, 900))
        now_ms = due_ms - 1;
    engine_advance(p->engine, now_ms, (uint64_t)now_ms * 1000000);
}

void process_turn(struct process *p, int64_t now_ms, size_t commands, struct process_turn *out)
{
    *out = (struct process_turn){0};
    take_news(p, now_ms, out);
    if (p->plant != PLANT_LATE_EXPIRY)
        advance(p, now_ms);
    take_commands(p, commands);
    if (p->plant == PLANT_LATE_EXPIRY)
        advance(p, now_ms);
    ask_ledger(p);
    tell_gate(p);
    out->replies = engine_replies(p->engine);
}

bool process_idle(const struct process *p)
{
    return p->queue_count == 0 && p->news_count == 0 && fake_ledger_idle(p->ledger);
}
