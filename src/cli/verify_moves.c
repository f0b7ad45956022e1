/* verify_moves.c - reads the log once, in order of seq, with the cursors beside it.
 *
 *   moves         every row, by seq: replayed onto the lots
 *   lines         move_line, by seq: joined to the row that it belongs to
 *   reservations  rows with a reservation_id, by (reservation_id, seq): a reservation's whole
 *                 history is walked when its RESERVE comes by
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "cli/verify_internal.h"

/* seq: milliseconds (41 bits) | lane (10) | counter (12) */
enum { SEQ_LANES = 1024, SEQ_LANE_SHIFT = 12 };

#define DAY_MS          INT64_C(86400000)
#define ORDER_HASH_SEED UINT64_C(0x7461656c6c79)

/* Columns of both cursors over `move`. */
#define MOVE_COLUMNS                                                                               \
    "seq, kind, lot_id, quantity, at_ms, deadline_ms, reservation_id, reason, order_id, user_id"
enum {
    COLUMN_SEQ,
    COLUMN_KIND,
    COLUMN_LOT,
    COLUMN_QUANTITY,
    COLUMN_AT,
    COLUMN_DEADLINE,
    COLUMN_RESERVATION,
    COLUMN_REASON,
    COLUMN_ORDER,
    COLUMN_USER,
};

struct scan {
    struct verify *v;
    sqlite3_stmt *moves, *lines, *history, *lines_of, *order_of;
    struct verify_move move;     /* the row of `moves` */
    struct verify_move followed; /* the row of `history` */
    bool lines_left, history_left;
    int64_t last_at_ms;            /* of all */
    int64_t lane_at_ms[SEQ_LANES]; /* the newest of each lane, where there are several */
    /* The history cursor goes by an index: it must see the same rows as the scan. */
    uint64_t follow_count[2], follow_sum[2];
};

static void take_row(sqlite3_stmt *stmt, struct verify_move *m)
{
    m->seq = sqlite3_column_int64(stmt, COLUMN_SEQ);
    m->kind = sqlite3_column_int64(stmt, COLUMN_KIND);
    m->quantity = sqlite3_column_int64(stmt, COLUMN_QUANTITY);
    m->at_ms = sqlite3_column_int64(stmt, COLUMN_AT);
    m->deadline_ms = sqlite3_column_int64(stmt, COLUMN_DEADLINE);
    m->has_reservation = sqlite3_column_type(stmt, COLUMN_RESERVATION) != SQLITE_NULL;
    m->reservation_id = sqlite3_column_int64(stmt, COLUMN_RESERVATION);
    m->reason = sqlite3_column_int64(stmt, COLUMN_REASON);
    m->multi = sqlite3_column_type(stmt, COLUMN_LOT) == SQLITE_NULL;
    m->lines_bad = false;
    m->line_count = 0;
    if (!m->multi) {
        m->lines[0] = (struct verify_line){sqlite3_column_int64(stmt, COLUMN_LOT), m->quantity};
        m->line_count = 1;
    }
}

static void add_line(struct verify_move *m, sqlite3_stmt *stmt, int column)
{
    if (m->line_count == LINES_MAX) {
        m->lines_bad = true;
        return;
    }
    m->lines[m->line_count++] = (struct verify_line){sqlite3_column_int64(stmt, column),
                                                     sqlite3_column_int64(stmt, column + 1)};
}

static void mix(struct scan *s, int which, const struct verify_move *m)
{
    uint64_t x = (uint64_t)m->seq * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)m->reservation_id;
    x ^= x >> 32;
    s->follow_count[which]++;
    s->follow_sum[which] += x * UINT64_C(0xbf58476d1ce4e5b9);
}

/* ---- lines ---- */

static int next_line(struct scan *s, struct error *e)
{
    int code = verify_step(s->v, s->lines, e);
    s->lines_left = code == SQLITE_ROW;
    return code < 0 ? code : 0;
}

/* Lines of the row in s->move; those that belong to no row are told. */
static int join_lines(struct scan *s, struct error *e)
{
    struct verify_move *m = &s->move;
    while (s->lines_left) {
        int64_t seq = sqlite3_column_int64(s->lines, 0);
        if (seq > m->seq)
            break;
        if (seq < m->seq || !m->multi)
            verify_fault(s->v, VERIFY_LINES, (struct place){.seq = seq},
                         "a line in move_line belongs to no move of several lots");
        else
            add_line(m, s->lines, 1);
        int code = next_line(s, e);
        if (code)
            return code;
    }
    return 0;
}

