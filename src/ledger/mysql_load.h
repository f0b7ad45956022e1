/* mysql_load.h - what the files of the load step share: mysql_load.c (locking
 * and reading), mysql_keys.c (what the keys are), mysql_trust.c (answers
 * without asking). */
#ifndef TALLY_LEDGER_MYSQL_LOAD_H
#define TALLY_LEDGER_MYSQL_LOAD_H

#include "ledger/mysql_internal.h"

#define MYDB_LOTS_OF                                                                               \
    "SELECT " MYDB_LOT_COLUMNS " FROM lot AS l JOIN stock AS s ON s.lot_id = l.lot_id"

/* ---- lists of numbers ---- */

bool mydb_numbers_add(struct mydb_numbers *n, int64_t number); /* false: no memory */
void mydb_numbers_sort(struct mydb_numbers *n);                /* each once */
bool mydb_numbers_has(const struct mydb_numbers *n, int64_t number);
int mydb_load_no_memory(struct error *e);

/* A row of the load; false: no memory. */
bool mydb_load_take(struct mydb_loading *g, const struct known_lot *lot);

/* True if the load was filled in from what is known. */
bool mydb_trust(struct mydb_worker *w, struct load *load);

/* ---- keys ---- */

/* Fills in the lots that the keys name, and whether some are not there. */
int mydb_resolve(struct mydb_worker *w, struct mydb_answer *a, struct error *e) MUST_CHECK;
/* " IN ('a','b')" of all keys of a kind; the number of them. */
uint32_t mydb_put_texts(struct mydb_worker *w, uint8_t kind, bool unknown_only);
bool mydb_has_kind(const struct load *load, uint8_t kind);
bool mydb_has_unknown_lot(const struct mydb_worker *w);
/* The lots that reservations hold, or ever held. */
void mydb_put_lots_of(struct mydb_text *t, const struct mydb_numbers *reservations);

/* ---- mysql_sales.c ---- */

/* Whether the keys alone ask for the lock on `sales`. */
bool mydb_is_strict(const struct load *load);
void mydb_put_lots_of_sales(struct mydb_worker *w);
/* Sales and groups; may find that the load must begin again, with more. */
int mydb_read_sales(struct mydb_worker *w, struct mydb_answer *a, struct error *e) MUST_CHECK;
/* kind, sale, quantity, at_ms, deadline_ms of a group's row. */
void mydb_group_row(MYSQL_ROW row, struct group_record *g);

/* ---- mysql_units.c ---- */

int mydb_read_units(struct mydb_worker *w, struct mydb_answer *a, struct error *e) MUST_CHECK;
void mydb_units_free(struct mydb_loading *g);

#endif
