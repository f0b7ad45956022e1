/* service.c - every step that a request takes, in order:
 *
 *   route -> is the server open? -> a place at work, or in the queue -> the client's own limit ->
 *   message -> use case
 *
 * Each of them may refuse; then the answer leaves at once and nothing was done.
 */
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/service_internal.h"

int service_create(struct service **out, const struct service_host *host, struct error *e)
{
    struct service *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the service");
    s->host = *host;
    s->now_ns = clock_monotonic_ns();
    s->waited_slot = s->now_ns >> WAIT_SLOT_SHIFT;
    queue_init(s);
    int code = 0;
    if (spares_make(s))
        code = error_set(e, TLY_ENO_MEMORY, "", "no memory for the service");
    else if (uuid_init(&s->uuid))
        code = error_set(e, TLY_EIO, "", "the system gives no random numbers");
    if (code) {
        arena_close(&s->spare_memory);
        free(s);
        return code;
    }
    *out = s;
    return 0;
}

void service_destroy(struct service *s)
{
    if (!s)
        return;
    service_leave_gate(s);
    service_leave_cache(s);
    service_end_streams(s);
    imports_end(s, true);
    calls_close(s);
    queue_close(s);
    arena_close(&s->spare_memory);
    free(s);
}

/* New work is taken only while the server is open. A ledger that is down is the engine's to tell:
 * look-ups are still answered. */
static bool closed(struct service *s, struct origin *o)
{
    enum readiness readiness = s->host.readiness(s->host.context, NULL);
    if (readiness == READY_YES || readiness == READY_LEDGER_DOWN ||
        readiness == READY_ENGINE_STUCK || o->route->always)
        return false;
    if (readiness == READY_STARTING)
        reply_failure(s, o,
                      &(struct failure){.code = TLY_EUNAVAILABLE,
                                        .text = STR("the server is starting; try again")});
    else
        reply_failure(s, o,
                      &(struct failure){.code = TLY_EOVERLOADED,
                                        .text = STR("the server is stopping; nothing was done")});
    return true;
}

/* What asks for stock or a hold, and no payment, is not worth waiting for as long. */
static int64_t reach_ms(const struct service_settings *settings, enum metric_call call)
{
    bool stock = call == CALL_RESERVE || call == CALL_RESERVE_BATCH || call == CALL_GET_LOT ||
                 call == CALL_LIST_LOTS || call == CALL_OPEN_GROUP;
    return stock && settings->stock_timeout_ms < settings->request_timeout_ms
               ? settings->stock_timeout_ms
               : settings->request_timeout_ms;
}

int request_limits(const struct service *s, const struct origin *o, uint64_t *reach_ns,
                   uint64_t *reply_ns, struct error *e)
{
    const struct service_settings *settings = s->host.settings;
    uint64_t received_ns = o->exchange->received_ns;
    int64_t client_ns;
    int code = request_timeout(o->exchange, &client_ns, e);
    if (code)
        return code;
    *reach_ns =
        received_ns +
        (uint64_t)(client_ns ? client_ns : reach_ms(settings, o->route->call) * (int64_t)NS_PER_MS);
    *reply_ns = received_ns +
                (uint64_t)(client_ns ? client_ns : settings->reply_timeout_ms * (int64_t)NS_PER_MS);
    return 0;
}

void call_start(struct service *s, struct call *c)
{
    struct error e;
    c->command.received_ns = c->origin.exchange->received_ns;
    int code = request_limits(s, &c->origin, &c->command.deadline_ns, &c->due_ns, &e);
    if (!code)
        code = request_decode(c, &e);
    if (!code)
        code = c->origin.route->start(s, c, &e);
    if (code == TLY_ENO_MEMORY && c->arena.at_bound)
        error_set(&e, TLY_EPAYLOAD_TOO_LARGE, e.field,
                  "the message needs more memory than one may take; send less at a time");
    if (code) {
        reply_error(s, &c->origin, &e);
        call_put(s, c);
    }
}

void service_handle(void *context, struct exchange *x)
{
    struct service *s = context;
    struct origin o = {.exchange = x};
    char allow[64];
    struct error e;
    int code = 0;
    if (s->found_for == x)
        o = s->found;
    else
        code = route_find(x, &o, allow, &e);
    o.exchange = x;
    s->found_for = NULL;
    if (code == TLY_EMETHOD_NOT_ALLOWED && x->method == HTTP_OPTIONS) {
        reply_options(s, &o, str_of(allow));
        return;
    }
    if (code == TLY_EMETHOD_NOT_ALLOWED) {
        reply_not_allowed(s, &o, &e, str_of(allow));
        return;
    }
    if (code) {
        reply_error(s, &o, &e);
        return;
    }
    if (closed(s, &o))
        return;
    if (o.route->open) {
        o.route->open(s, &o);
        return;
    }
    if (!queue_open(s)) {
        queue_arrive(s, &o);
        return;
    }
    struct call *c = call_get(s);
    if (!c) {
        error_set(&e, TLY_EOVERLOADED, "", "out of memory; nothing was done, try again");
        reply_error(s, &o, &e);
        return;
    }
    c->origin = o;
    call_start(s, c);
    if (s->asked >= GATE_ASKS_MAX && !s->flushing)
        service_flush_gate(s);
}

bool service_wants_stream(void *context, const struct exchange *x)
{
    struct origin o = {0};
    char allow[64];
    (void)context;
    struct str end = STR("/import");
    bool imports = x->method == HTTP_POST && x->path.len > end.len &&
                   memcmp(x->path.p + x->path.len - end.len, end.p, end.len) == 0;
    if (!imports && !media_is_grpc(x->headers[HEADER_content_type]))
        return false;
    return route_find(x, &o, allow, NULL) == 0 &&
           (o.route->call == CALL_REFLECTION || o.route->call == CALL_IMPORT_LOTS);
}

void service_tick(struct service *s, uint64_t monotonic_ns)
{
    s->now_ns = monotonic_ns;
    calls_expire(s, monotonic_ns);
    queue_advance(s);
    streams_reap(s, monotonic_ns);
    watch_tick(s);
    watch_sale_tick(s);
    events_tick(s);
    imports_tick(s);
    read_meter_tick(s);
    health_tick(s);
}

uint32_t service_inflight(const struct service *s)
{
    return s->inflight;
}

uint32_t service_waiting(const struct service *s)
{
    return s->admission.waiting;
}

uint64_t service_refused_early(const struct service *s)
{
    return s->refused_early;
}

uint32_t service_streams(const struct service *s)
{
    return s->stream_count;
}
