/* model.c - the names of kinds, states and reasons; the hash of an adjustment_id. */
#include "model/model.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"

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

const char *group_status_name(enum group_status status)
{
    switch (status) {
    case GROUP_IS_OPEN:
        return "OPEN";
    case GROUP_SUCCEEDED:
        return "SUCCEEDED";
    case GROUP_FAILED:
        return "FAILED";
    }
    return "?";
}

const char *queue_mode_name(enum queue_mode mode)
{
    switch (mode) {
    case QUEUE_NONE:
        return "";
    case QUEUE_FIRST_COME:
        return "FIRST_COME";
    case QUEUE_DRAWN:
        return "DRAWN";
    }
    return "?";
}

uint64_t adjustment_hash(struct str adjustment_id, uint64_t seed)
{
    char text[4 + ADJUSTMENT_ID_MAX] = "adj";
    assert(adjustment_id.len <= ADJUSTMENT_ID_MAX);
    if (adjustment_id.len)
        memcpy(text + 4, adjustment_id.p, adjustment_id.len);
    return hash64((struct str){text, 4 + adjustment_id.len}, seed);
}
