/* server.c - start, run, drain, stop.
 *
 * Happy path: see server.h. The main thread, once all is started, does nothing but wait for signals
 * and feed the service manager's watchdog, which it does only while the engine thread turns.
 *
 * Failure while starting: what was made is taken down again, and the error says what it was. A
 * drain that takes longer than drain_timeout_ms, or is hurried by a second signal, closes the
 * connections that are left; the ledger is closed in order all the same.
 */
#include "server/server.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/zone.h"
#include "bus/bus_inproc.h"
#include "obs/log.h"
#include "server/cache_parts.h"
#include "server/data_dir.h"
#include "server/gate_parts.h"
#include "server/intake_thread.h"
#include "server/ledger_choice.h"
#include "server/metrics_page.h"
#include "server/notify.h"
#include "server/open_files.h"
#include "server/port.h"
#include "server/recover.h"
#include "server/settings.h"
#include "server/webhook_settings.h"

enum {
    DRAIN_LOOK_MS = 5,
    ENGINE_STOP_MS = 5000,    /* for the last commit, beyond the drain */
    WEBHOOK_STOP_MS = 4000,   /* for deliveries under way */
    MMAP_FROM = 16 << 20,     /* bytes; larger pieces of memory go back at once */
    KEPT_FREE_MAX = 16 << 20, /* bytes at the end of the heap */
};

struct server {
    struct engine_thread engine_thread; /* with engine, ledger and gate */
    struct gate_parts gate;
    struct budget_pot pot;       /* memory that the workers share */
    struct intake_thread intake; /* what comes by itself */
    struct waiting_rooms *waiting;
    struct worker *workers[WORKERS_MAX];
    struct metrics_page page;
    char *const *argv;
    char *const *environment;
    int argc;
    unsigned worker_count;
    unsigned workers_started;
    struct data_dir data_dir;
    struct state state;
    sigset_t signals;
    struct settings settings;
    struct zone *expiry_zone; /* NULL: UTC */
    char listen[300];         /* the address that was bound */
    int64_t open_files;       /* the limit */
    uint16_t node;            /* stands in every sequence number */
    bool ledger_started;
    bool engine_started;
};

/* ---- the process ---- */

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a large call took stays with the process for the next one: giving it back to the kernel and
 * having it again, page by page, cost as much as reading and answering a ReserveBatch. */
static void prepare_memory(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
    mallopt(M_TRIM_THRESHOLD, KEPT_FREE_MAX);
}

/* Signals come to the main thread only, through sigtimedwait(). */
static void prepare_process(struct server *s)
{
    sigemptyset(&s->signals);
    sigaddset(&s->signals, SIGTERM);
    sigaddset(&s->signals, SIGINT);
    sigaddset(&s->signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    s->open_files = open_files_raise();
    prepare_memory();
}

static unsigned default_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors <= 2 ? 1 : processors > WORKERS_MAX ? WORKERS_MAX : (unsigned)processors - 1;
}

/* ---- start ---- */

static void tell_about_data(void *context, const char *event, const char *text)
{
    (void)context;
    log_event(LOG_WARN, event, log_text("what", text));
}

static int create_ledger(struct server *s, struct error *e)
{
    return server_create_ledger(&s->settings, tell_about_data, &s->engine_thread.lane.ledger,
                                &s->node, e);
}

static int create_gate(struct server *s, uint64_t hash_seed, struct error *e)
{
    struct lane *lane = &s->engine_thread.lane;
    int code = gate_parts_create(&s->gate, &s->settings, hash_seed, lane->ledger->traits.shared, e);
    lane->gate = s->gate.gate;
    s->state.gate = code == 0 ? &s->gate : NULL;
    return code;
}

static const struct lot_dims *lot_dims_of(void *context, lot_id id)
{
    struct server *s = context;
    struct ledger *ledger = s->engine_thread.lane.ledger;
    if (ledger->ops->lot_dims) /* the engine does not know all of them */
        return ledger->ops->lot_dims(ledger, id);
    return engine_lot_dims(s->engine_thread.lane.engine, id);
}

