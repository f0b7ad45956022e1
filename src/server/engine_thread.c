/* engine_thread.c - the thread that drives the lane.
 *
 * Happy path: read the clock, take a turn (lane/turn.c), now and then publish the engine's figures,
 * sleep if there was nothing to do.
 *
 * Failure: nothing here fails.
 */
#include "server/engine_thread.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "obs/log.h"

enum {
    IDLE_MAX_US = 1000000,      /* the clock that others compute from is not older */
    QUIET_MAX_US = 1000,        /* commands wait so long for a commit under way, at most */
    QUIET_COMMANDS_MAX = 128,   /* so many commands are decided during the commit after all */
    QUIET_COMMIT_NS = 20000000, /* a commit that takes longer is not waited for */
    UNKNOWN_WAIT_NS = 200000,   /* between looks whether the engine was told */
};

/* ---- what the lane asks of its host ---- */

static void wake_thread(void *context)
{
    struct engine_thread *t = context;
    wake_up(&t->wake);
}

static void tell_available(void *context, bool available, const char *why)
{
    struct engine_thread *t = context;
    bool before = atomic_load_explicit(&t->state->ledger_up, memory_order_relaxed);
    state_set_ledger(t->state, available, why);
    if (available && !before)
        log_event(LOG_INFO, "ledger.available");
    else if (!available && before)
        log_event(LOG_ERROR, "ledger.unavailable", log_text("why", why ? why : ""));
}

static bool pause_ledger(void *context)
{
    struct engine_thread *t = context;
    nanosleep(&(struct timespec){.tv_nsec = UNKNOWN_WAIT_NS}, NULL);
    return !atomic_load(&t->stopped);
}

static void batch_submitted(void *context, const struct batch *b)
{
    struct engine_thread *t = context;
    (void)b;
    t->submitted_ns = clock_monotonic_ns();
}

static void batch_settled(void *context, const struct batch *b)
{
    struct engine_thread *t = context;
    metrics_observe(t->metrics, METRIC_HISTOGRAM_COMMIT, clock_monotonic_ns() - t->submitted_ns);
    metrics_observe(t->metrics, METRIC_HISTOGRAM_BATCH, b->move_count);
    if (t->bus)
        t->bus->ops->committed(t->bus);
    if (t->webhook)
        webhook_committed(t->webhook);
    bus_parts_committed(&t->bus_parts);
}

static void commands_decided(void *context, uint64_t count)
{
    struct engine_thread *t = context;
    metrics_observe(t->metrics, METRIC_HISTOGRAM_TURN_COMMANDS, count);
}

static void lots_committed(void *context, const struct gate_stock *lots, uint32_t count,
                           int64_t newest_seq)
{
    struct engine_thread *t = context;
    for (uint32_t i = 0; i < count; i++) {
        cache_delete(t->cache, lots[i].dims->key, lots[i].version, NULL, NULL);
        bus_parts_lot_committed(&t->bus_parts, lots[i].dims->key, lots[i].version, newest_seq);
    }
}

static void lot_left_out(void *context, struct str key)
{
    (void)context;
    log_event(LOG_WARN, "gate.lot_left_out", log_str("lot", key));
}

/* A chain for each worker, with one wake-up. */
static void hand_back(void *context, struct command *c)
{
    struct engine_thread *t = context;
    while (c) {
        struct command *next = c->link;
        assert(c->worker < t->port_count);
        mail_chain_add(&t->ports[c->worker]->chain, &c->mail);
        c = next;
    }
    for (unsigned i = 0; i < t->port_count; i++) {
        struct reply_port *port = t->ports[i];
        if (port->chain.newest && mailbox_push(&port->replies, &port->chain))
            port->wake(port->context);
    }
}

void engine_thread_init(struct engine_thread *t)
{
    figures_init(&t->figures);
    t->lane.host = (struct lane_host){.context = t,
                                      .answered = hand_back,
                                      .wake = wake_thread,
                                      .available = tell_available,
                                      .pause = pause_ledger,
                                      .submitted = batch_submitted,
                                      .settled = batch_settled,
                                      .decided = commands_decided,
                                      .lot_left_out = lot_left_out};
}

