/* The right answer to what is done with one reservation: paid, given back, shipped, changed. */
#include <string.h>

#include "audit_internal.h"
#include "base/error.h"

enum { DAY_MS = 86400000 };

struct audit_hold *audit_named(const struct auditor *a, const struct audit_ask *ask, size_t rows)
{
    struct audit_hold *h = str_empty(ask->by_order)
                               ? audit_hold_find(a, ask->reservation_id)
                               : audit_hold_of_order_at(a, ask->by_order, rows);
    return h && h->steps[0].row < rows ? h : NULL;
}

/* ---- units ---- */

bool audit_takes(const struct auditor *a, const struct audit_ask *ask,
                 const struct audit_held *held, const int64_t *most, int64_t *taken)
{
    for (uint32_t i = 0; i < held->line_count; i++)
        taken[i] = ask->want_count ? 0 : most[i];
    for (uint32_t w = 0; w < ask->want_count; w++) {
        uint32_t i = 0;
        while (i < held->line_count &&
               !str_equal(str_of(a->lots[held->lines[i].lot - 1].key), ask->wants[w].lot))
            i++;
        if (i == held->line_count)
            return false;
        taken[i] += ask->wants[w].quantity;
        if (taken[i] > most[i])
            return false;
    }
    return true;
}

static bool takes_of_lines(const struct auditor *a, const struct audit_ask *ask,
                           const struct audit_held *held, int64_t *taken)
{
    int64_t most[AUDIT_LINES_MAX];
    for (uint32_t i = 0; i < held->line_count; i++)
        most[i] = held->lines[i].quantity;
    return audit_takes(a, ask, held, most, taken);
}

/* ---- calls with an id of their own ---- */

static bool same_goods(const struct audit_want *x, const struct audit_want *y)
{
    return str_equal(x->lot, y->lot) && str_equal(x->sku, y->sku) &&
           str_equal(x->flavor, y->flavor) && str_equal(x->size, y->size);
}

static int64_t units_of(const struct audit_want *wants, uint32_t count, const struct audit_want *of)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < count; i++)
        units += same_goods(&wants[i], of) ? wants[i].quantity : 0;
    return units;
}

/* Neither the order of its lines matters, nor whether one is named in two. */
static bool same_call(const struct audit_call *call, const struct audit_ask *ask)
{
    bool same = call->reason == ask->reason && call->no_restock == ask->no_restock &&
                (call->want_count == 0) == (ask->want_count == 0);
    for (uint32_t i = 0; same && i < call->want_count; i++)
        same = units_of(call->wants, call->want_count, &call->wants[i]) ==
               units_of(ask->wants, ask->want_count, &call->wants[i]);
    for (uint32_t i = 0; same && i < ask->want_count; i++)
        same = units_of(call->wants, call->want_count, &ask->wants[i]) ==
               units_of(ask->wants, ask->want_count, &ask->wants[i]);
    return same;
}

static bool made_before(const struct audit_hold *h, const struct audit_ask *ask, size_t rows,
                        struct audit_expected *out)
{
    for (size_t i = 0; i < h->call_count && !str_empty(ask->call_id); i++) {
        const struct audit_call *call = &h->calls[i];
        if (call->row >= rows || call->kind != ask->kind ||
            !str_equal(str_of(call->id), ask->call_id))
            continue;
        out->replayed = same_call(call, ask);
        out->code = out->replayed ? 0 : TLY_EORDER_MISMATCH;
        return true;
    }
    return false;
}

/* ---- confirm ---- */

/* Without lines all was wanted that was reserved. */
static bool confirms_the_same(const struct auditor *a, const struct audit_ask *ask,
                              const struct audit_held *held)
{
    int64_t taken[AUDIT_LINES_MAX];
    if (!ask->want_count)
        return audit_lines_equal(held->lines, held->line_count, held->reserved,
                                 held->reserved_count);
    bool same = takes_of_lines(a, ask, held, taken);
    for (uint32_t i = 0; same && i < held->line_count; i++)
        same = taken[i] == held->lines[i].quantity;
    return same;
}

