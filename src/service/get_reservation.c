/* get_reservation.c - GetReservation: by its number, or by the order_id; with its history. */
#include "base/hash.h"
#include "service/service_internal.h"

/* The id that a move was given. */
static int show_detail(Tally__V1__Move *m, const struct reservation_move *move, struct arena *a)
{
    if (!move->detail.len)
        return 0;
    char *id = show_text(move->detail, a);
    switch (move->kind) {
    case MOVE_CONFIRM:
    case MOVE_RECLAIM:
        m->payment_id = id;
        break;
    case MOVE_SHIP:
        SHOW_OPTIONAL(m, MOVE, shipment_id, SHIPMENT_ID, id);
        break;
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        SHOW_OPTIONAL(m, MOVE, return_id, RETURN_ID, id);
        break;
    case MOVE_CHANGE:
        SHOW_OPTIONAL(m, MOVE, change_id, CHANGE_ID, id);
        break;
    default:
        break;
    }
    return id ? 0 : TLY_ENO_MEMORY;
}

static int show_moves(Tally__V1__GetReservationResponse *m, const struct reservation_record *r,
                      struct arena *a)
{
    Tally__V1__Move *moves = arena_alloc(a, r->move_count * sizeof *moves);
    m->moves = arena_alloc(a, r->move_count * sizeof *m->moves);
    if (!moves || !m->moves)
        return TLY_ENO_MEMORY;
    m->n_moves = r->move_count;
    for (uint32_t i = 0; i < r->move_count; i++) {
        const struct reservation_move *move = &r->moves[i];
        Tally__V1__Move *out = &moves[i];
        tally__v1__move__init(out);
        m->moves[i] = out;
        out->seq = show_number(move->seq, a);
        out->kind = (char *)move_kind_name(move->kind);
        out->at = show_time(move->at_ms, a);
        out->quantity = move->quantity;
        out->deadline = show_time(move->deadline_ms, a);
        out->reason = (char *)refund_reason_name(move->reason);
        if (!out->seq || !out->at || !out->deadline || show_detail(out, move, a))
            return TLY_ENO_MEMORY;
    }
    return 0;
}

static int show_record(const struct service *s, Tally__V1__GetReservationResponse *m,
                       const struct reservation_record *r, struct arena *a)
{
    char *sale_id, *group_id;
    m->reservation_id = show_number(r->reservation_id, a);
    m->order_id = show_text(r->order_id, a);
    m->status = (char *)hold_state_name(r->state);
    m->expires_at = show_time(r->deadline_ms, a);
    m->reason = (char *)refund_reason_name(r->reason);
    m->user_id = show_text(r->user_id, a);
    m->created_at = show_time(r->created_ms, a);
    m->confirmed_at = show_time(r->confirmed_ms, a);
    m->payment_id = show_text(r->payment_id, a);
    if (!m->reservation_id || !m->order_id || !m->expires_at || !m->user_id || !m->created_at ||
        !m->confirmed_at || !m->payment_id)
        return TLY_ENO_MEMORY;
    m->n_lines = r->line_count;
    if (show_lines(s, &m->lines, r->lines, r->after, r->line_count, a) ||
        show_sale_of(s, r->sale, r->group_id, &sale_id, &group_id, a))
        return TLY_ENO_MEMORY;
    if (sale_id)
        SHOW_OPTIONAL(m, GET_RESERVATION_RESPONSE, sale_id, SALE_ID, sale_id);
    if (group_id)
        SHOW_OPTIONAL(m, GET_RESERVATION_RESPONSE, group_id, GROUP_ID, group_id);
    return show_moves(m, r, a);
}

static void finish(struct service *s, struct call *c)
{
    const struct reservation_record *record = c->command.get.record;
    Tally__V1__GetReservationResponse m = TALLY__V1__GET_RESERVATION_RESPONSE__INIT;
    if (c->command.code)
        reply_refused(s, c);
    else if (!record || show_record(s, &m, record, &c->origin.exchange->arena))
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, 200, &m.base);
}

int get_reservation_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__GetReservationRequest *m =
        (const Tally__V1__GetReservationRequest *)c->request;
    struct command *command = &c->command;
    int code;
    if (m->reservation_id[0] && m->order_id[0])
        return rule_broken(e, "order_id", "must be empty if a reservation_id is given");
    if (m->order_id[0])
        code = rule_text(str_of(m->order_id), ORDER_ID_MAX, "order_id", e);
    else
        code = reservation_id_parse(m->reservation_id, "reservation_id",
                                    &command->get.reservation_id, e);
    if (code)
        return code;
    command->kind = COMMAND_GET_RESERVATION;
    command->get.order_id = str_of(m->order_id);
    if (m->order_id[0])
        command->get.order_hash = hash64(command->get.order_id, s->host.hash_seed);
    c->origin.order_id = command->get.order_id;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
