/* mysql_rows.h - rows of the database to lots, moves and records of reservations. */
#ifndef TALLY_LEDGER_MYSQL_ROWS_H
#define TALLY_LEDGER_MYSQL_ROWS_H

#include "ledger/move_rows.h"
#include "ledger/mysql_db.h"
#include "ledger/mysql_known.h"
#include "ledger/record_build.h"

/* The columns of a move, table `m`. */
#define MYDB_COLUMN(name, type, put, value)      "m." #name
#define MYDB_NEXT_COLUMN(name, type, put, value) ", m." #name
#define MYDB_MOVE_COLUMNS                        MOVE_COLUMN_LIST(MYDB_COLUMN, MYDB_NEXT_COLUMN)

/* The columns of a lot, table `l`, with its stock, table `s`. */
#define MYDB_LOT_COLUMNS                                                                           \
    "l.lot_id, l.lot_key, l.sku, l.flavor, l.size, l.batch, l.expires_on, l.expected_on,"          \
    " l.per_user_limit, l.backorder_limit, l.withdrawn, l.backorder_limit_most, l.created_at_ms,"  \
    " s.on_hand, s.reserved, s.confirmed, s.version, s.last_seq"
enum { MYDB_LOT_COLUMN_COUNT = 18 };

/* Dimensions and terms, from the columns `first` on; the texts are the row's. TLY_ECORRUPT. */
int mydb_lot_row(MYSQL_ROW row, const unsigned long *sizes, unsigned first, lot_id *id,
                 struct lot_dims *dims, struct lot_terms *terms, struct error *e) MUST_CHECK;
/* All of MYDB_LOT_COLUMNS, taken down as known. NULL: TLY_ECORRUPT or TLY_ENO_MEMORY. */
struct known_lot *mydb_known_row(struct mydb_known *k, MYSQL_ROW row, const unsigned long *sizes,
                                 struct error *e);

/* Moves, with the lines of those that have several: two sets, of which the second has seq, lot_id
 * and quantity in this order and is sorted by them. What a move points to is good until the next.
 */
struct mydb_moves {
    MYSQL_RES *moves;
    struct mydb_line *lines;
    uint32_t line_count;
    uint64_t seed;
    MYSQL_ROW row; /* the present one, */
    const unsigned long *sizes;
    struct line buffer[MOVE_LINES_MAX];
};

int mydb_moves_open(struct mydb_moves *r, MYSQL_RES *moves, MYSQL_RES *lines, uint64_t seed,
                    struct error *e) MUST_CHECK;
/* 1: there is one; 0: that was all; TLY_ECORRUPT. */
int mydb_moves_next(struct mydb_moves *r, struct move *m, struct error *e) MUST_CHECK;
void mydb_moves_close(struct mydb_moves *r);

/* Two statements whose sets are those of all moves of these reservations. */
void mydb_put_history(struct mydb_text *t, const int64_t *reservations, size_t count);
/* What they answered as records, by id; fn owns them. */
typedef int mydb_record_fn(void *context, struct reservation_record *record);
int mydb_read_history(MYSQL_RES *moves, MYSQL_RES *lines, uint64_t seed, struct record_builder *b,
                      mydb_record_fn *fn, void *context, struct error *e) MUST_CHECK;

#endif
