/* world.h - one simulation: clients, one process after another, a ledger, an auditor, and a
 * scheduler that lets chance choose what happens next. Time is a number. */
#ifndef TALLY_SIM_WORLD_H
#define TALLY_SIM_WORLD_H

#include "auditor.h"
#include "base/limits.h"
#include "process.h"

enum {
    SIM_ORDERS_MAX = 1024,
    SIM_LOTS_MAX = 24,
    SIM_WANTS_MAX = 4,
    SIM_BATCH_MAX = 4,
    SIM_ID_MAX = 24,
};

/* A lot that clients know of, whether it was created yet or not. */
struct sim_lot {
    char key[SIM_ID_MAX];
    char batch[SIM_ID_MAX];
    struct lot_dims dims;
    int64_t quantity;
};

/* What a customer wants to buy, under one order_id. */
struct sim_order {
    char order_id[SIM_ID_MAX];
    char user_id[SIM_ID_MAX];
    bool server_made; /* the id is the server's: it cannot have been used before */
    uint32_t want_count;
    struct want wants[SIM_WANTS_MAX];
    int64_t hold_ms;
    int64_t reservation_id; /* as heard; 0: not yet */
};

struct world {
    uint64_t seed;
    bool verbose;
    enum plant plant;
    struct rng rng;
    int64_t now_ms;
    struct engine_config config;
    struct fake_ledger *ledger;
    struct process process;
    bool running; /* the process is */
    struct auditor *auditor;
    struct sim_lot lots[SIM_LOTS_MAX];
    uint32_t lot_count;
    uint32_t sku_count;
    struct sim_order orders[SIM_ORDERS_MAX];
    uint32_t order_count;
    struct request *requests; /* not answered */
    uint32_t request_count;   /* ever */
    uint32_t adjustment_count;
    uint64_t watched_upto; /* the watcher's place in the changes */
    bool watching;         /* it has asked and waits */
    struct stock watched[SIM_LOTS_MAX + 1];
    uint32_t retry_per_mille;
    uint32_t crash_per_mille;
    uint32_t steps;
    uint32_t crashes;
    uint32_t answered, refused_by_gate;
    char finding[AUDIT_TEXT_MAX];
};

/* Runs one seed to its end. True if every promise was kept; else world->finding says what broke. */
bool world_run(struct world *w, uint64_t seed, enum plant plant, bool verbose);

void world_trace(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- clients (client.c) ---- */
void clients_init(struct world *w);
void client_create_lot(struct world *w, const struct sim_lot *lot);
void client_look_at_all(struct world *w);
void client_watch(struct world *w); /* what has changed since the last time */
void client_act(struct world *w);   /* one request of some kind */

/* ---- answers (answer.c) ---- */
void request_answered(struct world *w, struct command *c);
void requests_lost(struct world *w); /* the process is gone */

#endif
