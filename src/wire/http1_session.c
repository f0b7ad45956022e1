/* http1_session.c - HTTP/1.1 connections: keep-alive, pipelining, 100-continue, h2c upgrade.
 *
 * Happy path: feed() drives the parser; its pieces are copied into the arena of a new exchange at
 * the end of the queue; at the END the handler gets it. Answers leave in the order of the queue.
 * Failure: broken input is answered with problem+json behind the answers that are under way, then
 * the connection ends; so is one that does not arrive in time (408). While HTTP1_PIPELINE_MAX
 * exchanges are under way, answers of more than limits->output_max bytes wait, or a complete
 * request waits for memory (`parked`), nothing is taken.
 */
#include "wire/http1_session.h"

#include <assert.h>
#include <string.h>

static struct http1_session *of(struct session *s)
{
    return (struct http1_session *)(void *)s;
}

static const struct http1_session *of_const(const struct session *s)
{
    return (const struct http1_session *)(const void *)s;
}

static struct http1_exchange *exchange_add(struct http1_session *s)
{
    uint16_t base = s->count ? HTTP1_EXCHANGE_SIZE : 0;
    struct http1_exchange *h = exchange_memory(s->host, &s->s, HTTP1_EXCHANGE_SIZE, base);
    if (!h)
        return NULL;
    *h = (struct http1_exchange){
        .x = {.ops = &http1_exchange_ops,
              .protocol = PROTOCOL_HTTP1,
              .received_ns = s->host->now_ns,
              .charged = base,
              .base = base},
        .session = s,
        .host = s->host,
    };
    arena_init(&h->x.arena, h->memory, HTTP1_EXCHANGE_SIZE - sizeof(*h),
               exchange_arena_max(s->host->limits));
    if (s->last)
        s->last->next = h;
    else
        s->first = h;
    s->last = h;
    s->count++;
    return h;
}

static int copy(struct http1_session *s, struct exchange *x, struct str *to, struct str from)
{
    char *p = arena_copy(&x->arena, from.p, from.len);
    if (!p)
        return TLY_ENO_MEMORY;
    *to = (struct str){p, from.len};
    return exchange_charge_arena(s->host, &s->s, x) ? 0 : TLY_EOVERLOADED;
}

/* A request that streams in and breaks off: for who takes it, its client is gone. */
static void abandon(struct http1_session *s, struct http1_exchange *h)
{
    struct http1_exchange *before = s->first == h ? NULL : s->first;
    while (before && before->next != h)
        before = before->next;
    if (before)
        before->next = NULL;
    else
        s->first = NULL;
    s->last = before;
    s->count--;
    exchange_detach(&s->s, &h->x);
    h->session = NULL;
    h->x.gone = true;
    if (h->x.on_gone)
        h->x.on_gone(&h->x);
}

/* Answers the request being received, or a new exchange, and reads nothing more. */
static void refuse(struct http1_session *s, const struct refusal *refusal)
{
    struct http1_exchange *h = s->receiving ? s->receiving : exchange_add(s);
    s->closing = true;
    s->receiving = NULL;
    if (!h)
        return;
    if (h->owed) {
        abandon(s, h);
        return;
    }
    h->complete = h->close = true;
    h->wants_continue = false;
    struct response r;
    refusal_response(&r, &h->x, refusal, s->host->limits->retry_after_s);
    exchange_respond(&h->x, &r);
}

static int refuse_as(struct http1_session *s, int code, const char *text)
{
    refuse(s, &(struct refusal){code, text});
    return TLY_ECLOSED;
}

static int refuse_for_memory(struct http1_session *s, int code)
{
    s->host->shed++;
    return refuse_as(s, code,
                     code == TLY_EOVERLOADED ? "too many requests are under way" : "out of memory");
}

static int on_line(struct http1_session *s, const struct http1_piece *piece)
{
    struct http1_exchange *h = exchange_add(s);
    if (!h) {
        s->closing = true;
        return TLY_ECLOSED;
    }
    s->receiving = h;
    struct str target;
    int rv = copy(s, &h->x, &h->x.method_text, piece->method);
    if (rv == 0)
        rv = copy(s, &h->x, &target, piece->target);
    if (rv)
        return refuse_for_memory(s, rv);
    h->x.method = (uint8_t)method_find(piece->method.p, piece->method.len);
    exchange_set_target(&h->x, target);
    return 0;
}

