/* http2_limits.c - time limits of an HTTP/2 session's streams, and how the session ends in good
 * order.
 *
 * A request that stops is answered 408, an answer of which the client takes nothing is reset; both
 * end their stream alone. Requests stand in a list by their age. Of the answers that wait only a
 * bound is kept, `sending_since_ns`, so that progress costs nothing: when it has passed all streams
 * are looked at, and the bound is made true again.
 *
 * A drain says GOAWAY twice (RFC 9113, 6.8): first that nothing has been refused yet, with a PING
 * behind it; when the client has answered that, or after a second, which stream was the last.
 */
#include "wire/http2_session.h"

static bool waits_to_send(const struct http2_exchange *h)
{
    return h->body.len || h->stream.bytes;
}

void http2_note_waiting(struct http2_session *s, struct http2_exchange *h)
{
    if (!waits_to_send(h)) {
        h->waits_ns = 0;
        return;
    }
    h->waits_ns = s->host->now_ns;
    if (!s->sending_since_ns)
        s->sending_since_ns = h->waits_ns;
}

static void sooner(enum session_wait *wait, uint64_t *at, enum session_wait other,
                   uint64_t other_at)
{
    if (*wait == WAIT_NONE || other_at < *at) {
        *wait = other;
        *at = other_at;
    }
}

enum session_wait http2_due(const struct session *base, uint64_t *at)
{
    const struct http2_session *s = http2_of_const(base);
    const struct session_host *host = s->host;
    enum session_wait wait = WAIT_NONE;
    if (s->failed)
        return WAIT_NONE;
    uint64_t since = base->ops->receiving_since(base);
    if (since && host->receive_ns)
        sooner(&wait, at, WAIT_RECEIVE, since + host->receive_ns);
    if (s->unsent_bytes && s->sending_since_ns && host->send_ns)
        sooner(&wait, at, WAIT_SEND, s->sending_since_ns + host->send_ns);
    if (s->noticed_ns)
        sooner(&wait, at, WAIT_DRAIN, s->noticed_ns + (uint64_t)SESSION_DRAIN_NOTICE_MS * 1000000);
    return wait;
}

/* The second time it is the answer that the client does not take. */
static void expire_request(struct http2_session *s, struct http2_exchange *h)
{
    s->host->timed_out++;
    if (h->refused) {
        http2_list_remove(&s->receiving, h);
        http2_list_add(&s->open, h);
        h->receiving = false;
        h->waits_ns = 0;
        (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, h->stream_id, NGHTTP2_CANCEL);
        return;
    }
    h->begun_ns = s->host->now_ns;
    http2_list_remove(&s->receiving, h);
    http2_list_add(&s->receiving, h);
    http2_refuse(h, (struct refusal){TLY_EREQUEST_TIMEOUT, "the request did not arrive in time"});
}

/* Returns since when the others have waited, at the longest; 0: none does. */
static uint64_t expire_answers(struct http2_session *s, const struct http2_list *list,
                               uint64_t since)
{
    struct http2_exchange *next;
    for (struct http2_exchange *h = list->first; h; h = next) {
        next = h->next;
        if (!h->waits_ns || !waits_to_send(h))
            continue;
        if (h->waits_ns + s->host->send_ns <= s->host->now_ns) {
            s->host->timed_out++;
            h->waits_ns = 0;
            (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, h->stream_id, NGHTTP2_CANCEL);
        } else if (!since || h->waits_ns < since) {
            since = h->waits_ns;
        }
    }
    return since;
}

static void end_drain(struct http2_session *s)
{
    s->noticed_ns = 0;
    int32_t last = nghttp2_session_get_last_proc_stream_id(s->ng);
    if (nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0))
        s->failed = true;
}

void http2_expire(struct session *base)
{
    struct http2_session *s = http2_of(base);
    uint64_t now = s->host->now_ns;
    if (!s->greeted && s->created_ns + s->host->receive_ns <= now) {
        s->host->timed_out++;
        s->failed = true;
        (void)nghttp2_session_terminate_session(s->ng, NGHTTP2_SETTINGS_TIMEOUT);
        return;
    }
    struct http2_exchange *h;
    while (s->host->receive_ns && (h = s->receiving.first) &&
           h->begun_ns + s->host->receive_ns <= now)
        expire_request(s, h);
    if (s->sending_since_ns && s->host->send_ns && s->sending_since_ns + s->host->send_ns <= now)
        s->sending_since_ns = expire_answers(s, &s->receiving, expire_answers(s, &s->open, 0));
    if (s->noticed_ns && s->noticed_ns + (uint64_t)SESSION_DRAIN_NOTICE_MS * 1000000 <= now)
        end_drain(s);
}

void http2_drain(struct session *base)
{
    struct http2_session *s = http2_of(base);
    if (s->noticed_ns || s->failed)
        return;
    s->noticed_ns = s->host->now_ns;
    if (nghttp2_submit_shutdown_notice(s->ng))
        end_drain(s);
}

/* nghttp2 sends a PING before what waits: it is asked for when the GOAWAY is on its way. */
int http2_drain_said(struct http2_session *s)
{
    return s->noticed_ns ? nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, NULL) : 0;
}

void http2_drain_seen(struct http2_session *s)
{
    if (s->noticed_ns)
        end_drain(s);
}

void http2_goodbye(struct session *base)
{
    struct http2_session *s = http2_of(base);
    if (!s->failed && nghttp2_session_terminate_session(s->ng, NGHTTP2_NO_ERROR))
        s->failed = true;
}
