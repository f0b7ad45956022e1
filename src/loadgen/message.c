/* What an answer says is held against its call: the right order or reservation, a state that the
 * call can lead to, lines. A message that fails is ANSWER_MALFORMED; nothing of it is used.
 */
#include "loadgen/message.h"
#include "base/clock.h"

bool message_add_line(struct message *m, struct str lot, int64_t quantity)
{
    if (m->lines == 0)
        m->first_lot = lot;
    m->lines++;
    return quantity > 0 && !__builtin_add_overflow(m->quantity, quantity, &m->quantity);
}

/* "^[1-9][0-9]{0,18}$"; 0 for anything else. */
static uint64_t reservation_number(struct str text)
{
    enum { DIGITS_MAX = 19 }; /* fit 64 bits whatever they are */
    uint64_t n = 0;
    if (text.len == 0 || text.len > DIGITS_MAX || text.p[0] == '0')
        return 0;
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.p[i] - '0';
        if (digit > 9)
            return 0;
        n = n * 10 + digit;
    }
    return n;
}

static enum hold_status hold_status_of(struct str text)
{
    if (str_equal(text, STR("PENDING")))
        return HOLD_PENDING;
    if (str_equal(text, STR("CONFIRMED")))
        return HOLD_CONFIRMED;
    return str_equal(text, STR("REFUNDED")) ? HOLD_REFUNDED : HOLD_NONE;
}

static bool is_order(struct str text, const struct protocol_target *target, uint64_t order)
{
    char wanted[ORDER_ID_SIZE - 1];
    order_id_write(wanted, target->run, order);
    return text.len == sizeof wanted && memcmp(text.p, wanted, sizeof wanted) == 0;
}

static bool is_lot(struct str text, const struct protocol_target *target, const struct call *call)
{
    return call->lot < target->lot_count && str_equal(text, str_of(target->lots[call->lot]));
}

/* Whether the call may have led to this state. */
static bool fits(const struct call *call, enum hold_status status, bool replayed)
{
    switch (call->kind) {
    case CALL_CONFIRM:
        return status == HOLD_CONFIRMED;
    case CALL_REFUND:
        return status == HOLD_REFUNDED;
    case CALL_RESERVE:
    case CALL_RESERVE_BATCH:
        return status == HOLD_PENDING || (replayed && status != HOLD_NONE);
    default:
        return status != HOLD_NONE;
    }
}

static bool judge_reservation(const struct message *m, const struct protocol_target *target,
                              const struct call *call, struct answer *out)
{
    bool is_move = call->kind == CALL_CONFIRM || call->kind == CALL_REFUND;
    out->reservation_id = reservation_number(m->reservation_id);
    out->status = hold_status_of(m->status);
    out->replayed = m->replayed;
    out->quantity = m->quantity;
    out->lines = m->lines;
    out->reserve_moves = m->reserve_moves;
    out->expired = out->status == HOLD_REFUNDED && str_equal(m->reason, STR("EXPIRED"));
    if (!out->reservation_id || m->lines == 0 || !fits(call, out->status, m->replayed))
        return false;
    if (is_move ? out->reservation_id != call->reservation_id
                : !is_order(m->order_id, target, call->order))
        return false;
    if (is_move)
        return true;
    out->lot_matches = is_lot(m->first_lot, target, call);
    return call->kind != CALL_GET_ORDER || str_empty(m->expires_at) ||
           !rfc3339_parse(m->expires_at.p, m->expires_at.len, &out->expires_at_ms);
}

static bool judge_lot(const struct message *m, const struct protocol_target *target,
                      const struct call *call, struct answer *out)
{
    out->on_hand = m->on_hand;
    out->reserved = m->reserved;
    out->confirmed = m->confirmed;
    out->available = m->available;
    out->version = m->version;
    return is_lot(m->lot, target, call);
}

void message_judge(const struct message *m, const struct protocol_target *target,
                   const struct call *call, struct answer *out)
{
    bool good = call->kind == CALL_GET_LOT ? judge_lot(m, target, call, out)
                                           : judge_reservation(m, target, call, out);
    if (!good)
        *out = (struct answer){.code = ANSWER_MALFORMED};
}

bool message_judge_outcome(const struct message *reservation, struct str order_id, struct str code,
                           const struct protocol_target *target, const struct call *call,
                           uint32_t index, struct batch_outcome *out)
{
    uint64_t order = call->order + index;
    *out = (struct batch_outcome){.code = answer_parse(code.p, code.len)};
    if (str_empty(code) || !is_order(order_id, target, order))
        return false;
    if (out->code != ANSWER_OK)
        return true;
    enum hold_status status = hold_status_of(reservation->status);
    out->reservation_id = reservation_number(reservation->reservation_id);
    out->replayed = reservation->replayed;
    return out->reservation_id && reservation->lines > 0 &&
           is_order(reservation->order_id, target, order) &&
           fits(call, status, reservation->replayed);
}
