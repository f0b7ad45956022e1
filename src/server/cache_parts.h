/* cache_parts.h - the cache that the settings ask for. */
#ifndef TALLY_SERVER_CACHE_PARTS_H
#define TALLY_SERVER_CACHE_PARTS_H

#include "server/engine_thread.h"
#include "server/settings.h"

/* What `cache` names is understood. */
int server_check_cache(const struct settings *s, struct error *e) MUST_CHECK;
/* Sets t->cache and t->known_lots; leaves both NULL where there is to be none. */
int server_create_cache(const struct settings *s, uint64_t hash_seed, struct engine_thread *t,
                        struct error *e) MUST_CHECK;
/* After the workers are destroyed. */
void server_destroy_cache(struct engine_thread *t);

#endif
