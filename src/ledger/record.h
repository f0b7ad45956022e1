/* record.h - all that the log knows of one reservation, as one block of memory. */
#ifndef TALLY_LEDGER_RECORD_H
#define TALLY_LEDGER_RECORD_H

#include <sqlite3.h>

#include "ledger/move_rows.h"
#include "ledger/record_build.h"
#include "model/model.h"

/* One connection's statements, and what puts a record together. */
struct record_reader {
    struct move_reader rows;
    sqlite3_stmt *reserve;
    sqlite3_stmt *others;
    struct record_builder builder;
};

int record_reader_init(struct record_reader *r, sqlite3 *db, uint64_t seed,
                       struct error *e) MUST_CHECK;
void record_reader_close(struct record_reader *r); /* a zeroed one is fine */

/* A malloc'ed record, the caller's. TLY_ENOT_FOUND if there is no such reservation, or, with
 * `order_id`, if it is another order's. */
int record_read(struct record_reader *r, int64_t reservation_id, const struct str *order_id,
                struct reservation_record **out, struct error *e) MUST_CHECK;

#endif
