/* watch_sale.c - WatchSale: the countdown of a sale, over gRPC and as server-sent events.
 *
 * Happy path: the sale is looked up as by GetSale; if it is there the stream opens with it. From
 * then on the engine is asked every watch_interval_ms, and at the moment when the sale opens or
 * ends, once for all watchers of the sale; each is told when something has changed, and once a
 * second while the sale goes on or is to come. What is told are the server's times, so a client
 * needs no clock of its own.
 *
 * Failure: a look-up that the engine has no time for is made again. A client that does not read
 * misses messages, none is kept: the next one it has room for is the newest.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "service/sale.h"

enum { TELL_MS = 1000 };

struct sale_watcher {
    struct stream stream; /* first */
    struct str sale_id;
    uint64_t told;    /* hash of what was told last, without the times */
    uint64_t tell_ns; /* when it is told whatever happens */
    uint64_t pull_ns; /* when the engine is asked next */
    bool asked;       /* the engine is */
};

static struct sale_watcher *watcher_of(struct stream *st)
{
    return (struct sale_watcher *)st;
}

/* What was told last, in the forms that were asked for so far. */
struct message {
    Tally__V1__Sale sale;
    uint64_t hash;
    struct str framed, event;
};

static int encode_event(const Tally__V1__Sale *sale, struct arena *a, struct str *out)
{
    static const struct str head = STR("event: sale\ndata: "), tail = STR("\n\n");
    struct str json;
    if (json_encode(&sale->base, a, &json))
        return TLY_ENO_MEMORY;
    char *text = arena_alloc(a, head.len + (size_t)json.len + tail.len);
    if (!text)
        return TLY_ENO_MEMORY;
    memcpy(text, head.p, head.len);
    memcpy(text + head.len, json.p, json.len);
    memcpy(text + head.len + json.len, tail.p, tail.len);
    *out = (struct str){text, head.len + json.len + tail.len};
    return 0;
}

static int message_make(const struct service *s, struct message *m, const struct sale_view *view,
                        struct arena *a)
{
    struct str json;
    *m = (struct message){0};
    if (show_sale(s, &m->sale, view, a))
        return TLY_ENO_MEMORY;
    Tally__V1__Sale still = m->sale; /* without what passes by itself */
    still.server_time = (char *)"";
    still.starts_in_ms = still.remaining_ms = 0;
    if (json_encode(&still.base, a, &json))
        return TLY_ENO_MEMORY;
    m->hash = hash64(json, s->host.hash_seed);
    return 0;
}

static void tell(struct service *s, struct sale_watcher *w, struct message *m, struct arena *a)
{
    struct exchange *x = w->stream.exchange;
    struct str *bytes = w->stream.grpc ? &m->framed : &m->event;
    bool goes_on = m->sale.remaining_ms > 0;
    if (m->hash == w->told && s->now_ns < w->tell_ns)
        return;
    if (!bytes->len &&
        (w->stream.grpc ? grpc_encode(&m->sale.base, a, bytes) : encode_event(&m->sale, a, bytes)))
        return;
    if (x->ops->stream_write(x, bytes->p, bytes->len))
        return;
    w->told = m->hash;
    w->tell_ns = s->now_ns + (goes_on ? TELL_MS : HEARTBEAT_MS) * NS_PER_MS;
}

/* A little before the next thing that happens by itself, so that the tick behind it asks. */
static uint64_t next_pull(const struct service *s, const struct message *m)
{
    int64_t wait_ms = s->host.settings->watch_interval_ms;
    int64_t turn_ms = m->sale.starts_in_ms ? m->sale.starts_in_ms : m->sale.remaining_ms;
    if (turn_ms > 0 && turn_ms < wait_ms)
        wait_ms = turn_ms;
    return s->now_ns + (uint64_t)wait_ms * NS_PER_MS;
}

static void pulled(struct service *s, struct call *c)
{
    const struct sale_command *sale = c->command.sale;
    struct message m;
    int failed = c->command.code;
    if (!failed)
        failed = message_make(s, &m, &sale->sale, &c->arena);
    for (struct stream *st = s->streams; st; st = st->next) {
        struct sale_watcher *w = watcher_of(st);
        if (st->kind != STREAM_SALE || !str_equal(w->sale_id, sale->terms.sale_id))
            continue;
        w->asked = false;
        if (failed || st->gone)
            continue;
        tell(s, w, &m, &c->arena);
        w->pull_ns = next_pull(s, &m);
    }
}

static void pull(struct service *s, const struct sale_watcher *first)
{
    struct call *c = call_get(s);
    char *sale_id = c ? arena_copy(&c->arena, first->sale_id.p, first->sale_id.len) : NULL;
    struct error e;
    if (!sale_id || sale_prepare(c, COMMAND_GET_SALE, sale_id, &e)) {
        if (c)
            call_put(s, c);
        return;
    }
    for (struct stream *st = s->streams; st; st = st->next) {
        struct sale_watcher *w = watcher_of(st);
        if (st->kind == STREAM_SALE && str_equal(w->sale_id, c->command.sale->terms.sale_id)) {
            w->asked = true;
            w->pull_ns = s->now_ns + (uint64_t)s->host.settings->watch_interval_ms * NS_PER_MS;
        }
    }
    c->own = true;
    c->finish = pulled;
    call_submit(s, c);
}

void watch_sale_tick(struct service *s)
{
    for (struct stream *st = s->streams; st; st = st->next) {
        struct sale_watcher *w = watcher_of(st);
        if (st->kind == STREAM_SALE && !st->gone && !w->asked && s->now_ns >= w->pull_ns)
            pull(s, w);
    }
}

/* The sale is there, or is not. */
static void finish(struct service *s, struct call *c)
{
    struct exchange *x = c->origin.exchange;
    struct str sale_id = c->command.sale->terms.sale_id;
    struct message m;
    if (c->command.code) {
        reply_refused(s, c);
        return;
    }
    if (x->method == HTTP_HEAD) {
        reply_stream_head(s, &c->origin, STR("text/event-stream"));
        return;
    }
    if (stream_refused(s, &c->origin))
        return;
    struct sale_watcher *w = arena_zalloc(&x->arena, sizeof *w);
    char *name = arena_copy(&x->arena, sale_id.p, sale_id.len);
    if (!w || !name || message_make(s, &m, &c->command.sale->sale, &c->arena)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    stream_open(s, &c->origin, &w->stream, STREAM_SALE);
    w->sale_id = (struct str){name, sale_id.len};
    tell(s, w, &m, &c->arena);
    w->pull_ns = next_pull(s, &m);
}

int watch_sale_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__WatchSaleRequest *m = (const Tally__V1__WatchSaleRequest *)c->request;
    int code = sale_prepare(c, COMMAND_GET_SALE, m->sale_id, e);
    if (code)
        return code;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
