/* list_build.h - the index of lists, made from the log of moves. */
#ifndef TALLY_LEDGER_LIST_BUILD_H
#define TALLY_LEDGER_LIST_BUILD_H

#include <sqlite3.h>

#include "ledger/list_index.h"

/* Rows of the ledger's connection, and room for a batch of entries. */
struct list_builder {
    sqlite3 *db;
    uint64_t seed;
    sqlite3_stmt *moves;
    sqlite3_stmt *lines;
    struct list_entry *entries;
    size_t count, room;
};

int list_builder_init(struct list_builder *b, sqlite3 *ledger, uint64_t seed,
                      struct error *e) MUST_CHECK;
void list_builder_close(struct list_builder *b); /* a zeroed one is fine */

/* One batch of moves after the index's cursor goes into it. *more: there may be others. On failure
 * the index must be closed. */
int list_build(struct list_builder *b, struct list_index *x, bool *more,
               struct error *e) MUST_CHECK;

#endif