static int create_bus(struct server *s, struct error *e)
{
    const struct bus_inproc_config config = {
        .ledger = s->engine_thread.lane.ledger,
        .source = s->settings.event_source,
        .page_bytes_max = (uint32_t)s->settings.events_memory_max,
        .lot_dims = lot_dims_of,
        .context = s,
    };
    return bus_inproc_create(&s->engine_thread.bus, &config, e);
}

static int create_bus_parts(struct server *s, struct error *e)
{
    const struct bus_parts_host host = {.ledger = s->engine_thread.lane.ledger,
                                        .cache = s->engine_thread.cache,
                                        .lot_dims = lot_dims_of,
                                        .context = s};
    return bus_parts_create(&s->engine_thread.bus_parts, &s->settings, &host, e);
}

static int create_engine(struct server *s, uint64_t hash_seed, struct error *e)
{
    const struct settings *set = &s->settings;
    int code = zone_open(&s->expiry_zone, set->expiry_zone, "expiry_zone", e);
    if (code)
        return code;
    const struct engine_config config = {
        .node = s->node,
        .hash_seed = hash_seed,
        .shared = s->engine_thread.lane.ledger->traits.shared,
        .batches_max = s->engine_thread.lane.ledger->traits.batches_max,
        .lots_max = (uint32_t)set->lots_max,
        .holds_max = (uint32_t)set->holds_max,
        .batch_moves_max = (uint32_t)set->batch_moves_max,
        .waiting_max = (uint32_t)set->waiting_max,
        .questions_max = (uint32_t)set->questions_max,
        .stale_tries_max = (uint32_t)set->stale_tries_max,
        .hold_default_ms = set->hold_default_ms,
        .hold_max_ms = set->hold_max_ms,
        .hold_total_max_ms = set->hold_total_max_ms,
        .refund_window_ms = set->refund_window_ms,
        .user_holds_max = (uint32_t)set->user_holds_max,
        .order_retention_ms = set->order_retention_ms,
        .order_memory_max = (uint32_t)set->order_memory_max,
        .sales_max = (uint32_t)set->sales_max,
        .groups_max = (uint32_t)set->groups_max,
        .user_entries_max = (uint32_t)set->user_entries_max,
        .backorders_max = (uint32_t)set->backorders_max,
        .expiry_zone = s->expiry_zone,
    };
    return engine_create(&s->engine_thread.lane.engine, &config, e);
}

static int open_waiting_rooms(struct server *s, uint64_t hash_seed, struct error *e)
{
    char folder[1100];
    const struct waiting_config config = {.folder = folder,
                                          .hash_seed = hash_seed,
                                          .users_max = (uint32_t)s->settings.waiting_users_max,
                                          .now_ms = state_now_ms(&s->state)};
    snprintf(folder, sizeof folder, "%s/waiting", s->settings.data);
    int code = waiting_open(&s->waiting, &config, e);
    s->page.waiting = s->waiting;
    return code;
}

/* connections_max, or what the limit on open files leaves of it. */
static int64_t connections_allowed(const struct server *s, unsigned workers)
{
    int64_t wanted = s->settings.connections_max;
    int64_t allowed = open_files_connections(s->open_files, workers, wanted);
    if (allowed < wanted)
        log_event(LOG_WARN, "server.open_files_low", log_text("limit", "RLIMIT_NOFILE"),
                  log_int("is", s->open_files),
                  log_int("needed", open_files_needed(wanted, workers)),
                  log_int("connections_max", wanted), log_int("connections_allowed", allowed),
                  log_text("remedy", "ulimit -n, or LimitNOFILE= of the service"));
    return allowed;
}

