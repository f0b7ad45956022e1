/* What is wrong with a row about sales and groups, and with what a commit leaves of them. */
#include <inttypes.h>
#include <string.h>

#include "audit_internal.h"

bool audit_asks_for_sale(struct auditor *a, const struct audit_ask *ask, const struct move *m)
{
    switch (m->kind) {
    case MOVE_SALE:
        return ask->kind == (m->sale > a->sale_count ? AUDIT_CREATE_SALE : AUDIT_CLOSE_SALE) &&
               str_equal(ask->kind == AUDIT_CREATE_SALE ? ask->terms->sale_id : ask->sale,
                         m->sale_terms->sale_id);
    case MOVE_GROUP_OPEN:
        return ask->kind == AUDIT_RESERVE && ask->opens && m->sale && m->sale <= a->sale_count &&
               str_equal(ask->user_id, m->user_id) &&
               str_equal(ask->sale, a->sales[m->sale - 1].terms->sale_id);
    default:
        return ask->kind == AUDIT_COMPLETE_GROUP && ask->group_id == m->group_id;
    }
}

static bool as_asked(const struct sale_terms *t, const struct audit_sale_terms *x)
{
    return t->starts_ms == x->starts_ms && t->ends_ms == x->ends_ms &&
           t->per_user_limit == x->per_user && t->per_order_limit == x->per_order &&
           t->total_limit == x->total && t->hold_ms == x->hold_ms &&
           t->payment_extend_ms_max == x->extend_ms && t->group_window_ms == x->window_ms &&
           t->group_size == x->group_size && t->item_count == x->item_count;
}

void audit_row_sale(struct auditor *a, const struct move *m)
{
    const struct audit_ask *ask = audit_cause(a, m);
    bool made = m->sale > a->sale_count;
    if (!ask || m->sale < 1 || m->sale > a->sale_count + 1 || m->sale > AUDIT_SALES_MAX) {
        audit_fail(a, "I6", "sale %u is in the ledger, but nobody is waiting for it", m->sale);
        return;
    }
    struct audit_sale *s = &a->sales[m->sale - 1];
    if (made) {
        if (audit_sale_find(a, ask->terms->sale_id))
            audit_fail(a, "I4", "a sale was made twice");
        *s = (struct audit_sale){
            .terms = ask->terms, .row = a->row_count, .close_row = SIZE_MAX, .created_seq = m->seq};
        a->sale_count++;
    } else {
        if (s->close_row != SIZE_MAX || m->at_ms >= s->terms->ends_ms)
            audit_fail(a, "I4", "sale %u was closed after its end", m->sale);
        s->close_row = a->row_count;
    }
    audit_count(a, made ? AUDIT_OUTCOME_SALE_MADE : AUDIT_OUTCOME_SALE_ENDED);
    if (!as_asked(m->sale_terms, s->terms) || m->sale_terms->closed_ms != (made ? 0 : m->at_ms))
        audit_fail(a, "I4", "sale %u is not what was asked for", m->sale);
}

static bool is_on(const struct auditor *a, uint32_t sale, const struct move *m)
{
    const struct audit_sale *s = &a->sales[sale - 1];
    return m->at_ms < s->terms->ends_ms && s->close_row == SIZE_MAX &&
           m->at_ms >= s->terms->starts_ms;
}

static int64_t units_now(const struct audit_hold *h)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < h->now.line_count && h->state != HOLD_REFUNDED; i++)
        units += h->state == HOLD_PENDING ? h->now.lines[i].quantity
                                          : h->now.units[i].house + h->now.units[i].out;
    return units;
}