static int on_field(struct http1_session *s, const struct http1_piece *piece)
{
    struct exchange *x = &s->receiving->x;
    struct str *to =
        piece->header == HTTP1_FIELD_SETTINGS ? &s->settings : &x->headers[piece->header];
    if (to->p) {
        if (piece->header == HTTP1_FIELD_SETTINGS ||
            header_is_single((enum exchange_header)piece->header))
            return refuse_as(s, TLY_EINVALID_ARGUMENT,
                             "a header that may come once is given more than once");
        if (!exchange_join_header(x, (enum exchange_header)piece->header, piece->value))
            return refuse_as(s, TLY_ENO_MEMORY, "out of memory");
        return 0;
    }
    int rv = copy(s, x, to, piece->value);
    return rv ? refuse_for_memory(s, rv) : 0;
}

static void hand_over(struct http1_session *s, struct http1_exchange *h)
{
    h->owed = true;
    s->host->handler->handle(s->host->handler->context, &h->x);
}

/* Its body goes to who takes it as it comes. */
static int begin_stream(struct http1_session *s, struct http1_exchange *h)
{
    struct exchange_need need;
    http1_parser_lift_limit(&s->parser);
    if (exchange_admit(s->host, &s->s, &h->x, &need))
        return refuse_for_memory(s, TLY_EOVERLOADED);
    h->x.streams_in = true;
    h->x.received_ns = s->host->now_ns;
    hand_over(s, h);
    return 0;
}

static int on_head_end(struct http1_session *s)
{
    struct http1_exchange *h = s->receiving;
    const struct http1_message *m = &s->parser.message;
    const struct exchange_handler *handler = s->host->handler;
    h->close = m->close;
    h->minor = m->minor;
    bool streams = (m->length || m->chunked) && !s->s.over && handler->wants_stream &&
                   handler->wants_stream(handler->context, &h->x);
    if (m->too_long && !streams)
        return refuse_as(s, TLY_EPAYLOAD_TOO_LARGE, "the body is larger than the limit");
    if (s->s.over && exchange_admit(s->host, &s->s, &h->x, &(struct exchange_need){0}))
        return refuse_as(s, TLY_EOVERLOADED, "too many connections are open");
    h->wants_continue = m->expect_continue;
    if (h->wants_continue && s->first == h && s->host->want_write)
        s->host->want_write(s->s.connection);
    return streams ? begin_stream(s, h) : 0;
}

static int on_body(struct http1_session *s, const struct http1_piece *piece)
{
    struct http1_exchange *h = s->receiving;
    if (h->x.streams_in) {
        s->receiving_since_ns = s->host->now_ns; /* its time limit is between two pieces */
        if (h->x.on_data)
            h->x.on_data(&h->x, piece->value.p, piece->value.len, false);
        return 0;
    }
    int rv = exchange_add_body(s->host, &s->s, &h->x, piece->value.p, piece->value.len,
                               (size_t)s->parser.message.length, &h->body_room);
    if (rv == 0)
        return 0;
    struct refusal refusal = body_refusal(rv);
    s->host->shed += rv != TLY_EPAYLOAD_TOO_LARGE;
    refuse(s, &refusal);
    return TLY_ECLOSED;
}

static int base64url_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Without padding (RFC 7540, 3.2.1). In place; false if it is not base64url. */
static bool base64url_decode(struct str *text)
{
    char *out = (char *)(uintptr_t)text->p;
    uint32_t bits = 0, bit_count = 0, len = 0;
    if (text->len % 4 == 1)
        return false;
    for (uint32_t i = 0; i < text->len; i++) {
        int digit = base64url_digit(text->p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[len++] = (char)(bits >> bit_count);
        }
    }
    text->len = len;
    return true;
}

/* The request becomes stream 1 of an HTTP/2 session. An upgrade that cannot be, or is not allowed,
 * is ignored, as the client must expect. */
static bool upgrade(struct http1_session *s, struct http1_exchange *h,
                    const struct http1_message *m)
{
    if (!s->host->limits->h2c_upgrade || !m->upgrade_h2c || !m->connection_h2c || m->minor == 0 ||
        m->close || m->length || m->chunked || !s->settings.p || s->first != h || s->draining)
        return false;
    if (!base64url_decode(&s->settings))
        return false;
    s->s.successor = http2_session_upgrade(s->host, s->s.connection, s->settings, &h->x);
    if (!s->s.successor)
        return false;
    s->interim = STR("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n"
                     "upgrade: h2c\r\n\r\n");
    s->first = s->last = s->receiving = NULL;
    s->count = 0;
    s->closing = true;
    http1_exchange_free(h);
    return true;
}

