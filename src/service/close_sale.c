/* close_sale.c - CloseSale: no more orders, from now on. */
#include <stddef.h>
#include <string.h>

#include "service/sale.h"

enum { BEHIND_BASE = sizeof(ProtobufCMessage) };
_Static_assert(offsetof(Tally__V1__CloseSaleResponse, groups) == offsetof(Tally__V1__Sale, groups),
               "a Sale, and what is behind it");

static void finish(struct service *s, struct call *c)
{
    Tally__V1__Sale sale;
    Tally__V1__CloseSaleResponse m = TALLY__V1__CLOSE_SALE_RESPONSE__INIT;
    struct header replayed = {STR("idempotent-replayed"), STR("true")};
    if (c->command.code) {
        reply_refused(s, c);
        return;
    }
    if (show_sale(s, &sale, &c->command.sale->sale, &c->origin.exchange->arena)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    memcpy((char *)&m + BEHIND_BASE, (char *)&sale + BEHIND_BASE, sizeof sale - BEHIND_BASE);
    m.replayed = c->command.sale->replayed;
    reply_message_with(s, &c->origin, 200, &m.base, &replayed, m.replayed ? 1 : 0);
}

int close_sale_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__CloseSaleRequest *m = (const Tally__V1__CloseSaleRequest *)c->request;
    int code = sale_prepare(c, COMMAND_CLOSE_SALE, m->sale_id, e);
    if (!code && m->reason[0])
        code = rule_text(str_of(m->reason), ADJUST_REASON_MAX, "reason", e);
    if (code)
        return code;
    c->command.sale->reason = str_of(m->reason);
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
