/* codec_writer.h - bytes appended to a buffer in an arena.
 *
 * The buffer grows where it stands as long as the arena has room behind it, else it moves. When the
 * arena is at its bound the writer fails and stays failed: further puts do nothing, and
 * writer_result() says so. So a caller checks once, at the end.
 */
#ifndef TALLY_WIRE_CODEC_WRITER_H
#define TALLY_WIRE_CODEC_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct writer {
    char *start;
    char *p;
    char *end;
    struct arena *arena;
    bool failed;
};

void writer_init(struct writer *w, struct arena *a, size_t size);
bool writer_grow(struct writer *w, size_t size); /* the slow path of writer_room */
/* 0, or TLY_ENO_MEMORY. Gives the unused end of the buffer back to the arena. */
int writer_result(struct writer *w, struct str *out) MUST_CHECK;

/* True if `size` bytes may be written at w->p. */
static inline bool writer_room(struct writer *w, size_t size)
{
    return size <= (size_t)(w->end - w->p) || writer_grow(w, size);
}

static inline void writer_put(struct writer *w, const void *p, size_t size)
{
    if (size == 0 || !writer_room(w, size))
        return;
    memcpy(w->p, p, size);
    w->p += size;
}

static inline void writer_byte(struct writer *w, char c)
{
    if (writer_room(w, 1))
        *w->p++ = c;
}

#define WRITER_LITERAL(w, literal) writer_put((w), (literal), sizeof(literal) - 1)

enum { DECIMAL_MAX = 20 }; /* characters of a 64-bit number with its sign */

struct str decimal_text(int64_t n, char out[DECIMAL_MAX]);
void writer_decimal(struct writer *w, int64_t n);
void writer_decimal_unsigned(struct writer *w, uint64_t n);
/* With the quotes; escapes what RFC 8259 says must be, and nothing else. */
void writer_json_string(struct writer *w, struct str text);

/* The protobuf wire format. */
enum {
    WIRE_VARINT = 0,
    WIRE_64BIT = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_32BIT = 5,
};
enum { VARINT_MAX = 10 };

static inline size_t varint_size(uint64_t n)
{
    return (size_t)(70 - __builtin_clzll(n | 1)) / 7;
}

static inline void writer_varint(struct writer *w, uint64_t n)
{
    if (!writer_room(w, VARINT_MAX))
        return;
    while (n >= 0x80) {
        *w->p++ = (char)(n | 0x80);
        n >>= 7;
    }
    *w->p++ = (char)n;
}

static inline void writer_tag(struct writer *w, uint32_t field, unsigned wire)
{
    writer_varint(w, (uint64_t)field << 3 | wire);
}

static inline void writer_bytes_field(struct writer *w, uint32_t field, struct str bytes)
{
    writer_tag(w, field, WIRE_BYTES);
    writer_varint(w, bytes.len);
    writer_put(w, bytes.p, bytes.len);
}

/* A length-prefixed part whose length is not known before it is written: one byte is kept for it,
 * and the part moves when it turns out longer than 127 bytes. */
size_t writer_nested_begin(struct writer *w, uint32_t field);
void writer_nested_end(struct writer *w, size_t mark);

#endif
