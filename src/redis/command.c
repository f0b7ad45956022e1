/* command.c - a call on its way: what is sent of it, and who is told. Spare ones keep their buffer,
 * so that after warm-up a call allocates nothing. Failure: memory is short, and the call is not
 * made. */
#include <stdlib.h>
#include <string.h>

#include "redis/client.h"

enum { SPARE_ROOM_MAX = 64 << 10 }; /* bytes that a spare command keeps */

void queue_add(struct command_queue *q, struct command *c)
{
    c->next = NULL;
    if (q->first)
        q->last->next = c;
    else
        q->first = c;
    q->last = c;
}

struct command *queue_take(struct command_queue *q)
{
    struct command *c = q->first;
    if (c)
        q->first = c->next;
    return c;
}

struct command *command_make(struct redis *r, redis_reply_fn *fn, void *context)
{
    struct command *c = r->spare;
    if (c) {
        r->spare = c->next;
    } else {
        c = calloc(1, sizeof *c);
        if (!c)
            return NULL;
    }
    struct bytes body = c->body;
    body.size = 0;
    *c = (struct command){
        .fn = fn, .context = context, .body = body, .slot = NO_SLOT, .script = NO_SCRIPT};
    return c;
}

void command_drop(struct redis *r, struct command *c)
{
    if (!c->internal) {
        r->under_way--;
        r->bytes -= c->body.size;
        atomic_store_explicit(&r->stats.under_way, r->under_way, memory_order_relaxed);
    }
    if (c->body.room > SPARE_ROOM_MAX)
        bytes_close(&c->body);
    c->next = r->spare;
    r->spare = c;
}

void command_end(struct redis *r, struct command *c, enum redis_outcome outcome,
                 const struct redis_value *reply)
{
    redis_reply_fn *fn = c->fn;
    void *context = c->context;
    if (!c->internal && outcome == REDIS_ANSWERED)
        stat_add(&r->stats.answers_total, 1);
    else if (!c->internal && outcome == REDIS_REFUSED)
        stat_add(&r->stats.errors_total, 1);
    else if (!c->internal)
        stat_add(&r->stats.lost_total, 1);
    command_drop(r, c);
    if (fn && !r->closing)
        fn(context, outcome, reply);
}

bool command_put(struct command *c, const struct str *arguments, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!resp_put(&c->body, arguments[i]))
            return false;
    c->argument_count += (uint32_t)count;
    return true;
}

bool command_encode(const struct redis *r, const struct command *c, struct bytes *out)
{
    const size_t before = out->size;
    bool good;
    if (c->script == NO_SCRIPT) {
        good = resp_put_count(out, '*', c->argument_count);
    } else {
        const char *sha = r->sha[c->script];
        bool by_text = c->by_text || !sha[0];
        good = resp_put_count(out, '*', c->argument_count + 2) &&
               resp_put(out, by_text ? STR("EVAL") : STR("EVALSHA")) &&
               resp_put(out, by_text ? r->scripts[c->script].text : str_of(sha));
    }
    good = good && bytes_add(out, c->body.p, c->body.size);
    if (!good)
        out->size = before;
    return good;
}
