/* decide_move.c - the way of everything that is done with one reservation: confirm, refund, extend,
 * ship, change.
 *
 * A PENDING hold is in memory; any other is brought in from the ledger's record, which the command
 * waits for, and stays until the commit of its move. What only the record tells (the payment that
 * it was confirmed with, units that left or came back, ids of calls) is looked at when no undecided
 * batch has a move of the hold, and only in a record that knows of all its moves. A move that
 * happened already is answered as it was (replayed), if it is the same; if it is another one
 * ORDER_MISMATCH. One that the table forbids is INVALID_TRANSITION. None of them changes anything.
 * The answer waits for all undecided moves of the hold.
 *
 * EXTEND: a hold_ms over the limit of one hold breaks a rule (INVALID_ARGUMENT); a deadline over
 * the limit of all a hold's time is LIMIT_EXCEEDED, and the text says how long it may be.
 */
#include "engine/decide_move.h"

#include <assert.h>
#include <string.h>

int move_wrong_state(struct command *c, const struct hold *h, const char *what)
{
    const char *reason = refund_reason_name((enum refund_reason)h->reason);
    return engine_say(c, TLY_EINVALID_TRANSITION, "the reservation is %s%s%s%s and cannot be %s",
                      hold_state_name((enum hold_state)h->state), *reason ? " (" : "", reason,
                      *reason ? ")" : "", what);
}

int move_no_memory(struct command *c)
{
    return engine_say(c, TLY_EOVERLOADED, "out of memory");
}

int move_does_not_add_up(struct command *c)
{
    return engine_say(c, TLY_ECORRUPT, "the stock in the ledger is less than this reservation has");
}

int move_too_late(const struct engine *e, struct command *c, const char *what, const char *how)
{
    enum { SECOND_MS = 1000, HOUR_MS = 3600 * SECOND_MS };
    int64_t window_ms = e->config.refund_window_ms;
    const char *unit = window_ms % HOUR_MS == 0 ? "h" : window_ms % SECOND_MS == 0 ? "s" : "ms";
    int64_t unit_ms = *unit == 'h' ? HOUR_MS : unit[0] == 's' ? SECOND_MS : 1;
    return engine_say(
        c, TLY_EINVALID_TRANSITION,
        "the reservation %s more than %lld %s ago (refund_window_ms) and cannot be %s any more",
        what, (long long)(window_ms / unit_ms), unit, how);
}

int move_take(struct engine *e, struct command *c, const struct line *left, uint16_t count,
              const char *done, int64_t *taken)
{
    for (uint16_t i = 0; i < count; i++)
        taken[i] = c->move.want_count ? 0 : left[i].quantity;
    for (uint16_t i = 0; i < c->move.want_count; i++) {
        const struct want *w = &c->move.wants[i];
        lot_id id = engine_find_lot(e, w->lot);
        uint16_t j = 0;
        c->move.failed_want = i;
        while (j < count && left[j].lot != id)
            j++;
        if (j == count)
            return engine_say(c, TLY_EINVALID_ARGUMENT, "the reservation holds nothing of lot %.*s",
                              STR_ARG(w->lot));
        int64_t most = left[j].quantity - taken[j];
        if (most == 0)
            return engine_say(c, TLY_EINVALID_ARGUMENT, "no more units of lot %.*s can be %s",
                              STR_ARG(w->lot), done);
        if (w->quantity < 1 || w->quantity > most)
            return engine_say(c, TLY_EINVALID_ARGUMENT, "1 to %lld units of lot %.*s can be %s",
                              (long long)most, STR_ARG(w->lot), done);
        taken[j] += w->quantity;
    }
    c->move.failed_want = 0;
    return 0;
}

