/* heat.c - a ring of seconds for each lot that is counted.
 *
 * Happy path: the lot has a place; its seconds are brought up to now, the read is added. Nothing
 * here fails but the first allocation.
 */
#include "cache/heat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct heat_place {
    uint64_t hash;
    int64_t newest_s; /* of the ring */
    uint32_t total;
    uint32_t seconds[WINDOW_S];
};

int heat_init(struct heat *h, uint32_t sets)
{
    assert(sets && (sets & (sets - 1)) == 0);
    h->set_count = sets;
    h->places = calloc((size_t)sets * HEAT_WAYS, sizeof *h->places);
    return h->places ? 0 : TLY_ENO_MEMORY;
}

void heat_close(struct heat *h)
{
    free(h->places);
    h->places = NULL;
}

/* Seconds that are WINDOW_S old leave. Time that goes back counts as standing still. */
static void slide(struct heat_place *p, int64_t now_s)
{
    if (now_s - p->newest_s >= WINDOW_S) {
        memset(p->seconds, 0, sizeof p->seconds);
        p->total = 0;
        p->newest_s = now_s;
    }
    while (p->newest_s < now_s) {
        uint32_t *next = &p->seconds[++p->newest_s % WINDOW_S];
        p->total -= *next;
        *next = 0;
    }
}

static struct heat_place *place_of(struct heat *h, uint64_t hash, int64_t now_s)
{
    struct heat_place *set = &h->places[(hash >> 20 & (h->set_count - 1)) * HEAT_WAYS];
    struct heat_place *coldest = set;
    for (int i = 0; i < HEAT_WAYS; i++) {
        if (set[i].hash == hash) {
            slide(&set[i], now_s);
            return &set[i];
        }
    }
    for (int i = 0; i < HEAT_WAYS; i++) {
        slide(&set[i], now_s);
        if (set[i].total < coldest->total)
            coldest = &set[i];
    }
    memset(coldest, 0, sizeof *coldest);
    coldest->hash = hash;
    coldest->newest_s = now_s;
    return coldest;
}

uint32_t heat_count(struct heat *h, uint64_t hash, int64_t now_ms)
{
    int64_t now_s = now_ms / 1000;
    struct heat_place *p = place_of(h, hash, now_s);
    p->seconds[p->newest_s % WINDOW_S]++;
    return ++p->total;
}
