/* decide_return.c - a reservation, or a part of a CONFIRMED one, is given back.
 *
 * A PENDING one goes as a whole (REFUND); it gets fewer lines by a change. Of a CONFIRMED one the
 * lines that are named come back, or all that is left of it, within the refund window: units that
 * have not left first (RETURN, or WRITE_OFF where they are not sold again), then those that have
 * (RESTOCK, or DISCARD). With the last unit it is REFUNDED, and only the move that does it has a
 * reason. A return_id counts once. A member of an OPEN group goes as a whole or not at all.
 */
#include "engine/decide_move.h"
#include "engine/lines.h"

/* Units that come back, by where they are. */
struct coming {
    struct line house[ORDER_LINES_MAX];
    struct line shipped[ORDER_LINES_MAX];
    uint16_t house_count;
    uint16_t shipped_count;
    int64_t taken[ORDER_LINES_MAX]; /* of each of the hold's lines */
    bool all;
};

static bool names_all(struct engine *e, const struct command *c, const struct hold *h)
{
    struct line one;
    const struct line *held = hold_lines(h, &one);
    for (uint8_t i = 0; i < h->line_count; i++) {
        int64_t left = held[i].quantity;
        for (uint16_t j = 0; j < c->move.want_count; j++) {
            if (engine_find_lot(e, c->move.wants[j].lot) == held[i].lot)
                left -= c->move.wants[j].quantity;
        }
        if (left)
            return false;
    }
    return true;
}

static bool was_written_off(const struct moving *m)
{
    if (!m->was || !m->was->move_count)
        return false;
    uint8_t last = m->was->moves[m->was->move_count - 1].kind;
    return last == MOVE_WRITE_OFF || last == MOVE_DISCARD;
}

/* Whoever wanted it to end has that, unless it ended in another way. */
static int refunded_before(struct engine *e, struct moving *m)
{
    struct command *c = m->c;
    const struct hold *h = m->h;
    if (c->move.want_count && !names_all(e, c, h))
        return engine_say(c, TLY_EINVALID_TRANSITION, "all its units were given back already");
    /* Nobody asked for an expiry, or for what became of an order that never came. */
    bool another = c->move.reason && c->move.reason != h->reason && h->reason != REASON_EXPIRED &&
                   !hold_is_fence(h);
    if (another || (c->move.no_restock && !was_written_off(m)))
        return TLY_EORDER_MISMATCH;
    c->move.replayed = true;
    return 0;
}

static int refund_pending(struct engine *e, struct moving *m, enum refund_reason reason)
{
    struct command *c = m->c;
    if (c->move.want_count)
        return engine_say(c, TLY_EINVALID_ARGUMENT,
                          "the reservation is PENDING: it gets other lines by ChangeReservation");
    if (c->move.no_restock)
        return engine_say(c, TLY_EINVALID_ARGUMENT,
                          "restock: the reservation is PENDING, its units never left");
    if (!hold_fits(e, m->h, MOVE_REFUND))
        return move_does_not_add_up(c);
    if (!hold_refund(e, m->h, reason ? reason : REASON_CANCELLED))
        return move_no_memory(c);
    e->stats.refunded_total++;
    return 0;
}

/* What comes back of each line, and whether anything is left then. */
static int sort_out(struct engine *e, struct moving *m, struct coming *r)
{
    struct line one, left[ORDER_LINES_MAX];
    const struct hold *h = m->h;
    const struct line *held = hold_lines(h, &one);
    for (uint8_t i = 0; i < h->line_count; i++)
        left[i] = (struct line){held[i].lot, held[i].quantity - m->after[i].returned};
    int code = move_take(e, m->c, left, h->line_count, "given back", r->taken);
    if (code)
        return code;
    r->all = true;
    for (uint8_t i = 0; i < h->line_count; i++) {
        int64_t house = left[i].quantity - m->after[i].shipped;
        house = house < 0 ? 0 : house < r->taken[i] ? house : r->taken[i];
        r->house[i] = (struct line){held[i].lot, house};
        r->shipped[i] = (struct line){held[i].lot, r->taken[i] - house};
        r->all = r->all && r->taken[i] == left[i].quantity;
    }
    r->house_count = lines_without_empty(r->house, h->line_count);
    r->shipped_count = lines_without_empty(r->shipped, h->line_count);
    return 0;
}

