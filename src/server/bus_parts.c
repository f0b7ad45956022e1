/* bus_parts.c - see bus_parts.h. Failure: a setting that is wrong is told by its name; brokers that
 * are not there are no failure, and are told when that is noticed. */
#include "server/bus_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "bus/delay_inproc.h"
#include "bus/delay_rabbit.h"
#include "bus/invalidations_kafka.h"
#include "obs/log.h"
#include "server/place_url.h"
#include "server/secret.h"

enum {
    LOOKBACK_MS = 60000, /* twice as long as a lot stays in a cache, unless a setting says so */
    LIMIT_MS = 2000,     /* a second delete that has not come by then is the sweep's */
    KEYS_MAX = 65536,    /* lots whose second delete is still to come */
    OUTBOX_MAX = 8192,   /* messages that wait for the broker */
    BROKERS_SIZE = 4608, /* PLACE_HOSTS_MAX of the longest */
    AMQP_PORT = 5672,
    KAFKA_PORT = 9092,
};

static void tell(void *context, const char *event, const char *text)
{
    (void)context;
    log_event(LOG_WARN, event, log_text("why", text));
}

static void tell_rabbit(void *context, bool connected, const char *text)
{
    (void)context;
    if (connected)
        log_event(LOG_INFO, "rabbitmq.connected");
    else
        log_event(LOG_WARN, "rabbitmq.disconnected", log_text("why", text));
}

/* ---- second deletes ---- */

static void deleted(void *context, int code)
{
    again_removed(context, code);
}

static void delete_again(void *context, struct again_removal *r)
{
    struct bus_parts *p = context;
    const struct str key = {r->key, r->key_size};
    if (p->invalidations)
        p->invalidations->ops->tell(p->invalidations, key, r->version);
    cache_delete(p->cache, key, r->version, deleted, r);
}

/* Of this node among all that use the broker: the same at each start. */
static void name_node(const struct settings *s, char *out, size_t size)
{
    char text[1400], host[256] = "", path[1025] = "";
    gethostname(host, sizeof host - 1);
    char *full = realpath(s->data, NULL);
    snprintf(path, sizeof path, "%s", full ? full : s->data);
    free(full);
    snprintf(text, sizeof text, "%s:%s", host, path);
    snprintf(out, size, "%" PRId64 "-%016" PRIx64, s->node, hash64(str_of(text), 0));
}

static int create_rabbit(struct bus_parts *p, const struct settings *s, struct error *e)
{
    const struct place_rules rules = {.setting = "bus",
                                      .scheme = "amqp",
                                      .secret = "bus_password",
                                      .example = "amqp://user@host:5672/vhost",
                                      .port = AMQP_PORT,
                                      .hosts_max = 1,
                                      .needs_user = true,
                                      .takes_path = true};
    struct place_url url;
    char password[SETTING_TEXT_MAX], name[64];
    int code = place_url_parse(&url, &rules, s->bus, e);
    if (code == 0)
        code = secret_read("bus_password", s->bus_password, s->bus_password_file, password,
                           sizeof password, e);
    if (code)
        return code;
    name_node(s, name, sizeof name);
    const struct delay_rabbit_config config = {.host = url.hosts[0].host,
                                               .port = url.hosts[0].port,
                                               .user = url.user,
                                               .password = password,
                                               .vhost = url.path[0] ? url.path : "/",
                                               .prefix = s->bus_prefix,
                                               .name = name,
                                               .quorum = s->bus_quorum,
                                               .delay_ms = s->delete_again_ms,
                                               .messages_max = OUTBOX_MAX,
                                               .out = again_out,
                                               .tell = tell_rabbit,
                                               .context = p->again};
    code = delay_rabbit_create(&p->line, &config, e);
    explicit_bzero(password, sizeof password);
    return code;
}

static int create_line(struct bus_parts *p, const struct settings *s, struct error *e)
{
    const struct delay_inproc_config config = {
        .messages_max = 2 * KEYS_MAX, .out = again_out, .context = p->again};
    return strcmp(s->bus, "inproc") == 0 ? delay_inproc_create(&p->line, &config, e)
                                         : create_rabbit(p, s, e);
}

static int create_again(struct bus_parts *p, const struct settings *s,
                        const struct bus_parts_host *host, struct error *e)
{
    const struct again_config config = {.ledger = host->ledger,
                                        .delete_ms = s->delete_again_ms,
                                        .limit_ms = LIMIT_MS,
                                        .lookback_ms = LOOKBACK_MS,
                                        .keys_max = KEYS_MAX,
                                        .lot_dims = host->lot_dims,
                                        .dims_context = host->context,
                                        .remove = delete_again,
                                        .context = p};
    int code = again_create(&p->again, &config, e);
    return code ? code : create_line(p, s, e);
}

