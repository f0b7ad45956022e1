/* What the settings `bus` and `events` make of the bus. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_log.h"
#include "kafka_rig.h"
#include "server/bus_parts.h"

/* A cache that counts what is deleted. */
struct fake_cache {
    struct cache port; /* first */
    _Atomic int removed, forgotten;
    _Atomic int64_t version;
};

static void on_remove(struct cache *c, struct str key, int64_t version, cache_done_fn *done,
                      void *context)
{
    struct fake_cache *f = (struct fake_cache *)c;
    assert_true(str_equal(key, STR("lot#1")));
    f->removed++;
    f->version = version;
    if (done)
        done(context, 0);
}

static void on_forget(struct cache *c, struct str key, int64_t version)
{
    struct fake_cache *f = (struct fake_cache *)c;
    (void)key;
    (void)version;
    f->forgotten++;
}

static const struct cache_ops cache_ops = {.remove = on_remove, .forget = on_forget};

struct rig {
    struct fake_log log;
    struct fake_cache cache;
    struct settings settings;
    struct bus_parts parts;
    struct kafka_rig kafka;
    bool kafka_open;
};

static const struct lot_dims *dims_of(void *context, lot_id id)
{
    struct rig *r = context;
    return fake_log_dims(&r->log, id);
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    fake_log_init(&r->log);
    settings_default(&r->settings);
    snprintf(r->settings.data, sizeof r->settings.data, "/tmp");
    r->cache.port.ops = &cache_ops;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    bus_parts_stop(&r->parts);
    bus_parts_destroy(&r->parts);
    if (r->kafka_open)
        kafka_rig_close(&r->kafka);
    fake_log_close(&r->log);
    free(r);
    return 0;
}

static int create(struct rig *r, bool cached, struct error *e)
{
    const struct bus_parts_host host = {.ledger = &r->log.port,
                                        .cache = cached ? &r->cache.port : NULL,
                                        .lot_dims = dims_of,
                                        .context = r};
    return bus_parts_create(&r->parts, &r->settings, &host, e);
}

static void start(struct rig *r, bool cached)
{
    struct error e;
    assert_int_equal(create(r, cached, &e), 0);
    assert_int_equal(bus_parts_start(&r->parts, &e), 0);
}

static void use_kafka(struct rig *r)
{
    kafka_rig_open(&r->kafka);
    r->kafka_open = true;
    assert_int_equal(rd_kafka_mock_topic_create(r->kafka.cluster, "tally.events", 4, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(r->kafka.cluster, "tally.invalidations", 4, 1), 0);
    kafka_rig_read(&r->kafka, "tally.events");
    snprintf(r->settings.events, sizeof r->settings.events, "kafka://%s", r->kafka.brokers);
}

static void a_lot_is_deleted_again_after_its_commit(void **state)
{
    struct rig *r = *state;
    r->settings.delete_again_ms = 20;
    start(r, true);
    bus_parts_lot_committed(&r->parts, STR("lot#1"), 7, fake_log_add(&r->log, 1));
    AWAIT(r->cache.removed == 1);
    assert_int_equal(r->cache.version, 7);
}

static void without_a_cache_nothing_is_deleted(void **state)
{
    struct rig *r = *state;
    start(r, false);
    assert_null(r->parts.again);
    assert_null(r->parts.events);
    bus_parts_lot_committed(&r->parts, STR("lot#1"), 7, fake_log_add(&r->log, 1));
    bus_parts_committed(&r->parts);
}

static void moves_go_to_kafka_and_changes_to_all_local_caches(void **state)
{
    struct rig *r = *state;
    use_kafka(r);
    start(r, true);
    int64_t id = fake_log_add(&r->log, 1);
    bus_parts_committed(&r->parts);
    AWAIT(kafka_rig_seen(&r->kafka) == 1);
    assert_int_equal(r->kafka.seen[0].id, id);
    AWAIT((bus_parts_lot_committed(&r->parts, STR("lot#1"), 7, id), r->cache.forgotten > 0));
    AWAIT(r->cache.removed > 0);
}

static void without_events_retention_need_not_wait_for_them(void **state)
{
    struct rig *r = *state;
    struct error e;
    int64_t seq;
    struct ledger *l = &r->log.port;
    assert_int_equal(l->ops->cursor_set(l, KAFKA_READER, 10, &e), 0);
    start(r, false);
    assert_int_equal(l->ops->cursor_get(l, KAFKA_READER, &seq, &e), TLY_ENOT_FOUND);
}

static void of_a_shared_ledger_another_node_may_publish(void **state)
{
    struct rig *r = *state;
    struct error e;
    int64_t seq = 0;
    struct ledger *l = &r->log.port;
    l->traits.shared = true;
    assert_int_equal(l->ops->cursor_set(l, KAFKA_READER, 10, &e), 0);
    start(r, false);
    assert_int_equal(l->ops->cursor_get(l, KAFKA_READER, &seq, &e), 0);
    assert_int_equal(seq, 10);
}

static void expect_refused(struct rig *r, const char *bus, const char *events, const char *field,
                           const char *says)
{
    struct error e = {0};
    snprintf(r->settings.bus, sizeof r->settings.bus, "%s", bus);
    snprintf(r->settings.events, sizeof r->settings.events, "%s", events);
    assert_int_equal(create(r, true, &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, field);
    assert_non_null(strstr(e.text, says));
    bus_parts_destroy(&r->parts);
}

static void what_is_no_place_of_a_broker_is_refused_by_its_setting(void **state)
{
    struct rig *r = *state;
    expect_refused(r, "inproc", "kafka://me@127.0.0.1:1", "events", "without a user");
    expect_refused(r, "inproc", "redis://127.0.0.1:1", "events", "kafka://");
    expect_refused(r, "amqp://127.0.0.1", "none", "bus", "amqp://user@host");
    expect_refused(r, "rabbit", "none", "bus", "amqp://");
    expect_refused(r, "amqp://me:secret@127.0.0.1", "none", "bus", "bus_password");
}

/* Nobody listens at port 1: the server is no worse for it. */
static void brokers_that_are_not_there_are_no_failure(void **state)
{
    struct rig *r = *state;
    r->settings.delete_again_ms = 20;
    snprintf(r->settings.bus, sizeof r->settings.bus, "amqp://me@127.0.0.1:1/shop");
    snprintf(r->settings.events, sizeof r->settings.events, "kafka://127.0.0.1:1");
    start(r, true);
    bus_parts_lot_committed(&r->parts, STR("lot#1"), 7, fake_log_add(&r->log, 1));
    bus_parts_committed(&r->parts);
    AWAIT(r->cache.removed > 0); /* by the sweep */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lot_is_deleted_again_after_its_commit),
        T(without_a_cache_nothing_is_deleted),
        T(moves_go_to_kafka_and_changes_to_all_local_caches),
        T(without_events_retention_need_not_wait_for_them),
        T(of_a_shared_ledger_another_node_may_publish),
        T(what_is_no_place_of_a_broker_is_refused_by_its_setting),
        T(brokers_that_are_not_there_are_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
