/* worker.c - the thread of an I/O worker.
 *
 * Happy path: the loop sleeps in epoll until bytes or replies come; after_turn() of net/ is where
 * mail is exchanged with the engine and the bus, so that replies that came while input was handled
 * leave with the same write.
 *
 * Other threads reach the loop through one uv_async: a push of replies to an empty mailbox, or an
 * order of the main thread (reload, drain, end), which is a flag that the loop looks at.
 *
 * Failure: what worker_create() cannot get is told; afterwards nothing here fails.
 */
#include "server/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "net/net.h"
#include "obs/log.h"
#include "server/request_log.h"

enum {
    TICK_MS = 20,
    REFUSED_QUIET_S = 10, /* between two log lines about connections refused at the limit */
    REPLIES_ROUND = 8,    /* completed between two looks at the clock */
    REPLIES_NS =
        5000000,       /* in one turn at least: long answers do not keep others from being read */
    COMMANDS_MAX = 64, /* handed on while more are still being read: the engine begins meanwhile */
};

struct worker {
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t tick;
    struct net *net;
    struct gate_session *gate;   /* the service's, once there is one */
    struct cache_session *cache; /* so is this one; or NULL */
    struct meter *meter;         /* with a cache */
    struct service *service;
    struct engine_thread *engine_thread;
    struct state *state;
    struct metrics *metrics;
    struct budget budget;        /* for what strangers make us keep */
    struct worker_config config; /* its settings pointer is not kept */

    /* the worker's thread */
    struct mail_chain commands; /* of this turn */
    uint32_t command_count;
    struct mail *replies; /* taken, and left for the next turn */
    struct settings settings;
    struct service_settings service_settings; /* what the service reads, from `settings` */
    int64_t now_ms;                           /* ledger time of this turn; 0: not read yet */
    char why[STATE_WHY_MAX];
    uint64_t refused_told; /* of net_refused(), in the log */
    uint64_t refused_quiet_until_ns;
    uint64_t shed_told; /* of service_refused_early(), in the log */
    uint64_t shed_quiet_until_ns;
    bool draining;
    bool closing;

    /* the main thread's orders */
    pthread_mutex_t lock;
    struct settings next_settings; /* guarded by the lock */
    _Atomic bool reload_wanted;
    _Atomic bool drain_wanted;
    _Atomic bool end_wanted;

    /* shown to others */
    _Atomic uint32_t connections;
    _Atomic uint32_t inflight;
    _Atomic uint32_t waiting;
    _Atomic uint32_t streams;
    _Atomic uint64_t memory_bytes;
    _Atomic bool drained;

    pthread_t thread;
    bool loop_made;
    _Alignas(64) struct reply_port port;
    struct event_reader events; /* of the bus */
};

static void send_commands(struct worker *w)
{
    if (w->commands.newest)
        engine_thread_send(w->engine_thread, &w->commands, w->command_count);
    w->command_count = 0;
}

/* ---- what the service asks of its host ---- */

static void host_submit(void *context, struct command *c)
{
    struct worker *w = context;
    c->worker = (uint8_t)w->config.index;
    mail_chain_add(&w->commands, &c->mail);
    if (++w->command_count >= COMMANDS_MAX)
        send_commands(w);
}

static char *host_metrics_text(void *context, enum metrics_format format,
                               const struct figures *figures, size_t *size)
{
    struct worker *w = context;
    return w->config.metrics_text(w->config.metrics_context, format, figures, size);
}

static void host_figures(void *context, struct figures *out)
{
    struct worker *w = context;
    figures_read(&w->engine_thread->figures, clock_monotonic_ns(), out);
}

static void host_events_read(void *context, struct event_read *r)
{
    struct worker *w = context;
    struct bus *bus = w->engine_thread->bus;
    bus->ops->read(bus, &w->events, r);
}

static int64_t host_events_newest(void *context)
{
    struct worker *w = context;
    struct bus *bus = w->engine_thread->bus;
    return bus->ops->newest(bus);
}

static uint32_t host_webhook_failures(void *context, int64_t after, struct webhook_failure *out,
                                      uint32_t max)
{
    struct worker *w = context;
    return webhook_failures(w->engine_thread->webhook, after, out, max);
}

