/* needs: rabbitmq */
/* What every delay line promises, for the one that RabbitMQ keeps; and what becomes of it when the
 * broker is killed, is short of memory, and loses what it holds. */
#include "fixture_delay.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/delay_rabbit.h"
#include "servers.h"

enum { MESSAGES_MAX = 256 };

static char user[64], password[64], host[64], vhost[64], prefix[64];
static uint16_t port;
static int made; /* lines: each has names of its own */

static void find_broker(void)
{
    const char *url = server_url("TALLY_TEST_AMQP");
    unsigned number = 0;
    assert_int_equal(
        sscanf(url, "amqp://%63[^:]:%63[^@]@%63[^:]:%u/%63s", user, password, host, &number, vhost),
        5);
    port = (uint16_t)number;
}

static void create(struct delay_rig *r, bool quorum, const char *secret)
{
    struct error e;
    snprintf(prefix, sizeof prefix, "test.%d.%d", (int)getpid(), made++);
    const struct delay_rabbit_config config = {.host = host,
                                               .port = port,
                                               .user = user,
                                               .password = secret,
                                               .vhost = vhost,
                                               .prefix = prefix,
                                               .name = "node-1",
                                               .quorum = quorum,
                                               .delay_ms = DELAY_SHORT_MS,
                                               .messages_max = MESSAGES_MAX,
                                               .out = delay_rig_out,
                                               .context = r};
    assert_int_equal(delay_rabbit_create(&r->line, &config, &e), 0);
    assert_int_equal(r->line->ops->start(r->line, &e), 0);
}

static int setup(void **state)
{
    struct delay_rig *r = delay_rig_new();
    create(r, false, password);
    *state = r;
    return 0;
}

static int setup_quorum(void **state)
{
    struct delay_rig *r = delay_rig_new();
    create(r, true, password);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    delay_rig_destroy(*state);
    return 0;
}

/* ---- the broker, by another connection ---- */

static amqp_connection_state_t broker(void)
{
    amqp_connection_state_t c = amqp_new_connection();
    assert_int_equal(amqp_socket_open(amqp_tcp_socket_new(c), host, port), 0);
    amqp_rpc_reply_t reply =
        amqp_login(c, vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, user, password);
    assert_int_equal(reply.reply_type, AMQP_RESPONSE_NORMAL);
    assert_non_null(amqp_channel_open(c, 1));
    return c;
}

static void queue_name(char *out, size_t size, const char *what)
{
    snprintf(out, size, "%s.%s", prefix, what);
}

/* What the queue held. */
static uint32_t purge(const char *what)
{
    char name[128];
    amqp_connection_state_t c = broker();
    queue_name(name, sizeof name, what);
    const amqp_queue_purge_ok_t *done = amqp_queue_purge(c, 1, amqp_cstring_bytes(name));
    assert_non_null(done);
    uint32_t count = done->message_count;
    amqp_destroy_connection(c);
    return count;
}

static void drop(const char *what)
{
    char name[128];
    amqp_connection_state_t c = broker();
    queue_name(name, sizeof name, what);
    assert_non_null(amqp_queue_delete(c, 1, amqp_cstring_bytes(name), 0, 0));
    amqp_destroy_connection(c);
}

/* ---- tests ---- */

static void all_that_were_taken_are_confirmed(void **state)
{
    struct delay_rig *r = *state;
    char text[32];
    for (int i = 0; i < 3000; i++) { /* more than may be unconfirmed at a time */
        snprintf(text, sizeof text, "%d", i);
        delay_put(r, text, DELAY_SHORT_MS);
    }
    AWAIT(delay_rig_stats(r).confirmed_total == 3000);
    AWAIT(delay_rig_stats(r).out_total >= 3000);
    assert_int_equal(delay_rig_stats(r).lost_total, 0);
    AWAIT(delay_rig_stats(r).waiting == 0);
}

