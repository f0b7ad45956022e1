/* sale_rows.h - rows of the tables `sale` and `sale_item`: each sale as it stands now. */
#ifndef TALLY_LEDGER_SALE_ROWS_H
#define TALLY_LEDGER_SALE_ROWS_H

#include <sqlite3.h>

#include "base/error.h"
#include "model/model.h"

#define SALE_COLUMNS                                                                               \
    "sale, sale_id, title, starts_at_ms, ends_at_ms, closed_at_ms, per_user_limit,"                \
    " per_order_limit, total_limit, hold_ms, payment_extend_ms_max, group_size, group_window_ms,"  \
    " queue_mode, created_seq"
/* created_seq stays that of the first. */
#define SALE_PUT                                                                                   \
    "INSERT INTO sale(" SALE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"      \
    " ON CONFLICT (sale) DO UPDATE SET sale_id = excluded.sale_id, title = excluded.title,"        \
    " starts_at_ms = excluded.starts_at_ms, ends_at_ms = excluded.ends_at_ms,"                     \
    " closed_at_ms = excluded.closed_at_ms, per_user_limit = excluded.per_user_limit,"             \
    " per_order_limit = excluded.per_order_limit, total_limit = excluded.total_limit,"             \
    " hold_ms = excluded.hold_ms, payment_extend_ms_max = excluded.payment_extend_ms_max,"         \
    " group_size = excluded.group_size, group_window_ms = excluded.group_window_ms,"               \
    " queue_mode = excluded.queue_mode"
#define SALE_CLEAR_ITEMS "DELETE FROM sale_item WHERE sale = ?"
#define SALE_INSERT_ITEM "INSERT INTO sale_item VALUES (?, ?, ?, ?)"

/* The three statements above, prepared. */
struct sale_statements {
    sqlite3_stmt *put;
    sqlite3_stmt *clear_items;
    sqlite3_stmt *insert_item;
};

/* Writes what a SALE move says. */
int sale_rows_put(sqlite3 *db, const struct sale_statements *statements, const struct move *m,
                  struct error *e) MUST_CHECK;

/* Hands all sales out in order of number; what `terms` points to is good until `fn` returns. An
 * error of `fn` ends it. TLY_ECORRUPT if a row breaks a bound. */
typedef int sale_rows_fn(void *context, const struct sale_terms *terms, int64_t created_seq,
                         struct error *e);
int sale_rows_read(sqlite3 *db, sale_rows_fn *fn, void *context, struct error *e) MUST_CHECK;

#endif
