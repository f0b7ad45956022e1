/* JSON over HTTP/1.1, with as many calls pipelined as the target has streams.
 *
 * Calls stand in a ring in the order in which they were submitted; requests are written from them
 * straight into the owner's buffer, answers are read where they lie in the input. Only what is cut
 * by the end of the input is kept, in a buffer that goes when nothing is under way.
 *
 * What can go wrong: bytes that are no response to a call, or one whose end cannot be known, are
 * TLY_ECORRUPT, and so is one that is larger than any that the contract allows. After a response
 * that says "Connection: close", or one to a request of which a part is still to be sent, the
 * others are answered with ANSWER_CLOSED: nothing will come for them.
 */
#include <stdlib.h>

#include "loadgen/http1_head.h"
#include "loadgen/json_message.h"

enum {
    RING_FIRST = 1,
    BUFFER_FIRST = 512,
    BUFFER_KEPT_MAX = 4096, /* between calls that are under way */
    CHUNK_LINE_MAX = 256,
    /* Bounds of a body: far more than any that the contract allows. */
    BODY_MAX = 1 << 20,
    OUTCOME_MAX = 4096,
    OUTCOMES_ON_STACK = 64,
};

enum state { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS };

struct protocol_session {
    const struct protocol_target *target;
    protocol_answered_fn *answered;
    void *owner;
    struct call **ring;
    uint32_t ring_size, first, count; /* of the calls under way; ring_size is a power of two */
    /* Requests that are sent, and how far the next one is: a piece of it, bytes of that. */
    uint32_t sent, piece, piece_sent;
    enum state state;
    bool broken;
    struct protocol_counts counts;
    struct http1_head head;
    uint64_t left;           /* of the body or the chunk */
    uint32_t line, trailers; /* bytes of the chunk's or trailer's line so far, of all trailers */
    uint8_t last;            /* byte before in such a line */
    bool extension;          /* after the chunk's size */
    uint8_t *buffer;         /* a head or a body that is not complete */
    size_t buffer_size, buffer_capacity;
};

static struct call *call_at(const struct protocol_session *s, uint32_t n)
{
    return s->ring[(s->first + n) & (s->ring_size - 1)];
}

/* ---- requests ---- */

static int grow_ring(struct protocol_session *s)
{
    uint32_t size = s->ring_size ? 2 * s->ring_size : RING_FIRST;
    struct call **larger = malloc(size * sizeof(struct call *));
    if (!larger)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        larger[i] = call_at(s, i);
    free(s->ring);
    s->ring = larger;
    s->ring_size = size;
    s->first = 0;
    return 0;
}

static int http1_submit(struct protocol_session *s, struct call *call)
{
    if (s->broken || s->counts.goaway)
        return TLY_ECLOSED;
    if (s->count >= s->target->streams)
        return TLY_EFULL;
    if (s->count == s->ring_size) {
        int rv = grow_ring(s);
        if (rv)
            return rv;
    }
    s->ring[(s->first + s->count++) & (s->ring_size - 1)] = call;
    return 0;
}

/* Writes of the request that is next, up to `size` bytes. */
static size_t write_piece(struct protocol_session *s, uint8_t *out, size_t size)
{
    uint8_t spare[JSON_PIECE_MAX];
    const struct call *call = call_at(s, s->sent);
    bool direct = s->piece_sent == 0 && size >= JSON_PIECE_MAX;
    size_t whole = json_request_write(call, s->target, s->piece, direct ? out : spare);
    size_t n = whole - s->piece_sent < size ? whole - s->piece_sent : size;
    if (!direct)
        memcpy(out, spare + s->piece_sent, n);
    s->piece_sent += (uint32_t)n;
    if (s->piece_sent == whole) {
        s->piece_sent = 0;
        s->piece++;
    }
    if (s->piece == json_request_pieces(call)) {
        s->piece = 0;
        s->sent++;
    }
    return n;
}

static ssize_t http1_output(struct protocol_session *s, uint8_t *out, size_t size)
{
    size_t done = 0;
    if (s->broken)
        return TLY_ECLOSED;
    while (done < size && s->sent < s->count)
        done += write_piece(s, out + done, size - done);
    return (ssize_t)done;
}

/* ---- answers ---- */

static int keep(struct protocol_session *s, const uint8_t *bytes, size_t size)
{
    size_t capacity = s->buffer_capacity ? s->buffer_capacity : BUFFER_FIRST;
    while (capacity - s->buffer_size < size)
        capacity *= 2;
    if (capacity > s->buffer_capacity) {
        uint8_t *larger = realloc(s->buffer, capacity);
        if (!larger)
            return TLY_ENO_MEMORY;
        s->buffer = larger;
        s->buffer_capacity = capacity;
    }
    memcpy(s->buffer + s->buffer_size, bytes, size);
    s->buffer_size += size;
    return 0;
}

