/* planted_rows.h - bugs between the engine and the ledger: rows that are not written, records that
 * do not tell all. */
#ifndef TALLY_SIM_PLANTED_ROWS_H
#define TALLY_SIM_PLANTED_ROWS_H

#include "ledger/ledger.h"
#include "plants.h"

/* What is written of a batch: into `out`, which has room for all. Returns how many. */
size_t planted_rows(enum plant plant, const struct batch *b, struct move *out);
/* A sale's limits, by one more or fewer. */
void planted_sale(enum plant plant, struct sale_terms *t, int by);
/* A lot's limits, likewise. */
void planted_terms(enum plant plant, struct lot_terms *t, int by);
/* What the engine is told. */
void planted_answer(enum plant plant, struct question *q);

#endif
