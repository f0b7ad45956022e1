/* lot_key.c - happy path: the dimensions joined by '|', hashed, the first digits put behind the
 * sku. It cannot fail: the rules have bounded every length before. */
#include "service/lot_key.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

size_t lot_key_make(struct str sku, struct str flavor, struct str size, struct str batch,
                    char out[LOT_KEY_MAX + 1])
{
    char joined[3 * DIMENSION_MAX + 2];
    const struct str parts[] = {flavor, size, batch};
    size_t len = 0;
    char digits[33];
    assert(sku.len <= SKU_MAX && flavor.len <= DIMENSION_MAX && size.len <= DIMENSION_MAX &&
           batch.len <= DIMENSION_MAX);
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            joined[len++] = '|';
        memcpy(joined + len, parts[i].p, parts[i].len);
        len += parts[i].len;
    }
    md5_hex(joined, len, digits);
    memcpy(out, sku.p, sku.len);
    out[sku.len] = '#';
    memcpy(out + sku.len + 1, digits, LOT_KEY_DIGITS);
    out[sku.len + 1 + LOT_KEY_DIGITS] = 0;
    return sku.len + 1 + LOT_KEY_DIGITS;
}
