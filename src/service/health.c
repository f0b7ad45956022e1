/* health.c - the gRPC health checking protocol. Serving means: orders are taken. A watcher is told
 * the state at once and then at each change, at the next tick; where its client does not read, the
 * newest state waits. */
#include <health.pb-c.h>

#include "service/service_internal.h"

struct health_watcher {
    struct stream stream; /* first */
    bool known;           /* the service's name */
    int told;             /* the status sent last; -1: none */
};

static Grpc__Health__V1__HealthCheckResponse__ServingStatus status_now(const struct service *s)
{
    bool ready = s->host.readiness(s->host.context, NULL) == READY_YES;
    return ready ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                 : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

/* Whether the request names something that is served. */
static int read_request(const struct origin *o, bool *known, struct error *e)
{
    ProtobufCMessage *m;
    int code = request_message(o, &grpc__health__v1__health_check_request__descriptor,
                               &o->exchange->arena, &m, e);
    if (code)
        return code;
    struct str name = str_of(((Grpc__Health__V1__HealthCheckRequest *)m)->service);
    *known = name.len == 0 || str_equal(name, STR("tally.v1.Inventory")) ||
             str_equal(name, STR("tally.v1.Sales"));
    return 0;
}

void health_check(struct service *s, struct origin *o)
{
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct error e;
    bool known;
    int code = read_request(o, &known, &e);
    if (!code && !known)
        code = error_set(&e, TLY_ENOT_FOUND, "service",
                         "service: must be empty, tally.v1.Inventory or tally.v1.Sales");
    if (code) {
        reply_error(s, o, &e);
        return;
    }
    m.status = status_now(s);
    reply_message(s, o, 200, &m.base);
}

static void tell(struct service *s, struct health_watcher *w)
{
    enum { SCRATCH_BYTES = 256 };
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct exchange *x = w->stream.exchange;
    char buffer[SCRATCH_BYTES];
    struct arena scratch;
    struct str bytes;
    m.status = w->known ? status_now(s)
                        : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    if ((int)m.status == w->told)
        return;
    arena_init(&scratch, buffer, sizeof buffer, SCRATCH_BYTES);
    if (!grpc_encode(&m.base, &scratch, &bytes) && !x->ops->stream_write(x, bytes.p, bytes.len))
        w->told = (int)m.status;
    arena_close(&scratch);
}

void health_watch(struct service *s, struct origin *o)
{
    struct health_watcher *w;
    struct error e;
    bool known;
    int code = read_request(o, &known, &e);
    if (code) {
        reply_error(s, o, &e);
        return;
    }
    if (stream_refused(s, o))
        return;
    w = arena_alloc(&o->exchange->arena, sizeof *w);
    if (!w) {
        reply_unsaid(s, o);
        return;
    }
    *w = (struct health_watcher){.known = known, .told = -1};
    stream_open(s, o, &w->stream, STREAM_HEALTH);
    tell(s, w);
}

void health_tick(struct service *s)
{
    for (struct stream *st = s->streams; st; st = st->next) {
        if (st->kind == STREAM_HEALTH && !st->gone)
            tell(s, (struct health_watcher *)st);
    }
}
