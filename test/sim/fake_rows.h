/* fake_rows.h - the simulated ledger's disk: rows, and what follows from them. */
#ifndef TALLY_SIM_FAKE_ROWS_H
#define TALLY_SIM_FAKE_ROWS_H

#include "engine/engine.h"

enum { AUDITED_LOTS_MAX = 64 };

struct fake_rows {
    struct move *rows; /* copies, with their texts */
    size_t count, room;
    uint32_t lot_count;
    int64_t snapshot_seq; /* the snapshot contains rows up to there */
};

void fake_rows_close(struct fake_rows *r);
void fake_rows_add(struct fake_rows *r, const struct move *moves, size_t count);
void fake_rows_snapshot(struct fake_rows *r);
void fake_rows_forget_snapshot(struct fake_rows *r);
struct stock fake_rows_stock(const struct fake_rows *r, lot_id lot);
/* Fills in the answer from the rows as they are now. */
void fake_rows_answer(const struct fake_rows *r, struct question *read);
/* Lots of the first `row_count` rows, with their stock in the snapshot. */
int fake_rows_load_lots(const struct fake_rows *r, struct engine *e, size_t row_count,
                        struct error *err) MUST_CHECK;

#endif
