/* shared_keys.c - what the commands touch, as keys of a load; each key once.
 *
 * Of an order: its order_id, the goods that it names, its sale and its group, and what its user
 * has. Of what is done with a reservation only that, and its lots, sale and group come with it.
 * Failure: no memory.
 */
#include "engine/shared_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

enum {
    KEYS_MIN = 256,
    LIST_SCAN = 1000, /* lots looked at for a page with filters */
};

/* ---- the table ---- */

static uint32_t key_slot(const struct shared *s, const struct load_key *k)
{
    uint64_t hash = (uint64_t)k->number * UINT64_C(0x9E3779B97F4A7C15) + k->limit;
    hash ^= k->hash ? k->hash : hash64(k->text, k->kind);
    return (uint32_t)((hash ^ hash >> 32) + k->kind) & (s->slot_count - 1);
}

static bool same_key(const struct load_key *a, const struct load_key *b)
{
    return a->kind == b->kind && a->number == b->number && a->limit == b->limit &&
           a->takes == b->takes && str_equal(a->text, b->text) && str_equal(a->user_id, b->user_id);
}

static bool more_keys(struct shared *s)
{
    struct key_list *list = &s->keys[s->current];
    uint32_t room = list->room ? list->room * 2 : KEYS_MIN;
    struct load_key *keys = realloc(list->keys, room * sizeof *keys);
    if (!keys)
        return false;
    list->keys = keys;
    list->room = room;
    return true;
}

static bool more_slots(struct shared *s)
{
    const struct key_list *list = &s->keys[s->current];
    uint32_t count = s->slot_count ? s->slot_count * 2 : 2 * KEYS_MIN;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    free(s->slots);
    s->slots = slots;
    s->slot_count = count;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = key_slot(s, &list->keys[i]);
        while (s->slots[at])
            at = (at + 1) & (s->slot_count - 1);
        s->slots[at] = i + 1;
    }
    return true;
}

static bool add(struct engine *e, const struct load_key *key)
{
    struct shared *s = &e->shared;
    struct key_list *list = &s->keys[s->current];
    if ((list->count == list->room && !more_keys(s)) ||
        (list->count >= s->slot_count / 2 && !more_slots(s)))
        return false;
    uint32_t at = key_slot(s, key);
    for (; s->slots[at]; at = (at + 1) & (s->slot_count - 1)) {
        if (same_key(&list->keys[s->slots[at] - 1], key))
            return true;
    }
    list->keys[list->count++] = *key;
    s->slots[at] = list->count;
    return true;
}

int shared_keys_init(struct engine *e)
{
    return more_keys(&e->shared) && more_slots(&e->shared) ? 0 : TLY_ENO_MEMORY;
}

void shared_keys_close(struct engine *e)
{
    for (int i = 0; i < 2; i++)
        free(e->shared.keys[i].keys);
    free(e->shared.slots);
}

void shared_keys_clear(struct engine *e)
{
    struct shared *s = &e->shared;
    s->keys[s->current].count = 0;
    memset(s->slots, 0, s->slot_count * sizeof *s->slots);
}

/* ---- pieces ---- */

static bool add_text(struct engine *e, enum load_key_kind kind, struct str text)
{
    return add(e, &(struct load_key){.kind = (uint8_t)kind, .text = text});
}

static bool add_number(struct engine *e, enum load_key_kind kind, int64_t number)
{
    return add(e, &(struct load_key){.kind = (uint8_t)kind, .number = number});
}

static bool add_wants(struct engine *e, const struct want *wants, uint16_t count)
{
    bool room = true;
    for (uint16_t i = 0; i < count && room; i++)
        room = str_empty(wants[i].lot) ? add_text(e, LOAD_SKU, wants[i].sku)
                                       : add_text(e, LOAD_LOT, wants[i].lot);
    return room;
}

static bool add_order(struct engine *e, const struct reserve_command *r)
{
    const struct order_extra *x = r->extra;
    return add(e, &(struct load_key){.kind = LOAD_ORDER,
                                     .takes = true,
                                     .text = r->order_id,
                                     .hash = r->order_hash,
                                     .user_id = r->user_id}) &&
           add_wants(e, r->wants, r->want_count) &&
           (!x || str_empty(x->sale_id) || add_text(e, LOAD_SALE, x->sale_id)) &&
           (!x || !x->group_id || add_number(e, LOAD_GROUP, x->group_id));
}

/* ---- by kind of command ---- */

bool keys_reserve(struct engine *e, const struct command *c)
{
    return add_order(e, &c->reserve);
}

bool keys_batch(struct engine *e, const struct command *c)
{
    bool room = true;
    for (uint32_t i = 0; i < c->batch.count && room; i++)
        room = add_order(e, &c->batch.orders[i]);
    return room;
}

bool keys_move(struct engine *e, const struct command *c)
{
    bool by_order = !str_empty(c->move.by_order_id);
    struct load_key key = {.kind = LOAD_RESERVATION, .number = c->move.reservation_id};
    if (by_order)
        key = (struct load_key){
            .kind = LOAD_ORDER, .text = c->move.by_order_id, .hash = c->move.order_hash};
    key.takes = c->kind == COMMAND_CHANGE || (c->kind == COMMAND_CONFIRM && c->move.reclaim);
    return add(e, &key);
}