static int host_webhook_retry(void *context, const int64_t *ids, size_t count, uint32_t *found,
                              struct error *e)
{
    struct worker *w = context;
    return webhook_retry(w->engine_thread->webhook, ids, count, found, e);
}

static struct str host_sale_id(void *context, sale_number sale)
{
    struct worker *w = context;
    return engine_sale_id(w->engine_thread->lane.engine, sale);
}

static const struct lot_dims *host_lot_dims(void *context, lot_id id)
{
    struct worker *w = context;
    return engine_lot_dims(w->engine_thread->lane.engine, id);
}

static bool host_lot_signs(void *context, lot_id id, struct lot_signs *out)
{
    struct worker *w = context;
    return engine_lot_signs(w->engine_thread->lane.engine, id, out);
}

static int32_t host_lot_expected_on(void *context, lot_id id)
{
    struct lot_signs signs;
    return host_lot_signs(context, id, &signs) ? signs.expected_on : LOT_NEVER_EXPIRES;
}

static bool host_lots_tell_more(void *context)
{
    struct worker *w = context;
    return engine_lots_tell_more(w->engine_thread->lane.engine);
}

static enum readiness host_readiness(void *context, struct str *why)
{
    struct worker *w = context;
    enum readiness ready = state_readiness(w->state, why ? w->why : NULL, sizeof w->why);
    if (why)
        *why = str_of(w->why);
    return ready;
}

static int64_t host_now_ms(void *context)
{
    struct worker *w = context;
    if (w->now_ms == 0)
        w->now_ms = state_now_ms(w->state);
    return w->now_ms;
}

/* ---- one turn ---- */

/* As much time as reading took in this turn, so that a flood of requests, most of which are
 * refused, does not keep those from being answered that were served. */
static uint64_t replies_ns(const struct worker *w, uint64_t now_ns)
{
    uint64_t turn_ns = uv_now(&w->loop) * UINT64_C(1000000);
    uint64_t read_ns = now_ns > turn_ns ? now_ns - turn_ns : 0;
    return read_ns > REPLIES_NS ? read_ns : REPLIES_NS;
}

/* Thousands of calls may be under way, more than the nearer caches hold. */
static void take_replies(struct worker *w)
{
    bool again = w->replies; /* what came behind those woke nobody */
    struct mail *mail = again ? w->replies : mailbox_take(&w->port.replies);
    uint64_t until_ns = 0;
    for (unsigned done = 0; mail; done++) {
        if (done % REPLIES_ROUND == REPLIES_ROUND - 1) {
            uint64_t now_ns = uv_hrtime();
            if (until_ns == 0)
                until_ns = now_ns + replies_ns(w, now_ns);
            if (now_ns >= until_ns)
                break;
        }
        struct command *c = MAIL_OF(mail, struct command);
        mail = mail->next;
        if (mail) {
            service_prefetch(MAIL_OF(mail, struct command), 1);
            if (mail->next)
                service_prefetch(MAIL_OF(mail->next, struct command), 2);
        }
        service_complete(w->service, c);
        if (!mail && again) {
            again = false;
            mail = mailbox_take(&w->port.replies);
        }
    }
    w->replies = mail;
    if (mail)
        uv_async_send(&w->async); /* the loop comes back after it has looked at its sockets */
}

static void take_events(struct worker *w)
{
    struct mail *mail = mailbox_take(&w->events.answers);
    while (mail) {
        struct event_read *r = MAIL_OF(mail, struct event_read);
        mail = mail->next;
        service_events_answered(w->service, r);
    }
    service_events_turn(w->service);
}

static int64_t host_now_ms(void *context);

static void cache_answered(void *context, struct cache_ask *ask)
{
    struct worker *w = context;
    service_read_answered(w->service, ask);
}

static void take_reads(struct worker *w)
{
    if (w->cache && !w->closing)
        w->cache->ops->turn(w->cache, host_now_ms(w));
}

static void show_gauges(struct worker *w)
{
    uint32_t connections = w->net ? net_connections(w->net) : 0;
    uint32_t inflight = service_inflight(w->service);
    uint32_t waiting = service_waiting(w->service);
    uint32_t streams = service_streams(w->service);
    atomic_store_explicit(&w->connections, connections, memory_order_relaxed);
    atomic_store_explicit(&w->inflight, inflight, memory_order_relaxed);
    atomic_store_explicit(&w->streams, streams, memory_order_relaxed);
    atomic_store_explicit(&w->memory_bytes, w->budget.used + w->budget.vital_used,
                          memory_order_relaxed);
    atomic_store_explicit(&w->waiting, waiting, memory_order_relaxed);
    if (w->draining && connections + inflight + waiting + streams == 0)
        atomic_store(&w->drained, true);
}

