/* stream.c - answers that go on: Watch, Events, health Watch, reflection.
 *
 * Life: opened (counted against watchers_max), written to, closed exactly once. A client that goes
 * away only marks its stream; the next tick closes it, so that nobody loses a stream while looking
 * at it. So it is with a stream whose client said how long it would wait: gRPC's status is then
 * DEADLINE_EXCEEDED. A draining server closes all of them.
 */
#include <assert.h>

#include "service/service_internal.h"

static void mark_gone(struct exchange *x)
{
    struct stream *st = x->service;
    st->gone = true;
}

bool stream_refused(struct service *s, struct origin *o)
{
    struct error e;
    int64_t timeout_ns;
    int code = request_timeout(o->exchange, &timeout_ns, &e);
    if (!code && s->stream_count + s->events.opening_count >= s->host.settings->watchers_max)
        code = error_set(&e, TLY_EOVERLOADED, "",
                         "watchers_max: %u streams are open, the most there may be; try again",
                         s->host.settings->watchers_max);
    if (code)
        reply_error(s, o, &e);
    return code != 0;
}

void stream_open(struct service *s, struct origin *o, struct stream *st, enum stream_kind kind)
{
    struct exchange *x = o->exchange;
    struct response head = {.status = 200,
                            .content_type =
                                o->grpc ? STR("application/grpc") : STR("text/event-stream")};
    int64_t timeout_ns;
    *st = (struct stream){
        .next = s->streams, .service = s, .exchange = x, .kind = (uint8_t)kind, .grpc = o->grpc};
    if (!request_timeout(x, &timeout_ns, NULL) && timeout_ns)
        st->due_ns = x->received_ns + (uint64_t)timeout_ns;
    if (st->next)
        st->next->previous = st;
    s->streams = st;
    s->stream_count++;
    x->service = st;
    x->on_gone = mark_gone;
    if (!o->grpc)
        head.headers[head.header_count++] = (struct header){STR("cache-control"), STR("no-store")};
    response_identify(&head, x);
    reply_count(s, o, 0, (struct str){0});
    o->exchange = NULL;
    x->ops->stream_open(x, &head);
}

void stream_close(struct stream *st, int code, const char *text)
{
    struct service *s = st->service;
    struct exchange *x = st->exchange;
    struct header trailers[RESPONSE_HEADERS_MAX];
    size_t count = 0;
    assert(s->stream_count > 0);
    events_closed(st);
    if (st->previous)
        st->previous->next = st->next;
    else
        s->streams = st->next;
    if (st->next)
        st->next->previous = st->previous;
    s->stream_count--;
    if (st->grpc && code)
        count = grpc_failure_trailers(trailers, &x->arena,
                                      &(struct failure){.code = code, .text = str_of(text)});
    else if (st->grpc)
        trailers[count++] = (struct header){STR("grpc-status"), STR("0")};
    x->on_gone = NULL;
    x->on_data = NULL;
    x->ops->stream_end(x, trailers, count);
}

void streams_reap(struct service *s, uint64_t now_ns)
{
    struct stream *next;
    for (struct stream *st = s->streams; st; st = next) {
        next = st->next;
        if (st->gone || st->exchange->gone)
            stream_close(st, TLY_ECLOSED, "the client is gone");
        else if (st->due_ns && st->due_ns <= now_ns)
            stream_close(st, TLY_EREQUEST_TIMEOUT, "the call's own deadline has passed");
    }
}

void service_end_streams(struct service *s)
{
    events_refuse_opening(s);
    while (s->streams)
        stream_close(s->streams, TLY_EUNAVAILABLE, "the server is stopping");
    imports_end(s, false);
}
