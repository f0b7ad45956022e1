/* hold_step.c - moves a hold between its states, keeping its timer, its place in the list of
 * PENDING holds and the gauge in step. A move that the table of hold_moves.c does not allow was to
 * be refused before: here it is a broken invariant.
 *
 * A hold stays in memory while it is PENDING, an undecided batch has a move of it, or a question
 * about it is open; it stays in
 * the list until it is freed, so that undo finds it in its place.
 */
#include <assert.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

/* Recovery looks at the clock last. */
static void watch_deadline(struct engine *e, struct hold *h)
{
    if (h->deadline_ms <= e->now_ms && !e->loading)
        due_add(e, h);
    else if (!e->config.shared)
        timers_insert(e->timers, h);
}

static void count_of_user(struct engine *e, const struct hold *h, int units)
{
    if (e->config.user_holds_max && h->user_id_len)
        user_units_add(&e->user_holds, hash64(hold_user_id(h), e->config.hash_seed),
                       h->reservation_id, units);
}

static void arm(struct engine *e, struct hold *h)
{
    h->timer_previous = h->timer_next = NULL;
    watch_deadline(e, h);
    e->stats.holds_pending++;
    count_of_user(e, h, +1);
}

void hold_unarm(struct engine *e, struct hold *h)
{
    hold_disarm(e, h);
    e->stats.holds_pending--;
    count_of_user(e, h, -1);
}

void hold_disarm(struct engine *e, struct hold *h)
{
    if (h->timer_slot == HOLD_DUE || h->timer_slot == HOLD_PARKED)
        due_remove(e, h);
    else if (h->timer_slot != HOLD_NO_TIMER)
        timers_cancel(e->timers, h);
}

void hold_step(struct engine *e, struct hold *h, enum move_kind kind, enum refund_reason reason)
{
    int target = hold_move_target((int)h->state, kind);
    assert(target != HOLD_NONE);
    if (h->state == HOLD_PENDING && target != HOLD_PENDING)
        hold_unarm(e, h);
    if (h->state == HOLD_NONE) {
        holds_list(&e->holds, h);
        arm(e, h);
    }
    if (h->state == HOLD_PENDING && target == HOLD_CONFIRMED)
        h->confirmed_ms = e->now_ms;
    h->state = (unsigned)target & 7u;
    h->reason = (unsigned)reason & 15u;
    assert((h->state == HOLD_REFUNDED) == (h->reason != REASON_NONE));
}

void hold_unstep(struct engine *e, struct hold *h, enum hold_state state)
{
    assert(h->state != state);
    h->state = (unsigned)state & 7u;
    h->reason = REASON_NONE;
    if (state == HOLD_PENDING)
        arm(e, h);
}

void hold_set_deadline(struct engine *e, struct hold *h, int64_t deadline_ms)
{
    assert(h->state == HOLD_PENDING);
    hold_disarm(e, h);
    h->deadline_ms = deadline_ms;
    watch_deadline(e, h);
}

void hold_release(struct engine *e, struct hold *h)
{
    if (h->touched || h->state == HOLD_PENDING || e->config.shared)
        return;
    if (e->questions_busy && question_about(e, h->reservation_id))
        return; /* the answer may be older than the hold */
    if (h->listed)
        holds_unlist(&e->holds, h);
    holds_remove(&e->holds, h);
}

struct hold *hold_from_record(struct engine *e, const struct reservation_record *record)
{
    const struct line *lines = record->lines;
    uint32_t count = record->line_count;
    if (count == 0) {
        lines = record->reserved_lines;
        count = record->line_count_reserved;
    }
    if (count == 0 || count > ORDER_LINES_MAX || record->order_id.len > ORDER_ID_MAX ||
        record->user_id.len > USER_ID_MAX)
        return NULL;
    struct sale *sale = sales_at(&e->sales, record->sale);
    struct hold *h = holds_add(&e->holds, record->reservation_id, record->order_id, record->user_id,
                               lines, (uint16_t)count, sale);
    if (!h)
        return NULL;
    if (sale)
        sale_note_hold(e, h, record->moves ? record->moves[0].deadline_ms : 0, record->group_id);
    h->created_ms = record->created_ms;
    h->deadline_ms = record->deadline_ms;
    h->fingerprint = record->fingerprint;
    h->state = (unsigned)record->state & 7u;
    h->reason = (unsigned)record->reason & 15u;
    if (e->config.shared)
        holds_append(&e->holds, h);
    else if (record->state == HOLD_PENDING)
        holds_list(&e->holds, h);
    if (record->state == HOLD_PENDING) {
        arm(e, h);
    } else {
        h->confirmed_ms = record->confirmed_ms;
    }
    return h;
}

bool hold_fits(const struct engine *e, const struct hold *h, enum move_kind kind)
{
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    for (uint8_t i = 0; e->config.shared && i < h->line_count; i++) {
        if (!stock_allows(e, kind, lines[i].lot, lines[i].quantity))
            return false;
    }
    return true;
}

bool hold_refund(struct engine *e, struct hold *h, enum refund_reason reason)
{
    enum move_kind kind = h->state == HOLD_PENDING ? MOVE_REFUND : MOVE_RETURN;
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    if (!batch_make_room(e, 1, h->line_count))
        return false;
    hold_step(e, h, kind, reason);
    struct move *m = batch_add(e, kind, h, lines, h->line_count, NULL);
    m->reason = (uint8_t)reason;
    return true;
}

bool hold_expire(struct engine *e, struct hold *h)
{
    if (!hold_refund(e, h, REASON_EXPIRED))
        return false;
    e->open->expires = true;
    e->stats.expired_total++;
    return true;
}
