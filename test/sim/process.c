/* The turn and recovery are the server's own (src/lane). What is the simulation's is when a turn
 * is taken, how many commands it finds, and what time it is. */
#include "process.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gate/gate_local.h"
#include "late_gate.h"
#include "planted_gate.h"
#include "planted_rows.h"

/* ---- the gate ---- */

static void on_gate_answered(void *context, struct gate_ask *first)
{
    struct process *p = context;
    while (first && !p->stopping) {
        struct gate_ask *next = first->next;
        if (first->context)
            p->config.admitted(p->config.context, first);
        first = next;
    }
}

void process_ask(struct process *p, struct gate_ask *ask, int64_t now_ms)
{
    ask->order_new = ask->order_new || p->config.plant == PLANT_STOCK_FIRST;
    gate_ask(p->session, ask);
    gate_flush(p->session, now_ms);
}

static bool late(const struct process *p)
{
    return p->config.gate == PROCESS_GATE_LATE;
}

void process_gate(struct process *p)
{
    if (late(p))
        late_gate_deliver(p->session, 1);
}

void process_settle(struct process *p, uint64_t order_hash)
{
    struct gate *g = p->lane.gate;
    const struct gate_settlement end = {.order_hash = order_hash, .outcome = GATE_ACCEPTED};
    if (late(p) && g)
        g->ops->committed(g, &end, 1, NULL, 0);
}

/* An ask without a context is nobody's. */
int64_t process_gate_units(struct process *p, lot_id lot, struct str key, int64_t now_ms)
{
    struct gate_line line = {.lot = key, .quantity = QUANTITY_MAX};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true};
    process_ask(p, &ask, now_ms);
    process_gate(p);
    return ask.verdict == GATE_SOLD_OUT && line.lot_id == lot ? line.available : -1;
}

int64_t process_gate_open_units(struct process *p, lot_id lot)
{
    return late(p) ? late_gate_open_units(p->lane.gate, lot) : 0;
}

/* Planted: whatever is to come counts as come. */
static void untell(struct command *first)
{
    for (struct command *c = first; c; c = c->link)
        for (uint16_t i = 0; c->kind >= COMMAND_CONFIRM && c->kind <= COMMAND_CHANGE &&
                             c->code == 0 && c->move.after && i < c->move.line_count;
             i++)
            c->move.after[i].backordered = 0;
}

/* Planted: what the engine was told wrongly is shown as it should be. */
static void show_right(enum plant plant, struct command *c)
{
    struct lot_view *views = NULL;
    uint32_t count = 1;
    if (c->kind == COMMAND_CREATE_LOT)
        views = &c->create.lot;
    else if (c->kind == COMMAND_UPDATE_LOT)
        views = &c->update_lot.lot;
    else if (c->kind == COMMAND_GET_LOT)
        views = &c->get_lot.lot;
    else if (c->kind == COMMAND_ADJUST)
        views = &c->adjust.lot;
    else if (c->kind == COMMAND_LIST_LOTS)
        views = c->list.lots, count = c->list.count;
    else if (c->kind == COMMAND_LOT_CHANGES)
        views = c->changes.lots, count = c->changes.count;
    for (uint32_t i = 0; views && c->code != TLY_EOVERLOADED && i < count; i++)
        planted_terms(plant, &views[i].terms, -1);
}

/* ---- life ---- */

/* Planted: a payment is a payment. */
static void say_yes(struct command *first)
{
    for (struct command *c = first; c; c = c->link)
        if (c->kind == COMMAND_CONFIRM && c->move.reclaim && c->code == TLY_ESOLD_OUT) {
            c->code = 0;
            c->move.state = HOLD_CONFIRMED;
            c->move.state_reason = REASON_NONE;
        }
}

static void on_answered(void *context, struct command *first)
{
    struct process *p = context;
    if (p->config.plant == PLANT_RECLAIM_GONE)
        say_yes(first);
    for (struct command *c = first; c; c = c->link)
        show_right(p->config.plant, c);
    if (p->config.plant == PLANT_OWED_UNTOLD)
        untell(first);
    if (p->last_reply)
        p->last_reply->link = first;
    else
        p->replies = first;
    for (p->last_reply = first; p->last_reply->link;)
        p->last_reply = p->last_reply->link;
}

static int start_lane(struct process *p, int64_t now_ms, struct error *e)
{
    struct lane_recovery recovery = {.hash_seed = SIM_HASH_SEED};
    struct ledger_events events;
    int rc = lane_recover(&p->lane, &recovery, e);
    if (rc)
        return rc;
    p->now_ms = now_ms > recovery.newest_ms ? now_ms : recovery.newest_ms;
    lane_open(&p->lane, p->now_ms);
    lane_events(&p->lane, &events);
    return p->lane.ledger->ops->start(p->lane.ledger, &events, e);
}

static int start_gate(struct process *p, struct error *e)
{
    const struct process_config *c = &p->config;
    const struct gate_worker worker = {.context = p, .answered = on_gate_answered};
    struct gate **gate = &p->lane.gate;
    int rc = 0;
    if (late(p)) {
        *gate = late_gate_create(rng_next(c->rng));
        late_gate_away(*gate, c->gate_away);
        late_gate_flaky(*gate, rng_chance(c->rng, 300) ? 100 : 0);
    } else {
        const struct gate_local_config local = {.hash_seed = SIM_HASH_SEED,
                                                .lots_max = c->engine->lots_max,
                                                .order_filter_bytes = 1 << 12};
        rc = gate_local_create(gate, &local, e);
        if (rc == 0 && c->plant == PLANT_LOST_GIVE_BACK)
            *gate = planted_gate_create(*gate, c->rng);
    }
    return rc ? rc : (*gate)->ops->attach(*gate, &worker, &p->session, e);
}

