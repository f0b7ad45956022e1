/* sale.c - what the calls about a sale share: its terms as they are asked for, checked, and a sale
 * as answers show it. All answers about one sale have the fields of Sale under the same numbers (a
 * test holds them together), so that message is what is encoded. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "service/sale.h"

int sale_no_memory(struct error *e)
{
    return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
}

int sale_prepare(struct call *c, enum command_kind kind, const char *sale_id, struct error *e)
{
    struct sale_command *sale = arena_zalloc(&c->arena, sizeof *sale);
    if (sale)
        sale->copy = arena_alloc(&c->arena, sizeof *sale->copy);
    if (!sale || !sale->copy)
        return sale_no_memory(e);
    c->command.kind = (uint8_t)kind;
    c->command.sale = sale;
    sale->terms.sale_id = str_of(sale_id);
    return rule_text(sale->terms.sale_id, SALE_ID_MAX, "sale_id", e);
}

int sale_time(const char *text, const char *field, int64_t *out, struct error *e)
{
    if (rfc3339_parse(text, strlen(text), out) == 0 && *out > 0)
        return 0;
    return rule_broken(e, field, "must be a time such as 2026-11-22T10:00:00.000Z, is \"%.40s\"",
                       text);
}

int sale_title(const char *text, struct error *e)
{
    return text[0] ? rule_text(str_of(text), SALE_TITLE_MAX, "title", e) : 0;
}

int sale_duration(int64_t ms, int64_t max_ms, const char *field, struct error *e)
{
    if (ms >= 0 && ms <= max_ms)
        return 0;
    return rule_broken(e, field, "must be 0 to %lld milliseconds, is %lld", (long long)max_ms,
                       (long long)ms);
}

int sale_group(const Tally__V1__GroupTerms *group, bool may_be_none, struct sale_terms *terms,
               struct error *e)
{
    terms->group_size = 0;
    terms->group_window_ms = 0;
    if (!group || (may_be_none && group->size == 0))
        return 0;
    if (group->size < GROUP_SIZE_MIN || group->size > GROUP_SIZE_MAX)
        return rule_broken(e, "group.size", "must be %d to %d, is %d", GROUP_SIZE_MIN,
                           GROUP_SIZE_MAX, group->size);
    if (group->window_ms < 1 || group->window_ms > GROUP_WINDOW_MS_MAX)
        return rule_broken(e, "group.window_ms", "must be 1 to %lld milliseconds, is %lld",
                           (long long)GROUP_WINDOW_MS_MAX, (long long)group->window_ms);
    terms->group_size = (uint16_t)group->size;
    terms->group_window_ms = group->window_ms;
    return 0;
}

int sale_queue(const Tally__V1__QueueTerms *queue, bool may_be_none, struct sale_terms *terms,
               struct error *e)
{
    terms->queue = QUEUE_NONE;
    if (!queue || (may_be_none && !queue->mode[0]))
        return 0;
    for (int mode = QUEUE_FIRST_COME; mode <= QUEUE_DRAWN; mode++) {
        if (strcmp(queue->mode, queue_mode_name((enum queue_mode)mode)) == 0) {
            terms->queue = (uint8_t)mode;
            return 0;
        }
    }
    return rule_broken(e, "queue.mode", "must be FIRST_COME or DRAWN, is \"%.40s\"", queue->mode);
}

int sale_items(struct call *c, char *const *lots, size_t lot_count, char *const *skus,
               size_t sku_count, struct sale_terms *terms, struct error *e)
{
    char field[ERROR_FIELD_MAX];
    size_t count = lot_count + sku_count;
    if (count < 1 || count > SALE_ITEMS_MAX)
        return rule_broken(e, "lots", "must be 1 to %d lots and skus together, is %zu",
                           SALE_ITEMS_MAX, count);
    struct sale_item *items = arena_zalloc(&c->arena, count * sizeof *items);
    if (!items)
        return sale_no_memory(e);
    terms->items = items;
    terms->item_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        bool is_lot = i < lot_count;
        size_t at = is_lot ? i : i - lot_count;
        items[i].sku = str_of(is_lot ? lots[at] : skus[at]);
        snprintf(field, sizeof field, "%s[%zu]", is_lot ? "lots" : "skus", at);
        int code = is_lot ? rule_lot_key(items[i].sku, field, e) : rule_sku(items[i].sku, field, e);
        for (size_t j = 0; !code && j < i; j++) {
            if (str_equal(items[j].sku, items[i].sku))
                code = rule_broken(e, field, "is given twice");
        }
        if (code)
            return code;
    }
    return 0;
}

void sale_refuse(struct service *s, struct call *c, size_t lot_count)
{
    const struct sale_command *sale = c->command.sale;
    struct failure f = {.code = c->command.code, .text = str_of(c->command.text)};
    enum { NAME_BYTES = 24 };
    char name[NAME_BYTES];
    if (sale->terms.item_count && sale->failed_item < sale->terms.item_count &&
        (f.code == TLY_ENOT_FOUND || f.code == TLY_EINVALID_ARGUMENT)) {
        bool is_lot = sale->failed_item < lot_count;
        int len = snprintf(name, sizeof name, "%s[%zu]", is_lot ? "lots" : "skus",
                           is_lot ? sale->failed_item : sale->failed_item - lot_count);
        f.field = (struct str){name, (uint32_t)len};
    }
    reply_failure(s, &c->origin, &f);
}

/* ---- a sale as it is shown ---- */

