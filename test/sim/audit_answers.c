/* Whether an answer was true when it was given.
 *
 * An answer may rest on any instant between the request's departure and its own arrival. Instants
 * are counted in durable rows: whatever an answer says must have been so after some number of rows
 * in that span, because what is not durable must not be told (I3).
 */
#include <inttypes.h>

#include "audit_internal.h"
#include "base/error.h"

struct span {
    size_t from; /* durable rows when the request left */
    size_t to;   /* when the answer came */
    int64_t from_ms;
    int64_t to_ms;
};

static bool not_done(int code)
{
    return code == TLY_EOVERLOADED || code == TLY_EUNAVAILABLE;
}

/* ---- sold out ---- */

/* Units that other requests under way may have been promised, but that are not durable yet. */
static int64_t spoken_for(struct auditor *a, const struct audit_ask *ask, lot_id lot)
{
    const struct audit_lot *l = &a->lots[lot - 1];
    int64_t units = 0;
    for (const struct audit_ask *other = a->asks; other; other = other->next) {
        if (other == ask)
            continue;
        if (other->kind == AUDIT_ADJUST && str_equal(other->lot, str_of(l->key)) &&
            other->quantity < 0)
            units -= other->quantity;
        if (other->kind != AUDIT_RESERVE)
            continue;
        for (uint32_t i = 0; i < other->want_count; i++)
            if (audit_lot_matches(l, &other->wants[i]))
                units += other->wants[i].quantity;
    }
    return units;
}

/* Somebody pays or extends, which may be decided already although it is not durable. */
static bool may_go_on(const struct auditor *a, const struct audit_hold *h)
{
    for (const struct audit_ask *ask = a->asks; ask; ask = ask->next)
        if ((ask->kind == AUDIT_CONFIRM || ask->kind == AUDIT_EXTEND) &&
            ask->reservation_id == h->id)
            return true;
    return false;
}

/* How many units of the lots that match `w` there were at the worst instant of the span, counting
 * as free those of holds that were due when the request left (I5). */
static int64_t least_available(struct auditor *a, const struct audit_want *w,
                               const struct span *span)
{
    int64_t units = 0;
    bool matches[AUDIT_LOTS_MAX + 1] = {false};
    for (uint32_t i = 0; i < a->lot_count; i++) {
        const struct audit_lot *lot = &a->lots[i];
        matches[i + 1] = audit_lot_matches(lot, w) && lot->expires_on >= span->to_ms / 86400000;
        if (matches[i + 1])
            units += audit_available(lot);
    }
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        if (h->state != HOLD_PENDING || h->deadline_ms > span->from_ms || may_go_on(a, h))
            continue;
        for (uint32_t j = 0; j < h->line_count; j++)
            units += matches[h->lines[j].lot] ? h->lines[j].quantity : 0;
    }
    int64_t least = units;
    for (size_t i = a->effect_count; i-- > 0 && a->effects[i].row >= span->from;) {
        const struct audit_effect *e = &a->effects[i];
        if (!matches[e->lot] || e->expired_deadline_ms <= span->from_ms)
            continue;
        units -= e->available;
        if (units < least)
            least = units;
    }
    return least;
}

static int64_t wanted_of(struct auditor *a, const struct audit_ask *ask, const struct audit_want *w)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < ask->want_count; i++) {
        bool overlaps = false;
        for (uint32_t l = 0; l < a->lot_count && !overlaps; l++)
            overlaps =
                audit_lot_matches(&a->lots[l], w) && audit_lot_matches(&a->lots[l], &ask->wants[i]);
        if (overlaps)
            units += ask->wants[i].quantity;
    }
    return units > w->quantity ? units : w->quantity;
}

/* A refusal does not wait for what it rests on to become durable, so it may count the units that
 * others asked for and may have been promised. */
static void sold_out(struct auditor *a, const struct audit_ask *ask, const struct span *span,
                     bool from_gate)
{
    int64_t had = 0;
    for (uint32_t i = 0; i < ask->want_count; i++) {
        const struct audit_want *w = &ask->wants[i];
        had = least_available(a, w, span);
        for (uint32_t l = 0; l < a->lot_count; l++)
            if (audit_lot_matches(&a->lots[l], w))
                had -= spoken_for(a, ask, l + 1);
        if (had < wanted_of(a, ask, w))
            return;
    }
    audit_fail(a, "I2",
               "request %u (order %.*s) was refused as sold out by the %s, and %" PRId64
               " units were there",
               ask->number, STR_ARG(ask->order_id), from_gate ? "gate" : "engine", had);
}

/* ---- orders ---- */

