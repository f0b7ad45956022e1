/* The model that the rows make, and what is wrong with a row that does not fit it.
 *
 * Each row is judged on the state that the rows before it left, so every order is judged at the
 * very instant of its decision: enough units (I1), first expired first out, a legal move, within
 * its deadline (I5), one reservation an order_id (I4), and somebody asked for it (I6).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "effects.h"

enum { DAY_MS = 86400000 };

struct audit_lot *audit_lot_find(const struct auditor *a, struct str key)
{
    for (uint32_t i = 0; i < a->lot_count; i++)
        if (str_equal(str_of(a->lots[i].key), key))
            return (struct audit_lot *)&a->lots[i];
    return NULL;
}

struct audit_hold *audit_hold_find(const struct auditor *a, int64_t id)
{
    size_t low = 0, high = a->hold_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (a->holds[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->hold_count && a->holds[low]->id == id ? a->holds[low] : NULL;
}

struct audit_hold *audit_hold_of_order_at(const struct auditor *a, struct str order_id, size_t rows)
{
    for (size_t i = a->hold_count; i-- > 0;)
        if (a->holds[i]->steps[0].row < rows && str_equal(str_of(a->holds[i]->order_id), order_id))
            return a->holds[i];
    return NULL;
}

int64_t audit_available(const struct audit_lot *lot)
{
    return lot->stock.on_hand - lot->stock.reserved - lot->stock.confirmed;
}

bool audit_lot_matches(const struct audit_lot *lot, const struct audit_want *w)
{
    if (!str_empty(w->lot))
        return str_equal(str_of(lot->key), w->lot);
    return str_equal(str_of(lot->sku), w->sku) && audit_lot_passes(lot, w);
}

bool audit_lot_passes(const struct audit_lot *lot, const struct audit_want *filter)
{
    return (str_empty(filter->sku) || str_equal(str_of(lot->sku), filter->sku)) &&
           (str_empty(filter->flavor) || str_equal(str_of(lot->flavor), filter->flavor)) &&
           (str_empty(filter->size) || str_equal(str_of(lot->size), filter->size));
}

bool audit_lines_equal(const struct line *a, uint32_t a_count, const struct line *b,
                       uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++)
        if (a[i].lot != b[i].lot || a[i].quantity != b[i].quantity)
            return false;
    return true;
}

const struct audit_step *audit_step_at(const struct audit_hold *h, size_t rows)
{
    const struct audit_step *last = NULL;
    for (uint32_t i = 0; i < h->step_count && h->steps[i].row < rows; i++)
        last = &h->steps[i];
    return last;
}

/* ---- stock ---- */

static void note_effect(struct auditor *a, lot_id lot, int64_t available, int64_t deadline_ms)
{
    a->effects = audit_grow(a->effects, &a->effect_room, a->effect_count + 1, sizeof a->effects[0]);
    a->effects[a->effect_count++] = (struct audit_effect){.row = a->row_count,
                                                          .lot = lot,
                                                          .available = available,
                                                          .expired_deadline_ms = deadline_ms};
}

static void change_stock(struct auditor *a, const struct move *m, struct line line,
                         int64_t expired_deadline_ms)
{
    struct audit_lot *lot = &a->lots[line.lot - 1];
    struct stock *s = &lot->stock;
    int64_t before = audit_available(lot);
    effect_on(s, m->kind, line.quantity);
    lot->version_rows = audit_grow(lot->version_rows, &lot->version_row_room,
                                   (size_t)s->version + 1, sizeof lot->version_rows[0]);
    lot->version_rows[s->version] = a->row_count;
    lot->versions = audit_grow(lot->versions, &lot->version_room, (size_t)s->version + 1,
                               sizeof lot->versions[0]);
    lot->versions[s->version] = *s;
    if (s->on_hand < 0 || s->reserved < 0 || s->confirmed < 0 ||
        audit_available(lot) < -audit_terms_now(lot)->backorder_most)
        audit_fail(a, "I1",
                   "%s of %" PRId64 " leaves lot %s with on_hand %" PRId64 ", reserved %" PRId64
                   ", confirmed %" PRId64,
                   move_kind_name(m->kind), line.quantity, lot->key, s->on_hand, s->reserved,
                   s->confirmed);
    note_effect(a, line.lot, audit_available(lot) - before, expired_deadline_ms);
}

