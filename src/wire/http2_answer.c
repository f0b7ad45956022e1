/* http2_answer.c - the service's side of an HTTP/2 exchange, and its answer as frames.
 *
 * Happy path: respond() submits the HEADERS with names and values where they lie, which is in the
 * exchange's arena or static; nghttp2 asks for the body when there is window for it, and gets the
 * trailers with its end. Failure: an answer for which there is no memory resets its stream; a
 * header with a control character in its value is left out.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "wire/http2_session.h"

static struct http2_exchange *of(struct exchange *x)
{
    return (struct http2_exchange *)(void *)x;
}

void http2_exchange_free(struct http2_exchange *h)
{
    send_queue_clear(&h->stream, h->host->pool);
    exchange_memory_free(h->host, h->session ? &h->session->s : NULL, h, &h->x);
}

static void wake(struct http2_session *s)
{
    if (!s->feeding && s->host->want_write)
        s->host->want_write(s->s.connection);
}

static void reset(struct http2_exchange *h, uint32_t error_code)
{
    /* It can only fail for want of memory, and then the stream ends with the connection. */
    (void)nghttp2_submit_rst_stream(h->session->ng, NGHTTP2_FLAG_NONE, h->stream_id, error_code);
    wake(h->session);
}

struct nv_list {
    nghttp2_nv nv[HTTP2_NV_MAX];
    size_t count;
};

static void nv_add(struct nv_list *list, struct str name, struct str value, uint8_t flags)
{
    assert(list->count < HTTP2_NV_MAX);
    list->nv[list->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.p,
        .value = (uint8_t *)(uintptr_t)value.p,
        .namelen = name.len,
        .valuelen = value.len,
        .flags = flags | NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

/* Values that are new each time are kept out of the compression table. */
static uint8_t index_flag(struct str name)
{
    return str_equal(name, STR("x-request-id")) || str_equal(name, STR("traceparent"))
               ? NGHTTP2_NV_FLAG_NO_INDEX
               : NGHTTP2_NV_FLAG_NONE;
}

static void nv_add_headers(struct nv_list *list, const struct header *headers, size_t count)
{
    assert(count <= RESPONSE_HEADERS_MAX);
    for (size_t i = 0; i < count; i++)
        if (header_value_valid(headers[i].value.p, headers[i].value.len))
            nv_add(list, headers[i].name, headers[i].value, index_flag(headers[i].name));
}

static bool number_text(struct arena *a, uint64_t number, struct str *out)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    const char *p = arena_copy(a, text, (size_t)n);
    *out = (struct str){p, (uint32_t)n};
    return p != NULL;
}

static bool nv_add_status(struct nv_list *list, struct arena *a, int status)
{
    struct str text = STR("200");
    if (status == 201)
        text = STR("201");
    else if (status != 200 && !number_text(a, (uint64_t)status, &text))
        return false;
    nv_add(list, STR(":status"), text, 0);
    return true;
}

/* Header names and values of the answer's first frame. `stream`: its length is not known. */
static bool make_head(struct http2_exchange *h, const struct response *r, bool stream,
                      struct nv_list *list)
{
    list->count = 0;
    if (!nv_add_status(list, &h->x.arena, r->status))
        return false;
    if (r->content_type.len)
        nv_add(list, STR("content-type"), r->content_type, 0);
    bool grpc = r->content_type.len >= 16 && memcmp(r->content_type.p, "application/grpc", 16) == 0;
    if (!grpc) {
        /* The date is replaced once a second while the frame waits: it is copied. */
        struct str date = *h->host->date;
        if (date.len) {
            const char *copy = arena_copy(&h->x.arena, date.p, date.len);
            if (!copy)
                return false;
            nv_add(list, STR("date"), (struct str){copy, date.len}, 0);
        }
        struct str length;
        if (!stream && !r->length_unsaid && r->status != 204 && r->status != 304) {
            if (!number_text(&h->x.arena, r->body.len, &length))
                return false;
            nv_add(list, STR("content-length"), length, 0);
        }
    }
    nv_add_headers(list, r->headers, r->header_count);
    if (r->trailers_only)
        nv_add_headers(list, r->trailers, r->trailer_count);
    return true;
}

static void submit_trailers(struct http2_exchange *h)
{
    struct nv_list list;
    list.count = 0;
    nv_add_headers(&list, h->trailers, h->trailer_count);
    if (nghttp2_submit_trailer(h->session->ng, h->stream_id, list.nv, list.count))
        reset(h, NGHTTP2_INTERNAL_ERROR);
}

static bool keep_trailers(struct http2_exchange *h, const struct header *trailers, size_t count)
{
    if (count == 0)
        return true;
    assert(count <= RESPONSE_HEADERS_MAX);
    h->trailers = arena_alloc(&h->x.arena, count * sizeof(*trailers));
    if (!h->trailers)
        return false;
    memcpy(h->trailers, trailers, count * sizeof(*trailers));
    h->trailer_count = (uint8_t)count;
    return true;
}

static ssize_t read_body(nghttp2_session *ng, int32_t stream_id, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)ng;
    (void)stream_id;
    struct http2_exchange *h = source->ptr;
    struct http2_session *s = user;
    size_t n = 0;
    bool end;
    if (h->streaming) {
        n = send_queue_take(&h->stream, h->host->pool, out, size);
        exchange_settle(h->host, &s->s, &h->x, h->stream.bytes);
        end = h->ended && !h->stream.bytes;
        if (end && h->truncated && n == 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        end = end && !h->truncated;
        if (n == 0 && !end) {
            h->deferred = true;
            return NGHTTP2_ERR_DEFERRED;
        }
    } else {
        n = h->body.len < size ? h->body.len : size;
        if (n) { /* else there may be no text to point into */
            memcpy(out, h->body.p, n);
            h->body.p += n;
            h->body.len -= (uint32_t)n;
        }
        end = h->body.len == 0;
    }
    s->unsent_bytes -= n;
    http2_note_waiting(s, h);
    if (!s->unsent_bytes)
        s->sending_since_ns = 0;
    if (end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (h->trailer_count) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(h);
        }
    }
    return (ssize_t)n;
}

