/* hold_step.c - moves a hold between its states, keeping its timer, its place in the list of
 * PENDING holds and the gauge in step. A move that the table of hold_moves.c does not allow was to
 * be refused before: here it is a broken invariant.
 *
 * A hold stays in memory while it is PENDING, has a place in an OPEN group, an undecided batch has
 * a move of it, a question about it is open, or it is pinned; it stays in the list until it is
 * freed, so that undo finds it in its place.
 */
#include <assert.h>
#include <string.h>

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
    int target = hold_move_end((int)h->state, kind, reason != REASON_NONE);
    assert(target != HOLD_NONE);
    if (h->state == HOLD_PENDING && target != HOLD_PENDING)
        hold_unarm(e, h);
    if (h->state == HOLD_NONE) {
        holds_list(&e->holds, h);
        if (target == HOLD_PENDING)
            arm(e, h);
    }
    if (h->in_sale)
        group_step(e, h, (int)h->state, target, false);
    if (h->state != HOLD_CONFIRMED && target == HOLD_CONFIRMED)
        h->confirmed_ms = e->now_ms;
    h->state = (unsigned)target & 7u;
    h->reason = (unsigned)reason & 15u;
    assert((h->state == HOLD_REFUNDED) == (h->reason != REASON_NONE));
}

void hold_unstep(struct engine *e, struct hold *h, enum hold_state state)
{
    assert(h->state != state);
    if (h->in_sale)
        group_step(e, h, (int)h->state, (int)state, true);
    h->state = (unsigned)state & 7u;
    h->reason = REASON_NONE;
    if (state == HOLD_PENDING) {
        arm(e, h);
    } else if (state == HOLD_REFUNDED) { /* a RECLAIM is of one that had EXPIRED */
        h->reason = REASON_EXPIRED;
        h->confirmed_ms = 0;
    }
}

void hold_replace_lines(struct hold *h, const struct line *lines, uint16_t count, struct line *many,
                        struct undo *u)
{
    assert(count && (count == 1 || many));
    u->lines_changed = true;
    u->old_line_count = h->line_count;
    if (h->line_count > 1)
        u->old_lines = h->lines.many;
    else
        u->old_line = (struct line){h->lines.one.lot, h->lines.one.quantity};
    h->line_count = (uint8_t)count;
    if (count > 1) {
        memcpy(many, lines, count * sizeof *lines);
        h->lines.many = many;
    } else {
        h->lines.one.lot = lines->lot;
        h->lines.one.quantity = (uint32_t)lines->quantity;
    }
}

/* What is due is shown by its lines, so it is taken out of what is shown meanwhile. */
void hold_restore_lines(struct engine *e, const struct undo *u)
{
    struct hold *h = u->hold;
    bool due = h->timer_slot == HOLD_DUE || h->timer_slot == HOLD_PARKED;
    if (due)
        due_remove(e, h);
    if (h->line_count > 1)
        holds_lines_give(&e->holds, h->lines.many, h->line_count);
    h->line_count = u->old_line_count;
    if (u->old_lines) {
        h->lines.many = u->old_lines;
    } else {
        h->lines.one.lot = u->old_line.lot;
        h->lines.one.quantity = (uint32_t)u->old_line.quantity;
    }
    if (due)
        due_add(e, h);
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
    if (h->touched || h->state == HOLD_PENDING || h->pins || e->config.shared || hold_has_place(h))
        return;
    if (e->questions_busy && question_about(e, h->reservation_id))
        return; /* the answer may be older than the hold */
    if (h->listed)
        holds_unlist(&e->holds, h);
    holds_remove(&e->holds, h);
}

/* It has moves that the hold alone does not tell of. */
static bool record_tells_more(const struct reservation_record *record)
{
    for (uint32_t i = 0; record->moves && i < record->move_count; i++) {
        const struct reservation_move *m = &record->moves[i];
        bool part = m->kind == MOVE_RETURN && (m->reason == REASON_NONE || m->detail.len);
        if (part || m->kind == MOVE_SHIP || m->kind == MOVE_CHANGE || m->kind == MOVE_RESTOCK ||
            m->kind == MOVE_WRITE_OFF || m->kind == MOVE_DISCARD)
            return true;
    }
    return false;
}

struct hold *hold_from_record(struct engine *e, const struct reservation_record *record)
{
    const struct line *lines = record->lines;
    uint32_t count = record->line_count;
    if (count == 0) {
        lines = record->reserved_lines;
        count = record->line_count_reserved;
    }
    if ((count == 0) != record->fence || count > ORDER_LINES_MAX ||
        record->order_id.len > ORDER_ID_MAX || record->user_id.len > USER_ID_MAX)
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
    h->moves = (uint8_t)record->move_count;
    h->written = record_tells_more(record);
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

bool lines_fit(const struct engine *e, enum move_kind kind, const struct line *lines,
               uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        if (!stock_allows(e, kind, lines[i].lot, lines[i].quantity))
            return false;
    }
    return true;
}

bool hold_fits(const struct engine *e, const struct hold *h, enum move_kind kind)
{
    struct line one;
    return !e->config.shared || lines_fit(e, kind, hold_lines(h, &one), h->line_count);
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
