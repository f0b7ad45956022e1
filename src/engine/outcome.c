/* outcome.c - what becomes of a batch.
 *
 * COMMITTED: its answers are due. REJECTED: all moves since are undone, newest first; who did
 * something in that batch hears that it is not done, and all others are decided again (while the
 * ledger takes no writes, that tells them so). Batches behind it are dead: undone here, and kept
 * until the ledger has let go of them. STALE: the same undo, and the commands are decided again.
 * UNKNOWN: what is open is undone, all that is with the ledger stays as decided, and whoever waits
 * for it hears so at once.
 */
#include <assert.h>

#include "engine/engine_internal.h"

/* It never was. */
static void forget(struct engine *e, const struct move *m, struct hold *h)
{
    order_index_remove(e->orders, m->order_hash, m->seq);
    if (h->state == HOLD_PENDING)
        hold_unarm(e, h);
    if (h->in_sale)
        group_step(e, h, (int)h->state, HOLD_NONE, true);
    holds_unlist(&e->holds, h);
    h->touched = 0;
    holds_remove(&e->holds, h);
}

static void undo_hold(struct engine *e, const struct move *m, const struct undo *u)
{
    struct hold *h = u->hold;
    h->moves--;
    h->written = u->was_written;
    if (u->lines_changed)
        hold_restore_lines(e, u);
    switch (m->kind) {
    case MOVE_CONFIRM:
    case MOVE_REFUND:
        hold_unstep(e, h, HOLD_PENDING);
        break;
    case MOVE_RETURN:
    case MOVE_WRITE_OFF:
    case MOVE_RESTOCK:
    case MOVE_DISCARD:
        if (m->reason)
            hold_unstep(e, h, HOLD_CONFIRMED);
        break;
    case MOVE_RECLAIM:
        hold_unstep(e, h, HOLD_REFUNDED);
        break;
    case MOVE_EXTEND:
        hold_set_deadline(e, h, u->old_deadline_ms);
        break;
    case MOVE_RESERVE:
    case MOVE_FENCE:
        forget(e, m, h);
        break;
    default:
        break;
    }
}

/* Its hold is as it was before the batch. */
static void untouch_hold(struct engine *e, const struct engine_batch *b, const struct undo *u)
{
    u->hold->touched &= ~(unsigned)b->bit & TOUCHED_MASK;
    hold_release(e, u->hold);
}

static void undo_in_sale(struct engine *e, const struct engine_batch *b, const struct move *m,
                         const struct undo *u)
{
    group_untouch(e, u->hold, b->bit);
    sale_count(u->hold, m->kind, m->line.quantity, -1);
    hold_sale(u->hold)->sale->touched &= (uint8_t)~b->bit;
}

void undo_batch(struct engine *e, struct engine_batch *b, uint32_t from)
{
    for (uint32_t i = b->count; i-- > from;) {
        const struct move *m = &b->moves[i];
        struct undo *u = &b->undos[i];
        const struct line *lines = move_lines(m);
        for (uint16_t j = 0; j < m->line_count; j++) {
            stock_apply(e, m->kind, lines[j].lot, lines[j].quantity, -1);
            backorder_moved(e, lines[j].lot, m, lines[j].quantity, -1);
            lot_users_moved(e, lines[j].lot, u->hold, m->kind, lines[j].quantity, -1);
            lots_at(&e->lots, lines[j].lot)->touched &= (uint8_t)~b->bit;
        }
        if (u->hold && u->hold->in_sale)
            undo_in_sale(e, b, m, u);
        if (u->hold)
            undo_hold(e, m, u);
        if (u->hold && u->first_touch && !move_begins(m))
            untouch_hold(e, b, u);
        if (m->kind == MOVE_SALE)
            sale_undone(e, u, b);
        if (m->kind >= MOVE_GROUP_OPEN)
            group_undone(e, m, u, b->bit);
        if (m->kind == MOVE_ADJUST && u->key_hash)
            order_index_remove(e->orders, u->key_hash, m->seq);
        if (m->kind == MOVE_LOT_TERMS)
            engine_put_terms(e, m->line.lot, u->old_terms);
        if (m->kind == MOVE_CREATE)
            lot_users_end(e, m->line.lot);
        if (m->kind == MOVE_CREATE)
            lots_drop(&e->lots, m->line.lot);
    }
    for (uint32_t i = 0; i < from; i++) {
        const struct line *lines = move_lines(&b->moves[i]);
        for (uint16_t j = 0; j < b->moves[i].line_count; j++)
            lots_at(&e->lots, lines[j].lot)->touched |= b->bit;
        group_retouch(e, &b->moves[i], &b->undos[i], b->bit);
    }
    e->stats.undone_total += b->count - from;
    b->count = from;
}