/* It had ended, and is paid for all the same. */
static void expect_reclaim(const struct auditor *a, const struct audit_ask *ask,
                           const struct audit_hold *h, const struct audit_step *s,
                           const struct audit_instant *in, struct audit_expected *out)
{
    struct line lines[AUDIT_LINES_MAX];
    int64_t taken[AUDIT_LINES_MAX], units[AUDIT_LOTS_MAX], all = 0;
    if (s->reason != REASON_EXPIRED || in->at_ms - s->deadline_ms > a->rules.refund_window_ms) {
        out->code = TLY_EINVALID_TRANSITION;
    } else if (!takes_of_lines(a, ask, s->held, taken)) {
        out->code = TLY_EINVALID_ARGUMENT;
    } else {
        audit_free_units(a, in, units);
        for (uint32_t i = 0; i < s->held->line_count; i++) {
            lot_id lot = s->held->lines[i].lot;
            const struct lot_terms *t = audit_terms_at(&a->lots[lot - 1], in->rows);
            bool past = t->expires_on < in->at_ms / DAY_MS;
            if (taken[i] && (past || audit_sellable(t, units[lot - 1]) < taken[i]))
                out->code = TLY_ESOLD_OUT;
            lines[i] = (struct line){lot, taken[i]};
            all += taken[i];
        }
        if (!out->code)
            out->code = audit_sale_allows(a, h, in, lines, s->held->line_count, all, true);
        if (!out->code && !h->sale)
            out->code = audit_lot_limits(a, str_of(h->user_id), in, lines, s->held->line_count);
    }
}

static void expect_confirm(const struct auditor *a, const struct audit_ask *ask,
                           const struct audit_hold *h, const struct audit_step *s,
                           const struct audit_instant *in, struct audit_expected *out)
{
    int64_t taken[AUDIT_LINES_MAX];
    if (s->state == HOLD_CONFIRMED) {
        out->replayed =
            confirms_the_same(a, ask, s->held) &&
            (str_empty(ask->payment_id) || str_equal(ask->payment_id, str_of(h->payment_id)));
        out->code = out->replayed ? 0 : TLY_EORDER_MISMATCH;
    } else if (s->state == HOLD_REFUNDED && ask->reclaim) {
        expect_reclaim(a, ask, h, s, in, out);
    } else if (s->state != HOLD_PENDING) {
        out->code = TLY_EINVALID_TRANSITION;
    } else if (!takes_of_lines(a, ask, s->held, taken)) {
        out->code = TLY_EINVALID_ARGUMENT;
    }
}

/* Units that are not there yet can neither leave nor be written off. */
static bool takes_owed(const struct auditor *a, const struct audit_hold *h,
                       const struct audit_held *held, const int64_t *taken,
                       const struct audit_instant *in)
{
    for (uint32_t i = 0; i < held->line_count; i++) {
        int64_t house = held->units[i].house;
        int64_t of_house = taken[i] < house ? taken[i] : house;
        int64_t owed = of_house ? audit_owed(a, h, held->lines[i].lot, in) : 0;
        if (of_house > house - owed)
            return true;
    }
    return false;
}

/* ---- refund ---- */

/* All of it came back; who says of what did has the same in mind. */
static bool names_all(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_held *held)
{
    for (uint32_t i = 0; i < held->line_count; i++) {
        const struct audit_want of = {.lot = str_of(a->lots[held->lines[i].lot - 1].key)};
        if (units_of(ask->wants, ask->want_count, &of) != held->lines[i].quantity)
            return false;
    }
    return true;
}

static void expect_refunded(const struct auditor *a, const struct audit_ask *ask,
                            const struct audit_hold *h, const struct audit_step *s,
                            struct audit_expected *out)
{
    bool other = ask->reason && ask->reason != (enum refund_reason)s->reason &&
                 s->reason != REASON_EXPIRED && !h->fence;
    bool written_off = s->kind == MOVE_WRITE_OFF || s->kind == MOVE_DISCARD;
    if (ask->want_count && !names_all(a, ask, s->held))
        out->code = TLY_EINVALID_TRANSITION;
    else if (other || (ask->no_restock && !written_off))
        out->code = TLY_EORDER_MISMATCH;
    else
        out->replayed = true;
}

