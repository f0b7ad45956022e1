/* sales.c - see sales.h. When memory is short nothing is added. */
#include "engine/sales.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

enum { SALES_GOAL = 65536 };

int sales_init(struct sales *ss, uint64_t hash_seed)
{
    *ss = (struct sales){.hash_seed = hash_seed};
    return pairs_init(&ss->by_id, SALES_GOAL);
}

void sales_close(struct sales *ss)
{
    for (sale_number number = 1; number <= ss->count; number++) {
        struct sale *s = sales_at(ss, number);
        if (!s)
            continue;
        user_units_close(&s->users);
        sale_version_free(s->version);
        free(s);
    }
    for (uint32_t i = 0; i < SALES_MAX / SALE_CHUNK; i++)
        free(ss->chunks[i]);
    pairs_close(&ss->by_id);
    ss->count = 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool among(const uint32_t *numbers, uint16_t count, uint32_t number)
{
    uint16_t low = 0;
    while (count) {
        uint16_t half = count / 2;
        if (numbers[low + half] == number)
            return true;
        if (numbers[low + half] < number) {
            low = (uint16_t)(low + half + 1);
            count = (uint16_t)(count - half - 1);
        } else {
            count = half;
        }
    }
    return false;
}

static bool names_sku(const struct sale_version *v, struct str sku)
{
    for (uint16_t i = 0; i < v->terms.item_count; i++) {
        if (!v->terms.items[i].lot && str_equal(v->terms.items[i].sku, sku))
            return true;
    }
    return false;
}

bool sale_version_has_sku_of(const struct sale_version *v, const struct lot *lot)
{
    return among(v->skus, v->sku_count, lot->sku) || (v->by_text && names_sku(v, lot->dims.sku));
}

bool sale_version_sells(const struct sale_version *v, lot_id id, const struct lot *lot)
{
    return among(v->lots, v->lot_count, id) || sale_version_has_sku_of(v, lot);
}

/* Sorts, and drops what is there twice. */
static uint16_t sort(uint32_t *numbers, uint16_t count)
{
    uint16_t kept = 0;
    qsort(numbers, count, sizeof *numbers, by_number);
    for (uint16_t i = 0; i < count; i++) {
        if (kept == 0 || numbers[kept - 1] != numbers[i])
            numbers[kept++] = numbers[i];
    }
    return kept;
}

bool sale_item_is_key(struct str text)
{
    return text.len && memchr(text.p, '#', text.len);
}

/* One item: a lot by number or, with a '#' in its text, by key; or a sku, whose text becomes the
 * lots' own, which lives as long as the engine. */
static bool resolve(const struct lots *lots, struct sale_version *v, struct sale_item *item)
{
    if (!item->lot && sale_item_is_key(item->sku)) {
        item->lot = lots_find(lots, item->sku);
        if (!item->lot)
            return false;
    }
    if (item->lot) {
        item->sku = (struct str){"", 0};
        if (!lots_has(lots, item->lot))
            return false;
        v->lots[v->lot_count++] = item->lot;
        return true;
    }
    const struct sku *sku = lots_sku(lots, item->sku);
    if (!sku || !sku->oldest)
        return false;
    const struct lot *lot = lots_at(lots, sku->oldest);
    item->sku = lot->dims.sku;
    v->skus[v->sku_count++] = lot->sku;
    return true;
}

static struct str copy_text(char **at, struct str text)
{
    struct str copy = {*at, text.len};
    if (text.len)
        memcpy(*at, text.p, text.len);
    *at += text.len;
    return copy;
}

/* Its items are still to be resolved; `*text` is where `text_bytes` more begin. */
static struct sale_version *allocate(const struct sale_terms *terms, size_t text_bytes,
                                     struct sale_item **item, char **text)
{
    uint16_t count = terms->item_count;
    size_t items = count * sizeof(struct sale_item);
    size_t numbers = 2 * (size_t)count * sizeof(uint32_t);
    struct sale_version *v =
        malloc(sizeof *v + items + numbers + terms->sale_id.len + terms->title.len + text_bytes);
    if (!v)
        return NULL;
    *item = (struct sale_item *)(v + 1);
    *v = (struct sale_version){.terms = *terms};
    v->lots = (uint32_t *)(*item + count);
    v->skus = v->lots + count;
    *text = (char *)(v->skus + count);
    v->terms.sale_id = copy_text(text, terms->sale_id);
    v->terms.title = copy_text(text, terms->title);
    v->terms.items = *item;
    if (count)
        memcpy(*item, terms->items, items);
    return v;
}

struct sale_version *sale_version_make(const struct lots *lots, const struct sale_terms *terms,
                                       uint32_t *failed)
{
    uint16_t count = terms->item_count;
    struct sale_item *item;
    char *text;
    struct sale_version *v = allocate(terms, 0, &item, &text);
    *failed = count;
    if (!v)
        return NULL;
    for (uint16_t i = 0; i < count; i++) {
        if (!resolve(lots, v, &item[i])) {
            *failed = i;
            free(v);
            return NULL;
        }
    }
    v->lot_count = sort(v->lots, v->lot_count);
    v->sku_count = sort(v->skus, v->sku_count);
    return v;
}

struct sale_version *sale_version_loaded(const struct lots *lots, const struct sale_terms *terms)
{
    struct sale_item *item;
    char *text;
    size_t text_bytes = 0;
    for (uint16_t i = 0; i < terms->item_count; i++)
        text_bytes += terms->items[i].sku.len;
    struct sale_version *v = allocate(terms, text_bytes, &item, &text);
    if (!v)
        return NULL;
    for (uint16_t i = 0; i < terms->item_count; i++) {
        if (item[i].lot) {
            item[i].sku = (struct str){"", 0};
            v->lots[v->lot_count++] = item[i].lot;
        } else if (!resolve(lots, v, &item[i])) {
            item[i].sku = copy_text(&text, item[i].sku);
            v->by_text = true;
        }
    }
    v->lot_count = sort(v->lots, v->lot_count);
    v->sku_count = sort(v->skus, v->sku_count);
    return v;
}

void sale_version_free(struct sale_version *v)
{
    free(v);
}

static uint64_t id_key(const struct sales *ss, struct str sale_id)
{
    return hash64(sale_id, ss->hash_seed);
}

const struct sale *sales_likely(const struct sales *ss, uint64_t hash)
{
    uint32_t probe = 0;
    return (const struct sale *)(uintptr_t)pairs_find(&ss->by_id, hash, &probe);
}

struct sale *sales_find(const struct sales *ss, struct str sale_id)
{
    return sales_find_hashed(ss, sale_id, id_key(ss, sale_id));
}

struct sale *sales_find_hashed(const struct sales *ss, struct str sale_id, uint64_t hash)
{
    uint32_t probe = 0;
    uint64_t value;
    while ((value = pairs_find(&ss->by_id, hash, &probe))) {
        struct sale *s = (struct sale *)(uintptr_t)value;
        if (s->load == ss->load && str_equal(s->sale_id, sale_id))
            return s;
    }
    return NULL;
}

static bool make_room(struct sales *ss, sale_number number)
{
    struct sale ***chunk = &ss->chunks[(number - 1) / SALE_CHUNK];
    if (!*chunk)
        *chunk = calloc(SALE_CHUNK, sizeof(struct sale *));
    return *chunk;
}

struct sale *sales_put(struct sales *ss, struct sale_version *version, int64_t created_seq)
{
    struct str sale_id = version->terms.sale_id;
    sale_number number = version->terms.number;
    bool room = number <= SALES_MAX && make_room(ss, number);
    struct sale *s = room ? calloc(1, sizeof *s + sale_id.len) : NULL;
    if (!s)
        return NULL;
    char *text = (char *)(s + 1);
    s->sale_id = copy_text(&text, sale_id);
    if (!pairs_put(&ss->by_id, id_key(ss, sale_id), (uintptr_t)s)) {
        free(s);
        return NULL;
    }
    if (number > ss->count)
        ss->count = number;
    *sales_place(ss, number) = s;
    s->version = version;
    s->created_seq = created_seq;
    s->load = ss->load;
    s->live = true;
    return s;
}

struct sale *sales_add(struct sales *ss, struct sale_version *version, int64_t created_seq)
{
    version->terms.number = ss->count + 1;
    struct sale *s = sales_put(ss, version, created_seq);
    if (!s)
        return NULL;
    s->older = ss->newest;
    if (ss->newest)
        ss->newest->newer = s;
    else
        ss->oldest = s;
    ss->newest = s;
    return s;
}

void sales_tell(struct sales *ss, struct sale *s)
{
    if (s->in_news)
        return;
    s->in_news = true;
    s->news_next = ss->news;
    ss->news = s;
}

void sales_unlive(struct sales *ss, struct sale *s)
{
    if (!s->live)
        return;
    if (s->older)
        s->older->newer = s->newer;
    else
        ss->oldest = s->newer;
    if (s->newer)
        s->newer->older = s->older;
    else
        ss->newest = s->older;
    s->older = s->newer = NULL;
    s->live = false;
    user_units_close(&s->users);
}

/* A change of it that was undone before may have put it there. */
static void untell(struct sales *ss, struct sale *s)
{
    struct sale **at = &ss->news;
    while (s->in_news && *at != s)
        at = &(*at)->news_next;
    if (s->in_news)
        *at = s->news_next;
}

void sales_drop(struct sales *ss, struct sale *s)
{
    assert(s == sales_at(ss, ss->count));
    untell(ss, s);
    sales_unlive(ss, s);
    pairs_remove(&ss->by_id, id_key(ss, s->sale_id), (uintptr_t)s);
    *sales_place(ss, ss->count--) = NULL;
    free(s);
}
