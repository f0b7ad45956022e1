/* lot_pages.h - all lots of a server, page by page. */
#ifndef TALLY_CLI_LOT_PAGES_H
#define TALLY_CLI_LOT_PAGES_H

#include <jansson.h>

#include "cli/client.h"

/* Called for each page: an array of lots. Anything but EXIT_DONE ends it. */
typedef int lot_page_fn(void *context, json_t *lots);

/* `filter` is a query without '?' ("sku=COLA"), or "". EXIT_DONE after the last page. */
int lot_pages(const struct client_options *o, const char *filter, lot_page_fn *fn, void *context);

#endif