static void expect_refund(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_hold *h, const struct audit_step *s,
                          const struct audit_instant *in, struct audit_expected *out)
{
    int64_t most[AUDIT_LINES_MAX], taken[AUDIT_LINES_MAX];
    for (uint32_t i = 0; i < s->held->line_count; i++)
        most[i] = s->held->units[i].house + s->held->units[i].out;
    if (s->state == HOLD_REFUNDED)
        expect_refunded(a, ask, h, s, out);
    else if (ask->reason == REASON_GROUP_FAILED && h->group_id)
        out->code = TLY_EINVALID_ARGUMENT; /* that is for the group to say */
    else if (s->state == HOLD_PENDING)
        out->code = ask->want_count || ask->no_restock ? TLY_EINVALID_ARGUMENT : 0;
    else if (in->at_ms - h->confirmed_ms > a->rules.refund_window_ms)
        out->code = TLY_EINVALID_TRANSITION;
    else if (!audit_takes(a, ask, s->held, most, taken))
        out->code = TLY_EINVALID_ARGUMENT;
    else if (memcmp(most, taken, s->held->line_count * sizeof *most) != 0 &&
             audit_in_open_group(a, h, in->rows))
        out->code = TLY_EINVALID_TRANSITION;
    else if (ask->no_restock && takes_owed(a, h, s->held, taken, in))
        out->code = TLY_EINVALID_TRANSITION;
}

/* ---- the others ---- */

static void expect_extend(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_hold *h, const struct audit_step *s,
                          const struct audit_instant *in, struct audit_expected *out)
{
    int64_t hold_ms = ask->hold_ms ? ask->hold_ms : a->rules.hold_default_ms;
    int64_t deadline_ms = in->at_ms + hold_ms;
    if (s->state != HOLD_PENDING)
        out->code = TLY_EINVALID_TRANSITION;
    else if (hold_ms < 1 || hold_ms > a->rules.hold_max_ms)
        out->code = TLY_EINVALID_ARGUMENT;
    else if (deadline_ms <= s->deadline_ms)
        out->replayed = true;
    else if (deadline_ms > h->created_ms + a->rules.hold_total_max_ms)
        out->code = TLY_ELIMIT_EXCEEDED;
    else if (h->sale && a->sales[h->sale - 1].terms->extend_ms &&
             deadline_ms > h->first_deadline_ms + a->sales[h->sale - 1].terms->extend_ms)
        out->code = TLY_ELIMIT_EXCEEDED;
}

/* All that is in the house, or what is named of it. Who wants all to leave that has left has that.
 */
static void expect_ship(const struct auditor *a, const struct audit_ask *ask,
                        const struct audit_hold *h, const struct audit_step *s,
                        const struct audit_instant *in, struct audit_expected *out)
{
    int64_t house[AUDIT_LINES_MAX], taken[AUDIT_LINES_MAX], in_house = 0, shipped = 0;
    for (uint32_t i = 0; i < s->held->line_count; i++) {
        house[i] = s->held->units[i].house;
        in_house += house[i];
        shipped += s->held->units[i].shipped;
    }
    if (s->state != HOLD_CONFIRMED || audit_in_open_group(a, h, in->rows)) {
        out->code = TLY_EINVALID_TRANSITION;
    } else if (in_house == 0) {
        out->replayed = shipped && !ask->want_count && str_empty(ask->call_id);
        out->code = out->replayed ? 0 : TLY_EINVALID_TRANSITION;
    } else if (!audit_takes(a, ask, s->held, house, taken)) {
        out->code = TLY_EINVALID_ARGUMENT;
    } else if (takes_owed(a, h, s->held, taken, in)) {
        out->code = TLY_EINVALID_TRANSITION;
    }
}

static int64_t units_in(const struct line *lines, uint32_t count)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < count; i++)
        units += lines[i].quantity;
    return units;
}

/* What the lines have that the hold does not. */
static uint32_t more_than(const struct line *lines, uint32_t count, const struct audit_held *held,
                          struct line *more)
{
    for (uint32_t i = 0; i < count; i++) {
        more[i] = lines[i];
        for (uint32_t j = 0; j < held->line_count; j++)
            more[i].quantity -= held->lines[j].lot == lines[i].lot ? held->lines[j].quantity : 0;
    }
    return count;
}

