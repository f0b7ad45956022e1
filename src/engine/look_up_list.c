/* look_up_list.c - LIST_RESERVATIONS: the ledger is asked, with the numbers of what the caller
 * names. What is committed is listed, as it stands at this moment: a hold that is due is REFUNDED.
 */
#include "engine/engine_internal.h"

/* False: answered. */
static bool name_lot(struct engine *e, struct command *c)
{
    struct reservation_list_command *to = &c->list_reservations;
    to->list.lot = to->lot_key.len ? engine_find_lot(e, to->lot_key) : 0;
    if (!to->lot_key.len || to->list.lot)
        return true;
    engine_refuse(e, c, TLY_ENOT_FOUND, "there is no lot %.*s", STR_ARG(to->lot_key));
    return false;
}

static bool name_sale(struct engine *e, struct command *c)
{
    struct reservation_list_command *to = &c->list_reservations;
    const struct sale *s = to->sale_id.len ? sales_find(&e->sales, to->sale_id) : NULL;
    to->list.sale = s ? s->version->terms.number : 0;
    if (!to->sale_id.len || s)
        return true;
    engine_refuse(e, c, TLY_ENOT_FOUND, "there is no sale %.*s", STR_ARG(to->sale_id));
    return false;
}

void look_up_list(struct engine *e, struct command *c)
{
    struct reservation_list_command *to = &c->list_reservations;
    if (e->config.shared) {
        engine_refuse(e, c, TLY_EUNIMPLEMENTED, "a ledger that several nodes share has no lists");
        return;
    }
    if (!name_lot(e, c) || !name_sale(e, c))
        return;
    to->list.now_ms = e->now_ms;
    to->list.records = NULL;
    to->list.count = 0;
    to->list.next = 0;
    /* Nobody else asks the same: the command's own address tells it from others. */
    if (!question_ask(e, c, 0, QUESTION_LIST, 0, (struct str){0}, (uintptr_t)c))
        engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
}

void list_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                   bool last)
{
    (void)order, (void)last;
    c->code = q->code;
    engine_reply(e, c);
}
