/* client.c - where a call goes, and what becomes of its answer.
 *
 * Happy path: the key's slot has a node, the node's link is UP and its breaker closed; the command
 * is put in line and answered.
 *
 * Answers that are no answer: MOVED and ASK send the command on (at most REDIRECTS_MAX times);
 * NOSCRIPT sends it again with the script's text, which loads it. All other errors are the
 * caller's to see, and count against the server.
 *
 * Wanted: a master (no cluster), or a map in which every slot's node is up (cluster). While one is,
 * a timer asks those who are up, every LOOK_MS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis/client.h"

enum { LOOK_MS = 100, NS_PER_US = 1000, NS_PER_MS = 1000000 };

void redis_config_defaults(struct redis_config *c)
{
    const struct redis_config usual = {.commands_max = 4096,
                                       .bytes_max = 16 << 20,
                                       .connect_ms = 1000,
                                       .command_ms = 250,
                                       .slow_ms = 100,
                                       .bad_max = 8,
                                       .open_ms = 100,
                                       .open_max_ms = 1000};
    c->commands_max = c->commands_max ? c->commands_max : usual.commands_max;
    c->bytes_max = c->bytes_max ? c->bytes_max : usual.bytes_max;
    c->connect_ms = c->connect_ms ? c->connect_ms : usual.connect_ms;
    c->command_ms = c->command_ms ? c->command_ms : usual.command_ms;
    c->slow_ms = c->slow_ms ? c->slow_ms : usual.slow_ms;
    c->bad_max = c->bad_max ? c->bad_max : usual.bad_max;
    c->open_ms = c->open_ms ? c->open_ms : usual.open_ms;
    c->open_max_ms = c->open_max_ms ? c->open_max_ms : usual.open_max_ms;
}

/* ---- what is up ---- */

static struct link *master(struct redis *r)
{
    for (uint32_t i = 0; i < r->config.address_count; i++)
        if (r->links[i].state == LINK_UP && r->links[i].is_master)
            return &r->links[i];
    return NULL;
}

static struct link *any_up(struct redis *r)
{
    for (uint32_t i = 0; i < REDIS_NODES_MAX && r->links[i].used; i++)
        if (r->links[i].state == LINK_UP && (r->links[i].mapped || !r->cluster))
            return &r->links[i];
    return NULL;
}

static struct link *link_for(struct redis *r, uint16_t slot)
{
    if (!r->cluster)
        return master(r);
    if (slot == NO_SLOT)
        return any_up(r);
    uint8_t node = r->node_of_slot[slot];
    return node == NO_NODE ? NULL : &r->links[node];
}

static void count_links(struct redis *r)
{
    int64_t up = 0, open = 0;
    for (uint32_t i = 0; i < REDIS_NODES_MAX && r->links[i].used; i++) {
        up += r->links[i].state == LINK_UP;
        open += r->links[i].breaker.state != BREAKER_CLOSED && (r->links[i].mapped || !r->cluster);
    }
    atomic_store_explicit(&r->stats.nodes_up, up, memory_order_relaxed);
    atomic_store_explicit(&r->stats.breakers_open, open, memory_order_relaxed);
}

static bool all_mapped_up(const struct redis *r)
{
    for (uint32_t i = 0; i < REDIS_NODES_MAX && r->links[i].used; i++)
        if (r->links[i].mapped && r->links[i].state != LINK_UP)
            return false;
    return memchr(r->node_of_slot, NO_NODE, sizeof r->node_of_slot) == NULL;
}

/* ---- looking for a master or a map ---- */

static void on_map(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct link *l = context;
    struct redis *r = l->client;
    r->map_asked = false;
    if (outcome == REDIS_ANSWERED && map_read(r, reply, l))
        r->map_wanted = !all_mapped_up(r);
    count_links(r);
}

static void on_tick(uv_timer_t *timer)
{
    struct redis *r = timer->data;
    const struct str slots[] = {STR("CLUSTER"), STR("SLOTS")};
    struct link *l;
    if (!r->cluster) {
        if (master(r))
            uv_timer_stop(timer);
        for (uint32_t i = 0; i < r->config.address_count && !master(r); i++)
            link_ask_role(&r->links[i]);
        return;
    }
    if (!r->map_wanted) {
        uv_timer_stop(timer);
    } else if (!r->map_asked && (l = any_up(r))) {
        r->map_asked = true;
        link_ask(l, slots, 2, on_map);
        link_flush(l);
    }
}

static void look_around(struct redis *r)
{
    r->map_wanted = true;
    if (!uv_is_active((uv_handle_t *)&r->tick))
        uv_timer_start(&r->tick, on_tick, LOOK_MS, LOOK_MS);
}

void client_link_up(struct link *l)
{
    count_links(l->client);
    if (l->client->cluster ? l->client->map_wanted : !master(l->client))
        look_around(l->client);
}

void client_link_lost(struct link *l)
{
    stat_add(&l->client->stats.breaker_opened_total, 1);
    l->client->map_asked = false;
    count_links(l->client);
    look_around(l->client);
}

