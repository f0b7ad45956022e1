/* What the system must allow for a number of connections. */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>

#include "loadgen/limits.h"

static const struct limits usual = {.files = 1048576, .port_low = 32768, .port_high = 60999};

struct row {
    uint32_t connections;
    bool loopback;
    uint32_t sources; /* 0: refused */
};

static void connections_on_loopback_are_spread_over_as_many_addresses_as_they_need(void **state)
{
    (void)state;
    /* 28,232 ports, of which 11,292 are used: fewer than half. */
    static const struct row rows[] = {
        {0, true, 1},     {1, true, 1},      {11292, true, 1},  {11293, true, 2},
        {22584, true, 2}, {22585, true, 3},  {100000, true, 9}, {1000000, true, 89},
        {1, false, 1},    {28232, false, 1}, {28233, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error e = {0};
        uint32_t sources = 0;
        int rc = limits_check(&usual, rows[i].connections, rows[i].loopback, &sources, &e);
        assert_int_equal(rc, rows[i].sources ? 0 : TLY_ELIMIT_EXCEEDED);
        assert_int_equal(sources, rows[i].sources);
    }
}

static void a_range_of_one_port_is_divided_too(void **state)
{
    (void)state;
    struct limits l = {.files = 1000, .port_low = 4000, .port_high = 4000};
    uint32_t sources = 0;
    assert_int_equal(limits_check(&l, 10, true, &sources, NULL), 0);
    assert_int_equal(sources, 10);
}

static void too_few_open_files_are_refused_with_what_to_set(void **state)
{
    (void)state;
    struct limits l = usual;
    l.files = 20000;
    struct error e = {0};
    uint32_t sources = 7;
    assert_int_equal(limits_check(&l, 19936, true, &sources, &e), 0);
    sources = 7;
    assert_int_equal(limits_check(&l, 19937, true, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_int_equal(sources, 7);
    assert_string_equal(e.field, "connections");
    assert_int_equal(limits_check(&l, 100000, true, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_string_equal(
        e.text,
        "100000 connections need 100064 open files, the limit is 20000: ulimit -n 100064 as "
        "root, or \"* hard nofile 100064\" in /etc/security/limits.d/tally.conf and a new "
        "login, or LimitNOFILE=100064 in a systemd unit");
}

static void too_few_ports_are_refused_with_what_to_set(void **state)
{
    (void)state;
    struct error e = {0};
    uint32_t sources;
    assert_int_equal(limits_check(&usual, 50000, false, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_string_equal(e.field, "connections");
    assert_string_equal(
        e.text, "50000 connections need as many local ports, net.ipv4.ip_local_port_range = 32768 "
                "60999 has 28232: sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"");
}

static void more_connections_than_any_address_has_ports_need_another_machine(void **state)
{
    (void)state;
    struct limits widest = {.files = UINT64_MAX, .port_low = 1024, .port_high = 65535};
    struct error e = {0};
    uint32_t sources;
    assert_int_equal(limits_check(&widest, 64512, false, &sources, &e), 0);
    assert_int_equal(limits_check(&widest, 64513, false, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_non_null(strstr(e.text, "there can be 64512 at most: use several machines"));
}

static void the_longest_texts_are_whole(void **state)
{
    (void)state;
    struct limits least = {.files = UINT32_MAX, .port_low = 60998, .port_high = 60999};
    struct error e = {0};
    uint32_t sources;
    assert_int_equal(limits_check(&least, UINT32_MAX, true, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_non_null(strstr(e.text, "in a systemd unit"));
    least.files = UINT64_MAX;
    assert_int_equal(limits_check(&least, 64512, false, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_non_null(strstr(e.text, "\"1024 65535\""));
}

static void the_soft_limit_of_open_files_is_raised_to_the_hard_one(void **state)
{
    (void)state;
    struct rlimit before, after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage address = {0};
    memcpy(&address, &server, sizeof server);
    uint32_t sources = 0;
    assert_int_equal(limits_prepare(200, &address, &sources, NULL), 0);
    assert_int_equal(sources, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void only_an_ipv4_loopback_address_can_be_spread_over(void **state)
{
    (void)state;
    struct sockaddr_storage address = {.ss_family = AF_INET6};
    memcpy(&((struct sockaddr_in6 *)(void *)&address)->sin6_addr, &in6addr_loopback,
           sizeof in6addr_loopback);
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    /* Both limits may be what refuses it here. */
    uint32_t sources = 0;
    struct error e = {0};
    assert_int_equal(limits_prepare(70000, &address, &sources, &e), TLY_ELIMIT_EXCEEDED);
    assert_int_equal(sources, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_on_loopback_are_spread_over_as_many_addresses_as_they_need),
        cmocka_unit_test(a_range_of_one_port_is_divided_too),
        cmocka_unit_test(too_few_open_files_are_refused_with_what_to_set),
        cmocka_unit_test(too_few_ports_are_refused_with_what_to_set),
        cmocka_unit_test(more_connections_than_any_address_has_ports_need_another_machine),
        cmocka_unit_test(the_longest_texts_are_whole),
        cmocka_unit_test(the_soft_limit_of_open_files_is_raised_to_the_hard_one),
        cmocka_unit_test(only_an_ipv4_loopback_address_can_be_spread_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
