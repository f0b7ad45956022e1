/* lots.c - see lots.h. Happy path: find a key's chain, compare. The tables of heads double
 * as lots come, a matter of milliseconds at a hundred thousand. A lot that cannot be added leaves
 * nothing behind.
 */
#include "engine/lots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

enum { HEADS_MIN = 64 };

int lots_init(struct lots *ls, uint32_t max, uint64_t hash_seed)
{
    memset(ls, 0, sizeof *ls);
    ls->max = max;
    ls->hash_seed = hash_seed;
    size_t chunk_count = (size_t)max / LOT_CHUNK + 1;
    ls->chunks = calloc(chunk_count, sizeof ls->chunks[0]);
    ls->sku_chunks = calloc(chunk_count, sizeof ls->sku_chunks[0]);
    ls->extra_chunks = calloc(chunk_count, sizeof ls->extra_chunks[0]);
    ls->by_key.heads = calloc(HEADS_MIN, sizeof ls->by_key.heads[0]);
    ls->by_sku.heads = calloc(HEADS_MIN, sizeof ls->by_sku.heads[0]);
    ls->by_key.mask = ls->by_sku.mask = HEADS_MIN - 1;
    ls->bytes = 2 * HEADS_MIN * sizeof ls->by_key.heads[0];
    if (!ls->chunks || !ls->sku_chunks || !ls->extra_chunks || !ls->by_key.heads ||
        !ls->by_sku.heads)
        return TLY_ENO_MEMORY;
    return 0;
}

void lots_close(struct lots *ls)
{
    for (uint32_t i = 0; ls->chunks && i <= ls->max / LOT_CHUNK; i++)
        free(ls->chunks[i]);
    for (uint32_t i = 0; ls->sku_chunks && i <= ls->max / LOT_CHUNK; i++)
        free(ls->sku_chunks[i]);
    for (uint32_t i = 1; i <= ls->extra_count; i++)
        lots_clear_extra(lots_extra(ls, i));
    for (uint32_t i = 0; ls->extra_chunks && i <= ls->max / LOT_CHUNK; i++)
        free(ls->extra_chunks[i]);
    for (uint32_t i = 0; i < ls->text_count; i++)
        free(ls->texts[i]);
    free(ls->texts);
    free(ls->chunks);
    free(ls->sku_chunks);
    free(ls->extra_chunks);
    free(ls->by_key.heads);
    free(ls->by_sku.heads);
}

static inline uint32_t text_hash(const struct lots *ls, struct str text)
{
    return (uint32_t)hash64(text, ls->hash_seed);
}

static inline uint8_t tag_of(uint32_t hash)
{
    return (uint8_t)(hash >> 24);
}

static inline struct sku *sku_at(const struct lots *ls, uint32_t number)
{
    return &ls->sku_chunks[(number - 1) / LOT_CHUNK][(number - 1) % LOT_CHUNK];
}

lot_id lots_find(const struct lots *ls, struct str key)
{
    uint32_t hash = text_hash(ls, key);
    lot_id id = ls->by_key.heads[hash & ls->by_key.mask];
    while (id) {
        const struct lot *lot = lots_at(ls, id);
        if (lot->key_tag == tag_of(hash) && str_equal(lot->dims.key, key))
            return id;
        id = lot->key_next;
    }
    return 0;
}

static uint32_t sku_find(const struct lots *ls, struct str sku, uint32_t hash)
{
    uint32_t number = ls->by_sku.heads[hash & ls->by_sku.mask];
    while (number) {
        const struct sku *s = sku_at(ls, number);
        if (str_equal(lots_at(ls, s->first)->dims.sku, sku))
            return number;
        number = s->next;
    }
    return 0;
}

const struct sku *lots_sku(const struct lots *ls, struct str sku)
{
    uint32_t number = sku_find(ls, sku, text_hash(ls, sku));
    return number ? sku_at(ls, number) : NULL;
}

const struct sku *lots_sku_at(const struct lots *ls, uint32_t number)
{
    return sku_at(ls, number);
}

bool lot_matches(const struct lot *lot, struct str flavor, struct str size, struct str batch)
{
    return (str_empty(flavor) || str_equal(lot->dims.flavor, flavor)) &&
           (str_empty(size) || str_equal(lot->dims.size, size)) &&
           (str_empty(batch) || str_equal(lot->dims.batch, batch));
}

bool lot_dims_equal(const struct lot_dims *a, const struct lot_dims *b)
{
    return str_equal(a->sku, b->sku) && str_equal(a->flavor, b->flavor) &&
           str_equal(a->size, b->size) && str_equal(a->batch, b->batch);
}

