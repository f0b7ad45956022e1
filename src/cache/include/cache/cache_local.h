/* cache_local.h - lots in this process, in shards with a lock each; alone, or in front of a tier
 * that is further away.
 *
 * Alone, all that is read is kept. In front of another cache only what is hot is kept, and only
 * what came from there; of all other lots it holds the leases and tombstones, so that one reader at
 * a time asks for a lot, and those who come meanwhile share what it gets.
 */
#ifndef TALLY_CACHE_CACHE_LOCAL_H
#define TALLY_CACHE_CACHE_LOCAL_H

#include "cache/cache.h"

struct cache_local_config {
    uint64_t hash_seed;
    size_t bytes_max;     /* of all shards */
    int64_t keep_ms;      /* 30 s; of hot lots 10 s */
    int64_t absent_ms;    /* that there is no such lot */
    int64_t recheck_ms;   /* in front of another: how old a hot lot may get unchecked; 0: keep_ms */
    int64_t stale_ms;     /* how long after a delete what was there may be shown */
    int64_t tombstone_ms; /* how long a delete is remembered */
    int64_t lease_ms;     /* for one fill */
    int64_t wait_ms;      /* for somebody else's fill, where there is nothing to show, */
    int64_t stale_wait_ms; /* and where there is */
    uint32_t hot_reads;    /* a lot is hot with more reads than that in a minute: 5,000 */
    uint32_t hot_max;      /* hot lots: 1,000 */
    struct cache *next;    /* NULL: alone. Destroyed with this one */
};

int cache_local_create(struct cache **out, const struct cache_local_config *config,
                       struct error *e) MUST_CHECK;

#endif