/* The hold of a move that is still to be committed; NULL: it has none. (One whose first move is
 * committed may be gone.) */
static const struct hold *hold_to_come(const struct engine_batch *b, uint32_t i)
{
    return i < b->count && b->undos[i].first_touch ? b->undos[i].hold : NULL;
}

/* What the next moves touch: first the hold, then what stands behind its texts, then its group. */
static void prefetch_moves(const struct engine_batch *b, uint32_t i)
{
    const struct hold *h = hold_to_come(b, i + 12);
    if (h)
        __builtin_prefetch(&h->text, 1);
    h = hold_to_come(b, i + 8);
    if (h && h->in_sale)
        __builtin_prefetch(&hold_sale(h)->group, 1);
    h = hold_to_come(b, i + 4);
    if (h && hold_has_place(h))
        __builtin_prefetch(&hold_sale(h)->group->touched, 1);
}

static void commit_batch(struct engine *e, struct engine_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        prefetch_moves(b, i);
        const struct move *m = &b->moves[i];
        struct undo *u = &b->undos[i];
        const struct line *lines = move_lines(m);
        for (uint16_t j = 0; j < m->line_count; j++) {
            struct lot *lot = lots_at(&e->lots, lines[j].lot);
            backorder_committed(e, lines[j].lot, m->kind, lines[j].quantity);
            if (!(lot->touched & b->bit))
                continue;
            lot->touched &= (uint8_t)~b->bit;
            if (!lot->created) {
                lot->created = true;
                assert(e->config.shared || lines[j].lot == e->created + 1);
                e->created = e->config.shared ? e->lots.count : e->created + 1;
            }
            stock_changed(e, lines[j].lot);
        }
        if (m->kind == MOVE_SALE)
            sale_committed(e, u, b->bit);
        if (m->kind >= MOVE_GROUP_OPEN)
            group_committed(e, m, u, b->bit);
        if (u->lines_changed && u->old_lines)
            holds_lines_give(&e->holds, u->old_lines, u->old_line_count);
        if (u->hold && u->first_touch) {
            if (u->hold->in_sale) {
                hold_sale(u->hold)->sale->touched &= (uint8_t)~b->bit;
                group_untouch(e, u->hold, b->bit);
            }
            untouch_hold(e, b, u);
        }
    }
    e->committed_seq = b->moves[b->count - 1].seq;
    e->committed_number = b->batch.number;
}

static struct command_list list_steal(struct command_list *list)
{
    struct command_list stolen = *list;
    *list = (struct command_list){0};
    return stolen;
}

static void list_append(struct command_list *list, struct command_list more)
{
    if (list->last)
        list->last->link = more.first;
    else
        list->first = more.first;
    if (more.last)
        list->last = more.last;
}

/* Look-ups at once. What writes goes before all that was put off: due holds come first, and the
 * batch may fill up. */
static void decide_again(struct engine *e, struct command_list list)
{
    struct command_list writes = {0};
    struct command *c;
    while ((c = list_take(&list))) {
        if (kind_of(c)->writes)
            list_push(&writes, c);
        else
            engine_dispatch(e, c);
    }
    list_append(&writes, e->deferred);
    e->deferred = writes;
}

/* Undoes what is open and all flights from number `from` on, newest first; those are dead. Returns
 * who waited for them, in the order of the batches. Of flight `from` itself, who waited for its
 * commit is in `due`. */
static struct command_list undo_from(struct engine *e, uint32_t from, struct command_list *due)
{
    struct command_list later = {0};
    undo_batch(e, e->open, 0);
    for (uint32_t i = e->flight_count; i-- > from;)
        undo_batch(e, e->flights[i], 0);
    for (uint32_t i = from; i < e->flight_count; i++) {
        struct engine_batch *f = e->flights[i];
        f->dead = true;
        f->unknown = false;
        e->unknown &= (uint8_t)~f->bit;
        if (i == from)
            *due = list_steal(&f->due);
        else
            list_append(&later, list_steal(&f->due));
        list_append(&later, list_steal(&f->again));
    }
    list_append(&later, list_steal(&e->open->due));
    list_append(&later, list_steal(&e->open->again));
    batch_clear(e->open);
    return later;
}

