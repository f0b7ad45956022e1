/* connection.c - see connection.h. */
#include "net/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *c = (struct connection *)(void *)handle;
    *buffer = uv_buf_init((char *)c->net->read_buffer,
                          c->is_http2 ? READ_BUFFER_BYTES : HTTP1_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void set_reading(struct connection *c, bool wanted)
{
    if (wanted == c->reading || (wanted && c->eof))
        return;
    if (wanted && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read)) {
        connection_close(c);
        return;
    }
    if (!wanted)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = wanted;
}

static void charge(struct connection *c, size_t bytes)
{
    if (c->net->host.budget)
        budget_force(c->net->host.budget, bytes);
}

static void discharge(struct connection *c, size_t bytes)
{
    if (c->net->host.budget)
        budget_give(c->net->host.budget, BUDGET_BODY, bytes);
}

static void free_unfed(struct connection *c, struct unfed *u)
{
    if (u)
        discharge(c, u->size);
    wire_pool_free(c->net->host.pool, u);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = (struct connection *)(void *)handle;
    struct net *n = c->net;
    wire_pool_free(n->host.pool, c);
    net_handle_closed(n);
}

static void undirty(struct connection *c)
{
    struct connection **link = &c->net->dirty;
    while (*link != c)
        link = &(*link)->dirty_next;
    *link = c->dirty_next;
    c->dirty = false;
}

void connection_close(struct connection *c)
{
    struct net *n = c->net;
    if (c->closing)
        return;
    c->closing = true;
    deadline_remove(c);
    if (c->dirty)
        undirty(c);
    if (c->session)
        c->session->ops->close(c->session);
    c->session = NULL;
    free_unfed(c, c->unfed);
    c->unfed = NULL;
    n->connections--;
    n->over -= c->over;
    net_count(n, METRIC_CONNECTIONS_CLOSED, 1);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void connection_dirty(struct connection *c)
{
    if (c->dirty || c->closing)
        return;
    c->dirty = true;
    c->dirty_next = c->net->dirty;
    c->net->dirty = c;
    c->net->dirty_count++;
}

static bool start_session(struct connection *c, enum sniff protocol)
{
    struct session_host *host = &c->net->host;
    c->is_http2 = protocol == SNIFF_HTTP2;
    c->session =
        protocol == SNIFF_HTTP2 ? http2_session_create(host, c) : http1_session_create(host, c);
    if (c->session && c->net->draining)
        c->session->ops->drain(c->session);
    if (c->session)
        c->session->over = c->over;
    return c->session != NULL;
}

/* The old session has said that it switches; what it still has to send goes first. */
static bool switch_session(struct connection *c)
{
    struct session *next = c->session->successor;
    assert(!c->unsent);
    connection_flush(c);
    if (c->closing) {
        next->ops->close(next);
        return false;
    }
    c->session->ops->close(c->session);
    c->session = next;
    c->is_http2 = true;
    return true;
}

/* Reading stops at once: libuv goes on with what the socket has more within the same turn. */
static void keep_unfed(struct connection *c, const uint8_t *data, size_t size)
{
    assert(!c->unfed);
    set_reading(c, false);
    struct unfed *u = wire_pool_alloc(c->net->host.pool, sizeof(*u) + size);
    if (!u) {
        connection_close(c);
        return;
    }
    u->size = size;
    u->taken = 0;
    memcpy(u->data, data, size);
    charge(c, size);
    c->unfed = u;
}

/* Returns how much the session took. The connection may be closed afterwards. */
static size_t feed(struct connection *c, const uint8_t *data, size_t size)
{
    size_t done = 0;
    bool switched;
    do {
        size_t taken = 0;
        switched = false;
        if (c->session->ops->feed(c->session, data + done, size - done, &taken)) {
            c->broken = true;
            net_count(c->net, METRIC_PROTOCOL_ERRORS, 1);
            return size;
        }
        done += taken;
        if (c->session->successor) {
            if (!switch_session(c))
                return size;
            switched = true;
        }
    } while (switched);
    return done;
}

static void feed_and_keep(struct connection *c, const uint8_t *data, size_t size)
{
    size_t done = feed(c, data, size);
    if (c->closing)
        return;
    if (done < size)
        keep_unfed(c, data + done, size - done);
    connection_dirty(c);
}

static void sniff(struct connection *c, const uint8_t *data, size_t size)
{
    if (c->sniffed_size == 0) {
        enum sniff protocol = session_sniff(data, size);
        if (protocol != SNIFF_MORE) {
            if (start_session(c, protocol))
                feed_and_keep(c, data, size);
            else
                connection_close(c);
            return;
        }
    }
    size_t n = SNIFF_BYTES - (size_t)c->sniffed_size;
    if (n > size)
        n = size;
    memcpy(c->sniffed + c->sniffed_size, data, n);
    c->sniffed_size = (uint8_t)(c->sniffed_size + n);
    enum sniff protocol = session_sniff(c->sniffed, c->sniffed_size);
    if (protocol == SNIFF_MORE) {
        connection_dirty(c);
        return;
    }
    if (!start_session(c, protocol)) {
        connection_close(c);
        return;
    }
    feed_and_keep(c, c->sniffed, c->sniffed_size);
    c->sniffed_size = 0;
    if (!c->closing && !c->broken && !c->unfed && size > n)
        feed_and_keep(c, data + n, size - n);
}

void connection_input(struct connection *c, const uint8_t *data, size_t size)
{
    if (c->lingering) {
        c->linger_bytes += size;
        if (c->linger_bytes > LINGER_BYTES_MAX)
            connection_close(c);
    } else if (c->broken) {
        return;
    } else if (c->session) {
        feed_and_keep(c, data, size);
    } else {
        sniff(c, data, size);
    }
}

bool connection_feed_again(struct connection *c)
{
    struct unfed *u = c->unfed;
    if (!u || c->unsent || c->broken || c->session->ops->congested(c->session))
        return false;
    c->unfed = NULL;
    size_t done = feed(c, u->data + u->taken, u->size - u->taken);
    u->taken += done;
    if (!c->closing) {
        if (u->taken < u->size)
            c->unfed = u;
        connection_dirty(c);
    }
    if (c->unfed != u)
        free_unfed(c, u);
    return done > 0;
}

/* A client that has closed its side still gets the answers to what it asked over HTTP/1. */
static void on_eof(struct connection *c)
{
    c->eof = true;
    bool waits = c->session && !c->lingering && !c->session->ops->idle(c->session) &&
                 !c->session->ops->receiving_since(c->session) && !c->is_http2;
    if (!waits) {
        connection_close(c);
        return;
    }
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
    connection_dirty(c);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)(void *)stream;
    if (size == 0)
        return;
    net_touch(c->net);
    if (size == UV_EOF) {
        on_eof(c);
        return;
    }
    if (size < 0) {
        connection_close(c);
        return;
    }
    c->active_ns = c->net->host.now_ns;
    c->rested = false;
    net_count(c->net, METRIC_BYTES_IN, (uint64_t)size);
    struct net *n = c->net;
    c->transport->input(c, (const uint8_t *)buffer->base, (size_t)size);
    if (n->dirty_count >= DIRTY_MAX)
        (void)net_flush(n);
}

