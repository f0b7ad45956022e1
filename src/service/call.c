/* call.c - the pool of calls, and the limit on how long each may take.
 *
 * Happy path: taken, submitted, come back, returned. A call whose answer has not come when its time
 * is up answers its exchange and goes on without it: its memory is the engine's until the command
 * comes back. Calls that wait hang in a wheel of WAIT_SLOTS lists by the time when they are due, so
 * entering and leaving cost the same for any number of them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pages.h"
#include "service/service_internal.h"

static bool pool_grow(struct service *s)
{
    size_t bytes = sizeof(struct slab) + CALL_SLAB * sizeof(struct call);
    struct slab *slab = pool_chunk_alloc(s->slab_bytes, bytes, &bytes);
    if (!slab)
        return false;
    slab->next = s->slabs;
    slab->bytes = bytes;
    slab->count = (bytes - sizeof *slab) / sizeof(struct call);
    memset(slab->calls, 0, slab->count * sizeof(struct call));
    s->slabs = slab;
    s->slab_bytes += bytes;
    for (size_t i = slab->count; i-- > 0;) {
        struct call *c = &slab->calls[i];
        c->next = s->free_calls;
        s->free_calls = c;
    }
    return true;
}

/* What call_get() and service_complete() touch of a call. */
static inline void call_prefetch(const struct call *c)
{
    const char *p = (const char *)c;
    if (!c)
        return;
    for (size_t i = 0; i <= offsetof(struct call, text); i += 64)
        __builtin_prefetch(p + i, 1);
    __builtin_prefetch(c->buffer, 1);
}

void service_prefetch(const struct command *command, unsigned ahead)
{
    enum { EXCHANGE_BYTES = 640 };
    const struct call *c = call_of((struct command *)(uintptr_t)command);
    if (ahead > 1) {
        call_prefetch(c);
        return;
    }
    const char *p = (const char *)c->origin.exchange;
    for (size_t i = 0; p && i < EXCHANGE_BYTES; i += 64)
        __builtin_prefetch(p + i, 1);
}

struct call *call_get(struct service *s)
{
    if (!s->free_calls && !pool_grow(s))
        return NULL;
    struct call *c = s->free_calls;
    s->free_calls = c->next;
    call_prefetch(c->next); /* the one that will be taken next */
    memset(c, 0, offsetof(struct call, ask));
    c->service = s;
    c->text[0] = 0;
    c->command.text = c->text;
    c->command.text_size = CALL_TEXT_BYTES;
    arena_init(&c->arena, c->buffer, sizeof c->buffer, CALL_ARENA_BYTES_MAX);
    return c;
}

void call_put(struct service *s, struct call *c)
{
    assert(!c->origin.exchange);
    if (c->command.kind == COMMAND_GET_RESERVATION)
        free(c->command.get.record);
    else if (c->command.kind == COMMAND_LIST_RESERVATIONS)
        list_reservations_free(&c->command.list_reservations.list);
    s->batch_orders -= c->batch_orders;
    if (c->charged)
        budget_give(s->host.budget, BUDGET_SMALL, c->charged);
    if (c->arena.chunks)
        arena_reset(&c->arena);
    c->next = s->free_calls;
    s->free_calls = c;
}

static struct call **slot_of(struct service *s, uint64_t due_ns)
{
    return &s->waiting[(due_ns >> WAIT_SLOT_SHIFT) % WAIT_SLOTS];
}

void call_wait(struct service *s, struct call *c)
{
    struct call **slot = slot_of(s, c->due_ns);
    if (c->waiting)
        return;
    c->waiting = true;
    c->previous = NULL;
    c->next = *slot;
    if (*slot)
        (*slot)->previous = c;
    *slot = c;
}

void call_stop_waiting(struct service *s, struct call *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    if (c->previous)
        c->previous->next = c->next;
    else
        *slot_of(s, c->due_ns) = c->next;
    if (c->next)
        c->next->previous = c->previous;
}

void call_submit(struct service *s, struct call *c)
{
    if (c->stage == CALL_PREPARING) {
        s->inflight++;
        s->own += c->own;
    }
    c->stage = CALL_AT_ENGINE;
    if (c->origin.exchange)
        call_wait(s, c);
    s->host.submit(s->host.context, &c->command);
}

void call_wait_for_cache(struct service *s, struct call *c)
{
    c->stage = CALL_AT_CACHE;
    s->inflight++;
    if (c->origin.exchange)
        call_wait(s, c);
}

