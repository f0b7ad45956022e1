/* verify_mysql.h - shared by the files that read a ledger out of MySQL. */
#ifndef TALLY_CLI_VERIFY_MYSQL_H
#define TALLY_CLI_VERIFY_MYSQL_H

#include <mysql.h>

#include "cli/verify_internal.h"

#define MYSQL_TABLES                                                                               \
    "meta, lot, move_kind, move, move_line, stock, pending, lane, sale, sale_item, `cursor`, "     \
    "archived, adjustment"
#define MYSQL_TABLE_NAMES                                                                          \
    "'meta', 'lot', 'move_kind', 'move', 'move_line', 'stock', 'pending', 'lane', 'sale', "        \
    "'sale_item', 'cursor', 'archived', 'adjustment'"

/* What MySQL said last, as an error: TLY_ECORRUPT if a table is damaged, else TLY_EIO. */
int mysql_failed(MYSQL *db, const char *doing, struct error *e);
typedef void mysql_row_fn(void *context, char **row);
/* Each row of a small answer. */
int mysql_each(MYSQL *db, const char *sql, mysql_row_fn *fn, void *context,
               struct error *e) MUST_CHECK;

/* ---- verify_mysql_rows.c ---- */
/* All rows, in one consistent snapshot, into v->db, which it opens. */
int verify_mysql_rows(struct verify *v, struct error *e) MUST_CHECK;

#endif