size_t connection_output(struct connection *c, uint8_t *out, size_t size)
{
    return c->session ? c->session->ops->pull(c->session, out, size) : 0;
}

static void on_written(uv_write_t *request, int status)
{
    struct unsent *u = (struct unsent *)(void *)request;
    struct connection *c = u->request.data;
    struct net *n = c->net;
    net_touch(n);
    if (status == 0)
        net_count(n, METRIC_BYTES_OUT, u->size);
    discharge(c, u->size);
    wire_pool_free(n->host.pool, u);
    c->unsent = NULL;
    if (c->closing)
        return;
    if (status < 0) {
        connection_close(c);
        return;
    }
    c->progress_ns = c->active_ns = n->host.now_ns;
    connection_dirty(c);
}

/* The rest of what the socket took a part of. */
static bool write_rest(struct connection *c, const uint8_t *data, size_t size)
{
    struct unsent *u = wire_pool_alloc(c->net->host.pool, sizeof(*u) + size);
    if (!u)
        return false;
    memcpy(u->data, data, size);
    u->size = size;
    u->request.data = c;
    uv_buf_t buffer = uv_buf_init((char *)u->data, (unsigned)size);
    if (uv_write(&u->request, (uv_stream_t *)&c->tcp, &buffer, 1, on_written)) {
        wire_pool_free(c->net->host.pool, u);
        return false;
    }
    charge(c, size);
    c->unsent = u;
    return true;
}

