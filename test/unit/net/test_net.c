/* Sockets: a server on a thread of its own, clients with blocking sockets. */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

enum { BIG_BYTES = 8 << 20, IDLE_CONNECTIONS = 1000, SHORT_MS = 200 };

enum order { ORDER_NONE, ORDER_DRAIN, ORDER_ANSWER, ORDER_PAUSE, ORDER_CLOSE };

struct server {
    struct net_config config;
    struct net *net;
    uv_loop_t loop;
    uv_async_t wake;
    pthread_t thread;
    sem_t done;   /* an order was carried out */
    sem_t resume; /* after ORDER_PAUSE */
    _Atomic int order;
    _Atomic unsigned handled, gone, turns;
    _Atomic uint32_t connections;
    struct exchange *held;
    char *big;
    uint16_t port;
};

static void on_gone(struct exchange *x)
{
    struct server *s = x->service;
    atomic_fetch_add(&s->gone, 1);
}

static void answer(struct exchange *x, struct str body)
{
    struct response r = {.status = 200, .content_type = STR("text/plain"), .body = body};
    exchange_respond(x, &r);
}

static void handle(void *context, struct exchange *x)
{
    struct server *s = context;
    atomic_fetch_add(&s->handled, 1);
    x->service = s;
    if (str_equal(x->path, STR("/big"))) {
        answer(x, (struct str){s->big, BIG_BYTES});
    } else if (str_equal(x->path, STR("/hold"))) {
        x->on_gone = on_gone;
        s->held = x;
    } else {
        answer(x, x->path);
    }
}

static void after_turn(void *context)
{
    struct server *s = context;
    atomic_fetch_add(&s->turns, 1);
    if (s->net)
        atomic_store(&s->connections, net_connections(s->net));
}

static void on_net_closed(void *context)
{
    struct server *s = context;
    uv_close((uv_handle_t *)&s->wake, NULL);
}

static void on_wake(uv_async_t *wake)
{
    struct server *s = wake->data;
    switch (atomic_exchange(&s->order, ORDER_NONE)) {
    case ORDER_DRAIN:
        net_drain(s->net);
        break;
    case ORDER_ANSWER:
        answer(s->held, STR("held"));
        s->held = NULL;
        break;
    case ORDER_PAUSE:
        sem_post(&s->done);
        sem_wait(&s->resume);
        return;
    case ORDER_CLOSE:
        net_close(s->net, on_net_closed, s);
        break;
    default:
        return;
    }
    sem_post(&s->done);
}

static void order(struct server *s, enum order what)
{
    atomic_store(&s->order, what);
    uv_async_send(&s->wake);
    sem_wait(&s->done);
}

