/* world.h - one simulation: clients, one process after another, a ledger, an auditor, and a
 * scheduler that lets chance choose what happens next. Time is a number. */
#ifndef TALLY_SIM_WORLD_H
#define TALLY_SIM_WORLD_H

#include "auditor.h"
#include "base/limits.h"
#include "fake_shared.h"
#include "process.h"

enum {
    SIM_ORDERS_MAX = 1280,
    SIM_LOTS_MAX = 24,
    SIM_WANTS_MAX = 4,
    SIM_BATCH_MAX = 4,
    SIM_ALL_MAX = 4,   /* orders that are confirmed at once */
    SIM_ALLS_MAX = 64, /* such lists */
    SIM_SALES_MAX = 4,
    SIM_GROUPS_MAX = 256,
    SIM_CALLS_MAX = 2, /* of a kind and an order, with an id */
    SIM_PARTS_MAX = 3,
    SIM_ID_MAX = 24,
    SIM_ADJUSTMENTS_MAX = 512,
    SIM_NODES_MAX = 2,
    TOUR_LOTS = 4, /* that the tour creates: there is room for no more */
};

/* What a seed's world is like. */
enum world_class {
    WORLD_SERIAL, /* one request after another, nothing fails: every answer is the one right one */
    WORLD_CALM,   /* many at once, nothing fails: every answer is right at some instant */
    WORLD_STORM,  /* everything that may fail does */
    WORLD_SHARED, /* a storm over two processes that share one disk */
    WORLD_CLASSES
};

/* A lot that clients know of, whether it was created yet or not. */
struct sim_lot {
    char key[SIM_ID_MAX];
    char batch[SIM_ID_MAX];
    struct lot_dims dims;
    int64_t quantity;
    uint8_t sets; /* bits of enum audit_sets: what it is created with */
    struct lot_terms terms;
};

enum sim_call_kind { SIM_SHIP, SIM_RETURN, SIM_CHANGE, SIM_CALL_KINDS };

/* A stock file. */
struct sim_set_row {
    const struct sim_lot *lot;
    int64_t quantity;
    int32_t expires_on;
    bool counts, dated; /* the two above are given */
};

struct sim_set {
    struct sim_set_row rows[AUDIT_SET_MAX];
    uint32_t count;
    enum audit_mode mode;
    bool existing_only;
};

/* What is asked for under a shipment_id, return_id or change_id. */
struct sim_call {
    char id[4]; /* empty: it was not made yet */
    bool done;  /* somebody was told so */
    bool no_restock;
    uint8_t reason;
    uint8_t part_count; /* 0: all */
    struct {
        uint8_t lot; /* its place in world.lots */
        uint8_t quantity;
    } parts[SIM_PARTS_MAX];
};

/* Orders that are to be confirmed together. */
struct sim_all {
    char payment_id[SIM_ID_MAX];
    int64_t ids[SIM_ALL_MAX];
    uint32_t count;
};

/* A sale that clients know of, whether it was made yet or not. */
struct sim_sale {
    char sale_id[SIM_ID_MAX];
    struct audit_sale_terms terms;
};

/* What a customer wants to buy, under one order_id. */
struct sim_order {
    char order_id[SIM_ID_MAX];
    char user_id[SIM_ID_MAX];
    bool server_made; /* the id is the server's: it cannot have been used before */
    uint32_t want_count;
    struct want wants[SIM_WANTS_MAX];
    int64_t hold_ms;
    int64_t reservation_id;      /* as heard; 0: not yet */
    const struct sim_sale *sale; /* or NULL */
    int64_t group_id;            /* that it joins; 0: none */
    bool opens;                  /* a group */
    struct sim_call calls[SIM_CALL_KINDS][SIM_CALLS_MAX];
};

/* What a customer remembers of an answer. */
struct sim_answer {
    int code;
    bool replayed;
    int64_t reservation_id;
    lot_id next; /* of a list */
};

struct world {
    uint64_t seed;
    bool verbose;
    enum world_class class;
    enum plant plant;
    struct rng rng;
    int64_t now_ms;
    struct engine_config config;
    enum process_gate gate;
    struct fake_disk disk;
    struct fake_ledger_faults faults;
    struct {
        struct process process;
        bool running;
    } nodes[SIM_NODES_MAX];
    uint32_t node_count;
    struct fake_locks locks; /* shared: on the disk */
    bool trusting;           /* shared: first tries go by what a node knew last */
    bool calm;               /* nothing fails any more */
    struct auditor *auditor;
    struct sim_lot lots[SIM_LOTS_MAX];
    uint32_t lot_count;
    uint32_t sku_count;
    struct sim_order orders[SIM_ORDERS_MAX];
    uint32_t order_count;
    struct sim_sale sales[SIM_SALES_MAX];
    uint32_t sale_count;
    int64_t groups[SIM_GROUPS_MAX]; /* as heard */
    uint32_t group_count;
    struct sim_all alls[SIM_ALLS_MAX];
    uint32_t all_count;
    struct request *requests;                          /* not answered */
    uint32_t request_count;                            /* ever */
    char adjustments[SIM_ADJUSTMENTS_MAX][SIM_ID_MAX]; /* ids */
    uint32_t adjustment_count;
    struct sim_answer last; /* the newest answer that came */
    uint64_t watched_upto;  /* the watcher's place in the changes */
    bool watching;          /* it has asked and waits */
    struct command count;   /* asks the server for its gauges */
    struct stock watched[SIM_LOTS_MAX + 1];
    uint32_t retry_per_mille;
    uint32_t sale_per_mille;  /* requests about sales */
    uint32_t lots_per_mille;  /* requests about what lots are sold on */
    uint32_t after_per_mille; /* requests about what comes after buying */
    uint32_t crash_per_mille;
    bool adjusts_often;
    uint32_t steps;
    uint32_t crashes;
    uint32_t answered, refused_by_gate;
    uint32_t outcomes[AUDIT_OUTCOME_COUNT];
    char finding[AUDIT_TEXT_MAX];
};