static void a_killed_broker_is_connected_again(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "before", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    server_command("kill9", "rabbitmq-0");
    AWAIT(delay_rig_stats(r).connected == 0);
    assert_int_equal(r->line->ops->put(r->line, STR("x"), DELAY_SHORT_MS), TLY_EUNAVAILABLE);
    server_command("start", "rabbitmq-0");
    delay_put(r, "after", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) >= 2);
    assert_string_equal(r->seen[delay_seen(r) - 1].text, "after");
    assert_int_equal(delay_rig_stats(r).connects_total, 2);
}

/* It hears of the alarm at the first message, whose confirm comes when the alarm is over. */
static void a_broker_that_is_short_of_memory_gets_nothing_until_it_is_not(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "before", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    server_command("starve", "rabbitmq-0");
    delay_put(r, "during", DELAY_SHORT_MS);
    AWAIT(delay_rig_stats(r).blocked == 1);
    assert_int_equal(r->line->ops->put(r->line, STR("x"), DELAY_SHORT_MS), TLY_EUNAVAILABLE);
    assert_int_equal(delay_rig_stats(r).confirmed_total, 1);
    server_command("feed", "rabbitmq-0");
    AWAIT(delay_rig_stats(r).blocked == 0 && delay_seen(r) == 2);
    delay_put(r, "after", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 3);
    assert_int_equal(delay_rig_stats(r).connects_total, 1);
}

static void a_queue_that_is_purged_loses_and_goes_on(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "first", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    delay_put(r, "lost", 64 * DELAY_SHORT_MS);
    AWAIT(delay_rig_stats(r).confirmed_total == 2);
    assert_int_equal(purge("wait.6400ms"), 1);
    delay_put(r, "third", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 2);
    assert_string_equal(r->seen[1].text, "third");
}

static void a_queue_that_is_deleted_is_declared_again(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "first", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    drop("wait.100ms");
    delay_put(r, "returned", DELAY_SHORT_MS);
    AWAIT(delay_rig_stats(r).lost_total == 1);
    delay_put(r, "third", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 2);
    drop("due.node-1");
    AWAIT(delay_rig_stats(r).connects_total == 2);
    delay_put(r, "fourth", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 3);
}

static void what_was_not_acknowledged_comes_out_on_the_next_connection(void **state)
{
    struct delay_rig *r = *state;
    r->keep = true;
    delay_put(r, "kept", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    struct delay_message *first = r->kept;
    r->line->ops->stop(r->line);
    delay_done(first, 0); /* too late: it is not acknowledged */
    r->kept = NULL;
    r->line->ops->destroy(r->line);
    made--; /* the same names */
    r->keep = false;
    create(r, false, password);
    AWAIT(delay_seen(r) == 2);
    assert_string_equal(r->seen[1].text, "kept");
}

static void a_wrong_password_is_told_and_nothing_is_taken(void **state)
{
    struct delay_rig *r = delay_rig_new();
    (void)state;
    create(r, false, "wrong");
    pause_ms(300);
    assert_int_equal(r->line->ops->put(r->line, STR("x"), 1), TLY_EUNAVAILABLE);
    assert_int_equal(delay_rig_stats(r).connected, 0);
    delay_rig_destroy(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown),
#define Q(name)                                                                                    \
    {                                                                                              \
#name "(quorum)", name, setup_quorum, teardown, NULL                                       \
    }

int main(void)
{
    find_broker();
    const struct CMUnitTest tests[] = {
        DELAY_CONTRACT(T) T(all_that_were_taken_are_confirmed)
            T(a_broker_that_is_short_of_memory_gets_nothing_until_it_is_not)
                T(a_queue_that_is_purged_loses_and_goes_on)
                    T(a_queue_that_is_deleted_is_declared_again)
                        T(what_was_not_acknowledged_comes_out_on_the_next_connection)
                            T(a_killed_broker_is_connected_again)
                                cmocka_unit_test(a_wrong_password_is_told_and_nothing_is_taken),
        Q(a_message_comes_out_not_before_its_time),
        Q(all_that_were_taken_come_out),
        Q(what_is_not_done_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
