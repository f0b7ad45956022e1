/* events.c - Events: every move, over gRPC and as server-sent events.
 *
 * A consumer stands behind an event. It asks the bus for what comes next, is handed a page, passes
 * it on as far as its client takes it, and asks again when the page is used up; consumers at the
 * same place share one question. So a slow one waits at its own place: nothing is queued for it,
 * and nothing dropped.
 *
 *   opening ──► open: at its place ──► asked ──► has a page ──► the client took it: at its place
 *      │                  ▲                            │
 *      ▼                  └── a moment later ◄── does not take it: the page is let go
 *   refused: GONE, or no such event
 *
 * A turn of the loop passes on TURN_BYTES at most, and goes on with the others in the next one, so
 * that events do not keep orders waiting. A client that takes nothing is tried again in the turns
 * of the loop for STALL_MS (its socket wakes the loop), then now and then. The answer of a consumer
 * that does not begin at the log's end waits for its first page, so that a place that is not kept
 * is a refusal, with a status.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"
#include "wire/codec_writer.h"

enum {
    RUN_BYTES = 32 << 10, /* handed to a session at once */
    TURN_BYTES = 1 << 20,
    STALL_MS = 100,
    RETRY_MS = 20,
    RETRY_MAX_MS = 1000,
    LOG_RETRY_MS = 1000, /* the log could not be read */
};

struct consumer {
    struct stream stream; /* first */
    struct origin origin; /* while it is opening */
    struct consumer *next_opening;
    int64_t position;
    struct event_page *page; /* what it passes on, from the event number `at` */
    uint32_t at;
    uint32_t retry_ms;     /* 0: its client takes what comes */
    uint64_t stalled_ns;   /* since when it takes nothing of the page; 0: it does */
    uint64_t due_ns;       /* not asked for before */
    uint64_t turn;         /* of its last question: the others come first */
    uint64_t heartbeat_ns; /* event streams only */
    uint8_t form;
};

static struct consumer *consumer_of(struct stream *st)
{
    return st->kind == STREAM_EVENTS ? (struct consumer *)st : NULL;
}

static void let_go(struct consumer *c)
{
    if (c->page)
        c->stream.service->events.held--;
    c->stalled_ns = 0;
    event_page_release(c->page);
    c->page = NULL;
}

/* ---- questions ---- */

/* True if a question on its way will be answered with what `c` needs. */
static bool is_asked(const struct service *s, const struct consumer *c)
{
    for (size_t i = 0; i < EVENT_READS; i++) {
        const struct event_question *q = &s->events.questions[i];
        if (q->asked && q->after == c->position && q->read.form == c->form)
            return true;
    }
    return false;
}

static struct event_question *free_question(struct service *s)
{
    for (size_t i = 0; i < EVENT_READS; i++) {
        if (!s->events.questions[i].asked)
            return &s->events.questions[i];
    }
    return NULL;
}

static void ask(struct service *s, struct consumer *c)
{
    struct event_question *q = free_question(s);
    if (!q || is_asked(s, c))
        return;
    q->asked = true;
    q->after = c->position;
    q->read.after = c->position;
    q->read.form = c->form;
    c->turn = ++s->events.turn;
    s->host.events_read(s->host.context, &q->read);
}

/* Of those who have nothing to pass on and are not asked for, the one that waits longest. */
static struct consumer *next_to_ask(struct service *s)
{
    struct consumer *next = NULL;
    for (struct stream *st = s->streams; st; st = st->next) {
        struct consumer *c = consumer_of(st);
        if (!c || c->page || st->gone || s->now_ns < c->due_ns || is_asked(s, c))
            continue;
        if (!next || c->turn < next->turn)
            next = c;
    }
    for (struct consumer *c = s->events.opening; c; c = c->next_opening) {
        if (!is_asked(s, c) && (!next || c->turn < next->turn))
            next = c;
    }
    return next;
}

static void ask_for_all(struct service *s)
{
    struct consumer *c;
    while (free_question(s) && (c = next_to_ask(s)))
        ask(s, c);
}

/* ---- passing on ---- */

/* The bytes of some events from number `at` on; *end is the number behind them. */
static struct str run_of(const struct event_page *page, uint32_t at, uint32_t *end)
{
    uint32_t from = at ? page->marks[at - 1].end : 0;
    uint32_t to = page->marks[at].end;
    for (at++; at < page->count && page->marks[at].end - from <= RUN_BYTES; at++)
        to = page->marks[at].end;
    *end = at;
    return (struct str){page->bytes + from, to - from};
}

