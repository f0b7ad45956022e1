/* The client against a real cluster of three masters and three replicas. */
#include "fixture_redis.h"

#include <stdio.h>
#include <string.h>

#include "redis/slots.h"

static struct redis_cluster cluster;
static struct user me;

enum { KEYS = 200 };

static int setup(void **state)
{
    (void)state;
    user_open(&me, cluster.nodes, 1, (struct redis_config){0});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    user_close(&me);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void set_all(const char *value)
{
    char key[16], command[64];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key%d", i);
        snprintf(command, sizeof command, "SET %s %s", key, value);
        RUN_UNTIL(&me, strcmp(user_do(&me, key, command)->text, "OK") == 0);
    }
}

static struct redis_server *master_of(uint16_t slot)
{
    char command[48];
    snprintf(command, sizeof command, "CLUSTER GETKEYSINSLOT %u 1", slot);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        const char *role = redis_server_do(&cluster.nodes[i], "INFO replication");
        if (cluster.nodes[i].pid && strstr(role, "role:master") &&
            redis_server_number(&cluster.nodes[i], command) > 0)
            return &cluster.nodes[i];
    }
    return NULL;
}

static const char *id_of(const struct redis_server *s, char id[41])
{
    snprintf(id, 41, "%s", redis_server_do(s, "CLUSTER MYID"));
    return id;
}

static void every_key_goes_to_its_node_without_being_sent_on(void **state)
{
    (void)state;
    user_do(&me, "key0", "SET key0 x");
    RUN_UNTIL(&me, redis_is_whole(me.redis));
    set_all("1");
    assert_true(redis_is_cluster(me.redis));
    assert_int_equal(redis_slot(me.redis, STR("key7")), slot_of_key(STR("key7")));
    assert_int_equal(atomic_load(&redis_stats(me.redis)->redirected_total), 0);
}

static void a_slot_that_moves_is_asked_for_where_it_goes_and_then_is(void **state)
{
    const char *key = "key3";
    uint16_t slot = slot_of_key(str_of(key));
    char command[128], from_id[41], to_id[41];
    struct redis_server *to = NULL;
    (void)state;
    set_all("2");
    struct redis_server *from = master_of(slot);
    assert_non_null(from);
    for (int i = 0; i < CLUSTER_NODES; i++)
        if (&cluster.nodes[i] != from &&
            strstr(redis_server_do(&cluster.nodes[i], "INFO replication"), "role:master"))
            to = &cluster.nodes[i];
    snprintf(command, sizeof command, "CLUSTER SETSLOT %u IMPORTING %s", slot,
             id_of(from, from_id));
    assert_string_equal(redis_server_do(to, command), "OK");
    snprintf(command, sizeof command, "CLUSTER SETSLOT %u MIGRATING %s", slot, id_of(to, to_id));
    assert_string_equal(redis_server_do(from, command), "OK");
    snprintf(command, sizeof command, "MIGRATE 127.0.0.1 %u %s 0 5000", to->port, key);
    assert_string_equal(redis_server_do(from, command), "OK");
    assert_string_equal(user_do(&me, key, "GET key3")->text, "2"); /* ASK */
    assert_int_equal(atomic_load(&redis_stats(me.redis)->redirected_total), 1);
    snprintf(command, sizeof command, "CLUSTER SETSLOT %u NODE %s", slot, to_id);
    assert_string_equal(redis_server_do(to, command), "OK");
    assert_string_equal(redis_server_do(from, command), "OK");
    assert_string_equal(user_do(&me, key, "GET key3")->text, "2"); /* MOVED */
    assert_int_equal(atomic_load(&redis_stats(me.redis)->redirected_total), 2);
    assert_string_equal(user_do(&me, key, "GET key3")->text, "2");
    assert_int_equal(atomic_load(&redis_stats(me.redis)->redirected_total), 2);
}

static void a_killed_masters_slots_are_served_by_who_takes_over(void **state)
{
    (void)state;
    set_all("3");
    struct redis_server *master = master_of(slot_of_key(STR("key0")));
    assert_non_null(master);
    redis_server_kill(master);
    RUN_UNTIL(&me, user_send(&me, "key0", "SET key0 4") == TLY_ECLOSED);
    set_all("4");
    redis_server_start_again(master);
}

static bool is_replica(const struct redis_server *s)
{
    const char *info = redis_server_do(s, "INFO replication");
    return strstr(info, "role:slave") && strstr(info, "master_link_status:up");
}

/* Every master has one that can take over. */
static bool is_complete(void)
{
    int replicas = 0;
    for (int i = 0; i < CLUSTER_NODES; i++)
        replicas += is_replica(&cluster.nodes[i]);
    return replicas == CLUSTER_NODES / 2;
}

static void a_node_that_had_no_slots_for_a_while_is_connected_to_again(void **state)
{
    (void)state;
    set_all("5");
    int key = 0; /* of a node that the client was not told of at the start */
    char name[16], command[32];
    struct redis_server *node;
    RUN_UNTIL(&me, is_complete());
    do {
        snprintf(name, sizeof name, "key%d", key++);
        node = master_of(slot_of_key(str_of(name)));
    } while (!node || node == &cluster.nodes[0]);
    snprintf(command, sizeof command, "SET %s 6", name);
    redis_server_kill(node);
    RUN_UNTIL(&me, strcmp(user_do(&me, name, command)->text, "OK") == 0); /* who took over */
    redis_server_start_again(node);
    RUN_UNTIL(&me, is_replica(node));
    RUN_UNTIL(&me, strcmp(redis_server_do(node, "CLUSTER FAILOVER TAKEOVER"), "OK") == 0);
    RUN_UNTIL(&me, strstr(redis_server_do(node, "INFO replication"), "role:master"));
    RUN_UNTIL(&me, strcmp(user_do(&me, name, command)->text, "OK") == 0);
    RUN_UNTIL(&me, redis_is_whole(me.redis));
    set_all("6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_key_goes_to_its_node_without_being_sent_on),
        TEST(a_slot_that_moves_is_asked_for_where_it_goes_and_then_is),
        TEST(a_killed_masters_slots_are_served_by_who_takes_over),
        TEST(a_node_that_had_no_slots_for_a_while_is_connected_to_again),
    };
    redis_server_needed();
    redis_cluster_start(&cluster);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_cluster_remove(&cluster);
    return failed;
}
