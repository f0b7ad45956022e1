/* effects.h - what a row does to the counters of a lot, as the judge understands it: written down
 * here on its own, so that a wrong sign in the engine's table is found and not repeated. The
 * simulated ledger's disk counts with it too. */
#ifndef TALLY_SIM_EFFECTS_H
#define TALLY_SIM_EFFECTS_H

#include "model/model.h"

/* Changes of `stock` by one row that has `quantity` units of its lot. */
static inline void effect_on(struct stock *s, uint8_t kind, int64_t quantity)
{
    switch (kind) {
    case MOVE_CREATE:
    case MOVE_ADJUST: /* units come into the house, or are written off */
        s->on_hand += quantity;
        break;
    case MOVE_RESERVE:
        s->reserved += quantity;
        break;
    case MOVE_CONFIRM: /* who held them has paid */
        s->reserved -= quantity;
        s->confirmed += quantity;
        break;
    case MOVE_RELEASE:
    case MOVE_REFUND: /* what was held is free */
        s->reserved -= quantity;
        break;
    case MOVE_RETURN: /* what was paid for is free */
        s->confirmed -= quantity;
        break;
    case MOVE_SHIP:      /* what was paid for has left the house */
    case MOVE_WRITE_OFF: /* or is not sold again */
        s->on_hand -= quantity;
        s->confirmed -= quantity;
        break;
    case MOVE_RESTOCK: /* what had left is here again */
        s->on_hand += quantity;
        break;
    case MOVE_CHANGE: /* more is held, or less */
        s->reserved += quantity;
        break;
    case MOVE_RECLAIM: /* what was free is paid for */
        s->confirmed += quantity;
        break;
    default: /* EXTEND and DISCARD move no units */
        break;
    }
    s->version++;
}

#endif
