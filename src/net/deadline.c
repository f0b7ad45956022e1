/* deadline.c - who is too slow: connections in lists ordered by when to look at them next.
 *
 * A connection whose limit passes is closed: a request that is not complete in time, an answer
 * that is not read, an idle connection, one that was told to close and does not. Looking is late by
 * at most one more limit, when the connection has changed its state in between. An idle connection
 * is first told to rest, long before it is closed.
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

/* When the connection will have been too slow, as it stands now; and in which list that belongs. */
static uint64_t deadline(const struct connection *c, enum check_list *list)
{
    const struct check_queue *queues = c->net->queues;
    uint64_t now = c->net->host.now_ns;
    *list = CHECK_IDLE;
    if (c->lingering) {
        *list = CHECK_LINGER;
        return c->progress_ns + queues[CHECK_LINGER].limit_ns;
    }
    uint64_t since = c->session ? c->session->ops->receiving_since(c->session) : 0;
    if (!c->session && c->sniffed_size)
        since = c->active_ns;
    uint64_t at = UINT64_MAX;
    if (since) {
        *list = CHECK_RECEIVE;
        at = since + queues[CHECK_RECEIVE].limit_ns;
    }
    if (c->stalled && c->progress_ns + queues[CHECK_SEND].limit_ns < at) {
        *list = CHECK_SEND;
        at = c->progress_ns + queues[CHECK_SEND].limit_ns;
    }
    if (at != UINT64_MAX)
        return at;
    if (c->session && !c->session->ops->idle(c->session))
        return now + queues[CHECK_IDLE].limit_ns; /* the server's turn */
    if (can_rest(c)) {
        *list = CHECK_REST;
        return c->active_ns + queues[CHECK_REST].limit_ns;
    }
    return c->active_ns + queues[CHECK_IDLE].limit_ns;
}

void deadline_add(struct connection *c)
{
    queue_add(c, CHECK_IDLE, c->net->host.now_ns + c->net->queues[CHECK_IDLE].limit_ns);
}

void deadline_remove(struct connection *c)
{
    queue_remove(c);
}

void deadline_update(struct connection *c)
{
    enum check_list list;
    if (c->check_ns <= c->net->host.now_ns + c->net->soonest_ns)
        return;
    bool waits = c->stalled || c->lingering || c->sniffed_size || can_rest(c) ||
                 (c->session && c->session->ops->receiving_since(c->session));
    if (!waits)
        return;
    uint64_t at = deadline(c, &list);
    if (at >= c->check_ns)
        return;
    queue_remove(c);
    queue_add(c, list, at);
}

void deadline_check(struct net *n)
{
    uint64_t now = n->host.now_ns;
    for (int i = 0; i < CHECK_LISTS; i++) {
        while (n->queues[i].first && n->queues[i].first->check_ns <= now) {
            struct connection *c = n->queues[i].first;
            enum check_list list;
            uint64_t at = deadline(c, &list);
            if (at > now) {
                queue_remove(c);
                queue_add(c, list, at);
                continue;
            }
            if (list == CHECK_REST) {
                c->session->ops->rest(c->session);
                c->rested = true;
                continue;
            }
            if (list == CHECK_RECEIVE || list == CHECK_SEND)
                net_count(n, METRIC_CONNECTIONS_TIMED_OUT, 1);
            connection_close(c);
        }
    }
}
