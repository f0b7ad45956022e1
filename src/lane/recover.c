/* recover.c - replays the ledger into the engine.
 *
 * Happy path: lots, order runs and moves stream from the ledger into the engine; the gate learns
 * every order_id and, when the lane is opened, every lot's available units.
 * Failure: the ledger cannot be read, contradicts itself, or memory is short: told, and the lane is
 * good for nothing.
 */
#include "base/hash.h"
#include "lane/lane_internal.h"

struct replay {
    struct lane *lane;
    struct lane_recovery *r;
    int64_t newest_seq;
};

static int load_lot(void *context, lot_id id, const struct lot_dims *dims,
                    const struct lot_terms *terms, const struct stock *snapshot, struct error *e)
{
    struct replay *p = context;
    return engine_load_lot(p->lane->engine, id, dims, terms, snapshot, e);
}

static int load_sale(void *context, const struct sale_terms *terms, int64_t created_seq,
                     struct error *e)
{
    const struct replay *p = context;
    return engine_load_sale(p->lane->engine, terms, created_seq, e);
}

static int load_order_run(void *context, struct order_run *run)
{
    struct replay *p = context;
    p->lane->orders_complete = false;
    return engine_load_order_run(p->lane->engine, run);
}

static int load_move(void *context, const struct move *m, bool in_stock, struct error *e)
{
    struct replay *p = context;
    struct gate *gate = p->lane->gate;
    if (move_begins(m)) {
        uint64_t hash = m->order_hash ? m->order_hash : hash64(m->order_id, p->r->hash_seed);
        gate->ops->order_seen(gate, hash);
    }
    p->r->newest_ms = m->at_ms;
    p->newest_seq = m->seq;
    p->r->moves++;
    return engine_load_move(p->lane->engine, m, in_stock, e);
}

static void tell_progress(void *context, uint64_t done, uint64_t total)
{
    struct replay *p = context;
    if (p->r->progress)
        p->r->progress(p->r->context, done, total);
}

int lane_recover(struct lane *l, struct lane_recovery *r, struct error *e)
{
    struct replay p = {.lane = l, .r = r};
    const struct ledger_loader loader = {.context = &p,
                                         .lot = load_lot,
                                         .sale = load_sale,
                                         .order_run = load_order_run,
                                         .move = load_move,
                                         .progress = tell_progress};
    l->orders_complete = true;
    r->moves = 0;
    r->newest_ms = 0;
    int code = l->ledger->ops->recover(l->ledger, &loader, e);
    if (code)
        return code;
    struct ledger_stats stats = {0};
    l->ledger->ops->stats(l->ledger, &stats);
    /* The newest moves may be archived, and their numbers are used up all the same: time starts
     * after them. */
    if (stats.last_seq > p.newest_seq) {
        r->newest_ms = seq_ms(stats.last_seq) + 1;
        engine_load_seq(l->engine, stats.last_seq);
    }
    return 0;
}

void lane_open(struct lane *l, int64_t now_ms)
{
    atomic_store(&l->available, true);
    engine_recovered(l->engine, now_ms);
    l->deadline_told_ms = INT64_MIN;
    lane_tell_gate(l, NULL);
    l->gate->ops->orders_complete(l->gate, l->orders_complete);
}
