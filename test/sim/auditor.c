/* The auditor's life, what it was told, and who may have caused a row. */
#include "auditor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "base/error.h"

struct auditor *auditor_create(const struct audit_rules *rules)
{
    struct auditor *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->rules = *rules;
    a->calm_since_ms = INT64_MAX;
    return a;
}

void auditor_destroy(struct auditor *a)
{
    for (uint32_t i = 0; i < a->lot_count; i++) {
        free(a->lots[i].key);
        free(a->lots[i].sku);
        free(a->lots[i].flavor);
        free(a->lots[i].size);
        free(a->lots[i].batch);
        free(a->lots[i].versions);
        free(a->lots[i].version_rows);
        free(a->lots[i].terms);
    }
    for (size_t i = 0; i < a->hold_count; i++) {
        for (uint32_t j = 0; j < a->holds[i]->step_count; j++)
            free(a->holds[i]->steps[j].held);
        for (size_t j = 0; j < a->holds[i]->call_count; j++)
            free(a->holds[i]->calls[j].id);
        free(a->holds[i]->calls);
        free(a->holds[i]->payment_id);
        free(a->holds[i]->order_id);
        free(a->holds[i]->user_id);
        free(a->holds[i]);
    }
    for (size_t i = 0; i < a->adjustment_count; i++)
        free(a->adjustments[i].id);
    audit_drop_refusals(a);
    free(a->adjustments);
    free(a->holds);
    free(a->effects);
    free(a);
}

const char *auditor_finding(const struct auditor *a)
{
    return a->finding[0] ? a->finding : NULL;
}

void audit_fail(struct auditor *a, const char *promise, const char *format, ...)
{
    if (a->finding[0])
        return;
    int len = snprintf(a->finding, sizeof a->finding, "%s: ", promise);
    va_list args;
    va_start(args, format);
    vsnprintf(a->finding + len, sizeof a->finding - (size_t)len, format, args);
    va_end(args);
}

void *audit_grow(void *array, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return array;
    *room = need < 16 ? 16 : 2 * need;
    array = realloc(array, *room * size);
    if (!array)
        abort();
    return array;
}

/* ---- asks ---- */

void auditor_sent(struct auditor *a, struct audit_ask *ask, int64_t now_ms)
{
    ask->sent_ms = now_ms;
    ask->rows_at_send = a->row_count;
    ask->rows_told = a->rows_told;
    ask->ghost = ask->caused = false;
    ask->strict = a->strict;
    ask->next = a->asks;
    a->asks = ask;
}

static void unlink_ask(struct auditor *a, const struct audit_ask *ask)
{
    struct audit_ask **at = &a->asks;
    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
}

bool auditor_answered(struct auditor *a, struct audit_ask *ask, const struct audit_answer *answer,
                      int64_t now_ms)
{
    if (answer->code == TLY_EOUTCOME_UNKNOWN) {
        if (ask->strict || !a->rules.faults)
            audit_fail(a, "I6", "the outcome of request %u is unknown, though nothing went wrong",
                       ask->number);
        ask->ghost = true;
        return true;
    }
    unlink_ask(a, ask);
    audit_answer(a, ask, answer, now_ms);
    return false;
}

void auditor_told(struct auditor *a)
{
    a->rows_told = a->row_count;
}

void auditor_unknown(struct auditor *a, uint32_t node)
{
    a->unknown |= 1u << node;
}

static void free_asks(struct auditor *a, uint32_t node, bool ghosts_only, audit_freed_fn *freed,
                      void *context)
{
    struct audit_ask **at = &a->asks;
    a->unknown &= ~(1u << node);
    while (*at) {
        struct audit_ask *ask = *at;
        if (ask->node != node || (ghosts_only && !ask->ghost)) {
            at = &ask->next;
            continue;
        }
        *at = ask->next;
        freed(context, ask);
    }
}

void auditor_resolved(struct auditor *a, uint32_t node, audit_freed_fn *freed, void *context)
{
    free_asks(a, node, true, freed, context);
}