static void check_lines(struct scan *s, struct verify_move *m)
{
    struct place where = {.seq = m->seq, .reservation_id = m->reservation_id};
    int64_t sum = 0;
    const struct verify_kind *kind = &verify_kinds[m->kind];
    if (kind->lines == LINES_NONE) {
        if (m->line_count || !m->multi)
            verify_fault(s->v, VERIFY_LINES, where, "%s has lines", kind->name);
        return;
    }
    for (uint32_t i = 0; i < m->line_count; i++) {
        where.lot_id = m->lines[i].lot;
        sum += m->lines[i].quantity;
        if (!verify_lot_of(s->v, m->lines[i].lot)) {
            m->lines_bad = true;
            verify_fault(s->v, VERIFY_LINES, where, "%s names a lot that does not exist",
                         verify_kind_name(m->kind));
        }
        if (m->lines[i].quantity <= 0 && kind->lines == LINES_POSITIVE) {
            m->lines_bad = true;
            verify_fault(s->v, VERIFY_LINES, where, "%s of %" PRId64 " units",
                         verify_kind_name(m->kind), m->lines[i].quantity);
        }
    }
    where.lot_id = 0;
    if (m->line_count < (m->multi ? 2 : 1) || sum != m->quantity) {
        m->lines_bad = true;
        verify_fault(s->v, VERIFY_LINES, where,
                     "%s of %" PRId64 " units has %u lines of %" PRId64 " units in all",
                     verify_kind_name(m->kind), m->quantity, m->line_count, sum);
    }
}

/* ---- stock ---- */

/* Days begin between 14 hours before and 12 hours after those of UTC, by the shop's zone. */
#define ZONE_BEHIND_MS INT64_C(43200000)

static void check_stock(struct scan *s, const struct verify_move *m, int64_t lot_id,
                        struct verify_lot *lot, int64_t before)
{
    int64_t available = lot->on_hand - lot->reserved - lot->confirmed;
    /* Behind a limit that was lowered nothing more is sold, and what was sold stands. */
    int64_t floor = -lot->backorder_limit;
    if (available < floor && available >= before)
        floor = available;
    if (lot->on_hand >= 0 && lot->reserved >= 0 && lot->confirmed >= 0 && available >= floor) {
        lot->told = false;
        return;
    }
    if (!lot->told)
        verify_fault(s->v, VERIFY_STOCK,
                     (struct place){.seq = m->seq,
                                    .reservation_id = verify_kinds[m->kind].of == BEGINS
                                                          ? m->seq
                                                          : m->reservation_id,
                                    .lot_id = lot_id},
                     "after %s of %" PRId64 ": on_hand %" PRId64 ", reserved %" PRId64
                     ", confirmed %" PRId64 ", available %" PRId64,
                     verify_kind_name(m->kind), m->quantity, lot->on_hand, lot->reserved,
                     lot->confirmed, available);
    lot->told = true;
}

static void replay(struct scan *s, const struct verify_move *m)
{
    const struct verify_kind *k = &verify_kinds[m->kind];
    for (uint32_t i = 0; i < m->line_count; i++) {
        struct verify_lot *lot = verify_lot_of(s->v, m->lines[i].lot);
        int64_t quantity = m->lines[i].quantity;
        if (!lot)
            continue;
        int64_t before = lot->on_hand - lot->reserved - lot->confirmed;
        if (m->kind == KIND_LOT_TERMS) {
            lot->backorder_limit = quantity;
            lot->terms_changed = lot->version > 1; /* nothing was sold before its first ones */
        }
        lot->on_hand += quantity * k->on_hand;
        lot->reserved += quantity * k->reserved;
        lot->confirmed += quantity * k->confirmed;
        lot->version++;
        check_stock(s, m, m->lines[i].lot, lot, before);
    }
}

