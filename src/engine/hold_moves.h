/* hold_moves.h - which moves a hold may make: the one table of it.
 *
 *                confirm (payment arrived)
 *     PENDING ───────────────────────────► CONFIRMED ──┐ release: the units that a confirm of
 *      │   ▲ │ expire / cancel / group failed   │   ▲──┘ fewer left over; follows it at once
 *      └───┘ │                                  │      │ ship; the returns, of a part
 *      extend└──────────────► REFUNDED ◄────────┘      │
 *      change                     ▲  │        the returns (return, write_off; restock, discard
 *                      fence ─────┘  │        of shipped units), of all that is left, within
 *                                    │        the refund window
 *                                    └► CONFIRMED, by reclaim, of one that had EXPIRED
 */
#ifndef TALLY_ENGINE_HOLD_MOVES_H
#define TALLY_ENGINE_HOLD_MOVES_H

#include <stdbool.h>

#include "model/model.h"

/* What `on_hand`, `reserved` and `confirmed` change by for one unit of a move. */
struct move_effect {
    int8_t on_hand;
    int8_t reserved;
    int8_t confirmed;
};

extern const struct move_effect move_effects[];

enum { HOLD_NONE = 0 }; /* where a RESERVE starts from */

/* The state that `kind` leads to from `from`, or HOLD_NONE if it is not allowed. */
int hold_move_target(int from, enum move_kind kind);
/* The same of one of its two where a kind leads to REFUNDED or elsewhere. */
int hold_move_end(int from, enum move_kind kind, bool refunded);

#endif
