/* get_lot.c - GetLot: one lot and its stock, as committed. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        finish_lot(s, c, 200, &c->command.get_lot.lot);
}

int get_lot_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__GetLotRequest *m = (const Tally__V1__GetLotRequest *)c->request;
    int code = rule_lot_key(str_of(m->lot), "lot", e);
    if (code)
        return code;
    c->command.kind = COMMAND_GET_LOT;
    c->command.get_lot.key = str_of(m->lot);
    c->origin.lot = c->command.get_lot.key;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
