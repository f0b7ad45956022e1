/* outcome.c - what becomes of a batch.
 *
 * COMMITTED: its answers are due. REJECTED: all moves since are undone, newest first, and whoever
 * waited for them hears that nothing was done. STALE: the same undo, then the true stock, then the
 * commands are decided again. UNKNOWN: what came after is undone, the batch itself stays as
 * decided, and whoever waits for it hears so at once.
 */
#include <assert.h>

#include "engine/engine_internal.h"

static void restore_lines(struct engine *e, const struct undo *u)
{
    struct hold *h = u->hold;
    if (h->line_count > 1)
        holds_lines_give(&e->holds, h->lines.many, h->line_count);
    h->line_count = u->old_line_count;
    if (u->old_lines) {
        h->lines.many = u->old_lines;
    } else {
        h->lines.one.lot = u->old_line.lot;
        h->lines.one.quantity = (uint32_t)u->old_line.quantity;
    }
}

static void undo_hold(struct engine *e, const struct move *m, const struct undo *u)
{
    struct hold *h = u->hold;
    switch (m->kind) {
    case MOVE_CONFIRM:
        if (u->lines_changed)
            restore_lines(e, u);
        hold_unstep(e, h, HOLD_PENDING);
        break;
    case MOVE_REFUND:
        hold_unstep(e, h, HOLD_PENDING);
        break;
    case MOVE_RETURN:
        hold_unstep(e, h, HOLD_CONFIRMED);
        break;
    case MOVE_EXTEND:
        hold_set_deadline(e, h, u->old_deadline_ms);
        break;
    case MOVE_RESERVE:
        order_index_remove(e->orders, m->order_hash, m->seq);
        timers_cancel(e->timers, h);
        e->stats.holds_pending--;
        holds_unlist(&e->holds, h);
        h->touched = 0;
        holds_remove(&e->holds, h);
        return;
    default:
        break;
    }
}

void undo_batch(struct engine *e, struct engine_batch *b)
{
    for (uint32_t i = b->count; i-- > 0;) {
        const struct move *m = &b->moves[i];
        struct undo *u = &b->undos[i];
        const struct line *lines = move_lines(m);
        for (uint16_t j = 0; j < m->line_count; j++) {
            stock_apply(e, m->kind, lines[j].lot, lines[j].quantity, -1);
            lots_at(&e->lots, lines[j].lot)->touched &= (uint8_t)~b->bit;
        }
        if (u->hold)
            undo_hold(e, m, u);
        if (u->hold && u->first_touch && m->kind != MOVE_RESERVE) {
            u->hold->touched &= ~(unsigned)b->bit & 3u;
            hold_release(e, u->hold);
        }
        if (m->kind == MOVE_ADJUST && u->key_hash)
            order_index_remove(e->orders, u->key_hash, m->seq);
        if (m->kind == MOVE_CREATE)
            lots_drop_last(&e->lots);
    }
    e->stats.undone_total += b->count;
    b->count = 0;
}

static void commit_batch(struct engine *e, struct engine_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct move *m = &b->moves[i];
        struct undo *u = &b->undos[i];
        const struct line *lines = move_lines(m);
        for (uint16_t j = 0; j < m->line_count; j++) {
            struct lot *lot = lots_at(&e->lots, lines[j].lot);
            if (!(lot->touched & b->bit))
                continue;
            lot->touched &= (uint8_t)~b->bit;
            if (!lot->created) {
                lot->created = true;
                assert(lines[j].lot == e->created + 1);
                e->created++;
            }
            stock_changed(e, lines[j].lot);
        }
        if (u->lines_changed && u->old_lines)
            holds_lines_give(&e->holds, u->old_lines, u->old_line_count);
        if (u->hold && u->first_touch) {
            u->hold->touched &= ~(unsigned)b->bit & 3u;
            hold_release(e, u->hold);
        }
    }
    e->committed_seq = b->moves[b->count - 1].seq;
    e->committed_number = b->batch.number;
    e->stats.batches_total++;
    e->stats.moves_total += b->count;
}

static bool is_look_up(const struct command *c)
{
    switch (c->kind) {
    case COMMAND_GET_LOT:
    case COMMAND_LIST_LOTS:
    case COMMAND_LOT_CHANGES:
    case COMMAND_GET_RESERVATION:
    case COMMAND_STATS:
        return true;
    default:
        return false;
    }
}

/* Orders of a RESERVE_BATCH have outcomes of their own: only those that rested on what was not
 * committed get `code`, and, if that was undone, those that were refused the units of it. */
static void fail_orders(struct engine *e, struct command *c, int code)
{
    for (uint32_t i = 0; i < c->batch.count; i++) {
        struct reserve_command *r = &c->batch.orders[i];
        bool refused = r->code == TLY_ESOLD_OUT && code != TLY_EOUTCOME_UNKNOWN;
        if (r->rests_on > e->committed_number || refused)
            r->code = code;
    }
    engine_reply(e, c);
}

