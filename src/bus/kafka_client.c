/* kafka_client.c - see kafka_client.h. Failure: an option that librdkafka refuses, memory. */
#include "bus/kafka_client.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { SYSLOG_WARNING = 4 };

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka_teller *t = rd_kafka_opaque(rk);
    uint64_t now_ns = clock_monotonic_ns(), until_ns = 0;
    if (!t || !t->tell || level > SYSLOG_WARNING || strcmp(facility, "CONFWARN") == 0)
        return;
    until_ns = atomic_load(&t->quiet_until_ns);
    if (now_ns >= until_ns &&
        atomic_compare_exchange_strong(&t->quiet_until_ns, &until_ns,
                                       now_ns + KAFKA_TELL_MS * UINT64_C(1000000)))
        t->tell(t->context, "kafka.trouble", text);
}

rd_kafka_conf_t *kafka_conf(const char *brokers, const struct kafka_option *options, size_t count,
                            void *opaque, struct error *e)
{
    char why[200] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const struct kafka_option common[] = {
        {"bootstrap.servers", brokers},      {"client.id", "tally"},
        {"client.software.name", "tally"},   {"log.connection.close", "false"},
        {"socket.keepalive.enable", "true"}, {"reconnect.backoff.ms", "100"},
        {"reconnect.backoff.max.ms", "5000"}};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof common / sizeof common[0]; i++)
        ok = rd_kafka_conf_set(conf, common[i].key, common[i].value, why, sizeof why) ==
             RD_KAFKA_CONF_OK;
    for (size_t i = 0; ok && i < count; i++)
        ok = rd_kafka_conf_set(conf, options[i].key, options[i].value, why, sizeof why) ==
             RD_KAFKA_CONF_OK;
    if (!ok) {
        rd_kafka_conf_destroy(conf);
        error_set(e, TLY_EINVALID_ARGUMENT, "events", "events: %s", why);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_log_cb(conf, on_log);
    return conf;
}

int kafka_open(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *e)
{
    char why[200] = "";
    *out = rd_kafka_new(type, conf, why, sizeof why);
    if (*out)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(e, TLY_EUNAVAILABLE, "events", "events: %s", why);
}
