/* http2_session.c - HTTP/2 connections on nghttp2: prior knowledge and h2c upgrade.
 *
 * Happy path: nghttp2's callbacks fill an exchange for each stream; with the END_STREAM of the
 * request the handler gets it; when nghttp2 closes the stream the exchange is freed. A request
 * that the handler wants as a stream is handed over with its headers.
 * Failure: a request beyond a limit is answered by the session and the rest of it is dropped;
 * beyond limits->output_max unsent bytes, and where there is no memory for what a request needs,
 * streams are refused (REFUSED_STREAM: not done, may be tried again); a request that stops is
 * answered 408, an answer that is not taken is reset, and the other streams go on
 * (http2_limits.c); floods (resets, CONTINUATION, PING, SETTINGS) and broken frames end the
 * connection with GOAWAY.
 */
#include "wire/http2_session.h"

#include <assert.h>
#include <string.h>

enum {
    CONTINUATIONS_MAX = 8,     /* frames of one header block */
    RESET_BURST = 5000,        /* streams that a client may reset at once, */
    RESETS_PER_S = 1000,       /* and then in a second: deadlines that pass reset streams, too */
    OUTBOUND_ACKS_MAX = 1000,  /* answers to PING and SETTINGS that wait */
    SETTINGS_ENTRIES_MAX = 32, /* in one SETTINGS frame */
    WINDOW_MIN = 65535,        /* bytes */
    STREAM_WINDOW_MAX = 16 << 20,
    CONNECTION_WINDOW = 32 << 20,
};

void http2_list_add(struct http2_list *list, struct http2_exchange *h)
{
    h->next = NULL;
    h->previous = list->last;
    if (list->last)
        list->last->next = h;
    else
        list->first = h;
    list->last = h;
}

void http2_list_remove(struct http2_list *list, struct http2_exchange *h)
{
    if (h->previous)
        h->previous->next = h->next;
    else
        list->first = h->next;
    if (h->next)
        h->next->previous = h->previous;
    else
        list->last = h->previous;
}

static struct http2_exchange *exchange_add(struct http2_session *s, int32_t stream_id)
{
    uint16_t base = s->count ? HTTP2_EXCHANGE_SIZE + HTTP2_STREAM_BYTES : 0;
    struct http2_exchange *h = exchange_memory(s->host, &s->s, HTTP2_EXCHANGE_SIZE, base);
    if (!h)
        return NULL;
    *h = (struct http2_exchange){
        .x = {.ops = &http2_exchange_ops,
              .protocol = PROTOCOL_HTTP2,
              .charged = base,
              .base = base},
        .session = s,
        .host = s->host,
        .stream_id = stream_id,
        .receiving = true,
        .input_open = true,
        .begun_ns = s->host->now_ns,
    };
    arena_init(&h->x.arena, h->memory, HTTP2_EXCHANGE_SIZE - sizeof(*h),
               exchange_arena_max(s->host->limits));
    http2_list_add(&s->receiving, h);
    s->count++;
    return h;
}

static void move_to_open(struct http2_session *s, struct http2_exchange *h)
{
    h->receiving = false;
    http2_list_remove(&s->receiving, h);
    http2_list_add(&s->open, h);
}

/* The stream is over, or the connection is. */
static void exchange_leave(struct http2_session *s, struct http2_exchange *h)
{
    http2_list_remove(h->receiving ? &s->receiving : &s->open, h);
    s->count--;
    s->early_count -= h->early;
    s->unsent_bytes -= h->body.len + h->stream.bytes;
    if (s->current == h)
        s->current = NULL;
    if (!h->owed) {
        http2_exchange_free(h);
        return;
    }
    exchange_detach(&s->s, &h->x);
    h->session = NULL;
    h->x.gone = true;
    send_queue_clear(&h->stream, h->host->pool);
    if (h->x.on_gone)
        h->x.on_gone(&h->x);
}

void http2_refuse(struct http2_exchange *h, struct refusal refusal)
{
    struct response r;
    h->refused = true;
    refusal_response(&r, &h->x, &refusal, h->host->limits->retry_after_s);
    exchange_respond(&h->x, &r);
}