bool keys_change(struct engine *e, const struct command *c)
{
    return keys_move(e, c) && add_wants(e, c->move.wants, c->move.want_count);
}

bool keys_confirm_all(struct engine *e, const struct command *c)
{
    bool room = true;
    for (uint32_t i = 0; i < c->confirm_all.count && room; i++)
        room = add_number(e, LOAD_RESERVATION, c->confirm_all.reservation_ids[i]);
    return room;
}

bool keys_create_lot(struct engine *e, const struct command *c)
{
    return add_text(e, LOAD_LOT, c->create.dims.key);
}

bool keys_update_lot(struct engine *e, const struct command *c)
{
    return add_text(e, LOAD_LOT, c->update_lot.key);
}

bool keys_adjust(struct engine *e, const struct command *c)
{
    struct str id = c->adjust.adjustment_id;
    bool named = !str_empty(id) && id.len <= ADJUSTMENT_ID_MAX;
    return add_text(e, LOAD_LOT, c->adjust.key) &&
           (!named || add(e, &(struct load_key){.kind = LOAD_ADJUSTMENT,
                                                .text = id,
                                                .hash = adjustment_hash(id, e->config.hash_seed)}));
}

bool keys_set_stock(struct engine *e, const struct command *c)
{
    bool room = true;
    for (uint32_t i = 0; i < c->set.count && room; i++)
        room = add_text(e, LOAD_LOT, c->set.items[i].dims.key);
    return room;
}

/* The lots that it sells now are shown with it. */
bool keys_sale(struct engine *e, const struct command *c)
{
    return add_text(e, LOAD_SALE_LOTS, c->sale->terms.sale_id);
}

static bool add_item(struct engine *e, const struct sale_item *item)
{
    if (item->lot)
        return !lots_has(&e->lots, item->lot) ||
               add_text(e, LOAD_LOT, lots_at(&e->lots, item->lot)->dims.key);
    return add_text(e, sale_item_is_key(item->sku) ? LOAD_LOT : LOAD_SKU, item->sku);
}

/* And those that it is to sell. */
bool keys_sale_items(struct engine *e, const struct command *c)
{
    const struct sale_terms *t = &c->sale->terms;
    bool sets = c->kind == COMMAND_CREATE_SALE || c->sale->sets & SALE_ITEMS;
    bool room = keys_sale(e, c);
    uint16_t count = sets && t->item_count <= SALE_ITEMS_MAX ? t->item_count : 0;
    for (uint16_t i = 0; i < count && room; i++)
        room = add_item(e, &t->items[i]);
    return room;
}

bool keys_list_sales(struct engine *e, const struct command *c)
{
    return add(e, &(struct load_key){.kind = LOAD_SALES,
                                     .number = c->list_sales.after,
                                     .limit = c->list_sales.page_size + 1});
}

bool keys_open_group(struct engine *e, const struct command *c)
{
    return add_text(e, LOAD_SALE, c->group.sale_id) &&
           (!c->group.order || add_order(e, c->group.order));
}

bool keys_group(struct engine *e, const struct command *c)
{
    return add_number(e, LOAD_GROUP, c->group.group_id);
}

bool keys_get_lot(struct engine *e, const struct command *c)
{
    return add_text(e, LOAD_LOT, c->get_lot.key);
}

bool keys_get_reservation(struct engine *e, const struct command *c)
{
    if (c->get.reservation_id)
        return add_number(e, LOAD_RESERVATION, c->get.reservation_id);
    return add(e, &(struct load_key){
                      .kind = LOAD_ORDER, .text = c->get.order_id, .hash = c->get.order_hash});
}

/* Lots looked at for a page: with filters more than it shows. */
uint32_t shared_list_scan(const struct command *c)
{
    bool filtered = !str_empty(c->list.flavor) || !str_empty(c->list.size);
    return filtered && c->list.page_size < LIST_SCAN ? LIST_SCAN : c->list.page_size;
}

bool keys_list_lots(struct engine *e, const struct command *c)
{
    return add(e, &(struct load_key){.kind = LOAD_LOTS,
                                     .text = c->list.sku,
                                     .number = c->list.after,
                                     .limit = shared_list_scan(c) + 1});
}

/* First what its filters name; when it is answered, what it lists, so that its lots and sales are
 * known here. */
bool keys_list_reservations(struct engine *e, const struct command *c)
{
    const struct reservation_list_command *to = &c->list_reservations;
    bool room = true;
    if (!c->noted)
        return (str_empty(to->lot_key) || add_text(e, LOAD_LOT, to->lot_key)) &&
               (str_empty(to->sale_id) || add_text(e, LOAD_SALE, to->sale_id));
    for (uint32_t i = 0; i < to->list.count && room; i++)
        room = add_number(e, LOAD_RESERVATION, to->list.records[i]->reservation_id);
    return room;
}
