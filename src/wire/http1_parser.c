/* http1_parser.c - happy path: a line is found with memchr in the input itself and taken apart
 * where it stands; only a line that is cut by the end of the input is collected.
 *
 * Refused: a line without CR before LF, a CR anywhere else, controls in values; a name that is
 * empty, not a token or followed by space; folded lines; Content-Length that is repeated, signed,
 * a list, not decimal, too large; Transfer-Encoding other than exactly "chunked", repeated, with
 * Content-Length or in HTTP/1.0; chunk extensions; Host missing, repeated or malformed; targets
 * with fragments or in authority form; other versions; expectations other than 100-continue;
 * whatever is beyond a limit. Refused without a word: a line of three words that is no HTTP at all,
 * because it may be meant as the preface of HTTP/2, whose reader would take an answer for a frame
 * (RFC 9113, 3.4).
 */
#include "wire/http1_parser.h"

#include <string.h>

#include "base/error.h"
#include "wire/http_text.h"

enum state {
    STATE_LINE,
    STATE_FIELD,
    STATE_BODY,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_DATA,
    STATE_CHUNK_END,
    STATE_TRAILER,
    STATE_END,
    STATE_BROKEN,
};

#define LENGTH_MAX UINT64_C(100000000000000000) /* of a body: more is not counted exactly */

enum {
    METHOD_MAX = 32, /* bytes */
    CHUNK_DIGITS_MAX = 16,
    KNOWN_NAME_MAX = 24, /* bytes; longer names are nobody's */
    BLANK_LINES_MAX = 1, /* RFC 9112, 2.2 */
    FIELD_HOST = HEADER_COUNT + 2,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_EXPECT,
    FIELD_UPGRADE,
};

void http1_parser_init(struct http1_parser *p, const struct wire_limits *limits,
                       struct wire_pool *pool)
{
    *p = (struct http1_parser){.limits = limits, .pool = pool, .state = STATE_LINE};
}

void http1_parser_close(struct http1_parser *p)
{
    wire_pool_free(p->pool, p->line);
    p->line = NULL;
    p->line_len = p->line_room = 0;
}

bool http1_parser_busy(const struct http1_parser *p)
{
    return p->state != STATE_BROKEN && (p->state != STATE_LINE || p->line_len);
}

static enum http1_event broken(struct http1_parser *p, int code, const char *text)
{
    p->state = STATE_BROKEN;
    p->refusal = (struct refusal){code, text};
    return HTTP1_BROKEN;
}

static enum http1_event bad(struct http1_parser *p, const char *text)
{
    return broken(p, TLY_EINVALID_ARGUMENT, text);
}

static enum http1_event line_too_long(struct http1_parser *p)
{
    if (p->state == STATE_LINE)
        return broken(p, TLY_ETARGET_TOO_LONG, "the request line is longer than the limit");
    return broken(p, TLY_EHEADERS_TOO_LARGE, "a header line is longer than the limit");
}

static size_t line_max(const struct http1_parser *p)
{
    switch (p->state) {
    case STATE_LINE:
        return p->limits->target_max + METHOD_MAX + 12;
    default: /* a chunk may have extensions */
        return p->limits->header_line_max + 2;
    }
}

/* Adds to the collected line. */
static bool line_keep(struct http1_parser *p, const uint8_t *data, size_t size)
{
    if (p->line_len + size > p->line_room) {
        size_t room = (p->line_len + size) * 2;
        char *larger = wire_pool_realloc(p->pool, p->line, room);
        if (!larger)
            return false;
        p->line = larger;
        p->line_room = room;
    }
    if (size)
        memcpy(p->line + p->line_len, data, size);
    p->line_len += size;
    return true;
}

/* The next line without its CRLF; valid until the next call. HTTP1_MORE, HTTP1_BROKEN, or
 * HTTP1_LINE. */
