/* verify_history.c - one reservation's moves, in order, against the diagram of states:
 *
 *   RESERVE -> PENDING   PENDING: EXTEND, CHANGE -> PENDING, CONFIRM [RELEASE] -> CONFIRMED,
 *                        REFUND -> REFUNDED
 *   CONFIRMED: SHIP -> CONFIRMED; RETURN, WRITE_OFF, RESTOCK, DISCARD -> CONFIRMED, and REFUNDED
 *              with the last unit, which is when they have a reason
 *   REFUNDED, because it expired: RECLAIM -> CONFIRMED        FENCE -> REFUNDED
 *
 * A CONFIRM of fewer units than held is followed at once by a RELEASE of the others. A REFUND gives
 * back exactly what is held. What is shipped or returned never exceeds what there is of it: a unit
 * is on hand, or has left, or is given back, once. An illegal move is told and passed over.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/verify_internal.h"

const struct verify_kind verify_kinds[KIND_END] = {
    [KIND_CREATE] = {"CREATE", 1, 0, 0, LINES_ANY, OF_LOT},
    [KIND_ADJUST] = {"ADJUST", 1, 0, 0, LINES_ANY, OF_LOT},
    [KIND_RESERVE] = {"RESERVE", 0, 1, 0, LINES_POSITIVE, BEGINS},
    [KIND_CONFIRM] = {"CONFIRM", 0, -1, 1, LINES_POSITIVE, FOLLOWS},
    [KIND_RELEASE] = {"RELEASE", 0, -1, 0, LINES_POSITIVE, FOLLOWS},
    [KIND_REFUND] = {"REFUND", 0, -1, 0, LINES_POSITIVE, FOLLOWS},
    [KIND_RETURN] = {"RETURN", 0, 0, -1, LINES_POSITIVE, FOLLOWS},
    [KIND_EXTEND] = {"EXTEND", 0, 0, 0, LINES_POSITIVE, FOLLOWS},
    [KIND_SHIP] = {"SHIP", -1, 0, -1, LINES_POSITIVE, FOLLOWS},
    [KIND_RESTOCK] = {"RESTOCK", 1, 0, 0, LINES_POSITIVE, FOLLOWS},
    [KIND_WRITE_OFF] = {"WRITE_OFF", -1, 0, -1, LINES_POSITIVE, FOLLOWS},
    [KIND_DISCARD] = {"DISCARD", 0, 0, 0, LINES_POSITIVE, FOLLOWS},
    [KIND_CHANGE] = {"CHANGE", 0, 1, 0, LINES_ANY, FOLLOWS},
    [KIND_RECLAIM] = {"RECLAIM", 0, 0, 1, LINES_POSITIVE, FOLLOWS},
    [KIND_FENCE] = {"FENCE", 0, 0, 0, LINES_NONE, BEGINS},
    [KIND_LOT_TERMS] = {"LOT_TERMS", 0, 0, 0, LINES_ANY, OF_LOT},
    [KIND_SALE] = {"SALE", 0, 0, 0, LINES_NONE, OF_SALE},
    [KIND_GROUP_OPEN] = {"GROUP_OPEN", 0, 0, 0, LINES_NONE, OF_SALE},
    [KIND_GROUP_SUCCEED] = {"GROUP_SUCCEED", 0, 0, 0, LINES_NONE, OF_SALE},
    [KIND_GROUP_FAIL] = {"GROUP_FAIL", 0, 0, 0, LINES_NONE, OF_SALE},
    [KIND_FOREIGN] = {"FOREIGN", 1, 0, 0, LINES_ANY, OF_LOT},
};

const char *verify_kind_name(int64_t kind)
{
    return kind >= KIND_CREATE && kind < KIND_END ? verify_kinds[kind].name : "a move";
}

static const char *state_name(int state)
{
    return state == KIND_RESERVE ? "PENDING" : state == KIND_CONFIRM ? "CONFIRMED" : "REFUNDED";
}

static struct place place_of(const struct verify *v, const struct verify_move *m)
{
    return (struct place){.seq = m->seq,
                          .reservation_id = v->hold.id,
                          .lot_id = m->line_count == 1 ? m->lines[0].lot : 0};
}

static bool same_lines(const struct verify_line *a, uint32_t a_count, const struct verify_line *b,
                       uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].lot != b[i].lot || a[i].quantity != b[i].quantity)
            return false;
    }
    return true;
}

static void copy_lines(struct verify_line *to, uint32_t *to_count, const struct verify_line *from,
                       uint32_t count)
{
    memcpy(to, from, count * sizeof(*from));
    *to_count = count;
}

/* hold->left = held - confirmed. False if more is confirmed than held. */
static bool subtract(struct verify_hold *h, const struct verify_move *m)
{
    uint32_t j = 0, left = 0;
    for (uint32_t i = 0; i < h->line_count; i++) {
        struct verify_line line = h->lines[i];
        if (j < m->line_count && m->lines[j].lot == line.lot)
            line.quantity -= m->lines[j++].quantity;
        if (line.quantity < 0)
            return false;
        if (line.quantity > 0)
            h->left[left++] = line;
    }
    h->left_count = left;
    return j == m->line_count;
}

