/* Sales and groups at an instant: what an honest shop would say about them. */
#include <string.h>

#include "audit_internal.h"
#include "base/error.h"

struct audit_sale *audit_sale_find(const struct auditor *a, struct str sale_id)
{
    for (uint32_t i = 0; i < a->sale_count; i++)
        if (str_equal(a->sales[i].terms->sale_id, sale_id))
            return (struct audit_sale *)&a->sales[i];
    return NULL;
}

struct audit_group *audit_group_find(const struct auditor *a, int64_t id)
{
    for (uint32_t i = 0; i < a->group_count && id; i++)
        if (a->groups[i].id == id)
            return (struct audit_group *)&a->groups[i];
    return NULL;
}

bool audit_group_open(const struct audit_group *g, size_t rows)
{
    return g->row < rows && g->end_row >= rows;
}

bool audit_in_open_group(const struct auditor *a, const struct audit_hold *h, size_t rows)
{
    const struct audit_group *g = audit_group_find(a, h->group_id);
    return g && audit_group_open(g, rows);
}

/* A paid one, too, ends with its group; one whose own deadline comes first has expired. */
bool audit_ended(const struct auditor *a, const struct audit_hold *h, const struct audit_step *s,
                 const struct audit_instant *in, enum refund_reason *reason)
{
    if (in->rows_only || s->state == HOLD_REFUNDED)
        return false;
    const struct audit_group *g = audit_group_find(a, h->group_id);
    bool over = g && audit_group_open(g, in->rows) && g->ends_ms <= in->at_ms;
    *reason = REASON_GROUP_FAILED;
    if (over && (s->state == HOLD_CONFIRMED || s->deadline_ms >= g->ends_ms))
        return true;
    *reason = REASON_EXPIRED;
    return s->state == HOLD_PENDING && s->deadline_ms <= in->at_ms;
}

static bool closed_at(const struct audit_sale *s, const struct audit_instant *in)
{
    return in->at_ms >= s->terms->ends_ms || s->close_row < in->rows;
}

bool audit_sells(const struct audit_sale *s, const struct audit_lot *lot)
{
    for (uint32_t i = 0; i < s->terms->item_count; i++)
        if (audit_lot_matches(lot, &s->terms->items[i]))
            return true;
    return false;
}

/* Units that a hold has in its sale: until they come back, shipped or not. */
static int64_t units_at(const struct auditor *a, const struct audit_hold *h,
                        const struct audit_instant *in, enum hold_state *state)
{
    const struct audit_step *s = audit_step_at(h, in->rows);
    enum refund_reason why;
    int64_t units = 0;
    *state = HOLD_REFUNDED;
    if (!s || s->state == HOLD_REFUNDED || audit_ended(a, h, s, in, &why))
        return 0;
    *state = (enum hold_state)s->state;
    for (uint32_t i = 0; i < s->held->line_count; i++)
        units += s->state == HOLD_PENDING ? s->held->lines[i].quantity
                                          : s->held->units[i].house + s->held->units[i].out;
    return units;
}

static int limits(const struct auditor *a, uint32_t sale, struct str user_id, int64_t order_units,
                  int64_t more, const struct audit_instant *in)
{
    const struct audit_sale_terms *t = a->sales[sale - 1].terms;
    int64_t of_user = 0, of_all = 0;
    enum hold_state state;
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        int64_t units = h->sale == sale ? units_at(a, h, in, &state) : 0;
        of_all += units;
        of_user += str_equal(str_of(h->user_id), user_id) ? units : 0;
    }
    if (t->per_order && order_units > t->per_order)
        return TLY_ELIMIT_EXCEEDED;
    if (t->per_user && of_user + more > t->per_user)
        return TLY_ELIMIT_EXCEEDED;
    return t->total && of_all + more > t->total ? TLY_ESOLD_OUT : 0;
}

/* A place in the group. */
static int place(const struct auditor *a, int64_t group_id, uint32_t sale, struct str user_id,
                 const struct audit_instant *in)
{
    const struct audit_group *g = audit_group_find(a, group_id);
    uint32_t members = 0;
    if (!g || g->row >= in->rows || g->sale != sale)
        return TLY_ENOT_FOUND;
    if (!audit_group_open(g, in->rows) || g->ends_ms <= in->at_ms)
        return TLY_EGROUP_CLOSED;
    for (size_t i = 0; i < a->hold_count; i++) {
        enum hold_state state = HOLD_REFUNDED;
        if (a->holds[i]->group_id == group_id)
            units_at(a, a->holds[i], in, &state);
        if (state == HOLD_REFUNDED)
            continue;
        if (str_equal(str_of(a->holds[i]->user_id), user_id))
            return TLY_ELIMIT_EXCEEDED;
        members++;
    }
    return members >= g->size ? TLY_EGROUP_FULL : 0;
}

/* Something of what the want names is sold there, or it is nowhere. */
static bool want_in_sale(const struct auditor *a, const struct audit_sale *s,
                         const struct audit_want *w, const struct audit_instant *in)
{
    bool sold = false, there = false;
    for (uint32_t i = 0; i < a->lot_count; i++) {
        const struct audit_lot *lot = &a->lots[i];
        bool named = str_empty(w->lot) ? str_equal(str_of(lot->sku), w->sku)
                                       : str_equal(str_of(lot->key), w->lot);
        named = named && lot->version_rows[1] < in->rows;
        there = there || named;
        sold = sold || (named && audit_sells(s, lot));
    }
    return sold || !there;
}

