/* record_build.c - see record_build.h.
 *
 * Happy path: each move is taken down, the state follows from the last that changed it (REFUNDED
 * after a confirm: when all units of all lines came back); then all is packed into one block, so
 * that one free() gives it back. Failure: a row that contradicts the table's rules is TLY_ECORRUPT.
 */
#include "ledger/record_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool grow(void **array, uint32_t *room, uint64_t need, size_t item_size)
{
    if (need <= *room)
        return true;
    uint64_t more = *room < 16 ? 16 : (uint64_t)*room * 2;
    while (more < need)
        more *= 2;
    void *bigger = more <= UINT32_MAX ? realloc(*array, more * item_size) : NULL;
    if (!bigger)
        return false;
    *array = bigger;
    *room = (uint32_t)more;
    return true;
}

/* Takes a move down. Its detail is kept by length alone until the block is packed. */
static int note_move(struct record_builder *r, const struct move *m, struct error *e)
{
    if (!grow((void **)&r->moves, &r->move_room, (uint64_t)r->move_count + 1, sizeof *r->moves) ||
        !grow((void **)&r->text, &r->text_room, (uint64_t)r->text_used + m->detail.len, 1))
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a reservation's history");
    if (m->detail.len)
        memcpy(r->text + r->text_used, m->detail.p, m->detail.len);
    r->text_used += m->detail.len;
    r->moves[r->move_count++] = (struct reservation_move){.seq = m->seq,
                                                          .at_ms = m->at_ms,
                                                          .deadline_ms = m->deadline_ms,
                                                          .quantity = m->line.quantity,
                                                          .kind = m->kind,
                                                          .reason = m->reason,
                                                          .fingerprint = m->fingerprint,
                                                          .detail = {NULL, m->detail.len}};
    return 0;
}

/* ---- what each move does to the record ---- */

static const struct line *lines_of(const struct move *m)
{
    return m->line_count == 1 ? &m->line : m->lines;
}

static int contradiction(const struct move *m, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "move",
                     "row with seq %" PRId64 " contradicts its reservation's other rows", m->seq);
}

static int note_lines(struct line *out, uint32_t *count, const struct move *m, struct error *e)
{
    if (m->line_count > ORDER_LINES_MAX)
        return contradiction(m, e);
    *count = m->line_count;
    if (m->line_count)
        memcpy(out, lines_of(m), m->line_count * sizeof *out);
    return 0;
}

static int begin(struct record_builder *r, const struct move *m, struct error *e)
{
    r->record.fence = m->kind == MOVE_FENCE;
    r->record.state = r->record.fence ? HOLD_REFUNDED : HOLD_PENDING;
    r->record.reason = (enum refund_reason)m->reason;
    r->record.reservation_id = m->seq;
    r->record.created_ms = m->at_ms;
    r->record.deadline_ms = m->deadline_ms;
    r->record.fingerprint = m->fingerprint;
    r->record.sale = m->sale;
    r->record.group_id = m->group_id;
    r->record.order_id = m->order_id;
    r->record.user_id = m->user_id;
    int rc = note_lines(r->reserved_lines, &r->record.line_count_reserved, m, e);
    return rc ? rc : note_lines(r->lines, &r->record.line_count, m, e);
}

/* Both lists ascend; a line of which nothing is left goes. */
static int change(struct record_builder *r, const struct move *m, struct error *e)
{
    struct line sum[ORDER_LINES_MAX + MOVE_LINES_MAX];
    const struct line *held = r->lines, *held_end = held + r->record.line_count;
    const struct line *by = lines_of(m), *by_end = by + m->line_count;
    uint32_t count = 0;
    while (held < held_end || by < by_end) {
        struct line next;
        if (by == by_end || (held < held_end && held->lot < by->lot)) {
            next = *held++;
        } else if (held == held_end || by->lot < held->lot) {
            next = *by++;
        } else {
            next = (struct line){held->lot, held->quantity + by->quantity};
            held++;
            by++;
        }
        if (next.quantity < 0)
            return contradiction(m, e);
        if (next.quantity > 0)
            sum[count++] = next;
    }
    if (count > ORDER_LINES_MAX)
        return contradiction(m, e);
    r->record.line_count = r->record.line_count_reserved = count;
    memcpy(r->lines, sum, count * sizeof *sum);
    memcpy(r->reserved_lines, sum, count * sizeof *sum);
    return 0;
}

static int confirm(struct record_builder *r, const struct move *m, struct error *e)
{
    r->record.state = HOLD_CONFIRMED;
    r->record.reason = REASON_NONE;
    r->record.confirmed_ms = m->at_ms;
    return note_lines(r->lines, &r->record.line_count, m, e);
}