/* Units that have not come yet cannot be written off. */
static int check_there(const struct engine *e, const struct moving *m, const struct coming *r)
{
    struct line one;
    const struct line *held = hold_lines(m->h, &one);
    for (uint16_t i = 0; i < r->house_count; i++) {
        uint8_t j = 0;
        while (held[j].lot != r->house[i].lot)
            j++;
        int64_t owed = backorder_units(e, held[j].lot, m->h->reservation_id);
        int64_t house = held[j].quantity - m->after[j].shipped - m->after[j].returned;
        if (owed && r->house[i].quantity > house - owed)
            return engine_say(m->c, TLY_EINVALID_TRANSITION,
                              "%lld of its units of lot %.*s have not come yet and cannot be "
                              "written off",
                              (long long)owed, STR_ARG(lots_at(&e->lots, held[j].lot)->dims.key));
    }
    return 0;
}

static int check_fit(const struct engine *e, struct command *c, const struct coming *r,
                     enum move_kind house, enum move_kind shipped)
{
    if (!lines_fit(e, house, r->house, r->house_count))
        return move_does_not_add_up(c);
    if (!lines_fit(e, shipped, r->shipped, r->shipped_count))
        return engine_say(c, TLY_ELIMIT_EXCEEDED, "a lot has at most %d units", QUANTITY_MAX);
    return 0;
}

static void add(struct engine *e, struct moving *m, enum move_kind kind, const struct line *lines,
                uint16_t count, enum refund_reason reason, struct str id)
{
    hold_step(e, m->h, kind, reason);
    struct move *move = batch_add(e, kind, m->h, lines, count, NULL);
    move->reason = (uint8_t)reason;
    if (kind != MOVE_RETURN || reason == REASON_NONE || id.len)
        call_write(e, m, move, id);
}

static int refund_confirmed(struct engine *e, struct moving *m, enum refund_reason reason)
{
    struct command *c = m->c;
    struct coming r;
    enum move_kind house = c->move.no_restock ? MOVE_WRITE_OFF : MOVE_RETURN;
    enum move_kind shipped = c->move.no_restock ? MOVE_DISCARD : MOVE_RESTOCK;
    if (e->now_ms - m->h->confirmed_ms > e->config.refund_window_ms)
        return move_too_late(e, c, "was confirmed", "refunded");
    int code = sort_out(e, m, &r);
    if (!code && !r.all && hold_is_in_open_group(m->h))
        return engine_say(c, TLY_EINVALID_TRANSITION,
                          "the reservation's group is OPEN: it goes as a whole or not at all");
    if (!code && house == MOVE_WRITE_OFF)
        code = check_there(e, m, &r);
    if (!code)
        code = check_fit(e, c, &r, house, shipped);
    if (!code && !batch_make_room(e, 2, m->h->line_count))
        code = move_no_memory(c);
    if (code)
        return code;
    reason = !r.all ? REASON_NONE : reason ? reason : REASON_RETURNED;
    for (uint8_t i = 0; i < m->h->line_count; i++)
        m->after[i].returned += r.taken[i];
    struct str id = batch_keep(e, c->move.id);
    if (r.house_count)
        add(e, m, house, r.house, r.house_count, r.shipped_count ? REASON_NONE : reason, id);
    if (r.shipped_count)
        add(e, m, shipped, r.shipped, r.shipped_count, reason, id);
    e->stats.refunded_total += r.all;
    e->stats.returned_in_part_total += !r.all;
    return 0;
}

int refund_decide(struct engine *e, struct moving *m)
{
    struct command *c = m->c;
    const struct hold *h = m->h;
    enum refund_reason reason = (enum refund_reason)c->move.reason;
    int code = call_check_id(c, "return_id");
    if (code || call_was_made(e, m, &code))
        return code;
    if (h->state == HOLD_REFUNDED)
        return refunded_before(e, m);
    bool pending = h->state == HOLD_PENDING;
    if (!hold_move_target((int)h->state, pending ? MOVE_REFUND : MOVE_RETURN))
        return move_wrong_state(c, h, "refunded");
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    if (reason > REASON_UNSETTLED)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "there is no such reason");
    if (reason == REASON_GROUP_FAILED && hold_group_id(h))
        return engine_say(c, TLY_EINVALID_ARGUMENT, "reason: its group says itself that it failed");
    return pending ? refund_pending(e, m, reason) : refund_confirmed(e, m, reason);
}