void verify_hold_begin(struct verify *v, const struct verify_move *reserve)
{
    struct verify_hold *h = &v->hold;
    h->id = reserve->seq;
    h->state = reserve->kind == KIND_FENCE ? KIND_REFUND : KIND_RESERVE;
    h->reason = reserve->reason;
    h->deadline_ms = reserve->deadline_ms;
    h->last_ms = reserve->at_ms;
    h->left_count = 0;
    copy_lines(h->lines, &h->line_count, reserve->lines, reserve->line_count);
    if (reserve->kind == KIND_RESERVE && reserve->deadline_ms < reserve->at_ms)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, reserve),
                     "its deadline lies before its beginning");
}

static void gives_back(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    if (!same_lines(h->lines, h->line_count, m->lines, m->line_count) && !m->lines_bad)
        verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                     "%s of %" PRId64 " units does not give back what the reservation holds",
                     verify_kind_name(m->kind), m->quantity);
    if (m->reason < REASON_EXPIRED_NUMBER || m->reason > REASON_LAST_NUMBER)
        verify_fault(v, VERIFY_HISTORY, place_of(v, m), "%s has no reason",
                     verify_kind_name(m->kind));
    h->state = KIND_REFUND;
    h->reason = m->reason;
}

static void begin_confirmed(struct verify_hold *h, const struct verify_move *m)
{
    copy_lines(h->lines, &h->line_count, m->lines, m->line_count);
    memset(h->shipped, 0, sizeof h->shipped);
    memset(h->returned, 0, sizeof h->returned);
    memset(h->came_back, 0, sizeof h->came_back);
    h->state = KIND_CONFIRM;
    h->reason = 0;
}

/* Units of a CONFIRMED line: in the house, or shipped and not come back. */
static int64_t in_house(const struct verify_hold *h, uint32_t i)
{
    return h->lines[i].quantity - h->shipped[i] - h->returned[i];
}

static int64_t outside(const struct verify_hold *h, uint32_t i)
{
    return h->shipped[i] - h->came_back[i];
}

static bool all_back(const struct verify_hold *h)
{
    for (uint32_t i = 0; i < h->line_count; i++) {
        if (in_house(h, i) || outside(h, i))
            return false;
    }
    return true;
}

/* SHIP, RETURN, WRITE_OFF, RESTOCK, DISCARD. */
static void after_buying(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    bool from_outside = m->kind == KIND_RESTOCK || m->kind == KIND_DISCARD;
    for (uint32_t i = 0, j = 0; i < m->line_count && !m->lines_bad; i++) {
        while (j < h->line_count && h->lines[j].lot != m->lines[i].lot)
            j++;
        int64_t there = j == h->line_count ? 0 : from_outside ? outside(h, j) : in_house(h, j);
        if (m->lines[i].quantity > there) {
            verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                         "%s of %" PRId64 " units of a lot of which %" PRId64 " are there for it",
                         verify_kind_name(m->kind), m->lines[i].quantity, there);
            return;
        }
        int64_t *count = from_outside           ? h->came_back
                         : m->kind == KIND_SHIP ? h->shipped
                                                : h->returned;
        count[j] += m->lines[i].quantity;
    }
    bool ends = all_back(h);
    if (ends != (m->reason != 0))
        verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                     ends ? "%s gives back the last unit and has no reason"
                          : "%s has a reason, and units are left",
                     verify_kind_name(m->kind));
    if (ends) {
        h->state = KIND_REFUND;
        h->reason = m->reason;
    }
}

static void change(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    struct verify_line lines[2 * LINES_MAX];
    uint32_t count = 0, i = 0, j = 0;
    if (m->at_ms > h->deadline_ms)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "CHANGE comes %" PRId64 " ms after the deadline", m->at_ms - h->deadline_ms);
    while (i < h->line_count || j < m->line_count) {
        bool held = j == m->line_count || (i < h->line_count && h->lines[i].lot <= m->lines[j].lot);
        bool changed =
            i == h->line_count || (j < m->line_count && m->lines[j].lot <= h->lines[i].lot);
        struct verify_line line = {held ? h->lines[i].lot : m->lines[j].lot, 0};
        line.quantity += held ? h->lines[i++].quantity : 0;
        line.quantity += changed ? m->lines[j++].quantity : 0;
        if (line.quantity)
            lines[count++] = line;
        if (line.quantity < 0)
            verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                         "CHANGE gives back more units than the reservation holds");
    }
    if (count == 0 || count > ORDER_LINES_MAX) {
        verify_fault(v, VERIFY_HISTORY, place_of(v, m), "CHANGE leaves %u lines", count);
        return;
    }
    copy_lines(h->lines, &h->line_count, lines, count);
}

/* It takes at most what was held. */
static void reclaim(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    if (m->lines_bad || !subtract(h, m))
        verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                     "RECLAIM of units that the reservation did not hold");
    h->left_count = 0;
    begin_confirmed(h, m);
}

