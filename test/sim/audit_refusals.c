/* Whether a refusal was right.
 *
 * An answer is right if at some instant between the request's departure and its arrival it was what
 * audit_expect() says. A refusal need not wait for what it rests on to become durable, so it is
 * judged some commits later, when that is. Where commits fail, what it rested on may never be: then
 * SOLD_OUT may count the units that other requests under way may have been promised.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "base/error.h"

struct span {
    size_t from; /* durable rows when the request left */
    int64_t from_ms;
    int64_t to_ms;
};

static const char *const kind_names[] = {
    [AUDIT_CREATE] = "create",
    [AUDIT_ADJUST] = "adjust",
    [AUDIT_RESERVE] = "reserve",
    [AUDIT_CONFIRM] = "confirm",
    [AUDIT_REFUND] = "refund",
    [AUDIT_EXTEND] = "extend",
    [AUDIT_GET_LOT] = "look at",
    [AUDIT_LIST_LOTS] = "list",
    [AUDIT_CHANGES] = "watch",
    [AUDIT_GET_RESERVATION] = "look up",
    [AUDIT_SHIP] = "ship",
    [AUDIT_CHANGE] = "change",
    [AUDIT_CONFIRM_ALL] = "confirm all",
    [AUDIT_CREATE_SALE] = "make sale",
    [AUDIT_CLOSE_SALE] = "close sale",
    [AUDIT_COMPLETE_GROUP] = "complete group",
    [AUDIT_GET_GROUP] = "look at group",
    [AUDIT_UPDATE_LOT] = "update",
    [AUDIT_SET] = "set",
};

const char *audit_kind_name(enum audit_kind kind)
{
    return kind_names[kind];
}

static const char *code_name(int code)
{
    return code ? error_name(code) : "done";
}

/* ---- the right answer at some instant ---- */

static bool right_at(struct auditor *a, const struct audit_ask *ask, int code, bool replayed,
                     const struct audit_instant *in, struct audit_expected *x)
{
    audit_expect(a, ask, in, x);
    if (x->either && (code == 0 || code == x->if_remembered))
        return true;
    if (code && ask->kind == AUDIT_CONFIRM_ALL) /* whichever was found wanting first */
        return audit_all_fails(a, ask, in, code);
    return x->code == code && (code || x->replayed == replayed);
}

bool audit_right(struct auditor *a, const struct audit_ask *ask, int code, bool replayed,
                 int64_t to_ms, struct audit_expected *x)
{
    for (size_t rows = ask->rows_at_send; rows <= a->row_count; rows++) {
        struct audit_instant in = {.rows = rows, .at_ms = ask->sent_ms};
        if (right_at(a, ask, code, replayed, &in, x))
            return true;
        in.at_ms = to_ms;
        if (to_ms != ask->sent_ms && right_at(a, ask, code, replayed, &in, x))
            return true;
    }
    return false;
}

/* ---- sold out ---- */

static int64_t reclaimed_units(const struct auditor *a, const struct audit_ask *ask, lot_id lot)
{
    const struct audit_hold *h = audit_named(a, ask, a->row_count);
    int64_t units = 0;
    for (uint32_t i = 0; h && i < h->now.line_count; i++)
        units += h->now.lines[i].lot == lot ? h->now.lines[i].quantity : 0;
    return units;
}

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
        if (other->kind == AUDIT_CONFIRM && other->reclaim)
            units += reclaimed_units(a, other, lot);
        if (other->kind != AUDIT_RESERVE && other->kind != AUDIT_CHANGE)
            continue;
        for (uint32_t i = 0; i < other->want_count; i++)
            if (audit_lot_matches(l, &other->wants[i]))
                units += other->wants[i].quantity;
    }
    return units;
}

static bool may_be_about(const struct audit_ask *ask, const struct audit_hold *h)
{
    for (uint32_t i = 0; i < ask->id_count; i++)
        if (ask->ids[i] == h->id)
            return true;
    return str_empty(ask->by_order) ? ask->reservation_id == h->id
                                    : str_equal(ask->by_order, str_of(h->order_id));
}

