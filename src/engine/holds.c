/* holds.c - see holds.h. Happy path: one piece for the hold, one of its class for its texts, an
 * entry by id. When memory is short nothing is added.
 */
#include "engine/holds.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

/* Ids of one millisecond follow each other: the place of the one that comes so many later is
 * brought closer now. */
enum { IDS_AHEAD = 6 };

static const uint16_t text_bytes[TEXT_CLASSES] = {
    24,
    40,
    56,
    80,
    ORDER_ID_MAX + USER_ID_MAX,
    ORDER_ID_MAX + USER_ID_MAX + sizeof(struct hold_sale)};

static unsigned text_class(uint32_t len)
{
    unsigned i = 0;
    while (i < TEXT_CLASSES - 1 && text_bytes[i] < len)
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

int holds_init(struct holds *hs, uint32_t holds_max)
{
    memset(hs, 0, sizeof *hs);
    slab_init(&hs->holds, sizeof(struct hold), 1024);
    for (unsigned i = 0; i < TEXT_CLASSES; i++)
        slab_init(&hs->texts[i], text_bytes[i], 1024);
    for (unsigned i = 0; i < LINE_CLASSES; i++)
        slab_init(&hs->lines[i], (2u << i) * sizeof(struct line), 64);
    return pairs_init(&hs->by_id, holds_max);
}

void holds_close(struct holds *hs)
{
    pairs_close(&hs->by_id);
    slab_close(&hs->holds);
    for (unsigned i = 0; i < TEXT_CLASSES; i++)
        slab_close(&hs->texts[i]);
    for (unsigned i = 0; i < LINE_CLASSES; i++)
        slab_close(&hs->lines[i]);
}

size_t holds_bytes(const struct holds *hs)
{
    size_t bytes = hs->holds.bytes + hs->by_id.bytes;
    for (unsigned i = 0; i < TEXT_CLASSES; i++)
        bytes += hs->texts[i].bytes;
    for (unsigned i = 0; i < LINE_CLASSES; i++)
        bytes += hs->lines[i].bytes;
    return bytes;
}

/* One to one, so that equal keys are equal ids. */
static inline uint64_t id_key(int64_t reservation_id)
{
    uint64_t key = (uint64_t)reservation_id * UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
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

/* Of the piece that a hold's texts are in. */
static unsigned piece_class(uint32_t texts, bool in_sale)
{
    return text_class(in_sale ? hold_texts_bytes(texts) + (uint32_t)sizeof(struct hold_sale)
                              : texts);
}

struct hold *holds_add(struct holds *hs, int64_t reservation_id, struct str order_id,
                       struct str user_id, const struct line *lines, uint16_t line_count,
                       struct sale *sale)
{
    assert(order_id.len <= ORDER_ID_MAX && user_id.len <= USER_ID_MAX);
    assert(line_count <= ORDER_LINES_MAX);
    struct hold *h = slab_take(&hs->holds);
    if (!h)
        return NULL;
    struct slab *texts = &hs->texts[piece_class(order_id.len + user_id.len, sale)];
    char *text = slab_take(texts);
    struct line *many = line_count > 1 ? holds_lines_take(hs, line_count) : NULL;
    bool known = text && (line_count <= 1 || many) &&
                 pairs_put(&hs->by_id, id_key(reservation_id), (uintptr_t)h);
    if (!known) {
        if (text)
            slab_give(texts, text);
        if (many)
            holds_lines_give(hs, many, line_count);
        slab_give(&hs->holds, h);
        return NULL;
    }
    memcpy(text, order_id.p, order_id.len);
    if (user_id.len)
        memcpy(text + order_id.len, user_id.p, user_id.len);
    *h = (struct hold){
        .reservation_id = reservation_id,
        .text = text,
        .order_id_len = (uint8_t)order_id.len,
        .user_id_len = (uint8_t)user_id.len,
        .line_count = (uint8_t)line_count,
        .timer_slot = HOLD_NO_TIMER,
        .in_sale = sale != NULL,
    };
    if (sale)
        *hold_sale(h) = (struct hold_sale){.sale = sale};
    if (many) {
        memcpy(many, lines, line_count * sizeof *lines);
        h->lines.many = many;
    } else if (line_count == 1) {
        h->lines.one.lot = lines->lot;
        h->lines.one.quantity = (uint32_t)lines->quantity;
    }
    hs->count++;
    pairs_prefetch(&hs->by_id, id_key(reservation_id + IDS_AHEAD));
    return h;
}

void holds_remove(struct holds *hs, struct hold *h)
{
    assert(!h->listed && h->timer_slot == HOLD_NO_TIMER && !h->touched);
    bool found = pairs_remove(&hs->by_id, id_key(h->reservation_id), (uintptr_t)h);
    assert(found);
    hs->count--;
    slab_give(&hs->texts[piece_class((uint32_t)h->order_id_len + h->user_id_len, h->in_sale)],
              h->text);
    if (h->line_count > 1)
        holds_lines_give(hs, h->lines.many, h->line_count);
    slab_give(&hs->holds, h);
}

struct hold *holds_find(const struct holds *hs, int64_t reservation_id)
{
    uint32_t probe = 0;
    return (struct hold *)(uintptr_t)pairs_find(&hs->by_id, id_key(reservation_id), &probe);
}

void holds_prefetch(const struct holds *hs, int64_t reservation_id)
{
    pairs_prefetch(&hs->by_id, id_key(reservation_id));
}

static void list_behind(struct holds *hs, struct hold *after, struct hold *h)
{
    assert(!h->listed);
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
    h->listed = 1;
}

void holds_list(struct holds *hs, struct hold *h)
{
    struct hold *after = hs->newest;
    while (after && after->reservation_id > h->reservation_id)
        after = after->older;
    list_behind(hs, after, h);
}

void holds_append(struct holds *hs, struct hold *h)
{
    list_behind(hs, hs->newest, h);
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
    h->listed = 0;
}

bool holds_set_lines(struct holds *hs, struct hold *h, const struct line *lines,
                     uint16_t line_count)
{
    struct line *many = line_count > 1 ? holds_lines_take(hs, line_count) : NULL;
    if (line_count > 1 && !many)
        return false;
    if (h->line_count > 1)
        holds_lines_give(hs, h->lines.many, h->line_count);
    h->line_count = (uint8_t)line_count;
    if (many) {
        memcpy(many, lines, line_count * sizeof *lines);
        h->lines.many = many;
    } else {
        h->lines.one.lot = lines->lot;
        h->lines.one.quantity = (uint32_t)lines->quantity;
    }
    return true;
}

const struct line *hold_lines(const struct hold *h, struct line *one)
{
    if (h->line_count > 1)
        return h->lines.many;
    *one = (struct line){.lot = h->lines.one.lot, .quantity = h->lines.one.quantity};
    return one;
}
