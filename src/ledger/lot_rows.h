/* lot_rows.h - rows of the table `lot`. */
#ifndef TALLY_LEDGER_LOT_ROWS_H
#define TALLY_LEDGER_LOT_ROWS_H

#include <sqlite3.h>

#include "base/error.h"
#include "model/model.h"

enum {
    LOT_TEXT_MAX = LOT_KEY_MAX + SKU_MAX + FLAVOR_MAX + SIZE_MAX_BYTES + BATCH_MAX_BYTES,
    DATE_SIZE = 11, /* "2026-11-22" and the terminating zero */
};

/* Columns 0 to 6 of a SELECT are these. */
#define LOT_COLUMNS "lot_id, lot_key, sku, flavor, size, batch, expires_on"
#define LOT_INSERT                                                                                 \
    "INSERT INTO lot(" LOT_COLUMNS ", created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"

/* Binds all of LOT_INSERT's parameters; the strings must live until the step. */
int lot_row_bind(sqlite3_stmt *insert, lot_id id, const struct lot_dims *dims, int64_t created_ms,
                 char expires[DATE_SIZE]);
/* Copies the row into dims and text. TLY_ECORRUPT if it breaks a bound. */
int lot_row_read(sqlite3_stmt *row, lot_id *id, struct lot_dims *dims, char text[LOT_TEXT_MAX],
                 struct error *e) MUST_CHECK;

void lot_date_format(int32_t days, char out[DATE_SIZE]);
int lot_date_parse(struct str text, int32_t *days) MUST_CHECK; /* TLY_EINVALID_ARGUMENT */

#endif
