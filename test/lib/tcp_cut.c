/* tcp_cut.c - see tcp_cut.h. One thread, poll. */
#include "fixture.h"

#include "tcp_cut.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 32, CHUNK = 65536, LOOK_MS = 5 };

struct pair {
    int client, server; /* -1: not in use */
    bool muted;         /* what the server says is thrown away */
};

struct tcp_cut {
    pthread_t thread;
    pthread_mutex_t lock; /* mode, word, closed */
    enum tcp_cut_mode mode;
    char word[64];
    bool closed; /* nobody gets through */
    _Atomic int count;
    _Atomic bool now;
    _Atomic bool stopping;
    int listener;
    struct sockaddr_in to;
    uint16_t port;
    struct pair pairs[PAIRS_MAX];
};

static void drop(struct pair *p)
{
    close(p->client);
    close(p->server);
    p->client = p->server = -1;
}

static void take_client(struct tcp_cut *c)
{
    int client = accept(c->listener, NULL, NULL);
    pthread_mutex_lock(&c->lock);
    bool closed = c->closed;
    pthread_mutex_unlock(&c->lock);
    for (struct pair *p = c->pairs; client >= 0 && !closed && p < c->pairs + PAIRS_MAX; p++) {
        if (p->client >= 0)
            continue;
        int server = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(server, (struct sockaddr *)&c->to, sizeof c->to) == 0) {
            *p = (struct pair){client, server, false};
            return;
        }
        close(server);
        break;
    }
    if (client >= 0)
        close(client);
}

static bool write_all(int fd, const char *p, size_t size)
{
    while (size) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* From the client; true if the connection is to be cut. */
static bool meets_word(struct tcp_cut *c, struct pair *pair, const char *p, size_t size,
                       bool *forward)
{
    pthread_mutex_lock(&c->lock);
    bool cut = c->mode != TCP_CUT_NEVER && !c->closed && memmem(p, size, c->word, strlen(c->word));
    *forward = !cut || c->mode != TCP_CUT_BEFORE;
    if (cut && c->mode == TCP_CUT_MUTE) {
        pair->muted = true;
        cut = false;
    }
    if (cut)
        c->closed = true;
    pthread_mutex_unlock(&c->lock);
    return cut;
}

static void move(struct tcp_cut *c, struct pair *p, bool from_client)
{
    static __thread char chunk[CHUNK];
    int from = from_client ? p->client : p->server, to = from_client ? p->server : p->client;
    bool forward = true, cut = false;
    ssize_t n = recv(from, chunk, sizeof chunk, 0);
    if (n <= 0) {
        drop(p);
        return;
    }
    if (from_client)
        cut = meets_word(c, p, chunk, (size_t)n, &forward);
    else
        forward = !p->muted;
    bool sent = !forward || write_all(to, chunk, (size_t)n);
    if (sent && !cut)
        return;
    shutdown(p->server, SHUT_WR); /* what was sent to it arrives */
    drop(p);
    for (struct pair *q = c->pairs; cut && q < c->pairs + PAIRS_MAX; q++)
        if (q->client >= 0)
            drop(q);
    atomic_fetch_add(&c->count, cut);
}

static void drop_all_if_told(struct tcp_cut *c)
{
    if (!atomic_exchange(&c->now, false))
        return;
    for (struct pair *p = c->pairs; p < c->pairs + PAIRS_MAX; p++)
        if (p->client >= 0)
            drop(p);
    atomic_fetch_add(&c->count, 1);
}

static void *run(void *context)
{
    struct tcp_cut *c = context;
    while (!atomic_load(&c->stopping)) {
        struct pollfd fds[1 + 2 * PAIRS_MAX];
        fds[0] = (struct pollfd){.fd = c->listener, .events = POLLIN};
        for (int i = 0; i < PAIRS_MAX; i++) {
            fds[1 + 2 * i] = (struct pollfd){.fd = c->pairs[i].client, .events = POLLIN};
            fds[2 + 2 * i] = (struct pollfd){.fd = c->pairs[i].server, .events = POLLIN};
        }
        int ready = poll(fds, 1 + 2 * PAIRS_MAX, LOOK_MS);
        drop_all_if_told(c);
        if (ready <= 0)
            continue;
        if (fds[0].revents)
            take_client(c);
        for (int i = 0; i < 2 * PAIRS_MAX; i++) {
            struct pair *p = &c->pairs[i / 2];
            bool same = fds[1 + i].fd == (i % 2 ? p->server : p->client);
            if (fds[1 + i].revents && p->client >= 0 && same)
                move(c, p, i % 2 == 0);
        }
    }
    return NULL;
}

struct tcp_cut *tcp_cut_start(const char *host, uint16_t port)
{
    struct tcp_cut *c = calloc(1, sizeof *c);
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t size = sizeof here;
    assert_non_null(c);
    for (int i = 0; i < PAIRS_MAX; i++)
        c->pairs[i] = (struct pair){-1, -1, false};
    pthread_mutex_init(&c->lock, NULL);
    c->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, host, &c->to.sin_addr), 1);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(c->listener, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(listen(c->listener, 16), 0);
    assert_int_equal(getsockname(c->listener, (struct sockaddr *)&here, &size), 0);
    c->port = ntohs(here.sin_port);
    assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
    return c;
}

uint16_t tcp_cut_port(const struct tcp_cut *c)
{
    return c->port;
}

void tcp_cut_set(struct tcp_cut *c, enum tcp_cut_mode mode, const char *word)
{
    pthread_mutex_lock(&c->lock);
    c->mode = mode;
    c->closed = false;
    strncpy(c->word, word, sizeof c->word - 1);
    pthread_mutex_unlock(&c->lock);
}

void tcp_cut_now(struct tcp_cut *c)
{
    int before = atomic_load(&c->count);
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_mutex_unlock(&c->lock);
    atomic_store(&c->now, true);
    AWAIT(atomic_load(&c->count) > before);
}

int tcp_cut_count(struct tcp_cut *c)
{
    return atomic_load(&c->count);
}

void tcp_cut_stop(struct tcp_cut *c)
{
    if (!c)
        return;
    atomic_store(&c->stopping, true);
    pthread_join(c->thread, NULL);
    for (struct pair *p = c->pairs; p < c->pairs + PAIRS_MAX; p++)
        if (p->client >= 0)
            drop(p);
    close(c->listener);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
