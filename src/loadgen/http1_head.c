/* The head of a response, read strictly, since with pipelining a doubt about where a response ends
 * would give answers to the wrong calls: no folded lines, no two lengths, no coding but chunked, no
 * bare line feeds.
 */
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "loadgen/http1_head.h"

static bool is(struct str text, struct str lower)
{
    return text.len == lower.len && strncasecmp(text.p, lower.p, text.len) == 0;
}

static struct str trimmed(struct str s)
{
    while (s.len > 0 && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Whether the comma-separated list names it. */
static bool lists(struct str list, struct str lower)
{
    while (list.len > 0) {
        const char *comma = memchr(list.p, ',', list.len);
        uint32_t n = comma ? (uint32_t)(comma - list.p) : list.len;
        if (is(trimmed((struct str){list.p, n}), lower))
            return true;
        n += comma != NULL;
        list = (struct str){list.p + n, list.len - n};
    }
    return false;
}

/* "HTTP/1.1 200 OK"; the reason is optional, the space before it is not always sent. */
static int read_status(struct str line, struct http1_head *out)
{
    enum { DIGITS = 9, SIZE = 12 };
    const char *p = line.p;
    if (line.len < SIZE || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') ||
        p[8] != ' ' || (line.len > SIZE && p[SIZE] != ' '))
        return TLY_ECORRUPT;
    for (int i = DIGITS; i < SIZE; i++) {
        if (p[i] < '0' || p[i] > '9')
            return TLY_ECORRUPT;
        out->status = out->status * 10 + (unsigned)(p[i] - '0');
    }
    out->close = p[7] == '0'; /* unless it says keep-alive */
    return out->status >= 100 ? 0 : TLY_ECORRUPT;
}

static int read_length(struct str value, struct http1_head *out)
{
    enum { DIGITS_MAX = 18 };
    uint64_t n = 0;
    if (value.len == 0 || value.len > DIGITS_MAX)
        return TLY_ECORRUPT;
    for (uint32_t i = 0; i < value.len; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return TLY_ECORRUPT;
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    if (out->has_length && out->length != n)
        return TLY_ECORRUPT;
    out->has_length = true;
    out->length = n;
    return 0;
}

static int read_field(struct str line, struct http1_head *out)
{
    const char *colon = memchr(line.p, ':', line.len);
    if (!colon || colon == line.p || colon[-1] == ' ' || colon[-1] == '\t' || *line.p == ' ' ||
        *line.p == '\t')
        return TLY_ECORRUPT;
    struct str name = {line.p, (uint32_t)(colon - line.p)};
    struct str value = trimmed((struct str){colon + 1, line.len - name.len - 1});
    switch (name.len) {
    case sizeof "connection" - 1:
        if (is(name, STR("connection"))) {
            if (lists(value, STR("close")))
                out->close = true;
            else if (lists(value, STR("keep-alive")))
                out->close = false;
        }
        break;
    case sizeof "content-length" - 1:
        if (is(name, STR("content-length")))
            return read_length(value, out);
        break;
    case sizeof "transfer-encoding" - 1:
        if (is(name, STR("transfer-encoding"))) {
            if (out->chunked || !is(value, STR("chunked")))
                return TLY_ECORRUPT;
            out->chunked = true;
        }
        break;
    case sizeof "idempotent-replayed" - 1:
        if (is(name, STR("idempotent-replayed")))
            out->replayed = is(value, STR("true"));
        break;
    default:
        break;
    }
    return 0;
}

int http1_head_read(const uint8_t *bytes, size_t size, struct http1_head *out)
{
    const char *at = (const char *)bytes, *end = at + size;
    bool first = true;
    *out = (struct http1_head){0};
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        if (!feed || feed == at || feed[-1] != '\r')
            return TLY_ECORRUPT;
        struct str line = {at, (uint32_t)(feed - at - 1)};
        at = feed + 1;
        if (line.len == 0)
            break;
        if (memchr(line.p, '\r', line.len))
            return TLY_ECORRUPT;
        int rv = first ? read_status(line, out) : read_field(line, out);
        if (rv)
            return rv;
        first = false;
    }
    return first || at != end || (out->chunked && out->has_length) ? TLY_ECORRUPT : 0;
}
