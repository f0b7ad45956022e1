/* fixture_echo.c - see fixture_echo.h. */
#include "fixture_echo.h"

#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { HEAD = 12, GOAWAY = 0xFFFFFFF0u, READ_SIZE = 64 << 10 };

/* ---- the protocol ---- */

struct protocol_session {
    const struct protocol_target *target;
    protocol_answered_fn *answered;
    void *owner;
    struct call **calls; /* by slot */
    uint32_t *queue;     /* slots whose calls are to be sent */
    uint32_t queued, sent, used;
    size_t at; /* in the first of those */
    uint8_t partial[4];
    size_t partial_size;
    bool goaway;
};

static int echo_open(struct protocol_session **out, const struct protocol_target *target,
                     protocol_answered_fn *answered, void *owner)
{
    struct protocol_session *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->target = target;
    s->answered = answered;
    s->owner = owner;
    s->calls = calloc(target->streams, sizeof(struct call *));
    s->queue = calloc(target->streams, sizeof *s->queue);
    assert_true(s->calls && s->queue);
    *out = s;
    return 0;
}

static void echo_close(struct protocol_session *s)
{
    if (!s)
        return;
    free(s->calls);
    free(s->queue);
    free(s);
}

static uint32_t echo_room(const struct protocol_session *s)
{
    return s->goaway ? 0 : s->target->streams - s->used;
}

static int echo_submit(struct protocol_session *s, struct call *call)
{
    if (s->goaway)
        return TLY_ECLOSED;
    if (s->used == s->target->streams)
        return TLY_EFULL;
    uint32_t slot = 0;
    while (s->calls[slot])
        slot++;
    s->calls[slot] = call;
    s->used++;
    s->queue[s->queued++] = slot;
    return 0;
}

static ssize_t echo_output(struct protocol_session *s, uint8_t *out, size_t size)
{
    size_t n = 0;
    while (n < size && s->sent < s->queued) {
        uint32_t slot = s->queue[s->sent];
        const struct call *call = s->calls[slot];
        uint32_t words[3] = {slot + 1, call->quantity, call->connection};
        uint8_t head[HEAD];
        memcpy(head, words, HEAD);
        size_t whole = HEAD + call->quantity;
        for (; n < size && s->at < HEAD; s->at++)
            out[n++] = head[s->at];
        size_t padding = whole - s->at < size - n ? whole - s->at : size - n;
        memset(out + n, 0, padding);
        n += padding;
        s->at += padding;
        if (s->at < whole)
            return (ssize_t)n;
        s->at = 0;
        s->sent++;
    }
    if (s->sent == s->queued)
        s->sent = s->queued = 0;
    return (ssize_t)n;
}

static int echo_answer(struct protocol_session *s, uint32_t number)
{
    if (number == GOAWAY) {
        s->goaway = true;
        return 0;
    }
    if (number == 0 || number > s->target->streams || !s->calls[number - 1])
        return TLY_ECORRUPT;
    struct call *call = s->calls[number - 1];
    s->calls[number - 1] = NULL;
    s->used--;
    struct answer a = {.code = ANSWER_OK};
    s->answered(s->owner, call, &a);
    return 0;
}

static int echo_input(struct protocol_session *s, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        s->partial[s->partial_size++] = bytes[i];
        if (s->partial_size < sizeof s->partial)
            continue;
        s->partial_size = 0;
        uint32_t number;
        memcpy(&number, s->partial, sizeof number);
        if (echo_answer(s, number))
            return TLY_ECORRUPT;
    }
    return 0;
}

static void echo_fail(struct protocol_session *s, enum answer_code code)
{
    struct answer a = {.code = code};
    for (uint32_t i = 0; i < s->target->streams; i++) {
        struct call *call = s->calls[i];
        s->calls[i] = NULL;
        if (call)
            s->answered(s->owner, call, &a);
    }
    s->used = 0;
}

static struct protocol_counts echo_counts(const struct protocol_session *s)
{
    return (struct protocol_counts){.goaway = s->goaway};
}

const struct protocol protocol_echo = {
    .name = "echo",
    .open = echo_open,
    .close = echo_close,
    .submit = echo_submit,
    .output = echo_output,
    .input = echo_input,
    .fail = echo_fail,
    .room = echo_room,
    .counts = echo_counts,
};

/* ---- the peer ---- */

struct peer_connection {
    int fd; /* -1: closed */
    uint32_t number;
    uint8_t head[HEAD];
    size_t head_size;
    uint32_t padding; /* that is still to come */
    uint32_t *held;
    size_t held_count, held_capacity;
    int64_t of; /* connection of the calls that came; -1: none yet */
    uint32_t calls;
};

static void close_connection(struct peer_connection *c)
{
    close(c->fd);
    c->fd = -1;
}

static void note_source(struct peer *p, const struct sockaddr_storage *from)
{
    if (from->ss_family != AF_INET)
        return;
    uint32_t address = ntohl(((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr);
    for (int i = 0; i < PEER_SOURCES_MAX; i++) {
        if (atomic_load(&p->sources[i]) == 0)
            atomic_store(&p->sources[i], address);
        if (atomic_load(&p->sources[i]) == address)
            return;
    }
}

static void accept_one(struct peer *p)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd = accept4(p->listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    uint32_t number = atomic_load(&p->accepted);
    assert_true(number < PEER_CONNECTIONS_MAX);
    struct peer_connection *c = &p->connections[number];
    *c = (struct peer_connection){.fd = fd, .number = number, .of = -1};
    note_source(p, &from);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = number};
    assert_int_equal(epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e), 0);
    atomic_store(&p->accepted, number + 1);
}

