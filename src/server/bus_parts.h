/* bus_parts.h - what the settings `bus` and `events` describe: second deletes of cached lots with
 * their delay line, events to Kafka, and invalidations of other nodes' local caches. */
#ifndef TALLY_SERVER_BUS_PARTS_H
#define TALLY_SERVER_BUS_PARTS_H

#include "base/error.h"
#include "bus/again.h"
#include "bus/invalidations.h"
#include "bus/kafka_events.h"
#include "cache/cache.h"
#include "server/settings.h"

/* Each may be NULL: it is not wanted. */
struct bus_parts {
    struct ledger *ledger;
    struct cache *cache;
    struct again *again;
    struct delay *line; /* of `again` */
    struct kafka_events *events;
    struct invalidations *invalidations;
};

struct bus_parts_host {
    struct ledger *ledger;
    struct cache *cache; /* NULL: there is none, so nothing is deleted */
    const struct lot_dims *(*lot_dims)(void *context, lot_id id); /* any thread */
    void *context;
};

/* Of a zeroed struct. What was made before a failure goes with bus_parts_destroy(). */
int bus_parts_create(struct bus_parts *p, const struct settings *s,
                     const struct bus_parts_host *host, struct error *e) MUST_CHECK;
int bus_parts_start(struct bus_parts *p, struct error *e) MUST_CHECK; /* the ledger has been */
/* After a commit; any thread, never block. Of a zeroed struct: nothing happens. */
void bus_parts_committed(struct bus_parts *p);
void bus_parts_lot_committed(struct bus_parts *p, struct str key, int64_t version, int64_t seq);
/* Before the ledger stops, after the last commit. */
void bus_parts_stop(struct bus_parts *p);
void bus_parts_destroy(struct bus_parts *p); /* after the cache, which may owe answers */

#endif
