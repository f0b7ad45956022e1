/* http2_frames.c - see http2_frames.h.
 *
 * Happy path: a head, and the payload skipped. Failure: the walk ends; the bytes before the head's
 * last one still go to nghttp2, which therefore never sees the frame.
 */
#include "wire/http2_frames.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <string.h>

void http2_frames_init(struct http2_frames *f, uint32_t preface)
{
    *f = (struct http2_frames){.skip = preface};
}

static bool get(const uint64_t *bits, uint32_t id)
{
    uint32_t at = id / 2 % HTTP2_STREAMS_KNOWN;
    return bits[at / 64] >> at % 64 & 1;
}

static void set(uint64_t *bits, uint32_t id)
{
    uint32_t at = id / 2 % HTTP2_STREAMS_KNOWN;
    bits[at / 64] |= UINT64_C(1) << at % 64;
}

static void clear(uint64_t *bits, uint32_t id)
{
    uint32_t at = id / 2 % HTTP2_STREAMS_KNOWN;
    bits[at / 64] &= ~(UINT64_C(1) << at % 64);
}

/* The numbers between are closed with it, and were never used (RFC 9113, 5.1.1). */
static void open_stream(struct http2_frames *f, uint32_t id)
{
    uint32_t from = f->newest ? f->newest + 2 : 1;
    if (id - from >= HTTP2_STREAMS_KNOWN * 2)
        from = id - (HTTP2_STREAMS_KNOWN - 1) * 2;
    for (uint32_t n = from; n <= id; n += 2) {
        clear(f->opened, n);
        clear(f->ended, n);
    }
    set(f->opened, id);
    f->newest = id;
}

static bool known(const struct http2_frames *f, uint32_t id)
{
    return id % 2 == 1 && id <= f->newest && f->newest - id < HTTP2_STREAMS_KNOWN * 2;
}

void http2_frames_ended(struct http2_frames *f, uint32_t id)
{
    if (id % 2 == 1 && id > f->newest)
        open_stream(f, id);
    if (known(f, id))
        set(f->ended, id);
}

static uint32_t number(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) & INT32_MAX;
}

static uint32_t payload(const uint8_t *head)
{
    return (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
}

/* True once there were too many frames that bring nothing. */
static bool flooded(struct http2_frames *f, const uint8_t *head)
{
    if (head[3] == NGHTTP2_HEADERS)
        f->empty -= f->empty < HTTP2_EMPTY_DATA_FREE ? f->empty : HTTP2_EMPTY_DATA_FREE;
    else if (payload(head) == 0 && !(head[4] & NGHTTP2_FLAG_END_STREAM))
        f->empty++;
    return f->empty > HTTP2_EMPTY_DATA_MAX;
}

/* NGHTTP2_NO_ERROR, or what is wrong with a HEADERS or DATA frame. */
static uint32_t check_message(struct http2_frames *f, const uint8_t *head, uint32_t id)
{
    uint8_t type = head[3];
    if (flooded(f, head))
        return NGHTTP2_ENHANCE_YOUR_CALM;
    if (type == NGHTTP2_HEADERS && id % 2 == 1 && id > f->newest)
        open_stream(f, id);
    if (!known(f, id))
        return NGHTTP2_NO_ERROR; /* nghttp2's business, or too old to tell */
    if (!get(f->opened, id))
        return type == NGHTTP2_HEADERS ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED;
    if (get(f->ended, id))
        return NGHTTP2_STREAM_CLOSED;
    if (head[4] & NGHTTP2_FLAG_END_STREAM)
        set(f->ended, id);
    return NGHTTP2_NO_ERROR;
}

/* How much of the frame is looked at. */
static uint32_t wanted(const uint8_t *head)
{
    return head[3] == NGHTTP2_PRIORITY && payload(head) >= 4 ? HTTP2_FRAME_KEPT : HTTP2_FRAME_HEAD;
}

/* The head is complete; of a PRIORITY frame that is so long, the dependency behind it too. */
static uint32_t check_head(struct http2_frames *f, const uint8_t *head)
{
    uint8_t type = head[3];
    uint32_t id = number(head + 5);
    switch (type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        return check_message(f, head, id);
    case NGHTTP2_RST_STREAM:
        if (known(f, id))
            set(f->ended, id);
        return NGHTTP2_NO_ERROR;
    case NGHTTP2_PRIORITY:
        if (id == 0)
            return NGHTTP2_PROTOCOL_ERROR;
        if (wanted(head) == HTTP2_FRAME_KEPT && number(head + HTTP2_FRAME_HEAD) == id)
            return NGHTTP2_PROTOCOL_ERROR;
        return NGHTTP2_NO_ERROR;
    default:
        return NGHTTP2_NO_ERROR;
    }
}

/* Collects a head that the end of the input cuts; false if there is still more to come. */
static bool collect(struct http2_frames *f, const uint8_t *data, size_t size, size_t *at)
{
    uint32_t whole;
    do {
        whole = f->have < HTTP2_FRAME_HEAD ? HTTP2_FRAME_HEAD : wanted(f->head);
        size_t n = whole - f->have;
        if (n > size - *at)
            n = size - *at;
        memcpy(f->head + f->have, data + *at, n);
        f->have = (uint8_t)(f->have + n);
        *at += n;
        if (f->have < whole)
            return false;
    } while (whole < wanted(f->head));
    return true;
}

size_t http2_frames_check(struct http2_frames *f, const uint8_t *data, size_t size,
                          uint32_t *reason)
{
    size_t at = 0;
    *reason = NGHTTP2_NO_ERROR;
    for (;;) {
        size_t n = f->skip < size - at ? f->skip : size - at;
        f->skip -= (uint32_t)n;
        at += n;
        if (at == size)
            return size;
        const uint8_t *head = data + at;
        if (!f->have && size - at >= HTTP2_FRAME_KEPT) {
            at += wanted(head);
        } else if (collect(f, data, size, &at)) {
            head = f->head;
        } else {
            return size;
        }
        *reason = check_head(f, head);
        if (*reason != NGHTTP2_NO_ERROR)
            return at - 1;
        f->skip = payload(head) - (wanted(head) - HTTP2_FRAME_HEAD);
        f->have = 0;
    }
}
