/* waiting_room.c - JoinQueue and GetTicket: a place in the line of a sale, and how far that has
 * come.
 *
 * Happy path: the engine says how the sale stands, and the waiting room, with that, who stands
 * where. An order's ticket is looked at where the order is checked (ticket_look).
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "service/sale.h"
#include "waiting/waiting.h"

enum { BEHIND_BASE = sizeof(ProtobufCMessage) };
_Static_assert(sizeof(Tally__V1__GetTicketResponse) == sizeof(Tally__V1__JoinQueueResponse) &&
                   offsetof(Tally__V1__GetTicketResponse, server_time) ==
                       offsetof(Tally__V1__JoinQueueResponse, server_time),
               "both calls answer alike");

/* What is asked of the room when the engine has answered. */
struct visit {
    struct str user_id;   /* JoinQueue */
    struct ticket ticket; /* GetTicket */
};

static struct sale_now sale_now_of(const struct sale_view *v)
{
    return (struct sale_now){.sale_id = v->terms.sale_id,
                             .mode = v->terms.queue,
                             .now_ms = v->now_ms,
                             .starts_ms = v->terms.starts_ms,
                             .ends_ms = v->terms.ends_ms,
                             .closed = v->terms.closed_ms != 0,
                             .available = v->units_left,
                             .held = v->units_pending,
                             .orders = v->orders_made,
                             .confirmed = v->units_confirmed,
                             .given_back = v->orders_back};
}

static int show_ticket(Tally__V1__JoinQueueResponse *m, Tally__V1__Draw *draw,
                       const struct ticket_view *v, const struct sale_view *sale, struct arena *a)
{
    m->ticket = show_text(str_of(v->text), a);
    m->sale_id = show_text(sale->terms.sale_id, a);
    m->status = (char *)ticket_status_name(v->status);
    m->number = v->number;
    if (v->place)
        SHOW_OPTIONAL(m, JOIN_QUEUE_RESPONSE, place, PLACE, v->place);
    m->server_time = show_time(sale->now_ms, a);
    if (v->commitment[0]) {
        m->draw = draw;
        draw->commitment = show_text(str_of(v->commitment), a);
        draw->secret = show_text(str_of(v->secret), a);
        draw->entrants = v->entrants;
    }
    return m->ticket && m->sale_id && m->server_time &&
                   (!m->draw || (draw->commitment && draw->secret))
               ? 0
               : TLY_ENO_MEMORY;
}

static void answer(struct service *s, struct call *c, bool join)
{
    const struct visit *visit = c->state;
    const struct sale_view *sale = &c->command.sale->sale;
    struct sale_now now = sale_now_of(sale);
    struct ticket_view view;
    struct error e;
    int code = 0;
    if (now.mode == QUEUE_NONE)
        code = rule_broken(&e, "sale_id", "the sale has no waiting room");
    else if (join)
        code = waiting_join(s->host.waiting, &now, visit->user_id, &view, &e);
    else
        code = waiting_look(s->host.waiting, &visit->ticket, &now, &view, &e);
    if (code) {
        reply_error(s, &c->origin, &e);
        return;
    }
    Tally__V1__JoinQueueResponse m = TALLY__V1__JOIN_QUEUE_RESPONSE__INIT;
    Tally__V1__GetTicketResponse looked = TALLY__V1__GET_TICKET_RESPONSE__INIT;
    Tally__V1__Draw draw = TALLY__V1__DRAW__INIT;
    if (show_ticket(&m, &draw, &view, sale, &c->origin.exchange->arena)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    memcpy((char *)&looked + BEHIND_BASE, (char *)&m + BEHIND_BASE, sizeof m - BEHIND_BASE);
    reply_message(s, &c->origin, 200, join ? &m.base : &looked.base);
}

static void finish_join(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        answer(s, c, true);
}

static void finish_look(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        answer(s, c, false);
}

static int visit_prepare(struct service *s, struct call *c, struct visit **out, struct error *e)
{
    if (!s->host.waiting)
        return error_set(e, TLY_EUNIMPLEMENTED, "", "this server has no waiting rooms");
    *out = c->state = arena_zalloc(&c->arena, sizeof **out);
    return *out ? 0 : error_set(e, TLY_ENO_MEMORY, "", "out of memory");
}

int join_queue_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__JoinQueueRequest *m = (const Tally__V1__JoinQueueRequest *)c->request;
    struct visit *visit = NULL;
    int code = visit_prepare(s, c, &visit, e);
    if (!code)
        code = sale_prepare(c, COMMAND_GET_SALE, m->sale_id, e);
    if (!code)
        code = rule_text(str_of(m->user_id), USER_ID_MAX, "user_id", e);
    if (code)
        return code;
    assert(visit);
    visit->user_id = str_of(m->user_id);
    c->finish = finish_join;
    call_submit(s, c);
    return 0;
}

int get_ticket_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__GetTicketRequest *m = (const Tally__V1__GetTicketRequest *)c->request;
    struct visit *visit = NULL;
    int code = visit_prepare(s, c, &visit, e);
    assert(code || visit);
    if (!code && waiting_read(s->host.waiting, str_of(m->ticket), &visit->ticket))
        code = error_set(e, TLY_ENOT_FOUND, "ticket", "ticket: it was not made here");
    if (code)
        return code;
    struct str sale = ticket_sale(&visit->ticket);
    char *sale_id = show_text(sale, &c->arena);
    code = sale_id ? sale_prepare(c, COMMAND_GET_SALE, sale_id, e)
                   : error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    if (code)
        return code;
    c->finish = finish_look;
    call_submit(s, c);
    return 0;
}

/* A retry gets its first answer, whatever became of its ticket: so the engine is the one to refuse.
 */
void ticket_look(struct service *s, const char *ticket, struct reserve_command *order)
{
    struct order_extra *x = order->extra;
    x->admitted = false;
    x->why_not = "it comes without a ticket";
    if (!ticket[0] || !s->host.waiting)
        return;
    switch (waiting_admits(s->host.waiting, str_of(ticket), x->sale_id, order->user_id)) {
    case WAITING_ADMITS:
        x->admitted = true;
        break;
    case WAITING_NO_TICKET:
        x->why_not = "its ticket was not made for this sale";
        break;
    case WAITING_NOT_YOURS:
        x->why_not = "its ticket is another user's";
        break;
    case WAITING_NOT_YET:
        x->why_not = "it is not its ticket's turn yet";
        break;
    }
}
