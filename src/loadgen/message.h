/* message.h - what an answer's message says, before it is believed.
 *
 * The decoders of both protocols fill a struct message with texts that lie in the received bytes;
 * here they are held against the call. What does not belong to the call, or is not what the
 * contract says, is ANSWER_MALFORMED.
 */
#ifndef TALLY_LOADGEN_MESSAGE_H
#define TALLY_LOADGEN_MESSAGE_H

#include "base/str.h"
#include "loadgen/protocol.h"

/* All zero: nothing was told, which in this API is a field's zero value. */
struct message {
    /* A reservation. */
    struct str reservation_id, order_id, status, reason, expires_at;
    struct str first_lot; /* of the first line */
    int64_t quantity;     /* of all lines */
    uint32_t lines;
    uint32_t reserve_moves;
    bool replayed;
    struct str sale_id, group_id; /* that it is in */
    /* A lot. */
    struct str lot;
    int64_t on_hand, reserved, confirmed, available, version;
    /* A group; OpenGroup's has the opener's reservation, too. */
    struct group_message {
        struct str group_id, status;
        int64_t places, places_left, paid, remaining_ms;
    } group;
    /* A sale. */
    struct sale_message {
        struct str sale_id, status;
        int64_t starts_in_ms, units_pending, units_confirmed, units_left;
        int64_t groups_open, groups_succeeded, groups_failed;
    } sale;
};

/* A line of the message; false: no sum of lines can be that. */
bool message_add_line(struct message *m, struct str lot, int64_t quantity) MUST_CHECK;

/* Completes `out`, which is zero, with ANSWER_OK or ANSWER_MALFORMED and what there is to know. Any
 * kind but RESERVE_BATCH. */
void message_judge(const struct message *m, const struct protocol_target *target,
                   const struct call *call, struct answer *out);
/* Outcome number `index` of a RESERVE_BATCH; `reservation` may be all zero if code is not OK.
 * False: it is not that. */
bool message_judge_outcome(const struct message *reservation, struct str order_id, struct str code,
                           const struct protocol_target *target, const struct call *call,
                           uint32_t index, struct batch_outcome *out) MUST_CHECK;

#endif