/* Its answer is that it moved a hold itself: undone, that is not done for certain. */
static bool moved_itself(const struct command *c)
{
    bool of_hold =
        c->kind == COMMAND_CONFIRM || c->kind == COMMAND_REFUND || c->kind == COMMAND_EXTEND;
    return of_hold && c->code == 0 && !c->move.replayed;
}

/* What was undone is not done, and that is the answer of who did it. Any other answer rested on
 * what somebody else did, which may be committed or not known: it is made anew. */
static void answer_undone(struct engine *e, struct command_list list)
{
    struct command *c;
    while ((c = list_take(&list))) {
        if (moved_itself(c))
            engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
        else
            engine_dispatch(e, c);
    }
}

static void answer_unknown(struct engine *e, struct command_list list)
{
    struct command *c;
    while ((c = list_take(&list))) {
        if (c->kind == COMMAND_RESERVE_BATCH)
            fail_orders(e, c, TLY_EOUTCOME_UNKNOWN);
        else if (is_look_up(c) && c->kind != COMMAND_GET_RESERVATION)
            engine_dispatch(e, c);
        else
            engine_refuse(e, c, TLY_EOUTCOME_UNKNOWN, NULL);
    }
}

static void dispatch_list(struct engine *e, struct command_list list)
{
    struct command *c;
    while ((c = list_take(&list)))
        engine_dispatch(e, c);
}

static struct command_list list_steal(struct command_list *list)
{
    struct command_list stolen = *list;
    *list = (struct command_list){0};
    return stolen;
}

static void on_committed(struct engine *e, struct engine_batch *f)
{
    commit_batch(e, f);
    struct command_list due = list_steal(&f->due);
    struct command_list again = list_steal(&f->again);
    batch_clear(f);
    struct command *c;
    while ((c = list_take(&due)))
        engine_reply(e, c);
    dispatch_list(e, again);
}

static void on_rejected(struct engine *e, struct engine_batch *f)
{
    e->available = false;
    undo_batch(e, e->open);
    undo_batch(e, f);
    struct command_list lists[] = {list_steal(&f->due), list_steal(&f->again),
                                   list_steal(&e->open->due), list_steal(&e->open->again)};
    batch_clear(f);
    batch_clear(e->open);
    answer_undone(e, lists[0]);
    dispatch_list(e, lists[1]);
    answer_undone(e, lists[2]);
    dispatch_list(e, lists[3]);
}

static void on_stale(struct engine *e, struct engine_batch *f, const struct reload *reloaded,
                     uint32_t count)
{
    undo_batch(e, e->open);
    undo_batch(e, f);
    for (uint32_t i = 0; i < count; i++) {
        if (reloaded[i].lot > 0 && reloaded[i].lot <= e->lots.count) {
            stock_set(e, reloaded[i].lot, &reloaded[i].stock);
            if (lots_at(&e->lots, reloaded[i].lot)->created)
                stock_changed(e, reloaded[i].lot);
        }
    }
    struct command_list due = list_steal(&f->due);
    struct command_list lists[] = {list_steal(&f->again), list_steal(&e->open->due),
                                   list_steal(&e->open->again)};
    batch_clear(f);
    batch_clear(e->open);
    engine_pump(e);
    struct command *c;
    while ((c = list_take(&due))) {
        c->tries++;
        if (c->tries < e->config.stale_tries_max || is_look_up(c))
            engine_dispatch(e, c);
        else if (c->kind == COMMAND_RESERVE_BATCH)
            fail_orders(e, c, TLY_EOVERLOADED);
        else
            engine_refuse(e, c, TLY_EOVERLOADED, "other writers were faster %d times", c->tries);
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        dispatch_list(e, lists[i]);
}

static void on_unknown(struct engine *e, struct engine_batch *f)
{
    e->available = false;
    e->unknown = true;
    unknown_note(e);
    undo_batch(e, e->open);
    struct command_list due = list_steal(&f->due);
    struct command_list again = list_steal(&f->again);
    struct command_list open_due = list_steal(&e->open->due);
    struct command_list open_again = list_steal(&e->open->again);
    batch_clear(e->open);
    answer_unknown(e, due);
    answer_unknown(e, again);
    answer_undone(e, open_due);
    dispatch_list(e, open_again);
}

void engine_outcome(struct engine *e, struct batch *b)
{
    struct engine_batch *f = e->flight;
    assert(f && b == &f->batch);
    enum ledger_outcome outcome = b->outcome;
    if (outcome == LEDGER_UNKNOWN) {
        assert(!e->unknown);
        on_unknown(e, f);
        engine_pump(e);
        return;
    }
    e->flight = NULL;
    e->unknown = false;
    unknown_forget(e);
    switch (outcome) {
    case LEDGER_COMMITTED:
        on_committed(e, f);
        break;
    case LEDGER_REJECTED:
        on_rejected(e, f);
        break;
    default:
        on_stale(e, f, b->reloaded, b->reloaded_count);
        break;
    }
    engine_pump(e);
}
