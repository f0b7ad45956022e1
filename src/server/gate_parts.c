/* gate_parts.c - see gate_parts.h. Failure: a setting that is no place of Redis, a password that
 * cannot be read; the password itself is never shown. Redis need not be there. */
#include "server/gate_parts.h"

#include <stdio.h>
#include <string.h>

#include "gate/gate_blind.h"
#include "gate/gate_local.h"
#include "gate/gate_redis.h"
#include "redis/redis.h"
#include "server/place_url.h"
#include "server/secret.h"

enum { REDIS_PORT = 6379 };

static const struct place_rules rules = {.setting = "gate",
                                         .scheme = "redis",
                                         .secret = "gate_password",
                                         .example = "redis://tally@cache.example:6379",
                                         .port = REDIS_PORT,
                                         .hosts_max = PLACE_HOSTS_MAX};

static bool is_local(const struct settings *s)
{
    return strcmp(s->gate, "local") == 0;
}

int gate_parts_check(const struct settings *s, struct error *e)
{
    struct place_url url;
    return is_local(s) ? 0 : place_url_parse(&url, &rules, s->gate, e);
}

static int create_redis(struct gate **out, const struct settings *s, uint64_t hash_seed,
                        struct error *e)
{
    struct redis_address addresses[PLACE_HOSTS_MAX];
    char password[SETTING_TEXT_MAX];
    struct place_url url;
    int code = place_url_parse(&url, &rules, s->gate, e);
    if (code == 0)
        code = secret_read("gate_password", s->gate_password, s->gate_password_file, password,
                           sizeof password, e);
    if (code)
        return code;
    for (unsigned i = 0; i < url.host_count; i++) {
        snprintf(addresses[i].host, sizeof addresses[i].host, "%s", url.hosts[i].host);
        addresses[i].port = url.hosts[i].port;
    }
    const struct gate_redis_config config = {
        .addresses = addresses,
        .address_count = url.host_count,
        .user = str_of(url.user),
        .password = str_of(password),
        .hash_seed = hash_seed,
        .order_filter_bytes = (size_t)s->gate_order_filter_bytes,
        .order_retention_ms = s->order_retention_ms,
        .command_ms = (uint32_t)s->gate_timeout_ms,
    };
    code = gate_redis_create(out, &config, e);
    explicit_bzero(password, sizeof password);
    return code;
}

int gate_parts_create(struct gate_parts *out, const struct settings *s, uint64_t hash_seed,
                      bool shared, struct error *e)
{
    const struct gate_local_config config = {
        .hash_seed = hash_seed,
        .lots_max = (uint32_t)s->lots_max,
        .order_filter_bytes = (size_t)s->gate_order_filter_bytes,
    };
    out->kind = !is_local(s) ? GATE_KIND_REDIS : shared ? GATE_KIND_BLIND : GATE_KIND_LOCAL;
    if (out->kind == GATE_KIND_REDIS)
        return create_redis(&out->gate, s, hash_seed, e);
    return shared ? gate_blind_create(&out->gate, e) : gate_local_create(&out->gate, &config, e);
}

void gate_parts_describe(const struct gate_parts *p, char *out, size_t size)
{
    struct gate_redis_stats stats;
    snprintf(out, size, "%s",
             p->kind == GATE_KIND_BLIND
                 ? "gate blind: the ledger is shared and the gate is not, so "
                   "every order asks the ledger"
                 : "");
    if (p->kind != GATE_KIND_REDIS)
        return;
    gate_redis_stats(p->gate, &stats);
    snprintf(out, size, "gate redis%s",
             stats.breakers_open ? ": away or slow, so orders ask the ledger" : "");
}