static bool room_for_text(struct lots *ls, size_t bytes)
{
    if (ls->text_count && ls->text_used + bytes <= LOT_TEXT_CHUNK_BYTES)
        return true;
    if (ls->text_count == ls->text_room) {
        uint32_t room = ls->text_room ? ls->text_room * 2 : 16;
        char **texts = realloc(ls->texts, room * sizeof *texts);
        if (!texts)
            return false;
        ls->texts = texts;
        ls->text_room = room;
    }
    char *chunk = malloc(LOT_TEXT_CHUNK_BYTES);
    if (!chunk)
        return false;
    ls->texts[ls->text_count++] = chunk;
    ls->text_used = 0;
    ls->bytes += LOT_TEXT_CHUNK_BYTES;
    return true;
}

static struct str keep(struct lots *ls, struct str text)
{
    char *to = ls->texts[ls->text_count - 1] + ls->text_used;
    if (text.len)
        memcpy(to, text.p, text.len);
    ls->text_used += text.len;
    return (struct str){to, text.len};
}

/* The sku usually begins the key, and then has no copy of its own. */
static bool key_begins_with_sku(const struct lot_dims *d)
{
    return d->key.len >= d->sku.len && (!d->sku.len || !memcmp(d->key.p, d->sku.p, d->sku.len));
}

static uint32_t text_bytes(const struct lot_dims *d)
{
    return d->key.len + (key_begins_with_sku(d) ? 0 : d->sku.len) + d->flavor.len + d->size.len +
           d->batch.len;
}

static void keep_dims(struct lots *ls, struct lot_dims *to, const struct lot_dims *from)
{
    to->key = keep(ls, from->key);
    to->sku =
        key_begins_with_sku(from) ? (struct str){to->key.p, from->sku.len} : keep(ls, from->sku);
    to->flavor = keep(ls, from->flavor);
    to->size = keep(ls, from->size);
    to->batch = keep(ls, from->batch);
    to->expires_on = from->expires_on;
}

/* Twice the heads, empty: the caller puts everything into its chain again. NULL: no memory, the
 * chains stay as long as they are. */
static uint32_t *heads_double(struct lots *ls, struct heads *h)
{
    size_t count = ((size_t)h->mask + 1) * 2;
    uint32_t *heads = calloc(count, sizeof *heads);
    if (!heads)
        return NULL;
    free(h->heads);
    h->heads = heads;
    h->mask = (uint32_t)count - 1;
    ls->bytes += count / 2 * sizeof *heads;
    return heads;
}

static void grow_heads(struct lots *ls)
{
    uint32_t *heads;
    if (ls->count > ls->by_key.mask && (heads = heads_double(ls, &ls->by_key))) {
        for (lot_id id = 1; id <= ls->count; id++) {
            if (!lots_has(ls, id))
                continue;
            struct lot *lot = lots_at(ls, id);
            uint32_t *head = &heads[text_hash(ls, lot->dims.key) & ls->by_key.mask];
            lot->key_next = *head;
            *head = id;
        }
    }
    if (ls->sku_count > ls->by_sku.mask && (heads = heads_double(ls, &ls->by_sku))) {
        for (uint32_t number = 1; number <= ls->sku_count; number++) {
            struct sku *s = sku_at(ls, number);
            struct str text = lots_at(ls, s->first)->dims.sku;
            uint32_t *head = &heads[text_hash(ls, text) & ls->by_sku.mask];
            s->next = *head;
            *head = number;
        }
    }
}

static bool room_for_one(struct lots *ls, lot_id id)
{
    size_t chunk = (id - 1) / LOT_CHUNK;
    if (!ls->chunks[chunk]) {
        ls->chunks[chunk] = calloc(LOT_CHUNK, sizeof(struct lot));
        if (!ls->chunks[chunk])
            return false;
        ls->bytes += LOT_CHUNK * sizeof(struct lot);
    }
    chunk = ls->sku_count / LOT_CHUNK;
    if (!ls->sku_chunks[chunk]) {
        ls->sku_chunks[chunk] = malloc(LOT_CHUNK * sizeof(struct sku));
        if (!ls->sku_chunks[chunk])
            return false;
        ls->bytes += LOT_CHUNK * sizeof(struct sku);
    }
    return true;
}

/* First expired first; then by batch, then by number, whatever the order in which they came. */
static bool sold_before(const struct lots *ls, lot_id one, lot_id other)
{
    const struct lot *a = lots_at(ls, one), *b = lots_at(ls, other);
    int32_t last_a = lots_last_day(ls, a), last_b = lots_last_day(ls, b);
    if (last_a != last_b)
        return last_a < last_b;
    struct str x = a->dims.batch, y = b->dims.batch;
    uint32_t common = x.len < y.len ? x.len : y.len;
    int order = common ? memcmp(x.p, y.p, common) : 0;
    if (order || x.len != y.len)
        return order ? order < 0 : x.len < y.len;
    return one < other;
}

