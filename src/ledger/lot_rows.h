/* lot_rows.h - rows of the table `lot`. */
#ifndef TALLY_LEDGER_LOT_ROWS_H
#define TALLY_LEDGER_LOT_ROWS_H

#include <sqlite3.h>

#include "base/error.h"
#include "model/model.h"

enum {
    LOT_TEXT_MAX = LOT_KEY_MAX + SKU_MAX + 3 * DIMENSION_MAX,
    DATE_SIZE = 11, /* "2026-11-22" and the terminating zero */
};

/* The first columns of a SELECT are these. */
#define LOT_COLUMNS                                                                                \
    "lot_id, lot_key, sku, flavor, size, batch, expires_on, expected_on, per_user_limit,"          \
    " backorder_limit, withdrawn, backorder_limit_most"
enum { LOT_COLUMN_COUNT = 12 };

#define LOT_INSERT                                                                                 \
    "INSERT INTO lot(lot_id, expires_on, expected_on, per_user_limit, backorder_limit, withdrawn," \
    " backorder_limit_most, lot_key, sku, flavor, size, batch, created_at_ms)"                     \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5, ?7, ?8, ?9, ?10, ?11, ?12)"
#define LOT_PUT_TERMS                                                                              \
    "UPDATE lot SET expires_on = ?2, expected_on = ?3, per_user_limit = ?4, backorder_limit = ?5," \
    " withdrawn = ?6, backorder_limit_most = max(backorder_limit_most, ?5) WHERE lot_id = ?1"

/* A row, and room for its texts. */
struct lot_row {
    lot_id id;
    struct lot_dims dims; /* expires_on is that of `terms` */
    struct lot_terms terms;
    char text[LOT_TEXT_MAX];
};

/* What a statement's dates are written into; must live until its step. */
struct lot_dates {
    char expires[DATE_SIZE];
    char expected[DATE_SIZE];
};

/* Binds all of LOT_INSERT's parameters; the strings must live until the step. */
void lot_row_bind(sqlite3_stmt *insert, lot_id id, const struct lot_dims *dims,
                  const struct lot_terms *terms, int64_t created_ms, struct lot_dates *dates);
/* Binds all of LOT_PUT_TERMS. */
void lot_terms_bind(sqlite3_stmt *put, lot_id id, const struct lot_terms *terms,
                    struct lot_dates *dates);
/* TLY_ECORRUPT if it breaks a bound. */
int lot_row_read(sqlite3_stmt *row, struct lot_row *out, struct error *e) MUST_CHECK;

void lot_date_format(int32_t days, char out[DATE_SIZE]);
int lot_date_parse(struct str text, int32_t *days) MUST_CHECK; /* TLY_EINVALID_ARGUMENT */

#endif
