/* map.c - which node has which slot.
 *
 * CLUSTER SLOTS: a list of [first, last, [host, port, id, ...] of the master, replicas...]. A host
 * that is empty or unknown ("", nil, "?") is the one that was asked. Slots that nobody has stay
 * without a node; a node that is not in the map any more keeps its connection while it stands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/client.h"

static struct link *node_of(struct redis *r, const struct redis_value *node,
                            const struct link *from)
{
    if (node->kind != REDIS_LIST || node->count < 2 || node->items[1].kind != REDIS_NUMBER)
        return NULL;
    const struct redis_value *host = &node->items[0];
    int64_t port = node->items[1].number;
    bool named = host->kind == REDIS_TEXT && host->text.len && !str_equal(host->text, STR("?"));
    if (port < 1 || port > UINT16_MAX || (named && host->text.len > REDIS_HOST_MAX))
        return NULL;
    return client_find_link(r, named ? host->text.p : from->address.host, (uint16_t)port, true);
}

bool map_read(struct redis *r, const struct redis_value *reply, const struct link *from)
{
    if (reply->kind != REDIS_LIST || reply->count == 0)
        return false;
    memset(r->node_of_slot, NO_NODE, sizeof r->node_of_slot);
    for (uint32_t i = 0; i < REDIS_NODES_MAX; i++)
        r->links[i].mapped = false;
    for (uint32_t i = 0; i < reply->count; i++) {
        const struct redis_value *range = &reply->items[i];
        if (range->kind != REDIS_LIST || range->count < 3 || range->items[0].kind != REDIS_NUMBER ||
            range->items[1].kind != REDIS_NUMBER)
            continue;
        int64_t first = range->items[0].number, last = range->items[1].number;
        struct link *l = node_of(r, &range->items[2], from);
        if (!l || first < 0 || last < first || last >= REDIS_SLOTS)
            continue;
        l->mapped = true;
        memset(r->node_of_slot + first, (int)(l - r->links), (size_t)(last - first + 1));
    }
    return true;
}

struct link *map_moved(struct redis *r, struct str text, const struct link *from)
{
    char host[REDIS_HOST_MAX + 1];
    const char *slot_at = memchr(text.p, ' ', text.len);
    const char *host_at = slot_at ? strchr(slot_at + 1, ' ') : NULL;
    const char *port_at = host_at ? strrchr(host_at, ':') : NULL; /* an IPv6 host has colons, too */
    if (!port_at)
        return NULL;
    long slot = strtol(slot_at + 1, NULL, 10), port = strtol(port_at + 1, NULL, 10);
    size_t size = (size_t)(port_at - host_at - 1);
    if (slot < 0 || slot >= REDIS_SLOTS || port < 1 || port > UINT16_MAX || size >= sizeof host)
        return NULL;
    snprintf(host, sizeof host, "%.*s", (int)size, host_at + 1);
    struct link *l = client_find_link(r, size ? host : from->address.host, (uint16_t)port, true);
    if (l && text.p[0] == 'M') {
        l->mapped = true;
        r->node_of_slot[slot] = (uint8_t)(l - r->links);
    }
    return l;
}
