#include "fixture.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loadgen/target.h"
#include "loadgen/target_sale.h"

/* A server that gives the answers of a script, one a request, on any number of connections. */
enum { ANSWERS_MAX = 200 };

static struct {
    int listener;
    pthread_t thread;
    char address[32];
    const char *answers[ANSWERS_MAX]; /* NULL: close the connection */
    uint32_t given;
    char first_request[512], last_request[512];
    char last_path[256];
} server;

#define LOT(key)                                                                                   \
    "201 {\"lot\":\"" key "\",\"sku\":\"x\",\"on_hand\":9,\"reserved\":2,\"confirmed\":3,"         \
    "\"available\":4,\"version\":5}"

/* One request with its body; false: the client is gone. */
static bool take_request(FILE *from)
{
    char line[512];
    size_t body = 0;
    bool first = server.given == 0;
    if (!fgets(line, sizeof(line), from))
        return false;
    assert_int_equal(sscanf(line, "%*s %255s", server.last_path), 1);
    while (fgets(line, sizeof(line), from) && strcmp(line, "\r\n") != 0)
        if (strncmp(line, "Content-Length: ", 16) == 0)
            body = strtoul(line + 16, NULL, 10);
    char bytes[512] = "";
    assert_true(body < sizeof(bytes) && fread(bytes, 1, body, from) == body);
    if (first)
        snprintf(server.first_request, sizeof(server.first_request), "%s", bytes);
    snprintf(server.last_request, sizeof(server.last_request), "%s", bytes);
    return true;
}

static void *serve(void *unused)
{
    (void)unused;
    int fd;
    while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
        FILE *from = fdopen(fd, "r");
        while (take_request(from)) {
            const char *answer = server.answers[server.given++];
            if (!answer)
                break;
            char text[1024];
            int len = snprintf(text, sizeof(text),
                               "HTTP/1.1 %.3s X\r\nContent-Type: application/json\r\n"
                               "Content-Length: %zu\r\n\r\n%s",
                               answer, strlen(answer + 4), answer + 4);
            assert_int_equal(write(fd, text, (size_t)len), len);
        }
        fclose(from);
    }
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(server.listener, 8), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&a, &size), 0);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%d", ntohs(a.sin_port));
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    return 0;
}

static struct target_lots lots;
static struct error e;

static int make(uint32_t count)
{
    e = (struct error){0};
    return target_lots_make(&lots, server.address, "0123456789ab", count, 77, NULL, &e);
}

static void lots_are_made_with_a_sku_of_the_run(void **state)
{
    (void)state;
    server.answers[0] = LOT("A#00000001");
    server.answers[1] = LOT("B#00000002");
    assert_int_equal(make(2), 0);
    assert_string_equal(server.first_request,
                        "{\"sku\":\"BENCH-0123456789ab-0\",\"flavor\":\"plain\","
                        "\"size\":\"1pcs_box\",\"batch\":\"BATCH-20260101-A\",\"quantity\":77}");
    assert_string_equal(lots.keys[0], "A#00000001");
    assert_string_equal(lots.keys[1], "B#00000002");
    assert_int_equal(lots.begin[1].on_hand, 9);
    assert_int_equal(lots.begin[1].reserved, 2);
    assert_int_equal(lots.begin[1].confirmed, 3);
    assert_int_equal(lots.begin[1].available, 4);
    assert_int_equal(lots.begin[1].version, 5);
    target_lots_close(&lots);
}

static void more_lots_than_are_asked_for_at_once_keep_their_numbers(void **state)
{
    (void)state;
    static char texts[150][200];
    for (int i = 0; i < 150; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 "201 {\"lot\":\"L#%08d\",\"on_hand\":1,\"reserved\":0,\"confirmed\":0,"
                 "\"available\":1,\"version\":1}",
                 i);
        server.answers[i] = texts[i];
    }
    assert_int_equal(make(150), 0);
    for (int i = 0; i < 150; i++)
        assert_int_equal(atoi(lots.keys[i] + 2), i);
    target_lots_close(&lots);
}

static void a_busy_server_is_asked_again(void **state)
{
    (void)state;
    server.answers[0] = "503 {\"code\":\"OVERLOADED\"}";
    server.answers[1] = LOT("B#00000002");
    server.answers[2] = "503 {\"code\":\"OVERLOADED\"}";
    server.answers[3] = LOT("A#00000001");
    assert_int_equal(make(2), 0);
    assert_string_equal(lots.keys[0], "A#00000001");
    assert_string_equal(lots.keys[1], "B#00000002");
    target_lots_close(&lots);
}

