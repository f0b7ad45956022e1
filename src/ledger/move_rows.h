/* move_rows.h - rows of the table `move` to struct move. */
#ifndef TALLY_LEDGER_MOVE_ROWS_H
#define TALLY_LEDGER_MOVE_ROWS_H

#include <sqlite3.h>
#include <stdint.h>

#include "ledger/lot_rows.h"
#include "model/model.h"

/* The columns of `move`, the one list of them: name, type, and what a move `m` puts there. NUMBER
 * writes any number; SOME_NUMBER and SOME_TEXT write NULL for 0 and "". FIRST is for the first,
 * NEXT for the others. Every statement names them, so that their order in a file does not matter. A
 * new one comes last here and in a migration (schema.c); archive.db gets it by itself
 * (retention.c). */
#define MOVE_COLUMN_LIST(FIRST, NEXT)                                                              \
    MOVE_PLAIN_COLUMN_LIST(FIRST, NEXT)                                                            \
    NEXT(sale, "INTEGER", SOME_NUMBER, m->sale)                                                    \
    NEXT(group_id, "INTEGER", SOME_NUMBER, m->group_id)

/* Those that a batch without a sale has. Each column of `batch` costs an order something, so what
 * is outside sales does not pay for a sale's, and what is all RESERVE, or all REFUND, pays only for
 * its own (MOVE_RESERVE_VALUES ...). */
#define MOVE_PLAIN_COLUMN_LIST(FIRST, NEXT)                                                        \
    FIRST(seq, "INTEGER PRIMARY KEY", NUMBER, m->seq)                                              \
    NEXT(kind, "INTEGER", NUMBER, m->kind)                                                         \
    NEXT(lot_id, "INTEGER", SOME_NUMBER, m->line_count == 1 ? m->line.lot : 0)                     \
    NEXT(quantity, "INTEGER", NUMBER, m->line.quantity)                                            \
    NEXT(at_ms, "INTEGER", NUMBER, m->at_ms)                                                       \
    NEXT(deadline_ms, "INTEGER", SOME_NUMBER, m->deadline_ms)                                      \
    NEXT(order_id, "TEXT", SOME_TEXT, m->order_id)                                                 \
    NEXT(user_id, "TEXT", SOME_TEXT, m->user_id)                                                   \
    NEXT(reservation_id, "INTEGER", SOME_NUMBER, move_begins(m) ? 0 : m->reservation_id)           \
    NEXT(reason, "INTEGER", SOME_NUMBER, m->reason)                                                \
    NEXT(detail, "TEXT", SOME_TEXT, m->detail)                                                     \
    NEXT(note, "TEXT", SOME_TEXT, m->note)                                                         \
    NEXT(fingerprint, "INTEGER", SOME_NUMBER, (int64_t)m->fingerprint)

#define MOVE_COLUMN_NUMBER(name, type, put, value) COLUMN_##name,
enum move_column { MOVE_COLUMN_LIST(MOVE_COLUMN_NUMBER, MOVE_COLUMN_NUMBER) MOVE_COLUMN_COUNT };

/* "seq, kind, ..." */
#define MOVE_COLUMN_NAME(name, type, put, value)      #name
#define MOVE_COLUMN_NEXT_NAME(name, type, put, value) ", " #name
#define MOVE_COLUMNS                                  MOVE_COLUMN_LIST(MOVE_COLUMN_NAME, MOVE_COLUMN_NEXT_NAME)

#define MOVE_PLAIN_COLUMNS                            MOVE_PLAIN_COLUMN_LIST(MOVE_COLUMN_NAME, MOVE_COLUMN_NEXT_NAME)

/* All of them, as a RESERVE outside sales fills them, one in a sale, and a REFUND; in the table's
 * order, so that SQLite hands the values on where they are. */
#define MOVE_RESERVE_VALUES                                                                        \
    "seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id,"                          \
    " NULL, NULL, NULL, NULL, fingerprint, NULL, NULL"
#define MOVE_SALE_RESERVE_VALUES                                                                   \
    "seq, kind, lot_id, quantity, at_ms, deadline_ms, order_id, user_id,"                          \
    " NULL, NULL, NULL, NULL, fingerprint, sale, group_id"
#define MOVE_REFUND_VALUES                                                                         \
    "seq, kind, lot_id, quantity, at_ms, NULL, NULL, NULL, reservation_id, reason,"                \
    " NULL, NULL, NULL, NULL, NULL"

/* "seq INTEGER PRIMARY KEY, kind INTEGER, ..." */
#define MOVE_COLUMN_TYPE(name, type, put, value)      #name " " type
#define MOVE_COLUMN_NEXT_TYPE(name, type, put, value) ", " #name " " type
#define MOVE_COLUMN_TYPES                             MOVE_COLUMN_LIST(MOVE_COLUMN_TYPE, MOVE_COLUMN_NEXT_TYPE)

/* Reads rows of one connection. What a move points to is good until the next row is read. The terms
 * of a lot are not kept as they were: CREATE and LOT_TERMS are read with those of now; a SALE has
 * none at all (sale_rows.h). */
struct move_reader {
    sqlite3 *db;
    sqlite3_stmt *lines;
    sqlite3_stmt *lot;
    uint64_t seed;
    struct lot_row lot_row;
    struct line line_buffer[MOVE_LINES_MAX];
};

int move_reader_init(struct move_reader *r, sqlite3 *db, uint64_t seed, struct error *e) MUST_CHECK;
void move_reader_close(struct move_reader *r); /* a zeroed one is fine */
int move_reader_fill(struct move_reader *r, sqlite3_stmt *row, struct move *m,
                     struct error *e) MUST_CHECK;

#endif
