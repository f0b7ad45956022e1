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
    int64_t from_ms;
    int64_t to_ms;
};

/* A hold that is due has ended, whether its row is durable or not. */
static bool ended(const struct audit_step *step, int64_t now_ms)
{
    return step->state == HOLD_PENDING && step->deadline_ms <= now_ms;
}

static bool shows(const struct audit_step *step, const struct audit_answer *answer)
{
    if (!audit_lines_equal(answer->lines, answer->line_count, step->held->lines,
                           step->held->line_count))
        return false;
    for (uint32_t i = 0; answer->after && i < answer->line_count; i++)
        if (answer->after[i].shipped != step->held->units[i].shipped ||
            answer->after[i].returned != step->held->units[i].returned)
            return false;
    return true;
}

/* The hold was so at some instant of the span, to the unit. */
static bool was_shown(const struct audit_hold *h, const struct audit_answer *answer,
                      const struct span *span)
{
    for (uint32_t i = 0; i < h->step_count; i++) {
        const struct audit_step *step = &h->steps[i];
        bool over = i + 1 < h->step_count && h->steps[i + 1].row < span->from;
        bool as_it_is = (enum hold_state)step->state == answer->state &&
                        (enum refund_reason)step->reason == answer->reason;
        bool as_ended = answer->state == HOLD_REFUNDED && answer->reason == REASON_EXPIRED &&
                        ended(step, span->to_ms);
        if (!over && (as_it_is || as_ended) && shows(step, answer))
            return true;
    }
    return false;
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
    if (!was_shown(h, answer, span))
        audit_fail(a, "I4", "request %u heard that order %s is %s, which it was not, or not so",
                   ask->number, h->order_id, hold_state_name(answer->state));
    if (audit_replay(ask, h))
        audit_fail(a, "I4", "request %u got order %s, which is not what it asked for", ask->number,
                   h->order_id);
    audit_count(a, answer->replayed ? AUDIT_OUTCOME_REPLAYED : AUDIT_OUTCOME_RESERVED);
    if (!answer->replayed && first->held->line_count > 1)
        audit_count(a, AUDIT_OUTCOME_RESERVED_LINES);
}

/* ---- moves of a hold ---- */

static bool ever(const struct audit_hold *h, enum move_kind kind)
{
    for (uint32_t i = 0; i < h->step_count; i++)
        if (h->steps[i].kind == kind)
            return true;
    return false;
}

static void count_move(struct auditor *a, const struct audit_ask *ask, bool replayed)
{
    bool named = !str_empty(ask->call_id);
    switch (ask->kind) {
    case AUDIT_EXTEND:
        audit_count(a, replayed ? AUDIT_OUTCOME_EXTEND_REPLAYED : AUDIT_OUTCOME_EXTENDED);
        break;
    case AUDIT_CONFIRM:
        audit_count(a, replayed          ? AUDIT_OUTCOME_CONFIRM_REPLAYED
                       : ask->want_count ? AUDIT_OUTCOME_PART_CONFIRMED
                                         : AUDIT_OUTCOME_CONFIRMED);
        break;
    case AUDIT_REFUND:
        if (replayed)
            audit_count(a, named ? AUDIT_OUTCOME_RETURN_REPLAYED : AUDIT_OUTCOME_REFUND_REPLAYED);
        break;
    case AUDIT_SHIP:
        if (replayed)
            audit_count(a, AUDIT_OUTCOME_SHIP_REPLAYED);
        break;
    case AUDIT_CHANGE:
        if (replayed)
            audit_count(a, AUDIT_OUTCOME_CHANGE_REPLAYED);
        break;
    default:
        break;
    }
}

/* How many of its units have not come yet, as it was at some instant. */
static bool owed_is_told(const struct auditor *a, const struct audit_hold *h,
                         const struct audit_answer *answer, const struct span *span)
{
    for (size_t rows = span->from; rows <= a->row_count; rows++) {
        const struct audit_instant in = {.rows = rows, .at_ms = span->to_ms};
        uint32_t i = 0;
        while (i < answer->line_count &&
               answer->after[i].backordered == audit_owed(a, h, answer->lines[i].lot, &in))
            i++;
        if (i == answer->line_count)
            return true;
    }
    return false;
}