static void a_refusal_is_told_in_the_servers_words(void **state)
{
    (void)state;
    server.answers[0] = "400 {\"code\":\"INVALID_ARGUMENT\",\"detail\":\"flavor: must be tart\"}";
    assert_int_equal(make(1), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(e.text, "INVALID_ARGUMENT"));
    assert_non_null(strstr(e.text, "flavor: must be tart"));
    target_lots_close(&lots);
}

static void what_is_no_lot_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "200 {}", "200 no JSON",
        ("200 {\"lot\":\"A#1\",\"on_hand\":\"1\",\"reserved\":0,\"confirmed\":0,\"available\":1,"
         "\"version\":1}"),
        "200 {\"lot\":\"A#1\",\"on_hand\":1,\"reserved\":0,\"confirmed\":0,\"version\":1}"};
    for (uint32_t i = 0; i < 4; i++) {
        server.answers[i] = wrong[i];
        assert_int_equal(make(1), TLY_ECORRUPT);
        target_lots_close(&lots);
    }
}

static void a_connection_that_ends_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(make(1), TLY_ECLOSED);
    target_lots_close(&lots);
}

static void lots_are_found_by_their_keys(void **state)
{
    (void)state;
    const char *keys[] = {"COLA#bf732d7c", "GONE#00000000"};
    server.answers[0] = LOT("COLA#bf732d7c");
    e = (struct error){0};
    assert_int_equal(target_lots_find(&lots, server.address, keys, 1, &e), 0);
    assert_string_equal(server.last_path, "/v1/lots/COLA%23bf732d7c");
    assert_int_equal(lots.begin[0].available, 4);
    target_lots_close(&lots);
    server.answers[1] = LOT("COLA#bf732d7c");
    server.answers[2] = "404 {\"code\":\"NOT_FOUND\"}";
    assert_int_equal(target_lots_find(&lots, server.address, keys, 2, &e), TLY_ENOT_FOUND);
    assert_non_null(strstr(e.text, "GONE#00000000"));
    target_lots_close(&lots);
}

static void figures_that_metrics_does_not_tell_are_negative(void **state)
{
    (void)state;
    struct target_stats *t;
    struct server_stats s;
    assert_int_equal(target_stats_open(&t, server.address, NULL), 0);
    server.answers[0] = "200 # HELP x\nprocess_cpu_seconds_total 1.5\n"
                        "process_threads_more 9\nprocess_resident_memory_bytes 2e6\n";
    server.answers[1] = "404 ";
    server.answers[3] = "200 process_threads 7";
    target_stats_read(t, &s);
    assert_true(s.cpu_s == 1.5 && s.memory_bytes == 2e6);
    assert_true(s.threads < 0 && s.open_fds < 0 && s.reservations < 0);
    target_stats_read(t, &s);
    assert_true(s.cpu_s < 0 && s.memory_bytes < 0);
    target_stats_read(t, &s); /* the server closes the connection */
    assert_true(s.threads < 0);
    target_stats_read(t, &s);
    assert_true(s.threads == 7);
    target_stats_close(t);
}

