/* confirm.c - Confirm: the payment has arrived. With lines, fewer units than held are kept and the
 * rest goes back; which lines fit the hold is the engine's to judge. With `reclaim`, one that has
 * expired is taken again, if its units are free. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_CONFIRMED);
}

int confirm_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ConfirmRequest *m = (const Tally__V1__ConfirmRequest *)c->request;
    int code = move_prepare(c, COMMAND_CONFIRM, m->reservation_id, m->order_id, e);
    if (!code && m->payment_id[0])
        code = rule_text(str_of(m->payment_id), PAYMENT_ID_MAX, "payment_id", e);
    if (!code && m->lines)
        code = move_take_lines(c, m->lines, m->n_lines, "all is confirmed", e);
    if (code)
        return code;
    c->command.move.payment_id = str_of(m->payment_id);
    c->command.move.reclaim = m->reclaim;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
