/* decide_move.c - confirm, refund and extend.
 *
 * A PENDING hold is in memory; any other is brought in from the ledger's record, which the command
 * waits for, and stays until the commit of its move. A move that happened already is answered as it
 * was (replayed), if it is the same: another payment_id, other lines or another reason is
 * ORDER_MISMATCH. One that the table forbids is INVALID_TRANSITION. None of them changes anything.
 * The answer waits for all undecided moves of the hold.
 *
 * EXTEND: a hold_ms over the limit of one hold breaks a rule (INVALID_ARGUMENT); a deadline over
 * the limit of all a hold's time is LIMIT_EXCEEDED, and the text says how long it may be.
 */
#include <assert.h>
#include <string.h>

#include "engine/engine_internal.h"

static int wrong_state(struct command *c, const struct hold *h, const char *what)
{
    const char *reason = refund_reason_name((enum refund_reason)h->reason);
    return engine_say(c, TLY_EINVALID_TRANSITION, "the reservation is %s%s%s%s and cannot be %s",
                      hold_state_name((enum hold_state)h->state), *reason ? " (" : "", reason,
                      *reason ? ")" : "", what);
}

static int no_memory(struct command *c)
{
    return engine_say(c, TLY_EOVERLOADED, "out of memory");
}

static int does_not_add_up(struct command *c)
{
    return engine_say(c, TLY_ECORRUPT, "the stock in the ledger is less than this reservation has");
}

/* Splits the hold's lines into what is confirmed and what goes back. */
static int split(struct engine *e, struct command *c, const struct hold *h, struct line *confirmed,
                 struct line *rest)
{
    struct line one;
    const struct line *held = hold_lines(h, &one);
    for (uint8_t i = 0; i < h->line_count; i++) {
        confirmed[i] = (struct line){.lot = held[i].lot};
        rest[i] = held[i];
    }
    for (uint16_t i = 0; i < c->move.want_count; i++) {
        const struct want *w = &c->move.wants[i];
        lot_id id = engine_find_lot(e, w->lot);
        uint8_t j = 0;
        c->move.failed_want = i;
        while (j < h->line_count && held[j].lot != id)
            j++;
        if (j == h->line_count)
            return engine_say(c, TLY_EINVALID_ARGUMENT, "the reservation holds nothing of lot %.*s",
                              STR_ARG(w->lot));
        if (w->quantity < 1 || w->quantity > rest[j].quantity)
            return engine_say(c, TLY_EINVALID_ARGUMENT,
                              "1 to %lld units of lot %.*s can be confirmed",
                              (long long)rest[j].quantity, STR_ARG(w->lot));
        confirmed[j].quantity += w->quantity;
        rest[j].quantity -= w->quantity;
    }
    return 0;
}

static uint16_t without_empty(struct line *lines, uint16_t count)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < count; i++) {
        if (lines[i].quantity)
            lines[kept++] = lines[i];
    }
    return kept;
}

/* From now on the hold is of `lines`; what it was stays in `u` until the outcome. */
static void change_lines(struct hold *h, const struct line *lines, uint16_t count,
                         struct line *many, struct undo *u)
{
    u->lines_changed = true;
    u->old_line_count = h->line_count;
    if (h->line_count > 1)
        u->old_lines = h->lines.many;
    else
        u->old_line = (struct line){h->lines.one.lot, h->lines.one.quantity};
    h->line_count = (uint8_t)count;
    if (count > 1) {
        for (uint16_t i = 0; i < count; i++)
            many[i] = lines[i];
        h->lines.many = many;
    } else {
        h->lines.one.lot = lines->lot;
        h->lines.one.quantity = (uint32_t)lines->quantity;
    }
}

static void confirm_moves(struct engine *e, struct command *c, struct hold *h,
                          const struct line *lines, uint16_t count, struct undo **u)
{
    hold_step(e, h, MOVE_CONFIRM, REASON_NONE);
    struct move *m = batch_add(e, MOVE_CONFIRM, h, lines, count, u);
    m->detail = batch_keep(e, c->move.payment_id);
    e->stats.confirmed_total++;
}

