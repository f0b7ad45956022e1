/* The scheduler: at each step chance decides who goes on: a client, the process, the ledger, time,
 * or the crash. Then the storm ends, everything is answered, every hold runs out, and the books
 * must balance; at last the process starts once more and must know the same. */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "request.h"

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

enum { DAY_MS = 86400000, REQUESTS_OUT_MAX = 60, SETTLE_TURNS_MAX = 20000 };

void world_trace(const struct world *w, const char *format, ...)
{
    if (!w->verbose)
        return;
    printf("%8" PRId64 "  ", w->now_ms - START_MS);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void fail(struct world *w, const char *text)
{
    if (!w->finding[0])
        snprintf(w->finding, sizeof w->finding, "%s", text);
}

static bool broken(struct world *w)
{
    const char *finding = auditor_finding(w->auditor);
    if (finding)
        fail(w, finding);
    return w->finding[0] != 0;
}

/* ---- the process ---- */

static void on_durable(void *context, const struct move *rows, size_t count, bool foreign)
{
    struct world *w = context;
    for (size_t i = 0; i < count; i++)
        world_trace(w, "    durable: %s %" PRId64 " of %" PRId64 " %s",
                    move_kind_name(rows[i].kind), rows[i].reservation_id, rows[i].line.quantity,
                    refund_reason_name(rows[i].reason));
    auditor_committed(w->auditor, rows, count, foreign);
}

static void on_ask_freed(void *context, struct audit_ask *ask)
{
    (void)context;
    struct request *q = ask->context;
    q->asks_out--;
    request_free_if_done(q);
}

static void turn(struct world *w, size_t commands)
{
    struct process_turn t;
    process_turn(&w->process, w->now_ms, commands, &t);
    struct command *c = t.replies;
    while (c) {
        struct command *next = c->link;
        request_answered(w, c);
        c = next;
    }
    if (t.resolved)
        auditor_resolved(w->auditor, on_ask_freed, w);
}

static void start(struct world *w)
{
    struct error e = {0};
    int64_t newest_ms = fake_ledger_newest_ms(w->ledger);
    if (w->now_ms < newest_ms)
        w->now_ms = newest_ms;
    if (process_start(&w->process, w->ledger, &w->config, &w->rng, w->plant, w->now_ms, &e)) {
        char text[AUDIT_TEXT_MAX];
        snprintf(text, sizeof text, "I3: recovery failed: %s", e.text);
        fail(w, text);
    }
    w->running = true;
}

static void crash(struct world *w)
{
    world_trace(w, "CRASH");
    fake_ledger_crash(w->ledger); /* its batch is the process's memory */
    process_stop(&w->process);
    w->running = false;
    w->crashes++;
    /* Nobody hears of what was under way: asks go first, as they hold the requests. */
    auditor_crashed(w->auditor, on_ask_freed, w);
    requests_lost(w);
    w->watching = false;
    w->watched_upto = 0; /* a place in the changes is good for one process */
    w->now_ms += rng_below(&w->rng, 400);
}

/* ---- judging stillness ---- */

static void judge_stillness(struct world *w)
{
    if (!process_idle(&w->process) || auditor_ask_count(w->auditor))
        return;
    turn(w, 0);
    if (!process_idle(&w->process))
        return;
    for (lot_id lot = 1; lot <= auditor_lot_count(w->auditor); lot++) {
        int64_t units =
            process_gate_units(&w->process, lot, auditor_lot_key(w->auditor, lot), w->now_ms);
        if (units >= 0)
            auditor_quiet(w->auditor, lot, units);
    }
}

/* Answers everything that is under way, with time standing still. */
static void settle(struct world *w)
{
    for (int i = 0; i < SETTLE_TURNS_MAX && !broken(w); i++) {
        if (process_idle(&w->process) && auditor_ask_count(w->auditor) == 0) {
            turn(w, 0);
            if (process_idle(&w->process))
                return;
        }
        process_ledger(&w->process);
        turn(w, PROCESS_QUEUE_MAX);
    }
    fail(w, "I7: requests stay unanswered although nothing is wrong any more");
}

/* ---- the storm ---- */

static void step(struct world *w)
{
    uint32_t dice = rng_below(&w->rng, 1000);
    if (!w->running) {
        start(w);
    } else if (dice < w->crash_per_mille) {
        crash(w);
    } else if (dice < 400) {
        if (auditor_ask_count(w->auditor) < REQUESTS_OUT_MAX)
            client_act(w);
    } else if (dice < 650) {
        turn(w, rng_below(&w->rng, 8));
    } else if (dice < 890) {
        process_ledger(&w->process);
    } else if (dice < 990) {
        w->now_ms += rng_chance(&w->rng, 50) ? rng_below(&w->rng, 600) : rng_below(&w->rng, 6);
    } else if (rng_chance(&w->rng, 300)) {
        settle(w);
        judge_stillness(w);
    }
}

/* A watcher who goes on asking hears of everything. */
static void judge_watcher(struct world *w)
{
    uint64_t upto;
    do {
        upto = w->watched_upto;
        client_watch(w);
        settle(w);
    } while (w->watched_upto != upto && !broken(w));
    for (lot_id lot = 1; lot <= auditor_lot_count(w->auditor); lot++)
        auditor_watched(w->auditor, lot, &w->watched[lot]);
}

/* All holds run out, each at its millisecond. */
static void drain(struct world *w)
{
    int64_t end_ms = w->now_ms + w->config.hold_total_max_ms + 1;
    fake_ledger_heal(w->ledger);
    if (!w->running)
        start(w);
    auditor_calm(w->auditor, w->now_ms);
    settle(w);
    while (w->now_ms < end_ms && !broken(w)) {
        int64_t next_ms = engine_next_deadline(w->process.engine);
        w->now_ms = next_ms > w->now_ms && next_ms < end_ms ? next_ms : end_ms;
        turn(w, 0);
        settle(w);
    }
    judge_stillness(w);
    judge_watcher(w);
    auditor_drained(w->auditor);
}

static void final_restart(struct world *w)
{
    crash(w);
    start(w);
    if (broken(w))
        return;
    client_look_at_all(w);
    settle(w);
    judge_stillness(w);
    judge_watcher(w);
}

/* ---- one seed ---- */

static uint32_t sometimes(struct world *w, uint32_t per_mille, uint32_t most)
{
    return rng_chance(&w->rng, per_mille) ? rng_between(&w->rng, 1, most) : 0;
}

static void choose_config(struct world *w)
{
    w->config = (struct engine_config){
        .node = 3,
        .hash_seed = SIM_HASH_SEED,
        .lots_max = SIM_LOTS_MAX,
        .holds_max = rng_chance(&w->rng, 200) ? 6 : 1000,
        .batch_moves_max = rng_chance(&w->rng, 300) ? rng_between(&w->rng, 1, 6) : 64,
        .waiting_max = rng_chance(&w->rng, 200) ? 8 : 256,
        .questions_max = rng_chance(&w->rng, 200) ? 2 : 32,
        .stale_tries_max = 3,
        .hold_default_ms = 300,
        .hold_max_ms = 5000,
        .hold_total_max_ms = 4000,
        .refund_window_ms = rng_chance(&w->rng, 300) ? 500 : 1000000,
        .order_retention_ms = 7 * (int64_t)DAY_MS,
        .order_memory_max = rng_chance(&w->rng, 400) ? 32 : 4096,
    };
    w->retry_per_mille = rng_between(&w->rng, 50, 500);
    w->crash_per_mille = sometimes(w, 600, 12);
    w->steps = rng_between(&w->rng, 200, 1200);
}

static void create_first_lots(struct world *w)
{
    for (uint32_t i = 0; i < w->lot_count; i++)
        client_create_lot(w, &w->lots[i]);
    if (rng_chance(&w->rng, 800))
        settle(w);
}

static void close_world(struct world *w)
{
    fake_ledger_crash(w->ledger);
    process_stop(&w->process);
    auditor_crashed(w->auditor, on_ask_freed, w);
    requests_lost(w);
    fake_ledger_destroy(w->ledger);
    auditor_destroy(w->auditor);
}

bool world_run(struct world *w, uint64_t seed, enum plant plant, bool verbose)
{
    *w = (struct world){.seed = seed, .verbose = verbose, .plant = plant, .rng = {seed}};
    w->now_ms = START_MS + rng_below(&w->rng, 1000000);
    if (rng_chance(&w->rng, 300)) /* midnight comes during the storm */
        w->now_ms = START_MS + DAY_MS - rng_below(&w->rng, 2000);
    choose_config(w);
    struct fake_ledger_faults faults = {.reject = sometimes(w, 400, 60),
                                        .unknown = sometimes(w, 400, 60),
                                        .stale = sometimes(w, 150, 80),
                                        .read_fails = sometimes(w, 300, 200),
                                        .slow = sometimes(w, 500, 700)};
    if (plant == PLANT_REJECT_HIDDEN || plant == PLANT_UNKNOWN_FAILED)
        faults.reject = faults.unknown = 40;
    struct audit_rules rules = {.refund_window_ms = w->config.refund_window_ms,
                                .hold_total_max_ms = w->config.hold_total_max_ms};
    w->auditor = auditor_create(&rules);
    w->ledger = fake_ledger_create(&w->rng, &faults, plant, on_durable, w);
    world_trace(w, "holds %u, batch %u, waiting %u, reads %u, index %u, steps %u",
                w->config.holds_max, w->config.batch_moves_max, w->config.waiting_max,
                w->config.questions_max, w->config.order_memory_max, w->steps);
    clients_init(w);
    start(w);
    create_first_lots(w);
    for (uint32_t i = 0; i < w->steps && !broken(w); i++)
        step(w);
    if (!broken(w))
        drain(w);
    if (!broken(w))
        final_restart(w);
    broken(w);
    close_world(w);
    return w->finding[0] == 0;
}
