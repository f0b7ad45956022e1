/* request.h - one request of a client: the command, what the auditor knows of it, and room for
 * both.
 *
 * It lives until the command has come back and the auditor has let go of its asks. */
#ifndef TALLY_SIM_REQUEST_H
#define TALLY_SIM_REQUEST_H

#include "world.h"

struct request {
    struct command command;
    struct request *next;
    uint32_t node; /* that it goes to */
    bool command_out;
    uint32_t asks_out;
    uint32_t ask_count; /* one; of a batch, one an order */
    struct audit_ask asks[SIM_BATCH_MAX];
    struct reserve_command orders[SIM_BATCH_MAX];
    struct sim_order *of[SIM_BATCH_MAX]; /* the customer's order; NULL for other requests */
    struct want wants[SIM_BATCH_MAX][SIM_WANTS_MAX];
    struct gate_ask gate_asks[SIM_BATCH_MAX];
    struct gate_line gate_lines[SIM_BATCH_MAX][SIM_WANTS_MAX];
    uint32_t gate_waits; /* for so many of them */
    bool with_gate;      /* all of them asked: it goes on when the last is answered */
    struct line lines[SIM_BATCH_MAX][ORDER_LINES_MAX];
    struct line_after after[ORDER_LINES_MAX]; /* of a move */
    struct order_extra extra[SIM_BATCH_MAX];  /* of orders in a sale */
    struct sale_command sale;
    struct sale_copy *copy; /* freed with it */
    struct sale_item items[AUDIT_ITEMS_MAX];
    struct set_item set_items[AUDIT_SET_MAX];
    struct sim_call *call;                           /* that it makes; or NULL */
    struct reservation_record *records[SIM_ALL_MAX]; /* the engine's */
    struct lot_view views[SIM_LOTS_MAX + 8];
    struct engine_stats stats;
    char text[256];
};

/* ---- client.c ---- */
struct request *client_request(struct world *w, enum command_kind command, enum audit_kind kind);
/* About one reservation. */
struct request *client_move(struct world *w, enum command_kind command, enum audit_kind kind,
                            int64_t reservation_id);
/* It names so many units of a lot, and no others but those of further calls. */
void client_want_part(struct request *q, const struct sim_lot *lot, int64_t quantity);
void client_send(struct world *w, struct request *q);
/* A lot that is to be created with what it is sold on (client_lots.c). */
void client_put_terms(struct request *q, const struct sim_lot *lot);
/* Fills the i-th order of the request. A changed one has the order_id but not the content. */
void client_put_order(struct world *w, struct request *q, uint32_t i, struct sim_order *o,
                      bool changed, bool retry);

/* An ask of one of its orders is answered. */
void request_admitted(struct world *w, struct gate_ask *ask);
void request_refused_by_gate(struct world *w, struct request *q);
void request_free_if_done(struct request *q);

#endif
