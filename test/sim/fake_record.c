/* What the simulated ledger knows of one reservation, from its rows. Written on its own: it shares
 * nothing with the ledger's reader. */
#include <stdlib.h>
#include <string.h>

#include "fake_disk.h"

enum { MOVES_MAX = 64, TEXT_MAX = 2048 };

/* One block for the record and all that it points to. */
struct record_block {
    struct reservation_record record;
    struct line lines[ORDER_LINES_MAX];
    struct line_after after[ORDER_LINES_MAX];
    struct line reserved_lines[ORDER_LINES_MAX];
    struct reservation_move moves[MOVES_MAX];
    char text[TEXT_MAX];
    size_t used;
};

static const struct line *lines_of(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

static struct str keep(struct record_block *b, struct str text)
{
    char *at = b->text + b->used;
    if (b->used + text.len > TEXT_MAX)
        abort();
    if (text.len)
        memcpy(at, text.p, text.len);
    b->used += text.len;
    return (struct str){at, text.len};
}

static void set_lines(struct line *to, uint32_t *count, const struct move *m)
{
    *count = m->line_count;
    memcpy(to, lines_of(m), m->line_count * sizeof *to);
}

static void begin(struct record_block *b, const struct move *m)
{
    struct reservation_record *r = &b->record;
    *r = (struct reservation_record){.reservation_id = m->seq,
                                     .state = m->kind == MOVE_FENCE ? HOLD_REFUNDED : HOLD_PENDING,
                                     .reason = (enum refund_reason)m->reason,
                                     .created_ms = m->at_ms,
                                     .order_id = keep(b, m->order_id),
                                     .user_id = keep(b, m->user_id),
                                     .fingerprint = m->fingerprint,
                                     .sale = m->sale,
                                     .group_id = m->group_id,
                                     .fence = m->kind == MOVE_FENCE,
                                     .lines = b->lines,
                                     .after = b->after,
                                     .reserved_lines = b->reserved_lines,
                                     .moves = b->moves};
    set_lines(b->lines, &r->line_count, m);
    set_lines(b->reserved_lines, &r->line_count_reserved, m);
}

/* The line of a lot; made if it is not there, in order of lots. */
static uint32_t line_of(struct record_block *b, lot_id lot)
{
    struct reservation_record *r = &b->record;
    uint32_t i = 0;
    while (i < r->line_count && b->lines[i].lot < lot)
        i++;
    if (i < r->line_count && b->lines[i].lot == lot)
        return i;
    memmove(&b->lines[i + 1], &b->lines[i], (r->line_count - i) * sizeof b->lines[0]);
    b->lines[i] = (struct line){.lot = lot};
    r->line_count++;
    return i;
}

static void change(struct record_block *b, const struct move *m)
{
    struct reservation_record *r = &b->record;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->line_count; i++)
        b->lines[line_of(b, lines_of(m)[i].lot)].quantity += lines_of(m)[i].quantity;
    for (uint32_t i = 0; i < r->line_count; i++)
        if (b->lines[i].quantity)
            b->lines[kept++] = b->lines[i];
    r->line_count = r->line_count_reserved = kept;
    memcpy(b->reserved_lines, b->lines, kept * sizeof b->lines[0]);
}

static void confirm(struct record_block *b, const struct move *m)
{
    b->record.state = HOLD_CONFIRMED;
    b->record.reason = REASON_NONE;
    b->record.confirmed_ms = m->at_ms;
    b->record.payment_id = keep(b, m->detail);
    set_lines(b->lines, &b->record.line_count, m);
}

static void count_after(struct record_block *b, const struct move *m)
{
    for (uint32_t i = 0; i < m->line_count; i++) {
        struct line_after *after = &b->after[line_of(b, lines_of(m)[i].lot)];
        if (m->kind == MOVE_SHIP)
            after->shipped += lines_of(m)[i].quantity;
        else
            after->returned += lines_of(m)[i].quantity;
    }
}

static void follow(struct record_block *b, const struct move *m)
{
    struct reservation_record *r = &b->record;
    bool comes_back = m->kind == MOVE_RETURN || m->kind == MOVE_RESTOCK ||
                      m->kind == MOVE_WRITE_OFF || m->kind == MOVE_DISCARD;
    if (m->kind == MOVE_CONFIRM || m->kind == MOVE_RECLAIM)
        confirm(b, m);
    else if (m->kind == MOVE_CHANGE)
        change(b, m);
    else if (m->kind == MOVE_SHIP || comes_back)
        count_after(b, m);
    if (m->kind == MOVE_REFUND || (comes_back && m->reason)) {
        r->state = HOLD_REFUNDED;
        r->reason = m->reason;
    }
    if (m->deadline_ms)
        r->deadline_ms = m->deadline_ms;
    if (r->move_count == MOVES_MAX)
        abort();
    b->moves[r->move_count++] = (struct reservation_move){.seq = m->seq,
                                                          .at_ms = m->at_ms,
                                                          .deadline_ms = m->deadline_ms,
                                                          .quantity = m->line.quantity,
                                                          .kind = m->kind,
                                                          .reason = m->reason,
                                                          .fingerprint = m->fingerprint,
                                                          .detail = keep(b, m->detail)};
}

struct reservation_record *fake_disk_record(const struct fake_disk *r, int64_t reservation_id)
{
    struct record_block *b = NULL;
    for (size_t i = 0; i < r->count; i++) {
        const struct move *m = &r->rows[i];
        if (move_begins(m) && m->seq == reservation_id) {
            b = calloc(1, sizeof *b);
            if (!b)
                abort();
            begin(b, m);
        }
        if (b && m->reservation_id == reservation_id)
            follow(b, m);
    }
    return b ? &b->record : NULL;
}