static void reserved(struct auditor *a, const struct audit_ask *ask,
                     const struct audit_answer *answer, const struct span *span)
{
    struct audit_hold *h = audit_hold_find(a, answer->reservation_id);
    if (!h || !str_equal(str_of(h->order_id), ask->order_id)) {
        audit_fail(a, "I3", "request %u was told that order %.*s is reserved, which is not durable",
                   ask->number, STR_ARG(ask->order_id));
        return;
    }
    const struct audit_step *first = &h->steps[0];
    if (!answer->replayed) {
        if (h->answered_first || first->row < span->from)
            audit_fail(a, "I4", "order %s was reserved for request %u as if for the first time",
                       h->order_id, ask->number);
        h->answered_first = true;
    }
    if (answer->at_ms != h->created_ms)
        audit_fail(a, "I4", "request %u heard of another time for order %s", ask->number,
                   h->order_id);
    bool state_was_so = false;
    for (uint32_t i = 0; i < h->step_count; i++) {
        bool over = i + 1 < h->step_count && h->steps[i + 1].row < span->from;
        state_was_so = state_was_so || (h->steps[i].state == answer->state && !over);
    }
    if (!state_was_so)
        audit_fail(a, "I4", "request %u heard that order %s is %s, which it was not", ask->number,
                   h->order_id, hold_state_name(answer->state));
    if (answer->state == HOLD_PENDING && h->state == HOLD_PENDING &&
        !audit_lines_equal(answer->lines, answer->line_count, h->lines, h->line_count))
        audit_fail(a, "I4", "request %u heard of other lines for order %s", ask->number,
                   h->order_id);
    if (answer->state == HOLD_PENDING &&
        (!str_equal(str_of(h->user_id), ask->user_id) ||
         !audit_lines_serve(a, ask, answer->lines, answer->line_count)))
        audit_fail(a, "I4", "request %u got order %s, which is not what it asked for", ask->number,
                   h->order_id);
}

/* The ask is what the order was reserved with, as far as user and lines go. */
static bool same_content(struct auditor *a, const struct audit_ask *ask, const struct audit_hold *h)
{
    return str_equal(str_of(h->user_id), ask->user_id) &&
           audit_lines_serve(a, ask, h->first_lines, h->first_line_count);
}

static void reserve_refused(struct auditor *a, const struct audit_ask *ask,
                            const struct audit_answer *answer, const struct span *span)
{
    const struct audit_hold *h = audit_hold_of_order(a, ask->order_id);
    if (h && h->steps[0].row < span->from && answer->code != TLY_EORDER_MISMATCH)
        audit_fail(a, "I4", "request %u was refused with %s, though order %s is reserved",
                   ask->number, error_name(answer->code), h->order_id);
    else if (answer->code == TLY_EORDER_MISMATCH && (!h || same_content(a, ask, h)))
        audit_fail(a, "I4", "request %u was told of another content of order %.*s", ask->number,
                   STR_ARG(ask->order_id));
    else if (answer->code == TLY_ESOLD_OUT)
        sold_out(a, ask, span, answer->from_gate);
}

/* ---- moves of a hold ---- */

static bool ever(const struct audit_hold *h, enum move_kind kind)
{
    for (uint32_t i = 0; i < h->step_count; i++)
        if (h->steps[i].kind == kind)
            return true;
    return false;
}

static void moved(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer)
{
    const struct audit_hold *h = audit_hold_find(a, ask->reservation_id);
    bool deadline_known = false;
    for (uint32_t i = 0; h && i < h->step_count; i++)
        deadline_known = deadline_known || h->steps[i].deadline_ms == answer->expires_ms;
    bool durable = h && ((ask->kind == AUDIT_CONFIRM && ever(h, MOVE_CONFIRM)) ||
                         (ask->kind == AUDIT_REFUND && h->state == HOLD_REFUNDED) ||
                         (ask->kind == AUDIT_EXTEND && deadline_known));
    if (!durable) {
        audit_fail(a, "I3", "request %u was told of a move that is not durable", ask->number);
        return;
    }
    if (ask->kind == AUDIT_REFUND &&
        (answer->state != HOLD_REFUNDED || answer->reason != h->reason))
        audit_fail(a, "I4", "request %u heard of another end of order %s", ask->number,
                   h->order_id);
    if (ask->kind == AUDIT_CONFIRM && answer->state == h->state &&
        !audit_lines_equal(answer->lines, answer->line_count, h->lines, h->line_count))
        audit_fail(a, "I4", "request %u heard of other lines of order %s", ask->number,
                   h->order_id);
}

/* True if the hold was in a state that forbids the move at some instant of the span. */
static bool forbidden(struct auditor *a, const struct audit_ask *ask, const struct audit_hold *h,
                      const struct span *span)
{
    for (uint32_t i = 0; i < h->step_count; i++) {
        const struct audit_step *s = &h->steps[i];
        bool over = i + 1 < h->step_count && h->steps[i + 1].row < span->from;
        if (over)
            continue;
        if (s->state == HOLD_REFUNDED)
            return true;
        if (s->state == HOLD_PENDING && s->deadline_ms <= span->to_ms)
            return true;
        if (s->state == HOLD_CONFIRMED &&
            (ask->kind != AUDIT_REFUND ||
             span->to_ms - h->confirmed_ms > a->rules.refund_window_ms))
            return true;
    }
    return false;
}