static enum http1_event next_line(struct http1_parser *p, const uint8_t **data, const uint8_t *end,
                                  struct str *line)
{
    size_t max = line_max(p);
    size_t size = (size_t)(end - *data);
    const uint8_t *feed = size ? memchr(*data, '\n', size) : NULL;
    size_t part = feed ? (size_t)(feed - *data) + 1 : size;
    if (p->line_len + part > max)
        return line_too_long(p);
    struct str whole = {(const char *)*data, (uint32_t)part};
    if (p->line_len || !feed) {
        if (!line_keep(p, *data, part))
            return broken(p, TLY_ENO_MEMORY, "out of memory");
        whole = (struct str){p->line, (uint32_t)p->line_len};
    }
    *data += part;
    if (!feed)
        return HTTP1_MORE;
    p->line_len = 0;
    if (whole.len < 2 || whole.p[whole.len - 2] != '\r')
        return bad(p, "a line does not end in CR LF");
    *line = (struct str){whole.p, whole.len - 2};
    return HTTP1_LINE;
}

/* "http://host/path" as a proxy would send it: the path is left. Without one it is "/", or "*"
 * where the server as a whole is asked for its options (RFC 9112, 3.2.4). */
static bool strip_authority(struct str *target, bool options)
{
    struct str rest = *target;
    size_t scheme = 0;
    if (rest.len > 7 && text_equal_fold((struct str){rest.p, 4}, "http"))
        scheme = memcmp(rest.p + 4, "://", 3) == 0 ? 7 : 0;
    if (!scheme && rest.len > 8 && text_equal_fold((struct str){rest.p, 5}, "https"))
        scheme = memcmp(rest.p + 5, "://", 3) == 0 ? 8 : 0;
    if (!scheme)
        return false;
    rest.p += scheme;
    rest.len -= (uint32_t)scheme;
    size_t host = 0;
    while (host < rest.len && rest.p[host] != '/' && rest.p[host] != '?')
        host++;
    if (!authority_valid(rest.p, host))
        return false;
    if (host == rest.len) {
        *target = options ? STR("*") : STR("/");
        return true;
    }
    *target = (struct str){rest.p + host, rest.len - (uint32_t)host};
    return true;
}

static enum http1_event parse_version(struct http1_parser *p, struct str text)
{
    if (text.len != 8 || memcmp(text.p, "HTTP/", 5) != 0 || text.p[6] != '.' || text.p[5] < '0' ||
        text.p[5] > '9' || text.p[7] < '0' || text.p[7] > '9')
        return bad(p, "the request line does not end in an HTTP version");
    if (text.p[5] != '1')
        return broken(p, TLY_EVERSION_NOT_SUPPORTED,
                      "the version is neither HTTP/1.1 nor HTTP/1.0");
    p->message.minor = text.p[7] != '0'; /* a later one is taken as 1.1 (RFC 9110, 2.5) */
    p->message.close = p->message.minor == 0;
    return HTTP1_LINE;
}

static enum http1_event parse_request_line(struct http1_parser *p, struct str line,
                                           struct http1_piece *piece)
{
    const char *space = memchr(line.p, ' ', line.len);
    size_t method = space ? (size_t)(space - line.p) : 0;
    if (method == 0 || method > METHOD_MAX)
        return bad(p, "the request line does not begin with a method and a space");
    for (size_t i = 0; i < method; i++)
        if (!token_lower[(uint8_t)line.p[i]])
            return bad(p, "the method is not a token");
    struct str rest = {space + 1, line.len - (uint32_t)method - 1};
    const char *second = memchr(rest.p, ' ', rest.len);
    if (!second || second == rest.p)
        return bad(p, "the request line has no target or no version");
    struct str target = {rest.p, (uint32_t)(second - rest.p)};
    struct str version = {second + 1, rest.len - target.len - 1};
    if (parse_version(p, version) == HTTP1_BROKEN) {
        if (target.p[0] != '/' && !memmem(line.p, line.len, "HTTP/", 5))
            p->refusal.code = 0;
        return HTTP1_BROKEN;
    }
    if (target.len > p->limits->target_max)
        return line_too_long(p);
    if (!target_valid(target.p, target.len))
        return bad(p, "the target holds a byte that may not stand in one");
    piece->method = (struct str){line.p, (uint32_t)method};
    if (str_equal(piece->method, STR("CONNECT")))
        return broken(p, TLY_EUNIMPLEMENTED, "tunnels (CONNECT) are not offered");
    bool options = str_equal(piece->method, STR("OPTIONS"));
    bool asterisk = options && str_equal(target, STR("*"));
    if (target.p[0] != '/' && !asterisk && !strip_authority(&target, options))
        return bad(p, "the target is neither a path nor an absolute http URI");
    piece->target = target;
    p->state = STATE_FIELD;
    return HTTP1_LINE;
}

