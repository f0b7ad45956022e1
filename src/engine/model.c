/* model.c - the names of kinds, states and reasons. */
#include "engine/model.h"

#include <stddef.h>

const char *move_kind_name(enum move_kind kind)
{
    switch (kind) {
#define X(name, number, on_hand, reserved, confirmed)                                              \
    case MOVE_##name:                                                                              \
        return #name;
        MOVE_KINDS(X)
#undef X
    }
    return "?";
}

const char *hold_state_name(enum hold_state state)
{
    switch (state) {
    case HOLD_PENDING:
        return "PENDING";
    case HOLD_CONFIRMED:
        return "CONFIRMED";
    case HOLD_REFUNDED:
        return "REFUNDED";
    }
    return "?";
}

const char *refund_reason_name(enum refund_reason reason)
{
    static const char *const names[] = {
#define X(name, number) [number] = #name,
        REFUND_REASONS(X)
#undef X
    };
    if (reason == REASON_NONE)
        return "";
    return (size_t)reason < sizeof names / sizeof names[0] ? names[reason] : "?";
}

int refund_reason_parse(struct str name)
{
#define X(word, number)                                                                            \
    if (REASON_##word != REASON_NONE && str_equal(name, STR(#word)))                               \
        return (number);
    REFUND_REASONS(X)
#undef X
    return -1;
}
