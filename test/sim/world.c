/* The scheduler: at each step chance decides who goes on: a client, the process, the ledger, time,
 * or the crash. Then the storm ends, everything is answered, every hold runs out, and the books
 * must balance; a tour (tour.c) is served as it should be; at last the process starts once more and
 * must know the same. */
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

void world_fail(struct world *w, const char *text)
{
    if (!w->finding[0])
        snprintf(w->finding, sizeof w->finding, "%s", text);
}

bool world_broken(struct world *w)
{
    const char *finding = auditor_finding(w->auditor);
    if (finding)
        world_fail(w, finding);
    return w->finding[0] != 0;
}

/* ---- stillness ---- */

/* What the server counts is what there is. */
static void judge_gauges(struct world *w)
{
    struct engine_stats stats;
    w->count = (struct command){.kind = COMMAND_STATS, .stats.stats = &stats};
    process_send(&w->nodes[0].process, &w->count);
    node_turn(w, 0, PROCESS_QUEUE_MAX);
    const struct audit_gauges seen = {.lots = stats.lots,
                                      .holds_pending = stats.holds_pending,
                                      .units_on_hand = stats.units_on_hand,
                                      .units_reserved = stats.units_reserved,
                                      .units_confirmed = stats.units_confirmed};
    auditor_gauges(w->auditor, &seen);
}

static void judge_gate(struct world *w, struct process *p, lot_id lot)
{
    int64_t units = process_gate_units(p, lot, auditor_lot_key(w->auditor, lot), w->now_ms);
    if (units >= 0)
        auditor_quiet(w->auditor, lot, units);
    if (process_gate_open_units(p, lot))
        world_fail(w, "I2: nothing is under way, and the gate holds units for an order");
}

static void judge_stillness(struct world *w)
{
    if (!nodes_still(w))
        return;
    auditor_still(w->auditor);
    for (lot_id lot = 1; lot <= auditor_lot_count(w->auditor); lot++)
        judge_gate(w, &w->nodes[0].process, lot);
    if (w->class != WORLD_SHARED) /* there, nobody counts the whole */
        judge_gauges(w);
}

/* ---- a step ---- */

static void time_goes_on(struct world *w)
{
    w->now_ms += rng_chance(&w->rng, 50) ? rng_below(&w->rng, 600) : rng_below(&w->rng, 6);
}

/* One thing after another. */
static void step_serial(struct world *w)
{
    uint32_t dice = rng_below(&w->rng, 1000);
    if (dice < 700)
        client_act(w);
    else if (dice < 990)
        time_goes_on(w);
    else
        world_restart(w);
    world_settle(w);
    if (rng_chance(&w->rng, 50))
        judge_stillness(w);
}

static void step(struct world *w)
{
    uint32_t dice = rng_below(&w->rng, 1000);
    uint32_t node = rng_below(&w->rng, w->node_count);
    struct process *p = &w->nodes[node].process;
    if (w->class == WORLD_SERIAL) {
        step_serial(w);
    } else if (!w->nodes[node].running) {
        node_start(w, node);
    } else if (dice < w->crash_per_mille) {
        node_crash(w, node);
    } else if (dice < 400) {
        if (auditor_ask_count(w->auditor) < REQUESTS_OUT_MAX)
            client_act(w);
    } else if (dice < 650) {
        node_turn(w, node, rng_below(&w->rng, 8));
    } else if (dice < 850) {
        process_ledger(p);
    } else if (dice < 890) {
        process_gate(p);
    } else if (dice < 990) {
        time_goes_on(w);
    } else if (rng_chance(&w->rng, 300)) {
        world_settle(w);
        judge_stillness(w);
    }
}

/* A watcher who goes on asking hears of everything. */
static void judge_watcher(struct world *w)
{
    uint64_t upto;
    if (w->class == WORLD_SHARED)
        return;
    do {
        upto = w->watched_upto;
        client_watch(w);
        world_settle(w);
    } while (w->watched_upto != upto && !world_broken(w));
    for (lot_id lot = 1; lot <= auditor_lot_count(w->auditor); lot++)
        auditor_watched(w->auditor, lot, &w->watched[lot]);
}