static int field_find(const char *lower, size_t len)
{
    switch (len) {
    case 4:
        return memcmp(lower, "host", 4) == 0 ? FIELD_HOST : HEADER_COUNT;
    case 6:
        if (memcmp(lower, "expect", 6) == 0)
            return FIELD_EXPECT;
        break;
    case 7:
        return memcmp(lower, "upgrade", 7) == 0 ? FIELD_UPGRADE : HEADER_COUNT;
    case 10:
        if (memcmp(lower, "connection", 10) == 0)
            return FIELD_CONNECTION;
        break;
    case 14:
        if (memcmp(lower, "content-length", 14) == 0)
            return FIELD_CONTENT_LENGTH;
        return memcmp(lower, "http2-settings", 14) == 0 ? HTTP1_FIELD_SETTINGS : HEADER_COUNT;
    case 17:
        return memcmp(lower, "transfer-encoding", 17) == 0 ? FIELD_TRANSFER_ENCODING : HEADER_COUNT;
    default:
        break;
    }
    return (int)header_find(lower, len);
}

static enum http1_event field_length(struct http1_parser *p, struct str value)
{
    if (p->message.has_length)
        return bad(p, "Content-Length is given more than once");
    uint64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return bad(p, "Content-Length is not a decimal number");
        if (length < LENGTH_MAX)
            length = length * 10 + (uint64_t)(value.p[i] - '0');
    }
    if (value.len == 0)
        return bad(p, "Content-Length is not a decimal number");
    p->message.has_length = true;
    p->message.length = length;
    return HTTP1_FIELD;
}

static void field_connection(struct http1_parser *p, struct str value)
{
    struct str element;
    while (text_next(&value, ',', &element)) {
        if (text_equal_fold(element, "close"))
            p->message.close = true;
        else if (text_equal_fold(element, "upgrade"))
            p->message.connection_upgrade = true;
        else if (text_equal_fold(element, "http2-settings"))
            p->message.connection_settings = true;
    }
}

static void field_upgrade(struct http1_parser *p, struct str value)
{
    struct str element;
    while (text_next(&value, ',', &element))
        if (text_equal_fold(element, "h2c"))
            p->message.upgrade_h2c = true;
}

/* The headers that say how the message is to be read. */
static enum http1_event field_framing(struct http1_parser *p, int field, struct str value)
{
    struct http1_message *m = &p->message;
    switch (field) {
    case FIELD_HOST:
        if (m->host)
            return bad(p, "Host is given more than once");
        if (!authority_valid(value.p, value.len))
            return bad(p, "Host is not a host with an optional port");
        m->host = true;
        break;
    case FIELD_CONTENT_LENGTH:
        return field_length(p, value);
    case FIELD_TRANSFER_ENCODING:
        if (m->transfer)
            return bad(p, "Transfer-Encoding is given more than once");
        if (!text_equal_fold(value, "chunked"))
            return broken(p, TLY_EUNIMPLEMENTED, "Transfer-Encoding is not chunked");
        m->transfer = m->chunked = true;
        break;
    case FIELD_CONNECTION:
        field_connection(p, value);
        break;
    case FIELD_EXPECT:
        if (m->expect || !text_equal_fold(value, "100-continue"))
            return broken(p, TLY_EEXPECTATION_FAILED, "Expect is not 100-continue");
        m->expect = true;
        break;
    case FIELD_UPGRADE:
        field_upgrade(p, value);
        break;
    default:
        break;
    }
    return HTTP1_FIELD;
}

