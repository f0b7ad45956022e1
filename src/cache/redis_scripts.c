/* redis_scripts.c - the scripts of the cache: the rules of shelf.c, for one lot in Redis.
 *
 * Fields: v, d, r, u the value's version, line ("" if there is no such lot), when it was read,
 * until when it counts; s if it is stale; x, xu a tombstone's version and until when; l, lu a
 * lease's owner and until when; p if what that lease brings may be older than a delete. The key
 * expires with the last of them.
 */
#include "cache/redis_scripts.h"

/* The time, and a field's number if it is there. */
#define PRELUDE                                                                                    \
    "local t = redis.call('TIME')\n"                                                               \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                                          \
    "local key = KEYS[1]\n"                                                                        \
    "local function text(n) return string.format('%.0f', n) end\n"                                 \
    "local h = redis.call('HMGET', key, 'v', 'd', 'r', 'u', 's', 'x', 'xu', 'l', 'lu', 'p')\n"     \
    "local function till(i) return tonumber(h[i] or '0') end\n"                                    \
    "local has = till(4) > now\n"                                                                  \
    "local least = till(7) > now and tonumber(h[6]) or 0\n"                                        \
    "local leased = till(9) > now\n"                                                               \
    "local function expire(...)\n"                                                                 \
    "  local last = 0\n"                                                                           \
    "  for _, at in ipairs({...}) do if at > last then last = at end end\n"                        \
    "  if last > now then redis.call('PEXPIRE', key, text(last - now)) end\n"                      \
    "end\n"

/* token, lease_ms */
static const char look[] =
    PRELUDE "if has and not h[5] then return {1, h[2], h[3]} end\n"
            "if leased then\n"
            "  if has then return {3, text(least), h[2], h[3]} end\n"
            "  return {3, text(least)}\n"
            "end\n"
            "local lease = tonumber(ARGV[2])\n"
            "if lease > 0 then\n"
            "  redis.call('HSET', key, 'l', ARGV[1], 'lu', text(now + lease))\n"
            "  redis.call('HDEL', key, 'p')\n"
            "  expire(till(4), till(7), now + lease)\n"
            "end\n"
            "return {2, text(least)}\n";

/* token, version, line, read_ms, keep_ms */
static const char fill[] =
    PRELUDE "local version = tonumber(ARGV[2])\n"
            "if not leased or h[8] ~= ARGV[1] then return 0 end\n"
            "redis.call('HDEL', key, 'l', 'lu', 'p')\n"
            "if version < least or h[10] or (has and version < tonumber(h[1])) then\n"
            "  expire(till(4), till(7))\n"
            "  return 0\n"
            "end\n"
            "local last = now + tonumber(ARGV[5])\n"
            "redis.call('HSET', key, 'v', ARGV[2], 'd', ARGV[3], 'r', ARGV[4], 'u', text(last))\n"
            "redis.call('HDEL', key, 's')\n"
            "expire(last, till(7))\n"
            "return 1\n";

/* token */
static const char give_up[] =
    PRELUDE "if h[8] == ARGV[1] then redis.call('HDEL', key, 'l', 'lu', 'p') end\n"
            "return 1\n";

/* version, tombstone_ms, stale_ms */
static const char delete[] =
    PRELUDE "local version = tonumber(ARGV[1])\n"
            "if version == 0 then\n"
            "  redis.call('HDEL', key, 'v', 'd', 'r', 'u', 's')\n"
            "  if leased then redis.call('HSET', key, 'p', '1') end\n"
            "  return 1\n"
            "end\n"
            "local tomb = now + tonumber(ARGV[2])\n"
            "if version < least then version = least end\n"
            "redis.call('HSET', key, 'x', text(version), 'xu', text(tomb))\n"
            "if has and not h[5] and tonumber(h[1]) < version then\n"
            "  local last = math.min(till(4), now + tonumber(ARGV[3]))\n"
            "  redis.call('HSET', key, 's', '1', 'u', text(last))\n"
            "end\n"
            "expire(till(4), tomb, till(9))\n"
            "return 1\n";

#define SCRIPT(name)                                                                               \
    {                                                                                              \
        {                                                                                          \
            (name), sizeof(name) - 1                                                               \
        }                                                                                          \
    }

const struct redis_script cache_redis_scripts[SCRIPT_COUNT] = {
    [SCRIPT_LOOK] = SCRIPT(look),
    [SCRIPT_FILL] = SCRIPT(fill),
    [SCRIPT_GIVE_UP] = SCRIPT(give_up),
    [SCRIPT_DELETE] = SCRIPT(delete),
};
