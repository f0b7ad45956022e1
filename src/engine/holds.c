/* holds.c - see holds.h. Happy path: one piece for the hold, one of its class for the order_id, a
 * bucket. When memory is short nothing is added; a bucket that cannot be split makes chains longer.
 */
#include "engine/holds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { HOLD_BUCKET_CHUNK = 4096 };

static const uint16_t text_bytes[TEXT_CLASSES] = {16, 40, ORDER_ID_MAX};

static unsigned text_class(uint32_t len)
{
    unsigned i = 0;
    while (text_bytes[i] < len)
        i++;
    return i;
}

static unsigned line_class(uint16_t count)
{
    unsigned i = 0;
    while ((2u << i) < count)
        i++;
    return i;
}

int holds_init(struct holds *hs, uint64_t holds_max)
{
    memset(hs, 0, sizeof *hs);
    slab_init(&hs->holds, sizeof(struct hold), 1024);
    for (unsigned i = 0; i < TEXT_CLASSES; i++)
        slab_init(&hs->texts[i], text_bytes[i], 1024);
    for (unsigned i = 0; i < LINE_CLASSES; i++)
        slab_init(&hs->lines[i], (2u << i) * sizeof(struct line), 64);
    hs->chunk_count_max = (size_t)(holds_max / HOLD_BUCKET_CHUNK + 2);
    hs->buckets = calloc(hs->chunk_count_max, sizeof hs->buckets[0]);
    if (!hs->buckets)
        return TLY_ENO_MEMORY;
    hs->buckets[0] = calloc(HOLD_BUCKET_CHUNK, sizeof hs->buckets[0][0]);
    if (!hs->buckets[0])
        return TLY_ENO_MEMORY;
    hs->bucket_count = HOLD_BUCKET_CHUNK;
    hs->mask = HOLD_BUCKET_CHUNK - 1;
    return 0;
}

void holds_close(struct holds *hs)
{
    for (size_t i = 0; hs->buckets && i < hs->chunk_count_max; i++)
        free(hs->buckets[i]);
    free(hs->buckets);
    slab_close(&hs->holds);
    for (unsigned i = 0; i < TEXT_CLASSES; i++)
        slab_close(&hs->texts[i]);
    for (unsigned i = 0; i < LINE_CLASSES; i++)
        slab_close(&hs->lines[i]);
}

size_t holds_bytes(const struct holds *hs)
{
    size_t bytes = hs->holds.bytes + hs->bucket_count * sizeof(struct hold *);
    for (unsigned i = 0; i < TEXT_CLASSES; i++)
        bytes += hs->texts[i].bytes;
    for (unsigned i = 0; i < LINE_CLASSES; i++)
        bytes += hs->lines[i].bytes;
    return bytes;
}

static inline uint64_t id_hash(int64_t reservation_id)
{
    return ((uint64_t)reservation_id * UINT64_C(0x9E3779B97F4A7C15)) >> 24;
}

static inline struct hold **bucket_at(const struct holds *hs, uint64_t number)
{
    return &hs->buckets[number / HOLD_BUCKET_CHUNK][number % HOLD_BUCKET_CHUNK];
}

static inline struct hold **bucket_of(const struct holds *hs, int64_t reservation_id)
{
    uint64_t hash = id_hash(reservation_id);
    uint64_t number = hash & hs->mask;
    if (number >= hs->bucket_count)
        number = hash & (hs->mask >> 1);
    return bucket_at(hs, number);
}

/* Gives the next bucket those holds of its elder one that belong to it. */
static void split_one_bucket(struct holds *hs)
{
    uint64_t fresh = hs->bucket_count;
    size_t chunk = (size_t)(fresh / HOLD_BUCKET_CHUNK);
    if (chunk >= hs->chunk_count_max)
        return;
    if (!hs->buckets[chunk]) {
        hs->buckets[chunk] = calloc(HOLD_BUCKET_CHUNK, sizeof hs->buckets[0][0]);
        if (!hs->buckets[chunk])
            return;
    }
    if (fresh > hs->mask)
        hs->mask = hs->mask << 1 | 1;
    struct hold **from = bucket_at(hs, fresh & (hs->mask >> 1));
    struct hold **to = bucket_at(hs, fresh);
    hs->bucket_count++;
    while (*from) {
        struct hold *h = *from;
        if ((id_hash(h->reservation_id) & hs->mask) == fresh) {
            *from = h->map_next;
            h->map_next = *to;
            *to = h;
        } else {
            from = &h->map_next;
        }
    }
}

