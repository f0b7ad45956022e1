/* The client against a real Redis. */
#include "fixture_redis.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct redis_server server;
static struct user me;

static int setup(void **state)
{
    (void)state;
    redis_server_do(&server, "FLUSHALL");
    user_open(&me, &server, 1, (struct redis_config){0});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    user_close(&me);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int64_t stat_of(_Atomic int64_t *counter)
{
    return atomic_load(counter);
}

static void a_command_is_answered(void **state)
{
    (void)state;
    assert_string_equal(user_do(&me, "a", "SET a 1")->text, "OK");
    assert_int_equal(me.last.kind, REDIS_STATUS);
    assert_int_equal(user_do(&me, "a", "INCR a")->number, 2);
    assert_string_equal(user_do(&me, "a", "GET a")->text, "2");
    assert_int_equal(user_do(&me, "b", "GET b")->kind, REDIS_NIL);
}

static void before_there_is_a_connection_a_call_is_refused_at_once(void **state)
{
    (void)state;
    assert_int_equal(user_send(&me, "a", "PING"), TLY_ECLOSED);
    assert_false(redis_is_up(me.redis));
    RUN_UNTIL(&me, redis_is_up(me.redis));
    assert_int_equal(user_send(&me, "a", "PING"), 0);
}

static void many_commands_are_answered_in_order_from_the_loop(void **state)
{
    (void)state;
    RUN_UNTIL(&me, redis_is_up(me.redis));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(user_send(&me, "n", "INCR n"), 0);
    assert_int_equal(me.last.count, 0);
    RUN_UNTIL(&me, me.last.count == 1000);
    assert_int_equal(me.last.number, 1000);
}

static void an_error_is_the_callers_to_see(void **state)
{
    (void)state;
    user_do(&me, "a", "SET a x");
    assert_int_equal(user_do(&me, "a", "INCR a")->outcome, REDIS_REFUSED);
    assert_int_equal(me.last.kind, REDIS_ERROR);
    assert_non_null(strstr(me.last.text, "not an integer"));
    assert_non_null(strstr(redis_trouble(me.redis), "not an integer"));
}

static const struct redis_value *seen;
static bool list_is_right;

static void look_at_list(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    (void)context;
    seen = reply;
    list_is_right = outcome == REDIS_ANSWERED && reply->kind == REDIS_LIST && reply->count == 3 &&
                    reply->items[0].number == 1 && reply->items[1].kind == REDIS_LIST &&
                    reply->items[1].count == 2 &&
                    str_equal(reply->items[1].items[1].text, (struct str){"x\0\r\ny", 5}) &&
                    reply->items[2].kind == REDIS_NIL;
}

static void lists_in_lists_and_binary_text_come_as_they_are(void **state)
{
    const struct str words[] = {
        STR("EVAL"), STR("return {1, {'', ARGV[1]}, false}"), STR("0"), {"x\0\r\ny", 5}};
    (void)state;
    RUN_UNTIL(&me, redis_is_up(me.redis));
    assert_int_equal(redis_call(me.redis, STR(""), words, 4, look_at_list, NULL), 0);
    redis_flush(me.redis);
    RUN_UNTIL(&me, seen);
    assert_true(list_is_right);
}

static void what_is_too_many_under_way_is_refused(void **state)
{
    struct user few;
    (void)state;
    user_open(&few, &server, 1, (struct redis_config){.commands_max = 3});
    RUN_UNTIL(&few, redis_is_up(few.redis));
    for (int i = 0; i < 3; i++)
        assert_int_equal(user_send(&few, "n", "INCR n"), 0);
    assert_int_equal(user_send(&few, "n", "INCR n"), TLY_EFULL);
    RUN_UNTIL(&few, few.last.count == 3);
    assert_int_equal(user_send(&few, "n", "INCR n"), 0);
    user_close(&few);
}

static void bytes_under_way_are_bounded_too(void **state)
{
    struct user few;
    (void)state;
    user_open(&few, &server, 1, (struct redis_config){.bytes_max = 40});
    RUN_UNTIL(&few, redis_is_up(few.redis));
    while (user_send(&few, "n", "INCR n") == 0)
        ;
    assert_int_equal(user_send(&few, "n", "INCR n"), TLY_EFULL);
    assert_true(stat_of(&redis_stats(few.redis)->under_way) < 5);
    user_close(&few);
}

/* ---- scripts ---- */

static const struct redis_script scripts[] = {
    {STR("return redis.call('INCRBY', KEYS[1], ARGV[1])")},
    {STR("return 'second ' .. ARGV[1]")},
};

static void open_with_scripts(struct user *u)
{
    user_open(u, &server, 1, (struct redis_config){.scripts = scripts, .script_count = 2});
    RUN_UNTIL(u, redis_is_up(u->redis));
}

static void scripts_are_loaded_with_the_connection(void **state)
{
    struct user u;
    (void)state;
    redis_server_do(&server, "SCRIPT FLUSH");
    open_with_scripts(&u);
    assert_int_equal(user_send_script(&u, 0, "n", "5"), 0);
    RUN_UNTIL(&u, u.last.count == 1);
    assert_int_equal(u.last.number, 5);
    assert_int_equal(user_send_script(&u, 1, "n", "x"), 0);
    RUN_UNTIL(&u, u.last.count == 2);
    assert_string_equal(u.last.text, "second x");
    assert_int_equal(stat_of(&redis_stats(u.redis)->reloaded_total), 0);
    user_close(&u);
}

static void a_script_that_the_server_lost_is_sent_again_once(void **state)
{
    struct user u;
    (void)state;
    open_with_scripts(&u);
    redis_server_do(&server, "SCRIPT FLUSH");
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(user_send_script(&u, 0, "n", "1"), 0);
        RUN_UNTIL(&u, u.last.count == i);
        assert_int_equal(u.last.outcome, REDIS_ANSWERED);
        assert_int_equal(u.last.number, i);
    }
    assert_int_equal(stat_of(&redis_stats(u.redis)->reloaded_total), 1);
    user_close(&u);
}