static void *run(void *context)
{
    struct server *s = context;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void start(struct server *s)
{
    struct error e;
    assert_int_equal(uv_loop_init(&s->loop), 0);
    if (net_create(&s->net, &s->loop, &s->config, &e))
        fail_msg("%s", e.text);
    s->port = net_port(s->net);
    assert_int_equal(uv_async_init(&s->loop, &s->wake, on_wake), 0);
    s->wake.data = s;
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void stop(struct server *s)
{
    order(s, ORDER_CLOSE);
    pthread_join(s->thread, NULL);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    if (s->held)
        answer(s->held, STR("too late"));
    net_destroy(s->net);
}

static int setup(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->big = calloc(1, BIG_BYTES);
    assert_non_null(s->big);
    sem_init(&s->done, 0, 0);
    sem_init(&s->resume, 0, 0);
    s->config = (struct net_config){
        .host = "127.0.0.1",
        .backlog = 512,
        .connections_max = IDLE_CONNECTIONS + 10,
        .receive_timeout_ms = PATIENCE_MS,
        .send_timeout_ms = PATIENCE_MS,
        .idle_timeout_ms = PATIENCE_MS,
        .limits = {.header_line_max = 4096,
                   .header_bytes_max = 8192,
                   .header_count_max = 50,
                   .target_max = 1024,
                   .body_max = 1 << 20,
                   .streams_max = 100,
                   .stream_buffer_max = 1 << 16,
                   .output_max = 1 << 16},
        .handler = {.context = s, .handle = handle},
        .after_turn = after_turn,
        .context = s,
    };
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;
    sem_destroy(&s->done);
    sem_destroy(&s->resume);
    free(s->big);
    free(s);
    return 0;
}

/* ---- a client ---- */

static int dial(const struct server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until the text has come, or the other side closes. */
static bool hear(int fd, const char *text)
{
    char buffer[4096];
    size_t len = 0;
    while (len < sizeof(buffer) - 1) {
        ssize_t n = recv(fd, buffer + len, sizeof(buffer) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        buffer[len] = 0;
        if (strstr(buffer, text))
            return true;
    }
    return false;
}

/* True if the server ends the connection; false when patience does. */
static bool ends(int fd)
{
    char buffer[65536];
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}

static void assert_connections(struct server *s, uint32_t expected)
{
    AWAIT(atomic_load(&s->connections) == expected);
}

/* Returns when the limit on receiving has passed for somebody who came after all others. */
static void let_the_receive_limit_pass(const struct server *s)
{
    int half = dial(s);
    say(half, "GET /half");
    assert_true(ends(half));
    close(half);
}

/* ---- tests ---- */

static void a_connection_serves_one_request_after_another(void **state)
{
    struct server *s = *state;
    start(s);
    int fd = dial(s);
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /path HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(hear(fd, "\r\n\r\n/path"));
    }
    close(fd);
    assert_connections(s, 0);
    stop(s);
}

static void the_connection_ends_behind_its_last_answer(void **state)
{
    struct server *s = *state;
    start(s);
    int fd = dial(s);
    say(fd, "GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(hear(fd, "\r\n\r\n/path"));
    assert_true(ends(fd));
    close(fd);
    assert_connections(s, 0);
    stop(s);
}

static void a_refusal_reaches_a_client_that_is_still_sending(void **state)
{
    struct server *s = *state;
    start(s);
    static char body[600000];
    memset(body, 'x', sizeof(body));
    int fd = dial(s);
    say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    assert_int_equal(send(fd, body, sizeof(body), MSG_NOSIGNAL), (ssize_t)sizeof(body));
    assert_true(hear(fd, "HTTP/1.1 413 "));
    close(fd);
    stop(s);
}

static void a_client_that_closed_its_side_gets_all_its_answers(void **state)
{
    struct server *s = *state;
    start(s);
    int fd = dial(s);
    for (int i = 0; i < 200; i++)
        say(fd, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    say(fd, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(fd, SHUT_WR);
    char all[65536];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, all + len, sizeof(all) - 1 - len, 0)) > 0)
        len += (size_t)n;
    all[len] = 0;
    assert_int_equal(n, 0);
    assert_non_null(strstr(all, "\r\n\r\n/last"));
    close(fd);
    stop(s);
}

static void many_pipelined_requests_in_one_packet_are_all_answered(void **state)
{
    struct server *s = *state;
    start(s);
    static char text[1000 * 40];
    size_t len = 0;
    for (int i = 0; i < 1000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "GET /%03d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    int fd = dial(s);
    say(fd, text);
    static char all[1000 * 200];
    size_t got = 0;
    while (!memmem(all, got, "\r\n\r\n/999", 8)) {
        ssize_t n = recv(fd, all + got, sizeof(all) - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    const char *at = all;
    for (int i = 0; i < 1000; i++) {
        char expected[24];
        snprintf(expected, sizeof(expected), "\r\n\r\n/%03d", i % 1000);
        at = memmem(at, (size_t)(all + got - at), expected, 8);
        assert_non_null(at);
    }
    close(fd);
    stop(s);
}

/* unfed-twice: all of it lies in the socket when the server looks, more than it reads at once. */
static void requests_beyond_what_is_taken_wait_for_their_turn(void **state)
{
    enum { REQUESTS = 1500, REQUEST_BYTES = 36, ANSWER_BYTES_MAX = 200 };
    struct server *s = *state;
    start(s);
    static char text[REQUESTS * REQUEST_BYTES + 1];
    for (size_t i = 0; i < REQUESTS; i++)
        memcpy(text + i * REQUEST_BYTES, "GET /1234567 HTTP/1.1\r\nHost: abc\r\n\r\n",
               REQUEST_BYTES);
    memcpy(text, "GET /hold HTTP/1.1\r\nHost: abcdef\r\n\r\n", REQUEST_BYTES);
    int fd = dial(s);
    order(s, ORDER_PAUSE);
    say(fd, text);
    sem_post(&s->resume);
    AWAIT(atomic_load(&s->handled) >= 64);
    order(s, ORDER_ANSWER);
    static char all[REQUESTS * ANSWER_BYTES_MAX];
    size_t got = 0, from = 0;
    for (size_t answers = 0; answers < REQUESTS;) {
        const char *at = memmem(all + from, got - from, "HTTP/1.1 200", 12);
        if (at) {
            answers++;
            from = (size_t)(at - all) + 12;
            continue;
        }
        ssize_t n = recv(fd, all + got, sizeof(all) - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    close(fd);
    stop(s);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct server *s = *state;
    start(s);
    int fd = dial(s);
    say(fd, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    static char buffer[65536];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
        len += (size_t)n;
    assert_int_equal(n, 0);
    assert_in_range(len, BIG_BYTES + 50, BIG_BYTES + 500);
    close(fd);
    stop(s);
}

/* A byte now and then does not buy more time. */
static void a_slow_sender_is_told_408_and_others_are_served(void **state)
{
    struct server *s = *state;
    s->config.receive_timeout_ms = SHORT_MS;
    start(s);
    int slow = dial(s);
    int other = dial(s);
    char byte;
    say(slow, "GET /");
    while (recv(slow, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0) {
        say(slow, "x");
        pause_ms(10);
        say(other, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(hear(other, "\r\n\r\n/x"));
    }
    assert_true(hear(slow, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_true(ends(slow));
    close(slow);
    close(other);
    stop(s);
}

static void half_a_preface_is_closed_after_a_while(void **state)
{
    struct server *s = *state;
    s->config.receive_timeout_ms = SHORT_MS;
    start(s);
    int half = dial(s);
    int whole = dial(s);
    say(half, "PRI * HTTP/2.0\r\n\r\n");
    say(whole, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); /* and no SETTINGS */
    assert_true(ends(half));
    assert_true(ends(whole));
    close(half);
    close(whole);
    stop(s);
}

static void a_client_that_never_reads_is_bounded_and_closed(void **state)
{
    struct server *s = *state;
    s->config.send_timeout_ms = SHORT_MS;
    start(s);
    int fd = dial(s);
    struct timeval limit = {.tv_usec = 50000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    bool closed = false;
    for (int i = 0; i < PATIENCE_MS / 10 && !closed; i++) {
        ssize_t n = send(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", 30, MSG_NOSIGNAL);
        closed = n < 0 && (errno == EPIPE || errno == ECONNRESET);
        pause_ms(10);
    }
    assert_true(closed);
    assert_int_equal(atomic_load(&s->handled), 1);
    close(fd);
    assert_connections(s, 0);
    stop(s);
}

static void half_a_request_leaves_nothing_behind(void **state)
{
    struct server *s = *state;
    start(s);
    for (int i = 0; i < 20; i++) {
        int fd = dial(s);
        say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
        close(fd);
    }
    assert_connections(s, 0);
    assert_int_equal(atomic_load(&s->handled), 0);
    stop(s);
}

static void a_client_that_leaves_before_its_answer_is_reported(void **state)
{
    struct server *s = *state;
    start(s);
    int fd = dial(s);
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    AWAIT(atomic_load(&s->handled));
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    AWAIT(atomic_load(&s->gone) == 1);
    order(s, ORDER_ANSWER);
    assert_connections(s, 0);
    stop(s);
}

static void an_answer_from_outside_the_turn_is_sent(void **state)
{
    struct server *s = *state;
    s->config.receive_timeout_ms = s->config.send_timeout_ms = SHORT_MS;
    start(s);
    int fd = dial(s);
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    AWAIT(atomic_load(&s->handled));
    let_the_receive_limit_pass(s); /* which does not count here: it is the server's turn */
    order(s, ORDER_ANSWER);
    assert_true(hear(fd, "\r\n\r\nheld"));
    close(fd);
    stop(s);
}

static void a_thousand_idle_connections_are_kept_and_served(void **state)
{
    struct server *s = *state;
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    s->config.receive_timeout_ms = SHORT_MS;
    start(s);
    static int fds[IDLE_CONNECTIONS];
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        fds[i] = dial(s);
    assert_connections(s, IDLE_CONNECTIONS);
    let_the_receive_limit_pass(s);
    for (int i = 0; i < IDLE_CONNECTIONS; i += 100) {
        say(fds[i], "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(hear(fds[i], "\r\n\r\n/x"));
    }
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        close(fds[i]);
    assert_connections(s, 0);
    stop(s);
}

static void an_idle_connection_is_closed_after_its_limit(void **state)
{
    struct server *s = *state;
    s->config.idle_timeout_ms = 100;
    start(s);
    int silent = dial(s);
    assert_true(ends(silent));
    close(silent);
    int used = dial(s);
    static const char request[] = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int i = 0; i < PATIENCE_MS; i++) {
        send(used, request, sizeof(request) - 1, MSG_NOSIGNAL);
        if (hear(used, "/x"))
            break;
        close(used); /* the limit was over before the request was there */
        used = dial(s);
    }
    assert_true(ends(used));
    assert_true(atomic_load(&s->handled) > 0);
    close(used);
    stop(s);
}

/* A client's first words in HTTP/2: the preface and empty SETTINGS. */
static void say_http2(int fd)
{
    static const char text[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    assert_int_equal(send(fd, text, sizeof text - 1, MSG_NOSIGNAL), sizeof text - 1);
}

/* GET /x on stream 1, every header literal. */
static void ask_http2(int fd)
{
    static const char text[] = "\0\0\x2c\1\5\0\0\0\1"
                               "\0\7:method\3GET\0\7:scheme\4http\0\5:path\2/x\0\12:authority\1a";
    size_t size = sizeof text - 1;
    char frame[sizeof text];
    memcpy(frame, text, size);
    frame[2] = (char)(size - 9);
    assert_int_equal(send(fd, frame, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Reads to the end of the connection; the last stream of the last GOAWAY, -1 if there was none. */
static int64_t goaway_before_the_end(int fd)
{
    uint8_t bytes[4096];
    size_t size = 0;
    ssize_t n;
    while ((n = recv(fd, bytes + size, sizeof bytes - size, 0)) > 0)
        size += (size_t)n;
    int64_t last = -1;
    for (size_t i = 0; i + 17 <= size; i += 9 + (size_t)(bytes[i + 1] << 8 | bytes[i + 2]))
        if (bytes[i + 3] == 7)
            last = (int64_t)bytes[i + 9] << 24 | bytes[i + 10] << 16 | bytes[i + 11] << 8 |
                   bytes[i + 12];
    return last;
}

static void a_connection_beyond_the_limit_is_told_503(void **state)
{
    struct server *s = *state;
    s->config.connections_max = 2;
    start(s);
    int one = dial(s);
    int two = dial(s);
    assert_connections(s, 2);
    int three = dial(s);
    say(three, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(hear(three, "HTTP/1.1 503 "));
    assert_true(ends(three));
    close(three);
    assert_connections(s, 2);
    say(one, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(hear(one, "/x"));
    close(one);
    assert_connections(s, 1);
    int four = dial(s);
    say(four, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(hear(four, "/x"));
    close(two);
    close(four);
    stop(s);
}

static void an_http2_connection_beyond_the_limit_is_told_goaway(void **state)
{
    struct server *s = *state;
    s->config.connections_max = 1;
    start(s);
    int one = dial(s);
    assert_connections(s, 1);
    int two = dial(s);
    say_http2(two);
    ask_http2(two);
    assert_int_equal(goaway_before_the_end(two), 0);
    close(two);
    int silent = dial(s); /* ... and one that says nothing does not stay */
    assert_true(ends(silent));
    close(silent);
    assert_int_equal(atomic_load(&s->handled), 0);
    close(one);
    stop(s);
}

static void an_idle_http2_connection_is_told_before_it_is_closed(void **state)
{
    struct server *s = *state;
    s->config.idle_timeout_ms = 100;
    start(s);
    int fd = dial(s);
    say_http2(fd);
    ask_http2(fd);
    assert_int_equal(goaway_before_the_end(fd), 1);
    assert_int_equal(atomic_load(&s->handled), 1);
    close(fd);
    stop(s);
}

static void an_old_connection_is_told_to_end(void **state)
{
    struct server *s = *state;
    s->config.age_max_ms = 100;
    start(s);
    int fd = dial(s);
    int idle = dial(s);
    int busy = dial(s);
    say_http2(fd);
    say(idle, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(hear(idle, "/x"));
    say(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(goaway_before_the_end(fd), 0);
    assert_true(ends(idle));
    order(s, ORDER_ANSWER);
    assert_true(hear(busy, "connection: close\r\n\r\nheld"));
    assert_true(ends(busy));
    close(fd);
    close(idle);
    close(busy);
    stop(s);
}

static void closing_says_goaway(void **state)
{
    struct server *s = *state;
    start(s);
    int fd = dial(s);
    say_http2(fd);
    ask_http2(fd);
    AWAIT(atomic_load(&s->handled) == 1);
    stop(s);
    assert_int_equal(goaway_before_the_end(fd), 1);
    close(fd);
}

static void draining_finishes_what_is_under_way(void **state)
{
    struct server *s = *state;
    start(s);
    int idle = dial(s);
    int busy = dial(s);
    say(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    AWAIT(atomic_load(&s->handled));
    assert_connections(s, 2);
    order(s, ORDER_DRAIN);
    assert_true(ends(idle));
    order(s, ORDER_ANSWER);
    assert_true(hear(busy, "connection: close\r\n\r\nheld"));
    assert_true(ends(busy));
    close(idle);
    close(busy);
    assert_connections(s, 0);
    stop(s);
}

static void two_workers_share_a_port(void **state)
{
    struct server *s = *state;
    start(s);
    uv_loop_t loop;
    struct net *second;
    struct net_config config = s->config;
    struct error e;
    config.port = s->port;
    config.after_turn = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(net_create(&second, &loop, &config, &e), 0);
    assert_int_equal(net_port(second), s->port);
    net_close(second, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    net_destroy(second);
    assert_int_equal(uv_loop_close(&loop), 0);
    stop(s);
}

static void an_address_that_cannot_be_had_is_an_error(void **state)
{
    struct server *s = *state;
    uv_loop_t loop;
    struct net *n;
    struct error e = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    s->config.host = "192.0.2.1";
    assert_int_equal(net_create(&n, &loop, &s->config, &e), TLY_EIO);
    assert_true(strlen(e.text) > 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        T(a_connection_serves_one_request_after_another),
        T(the_connection_ends_behind_its_last_answer),
        T(a_refusal_reaches_a_client_that_is_still_sending),
        T(a_client_that_closed_its_side_gets_all_its_answers),
        T(many_pipelined_requests_in_one_packet_are_all_answered),
        T(requests_beyond_what_is_taken_wait_for_their_turn),
        T(a_large_answer_arrives_whole),
        T(a_slow_sender_is_told_408_and_others_are_served),
        T(half_a_preface_is_closed_after_a_while),
        T(a_client_that_never_reads_is_bounded_and_closed),
        T(half_a_request_leaves_nothing_behind),
        T(a_client_that_leaves_before_its_answer_is_reported),
        T(an_answer_from_outside_the_turn_is_sent),
        T(a_thousand_idle_connections_are_kept_and_served),
        T(an_idle_connection_is_closed_after_its_limit),
        T(a_connection_beyond_the_limit_is_told_503),
        T(an_http2_connection_beyond_the_limit_is_told_goaway),
        T(an_idle_http2_connection_is_told_before_it_is_closed),
        T(an_old_connection_is_told_to_end),
        T(closing_says_goaway),
        T(draining_finishes_what_is_under_way),
        T(two_workers_share_a_port),
        T(an_address_that_cannot_be_had_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