void auditor_crashed(struct auditor *a, uint32_t node, audit_freed_fn *freed, void *context)
{
    audit_drop_refusals(a);
    free_asks(a, node, false, freed, context);
}

size_t auditor_ask_count(const struct auditor *a)
{
    size_t count = 0;
    for (const struct audit_ask *ask = a->asks; ask; ask = ask->next)
        count += !ask->ghost;
    return count;
}

lot_id auditor_lot_count(const struct auditor *a)
{
    return a->lot_count;
}

struct str auditor_lot_key(const struct auditor *a, lot_id lot)
{
    return str_of(a->lots[lot - 1].key);
}

/* ---- causes ---- */

static bool asks_for_lot(const struct auditor *a, const struct audit_ask *ask, const struct move *m)
{
    if (m->kind == MOVE_CREATE) {
        const struct lot_terms plain = lot_terms_plain(m->dims);
        const struct lot_terms right = audit_terms_set(&plain, ask);
        return ask->kind == AUDIT_CREATE && str_equal(ask->lot, m->dims->key) &&
               ask->quantity == m->line.quantity &&
               audit_terms_equal(&right, m->terms ? m->terms : &plain);
    }
    return ask->kind == AUDIT_ADJUST && m->line.lot <= a->lot_count &&
           str_equal(ask->lot, str_of(a->lots[m->line.lot - 1].key)) &&
           ask->quantity == m->line.quantity && str_equal(ask->adjustment_id, m->detail);
}

/* In the same sale, and in the group that it names, or one that it opens. */
static bool asks_in_sale(const struct auditor *a, const struct audit_ask *ask, const struct move *m)
{
    if (m->sale == 0 || m->sale > a->sale_count)
        return str_empty(ask->sale);
    return str_equal(ask->sale, a->sales[m->sale - 1].terms->sale_id) &&
           (ask->opens ? m->group_id != 0 : m->group_id == ask->group_id);
}

static bool asks_for(struct auditor *a, const struct audit_ask *ask, const struct move *m)
{
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    switch (m->kind) {
    case MOVE_CREATE:
    case MOVE_ADJUST:
        return asks_for_lot(a, ask, m);
    case MOVE_LOT_TERMS:
        return audit_asks_for_terms(a, ask, m);
    case MOVE_SALE:
    case MOVE_GROUP_OPEN:
    case MOVE_GROUP_SUCCEED:
        return audit_asks_for_sale(a, ask, m);
    case MOVE_RESERVE:
        return ask->kind == AUDIT_RESERVE && asks_in_sale(a, ask, m) &&
               str_equal(ask->order_id, m->order_id) && str_equal(ask->user_id, m->user_id) &&
               ask->fingerprint == m->fingerprint &&
               audit_lines_serve(a, ask, lines, m->line_count);
    default:
        return audit_asks_for_move(a, ask, m);
    }
}

/* Of several the oldest that has caused nothing yet: equal requests are served in turn. */
struct audit_ask *audit_cause(struct auditor *a, const struct move *m)
{
    struct audit_ask *cause = NULL;
    for (struct audit_ask *ask = a->asks; ask; ask = ask->next)
        if (asks_for(a, ask, m) && (!cause || !ask->caused || cause->caused))
            cause = ask;
    if (cause)
        cause->caused = true;
    return cause;
}

const struct audit_ask *audit_all_of(const struct auditor *a, const struct move *m)
{
    for (const struct audit_ask *ask = a->asks; ask; ask = ask->next)
        if (ask->kind == AUDIT_CONFIRM_ALL && str_equal(ask->payment_id, m->detail))
            return ask;
    return NULL;
}

/* ---- how often what happened ---- */

static const struct {
    const char *text;
    uint32_t least;
} outcomes[] = {
#define X(name, text, least) {text, least},
    AUDIT_OUTCOMES(X)
#undef X
};

void audit_count(struct auditor *a, enum audit_outcome outcome)
{
    a->outcomes[outcome]++;
}

uint32_t auditor_outcomes(const struct auditor *a, enum audit_outcome outcome)
{
    return a->outcomes[outcome];
}