/* ---- faults ---- */

static void a_killed_server_leaves_what_was_sent_unknown_and_is_found_again(void **state)
{
    (void)state;
    user_do(&me, "a", "SET a 1");
    redis_server_pause(&server);
    assert_int_equal(user_send(&me, "a", "INCR a"), 0);
    redis_server_kill(&server);
    RUN_UNTIL(&me, me.last.count == 2);
    assert_int_equal(me.last.outcome, REDIS_UNKNOWN);
    assert_int_equal(user_send(&me, "a", "INCR a"), TLY_ECLOSED);
    redis_server_start_again(&server);
    assert_int_equal(user_do(&me, "a", "GET a")->kind, REDIS_NIL);
}

static void a_server_that_stands_still_is_cut_off_in_time(void **state)
{
    struct user u;
    (void)state;
    user_open(&u, &server, 1, (struct redis_config){.command_ms = 50, .connect_ms = 100});
    user_do(&u, "a", "PING");
    redis_server_pause(&server);
    for (int i = 0; i < 3; i++)
        assert_int_equal(user_send(&u, "a", "PING"), 0);
    RUN_UNTIL(&u, u.last.count == 4);
    assert_int_equal(u.last.outcome, REDIS_UNKNOWN);
    assert_non_null(strstr(redis_trouble(u.redis), "no answer in time"));
    RUN_UNTIL(&u, strstr(redis_trouble(u.redis), "greeting in time"));
    redis_server_go_on(&server);
    assert_string_equal(user_do(&u, "a", "PING")->text, "PONG");
    user_close(&u);
}

static void errors_open_the_breaker_and_a_good_probe_closes_it(void **state)
{
    struct user u;
    (void)state;
    user_open(&u, &server, 1, (struct redis_config){.bad_max = 3, .open_ms = 20});
    user_do(&u, "a", "SET a x");
    for (int i = 0; i < 3; i++)
        user_do(&u, "a", "INCR a");
    assert_int_equal(user_send(&u, "a", "GET a"), TLY_ECLOSED);
    assert_int_equal(stat_of(&redis_stats(u.redis)->breakers_open), 1);
    assert_string_equal(user_do(&u, "a", "GET a")->text, "x");
    assert_int_equal(user_send(&u, "a", "GET a"), 0);
    assert_int_equal(stat_of(&redis_stats(u.redis)->breakers_open), 0);
    RUN_UNTIL(&u, u.last.count == 6);
    user_close(&u);
}

