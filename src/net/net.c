/* net.c - the listener, the turn of the loop, and the life of a struct net.
 *
 * A turn: the poll reads sockets and feeds sessions; after it (uv_check), and after timers
 * (uv_prepare), run_turn() lets the owner hand on what was collected (after_turn) and flushes the
 * connections that have something to send. Failure: accept() without descriptors is libuv's to
 * refuse (it keeps one in reserve); beyond connections_max a connection is told so, and closed.
 */
#include "net/net.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/connection.h"

void net_count(struct net *n, enum metric_counter counter, uint64_t count)
{
    if (n->config.metrics)
        metrics_add(n->config.metrics, counter, 0, count);
}

void net_touch(struct net *n)
{
    if (!n->fresh) {
        n->host.now_ns = uv_hrtime();
        n->fresh = true;
    }
}

static void refresh_date(struct net *n)
{
    time_t now = time(NULL);
    if ((int64_t)now == n->date_s)
        return;
    struct tm tm;
    gmtime_r(&now, &tm);
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int len = snprintf(n->date_text, sizeof(n->date_text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                       days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000,
                       tm.tm_hour, tm.tm_min, tm.tm_sec);
    assert(len == 29);
    n->date = (struct str){n->date_text, (uint32_t)len};
    n->date_s = (int64_t)now;
}

static void want_write(void *connection)
{
    connection_dirty(connection);
}

bool net_flush(struct net *n)
{
    struct connection *list = n->dirty;
    bool fed = false;
    n->dirty = NULL;
    n->dirty_count = 0;
    /* Marked clean first: a flush may make others dirty, or close this one. */
    while (list) {
        struct connection *c = list;
        list = c->dirty_next;
        c->dirty = false;
        connection_flush(c);
        if (!c->closing && c->session && c->session->waiting &&
            c->session->ops->resume(c->session)) {
            connection_dirty(c);
            fed = true;
        }
        if (!c->closing && c->unfed)
            fed |= connection_feed_again(c);
    }
    return fed;
}

static void on_again(uv_idle_t *idle)
{
    (void)idle; /* that it runs is enough: the loop polls without waiting */
}

static void accept_waiting(struct net *n);

static void run_turn(struct net *n)
{
    net_touch(n);
    bool fed = false;
    for (int i = 0; i < RESUME_ROUNDS_MAX; i++) {
        if (n->config.after_turn)
            n->config.after_turn(n->config.context);
        if (n->host.line)
            session_line_run(&n->host);
        if (!n->dirty)
            break;
        fed = net_flush(n);
        if (!fed)
            break;
    }
    if (fed)
        uv_idle_start(&n->again, on_again);
    else
        uv_idle_stop(&n->again);
    n->accepted = 0;
    if (n->accept_waits)
        accept_waiting(n);
    n->fresh = false;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct net *n = prepare->data;
    run_turn(n);
}

static void on_check(uv_check_t *check)
{
    struct net *n = check->data;
    run_turn(n);
}

static void count_sessions(struct net *n)
{
    if (n->host.shed != n->shed)
        net_count(n, METRIC_REQUESTS_SHED, n->host.shed - n->shed);
    if (n->host.timed_out != n->timed_out)
        net_count(n, METRIC_REQUESTS_TIMED_OUT, n->host.timed_out - n->timed_out);
    n->shed = n->host.shed;
    n->timed_out = n->host.timed_out;
}

static void on_timer(uv_timer_t *timer)
{
    struct net *n = timer->data;
    net_touch(n);
    refresh_date(n);
    deadline_check(n);
    count_sessions(n);
}

/* libuv keeps the accepted socket, and accepts no other, until it is asked for. */
static void on_connection(uv_stream_t *listener, int status)
{
    struct net *n = listener->data;
    if (status < 0 || n->closing)
        return;
    net_touch(n);
    if (n->accepted >= ACCEPTS_MAX) {
        n->accept_waits = true;
        return;
    }
    n->accepted++;
    n->accept_waits = connection_accept(n) == TLY_ENO_MEMORY;
}

static void accept_waiting(struct net *n)
{
    n->accept_waits = false;
    if (n->listening)
        on_connection((uv_stream_t *)&n->listener, 0);
}

/* ---- creating ---- */

static int open_socket(const struct addrinfo *address, struct error *e)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(e, TLY_EIO, "listen", "cannot open a socket: %s", strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    int rv = error_set(e, TLY_EIO, "listen", "cannot bind: %s", strerror(errno));
    close(fd);
    return rv;
}

static int bind_socket(const struct net_config *config, struct error *e)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    snprintf(port, sizeof(port), "%u", config->port);
    int rv = getaddrinfo(config->host, port, &hints, &found);
    if (rv)
        return error_set(e, TLY_EINVALID_ARGUMENT, "listen", "cannot look up '%s': %s",
                         config->host ? config->host : "", gai_strerror(rv));
    int fd = open_socket(found, e);
    freeaddrinfo(found);
    return fd;
}

