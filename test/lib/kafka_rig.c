/* See kafka_rig.h. */
#include "kafka_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4 };

void kafka_rig_open(struct kafka_rig *r)
{
    char why[200];
    memset(r, 0, sizeof *r);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    r->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(r->host);
    r->cluster = rd_kafka_mock_cluster_new(r->host, KAFKA_BROKERS);
    assert_non_null(r->cluster);
    snprintf(r->brokers, sizeof r->brokers, "%s", rd_kafka_mock_cluster_bootstraps(r->cluster));
}

void kafka_rig_close(struct kafka_rig *r)
{
    if (r->reader) {
        rd_kafka_consumer_close(r->reader);
        rd_kafka_destroy(r->reader);
    }
    rd_kafka_mock_cluster_destroy(r->cluster);
    rd_kafka_destroy(r->host);
}

void kafka_rig_read(struct kafka_rig *r, const char *topic)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", r->brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof why);
    r->reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(r->reader);
    rd_kafka_poll_set_consumer(r->reader);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(r->reader, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

static void take(struct kafka_rig *r, const rd_kafka_message_t *m)
{
    struct kafka_seen *s = &r->seen[r->count];
    if (m->err || r->count == KAFKA_SEEN_MAX)
        return;
    snprintf(s->key, sizeof s->key, "%.*s", (int)m->key_len, (const char *)m->key);
    snprintf(r->last, sizeof r->last, "%.*s", (int)m->len, (const char *)m->payload);
    const char *id = strstr(r->last, "\"id\":\"");
    s->id = id ? strtoll(id + strlen("\"id\":\""), NULL, 10) : 0;
    s->partition = m->partition;
    r->count++;
}

int kafka_rig_seen(struct kafka_rig *r)
{
    rd_kafka_message_t *m;
    while ((m = rd_kafka_consumer_poll(r->reader, 1))) {
        take(r, m);
        rd_kafka_message_destroy(m);
    }
    return r->count;
}
