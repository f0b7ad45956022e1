/* mysql_rows.c - see mysql_rows.h. Failure modes: a row that no engine can have
 * written is TLY_ECORRUPT, named by its number. */
#include "ledger/mysql_rows.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"

struct mydb_line {
    int64_t seq;
    struct line line;
};

/* ---- lots ---- */

static int wrong_lot(MYSQL_ROW row, unsigned first, const char *what, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "lot", "lot %s: %s", row[first] ? row[first] : "NULL", what);
}

static int read_day(MYSQL_ROW row, const unsigned long *sizes, unsigned column, int32_t *days)
{
    *days = LOT_NEVER_EXPIRES;
    return row[column] ? lot_date_parse(mydb_str(row, sizes, column), days) : 0;
}

int mydb_lot_row(MYSQL_ROW row, const unsigned long *sizes, unsigned first, lot_id *id,
                 struct lot_dims *dims, struct lot_terms *terms, struct error *e)
{
    int64_t number = mydb_int(row[first]);
    if (number < 1 || number > UINT32_MAX)
        return wrong_lot(row, first, "its lot_id is not a lot number", e);
    *id = (lot_id)number;
    *dims = (struct lot_dims){.key = mydb_str(row, sizes, first + 1),
                              .sku = mydb_str(row, sizes, first + 2),
                              .flavor = mydb_str(row, sizes, first + 3),
                              .size = mydb_str(row, sizes, first + 4),
                              .batch = mydb_str(row, sizes, first + 5)};
    if (dims->key.len > LOT_KEY_MAX || dims->sku.len > SKU_MAX ||
        dims->flavor.len > DIMENSION_MAX || dims->size.len > DIMENSION_MAX ||
        dims->batch.len > DIMENSION_MAX)
        return wrong_lot(row, first, "a text in it is too long", e);
    if (read_day(row, sizes, first + 6, &terms->expires_on) ||
        read_day(row, sizes, first + 7, &terms->expected_on))
        return wrong_lot(row, first, "a date in it is none", e);
    terms->per_user_limit = mydb_int(row[first + 8]);
    terms->backorder_limit = mydb_int(row[first + 9]);
    terms->withdrawn = mydb_int(row[first + 10]) != 0;
    terms->backorder_most = mydb_int(row[first + 11]);
    if (terms->per_user_limit < 0 || terms->backorder_limit < 0 ||
        terms->backorder_most < terms->backorder_limit)
        return wrong_lot(row, first, "it has a limit that cannot be", e);
    dims->expires_on = terms->expires_on;
    return 0;
}

struct known_lot *mydb_known_row(struct mydb_known *k, MYSQL_ROW row, const unsigned long *sizes,
                                 struct error *e)
{
    lot_id id = 0;
    struct lot_dims dims = {0};
    struct lot_terms terms = {0};
    if (mydb_lot_row(row, sizes, 0, &id, &dims, &terms, e))
        return NULL;
    struct known_lot *lot = mydb_known_put(k, id, &dims);
    if (!lot) {
        error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a lot");
        return NULL;
    }
    if (!str_equal(lot->dims.key, dims.key)) {
        wrong_lot(row, 0, "it was another one before", e);
        return NULL;
    }
    lot->dims.expires_on = terms.expires_on;
    lot->terms = terms;
    lot->created_ms = mydb_int(row[12]);
    lot->proved = lot->proved && lot->stock.version == mydb_int(row[16]);
    lot->stock =
        (struct stock){mydb_int(row[13]), mydb_int(row[14]), mydb_int(row[15]), mydb_int(row[16])};
    lot->last_seq = mydb_int(row[17]);
    return lot;
}

/* ---- moves ---- */

int mydb_moves_open(struct mydb_moves *r, MYSQL_RES *moves, MYSQL_RES *lines, uint64_t seed,
                    struct error *e)
{
    uint64_t count = lines ? mysql_num_rows(lines) : 0;
    MYSQL_ROW row;
    *r = (struct mydb_moves){.moves = moves, .seed = seed};
    if (!count)
        return 0;
    r->lines = malloc(count * sizeof *r->lines);
    if (!r->lines)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for lines");
    while ((row = mysql_fetch_row(lines)))
        r->lines[r->line_count++] =
            (struct mydb_line){mydb_int(row[0]), {(lot_id)mydb_int(row[1]), mydb_int(row[2])}};
    return 0;
}

void mydb_moves_close(struct mydb_moves *r)
{
    free(r->lines);
    r->lines = NULL;
    r->line_count = 0;
}

static int corrupt(const struct move *m, const char *what, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "move", "row with seq %" PRId64 ": %s", m->seq, what);
}

static int fill_lines(struct mydb_moves *r, struct move *m, struct error *e)
{
    uint32_t low = 0, high = r->line_count;
    int64_t sum = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->lines[middle].seq < m->seq)
            low = middle + 1;
        else
            high = middle;
    }
    m->line_count = 0;
    for (; low < r->line_count && r->lines[low].seq == m->seq; low++) {
        if (m->line_count == MOVE_LINES_MAX)
            return corrupt(m, "it has too many lines", e);
        sum += r->lines[low].line.quantity;
        r->buffer[m->line_count++] = r->lines[low].line;
    }
    m->line.lot = 0;
    m->lines = r->buffer;
    if (m->line_count < 2 || sum != m->line.quantity)
        return corrupt(m, "its lines in move_line are missing, or do not add up", e);
    return 0;
}

