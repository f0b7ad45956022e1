/* Records of reservations.
 *
 * Happy path: the row that begins it (RESERVE, FENCE), then every row with its reservation_id in
 * order of seq; each move is taken down, the state follows from the last that changed it (REFUNDED
 * after a confirm: when all units of all lines came back); then all is packed into one block, so
 * that one free() gives it back. Failure modes: no row is TLY_ENOT_FOUND; a row that contradicts
 * the table's rules TLY_ECORRUPT.
 */
#include "ledger/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/db.h"

int record_reader_init(struct record_reader *r, sqlite3 *db, uint64_t seed, struct error *e)
{
    *r = (struct record_reader){0};
    int rc = move_reader_init(&r->rows, db, seed, e);
    if (rc == 0)
        rc = db_prepare(db, &r->reserve, "SELECT " MOVE_COLUMNS " FROM move WHERE seq = ?", e);
    if (rc == 0)
        rc = db_prepare(db, &r->others,
                        "SELECT " MOVE_COLUMNS " FROM move WHERE reservation_id = ? ORDER BY seq",
                        e);
    if (rc)
        record_reader_close(r);
    return rc;
}

void record_reader_close(struct record_reader *r)
{
    sqlite3_finalize(r->reserve);
    sqlite3_finalize(r->others);
    move_reader_close(&r->rows);
    free(r->moves);
    free(r->text);
    *r = (struct record_reader){0};
}

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
static int note_move(struct record_reader *r, const struct move *m, struct error *e)
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

static int begin(struct record_reader *r, struct reservation_record *record, const struct move *m,
                 struct error *e)
{
    record->fence = m->kind == MOVE_FENCE;
    record->state = record->fence ? HOLD_REFUNDED : HOLD_PENDING;
    record->reason = (enum refund_reason)m->reason;
    record->reservation_id = m->seq;
    record->created_ms = m->at_ms;
    record->deadline_ms = m->deadline_ms;
    record->fingerprint = m->fingerprint;
    record->sale = m->sale;
    record->group_id = m->group_id;
    record->order_id = m->order_id;
    record->user_id = m->user_id;
    int rc = note_lines(r->reserved_lines, &record->line_count_reserved, m, e);
    return rc ? rc : note_lines(r->lines, &record->line_count, m, e);
}

/* Both lists ascend; a line of which nothing is left goes. */
static int change(struct record_reader *r, struct reservation_record *record, const struct move *m,
                  struct error *e)
{
    struct line sum[ORDER_LINES_MAX + MOVE_LINES_MAX];
    const struct line *held = r->lines, *held_end = held + record->line_count;
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
    record->line_count = record->line_count_reserved = count;
    memcpy(r->lines, sum, count * sizeof *sum);
    memcpy(r->reserved_lines, sum, count * sizeof *sum);
    return 0;
}

static int confirm(struct record_reader *r, struct reservation_record *record, const struct move *m,
                   struct error *e)
{
    record->state = HOLD_CONFIRMED;
    record->reason = REASON_NONE;
    record->confirmed_ms = m->at_ms;
    return note_lines(r->lines, &record->line_count, m, e);
}

/* Units that left, or came back, after the confirm. */
static int count_after(struct record_reader *r, const struct reservation_record *record,
                       const struct move *m, struct error *e)
{
    const struct line *moved = lines_of(m);
    for (uint32_t i = 0, at = 0; i < m->line_count; i++) {
        while (at < record->line_count && r->lines[at].lot < moved[i].lot)
            at++;
        if (at == record->line_count || r->lines[at].lot != moved[i].lot)
            return contradiction(m, e);
        if (m->kind == MOVE_SHIP)
            r->after[at].shipped += moved[i].quantity;
        else
            r->after[at].returned += moved[i].quantity;
    }
    return 0;
}

static int give_back(struct record_reader *r, struct reservation_record *record,
                     const struct move *m, struct error *e)
{
    int rc = count_after(r, record, m, e);
    for (uint32_t i = 0; rc == 0 && i < record->line_count; i++) {
        if (r->after[i].returned < r->lines[i].quantity)
            return 0;
    }
    record->state = HOLD_REFUNDED;
    record->reason = (enum refund_reason)m->reason;
    return rc;
}