void audit_check_limits(struct auditor *a, const struct audit_hold *h, const struct move *m)
{
    int64_t of_user = 0, of_all = 0;
    if (!h->sale)
        return;
    const struct audit_sale *s = &a->sales[h->sale - 1];
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *other = a->holds[i];
        int64_t units = other->sale == h->sale ? units_now(other) : 0;
        of_all += units;
        of_user += strcmp(other->user_id, h->user_id) == 0 ? units : 0;
    }
    if (m->kind != MOVE_RECLAIM && !is_on(a, h->sale, m)) /* its order was made in time */
        audit_fail(a, "SALE", "order %s got units when its sale was not on", h->order_id);
    if (s->terms->per_user && of_user > s->terms->per_user)
        audit_fail(a, "LIMIT", "user %s has %" PRId64 " units of a sale that allows %" PRId64,
                   h->user_id, of_user, s->terms->per_user);
    if (s->terms->per_order && units_now(h) > s->terms->per_order)
        audit_fail(a, "LIMIT", "order %s is larger than its sale allows", h->order_id);
    if (s->terms->total && of_all > s->terms->total)
        audit_fail(a, "SHARE", "%" PRId64 " units of a sale's share of %" PRId64 " are sold",
                   of_all, s->terms->total);
    for (uint32_t i = 0; i < h->now.line_count; i++)
        if (!audit_sells(s, &a->lots[h->now.lines[i].lot - 1]))
            audit_fail(a, "SALE", "order %s got a lot that is not in its sale", h->order_id);
}

static void check_place(struct auditor *a, const struct audit_hold *h, const struct move *m)
{
    const struct audit_group *g = audit_group_find(a, m->group_id);
    if (!g || g->sale != m->sale || g->end_row != SIZE_MAX || m->at_ms >= g->ends_ms)
        audit_fail(a, "GROUP", "order %s joined a group that is not open", h->order_id);
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *other = a->holds[i];
        if (other->group_id == m->group_id && other != h && other->state != HOLD_REFUNDED &&
            strcmp(other->user_id, h->user_id) == 0)
            audit_fail(a, "GROUP", "user %s has two places in a group", h->user_id);
    }
    audit_count(a, AUDIT_OUTCOME_GROUP_JOINED);
}

void audit_note_sale(struct auditor *a, struct audit_hold *h, const struct move *m)
{
    h->first_deadline_ms = m->deadline_ms;
    if (!m->sale)
        return;
    if (m->sale > a->sale_count) {
        audit_fail(a, "SALE", "order %s is in a sale that is not there", h->order_id);
        return;
    }
    h->sale = m->sale;
    h->group_id = m->group_id;
    const struct audit_sale_terms *t = a->sales[m->sale - 1].terms;
    if (t->hold_ms && m->deadline_ms > m->at_ms + t->hold_ms)
        audit_fail(a, "SALE", "order %s is held longer than its sale allows", h->order_id);
    audit_count(a, AUDIT_OUTCOME_IN_SALE);
    if (m->group_id)
        check_place(a, h, m);
}

/* ---- groups ---- */

static void open_group(struct auditor *a, const struct move *m)
{
    const struct audit_sale_terms *t = a->sales[m->sale - 1].terms;
    if (!audit_cause(a, m))
        audit_fail(a, "I6", "a group is in the ledger, but nobody is waiting for it");
    else if (m->group_id != m->seq || !is_on(a, m->sale, m) || a->group_count == AUDIT_GROUPS_MAX ||
             m->line.quantity != t->group_size || m->deadline_ms != m->at_ms + t->window_ms)
        audit_fail(a, "GROUP", "a group was opened that is not what its sale says");
    else
        a->groups[a->group_count++] = (struct audit_group){.id = m->seq,
                                                           .sale = m->sale,
                                                           .size = t->group_size,
                                                           .ends_ms = m->deadline_ms,
                                                           .row = a->row_count,
                                                           .end_row = SIZE_MAX,
                                                           .status = GROUP_IS_OPEN};
    audit_count(a, AUDIT_OUTCOME_GROUP_OPENED);
}

static uint32_t paid_now(const struct auditor *a, int64_t id)
{
    uint32_t paid = 0;
    for (size_t i = 0; i < a->hold_count; i++)
        paid += a->holds[i]->group_id == id && a->holds[i]->state == HOLD_CONFIRMED;
    return paid;
}

