/* decide_confirm.c - payment arrived: in time, or too late.
 *
 * A PENDING hold is CONFIRMED, with fewer units if lines are named: the rest goes back with it
 * (RELEASE). The same confirm again is a replay; another payment or other units ORDER_MISMATCH.
 *
 * With `reclaim`, a hold that has EXPIRED is taken again and CONFIRMED in one move (RECLAIM), if
 * all of its units (or of the lines that are named) are free and may be sold; else it is SOLD_OUT.
 * That is allowed for refund_window_ms after its deadline: as long as the payment could be given
 * back.
 */
#include <assert.h>
#include <string.h>

#include "engine/decide_move.h"
#include "engine/lines.h"

void confirm_moves(struct engine *e, struct hold *h, struct str payment_id,
                   const struct line *lines, uint16_t count, struct undo **u)
{
    enum move_kind kind = h->state == HOLD_PENDING ? MOVE_CONFIRM : MOVE_RECLAIM;
    hold_step(e, h, kind, REASON_NONE);
    struct move *m = batch_add(e, kind, h, lines, count, u);
    m->detail = payment_id;
    e->stats.confirmed_total++;
    e->stats.reclaimed_total += kind == MOVE_RECLAIM;
}

/* What is named, of what is held; the rest. */
static int split(struct engine *e, struct command *c, const struct hold *h, struct line *confirmed,
                 struct line *rest)
{
    struct line one;
    const struct line *held = hold_lines(h, &one);
    int64_t taken[ORDER_LINES_MAX];
    int code = move_take(e, c, held, h->line_count, "confirmed", taken);
    for (uint8_t i = 0; !code && i < h->line_count; i++) {
        confirmed[i] = (struct line){held[i].lot, taken[i]};
        rest[i] = (struct line){held[i].lot, held[i].quantity - taken[i]};
    }
    return code;
}

/* Of what an EXPIRED hold had, nothing needs to go back. */
static int confirm_part(struct engine *e, struct command *c, struct hold *h)
{
    struct line confirmed[ORDER_LINES_MAX];
    struct line rest[ORDER_LINES_MAX];
    int code = split(e, c, h, confirmed, rest);
    if (code)
        return code;
    bool releases = h->state == HOLD_PENDING;
    uint16_t count = lines_without_empty(confirmed, h->line_count);
    uint16_t rest_count = lines_without_empty(rest, h->line_count);
    struct line *many = count > 1 && rest_count ? holds_lines_take(&e->holds, count) : NULL;
    if (count > 1 && rest_count && !many)
        return move_no_memory(c);
    if (!batch_make_room(e, 2, h->line_count)) {
        if (many)
            holds_lines_give(&e->holds, many, count);
        return move_no_memory(c);
    }
    struct undo *u;
    confirm_moves(e, h, batch_keep(e, c->move.payment_id), confirmed, count, &u);
    if (rest_count)
        hold_replace_lines(h, confirmed, count, many, u);
    if (rest_count && releases) {
        hold_step(e, h, MOVE_RELEASE, REASON_NONE);
        batch_add(e, MOVE_RELEASE, h, rest, rest_count, NULL);
    }
    group_confirmed(e, h);
    return 0;
}

static int confirm_all(struct engine *e, struct command *c, struct hold *h)
{
    struct line one;
    if (!batch_make_room(e, 1, h->line_count))
        return move_no_memory(c);
    confirm_moves(e, h, batch_keep(e, c->move.payment_id), hold_lines(h, &one), h->line_count,
                  NULL);
    group_confirmed(e, h);
    return 0;
}