static struct http2_exchange *find(struct http2_session *s, int32_t stream_id)
{
    if (!s->current || s->current->stream_id != stream_id)
        s->current = nghttp2_session_get_stream_user_data(s->ng, stream_id);
    return s->current;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2_session *s = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct http2_exchange *h = exchange_add(s, frame->hd.stream_id);
    s->current = h;
    if (!h) {
        s->host->shed++;
        if (nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                      NGHTTP2_REFUSED_STREAM))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    (void)nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, h);
    return 0;
}

/* Nothing was done, and the client may try again. */
static void refuse_stream(struct http2_session *s, struct http2_exchange *h, enum charge why)
{
    h->refused = true;
    s->host->shed++;
    if (why == CHARGE_NOT_VITAL) {
        int32_t last = h->stream_id > 2 ? h->stream_id - 2 : 0;
        if (nghttp2_session_terminate_session2(s->ng, last, NGHTTP2_NO_ERROR))
            s->failed = true;
        return;
    }
    /* It can only fail for want of memory, and then the stream ends with the connection. */
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, h->stream_id, NGHTTP2_REFUSED_STREAM);
}

static void hand_over(struct http2_session *s, struct http2_exchange *h)
{
    struct exchange_need need;
    struct refusal refusal;
    int code = exchange_unpack(s->host, &s->s, &h->x, &refusal);
    if (code) {
        s->host->shed += code == TLY_EOVERLOADED || code == TLY_ENO_MEMORY;
        move_to_open(s, h);
        http2_refuse(h, refusal);
        return;
    }
    enum charge rv = exchange_admit(s->host, &s->s, &h->x, &need);
    if (rv == CHARGE_DONE && s->unsent_bytes > s->host->limits->output_max && !need.vital)
        rv = CHARGE_CONNECTION_FULL;
    move_to_open(s, h);
    if (rv) {
        refuse_stream(s, h, rv);
        return;
    }
    h->owed = true;
    h->x.received_ns = s->host->now_ns;
    s->host->handler->handle(s->host->handler->context, &h->x);
}

