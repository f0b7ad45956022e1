/* http1_answer.c - the service's side of an HTTP/1.1 exchange, and its answer as bytes.
 *
 * Happy path: respond() writes the head into the exchange's arena and leaves the body where it is;
 * http1_answers_take() copies both out when the exchange is the oldest of its connection. Failure:
 * an answer for which there is no memory ends the connection; a header with a control character in
 * its value is left out, so that no answer can be split.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "wire/http1_session.h"

static struct http1_exchange *of(struct exchange *x)
{
    return (struct http1_exchange *)(void *)x;
}

void http1_exchange_free(struct http1_exchange *h)
{
    send_queue_clear(&h->stream, h->host->pool);
    exchange_memory_free(h->host, h->session ? &h->session->s : NULL, h, &h->x);
}

static char *put(char *to, struct str text)
{
    if (text.len)
        memcpy(to, text.p, text.len);
    return to + text.len;
}

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (n)
        *to++ = digits[--n];
    return to;
}

static char *put_header(char *to, struct str name, struct str value)
{
    if (!header_value_valid(value.p, value.len))
        return to;
    to = put(to, name);
    to = put(to, STR(": "));
    to = put(to, value);
    return put(to, STR("\r\n"));
}

static char *put_status(char *to, int status)
{
    if (status == 200)
        return put(to, STR("HTTP/1.1 200 OK\r\n"));
    if (status == 201)
        return put(to, STR("HTTP/1.1 201 Created\r\n"));
    to = put(to, STR("HTTP/1.1 "));
    to = put_number(to, (uint64_t)status);
    to = put(to, STR(" "));
    to = put(to, str_of(status_text(status)));
    return put(to, STR("\r\n"));
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

enum { HEAD_FIXED_BYTES = 256 }; /* room for what put_head writes by itself */

static size_t head_size(const struct http1_exchange *h, const struct response *r)
{
    size_t size = HEAD_FIXED_BYTES + r->content_type.len + h->host->date->len;
    for (size_t i = 0; i < r->header_count; i++)
        size += r->headers[i].name.len + r->headers[i].value.len + 4;
    return size;
}

static bool make_head(struct http1_exchange *h, const struct response *r, bool stream)
{
    char *start = arena_alloc(&h->x.arena, head_size(h, r));
    if (!start)
        return false;
    char *p = put_status(start, r->status);
    struct str date = *h->host->date;
    if (date.len)
        p = put_header(p, STR("date"), date);
    if (r->content_type.len)
        p = put_header(p, STR("content-type"), r->content_type);
    for (size_t i = 0; i < r->header_count; i++)
        p = put_header(p, r->headers[i].name, r->headers[i].value);
    if (h->chunked) {
        p = put(p, STR("transfer-encoding: chunked\r\n"));
    } else if (!stream && !r->length_unsaid && status_has_body(r->status)) {
        p = put(p, STR("content-length: "));
        p = put_number(p, r->body.len);
        p = put(p, STR("\r\n"));
    }
    if (h->close)
        p = put(p, STR("connection: close\r\n"));
    p = put(p, STR("\r\n"));
    h->head = (struct str){start, (uint32_t)(p - start)};
    return true;
}

/* Without memory for an answer the connection ends; what came before it is still sent. */
static void give_up(struct http1_exchange *h)
{
    h->close = true;
    h->head = h->body = (struct str){0};
    h->owed = false;
    h->session->closing = true;
}

static void account(struct http1_exchange *h, size_t bytes)
{
    struct http1_session *s = h->session;
    s->unsent_bytes += bytes;
    if (s->first == h && s->host->want_write)
        s->host->want_write(s->s.connection);
}

static void close_if_draining(struct http1_exchange *h)
{
    struct http1_session *s = h->session;
    if (s->draining && s->last == h)
        h->close = s->closing = true;
}

/* Before all of the request has come: the rest of it is not read, and the connection ends. */
static void leave_early(struct http1_exchange *h)
{
    struct http1_session *s = h->session;
    if (s->receiving != h)
        return;
    s->receiving = NULL;
    s->closing = h->complete = h->close = true;
    h->wants_continue = false;
}

static void respond(struct exchange *x, const struct response *r)
{
    struct http1_exchange *h = of(x);
    assert(!x->answered);
    x->answered = true;
    if (x->gone) {
        http1_exchange_free(h);
        return;
    }
    leave_early(h);
    close_if_draining(h);
    if (!make_head(h, r, false))
        give_up(h);
    else if (x->method != HTTP_HEAD && status_has_body(r->status))
        h->body = r->body;
    h->owed = false;
    exchange_settle(h->host, &h->session->s, x, 0);
    account(h, (size_t)h->head.len + h->body.len);
}