static void after_turn(void *context)
{
    struct worker *w = context;
    service_flush(w->service);
    send_commands(w); /* the engine begins while answers are completed here */
    take_replies(w);
    take_reads(w);
    service_flush(w->service); /* whoever waited for the places that those left */
    send_commands(w);
    take_events(w);
    show_gauges(w);
    w->now_ms = 0;
}

/* Now and then, while it goes on. */
static void tell_refused(struct worker *w)
{
    uint64_t refused = net_refused(w->net), now_ns = net_now_ns(w->net);
    if (refused == w->refused_told || now_ns < w->refused_quiet_until_ns)
        return;
    log_event(LOG_WARN, "connections.refused", log_int("worker", w->config.index),
              log_int("refused", (int64_t)(refused - w->refused_told)),
              log_int("connections", net_connections(w->net)),
              log_text("limit", "connections_max"));
    w->refused_told = refused;
    w->refused_quiet_until_ns = now_ns + REFUSED_QUIET_S * UINT64_C(1000000000);
}

static void tell_shed(struct worker *w)
{
    uint64_t refused = service_refused_early(w->service), now_ns = net_now_ns(w->net);
    if (refused == w->shed_told || now_ns < w->shed_quiet_until_ns)
        return;
    log_event(LOG_WARN, "requests.refused_early", log_int("worker", w->config.index),
              log_int("refused", (int64_t)(refused - w->shed_told)),
              log_int("at_work", service_inflight(w->service)),
              log_int("waiting", service_waiting(w->service)));
    w->shed_told = refused;
    w->shed_quiet_until_ns = now_ns + REFUSED_QUIET_S * UINT64_C(1000000000);
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    tell_refused(w);
    tell_shed(w);
    if (w->cache && !w->closing)
        w->cache->ops->tick(w->cache, host_now_ms(w));
    service_tick(w->service, net_now_ns(w->net));
}

/* ---- orders of the main thread ---- */

static void apply_settings(struct worker *w)
{
    const struct settings *s = &w->settings;
    w->service_settings = (struct service_settings){
        .request_timeout_ms = s->request_timeout_ms,
        .stock_timeout_ms =
            s->stock_timeout_ms ? s->stock_timeout_ms : (s->request_timeout_ms * 3 + 7) / 8,
        .reply_timeout_ms = s->reply_timeout_ms,
        .hold_max_ms = s->hold_max_ms,
        .import_max = (uint64_t)s->import_max,
        .retry_after_s = (uint32_t)s->retry_after_s,
        .dimensions = (uint8_t)settings_dimensions(&w->settings),
        .flavors = str_of(w->settings.flavors),
        .inflight_max = (uint32_t)s->inflight_max,
        .queue_max = (uint32_t)s->queue_max,
        .watchers_max = (uint32_t)s->watchers_max,
        .watch_interval_ms = s->watch_interval_ms,
        .meter_interval_ms = s->cache_meter_ms,
        .top_lots = (uint32_t)s->top_lots,
        .log_requests = s->log_requests,
    };
}

static void take_settings(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->settings = w->next_settings;
    pthread_mutex_unlock(&w->lock);
    apply_settings(w);
    net_retry_after(w->net, (uint32_t)w->settings.retry_after_s);
}

static void on_closed(void *context)
{
    struct worker *w = context;
    (void)w; /* the last handles of net/ are gone; the loop ends when ours are, too */
}

static void end(struct worker *w)
{
    if (w->closing)
        return;
    w->closing = true;
    service_leave_gate(w->service);
    service_leave_cache(w->service);
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_close((uv_handle_t *)&w->async, NULL);
    net_close(w->net, on_closed, w);
}