static void slowness_opens_the_breaker(void **state)
{
    struct user u;
    (void)state;
    user_open(&u, &server, 1,
              (struct redis_config){.bad_max = 1, .slow_ms = 30, .command_ms = 60000});
    user_do(&u, "a", "PING");
    assert_int_equal(user_send(&u, "", "BLPOP nothing 0.1"), 0);
    RUN_UNTIL(&u, u.last.count == 2);
    assert_int_equal(u.last.kind, REDIS_NIL);
    assert_int_equal(user_send(&u, "a", "PING"), TLY_ECLOSED);
    user_close(&u);
}

static void closing_tells_nobody(void **state)
{
    struct user u;
    (void)state;
    user_open(&u, &server, 1, (struct redis_config){0});
    user_do(&u, "a", "PING");
    assert_int_equal(user_send(&u, "a", "PING"), 0);
    user_close(&u);
    assert_int_equal(u.last.count, 1);
}

/* ---- who it is, and who it asks ---- */

static void it_comes_with_its_user_and_password(void **state)
{
    struct user u;
    (void)state;
    redis_server_do(&server, "ACL SETUSER tally on >secret ~gate:* +@all");
    user_open(&u, &server, 1,
              (struct redis_config){.user = STR("tally"), .password = STR("secret")});
    assert_string_equal(user_do(&u, "", "ACL WHOAMI")->text, "tally");
    assert_string_equal(user_do(&u, "gate:1", "SET gate:1 x")->text, "OK");
    assert_int_equal(user_do(&u, "other", "SET other x")->outcome, REDIS_REFUSED);
    assert_memory_equal(u.last.text, "NOPERM", 6);
    user_close(&u);
}

static void a_wrong_password_is_told_and_nothing_is_up(void **state)
{
    struct user u;
    (void)state;
    redis_server_do(&server, "ACL SETUSER tally on >secret ~* +@all");
    user_open(&u, &server, 1,
              (struct redis_config){.user = STR("tally"), .password = STR("wrong")});
    RUN_UNTIL(&u, strstr(redis_trouble(u.redis), "WRONGPASS"));
    assert_false(redis_is_up(u.redis));
    user_close(&u);
}

static void of_several_addresses_the_master_is_used_and_the_next_one_when_it_changes(void **state)
{
    struct redis_server two[2] = {[1] = server};
    char replica_of[64];
    struct user u;
    (void)state;
    redis_server_start(&two[0], NULL);
    snprintf(replica_of, sizeof replica_of, "REPLICAOF 127.0.0.1 %u", server.port);
    redis_server_do(&two[0], replica_of);
    user_open(&u, two, 2, (struct redis_config){0});
    user_do(&u, "a", "SET a 1");
    assert_string_equal(redis_server_do(&server, "GET a"), "1");
    redis_server_do(&two[0], "REPLICAOF NO ONE");
    snprintf(replica_of, sizeof replica_of, "REPLICAOF 127.0.0.1 %u", two[0].port);
    redis_server_do(&server, replica_of);
    RUN_UNTIL(&u, strcmp(user_do(&u, "a", "SET a 2")->text, "OK") == 0);
    assert_string_equal(redis_server_do(&two[0], "GET a"), "2");
    redis_server_do(&server, "REPLICAOF NO ONE");
    user_close(&u);
    redis_server_remove(&two[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_answered),
        TEST(before_there_is_a_connection_a_call_is_refused_at_once),
        TEST(many_commands_are_answered_in_order_from_the_loop),
        TEST(an_error_is_the_callers_to_see),
        TEST(lists_in_lists_and_binary_text_come_as_they_are),
        TEST(what_is_too_many_under_way_is_refused),
        TEST(bytes_under_way_are_bounded_too),
        TEST(scripts_are_loaded_with_the_connection),
        TEST(a_script_that_the_server_lost_is_sent_again_once),
        TEST(a_killed_server_leaves_what_was_sent_unknown_and_is_found_again),
        TEST(a_server_that_stands_still_is_cut_off_in_time),
        TEST(errors_open_the_breaker_and_a_good_probe_closes_it),
        TEST(slowness_opens_the_breaker),
        TEST(closing_tells_nobody),
        TEST(it_comes_with_its_user_and_password),
        TEST(a_wrong_password_is_told_and_nothing_is_up),
        TEST(of_several_addresses_the_master_is_used_and_the_next_one_when_it_changes),
    };
    redis_server_needed();
    redis_server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_remove(&server);
    return failed;
}