int process_start(struct process *p, const struct process_config *config, int64_t now_ms,
                  struct error *e)
{
    *p = (struct process){.config = *config, .now_ms = now_ms};
    p->lane.ledger = config->ledger;
    p->lane.host = (struct lane_host){.context = p, .answered = on_answered};
    int rc = engine_create(&p->lane.engine, config->engine, e);
    if (rc == 0)
        rc = start_gate(p, e);
    return rc ? rc : start_lane(p, now_ms, e);
}

/* What the ledger handed over and no turn took. */
static void drop_mail(struct lane *l)
{
    for (struct mail *mail = mailbox_take(&l->questions); mail; mail = mail->next)
        free(MAIL_OF(mail, struct question)->record);
    for (struct mail *mail = mailbox_take(&l->segments); mail; mail = mail->next)
        order_run_free(MAIL_OF(mail, struct order_segment)->stored);
}

void process_stop(struct process *p)
{
    p->stopping = true;
    if (p->lane.ledger)
        p->lane.ledger->ops->destroy(p->lane.ledger);
    drop_mail(&p->lane);
    engine_destroy(p->lane.engine);
    lane_close(&p->lane);
    gate_detach(p->session);
    gate_destroy(p->lane.gate);
    p->lane.ledger = NULL;
    p->lane.engine = NULL;
    p->lane.gate = NULL;
    p->session = NULL;
}

/* Planted: a change that gives back first, as if it were a refund and an order. */
static void give_back_first(struct process *p, const struct command *c)
{
    if (c->kind != COMMAND_CHANGE || p->planted_out || !c->move.reservation_id)
        return;
    p->planted = (struct command){.kind = COMMAND_REFUND,
                                  .move = {.reservation_id = c->move.reservation_id,
                                           .lines = p->planted_lines,
                                           .line_max = ORDER_LINES_MAX}};
    p->planted_out = true;
    p->queue[p->queue_count++] = &p->planted;
}

static bool counts_wrongly(const struct process *p)
{
    return p->config.plant == PLANT_LIMIT_KEPT || p->config.plant == PLANT_LIMIT_TWICE;
}

void process_send(struct process *p, struct command *c)
{
    if (p->config.plant == PLANT_CHANGE_LOSES)
        give_back_first(p, c);
    if (c->kind == COMMAND_CREATE_LOT)
        planted_terms(p->config.plant, &c->create.terms, +1);
    if (c->kind == COMMAND_UPDATE_LOT)
        planted_terms(p->config.plant, &c->update_lot.terms, +1);
    if (c->kind == COMMAND_UPDATE_LOT && p->config.plant == PLANT_EXPIRY_KEPT)
        c->update_lot.sets_expires_on = false;
    if (c->kind == COMMAND_SET_STOCK && p->config.plant == PLANT_SET_MODE &&
        c->set.mode == SET_ON_HAND)
        c->set.mode = SET_AVAILABLE;
    if (c->kind == COMMAND_CREATE_SALE)
        planted_sale(p->config.plant, &c->sale->terms, +1);
    if (counts_wrongly(p) && planted_refuses(&p->limits, c)) {
        c->link = p->refused;
        p->refused = c;
        return;
    }
    assert(p->queue_count < PROCESS_QUEUE_MAX);
    p->queue[p->queue_count++] = c;
}

void process_ledger(struct process *p)
{
    fake_ledger_progress(p->lane.ledger);
}

/* ---- one turn ---- */

static void send_commands(struct process *p, size_t most)
{
    size_t count = p->queue_count < most ? p->queue_count : most;
    struct mail_chain chain = {0};
    for (size_t i = 0; i < count; i++)
        mail_chain_add(&chain, &p->queue[i]->mail);
    if (count)
        lane_send(&p->lane, &chain, (uint32_t)count);
    p->queue_count -= count;
    memmove(p->queue, p->queue + count, p->queue_count * sizeof p->queue[0]);
}

static void take_turn(struct process *p, int64_t now_ms)
{
    int64_t due_ms = engine_next_deadline(p->lane.engine);
    if (p->config.plant == PLANT_NO_EXPIRY && due_ms <= now_ms && rng_chance(p->config.rng, 900))
        now_ms = due_ms - 1;
    lane_turn(&p->lane, now_ms, (uint64_t)now_ms * 1000000);
}

void process_turn(struct process *p, int64_t now_ms, size_t commands, struct process_turn *out)
{
    p->replies = p->last_reply = NULL;
    if (p->config.plant == PLANT_LATE_EXPIRY) {
        send_commands(p, commands);
        take_turn(p, p->now_ms);
    }
    send_commands(p, p->config.plant == PLANT_LATE_EXPIRY ? 0 : commands);
    take_turn(p, now_ms);
    p->now_ms = now_ms;
    for (const struct command *c = p->replies; c && counts_wrongly(p); c = c->link)
        planted_counts(&p->limits, p->config.plant, c);
    if (p->refused)
        on_answered(p, p->refused);
    p->refused = NULL;
    *out = (struct process_turn){.replies = p->replies, .heard = fake_ledger_heard(p->lane.ledger)};
}

bool process_idle(const struct process *p)
{
    if (late(p) && late_gate_waiting(p->session))
        return false;
    return p->queue_count == 0 && !p->refused && fake_ledger_idle(p->lane.ledger);
}