bool audit_gives_back(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_held *held, struct line *lines, uint32_t *count)
{
    int64_t taken[AUDIT_LINES_MAX];
    if (!ask->want_count || !takes_of_lines(a, ask, held, taken))
        return false;
    *count = 0;
    for (uint32_t i = 0; i < held->line_count; i++) {
        if (taken[i])
            lines[(*count)++] = (struct line){held->lines[i].lot, taken[i]};
    }
    return true;
}

static void expect_change(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_hold *h, const struct audit_step *s,
                          const struct audit_instant *in, struct audit_expected *out)
{
    if (s->state != HOLD_PENDING) {
        out->code = TLY_EINVALID_TRANSITION;
        return;
    }
    bool less = audit_gives_back(a, ask, s->held, out->lines, &out->line_count);
    if (!less)
        out->code = audit_allocation(a, ask, in, s->held, out->lines, &out->line_count);
    if (!out->code && !less)
        out->code = audit_sale_allows(a, h, in, out->lines, out->line_count,
                                      units_in(out->lines, out->line_count) -
                                          units_in(s->held->lines, s->held->line_count),
                                      false);
    if (!out->code && !h->sale) {
        struct line more[ORDER_LINES_MAX];
        uint32_t count = more_than(out->lines, out->line_count, s->held, more);
        out->code = audit_lot_limits(a, str_of(h->user_id), in, more, count);
    }
    out->replayed =
        !out->code && str_empty(ask->call_id) &&
        audit_lines_equal(out->lines, out->line_count, s->held->lines, s->held->line_count);
}

/* A hold that is due has ended. */
static struct audit_step step_now(const struct auditor *a, const struct audit_hold *h,
                                  const struct audit_instant *in)
{
    struct audit_step s = *audit_step_at(h, in->rows);
    enum refund_reason reason;
    if (audit_ended(a, h, &s, in, &reason)) {
        s.state = HOLD_REFUNDED;
        s.reason = (uint8_t)reason;
        s.kind = MOVE_REFUND;
    }
    return s;
}

void audit_expect_move(const struct auditor *a, const struct audit_ask *ask,
                       const struct audit_instant *in, struct audit_expected *out)
{
    const struct audit_hold *h = audit_named(a, ask, in->rows);
    if (!h) {
        out->code = !ask->fence ? TLY_ENOT_FOUND : ask->want_count ? TLY_EINVALID_ARGUMENT : 0;
        return;
    }
    if (made_before(h, ask, in->rows, out))
        return;
    const struct audit_step s = step_now(a, h, in);
    if (ask->kind == AUDIT_CONFIRM)
        expect_confirm(a, ask, h, &s, in, out);
    else if (ask->kind == AUDIT_REFUND)
        expect_refund(a, ask, h, &s, in, out);
    else if (ask->kind == AUDIT_SHIP)
        expect_ship(a, ask, h, &s, in, out);
    else if (ask->kind == AUDIT_CHANGE)
        expect_change(a, ask, h, &s, in, out);
    else
        expect_extend(a, ask, h, &s, in, out);
}

/* ---- several at once ---- */

static int expect_one(const struct auditor *a, const struct audit_ask *ask, int64_t id,
                      const struct audit_instant *in, bool *replayed)
{
    const struct audit_hold *h = audit_hold_find(a, id);
    if (!h || h->steps[0].row >= in->rows)
        return TLY_ENOT_FOUND;
    const struct audit_step s = step_now(a, h, in);
    *replayed = s.state == HOLD_CONFIRMED;
    if (s.state == HOLD_REFUNDED)
        return TLY_EINVALID_TRANSITION;
    return *replayed && !str_equal(str_of(h->payment_id), ask->payment_id) ? TLY_EORDER_MISMATCH
                                                                           : 0;
}

bool audit_all_fails(const struct auditor *a, const struct audit_ask *ask,
                     const struct audit_instant *in, int code)
{
    bool replayed;
    for (uint32_t i = 0; i < ask->id_count; i++)
        if (expect_one(a, ask, ask->ids[i], in, &replayed) == code)
            return true;
    return false;
}

void audit_expect_all(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_instant *in, struct audit_expected *out)
{
    out->replayed = true;
    for (uint32_t i = 0; i < ask->id_count && !out->code; i++) {
        bool replayed = false;
        out->code = expect_one(a, ask, ask->ids[i], in, &replayed);
        out->replayed = out->replayed && replayed;
    }
    out->replayed = out->replayed && !out->code;
}
