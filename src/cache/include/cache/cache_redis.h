/* cache_redis.h - lots in Redis (or a Redis Cluster, or Valkey), shared by all nodes.
 *
 * A lot is a hash `tally:lot:{LOT}`: a value, a tombstone and a lease, each with the time until
 * which it counts, by Redis's own clock. Every step is one script, so that nodes cannot get between
 * each other. Redis that is empty, slow or gone is BLIND: the authority answers.
 */
#ifndef TALLY_CACHE_CACHE_REDIS_H
#define TALLY_CACHE_CACHE_REDIS_H

#include "cache/cache.h"
#include "redis/redis.h"

struct cache_redis_config {
    struct redis_config redis; /* the loop is each worker's; scripts are set here */
    int64_t keep_ms;
    int64_t absent_ms;
    int64_t stale_ms;
    int64_t tombstone_ms;
    int64_t lease_ms;
    int64_t wait_ms;       /* for another node's fill */
    int64_t stale_wait_ms; /* the same, where there is something old to show */
};

/* Everything that `config` points to is copied. A server that is not there is no error. */
int cache_redis_create(struct cache **out, const struct cache_redis_config *config,
                       struct error *e) MUST_CHECK;

#endif
