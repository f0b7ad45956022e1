/* by_order.c - which reservation a command is about that names its order_id; and the fence.
 *
 * Found as a look-up finds it: the index, then what is in memory, then the ledger's record, which
 * stays in the command's notes for the decision itself. A refund with `fence` of an order that is
 * not there takes the order_id: a reservation without lines that is REFUNDED (CANCELLED) from the
 * start. An order that comes later under that order_id is answered with it, whatever it wants
 * (search.c), so a cancel that is faster than its order holds.
 */
#include <string.h>

#include "engine/decide_move.h"

static bool refuse(struct engine *e, struct command *c, int code)
{
    search_reset(&c->move.search);
    engine_refuse(e, c, code, NULL);
    return false;
}

/* Everything that finds it, as for an order; it is not PENDING, so there is no timer. */
static int fence(struct engine *e, struct command *c)
{
    struct str order_id = c->move.by_order_id;
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    if (c->move.want_count)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "a fence takes no lines");
    if (order_id.len > ORDER_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "order_id has 1 to %d bytes", ORDER_ID_MAX);
    if (!batch_make_room(e, 1, 0))
        return move_no_memory(c);
    struct hold *h =
        holds_add(&e->holds, engine_next_seq(e), order_id, (struct str){"", 0}, NULL, 0, NULL);
    if (!h)
        return move_no_memory(c);
    if (order_index_add(e->orders, c->move.order_hash, h->reservation_id)) {
        holds_remove(&e->holds, h);
        return engine_say(c, TLY_EOVERLOADED, "the order index is behind");
    }
    h->created_ms = e->now_ms;
    hold_step(e, h, MOVE_FENCE, REASON_CANCELLED);
    struct move *m = batch_add(e, MOVE_FENCE, h, NULL, 0, NULL);
    m->reason = REASON_CANCELLED;
    m->order_id = batch_keep(e, order_id);
    m->order_hash = c->move.order_hash;
    c->move.reservation_id = h->reservation_id;
    memcpy(c->move.order_id, order_id.p, order_id.len);
    c->move.order_id_len = (uint8_t)order_id.len;
    c->move.state = HOLD_REFUNDED;
    c->move.state_reason = REASON_CANCELLED;
    return 0;
}

static void not_there(struct engine *e, struct command *c)
{
    search_reset(&c->move.search);
    if (c->kind != COMMAND_REFUND || !c->move.fence) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no order %.*s", STR_ARG(c->move.by_order_id));
        return;
    }
    c->code = fence(e, c);
    if (c->code)
        engine_refuse(e, c, c->code, NULL);
    else
        batch_attach(e, c, e->open->bit);
}

static bool find_by_order(struct engine *e, struct command *c, int64_t *id)
{
    struct order_search *s = &c->move.search;
    struct seen_order seen = search_order(e, s, c->move.by_order_id, c->move.order_hash, NULL);
    switch (seen.verdict) {
    case SEEN_REPLAY:
        *id = seen.hold ? seen.hold->reservation_id : seen.record->reservation_id;
        return true;
    case SEEN_ASK:
        if (!question_ask(e, c, 0, seen.ask, seen.ask_id, c->move.by_order_id, c->move.order_hash))
            return refuse(e, c, TLY_EOVERLOADED);
        return false;
    case SEEN_NEW:
        not_there(e, c);
        return false;
    default:
        return refuse(e, c, TLY_EUNAVAILABLE);
    }
}

bool move_find(struct engine *e, struct command *c, int64_t *id)
{
    if (str_empty(c->move.by_order_id)) {
        *id = c->move.reservation_id;
        return true;
    }
    c->move.reservation_id = 0;
    if (!e->config.shared) {
        if (!find_by_order(e, c, id))
            return false;
    } else {
        *id = shared_find_order(e, c->move.by_order_id, c->move.order_hash);
        if (!*id) {
            not_there(e, c);
            return false;
        }
    }
    c->move.reservation_id = *id;
    return true;
}
