/* The right answer: what an honest shop would say to a request at one instant. An instant is a
 * number of rows and a time; what was due by then counts as given back.
 *
 * It is written from the promises and from docs/api.md, and looks at nothing but the model that the
 * rows make: no line of it is the engine's.
 */
#include <string.h>

#include "audit_internal.h"
#include "base/error.h"

enum { DAY_MS = 86400000 };

/* ---- the world at an instant ---- */

static bool lot_there(const struct audit_lot *lot, const struct audit_instant *in)
{
    return lot->version_rows[1] < in->rows;
}

static struct stock stock_at(const struct audit_lot *lot, size_t rows)
{
    int64_t version = lot->stock.version;
    while (version > 0 && lot->version_rows[version] >= rows)
        version--;
    return lot->versions[version];
}

void audit_free_units(const struct auditor *a, const struct audit_instant *in, int64_t *units)
{
    for (uint32_t i = 0; i < a->lot_count; i++) {
        struct stock s = stock_at(&a->lots[i], in->rows);
        units[i] = s.on_hand - s.reserved - s.confirmed;
    }
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        const struct audit_step *s = audit_step_at(h, in->rows);
        enum refund_reason why;
        if (s && audit_ended(a, h, s, in, &why))
            for (uint32_t j = 0; j < s->held->line_count; j++)
                units[s->held->lines[j].lot - 1] += s->held->lines[j].quantity;
    }
}

/* What holds_max bounds: PENDING ones, and paid ones whose group is OPEN. */
static uint32_t bounded_count(const struct auditor *a, const struct audit_instant *in)
{
    uint32_t count = 0;
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        const struct audit_step *s = audit_step_at(h, in->rows);
        enum refund_reason why;
        bool waits = s && s->state == HOLD_CONFIRMED && audit_in_open_group(a, h, in->rows);
        count += s && (s->state == HOLD_PENDING || waits) && !audit_ended(a, h, s, in, &why);
    }
    return count;
}

/* ---- an order ---- */

static unsigned given(const struct audit_want *w)
{
    return (unsigned)!str_empty(w->flavor) + (unsigned)!str_empty(w->size);
}

/* By date; of one date by the batch's name, then the older lot. */
static bool sells_before(const struct audit_lot *x, const struct audit_lot *y, size_t rows)
{
    int32_t x_day = audit_terms_at(x, rows)->expires_on;
    int32_t y_day = audit_terms_at(y, rows)->expires_on;
    if (x_day != y_day)
        return x_day < y_day;
    int order = strcmp(x->batch, y->batch);
    return order ? order < 0 : x < y;
}

/* The lot to take from after `last`, in the order in which they expire; NULL: no more. */
static const struct audit_lot *next_to_sell(const struct auditor *a, const struct audit_want *w,
                                            const struct audit_instant *in,
                                            const struct audit_lot *last)
{
    const struct audit_lot *best = NULL;
    for (uint32_t i = 0; i < a->lot_count; i++) {
        const struct audit_lot *lot = &a->lots[i];
        if (!lot_there(lot, in) || !audit_lot_matches(lot, w) ||
            (last && !sells_before(last, lot, in->rows)))
            continue;
        if (!best || sells_before(lot, best, in->rows))
            best = lot;
    }
    return best;
}

static bool flavor_known(const struct auditor *a, const struct audit_want *w,
                         const struct audit_instant *in, bool *sku_known)
{
    bool known = str_empty(w->flavor);
    *sku_known = false;
    for (uint32_t i = 0; i < a->lot_count; i++) {
        if (!lot_there(&a->lots[i], in) || !str_equal(str_of(a->lots[i].sku), w->sku))
            continue;
        *sku_known = true;
        known = known || str_equal(str_of(a->lots[i].flavor), w->flavor);
    }
    return known;
}