static int extend_decide(struct engine *e, struct moving *of)
{
    struct command *c = of->c;
    struct hold *h = of->h;
    if (!hold_move_target((int)h->state, MOVE_EXTEND))
        return move_wrong_state(c, h, "extended");
    int64_t hold_ms = c->move.hold_ms ? c->move.hold_ms : e->config.hold_default_ms;
    if (hold_ms < 1 || hold_ms > e->config.hold_max_ms)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "hold_ms is 1 to %lld",
                          (long long)e->config.hold_max_ms);
    int64_t deadline_ms = e->now_ms + hold_ms;
    if (deadline_ms <= h->deadline_ms) {
        c->move.replayed = true;
        return 0;
    }
    int64_t latest_ms = h->created_ms + e->config.hold_total_max_ms;
    int64_t sale_ms = sale_latest_deadline(h);
    if (deadline_ms > sale_ms && sale_ms < latest_ms)
        return engine_say(c, TLY_ELIMIT_EXCEEDED,
                          "payment_extend_ms_max: it can be held for %lld ms more at most",
                          (long long)(sale_ms > e->now_ms ? sale_ms - e->now_ms : 0));
    if (deadline_ms > latest_ms)
        return engine_say(c, TLY_ELIMIT_EXCEEDED,
                          "hold_total_max_ms: it can be held for %lld ms more at most",
                          (long long)(latest_ms > e->now_ms ? latest_ms - e->now_ms : 0));
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    struct line one;
    if (!batch_make_room(e, 1, h->line_count))
        return move_no_memory(c);
    struct undo *u;
    hold_step(e, h, MOVE_EXTEND, REASON_NONE);
    struct move *m = batch_add(e, MOVE_EXTEND, h, hold_lines(h, &one), h->line_count, &u);
    u->old_deadline_ms = h->deadline_ms;
    m->deadline_ms = deadline_ms;
    hold_set_deadline(e, h, deadline_ms);
    return 0;
}

static void clear_answer(struct command *c)
{
    c->move.replayed = false;
    c->move.line_count = 0;
    c->move.order_id_len = 0;
    c->move.payment_id_stored_len = 0;
    c->move.failed_want = 0;
    c->move.available = 0;
    c->move.expires_ms = 0;
}

static void fill_answer(const struct engine *e, const struct moving *m)
{
    struct command *c = m->c;
    const struct hold *h = m->h;
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    memcpy(c->move.order_id, h->text, h->order_id_len);
    c->move.order_id_len = h->order_id_len;
    c->move.state = (enum hold_state)h->state;
    c->move.state_reason = (enum refund_reason)h->reason;
    c->move.expires_ms = h->deadline_ms;
    c->move.sale = h->in_sale ? hold_sale(h)->sale->version->terms.number : 0;
    c->move.group_id = hold_group_id(h);
    c->move.line_count = h->line_count < c->move.line_max ? h->line_count : c->move.line_max;
    for (uint16_t i = 0; i < c->move.line_count; i++) {
        c->move.lines[i] = lines[i];
        if (c->move.after)
            c->move.after[i] = m->after[i];
    }
    backorder_show(e, h->reservation_id, c->move.lines, c->move.line_count, c->move.after);
}

/* It was CONFIRMED once, and what became of its units since then only the record tells. */
static bool is_told_by_record(const struct hold *h)
{
    return h->written && h->state != HOLD_PENDING && h->confirmed_ms;
}

static bool needs_record(const struct command *c, const struct hold *h)
{
    switch (c->kind) {
    case COMMAND_CONFIRM:
        return h->state == HOLD_CONFIRMED || is_told_by_record(h);
    case COMMAND_CHANGE:
        return h->written && (c->move.id.len || is_told_by_record(h));
    case COMMAND_REFUND:
        return is_told_by_record(h) ||
               (h->state == HOLD_REFUNDED && h->confirmed_ms && c->move.no_restock);
    default:
        return is_told_by_record(h);
    }
}

/* NULL: there is none, or it is older than the hold. */
static const struct reservation_record *
current_record(const struct engine *e, const struct command *c, const struct hold *h)
{
    const struct reservation_record *record = c->move.search.record;
    if (e->config.shared)
        record = shared_record(e, h->reservation_id);
    return record && record_is_current(record, h) ? record : NULL;
}

