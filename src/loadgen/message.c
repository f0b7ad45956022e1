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
static uint64_t id_number(struct str text)
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
    case CALL_OPEN_GROUP:
        return status == HOLD_PENDING || (replayed && status != HOLD_NONE);
    default:
        return status != HOLD_NONE;
    }
}

static bool judge_reservation(const struct message *m, const struct protocol_target *target,
                              const struct call *call, struct answer *out)
{
    bool is_move = call->kind == CALL_CONFIRM || call->kind == CALL_REFUND;
    out->reservation_id = id_number(m->reservation_id);
    out->status = hold_status_of(m->status);
    out->replayed = m->replayed;
    out->quantity = m->quantity;
    out->lines = m->lines;
    out->reserve_moves = m->reserve_moves;
    out->expired = out->status == HOLD_REFUNDED && str_equal(m->reason, STR("EXPIRED"));
    out->group_failed = out->status == HOLD_REFUNDED && str_equal(m->reason, STR("GROUP_FAILED"));
    out->in_sale = target->sale[0] && str_equal(m->sale_id, str_of(target->sale));
    out->group_id = id_number(m->group_id);
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

static enum group_status group_status_of(struct str text)
{
    if (str_equal(text, STR("OPEN")))
        return GROUP_OPEN;
    if (str_equal(text, STR("SUCCEEDED")))
        return GROUP_SUCCEEDED;
    return str_equal(text, STR("FAILED")) ? GROUP_FAILED : GROUP_NONE;
}

static bool judge_group(const struct message *m, struct answer *out)
{
    const struct group_message *g = &m->group;
    out->group_id = id_number(g->group_id);
    out->group = group_status_of(g->status);
    out->places = g->places;
    out->places_left = g->places_left;
    out->paid = g->paid;
    out->remaining_ms = g->remaining_ms;
    return out->group_id && out->group != GROUP_NONE;
}

/* The opener's order is in the group that it opened. */
static bool judge_opened(const struct message *m, const struct protocol_target *target,
                         const struct call *call, struct answer *out)
{
    if (!judge_reservation(m, target, call, out))
        return false;
    uint64_t joined = out->group_id;
    return judge_group(m, out) && out->group_id == joined;
}

static bool judge_sale(const struct message *m, const struct protocol_target *target,
                       struct answer *out)
{
    const struct sale_message *s = &m->sale;
    out->sale_open = str_equal(s->status, STR("OPEN"));
    out->starts_in_ms = s->starts_in_ms;
    out->units_pending = s->units_pending;
    out->units_confirmed = s->units_confirmed;
    out->units_left = s->units_left;
    out->groups_open = s->groups_open;
    out->groups_succeeded = s->groups_succeeded;
    out->groups_failed = s->groups_failed;
    return !str_empty(s->sale_id) && str_equal(s->sale_id, str_of(target->sale)) &&
           !str_empty(s->status) && s->starts_in_ms >= 0;
}

void message_judge(const struct message *m, const struct protocol_target *target,
                   const struct call *call, struct answer *out)
{
    bool good;
    switch (call->kind) {
    case CALL_GET_LOT:
        good = judge_lot(m, target, call, out);
        break;
    case CALL_GET_GROUP:
        good = judge_group(m, out) && out->group_id == call->group_id;
        break;
    case CALL_OPEN_GROUP:
        good = judge_opened(m, target, call, out);
        break;
    case CALL_GET_SALE:
        good = judge_sale(m, target, out);
        break;
    default:
        good = judge_reservation(m, target, call, out);
        break;
    }
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
    out->reservation_id = id_number(reservation->reservation_id);
    out->replayed = reservation->replayed;
    return out->reservation_id && reservation->lines > 0 &&
           is_order(reservation->order_id, target, order) &&
           fits(call, status, reservation->replayed);
}