/* An answer that goes before the answer proper (RFC 9110, 10.1.1). */
static void say_continue(struct http2_session *s, const struct http2_exchange *h)
{
    nghttp2_nv status = {.name = (uint8_t *)(uintptr_t) ":status",
                         .value = (uint8_t *)(uintptr_t) "100",
                         .namelen = 7,
                         .valuelen = 3,
                         .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    /* Without memory for it the client waits until its patience ends. */
    (void)nghttp2_submit_headers(s->ng, NGHTTP2_FLAG_NONE, h->stream_id, NULL, &status, 1, NULL);
}

/* The headers are complete. */
static void request_begun(struct http2_session *s, struct http2_exchange *h, bool end)
{
    const struct exchange_handler *handler = s->host->handler;
    if (!h->refusal.code && !h->x.path.len)
        http2_note(h, TLY_EUNIMPLEMENTED, "tunnels (CONNECT) are not offered");
    bool streams = !end && !h->refusal.code && handler->wants_stream &&
                   handler->wants_stream(handler->context, &h->x);
    if (h->too_long && !streams)
        http2_note(h, TLY_EPAYLOAD_TOO_LARGE, "the body is larger than the limit");
    h->input_open = !end;
    if (s->s.over && exchange_admit(s->host, &s->s, &h->x, &(struct exchange_need){0})) {
        move_to_open(s, h);
        refuse_stream(s, h, CHARGE_NOT_VITAL);
        return;
    }
    if (h->refusal.code) {
        if (end)
            move_to_open(s, h);
        http2_refuse(h, h->refusal);
        return;
    }
    if (h->expects && !end)
        say_continue(s, h);
    if (end) {
        hand_over(s, h);
    } else if (streams) {
        h->x.streams_in = true;
        hand_over(s, h);
    }
}

static void request_ended(struct http2_session *s, struct http2_exchange *h)
{
    h->input_open = false;
    if (h->early) {
        h->early = false;
        s->early_count--;
    }
    if (h->refused) {
        if (h->receiving)
            move_to_open(s, h);
    } else if (h->receiving) {
        hand_over(s, h);
    } else if (h->x.on_data && h->owed) {
        h->x.on_data(&h->x, NULL, 0, true);
    }
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct http2_session *s = user;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct http2_exchange *h;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        if (end && (h = find(s, frame->hd.stream_id)))
            request_ended(s, h);
        break;
    case NGHTTP2_HEADERS:
        h = find(s, frame->hd.stream_id);
        if (h && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            request_begun(s, h, end);
        else if (h && end)
            request_ended(s, h);
        break;
    case NGHTTP2_SETTINGS:
        s->greeted = true;
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            http2_drain_seen(s);
        break;
    default:
        break;
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data,
                         size_t size, void *user)
{
    (void)ng;
    (void)flags;
    struct http2_session *s = user;
    struct http2_exchange *h = find(s, stream_id);
    if (!h || h->refused)
        return 0;
    if (!h->receiving) {
        if (h->x.on_data && h->owed)
            h->x.on_data(&h->x, data, size, false);
        return 0;
    }
    int rv = exchange_add_body(s->host, &s->s, &h->x, data, size, 0, &h->body_room);
    if (rv) {
        s->host->shed += rv != TLY_EPAYLOAD_TOO_LARGE;
        http2_refuse(h, body_refusal(rv));
    }
    return 0;
}

/* After the end of an early answer the client may stop sending its request (RFC 9113, 8.1). */
static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2_session *s = user;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        return http2_drain_said(s);
    if (s->early_count == 0 || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    const struct http2_exchange *h = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (h && h->early)
        return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t error_code, void *user)
{
    (void)error_code;
    struct http2_session *s = user;
    struct http2_exchange *h = nghttp2_session_get_stream_user_data(ng, stream_id);
    if (h)
        exchange_leave(s, h);
    return 0;
}

static int feed(struct session *base, const uint8_t *data, size_t size, size_t *taken)
{
    struct http2_session *s = http2_of(base);
    *taken = size;
    if (s->failed)
        return TLY_ECLOSED;
    s->feeding = true;
    if (s->upgraded) {
        struct http2_exchange *h = s->upgraded;
        s->upgraded = NULL;
        request_begun(s, h, true);
    }
    uint32_t reason;
    size_t sound = http2_frames_check(&s->frames, data, size, &reason);
    ssize_t rv = nghttp2_session_mem_recv(s->ng, data, sound);
    s->feeding = false;
    if (rv >= 0 && reason == NGHTTP2_NO_ERROR)
        return 0;
    s->failed = true;
    if (rv < 0)
        reason = rv == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
    (void)nghttp2_session_terminate_session(s->ng, reason);
    return TLY_ECLOSED;
}

static size_t pull(struct session *base, uint8_t *out, size_t size)
{
    struct http2_session *s = http2_of(base);
    size_t done = 0;
    while (done < size) {
        if (!s->left.len) {
            const uint8_t *frame;
            ssize_t len = nghttp2_session_mem_send(s->ng, &frame);
            if (len < 0)
                s->failed = true;
            if (len <= 0)
                break;
            s->left = (struct str){(const char *)frame, (uint32_t)len};
        }
        size_t n = s->left.len < size - done ? s->left.len : size - done;
        memcpy(out + done, s->left.p, n);
        s->left.p += n;
        s->left.len -= (uint32_t)n;
        done += n;
    }
    return done;
}

static bool idle(const struct session *base)
{
    const struct http2_session *s = http2_of_const(base);
    return s->count == 0 && s->greeted && !s->left.len && !nghttp2_session_want_write(s->ng);
}

static uint64_t receiving_since(const struct session *base)
{
    const struct http2_session *s = http2_of_const(base);
    if (!s->greeted)
        return s->created_ns;
    return s->receiving.first ? s->receiving.first->begun_ns : 0;
}

static bool unsent(const struct session *base)
{
    const struct http2_session *s = http2_of_const(base);
    return s->unsent_bytes || s->left.len;
}

/* Reading goes on, because it is what brings window updates; new streams are refused instead. */
static bool congested(const struct session *base)
{
    (void)base;
    return false;
}

static bool finished(const struct session *base)
{
    const struct http2_session *s = http2_of_const(base);
    return !s->left.len && !nghttp2_session_want_write(s->ng) &&
           (s->failed || !nghttp2_session_want_read(s->ng));
}

static void rest(struct session *base)
{
    if (idle(base))
        http2_memory_rest(http2_of(base));
}

static void close_session(struct session *base)
{
    struct http2_session *s = http2_of(base);
    nghttp2_session_del(s->ng);
    s->ng = NULL;
    while (s->receiving.first)
        exchange_leave(s, s->receiving.first);
    while (s->open.first)
        exchange_leave(s, s->open.first);
    assert(s->count == 0 && s->s.charged == 0 && s->unsent_bytes == 0 && s->large_bytes == 0);
    wire_pool_free(s->host->pool, s);
}

static const struct session_ops http2_ops = {
    .feed = feed,
    .pull = pull,
    .idle = idle,
    .receiving_since = receiving_since,
    .due = http2_due,
    .expire = http2_expire,
    .unsent = unsent,
    .congested = congested,
    .finished = finished,
    .rest = rest,
    .drain = http2_drain,
    .goodbye = http2_goodbye,
    .close = close_session,
};

static int make_options(nghttp2_option **out)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option))
        return TLY_ENO_MEMORY;
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESETS_PER_S);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_ENTRIES_MAX);
    *out = option;
    return 0;
}