static void check_beginning(struct scan *s, const struct verify_move *m)
{
    for (uint32_t i = 0; i < m->line_count; i++) {
        struct verify_lot *lot = verify_lot_of(s->v, m->lines[i].lot);
        struct place where = {.seq = m->seq, .lot_id = m->lines[i].lot};
        if (!lot)
            continue;
        if (m->kind == KIND_CREATE && lot->created)
            verify_fault(s->v, VERIFY_LOT, where, "it was created before");
        else if (m->kind != KIND_CREATE && !lot->created)
            verify_fault(s->v, VERIFY_LOT, where, "%s comes before its CREATE",
                         verify_kind_name(m->kind));
        lot->created = true;
    }
}

/* The snapshot and what retention removed join the replay where they belong in the log: units that
 * a removed reservation still holds were held from its RESERVE on. */
static int pass_marks(struct scan *s, int64_t seq, struct error *e)
{
    int code = 0;
    if (!s->v->archived_added && seq > s->v->archived_seq)
        code = verify_add_archived(s->v, e);
    if (!code && !s->v->snapshot_checked && seq > s->v->snapshot_seq)
        code = verify_compare_stock(s->v, false, e);
    return code;
}

/* ---- reservations ---- */

static int next_followed(struct scan *s, struct error *e)
{
    int code = verify_step(s->v, s->history, e);
    s->history_left = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        take_row(s->history, &s->followed);
        mix(s, 1, &s->followed);
    }
    return code < 0 ? code : 0;
}

static int load_followed_lines(struct scan *s, struct error *e)
{
    int code = 0;
    if (!s->followed.multi)
        return 0;
    sqlite3_bind_int64(s->lines_of, 1, s->followed.seq);
    while ((code = verify_step(s->v, s->lines_of, e)) == SQLITE_ROW)
        add_line(&s->followed, s->lines_of, 0);
    sqlite3_reset(s->lines_of);
    return code < 0 ? code : 0;
}

/* Moves of reservations below `id`, which have no RESERVE, are orphans. */
static int pass_orphans(struct scan *s, int64_t id, struct error *e)
{
    int code = 0;
    while (!code && s->history_left && s->followed.reservation_id < id) {
        verify_fault(
            s->v, VERIFY_HISTORY,
            (struct place){.seq = s->followed.seq, .reservation_id = s->followed.reservation_id},
            "%s of a reservation that has no RESERVE", verify_kind_name(s->followed.kind));
        code = next_followed(s, e);
    }
    return code;
}

static int walk_reservation(struct scan *s, struct error *e)
{
    int64_t id = s->move.seq;
    int code = pass_orphans(s, id, e);
    s->v->report->reservations++;
    verify_hold_begin(s->v, &s->move);
    while (!code && s->history_left && s->followed.reservation_id == id) {
        code = load_followed_lines(s, e);
        if (code)
            break;
        if (s->followed.seq < id)
            verify_fault(s->v, VERIFY_HISTORY,
                         (struct place){.seq = s->followed.seq, .reservation_id = id},
                         "%s comes before the RESERVE", verify_kind_name(s->followed.kind));
        verify_hold_step(s->v, &s->followed);
        code = next_followed(s, e);
    }
    verify_hold_end(s->v);
    return code;
}

static void check_day(struct verify *v, const struct verify_move *m, const struct verify_lot *lot,
                      struct place where)
{
    int64_t days = m->at_ms / DAY_MS - lot->last_day;
    if (days <= 0)
        return;
    if (lot->terms_changed)
        verify_note(v, VERIFY_EXPIRED, where,
                    "reserved %" PRId64 " days after the last day of sale that its lot has now",
                    days);
    else if ((m->at_ms - ZONE_BEHIND_MS) / DAY_MS > lot->last_day)
        verify_fault(v, VERIFY_EXPIRED, where,
                     "reserved %" PRId64 " days after the lot's last day of sale", days);
    else
        verify_note(v, VERIFY_EXPIRED, where,
                    "reserved after the lot's last day of sale by UTC; it may be that day in the "
                    "shop's zone");
}

