/* port.c - tries to bind an address, and lets it go at once.
 *
 * Failure: the host is not known (TLY_EIO), somebody listens there already (TLY_EBUSY), or the
 * address is not this machine's or needs a right that the process lacks (TLY_EIO).
 */
#include "server/port.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int try_address(const struct addrinfo *a)
{
    const int yes = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    /* Connections of an earlier life that linger in TIME_WAIT do not count; listeners do. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    int number = bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0 ? 0 : errno;
    close(fd);
    return number;
}

int port_try(const char *host, uint16_t port, struct error *e)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char service[8];
    if (port == 0)
        return 0;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    int code = getaddrinfo(host, service, &hints, &list);
    if (code)
        return error_set(e, TLY_EIO, "listen", "cannot listen on %.100s:%u: %s", host,
                         (unsigned)port, gai_strerror(code));
    int number = try_address(list);
    freeaddrinfo(list);
    if (number)
        return error_set(e, number == EADDRINUSE ? TLY_EBUSY : TLY_EIO, "listen",
                         "cannot listen on %.100s:%u: %s", host, (unsigned)port, strerror(number));
    return 0;
}
