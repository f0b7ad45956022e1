/* redis_scripts.h - what Redis does for the cache, in Lua; see redis_scripts.c. */
#ifndef TALLY_CACHE_REDIS_SCRIPTS_H
#define TALLY_CACHE_REDIS_SCRIPTS_H

#include "redis/redis.h"

enum { SCRIPT_LOOK, SCRIPT_FILL, SCRIPT_GIVE_UP, SCRIPT_DELETE, SCRIPT_COUNT };

/* The first item of what SCRIPT_LOOK answers. */
enum {
    LOOK_FOUND = 1, /* line, read_ms */
    LOOK_LEASE = 2, /* nothing; least version. With a lease of 0 ms none was given */
    LOOK_WAIT = 3,  /* least version; and what is old but there, or nil: line, read_ms */
};

/* What SCRIPT_FILL answers. */
enum { FILL_KEPT = 1, FILL_IGNORED = 0 };

extern const struct redis_script cache_redis_scripts[SCRIPT_COUNT];

#endif
