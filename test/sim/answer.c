/* Answers on their way to the auditor: what a client can see of a command that came back. */
#include <stdlib.h>

#include "base/error.h"
#include "request.h"

void request_free_if_done(struct request *q)
{
    if (!q->command_out && q->asks_out == 0) {
        free(q->copy);
        free(q);
    }
}

static void unlink_request(struct world *w, const struct request *q)
{
    struct request **at = &w->requests;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
}

static void tell_auditor(struct world *w, struct request *q, uint32_t i,
                         const struct audit_answer *answer)
{
    w->last = (struct sim_answer){.code = answer->code,
                                  .replayed = answer->replayed,
                                  .reservation_id = answer->reservation_id,
                                  .next = answer->next};
    world_trace(w, "#%u %s%s%s", q->asks[i].number, answer->code ? error_name(answer->code) : "ok",
                answer->replayed ? ", replayed" : "", q->ask_count > 1 ? " (of a batch)" : "");
    if (!auditor_answered(w->auditor, &q->asks[i], answer, w->now_ms))
        q->asks_out--;
}

static void order_answered(struct world *w, struct request *q, uint32_t i,
                           const struct reserve_command *r, int code)
{
    struct audit_answer answer = {.code = code,
                                  .replayed = r->replayed,
                                  .reservation_id = r->reservation_id,
                                  .at_ms = r->at_ms,
                                  .expires_ms = r->expires_ms,
                                  .state = r->state,
                                  .reason = r->reason,
                                  .available = r->available,
                                  .from_share = r->trouble == ORDER_SALE_SHARE,
                                  .from_lot = r->trouble == ORDER_USER_LOT,
                                  .lines = r->lines,
                                  .line_count = r->line_count};
    if (code == 0)
        q->of[i]->reservation_id = r->reservation_id;
    tell_auditor(w, q, i, &answer);
}

static void move_answered(struct world *w, struct request *q)
{
    const struct command *c = &q->command;
    struct audit_answer answer = {.code = c->code,
                                  .replayed = c->move.replayed,
                                  .reservation_id = c->move.reservation_id,
                                  .expires_ms = c->move.expires_ms,
                                  .state = c->move.state,
                                  .reason = c->move.state_reason,
                                  .lines = c->move.lines,
                                  .line_count = c->move.line_count,
                                  .after = c->move.after};
    if (c->code == 0 && q->call)
        q->call->done = true;
    tell_auditor(w, q, 0, &answer);
}

static void lots_answered(struct world *w, struct request *q, const struct lot_view *views,
                          uint32_t count)
{
    struct audit_lot_view seen[SIM_LOTS_MAX + 8];
    for (uint32_t i = 0; i < count; i++)
        seen[i] = (struct audit_lot_view){.id = views[i].id,
                                          .key = views[i].dims->key,
                                          .terms = views[i].terms,
                                          .stock = views[i].stock};
    struct audit_answer answer = {
        .code = q->command.code,
        .lots = seen,
        .lot_count = count,
        .next = q->command.kind == COMMAND_LIST_LOTS ? q->command.list.next : 0};
    tell_auditor(w, q, 0, &answer);
}

static void changes_answered(struct world *w, struct request *q)
{
    const struct command *c = &q->command;
    w->watching = false;
    if (c->code == 0) {
        for (uint32_t i = 0; i < c->changes.count; i++)
            w->watched[c->changes.lots[i].id] = c->changes.lots[i].stock;
        w->watched_upto = c->changes.upto;
    }
    lots_answered(w, q, c->changes.lots, c->code == 0 ? c->changes.count : 0);
}

void request_refused_by_gate(struct world *w, struct request *q)
{
    const struct audit_answer answer = {.code = TLY_ESOLD_OUT, .from_gate = true};
    unlink_request(w, q);
    q->command_out = false;
    w->refused_by_gate++;
    world_trace(w, "#%u the gate says SOLD_OUT", q->asks[0].number);
    tell_auditor(w, q, 0, &answer);
    request_free_if_done(q);
}

static void note_group(struct world *w, int64_t group_id)
{
    for (uint32_t i = 0; i < w->group_count; i++)
        if (w->groups[i] == group_id)
            return;
    if (w->group_count < SIM_GROUPS_MAX)
        w->groups[w->group_count++] = group_id;
}

void request_answered(struct world *w, struct command *c)
{
    struct request *q = (struct request *)c; /* its first member */
    unlink_request(w, q);
    q->command_out = false;
    w->answered++;
    switch ((enum command_kind)c->kind) {
    case COMMAND_RESERVE:
        order_answered(w, q, 0, &c->reserve, c->code);
        break;
    case COMMAND_RESERVE_BATCH:
        for (uint32_t i = 0; i < q->ask_count; i++)
            order_answered(w, q, i, &q->orders[i], c->code ? c->code : q->orders[i].code);
        break;
    case COMMAND_CONFIRM:
    case COMMAND_REFUND:
    case COMMAND_EXTEND:
    case COMMAND_SHIP:
    case COMMAND_CHANGE:
        move_answered(w, q);
        break;
    case COMMAND_OPEN_GROUP:
        if (c->code == 0 && c->group.group.group_id)
            note_group(w, c->group.group.group_id);
        order_answered(w, q, 0, &q->orders[0], c->code);
        break;
    case COMMAND_CREATE_SALE:
    case COMMAND_CLOSE_SALE: {
        struct audit_answer answer = {.code = c->code, .replayed = c->sale->replayed};
        tell_auditor(w, q, 0, &answer);
        break;
    }
    case COMMAND_COMPLETE_GROUP:
    case COMMAND_GET_GROUP: {
        struct audit_answer answer = {.code = c->code,
                                      .replayed = c->group.replayed,
                                      .group_status = c->group.group.status,
                                      .places_left = c->group.group.places_left,
                                      .paid = c->group.group.paid};
        tell_auditor(w, q, 0, &answer);
        break;
    }
    case COMMAND_CONFIRM_ALL: {
        struct audit_answer answer = {.code = c->code, .replayed = c->confirm_all.replayed};
        tell_auditor(w, q, 0, &answer);
        break;
    }
    case COMMAND_GET_RESERVATION: {
        struct audit_answer answer = {.code = c->code, .record = c->get.record};
        tell_auditor(w, q, 0, &answer);
        free(c->get.record);
        break;
    }
    case COMMAND_CREATE_LOT:
        lots_answered(w, q, &c->create.lot, c->code == 0 || c->code == TLY_EALREADY_EXISTS);
        break;
    case COMMAND_ADJUST:
        lots_answered(w, q, &c->adjust.lot, c->code == 0);
        break;
    case COMMAND_UPDATE_LOT:
        lots_answered(w, q, &c->update_lot.lot, c->code == 0);
        break;
    case COMMAND_SET_STOCK: {
        struct audit_answer answer = {.code = c->code};
        tell_auditor(w, q, 0, &answer);
        break;
    }
    case COMMAND_GET_LOT:
        lots_answered(w, q, &c->get_lot.lot, c->code == 0);
        break;
    case COMMAND_LIST_LOTS:
        lots_answered(w, q, c->list.lots, c->code == 0 ? c->list.count : 0);
        break;
    case COMMAND_LOT_CHANGES:
        changes_answered(w, q);
        break;
    default:
        break;
    }
    request_free_if_done(q);
}

void requests_lost(struct world *w, uint32_t node)
{
    struct request **at = &w->requests;
    while (*at) {
        struct request *q = *at;
        if (q->node != node) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        q->command_out = false;
        request_free_if_done(q);
    }
}
