/* breaker.c - see breaker.h. Pure; it cannot fail. */
#include "redis/breaker.h"

void breaker_init(struct breaker *b, const struct breaker_limits *limits)
{
    *b = (struct breaker){.limits = *limits, .open_ms = limits->open_ms};
}

bool breaker_allows(struct breaker *b, uint64_t now_ms)
{
    if (b->state == BREAKER_CLOSED)
        return true;
    if (b->state == BREAKER_OPEN) {
        if (now_ms < b->open_until_ms)
            return false;
        b->state = BREAKER_HALF_OPEN;
        b->probe_ms = 0;
    }
    if (b->probe_ms && now_ms - b->probe_ms < b->limits.open_max_ms)
        return false;
    b->probe_ms = now_ms ? now_ms : 1;
    return true;
}

void breaker_good(struct breaker *b)
{
    if (b->state == BREAKER_OPEN)
        return; /* asked before it opened */
    if (b->state == BREAKER_HALF_OPEN) {
        b->state = BREAKER_CLOSED;
        b->open_ms = b->limits.open_ms;
        b->score = 0;
    }
    if (b->score)
        b->score--;
}

void breaker_trip(struct breaker *b, uint64_t now_ms, uint32_t dice)
{
    if (b->state == BREAKER_HALF_OPEN)
        b->open_ms =
            b->open_ms < b->limits.open_max_ms / 2 ? 2 * b->open_ms : b->limits.open_max_ms;
    b->state = BREAKER_OPEN;
    b->open_until_ms = now_ms + b->open_ms + dice % (b->open_ms / 4 + 1);
    b->score = 0;
}

void breaker_bad(struct breaker *b, uint64_t now_ms, uint32_t dice)
{
    if (b->state == BREAKER_OPEN)
        return;
    b->score += 2;
    if (b->state == BREAKER_HALF_OPEN || b->score >= 2 * b->limits.bad_max)
        breaker_trip(b, now_ms, dice);
}

void breaker_try(struct breaker *b)
{
    if (b->state != BREAKER_OPEN)
        return;
    b->state = BREAKER_HALF_OPEN;
    b->probe_ms = 0;
}