static void leave_line(struct http1_session *s)
{
    s->parked = NULL;
    s->s.waiting = false;
    session_line_leave(s->host, &s->s);
}

/* Nothing more is read until it goes on. */
static void park(struct http1_session *s, struct http1_exchange *h, enum charge why,
                 const struct exchange_need *need)
{
    s->parked = h;
    s->s.waiting = true;
    if (why != CHARGE_WORKER_FULL)
        return; /* its client has only to read */
    if (!s->s.in_line)
        s->s.waits_until_ns = s->host->now_ns + (uint64_t)need->wait_ms * 1000000;
    session_line_join(s->host, &s->s);
}

/* The connection goes on. */
static void refuse_complete(struct http1_session *s, struct http1_exchange *h,
                            const struct refusal *refusal)
{
    struct response r;
    refusal_response(&r, &h->x, refusal, s->host->limits->retry_after_s);
    exchange_respond(&h->x, &r);
}

static void admit(struct http1_session *s, struct http1_exchange *h)
{
    struct exchange_need need;
    struct refusal refusal;
    int code = exchange_unpack(s->host, &s->s, &h->x, &refusal);
    if (code) {
        s->host->shed += code == TLY_EOVERLOADED || code == TLY_ENO_MEMORY;
        refuse_complete(s, h, &refusal);
        return;
    }
    enum charge rv = exchange_admit(s->host, &s->s, &h->x, &need);
    if (rv == CHARGE_DONE)
        hand_over(s, h);
    else
        park(s, h, rv, &need);
}

static bool resume(struct session *base)
{
    struct http1_session *s = of(base);
    struct http1_exchange *h = s->parked;
    struct exchange_need need;
    if (!h)
        return false;
    enum charge rv = exchange_admit(s->host, &s->s, &h->x, &need);
    if (rv && !(s->s.in_line && s->host->now_ns >= s->s.waits_until_ns)) {
        park(s, h, rv, &need);
        return false;
    }
    leave_line(s);
    if (rv == CHARGE_DONE) {
        hand_over(s, h);
        return true;
    }
    s->host->shed++;
    refuse_complete(s, h, &(struct refusal){TLY_EOVERLOADED, "too many requests are under way"});
    return true;
}

static void on_end(struct http1_session *s, const struct http1_message *m)
{
    struct http1_exchange *h = s->receiving;
    bool switched = upgrade(s, h, m);
    s->settings = (struct str){0};
    if (switched)
        return;
    s->receiving = NULL;
    h->complete = true;
    h->wants_continue = false;
    h->x.received_ns = s->host->now_ns;
    if (h->close || s->s.over)
        h->close = s->closing = true;
    if (h->x.streams_in && h->x.on_data)
        h->x.on_data(&h->x, NULL, 0, true);
    if (!h->x.streams_in)
        admit(s, h);
}

static bool full(const struct http1_session *s)
{
    return s->parked || s->count >= HTTP1_PIPELINE_MAX ||
           s->unsent_bytes > s->host->limits->output_max ||
           (s->count && !exchange_room(s->host, &s->s, HTTP1_EXCHANGE_SIZE));
}

static int on_event(struct http1_session *s, enum http1_event event,
                    const struct http1_piece *piece)
{
    switch (event) {
    case HTTP1_LINE:
        return on_line(s, piece);
    case HTTP1_FIELD:
        return on_field(s, piece);
    case HTTP1_HEAD_END:
        return on_head_end(s);
    case HTTP1_BODY:
        return on_body(s, piece);
    default:
        s->closing = true;
        if (s->parser.refusal.code)
            refuse(s, &s->parser.refusal);
        return TLY_ECLOSED;
    }
}

/* What the parser keeps of a line that is not complete. */
static void charge_line(struct http1_session *s, size_t room)
{
    struct budget *b = s->host->budget;
    if (!b || room == s->line_charged)
        return;
    budget_give(b, BUDGET_BEGIN, s->line_charged);
    budget_force(b, room);
    s->line_charged = room;
}