/* ---- rows about lots ---- */

static void row_create(struct auditor *a, const struct move *m)
{
    const struct lot_dims *d = m->dims;
    if (!d || m->line.lot != a->lot_count + 1 || a->lot_count == AUDIT_LOTS_MAX ||
        audit_lot_find(a, d->key)) {
        audit_fail(a, "I1", "a lot was created out of order or twice");
        return;
    }
    struct audit_lot *lot = &a->lots[a->lot_count++];
    lot->key = strndup(d->key.p, d->key.len);
    lot->sku = strndup(d->sku.p, d->sku.len);
    lot->flavor = strndup(d->flavor.p, d->flavor.len);
    lot->size = strndup(d->size.p, d->size.len);
    lot->batch = strndup(d->batch.p, d->batch.len);
    const struct lot_terms plain = lot_terms_plain(d);
    audit_note_terms(a, lot, m->terms ? m->terms : &plain);
    lot->owes_terms = m->terms != NULL;
    lot->versions = audit_grow(NULL, &lot->version_room, 1, sizeof lot->versions[0]);
    lot->versions[0] = (struct stock){0};
    change_stock(a, m, m->line, INT64_MAX);
}

static void row_adjust(struct auditor *a, const struct move *m)
{
    if (!str_empty(m->detail)) {
        for (size_t i = 0; i < a->adjustment_count; i++)
            if (str_equal(str_of(a->adjustments[i].id), m->detail))
                audit_fail(a, "I4", "adjustment %s was made twice", a->adjustments[i].id);
        a->adjustments = audit_grow(a->adjustments, &a->adjustment_room, a->adjustment_count + 1,
                                    sizeof a->adjustments[0]);
        a->adjustments[a->adjustment_count++] = (struct audit_adjustment){
            .id = strndup(m->detail.p, m->detail.len), .row = a->row_count, .line = m->line};
    }
    audit_count(a, m->line.quantity > 0 ? AUDIT_OUTCOME_SUPPLIED : AUDIT_OUTCOME_WRITTEN_OFF);
    change_stock(a, m, m->line, INT64_MAX);
}

static void row_terms(struct auditor *a, const struct move *m)
{
    audit_row_terms(a, m);
    if (!a->finding[0])
        change_stock(a, m, m->line, INT64_MAX);
}

/* ---- rows about holds ---- */

