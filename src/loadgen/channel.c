/* channel.c - the socket of a channel.
 *
 * Happy path: connect; the session's bytes are gathered in the worker's buffer and leave with one
 * send(). If the socket takes only a part, the rest is kept in a buffer of its own until the socket
 * can be written again; so an idle channel owns no buffer. Failures are told as an errno.
 */
#include "loadgen/channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* A connection that is not answered at all is given up after 1 + 2 + 4 + 8 s. */
enum { SYN_RETRIES = 3 };

static int prepare(int fd, int family, uint32_t source)
{
    int one = 1, retries = SYN_RETRIES;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
        setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries))
        return errno;
    if (!source || family != AF_INET)
        return 0;
    /* The port is chosen by connect(): it need only be free towards this server. */
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) ||
        bind(fd, (const struct sockaddr *)&from, sizeof from))
        return errno;
    return 0;
}

int channel_connect(struct channel *c, const struct sockaddr_storage *address, socklen_t size,
                    uint32_t source)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int rc = prepare(fd, address->ss_family, source);
    if (!rc && connect(fd, (const struct sockaddr *)address, size) && errno != EINPROGRESS)
        rc = errno;
    if (rc) {
        close(fd);
        return rc;
    }
    c->fd = fd;
    return 0;
}

int channel_connected(struct channel *c)
{
    int rc = 0;
    socklen_t size = sizeof rc;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &rc, &size))
        return errno;
    return rc;
}

/* 0 or an errno; *n becomes what the socket took. */
static int send_some(int fd, const uint8_t *bytes, size_t *n)
{
    size_t sent = 0;
    int rc = 0;
    while (sent < *n) {
        ssize_t took = send(fd, bytes + sent, *n - sent, MSG_NOSIGNAL);
        if (took >= 0) {
            sent += (size_t)took;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            rc = errno;
            break;
        }
    }
    *n = sent;
    return rc;
}

static int send_leftover(struct channel *c, uint64_t *sent)
{
    size_t n = c->leftover_size - c->leftover_sent;
    int rc = send_some(c->fd, c->leftover + c->leftover_sent, &n);
    *sent += n;
    c->leftover_sent += (uint32_t)n;
    if (c->leftover_sent == c->leftover_size) {
        free(c->leftover);
        c->leftover = NULL;
    }
    return rc;
}

static int keep_leftover(struct channel *c, const uint8_t *bytes, size_t size)
{
    c->leftover = malloc(size);
    if (!c->leftover)
        return ENOMEM;
    memcpy(c->leftover, bytes, size);
    c->leftover_size = (uint32_t)size;
    c->leftover_sent = 0;
    return 0;
}

int channel_send(struct channel *c, const struct protocol *p, struct channel_buffer out,
                 uint64_t *sent)
{
    int rc = c->leftover ? send_leftover(c, sent) : 0;
    while (!rc && !c->leftover) {
        size_t filled = 0;
        ssize_t more = 0;
        while (filled < out.size &&
               (more = p->output(c->session, out.bytes + filled, out.size - filled)) > 0)
            filled += (size_t)more;
        if (more < 0)
            return EPROTO;
        if (!filled)
            break;
        size_t took = filled;
        rc = send_some(c->fd, out.bytes, &took);
        *sent += took;
        if (!rc && took < filled)
            rc = keep_leftover(c, out.bytes + took, filled - took);
        if (filled < out.size)
            break;
    }
    return rc;
}

void channel_close(struct channel *c, const struct protocol *p)
{
    if (c->session)
        p->close(c->session);
    c->session = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->leftover);
    c->leftover = NULL;
}