static int feed(struct session *base, const uint8_t *data, size_t size, size_t *taken)
{
    struct http1_session *s = of(base);
    const uint8_t *at = data, *end = data + size;
    int rv = 0;
    while (!s->closing && rv == 0) {
        if (!s->receiving && full(s))
            break;
        struct http1_piece piece;
        bool was_busy = http1_parser_busy(&s->parser);
        enum http1_event event = http1_parse(&s->parser, &at, end, &piece);
        if (!was_busy && event != HTTP1_END)
            s->receiving_since_ns = s->host->now_ns;
        if (event == HTTP1_MORE)
            break;
        if (event == HTTP1_END)
            on_end(s, &s->parser.message);
        else
            rv = on_event(s, event, &piece);
    }
    charge_line(s, s->parser.line_room);
    *taken = s->closing && !s->s.successor ? size : (size_t)(at - data);
    return rv;
}

static size_t pull(struct session *base, uint8_t *out, size_t size)
{
    struct http1_session *s = of(base);
    if (s->interim.len) {
        size_t n = s->interim.len < size ? s->interim.len : size;
        memcpy(out, s->interim.p, n);
        s->interim.p += n;
        s->interim.len -= (uint32_t)n;
        return n;
    }
    return http1_answers_take(s, out, size);
}

static bool idle(const struct session *base)
{
    const struct http1_session *s = of_const(base);
    return !s->first && (s->closing || !http1_parser_busy(&s->parser)) && !s->interim.len;
}

static uint64_t receiving_since(const struct session *base)
{
    const struct http1_session *s = of_const(base);
    return !s->closing && http1_parser_busy(&s->parser) ? s->receiving_since_ns : 0;
}

static enum session_wait due(const struct session *base, uint64_t *at)
{
    const struct http1_session *s = of_const(base);
    uint64_t since = receiving_since(base);
    if (!since || !s->host->receive_ns || (!s->receiving && full(s)))
        return WAIT_NONE;
    *at = since + s->host->receive_ns;
    return WAIT_RECEIVE;
}

static void expire(struct session *base)
{
    struct http1_session *s = of(base);
    uint64_t at;
    if (due(base, &at) == WAIT_NONE || at > s->host->now_ns)
        return;
    s->host->timed_out++;
    (void)refuse_as(s, TLY_EREQUEST_TIMEOUT, "the request did not arrive in time");
}

static bool unsent(const struct session *base)
{
    const struct http1_session *s = of_const(base);
    return (s->first && s->first->x.answered &&
            (s->first->head.len || s->first->body.len || s->first->stream.bytes)) ||
           s->interim.len;
}

static bool congested(const struct session *base)
{
    const struct http1_session *s = of_const(base);
    return !s->closing && !s->receiving && full(s);
}

static bool finished(const struct session *base)
{
    const struct http1_session *s = of_const(base);
    return s->ended || ((s->closing || s->draining) && idle(base));
}

static void drain(struct session *base)
{
    of(base)->draining = true;
}

static void goodbye(struct session *base)
{
    of(base)->closing = true;
}

static void close_session(struct session *base)
{
    struct http1_session *s = of(base);
    leave_line(s);
    while (s->first) {
        struct http1_exchange *h = s->first;
        s->first = h->next;
        if (!h->owed) {
            http1_exchange_free(h);
            continue;
        }
        exchange_detach(&s->s, &h->x);
        h->session = NULL;
        h->x.gone = true;
        send_queue_clear(&h->stream, h->host->pool);
        if (h->x.on_gone)
            h->x.on_gone(&h->x);
    }
    charge_line(s, 0);
    http1_parser_close(&s->parser);
    wire_pool_free(s->host->pool, s);
}

static const struct session_ops http1_ops = {
    .feed = feed,
    .pull = pull,
    .idle = idle,
    .receiving_since = receiving_since,
    .due = due,
    .expire = expire,
    .resume = resume,
    .unsent = unsent,
    .congested = congested,
    .finished = finished,
    .drain = drain,
    .goodbye = goodbye,
    .close = close_session,
};

struct session *http1_session_create(struct session_host *host, void *connection)
{
    struct http1_session *s = wire_pool_alloc(host->pool, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct http1_session){.s = {.ops = &http1_ops, .connection = connection}, .host = host};
    http1_parser_init(&s->parser, host->limits, host->pool);
    return &s->s;
}