static const struct line *lines_of(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

static void add_step(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    if (h->step_count == AUDIT_STEPS_MAX) {
        audit_fail(a, "I7", "order %s makes no end of moves", h->order_id);
        return;
    }
    struct audit_held *held = malloc(sizeof *held);
    if (!held)
        abort();
    *held = h->now;
    h->steps[h->step_count++] = (struct audit_step){.row = a->row_count,
                                                    .held = held,
                                                    .at_ms = m->at_ms,
                                                    .deadline_ms = h->deadline_ms,
                                                    .kind = m->kind,
                                                    .state = (uint8_t)h->state,
                                                    .reason = (uint8_t)h->reason};
}

static bool expired_at(const struct audit_lot *lot, int64_t at_ms)
{
    return audit_terms_now(lot)->expires_on < at_ms / DAY_MS;
}

/* Exactly the lots that it should have got: first expired, first out, and never less than there
 * was. */
static void check_allocation(struct auditor *a, const struct audit_ask *ask, const struct move *m)
{
    const struct audit_instant now = {.rows = a->row_count, .at_ms = m->at_ms, .rows_only = true};
    const struct line *got = lines_of(m);
    struct line right[ORDER_LINES_MAX];
    uint32_t count;
    int code = audit_allocation(a, ask, &now, NULL, right, &count);
    if (code)
        audit_fail(a, "I1", "order %.*s was reserved, and %s was right", STR_ARG(m->order_id),
                   error_name(code));
    else if (!audit_lines_equal(got, m->line_count, right, count))
        audit_fail(a, "FEFO",
                   "order %.*s got %" PRId64 " units of %s, and should have got %" PRId64 " of %s",
                   STR_ARG(m->order_id), got->quantity, a->lots[got->lot - 1].key, right->quantity,
                   a->lots[right->lot - 1].key);
}

/* An order is judged by what the hold has: units of its lots, or of its sale. */
static bool concerns(const struct audit_hold *h, const struct move *order)
{
    const struct line *lines = lines_of(order);
    if (h->sale && h->sale == order->sale)
        return true;
    for (uint32_t i = 0; i < order->line_count; i++)
        for (uint32_t j = 0; j < h->now.line_count; j++)
            if (h->now.lines[j].lot == lines[i].lot)
                return true;
    return false;
}

/* Who is overdue goes before anybody new is served of the same: an order of another lot and sale
 * need not wait. Where two write, a hold waits while somebody else has a lot of it locked, and what
 * is taken is free all the same. */
static void check_nobody_overdue(struct auditor *a, const struct move *m)
{
    for (size_t i = 0; i < a->hold_count; i++)
        if (a->holds[i]->state == HOLD_PENDING && a->holds[i]->deadline_ms <= m->at_ms &&
            (m->kind != MOVE_RESERVE || concerns(a->holds[i], m)))
            audit_fail(a, "I5", "a %s of %" PRId64 " took units while order %s was overdue",
                       move_kind_name(m->kind), m->reservation_id, a->holds[i]->order_id);
}

static void check_lines(struct auditor *a, const struct move *m)
{
    const struct line *lines = lines_of(m);
    int64_t sum = 0;
    for (uint32_t i = 0; i < m->line_count; i++) {
        sum += lines[i].quantity;
        bool empty = m->kind == MOVE_CHANGE ? lines[i].quantity == 0 && m->line_count > 1
                                            : lines[i].quantity <= 0;
        if (empty || (i > 0 && lines[i].lot <= lines[i - 1].lot))
            audit_fail(a, "I1", "the lines of a %s are not in order", move_kind_name(m->kind));
    }
    if (m->line_count > AUDIT_LINES_MAX ||
        (m->line_count == 0) != (m->kind == MOVE_FENCE || m->kind >= MOVE_SALE))
        audit_fail(a, "I1", "a %s has %u lines", move_kind_name(m->kind), m->line_count);
    if (m->line_count && sum != m->line.quantity)
        audit_fail(a, "I1", "the sum of a %s is not that of its lines", move_kind_name(m->kind));
}

/* By id: two processes' ids are not in the order of commits. */
static void add_hold(struct auditor *a, struct audit_hold *h)
{
    a->holds = audit_grow(a->holds, &a->hold_room, a->hold_count + 1, sizeof *a->holds);
    size_t at = a->hold_count++;
    for (; at > 0 && a->holds[at - 1]->id > h->id; at--)
        a->holds[at] = a->holds[at - 1];
    a->holds[at] = h;
}

static void row_reserve(struct auditor *a, const struct move *m)
{
    const struct line *lines = lines_of(m);
    struct audit_ask *ask = audit_cause(a, m);
    if (!ask)
        audit_fail(a, "I6", "order %.*s is in the ledger, but nobody is waiting for it",
                   STR_ARG(m->order_id));
    const struct audit_hold *earlier = audit_hold_of_order_at(a, m->order_id, a->row_count);
    if (earlier && m->at_ms - earlier->created_ms <= a->rules.retention_ms)
        audit_fail(a, "I4", "order %.*s was reserved twice", STR_ARG(m->order_id));
    if (!a->rules.shared)
        check_nobody_overdue(a, m);
    if (m->reservation_id != m->seq || m->deadline_ms <= m->at_ms)
        audit_fail(a, "I5", "order %.*s has a wrong id or deadline", STR_ARG(m->order_id));
    struct audit_hold *h = calloc(1, sizeof *h);
    *h = (struct audit_hold){.id = m->seq,
                             .state = HOLD_PENDING,
                             .created_ms = m->at_ms,
                             .deadline_ms = m->deadline_ms,
                             .now = {.line_count = m->line_count, .reserved_count = m->line_count}};
    h->order_id = strndup(m->order_id.p, m->order_id.len);
    h->user_id = strndup(m->user_id.p, m->user_id.len);
    memcpy(h->now.lines, lines, m->line_count * sizeof *lines);
    memcpy(h->now.reserved, lines, m->line_count * sizeof *lines);
    audit_note_sale(a, h, m);
    if (ask) {
        if (!a->rules.shared || (ask->strict && !a->rules.trusting))
            check_allocation(a, ask, m); /* else somebody may create an earlier lot meanwhile */
        memcpy(h->asked, ask->wants, sizeof h->asked);
        h->asked_count = ask->want_count;
    }
    for (uint32_t i = 0; i < m->line_count; i++) {
        if (expired_at(&a->lots[lines[i].lot - 1], m->at_ms))
            audit_fail(a, "FEFO", "order %s got units of an expired lot", h->order_id);
        change_stock(a, m, lines[i], INT64_MAX);
    }
    add_hold(a, h);
    add_step(a, h, m);
    audit_check_limits(a, h, m);
    audit_check_user(a, h, m);
}

/* An order_id that its cancel took: there is nothing more to come of it. */
static void row_fence(struct auditor *a, const struct move *m)
{
    const struct audit_hold *earlier = audit_hold_of_order_at(a, m->order_id, a->row_count);
    if (!audit_cause(a, m))
        audit_fail(a, "I6", "a fence of order %.*s, which nobody asked for", STR_ARG(m->order_id));
    if (earlier && m->at_ms - earlier->created_ms <= a->rules.retention_ms)
        audit_fail(a, "I4", "order %.*s was fenced when it was there", STR_ARG(m->order_id));
    if (m->reservation_id != m->seq || m->reason != REASON_CANCELLED)
        audit_fail(a, "I4", "the fence of order %.*s is none", STR_ARG(m->order_id));
    struct audit_hold *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    *h = (struct audit_hold){.id = m->seq,
                             .fence = true,
                             .state = HOLD_REFUNDED,
                             .reason = REASON_CANCELLED,
                             .created_ms = m->at_ms};
    h->order_id = strndup(m->order_id.p, m->order_id.len);
    h->user_id = strdup("");
    add_hold(a, h);
    add_step(a, h, m);
    audit_count(a, AUDIT_OUTCOME_FENCED);
}

/* Of a confirm of fewer units the rest must be released by the next row. */
static void split_lines(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    const struct line *lines = lines_of(m);
    struct line kept[AUDIT_LINES_MAX];
    uint32_t kept_count = 0, found = 0;
    for (uint32_t i = 0; i < h->now.line_count; i++) {
        struct line rest = h->now.lines[i];
        for (uint32_t j = 0; j < m->line_count; j++) {
            if (lines[j].lot != rest.lot)
                continue;
            rest.quantity -= lines[j].quantity;
            kept[kept_count++] = lines[j];
            found++;
        }
        if (rest.quantity < 0)
            audit_fail(a, "I1", "order %s confirmed more than it held", h->order_id);
        if (rest.quantity > 0)
            h->left_over[h->left_over_count++] = rest;
        h->left_over_kind = MOVE_RELEASE;
    }
    if (found != m->line_count)
        audit_fail(a, "I1", "order %s confirmed lots that it does not hold", h->order_id);
    memcpy(h->now.lines, kept, kept_count * sizeof *kept);
    h->now.line_count = kept_count;
}

static void check_confirm(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    if (h->state != HOLD_PENDING)
        audit_fail(a, "I4", "order %s was confirmed from %s", h->order_id,
                   hold_state_name(h->state));
    if (m->at_ms >= h->deadline_ms)
        audit_fail(a, "I5", "order %s was confirmed %" PRId64 " ms past its deadline", h->order_id,
                   m->at_ms - h->deadline_ms);
    const struct audit_group *g = audit_group_find(a, h->group_id);
    if (g && g->status == GROUP_IS_OPEN && m->at_ms >= g->ends_ms)
        audit_fail(a, "GROUP", "order %s was paid for after its group's end", h->order_id);
    split_lines(a, h, m);
}

/* It is paid for, and all of it is in the house. */
static void confirmed(struct audit_hold *h, const struct move *m)
{
    h->state = HOLD_CONFIRMED;
    h->reason = REASON_NONE;
    h->confirmed_ms = m->at_ms;
    h->payment_id = strndup(m->detail.p ? m->detail.p : "", m->detail.len);
    for (uint32_t i = 0; i < h->now.line_count; i++)
        h->now.units[i] = (struct audit_units){.house = h->now.lines[i].quantity};
}

static void check_refund(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    bool expired = m->reason == REASON_EXPIRED;
    if (h->state != HOLD_PENDING)
        audit_fail(a, "I2", "order %s was given back from %s", h->order_id,
                   hold_state_name(h->state));
    if (expired && m->at_ms < h->deadline_ms)
        audit_fail(a, "I5", "order %s expired %" PRId64 " ms early", h->order_id,
                   h->deadline_ms - m->at_ms);
    if (!expired && m->at_ms >= h->deadline_ms && !audit_fails_with_group(a, h, m))
        audit_fail(a, "I5", "order %s was cancelled when it was overdue", h->order_id);
    int64_t due_ms = h->deadline_ms > a->calm_since_ms ? h->deadline_ms : a->calm_since_ms;
    due_ms += a->rules.shared ? AUDIT_LOOK_MS : 0;
    if (expired && a->calm_since_ms != INT64_MAX && m->at_ms > due_ms)
        audit_fail(a, "I5", "order %s expired %" PRId64 " ms late", h->order_id, m->at_ms - due_ms);
    h->state = HOLD_REFUNDED;
    h->reason = m->reason;
}

static void check_extend(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    if (h->state != HOLD_PENDING || m->at_ms >= h->deadline_ms)
        audit_fail(a, "I5", "order %s was extended after its end", h->order_id);
    if (m->deadline_ms < h->deadline_ms ||
        m->deadline_ms > h->created_ms + a->rules.hold_total_max_ms)
        audit_fail(a, "I5", "order %s was extended to a wrong deadline", h->order_id);
    h->deadline_ms = m->deadline_ms;
}

static void judge_move(struct auditor *a, struct audit_hold *h, const struct move *m,
                       const struct audit_ask *cause)
{
    bool takes = m->kind == MOVE_CHANGE || m->kind == MOVE_RECLAIM;
    if (takes && !a->rules.shared)
        check_nobody_overdue(a, m);
    switch (m->kind) {
    case MOVE_CONFIRM:
        check_confirm(a, h, m);
        confirmed(h, m);
        break;
    case MOVE_RECLAIM:
        audit_check_reclaim(a, h, m);
        confirmed(h, m);
        break;
    case MOVE_REFUND:
        check_refund(a, h, m);
        break;
    case MOVE_EXTEND:
        check_extend(a, h, m);
        break;
    case MOVE_SHIP:
        audit_check_ship(a, h, m);
        audit_note_call(a, h, m, cause);
        break;
    case MOVE_CHANGE:
        audit_check_change(a, h, m, cause);
        audit_note_call(a, h, m, cause);
        break;
    case MOVE_RELEASE:
        break;
    default:
        audit_check_back(a, h, m, cause);
        audit_note_call(a, h, m, cause);
        break;
    }
}

static void row_of_hold(struct auditor *a, const struct move *m)
{
    const struct line *lines = lines_of(m);
    struct audit_hold *h = audit_hold_find(a, m->reservation_id);
    if (!h) {
        audit_fail(a, "I1", "a %s of a reservation that is not there", move_kind_name(m->kind));
        return;
    }
    int64_t expired_deadline_ms = INT64_MAX;
    const struct audit_ask *cause = NULL;
    bool follows = h->left_over_count > 0;
    if (m->kind == MOVE_REFUND && m->reason == REASON_EXPIRED)
        expired_deadline_ms = h->deadline_ms;
    else if (audit_fails_with_group(a, h, m))
        audit_count(a, m->kind == MOVE_RETURN ? AUDIT_OUTCOME_GROUP_PAID_BACK
                                              : AUDIT_OUTCOME_CANCELLED);
    else if (!follows && m->kind != MOVE_RELEASE && !(cause = audit_cause(a, m)))
        audit_fail(a, "I6", "a %s of order %s is in the ledger, but nobody is waiting for it",
                   move_kind_name(m->kind), h->order_id);
    if (follows ? m->kind != h->left_over_kind ||
                      !audit_lines_equal(lines, m->line_count, h->left_over, h->left_over_count)
                : m->kind == MOVE_RELEASE)
        audit_fail(a, "I2", "what order %s left over did not follow at once", h->order_id);
    h->left_over_count = 0;
    bool whole = m->kind == MOVE_REFUND || m->kind == MOVE_EXTEND;
    if (whole && !audit_lines_equal(lines, m->line_count, h->now.lines, h->now.line_count))
        audit_fail(a, "I2", "a %s of order %s has other units than it holds",
                   move_kind_name(m->kind), h->order_id);
    judge_move(a, h, m, cause);
    if (m->kind == MOVE_RECLAIM || (m->kind == MOVE_CHANGE && m->line.quantity > 0))
        audit_check_limits(a, h, m);
    for (uint32_t i = 0; i < m->line_count; i++)
        change_stock(a, m, lines[i], expired_deadline_ms);
    add_step(a, h, m);
}

/* The counts of what can be seen in the rows alone. */
static void count_row(struct auditor *a, const struct move *m)
{
    if (m->kind == MOVE_RELEASE)
        audit_count(a, AUDIT_OUTCOME_RELEASED);
    else if (m->kind == MOVE_RETURN)
        audit_count(a, AUDIT_OUTCOME_RETURNED);
    else if (m->kind == MOVE_REFUND)
        audit_count(a,
                    m->reason == REASON_EXPIRED ? AUDIT_OUTCOME_EXPIRED : AUDIT_OUTCOME_CANCELLED);
}

/* What the engine says of a batch: all reservations before this one have ended. Recovery begins
 * there, so it must be true, and it must not lag behind. */
static void check_oldest_pending(struct auditor *a, int64_t claimed, int64_t now_ms)
{
    if (audit_oldest_in_sales(a, now_ms) < claimed)
        audit_fail(a, "I5", "recovery would begin after a sale or a group that goes on");
    if (audit_oldest_limited(a, now_ms) < claimed)
        audit_fail(a, "LIMIT", "recovery would not know what users have of a lot");
    const struct audit_hold *oldest = NULL;
    for (size_t i = a->hold_count; i-- > 0;)
        if (a->holds[i]->state == HOLD_PENDING)
            oldest = a->holds[i];
    a->oldest_claimed = claimed;
    if (oldest && oldest->id < claimed)
        audit_fail(a, "I5", "recovery would begin after order %s, which is PENDING",
                   oldest->order_id);
    if (a->strict && !a->sale_count && audit_lots_are_plain(a) &&
        claimed < (oldest ? oldest->id : a->last_seq))
        audit_fail(a, "I7", "recovery would begin long before the oldest PENDING order");
}

/* Numbers grow with the commits; where two write, those of each lot do. */
static void check_seq(struct auditor *a, const struct move *m)
{
    const struct line *lines = lines_of(m);
    int64_t last = a->rules.shared ? 0 : a->last_seq;
    for (uint32_t i = 0; a->rules.shared && i < m->line_count; i++)
        if (lines[i].lot <= a->lot_count && a->lots[lines[i].lot - 1].last_seq > last)
            last = a->lots[lines[i].lot - 1].last_seq;
    if (m->seq <= last)
        audit_fail(a, "I4", "sequence number %" PRId64 " after %" PRId64, m->seq, last);
    if (m->seq > a->last_seq)
        a->last_seq = m->seq;
    for (uint32_t i = 0; i < m->line_count; i++)
        if (lines[i].lot <= a->lot_count)
            a->lots[lines[i].lot - 1].last_seq = m->seq;
}

/* Orders that were to be confirmed together are, in one commit. */
static void check_all_or_none(struct auditor *a, const struct move *rows, size_t count)
{
    for (size_t i = 0; i < count && !a->finding[0]; i++) {
        const struct audit_ask *ask =
            rows[i].kind == MOVE_CONFIRM ? audit_all_of(a, &rows[i]) : NULL;
        for (uint32_t j = 0; ask && j < ask->id_count; j++) {
            const struct audit_hold *h = audit_hold_find(a, ask->ids[j]);
            if (!h || !h->payment_id || !str_equal(str_of(h->payment_id), ask->payment_id))
                audit_fail(a, "I4",
                           "of several orders that were confirmed at once, %" PRId64 " was not",
                           ask->ids[j]);
        }
    }
}

void auditor_committed(struct auditor *a, const struct move *rows, size_t count,
                       int64_t oldest_pending, int64_t now_ms)
{
    size_t of_file = 0; /* so many of the next rows are a stock file's */
    for (size_t i = 0; i < count && !a->finding[0]; i++) {
        const struct move *m = &rows[i];
        check_seq(a, m);
        of_file -= of_file > 0;
        if (!of_file)
            of_file = audit_set_rows(a, m, count - i);
        if (!of_file && (m->kind == MOVE_CREATE || m->kind == MOVE_ADJUST) && !audit_cause(a, m))
            audit_fail(a, "I6", "a %s is in the ledger, but nobody is waiting for it",
                       move_kind_name(m->kind));
        if (m->kind != MOVE_CREATE && m->kind != MOVE_ADJUST && m->kind != MOVE_LOT_TERMS)
            check_lines(a, m);
        if (m->kind == MOVE_CREATE)
            row_create(a, m);
        else if (m->kind == MOVE_ADJUST)
            row_adjust(a, m);
        else if (m->kind == MOVE_RESERVE)
            row_reserve(a, m);
        else if (m->kind == MOVE_LOT_TERMS)
            row_terms(a, m);
        else if (m->kind == MOVE_SALE)
            audit_row_sale(a, m);
        else if (m->kind > MOVE_SALE)
            audit_row_group(a, m);
        else if (m->kind == MOVE_FENCE)
            row_fence(a, m);
        else
            row_of_hold(a, m);
        count_row(a, m);
        a->row_count++;
    }
    for (size_t i = 0; i < a->hold_count; i++)
        if (a->holds[i]->left_over_count)
            audit_fail(a, "I2", "a commit ended with units of order %s neither here nor there",
                       a->holds[i]->order_id);
    if (a->lot_count && a->lots[a->lot_count - 1].owes_terms)
        audit_fail(a, "I4", "no row says the terms of a new lot");
    check_all_or_none(a, rows, count);
    audit_check_groups(a);
    a->commits++;
    if (!a->rules.shared)
        check_oldest_pending(a, oldest_pending, now_ms);
    audit_judge_refusals(a, false);
}
