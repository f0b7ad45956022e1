/* cached_lot.c - lots to pieces of memory and lines of text, and back.
 *
 * Happy path: fixed fields, then the texts. A line has the numbers in the order of `numbers_of()`,
 * then key, flavor, size and batch; none of them can hold a '|'.
 * Failure: a line that is not exactly that is no lot: who reads it goes on as if there were none.
 */
#include "cache/cached_lot.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NUMBERS = 12, TEXTS = 4, FORM = 1 };

size_t cached_lot_size(const struct cached_lot *lot)
{
    return offsetof(struct cached_lot, text) + lot->key_len + lot->flavor_len + lot->size_len +
           lot->batch_len;
}

static uint8_t put_text(struct cached_lot *out, size_t *at, struct str text)
{
    assert(*at + text.len <= sizeof out->text && text.len <= UINT8_MAX);
    if (text.len)
        memcpy(out->text + *at, text.p, text.len);
    *at += text.len;
    return (uint8_t)text.len;
}

static void put_texts(struct cached_lot *out, struct str key, struct str flavor, struct str size,
                      struct str batch)
{
    size_t at = 0;
    out->key_len = put_text(out, &at, key);
    out->flavor_len = put_text(out, &at, flavor);
    out->size_len = put_text(out, &at, size);
    out->batch_len = put_text(out, &at, batch);
}

void cached_lot_make(struct cached_lot *out, lot_id id, const struct lot_dims *dims,
                     const struct lot_terms *terms, const struct stock *stock)
{
    out->stock = *stock;
    out->terms = *terms;
    out->expires_on = dims->expires_on;
    out->id = id;
    put_texts(out, dims->key, dims->flavor, dims->size, dims->batch);
}

void cached_lot_dims(const struct cached_lot *lot, struct lot_dims *out)
{
    const char *p = lot->text;
    *out = (struct lot_dims){.expires_on = lot->expires_on};
    out->key = (struct str){p, lot->key_len};
    const char *hash = lot->key_len ? memchr(p, '#', lot->key_len) : NULL;
    out->sku = (struct str){p, hash ? (uint32_t)(hash - p) : lot->key_len};
    p += lot->key_len;
    out->flavor = (struct str){p, lot->flavor_len};
    p += lot->flavor_len;
    out->size = (struct str){p, lot->size_len};
    p += lot->size_len;
    out->batch = (struct str){p, lot->batch_len};
}

size_t cached_lot_format(const struct cached_lot *lot, char out[CACHED_LINE_MAX])
{
    struct lot_dims d;
    const struct stock *s = &lot->stock;
    const struct lot_terms *t = &lot->terms;
    cached_lot_dims(lot, &d);
    int size = snprintf(out, CACHED_LINE_MAX,
                        "%d|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId32 "|%" PRId32
                        "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%d|%" PRId32 "|%" PRIu32 "|",
                        FORM, s->on_hand, s->reserved, s->confirmed, s->version, t->expires_on,
                        t->expected_on, t->per_user_limit, t->backorder_limit, t->backorder_most,
                        t->withdrawn, lot->expires_on, lot->id);
    size_t at = (size_t)size;
    const struct str texts[TEXTS] = {d.key, d.flavor, d.size, d.batch};
    for (size_t i = 0; i < TEXTS; i++) {
        assert(at + texts[i].len + 1 <= CACHED_LINE_MAX);
        if (i > 0)
            out[at++] = '|';
        if (texts[i].len)
            memcpy(out + at, texts[i].p, texts[i].len);
        at += texts[i].len;
    }
    return at;
}

/* What stands before the next '|', or is left. */
static struct str cut(struct str *rest)
{
    const char *bar = rest->len ? memchr(rest->p, '|', rest->len) : NULL;
    struct str part = {rest->p, bar ? (uint32_t)(bar - rest->p) : rest->len};
    uint32_t step = bar ? part.len + 1 : part.len;
    *rest = (struct str){rest->p + step, rest->len - step};
    return part;
}

static bool number(struct str text, int64_t *out)
{
    bool negative = text.len > 1 && text.p[0] == '-';
    uint64_t value = 0;
    if (text.len == 0 || text.len > 20)
        return false;
    for (uint32_t i = negative; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(text.p[i] - '0');
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool in_range(const int64_t n[NUMBERS])
{
    return n[0] >= 0 && n[1] >= 0 && n[2] >= 0 && n[3] >= 1 && n[4] >= INT32_MIN &&
           n[4] <= INT32_MAX && n[5] >= INT32_MIN && n[5] <= INT32_MAX &&
           (n[9] == 0 || n[9] == 1) && n[10] >= INT32_MIN && n[10] <= INT32_MAX && n[11] >= 0 &&
           n[11] <= UINT32_MAX;
}

bool cached_lot_parse(struct str line, struct cached_lot *out)
{
    int64_t n[NUMBERS], form;
    struct str texts[TEXTS];
    if (line.len > CACHED_LINE_MAX || !number(cut(&line), &form) || form != FORM)
        return false;
    for (size_t i = 0; i < NUMBERS; i++)
        if (!number(cut(&line), &n[i]))
            return false;
    for (size_t i = 0; i < TEXTS; i++) {
        texts[i] = i + 1 < TEXTS ? cut(&line) : line;
        if (texts[i].len > (i == 0 ? LOT_KEY_MAX : DIMENSION_MAX))
            return false;
    }
    if (!in_range(n) || texts[0].len == 0 || memchr(texts[3].p, '|', texts[3].len))
        return false;
    out->stock =
        (struct stock){.on_hand = n[0], .reserved = n[1], .confirmed = n[2], .version = n[3]};
    out->terms = (struct lot_terms){.expires_on = (int32_t)n[4],
                                    .expected_on = (int32_t)n[5],
                                    .per_user_limit = n[6],
                                    .backorder_limit = n[7],
                                    .backorder_most = n[8],
                                    .withdrawn = n[9] == 1};
    out->expires_on = (int32_t)n[10];
    out->id = (lot_id)n[11];
    put_texts(out, texts[0], texts[1], texts[2], texts[3]);
    return true;
}