static void on_async(uv_async_t *async)
{
    struct worker *w = async->data;
    if (atomic_load_explicit(&w->reload_wanted, memory_order_relaxed) &&
        atomic_exchange(&w->reload_wanted, false))
        take_settings(w);
    if (atomic_load_explicit(&w->drain_wanted, memory_order_relaxed) && !w->draining) {
        w->draining = true;
        net_drain(w->net);
        service_end_streams(w->service);
    }
    if (atomic_load_explicit(&w->end_wanted, memory_order_relaxed))
        end(w);
}

static void wake_worker(void *context)
{
    struct worker *w = context;
    uv_async_send(&w->async);
}

/* ---- life ---- */

static void gate_answered(void *context, struct gate_ask *first)
{
    struct worker *w = context;
    service_admitted(w->service, first);
}

static int attach_to_gate(struct worker *w, struct error *e)
{
    struct gate *gate = w->engine_thread->lane.gate;
    const struct gate_worker me = {.loop = &w->loop, .context = w, .answered = gate_answered};
    return gate->ops->attach(gate, &me, &w->gate, e);
}

static int attach_to_cache(struct worker *w, struct error *e)
{
    struct cache *cache = w->engine_thread->cache;
    const struct cache_worker me = {
        .loop = &w->loop, .context = w, .answered = cache_answered, .wake = wake_worker};
    if (!cache)
        return 0;
    int code = meter_create(&w->meter, e);
    return code ? code : cache->ops->attach(cache, &me, &w->cache, e);
}

static int create_service(struct worker *w, struct error *e)
{
    const struct service_host host = {
        .context = w,
        .submit = host_submit,
        .metrics_text = host_metrics_text,
        .figures = host_figures,
        .readiness = host_readiness,
        .now_ms = host_now_ms,
        .lot_dims = host_lot_dims,
        .sale_id = host_sale_id,
        .lot_signs = host_lot_signs,
        .lot_expected_on = host_lot_expected_on,
        .lots_tell_more = host_lots_tell_more,
        .expiry_zone = w->config.expiry_zone,
        .events_read = host_events_read,
        .events_newest = host_events_newest,
        .webhook_failures = w->engine_thread->webhook ? host_webhook_failures : NULL,
        .webhook_retry = host_webhook_retry,
        .request_done = request_log,
        .change_epoch = w->config.change_epoch,
        .gate = w->gate,
        .cache = w->cache,
        .meter = w->meter,
        .known_lots = w->cache ? w->engine_thread->known_lots : NULL,
        .lots_shared = w->engine_thread->lane.ledger->traits.shared,
        .waiting = w->config.waiting,
        .budget = &w->budget,
        .metrics = w->metrics,
        .imports = w->config.imports,
        .settings = &w->service_settings,
        .hash_seed = w->config.hash_seed,
    };
    return service_create(&w->service, &host, e);
}

static int create_net(struct worker *w, struct error *e)
{
    const struct settings *s = &w->settings;
    int64_t share = (w->config.connections_max + w->config.count - 1) / w->config.count;
    const struct net_config config = {
        .host = w->config.host,
        .port = w->config.port,
        .backlog = (int)s->backlog,
        .connections_max = (uint32_t)share,
        .receive_timeout_ms = s->receive_timeout_ms,
        .send_timeout_ms = s->send_timeout_ms,
        .idle_timeout_ms = s->idle_timeout_ms,
        .age_max_ms = s->connection_age_max_ms,
        .budget = &w->budget,
        .limits = {.header_line_max = (size_t)s->header_line_max,
                   .header_bytes_max = (size_t)s->header_bytes_max,
                   .header_count_max = (size_t)s->header_count_max,
                   .retry_after_s = (uint32_t)s->retry_after_s,
                   .h2c_upgrade = s->h2c_upgrade,
                   .target_max = (size_t)s->target_max,
                   .body_max = (size_t)s->body_max,
                   .streams_max = (uint32_t)s->streams_max,
                   .stream_buffer_max = (size_t)s->stream_buffer_max,
                   .output_max = (size_t)s->output_max,
                   .memory_max = (size_t)s->connection_memory_max},
        .handler = {.context = w->service,
                    .handle = service_handle,
                    .wants_stream = service_wants_stream,
                    .need = service_need},
        .metrics = w->metrics,
        .after_turn = after_turn,
        .context = w,
    };
    return net_create(&w->net, &w->loop, &config, e);
}

