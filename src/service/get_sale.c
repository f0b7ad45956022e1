/* get_sale.c - GetSale: a sale as it stands, with the server's time and how long it has. */
#include "service/sale.h"

static void finish(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        finish_sale(s, c, 200);
}

int get_sale_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__GetSaleRequest *m = (const Tally__V1__GetSaleRequest *)c->request;
    int code = sale_prepare(c, COMMAND_GET_SALE, m->sale_id, e);
    if (code)
        return code;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
