#include "fixture_planted.h"

#include <stdlib.h>
#include <string.h>

struct planted {
    struct cache cache; /* first */
    enum plant plant;
    int64_t lease_ms;
    struct cached_lot lot;
    bool has;
    int64_t least_version;
    uint64_t leases, lease;
    int64_t lease_until_ms;
};

struct session {
    struct cache_session base; /* first */
    struct planted *p;
};

static const struct cache_ops ops;

static int attach(struct cache *c, const struct cache_worker *w, struct cache_session **out,
                  struct error *e)
{
    struct session *s = calloc(1, sizeof *s);
    (void)w;
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    s->base.ops = &ops;
    s->p = (struct planted *)c;
    *out = &s->base;
    return 0;
}

static bool ask(struct cache_session *base, struct cache_ask *a, int64_t now_ms)
{
    struct planted *p = ((struct session *)base)->p;
    a->least_version = p->least_version;
    a->stale = false;
    if (p->has) {
        a->verdict = CACHE_FOUND;
        a->lot = p->lot;
    } else if (p->lease && now_ms < p->lease_until_ms && p->plant != PLANT_LEASE_LOST) {
        a->verdict = CACHE_BLIND;
    } else {
        a->verdict = CACHE_FILL;
        a->lease = p->lease = ++p->leases;
        p->lease_until_ms = now_ms + p->lease_ms;
    }
    return true;
}

static bool fill(struct cache_session *base, struct cache_ask *a, const struct cache_reading *r,
                 int64_t now_ms)
{
    struct planted *p = ((struct session *)base)->p;
    int64_t version = r->lot->stock.version;
    a->verdict = CACHE_FOUND;
    a->lot = *r->lot;
    if (version < p->least_version) {
        a->least_version = p->least_version;
        p->lease_until_ms = now_ms + p->lease_ms;
        return false;
    }
    bool ours = a->lease == p->lease;
    bool newer = !p->has || version >= p->lot.stock.version;
    if (ours)
        p->lease = 0;
    if (p->plant == PLANT_OLDER_FILL_WINS || (ours && newer) ||
        (newer && p->plant == PLANT_LEASE_LOST)) {
        p->has = true;
        p->lot = *r->lot;
    }
    return true;
}

static void give_up(struct cache_session *base, struct cache_ask *a, int64_t now_ms)
{
    struct planted *p = ((struct session *)base)->p;
    (void)now_ms;
    if (a->lease == p->lease)
        p->lease = 0;
}

static void nothing(struct cache_session *base, int64_t now_ms)
{
    (void)base;
    (void)now_ms;
}

static void detach(struct cache_session *base)
{
    free(base);
}

static void forget(struct cache *c, struct str key, int64_t version)
{
    struct planted *p = (struct planted *)c;
    (void)key;
    if (p->plant == PLANT_DELETE_IGNORED)
        return;
    if (p->has && p->lot.stock.version < version)
        p->has = false;
    if (p->plant != PLANT_TOMBSTONE_IGNORED && p->plant != PLANT_OLDER_FILL_WINS &&
        version > p->least_version)
        p->least_version = version;
}

static void remove_lot(struct cache *c, struct str key, int64_t version, cache_done_fn *done,
                       void *context)
{
    forget(c, key, version);
    if (done)
        done(context, 0);
}

static void destroy(struct cache *c)
{
    free(c);
}

static const struct cache_ops ops = {.attach = attach,
                                     .ask = ask,
                                     .fill = fill,
                                     .give_up = give_up,
                                     .turn = nothing,
                                     .tick = nothing,
                                     .detach = detach,
                                     .remove = remove_lot,
                                     .forget = forget,
                                     .destroy = destroy};

struct cache *planted_create(enum plant plant, int64_t lease_ms)
{
    struct planted *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->cache.ops = &ops;
    p->plant = plant;
    p->lease_ms = lease_ms;
    return &p->cache;
}
