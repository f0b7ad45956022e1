/* state.c - what every thread of the server may look at. */
#include "server/state.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int state_init(struct state *s, struct error *e)
{
    memset(s, 0, sizeof *s);
    atomic_store(&s->ledger_up, true);
    int code = pthread_mutex_init(&s->lock, NULL);
    return code ? error_set(e, TLY_ENO_MEMORY, "", "cannot make a lock: %s", strerror(code)) : 0;
}

void state_close(struct state *s)
{
    pthread_mutex_destroy(&s->lock);
}

static void doubt_in_words(struct state *s, char *why, size_t size)
{
    char ledger[RFC3339_SIZE], wall[RFC3339_SIZE];
    int64_t now_ms = state_now_ms(s);
    rfc3339_format(now_ms, ledger);
    rfc3339_format(now_ms + atomic_load_explicit(&s->clock_gap_ms, memory_order_relaxed), wall);
    snprintf(
        why, size,
        "the wall clock says %s, the ledger's time is %s; nothing ends by the wall clock until "
        "it is set right, or accepted by a start with --accept-clock",
        wall, ledger);
}

enum readiness state_readiness(struct state *s, char *why, size_t size)
{
    if (why)
        *why = 0;
    if (atomic_load_explicit(&s->draining, memory_order_relaxed))
        return READY_DRAINING;
    if (!atomic_load_explicit(&s->started, memory_order_relaxed))
        return READY_STARTING;
    uint64_t turned_ns = atomic_load_explicit(&s->turned_ns, memory_order_relaxed);
    if (turned_ns && clock_monotonic_ns() > turned_ns + ENGINE_STUCK_NS)
        return READY_ENGINE_STUCK;
    if (atomic_load_explicit(&s->ledger_up, memory_order_relaxed)) {
        if (why && atomic_load_explicit(&s->clock_doubted, memory_order_relaxed))
            doubt_in_words(s, why, size);
        else if (why && s->gate)
            gate_parts_describe(s->gate, why, size);
        return READY_YES;
    }
    if (why) {
        pthread_mutex_lock(&s->lock);
        snprintf(why, size, "%s", s->why);
        pthread_mutex_unlock(&s->lock);
    }
    return READY_LEDGER_DOWN;
}

void state_set_ledger(struct state *s, bool up, const char *why)
{
    pthread_mutex_lock(&s->lock);
    snprintf(s->why, sizeof s->why, "%s", why ? why : "");
    pthread_mutex_unlock(&s->lock);
    atomic_store_explicit(&s->ledger_up, up, memory_order_relaxed);
}

void state_publish_turn(struct state *s, uint64_t now_ns)
{
    atomic_store_explicit(&s->turned_ns, now_ns, memory_order_relaxed);
}

void state_publish_clock(struct state *s, const struct ledger_clock *clock)
{
    atomic_store_explicit(&s->clock_offset_ns, clock->now_ns - clock->boot_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&s->clock_gap_ms, clock->gap_ns / 1000000, memory_order_relaxed);
    atomic_store_explicit(&s->clock_doubted, clock->doubted, memory_order_relaxed);
}

int64_t state_now_ms(struct state *s)
{
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t boot_ns = (int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec;
    return (boot_ns + atomic_load_explicit(&s->clock_offset_ns, memory_order_relaxed)) / 1000000;
}
