/* What is wrong with a row of what comes after buying: units that leave and come back, a hold that
 * gets other units, one that is taken again.
 *
 * Of each line it is known where its units are: in the house, or out. A unit leaves once, and comes
 * back once; those that have not left come back first.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"

static const struct line *lines_of(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

static uint32_t without_empty(struct line *lines, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (lines[i].quantity)
            lines[kept++] = lines[i];
    return kept;
}

static bool writes_off(uint8_t kind)
{
    return kind == MOVE_WRITE_OFF || kind == MOVE_DISCARD;
}

static bool of_shipped(uint8_t kind)
{
    return kind == MOVE_RESTOCK || kind == MOVE_DISCARD;
}

/* ---- who asked for it ---- */

/* What the ask takes from units of which there are so many. */
static bool takes(const struct auditor *a, const struct audit_ask *ask, const struct audit_hold *h,
                  const int64_t *most, struct line *lines)
{
    int64_t taken[AUDIT_LINES_MAX];
    if (!audit_takes(a, ask, &h->now, most, taken))
        return false;
    for (uint32_t i = 0; i < h->now.line_count; i++)
        lines[i] = (struct line){h->now.lines[i].lot, taken[i]};
    return true;
}

/* What comes back: first the units in the house. */
static bool parts(const struct auditor *a, const struct audit_ask *ask, const struct audit_hold *h,
                  struct line *house, uint32_t *house_count, struct line *out, uint32_t *out_count)
{
    int64_t most[AUDIT_LINES_MAX];
    for (uint32_t i = 0; i < h->now.line_count; i++)
        most[i] = h->now.units[i].house + h->now.units[i].out;
    if (!takes(a, ask, h, most, house))
        return false;
    for (uint32_t i = 0; i < h->now.line_count; i++) {
        int64_t more = house[i].quantity - h->now.units[i].house;
        out[i] = (struct line){house[i].lot, more > 0 ? more : 0};
        house[i].quantity -= out[i].quantity;
    }
    *house_count = without_empty(house, h->now.line_count);
    *out_count = without_empty(out, h->now.line_count);
    return true;
}

static bool asks_for_back(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_hold *h, const struct move *m)
{
    struct line house[AUDIT_LINES_MAX], out[AUDIT_LINES_MAX];
    uint32_t house_count, out_count;
    if (ask->no_restock != writes_off(m->kind) || !str_equal(ask->call_id, m->detail) ||
        !parts(a, ask, h, house, &house_count, out, &out_count))
        return false;
    if (of_shipped(m->kind))
        return house_count == 0 && audit_lines_equal(out, out_count, lines_of(m), m->line_count);
    return audit_lines_equal(house, house_count, lines_of(m), m->line_count);
}

static bool asks_for_ship(const struct auditor *a, const struct audit_ask *ask,
                          const struct audit_hold *h, const struct move *m)
{
    int64_t house[AUDIT_LINES_MAX];
    struct line lines[AUDIT_LINES_MAX];
    for (uint32_t i = 0; i < h->now.line_count; i++)
        house[i] = h->now.units[i].house;
    return str_equal(ask->call_id, m->detail) && takes(a, ask, h, house, lines) &&
           audit_lines_equal(lines, without_empty(lines, h->now.line_count), lines_of(m),
                             m->line_count);
}

/* What the hold has after a CHANGE. */
static uint32_t changed(const struct audit_hold *h, const struct move *m, struct line *lines)
{
    int64_t units[AUDIT_LOTS_MAX + 1] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->now.line_count; i++)
        units[h->now.lines[i].lot] = h->now.lines[i].quantity;
    for (uint32_t i = 0; i < m->line_count; i++)
        units[lines_of(m)[i].lot] += lines_of(m)[i].quantity;
    for (lot_id lot = 1; lot <= AUDIT_LOTS_MAX; lot++)
        if (units[lot] && count < AUDIT_LINES_MAX)
            lines[count++] = (struct line){lot, units[lot]};
    return count;
}

