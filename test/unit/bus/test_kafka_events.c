/* Events to Kafka, over librdkafka's brokers in this process. */
#include "kafka_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/kafka_events.h"
#include "fake_log.h"

#define TOPIC "tally.events"

struct rig {
    struct kafka_rig kafka;
    struct fake_log log;
    struct kafka_events *events, *other;
    _Atomic int told;
};

static struct rig *rig;

static void on_tell(void *context, const char *event, const char *text)
{
    (void)event;
    (void)text;
    (void)context;
    rig->told++;
}

static const struct lot_dims *dims_of(void *context, lot_id id)
{
    (void)context;
    return fake_log_dims(&rig->log, id);
}

static struct kafka_events *start(void)
{
    struct error e;
    struct kafka_events *k;
    const struct kafka_events_config config = {.ledger = &rig->log.port,
                                               .brokers = rig->kafka.brokers,
                                               .topic = TOPIC,
                                               .source = "/shop",
                                               .lot_dims = dims_of,
                                               .tell = on_tell};
    assert_int_equal(kafka_events_create(&k, &config, &e), 0);
    assert_int_equal(kafka_events_start(k, &e), 0);
    return k;
}

static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    fake_log_init(&rig->log);
    kafka_rig_open(&rig->kafka);
    assert_int_equal(rd_kafka_mock_topic_create(rig->kafka.cluster, TOPIC, 4, 1), 0);
    kafka_rig_read(&rig->kafka, TOPIC);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kafka_events_destroy(rig->events);
    kafka_events_destroy(rig->other);
    kafka_rig_close(&rig->kafka);
    fake_log_close(&rig->log);
    free(rig);
    return 0;
}

static int64_t commit(lot_id lot)
{
    int64_t seq = fake_log_add(&rig->log, lot);
    if (rig->events)
        kafka_events_committed(rig->events);
    return seq;
}

static int64_t cursor(void)
{
    struct error e;
    int64_t seq = -1;
    return rig->log.port.ops->cursor_get(&rig->log.port, KAFKA_READER, &seq, &e) ? -1 : seq;
}

static struct kafka_events_stats stats(struct kafka_events *k)
{
    struct kafka_events_stats s;
    kafka_events_stats(k, &s);
    return s;
}

/* How many of them came, each counted once, however often it came. */
static int events_seen(void)
{
    bool found[FAKE_LOG_MOVES + 1] = {false};
    int all = kafka_rig_seen(&rig->kafka), once = 0;
    for (int i = 0; i < all; i++) {
        int64_t n = rig->kafka.seen[i].id / 10;
        once += !found[n];
        found[n] = true;
    }
    return once;
}

/* Every event of the log is there, and after doubles are dropped, in each lot's order. */
static void expect_all_in_order(int64_t last)
{
    int64_t highest[FAKE_LOG_LOTS + 1] = {0};
    bool found[FAKE_LOG_MOVES + 1] = {false};
    for (int i = 0; i < rig->kafka.count; i++) {
        const struct kafka_seen *s = &rig->kafka.seen[i];
        int lot = s->key[4] - '0';
        found[s->id / 10] = true;
        if (s->id <= highest[lot])
            continue;
        for (int64_t skipped = highest[lot] + 10; skipped < s->id; skipped += 10)
            assert_int_not_equal(rig->log.moves[skipped / 10 - 1].line.lot, lot);
        highest[lot] = s->id;
    }
    for (int64_t id = 10; id <= last; id += 10)
        assert_true(found[id / 10]);
}

static void a_move_is_an_event_under_its_lots_key(void **state)
{
    (void)state;
    rig->events = start();
    int64_t id = commit(3);
    AWAIT(kafka_rig_seen(&rig->kafka) == 1);
    assert_string_equal(rig->kafka.seen[0].key, "lot#3");
    assert_int_equal(rig->kafka.seen[0].id, id);
    assert_non_null(strstr(rig->kafka.last, "\"specversion\":\"1.0\""));
    assert_non_null(strstr(rig->kafka.last, "\"type\":\"tally.reservation.reserved\""));
    assert_non_null(strstr(rig->kafka.last, "\"source\":\"/shop\""));
    AWAIT(cursor() == id);
}

static void a_move_of_several_lots_is_an_event_of_each(void **state)
{
    (void)state;
    static const struct line lines[] = {{1, 1}, {2, 1}, {5, 2}};
    rig->events = start();
    int64_t id = fake_log_add_later(&rig->log, 1);
    struct move *m = &rig->log.moves[id / 10 - 1];
    m->line_count = 3;
    m->lines = lines;
    fake_log_commit(&rig->log);
    kafka_events_committed(rig->events);
    AWAIT(kafka_rig_seen(&rig->kafka) == 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig->kafka.seen[i].id, id);
    AWAIT(cursor() == id);
}

static void what_was_there_before_the_first_start_is_not_sent(void **state)
{
    (void)state;
    commit(1);
    rig->events = start();
    int64_t id = commit(1);
    AWAIT(kafka_rig_seen(&rig->kafka) == 1);
    assert_int_equal(rig->kafka.seen[0].id, id);
}

