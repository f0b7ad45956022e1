/* http_client.c - one non-blocking socket under poll(), an output and an input buffer.
 *
 * Failures: nobody there (before anything was sent), the connection ends or stalls (after), an
 * answer that is no HTTP or does not end within HTTP_ANSWER_BYTES_MAX.
 */
#include "client/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/address.h"

enum { HTTP_ANSWER_BYTES_MAX = 64 << 20, READ_BYTES = 64 << 10 };

struct buffer {
    char *data;
    size_t start, end, capacity;
};

struct http_client {
    int fd;
    int64_t timeout_ms;
    char host[ADDRESS_HOST_SIZE + ADDRESS_PORT_SIZE + 2]; /* for the Host header */
    struct buffer out, in;
    size_t answer_size; /* bytes of the answer that was handed out last */
    bool ended;         /* the server sends nothing more */
};

static int reserve(struct buffer *b, size_t room)
{
    if (b->start > 0) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (b->capacity - b->end >= room)
        return 0;
    size_t capacity = b->capacity ? b->capacity : 4096;
    while (capacity - b->end < room)
        capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data)
        return TLY_ENO_MEMORY;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

static int wait_for(int fd, short events, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int ready;
    do {
        ready = poll(&p, 1, (int)timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 ? p.revents : 0;
}

static int connect_to(const struct addrinfo *a, int64_t timeout_ms)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return -1;
    int problem = 0;
    socklen_t size = sizeof(problem);
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        problem = errno;
        if (problem == EINPROGRESS) {
            problem = ETIMEDOUT;
            if (wait_for(fd, POLLOUT, timeout_ms))
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
        }
    }
    if (problem) {
        close(fd);
        errno = problem;
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int connect_any(struct http_client *c, const char *server, const char *host,
                       const char *port, struct error *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return error_set(e, TLY_EUNAVAILABLE, server, "the host is not known: %s",
                         gai_strerror(failed));
    for (struct addrinfo *a = found; a && c->fd < 0; a = a->ai_next)
        c->fd = connect_to(a, c->timeout_ms);
    int problem = errno;
    freeaddrinfo(found);
    if (c->fd < 0)
        return error_set(e, TLY_EUNAVAILABLE, server, "no server answers there: %s",
                         strerror(problem));
    return 0;
}

int http_client_open(struct http_client **out, const char *server, int64_t timeout_ms,
                     struct error *e)
{
    char host[ADDRESS_HOST_SIZE], port[ADDRESS_PORT_SIZE];
    int code = address_split(server, host, port, e);
    if (code)
        return code;
    struct http_client *c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    c->fd = -1;
    c->timeout_ms = timeout_ms;
    snprintf(c->host, sizeof(c->host), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    code = connect_any(c, server, host, port, e);
    if (code) {
        http_client_close(c);
        return code;
    }
    *out = c;
    return 0;
}

void http_client_close(struct http_client *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    free(c->out.data);
    free(c->in.data);
    free(c);
}

static int read_some(struct http_client *c, struct error *e)
{
    if (reserve(&c->in, READ_BYTES))
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    ssize_t n = read(c->fd, c->in.data + c->in.end, c->in.capacity - c->in.end);
    if (n > 0)
        c->in.end += (size_t)n;
    else if (n == 0)
        c->ended = true;
    else if (errno != EAGAIN && errno != EINTR)
        return error_set(e, TLY_ECLOSED, "", "the connection was lost: %s", strerror(errno));
    return 0;
}

static int write_some(struct http_client *c, struct error *e)
{
    while (c->out.start < c->out.end) {
        ssize_t n =
            send(c->fd, c->out.data + c->out.start, c->out.end - c->out.start, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n < 0)
            return error_set(e, TLY_ECLOSED, "", "the connection was lost: %s", strerror(errno));
        c->out.start += (size_t)n;
    }
    return 0;
}

/* Waits for progress in either direction and makes it. */
static int pump(struct http_client *c, struct error *e)
{
    if (c->ended)
        return error_set(e, TLY_ECLOSED, "", "the server closed the connection");
    bool writing = c->out.start < c->out.end;
    int ready = wait_for(c->fd, (short)(POLLIN | (writing ? POLLOUT : 0)), c->timeout_ms);
    if (!ready)
        return error_set(e, TLY_EREQUEST_TIMEOUT, "", "no answer within %lld ms",
                         (long long)c->timeout_ms);
    if (ready & POLLOUT) {
        int code = write_some(c, e);
        if (code)
            return code;
    }
    return ready & (POLLIN | POLLHUP | POLLERR) ? read_some(c, e) : 0;
}

static void drop_last_answer(struct http_client *c)
{
    c->in.start += c->answer_size;
    c->answer_size = 0;
}

int http_client_send(struct http_client *c, const char *method, const char *path, struct str body,
                     struct error *e)
{
    enum { HEADERS_MAX = 512 };
    size_t room = HEADERS_MAX + strlen(path) + body.len;
    if (reserve(&c->out, room))
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    char *p = c->out.data + c->out.end;
    int n = snprintf(p, room, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tally/%s\r\n", method,
                     path, c->host, TALLY_VERSION);
    size_t len = (size_t)n;
    if (strcmp(method, "GET") != 0)
        len +=
            (size_t)snprintf(p + len, room - len,
                             "Content-Type: application/json\r\nContent-Length: %u\r\n", body.len);
    len += (size_t)snprintf(p + len, room - len, "\r\n");
    if (body.len)
        memcpy(p + len, body.p, body.len);
    c->out.end += len + body.len;

    drop_last_answer(c);
    int code = write_some(c, e);
    while (!code && c->out.end - c->out.start > READ_BYTES)
        code = pump(c, e);
    return code;
}

int http_client_receive(struct http_client *c, struct http_answer *out, struct error *e)
{
    drop_last_answer(c);
    for (;;) {
        char *data = c->in.data + c->in.start;
        size_t size = c->in.end - c->in.start;
        enum http_answer_result result = HTTP_ANSWER_MORE;
        if (size > 0)
            result = http_answer_parse(data, size, out, &c->answer_size);
        if (result == HTTP_ANSWER_COMPLETE)
            return 0;
        if (result == HTTP_ANSWER_BROKEN || size > HTTP_ANSWER_BYTES_MAX)
            return error_set(e, TLY_ECORRUPT, "", "the answer is not what a tally server sends");
        int code = pump(c, e);
        if (code)
            return code;
    }
}
