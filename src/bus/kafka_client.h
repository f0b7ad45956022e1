/* kafka_client.h - what all uses of librdkafka here have in common: settings, and what it has to
 * say. */
#ifndef TALLY_BUS_KAFKA_CLIENT_H
#define TALLY_BUS_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Something that an operator should know; on a thread of librdkafka's, or on the caller's. */
typedef void kafka_tell_fn(void *context, const char *event, const char *text);

/* Not more often than every KAFKA_TELL_MS: a client whose brokers are gone has much to say. */
struct kafka_teller {
    kafka_tell_fn *tell; /* may be NULL */
    void *context;
    _Atomic uint64_t quiet_until_ns;
};

enum { KAFKA_TELL_MS = 5000 };

struct kafka_option {
    const char *key, *value;
};

/* `opaque` goes to the callbacks of the configuration; it begins with a struct kafka_teller. NULL:
 * `e` says why. */
rd_kafka_conf_t *kafka_conf(const char *brokers, const struct kafka_option *options, size_t count,
                            void *opaque, struct error *e);
/* Takes the configuration over, also if it fails. */
int kafka_open(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
               struct error *e) MUST_CHECK;

#define KAFKA_OPTIONS(list) (list), sizeof(list) / sizeof((list)[0])

#endif