static void stream_open(struct exchange *x, const struct response *head)
{
    struct http1_exchange *h = of(x);
    assert(!x->answered);
    x->answered = true;
    if (x->gone)
        return;
    leave_early(h);
    close_if_draining(h);
    h->chunked = h->minor == 1;
    if (!make_head(h, head, true)) {
        give_up(h);
        h->owed = true; /* until the stream is ended */
        return;
    }
    exchange_settle(h->host, &h->session->s, x, 0);
    account(h, h->head.len);
}

static int stream_write(struct exchange *x, const void *data, size_t size)
{
    struct http1_exchange *h = of(x);
    if (x->gone)
        return TLY_ECLOSED;
    if (x->method == HTTP_HEAD || size == 0)
        return 0;
    struct http1_session *s = h->session;
    if (h->stream.bytes && h->stream.bytes + size > s->host->limits->stream_buffer_max)
        return TLY_EFULL;
    if (exchange_charge(s->host, &s->s, x, BUDGET_BODY, x->charged + size + STREAM_BLOCK_BYTES))
        return TLY_EFULL;
    char line[20];
    struct str before = {line, 0}, after = {line, 0};
    if (h->chunked) {
        before.len = (uint32_t)snprintf(line, sizeof(line), "%zx\r\n", size);
        after = STR("\r\n");
    }
    size_t bytes = h->stream.bytes;
    if (!send_queue_add(&h->stream, h->host->pool, before, (struct str){data, (uint32_t)size},
                        after)) {
        exchange_settle(s->host, &s->s, x, h->stream.bytes);
        return TLY_EFULL;
    }
    account(h, h->stream.bytes - bytes);
    return 0;
}

static void stream_end(struct exchange *x, const struct header *trailers, size_t trailer_count)
{
    (void)trailers; /* HTTP/2 only */
    (void)trailer_count;
    struct http1_exchange *h = of(x);
    if (x->gone) {
        http1_exchange_free(h);
        return;
    }
    size_t bytes = h->stream.bytes;
    if (h->chunked && x->method != HTTP_HEAD && h->owed &&
        !send_queue_add(&h->stream, h->host->pool, STR("0\r\n\r\n"), STR(""), STR(""))) {
        h->close = true; /* the client sees that the end is missing */
        h->session->closing = true;
    }
    h->owed = false;
    account(h, h->stream.bytes - bytes);
}

const struct exchange_ops http1_exchange_ops = {
    .respond = respond,
    .stream_open = stream_open,
    .stream_write = stream_write,
    .stream_end = stream_end,
};

static size_t take(struct str *from, uint8_t *out, size_t size)
{
    size_t n = from->len < size ? from->len : size;
    if (n == 0) /* then there may be no text to point into */
        return 0;
    memcpy(out, from->p, n);
    from->p += n;
    from->len -= (uint32_t)n;
    return n;
}

static void drop_first(struct http1_session *s)
{
    struct http1_exchange *h = s->first;
    s->first = h->next;
    if (!s->first)
        s->last = NULL;
    s->count--;
    if (s->receiving == h)
        s->receiving = NULL;
    http1_exchange_free(h);
}

size_t http1_answers_take(struct http1_session *s, uint8_t *out, size_t size)
{
    size_t taken = 0;
    while (s->first && !s->ended) {
        struct http1_exchange *h = s->first;
        if (h->wants_continue && !h->x.answered) {
            static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
            if (size - taken < sizeof(interim) - 1)
                break;
            memcpy(out + taken, interim, sizeof(interim) - 1);
            taken += sizeof(interim) - 1;
            h->wants_continue = false;
        }
        if (!h->x.answered)
            break;
        size_t before = taken;
        taken += take(&h->head, out + taken, size - taken);
        taken += take(&h->body, out + taken, size - taken);
        if (!h->head.len && h->stream.bytes) {
            taken += send_queue_take(&h->stream, h->host->pool, out + taken, size - taken);
            exchange_settle(h->host, &s->s, &h->x, h->stream.bytes);
        }
        s->unsent_bytes -= taken - before;
        if (h->owed || h->head.len || h->body.len || h->stream.bytes)
            break;
        s->ended = h->close;
        drop_first(s);
    }
    return taken;
}
