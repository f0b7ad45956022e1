/* Invalidations, over librdkafka's brokers in this process. */
#include "kafka_rig.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bus/invalidations_kafka.h"

#define TOPIC "tally.invalidations"

struct node {
    struct invalidations *port;
    pthread_mutex_t lock;
    char key[64];
    int64_t version;
    int count;
};

static struct kafka_rig kafka;
static struct node nodes[2];

static void on_heard(void *context, struct str key, int64_t version)
{
    struct node *n = context;
    pthread_mutex_lock(&n->lock);
    memcpy(n->key, key.p, key.len);
    n->key[key.len] = 0;
    n->version = version;
    n->count++;
    pthread_mutex_unlock(&n->lock);
}

static struct invalidations_stats stats(struct node *n)
{
    struct invalidations_stats s;
    n->port->ops->stats(n->port, &s);
    return s;
}

static int heard(struct node *n)
{
    pthread_mutex_lock(&n->lock);
    int count = n->count;
    pthread_mutex_unlock(&n->lock);
    return count;
}

static void start(struct node *n, const char *name, const char *brokers)
{
    struct error e;
    const struct invalidations_kafka_config config = {
        .brokers = brokers, .topic = TOPIC, .name = name, .heard = on_heard, .context = n};
    memset(n, 0, sizeof *n);
    pthread_mutex_init(&n->lock, NULL);
    assert_int_equal(invalidations_kafka_create(&n->port, &config, &e), 0);
    assert_int_equal(n->port->ops->start(n->port, &e), 0);
}

static int setup(void **state)
{
    (void)state;
    kafka_rig_open(&kafka);
    assert_int_equal(rd_kafka_mock_topic_create(kafka.cluster, TOPIC, 4, 1), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (nodes[i].port)
            nodes[i].port->ops->destroy(nodes[i].port);
        nodes[i].port = NULL;
    }
    kafka_rig_close(&kafka);
    return 0;
}

static void every_node_hears_what_one_tells(void **state)
{
    (void)state;
    start(&nodes[0], "a", kafka.brokers);
    start(&nodes[1], "b", kafka.brokers);
    AWAIT(stats(&nodes[0]).listening && stats(&nodes[1]).listening);
    for (int i = 0; i < 2; i++) { /* until the offsets are known, what is told may pass unheard */
        int before = heard(&nodes[i]);
        AWAIT(
            (nodes[0].port->ops->tell(nodes[0].port, STR("lot#1"), 7), heard(&nodes[i]) > before));
        assert_string_equal(nodes[i].key, "lot#1");
        assert_int_equal(nodes[i].version, 7);
    }
    assert_int_equal(stats(&nodes[0]).dropped_total, 0);
    assert_int_equal(stats(&nodes[1]).told_total, 0);
}

static void who_comes_later_does_not_hear_what_was_before(void **state)
{
    (void)state;
    start(&nodes[0], "a", kafka.brokers);
    AWAIT((nodes[0].port->ops->tell(nodes[0].port, STR("old"), 1), heard(&nodes[0]) > 0));
    start(&nodes[1], "b", kafka.brokers);
    AWAIT(stats(&nodes[1]).listening);
    AWAIT((nodes[0].port->ops->tell(nodes[0].port, STR("new"), 2), heard(&nodes[1]) > 0));
    assert_string_equal(nodes[1].key, "new");
}

static void brokers_that_are_not_there_hold_up_nobody(void **state)
{
    (void)state;
    start(&nodes[0], "a", "127.0.0.1:1");
    for (int i = 0; i < 30000; i++) /* more than the queue takes */
        nodes[0].port->ops->tell(nodes[0].port, STR("lot#1"), i);
    assert_int_equal(stats(&nodes[0]).told_total, 30000);
    assert_in_range(stats(&nodes[0]).dropped_total, 10000, 30000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_node_hears_what_one_tells),
        T(who_comes_later_does_not_hear_what_was_before),
        T(brokers_that_are_not_there_hold_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
