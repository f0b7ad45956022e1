/* The processes of a world: one after another, or two at a time on one disk. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "fake_shared.h"
#include "request.h"

enum { SETTLE_TURNS_MAX = 20000, LOOK_MS = 200, HOLDS_END_MS = 10000 };

/* ---- what is heard ---- */

static void on_durable(void *context, const struct move *rows, size_t count, int64_t oldest_pending)
{
    struct world *w = context;
    for (size_t i = 0; i < count; i++)
        world_trace(w, "    durable: %s %" PRId64 " of %" PRId64 " of lot %u %s",
                    move_kind_name(rows[i].kind), rows[i].reservation_id, rows[i].line.quantity,
                    rows[i].line.lot, refund_reason_name(rows[i].reason));
    auditor_committed(w->auditor, rows, count, oldest_pending, w->now_ms);
}

static void on_ask_freed(void *context, struct audit_ask *ask)
{
    struct world *w = context;
    struct request *q = ask->context;
    if (ask->kind == AUDIT_RESERVE) /* its gate must find out by itself */
        process_settle(&w->nodes[q->node].process, q->orders[ask - q->asks].order_hash);
    q->asks_out--;
    request_free_if_done(q);
}

static void on_admitted(void *context, struct gate_ask *ask)
{
    request_admitted(context, ask);
}

/* ---- one process ---- */

void node_turn(struct world *w, uint32_t node, size_t commands)
{
    struct process_turn t;
    if (!w->nodes[node].running)
        return;
    process_turn(&w->nodes[node].process, w->now_ms, commands, &t);
    auditor_told(w->auditor);
    if (t.heard.unknown)
        auditor_unknown(w->auditor, node);
    struct command *c = t.replies;
    while (c) {
        struct command *next = c->link;
        if (c == &w->nodes[node].process.planted)
            w->nodes[node].process.planted_out = false;
        else if (c != &w->count)
            request_answered(w, c);
        c = next;
    }
    if (t.heard.resolved)
        auditor_resolved(w->auditor, node, on_ask_freed, w);
}

void node_start(struct world *w, uint32_t node)
{
    struct error e = {0};
    struct process *p = &w->nodes[node].process;
    struct engine_config engine = w->config;
    const struct fake_ledger_config config = {.disk = &w->disk,
                                              .rng = &w->rng,
                                              .faults = &w->faults,
                                              .plant = w->plant,
                                              .batches_max = w->config.batches_max,
                                              .durable = on_durable,
                                              .context = w};
    engine.node = (uint16_t)(engine.node + node);
    if (w->plant == PLANT_HOLDS_OVER && engine.user_holds_max)
        engine.user_holds_max++;
    const struct process_config process = {
        .ledger = w->config.shared ? fake_shared_create(&config, &w->locks, w->trusting)
                                   : fake_ledger_create(&config),
        .engine = &engine,
        .gate = w->gate,
        .gate_away = w->config.shared, /* one of them would have to serve both */
        .rng = &w->rng,
        .plant = w->plant,
        .admitted = on_admitted,
        .context = w};
    if (process_start(p, &process, w->now_ms, &e)) {
        char text[AUDIT_TEXT_MAX];
        snprintf(text, sizeof text, "I3: recovery failed: %s", e.text);
        world_fail(w, text);
    }
    w->now_ms = p->now_ms;
    w->nodes[node].running = true;
}

void node_close(struct world *w, uint32_t node)
{
    if (!w->nodes[node].running)
        return;
    process_stop(&w->nodes[node].process);
    w->nodes[node].running = false;
    /* Nobody hears of what was under way: asks go first, as they hold the requests. */
    auditor_crashed(w->auditor, node, on_ask_freed, w);
    requests_lost(w, node);
}

void node_crash(struct world *w, uint32_t node)
{
    world_trace(w, "CRASH of node %u", node);
    node_close(w, node);
    w->crashes++;
    w->watching = false;
    w->watched_upto = 0; /* a place in the changes is good for one process */
    w->now_ms += rng_below(&w->rng, 400);
}

/* ---- all of them ---- */

void nodes_start(struct world *w)
{
    for (uint32_t node = 0; node < w->node_count; node++)
        if (!w->nodes[node].running)
            node_start(w, node);
}

static bool idle(const struct world *w)
{
    for (uint32_t node = 0; node < w->node_count; node++)
        if (w->nodes[node].running && !process_idle(&w->nodes[node].process))
            return false;
    return auditor_ask_count(w->auditor) == 0;
}

static void all_turn(struct world *w, size_t commands)
{
    for (uint32_t node = 0; node < w->node_count; node++)
        node_turn(w, node, commands);
}

bool nodes_still(struct world *w)
{
    if (!idle(w))
        return false;
    all_turn(w, 0);
    return idle(w);
}

void world_settle(struct world *w)
{
    nodes_start(w);
    for (int i = 0; i < SETTLE_TURNS_MAX && !world_broken(w); i++) {
        if (nodes_still(w)) {
            auditor_still(w->auditor);
            return;
        }
        for (uint32_t node = 0; node < w->node_count; node++) {
            process_ledger(&w->nodes[node].process);
            process_gate(&w->nodes[node].process);
        }
        all_turn(w, PROCESS_QUEUE_MAX);
    }
    world_fail(w, "I7: requests stay unanswered although nothing is wrong any more");
}

/* The next moment at which something is due. Who shares a disk knows of its own holds only, and
 * looks for those of others now and then; after some seconds there are none left. */
static int64_t next_moment(const struct world *w, int64_t from_ms)
{
    int64_t next_ms = engine_next_deadline(w->nodes[0].process.lane.engine);
    if (!w->config.shared)
        return next_ms;
    if (w->now_ms - from_ms >= HOLDS_END_MS)
        return INT64_MAX;
    if (next_ms <= w->now_ms)
        return w->now_ms + 1;
    return next_ms > w->now_ms + LOOK_MS ? w->now_ms + LOOK_MS : next_ms;
}

void world_wait(struct world *w, int64_t until_ms)
{
    int64_t from_ms = w->now_ms;
    all_turn(w, 0);
    world_settle(w);
    while (w->now_ms < until_ms && !world_broken(w)) {
        int64_t next_ms = next_moment(w, from_ms);
        w->now_ms = next_ms > w->now_ms && next_ms < until_ms ? next_ms : until_ms;
        all_turn(w, 0);
        world_settle(w);
    }
}

void world_restart(struct world *w)
{
    node_crash(w, rng_below(&w->rng, w->node_count));
    nodes_start(w);
    if (w->calm) /* what was due meanwhile is late, and nobody's fault */
        auditor_calm(w->auditor, w->now_ms);
}
