/* stock_table.h - the stock of every lot as the moves say it, kept by the writer beside the file.
 *
 * It is what goes into stock_snapshot. Lots are numbered without gaps, so it is an array. A lot
 * whose stock differs from its row is dirty. One thread.
 */
#ifndef TALLY_LEDGER_STOCK_TABLE_H
#define TALLY_LEDGER_STOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

struct stock_table {
    struct stock *stocks;      /* [lot_id - 1] */
    int64_t *backorder_limits; /* of each: the highest that it ever had */
    bool *is_dirty;
    lot_id *dirty;
    uint32_t dirty_count;
    uint32_t count; /* lots that exist: 1..count */
    uint32_t capacity;
};

void stock_table_close(struct stock_table *t);
/* A lot with the stock of its row. TLY_ECORRUPT unless id is the next number. */
int stock_table_load(struct stock_table *t, lot_id id, const struct stock *stock,
                     int64_t backorder_limit_most, struct error *e) MUST_CHECK;
/* Applies all moves or, on error, none: TLY_ENO_MEMORY, or TLY_ECORRUPT where a move names no lot
 * or would make a counter negative; available may be as far below 0 as the lot's backorder_limit
 * ever allowed (what was sold under a higher limit stays sold). */
int stock_table_apply(struct stock_table *t, const struct move *moves, uint32_t count,
                      struct error *e) MUST_CHECK;
/* Takes back the newest moves that were applied; they must be the same. */
void stock_table_undo(struct stock_table *t, const struct move *moves, uint32_t count);
/* The rows are as the table is. */
void stock_table_clean(struct stock_table *t);

#endif