static int confirm_part(struct engine *e, struct command *c, struct hold *h)
{
    struct line confirmed[ORDER_LINES_MAX];
    struct line rest[ORDER_LINES_MAX];
    int code = split(e, c, h, confirmed, rest);
    if (code)
        return code;
    uint16_t count = without_empty(confirmed, h->line_count);
    uint16_t rest_count = without_empty(rest, h->line_count);
    struct line *many = count > 1 && rest_count ? holds_lines_take(&e->holds, count) : NULL;
    if (count > 1 && rest_count && !many)
        return no_memory(c);
    if (!batch_make_room(e, 2, h->line_count)) {
        if (many)
            holds_lines_give(&e->holds, many, count);
        return no_memory(c);
    }
    struct undo *u;
    confirm_moves(e, c, h, confirmed, count, &u);
    if (rest_count) {
        change_lines(h, confirmed, count, many, u);
        hold_step(e, h, MOVE_RELEASE, REASON_NONE);
        batch_add(e, MOVE_RELEASE, h, rest, rest_count, NULL);
    }
    return 0;
}

/* The units that are asked for, or all that were reserved, are those that were confirmed. */
static bool same_units(const struct engine *e, const struct command *c,
                       const struct reservation_record *was)
{
    if (!c->move.want_count)
        return was->line_count == was->line_count_reserved &&
               !memcmp(was->lines, was->reserved_lines, was->line_count * sizeof *was->lines);
    int64_t left[ORDER_LINES_MAX];
    for (uint32_t i = 0; i < was->line_count; i++)
        left[i] = was->lines[i].quantity;
    for (uint16_t i = 0; i < c->move.want_count; i++) {
        lot_id id = engine_find_lot(e, c->move.wants[i].lot);
        uint32_t j = 0;
        while (j < was->line_count && was->lines[j].lot != id)
            j++;
        if (j == was->line_count)
            return false;
        left[j] -= c->move.wants[i].quantity;
    }
    for (uint32_t i = 0; i < was->line_count; i++) {
        if (left[i])
            return false;
    }
    return true;
}

/* The same confirm again is answered as it was; another one is told what the first one was. */
static int confirmed_before(const struct engine *e, struct command *c,
                            const struct reservation_record *was)
{
    struct str payment_id = c->move.payment_id;
    assert(was);
    if (was->payment_id.len)
        memcpy(c->move.payment_id_stored, was->payment_id.p, was->payment_id.len);
    c->move.payment_id_stored_len = (uint8_t)was->payment_id.len;
    if ((!str_empty(payment_id) && !str_equal(payment_id, was->payment_id)) ||
        !same_units(e, c, was))
        return TLY_EORDER_MISMATCH;
    c->move.replayed = true;
    return 0;
}

static int confirm(struct engine *e, struct command *c, struct hold *h,
                   const struct reservation_record *was)
{
    if (h->state == HOLD_CONFIRMED)
        return confirmed_before(e, c, was);
    if (!hold_move_target((int)h->state, MOVE_CONFIRM))
        return wrong_state(c, h, "confirmed");
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    if (c->move.payment_id.len > PAYMENT_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "payment_id has at most %d bytes",
                          PAYMENT_ID_MAX);
    if (!hold_fits(e, h, MOVE_CONFIRM))
        return does_not_add_up(c);
    if (c->move.want_count)
        return confirm_part(e, c, h);
    struct line one;
    if (!batch_make_room(e, 1, h->line_count))
        return no_memory(c);
    confirm_moves(e, c, h, hold_lines(h, &one), h->line_count, NULL);
    return 0;
}

static int too_late(const struct engine *e, struct command *c)
{
    enum { SECOND_MS = 1000, HOUR_MS = 3600 * SECOND_MS };
    int64_t window_ms = e->config.refund_window_ms;
    const char *unit = window_ms % HOUR_MS == 0 ? "h" : window_ms % SECOND_MS == 0 ? "s" : "ms";
    int64_t unit_ms = *unit == 'h' ? HOUR_MS : unit[0] == 's' ? SECOND_MS : 1;
    return engine_say(
        c, TLY_EINVALID_TRANSITION,
        "the reservation was confirmed more than %lld %s ago (refund_window_ms) and cannot be "
        "refunded any more",
        (long long)(window_ms / unit_ms), unit);
}

