/* invalidations_kafka.c - a producer that waits for nothing, and a thread that listens.
 *
 * Happy path: tell() puts a message (key: the lot's, value: its version) into the producer's queue,
 * which librdkafka's thread sends a moment later; the listener reads all partitions and hands out
 * what comes. Failure: a queue that is full, brokers that do not answer in time: dropped, and
 * counted; the listener goes on when they are there again, from where it was.
 */
#include "bus/invalidations_kafka.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/kafka_client.h"

enum { LISTEN_MS = 100 };

struct kafka_invalidations {
    struct kafka_teller teller; /* first: librdkafka's opaque */
    struct invalidations port;
    struct invalidations_kafka_config config;
    char *brokers, *topic, *group; /* what config points to */
    rd_kafka_t *producer, *consumer;
    rd_kafka_topic_t *to;
    _Atomic bool stopping;
    pthread_t thread;
    bool running;

#define X(name, kind, help) _Atomic int64_t name;
    struct {
        INVALIDATIONS_STATS(X)
    } counters;
#undef X
};

static struct kafka_invalidations *self(struct invalidations *i)
{
    return (struct kafka_invalidations *)((char *)i - offsetof(struct kafka_invalidations, port));
}

static void add(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void on_tell(struct invalidations *port, struct str key, int64_t version)
{
    struct kafka_invalidations *i = self(port);
    char value[24];
    int size = snprintf(value, sizeof value, "%" PRId64, version);
    add(&i->counters.told_total, 1);
    if (!i->producer || rd_kafka_produce(i->to, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value,
                                         (size_t)size, key.p, key.len, NULL))
        add(&i->counters.dropped_total, 1);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct kafka_invalidations *i = opaque;
    (void)rk;
    if (m->err)
        add(&i->counters.dropped_total, 1);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_invalidations *i = opaque;
    bool gained = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_assign(rk, gained ? list : NULL);
    atomic_store(&i->counters.listening, gained && list->cnt > 0);
}

/* A message that is none of ours says nothing: a key that is not a lot's is in no cache. */
static void hear(struct kafka_invalidations *i, const rd_kafka_message_t *m)
{
    char value[24];
    if (m->err || !m->key || m->len >= sizeof value)
        return;
    memcpy(value, m->payload, m->len);
    value[m->len] = 0;
    add(&i->counters.heard_total, 1);
    i->config.heard(i->config.context, (struct str){m->key, (uint32_t)m->key_len},
                    strtoll(value, NULL, 10));
}

static void *run(void *context)
{
    struct kafka_invalidations *i = context;
    pthread_setname_np(pthread_self(), "tally-listen");
    while (!atomic_load(&i->stopping)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(i->consumer, LISTEN_MS);
        rd_kafka_poll(i->producer, 0);
        if (!m)
            continue;
        hear(i, m);
        rd_kafka_message_destroy(m);
    }
    return NULL;
}

static int open_producer(struct kafka_invalidations *i, struct error *e)
{
    const struct kafka_option options[] = {
        {"linger.ms", "1"},
        {"acks", "1"},
        {"message.timeout.ms", "5000"}, /* local values do not live much longer */
        {"queue.buffering.max.messages", "20000"},
        {"partitioner", "murmur2_random"},
    };
    rd_kafka_conf_t *conf = kafka_conf(i->brokers, KAFKA_OPTIONS(options), i, e);
    if (!conf)
        return TLY_EINVALID_ARGUMENT;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    int code = kafka_open(&i->producer, RD_KAFKA_PRODUCER, conf, e);
    if (code == 0)
        i->to = rd_kafka_topic_new(i->producer, i->topic, NULL);
    return code ? code : i->to ? 0 : error_set(e, TLY_ENO_MEMORY, "events", "no memory");
}

static int open_consumer(struct kafka_invalidations *i, struct error *e)
{
    const struct kafka_option options[] = {
        {"group.id", i->group},          {"enable.auto.commit", "false"},
        {"auto.offset.reset", "latest"}, {"allow.auto.create.topics", "true"},
        {"fetch.wait.max.ms", "100"},    {"topic.metadata.refresh.interval.ms", "5000"},
    };
    rd_kafka_conf_t *conf = kafka_conf(i->brokers, KAFKA_OPTIONS(options), i, e);
    if (!conf)
        return TLY_EINVALID_ARGUMENT;
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    int code = kafka_open(&i->consumer, RD_KAFKA_CONSUMER, conf, e);
    if (code)
        return code;
    rd_kafka_poll_set_consumer(i->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, i->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(i->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return 0;
}

static int on_start(struct invalidations *port, struct error *e)
{
    struct kafka_invalidations *i = self(port);
    int code = open_producer(i, e);
    if (code == 0)
        code = open_consumer(i, e);
    if (code)
        return code;
    code = pthread_create(&i->thread, NULL, run, i);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "events", "cannot start a thread: %s", strerror(code));
    i->running = true;
    return 0;
}

static void on_stats(struct invalidations *port, struct invalidations_stats *out)
{
    struct kafka_invalidations *i = self(port);
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&i->counters.name, memory_order_relaxed);
    INVALIDATIONS_STATS(X)
#undef X
}

/* Nobody calls tell() any more. */
static void on_stop(struct invalidations *port)
{
    struct kafka_invalidations *i = self(port);
    atomic_store(&i->stopping, true);
    if (i->running)
        pthread_join(i->thread, NULL);
    i->running = false;
    if (i->consumer) {
        rd_kafka_consumer_close(i->consumer);
        rd_kafka_destroy(i->consumer);
        i->consumer = NULL;
    }
    atomic_store(&i->counters.listening, 0);
    if (i->to)
        rd_kafka_topic_destroy(i->to);
    i->to = NULL;
    if (i->producer) {
        rd_kafka_purge(i->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(i->producer, 100);
        rd_kafka_destroy(i->producer);
    }
    i->producer = NULL;
}

static void on_destroy(struct invalidations *port)
{
    if (!port)
        return;
    struct kafka_invalidations *i = self(port);
    on_stop(port);
    free(i->brokers);
    free(i->topic);
    free(i->group);
    free(i);
}

static const struct invalidations_ops ops = {
    .start = on_start, .tell = on_tell, .stats = on_stats, .stop = on_stop, .destroy = on_destroy};

int invalidations_kafka_create(struct invalidations **out,
                               const struct invalidations_kafka_config *config, struct error *e)
{
    struct kafka_invalidations *i = calloc(1, sizeof *i);
    *out = NULL;
    if (!i)
        return error_set(e, TLY_ENO_MEMORY, "events", "no memory for invalidations");
    i->teller = (struct kafka_teller){.tell = config->tell, .context = config->context};
    i->port.ops = &ops;
    i->config = *config;
    i->brokers = strdup(config->brokers);
    i->topic = strdup(config->topic);
    if (!i->brokers || !i->topic || asprintf(&i->group, "%s.%s", config->topic, config->name) < 0) {
        i->group = NULL;
        on_destroy(&i->port);
        return error_set(e, TLY_ENO_MEMORY, "events", "no memory for invalidations");
    }
    *out = &i->port;
    return 0;
}