/* While no writes are taken: what a command did itself, and was undone, is not done. Any other
 * answer rested on somebody else's moves, and is made anew. */
static void answer_undone(struct engine *e, struct command_list list)
{
    struct command_list rested = {0};
    struct command *c;
    while ((c = list_take(&list))) {
        const struct command_kind_row *kind = kind_of(c);
        if (kind->did && !kind->fail && kind->did(e, c))
            engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
        else
            list_push(&rested, c);
    }
    decide_again(e, rested);
}

static void on_committed(struct engine *e)
{
    struct engine_batch *f = batch_land(e);
    e->unknown &= (uint8_t)~f->bit;
    commit_batch(e, f);
    if (e->unknown)
        unknown_note(e);
    else
        unknown_forget(e);
    struct command_list due = list_steal(&f->due);
    struct command_list again = list_steal(&f->again);
    batch_clear(f);
    struct command *c;
    while ((c = list_take(&due)))
        engine_reply(e, c);
    decide_again(e, again);
}

/* The oldest batch is not done, and so are those behind it: their commands are decided again, in
 * order. Who did something in the failed one itself hears that it is not done: a batch that fails
 * for what is in it must not come again. */
static void on_rejected(struct engine *e, bool writable)
{
    struct command_list due = {0};
    if (!writable)
        e->available = false;
    struct command_list later = undo_from(e, 0, &due);
    unknown_forget(e);
    batch_clear(batch_land(e));
    if (!writable) {
        list_append(&due, later);
        answer_undone(e, due);
        return;
    }
    struct command_list rested = {0};
    struct command *c;
    while ((c = list_take(&due))) {
        const struct command_kind_row *kind = kind_of(c);
        if (kind->did && kind->did(e, c))
            command_fail(e, c, TLY_EOVERLOADED);
        else
            list_push(&rested, c);
    }
    list_append(&rested, later);
    decide_again(e, rested);
}

static void on_stale(struct engine *e)
{
    e->shared.stale = true;
    struct command_list due = {0};
    struct command_list later = undo_from(e, 0, &due);
    batch_clear(batch_land(e));
    struct command_list retried = {0};
    struct command *c;
    while ((c = list_take(&due))) {
        c->tries++;
        if (c->tries < e->config.stale_tries_max || !kind_of(c)->writes)
            list_push(&retried, c);
        else if (kind_of(c)->fail)
            command_fail(e, c, TLY_EOVERLOADED);
        else
            engine_refuse(e, c, TLY_EOVERLOADED, "other writers were faster %d times", c->tries);
    }
    list_append(&retried, later);
    decide_again(e, retried);
}

static void answer_unknown(struct engine *e, struct command_list list)
{
    struct command *c;
    while ((c = list_take(&list))) {
        if (kind_of(c)->certain)
            engine_dispatch(e, c);
        else
            command_fail(e, c, TLY_EOUTCOME_UNKNOWN);
    }
}

/* All that is with the ledger is as unknown as the oldest of it, and stays as decided. */
static void on_unknown(struct engine *e)
{
    struct command_list due = {0};
    struct command_list waiting = {0};
    e->available = false;
    struct command_list later = undo_from(e, e->flight_count, &due);
    for (uint32_t i = 0; i < e->flight_count; i++) {
        struct engine_batch *f = e->flights[i];
        f->unknown = true;
        e->unknown |= f->bit;
        for (uint32_t j = 0; j < f->count; j++) {
            if (f->undos[j].hold)
                due_park(e, f->undos[j].hold);
        }
        list_append(&waiting, list_steal(&f->due));
        list_append(&waiting, list_steal(&f->again));
    }
    unknown_note(e);
    answer_unknown(e, waiting);
    answer_undone(e, later);
}

void engine_outcome(struct engine *e, struct batch *b)
{
    assert(e->flight_count && b == &e->flights[0]->batch);
    if (e->flights[0]->dead) {
        assert(b->outcome == LEDGER_REJECTED);
        batch_clear(batch_land(e));
    } else if (b->outcome == LEDGER_UNKNOWN) {
        if (!e->flights[0]->unknown)
            on_unknown(e);
    } else if (b->outcome == LEDGER_COMMITTED) {
        on_committed(e);
    } else if (b->outcome == LEDGER_REJECTED) {
        on_rejected(e, b->writable);
    } else {
        on_stale(e);
    }
    if (e->config.shared && !e->unknown)
        shared_ended(e);
    due_unpark(e);
    engine_pump(e);
}
