/* deadline.c - who is too slow: connections in lists ordered by when to look at them next.
 *
 * What is too slow is ended by itself where the protocol can: a request that is not complete in
 * time, a stream whose answer the client does not take (the session's expire()). A connection is
 * closed whose socket takes nothing, and one that was told to close and does not; an idle one is
 * told first (GOAWAY), and long before that to rest. One that has reached its age is drained.
 * Looking is late by at most one more limit, when the connection has changed its state in between.
 */
#include "net/connection.h"

static void queue_remove(struct connection *c)
{
    struct check_queue *q = &c->net->queues[c->list];
    if (c->previous)
        c->previous->next = c->next;
    else
        q->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    else
        q->last = c->previous;
}

static void queue_add(struct connection *c, enum check_list list, uint64_t check_ns)
{
    struct check_queue *q = &c->net->queues[list];
    c->list = (uint8_t)list;
    c->check_ns = q->last && q->last->check_ns > check_ns ? q->last->check_ns : check_ns;
    c->next = NULL;
    c->previous = q->last;
    if (q->last)
        q->last->next = c;
    else
        q->first = c;
    q->last = c;
}

static bool can_rest(const struct connection *c)
{
    return c->session && c->session->ops->rest && !c->rested;
}

static enum check_list list_of(enum session_wait wait)
{
    return wait == WAIT_RECEIVE ? CHECK_RECEIVE : wait == WAIT_SEND ? CHECK_SEND : CHECK_DRAIN;
}

static void sooner(uint64_t at, enum check_list list, uint64_t *first, enum check_list *first_list)
{
    if (at < *first) {
        *first = at;
        *first_list = list;
    }
}

/* The limit that something under way has now, UINT64_MAX: none. */
static uint64_t limit_now(const struct connection *c, enum check_list *list)
{
    const struct check_queue *queues = c->net->queues;
    uint64_t first = UINT64_MAX, at = 0;
    enum session_wait wait = c->session ? c->session->ops->due(c->session, &at) : WAIT_NONE;
    if (wait != WAIT_NONE)
        sooner(at, list_of(wait), &first, list);
    if (!c->session && c->sniffed_size)
        sooner(c->active_ns + queues[CHECK_RECEIVE].limit_ns, CHECK_RECEIVE, &first, list);
    if (c->stalled)
        sooner(c->progress_ns + queues[CHECK_SEND].limit_ns, CHECK_SEND, &first, list);
    if (c->over)
        sooner(c->born_ns + queues[CHECK_LINGER].limit_ns, CHECK_LINGER, &first, list);
    return first;
}

/* When the connection is to be looked at, as it stands now; and in which list that belongs. */
static uint64_t deadline(const struct connection *c, enum check_list *list)
{
    const struct check_queue *queues = c->net->queues;
    if (c->lingering || c->said_goodbye) {
        *list = CHECK_LINGER;
        return c->progress_ns + queues[CHECK_LINGER].limit_ns;
    }
    uint64_t first = limit_now(c, list);
    bool limited = first != UINT64_MAX;
    if (queues[CHECK_AGE].limit_ns && !c->aged)
        sooner(c->born_ns + queues[CHECK_AGE].limit_ns, CHECK_AGE, &first, list);
    if (limited)
        return first;
    if (c->session && !c->session->ops->idle(c->session)) /* the server's turn */
        sooner(c->net->host.now_ns + queues[CHECK_IDLE].limit_ns, CHECK_IDLE, &first, list);
    else if (can_rest(c))
        sooner(c->active_ns + queues[CHECK_REST].limit_ns, CHECK_REST, &first, list);
    else
        sooner(c->active_ns + queues[CHECK_IDLE].limit_ns, CHECK_IDLE, &first, list);
    return first;
}

static void look_again(struct connection *c)
{
    enum check_list list = CHECK_IDLE;
    uint64_t at = deadline(c, &list);
    queue_remove(c);
    queue_add(c, list, at);
}

void deadline_add(struct connection *c)
{
    enum check_list list = CHECK_IDLE;
    uint64_t at = deadline(c, &list);
    queue_add(c, list, at);
}

void deadline_remove(struct connection *c)
{
    queue_remove(c);
}

void deadline_update(struct connection *c)
{
    enum check_list list = CHECK_IDLE;
    uint64_t at;
    if (c->check_ns <= c->net->host.now_ns + c->net->soonest_ns)
        return;
    bool waits = c->stalled || c->lingering || c->said_goodbye || c->over || c->sniffed_size ||
                 can_rest(c) || (c->session && c->session->ops->due(c->session, &at));
    if (!waits)
        return;
    at = deadline(c, &list);
    if (at >= c->check_ns)
        return;
    queue_remove(c);
    queue_add(c, list, at);
}

/* The session ends what is due; a connection with which it can do nothing is closed. */
static void expire(struct connection *c)
{
    enum check_list list;
    if (!c->is_http2)
        net_count(c->net, METRIC_CONNECTIONS_TIMED_OUT, 1);
    c->session->ops->expire(c->session);
    if (deadline(c, &list) <= c->net->host.now_ns) {
        connection_close(c);
        return;
    }
    look_again(c);
    connection_dirty(c);
}

/* `list`: which of the limits it is that has passed. */
static void passed(struct connection *c, enum check_list list)
{
    uint64_t at;
    switch (list) {
    case CHECK_REST:
        c->session->ops->rest(c->session);
        c->rested = true;
        look_again(c);
        return;
    case CHECK_AGE:
        c->aged = true;
        connection_drain(c);
        break;
    case CHECK_IDLE:
        connection_goodbye(c);
        break;
    case CHECK_RECEIVE:
    case CHECK_SEND:
    case CHECK_DRAIN:
        if (c->session && c->session->ops->due(c->session, &at) && at <= c->net->host.now_ns &&
            !(c->stalled &&
              c->progress_ns + c->net->queues[CHECK_SEND].limit_ns <= c->net->host.now_ns)) {
            expire(c);
            return;
        }
        net_count(c->net, METRIC_CONNECTIONS_TIMED_OUT, 1);
        connection_close(c);
        return;
    default:
        if (c->over && !c->lingering)
            connection_goodbye(c);
        else
            connection_close(c);
        break;
    }
    if (!c->closing)
        look_again(c);
}

void deadline_check(struct net *n)
{
    uint64_t now = n->host.now_ns;
    for (int i = 0; i < CHECK_LISTS; i++) {
        while (n->queues[i].first && n->queues[i].first->check_ns <= now) {
            struct connection *c = n->queues[i].first;
            enum check_list list = CHECK_IDLE;
            if (deadline(c, &list) > now)
                look_again(c);
            else
                passed(c, list);
        }
    }
}
