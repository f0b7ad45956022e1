/* webhook_window.c - see webhook_window.h. Nothing here fails. */
#include "bus/webhook_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bit_of(uint64_t number)
{
    return UINT64_C(1) << ((number * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}

uint64_t delivery_touches(const struct move *m)
{
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    uint64_t touches = m->reservation_id ? bit_of((uint64_t)m->reservation_id) : 0;
    for (uint32_t i = 0; i < m->line_count; i++)
        touches |= bit_of(lines[i].lot);
    return touches;
}

void webhook_window_init(struct webhook_window *w, int64_t cursor)
{
    memset(w, 0, sizeof *w);
    w->read_upto = w->cursor = cursor;
}

static struct delivery *number(struct webhook_window *w, uint32_t i)
{
    return &w->at[(w->first + i) % WEBHOOK_WINDOW];
}

void webhook_window_close(struct webhook_window *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        free(number(w, i)->body);
    w->count = 0;
}

struct delivery *webhook_window_add(struct webhook_window *w, const struct move *m, char *body,
                                    uint32_t size)
{
    assert(w->count < WEBHOOK_WINDOW);
    struct delivery *d = number(w, w->count++);
    *d = (struct delivery){.id = m->seq,
                           .at_ms = m->at_ms,
                           .touches = delivery_touches(m),
                           .body = body,
                           .size = size};
    w->read_upto = m->seq;
    return d;
}

struct delivery *webhook_window_next(struct webhook_window *w, uint64_t now_ns, uint64_t *due_ns)
{
    uint64_t held_up = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        struct delivery *d = number(w, i);
        if (d->state == DELIVERY_DONE)
            continue;
        if (d->state == DELIVERY_WAITS && !(d->touches & held_up)) {
            if (d->due_ns <= now_ns) {
                d->state = DELIVERY_UNDER_WAY;
                d->attempts++;
                return d;
            }
            if (d->due_ns < *due_ns)
                *due_ns = d->due_ns;
        }
        held_up |= d->touches;
    }
    return NULL;
}

void webhook_window_done(struct webhook_window *w, struct delivery *d)
{
    d->state = DELIVERY_DONE;
    free(d->body);
    d->body = NULL;
    while (w->count && number(w, 0)->state == DELIVERY_DONE) {
        w->cursor = number(w, 0)->id;
        w->first = (w->first + 1) % WEBHOOK_WINDOW;
        w->count--;
    }
    if (w->count == 0)
        w->cursor = w->read_upto;
}

void webhook_window_again(struct delivery *d, uint64_t due_ns)
{
    d->state = DELIVERY_WAITS;
    d->due_ns = due_ns;
}

int64_t webhook_backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t failures, uint64_t random)
{
    int64_t ms = first_ms;
    for (uint32_t i = 1; i < failures && ms < max_ms; i++)
        ms *= 2;
    if (ms > max_ms)
        ms = max_ms;
    return ms - (int64_t)(random % (uint64_t)(ms / 2 + 1));
}