/* Takes one want out of `units` and puts it down in `taken`. */
static int take(const struct auditor *a, const struct audit_want *w, const struct audit_instant *in,
                int64_t *units, int64_t *taken)
{
    int64_t missing = w->quantity;
    const struct audit_lot *lot = next_to_sell(a, w, in, NULL);
    if (!lot) {
        bool sku_known;
        bool known = flavor_known(a, w, in, &sku_known);
        return str_empty(w->lot) && sku_known && !known ? TLY_EINVALID_ARGUMENT : TLY_ENOT_FOUND;
    }
    for (int to_come = 0; to_come <= 1; to_come++) { /* what is there first */
        for (const struct audit_lot *l = lot; l && missing; l = next_to_sell(a, w, in, l)) {
            size_t i = (size_t)(l - a->lots);
            const struct lot_terms *t = audit_terms_at(l, in->rows);
            int64_t most = units[i] + (to_come ? t->backorder_limit : 0);
            if (t->expires_on < in->at_ms / DAY_MS || t->withdrawn || most <= 0)
                continue;
            int64_t part = most < missing ? most : missing;
            units[i] -= part;
            taken[i] += part;
            missing -= part;
        }
    }
    return missing ? TLY_ESOLD_OUT : 0;
}

bool audit_names_nothing(const struct auditor *a, const struct audit_ask *ask, int code)
{
    const struct audit_instant in = {.rows = ask->rows_at_send, .at_ms = ask->sent_ms};
    int64_t units[AUDIT_LOTS_MAX] = {0}, taken[AUDIT_LOTS_MAX] = {0};
    for (uint32_t i = 0; i < ask->want_count; i++)
        if (take(a, &ask->wants[i], &in, units, taken) == code)
            return true;
    return false;
}

int audit_allocation(const struct auditor *a, const struct audit_ask *ask,
                     const struct audit_instant *in, const struct audit_held *has,
                     struct line *lines, uint32_t *count)
{
    int64_t units[AUDIT_LOTS_MAX], taken[AUDIT_LOTS_MAX] = {0};
    audit_free_units(a, in, units);
    for (uint32_t i = 0; has && i < has->line_count; i++)
        units[has->lines[i].lot - 1] += has->lines[i].quantity;
    *count = 0;
    for (unsigned level = 4; level-- > 0;) { /* lots by name first, then what says most */
        for (uint32_t i = 0; i < ask->want_count; i++) {
            const struct audit_want *w = &ask->wants[i];
            unsigned says = str_empty(w->lot) ? given(w) : 3;
            int code = says == level ? take(a, w, in, units, taken) : 0;
            if (code)
                return code;
        }
    }
    for (uint32_t i = 0; i < a->lot_count; i++)
        if (taken[i])
            lines[(*count)++] = (struct line){.lot = i + 1, .quantity = taken[i]};
    return 0;
}

static bool forgotten(const struct auditor *a, const struct audit_hold *h, int64_t at_ms)
{
    return at_ms - h->created_ms > a->rules.retention_ms;
}

static void expect_reserve(struct auditor *a, const struct audit_ask *ask,
                           const struct audit_instant *in, struct audit_expected *out)
{
    const struct audit_hold *h = audit_hold_of_order_at(a, ask->order_id, in->rows);
    int64_t hold_ms = ask->hold_ms ? ask->hold_ms : a->rules.hold_default_ms;
    out->either = h && forgotten(a, h, in->at_ms);
    out->if_remembered = h ? audit_replay(ask, h) : 0;
    if (h && !out->either) {
        out->code = out->if_remembered;
        out->replayed = !out->code;
    } else if (hold_ms < 1 || hold_ms > a->rules.hold_max_ms) {
        out->code = TLY_EINVALID_ARGUMENT;
    } else {
        out->code = audit_sale_admits(a, ask, in);
        if (!out->code && audit_user_has_holds(a, ask->user_id, in))
            out->code = TLY_ELIMIT_EXCEEDED;
        if (!out->code)
            out->code = audit_allocation(a, ask, in, NULL, out->lines, &out->line_count);
        if (!out->code && str_empty(ask->sale))
            out->code = audit_lot_limits(a, ask->user_id, in, out->lines, out->line_count);
        if (!out->code && bounded_count(a, in) >= a->rules.holds_max)
            out->code = TLY_EOVERLOADED; /* it passes */
    }
}

