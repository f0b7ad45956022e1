/* shop_sale.c - sales in the shop of shop.h. */
#include <stdlib.h>
#include <string.h>

#include "shop_internal.h"

enum { HOUR_MS = 3600000 };

struct ask *shop_sale(struct shop *s, enum command_kind kind, const char *sale_id)
{
    struct ask *a = shop_ask(s, kind);
    a->c.sale = &a->sale;
    a->sale.copy = &a->copy;
    a->sale.terms = (struct sale_terms){
        .sale_id = str_of(sale_id),
        .title = STR("a sale"),
        .starts_ms = s->now_ms,
        .ends_ms = s->now_ms + HOUR_MS,
        .items = a->items,
    };
    return a;
}

void shop_sale_lot(struct ask *a, lot_id lot)
{
    a->items[a->sale.terms.item_count++] = (struct sale_item){.lot = lot};
}

void shop_sale_sku(struct ask *a, const char *sku)
{
    a->items[a->sale.terms.item_count++] = (struct sale_item){.sku = str_of(sku)};
}

struct ask *shop_get_sale(struct shop *s, const char *sale_id)
{
    struct ask *a = shop_sale(s, COMMAND_GET_SALE, sale_id);
    shop_send(s, a);
    return a;
}

struct ask *shop_order_in(struct shop *s, const char *sale_id, const char *order_id,
                          const char *user_id)
{
    struct ask *a = shop_order(s, order_id);
    a->c.reserve.user_id = str_of(user_id);
    a->c.reserve.extra = &a->extra;
    a->extra.sale_id = str_of(sale_id);
    return a;
}

struct ask *shop_reserve_in(struct shop *s, const char *sale_id, const char *order_id,
                            const char *user_id, const char *lot, int64_t quantity)
{
    struct ask *a = shop_order_in(s, sale_id, order_id, user_id);
    shop_want_lot(a, lot, quantity);
    shop_send(s, a);
    return a;
}

const struct sale_terms *shop_keep_terms(struct shop *s, const struct sale_terms *terms)
{
    struct sale_terms *copy = shop_keep(s, terms, sizeof *terms);
    struct sale_item *items = shop_keep(s, terms->items, terms->item_count * sizeof *terms->items);
    for (uint16_t i = 0; i < terms->item_count; i++)
        items[i].sku = shop_keep_str(s, items[i].sku);
    copy->items = items;
    copy->sale_id = shop_keep_str(s, terms->sale_id);
    copy->title = shop_keep_str(s, terms->title);
    return copy;
}

/* As they stand now, with the number of their first row. */
void shop_load_sales(struct shop *s)
{
    for (sale_number number = 1;; number++) {
        const struct move *first = NULL;
        const struct move *last = NULL;
        for (uint32_t i = 0; i < s->row_count; i++) {
            const struct move *m = &s->rows[i];
            if (m->kind != MOVE_SALE || m->sale != number)
                continue;
            first = first ? first : m;
            last = m;
        }
        if (!first)
            return;
        if (engine_load_sale(s->engine, last->sale_terms, first->seq, NULL))
            abort();
    }
}

struct ask *shop_open_group(struct shop *s, const char *sale_id, struct ask *order)
{
    struct ask *a = shop_ask(s, COMMAND_OPEN_GROUP);
    a->c.group.sale_id = str_of(sale_id);
    if (order) {
        shop_prepare(&order->c.reserve);
        a->c.group.order = &order->c.reserve;
    } else {
        a->c.group.user_id = STR("opener");
    }
    shop_send(s, a);
    return a;
}

struct ask *shop_get_group(struct shop *s, int64_t group_id)
{
    struct ask *a = shop_ask(s, COMMAND_GET_GROUP);
    a->c.group.group_id = group_id;
    shop_send(s, a);
    return a;
}

struct ask *shop_complete_group(struct shop *s, int64_t group_id)
{
    struct ask *a = shop_ask(s, COMMAND_COMPLETE_GROUP);
    a->c.group.group_id = group_id;
    a->c.group.reason = STR("topped up");
    shop_send(s, a);
    return a;
}

struct ask *shop_join_group(struct shop *s, const char *sale_id, int64_t group_id,
                            const char *order_id, const char *user_id, const char *lot,
                            int64_t quantity)
{
    struct ask *a = shop_order_in(s, sale_id, order_id, user_id);
    a->extra.group_id = group_id;
    shop_want_lot(a, lot, quantity);
    shop_send(s, a);
    return a;
}

void shop_answer_group(const struct shop *s, struct question *q)
{
    q->code = TLY_ENOT_FOUND;
    for (uint32_t i = 0; i < s->row_count; i++) {
        const struct move *m = &s->rows[i];
        if (m->group_id != q->reservation_id)
            continue;
        if (m->kind == MOVE_GROUP_OPEN) {
            q->code = 0;
            q->group = (struct group_record){.group_id = m->group_id,
                                             .sale = m->sale,
                                             .status = GROUP_IS_OPEN,
                                             .size = (uint16_t)m->line.quantity,
                                             .opened_ms = m->at_ms,
                                             .ends_ms = m->deadline_ms};
        } else if (m->kind == MOVE_GROUP_SUCCEED || m->kind == MOVE_GROUP_FAIL) {
            q->group.status = m->kind == MOVE_GROUP_FAIL ? GROUP_FAILED : GROUP_SUCCEEDED;
            q->group.paid = (uint16_t)m->line.quantity;
            q->group.ended_ms = m->at_ms;
        }
    }
}
