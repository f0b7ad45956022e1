/* gate_redis.c - the port's side of the gate in Redis.
 *
 * In Redis, per lot ({LOT} is the hash tag):
 *     tally:gate:{LOT}       hash: available and version as the ledger said last, id, told and
 * probe (when), marked (up to which version all orders are in the set below), O<span> open units of
 * a span of time, R<version> ranges that wait for the one before them tally:seen:{LOT}       set of
 * order hashes; "!" while nothing was lost from it tally:open:{LOT}:<n>   hash of the open orders
 * of a span: order hash to units and per sku, for orders that name goods: tally:goods:{SKU} hash:
 * n:<flavor>|<size> sums (either may be empty), l:<lot> its part in them, gaps (lots whose orders
 * are not all marked), whole, told, probe tally:seen:{SKU}
 *
 * By itself a node knows when sales are on, the next deadline of its lane, and which order_ids came
 * to it: what is surely no new order needs no call.
 *
 * Failure: Redis is away: asks are BLIND, and what is told waits, up to a bound. Memory is short
 * for a sale: asks in it are BLIND.
 */
#include "gate/gate_redis.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "gate/redis_gate.h"

enum {
    SALES_MAX = 1 << 20,
    KEEP_MORE_MS = 30 * 24 * 3600, /* times 1000: what is not asked for is kept so much longer */
};

struct known_sale {
    uint64_t id_hash;
    int64_t opens_ms, closes_ms;
    sale_number number; /* 0: two sales share the hash, nothing is known */
};

static struct gate_redis *self(struct gate *g)
{
    return (struct gate_redis *)g;
}

/* ---- sales ---- */