/* An answer to a request of which the rest has not come. */
static void note_early(struct http2_exchange *h)
{
    if (h->input_open) {
        h->early = true;
        h->session->early_count++;
    }
}

static void respond(struct exchange *x, const struct response *r)
{
    struct http2_exchange *h = of(x);
    assert(!x->answered);
    x->answered = true;
    h->owed = false;
    if (x->gone) {
        http2_exchange_free(h);
        return;
    }
    struct nv_list list;
    if (!make_head(h, r, false, &list)) {
        reset(h, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    note_early(h);
    nghttp2_data_provider provider = {.source.ptr = h, .read_callback = read_body};
    bool trailers = r->trailer_count && !r->trailers_only;
    bool body = !r->trailers_only && x->method != HTTP_HEAD && r->status != 204 &&
                r->status != 304 && (r->body.len || trailers);
    if (body) {
        h->body = r->body;
        h->session->unsent_bytes += r->body.len;
        http2_note_waiting(h->session, h);
        if (!keep_trailers(h, r->trailers, r->trailer_count)) {
            reset(h, NGHTTP2_INTERNAL_ERROR);
            return;
        }
    }
    if (nghttp2_submit_response(h->session->ng, h->stream_id, list.nv, list.count,
                                body ? &provider : NULL)) {
        reset(h, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    exchange_settle(h->host, &h->session->s, x, 0);
    wake(h->session);
}

static void stream_open(struct exchange *x, const struct response *head)
{
    struct http2_exchange *h = of(x);
    assert(!x->answered);
    x->answered = true;
    h->streaming = true;
    if (x->gone)
        return;
    struct nv_list list;
    nghttp2_data_provider provider = {.source.ptr = h, .read_callback = read_body};
    if (!make_head(h, head, true, &list) ||
        nghttp2_submit_response(h->session->ng, h->stream_id, list.nv, list.count,
                                x->method == HTTP_HEAD ? NULL : &provider)) {
        reset(h, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    exchange_settle(h->host, &h->session->s, x, 0);
    wake(h->session);
}

static void resume(struct http2_exchange *h)
{
    if (h->deferred) {
        h->deferred = false;
        /* Fails only if the stream is being reset, and then there is nothing to resume. */
        (void)nghttp2_session_resume_data(h->session->ng, h->stream_id);
    }
    wake(h->session);
}

static int stream_write(struct exchange *x, const void *data, size_t size)
{
    struct http2_exchange *h = of(x);
    if (x->gone)
        return TLY_ECLOSED;
    if (x->method == HTTP_HEAD || size == 0)
        return 0;
    struct http2_session *s = h->session;
    if (h->stream.bytes && h->stream.bytes + size > s->host->limits->stream_buffer_max)
        return TLY_EFULL;
    if (exchange_charge(s->host, &s->s, x, BUDGET_BODY, x->charged + size + STREAM_BLOCK_BYTES))
        return TLY_EFULL;
    struct str none = {NULL, 0};
    bool waited = h->stream.bytes;
    if (!send_queue_add(&h->stream, h->host->pool, none, (struct str){data, (uint32_t)size},
                        none)) {
        exchange_settle(s->host, &s->s, x, h->stream.bytes);
        return TLY_EFULL;
    }
    s->unsent_bytes += size;
    if (!waited)
        http2_note_waiting(s, h);
    resume(h);
    return 0;
}

static void stream_end(struct exchange *x, const struct header *trailers, size_t trailer_count)
{
    struct http2_exchange *h = of(x);
    h->ended = true;
    h->owed = false;
    if (x->gone) {
        http2_exchange_free(h);
        return;
    }
    note_early(h);
    for (size_t i = 0; i < trailer_count; i++) {
        /* What the service gives here need not outlive the call. */
        struct header copy = trailers[i];
        copy.name.p = arena_copy(&x->arena, trailers[i].name.p, trailers[i].name.len);
        copy.value.p = arena_copy(&x->arena, trailers[i].value.p, trailers[i].value.len);
        if (i == 0 && !keep_trailers(h, trailers, trailer_count))
            h->truncated = true;
        if (h->truncated || !copy.name.p || !copy.value.p) {
            h->truncated = true;
            break;
        }
        h->trailers[i] = copy;
    }
    resume(h);
}

const struct exchange_ops http2_exchange_ops = {
    .respond = respond,
    .stream_open = stream_open,
    .stream_write = stream_write,
    .stream_end = stream_end,
};
