/* link.c - one server.
 *
 *            link_begin           connected           CLUSTER SLOTS answered
 *   DOWN ──────────────► CONNECTING ──────► GREETING ──────────────────────► UP
 *     ▲                      │                  │                             │
 *     └──────── link_lose: refused, no answer in time, connection lost, no RESP ┘
 *
 * Happy path: what a turn puts in line goes out with one write; answers are matched to `sent` in
 * order. The greeting is AUTH, SCRIPT LOAD of each script, ROLE, CLUSTER SLOTS, in one write.
 *
 * Failure: everything ends in link_lose: what was sent is UNKNOWN, what waited is NOT_DONE, the
 * breaker is open, and the timer is set for the next try: backoff doubles from open_ms to
 * open_max_ms, with up to a quarter of jitter, and starts anew after a greeting that went well. A
 * timer that fires late, because the loop was busy, lets the loop read once before it believes that
 * there was no answer.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/client.h"

enum { READ_BYTES = 64 << 10 };

struct socket {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_getaddrinfo_t look_up;
    uv_write_t write;
    struct redis *client;
    struct link *link; /* NULL: it has ended */
    struct resp_reader reader;
    struct bytes writing;
    bool is_writing;
    bool looks_up;
    bool tcp_closed;
    bool late; /* the timer has given the loop one more chance */
    char in[READ_BYTES];
};

static void link_begin(struct link *l);

/* ---- the end of a connection ---- */

static void socket_free(struct socket *s)
{
    struct redis *r = s->client;
    if (!s->tcp_closed || s->looks_up)
        return;
    resp_reader_close(&s->reader);
    bytes_close(&s->writing);
    free(s);
    client_handle_closed(r);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct socket *s = handle->data;
    s->tcp_closed = true;
    socket_free(s);
}

static void end_socket(struct link *l)
{
    struct socket *s = l->socket;
    if (!s)
        return;
    s->link = NULL;
    l->socket = NULL;
    l->line.size = 0;
    if (s->looks_up)
        uv_cancel((uv_req_t *)&s->look_up);
    uv_close((uv_handle_t *)&s->tcp, on_tcp_closed);
}

static void end_all(struct redis *r, struct command_queue *q, enum redis_outcome outcome)
{
    struct command_queue mine = *q;
    struct command *c;
    *q = (struct command_queue){0};
    while ((c = queue_take(&mine)))
        command_end(r, c, outcome, NULL);
}

static void on_timer(uv_timer_t *timer);

static uint32_t draw(struct redis *r, uint32_t below)
{
    r->dice ^= r->dice << 13;
    r->dice ^= r->dice >> 17;
    r->dice ^= r->dice << 5;
    return below ? r->dice % below : 0;
}

void link_lose(struct link *l, const char *why)
{
    struct redis *r = l->client;
    if (l->state == LINK_DOWN || r->closing)
        return;
    snprintf(r->trouble, sizeof r->trouble, "%s:%u: %.120s", l->address.host, l->address.port, why);
    end_socket(l);
    l->state = LINK_DOWN;
    l->asked_role = false;
    breaker_trip(&l->breaker, uv_now(r->loop), draw(r, UINT32_MAX));
    uint32_t pause_ms = l->backoff_ms + draw(r, l->backoff_ms / 4 + 1);
    l->backoff_ms =
        l->backoff_ms < r->config.open_max_ms / 2 ? 2 * l->backoff_ms : r->config.open_max_ms;
    uv_timer_start(&l->timer, on_timer, pause_ms, 0);
    client_link_lost(l);
    end_all(r, &l->sent, REDIS_UNKNOWN);
    end_all(r, &l->waiting, REDIS_NOT_DONE);
}

/* ---- sending ---- */

static void on_written(uv_write_t *write, int status)
{
    struct socket *s = write->data;
    s->is_writing = false;
    s->writing.size = 0;
    if (!s->link)
        return;
    if (status < 0)
        link_lose(s->link, uv_strerror(status));
    else
        link_flush(s->link);
}

void link_flush(struct link *l)
{
    struct socket *s = l->socket;
    if (!s || s->is_writing || l->line.size == 0)
        return;
    struct bytes free_one = s->writing;
    s->writing = l->line;
    l->line = free_one;
    s->is_writing = true;
    s->write.data = s;
    const uv_buf_t buffer = uv_buf_init(s->writing.p, (unsigned)s->writing.size);
    int code = uv_write(&s->write, (uv_stream_t *)&s->tcp, &buffer, 1, on_written);
    if (code < 0) {
        s->is_writing = false;
        link_lose(l, uv_strerror(code));
    }
}

static void set_timer(struct link *l, uint64_t until_ms)
{
    uint64_t now_ms = uv_now(l->client->loop);
    uv_timer_start(&l->timer, on_timer, until_ms > now_ms ? until_ms - now_ms : 0, 0);
}