/* Runs one seed to its end. True if every promise was kept; else world->finding says what broke. */
bool world_run(struct world *w, uint64_t seed, enum plant plant, bool verbose);

void world_trace(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- processes (nodes.c) ---- */
void node_start(struct world *w, uint32_t node);
/* Its end, at any moment; what was under way, nobody hears of. */
void node_crash(struct world *w, uint32_t node);
void node_close(struct world *w, uint32_t node); /* the same, unnoticed */
/* It takes at most so many commands. */
void node_turn(struct world *w, uint32_t node, size_t commands);
void nodes_start(struct world *w); /* those that do not run */
/* Nothing is under way anywhere. */
bool nodes_still(struct world *w);
/* Answers everything that is under way, with time standing still. */
void world_settle(struct world *w);
bool world_broken(struct world *w);
void world_fail(struct world *w, const char *text);
/* Lets time go on until then; what is due is given back on the way, each at its millisecond. */
void world_wait(struct world *w, int64_t until_ms);
/* A process ends, at any moment, and starts again. */
void world_restart(struct world *w);

/* ---- clients (client.c) ---- */
void clients_init(struct world *w);
void client_create_lot(struct world *w, const struct sim_lot *lot);
void client_look_at_all(struct world *w);
void client_watch(struct world *w); /* what has changed since the last time */
void client_act(struct world *w);   /* one request of some kind */

struct sim_lot *client_any_lot(struct world *w);
struct sim_order *client_any_order(struct world *w); /* that was not sent yet */
int64_t client_any_reservation(struct world *w);
/* ---- sales and groups (client_sales.c) ---- */
void client_init_sales(struct world *w);
void client_act_sales(struct world *w);
void client_create_sale(struct world *w, const struct sim_sale *s);
void client_close_sale(struct world *w, const struct sim_sale *s);
void client_group(struct world *w, enum command_kind command, int64_t group_id);
/* Of an order that opens a group. */
void client_open_group(struct world *w, struct sim_order *o, bool retry, bool changed);
/* ---- what lots are sold on (client_lots.c) ---- */
void client_init_lots(struct world *w);
void client_act_lots(struct world *w);
/* `sets`: bits of enum audit_sets, which of the terms are given. */
void client_update_lot(struct world *w, const struct sim_lot *lot, uint8_t sets,
                       const struct lot_terms *terms);
void client_set_stock(struct world *w, const struct sim_set *set);
/* ---- after buying (client_after.c) ---- */
void client_act_after(struct world *w);
/* A call's parts, its id, and whether under its id other parts are asked for. */
struct sim_call *client_call(struct sim_order *o, enum sim_call_kind kind, const char *id);
void client_make_call(struct world *w, struct sim_order *o, enum sim_call_kind kind,
                      struct sim_call *call, bool changed);
void client_reclaim(struct world *w, struct sim_order *o);
void client_fence(struct world *w, struct sim_order *o);
struct sim_all *client_new_all(struct world *w);
void client_confirm_all(struct world *w, const struct sim_all *all);

/* ---- single requests, for clients who know what they want (client.c) ---- */
struct sim_order *client_new_order(struct world *w);
void client_reserve(struct world *w, struct sim_order *o, bool retry, bool changed);
void client_confirm(struct world *w, int64_t reservation_id, const struct sim_lot *part,
                    int64_t quantity);
void client_refund(struct world *w, int64_t reservation_id, enum refund_reason reason);
void client_extend(struct world *w, int64_t reservation_id, int64_t hold_ms);
const char *client_new_adjustment(struct world *w);
void client_adjust(struct world *w, const struct sim_lot *lot, int64_t delta, const char *id);
void client_look_up(struct world *w, const struct sim_order *o, int64_t reservation_id);
void client_get_lot(struct world *w, const struct sim_lot *lot);
void client_list(struct world *w, const struct lot_dims *filter, lot_id after, uint32_t page_size);

/* ---- the tour (tour.c and its parts) ---- */
/* In a world where nothing fails any more: every kind of request is served as it should be, and
 * whatever is free can be bought. */
void tour(struct world *w);
void tour_sales(struct world *w, const struct sim_lot *lot);
void tour_after(struct world *w, const struct sim_lot *lot, const struct sim_lot *other);
void tour_of_lots(struct world *w, const struct sim_lot *few, const struct sim_lot *many);
void tour_buy_all(struct world *w);
/* Days go by: what was ordered within the retention window is remembered. */
void tour_of_retries(struct world *w);

/* ---- answers (answer.c) ---- */
void request_answered(struct world *w, struct command *c);
void requests_lost(struct world *w, uint32_t node); /* the process is gone */

#endif
