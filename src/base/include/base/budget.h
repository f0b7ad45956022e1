/* budget.h - memory that strangers may make us use, reserved before it is taken.
 *
 * A worker has a budget, and all of them draw on the process's (struct budget_pot), in steps. What
 * is wanted least is refused first: each class may fill the budget up to a height of its own, so
 * that long answers do not keep out orders, and a flood of orders does not keep out the beginning
 * of a request, which is what tells a look at the server's health. Health and metrics have a
 * reserve beside it, which nothing else may touch.
 *
 * Nothing is allocated here. Whoever takes gives back the same number of bytes. A budget is its
 * worker's; the pot is shared by all threads.
 */
#ifndef TALLY_BASE_BUDGET_H
#define TALLY_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_class {
    BUDGET_BULK,  /* a request whose answer is long: up to half */
    BUDGET_BODY,  /* a request that is still arriving: up to three quarters */
    BUDGET_SMALL, /* a request as most are */
    BUDGET_BEGIN, /* a request of which nothing is known yet: a sixteenth beyond */
    BUDGET_VITAL, /* health and metrics: the reserve, a sixteenth */
};

enum { BUDGET_STEP_BYTES = 1 << 20 }; /* what a budget takes from the pot at a time */

struct budget_pot {
    _Atomic size_t used;
    size_t max;
};

struct budget {
    struct budget_pot *pot; /* NULL: alone */
    size_t max;             /* bytes */
    size_t used;
    size_t vital_used;
    size_t leased; /* from the pot: at least what is used, or about to be asked for */
    bool freed;    /* something came back; whoever lets waiting ones try again resets it */
};

void budget_init(struct budget *b, size_t max, struct budget_pot *pot);

/* How far a class may fill a budget of `max` bytes. */
static inline size_t budget_height(enum budget_class class, size_t max)
{
    static const uint8_t sixteenths[] = {8, 12, 16, 17, 1};
    return max / 16 * sixteenths[class];
}

bool budget_lease(struct budget *b, enum budget_class class, size_t bytes); /* the slow path */
void budget_unlease(struct budget *b);

/* False, and nothing is taken, where there is no room for it. */
static inline bool budget_take(struct budget *b, enum budget_class class, size_t bytes)
{
    size_t *used = class == BUDGET_VITAL ? &b->vital_used : &b->used;
    size_t height = budget_height(class, b->max);
    if (bytes > height || *used > height - bytes)
        return false;
    if (class != BUDGET_VITAL && *used + bytes > b->leased && !budget_lease(b, class, bytes))
        return false;
    *used += bytes;
    return true;
}

/* For what is there already and cannot be refused: later ones find less room. */
void budget_force(struct budget *b, size_t bytes);

static inline void budget_give(struct budget *b, enum budget_class class, size_t bytes)
{
    if (class == BUDGET_VITAL) {
        b->vital_used -= bytes;
        return;
    }
    b->used -= bytes;
    b->freed = true;
    if (b->leased - b->used > 3 * BUDGET_STEP_BYTES)
        budget_unlease(b);
}

/* More than half is used: nobody should take more than is needed now. */
static inline bool budget_tight(const struct budget *b)
{
    return b->used > b->max / 2;
}

#endif