struct line *holds_lines_take(struct holds *hs, uint16_t count)
{
    assert(count <= ORDER_LINES_MAX);
    return slab_take(&hs->lines[line_class(count)]);
}

void holds_lines_give(struct holds *hs, struct line *lines, uint16_t count)
{
    slab_give(&hs->lines[line_class(count)], lines);
}

struct hold *holds_add(struct holds *hs, int64_t reservation_id, struct str order_id,
                       const struct line *lines, uint16_t line_count)
{
    assert(order_id.len <= ORDER_ID_MAX && line_count >= 1 && line_count <= ORDER_LINES_MAX);
    struct hold *h = slab_take(&hs->holds);
    if (!h)
        return NULL;
    struct slab *texts = &hs->texts[text_class(order_id.len)];
    char *text = slab_take(texts);
    struct line *many = line_count > 1 ? holds_lines_take(hs, line_count) : NULL;
    if (!text || (line_count > 1 && !many)) {
        if (text)
            slab_give(texts, text);
        slab_give(&hs->holds, h);
        return NULL;
    }
    memcpy(text, order_id.p, order_id.len);
    *h = (struct hold){
        .reservation_id = reservation_id,
        .order_id = text,
        .order_id_len = (uint8_t)order_id.len,
        .line_count = (uint8_t)line_count,
        .timer_slot = HOLD_NO_TIMER,
    };
    if (many) {
        memcpy(many, lines, line_count * sizeof *lines);
        h->lines.many = many;
    } else {
        h->lines.one.lot = lines->lot;
        h->lines.one.quantity = (uint32_t)lines->quantity;
    }
    if (++hs->count > hs->bucket_count)
        split_one_bucket(hs);
    struct hold **bucket = bucket_of(hs, reservation_id);
    h->map_next = *bucket;
    *bucket = h;
    return h;
}

void holds_remove(struct holds *hs, struct hold *h)
{
    assert(!h->listed && h->timer_slot == HOLD_NO_TIMER && !h->touched);
    struct hold **at = bucket_of(hs, h->reservation_id);
    while (*at != h)
        at = &(*at)->map_next;
    *at = h->map_next;
    hs->count--;
    slab_give(&hs->texts[text_class(h->order_id_len)], h->order_id);
    if (h->line_count > 1)
        holds_lines_give(hs, h->lines.many, h->line_count);
    slab_give(&hs->holds, h);
}

struct hold *holds_find(const struct holds *hs, int64_t reservation_id)
{
    struct hold *h = *bucket_of(hs, reservation_id);
    while (h && h->reservation_id != reservation_id)
        h = h->map_next;
    return h;
}

void holds_prefetch(const struct holds *hs, int64_t reservation_id)
{
    __builtin_prefetch(bucket_of(hs, reservation_id));
}

void holds_list(struct holds *hs, struct hold *h)
{
    assert(!h->listed);
    struct hold *after = hs->newest;
    while (after && after->reservation_id > h->reservation_id)
        after = after->older;
    h->older = after;
    h->newer = after ? after->newer : hs->oldest;
    if (h->older)
        h->older->newer = h;
    else
        hs->oldest = h;
    if (h->newer)
        h->newer->older = h;
    else
        hs->newest = h;
    h->listed = true;
}

void holds_unlist(struct holds *hs, struct hold *h)
{
    assert(h->listed);
    if (h->older)
        h->older->newer = h->newer;
    else
        hs->oldest = h->newer;
    if (h->newer)
        h->newer->older = h->older;
    else
        hs->newest = h->older;
    h->older = h->newer = NULL;
    h->listed = false;
}

const struct line *hold_lines(const struct hold *h, struct line *one)
{
    if (h->line_count > 1)
        return h->lines.many;
    *one = (struct line){.lot = h->lines.one.lot, .quantity = h->lines.one.quantity};
    return one;
}
