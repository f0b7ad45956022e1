/* recover.c - replays the ledger into the engine.
 *
 * Happy path: lots, order runs and moves stream from the ledger into the engine; the gate learns
 * every order_id and, at the end, every lot's available units.
 * Failure: the ledger cannot be read, contradicts itself, or memory is short: the server does not
 * start.
 */
#include "server/recover.h"

#include "base/hash.h"
#include "obs/log.h"

struct recovery {
    struct engine_thread *t;
    uint64_t hash_seed;
    uint64_t started_ns;
    uint64_t moves;
    int64_t newest_ms;
    bool told; /* progress was logged */
};

static int load_lot(void *context, lot_id id, const struct lot_dims *dims,
                    const struct stock *snapshot, struct error *e)
{
    struct recovery *r = context;
    return engine_load_lot(r->t->engine, id, dims, snapshot, e);
}

static int load_order_run(void *context, struct order_run *run)
{
    struct recovery *r = context;
    r->t->orders_complete = false;
    return engine_load_order_run(r->t->engine, run);
}

static int load_move(void *context, const struct move *m, bool in_stock, struct error *e)
{
    struct recovery *r = context;
    if (m->kind == MOVE_RESERVE) {
        uint64_t hash = m->order_hash ? m->order_hash : hash64(m->order_id, r->hash_seed);
        r->t->gate->ops->order_seen(r->t->gate, hash);
    }
    if (m->at_ms > r->newest_ms)
        r->newest_ms = m->at_ms;
    r->moves++;
    return engine_load_move(r->t->engine, m, in_stock, e);
}

static void tell_progress(void *context, uint64_t done, uint64_t total)
{
    struct recovery *r = context;
    uint64_t elapsed_ms = (clock_monotonic_ns() - r->started_ns) / 1000000;
    if (elapsed_ms < 1000)
        return;
    r->told = true;
    log_event(LOG_INFO, "recovery.progress", log_int("done", (int64_t)done),
              log_int("total", (int64_t)total),
              log_int("percent", total ? (int64_t)(done * 100 / total) : 0),
              log_int("elapsed_ms", (int64_t)elapsed_ms));
}

static void tell_end(const struct recovery *r)
{
    uint64_t elapsed_ns = clock_monotonic_ns() - r->started_ns;
    uint64_t rate = elapsed_ns ? r->moves * 1000000 / (elapsed_ns / 1000 + 1) : 0;
    log_event(LOG_INFO, "recovery.done", log_int("lots", engine_lot_count(r->t->engine)),
              log_int("moves", (int64_t)r->moves), log_int("moves_per_second", (int64_t)rate),
              log_int("elapsed_ms", (int64_t)(elapsed_ns / 1000000)));
}

int recover(struct engine_thread *t, uint64_t hash_seed, struct error *e)
{
    struct recovery r = {.t = t, .hash_seed = hash_seed, .started_ns = clock_monotonic_ns()};
    const struct ledger_loader loader = {.context = &r,
                                         .lot = load_lot,
                                         .order_run = load_order_run,
                                         .move = load_move,
                                         .progress = tell_progress};
    t->orders_complete = true;
    int code = t->ledger->ops->recover(t->ledger, &loader, e);
    if (code)
        return code;
    struct ledger_stats stats = {0};
    t->ledger->ops->stats(t->ledger, &stats);
    /* The moves of the newest millisecond may be archived, and its numbers are used up all the
     * same: the clock starts after it. */
    if (stats.last_seq > 0 && seq_ms(stats.last_seq) >= r.newest_ms)
        r.newest_ms = seq_ms(stats.last_seq) + 1;
    ledger_clock_init(&t->clock, r.newest_ms);
    state_publish_clock(t->state, &t->clock);
    engine_loaded(t->engine, t->clock.now_ns / 1000000);
    engine_thread_fill_gate(t);
    if (r.told || r.moves)
        tell_end(&r);
    return 0;
}
