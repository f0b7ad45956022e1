/* put.h - text appended at a pointer, for requests. Each returns the new end; the caller has made
 * sure that there is room. */
#ifndef TALLY_LOADGEN_PUT_H
#define TALLY_LOADGEN_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PUT_DECIMAL_MAX = 20 };

static inline uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t size)
{
    memcpy(to, bytes, size);
    return to + size;
}

#define PUT_LITERAL(to, literal) put_bytes((to), (literal), sizeof(literal) - 1)

static inline size_t decimal_size(uint64_t n)
{
    size_t size = 1;
    for (; n >= 10; n /= 10)
        size++;
    return size;
}

static inline uint8_t *put_decimal(uint8_t *to, uint64_t n)
{
    uint8_t *end = to + decimal_size(n), *at = end;
    do
        *--at = (uint8_t)('0' + n % 10);
    while (n /= 10);
    return end;
}

#endif
