/* timers.c - see timers.h.
 *
 * `now_ms` of the wheel is the millisecond that was dealt with last. The fine ring holds only what
 * falls into the current granule or was overdue when it came; the granule ring what is less than
 * 65,536 granules ahead; the coarse ring the rest, at most 4,095 slots ahead (198 days): what is
 * due later is put there again when the slot comes round.
 */
#include "engine/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/holds.h"

enum {
    FINE_SLOTS = 64,
    GRANULE_SHIFT = 6,
    GRANULE_SLOTS = 65536,
    COARSE_SHIFT = 22,
    COARSE_SLOTS = 4096,
    RING_FINE = 0,
    RING_GRANULE = FINE_SLOTS,
    RING_COARSE = FINE_SLOTS + GRANULE_SLOTS,
    SLOTS = FINE_SLOTS + GRANULE_SLOTS + COARSE_SLOTS,
};

struct timer_slot {
    struct hold *first;
    int64_t earliest_ms;
};

struct timers {
    int64_t now_ms;
    uint64_t count;
    uint64_t fine_used;
    uint64_t granule_used[GRANULE_SLOTS / 64];
    uint64_t granule_words[GRANULE_SLOTS / 64 / 64]; /* which words of granule_used are not 0 */
    uint64_t coarse_used[COARSE_SLOTS / 64];
    struct timer_slot slots[SLOTS];
};

struct timers *timers_create(void)
{
    return calloc(1, sizeof(struct timers));
}

void timers_destroy(struct timers *t)
{
    free(t);
}

void timers_start(struct timers *t, int64_t now_ms)
{
    assert(t->count == 0);
    t->now_ms = now_ms;
}

size_t timers_bytes(const struct timers *t)
{
    return sizeof *t;
}

static void mark(struct timers *t, uint32_t slot, bool used)
{
    uint32_t i = slot;
    uint64_t *word;
    if (slot < RING_GRANULE) {
        word = &t->fine_used;
    } else if (slot < RING_COARSE) {
        i = slot - RING_GRANULE;
        word = &t->granule_used[i / 64];
    } else {
        i = slot - RING_COARSE;
        word = &t->coarse_used[i / 64];
    }
    uint64_t bit = UINT64_C(1) << (i % 64);
    *word = used ? *word | bit : *word & ~bit;
    if (slot >= RING_GRANULE && slot < RING_COARSE) {
        bit = UINT64_C(1) << (i / 64 % 64);
        uint64_t *summary = &t->granule_words[i / 64 / 64];
        *summary = *word ? *summary | bit : *summary & ~bit;
    }
}

static uint32_t slot_for(const struct timers *t, int64_t deadline_ms)
{
    if (deadline_ms < t->now_ms)
        deadline_ms = t->now_ms;
    int64_t granule = deadline_ms >> GRANULE_SHIFT;
    int64_t ahead = granule - (t->now_ms >> GRANULE_SHIFT);
    if (ahead == 0)
        return (uint32_t)(deadline_ms & (FINE_SLOTS - 1));
    if (ahead < GRANULE_SLOTS)
        return RING_GRANULE + (uint32_t)(granule & (GRANULE_SLOTS - 1));
    int64_t coarse = deadline_ms >> COARSE_SHIFT;
    int64_t coarse_now = t->now_ms >> COARSE_SHIFT;
    if (coarse - coarse_now >= COARSE_SLOTS)
        coarse = coarse_now + COARSE_SLOTS - 1;
    return RING_COARSE + (uint32_t)(coarse & (COARSE_SLOTS - 1));
}

void timers_insert(struct timers *t, struct hold *h)
{
    assert(h->timer_slot == HOLD_NO_TIMER);
    uint32_t number = slot_for(t, h->deadline_ms);
    struct timer_slot *slot = &t->slots[number];
    if (!slot->first) {
        slot->earliest_ms = h->deadline_ms;
        mark(t, number, true);
    } else {
        if (h->deadline_ms < slot->earliest_ms)
            slot->earliest_ms = h->deadline_ms;
        slot->first->timer_previous = h;
    }
    h->timer_next = slot->first;
    h->timer_previous = NULL;
    h->timer_slot = number & 0x7ffffu;
    slot->first = h;
    t->count++;
}

void timers_cancel(struct timers *t, struct hold *h)
{
    assert(h->timer_slot != HOLD_NO_TIMER);
    uint32_t number = h->timer_slot;
    struct timer_slot *slot = &t->slots[number];
    if (h->timer_next)
        h->timer_next->timer_previous = h->timer_previous;
    if (h->timer_previous)
        h->timer_previous->timer_next = h->timer_next;
    else
        slot->first = h->timer_next;
    if (!slot->first)
        mark(t, number, false);
    h->timer_next = h->timer_previous = NULL;
    h->timer_slot = HOLD_NO_TIMER;
    t->count--;
}

