/* webhook_window.c - see webhook_window.h. Nothing here fails. */
#include "bus/webhook_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bit_of(uint64_t number)
{
    return UINT64_C(1) << ((number * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}

/* Numbers of reservations are far higher than those of lots. */
static void note_keys(struct delivery *d, const struct move *m)
{
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    d->keys = malloc((m->line_count + 1u) * sizeof *d->keys);
    for (uint32_t i = 0; i <= m->line_count; i++) {
        uint64_t key = i < m->line_count ? lines[i].lot : (uint64_t)m->reservation_id;
        if (!key)
            continue;
        d->bits |= bit_of(key);
        if (d->keys)
            d->keys[d->key_count++] = key;
    }
}

static bool same_key(const struct delivery *a, const struct delivery *b)
{
    if (!(a->bits & b->bits))
        return false;
    if (!a->keys || !b->keys)
        return true;
    for (uint32_t i = 0; i < a->key_count; i++) {
        for (uint32_t j = 0; j < b->key_count; j++) {
            if (a->keys[i] == b->keys[j])
                return true;
        }
    }
    return false;
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
    for (uint32_t i = 0; i < w->count; i++) {
        free(number(w, i)->body);
        free(number(w, i)->keys);
    }
    w->count = 0;
}

struct delivery *webhook_window_add(struct webhook_window *w, const struct move *m, char *body,
                                    uint32_t size)
{
    assert(w->count < WEBHOOK_WINDOW);
    struct delivery *d = number(w, w->count++);
    *d = (struct delivery){.id = m->seq, .at_ms = m->at_ms, .body = body, .size = size};
    note_keys(d, m);
    w->read_upto = m->seq;
    return d;
}

/* One before the i-th that is not done moves the same. `bits`: of all those. */
static bool is_held_up(struct webhook_window *w, uint32_t i, uint64_t bits)
{
    const struct delivery *d = number(w, i);
    if (!(d->bits & bits))
        return false;
    for (uint32_t j = 0; j < i; j++) {
        if (number(w, j)->state != DELIVERY_DONE && same_key(number(w, j), d))
            return true;
    }
    return false;
}

struct delivery *webhook_window_next(struct webhook_window *w, uint64_t now_ns, uint64_t *due_ns)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        struct delivery *d = number(w, i);
        if (d->state == DELIVERY_DONE)
            continue;
        if (d->state == DELIVERY_WAITS && !is_held_up(w, i, bits)) {
            if (d->due_ns <= now_ns) {
                d->state = DELIVERY_UNDER_WAY;
                d->attempts++;
                return d;
            }
            if (d->due_ns < *due_ns)
                *due_ns = d->due_ns;
        }
        bits |= d->bits;
    }
    return NULL;
}

void webhook_window_done(struct webhook_window *w, struct delivery *d)
{
    d->state = DELIVERY_DONE;
    free(d->body);
    free(d->keys);
    d->body = NULL;
    d->keys = NULL;
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