/* ---- nodes ---- */

struct link *client_find_link(struct redis *r, const char *host, uint16_t port, bool make)
{
    struct redis_address address = {.port = port};
    struct link *spare = NULL;
    uint32_t i = 0;
    for (; i < REDIS_NODES_MAX && r->links[i].used; i++) {
        struct link *l = &r->links[i];
        if (l->address.port == port && strcasecmp(l->address.host, host) == 0) {
            link_wake(l);
            return l;
        }
        if (!l->seed && !l->mapped && l->state == LINK_DOWN && !l->sent.first)
            spare = l;
    }
    if (!make || r->closing || (!spare && i == REDIS_NODES_MAX))
        return NULL;
    snprintf(address.host, sizeof address.host, "%s", host);
    struct link *l = spare ? spare : &r->links[i];
    return link_init(r, l, &address) ? NULL : l;
}

/* ---- answers ---- */

static bool begins(struct str text, const char *word)
{
    size_t size = strlen(word);
    return text.len >= size && memcmp(text.p, word, size) == 0;
}

/* Sends it on to where the error says; false: it cannot go there. */
static bool send_on(struct link *from, struct command *c, struct str text)
{
    struct redis *r = from->client;
    if (c->redirects++ == REDIRECTS_MAX)
        return false;
    if (text.p[0] == 'M')
        look_around(r);
    struct link *to = map_moved(r, text, from);
    if (!to || to->state == LINK_DOWN)
        return false;
    c->asking = text.p[0] == 'A';
    stat_add(&r->stats.redirected_total, 1);
    if (to->state == LINK_UP) {
        link_send(to, c);
        link_flush(to);
    } else {
        queue_add(&to->waiting, c);
    }
    return true;
}

static void judge(struct link *l, const struct command *c, bool good)
{
    struct redis *r = l->client;
    uint64_t taken_ns = uv_hrtime() - c->sent_ns;
    enum breaker_state before = l->breaker.state;
    if (!good || taken_ns > (uint64_t)r->config.slow_ms * NS_PER_MS)
        breaker_bad(&l->breaker, uv_now(r->loop), (uint32_t)taken_ns);
    else
        breaker_good(&l->breaker);
    stat_add(&r->stats.round_trip_us_total, (int64_t)(taken_ns / NS_PER_US));
    if (l->breaker.state == before)
        return;
    if (l->breaker.state == BREAKER_OPEN)
        stat_add(&r->stats.breaker_opened_total, 1);
    count_links(r);
}

void client_answered(struct link *l, struct command *c, const struct redis_value *reply)
{
    struct redis *r = l->client;
    bool error = reply->kind == REDIS_ERROR;
    if (c->internal) {
        command_end(r, c, error ? REDIS_REFUSED : REDIS_ANSWERED, reply);
        return;
    }
    if (error && (begins(reply->text, "MOVED ") || begins(reply->text, "ASK ")) &&
        send_on(l, c, reply->text))
        return;
    if (error && begins(reply->text, "NOSCRIPT") && c->script != NO_SCRIPT && !c->by_text) {
        c->by_text = true;
        c->asking = false;
        stat_add(&r->stats.reloaded_total, 1);
        link_send(l, c);
        link_flush(l);
        return;
    }
    if (error && begins(reply->text, "READONLY"))
        l->is_master = false;
    if (error && (begins(reply->text, "READONLY") || begins(reply->text, "CLUSTERDOWN")))
        look_around(r);
    if (error)
        snprintf(r->trouble, sizeof r->trouble, "%s:%u: %.100s", l->address.host, l->address.port,
                 reply->text.p);
    judge(l, c, !error);
    command_end(r, c, error ? REDIS_REFUSED : REDIS_ANSWERED, reply);
}

/* ---- calls ---- */

static int refuse(struct redis *r, int code)
{
    stat_add(&r->stats.refused_total, 1);
    return code;
}

/* Where it goes, if it may. */
static int find_way(struct redis *r, struct str key, struct link **out, uint16_t *slot)
{
    *slot = !r->cluster || str_empty(key) ? NO_SLOT : slot_of_key(key);
    struct link *l = r->closing ? NULL : link_for(r, *slot);
    if (!l || l->state != LINK_UP)
        return TLY_ECLOSED;
    if (r->under_way >= r->config.commands_max || r->bytes >= r->config.bytes_max)
        return TLY_EFULL;
    *out = l;
    return breaker_allows(&l->breaker, uv_now(r->loop)) ? 0 : TLY_ECLOSED;
}

static void go(struct redis *r, struct link *l, struct command *c)
{
    r->under_way++;
    r->bytes += c->body.size;
    stat_add(&r->stats.calls_total, 1);
    atomic_store_explicit(&r->stats.under_way, r->under_way, memory_order_relaxed);
    link_send(l, c);
}

/* Made and not on its way: nothing was counted yet. */
static int give_up(struct redis *r, struct command *c)
{
    if (c) {
        c->internal = true;
        command_drop(r, c);
    }
    return refuse(r, TLY_ENO_MEMORY);
}

