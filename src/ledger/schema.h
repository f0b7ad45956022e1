/* schema.h - the shape of the ledger file and how an older one becomes a newer one. */
#ifndef TALLY_LEDGER_SCHEMA_H
#define TALLY_LEDGER_SCHEMA_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/error.h"

enum { LEDGER_SCHEMA_VERSION = 3 };

extern const char ledger_schema_1[]; /* schema.sql */
extern const char ledger_schema_2[]; /* schema_2.sql */
extern const char ledger_schema_3[]; /* schema_3.sql */
extern const char ledger_schema_mysql[];

/* Creates or migrates in one transaction, and returns the data folder's hash seed. A schema newer
 * than LEDGER_SCHEMA_VERSION is refused and left alone (TLY_EINVALID_ARGUMENT). */
int schema_apply(sqlite3 *db, uint64_t *seed, struct error *e) MUST_CHECK;

/* The hash seed of a ledger that is open. */
int schema_seed(sqlite3 *db, uint64_t *seed, struct error *e) MUST_CHECK;

#endif