static bool asks_for_change(struct auditor *a, const struct audit_ask *ask,
                            const struct audit_hold *h, const struct move *m)
{
    struct line lines[AUDIT_LINES_MAX];
    uint32_t count = changed(h, m, lines);
    return str_equal(ask->call_id, m->detail) && audit_lines_serve(a, ask, lines, count);
}

static bool asks_for_confirm(struct auditor *a, const struct audit_ask *ask,
                             const struct audit_hold *h, const struct move *m)
{
    if (ask->kind != AUDIT_CONFIRM || !str_equal(ask->payment_id, m->detail) ||
        (m->kind == MOVE_RECLAIM && !ask->reclaim))
        return false;
    if (!ask->want_count)
        return audit_lines_equal(lines_of(m), m->line_count, h->now.lines, h->now.line_count);
    return audit_lines_serve(a, ask, lines_of(m), m->line_count);
}

static bool is_one_of(const struct audit_ask *ask, const struct move *m)
{
    for (uint32_t i = 0; i < ask->id_count; i++)
        if (ask->ids[i] == m->reservation_id)
            return m->kind == MOVE_CONFIRM && str_equal(ask->payment_id, m->detail);
    return false;
}

bool audit_asks_for_move(struct auditor *a, const struct audit_ask *ask, const struct move *m)
{
    if (m->kind == MOVE_FENCE)
        return ask->kind == AUDIT_REFUND && ask->fence && str_equal(ask->by_order, m->order_id);
    if (ask->kind == AUDIT_CONFIRM_ALL)
        return is_one_of(ask, m);
    const struct audit_hold *h = audit_named(a, ask, a->row_count);
    if (!h || h->id != m->reservation_id)
        return false;
    switch (m->kind) {
    case MOVE_CONFIRM:
    case MOVE_RECLAIM:
        return asks_for_confirm(a, ask, h, m);
    case MOVE_REFUND:
        return ask->kind == AUDIT_REFUND;
    case MOVE_RETURN:
    case MOVE_WRITE_OFF:
    case MOVE_RESTOCK:
    case MOVE_DISCARD:
        return ask->kind == AUDIT_REFUND && asks_for_back(a, ask, h, m);
    case MOVE_SHIP:
        return ask->kind == AUDIT_SHIP && asks_for_ship(a, ask, h, m);
    case MOVE_CHANGE:
        return ask->kind == AUDIT_CHANGE && asks_for_change(a, ask, h, m);
    case MOVE_EXTEND:
        return ask->kind == AUDIT_EXTEND;
    default:
        return false;
    }
}

/* ---- calls that are made once ---- */

static enum audit_kind call_kind(uint8_t kind)
{
    return kind == MOVE_SHIP ? AUDIT_SHIP : kind == MOVE_CHANGE ? AUDIT_CHANGE : AUDIT_REFUND;
}

void audit_note_call(struct auditor *a, struct audit_hold *h, const struct move *m,
                     const struct audit_ask *cause)
{
    if (str_empty(m->detail) || !cause)
        return;
    for (size_t i = 0; i < h->call_count; i++)
        if (h->calls[i].kind == call_kind(m->kind) && str_equal(str_of(h->calls[i].id), m->detail))
            audit_fail(a, "I4", "a %s of order %s under id %s was made twice",
                       move_kind_name(m->kind), h->order_id, h->calls[i].id);
    h->calls = audit_grow(h->calls, &h->call_room, h->call_count + 1, sizeof h->calls[0]);
    struct audit_call *call = &h->calls[h->call_count++];
    *call = (struct audit_call){.id = strndup(m->detail.p, m->detail.len),
                                .kind = call_kind(m->kind),
                                .row = a->row_count,
                                .commit = a->commits,
                                .want_count = cause->want_count,
                                .reason = cause->reason,
                                .no_restock = cause->no_restock};
    memcpy(call->wants, cause->wants, sizeof call->wants);
}

/* ---- rows ---- */

static struct audit_units *units_of(struct auditor *a, struct audit_hold *h, const struct move *m,
                                    lot_id lot)
{
    for (uint32_t i = 0; i < h->now.line_count; i++)
        if (h->now.lines[i].lot == lot)
            return &h->now.units[i];
    audit_fail(a, "I1", "a %s of order %s has a lot that it does not hold", move_kind_name(m->kind),
               h->order_id);
    return NULL;
}