static void answer(struct peer *p, struct peer_connection *c, uint32_t number)
{
    if (atomic_exchange(&p->babble, false))
        number = 0;
    /* Small enough for the socket's buffer, however many are out. */
    if (send(c->fd, &number, sizeof number, MSG_NOSIGNAL) != sizeof number)
        close_connection(c);
}

static void answer_held(struct peer *p, struct peer_connection *c)
{
    for (size_t i = 0; i < c->held_count && c->fd >= 0; i++)
        answer(p, c, c->held[i]);
    c->held_count = 0;
    if (c->fd >= 0 && atomic_load(&p->close_when_answered))
        close_connection(c);
}

static void hold(struct peer_connection *c, uint32_t number)
{
    if (c->held_count == c->held_capacity) {
        c->held_capacity = c->held_capacity ? 2 * c->held_capacity : 16;
        c->held = realloc(c->held, c->held_capacity * sizeof *c->held);
        assert_non_null(c->held);
    }
    c->held[c->held_count++] = number;
}

static bool held_back(struct peer *p, const struct peer_connection *c)
{
    return atomic_load(&p->mode) != PEER_ECHO ||
           (c->of >= 0 && c->of == atomic_load(&p->hold_connection));
}

static void on_call(struct peer *p, struct peer_connection *c)
{
    uint32_t words[3];
    memcpy(words, c->head, HEAD);
    if (c->of >= 0 && c->of != words[2])
        atomic_fetch_add(&p->wrong_connection, 1);
    c->of = words[2];
    c->calls++;
    atomic_fetch_add(&p->served[c->number], 1);
    atomic_fetch_add(&p->calls, 1);
    if (c->calls == atomic_load(&p->close_after)) {
        close_connection(c);
        return;
    }
    if (c->calls == atomic_load(&p->goaway_after))
        answer(p, c, GOAWAY);
    if (!held_back(p, c))
        answer(p, c, words[0]);
    else if (atomic_load(&p->mode) != PEER_FORGET)
        hold(c, words[0]);
}

static void on_bytes(struct peer *p, struct peer_connection *c, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size && c->fd >= 0;) {
        if (c->head_size < HEAD) {
            c->head[c->head_size++] = bytes[i++];
            if (c->head_size < HEAD)
                continue;
            memcpy(&c->padding, c->head + 4, sizeof c->padding);
        }
        uint32_t n = c->padding < size - i ? c->padding : (uint32_t)(size - i);
        c->padding -= n;
        i += n;
        if (c->padding == 0) {
            c->head_size = 0;
            on_call(p, c);
        }
    }
}

static void read_one(struct peer *p, struct peer_connection *c)
{
    static uint8_t bytes[READ_SIZE];
    if (atomic_load(&p->mode) == PEER_DEAF || c->fd < 0)
        return;
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n > 0)
        on_bytes(p, c, bytes, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        close_connection(c);
}

static void *peer_run(void *arg)
{
    struct peer *p = arg;
    struct epoll_event events[256];
    while (!atomic_load(&p->stop)) {
        int n = epoll_wait(p->epoll_fd, events, 256, 2);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u32 == UINT32_MAX)
                accept_one(p);
            else
                read_one(p, &p->connections[events[i].data.u32]);
        }
        uint32_t accepted = atomic_load(&p->accepted);
        for (uint32_t i = 0; n < 256 && i < accepted; i++) {
            struct peer_connection *c = &p->connections[i];
            if (c->fd >= 0 && c->held_count && !held_back(p, c))
                answer_held(p, c);
        }
        if (atomic_load(&p->mode) == PEER_DEAF)
            usleep(1000);
    }
    return NULL;
}

/* Bound only: the port is taken, and connects to it are refused. */
static void bind_listener(struct peer *p)
{
    p->listener = socket(p->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(p->listener >= 0);
    int one = 1;
    assert_int_equal(setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    assert_int_equal(setsockopt(p->listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&p->address, p->address_size), 0);
}

static void listen_on(struct peer *p)
{
    assert_int_equal(listen(p->listener, 4096), 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    assert_int_equal(epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->listener, &e), 0);
}

static void loopback(struct peer *p, int family)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    if (family == AF_INET)
        memcpy(&p->address, &in, sizeof in);
    else
        memcpy(&p->address, &in6, sizeof in6);
    p->address_size = family == AF_INET ? sizeof in : sizeof in6;
}

bool peer_listen(struct peer *p, int family)
{
    *p = (struct peer){.listener = -1};
    loopback(p, family);
    int fd = socket(family, SOCK_STREAM, 0);
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&p->address, p->address_size) == 0;
    if (fd >= 0)
        close(fd);
    if (!there)
        return false;
    atomic_store(&p->hold_connection, -1);
    p->epoll_fd = epoll_create1(0);
    p->connections = calloc(PEER_CONNECTIONS_MAX, sizeof *p->connections);
    assert_true(p->epoll_fd >= 0 && p->connections);
    bind_listener(p);
    listen_on(p);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&p->address, &p->address_size), 0);
    return true;
}

void peer_refuse(struct peer *p)
{
    int listener = p->listener;
    bind_listener(p);
    close(listener);
}

void peer_listen_again(struct peer *p)
{
    listen_on(p);
}

void peer_start(struct peer *p)
{
    assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

void peer_stop(struct peer *p)
{
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    for (uint32_t i = 0; i < atomic_load(&p->accepted); i++) {
        if (p->connections[i].fd >= 0)
            close(p->connections[i].fd);
        free(p->connections[i].held);
    }
    if (p->listener >= 0)
        close(p->listener);
    close(p->epoll_fd);
    free(p->connections);
}