/* HTTP1_FIELD with piece->header HEADER_COUNT: nobody wants to see it. */
static enum http1_event parse_field(struct http1_parser *p, struct str line,
                                    struct http1_piece *piece)
{
    p->header_bytes += line.len + 2;
    if (++p->header_count > p->limits->header_count_max)
        return broken(p, TLY_EHEADERS_TOO_LARGE, "there are more headers than the limit");
    if (p->header_bytes > p->limits->header_bytes_max)
        return broken(p, TLY_EHEADERS_TOO_LARGE, "the headers are larger than the limit");
    char lower[KNOWN_NAME_MAX];
    size_t name = 0;
    for (; name < line.len && line.p[name] != ':'; name++) {
        uint8_t byte = token_lower[(uint8_t)line.p[name]];
        if (!byte)
            return name == 0 && (line.p[0] == ' ' || line.p[0] == '\t')
                       ? bad(p, "a header is folded over lines")
                       : bad(p, "a header name is not a token");
        if (name < KNOWN_NAME_MAX)
            lower[name] = (char)byte;
    }
    if (name == 0 || name == line.len)
        return bad(p, "a header line has no name or no colon");
    struct str value = text_trim((struct str){line.p + name + 1, line.len - (uint32_t)name - 1});
    if (!header_value_valid(value.p, value.len))
        return bad(p, "a header value holds a control character");
    piece->value = value;
    piece->header = name <= KNOWN_NAME_MAX ? field_find(lower, name) : HEADER_COUNT;
    if (p->state == STATE_TRAILER || piece->header <= HTTP1_FIELD_SETTINGS)
        return HTTP1_FIELD;
    enum http1_event event = field_framing(p, piece->header, value);
    piece->header = HEADER_COUNT;
    return event;
}

