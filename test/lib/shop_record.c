/* What a ledger's record says of a reservation, from the shop's rows. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shop_internal.h"

static int64_t row_reservation(const struct move *m)
{
    return move_begins(m) ? m->seq : m->reservation_id;
}

const struct line *shop_row_lines(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

enum { RECORD_MOVES_MAX = 64 };

/* A record with room for all that it may have. */
struct record_room {
    struct reservation_record record;
    struct line lines[ORDER_LINES_MAX + MOVE_LINES_MAX], reserved[ORDER_LINES_MAX];
    struct line_after after[ORDER_LINES_MAX];
    struct reservation_move moves[RECORD_MOVES_MAX];
};

static void record_lines(struct record_room *room, const struct move *m)
{
    struct reservation_record *record = &room->record;
    record->line_count = m->line_count;
    memcpy(record->lines, shop_row_lines(m), m->line_count * sizeof(struct line));
}

static void record_reserved(struct record_room *room)
{
    room->record.line_count_reserved = room->record.line_count;
    memcpy(room->reserved, room->lines, room->record.line_count * sizeof(struct line));
}

static int by_lot(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static void record_change(struct record_room *room, const struct move *m)
{
    struct reservation_record *record = &room->record;
    const struct line *by = shop_row_lines(m);
    for (uint16_t i = 0; i < m->line_count; i++) {
        uint32_t j = 0;
        while (j < record->line_count && record->lines[j].lot != by[i].lot)
            j++;
        if (j == record->line_count)
            record->lines[record->line_count++] = (struct line){.lot = by[i].lot};
        record->lines[j].quantity += by[i].quantity;
    }
    uint32_t kept = 0;
    for (uint32_t j = 0; j < record->line_count; j++) {
        assert(record->lines[j].quantity >= 0);
        if (record->lines[j].quantity)
            record->lines[kept++] = record->lines[j];
    }
    record->line_count = kept;
    qsort(record->lines, kept, sizeof *record->lines, by_lot);
    record_reserved(room);
}

/* True: all units came back. */
static bool record_after(struct record_room *room, const struct move *m)
{
    bool all = true;
    const struct line *lines = shop_row_lines(m);
    for (uint32_t j = 0; j < room->record.line_count; j++) {
        for (uint16_t i = 0; i < m->line_count; i++) {
            if (lines[i].lot != room->lines[j].lot)
                continue;
            if (m->kind == MOVE_SHIP)
                room->after[j].shipped += lines[i].quantity;
            else
                room->after[j].returned += lines[i].quantity;
        }
        all = all && room->after[j].returned == room->lines[j].quantity;
    }
    return all;
}

static void record_state(struct record_room *room, const struct move *m)
{
    struct reservation_record *record = &room->record;
    switch (m->kind) {
    case MOVE_RESERVE:
    case MOVE_FENCE:
        record->fence = m->kind == MOVE_FENCE;
        record->state = record->fence ? HOLD_REFUNDED : HOLD_PENDING;
        record->reason = (enum refund_reason)m->reason;
        record->created_ms = m->at_ms;
        record->order_id = m->order_id;
        record->user_id = m->user_id;
        record->fingerprint = m->fingerprint;
        record->sale = m->sale;
        record->group_id = m->group_id;
        record_lines(room, m);
        record_reserved(room);
        break;
    case MOVE_CONFIRM:
    case MOVE_RECLAIM:
        record->state = HOLD_CONFIRMED;
        record->reason = REASON_NONE;
        record->confirmed_ms = m->at_ms;
        record->payment_id = m->detail;
        record_lines(room, m);
        break;
    case MOVE_CHANGE:
        record_change(room, m);
        break;
    case MOVE_REFUND:
        record->state = HOLD_REFUNDED;
        record->reason = (enum refund_reason)m->reason;
        break;
    case MOVE_SHIP:
        record_after(room, m);
        break;
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        if (record_after(room, m)) {
            assert(m->reason);
            record->state = HOLD_REFUNDED;
            record->reason = (enum refund_reason)m->reason;
        } else {
            assert(!m->reason);
        }
        break;
    default:
        break;
    }
}

static void record_row(struct record_room *room, const struct move *m)
{
    struct reservation_record *record = &room->record;
    assert(record->move_count < RECORD_MOVES_MAX);
    record->moves[record->move_count++] = (struct reservation_move){.seq = m->seq,
                                                                    .at_ms = m->at_ms,
                                                                    .deadline_ms = m->deadline_ms,
                                                                    .quantity = m->line.quantity,
                                                                    .kind = m->kind,
                                                                    .reason = m->reason,
                                                                    .fingerprint = m->fingerprint,
                                                                    .detail = m->detail};
    if (m->deadline_ms)
        record->deadline_ms = m->deadline_ms;
    record_state(room, m);
}

struct reservation_record *shop_record(const struct shop *s, int64_t reservation_id, uint32_t rows)
{
    struct record_room *room = calloc_or_die(1, sizeof *room);
    struct reservation_record *record = &room->record;
    record->reservation_id = reservation_id;
    record->lines = room->lines;
    record->after = room->after;
    record->reserved_lines = room->reserved;
    record->moves = room->moves;
    for (uint32_t i = 0; i < rows; i++) {
        if (row_reservation(&s->rows[i]) == reservation_id)
            record_row(room, &s->rows[i]);
    }
    if (record->move_count)
        return record;
    free(room);
    return NULL;
}