static int apply(struct record_reader *r, struct reservation_record *record, const struct move *m,
                 struct error *e)
{
    switch (m->kind) {
    case MOVE_RESERVE:
    case MOVE_FENCE:
        return begin(r, record, m, e);
    case MOVE_CHANGE:
        return change(r, record, m, e);
    case MOVE_CONFIRM:
    case MOVE_RECLAIM:
        return confirm(r, record, m, e);
    case MOVE_REFUND:
        record->state = HOLD_REFUNDED;
        record->reason = (enum refund_reason)m->reason;
        return 0;
    case MOVE_SHIP:
        return count_after(r, record, m, e);
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        return give_back(r, record, m, e);
    case MOVE_EXTEND:
        record->deadline_ms = m->deadline_ms;
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

static struct reservation_record *pack(const struct record_reader *r,
                                       const struct reservation_record *record)
{
    size_t line_bytes = record->line_count * sizeof(struct line);
    size_t after_bytes = record->line_count * sizeof(struct line_after);
    size_t reserved_bytes = record->line_count_reserved * sizeof(struct line);
    size_t move_bytes = r->move_count * sizeof(struct reservation_move);
    size_t text_bytes = r->text_used + record->order_id.len + record->user_id.len;
    char *block = malloc(sizeof *record + line_bytes + after_bytes + reserved_bytes + move_bytes +
                         text_bytes);
    if (!block)
        return NULL;
    struct reservation_record *out = (struct reservation_record *)block;
    *out = *record;
    out->lines = (struct line *)(block + sizeof *out);
    out->after = (struct line_after *)(out->lines + record->line_count);
    out->reserved_lines = (struct line *)(out->after + record->line_count);
    out->moves = (struct reservation_move *)(out->reserved_lines + record->line_count_reserved);
    out->move_count = r->move_count;
    char *text = (char *)(out->moves + r->move_count);
    memcpy(out->lines, r->lines, line_bytes);
    memcpy(out->after, r->after, after_bytes);
    memcpy(out->reserved_lines, r->reserved_lines, reserved_bytes);
    memcpy(out->moves, r->moves, move_bytes);
    out->order_id = put_text(&text, record->order_id);
    out->user_id = put_text(&text, record->user_id);
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

/* The rows after the RESERVE; packs while the RESERVE's row, and so its texts, is still there. */
static int read_others(struct record_reader *r, struct reservation_record *record, struct error *e)
{
    struct move m;
    int step, rc = 0;
    sqlite3_bind_int64(r->others, 1, record->reservation_id);
    while (rc == 0 && (step = sqlite3_step(r->others)) == SQLITE_ROW) {
        rc = move_reader_fill(&r->rows, r->others, &m, e);
        if (rc == 0)
            rc = note_move(r, &m, e);
        if (rc == 0)
            rc = apply(r, record, &m, e);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(r->rows.db, "read a reservation's moves", e);
    sqlite3_reset(r->others);
    return rc;
}

static int read_row(struct record_reader *r, const struct str *order_id,
                    struct reservation_record **out, struct error *e)
{
    struct move m;
    struct reservation_record record = {0};
    int rc = move_reader_fill(&r->rows, r->reserve, &m, e);
    if (rc)
        return rc;
    if (!move_begins(&m) || (order_id && !str_equal(m.order_id, *order_id)))
        return TLY_ENOT_FOUND;
    r->move_count = r->text_used = 0;
    memset(r->after, 0, sizeof r->after);
    rc = note_move(r, &m, e);
    if (rc == 0)
        rc = apply(r, &record, &m, e);
    if (rc == 0)
        rc = read_others(r, &record, e);
    if (rc)
        return rc;
    *out = pack(r, &record);
    return *out ? 0 : error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a reservation");
}

int record_read(struct record_reader *r, int64_t reservation_id, const struct str *order_id,
                struct reservation_record **out, struct error *e)
{
    int rc;
    sqlite3_bind_int64(r->reserve, 1, reservation_id);
    int step = sqlite3_step(r->reserve);
    if (step == SQLITE_ROW)
        rc = read_row(r, order_id, out, e);
    else
        rc = step == SQLITE_DONE ? TLY_ENOT_FOUND : db_fail(r->rows.db, "read a reservation", e);
    sqlite3_reset(r->reserve);
    return rc;
}