int redis_call(struct redis *r, struct str key, const struct str *arguments, size_t count,
               redis_reply_fn *fn, void *context)
{
    struct link *l = NULL;
    uint16_t slot;
    int code = find_way(r, key, &l, &slot);
    if (code)
        return refuse(r, code);
    struct command *c = command_make(r, fn, context);
    if (!c || !command_put(c, arguments, count))
        return give_up(r, c);
    c->slot = slot;
    go(r, l, c);
    return 0;
}

int redis_call_script(struct redis *r, uint32_t script, const struct str *keys, size_t key_count,
                      const struct str *arguments, size_t count, redis_reply_fn *fn, void *context)
{
    struct link *l = NULL;
    uint16_t slot;
    int code = find_way(r, keys[0], &l, &slot);
    if (code)
        return refuse(r, code);
    struct command *c = command_make(r, fn, context);
    if (!c || !resp_put_number(&c->body, (int64_t)key_count) || !command_put(c, keys, key_count) ||
        !command_put(c, arguments, count))
        return give_up(r, c);
    c->argument_count++;
    c->slot = slot;
    c->script = (uint16_t)script;
    go(r, l, c);
    return 0;
}

void redis_flush(struct redis *r)
{
    for (uint32_t i = 0; i < REDIS_NODES_MAX && r->links[i].used; i++)
        if (r->links[i].line.size && r->links[i].state == LINK_UP)
            link_flush(&r->links[i]);
}

/* ---- what is asked of it ---- */

bool redis_is_up(const struct redis *r)
{
    struct redis *me = (struct redis *)r;
    return !r->closing && (r->cluster ? any_up(me) : master(me)) != NULL;
}

bool redis_is_whole(const struct redis *r)
{
    return redis_is_up(r) && (!r->cluster || all_mapped_up(r));
}

bool redis_is_cluster(const struct redis *r)
{
    return r->cluster;
}

uint16_t redis_slot(const struct redis *r, struct str key)
{
    return r->cluster ? slot_of_key(key) : 0;
}

const char *redis_trouble(const struct redis *r)
{
    return r->trouble;
}

struct redis_stats *redis_stats(struct redis *r)
{
    return &r->stats;
}

/* ---- life ---- */

static void free_client(struct redis *r)
{
    struct command *c;
    while ((c = r->spare)) {
        r->spare = c->next;
        bytes_close(&c->body);
        free(c);
    }
    if (r->password)
        explicit_bzero(r->password, strlen(r->password));
    free(r->user);
    free(r->password);
    free(r);
}

void client_handle_closed(struct redis *r)
{
    if (--r->handles > 0 || !r->closing)
        return;
    void (*closed)(void *context) = r->closed;
    void *context = r->closed_context;
    free_client(r);
    if (closed)
        closed(context);
}

static void on_tick_closed(uv_handle_t *handle)
{
    client_handle_closed(handle->data);
}

void redis_close(struct redis *r, void (*closed)(void *context), void *context)
{
    r->closing = true;
    r->closed = closed;
    r->closed_context = context;
    for (uint32_t i = 0; i < REDIS_NODES_MAX && r->links[i].used; i++)
        link_close(&r->links[i]);
    uv_close((uv_handle_t *)&r->tick, on_tick_closed);
}

static int copy_config(struct redis *r, const struct redis_config *config)
{
    r->config = *config;
    redis_config_defaults(&r->config);
    r->config.addresses = NULL;
    r->config.scripts = NULL;
    r->config.user = r->config.password = (struct str){0};
    r->user = strndup(config->user.p ? config->user.p : "", config->user.len);
    r->password = strndup(config->password.p ? config->password.p : "", config->password.len);
    for (uint32_t i = 0; i < config->script_count; i++)
        r->scripts[i] = config->scripts[i];
    return r->user && r->password ? 0 : TLY_ENO_MEMORY;
}

int redis_create(struct redis **out, const struct redis_config *config, struct error *e)
{
    if (config->address_count == 0 || config->address_count > REDIS_NODES_MAX ||
        config->script_count > REDIS_SCRIPTS_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "1 to %d addresses, at most %d scripts",
                         REDIS_NODES_MAX, REDIS_SCRIPTS_MAX);
    struct redis *r = calloc(1, sizeof *r);
    if (!r || copy_config(r, config)) {
        if (r)
            free_client(r);
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a client of Redis");
    }
    r->loop = config->loop;
    r->dice = (uint32_t)uv_hrtime() | 1;
    memset(r->node_of_slot, NO_NODE, sizeof r->node_of_slot);
    uv_timer_init(r->loop, &r->tick);
    r->tick.data = r;
    r->handles = 1;
    uv_update_time(r->loop);
    for (uint32_t i = 0; i < config->address_count; i++) {
        if (link_init(r, &r->links[i], &config->addresses[i])) {
            redis_close(r, NULL, NULL);
            return error_set(e, TLY_ENO_MEMORY, "", "no memory for a connection to Redis");
        }
        r->links[i].seed = true;
    }
    *out = r;
    return 0;
}
