/* change_reservation.c - ChangeReservation: a PENDING hold gets these lines instead of its own, all
 * or nothing. The gate is not asked: what the hold has already counts for it, which only the engine
 * knows. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_PENDING);
}

int change_reservation_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ChangeReservationRequest *m =
        (const Tally__V1__ChangeReservationRequest *)c->request;
    uint16_t line_max; /* there is room for any number */
    int code = move_prepare(c, COMMAND_CHANGE, m->reservation_id, m->order_id, e);
    if (!code)
        code = order_wants(c, m->lines, m->n_lines, &c->command.move.wants, &line_max, e);
    if (!code)
        code = move_id(c, m->change_id, "change_id", e);
    if (code)
        return code;
    c->command.move.want_count = (uint16_t)m->n_lines;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