/* Whatever was asked for, the answer shows the hold as it was then. */
static void moved(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                  const struct span *span)
{
    const struct audit_hold *h = audit_hold_find(a, answer->reservation_id);
    bool named = h && (str_empty(ask->by_order) ? h->id == ask->reservation_id
                                                : str_equal(str_of(h->order_id), ask->by_order));
    bool deadline_known = false;
    for (uint32_t i = 0; h && i < h->step_count; i++)
        deadline_known = deadline_known || h->steps[i].deadline_ms == answer->expires_ms;
    bool durable =
        named && (ask->kind != AUDIT_CONFIRM || ever(h, MOVE_CONFIRM) || ever(h, MOVE_RECLAIM));
    durable = durable && (ask->kind != AUDIT_SHIP || ever(h, MOVE_SHIP));
    durable = durable && (ask->kind != AUDIT_EXTEND || deadline_known);
    if (!durable)
        audit_fail(a, "I3", "request %u was told of a move that is not durable", ask->number);
    else if (!was_shown(h, answer, span))
        audit_fail(a, "I4", "request %u heard that order %s is %s, which it was not, or not so",
                   ask->number, h->order_id, hold_state_name(answer->state));
    else if (ask->strict && !a->asks && !owed_is_told(a, h, answer, span))
        audit_fail(a, "I1", "request %u heard of other units of order %s that have not come",
                   ask->number, h->order_id);
    count_move(a, ask, answer->replayed);
}

static void all_confirmed(struct auditor *a, const struct audit_ask *ask)
{
    for (uint32_t i = 0; i < ask->id_count; i++) {
        const struct audit_hold *h = audit_hold_find(a, ask->ids[i]);
        if (!h || !(ever(h, MOVE_CONFIRM) || ever(h, MOVE_RECLAIM)))
            audit_fail(a, "I3",
                       "request %u was told that %" PRId64 " is confirmed, which is not "
                       "durable",
                       ask->number, ask->ids[i]);
    }
    audit_count(a, AUDIT_OUTCOME_ALL_CONFIRMED);
}

/* ---- look-ups ---- */

/* The earliest deadline after an instant. */
static int64_t next_due(const struct auditor *a, int64_t after_ms)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        for (uint32_t j = 0; j < h->step_count; j++) {
            int64_t at_ms = h->steps[j].deadline_ms;
            if (at_ms > after_ms && at_ms < next_ms)
                next_ms = at_ms;
        }
    }
    return next_ms;
}

/* The units that holds, due by then, still had of a lot after so many rows; *count: how many. */
static int64_t due_units(const struct auditor *a, lot_id id, size_t rows, int64_t by_ms,
                         int64_t *count)
{
    int64_t units = 0;
    *count = 0;
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        const struct audit_step *step = audit_step_at(h, rows);
        if (!step || !ended(step, by_ms))
            continue;
        for (uint32_t j = 0; j < step->held->line_count; j++) {
            if (step->held->lines[j].lot != id)
                continue;
            units += step->held->lines[j].quantity;
            ++*count;
        }
    }
    return units;
}

/* The durable version that a lot was shown after: holds that were due by some instant of the span
 * count as given back, each by a move. All that were due at its beginning do, but to a watcher, who
 * may be told of the past. While an outcome is unknown, what that batch did of them is unknown too;
 * and where two write, a look-up does not wait for what is due.
 * 0: there was no such. */
static int64_t shown_version(const struct auditor *a, const struct audit_ask *ask, lot_id id,
                             const struct stock *shown, const struct span *span)
{
    const struct audit_lot *lot = &a->lots[id - 1];
    int64_t newest = shown->version < lot->stock.version ? shown->version : lot->stock.version;
    for (int64_t v = newest; v >= 1; v--) {
        size_t rows = lot->version_rows[v] + 1;
        const struct stock *was = &lot->versions[v];
        int64_t least, most, count;
        due_units(a, id, rows, span->from_ms, &least);
        int64_t most_units = due_units(a, id, rows, span->to_ms, &most);
        if (shown->version - v > most)
            return 0;
        int64_t missing = was->reserved - shown->reserved;
        if ((a->unknown || a->rules.shared) && was->on_hand == shown->on_hand &&
            was->confirmed == shown->confirmed && missing >= 0 && missing <= most_units)
            return v;
        if (shown->version - v < least && ask->kind != AUDIT_CHANGES)
            continue;
        for (int64_t at_ms = span->from_ms; at_ms <= span->to_ms; at_ms = next_due(a, at_ms)) {
            int64_t units = due_units(a, id, rows, at_ms, &count);
            if (count == shown->version - v && was->on_hand == shown->on_hand &&
                was->confirmed == shown->confirmed && was->reserved - units == shown->reserved)
                return v;
        }
        if (shown->version == v && was->on_hand == shown->on_hand &&
            was->confirmed == shown->confirmed && was->reserved == shown->reserved)
            return v;
    }
    return 0;
}

