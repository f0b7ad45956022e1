/* refund.c - Refund: cancels a PENDING reservation, returns a CONFIRMED one, whole or in part.
 * Without a reason the engine takes the state's own. EXPIRED is refused: only time gives it. With
 * `fence` an order that is not there yet is cancelled before it comes. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_REFUNDED);
}

static int check(struct call *c, const Tally__V1__RefundRequest *m, struct error *e)
{
    int reason = REASON_NONE;
    if (m->reason[0])
        reason = refund_reason_parse(str_of(m->reason));
    if (reason < 0 || reason == REASON_EXPIRED)
        return rule_broken(e, "reason",
                           "must be CANCELLED, RETURNED, GROUP_FAILED or UNSETTLED, is \"%.40s\"",
                           m->reason);
    if (m->fence && !m->order_id[0])
        return rule_broken(e, "fence", "takes an order_id that is not there; give the order_id");
    if (m->fence && m->lines)
        return rule_broken(e, "fence", "is of a whole order; leave out lines");
    c->command.move.reason = (uint8_t)reason;
    return 0;
}

int refund_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__RefundRequest *m = (const Tally__V1__RefundRequest *)c->request;
    int code = move_prepare(c, COMMAND_REFUND, m->reservation_id, m->order_id, e);
    if (!code)
        code = check(c, m, e);
    if (!code && m->lines)
        code = move_take_lines(c, m->lines, m->n_lines, "all of it comes back", e);
    if (!code)
        code = move_id(c, m->return_id, "return_id", e);
    if (code)
        return code;
    c->command.move.no_restock = m->restock_is_case && !m->restock;
    c->command.move.fence = m->fence;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