static int check_begin(struct scan *s, struct error *e)
{
    struct verify_move *m = &s->move;
    struct place where = {.seq = m->seq, .reservation_id = m->seq};
    const void *order = sqlite3_column_text(s->moves, COLUMN_ORDER);
    int size = sqlite3_column_bytes(s->moves, COLUMN_ORDER);
    if (!order || size < 1 || size > ORDER_ID_MAX)
        verify_fault(s->v, VERIFY_ORDER, where, "%s has no order_id of 1 to %d bytes",
                     verify_kind_name(m->kind), ORDER_ID_MAX);
    if (m->kind == KIND_RESERVE && sqlite3_column_type(s->moves, COLUMN_USER) == SQLITE_NULL)
        verify_fault(s->v, VERIFY_HISTORY, where, "RESERVE has no user_id");
    for (uint32_t i = 0; i < m->line_count; i++) {
        const struct verify_lot *lot = verify_lot_of(s->v, m->lines[i].lot);
        where.lot_id = m->lines[i].lot;
        if (lot)
            check_day(s->v, m, lot, where);
    }
    int code = 0;
    if (order)
        code = order_sort_add(
            s->v->orders, hash64((struct str){order, (uint32_t)size}, ORDER_HASH_SEED), m->seq, e);
    return code ? code : walk_reservation(s, e);
}

/* ---- order_ids ---- */

static int load_order(struct scan *s, int64_t seq, char out[ORDER_ID_MAX * 2], int64_t *at_ms,
                      struct error *e)
{
    sqlite3_bind_int64(s->order_of, 1, seq);
    int code = verify_step(s->v, s->order_of, e);
    const unsigned char *text = code == SQLITE_ROW ? sqlite3_column_text(s->order_of, 0) : NULL;
    snprintf(out, ORDER_ID_MAX * 2, "%s", text ? (const char *)text : "");
    *at_ms = code == SQLITE_ROW ? sqlite3_column_int64(s->order_of, 1) : 0;
    sqlite3_reset(s->order_of);
    return code < 0 ? code : 0;
}

/* Equal hashes: the same order_id, or two that collide. Beyond the retention window an order_id may
 * be used again. */
static int on_same_hash(void *context, int64_t earlier, int64_t later, struct error *e)
{
    struct scan *s = context;
    char a[ORDER_ID_MAX * 2], b[ORDER_ID_MAX * 2];
    int64_t a_ms, b_ms;
    int code = load_order(s, earlier, a, &a_ms, e);
    if (!code)
        code = load_order(s, later, b, &b_ms, e);
    if (code || strcmp(a, b) != 0)
        return code;
    struct place where = {.seq = later, .reservation_id = later};
    if (b_ms - a_ms >= s->v->config->order_retention_ms)
        verify_note(s->v, VERIFY_ORDER, where,
                    "order_id %s is that of reservation %" PRId64
                    " too, which is older than the retention window",
                    b, earlier);
    else
        verify_fault(s->v, VERIFY_ORDER, where,
                     "order_id %s is that of reservation %" PRId64 " too", b, earlier);
    return 0;
}

/* ---- the scan ---- */

/* Ledger time goes back only where a start was told to, by more than the least clock_gap_max_ms.
 * Each lane has its own. */
static void check_date(struct scan *s, struct place where)
{
    enum { CLOCK_GAP_LEAST_MS = 60000 };
    uint64_t lane = (uint64_t)s->move.seq >> SEQ_LANE_SHIFT & (SEQ_LANES - 1);
    int64_t *last_ms = &s->lane_at_ms[s->v->source->has_lanes ? lane : 0];
    int64_t back_ms = *last_ms - s->move.at_ms;
    if (back_ms >= CLOCK_GAP_LEAST_MS)
        verify_note(s->v, VERIFY_LOG, where,
                    "a clock that was ahead was set right here: it is dated %" PRId64
                    " ms before the move before it",
                    back_ms);
    else if (back_ms > 0)
        verify_fault(s->v, VERIFY_LOG, where,
                     "it is dated %" PRId64 " ms before the move before it", back_ms);
    *last_ms = s->last_at_ms = s->move.at_ms;
}

/* The end of the log beside this machine's clock. */
static void check_newest_date(struct scan *s)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ahead_ms = s->last_at_ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    if (ahead_ms > DAY_MS)
        verify_note(s->v, VERIFY_LOG, (struct place){.seq = s->move.seq},
                    "the newest move is dated %" PRId64 " s after this machine's clock",
                    ahead_ms / 1000);
}

