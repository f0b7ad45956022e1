/* budget.c - see budget.h. The pot is drawn on in whole steps, so that workers seldom meet there;
 * what is used stays below what was leased, but for what was forced on a full pot. */
#include "base/budget.h"

#include <assert.h>

void budget_init(struct budget *b, size_t max, struct budget_pot *pot)
{
    *b = (struct budget){.pot = pot, .max = max};
}

static size_t steps(size_t bytes)
{
    return (bytes + BUDGET_STEP_BYTES - 1) / BUDGET_STEP_BYTES * BUDGET_STEP_BYTES;
}

bool budget_lease(struct budget *b, enum budget_class class, size_t bytes)
{
    size_t wanted = steps(b->used + bytes - b->leased);
    if (b->pot) {
        size_t height = budget_height(class, b->pot->max);
        size_t used = atomic_load_explicit(&b->pot->used, memory_order_relaxed);
        do {
            if (wanted > height || used > height - wanted)
                return false;
        } while (!atomic_compare_exchange_weak_explicit(
            &b->pot->used, &used, used + wanted, memory_order_relaxed, memory_order_relaxed));
    }
    b->leased += wanted;
    return true;
}

void budget_unlease(struct budget *b)
{
    size_t kept = steps(b->used) + BUDGET_STEP_BYTES;
    size_t back = b->leased - kept;
    assert(b->leased > kept);
    if (b->pot)
        atomic_fetch_sub_explicit(&b->pot->used, back, memory_order_relaxed);
    b->leased = kept;
}

void budget_force(struct budget *b, size_t bytes)
{
    b->used += bytes;
    if (b->used <= b->leased)
        return;
    size_t wanted = steps(b->used - b->leased);
    if (b->pot)
        atomic_fetch_add_explicit(&b->pot->used, wanted, memory_order_relaxed);
    b->leased += wanted;
}