int audit_sale_admits(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_instant *in)
{
    int64_t units = 0;
    if (str_empty(ask->sale))
        return 0;
    const struct audit_sale *s = audit_sale_find(a, ask->sale);
    if (!s || s->row >= in->rows)
        return TLY_ENOT_FOUND;
    if (closed_at(s, in))
        return TLY_ESALE_CLOSED;
    if (in->at_ms < s->terms->starts_ms)
        return TLY_ESALE_NOT_OPEN;
    uint32_t number = (uint32_t)(s - a->sales) + 1;
    int code = ask->group_id ? place(a, ask->group_id, number, ask->user_id, in) : 0;
    for (uint32_t i = 0; i < ask->want_count && !code; i++) {
        units += ask->wants[i].quantity;
        code = want_in_sale(a, s, &ask->wants[i], in) ? 0 : TLY_EINVALID_ARGUMENT;
    }
    return code ? code : limits(a, number, ask->user_id, units, units, in);
}

int audit_sale_allows(const struct auditor *a, const struct audit_hold *h,
                      const struct audit_instant *in, const struct line *lines, uint32_t count,
                      int64_t units, bool joins)
{
    int64_t order_units = 0;
    if (!h->sale)
        return 0;
    const struct audit_sale *s = &a->sales[h->sale - 1];
    if (closed_at(s, in) && !joins) /* a late payment is of an order made in time */
        return TLY_ESALE_CLOSED;
    for (uint32_t i = 0; i < count; i++) {
        order_units += lines[i].quantity;
        if (lines[i].quantity && !audit_sells(s, &a->lots[lines[i].lot - 1]))
            return TLY_EINVALID_ARGUMENT;
    }
    int code = units > 0 ? limits(a, h->sale, str_of(h->user_id), order_units, units, in) : 0;
    if (!code && h->group_id && joins)
        code = place(a, h->group_id, h->sale, str_of(h->user_id), in);
    return code;
}

/* ---- calls ---- */

static void expect_create(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_instant *in, struct audit_expected *out)
{
    const struct audit_sale *s = audit_sale_find(a, ask->terms->sale_id);
    if (s && s->row < in->rows) {
        out->code = TLY_EALREADY_EXISTS;
        return;
    }
    for (uint32_t i = 0; i < ask->terms->item_count; i++) {
        bool there = false;
        for (uint32_t l = 0; l < a->lot_count; l++)
            there = there || (a->lots[l].version_rows[1] < in->rows &&
                              audit_lot_matches(&a->lots[l], &ask->terms->items[i]));
        out->code = there ? out->code : TLY_ENOT_FOUND;
    }
}

static void expect_group(const struct auditor *a, const struct audit_ask *ask,
                         const struct audit_instant *in, struct audit_expected *out)
{
    const struct audit_group *g = audit_group_find(a, ask->group_id);
    if (!g || g->row >= in->rows) {
        out->code = TLY_ENOT_FOUND;
    } else if (ask->kind == AUDIT_COMPLETE_GROUP) {
        bool open = audit_group_open(g, in->rows) && in->at_ms < g->ends_ms;
        bool succeeded = g->end_row < in->rows && g->status == GROUP_SUCCEEDED;
        out->code = open || succeeded ? 0 : TLY_EGROUP_CLOSED;
        out->replayed = succeeded;
    }
}

void audit_expect_sale(const struct auditor *a, const struct audit_ask *ask,
                       const struct audit_instant *in, struct audit_expected *out)
{
    if (ask->kind == AUDIT_CREATE_SALE) {
        expect_create(a, ask, in, out);
    } else if (ask->kind == AUDIT_CLOSE_SALE) {
        const struct audit_sale *s = audit_sale_find(a, ask->sale);
        out->code = s && s->row < in->rows ? 0 : TLY_ENOT_FOUND;
        out->replayed = !out->code && closed_at(s, in);
    } else {
        expect_group(a, ask, in, out);
    }
}

/* It is shown as it was after some row of the span; one that is past its window has failed. */
void audit_group_seen(struct auditor *a, const struct audit_ask *ask,
                      const struct audit_answer *answer)
{
    const struct audit_group *g = audit_group_find(a, ask->group_id);
    audit_count(a, AUDIT_OUTCOME_GROUP_SEEN);
    for (size_t rows = ask->rows_at_send; g && rows <= a->row_count; rows++) {
        const struct audit_instant in = {.rows = rows, .rows_only = true};
        uint32_t members = 0, paid = 0;
        for (size_t i = 0; i < a->hold_count; i++) {
            enum hold_state state = HOLD_REFUNDED;
            if (a->holds[i]->group_id == g->id)
                units_at(a, a->holds[i], &in, &state);
            members += state != HOLD_REFUNDED;
            paid += state == HOLD_CONFIRMED;
        }
        bool open = audit_group_open(g, rows);
        bool ended = !open && g->row < rows && answer->group_status == g->status;
        if (ended || (open && answer->group_status == GROUP_FAILED))
            return;
        if (open && answer->group_status == GROUP_IS_OPEN && answer->paid == paid &&
            answer->places_left == g->size - members)
            return;
    }
    audit_fail(a, "I4", "request %u saw a group that is %s, %u paid, %u places left: it never was",
               ask->number, group_status_name(answer->group_status), answer->paid,
               answer->places_left);
}
