#include "redis_gates.h"

#include "gate/gate_redis.h"
#include "redis/redis.h"
#include "redis_server.h"

/* A probe in mid-test would be a BLIND that the suite knows nothing of. */
enum { NEVER_MS = 24 * 3600 * 1000 };

static struct redis_cluster cluster; /* alone: its first node is the one */
static bool is_cluster;

bool redis_gate_begin(void)
{
    if (!redis_server_there())
        return false;
    is_cluster = false;
    redis_server_start(&cluster.nodes[0], NULL);
    return true;
}

bool redis_gate_begin_cluster(void)
{
    if (!redis_server_there())
        return false;
    is_cluster = true;
    redis_cluster_start(&cluster);
    return true;
}

void redis_gate_end(void)
{
    if (is_cluster)
        redis_cluster_remove(&cluster);
    else
        redis_server_remove(&cluster.nodes[0]);
}

int redis_gate_make(struct gate **out)
{
    const struct redis_address address = {"127.0.0.1", cluster.nodes[0].port};
    const struct gate_redis_config config = {.addresses = &address,
                                             .address_count = 1,
                                             .hash_seed = SEED,
                                             .order_filter_bytes = 1 << 20,
                                             .fresh_ms = NEVER_MS,
                                             .open_limit_ms = NEVER_MS,
                                             .command_ms = PATIENCE_MS};
    for (int i = 0; i < (is_cluster ? CLUSTER_NODES : 1); i++)
        redis_server_do(&cluster.nodes[i], "FLUSHALL"); /* a replica says no */
    return gate_redis_create(out, &config, NULL);
}

void redis_gate_deliver(struct asker *a)
{
    while (gate_redis_waiting(a->session))
        uv_run(&a->loop, UV_RUN_ONCE);
}

bool redis_gate_up(const struct gate_session *s)
{
    return gate_redis_is_up(s);
}

bool redis_gate_told(struct gate *g)
{
    return gate_redis_is_told(g);
}