static void empty_buffer(struct protocol_session *s)
{
    s->buffer_size = 0;
    if (s->count > 0 && s->buffer_capacity <= BUFFER_KEPT_MAX)
        return;
    free(s->buffer);
    s->buffer = NULL;
    s->buffer_capacity = 0;
}

static void answer_all(struct protocol_session *s, enum answer_code code)
{
    while (s->count > 0) {
        struct call *call = call_at(s, 0);
        s->first++;
        s->count--;
        s->answered(s->owner, call, &(struct answer){.code = code});
    }
    s->sent = s->piece = s->piece_sent = 0;
}

static void read_answer(const struct protocol_session *s, const struct call *call,
                        const uint8_t *body, size_t size, struct batch_outcome *outcomes,
                        struct answer *out)
{
    if (s->head.status >= 300) {
        out->code = json_problem_read(body, size, s->head.status, call->kind);
        return;
    }
    json_message_read(body, size, s->target, call, outcomes, out);
    out->replayed |= s->head.replayed && out->code == ANSWER_OK;
}

/* A response is complete. */
static int finish(struct protocol_session *s, const uint8_t *body, size_t size)
{
    struct batch_outcome few[OUTCOMES_ON_STACK], *outcomes = few;
    struct call *call = call_at(s, 0);
    struct answer answer = {0};
    bool shut = s->head.close || s->sent == 0;
    if (call->kind == CALL_RESERVE_BATCH && call->batch > OUTCOMES_ON_STACK) {
        outcomes = malloc(call->batch * sizeof *outcomes);
        if (!outcomes)
            return TLY_ENO_MEMORY;
    }
    read_answer(s, call, body, size, outcomes, &answer);
    s->state = HEAD;
    s->first++;
    s->count--;
    s->sent -= s->sent > 0;
    s->counts.goaway |= shut;
    s->answered(s->owner, call, &answer);
    if (outcomes != few)
        free(outcomes);
    empty_buffer(s);
    if (shut)
        answer_all(s, ANSWER_CLOSED);
    return 0;
}

static size_t body_max(const struct call *call)
{
    return BODY_MAX + (call->kind == CALL_RESERVE_BATCH ? (size_t)call->batch * OUTCOME_MAX : 0);
}

static void start_line(struct protocol_session *s, enum state state)
{
    s->state = state;
    s->line = s->last = 0;
    s->extension = false;
    if (state == CHUNK_SIZE)
        s->left = 0;
}

/* What follows the head that was just read. */
static int after_head(struct protocol_session *s)
{
    enum { SWITCHING_PROTOCOLS = 101, FIRST_FINAL = 200, NO_CONTENT = 204, NOT_MODIFIED = 304 };
    const struct http1_head *h = &s->head;
    if (h->status == SWITCHING_PROTOCOLS)
        return TLY_ECORRUPT;
    if (h->status < FIRST_FINAL)
        return 0; /* the response is still to come */
    if (h->status == NO_CONTENT || h->status == NOT_MODIFIED)
        return finish(s, NULL, 0);
    s->trailers = 0;
    if (h->chunked) {
        start_line(s, CHUNK_SIZE);
        return 0;
    }
    if (!h->has_length || h->length > body_max(call_at(s, 0)))
        return TLY_ECORRUPT;
    if (h->length == 0)
        return finish(s, NULL, 0);
    s->left = h->length;
    s->state = BODY;
    return 0;
}

/* The size up to and with the empty line; 0: it is not there. Nothing before `from` is its end. */
static size_t head_size(const uint8_t *bytes, size_t size, size_t from)
{
    const uint8_t *end = size > from ? memmem(bytes + from, size - from, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - bytes) + 4 : 0;
}

static int read_head(struct protocol_session *s, const uint8_t **at, const uint8_t *end)
{
    size_t there = (size_t)(end - *at), kept = s->buffer_size, size;
    int rv;
    if (s->count == 0 || (s->sent == 0 && s->piece == 0 && s->piece_sent == 0))
        return TLY_ECORRUPT; /* nobody asked */
    if (kept == 0) {
        size = head_size(*at, there, 0);
        if (size > 0) {
            rv = size > HTTP1_HEAD_MAX ? TLY_ECORRUPT : http1_head_read(*at, size, &s->head);
            *at += size;
            return rv ? rv : after_head(s);
        }
    }
    if (there > HTTP1_HEAD_MAX - kept)
        there = HTTP1_HEAD_MAX - kept;
    if (there == 0)
        return TLY_ECORRUPT;
    rv = keep(s, *at, there);
    if (rv)
        return rv;
    size = head_size(s->buffer, s->buffer_size, kept < 3 ? 0 : kept - 3);
    *at += size ? size - kept : there;
    if (size == 0)
        return 0;
    rv = http1_head_read(s->buffer, size, &s->head);
    empty_buffer(s);
    return rv ? rv : after_head(s);
}

