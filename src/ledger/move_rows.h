/* move_rows.h - rows of the table `move` to struct move. */
#ifndef TALLY_LEDGER_MOVE_ROWS_H
#define TALLY_LEDGER_MOVE_ROWS_H

#include <sqlite3.h>
#include <stdint.h>

#include "ledger/lot_rows.h"
#include "model/model.h"

/* The order of the table, and of every SELECT that is read here. */
#define MOVE_COLUMNS                                                                               \
    "seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id, reservation_id, reason, " \
    "detail, note"

enum move_column {
    COLUMN_SEQ,
    COLUMN_KIND,
    COLUMN_LOT_ID,
    COLUMN_QUANTITY,
    COLUMN_AT_MS,
    COLUMN_DEADLINE_MS,
    COLUMN_ORDER_ID,
    COLUMN_USER_ID,
    COLUMN_RESERVATION_ID,
    COLUMN_REASON,
    COLUMN_DETAIL,
    COLUMN_NOTE,
    MOVE_COLUMN_COUNT
};

/* Reads rows of one connection. What a move points to is good until the next row is read. */
struct move_reader {
    sqlite3 *db;
    sqlite3_stmt *lines;
    sqlite3_stmt *lot;
    uint64_t seed;
    struct lot_dims dims;
    char dims_text[LOT_TEXT_MAX];
    struct line line_buffer[ORDER_LINES_MAX];
};

int move_reader_init(struct move_reader *r, sqlite3 *db, uint64_t seed, struct error *e) MUST_CHECK;
void move_reader_close(struct move_reader *r); /* a zeroed one is fine */
int move_reader_fill(struct move_reader *r, sqlite3_stmt *row, struct move *m,
                     struct error *e) MUST_CHECK;

#endif