/* ---- lots ---- */

static void expect_adjust(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_instant *in, struct audit_expected *out)
{
    const struct audit_lot *lot = audit_lot_find(a, ask->lot);
    int64_t units[AUDIT_LOTS_MAX];
    if (!lot || !lot_there(lot, in)) {
        out->code = TLY_ENOT_FOUND;
        return;
    }
    for (size_t i = 0; i < a->adjustment_count && !str_empty(ask->adjustment_id); i++) {
        const struct audit_adjustment *done = &a->adjustments[i];
        if (done->row >= in->rows || !str_equal(str_of(done->id), ask->adjustment_id))
            continue;
        bool same =
            done->line.lot == (lot_id)(lot - a->lots) + 1 && done->line.quantity == ask->quantity;
        out->replayed = same;
        out->code = same ? 0 : TLY_EORDER_MISMATCH;
        return;
    }
    audit_free_units(a, in, units);
    int64_t left = units[lot - a->lots] > 0 ? units[lot - a->lots] : 0;
    if (ask->quantity < 0 && left + ask->quantity < 0)
        out->code = TLY_ESOLD_OUT;
}

static uint32_t lots_at(const struct auditor *a, const struct audit_instant *in)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->lot_count; i++)
        count += lot_there(&a->lots[i], in);
    return count;
}

void audit_expect(struct auditor *a, const struct audit_ask *ask, const struct audit_instant *in,
                  struct audit_expected *out)
{
    const struct audit_lot *lot = audit_lot_find(a, ask->lot);
    bool there = lot && lot_there(lot, in);
    *out = (struct audit_expected){0};
    switch (ask->kind) {
    case AUDIT_CREATE:
        if (there)
            out->code = TLY_EALREADY_EXISTS;
        else if (lots_at(a, in) >= a->rules.lots_max)
            out->code = TLY_ELIMIT_EXCEEDED;
        break;
    case AUDIT_ADJUST:
        expect_adjust(a, ask, in, out);
        break;
    case AUDIT_RESERVE:
        expect_reserve(a, ask, in, out);
        break;
    case AUDIT_CONFIRM:
    case AUDIT_REFUND:
    case AUDIT_EXTEND:
    case AUDIT_SHIP:
    case AUDIT_CHANGE:
        audit_expect_move(a, ask, in, out);
        break;
    case AUDIT_CREATE_SALE:
    case AUDIT_CLOSE_SALE:
    case AUDIT_COMPLETE_GROUP:
    case AUDIT_GET_GROUP:
        audit_expect_sale(a, ask, in, out);
        break;
    case AUDIT_CONFIRM_ALL:
        audit_expect_all(a, ask, in, out);
        break;
    case AUDIT_SET:
        out->code = audit_expect_set(a, ask, in);
        break;
    case AUDIT_GET_LOT:
    case AUDIT_UPDATE_LOT:
        out->code = there ? 0 : TLY_ENOT_FOUND;
        break;
    case AUDIT_LIST_LOTS:
    case AUDIT_CHANGES:
        break;
    case AUDIT_GET_RESERVATION: {
        const struct audit_hold *h = str_empty(ask->order_id)
                                         ? audit_hold_find(a, ask->reservation_id)
                                         : audit_hold_of_order_at(a, ask->order_id, in->rows);
        bool known = h && audit_step_at(h, in->rows);
        out->either = known && !str_empty(ask->order_id) && forgotten(a, h, in->at_ms);
        out->code = known ? 0 : TLY_ENOT_FOUND;
        break;
    }
    }
}
