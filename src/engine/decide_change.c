/* decide_change.c - a PENDING hold gets other lines: all of them, or it keeps what it has.
 *
 * The units are looked for as for a new order, with those that the hold has counted as available to
 * it. Happy path: one CHANGE move with the differences, which may be negative; the deadline and the
 * order's fingerprint stay, so a retry of the order itself is answered with what it holds now. A
 * change_id counts once; a change to what is held already looks for no units, and is written only
 * to remember its change_id, as one line of 0 units.
 */
#include <string.h>

#include "engine/decide_move.h"
#include "engine/lines.h"

static int64_t units_of(const struct line *lines, uint16_t count)
{
    int64_t units = 0;
    for (uint16_t i = 0; i < count; i++)
        units += lines[i].quantity;
    return units;
}

static int64_t hold_units(const struct hold *h)
{
    struct line one;
    return units_of(hold_lines(h, &one), h->line_count);
}

/* Of the hold's lots by name, no more of any than it has: nothing is asked of stock, limits or
 * sale. So is the retry of a change that was made. */
static bool gives_back(struct engine *e, const struct moving *m, struct line *lines,
                       uint16_t *count)
{
    struct line one;
    const struct command *c = m->c;
    const struct line *held = hold_lines(m->h, &one);
    memset(lines, 0, m->h->line_count * sizeof *lines);
    for (uint16_t j = 0; j < c->move.want_count; j++) {
        lot_id id = engine_find_lot(e, c->move.wants[j].lot);
        uint8_t i = 0;
        while (i < m->h->line_count && held[i].lot != id)
            i++;
        if (i == m->h->line_count)
            return false;
        lines[i] = (struct line){id, lines[i].quantity + c->move.wants[j].quantity};
        if (lines[i].quantity > held[i].quantity)
            return false;
    }
    *count = lines_without_empty(lines, m->h->line_count);
    return true;
}

/* What the hold is to have, into `lines`. */
static int allocate(struct engine *e, struct moving *m, struct line *lines, uint16_t *count)
{
    struct command *c = m->c;
    struct reserve_command order = {.wants = c->move.wants,
                                    .want_count = c->move.want_count,
                                    .lines = lines,
                                    .line_max = ORDER_LINES_MAX};
    int code = order_check_wants(c, &order);
    if (code || gives_back(e, m, lines, count))
        return code;
    stock_lend(e, m->h);
    code = allocate_order(e, &order, m->h->in_sale ? hold_sale(m->h)->sale : NULL);
    stock_take_back(e, m->h);
    c->move.failed_want = order.failed_want;
    c->move.available = order.available;
    *count = order.line_count;
    e->stats.sold_out_total += code == TLY_ESOLD_OUT;
    return code ? code
                : sale_allows_more(e, c, m->h, lines, *count,
                                   units_of(lines, *count) - hold_units(m->h));
}

/* From what the hold has to `lines`. */
static int write(struct engine *e, struct moving *m, const struct line *lines, uint16_t count)
{
    struct hold *h = m->h;
    struct line one, by[MOVE_LINES_MAX];
    uint16_t by_count = lines_sum(lines, count, hold_lines(h, &one), h->line_count, -1, by);
    if (by_count == 0) {
        m->c->move.replayed = str_empty(m->c->move.id);
        if (m->c->move.replayed)
            return 0;
        by[by_count++] = (struct line){.lot = lines->lot};
    }
    int code = lot_users_allow(e, m->c, h, by, by_count);
    if (!code)
        code = backorder_allow(e, m->c, by, by_count);
    if (code)
        return code;
    struct line *many = count > 1 ? holds_lines_take(&e->holds, count) : NULL;
    if (count > 1 && !many)
        return move_no_memory(m->c);
    if (!batch_make_room(e, 1, by_count) || !backorder_make_room(e, by, by_count)) {
        if (many)
            holds_lines_give(&e->holds, many, count);
        return move_no_memory(m->c);
    }
    struct undo *u;
    hold_step(e, h, MOVE_CHANGE, REASON_NONE);
    struct move *move = batch_add(e, MOVE_CHANGE, h, by, by_count, &u);
    call_write(e, m, move, batch_keep(e, m->c->move.id));
    hold_replace_lines(h, lines, count, many, u);
    e->stats.changed_total++;
    return 0;
}

int change_decide(struct engine *e, struct moving *m)
{
    struct command *c = m->c;
    struct line lines[ORDER_LINES_MAX];
    uint16_t count;
    int code = call_check_id(c, "change_id");
    if (code || call_was_made(e, m, &code))
        return code;
    if (!hold_move_target((int)m->h->state, MOVE_CHANGE))
        return move_wrong_state(c, m->h, "changed");
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    code = allocate(e, m, lines, &count);
    return code ? code : write(e, m, lines, count);
}