static void check_confirmed(struct auditor *a, const struct audit_hold *h, const struct move *m)
{
    if (h->state != HOLD_CONFIRMED)
        audit_fail(a, "I4", "a %s of order %s, which is %s", move_kind_name(m->kind), h->order_id,
                   hold_state_name(h->state));
}

void audit_check_ship(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    check_confirmed(a, h, m);
    if (audit_in_open_group(a, h, a->row_count))
        audit_fail(a, "GROUP", "order %s was shipped while its group is OPEN", h->order_id);
    const struct audit_instant now = {.rows = a->row_count, .at_ms = m->at_ms, .rows_only = true};
    for (uint32_t i = 0; i < m->line_count; i++) {
        int64_t units = lines_of(m)[i].quantity;
        struct audit_units *u = units_of(a, h, m, lines_of(m)[i].lot);
        if (!u)
            return;
        if (u->house - audit_owed(a, h, lines_of(m)[i].lot, &now) < units)
            audit_fail(a, "I1", "order %s shipped units that have not come", h->order_id);
        if (u->house < units)
            audit_fail(a, "I1", "order %s shipped %" PRId64 " units, and %" PRId64 " had not left",
                       h->order_id, units, u->house);
        u->house -= units;
        u->out += units;
        u->shipped += units;
    }
    audit_count(a, AUDIT_OUTCOME_SHIPPED);
}

/* Of what was asked back the shipped part must follow in the next row. */
static void owe_rest(struct auditor *a, struct audit_hold *h, const struct move *m,
                     const struct audit_ask *cause)
{
    struct line house[AUDIT_LINES_MAX];
    uint32_t house_count, count = 0;
    if (of_shipped(m->kind) || !cause ||
        !parts(a, cause, h, house, &house_count, h->left_over, &count))
        return;
    h->left_over_count = count;
    h->left_over_kind = m->kind == MOVE_RETURN ? MOVE_RESTOCK : MOVE_DISCARD;
}

static bool all_back(const struct audit_hold *h)
{
    for (uint32_t i = 0; i < h->now.line_count; i++)
        if (h->now.units[i].house || h->now.units[i].out)
            return false;
    return true;
}

static void count_back(struct auditor *a, const struct audit_hold *h, const struct move *m)
{
    if (!m->reason && !h->left_over_count)
        audit_count(a, AUDIT_OUTCOME_RETURNED_PART);
    if (m->kind == MOVE_RESTOCK)
        audit_count(a, AUDIT_OUTCOME_RESTOCKED);
    else if (m->kind == MOVE_WRITE_OFF)
        audit_count(a, AUDIT_OUTCOME_WRITTEN_OFF_BACK);
    else if (m->kind == MOVE_DISCARD)
        audit_count(a, AUDIT_OUTCOME_DISCARDED);
}

void audit_check_back(struct auditor *a, struct audit_hold *h, const struct move *m,
                      const struct audit_ask *cause)
{
    check_confirmed(a, h, m);
    if (m->at_ms - h->confirmed_ms > a->rules.refund_window_ms && !audit_fails_with_group(a, h, m))
        audit_fail(a, "I4", "order %s was returned after the refund window", h->order_id);
    owe_rest(a, h, m, cause);
    for (uint32_t i = 0; i < m->line_count; i++) {
        int64_t units = lines_of(m)[i].quantity;
        struct audit_units *u = units_of(a, h, m, lines_of(m)[i].lot);
        if (!u)
            return;
        int64_t *from = of_shipped(m->kind) ? &u->out : &u->house;
        if (*from < units)
            audit_fail(a, "I1",
                       "%" PRId64 " units of order %s came back of which %" PRId64
                       " were there to come back",
                       units, h->order_id, *from);
        *from -= units;
        u->returned += units;
    }
    if (!m->reason && audit_in_open_group(a, h, a->row_count))
        audit_fail(a, "GROUP", "order %s came back in part while its group is OPEN", h->order_id);
    if (all_back(h) != (m->reason != REASON_NONE))
        audit_fail(a, "I4", "order %s: all of it came back, or not all, and its row says otherwise",
                   h->order_id);
    if (m->reason) {
        h->state = HOLD_REFUNDED;
        h->reason = m->reason;
    }
    count_back(a, h, m);
}

