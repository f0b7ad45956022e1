/* verify_history.c - one reservation's moves, in order, against the diagram of states:
 *
 *   RESERVE -> PENDING   PENDING: EXTEND -> PENDING, CONFIRM [RELEASE] -> CONFIRMED,
 *                        REFUND -> REFUNDED   CONFIRMED: RETURN -> REFUNDED
 *
 * A CONFIRM of fewer units than held is followed at once by a RELEASE of the others. Whatever ends
 * a reservation gives back exactly what it holds. An illegal move is told and passed over.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/verify_internal.h"

const struct verify_kind verify_kinds[KIND_END] = {
    [KIND_CREATE] = {"CREATE", 1, 0, 0},    [KIND_ADJUST] = {"ADJUST", 1, 0, 0},
    [KIND_RESERVE] = {"RESERVE", 0, 1, 0},  [KIND_CONFIRM] = {"CONFIRM", 0, -1, 1},
    [KIND_RELEASE] = {"RELEASE", 0, -1, 0}, [KIND_REFUND] = {"REFUND", 0, -1, 0},
    [KIND_RETURN] = {"RETURN", 0, 0, -1},   [KIND_EXTEND] = {"EXTEND", 0, 0, 0},
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
    h->state = KIND_RESERVE;
    h->deadline_ms = reserve->deadline_ms;
    h->last_ms = reserve->at_ms;
    h->left_count = 0;
    copy_lines(h->lines, &h->line_count, reserve->lines, reserve->line_count);
    if (reserve->deadline_ms < reserve->at_ms)
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
    copy_lines(h->lines, &h->line_count, m->lines, m->line_count);
    h->state = KIND_CONFIRM;
}

static void refund(struct verify *v, const struct verify_move *m)
{
    struct verify_hold *h = &v->hold;
    int64_t late_ms = m->at_ms - h->deadline_ms;
    bool expired = m->reason == REASON_EXPIRED_NUMBER;
    if (expired && late_ms < 0)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "expired %" PRId64 " ms before its deadline", -late_ms);
    if (!expired && late_ms > 0)
        verify_fault(v, VERIFY_DEADLINE, place_of(v, m),
                     "cancelled %" PRId64 " ms after its deadline", late_ms);
    if (expired && late_ms > v->report->late_max_ms)
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
    if (m->at_ms < h->last_ms)
        verify_fault(v, VERIFY_LOG, place_of(v, m), "%s is dated before the move that it follows",
                     verify_kind_name(m->kind));
    h->last_ms = m->at_ms;
    if (settle_left(v, m))
        return;
    if (h->state == KIND_RESERVE && m->kind == KIND_CONFIRM)
        confirm(v, m);
    else if (h->state == KIND_RESERVE && m->kind == KIND_REFUND)
        refund(v, m);
    else if (h->state == KIND_RESERVE && m->kind == KIND_EXTEND)
        extend(v, m);
    else if (h->state == KIND_CONFIRM && m->kind == KIND_RETURN)
        gives_back(v, m);
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
            lot->owned_confirmed += h->lines[i].quantity;
    }
}
