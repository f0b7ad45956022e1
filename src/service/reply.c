/* reply.c - answers, in the form that the request came in, with what every answer has: the
 * request's own X-Request-Id and traceparent, a count, and a line for the log.
 *
 * Happy path: the message is encoded into the exchange's arena and handed to the exchange. When
 * memory is short the answer is one that was made at the start: of a refusal its code, of an answer
 * OUTCOME_UNKNOWN if something may have been done, OVERLOADED if not.
 */
#include <string.h>

#include "base/clock.h"
#include "service/service_internal.h"

/* The codes that an answer may carry, each once. */
static const int public_codes[] = {
#define X(name, number, http, grpc, retry, text) (number),
    TLY_ERRORS(X)
#undef X
};

_Static_assert(sizeof public_codes / sizeof public_codes[0] == SPARE_COUNT, "a spare for each");

static uint32_t retry_after(const struct service *s, int code)
{
    return error_passes(code) ? s->host.settings->retry_after_s : 0;
}

bool response_whole(const struct response *r, const struct failure *f, bool grpc)
{
    enum { TRAILERS = 3 };
    if (grpc)
        return r->trailer_count == TRAILERS;
    return r->body.len && (r->header_count || !f->retry_after_s);
}

int spares_make(struct service *s)
{
    enum { SPARE_BYTES_MAX = 1 << 16 };
    arena_init(&s->spare_memory, NULL, 0, SPARE_BYTES_MAX);
    for (size_t i = 0; i < SPARE_COUNT; i++) {
        struct failure f = {.code = public_codes[i],
                            .retry_after_s = retry_after(s, public_codes[i])};
        problem_response(&s->spares[i].http, &s->spare_memory, &f);
        grpc_failure_response(&s->spares[i].grpc, &s->spare_memory, &f);
        if (!response_whole(&s->spares[i].http, &f, false) ||
            !response_whole(&s->spares[i].grpc, &f, true))
            return TLY_ENO_MEMORY;
    }
    return 0;
}

/* `code` is public. */
static const struct response *spare_of(const struct service *s, bool grpc, int code)
{
    size_t i = 0;
    while (public_codes[i] != code)
        i++;
    return grpc ? &s->spares[i].grpc : &s->spares[i].http;
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
    response_identify(r, x);
    reply_count(s, o, code, text);
    o->exchange = NULL;
    exchange_respond(x, r);
}

void reply_made(struct service *s, struct origin *o, const struct response *made)
{
    struct exchange *x = o->exchange;
    struct response r = *made;
    uint64_t now_ns = clock_monotonic_ns();
    response_identify(&r, x);
    metrics_request(s->host.metrics, o->route->call, TLY_EOVERLOADED,
                    now_ns > x->received_ns ? now_ns - x->received_ns : 0);
    o->exchange = NULL;
    exchange_respond(x, &r);
}

/* Needs no memory. What a call that writes has done stays done. */
void reply_unsaid(struct service *s, struct origin *o)
{
    int code = o->route->writes ? TLY_EOUTCOME_UNKNOWN : TLY_EOVERLOADED;
    struct response r = *spare_of(s, o->grpc, code);
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

/* Of content types and of encodings (RFC 9110, 12.5.1 and 12.5.3). */
static void say_what_is_taken(const struct origin *o, const struct failure *f, struct response *r)
{
    struct header *h = &r->headers[r->header_count];
    if (str_equal(f->field, STR("grpc-encoding")))
        *h = (struct header){STR("grpc-accept-encoding"), STR("identity,gzip")};
    else if (str_equal(f->field, STR("content-encoding")))
        *h = (struct header){STR("accept-encoding"), STR("gzip, identity")};
    else if (f->code == TLY_EUNSUPPORTED_MEDIA_TYPE && o->route)
        *h = (struct header){STR("accept"), STR("application/json")};
    else if (f->code == TLY_EUNSUPPORTED_MEDIA_TYPE)
        *h = (struct header){STR("accept"), STR("application/grpc")};
    else
        return;
    r->header_count++;
}

static void failure_response(const struct service *s, const struct origin *o, struct failure *f,
                             struct response *r)
{
    struct exchange *x = o->exchange;
    f->code = error_public(f->code);
    f->retry_after_s = retry_after(s, f->code);
    if (o->grpc) {
        grpc_failure_response(r, &x->arena, f);
    } else {
        f->instance = instance_of(x->headers[HEADER_request_id], &x->arena);
        problem_response(r, &x->arena, f);
    }
    if (!response_whole(r, f, o->grpc))
        *r = *spare_of(s, o->grpc, f->code);
    say_what_is_taken(o, f, r);
}

void reply_failure(struct service *s, struct origin *o, const struct failure *f)
{
    struct failure shown = *f;
    struct response r;
    failure_response(s, o, &shown, &r);
    respond(s, o, &r, shown.code, shown.text);
}

/* The Allow header, copied, if there is memory for it. */
static void allow_header(struct response *r, struct arena *a, struct str allow)
{
    char *copy = arena_copy(a, allow.p, allow.len);
    if (copy)
        r->headers[r->header_count++] = (struct header){STR("allow"), {copy, allow.len}};
}

void reply_not_allowed(struct service *s, struct origin *o, const struct error *e, struct str allow)
{
    struct failure f = {.code = e->code, .text = str_of(e->text)};
    struct response r;
    failure_response(s, o, &f, &r);
    allow_header(&r, &o->exchange->arena, allow);
    respond(s, o, &r, f.code, f.text);
}

void reply_options(struct service *s, struct origin *o, struct str allow)
{
    struct response r = {.status = 200};
    allow_header(&r, &o->exchange->arena, allow);
    respond(s, o, &r, 0, (struct str){0});
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

void reply_late(struct service *s, struct origin *o)
{
    reply_failure(s, o,
                  &(struct failure){.code = TLY_EOVERLOADED,
                                    .late = true,
                                    .text = STR("no answer in time; try again")});
}

void reply_refused(struct service *s, struct call *c)
{
    struct failure f = {.code = c->command.code, .text = str_of(c->command.text)};
    f.late = f.code == TLY_EOVERLOADED && !c->origin.route->writes &&
             c->command.deadline_ns < clock_monotonic_ns();
    reply_failure(s, &c->origin, &f);
}

void reply_page(struct service *s, struct origin *o, int status, struct str content_type,
                struct str body)
{
    struct response r = {.status = status, .content_type = content_type, .body = body};
    r.headers[r.header_count++] = (struct header){STR("cache-control"), STR("no-store")};
    respond(s, o, &r, 0, (struct str){0});
}

void reply_stream_head(struct service *s, struct origin *o, struct str content_type)
{
    struct response r = {.status = 200, .content_type = content_type, .length_unsaid = true};
    r.headers[r.header_count++] = (struct header){STR("cache-control"), STR("no-store")};
    respond(s, o, &r, 0, (struct str){0});
}
