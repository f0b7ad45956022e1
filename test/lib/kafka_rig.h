/* kafka_rig.h - librdkafka's brokers in this process, and what stands in their topics. */
#ifndef TALLY_TEST_KAFKA_RIG_H
#define TALLY_TEST_KAFKA_RIG_H

#include "fixture.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { KAFKA_SEEN_MAX = 8192, KAFKA_BROKERS = 3 };

struct kafka_seen {
    char key[40];
    int64_t id; /* of the event; 0: the value is none */
    int32_t partition;
};

struct kafka_rig {
    rd_kafka_t *host; /* of the brokers */
    rd_kafka_mock_cluster_t *cluster;
    char brokers[256];
    rd_kafka_t *reader;
    struct kafka_seen seen[KAFKA_SEEN_MAX];
    int count;
    char last[4096]; /* value of the last one */
};

void kafka_rig_open(struct kafka_rig *r);
void kafka_rig_close(struct kafka_rig *r);
/* Reads all partitions of the topic from their beginning. */
void kafka_rig_read(struct kafka_rig *r, const char *topic);
/* What has come by now, of all that is read; returns the count. */
int kafka_rig_seen(struct kafka_rig *r);

#endif