static void end_group(struct auditor *a, struct audit_group *g, const struct move *m)
{
    bool succeeds = m->kind == MOVE_GROUP_SUCCEED;
    uint32_t paid = paid_now(a, g->id);
    int64_t due_ms = g->ends_ms > a->calm_since_ms ? g->ends_ms : a->calm_since_ms;
    due_ms += a->rules.shared ? AUDIT_LOOK_MS : 0;
    if (g->end_row != SIZE_MAX || m->line.quantity != paid)
        audit_fail(a, "GROUP", "a group ended twice, or with %" PRId64 " paid of %u",
                   m->line.quantity, paid);
    if (succeeds != (m->at_ms < g->ends_ms))
        audit_fail(a, "GROUP", "a group %s %" PRId64 " ms after its end",
                   succeeds ? "succeeded" : "failed", m->at_ms - g->ends_ms);
    if (succeeds && paid < g->size && !audit_cause(a, m))
        audit_fail(a, "GROUP", "a group succeeded with %u of %u payments", paid, g->size);
    if (!succeeds && a->calm_since_ms != INT64_MAX && m->at_ms > due_ms)
        audit_fail(a, "I5", "a group failed %" PRId64 " ms late", m->at_ms - due_ms);
    g->status = succeeds ? GROUP_SUCCEEDED : GROUP_FAILED;
    g->end_row = a->row_count;
    g->end_commit = a->commits;
    audit_count(a, !succeeds        ? AUDIT_OUTCOME_GROUP_FAILURE
                   : paid < g->size ? AUDIT_OUTCOME_GROUP_COMPLETED
                                    : AUDIT_OUTCOME_GROUP_SUCCESS);
}

void audit_row_group(struct auditor *a, const struct move *m)
{
    struct audit_group *g = audit_group_find(a, m->group_id);
    if (m->sale < 1 || m->sale > a->sale_count || (m->kind != MOVE_GROUP_OPEN && !g))
        audit_fail(a, "GROUP", "a %s of a group that is not there", move_kind_name(m->kind));
    else if (m->kind == MOVE_GROUP_OPEN)
        open_group(a, m);
    else
        end_group(a, g, m);
}

bool audit_fails_with_group(const struct auditor *a, const struct audit_hold *h,
                            const struct move *m)
{
    const struct audit_group *g = audit_group_find(a, h->group_id);
    return g && g->status == GROUP_FAILED && g->end_commit == a->commits &&
           m->reason == REASON_GROUP_FAILED;
}

void audit_check_groups(struct auditor *a)
{
    for (uint32_t i = 0; i < a->group_count; i++)
        a->groups[i].members = a->groups[i].paid = 0;
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        struct audit_group *g = audit_group_find(a, h->group_id);
        if (!g)
            continue;
        g->members += h->state != HOLD_REFUNDED;
        g->paid += h->state == HOLD_CONFIRMED;
    }
    for (uint32_t i = 0; i < a->group_count; i++) {
        const struct audit_group *g = &a->groups[i];
        if (g->status == GROUP_FAILED && g->members)
            audit_fail(a, "GROUP", "a group has failed, and %u of its members have their units",
                       g->members);
        if (g->status == GROUP_IS_OPEN && g->members > g->size)
            audit_fail(a, "GROUP", "a group of %u has %u members", g->size, g->members);
        if (g->status == GROUP_IS_OPEN && g->paid >= g->size)
            audit_fail(a, "GROUP", "all of a group have paid, and it has not succeeded");
    }
}

int64_t audit_oldest_in_sales(const struct auditor *a, int64_t now_ms)
{
    int64_t oldest = INT64_MAX;
    for (uint32_t i = 0; i < a->sale_count; i++) {
        const struct audit_sale *s = &a->sales[i];
        if (now_ms < s->terms->ends_ms && s->close_row == SIZE_MAX && s->created_seq < oldest)
            oldest = s->created_seq;
    }
    for (uint32_t i = 0; i < a->group_count; i++)
        if (a->groups[i].status == GROUP_IS_OPEN && a->groups[i].id < oldest)
            oldest = a->groups[i].id;
    return oldest;
}
