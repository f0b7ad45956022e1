/* refund.c - Refund: cancels a PENDING reservation, returns a CONFIRMED one. Without a reason the
 * engine takes the state's own. EXPIRED is refused: only time gives it. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_REFUNDED);
}

int refund_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__RefundRequest *m = (const Tally__V1__RefundRequest *)c->request;
    int reason = REASON_NONE;
    int code = move_prepare(c, COMMAND_REFUND, m->reservation_id, e);
    if (code)
        return code;
    if (m->reason[0])
        reason = refund_reason_parse(str_of(m->reason));
    if (reason < 0 || reason == REASON_EXPIRED)
        return rule_broken(e, "reason",
                           "must be CANCELLED, RETURNED, GROUP_FAILED or UNSETTLED, is \"%.40s\"",
                           m->reason);
    c->command.move.reason = (uint8_t)reason;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
