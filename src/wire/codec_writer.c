/* Appending to a buffer in an arena. Happy path: the buffer is large enough, or grows in place.
 * Failure: the arena is at its bound; the writer then swallows everything and writer_result()
 * tells.
 */
#include "wire/codec_writer.h"

#include <assert.h>
#include <endian.h>

void writer_init(struct writer *w, struct arena *a, size_t size)
{
    *w = (struct writer){.arena = a};
    w->start = arena_alloc(a, size);
    w->p = w->start;
    w->end = w->start ? w->start + size : NULL;
    w->failed = !w->start;
}

bool writer_grow(struct writer *w, size_t size)
{
    if (w->failed)
        return false;
    size_t used = (size_t)(w->p - w->start);
    size_t capacity = (size_t)(w->end - w->start);
    size_t wanted = capacity * 2 > used + size ? capacity * 2 : used + size;
    if (!arena_resize(w->arena, w->start, capacity, wanted)) {
        char *moved = arena_alloc(w->arena, wanted);
        if (!moved) {
            w->failed = true;
            w->end = w->p;
            return false;
        }
        memcpy(moved, w->start, used);
        w->start = moved;
        w->p = moved + used;
    }
    w->end = w->start + wanted;
    return true;
}

int writer_result(struct writer *w, struct str *out)
{
    size_t used = (size_t)(w->p - w->start);
    if (w->failed || used > UINT32_MAX)
        return TLY_ENO_MEMORY;
    arena_resize(w->arena, w->start, (size_t)(w->end - w->start), used);
    *out = (struct str){w->start, (uint32_t)used};
    return 0;
}

/* Eight digits at once: two fours, four pairs, eight. The quotients are of numbers below 10,000 and
 * below 100, for which these products are exact. */
static void put_eight_digits(char *out, uint32_t n)
{
    uint64_t fours = n / 10000 | (uint64_t)(n % 10000) << 32;
    uint64_t hundreds = (fours * 5243 >> 19) & 0x0000007f0000007fu;
    uint64_t pairs = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000fu;
    uint64_t digits = htole64((tens | (pairs - tens * 10) << 8) + 0x3030303030303030u);
    memcpy(out, &digits, sizeof digits);
}

/* Writes the digits so that they end at `end`; returns where they begin. */
static char *put_digits(char *end, uint64_t n)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    while (n >= 100000000) {
        end -= 8;
        put_eight_digits(end, (uint32_t)(n % 100000000));
        n /= 100000000;
    }
    while (n >= 100) {
        end -= 2;
        memcpy(end, pairs + n % 100 * 2, 2);
        n /= 100;
    }
    if (n < 10) {
        *--end = (char)('0' + n);
        return end;
    }
    return memcpy(end - 2, pairs + n * 2, 2);
}

struct str decimal_text(int64_t n, char out[DECIMAL_MAX])
{
    char *end = out + DECIMAL_MAX;
    char *p = put_digits(end, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
    if (n < 0)
        *--p = '-';
    return (struct str){p, (uint32_t)(end - p)};
}

void writer_decimal(struct writer *w, int64_t n)
{
    char digits[DECIMAL_MAX];
    struct str text = decimal_text(n, digits);
    writer_put(w, text.p, text.len);
}

void writer_decimal_unsigned(struct writer *w, uint64_t n)
{
    char digits[DECIMAL_MAX];
    char *end = digits + sizeof digits;
    char *p = put_digits(end, n);
    writer_put(w, p, (size_t)(end - p));
}

static void put_escaped(struct writer *w, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_form[] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                      ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    char letter = c < sizeof short_form ? short_form[c] : 0;
    const char out[] = {'\\', letter ? letter : 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    writer_put(w, out, letter ? 2 : sizeof out);
}

/* True if one of eight bytes is a quote, a backslash or below 0x20. May be true without need when a
 * byte is 0x80 or above, never false in need. */
static bool must_look(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t quote = eight ^ (ones * '"');
    uint64_t slash = eight ^ (ones * '\\');
    return ((eight - ones * 0x20) | (quote - ones) | (slash - ones)) & tops;
}

void writer_json_string(struct writer *w, struct str text)
{
    const char *p = text.p;
    const char *end = text.p + text.len;
    if (!writer_room(w, (size_t)text.len + 2))
        return;
    *w->p++ = '"';
    while (p < end) {
        if (end - p >= 8) {
            uint64_t eight;
            memcpy(&eight, p, 8);
            if (!must_look(eight)) {
                writer_put(w, p, 8);
                p += 8;
                continue;
            }
        }
        size_t n = end - p < 8 ? (size_t)(end - p) : 8;
        for (size_t i = 0; i < n; i++, p++) {
            unsigned char c = (unsigned char)*p;
            if (c < 0x20 || c == '"' || c == '\\')
                put_escaped(w, c);
            else
                writer_byte(w, (char)c);
        }
    }
    writer_byte(w, '"');
}

size_t writer_nested_begin(struct writer *w, uint32_t field)
{
    writer_tag(w, field, WIRE_BYTES);
    writer_byte(w, 0);
    return (size_t)(w->p - w->start);
}

void writer_nested_end(struct writer *w, size_t mark)
{
    if (w->failed)
        return;
    size_t length = (size_t)(w->p - w->start) - mark;
    size_t more = varint_size(length) - 1;
    if (more > 0) {
        if (!writer_room(w, more))
            return;
        memmove(w->start + mark + more, w->start + mark, length);
        w->p += more;
    }
    char *out = w->start + mark - 1;
    while (length >= 0x80) {
        *out++ = (char)(length | 0x80);
        length >>= 7;
    }
    *out = (char)length;
    assert(out == w->start + mark - 1 + more);
}
