/* rabbit_link.c - librabbitmq behind rabbit_link.h.
 *
 * Happy path: connect, log in (saying that we understand connection.blocked), open a channel; then
 * frames are taken as they come, and put together to events. Failure: of the socket, of heartbeats,
 * of the broker that closes the connection or the channel: RABBIT_LOST, with why.
 */
#include "bus/rabbit_link.h"

#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CHANNEL = 1, CHANNEL_MAX = 8, FRAME_MAX = 131072, ARGUMENTS_MAX = 8 };

static amqp_bytes_t bytes(const char *text)
{
    return amqp_cstring_bytes(text);
}

static amqp_bytes_t bytes_of(struct str s)
{
    return (amqp_bytes_t){s.len, (void *)s.p};
}

/* ---- open ---- */

static void tell_reply(const char *doing, const amqp_rpc_reply_t *reply, struct error *e)
{
    const char *why = "the broker closed the connection";
    int size = (int)strlen(why);
    if (reply->reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        why = amqp_error_string2(reply->library_error);
        size = (int)strlen(why);
    } else if (reply->reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *m = reply->reply.decoded;
        why = m->reply_text.bytes;
        size = (int)m->reply_text.len;
    } else if (reply->reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *m = reply->reply.decoded;
        why = m->reply_text.bytes;
        size = (int)m->reply_text.len;
    }
    error_set(e, TLY_EUNAVAILABLE, "bus", "%s: %.*s", doing, size > 180 ? 180 : size, why);
}

static amqp_rpc_reply_t log_in(struct rabbit_link *l, const struct rabbit_place *place)
{
    amqp_table_entry_t capabilities[] = {
        {bytes("connection.blocked"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}},
        {bytes("consumer_cancel_notify"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}},
        {bytes("publisher_confirms"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}},
    };
    amqp_table_entry_t properties[] = {
        {bytes("capabilities"),
         {AMQP_FIELD_KIND_TABLE,
          {.table = {sizeof capabilities / sizeof capabilities[0], capabilities}}}},
        {bytes("connection_name"), {AMQP_FIELD_KIND_UTF8, {.bytes = bytes("tally")}}},
    };
    const amqp_table_t table = {sizeof properties / sizeof properties[0], properties};
    return amqp_login_with_properties(l->connection, place->vhost, CHANNEL_MAX, FRAME_MAX,
                                      RABBIT_HEARTBEAT_S, &table, AMQP_SASL_METHOD_PLAIN,
                                      place->user, place->password);
}

static int connect_socket(struct rabbit_link *l, const struct rabbit_place *place, struct error *e)
{
    const struct timeval connect = {RABBIT_CONNECT_MS / 1000, RABBIT_CONNECT_MS % 1000 * 1000};
    const struct timeval handshake = {RABBIT_HANDSHAKE_MS / 1000,
                                      RABBIT_HANDSHAKE_MS % 1000 * 1000};
    const int size = RABBIT_SEND_BUFFER;
    l->connection = amqp_new_connection();
    amqp_socket_t *socket = l->connection ? amqp_tcp_socket_new(l->connection) : NULL;
    if (!socket)
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for a connection");
    amqp_set_handshake_timeout(l->connection, &handshake);
    amqp_set_rpc_timeout(l->connection, &handshake);
    int status = amqp_socket_open_noblock(socket, place->host, place->port, &connect);
    if (status)
        return error_set(e, TLY_EUNAVAILABLE, "bus", "cannot connect to %.100s:%u: %s", place->host,
                         (unsigned)place->port, amqp_error_string2(status));
    setsockopt(amqp_get_sockfd(l->connection), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

int rabbit_link_open(struct rabbit_link *l, const struct rabbit_place *place, bool confirms,
                     size_t body_max, struct error *e)
{
    memset(l, 0, sizeof *l);
    l->body_max = body_max;
    int code = connect_socket(l, place, e);
    if (code) {
        rabbit_link_close(l);
        return code;
    }
    const char *doing = "cannot log in";
    amqp_rpc_reply_t reply = log_in(l, place);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        doing = "cannot open a channel";
        amqp_channel_open(l->connection, CHANNEL);
        reply = amqp_get_rpc_reply(l->connection);
    }
    if (reply.reply_type == AMQP_RESPONSE_NORMAL && confirms) {
        amqp_confirm_select(l->connection, CHANNEL);
        reply = amqp_get_rpc_reply(l->connection);
    }
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        tell_reply(doing, &reply, e);
        rabbit_link_close(l);
        return TLY_EUNAVAILABLE;
    }
    return 0;
}

void rabbit_link_close(struct rabbit_link *l)
{
    if (l->connection)
        amqp_destroy_connection(l->connection);
    free(l->body);
    l->connection = NULL;
    l->body = NULL;
    l->size = l->room = 0;
    l->arriving = RABBIT_NOTHING;
    l->blocked = false;
}

