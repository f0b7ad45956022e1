/* recover.c - brings the lane to where the ledger left off, and starts ledger time.
 *
 * Happy path: the lane replays the ledger, the clock starts where that ends, the lane is opened.
 * Failure: the ledger cannot be read, contradicts itself, or memory is short: the server does not
 * start.
 */
#include "server/recover.h"

#include "obs/log.h"

struct watch {
    uint64_t started_ns;
    bool told; /* progress was logged */
};

static void tell_progress(void *context, uint64_t done, uint64_t total)
{
    struct watch *w = context;
    uint64_t elapsed_ms = (clock_monotonic_ns() - w->started_ns) / 1000000;
    if (elapsed_ms < 1000)
        return;
    w->told = true;
    log_event(LOG_INFO, "recovery.progress", log_int("done", (int64_t)done),
              log_int("total", (int64_t)total),
              log_int("percent", total ? (int64_t)(done * 100 / total) : 0),
              log_int("elapsed_ms", (int64_t)elapsed_ms));
}

static void tell_end(const struct watch *w, const struct lane_recovery *r, uint32_t lots)
{
    uint64_t elapsed_ns = clock_monotonic_ns() - w->started_ns;
    uint64_t rate = elapsed_ns ? r->moves * 1000000 / (elapsed_ns / 1000 + 1) : 0;
    log_event(LOG_INFO, "recovery.done", log_int("lots", lots), log_int("moves", (int64_t)r->moves),
              log_int("moves_per_second", (int64_t)rate),
              log_int("elapsed_ms", (int64_t)(elapsed_ns / 1000000)));
}

/* A wall clock that is far from the newest move is named, with both times. */
static void tell_clock(struct engine_thread *t, const struct recover_clock *clock,
                       int64_t newest_ms)
{
    char newest[RFC3339_SIZE], wall[RFC3339_SIZE];
    const struct ledger_clock *c = &t->clock;
    int64_t wall_ms = (c->now_ns + c->gap_ns) / 1000000;
    int64_t gap_ms = newest_ms ? wall_ms - newest_ms : 0;
    rfc3339_format(newest_ms, newest);
    rfc3339_format(wall_ms, wall);
    if (c->doubted)
        log_event(LOG_ERROR, "clock.doubted", log_text("newest_move", newest),
                  log_text("wall_clock", wall), log_int("gap_ms", gap_ms),
                  log_text("until", "the clock is set right, or a start with --accept-clock"));
    else if (gap_ms > clock->gap_max_ms || gap_ms < -clock->gap_max_ms)
        log_event(LOG_WARN, "clock.accepted", log_text("newest_move", newest),
                  log_text("wall_clock", wall), log_int("gap_ms", gap_ms));
    state_publish_clock(t->state, c);
}

int recover(struct engine_thread *t, uint64_t hash_seed, const struct recover_clock *clock,
            struct error *e)
{
    struct watch w = {.started_ns = clock_monotonic_ns()};
    struct lane_recovery r = {.hash_seed = hash_seed, .context = &w, .progress = tell_progress};
    int code = lane_recover(&t->lane, &r, e);
    if (code)
        return code;
    ledger_clock_init(&t->clock, r.newest_ms, clock->gap_max_ms, clock->trusted);
    tell_clock(t, clock, r.newest_ms);
    lane_open(&t->lane, t->clock.now_ns / 1000000);
    if (w.told || r.moves)
        tell_end(&w, &r, engine_lot_count(t->lane.engine));
    return 0;
}