void audit_check_change(struct auditor *a, struct audit_hold *h, const struct move *m,
                        const struct audit_ask *cause)
{
    const struct audit_instant now = {.rows = a->row_count, .at_ms = m->at_ms, .rows_only = true};
    struct line lines[AUDIT_LINES_MAX], right[ORDER_LINES_MAX];
    uint32_t count = changed(h, m, lines), right_count = 0;
    if (h->state != HOLD_PENDING || m->at_ms >= h->deadline_ms)
        audit_fail(a, "I5", "order %s was changed after its end", h->order_id);
    for (uint32_t i = 0; i < count; i++)
        if (lines[i].quantity < 0)
            audit_fail(a, "I1", "a change takes more from order %s than it has", h->order_id);
    bool can_be = !cause || audit_gives_back(a, cause, &h->now, right, &right_count) ||
                  !audit_allocation(a, cause, &now, &h->now, right, &right_count);
    if (!a->rules.shared && cause &&
        (!can_be || !audit_lines_equal(lines, count, right, right_count)))
        audit_fail(a, "FEFO", "order %s was changed to other units than it should have got",
                   h->order_id);
    memcpy(h->now.lines, lines, count * sizeof *lines);
    memcpy(h->now.reserved, lines, count * sizeof *lines);
    h->now.line_count = h->now.reserved_count = count;
    audit_count(a, AUDIT_OUTCOME_CHANGED);
}

void audit_check_reclaim(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    if (h->state != HOLD_REFUNDED || h->reason != REASON_EXPIRED)
        audit_fail(a, "I4", "order %s was taken again, though it was %s (%s)", h->order_id,
                   hold_state_name(h->state), refund_reason_name(h->reason));
    if (m->at_ms - h->deadline_ms > a->rules.refund_window_ms)
        audit_fail(a, "I4", "order %s was taken again after the refund window", h->order_id);
    for (uint32_t i = 0; i < m->line_count; i++) {
        const struct line *line = &lines_of(m)[i];
        const struct lot_terms *t = audit_terms_now(&a->lots[line->lot - 1]);
        if (t->expires_on < m->at_ms / 86400000)
            audit_fail(a, "FEFO", "order %s took units of an expired lot again", h->order_id);
        if (audit_sellable(t, audit_available(&a->lots[line->lot - 1])) < line->quantity)
            audit_fail(a, "I1", "order %s took units again that were not there", h->order_id);
    }
    memcpy(h->now.lines, lines_of(m), m->line_count * sizeof(struct line));
    h->now.line_count = m->line_count;
    audit_count(a, AUDIT_OUTCOME_RECLAIMED);
}

/* ---- the whole ---- */

void audit_balance(struct auditor *a)
{
    int64_t reserved[AUDIT_LOTS_MAX] = {0}, confirmed[AUDIT_LOTS_MAX] = {0};
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        for (uint32_t j = 0; j < h->now.line_count; j++) {
            if (h->state == HOLD_PENDING)
                reserved[h->now.lines[j].lot - 1] += h->now.lines[j].quantity;
            else if (h->state == HOLD_CONFIRMED)
                confirmed[h->now.lines[j].lot - 1] += h->now.units[j].house;
        }
    }
    for (uint32_t i = 0; i < a->lot_count; i++)
        if (reserved[i] != a->lots[i].stock.reserved || confirmed[i] != a->lots[i].stock.confirmed)
            audit_fail(a, "I1",
                       "%" PRId64 " and %" PRId64 " units of %s are reserved and confirmed, and "
                       "orders have %" PRId64 " and %" PRId64,
                       a->lots[i].stock.reserved, a->lots[i].stock.confirmed, a->lots[i].key,
                       reserved[i], confirmed[i]);
}