int rabbit_link_fd(const struct rabbit_link *l)
{
    return l->connection ? amqp_get_sockfd(l->connection) : -1;
}

/* ---- what arrives ---- */

static enum rabbit_news lost(struct rabbit_link *l, const char *why, size_t size)
{
    snprintf(l->why, sizeof l->why, "%.*s", size > 200 ? 200 : (int)size, why);
    return RABBIT_LOST;
}

static enum rabbit_news closed(struct rabbit_link *l, amqp_bytes_t text)
{
    return lost(l, text.bytes, text.len);
}

static enum rabbit_news settled(const amqp_method_t *m, struct rabbit_event *event)
{
    const amqp_basic_ack_t *ack = m->decoded;
    const amqp_basic_nack_t *nack = m->decoded;
    bool taken = m->id == AMQP_BASIC_ACK_METHOD;
    event->tag = taken ? ack->delivery_tag : nack->delivery_tag;
    event->multiple = (taken ? ack->multiple : nack->multiple) != 0;
    return taken ? RABBIT_CONFIRMED : RABBIT_REFUSED;
}

static enum rabbit_news take_method(struct rabbit_link *l, const amqp_method_t *m,
                                    struct rabbit_event *event)
{
    switch (m->id) {
    case AMQP_BASIC_DELIVER_METHOD:
        l->arriving = RABBIT_DELIVERED;
        l->tag = ((const amqp_basic_deliver_t *)m->decoded)->delivery_tag;
        return RABBIT_NOTHING;
    case AMQP_BASIC_RETURN_METHOD:
        l->arriving = RABBIT_RETURNED;
        return RABBIT_NOTHING;
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD:
        return settled(m, event);
    case AMQP_CONNECTION_BLOCKED_METHOD:
        l->blocked = true;
        return RABBIT_NOTHING;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        l->blocked = false;
        return RABBIT_NOTHING;
    case AMQP_CONNECTION_CLOSE_METHOD:
        return closed(l, ((const amqp_connection_close_t *)m->decoded)->reply_text);
    case AMQP_CHANNEL_CLOSE_METHOD:
        return closed(l, ((const amqp_channel_close_t *)m->decoded)->reply_text);
    case AMQP_BASIC_CANCEL_METHOD:
        return lost(l, "the queue was deleted", sizeof "the queue was deleted");
    default:
        return RABBIT_NOTHING;
    }
}

static enum rabbit_news complete(struct rabbit_link *l, struct rabbit_event *event)
{
    enum rabbit_news news = l->arriving;
    l->arriving = RABBIT_NOTHING;
    event->tag = l->tag;
    event->cut = l->cut;
    event->name = (struct str){l->name, l->name_size};
    event->body = (struct str){l->body ? l->body : "", (uint32_t)l->size};
    return news;
}

static enum rabbit_news take_header(struct rabbit_link *l, const amqp_frame_t *frame,
                                    struct rabbit_event *event)
{
    const amqp_basic_properties_t *p = frame->payload.properties.decoded;
    l->left = frame->payload.properties.body_size;
    l->size = 0;
    l->name_size = 0;
    l->cut = l->left > l->body_max;
    if (p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG && p->message_id.len < sizeof l->name) {
        memcpy(l->name, p->message_id.bytes, p->message_id.len);
        l->name_size = (uint32_t)p->message_id.len;
    }
    size_t room = l->cut ? 0 : (size_t)l->left;
    if (room > l->room) {
        char *grown = realloc(l->body, room);
        if (!grown)
            return lost(l, "out of memory", sizeof "out of memory");
        l->body = grown;
        l->room = room;
    }
    return l->left == 0 ? complete(l, event) : RABBIT_NOTHING;
}

static enum rabbit_news take_body(struct rabbit_link *l, amqp_bytes_t part,
                                  struct rabbit_event *event)
{
    if (part.len > l->left)
        return lost(l, "a body that is too long", sizeof "a body that is too long");
    if (!l->cut) {
        memcpy(l->body + l->size, part.bytes, part.len);
        l->size += part.len;
    }
    l->left -= part.len;
    return l->left == 0 ? complete(l, event) : RABBIT_NOTHING;
}

static enum rabbit_news take_frame(struct rabbit_link *l, const amqp_frame_t *frame,
                                   struct rabbit_event *event)
{
    if (frame->frame_type == AMQP_FRAME_METHOD)
        return take_method(l, &frame->payload.method, event);
    if (l->arriving == RABBIT_NOTHING)
        return RABBIT_NOTHING;
    if (frame->frame_type == AMQP_FRAME_HEADER)
        return take_header(l, frame, event);
    if (frame->frame_type == AMQP_FRAME_BODY)
        return take_body(l, frame->payload.body_fragment, event);
    return RABBIT_NOTHING;
}