static int start_listener(struct net *n, struct error *e)
{
    int fd = bind_socket(&n->config, e);
    if (fd < 0)
        return fd;
    uv_tcp_init(n->loop, &n->listener);
    n->listener.data = n;
    n->handles_open++;
    n->listening = true;
    int rv = uv_tcp_open(&n->listener, fd);
    if (rv)
        close(fd);
    else
        rv = uv_listen((uv_stream_t *)&n->listener, n->config.backlog, on_connection);
    if (rv)
        return error_set(e, TLY_EIO, "listen", "cannot listen on %s:%u: %s", n->config.host,
                         n->config.port, uv_strerror(rv));
    struct sockaddr_storage name;
    int len = sizeof(name);
    if (uv_tcp_getsockname(&n->listener, (struct sockaddr *)&name, &len))
        return error_set(e, TLY_EIO, "listen", "cannot tell the port");
    n->port = ntohs(name.ss_family == AF_INET6
                        ? ((const struct sockaddr_in6 *)(const void *)&name)->sin6_port
                        : ((const struct sockaddr_in *)(const void *)&name)->sin_port);
    return 0;
}

static uint64_t timer_period_ms(const struct net_config *c)
{
    int64_t shortest = c->receive_timeout_ms;
    if (c->send_timeout_ms < shortest)
        shortest = c->send_timeout_ms;
    if (c->idle_timeout_ms < shortest)
        shortest = c->idle_timeout_ms;
    return shortest / 4 < 10 ? 10 : shortest / 4 > 250 ? 250 : (uint64_t)(shortest / 4);
}

static void start_handles(struct net *n)
{
    uv_timer_init(n->loop, &n->timer);
    uv_prepare_init(n->loop, &n->prepare);
    uv_check_init(n->loop, &n->check);
    uv_idle_init(n->loop, &n->again);
    n->timer.data = n->prepare.data = n->check.data = n->again.data = n;
    n->handles_open += 4;
    uv_timer_start(&n->timer, on_timer, timer_period_ms(&n->config), timer_period_ms(&n->config));
    uv_prepare_start(&n->prepare, on_prepare);
    uv_check_start(&n->check, on_check);
}

