/* watch.c - Watch: changes of lots, pushed to dashboards, over gRPC and as server-sent events.
 *
 * A watcher stands at a change number. In each round (watch_interval_ms) the engine is asked for
 * the lots that changed since the lowest number that a watcher stands at, a page at a time, and
 * every watcher at that number gets the page and moves on; so watchers that keep up share one
 * question a round. A watcher whose client does not read keeps its place and gets the newest state
 * of what changed when it reads again: changes are coalesced, none is queued.
 *
 * The id of an event is "<epoch>-<change number>": Last-Event-ID resumes there if the epoch is this
 * process's; else the watcher begins with all lots, as a new one does. A comment keeps a quiet
 * event stream alive every HEARTBEAT_MS.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"

struct watcher {
    struct stream stream; /* first */
    struct str sku;
    uint64_t position;
    uint64_t heartbeat_ns;
    bool served; /* in this round */
};

/* A page in the forms that were asked for so far, without a filter. */
struct page {
    struct call *call;
    uint64_t since;
    Tally__V1__Lot **lots;
    struct str framed, event;
};

static struct watcher *watcher_of(struct stream *st)
{
    return (struct watcher *)st;
}

static uint64_t position_of(const struct service *s, struct str event_id)
{
    char epoch[20];
    int64_t number;
    uint32_t len = (uint32_t)snprintf(epoch, sizeof epoch, "%" PRIx64 "-", s->host.change_epoch);
    if (event_id.len <= len || memcmp(event_id.p, epoch, len) != 0)
        return 0;
    struct str digits = {event_id.p + len, event_id.len - len};
    return decimal_parse(digits, INT64_MAX, &number) ? (uint64_t)number : 0;
}

void watch_open(struct service *s, struct origin *o)
{
    struct exchange *x = o->exchange;
    ProtobufCMessage *m;
    struct error e;
    int code = request_message(o, o->route->request, &x->arena, &m, &e);
    struct str sku = code ? (struct str){0} : str_of(((Tally__V1__WatchRequest *)m)->sku);
    if (!code && sku.len)
        code = rule_sku(sku, "sku", &e);
    if (code) {
        reply_error(s, o, &e);
        return;
    }
    if (x->method == HTTP_HEAD) {
        reply_stream_head(s, o, STR("text/event-stream"));
        return;
    }
    if (stream_refused(s, o))
        return;
    struct watcher *w = arena_alloc(&x->arena, sizeof *w);
    if (!w) {
        reply_unsaid(s, o);
        return;
    }
    *w = (struct watcher){.sku = sku, .heartbeat_ns = s->now_ns + HEARTBEAT_MS * NS_PER_MS};
    if (!o->grpc)
        w->position = position_of(s, x->headers[HEADER_last_event_id]);
    stream_open(s, o, &w->stream, STREAM_WATCH);
    s->pull_due_ns = 0;
}

/* "event: lots", the id, and the message as JSON. */
static int encode_event(const struct service *s, const ProtobufCMessage *m, uint64_t upto,
                        struct arena *a, struct str *out)
{
    enum { HEAD_BYTES = 96, TAIL_BYTES = 2 };
    struct str json;
    int code = json_encode(m, a, &json);
    if (code)
        return code;
    char *event = arena_alloc(a, HEAD_BYTES + json.len + TAIL_BYTES);
    if (!event)
        return TLY_ENO_MEMORY;
    int head =
        snprintf(event, HEAD_BYTES,
                 "event: lots\nid: %" PRIx64 "-%" PRIu64 "\ndata: ", s->host.change_epoch, upto);
    memcpy(event + head, json.p, json.len);
    memcpy(event + head + json.len, "\n\n", TAIL_BYTES);
    *out = (struct str){event, (uint32_t)head + json.len + TAIL_BYTES};
    return 0;
}