static enum http1_event head_end(struct http1_parser *p)
{
    struct http1_message *m = &p->message;
    if (m->minor == 1 && !m->host)
        return bad(p, "Host is missing");
    if (m->transfer && m->has_length)
        return bad(p, "Content-Length and Transfer-Encoding are both given");
    if (m->transfer && m->minor == 0)
        return bad(p, "Transfer-Encoding is given in HTTP/1.0");
    m->too_long = m->length > p->limits->body_max;
    m->expect_continue = m->expect && m->minor == 1 && (m->chunked || m->length);
    m->connection_h2c = m->connection_upgrade && m->connection_settings;
    p->body_left = m->length;
    p->state = m->chunked ? STATE_CHUNK_SIZE : m->length ? STATE_BODY : STATE_END;
    return HTTP1_HEAD_END;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind the size is ignored, but is bounded as headers are (RFC 9112, 7.1.1). */
static enum http1_event chunk_extensions(struct http1_parser *p, struct str text)
{
    struct str rest = text_trim(text);
    if (rest.len == 0 || rest.p[0] != ';')
        return bad(p, "a chunk does not begin with its size in hexadecimal digits");
    if (!header_value_valid(rest.p, rest.len))
        return bad(p, "a chunk extension holds a control character");
    p->header_bytes += text.len;
    if (p->header_bytes > p->limits->header_bytes_max)
        return broken(p, TLY_EHEADERS_TOO_LARGE,
                      "the chunk extensions are larger than the limit of headers");
    return HTTP1_MORE;
}

static enum http1_event parse_chunk_size(struct http1_parser *p, struct str line)
{
    uint64_t size = 0;
    uint32_t digits = 0;
    for (; digits < line.len && hex_digit(line.p[digits]) >= 0; digits++)
        size = size << 4 | (uint64_t)hex_digit(line.p[digits]);
    if (digits == 0 || digits > CHUNK_DIGITS_MAX)
        return bad(p, "a chunk does not begin with its size in hexadecimal digits");
    if (digits < line.len &&
        chunk_extensions(p, (struct str){line.p + digits, line.len - digits}) == HTTP1_BROKEN)
        return HTTP1_BROKEN;
    if (!p->unbound && (size > p->limits->body_max || p->body_total + size > p->limits->body_max))
        return broken(p, TLY_EPAYLOAD_TOO_LARGE, "the body is larger than the limit");
    p->body_total += size;
    p->body_left = size;
    p->state = size ? STATE_CHUNK_DATA : STATE_TRAILER;
    return HTTP1_MORE;
}

static enum http1_event take_body(struct http1_parser *p, const uint8_t **data, const uint8_t *end,
                                  struct http1_piece *piece)
{
    size_t size = (size_t)(end - *data);
    if (size == 0)
        return HTTP1_MORE;
    if (size > p->body_left)
        size = (size_t)p->body_left;
    piece->value = (struct str){(const char *)*data, (uint32_t)size};
    *data += size;
    p->body_left -= size;
    if (p->body_left == 0)
        p->state = p->state == STATE_BODY ? STATE_END : STATE_CHUNK_END;
    return HTTP1_BODY;
}

static enum http1_event message_end(struct http1_parser *p)
{
    struct http1_message message = p->message;
    http1_parser_close(p);
    http1_parser_init(p, p->limits, p->pool);
    p->message = message;
    return HTTP1_END;
}

/* One line of whatever the state expects; HTTP1_MORE: go on. */
static enum http1_event take_line(struct http1_parser *p, struct str line,
                                  struct http1_piece *piece)
{
    enum http1_event event = HTTP1_MORE;
    switch (p->state) {
    case STATE_LINE:
        if (line.len == 0 && p->blank_lines < BLANK_LINES_MAX) {
            p->blank_lines++;
            return HTTP1_MORE;
        }
        p->message = (struct http1_message){0};
        return parse_request_line(p, line, piece);
    case STATE_FIELD:
        if (line.len == 0)
            return head_end(p);
        event = parse_field(p, line, piece);
        return event == HTTP1_FIELD && piece->header == HEADER_COUNT ? HTTP1_MORE : event;
    case STATE_CHUNK_SIZE:
        return parse_chunk_size(p, line);
    case STATE_CHUNK_END:
        if (line.len)
            return bad(p, "a chunk is longer than its size");
        p->state = STATE_CHUNK_SIZE;
        return HTTP1_MORE;
    default:
        if (line.len)
            return parse_field(p, line, piece) == HTTP1_BROKEN ? HTTP1_BROKEN : HTTP1_MORE;
        p->state = STATE_END;
        return HTTP1_MORE;
    }
}

void http1_parser_lift_limit(struct http1_parser *p)
{
    p->unbound = true;
    p->message.too_long = false;
}

enum http1_event http1_parse(struct http1_parser *p, const uint8_t **data, const uint8_t *end,
                             struct http1_piece *piece)
{
    for (;;) {
        if (p->state == STATE_BROKEN)
            return HTTP1_BROKEN;
        if (p->state == STATE_END)
            return message_end(p);
        if (p->message.too_long)
            return broken(p, TLY_EPAYLOAD_TOO_LARGE, "the body is larger than the limit");
        if (p->state == STATE_BODY || p->state == STATE_CHUNK_DATA)
            return take_body(p, data, end, piece);
        if (p->state == STATE_LINE && !p->line_len && *data < end && !token_lower[**data] &&
            **data != '\r')
            return bad(p, "the first byte is not of an HTTP request");
        struct str line;
        enum http1_event event = next_line(p, data, end, &line);
        if (event != HTTP1_LINE)
            return event;
        event = take_line(p, line, piece);
        if (event != HTTP1_MORE)
            return event;
    }
}