void move_ask_record(struct engine *e, struct command *c, int64_t id)
{
    if (question_ask(e, c, 0, QUESTION_RESERVATION, id, (struct str){0}, 0))
        return;
    search_reset(&c->move.search);
    engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
}

static void refuse(struct engine *e, struct command *c, int code)
{
    search_reset(&c->move.search);
    engine_refuse(e, c, code, NULL);
}

static void note_after(struct moving *m)
{
    const struct hold *h = m->h;
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    bool returned = h->state == HOLD_REFUNDED && h->confirmed_ms;
    for (uint8_t i = 0; i < h->line_count; i++) {
        m->after[i] = (struct line_after){.returned = returned ? lines[i].quantity : 0};
        if (m->was && m->was->after && i < m->was->line_count)
            m->after[i] = m->was->after[i];
    }
}

/* What takes units is decided when those of all that is due have come back, and what is done with a
 * member of a group whose end has come when the group has ended. */
static bool comes_later(const struct engine *e, const struct command *c, const struct hold *h)
{
    bool ended = h->state == HOLD_REFUNDED || hold_is_due(e, h);
    return (c->kind == COMMAND_CONFIRM && c->move.reclaim && ended) ||
           (c->kind == COMMAND_CHANGE && h->state == HOLD_PENDING) || hold_group_ends(e, h);
}

static int decide_kind(struct engine *e, struct moving *m)
{
    switch (m->c->kind) {
    case COMMAND_CONFIRM:
        return confirm_decide(e, m);
    case COMMAND_REFUND:
        return refund_decide(e, m);
    case COMMAND_SHIP:
        return ship_decide(e, m);
    case COMMAND_CHANGE:
        return change_decide(e, m);
    default:
        return extend_decide(e, m);
    }
}

static void decide_hold(struct engine *e, struct command *c, struct hold *h)
{
    /* Its group is over, which no row says yet: nothing is told of it that is not true any more. */
    if (hold_group_ends(e, h) && !engine_takes_writes(e)) {
        refuse(e, c, TLY_EUNAVAILABLE);
        hold_release(e, h);
        return;
    }
    struct moving m = {.c = c, .h = h, .was = current_record(e, c, h)};
    if (!m.was && needs_record(c, h)) {
        if (h->touched) {
            search_reset(&c->move.search);
            batch_attach_again(e, c, (uint8_t)h->touched); /* then its row tells what it was */
        } else {
            move_ask_record(e, c, h->reservation_id);
        }
        return;
    }
    if (comes_later(e, c, h) && engine_must_wait(e)) {
        search_reset(&c->move.search);
        engine_defer(e, c);
        hold_release(e, h);
        return;
    }
    note_after(&m);
    bool due = hold_is_due(e, h);
    e->limit_touched = 0;
    c->code = due && !(engine_takes_writes(e) && hold_expire(e, h)) ? TLY_EUNAVAILABLE
                                                                    : decide_kind(e, &m);
    fill_answer(e, &m);
    uint8_t touched = (uint8_t)h->touched;
    if (c->code && h->in_sale) /* it may rest on how the sale stands */
        touched |= hold_sale(h)->sale->terms_touched;
    touched |= c->code == TLY_ELIMIT_EXCEEDED ? e->limit_touched : 0;
    search_reset(&c->move.search);
    hold_release(e, h);
    batch_attach(e, c, touched);
}

void decide_move(struct engine *e, struct command *c)
{
    int64_t id;
    clear_answer(c);
    if (!move_find(e, c, &id))
        return;
    struct hold *h = holds_find(&e->holds, id);
    const struct reservation_record *record = c->move.search.record;
    if (!h && e->config.shared) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld", (long long)id);
        return;
    }
    if (!h && !(record && record->reservation_id == id)) {
        move_ask_record(e, c, id);
        return;
    }
    if (!h)
        h = hold_from_record(e, record);
    if (!h)
        refuse(e, c, move_no_memory(c));
    else if (batch_is_unknown(e, (uint8_t)h->touched))
        refuse(e, c, TLY_EOUTCOME_UNKNOWN);
    else
        decide_hold(e, c, h);
}