/* Binds the listeners: all workers on one port, which the first one chooses if it is 0. */
static int create_workers(struct server *s, uint64_t hash_seed, struct error *e)
{
    char host[256];
    struct worker_config config = {.settings = &s->settings,
                                   .host = host,
                                   .hash_seed = hash_seed,
                                   .expiry_zone = s->expiry_zone,
                                   .pot = &s->pot,
                                   .engine_thread = &s->engine_thread,
                                   .waiting = s->waiting,
                                   .state = &s->state,
                                   .metrics_text = metrics_page_render,
                                   .metrics_context = &s->page,
                                   .imports = &s->intake.port_of_imports};
    int code = settings_split_address(s->settings.listen, host, sizeof host, &config.port, e);
    if (code == 0)
        code = port_try(host, config.port, e);
    if (code == 0)
        code = random_bytes(&config.change_epoch, sizeof config.change_epoch);
    unsigned count = s->settings.io_workers ? (unsigned)s->settings.io_workers : default_workers();
    config.count = count;
    s->pot.max = (size_t)s->settings.process_memory_max;
    if (code == 0)
        config.connections_max = connections_allowed(s, count);
    for (unsigned i = 0; code == 0 && i < count; i++) {
        config.index = i;
        code = worker_create(&s->workers[i], &config, e);
        if (code)
            break;
        config.port = worker_port(s->workers[i]);
        s->engine_thread.ports[i] = worker_reply_port(s->workers[i]);
        s->worker_count = i + 1;
        s->engine_thread.port_count = i + 1;
    }
    snprintf(s->listen, sizeof s->listen, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
             (unsigned)config.port);
    return code;
}

static int start_threads(struct server *s, struct error *e)
{
    struct ledger_events events;
    struct ledger *ledger = s->engine_thread.lane.ledger;
    lane_events(&s->engine_thread.lane, &events);
    int code = ledger->ops->start(ledger, &events, e);
    if (code)
        return code;
    s->ledger_started = true;
    code = s->engine_thread.bus->ops->start(s->engine_thread.bus, e);
    if (code == 0 && s->engine_thread.webhook)
        code = webhook_start(s->engine_thread.webhook, e);
    else if (code == 0)
        code = webhook_forget(ledger, e);
    if (code == 0)
        code = bus_parts_start(&s->engine_thread.bus_parts, e);
    if (code)
        return code;
    code = engine_thread_start(&s->engine_thread, e);
    if (code)
        return code;
    s->engine_started = true;
    code = intake_thread_start(&s->intake, e);
    for (unsigned i = 0; code == 0 && i < s->worker_count; i++) {
        code = worker_start(s->workers[i], e);
        if (code == 0)
            s->workers_started = i + 1;
    }
    return code;
}

static int start(struct server *s, struct error *e)
{
    struct engine_thread *t = &s->engine_thread;
    const uint64_t begun_ns = clock_monotonic_ns();
    engine_thread_init(t);
    t->state = &s->state;
    int code = settings_load(&s->settings, s->argc, s->argv, s->environment, e);
    if (code)
        return code;
    log_set_level((enum log_level)log_level_parse(s->settings.log_level));
    code = data_dir_hold(&s->data_dir, s->settings.data, s->settings.listen, e);
    if (code == 0)
        code = create_ledger(s, e);
    uint64_t hash_seed = code == 0 ? t->lane.ledger->ops->hash_seed(t->lane.ledger) : 0;
    if (code == 0)
        code = create_gate(s, hash_seed, e);
    if (code == 0)
        code = create_engine(s, hash_seed, e);
    if (code == 0)
        code = server_create_cache(&s->settings, hash_seed, t, e);
    if (code == 0)
        code = create_bus(s, e);
    if (code == 0)
        code = server_create_webhook(&s->settings, t, e);
    if (code == 0)
        code = create_bus_parts(s, e);
    if (code == 0 && !(t->metrics = metrics_create()))
        code = error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    if (code == 0)
        code = recover(
            t, hash_seed,
            &(struct recover_clock){s->settings.clock_gap_max_ms, s->settings.accept_clock}, e);
    if (code == 0)
        code = open_waiting_rooms(s, hash_seed, e);
    if (code == 0)
        code = create_workers(s, hash_seed, e);
    if (code == 0)
        code = intake_thread_create(&s->intake, &s->settings, t, e);
    if (code == 0)
        code = data_dir_tell(&s->data_dir, s->listen, e);
    s->page = (struct metrics_page){.ledger = t->lane.ledger,
                                    .bus = t->bus,
                                    .gate = &s->gate,
                                    .cache = t->cache,
                                    .webhook = t->webhook,
                                    .bus_parts = &t->bus_parts,
                                    .state = &s->state,
                                    .workers = s->workers,
                                    .worker_count = s->worker_count,
                                    .started_ms = wall_ms()};
    atomic_store(&s->state.started, true);
    if (code == 0)
        code = start_threads(s, e);
    if (code == 0)
        log_event(LOG_INFO, "server.ready", log_text("listen", s->listen),
                  log_text("data", s->settings.data), log_int("workers", s->worker_count),
                  log_text("version", TALLY_VERSION), log_int("pid", (int64_t)getpid()),
                  log_int("start_ms", (int64_t)(clock_monotonic_ns() - begun_ns) / 1000000));
    return code;
}