static int make_callbacks(nghttp2_session_callbacks **out)
{
    nghttp2_session_callbacks *c;
    if (nghttp2_session_callbacks_new(&c))
        return TLY_ENO_MEMORY;
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, http2_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    *out = c;
    return 0;
}

static uint32_t clamp(size_t value, size_t low, size_t high)
{
    return (uint32_t)(value < low ? low : value > high ? high : value);
}

static int greet(struct http2_session *s)
{
    const struct wire_limits *limits = s->host->limits;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
         clamp(limits->body_max, WINDOW_MIN, STREAM_WINDOW_MAX)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, clamp(limits->header_bytes_max, 0, UINT32_MAX)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, entries,
                                sizeof(entries) / sizeof(entries[0])))
        return TLY_ENO_MEMORY;
    if (nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW))
        return TLY_ENO_MEMORY;
    return 0;
}

static struct http2_session *create(struct session_host *host, void *connection)
{
    nghttp2_option *option = NULL;
    nghttp2_session_callbacks *callbacks = NULL;
    struct http2_session *s = wire_pool_alloc(host->pool, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct http2_session){.s = {.ops = &http2_ops, .connection = connection},
                                .host = host,
                                .created_ns = host->now_ns};
    int rv = make_options(&option);
    if (rv == 0)
        rv = make_callbacks(&callbacks);
    nghttp2_mem memory = http2_memory(s);
    http2_frames_init(&s->frames, NGHTTP2_CLIENT_MAGIC_LEN);
    s->creating = true;
    if (rv == 0)
        rv = nghttp2_session_server_new3(&s->ng, callbacks, s, option, &memory);
    s->creating = false;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (rv == 0)
        return s;
    wire_pool_free(host->pool, s);
    return NULL;
}

struct session *http2_session_create(struct session_host *host, void *connection)
{
    struct http2_session *s = create(host, connection);
    if (!s)
        return NULL;
    if (greet(s)) {
        close_session(&s->s);
        return NULL;
    }
    return &s->s;
}

static bool copy_request(struct http2_exchange *h, const struct exchange *from)
{
    h->x.method = from->method;
    if (!http2_copy(h, &h->x.method_text, (const uint8_t *)from->method_text.p,
                    from->method_text.len) ||
        !http2_copy(h, &h->x.path, (const uint8_t *)from->path.p, from->path.len) ||
        !http2_copy(h, &h->x.query, (const uint8_t *)from->query.p, from->query.len))
        return false;
    for (int i = 0; i < HEADER_COUNT; i++) {
        struct str value = from->headers[i];
        if (value.p && !http2_copy(h, &h->x.headers[i], (const uint8_t *)value.p, value.len))
            return false;
    }
    return true;
}

struct session *http2_session_upgrade(struct session_host *host, void *connection,
                                      struct str settings, const struct exchange *request)
{
    struct http2_session *s = create(host, connection);
    if (!s)
        return NULL;
    struct http2_exchange *h = NULL;
    if (nghttp2_session_upgrade2(s->ng, (const uint8_t *)settings.p, settings.len,
                                 request->method == HTTP_HEAD, NULL) ||
        greet(s) || !(h = exchange_add(s, 1)) || !copy_request(h, request)) {
        close_session(&s->s);
        return NULL;
    }
    (void)nghttp2_session_set_stream_user_data(s->ng, 1, h);
    http2_frames_ended(&s->frames, 1);
    s->upgraded = h;
    return &s->s;
}