/* Units that left, or came back, after the confirm. */
static int count_after(struct record_builder *r, const struct move *m, struct error *e)
{
    const struct line *moved = lines_of(m);
    for (uint32_t i = 0, at = 0; i < m->line_count; i++) {
        while (at < r->record.line_count && r->lines[at].lot < moved[i].lot)
            at++;
        if (at == r->record.line_count || r->lines[at].lot != moved[i].lot)
            return contradiction(m, e);
        if (m->kind == MOVE_SHIP)
            r->after[at].shipped += moved[i].quantity;
        else
            r->after[at].returned += moved[i].quantity;
    }
    return 0;
}

static int give_back(struct record_builder *r, const struct move *m, struct error *e)
{
    int rc = count_after(r, m, e);
    for (uint32_t i = 0; rc == 0 && i < r->record.line_count; i++) {
        if (r->after[i].returned < r->lines[i].quantity)
            return 0;
    }
    r->record.state = HOLD_REFUNDED;
    r->record.reason = (enum refund_reason)m->reason;
    return rc;
}

static int apply(struct record_builder *r, const struct move *m, struct error *e)
{
    switch (m->kind) {
    case MOVE_RESERVE:
    case MOVE_FENCE:
        return begin(r, m, e);
    case MOVE_CHANGE:
        return change(r, m, e);
    case MOVE_CONFIRM:
    case MOVE_RECLAIM:
        return confirm(r, m, e);
    case MOVE_REFUND:
        r->record.state = HOLD_REFUNDED;
        r->record.reason = (enum refund_reason)m->reason;
        return 0;
    case MOVE_SHIP:
        return count_after(r, m, e);
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        return give_back(r, m, e);
    case MOVE_EXTEND:
        r->record.deadline_ms = m->deadline_ms;
        return 0;
    default: /* RELEASE: what the CONFIRM before it left over */
        return 0;
    }
}

static struct str put_text(char **at, struct str s)
{
    struct str copy = {*at, s.len};
    if (s.len)
        memcpy(*at, s.p, s.len);
    *at += s.len;
    return copy;
}

struct reservation_record *record_pack(const struct record_builder *r)
{
    size_t line_bytes = r->record.line_count * sizeof(struct line);
    size_t after_bytes = r->record.line_count * sizeof(struct line_after);
    size_t reserved_bytes = r->record.line_count_reserved * sizeof(struct line);
    size_t move_bytes = r->move_count * sizeof(struct reservation_move);
    size_t text_bytes = r->text_used + r->record.order_id.len + r->record.user_id.len;
    char *block = malloc(sizeof r->record + line_bytes + after_bytes + reserved_bytes + move_bytes +
                         text_bytes);
    if (!block)
        return NULL;
    struct reservation_record *out = (struct reservation_record *)block;
    *out = r->record;
    out->lines = (struct line *)(block + sizeof *out);
    out->after = (struct line_after *)(out->lines + r->record.line_count);
    out->reserved_lines = (struct line *)(out->after + r->record.line_count);
    out->moves = (struct reservation_move *)(out->reserved_lines + r->record.line_count_reserved);
    out->move_count = r->move_count;
    char *text = (char *)(out->moves + r->move_count);
    memcpy(out->lines, r->lines, line_bytes);
    memcpy(out->after, r->after, after_bytes);
    memcpy(out->reserved_lines, r->reserved_lines, reserved_bytes);
    memcpy(out->moves, r->moves, move_bytes);
    out->order_id = put_text(&text, r->record.order_id);
    out->user_id = put_text(&text, r->record.user_id);
    const char *from = r->text;
    for (uint32_t i = 0; i < out->move_count; i++) {
        struct reservation_move *m = &out->moves[i];
        m->detail = put_text(&text, (struct str){from, m->detail.len});
        from += m->detail.len;
        if (m->kind == MOVE_CONFIRM || m->kind == MOVE_RECLAIM)
            out->payment_id = m->detail;
    }
    return out;
}

void record_builder_close(struct record_builder *r)
{
    free(r->moves);
    free(r->text);
    *r = (struct record_builder){0};
}

int record_add(struct record_builder *r, const struct move *m, struct error *e)
{
    int rc = note_move(r, m, e);
    return rc ? rc : apply(r, m, e);
}

int record_begin(struct record_builder *r, const struct move *m, struct error *e)
{
    r->record = (struct reservation_record){0};
    r->move_count = r->text_used = 0;
    memset(r->after, 0, sizeof r->after);
    return record_add(r, m, e);
}

static bool has_lot(const struct reservation_record *r, lot_id lot)
{
    for (uint32_t i = 0; i < r->line_count; i++) {
        if (r->lines[i].lot == lot)
            return true;
    }
    return false;
}

bool record_fits(const struct reservation_record *r, const struct reservation_list *list)
{
    bool due = r->state == HOLD_PENDING && r->deadline_ms <= list->now_ms;
    enum hold_state state = due ? HOLD_REFUNDED : r->state;
    return (!list->user_id.len || str_equal(list->user_id, r->user_id)) &&
           (!list->lot || has_lot(r, list->lot)) && (!list->sale || list->sale == r->sale) &&
           (!list->state || list->state == state);
}