/* ---- run ---- */

static void tell_change(void *context, const struct setting *row, const char *from, const char *to)
{
    (void)context;
    if (setting_is_secret(row))
        from = to = "(not shown)";
    if (row->when == SETTING_RELOAD)
        log_event(LOG_INFO, "settings.changed", log_text("key", row->key), log_text("from", from),
                  log_text("to", to));
    else
        log_event(LOG_WARN, "settings.needs_restart", log_text("key", row->key),
                  log_text("running_with", from), log_text("wanted", to));
}

static void reload(struct server *s)
{
    struct settings wanted;
    struct error e = {0};
    notify_reloading();
    if (settings_load(&wanted, s->argc, s->argv, s->environment, &e) != 0) {
        log_event(LOG_ERROR, "settings.refused", log_text("why", e.text));
    } else {
        settings_reload(&s->settings, &wanted, tell_change, NULL);
        log_set_level((enum log_level)log_level_parse(s->settings.log_level));
        for (unsigned i = 0; i < s->worker_count; i++)
            worker_reload(s->workers[i], &s->settings);
        intake_thread_reload(&s->intake, &s->settings);
        log_event(LOG_INFO, "settings.reloaded");
    }
    notify_send("READY=1");
}

/* The signal that came within the time, or 0. A negative time has no limit. */
static int wait_signal(struct server *s, int64_t limit_ms)
{
    struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
    int number =
        limit_ms < 0 ? sigwaitinfo(&s->signals, NULL) : sigtimedwait(&s->signals, NULL, &limit);
    return number > 0 ? number : 0;
}

/* Until a signal says to stop. */
static int serve(struct server *s)
{
    int64_t watchdog_ms = notify_watchdog_ms();
    uint64_t turns = 0;
    for (;;) {
        int number = wait_signal(s, watchdog_ms ? watchdog_ms : -1);
        if (number == SIGHUP)
            reload(s);
        else if (number)
            return number;
        if (watchdog_ms) {
            uint64_t now = atomic_load_explicit(&s->engine_thread.turns, memory_order_relaxed);
            if (now != turns || watchdog_ms < 2000)
                notify_send("WATCHDOG=1");
            turns = now;
        }
    }
}

/* ---- drain and stop ---- */

static bool drained(struct server *s)
{
    if (!intake_thread_drained(&s->intake))
        return false;
    for (unsigned i = 0; i < s->workers_started; i++)
        if (!worker_drained(s->workers[i]))
            return false;
    return true;
}