/* ---- the thread ---- */

/* Commands that come now could not be committed before the batch that is with the ledger, so they
 * need not wake this thread: see engine_thread_send(). */
static bool commands_can_wait(const struct engine_thread *t)
{
    return t->lane.under_way > 0 && clock_monotonic_ns() - t->submitted_ns < QUIET_COMMIT_NS;
}

static int64_t time_to_sleep_us(struct engine_thread *t, bool quiet)
{
    int64_t now_ms = t->clock.now_ns / 1000000;
    int64_t longest_us = quiet ? QUIET_MAX_US : IDLE_MAX_US;
    int64_t deadline_ms = engine_next_deadline(t->lane.engine);
    if (deadline_ms <= now_ms)
        return 0; /* more holds are due than one turn takes down */
    if (deadline_ms - now_ms >= IDLE_MAX_US / 1000)
        return longest_us;
    int64_t until_us = deadline_ms * 1000 - t->clock.now_ns / 1000;
    return until_us < longest_us ? until_us : longest_us;
}

static void sleep_until_work(struct engine_thread *t)
{
    bool quiet = commands_can_wait(t);
    atomic_store_explicit(&t->quiet, quiet, memory_order_relaxed);
    wake_prepare(&t->wake);
    bool commands_wait = quiet && lane_commands_waiting(&t->lane) < QUIET_COMMANDS_MAX;
    if (lane_work_waits(&t->lane, commands_wait) || (atomic_load(&t->stop) && !t->stopping))
        wake_cancel(&t->wake);
    else
        wake_wait(&t->wake, time_to_sleep_us(t, quiet));
}

/* The fence, with the one in wake_prepare(): either the thread sees the commands before it goes to
 * sleep, or its last word on being quiet is seen here. */
void engine_thread_send(struct engine_thread *t, struct mail_chain *commands, uint32_t count)
{
    uint32_t waiting = lane_send(&t->lane, commands, count);
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&t->quiet, memory_order_relaxed) || waiting >= QUIET_COMMANDS_MAX)
        wake_up(&t->wake);
}

static bool turn(struct engine_thread *t)
{
    bool doubted = t->clock.doubted;
    int64_t now_ms = ledger_clock_read_ms(&t->clock);
    state_publish_clock(t->state, &t->clock);
    if (doubted != t->clock.doubted)
        log_event(doubted ? LOG_INFO : LOG_ERROR, doubted ? "clock.agrees" : "clock.doubted",
                  log_int("gap_ms", t->clock.gap_ns / 1000000));
    uint64_t now_ns = clock_monotonic_ns();
    state_publish_turn(t->state, now_ns);
    bool busy = lane_turn(&t->lane, now_ms, now_ns);
    figures_publish(&t->figures, t->lane.engine, now_ns);
    metrics_add(t->metrics, METRIC_ENGINE_TURNS, 0, 1);
    atomic_fetch_add_explicit(&t->turns, 1, memory_order_relaxed);
    return busy;
}

static void *run(void *context)
{
    struct engine_thread *t = context;
    pthread_setname_np(pthread_self(), "tally-engine");
    for (;;) {
        bool done = !turn(t) && (t->lane.under_way == 0 || !lane_available(&t->lane));
        if (t->stopping && done)
            break;
        sleep_until_work(t);
        t->stopping = atomic_load(&t->stop);
    }
    atomic_store(&t->stopped, true);
    return NULL;
}

int engine_thread_start(struct engine_thread *t, struct error *e)
{
    if (t->cache)
        t->lane.host.lots_committed = lots_committed;
    int code = pthread_create(&t->thread, NULL, run, t);
    return code ? error_set(e, TLY_ENO_MEMORY, "", "cannot start a thread: %s", strerror(code)) : 0;
}

void engine_thread_stop(struct engine_thread *t)
{
    atomic_store(&t->stop, true);
    wake_up(&t->wake);
}

void engine_thread_join(struct engine_thread *t)
{
    pthread_join(t->thread, NULL);
}