static void lots_seen(struct auditor *a, const struct audit_ask *ask,
                      const struct audit_answer *answer, const struct span *span)
{
    for (uint32_t i = 0; i < answer->lot_count; i++) {
        const struct audit_lot_view *v = &answer->lots[i];
        const struct audit_lot *lot =
            v->id >= 1 && v->id <= a->lot_count ? &a->lots[v->id - 1] : NULL;
        if (!lot || v->stock.version < 1) {
            audit_fail(a, "I3", "request %u saw a lot before it was durable", ask->number);
            return;
        }
        int64_t version = shown_version(a, ask, v->id, &v->stock, span);
        if (!version)
            audit_fail(a, v->stock.version > lot->stock.version ? "I3" : "I1",
                       "request %u saw a stock of %s that there never was", ask->number, lot->key);
        bool stale =
            version && version < lot->stock.version && lot->version_rows[version + 1] < span->from;
        if (stale && ask->kind != AUDIT_CHANGES)
            audit_fail(a, "I1", "request %u saw an old stock of %s", ask->number, lot->key);
        size_t from = ask->kind == AUDIT_CHANGES ? 0 : span->from;
        if (!audit_terms_shown(lot, &v->terms, from))
            audit_fail(a, "I1", "request %u saw terms of %s that it did not have", ask->number,
                       lot->key);
        if (!str_equal(v->key, str_of(lot->key)))
            audit_fail(a, "I1", "request %u saw lot %s under another name", ask->number, lot->key);
    }
}

static void lot_seen(struct auditor *a, const struct audit_ask *ask,
                     const struct audit_answer *answer, const struct span *span)
{
    if (answer->lot_count != 1 || !str_equal(answer->lots[0].key, ask->lot))
        audit_fail(a, "I1", "request %u was shown another lot than %.*s", ask->number,
                   STR_ARG(ask->lot));
    else
        lots_seen(a, ask, answer, span);
}

/* A page: every lot that there was when it was asked for, that the filter lets through, in order,
 * and no other. */
static void lots_listed(struct auditor *a, const struct audit_ask *ask,
                        const struct audit_answer *answer, const struct span *span)
{
    uint32_t at = 0;
    lot_id last = answer->next ? answer->next : a->lot_count;
    for (lot_id id = ask->after + 1; id <= last && id <= a->lot_count; id++) {
        const struct audit_lot *lot = &a->lots[id - 1];
        bool passes = audit_lot_passes(lot, &ask->wants[0]);
        bool listed = at < answer->lot_count && answer->lots[at].id == id;
        bool old = lot->version_rows[1] < span->from;
        if (passes != listed && (listed || old))
            audit_fail(a, "I1", "request %u: lot %s is %s the list", ask->number, lot->key,
                       listed ? "wrongly on" : "missing from");
        at += listed;
    }
    if (at != answer->lot_count || at > ask->page_size || (answer->next && at != ask->page_size))
        audit_fail(a, "I1", "request %u: the page has %u lots, of which %u belong there",
                   ask->number, answer->lot_count, at);
    lots_seen(a, ask, answer, span);
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
    const struct audit_step *seen =
        r->move_count && r->move_count <= h->step_count ? &h->steps[r->move_count - 1] : NULL;
    bool was_so = seen && r->state == (enum hold_state)seen->state && !ended(seen, span->from_ms);
    if (seen && r->state == HOLD_REFUNDED && r->reason == REASON_EXPIRED)
        was_so = was_so || ended(seen, span->to_ms);
    if (r->move_count < least || !was_so)
        audit_fail(a, "I4", "request %u saw a state of order %s that it was not in", ask->number,
                   h->order_id);
    const struct audit_answer shown = {
        .lines = r->lines, .line_count = r->line_count, .after = r->after};
    if (seen && !shows(seen, &shown))
        audit_fail(a, "I4", "request %u saw other lines of order %s", ask->number, h->order_id);
    bool named = str_empty(ask->order_id) ? r->reservation_id == ask->reservation_id
                                          : str_equal(r->order_id, ask->order_id);
    if (!named || !str_equal(r->order_id, str_of(h->order_id)) ||
        !str_equal(r->user_id, str_of(h->user_id)))
        audit_fail(a, "I4", "request %u was shown another reservation", ask->number);
    audit_count(a, AUDIT_OUTCOME_RESERVATION_SEEN);
}

