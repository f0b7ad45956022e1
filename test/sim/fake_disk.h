/* fake_disk.h - the simulated ledger's disk: rows, and what follows from them. It outlives every
 * process. */
#ifndef TALLY_SIM_FAKE_DISK_H
#define TALLY_SIM_FAKE_DISK_H

#include "base/error.h"
#include "ledger/ledger.h"
#include "plants.h"

/* A part of the order index that a process handed over. */
struct fake_run {
    struct order_entry *entries;
    uint64_t count;
    int64_t seq_min, seq_max;
};

struct fake_disk {
    struct move *rows; /* copies, with their texts, in order of commit */
    size_t count, room;
    uint32_t lot_count;
    int64_t snapshot_seq;   /* the snapshot contains rows up to there */
    int64_t oldest_pending; /* as the newest batch says */
    struct fake_run *runs;
    size_t run_count, run_room;
};

void fake_disk_close(struct fake_disk *r);
void fake_disk_add(struct fake_disk *r, const struct move *moves, size_t count);
void fake_disk_snapshot(struct fake_disk *r);
void fake_disk_forget_snapshot(struct fake_disk *r);
const struct fake_run *fake_disk_keep_run(struct fake_disk *r, const struct order_segment *s);
void fake_disk_drop_runs(struct fake_disk *r);
struct stock fake_disk_stock(const struct fake_disk *r, lot_id lot);
/* Fills in the answer from the rows as they are now. */
void fake_disk_answer(const struct fake_disk *r, struct question *read);
/* One reservation, malloc'ed in one block; NULL if there is none. */
struct reservation_record *fake_disk_record(const struct fake_disk *r, int64_t reservation_id);
/* The newest reservation of that order_id; 0: none. */
int64_t fake_disk_order(const struct fake_disk *r, struct str order_id);
/* The move of that adjustment_id; NULL: none. */
const struct move *fake_disk_adjustment(const struct fake_disk *r, struct str adjustment_id);
int fake_disk_sales(const struct fake_disk *r, const struct ledger_loader *loader, size_t row_count,
                    struct error *err) MUST_CHECK;
/* A lot's terms after so many rows. */
struct lot_terms fake_disk_terms(const struct fake_disk *r, lot_id lot, size_t row_count);
/* Lots of the first `row_count` rows, with their stock in the snapshot. */
int fake_disk_lots(const struct fake_disk *r, const struct ledger_loader *loader, size_t row_count,
                   enum plant plant, struct error *err) MUST_CHECK;

#endif