void call_leave_cache(struct service *s, struct call *c)
{
    assert(c->stage == CALL_AT_CACHE && s->inflight > 0);
    call_stop_waiting(s, c);
    s->inflight--;
    c->stage = CALL_PREPARING;
}

void service_leave_cache(struct service *s)
{
    s->leaving_cache = true;
    lot_filter_leave(s);
    cache_detach(s->host.cache);
    s->host.cache = NULL;
}

void call_ask_gate(struct service *s, struct call *c, struct gate_ask *asks, uint32_t count,
                   void (*admitted)(struct service *s, struct call *c))
{
    c->stage = CALL_AT_GATE;
    c->admitted = admitted;
    s->inflight++;
    call_wait(s, c);
    if (count == 0 || !s->host.gate) {
        admitted(s, c);
        return;
    }
    c->at_gate = count;
    s->asked += count;
    for (uint32_t i = 0; i < count; i++) {
        asks[i].context = c;
        gate_ask(s->host.gate, &asks[i]);
    }
}

void call_refused_at_gate(struct service *s, struct call *c)
{
    call_stop_waiting(s, c);
    s->inflight--;
    call_put(s, c);
}

void service_admitted(struct service *s, struct gate_ask *first)
{
    struct gate_ask *next;
    for (struct gate_ask *ask = first; ask; ask = next) {
        struct call *c = ask->context;
        next = ask->next;
        assert(c->stage == CALL_AT_GATE && c->at_gate > 0);
        if (--c->at_gate == 0)
            c->admitted(s, c);
    }
}

void service_flush_gate(struct service *s)
{
    if (s->asked == 0)
        return;
    s->asked = 0;
    s->flushing = true;
    gate_flush(s->host.gate, s->host.now_ms(s->host.context));
    s->flushing = false;
}

/* What the gate refused has left places. */
void service_flush(struct service *s)
{
    service_flush_gate(s);
    while (queue_could_advance(s)) {
        queue_advance(s);
        service_flush_gate(s);
    }
}

void service_leave_gate(struct service *s)
{
    gate_detach(s->host.gate);
    s->host.gate = NULL;
    s->asked = 0;
}

void service_complete(struct service *s, struct command *command)
{
    struct call *c = call_of(command);
    assert(c->stage == CALL_AT_ENGINE && s->inflight > 0);
    s->inflight--;
    s->own -= c->own;
    call_stop_waiting(s, c);
    queue_done(s, c);
    c->stage = CALL_PREPARING;
    if (c->origin.exchange || c->own || c->owes)
        c->finish(s, c);
    if (c->stage == CALL_PREPARING)
        call_put(s, c);
    queue_advance(s);
}

/* At the gate nothing was done yet, and nothing will be: the deadline is made to have passed, so
 * that the engine only gives back what the gate took. */
static void expire(struct service *s, struct call *c)
{
    if (c->stage == CALL_IN_QUEUE) {
        queue_expired(s, c);
        return;
    }
    call_stop_waiting(s, c);
    if (c->expired) {
        c->expired(s, c);
    } else if (c->stage == CALL_AT_GATE) {
        c->command.deadline_ns = 1;
        reply_code(s, &c->origin, TLY_EOVERLOADED);
    } else if (c->origin.route->writes) {
        reply_code(s, &c->origin, TLY_EOUTCOME_UNKNOWN);
    } else {
        reply_late(s, &c->origin);
    }
    if (s->host.budget) {
        c->charged = sizeof *c + c->arena.chunk_bytes;
        budget_force(s->host.budget, c->charged);
    }
}

void calls_expire(struct service *s, uint64_t now_ns)
{
    uint64_t last = now_ns >> WAIT_SLOT_SHIFT;
    uint64_t slot = s->waited_slot;
    if (last - slot >= WAIT_SLOTS)
        slot = last - WAIT_SLOTS + 1;
    for (; slot <= last; slot++) {
        struct call *next;
        for (struct call *c = s->waiting[slot % WAIT_SLOTS]; c; c = next) {
            next = c->next;
            if (c->due_ns <= now_ns)
                expire(s, c);
        }
    }
    s->waited_slot = last;
}

void calls_close(struct service *s)
{
    while (s->slabs) {
        struct slab *slab = s->slabs;
        s->slabs = slab->next;
        for (size_t i = 0; i < slab->count; i++) {
            struct call *c = &slab->calls[i];
            if (c->origin.exchange)
                reply_code(s, &c->origin,
                           c->stage == CALL_IN_QUEUE ? TLY_EOVERLOADED : TLY_EOUTCOME_UNKNOWN);
            arena_close(&c->arena);
        }
        pool_chunk_free(slab, slab->bytes);
    }
}