/* Who shares a disk has no watchers, and here no gate. */
static bool may_be_missing(const struct auditor *a, int outcome)
{
    return a->rules.shared &&
           (outcome == AUDIT_OUTCOME_CHANGES_SEEN || outcome == AUDIT_OUTCOME_SOLD_OUT_AT_GATE);
}

void auditor_ends(struct auditor *a)
{
    for (int i = 0; i < AUDIT_OUTCOME_COUNT; i++)
        if (a->outcomes[i] < outcomes[i].least && !may_be_missing(a, i))
            audit_fail(a, "COUNT", "\"%s\" came %u times, and should have come %u times or more",
                       outcomes[i].text, a->outcomes[i], outcomes[i].least);
}

/* ---- the state of the whole ---- */

void auditor_quiet(struct auditor *a, lot_id lot, int64_t gate_units)
{
    const struct audit_lot *l = &a->lots[lot - 1];
    int64_t sellable = audit_sellable(audit_terms_now(l), audit_available(l));
    if (gate_units != sellable)
        audit_fail(a, "I2",
                   "nothing is under way, %" PRId64 " units of %s can be sold, and the gate "
                   "counts %" PRId64,
                   sellable, l->key, gate_units);
}

void auditor_still(struct auditor *a)
{
    audit_judge_refusals(a, true);
    audit_balance(a);
}

void auditor_strict(struct auditor *a, bool strict)
{
    a->strict = strict;
}

int64_t auditor_sellable(const struct auditor *a, lot_id lot)
{
    const struct audit_lot *l = &a->lots[lot - 1];
    return audit_sellable(audit_terms_now(l), audit_available(l));
}

void auditor_gauges(struct auditor *a, const struct audit_gauges *seen)
{
    struct audit_gauges right = {.lots = a->lot_count};
    for (size_t i = 0; i < a->hold_count; i++)
        right.holds_pending += a->holds[i]->state == HOLD_PENDING;
    for (uint32_t i = 0; i < a->lot_count; i++) {
        right.units_on_hand += a->lots[i].stock.on_hand;
        right.units_reserved += a->lots[i].stock.reserved;
        right.units_confirmed += a->lots[i].stock.confirmed;
    }
    if (memcmp(&right, seen, sizeof right) != 0)
        audit_fail(a, "I1",
                   "the server counts %" PRId64 " lots, %" PRId64 " holds, %" PRId64
                   " units (%" PRId64 " reserved, %" PRId64 " confirmed), and there are %" PRId64
                   ", %" PRId64 ", %" PRId64 " (%" PRId64 ", %" PRId64 ")",
                   seen->lots, seen->holds_pending, seen->units_on_hand, seen->units_reserved,
                   seen->units_confirmed, right.lots, right.holds_pending, right.units_on_hand,
                   right.units_reserved, right.units_confirmed);
}

void auditor_watched(struct auditor *a, lot_id lot, const struct stock *last)
{
    const struct audit_lot *l = &a->lots[lot - 1];
    if (last->version != l->stock.version)
        audit_fail(a, "I3", "a watcher has heard of change %" PRId64 " of %s, and not of %" PRId64,
                   last->version, l->key, l->stock.version);
}

void auditor_calm(struct auditor *a, int64_t now_ms)
{
    a->calm_since_ms = now_ms;
}

void auditor_drained(struct auditor *a)
{
    for (size_t i = 0; i < a->hold_count; i++)
        if (a->holds[i]->state == HOLD_PENDING)
            audit_fail(a, "I5", "order %s is PENDING long after its deadline",
                       a->holds[i]->order_id);
    for (uint32_t i = 0; i < a->lot_count; i++)
        if (a->lots[i].stock.reserved != 0)
            audit_fail(a, "I2", "%" PRId64 " units of %s are reserved by nobody",
                       a->lots[i].stock.reserved, a->lots[i].key);
    for (const struct audit_ask *ask = a->asks; ask; ask = ask->next)
        if (!ask->ghost)
            audit_fail(a, "I7", "request %u was never answered", ask->number);
}
