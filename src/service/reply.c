/* reply.c - answers, in the form that the request came in, with what every answer has: the
 * request's own X-Request-Id and traceparent, a count, and a line for the log.
 *
 * Happy path: the message is encoded into the exchange's arena and handed to the exchange. When the
 * arena is at its bound the answer is one that needs no memory: OUTCOME_UNKNOWN if something may
 * have been done, OVERLOADED if not.
 */
#include <string.h>

#include "base/clock.h"
#include "service/service_internal.h"

/* A request's own headers, where they are valid. */
void reply_headers(const struct exchange *x, struct response *r)
{
    struct str request_id = x->headers[HEADER_request_id];
    struct str traceparent = x->headers[HEADER_traceparent];
    if (request_id.len && request_id_valid(request_id) && r->header_count < RESPONSE_HEADERS_MAX)
        r->headers[r->header_count++] = (struct header){STR("x-request-id"), request_id};
    if (traceparent.len && trace_id_of(traceparent).len && r->header_count < RESPONSE_HEADERS_MAX)
        r->headers[r->header_count++] = (struct header){STR("traceparent"), traceparent};
}

void reply_count(struct service *s, const struct origin *o, int code, struct str text)
{
    const struct exchange *x = o->exchange;
    enum metric_call call = o->route ? o->route->call : CALL_OTHER;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t duration_ns = now_ns > x->received_ns ? now_ns - x->received_ns : 0;
    metrics_request(s->host.metrics, call, code, duration_ns);
    if (!s->host.request_done ||
        ((code == 0 || code == TLY_ESOLD_OUT) && !s->host.settings->log_requests))
        return;
    struct str request_id = x->headers[HEADER_request_id];
    struct request_summary summary = {
        .call = call,
        .code = code,
        .text = text,
        .order_id = o->order_id,
        .lot = o->lot,
        .request_id = request_id_valid(request_id) ? request_id : (struct str){0},
        .trace_id = trace_id_of(x->headers[HEADER_traceparent]),
        .duration_ns = duration_ns,
    };
    s->host.request_done(s->host.context, &summary);
}

static void respond(struct service *s, struct origin *o, struct response *r, int code,
                    struct str text)
{
    struct exchange *x = o->exchange;
    reply_headers(x, r);
    reply_count(s, o, code, text);
    o->exchange = NULL;
    exchange_respond(x, r);
}

/* Needs nothing of the arena. What a call that writes has done stays done. */
void reply_unsaid(struct service *s, struct origin *o)
{
    int code = o->route->writes ? TLY_EOUTCOME_UNKNOWN : TLY_EOVERLOADED;
    struct response r = {.status = error_http(code)};
    if (o->grpc) {
        r.status = 200;
        r.content_type = STR("application/grpc");
        r.trailers_only = true;
        r.trailers[r.trailer_count++] =
            (struct header){STR("grpc-status"), o->route->writes ? STR("4") : STR("14")};
    }
    respond(s, o, &r, code, (struct str){0});
}

void reply_message_with(struct service *s, struct origin *o, int status, const ProtobufCMessage *m,
                        const struct header *headers, size_t header_count)
{
    struct arena *a = &o->exchange->arena;
    struct response r;
    struct str body;
    if (o->grpc ? grpc_encode(m, a, &body) : json_encode(m, a, &body)) {
        reply_unsaid(s, o);
        return;
    }
    if (o->grpc)
        grpc_ok_response(&r, body);
    else
        json_response(&r, status, body);
    for (size_t i = 0; i < header_count; i++)
        r.headers[r.header_count++] = headers[i];
    respond(s, o, &r, 0, (struct str){0});
}

void reply_message(struct service *s, struct origin *o, int status, const ProtobufCMessage *m)
{
    reply_message_with(s, o, status, m, NULL, 0);
}

/* Internal codes are shown as the public one that says what the caller may do. */
static int public_code(int code)
{
    switch (code) {
    case TLY_ENO_MEMORY:
    case TLY_EFULL:
    case TLY_EBUSY:
    case TLY_ECLOSED:
        return TLY_EOVERLOADED;
    case TLY_EIO:
    case TLY_ECORRUPT:
        return TLY_EINTERNAL;
    default:
        return code;
    }
}

static void failure_response(const struct service *s, const struct origin *o, struct failure *f,
                             struct response *r)
{
    struct exchange *x = o->exchange;
    f->code = public_code(f->code);
    if (f->code == TLY_EOVERLOADED || f->code == TLY_EUNAVAILABLE || f->code == TLY_ELIMIT_EXCEEDED)
        f->retry_after_s = s->host.settings->retry_after_s;
    if (o->grpc) {
        grpc_failure_response(r, &x->arena, f);
        return;
    }
    if (request_id_valid(x->headers[HEADER_request_id]))
        f->instance = x->headers[HEADER_request_id];
    problem_response(r, &x->arena, f);
}

void reply_failure(struct service *s, struct origin *o, const struct failure *f)
{
    struct failure shown = *f;
    struct response r;
    failure_response(s, o, &shown, &r);
    respond(s, o, &r, shown.code, shown.text);
}

void reply_not_allowed(struct service *s, struct origin *o, const struct error *e, struct str allow)
{
    struct failure f = {.code = e->code, .text = str_of(e->text)};
    char *copy = arena_copy(&o->exchange->arena, allow.p, allow.len);
    struct response r;
    failure_response(s, o, &f, &r);
    if (copy)
        r.headers[r.header_count++] = (struct header){STR("allow"), {copy, allow.len}};
    respond(s, o, &r, f.code, f.text);
}

void reply_error(struct service *s, struct origin *o, const struct error *e)
{
    reply_failure(
        s, o,
        &(struct failure){.code = e->code, .text = str_of(e->text), .field = str_of(e->field)});
}

void reply_code(struct service *s, struct origin *o, int code)
{
    reply_failure(s, o, &(struct failure){.code = code});
}

void reply_refused(struct service *s, struct call *c)
{
    reply_failure(s, &c->origin,
                  &(struct failure){.code = c->command.code, .text = str_of(c->command.text)});
}

void reply_page(struct service *s, struct origin *o, int status, struct str content_type,
                struct str body)
{
    struct response r = {.status = status, .content_type = content_type, .body = body};
    r.headers[r.header_count++] = (struct header){STR("cache-control"), STR("no-store")};
    respond(s, o, &r, 0, (struct str){0});
}