static void stall(struct service *s, struct consumer *c)
{
    if (!c->stalled_ns && !c->retry_ms) {
        c->stalled_ns = s->now_ns;
        return;
    }
    if (!c->retry_ms && s->now_ns - c->stalled_ns < STALL_MS * NS_PER_MS)
        return;
    let_go(c);
    c->retry_ms = c->retry_ms ? c->retry_ms * 2 : RETRY_MS;
    if (c->retry_ms > RETRY_MAX_MS)
        c->retry_ms = RETRY_MAX_MS;
    c->due_ns = s->now_ns + c->retry_ms * NS_PER_MS;
}

static void pass_on(struct service *s, struct consumer *c)
{
    struct exchange *x = c->stream.exchange;
    while (c->at < c->page->count) {
        uint32_t end;
        if (s->events.turn_bytes >= TURN_BYTES)
            return;
        struct str run = run_of(c->page, c->at, &end);
        int code = x->ops->stream_write(x, run.p, run.len);
        if (code == TLY_ECLOSED) {
            c->stream.gone = true;
            break;
        }
        if (code) {
            stall(s, c);
            return;
        }
        s->events.turn_bytes += run.len;
        c->stalled_ns = 0;
        metrics_add(s->host.metrics, METRIC_EVENTS_SENT, 0, end - c->at);
        c->position = c->page->marks[end - 1].id;
        c->at = end;
        c->retry_ms = 0;
        c->heartbeat_ns = s->now_ns + HEARTBEAT_MS * NS_PER_MS;
    }
    if (c->at == c->page->count && c->position < c->page->upto)
        c->position = c->page->upto;
    let_go(c);
}

static void take_page(struct consumer *c, struct event_page *page)
{
    atomic_fetch_add_explicit(&page->holders, 1, memory_order_relaxed);
    c->stream.service->events.held++;
    c->page = page;
    c->at = 0;
    while (c->at < page->count && page->marks[c->at].id <= c->position)
        c->at++;
}

/* ---- refusals ---- */

static struct failure refusal(int code, int64_t place, char text[ERROR_TEXT_MAX],
                              char digits[DECIMAL_MAX])
{
    struct failure f = {.code = code};
    if (code == TLY_EGONE) {
        snprintf(text, ERROR_TEXT_MAX,
                 "events up to %" PRId64 " are not kept any more, at least not all; read on from "
                 "after=%" PRId64 ", what lies between is lost",
                 place, place);
        f.after = decimal_text(place, digits);
    } else {
        f.code = TLY_EINVALID_ARGUMENT;
        f.field = STR("after");
        snprintf(text, ERROR_TEXT_MAX, "after: there is no such event yet; the newest is %" PRId64,
                 place);
    }
    f.text = str_of(text);
    return f;
}

/* To one whose stream is open already: a last event, or trailers. */
static void end_with(struct consumer *c, const struct failure *f)
{
    struct exchange *x = c->stream.exchange;
    struct response problem = {0};
    if (!c->stream.grpc) {
        problem_response(&problem, &x->arena, f);
        const struct str parts[] = {STR("event: error\ndata: "), problem.body, STR("\n\n")};
        for (size_t i = 0; i < 3; i++) {
            if (x->ops->stream_write(x, parts[i].p, parts[i].len))
                break; /* it has the end of the stream as a sign */
        }
    }
    stream_close(&c->stream, f->code, f->text.p);
}

/* ---- answers ---- */

static void open_consumer(struct service *s, struct consumer *c)
{
    struct origin o = c->origin;
    stream_open(s, &o, &c->stream, STREAM_EVENTS);
    c->heartbeat_ns = s->now_ns + HEARTBEAT_MS * NS_PER_MS;
}

static void forget_opening(struct service *s, struct consumer *c)
{
    struct consumer **link = &s->events.opening;
    while (*link != c)
        link = &(*link)->next_opening;
    *link = c->next_opening;
    s->events.opening_count--;
}

static void opened(struct service *s, struct consumer *c, int code, int64_t place)
{
    char text[ERROR_TEXT_MAX], digits[DECIMAL_MAX];
    forget_opening(s, c);
    if (code == TLY_EGONE || code == TLY_EINVALID_ARGUMENT) {
        struct failure f = refusal(code, place, text, digits);
        reply_failure(s, &c->origin, &f);
    } else if (code) {
        reply_code(s, &c->origin, code == TLY_ECLOSED ? TLY_EUNAVAILABLE : code);
    } else {
        open_consumer(s, c);
    }
}

static bool waits_for(const struct consumer *c, int64_t after, uint8_t form)
{
    return !c->page && c->position == after && c->form == form;
}

