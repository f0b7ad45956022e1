/* gate_redis.h - the gate of several nodes: what it knows is in Redis, or in a Redis Cluster.
 *
 * A worker's session has a connection of its own on the worker's loop, which it needs. What the
 * lane tells goes through a thread of the gate's. Redis away, slow or empty is GATE_BLIND, never
 * SOLD_OUT. See README.md for what is kept and why it may say no. */
#ifndef TALLY_GATE_GATE_REDIS_H
#define TALLY_GATE_GATE_REDIS_H

#include "gate/gate.h"

struct redis_address;

enum { GATE_FRESH_MS = 4000, GATE_OPEN_LIMIT_MS = 5000 };

struct gate_redis_config {
    const struct redis_address *addresses; /* of redis/redis.h; copied */
    uint32_t address_count;
    struct str user, password; /* copied */
    uint64_t hash_seed;
    size_t order_filter_bytes; /* of order_ids that this node has seen; power of two */
    int64_t order_retention_ms;
    uint32_t fresh_ms; /* a refusal rests on what the ledger said no longer ago; else one ask in
                          that time is let through, and its answer renews it. 0: GATE_FRESH_MS */
    uint32_t open_limit_ms; /* open units older than that refuse nobody. 0: GATE_OPEN_LIMIT_MS */
    uint32_t command_ms;    /* patience with one call; 0: the usual */
};

/* For metrics: sums over the workers' connections and the lanes'. */
#define GATE_REDIS_STATS(X)                                                                        \
    X(asks_total, COUNTER, "asks of the gate that Redis was asked about")                          \
    X(calls_total, COUNTER, "calls of Redis by the gate")                                          \
    X(call_errors_total, COUNTER, "calls of Redis by the gate that failed or were not made")       \
    X(call_us_total, COUNTER, "time from sending a call of Redis to its answer")                   \
    X(blind_total, COUNTER, "asks that Redis could not be asked about, or did not answer")         \
    X(tells_total, COUNTER, "lots and orders that Redis was told of")                              \
    X(tells_dropped_total, COUNTER, "lots and orders that Redis was not told of: too many waited") \
    X(tells_waiting, GAUGE, "lots and orders that Redis has to be told of")                        \
    X(breakers_open, GAUGE, "connections of the gate that are left alone: down, or breaker open")

struct gate_redis_stats {
#define X(name, kind, help) int64_t name;
    GATE_REDIS_STATS(X)
#undef X
};

int gate_redis_create(struct gate **out, const struct gate_redis_config *config,
                      struct error *e) MUST_CHECK;
/* Any thread, while the gate is there. */
void gate_redis_stats(struct gate *g, struct gate_redis_stats *out);

/* ---- for tests ---- */

/* Asks of the session that are not answered. */
size_t gate_redis_waiting(const struct gate_session *s);
/* All that was told has been taken by Redis. */
bool gate_redis_is_told(struct gate *g);
/* The session can ask, whatever the lot. */
bool gate_redis_is_up(const struct gate_session *s);

#endif