static void fill_texts(const struct mydb_moves *r, struct move *m)
{
    m->order_id = mydb_str(r->row, r->sizes, COLUMN_order_id);
    m->user_id = mydb_str(r->row, r->sizes, COLUMN_user_id);
    m->detail = mydb_str(r->row, r->sizes, COLUMN_detail);
    m->note = mydb_str(r->row, r->sizes, COLUMN_note);
}

int mydb_moves_next(struct mydb_moves *r, struct move *m, struct error *e)
{
    MYSQL_ROW row = r->row = mysql_fetch_row(r->moves);
    if (!row)
        return 0;
    r->sizes = mysql_fetch_lengths(r->moves);
    int64_t kind = mydb_int(row[COLUMN_kind]), lot = mydb_int(row[COLUMN_lot_id]);
    int64_t reason = mydb_int(row[COLUMN_reason]);
    *m = (struct move){.seq = mydb_int(row[COLUMN_seq]),
                       .at_ms = mydb_int(row[COLUMN_at_ms]),
                       .deadline_ms = mydb_int(row[COLUMN_deadline_ms]),
                       .kind = (uint8_t)kind,
                       .reason = (uint8_t)reason,
                       .line_count = 1,
                       .line = {(lot_id)lot, mydb_int(row[COLUMN_quantity])},
                       .fingerprint = (uint64_t)mydb_int(row[COLUMN_fingerprint]),
                       .sale = (sale_number)mydb_int(row[COLUMN_sale]),
                       .group_id = mydb_int(row[COLUMN_group_id])};
    if (kind < MOVE_KIND_FIRST || kind > MOVE_KIND_LAST)
        return corrupt(m, "its kind is unknown", e);
    if (lot < 0 || lot > UINT32_MAX)
        return corrupt(m, "its lot_id is not a lot number", e);
    if (reason < REASON_NONE || reason > REASON_UNSETTLED)
        return corrupt(m, "its reason is unknown", e);
    fill_texts(r, m);
    m->reservation_id = move_begins(m) ? m->seq : mydb_int(row[COLUMN_reservation_id]);
    if (move_begins(m))
        m->order_hash = hash64(m->order_id, r->seed);
    int rc = 0;
    if (move_has_no_lines(m->kind))
        m->line_count = 0;
    else if (lot == 0)
        rc = fill_lines(r, m, e);
    return rc ? rc : 1;
}

/* ---- records ---- */

void mydb_put_history(struct mydb_text *t, const int64_t *reservations, size_t count)
{
    mydb_put(t, "SELECT " MYDB_MOVE_COLUMNS
                ", m.seq AS reservation FROM move AS m WHERE m.kind IN (3, 15) AND m.seq IN ");
    mydb_put_numbers(t, reservations, count);
    mydb_put(t, " UNION ALL SELECT " MYDB_MOVE_COLUMNS
                ", m.reservation_id FROM move AS m WHERE m.reservation_id IN ");
    mydb_put_numbers(t, reservations, count);
    mydb_put(t, " ORDER BY reservation, seq");
    mydb_end(t);
    mydb_put(t, "SELECT x.seq, x.lot_id, x.quantity FROM move_line AS x WHERE x.seq IN ");
    mydb_put_numbers(t, reservations, count);
    mydb_put(t, " UNION ALL SELECT x.seq, x.lot_id, x.quantity FROM move AS m JOIN move_line AS x "
                "ON x.seq = m.seq WHERE m.reservation_id IN ");
    mydb_put_numbers(t, reservations, count);
    mydb_put(t, " ORDER BY seq, lot_id");
    mydb_end(t);
}

static int hand_out(struct record_builder *b, mydb_record_fn *fn, void *context, struct error *e)
{
    struct reservation_record *record = record_pack(b);
    if (!record)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a reservation");
    return fn(context, record);
}

int mydb_read_history(MYSQL_RES *moves, MYSQL_RES *lines, uint64_t seed, struct record_builder *b,
                      mydb_record_fn *fn, void *context, struct error *e)
{
    struct mydb_moves r;
    struct move m;
    bool begun = false;
    int got, rc = mydb_moves_open(&r, moves, lines, seed, e);
    while (rc == 0 && (got = mydb_moves_next(&r, &m, e)) != 0) {
        rc = got < 0 ? got : 0;
        if (rc == 0 && move_begins(&m)) {
            rc = begun ? hand_out(b, fn, context, e) : 0;
            begun = true;
            if (rc == 0)
                rc = record_begin(b, &m, e);
        } else if (rc == 0 && !begun) {
            rc = corrupt(&m, "its reservation is not there", e);
        } else if (rc == 0) {
            rc = record_add(b, &m, e);
        }
    }
    if (rc == 0 && begun)
        rc = hand_out(b, fn, context, e);
    mydb_moves_close(&r);
    return rc;
}