/* The units that are asked for, or all that were reserved, are those that were confirmed. */
static bool same_units(const struct engine *e, const struct command *c,
                       const struct reservation_record *was)
{
    if (!c->move.want_count)
        return lines_equal(was->lines, was->line_count, was->reserved_lines,
                           was->line_count_reserved);
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

bool confirmed_with(const struct reservation_record *was, struct str payment_id)
{
    return str_empty(payment_id) || str_equal(payment_id, was->payment_id);
}

/* The same confirm again is answered as it was; another one is told what the first one was. */
static int confirmed_before(const struct engine *e, struct command *c,
                            const struct reservation_record *was)
{
    assert(was);
    if (was->payment_id.len)
        memcpy(c->move.payment_id_stored, was->payment_id.p, was->payment_id.len);
    c->move.payment_id_stored_len = (uint8_t)was->payment_id.len;
    if (!confirmed_with(was, c->move.payment_id) || !same_units(e, c, was))
        return TLY_EORDER_MISMATCH;
    c->move.replayed = true;
    return 0;
}

static int sold_since(struct engine *e, struct command *c, const struct reserve_command *order)
{
    c->move.available = order->available;
    e->stats.sold_out_total++;
    return engine_say(c, TLY_ESOLD_OUT, "its units were sold since: %lld of lot %.*s are available",
                      (long long)order->available, STR_ARG(order->wants[order->failed_want].lot));
}

/* Its units are free, as for an order that names their lots. */
static int find_free(struct engine *e, struct command *c, const struct hold *h,
                     const struct line *lines, uint16_t count)
{
    int64_t units = 0;
    struct want wants[ORDER_LINES_MAX];
    struct line found[ORDER_LINES_MAX];
    for (uint16_t i = 0; i < count; i++) {
        units += lines[i].quantity;
        wants[i] = (struct want){.lot = lots_at(&e->lots, lines[i].lot)->dims.key,
                                 .quantity = lines[i].quantity,
                                 .lot_hint = lines[i].lot};
    }
    struct reserve_command order = {
        .wants = wants, .want_count = count, .lines = found, .line_max = ORDER_LINES_MAX};
    int code = allocate_order(e, &order, h->in_sale ? hold_sale(h)->sale : NULL);
    if (code == 0)
        code = sale_allows_more(e, c, h, lines, count, units);
    else if (code == TLY_ESOLD_OUT)
        return sold_since(e, c, &order);
    if (code == 0)
        code = lot_users_allow(e, c, h, lines, count);
    if (code == 0)
        code = backorder_allow(e, c, lines, count);
    if (code == 0 && !backorder_make_room(e, lines, count))
        code = move_no_memory(c);
    return code;
}

static int check_reclaim(struct engine *e, struct moving *m)
{
    struct command *c = m->c;
    const struct hold *h = m->h;
    struct line one, named[ORDER_LINES_MAX], rest[ORDER_LINES_MAX];
    const struct line *lines = hold_lines(h, &one);
    uint16_t count = h->line_count;
    if (h->reason != REASON_EXPIRED || h->confirmed_ms)
        return move_wrong_state(c, h, "taken again");
    if (e->now_ms - h->deadline_ms > e->config.refund_window_ms)
        return move_too_late(e, c, "expired", "taken again");
    if (c->move.want_count) {
        int code = split(e, c, h, named, rest);
        if (code)
            return code;
        lines = named;
        count = lines_without_empty(named, count);
    }
    return find_free(e, c, h, lines, count);
}

int confirm_decide(struct engine *e, struct moving *m)
{
    struct command *c = m->c;
    struct hold *h = m->h;
    bool reclaims = c->move.reclaim && h->state == HOLD_REFUNDED;
    if (h->state == HOLD_CONFIRMED)
        return confirmed_before(e, c, m->was);
    if (!reclaims && !hold_move_target((int)h->state, MOVE_CONFIRM))
        return move_wrong_state(c, h, "confirmed");
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    if (c->move.payment_id.len > PAYMENT_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "payment_id has at most %d bytes",
                          PAYMENT_ID_MAX);
    int code = reclaims ? check_reclaim(e, m) : 0;
    if (code)
        return code;
    if (!reclaims && !hold_fits(e, h, MOVE_CONFIRM))
        return move_does_not_add_up(c);
    return c->move.want_count ? confirm_part(e, c, h) : confirm_all(e, c, h);
}