static int read_body(struct protocol_session *s, const uint8_t **at, const uint8_t *end)
{
    size_t there = (size_t)(end - *at);
    const uint8_t *start = *at;
    bool whole = there >= s->left;
    size_t n = whole ? (size_t)s->left : there;
    *at += n;
    if (whole && s->buffer_size == 0)
        return finish(s, start, n);
    int rv = keep(s, start, n);
    s->left -= n;
    if (rv || !whole)
        return rv;
    return finish(s, s->buffer, s->buffer_size);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The line is complete: its size says what comes. */
static int chunk_begin(struct protocol_session *s)
{
    if (s->line == 0 || s->left > body_max(call_at(s, 0)) - s->buffer_size)
        return TLY_ECORRUPT;
    if (s->left == 0)
        start_line(s, TRAILERS);
    else
        s->state = CHUNK_DATA;
    return 0;
}

static int read_chunk_size(struct protocol_session *s, uint8_t c)
{
    int digit = hex_digit(c);
    if (s->last == '\r')
        return c == '\n' ? chunk_begin(s) : TLY_ECORRUPT;
    s->last = c;
    if (c == '\r')
        return 0;
    if (s->line == CHUNK_LINE_MAX || c == '\n')
        return TLY_ECORRUPT;
    s->extension |= s->line > 0 && (c == ';' || c == ' ' || c == '\t');
    s->line++;
    if (s->extension)
        return 0;
    if (digit < 0 || s->left > UINT32_MAX)
        return TLY_ECORRUPT;
    s->left = s->left << 4 | (uint64_t)digit;
    return 0;
}

static int read_chunk_data(struct protocol_session *s, const uint8_t **at, const uint8_t *end)
{
    size_t there = (size_t)(end - *at);
    size_t n = there < s->left ? there : (size_t)s->left;
    int rv = keep(s, *at, n);
    *at += n;
    s->left -= n;
    if (s->left == 0)
        start_line(s, CHUNK_END);
    return rv;
}

static int read_chunk_end(struct protocol_session *s, uint8_t c)
{
    if (c != (s->line == 0 ? '\r' : '\n'))
        return TLY_ECORRUPT;
    if (s->line++ > 0)
        start_line(s, CHUNK_SIZE);
    return 0;
}

/* Nothing is wanted of them but their end. */
static int read_trailers(struct protocol_session *s, uint8_t c)
{
    if (++s->trailers > HTTP1_HEAD_MAX)
        return TLY_ECORRUPT;
    if (s->last == '\r') {
        if (c != '\n')
            return TLY_ECORRUPT;
        if (s->line == 0)
            return finish(s, s->buffer, s->buffer_size);
        start_line(s, TRAILERS);
        return 0;
    }
    s->last = c;
    s->line += c != '\r';
    return c == '\n' ? TLY_ECORRUPT : 0;
}

static int http1_input(struct protocol_session *s, const uint8_t *bytes, size_t size)
{
    const uint8_t *at = bytes, *end = bytes + size;
    int rv = s->broken ? TLY_ECLOSED : 0;
    /* After "Connection: close" nothing counts. */
    while (at < end && !rv && !(s->counts.goaway && s->count == 0)) {
        switch (s->state) {
        case HEAD:
            rv = read_head(s, &at, end);
            break;
        case BODY:
            rv = read_body(s, &at, end);
            break;
        case CHUNK_SIZE:
            rv = read_chunk_size(s, *at++);
            break;
        case CHUNK_DATA:
            rv = read_chunk_data(s, &at, end);
            break;
        case CHUNK_END:
            rv = read_chunk_end(s, *at++);
            break;
        case TRAILERS:
            rv = read_trailers(s, *at++);
            break;
        }
    }
    return rv;
}

/* ---- the port ---- */

static int http1_open(struct protocol_session **out, const struct protocol_target *target,
                      protocol_answered_fn *answered, void *owner)
{
    struct protocol_session *s = calloc(1, sizeof *s);
    if (!s)
        return TLY_ENO_MEMORY;
    s->target = target;
    s->answered = answered;
    s->owner = owner;
    *out = s;
    return 0;
}

static void http1_close(struct protocol_session *s)
{
    if (!s)
        return;
    free(s->ring);
    free(s->buffer);
    free(s);
}

static void http1_fail(struct protocol_session *s, enum answer_code code)
{
    s->broken = true;
    answer_all(s, code);
    empty_buffer(s);
}

static uint32_t http1_room(const struct protocol_session *s)
{
    return s->broken || s->counts.goaway ? 0 : s->target->streams - s->count;
}

static struct protocol_counts http1_counts(const struct protocol_session *s)
{
    return s->counts;
}

const struct protocol protocol_http1 = {.name = "http",
                                        .open = http1_open,
                                        .close = http1_close,
                                        .submit = http1_submit,
                                        .output = http1_output,
                                        .input = http1_input,
                                        .fail = http1_fail,
                                        .room = http1_room,
                                        .counts = http1_counts};