/* ---- Kafka ---- */

static void heard(void *context, struct str key, int64_t version)
{
    struct bus_parts *p = context;
    cache_forget(p->cache, key, version);
}

static void list_brokers(const struct place_url *url, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (unsigned i = 0; i < url->host_count && used < size; i++) {
        const char *host = url->hosts[i].host;
        used +=
            (size_t)snprintf(out + used, size - used, strchr(host, ':') ? "%s[%s]:%u" : "%s%s:%u",
                             i ? "," : "", host, (unsigned)url->hosts[i].port);
    }
}

static int create_kafka(struct bus_parts *p, const struct settings *s,
                        const struct bus_parts_host *host, struct error *e)
{
    const struct place_rules rules = {.setting = "events",
                                      .scheme = "kafka",
                                      .secret = "events",
                                      .example = "kafka://host:9092,host:9092",
                                      .port = KAFKA_PORT,
                                      .hosts_max = PLACE_HOSTS_MAX};
    struct place_url url;
    char brokers[BROKERS_SIZE], topic[128], hears[128], name[64];
    int code = place_url_parse(&url, &rules, s->events, e);
    if (code == 0 && url.user[0])
        code = error_set(e, TLY_EINVALID_ARGUMENT, "events",
                         "events: brokers are asked without a user; would be right: %s",
                         rules.example);
    if (code)
        return code;
    list_brokers(&url, brokers, sizeof brokers);
    name_node(s, name, sizeof name);
    snprintf(topic, sizeof topic, "%.40s.events", s->bus_prefix);
    snprintf(hears, sizeof hears, "%.40s.invalidations", s->bus_prefix);
    const struct kafka_events_config events = {.ledger = host->ledger,
                                               .brokers = brokers,
                                               .topic = topic,
                                               .source = s->event_source,
                                               .lot_dims = host->lot_dims,
                                               .tell = tell,
                                               .context = host->context};
    code = kafka_events_create(&p->events, &events, e);
    if (code || !host->cache)
        return code;
    const struct invalidations_kafka_config invalidations = {.brokers = brokers,
                                                             .topic = hears,
                                                             .name = name,
                                                             .heard = heard,
                                                             .tell = tell,
                                                             .context = p};
    return invalidations_kafka_create(&p->invalidations, &invalidations, e);
}

/* ---- life ---- */

int bus_parts_create(struct bus_parts *p, const struct settings *s,
                     const struct bus_parts_host *host, struct error *e)
{
    int code = 0;
    p->ledger = host->ledger;
    p->cache = host->cache;
    if (strcmp(s->events, "none") != 0)
        code = create_kafka(p, s, host, e);
    if (code == 0 && host->cache)
        code = create_again(p, s, host, e);
    return code;
}

int bus_parts_start(struct bus_parts *p, struct error *e)
{
    int code = 0;
    if (p->events)
        code = kafka_events_start(p->events, e);
    else if (!p->ledger->traits.shared) /* else another node may well publish */
        code = kafka_events_forget(p->ledger, e);
    if (code == 0 && p->invalidations)
        code = p->invalidations->ops->start(p->invalidations, e);
    if (code == 0 && p->line)
        code = p->line->ops->start(p->line, e);
    if (code == 0 && p->again)
        code = again_start(p->again, p->line, e);
    return code;
}

void bus_parts_committed(struct bus_parts *p)
{
    if (p->events)
        kafka_events_committed(p->events);
}

void bus_parts_lot_committed(struct bus_parts *p, struct str key, int64_t version, int64_t seq)
{
    if (p->invalidations)
        p->invalidations->ops->tell(p->invalidations, key, version);
    if (p->again)
        again_ask(p->again, key, version, seq);
}

void bus_parts_stop(struct bus_parts *p)
{
    again_stop(p->again);
    if (p->line)
        p->line->ops->stop(p->line);
    if (p->invalidations)
        p->invalidations->ops->stop(p->invalidations);
    kafka_events_stop(p->events);
}

void bus_parts_destroy(struct bus_parts *p)
{
    if (p->line)
        p->line->ops->destroy(p->line);
    again_destroy(p->again);
    if (p->invalidations)
        p->invalidations->ops->destroy(p->invalidations);
    kafka_events_destroy(p->events);
    *p = (struct bus_parts){0};
}