/* ---- the whole ---- */

/* What was done or replayed was to be done or replayed, at some instant of the span. */
static void right(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                  int64_t now_ms)
{
    struct audit_expected x;
    bool replayed = answer->replayed;
    if (ask->kind == AUDIT_EXTEND && !replayed) /* its deadline tells when it was decided */
        now_ms = answer->expires_ms - (ask->hold_ms ? ask->hold_ms : a->rules.hold_default_ms);
    if (ask->kind == AUDIT_RESERVE && !replayed)
        now_ms = answer->at_ms;
    if (ask->kind == AUDIT_ADJUST)
        replayed = ask->strict ? !ask->caused : false;
    if (audit_right(a, ask, 0, replayed, now_ms, &x) ||
        (ask->kind == AUDIT_ADJUST && !ask->strict && audit_right(a, ask, 0, true, now_ms, &x)))
        return;
    audit_fail(a, x.code == TLY_ESOLD_OUT ? "I1" : "I4",
               "request %u (%s) was %s, and it should have been %s%s", ask->number,
               audit_kind_name(ask->kind), replayed ? "replayed" : "done",
               x.code ? error_name(x.code) : "done", x.replayed ? " before" : "");
}

static void adjusted(struct auditor *a, const struct audit_ask *ask,
                     const struct audit_answer *answer, const struct span *span)
{
    lot_seen(a, ask, answer, span);
    if (!ask->caused)
        audit_count(a, AUDIT_OUTCOME_ADJUST_REPLAYED);
}

static void done(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                 const struct span *span)
{
    switch (ask->kind) {
    case AUDIT_RESERVE:
        reserved(a, ask, answer, span);
        break;
    case AUDIT_CONFIRM:
    case AUDIT_REFUND:
    case AUDIT_EXTEND:
    case AUDIT_SHIP:
    case AUDIT_CHANGE:
        moved(a, ask, answer, span);
        break;
    case AUDIT_CONFIRM_ALL:
        all_confirmed(a, ask);
        break;
    case AUDIT_CREATE_SALE:
    case AUDIT_CLOSE_SALE:
        break;
    case AUDIT_COMPLETE_GROUP:
    case AUDIT_GET_GROUP:
        audit_group_seen(a, ask, answer);
        break;
    case AUDIT_CREATE:
        audit_count(a, AUDIT_OUTCOME_LOT_CREATED);
        lot_seen(a, ask, answer, span);
        break;
    case AUDIT_ADJUST:
        adjusted(a, ask, answer, span);
        break;
    case AUDIT_UPDATE_LOT:
        lot_seen(a, ask, answer, span);
        break;
    case AUDIT_SET:
        break;
    case AUDIT_GET_LOT:
        audit_count(a, AUDIT_OUTCOME_LOT_SEEN);
        lot_seen(a, ask, answer, span);
        break;
    case AUDIT_LIST_LOTS:
        audit_count(a, AUDIT_OUTCOME_LOTS_LISTED);
        lots_listed(a, ask, answer, span);
        break;
    case AUDIT_CHANGES:
        audit_count(a, AUDIT_OUTCOME_CHANGES_SEEN);
        lots_seen(a, ask, answer, span);
        break;
    case AUDIT_GET_RESERVATION:
        record_seen(a, ask, answer, span);
        break;
    }
    if (!a->finding[0])
        right(a, ask, answer, span->to_ms);
}

void audit_answer(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                  int64_t now_ms)
{
    struct span span = {.from = ask->rows_at_send, .from_ms = ask->sent_ms, .to_ms = now_ms};
    if (answer->code == 0)
        done(a, ask, answer, &span);
    else
        audit_refused(a, ask, answer, now_ms);
    if (answer->code == TLY_EALREADY_EXISTS && ask->kind == AUDIT_CREATE)
        lot_seen(a, ask, answer, &span);
}
