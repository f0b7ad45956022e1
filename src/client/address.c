/* address.c - takes the name of a server apart. Pure; refuses what is none of the three forms. */
#include "client/address.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool split(const char *server, char host[ADDRESS_HOST_SIZE], char port[ADDRESS_PORT_SIZE])
{
    if (strncmp(server, "http://", 7) == 0)
        server += 7;
    size_t len = strlen(server);
    if (len > 0 && server[len - 1] == '/')
        len--;
    const char *colon = memrchr(server, ':', len);
    if (!colon)
        return false;
    size_t host_len = (size_t)(colon - server);
    size_t port_len = len - host_len - 1;
    if (host_len >= 2 && server[0] == '[' && colon[-1] == ']') {
        server++;
        host_len -= 2;
    } else if (memchr(server, ':', host_len)) {
        return false;
    }
    if (host_len == 0 || host_len >= ADDRESS_HOST_SIZE || port_len == 0 || port_len > 5 ||
        strspn(colon + 1, "0123456789") < port_len)
        return false;
    snprintf(host, ADDRESS_HOST_SIZE, "%.*s", (int)host_len, server);
    snprintf(port, ADDRESS_PORT_SIZE, "%.*s", (int)port_len, colon + 1);
    long number = strtol(port, NULL, 10); /* digits only */
    return number >= 1 && number <= 65535;
}

int address_split(const char *server, char host[ADDRESS_HOST_SIZE], char port[ADDRESS_PORT_SIZE],
                  struct error *e)
{
    if (split(server, host, port))
        return 0;
    return error_set(e, TLY_EINVALID_ARGUMENT, server,
                     "a server is named as HOST:PORT or [ADDRESS]:PORT");
}
