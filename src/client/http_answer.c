/* http_answer.c - status line, headers, then a body by Content-Length or in chunks. Strict where it
 * decides where an answer ends; an answer that ends with the connection is not taken. */
#include "client/http_answer.h"

#include <string.h>
#include <strings.h>

#define CONTENT_LENGTH_MAX (SIZE_MAX / 4)

struct head {
    struct http_answer answer;
    size_t body_at;
    size_t content_length;
    bool has_length;
    bool chunked;
};

/* The line at `at` without CRLF; false if its end is not there. */
static bool take_line(const char *data, size_t size, size_t *at, struct str *line)
{
    const char *end = size > *at ? memchr(data + *at, '\n', size - *at) : NULL;
    if (!end)
        return false;
    size_t len = (size_t)(end - (data + *at));
    *line = (struct str){data + *at, (uint32_t)len};
    *at += len + 1;
    if (line->len > 0 && line->p[line->len - 1] == '\r')
        line->len--;
    return true;
}

static bool parse_size(struct str text, unsigned base, size_t *out)
{
    size_t value = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 99;
        if (digit >= base || value > CONTENT_LENGTH_MAX / base - 1)
            return false;
        value = value * base + digit;
    }
    *out = value;
    return text.len > 0;
}

static struct str trimmed(struct str s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool is(struct str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.p, word, text.len) == 0;
}

static bool take_header(struct head *h, struct str line)
{
    const char *colon = memchr(line.p, ':', line.len);
    if (!colon || colon == line.p)
        return false;
    struct str name = {line.p, (uint32_t)(colon - line.p)};
    struct str value = trimmed((struct str){colon + 1, line.len - name.len - 1});
    if (is(name, "content-length")) {
        if (h->has_length || !parse_size(value, 10, &h->content_length))
            return false;
        h->has_length = true;
    } else if (is(name, "transfer-encoding")) {
        if (!is(value, "chunked"))
            return false;
        h->chunked = true;
    } else if (is(name, "connection")) {
        h->answer.keep_alive = !is(value, "close");
    } else if (is(name, "content-type")) {
        h->answer.content_type = value;
    } else if (is(name, "retry-after")) {
        size_t seconds;
        if (parse_size(value, 10, &seconds) && seconds <= UINT32_MAX)
            h->answer.retry_after_s = (uint32_t)seconds;
    }
    return true;
}

static bool take_status(struct head *h, struct str line)
{
    if (line.len < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ')
        return false;
    size_t status;
    if (!parse_size((struct str){line.p + 9, 3}, 10, &status) || status < 100)
        return false;
    h->answer.status = (int)status;
    h->answer.keep_alive = line.p[7] != '0';
    return true;
}

static enum http_answer_result take_head(const char *data, size_t size, size_t at, struct head *h)
{
    struct str line;
    *h = (struct head){0};
    if (!take_line(data, size, &at, &line))
        return size - at > 64 * 1024 ? HTTP_ANSWER_BROKEN : HTTP_ANSWER_MORE;
    if (!take_status(h, line))
        return HTTP_ANSWER_BROKEN;
    while (take_line(data, size, &at, &line)) {
        if (line.len == 0) {
            h->body_at = at;
            return h->chunked && h->has_length ? HTTP_ANSWER_BROKEN : HTTP_ANSWER_COMPLETE;
        }
        if (!take_header(h, line))
            return HTTP_ANSWER_BROKEN;
    }
    return HTTP_ANSWER_MORE;
}

/* One pass that only looks (`to` NULL), one that moves the chunks together. */
static enum http_answer_result walk_chunks(const char *data, size_t size, size_t at, char *to,
                                           size_t *body_size, size_t *end)
{
    struct str line;
    size_t total = 0;
    for (;;) {
        if (!take_line(data, size, &at, &line))
            return size - at > 1024 ? HTTP_ANSWER_BROKEN : HTTP_ANSWER_MORE;
        const char *extension = memchr(line.p, ';', line.len);
        if (extension)
            line.len = (uint32_t)(extension - line.p);
        size_t chunk;
        if (!parse_size(trimmed(line), 16, &chunk))
            return HTTP_ANSWER_BROKEN;
        if (chunk == 0)
            break;
        if (size - at < chunk + 2)
            return HTTP_ANSWER_MORE;
        if (memcmp(data + at + chunk, "\r\n", 2) != 0)
            return HTTP_ANSWER_BROKEN;
        if (to)
            memmove(to + total, data + at, chunk);
        total += chunk;
        at += chunk + 2;
    }
    do {
        if (!take_line(data, size, &at, &line))
            return HTTP_ANSWER_MORE;
    } while (line.len > 0);
    *body_size = total;
    *end = at;
    return HTTP_ANSWER_COMPLETE;
}

enum http_answer_result http_answer_parse(char *data, size_t size, struct http_answer *out,
                                          size_t *used)
{
    struct head h;
    size_t start = 0;
    enum http_answer_result result;
    while ((result = take_head(data, size, start, &h)) == HTTP_ANSWER_COMPLETE &&
           h.answer.status < 200)
        start = h.body_at;
    if (result != HTTP_ANSWER_COMPLETE)
        return result;

    size_t body_size = h.content_length, end = h.body_at + h.content_length;
    if (h.chunked) {
        result = walk_chunks(data, size, h.body_at, NULL, &body_size, &end);
        if (result != HTTP_ANSWER_COMPLETE)
            return result;
        result = walk_chunks(data, size, h.body_at, data + h.body_at, &body_size, &end);
        if (result != HTTP_ANSWER_COMPLETE)
            return HTTP_ANSWER_BROKEN;
    } else if (h.answer.status == 204 || h.answer.status == 304) {
        body_size = 0;
        end = h.body_at;
    } else if (!h.has_length) {
        return HTTP_ANSWER_BROKEN;
    } else if (size - h.body_at < h.content_length) {
        return HTTP_ANSWER_MORE;
    }
    if (body_size > UINT32_MAX)
        return HTTP_ANSWER_BROKEN;
    *out = h.answer;
    out->body = (struct str){data + h.body_at, (uint32_t)body_size};
    *used = end;
    return HTTP_ANSWER_COMPLETE;
}