/* The last fault was before this: everything is answered, and all holds run out, each at its
 * millisecond. */
static void calm_down(struct world *w)
{
    w->faults = (struct fake_ledger_faults){0};
    nodes_start(w);
    auditor_calm(w->auditor, w->now_ms);
    w->calm = true;
    world_settle(w);
    auditor_strict(w->auditor, true);
    world_wait(w, w->now_ms + w->config.hold_total_max_ms + 1);
    auditor_drained(w->auditor);
}

static void judge_all(struct world *w)
{
    judge_stillness(w);
    judge_watcher(w);
    if (!world_broken(w))
        tour_buy_all(w);
    judge_stillness(w);
}

static void end(struct world *w)
{
    calm_down(w);
    judge_all(w);
    if (!world_broken(w))
        tour(w);
    judge_all(w);
    world_restart(w);
    if (world_broken(w))
        return;
    client_look_at_all(w);
    world_settle(w);
    judge_all(w);
    if (!world_broken(w))
        tour_of_retries(w);
    judge_all(w);
    auditor_ends(w->auditor);
}

/* ---- one seed ---- */

static uint32_t sometimes(struct world *w, uint32_t per_mille, uint32_t most)
{
    return rng_chance(&w->rng, per_mille) ? rng_between(&w->rng, 1, most) : 0;
}

static bool counts_holds(enum plant plant)
{
    return plant == PLANT_HOLDS_OVER || plant == PLANT_USER_UNLOCKED;
}

static void choose_config(struct world *w)
{
    bool shared = w->class == WORLD_SHARED;
    bool storm = w->class == WORLD_STORM || shared;
    w->config = (struct engine_config){
        .node = 3,
        .hash_seed = SIM_HASH_SEED,
        .lots_max = SIM_LOTS_MAX,
        .shared = shared,
        .user_holds_max = rng_chance(&w->rng, 250) || counts_holds(w->plant)
                              ? rng_between(&w->rng, 3, w->plant == PLANT_USER_UNLOCKED ? 3 : 8)
                              : 0,
        .holds_max = rng_chance(&w->rng, 200) && !shared ? 6 : 1000,
        .batches_max = shared ? 1 : rng_between(&w->rng, 1, LEDGER_BATCHES_MAX),
        .batch_moves_max = rng_chance(&w->rng, 300) ? rng_between(&w->rng, 1, 6) : 64,
        .waiting_max = storm && rng_chance(&w->rng, 200) ? 8 : 256,
        .questions_max = storm && rng_chance(&w->rng, 200) ? 2 : 64,
        .stale_tries_max = 3,
        .hold_default_ms = 300,
        .hold_max_ms = 5000,
        .hold_total_max_ms = 4000,
        .refund_window_ms = rng_chance(&w->rng, 300) ? 500 : 1000000,
        .order_retention_ms = 7 * (int64_t)DAY_MS,
        .order_memory_max = 4096,
    };
    if (w->class != WORLD_CALM && rng_chance(&w->rng, 400))
        w->config.order_memory_max = storm && rng_chance(&w->rng, 500) ? 4 : 32;
    w->adjusts_often = rng_chance(&w->rng, 250);
    w->trusting = rng_chance(&w->rng, 600);
    w->gate =
        shared || (rng_chance(&w->rng, 400) && !w->plant) ? PROCESS_GATE_LATE : PROCESS_GATE_LOCAL;
    w->retry_per_mille = rng_between(&w->rng, 50, 500);
    w->after_per_mille = rng_between(&w->rng, 50, 350);
    w->sale_per_mille = rng_chance(&w->rng, 200) ? 0 : rng_between(&w->rng, 50, 400);
    w->lots_per_mille = rng_chance(&w->rng, 200) ? 0 : rng_between(&w->rng, 20, 150);
    w->crash_per_mille = storm ? sometimes(w, 600, 12) : 0;
    w->steps = rng_between(&w->rng, 200, storm ? 1200 : 600);
}