static void what_is_not_committed_yet_waits(void **state)
{
    (void)state;
    rig->events = start();
    fake_log_add_later(&rig->log, 1);
    int64_t id = commit(2); /* commits both */
    AWAIT(kafka_rig_seen(&rig->kafka) == 2);
    expect_all_in_order(id);
}

static void a_new_process_goes_on_from_the_cursor(void **state)
{
    (void)state;
    rig->events = start();
    int64_t first = commit(1);
    AWAIT(cursor() == first);
    kafka_events_destroy(rig->events);
    rig->events = NULL;
    for (int i = 0; i < 50; i++)
        commit(1 + (lot_id)i % 4);
    rig->events = start();
    int64_t last = commit(1);
    AWAIT(cursor() == last);
    AWAIT(events_seen() == 52);
    expect_all_in_order(last);
}

static void brokers_that_answer_with_errors_get_it_again_in_order(void **state)
{
    (void)state;
    rig->events = start();
    rd_kafka_mock_push_request_errors(
        rig->kafka.cluster, 0 /* Produce */, 6, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    int64_t last = 0;
    for (int i = 0; i < 500; i++)
        last = commit(1 + (lot_id)i % 4);
    AWAIT(cursor() == last);
    AWAIT(events_seen() == 500);
    expect_all_in_order(last);
}

static void an_event_that_is_refused_is_sent_again_and_none_overtakes_it(void **state)
{
    (void)state;
    rig->events = start();
    int64_t last = commit(1);
    AWAIT(cursor() == last);
    rd_kafka_mock_push_request_errors(rig->kafka.cluster, 0, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    for (int i = 0; i < 200; i++)
        last = commit(1 + (lot_id)i % 4);
    AWAIT(cursor() == last);
    AWAIT(events_seen() == 201);
    expect_all_in_order(last);
    assert_true(stats(rig->events).restarts_total > 0);
    assert_true(rig->told > 0);
}

static void all_down(bool down)
{
    for (int32_t id = 1; id <= KAFKA_BROKERS; id++) {
        if (down)
            rd_kafka_mock_broker_set_down(rig->kafka.cluster, id);
        else
            rd_kafka_mock_broker_set_up(rig->kafka.cluster, id);
    }
}

static void brokers_that_are_not_there_are_waited_for(void **state)
{
    (void)state;
    all_down(true);
    rig->events = start();
    int64_t last = 0;
    for (int i = 0; i < 100; i++)
        last = commit(1 + (lot_id)i % 4);
    AWAIT(stats(rig->events).sent_total == 100);
    assert_int_equal(stats(rig->events).delivered_total, 0);
    assert_int_equal(cursor(), 0);
    all_down(false);
    AWAIT(cursor() == last);
    AWAIT(events_seen() == 100);
    expect_all_in_order(last);
}

static void a_log_that_cannot_be_read_is_read_later(void **state)
{
    (void)state;
    rig->events = start();
    fake_log_fail(&rig->log, TLY_EUNAVAILABLE);
    int64_t id = commit(1);
    AWAIT(stats(rig->events).read_errors_total > 0);
    fake_log_fail(&rig->log, 0);
    AWAIT(cursor() == id);
}

/* ---- several nodes ---- */

static void of_two_nodes_one_publishes_and_the_other_takes_over(void **state)
{
    (void)state;
    rig->log.port.traits.shared = true;
    rig->events = start();
    rig->other = start();
    AWAIT(stats(rig->events).publisher + stats(rig->other).publisher == 1);
    int64_t last = 0;
    for (int i = 0; i < 20; i++)
        last = commit(1 + (lot_id)i % 4);
    AWAIT(cursor() == last);
    struct kafka_events **publisher = stats(rig->events).publisher ? &rig->events : &rig->other;
    kafka_events_destroy(*publisher);
    *publisher = NULL;
    for (int i = 0; i < 20; i++)
        last = commit(1 + (lot_id)i % 4);
    AWAIT(cursor() == last);
    AWAIT(events_seen() == 40);
    expect_all_in_order(last);
}

static void without_events_the_cursor_is_given_up(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(kafka_events_forget(&rig->log.port, &e), 0);
    rig->events = start();
    kafka_events_destroy(rig->events);
    rig->events = NULL;
    assert_int_equal(cursor(), 0);
    assert_int_equal(kafka_events_forget(&rig->log.port, &e), 0);
    assert_int_equal(cursor(), -1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_move_is_an_event_under_its_lots_key),
        T(a_move_of_several_lots_is_an_event_of_each),
        T(what_was_there_before_the_first_start_is_not_sent),
        T(what_is_not_committed_yet_waits),
        T(a_new_process_goes_on_from_the_cursor),
        T(brokers_that_answer_with_errors_get_it_again_in_order),
        T(an_event_that_is_refused_is_sent_again_and_none_overtakes_it),
        T(brokers_that_are_not_there_are_waited_for),
        T(a_log_that_cannot_be_read_is_read_later),
        T(of_two_nodes_one_publishes_and_the_other_takes_over),
        T(without_events_the_cursor_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