enum rabbit_news rabbit_link_next(struct rabbit_link *l, struct rabbit_event *event)
{
    const struct timeval at_once = {0, 0};
    amqp_frame_t frame;
    *event = (struct rabbit_event){0};
    while (event->news == RABBIT_NOTHING) {
        amqp_maybe_release_buffers(l->connection);
        int status = amqp_simple_wait_frame_noblock(l->connection, &frame, &at_once);
        if (status == AMQP_STATUS_TIMEOUT)
            break;
        if (status) {
            const char *why = amqp_error_string2(status);
            event->news = lost(l, why, strlen(why));
        } else {
            event->news = take_frame(l, &frame, event);
        }
    }
    return event->news;
}

/* ---- what is sent ---- */

static int sent(struct rabbit_link *l, int status)
{
    if (status == AMQP_STATUS_OK)
        return 0;
    const char *why = amqp_error_string2(status);
    lost(l, why, strlen(why));
    return TLY_EIO;
}

static int send_method(struct rabbit_link *l, amqp_method_number_t id, void *method)
{
    return sent(l, amqp_send_method(l->connection, CHANNEL, id, method));
}

int rabbit_link_exchange(struct rabbit_link *l, const char *name, const char *type)
{
    amqp_exchange_declare_t m = {
        .exchange = bytes(name), .type = bytes(type), .durable = 1, .nowait = 1};
    return send_method(l, AMQP_EXCHANGE_DECLARE_METHOD, &m);
}

static void put_number(amqp_table_t *t, const char *key, int64_t value)
{
    if (value)
        t->entries[t->num_entries++] =
            (amqp_table_entry_t){bytes(key), {AMQP_FIELD_KIND_I64, {.i64 = value}}};
}

static void put_text(amqp_table_t *t, const char *key, const char *value)
{
    if (value)
        t->entries[t->num_entries++] =
            (amqp_table_entry_t){bytes(key), {AMQP_FIELD_KIND_UTF8, {.bytes = bytes(value)}}};
}

int rabbit_link_queue(struct rabbit_link *l, const char *name, const struct rabbit_queue *q)
{
    amqp_table_entry_t entries[ARGUMENTS_MAX];
    amqp_queue_declare_t m = {
        .queue = bytes(name), .durable = 1, .nowait = 1, .arguments = {0, entries}};
    put_text(&m.arguments, "x-queue-type", q->quorum ? "quorum" : "classic");
    put_number(&m.arguments, "x-message-ttl", q->ttl_ms);
    put_number(&m.arguments, "x-expires", q->expires_ms);
    put_number(&m.arguments, "x-max-length", q->length_max);
    put_text(&m.arguments, "x-overflow", q->length_max ? "reject-publish" : NULL);
    put_text(&m.arguments, "x-dead-letter-exchange", q->dead_letters);
    if (q->quorum && q->dead_letters && q->length_max)
        put_text(&m.arguments, "x-dead-letter-strategy", "at-least-once");
    return send_method(l, AMQP_QUEUE_DECLARE_METHOD, &m);
}

int rabbit_link_bind(struct rabbit_link *l, const char *queue, const char *exchange,
                     const char *key)
{
    amqp_queue_bind_t m = {
        .queue = bytes(queue), .exchange = bytes(exchange), .routing_key = bytes(key), .nowait = 1};
    return send_method(l, AMQP_QUEUE_BIND_METHOD, &m);
}

int rabbit_link_consume(struct rabbit_link *l, const char *queue, uint16_t prefetch)
{
    amqp_basic_qos_t qos = {.prefetch_count = prefetch};
    amqp_basic_consume_t m = {.queue = bytes(queue), .consumer_tag = bytes("tally"), .nowait = 1};
    int code = send_method(l, AMQP_BASIC_QOS_METHOD, &qos);
    return code ? code : send_method(l, AMQP_BASIC_CONSUME_METHOD, &m);
}

int rabbit_link_publish(struct rabbit_link *l, const char *exchange, const char *key,
                        struct str body, bool persistent)
{
    const amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG,
        .content_type = bytes("text/plain"),
        .delivery_mode = persistent ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT};
    int code = sent(l, amqp_basic_publish(l->connection, CHANNEL, bytes(exchange), bytes(key), 1, 0,
                                          &properties, bytes_of(body)));
    if (code == 0)
        l->sent++;
    return code;
}

int rabbit_link_ack(struct rabbit_link *l, uint64_t tag)
{
    amqp_basic_ack_t m = {.delivery_tag = tag};
    return send_method(l, AMQP_BASIC_ACK_METHOD, &m);
}

int rabbit_link_nack(struct rabbit_link *l, uint64_t tag)
{
    amqp_basic_nack_t m = {.delivery_tag = tag, .requeue = 1};
    return send_method(l, AMQP_BASIC_NACK_METHOD, &m);
}
