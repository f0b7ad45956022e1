/* invalidations_kafka.h - invalidations over a topic of Kafka. Each node reads all of it, from
 * where it stands when the node begins to listen: its consumer group is its own. */
#ifndef TALLY_BUS_INVALIDATIONS_KAFKA_H
#define TALLY_BUS_INVALIDATIONS_KAFKA_H

#include "bus/invalidations.h"

struct invalidations_kafka_config {
    const char *brokers; /* HOST:PORT, separated by commas; texts are copied */
    const char *topic;
    const char *name; /* of this node: others have other ones */
    invalidation_heard_fn *heard;
    /* Something that an operator should know; on any thread. May be NULL. */
    void (*tell)(void *context, const char *event, const char *text);
    void *context;
};

int invalidations_kafka_create(struct invalidations **out,
                               const struct invalidations_kafka_config *config,
                               struct error *e) MUST_CHECK;

#endif