/* True if the socket took everything that there was. */
static bool write_all(struct connection *c)
{
    struct net *n = c->net;
    size_t room =
        n->host.budget && budget_tight(n->host.budget) ? TIGHT_WRITE_BYTES : WRITE_BUFFER_BYTES;
    for (;;) {
        size_t size = c->transport->output(c, n->write_buffer, room);
        if (size == 0)
            return true;
        uv_buf_t buffer = uv_buf_init((char *)n->write_buffer, (unsigned)size);
        int written = uv_try_write((uv_stream_t *)&c->tcp, &buffer, 1);
        if (written == UV_EAGAIN)
            written = 0;
        if (written < 0) {
            connection_close(c);
            return false;
        }
        if (written > 0) {
            c->progress_ns = c->active_ns = n->host.now_ns;
            c->rested = false;
            net_count(n, METRIC_BYTES_OUT, (uint64_t)written);
        }
        if ((size_t)written < size) {
            if (!write_rest(c, n->write_buffer + written, size - (size_t)written))
                connection_close(c);
            return false;
        }
        if (size < room / 2)
            return true;
    }
}

/* Nothing is left to send, and nothing more is wanted. A socket that is closed while the client
 * still sends would take the last answer with it: it gets a while to read it. */
static void end(struct connection *c)
{
    uv_os_fd_t fd;
    if (c->eof || uv_fileno((const uv_handle_t *)&c->tcp, &fd) || shutdown(fd, SHUT_WR)) {
        connection_close(c);
        return;
    }
    c->session->ops->close(c->session);
    c->session = NULL;
    c->lingering = true;
    c->stalled = false;
    c->progress_ns = c->net->host.now_ns;
    deadline_update(c);
}

void connection_flush(struct connection *c)
{
    if (c->closing || c->lingering)
        return;
    bool sent = !c->unsent && write_all(c);
    if (c->closing)
        return;
    if (sent && c->eof && !c->unfed && c->session->ops->idle(c->session)) {
        connection_close(c);
        return;
    }
    if (sent && c->session && (c->broken || c->session->ops->finished(c->session))) {
        if (!c->session->successor) {
            end(c);
            set_reading(c, c->lingering);
        }
        return;
    }
    bool stalled = c->unsent;
    if (stalled && !c->stalled)
        c->progress_ns = c->net->host.now_ns;
    c->stalled = stalled;
    set_reading(c, !c->unsent && !c->unfed && !c->broken &&
                       !(c->session && c->session->ops->congested(c->session)));
    if (!c->closing)
        deadline_update(c);
}

void connection_goodbye(struct connection *c)
{
    if (!c->session || c->said_goodbye || c->unsent) {
        connection_close(c);
        return;
    }
    c->said_goodbye = true;
    c->progress_ns = c->net->host.now_ns;
    c->session->ops->goodbye(c->session);
    connection_dirty(c);
}

void connection_last_words(struct connection *c)
{
    if (c->session && !c->unsent && !c->lingering && !c->closing) {
        c->session->ops->goodbye(c->session);
        (void)write_all(c);
    }
}

void connection_drain(struct connection *c)
{
    if (c->closing || c->lingering)
        return;
    if (!c->session) {
        connection_close(c);
        return;
    }
    c->session->ops->drain(c->session);
    connection_dirty(c);
}

int connection_accept(struct net *n)
{
    struct connection *c = wire_pool_alloc(n->host.pool, sizeof(*c));
    if (!c)
        return TLY_ENO_MEMORY;
    memset(c, 0, sizeof(*c));
    c->net = n;
    c->transport = &plain_transport;
    if (uv_tcp_init(n->loop, &c->tcp)) {
        wire_pool_free(n->host.pool, c);
        return TLY_ENO_MEMORY;
    }
    n->handles_open++;
    n->connections++;
    c->born_ns = c->active_ns = c->progress_ns = n->host.now_ns;
    deadline_add(c);
    if (uv_accept((uv_stream_t *)&n->listener, (uv_stream_t *)&c->tcp)) {
        connection_close(c);
        return TLY_EIO;
    }
    net_count(n, METRIC_CONNECTIONS_ACCEPTED, 1);
    if (n->connections - n->over > n->config.connections_max || n->draining) {
        net_count(n, METRIC_CONNECTIONS_REFUSED, 1);
        n->refused += !n->draining;
        if (n->draining || n->over >= OVER_MAX) {
            connection_close(c);
            return 0;
        }
        c->over = true;
        n->over++;
        deadline_update(c);
    }
    /* Fails only on a socket that is already broken, which reading will tell. */
    (void)uv_tcp_nodelay(&c->tcp, 1);
    set_reading(c, true);
    return 0;
}
