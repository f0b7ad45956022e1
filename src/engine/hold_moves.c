/* hold_moves.c - the table of hold_moves.h. A row that is not here is a move that is refused. */
#include "engine/hold_moves.h"

#include <stddef.h>

const struct move_effect move_effects[] = {
#define X(name, number, on_hand, reserved, confirmed) [number] = {on_hand, reserved, confirmed},
    MOVE_KINDS(X)
#undef X
};

static const struct {
    int from;
    enum move_kind kind;
    int to;
} allowed[] = {
    {HOLD_NONE, MOVE_RESERVE, HOLD_PENDING},
    {HOLD_NONE, MOVE_FENCE, HOLD_REFUNDED},
    {HOLD_PENDING, MOVE_CONFIRM, HOLD_CONFIRMED},
    {HOLD_PENDING, MOVE_EXTEND, HOLD_PENDING},
    {HOLD_PENDING, MOVE_CHANGE, HOLD_PENDING},
    {HOLD_PENDING, MOVE_REFUND, HOLD_REFUNDED},
    {HOLD_CONFIRMED, MOVE_RELEASE, HOLD_CONFIRMED},
    {HOLD_CONFIRMED, MOVE_SHIP, HOLD_CONFIRMED},
    {HOLD_CONFIRMED, MOVE_RETURN, HOLD_REFUNDED},
    {HOLD_CONFIRMED, MOVE_RETURN, HOLD_CONFIRMED},
    {HOLD_CONFIRMED, MOVE_WRITE_OFF, HOLD_REFUNDED},
    {HOLD_CONFIRMED, MOVE_WRITE_OFF, HOLD_CONFIRMED},
    {HOLD_CONFIRMED, MOVE_RESTOCK, HOLD_REFUNDED},
    {HOLD_CONFIRMED, MOVE_RESTOCK, HOLD_CONFIRMED},
    {HOLD_CONFIRMED, MOVE_DISCARD, HOLD_REFUNDED},
    {HOLD_CONFIRMED, MOVE_DISCARD, HOLD_CONFIRMED},
    {HOLD_REFUNDED, MOVE_RECLAIM, HOLD_CONFIRMED},
};

int hold_move_target(int from, enum move_kind kind)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i].from == from && allowed[i].kind == kind)
            return allowed[i].to;
    }
    return HOLD_NONE;
}

int hold_move_end(int from, enum move_kind kind, bool refunded)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i].from == from && allowed[i].kind == kind &&
            (allowed[i].to == HOLD_REFUNDED) == refunded)
            return allowed[i].to;
    }
    return HOLD_NONE;
}
