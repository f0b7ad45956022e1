/* service.c - every step that a request takes, in order:
 *
 *   route -> is the server open? -> room for one more -> the client's own limit -> message -> use
 * case
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
    service_end_streams(s);
    calls_close(s);
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

/* deadline: to reach the engine. due: to be answered. */
static int set_limits(const struct service *s, struct call *c, struct error *e)
{
    const struct service_settings *settings = s->host.settings;
    uint64_t received_ns = c->origin.exchange->received_ns;
    int64_t client_ns;
    int code = request_timeout(c->origin.exchange, &client_ns, e);
    if (code)
        return code;
    uint64_t reach_ns =
        client_ns ? (uint64_t)client_ns : (uint64_t)settings->request_timeout_ms * NS_PER_MS;
    uint64_t reply_ns =
        client_ns ? (uint64_t)client_ns : (uint64_t)settings->reply_timeout_ms * NS_PER_MS;
    c->command.received_ns = received_ns;
    c->command.deadline_ns = received_ns + reach_ns;
    c->due_ns = received_ns + reply_ns;
    return 0;
}

static void start(struct service *s, struct call *c)
{
    struct error e;
    int code = set_limits(s, c, &e);
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
    uint32_t inflight_max = s->host.settings->inflight_max;
    struct call *c = s->inflight < inflight_max ? call_get(s) : NULL;
    if (!c) {
        error_set(
            &e, TLY_EOVERLOADED, "",
            s->inflight < inflight_max
                ? "out of memory; nothing was done, try again"
                : "inflight_max: too many requests are under way; nothing was done, try again");
        reply_error(s, &o, &e);
        return;
    }
    c->origin = o;
    start(s, c);
    if (s->asked >= GATE_ASKS_MAX && !s->flushing)
        service_flush(s);
}

bool service_wants_stream(void *context, const struct exchange *x)
{
    struct origin o = {0};
    char allow[64];
    (void)context;
    return media_is_grpc(x->headers[HEADER_content_type]) && route_find(x, &o, allow, NULL) == 0 &&
           o.route->call == CALL_REFLECTION;
}

void service_tick(struct service *s, uint64_t monotonic_ns)
{
    s->now_ns = monotonic_ns;
    calls_expire(s, monotonic_ns);
    streams_reap(s, monotonic_ns);
    watch_tick(s);
    health_tick(s);
}

uint32_t service_inflight(const struct service *s)
{
    return s->inflight;
}

uint32_t service_streams(const struct service *s)
{
    return s->stream_count;
}