static void hand_out(struct service *s, const struct event_read *r, int64_t after)
{
    char text[ERROR_TEXT_MAX], digits[DECIMAL_MAX];
    struct stream *next;
    for (struct stream *st = s->streams; st; st = next) {
        struct consumer *c = consumer_of(st);
        next = st->next;
        if (!c || st->gone || !waits_for(c, after, r->form))
            continue;
        if (r->code == TLY_EGONE || r->code == TLY_EINVALID_ARGUMENT) {
            struct failure f = refusal(r->code, r->oldest, text, digits);
            end_with(c, &f);
        } else if (r->code) {
            c->due_ns = s->now_ns + LOG_RETRY_MS * NS_PER_MS;
        } else {
            take_page(c, r->page);
            pass_on(s, c);
        }
    }
}

void service_events_answered(struct service *s, struct event_read *r)
{
    struct event_question *q = (struct event_question *)r;
    int64_t after = q->after;
    struct consumer *next;
    for (struct consumer *c = s->events.opening; c; c = next) {
        next = c->next_opening;
        if (waits_for(c, after, r->form))
            opened(s, c, r->code, r->oldest);
    }
    hand_out(s, r, after);
    q->asked = false;
    event_page_release(r->page);
    r->page = NULL;
    if (r->code != TLY_ECLOSED)
        ask_for_all(s);
}

/* ---- the way in ---- */

/* Where to begin: the header of a client that comes back, else what the request says, else now. */
static int begin_at(struct service *s, const struct origin *o, const char *after, int64_t *out,
                    struct error *e)
{
    struct str text = o->grpc ? (struct str){0} : o->exchange->headers[HEADER_last_event_id];
    const char *field = "Last-Event-ID";
    if (str_empty(text)) {
        text = str_of(after);
        field = "after";
    }
    if (str_empty(text)) {
        *out = s->host.events_newest(s->host.context);
        return 0;
    }
    if (decimal_parse(text, INT64_MAX, out))
        return 0;
    return error_set(e, TLY_EINVALID_ARGUMENT, field,
                     "%s: must be the id of an event, or 0 for the beginning", field);
}

void events_open(struct service *s, struct origin *o)
{
    struct exchange *x = o->exchange;
    ProtobufCMessage *m;
    struct error e;
    int64_t position = 0;
    int code = request_message(o, o->route->request, &x->arena, &m, &e);
    if (!code)
        code = begin_at(s, o, ((Tally__V1__EventsRequest *)m)->after, &position, &e);
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
    struct consumer *c = arena_alloc(&x->arena, sizeof *c);
    if (!c) {
        reply_unsaid(s, o);
        return;
    }
    *c = (struct consumer){
        .origin = *o, .position = position, .form = o->grpc ? EVENT_GRPC : EVENT_SSE};
    o->exchange = NULL;
    if (position == s->host.events_newest(s->host.context)) {
        open_consumer(s, c);
    } else {
        c->next_opening = s->events.opening;
        s->events.opening = c;
        s->events.opening_count++;
    }
    ask_for_all(s);
}

/* ---- turns and ends ---- */

/* The streams number from .. to - 1. False: the turn is over, and the next one begins there. */
static bool pass_on_to(struct service *s, uint32_t from, uint32_t to)
{
    uint32_t number = 0;
    for (struct stream *st = s->streams; st && number < to; st = st->next, number++) {
        struct consumer *c = consumer_of(st);
        if (number < from || !c || !c->page || st->gone)
            continue;
        if (s->events.turn_bytes >= TURN_BYTES) {
            s->events.turn_begins = number;
            return false;
        }
        pass_on(s, c);
    }
    return true;
}

void service_events_turn(struct service *s)
{
    uint32_t begin = s->events.turn_begins;
    bool any = s->events.held;
    if (any && pass_on_to(s, begin, UINT32_MAX) && pass_on_to(s, 0, begin))
        s->events.turn_begins = 0;
    s->events.turn_bytes = 0;
    if (any)
        ask_for_all(s);
}

void events_tick(struct service *s)
{
    bool any = false;
    service_events_turn(s);
    for (struct stream *st = s->streams; st; st = st->next) {
        struct consumer *c = consumer_of(st);
        if (!c)
            continue;
        any = true;
        if (st->grpc || s->now_ns < c->heartbeat_ns)
            continue;
        c->heartbeat_ns = s->now_ns + HEARTBEAT_MS * NS_PER_MS;
        /* A client that has no room for three bytes needs no heartbeat. */
        int unread = st->exchange->ops->stream_write(st->exchange, ":\n\n", 3);
        (void)unread;
    }
    if (any)
        ask_for_all(s);
}

void events_closed(struct stream *st)
{
    struct consumer *c = consumer_of(st);
    if (c)
        let_go(c);
}

void events_refuse_opening(struct service *s)
{
    while (s->events.opening)
        opened(s, s->events.opening, TLY_EUNAVAILABLE, 0);
}