static void drain(struct server *s, int signal_number)
{
    log_event(LOG_INFO, "server.draining", log_text("signal", strsignal(signal_number)));
    notify_send("STOPPING=1");
    atomic_store(&s->state.draining, true);
    intake_thread_drain(&s->intake);
    for (unsigned i = 0; i < s->workers_started; i++)
        worker_drain(s->workers[i]);
    const uint64_t until_ns =
        clock_monotonic_ns() + (uint64_t)s->settings.drain_timeout_ms * 1000000;
    while (!drained(s)) {
        int number = wait_signal(s, DRAIN_LOOK_MS);
        bool hurried = number == SIGTERM || number == SIGINT;
        if (!hurried && clock_monotonic_ns() < until_ns)
            continue;
        for (unsigned i = 0; i < s->workers_started; i++) {
            struct worker_gauges g;
            worker_gauges(s->workers[i], &g);
            log_event(LOG_WARN, "server.drain_cut_short",
                      log_text("why", hurried ? "a second signal" : "drain_timeout_ms"),
                      log_int("worker", i), log_int("connections", g.connections),
                      log_int("waiting", g.inflight), log_int("streams", g.streams));
        }
        return;
    }
}

static void stop_engine(struct server *s)
{
    const uint64_t until_ns = clock_monotonic_ns() + ENGINE_STOP_MS * UINT64_C(1000000);
    engine_thread_stop(&s->engine_thread);
    while (!atomic_load(&s->engine_thread.stopped) && clock_monotonic_ns() < until_ns)
        wait_signal(s, DRAIN_LOOK_MS);
    if (!atomic_load(&s->engine_thread.stopped))
        log_event(LOG_WARN, "server.ledger_is_slow");
    engine_thread_join(&s->engine_thread);
}

static void stop(struct server *s)
{
    struct lane *lane = &s->engine_thread.lane;
    if (s->engine_started)
        stop_engine(s);
    intake_thread_join(&s->intake);
    for (unsigned i = 0; i < s->workers_started; i++)
        worker_end(s->workers[i]);
    for (unsigned i = 0; i < s->workers_started; i++)
        worker_join(s->workers[i]);
    bool webhook_ended = webhook_stop(s->engine_thread.webhook, WEBHOOK_STOP_MS);
    bus_parts_stop(&s->engine_thread.bus_parts);
    if (s->engine_thread.bus)
        s->engine_thread.bus->ops->stop(s->engine_thread.bus);
    if (s->ledger_started)
        lane->ledger->ops->stop(lane->ledger);
    if (!webhook_ended && !webhook_stop(s->engine_thread.webhook, WEBHOOK_STOP_MS))
        log_event(LOG_WARN, "server.webhook_is_slow");
    if (lane->ledger)
        lane->ledger->ops->destroy(lane->ledger);
    lane_close(lane);
    engine_destroy(lane->engine);
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_destroy(s->workers[i]);
    intake_thread_destroy(&s->intake);
    zone_close(s->expiry_zone);
    webhook_destroy(s->engine_thread.webhook);
    server_destroy_cache(&s->engine_thread); /* its last answers are for bus_parts */
    bus_parts_destroy(&s->engine_thread.bus_parts);
    if (s->engine_thread.bus)
        s->engine_thread.bus->ops->destroy(s->engine_thread.bus);
    gate_destroy(lane->gate);
    waiting_close(s->waiting);
    metrics_destroy_all();
    data_dir_release(&s->data_dir);
}

int server_run(int argc, char *const *argv, char *const *environment, struct error *e)
{
    struct server *s = NULL;
    if (posix_memalign((void **)&s, 64, sizeof *s) != 0)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    memset(s, 0, sizeof *s);
    s->argc = argc;
    s->argv = argv;
    s->environment = environment;
    s->data_dir.lock_fd = s->data_dir.folder_fd = -1;
    s->engine_thread.state = &s->state;
    prepare_process(s);
    int code = state_init(&s->state, e);
    if (code) {
        free(s);
        return code;
    }
    code = start(s, e);
    if (code == 0) {
        notify_send("READY=1");
        drain(s, serve(s));
    }
    stop(s);
    if (code == 0)
        log_event(LOG_INFO, "server.stopped");
    state_close(&s->state);
    free(s);
    return code;
}
