/* mysql_known.c - see mysql_known.h. Failure: memory is short; the lot is not known then. */
#include "ledger/mysql_known.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { ROOM_MIN = 256, SEED = 1 };

void mydb_known_close(struct mydb_known *k)
{
    for (uint32_t i = 0; i < k->room; i++)
        free(k->lots[i]);
    free(k->lots);
    free(k->keys);
    free(k->skus);
    *k = (struct mydb_known){0};
}

struct known_lot *mydb_known_lot(const struct mydb_known *k, int64_t id)
{
    return id > 0 && id < k->room ? k->lots[id] : NULL;
}

static struct known_lot **key_slot(const struct mydb_known *k, struct str key)
{
    uint32_t at = (uint32_t)hash64(key, SEED) & (k->key_room - 1);
    while (k->keys[at] && !str_equal(k->keys[at]->dims.key, key))
        at = (at + 1) & (k->key_room - 1);
    return &k->keys[at];
}

static struct known_sku *sku_slot(const struct mydb_known *k, struct str sku)
{
    uint32_t at = (uint32_t)hash64(sku, SEED) & (k->sku_room - 1);
    while (k->skus[at].first && !str_equal(k->skus[at].first->dims.sku, sku))
        at = (at + 1) & (k->sku_room - 1);
    return &k->skus[at];
}

struct known_lot *mydb_known_key(const struct mydb_known *k, struct str key)
{
    return k->key_room ? *key_slot(k, key) : NULL;
}

struct known_sku *mydb_known_sku(const struct mydb_known *k, struct str sku)
{
    struct known_sku *slot = k->sku_room ? sku_slot(k, sku) : NULL;
    return slot && slot->first ? slot : NULL;
}

static bool more_lots(struct mydb_known *k, lot_id id)
{
    uint64_t room = k->room ? k->room : ROOM_MIN;
    while (room <= id)
        room *= 2;
    if (room == k->room)
        return true;
    struct known_lot **lots = room <= UINT32_MAX ? realloc(k->lots, room * sizeof(void *)) : NULL;
    if (!lots)
        return false;
    memset(lots + k->room, 0, (room - k->room) * sizeof(void *));
    k->lots = lots;
    k->room = (uint32_t)room;
    return true;
}

static bool more_keys(struct mydb_known *k)
{
    if (k->key_count < k->key_room / 2)
        return true;
    struct mydb_known old = *k;
    uint32_t room = k->key_room ? k->key_room * 2 : ROOM_MIN;
    struct known_lot **keys = calloc(room, sizeof(void *));
    if (!keys)
        return false;
    k->keys = keys;
    k->key_room = room;
    for (uint32_t i = 0; i < old.key_room; i++)
        if (old.keys[i])
            *key_slot(k, old.keys[i]->dims.key) = old.keys[i];
    free(old.keys);
    return true;
}

static bool more_skus(struct mydb_known *k)
{
    if (k->sku_count < k->sku_room / 2)
        return true;
    struct mydb_known old = *k;
    uint32_t room = k->sku_room ? k->sku_room * 2 : ROOM_MIN;
    struct known_sku *skus = calloc(room, sizeof *skus);
    if (!skus)
        return false;
    k->skus = skus;
    k->sku_room = room;
    for (uint32_t i = 0; i < old.sku_room; i++)
        if (old.skus[i].first)
            *sku_slot(k, old.skus[i].first->dims.sku) = old.skus[i];
    free(old.skus);
    return true;
}

static struct str keep(char **at, struct str s)
{
    struct str copy = {*at, s.len};
    if (s.len)
        memcpy(*at, s.p, s.len);
    *at += s.len;
    return copy;
}

static struct known_lot *make(lot_id id, const struct lot_dims *d)
{
    size_t size = (size_t)d->key.len + d->sku.len + d->flavor.len + d->size.len + d->batch.len;
    struct known_lot *lot = calloc(1, sizeof *lot + size);
    if (!lot)
        return NULL;
    char *text = (char *)(lot + 1);
    lot->id = id;
    lot->dims = (struct lot_dims){.key = keep(&text, d->key),
                                  .expires_on = d->expires_on,
                                  .sku = keep(&text, d->sku),
                                  .flavor = keep(&text, d->flavor),
                                  .size = keep(&text, d->size),
                                  .batch = keep(&text, d->batch)};
    return lot;
}

struct known_lot *mydb_known_put(struct mydb_known *k, lot_id id, const struct lot_dims *dims)
{
    struct known_lot *lot = mydb_known_lot(k, id);
    if (lot)
        return lot;
    if (!more_lots(k, id) || !more_keys(k) || !more_skus(k) || !(lot = make(id, dims)))
        return NULL;
    struct known_sku *sku = sku_slot(k, dims->sku);
    if (!sku->first) {
        k->sku_count++;
        sku->read_ns = 0;
    }
    lot->of_sku = sku->first;
    sku->first = lot;
    *key_slot(k, dims->key) = lot;
    k->key_count++;
    k->lots[id] = lot;
    return lot;
}