int net_create(struct net **out, uv_loop_t *loop, const struct net_config *config, struct error *e)
{
    if (config->limits.body_max > UINT32_MAX / 32)
        return error_set(e, TLY_EINVALID_ARGUMENT, "body_max", "must be below 128 MiB");
    struct net *n = calloc(1, sizeof(*n));
    if (!n)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    int rv = 0;
    n->config = *config;
    n->loop = loop;
    n->read_buffer = malloc(READ_BUFFER_BYTES);
    n->write_buffer = malloc(WRITE_BUFFER_BYTES);
    n->host = (struct session_host){.limits = &n->config.limits,
                                    .handler = &n->config.handler,
                                    .pool = wire_pool_create(),
                                    .want_write = want_write,
                                    .date = &n->date,
                                    .budget = config->budget,
                                    .receive_ns = (uint64_t)config->receive_timeout_ms * 1000000,
                                    .send_ns = (uint64_t)config->send_timeout_ms * 1000000};
    n->queues[CHECK_REST].limit_ns = (uint64_t)REST_MS * 1000000;
    n->queues[CHECK_IDLE].limit_ns = (uint64_t)config->idle_timeout_ms * 1000000;
    n->queues[CHECK_RECEIVE].limit_ns = (uint64_t)config->receive_timeout_ms * 1000000;
    n->queues[CHECK_SEND].limit_ns = (uint64_t)config->send_timeout_ms * 1000000;
    n->queues[CHECK_LINGER].limit_ns = (uint64_t)LINGER_MS * 1000000;
    n->queues[CHECK_DRAIN].limit_ns = (uint64_t)SESSION_DRAIN_NOTICE_MS * 1000000;
    n->queues[CHECK_AGE].limit_ns = (uint64_t)config->age_max_ms * 1000000;
    n->soonest_ns = UINT64_MAX / 4;
    for (int i = 0; i < CHECK_LISTS; i++)
        if (n->queues[i].limit_ns && n->queues[i].limit_ns < n->soonest_ns)
            n->soonest_ns = n->queues[i].limit_ns;
    if (!n->read_buffer || !n->write_buffer || !n->host.pool)
        rv = error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    n->host.now_ns = uv_hrtime();
    refresh_date(n);
    if (rv == 0)
        rv = start_listener(n, e);
    if (rv) {
        /* The handle has to pass through the loop before its memory goes. */
        if (n->listening) {
            uv_close((uv_handle_t *)&n->listener, NULL);
            uv_run(loop, UV_RUN_NOWAIT);
        }
        n->handles_open = 0;
        net_destroy(n);
        return rv;
    }
    start_handles(n);
    *out = n;
    return 0;
}

uint16_t net_port(const struct net *n)
{
    return n->port;
}

uint64_t net_now_ns(const struct net *n)
{
    return n->host.now_ns;
}

uint32_t net_connections(const struct net *n)
{
    return n->connections - n->over;
}

void net_retry_after(struct net *n, uint32_t seconds)
{
    n->config.limits.retry_after_s = seconds;
}

uint64_t net_refused(const struct net *n)
{
    return n->refused;
}

/* ---- ending ---- */

void net_handle_closed(struct net *n)
{
    assert(n->handles_open > 0);
    n->handles_open--;
    if (n->handles_open == 0 && n->closed)
        n->closed(n->closed_context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

static void close_listener(struct net *n)
{
    if (!n->listening)
        return;
    n->listening = false;
    n->accept_waits = false;
    uv_close((uv_handle_t *)&n->listener, on_handle_closed);
}

void net_drain(struct net *n)
{
    if (n->draining)
        return;
    net_touch(n);
    n->draining = true;
    close_listener(n);
    for (int i = 0; i < CHECK_LISTS; i++) {
        struct connection *next;
        for (struct connection *c = n->queues[i].first; c; c = next) {
            next = c->next;
            connection_drain(c);
        }
    }
}

void net_close(struct net *n, void (*closed)(void *context), void *context)
{
    assert(!n->closing);
    n->closing = true;
    n->closed = closed;
    n->closed_context = context;
    close_listener(n);
    for (; n->dirty; n->dirty = n->dirty->dirty_next)
        n->dirty->dirty = false;
    for (int i = 0; i < CHECK_LISTS; i++)
        while (n->queues[i].first) {
            struct connection *c = n->queues[i].first;
            connection_last_words(c);
            connection_close(c);
        }
    uv_close((uv_handle_t *)&n->timer, on_handle_closed);
    uv_close((uv_handle_t *)&n->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&n->check, on_handle_closed);
    uv_close((uv_handle_t *)&n->again, on_handle_closed);
}

void net_destroy(struct net *n)
{
    if (!n)
        return;
    assert(n->handles_open == 0 && n->connections == 0);
    wire_pool_destroy(n->host.pool);
    free(n->read_buffer);
    free(n->write_buffer);
    free(n);
}