static uint32_t sku_add(struct lots *ls, uint32_t hash)
{
    uint32_t number = ++ls->sku_count;
    struct sku *s = sku_at(ls, number);
    *s = (struct sku){.next = ls->by_sku.heads[hash & ls->by_sku.mask]};
    ls->by_sku.heads[hash & ls->by_sku.mask] = number;
    return number;
}

static void join_by_number(struct lots *ls, struct sku *s, lot_id id)
{
    lot_id *newer = &s->oldest;
    if (s->youngest < id) {
        lots_at(ls, s->youngest)->sku_next_new = id;
        s->youngest = id;
        return;
    }
    while (*newer < id)
        newer = &lots_at(ls, *newer)->sku_next_new;
    lots_at(ls, id)->sku_next_new = *newer;
    *newer = id;
}

/* Lots usually come in order of sale: the end is tried first. */
void lots_join_sale(struct lots *ls, lot_id id)
{
    struct lot *lot = lots_at(ls, id);
    struct sku *s = sku_at(ls, lot->sku);
    lot->sku_next = 0;
    if (!s->first) {
        s->first = s->last = id;
        return;
    }
    if (!sold_before(ls, id, s->last)) {
        lots_at(ls, s->last)->sku_next = id;
        s->last = id;
        return;
    }
    lot_id *at = &s->first;
    while (!sold_before(ls, id, *at))
        at = &lots_at(ls, *at)->sku_next;
    lot->sku_next = *at;
    *at = id;
}

struct lot *lots_add(struct lots *ls, const struct lot_dims *dims)
{
    return lots_put(ls, ls->count + 1, dims);
}

struct lot *lots_put(struct lots *ls, lot_id id, const struct lot_dims *dims)
{
    assert(id > 0 && !lots_has(ls, id));
    if (id > ls->max || !room_for_one(ls, id) || !room_for_text(ls, text_bytes(dims)))
        return NULL;
    grow_heads(ls);
    uint32_t sku_hash = text_hash(ls, dims->sku);
    uint32_t sku = sku_find(ls, dims->sku, sku_hash);
    if (!sku)
        sku = sku_add(ls, sku_hash);
    if (id > ls->count)
        ls->count = id;
    struct lot *lot = lots_at(ls, id);
    uint32_t hash = text_hash(ls, dims->key);
    *lot = (struct lot){.sku = sku, .key_tag = tag_of(hash)};
    keep_dims(ls, &lot->dims, dims);
    lot_id *head = &ls->by_key.heads[hash & ls->by_key.mask];
    lot->key_next = *head;
    *head = id;
    struct sku *s = sku_at(ls, sku);
    if (s->oldest)
        join_by_number(ls, s, id);
    else
        s->oldest = s->youngest = id;
    lots_join_sale(ls, id);
    return lot;
}

void lots_leave_sale(struct lots *ls, lot_id id)
{
    struct sku *s = sku_at(ls, lots_at(ls, id)->sku);
    lot_id before = 0;
    lot_id *at = &s->first;
    while (*at != id) {
        before = *at;
        at = &lots_at(ls, *at)->sku_next;
    }
    *at = lots_at(ls, id)->sku_next;
    if (s->last == id)
        s->last = before;
}

static void leave_numbers(struct lots *ls, struct sku *s, lot_id id)
{
    lot_id before = 0;
    lot_id *at = &s->oldest;
    while (*at != id) {
        before = *at;
        at = &lots_at(ls, *at)->sku_next_new;
    }
    *at = lots_at(ls, id)->sku_next_new;
    if (s->youngest == id)
        s->youngest = before;
}

void lots_drop(struct lots *ls, lot_id id)
{
    assert(lots_has(ls, id));
    struct lot *lot = lots_at(ls, id);
    lot_id *head = &ls->by_key.heads[text_hash(ls, lot->dims.key) & ls->by_key.mask];
    assert(*head == id);
    *head = lot->key_next;
    struct sku *s = sku_at(ls, lot->sku);
    if (s->first == id && s->last == id) {
        /* The sku came with this lot, so it is the last of its chain's head too. */
        uint32_t *first = &ls->by_sku.heads[text_hash(ls, lot->dims.sku) & ls->by_sku.mask];
        assert(lot->sku == ls->sku_count && *first == lot->sku);
        *first = s->next;
        ls->sku_count--;
    } else {
        lots_leave_sale(ls, id);
        leave_numbers(ls, s, id);
    }
    lots_drop_terms(ls, id);
    uint32_t bytes = text_bytes(&lot->dims);
    if (ls->text_used >= bytes)
        ls->text_used -= bytes;
    lot->dims = (struct lot_dims){0};
    while (ls->count && !lots_has(ls, ls->count))
        ls->count--;
}