void link_send(struct link *l, struct command *c)
{
    struct redis *r = l->client;
    const struct str asking = STR("ASKING");
    if (c->asking)
        link_ask(l, &asking, 1, NULL);
    if (!command_encode(r, c, &l->line)) {
        command_end(r, c, REDIS_NOT_DONE, NULL);
        return;
    }
    c->sent_ns = uv_hrtime();
    c->deadline_ms = uv_now(r->loop) + r->config.command_ms;
    if (!l->sent.first && l->state == LINK_UP)
        set_timer(l, c->deadline_ms);
    queue_add(&l->sent, c);
}

void link_ask(struct link *l, const struct str *arguments, size_t count, redis_reply_fn *fn)
{
    struct command *c = command_make(l->client, fn, l);
    if (!c) {
        link_lose(l, "out of memory");
        return;
    }
    c->internal = true;
    if (!command_put(c, arguments, count)) {
        command_drop(l->client, c);
        link_lose(l, "out of memory");
        return;
    }
    link_send(l, c);
}

/* ---- the greeting ---- */

static void greeting_failed(struct link *l, const char *what, const struct redis_value *reply)
{
    char why[120];
    snprintf(why, sizeof why, "%s: %.100s", what, reply ? reply->text.p : "no answer");
    link_lose(l, why);
}

static bool says(const struct redis_value *reply, const char *word)
{
    return reply && reply->kind == REDIS_ERROR && strncmp(reply->text.p, word, strlen(word)) == 0;
}

static void on_auth(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    if (outcome == REDIS_REFUSED)
        greeting_failed(context, "AUTH", reply);
}

static void on_script(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct link *l = context;
    struct redis *r = l->client;
    if (outcome == REDIS_ANSWERED && reply->kind == REDIS_TEXT && reply->text.len == SHA_SIZE) {
        char *sha = r->sha[l->scripts_loaded]; /* in order; the same with every server */
        memcpy(sha, reply->text.p, SHA_SIZE + 1);
    }
    l->scripts_loaded++;
}

static void on_role(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct link *l = context;
    l->asked_role = false;
    if (outcome == REDIS_ANSWERED && reply->kind == REDIS_LIST && reply->count > 0)
        l->is_master = str_equal(reply->items[0].text, STR("master"));
    else if (says(reply, "NOAUTH"))
        greeting_failed(l, "ROLE", reply);
    else
        l->is_master = outcome == REDIS_REFUSED; /* may not ask: what it refuses will tell */
    if (l->state == LINK_UP)
        client_link_up(l);
}

void link_ask_role(struct link *l)
{
    const struct str role = STR("ROLE");
    if (l->asked_role || l->state != LINK_UP)
        return;
    l->asked_role = true;
    link_ask(l, &role, 1, on_role);
    link_flush(l);
}

static void on_slots(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct link *l = context;
    struct redis *r = l->client;
    struct command *c;
    if (outcome == REDIS_UNKNOWN || outcome == REDIS_NOT_DONE)
        return;
    if (says(reply, "LOADING") || says(reply, "NOAUTH")) {
        greeting_failed(l, "CLUSTER SLOTS", reply);
        return;
    }
    if (outcome == REDIS_ANSWERED && map_read(r, reply, l))
        r->cluster = true;
    l->state = LINK_UP;
    l->backoff_ms = r->config.open_ms;
    breaker_try(&l->breaker);
    uv_timer_stop(&l->timer);
    stat_add(&r->stats.connects_total, 1);
    while ((c = queue_take(&l->waiting)))
        link_send(l, c);
    client_link_up(l);
    link_flush(l);
}

static void greet(struct link *l)
{
    struct redis *r = l->client;
    const struct str auth[] = {STR("AUTH"), str_of(r->user), str_of(r->password)};
    const struct str auth_default[] = {STR("AUTH"), str_of(r->password)};
    const struct str slots[] = {STR("CLUSTER"), STR("SLOTS")};
    const struct str role = STR("ROLE");
    l->state = LINK_GREETING;
    l->scripts_loaded = 0;
    if (r->password[0] && r->user[0])
        link_ask(l, auth, 3, on_auth);
    else if (r->password[0])
        link_ask(l, auth_default, 2, on_auth);
    for (uint32_t i = 0; i < r->config.script_count; i++) {
        const struct str load[] = {STR("SCRIPT"), STR("LOAD"), r->scripts[i].text};
        link_ask(l, load, 3, on_script);
    }
    link_ask(l, &role, 1, on_role);
    link_ask(l, slots, 2, on_slots);
    link_flush(l);
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct socket *s = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(s->in, sizeof s->in);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct socket *s = stream->data;
    const struct redis_value *reply;
    struct command *c;
    if (!s->link || size == 0)
        return;
    if (size < 0 || resp_feed(&s->reader, buffer->base, (size_t)size)) {
        link_lose(s->link, size < 0 ? uv_strerror((int)size) : "out of memory");
        return;
    }
    s->late = false;
    while (s->link) {
        if (resp_next(&s->reader, &reply)) {
            link_lose(s->link, "what it sends is no RESP, or too large");
            return;
        }
        if (!reply)
            break;
        if (!(c = queue_take(&s->link->sent))) {
            link_lose(s->link, "it answers what nobody asked");
            return;
        }
        client_answered(s->link, c, reply);
    }
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *connect, int status)
{
    struct socket *s = connect->data;
    if (!s->link)
        return;
    if (status < 0) {
        link_lose(s->link, uv_strerror(status));
        return;
    }
    uv_tcp_nodelay(&s->tcp, 1);
    int code = uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read);
    if (code < 0)
        link_lose(s->link, uv_strerror(code));
    else
        greet(s->link);
}

