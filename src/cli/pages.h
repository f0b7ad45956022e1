/* pages.h - a list that the server answers a page at a time, as one. */
#ifndef TALLY_CLI_PAGES_H
#define TALLY_CLI_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/client.h"

/* "&name=value" behind the path's query; nothing if value is NULL. False: there is no room. */
bool path_add(char *path, size_t size, const char *name, const char *value);
/* All pages of `path`, which has a query: the arrays `member` as one, printed as JSON or through
 * `print`. An exit code. */
int pages_show(const struct client_options *o, const char *path, const char *member,
               int (*print)(const json_t *list));

#endif