static void names_are_resolved_or_refused(void **state)
{
    (void)state;
    struct sockaddr_storage a;
    socklen_t size;
    assert_int_equal(target_resolve("127.0.0.1:80", &a, &size, &e), 0);
    assert_int_equal(a.ss_family, AF_INET);
    assert_int_equal(ntohs(((struct sockaddr_in *)&a)->sin_port), 80);
    assert_int_equal(target_resolve("[::1]:80", &a, &size, &e), 0);
    assert_int_equal(a.ss_family, AF_INET6);
    assert_int_equal(target_resolve("127.0.0.1", &a, &size, &e), TLY_EINVALID_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- the sale ---- */

#define SALE(starts_in)                                                                            \
    "200 {\"sale_id\":\"bench-0123456789ab\",\"server_time\":\"2031-05-01T10:00:00.250Z\","        \
    "\"starts_in_ms\":" starts_in "}"

static char sale_id[SALE_ID_SIZE];

static int make_sale(void)
{
    char keys[2][LOT_KEY_SIZE] = {"A#00000001", "B#00000002"};
    struct target_lots both = {.count = 2, .keys = keys};
    struct team_terms terms = {.size = 3, .user_limit = 2, .window_ms = 6000, .total_limit = 50};
    e = (struct error){0};
    return target_sale_make(sale_id, server.address, "0123456789ab", &both, &terms, 90000, &e);
}

static void a_sale_is_made_of_all_lots_with_its_terms(void **state)
{
    (void)state;
    server.answers[0] = SALE("86400000");
    assert_int_equal(make_sale(), 0);
    assert_string_equal(sale_id, "bench-0123456789ab");
    assert_string_equal(server.last_path, "/v1/sales");
    static const char *const members[] = {
        "\"sale_id\":\"bench-0123456789ab\"", "\"lots\":[\"A#00000001\",\"B#00000002\"]",
        "\"per_user_limit\":2,\"total_limit\":50", "\"hold_ms\":90000",
        "\"group\":{\"size\":3,\"window_ms\":6000}"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (!strstr(server.last_request, members[i]))
            fail_msg("no %s in %s", members[i], server.last_request);
}

static void a_sale_that_is_refused_is_told_in_the_servers_words(void **state)
{
    (void)state;
    server.answers[0] = "400 {\"code\":\"INVALID_ARGUMENT\",\"detail\":\"hold_ms is at most 5\"}";
    assert_int_equal(make_sale(), TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(e.text, "the server refuses the sale: INVALID_ARGUMENT"));
    assert_non_null(strstr(e.text, "hold_ms is at most 5"));
    server.answers[1] = "503 {\"code\":\"UNAVAILABLE\"}";
    assert_int_equal(make_sale(), TLY_EUNAVAILABLE);
    server.answers[2] = "200 {\"sale_id\":\"bench-0123456789ab\"}";
    assert_int_equal(make_sale(), TLY_ECORRUPT);
}

static void a_sale_opens_by_the_servers_clock_whatever_ours_says(void **state)
{
    (void)state;
    struct sale_opening o;
    server.answers[0] = SALE("80000000");
    server.answers[1] = SALE("4990");
    uint64_t before_ns = clock_monotonic_ns();
    assert_int_equal(target_sale_open("bench-0123456789ab", server.address, 5000, 60000, &o, &e),
                     0);
    uint64_t after_ns = clock_monotonic_ns(), in_ns = 4990 * UINT64_C(1000000);
    assert_string_equal(server.last_path, "/v1/sales/bench-0123456789ab");
    assert_string_equal(server.last_request, "{\"starts_at\":\"2031-05-01T10:00:05.250Z\","
                                             "\"ends_at\":\"2031-05-01T10:01:05.250Z\"}");
    assert_true(o.first_ns < o.last_ns);
    assert_true(o.first_ns < after_ns + in_ns && o.last_ns > before_ns + in_ns);
    assert_true(o.first_ns > before_ns + in_ns / 20 * 19);
    assert_true(o.last_ns < after_ns + in_ns / 20 * 21);
}

static void a_sale_that_opens_at_another_time_is_not_believed(void **state)
{
    (void)state;
    static const char *const times[] = {SALE("0"), SALE("5001")};
    struct sale_opening o;
    for (int i = 0; i < 2; i++) {
        server.answers[server.given] = SALE("80000000");
        server.answers[server.given + 1] = times[i];
        e = (struct error){0};
        assert_int_equal(target_sale_open("bench-0123456789ab", server.address, 5000, 1, &o, &e),
                         TLY_ECORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lots_are_made_with_a_sku_of_the_run),
        TEST(more_lots_than_are_asked_for_at_once_keep_their_numbers),
        TEST(a_busy_server_is_asked_again),
        TEST(a_refusal_is_told_in_the_servers_words),
        TEST(what_is_no_lot_is_refused),
        TEST(a_connection_that_ends_is_a_failure),
        TEST(lots_are_found_by_their_keys),
        TEST(figures_that_metrics_does_not_tell_are_negative),
        TEST(names_are_resolved_or_refused),
        TEST(a_sale_is_made_of_all_lots_with_its_terms),
        TEST(a_sale_that_is_refused_is_told_in_the_servers_words),
        TEST(a_sale_opens_by_the_servers_clock_whatever_ours_says),
        TEST(a_sale_that_opens_at_another_time_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
