/* session.c - tells HTTP/2 (prior knowledge) from HTTP/1 by the client's preface; the line of those
 * who wait for the worker's memory. */
#include "wire/session.h"

enum { TRIES_MAX = 16 }; /* in vain, in one turn */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum sniff session_sniff(const uint8_t *data, size_t size)
{
    size_t whole = sizeof(preface) - 1;
    if (memcmp(data, preface, size < whole ? size : whole) != 0)
        return SNIFF_HTTP1;
    return size < whole ? SNIFF_MORE : SNIFF_HTTP2;
}

void session_line_join(struct session_host *host, struct session *s)
{
    if (s->in_line)
        return;
    s->in_line = true;
    s->line_next = NULL;
    s->line_previous = host->line_newest;
    if (host->line_newest)
        host->line_newest->line_next = s;
    else
        host->line = s;
    host->line_newest = s;
}

void session_line_leave(struct session_host *host, struct session *s)
{
    if (!s->in_line)
        return;
    s->in_line = false;
    if (s->line_previous)
        s->line_previous->line_next = s->line_next;
    else
        host->line = s->line_next;
    if (s->line_next)
        s->line_next->line_previous = s->line_previous;
    else
        host->line_newest = s->line_previous;
}

void session_line_run(struct session_host *host)
{
    struct session *next;
    unsigned tries = 0;
    bool freed = host->budget && host->budget->freed;
    for (struct session *s = host->line; s && tries < TRIES_MAX; s = next) {
        next = s->line_next;
        if (!freed && host->now_ns < s->waits_until_ns)
            break;
        if (s->ops->resume(s))
            host->want_write(s->connection);
        else
            tries++;
    }
    if (host->budget)
        host->budget->freed = false;
}
