/* cache_parts.c - settings to the parts of the read path.
 *
 * Failure: what was made is left to server_destroy_cache().
 */
#include "server/cache_parts.h"

#include <stdio.h>
#include <string.h>

#include "cache/cache_local.h"
#include "cache/cache_redis.h"
#include "server/place_url.h"
#include "server/secret.h"

static const struct place_rules rules = {.setting = "cache",
                                         .scheme = "redis",
                                         .secret = "cache_password",
                                         .example = "redis://127.0.0.1:6379",
                                         .port = 6379,
                                         .hosts_max = PLACE_HOSTS_MAX};

static bool is_redis(const struct settings *s)
{
    return strcmp(s->cache, "off") != 0 && strcmp(s->cache, "local") != 0;
}

int server_check_cache(const struct settings *s, struct error *e)
{
    struct place_url url;
    if (!is_redis(s))
        return 0;
    if (!strstr(s->cache, "://"))
        return error_set(e, TLY_EINVALID_ARGUMENT, "cache",
                         "cache = %.100s: must be off, local or redis://HOST:PORT", s->cache);
    return place_url_parse(&url, &rules, s->cache, e);
}

static int create_redis(const struct settings *s, struct cache **out, struct error *e)
{
    struct redis_address addresses[PLACE_HOSTS_MAX];
    char password[SETTING_TEXT_MAX];
    struct place_url url;
    int code = place_url_parse(&url, &rules, s->cache, e);
    if (code == 0)
        code = secret_read("cache_password", s->cache_password, s->cache_password_file, password,
                           sizeof password, e);
    if (code)
        return code;
    for (unsigned i = 0; i < url.host_count; i++) {
        snprintf(addresses[i].host, sizeof addresses[i].host, "%s", url.hosts[i].host);
        addresses[i].port = url.hosts[i].port;
    }
    const struct cache_redis_config config = {.redis = {.addresses = addresses,
                                                        .address_count = url.host_count,
                                                        .user = str_of(url.user),
                                                        .password = str_of(password)},
                                              .keep_ms = s->cache_ttl_ms,
                                              .absent_ms = s->cache_absent_ttl_ms,
                                              .stale_ms = s->cache_stale_ms,
                                              .tombstone_ms = s->cache_tombstone_ms,
                                              .lease_ms = s->cache_lease_ms,
                                              .wait_ms = s->cache_wait_ms,
                                              .stale_wait_ms = s->cache_stale_wait_ms};
    code = cache_redis_create(out, &config, e);
    explicit_bzero(password, sizeof password);
    return code;
}

static int create_local(const struct settings *s, uint64_t hash_seed, struct cache *next,
                        struct cache **out, struct error *e)
{
    const struct cache_local_config config = {
        .hash_seed = hash_seed,
        .bytes_max = (size_t)s->cache_memory_max,
        .keep_ms = next ? s->cache_hot_ms : s->cache_ttl_ms,
        .absent_ms = next ? s->cache_hot_ms : s->cache_absent_ttl_ms,
        .recheck_ms = next ? s->cache_recheck_ms : 0,
        .stale_ms = s->cache_stale_ms,
        .tombstone_ms = s->cache_tombstone_ms,
        .lease_ms = s->cache_lease_ms,
        .wait_ms = s->cache_wait_ms,
        .stale_wait_ms = s->cache_stale_wait_ms,
        .hot_reads = (uint32_t)s->cache_hot_reads,
        .hot_max = (uint32_t)s->cache_hot_lots_max,
        .next = next,
    };
    return cache_local_create(out, &config, e);
}

int server_create_cache(const struct settings *s, uint64_t hash_seed, struct engine_thread *t,
                        struct error *e)
{
    struct cache *redis = NULL;
    if (strcmp(s->cache, "off") == 0)
        return 0;
    int code = is_redis(s) ? create_redis(s, &redis, e) : 0;
    if (code == 0)
        code = create_local(s, hash_seed, redis, &t->cache, e);
    if (code) {
        cache_destroy(redis);
        return code;
    }
    return known_lots_create(&t->known_lots, (uint32_t)s->lots_max, hash_seed, e);
}

void server_destroy_cache(struct engine_thread *t)
{
    cache_destroy(t->cache);
    known_lots_destroy(t->known_lots);
}