/* The first granule after the current one that is in use, counted from it; 0 if none is. */
static uint32_t granule_ahead(const struct timers *t)
{
    uint32_t from = (uint32_t)(t->now_ms >> GRANULE_SHIFT) & (GRANULE_SLOTS - 1);
    uint32_t start = (from + 1) & (GRANULE_SLOTS - 1);
    uint64_t word = t->granule_used[start / 64] & (~UINT64_C(0) << (start % 64));
    uint32_t at = start / 64;
    if (!word) {
        /* Whole words, by their summary: the rest of the first one's, then the others round. */
        const uint32_t words = GRANULE_SLOTS / 64 / 64;
        uint32_t first = at / 64;
        uint64_t after = at % 64 == 63 ? 0 : ~UINT64_C(0) << (at % 64 + 1);
        uint64_t summary = t->granule_words[first] & after;
        uint32_t i = first;
        for (uint32_t step = 0; !summary && step < words; step++) {
            i = (i + 1) % words;
            summary = t->granule_words[i];
        }
        if (!summary)
            return 0;
        at = i * 64 + (uint32_t)__builtin_ctzll(summary);
        word = t->granule_used[at];
    }
    uint32_t found = at * 64 + (uint32_t)__builtin_ctzll(word);
    return (found - from) & (GRANULE_SLOTS - 1);
}

static uint32_t coarse_ahead(const struct timers *t)
{
    uint32_t from = (uint32_t)(t->now_ms >> COARSE_SHIFT) & (COARSE_SLOTS - 1);
    for (uint32_t i = 1; i < COARSE_SLOTS; i++) {
        uint32_t slot = (from + i) & (COARSE_SLOTS - 1);
        if (slot % 64 == 0 && !t->coarse_used[slot / 64]) {
            i += 63;
            continue;
        }
        if (t->coarse_used[slot / 64] >> (slot % 64) & 1)
            return i;
    }
    return 0;
}

/* Slots that come round: what is in them is put where it belongs now. */
static void scatter(struct timers *t, uint32_t number)
{
    struct hold *h = t->slots[number].first;
    t->slots[number].first = NULL;
    mark(t, number, false);
    while (h) {
        struct hold *next = h->timer_next;
        h->timer_slot = HOLD_NO_TIMER;
        t->count--;
        timers_insert(t, h);
        h = next;
    }
}

/* The first slot of each ring that is in use; false if none is. A coarse slot may start before the
 * first granule and still hold only what is due after it. */
struct ring_head {
    uint32_t number;
    int64_t start_ms;
};

static bool granule_head(const struct timers *t, struct ring_head *head)
{
    uint32_t ahead = granule_ahead(t);
    int64_t granule = (t->now_ms >> GRANULE_SHIFT) + ahead;
    head->number = RING_GRANULE + (uint32_t)(granule & (GRANULE_SLOTS - 1));
    head->start_ms = granule << GRANULE_SHIFT;
    return ahead != 0;
}

static bool coarse_head(const struct timers *t, struct ring_head *head)
{
    uint32_t ahead = coarse_ahead(t);
    int64_t coarse = (t->now_ms >> COARSE_SHIFT) + ahead;
    head->number = RING_COARSE + (uint32_t)(coarse & (COARSE_SLOTS - 1));
    head->start_ms = coarse << COARSE_SHIFT;
    return ahead != 0;
}

/* The slot that comes round next; of two at the same time the coarse one, whose holds may belong
 * into the other. */
static bool next_slot(const struct timers *t, struct ring_head *head)
{
    struct ring_head coarse;
    bool found = granule_head(t, head);
    if (!coarse_head(t, &coarse) || (found && head->start_ms < coarse.start_ms))
        return found;
    *head = coarse;
    return true;
}

static uint32_t granule_now(const struct timers *t)
{
    return RING_GRANULE + (uint32_t)((t->now_ms >> GRANULE_SHIFT) & (GRANULE_SLOTS - 1));
}

struct hold *timers_due(struct timers *t, int64_t now_ms)
{
    while (t->count) {
        if (t->fine_used) {
            uint32_t number = (uint32_t)__builtin_ctzll(t->fine_used);
            int64_t at = (t->now_ms & ~(int64_t)(FINE_SLOTS - 1)) + number;
            if (at > now_ms)
                break;
            struct hold *h = t->slots[number].first;
            if (at > t->now_ms)
                t->now_ms = at;
            timers_cancel(t, h);
            return h;
        }
        struct ring_head head;
        if (!next_slot(t, &head) || head.start_ms > now_ms)
            break;
        t->now_ms = head.start_ms;
        scatter(t, head.number);
        /* A coarse slot starts together with a granule, which is the current one now. */
        if (head.number >= RING_COARSE)
            scatter(t, granule_now(t));
    }
    if (now_ms > t->now_ms)
        t->now_ms = now_ms;
    return NULL;
}

int64_t timers_next(const struct timers *t)
{
    if (!t->count)
        return INT64_MAX;
    if (t->fine_used)
        return t->slots[__builtin_ctzll(t->fine_used)].earliest_ms;
    struct ring_head heads[2];
    bool found[] = {granule_head(t, &heads[0]), coarse_head(t, &heads[1])};
    int64_t earliest_ms = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        int64_t slot_ms = found[i] ? t->slots[heads[i].number].earliest_ms : INT64_MAX;
        if (slot_ms < earliest_ms)
            earliest_ms = slot_ms;
    }
    return earliest_ms;
}