static int encode(const struct service *s, const struct page *page, const struct watcher *w,
                  struct arena *a, struct str *out)
{
    Tally__V1__WatchResponse m = TALLY__V1__WATCH_RESPONSE__INIT;
    Tally__V1__Lot *wanted[WATCH_PAGE];
    uint32_t count = page->call->command.changes.count;
    m.lots = wanted;
    for (uint32_t i = 0; i < count; i++) {
        if (w->sku.len == 0 || str_equal(w->sku, str_of(page->lots[i]->sku)))
            wanted[m.n_lots++] = page->lots[i];
    }
    *out = (struct str){0};
    if (m.n_lots == 0)
        return 0;
    return w->stream.grpc ? grpc_encode(&m.base, a, out)
                          : encode_event(s, &m.base, page->call->command.changes.upto, a, out);
}

/* 0, or why the watcher stays where it is. */
static int deliver(struct service *s, struct page *page, struct watcher *w)
{
    enum { SCRATCH_BYTES_MAX = 4 << 20 };
    struct exchange *x = w->stream.exchange;
    struct str *kept = w->stream.grpc ? &page->framed : &page->event;
    struct arena scratch;
    struct str bytes;
    int code = 0;
    arena_init(&scratch, NULL, 0, SCRATCH_BYTES_MAX);
    if (w->sku.len)
        code = encode(s, page, w, &scratch, &bytes);
    else if (!kept->len)
        code = encode(s, page, w, &page->call->arena, kept);
    if (!w->sku.len)
        bytes = *kept;
    if (!code && bytes.len) {
        code = x->ops->stream_write(x, bytes.p, bytes.len);
        w->heartbeat_ns = s->now_ns + HEARTBEAT_MS * NS_PER_MS;
    }
    arena_close(&scratch);
    return code;
}

static void pull(struct service *s);

static void pulled(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    struct page page = {.call = c, .since = command->changes.since};
    bool last = command->changes.count < WATCH_PAGE;
    int failed = command->code;
    s->pulling = false;
    if (!failed)
        failed = show_lots(&page.lots, command->changes.lots, command->changes.count, &c->arena);
    for (struct stream *st = s->streams; st; st = st->next) {
        struct watcher *w = watcher_of(st);
        if (st->kind != STREAM_WATCH || w->served || w->position != page.since)
            continue;
        w->served = last || failed;
        if (failed || st->gone || deliver(s, &page, w))
            w->served = true;
        else
            w->position = command->changes.upto < page.since ? 0 : command->changes.upto;
    }
    pull(s);
}

/* The watcher furthest behind that this round has not served. */
static struct watcher *next_watcher(struct service *s)
{
    struct watcher *lowest = NULL;
    for (struct stream *st = s->streams; st; st = st->next) {
        struct watcher *w = watcher_of(st);
        if (st->kind == STREAM_WATCH && !w->served && (!lowest || w->position < lowest->position))
            lowest = w;
    }
    return lowest;
}

static void pull(struct service *s)
{
    struct watcher *w = next_watcher(s);
    struct call *c = w ? call_get(s) : NULL;
    if (!c)
        return;
    c->command.kind = COMMAND_LOT_CHANGES;
    c->command.changes.since = w->position;
    c->command.changes.page_size = WATCH_PAGE;
    c->command.changes.lots = arena_alloc(&c->arena, WATCH_PAGE * sizeof(struct lot_view));
    if (!c->command.changes.lots) {
        call_put(s, c);
        return;
    }
    c->own = true;
    c->finish = pulled;
    s->pulling = true;
    call_submit(s, c);
}

static void heartbeats(struct service *s)
{
    for (struct stream *st = s->streams; st; st = st->next) {
        struct watcher *w = watcher_of(st);
        if (st->kind != STREAM_WATCH || st->grpc || s->now_ns < w->heartbeat_ns)
            continue;
        w->heartbeat_ns = s->now_ns + HEARTBEAT_MS * NS_PER_MS;
        /* A client that has no room for three bytes needs no heartbeat. */
        int unread = st->exchange->ops->stream_write(st->exchange, ":\n\n", 3);
        (void)unread;
    }
}

void watch_tick(struct service *s)
{
    if (!s->streams)
        return;
    heartbeats(s);
    if (s->pulling || s->now_ns < s->pull_due_ns)
        return;
    for (struct stream *st = s->streams; st; st = st->next) {
        if (st->kind == STREAM_WATCH)
            watcher_of(st)->served = false;
    }
    s->pull_due_ns = s->now_ns + (uint64_t)s->host.settings->watch_interval_ms * NS_PER_MS;
    pull(s);
}