static void connect_to(struct socket *s, const struct sockaddr *address)
{
    s->connect.data = s;
    int code = uv_tcp_connect(&s->connect, &s->tcp, address, on_connected);
    if (code < 0)
        link_lose(s->link, uv_strerror(code));
}

static void on_looked_up(uv_getaddrinfo_t *look_up, int status, struct addrinfo *found)
{
    struct socket *s = look_up->data;
    s->looks_up = false;
    if (!s->link)
        socket_free(s);
    else if (status < 0 || !found)
        link_lose(s->link, status < 0 ? uv_strerror(status) : "no such host");
    else
        connect_to(s, found->ai_addr);
    uv_freeaddrinfo(found);
}

static void find_host(struct link *l, struct socket *s)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    char port[8];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (uv_ip4_addr(l->address.host, l->address.port, &v4) == 0) {
        connect_to(s, (const struct sockaddr *)&v4);
        return;
    }
    if (uv_ip6_addr(l->address.host, l->address.port, &v6) == 0) {
        connect_to(s, (const struct sockaddr *)&v6);
        return;
    }
    snprintf(port, sizeof port, "%u", l->address.port);
    s->look_up.data = s;
    int code =
        uv_getaddrinfo(l->client->loop, &s->look_up, on_looked_up, l->address.host, port, &hints);
    if (code < 0)
        link_lose(l, uv_strerror(code));
    else
        s->looks_up = true;
}

static void link_begin(struct link *l)
{
    struct redis *r = l->client;
    struct socket *s = calloc(1, sizeof *s);
    if (!s || resp_reader_init(&s->reader)) {
        free(s);
        uv_timer_start(&l->timer, on_timer, r->config.open_max_ms, 0);
        return;
    }
    uv_tcp_init(r->loop, &s->tcp);
    r->handles++;
    s->tcp.data = s;
    s->client = r;
    s->link = l;
    l->socket = s;
    l->state = LINK_CONNECTING;
    uv_timer_start(&l->timer, on_timer, r->config.connect_ms, 0);
    find_host(l, s);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer)
{
    struct link *l = timer->data;
    struct redis *r = l->client;
    if (l->state == LINK_DOWN) {
        if (l->seed || l->mapped || !r->cluster)
            link_begin(l);
        return;
    }
    if (l->state == LINK_UP && !l->sent.first)
        return;
    if (l->state == LINK_UP && uv_now(r->loop) < l->sent.first->deadline_ms) {
        set_timer(l, l->sent.first->deadline_ms);
        return;
    }
    if (!l->socket->late) {
        l->socket->late = true;
        uv_timer_start(&l->timer, on_timer, 1, 0);
        return;
    }
    link_lose(l, l->state == LINK_UP           ? "no answer in time"
                 : l->state == LINK_CONNECTING ? "no connection in time"
                                               : "no greeting in time");
}

/* ---- life ---- */

int link_init(struct redis *r, struct link *l, const struct redis_address *address)
{
    if (l->used) { /* its place is taken over; the timer is there */
        l->address = *address;
        l->backoff_ms = r->config.open_ms;
        l->is_master = l->mapped = l->seed = false;
    } else {
        const struct breaker_limits limits = {r->config.bad_max, r->config.open_ms,
                                              r->config.open_max_ms};
        *l = (struct link){
            .client = r, .address = *address, .used = true, .backoff_ms = r->config.open_ms};
        breaker_init(&l->breaker, &limits);
        int code = uv_timer_init(r->loop, &l->timer);
        if (code < 0)
            return TLY_ENO_MEMORY;
        r->handles++;
        l->timer.data = l;
    }
    link_begin(l);
    return 0;
}

void link_wake(struct link *l)
{
    if (l->state == LINK_DOWN && !l->client->closing && !uv_is_active((uv_handle_t *)&l->timer))
        link_begin(l);
}

static void on_timer_closed(uv_handle_t *handle)
{
    client_handle_closed(((struct link *)handle->data)->client);
}

void link_close(struct link *l)
{
    end_socket(l);
    l->state = LINK_DOWN;
    end_all(l->client, &l->sent, REDIS_UNKNOWN);
    end_all(l->client, &l->waiting, REDIS_NOT_DONE);
    bytes_close(&l->line);
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
