/* decide_sale.c - sales: made, changed, closed, looked up.
 *
 * Each of the first three is one SALE move that says the whole sale as it stands from then on. A
 * sale that has ended or was closed does not change any more; closing it again is a replay. Its
 * items are named lots, or all lots of a sku, also those that are created later.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

static int breaks(struct command *c, const char *rule)
{
    return engine_say(c, TLY_EINVALID_ARGUMENT, "%s", rule);
}

/* hold_max_ms bounds its hold_ms, where that is said anew: a sale that began under other settings
 * goes on. */
static int check_terms(struct command *c, const struct sale_terms *t, int64_t hold_max_ms)
{
    if (str_empty(t->sale_id) || t->sale_id.len > SALE_ID_MAX)
        return breaks(c, "sale_id has 1 to 64 bytes");
    if (t->title.len > SALE_TITLE_MAX)
        return breaks(c, "title has at most 128 bytes");
    if (t->starts_ms < 0 || t->ends_ms <= t->starts_ms)
        return breaks(c, "ends_at is after starts_at");
    if (t->item_count < 1 || t->item_count > SALE_ITEMS_MAX)
        return breaks(c, "a sale has 1 to 256 lots or skus");
    if (t->per_user_limit < 0 || t->per_order_limit < 0 || t->total_limit < 0)
        return breaks(c, "a limit is 0 (none) or more");
    if (t->hold_ms < 0 || t->hold_ms > hold_max_ms)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "hold_ms is at most %lld",
                          (long long)hold_max_ms);
    if (t->payment_extend_ms_max < 0)
        return breaks(c, "payment_extend_ms_max is 0 (none) or more");
    if (t->group_size == 1 || t->group_size > GROUP_SIZE_MAX ||
        (t->group_size ? t->group_window_ms < 1 : t->group_window_ms != 0))
        return breaks(c, "a group has 2 to 1000 places and a window_ms of 1 or more");
    if (t->queue > QUEUE_DRAWN)
        return breaks(c, "there is no such queue mode");
    return 0;
}

static int64_t lot_units(const struct engine *e, lot_id id)
{
    if (lot_has_expired(e, lots_at(&e->lots, id)))
        return 0;
    return stock_for_gate(e, lots_at(&e->lots, id));
}

/* A lot that is named and of a sku of the sale counts once, and so does a sku that is named twice.
 */
static int64_t units_of_lots(const struct engine *e, const struct sale_version *v)
{
    int64_t units = 0;
    for (uint16_t i = 0; i < v->sku_count; i++) {
        for (lot_id id = lots_sku_at(&e->lots, v->skus[i])->oldest; id;
             id = lots_at(&e->lots, id)->sku_next_new)
            units += lot_units(e, id);
    }
    for (uint16_t i = 0; i < v->lot_count; i++) {
        if (!sale_version_has_sku_of(v, lots_at(&e->lots, v->lots[i])))
            units += lot_units(e, v->lots[i]);
    }
    return units;
}

static void copy_terms(struct sale_terms *to, const struct sale_version *v, struct sale_copy *copy)
{
    const struct sale_terms *t = &v->terms;
    *to = *t;
    memcpy(copy->texts, t->sale_id.p, t->sale_id.len);
    if (t->title.len)
        memcpy(copy->texts + t->sale_id.len, t->title.p, t->title.len);
    to->sale_id.p = copy->texts;
    to->title.p = copy->texts + t->sale_id.len;
    memcpy(copy->items, t->items, t->item_count * sizeof *t->items);
    to->items = copy->items;
}

static void view(const struct engine *e, const struct sale *s, struct sale_view *out,
                 struct sale_copy *copy)
{
    *out = (struct sale_view){
        .now_ms = e->now_ms,
        .created_ms = seq_ms(s->created_seq),
        .whole = s->whole,
        .units_pending = s->units_pending - s->units_due,
        .units_confirmed = s->units_confirmed,
        .units_left = units_of_lots(e, s->version),
        .orders_made = s->orders_made,
        .orders_back = s->orders_back,
        .groups_open = s->groups_open,
        .groups_succeeded = s->groups_succeeded,
        .groups_failed = s->groups_failed,
    };
    int64_t share = s->version->terms.total_limit;
    int64_t left = share - out->units_pending - out->units_confirmed;
    if (share && left < out->units_left)
        out->units_left = left > 0 ? left : 0;
    copy_terms(&out->terms, s->version, copy);
}

static void answer_sale(struct engine *e, struct command *c, const struct sale *s, uint8_t touched)
{
    view(e, s, &c->sale->sale, c->sale->copy);
    batch_attach(e, c, touched);
}

/* False: answered. */
static bool can_write(struct engine *e, struct command *c)
{
    if (!engine_takes_writes(e))
        engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
    else if (!batch_make_room(e, 1, 1))
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
    else
        return true;
    return false;
}

