/* feed_memory.h - the feed whose documents were put in by this process: for tests, and for who
 * embeds the server. Any thread may put; what was not finished is gone with the process.
 */
#ifndef TALLY_BUS_FEED_MEMORY_H
#define TALLY_BUS_FEED_MEMORY_H

#include "bus/feed.h"

int feed_memory_create(struct feed **out, struct error *e) MUST_CHECK;
/* Copies. The same `id` is the same document. 0 or TLY_ENO_MEMORY. */
int feed_memory_put(struct feed *f, const char *id, bool json_lines, struct str text) MUST_CHECK;
/* What was rejected so far, a "line column: reason | message" on each line; until the next call. */
const char *feed_memory_rejects(struct feed *f);
uint32_t feed_memory_finished(struct feed *f); /* documents */
uint32_t feed_memory_useless(struct feed *f);  /* those of them of which nothing was applied */

#endif
