/* http2_headers.c - a request's headers, one at a time as nghttp2 gives them, into its exchange.
 *
 * Happy path: what somebody looks at is copied into the arena. Failure: the first thing that is
 * wrong is noted, the rest of the headers is still read, and the session answers at their end.
 */
#include <string.h>

#include "wire/http2_session.h"
#include "wire/http_text.h"

void http2_note(struct http2_exchange *h, int code, const char *text)
{
    if (!h->refusal.code)
        h->refusal = (struct refusal){code, text};
}

bool http2_copy(struct http2_exchange *h, struct str *to, const uint8_t *p, size_t len)
{
    const char *value = arena_copy(&h->x.arena, (const char *)p, len);
    if (!value) {
        http2_note(h, TLY_ENO_MEMORY, "out of memory");
        return false;
    }
    *to = (struct str){value, (uint32_t)len};
    if (exchange_charge_arena(h->host, &h->session->s, &h->x))
        return true;
    h->host->shed++;
    http2_note(h, TLY_EOVERLOADED, "too many requests are under way");
    return false;
}

/* nghttp2 has checked which pseudo headers there are, and how often. */
static void pseudo_header(struct http2_session *s, struct http2_exchange *h, const uint8_t *name,
                          size_t name_len, const uint8_t *value, size_t len)
{
    if (name_len == 5 && memcmp(name, ":path", 5) == 0) {
        struct str target;
        if (len > s->host->limits->target_max)
            http2_note(h, TLY_ETARGET_TOO_LONG, "the target is longer than the limit");
        else if (!target_valid((const char *)value, len))
            http2_note(h, TLY_EINVALID_ARGUMENT,
                       "the target holds a byte that may not stand in one");
        else if (http2_copy(h, &target, value, len))
            exchange_set_target(&h->x, target);
    } else if (name_len == 7 && memcmp(name, ":method", 7) == 0) {
        h->x.method = (uint8_t)method_find((const char *)value, len);
        if (h->x.method == HTTP_POST)
            h->x.method_text = STR("POST");
        else
            (void)http2_copy(h, &h->x.method_text, value, len);
    } else if (name_len == 10 && memcmp(name, ":authority", 10) == 0) {
        h->authority = authority_number((const char *)value, len);
        /* On one connection it is nearly always the same. */
        if (h->authority != s->authority && !authority_valid((const char *)value, len))
            http2_note(h, TLY_EINVALID_ARGUMENT, ":authority is not a host with an optional port");
        else
            s->authority = h->authority;
    }
}

/* Headers that the session itself heeds. */
static void session_header(struct http2_session *s, struct http2_exchange *h, struct str name,
                           struct str value)
{
    if (str_equal(name, STR("expect"))) {
        if (!text_equal_fold(value, "100-continue"))
            http2_note(h, TLY_EEXPECTATION_FAILED, "Expect is not 100-continue");
        h->expects = true;
    } else if (str_equal(name, STR("host"))) {
        /* A request that names two hosts is malformed (RFC 9113, 8.3.1). */
        if (!authority_valid(value.p, value.len))
            http2_note(h, TLY_EINVALID_ARGUMENT, "Host is not a host with an optional port");
        else if (h->authority && h->authority != authority_number(value.p, value.len))
            http2_note(h, TLY_EINVALID_ARGUMENT, "Host and :authority are not the same");
    } else if (str_equal(name, STR("content-length"))) {
        /* nghttp2 has checked that it is a number, and checks that it is the body's. */
        size_t digits = 0;
        while (digits < value.len && value.p[digits] == '0')
            digits++;
        uint64_t length = value.len - digits > 18 ? UINT64_MAX : 0;
        for (; length != UINT64_MAX && digits < value.len; digits++)
            length = length * 10 + (uint64_t)(value.p[digits] - '0');
        h->too_long = length > s->host->limits->body_max;
    }
}

int http2_on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                    void *user)
{
    (void)ng;
    (void)flags;
    struct http2_session *s = user;
    struct http2_exchange *h = s->current;
    const struct wire_limits *limits = s->host->limits;
    if (!h || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    h->header_bytes += name_len + value_len;
    h->header_count++;
    if (h->header_bytes > limits->header_bytes_max * 4)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (name[0] == ':') {
        pseudo_header(s, h, name, name_len, value, value_len);
        return 0;
    }
    if (h->header_count > limits->header_count_max || h->header_bytes > limits->header_bytes_max ||
        name_len + value_len + 2 > limits->header_line_max) {
        http2_note(h, TLY_EHEADERS_TOO_LARGE, "the headers are larger than the limit");
        return 0;
    }
    enum exchange_header header = header_find((const char *)name, name_len);
    struct str text = {(const char *)value, (uint32_t)value_len};
    if (header == HEADER_COUNT)
        session_header(s, h, (struct str){(const char *)name, (uint32_t)name_len}, text);
    else if (!h->x.headers[header].p)
        (void)http2_copy(h, &h->x.headers[header], value, value_len);
    else if (header_is_single(header))
        http2_note(h, TLY_EINVALID_ARGUMENT, "a header that may come once is given more than once");
    else if (!exchange_join_header(&h->x, header, text))
        http2_note(h, TLY_ENO_MEMORY, "out of memory");
    return 0;
}