/* Where it is, or would be. */
static size_t find_sale(const struct gate_redis *g, uint64_t id_hash)
{
    size_t low = 0, high = g->sale_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (g->sales[middle].id_hash < id_hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool gate_redis_sale_is_on(struct gate_redis *g, struct str sale_id, int64_t now_ms)
{
    uint64_t id_hash = hash64(sale_id, g->hash_seed);
    pthread_rwlock_rdlock(&g->sales_lock);
    size_t i = find_sale(g, id_hash);
    const struct known_sale *s = &g->sales[i];
    bool on = i < g->sale_count && s->id_hash == id_hash && s->number != 0 &&
              now_ms >= s->opens_ms && now_ms < s->closes_ms;
    pthread_rwlock_unlock(&g->sales_lock);
    return on;
}

static int put_sale(struct gate_redis *g, const struct gate_sale *sale)
{
    uint64_t id_hash = hash64(sale->sale_id, g->hash_seed);
    size_t i = find_sale(g, id_hash);
    const struct known_sale fresh = {id_hash, sale->opens_ms, sale->closes_ms, sale->number};
    if (i < g->sale_count && g->sales[i].id_hash == id_hash) {
        bool same = g->sales[i].number == sale->number;
        g->sales[i] = fresh;
        g->sales[i].number = same ? sale->number : 0;
        return 0;
    }
    if (g->sale_count == g->sale_room) {
        size_t room = g->sale_room ? 2 * g->sale_room : 64;
        struct known_sale *bigger =
            room <= SALES_MAX ? realloc(g->sales, room * sizeof *bigger) : NULL;
        if (!bigger)
            return TLY_ENO_MEMORY;
        g->sales = bigger;
        g->sale_room = room;
    }
    memmove(&g->sales[i + 1], &g->sales[i], (g->sale_count - i) * sizeof g->sales[0]);
    g->sales[i] = fresh;
    g->sale_count++;
    return 0;
}

static int redis_sale_known(struct gate *gate, const struct gate_sale *sale)
{
    struct gate_redis *g = self(gate);
    pthread_rwlock_wrlock(&g->sales_lock);
    int code = put_sale(g, sale);
    pthread_rwlock_unlock(&g->sales_lock);
    return code;
}

/* ---- the rest of the lane's side ---- */

static int redis_lot_known(struct gate *gate, const struct gate_stock *lot)
{
    teller_tell(self(gate)->teller, NULL, 0, lot, 1);
    return 0;
}

static void redis_committed(struct gate *gate, const struct gate_settlement *orders, size_t n,
                            const struct gate_stock *lots, size_t m)
{
    teller_tell(self(gate)->teller, orders, n, lots, m);
}

static void redis_order_seen(struct gate *gate, uint64_t order_hash)
{
    order_filter_mark(&self(gate)->orders, order_hash);
}

static void redis_orders_complete(struct gate *gate, bool complete)
{
    atomic_store_explicit(&self(gate)->orders_complete, complete, memory_order_release);
}

static void redis_next_deadline(struct gate *gate, int64_t deadline_ms)
{
    atomic_store_explicit(&self(gate)->next_deadline_ms, deadline_ms, memory_order_release);
}

/* ---- figures ---- */

void gate_redis_stats(struct gate *gate, struct gate_redis_stats *out)
{
    struct gate_redis *g = self(gate);
    pthread_mutex_lock(&g->sessions_lock);
    *out = g->past;
    redis_sessions_count(g, out);
    pthread_mutex_unlock(&g->sessions_lock);
    teller_count(g->teller, out);
}

bool gate_redis_is_told(struct gate *gate)
{
    return teller_is_done(self(gate)->teller);
}

/* ---- life ---- */

static void redis_destroy(struct gate *gate)
{
    struct gate_redis *g = self(gate);
    teller_destroy(g->teller);
    order_filter_close(&g->orders);
    pthread_rwlock_destroy(&g->sales_lock);
    pthread_mutex_destroy(&g->sessions_lock);
    if (g->password)
        explicit_bzero(g->password, strlen(g->password));
    free(g->password);
    free(g->user);
    free(g->addresses);
    free(g->sales);
    free(g);
}

static const struct gate_ops redis_ops = {
    .attach = redis_session_attach,
    .ask = redis_session_ask,
    .flush = redis_session_flush,
    .detach = redis_session_detach,
    .lot_known = redis_lot_known,
    .sale_known = redis_sale_known,
    .committed = redis_committed,
    .order_seen = redis_order_seen,
    .orders_complete = redis_orders_complete,
    .next_deadline = redis_next_deadline,
    .destroy = redis_destroy,
};

static int copy_config(struct gate_redis *g, const struct gate_redis_config *c, struct error *e)
{
    size_t bytes = c->address_count * sizeof g->addresses[0];
    g->hash_seed = c->hash_seed;
    g->user = strndup(c->user.p ? c->user.p : "", c->user.len);
    g->password = strndup(c->password.p ? c->password.p : "", c->password.len);
    g->addresses = malloc(bytes);
    if (!g->user || !g->password || !g->addresses)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the gate");
    memcpy(g->addresses, c->addresses, bytes);
    text_of_number(g->fresh, c->fresh_ms ? c->fresh_ms : GATE_FRESH_MS);
    text_of_number(g->limit, c->open_limit_ms ? c->open_limit_ms : GATE_OPEN_LIMIT_MS);
    text_of_number(g->keep, c->order_retention_ms + INT64_C(1000) * KEEP_MORE_MS);
    g->scripts[SCRIPT_ASK].text = str_of(gate_script_ask);
    g->scripts[SCRIPT_TELL].text = str_of(gate_script_tell);
    g->redis = (struct redis_config){.addresses = g->addresses,
                                     .address_count = c->address_count,
                                     .user = str_of(g->user),
                                     .password = str_of(g->password),
                                     .scripts = g->scripts,
                                     .script_count = SCRIPTS,
                                     .command_ms = c->command_ms};
    return order_filter_init(&g->orders, c->order_filter_bytes, e);
}

int gate_redis_create(struct gate **out, const struct gate_redis_config *config, struct error *e)
{
    struct gate_redis *g = calloc(1, sizeof *g);
    if (!g)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the gate");
    g->gate.ops = &redis_ops;
    atomic_init(&g->next_deadline_ms, INT64_MAX);
    atomic_init(&g->orders_complete, true);
    pthread_rwlock_init(&g->sales_lock, NULL);
    pthread_mutex_init(&g->sessions_lock, NULL);
    int code = copy_config(g, config, e);
    if (code == 0)
        code = teller_create(&g->teller, g, e);
    if (code) {
        redis_destroy(&g->gate);
        return code;
    }
    *out = &g->gate;
    return 0;
}