static struct fake_ledger_faults choose_faults(struct world *w)
{
    struct fake_ledger_faults faults = {.slow = sometimes(w, 500, 700)};
    if (w->class != WORLD_STORM && w->class != WORLD_SHARED)
        return faults;
    faults.reject = sometimes(w, 600, 100);
    faults.unknown = sometimes(w, 500, 80);
    faults.writable = sometimes(w, 500, 1000);
    faults.read_fails = sometimes(w, 300, 200);
    faults.store_slow = sometimes(w, 500, 990); /* never is not slow: settling would not end */
    if (w->plant == PLANT_REJECT_HIDDEN || w->plant == PLANT_UNKNOWN_FAILED)
        faults.reject = faults.unknown = 40;
    return faults;
}

static bool stormy(const struct world *w)
{
    return w->class == WORLD_STORM || w->class == WORLD_SHARED;
}

static void create_first_lots(struct world *w)
{
    for (uint32_t i = 0; i < w->lot_count; i++)
        client_create_lot(w, &w->lots[i]);
    for (uint32_t i = 0; i < w->sale_count; i++)
        client_create_sale(w, &w->sales[i]);
    if (w->class == WORLD_SERIAL || rng_chance(&w->rng, 800))
        world_settle(w);
}

static void close_world(struct world *w)
{
    for (uint32_t node = 0; node < w->node_count; node++)
        node_close(w, node);
    fake_disk_close(&w->disk);
    auditor_destroy(w->auditor);
}

bool world_run(struct world *w, uint64_t seed, enum plant plant, bool verbose)
{
    *w = (struct world){.seed = seed, .verbose = verbose, .plant = plant, .rng = {seed}};
    w->now_ms = START_MS + rng_below(&w->rng, 1000000);
    if (rng_chance(&w->rng, 300)) /* midnight comes during the storm */
        w->now_ms = START_MS + DAY_MS - rng_below(&w->rng, 2000);
    static const enum world_class classes[] = {WORLD_STORM, WORLD_SERIAL, WORLD_STORM, WORLD_CALM,
                                               WORLD_SHARED};
    w->class = plant < PLANT_SHARED_FIRST ? classes[seed % 5] : WORLD_SHARED;
    w->node_count = w->class == WORLD_SHARED ? SIM_NODES_MAX : 1;
    choose_config(w);
    clients_init(w);
    client_init_lots(w);
    client_init_sales(w);
    w->config.lots_max = w->lot_count + TOUR_LOTS;
    w->faults = choose_faults(w);
    struct audit_rules rules = {.refund_window_ms = w->config.refund_window_ms,
                                .hold_total_max_ms = w->config.hold_total_max_ms,
                                .hold_default_ms = w->config.hold_default_ms,
                                .hold_max_ms = w->config.hold_max_ms,
                                .retention_ms = w->config.order_retention_ms,
                                .holds_max = w->config.holds_max,
                                .user_holds_max = (uint32_t)w->config.user_holds_max,
                                .lots_max = w->config.lots_max,
                                .batches_max = w->config.batches_max,
                                .gate_late = w->gate == PROCESS_GATE_LATE,
                                .shared = w->class == WORLD_SHARED,
                                .trusting = w->class == WORLD_SHARED && w->trusting,
                                .tight = stormy(w),
                                .faults = stormy(w)};
    w->auditor = auditor_create(&rules);
    auditor_strict(w->auditor, !stormy(w));
    world_trace(w, "holds %u, batch %u, waiting %u, reads %u, index %u, steps %u",
                w->config.holds_max, w->config.batch_moves_max, w->config.waiting_max,
                w->config.questions_max, w->config.order_memory_max, w->steps);
    nodes_start(w);
    create_first_lots(w);
    for (uint32_t i = 0; i < w->steps && !world_broken(w); i++)
        step(w);
    if (!world_broken(w))
        end(w);
    world_broken(w);
    for (int i = 0; i < AUDIT_OUTCOME_COUNT; i++)
        w->outcomes[i] = auditor_outcomes(w->auditor, (enum audit_outcome)i);
    close_world(w);
    return w->finding[0] == 0;
}
