/* look_up_list.c - LIST_RESERVATIONS: the ledger is asked, with the numbers of what the caller
 * names. What is committed is listed, as it stands at this moment: a hold that is due is REFUNDED.
 * Over a shared ledger a load comes before, for those numbers, and another one after it if some of
 * what is listed was not known here.
 */
#include <stdlib.h>

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

void list_drop(struct command *c)
{
    struct reservation_list *list = &c->list_reservations.list;
    for (uint32_t i = 0; i < list->count; i++)
        free(list->records[i]);
    free(list->records);
    list->records = NULL;
    list->count = 0;
}

void list_accept(struct command *c)
{
    c->list_reservations.list.records = NULL;
    c->list_reservations.list.count = 0;
}

void look_up_list(struct engine *e, struct command *c)
{
    struct reservation_list_command *to = &c->list_reservations;
    if (c->noted) { /* what it lists is known now */
        engine_reply(e, c);
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

static bool lots_are_known(const struct engine *e, const struct line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!lots_has(&e->lots, lines[i].lot))
            return false;
    }
    return true;
}

/* Over a shared ledger other nodes may have made the lots and the sales. */
static bool all_is_known(const struct engine *e, const struct reservation_list *list)
{
    for (uint32_t i = 0; e->config.shared && i < list->count; i++) {
        const struct reservation_record *r = list->records[i];
        if (!lots_are_known(e, r->lines, r->line_count) ||
            !lots_are_known(e, r->reserved_lines, r->line_count_reserved) ||
            (r->sale && !sales_at(&e->sales, r->sale)))
            return false;
    }
    return true;
}

void list_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                   bool last)
{
    (void)order, (void)last;
    c->code = q->code;
    if (c->code || all_is_known(e, &c->list_reservations.list)) {
        engine_reply(e, c);
        return;
    }
    c->noted = true;
    engine_dispatch(e, c);
}
