/* decide_ship.c - units of a CONFIRMED reservation leave the house.
 *
 * Happy path: one SHIP move of the lines that are named, or of all that have neither left nor been
 * returned; on_hand and confirmed fall together. A shipment_id counts once. Without one, shipping
 * "all" again when all has left is a replay. A member of an OPEN group is not final yet, and is not
 * shipped.
 */
#include "engine/decide_move.h"
#include "engine/lines.h"

/* What can leave: `left` of each line; how many units in all. */
static int64_t in_house(const struct moving *m, struct line *left)
{
    struct line one;
    const struct line *held = hold_lines(m->h, &one);
    int64_t units = 0;
    for (uint8_t i = 0; i < m->h->line_count; i++) {
        int64_t gone = m->after[i].shipped + m->after[i].returned;
        left[i] = held[i];
        left[i].quantity = gone < held[i].quantity ? held[i].quantity - gone : 0;
        units += left[i].quantity;
    }
    return units;
}

static bool has_shipped(const struct moving *m)
{
    int64_t shipped = 0;
    for (uint8_t i = 0; i < m->h->line_count; i++)
        shipped += m->after[i].shipped;
    return shipped > 0;
}

/* Units that are not there yet cannot leave. */
static int check_there(const struct engine *e, struct command *c, const struct hold *h,
                       const struct line *left, const int64_t *taken)
{
    for (uint8_t i = 0; i < h->line_count; i++) {
        int64_t owed = backorder_units(e, left[i].lot, h->reservation_id);
        if (taken[i] == 0 || taken[i] <= left[i].quantity - owed)
            continue;
        return engine_say(c, TLY_EINVALID_TRANSITION,
                          "%lld of its units of lot %.*s have not come yet and cannot be shipped",
                          (long long)owed, STR_ARG(lots_at(&e->lots, left[i].lot)->dims.key));
    }
    return 0;
}

int ship_decide(struct engine *e, struct moving *m)
{
    struct command *c = m->c;
    struct hold *h = m->h;
    struct line left[ORDER_LINES_MAX] = {{0}};
    int64_t taken[ORDER_LINES_MAX];
    int code = call_check_id(c, "shipment_id");
    if (code || call_was_made(e, m, &code))
        return code;
    if (!hold_move_target((int)h->state, MOVE_SHIP))
        return move_wrong_state(c, h, "shipped");
    if (hold_is_in_open_group(h))
        return engine_say(c, TLY_EINVALID_TRANSITION,
                          "the reservation's group is OPEN: it is not final yet, and not shipped");
    if (in_house(m, left) == 0) {
        c->move.replayed = !c->move.want_count && !c->move.id.len && has_shipped(m);
        return c->move.replayed ? 0
                                : engine_say(c, TLY_EINVALID_TRANSITION,
                                             "all its units have left or were returned");
    }
    code = move_take(e, c, left, h->line_count, "shipped", taken);
    if (!code)
        code = check_there(e, c, h, left, taken);
    if (code)
        return code;
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    for (uint8_t i = 0; i < h->line_count; i++)
        left[i].quantity = taken[i];
    uint16_t count = lines_without_empty(left, h->line_count);
    if (!lines_fit(e, MOVE_SHIP, left, count))
        return move_does_not_add_up(c);
    if (!batch_make_room(e, 1, count))
        return move_no_memory(c);
    hold_step(e, h, MOVE_SHIP, REASON_NONE);
    struct move *move = batch_add(e, MOVE_SHIP, h, left, count, NULL);
    call_write(e, m, move, batch_keep(e, c->move.id));
    for (uint8_t i = 0; i < h->line_count; i++)
        m->after[i].shipped += taken[i];
    e->stats.shipped_total++;
    return 0;
}
