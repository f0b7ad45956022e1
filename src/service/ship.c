/* ship.c - Ship: CONFIRMED units leave the house, all that are left of them or some. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_CONFIRMED);
}

int ship_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ShipRequest *m = (const Tally__V1__ShipRequest *)c->request;
    int code = move_prepare(c, COMMAND_SHIP, m->reservation_id, m->order_id, e);
    if (!code && m->lines)
        code = move_take_lines(c, m->lines, m->n_lines, "all that has not been shipped is", e);
    if (!code)
        code = move_id(c, m->shipment_id, "shipment_id", e);
    if (code)
        return code;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
