/* url.c - percent-encoding (RFC 3986): all but the unreserved characters. Pure; fails only for want
 * of room. */
#include "client/url.h"

#include <stdio.h>
#include <string.h>

bool url_append(char *url, size_t size, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t len = strlen(url);
    for (; *text; text++) {
        if (len + 4 > size)
            return false;
        if (strchr(plain, *text))
            url[len++] = *text;
        else
            len += (size_t)snprintf(url + len, size - len, "%%%02X", (unsigned char)*text);
    }
    url[len] = '\0';
    return true;
}