static int refund(struct engine *e, struct command *c, struct hold *h)
{
    if (h->state == HOLD_REFUNDED) {
        /* Nobody asked for an expiry: whoever wanted it to end has that. */
        if (c->move.reason && c->move.reason != h->reason && h->reason != REASON_EXPIRED)
            return TLY_EORDER_MISMATCH;
        c->move.replayed = true;
        return 0;
    }
    bool pending = h->state == HOLD_PENDING;
    if (!hold_move_target((int)h->state, pending ? MOVE_REFUND : MOVE_RETURN))
        return wrong_state(c, h, "refunded");
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    if (!pending && e->now_ms - h->confirmed_ms > e->config.refund_window_ms)
        return too_late(e, c);
    enum refund_reason reason = (enum refund_reason)c->move.reason;
    if (reason == REASON_NONE)
        reason = pending ? REASON_CANCELLED : REASON_RETURNED;
    if (reason > REASON_UNSETTLED)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "there is no such reason");
    if (!hold_fits(e, h, pending ? MOVE_REFUND : MOVE_RETURN))
        return does_not_add_up(c);
    if (!hold_refund(e, h, reason))
        return no_memory(c);
    e->stats.refunded_total++;
    return 0;
}

static int extend(struct engine *e, struct command *c, struct hold *h)
{
    if (!hold_move_target((int)h->state, MOVE_EXTEND))
        return wrong_state(c, h, "extended");
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
        return no_memory(c);
    struct undo *u;
    hold_step(e, h, MOVE_EXTEND, REASON_NONE);
    struct move *m = batch_add(e, MOVE_EXTEND, h, hold_lines(h, &one), h->line_count, &u);
    u->old_deadline_ms = h->deadline_ms;
    m->deadline_ms = deadline_ms;
    hold_set_deadline(e, h, deadline_ms);
    return 0;
}

static void fill_answer(struct command *c, const struct hold *h)
{
    struct line one;
    const struct line *lines = hold_lines(h, &one);
    memcpy(c->move.order_id, h->text, h->order_id_len);
    c->move.order_id_len = h->order_id_len;
    c->move.state = (enum hold_state)h->state;
    c->move.state_reason = (enum refund_reason)h->reason;
    c->move.expires_ms = h->deadline_ms;
    c->move.line_count = h->line_count < c->move.line_max ? h->line_count : c->move.line_max;
    for (uint16_t i = 0; i < c->move.line_count; i++)
        c->move.lines[i] = lines[i];
}

static int move_hold(struct engine *e, struct command *c, struct hold *h,
                     const struct reservation_record *was)
{
    switch (c->kind) {
    case COMMAND_CONFIRM:
        return confirm(e, c, h, was);
    case COMMAND_REFUND:
        return refund(e, c, h);
    default:
        return extend(e, c, h);
    }
}

void decide_move(struct engine *e, struct command *c, const struct reservation_record *record)
{
    int64_t id = c->move.reservation_id;
    c->move.replayed = false;
    c->move.line_count = 0;
    c->move.order_id_len = 0;
    c->move.payment_id_stored_len = 0;
    c->move.payment_id_stored_len = 0;
    struct hold *h = holds_find(&e->holds, id);
    if (!h && e->config.shared) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld", (long long)id);
        return;
    }
    if (!h && !record) {
        if (!question_ask(e, c, 0, QUESTION_RESERVATION, id, (struct str){0}, 0))
            engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
        return;
    }
    if (!h)
        h = hold_from_record(e, record);
    if (!h) {
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    if (batch_is_unknown(e, h->touched)) {
        engine_refuse(e, c, TLY_EOUTCOME_UNKNOWN, NULL);
        return;
    }
    const struct reservation_record *was = record;
    if (!was && e->config.shared)
        was = shared_record(e, id);
    if (c->kind == COMMAND_CONFIRM && h->state == HOLD_CONFIRMED &&
        !(was && was->state == HOLD_CONFIRMED)) {
        if (h->touched)
            batch_attach_again(e, c, h->touched); /* then its row tells what it was */
        else if (!question_ask(e, c, 0, QUESTION_RESERVATION, id, (struct str){0}, 0))
            engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
        return;
    }
    bool due = hold_is_due(e, h);
    c->code = due && !(engine_takes_writes(e) && hold_expire(e, h)) ? TLY_EUNAVAILABLE
                                                                    : move_hold(e, c, h, was);
    fill_answer(c, h);
    uint8_t touched = h->touched;
    hold_release(e, h);
    batch_attach(e, c, touched);
}