/* Somebody pays or extends, which may be decided already although it is not durable. */
static bool may_go_on(const struct auditor *a, const struct audit_hold *h)
{
    for (const struct audit_ask *ask = a->asks; ask; ask = ask->next)
        if ((ask->kind == AUDIT_CONFIRM || ask->kind == AUDIT_EXTEND ||
             ask->kind == AUDIT_CONFIRM_ALL) &&
            may_be_about(ask, h))
            return true;
    return false;
}

/* What can be sold of lots that match, of which so many are available. */
static int64_t sellable(const struct auditor *a, const bool *matches, const int64_t *available)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < a->lot_count; i++)
        if (matches[i])
            units += audit_sellable(audit_terms_now(&a->lots[i]), available[i]);
    return units;
}

/* How many units of the lots that match `w` there were at the worst instant of the span, counting
 * as free those of holds that were due when the request left (I5). */
static int64_t least_available(struct auditor *a, const struct audit_want *w,
                               const struct span *span)
{
    int64_t units[AUDIT_LOTS_MAX];
    bool matches[AUDIT_LOTS_MAX] = {false};
    for (uint32_t i = 0; i < a->lot_count; i++) {
        const struct audit_lot *lot = &a->lots[i];
        matches[i] =
            audit_lot_matches(lot, w) && audit_terms_now(lot)->expires_on >= span->to_ms / 86400000;
        units[i] = audit_available(lot);
    }
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        if (h->state != HOLD_PENDING || h->deadline_ms > span->from_ms || may_go_on(a, h))
            continue;
        for (uint32_t j = 0; j < h->now.line_count; j++)
            units[h->now.lines[j].lot - 1] += h->now.lines[j].quantity;
    }
    int64_t least = sellable(a, matches, units);
    for (size_t i = a->effect_count; i-- > 0 && a->effects[i].row >= span->from;) {
        const struct audit_effect *e = &a->effects[i];
        if (!matches[e->lot - 1] || e->expired_deadline_ms <= span->from_ms)
            continue;
        units[e->lot - 1] -= e->available;
        int64_t now = sellable(a, matches, units);
        least = now < least ? now : least;
    }
    return least;
}

/* A lot that matches is sold on other terms than it was, or will be; or a file says what there is
 * of it. */