/* The version that the terms make, or NULL: answered. */
static struct sale_version *make_version(struct engine *e, struct command *c,
                                         const struct sale_terms *terms)
{
    uint32_t failed = 0;
    struct sale_version *v = sale_version_make(&e->lots, terms, &failed);
    c->sale->failed_item = failed;
    if (v)
        return v;
    if (failed == terms->item_count)
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
    else
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no lot of item %u of the sale", failed + 1);
    return NULL;
}

static struct sale_version *new_version(struct engine *e, struct command *c,
                                        const struct sale_terms *terms, int64_t hold_max_ms)
{
    c->code = check_terms(c, terms, hold_max_ms);
    if (!c->code)
        return make_version(e, c, terms);
    engine_reply(e, c);
    return NULL;
}

static struct move *add_move(struct engine *e, struct sale *s, struct sale_version *old)
{
    struct undo *u;
    struct move *m = batch_add(e, MOVE_SALE, NULL, NULL, 0, &u);
    u->sale = s;
    u->old_version = old;
    m->sale = s->version->terms.number;
    m->sale_terms = &s->version->terms;
    s->touched |= e->open->bit;
    s->terms_touched |= e->open->bit;
    return m;
}

static void change(struct engine *e, struct command *c, struct sale *s, struct sale_version *v)
{
    struct sale_version *old = s->version;
    s->version = v;
    struct move *m = add_move(e, s, old);
    m->note = batch_keep(e, c->sale->reason);
    answer_sale(e, c, s, s->touched);
}

void decide_create_sale(struct engine *e, struct command *c)
{
    const struct sale *there = sales_find(&e->sales, c->sale->terms.sale_id);
    c->sale->replayed = false;
    if (there) {
        c->code = engine_say(c, TLY_EALREADY_EXISTS, "sale %.*s exists",
                             STR_ARG(there->version->terms.sale_id));
        answer_sale(e, c, there, there->touched);
        return;
    }
    if (!can_write(e, c))
        return;
    const sale_number before = e->config.shared ? e->shared.sales_highest : e->sales.count;
    if (before >= e->config.sales_max) {
        engine_refuse(e, c, TLY_ELIMIT_EXCEEDED,
                      "sales_max: there are %u sales, the most there may be", e->config.sales_max);
        return;
    }
    struct sale_terms terms = c->sale->terms;
    terms.closed_ms = 0;
    terms.number = before + 1;
    struct sale_version *v = new_version(e, c, &terms, e->config.hold_max_ms);
    if (!v)
        return;
    struct sale *s = e->config.shared ? sales_put(&e->sales, v, 0) : sales_add(&e->sales, v, 0);
    if (!s) {
        sale_version_free(v);
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    s->users.all = &e->user_entries;
    s->created_seq = add_move(e, s, NULL)->seq;
    s->whole = true;
    shared_made_sale(e, terms.number);
    answer_sale(e, c, s, s->touched);
}

/* The sale that a command names, or NULL: answered. */
static struct sale *named(struct engine *e, struct command *c)
{
    struct sale *s = sales_find(&e->sales, c->sale->terms.sale_id);
    c->sale->replayed = false;
    if (!s)
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no sale %.*s",
                      STR_ARG(c->sale->terms.sale_id));
    else if (batch_is_unknown(e, s->terms_touched))
        engine_refuse(e, c, TLY_EOUTCOME_UNKNOWN, NULL);
    else
        return s;
    return NULL;
}

static struct sale_terms merged(const struct sale_terms *now, const struct sale_terms *set,
                                uint32_t sets)
{
    struct sale_terms t = *now;
    t.title = sets & SALE_TITLE ? set->title : t.title;
    t.starts_ms = sets & SALE_STARTS ? set->starts_ms : t.starts_ms;
    t.ends_ms = sets & SALE_ENDS ? set->ends_ms : t.ends_ms;
    t.per_user_limit = sets & SALE_PER_USER ? set->per_user_limit : t.per_user_limit;
    t.per_order_limit = sets & SALE_PER_ORDER ? set->per_order_limit : t.per_order_limit;
    t.total_limit = sets & SALE_TOTAL ? set->total_limit : t.total_limit;
    t.hold_ms = sets & SALE_HOLD ? set->hold_ms : t.hold_ms;
    t.queue = sets & SALE_QUEUE ? set->queue : t.queue;
    if (sets & SALE_EXTEND)
        t.payment_extend_ms_max = set->payment_extend_ms_max;
    if (sets & SALE_GROUP) {
        t.group_size = set->group_size;
        t.group_window_ms = set->group_window_ms;
    }
    if (sets & SALE_ITEMS) {
        t.item_count = set->item_count;
        t.items = set->items;
    }
    return t;
}

