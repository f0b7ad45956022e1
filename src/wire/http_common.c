/* http_common.c - see http_common.h. Nothing here fails but for want of memory or at a bound, and
 * then the exchange is as it was. */
#include "wire/http_common.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "wire/charge.h"
#include "wire/codec.h"
#include "wire/http_text.h"

enum {
    BODY_ROOM_MIN = 64 * 1024, /* bytes, of a body that does not come whole */
    ARENA_HEAD_BYTES = 64,     /* what an arena's chunk takes beside what was asked for, at most */
};

enum exchange_header header_find(const char *name, size_t len)
{
#define X(id, text)                                                                                \
    if (len == sizeof(text) - 1 && memcmp(name, text, sizeof(text) - 1) == 0)                      \
        return HEADER_##id;
    EXCHANGE_HEADERS(X)
#undef X
    return HEADER_COUNT;
}

bool header_is_single(enum exchange_header header)
{
    switch (header) {
    case HEADER_accept:
    case HEADER_te:
    case HEADER_tracestate:
    case HEADER_user_agent:
    case HEADER_COUNT:
        return false;
    default:
        return true;
    }
}

enum http_method method_find(const char *text, size_t len)
{
#define METHOD(name)                                                                               \
    if (len == sizeof(#name) - 1 && memcmp(text, #name, sizeof(#name) - 1) == 0)                   \
        return HTTP_##name;
    METHOD(POST)
    METHOD(GET)
    METHOD(HEAD)
    METHOD(PUT)
    METHOD(PATCH)
    METHOD(DELETE)
    METHOD(OPTIONS)
#undef METHOD
    return HTTP_OTHER;
}

static bool controls(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)value[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

/* The top bit of a byte is set if one of the eight may be a control. */
static inline uint64_t suspects(const char *eight)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t word;
    memcpy(&word, eight, 8);
    uint64_t delete = word ^ ones * 0x7f;
    return (((word - ones * 0x20) & ~word) | ((delete - ones) & ~delete)) & ones * 0x80;
}

/* Eight bytes at a time, the last eight perhaps twice; only where one of all looks like a control
 * are they looked at alone. */
bool header_value_valid(const char *value, size_t len)
{
    if (len < 8)
        return !controls(value, len);
    uint64_t suspect = suspects(value + len - 8);
    for (size_t i = 0; i + 8 < len; i += 8)
        suspect |= suspects(value + i);
    return !suspect || !controls(value, len);
}

const uint8_t token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b',   ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',   ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',   ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w',   ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',   ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',   ['l'] = 'l',
    ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',   ['s'] = 's',
    ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',   ['z'] = 'z',
};

/* 1: may not stand in a target. */
static const uint8_t target_bad[256] = {
    [0 ... ' '] = 1, ['"'] = 1, ['#'] = 1, ['<'] = 1, ['>'] = 1, ['\\'] = 1,
    ['^'] = 1,       ['`'] = 1, ['{'] = 1, ['|'] = 1, ['}'] = 1, [0x7f ... 0xff] = 1,
};

bool target_valid(const char *text, size_t len)
{
    uint8_t bad = 0;
    for (size_t i = 0; i < len; i++)
        bad |= target_bad[(uint8_t)text[i]];
    return !bad;
}

static bool one_of(char byte, const char *set)
{
    return byte && strchr(set, byte);
}

static bool port_valid(const char *text, size_t len)
{
    if (len > 5)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

bool authority_valid(const char *text, size_t len)
{
    size_t host = 0;
    if (len && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (!close)
            return false;
        host = (size_t)(close - text) + 1;
        for (size_t i = 1; i < host - 1; i++)
            if (!one_of(text[i], "0123456789abcdefABCDEF:."))
                return false;
        if (host == 2)
            return false;
    } else {
        while (host < len && text[host] != ':') {
            uint8_t byte = (uint8_t)text[host++];
            if (!token_lower[byte] && !one_of((char)byte, "(),;="))
                return false;
            if (byte == '#' || byte == '^' || byte == '`' || byte == '|')
                return false;
        }
    }
    if (host == 0)
        return false;
    return host == len || (text[host] == ':' && port_valid(text + host + 1, len - host - 1));
}

size_t exchange_arena_max(const struct wire_limits *limits)
{
    /* A body of many small orders grows about twelve times when it is decoded. */
    return limits->body_max * 16 + (1 << 20);
}

void exchange_set_target(struct exchange *x, struct str target)
{
    const char *mark = memchr(target.p, '?', target.len);
    x->path = target;
    x->query = (struct str){target.p + target.len, 0};
    if (mark) {
        x->path.len = (uint32_t)(mark - target.p);
        x->query = (struct str){mark + 1, target.len - x->path.len - 1};
    }
    if (!x->path.len)
        x->path = STR("/");
}

bool exchange_join_header(struct exchange *x, enum exchange_header header, struct str value)
{
    struct str old = x->headers[header];
    char *both = arena_alloc(&x->arena, (size_t)old.len + value.len + 2);
    if (!both)
        return false;
    memcpy(both, old.p, old.len);
    both[old.len] = ',';
    both[old.len + 1] = ' ';
    if (value.len)
        memcpy(both + old.len + 2, value.p, value.len);
    x->headers[header] = (struct str){both, old.len + value.len + 2};
    return true;
}

/* Eight bytes at a time. The bit that tells upper from lower case is set in all of them. */
uint64_t authority_number(const char *text, size_t len)
{
    uint64_t n = len + 1;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;
        if (len - i >= 8)
            memcpy(&word, text + i, 8);
        else
            memcpy(&word, text + i, len - i);
        n = (n ^ (word | 0x2020202020202020u)) * 0x9e3779b97f4a7c15u;
        n ^= n >> 32;
    }
    return n;
}

/* Room grows with what has come, whatever was announced, so that announcing costs nothing. */
static size_t body_room(size_t total, size_t expected, size_t body_max)
{
    size_t wanted = total * 2 > BODY_ROOM_MIN ? total * 2 : BODY_ROOM_MIN;
    if (wanted > body_max)
        wanted = body_max;
    return expected >= total && expected < wanted ? expected : wanted;
}

static int body_grow(struct session_host *host, struct session *s, struct exchange *x, size_t *room,
                     size_t wanted)
{
    void *old = (void *)(uintptr_t)x->body.p;
    if (!*room || !arena_resize(&x->arena, old, *room, wanted)) {
        size_t chunks = x->arena.chunk_bytes;
        if (wanted + ARENA_HEAD_BYTES > (size_t)(x->arena.end - x->arena.next) &&
            exchange_charge(host, s, x, BUDGET_BODY,
                            x->base + chunks + (wanted > chunks ? wanted : chunks) +
                                ARENA_HEAD_BYTES))
            return TLY_EOVERLOADED;
        char *larger = arena_alloc(&x->arena, wanted);
        exchange_settle(host, s, x, 0);
        if (!larger)
            return TLY_ENO_MEMORY;
        if (x->body.len)
            memcpy(larger, x->body.p, x->body.len);
        x->body.p = larger;
    }
    *room = wanted;
    return 0;
}

int exchange_add_body(struct session_host *host, struct session *s, struct exchange *x,
                      const void *data, size_t size, size_t expected, size_t *room)
{
    const struct wire_limits *limits = host->limits;
    size_t total = x->body.len + size;
    if (total > limits->body_max)
        return TLY_EPAYLOAD_TOO_LARGE;
    if (total > *room) {
        /* A body that comes whole takes what it needs. */
        size_t wanted =
            *room || expected > total ? body_room(total, expected, limits->body_max) : total;
        int rv = body_grow(host, s, x, room, wanted);
        if (rv)
            return rv;
    }
    if (size)
        memcpy((char *)(uintptr_t)x->body.p + x->body.len, data, size);
    x->body.len = (uint32_t)total;
    return 0;
}

struct refusal body_refusal(int code)
{
    const char *text = "out of memory";
    if (code == TLY_EPAYLOAD_TOO_LARGE)
        text = "the body is larger than the limit";
    else if (code == TLY_EOVERLOADED)
        text = "too many request bodies are under way";
    return (struct refusal){code, text};
}

struct send_block {
    struct send_block *next;
    size_t len, sent;
    uint8_t data[];
};

static uint8_t *put(uint8_t *to, struct str part)
{
    if (part.len)
        memcpy(to, part.p, part.len);
    return to + part.len;
}

bool send_queue_add(struct send_queue *q, struct wire_pool *pool, struct str before,
                    struct str data, struct str after)
{
    size_t len = (size_t)before.len + data.len + after.len;
    struct send_block *block = wire_pool_alloc(pool, sizeof(*block) + len);
    if (!block)
        return false;
    block->next = NULL;
    block->len = len;
    block->sent = 0;
    put(put(put(block->data, before), data), after);
    if (q->last)
        q->last->next = block;
    else
        q->first = block;
    q->last = block;
    q->bytes += len;
    return true;
}

size_t send_queue_take(struct send_queue *q, struct wire_pool *pool, uint8_t *out, size_t size)
{
    size_t taken = 0;
    while (q->first && taken < size) {
        struct send_block *block = q->first;
        size_t n = block->len - block->sent;
        if (n > size - taken)
            n = size - taken;
        memcpy(out + taken, block->data + block->sent, n);
        taken += n;
        block->sent += n;
        if (block->sent < block->len)
            break;
        q->first = block->next;
        if (!q->first)
            q->last = NULL;
        wire_pool_free(pool, block);
    }
    q->bytes -= taken;
    return taken;
}

void send_queue_clear(struct send_queue *q, struct wire_pool *pool)
{
    while (q->first) {
        struct send_block *block = q->first;
        q->first = block->next;
        wire_pool_free(pool, block);
    }
    *q = (struct send_queue){0};
}

/* A problem that needs no memory, for each public code. */
static struct str spare_problem(int code)
{
    switch (code) {
#define X(name, number, http, grpc, retry, text)                                                   \
    case (number):                                                                                 \
        return STR("{\"title\":\"" text "\",\"status\":" #http ",\"code\":\"" #name "\"}");
        TLY_ERRORS(X)
#undef X
    default:
        return (struct str){0};
    }
}

void refusal_response(struct response *r, struct exchange *x, const struct refusal *refusal,
                      uint32_t retry_after_s)
{
    struct failure f = {.code = error_public(refusal->code), .text = str_of(refusal->text)};
    f.retry_after_s = error_passes(f.code) ? retry_after_s : 0;
    *r = (struct response){0};
    if (x->protocol == PROTOCOL_HTTP2 && media_is_grpc(x->headers[HEADER_content_type])) {
        grpc_failure_response(r, &x->arena, &f);
    } else {
        f.instance = instance_of(x->headers[HEADER_request_id], &x->arena);
        problem_response(r, &x->arena, &f);
        if (!r->body.len)
            r->body = spare_problem(f.code);
    }
    response_identify(r, x);
}

const char *status_text(int status)
{
    switch (status) {
    case 100:
        return "Continue";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "";
    }
}