static bool terms_move(const struct auditor *a, const struct audit_want *w, const struct span *span)
{
    for (uint32_t i = 0; i < a->lot_count; i++) {
        const struct audit_lot *lot = &a->lots[i];
        if (!audit_lot_matches(lot, w))
            continue;
        if (lot->terms_count > 1 && lot->terms[lot->terms_count - 1].row >= span->from)
            return true;
        for (const struct audit_ask *ask = a->asks; ask; ask = ask->next) {
            if (ask->kind == AUDIT_UPDATE_LOT && str_equal(ask->lot, str_of(lot->key)))
                return true;
            for (uint32_t j = 0; ask->kind == AUDIT_SET && j < ask->item_count; j++)
                if (str_equal(ask->items[j].key, str_of(lot->key)))
                    return true;
        }
    }
    return false;
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
    struct span known = *span;
    if (from_gate && a->rules.gate_late && ask->rows_told < known.from)
        known.from = ask->rows_told;
    for (uint32_t i = 0; i < ask->want_count; i++) {
        const struct audit_want *w = &ask->wants[i];
        if (terms_move(a, w, &known))
            return;
        had = least_available(a, w, &known);
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

/* ---- refusals ---- */

static const char *promise_of(int code)
{
    if (code == TLY_ESOLD_OUT)
        return "I2";
    return code == TLY_EOVERLOADED || code == TLY_EUNAVAILABLE ? "I7" : "I4";
}

static void wrong(struct auditor *a, const struct audit_ask *ask, int code,
                  const struct audit_expected *x)
{
    audit_fail(a, promise_of(code), "request %u (%s %.*s%.*s) was told %s, and %s%s was right",
               ask->number, kind_names[ask->kind], STR_ARG(ask->order_id), STR_ARG(ask->lot),
               code_name(code), code_name(x->code), x->replayed ? " (replayed)" : "");
}

static void judge(struct auditor *a, const struct audit_refusal *r)
{
    struct audit_expected x;
    /* Which line was found wanting first may rest on what failed. */
    bool by_line = !r->ask.strict && r->ask.kind == AUDIT_RESERVE &&
                   (r->code == TLY_ENOT_FOUND || r->code == TLY_EINVALID_ARGUMENT);
    if (by_line && audit_names_nothing(a, &r->ask, r->code))
        return;
    bool by_lot = !r->ask.strict && r->ask.kind == AUDIT_ADJUST && r->code == TLY_EORDER_MISMATCH;
    if (by_lot && audit_right(a, &r->ask, TLY_ENOT_FOUND, false, r->to_ms, &x))
        return;
    /* A lot's limit is looked at when the units are there, which may rest on what failed. */
    bool by_limit = !r->ask.strict && r->code == TLY_ELIMIT_EXCEEDED && str_empty(r->ask.sale);
    if (by_limit && audit_right(a, &r->ask, TLY_ESOLD_OUT, false, r->to_ms, &x))
        return;
    if (!audit_right(a, &r->ask, r->code, false, r->to_ms, &x))
        wrong(a, &r->ask, r->code, &x);
}

void audit_judge_refusals(struct auditor *a, bool all)
{
    struct audit_refusal **at = &a->refusals;
    while (*at) {
        struct audit_refusal *r = *at;
        if (!all && a->commits <= r->commits + a->rules.batches_max) {
            at = &r->next;
            continue;
        }
        judge(a, r);
        *at = r->next;
        free(r);
    }
}

void audit_drop_refusals(struct auditor *a)
{
    while (a->refusals) {
        struct audit_refusal *r = a->refusals;
        a->refusals = r->next;
        free(r);
    }
}

static void judge_later(struct auditor *a, const struct audit_ask *ask, int code, int64_t now_ms)
{
    struct audit_refusal *r = malloc(sizeof *r);
    if (!r)
        abort();
    *r = (struct audit_refusal){
        .next = a->refusals, .ask = *ask, .code = code, .to_ms = now_ms, .commits = a->commits};
    a->refusals = r;
}

/* Turned away: too late, too many, or a ledger that is not there. Where neither can be, it is no
 * answer. */
static void turned_away(struct auditor *a, const struct audit_ask *ask, int code, int64_t now_ms)
{
    struct audit_expected x;
    bool late = code == TLY_EOVERLOADED && ask->may_be_late;
    bool full = code == TLY_EOVERLOADED && a->rules.tight && !ask->strict;
    bool failed = a->rules.faults && !ask->strict;
    if (late || full || failed)
        return;
    if (code == TLY_EOVERLOADED && ask->kind == AUDIT_RESERVE) { /* holds_max, perhaps */
        if (ask->strict)
            judge_later(a, ask, code, now_ms);
        return;
    }
    audit_right(a, ask, code, false, now_ms, &x);
    wrong(a, ask, code, &x);
}

/* Units of the order have not come yet. */
static bool is_owed_some(const struct auditor *a, const struct audit_ask *ask)
{
    const struct audit_instant now = {.rows = a->row_count, .rows_only = true};
    const struct audit_hold *h = audit_named(a, ask, a->row_count);
    for (uint32_t i = 0; h && i < h->now.line_count; i++)
        if (audit_owed(a, h, h->now.lines[i].lot, &now))
            return true;
    return false;
}

static void count_refusal(struct auditor *a, const struct audit_ask *ask,
                          const struct audit_answer *answer)
{
    switch (answer->code) {
    case TLY_ESOLD_OUT:
        if (ask->kind == AUDIT_RESERVE && answer->from_share)
            audit_count(a, AUDIT_OUTCOME_SHARE_GONE);
        else if (ask->kind == AUDIT_RESERVE)
            audit_count(a, answer->from_gate ? AUDIT_OUTCOME_SOLD_OUT_AT_GATE
                                             : AUDIT_OUTCOME_SOLD_OUT);
        else if (ask->kind == AUDIT_CHANGE)
            audit_count(a, AUDIT_OUTCOME_CHANGE_SOLD_OUT);
        else if (ask->kind == AUDIT_CONFIRM)
            audit_count(a, AUDIT_OUTCOME_RECLAIM_SOLD_OUT);
        break;
    case TLY_EORDER_MISMATCH:
        audit_count(a, str_empty(ask->call_id) ? AUDIT_OUTCOME_MISMATCH : AUDIT_OUTCOME_OTHER_CALL);
        break;
    case TLY_ENOT_FOUND:
        audit_count(a, AUDIT_OUTCOME_NOT_FOUND);
        break;
    case TLY_EINVALID_TRANSITION:
        audit_count(a, ask->kind == AUDIT_SHIP && is_owed_some(a, ask) ? AUDIT_OUTCOME_OWED
                                                                       : AUDIT_OUTCOME_FORBIDDEN);
        break;
    case TLY_EALREADY_EXISTS:
        audit_count(a, ask->kind == AUDIT_CREATE_SALE ? AUDIT_OUTCOME_SALE_EXISTS
                                                      : AUDIT_OUTCOME_LOT_EXISTS);
        break;
    case TLY_ELIMIT_EXCEEDED:
        if (ask->kind == AUDIT_EXTEND)
            audit_count(a, AUDIT_OUTCOME_TOO_LONG);
        else if (ask->kind == AUDIT_RESERVE)
            audit_count(a, answer->from_lot ? AUDIT_OUTCOME_LOT_LIMIT : AUDIT_OUTCOME_USER_LIMIT);
        else if (ask->kind == AUDIT_CREATE)
            audit_count(a, AUDIT_OUTCOME_TOO_MANY_LOTS);
        break;
    case TLY_ESALE_NOT_OPEN:
        audit_count(a, AUDIT_OUTCOME_NOT_OPEN);
        break;
    case TLY_ESALE_CLOSED:
        audit_count(a, AUDIT_OUTCOME_CLOSED);
        break;
    case TLY_EGROUP_FULL:
        audit_count(a, AUDIT_OUTCOME_GROUP_WAS_FULL);
        break;
    case TLY_EGROUP_CLOSED:
        if (ask->kind == AUDIT_RESERVE)
            audit_count(a, AUDIT_OUTCOME_GROUP_WAS_OVER);
        break;
    case TLY_EINVALID_ARGUMENT:
        if (ask->kind == AUDIT_RESERVE && ask->hold_ms > a->rules.hold_max_ms)
            audit_count(a, AUDIT_OUTCOME_HELD_TOO_LONG);
        else if (ask->kind == AUDIT_SET)
            audit_count(a, AUDIT_OUTCOME_SET_REFUSED);
        break;
    default:
        break;
    }
}

void audit_refused(struct auditor *a, const struct audit_ask *ask,
                   const struct audit_answer *answer, int64_t now_ms)
{
    const struct span span = {.from = ask->rows_at_send, .from_ms = ask->sent_ms, .to_ms = now_ms};
    const struct audit_hold *h =
        ask->kind == AUDIT_RESERVE ? audit_hold_of_order_at(a, ask->order_id, span.from) : NULL;
    int code = answer->code;
    /* What the refusal of a file, or by a lot's limit, rests on may fail, and so may lots that
     * were to be made. */
    bool may_rest = (code == TLY_ELIMIT_EXCEEDED && ask->kind == AUDIT_CREATE) ||
                    (code == TLY_EINVALID_ARGUMENT && ask->kind == AUDIT_SET) || answer->from_lot;
    count_refusal(a, ask, answer);
    if (ask->kind == AUDIT_CONFIRM_ALL)
        audit_count(a, AUDIT_OUTCOME_ALL_REFUSED);
    if (code == TLY_EOVERLOADED || code == TLY_EUNAVAILABLE)
        turned_away(a, ask, code, now_ms);
    else if (h && code != audit_replay(ask, h) && now_ms - h->created_ms <= a->rules.retention_ms)
        audit_fail(a, "I4", "request %u was refused with %s, though order %s is reserved",
                   ask->number, error_name(code), h->order_id);
    else if (code == TLY_ESOLD_OUT && ask->kind == AUDIT_RESERVE &&
             (answer->from_gate || !ask->strict) && !answer->from_share)
        sold_out(a, ask, &span, answer->from_gate);
    else if (ask->strict || (code != TLY_ESOLD_OUT && !may_rest))
        judge_later(a, ask, code, now_ms);
}