static void move_refused(struct auditor *a, const struct audit_ask *ask,
                         const struct audit_answer *answer, const struct span *span)
{
    const struct audit_hold *h = audit_hold_find(a, ask->reservation_id);
    bool known = h && h->steps[0].row < span->from;
    if (answer->code == TLY_ENOT_FOUND && known)
        audit_fail(a, "I4", "request %u was told that order %s is not there", ask->number,
                   h->order_id);
    if (answer->code == TLY_EINVALID_TRANSITION && known && !forbidden(a, ask, h, span))
        audit_fail(a, "I4", "request %u was refused a move that order %s could make", ask->number,
                   h->order_id);
}

/* ---- look-ups ---- */

static void lots_seen(struct auditor *a, const struct audit_ask *ask,
                      const struct audit_answer *answer, const struct span *span)
{
    bool stale = false;
    for (uint32_t i = 0; i < answer->lot_count; i++) {
        const struct audit_lot_view *v = &answer->lots[i];
        const struct audit_lot *lot =
            v->id >= 1 && v->id <= a->lot_count ? &a->lots[v->id - 1] : NULL;
        if (!lot || v->stock.version < 1 || v->stock.version > lot->stock.version) {
            audit_fail(a, "I3", "request %u saw a lot before it was durable", ask->number);
            return;
        }
        const struct stock *was = &lot->versions[v->stock.version];
        if (was->on_hand != v->stock.on_hand || was->reserved != v->stock.reserved ||
            was->confirmed != v->stock.confirmed)
            audit_fail(a, "I1", "request %u saw a stock of %s that there never was", ask->number,
                       lot->key);
        int64_t newer = lot->stock.version - v->stock.version;
        for (size_t e = a->effect_count; newer > 0 && e-- > 0;)
            if (a->effects[e].lot == v->id && --newer == 0)
                stale = a->effects[e].row < span->from;
        if (stale && ask->kind != AUDIT_CHANGES)
            audit_fail(a, "I1", "request %u saw an old stock of %s", ask->number, lot->key);
    }
}

static void record_seen(struct auditor *a, const struct audit_ask *ask,
                        const struct audit_answer *answer, const struct span *span)
{
    const struct reservation_record *r = answer->record;
    const struct audit_hold *h = r ? audit_hold_find(a, r->reservation_id) : NULL;
    if (!h) {
        audit_fail(a, "I3", "request %u saw a reservation that is not durable", ask->number);
        return;
    }
    const struct audit_step *before = audit_step_at(h, span->from);
    uint32_t least = before ? (uint32_t)(before - h->steps) + 1 : 1;
    if (r->move_count < least || r->move_count > h->step_count ||
        r->state != (enum hold_state)h->steps[r->move_count - 1].state)
        audit_fail(a, "I4", "request %u saw a state of order %s that it was not in", ask->number,
                   h->order_id);
    if (r->move_count == h->step_count &&
        !audit_lines_equal(r->lines, r->line_count, h->lines, h->line_count))
        audit_fail(a, "I4", "request %u saw other lines of order %s", ask->number, h->order_id);
}

static void reservation_not_found(struct auditor *a, const struct audit_ask *ask,
                                  const struct span *span)
{
    const struct audit_hold *h = str_empty(ask->order_id) ? audit_hold_find(a, ask->reservation_id)
                                                          : audit_hold_of_order(a, ask->order_id);
    if (h && h->steps[0].row < span->from)
        audit_fail(a, "I4", "request %u did not find order %s", ask->number, h->order_id);
}

void audit_answer(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                  int64_t now_ms)
{
    struct span span = {
        .from = ask->rows_at_send, .to = a->row_count, .from_ms = ask->sent_ms, .to_ms = now_ms};
    int code = answer->code;
    if (not_done(code))
        return;
    switch (ask->kind) {
    case AUDIT_RESERVE:
        if (code == 0)
            reserved(a, ask, answer, &span);
        else
            reserve_refused(a, ask, answer, &span);
        break;
    case AUDIT_CONFIRM:
    case AUDIT_REFUND:
    case AUDIT_EXTEND:
        if (code == 0)
            moved(a, ask, answer);
        else
            move_refused(a, ask, answer, &span);
        break;
    case AUDIT_CREATE:
        if (code == TLY_EALREADY_EXISTS && !audit_lot_find(a, ask->lot))
            audit_fail(a, "I3", "request %u was told of a lot that is not durable", ask->number);
        if (code == 0 || code == TLY_EALREADY_EXISTS)
            lots_seen(a, ask, answer, &span);
        break;
    case AUDIT_ADJUST:
    case AUDIT_GET_LOTS:
    case AUDIT_CHANGES:
        if (code == 0)
            lots_seen(a, ask, answer, &span);
        break;
    case AUDIT_GET_RESERVATION:
        if (code == 0)
            record_seen(a, ask, answer, &span);
        else if (code == TLY_ENOT_FOUND)
            reservation_not_found(a, ask, &span);
        break;
    }
}