static const char *status_of(const struct sale_view *view)
{
    const struct sale_terms *t = &view->terms;
    if (t->closed_ms)
        return "CLOSED";
    if (view->now_ms < t->starts_ms)
        return "SCHEDULED";
    return view->now_ms < t->ends_ms ? "OPEN" : "ENDED";
}

static int show_items(const struct service *s, Tally__V1__Sale *m, const struct sale_terms *t,
                      struct arena *a)
{
    m->lots = arena_alloc(a, t->item_count * sizeof *m->lots);
    m->skus = arena_alloc(a, t->item_count * sizeof *m->skus);
    if (!m->lots || !m->skus)
        return TLY_ENO_MEMORY;
    for (uint16_t i = 0; i < t->item_count; i++) {
        const struct sale_item *item = &t->items[i];
        const struct lot_dims *dims =
            item->lot ? s->host.lot_dims(s->host.context, item->lot) : NULL;
        char *text = show_text(item->lot ? (dims ? dims->key : STR("?")) : item->sku, a);
        if (!text)
            return TLY_ENO_MEMORY;
        if (item->lot)
            m->lots[m->n_lots++] = text;
        else
            m->skus[m->n_skus++] = text;
    }
    return 0;
}

/* The parts that are messages of their own. */
struct parts {
    Tally__V1__GroupTerms group;
    Tally__V1__QueueTerms queue;
    Tally__V1__SaleUnits units;
    Tally__V1__SaleGroups groups;
};

/* Figures that are not known to be whole are not shown. */
static void show_figures(Tally__V1__Sale *m, struct parts *p, const struct sale_view *view)
{
    if (!view->whole)
        return;
    tally__v1__sale_units__init(&p->units);
    p->units.pending = view->units_pending;
    p->units.confirmed = view->units_confirmed;
    p->units.left = view->units_left;
    m->units = &p->units;
    if (!view->terms.group_size)
        return;
    tally__v1__sale_groups__init(&p->groups);
    p->groups.open = view->groups_open;
    p->groups.succeeded = view->groups_succeeded;
    p->groups.failed = view->groups_failed;
    m->groups = &p->groups;
}

static int show_parts(Tally__V1__Sale *m, const struct sale_view *view, struct arena *a)
{
    struct parts *p = arena_alloc(a, sizeof *p);
    if (!p)
        return TLY_ENO_MEMORY;
    show_figures(m, p, view);
    if (view->terms.queue) {
        tally__v1__queue_terms__init(&p->queue);
        p->queue.mode = (char *)queue_mode_name((enum queue_mode)view->terms.queue);
        m->queue = &p->queue;
    }
    if (!view->terms.group_size)
        return 0;
    tally__v1__group_terms__init(&p->group);
    p->group.size = view->terms.group_size;
    p->group.window_ms = view->terms.group_window_ms;
    m->group = &p->group;
    return 0;
}

int show_sale(const struct service *s, Tally__V1__Sale *m, const struct sale_view *view,
              struct arena *a)
{
    const struct sale_terms *t = &view->terms;
    tally__v1__sale__init(m);
    m->sale_id = show_text(t->sale_id, a);
    m->title = show_text(t->title, a);
    m->starts_at = show_time(t->starts_ms, a);
    m->ends_at = show_time(t->ends_ms, a);
    m->server_time = show_time(view->now_ms, a);
    m->created_at = show_time(view->created_ms, a);
    m->closed_at = show_time(t->closed_ms, a);
    if (!m->sale_id || !m->title || !m->starts_at || !m->ends_at || !m->server_time ||
        !m->created_at || !m->closed_at)
        return TLY_ENO_MEMORY;
    m->per_user_limit = t->per_user_limit;
    m->per_order_limit = t->per_order_limit;
    m->total_limit = t->total_limit;
    m->hold_ms = t->hold_ms;
    m->payment_extend_ms_max = t->payment_extend_ms_max;
    m->status = (char *)status_of(view);
    if (!t->closed_ms && view->now_ms < t->starts_ms)
        m->starts_in_ms = t->starts_ms - view->now_ms;
    if (!t->closed_ms && view->now_ms < t->ends_ms)
        m->remaining_ms = t->ends_ms - view->now_ms;
    if (show_items(s, m, t, a))
        return TLY_ENO_MEMORY;
    return show_parts(m, view, a);
}

void finish_sale(struct service *s, struct call *c, int status)
{
    struct arena *a = &c->origin.exchange->arena;
    Tally__V1__Sale m;
    if (show_sale(s, &m, &c->command.sale->sale, a))
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, status, &m.base);
}
