/* url.h - text as a part of a URL. */
#ifndef TALLY_CLIENT_URL_H
#define TALLY_CLIENT_URL_H

#include <stdbool.h>
#include <stddef.h>

/* Appends `text`, percent-encoded for one segment of a path or one value of a query. False if it
 * does not fit. */
bool url_append(char *url, size_t size, const char *text);

#endif