static void confirm(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    if (m->at_ms > h->deadline_ms)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "CONFIRM comes %" PRId64 " ms after the deadline", m->at_ms - h->deadline_ms);
    if (m->lines_bad || !subtract(h, m)) {
        verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                     "CONFIRM of units that the reservation does not hold");
        h->left_count = 0;
    }
    begin_confirmed(h, m);
}

/* What nobody asks for comes when it is due, or at the next start: an expiry, the end of a group.
 */
static void refund(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    int64_t late_ms = m->at_ms - h->deadline_ms;
    bool expired = m->reason == REASON_EXPIRED_NUMBER;
    bool by_itself = expired || m->reason == REASON_GROUP_FAILED_NUMBER;
    if (expired && late_ms < 0)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "expired %" PRId64 " ms before its deadline", -late_ms);
    if (!by_itself && late_ms > 0)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "cancelled %" PRId64 " ms after its deadline", late_ms);
    if (by_itself && late_ms > v->report->late_max_ms)
        v->report->late_max_ms = late_ms;
    gives_back(v, m);
}

static void extend(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    if (m->at_ms > h->deadline_ms)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "EXTEND comes %" PRId64 " ms after the deadline", m->at_ms - h->deadline_ms);
    if (m->deadline_ms < m->at_ms)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m), "EXTEND to a deadline in the past");
    if (!same_lines(h->lines, h->line_count, m->lines, m->line_count) && !m->lines_bad)
        verify_fault(v, VERIFY_HISTORY, place_of(v, m),
                     "EXTEND does not name what the reservation holds");
    h->deadline_ms = m->deadline_ms;
}

/* The RELEASE that is due after a partial CONFIRM, or its absence. `m` NULL: no more moves. */
static bool settle_left(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    if (h->left_count == 0)
        return false;
    bool released =
        m && m->kind == KIND_RELEASE && same_lines(h->left, h->left_count, m->lines, m->line_count);
    if (!released)
        verify_fault(v, VERIFY_HISTORY,
                     (struct place){.seq = m ? m->seq : 0, .reservation_id = h->id},
                     "the units that CONFIRM left over are not released at once");
    h->left_count = 0;
    return m && m->kind == KIND_RELEASE;
}

void verify_hold_step(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    /* Clocks of several servers differ by as much as an expiry may be late. */
    int64_t apart_ms = v->source->has_lanes ? v->config->tolerance_ms : 0;
    if (m->at_ms < h->last_ms - apart_ms)
        verify_fault(v, VERIFY_LOG, place_of(v, m), "%s is dated before the move that it follows",
                     verify_kind_name(m->kind));
    if (m->at_ms > h->last_ms)
        h->last_ms = m->at_ms;
    if (settle_left(v, m))
        return;
    if (h->state == KIND_RESERVE && m->kind == KIND_CONFIRM)
        confirm(v, m);
    else if (h->state == KIND_RESERVE && m->kind == KIND_REFUND)
        refund(v, m);
    else if (h->state == KIND_RESERVE && m->kind == KIND_EXTEND)
        extend(v, m);
    else if (h->state == KIND_RESERVE && m->kind == KIND_CHANGE)
        change(v, m);
    else if (h->state == KIND_CONFIRM &&
             (m->kind == KIND_RETURN || (m->kind >= KIND_SHIP && m->kind <= KIND_DISCARD)))
        after_buying(v, m);
    else if (h->state == KIND_REFUND && h->reason == REASON_EXPIRED_NUMBER &&
             m->kind == KIND_RECLAIM)
        reclaim(v, m);
    else
        verify_fault(v, VERIFY_HISTORY, place_of(v, m), "%s of a reservation that is %s",
                     verify_kind_name(m->kind), state_name(h->state));
}

static void overdue(struct verify *v)
{
    struct verify_hold *h = &v->hold;
    int64_t late_ms = v->now_ms - h->deadline_ms;
    struct place where = {.seq = h->id, .reservation_id = h->id};
    if (!v->report->live && late_ms > 0)
        verify_note(v, VERIFY_OVERDUE, where,
                    "its deadline passed %" PRId64 " ms ago: the next start gives it back",
                    late_ms);
    else if (v->report->live && late_ms > v->config->tolerance_ms)
        verify_fault(v, VERIFY_OVERDUE, where,
                     "PENDING %" PRId64 " ms after its deadline although a server is running",
                     late_ms);
}

void verify_hold_end(struct verify *v)
{
    struct verify_hold *h = &v->hold;
    settle_left(v, NULL);
    v->report->pending += h->state == KIND_RESERVE;
    v->report->confirmed += h->state == KIND_CONFIRM;
    v->report->refunded += h->state == KIND_REFUND;
    if (h->state == KIND_REFUND)
        return;
    if (h->state == KIND_RESERVE)
        overdue(v);
    for (uint32_t i = 0; i < h->line_count; i++) {
        struct verify_lot *lot = verify_lot_of(v, h->lines[i].lot);
        if (!lot)
            continue;
        if (h->state == KIND_RESERVE)
            lot->owned_reserved += h->lines[i].quantity;
        else
            lot->owned_confirmed += in_house(h, i);
    }
}
