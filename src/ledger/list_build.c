/* Moves to entries of lists.
 *
 * Happy path: each row that begins a reservation puts it into its user's, its lots' and its sale's
 * list; each that changes its state into that state's. PENDING is left behind by it; CONFIRMED is
 * not, since a part may have come back only: who lists looks.
 * Failure modes: a row that cannot be read, or no memory for a batch.
 */
#include "ledger/list_build.h"

#include <stdlib.h>

#include "base/hash.h"
#include "ledger/db.h"
#include "model/model.h"

enum { BATCH_MOVES = 1 << 18, BATCH_ENTRIES = 1 << 20 };

int list_builder_init(struct list_builder *b, sqlite3 *ledger, uint64_t seed, struct error *e)
{
    *b = (struct list_builder){.db = ledger, .seed = seed};
    int rc = db_prepare(ledger, &b->moves,
                        "SELECT seq, kind, lot_id, quantity, reservation_id, sale, user_id"
                        " FROM move WHERE seq > ? ORDER BY seq LIMIT ?",
                        e);
    if (rc == 0)
        rc = db_prepare(ledger, &b->lines, "SELECT lot_id, quantity FROM move_line WHERE seq = ?",
                        e);
    if (rc)
        list_builder_close(b);
    return rc;
}

void list_builder_close(struct list_builder *b)
{
    sqlite3_finalize(b->moves);
    sqlite3_finalize(b->lines);
    free(b->entries);
    *b = (struct list_builder){0};
}

/* Whose entries are being made. */
struct subject {
    int64_t reservation_id;
    uint32_t segment;
};

static int put(struct list_builder *b, const struct subject *s, enum list_kind kind, int64_t key,
               bool gone, struct error *e)
{
    if (b->count == b->room) {
        size_t room = b->room ? b->room * 2 : 4096;
        struct list_entry *more = realloc(b->entries, room * sizeof *more);
        if (!more)
            return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the index of lists");
        b->entries = more;
        b->room = room;
    }
    b->entries[b->count++] = (struct list_entry){.key = key,
                                                 .reservation_id = s->reservation_id,
                                                 .segment = s->segment,
                                                 .kind = (uint8_t)kind,
                                                 .gone = gone};
    return 0;
}

/* Lots that it has from now on. */
static int put_lots(struct list_builder *b, const struct subject *s, int64_t seq, struct error *e)
{
    int step, rc = 0;
    if (sqlite3_column_type(b->moves, 2) != SQLITE_NULL)
        return sqlite3_column_int64(b->moves, 3) > 0
                   ? put(b, s, LIST_LOT, sqlite3_column_int64(b->moves, 2), false, e)
                   : 0;
    sqlite3_bind_int64(b->lines, 1, seq);
    while (rc == 0 && (step = sqlite3_step(b->lines)) == SQLITE_ROW) {
        if (sqlite3_column_int64(b->lines, 1) > 0)
            rc = put(b, s, LIST_LOT, sqlite3_column_int64(b->lines, 0), false, e);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(b->db, "read lines for the index of lists", e);
    sqlite3_reset(b->lines);
    return rc;
}

static int put_begin(struct list_builder *b, struct list_index *x, int64_t seq, bool fence,
                     struct error *e)
{
    struct subject s = {.reservation_id = seq};
    struct str user = {(const char *)sqlite3_column_text(b->moves, 6), 0};
    int64_t sale = sqlite3_column_int64(b->moves, 5);
    user.len = user.p ? (uint32_t)sqlite3_column_bytes(b->moves, 6) : 0;
    int rc = list_index_add(x, seq, &s.segment, e);
    if (rc == 0 && user.len)
        rc = put(b, &s, LIST_USER, (int64_t)hash64(user, b->seed), false, e);
    if (rc == 0 && !fence)
        rc = put_lots(b, &s, seq, e);
    if (rc == 0 && sale)
        rc = put(b, &s, LIST_SALE, sale, false, e);
    return rc ? rc : put(b, &s, LIST_STATE, fence ? HOLD_REFUNDED : HOLD_PENDING, false, e);
}

static int put_state(struct list_builder *b, const struct subject *s, enum hold_state state,
                     struct error *e)
{
    int rc = put(b, s, LIST_STATE, state, false, e);
    return rc ? rc : put(b, s, LIST_STATE, HOLD_PENDING, true, e);
}

static int put_move(struct list_builder *b, struct list_index *x, int64_t seq, struct error *e)
{
    int kind = sqlite3_column_int(b->moves, 1);
    if (kind == MOVE_RESERVE || kind == MOVE_FENCE)
        return put_begin(b, x, seq, kind == MOVE_FENCE, e);
    struct subject s = {.reservation_id = sqlite3_column_int64(b->moves, 4)};
    if (s.reservation_id == 0 || !list_index_find(x, s.reservation_id, &s.segment))
        return 0;
    switch (kind) {
    case MOVE_CHANGE:
        return put_lots(b, &s, seq, e);
    case MOVE_CONFIRM:
    case MOVE_RECLAIM:
        return put_state(b, &s, HOLD_CONFIRMED, e);
    case MOVE_REFUND:
    case MOVE_RETURN:
    case MOVE_RESTOCK:
    case MOVE_WRITE_OFF:
    case MOVE_DISCARD:
        return put_state(b, &s, HOLD_REFUNDED, e);
    default:
        return 0;
    }
}

int list_build(struct list_builder *b, struct list_index *x, bool *more, struct error *e)
{
    int step = SQLITE_DONE, rc = 0;
    int64_t last = x->cursor, moves = 0;
    b->count = 0;
    sqlite3_bind_int64(b->moves, 1, x->cursor);
    sqlite3_bind_int64(b->moves, 2, BATCH_MOVES);
    while (rc == 0 && b->count < BATCH_ENTRIES && (step = sqlite3_step(b->moves)) == SQLITE_ROW) {
        last = sqlite3_column_int64(b->moves, 0);
        rc = put_move(b, x, last, e);
        moves++;
    }
    if (rc == 0 && step != SQLITE_DONE && step != SQLITE_ROW)
        rc = db_fail(b->db, "read moves for the index of lists", e);
    sqlite3_reset(b->moves);
    *more = moves == BATCH_MOVES || b->count >= BATCH_ENTRIES;
    if (rc == 0 && moves > 0)
        rc = list_index_write(x, b->entries, b->count, last, e);
    return rc;
}