void decide_update_sale(struct engine *e, struct command *c)
{
    struct sale *s = named(e, c);
    if (!s)
        return;
    if (sale_has_ended(s, e->now_ms)) {
        c->code = engine_say(c, TLY_ESALE_CLOSED, "sale %.*s is over and stays as it is",
                             STR_ARG(s->version->terms.sale_id));
        answer_sale(e, c, s, s->touched);
        return;
    }
    if (!can_write(e, c))
        return;
    struct sale_terms terms = merged(&s->version->terms, &c->sale->terms, c->sale->sets);
    int64_t hold_max_ms = c->sale->sets & SALE_HOLD ? e->config.hold_max_ms : INT64_MAX;
    struct sale_version *v = new_version(e, c, &terms, hold_max_ms);
    if (v)
        change(e, c, s, v);
}

void decide_close_sale(struct engine *e, struct command *c)
{
    struct sale *s = named(e, c);
    if (!s)
        return;
    if (sale_has_ended(s, e->now_ms)) {
        c->sale->replayed = true;
        answer_sale(e, c, s, s->touched);
        return;
    }
    if (c->sale->reason.len > ADJUST_REASON_MAX) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "reason has at most %d bytes",
                      ADJUST_REASON_MAX);
        return;
    }
    if (!can_write(e, c))
        return;
    struct sale_terms terms = s->version->terms;
    terms.closed_ms = e->now_ms;
    struct sale_version *v = make_version(e, c, &terms);
    if (v)
        change(e, c, s, v);
}

void look_up_sale(struct engine *e, struct command *c)
{
    const struct sale *s = named(e, c);
    if (s)
        answer_sale(e, c, s, s->touched);
}

/* The next sale that there is; 0: none. */
static sale_number following(const struct engine *e, sale_number number)
{
    while (++number <= e->sales.count) {
        const struct sale *s = sales_at(&e->sales, number);
        if (s && s->load == e->sales.load)
            return number;
    }
    return 0;
}

void look_up_sales(struct engine *e, struct command *c)
{
    uint8_t touched = 0;
    sale_number number = c->list_sales.after, last = number;
    c->list_sales.count = 0;
    while ((number = following(e, number)) && c->list_sales.count < c->list_sales.page_size) {
        const struct sale *s = sales_at(&e->sales, number);
        uint32_t i = c->list_sales.count++;
        touched |= s->touched;
        view(e, s, &c->list_sales.sales[i], &c->list_sales.copies[i]);
        last = number;
    }
    c->list_sales.next = number ? last : 0;
    batch_attach(e, c, touched);
}

static void untouch(struct sale *s, uint8_t bit)
{
    s->touched &= (uint8_t)~bit;
    s->terms_touched &= (uint8_t)~bit;
}

void sale_committed(struct engine *e, struct undo *u, uint8_t bit)
{
    sale_version_free(u->old_version);
    u->old_version = NULL;
    untouch(u->sale, bit);
    sales_tell(&e->sales, u->sale);
}

void sale_undone(struct engine *e, struct undo *u, struct engine_batch *b)
{
    struct sale *s = u->sale;
    s->version->next = b->undone;
    b->undone = s->version;
    untouch(s, b->bit);
    if (u->old_version) {
        s->version = u->old_version;
        sales_tell(&e->sales, s); /* it may have been told of the other ones */
    } else {
        sales_drop(&e->sales, s); /* of it nobody was */
    }
}

void sale_versions_free(struct engine_batch *b)
{
    struct sale_version *next;
    for (struct sale_version *v = b->undone; v; v = next) {
        next = v->next;
        sale_version_free(v);
    }
    b->undone = NULL;
}

void sale_versions_drop(struct engine_batch *b)
{
    sale_versions_free(b);
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->moves[i].kind == MOVE_SALE)
            sale_version_free(b->undos[i].old_version);
    }
}

bool engine_next_sale(struct engine *e, struct sale_window *out)
{
    struct sale *s = e->sales.news;
    if (!s)
        return false;
    e->sales.news = s->news_next;
    s->in_news = false;
    const struct sale_terms *t = &s->version->terms;
    *out = (struct sale_window){.sale = t->number,
                                .sale_id = s->sale_id,
                                .starts_ms = t->starts_ms,
                                .ends_ms = t->closed_ms ? t->closed_ms : t->ends_ms};
    return true;
}

bool sale_is_over(const struct engine *e, const struct sale *s)
{
    const struct sale_terms *t = &s->version->terms;
    int64_t ended_ms = t->closed_ms ? t->closed_ms : t->ends_ms;
    return e->now_ms - ended_ms > e->config.hold_total_max_ms + e->config.refund_window_ms;
}

void sales_sweep(struct engine *e)
{
    struct sale *next;
    for (struct sale *s = e->sales.oldest; s; s = next) {
        next = s->newer;
        if (!s->terms_touched && sale_is_over(e, s))
            sales_unlive(&e->sales, s);
    }
}