static int create_loop(struct worker *w, struct error *e)
{
    int code = uv_loop_init(&w->loop);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "", "cannot make an event loop: %s", uv_strerror(code));
    w->loop_made = true;
    code = uv_async_init(&w->loop, &w->async, on_async);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "", "cannot make an event loop: %s", uv_strerror(code));
    uv_timer_init(&w->loop, &w->tick);
    w->async.data = w;
    w->tick.data = w;
    return 0;
}

int worker_create(struct worker **out, const struct worker_config *config, struct error *e)
{
    struct worker *w = NULL;
    int code;
    assert(config->index < WORKERS_MAX);
    if (posix_memalign((void **)&w, 64, sizeof *w) != 0)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for a worker");
    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    w->config = *config;
    w->config.settings = NULL;
    w->engine_thread = config->engine_thread;
    w->state = config->state;
    w->settings = *config->settings;
    w->port.wake = wake_worker;
    w->port.context = w;
    w->events.wake = wake_worker;
    w->events.context = w;
    apply_settings(w);
    budget_init(&w->budget, (size_t)w->settings.worker_memory_max, config->pot);
    w->metrics = metrics_create();
    code = w->metrics ? create_loop(w, e) : error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    if (code == 0)
        code = attach_to_gate(w, e);
    if (code == 0)
        code = attach_to_cache(w, e);
    if (code == 0)
        code = create_service(w, e);
    if (code == 0)
        code = create_net(w, e);
    if (code) {
        worker_destroy(w);
        return code;
    }
    *out = w;
    return 0;
}

uint16_t worker_port(const struct worker *w)
{
    return net_port(w->net);
}

struct reply_port *worker_reply_port(struct worker *w)
{
    return &w->port;
}

struct meter *worker_meter(const struct worker *w)
{
    return w->meter;
}

static void *run(void *context)
{
    struct worker *w = context;
    char name[16];
    snprintf(name, sizeof name, "tally-io-%u", w->config.index);
    pthread_setname_np(pthread_self(), name);
    uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    return NULL;
}

int worker_start(struct worker *w, struct error *e)
{
    int code = pthread_create(&w->thread, NULL, run, w);
    return code ? error_set(e, TLY_ENO_MEMORY, "", "cannot start a thread: %s", strerror(code)) : 0;
}

void worker_gauges(struct worker *w, struct worker_gauges *out)
{
    out->connections = atomic_load_explicit(&w->connections, memory_order_relaxed);
    out->inflight = atomic_load_explicit(&w->inflight, memory_order_relaxed);
    out->waiting = atomic_load_explicit(&w->waiting, memory_order_relaxed);
    out->streams = atomic_load_explicit(&w->streams, memory_order_relaxed);
    out->memory_bytes = atomic_load_explicit(&w->memory_bytes, memory_order_relaxed);
}

void worker_reload(struct worker *w, const struct settings *settings)
{
    pthread_mutex_lock(&w->lock);
    w->next_settings = *settings;
    pthread_mutex_unlock(&w->lock);
    atomic_store(&w->reload_wanted, true);
    wake_worker(w);
}

void worker_drain(struct worker *w)
{
    atomic_store(&w->drain_wanted, true);
    wake_worker(w);
}

bool worker_drained(struct worker *w)
{
    return atomic_load(&w->drained);
}

void worker_end(struct worker *w)
{
    atomic_store(&w->end_wanted, true);
    wake_worker(w);
}

void worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

/* Handles that the loop still has: of a worker that never ran. */
static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Pages that came when the loop had ended. */
static void drop_events(struct worker *w)
{
    for (struct mail *mail = mailbox_take(&w->events.answers); mail; mail = mail->next)
        event_page_release(MAIL_OF(mail, struct event_read)->page);
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    drop_events(w);
    if (!w->service) {
        gate_detach(w->gate);
        cache_detach(w->cache);
    }
    if (w->net && !w->closing) {
        net_close(w->net, on_closed, w);
        w->closing = true;
    }
    if (w->loop_made) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        uv_walk(&w->loop, close_handle, NULL);
        while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
            ;
    }
    if (w->net)
        net_destroy(w->net);
    if (w->service)
        service_destroy(w->service);
    if (w->loop_made) {
        int code = uv_loop_close(&w->loop);
        assert(code == 0);
    }
    meter_destroy(w->meter);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