static int take_move(struct scan *s, struct error *e)
{
    struct verify_move *m = &s->move;
    struct place where = {.seq = m->seq, .reservation_id = m->reservation_id};
    int code = pass_marks(s, m->seq, e);
    if (!code)
        code = join_lines(s, e);
    if (code)
        return code;
    s->v->report->moves++;
    check_date(s, where);
    if (m->kind < KIND_CREATE || m->kind >= (s->v->source->has_lanes ? KIND_END : KIND_FOREIGN)) {
        verify_fault(s->v, VERIFY_LOG, where, "there is no kind of move number %" PRId64, m->kind);
        return 0;
    }
    check_lines(s, m);
    check_beginning(s, m);
    replay(s, m);
    bool follows = verify_kinds[m->kind].of == FOLLOWS;
    if (follows != m->has_reservation)
        verify_fault(s->v, VERIFY_HISTORY, where,
                     follows ? "%s names no reservation" : "%s names a reservation",
                     verify_kind_name(m->kind));
    if (m->has_reservation)
        mix(s, 0, m);
    return verify_kinds[m->kind].of == BEGINS ? check_begin(s, e) : 0;
}

static void tell_progress(struct scan *s)
{
    const struct verify_config *c = s->v->config;
    struct verify_report *r = s->v->report;
    static const int64_t every = 65536;
    if (!c->progress || r->moves % every != 0)
        return;
    int64_t first = s->v->archived_seq ? s->v->archived_seq : 0;
    double share = (double)(s->move.seq - first) / (double)(r->newest_seq - first + 1);
    c->progress(c->context, r->moves, share > 0 ? (int64_t)((double)r->moves / share) : r->moves);
}

static int prepare_all(struct scan *s, struct error *e)
{
    struct verify *v = s->v;
    int code = verify_prepare(v, "SELECT " MOVE_COLUMNS " FROM move ORDER BY seq", &s->moves, e);
    if (!code)
        code = verify_prepare(v, "SELECT seq, lot_id, quantity FROM move_line ORDER BY seq, lot_id",
                              &s->lines, e);
    if (!code)
        code = verify_prepare(v,
                              "SELECT " MOVE_COLUMNS " FROM move INDEXED BY move_reservation "
                              "WHERE reservation_id IS NOT NULL ORDER BY reservation_id, seq",
                              &s->history, e);
    if (!code)
        code = verify_prepare(
            v, "SELECT lot_id, quantity FROM move_line WHERE seq = ? ORDER BY lot_id", &s->lines_of,
            e);
    if (!code)
        code = verify_prepare(v, "SELECT order_id, at_ms FROM move WHERE seq = ?", &s->order_of, e);
    if (!code)
        code = next_line(s, e);
    return code ? code : next_followed(s, e);
}

/* What is left of the cursors when the log has ended. */
static int finish(struct scan *s, struct error *e)
{
    int code = 0;
    while (!code && s->lines_left) {
        verify_fault(s->v, VERIFY_LINES, (struct place){.seq = sqlite3_column_int64(s->lines, 0)},
                     "a line in move_line belongs to no move of several lots");
        code = next_line(s, e);
    }
    if (!code)
        code = pass_orphans(s, INT64_MAX, e);
    if (!code && (s->follow_count[0] != s->follow_count[1] || s->follow_sum[0] != s->follow_sum[1]))
        verify_fault(s->v, VERIFY_FILE, (struct place){0},
                     "the index move_reservation has %" PRIu64 " rows, the table has %" PRIu64
                     ", or they differ",
                     s->follow_count[1], s->follow_count[0]);
    if (!code)
        code = pass_marks(s, INT64_MAX, e);
    return code ? code : order_sort_finish(s->v->orders, on_same_hash, s, e);
}

int verify_scan(struct verify *v, struct error *e)
{
    struct scan s = {.v = v}; /* 9 KiB */
    int code = prepare_all(&s, e);
    while (!code && (code = verify_step(v, s.moves, e)) == SQLITE_ROW) {
        take_row(s.moves, &s.move);
        code = take_move(&s, e);
        tell_progress(&s);
    }
    check_newest_date(&s);
    if (code == SQLITE_DONE)
        code = finish(&s, e);
    sqlite3_finalize(s.moves);
    sqlite3_finalize(s.lines);
    sqlite3_finalize(s.history);
    sqlite3_finalize(s.lines_of);
    sqlite3_finalize(s.order_of);
    return code;
}
